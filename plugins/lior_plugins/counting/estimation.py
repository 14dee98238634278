"""Secondary estimation (SSE/APM): each logit is corrected by how well its probability predicted before.

The last step of the mixture, as in PAQ (M. Mahoney, 2005), but over whole tokens: for each token in each of
two contexts, a table holds a correction for each bin of the log-probability. The contexts are the token
that the longest nested context expects, and the previous token. The corrections follow the gradient of the
log-probability, as every other parameter does, but by Newton's step. It is the gradient over the curvature
``Σ p (1 - p)``, summed over all earlier steps.
"""

from __future__ import annotations

import numpy as np
from numba import float32

from lior.compiling.compiled import inner
from lior_plugins.counting.kernels import log
from lior_plugins.counting.layout import (
    CURVATURE_FIRST,
    CURVATURE_MOST,
    ESTIMATION_BINS,
    ESTIMATION_ROWS,
    NATS_A_BIN,
    TINY,
)

_MASK = ESTIMATION_ROWS - 1
_CONTEXTS = 2


@inner
def rows(expected, previous, buffers, w):
    """Set the rows of the tables at position ``w``; both tokens are plus 1, 0 for none."""
    buffers.estimate[w, 0] = expected & _MASK
    buffers.estimate[w, 1] = ESTIMATION_ROWS + (previous & _MASK)


@inner(fastmath=True)
def correct(learned, buffers, w):
    """Correct the logits of one position, interpolating between the corrections of the two nearest bins."""
    z, first, alphabet = buffers.logits, buffers.first[w], buffers.size[w]
    for s in range(alphabet):
        height = log(first[s] + float32(TINY)) * float32(-1 / NATS_A_BIN)
        height = min(max(height, float32(0)), float32(ESTIMATION_BINS - 1.01))
        buffers.bin[w, s] = np.int32(height)
        buffers.share[w, s] = height - float32(buffers.bin[w, s])
    for j in range(_CONTEXTS):
        table = learned.secondary[buffers.estimate[w, j]]
        for s in range(alphabet):
            row = buffers.tokens[w, s] & _MASK
            b, share = buffers.bin[w, s], buffers.share[w, s]
            z[s] += table[row, b] * (float32(1) - share) + table[row, b + 1] * share


@inner(fastmath=True)
def bend(learned, buffers, w):
    """Add the curvature at one position to the corrections', before any correction of its window moves."""
    for j in range(_CONTEXTS):
        table = learned.secondary_curvature[buffers.estimate[w, j]]
        for s in range(buffers.size[w]):
            row = buffers.tokens[w, s] & _MASK
            b, share, p = buffers.bin[w, s], buffers.share[w, s], buffers.final[w, s]
            curvature = p * (float32(1) - p)
            table[row, b] += curvature * (float32(1) - share)
            table[row, b + 1] += curvature * share


@inner(fastmath=True)
def step(learned, rate, buffers, w):
    """One step of the corrections towards the token in column ``buffers.target[w]``."""
    target = buffers.target[w]
    first, most = float32(CURVATURE_FIRST), float32(CURVATURE_MOST)
    for j in range(_CONTEXTS):
        table = learned.secondary[buffers.estimate[w, j]]
        curvature = learned.secondary_curvature[buffers.estimate[w, j]]
        for s in range(buffers.size[w]):
            row = buffers.tokens[w, s] & _MASK
            b, share = buffers.bin[w, s], buffers.share[w, s]
            moved = rate * ((float32(1) if s == target else float32(0)) - buffers.final[w, s])
            table[row, b] += moved * (float32(1) - share) / min(curvature[row, b] + first, most)
            table[row, b + 1] += moved * share / min(curvature[row, b + 1] + first, most)
