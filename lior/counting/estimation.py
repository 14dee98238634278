"""Secondary estimation (SSE/APM): each logit is corrected by what its probability was worth before.

The last step of the mixture, as in PAQ (M. Mahoney, 2005), but over whole tokens: in each of several contexts
a table holds a correction for each bin of the log-probability, and it moves with the same gradient as every
other parameter.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int64

from lior.counting.compiled import inner
from lior.counting.elementary import log
from lior.counting.fields import COLUMN, mix
from lior.counting.layout import ESTIMATION_BINS, GATES, SECONDARY, TINY

_PREVIOUS_MASK, _PAIR_MASK = GATES["previous"] - 1, SECONDARY[1] - 1
_PAIR_ROWS, _PLACE_ROWS = SECONDARY[0], SECONDARY[0] + SECONDARY[1]
_ESTIMATIONS = len(SECONDARY)


@inner
def rows(block, t, place, buffers, w):
    """Rows of the tables for position ``t`` of a block, at ``place`` in its word."""
    column = block.fields[t, COLUMN] - 1
    start = 1 if column == 0 else 0
    pair = mix(mix(int64(3), block.before[t, 0]), block.before[t, 1])
    buffers.estimate[w, 0] = (block.before[t, 0] - 1) & _PREVIOUS_MASK
    buffers.estimate[w, 1] = _PAIR_ROWS + ((pair >> 32) & _PAIR_MASK)
    buffers.estimate[w, 2] = _PLACE_ROWS + min(column // 8, 7) * 8 + place * 2 + start


@inner(fastmath=True)
def correct(learned, buffers, w):
    """Correct the logits of one position; between the two nearest bins the correction is interpolated."""
    z, first, alphabet = buffers.logits, buffers.first[w], buffers.size[w]
    for s in range(alphabet):
        height = min(log(first[s] + float32(TINY)) * float32(-2), float32(ESTIMATION_BINS - 1.01))
        buffers.bin[w, s] = np.int32(height)
        buffers.share[w, s] = height - float32(buffers.bin[w, s])
    for j in range(_ESTIMATIONS):
        table = learned.secondary[buffers.estimate[w, j]]
        for s in range(alphabet):
            b, share = buffers.bin[w, s], buffers.share[w, s]
            z[s] += table[b] * (float32(1) - share) + table[b + 1] * share


@inner(fastmath=True)
def step(learned, rate, buffers, w):
    """One step of the tables towards the token in column ``buffers.target[w]``."""
    alphabet, target = buffers.size[w], buffers.target[w]
    for j in range(_ESTIMATIONS):
        table = learned.secondary[buffers.estimate[w, j]]
        for s in range(alphabet):
            moved = rate * ((float32(1) if s == target else float32(0)) - buffers.final[w, s])
            b, share = buffers.bin[w, s], buffers.share[w, s]
            table[b] += moved * (float32(1) - share)
            table[b + 1] += moved * share
