"""Broadcast events of a run, sent to callbacks.

A callback is any object with methods of the names below, each marked with :data:`hookimpl`. A method takes
only the arguments that it needs::

    class Printer:
        @hookimpl
        def lior_train_end(self, result):
            print(result)

Return values are ignored: a callback is informed and cannot change the training. Other training systems may
send the same events, so that callbacks serve them as well. A package adds a callback for all commands by
the entry-point group ``lior.listeners`` (:mod:`lior.plugins.listening`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pluggy

from lior.errors import PluginError, RunError

Metrics: TypeAlias = "Mapping[str, float | Sequence[float]]"
"""Numbers, or lists of them, by name."""

hookspec = pluggy.HookspecMarker("lior")
hookimpl = pluggy.HookimplMarker("lior")
"""Marks a callback's method as the receiver of the event of that name."""


class Events:
    """The events and their arguments, in the order of a run."""

    @hookspec
    def lior_train_start(self, config: Any, run: Path | None) -> None:
        """Report that training starts with ``config``, in lior a :class:`~lior.config.TrainConfig`.

        ``run`` is the directory of the results, or ``None``.
        """

    @hookspec
    def lior_train_stage(self, stage: str, message: str) -> None:
        """Report that a stage of training starts; ``message`` describes its work in one line."""

    @hookspec
    def lior_train_step(self, stage: str, step: int, steps: int, metrics: Metrics) -> None:
        """Report that step ``step`` of ``steps`` of a stage is done; ``metrics`` has its numbers by name."""

    @hookspec
    def lior_checkpoint_saved(self, path: Path) -> None:
        """Report that a checkpoint is complete at ``path``."""

    @hookspec
    def lior_checkpoint_failed(self, error: RunError) -> None:
        """Report that a checkpoint could not be written; training continues, and the previous one remains."""

    @hookspec
    def lior_train_end(self, result: Any) -> None:
        """Report that training is done; ``result`` is the value that the system returns, in lior a
        ``Run``."""

    @hookspec
    def lior_documents_changed(
        self, run: Path | None, learned: Sequence[str], forgotten: Sequence[str]
    ) -> None:
        """Report that documents of these names were learned, or replaced, and others forgotten, on the disk
        too.

        ``run`` is the directory of the run; ``None`` for the index of folders that a server follows.
        """


def manager(callbacks: Iterable[object] = ()) -> pluggy.PluginManager:
    """Return a plugin manager that sends events to ``callbacks``, through its ``hook``.

    >>> class Printer:
    ...     @hookimpl
    ...     def lior_train_stage(self, message):
    ...         print(message)
    >>> manager([Printer()]).hook.lior_train_stage(stage="count", message="counting")
    counting
    []

    Raises
    ------
    PluginError
        If a callback has a marked method that is no event, or takes an argument that the event does not
        have.
    """
    plugins = pluggy.PluginManager("lior")
    plugins.add_hookspecs(Events)
    for callback in callbacks:
        try:
            plugins.register(callback)
            plugins.check_pending()
        except pluggy.PluginValidationError as error:
            cause = " ".join(str(error).split())
            raise PluginError(f"{type(callback).__name__} cannot listen to events: {cause}.") from error
    return plugins
