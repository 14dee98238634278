"""Hard locations with packed token counters: a hash table over a pool of 12-byte counters.

A location is a 12-byte slot of an open-addressed table; its counters stand
together in the pool, the last one hit first. Locations with one counter, the
great majority, cost 24 bytes. Freed runs of counters are kept by size and used again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import int64, njit, uint64
from numpy.typing import NDArray

from lior.counting.compiled import entry
from lior.counting.elementary import prefetch
from lior.counting.packed import MAX_SIZE, Packed

SLOT = np.dtype([("low", "u4"), ("high", "u2"), ("size", "u2"), ("at", "u4")])
"""Address (48 bits), number of counters (0: the slot is empty), and where they begin."""

COUNTER = np.dtype(
    [("token", "u2"), ("count", "u2"), ("recency", "u2"), ("logit", "i2"),
     ("seen_low", "u2"), ("seen_high", "u1"), ("novel", "u1")]
)  # fmt: skip
"""Token, occurrences, recent share / 65535, learned logit, time of the last hit / 4, novel occurrences."""

RECENCY_ONE = 65535.0
LOGIT_ONE = 4096.0
"""The learned logit is kept as a multiple of 1/4096, within ±8."""

FULLEST = 0.87
_SPARE = 1.3
SLOT_COST = math.ceil(SLOT.itemsize / FULLEST)
"""Bytes of a slot with its share of the empty ones."""
MAX_COUNT = 65535
_SIZE_CLASSES = 40
_AHEAD = 16
_MULTIPLIER = 0x9E3779B97F4A7C15


class Store(NamedTuple):
    """Locations and their counters."""

    slots: NDArray[np.void]
    counters: NDArray[np.void]
    words: NDArray[np.uint32]
    """The counters' memory as ``(M, 3)`` words, to move them."""
    used: NDArray[np.int64]
    """Slots in use; counters handed out so far; counters in freed runs."""
    free: NDArray[np.int64]
    """First freed run of each size class, 0 for none."""


def empty(slots: int = 1 << 12, counters: int = 1 << 12) -> Store:
    """A store without locations."""
    used = np.array([0, 1, 0], np.int64)  # counter 0 stays unused, so that 0 can mean "none"
    return _store(np.zeros(slots, SLOT), np.zeros(counters, COUNTER), used, np.zeros(_SIZE_CLASSES, np.int64))


def _store(
    slots: NDArray[np.void], pool: NDArray[np.void], used: NDArray[np.int64], free: NDArray[np.int64]
) -> Store:
    return Store(slots, pool, pool.view("u4").reshape(-1, 3), used, free)


def reserve(store: Store, locations: int, counters: int) -> Store:
    """A store with room for so many more locations and counters, and some to spare."""
    slots, pool = store.slots, store.counters
    if store.used[0] + locations > FULLEST * len(slots):
        slots = np.zeros(int((store.used[0] + locations) * _SPARE / FULLEST), SLOT)
        _rehash(store.slots, slots)
    if store.used[1] + counters > len(pool):
        pool = np.zeros(int((store.used[1] + counters) * _SPARE), COUNTER)
        pool[: store.used[1]] = store.counters[: store.used[1]]
    return _store(slots, pool, store.used, store.free)


def size(store: Store) -> int:
    """Bytes that the locations and counters in use take."""
    counters = int(store.used[1] - store.used[2] - 1)
    return int(store.used[0] / FULLEST) * SLOT.itemsize + counters * COUNTER.itemsize


@njit
def has_room(store, positions, patterns, alphabet):
    """Whether so many positions can be counted, whatever they are, without more room."""
    writes = positions * patterns
    enough = store.used[0] + writes <= FULLEST * len(store.slots)
    return enough and store.used[1] + writes * 2 * (alphabet + positions + 2) <= len(store.counters)


@njit(inline="always")
def home(address: int, size: int) -> int:
    """Slot at which the search for ``address`` begins."""
    mixed = (uint64(address) * uint64(_MULTIPLIER)) >> uint64(32)
    return int64((mixed * uint64(size)) >> uint64(32))


@njit(inline="always")
def _next(p: int, size: int) -> int:
    return p + 1 if p + 1 < size else 0


@entry
def _rehash(old, new):
    for i in range(len(old)):
        if old[i].size:
            p = home((int64(old[i].high) << 32) | int64(old[i].low), len(new))
            while new[p].size:
                p = _next(p, len(new))
            new[p] = old[i]


@njit
def find(slots, address):
    """Slot of ``address``, or ``-1 - p`` with the empty slot ``p`` where it would stand."""
    p = home(address, len(slots))
    low, high = np.uint32(address & 0xFFFFFFFF), np.uint16(address >> 32)
    while slots[p].size:
        if slots[p].low == low and slots[p].high == high:
            return p
        p = _next(p, len(slots))
    return -1 - p


@njit
def _capacity(size):
    """Room of a run of ``size`` counters and the number of its size class: 1, 2, 3, 4, 6, 8, 12, 16, …"""
    room, number = 1, 0
    while room < size:
        number += 1
        power = 1 << (number + 1) // 2
        room = power if number % 2 else power + power // 2
    return room, number


@njit
def _allocate(store, size):
    room, number = _capacity(size)
    at = store.free[number]
    if at:
        store.free[number] = store.words[at, 0]
        store.used[2] -= room
    else:
        at = store.used[1]
        store.used[1] += room
    return at


@njit
def _release(store, at, size):
    room, number = _capacity(size)
    store.words[at, 0] = store.free[number]
    store.free[number] = at
    store.used[2] += room


@njit(inline="always")
def _move(words, source, target):
    for word in range(3):
        words[target, word] = words[source, word]


@njit
def _add_counter(store, p, token):
    """A new counter for ``token`` in front of the others of slot ``p``."""
    size, at = int64(store.slots[p].size), int64(store.slots[p].at)
    if size == 0:
        at = _allocate(store, 1)
    elif _capacity(size)[0] == size:
        old, at = at, _allocate(store, size + 1)
        for j in range(size):
            _move(store.words, old + j, at + j)
        _release(store, old, size)
    if size:
        _move(store.words, at, at + size)
    store.slots[p].at = at
    store.slots[p].size = size + 1
    fresh = store.counters[at]
    fresh.token, fresh.count, fresh.recency, fresh.logit, fresh.novel = token, 0, 0, 0, 0


@njit
def record(store, p, token, time, slowest, novel):
    """Count ``token`` at slot ``p``; returns whether it was new there.

    The recent shares decay by ``r = max(slowest, 1 / (n + 0.5))`` at the ``n``-th write and the token's
    grows by ``r``; ``novel`` adds a novel occurrence, for Kneser and Ney's continuation counts. A location
    that knows 65535 tokens learns no other.
    """
    counters = store.counters
    size, at = int64(store.slots[p].size), int64(store.slots[p].at)
    total, hit = 1, -1
    for j in range(at, at + size):
        total += counters[j].count
        if counters[j].token == token:
            hit = j
    rate = max(slowest, 1.0 / (total + 0.5))
    keep = np.float32(1.0 - rate)
    for j in range(at, at + size):
        counters[j].recency = np.uint16(np.float32(counters[j].recency) * keep + np.float32(0.5))
    if hit < 0:
        if size == MAX_SIZE:
            return False
        _add_counter(store, p, token)
        at = int64(store.slots[p].at)
    elif hit > at:
        for word in range(3):
            first = store.words[at, word]
            store.words[at, word] = store.words[hit, word]
            store.words[hit, word] = first
    here = counters[at]
    here.count = min(int64(here.count) + 1, MAX_COUNT)
    here.recency = np.uint16(min(here.recency + rate * RECENCY_ONE + 0.5, RECENCY_ONE))
    here.seen_low, here.seen_high = (time >> 2) & 0xFFFF, (time >> 18) & 0xFF
    if novel:
        here.novel = min(int64(here.novel) + 1, 255)
    return hit < 0


@njit
def commit(store, where, token, time, nested, parent, slowest, slot):
    """Count ``token`` at the addresses ``where (S,)``; the first ``nested`` patterns are nested contexts.

    A location is made only where that of the ``parent`` pattern existed before: contexts grow by one step
    each time they are seen, and most that occur once cost nothing. A nested context takes the occurrence
    as novel when the token was new in the next longer one. ``slot (S,)`` is room to work in.
    """
    for i in range(len(where)):
        slot[i] = find(store.slots, where[i])
    novel = True
    for step in range(len(where)):
        i = nested - 1 - step if step < nested else step
        p = slot[i]
        if p < 0:
            if parent[i] >= 0 and slot[parent[i]] < 0:
                novel = True
                continue
            p = -1 - find(store.slots, where[i])
            _claim(store, p, where[i])
        novel = record(store, p, token, time, slowest, novel and i < nested)


# --- canonical form ---


def pack(store: Store) -> Packed:
    """The canonical form of ``store``."""
    taken = store.slots[store.slots["size"] > 0]
    address = taken["high"].astype(np.int64) << 32 | taken["low"]
    order = np.argsort(address)
    taken = taken[order]
    sizes = taken["size"].astype(np.int32)
    counters = np.empty(int(sizes.sum()), COUNTER)
    _copy_runs(store.words, taken["at"].astype(np.int64), sizes, counters.view("u4").reshape(-1, 3))
    return Packed(address[order], sizes, counters.view(np.uint8).reshape(-1, COUNTER.itemsize))


def unpack(packed: Packed) -> Store:
    """The store of a canonical form.

    Raises
    ------
    UsageError
        When it is none; the loops that read a store trust it.
    """
    addresses, sizes, counters = packed.checked()
    store = reserve(empty(), len(packed.sizes), int(2 * packed.sizes.sum()) + 64)
    pool = np.ascontiguousarray(counters).reshape(-1).view(COUNTER)
    _insert_runs(store, addresses, sizes, pool.view("u4").reshape(-1, 3))
    return store


@entry
def _copy_runs(words, begins, sizes, out):
    k = 0
    for i in range(len(begins)):
        for j in range(sizes[i]):
            _move_to(words, begins[i] + j, out, k)
            k += 1


@njit(inline="always")
def _move_to(source, i, target, j):
    for word in range(3):
        target[j, word] = source[i, word]


@entry
def _insert_runs(store, addresses, sizes, words):
    k = 0
    for i in range(len(addresses)):
        if i + _AHEAD < len(addresses):
            prefetch(store.slots, home(addresses[i + _AHEAD], len(store.slots)))
        p = -1 - find(store.slots, addresses[i])
        at = _allocate(store, int64(sizes[i]))
        _claim(store, p, addresses[i])
        store.slots[p].at = at
        store.slots[p].size = sizes[i]
        for j in range(sizes[i]):
            _move_to(words, k, store.words, at + j)
            k += 1


@njit(inline="always")
def _claim(store, p, address):
    store.slots[p].low = address & 0xFFFFFFFF
    store.slots[p].high = address >> 32
    store.used[0] += 1


@entry
def inherit(store, old):
    """Give the counters of ``store`` the learned logits that the same counters have in ``old``."""
    for i in range(len(old.slots)):
        if old.slots[i].size == 0:
            continue
        p = find(store.slots, (int64(old.slots[i].high) << 32) | int64(old.slots[i].low))
        if p < 0:
            continue
        for j in range(int64(old.slots[i].at), int64(old.slots[i].at) + int64(old.slots[i].size)):
            for k in range(int64(store.slots[p].at), int64(store.slots[p].at) + int64(store.slots[p].size)):
                if store.counters[k].token == old.counters[j].token:
                    store.counters[k].logit = old.counters[j].logit


# --- a fixed budget ---

AGES = 64


def prune(store: Store, keep: int, clock: int) -> Store:
    """A store of at most ``keep`` bytes, without the locations that were written least and longest ago.

    Locations written once go first, the oldest of them first; then those written twice, and so on.
    """
    bins = np.zeros((4, AGES), np.int64)
    _weigh(store, clock, bins)
    # From the most worth keeping: often written, then recent.
    order = np.cumsum(bins[::-1, :].reshape(-1))
    kept = int(np.searchsorted(order, keep, side="right"))
    spare = keep - int(order[kept - 1]) if kept else keep
    out = reserve(empty(), int(store.used[0]), int(store.used[1]) + 64)
    _survivors(store, clock, 4 * AGES - kept, spare, out)
    return out


@njit
def _worth(store, p, clock):
    """Row of times written and column of age, as one number: larger is worth more."""
    at, total, age = int64(store.slots[p].at), int64(0), int64(1) << 40
    for j in range(at, at + int64(store.slots[p].size)):
        here = store.counters[j]
        total += here.count
        age = min(age, ((clock >> 2) - (int64(here.seen_low) | int64(here.seen_high) << 16)) & 0xFFFFFF)
    share = age * AGES // ((clock >> 2) + 1)
    return min(total - 1, 3) * AGES + max(AGES - 1 - share, 0)


@njit
def _cost(store, p):
    """Bytes of a slot, with its share of the empty ones, and of its counters."""
    return SLOT_COST + 12 * _capacity(int64(store.slots[p].size))[0]


@entry
def _weigh(store, clock, bins):
    flat = bins.reshape(-1)
    for p in range(len(store.slots)):
        if store.slots[p].size:
            row, column = divmod(_worth(store, p, clock), AGES)
            flat[row * AGES + (AGES - 1 - column)] += _cost(store, p)


@entry
def _survivors(store, clock, worth, spare, out):
    """Copy what is worth at least ``worth``, and of what is worth a little less ``spare`` bytes."""
    for p in range(len(store.slots)):
        size = int64(store.slots[p].size)
        if not size:
            continue
        here = _worth(store, p, clock)
        if here == worth - 1 and _cost(store, p) <= spare:
            spare -= _cost(store, p)
            here = worth
        if here >= worth:
            address = (int64(store.slots[p].high) << 32) | int64(store.slots[p].low)
            q = -1 - find(out.slots, address)
            at = _allocate(out, size)
            _claim(out, q, address)
            out.slots[q].at = at
            out.slots[q].size = size
            for j in range(size):
                _move_to(store.words, int64(store.slots[p].at) + j, out.words, at + j)
