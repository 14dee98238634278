"""Two threads that each do half of reading and learning a text, if that is faster than one.

Each waits for the other at every window. So the gain depends on how near their cores are to each other, and
on a busy machine a thread that the other waits for may not run. Results are the same with one thread and
with two: measurements decide which to use.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lior_plugins.counting import stream
from lior_plugins.counting.layout import Ints

AGAIN = 16
"""Number of blocks after which the slower way is tried again."""
WORTH = 256
"""Minimum number of positions of a block for two threads."""
TWO, ONE = range(2)
_FIRST = TWO, TWO, ONE
"""Ways of the first blocks; the very first also loads compiled code."""


class Halves:
    """A runner of blocks by two threads or one, whichever took less time a position lately."""

    def __init__(self) -> None:
        self._seconds = [0.0, 0.0]
        """Seconds a position at the last use of each way."""
        self._blocks = 0
        self._latest, self._spent, self._done = ONE, 0.0, 0
        """Way, seconds and positions of the latest block that two threads might have had."""
        self._measured = False

    def way(self, first: int, *, two: bool) -> int:
        """Choose :data:`ONE` or :data:`TWO` threads for a block from position ``first`` on, ``two`` only if
        allowed.

        A block that continues another keeps its way.
        """
        self._measured = two
        if not two:
            return ONE
        if first == 0:
            if self._done:
                self._seconds[self._latest] = self._spent / self._done
                self._blocks += 1
            self._latest, self._spent, self._done = self._choice(), 0.0, 0
        return self._latest

    def _choice(self) -> int:
        if self._blocks < len(_FIRST):
            return _FIRST[self._blocks]
        faster = min(TWO, ONE, key=self._seconds.__getitem__)
        return faster if self._blocks % AGAIN else 1 - faster

    def run(self, way: int, half: Callable[[int, Ints], int], first: int) -> int:
        """Run a block; returns the position where ``half(part, signs)`` stopped; see :func:`stream.run`."""
        began = time.perf_counter()
        done = _by_two(half) if way == TWO else half(stream.BOTH, stream.signs())
        if self._measured:
            self._spent += time.perf_counter() - began
            self._done += done - first
        return done


def _by_two(half: Callable[[int, Ints], int]) -> int:
    signs = stream.signs()

    def tried(part: int) -> int:
        try:
            return half(part, signs)
        except BaseException:
            signs[stream.STOP] = 1  # otherwise the other thread waits for ever
            raise

    with ThreadPoolExecutor(1) as pool:
        supplied = pool.submit(tried, stream.SUPPLIES)
        tried(stream.WEIGHS)
        return supplied.result()
