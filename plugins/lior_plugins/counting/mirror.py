"""The mixture of :mod:`lior_plugins.counting.mixture` by torch, for many positions at once on any device.

It computes what :func:`lior_plugins.counting.stream.read` computes without learning, for alphabets of at
most ``DENSE`` tokens; only rounding differs. The counters lie in the order of their addresses, and binary
search finds a location. Addresses come from the CPU, since the fields of a position follow from those of
the position before. Every sum has a fixed order, so that results are the same each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lior.plugins.devices import block_entries, fit_blocks
from lior_plugins.counting import addresses, layout, locations, mixture
from lior_plugins.counting.engine import Engine, WeightSets
from lior_plugins.counting.fields import COLUMN, LENGTH
from lior_plugins.counting.layout import DENSE, MOST, NOVEL, TINY, TRAIL, Block, Plan, Weights
from lior_plugins.counting.locations import LOGIT_ONE, RECENCY_ONE, TICK_BITS, TICKS, TOKEN_BITS, Store
from lior_plugins.counting.stream import floor

LEAST = 64
"""Minimum number of positions read on a device; chosen by hand, and not measured on a GPU. A read makes about
350 calls of torch for any number of positions. If each takes 5 µs, the compiled code reads some 100 positions
on a core in that time."""
_ENTRIES = 1 << 23
"""Number of entries (positions × patterns × tokens) computed at a time on the CPU; chosen by hand."""


class Table(NamedTuple):
    """The counters of a store on a device."""

    addresses: Tensor
    """Addresses of the locations, ascending, and one that no context has, ``(N + 1,)``."""
    begin: Tensor
    """First counter of each location, then the last's end twice, ``(N + 2,)``."""
    words: Tensor
    """Counters as three words each, int32 ``(M, 3)``."""


def upload(store: Store, device: torch.device) -> Table:
    """Copy the counters of a store to a device."""
    packed = locations.pack(store)
    begin = np.concatenate([[0], np.cumsum(packed.sizes, dtype=np.int64)])
    where = np.append(packed.addresses, np.int64(1) << 62)
    columns = where, np.append(begin, begin[-1]), packed.counters.view(np.int32).reshape(-1, 3)
    return Table(*(torch.from_numpy(each).to(device) for each in columns))


class Parameters(NamedTuple):
    """Options and two weight sets on a device; arrays of the sets have an axis of length 2 in front."""

    alphabet: Tensor
    column: Tensor
    """Column of each token, the alphabet's length outside of it, ``(2^16,)``."""
    discounts: Tensor
    sets: Any
    """A ``Weights`` of tensors; those of tokens are those of the alphabet's columns."""
    joint: tuple[tuple[Tensor, Tensor], ...]
    """Patterns of each joint table, and the factors of their states."""
    count_bin: Tensor
    rest_bin: Tensor


def parameters(plan: Plan, sets: WeightSets, alphabet: Tensor) -> Parameters:
    """Copy options and weights to the device of ``alphabet (A,)``."""

    def here(x: Any) -> Tensor:
        return torch.as_tensor(x).to(alphabet.device)

    known = alphabet.cpu().numpy()
    column = np.full(locations.MAX_VOCAB, len(known), np.int64)
    column[known] = np.arange(len(known))
    own = known % len(sets[0].bias)
    taken = [
        each._replace(
            token_weight=each.token_weight[:, :, own],
            bias=each.bias[own],
            secondary=each.secondary[:, own % layout.ESTIMATION_ROWS],
        )
        for each in sets
    ]
    groups = [np.flatnonzero(bits >= 0) for bits in plan.joint_bit]
    joint = tuple(
        (here(group), here(1 << bits[group])[:, None])
        for group, bits in zip(groups, plan.joint_bit, strict=True)
    )
    stacked: Any = [here(np.stack(pair)) for pair in zip(*taken, strict=True)]
    bins = here(mixture._COUNT_BIN), here(mixture._REST_BIN)
    return Parameters(alphabet, here(column), here(plan.discounts), Weights(*stacked), joint, *bins)


def located(block: Block, device: torch.device) -> Any:
    """Copy positions to a device; returns a ``Block`` of tensors."""
    columns: Any = [torch.from_numpy(column).to(device) for column in block]
    return Block(*columns)


class Counts(NamedTuple):
    """The counters of the locations at ``B`` positions; 0 where a token or location is unknown."""

    present: Tensor
    """Whether each pattern has a location, ``(B, S)``."""
    sums: Tensor
    """Occurrences, counters, novel occurrences, and how often each discount applies, ``(9, B, S)``."""
    dense: Tensor
    """Occurrences, recency, novel occurrences, learned logit, age, whether it came last, ``(6, B, S, A)``.

    The age is a row of the table of ages.
    """


def look_up(table: Table, params: Parameters, at: Any) -> Counts:
    """Find the counters of the locations by binary search."""
    shape, size = at.where.shape, len(params.alphabet)
    p = torch.searchsorted(table.addresses, at.where.reshape(-1))
    p = torch.where(table.addresses[p] == at.where.reshape(-1), p, len(table.addresses) - 1)
    begin = table.begin[p]
    number = table.begin[p + 1] - begin
    row = torch.arange(len(p), device=p.device).repeat_interleave(number)
    rank = torch.arange(len(row), device=p.device) - (number.cumsum(0) - number)[row]
    low, middle, high = table.words[begin[row] + rank].long().unbind(1)
    count, recency, novel = low >> 16 & 0xFFFF, middle & 0xFFFF, high >> 24 & 0xFF
    ticks = (at.time[row // shape[1]] >> TICK_BITS) - (high & TICKS) & TICKS
    bits = torch.frexp(ticks.float()).exponent.clamp(0, layout.AGE_BINS - 1)
    age = bits.long() * layout.AGE_COUNTS + count.clamp(max=layout.AGE_COUNTS) - 1
    kinds = torch.stack([count, novel]).clamp(max=3)[:, None] == torch.arange(1, 4, device=p.device)[:, None]
    sums = torch.cat([torch.stack([count, torch.ones_like(count), novel]), kinds.long().flatten(0, 1)])
    totals = sums.new_zeros(len(sums), len(p)).index_add_(1, row, sums)
    values = torch.stack([count, recency, novel, middle >> 16, age, (rank == 0).long()])
    dense = values.new_zeros(len(values), len(p), size + 1)  # the last column takes what is outside
    dense[:, row, params.column[low & 0xFFFF]] = values
    own = dense.view(len(values), *shape, size + 1)[..., :size].contiguous()
    return Counts((number > 0).view(shape), totals.view(-1, *shape), own)


def unseen(table: Table, trail: Tensor) -> Tensor:
    """Return how many of the addresses ``trail (B, TRAIL)`` have no location; negative ones do not count."""
    p = torch.searchsorted(table.addresses, trail)
    return ((trail >= 0) & (table.addresses[p] != trail)).sum(1)


@cache
def _edges(edges: Sequence[int], device: torch.device) -> Tensor:
    return torch.tensor(edges, device=device)


def _bin(x: Tensor, *edges: int) -> Tensor:
    """Return how many of the ``edges`` are below ``x``."""
    return torch.bucketize(x.contiguous(), _edges(edges, x.device))


def _take(x: Tensor, index: Tensor) -> Tensor:
    """Return ``x[b, index[b]]`` of a tensor ``(B, S, …)``."""
    return x[torch.arange(len(x), device=x.device), index]


def distributions(plan: Plan, table: Table, params: Parameters, at: Any) -> tuple[Tensor, Tensor]:
    """Return the distributions at positions, float32 ``(B, A)``, and the weight set of each, ``(B,)``."""
    found = look_up(table, params, at)
    chosen = torch.zeros_like(at.time)
    if plan.unseen_contexts < TRAIL:
        chosen = (unseen(table, at.trail) > plan.unseen_contexts).long()
    order = torch.arange(plan.nested, device=at.time.device)
    longest = torch.where(found.present[:, : plan.nested], order, 0).amax(1)
    expected = _expected(found, params, longest)
    z = _tables(plan, found, params, chosen, longest)
    z += (_weights(plan, found, params, at, chosen, longest, expected) * _experts(plan, found, params)).sum(1)
    z += _corrections(torch.softmax(z, 1), params, chosen, expected, at.before[:, 0])
    return floor(torch.softmax(z, 1)), chosen


def _expected(found: Counts, params: Parameters, longest: Tensor) -> Tensor:
    """Return the token counted most in the longest nested context, plus 1; 0 for none; ``(B,)``."""
    count, last = _take(found.dense[0], longest), _take(found.dense[5], longest)
    value = torch.where(count > 0, (count * 2 + last << TOKEN_BITS) - params.alphabet, -1)
    most, column = value.max(1)
    return torch.where(most >= 0, params.alphabet[column] + 1, 0)


def _tables(plan: Plan, found: Counts, params: Parameters, chosen: Tensor, longest: Tensor) -> Tensor:
    """Return the logits of biases, counters and joint states, ``(B, A)``."""
    count, _, _, prior, age, last = found.dense
    n, nested, sets = found.sums[0][:, :, None], plan.nested, params.sets
    order = torch.arange(nested, device=n.device)[:, None]
    known = torch.where(count[:, :nested] > 0, order, 0).amax(1, keepdim=True)
    deepest = longest[:, None, None]
    inner = (known - order).clamp(max=3) * 3 + (deepest - order).clamp(max=2)
    outer = _bin(known, 2, 4, 6) * 3 + (deepest - known).clamp(max=2)
    outer = outer.expand(-1, count.shape[1] - nested, -1)
    bins = (
        params.count_bin[count.clamp(max=61)] * layout.REST_BINS + params.rest_bin[(n - count).clamp(0, 41)]
    )
    state = bins * 2 + last + torch.cat([inner, outer], 1) * layout.STATES
    patterns = torch.arange(count.shape[1], device=n.device)[:, None]
    row = chosen[:, None, None], patterns
    # Unknown tokens have indices of other states and ages: their sums are not used.
    logit = sets.state_logit[(*row, state.clamp(min=0))] + sets.age_logit[(*row, age)] + prior / LOGIT_ONE
    z = sets.bias[chosen] + torch.where(count > 0, logit, 0).sum(1)
    level = torch.where(2 * count > n, 3, torch.where(count >= 2, 2, 1)) * (count > 0)
    for number, (group, factor) in enumerate(params.joint):
        z += sets.joint_logit[chosen[:, None], number, (level[:, group] * factor).sum(1)]
    return z


def _weights(
    plan: Plan,
    found: Counts,
    params: Parameters,
    at: Any,
    chosen: Tensor,
    longest: Tensor,
    expected: Tensor,
) -> Tensor:
    """Return the weight of each pattern for each token, 0 for absent patterns, ``(B, S, A)``."""
    n, u, *_ = found.sums
    patterns, sets = torch.arange(n.shape[1], device=n.device), params.sets
    length, column = at.fields[:, LENGTH], at.fields[:, COLUMN] - 1
    place, start = _bin(length, 0, 2, 5), (column == 0).long()
    a, b, c = torch.cat([n, n.new_zeros(len(n), 3)], 1)[:, plan.nested :][:, :3].unbind(1)
    deepest, known = _take(n, longest), _take(u, longest)
    sure = torch.where(known <= 1, _bin(deepest, 1, 4), _bin(known, 2, 5) + 3)
    pair = addresses.mix(addresses.mix(torch.full_like(length, 3), at.before[:, 0]), at.before[:, 1])
    value = {
        "longest": longest * layout.LONGEST_BINS + sure,
        "previous": (at.before[:, 0] - 1) & mixture._PREVIOUS_MASK,
        "words": (_bin(a, 0, 8) + 3 * _bin(b, 0, 3) + 9 * _bin(c, 0, 2)) * 3 + _bin(length, 0, 3),
        "position": place * 2 + start,
        "layout": (column // 4).clamp(max=15) * 16 + length.clamp(max=7) * 2 + start,
        "pair": (pair >> 20) & mixture._PAIR_MASK,
        "cell": at.cell,
        "always": torch.zeros_like(length),
        "expected": expected & mixture._PREVIOUS_MASK,
    }
    kinds = zip(plan.gate_kind.tolist(), plan.gate_begin.tolist(), strict=False)
    confidence = 1 + _bin(n, 1, 2, 4, 8, 20, 80) * 4 + _bin(u, 1, 2, 5)
    weight = sets.confidence_weight[chosen[:, None], patterns, confidence]
    if rows := [begin + value[[*layout.GATES][kind]] for kind, begin in kinds]:
        weight = weight + sets.gate_weight[chosen, torch.stack(rows)].sum(0)
    row = 1 + place + 4 * _bin(longest, 3, 5)
    each = sets.token_weight[chosen, 0] + sets.token_weight[chosen, row] + weight[:, :, None]
    return torch.where(found.present[:, :, None], each, 0)


def _experts(plan: Plan, found: Counts, params: Parameters) -> Tensor:
    """Return the log-probabilities of the patterns over the chain of nested contexts, ``(B, S, A)``."""
    count, recency, novel, *_ = found.dense
    sums, d, nested = found.sums.float(), params.discounts, plan.nested
    n, new = sums[0].clamp(min=1)[:, :, None], sums[2, :, :, None]
    taken = (sums[3:6] * d[1:4, None, None]).sum(0)[:, :, None]
    taken_new = (sums[6:] * d[NOVEL + 1 :, None, None]).sum(0)[:, :, None]
    left = (taken / n).clamp(max=MOST)
    own = (count - d[count.clamp(max=3)]).clamp(min=0) * ((1 - plan.recent) / n)
    own += recency * (plan.recent / RECENCY_ONE * (1 - left))
    # The continuation distributions; a location without novel occurrences passes on the one before.
    occurred = new.clamp(min=1)
    rest = torch.where(new > 0, (taken_new / occurred).clamp(max=MOST), 1)
    further = torch.where(new > 0, (novel - d[NOVEL + novel.clamp(max=3)]) / occurred, 0)
    chains = [torch.full_like(own[:, 0], 1 / count.shape[2])]
    for scale, more in zip(rest.unbind(1)[:nested], further.unbind(1), strict=False):
        chains.append(torch.addcmul(more, scale, chains[-1]))
    base = chains[plan.base + 1]
    below = torch.stack([*chains[:nested], *[base] * (count.shape[1] - nested)], 1)
    log_p = (left * below + own + TINY).log()
    log_p[:, nested:] -= (base + TINY).log()[:, None]
    return log_p


def _corrections(p: Tensor, params: Parameters, chosen: Tensor, expected: Tensor, previous: Tensor) -> Tensor:
    """Return what secondary estimation adds to the logits of the distribution ``p (B, A)``."""
    height = ((p + TINY).log() * (-1 / layout.NATS_A_BIN)).clamp(0, layout.ESTIMATION_BINS - 1.01)
    b = height.long()
    share, mask, total = height - b, layout.ESTIMATION_ROWS - 1, torch.zeros_like(p)
    columns = torch.arange(p.shape[1], device=p.device)
    for row in (expected & mask, layout.ESTIMATION_ROWS + (previous & mask)):
        at = chosen[:, None], row[:, None], columns
        table = params.sets.secondary
        total += table[(*at, b)] * (1 - share) + table[(*at, b + 1)] * share
    return total


class Mirror:
    """A copy of a memory on a device, for reads; it is copied again when the memory has changed."""

    def __init__(self) -> None:
        self._table: tuple[Any, Table] | None = None
        self._parameters: tuple[Any, Parameters] | None = None

    def serves(self, alphabet: Tensor, positions: int) -> bool:
        """Return whether ``positions`` contexts are read on the device of the alphabet."""
        return alphabet.device.type != "cpu" and positions >= LEAST and 0 < len(alphabet) <= DENSE

    def copied(self, engine: Engine, sets: WeightSets, alphabet: Tensor) -> tuple[Table, Parameters]:
        """Return counters and parameters of the engine on the device of the alphabet."""
        device, store = alphabet.device, engine.store
        held, learned = (store.slots, engine.clock, device), (*sets, engine.fitted, alphabet)
        if self._table is None or not _same(self._table[0], held):
            self._table = None  # frees the memory of the device first
            self._table = held, upload(store, device)
        if self._parameters is None or not _same(self._parameters[0], learned):
            self._parameters = learned, parameters(engine.plan, sets, alphabet)
        return self._table[1], self._parameters[1]

    def read(self, engine: Engine, sets: WeightSets, block: Block, alphabet: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distributions at the positions of a block, ``(B, A)``, and the weight set of each."""
        table, params = self.copied(engine, sets, alphabet)
        at, entries = located(block, alphabet.device), block.where.shape[1] * len(alphabet)

        def read() -> list[tuple[Tensor, Tensor]]:
            rows = max(block_entries(alphabet.device, _ENTRIES) // entries, 1)
            parts = zip(*(column.split(rows) for column in at), strict=True)
            return [distributions(engine.plan, table, params, Block(*part)) for part in parts]

        rows, chosen = zip(*fit_blocks(read, alphabet.device), strict=True)
        return torch.cat(rows), torch.cat(chosen)


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Return whether all arrays are the same objects, and the rest is equal."""
    plain = int, torch.device
    return all(a is b or (isinstance(a, plain) and a == b) for a, b in zip(one, other, strict=True))
