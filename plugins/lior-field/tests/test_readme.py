"""The README's Python runs as it stands."""

from __future__ import annotations

import doctest
from pathlib import Path


def test_the_python_of_the_readme_runs() -> None:
    readme = Path(__file__).parents[1] / "README.md"
    found = doctest.testfile(str(readme), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 5
    assert found.failed == 0
