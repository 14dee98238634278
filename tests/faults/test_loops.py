"""Loops of faults: the n-th operation on files fails, or the process is killed there, for every n.

One law holds for all that changes a run: afterwards the run is the old one or the new one, what was reported
as done is there, and the same command again makes it the new one. ``faults.py`` has how.
"""

from __future__ import annotations

import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lior
from lior.errors import LiorError, RunError
from lior.events import hookimpl
from lior.reading.documents import RawDocument
from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior.runs import syncing
from lior.tensors import one_thread
from lior.training.preparation import resume, train
from tests.faults import faults
from tests.faults.faults import FINISHED, REFUSED, contents, edit
from tests.tiny import TINY

SETTINGS = (*TINY, "memory.exact.capacity=64")
EDITED = (*SETTINGS, "memory.name=sdm,match,exact", "fit.passes=1")
SECRET = b"What the raven told at midnight, nobody knows. " * 3
LATER = {"later": "A document that came later, of which there was none before. " * 3}


class Work(NamedTuple):
    """What is done with a run."""

    before: Path | None
    """The run with which it begins; None for a new one."""
    do: Callable[[Path], object]
    again: Callable[[Path], object]
    """What is done after a fault."""
    late: bool = True
    """Whether a fault may be reported when the run is the new one already."""
    forgets: bool = False


class Reports:
    """Keeps the number of the newest checkpoint that was reported as complete."""

    def __init__(self, run: Path) -> None:
        self.run = run

    @hookimpl
    def lior_checkpoint_saved(self) -> None:
        _saved(self.run).write_text(str(_newest(self.run)))


def _saved(run: Path) -> Path:
    return run.with_name("saved")


def _newest(run: Path) -> int:
    return max(map(runfolder.number, runfolder.list_checkpoints(run)), default=-1)


def _go_on(run: Path) -> None:
    """Resume; without a checkpoint that was reported the run may be begun anew."""
    reported = int(_saved(run).read_text()) if _saved(run).exists() else -1
    assert _newest(run) >= reported, "a checkpoint that was reported is gone"
    try:
        resume(run)
    except RunError:
        if reported >= 0:
            raise
        shutil.rmtree(run, ignore_errors=True)


_learn = partial(edit, method="learn", given=LATER)
_forget = partial(edit, method="forget", given="secret")


def _sync(run: Path) -> None:
    opened = lior.load(run)
    opened.sync()
    assert syncing.scan_files(run).up_to_date, "the manifest is that of the run"


WORKS = ("train", "resume", "learn", "forget", "learn again", "forget after learning", "sync")


@pytest.fixture(scope="module")
def works(configure, sample, tmp_path_factory) -> Iterator[dict[str, Work]]:
    """Runs that take a fraction of a second; one thread, for threads do not live through a fork."""
    place, text = tmp_path_factory.mktemp("runs"), sample.read_bytes()
    (place / "short.txt").write_bytes(text[:4000])
    config = configure(*SETTINGS, "checkpoint.seconds=1e-9", text=place / "short.txt")
    (notes := place / "notes").mkdir()
    for name, data in (("a", text[:600]), ("b", text[600:1200]), ("secret", SECRET)):
        (notes / name).write_bytes(data)
    sources = [RawDocument("a", text[:900]), RawDocument("secret", SECRET), RawDocument("b", text[900:1800])]
    stops = iter([False] * 8 + [True])
    with one_thread():
        with pytest.raises(LiorError, match="goes on"):
            train(config, place / "half", stop=lambda: next(stops))
        train(configure(*EDITED), place / "trained", documents=sources)
        shutil.copytree(place / "trained", place / "edited")
        edit(place / "edited", "learn", {"between": text[2000:2500]})
        train(configure(*EDITED, "data.holdout=0", f"data.text=['{notes}']"), place / "folder")
        (notes / "secret").unlink()
        (notes / "b").write_bytes(text[700:1100])
        (notes / "c").write_bytes(text[1200:1500])
        begin = lambda run: train(config, run, callbacks=[Reports(run)])  # noqa: E731
        yield {
            "train": Work(None, begin, _go_on),
            "resume": Work(place / "half", lambda run: resume(run, callbacks=[Reports(run)]), _go_on),
            "learn": Work(place / "trained", _learn, _learn, late=False),
            "forget": Work(place / "trained", _forget, _forget, forgets=True),
            "learn again": Work(place / "edited", _learn, _learn, late=False),
            "forget after learning": Work(place / "edited", _forget, _forget, forgets=True),
            "sync": Work(place / "folder", _sync, _sync, forgets=True),
        }


def _fresh(work: Work, place: Path) -> Path:
    """A run to be changed, in a folder of its own."""
    place.mkdir()
    if work.before:
        shutil.copytree(work.before, place / "r")
        _saved(place / "r").write_text(str(_newest(work.before)))
    return place / "r"


def _state(run: Path) -> dict[str, Any]:
    """All contents of a run; nothing of one that is not finished."""
    try:
        return contents(run)
    except RunError:
        return {}


_wanted = cache(contents)


def _remains(run: Path) -> bool:
    """Whether a file has the secret as tokens of four or eight bytes, or as text."""
    begin = SECRET[:40]
    needles = [begin, *(b"".join(b.to_bytes(width, "little") for b in begin) for width in (4, 8))]
    files = [file for file in run.rglob("*") if file.is_file()]
    return any(needle in file.read_bytes() for file in files for needle in needles)


def check(work: Work, run: Path, old: dict[str, Any], new: Path, code: int) -> None:
    """The law."""
    assert not (work.forgets and code == FINISHED and _remains(run))
    found, wanted = _state(run), _wanted(new)
    done = found == wanted
    assert done or found == old
    assert done or code != FINISHED, "what was reported as done is there"
    assert not done or code != REFUSED or work.late, "what was refused is not there"
    if work.forgets:
        assert _remains(run) is not done, "opening the run has removed what was left to remove"
    if not done:
        work.again(run)
    if run.exists():
        assert _state(run) == wanted
        assert not (work.forgets and _remains(run))
        if work.again is _go_on:
            faults.assert_same_run(run, new)
        edit(run, "learn", {"further": "text"})
        assert not [*run.rglob("*.partial")]


@pytest.mark.parametrize("every", faults.SLICES)
@pytest.mark.parametrize("how", ["error", "kill"])
@pytest.mark.parametrize("name", WORKS)
@pytest.mark.slow
def test_a_run_is_changed_through_every_fault(works, tmp_path, name, how, every):
    work = works[name]
    old = _state(work.before) if work.before else {}
    _fresh(work, tmp_path / "new")
    work.do(new := tmp_path / "new" / "r")
    for run, code in faults.through_faults(work.do, lambda name: _fresh(work, tmp_path / name), how, every):
        check(work, run, old, new, code)


# --- a real fault ---


def _listing(run: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in run.rglob("*") if file.is_file()}


SIZES = [("learn", 0), ("forget", 1000), *((name, 20_000) for name in WORKS[:4])]


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_files_that_may_not_grow(works, tmp_path, name, size):
    work = works[name]
    run = _fresh(work, tmp_path / "r")
    before = _listing(run)

    def refused() -> None:
        faults.grow_no_more(size)
        with pytest.raises(RunError, match=r"cannot be written: .*File too large"):
            work.do(run)

    assert faults.in_child(refused) == FINISHED
    if work.again is not _go_on:
        assert _listing(run) == before
    work.again(run)


# --- defects that the loops find ---


def test_the_loop_finds_a_forgetting_that_is_not_finished(works, tmp_path, monkeypatch):
    """Were nothing removed when a run is opened, killing the process would show it."""
    work = works["forget"]
    old, new = contents(work.before), _fresh(work, tmp_path / "new")
    total = faults.operations(lambda: _forget(new), new)
    run = _fresh(work, tmp_path / "r")

    def killed() -> None:
        faults.Faults(run, total - 5, faults.kill).install()
        _forget(run)

    assert faults.in_child(killed) == -signal.SIGKILL
    monkeypatch.setattr(rundir, "_finish_erasure", lambda *_: None)
    with pytest.raises(AssertionError, match="opening the run has removed"):
        check(work, run, old, new, -signal.SIGKILL)
    monkeypatch.undo()
    check(work, run, old, new, -signal.SIGKILL)


def test_the_loop_finds_a_manifest_that_is_not_marked(works, tmp_path, monkeypatch):
    """Were the manifest not marked before, what a killed process learned would not be of the folder."""
    run, notes = _fresh(works["sync"], tmp_path / "r"), tmp_path / "notes"
    shutil.copytree(works["sync"].before.with_name("notes"), notes)
    lior.load(run).sync(notes)
    (notes / "d").write_text("A new one. " * 9)
    # As if the process were killed here.
    monkeypatch.setattr(syncing.Changes, "save_manifest", lambda _: None)
    assert lior.load(run).sync().learned == ("d",)
    monkeypatch.undo()
    (notes / "d").write_text("Another one. " * 9)
    assert lior.load(run).sync().changed == ("d",)


# --- several processes at one run ---

SMALLEST = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0")
OLD = [f"old {i}" for i in range(6)]


@pytest.fixture(scope="module")
def trained(configure, tmp_path_factory) -> Iterator[Path]:
    sources = [RawDocument(name, f"This is {name}. ".encode() * 9) for name in OLD]
    out = tmp_path_factory.mktemp("runs") / "trained"
    with one_thread():
        train(configure(*SMALLEST, "data.holdout=0"), out, documents=sources)
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
    readers = [faults.start(partial(read, path, over)) for _ in range(2)]
    forgets = faults.start(partial(forget, path))
    writers = [faults.start(partial(learn, path, name, tmp_path / "acknowledged")) for name in "abcdefg"]
    codes = [faults.ended(pid) for pid in (forgets, *writers)]
    over.touch()
    assert rundir.PATIENCE <= 10
    assert {*codes} <= {FINISHED, REFUSED}, "each succeeds, or is told why in one line"
    assert [*map(faults.ended, readers)] == [FINISHED] * 2
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
