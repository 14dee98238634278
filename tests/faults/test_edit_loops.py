"""Loops of faults while a run is edited: it is the old one or the new one, and can be edited again.

What was forgotten is gone from every file, at the latest when the run is opened again.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import lior
from lior.errors import RunError
from lior.reading.documents import RawDocument
from lior.runs import checkpoint, syncing
from lior.tensors import one_thread
from lior.training.preparation import train
from tests.faults.faults import (
    FINISHED,
    REFUSED,
    SLICES,
    Faults,
    grow_no_more,
    in_child,
    kill,
    operations,
    small_disk,
    through_faults,
)
from tests.tiny import TINY

SETTINGS = (*TINY, "memory.name=sdm,match,exact", "memory.exact.capacity=64", "fit.passes=1")
SECRET = b"What the raven told at midnight, nobody knows. " * 3
LATER = "A document that came later, of which there was none before. " * 3


def learn(path: Path) -> None:
    run = lior.load(path)
    run.learn({"later": LATER})
    run.save()


def forget(path: Path) -> None:
    run = lior.load(path)
    run.forget("secret")
    run.save()


def sync(path: Path) -> None:
    lior.load(path).sync()


CASES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "learn": ("trained", learn),
    "forget": ("trained", forget),
    "learn again": ("edited", learn),
    "forget after learning": ("edited", forget),
    "sync": ("of a folder", sync),
}
"""Which run, and what is done with it."""
FORGETTING = (forget, sync)


@pytest.fixture(scope="module")
def runs(configure, sample, tmp_path_factory) -> Iterator[dict[str, Path]]:
    """A trained run, one that learned a document since, and one whose folder has changed in three files."""
    folder, text = tmp_path_factory.mktemp("runs"), sample.read_bytes()
    sources = [RawDocument("a", text[:900]), RawDocument("secret", SECRET), RawDocument("b", text[900:1800])]
    with one_thread():
        train(configure(*SETTINGS), folder / "trained", documents=sources)
        shutil.copytree(folder / "trained", folder / "edited")
        run = lior.load(folder / "edited")
        run.learn({"between": text[2000:2500]})
        run.save()
        notes = folder / "notes"
        notes.mkdir()
        for name, data in (("a", text[:600]), ("b", text[600:1200]), ("secret", SECRET)):
            (notes / name).write_bytes(data)
        train(configure(*SETTINGS, "data.holdout=0", f"data.text=['{notes}']"), folder / "of a folder")
        (notes / "secret").unlink()
        (notes / "b").write_bytes(text[700:1100])
        (notes / "c").write_bytes(text[1200:1500])
        yield {name: folder / name for name in ("trained", "edited", "of a folder")}


def contents(path: Path) -> dict[str, Any]:
    """All contents of a run: its tensors, its text, and the names of its documents."""
    loaded = lior.load(path).checkpoint
    names = {"names": loaded.corpus.names, "train": loaded.n_train, "later": len(loaded.added)}
    return names | checkpoint.tensors(loaded.model) | {"tokens": loaded.corpus.tokens}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[key]) if isinstance(value, torch.Tensor) else value == other[key]
        for key, value in one.items()
    )


def remains(path: Path) -> bool:
    """Whether a file has the secret as tokens of four or eight bytes, or as text."""
    begin = SECRET[:40]
    needles = [begin, *(b"".join(b.to_bytes(width, "little") for b in begin) for width in (4, 8))]
    files = [file for file in path.rglob("*") if file.is_file()]
    return any(needle in file.read_bytes() for file in files for needle in needles)


@pytest.mark.parametrize("every", SLICES)
@pytest.mark.parametrize("how", ["error", "kill"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_editing_through_every_fault(runs, tmp_path, case, how, every):
    which, edit = CASES[case]
    old = contents(runs[which])

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(runs[which], tmp_path / name))

    edited = through_faults(edit, fresh, how, every)
    new = contents(next(edited)[0])
    for each, code in edited:
        check(each, old, new, code, edit)


def check(
    run: Path, old: dict[str, Any], new: dict[str, Any], code: int, edit: Callable[[Path], None]
) -> None:
    """The run is the old or the new one, the one that the code tells, and it can be edited."""
    forgotten = edit in FORGETTING
    if forgotten and code == FINISHED:
        assert not remains(run)
    found = contents(run)
    done = same(found, new)
    assert done or same(found, old)
    assert done or code != FINISHED, "what was reported as done is there"
    assert not done or code != REFUSED or forgotten, "what was refused is not there"
    if forgotten:
        assert remains(run) is not done, "opening the run has removed what was left to remove"
    if edit is sync:
        check_synced(run, new, done)
        return
    edited = lior.load(run)
    edited.learn({"further": "text"})
    edited.save()
    assert contents(run)["names"] == (*found["names"], "further")
    assert not list(run.rglob("*.partial"))


def check_synced(run: Path, new: dict[str, Any], done: bool) -> None:
    """Syncing makes the run new, whatever it is."""
    assert new["names"] == ("a", "b", "c")
    assert lior.load(run).sync().changes == (0 if done else 3)
    assert not list(run.rglob("*.partial"))
    assert same(contents(run), new)
    assert not remains(run)
    assert syncing.scan(run).up_to_date, "the manifest is that of the run"


def test_the_loop_finds_a_forgetting_that_is_not_finished(runs, tmp_path, monkeypatch):
    """Were nothing removed when a run is opened, killing the process would show it."""
    old, run = contents(runs["trained"]), Path(shutil.copytree(runs["trained"], tmp_path / "whole"))
    total = operations(lambda: forget(run), run)
    new = contents(run)
    run = Path(shutil.copytree(runs["trained"], tmp_path / "r"))

    def work() -> None:
        Faults(run, total - 5, kill).install()
        forget(run)

    assert in_child(work) == -signal.SIGKILL
    monkeypatch.setattr(lior.runs.directory, "_finish_erasure", lambda *_: None)
    with pytest.raises(AssertionError, match="opening the run has removed"):
        check(run, old, new, -signal.SIGKILL, forget)
    monkeypatch.undo()
    check(run, old, new, -signal.SIGKILL, forget)


def test_the_loop_finds_a_manifest_that_is_not_marked(runs, tmp_path, monkeypatch):
    """Were the manifest not marked before, what a killed process learned would not be of the folder."""
    run, work = Path(shutil.copytree(runs["of a folder"], tmp_path / "r")), tmp_path / "notes"
    shutil.copytree(runs["of a folder"].with_name("notes"), work)
    lior.load(run).sync(work)
    (work / "d").write_text("A new one. " * 9)
    # As if the process were killed here.
    monkeypatch.setattr(syncing.Changes, "save_manifest", lambda _: None)
    assert lior.load(run).sync().learned == ("d",)
    monkeypatch.undo()
    (work / "d").write_text("Another one. " * 9)
    assert lior.load(run).sync().changed == ("d",)


# --- real faults ---


@pytest.mark.parametrize(("edit", "size"), [(learn, 0), (forget, 1000), (learn, 20_000), (forget, 20_000)])
def test_files_that_may_not_grow(runs, tmp_path, edit, size):
    run = Path(shutil.copytree(runs["trained"], tmp_path / "r"))
    before = listing(run)

    def work() -> None:
        grow_no_more(size)
        with pytest.raises(RunError, match=r"cannot be written: .*File too large.*; it is unchanged"):
            edit(run)

    assert in_child(work) == FINISHED
    assert listing(run) == before
    edit(run)


def listing(run: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in run.rglob("*") if file.is_file()}


@pytest.mark.parametrize("edit", [learn, forget])
def test_a_full_disk(runs, tmp_path, edit):
    """There is no room for a further version: the run stays as it was, and can be edited when there is."""
    size = sum(len(data) for data in listing(runs["trained"]).values())
    with small_disk(tmp_path / "disk", str(size * 3 // 2)) as enlarge:
        run = Path(shutil.copytree(runs["trained"], tmp_path / "disk" / "r"))
        before = listing(run)
        with pytest.raises(RunError, match=r"No space left on device.*; it is unchanged"):
            edit(run)
        assert listing(run) == before
        enlarge()
        edit(run)
        assert remains(run) is (edit is learn)
