"""Loops of faults: the n-th operation on files fails, or the process is killed there, for every n.

Each case is a forked child that trains with a checkpoint after every window.
Afterwards the run is the old one or the new one: it is finished, or can be gone on
with, and ends as if nothing had happened. ``faults.py`` has how.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lior.config import TrainConfig
from lior.errors import LiorError
from lior.events import hookimpl
from lior.runs import directory as rundir
from lior.tensors import one_thread
from lior.training.preparation import resume, train
from tests.faults.faults import FINISHED, REFUSED, SLICES, attempt, through_faults
from tests.faults.same_run import assert_same_run
from tests.tiny import TINY

SETTINGS = (*TINY, "checkpoint.seconds=1e-9", "memory.exact.capacity=64")


class Counter:
    """Notes in a file every checkpoint that was reported as complete."""

    def __init__(self, file: Path):
        self.file = file

    @hookimpl
    def lior_checkpoint_saved(self) -> None:
        with self.file.open("a") as stream:
            stream.write("x")


@pytest.fixture(scope="module")
def config(configure, sample, tmp_path_factory) -> Iterator[TrainConfig]:
    """A run that takes a fraction of a second; one thread, for threads do not live through a fork."""
    text = tmp_path_factory.mktemp("text") / "short.txt"
    text.write_bytes(sample.read_bytes()[:4000])
    with one_thread():
        yield configure(*SETTINGS, text=text)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory) -> Path:
    """The run to which nothing happens."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    train(config, run)
    return run


def check(run: Path, saved: Path, whole: Path) -> None:
    """The run is finished, or can be gone on with, or never had a checkpoint."""
    refused = attempt(lambda: rundir.open_run(run)) and attempt(lambda: resume(run))
    if refused:
        assert "\n" not in refused
        assert not saved.exists(), f"a checkpoint was complete, and now: {refused}"
    else:
        assert_same_run(whole, run)


@pytest.mark.parametrize("every", SLICES)
@pytest.mark.parametrize("how", ["error", "kill"])
@pytest.mark.slow
def test_training_through_every_fault(config, whole, tmp_path, how, every):
    outcomes = set()

    def fresh(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name / "r"

    def work(run: Path) -> None:
        train(config, run, callbacks=[Counter(run.with_name("saved"))])

    for run, code in through_faults(work, fresh, how, every):
        outcomes.add(code)
        check(run, run.with_name("saved"), whole)
    assert outcomes == {FINISHED, REFUSED if how == "error" else -signal.SIGKILL}


@pytest.mark.parametrize("every", SLICES)
@pytest.mark.parametrize("how", ["error", "kill"])
def test_going_on_through_every_fault(config, whole, tmp_path, how, every):
    """The same of the second half of a run, whose first half must never get lost."""
    stops = iter([False] * 8 + [True])
    with pytest.raises(LiorError, match="goes on"):
        train(config, tmp_path / "half", stop=lambda: next(stops))

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(tmp_path / "half", tmp_path / name))

    (tmp_path / "saved").touch()  # the half was complete
    for each, _ in through_faults(resume, fresh, how, every):
        check(each, tmp_path / "saved", whole)
