"""The store: hard locations with packed token counters, as a hash table over a pool of counters.

A location is a 12-byte slot of an open-addressed table. Its counters, 12 bytes each, are adjacent in the
pool; the counter of the last written token comes first. Most locations were written once. Such a location
has its only counter in the slot: nothing was learned for it yet, so that token, time and novelty suffice.
Freed runs of counters are listed by size class and reused.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import int64, njit, uint64
from numpy.typing import NDArray

from lior.compiling.compiled import entry, inner
from lior_plugins.counting.kernels import prefetch
from lior_plugins.counting.packed import MAX_SIZE, Packed

TOKEN_BITS = 16
MAX_VOCAB = 1 << TOKEN_BITS
"""Number of token ids that a counter can represent."""

SLOT = np.dtype([("low", "u4"), ("high", "u2"), ("size", "u2"), ("at", "u4")])
"""Address (48 bits), number of counters, and the first counter's index in the pool; all 0 for an empty slot.

In a location written once, ``size`` is the token, and ``at`` the time of the occurrence, with two flags in
its high bits.
"""

_COUNTER = "token:u2 count:u2 recency:u2 logit:i2 seen_low:u2 seen_high:u1 novel:u1"
COUNTER = np.dtype([(name, kind) for name, _, kind in (each.partition(":") for each in _COUNTER.split())])
"""Token, occurrences, recency, learned logit, time of the last occurrence in ticks, novel occurrences.

Recency is an exponentially decaying share of the location's occurrences. Novel occurrences are Kneser and
Ney's continuation counts: occurrences at which the next longer context did not know the token.
"""
_BYTES = COUNTER.itemsize
_WORDS = _BYTES // 4

RECENCY_ONE = 65535.0
"""Unit of recency."""
ONCE_RECENCY = int(RECENCY_ONE / 1.5 + 0.5)
"""Recency of the only token of a location after the first write."""
LOGIT_ONE = 4096.0
"""Unit of a counter's learned logit, which is a multiple of 1/4096 within ±8."""
TICK_BITS = 2
"""Logarithm of the tokens per tick: the last occurrence is stored in ticks of 4 tokens, modulo 2^24."""
TICKS = (1 << 24) - 1
_ONCE, _NOVEL = 1 << 31, 1 << 30
"""Flags in a slot: the location was written once; its occurrence is novel."""

FULLEST = 0.87
"""Maximum share of slots in use."""
SLOT_COST = math.ceil(SLOT.itemsize / FULLEST)
"""Bytes of a slot, including its share of the empty slots."""
MAX_COUNT = 65535
_MAX_NOVEL = 255

_SPARE = 1.3
_SIZE_CLASSES = 40
_AHEAD = 16
HASH_MULTIPLIER = 0x9E3779B97F4A7C15
"""Multiplier of Fibonacci hashing, 2^64 over the golden ratio."""
_SLOTS_USED, _POOL_USED, _POOL_FREED = range(3)


class Store(NamedTuple):
    """Locations and their counters."""

    slots: NDArray[np.void]
    counters: NDArray[np.void]
    """The pool; counter 0 stays unused, so that 0 can mean "none"."""
    words: NDArray[np.uint32]
    """The counters' memory as ``(M, 3)`` words, to move them."""
    used: NDArray[np.int64]
    """Number of slots in use, of the pool's counters handed out so far, and of counters in freed runs."""
    free: NDArray[np.int64]
    """First freed run of each size class, 0 for none."""


def empty(slots: int = 1 << 12, counters: int = 1 << 12) -> Store:
    """Return a store without locations."""
    used = np.array([0, 1, 0], np.int64)
    return _store(np.zeros(slots, SLOT), np.zeros(counters, COUNTER), used, np.zeros(_SIZE_CLASSES, np.int64))


def _store(
    slots: NDArray[np.void], pool: NDArray[np.void], used: NDArray[np.int64], free: NDArray[np.int64]
) -> Store:
    return Store(slots, pool, _words(pool), used, free)


def _words(records: NDArray[np.void]) -> NDArray[np.uint32]:
    return records.view("u4").reshape(-1, _WORDS)


def reserve(store: Store, locations: int, counters: int) -> Store:
    """Return a store with the same contents and capacity for more locations and counters."""
    slots, pool = store.slots, store.counters
    if store.used[_SLOTS_USED] + locations > FULLEST * len(slots):
        slots = np.zeros(int((store.used[_SLOTS_USED] + locations) * _SPARE / FULLEST), SLOT)
        _rehash(store.slots, slots)
    if store.used[_POOL_USED] + counters > len(pool):
        pool = np.zeros(int((store.used[_POOL_USED] + counters) * _SPARE), COUNTER)
        pool[: store.used[_POOL_USED]] = store.counters[: store.used[_POOL_USED]]
    return _store(slots, pool, store.used, store.free)


def size(store: Store) -> int:
    """Return the bytes of the locations and counters in use."""
    counters = int(store.used[_POOL_USED] - store.used[_POOL_FREED] - 1)
    return int(store.used[_SLOTS_USED] / FULLEST) * SLOT.itemsize + counters * COUNTER.itemsize


@inner
def fits(store, positions, patterns, vocab):
    """Return whether so many positions fit into the store if no location knows more than ``vocab`` tokens."""
    writes = positions * patterns
    enough = store.used[_SLOTS_USED] + writes <= FULLEST * len(store.slots)
    return enough and store.used[_POOL_USED] + writes * 2 * (vocab + positions + 2) <= len(store.counters)


@inner
def can_move(store, counters):
    """Return whether ``counters`` counters can move from their slots to the pool."""
    return store.used[_POOL_USED] + counters <= len(store.counters)


# --- slots ---


@njit(inline="always")
def home(address, size):
    """Return the slot at which the search for ``address`` begins."""
    mixed = (uint64(address) * uint64(HASH_MULTIPLIER)) >> uint64(32)
    return int64((mixed * uint64(size)) >> uint64(32))


@njit(inline="always")
def _next(p, size):
    return p + 1 if p + 1 < size else 0


@njit(inline="always")
def _address(slot):
    return (int64(slot.high) << 32) | int64(slot.low)


@njit(inline="always")
def _once(slot):
    """Return whether a slot holds the only counter of its location."""
    return int64(slot.at) >= _ONCE


@njit(inline="always")
def in_pool(slot):
    """Return the first counter of a slot in the pool, 0 if there is none."""
    return int64(0) if _once(slot) else int64(slot.at)


@entry
def _rehash(old, new):
    for i in range(len(old)):
        if old[i].at:
            p = home(_address(old[i]), len(new))
            while new[p].at:
                p = _next(p, len(new))
            new[p] = old[i]


@inner
def find(slots, address):
    """Return the slot of ``address``, or ``-1 - p`` with the empty slot ``p`` where it belongs."""
    p = home(address, len(slots))
    low, high = np.uint32(address & 0xFFFFFFFF), np.uint16(address >> 32)
    while slots[p].at:
        if slots[p].low == low and slots[p].high == high:
            return p
        p = _next(p, len(slots))
    return -1 - p


@njit(inline="always")
def _run(store, p):
    """Return the first and last + 1 of the counters of slot ``p`` in the pool; none may be in the slot."""
    begin = int64(store.slots[p].at)
    return begin, begin + int64(store.slots[p].size)


@njit(inline="always")
def age(counter, time):
    """Return the ticks since the last occurrence of a counter's token."""
    return _since(int64(counter.seen_low) | int64(counter.seen_high) << 16, time)


@njit(inline="always")
def _since(seen, time):
    return ((time >> TICK_BITS) - seen) & TICKS


@njit(inline="always")
def _claim(store, p, address):
    store.slots[p].low = address & 0xFFFFFFFF
    store.slots[p].high = address >> 32
    store.used[_SLOTS_USED] += 1


# --- the pool ---


@inner
def _capacity(size):
    """Return the capacity of a run of ``size`` counters, and its size class: 1, 2, 3, 4, 6, 8, 12, 16, …"""
    capacity, number = 1, 0
    while capacity < size:
        number += 1
        power = 1 << (number + 1) // 2
        capacity = power if number % 2 else power + power // 2
    return capacity, number


@inner
def _allocate(store, size):
    capacity, number = _capacity(size)
    at = store.free[number]
    if at:
        store.free[number] = store.words[at, 0]
        store.used[_POOL_FREED] -= capacity
    else:
        at = store.used[_POOL_USED]
        store.used[_POOL_USED] += capacity
    return at


@inner
def _release(store, at, size):
    capacity, number = _capacity(size)
    store.words[at, 0] = store.free[number]
    store.free[number] = at
    store.used[_POOL_FREED] += capacity


@njit(inline="always")
def _copy(source, i, target, j):
    for word in range(_WORDS):
        target[j, word] = source[i, word]


@njit(inline="always")
def _write_only(slot, words, k):
    """Write the counter in ``slot``, the only one of its location, as ``words[k]``."""
    seen = int64(slot.at)
    words[k, 0] = int64(slot.size) | 1 << 16
    words[k, 1] = ONCE_RECENCY
    words[k, 2] = (seen & TICKS) | (1 << 24 if seen & _NOVEL else 0)


@inner
def _move_out(store, p):
    """Move the counter in slot ``p`` to the pool."""
    at = _allocate(store, 1)
    _write_only(store.slots[p], store.words, at)
    store.slots[p].at = at
    store.slots[p].size = 1


@inner
def pooled(store, p):
    """Return the first and last + 1 of the counters of slot ``p`` in the pool; a counter in the slot moves
    there."""
    if _once(store.slots[p]):
        _move_out(store, p)
    return _run(store, p)


@inner
def counter_of(store, begin, end, token, rank):
    """Return the index of a token's counter in a run; it was ``rank`` places after the first one.

    It still is, unless it was written since.
    """
    if begin + rank < end and store.counters[begin + rank].token == token:
        return begin + rank
    for j in range(begin, end):
        if store.counters[j].token == token:
            return j
    return int64(0)  # unreachable: a location forgets no token while a window is open


@inner
def _add_counter(store, p, token):
    """Add a counter for ``token`` before the others of slot ``p``."""
    size, at = int64(store.slots[p].size), int64(store.slots[p].at)
    if size == 0:
        at = _allocate(store, 1)
    elif _capacity(size)[0] == size:
        old, at = at, _allocate(store, size + 1)
        for j in range(size):
            _copy(store.words, old + j, store.words, at + j)
        _release(store, old, size)
    if size:
        _copy(store.words, at, store.words, at + size)
    store.slots[p].at = at
    store.slots[p].size = size + 1
    fresh = store.counters[at]
    fresh.token, fresh.count, fresh.recency, fresh.logit, fresh.novel = token, 0, 0, 0, 0


@inner
def _add_run(store, address, size, source, begin):
    """Add a location with the ``size`` counters of ``source`` from ``begin`` on."""
    p = -1 - find(store.slots, address)
    _claim(store, p, address)
    occurred, learned, last = int64(source[begin, 0]), int64(source[begin, 1]), int64(source[begin, 2])
    if size == 1 and occurred >> 16 == 1 and learned == ONCE_RECENCY and last >> 24 <= 1:
        store.slots[p].size = occurred & 0xFFFF
        store.slots[p].at = _ONCE | (last & TICKS) | (_NOVEL if last >> 24 else 0)
        return
    at = _allocate(store, size)
    store.slots[p].at = at
    store.slots[p].size = size
    for j in range(size):
        _copy(source, begin + j, store.words, at + j)


@inner
def gather(store, p, near, first):
    """Copy the counters of slot ``p`` to ``near`` from ``first`` on; returns their end."""
    if _once(store.slots[p]):
        seen, here = int64(store.slots[p].at), near[first]
        here.token, here.count, here.logit = store.slots[p].size, 1, 0
        here.recency, here.novel = ONCE_RECENCY, 1 if seen & _NOVEL else 0
        here.seen_low, here.seen_high = seen & 0xFFFF, (seen >> 16) & 0xFF
        return first + 1
    begin, end = _run(store, p)
    for j in range(begin, end):
        near[first + j - begin] = store.counters[j]
    return first + end - begin


@inner
def add_counts(store, p, column, out):
    """Add the occurrences of each token at slot ``p`` to its column of ``out (A,)``."""
    if _once(store.slots[p]):
        s = column[store.slots[p].size]
        if s >= 0:
            out[s] += 1
        return
    begin, end = _run(store, p)
    for j in range(begin, end):
        s = column[store.counters[j].token]
        if s >= 0:
            out[s] += store.counters[j].count


# --- writing ---


@inner
def record(store, p, token, time, slowest, novel):
    """Count ``token`` at slot ``p``; returns whether it was new there.

    At the ``n``-th write all recencies decay at the rate ``max(slowest, 1 / (n + 0.5))`` and the token's
    grows by it; ``novel`` adds a novel occurrence. A location with 65535 counters takes no further token.
    """
    counters, tick = store.counters, time >> TICK_BITS
    if store.slots[p].at == 0 and int64(max(slowest, 1.0 / 1.5) * RECENCY_ONE + 0.5) == ONCE_RECENCY:
        store.slots[p].size = token
        store.slots[p].at = _ONCE | (tick & TICKS) | (_NOVEL if novel else 0)
        return True
    if _once(store.slots[p]):
        _move_out(store, p)
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
        for word in range(_WORDS):
            first = store.words[at, word]
            store.words[at, word] = store.words[hit, word]
            store.words[hit, word] = first
    here = counters[at]
    here.count = min(int64(here.count) + 1, MAX_COUNT)
    here.recency = np.uint16(min(here.recency + rate * RECENCY_ONE + 0.5, RECENCY_ONE))
    here.seen_low, here.seen_high = tick & 0xFFFF, (tick >> 16) & 0xFF
    if novel:
        here.novel = min(int64(here.novel) + 1, _MAX_NOVEL)
    return hit < 0


@inner
def commit(store, plan, where, token, time, slot):
    """Count ``token`` at the addresses ``where (S,)``.

    A location is created only if that of its parent pattern existed before. So contexts grow by one step
    each time they occur, and most contexts that occur once take no memory. In a nested context the
    occurrence is novel if the token was new in the next longer one. ``slot (S,)`` is a buffer.
    """
    for i in range(len(where)):
        slot[i] = find(store.slots, where[i])
    novel = True
    for step in range(len(where)):
        i = plan.nested - 1 - step if step < plan.nested else step  # the longest nested context first
        p = slot[i]
        if p < 0:
            if plan.parent[i] >= 0 and slot[plan.parent[i]] < 0:
                novel = True
                continue
            p = -1 - find(store.slots, where[i])
            _claim(store, p, where[i])
        novel = record(store, p, token, time, plan.slowest, novel and i < plan.nested)


def inherit(store: Store, old: Store) -> Store:
    """Return ``store``, newly written, with the learned logits of the same counters in ``old``."""
    while not _inherit(store, old):
        store = reserve(store, 0, len(store.counters))
    return store


@entry
def _inherit(store, old):
    """Copy the logits; returns False if the pool is full and the call must be repeated with a larger one."""
    for i in range(len(old.slots)):
        if in_pool(old.slots[i]) == 0:
            continue
        p = find(store.slots, _address(old.slots[i]))
        if p < 0:
            continue
        begin, end = _run(old, i)
        if _once(store.slots[p]):
            for j in range(begin, end):
                if old.counters[j].token == store.slots[p].size and old.counters[j].logit != 0:
                    if store.used[_POOL_USED] == len(store.counters):
                        return False
                    _move_out(store, p)
                    store.counters[store.slots[p].at].logit = old.counters[j].logit
                    break
            continue
        first, last = _run(store, p)
        for j in range(begin, end):
            for k in range(first, last):
                if store.counters[k].token == old.counters[j].token:
                    store.counters[k].logit = old.counters[j].logit
    return True


# --- canonical form ---


def pack(store: Store) -> Packed:
    """Return the canonical form of ``store``."""
    taken = store.slots[store.slots["at"] > 0]
    addresses = taken["high"].astype(np.int64) << 32 | taken["low"]
    order = np.argsort(addresses)
    taken = _words(taken).take(order, axis=0).view(SLOT)[:, 0]  # an index of records is slow
    sizes = np.where(taken["at"] >= _ONCE, 1, taken["size"]).astype(np.int32)
    words = np.empty((int(sizes.sum(dtype=np.int64)), _WORDS), np.uint32)
    _copy_counters(store, taken, words)
    return Packed(addresses[order], sizes, words.view(np.uint8).reshape(-1, _BYTES))


@entry
def _copy_counters(store, slots, words):
    """Copy the counters of ``slots`` to ``words``, one after the other."""
    k = 0
    for i in range(len(slots)):
        if i + _AHEAD < len(slots):
            prefetch(store.counters, in_pool(slots[i + _AHEAD]))
        if _once(slots[i]):
            _write_only(slots[i], words, k)
            k += 1
            continue
        for j in range(int64(slots[i].size)):
            _copy(store.words, int64(slots[i].at) + j, words, k)
            k += 1


def vocab(store: Store) -> int:
    """Return one more than the largest token that has a counter."""
    alone = store.slots["size"][store.slots["at"] >= _ONCE]
    return int(np.append(alone, store.counters["token"][: store.used[_POOL_USED]]).max(initial=0)) + 1


def unpack(packed: Packed) -> Store:
    """Return the store of a canonical form; raises as :meth:`Packed.checked`."""
    sound = packed.checked()
    store = reserve(empty(), len(sound.sizes), 2 * len(sound.counters) + 64)
    insert(store, sound)
    return store


def insert(store: Store, packed: Packed) -> None:
    """Add locations that are not in ``store``, which has capacity for them and for twice their counters."""
    pool = np.ascontiguousarray(packed.counters).reshape(-1).view(COUNTER)
    _insert_runs(store, packed.addresses, packed.sizes, _words(pool))


@entry
def _insert_runs(store, addresses, sizes, words):
    k = 0
    for i in range(len(addresses)):
        if i + _AHEAD < len(addresses):
            prefetch(store.slots, home(addresses[i + _AHEAD], len(store.slots)))
        _add_run(store, addresses[i], int64(sizes[i]), words, k)
        k += int64(sizes[i])


# --- a fixed budget ---

AGES = 64
"""Number of ages that pruning distinguishes."""
_OFTEN = 4
"""Number of write counts that pruning distinguishes; the last stands for all larger ones."""


def prune(store: Store, keep: int, clock: int) -> Store:
    """Return a store of at most ``keep`` bytes, without the locations written least often and longest ago.

    Locations written once go first, the oldest of them first; then those written twice, and so on.
    """
    cost = np.zeros(_OFTEN * AGES, np.int64)
    _add_costs(store, clock, cost)
    total = np.cumsum(cost[::-1])  # from the most worth keeping: often written, then recent
    kept = int(np.searchsorted(total, keep, side="right"))
    spare = keep - int(total[kept - 1]) if kept else keep
    out = reserve(empty(), int(store.used[_SLOTS_USED]), int(store.used[_POOL_USED]) + 64)
    _survivors(store, clock, len(cost) - kept, spare, out)
    return out


@inner
def _worth(store, p, clock):
    """Return the worth of a location, ``0 … _OFTEN * AGES - 1``: number of writes, then recency."""
    total, youngest = int64(0), int64(1) << 40
    if _once(store.slots[p]):
        total, youngest = int64(1), _since(int64(store.slots[p].at) & TICKS, clock)
    else:
        begin, end = _run(store, p)
        for j in range(begin, end):
            total += store.counters[j].count
            youngest = min(youngest, age(store.counters[j], clock))
    share = youngest * AGES // ((clock >> TICK_BITS) + 1)
    return min(total - 1, _OFTEN - 1) * AGES + max(AGES - 1 - share, 0)


@inner
def _cost(store, p):
    """Return the bytes of a location: its counters and its slot, with a share of the empty slots."""
    counters = int64(0) if _once(store.slots[p]) else _capacity(int64(store.slots[p].size))[0]
    return SLOT_COST + _BYTES * counters


@entry
def _add_costs(store, clock, cost):
    for p in range(len(store.slots)):
        if store.slots[p].at:
            cost[_worth(store, p, clock)] += _cost(store, p)


@entry
def _survivors(store, clock, worth, spare, out):
    """Copy the locations worth at least ``worth``, and ``spare`` bytes of those worth one less."""
    for p in range(len(store.slots)):
        if not store.slots[p].at:
            continue
        here = _worth(store, p, clock)
        if here == worth - 1 and _cost(store, p) <= spare:
            spare -= _cost(store, p)
            here = worth
        if here >= worth:
            _copy_location(store, p, out)


@inner
def _copy_location(store, p, out):
    address, size = _address(store.slots[p]), int64(store.slots[p].size)
    if not _once(store.slots[p]):
        _add_run(out, address, size, store.words, int64(store.slots[p].at))
        return
    q = -1 - find(out.slots, address)
    _claim(out, q, address)
    out.slots[q].size = size
    out.slots[q].at = store.slots[p].at
