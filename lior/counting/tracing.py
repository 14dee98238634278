"""Which stored tokens a mixture's probabilities come from.

A pattern's share in a token is how much it favours the token over the others: its part of the logit,
less the mean of the same over the other tokens in proportion to their probabilities. To first order
that is what the token's log-odds would lose without the pattern. Of a pattern's own distribution, the
part that its counters give goes to the places where they were counted, and the part that it backs off
goes on to the pattern under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import float32, int64, njit
from numpy.typing import NDArray

from lior.counting import addresses, engine, mixture, stream
from lior.counting.compiled import entry, inner
from lior.counting.engine import Engine, Ints, Piece, Sets
from lior.counting.fields import mix
from lior.counting.layout import MOST, Plan
from lior.counting.locations import LOGIT_ONE, RECENCY_ONE

LISTED = 256
"""A counter of more tokens than this is of a context so common that no single place counts."""
_BLOCK = 8192

Floats = NDArray[np.float64]


class Traced(NamedTuple):
    """Places behind the probabilities of ``B`` tokens."""

    row: Ints
    """Which of the tokens each place is behind, ``(K,)``."""
    piece: Ints
    """Which of the pieces of text it is in, ``(K,)``."""
    at: Ints
    """Which token of the piece it is, ``(K,)``."""
    share: Floats
    """Of the token's probability, ``(K,)``."""
    stored: Floats
    """The share of all stored places, also of those that are not listed, ``(B,)``."""


@entry
def _effects(plan, store, sets, stretch, alphabet, work, z, effect, own, count, p_target):
    """Every pattern's effect on the token of each position, its counter's part in that, and its count.

    And the mixture's probability of the token, before the least that every token has is added.
    """
    part = np.zeros((len(plan.parent), work.first.shape[1]), np.float32)
    first = int64(0)  # a literal would make numba compile another `read`
    for t in range(len(stretch.tokens)):
        stream.read(plan, store, sets, stretch, t, alphabet, work, first, z)
        learned, size, target = sets[work.which[0]], work.size[0], work.target[0]
        if target < 0:
            continue
        part[:, :] = 0
        for r in range(work.tally[0, 1]):
            i, here = work.pattern[0, r], store.counters[work.counter[0, r]]
            part[i, work.column[0, r]] += (
                learned.state[i, work.state[0, r]]
                + learned.age[i, work.age[0, r]]
                + float32(here.logit) * float32(1 / LOGIT_ONE)
            )
            if work.column[0, r] == target:
                count[t, i] = here.count
                own[t, i] = _own_part(plan, store, work.slot[0, i], here, work.dense[i, target])
        p = work.final[0]
        p_target[t] = p[target]
        for a in range(work.tally[0, 0]):
            i = work.present[0, a]
            _add_weighed(learned, work, i, size, part[i])
            others = float32(0)
            for s in range(size):
                others += p[s] * part[i, s] if s != target else float32(0)
            effect[t, i] = part[i, target] - others / max(float32(1) - p[target], float32(1e-9))


@inner
def _add_weighed(learned, work, i, size, part):
    """Add pattern ``i``'s log-probabilities with their weights."""
    weight = learned.own[i, work.confidence[0, i]]
    for g in range(work.row.shape[1]):
        weight += learned.gated[work.row[0, g], i]
    for s in range(size):
        token = work.tokens[0, s]
        here = weight + learned.token[0, i, token] + learned.token[work.tally[0, 3], i, token]
        part[s] += here * work.log_p[0, i, s]


@inner
def _own_part(plan, store, p, counter, probability):
    """Which part of a pattern's probability of a token its counter gives; the rest is backed off."""
    taken, n = mixture._discounted(plan, store, p, 0, False)
    left = min(taken / float32(n), float32(MOST))
    c = int64(counter.count)
    above = max(float32(c) - plan.discounts[min(c, 3)], float32(0)) / float32(n)
    recent = (float32(1) - left) * float32(counter.recency) / float32(RECENCY_ONE)
    given = float32(1 - plan.recent) * above + float32(plan.recent) * recent
    return min(given / max(probability, float32(1e-30)), float32(1))


def trace(
    held: Engine,
    tokens: Ints,
    depth: Ints,
    positions: Ints,
    targets: Ints,
    alphabet: Ints,
    learned: Sets,
    pieces: Sequence[Piece],
    *,
    cell: Ints | None = None,
) -> Traced:
    """Where the probabilities of ``targets (B,)`` at ``positions (B,)`` of a text come from.

    Parameters
    ----------
    pieces
        All that the memory was told, in its order.
    cell
        As in :meth:`Engine.read`.
    """
    shape = len(positions), len(held.plan.parent)
    effect, own, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.int64)
    where, mixed = np.zeros(shape, np.int64), np.zeros(len(positions), np.float32)
    known, work = held._columns(alphabet), held._room(1, len(alphabet))
    z = np.zeros(work.first.shape[1], np.float32)
    for begin, end, chosen in engine.blocks_of(positions) if len(positions) else ():
        whole = held._stretch(tokens[:end], depth[:end], begin, held.clock + engine.AHEAD)
        here = engine.some_of(whole, chosen, positions - begin, cell)._replace(tokens=targets[chosen])
        rows = [np.zeros_like(column[chosen]) for column in (effect, own, count, mixed)]
        _effects(held.plan, held.store, learned, here, known, work, z, *rows)
        effect[chosen], own[chosen], count[chosen], mixed[chosen] = rows
        where[chosen] = here.where
    placed = _placed(held.plan, effect.astype(np.float64), own.astype(np.float64))
    placed *= _above_floor(mixed.astype(np.float64), len(alphabet))[:, None]
    return _found(held.patterns, where, targets, count, placed, pieces)


def _above_floor(mixed: Floats, alphabet: int) -> Floats:
    """Which part of the tokens' probabilities the mixture gives; the rest every token has (see `stream`)."""
    least = min(stream.FLOOR, stream._MOST_FLOOR / max(alphabet, 1))
    given = mixed * (1 - alphabet * least)
    share: Floats = given / (given + least)
    return share


def _placed(plan: Plan, effect: Floats, own: Floats) -> Floats:
    """The share of a token's probability that goes to the places that each pattern counted, ``(B, S)``."""
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
    pieces: Sequence[Piece],
) -> Traced:
    """The places that wrote the counters: the last of their context and token, as many as were counted."""
    row, pattern = np.nonzero((placed > 0) & (count > 0) & (count <= LISTED))
    keys, number = np.unique(np.stack([where[row, pattern], targets[row]], 1), axis=0, return_inverse=True)
    number = number.reshape(-1)
    room = np.zeros(len(keys), np.int64)
    room[number] = count[row, pattern]
    begin = np.cumsum(room) - room
    ring, seen = np.zeros((int(room.sum()), 2), np.int64), np.zeros(len(keys), np.int64)
    table = _table(keys)
    for index, piece in enumerate(pieces if len(keys) else ()):
        for lo, hi in piece.blocks(_BLOCK):
            found = addresses.locate(piece.tokens[:hi], piece.depth[:hi], lo, patterns).where
            _collect(keys, table, found, piece.tokens[lo:hi], index, lo, begin, room, ring, seen)
    times = np.minimum(seen, room)[number]
    slots = np.repeat(begin[number] - (np.cumsum(times) - times), times) + np.arange(int(times.sum()))
    each = np.repeat(placed[row, pattern] / np.maximum(times, 1), times)
    places = np.concatenate([np.repeat(row, times)[:, None], ring[slots]], 1)
    distinct, which = np.unique(places, axis=0, return_inverse=True)
    share: Floats = np.bincount(which.reshape(-1), each, len(distinct)).astype(np.float64)
    return Traced(distinct[:, 0], distinct[:, 1], distinct[:, 2], share, placed.sum(1))


def _table(keys: Ints) -> Ints:
    table = np.full(1 << (2 * len(keys) + 2).bit_length(), -1, np.int64)
    _enter(keys, table)
    return table


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
def _collect(keys, table, where, tokens, piece, first, begin, room, ring, seen):
    """Note the positions with one of the keys; of each key the last ``room`` stay."""
    for t in range(len(tokens)):
        for i in range(where.shape[1]):
            p = _slot(where[t, i], tokens[t], len(table))
            while table[p] >= 0:
                k = table[p]
                if keys[k, 0] == where[t, i] and keys[k, 1] == tokens[t]:
                    at = begin[k] + seen[k] % room[k]
                    ring[at, 0], ring[at, 1] = piece, first + t
                    seen[k] += 1
                    break
                p = (p + 1) & (len(table) - 1)
