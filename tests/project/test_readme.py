"""What the README and pages show in Python runs as it stands."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


def test_there_is_an_example():
    assert BLOCKS, "README.md has no ```python block"


@pytest.mark.slow
def test_the_examples_run_in_order(tmp_path, monkeypatch, sample):
    """One after the other in one namespace, in an empty directory with a ``notes.txt``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_bytes(sample.read_bytes())
    names: dict[str, object] = {"__name__": "readme"}
    for number, block in enumerate(BLOCKS, 1):
        if ">>>" in block:
            test = doctest.DocTestParser().get_doctest(block, names, f"block {number}", str(README), 0)
            result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False)
            names.update(test.globs)
            assert not result.failed
        else:
            try:
                exec(compile(block, f"README.md, block {number}", "exec"), names)
            except Exception as error:
                pytest.fail(f"README.md, block {number}: {type(error).__name__}: {error}")


@pytest.mark.parametrize(
    ("page", "section"),
    [
        ("interfaces.md", "A system of its own"),
        ("interfaces.md", "Checkpoints for a system of its own"),
        pytest.param("howto-edit.md", "In Python", marks=pytest.mark.slow),
    ],
)
def test_a_page_shows_what_happens(page, section):
    text = (README.parent / "docs" / page).read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(block, {"__name__": "page"}, page, page, 0)
    assert not doctest.DocTestRunner().run(test).failed


def test_it_is_short():
    text = README.read_text()
    assert len(text.splitlines()) <= 90
    assert len(text.split("```sh")[0].split()) <= 300


@pytest.mark.slow
def test_its_answers_are_those_of_the_first_minute(tmp_path):
    """Each line it shows is printed; `…` stands for others. Each answer is sure: 90 % and more."""
    (console,) = re.findall(r"^```console\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    for number, part in enumerate(console.split("$ lior ")[1:]):
        command, *shown = part.splitlines()
        done = subprocess.run(
            [sys.executable, "-m", "lior_cli.main", *shlex.split(command)],
            cwd=README.parent,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / str(number))},
            capture_output=True,
            text=True,
            check=False,
        )
        printed = re.sub(r"\d+%", "%", done.stdout).splitlines()  # of a certainty, the word is compared
        assert [line for line in shown if re.sub(r"\d+%", "%", line) not in [*printed, "…"]] == []
        sure = re.findall(r"\(very likely, (\d+)%\)", done.stdout)
        assert all(int(each) >= 90 for each in sure)
        assert sure or shown[0].startswith("Nothing in the text"), part
