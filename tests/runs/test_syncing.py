"""`Run.sync`: the run holds what is in the folder, and nothing else of it changes."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest

import lior
import lior_ask
from lior.errors import DataError, RunError, UsageError
from lior.reading.files import File
from lior.reading.skipping import SkipReason
from lior.runs import documents, manifest, syncing
from lior.training.preparation import train

TINY = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0", "data.holdout=0.1")
OLD = 1_000_000_000


def write(folder: Path, **texts: str) -> None:
    """Files that were written long ago, so that their time stamps can be trusted."""
    for name, text in texts.items():
        path = folder / f"{name.replace('_', '/')}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (OLD + len(text), OLD + len(text)))


def lines(name: str, count: int = 9) -> str:
    return f"This is what {name} has to say.\n" * count


@pytest.fixture(scope="module")
def made(configure, tmp_path_factory) -> Path:
    """A folder, and a run that was trained on it."""
    home = tmp_path_factory.mktemp("made")
    write(home / "notes", a=lines("a"), b=lines("b"), deep_c=lines("c"), d=lines("d"))
    (home / "notes" / "rows.jsonl").write_text('{"text": "one row"}\n{"_id": "x", "text": "another row"}\n')
    os.utime(home / "notes" / "rows.jsonl", (OLD, OLD))
    train(configure(*TINY, f"data.text=['{home / 'notes'}']"), home / "run")
    return home


@pytest.fixture
def home(made, tmp_path, monkeypatch) -> Path:
    """A copy, whose manifest names the folder of the copy."""
    place = Path(shutil.copytree(made, tmp_path / "home"))
    kept = manifest.load(place / "run")
    assert kept is not None
    manifest.FileManifest((str(place / "notes"),), kept.field, kept.files).save(place / "run")
    monkeypatch.chdir(place)
    return place


def texts(run: Path) -> dict[str, str]:
    checkpoint = lior.load(run).checkpoint
    return {
        name: b"".join(part.data for part in parts).decode()
        for name, parts in documents.of_checkpoint(checkpoint).items()
    }


def sync(run: Path, *paths: Path, **options: bool) -> syncing.Synced:
    return lior.load(run).sync(paths or None, **options)


def test_several_processes_sync_and_learn_at_once(home):
    notes, run = home / "notes", home / "run"
    one, other, third = (lior.load(run) for _ in range(3))
    write(notes, e=lines("e"))
    other.learn({"told": lines("told")})
    third.learn({"told too": lines("told too")})
    assert one.sync().learned == ("e.txt",)
    (notes / "d.txt").unlink()
    done = other.sync()
    assert (done.learned, done.forgotten) == ((), ("d.txt",))
    write(notes, f=lines("f"))
    assert lior.load(run).sync().learned == ("f.txt",)
    assert third.sync().changes == 0  # all is done, and what it has learned is saved with the next change
    third.save()
    kept = {"a.txt", "b.txt", "deep/c.txt", "rows.jsonl#1", "rows.jsonl#x", "e.txt", "f.txt"}
    assert {*texts(run)} == kept | {"told", "told too"}
    assert sync(run).changes == 0


def test_the_run_follows_the_folder(home):
    notes, run = home / "notes", home / "run"
    before = texts(run)
    assert list(before) == ["a.txt", "b.txt", "d.txt", "deep/c.txt", "rows.jsonl#1", "rows.jsonl#x"]
    assert sync(run).changes == 0
    write(notes, b=lines("b, later"), e=lines("e"))
    (notes / "a.txt").unlink()
    (notes / "rows.jsonl").write_text('{"_id": "x", "text": "another row"}\n')
    planned = sync(run, dry_run=True)
    assert texts(run) == before
    done = sync(run)
    assert done == planned
    assert (done.learned, done.changed, set(done.forgotten)) == (
        ("e.txt",),
        ("b.txt",),
        {"a.txt", "rows.jsonl#1"},
    )
    assert done.unchanged == 3
    assert texts(run) == {
        "b.txt": lines("b, later"),
        "d.txt": lines("d"),
        "deep/c.txt": lines("c"),
        "e.txt": lines("e"),
        "rows.jsonl#x": "another row",
    }
    assert len(list((run / "checkpoints").iterdir())) == 1, "what was forgotten is in no older checkpoint"
    assert sync(run).changes == 0


def test_what_is_unchanged_is_neither_read_nor_loaded(home, monkeypatch):
    os.utime(home / "notes" / "d.txt", (OLD + 9, OLD + 9))  # another time, the same text
    assert syncing.scan_files(home / "run").up_to_date
    syncing.finish_sync(syncing.scan_files(home / "run"))
    monkeypatch.setattr("lior.reading.documents._documents", lambda *_, **__: pytest.fail("a file was read"))
    monkeypatch.setattr("lior.reading.files.hashlib", None)
    assert syncing.scan_files(home / "run").up_to_date


def test_other_formats_are_parsed_and_learned(home):
    notes = home / "notes"
    (notes / "page.html").write_text("<html><body><p>A page about herons.</p></body></html>")
    (notes / "latin.txt").write_bytes("Le café est à gauche, près du musée.\n".encode("latin-1"))
    (notes / "crlf.txt.gz").write_bytes(gzip.compress(b"one\r\ntwo\r\n"))
    (notes / "program.bin").write_bytes(b"\x7fELF\0\0\0")
    done = sync(home / "run")
    assert set(done.learned) == {"page.html", "latin.txt", "crlf.txt.gz"}
    found = texts(home / "run")
    assert found["page.html"].strip() == "A page about herons."
    assert found["latin.txt"] == "Le café est à gauche, près du musée.\n"
    assert found["crlf.txt.gz"] == "one\r\ntwo\r\n"
    assert sorted(found) == lior_ask.Index(notes, cache=False).documents, "they are named as in an index"
    assert [(each.name, each.reason) for each in done.skipped] == [("program.bin", SkipReason.BINARY)]
    (notes / "page.html").write_bytes(b"")
    assert sync(home / "run").forgotten == ("page.html",), "its text is gone"


def test_what_was_learned_by_hand_stays(home):
    run = lior.load(home / "run")
    run.learn({"by hand": "Not of the folder.", "f.txt": "Not of the folder either."})
    run.save()
    write(home / "notes", f=lines("f"), g=lines("g"))
    done = sync(home / "run")
    assert (done.learned, done.forgotten) == (("g.txt",), ())
    assert [each.name for each in done.skipped] == ["f.txt"]
    assert texts(home / "run")["f.txt"] == "Not of the folder either."
    run = lior.load(home / "run")
    run.forget("f.txt")
    run.save()
    assert sync(home / "run").learned == ("f.txt",)


def test_what_was_forgotten_by_hand_comes_back_when_its_file_changes(home):
    run = lior.load(home / "run")
    run.forget("a.txt")
    run.save()
    held = len(run.documents())
    for done in (
        sync(home / "run", dry_run=True),
        syncing.scan_files(home / "run").outcome(),
        sync(home / "run"),
    ):
        assert (done.changes, done.unchanged) == (0, held)
    write(home / "notes", a=lines("a, later"))
    assert sync(home / "run").learned == ("a.txt",)


@pytest.mark.parametrize("fault", ["missing", "damaged", "no JSON"])
def test_without_its_manifest_the_files_are_compared_with_the_run(home, made, fault):
    path = home / "run" / manifest.NAME
    if fault == "missing":
        path.unlink()
        config = home / "run" / "config.toml"
        config.write_text(config.read_text().replace(f"{made}/notes", f"{home}/notes"))
    else:
        path.write_text(path.read_text().replace('"size', '"sizes', 1)[: None if fault == "damaged" else -20])
        path.write_text(path.read_text().replace("a.txt", "q.txt"))
    write(home / "notes", e=lines("e"))
    (home / "notes" / "b.txt").unlink()
    done = sync(home / "run", *([home / "notes"] if fault != "missing" else ()))
    assert (done.learned, done.changed, done.forgotten) == (("e.txt",), (), ("b.txt",))
    assert bool(done.notes) is (fault != "missing")
    assert sync(home / "run").changes == 0


def test_another_folder_is_remembered(home):
    shutil.move(home / "notes", home / "moved")
    with pytest.raises(DataError, match="no such file or folder"):
        sync(home / "run")
    assert sync(home / "run", home / "moved").changes == 0
    write(home / "moved", e=lines("e"))
    assert sync(home / "run").learned == ("e.txt",)


def test_another_text_does_not_replace_all(home):
    write(home / "other", z=lines("z"))
    with pytest.raises(UsageError, match=r"none of the 6 documents .* `lior learn"):
        sync(home / "run", home / "other")
    assert sync(home / "run").changes == 0


def test_what_cannot_be_read_now_is_not_forgotten(home, monkeypatch):
    real = syncing.read_document_file

    def look(source, *args, **options):
        if source.name == "a.txt":
            return File(source.name, reason=SkipReason.UNREADABLE, detail="Input/output error")
        return real(source, *args, **options)

    monkeypatch.setattr(syncing, "read_document_file", look)
    write(home / "notes", e=lines("e"))
    done = sync(home / "run")
    assert (done.learned, done.forgotten) == (("e.txt",), ())
    assert str(done.skipped[0]) == "cannot be read: Input/output error; what the run holds of it stays"
    monkeypatch.undo()
    assert sync(home / "run").changes == 0


def test_the_run_itself_is_not_learned(home):
    shutil.move(home / "run", home / "notes" / "run")
    done = sync(home / "notes" / "run")
    assert done.changes == 0
    assert [(each.name, each.reason) for each in done.skipped] == [("run", SkipReason.RUN_DIRECTORY)]


def test_runs_that_are_not_of_files(configure, tmp_path):
    run = lior.train(documents={"a": lines("a", 40)}, memory="match", fit={"passes": 0}, out=tmp_path / "r")
    with pytest.raises(UsageError, match="name the folder"):
        run.sync()
    write(tmp_path / "notes", b=lines("b"))
    assert run.sync(tmp_path / "notes").learned == ("b.txt",)
    assert [each.name for each in run.documents()] == ["a", "b.txt"], "what is not of the folder stays"
    with pytest.raises(RunError, match="no directory"):
        lior.train(documents={"a": lines("a", 40)}, memory="match", fit={"passes": 0}).sync(tmp_path)


def test_an_older_checkpoint_is_brought_up_to_date(home):
    """The newest checkpoint is damaged: an older one is used, which has none of what was learned since."""
    write(home / "notes", e=lines("e"))
    sync(home / "run")
    newest = max((home / "run" / "checkpoints").iterdir())
    (newest / "text.safetensors").write_bytes(b"damaged")
    with pytest.warns(lior.errors.SkippedCheckpoint):
        run = lior.load(home / "run")
    assert run.sync().learned == ("e.txt",)
    assert "e.txt" in texts(home / "run")
