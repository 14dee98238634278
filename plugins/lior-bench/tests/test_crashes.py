"""Damaged files, mixed load and the simulation: a few of each, and defects that they find."""

from __future__ import annotations

import ast
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from shutil import which
from unittest.mock import patch

import pytest

from lior_bench.attack import flips, load, simulation
from lior_bench.attack.disk import Disk, File, build

compiled = pytest.mark.skipif(which("cc") is None, reason="needs a C compiler")


_BLIND = {
    "run": "lior.runs.bundle.verify",
    "table": "lior.runs.bundle.verify",
    "archive": "lior_archive.shards._check",
    "lens": "lior.runs.bundle.verify",
}
"""Kind of stored files -> what notices damage; the tests of lior-ask have that of the index."""


@pytest.mark.parametrize("kind", flips.KINDS, ids=lambda kind: kind.name)
def test_damage_in_stored_files_is_noticed_or_without_effect(kind, tmp_path):
    pytest.importorskip(kind.package)
    assert not [*flips.attack(kind, tmp_path, Random(1), 12)]
    shutil.rmtree(tmp_path / "stored")
    (tmp_path / "whole").rename(tmp_path / "stored")
    if kind.name in _BLIND:
        with patch(_BLIND[kind.name], return_value=None):
            assert next(flips.attack(kind, tmp_path, Random(2), 200)), (
                "a program that does not notice is found"
            )


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_under_mixed_load(monkeypatch):
    """The server is killed after every third change."""
    monkeypatch.setattr(load, "_KILL", 3)
    assert not [*load.run(1, True, count=4)]


@compiled
def test_a_few_hundred_simulated_steps():
    assert not [*simulation.run(1, True, count=200)]


STEPS = {
    "a note written twice in one tick": [("write", "a.md", 0), ("look",), ("write", "a.md", 1), ("look",)],
    "a read fails in an opening": [("learn", "a.txt", 0), ("fail_reading", 17), ("reopen",), ("look",)],
    "a read fails while a question is answered": [("look",), ("fail_reading", 5), ("ask", "a.md")],
    "a read fails in a change": [
        ("learn", "a.txt", 0),
        ("learn", "b.txt", 0),
        ("fail_reading", 5),
        ("forget", "b.txt"),
        ("look",),
    ],
    "a log is left on a full disk": [("learn", "a.txt", 0), ("kill", 0), ("fill", True), ("look",)],
    "a first write fails": [("learn", "a.txt", 0), ("fail", 2, errno.EIO, 0), ("kill", 0), ("look",)],
    "a text is forgotten": [("learn", "a.txt", 0), ("learn", "b.txt", 1), ("forget", "a.txt")],
}
"""What was found once, or is found in a program that is spoiled: the steps that were left of it."""


def simulated(program: str, given: object, tmp_path: Path) -> list[str]:
    """The texts that a program prints on the fake disk, one a line; it finds what is given as ``given``."""
    start = "import json, sys\nfrom lior_bench.attack import simulation\ngiven = json.loads(sys.argv[1])\n"
    done = subprocess.run(
        [sys.executable, "-c", start + program, json.dumps(given)],
        env=os.environ | {"LD_PRELOAD": str(build(tmp_path)), "LIOR_EMBEDDER": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


_FAILURES = "for steps in given:\n    print(repr(simulation.failure(steps, 2 * 10**9)))\n"


_SPOILED = {
    "a note written twice in one tick": ("from lior.reading import files\nfiles._YOUNG = 0\n", "notes are"),
    "a text is forgotten": (
        "from lior_ask.index import sqlite\nconnect = sqlite._connect\ndef loose(place):\n"
        "    connection = connect(place)\n    connection.execute('PRAGMA secure_delete=OFF')\n"
        "    return connection\nsqlite._connect = loose\n",
        "has the text that was forgotten",
    ),
}
"""Steps that fail -> how the program is spoiled, and what is told."""


@compiled
@pytest.mark.parametrize("failing", _SPOILED)
def test_what_was_found_once_and_a_defect_that_is_found(tmp_path, failing):
    """Time stamps that repeat, and reads and writes that fail; a spoiled program fails where it should."""
    spoil, told = _SPOILED[failing]
    found = simulated(_FAILURES + spoil + _FAILURES, [*STEPS.values()], tmp_path)
    assert found[: len(STEPS)] == [""] * len(STEPS)
    spoiled = dict(zip(STEPS, found[len(STEPS) :], strict=True))
    assert told in spoiled.pop(failing)
    assert {*spoiled.values()} == {""}


BEFORE = [("write", "birch.md", 1), ("write", "cedar.md", 2), ("learn", "amber.txt", 3), ("look",)]
CHANGE = [("write", "birch.md", 4), ("remove", "cedar.md"), ("learn", "dune.txt", 5), ("look",)]
AFTER = [("gone", "birch.md", 1), ("gone", "cedar.md", 2), ("ask", "birch.md")]


@compiled
@pytest.mark.slow
@pytest.mark.parametrize(
    "every", [pytest.param(9, id="every ninth"), pytest.param(1, id="all", marks=pytest.mark.exhaustive)]
)
def test_an_index_is_changed_through_every_fault(tmp_path, every):
    """It is right at the next question, and nothing of what has gone is on the disk."""
    found = simulated(
        "for each in simulation.fail_everywhere(*given): print(repr(each))",
        [BEFORE, CHANGE, AFTER, every],
        tmp_path,
    )
    assert len(found) >= 240 // every
    assert not [*filter(None, found)]


def test_what_a_crash_leaves_of_a_file():
    """What was flushed, and any part of the rest: by sectors, or the size alone."""
    file = File(bytearray(b"old"), b"old")
    file.change(0, b"n" * 2000)
    left = {file.after_crash(Random(seed), 0.5, torn=True) for seed in range(99)}
    assert {b"old", bytes(file.now)} < left
    assert any(len(each) == 2000 and 0 in each for each in left)
    file.flush()
    assert file.after_crash(Random(0), 0.0, torn=True) == b"n" * 2000


def test_a_rename_that_was_not_flushed_may_be_lost(tmp_path):
    """All names of a folder come back as they were flushed, or with the first few changes."""
    root = tmp_path / "disk"
    root.mkdir()
    (root / "old").write_bytes(b"text")
    left = set()
    for seed in range(20):
        disk = Disk(root, tmp_path)
        disk._done("r", 0, 0, b"", str(root / "old"), str(root / "new"))
        disk.power_cut(seed)
        left |= {tuple(path.name for path in root.iterdir())}
        disk.close()
        for path in root.iterdir():
            path.rename(root / "old")
    assert left == {("old",), ("new",)}


def test_shortest():
    """The steps that matter, and no others."""
    steps = [(name,) for name in "abcdefgh"]
    found = simulation.shortest(steps, lambda some: "fails" * ({("b",), ("g",)} <= {*some}))
    assert found == [("b",), ("g",)]
