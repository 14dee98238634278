"""Reading and learning a text window by window.

Nothing is learned inside a window: all its positions are read with what was known at its beginning. Then the
learned parameters move by the window's summed gradients, and the tokens are counted in their order. A window
of one token adapts fastest.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int64
from torch import Tensor

from lior.counting import estimation, locations, mixture
from lior.counting.compiled import entry, inner
from lior.counting.elementary import prefetch
from lior.counting.layout import CANDIDATES, DENSE, PATTERNS, SQUARED, TIMES, TOTAL, TRAIL

FLOOR = 2e-6
"""Least probability of a token of the alphabet, unless that is large."""
_MOST_FLOOR = 5e-4
"""Most probability that the least ones of all tokens take together."""

_AHEAD = 4
_OR_OTHERS, _OR_NONE = 0, 1
"""Rows of ``Buffers.columns``: the column of a token that is no candidate is the last one, or -1."""


# --- reading ---


@inner
def _columns(alphabet, buffers, w, width, token):
    """Decide which tokens get columns at one position; ``token`` is the one that stands there.

    Of a large alphabet these are the tokens that the present locations know, but for the empty context,
    the longer contexts first; the last column stands for all others together.
    """
    size = len(alphabet.tokens)
    if size <= DENSE:
        for s in range(size):
            buffers.tokens[w, s] = alphabet.tokens[s] % width
        buffers.size[w] = size
        aim(alphabet, buffers, w, token)
        return
    found = buffers.columns[_OR_NONE]
    found[:] = -1
    n = 0
    for a in range(buffers.tally[w, PATTERNS] - 1, -1, -1):
        if buffers.present[w, a] == 0:
            continue
        for r in range(int64(buffers.begin[a]), int64(buffers.begin[a + 1])):
            known = int64(buffers.near[r].token)
            if n < CANDIDATES and found[known] < 0 and alphabet.column[known] >= 0:
                found[known] = n
                buffers.tokens[w, n] = known
                n += 1
    buffers.columns[_OR_OTHERS, :] = n
    for s in range(n):
        buffers.columns[_OR_OTHERS, buffers.tokens[w, s]] = s
        buffers.tokens[w, s] %= width
    buffers.tokens[w, n] = width - 1
    buffers.size[w] = n + 1
    aim(alphabet, buffers, w, token)


@inner
def aim(alphabet, buffers, w, token):
    """Note which column is that of ``token``, which stands at the position read last; -1 is none."""
    if token < 0 or alphabet.column[token] < 0:
        buffers.target[w] = -1
    elif len(alphabet.tokens) <= DENSE:
        buffers.target[w] = alphabet.column[token]
    else:
        buffers.target[w] = buffers.columns[_OR_OTHERS, token]


@inner
def _unseen(store, trail):
    """How many of the addresses ``trail`` have no location; negative ones do not count."""
    number = 0
    for address in trail:
        number += address >= 0 and locations.find(store.slots, address) < 0
    return number


@inner
def read(memory, sets, block, t, alphabet, buffers, w):
    """The distribution at position ``t`` of the block, into ``buffers.final[w]``."""
    plan, store = memory.plan, memory.store
    mixture.look_up(memory, block.where[t], buffers, w)
    weight_set = 0
    if plan.unseen_contexts < TRAIL and _unseen(store, block.trail[t]) > plan.unseen_contexts:
        weight_set = 1
    buffers.weight_set[w] = weight_set
    learned = sets[weight_set]
    mixture.gate_rows(plan, block, t, alphabet.column, buffers, w)
    _columns(alphabet, buffers, w, len(learned.bias), block.tokens[t])
    dense = len(alphabet.tokens) <= DENSE
    mixture.experts(plan, alphabet.column if dense else buffers.columns[_OR_OTHERS], buffers, w)
    counted = alphabet.column if dense else buffers.columns[_OR_NONE]
    mixture.counter_features(plan, counted, block.time[t], buffers, w)
    buffers.logits[:] = 0
    mixture.logits(learned, buffers, w)
    mixture.softmax(buffers.logits, buffers.size[w], buffers.first[w])
    estimation.correct(learned, buffers, w)
    mixture.softmax(buffers.logits, buffers.size[w], buffers.final[w])


@inner
def _unigram(store, where, alphabet, out):
    """How often each token of a large alphabet occurred, plus 1/2, as a distribution ``out (A,)``."""
    out[:] = 0.5
    p = locations.find(store.slots, where[0])
    if p >= 0:
        locations.add_counts(store, p, alphabet.column, out)
    total = 0.0
    for s in range(len(out)):
        total += out[s]
    for s in range(len(out)):
        out[s] /= total


@inner
def _spread(alphabet, buffers, w, unigram, out):
    """The distribution over the whole alphabet: tokens that are no candidates share the rest by unigrams."""
    size = len(alphabet.tokens)
    least = min(FLOOR, _MOST_FLOOR / size)
    final = buffers.final[w]
    if size <= DENSE:
        for s in range(size):
            out[s] = final[s] * float32(1 - size * least) + float32(least)
        return
    found = buffers.columns[_OR_NONE]
    own = 0.0
    for s in range(size):
        if found[alphabet.tokens[s]] >= 0:
            own += unigram[s]
    other = final[buffers.size[w] - 1] / max(1.0 - own, 1e-9)
    for s in range(size):
        c = found[alphabet.tokens[s]]
        p = final[c] if c >= 0 else unigram[s] * other
        out[s] = p * (1 - size * least) + least


# --- learning ---


@inner
def _learns(rates):
    """Whether any learning rate is above 0."""
    return rates.weight + rates.token + rates.table + rates.logit + rates.bias + rates.secondary > 0


@inner
def _learn(memory, learner, block, begin, end, buffers):
    """Update both weight sets by the gradients of positions ``begin .. end - 1``."""
    window = end - begin
    for w in range(window):
        if buffers.target[w] >= 0 and _learns(learner.rates[buffers.weight_set[w]]):
            estimation.bend(learner.sets[buffers.weight_set[w]], buffers, w)
    for w in range(window):
        weight_set = buffers.weight_set[w]
        rates = learner.rates[weight_set]
        if buffers.target[w] >= 0 and _learns(rates):
            estimation.step(learner.sets[weight_set], float32(rates.secondary), buffers, w)
            mixture.table_steps(
                memory.store, learner.sets[weight_set], rates, block.time[begin + w], buffers, w
            )
            mixture.weight_gradients(buffers, w)
        else:
            buffers.gradient[w, :] = 0
            buffers.tally[w, PATTERNS] = 0
    for weight_set in range(2):
        used = False
        for w in range(window):
            used = used or buffers.weight_set[w] == weight_set
        if used and _learns(learner.rates[weight_set]):
            _weight_steps(
                learner.sets[weight_set], learner.rates[weight_set].weight, buffers, weight_set, window
            )


@inner
def _weight_steps(learned, rate, buffers, weight_set, window):
    """Update the weights of one set by the positions of the window that used it."""
    sums = buffers.sums
    for g in range(buffers.gate.shape[1]):
        for w in range(window):
            row = buffers.gate[w, g]
            done = buffers.weight_set[w] != weight_set
            for v in range(w):
                done = done or (buffers.gate[v, g] == row and buffers.weight_set[v] == weight_set)
            if done:
                continue
            sums[:] = 0
            for v in range(w, window):
                if buffers.gate[v, g] == row and buffers.weight_set[v] == weight_set:
                    for a in range(buffers.tally[v, PATTERNS]):
                        i = buffers.present[v, a]
                        gradient = buffers.gradient[v, i]
                        sums[TOTAL, i] += gradient
                        sums[SQUARED, i] += gradient * gradient
                        sums[TIMES, i] += 1
            mixture.weight_step(learned.gate_weight[row], learned.gate_square[row], sums, rate)
    _confidence_steps(learned, rate, buffers, weight_set, window)


@inner
def _confidence_steps(learned, rate, buffers, weight_set, window):
    """Update the weights that are selected by each pattern's confidence."""
    patterns, sums = len(learned.confidence_weight), buffers.confidence_sums
    sums[:, :, :] = 0
    for w in range(window):
        for a in range(buffers.tally[w, PATTERNS] if buffers.weight_set[w] == weight_set else 0):
            i = buffers.present[w, a]
            c, gradient = buffers.confidence[w, i], buffers.gradient[w, i]
            sums[i, TOTAL, c] += gradient
            sums[i, SQUARED, c] += gradient * gradient
            sums[i, TIMES, c] += 1
    for i in range(patterns):
        mixture.weight_step(learned.confidence_weight[i], learned.confidence_square[i], sums[i], rate)


# --- a block of text ---


@inner
def _fetch(store, block, t):
    """Prefetch the slots and counters of the positions after ``t``."""
    size, patterns = len(store.slots), block.where.shape[1]
    if t + _AHEAD < len(block.where):
        for i in range(patterns):
            prefetch(store.slots, locations.home(block.where[t + _AHEAD, i], size))
    if t + _AHEAD // 2 < len(block.where):
        for i in range(patterns):
            home = locations.home(block.where[t + _AHEAD // 2, i], size)
            prefetch(store.counters, locations.in_pool(store.slots[home]))


@entry
def run(memory, learner, block, first, alphabet, buffers, out, write):
    """Read a block from position ``first`` on, learn from it, count it; returns where it stopped.

    It stops early, at the end of a window, when the store may have to grow for the next one.

    Parameters
    ----------
    learner
        A weight set whose learning rates are 0 is not changed.
    buffers
        Their first axis is the length of a window.
    out
        Gets the distributions, ``(B, A)``, and which of the two weight sets was used at each, ``(B,)``.
    write
        Whether to count the tokens.
    """
    plan, store = memory.plan, memory.store
    window = len(buffers.slot)
    adapt = _learns(learner.rates[0]) or _learns(learner.rates[1])
    slot = np.zeros(len(plan.parent), np.int64)
    unigram = np.zeros(len(alphabet.tokens) if len(alphabet.tokens) > DENSE else 0, np.float64)
    for begin in range(first, len(block.tokens), window):
        patterns = len(plan.parent)
        if write and not locations.fits(store, window, patterns, memory.vocab):
            return begin
        if adapt and not locations.can_move(store, window * patterns):
            return begin
        end = min(begin + window, len(block.tokens))
        if len(unigram):
            _unigram(store, block.where[begin], alphabet, unigram)
        for t in range(begin, end):
            _fetch(store, block, t)
            read(memory, learner.sets, block, t, alphabet, buffers, t - begin)
            _spread(alphabet, buffers, t - begin, unigram, out.p[t])
            out.weight_set[t] = buffers.weight_set[t - begin]
        if adapt:
            _learn(memory, learner, block, begin, end, buffers)
        if write:
            for t in range(begin, end):
                locations.commit(store, plan, block.where[t], block.tokens[t], block.time[t], slot)
    return len(block.tokens)


@entry
def write(memory, block, first):
    """Count the tokens of a block from position ``first`` on; returns where it stopped, as :func:`run`."""
    plan, store = memory.plan, memory.store
    slot = np.zeros(len(plan.parent), np.int64)
    for t in range(first, len(block.tokens)):
        if not locations.fits(store, 1, len(plan.parent), memory.vocab):
            return t
        _fetch(store, block, t)
        locations.commit(store, plan, block.where[t], block.tokens[t], block.time[t], slot)
    return len(block.tokens)


def least_probability(alphabet: int) -> float:
    """Least probability of a token of an alphabet of that size."""
    return min(FLOOR, _MOST_FLOOR / max(alphabet, 1))


def floor(rows: Tensor) -> Tensor:
    """Distributions ``(B, A)`` over a small alphabet with the least probability that a token has."""
    least = least_probability(rows.shape[1])
    return rows * (1 - rows.shape[1] * least) + least
