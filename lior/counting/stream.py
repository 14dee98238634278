"""Reading and learning a text window by window.

Nothing is learned inside a window: all its positions are read from what was
known at its beginning. Then the learned numbers move by the window's summed
statistics, and the tokens are counted in their order. A window of one token is
the finest adaptation; long ones read ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int64, njit
from numpy.typing import NDArray

from lior.counting import locations, mixture
from lior.counting.compiled import entry
from lior.counting.elementary import prefetch
from lior.counting.layout import CONFIDENCES

FLOOR = 2e-6
"""Least probability of a token of the alphabet."""

_AHEAD = 4


class Stretch(NamedTuple):
    """Positions of a text to be read, with what was worked out of their contexts."""

    where: NDArray[np.int64]
    """Addresses ``(B, S)``."""
    fields: NDArray[np.int64]
    """``(B, len(FIELDS))``."""
    before: NDArray[np.int64]
    """The last two tokens before each position, plus 1; 0 for none; ``(B, 2)``."""
    cell: NDArray[np.int64]
    """Cell of the geometric gate, ``(B,)``."""
    tokens: NDArray[np.int64]
    """The tokens that stand there, ``(B,)``."""
    time: NDArray[np.int64]
    """How many tokens the memory held when each is read, ``(B,)``."""


class Alphabet(NamedTuple):
    """The tokens that a distribution is over."""

    tokens: NDArray[np.int64]
    """``(A,)``, ascending."""
    column: NDArray[np.int32]
    """Column of each token, -1 outside of the alphabet, ``(V,)``."""


@njit
def read(plan, store, learned, stretch, t, alphabet, work, w, z):
    """The distribution at position ``t`` of the stretch, into ``work.final[w]``."""
    size = len(alphabet.tokens)
    mixture.look_up(plan, store, stretch.where[t], work, w)
    mixture.gate_rows(plan, stretch.fields[t], stretch.cell[t], stretch.before[t], work, w)
    mixture.experts(plan, store, alphabet.column, size, work, w)
    mixture.counter_features(plan, store, alphabet.column, stretch.time[t], work, w)
    z[:] = 0
    mixture.logits(store, learned, size, work, w, alphabet.tokens, z)
    mixture.softmax(z, size, work.first[w])
    mixture.secondary(learned, size, work, w, z)


@njit
def _learn(plan, store, learned, rates, stretch, begin, end, alphabet, work, sums):
    """Move everything learned by the statistics of positions ``begin .. end - 1``."""
    size = len(alphabet.tokens)
    patterns = len(plan.parent)
    window = end - begin
    gains = sums[:window]
    for w in range(window):
        target = alphabet.column[stretch.tokens[begin + w]]
        if target >= 0:
            mixture.table_steps(
                store, learned, rates, size, alphabet.tokens, target, stretch.time[begin + w], work, w
            )
            mixture.statistics(work, w, gains[w])
        else:
            gains[w, :] = 0
            work.tally[w, 0] = 0
    total, squared, times = sums[window], sums[window + 1], sums[window + 2]
    for g in range(len(plan.gate_kind)):
        for w in range(window):
            row = work.row[w, g]
            seen = False
            for v in range(w):
                seen = seen or work.row[v, g] == row
            if seen:
                continue
            total[:], squared[:], times[:] = 0, 0, 0
            for v in range(w, window):
                if work.row[v, g] == row:
                    _gather(work, v, gains[v], total, squared, times)
            mixture.weight_step(
                learned.gated[row], learned.gated_square[row], total, squared, times, rates.weight
            )
    _own_steps(learned, rates, window, work, gains, patterns)


@njit
def _gather(work, v, gain, total, squared, times):
    for a in range(work.tally[v, 0]):
        i = work.present[v, a]
        total[i] += gain[i]
        squared[i] += gain[i] * gain[i]
        times[i] += 1


@njit
def _own_steps(learned, rates, window, work, gains, patterns):
    """Steps of the weights that depend on each pattern's own confidence."""
    sums = np.zeros((3, patterns, CONFIDENCES), np.float32)
    for w in range(window):
        for a in range(work.tally[w, 0]):
            i = work.present[w, a]
            c = work.confidence[w, i]
            sums[0, i, c] += gains[w, i]
            sums[1, i, c] += gains[w, i] * gains[w, i]
            sums[2, i, c] += 1
    for i in range(patterns):
        mixture.weight_step(
            learned.own[i], learned.own_square[i], sums[0, i], sums[1, i], sums[2, i], rates.weight
        )


@njit
def _fetch(plan, store, stretch, t):
    """Bring what position ``t`` will need near: memory is far, and its addresses are known early."""
    size = len(store.slots)
    if t + _AHEAD < len(stretch.where):
        for i in range(len(plan.parent)):
            prefetch(store.slots, locations.home(stretch.where[t + _AHEAD, i], size))
    if t + _AHEAD // 2 < len(stretch.where):
        for i in range(len(plan.parent)):
            home = locations.home(stretch.where[t + _AHEAD // 2, i], size)
            prefetch(store.counters, int64(store.slots[home].at))


@entry
def run(plan, store, learned, rates, stretch, first, alphabet, known, work, sums, adapt, write, out):
    """Read a stretch from position ``first`` on, learn from it, take it in; returns where it stopped.

    It stops early, at the end of a window, when the store may have no room for the next one.

    Parameters
    ----------
    known
        How many tokens a location may know at most.
    adapt, write
        Whether to move what is learned, and whether to count the tokens.
    out
        Gets the distributions, ``(B, A)``; the windows are as long as ``work`` has room for.
    """
    window = len(work.slot)
    z = np.zeros(work.first.shape[1], np.float32)
    slot = np.zeros(len(plan.parent), np.int64)
    size = len(alphabet.tokens)
    for begin in range(first, len(stretch.tokens), window):
        if write and not locations.has_room(store, window, len(plan.parent), known):
            return begin
        end = min(begin + window, len(stretch.tokens))
        for t in range(begin, end):
            _fetch(plan, store, stretch, t)
            read(plan, store, learned, stretch, t, alphabet, work, t - begin, z)
            final = work.final[t - begin]
            for s in range(size):
                out[t, s] = final[s] * float32(1 - size * FLOOR) + float32(FLOOR)
        if adapt:
            _learn(plan, store, learned, rates, stretch, begin, end, alphabet, work, sums)
        if write:
            for t in range(begin, end):
                _commit(plan, store, stretch, t, slot)
    return len(stretch.tokens)


@njit
def _commit(plan, store, stretch, t, slot):
    locations.commit(
        store, stretch.where[t], stretch.tokens[t], stretch.time[t], plan.nested, plan.parent, plan.slowest,
        slot,
    )  # fmt: skip


@entry
def write(plan, store, stretch, first, known):
    """Count the tokens of a stretch from position ``first`` on without reading; returns where it stopped."""
    slot = np.zeros(len(plan.parent), np.int64)
    for t in range(first, len(stretch.tokens)):
        if not locations.has_room(store, 1, len(plan.parent), known):
            return t
        _fetch(plan, store, stretch, t)
        _commit(plan, store, stretch, t, slot)
    return len(stretch.tokens)


def sums(window: int, patterns: int) -> NDArray[np.float32]:
    """Room for the statistics of a window."""
    return np.zeros((window + 3, patterns), np.float32)
