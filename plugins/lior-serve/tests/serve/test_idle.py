"""What a server of folders does beside answering: it reads ahead, and tells listeners of changes."""

from __future__ import annotations

import pytest
from ask.test_embedding import _cache, kept, notes, read_ahead  # noqa: F401 (fixtures)

from lior.events import hookimpl
from lior.plugins import listening
from lior_serve.folder import FolderSource


@pytest.fixture
def told(monkeypatch):
    """What a listener was told of documents."""
    found = []

    class Listens:
        @hookimpl
        def lior_documents_changed(self, run, learned, forgotten):
            found.append((run, [*learned], [*forgotten]))

    monkeypatch.setattr(listening, "installed", lambda: (listening.Guarded(Listens(), "listens"),))
    return found


def test_it_reads_ahead(notes, read_ahead):  # noqa: F811
    source = FolderSource([notes])
    assert read_ahead.wait(9)
    assert source.current.ask("Are the roses red?", 3).found
    assert source.close(9)
    assert kept(notes) == 3
    assert source.state()["unread"] <= 1


def test_it_tells_of_files_that_change(told, tmp_path, monkeypatch):
    monkeypatch.setattr("lior_serve.folder.find_spec", lambda name: None)
    monkeypatch.setattr("lior_serve.folder.INTERVAL", 0.0)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("The key hangs behind the clock.\n")
    source = FolderSource([folder])
    (folder / "b.txt").write_text("The ladder is in the shed.\n")
    source.refresh()
    (folder / "b.txt").unlink()
    source.refresh()
    source.close(1)
    assert told == [(None, ["b.txt"], []), (None, [], ["b.txt"])]
