"""Vectors of passages: read once, kept as long as a passage has the text, and the same however they came."""

# ruff: noqa: F811 (the names of fixtures are arguments)
from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from typing import ClassVar
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ask.vectors import FAKE, WIDTH, Fake, _cache, kept, notes, opened, read  # noqa: F401
from lior.errors import UnknownPlugin
from lior.interfaces import Passage
from lior.plugins.discovery import VARIABLES
from lior_ask import Index, idle
from lior_ask.embedders import bags
from lior_ask.index import vector_store
from lior_ask.index.cache import cache_file
from lior_ask.index.embedding import VARIABLE, default_embedder, embedder, reading
from lior_ask.judging.features import gather
from lior_ask.question.question import understood
from lior_ask.retrievers.meaning import Meaning


def test_what_is_read_is_the_text_and_what_is_above_it():
    passage = Passage(document="a", line=1, text="It hums.", context="Boiler\nCellar\nx md")
    assert reading(passage) == "It hums. (Boiler, Cellar, x md)"
    assert reading(Passage(document="a", line=1, text="It hums.")) == "It hums."


def test_a_text_is_read_once_in_its_life(notes):
    index = opened(notes)
    assert len(index.inverted.vectors.unread()) == 3
    first = read(index)
    assert len(Fake.read) == 3 == kept(notes)
    assert np.array_equal(first[2], first[3])
    (notes / "a" / "x.md").write_text("# Boiler\n\nIt hums loudly at night.\n\nThe key is lost.\n")
    (notes / "y.md").rename(notes / "y.txt")
    again = opened(notes)
    assert len(again.inverted.vectors.unread()) == 1
    assert np.array_equal(read(again)[0], first[0])
    assert len(Fake.read) == 4
    assert kept(notes) == 3


def test_of_a_document_the_beginning_is_read_once(notes):
    (notes / "long.md").write_text("# Long\n\n" + "\n\n".join(f"Sentence number {n}." for n in range(300)))
    index, numbers = opened(notes), np.arange(3)
    first = index.inverted.vectors.documents(numbers)
    index.inverted.vectors.table.keep()
    assert Fake.read[0] == "Boiler\nIt hums loudly at night.\nThe key hangs there."
    assert Fake.read[1].startswith("Long\nSentence number 0.\nSentence number 1.")
    assert 1000 < len(Fake.read[1]) < 1100
    assert np.array_equal(opened(notes).inverted.vectors.documents(numbers), first)
    assert len(Fake.read) == 3
    assert len(index.inverted.vectors.unread()) == 303, "passages are read apart"


def test_kept_vectors_are_those_of_the_embedder_up_to_rounding(notes):
    index = opened(notes)
    new = index.inverted.vectors.vectors(np.arange(4))
    exact = Fake().embed([reading(index.passage(row)) for row in range(4)])
    assert np.allclose(new, exact, atol=2 / 127)
    assert np.allclose(np.linalg.norm(new, axis=1), 1, atol=1e-6)
    index.inverted.vectors.table.keep()
    assert np.array_equal(read(opened(notes)), new), "nobody sees whether a vector was kept"


@settings(max_examples=12)
@given(st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=4))
def test_what_was_read_before_changes_nothing(tmp_path_factory, orders):
    index = Index(retriever="settle", embedder=FAKE)
    index.learn("n.md", "One is first.\n\nTwo is second.\n\nThree is third.\n\nFour is last.\n")
    whole = Index(retriever="settle", embedder=FAKE)
    whole.learn("n.md", "One is first.\n\nTwo is second.\n\nThree is third.\n\nFour is last.\n")
    expected = read(whole)
    for rows in orders:
        found = index.inverted.vectors.vectors(np.array(rows, np.int64))
        assert np.array_equal(found, expected[rows])
        index.inverted.vectors.table.keep()
    assert np.array_equal(read(index), expected)


class Meaningful(Fake):
    """Two directions: what is about noise, and all else."""

    digest: ClassVar[str] = "meaningful 1"

    def embed(self, texts, *, question=False):
        self.read.extend([] if question else texts)
        loud = [any(word in text for word in ("hums", "noise")) for text in texts]
        return np.eye(WIDTH, dtype=np.float32)[np.array(loud, int)]


@pytest.mark.parametrize(("few", "large", "ahead"), [(400, 99, 0), (0, 99, 0), (0, 99, 1), (0, 3, 1)])
def test_the_nearest_passages_are_found_where_all_are_read(notes, monkeypatch, few, large, ahead):
    monkeypatch.setattr("lior_ask.retrievers.meaning.FEW", few)
    monkeypatch.setattr(vector_store, "LARGE", large)
    monkeypatch.setattr("lior_ask.retrievers.meaning.BY_BAGS", 0)
    monkeypatch.setattr("lior_ask.retrievers.meaning.BY_WORDS", 0)
    index = Index(notes, retriever="meaning", embedder=f"{__name__}:Meaningful")
    if ahead:
        index.asker.read_ahead(lambda left: True)
    ranking = Meaning().rank(index.inverted, understood("What makes noise?"), 2)
    found = few > 0 or ahead
    assert [index.passage(row).text for row in ranking.passages[:1]] == ["It hums loudly at night."] * found
    assert len({*Fake.read}) == (3 if found else 0) + 2 * (large == 3), "the beginnings of two documents, too"


@pytest.mark.parametrize("few", [400, 0])
def test_a_question_encodes_no_more_tokens_than_its_budget(tmp_path, monkeypatch, few):
    """The best by words come first; the passages that do not fit are ranked by their words."""
    monkeypatch.setattr("lior_ask.retrievers.meaning.FEW", few)
    rows = [" ".join(f"cell{row}x{column}" for column in range(90)) for row in range(40)]
    (tmp_path / "wide.csv").write_text("\n".join(row.replace(" ", ",") for row in rows))
    (tmp_path / "note.md").write_text("The boiler hums.\n\nIt is old.\n")
    sizes = []

    def count(texts: list[str]) -> list[int]:
        return [1 + len(text) // 4 for text in texts]

    monkeypatch.setattr("lior_ask.retrievers.meaning.e5.count_tokens", count)
    monkeypatch.setattr(
        "lior_ask.retrievers.meaning.bags.cosines", lambda view, *_: np.linspace(1, 0.1, len(view))
    )
    for budget, hurried in ((60, False), (1000, True), (1000, False)):
        Fake.read.clear()
        index = Index(tmp_path, retriever="meaning", embedder=FAKE, cache=False)
        assert not index.inverted.vectors.hurried
        index.inverted.vectors.hurried = hurried
        for limit in ("BUDGET", "TOKENS"):  # of what is read at once, and of candidates
            monkeypatch.setattr(f"lior_ask.retrievers.meaning.{limit}", budget)
        ranking = Meaning().rank(index.inverted, understood("Why does the boiler hum?"), 200)
        asked = "Why does the boiler hum?"
        assert sum(count([text for text in Fake.read if text != asked])) <= budget
        assert any("boiler hums" in text for text in Fake.read)
        assert len(ranking.passages) > 40, "those without a vector are ranked, too"
        assert index.passage(ranking.passages[0]).text in ("The boiler hums.", "It is old.")
        sizes.append(len(Fake.read))
    assert sizes[0] < sizes[1] < sizes[2]


def test_of_many_candidates_the_likeliest_are_encoded_and_the_others_estimated(notes, monkeypatch):
    for limit, value in (("FEW", 0), ("BY_WORDS", 0), ("BY_BAGS", 4), ("READ", 1)):
        monkeypatch.setattr(f"lior_ask.retrievers.meaning.{limit}", value)
    near = np.array([0.1, 0.9, 0.5, 0.3], np.float32)
    monkeypatch.setattr("lior_ask.retrievers.meaning.bags.cosines", lambda view, *_: near)
    index = Index(notes, retriever="meaning", embedder=f"{__name__}:Meaningful")
    ranking = Meaning().rank(index.inverted, understood("Tell."), 4)
    assert len({*Fake.read}) == 1
    low, high = Meaningful.unrelated, Meaningful.related
    expected = (bags.as_encoder(near) - low) / (high - low)
    vectors = index.inverted.vectors
    exact = vectors.cosines(np.array([1]), vectors.question("Tell.").result())
    expected[1] = (exact[0] - low) / (high - low)
    assert np.allclose(ranking.evidence["encoder"], expected[ranking.passages])
    assert gather(understood("Tell."), ranking, index.inverted).level == "estimate"


def test_a_question_after_much_reading_encodes_less(notes, monkeypatch):
    monkeypatch.setattr("lior.reading.limits.Account.lasts", property(lambda account: not account._begun))
    index = Index(notes, retriever="meaning", embedder=FAKE, cache=False)
    assert index.inverted.vectors.hurried
    index.ask("When is the boiler serviced?")
    assert not index.inverted.vectors.hurried, "it is charged once"


def test_of_many_names_of_columns_those_that_the_question_meets_are_shown(tmp_path):
    """The row is one of 2,000 columns; "velvet" names one of them."""
    names = [f"c{''.join(chr(97 + int(digit)) for digit in str(n))}" for n in range(2000)]
    names[1500] = "velvet"
    rows = [",".join(f"{row}" for _ in names) for row in ("one", "two")]
    (tmp_path / "wide.csv").write_text("\n".join([",".join(names), *rows]))
    (tmp_path / "note.md").write_text("The boiler hums.\n")
    answer = Index(tmp_path, retriever="settle", embedder="", cache=False).ask("Which velvet is one?")
    shown = [passage.context for passage, _ in answer.passages if passage.document == "wide.csv"]
    assert shown
    assert all("velvet" in context and len(context) < 900 for context in shown)
    assert answer.block is None or len(answer.block.text) < 3000


def test_an_index_adopts_the_vectors_of_its_texts_and_no_others():
    one, other = (Index(retriever="settle", embedder=FAKE) for _ in range(2))
    one.learn("y.md", "The roses are red.\n\nIt snows.\n")
    other.learn("y.md", "The roses are red.\n\nIt rains.\n")
    first = read(one)
    Fake.read.clear()
    other.content.adopt(one.content)
    assert not Fake.read
    assert other.content.database.rows("SELECT count(*) FROM vectors") == [(1,)], (
        "nothing of what it does not have"
    )
    vectors = other.inverted.vectors
    assert [other.passage(row).text for row in vectors.lacking(np.arange(2))] == ["It rains."]
    assert np.array_equal(vectors.vectors(np.arange(1)), first[:1])


def test_the_vectors_of_a_large_index_lie_together_until_it_changes(notes, monkeypatch):
    index, rows = opened(notes), np.arange(4)
    question = index.inverted.vectors.question("Where is it?").result()
    expected = index.inverted.vectors.cosines(rows, question)
    index.inverted.vectors.table.keep()
    monkeypatch.setattr(vector_store, "LARGE", 2)
    large = opened(notes)
    assert not len(large.inverted.vectors.lacking(rows))
    assert np.allclose(large.inverted.vectors.cosines(rows, question), expected, atol=1e-6)
    with monkeypatch.context() as patched:
        patched.setattr(vector_store.VectorStore, "_vectors", Mock(side_effect=AssertionError("one by one")))
        again = opened(notes)
        assert np.allclose(again.inverted.vectors.cosines(rows, question), expected, atol=1e-6)
    (notes / "y.md").write_text("The roses are red.\n\nSomething new.\n")
    changed = opened(notes)
    rows = np.arange(len(changed))
    assert len(changed.inverted.vectors.lacking(rows)) == 1
    Fake.read.clear()
    with monkeypatch.context() as patched:
        patched.setattr(vector_store.VectorStore, "_vectors", Mock(side_effect=AssertionError("one by one")))
        assert len(changed.inverted.vectors.cosines(rows, question)) == len(rows)
    assert len(Fake.read) == 1, "the new passage"


def test_a_document_is_found_by_its_beginning_in_a_large_index(tmp_path, monkeypatch):
    """Only its title tells what it is about."""
    for name, title in (("a", "The noise"), ("b", "The roses")):
        (tmp_path / f"{name}.md").write_text(f"# {title}\n\n" + "Turn the screw.\n\nWait an hour.\n")
    monkeypatch.setattr("lior_ask.retrievers.meaning.FEW", 0)
    monkeypatch.setattr("lior_ask.retrievers.meaning.BY_WORDS", 0)
    monkeypatch.setattr("lior_ask.retrievers.meaning.BY_BAGS", 2)
    monkeypatch.setattr("lior_ask.retrievers.meaning.bags.cosines", lambda view, _: np.zeros(len(view)))
    monkeypatch.setattr(vector_store, "LARGE", 3)
    monkeypatch.setattr(vector_store, "SAMPLE", 0)
    index = Index(tmp_path, retriever="meaning", embedder=f"{__name__}:Meaningful")

    def found() -> set[str]:
        ranking = Meaning().rank(index.inverted, understood("What hums?"), 9)
        return {index.passage(row).document for row in ranking.passages}

    assert not found(), "the beginnings are not read"
    index.asker.read_ahead(lambda left: True, briefly=True)
    assert len({*Fake.read}) == 2
    assert found() == {"a.md"}


def test_a_question_is_kept_too(notes):
    index = opened(notes)
    first = index.inverted.vectors.question("Where is it?").result()
    index.inverted.vectors.table.keep()
    assert np.array_equal(opened(notes).inverted.vectors.question("Where is it?").result(), first)
    assert Fake.read == ["Where is it?"]
    assert abs(first @ Fake().embed(["Where is it?"], question=True)[0] - 1) < 1e-3


def test_another_embedder_has_vectors_of_its_own(notes, monkeypatch):
    read(opened(notes))
    monkeypatch.setattr(Fake, "digest", "fake 2")
    other = opened(notes)
    assert len(other.inverted.vectors.unread()) == 3
    read(other)
    assert kept(notes) == 6


@pytest.mark.parametrize("large", [99, 2])
def test_nothing_of_a_forgotten_text_stays_on_the_disk(notes, tmp_path, monkeypatch, large):
    def traces(vector: np.ndarray) -> int:
        data = np.rint(vector * 127 / abs(vector).max()).astype(np.int8).tobytes()
        return sum(data in file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file())

    monkeypatch.setattr(vector_store, "LARGE", large)
    index = opened(notes)
    boiler, _, roses, _ = read(index)
    [whole, _] = index.inverted.vectors.documents(np.arange(2))
    question = index.inverted.vectors.question("Where is it?").result()
    index.inverted.vectors.table.keep()
    assert traces(boiler) == traces(roses) == traces(question) == traces(whole) == 1
    assert not len(opened(notes).inverted.vectors.lacking(np.arange(4)))
    (notes / "y.md").write_text("The roses are red.\n")
    opened(notes)
    assert traces(roses), "one of two is left"
    assert traces(question) == 0, "a question may say what a text said"
    (notes / "y.md").unlink()
    opened(notes)
    assert traces(roses) == 0
    assert traces(boiler) == 1
    assert kept(notes) == 3
    (notes / "a" / "x.md").write_text("# Boiler\n\nIt hums loudly at night.\n")
    opened(notes)
    assert traces(whole) == 0, "the document is another one now"
    assert kept(notes) == 1


def test_what_another_process_forgot_meanwhile_is_not_kept(notes):
    index = opened(notes)
    index.inverted.vectors.vectors(np.arange(4))
    (notes / "y.md").unlink()
    opened(notes)
    index.inverted.vectors.table.keep()
    assert kept(notes) == 2


def test_nothing_waits_for_another_process_that_writes(notes, monkeypatch):
    """The other process ends when the vectors are read; after half a minute it frees who waits for it."""
    monkeypatch.setattr("lior_ask.index.sqlite._WAIT", 600.0)
    index, done = opened(notes), threading.Event()
    place = cache_file((str(notes),))
    with closing(sqlite3.connect(place, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        end = threading.Thread(target=lambda: (done.wait(30), other.execute("ROLLBACK")))
        end.start()
        first = read(index)
        done.set()
        end.join()
    assert kept(notes) == 0
    assert len(index.inverted.vectors.unread()) == 0
    assert np.array_equal(read(index), first)
    assert kept(notes) == 3
    assert len(Fake.read) == 3


def test_a_file_that_cannot_be_written_still_answers(notes, monkeypatch):
    opened(notes)
    file = cache_file((str(notes),))
    monkeypatch.setattr("lior_ask.index.sqlite.os.access", lambda path, mode: mode != os.W_OK)
    index = opened(notes)
    first = read(index)
    assert np.array_equal(read(index), first)
    assert len(Fake.read) == 3
    assert index.ask("roses").found
    monkeypatch.undo()
    assert file.exists()


def test_damaged_vectors_are_read_again(notes, monkeypatch):
    first = read(opened(notes))
    with closing(sqlite3.connect(cache_file((str(notes),)))) as database:
        database.execute("UPDATE vectors SET data = x'00'")
        database.commit()
    assert np.array_equal(read(opened(notes)), first)
    Fake.read.clear()
    read(opened(notes))
    assert not Fake.read, "and kept"
    with closing(sqlite3.connect(cache_file((str(notes),)))) as database:
        database.execute("UPDATE vectors SET data = x'00'")
        database.commit()
    monkeypatch.setattr(vector_store, "LARGE", 2)
    index, rows = opened(notes), np.arange(4)
    assert np.allclose(index.inverted.vectors.cosines(rows, first[0]), first @ first[0], atol=1e-6)


def test_embedders_by_name():
    assert isinstance(embedder(FAKE), Fake)
    with pytest.raises(UnknownPlugin, match="nope"):
        embedder("nope")
    assert Index(embedder="").inverted.vectors is None


def test_the_embedder_where_none_is_given(monkeypatch):
    assert {VARIABLE, idle.VARIABLE} <= VARIABLES.keys(), "a configuration would refuse them"
    monkeypatch.delenv(VARIABLE, raising=False)
    assert default_embedder() == "e5"
    monkeypatch.setenv(VARIABLE, "")
    assert Index().inverted.vectors is None
    monkeypatch.setenv(VARIABLE, FAKE)
    assert isinstance(Index().inverted.vectors.embedder, Fake)


def test_a_confirmed_question_is_a_further_vector_of_its_passage(notes):
    index = opened(notes)
    store, rows, asked = index.inverted.vectors, np.arange(4), "Who hums at night?"
    vector = store.question(asked.lower()).result()
    before = store.cosines(rows, vector)
    np.testing.assert_allclose(before, store.vectors(rows) @ vector)
    assert index.confirm(asked, index.passage(0))
    after = store.cosines(rows, vector)
    assert abs(after[0] - 0.9) < 1e-6
    assert np.array_equal(after[1:], before[1:])
    store.table.keep()
    assert np.array_equal(opened(notes).inverted.vectors.cosines(rows, vector), after)
    assert not index.confirm(asked, index.passage(0))
    assert np.array_equal(store.cosines(rows, vector), before), "taken back"
    index.confirm(asked, index.passage(0))
    (notes / "a" / "x.md").unlink()
    assert np.array_equal(opened(notes).inverted.vectors.cosines(rows[:2], vector), before[2:])


def test_vectors_of_an_earlier_version_of_the_encoder_are_made_again(tmp_path, monkeypatch, caplog):
    (tmp_path / "n.md").write_text("The boiler hums.\n")

    def kept(digest):
        monkeypatch.setattr("lior_ask.embedders.e5._digest", lambda: digest)
        index = Index(tmp_path, retriever="meaning", embedder="e5")
        index.ask("Does the boiler hum?")
        rows = index.inverted.database.rows(
            "SELECT e.digest FROM vectors v JOIN embedders e ON e.id = v.embedder"
        )
        return {name for (name,) in rows}

    assert kept("e5, first") == {"e5, first"}
    assert not caplog.messages
    assert kept("e5, second") == {"e5, second"}
    assert caplog.messages == ["the encoder is a new version: vectors of passages are computed again"]
    assert kept("e5, second") == {"e5, second"}
    assert len(caplog.messages) == 1
