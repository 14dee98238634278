"""Loops of faults around the checkpoints of a program of its own, by the public modules alone."""

from __future__ import annotations

import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from lior.errors import SkippedCheckpoint
from lior.interfaces import State
from lior.runs import bundle
from lior.runs import folder as runfolder
from lior.runs.bundle import Format
from lior.runs.folder import RunFolder
from lior.tensors import one_thread
from tests.faults.faults import (
    FINISHED,
    REFUSED,
    Faults,
    attempt,
    grow_no_more,
    in_child,
    kill,
    operations,
    through_faults,
)

MINE = Format(program="mine", version=1)
TABLE = {"table": torch.arange(50)}
"""What does not change, and is shared between checkpoints."""


@pytest.fixture(autouse=True)
def single() -> Iterator[None]:
    with one_thread():
        yield


def state(step: int) -> State:
    """Random numbers that only this step has."""
    generator = torch.Generator().manual_seed(step)
    return {"x": torch.randn(20, generator=generator, dtype=torch.float64), "rng": generator.get_state()}


def load(place: Path) -> int:
    """Which step is there; every number of it is looked at."""
    manifest, states = bundle.read(place, format=MINE)
    step = int(manifest["step"])
    assert states.keys() == {"solver", "table"}
    assert all(torch.equal(states["solver"][name], value) for name, value in state(step).items())
    assert torch.equal(states["table"]["table"], TABLE["table"])
    assert place.name == f"step-{step:09d}"
    return step


def save(folder: RunFolder, step: int) -> None:
    share = {} if folder.newest is None else {"table": folder.newest}
    tensors, manifest = {"solver": state(step), "table": TABLE}, {"step": step, "score": float(-step)}
    with folder.writing(step) as path:
        bundle.write(path, tensors, manifest, format=MINE, share=share)
    folder.prune(last=1)


def begin(run: Path, report: Callable[[int], None]) -> None:
    """A run of three checkpoints."""
    with closing(RunFolder.create(run, {"config.json": "{}", "config.toml": ""})) as folder:
        for step in range(3):
            save(folder, step)
            report(step)


def go_on(run: Path, report: Callable[[int], None]) -> None:
    """Two more checkpoints, from the newest that there is."""
    runfolder.check(run, program="mine", command="mine train")
    with closing(RunFolder.open(run)) as folder:
        step, folder.newest = runfolder.newest(run, load)
        for later in (step + 1, step + 2):
            save(folder, later)
            report(later)


def reached(run: Path) -> int:
    """At which step the run stands, -1 for none; nothing of it may be damaged."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused = attempt(lambda: runfolder.newest(run, load))
        if refused:
            assert "the run has no checkpoint" in refused
            return -1
        return runfolder.newest(run, load)[0]


@pytest.mark.parametrize("how", ["error", "kill"])
@pytest.mark.parametrize("work", [begin, go_on], ids=lambda work: work.__name__)
@pytest.mark.slow
def test_the_run_is_the_old_or_the_new_one(tmp_path, work, how):
    """After a fault at any operation: no step that was reported is lost, and none but the next is there."""
    half = tmp_path / "half"
    begin(half, lambda _: None)
    saved = tmp_path / "saved"

    def fresh(name: str) -> Path:
        saved.write_text(str(2 if work is go_on else -1))
        return shutil.copytree(half, tmp_path / name) if work is go_on else tmp_path / name

    def reported(run: Path) -> None:
        work(run, lambda step: saved.write_text(str(step)))

    for run, code in through_faults(reported, fresh, how):
        last, found = int(saved.read_text()), reached(run)
        assert last <= found <= last + (code != FINISHED)
        if found >= 0:
            go_on(run, lambda _: None)
            assert runfolder.list_checkpoints(run) == [runfolder.checkpoint_path(run, found + 2)]
            assert not list(run.rglob("*.partial"))


def test_the_loop_finds_a_program_that_writes_in_place(tmp_path):
    """Were a checkpoint written under its own name, killing the process would show it."""

    def careless(run: Path) -> None:
        place = runfolder.checkpoint_path(run, 0)
        place.mkdir(parents=True)
        for name in ("solver.safetensors", "manifest.json"):
            (place / name).write_text("{}")

    total = operations(lambda: careless(tmp_path / "whole"), tmp_path / "whole")
    run = tmp_path / "r"

    def broken() -> None:
        Faults(run, total, kill).install()
        careless(run)

    assert in_child(broken) == -signal.SIGKILL
    with pytest.raises(AssertionError, match=r"manifest\.json is missing"):
        reached(run)


def test_files_that_may_not_grow(tmp_path):
    """The run goes on once there is space."""
    run = tmp_path / "r"
    begin(run, lambda _: None)

    def work() -> None:
        grow_no_more(512)
        go_on(run, lambda _: None)

    assert in_child(work) == REFUSED
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-000000002"]
    go_on(run, lambda _: None)
    assert reached(run) == 4


def test_a_skipped_checkpoint_costs_what_it_added(tmp_path):
    run = tmp_path / "r"
    begin(run, lambda _: None)
    shutil.copytree(runfolder.checkpoint_path(run, 2), runfolder.checkpoint_path(run, 9))
    (runfolder.checkpoint_path(run, 9) / "solver.safetensors").write_bytes(b"")
    with pytest.warns(SkippedCheckpoint, match="solver.safetensors: cut short"):
        go_on(run, lambda _: None)
    with pytest.warns(SkippedCheckpoint):
        assert runfolder.newest(run, load)[0] == 4
