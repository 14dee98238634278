"""Attribution: which stored tokens a mixture's probabilities come from.

A pattern's effect on a token measures how much it favours the token over the others. It is the pattern's
part of the token's logit, less the mean of its parts of the other tokens' logits, weighted by their
probabilities. To first order, the token's log-odds would be lower by this much without the pattern. A
pattern's own distribution has two shares. The share from its counters goes to the places where they were
counted, and the backed-off share goes on to the pattern under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import float32, int64, njit
from numpy.typing import NDArray

from lior.compiling.compiled import entry, inner
from lior_plugins.counting import addresses, stream
from lior_plugins.counting.engine import AHEAD, Engine, Segment, WeightSets, select, split_blocks
from lior_plugins.counting.fields import mix
from lior_plugins.counting.layout import MOST, OCCURRED, PATTERNS, PLACE, TAKEN, Ints, Plan
from lior_plugins.counting.locations import LOGIT_ONE, RECENCY_ONE

LISTED = 256
"""Maximum occurrences of a counter that is traced; the context of a larger one is too common."""
_BLOCK = 8192

Floats = NDArray[np.float64]


class Traced(NamedTuple):
    """The stored tokens that the probabilities of ``B`` tokens come from."""

    row: Ints
    """Index of the token that each place explains, ``(K,)``."""
    segment: Ints
    """Index of the place's text segment, ``(K,)``."""
    at: Ints
    """Index of the place's token in the segment, ``(K,)``."""
    share: Floats
    """Its share of the token's probability, ``(K,)``."""
    stored: Floats
    """The share of all stored places, including those not listed, ``(B,)``."""


class Effects(NamedTuple):
    """The contribution of each pattern to the probabilities of ``B`` tokens."""

    effect: NDArray[np.float32]
    """Effect of each pattern, ``(B, S)``."""
    own: NDArray[np.float32]
    """Share of its probability of the token that its counter gives; the rest is backed off, ``(B, S)``."""
    occurrences: Ints
    """Occurrences of the token at its location, ``(B, S)``."""
    mixed: NDArray[np.float32]
    """The mixture's probability of the token, before the minimum of every token is added, ``(B,)``."""


@entry
def _effects(memory, sets, block, alphabet, buffers, out):
    part = np.zeros((len(memory.plan.parent), buffers.first.shape[1]), np.float32)
    first = int64(0)  # a literal would make numba compile another `read`
    for t in range(len(block.tokens)):
        stream.read(memory, sets, block, t, alphabet, buffers, first)
        learned, size, target = sets[buffers.weight_set[0]], buffers.size[0], buffers.target[0]
        if target < 0:
            continue
        part[:, :] = 0
        for a in range(buffers.tally[0, PATTERNS]):
            i = buffers.present[0, a]
            for r in range(int64(buffers.begin[0, a]), int64(buffers.begin[0, a + 1])):
                here = buffers.record[0, r]
                part[i, here.column] += (
                    learned.state_logit[i, here.state]
                    + learned.age_logit[i, here.age]
                    + float32(here.prior) * float32(1 / LOGIT_ONE)
                )
                if here.column == target:
                    out.occurrences[t, i] = here.count
                    said = buffers.dense[i, target]
                    out.own[t, i] = _own_share(memory.plan, here, buffers.mass[0, a], said)
        p = buffers.final[0]
        out.mixed[t] = p[target]
        for a in range(buffers.tally[0, PATTERNS]):
            i = buffers.present[0, a]
            _add_expert(learned, buffers, i, size, part[i])
            others = float32(0)
            for s in range(size):
                others += p[s] * part[i, s] if s != target else float32(0)
            out.effect[t, i] = part[i, target] - others / max(float32(1) - p[target], float32(1e-9))


@inner
def _add_expert(learned, buffers, i, size, part):
    """Add pattern ``i``'s log-probabilities with their weights."""
    weight = learned.confidence_weight[i, buffers.confidence[0, i]]
    for g in range(buffers.gate.shape[1]):
        weight += learned.gate_weight[buffers.gate[0, g], i]
    place = buffers.tally[0, PLACE]
    for s in range(size):
        token = buffers.tokens[0, s]
        everywhere, here = learned.token_weight[0, i, token], learned.token_weight[place, i, token]
        part[s] += (weight + everywhere + here) * buffers.log_p[0, i, s]


@inner
def _own_share(plan, counter, mass, probability):
    left = min(mass[TAKEN] / mass[OCCURRED], float32(MOST))
    c = int64(counter.count)
    above = max(float32(c) - plan.discounts[min(c, 3)], float32(0)) / mass[OCCURRED]
    recent = (float32(1) - left) * float32(counter.recency) / float32(RECENCY_ONE)
    given = float32(1 - plan.recent) * above + float32(plan.recent) * recent
    return min(given / max(probability, float32(1e-30)), float32(1))


def trace(
    engine: Engine,
    tokens: Ints,
    depth: Ints,
    positions: Ints,
    targets: Ints,
    alphabet: Ints,
    learned: WeightSets,
    segments: Sequence[Segment],
    *,
    cell: Ints | None = None,
) -> Traced:
    """Return the places that explain the probabilities of ``targets (B,)`` at ``positions (B,)`` of a text.

    Parameters
    ----------
    segments
        All that was written to the memory, in its order.
    cell
        As in :meth:`Engine.read`.
    """
    rows, patterns = len(positions), len(engine.plan.parent)
    out = _empty(rows, patterns)
    where = np.zeros((rows, patterns), np.int64)
    columns, buffers = engine.columns(alphabet), engine.buffers(1, len(alphabet))
    for begin, end, chosen in split_blocks(positions) if rows else ():
        whole = engine.block(tokens[:end], depth[:end], begin, engine.clock + AHEAD)
        block = select(whole, chosen, positions - begin, cell)._replace(tokens=targets[chosen])
        found = _empty(len(chosen), patterns)
        _effects(engine.memory, learned, block, columns, buffers, found)
        out.effect[chosen], out.own[chosen], out.occurrences[chosen], out.mixed[chosen] = found
        where[chosen] = block.where
    placed = _place(engine.plan, out.effect.astype(np.float64), out.own.astype(np.float64))
    placed *= _above_floor(out.mixed.astype(np.float64), len(alphabet))[:, None]
    return _found(engine.patterns, where, targets, out.occurrences, placed, segments)


def _empty(rows: int, patterns: int) -> Effects:
    shape = rows, patterns
    return Effects(
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int64),
        np.zeros(rows, np.float32),
    )


def _above_floor(mixed: Floats, alphabet: int) -> Floats:
    """Return the share of the tokens' probabilities that the mixture gives; the minimum gives the rest."""
    least = stream.least_probability(alphabet)
    given = mixed * (1 - alphabet * least)
    share: Floats = given / (given + least)
    return share


def _place(plan: Plan, effect: Floats, own: Floats) -> Floats:
    """Return the share of a token's probability for the places that each pattern counted, ``(B, S)``."""
    positive = np.maximum(effect, 0)
    total = positive.sum(1, keepdims=True)
    share = np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)
    placed = share * own
    backed = share - placed
    carried = np.zeros(len(share))
    for i in range(plan.nested - 1, -1, -1):
        if i == plan.base:
            carried += backed[:, plan.nested :].sum(1)
        placed[:, i] += carried * own[:, i]
        carried = backed[:, i] + carried * (1 - own[:, i])
    return placed


def _found(
    patterns: tuple[str, ...],
    where: Ints,
    targets: Ints,
    count: Ints,
    placed: Floats,
    segments: Sequence[Segment],
) -> Traced:
    """Return the places that wrote the counters: the last of their context and token, as many as counted."""
    row, pattern = np.nonzero((placed > 0) & (count > 0) & (count <= LISTED))
    keys, number = np.unique(np.stack([where[row, pattern], targets[row]], 1), axis=0, return_inverse=True)
    number = number.reshape(-1)
    limit = np.zeros(len(keys), np.int64)
    limit[number] = count[row, pattern]
    wanted = _wanted(keys, limit)
    for index, segment in enumerate(segments if len(keys) else ()):
        for lo, hi in segment.blocks(_BLOCK):
            found = addresses.locate(segment.tokens[:hi], segment.depth[:hi], lo, patterns).where
            _collect(wanted, found, segment.tokens[lo:hi], index, lo)
    times = np.minimum(wanted.seen, limit)[number]
    slots = np.repeat(wanted.begin[number] - (np.cumsum(times) - times), times) + np.arange(int(times.sum()))
    each = np.repeat(placed[row, pattern] / np.maximum(times, 1), times)
    places = np.concatenate([np.repeat(row, times)[:, None], wanted.ring[slots]], 1)
    distinct, which = np.unique(places, axis=0, return_inverse=True)
    share: Floats = np.bincount(which.reshape(-1), each, len(distinct)).astype(np.float64)
    return Traced(distinct[:, 0], distinct[:, 1], distinct[:, 2], share, placed.sum(1))


class _Wanted(NamedTuple):
    """The counters to attribute, each with a ring buffer of the last places that wrote it."""

    keys: Ints
    """Address and token, ``(N, 2)``."""
    table: Ints
    """Hash table of the keys' numbers, -1 in empty entries."""
    limit: Ints
    """Maximum number of places of each key, ``(N,)``."""
    begin: Ints
    """First entry of each key's ring buffer, ``(N,)``."""
    ring: Ints
    """Segment and token of each place, ``(sum(limit), 2)``."""
    seen: Ints
    """Number of places found for each key, ``(N,)``."""


def _wanted(keys: Ints, limit: Ints) -> _Wanted:
    table = np.full(1 << (2 * len(keys) + 2).bit_length(), -1, np.int64)
    _enter(keys, table)
    ring = np.zeros((int(limit.sum()), 2), np.int64)
    return _Wanted(keys, table, limit, np.cumsum(limit) - limit, ring, np.zeros(len(keys), np.int64))


@njit(inline="always")
def _slot(address, token, size):
    return (mix(int64(address), int64(token)) >> 8) & (size - 1)


@entry
def _enter(keys, table):
    for k in range(len(keys)):
        p = _slot(keys[k, 0], keys[k, 1], len(table))
        while table[p] >= 0:
            p = (p + 1) & (len(table) - 1)
        table[p] = k


@entry
def _collect(wanted, where, tokens, segment, first):
    """Collect the positions with one of the keys, the last ``limit`` of each key."""
    keys, table = wanted.keys, wanted.table
    for t in range(len(tokens)):
        for i in range(where.shape[1]):
            p = _slot(where[t, i], tokens[t], len(table))
            while table[p] >= 0:
                k = table[p]
                if keys[k, 0] == where[t, i] and keys[k, 1] == tokens[t]:
                    at = wanted.begin[k] + wanted.seen[k] % wanted.limit[k]
                    wanted.ring[at, 0], wanted.ring[at, 1] = segment, first + t
                    wanted.seen[k] += 1
                    break
                p = (p + 1) & (len(table) - 1)
