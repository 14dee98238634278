"""Recent shares through a block of text: the one thing about counters that must be followed write by write.

They are rounded at every write (:func:`lior.counting.locations.record`), and what comes of many roundings has
no closed form. So they are followed here, over the few counters that a block touches and on the host; a block
costs one exchange with the device.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, njit
from numpy.typing import NDArray

from lior.counting.compiled import entry
from lior.counting.locations import RECENCY_ONE


class Writes(NamedTuple):
    """The writes of a block in time, ``V`` of them."""

    position: NDArray[np.int32]
    counter: NDArray[np.int32]
    rate: NDArray[np.float64]
    begin: NDArray[np.int32]
    """Where the counters of the location begin that is written."""
    end: NDArray[np.int32]


@entry
def follow(recency, writes, counter, position, out):
    """Recent shares before places of a block, into ``out (R,)``; ``recency (B,)`` becomes that at its end.

    Parameters
    ----------
    counter, position
        Which counter and where, ``(R,)`` each; the positions ascend.
    """
    done = 0
    for r in range(len(counter)):
        while done < len(writes.position) and writes.position[done] < position[r]:
            _write(recency, writes, done)
            done += 1
        out[r] = recency[counter[r]]
    for v in range(done, len(writes.position)):
        _write(recency, writes, v)


@njit
def _write(recency, writes, v):
    """The recent shares of a location fade, and that of the token that stands there grows."""
    rate = writes.rate[v]
    keep = float32(1.0 - rate)
    for j in range(writes.begin[v], writes.end[v]):
        recency[j] = np.uint16(float32(recency[j]) * keep + float32(0.5))
    hit = writes.counter[v]
    recency[hit] = np.uint16(min(recency[hit] + rate * RECENCY_ONE + 0.5, RECENCY_ONE))
