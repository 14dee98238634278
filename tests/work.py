"""How much work a call does, counted and not timed: the same number on a busy machine."""

import sys
from collections.abc import Callable


def work(function: Callable[[], object]) -> int:
    """Count the calls of Python and C functions while a function runs in this thread.

    Parameters
    ----------
    function
        Function without arguments; its result is dropped.

    Returns
    -------
    int
        The number of calls; those of other threads and processes are not counted.
    """
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls
