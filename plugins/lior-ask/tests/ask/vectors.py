"""Vectors by chance, notes, and what is kept of them, for the tests of the index and of its server."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from lior_ask import Index
from lior_ask.index.cache import cache_file
from lior_ask.index.embedding import VARIABLE
from lior_ask.retrievers.settle import Settle

FAKE = f"{__name__}:Fake"
WIDTH = 48


class Fake:
    """Vectors by chance, a function of the text."""

    api_version: ClassVar[int] = 1
    width: ClassVar[int] = WIDTH
    digest: ClassVar[str] = "fake 1"
    unrelated: ClassVar[float] = 0.0
    related: ClassVar[float] = 1.0
    read: ClassVar[list[str]] = []

    def embed(self, texts, *, question=False):
        self.read.extend(texts)
        seeds = [[question, *text.encode("utf-8", "surrogatepass")] for text in texts]
        rows = np.stack([np.random.default_rng(seed).standard_normal(WIDTH) for seed in seeds])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Reads(Settle):
    """A retriever for which passages are read ahead."""

    embeds = True


READS = f"{__name__}:Reads"


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
    index.inverted.vectors.table.keep()
    return found


def kept(folder: Path) -> int:
    with closing(sqlite3.connect(cache_file((str(folder),)))) as database:
        return database.execute("SELECT count(*) FROM vectors").fetchone()[0]


@pytest.fixture
def read_ahead(monkeypatch):
    """Commands read ahead, with the embedder of this module; an event for when three texts are read."""
    done, embed = threading.Event(), Fake.embed

    def told(self, texts, *, question=False):
        found = embed(self, texts, question=question)
        if len(Fake.read) >= 3:
            done.set()
        return found

    monkeypatch.setattr(Fake, "embed", told)
    monkeypatch.setenv(VARIABLE, FAKE)
    monkeypatch.setattr("lior_ask.api.default_retriever", lambda: READS)
    return done
