"""Laws of the memory ``sdm`` beyond the contract: what it keeps, learns and forgets."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from lior.errors import UsageError
from lior.interfaces import Items, Query, Text
from lior.model.space import Space
from lior.reading.documents import RawDocument
from lior.testing.tensors import assert_same
from lior.training.preparation import train
from lior_plugins.counting import batch_counting, locations, totals
from lior_plugins.counting.locations import COUNTER
from lior_plugins.memories.sdm import Sdm
from tests.builtin.test_memories import LETTERS, document, holding, read
from tests.cases import cases
from tests.second_device import CUDA, second_device

FEW = {"orders": (0, 1, 2, 3, 4), "patterns": ("word", "2-3", "column 1"), "joint": (), "window": 4}
"""Options of a memory that is quick to read."""
SMALLEST = {"orders": (0, 2), "patterns": (), "joint": (), "base_order": 0, "gates": (), "window": 3}


def fitted(memory):
    """A memory that has learned for both uses and holds nothing."""
    alphabet = LETTERS.unique()
    memory.fit(document(5, 0, 100), alphabet, progress=0.5, write=True)
    memory.fit(document(5, 1, 100), alphabet, progress=0.5, write=False)
    memory.rewrite(())
    return memory


def fit(memory, *documents, write=True, progress=0.3, alphabet=None):
    """Distributions of documents that are fitted one after the other."""
    letters = LETTERS.unique() if alphabet is None else alphabet
    said = [memory.fit(d, letters, progress=progress, write=write).log_p for d in documents]
    return torch.cat(said)


def test_sdm_learns_from_text_with_errors_without_touching_what_clean_text_taught():
    memory = fitted(Sdm(**FEW, unseen_contexts=2))
    memory.learn([document(0, 1)])
    before = {k: v.clone() for k, v in memory.snapshot().items()}
    noisy = document(0, 2)
    noisy = noisy._replace(kept=torch.rand(len(noisy.text.tokens) - noisy.start) < 0.8)
    memory.fit(noisy, LETTERS.unique(), progress=0.5, write=False)
    after = memory.snapshot()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    new = {k for k in after if k not in before}
    assert new
    assert all(k.startswith("unseen.") for k in new)
    assert any(not torch.equal(after[k], after[k.replace("unseen", "static")]) for k in new)
    again = Sdm(**FEW, unseen_contexts=2)
    again.restore(after)
    query = Query(noisy.text, torch.arange(1, len(noisy.text.tokens)), None)
    said, same = (m.predict(query, LETTERS.unique()) for m in (memory, again))
    assert torch.equal(said.log_p, same.log_p)
    assert {bool(gate >= 8) for gate in said.gates[0]} == {True, False}, (
        "both sets serve, each at its own positions"
    )
    with pytest.raises(UsageError, match="errors"):
        memory.fit(noisy, LETTERS.unique(), progress=0.5, write=True)


def test_sdm_rewrites_what_comes_before_and_keeps_what_the_counters_learned():
    """A document written before others leads to a second reading; what remains keeps its logits."""
    memory = Sdm(**FEW)
    fit(memory, document(0, 1), document(0, 2))
    kept = logits(memory)
    assert any(kept.values())
    memory.learn([document(0, 0)])
    after = logits(memory)
    assert kept.keys() <= after.keys()
    assert {key: after[key] for key in kept} == kept
    assert not any(value for key, value in after.items() if key not in kept)
    memory.rewrite([document(0, 1), document(0, 2)])
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
    fit(read_first, document(0, 0), document(0, 1))
    one, other = read_first.snapshot(), written.snapshot()
    for name in ("passages", "tokens", "addresses", "sizes", "clock"):
        assert torch.equal(one[name], other[name]), name
    assert dict.fromkeys(logits(read_first), 0) == logits(written)


@cases("static", [False, True])
def test_sdm_goes_on_from_a_snapshot_bit_for_bit(static):
    memory = Sdm(**FEW)
    fit(memory, document(0, 0), document(0, 1))
    if static:
        fit(memory, document(0, 5), write=False)
    snapshot = memory.snapshot()
    assert any(name.startswith("online.") for name in snapshot)
    assert any(name.startswith("static.") for name in snapshot) == static
    other = fitted(Sdm(**FEW))
    other.restore(snapshot)
    assert_same(other.snapshot(), snapshot)
    for number, write in ((2, True), (3, False), (4, True)):
        one, two = (fit(each, document(0, number, 70), write=write) for each in (memory, other))
        assert torch.equal(one, two)
        assert_same(other.snapshot(), memory.snapshot())
    assert torch.equal(read(memory, document(1)).log_p, read(other, document(1)).log_p)


def test_sdm_keeps_online_and_static_numbers_apart():
    memory = Sdm(**FEW)
    fit(memory, document(0, 0))
    before = memory.snapshot()
    fit(memory, document(0, 3), write=False)
    after = memory.snapshot()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    said = read(memory, document(1)).log_p
    fit(memory, document(0, 4), write=False)
    assert (read(memory, document(1)).log_p != said).any()
    third = memory.snapshot()
    assert_same({k: v for k, v in third.items() if k in before}, before)


@cases("counted", [False, True])
def test_sdm_begins_online_with_the_static_weights_if_it_only_counted(counted):
    still = dict.fromkeys(("weight_rate", "token_rate", "table_rate"), (1e-30, 1e-30))
    memory = Sdm(**FEW, **still)
    (holding if counted else fit)(memory, document(0, 0))
    fit(memory, document(0, 3), write=False)
    fit(memory, document(0, 4))
    after = memory.snapshot()
    assert torch.equal(after["online.token_weight"], after["static.token_weight"]) == counted


def test_sdm_forgets_items_and_not_what_it_learned():
    memory = Sdm(**FEW)
    fit(memory, document(0, 0))
    learned = {k: v for k, v in memory.snapshot().items() if k.startswith("online.")}
    memory.learn([document(0, 1)])
    memory.rewrite(())
    after = memory.snapshot()
    assert_same({k: v for k, v in after.items() if k.startswith("online.")}, learned)
    assert len(after["tokens"]) == len(after["addresses"]) == int(after["clock"]) == 0
    fit(memory, document(0, 0))


def test_sdm_fits_documents_in_order_each_once():
    memory = Sdm(**FEW)
    fit(memory, document(0, 1))
    before = memory.snapshot()
    for number in (0, 1):
        with pytest.raises(UsageError, match="in order, each once"):
            fit(memory, document(0, number))
        assert_same(memory.snapshot(), before)
    fit(memory, document(0, 2))


def test_sdm_takes_no_item_twice():
    memory = holding(Sdm(**FEW), document(0, 0))
    with pytest.raises(UsageError, match="already stored"):
        memory.learn([document(0, 1), document(0, 0)])
    assert_same(memory.snapshot(), holding(Sdm(**FEW), document(0, 0), document(0, 1)).snapshot())


def test_sdm_alphabets_may_grow_and_hold_large_tokens():
    memory = Sdm(**FEW)
    wide = torch.tensor([*LETTERS.unique().tolist(), 300, 65535])
    items = document(0, 0)
    items.text.tokens[5::7] = 65535
    said = fit(memory, items, document(0, 1), alphabet=wide)
    assert_close(said.exp().sum(2), torch.ones(said.shape[:2]))
    assert said[-40:].isfinite().all()
    assert read(memory, document(2), wide).log_p[:, 0, -1].mean() < -2
    assert fit(Sdm(**FEW), document(0), alphabet=LETTERS[:1]).shape == (40, 1, 1)


@cases(
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
        ({"patterns": tuple(f"{k}" for k in range(1, 60))}, "69 patterns"),
    ],
)
def test_wrong_options_of_sdm(options, message):
    with pytest.raises(UsageError, match=message):
        Sdm(**options)


def test_a_snapshot_of_other_settings_is_refused_and_changes_nothing():
    memory, other = fitted(Sdm(**FEW)), fitted(Sdm(**{**FEW, "gates": ("longest", "previous")}))
    before = {k: v.clone() for k, v in memory.snapshot().items()}
    with pytest.raises(UsageError, match=r"online\.gate_weight"):
        memory.restore(other.snapshot())
    assert_same(memory.snapshot(), before)


def test_a_trial_learns_by_itself_and_without_the_geometry_all_cells_begin_alike():
    memory, alphabet = Sdm(**FEW, gates=("longest", "cell"), cells=3), LETTERS.unique()
    items = document(5, 0, 100)
    items = items._replace(cell=torch.arange(len(items.text.tokens) - items.start) % 3)
    memory.fit(items, alphabet, progress=0.5, write=True)
    before = {name: value.clone() for name, value in memory.snapshot().items()}
    trials = {geometry: memory.trial(geometry=geometry) for geometry in (True, False)}
    rows = {geometry: trial.snapshot()["online.gate_weight"][-3:] for geometry, trial in trials.items()}
    assert torch.equal(rows[True], before["online.gate_weight"][-3:])
    assert not torch.equal(rows[True][0], rows[True][1])
    assert_close(rows[False], rows[True].mean(0).expand(3, -1))
    said = {
        geometry: trial.fit(
            items if geometry else items._replace(cell=None), alphabet, progress=0.5, write=False
        )
        for geometry, trial in trials.items()
    }
    assert not torch.equal(said[True].log_p, said[False].log_p)
    assert_same(memory.snapshot(), before)


def test_what_is_only_written_needs_no_coordinates(configure, monkeypatch):
    """Its cells are the geometry's, yet a document is learned and forgotten without computing any."""
    small = (
        "geometry.updates=1",
        "geometry.batch=8",
        "geometry.keys=64",
        "mixer.positions=64",
        "fit.passes=1",
    )
    run = train(
        configure("memory.name=sdm", *small), documents=[RawDocument("a", bytes(range(64, 128)) * 20)]
    )
    assert "cell" in run.model.memories["sdm"].gates
    assert run.model.geometry is not None
    expected = run.model.memories["sdm"].snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(Space, "coordinates", lambda *_: pytest.fail("coordinates were computed"))
        run.learn({"b": "Further text."})
        run.forget("b")
    assert_same(run.model.memories["sdm"].snapshot(), expected)
    asked = []
    monkeypatch.setattr(Space, "coordinates", lambda *_: asked.append(1))
    run.model.write(*run.checkpoint.corpus.text(0, 9))
    assert not asked
    able = Sdm(**FEW).abilities._replace(coordinates=True)
    monkeypatch.setattr(Sdm, "abilities", able)
    run.model.write(*run.checkpoint.corpus.text(0, 9))
    assert asked, "they are there for a memory that stores them"


# --- counts from totals ---


def test_later_text_is_counted_in_sequence_until_a_step_is_full(monkeypatch):
    built = []
    build = totals.build
    monkeypatch.setattr(
        totals,
        "build",
        lambda texts, *a, **k: built.append(sum(map(counted, texts))) or build(texts, *a, **k),
    )
    memory, text = Sdm(counts="totals", **FEW), document(0, 0, 600).text
    for lo, hi in ((0, 512), (512, 520), (520, 543), (543, 544), (544, 560), (560, 600)):
        memory.learn([Items(Text(*(column[:hi] for column in text)), lo, None)])
        assert memory.snapshot()["settled"].tolist() == [batch_counting.settle(hi), -1, -1]
    assert built == [512, 544, 576]
    assert_same(memory.snapshot(), holding(Sdm(counts="totals", **FEW), document(0, 0, 600)).snapshot())


def counted(segment):
    return len(segment.tokens) - segment.start


def test_counts_from_totals_hold_more_of_what_came_twice_and_no_learned_logit():
    sequence, whole = (
        holding(Sdm(counts=kind, **FEW), document(0, 0, 200)) for kind in ("sequence", "totals")
    )
    known, more = (set(memory.snapshot()["addresses"].tolist()) for memory in (sequence, whole))
    assert known < more
    assert not any(logits(whole).values())


def test_what_was_learned_in_sequence_keeps_its_logits_when_all_is_counted_again():
    memory = Sdm(counts="totals", **FEW)
    fit(memory, document(0, 0, 90))
    kept = logits(memory)
    assert memory.snapshot()["settled"][0] == 0
    assert any(kept.values())
    memory.learn([document(0, 1, 90)])
    assert memory.snapshot()["settled"][0] == 176
    after = logits(memory)
    assert {key: after.get(key) for key in kept} == kept


def test_a_memory_without_a_part_holds_the_rest_and_shares_what_it_learns():
    text = document(0, 0, 1024).text
    first, second = Items(Text(*(column[:512] for column in text)), 0, None), Items(text, 512, None)
    memory, steps = Sdm(counts="totals", **FEW), Sdm(counts="totals", **FEW)
    memory.finish([Items(text, 0, None)])
    for begin, here, other in ((0, first, second), (512, second, first)):
        steps.rewrite([other])
        for each in (memory.without(begin, begin + 512), steps):
            each.fit(here, text.tokens.unique(), progress=begin / 1024, write=False)
    steps.rewrite([])
    steps.finish([Items(text, 0, None)])
    assert_same(memory.snapshot(), steps.snapshot())


def test_totals_are_counted_on_the_device_of_the_text(monkeypatch):
    used, count = [], totals.part_on
    monkeypatch.setattr(totals, "part_on", lambda *given: used.append(given[-1]) or count(*given))
    items = document(0, 0, 600)
    with second_device():
        text = Text(*(column.to(CUDA) for column in items.text))
        found = holding(Sdm(counts="totals", **FEW), items._replace(text=text)).snapshot()
    assert used == [CUDA]
    assert_same(found, holding(Sdm(counts="totals", **FEW), items).snapshot())


@pytest.mark.parametrize("settles", [False, True])
def test_a_long_text_is_counted_in_sequence(settles, monkeypatch):
    monkeypatch.setattr(batch_counting, "MOST", 100)
    memory, sequence = Sdm(counts="totals", **FEW), holding(Sdm(**FEW), document(0, 0, 101))
    (memory.finish if settles else memory.learn)([document(0, 0, 101)])
    found = memory.snapshot()
    assert found.pop("settled")[0] == 0
    assert_same(found, sequence.snapshot())


def test_counts_from_totals_keep_within_the_budget():
    free = holding(Sdm(counts="totals", **FEW), document(0, 0, 4000))
    memory = holding(Sdm(counts="totals", budget=20_000, **FEW), document(0, 0, 4000))
    sizes = [locations.size(each._engine.store) for each in (free, memory)]
    assert sizes[1] <= 20_000 < sizes[0]


def test_a_snapshot_without_totals_is_read_and_a_wrong_one_refused():
    memory = holding(Sdm(counts="totals", **FEW), document(0, 0, 90))
    snapshot = memory.snapshot()
    for wrong, message in (
        (torch.tensor([91, -1, -1]), "settled is 91, of 90"),
        (torch.tensor(1), "settled is int64"),
    ):
        with pytest.raises(UsageError, match=message):
            memory.restore(snapshot | {"settled": wrong})
        assert_same(memory.snapshot(), snapshot)
    old = holding(Sdm(**FEW), document(0, 0, 90)).snapshot()
    assert "settled" not in old
    memory.restore(old)
    memory.learn([document(0, 1, 90)])
    assert_same(
        memory.snapshot(),
        holding(Sdm(counts="totals", **FEW), *(document(0, k, 90) for k in (0, 1))).snapshot(),
    )


def settled_once(memory, tokens):
    """A memory that settled so many tokens in training, and holds nothing."""
    memory.finish([document(9, 0, tokens)])
    memory.rewrite(())
    return memory


def test_what_comes_after_the_text_of_the_training_is_counted_in_sequence():
    first, later = document(0, 0, 75), document(0, 1, 400)
    memory = Sdm(counts="totals", **FEW)
    memory.finish([first])
    for text, settled in ((None, 75), (later, 75)):
        if text:
            memory.learn([text])
        assert memory.snapshot()["settled"].tolist() == [settled, 0, 75]
    other = Sdm(counts="totals", **FEW)
    other.restore(memory.snapshot())
    other.rewrite([later])
    assert other.snapshot()["settled"].tolist() == [0, 0, 75]
    other.learn([first])
    assert_same(other.snapshot(), memory.snapshot())
    sequence = Sdm(**FEW)
    sequence.finish([first])
    assert_same(sequence.snapshot(), holding(Sdm(**FEW), first).snapshot())


@cases("gone", range(3))
def test_a_document_of_the_training_is_forgotten_as_if_it_had_never_been_there(gone):
    texts, later = [document(3, number, 90) for number in range(4)], document(3, 7, 60)
    rest = [text for number, text in enumerate(texts) if number != gone]
    memories = []
    for trained in (texts, rest):
        memory = Sdm(counts="totals", **FEW)
        memory.finish(trained)
        memory.learn([later])
        memories.append(memory)
    memories[0].rewrite([*rest, later])
    assert_same(memories[0].snapshot(), memories[1].snapshot())


@cases("committed", [False, True])
def test_what_was_committed_is_settled_too(committed):
    memory, text = Sdm(counts="totals", **FEW), document(0, 0, 75)
    if committed:
        memory.learn([text])
        assert memory.snapshot()["settled"].tolist() == [72, -1, -1]
    memory.finish([] if committed else [text])
    other = Sdm(counts="totals", **FEW)
    other.finish([text])
    assert_same(memory.snapshot(), other.snapshot())
