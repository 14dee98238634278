"""The tutorial does what it says: its commands run in order, on a folder made as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", TUTORIAL.read_text(), re.DOTALL | re.MULTILINE)
LESS = {
    "LIOR_GEOMETRY__UPDATES": "4", "LIOR_GEOMETRY__BATCH": "32", "LIOR_GEOMETRY__KEYS": "256",
    "LIOR_FIT__PASSES": "0", "LIOR_FIT__NOISE_PASSES": "0", "LIOR_MIXER__POSITIONS": "4096",
}  # fmt: skip
"""Settings that make the run of the tutorial a matter of seconds; its commands are left as they are."""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What every block printed, in order."""
    folder = tmp_path_factory.mktemp("tutorial")
    script = folder / "bin" / "lior"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m lior_cli.main "$@"\n')
    script.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIOR_")} | LESS
    env |= {"PATH": f"{script.parent}{os.pathsep}{env['PATH']}", "OMP_NUM_THREADS": "1"}
    printed = []
    for language, block in BLOCKS:
        command = (
            ["bash", "-euo", "pipefail", "-c", block] if language == "sh" else [sys.executable, "-c", block]
        )
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        printed.append((block, done.stdout + done.stderr))
    return printed


def after(said, command):
    """What the block with this command printed."""
    return next(shown for block, shown in said if command in block)


def test_the_model_beats_the_4_gram(said):
    assert re.search(r"bits per byte on .* % less than a 4-gram", after(said, "lior train"))


def test_the_chat_says_why(said):
    assert "place" in after(said, "lior chat")
    assert ".txt" in after(said, "lior chat")


def test_what_was_learned_is_quoted_with_its_place(said):
    shown = after(said, "lior learn")
    assert "The launch of the great balloon is on the fourth of May." in shown
    assert re.search(r"^fourth .* launch\.txt:2 ", shown, re.MULTILINE)


def test_what_was_forgotten_is_gone(said):
    shown = after(said, "lior forget")
    assert "launch.txt:2" not in shown
    assert float(re.search(r"^balloon +(\S+)", shown, re.MULTILINE)[1]) < 1e-6


def test_the_odd_line_is_first(said):
    lines = after(said, "lior score").splitlines()
    assert next(line for line in lines if "log.txt:" in line).endswith("hypotenuse!!")


def test_pictures_and_a_plugin_were_made(said):
    assert "plots/spectrum.png" in after(said, "lior plot")
    assert "Wrote lior-myframe/pyproject.toml" in after(said, "lior plugins new")


def test_the_library_does_the_same(said):
    assert "Source(document='launch.txt', line=2" in said[-1][1]
