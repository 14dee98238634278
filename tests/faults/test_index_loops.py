"""Loops of faults while an index is changed: the next question works, is right, and mends what is kept.

SQLite writes files itself, where Python hears nothing of it. A fault is therefore the n-th SQL statement,
which is interrupted or where the process is killed, or the byte from which on files cannot grow: then a write
fails, or the process is killed in it.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from ask.content import same

from lior_ask import Index
from lior_ask.index import sqlite as database
from tests.faults.faults import FINISHED, SLICES, in_child

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


def disturb(at: int, how: str) -> list[int]:
    """Interrupt the ``at``-th statement from now on, or kill the process there; the number of statements."""
    count, connect = [0], database._connect

    def disturbed(place: str) -> sqlite3.Connection:
        connection = connect(place)

        def traced(_: str) -> None:
            count[0] += 1
            if count[0] == at and how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if count[0] == at:
                connection.interrupt()

        connection.set_trace_callback(traced)
        return connection

    database._connect = disturbed
    return count


def statements(home: Path, report: Path) -> int:
    """How many statements it takes when nothing fails."""

    def counted() -> None:
        count = disturb(0, "")
        asked(home / "notes")
        report.write_text(str(count[0]))

    assert in_child(counted) == FINISHED
    return int(report.read_text())


def is_sound_after(home: Path, what: str) -> None:
    """The next two indexes are those of the files, and nothing of what has gone is on the disk."""
    index = asked(home / "notes")
    assert not any("damaged" in note or "made anew" in note for note in index.notes), what
    clean = Index(home / "notes", cache=False)
    clean.learn("told.md", "The ladder is in the shed.\n")
    for each in (index, asked(home / "notes")):
        assert same(each, clean), what
    assert b"quagmire" not in kept(home), what


@pytest.mark.parametrize("every", SLICES)
@pytest.mark.parametrize("how", ["error", "kill"])
def test_a_change_through_every_fault(before, tmp_path, monkeypatch, how, every):
    home = tmp_path / "work"  # the same path for all, for it names the file in the cache
    place(home, monkeypatch)
    shutil.copytree(before, home)
    total, codes = statements(home, tmp_path / "count"), set()
    assert total > 100
    for at in range(1, total + 1, 4 * every):
        shutil.rmtree(home)
        shutil.copytree(before, home)

        def work(at: int = at) -> None:
            disturb(at, how)
            asked(home / "notes")

        codes.add(in_child(work))
        is_sound_after(home, f"statement {at}")
    assert codes == {FINISHED if how == "error" else -signal.SIGKILL}


@pytest.mark.parametrize("how", ["error", "kill"])
def test_a_change_while_files_cannot_grow(before, tmp_path, monkeypatch, how):
    home, codes = tmp_path / "work", set()
    place(home, monkeypatch)
    shutil.copytree(before, home)
    sizes = [path.stat().st_size for path in (home / "cache").rglob("*") if path.is_file()]
    for limit in range(2000, 2 * max(sizes), 40_000):
        shutil.rmtree(home)
        shutil.copytree(before, home)

        def work(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL if how == "kill" else signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            asked(home / "notes")

        codes.add(in_child(work))
        is_sound_after(home, f"limit {limit}")
    assert codes == {FINISHED} if how == "error" else -signal.SIGXFSZ in codes


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

    left = 0
    for at in range(1, 140, 9):
        notes = again()

        def work(at: int = at, notes: Path = notes) -> None:
            disturb(at, "kill")
            Index(notes).ask(QUESTION)

        in_child(work)
        left += b"quagmire" in kept(home)
        (notes / "secret.md").unlink()
        assert Index(notes).ask(QUESTION).found
        assert b"quagmire" not in kept(home), f"statement {at}"
    assert left, "else this test tests nothing"
