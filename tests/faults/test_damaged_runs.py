"""A run directory that is missing, unfinished, damaged, newer or not ours is refused in one sentence.

tests/runs/test_bundle.py has what every snapshot refuses, and `lior bench attack flips` damages all kinds of
stored files; these are messages of the command.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.faults import forge


def manifest(run: Path) -> Path:
    """The manifest of the only checkpoint."""
    return next(run.glob("checkpoints/*/manifest.json"))


def newer(run: Path) -> None:
    """A later version wrote it."""
    path = manifest(run)
    path.write_text(path.read_text().replace('"version": 2\n', '"version": 3\n'))


def broken_off(run: Path) -> None:
    """The process was killed while it wrote the only checkpoint."""
    step = manifest(run).parent
    step.rename(step.with_name(step.name + ".partial"))


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (shutil.rmtree, "no such run directory; `lior train --out {run}` makes one"),
    "unfinished": (lambda run: shutil.rmtree(run / "checkpoints"), "training did not finish"),
    "interrupted write": (broken_off, "training did not finish"),
    "without configuration": (lambda run: (run / "config.toml").unlink(), "not a run directory of lior"),
    "without manifest": (lambda run: manifest(run).unlink(), "manifest.json is missing"),
    "damaged": (lambda run: manifest(run).write_text("{}"), "manifest.json: not a manifest of lior"),
    "newer format": (newer, "format 3, and this lior reads 2"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_damaged_run_is_refused(command, finished, case):
    run = Path("r")
    shutil.copytree(finished, run)
    damage, message = CASES[case]
    damage(run)
    result = command("eval", run)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("lior: error: r")
    assert result.err.count("\n") == 1
    assert message.format(run=run) in result.err


def test_an_undamaged_run_is_not(command, finished):
    shutil.copytree(finished, "r")
    for extra in ("summary.json", "train.log", "metrics.jsonl"):
        (Path("r") / extra).unlink()
    assert command("eval", "r", "--quiet").code == 0, "the numbers and the log are not needed to use a model"


def test_what_is_no_run(command, sample, tmp_path):
    assert f"{sample}: not a run directory of lior but a file" in command("eval", sample).err
    assert "not a run directory of lior (config.toml is missing)" in command("eval", tmp_path).err


def test_forging_nothing_changes_nothing(command, finished):
    shutil.copytree(finished, "r")
    forge(Path("r"))
    assert command("eval", "r", "--quiet").code == 0


def test_a_plugin_that_is_not_installed_is_named(command, finished):
    shutil.copytree(finished, "r")
    forge(Path("r"), lambda m: m["components"]["encoder"][0].update(name="lagz"))
    result = command("eval", "r")
    assert result.code == 1
    assert "No encoder plugin is named 'lagz'. Did you mean 'lags'?" in result.err
