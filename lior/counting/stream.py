"""Reading and learning a text window by window.

Nothing is learned inside a window: all its positions are read from what was
known at its beginning. Then the learned numbers move by the window's summed
statistics, and the tokens are counted in their order. A window of one token is
the finest adaptation; long ones read ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int64
from numpy.typing import NDArray
from torch import Tensor

from lior.counting import locations, mixture
from lior.counting.compiled import entry, inner
from lior.counting.elementary import prefetch
from lior.counting.layout import CANDIDATES, CONFIDENCES, DENSE, TRAIL

FLOOR = 2e-6
"""Least probability of a token of the alphabet, unless it is large."""
_MOST_FLOOR = 5e-4
"""Most probability that all those together take."""

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
    trail: NDArray[np.int64]
    """Addresses of the base contexts before each position, -1 for none, ``(B, TRAIL)``."""
    tokens: NDArray[np.int64]
    """The tokens that stand there, -1 where nothing is to be learned, ``(B,)``."""
    time: NDArray[np.int64]
    """How many tokens the memory held when each is read, ``(B,)``."""


class Alphabet(NamedTuple):
    """The tokens that a distribution is over."""

    tokens: NDArray[np.int64]
    """``(A,)``, ascending."""
    column: NDArray[np.int32]
    """Column of each token, -1 outside of the alphabet, ``(V,)``."""


@inner
def _columns(store, alphabet, work, w, width, token):
    """Decide which tokens get columns at one position; ``token`` is the one that stands there.

    Of a large alphabet these are the tokens that the present locations know, but for the empty context,
    the longer contexts first; the last column stands for all others together.
    """
    size = len(alphabet.tokens)
    if size <= DENSE:
        for s in range(size):
            work.tokens[w, s] = alphabet.tokens[s] % width
        work.size[w] = size
        work.target[w] = alphabet.column[token] if token >= 0 else -1
        return
    found = work.columns[1]
    found[:] = -1
    n = 0
    for a in range(work.tally[w, 0] - 1, -1, -1):
        if work.present[w, a] == 0:
            continue
        p = work.slot[w, work.present[w, a]]
        at = int64(store.slots[p].at)
        for j in range(at, at + int64(store.slots[p].size)):
            known = int64(store.counters[j].token)
            if n < CANDIDATES and found[known] < 0 and alphabet.column[known] >= 0:
                found[known] = n
                work.tokens[w, n] = known
                n += 1
    work.columns[0, :] = n
    for s in range(n):
        work.columns[0, work.tokens[w, s]] = s
        work.tokens[w, s] %= width
    work.tokens[w, n] = width - 1
    work.size[w] = n + 1
    work.target[w] = work.columns[0, token] if token >= 0 and alphabet.column[token] >= 0 else -1


@inner
def _unknown(store, trail):
    """How many of the addresses ``trail`` have no location; negative ones do not count."""
    number = 0
    for address in trail:
        number += address >= 0 and locations.find(store.slots, address) < 0
    return number


@inner
def read(plan, store, sets, stretch, t, alphabet, work, w, z):
    """The distribution at position ``t`` of the stretch, into ``work.final[w]``."""
    mixture.look_up(plan, store, stretch.where[t], work, w)
    which = 0
    if plan.unseen_contexts < TRAIL and _unknown(store, stretch.trail[t]) > plan.unseen_contexts:
        which = 1
    work.which[w] = which
    learned = sets[which]
    mixture.gate_rows(plan, stretch.fields[t], stretch.cell[t], stretch.before[t], work, w)
    _columns(store, alphabet, work, w, len(learned.bias), stretch.tokens[t])
    size = work.size[w]
    dense = len(alphabet.tokens) <= DENSE
    mixture.experts(plan, store, alphabet.column if dense else work.columns[0], size, work, w)
    mixture.counter_features(
        plan, store, alphabet.column if dense else work.columns[1], stretch.time[t], work, w
    )
    z[:] = 0
    mixture.logits(store, learned, size, work, w, work.tokens[w], z)
    mixture.softmax(z, size, work.first[w])
    mixture.secondary(learned, size, work, w, z)


@inner
def _base(store, where, alphabet, out):
    """How often each token of a large alphabet was seen at all, as a distribution ``out (A,)``."""
    out[:] = 0.5
    p = locations.find(store.slots, where[0])
    if p >= 0:
        at = int64(store.slots[p].at)
        for j in range(at, at + int64(store.slots[p].size)):
            s = alphabet.column[store.counters[j].token]
            if s >= 0:
                out[s] += store.counters[j].count
    out /= out.sum()


@inner
def _spread(alphabet, work, w, base, out):
    """The distribution over the whole alphabet: the rest is shared out as ``base`` has it."""
    size = len(alphabet.tokens)
    least = min(FLOOR, _MOST_FLOOR / size)
    final = work.final[w]
    if size <= DENSE:
        for s in range(size):
            out[s] = final[s] * float32(1 - size * least) + float32(least)
        return
    found = work.columns[1]
    own = 0.0
    for s in range(size):
        if found[alphabet.tokens[s]] >= 0:
            own += base[s]
    other = final[work.size[w] - 1] / max(1.0 - own, 1e-9)
    for s in range(size):
        c = found[alphabet.tokens[s]]
        p = final[c] if c >= 0 else base[s] * other
        out[s] = p * (1 - size * least) + least


@inner
def _moves(rates):
    """Whether there is any step size."""
    return rates.weight + rates.token + rates.table + rates.logit + rates.bias + rates.secondary > 0


@inner
def _learn(plan, store, sets, rates, stretch, begin, end, work, sums):
    """Move everything learned by the statistics of positions ``begin .. end - 1``."""
    window = end - begin
    gains = sums[:window]
    for w in range(window):
        here = rates[work.which[w]]
        if work.target[w] >= 0 and _moves(here):
            mixture.table_steps(
                store, sets[work.which[w]], here, work.size[w], work.tokens[w], work.target[w],
                stretch.time[begin + w], work, w,
            )  # fmt: skip
            mixture.statistics(work, w, gains[w])
        else:
            gains[w, :] = 0
            work.tally[w, 0] = 0
    for which in range(2):
        if _moves(rates[which]) and (work.which[:window] == which).any():
            _weight_steps(plan, sets[which], rates[which], work, which, window, sums)


@inner
def _weight_steps(plan, learned, rates, work, which, window, sums):
    """Steps of the weights of one set from the positions of the window that it serves."""
    gains = sums[:window]
    total, squared, times = sums[window], sums[window + 1], sums[window + 2]
    for g in range(len(plan.gate_kind)):
        for w in range(window):
            row = work.row[w, g]
            seen = work.which[w] != which
            for v in range(w):
                seen = seen or (work.row[v, g] == row and work.which[v] == which)
            if seen:
                continue
            total[:], squared[:], times[:] = 0, 0, 0
            for v in range(w, window):
                if work.row[v, g] == row and work.which[v] == which:
                    _gather(work, v, gains[v], total, squared, times)
            mixture.weight_step(
                learned.gated[row], learned.gated_square[row], total, squared, times, rates.weight
            )
    _own_steps(learned, rates, work, which, window, gains)


@inner
def _gather(work, v, gain, total, squared, times):
    for a in range(work.tally[v, 0]):
        i = work.present[v, a]
        total[i] += gain[i]
        squared[i] += gain[i] * gain[i]
        times[i] += 1


@inner
def _own_steps(learned, rates, work, which, window, gains):
    """Steps of the weights that depend on each pattern's own confidence."""
    patterns = len(learned.own)
    sums = np.zeros((3, patterns, CONFIDENCES), np.float32)
    for w in range(window):
        for a in range(work.tally[w, 0] if work.which[w] == which else 0):
            i = work.present[w, a]
            c = work.confidence[w, i]
            sums[0, i, c] += gains[w, i]
            sums[1, i, c] += gains[w, i] * gains[w, i]
            sums[2, i, c] += 1
    for i in range(patterns):
        mixture.weight_step(
            learned.own[i], learned.own_square[i], sums[0, i], sums[1, i], sums[2, i], rates.weight
        )


@inner
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
def run(plan, store, sets, rates, stretch, first, alphabet, known, work, sums, adapt, write, out, served):
    """Read a stretch from position ``first`` on, learn from it, take it in; returns where it stopped.

    It stops early, at the end of a window, when the store may have no room for the next one.

    Parameters
    ----------
    sets, rates
        Two sets of learned numbers and their step sizes: for usual places, and for those with more unknown
        contexts before them than ``plan.unseen_contexts``. A set without step size stays as it is.
    known
        How many tokens a location may know at most.
    adapt, write
        Whether to move what is learned, and whether to count the tokens.
    out, served
        Get the distributions, ``(B, A)``, and which of the sets each is of, ``(B,)``; the windows are as long
        as ``work`` has room for.
    """
    window = len(work.slot)
    z = np.zeros(work.first.shape[1], np.float32)
    slot = np.zeros(len(plan.parent), np.int64)
    base = np.zeros(len(alphabet.tokens) if len(alphabet.tokens) > DENSE else 0, np.float64)
    for begin in range(first, len(stretch.tokens), window):
        if write and not locations.has_room(store, window, len(plan.parent), known):
            return begin
        end = min(begin + window, len(stretch.tokens))
        if len(base):
            _base(store, stretch.where[begin], alphabet, base)
        for t in range(begin, end):
            _fetch(plan, store, stretch, t)
            read(plan, store, sets, stretch, t, alphabet, work, t - begin, z)
            _spread(alphabet, work, t - begin, base, out[t])
            served[t] = work.which[t - begin]
        if adapt:
            _learn(plan, store, sets, rates, stretch, begin, end, work, sums)
        if write:
            for t in range(begin, end):
                _commit(plan, store, stretch, t, slot)
    return len(stretch.tokens)


@inner
def _commit(plan, store, stretch, t, slot):
    locations.commit(store, plan, stretch.where[t], stretch.tokens[t], stretch.time[t], slot)


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


def floor(rows: Tensor) -> Tensor:
    """Distributions ``(B, A)`` over a small alphabet with the least probability that a token has."""
    least = min(FLOOR, _MOST_FLOOR / rows.shape[1])
    return rows * (1 - rows.shape[1] * least) + least


def sums(window: int, patterns: int) -> NDArray[np.float32]:
    """Room for the statistics of a window."""
    return np.zeros((window + 3, patterns), np.float32)
