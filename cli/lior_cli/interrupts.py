"""Ctrl-C and SIGTERM during imports, training and the replies of a chat; notes of lior to the user."""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lior.errors import Interrupted, Stopped
from lior.events import hookimpl

if TYPE_CHECKING:
    from lior_cli.progress import Progress

Result = TypeVar("Result")

_SELDOM = (100_000, 20, 20)
"""Thresholds of the garbage collector. Imports make a million permanent objects, and traversing them again
and again takes half a second of the two that a chat needs to begin.
"""


class _Notes(logging.Handler):
    """A log handler that shows the notes of lior on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        from lior_cli.sources import printable_line

        click.echo(
            f"lior: {printable_line(record.getMessage())}", err=True
        )  # the message may have names of files


_NOTES = _Notes()


def import_torch(*, quiet: bool = False, verbose: bool = False, compiling: bool = False) -> None:
    """Import torch; a Ctrl-C that comes meanwhile takes effect afterwards.

    An interrupted import leaves torch or NumPy half imported: the interrupt is lost, or causes an unrelated
    error later. From now on notes of lior are shown, such as that it compiles, unless ``quiet``; with
    ``verbose`` also each file that is left out. With ``compiling`` the compilation begins, in its own
    process, before torch is imported.

    Raises
    ------
    KeyboardInterrupt
        When the user pressed Ctrl-C.
    """
    gc.set_threshold(*_SELDOM)
    log = logging.getLogger("lior")
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    if quiet:
        log.removeHandler(_NOTES)
    else:
        log.addHandler(_NOTES)
    previous = signal.getsignal(signal.SIGINT)
    pressed: list[int] = []
    if previous is signal.default_int_handler:  # not if the parent process ignored it
        signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        if compiling:
            from lior.compiling import compiled

            compiled.begin_compiling()
        import torch  # noqa: F401
    finally:
        if previous is signal.default_int_handler:
            signal.signal(signal.SIGINT, previous)
    if pressed:
        raise KeyboardInterrupt


class Stop:
    """Callback that ends training after its step on SIGINT or SIGTERM, and at once on a second signal.

    Before training begins, and for signals that the parent process ignored, nothing changes.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.signal = 0
        """The number of the signal received, 0 for none."""
        self._say = say
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return bool(self.signal)

    def _asked(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        self.withdraw()
        self._say("stopping after this step; a second signal stops at once and loses it")

    @hookimpl
    def lior_train_start(self) -> None:
        """Handle signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            if before in (signal.default_int_handler, signal.SIG_DFL):
                self._before[number] = signal.signal(number, self._asked)

    def withdraw(self) -> None:
        """Restore the previous signal handlers."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}


def drive(start: Callable[[Stop], Result], progress: Progress, resume: str) -> Result:
    """Train until the end or until a signal comes.

    Raises
    ------
    Interrupted
        On a signal, with the command ``resume`` that continues.
    """
    stop = Stop(progress.note)
    try:
        with progress:
            return start(stop)
    except Stopped as error:
        raise Interrupted(str(error), 128 + stop.signal) from None
    except KeyboardInterrupt:
        kept = "nothing was written" if progress.stage == "start" else f"`{resume}` goes on"
        raise Interrupted(f"interrupted while in stage {progress.stage!r}: {kept}") from None
    finally:
        stop.withdraw()
