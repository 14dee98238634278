"""Installed listeners: what packages add to be told of events, without any code of the user.

They are told by every training and by every change of documents. One that cannot be imported, or fails while
it is told something, is named once and left out; what is done goes on.
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
    """A listener is told nothing more."""


@cache
def installed() -> tuple[object, ...]:
    """The installed listeners, each made once in a process and behind a guard."""
    found = list[object]()
    for name in registry.names("listener"):
        try:
            listener = Guarded(registry.get("listener", name)(), registry.origin("listener", name).label)
            manager([listener])
        except Exception as error:  # whatever one does, the others are still told
            _left_out(f"listener {name!r}", error)
        else:
            found.append(listener)
    return tuple(found)


def tell(event: str, **arguments: Any) -> None:
    """Send an event of :class:`~lior.events.Events` to the installed listeners."""
    if listeners := installed():
        getattr(manager(listeners).hook, event)(**arguments)


class Guarded:
    """A listener that is told nothing more after its first error."""

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
            except Exception as error:
                self._broken = True
                _left_out(f"{self._label}, {method.__name__}", error)

        return told


def heard(listener: object) -> list[str]:
    """The events that a listener hears."""
    return [name for name in dir(listener) if getattr(getattr(listener, name), "lior_impl", None)]


def _left_out(where: str, error: Exception) -> None:
    cause = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    warnings.warn(f"{where} is left out: {' '.join(cause.split())}", LeftOut, stacklevel=3)
