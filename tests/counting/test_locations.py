"""The store of locations and counters against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.testing.strategies import LAW
from lior_plugins.counting import locations, stream
from lior_plugins.counting.layout import TRAIL, Block, Memory
from lior_plugins.counting.locations import COUNTER, SLOT, Store
from lior_plugins.counting.packed import Packed
from tests.cases import cases
from tests.counting.plans import small_plan

NESTED, SLOWEST = 3, 0.1
PATTERNS = ("", "1", "1-2", "3", "1,3")
PLAN = small_plan(PATTERNS, NESTED, gates=("longest",), slowest=SLOWEST)
PARENTS = (-1, 0, 1, 0, 1)
FAR = (1 << 47) - 1

writes = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.sampled_from((0, 1, 2, 3, 65535))),
    max_size=60,
)
"""What three lags hold, and the token after them."""


def where_of(a, b, c):
    """Addresses of the five patterns; one of them the largest there is."""
    keys = (), (a,), (a, b), (c,), (a, c)
    found = [i << 41 | sum((v + 1) << 8 * k for k, v in enumerate(key)) for i, key in enumerate(keys)]
    return [FAR if address == (2 << 41 | 4 << 8 | 4) else address for address in found]


def block(events, begin=0):
    """Positions with the addresses of the events, one after the other in time."""
    size = len(events)
    where = np.array([where_of(*event[:3]) for event in events], np.int64).reshape(size, len(PATTERNS))
    tokens = np.array([event[3] for event in events], np.int64)
    none = np.zeros(size, np.int64)
    trail = np.full((size, TRAIL), -1, np.int64)
    return Block(
        where,
        np.zeros((size, 25), np.int64),
        np.zeros((size, 2), np.int64),
        none,
        trail,
        tokens,
        np.arange(begin, begin + size) * 5,
    )


def write(store, events, known=8, begin=0):
    """Count all events; the store grows when it is full, by no more than it needs."""
    here, first = block(events, begin), 0
    while (first := stream.write(Memory(PLAN, store, known), here, first)) < len(events):
        store = locations.reserve(store, len(PATTERNS), 2 * len(PATTERNS) * (known + 3))
    return store


def counted(store, events, known):
    """How many of the events are counted before the store is full."""
    return stream.write(Memory(PLAN, store, known), block(events), 0)


def contents(store: Store):
    """Address -> its counters, in order, as tuples; checks that runs do not overlap."""
    packed = locations.pack(store)
    counters = np.ascontiguousarray(packed.counters).reshape(-1).view(COUNTER)
    ends = packed.sizes.cumsum()
    number = int((store.slots["at"] > 0).sum())
    taken = in_pool(store)
    cells = np.concatenate([np.arange(s["at"], s["at"] + s["size"]) for s in taken] or [np.zeros(0)])
    assert len(np.unique(cells)) == len(cells), "two locations share a counter"
    assert cells.min(initial=1) >= 1
    assert cells.max(initial=0) < store.used[1] <= len(store.counters)
    assert number == store.used[0] == len(packed.sizes)
    return {
        int(a): [tuple(map(int, c)) for c in counters[end - size : end]]
        for a, size, end in zip(packed.addresses, packed.sizes, ends, strict=True)
    }


def in_pool(store: Store):
    """The slots whose counters are in the pool."""
    return store.slots[(store.slots["at"] > 0) & (store.slots["at"] < 1 << 31)]


def test_parents_are_the_largest_parts_of_a_pattern():
    assert tuple(PLAN.parent) == PARENTS


def oracle(events, begin=0):
    """The store as dictionaries: address -> {token: [count, recency, novel, time]}, the last hit."""
    table: dict[int, dict[int, list]] = {}
    last = {}
    for number, (*lags, token) in enumerate(events):
        where = where_of(*lags)
        present = [address in table for address in where]
        new_in_longer = True
        for i in (*reversed(range(NESTED)), *range(NESTED, len(PATTERNS))):
            if not present[i] and PARENTS[i] >= 0 and not present[PARENTS[i]]:
                new_in_longer = True
                continue
            counters = table.setdefault(where[i], {})
            n = 1 + sum(c[0] for c in counters.values())
            rate = max(SLOWEST, 1 / (n + 0.5))
            for c in counters.values():
                c[1] = c[1] * (1 - rate)
            fresh = token not in counters
            here = counters.setdefault(token, [0, 0.0, 0, 0])
            here[0] += 1
            here[1] += rate * 65535
            here[2] += new_in_longer and i < NESTED
            here[3] = (begin + number) * 5 // 4
            last[where[i]] = token
            new_in_longer = fresh
    return table, last


def assert_like(store, table, last):
    found = contents(store)
    assert found.keys() == table.keys()
    for address, counters in found.items():
        expected = table[address]
        assert sorted(c[0] for c in counters) == sorted(expected), "a token is lost or there twice"
        assert counters[0][0] == last[address], "the counter hit last is in front"
        for token, count, recency, logit, low, high, novel in counters:
            want = expected[token]
            assert (count, novel, low | high << 16, logit) == (want[0], want[2], want[3], 0)
            assert recency == pytest.approx(want[1], abs=2 + 0.6 / SLOWEST)


# --- counting ---


@LAW
@given(events=writes, begin=st.sampled_from((0, 1 << 22)))
def test_the_store_is_a_dictionary_of_dictionaries(events, begin):
    assert_like(write(locations.empty(), events, begin=begin), *oracle(events, begin))


@LAW
@given(seed=st.integers(0, 999))
def test_nothing_is_lost_or_shared_while_runs_grow_and_are_freed(seed):
    """Many tokens in few locations, from a store as small as can be."""
    generator = np.random.default_rng(seed)
    lags, tokens = generator.integers(0, 4, (900, 3)), generator.integers(0, 40, 900)
    events = [(*map(int, row), int(token)) for row, token in zip(lags, tokens, strict=True)]
    store = write(locations.empty(2, 2), events, known=40)
    assert_like(store, *oracle(events))
    assert store.used[2] > 0, "some runs were freed and none of them lost"
    assert store.used[1] - 1 == store.used[2] + sum(capacity(s) for s in in_pool(store)["size"])
    assert sum(freed(store)) == store.used[2], "every freed run can be found again"


SIZES = sorted([2**k for k in range(12)] + [3 * 2**k for k in range(12)])


def capacity(size):
    """The least of 1, 2, 3, 4, 6, 8, 12, 16, … that is enough."""
    return next(s for s in SIZES if s >= size)


def freed(store):
    """Sizes of the runs in the lists of freed ones."""
    for size, at in zip(SIZES, store.free.tolist(), strict=False):
        while at:
            yield size
            at = int(store.words[at, 0])


def test_a_full_store_asks_for_room_and_writes_nothing():
    events = [(a, b, c, t) for a in range(4) for b in range(4) for c in range(4) for t in range(5)]
    known, need = 5, 2 * len(PATTERNS) * (5 + 3)
    assert counted(locations.empty(64, 1 + need - 1), events, known) == 0
    assert counted(locations.empty(64, 1 + need), events, known) > 0
    assert counted(locations.empty(5, 1 << 12), events, known) == 0
    assert counted(locations.empty(6, 1 << 12), events, known) > 0


@cases(("slots", "counters"), [(8, 200), (40, 90), (300, 300), (13, 5000)])
def test_what_lies_behind_the_arrays_is_never_touched(slots, counters):
    """The store is the front of larger arrays with a pattern behind it."""
    generator = np.random.default_rng(slots)
    events = [(*map(int, row[:3]), int(row[3])) for row in generator.integers(0, 30, (300, 4))]
    large = Store(
        np.zeros(slots + 50, SLOT),
        np.zeros(counters + 500, COUNTER),
        None,
        np.array([0, 1, 0]),
        np.zeros(40, np.int64),
    )
    large.counters["count"][counters:] = 12345
    large.slots["at"][slots:] = 999
    front = large.counters[:counters]
    store = Store(large.slots[:slots], front, front.view("u4").reshape(-1, 3), large.used, large.free)
    done = counted(store, events, 30)
    assert done < len(events)
    assert (large.counters["count"][counters:] == 12345).all()
    assert (large.slots["at"][slots:] == 999).all()
    assert (large.slots["size"][slots:] == 0).all()
    assert_like(store, *oracle(events[:done]))
    assert_like(write(store, events[done:], known=30, begin=done), *oracle(events))


def test_counts_and_novel_counts_stop_at_the_largest():
    store = write(locations.empty(), [(0, 0, 0, 7)] * 66_000)
    assert {c[0][1] for c in contents(store).values()} == {65535}
    assert contents(store)[where_of(0, 0, 0)[2]][0][6] == 255


def test_a_location_knows_all_tokens_but_the_last():
    counters = np.zeros(65535, COUNTER)
    counters["token"], counters["count"] = np.arange(65535), 1
    packed = counters.view(np.uint8).reshape(-1, 12)
    full = Packed(np.array([0]), np.array([65535], np.int32), packed)
    store = write(locations.unpack(full), [(0, 0, 0, 65535), (0, 0, 0, 7)], known=1 << 16)
    assert len(contents(store)[0]) == 65535
    assert contents(store)[0][0][:2] == (7, 2)


def test_a_counter_and_a_slot_take_twelve_bytes():
    assert COUNTER.itemsize == SLOT.itemsize == 12
    store = write(locations.empty(), [(a, b, 0, a) for a in range(50) for b in range(50)], known=50)
    assert locations.size(store) < 17 * store.used[0] + 12 * store.used[1]
    packed = locations.pack(store)
    assert packed.counters.nbytes <= 12 * len(packed.counters)


def test_a_location_written_once_takes_a_slot_alone():
    """Its counter moves to the pool with the second occurrence, or when it learns."""
    once, twice = [(1, 1, 1, 5)], [(1, 1, 1, 5)] * 2
    store = write(locations.empty(), once)
    assert store.used.tolist() == [1, 1, 0]
    assert locations.vocab(store) == 6
    assert contents(store) == {0: [(5, 1, locations.ONCE_RECENCY, 0, 0, 0, 1)]}
    assert write(store, once, begin=1).used.tolist()[:2] == [3, 2]
    old, new = write(locations.empty(), twice), write(locations.empty(), once)
    old.counters["logit"][1] = 9
    assert contents(locations.inherit(new, old))[0][0][3] == 9


# --- canonical form ---


@LAW
@given(events=writes)
def test_packing_is_lossless(events):
    store = write(locations.empty(), events)
    packed = locations.pack(store)
    again = locations.unpack(packed)
    assert contents(again) == contents(store)
    assert all((a == b).all() for a, b in zip(packed, locations.pack(again), strict=True))
    assert (np.diff(packed.addresses) > 0).all()


@LAW
@given(seed=st.integers(0, 99))
def test_equal_contents_pack_equal(seed):
    """Locations made in another order, in a store of another size."""
    generator = np.random.default_rng(seed)
    addresses, tokens = generator.integers(0, 1 << 47, (20, len(PATTERNS))), generator.integers(0, 9, (20, 6))
    plan = PLAN._replace(parent=np.full(len(PATTERNS), -1))
    packed = []
    for order, slots in ((range(20), 1000), (generator.permutation(20), 200)):
        store = locations.empty(slots, 30_000)
        for i in order:
            here = block([(0, 0, 0, int(token)) for token in tokens[i]], int(i))
            here.where[:] = addresses[i]
            assert stream.write(Memory(plan, store, 9), here, 0) == 6
        packed.append(locations.pack(store))
    assert all((a == b).all() for a, b in zip(*packed, strict=True))


@LAW
@given(events=writes, more=writes)
def test_an_unpacked_store_goes_on_as_the_other_would(events, more):
    store = write(locations.empty(), events)
    again = locations.unpack(locations.pack(store))
    both = (write(each, more, begin=len(events)) for each in (store, again))
    one, other = (locations.pack(each) for each in both)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def test_learned_logits_are_inherited_by_the_same_counters():
    old = write(locations.empty(), [(1, 1, 1, 5), (1, 1, 1, 6), (2, 2, 2, 5)] * 3, known=9)
    old.counters["logit"][1 : old.used[1]] = np.arange(1, old.used[1])
    assert len(in_pool(old)), "otherwise nothing is inherited"
    before = {(a, c[0]): c[3] for a, counters in contents(old).items() for c in counters}
    new = write(locations.empty(), [(1, 1, 1, 8), (1, 1, 1, 6)] * 3, known=9)
    new = locations.inherit(new, old)
    after = {(a, c[0]): c[3] for a, counters in contents(new).items() for c in counters}
    assert after == {key: before.get(key, 0) for key in after}
    assert any(after.values())
    assert not all(after.values())


# --- a budget ---


@cases("share", [0.1, 0.5, 0.9])
def test_pruning_keeps_what_was_written_often_and_lately(share):
    generator = np.random.default_rng(0)
    events = [(*map(int, row[:3]), int(row[3])) for row in (generator.random((4000, 4)) ** 2 * 60)]
    store = write(locations.empty(), events, known=60)
    keep, clock = int(locations.size(store) * share), 4000 * 5
    pruned = locations.prune(store, keep, clock)
    assert 0.5 * keep < locations.size(pruned) <= keep
    before, after = contents(store), contents(pruned)
    assert all(before[address] == counters for address, counters in after.items()), "the rest stays as it was"

    def worth(address):
        counters = before[address]
        return min(sum(c[1] for c in counters), 4), max(c[4] | c[5] << 16 for c in counters)

    dropped = [worth(a) for a in before if a not in after]
    bound, slack = min(worth(a) for a in after), clock / 4 / 60
    assert dropped
    assert all(w[0] < bound[0] or (w[0] == bound[0] and w[1] <= bound[1] + slack) for w in dropped)


def test_pruning_below_the_budget_drops_nothing():
    store = write(locations.empty(), [(1, 2, 3, 4), (1, 2, 3, 5)] * 9, known=9)
    assert contents(locations.prune(store, 1 << 20, 90)) == contents(store)
    assert contents(locations.prune(store, 0, 90)) == {}
