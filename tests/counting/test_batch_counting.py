"""Counts from totals against dictionaries; any parts, orders and trees give the same bits."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.plugins import devices
from lior.testing.strategies import LAW
from lior_plugins.counting import addresses, batch_counting, layout, locations, totals
from lior_plugins.counting.engine import Segment
from lior_plugins.counting.locations import COUNTER
from lior_plugins.counting.packed import Packed
from lior_plugins.devices import Cuda
from tests.cases import cases
from tests.counting.plans import small_plan
from tests.counting.test_addresses import ALL
from tests.second_device import CUDA, second_device

NESTED = 4
PATTERNS = ("", "1", "1-2", "1-4", "word", "word-1 word", "1,3", "column 1")
PLAN = small_plan(PATTERNS, NESTED, gates=("longest",))
PARENTS = (-1, 0, 1, 2, 0, 4, 1, 1)

documents = st.lists(st.lists(st.sampled_from(b"ab .\n"), min_size=1, max_size=60), max_size=4)


def segments(texts):
    return [Segment(np.array(text, np.int64), np.arange(len(text)), 0) for text in texts]


def oracle(texts, patterns=PATTERNS, plan=PLAN, parent=PARENTS):
    """Address -> its counters as tuples, from dictionaries."""
    counts, last, up, time = defaultdict(Counter), {}, {}, 0
    for segment in segments(texts):
        where = addresses.locate(segment.tokens, segment.depth, 0, patterns).where.tolist()
        for row, token in zip(where, segment.tokens.tolist(), strict=True):
            for s, address in enumerate(row):
                counts[address][token] += 1
                last[address, token] = time
                up[address] = row[parent[s]] if parent[s] >= 0 else None
            time += 1
    found = {}
    for address, tokens in counts.items():
        s, total = address >> addresses.ADDRESS_BITS, tokens.total()
        if up[address] is not None and total < 2 and counts[up[address]].total() < 2:
            continue
        counters = []
        for token in sorted(tokens, key=lambda t: -last[address, t])[:65535]:
            n = tokens[token]
            novel = n if s == plan.nested - 1 else 0
            if s < plan.nested - 1:
                longer = (c for c in counts if c >> addresses.ADDRESS_BITS == s + 1 and up[c] == address)
                novel = sum(token in counts[c] for c in longer)
            recency = 43690 if total == 1 else (n * 65535 + total // 2) // total
            tick = last[address, token] // 4 % (1 << 24)
            counters.append((token, min(n, 65535), recency, 0, tick & 65535, tick >> 16, min(novel, 255)))
        found[address] = counters
    return found


def contents(packed: Packed):
    """Address -> its counters as tuples; checks the canonical form."""
    packed.checked()
    counters = np.ascontiguousarray(packed.counters).reshape(-1).view(COUNTER)
    ends = packed.sizes.cumsum()
    rows = zip(packed.addresses.tolist(), packed.sizes.tolist(), ends.tolist(), strict=True)
    return {a: [tuple(map(int, c)) for c in counters[end - size : end]] for a, size, end in rows}


def counted(texts, parts=1, threads=1):
    parent = batch_counting.parents(PLAN)
    return [
        batch_counting.part(some, PATTERNS, parent, threads)
        for some in batch_counting.pieces(segments(texts), parts)
    ]


def assert_same_rows(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for name in batch_counting.Rows._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_same_store(first, second):
    for one, other in zip(locations.pack(first), locations.pack(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_parent_of_a_nested_context_is_the_next_shorter_one():
    assert tuple(batch_counting.parents(PLAN)) == PARENTS
    odd = small_plan(("", "1", "1-4", "1-3"), 3)
    assert tuple(odd.parent) == (-1, 0, 3, 1)
    assert tuple(batch_counting.parents(odd)) == (-1, 0, 1, 1)


@LAW
@given(texts=documents)
def test_the_store_is_a_dictionary_of_dictionaries(texts):
    store = totals.build(segments(texts), PLAN, PATTERNS)
    assert contents(locations.pack(store)) == oracle(texts)


@LAW
@given(texts=documents.filter(any), data=st.data())
def test_parts_in_any_order_and_any_tree_merge_to_the_same_rows(texts, data):
    (whole,) = counted(texts)
    size = sum(map(len, texts))
    single = [piece for some in batch_counting.pieces(segments(texts), size) for piece in some]
    assert len(single) == size, "a piece for each token"
    numbers = data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    groups = [[p for p, n in zip(single, numbers, strict=True) if n == number] for number in set(numbers)]
    trees = [
        batch_counting.part(data.draw(st.permutations(group)), PATTERNS, batch_counting.parents(PLAN))
        for group in groups
    ]
    while len(trees) > 1:
        chosen = data.draw(st.permutations(range(len(trees))))[: data.draw(st.integers(2, 3))]
        rest = [tree for k, tree in enumerate(trees) if k not in chosen]
        trees = [*rest, batch_counting.merge([trees[k] for k in chosen])]
    assert_same_rows(trees[0], whole)


def many(size=30_000, letters=40):
    """A text that is divided into buckets, with contexts that occur once and some that occur often."""
    generator = np.random.default_rng(5)
    text = generator.integers(97, 97 + letters, size)
    text[generator.random(size) < 0.15] = 32
    text[size // 2 :][: size // 4] = text[: size // 4]
    return [text.tolist()]


@cases("parts", [1, 5])
@cases("threads", [1, 3])
def test_a_larger_text_by_any_number_of_threads(parts, threads):
    texts = many()
    whole = counted(texts)[0]
    assert len(whole[3].keys) > 2 * batch_counting._BUCKET
    merged = batch_counting.merge(counted(texts, parts, threads), threads)
    assert_same_rows(merged, whole)
    stores = (batch_counting.store(rows, PLAN, n) for rows, n in ((merged, threads), (whole, 1)))
    assert_same_store(*stores)


def test_a_larger_text_is_counted_as_dictionaries_do():
    texts, patterns = many(12_000), ("", "1", "1-2", "1-3")
    plan = small_plan(patterns, 2)
    store = totals.build(segments(texts), plan, patterns)
    assert contents(locations.pack(store)) == oracle(texts, patterns, plan, (-1, 0, 1, 2))


def test_numbers_end_where_their_bits_do():
    """Counts beyond 65535, more than 255 novel ones, the largest token, more tokens than a location holds."""
    plan = small_plan(("", "1"), 2)
    every = np.arange(65536)
    behind = np.stack([every[:300], np.full(300, 7)], 1).reshape(-1)
    text = np.concatenate([every, behind, np.full(70_000, 7)])
    packed = locations.pack(totals.build(segments([text]), plan, ("", "1")))
    found = contents(packed)
    assert packed.sizes[0] == 65535
    first = found[int(packed.addresses[0])]
    assert first[0][:2] == (7, 65535)
    assert first[0][-1] == 255
    assert {c[0] for c in first} == set(range(65536)) - {300}, "the token longest ago has no counter"


# --- on a device ---


alphabets = st.sampled_from((b"ab", b"aB .\n", range(256), (10, 32, 65, 300, 40_000, 65_535)))
foreign = alphabets.flatmap(
    lambda letters: st.lists(st.lists(st.sampled_from(letters), min_size=1, max_size=60), max_size=6)
)


def assert_a_device_counts_alike(texts, parts, block):
    parent = layout.parents(ALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(totals, "_ON_DEVICE", block)
        for some in batch_counting.pieces(segments(texts), parts):
            found = totals.part_on(some[::-1], ALL, parent, totals.CPU)
            expected = batch_counting.part(some, ALL, parent)
            assert_same_rows(found, expected)
            kinds = [[column.dtype for column in rows] for rows in (found[0], expected[0])]
            assert kinds[0] == kinds[1]


@LAW
@given(texts=foreign.filter(any), parts=st.integers(1, 4), block=st.sampled_from((1, 7, 1 << 16)))
def test_a_device_counts_the_rows_of_the_compiled_code(texts, parts, block):
    assert_a_device_counts_alike(texts, parts, block)


@cases("name", ["README.md", "tools/gpu.py", "docs/pictures/ask.svg", "pyproject.toml", "tools/claims.json"])
def test_a_device_counts_a_file_as_the_compiled_code_does(name):
    text = (Path(__file__).parents[2] / name).read_bytes()[:6000]
    assert_a_device_counts_alike([[*text]], 2, 1024)


def test_parts_that_do_not_fit_into_a_device_are_halved(monkeypatch, caplog):
    sizes, count = [], totals.part_on

    def part_on(some, *rest):
        sizes.append(sum(len(each.segment.tokens) - each.segment.start for each in some))
        if sizes[-1] > 4000:
            raise torch.OutOfMemoryError("no memory")
        return count(some, *rest)

    texts = segments(many(9_000))
    expected = totals.build(texts, PLAN, PATTERNS)
    monkeypatch.setattr(totals, "part_on", part_on)
    monkeypatch.setattr(totals, "_ON_DEVICE", 2000)
    monkeypatch.setattr(Cuda, "block", lambda self, entries: 9000 * len(PATTERNS))
    monkeypatch.setattr(Cuda, "free", lambda self: 0)
    monkeypatch.setattr(devices, "_halved", Counter())
    with second_device():
        assert_same_store(totals.build(texts, PLAN, PATTERNS, device=CUDA), expected)
    assert sizes == [9000, 4500, *4 * [2250]]
    assert len(caplog.messages) == 2


@LAW
@given(st.integers(0, batch_counting.MOST), st.integers(0, batch_counting.MOST))
def test_all_but_a_sixteenth_is_settled(tokens, more):
    settled = batch_counting.settle(tokens)
    assert 0 <= settled <= tokens
    assert (tokens - settled) * 16 <= tokens
    assert batch_counting.settle(min(tokens + more, batch_counting.MOST)) >= settled
    assert batch_counting.settle(settled) == settled
    assert batch_counting.settle(batch_counting.MOST + 1 + more) == 0
