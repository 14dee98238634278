"""Passages that are read in idle time, by a thread, a process, or a server that watches a folder."""

# ruff: noqa: F811 (the names of fixtures are arguments)
from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar
from unittest.mock import Mock

import pytest

from ask.vectors import FAKE, READS, Fake, _cache, kept, notes, opened, read, read_ahead  # noqa: F401
from lior.errors import DataError
from lior.runs.files import lock, locked
from lior_ask import Index, idle
from lior_ask.cli.sync import _Folders, _Told
from lior_ask.idle import IdleReader
from lior_ask.index import vector_store
from lior_ask.index.embedding import VARIABLE


def lookup(folder: Path | None = None) -> Index:
    index = Index(*[folder] * bool(folder), retriever=READS, embedder=FAKE)
    if folder is None:
        index.learn("n.md", "".join(f"Sentence number {number} is here.\n\n" for number in range(100)))
    return index


def test_all_is_read_in_idle_time_and_kept(notes):
    index, told, done = lookup(notes), [], threading.Event()
    reader = IdleReader(index, lambda left: (told.append(left), left or done.set()))
    assert done.wait(9)
    assert told == [3, 2, 1, 0]
    done.clear()
    (notes / "z.md").write_text("Something new.\n")
    index.update()
    reader.look_again()
    assert done.wait(9)
    reader.stop()
    assert told[4:] == [1, 0]
    assert kept(notes) == 4
    assert len(Fake.read) == 4
    assert reader.left == 0


def test_nothing_is_read_for_a_retriever_without_vectors(notes):
    IdleReader(opened(notes), lambda left: 1 / 0).stop()
    assert not Fake.read


def pausing(index: Index, at: int, asking: ExitStack, done: threading.Event) -> IdleReader:
    """A reader that is paused, until ``asking`` is closed, where so many texts are left."""
    readers, begun = list[IdleReader](), threading.Event()

    def progress(left: int) -> None:
        if left == at:
            asking.enter_context(readers[0].paused())
            begun.set()
        elif not left:
            done.set()

    with index.inverted.database.lock:  # it begins when it is in the list
        readers.append(IdleReader(index, progress))
    assert begun.wait(9)
    return readers[0]


def test_it_stops_at_once_and_keeps_what_it_read():
    index = lookup()
    with ExitStack() as asking:
        pausing(index, 60, asking, threading.Event()).stop()
    assert len(Fake.read) == 40
    assert len(index.inverted.vectors.unread()) == 60
    assert index.inverted.database.rows("SELECT count(*) FROM vectors") == [(40,)]


def test_it_waits_while_questions_are_asked():
    index, done = lookup(), threading.Event()
    with ExitStack() as asking:
        reader = pausing(index, 90, asking, done)
        assert index.ask("sentence number 7").found
        assert len(Fake.read) == 10
    assert done.wait(9)
    reader.stop()


def test_a_change_meanwhile_is_read_too():
    index = lookup()

    def change(left: int) -> bool:
        if left == 50:
            index.forget("n.md")
            index.learn("m.md", "Sentence number 3 is here.\n\nA new one.\n")
        return True

    index.asker.read_ahead(change)
    assert len(index.inverted.vectors.unread()) == 0
    assert index.inverted.database.rows("SELECT count(*) FROM vectors") == [(2,)]


def test_another_process_reads_what_is_left_one_at_a_time(notes, monkeypatch):
    class Child:
        """Does its work at once."""

        begun: ClassVar[list[Sequence[str]]] = []

        def __init__(self, command, **options):
            self.begun.append(command)
            idle._read_all(command[command.index(idle.__name__) + 1 :])

    monkeypatch.setattr(idle.subprocess, "Popen", Child)
    monkeypatch.setenv(VARIABLE, FAKE)
    index = Index(notes)
    assert not idle.read_on(index), "tests leave nothing behind them"
    monkeypatch.delenv(idle.VARIABLE)
    for held in (idle._lock(), idle._lock_of(index)):
        with lock(held):
            assert idle.read_on(index) == "3 passages"
            assert not Child.begun, "one process at a time, and one for each index"
    with monkeypatch.context() as patched:
        patched.setattr(idle, "_CPU", 0)
        assert idle.read_on(index)
    assert (len(Child.begun), kept(notes)) == (1, 0), "no CPU time is left"
    Child.begun.clear()
    assert idle.read_on(index)
    assert kept(notes) == len(Fake.read) == 3
    assert not idle.read_on(index), "nothing is left"
    assert len(Child.begun) == 1
    monkeypatch.setattr(vector_store, "LARGE", 2)
    monkeypatch.setattr(vector_store, "SAMPLE", 0)
    (notes / "z.md").write_text("Something new.\n\nAnother line.\n")
    Fake.read.clear()
    assert idle.read_on(Index(notes))
    assert "Something new.\nAnother line." in Fake.read
    assert len(Fake.read) == 3, "of so many passages, the beginnings of their documents"
    assert not idle.read_on(Index(notes))


def test_a_thread_waits_for_the_process_that_reads_the_same_index(notes, monkeypatch):
    monkeypatch.setattr(idle, "_AGAIN", 0.01)
    index, done = lookup(notes), threading.Event()
    own = idle._lock_of(index)
    with lock(own):
        reader = IdleReader(index, lambda left: left or done.set())
        assert not done.wait(0.1)
        assert not Fake.read
    assert done.wait(9)
    assert len(Fake.read) == 3
    reader.stop()
    waits = threading.Event()
    monkeypatch.setattr(idle, "locked", lambda path: not waits.set())
    reader = IdleReader(index)
    assert waits.wait(9)
    reader.stop()
    assert not reader._thread.is_alive()


def test_the_state_says_what_is_read(notes):
    index = lookup(notes)
    state = idle.read_state(index)
    assert (state.passages, state.unread, state.left, state.waiting) == (4, 3, 3, 0)
    assert (state.reading, str(state)) == (False, "3 passages")
    index.asker.read_ahead(lambda left: left > 1)
    with lock(idle._lock_of(index)):
        state = idle.read_state(index)
    assert (state.unread, state.left, state.reading) == (1, 1, True)


def test_no_process_reads_on_where_none_can(notes, monkeypatch):
    monkeypatch.setenv(VARIABLE, FAKE)
    monkeypatch.delenv(idle.VARIABLE)
    assert not idle.read_on(Index(notes, cache=False)), "nothing of it is kept"
    monkeypatch.setattr(idle.subprocess, "Popen", Mock(side_effect=OSError))
    assert not idle.read_on(Index(notes)), "the system has no room for a process"


@pytest.mark.slow
def test_a_command_leaves_a_process_that_reads_on(tmp_path, lior):
    lines = (f"Number {number} has {number * 7} leaves.\n\n" for number in range(450))
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "n.md").write_text("".join(lines))
    done = lior("ask", str(notes), "How many leaves has number 77?", LIOR_READ_AHEAD="1")
    assert "the rest is read in the background" in done.stderr
    while locked(idle._lock()) or kept(notes) < 450:
        time.sleep(0.1)
    done = lior("ask", str(notes), "How many leaves has number 78?", LIOR_READ_AHEAD="1")
    assert "background" not in done.stderr


def test_a_model_that_cannot_be_opened_is_told(monkeypatch, caplog):
    def fails(self, texts, *, question=False):
        raise DataError("no model here")

    monkeypatch.setattr(Fake, "embed", fails)
    reader = IdleReader(lookup())
    reader._thread.join(9)
    assert "no model here" in caplog.text
    reader.stop()


def test_a_watched_folder_is_read_ahead(notes, read_ahead, capsys):
    watched, done, tell = _Folders((str(notes),)), threading.Event(), _Told()
    watched.update()
    watched.read_ahead(lambda left: (tell(left), left or done.set()))
    assert done.wait(9)
    (notes / "z.md").write_text("Something new.\n")
    done.clear()
    watched.update()
    assert done.wait(9)
    watched.stop_reading()
    assert kept(notes) == 4
    lines = ["reading ahead: 3 passages", "all passages are read", "reading ahead: 1 passage"]
    assert capsys.readouterr().err.splitlines() == [*lines, "all passages are read"]
