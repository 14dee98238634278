"""The fixtures of the core's tests, and those of `lior bench`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and by commands

import pytest

from tests.conftest import *  # noqa: F403
from tests.conftest import Lior, Outcome


@pytest.fixture
def bench(command: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run ``lior bench`` in this process."""
    return partial(command, "bench")


@pytest.fixture
def process(lior: Lior) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``lior bench`` in a process of its own."""
    return lambda *args: lior("bench", *map(str, args))


@pytest.fixture
def work(command: Callable[..., Outcome], tmp_path: Path) -> Path:
    """The working directory of both: empty, without ``LIOR_*`` variables."""
    return tmp_path / "work"
