"""One softmax over the alphabet: experts, count states and gates, read and learned.

The logit of a token is a sum: the experts' log-probabilities, weighed by their
own confidence and by a few gates; the learned logits of the token's counters,
of their states and ages, and of its states in six patterns together; a bias.
Every learned number moves by ``(1[token] - p(token)) · feature``, clamped
minus free statistics: there is nothing to propagate backwards.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int64, njit

from lior.counting.compiled import inner
from lior.counting.elementary import exp, log
from lior.counting.fields import mix
from lior.counting.locations import LOGIT_ONE, RECENCY_ONE, age, find

# isort: off
from lior.counting.layout import (
    AGE_BINS, AGE_COUNTS, COUNT_BINS, ESTIMATION_BINS, LANES, LONGEST_BINS, MOST, REST_BINS, SECONDARY,
    SQUARE_FLOOR, SQUARE_RATE, TINY,
)  # fmt: skip

_SECOND, _THIRD = SECONDARY[0], SECONDARY[0] + SECONDARY[1]


# --- bins ---


@njit(inline="always")
def count_bin(c):
    """1, 2, 3, 4, 5–6, 7–9, 10–14, 15–24, 25–60, more."""
    if c <= 4:
        return c - 1
    return 4 if c <= 6 else 5 if c <= 9 else 6 if c <= 14 else 7 if c <= 24 else 8 if c <= 60 else 9


@njit(inline="always")
def rest_bin(r):
    """0, 1, 2, 3–4, 5–8, 9–16, 17–40, more."""
    if r <= 2:
        return r
    return 3 if r <= 4 else 4 if r <= 8 else 5 if r <= 16 else 6 if r <= 40 else 7


@njit(inline="always")
def _confidence(n, u):
    """A location's confidence, 1 …: how often it was written, how many tokens it knows."""
    much = (n > 1) + (n > 2) + (n > 4) + (n > 8) + (n > 20) + (n > 80)
    return 1 + much * 4 + (0 if u == 1 else 1 if u == 2 else 2 if u <= 5 else 3)


@njit(inline="always")
def _age_bin(time, counter):
    ticks, bits = age(counter, time), 0
    while ticks > 0:
        ticks >>= 1
        bits += 1
    return min(bits, AGE_BINS - 1)


# --- reading ---


@inner
def look_up(plan, store, where, work, w):
    """Find the locations of one position; note what is present and how sure it is."""
    present, longest = 0, 0
    for i in range(len(where)):
        p = find(store.slots, where[i])
        work.slot[w, i] = p
        n, u = int64(0), int64(0)
        if p >= 0:
            u = int64(store.slots[p].size)
            at = int64(store.slots[p].at)
            for j in range(at, at + u):
                n += store.counters[j].count
            work.present[w, present] = i
            present += 1
            work.confidence[w, i] = _confidence(n, u)
            if i < plan.nested:
                longest = i
        work.n[i, 0], work.n[i, 1] = n, u
    work.tally[w, 0], work.tally[w, 2] = present, longest


@inner
def gate_rows(plan, fields, cell, tokens, work, w):
    """Row of each gate for one position; ``tokens`` are the last two, plus 1, 0 for none."""
    longest = work.tally[w, 2]
    n, u = work.n[longest, 0], work.n[longest, 1]
    sure = 0 if n <= 1 else 1 if n <= 4 else 2
    bin = sure if u <= 1 else 3 if u <= 2 else 4 if u <= 5 else 5
    run = fields[19]
    place = 0 if run == 0 else 1 if run < 3 else 2 if run < 6 else 3
    work.tally[w, 3] = 1 + place + 4 * (0 if longest <= 3 else 1 if longest <= 5 else 2)
    start = 1 if fields[4] == 1 else 0
    pair = mix(mix(int64(3), tokens[0]), tokens[1])
    for g in range(len(plan.gate_kind)):
        kind = plan.gate_kind[g]
        value = int64(0)
        if kind == 0:
            value = longest * LONGEST_BINS + bin
        elif kind == 1:
            value = (tokens[0] - 1) & 255
        elif kind == 2:
            a = work.n[plan.nested, 0]
            b = work.n[plan.nested + 1, 0]
            c = work.n[plan.nested + 2, 0]
            words = (a > 0) + (a > 8) + 3 * ((b > 0) + (b > 3)) + 9 * ((c > 0) + (c > 2))
            value = words * 3 + (0 if run == 0 else 1 if run < 4 else 2)
        elif kind == 3:
            value = place * 2 + start
        elif kind == 4:
            value = min((fields[4] - 1) // 4, 15) * 16 + min(run, 7) * 2 + start
        elif kind == 5:
            value = (pair >> 20) & 1023
        elif kind == 6:
            value = cell
        work.row[w, g] = plan.gate_begin[g] + value
    work.estimate[w, 0] = (tokens[0] - 1) & 255
    work.estimate[w, 1] = _SECOND + ((pair >> 32) & 4095)
    work.estimate[w, 2] = _THIRD + min((fields[4] - 1) // 8, 7) * 8 + place * 2 + start


@inner
def _discounted(plan, store, p, at_discounts, novel):
    """Sum of the discounts and of the counts of slot ``p``."""
    at, u = int64(store.slots[p].at), int64(store.slots[p].size)
    taken, total = float32(0), int64(0)
    for j in range(at, at + u):
        c = int64(store.counters[j].novel) if novel else int64(store.counters[j].count)
        taken += plan.discounts[at_discounts + min(c, 3)]
        total += c
    return taken, total


@inner(fastmath=True)
def _expert(plan, store, p, base, column, out):
    """Absolute discounting, with recent shares mixed in, over a ``base`` distribution."""
    taken, n = _discounted(plan, store, p, 0, False)
    inverse = float32(1) / float32(n)
    left = min(taken * inverse, float32(MOST))
    for s in range(len(out)):
        out[s] = left * base[s]
    old = float32(1.0 - plan.recent) * inverse
    new = float32(plan.recent / RECENCY_ONE) * (float32(1) - left)
    at, u = int64(store.slots[p].at), int64(store.slots[p].size)
    for j in range(at, at + u):
        c = int64(store.counters[j].count)
        s = column[store.counters[j].token]
        if s >= 0:
            above = max(float32(c) - plan.discounts[min(c, 3)], float32(0))
            out[s] += old * above + new * float32(store.counters[j].recency)


@inner(fastmath=True)
def _chain(plan, store, p, base, column, out):
    """Kneser and Ney's continuation distribution; False when the location has no novel occurrence."""
    taken, n = _discounted(plan, store, p, 4, True)
    if n == 0:
        return False
    inverse = float32(1) / float32(n)
    left = min(taken * inverse, float32(MOST))
    for s in range(len(out)):
        out[s] = left * base[s]
    at, u = int64(store.slots[p].at), int64(store.slots[p].size)
    for j in range(at, at + u):
        c = int64(store.counters[j].novel)
        s = column[store.counters[j].token]
        if c > 0 and s >= 0:
            out[s] += (float32(c) - plan.discounts[4 + min(c, 3)]) * inverse
    return True


@inner(fastmath=True)
def experts(plan, store, column, alphabet, work, w):
    """What every present pattern says, over the chain of nested contexts.

    A nested context gives its log-probabilities, another pattern how they differ from those of its base.
    """
    patterns = len(plan.parent)
    dense = work.dense[:, : pad(alphabet)]
    uniform, log_base = 2 * patterns, 2 * patterns + 1
    dense[uniform, :] = 0
    dense[uniform, :alphabet] = float32(1) / float32(alphabet)
    chain, base = uniform, uniform  # rows of the continuation distributions under the next pattern
    worked = False
    for a in range(work.tally[w, 0]):
        i = work.present[w, a]
        nested = i < plan.nested
        p = work.slot[w, i]
        _expert(plan, store, p, dense[chain if nested else base], column, dense[i])
        target = work.log_p[w, i, : pad(alphabet)]
        _log(dense[i], target)
        if nested:
            if _chain(plan, store, p, dense[chain], column, dense[patterns + i]):
                chain = patterns + i
            if i <= plan.base:
                base = chain
        else:
            if not worked:
                _log(dense[base], dense[log_base])
                worked = True
            for s in range(len(target)):
                target[s] -= dense[log_base, s]


@inner(fastmath=True)
def _log(source, target):
    for s in range(len(source)):
        target[s] = log(source[s] + float32(TINY))


@njit(inline="always")
def pad(size):
    """``size`` rounded up to whole vectors."""
    return (size + LANES - 1) // LANES * LANES


@inner
def counter_features(plan, store, column, time, work, w):
    """Which entries of the tables of states, ages and joint states each token has at one position."""
    record = 0
    work.longest[:] = 0
    work.joint[w, :, :] = 0
    groups = len(plan.joint)
    for a in range(work.tally[w, 0]):
        i = work.present[w, a]
        n, p = work.n[i, 0], work.slot[w, i]
        at = int64(store.slots[p].at)
        for j in range(at, at + int64(store.slots[p].size)):
            s = column[store.counters[j].token]
            if s < 0:
                continue
            c = int64(store.counters[j].count)
            if i < plan.nested:
                work.longest[s] = i
            state = (count_bin(c) * REST_BINS + rest_bin(max(n - c, 0))) * 2 + (1 if j == at else 0)
            work.counter[w, record] = j
            work.column[w, record] = s
            work.pattern[w, record] = i
            work.state[w, record] = state
            work.age[w, record] = _age_bin(time, store.counters[j]) * AGE_COUNTS + min(c, AGE_COUNTS) - 1
            record += 1
            level = 3 if 2 * c > n else 2 if c >= 2 else 1
            for q in range(groups):
                if plan.joint_bit[q, i] >= 0:
                    work.joint[w, q, s] |= level << plan.joint_bit[q, i]
    work.tally[w, 1] = record
    longest = work.tally[w, 2]
    for r in range(record):
        i, known = work.pattern[w, r], work.longest[work.column[w, r]]
        if i < plan.nested:
            place = min(known - i, 3) * 3 + min(longest - i, 2)
        else:
            place = ((known > 2) + (known > 4) + (known > 6)) * 3 + min(longest - known, 2)
        work.state[w, r] += place * (COUNT_BINS * REST_BINS * 2)


@inner(fastmath=True)
def logits(store, learned, alphabet, work, w, tokens_of, z):
    """The logits ``z (A,)`` of one position from all that was looked up."""
    for s in range(alphabet):
        z[s] = learned.bias[tokens_of[s]]
    for q in range(work.joint.shape[1]):
        table = learned.joint[q]
        for s in range(alphabet):
            z[s] += table[work.joint[w, q, s]]
    for r in range(work.tally[w, 1]):
        i = work.pattern[w, r]
        z[work.column[w, r]] += (
            learned.state[i, work.state[w, r]]
            + learned.age[i, work.age[w, r]]
            + float32(store.counters[work.counter[w, r]].logit) * float32(1 / LOGIT_ONE)
        )
    for a in range(work.tally[w, 0]):
        i = work.present[w, a]
        weight = learned.own[i, work.confidence[w, i]]
        for g in range(work.row.shape[1]):
            weight += learned.gated[work.row[w, g], i]
        row = work.log_p[w, i]
        everywhere, here = learned.token[0, i], learned.token[work.tally[w, 3], i]
        for s in range(alphabet):
            z[s] += (weight + everywhere[tokens_of[s]] + here[tokens_of[s]]) * row[s]


@inner(fastmath=True)
def softmax(z, alphabet, out):
    """Softmax of the first ``alphabet`` of ``z``; 0 in the padding."""
    top = z[0]
    for s in range(1, alphabet):
        top = max(top, z[s])
    for s in range(len(z)):
        out[s] = exp(z[s] - top)
    total = float32(0)
    for s in range(alphabet):
        total += out[s]
    scale = float32(1) / total
    for s in range(alphabet):
        out[s] *= scale
    out[alphabet:] = 0


@inner(fastmath=True)
def secondary(learned, alphabet, work, w, z):
    """Secondary estimation: correct each logit by what its probability was worth in three contexts."""
    first = work.first[w]
    for s in range(alphabet):
        height = min(log(first[s] + float32(TINY)) * float32(-2), float32(ESTIMATION_BINS - 1.01))
        work.bin[w, s] = np.int32(height)
        work.share[w, s] = height - float32(work.bin[w, s])
    for j in range(3):
        table = learned.secondary[work.estimate[w, j]]
        for s in range(alphabet):
            b, share = work.bin[w, s], work.share[w, s]
            z[s] += table[b] * (float32(1) - share) + table[b + 1] * share
    softmax(z, alphabet, work.final[w])


# --- learning ---


@inner(fastmath=True)
def table_steps(store, learned, rates, alphabet, tokens_of, target, time, work, w):
    """Move everything but the weights towards the token in column ``target`` of position ``w``."""
    error = work.first[w]  # becomes 1[token] - p
    for s in range(alphabet):
        error[s] = -error[s]
    error[target] += float32(1)
    rate = float32(rates.secondary)
    for j in range(3):
        table = learned.secondary[work.estimate[w, j]]
        for s in range(alphabet):
            step = rate * ((float32(1) if s == target else float32(0)) - work.final[w, s])
            b, share = work.bin[w, s], work.share[w, s]
            table[b] += step * (float32(1) - share)
            table[b + 1] += step * share
    rate = float32(rates.table)
    for r in range(work.tally[w, 1]):
        i, e = work.pattern[w, r], error[work.column[w, r]]
        learned.state[i, work.state[w, r]] += rate * e
        learned.age[i, work.age[w, r]] += rate * e
        here = store.counters[work.counter[w, r]]
        if rates.logit == 0:
            continue
        # Most steps are far smaller than the grid; rounding at random keeps their mean.
        noise = float32((mix(time, i << 16 | int64(here.token)) >> 40) & 0xFFFF) * float32(1 / 65536)
        moved = float32(here.logit) + float32(rates.logit * LOGIT_ONE) * e + noise
        here.logit = np.int16(np.floor(min(max(moved, float32(-32768)), float32(32767))))
    for q in range(work.joint.shape[1]):
        table = learned.joint[q]
        for s in range(alphabet):
            table[work.joint[w, q, s]] += rate * error[s]
    for s in range(alphabet):
        learned.bias[tokens_of[s]] += float32(rates.bias) * error[s]
    rate = float32(rates.token)
    for a in range(work.tally[w, 0]):
        i = work.present[w, a]
        row = work.log_p[w, i]
        everywhere, here = learned.token[0, i], learned.token[work.tally[w, 3], i]
        for s in range(alphabet):
            step = rate * error[s] * row[s]
            everywhere[tokens_of[s]] += step
            here[tokens_of[s]] += step


@inner(fastmath=True)
def statistics(work, w, out):
    """``Σ_s (1[s] - p(s)) log p_i(s)`` of every pattern, into ``out (S,)``; 0 for absent patterns."""
    out[:] = 0
    error = work.first[w]
    for a in range(work.tally[w, 0]):
        i = work.present[w, a]
        row = work.log_p[w, i]
        total = float32(0)
        for s in range(len(row)):
            total += error[s] * row[s]
        out[i] = total


@inner(fastmath=True)
def weight_step(weights, squares, total, squared, times, rate):
    """One step of weights from the sums of their statistics over a window."""
    for i in range(len(weights)):
        if times[i] > 0:
            squares[i] += float32(SQUARE_RATE) * (squared[i] - times[i] * squares[i])
            weights[i] += float32(rate) * total[i] / (np.sqrt(squares[i]) + float32(SQUARE_FLOOR))
