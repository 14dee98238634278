"""Versions of a run that is edited: which are kept, who may write the next, and what forgetting leaves."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

import lior
from lior.errors import DataError, NewerFormat, RunError, SkippedCheckpoint, TextRemains
from lior.reading.documents import RawDocument
from lior.runs import directory, files
from lior.runs import folder as runfolder
from lior.runs.bundle import digest
from lior.runs.format import FORMAT, read_manifest
from lior.training.preparation import train

TINY = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0")
SECRET = b"The combination of the safe is 71-14-88."
UNSEEN = b"What is held out is not in the memories."


@pytest.fixture(scope="module")
def trained(configure, tmp_path_factory) -> Path:
    """A run with four documents: the second is secret, and the last is validation text."""
    words, further = b"A text with words in it. " * 40, b"Further words. " * 40
    sources = [
        RawDocument("a", words),
        RawDocument("secret", SECRET),
        RawDocument("b", further),
        RawDocument("unseen", UNSEEN),
    ]
    out = tmp_path_factory.mktemp("runs") / "trained"
    run = train(configure(*TINY, "data.holdout=0.03", "mixer.calibration=0"), out, documents=sources)
    assert run.documents()[3].held == 0
    return out


@pytest.fixture
def path(trained, tmp_path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "r"))


def names(path: Path) -> list[str]:
    return [document.name for document in lior.load(path).documents()]


def texts(path: Path, text: bytes = SECRET) -> list[str]:
    """The folders of files in which a text stands."""
    needle = b"".join(byte.to_bytes(4, "little") for byte in text)
    found = [file for file in path.rglob("*") if file.is_file() and needle in file.read_bytes()]
    return sorted({file.parent.name for file in found})


def newest(path: Path) -> Path:
    return runfolder.list_checkpoints(path)[0]


def edited(path: Path, name: str) -> lior.Run:
    """Learn a document of that name, and save."""
    run = lior.load(path)
    run.learn({name: f"This is {name}."})
    run.save()
    return run


# --- which are kept ---


def test_what_is_learned_is_a_version_beside_the_one_of_the_best_score(path):
    first = newest(path)
    run = edited(path, "one")
    assert (run.changes, run.checkpoint.digest) == (0, lior.load(path).checkpoint.digest)
    second = newest(path)
    assert runfolder.list_checkpoints(path) == [second, first]
    edited(path, "two")
    assert runfolder.list_checkpoints(path) == [newest(path), first]
    assert newest(path) not in (first, second)
    assert names(path) == ["a", "secret", "b", "unseen", "one", "two"]


def test_as_many_are_kept_as_the_run_says(path):
    config = path / "config.toml"
    config.write_text(config.read_text().replace("last = 1", "last = 2"))
    for name in ("one", "two", "three"):
        edited(path, name)
    assert len(runfolder.list_checkpoints(path)) == 3
    shutil.rmtree(newest(path))
    assert names(path)[4:] == ["one", "two"]


def test_a_run_can_be_edited_right_after_its_training(configure, tmp_path):
    result = train(configure(*TINY), tmp_path / "r", documents=[RawDocument("a", b"words and words " * 40)])
    result.learn({"more": "text"})
    result.save()
    result.forget("more")
    result.save()
    assert names(tmp_path / "r") == ["a"]
    with pytest.raises(RunError, match="the run has no directory"):
        train(configure(*TINY), documents=[RawDocument("a", b"words and words " * 40)]).save()


def test_forgetting_leaves_no_version_and_nothing_half_written_with_the_text(path):
    edited(path, "one")
    half = path / "checkpoints" / "step-000000099.partial"
    shutil.copytree(newest(path), half)
    (path / "summary.json.partial").write_bytes(SECRET)
    assert len(texts(path)) == 3
    run = lior.load(path)
    run.forget("secret")
    assert len(texts(path)) == 3, "nothing is removed before the new version is there"
    run.save()
    assert texts(path) == []
    assert runfolder.list_checkpoints(path) == [newest(path)]
    assert not list(path.rglob("*.partial"))
    edited(path, "two")
    assert names(path) == ["a", "b", "unseen", "one", "two"]


def test_what_no_memory_holds_is_forgotten_as_well(path):
    assert len(texts(path, UNSEEN)) == 1
    run = lior.load(path)
    run.forget("unseen")
    run.save()
    assert texts(path, UNSEEN) == []
    assert names(path) == ["a", "secret", "b"]


# --- who may write ---


def test_what_another_process_wrote_in_between_is_not_lost(path):
    """The changes are done again, in their order, to what the other one wrote."""
    one, other = lior.load(path), lior.load(path)
    one.learn({"one": "text"})
    other.forget("secret")
    other.learn({"other": "text", "moved": "The lamp stands on the floor."})
    other.forget("moved")
    other.learn({"moved": "The lamp stands on the shelf."})
    one.save()
    other.save()
    assert names(path) == ["a", "b", "unseen", "one", "other", "moved"]
    assert other.documents() == lior.load(path).documents()
    assert other.ask("Where is the lamp?").answer.text == "The lamp stands on the shelf."
    assert lior.load(path).text("moved") == [b"The lamp stands on the shelf."]
    assert texts(path) == []
    one.forget("a")
    one.save()
    assert names(path) == ["b", "unseen", "one", "other", "moved"]


def test_what_cannot_be_done_again_is_refused_and_nothing_is_lost(path):
    one, other = lior.load(path), lior.load(path)
    one.learn({"new": "of one"})
    one.forget("secret")
    one.save()
    other.learn({"new": "of the other"})
    with pytest.raises(DataError, match="new: there is a document of this name already"):
        other.save()
    assert (other.text("new"), other.changes) == ([b"of the other"], 1)
    assert lior.load(path).text("new") == [b"of one"]
    late = lior.load(path)
    other.forget("new")
    other.edited.learn([RawDocument("b", b"once more")], replace=True)
    with pytest.raises(DataError, match="new: there is a document"):
        other.save()
    late.edited.learn([RawDocument("new", b"of one, again"), RawDocument("b", b"too")], replace=True)
    late.save()
    assert names(path) == ["a", "unseen", "new", "b"]
    with pytest.raises(DataError, match=r"0 bytes"):
        late.edited.learn([RawDocument("a", b"")], replace=True)
    assert late.changes == 0


def test_a_run_in_the_place_of_another(path, trained, configure):
    """Of the same name and step, but trained anew."""
    run = lior.load(path)
    run.learn({"one": "text"})
    shutil.rmtree(path)
    train(configure(*TINY, "seed=1"), path, documents=[RawDocument("z", b"Other words in here. " * 60)])
    with pytest.raises(RunError, match="another process trained the run anew; open it anew and repeat"):
        run.save()
    shutil.rmtree(path)
    with pytest.raises(RunError, match="no such run directory"):
        run.save()
    shutil.copytree(trained, path)
    run.save()
    assert names(path)[4:] == ["one"]


def test_while_another_process_writes(path, monkeypatch):
    """It is waited for, and not for ever."""
    run = lior.load(path)
    run.learn({"one": "text"})
    held, waited = files.lock(path / "lock"), [0.0]

    def sleep(seconds: float) -> None:
        waited[0] += seconds
        if waited[0] > directory.PATIENCE + 1:
            held.close()

    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: waited[0]))
    with pytest.raises(RunError, match="another process is changing this run"):
        run.save()
    assert directory.PATIENCE / 2 < waited[0] <= directory.PATIENCE
    run.save()
    assert held.closed
    assert names(path)[4:] == ["one"]


def test_a_damaged_version_does_not_stop_editing(path):
    """What it added is lost, which is told; the next version goes on from the one before."""
    edited(path, "one")
    (newest(path) / "model.safetensors").write_bytes(b"")
    with pytest.warns(SkippedCheckpoint, match="cut short"):
        run = lior.load(path)
    run.learn({"two": "text"})
    run.save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert names(path)[4:] == ["two"]


def test_a_version_of_a_newer_lior_is_not_written_over(path):
    edited(path, "one")
    later = newest(path)
    manifest = json.loads((later / "manifest.json").read_text()) | {
        "format": {"program": "lior", "version": FORMAT.version + 1}
    }
    del manifest["sha256"]
    (later / "manifest.json").write_text(json.dumps(manifest | {"sha256": digest(manifest)}))
    with pytest.warns(SkippedCheckpoint, match="install a newer lior"):
        run = lior.load(path)
    run.forget("secret")
    with pytest.raises(NewerFormat, match="install a newer lior"):
        run.save()
    assert newest(path) == later


# --- forgetting that was interrupted ---


@pytest.fixture
def broken_off(path, monkeypatch) -> Path:
    """The secret is forgotten in the newest version, and nothing was removed yet: the process was stopped."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    run = lior.load(path)
    run.forget("secret")
    with monkeypatch.context() as patch:
        patch.setattr(runfolder, "remove_older", stopped)
        with pytest.raises(KeyboardInterrupt):
            run.save()
    assert len(texts(path)) == 1
    return path


def test_half_a_removal_is_finished_as_well(broken_off):
    """The folder has its other name already."""
    old = runfolder.list_checkpoints(broken_off)[1]
    old.rename(old.with_name(old.name + ".old.partial"))
    assert names(broken_off) == ["a", "b", "unseen"]
    assert texts(broken_off) == []


def test_whoever_writes_next_finishes_it_first(broken_off, monkeypatch):
    """The one that opened it could not, for another process had the lock."""
    with files.lock(broken_off / "lock"):
        run = lior.load(broken_off)
    assert len(texts(broken_off)) == 1
    run.learn({"one": "text"})
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        with pytest.raises(RunError, match="cannot be written: Permission denied; it is unchanged"):
            run.save()
    run.save()
    assert texts(broken_off) == []
    assert names(broken_off) == ["a", "b", "unseen", "one"]


def refuse(path: Path, *_: object, ignore_errors: bool = False) -> None:
    if not ignore_errors:
        raise PermissionError(13, "Permission denied", str(path))


def test_what_cannot_be_removed_is_told_until_it_is(path, monkeypatch):
    run = lior.load(path)
    run.forget("secret")
    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(RunError) as caught:
        run.save()
    message = str(caught.value)
    assert message.startswith(
        f"{path}: forgotten text is still in earlier checkpoints, which cannot be removed"
    )
    assert "Permission denied" in message
    assert f"mend that, and `lior docs {path}` removes them" in message
    assert "\n" not in message
    assert run.changes == 0, "it was written"
    with pytest.warns(TextRemains, match="forgotten text is still in earlier checkpoints"):
        assert names(path) == ["a", "b", "unseen"]
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names(path)
    assert texts(path) == []


def test_learning_again_what_was_forgotten_brings_no_old_version_back(broken_off):
    run = edited(broken_off, "secret")
    assert names(broken_off) == ["a", "b", "unseen", "secret"]
    assert texts(broken_off) == []
    assert read_manifest(newest(broken_off))["pending_erasure"] is False
    assert run.documents()[-1].bytes == len(b"This is secret.")
