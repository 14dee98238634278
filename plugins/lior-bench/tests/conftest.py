"""Fixtures that the tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and by commands
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as the command line does, so that both give the same bits

import pytest


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with 60 kB of real text."""
    path = tmp_path_factory.mktemp("texts") / "sample.txt"
    path.write_bytes("\n".join(text for _, text in sorted(topics.items())).encode()[:60_000])
    return path


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, without ``LIOR_*`` variables."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("LIOR_")]:
        monkeypatch.delenv(name)
    return folder


@pytest.fixture
def bench(work: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    """Run ``lior bench`` in this process."""

    def run(*args: object) -> SimpleNamespace:
        from lior_cli.main import main

        code = main(["bench", *map(str, args)])
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return run


@pytest.fixture
def process(work: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``lior bench`` in a process of its own."""

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lior_cli.main", "bench", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    return run
