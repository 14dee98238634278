"""A run directory that is missing, unfinished, damaged, newer or not ours is refused in one sentence.

tests/runs/test_bundle.py has what every snapshot refuses; these are messages of the command.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.faults import forge

MODEL = "checkpoints/*/model.safetensors"
TEXT = "checkpoints/*/text.safetensors"
MANIFEST = "checkpoints/*/manifest.json"

Damage = Callable[[Path], object]


def at(run: Path, file: str) -> Path:
    """The one file of a run that the pattern ``file`` means."""
    (path,) = run.glob(file)
    return path


def change(file: str, edit: Callable[[bytes], bytes]) -> Damage:
    """Rewrite one file of a run."""
    return lambda run: at(run, file).write_bytes(edit(at(run, file).read_bytes()))


def remove(file: str) -> Damage:
    """Remove one file of a run."""
    return lambda run: at(run, file).unlink()


def broken_off(run: Path) -> None:
    """As if the process had been killed while it wrote the only checkpoint."""
    (step,) = (run / "checkpoints").iterdir()
    step.rename(step.with_name(step.name + ".partial"))


def replace(old: str, new: str) -> Damage:
    """Edit the manifest, which must contain ``old``."""

    def edit(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new.encode(), 1)

    return change(MANIFEST, edit)


def flip(data: bytes) -> bytes:
    """One bit of the last byte but nine."""
    return data[:-10] + bytes([data[-10] ^ 1]) + data[-9:]


CASES: dict[str, tuple[Damage, str]] = {
    "missing": (shutil.rmtree, "no such run directory; `lior train --out {run}` makes one"),
    "unfinished": (lambda run: shutil.rmtree(run / "checkpoints"), "training did not finish"),
    "interrupted write": (broken_off, "training did not finish"),
    "without configuration": (remove("config.toml"), "not a run directory of lior"),
    "without manifest": (remove(MANIFEST), "manifest.json is missing"),
    "truncated model": (change(MODEL, lambda data: data[:-100]), "model.safetensors: cut short"),
    "one bit of the text": (change(TEXT, flip), "text.safetensors: changed"),
    "newer format": (replace('"version": 2\n', '"version": 3\n'), "format 3, and this lior reads 2"),
    "another split": (replace('"n_train": ', '"n_train": 1'), "manifest.json: changed"),
}


@pytest.mark.parametrize(
    ("name", "case"), [*(("eval", case) for case in CASES), ("generate", "truncated model")]
)
def test_a_damaged_run_is_refused(command, finished, case, name):
    run = Path("r")
    shutil.copytree(finished, run)
    damage, message = CASES[case]
    damage(run)
    result = command(name, run)
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
