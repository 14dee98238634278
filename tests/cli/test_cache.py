"""`lior cache`: what is kept of folders is listed and removed."""

from __future__ import annotations

import os
import shutil

import pytest

from lior_ask.api import Index
from lior_ask.index.cache import cached_indexes


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    (tmp_path / "numba" / "lior" / "1").mkdir(parents=True)
    for name in ("notes", "mail"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"The boiler of {name} is blue.\n")
        Index(tmp_path / name).content.database.close()
    return tmp_path


def test_indexes_are_listed_with_their_folders_and_last_use(folders, command, monkeypatch):
    first = next(each for each in cached_indexes() if each.paths == (str(folders / "notes"),))
    os.utime(first.file, (0, 0))
    shutil.rmtree(folders / "mail")
    root, mail, notes, compiled = command("cache").out.splitlines()
    assert root.endswith("/ask: 2 indexes")
    assert mail.endswith(f"{folders / 'mail'} (gone)")
    assert "1970-01-01" in notes
    assert notes.endswith(str(folders / "notes"))
    assert "compiled code of 1 version" in compiled
    monkeypatch.setattr("lior_cli.cache._SHOWN", 1)
    assert " MiB  in 1 more (--all)" in command("cache").out.splitlines()[2]
    assert command("cache", "--all").out.splitlines() == [root, mail, notes, compiled]
    Index(folders / "notes")
    assert "1970" not in command("cache").out


def test_indexes_are_removed_by_their_folder(folders, command):
    shutil.rmtree(folders / "mail")
    assert str(folders / "mail") in command("cache", "clear", "--gone").out
    (left,) = cached_indexes()
    assert left.paths == (str(folders / "notes"),)
    missing = command("cache", "clear", folders)
    assert (missing.code, missing.err.startswith(f"lior: error: no index of {folders} is kept")) == (2, True)
    command("cache", "clear", folders / "notes")
    assert not list((folders / "cache").rglob("*.index*"))
    assert (folders / "numba" / "lior" / "1").exists()
    assert Index(folders / "notes").ask("Which colour has the boiler?").found  # it is made anew
    command("cache", "clear")
    assert cached_indexes() == []
    assert not (folders / "numba" / "lior").exists()
