"""Installed listeners: packages add them to receive events, without any code of the user.

Every training and every change of documents sends them events. A listener that cannot be imported, or that
raises an error, is named once and left out; the work continues.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from lior.errors import PluginError
from lior.events import manager
from lior.plugins.registry import registry


class LeftOut(UserWarning):
    """A warning that a listener receives no more events."""


@cache
def installed() -> tuple[object, ...]:
    """Return the installed listeners, each created once in a process and behind a guard."""
    found = list[object]()
    for name in registry.names("listener"):
        try:
            listener = Guarded(registry.get("listener", name)(), registry.origin("listener", name).label)
            manager([listener])
        except (Exception, SystemExit) as error:  # an error of one listener must not stop the others
            _left_out(f"listener {name!r}", error)
        else:
            found.append(listener)
    return tuple(found)


def tell(event: str, **arguments: Any) -> None:
    """Send an event of :class:`~lior.events.Events` to the installed listeners."""
    if listeners := installed():
        getattr(manager(listeners).hook, event)(**arguments)


class Guarded:
    """A listener that receives no more events after its first error."""

    def __init__(self, listener: Any, label: str) -> None:
        self._label, self._broken = label, False
        for name in heard(listener):
            setattr(self, name, self._safe(getattr(listener, name)))

    def _safe(self, method: Callable[..., object]) -> Callable[..., None]:
        @wraps(method)
        def told(*args: Any, **arguments: Any) -> None:
            if self._broken:
                return
            try:
                method(*args, **arguments)
            except (Exception, SystemExit) as error:
                self._broken = True
                _left_out(f"{self._label}, {method.__name__}", error)

        return told


def heard(listener: object) -> list[str]:
    """Return the names of the events that a listener receives."""
    return [name for name in dir(listener) if getattr(getattr(listener, name), "lior_impl", None)]


def _left_out(where: str, error: BaseException) -> None:
    cause = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    warnings.warn(f"{where} is left out: {' '.join(cause.split())}", LeftOut, stacklevel=3)
