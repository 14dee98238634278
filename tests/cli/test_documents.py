"""`lior learn`, `lior forget`, `lior docs`: what they print, refuse and leave on the disk."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

import lior
from lior.reading.documents import RawDocument
from lior.training.preparation import train
from tests.conftest import Outcome
from tests.tiny import TINY

SETTINGS = (*TINY, "memory.name=sdm,match,exact", "fit.passes=1", "data.holdout=0.04")
SECRET = "Zanzibar quietly yodels before the junction of forty-two xylophones."
PLAN = "The launch of the great balloon is on the fourth of May.\n"
LEFT = "geometry, mixer and weights of memory sdm stay as fitted in training"


@pytest.fixture(scope="module")
def trained(configure, sample, tmp_path_factory) -> Path:
    """A run of three documents; one of them is secret."""
    text = sample.read_bytes()
    sources = [
        RawDocument("text/a.txt", text[:1500]),
        RawDocument("text/secret.txt", SECRET.encode()),
        RawDocument("text/b.txt", text[1500:3001]),
    ]
    out = tmp_path_factory.mktemp("runs") / "trained"
    train(configure(*SETTINGS), out, documents=sources)
    return out


@pytest.fixture
def r(command, trained) -> Path:
    """A copy of the run in the working directory, beside some texts."""
    shutil.copytree(trained, "r")
    Path("plan.txt").write_text(PLAN)
    Path("mail.jsonl").write_text('{"text": "Dear Ada."}\n{"text": "Dear Bob."}\n')
    Path("empty.txt").touch()
    Path("notes").mkdir()
    for name in ("one", "two"):
        Path(f"notes/{name}.txt").write_text(f"This is note {name}.\n")
    return Path("r")


@pytest.fixture
def fine(command, r):
    """Run a command that must succeed, without a word on standard error; what it prints."""

    def run(*args: object) -> str:
        result = command(*args)
        assert (result.code, result.err) == (0, "")
        return result.out

    return run


def refused(result: Outcome, code: int = 1) -> str:
    """One sentence, nothing on standard output, and the run is as it was."""
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("lior: error: ")
    assert result.err.count("\n") == 1
    assert len(lior.load("r").documents()) == 3
    return result.err


# --- what they print ---


def test_learn_docs_forget(fine):
    first, *rest = fine("learn", "r", "plan.txt").splitlines()
    assert first == "learned plan.txt: 57 bytes, 57 tokens"
    assert rest[0].startswith("57 bytes in ")
    assert rest[0].endswith("bytes/s); `lior forget r NAME` undoes it")
    assert rest[1:] == [f"{LEFT}: the new text is weighed as the old is"]
    head, *rows = fine("docs", "r").splitlines()
    assert head.split() == ["name", "bytes", "held", "learned"]
    assert sorted(row.split()[:3] for row in rows[:3] if "text/b" not in row) == [
        ["text/a.txt", "1,500", "all"],
        ["text/secret.txt", "68", "all"],
    ]
    (part,) = (row for row in rows if row.startswith("text/b.txt "))
    assert "%, the rest is for validation  in training" in part
    name, size, held, date = rows[3].split()
    assert (name, size, held) == ("plan.txt", "57", "all")
    assert datetime.fromisoformat(date).tzinfo is not None
    lines = fine("forget", "r", "plan.txt").splitlines()
    assert lines[0] == "forgot plan.txt: 57 bytes, 57 tokens"
    assert lines[1].endswith(" s; the memories are as if they had never seen it")
    assert lines[2:] == [f"{LEFT};", "what was forgotten had no part in that"]
    assert [row.split()[0] for row in fine("docs", "r").splitlines()[1:]] == [
        row.split()[0] for row in rows[:3]
    ]


def test_forgetting_a_document_of_the_training_says_what_stays(fine):
    lines = fine("forget", "r", "secret.txt").splitlines()
    assert lines[0] == "forgot text/secret.txt: 68 bytes, 68 tokens"
    assert lines[2:] == [
        f"{LEFT};",
        "what was forgotten had a part in that; to have it done without, train anew",
    ]


def test_json(fine):
    learned = json.loads(fine("learn", "r", "plan.txt", "notes", "--json"))
    assert set(learned) == {"learned", "seconds", "documents", "left"}
    assert [each["name"] for each in learned["learned"]] == ["plan.txt", "one.txt", "two.txt"]
    assert set(learned["learned"][0]) == {"name", "bytes", "tokens", "held", "added"}
    assert (learned["documents"], learned["left"]) == (6, ["geometry", "mixer", "weights of memory sdm"])
    assert json.loads(fine("docs", "r", "--json"))[3:] == learned["learned"]
    forgotten = json.loads(fine("forget", "r", "plan.txt", "two.txt", "--json"))
    assert set(forgotten) == {"forgotten", "seconds", "documents", "left"}
    assert [each["name"] for each in forgotten["forgotten"]] == ["plan.txt", "two.txt"]
    assert forgotten["documents"] == 4


def test_texts_of_all_kinds(fine):
    Path("other.jsonl").write_text('{"body": "Dear Eve."}\n')
    fine("learn", "r", "notes", "mail.jsonl", "pl*.txt")
    fine("learn", "r", "other.jsonl", "--field", "body")
    fine("learn", "r", "notes/one.txt", "--name", "first")
    names = [each["name"] for each in json.loads(fine("docs", "r", "--json"))][3:]
    assert names == [
        "one.txt",
        "two.txt",
        "mail.jsonl#1",
        "mail.jsonl#2",
        "plan.txt",
        "other.jsonl#1",
        "first",
    ]
    fine("forget", "r", "mail.jsonl#2", "first")


def test_forgetting_everything(fine, command):
    names = [each["name"] for each in json.loads(fine("docs", "r", "--json"))]
    assert fine("forget", "r", *names).count("forgot ") == 3
    assert fine("docs", "r") == "the run has no documents\n"
    assert fine("docs", "r", "--json") == "[]\n"
    assert fine("generate", "r", "--max-tokens", 3)
    assert "no validation text of its own" in command("eval", "r").err
    fine("learn", "r", "plan.txt")
    assert json.loads(fine("docs", "r", "--json"))[0]["name"] == "plan.txt"


def test_names_that_would_break_a_line(fine, command):
    name = "two\nlines\x1b[31m.txt"
    Path(name).write_text("text")
    Path(os.fsdecode(b"caf\xe9.txt")).write_text("text")
    assert r"learned two\u000alines\u001b[31m.txt: 4 bytes" in fine("learn", "r", name)
    assert r"learned caf\xe9.txt: 4 bytes" in fine("learn", "r", os.fsdecode(b"caf\xe9.txt"))
    assert len(fine("docs", "r").splitlines()) == 6
    again = command("learn", "r", name)
    assert again.err.count("\n") == 1
    fine("forget", "r", name, r"caf\xe9.txt")  # as it is on the disk, and as it is shown


# --- refusals ---


REFUSED = {
    "no text": (("learn", "r"), 2, "Missing argument 'TEXT...'"),
    "no name": (("forget", "r"), 2, "Missing argument 'NAME...'"),
    "a missing file": (("learn", "r", "plan.txt", "plam.txt"), 1, "plam.txt: no such file or folder"),
    "a name for several": (("learn", "r", "notes", "--name", "n"), 2, "name 'n' is for one document, not"),
    "an empty name": (("learn", "r", "plan.txt", "--name", ""), 1, "a document needs a name"),
    "a name that is taken": (("learn", "r", "plan.txt", "--name", "text/a.txt"), 1, "there is a document of"),
    "another key": (("learn", "r", "mail.jsonl", "--field", "body"), 1, "mail.jsonl, line 1: no text"),
    "an unknown name": (("forget", "r", "text/a.txt", "secrets.txt"), 1, "Did you mean 'text/secret.txt'?"),
    "a folder": (("forget", "r", "text"), 1, "text: no document of this name in the run."),
    "an empty file": (("learn", "r", "plan.txt", "empty.txt"), 1, "empty.txt: no text in there (0 bytes)"),
    "an unknown device": (("learn", "r", "plan.txt", "--device", "tpu"), 2, "tpu"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(command, r, case):
    args, code, message = REFUSED[case]
    assert message in refused(command(*args), code)


def test_interrupted(command, r, monkeypatch):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lior.model.language_model.Model.commit", stopped)
        assert command("learn", "r", "plan.txt") == (130, "", "\nlior: interrupted\n")
    assert len(lior.load("r").documents()) == 3


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="permissions need another way to test"
)
@pytest.mark.parametrize("args", [("learn", "r", "plan.txt"), ("forget", "r", "a.txt")])
def test_a_directory_that_cannot_be_written(command, r, args):
    """As root, whom permissions do not stop: the directory is mounted to be read only."""
    if subprocess.run(["mount", "--bind", "r", "r"], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", "r"], check=True)
        message = refused(command(*args))
        assert message == "lior: error: r: cannot be written: Read-only file system; nothing was changed\n"
        assert command("docs", "r").code == 0
    finally:
        subprocess.run(["umount", "r"], check=True)


# --- streams ---


def test_standard_input(fine, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Some words.")))
    assert fine("learn", "r", "-", "--name", "said").startswith("learned said: 11 bytes, 11 tokens\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Some words.")))
    assert "learned <stdin>: 11 bytes" in fine("learn", "r", "-")
