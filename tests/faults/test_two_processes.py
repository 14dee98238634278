"""Several processes at one run: one writes at a time, nothing that was saved is lost, and readers go on."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Iterator
from functools import partial
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
from tests.faults.faults import FINISHED, REFUSED, edit, ended, start

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


def learn(path: Path, name: str, acknowledged: Path) -> None:
    """Learn three documents, one after the other, and note what was saved."""
    for number in range(3):
        edit(path, "learn", {f"{name} {number}": f"New: {name}, {number}. " * 9})
        with acknowledged.open("a") as stream:
            stream.write(f"{name} {number}\n")


def forget(path: Path) -> None:
    """Forget what was trained, one document after the other."""
    for name in OLD:
        edit(path, "forget", name)


def read(path: Path, over: Path) -> None:
    """Open the run until all is over: nothing is refused or skipped, and what is gone does not return."""
    gone: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while not over.exists():
            names = set(rundir.open_run(path).corpus.names)
            assert not names & gone
            gone |= set(OLD) - names


def test_eight_writers_and_two_readers_at_once(path, tmp_path):
    """No writer starves: each looks for the lock as often as the others."""
    over = tmp_path / "over"
    readers = [start(partial(read, path, over)) for _ in range(2)]
    forgets = start(partial(forget, path))
    writers = [start(partial(learn, path, name, tmp_path / "acknowledged")) for name in "abcdefg"]
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
    with pytest.raises(RunError, match="another process is changing this run; wait until it ends, or st"):
        run.save()
    os.kill(pid, 9)
    assert ended(pid) == -9
    run.save()
    assert lior.load(path).documents() == run.documents()
