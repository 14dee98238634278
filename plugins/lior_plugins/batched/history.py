"""The content of the counters at every position of a block of text, computed for the whole block at once.

Counts, times and locations depend on the text alone, not on learned parameters. So for a block that is known
in advance, sorting its writes gives the content of every counter before any position. The results are those
of :func:`lior.counting.locations.commit`.

Recent shares are the exception. They are rounded at every write (:func:`lior.counting.locations.record`), and
repeated rounding has no closed form: they are followed write by write on the host, over the few counters of
the block, at the cost of one exchange with the device.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numba import float32, njit
from numpy.typing import NDArray
from torch import Tensor

from lior.counting.compiled import entry
from lior.counting.layout import Plan
from lior.counting.locations import MAX_COUNT, RECENCY_ONE
from lior_plugins.batched.table import MAX_NOVEL, SEEN_BITS, Columns, Table


class BlockWrites(NamedTuple):
    """The ``V`` writes of a block: three columns in the order of time, three in the order of ``hit``."""

    position: Tensor
    """int64 ``(V,)``."""
    counter: Tensor
    """int64 ``(V,)``."""
    rate: Tensor
    """Share of the location's recent occurrences that goes to the token, float64 ``(V,)``."""
    hit: Tensor
    """``counter * (n + 1) + position``, ascending, int64 ``(V,)``."""
    place: Tensor
    """Position of each hit, int64 ``(V,)``."""
    novel: Tensor
    """Number of novel occurrences among the hits before each, int64 ``(V + 1,)``."""


class History:
    """The counters at the locations of a block, at any of its positions.

    Parameters
    ----------
    table
        An empty counter is added to it for each token that is new at a location of the block.
    where
        Addresses ``(n, S)``.
    tokens
        The tokens to write, ``(n,)``; ``None`` writes nothing.
    valid
        Which positions are text, bool ``(n,)``; the others are padding.
    clock
        How many tokens the memory holds.
    """

    def __init__(
        self, table: Table, plan: Plan, where: Tensor, tokens: Tensor | None, valid: Tensor, clock: int
    ) -> None:
        self._clock, self._span, self._device = clock, len(where) + 1, where.device
        self._addresses, self.location = torch.unique(where, return_inverse=True)
        """Index of each pattern's location at each position, int64 ``(n, S)``."""
        self.made = torch.where(table.runs(self._addresses)[1] > 0, -1, self._span)
        """The position that creates each location; -1 if it existed before, ``n + 1`` if none does."""
        self._writes: BlockWrites | None = None
        if tokens is None:
            self._take(table)
        else:
            self.made = creation(plan, self.made, self.location, valid)
            self._write(table, plan, tokens, valid)
        self._after: Tensor | None = None

    def _take(self, table: Table) -> None:
        """Copy the counters of the block's locations out of the table."""
        self.counters, self.length = table.counters(self._addresses)
        self.begin = self.length.cumsum(0) - self.length
        """Index of the first counter of each location, int64 ``(U,)``."""

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
        self._writes = BlockWrites(
            position, counter, self._rate(plan, location, position),
            counter[order] * self._span + position[order], position[order],
            torch.cat([novel.new_zeros(1), novel.cumsum(0)]),
        )  # fmt: skip

    def _rate(self, plan: Plan, location: Tensor, position: Tensor) -> Tensor:
        """Rate of each write: ``1 / (k + 0.5)`` at the ``k``-th of a location, at least ``plan.slowest``."""
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
        """Content of counters ``(R,)`` of the block before ``position (R,)``, without recent shares.

        Counters of one location at one position have the same ``group (R,)``.
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
        shares = self.counters.columns.recency
        if self._writes is None:
            return shares[counter].long()
        location = self.counters.location[self._writes.counter]
        begin, end = self.begin[location], (self.begin + self.length)[location]
        writes = HostWrites(
            _host(self._writes.position), _host(self._writes.counter), self._writes.rate.cpu().numpy(),
            _host(begin), _host(end),
        )  # fmt: skip
        after = shares.cpu().numpy().astype(np.uint16)
        out = np.empty(len(counter), np.uint16)
        follow(after, writes, _host(counter), _host(position), out)
        self._after = torch.from_numpy(after.astype(np.int32)).to(self._device)
        return torch.from_numpy(out.astype(np.int64)).to(self._device)

    def there(self, table: Table, addresses: Tensor, position: Tensor) -> Tensor:
        """Which of ``addresses (n, T)``, of the block or not, have a location before ``position (n,)``."""
        at = torch.searchsorted(self._addresses, addresses).clamp(max=len(self._addresses) - 1)
        before = self.made[at] < position[:, None]
        return torch.where(self._addresses[at] == addresses, before, table.runs(addresses)[1] > 0)

    def keep(self, table: Table) -> None:
        """Write the content of the counters at the end of the block to the table."""
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


def _host(values: Tensor) -> NDArray[np.int32]:
    return values.int().cpu().numpy()


class HostWrites(NamedTuple):
    """The ``V`` writes of a block in the order of time, on the host."""

    position: NDArray[np.int32]
    counter: NDArray[np.int32]
    rate: NDArray[np.float64]
    begin: NDArray[np.int32]
    """First counter of the location that is written."""
    end: NDArray[np.int32]


@entry
def follow(
    recency: NDArray[np.uint16],
    writes: HostWrites,
    counter: NDArray[np.int32],
    position: NDArray[np.int32],
    out: NDArray[np.uint16],
) -> None:
    """Recent shares of ``counter (R,)`` before ``position (R,)``, which ascends, into ``out (R,)``.

    ``recency (B,)`` is that of all counters at the beginning of the block, and becomes that at its end.
    """
    done = 0
    for r in range(len(counter)):
        while done < len(writes.position) and writes.position[done] < position[r]:
            _write(recency, writes, done)
            done += 1
        out[r] = recency[counter[r]]
    for v in range(done, len(writes.position)):
        _write(recency, writes, v)


@njit
def _write(recency: NDArray[np.uint16], writes: HostWrites, v: int) -> None:
    """The recent shares of a location fade, and that of the written token grows."""
    rate = writes.rate[v]
    keep = float32(1.0 - rate)
    for j in range(writes.begin[v], writes.end[v]):
        recency[j] = np.uint16(float32(recency[j]) * keep + float32(0.5))
    hit = writes.counter[v]
    recency[hit] = np.uint16(min(recency[hit] + rate * RECENCY_ONE + 0.5, RECENCY_ONE))


def _novel(written: Tensor, new: Tensor, nested: int) -> Tensor:
    """Which writes are novel occurrences: the next longer nested context has no counter of the token."""
    novel = torch.zeros_like(written)
    novel[:, : nested - 1] = ~written[:, 1:nested] | new[:, 1:nested]
    novel[:, nested - 1] = True
    return novel


def creation(plan: Plan, made: Tensor, location: Tensor, valid: Tensor) -> Tensor:
    """The position that creates each location: the first one after the creation of its parent's location.

    Parameters
    ----------
    made
        -1 for locations that exist, more than any position for the others, int64 ``(U,)``.
    location
        Index of each pattern's location at each position, ``(n, S)``.
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
    """Lists of patterns; the parents of each list are in the lists before it."""
    depth: dict[int, int] = {-1: -1}
    parents = plan.parent.tolist()
    while len(depth) <= len(parents):
        depth |= {i: depth[p] + 1 for i, p in enumerate(parents) if i not in depth and p in depth}
    del depth[-1]
    return [
        [i for i, d in depth.items() if d == level] for level in range(max(depth.values(), default=-1) + 1)
    ]
