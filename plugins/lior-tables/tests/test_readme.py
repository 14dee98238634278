"""The README's Python does what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_example_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = README.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    test = doctest.DocTestParser().get_doctest(example, {}, "README.md", str(README), 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_commands_of_the_readme_exist():
    from lior_tables.cli import COMMANDS

    named = {
        line.split()[2]
        for line in README.read_text(encoding="utf-8").splitlines()
        if line.startswith("lior table ")
    }
    assert named == set(COMMANDS)
