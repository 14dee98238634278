"""The mixture: one softmax over the alphabet, of experts, counter states and gates.

It mixes in the logistic domain, as PAQ does (M. Mahoney, 2005), but over whole tokens. The logit of a token
is a sum of

- the experts' log-probabilities (absolute discounting over the next shorter context), each weighted by the
  confidence of its location, by gates, and by the token;
- the learned logits of the token's counters, of their states and ages, and of its states in six patterns
  together;
- a bias.

Secondary estimation corrects the logits (:mod:`lior_plugins.counting.estimation`). Every learned number
follows the gradient of the log-probability, ``(1[token] - p(token)) · feature``; the features have no
parameters, so that nothing is propagated backwards.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int32, int64, njit

from lior.compiling.compiled import inner
from lior_plugins.counting import estimation, layout
from lior_plugins.counting.fields import COLUMN, LENGTH, mix
from lior_plugins.counting.kernels import exp, log
from lior_plugins.counting.locations import (
    LOGIT_ONE,
    RECENCY_ONE,
    TOKEN_BITS,
    age,
    counter_of,
    find,
    gather,
    pooled,
)

# isort: off
from lior_plugins.counting.layout import (
    ABOVE,
    AGE_BINS,
    AGE_COUNTS,
    COUNTERS,
    DISTINCT,
    GATE_CELL,
    GATE_EXPECTED,
    GATE_LAYOUT,
    GATE_LONGEST,
    GATE_PAIR,
    GATE_POSITION,
    GATE_PREVIOUS,
    GATE_WORDS,
    GATES,
    LONGEST,
    LONGEST_BINS,
    MOST,
    NOVEL,
    NOVEL_ABOVE,
    NOVEL_OCCURRED,
    NOVEL_TAKEN,
    OCCURRED,
    OCCURRENCES,
    PATTERNS,
    PLACE,
    RECENT,
    REST_BINS,
    SQUARE_FLOOR,
    SQUARE_RATE,
    SQUARED,
    STATES,
    TIMES,
    TAKEN,
    TINY,
    TOTAL,
)

_PREVIOUS_MASK, _PAIR_MASK = GATES["previous"] - 1, GATES["pair"] - 1
_ONCE, _AGAIN, _MAJORITY = 1, 2, 3
"""States of a token in the joint tables; 0 is unknown."""


pad = njit(inline="always")(layout.pad)


# --- bins ---

_COUNT_BIN = np.searchsorted([1, 2, 3, 4, 6, 9, 14, 24, 60], np.arange(62)).astype(np.int64)
_REST_BIN = np.searchsorted([0, 1, 2, 4, 8, 16, 40], np.arange(42)).astype(np.int64)


@njit(inline="always")
def count_bin(c):
    """Return the bin of a count: 1, 2, 3, 4, 5–6, 7–9, 10–14, 15–24, 25–60, more."""
    return _COUNT_BIN[min(c, 61)]


@njit(inline="always")
def rest_bin(r):
    """Return the bin of the other counts: 0, 1, 2, 3–4, 5–8, 9–16, 17–40, more."""
    return _REST_BIN[min(r, 41)]


@njit(inline="always")
def _confidence(n, u):
    """Return the confidence of a location, from 1: how often it was written, how many tokens it knows."""
    much = (n > 1) + (n > 2) + (n > 4) + (n > 8) + (n > 20) + (n > 80)
    return 1 + much * 4 + (0 if u == 1 else 1 if u == 2 else 2 if u <= 5 else 3)


@njit(inline="always")
def _age_bin(time, counter):
    # The exponent of a float32 is the number of bits; all ticks are exact in it.
    bits = (np.float32(age(counter, time)).view(np.int32) >> int32(23)) - int32(126)
    return min(max(bits, int32(0)), int32(AGE_BINS - 1))


# --- reading ---


@inner
def look_up(memory, where, buffers, w):
    """Find the locations of one position and copy their counters; note totals and confidence of each.

    Later steps read the counters of a position from these copies only.
    """
    plan, present, longest, copied = memory.plan, 0, 0, int64(0)
    near = buffers.near
    for i in range(len(where)):
        p = find(memory.store.slots, where[i])
        buffers.slot[w, i] = p
        n, u = int64(0), int64(0)
        if p >= 0:
            first = copied
            copied = gather(memory.store, p, near, first)
            u = copied - first
            for r in range(first, copied):
                n += near[r].count
            buffers.copied[present] = first
            buffers.present[w, present] = i
            present += 1
            buffers.confidence[w, i] = _confidence(n, u)
            if i < plan.nested:
                longest = i
        buffers.totals[i, OCCURRENCES], buffers.totals[i, DISTINCT] = n, u
    buffers.copied[present] = copied
    buffers.tally[w, PATTERNS], buffers.tally[w, LONGEST] = present, longest


@inner
def _expected(buffers, w, column):
    """Return the token counted most in the longest nested context, plus 1; 0 for none.

    Ties go to the token that came last, then to the smallest.
    """
    best, most, near = int64(0), int64(-1), buffers.near
    for a in range(buffers.tally[w, PATTERNS]):
        if buffers.present[w, a] != buffers.tally[w, LONGEST]:
            continue
        begin = int64(buffers.copied[a])
        for r in range(begin, int64(buffers.copied[a + 1])):
            token = int64(near[r].token)
            if column[token] >= 0:
                last = 1 if r == begin else 0
                value = ((int64(near[r].count) * 2 + last) << TOKEN_BITS) - token
                if value > most or best == 0:
                    best, most = token + 1, value
    return best


@inner
def gate_rows(plan, block, t, column_of, buffers, w):
    """Rows of the gates and of secondary estimation for position ``t`` of a block."""
    longest = buffers.tally[w, LONGEST]
    n, u = buffers.totals[longest, OCCURRENCES], buffers.totals[longest, DISTINCT]
    sure = (0 if n <= 1 else 1 if n <= 4 else 2) if u <= 1 else 3 if u <= 2 else 4 if u <= 5 else 5
    length, column = block.fields[t, LENGTH], block.fields[t, COLUMN] - 1
    place = 0 if length == 0 else 1 if length < 3 else 2 if length < 6 else 3  # in the word
    buffers.tally[w, PLACE] = 1 + place + 4 * (0 if longest <= 3 else 1 if longest <= 5 else 2)
    start = 1 if column == 0 else 0
    previous = (block.before[t, 0] - 1) & _PREVIOUS_MASK
    pair = mix(mix(int64(3), block.before[t, 0]), block.before[t, 1])
    expected = _expected(buffers, w, column_of)
    for g in range(len(plan.gate_kind)):
        kind = plan.gate_kind[g]
        value = int64(0)
        if kind == GATE_LONGEST:
            value = longest * LONGEST_BINS + sure
        elif kind == GATE_PREVIOUS:
            value = previous
        elif kind == GATE_WORDS:
            a = buffers.totals[plan.nested, OCCURRENCES]
            b = buffers.totals[plan.nested + 1, OCCURRENCES]
            c = buffers.totals[plan.nested + 2, OCCURRENCES]
            words = (a > 0) + (a > 8) + 3 * ((b > 0) + (b > 3)) + 9 * ((c > 0) + (c > 2))
            value = words * 3 + (0 if length == 0 else 1 if length < 4 else 2)
        elif kind == GATE_POSITION:
            value = place * 2 + start
        elif kind == GATE_LAYOUT:
            value = min(column // 4, 15) * 16 + min(length, 7) * 2 + start
        elif kind == GATE_PAIR:
            value = (pair >> 20) & _PAIR_MASK
        elif kind == GATE_CELL:
            value = block.cell[t]
        elif kind == GATE_EXPECTED:
            value = expected & _PREVIOUS_MASK
        buffers.gate[w, g] = plan.gate_begin[g] + value
    estimation.rows(expected, block.before[t, 0], buffers, w)


@inner
def discount(plan, near, begin, end, novel):
    """Return the sums of the discounts and of the counts; ``novel`` is 0, or ``NOVEL`` for novel counts."""
    taken, total = float32(0), int64(0)
    for j in range(int64(begin), int64(end)):
        c = int64(near[j].novel) if novel else int64(near[j].count)
        taken += plan.discounts[novel + min(c, 3)]
        total += c
    return taken, total


@inner(fastmath=True)
def _expert(plan, records, begin, end, mass, base, last, out, width):
    """Write absolute discounting over a distribution ``base (width,)``, with recency mixed in, to ``out``."""
    inverse = float32(1) / mass[OCCURRED]
    left = min(mass[TAKEN] * inverse, float32(MOST))
    for s in range(width):
        out[s] = left * base[s]
    old = float32(1.0 - plan.recent) * inverse
    new = float32(plan.recent / RECENCY_ONE) * (float32(1) - left)
    for r in range(int64(begin), int64(end)):
        c = int64(records[r].count)
        above = max(float32(c) - plan.discounts[min(c, 3)], float32(0))
        out[records[r].column] += old * above + new * float32(records[r].recency)
    out[last] += old * mass[ABOVE] + new * mass[RECENT]


@inner(fastmath=True)
def _chain(plan, records, begin, end, mass, base, last, out, width):
    """Write Kneser and Ney's continuation distribution; False if the location has no novel occurrence."""
    if mass[NOVEL_OCCURRED] == 0:
        return False
    inverse = float32(1) / mass[NOVEL_OCCURRED]
    left = min(mass[NOVEL_TAKEN] * inverse, float32(MOST))
    for s in range(width):
        out[s] = left * base[s]
    for r in range(int64(begin), int64(end)):
        c = int64(records[r].novel)
        if c > 0:
            out[records[r].column] += (float32(c) - plan.discounts[NOVEL + min(c, 3)]) * inverse
    out[last] += mass[NOVEL_ABOVE] * inverse
    return True


@inner(fastmath=True)
def experts(plan, buffers, w):
    """Compute the log-probabilities of every present pattern, over the chain of nested contexts.

    A nested context gives its log-probabilities, another pattern their difference from those of its base.
    """
    alphabet, patterns, dense = buffers.size[w], len(plan.parent), buffers.dense
    records, width, last = buffers.record[w], pad(alphabet), alphabet - 1
    uniform, log_base = 2 * patterns, 2 * patterns + 1
    for s in range(width):
        dense[uniform, s] = float32(1) / float32(alphabet) if s < alphabet else float32(0)
    chain, base = uniform, uniform  # rows of the continuation distributions under the next pattern
    worked = False
    for a in range(buffers.tally[w, PATTERNS]):
        i = buffers.present[w, a]
        nested = i < plan.nested
        begin, end, mass = buffers.begin[w, a], buffers.begin[w, a + 1], buffers.mass[w, a]
        under = dense[chain if nested else base]
        _expert(plan, records, begin, end, mass, under, last, dense[i], width)
        target = buffers.log_p[w, i]
        _log(dense[i], target, width)
        if nested:
            if _chain(plan, records, begin, end, mass, dense[chain], last, dense[patterns + i], width):
                chain = patterns + i
            if i <= plan.base:
                base = chain
        else:
            if not worked:
                _log(dense[base], dense[log_base], width)
                worked = True
            for s in range(width):
                target[s] -= dense[log_base, s]


@inner(fastmath=True)
def _log(source, target, width):
    for s in range(width):
        target[s] = log(source[s] + float32(TINY))


@inner
def _masses(plan, near, begin, end, column, mass):
    """Sum over the counters of a location; a token without a column has -1 in ``column``."""
    mass[TAKEN], n = discount(plan, near, begin, end, 0)
    mass[NOVEL_TAKEN], novel = discount(plan, near, begin, end, NOVEL)
    mass[OCCURRED], mass[NOVEL_OCCURRED] = float32(n), float32(novel)
    mass[ABOVE] = mass[RECENT] = mass[NOVEL_ABOVE] = float32(0)
    for r in range(begin, end):
        if column[near[r].token] >= 0:
            continue
        c, new = int64(near[r].count), int64(near[r].novel)
        mass[ABOVE] += max(float32(c) - plan.discounts[min(c, 3)], float32(0))
        mass[RECENT] += float32(near[r].recency)
        mass[NOVEL_ABOVE] += float32(new) - plan.discounts[NOVEL + min(new, 3)]


@inner
def counter_features(plan, column, others, time, buffers, w):
    """Collect the features of the counters of one position, for :func:`states` and the mixture.

    ``others`` says whether tokens without a column share the last one; otherwise they are left out.
    """
    record, near, records = 0, buffers.near, buffers.record[w]
    for a in range(buffers.tally[w, PATTERNS]):
        mass = buffers.mass[w, a]
        begin, end = int64(buffers.copied[a]), int64(buffers.copied[a + 1])
        _masses(plan, near, begin, end, column, mass)
        if not others:
            mass[ABOVE] = mass[RECENT] = mass[NOVEL_ABOVE] = float32(0)
        buffers.begin[w, a] = record
        for r in range(begin, end):
            s = column[near[r].token]
            if s < 0:
                continue
            buffers.rank[w, record], buffers.token[w, record] = r - begin, near[r].token
            here = records[record]
            here.column, here.count, here.recency = s, near[r].count, near[r].recency
            here.prior, here.novel = near[r].logit, near[r].novel
            here.state = 1 if r == begin else 0  # the location's last token comes first
            here.age = _age_bin(time, near[r]) * AGE_COUNTS + min(int64(near[r].count), AGE_COUNTS) - 1
            record += 1
    buffers.begin[w, buffers.tally[w, PATTERNS]] = buffers.tally[w, COUNTERS] = record


@inner
def states(plan, buffers, w):
    """Set the table entries of the counters of one position, and the joint states of its columns."""
    known, joint, records = buffers.longest, buffers.joint[w], buffers.record[w]
    present, longest = buffers.tally[w, PATTERNS], buffers.tally[w, LONGEST]
    for s in range(pad(buffers.size[w])):
        known[s] = 0
        for q in range(len(joint)):
            joint[q, s] = 0
    for a in range(present):
        i, n = int64(buffers.present[w, a]), int64(buffers.mass[w, a, OCCURRED])
        first, end = int64(buffers.begin[w, a]), int64(buffers.begin[w, a + 1])
        for r in range(first, end):
            c, last = int64(records[r].count), records[r].state
            records[r].state = (count_bin(c) * REST_BINS + rest_bin(max(n - c, 0))) * 2 + last
        if i < plan.nested:
            for r in range(first, end):
                known[records[r].column] = i
        for q in range(len(joint)):
            bit = plan.joint_bit[q, i]
            for r in range(first, end if bit >= 0 else first):
                c = int64(records[r].count)
                state = _MAJORITY if 2 * c > n else _AGAIN if c >= 2 else _ONCE
                joint[q, records[r].column] |= state << bit
    for a in range(present):
        i = int64(buffers.present[w, a])
        for r in range(int64(buffers.begin[w, a]), int64(buffers.begin[w, a + 1])):
            k = known[records[r].column]
            if i < plan.nested:
                context = min(k - i, 3) * 3 + min(longest - i, 2)
            else:
                context = ((k > 2) + (k > 4) + (k > 6)) * 3 + min(longest - k, 2)
            records[r].state += context * STATES


@inner(fastmath=True)
def logits(learned, buffers, w):
    """Compute the logits of one position, into ``buffers.logits``."""
    z, tokens, alphabet, records = buffers.logits, buffers.tokens[w], buffers.size[w], buffers.record[w]
    for s in range(alphabet):
        z[s] = learned.bias[tokens[s]]
    for q in range(buffers.joint.shape[1]):
        table = learned.joint_logit[q]
        for s in range(alphabet):
            z[s] += table[buffers.joint[w, q, s]]
    for a in range(buffers.tally[w, PATTERNS]):
        i = buffers.present[w, a]
        states, ages = learned.state_logit[i], learned.age_logit[i]
        for r in range(int64(buffers.begin[w, a]), int64(buffers.begin[w, a + 1])):
            own = float32(records[r].prior) * float32(1 / LOGIT_ONE)
            z[records[r].column] += states[records[r].state] + ages[records[r].age] + own
    for a in range(buffers.tally[w, PATTERNS]):
        i = buffers.present[w, a]
        weight = learned.confidence_weight[i, buffers.confidence[w, i]]
        for g in range(buffers.gate.shape[1]):
            weight += learned.gate_weight[buffers.gate[w, g], i]
        row = buffers.log_p[w, i]
        everywhere, here = learned.token_weight[0, i], learned.token_weight[buffers.tally[w, PLACE], i]
        for s in range(alphabet):
            z[s] += (weight + everywhere[tokens[s]] + here[tokens[s]]) * row[s]


@inner(fastmath=True)
def softmax(z, alphabet, out):
    """Write the softmax of the first ``alphabet`` entries of ``z``; 0 in the padding."""
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


# --- learning ---


@inner(fastmath=True)
def table_steps(learned, rates, buffers, w):
    """Step all tables and biases towards the token in column ``buffers.target[w]``.

    ``buffers.first[w]`` becomes the error of each column, ``1[token] - p``.
    """
    tokens, alphabet, target = buffers.tokens[w], buffers.size[w], buffers.target[w]
    error = buffers.first[w]
    for s in range(alphabet):
        error[s] = -error[s]
    error[target] += float32(1)
    rate, records = float32(rates.table), buffers.record[w]
    for a in range(buffers.tally[w, PATTERNS]):
        i = buffers.present[w, a]
        states, ages = learned.state_logit[i], learned.age_logit[i]
        for r in range(int64(buffers.begin[w, a]), int64(buffers.begin[w, a + 1])):
            step = rate * error[records[r].column]
            states[records[r].state] += step
            ages[records[r].age] += step
    for q in range(buffers.joint.shape[1]):
        table = learned.joint_logit[q]
        for s in range(alphabet):
            table[buffers.joint[w, q, s]] += rate * error[s]
    for s in range(alphabet):
        learned.bias[tokens[s]] += float32(rates.bias) * error[s]
    rate = float32(rates.token)
    for a in range(buffers.tally[w, PATTERNS]):
        i = buffers.present[w, a]
        row = buffers.log_p[w, i]
        everywhere, here = learned.token_weight[0, i], learned.token_weight[buffers.tally[w, PLACE], i]
        for s in range(alphabet):
            step = rate * error[s] * row[s]
            everywhere[tokens[s]] += step
            here[tokens[s]] += step


@inner(fastmath=True)
def logit_steps(store, rate, time, buffers, error, w):
    """Step the logits of the counters that were read at a position, with the errors of its columns."""
    records = buffers.record[w]
    for a in range(buffers.tally[w, PATTERNS]):
        i = buffers.present[w, a]
        begin, end = pooled(store, buffers.slot[w, i])
        for r in range(int64(buffers.begin[w, a]), int64(buffers.begin[w, a + 1])):
            token = int64(buffers.token[w, r])
            here = store.counters[counter_of(store, begin, end, token, buffers.rank[w, r])]
            # Most steps are far smaller than the grid; random rounding preserves their mean.
            noise = float32((mix(time, int64(i) << 16 | token) >> 40) & 0xFFFF) * float32(1 / 65536)
            moved = float32(here.logit) + float32(rate * LOGIT_ONE) * error[records[r].column] + noise
            here.logit = np.int16(np.floor(min(max(moved, float32(-32768)), float32(32767))))


@inner(fastmath=True)
def weight_gradients(buffers, w):
    """Compute ``Σ_s (1[s] - p(s)) log p_i(s)`` of every pattern, after :func:`table_steps`; 0 for absent
    patterns."""
    out, error = buffers.gradient[w], buffers.first[w]
    out[:] = 0
    for a in range(buffers.tally[w, PATTERNS]):
        i = buffers.present[w, a]
        row = buffers.log_p[w, i]
        total = float32(0)
        for s in range(len(row)):
            total += error[s] * row[s]
        out[i] = total


@inner(fastmath=True)
def weight_step(weights, squares, sums, rate):
    """Step weights ``(n,)``, scaled as in RMSProp, by the sums ``(3, n)`` of their gradients."""
    total, squared, times = sums[TOTAL], sums[SQUARED], sums[TIMES]
    for i in range(len(weights)):
        if times[i] > 0:
            squares[i] += float32(SQUARE_RATE) * (squared[i] - times[i] * squares[i])
            weights[i] += float32(rate) * total[i] / (np.sqrt(squares[i]) + float32(SQUARE_FLOOR))
