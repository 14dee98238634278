"""Laws of the memories beyond the contract: what they store, what they return, what each option does."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.errors import UsageError
from lior.interfaces import Features, Items, Query, Text
from lior.testing.strategies import LAW, seeds
from lior.testing.tensors import assert_same
from lior_plugins.memories import exact
from lior_plugins.memories.exact import Exact
from tests.cases import cases

LETTERS = torch.tensor([*b"ab .\n"])
N = 3


@attrs.frozen
class Scorer:
    """Minus the distances times a resilience that differs from point to point."""

    scale: float = 2.0
    both: bool = True

    def features(self, z, *, query):
        resilience = 1 + z[:, 0].sigmoid() if self.both or query else None
        return Features(z, z.square().sum(1), resilience)

    def scores(self, queries, items):
        cost = torch.cdist(queries.f, items.f, compute_mode="donot_use_mm_for_euclid_dist")
        cost = cost * queries.resilience[:, None]
        return -self.scale * (cost if items.resilience is None else cost * items.resilience[None])


def document(seed, number=0, length=40, letters=LETTERS):
    generator = torch.Generator().manual_seed(7 * seed + number)
    tokens = letters[torch.randint(len(letters), (length,), generator=generator)]
    text = Text(tokens, torch.arange(length), torch.full((length,), number))
    return Items(text, 0, torch.randn(length, N, generator=generator))


def holding(memory, *documents):
    memory.learn(documents)
    return memory


SCORER = Scorer()


def read(memory, items, alphabet=None, scorer=SCORER):
    query = Query(items.text, torch.arange(len(items.text.tokens)), items.z, scorer=scorer)
    return memory.predict(query, LETTERS.unique() if alphabet is None else alphabet)


# --- exact ---


def dense(memory, documents, items, alphabet, scorer):
    """Experts from one softmax over all items, ``(B, inverse_temperatures, A)``."""
    z = torch.cat([each.z for each in documents])
    tokens = torch.cat([each.text.tokens for each in documents])
    scores = scorer.scores(scorer.features(items.z, query=True), scorer.features(z, query=False))
    same = (tokens[:, None] == alphabet).float()
    seen = same.any(1)
    weights = [torch.softmax(s * scores[:, seen], 1) @ same[seen] for s in memory.inverse_temperatures]
    p = torch.stack(weights, 1) if seen.any() else torch.full((len(z), 1, 1), 1 / len(alphabet))
    return (1 - memory.smoothing) * p + memory.smoothing / len(alphabet)


THREE, TWO = (1.0, 2.0, 3.0), (0.5, 2.5)


@pytest.mark.parametrize(
    ("elements", "both", "powers"),
    [
        (1, True, THREE),
        (1, False, TWO),
        (120, True, TWO),
        (120, False, THREE),
        (1 << 20, True, THREE),
        (1 << 20, False, TWO),
    ],
)
def test_exact_is_one_softmax_in_blocks(monkeypatch, elements, both, powers):
    """Blocks of one item, of some and of all, in pairs with the other choices."""
    monkeypatch.setattr(exact, "_BLOCK_ENTRIES", elements)
    monkeypatch.setattr(exact, "_QUERY_ROWS", 16)
    documents, query, scorer = [document(0, d) for d in range(3)], document(1), Scorer(both=both)
    memory = holding(Exact(inverse_temperatures=powers), *documents)
    for alphabet in (LETTERS.unique(), torch.tensor([*b"ab"]), torch.tensor([1, *b"a"])):
        expected = dense(memory, documents, query, alphabet, scorer)
        assert_close(read(memory, query, alphabet, scorer).log_p.exp(), expected, atol=1e-5, rtol=1e-4)


def test_exact_finds_the_nearest_however_far_it_is():
    documents, scorer = [document(0)], Scorer(scale=1e4)
    memory = holding(Exact(inverse_temperatures=(1.0,)), *documents)
    query = document(1)._replace(z=document(1).z + 1e6)
    expected = dense(memory, documents, query, LETTERS.unique(), scorer)
    assert_close(read(memory, query, scorer=scorer).log_p.exp(), expected)


def test_exact_confidence_is_the_peak_of_the_first_expert():
    memory = holding(Exact(smoothing=1e-6), document(0))
    evidence = read(memory, document(1))
    peak = evidence.log_p[:, 0].exp().amax(1)
    assert torch.equal(evidence.gates[0], (8 * peak).long().clamp(max=7))
    certain = read(memory, document(1), torch.tensor([97]))
    assert (certain.gates[0] == 7).all()
    assert len(evidence.gates[0].unique()) > 2


def kept_places(memory):
    snapshot = memory.snapshot()
    return set(zip(snapshot["document"].tolist(), snapshot["offset"].tolist(), strict=True))


@LAW
@given(order=st.permutations(range(5)), commits=st.sets(st.integers(0, 4)), seed=seeds())
def test_exact_keeps_a_sample_that_does_not_depend_on_the_order(order, commits, seed):
    memory, batch = Exact(capacity=30), []
    for index in order:
        batch.append(document(seed, index))
        if index in commits:
            memory.learn(batch)
            batch = []
    memory.learn(batch)
    straight = holding(Exact(capacity=30), *(document(seed, d) for d in range(5)))
    assert_same(memory.snapshot(), straight.snapshot())
    assert len(memory.snapshot()["token"]) == 30


def test_exact_samples_are_nested_and_spread_over_the_documents():
    documents = [document(0, d, 100) for d in range(8)]
    small, large = (kept_places(holding(Exact(capacity=c), *documents)) for c in (80, 400))
    assert small < large
    shares = Counter(number for number, _ in large)
    assert all(30 <= shares[d] <= 70 for d in range(8)), shares
    halves = Counter(offset < 50 for _, offset in large)
    assert halves[True] == pytest.approx(200, abs=40)


def test_exact_without_a_capacity_keeps_all():
    assert len(kept_places(holding(Exact(capacity=0), *(document(0, d) for d in range(5))))) == 200


def test_exact_uses_the_geometry_of_the_query():
    memory = holding(Exact(), document(0))
    before = read(memory, document(1)).log_p
    other = Scorer(scale=5.0, both=False)
    after = read(memory, document(1), scorer=other).log_p
    assert torch.equal(after, read(holding(Exact(), document(0)), document(1), scorer=other).log_p)
    assert (after != before).any()


def test_exact_needs_coordinates_and_a_geometry():
    items = document(0)
    with pytest.raises(UsageError, match=r"give Items\.z"):
        Exact().learn([items._replace(z=None)])
    with pytest.raises(UsageError, match=r"give Query\.z and Query\.scorer"):
        read(Exact(), items, scorer=None)
    with pytest.raises(UsageError, match=r"give Query\.z"):
        read(holding(Exact(), items), items._replace(z=None))


@cases(
    ("options", "name"),
    [
        ({"inverse_temperatures": ()}, "inverse_temperatures"),
        ({"inverse_temperatures": (1.0, 0.0)}, "inverse_temperatures"),
        ({"inverse_temperatures": (float("nan"),)}, "inverse_temperatures"),
        ({"inverse_temperatures": (1.0, float("inf"))}, "inverse_temperatures"),
    ],
)
def test_wrong_options_of_exact(options, name):
    with pytest.raises(UsageError, match=name):
        Exact(**options)
