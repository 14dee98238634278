"""A run directory of a program of its own: who may write it, which checkpoint counts, and which stay."""

from __future__ import annotations

import shutil
import warnings
from contextlib import closing
from pathlib import Path

import pytest
import torch

from lior.errors import RunError, SkippedCheckpoint, UsageError
from lior.runs import bundle, files
from lior.runs import folder as runfolder
from lior.runs.bundle import Format
from lior.runs.folder import RunFolder

MINE = Format(program="mine", version=1)
FILES = {"config.json": '{"seed": 1}', "config.toml": "seed = 1\n"}


def save(folder: RunFolder, step: int, score: float | None = None) -> Path:
    """A checkpoint whose tensor says of which step it is."""
    state = {"x": torch.full((3,), float(step), dtype=torch.float64)}
    manifest = {"score": score}
    with folder.writing(step) as path:
        bundle.write(path, {"field": state}, manifest, format=MINE)
    return path


def load(place: Path) -> float:
    _, states = bundle.read(place, format=MINE)
    return float(states["field"]["x"][0])


def numbers(run: Path) -> list[int]:
    return [runfolder.number(place) for place in runfolder.list_checkpoints(run)]


def spoil(place: Path) -> None:
    (place / "field.safetensors").write_bytes(b"")


@pytest.fixture
def folder(tmp_path):
    with closing(RunFolder.create(tmp_path / "runs" / "r", FILES)) as folder:
        yield folder


# --- the directory ---


def test_a_new_directory_has_its_files_and_the_lock(folder):
    assert {path.name for path in folder.path.iterdir()} == {*FILES, "lock"}
    assert {name: (folder.path / name).read_text() for name in FILES} == FILES
    assert folder.newest is None
    runfolder.check(folder.path, program="mine", command="mine train")


def test_a_directory_with_something_in_it_is_not_touched(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RunError, match="not empty; nothing was touched; give another --out"):
        RunFolder.create(tmp_path, FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_was_killed_before_its_first_checkpoint_is_taken(tmp_path):
    run = tmp_path / "r"
    for written in (["config.json"], ["config.json", "config.toml"]):
        run.mkdir()
        for name in written:
            (run / name).write_text(FILES[name])
        (run / "config.toml.x.partial").touch()
        RunFolder.create(run, FILES).close()
        with pytest.raises(RunError, match="not empty; nothing was touched"):
            RunFolder.create(run, {**FILES, "config.toml": "other = 1"})
        shutil.rmtree(run)


@pytest.mark.parametrize(
    "there",
    [
        {"config.json": "", "notes.txt": ""},
        {"config.toml": "", "checkpoints/step-000000001/x": ""},
        {"config.json": "a"},
    ],
)
def test_no_other_directory_is_taken(tmp_path, there):
    for name, text in there.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text or FILES.get(name, ""))
    with pytest.raises(RunError, match="not empty; nothing was touched"):
        RunFolder.create(tmp_path, FILES)


def test_what_is_not_utf_8_is_written_as_question_marks(tmp_path):
    RunFolder.create(tmp_path / "r", {"config.toml": "text = 'a\udcff'"}).close()
    assert (tmp_path / "r" / "config.toml").read_text() == "text = 'a?'"
    with pytest.raises(RunError, match="the name is not UTF-8, and safetensors reads no such path"):
        RunFolder.create(tmp_path / "r\udcff", FILES)


def test_a_directory_that_cannot_be_written(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file: cannot be written: File exists; give another --out"):
        RunFolder.create(tmp_path / "file", FILES)
    monkeypatch.setattr(files, "write_text", fail)
    with pytest.raises(RunError) as caught:  # which holds what was there when it was raised
        RunFolder.create(tmp_path / "r", FILES)
    assert str(caught.value).endswith("/r: cannot be written: No space left on device; give another --out")
    monkeypatch.undo()
    RunFolder.create(tmp_path / "r", FILES).close()  # the lock is free, and nothing else is there


def test_a_run_has_one_writer(folder):
    with pytest.raises(
        RunError, match="another process is changing this run; wait until it ends, or stop it"
    ):
        RunFolder.open(folder.path)
    folder.close()
    RunFolder.open(folder.path).close()


def test_what_is_no_run(tmp_path):
    def check(path: Path) -> None:
        runfolder.check(path, program="mine", command="mine train")

    with pytest.raises(RunError, match=r"r: no such run directory; `mine train --out .*/r` makes one"):
        check(tmp_path / "r")
    with pytest.raises(RunError, match=r"not a run directory of mine \(config.toml is missing\)"):
        check(tmp_path)
    (tmp_path / "f").touch()
    with pytest.raises(RunError, match="f: not a run directory of mine but a file; give the directory"):
        check(tmp_path / "f")


def test_a_run_of_another_program_is_named_with_its_command(folder, tmp_path):
    save(folder, 1, 1.0)
    for program, said in (
        ("theirs", "theirs, not of mine"),
        ("lior-tables", "lior-tables, not of mine; it is for `lior table`"),
        ("lior", "lior, not of mine; it is for `lior train, generate, why`"),
    ):
        with folder.writing(2) as path:
            bundle.write(path, {}, {}, format=Format(program=program, version=1))
        with pytest.raises(RunError, match=rf": a run of {said}$"):
            runfolder.check(folder.path, program="mine", command="mine train")
        folder.newest = None
    other = tmp_path / "other"  # a run without a checkpoint
    RunFolder.create(other, FILES).close()
    (other / "run_meta.json").write_text('{\n "format": {\n  "program": "theirs",\n  "version": 2}}')
    with pytest.raises(RunError, match="a run of theirs, not of mine"):
        runfolder.check(other, program="mine", command="mine train")


# --- which stay ---


def test_the_last_the_best_and_every_so_many_th_stay(folder):
    for step, score in enumerate((3.0, 1.0, 2.0, None, 2.5)):
        assert save(folder, step, score) == folder.newest == runfolder.checkpoint_path(folder.path, step)
    assert numbers(folder.path) == [4, 3, 2, 1, 0], "nothing is removed before it is asked for"
    folder.prune(last=2, every=4)
    assert numbers(folder.path) == [4, 3, 1, 0]
    folder.prune()
    assert numbers(folder.path) == [4, 1]
    assert [load(place) for place in runfolder.list_checkpoints(folder.path)] == [4.0, 1.0]


def test_the_only_good_one_stays(folder):
    """Damaged ones have higher numbers, and would be kept as the last."""
    save(folder, 1)
    for step in (5, 6, 7):
        spoil(save(folder, step))
    folder.newest = runfolder.checkpoint_path(folder.path, 1)
    folder.prune(last=1)
    assert numbers(folder.path) == [7, 1]
    with pytest.warns(SkippedCheckpoint):
        assert runfolder.newest(folder.path, load)[0] == 1.0


def test_nothing_is_removed_without_one_that_is_good(folder):
    save(folder, 1)
    save(folder, 2)
    (folder.path / "checkpoints" / "step-000000003.partial").mkdir()
    folder.newest = None
    folder.prune()
    assert numbers(folder.path) == [2, 1]


def test_what_is_half_written_is_removed(folder):
    for name in ("plan.json.partial", "checkpoints/step-000000003.partial/field.safetensors"):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).touch()
    save(folder, 4)
    folder.prune()
    assert sorted(path.name for path in (folder.path / "checkpoints").iterdir()) == ["step-000000004"]
    assert not list(folder.path.rglob("*.partial"))


def test_the_newest_is_not_removed_for_its_own_sake(folder):
    place = save(folder, 1)
    with pytest.raises(UsageError, match="kept until the next is written; give a higher number"):
        save(folder, 1)
    assert load(place) == 1.0


def test_a_damaged_checkpoint_of_the_same_step_is_written_anew(folder):
    save(folder, 1)
    spoil(save(folder, 2))
    folder.newest = runfolder.checkpoint_path(folder.path, 1)
    assert load(save(folder, 2)) == 2.0
    assert numbers(folder.path) == [2, 1]


def test_a_checkpoint_that_failed_is_not_the_newest(folder, monkeypatch):
    first = save(folder, 1)
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "save_file", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            save(folder, 2)
    assert folder.newest == first
    assert numbers(folder.path) == [1]


def test_other_files_stay(folder):
    for number in (1, 2, 3):
        save(folder, number)
    (folder.path / "checkpoints" / "mine").mkdir()
    folder.prune(last=2)
    assert sorted(path.name for path in (folder.path / "checkpoints").iterdir()) == [
        "mine",
        "step-000000002",
        "step-000000003",
    ]


# --- which counts ---


def test_the_newest_that_verifies_counts(folder):
    for step in (1, 2, 3, 4):
        save(folder, step)
    spoil(runfolder.checkpoint_path(folder.path, 4))
    (runfolder.checkpoint_path(folder.path, 3) / "manifest.json").write_text("{}")
    with pytest.warns(SkippedCheckpoint) as told:
        found = runfolder.newest(folder.path, load)
    assert found == (2.0, runfolder.checkpoint_path(folder.path, 2))
    assert [Path(each.filename).name for each in told] == ["test_folder.py"] * 2
    first, second = (str(each.message) for each in told)
    assert first.startswith(
        f"an older checkpoint is used, for {folder.path}/checkpoints/step-000000004/field."
    )
    assert "step-000000003/manifest.json: not a manifest of mine" in second


def test_when_none_verifies_the_newest_is_to_blame(folder):
    with pytest.raises(
        RunError, match="r: the run has no checkpoint: training did not finish; repeat its command"
    ):
        runfolder.newest(folder.path, load)
    spoil(save(folder, 1))
    (save(folder, 2) / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"step-000000002: no checkpoint there \(manifest.json is missing\)"):
        runfolder.newest(folder.path, load)


def test_a_reader_whose_checkpoint_is_removed_reads_the_next(folder):
    """The directory was listed; before a file is opened, another process writes and removes."""
    save(folder, 1)
    begun: list[Path] = []

    def late(place: Path) -> float:
        if not begun:
            begun.append(place)
            save(folder, 2)
            folder.prune()
        return load(place)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert runfolder.newest(folder.path, late) == (2.0, runfolder.checkpoint_path(folder.path, 2))
    assert not begun[0].exists()


def test_a_reader_that_came_between_two_checkpoints_looks_again(folder, monkeypatch):
    save(folder, 1)
    found = iter([[], *[runfolder.list_checkpoints(folder.path)] * 9])
    monkeypatch.setattr(runfolder, "list_checkpoints", lambda _: next(found))
    assert runfolder.newest(folder.path, load)[0] == 1.0


def test_other_faults_of_the_loader_are_not_hidden(folder):
    save(folder, 1)
    shutil.copytree(runfolder.checkpoint_path(folder.path, 1), runfolder.checkpoint_path(folder.path, 2))

    def defect(place: Path) -> float:
        return 1 / (2 - runfolder.number(place))

    with pytest.raises(ZeroDivisionError):
        runfolder.newest(folder.path, defect)
