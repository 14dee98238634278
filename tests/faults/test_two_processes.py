"""Several processes at one run: one writes at a time, nothing that was saved is lost, and readers go on."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lior
from lior.errors import RunError
from lior.reading.documents import RawDocument
from lior.runs import directory as rundir
from lior.runs import files
from lior.runs import folder as runfolder
from lior.tensors import one_thread
from lior.training.preparation import train
from tests.faults.faults import FINISHED, REFUSED, ended, start

TINY = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0")
OLD = [f"old {i}" for i in range(6)]


@pytest.fixture(scope="module")
def trained(configure, tmp_path_factory) -> Iterator[Path]:
    sources = [RawDocument(name, f"This is {name}. ".encode() * 9) for name in OLD]
    out = tmp_path_factory.mktemp("runs") / "trained"
    with one_thread():
        train(configure(*TINY, "data.holdout=0"), out, documents=sources)
        yield out


@pytest.fixture
def path(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "r"))


def edited(path: Path, edit: Callable[[lior.Run], object]) -> None:
    """Edit, with time for others in between."""
    run = lior.load(path)
    edit(run)
    os.sched_yield()
    run.save()


def learner(path: Path, name: str, acknowledged: Path) -> Callable[[], None]:
    """Learns three documents, one after the other, and notes what was saved."""

    def work() -> None:
        for number in range(3):
            edited(path, lambda run, n=number: run.learn({f"{name} {n}": f"New: {name}, {n}. " * 9}))
            with acknowledged.open("a") as stream:
                stream.write(f"{name} {number}\n")

    return work


def forgetter(path: Path) -> Callable[[], None]:
    """Forgets what was trained, one document after the other."""

    def work() -> None:
        for name in OLD:
            edited(path, lambda run, name=name: run.forget(name))

    return work


def reader(path: Path, over: Path) -> Callable[[], None]:
    """Opens the run until all is over: nothing is refused or skipped, and what is gone does not return."""

    def work() -> None:
        gone: set[str] = set()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            while not over.exists():
                names = set(rundir.open_run(path).corpus.names)
                assert not names & gone
                gone |= set(OLD) - names

    return work


def test_eight_writers_and_two_readers_at_once(path, tmp_path):
    """No writer starves: each looks for the lock as often as the others."""
    over = tmp_path / "over"
    readers = [start(reader(path, over)) for _ in range(2)]
    forgets = start(forgetter(path))
    writers = [start(learner(path, name, tmp_path / "acknowledged")) for name in "abcdefg"]
    codes = [ended(pid) for pid in (forgets, *writers)]
    over.touch()
    assert rundir.PATIENCE <= 10
    assert {*codes} <= {FINISHED, REFUSED}, "each succeeds, or is told why in one line"
    assert [*map(ended, readers)] == [FINISHED] * 2
    learned = {*(tmp_path / "acknowledged").read_text().splitlines()}
    learned |= set(OLD) & {document.name for document in lior.load(path).documents()} if codes[0] else set()
    run = lior.load(path)
    assert {document.name for document in run.documents()} == learned
    assert len(runfolder.list_checkpoints(path)) <= 2
    assert not list(path.rglob("*.partial"))
    fresh = lior.load(path)
    for name in learned:
        fresh.forget(name)
    for document in run.documents():
        fresh.learn({document.name: run.text(document.name)[0]})
    one, other = (each.model.memories["match"].snapshot() for each in (run, fresh))
    assert {k: v.tolist() for k, v in one.items()} == {k: v.tolist() for k, v in other.items()}


def test_the_lock_goes_with_the_process(path, monkeypatch):
    """However it ends: a run that nobody has is free."""

    def hold() -> None:
        stream = files.lock(path / "lock")
        os.write(sides[1], b"x")
        time.sleep(60)
        stream.close()

    sides = os.pipe()
    pid = start(hold)
    os.read(sides[0], 1)
    run = lior.load(path)
    run.learn({"new": "text"})
    monkeypatch.setattr(rundir, "PATIENCE", 0)
    with pytest.raises(
        RunError, match="another process is changing this run; wait until it ends, or stop it"
    ):
        run.save()
    os.kill(pid, 9)
    assert ended(pid) == -9
    run.save()
    assert lior.load(path).documents() == run.documents()
