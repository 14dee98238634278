"""A server of folders reads ahead between questions."""

from __future__ import annotations

from ask.vectors import _cache, kept, notes, read_ahead  # noqa: F401 (fixtures)

from lior_serve.folder import FolderSource


def test_it_reads_ahead(notes, read_ahead):  # noqa: F811
    source = FolderSource([notes])
    assert read_ahead.wait(9)
    assert source.current.ask("Are the roses red?", 3).found
    assert source.close(9)
    assert kept(notes) == 3
    assert source.state()["unread"] <= 1
