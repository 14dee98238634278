"""Laws of the memories beyond the contract: what they store, what they return, what each option does."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.counting.locations import COUNTER
from lior.errors import UsageError
from lior.interfaces import Features, Items, Query, Text
from lior.testing.memories import memory_contract
from lior.testing.states import assert_same
from lior.testing.strategies import LAW, seeds
from lior_plugins.memories import exact
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.sdm import Sdm

FEW = {"orders": (0, 1, 2, 3, 4), "patterns": ("word", "2-3", "column 1"), "joint": (), "window": 4}
"""Options of a memory that is quick to read."""
LETTERS = torch.tensor([*b"ab .\n"])
N = 3


class TestSdm(memory_contract(Sdm)): ...


class TestSdmSmall(
    memory_contract(lambda: Sdm(orders=(0, 2), patterns=(), joint=(), base_order=0, gates=(), window=3))
): ...


class TestSdmBatched(memory_contract(lambda: Sdm(path="batched", **FEW))): ...


class TestSdmStudied(memory_contract(lambda: studied(Sdm(**FEW)))):
    # What was learned stays when a memory is empty, and says something.
    test_an_empty_memory_knows_nothing = test_a_snapshot_of_nothing_empties = None


class TestExact(memory_contract(Exact)): ...


class TestExactSmall(memory_contract(lambda: Exact(capacity=200, sharpness=(0.5,), smoothing=0.1))): ...


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


def holding(memory, *documents, scorer=None):
    memory.attach(scorer or Scorer())
    for items in documents:
        memory.stage(items)
    memory.commit()
    return memory


def read(memory, items, alphabet=None):
    query = Query(items.text, torch.arange(len(items.text.tokens)), items.z)
    return memory.read(query, LETTERS.unique() if alphabet is None else alphabet)


# --- exact ---


def dense(memory, documents, items, alphabet, scorer):
    """Experts from one softmax over all items, ``(B, sharpness, A)``."""
    z = torch.cat([each.z for each in documents])
    tokens = torch.cat([each.text.tokens for each in documents])
    scores = scorer.scores(scorer.features(items.z, query=True), scorer.features(z, query=False))
    same = (tokens[:, None] == alphabet).float()
    seen = same.any(1)
    weights = [torch.softmax(s * scores[:, seen], 1) @ same[seen] for s in memory.sharpness]
    p = torch.stack(weights, 1) if seen.any() else torch.full((len(z), 1, 1), 1 / len(alphabet))
    return (1 - memory.smoothing) * p + memory.smoothing / len(alphabet)


@pytest.mark.parametrize("elements", [1, 120, 1 << 20], ids=["one item", "some items", "all items"])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("sharpness", [(1.0, 2.0, 3.0), (0.5, 2.5)])
def test_exact_is_one_softmax_in_blocks(monkeypatch, elements, both, sharpness):
    monkeypatch.setitem(exact._BLOCK_ELEMENTS, "cpu", elements)
    monkeypatch.setattr(exact, "_QUERY_ROWS", 16)
    documents, query, scorer = [document(0, d) for d in range(3)], document(1), Scorer(both=both)
    memory = holding(Exact(sharpness=sharpness), *documents, scorer=scorer)
    for alphabet in (LETTERS.unique(), torch.tensor([*b"ab"]), torch.tensor([1, *b"a"])):
        expected = dense(memory, documents, query, alphabet, scorer)
        assert_close(read(memory, query, alphabet).log_p.exp(), expected, atol=1e-5, rtol=1e-4)


def test_exact_finds_the_nearest_however_far_it_is():
    documents, scorer = [document(0)], Scorer(scale=1e4)
    memory = holding(Exact(sharpness=(1.0,)), *documents, scorer=scorer)
    query = document(1)._replace(z=document(1).z + 1e6)
    expected = dense(memory, documents, query, LETTERS.unique(), scorer)
    assert_close(read(memory, query).log_p.exp(), expected)


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
    memory = Exact(capacity=30)
    for index in order:
        memory.stage(document(seed, index))
        if index in commits:
            memory.commit()
    memory.commit()
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


def test_exact_uses_the_geometry_attached_last():
    memory = holding(Exact(), document(0))
    before = read(memory, document(1)).log_p
    other = Scorer(scale=5.0, both=False)
    memory.attach(other)
    after = read(memory, document(1)).log_p
    assert torch.equal(after, read(holding(Exact(), document(0), scorer=other), document(1)).log_p)
    assert (after != before).any()


@pytest.mark.parametrize("change", [{"capacity": 10}, {"sharpness": (1.5,)}, {"smoothing": 0.1}])
def test_every_option_of_exact_changes_results(change):
    base, changed = (read(holding(Exact(**o), document(0)), document(1)).log_p for o in ({}, change))
    assert base.shape != changed.shape or (base != changed).any()


def test_exact_needs_coordinates_and_a_geometry():
    items = document(0)
    with pytest.raises(UsageError, match=r"give Items\.z"):
        Exact().stage(items._replace(z=None))
    with pytest.raises(UsageError, match="attach a scorer"):
        read(Exact(), items)
    with pytest.raises(UsageError, match=r"give Query\.z"):
        read(holding(Exact(), items), items._replace(z=None))


def test_exact_erases_nothing_from_nothing():
    assert Exact().erase(document(0)) == 0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"sharpness": ()}, "sharpness"),
        ({"sharpness": (1.0, 0.0)}, "sharpness"),
        ({"sharpness": (float("nan"),)}, "sharpness"),
        ({"sharpness": (1.0, float("inf"))}, "sharpness"),
        ({"smoothing": 0.0}, "smoothing"),
        ({"smoothing": 0.6}, "smoothing"),
        ({"capacity": -1}, "capacity"),
    ],
)
def test_wrong_options_of_exact(options, name):
    with pytest.raises(UsageError, match=name):
        Exact(**options)


# --- sdm ---


def studied(memory):
    """A memory that has learned for both uses and holds nothing."""
    alphabet = LETTERS.unique()
    memory.study(document(5, 0, 100), alphabet, progress=0.5, write=True)
    memory.study(document(5, 1, 100), alphabet, progress=0.5, write=False)
    memory.clear()
    return memory


def study(memory, *documents, write=True, progress=0.3, alphabet=None):
    """Distributions of documents that are studied one after the other."""
    letters = LETTERS.unique() if alphabet is None else alphabet
    said = [memory.study(d, letters, progress=progress, write=write).log_p for d in documents]
    return torch.cat(said)


def test_sdm_learns_from_text_with_errors_without_touching_what_clean_text_taught():
    memory = studied(Sdm(**FEW, strangers=2))
    memory.stage(document(0, 1))
    memory.commit()
    before = {k: v.clone() for k, v in memory.snapshot().items()}
    noisy = document(0, 2)
    noisy = noisy._replace(kept=torch.rand(len(noisy.text.tokens) - noisy.start) < 0.8)
    memory.study(noisy, LETTERS.unique(), progress=0.5, write=False)
    after = memory.snapshot()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    new = {k for k in after if k not in before}
    assert new
    assert all(k.startswith("strange.") for k in new)
    assert any(not torch.equal(after[k], after[k.replace("strange", "static")]) for k in new)
    again = Sdm(**FEW, strangers=2)
    again.restore(after)
    query = Query(noisy.text, torch.arange(1, len(noisy.text.tokens)), None)
    said, same = (m.read(query, LETTERS.unique()) for m in (memory, again))
    assert torch.equal(said.log_p, same.log_p)
    assert {bool(gate >= 8) for gate in said.gates[0]} == {True, False}, (
        "usual and strange places, told apart"
    )
    with pytest.raises(UsageError, match="errors"):
        memory.study(noisy, LETTERS.unique(), progress=0.5, write=True)


def test_sdm_rewrites_what_comes_before_and_keeps_what_the_counters_learned():
    """A document written before others leads to a second reading; what remains keeps its logits."""
    memory = Sdm(**FEW)
    study(memory, document(0, 1), document(0, 2))
    kept = logits(memory)
    assert any(kept.values())
    memory.stage(document(0, 0))
    memory.commit()
    after = logits(memory)
    assert kept.keys() <= after.keys()
    assert {key: after[key] for key in kept} == kept
    assert not any(value for key, value in after.items() if key not in kept)
    assert memory.erase(document(0, 0)) == 40
    assert logits(memory) == kept


def logits(memory):
    """(Address, token) -> what its counter learned."""
    snapshot = memory.snapshot()
    counters = snapshot["counters"].numpy().reshape(-1).view(COUNTER)
    addresses = snapshot["addresses"].repeat_interleave(snapshot["sizes"])
    rows = zip(addresses.tolist(), counters["token"].tolist(), counters["logit"].tolist(), strict=True)
    return {(address, token): logit for address, token, logit in rows}


def test_sdm_counts_the_same_read_or_written():
    read_first, written = Sdm(**FEW), holding(Sdm(**FEW), document(0, 0), document(0, 1))
    study(read_first, document(0, 0), document(0, 1))
    one, other = read_first.snapshot(), written.snapshot()
    for name in ("passages", "tokens", "addresses", "sizes", "clock"):
        assert torch.equal(one[name], other[name]), name
    assert dict.fromkeys(logits(read_first), 0) == logits(written)


@pytest.mark.parametrize("static", [False, True])
def test_sdm_goes_on_from_a_snapshot_bit_for_bit(static):
    memory = Sdm(**FEW)
    study(memory, document(0, 0), document(0, 1))
    if static:
        study(memory, document(0, 5), write=False)
    snapshot = memory.snapshot()
    assert any(name.startswith("online.") for name in snapshot)
    assert any(name.startswith("static.") for name in snapshot) == static
    other = studied(Sdm(**FEW))
    other.restore(snapshot)
    assert_same(other.snapshot(), snapshot)
    for number, write in ((2, True), (3, False), (4, True)):
        one, two = (study(each, document(0, number, 70), write=write) for each in (memory, other))
        assert torch.equal(one, two)
        assert_same(other.snapshot(), memory.snapshot())
    assert torch.equal(read(memory, document(1)).log_p, read(other, document(1)).log_p)


def test_sdm_keeps_online_and_static_numbers_apart():
    memory = Sdm(**FEW)
    study(memory, document(0, 0))
    before = memory.snapshot()
    study(memory, document(0, 3), write=False)
    after = memory.snapshot()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    said = read(memory, document(1)).log_p
    study(memory, document(0, 4), write=False)
    assert (read(memory, document(1)).log_p != said).any()
    third = memory.snapshot()
    assert_same({k: v for k, v in third.items() if k in before}, before)


def test_sdm_forgets_items_and_not_what_it_learned():
    memory = Sdm(**FEW)
    study(memory, document(0, 0))
    learned = {k: v for k, v in memory.snapshot().items() if k.startswith("online.")}
    memory.stage(document(0, 1))
    memory.clear()
    assert memory.commit() == 0
    after = memory.snapshot()
    assert_same({k: v for k, v in after.items() if k.startswith("online.")}, learned)
    assert len(after["tokens"]) == len(after["addresses"]) == int(after["clock"]) == 0
    study(memory, document(0, 0))


def test_sdm_studies_documents_in_order_each_once():
    memory = Sdm(**FEW)
    study(memory, document(0, 1))
    before = memory.snapshot()
    for number in (0, 1):
        with pytest.raises(UsageError, match="in order, each once"):
            study(memory, document(0, number))
        assert_same(memory.snapshot(), before)
    study(memory, document(0, 2))


def test_sdm_takes_no_item_twice():
    memory = holding(Sdm(**FEW), document(0, 0))
    memory.stage(document(0, 1))
    memory.stage(document(0, 0))
    with pytest.raises(UsageError, match="already stored"):
        memory.commit()
    assert_same(memory.snapshot(), holding(Sdm(**FEW), document(0, 0), document(0, 1)).snapshot())


def test_sdm_alphabets_may_grow_and_hold_large_tokens():
    memory = Sdm(**FEW)
    wide = torch.tensor([*LETTERS.unique().tolist(), 300, 65535])
    items = document(0, 0)
    items.text.tokens[5::7] = 65535
    said = study(memory, items, document(0, 1), alphabet=wide)
    assert_close(said.exp().sum(2), torch.ones(said.shape[:2]))
    assert said[-40:].isfinite().all()
    assert read(memory, document(2), wide).log_p[:, 0, -1].mean() < -2
    assert study(Sdm(**FEW), document(0), alphabet=LETTERS[:1]).shape == (40, 1, 1)


def test_sdm_needs_no_coordinates():
    items = document(0)._replace(z=None)
    assert torch.equal(
        read(holding(Sdm(), items), items).log_p, read(holding(Sdm(), document(0)), items).log_p
    )


def test_sdm_refuses_to_erase_what_it_does_not_hold():
    memory = holding(Sdm(), document(0))
    before = memory.snapshot()
    for other in (document(1), document(0, 1)):
        with pytest.raises(UsageError, match="nothing was erased"):
            memory.erase(other)
        assert_same(memory.snapshot(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orders": ()}, "orders = "),
        ({"orders": (1, 2, 3)}, "orders = "),
        ({"orders": (0, 3, 2)}, "orders = "),
        ({"orders": (0, 3, 3)}, "orders = "),
        ({"orders": (0, 3, 256), "joint": ()}, "1-256"),
        ({"base_order": 9}, "base_order = 9"),
        ({"discounts": (0.0, 0.5)}, "discounts = "),
        ({"discounts": (1.1,)}, "discounts = "),
        ({"novel_discounts": (0.7, 1.0, 3.5)}, "novel_discounts = "),
        ({"patterns": ("sentences",)}, "'sentences'"),
        ({"joint": ("1 | 1-2",)}, "joint: '1 | 1-2'"),
        ({"joint": ("1 | 1-2 | 1-3 | 1-4 | 1-5 | 9",)}, "joint: '9'"),
        ({"gates": ("longest", "shortest")}, "shortest"),
        ({"weight_rate": (1e-3,)}, "weight_rate = "),
        ({"static_table_rate": (1e-3, 0.0)}, "static_table_rate = "),
        ({"logit_rate": (2.0, 1e-3)}, "logit_rate = "),
        ({"patterns": tuple(f"{k}" for k in range(1, 60))}, "71 patterns"),
    ],
)
def test_wrong_options_of_sdm(options, message):
    with pytest.raises(UsageError, match=message):
        Sdm(**options)
