"""The whole model: normalised, causal, the same one token at a time, and better when it reads on."""

from __future__ import annotations

import math

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.config import TrainConfig
from lior.data import corpus
from lior.errors import PluginError
from lior.geometry.retrieval import Geometry
from lior.model import evaluation, online
from lior.model.evaluation import evaluate
from lior.model.generation import Session
from lior.model.language_model import Model
from lior.model.mixer import columns, rows_at_once
from lior.model.weighting import fresh_weights
from lior.reading.documents import RawDocument
from lior.tensors import sub
from lior.testing.strategies import LAW, seeds
from lior.testing.tensors import assert_same, clones
from lior.training import reading
from lior.training.job import Job, Split
from lior.training.reading import WriteText
from lior_plugins.encoders.lags import Lags
from lior_plugins.frames.lowrank import LowRank
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.sdm import Sdm
from lior_plugins.products.tensor import TensorProduct
from lior_plugins.rsources.constitutive import Constitutive
from lior_plugins.tokenizers.bytes import Bytes
from tests.cases import cases
from tests.strategies import quad

V = 256
FEW = settings(LAW, max_examples=5)
BOTH = ("sdm", "exact")
MEMORIES = [("sdm",), ("exact",), BOTH]
each_memory = pytest.mark.parametrize("names", MEMORIES, ids="+".join)


def geometry():
    return Geometry(
        encoder=Lags(n=4, lags=5),
        frame=LowRank(rank=1),
        rsource=Constitutive(k=4),
        product=TensorProduct(),
        vocab=V,
    )


def fresh(names=BOTH, seed=0):
    """A model that has read nothing."""
    parts = {"sdm": Sdm, "exact": Exact}
    place = geometry() if "exact" in names else None
    return Model(
        tokenizer=Bytes(),
        memories={name: parts[name]() for name in names},
        geometry=place,
        state=place.init(generator=torch.Generator().manual_seed(seed)) if place else {},
        token_counts=torch.zeros(V, dtype=torch.int64),
    )


def corpus_of(*texts, first=0):
    """A corpus whose documents are numbered from ``first`` on."""
    built = corpus.build_corpus([RawDocument(str(i), text) for i, text in enumerate(texts)], Bytes())
    return attrs.evolve(built, first_document=first)


def words(seed, count=60):
    generator = torch.Generator().manual_seed(seed)
    chosen = [b"the", b"Sea", b"is", b"it's", b"deep,", b"old\n", b"caf\xc3\xa9"]
    return b" ".join(chosen[i] for i in torch.randint(len(chosen), (count,), generator=generator))


def whole(built):
    return built.text(0, len(built))[0]


def trained(names=BOTH, seed=0, texts=None):
    """A model with memory, cells and weights in generic position."""
    model, built = fresh(names, seed), corpus_of(*(texts or [words(seed), words(seed + 1)]))
    generator = torch.Generator().manual_seed(seed)
    text = whole(built)
    if model.geometry:
        contexts = corpus.gather_contexts(text.tokens, torch.arange(len(built)), text.depth, 5, V)
        model.set_geometry(model.geometry.observe(model.state, contexts, total=len(built)))
        model.set_cells(contexts, 3, generator=generator)
    model.write(text)
    model.commit()
    model.weights = fresh_weights(model)
    model.weights = {
        k: w + 0.05 * torch.randn(w.shape, generator=generator) for k, w in model.weights.items()
    }
    return model


# --- probabilities ---


@each_memory
@FEW
@given(seed=seeds())
def test_probabilities_of_all_tokens_sum_to_one(names, seed):
    model = trained(names, seed)
    text = whole(corpus_of(words(seed + 2) + bytes(range(256))))
    log_p = model.log_probs(text, torch.arange(len(text.tokens)))
    assert log_p.shape == (len(text.tokens), V)
    assert log_p.isfinite().all(), "also of bytes that were never seen"
    assert_close(log_p.double().exp().sum(1), torch.ones(len(log_p)).double(), atol=1e-5, rtol=0)
    unseen = model.token_counts == 0
    assert unseen.any()
    assert (log_p[:, unseen] < log_p[:, ~unseen].amax(1, keepdim=True)).all()


@each_memory
@FEW
@given(seed=seeds())
def test_score_is_the_probability_of_the_token(names, seed):
    model = trained(names, seed)
    text = whole(corpus_of(words(seed + 2) + b"XYZ\0"))
    at = torch.arange(len(text.tokens))
    expected = model.log_probs(text, at).gather(1, text.tokens[:, None])[:, 0]
    assert_close(model.score(text, at), expected, atol=1e-5, rtol=0)


def test_unseen_tokens_share_what_good_and_turing_leave():
    model = fresh(("sdm",))
    model.write(whole(corpus_of(b"aaabbc")))  # one token of six was seen once
    model.commit()
    model.weights = fresh_weights(model)
    p = model.log_probs(whole(corpus_of(b"ab")), torch.tensor([0]))[0].exp()
    assert_close(p[100].item(), (1 + 1) / (6 + 2) / (V - 3), rtol=1e-5, atol=0)
    assert_close(p[[97, 98, 99]].sum().item(), 1 - (1 + 1) / (6 + 2), rtol=1e-5, atol=0)


@each_memory
def test_an_empty_memory_is_uniform(names):
    model = fresh(names)
    model.weights = fresh_weights(model)
    text = whole(corpus_of(b"anything"))
    uniform = torch.full((8, V), -math.log(V))
    assert_close(model.log_probs(text, torch.arange(8)), uniform)
    assert_close(model.score(text, torch.arange(8)), uniform[:, 0])


def test_a_model_that_knows_every_token_keeps_nothing_for_others():
    model = trained(texts=[bytes(range(256)) * 2, words(0)])
    log_p = model.log_probs(whole(corpus_of(words(3))), torch.arange(20))
    assert_close(log_p.exp().sum(1), torch.ones(20))


@FEW
@given(alphabet=st.sets(st.integers(0, 20)), tokens=st.lists(st.integers(0, 20), min_size=1))
def test_columns_find_tokens(alphabet, tokens):
    letters = sorted(alphabet)
    expected = [letters.index(y) if y in alphabet else -1 for y in tokens]
    assert columns(torch.tensor(letters, dtype=torch.int64), torch.tensor(tokens)).tolist() == expected


# --- what a prediction may depend on ---


@each_memory
@settings(FEW, max_examples=1)
@given(seed=seeds())
@pytest.mark.slow
def test_one_token_at_a_time_is_the_whole_text_at_once(names, seed):
    model, tail = trained(names, seed), words(seed + 2, 45 if names == ("exact",) else 250)
    text = whole(corpus_of(tail))
    assert len(tail) > model.context, "the session forgets what is out of reach"
    scanned = model.score(text, torch.arange(len(tail)))
    session, steps = Session(model), []
    for token in tail:
        steps.append(session.log_probs()[token])
        session.feed([token])
    assert_close(torch.stack(steps), scanned, atol=1e-4, rtol=0)
    half = Session(model, tail[:100])
    half.feed(tail[100:150])
    assert_close(half.log_probs()[tail[150]], scanned[150], atol=1e-4, rtol=0)


@each_memory
@FEW
@given(seed=seeds())
def test_documents_do_not_see_each_other(names, seed):
    model, last = trained(names, seed), words(seed + 2)[:50]
    at = torch.arange(50)
    alone = model.log_probs(whole(corpus_of(last)), at)
    for before in (b"x", words(seed + 3)):
        behind = model.log_probs(whole(corpus_of(before, last)), at + len(before))
        assert_close(behind, alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("predict", [Model.log_probs, Model.score], ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", BOTH)
def test_a_prediction_that_is_not_a_number_names_the_memory(predict, name, monkeypatch):
    model, text = trained(BOTH), whole(corpus_of(words(2)))
    right = type(model.memories[name]).predict

    def wrong(*args):
        evidence = right(*args)
        return evidence._replace(log_p=evidence.log_p * torch.nan)

    monkeypatch.setattr(type(model.memories[name]), "predict", wrong)
    with pytest.raises(PluginError, match=f"not a number; memories that gave no numbers: {name}$"):
        predict(model, text, torch.arange(4))


@FEW
@given(seed=seeds())
def test_every_memory_and_the_geometric_gate_take_part(seed):
    model = trained(BOTH, seed)
    text = whole(corpus_of(words(seed + 2)))
    base = model.log_probs(text, torch.arange(40))
    for name, table in model.weights.items():
        # Not the same to all experts, which would only sharpen.
        model.weights = {**model.weights, name: table + 0.1 * torch.arange(table.shape[1])}
        assert (model.log_probs(text, torch.arange(40)) != base).any(), name
        model.weights = {**model.weights, name: table}
    assert set(model.weights) == {"gate0", "gate1", "cells"}
    assert len(model.experts) == next(iter(model.weights.values())).shape[1]


def test_the_geometric_gate_is_a_softmax_over_the_centres():
    model, text, at = trained(), whole(corpus_of(words(2))), torch.arange(30)
    z, form = model.space.coordinates(text, at), model.geometry.frame.form(sub(model.state, "frame"))
    v = z[:, None] - model.cells[None]
    cost = (quad(form, v) + model.geometry.product.eps).sqrt()
    r = model.geometry.rsource.resilience(sub(model.state, "rsource"), z, form)
    expected = torch.softmax(-model.state["log_beta"].exp() * r[:, None] * cost, 1)
    gate = model.inputs(text, at, model.alphabet).cells
    assert_close(gate, expected, atol=1e-4, rtol=0)
    assert gate.std(0).min() > 0.01, "contexts differ in whom they trust"


def test_a_cell_is_the_centre_of_least_cost_whatever_the_query_s_resilience():
    model, text, at = trained(), whole(corpus_of(words(2))), torch.arange(30)
    z, form = model.space.coordinates(text, at).double(), model.space.exact_scorer.form
    v = z[:, None] - model.cells.double()[None]
    assert torch.equal(model.query(text, at).cell, quad(form, v).argmin(1))
    scorer = model.space.exact_scorer
    scores = scorer.scores(scorer.features(z, query=True), scorer.features(model.cells.double(), query=False))
    assert torch.equal(model.query(text, at).cell, scores.argmax(1))


def test_a_lone_expert_needs_no_geometric_gate_of_the_mixer():
    model = trained()
    assert "cells" in model.weights
    model.memories = {"sdm": Sdm(orders=(0, 1), patterns=(), joint=(), base_order=1)}
    model.weights = fresh_weights(model)
    assert "cells" not in model.weights
    text = whole(corpus_of(words(2)))
    assert model.inputs(text, torch.arange(9), model.alphabet).cells is None


def test_predicting_changes_nothing():
    model = trained()
    text = whole(corpus_of(words(2)))
    entries = {**model.state, **model.weights, "cells": model.cells, "counts": model.token_counts}
    entries |= {f"text.{k}": v for k, v in text._asdict().items()}
    copies, memories = clones(entries), {k: m.snapshot() for k, m in model.memories.items()}
    model.log_probs(text, torch.arange(30))
    model.score(text, torch.arange(30))
    assert_same(entries, copies)
    for name, memory in model.memories.items():
        assert_same(memory.snapshot(), memories[name])


# --- memory ---


def test_staged_text_is_read_after_the_commit():
    model, text = trained(), whole(corpus_of(words(2), first=2))
    at = torch.arange(30)
    before, counts = model.log_probs(text, at), model.token_counts
    model.write(text)
    assert torch.equal(model.log_probs(text, at), before)
    model.commit()
    assert model.score(text, at).mean() > before.gather(1, text.tokens[:30, None]).mean()
    assert torch.equal(model.token_counts, counts + torch.bincount(text.tokens, minlength=V))
    assert torch.equal(model.alphabet, model.token_counts.nonzero()[:, 0])


def test_a_text_written_in_blocks_is_the_text_written_at_once(monkeypatch):
    built = corpus_of(words(0), words(1, 90))
    snapshots = []
    for block in (65536, 50):
        monkeypatch.setattr(reading, "_WRITE_BLOCK", block)
        model = fresh()
        job = Job(
            model=model,
            text=built,
            parts=Split(len(built), len(built), len(built)),
            config=TrainConfig(),
            generator=torch.Generator(),
            progress=lambda *_: None,
            spent=lambda: 0.0,
        )
        stage = WriteText(job, 0, len(built), fitted=False)
        stage.begin()
        while stage.advance():
            pass
        stage.end()
        snapshots.append({k: m.snapshot() for k, m in model.memories.items()})
    assert_same(snapshots[1]["sdm"], snapshots[0]["sdm"])
    at_once, blocks = (s["exact"] for s in snapshots)
    assert_close(blocks.pop("z"), at_once.pop("z"))
    assert_same(blocks, at_once)


# --- reading on ---


def repetitive(seed):
    return b"".join(words(100 + seed, 12) + b" qqzz " for _ in range(20))


@each_memory
def test_online_reading_beats_a_frozen_model_on_repetition(names):
    built = corpus_of(repetitive(0), first=2)
    scores = [evaluate(trained(names), built, 0, len(built), online=o).nats_per_byte for o in (False, True)]
    assert scores[1] < 0.7 * scores[0]


def test_static_evaluation_is_the_sum_of_the_scores(monkeypatch):
    monkeypatch.setattr(evaluation, "_BLOCK", 70)
    model, built = trained(), corpus_of(words(2), words(3))
    text, seen = whole(built), []
    found = evaluate(model, built, 11, 300, progress=lambda *args: seen.append(args[1:3]))
    assert found.nats == pytest.approx(-float(model.score(text, torch.arange(11, 300)).sum()), rel=1e-4)
    assert (found.tokens, found.bytes) == (289, 289)
    assert found.bits_per_byte == pytest.approx(found.nats / 289 / math.log(2))
    assert seen == [(70, 289), (140, 289), (210, 289), (280, 289), (289, 289)]


def test_online_evaluation_scores_before_it_learns():
    """The first window is read by the model as it was, and nothing depends on what follows."""
    first = words(2)[: online.WINDOW]
    built = corpus_of(first, first=2)
    alone = evaluate(trained(), built, 0, len(first), online=True).nats
    totals = []
    for rest in (words(3), words(4)):
        built, reached = corpus_of(first + rest, first=2), []
        evaluate(
            trained(),
            built,
            0,
            200,
            online=True,
            progress=lambda *a, r=reached: r.append(a[3]["nats_per_token"]),
        )
        totals.append(reached)
    assert totals[0][0] == pytest.approx(alone / len(first), rel=1e-5)
    assert totals[0][0] == totals[1][0]
    assert totals[0][1] != totals[1][1]


# --- continuing ---


@cases(("alphabet", "rows"), [(65, 8192), (512, 8192), (4096, 1024), (20_000, 128), (1 << 30, 64)])
def test_distributions_over_large_alphabets_are_made_a_few_at_a_time(alphabet, rows):
    assert rows_at_once(8192, alphabet) == rows


def test_the_number_of_positions_at_a_time_changes_nothing(monkeypatch):
    text = corpus_of(words(2))
    whole_score = evaluate(trained(), text, 0, len(text))
    monkeypatch.setattr("lior.model.mixer._ELEMENTS", 64)
    assert evaluate(trained(), text, 0, len(text)).nats == pytest.approx(whole_score.nats, rel=1e-6)
