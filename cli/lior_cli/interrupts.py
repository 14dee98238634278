"""Ctrl-C at an awkward moment."""

from __future__ import annotations

import signal


def import_torch() -> None:
    """Import torch, and let a Ctrl-C that comes meanwhile count when it is done.

    An interrupted import leaves torch or NumPy half there: the interrupt is
    then lost, or shows as an unrelated error later.

    Raises
    ------
    KeyboardInterrupt
        When the user pressed Ctrl-C.
    """
    previous = signal.getsignal(signal.SIGINT)
    pressed: list[int] = []
    if previous is signal.default_int_handler:  # not where the parent process had it ignored
        signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        import torch  # noqa: F401
    finally:
        if previous is signal.default_int_handler:
            signal.signal(signal.SIGINT, previous)
    if pressed:
        raise KeyboardInterrupt
