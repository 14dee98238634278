"""Fixtures that all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., Path]
Lior = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _unchanged_environment() -> Iterator[None]:
    """Fail a test that leaves the environment changed, for it would change the tests after it."""
    before = _environment()
    yield
    after = _environment()
    if before != after:
        os.environ.clear()
        os.environ.update(before)
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        pytest.fail(
            f"the test changed the environment variables {', '.join(changed)}; use monkeypatch.setenv"
        )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a third-party distribution: a ``dist-info`` directory on ``sys.path``, without pip.

    ``install("lior-x", "[lior.frames]\\nx = x_mod:X", x_mod="class X: ...")``
    returns the directory, for the ``PYTHONPATH`` of a child process.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, entry_points: str, *, version: str = "1.2", **modules: str) -> Path:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(dedent(entry_points))
        for module, source in modules.items():
            (site / f"{module}.py").write_text(dedent(source))
            monkeypatch.delitem(sys.modules, module, raising=False)
        return site

    return make


@pytest.fixture
def lior(tmp_path: Path) -> Lior:
    """Run the command line in a child process, in an empty directory and without ``LIOR_*`` variables."""

    def run(*args: str, path: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("LIOR_")}
        if path is not None:
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(path), env.get("PYTHONPATH", "")]))
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "lior_cli.main", *args],
            env=env | variables,
            cwd=work,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
