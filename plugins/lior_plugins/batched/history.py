"""What a block of text does to the counters, worked out for all of it at once.

Counts, times and which locations there are depend on the text alone, not on anything learned. So a block that
is known before it is read tells what every counter holds at any place in it: by sorting its writes, without
going through them one after the other. The result is that of :func:`lior.counting.locations.commit`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lior.counting.layout import Plan
from lior.counting.locations import MAX_COUNT
from lior_plugins.batched import recent
from lior_plugins.batched.table import MAX_NOVEL, SEEN_BITS, Columns, Table


class Writes(NamedTuple):
    """The writes of a block in time, ``V`` of them."""

    position: Tensor
    """int64 ``(V,)``."""
    counter: Tensor
    """int64 ``(V,)``."""
    rate: Tensor
    """What of the recent share they give to the token, float64 ``(V,)``."""
    hit: Tensor
    """The same by counter: ``counter * (n + 1) + position``, ascending, int64 ``(V,)``."""
    place: Tensor
    """The position of each of these, int64 ``(V,)``."""
    novel: Tensor
    """Novel occurrences among those before each, int64 ``(V + 1,)``."""


class History:
    """The counters at the locations of a block, at any of its positions.

    Parameters
    ----------
    table
        Gets a counter, still empty, for each token that is new at a location of the block.
    where
        Addresses ``(n, S)``.
    tokens
        What stands there, ``(n,)``; ``None`` writes nothing.
    valid
        Which positions there are, bool ``(n,)``; the others are room.
    clock
        How many tokens the memory holds.
    """

    def __init__(
        self, table: Table, plan: Plan, where: Tensor, tokens: Tensor | None, valid: Tensor, clock: int
    ) -> None:
        self._clock, self._span, self._device = clock, len(where) + 1, where.device
        self._addresses, self.location = torch.unique(where, return_inverse=True)
        """Which of the block's locations each pattern has at each position, int64 ``(n, S)``."""
        self.made = torch.where(table.runs(self._addresses)[1] > 0, -1, self._span)
        """The position that makes each location; -1 for one that was there, ``n + 1`` for none."""
        self._writes: Writes | None = None
        if tokens is None:
            self._take(table)
        else:
            self.made = creation(plan, self.made, self.location, valid)
            self._write(table, plan, tokens, valid)
        self._after: Tensor | None = None

    def _take(self, table: Table) -> None:
        """Take the counters of the block's locations out of the table."""
        self.counters, self.length = table.counters(self._addresses)
        self.begin = self.length.cumsum(0) - self.length
        """Where the counters of each location begin, int64 ``(U,)``."""

    def _write(self, table: Table, plan: Plan, tokens: Tensor, valid: Tensor) -> None:
        number = torch.arange(len(tokens), device=self._device)
        written = (self.made[self.location] <= number[:, None]) & valid[:, None]
        event = written.flatten().nonzero()[:, 0]
        position, location = event // written.shape[1], self.location.flatten()[event]
        key, order = (self._addresses[location] << 16 | tokens[position]).sort(stable=True)
        distinct, group = torch.unique_consecutive(key, return_inverse=True)
        fresh = ~table.known(distinct)
        table.insert(distinct[fresh])
        self._take(table)
        first = torch.ones_like(group, dtype=torch.bool)
        first[1:] = group[1:] != group[:-1]
        new = torch.zeros_like(written)
        new.view(-1)[event[order]] = first & fresh[group]
        novel = _novel(written, new, plan.nested).flatten()[event[order]].long()
        counter = torch.empty_like(order)
        counter[order] = torch.searchsorted(self.counters.key, key)
        self._writes = Writes(
            position, counter, self._rate(plan, location, position),
            counter[order] * self._span + position[order], position[order],
            torch.cat([novel.new_zeros(1), novel.cumsum(0)]),
        )  # fmt: skip

    def _rate(self, plan: Plan, location: Tensor, position: Tensor) -> Tensor:
        """The rate of each write: ``1 / (n + 0.5)`` at the ``n``-th of its location, while that is more."""
        visit, turn = (location * self._span + position).sort()
        location = visit // self._span
        before = torch.zeros_like(self.length)
        before.index_add_(0, self.counters.location, self.counters.columns.occurrences.long())
        rank = torch.arange(len(visit), device=self._device) - torch.searchsorted(
            visit, location * self._span
        )
        rate = torch.empty(len(visit), dtype=torch.float64, device=self._device)
        rate[turn] = (1 / (before[location] + rank + 1.5).double()).clamp(min=plan.slowest)
        return rate

    # --- reading ---

    def at(self, counter: Tensor, position: Tensor, group: Tensor, groups: int) -> Columns:
        """What counters ``(R,)`` of the block hold before ``position (R,)``, but for recent shares.

        ``group (R,)`` tells which of them belong to the same location at the same position.
        """
        old, writes, span = Columns(*(c[counter] for c in self.counters.columns)), self._writes, self._span
        if writes is None or not len(writes.hit):
            return old
        every = torch.arange(len(self.counters.key), device=self._device)
        low = torch.searchsorted(writes.hit, every * span)[counter]
        high = torch.searchsorted(writes.hit, counter * span + position)
        last = torch.where(high > low, writes.place[high - 1], -1)
        newest = torch.full((groups,), -1, device=self._device).scatter_reduce_(0, group, last, "amax")[group]
        seen = (self._clock + last >> 2) & ((1 << SEEN_BITS) - 1)
        return old._replace(
            occurrences=(old.occurrences + (high - low)).clamp(max=MAX_COUNT),
            novel=(old.novel + (writes.novel[high] - writes.novel[low])).clamp(max=MAX_NOVEL),
            seen=torch.where(last >= 0, seen, old.seen),
            front=torch.where(newest >= 0, last == newest, old.front),
        )

    def recency(self, counter: Tensor, position: Tensor) -> Tensor:
        """Recent shares of counters ``(R,)`` before ``position (R,)``, ascending; int64 ``(R,)``."""
        held = self.counters.columns.recency
        if self._writes is None:
            return held[counter].long()
        location = self.counters.location[self._writes.counter]
        begin, end = self.begin[location], (self.begin + self.length)[location]
        writes = recent.Writes(
            _host(self._writes.position),
            _host(self._writes.counter),
            self._writes.rate.cpu().numpy(),
            _host(begin),
            _host(end),
        )
        after = held.cpu().numpy().astype(np.uint16)
        out = np.empty(len(counter), np.uint16)
        recent.follow(after, writes, _host(counter), _host(position), out)
        self._after = torch.from_numpy(after.astype(np.int32)).to(self._device)
        return torch.from_numpy(out.astype(np.int64)).to(self._device)

    def there(self, table: Table, addresses: Tensor, position: Tensor) -> Tensor:
        """Which of any ``addresses (n, T)`` have a location before ``position (n,)``."""
        at = torch.searchsorted(self._addresses, addresses).clamp(max=len(self._addresses) - 1)
        before = self.made[at] < position[:, None]
        return torch.where(self._addresses[at] == addresses, before, table.runs(addresses)[1] > 0)

    def keep(self, table: Table) -> None:
        """Note in the table what the counters hold at the end of the block."""
        counter = torch.arange(len(self.counters.number), device=self._device)
        if self._after is None:
            self.recency(counter[:0], counter[:0])
        everywhere = torch.full_like(counter, self._span - 1)
        end = self.at(counter, everywhere, self.counters.location, len(self.length))
        for name in ("occurrences", "novel", "seen", "front"):
            column = getattr(table.columns, name)
            column[self.counters.number] = getattr(end, name).to(column.dtype)
        if self._after is not None:
            table.columns.recency[self.counters.number] = self._after


def _host(values: Tensor) -> np.ndarray:
    return values.int().cpu().numpy()


def _novel(written: Tensor, new: Tensor, nested: int) -> Tensor:
    """Which writes are novel occurrences: the next longer nested context did not know the token."""
    novel = torch.zeros_like(written)
    novel[:, : nested - 1] = ~written[:, 1:nested] | new[:, 1:nested]
    novel[:, nested - 1] = True
    return novel


def creation(plan: Plan, made: Tensor, location: Tensor, valid: Tensor) -> Tensor:
    """The position that makes each location: the first at which that of its parent pattern was there before.

    Parameters
    ----------
    made
        -1 for locations that are there, more than any position for others, int64 ``(U,)``.
    location
        Of each pattern at each position, ``(n, S)``.
    """
    position = torch.arange(len(location), device=made.device)[:, None]
    made, never = made.clone(), len(location) + 1
    for level in _levels(plan):
        parent = torch.tensor([int(plan.parent[i]) for i in level], device=made.device)
        there = (parent < 0) | (made[location[:, parent]] < position)
        when = torch.where(there & valid[:, None], position, never)
        here = location[:, torch.tensor(level, device=made.device)]
        made.scatter_reduce_(0, here.flatten(), when.flatten(), "amin")
    return made


def _levels(plan: Plan) -> list[list[int]]:
    """Patterns whose parents are in earlier lists."""
    depth: dict[int, int] = {-1: -1}
    parents = plan.parent.tolist()
    while len(depth) <= len(parents):
        depth |= {i: depth[p] + 1 for i, p in enumerate(parents) if i not in depth and p in depth}
    del depth[-1]
    return [
        [i for i, d in depth.items() if d == level] for level in range(max(depth.values(), default=-1) + 1)
    ]
