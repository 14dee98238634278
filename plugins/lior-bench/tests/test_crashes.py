"""Flipped bits and the simulation: a few of each, and defects that they find."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from shutil import which

import pytest

from lior_bench.attack import simulation
from lior_bench.attack.disk import Disk, File, build

compiled = pytest.mark.skipif(which("cc") is None, reason="needs a C compiler")


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
}
"""What was found once: the steps that were left of it."""
_FAILURES = """
import json, sys
from lior_bench.attack import simulation
for steps in json.loads(sys.argv[1]):
    print(repr(simulation.failure(steps, 2 * 10**9)))
{spoiled}
for steps in json.loads(sys.argv[1]):
    print(repr(simulation.failure(steps, 2 * 10**9)))
"""


@compiled
def test_what_was_found_once_and_a_defect_that_is_found(tmp_path):
    """Time stamps that repeat, and reads and writes that fail. Without the rule for young files one shows."""
    spoil = "from lior.reading import files\nfiles._YOUNG = 0"
    done = subprocess.run(
        [sys.executable, "-c", _FAILURES.format(spoiled=spoil), json.dumps([*STEPS.values()])],
        env=os.environ | {"LD_PRELOAD": str(build(tmp_path)), "LIOR_EMBEDDER": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [ast.literal_eval(line) for line in done.stdout.splitlines()]
    assert found[: len(STEPS)] == [""] * len(STEPS)
    assert found[len(STEPS)].startswith("notes are")
    assert found[len(STEPS) + 1 :] == [""] * (len(STEPS) - 1)


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


@pytest.mark.slow
def test_the_sample_of_flipped_bits():
    command = [sys.executable, "-m", "lior_bench.attack", "flips", "--sample"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "flips: 0 faults\n"
