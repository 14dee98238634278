"""Loops of faults while a run is synced: it is the old one or the new one, and syncing again makes it new."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import lior
from lior.runs import syncing
from lior.tensors import one_thread
from lior.training.preparation import train
from tests.faults.faults import FINISHED, SLICES, operations, through_faults
from tests.faults.test_edit_loops import SECRET, contents, remains, same

TINY = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0", "data.holdout=0")


@pytest.fixture(scope="module")
def places(configure, sample, tmp_path_factory) -> Iterator[tuple[Path, Path]]:
    """A trained run, and its folder, in which a file has gone, one has changed, and one is new."""
    home, text = tmp_path_factory.mktemp("places"), sample.read_bytes()
    notes = home / "notes"
    notes.mkdir()
    (notes / "a").write_bytes(text[:600])
    (notes / "b").write_bytes(text[600:1200])
    (notes / "secret").write_bytes(SECRET)
    with one_thread():
        train(configure(*TINY, f"data.text=['{notes}']"), home / "run")
        (notes / "secret").unlink()
        (notes / "b").write_bytes(text[700:1100])
        (notes / "c").write_bytes(text[1200:1500])
        yield home / "run", notes


@pytest.mark.parametrize("every", SLICES)
@pytest.mark.parametrize("how", ["error", "kill"])
@pytest.mark.slow
def test_syncing_through_every_fault(places, tmp_path, how, every):
    source, notes = places
    old, run = contents(source), Path(shutil.copytree(source, tmp_path / "whole"))
    total = operations(lambda: lior.load(run).sync(notes), run, tmp_path / "count")
    new = contents(run)
    assert new["names"] == ("a", "b", "c")
    print(f"{total} operations")

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(source, tmp_path / name))

    def sync(run: Path) -> None:
        lior.load(run).sync(notes)

    for run, code in through_faults(sync, fresh, how, range(1 + (total - 1) % every, total + 1, every)):
        found = contents(run)
        done = same(found, new)
        assert done or same(found, old)
        assert done or code != FINISHED, "what was reported as done is there"
        again = lior.load(run).sync(notes)
        assert again.changes == (0 if done else 3)
        assert same(contents(run), new)
        assert not remains(run)
        assert syncing.scan(run).up_to_date, "the manifest is that of the run"
        assert not list(run.rglob("*.partial"))


@pytest.mark.slow
def test_the_loop_finds_a_manifest_that_is_not_marked(places, tmp_path, monkeypatch):
    """Were the manifest not marked before, what a killed process learned would not be of the folder."""
    source, notes = places
    run, work = Path(shutil.copytree(source, tmp_path / "r")), shutil.copytree(notes, tmp_path / "notes")
    lior.load(run).sync(work)
    (Path(work) / "d").write_text("A new one. " * 9)
    monkeypatch.setattr(
        syncing.Changes, "save_manifest", lambda _: None
    )  # as if the process were killed here
    assert lior.load(run).sync().learned == ("d",)
    monkeypatch.undo()
    (Path(work) / "d").write_text("Another one. " * 9)
    assert lior.load(run).sync().changed == ("d",)
