"""Loops of faults while an index is saved: the next question works, is right, and mends what is kept."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from lior import Index
from tests.faults.faults import FINISHED, SLICES, Faults, fail, in_child, kill, operations

QUESTION = "When are the roses cut?"


@pytest.fixture
def before(tmp_path, monkeypatch) -> Path:
    """A folder and its index in the cache; after that a note has changed, one has gone, and one is new."""
    home = tmp_path / "before"
    notes = home / "notes"
    notes.mkdir(parents=True)
    texts = {
        "garden": "Cut the roses in March.\n",
        "secret": "The password is quagmire.\n",
        "a": "It rains.\n",
    }
    for name, text in texts.items():
        (notes / f"{name}.md").write_text(text)
        os.utime(notes / f"{name}.md", (10**9, 10**9))
    shutil.copytree(home, tmp_path / "work")
    place(tmp_path / "work", monkeypatch)
    Index(tmp_path / "work" / "notes").ask(QUESTION)
    (tmp_path / "work" / "notes" / "garden.md").write_text("Cut the roses in April.\n")
    (tmp_path / "work" / "notes" / "secret.md").unlink()
    (tmp_path / "work" / "notes" / "new.md").write_text("The hedge is cut in June.\n")
    shutil.rmtree(home)
    shutil.move(tmp_path / "work", home)
    return home


def place(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))


def asked(notes: Path) -> Index:
    index = Index(notes)
    index.learn("told.md", "The ladder is in the shed.\n")
    assert index.ask(QUESTION).answer.text == "Cut the roses in April."
    return index


def kept(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (home / "cache").rglob("*") if path.is_file())


@pytest.mark.parametrize("every", SLICES)
@pytest.mark.parametrize("how", ["error", "kill"])
def test_saving_an_index_through_every_fault(before, tmp_path, monkeypatch, how, every):
    home = tmp_path / "work"  # the same path for all, for it names the file in the cache
    place(home, monkeypatch)
    shutil.copytree(before, home)
    total = operations(lambda: asked(home / "notes"), home / "cache", tmp_path / "count")
    assert total > 12
    codes = set()
    for at in range(1 + (total - 1) % every, total + 1, every):
        shutil.rmtree(home)
        shutil.copytree(before, home)

        def work(at: int = at) -> None:
            Faults(home / "cache", at, fail(at) if how == "error" else kill).install()
            asked(home / "notes")

        codes.add(in_child(work))
        index = asked(home / "notes")
        assert not any("damaged" in note or "made anew" in note for note in index.notes), f"operation {at}"
        fresh = asked(home / "notes")
        clean = Index(home / "notes", cache=False)
        clean.learn("told.md", "The ladder is in the shed.\n")
        for one in (index, fresh):
            arrays, other = one.state()[0], clean.state()[0]
            assert all(np.array_equal(arrays[name], other[name]) for name in other), f"operation {at}"
        assert b"quagmire" not in kept(home), f"operation {at}"
    assert codes == {FINISHED if how == "error" else -signal.SIGKILL}


def test_what_a_killed_process_left_goes_with_the_next_index(tmp_path, monkeypatch):
    """It may have the text of a file that is gone since."""
    home = tmp_path / "work"
    place(home, monkeypatch)

    def again() -> Path:
        shutil.rmtree(home, ignore_errors=True)
        (home / "notes").mkdir(parents=True)
        (home / "notes" / "garden.md").write_text("Cut the roses in March.\n")
        (home / "notes" / "secret.md").write_text("The password is quagmire.\n")
        return home / "notes"

    total, left = operations(lambda: Index(again()), home / "cache", tmp_path / "count"), 0
    for at in range(1, total + 1):
        notes = again()

        def work(at: int = at, notes: Path = notes) -> None:
            Faults(home / "cache", at, kill).install()
            Index(notes)

        assert in_child(work) == -signal.SIGKILL
        left += b"quagmire" in kept(home)
        (notes / "secret.md").unlink()
        assert Index(notes).ask(QUESTION).found
        assert b"quagmire" not in kept(home), f"operation {at}"
    assert left, "else this test tests nothing"
