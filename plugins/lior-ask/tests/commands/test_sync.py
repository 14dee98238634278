"""`lior sync`: what it prints, what it refuses, how long it takes, and how it watches."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

import lior
from lior.training.preparation import train
from lior_ask.idle import ReadState
from tests.work import opened

TINY = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0", "data.holdout=0.1")
PROBE = """
import sys
from lior_cli.main import main
code = main(sys.argv[1:])
sys.exit("imported torch" if "torch" in sys.modules else code)
"""


@pytest.fixture
def notes(command, configure) -> Path:
    """A folder, and a run ``r`` of it, in the working directory."""
    folder = Path("notes")
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.txt").write_text(f"This is what {name} has to say.\n" * 9)
    train(configure(*TINY, f"data.text=['{folder}']"), Path("r"))
    return folder


def test_what_is_printed(command, notes):
    summary = "learned 0, changed 0, forgotten 0, unchanged 3, skipped 0 ("
    assert command("sync", "r").out.startswith(summary)
    (notes / "d.txt").write_text("New.\n")
    (notes / "a.txt").write_text("Changed.\n")
    (notes / "b.txt").unlink()
    (notes / "x.bin").write_bytes(b"\0\1\2")
    tried = command("sync", "r", "--dry-run")
    assert (tried.code, tried.err) == (0, "")
    assert tried.out.splitlines()[:3] == [
        "would be learned: d.txt",
        "would be changed: a.txt",
        "would be forgotten: b.txt",
    ]
    assert tried.out.splitlines()[3].startswith("dry run: learned 1, changed 1, forgotten 1, unchanged 1, sk")
    done = json.loads(command("sync", "r", "--json").out)
    assert {key: done[key] for key in ("learned", "changed", "forgotten", "unchanged", "dry_run")} == {
        "learned": ["d.txt"],
        "changed": ["a.txt"],
        "forgotten": ["b.txt"],
        "unchanged": 1,
        "dry_run": False,
    }
    assert done["skipped"] == [{"name": "x.bin", "reason": "binary data (it has null bytes)"}]
    assert [each.name for each in lior.load("r").documents()] == ["c.txt", "a.txt", "d.txt"]
    assert "skipped x.bin: binary data" in command("sync", "r", "--verbose").err


def test_a_folder(command, notes, monkeypatch, tmp_path):
    """Its index for `lior ask`, which is there and up to date after that."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert "learned 3, changed 0, forgotten 0, unchanged 0, skipped 0 (" in command("sync", "notes").out
    (notes / "c.txt").write_bytes("Die Tür ist grün, die Wände sind weiß.\n".encode("latin-1"))
    assert "c.txt: not UTF-8" in command("sync", "notes").err
    (notes / "d.txt").write_text("The boiler is new.\n")
    (notes / "a.txt").write_text("Changed text.\n")
    (notes / "b.txt").unlink()
    done = json.loads(command("sync", "notes", "--json").out)
    assert (done["learned"], done["changed"], done["forgotten"]) == (["d.txt"], ["a.txt"], ["b.txt"])
    assert (done["unchanged"], done["notes"]) == (1, [])
    assert "boiler is new" in command("ask", "notes", "Is the boiler new?").out


def test_what_is_refused(command, notes):
    Path("empty").mkdir()
    for args, code, said in (
        (("nowhere",), 1, "nowhere: no such file or folder"),
        (("notes", "r"), 2, "r is a run and is given alone"),
        (("notes", "--dry-run"), 2, "--dry-run is for runs"),
        (("r", "nowhere"), 1, "nowhere: no such file or folder"),
        (("r", "-"), 2, "name the folder"),
        (("r", "empty"), 1, "no file in there; nothing was forgotten"),
        (("r", "--watch", "--dry-run"), 2, "exclude each other"),
    ):
        result = command("sync", *args)
        assert (result.code, result.out, result.err.count("\n")) == (code, "", 1), result
        assert said in result.err
    assert len(lior.load("r").documents()) == 3


def test_unchanged_files_are_looked_at_only_and_without_torch(command, configure):
    Path("many").mkdir()
    for number in range(100):
        path = Path("many", f"{number}.txt")
        path.write_text(f"This is note {number}.\n")
        os.utime(path, (10**9, 10**9))
    train(configure(*TINY, "data.text=['many']"), Path("r"))

    subprocess.run([sys.executable, "-c", PROBE, "sync", "r"], check=True, stdout=subprocess.DEVNULL)
    assert [path for path in opened(lambda: command("sync", "r")) if "many" in path] == []
    (Path("many") / "0.txt").write_text("This is another note.\n")
    changed = opened(lambda: command("sync", "r", "--dry-run"))
    assert {Path(path).name for path in changed if "many" in path} == {"0.txt"}


def test_training_says_what_it_leaves_out(command, notes):
    (notes / "x.bin").write_bytes(b"\0\1\2")
    (notes / ".hidden").write_text("x")
    small = [word for setting in TINY for word in ("--set", setting)]
    told = command("train", notes, "--out", "other", *small).err
    assert "lior: 2 skipped (1 × hidden; 1 × binary data (it has null bytes))\n" in told
    assert "skipped x.bin: binary data" not in told
    told = command("train", notes, "--out", "another", "--verbose", *small).err
    assert "lior: skipped x.bin: binary data (it has null bytes)\n" in told
    Path("latin.txt").write_bytes("Das Café ist schön, und früh geöffnet.\n".encode("latin-1"))
    assert "lior: latin.txt: not UTF-8; read as " in command("learn", "other", "latin.txt", "--verbose").err


# --- watching ---


def test_the_extra_is_named_where_it_is_missing(command, notes, monkeypatch):
    monkeypatch.setattr("lior_ask.cli.sync.find_spec", lambda _: None)
    assert "lior install watch" in command("sync", "r", "--watch").err


@pytest.mark.skipif(find_spec("watchfiles") is None, reason="watchfiles is not installed")
@pytest.mark.parametrize(("what", "number"), [("r", signal.SIGTERM), ("notes", signal.SIGINT)])
@pytest.mark.slow
def test_watching_follows_changes_until_it_is_ended(notes, monkeypatch, tmp_path, command, what, number):
    if what == "notes":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        command("sync", "notes")
    (notes / "d.txt").write_text("Before.\n")
    child = subprocess.Popen(
        [sys.executable, "-m", "lior_cli.main", "sync", what, "--watch", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["learned"] == ["d.txt"]
    (notes / "e.txt").write_text("New.\n")
    (notes / "a.txt").unlink()
    learned, forgotten = list[str](), list[str]()
    while not (learned and forgotten):  # on a busy machine, in two steps
        done = json.loads(child.stdout.readline())
        learned, forgotten = learned + done["learned"], forgotten + done["forgotten"]
    assert (learned, forgotten) == (["e.txt"], ["a.txt"])
    child.send_signal(number)
    out, err = child.communicate(timeout=900)
    assert (child.returncode, out, "Traceback" in err) == (0, "", False)
    if what == "r":
        assert {each.name for each in lior.load("r").documents()} == {"b.txt", "c.txt", "d.txt", "e.txt"}


def test_a_process_reads_on_after_a_command(command, monkeypatch):
    folder = Path("notes")
    folder.mkdir()
    (folder / "boiler.md").write_text("The boiler is serviced in October.\n")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    asked = []
    monkeypatch.setattr("lior_ask.idle.read_on", lambda index: asked.append(index.paths) or "2 passages")
    for arguments, said in (
        (("ask", "notes", "When is the boiler serviced?"), "the rest is read in the background: 2 passages"),
        (("ask", "notes", "When is the boiler serviced?", "--json"), ""),
        (("sync", "notes"), "the rest is read in the background; --status tells more"),
        (("chat", "notes"), ""),
    ):
        asked.clear()
        done = command(*arguments)
        assert asked == [(str(folder.absolute()),)], arguments
        assert said in done.err
        assert bool(said) == ("background" in done.err), arguments


def test_the_status_says_what_is_read_and_starts_nothing(command, monkeypatch):
    folder = Path("notes")
    folder.mkdir()
    (folder / "boiler.md").write_text("The boiler is serviced in October.\n\nThe car is in the garage.\n")
    monkeypatch.setattr("lior_ask.idle.read_on", lambda index: 1 / 0)
    monkeypatch.setenv("LIOR_EMBEDDER", "")
    assert command("sync", "notes", "--status").out.splitlines() == [
        "1 file, 2 passages",
        "nothing is left to read in the background",
    ]
    state = ReadState(files=3, waiting=1, passages=9, encoder="e5", unread=4, left=4, reading=False)
    monkeypatch.setattr("lior_ask.idle.read_state", lambda index: state)
    assert command("sync", "notes", "--status").out.splitlines() == [
        "3 files, 9 passages",
        "1 file not read yet",
        "the encoder e5 has not read 4 of them",
        "nothing reads now; the next question or sync reads 1 file and 4 passages in the background",
    ]
    monkeypatch.setattr("lior_ask.idle.read_state", lambda index: attrs.evolve(state, reading=True))
    assert command("sync", "notes", "--status").out.splitlines()[-1] == "a process reads on now"
    told = json.loads(command("sync", "notes", "--status", "--json").out)
    assert told["left"] == 4
    assert command("sync", "notes", "--status", "--watch").code == 2
