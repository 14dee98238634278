"""Vectors of passages: read once, kept as long as a passage has the text, and the same however they came."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior import Index
from lior.ask.embedding import embedder, reading
from lior.ask.index import cache_file
from lior.errors import UnknownPlugin
from lior.interfaces import Passage

FAKE = f"{__name__}:Fake"
WIDTH = 48


class Fake:
    """Vectors by chance, a function of the text."""

    api_version: ClassVar[int] = 1
    width: ClassVar[int] = WIDTH
    digest: ClassVar[str] = "fake 1"
    languages: ClassVar[tuple[str, ...]] = ()
    read: ClassVar[list[str]] = []

    def embed(self, texts, *, question=False):
        self.read.extend(texts)
        seeds = [[question, *text.encode("utf-8", "surrogatepass")] for text in texts]
        rows = np.stack([np.random.default_rng(seed).standard_normal(WIDTH) for seed in seeds])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Fake.read.clear()


@pytest.fixture
def notes(tmp_path) -> Path:
    """A folder of two notes of one name; a sentence stands twice in one of them, and in both."""
    folder = tmp_path / "notes"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "x.md").write_text("# Boiler\n\nIt hums loudly at night.\n\nThe key hangs there.\n")
    (folder / "y.md").write_text("The roses are red.\n\nThe roses are red.\n")
    return folder


def opened(folder: Path, embedder: str = FAKE) -> Index:
    return Index(folder, retriever="settle", embedder=embedder)


def read(index: Index) -> np.ndarray:
    """The vectors of all passages, which are kept."""
    found = index.inverted.vectors.vectors(np.arange(len(index)))
    index.inverted.vectors.keep()
    return found


def kept(folder: Path) -> int:
    with closing(sqlite3.connect(cache_file((str(folder),)))) as database:
        return database.execute("SELECT count(*) FROM vectors").fetchone()[0]


def test_what_is_read_is_the_context_and_the_text():
    passage = Passage(document="a", line=1, text="It hums.", context="Boiler\nCellar")
    assert reading(passage) == "Boiler. Cellar. It hums."
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


def test_kept_vectors_are_those_of_the_embedder_up_to_rounding(notes):
    index = opened(notes)
    new = index.inverted.vectors.vectors(np.arange(4))
    exact = Fake().embed([reading(index.passage(row)) for row in range(4)])
    assert np.allclose(new, exact, atol=2 / 127)
    assert np.allclose(np.linalg.norm(new, axis=1), 1, atol=1e-6)
    index.inverted.vectors.keep()
    assert np.array_equal(read(opened(notes)), new), "nobody sees whether a vector was kept"


@settings(deadline=None, max_examples=25)
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
        index.inverted.vectors.keep()
    assert np.array_equal(read(index), expected)


def test_a_question_is_kept_too(notes):
    index = opened(notes)
    first = index.inverted.vectors.question("Where is it?").result()
    index.inverted.vectors.keep()
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


def test_nothing_of_a_forgotten_text_stays_on_the_disk(notes, tmp_path):
    def traces(vector: np.ndarray) -> int:
        data = np.rint(vector * 127 / abs(vector).max()).astype(np.int8).tobytes()
        return sum(data in file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file())

    index = opened(notes)
    boiler, _, roses, _ = read(index)
    question = index.inverted.vectors.question("Where is it?").result()
    index.inverted.vectors.keep()
    assert traces(boiler) == traces(roses) == traces(question) == 1
    (notes / "y.md").write_text("The roses are red.\n")
    opened(notes)
    assert traces(roses), "one of two is left"
    assert traces(question) == 0, "a question may say what a text said"
    (notes / "y.md").unlink()
    opened(notes)
    assert traces(roses) == 0
    assert traces(boiler) == 1
    assert kept(notes) == 2


def test_what_another_process_forgot_meanwhile_is_not_kept(notes):
    index = opened(notes)
    index.inverted.vectors.vectors(np.arange(4))
    (notes / "y.md").unlink()
    opened(notes)
    index.inverted.vectors.keep()
    assert kept(notes) == 2


def test_nothing_waits_for_another_process_that_writes(notes):
    index = opened(notes)
    with closing(sqlite3.connect(cache_file((str(notes),)), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begin = time.monotonic()
        first = read(index)
        assert time.monotonic() - begin < 2
        other.execute("ROLLBACK")
    assert kept(notes) == 0
    assert len(index.inverted.vectors.unread()) == 0
    assert np.array_equal(read(index), first)
    assert kept(notes) == 3
    assert len(Fake.read) == 3


def test_a_file_that_cannot_be_written_still_answers(notes, monkeypatch):
    opened(notes)
    file = cache_file((str(notes),))
    monkeypatch.setattr("lior.ask.database.os.access", lambda path, mode: mode != os.W_OK)
    index = opened(notes)
    first = read(index)
    assert np.array_equal(read(index), first)
    assert len(Fake.read) == 3
    assert index.ask("roses").found
    monkeypatch.undo()
    assert file.exists()


def test_damaged_vectors_are_read_again(notes):
    first = read(opened(notes))
    with closing(sqlite3.connect(cache_file((str(notes),)))) as database:
        database.execute("UPDATE vectors SET data = x'00'")
        database.commit()
    assert np.array_equal(read(opened(notes)), first)


def test_embedders_by_name():
    assert isinstance(embedder(FAKE), Fake)
    with pytest.raises(UnknownPlugin, match="nope"):
        embedder("nope")
    assert Index(embedder="").inverted.vectors is None
