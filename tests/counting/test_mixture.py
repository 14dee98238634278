"""The mixture against its formulas in float64, and its learning against autograd of the log-probability."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.testing.strategies import LAW, seeds
from lior_plugins.counting import layout, locations, stream
from lior_plugins.counting.engine import Engine, Prediction, Segment
from lior_plugins.counting.fields import FIELDS
from lior_plugins.counting.layout import Rates, Weights
from lior_plugins.counting.locations import COUNTER
from lior_plugins.counting.stream import FLOOR
from tests.cases import cases

PATTERNS = ("", "1", "1-2", "1-3", "1-5", "word", "2-3", "word-1 word", "above 1")
NESTED, BASE = 5, 2
JOINT = ((1, 2, 3, 4, 5, 6), (8, 5, 7, 2, 0, 1))
GATES = ("longest", "previous", "words", "position", "layout", "pair", "cell", "expected")
PLAN = layout.plan(
    PATTERNS,
    nested=NESTED,
    base=BASE,
    joint=JOINT,
    gates=GATES,
    cells=3,
    discounts=(0.7, 0.95, 1.1),
    novel_discounts=(0.6, 1.0, 1.2),
    recent=0.3,
    slowest=0.05,
)
ALPHABET = np.array(sorted({*b"abc. \nQ", 200}))
TEXT = b"abc. Qab abcab\n"
STILL = Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def bins(value, edges):
    """How many of the upper ends ``edges`` lie below ``value``."""
    return sum(value > edge for edge in edges)


def count_bin(c):
    return bins(c, (1, 2, 3, 4, 6, 9, 14, 24, 60))


def rest_bin(r):
    return bins(r, (0, 1, 2, 4, 8, 16, 40))


def mixed(h, value):
    """The hash of two's complement 64-bit integers, in integers without end."""
    h = ((h ^ value) * 6364136223846793005 + 1442695040888963407) % 2**64
    return signed(h) ^ (signed(h) >> 29)


def signed(x):
    return x - 2**64 if x >= 2**63 else x


class Case(NamedTuple):
    """A memory, numbers that were learned, and one position."""

    engine: Engine
    learned: Weights
    here: layout.Block
    target: int


def case(seed, plan=PLAN, learned=True):
    """A small random memory and a random position of a text after it."""
    generator = np.random.default_rng(seed)
    tokens = np.frombuffer(TEXT, np.uint8).astype(np.int64)[generator.integers(0, len(TEXT), 260)]
    engine = Engine(plan, PATTERNS, window=4, budget=0)
    engine.write(Segment(tokens[:200], np.arange(200), 0))
    packed = engine.packed()
    logits = generator.integers(-9000, 9000, len(packed.counters))
    packed.counters.view(COUNTER)["logit"] = logits[:, None]
    engine.load(locations.unpack(packed), engine.clock)
    fresh = layout.fresh(plan, 256)
    if learned:
        for name, values in fresh._asdict().items():
            scale = 0.05 if name in ("confidence_weight", "gate_weight", "token_weight") else 0.3
            values += scale * generator.standard_normal(values.shape).astype(np.float32)
            if name.endswith(("_square", "_curvature")):
                values[:] = abs(values)
    at = int(generator.integers(200, 260))
    here = engine.block(tokens[: at + 1], np.arange(at + 1), at, 200 + int(generator.integers(0, 5000)))
    here.cell[:] = generator.integers(0, 3)
    return Case(engine, fresh, here, int(np.searchsorted(ALPHABET, tokens[at])))


def run(case, rates, *, alphabet=ALPHABET):
    """The distribution at the position, as the compiled functions give it."""
    plan, store = case.engine.plan, case.engine.store
    out, buffers = Prediction.empty(1, len(alphabet)), layout.buffers(plan, 1, len(alphabet))
    column = np.full(1 << 16, -1, np.int32)
    column[alphabet] = np.arange(len(alphabet))
    known = layout.Alphabet(alphabet, column)
    learner = layout.Learner((case.learned,) * 2, (rates,) * 2)
    memory, alone = layout.Memory(plan, store, 256), (stream.BOTH, stream.signs())
    stream.run(memory, learner, case.here, 0, known, buffers, buffers, out, False, 0, *alone)
    return torch.from_numpy((out.p[0].astype(np.float64) - FLOOR) / (1 - len(alphabet) * FLOOR))


class Oracle:
    """The documented formulas, number by number, in float64; learned parameters are leaves of autograd."""

    def __init__(self, case, alphabet=ALPHABET):
        self.plan, self.alphabet = case.engine.plan, alphabet.tolist()
        self.here = Here(*(column[0].tolist() for column in case.here))
        learned = case.learned._asdict().items()
        self.learned = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in learned}
        packed = locations.pack(case.engine.store)
        counters = np.ascontiguousarray(packed.counters).reshape(-1).view(COUNTER)
        runs = np.split(counters, packed.sizes.cumsum()[:-1])
        table = dict(zip(packed.addresses.tolist(), runs, strict=True))
        found = [table.get(address, ()) for address in self.here.where]
        self.present = [i for i, run in enumerate(found) if len(run)]
        self.counters = {i: [Counter(*map(int, c)) for c in found[i]] for i in self.present}
        self.logits = {
            (i, c.token): torch.tensor(c.logit / 4096, dtype=torch.float64, requires_grad=True)
            for i in self.present
            for c in self.counters[i]
        }
        self.longest = max(i for i in self.present if i < NESTED)
        self.first = torch.log_softmax(self.z(), 0)
        self.final = torch.log_softmax(self.first.detach() + self.corrections(), 0)

    def totals(self, i):
        run = self.counters.get(i, ())
        return sum(c.count for c in run), len(run)

    # experts

    def spread(self, pairs, below, discounts):
        """Absolute discounting of (token, count) over the distribution ``below``."""
        n = sum(c for _, c in pairs)
        left = min(sum(discounts[min(c, 3)] for _, c in pairs) / n, 0.999)
        kept = {t: max(c - discounts[min(c, 3)], 0) / n if c else 0.0 for t, c in pairs}
        return left, [left * b + kept.get(t, 0.0) for t, b in zip(self.alphabet, below, strict=True)], kept

    def experts(self):
        """What each present pattern says, in nats, less its base for those that are not nested."""
        r, d = self.plan.recent, [float(x) for x in self.plan.discounts]
        chain = base = [1 / len(self.alphabet)] * len(self.alphabet)
        said = {}
        for i in self.present:
            run = self.counters[i]
            below = chain if i < NESTED else base
            left, _, kept = self.spread([(c.token, c.count) for c in run], below, d[:4])
            recent = {c.token: c.recency / 65535 for c in run}
            p = [
                left * b + (1 - r) * kept.get(t, 0.0) + r * (1 - left) * recent.get(t, 0.0)
                for t, b in zip(self.alphabet, below, strict=True)
            ]
            said[i] = torch.tensor(p, dtype=torch.float64).add(1e-9).log()
            if i < NESTED:
                if any(c.novel for c in run):
                    chain = self.spread([(c.token, c.novel) for c in run], chain, d[4:])[1]
                base = chain if i <= BASE else base
            else:
                said[i] = said[i] - torch.tensor(base, dtype=torch.float64).add(1e-9).log()
        return said

    # gates

    def run_length(self):
        return self.here.fields[FIELDS.index("length")]

    def column(self):
        return self.here.fields[FIELDS.index("column")]

    def place(self):
        return bins(self.run_length(), (0, 2, 5))

    def rows(self):
        """Row of each gate within its own table."""
        n, u = self.totals(self.longest)
        sure = bins(n, (1, 4)) if u <= 1 else 3 if u <= 2 else 4 if u <= 5 else 5
        a, b, c = (self.totals(NESTED + k)[0] for k in range(3))
        words = (a > 0) + (a > 8) + 3 * ((b > 0) + (b > 3)) + 9 * ((c > 0) + (c > 2))
        start = self.column() == 1
        return {
            "longest": self.longest * 6 + sure,
            "previous": (self.here.before[0] - 1) % 256,
            "words": words * 3 + bins(self.run_length(), (0, 3)),
            "position": self.place() * 2 + start,
            "layout": min((self.column() - 1) // 4, 15) * 16 + min(self.run_length(), 7) * 2 + start,
            "pair": (self.pair() >> 20) % 1024,
            "cell": self.here.cell,
            "expected": self.expected() % 256,
        }

    def pair(self):
        return mixed(mixed(3, self.here.before[0]), self.here.before[1])

    def weight(self, i):
        """Of every token of the alphabet, ``(A,)``."""
        learned = self.learned
        n, u = self.totals(i)
        total = learned["confidence_weight"][i, 1 + bins(n, (1, 2, 4, 8, 20, 80)) * 4 + bins(u, (1, 2, 5))]
        for begin, row in zip(self.plan.gate_begin, (self.rows()[g] for g in GATES), strict=False):
            total = total + learned["gate_weight"][int(begin) + row, i]
        here = 1 + self.place() + 4 * bins(self.longest, (3, 5))
        return (
            total
            + learned["token_weight"][0, i, self.alphabet]
            + learned["token_weight"][here, i, self.alphabet]
        )

    # counters

    def z(self):
        learned, said = self.learned, self.experts()
        z = learned["bias"][self.alphabet]
        for i in self.present:
            z = z + self.weight(i) * said[i]
        extra = [torch.zeros((), dtype=torch.float64)] * len(self.alphabet)
        for s, token in enumerate(self.alphabet):
            knowing = [(i, c) for i in self.present for c in self.counters[i] if c.token == token]
            known = max((i for i, _ in knowing if i < NESTED), default=0)
            for i, c in knowing:
                extra[s] = extra[s] + self.states(i, c, known) + self.logits[i, token]
            for q, group in enumerate(JOINT):
                levels = {i: self.level(i, c) for i, c in knowing}
                code = sum(levels.get(i, 0) << 2 * place for place, i in enumerate(group))
                extra[s] = extra[s] + learned["joint_logit"][q, code]
        return z + torch.stack(extra)

    def level(self, i, c):
        return 3 if 2 * c.count > self.totals(i)[0] else 2 if c.count >= 2 else 1

    def states(self, i, c, known):
        """The state's logit and the age's of one counter."""
        n, longest = self.totals(i)[0], self.longest
        if i < NESTED:
            context = min(known - i, 3) * 3 + min(longest - i, 2)
        else:
            context = bins(known, (2, 4, 6)) * 3 + min(longest - known, 2)
        first = c == self.counters[i][0]
        state = ((context * 10 + count_bin(c.count)) * 8 + rest_bin(max(n - c.count, 0))) * 2 + first
        age = (self.here.time // 4 - (c.low | c.high << 16)) % 2**24
        bits = min(age.bit_length(), 23)
        return (
            self.learned["state_logit"][i, state]
            + self.learned["age_logit"][i, bits * 5 + min(c.count, 5) - 1]
        )

    # secondary estimation

    def corrections(self):
        rows = self.expected() % 128, 128 + self.here.before[0] % 128
        height = (-(self.first.detach().exp() + 1e-9).log() / 2).clamp(0, 4.99)
        low, each = height.long(), torch.tensor(self.alphabet) % 128
        share = height - low
        tables = [self.learned["secondary"][row] for row in rows]
        return sum(table[each, low] * (1 - share) + table[each, low + 1] * share for table in tables)

    def expected(self):
        """The token counted most in the longest context, plus 1; of equals the last, then the least."""
        run = self.counters.get(self.longest, ())
        known = [((c.count, c == run[0], -c.token), c.token) for c in run if c.token in self.alphabet]
        return max(known, default=(0, -1))[1] + 1


class Counter(NamedTuple):
    token: int
    count: int
    recency: int
    logit: int
    low: int
    high: int
    novel: int


class Here(NamedTuple):
    """A position, in Python's numbers."""

    where: list
    fields: list
    before: list
    cell: int
    trail: list
    token: int
    time: int


# --- reading ---


@LAW
@given(seed=seeds())
def test_the_distribution_is_that_of_the_formulas(seed):
    it = case(seed)
    assert_close(run(it, STILL), Oracle(it).final.detach().exp(), rtol=2e-3, atol=1e-6)


@LAW
@given(seed=seeds(), recent=st.sampled_from((0.0, 1.0)), learned=st.booleans())
def test_so_it_is_with_other_shares_of_recency_and_nothing_learned(seed, recent, learned):
    it = case(seed, PLAN._replace(recent=recent), learned)
    assert_close(run(it, STILL), Oracle(it).final.detach().exp(), rtol=2e-3, atol=1e-6)


@LAW
@given(seed=seeds())
def test_so_it_is_over_a_part_of_the_alphabet(seed):
    it, some = case(seed), np.array([*b".Qa", 201])
    expected = Oracle(it, some).final.detach().exp()
    assert_close(run(it, STILL, alphabet=some), expected, rtol=2e-3, atol=1e-6)


# --- learning ---

RATES = Rates(weight=0.01, token=0.02, table=0.03, logit=0.0, bias=0.05, secondary=0.04)
RATE_OF = {"token_weight": 0.02, "state_logit": 0.03, "age_logit": 0.03, "joint_logit": 0.03, "bias": 0.05}


def learn(seed, rates):
    """Changes of all arrays by one step, and the oracle with gradients of what they should follow."""
    it = case(seed)
    oracle = Oracle(it)
    before = Weights(*(values.copy() for values in it.learned))
    run(it, rates)
    return it, oracle, before


def numbers(learned, name):
    """An array of what was learned, in float64."""
    return torch.from_numpy(getattr(learned, name)).double()


@LAW
@given(seed=seeds())
def test_tables_follow_the_gradient_of_the_log_probability(seed):
    it, oracle, before = learn(seed, RATES)
    oracle.first[it.target].backward(retain_graph=True)
    for name, rate in RATE_OF.items():
        moved = numbers(it.learned, name) - numbers(before, name)
        assert_close(moved, rate * oracle.learned[name].grad, rtol=5e-3, atol=2e-6)
        assert moved.any()


@LAW
@given(seed=seeds())
def test_secondary_estimation_takes_newtons_step_after_it(seed):
    it, oracle, before = learn(seed, RATES)
    oracle.final[it.target].backward()
    curvature = numbers(it.learned, "secondary_curvature")
    step = 0.04 * oracle.learned["secondary"].grad / (curvature + 10)
    moved = numbers(it.learned, "secondary") - numbers(before, "secondary")
    assert_close(moved, step, rtol=5e-3, atol=1e-6)
    assert moved.any()
    p = oracle.final.detach().exp()
    bent = curvature - numbers(before, "secondary_curvature")
    assert float(bent.sum()) == pytest.approx(2 * float((p * (1 - p)).sum()), rel=5e-3)


@LAW
@given(seed=seeds())
def test_weights_follow_the_gradient_over_its_running_size(seed):
    it, oracle, before = learn(seed, RATES)
    oracle.first[it.target].backward(retain_graph=True)
    for name in ("confidence", "gate"):
        gradient, square = oracle.learned[f"{name}_weight"].grad, numbers(before, f"{name}_square")
        touched = gradient != 0
        square = torch.where(touched, square + 0.005 * (gradient**2 - square), square)
        assert_close(numbers(it.learned, f"{name}_square"), square, rtol=1e-3, atol=1e-6)
        step = 0.01 * gradient / (square.sqrt() + 0.02)
        moved = numbers(it.learned, f"{name}_weight") - numbers(before, f"{name}_weight")
        assert_close(moved, step, rtol=5e-3, atol=2e-6)


@LAW
@given(seed=seeds())
def test_without_step_sizes_nothing_moves(seed):
    it, _, before = learn(seed, STILL)
    store = locations.pack(it.engine.store)
    run(it, STILL)
    assert all((a == b).all() for a, b in zip(store, locations.pack(it.engine.store), strict=True))
    for name, values in before._asdict().items():
        if not name.endswith("_square"):
            assert (getattr(it.learned, name) == values).all(), name


def test_logits_of_counters_follow_the_gradient_and_are_rounded_at_random_without_bias():
    it = case(3)
    it.learned.age_logit[:] = 0  # ages change with time, which is what the rounding is drawn from
    counters, count = it.engine.store.counters, 500
    kept, moved = counters["logit"].copy(), np.zeros((count, len(counters)))
    for k in range(count):
        it.here.time[:] = 200 + k
        run(it, STILL._replace(logit=1e-3))
        moved[k] = counters["logit"].astype(int) - kept
        counters["logit"] = kept
    oracle = Oracle(it)
    oracle.first[it.target].backward()
    where, slots = it.here.where[0].tolist(), it.engine.store.slots
    address = slots["high"].astype(np.int64) << 32 | slots["low"]
    for (i, token), logit in oracle.logits.items():
        slot = slots[(address == where[i]) & (slots["at"] > 0)][0]
        run_of = counters[slot["at"] : slot["at"] + slot["size"]]
        steps = moved[:, slot["at"] + run_of["token"].tolist().index(token)]
        wanted = 1e-3 * 4096 * float(logit.grad)
        assert set(steps) <= {np.floor(wanted), np.floor(wanted) + 1}
        assert steps.mean() == pytest.approx(wanted, abs=5 * 0.5 / count**0.5)


def test_rounding_is_the_same_each_time():
    results = []
    for _ in range(2):
        it = case(5)
        run(it, STILL._replace(logit=1e-3))
        results.append(it.engine.store.counters["logit"].copy())
    assert (results[0] == results[1]).all()


@cases("sign", [1, -1])
def test_logits_stop_at_the_largest(sign):
    it = case(1)
    it.engine.store.counters["logit"] = 32767 if sign > 0 else -32768
    run(it, STILL._replace(logit=1.0))
    logits = it.engine.store.counters["logit"].astype(int) * sign
    assert logits.max() >= 32767
    assert (logits > 0).all(), "none wrapped round"
