"""The counters of a memory as tensors: columns in the order of creation, and a sorted index of keys.

The key of a counter is ``address << 16 | token``, so the counters of a location are neighbours in the index.
New counters are appended to the columns and keep their number, so that a captured window can refer to it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lior.counting import locations
from lior.counting.locations import AGES, COUNTER, FULLEST, MAX_VOCAB, SLOT, SLOT_COST, TOKEN_BITS
from lior.counting.packed import Packed

MAX_NOVEL, SEEN_BITS = 255, 24
"""Largest novel count and number of time bits in the packed form."""

_PACKED = {"occurrences": "count", "novel": "novel", "recency": "recency", "logit": "logit"}
_SPARE = 1.5
_MULTIPLIER = locations.HASH_MULTIPLIER - (1 << 64)  # of 64 bits, as torch writes them


class Columns(NamedTuple):
    """Counters by number, ``(M,)`` each; number 0 is not used."""

    occurrences: Tensor
    """int32."""
    novel: Tensor
    """Novel occurrences, int32."""
    seen: Tensor
    """Time of the last hit / 4, modulo 2^24, int32."""
    recency: Tensor
    """Recent share in units of 1/65535, int32."""
    logit: Tensor
    """Learned logit in units of 1/4096, int32."""
    front: Tensor
    """Whether the counter has the last hit of its location, bool."""


class TakenCounters(NamedTuple):
    """Counters copied out of a table, by location and token."""

    location: Tensor
    """Index of the requested address, int64 ``(B,)``, ascending."""
    number: Tensor
    """Number in the table, int64 ``(B,)``."""
    key: Tensor
    """Ascending, int64 ``(B,)``."""
    columns: Columns

    @property
    def token(self) -> Tensor:
        """int64 ``(B,)``."""
        return self.key & (MAX_VOCAB - 1)


class Table:
    """All counters of a memory on one device."""

    def __init__(self, device: torch.device, capacity: int = 1 << 12):
        self.device = device
        self.keys = torch.empty(0, dtype=torch.int64, device=device)
        """Ascending, ``(M,)``."""
        self.numbers = torch.empty(0, dtype=torch.int64, device=device)
        """The counter of each key."""
        self.columns = _columns(capacity, device)

    def __len__(self) -> int:
        return len(self.keys)

    # --- finding ---

    def runs(self, addresses: Tensor) -> tuple[Tensor, Tensor]:
        """Index of the first key of each location ``(U,)``, and its number of keys, 0 for none."""
        first = addresses << TOKEN_BITS
        begin = torch.searchsorted(self.keys, first)
        return begin, torch.searchsorted(self.keys, first | (MAX_VOCAB - 1), right=True) - begin

    def known(self, keys: Tensor) -> Tensor:
        """Which of ``keys (N,)`` have a counter."""
        if not len(self.keys):
            return torch.zeros_like(keys, dtype=torch.bool)
        at = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        return self.keys[at] == keys

    def counters(self, addresses: Tensor) -> tuple[TakenCounters, Tensor]:
        """The counters of locations ``(U,)``, whose addresses ascend, and the number of counters of each."""
        begin, length = self.runs(addresses)
        location, at = expand(begin, length)
        number = self.numbers[at]
        columns = Columns(*(column[number] for column in self.columns))
        return TakenCounters(location, number, self.keys[at], columns), length

    # --- changing ---

    def insert(self, keys: Tensor) -> None:
        """Add empty counters of ``keys (N,)``, ascending and new."""
        size, full = len(self), len(self) + len(keys)
        self._reserve(full + 1)
        at = torch.searchsorted(self.keys, keys) + torch.arange(len(keys), device=self.device)
        old = torch.ones(full, dtype=torch.bool, device=self.device)
        old[at] = False
        numbers = torch.arange(size + 1, full + 1, device=self.device)
        both = []
        for before, new in ((self.keys, keys), (self.numbers, numbers)):
            merged = torch.empty(full, dtype=torch.int64, device=self.device)
            merged[at] = new
            both.append(merged.masked_scatter_(old, before))
        self.keys, self.numbers = both

    def _reserve(self, size: int) -> None:
        """Grow the columns to at least ``size`` counters."""
        capacity = len(self.columns.occurrences)
        if size > capacity:
            grown = _columns(int(size * _SPARE), self.device)
            for new, old in zip(grown, self.columns, strict=True):
                new[:capacity] = old
            self.columns = grown

    # --- packed ---

    @classmethod
    def of(cls, packed: Packed, device: torch.device) -> Table:
        """The table of a packed store."""
        counters = np.ascontiguousarray(packed.counters).reshape(-1).view(COUNTER)
        sizes = packed.sizes.astype(np.int64)
        key = np.repeat(packed.addresses, sizes) << TOKEN_BITS | counters["token"]
        front = np.zeros(len(key), bool)
        front[np.cumsum(sizes) - sizes] = True
        seen = counters["seen_low"].astype(np.int64) | counters["seen_high"].astype(np.int64) << 16
        table = cls(device, len(key) + 1)
        order = np.argsort(key)
        values = {name: counters[source] for name, source in _PACKED.items()} | {"seen": seen, "front": front}
        for name, column in table.columns._asdict().items():
            column[1:] = torch.from_numpy(values[name][order].astype(np.int64)).to(device, column.dtype)
        table.keys = torch.from_numpy(key[order]).to(device)
        table.numbers = torch.arange(1, len(key) + 1, device=device)
        return table

    def packed(self) -> Packed:
        """The canonical form: at each location the counter of the last hit, then the others by token."""
        where = self.keys >> TOKEN_BITS
        addresses, sizes = torch.unique_consecutive(where, return_counts=True)
        ends = sizes.cumsum(0)
        here = Columns(*(column[self.numbers] for column in self.columns))
        place = torch.arange(len(where), device=self.device)
        location = torch.repeat_interleave(sizes)
        order = torch.argsort(torch.where(here.front, (ends - sizes)[location] - 0.5, place.double()))
        counters = np.zeros(len(where), COUNTER)
        counters["token"] = (self.keys & (MAX_VOCAB - 1))[order].cpu().numpy()
        seen = here.seen[order].cpu().numpy()
        counters["seen_low"], counters["seen_high"] = seen & 0xFFFF, seen >> 16
        for name, field in _PACKED.items():
            counters[field] = getattr(here, name)[order].cpu().numpy()
        flat = counters.view(np.uint8).reshape(-1, COUNTER.itemsize)
        return Packed(addresses.cpu().numpy(), sizes.cpu().numpy().astype(np.int32), flat)

    # --- a fixed budget ---

    def size(self) -> int:
        """Bytes of the same memory in the streaming engine (:func:`locations.size`)."""
        sizes = torch.unique_consecutive(self.keys >> TOKEN_BITS, return_counts=True)[1]
        counters = int(self._pooled(sizes).sum())
        return int(len(sizes) / FULLEST) * SLOT.itemsize + counters * COUNTER.itemsize

    def _pooled(self, sizes: Tensor) -> Tensor:
        """Counters that each location ``(N,)`` takes in the pool: none if it was written once."""
        first = self.numbers[sizes.cumsum(0) - sizes]
        here = Columns(*(column[first] for column in self.columns))
        once = (sizes == 1) & (here.occurrences == 1) & (here.novel <= 1)
        once &= (here.recency == locations.ONCE_RECENCY) & (here.logit == 0)
        return torch.where(once, 0, _capacity(sizes))

    def prune(self, keep: int, clock: int) -> None:
        """Forget the locations written least and longest ago, until ``keep`` bytes are left.

        As :func:`locations.prune`, except for locations of equal worth at the limit: those of the lowest hash
        are kept here, the first slots there.
        """
        addresses, sizes = torch.unique_consecutive(self.keys >> TOKEN_BITS, return_counts=True)
        location = torch.repeat_interleave(sizes)
        total, age = torch.zeros_like(sizes), torch.full_like(sizes, 1 << SEEN_BITS)
        total.index_add_(0, location, self.columns.occurrences[self.numbers].long())
        ages = ((clock >> 2) - self.columns.seen[self.numbers].long()) & ((1 << SEEN_BITS) - 1)
        age.scatter_reduce_(0, location, ages, "amin")
        fresh = (AGES - 1 - age * AGES // ((clock >> 2) + 1)).clamp(min=0)
        worth = (total - 1).clamp(max=3) * AGES + fresh
        slot = (addresses * _MULTIPLIER >> 32) & 0xFFFFFFFF  # the order of an open-addressed table
        order = ((worth + 1 << 32) - slot).argsort(descending=True)
        cost = (SLOT_COST + COUNTER.itemsize * self._pooled(sizes))[order].cumsum(0)
        kept = torch.zeros_like(sizes, dtype=torch.bool)
        kept[order] = cost <= keep
        self._select(kept[location])

    def _select(self, kept: Tensor) -> None:
        """Keep the counters that ``kept (M,)`` marks, in the order of the keys."""
        numbers, self.keys = self.numbers[kept], self.keys[kept]
        old, self.columns = self.columns, _columns(len(numbers) + 1, self.device)
        for column, before in zip(self.columns, old, strict=True):
            column[1:] = before[numbers]
        self.numbers = torch.arange(1, len(numbers) + 1, device=self.device)


def expand(begin: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """The runs ``begin .. begin + length - 1`` concatenated: index of the run, and value, of each element."""
    ends = length.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    run = torch.repeat_interleave(length, output_size=total)
    return run, torch.arange(total, device=begin.device) + (begin - ends + length)[run]


def _columns(capacity: int, device: torch.device) -> Columns:
    kinds = [torch.int32] * 5 + [torch.bool]
    return Columns(*(torch.zeros(capacity, dtype=kind, device=device) for kind in kinds))


def _capacity(sizes: Tensor) -> Tensor:
    """Space reserved for runs of ``sizes`` counters: the next of 1, 2, 3, 4, 6, 8, 12, 16, …"""
    power = 1 << torch.arange(17, device=sizes.device)
    rooms = torch.cat([power[:2], torch.stack([power[1:-1] + power[:-2], power[2:]], 1).flatten()])
    return rooms[torch.searchsorted(rooms, sizes)]
