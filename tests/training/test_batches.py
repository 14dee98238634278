"""Batches: what an update sees stands for the whole memory."""

from __future__ import annotations

import itertools

import attrs
import pytest
import torch
from torch.testing import assert_close

from lior.config import GeometryConfig
from lior.data.corpus import build_corpus
from lior.errors import UsageError
from lior.geometry.retrieval import Geometry
from lior.reading.documents import RawDocument
from lior.training import batches as batches_module
from lior.training.batches import BatchSampler, BatchStream
from lior_plugins.encoders.lags import Lags
from lior_plugins.frames.lowrank import LowRank
from lior_plugins.products.tensor import TensorProduct
from lior_plugins.rsources.constitutive import Constitutive
from lior_plugins.tokenizers.bytes import Bytes
from tests.cases import cases

MEMORY, REACH = 900, 3
CONFIG = GeometryConfig(batch=8, keys=120, near=5, group=1, refresh=3, updates=7, exclude=20)


@pytest.fixture(scope="module")
def corpus():
    letters = torch.randint(97, 101, (1000,), generator=torch.Generator().manual_seed(0))
    return build_corpus([RawDocument("letters", bytes(letters.tolist()))], Bytes())


@pytest.fixture(scope="module")
def geometry():
    return Geometry(
        encoder=Lags(n=6, lags=REACH, scale=1.0),
        frame=LowRank(rank=2),
        rsource=Constitutive(),
        product=TensorProduct(),
        vocab=256,
    )


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def sampler_of(corpus, **changes):
    return BatchSampler(corpus, REACH, 256, attrs.evolve(CONFIG, **changes))


def stream(corpus, geometry, **changes):
    batches = BatchStream(sampler_of(corpus, **changes), geometry, MEMORY, generator())
    batches.set_calibration(MEMORY, 1000)
    return batches, geometry.init(generator=generator(1))


def sums(geometry, state, batch):
    """The sum over items of ``exp(S)`` that a batch estimates, ``(B,)``."""
    found = [
        (scores_of(geometry, state, batch, part) + (0.0 if part.log_weight is None else part.log_weight))
        .exp()
        .sum(1)
        .double()
        for part in batch.parts
    ]
    return torch.cat(found)


def scores_of(geometry, state, batch, part):
    """The scores of one part of a batch."""
    scorer, queries, items = geometry._sides(state, batch)
    scores = scorer.scores(queries.features.rows(part.queries), items.features.rows(part.items))
    scores[part.excluded] = -torch.inf
    return scores


def test_a_batch_estimates_the_sum_over_the_memory(corpus, geometry):
    sampler, state = sampler_of(corpus), geometry.init(generator=generator(1))
    queries = torch.arange(100, 180, 10)
    whole = sums(geometry, state, sampler.batch(queries, torch.arange(MEMORY), MEMORY))
    random, near = generator(2), sampler.positions(0, MEMORY, 40, generator(3)).view(8, 5)
    draws = [
        sums(geometry, state, sampler.batch(queries, sampler.sample(MEMORY, random), MEMORY, near))
        for _ in range(400)
    ]
    estimate = torch.stack(draws)
    error = 5 * estimate.std(0) / len(draws) ** 0.5
    assert ((estimate.mean(0) - whole).abs() < error).all(), (estimate.mean(0), whole, error)
    assert (error < 0.1 * whole).all(), "precise enough to notice a missing weight"


def test_no_number_of_keys_is_the_whole_memory(corpus, geometry, monkeypatch):
    """Every item once, whatever is drawn, and in blocks of the items the derivatives are those of one."""
    sampler, state = sampler_of(corpus, keys=0, near=0), geometry.init(generator=generator(1))
    state = {name: each.double() for name, each in state.items()}
    sample, queries = sampler.sample(MEMORY, generator(3)), torch.arange(100, 180, 10)
    assert torch.equal(sample, torch.arange(MEMORY))
    whole = sampler.batch(queries, sample, MEMORY)
    monkeypatch.setattr(batches_module, "_PART_ENTRIES", 400 * len(queries))
    parted = sampler.batch(queries, sample, MEMORY)
    assert [len(batch.parts) for batch in (whole, parted)] == [1, 3]
    pairs = torch.cat([torch.stack([p.excluded[0], p.excluded[1] + p.items.start]) for p in parted.parts], 1)
    expected = torch.stack(whole.parts[0].excluded)
    assert sorted(pairs.T.tolist()) == sorted(expected.T.tolist())
    found = [geometry.phases(state, batch, float("inf")) for batch in (whole, parted)]
    assert_close(found[0], found[1], rtol=1e-12, atol=1e-14)
    with pytest.raises(UsageError, match="near = 5 with keys = 0"):
        attrs.evolve(CONFIG, keys=0)


def test_near_items_are_in_the_batch_once_and_count_for_themselves(corpus):
    sampler = sampler_of(corpus, group=8)
    near = torch.tensor([[3, 500, -1]] * 8)
    sample = torch.tensor([500, 7, 7, 30])
    batch = sampler.batch(torch.arange(800, 808), sample, MEMORY, near)
    positions = torch.tensor([3, 7, 30, 500])
    assert torch.equal(batch.item_contexts, sampler.contexts(positions))
    stands_for = (MEMORY - 2) / 2
    (part,) = batch.parts
    assert torch.equal(part.items, torch.arange(4))
    assert_close(part.log_weight.exp(), torch.tensor([1.0, stands_for, stands_for, 1.0]))


def test_the_stream_contains_the_neighbours_of_its_queries(corpus, geometry):
    batches, state = stream(corpus, geometry)
    for step in range(7):
        batch = batches.draw(state, step)
        for part in batch.parts:
            certain = part.log_weight == 0
            assert 0 < certain.sum() <= 5
            scores = scores_of(geometry, state, batch, part)
            assert torch.equal(scores[:, certain].amax(1), scores.amax(1)), (
                "a nearer item came by chance only"
            )
    assert len(batches.draw(state, 6).query_tokens) == 8, "the last chunk is shorter than the others"


def test_every_update_has_its_own_queries_with_their_neighbours(corpus, geometry):
    batches, state = stream(corpus, geometry)
    for step in range(3):
        batch, rows = batches.draw(state, step), slice(8 * step, 8 * step + 8)
        assert torch.equal(batch.query_contexts, batches.sampler.contexts(batches._drawn["queries"][rows]))
        for own, part in zip(batches._drawn["near"][rows], batch.parts, strict=True):
            certain = batch.item_contexts[part.items[part.log_weight == 0]]
            assert torch.equal(certain, batches.sampler.contexts(own[own >= 0].unique()))


def test_queries_in_groups_share_neighbours(corpus, geometry):
    distinct = {}
    for group in (1, 8):
        batches, state = stream(corpus, geometry, group=group)
        batches.draw(state, 0)
        distinct[group] = sum(len(near.unique()) for near in batches._drawn["near"].view(3, -1))
    assert distinct[8] < 0.7 * distinct[1], distinct


def test_neighbours_are_searched_anew(corpus, geometry):
    batches, state = stream(corpus, geometry)
    built = []
    for step in range(7):
        batches.draw(state, step)
        built.append(batches._drawn["near"])
    same = [one is other for one, other in itertools.pairwise(built)]
    assert same == [True, True, False, True, True, False]


def test_no_query_sees_what_is_around_it(corpus, geometry):
    batches, state = stream(corpus, geometry, near=50)
    for step in range(3):
        batches.draw(state, step)
        distance = batches._drawn["near"] - batches._drawn["queries"][:, None]
        assert (distance[batches._drawn["near"] >= 0].abs() >= 20).all()


@cases("near", [0, 5])
def test_the_calibration_batch_is_the_same_each_time(corpus, geometry, near):
    batches, state = stream(corpus, geometry, near=near)
    batches.draw(state, 0)
    first = batches.calibration()
    batches.draw(state, 1)
    second = batches.calibration()
    assert torch.equal(first.query_contexts, second.query_contexts)
    assert torch.equal(first.item_contexts, second.item_contexts)
    assert (first.parts[0].log_weight is None) == (near == 0)


def test_blocks_have_each_position_once_with_its_context(corpus):
    sampler = sampler_of(corpus)
    blocks = list(sampler.blocks(MEMORY, 5000, generator(4)))
    contexts, tokens = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    assert torch.equal(contexts, sampler.contexts(torch.arange(MEMORY)))
    assert torch.equal(tokens, corpus.tokens[:MEMORY].long())
    few = torch.cat([tokens for _, tokens in sampler.blocks(MEMORY, 70, generator(4))])
    assert len(few) == 70


def test_only_an_encoder_with_statistics_reads_a_sample(corpus, geometry):
    draw = generator(5)
    before, state = draw.get_state(), geometry.init(generator=generator(1))
    assert geometry.prepare(state, sampler_of(corpus).blocks(MEMORY, 50, draw)) is state
    assert torch.equal(draw.get_state(), before)


def test_a_small_memory_is_seen_whole(corpus, geometry):
    batches = BatchStream(sampler_of(corpus, near=3), geometry, 2, generator())
    batch = batches.draw(geometry.init(generator=generator(1)), 0)
    assert len(batch.item_tokens) <= 2


def test_queries_are_read_with_errors_and_items_without(corpus):
    plain, text = sampler_of(corpus), corpus
    wrong = attrs.evolve(text, tokens=text.tokens.flip(0))
    noisy = attrs.evolve(plain, asked=wrong)
    queries, sample = torch.tensor([100, 200, 300]), torch.arange(50)
    clean, mixed = (each.batch(queries, sample, 50) for each in (plain, noisy))
    assert torch.equal(mixed.query_contexts, plain.contexts(queries, wrong))
    assert not torch.equal(mixed.query_contexts, clean.query_contexts)
    assert torch.equal(mixed.item_contexts, clean.item_contexts)
    assert torch.equal(mixed.query_tokens, clean.query_tokens), "the tokens asked for are the true ones"
