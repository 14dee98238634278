"""What docs/plugins.md tells to type and to write works, in that order, in a fresh environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from importlib.metadata import distributions
from pathlib import Path
from site import getsitepackages

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
TOOLS = {
    "lior": '-m lior_cli.main "$@"',
    "pytest": '-m pytest -p no:cacheprovider "$@"',
    "mypy": '-m mypy --follow-imports=silent "$@"',  # as if lior were not installed in place
    "pip": '-m pip "$1" --no-index --no-deps --no-build-isolation --quiet "${@:2}"',
}
"""The commands of the page, so that nothing is fetched."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of an environment to install into, which sees what is installed in this one."""
    installed = {each.name for each in distributions()}
    if not {"pip", "setuptools"} <= installed:
        pytest.skip("needs pip and setuptools: pip install -e '.[dev]'")
    venv.create(tmp_path / "venv", symlinks=True)
    [site] = (tmp_path / "venv").glob("lib/python*/site-packages")
    lines = (f"import site; site.addsitedir({folder!r})\n" for folder in getsitepackages())
    (site / "outer.pth").write_text("".join(lines))
    binaries = tmp_path / "venv" / "bin"
    for name, command in TOOLS.items():
        tool = binaries / name
        tool.unlink(missing_ok=True)
        tool.write_text(f"#!/usr/bin/env bash\nexec {binaries}/python {command}\n")
        tool.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIOR_", "PYTEST_"))}
    kept |= {"PATH": f"{binaries}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    return kept | {
        "MYPYPATH": os.pathsep.join(str(PAGE.parents[1] / each) for each in ("", "plugins", "cli"))
    }


def run(kind: str, text: str, folder: Path) -> list[str]:
    """The command that runs a block; an empty one if there is nothing more to do."""
    if kind == "sh":
        return ["bash", "-euo", "pipefail", "-c", text]
    if kind == "diff":
        (folder / "step.diff").write_text(text)
        return ["patch", "-p0", "-i", "step.diff"]
    if kind == "python" and ">>>" in text:
        (folder / "block.txt").write_text(text)
        return ["python", "-m", "doctest", "block.txt"]
    if kind == "python":
        (folder / text.partition("\n")[0].removeprefix("# ")).write_text(text)
    if kind == "toml":
        assert text in (folder / "lior-steep" / "pyproject.toml").read_text()
    return []


@pytest.mark.slow
def test_every_block_runs_in_order(tmp_path, environment, sample):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "notes.txt").write_bytes(sample.read_bytes()[:20_000])
    for number, (kind, text) in enumerate(BLOCKS, 1):
        command = run(kind, text, folder)
        done = subprocess.run(
            command or ["true"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",  # a memory that counts pairs of bytes may draw half a letter
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"block {number}:\n{text}\n{done.stdout}\n{done.stderr}"
    assert [wheel.name for wheel in (folder / "dist").iterdir()] == ["lior_steep-0.1.0-py3-none-any.whl"]
    assert not any("lior-steep" in path for path in sys.path), "nothing is installed here"


def test_every_kind_of_block_is_known():
    assert {kind for kind, _ in BLOCKS} == {"sh", "diff", "python", "toml", "text"}
    assert sum(kind == "text" for kind, _ in BLOCKS) == 2, "only output is not run"
