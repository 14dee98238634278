"""The batched engine against the streaming one: the same distributions, memory and learned parameters.

Stores are compared in every bit but the order of a location's counters behind the first. Distributions and
learned parameters agree up to the rounding of float32 sums in another order, 4e-7 where that was measured.
But the logit of a counter is a whole number of steps of 1/4096, rounded at random with the same noise: where
a sum falls on an edge it differs by a step, which moves a probability by at most 6e-5. The bound is ``CLOSE``
when logits move and ``CLOSEST`` when they do not.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.counting import layout
from lior.counting.engine import FROZEN, Engine, Schedule, Segment
from lior.counting.layout import Rates
from lior.counting.locations import COUNTER
from lior.errors import UsageError
from lior.testing.strategies import LAW, seeds
from lior_plugins.batched.engine import BatchedEngine, fits
from lior_plugins.memories.sdm import Sdm

PATTERNS = ("", "1", "1-2", "1-3", "1-4", "word", "2-3", "word-1 word", "above 1")
GATES = ("longest", "previous", "words", "position", "layout", "pair", "cell", "expected")
JOINT = ((1, 2, 3, 4, 5, 6), (8, 5, 7, 2, 0, 1))


def plan_of(nested=5, patterns=PATTERNS, joint=JOINT, gates=GATES, recent=0.3, slowest=0.05):
    return layout.plan(
        patterns, nested=nested, base=2, joint=joint, gates=gates, cells=3, discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.6, 1.0, 1.2), recent=recent, slowest=slowest,
    )  # fmt: skip


PLAN = plan_of()
ALPHABET = np.array(sorted({*b"abc. \nQ"}))
LETTERS = b"abc. Qab abcab\n"
RATES = Rates(weight=0.003, token=0.003, table=0.01, logit=0.02, bias=0.005, secondary=1.0)
CPU = torch.device("cpu")
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")),
]
CLOSE, CLOSEST = 1e-4, 2e-6
LENGTH = 150


def text(seed, count=LENGTH, letters=LETTERS):
    """Letters, with a part that comes again: long contexts are found only where a text repeats itself."""
    generator = np.random.default_rng(seed)
    tokens = np.frombuffer(letters, np.uint8).astype(np.int64)[generator.integers(0, len(letters), count)]
    third = count // 3
    tokens[2 * third : 3 * third] = tokens[:third]
    return tokens


def segment(tokens, start=0, end=None, *, cells=False):
    size = len(tokens[:end])
    cell = (np.arange(size - start) * 7 // 5) % 3 if cells else None
    return Segment(tokens[:end], np.arange(size), start, cell)


def pair(length=4, *, plan=PLAN, patterns=PATTERNS, budget=0, device=CPU):
    """Both engines, each with nothing learned."""
    limits = {"window": length, "budget": budget}
    engines = (
        Engine(plan, patterns, **limits),
        BatchedEngine(plan, patterns, **limits, device=torch.device(device)),
    )
    return [(engine, layout.fresh(plan, 512)) for engine in engines]


def fit(engine, part, alphabet, numbers, rates, *, write=True):
    """The distributions of a segment; the same numbers serve all places."""
    return engine.partial_fit(part, alphabet, (numbers,) * 2, (rates,) * 2, write=write).p


def read(engine, *text, ahead, cell=None):
    """The distributions at positions of a text; the last argument before ``ahead`` is what was learned."""
    *where, numbers = text
    return engine.read(*where, (numbers,) * 2, ahead=ahead, cell=cell).p


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


def assert_same_numbers(one, other, corrections=CLOSE):
    """``corrections`` bounds secondary estimation: Newton steps carry on the step of a logit on its edge."""
    for name, values in one._asdict().items():
        scale = max(np.abs(values).max(initial=0), 0.1)
        apart = np.abs(values - getattr(other, name)).max(initial=0)
        close = corrections if name == "secondary" else CLOSE
        assert apart <= close * scale, f"{name} is {apart} apart"


def assert_close(rows, others, close=CLOSEST):
    assert rows.shape == others.shape
    assert rows.dtype == others.dtype == np.float32
    assert np.abs(rows - others).max(initial=0) < close


def fit_both(segments, length=4, *, alphabet=ALPHABET, rates=RATES, write=True, before=None, **recipe):
    """have both engines fit the segments, and compare all that comes of it."""
    both = pair(length, **recipe)
    found = []
    for engine, numbers in both:
        if before is not None:
            engine.write(before)
        found.append([fit(engine, each, alphabet, numbers, rates, write=write) for each in segments])
    for rows, others in zip(*found, strict=True):
        assert_close(rows, others, CLOSE if rates.logit else CLOSEST)
    (one, numbers), (other, theirs) = both
    assert_same_store(one, other, logits=2)
    assert_same_numbers(numbers, theirs, 10 * CLOSE if rates.logit else CLOSE)
    return both


# --- fitting ---


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("length", [1, 64])
def test_fitting_is_the_same(length, device):
    fit_both([segment(text(length, 700), cells=True)], length, device=device)


@LAW
@given(seed=seeds(), length=st.sampled_from((1, 4, 7, 64)), count=st.integers(1, 200))
def test_any_text_in_any_windows(seed, length, count):
    fit_both([segment(text(seed, count))], length)


@pytest.mark.parametrize("length", [4, 64])
def test_the_whole_recipe(sample, length):
    tokens = np.frombuffer(sample.read_bytes()[:1200], np.uint8).astype(np.int64)
    memory = Sdm()
    recipe = {"plan": memory._engine.plan, "patterns": memory._engine.patterns}
    rates = Schedule((5e-4, 3e-5), (1e-3, 1e-4), (3e-3, 3e-4), (8e-3, 2e-3)).at(0.1)
    fit_both([segment(tokens)], length, alphabet=np.unique(tokens), rates=rates, **recipe)


@pytest.mark.parametrize("length", [4, 64])
def test_documents_of_any_length(length):
    """Also of one token, of none, and with context before what is told."""
    tokens = text(3, 400)
    segments = [segment(tokens[lo:hi]) for lo, hi in ((0, 1), (1, 2), (2, 2), (2, 90), (90, 300))]
    fit_both([*segments, segment(tokens, 250, 390), segment(tokens, 390)], length)


@pytest.mark.parametrize("alphabet", [[97], [97, 98], [*range(30, 130)], [*range(layout.DENSE)], []])
def test_alphabets_of_any_size(alphabet):
    fit_both([segment(text(4, 300))], 16, alphabet=np.array(alphabet, np.int64))


def test_tokens_outside_of_the_alphabet():
    tokens = text(5, 300)
    tokens[::9] = 250
    tokens[40] = 65535
    fit_both([segment(tokens)], 16)


@pytest.mark.parametrize(
    "change",
    [
        {"joint": ()}, {"gates": ()}, {"gates": ("pair", "longest")}, {"recent": 0.0}, {"recent": 1.0},
        {"slowest": 0.5}, {"slowest": 1e-4}, {"nested": 9}, {"nested": 3},
    ],
)  # fmt: skip
def test_other_recipes(change):
    fit_both([segment(text(6, 400), cells=True)], 16, plan=plan_of(**change))


@pytest.mark.parametrize("length", [4, 64])
def test_a_memory_that_stands_still(length):
    """Weights are learned, and neither counters nor their logits move."""
    rates = Schedule((1e-3, 1e-4), (1e-3, 1e-4), (1e-3, 1e-4)).at(0.3)
    before = segment(text(7, 600))
    both = fit_both([segment(text(8), cells=True)], length, rates=rates, write=False, before=before)
    untouched = pair(length)[1][0]
    untouched.write(before)
    assert_same_store(both[1][0], untouched)


@pytest.mark.parametrize("write", [False, True])
def test_logits_end_where_their_bits_do(write):
    """Near the ends of 16 bits; where the memory stands still they do not move, however large.

    In longer windows the order of steps matters there: one path clips each of them, the other their sum.
    """
    both = pair(1 if write else 16)
    both[0][0].write(segment(text(31, 300)))
    store = both[0][0].store
    ends = np.random.default_rng(0).choice([-32768, -32760, 32700, 32767], len(store.counters))
    store.counters["logit"] = ends
    both[1][0].load(store, both[0][0].clock)
    rates = RATES._replace(logit=0.5 if write else 0.0)
    rows = [fit(e, segment(text(32, 300)), ALPHABET, n, rates, write=write) for e, n in both]
    assert_close(*rows, CLOSE)
    assert_same_store(both[0][0], both[1][0], logits=2 if write else 0)
    logits = contents(both[1][0].packed())[-1]["logit"]
    assert logits.max() == 32767
    assert set(logits) <= {*ends.tolist(), 0} or write  # 0 of counters that stand in their slots


@pytest.mark.parametrize(
    ("unseen_contexts", "length", "rates", "write"),
    [
        (0, 1, (FROZEN, RATES), False), (0, 1, (RATES, RATES), True), (3, 16, (FROZEN, RATES), True),
        (3, 16, (RATES, RATES), False), (63, 64, (FROZEN, RATES), False), (63, 64, (RATES, RATES), True),
    ],
)  # fmt: skip
def test_two_sets_of_numbers(unseen_contexts, length, rates, write):
    """Two sets, and a segment some of whose tokens are not to be learned from."""
    if not write:
        rates = tuple(step._replace(logit=0.0) for step in rates)
    part = segment(text(25, 400, b"abc. Qab xyzw\n"), cells=True)
    part.kept = None if write else np.arange(400) % 5 > 0
    found = []
    for engine, usual in pair(length, plan=PLAN._replace(unseen_contexts=unseen_contexts)):
        engine.write(segment(text(26, 300)))
        sets = usual, layout.fresh(PLAN, 512)
        sets[1].gate_weight[:] *= 1.5
        said = [engine.partial_fit(part, ALPHABET, sets, rates, write=write) for _ in range(2)]
        said.append(engine.read(text(27), np.arange(LENGTH), np.arange(LENGTH), ALPHABET, sets, ahead=5))
        found.append((engine, sets, said))
    (one, mine, said), (other, theirs, heard) = found
    for a, b in zip(said, heard, strict=True):
        assert_close(a.p, b.p, CLOSE)
        assert np.array_equal(a.weight_set, b.weight_set)
        assert b.weight_set.dtype == np.int64
    assert unseen_contexts == 63 or 0 < np.concatenate([each.weight_set for each in heard]).mean() < 1
    assert_same_store(one, other, logits=2)
    for a, b in zip(mine, theirs, strict=True):
        assert_same_numbers(a, b)
    untouched = layout.fresh(PLAN, 512)
    same = [np.array_equal(a, b) for a, b in zip(theirs[0], untouched, strict=True)]
    if rates[0].weight == 0 or unseen_contexts == 3:
        assert all(same) == (rates[0].weight == 0), "without a step size a set stays as it is"


# --- alphabets that are too large ---


@pytest.mark.parametrize("alphabet", [np.arange(layout.DENSE + 1), np.array([1, layout.WIDEST])])
def test_large_alphabets_are_refused_in_one_line(alphabet):
    assert not fits(alphabet)
    engine, numbers = pair()[1]
    with pytest.raises(UsageError, match=r"path = batched: an alphabet of .* path = stream") as refusal:
        fit(engine, segment(text(0)), alphabet, numbers, RATES, write=True)
    assert "\n" not in str(refusal.value)
