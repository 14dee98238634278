"""Learning and forgetting after training: whatever the order, the memories are those of what is held.

"Equal" means every byte of what the memories store. What training fitted is compared apart, for documents
of the training had a part in it and it stays when they are forgotten: the learned numbers, and two of the
twelve bytes of a counter, its learned logit.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from pydoc_data.topics import topics
from typing import NamedTuple

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lior
from lior.config import build
from lior.data import corpus
from lior.data.corpus import Corpus
from lior.errors import DataError, RunError, UsageError
from lior.model.evaluation import evaluate
from lior.reading.documents import RawDocument
from lior.runs import editing
from lior.runs.run import Run
from lior.training.preparation import train
from tests.work import work

WORDS = "\n".join(text for _, text in sorted(topics.items())).encode()
TINY = (
    "geometry.updates=2",
    "geometry.batch=8",
    "geometry.keys=64",
    "encoder.n=4",
    "mixer.positions=64",
    "fit.passes=1",
    "data.holdout=0.2",
    "memory.sdm.orders=[0,1,2,3]",
    "memory.sdm.base_order=1",
    'memory.sdm.patterns=["word"]',
    "memory.sdm.joint=[]",
    'memory.sdm.gates=["longest","cell"]',
)
MEMORIES = ["sdm", "match", "exact"]
FITTED = ("online.", "static.", "unseen.")
LOGIT = slice(6, 8)


def part(number: int, size: int) -> bytes:
    """Text that no other number has, with words in common."""
    return b"%d: " % number + WORDS[1000 * number : 1000 * number + size]


TRAINED = [
    RawDocument("a.txt", part(0, 600)),
    RawDocument("notes/a.txt", part(1, 500)),
    RawDocument("rows.jsonl:1", part(2, 90)),
    RawDocument("rows.jsonl:2", part(3, 200)),
    RawDocument("twice", part(4, 100)),
    RawDocument("twice", part(5, 120)),
    RawDocument("across", part(6, 900)),
    RawDocument("valid/a.txt", part(7, 120)),
    RawDocument("valid/b", part(8, 70)),
]
"""What is in ``valid`` is held out whole, and so are the ends of ``a.txt`` and ``across``."""
LATER = [
    RawDocument("plan", part(10, 300)),
    RawDocument("old/plan", part(11, 150)),
    RawDocument("mail.jsonl:1", part(12, 80)),
    RawDocument("mail.jsonl:10", part(13, 60)),
    RawDocument("x", b"x"),
    RawDocument("b", part(1, 500)),
]
"""The last one is the text of a document of the training."""


class Held(NamedTuple):
    """A document that the run should have."""

    source: RawDocument
    tokens: int
    """How many of its tokens the memories should hold."""
    later: bool


@pytest.fixture(scope="module")
def base(configure, tmp_path_factory) -> Path:
    """The directory of a trained run."""
    return trained(configure, tmp_path_factory, 0, "keep")


@pytest.fixture(
    scope="module", params=[(0, "keep"), (100, "keep"), (0, "learn")], ids=["kept", "100 items", "learned"]
)
def either(request, base, configure, tmp_path_factory) -> Iterator[Path]:
    """Memories of items that have a place for all of them, or for 100; long documents come in pieces.

    The held-out text is kept or taken in.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(editing, "_BLOCK", 97)
        kept = request.param == (0, "keep")
        yield base if kept else trained(configure, tmp_path_factory, *request.param)


def trained(configure, tmp_path_factory, capacity: int, after: str) -> Path:
    config = configure(
        f"memory.name={','.join(MEMORIES)}",
        *TINY,
        f"memory.exact.capacity={capacity}",
        f"data.after_validation={after}",
    )
    out = tmp_path_factory.mktemp("runs") / "base"
    run = train(config, out, documents=TRAINED)
    found = {document.name: document for document in run.documents()}
    assert [document.bytes for document in run.documents()] == [len(source.data) for source in TRAINED]
    if after == "keep":
        assert [name for name, document in found.items() if not document.held] == ["valid/a.txt", "valid/b"]
        parts = [name for name, document in found.items() if 0 < document.held < document.tokens]
        assert parts == ["a.txt", "across"]
    else:
        assert all(document.held == document.tokens for document in found.values())
    return out


@pytest.fixture
def run(base, tmp_path) -> Run:
    """The trained run without a directory of its own: it is changed in memory."""
    return lior.load(base)


def at_first(run: Run) -> list[Held]:
    """The documents of the training, ends that stand apart too, as they lie in the corpus."""
    text, found = run.checkpoint.corpus, []
    for index, each in enumerate(run.checkpoint.parts()):
        data = bytes(text.tokens[slice(*text.bounds(index))].tolist())
        found.append(Held(RawDocument(each.name, data), each.held, False))
    return found


def stored(run: Run, *, fitted: bool) -> dict[str, torch.Tensor]:
    """What the memories hold; without what training fitted, unless ``fitted``."""
    found = {"token_counts": run.model.token_counts}
    for name, memory in run.model.memories.items():
        for key, value in memory.snapshot().items():
            if fitted or not key.startswith(FITTED):
                found[f"{name}.{key}"] = value.clone()
    if not fitted:
        found["sdm.counters"][:, LOGIT] = 0
    return found


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype
        assert torch.equal(value, other[name]), name


def told(base, held: list[Held]) -> Run:
    """A run with memories that are new and were told what is held, one document after the other."""
    run = lior.load(base)
    model, text = run.model, corpus.build_corpus([each.source for each in held], run.model.tokenizer)
    parts = run.checkpoint.components["memory"]
    model.memories = {each.name: build("memory", attrs.evolve(each, plugin=None)) for each in parts}
    model.token_counts = torch.zeros_like(model.token_counts)
    model.set_geometry(model.state)
    for index, each in enumerate(held):
        begin = int(text.starts[index])
        model.write(*text.text(begin, begin + each.tokens, context=model.context))
        model.commit()
    return run


def toggle(run: Run, held: list[Held], source: RawDocument) -> list[Held]:
    """Forget the document if the run has it, learn it otherwise; what it should have then."""
    if any(each.source.name == source.name for each in held):
        run.forget(source.name)
        return [each for each in held if each.source.name != source.name]
    run.learn({source.name: source.data})
    return [*held, Held(source, len(source.data), True)]


NAMES = st.sampled_from([*TRAINED, *LATER])


@settings(max_examples=8)
@given(order=st.lists(NAMES | st.sampled_from(LATER) | st.none(), max_size=10))
def test_any_order_leaves_what_is_held(either, tmp_path_factory, order):
    """Documents come and go, also those of the training; ``None`` saves the run and loads it."""
    run = lior.load(either)
    before, held = run.checkpoint.model, at_first(run)
    for source in order:
        if source is None:
            run = saved_and_loaded(run, tmp_path_factory)
        else:
            held = toggle(run, held, source)
    check(run, held)
    assert_equal(stored(run, fitted=False), stored(told(either, held), fitted=False))
    for own, first in ((run.model.state, before.state), (run.model.weights, before.weights)):
        assert_equal(own, first)
    first = at_first(lior.load(either))
    if held[: len(first)] == first:
        only = lior.load(either)
        for each in held[len(first) :]:
            only.learn({each.source.name: each.source.data})
        assert_equal(stored(run, fitted=True), stored(only, fitted=True))


def saved_and_loaded(run: Run, tmp_path_factory) -> Run:
    """The same run from a directory."""
    path = tmp_path_factory.mktemp("saved") / "r"
    shutil.copytree(run.path, path)
    edited = run.edited
    edited.path, edited.base = path, path / edited.base.relative_to(edited.base.parents[1])
    run.save()
    found = lior.load(path)
    assert_equal(stored(found, fitted=True), stored(run, fitted=True))
    assert found.documents() == run.documents()
    return found


def check(run: Run, held: list[Held]) -> None:
    """The text, its parts and the list of documents."""
    text = corpus.build_corpus([each.source for each in held], run.model.tokenizer)
    assert torch.equal(run.checkpoint.corpus.tokens, text.tokens)
    assert torch.equal(run.checkpoint.corpus.starts, text.starts)
    assert run.checkpoint.corpus.bytes == text.bytes
    assert run.checkpoint.n_train == sum(each.tokens for each in held if not each.later)
    assert run.checkpoint.end_of_training == sum(len(each.source.data) for each in held if not each.later)
    parts = run.checkpoint.parts()
    shown = [(d.name, d.bytes, d.tokens, d.held, d.added is not None) for d in parts]
    assert shown == [(e.source.name, len(e.source.data), len(e.source.data), e.tokens, e.later) for e in held]
    seen = b"".join(each.source.data[: each.tokens] for each in held)
    assert run.model.token_counts.tolist() == [seen.count(byte) for byte in range(256)]


def test_several_at_once_are_one_after_the_other(base, run):
    other = lior.load(base)
    names = ["across", "a.txt", "twice", "across", "valid/b"]
    gone = run.forget_all(names)
    assert [document.name for document in gone] == ["a.txt", "twice", "twice", "across", "valid/b"]
    for name in ("across", "a.txt", "twice", "valid/b"):
        other.forget(name)
    assert_equal(stored(run, fitted=True), stored(other, fitted=True))
    assert run.documents() == other.documents()
    assert run.changes == 5


def test_what_was_fitted_stays_and_is_named(base, run):
    assert run.checkpoint.fitted == ("geometry", "mixer", "weights of memory sdm")
    before = run.model.memories["sdm"].snapshot()
    run.forget("a.txt")
    after = run.model.memories["sdm"].snapshot()
    assert {k: v.tolist() for k, v in after.items() if k.startswith(FITTED)} == {
        k: v.tolist() for k, v in before.items() if k.startswith(FITTED)
    }
    assert after["counters"][:, LOGIT].any(), "counters that are still there keep what they learned"


def test_tokens_that_are_no_bytes(configure):
    """Sizes are those of the text, and the tokenizer is among what stays."""
    pytest.importorskip("tokenizers")
    config = configure("memory.name=sdm,match", "tokenizer=bpe", "tokenizer.vocab_size=300", *TINY)
    run = train(config, documents=TRAINED)
    assert run.checkpoint.fitted[0] == "tokenizer"
    assert [document.bytes for document in run.documents()] == [len(source.data) for source in TRAINED]
    before = stored(run, fitted=True)
    (learned,) = run.learn({"plan": LATER[0].data})
    assert learned.tokens < learned.bytes == len(LATER[0].data)
    run.forget("plan")
    assert_equal(before, stored(run, fitted=True))


# --- names ---


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.txt", ["a.txt"]),
        ("notes/a.txt", ["notes/a.txt"]),
        ("./notes/a.txt", ["notes/a.txt"]),
        ("rows.jsonl:2", ["rows.jsonl:2"]),
        ("b", ["valid/b"]),
        ("twice", ["twice"]),
    ],
)
def test_the_document_of_a_name_or_the_only_one_whose_path_ends_with_it(run, name, found):
    indices = editing.find(run.checkpoint, name)
    names = run.checkpoint.corpus.names
    assert [*dict.fromkeys(names[i] for i in indices)] == found
    assert len(indices) == names.count(found[0]), "all documents of the name, and all their parts"


def test_several_of_one_name_are_forgotten_together(run):
    gone = run.forget("twice")
    assert gone.bytes == gone.tokens == gone.held == sum(len(s.data) for s in TRAINED if s.name == "twice")
    assert "twice" not in run.checkpoint.corpus.names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere: no document of this name in the run. `lior docs` lists them."),
        ("acros", "acros: no document of this name in the run. Did you mean 'across'?"),
        ("rows.jsonl", "Did you mean 'rows.jsonl:"),
        ("xt", "no document of this name"),
        ("/a.txt", "no document"),
        ("", "'': no document"),
        (".", "no document"),
        ("a\nb\x1b", r"a\u000ab\u001b: no document"),
    ],
)
def test_names_that_no_document_has(run, name, message):
    with pytest.raises(DataError) as caught:
        run.forget(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(run.documents()) == len(TRAINED)


def test_an_ambiguous_name(run):
    run.learn({"one/c.txt": "c", "two/c.txt": "c"})
    with pytest.raises(DataError, match=r"2 documents have this name \(one/c.txt, two/c.txt\); give more of"):
        run.forget("c.txt")
    assert run.forget("two/c.txt").name == "two/c.txt"
    assert run.forget("c.txt").name == "one/c.txt", "now it is the only one"


# --- refusals: nothing is changed ---


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"new": "text", "a.txt": "text"}, "a.txt: there is a document of this name already; forget it"),
        ({"new": "text", "empty": ""}, "empty: no text in there"),
        ({"new": "text", "": "text"}, "a document needs a name"),
    ],
)
def test_what_cannot_be_learned_changes_nothing(run, texts, message):
    before = stored(run, fitted=True)
    with pytest.raises(DataError, match=message):
        run.learn(texts)
    assert_equal(before, stored(run, fitted=True))
    assert (len(run.documents()), run.changes) == (len(TRAINED), 0)


def test_an_unknown_name_among_several_forgets_none(run):
    before = stored(run, fitted=True)
    with pytest.raises(DataError, match="nowhere"):
        run.forget_all(["a.txt", "nowhere"])
    assert_equal(before, stored(run, fitted=True))
    assert (len(run.documents()), run.changes) == (len(TRAINED), 0)


def test_one_name_is_for_one_document(run, tmp_path):
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "two.txt").write_text("two")
    with pytest.raises(UsageError, match="name 'n' is for one document, not for 2; leave it out"):
        run.learn(tmp_path, name="n")
    assert run.learn(tmp_path / "one.txt", name="n")[0].name == "n"
    with pytest.raises(DataError, match="n: there is a document of this name already"):
        run.learn(tmp_path / "two.txt", name="n")
    with pytest.raises(UsageError, match="nothing to learn was given"):
        run.learn([])


def test_a_change_that_is_broken_off_is_not_written(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(run.model.memories["exact"]), "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.forget("a.txt")
    with pytest.raises(RunError, match="a change was interrupted; nothing was written; open the run anew"):
        run.save()


# --- the list, and what is left to score ---


def test_documents_have_sizes_and_dates(run):
    before = datetime.now(UTC).replace(microsecond=0)
    (learned,) = run.learn({"später": "äöü"})
    assert (learned.name, learned.bytes, learned.held) == ("später", 6, 6)
    assert before <= datetime.fromisoformat(learned.added) <= datetime.now(UTC)
    assert [document.added for document in run.documents()] == [None] * len(TRAINED) + [learned.added]


def test_many_documents_are_listed_at_once(run):
    count = 20_000
    text = Corpus(
        torch.full((count,), 97, dtype=torch.int32), torch.arange(count), ("a",) * count, bytes=count
    )
    many = attrs.evolve(run.checkpoint, corpus=text, n_train=count - 5)
    assert sum(document.held for document in many.documents()) == count - 5
    assert work(many.documents) < 4 * count, "nothing is computed for each of them alone"


@pytest.mark.parametrize("name", ["a.txt", "across", "valid/a.txt"])
def test_the_validation_text_is_what_is_left_of_it(run, name):
    run.learn({"later": "not for validation"})
    rest = b"".join(each.source.data[each.tokens :] for each in at_first_but(run, name))
    run.forget(name)
    text, lo, hi = run.checkpoint.validation()
    assert bytes(text.tokens[lo:hi].tolist()) == rest
    still = evaluate(run.model, text, lo, hi)
    assert evaluate(run.model, text, lo, hi, online=True).bytes == still.bytes == len(rest)


def at_first_but(run: Run, name: str) -> list[Held]:
    return [each for each in at_first(run) if each.source.name != name]


def test_everything_forgotten(base, run, tmp_path_factory):
    """The run still opens, scores, continues and learns."""
    run.forget_all(dict.fromkeys(source.name for source in TRAINED))
    run = saved_and_loaded(run, tmp_path_factory)
    assert run.documents() == []
    assert run.score("any text") == pytest.approx(8.0), "every byte is as likely as any other"
    assert len(run.complete("a", 5)) > 0
    assert run.sources("a", "b")[0].sources == ()
    with pytest.raises(RunError, match="no validation text of its own"):
        run.checkpoint.validation()
    with pytest.raises(DataError, match=r"no document of this name in the run. It has no documents."):
        run.forget("a.txt")
    source = LATER[0]
    run.learn({source.name: source.data})
    held = [Held(source, len(source.data), True)]
    check(run, held)
    assert_equal(stored(run, fitted=False), stored(told(base, held), fitted=False))
    assert run.score(source.data) < 6
    assert saved_and_loaded(run, tmp_path_factory).score(source.data) == run.score(source.data)
