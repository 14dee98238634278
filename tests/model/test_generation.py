"""Drawing tokens: temperature, top-k, top-p and the context that grows."""

from __future__ import annotations

import functools
import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import lior
from lior.config.sampling import ChatSampling, Sampling
from lior.data import corpus
from lior.errors import UsageError
from lior.model.generation import (
    Asked,
    Request,
    Session,
    draw,
    generate,
    generate_all,
    loop_costs,
    uncertainty,
)
from lior.reading.documents import RawDocument
from lior.runs import directory as rundir
from lior.training.preparation import train
from lior_plugins import Sdm
from tests.cases import cases

DRAWS = 400


def log_probs(weights: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.log_softmax(torch.tensor(weights, dtype=torch.float64), 0).to(dtype)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draws(log_p: Tensor, sampling: Sampling, count: int = DRAWS) -> list[int]:
    source = generator()
    return [draw(log_p, sampling, generator=source) for _ in range(count)]


weights = st.lists(st.floats(-30, 5), min_size=2, max_size=12)
dtypes = st.sampled_from([torch.float32, torch.float64])


@given(weights, dtypes)
@settings(max_examples=12)
def test_without_heat_the_likeliest(values, dtype):
    log_p = log_probs(values, dtype)
    assert draw(log_p, Sampling(temperature=0), generator=generator()) == int(log_p.argmax())


@given(weights, dtypes, st.integers(1, 12))
@settings(max_examples=12)
def test_top_k_keeps_k(values, dtype, k):
    log_p = log_probs(values, dtype)
    kept = set(torch.sort(log_p, descending=True, stable=True).indices[:k].tolist())
    assert set(draws(log_p, Sampling(top_k=k, temperature=3), 40)) <= kept


@given(weights, dtypes, st.floats(0, 1))
@settings(max_examples=12)
def test_top_p_keeps_the_smallest_set_that_is_likely_enough(values, dtype, share):
    log_p = log_probs(values, dtype)
    p, order = torch.sort(log_p.double().exp(), descending=True, stable=True)
    before = p.cumsum(0) - p
    kept = set(order[(before < share + 1e-6) | (torch.arange(len(p)) == 0)].tolist())
    assert set(draws(log_p, Sampling(top_p=share, temperature=1), 40)) <= kept


@given(weights, dtypes, st.floats(0.01, 1), st.sampled_from([0.5, 3.0]))
@settings(max_examples=12)
def test_min_p_keeps_what_is_nearly_as_likely_as_the_likeliest(values, dtype, share, temperature):
    log_p = log_probs(values, dtype)
    kept = set(
        torch.nonzero(log_p.double() >= log_p.double().max() + math.log(share) - 1e-6).ravel().tolist()
    )
    assert set(draws(log_p, Sampling(min_p=share, temperature=temperature), 40)) <= kept


@cases("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_those_of_the_boltzmann_distribution(temperature):
    """Within four standard deviations, for a fixed seed."""
    p = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    expected = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
    found = torch.bincount(torch.tensor(draws(p.log(), Sampling(temperature=temperature), 4000)), minlength=4)
    assert (found / 4000 - expected).abs().max() < 4 * math.sqrt(0.25 / 4000)


def test_top_k_and_top_p_together():
    log_p = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    assert set(draws(log_p, Sampling(top_k=3, top_p=0.65, temperature=1))) == {0, 1}
    assert set(draws(log_p, Sampling(top_k=1, top_p=0.99, temperature=1))) == {0}
    assert set(draws(log_p, Sampling(top_k=100, temperature=1))) == {0, 1, 2, 3}


@cases("dtype", [torch.float32, torch.float64])
@cases("temperature", [5e-324, 1e-300, 1e-38, 1e-9, 100.0])
def test_extreme_temperatures(dtype, temperature):
    log_p = torch.tensor([1e-38, 1.0, 0.0, 1e-20], dtype=dtype).log()
    found = set(draws(log_p, Sampling(temperature=temperature), 50))
    assert found == {1} if temperature < 1 else found <= {0, 1, 3}


def test_what_is_impossible_is_never_drawn():
    log_p = torch.tensor([-math.inf, 0.0, -math.inf])
    assert set(draws(log_p, Sampling(temperature=100), 50)) == {1}


@cases(
    ("field", "value"),
    [("temperature", -0.1), ("temperature", math.nan), ("temperature", 101), ("top_k", -1), ("top_p", 1.1)],
)
def test_sampling_out_of_range(field, value):
    with pytest.raises(UsageError, match=field):
        Sampling(**{field: value})


# --- with a model -----------------------------------------------------------------


@pytest.fixture(scope="module")
def model(finished):
    return rundir.open_run(finished).model


def test_only_the_tokens_within_reach_count(model):
    prompt = [*(b"The value of the expression is" * 10)]
    near = prompt[-model.context - 1 :]
    assert torch.equal(Session(model, prompt).log_probs(), Session(model, near).log_probs())


@cases("prompt", [b"", b"T", b"The value", b"The value of the expression. " * 5])
def test_a_session_is_a_document_from_its_beginning(model, prompt):
    document = corpus.build_corpus([RawDocument("prompt", prompt + b"?")], model.tokenizer)
    text, _ = document.text(0, len(document))
    expected = model.log_probs(text, torch.tensor([len(prompt)]))[0]
    assert torch.equal(Session(model, [*prompt]).log_probs(), expected)


def test_a_session_predicts_every_token_id(model):
    log_p = Session(model, [*b"The "]).log_probs()
    assert log_p.shape == (model.tokenizer.vocab,)
    assert float(log_p.double().exp().sum()) == pytest.approx(1, abs=1e-5)


def test_generation_is_drawing_and_feeding(model):
    sampling = Sampling(temperature=0.7)
    found = list(generate(model, [*b"The "], 10, sampling, generator=generator(3)))
    session, source = Session(model, [*b"The "]), generator(3)
    for token in found:
        assert token == draw(session.log_probs_with(sampling), sampling, generator=source)
        session.feed([token])
    assert len(found) == 10


@pytest.fixture(scope="module")
def counting(configure):
    return train(configure("memory.name=sdm")).model


@cases("least", [0.0, 0.05])
@cases("temperature", [0.4, 1.0, 3.0])
def test_a_compiled_draw_is_a_draw_of_what_is_predicted(counting, sample, temperature, least):
    """Also behind more tokens than a cursor holds, and of tokens never seen, which heat makes likely."""
    sampling, prompt = Sampling(temperature=temperature, min_p=least), [*sample.read_bytes()[:5000]]
    assert Session(counting, prompt).compiled(sampling)
    found = list(generate(counting, prompt, 300, sampling, generator=generator(3)))
    session, source = Session(counting, prompt), generator(3)
    for token in found:
        assert token == draw(session.log_probs_with(sampling), sampling, generator=source)
        session.feed([token])
    assert any(not counting.token_counts[token] for token in found) == (temperature == 3 and not least)


@settings(max_examples=5)
@given(counts=st.lists(st.integers(0, 70), min_size=1, max_size=6), threads=st.integers(1, 3))
def test_each_of_many_is_what_it_would_be_alone(counting, counts, threads):
    """Whatever the others are, also where some are not drawn in compiled calls."""
    kinds = [Sampling(temperature=0.7), Sampling(), Sampling(top_k=3), Sampling(temperature=0)]
    asked = [(number, count, kinds[number % 4]) for number, count in enumerate(counts)]
    requests = [Request([*b"The "], count, how, generator(number)) for number, count, how in asked]
    found = generate_all(counting, requests, threads=threads)
    for tokens, (number, count, how) in zip(found, asked, strict=True):
        assert tokens == list(generate(counting, [*b"The "], count, how, generator=generator(number)))
        assert len(tokens) == count


@cases("most", [1, 7, 32])
def test_tokens_do_not_depend_on_how_many_are_drawn_at_once(counting, most):
    session, source, found = Session(counting, [*b"The "]), generator(5), []
    while len(found) < 90:
        asked = Asked(session, Sampling(temperature=1), source, min(most, 90 - len(found)))
        found += Session.draw_all([asked])[0]
    assert found == list(
        generate(counting, [*b"The "], 90, Sampling(temperature=1.0), generator=generator(5))
    )


# --- the entropy gate and loops --------------------------------------------------------


GATES = st.fixed_dictionaries(
    {
        "cooling": st.floats(0, 1),
        "recall": st.floats(0.01, 1),
        "recall_at": st.floats(0, 1),
        "loop_penalty": st.floats(0.01, 50),
        "loop_length": st.integers(1, 20),
    }
)


@given(GATES)
@settings(max_examples=12)
def test_whatever_the_gate_does_probabilities_sum_to_one(finished, options):
    session = Session(_model(finished), [*b"the statement the statement the statement "])
    log_p = session.log_probs_with(Sampling(**options))
    assert not log_p.isnan().any()
    assert float(log_p.double().exp().sum()) == pytest.approx(1, abs=1e-5)


@functools.cache
def _model(run):
    return rundir.open_run(run).model


def test_without_gates_it_is_the_model(finished):
    session = Session(_model(finished), [*b"the "])
    assert torch.equal(session.log_probs_with(Sampling(repetition=0)), session.log_probs())


@cases(
    "options", [{"cooling": 0.5}, {"recall": 0.8}, {"recall": 0.8, "recall_at": 0.1}, {"loop_penalty": 1.0}]
)
def test_every_gate_matters(finished, options):
    session = Session(_model(finished), [*b"the very same statement; the very same stat"])
    plain = session.log_probs_with(Sampling(**({"recall": 0.8} if "recall_at" in options else {})))
    assert not torch.allclose(session.log_probs_with(Sampling(**options)), plain, atol=1e-3)


def test_the_gate_is_the_formula(finished):
    """``γ = recall · σ(12 (h − recall_at))`` of the vote, then the temperature ``1 − cooling · h``."""
    model, text = _model(finished), b"the very same statement; the very same stat"
    session = Session(model, [*text])
    free = functools.partial(Sampling, repetition=0)
    p, vote = session.log_probs().double().exp(), session.log_probs_with(free(recall=1.0, recall_at=0.0))
    h = uncertainty(session.log_probs(), len(model.alphabet))
    assert 0.02 < h < 0.98, "the gate is neither open nor shut"
    all_of_it = 1 / (1 + math.exp(-12 * h))
    alone = (vote.double().exp() - (1 - all_of_it) * p) / all_of_it
    share = 0.8 / (1 + math.exp(-12 * (h - 0.6)))
    mixed = session.log_probs_with(free(recall=0.8, recall_at=0.6)).double().exp()
    assert torch.allclose(mixed, share * alone + (1 - share) * p, atol=1e-5)
    cooled = session.log_probs_with(free(cooling=0.5)).double()
    assert torch.allclose(cooled, torch.log_softmax(p.log() / (1 - 0.5 * h), 0), atol=1e-3)


@given(weights)
@settings(max_examples=12)
def test_uncertainty_is_a_share(values):
    log_p = log_probs(values)
    assert 0 <= uncertainty(log_p, len(values)) <= 1
    assert uncertainty(torch.zeros(5) - math.log(5), 5) == pytest.approx(1)
    assert uncertainty(torch.tensor([0.0, -200.0]), 2) == pytest.approx(0, abs=1e-6)
    assert uncertainty(torch.zeros(1), 1) == 0


def test_more_cooling_is_more_certain(finished):
    session = Session(_model(finished), [*b"the "])
    unsure = [uncertainty(session.log_probs_with(Sampling(cooling=c)), 256) for c in (0, 0.3, 0.6, 1)]
    assert unsure == sorted(unsure, reverse=True)
    assert unsure[-1] < unsure[0]


@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 6), st.floats(0.1, 3))
@settings(max_examples=20)
def test_costs_are_of_the_longest_repetition(said, length, penalty):
    costs = loop_costs(said, Sampling(loop_penalty=penalty, loop_length=length), 3)
    expected = [0.0] * 3
    for place in range(1, len(said)):
        same = 0
        while same < place and said[place - 1 - same] == said[-1 - same]:
            same += 1
        cost = penalty * max(same + 1 - length, 0)
        expected[said[place]] = max(expected[said[place]], cost if same else 0.0)
    assert costs.tolist() == pytest.approx(expected)


# --- repetition ------------------------------------------------------------------------


def ruled(width: int) -> str:
    """Return a table with rows of as many dashes."""
    return "".join(f"{word}\n{'-' * width}\n{word} of {word}\n" for word in ("one", "two", "three") * 12)


@pytest.fixture
def rules(tmp_path):
    memory = Sdm(patterns=(), joint=(), gates=("longest",))  # it does not know the column
    return lior.train(documents={"rules": ruled(24)}, out=tmp_path / "run", memory=[memory])


def dashes(run: lior.Run, **sampling: float) -> int:
    """Return the longest row of dashes in samples of several kinds."""
    kinds = [{"temperature": 0}, {"top_k": 2}, {"temperature": 0.7}, {"temperature": 1, "min_p": 0.2}]
    found = [run.complete("two\n--------", 60, **kind, **sampling) for kind in kinds]
    return max(len(row) for text in found for row in re.findall("-+", "--------" + text))


def test_a_sample_repeats_nothing_longer_than_the_text(rules):
    before = rules.score(ruled(40))
    assert dashes(rules, repetition=0) > 40, "the model alone does not know where a row ends"
    assert dashes(rules) == 24
    assert 24 < dashes(rules, repetition=1.5) <= 36
    assert rules.score(ruled(40)) == before


def test_limits_follow_what_is_learned_and_forgotten(rules):
    rules.learn({"wide": ruled(33)})
    assert dashes(rules) == 33
    rules.save()
    assert dashes(lior.load(rules.path)) == 33
    rules.forget("wide")
    assert dashes(rules) == 24


@cases("memory", ["sdm", "sdm,match", "match"])
def test_no_line_comes_three_times_that_the_text_never_repeats(memory):
    """Also at temperature 0, where a loop has no end of its own."""
    lines = [f"{a} sees {b} near {c}\n" for a in "abcde" for b in "fghij" for c in "klm"]
    run = lior.train(documents={"lines": "".join(lines)}, memory=memory, seed=1)
    for seed in range(3):
        text = run.complete("a sees f near k\n" * 2, 200, temperature=0.3 * seed, seed=seed)
        found = ("a sees f near k\n" + text).split("\n")[:-1]
        assert not any(a == b == c for a, b, c in zip(found, found[1:], found[2:], strict=False))


@pytest.mark.slow
def test_nothing_loops_that_is_told_not_to(finished):
    model, prompt = _model(finished), [*b"The statement "]
    free, held = (
        bytes(generate(model, prompt, 800, Sampling(temperature=0, loop_penalty=p), generator=generator()))
        for p in (0.0, 0.5)
    )
    assert distinct(free) < 0.5 < 0.8 < distinct(held)


def distinct(text: bytes) -> float:
    """Share of distinct sequences among those of four words."""
    words = text.split()
    found = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    return len({*found}) / len(found)


def test_a_setting_without_its_switch_is_refused():
    with pytest.raises(UsageError, match="loop_penalty is 0; set loop_penalty too"):
        Sampling(loop_length=3)
    assert ChatSampling(loop_length=3).loop_penalty == 0.5
    with pytest.raises(UsageError, match=r"cooling = 0\.5: has no effect while temperature is 0"):
        Sampling(cooling=0.5, temperature=0)
