"""A model does not depend on how many cores trained it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from lior_bench import cores


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core only")
@pytest.mark.parametrize("recipe", ["fast", "default"])
def test_one_core_and_two_train_the_same_model(tmp_path: Path, recipe: str) -> None:
    library = Path(argparse.__file__).parent
    text = tmp_path / "text.txt"
    text.write_bytes(b"".join(path.read_bytes() for path in sorted(library.glob("a*.py")))[:300_000])
    one, two = (cores.trained(text, recipe, count, tmp_path) for count in (1, 2))
    assert one[1:] == two[1:]


def test_how_long_an_answer_takes() -> None:
    assert 0 < cores.nanoseconds() < 1e9
