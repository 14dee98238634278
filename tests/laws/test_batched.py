"""The batched engine against the streaming one: the same distributions, memory and learned numbers.

Stores are compared in every bit but the order of a location's counters behind the first. Distributions and
learned numbers agree up to the rounding of float32 sums in another order, 4e-7 where that was measured. But
the logit of a counter is a whole number of steps of 1/4096, rounded at random with the same noise: where a
sum falls on an edge it differs by a step, which moves a probability by at most 6e-5. The bound is ``CLOSE``
when logits move and ``CLOSEST`` when they do not.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.counting import layout, locations
from lior.counting.batched import Batched, fits
from lior.counting.engine import Engine, Piece, Schedule
from lior.counting.layout import Rates
from lior.counting.locations import COUNTER
from lior.counting.table import Table
from lior.errors import UsageError
from lior.testing.strategies import LAW, seeds
from lior_plugins.memories.sdm import Sdm

PATTERNS = ("", "1", "1-2", "1-3", "1-4", "word", "2-3", "word-1 word", "above 1")
GATES = ("longest", "previous", "words", "position", "layout", "pair", "cell")
JOINT = ((1, 2, 3, 4, 5, 6), (8, 5, 7, 2, 0, 1))


def plan_of(nested=5, patterns=PATTERNS, joint=JOINT, gates=GATES, recent=0.3, slowest=0.05):
    return layout.plan(
        patterns, nested=nested, base=2, joint=joint, gates=gates, cells=3, discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.6, 1.0, 1.2), recent=recent, slowest=slowest,
    )  # fmt: skip


PLAN = plan_of()
ALPHABET = np.array(sorted({*b"abc. \nQ"}))
LETTERS = b"abc. Qab abcab\n"
RATES = Rates(weight=0.003, token=0.003, table=0.01, logit=0.02, bias=0.005, secondary=0.005)
CPU = torch.device("cpu")
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")),
]
CLOSE, CLOSEST = 1e-4, 2e-6
LENGTH = 150


def text(seed, count=LENGTH, letters=LETTERS):
    """Letters, with a stretch that comes again: long contexts are found only where a text repeats itself."""
    generator = np.random.default_rng(seed)
    tokens = np.frombuffer(letters, np.uint8).astype(np.int64)[generator.integers(0, len(letters), count)]
    third = count // 3
    tokens[2 * third : 3 * third] = tokens[:third]
    return tokens


def piece(tokens, start=0, end=None, *, cells=False):
    size = len(tokens[:end])
    cell = (np.arange(size - start) * 7 // 5) % 3 if cells else None
    return Piece(tokens[:end], np.arange(size), start, cell)


def pair(length=4, *, plan=PLAN, patterns=PATTERNS, budget=0, device=CPU):
    """Both engines, each with nothing learned."""
    room = {"window": length, "budget": budget}
    engines = Engine(plan, patterns, **room), Batched(plan, patterns, **room, device=torch.device(device))
    return [(engine, layout.fresh(plan, 512)) for engine in engines]


def contents(packed):
    """Addresses, sizes, the counter hit last of each location, and all counters by location and token."""
    counters = np.ascontiguousarray(packed.counters).reshape(-1).view(COUNTER)
    sizes = packed.sizes.astype(np.int64)
    order = np.argsort(np.repeat(packed.addresses, sizes) << 16 | counters["token"])
    return packed.addresses, sizes, counters["token"][np.cumsum(sizes) - sizes], counters[order]


def assert_same_store(one, other, *, logits=0):
    """Equal in every bit, but for so many steps of a logit."""
    (*places, counters), (*others, theirs) = contents(one.packed()), contents(other.packed())
    for a, b in zip(places, others, strict=True):
        assert np.array_equal(a, b)
    for name in COUNTER.names:
        apart = np.abs(counters[name].astype(int) - theirs[name].astype(int)).max(initial=0)
        assert apart <= (logits if name == "logit" else 0), f"{name} is {apart} apart"
    assert one.clock == other.clock


def assert_same_numbers(one, other):
    for name, values in one._asdict().items():
        scale = max(np.abs(values).max(initial=0), 0.1)
        apart = np.abs(values - getattr(other, name)).max(initial=0)
        assert apart <= CLOSE * scale, f"{name} is {apart} apart"


def assert_close(rows, others, close=CLOSEST):
    assert rows.shape == others.shape
    assert rows.dtype == others.dtype == np.float32
    assert np.abs(rows - others).max(initial=0) < close


def study_both(pieces, length=4, *, alphabet=ALPHABET, rates=RATES, write=True, before=None, **recipe):
    """Have both engines study the pieces, and compare all that comes of it."""
    both = pair(length, **recipe)
    found = []
    for engine, numbers in both:
        if before is not None:
            engine.write(before)
        found.append([engine.study(each, alphabet, numbers, rates, write=write) for each in pieces])
    for rows, others in zip(*found, strict=True):
        assert_close(rows, others, CLOSE if rates.logit else CLOSEST)
    (one, numbers), (other, theirs) = both
    assert_same_store(one, other, logits=2)
    assert_same_numbers(numbers, theirs)
    return both


# --- studying ---


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("length", [1, 4, 64])
def test_studying_is_the_same(length, device):
    study_both([piece(text(length, 700), cells=True)], length, device=device)


@LAW
@given(seed=seeds(), length=st.sampled_from((1, 4, 7, 64)), count=st.integers(1, 200))
def test_any_text_in_any_windows(seed, length, count):
    study_both([piece(text(seed, count))], length)


@pytest.mark.parametrize("length", [4, 64])
def test_the_whole_recipe(sample, length):
    tokens = np.frombuffer(sample.read_bytes()[:2500], np.uint8).astype(np.int64)
    memory = Sdm()
    recipe = {"plan": memory._engine.plan, "patterns": memory._engine.patterns}
    rates = Schedule((5e-4, 3e-5), (1e-3, 1e-4), (3e-3, 3e-4), (8e-3, 2e-3)).at(0.1)
    study_both([piece(tokens)], length, alphabet=np.unique(tokens), rates=rates, **recipe)


@pytest.mark.parametrize("length", [4, 64])
def test_documents_of_any_length(length):
    """Also of one token, of none, and with context before what is told."""
    tokens = text(3, 400)
    pieces = [piece(tokens[lo:hi]) for lo, hi in ((0, 1), (1, 2), (2, 2), (2, 90), (90, 300))]
    study_both([*pieces, piece(tokens, 250, 390), piece(tokens, 390)], length)


@pytest.mark.parametrize("alphabet", [[97], [97, 98], [*range(30, 130)], [*range(layout.DENSE)], []])
def test_alphabets_of_any_size(alphabet):
    study_both([piece(text(4, 300))], 16, alphabet=np.array(alphabet, np.int64))


def test_tokens_outside_of_the_alphabet():
    tokens = text(5, 300)
    tokens[::9] = 250
    tokens[40] = 65535
    study_both([piece(tokens)], 16)


@pytest.mark.parametrize(
    "change",
    [
        {"joint": ()}, {"gates": ()}, {"gates": ("pair", "longest")}, {"recent": 0.0}, {"recent": 1.0},
        {"slowest": 0.5}, {"slowest": 1e-4}, {"nested": 9}, {"nested": 3},
    ],
)  # fmt: skip
def test_other_recipes(change):
    study_both([piece(text(6, 400), cells=True)], 16, plan=plan_of(**change))


@pytest.mark.parametrize("length", [4, 64])
def test_a_memory_that_stands_still(length):
    """Weights are learned, and neither counters nor their logits move."""
    rates = Schedule((1e-3, 1e-4), (1e-3, 1e-4), (1e-3, 1e-4)).at(0.3)
    before = piece(text(7, 600))
    both = study_both([piece(text(8), cells=True)], length, rates=rates, write=False, before=before)
    untouched = pair(length)[1][0]
    untouched.write(before)
    assert_same_store(both[1][0], untouched)


# --- writing and reading ---


@LAW
@given(seed=seeds(), cuts=st.sets(st.integers(1, 399), max_size=4))
def test_writing_is_the_same_in_any_pieces(seed, cuts):
    tokens = text(seed, 400)
    (one, _), (other, _) = pair()
    one.write(piece(tokens))
    bounds = [0, *sorted(cuts), len(tokens)]
    for lo, hi in pairwise(bounds):
        other.write(piece(tokens, lo, hi))
    assert_same_store(one, other)


def test_a_long_text_is_written_in_blocks():
    (one, _), (other, _) = pair()
    for engine in (one, other):
        engine.write(piece(text(9, 9000)))
    assert_same_store(one, other)


def test_counts_end_where_their_bits_do():
    tokens = np.full(70_000, 97)
    tokens[::1000] = 98
    few = ("", "1")
    plan = layout.plan(
        few, nested=2, base=1, joint=(), gates=(), cells=1, discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.6, 1.0, 1.2), recent=0.3, slowest=0.05,
    )  # fmt: skip
    (one, numbers), (other, theirs) = pair(plan=plan, patterns=few)
    for engine in (one, other):
        engine.write(piece(tokens))
    assert_same_store(one, other)
    counters = contents(one.packed())[-1]
    assert counters["count"].max() == 65535
    at = np.arange(5)
    rows = [
        e.read(tokens, np.arange(len(tokens)), at, np.array([97, 98, 99]), n, ahead=0)
        for e, n in ((one, numbers), (other, theirs))
    ]
    assert_close(*rows)


def test_novel_occurrences_end_where_their_bits_do():
    """A token that follows 300 others, each for the first time."""
    tokens = np.array([(1000 + k, 65) for k in range(300)]).flatten()
    (one, _), (other, _) = pair()
    for engine in (one, other):
        engine.write(piece(tokens))
    assert contents(one.packed())[-1]["novel"].max() == 255
    assert_same_store(one, other)


def test_blocks_may_have_any_size():
    tokens, cells = text(15, 3000), piece(text(15, 3000), cells=True)
    found = []
    for size in (2048, 512, 8192):
        engine, numbers = pair(7)[1]
        engine._block = size
        engine.write(piece(tokens))
        rows = engine.study(cells, ALPHABET, numbers, RATES, write=True)
        found.append((rows, engine))
    for rows, engine in found[1:]:
        assert_close(rows, found[0][0], CLOSE)
        assert_same_store(engine, found[0][1], logits=2)


@LAW
@given(seed=seeds(), ahead=st.sampled_from((0, 3, 40_000)), chosen=st.lists(st.integers(0, 99), max_size=9))
def test_reading_is_the_same_and_leaves_everything(seed, ahead, chosen):
    both = study_both([piece(text(seed))])
    tokens, kept = text(seed + 1, 100), copy.deepcopy(both[1][1])
    positions = np.array(chosen, np.int64)
    cell = np.arange(len(chosen)) % 3
    before = both[1][0].packed()
    rows = [
        engine.read(tokens, np.arange(100), positions, ALPHABET, numbers, ahead=ahead, cell=cell)
        for engine, numbers in both
    ]
    assert_close(*rows, CLOSE)
    after = both[1][0].packed()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(kept, both[1][1], strict=True))


def test_positions_far_apart():
    both, tokens = pair(), text(10, 5000)
    for engine, _ in both:
        engine.write(piece(tokens))
    chosen = np.array([4999, 3, 2500, 2047, 2048])
    rows = [e.read(tokens, np.arange(5000), chosen, ALPHABET, n, ahead=0) for e, n in both]
    assert_close(*rows)


def test_an_empty_memory():
    rows = [e.read(text(0), np.arange(LENGTH), np.arange(LENGTH), ALPHABET, n, ahead=0) for e, n in pair()]
    assert_close(*rows)
    assert rows[1] == pytest.approx(np.full_like(rows[1], 1 / len(ALPHABET)), rel=1e-6)


@LAW
@given(seed=seeds(), share=st.floats(0, 1))
def test_the_future_does_not_change_the_past(seed, share):
    tokens, at = text(seed), int(share * (LENGTH - 1))
    other = tokens.copy()
    other[at:] = text(seed + 1)[at:]
    rows = []
    for each in (tokens, other):
        engine, numbers = pair(16)[1]
        rows.append(engine.study(piece(each), ALPHABET, numbers, RATES, write=True)[: at + 1])
    assert_close(*rows)


# --- keeping ---


def test_each_goes_on_where_the_other_stopped():
    (one, numbers), (other, theirs) = study_both([piece(text(11, 300))], 16)
    swapped = pair(16)
    swapped[0][0].hold(other.store, other.clock)
    swapped[1][0].hold(one.store, one.clock)
    assert_same_store(swapped[0][0], other)
    assert_same_store(swapped[1][0], one)
    more = piece(text(12, 300))
    rows = [
        engine.study(more, ALPHABET, learned, RATES, write=True)
        for engine, learned in ((swapped[0][0], theirs), (swapped[1][0], numbers))
    ]
    assert_close(*rows, CLOSE)
    assert_same_store(swapped[0][0], swapped[1][0], logits=2)


@LAW
@given(seed=seeds())
def test_packing_loses_nothing(seed):
    engine, numbers = pair(16)[1]
    engine.study(piece(text(seed)), ALPHABET, numbers, RATES, write=True)
    packed = engine.packed()
    again = Table.of(packed, CPU).packed()
    assert all(np.array_equal(a, b) for a, b in zip(packed, again, strict=True))
    through = locations.pack(locations.unpack(packed))
    assert all(np.array_equal(a, b) for a, b in zip(packed, through, strict=True))


def test_forgetting_all():
    (engine, numbers), fresh = pair(16)[1], pair(16)[1]
    engine.study(piece(text(13)), ALPHABET, numbers, RATES, write=True)
    engine.clear()
    assert engine.clock == 0
    assert_same_store(engine, fresh[0])


# --- a budget ---


def test_a_budget_is_kept_as_the_streaming_engine_keeps_it():
    budget, letters = 200_000, np.arange(97, 123)
    tokens = np.random.default_rng(0).choice(letters, 12_000)
    (one, _), (other, _) = pair(16, budget=budget)
    for lo in range(0, len(tokens), 2048):
        here = piece(tokens, lo, lo + 2048)
        for engine in (one, other):
            engine.write(here)
        assert locations.size(other.store) == other._table.size() <= budget
    mine, theirs = ({*map(int, e.packed().addresses)} for e in (one, other))
    assert len(mine & theirs) > 0.9 * len(mine | theirs), "only those of the least worth go by another order"
    assert 0.5 * budget < other._table.size()


def test_what_is_worth_more_is_kept():
    """The locations that one pruning keeps are those of the streaming engine, but for a share of one age."""
    tokens = text(14, 6000, bytes(range(97, 123)))
    (one, _), (other, _) = pair()
    for engine in (one, other):
        engine.write(piece(tokens))
    keep = locations.size(one.store) // 3
    pruned = locations.prune(one.store, keep, one.clock)
    other._table.prune(keep, other.clock)
    mine, theirs = (
        dict(zip(p.addresses.tolist(), p.sizes, strict=True))
        for p in (locations.pack(pruned), other.packed())
    )
    shared = mine.keys() & theirs.keys()
    assert all(mine[address] == theirs[address] for address in shared)
    assert len(shared) > 0.97 * len(mine.keys() | theirs.keys())
    assert 0.95 * keep < other._table.size() <= keep


# --- alphabets that are too large ---


@pytest.mark.parametrize("alphabet", [np.arange(layout.DENSE + 1), np.array([1, layout.WIDEST])])
def test_large_alphabets_are_refused_in_one_line(alphabet):
    assert not fits(alphabet)
    engine, numbers = pair()[1]
    with pytest.raises(UsageError, match=r"path = batched: an alphabet of .* path = stream") as refusal:
        engine.study(piece(text(0)), alphabet, numbers, RATES, write=True)
    assert "\n" not in str(refusal.value)
