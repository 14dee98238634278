"""What the README and pages show in Python runs as it stands."""

from __future__ import annotations

import doctest
import re
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
