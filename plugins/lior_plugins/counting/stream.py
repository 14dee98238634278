"""Reading and learning a text window by window.

Nothing is learned inside a window: all its positions are read with the parameters at its beginning. Then
the learned parameters change by the window's summed gradients, and the tokens are counted in their order. A
window of one token adapts fastest.

The work has two halves, each with memory of its own. The first works on the store: it looks up locations,
computes features, counts, and updates the logits of counters. The second works on the features: it mixes,
corrects, and updates the weights. Two threads may do a half each, one some windows ahead of the other. For
that reason, in a long text the logits of counters change :data:`LATE` windows late, with one thread too:
the results are the same to the last bit.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int64
from torch import Tensor

from lior.compiling.compiled import entry, inner
from lior_plugins.counting import estimation, locations, mixture
from lior_plugins.counting.kernels import post, prefetch, wait_for
from lior_plugins.counting.layout import (
    CANDIDATES,
    COUNTERS,
    DENSE,
    PATTERNS,
    SQUARED,
    TIMES,
    TOTAL,
    TRAIL,
    TURNS,
    Ints,
    row_of,
)

FLOOR = 2e-6
"""Minimum probability of a token of the alphabet, unless the alphabet is large."""
_MOST_FLOOR = 5e-4
"""Maximum total of the minimum probabilities of all tokens."""

_AHEAD = 4
_OR_OTHERS, _OR_NONE = 0, 1
"""Rows of ``Buffers.columns``: a token that is no candidate has the last column, or -1."""


# --- reading ---


@inner
def _columns(alphabet, buffers, w, width, token):
    """Decide which tokens get columns at one position; ``token`` is the token there.

    In a large alphabet these are the tokens that the present locations know, except the empty context, the
    longer contexts first. The last column stands for all other tokens.
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
    n, near = 0, buffers.near
    for a in range(buffers.tally[w, PATTERNS] - 1, -1, -1):
        if buffers.present[w, a] == 0:
            continue
        for r in range(int64(buffers.copied[a]), int64(buffers.copied[a + 1])):
            known = int64(near[r].token)
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
    """Note the column of ``token``, the token at the position read last; -1 is none."""
    if token < 0 or alphabet.column[token] < 0:
        buffers.target[w] = -1
    elif len(alphabet.tokens) <= DENSE:
        buffers.target[w] = alphabet.column[token]
    else:
        buffers.target[w] = buffers.columns[_OR_OTHERS, token]


@inner
def _unseen(store, trail):
    """Return how many of the addresses ``trail`` have no location; negative ones do not count."""
    number = 0
    for address in trail:
        number += address >= 0 and locations.find(store.slots, address) < 0
    return number


@inner
def look(memory, sets, block, t, alphabet, buffers, w):
    """Compute the features at position ``t`` of the block, which depend on the store alone."""
    plan, store = memory.plan, memory.store
    mixture.look_up(memory, block.where[t], buffers, w)
    weight_set = 0
    if plan.unseen_contexts < TRAIL and _unseen(store, block.trail[t]) > plan.unseen_contexts:
        weight_set = 1
    buffers.weight_set[w] = weight_set
    mixture.gate_rows(plan, block, t, alphabet.column, buffers, w)
    _columns(alphabet, buffers, w, len(sets[0].bias), block.tokens[t])
    dense = len(alphabet.tokens) <= DENSE
    column = alphabet.column if dense else buffers.columns[_OR_NONE]
    mixture.counter_features(plan, column, not dense, block.time[t], buffers, w)


@inner
def weigh(plan, sets, buffers, w):
    """Compute the distribution from the features of :func:`look`, into ``buffers.final[w]``."""
    learned = sets[buffers.weight_set[w]]
    mixture.experts(plan, buffers, w)
    buffers.logits[:] = 0
    mixture.logits(learned, buffers, w)
    mixture.softmax(buffers.logits, buffers.size[w], buffers.first[w])
    estimation.correct(learned, buffers, w)
    mixture.softmax(buffers.logits, buffers.size[w], buffers.final[w])


@inner
def read(memory, sets, block, t, alphabet, buffers, w):
    """Compute the distribution at position ``t`` of the block, into ``buffers.final[w]``."""
    look(memory, sets, block, t, alphabet, buffers, w)
    mixture.states(memory.plan, buffers, w)
    weigh(memory.plan, sets, buffers, w)


@inner
def _unigram(store, where, alphabet, out):
    """Write the occurrences of each token of a large alphabet, plus 1/2, as a distribution ``out (A,)``."""
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
    """Compute the distribution over all of the alphabet: tokens without a column share the rest by
    unigrams."""
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
    """Return whether any learning rate is above 0."""
    return rates.weight + rates.token + rates.table + rates.logit + rates.bias + rates.secondary > 0


@inner
def learn(learner, first, window, buffers):
    """Update both weight sets by the gradients of a window, whose buffers begin at ``first``."""
    for w in range(first, first + window):
        if buffers.target[w] >= 0 and _learns(learner.rates[buffers.weight_set[w]]):
            estimation.bend(learner.sets[buffers.weight_set[w]], buffers, w)
    for w in range(first, first + window):
        weight_set = buffers.weight_set[w]
        rates = learner.rates[weight_set]
        if buffers.target[w] >= 0 and _learns(rates):
            estimation.step(learner.sets[weight_set], float32(rates.secondary), buffers, w)
            mixture.table_steps(learner.sets[weight_set], rates, buffers, w)
            mixture.weight_gradients(buffers, w)
        else:
            buffers.gradient[w, :] = 0
            buffers.tally[w, PATTERNS] = 0
    for weight_set in range(2):
        used = False
        for w in range(first, first + window):
            used = used or buffers.weight_set[w] == weight_set
        if used and _learns(learner.rates[weight_set]):
            _weight_steps(
                learner.sets[weight_set], learner.rates[weight_set].weight, buffers, weight_set, first, window
            )


@inner
def _weight_steps(learned, rate, buffers, weight_set, first, window):
    """Update the weights of one set by the positions of the window that used it."""
    sums = buffers.sums
    for g in range(buffers.gate.shape[1]):
        for w in range(first, first + window):
            here = buffers.gate[w, g]
            done = buffers.weight_set[w] != weight_set
            for v in range(first, w):
                done = done or (buffers.gate[v, g] == here and buffers.weight_set[v] == weight_set)
            if done:
                continue
            sums[:] = 0
            for v in range(w, first + window):
                if buffers.gate[v, g] == here and buffers.weight_set[v] == weight_set:
                    for a in range(buffers.tally[v, PATTERNS]):
                        i = buffers.present[v, a]
                        gradient = buffers.gradient[v, i]
                        sums[TOTAL, i] += gradient
                        sums[SQUARED, i] += gradient * gradient
                        sums[TIMES, i] += 1
            mixture.weight_step(learned.gate_weight[here], learned.gate_square[here], sums, rate)
    _confidence_steps(learned, rate, buffers, weight_set, first, window)


@inner
def _confidence_steps(learned, rate, buffers, weight_set, first, window):
    """Update the weights that are selected by each pattern's confidence."""
    patterns, sums = len(learned.confidence_weight), buffers.confidence_sums
    sums[:, :, :] = 0
    for w in range(first, first + window):
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


BOTH, SUPPLIES, WEIGHS = range(3)
"""Half of the work that a call of :func:`run` does; two concurrent calls share signs and buffers."""
_SUPPLIED, _WEIGHED, _END, STOP = range(0, 64, 16)
"""Indices of the signs, each in a cache line of its own: positions supplied, positions weighed, the end of
the supplies, and whether the other half has failed."""
_NO_END = 1 << 62


def signs() -> Ints:
    """Return the signs through which two calls of :func:`run` for a block communicate."""
    out = np.zeros(64, np.int64)
    out[_END] = _NO_END
    return out


LATE = TURNS - 1
"""Maximum delay, in windows, of the logits of counters."""


@inner
def room(store, learner, window, patterns, vocab, write):
    """Return whether a window can be counted and logits can move in the store without growing it."""
    if write and not locations.fits(store, window, patterns, vocab):
        return False
    moves = learner.rates[0].logit + learner.rates[1].logit > 0
    return not moves or locations.can_move(store, TURNS * window * patterns)


@inner
def move_logits(store, learner, block, begin, end, buffers, errors, again):
    """Update the logits of the counters read at positions ``begin .. end - 1``, which are a window.

    ``errors (W, A)`` are those of :func:`mixture.table_steps`. ``again`` looks up the locations anew, since
    the store may have grown.
    """
    for t in range(begin, end):
        w = row_of(buffers, t)
        rate = learner.rates[buffers.weight_set[w]].logit
        if rate == 0 or buffers.target[w] < 0:
            continue
        if again:
            for i in range(buffers.slot.shape[1]):
                if buffers.slot[w, i] >= 0:
                    buffers.slot[w, i] = locations.find(store.slots, block.where[t, i])
        mixture.logit_steps(store, rate, block.time[t], buffers, errors[w], w)


@inner
def _hand_over(buffers, w, given):
    """Copy the inputs of :func:`weigh` and :func:`learn` at position ``w`` to ``given``.

    Another thread reads them there. Copying whole cache lines at once avoids a wait for each small change
    of a line; between distant cores these waits took a third of the time.
    """
    present, joint = buffers.tally[w, PATTERNS], buffers.joint[w]
    given.size[w], given.target[w] = buffers.size[w], buffers.target[w]
    given.weight_set[w] = buffers.weight_set[w]
    _copy(buffers.words[w], given.words[w], 3 * buffers.tally[w, COUNTERS])
    for a in range(present):
        for k in range(buffers.mass.shape[2]):
            given.mass[w, a, k] = buffers.mass[w, a, k]
    for q in range(len(joint)):
        _copy(joint[q], given.joint[w, q], buffers.size[w])
    _copy(buffers.begin[w], given.begin[w], present + 1)
    _copy(buffers.present[w], given.present[w], present)
    _copy(buffers.confidence[w], given.confidence[w], buffers.confidence.shape[1])
    _copy(buffers.gate[w], given.gate[w], buffers.gate.shape[1])
    _copy(buffers.estimate[w], given.estimate[w], buffers.estimate.shape[1])
    _copy(buffers.tally[w], given.tally[w], buffers.tally.shape[1])
    for s in range(buffers.size[w]):
        if given.tokens[w, s] != buffers.tokens[w, s]:  # mostly it is the same: the other core keeps its copy
            given.tokens[w, s] = buffers.tokens[w, s]


@inner
def _copy(source, target, length):
    for k in range(length):
        target[k] = source[k]


@entry
def run(memory, learner, block, first, alphabet, buffers, given, out, write, late, part, signs):
    """Read a block from position ``first`` on, learn from it, count it; returns where it stopped.

    It stops early, before a window, when the store may have to grow for it; the next call continues there.

    Parameters
    ----------
    learner
        A weight set whose learning rates are 0 is not changed.
    given
        Buffers in which the features of ``buffers`` are mixed: the same, or others if two threads work.
    out
        Receives the distributions, ``(B, A)``, and the weight set used at each position, ``(B,)``.
    write
        Whether to count the tokens.
    late
        Delay, in windows, of the logits of counters, 0 or :data:`LATE`; at the end none is left.
    part
        :data:`BOTH`; or :data:`SUPPLIES` in one of two threads and :data:`WEIGHS` in the other, for an
        alphabet of at most ``DENSE`` tokens.
    signs
        The signs of the two threads, from :func:`signs`.
    """
    plan, store, size = memory.plan, memory.store, len(block.tokens)
    window, patterns = buffers.window, len(plan.parent)
    adapt = _learns(learner.rates[0]) or _learns(learner.rates[1])
    moves = learner.rates[0].logit + learner.rates[1].logit > 0
    supplies, weighs = part != WEIGHS, part != SUPPLIES
    slot = np.zeros(patterns, np.int64)
    unigram = np.zeros(len(alphabet.tokens) if len(alphabet.tokens) > DENSE else 0, np.float64)
    for begin in range(first, size, window):
        end, w = min(begin + window, size), row_of(buffers, begin)
        if supplies:
            if not room(store, learner, window, patterns, memory.vocab, write):
                post(signs, _END, begin)
                return begin
            if len(unigram):
                _unigram(store, block.where[begin], alphabet, unigram)
        elif not wait_for(signs, _SUPPLIED, end, _END, end, STOP):
            return begin
        for t in range(begin, end):
            if supplies:
                _fetch(store, block, t)
                look(memory, learner.sets, block, t, alphabet, buffers, w + t - begin)
                if not write:
                    mixture.states(plan, buffers, w + t - begin)
                if not weighs:
                    _hand_over(buffers, w + t - begin, given)
            if weighs:
                if write:  # the other half has more to do then
                    mixture.states(plan, given, w + t - begin)
                weigh(plan, learner.sets, given, w + t - begin)
                _spread(alphabet, given, w + t - begin, unigram, out.p[t])
                out.weight_set[t] = given.weight_set[w + t - begin]
        if supplies:
            post(signs, _SUPPLIED, end)
            if write:
                for t in range(begin, end):
                    locations.commit(store, plan, block.where[t], block.tokens[t], block.time[t], slot)
        if weighs:
            if adapt:
                learn(learner, w, end - begin, given)
            post(signs, _WEIGHED, end)
        before = begin - late * window
        if supplies and before >= 0:
            last = min(before + window, end)
            if not wait_for(signs, _WEIGHED, last if before >= first else 0, _END, size, STOP):
                return begin
            if moves:
                move_logits(store, learner, block, before, last, buffers, given.first, before < first)
    if supplies and moves and late > 0:
        if not wait_for(signs, _WEIGHED, size, _END, size, STOP):
            return size
        whole = (size - 1) // window * window
        for before in range(max(whole - (late - 1) * window, 0), size, window):
            last = min(before + window, size)
            move_logits(store, learner, block, before, last, buffers, given.first, before < first)
    return size


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
    """Return the minimum probability of a token in an alphabet of ``alphabet`` tokens."""
    return min(FLOOR, _MOST_FLOOR / max(alphabet, 1))


def floor(rows: Tensor) -> Tensor:
    """Raise the distributions ``(B, A)`` over a small alphabet to the minimum probability of a token."""
    least = least_probability(rows.shape[1])
    return rows * (1 - rows.shape[1] * least) + least
