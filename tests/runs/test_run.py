"""A run as an object: what it shows, what it refuses, and which run cannot be opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import lior
from lior.errors import DataError, RunError, UsageError
from lior.plots.panels import LeftOut
from lior.reading.documents import RawDocument
from lior.runs import editing, files
from lior.runs import folder as runfolder
from lior.runs.bundle import digest
from lior.training.preparation import train
from tests.cases import cases

NAMED = {"a": "b"}
WIDE = {"name": "lowrank", "rank": 65}
TINY = ("memory.name=match", "geometry.updates=0", "mixer.positions=64", "fit.passes=0")


@pytest.fixture(scope="module")
def trained(configure, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    text = folder / "a text.txt"
    text.write_text("A text with words in it. " * 40)
    train(configure(*TINY, "data.holdout=0.1", text=text), folder / "trained")
    return folder / "trained"


@pytest.fixture
def path(trained, tmp_path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "r"))


def test_a_run_is_shown_in_one_short_line(path, configure):
    run = lior.load(path)
    assert repr(run) == f"<Run {path}: 1 document, 1,000 bytes>"
    run.learn({"more": "words"})
    assert repr(run) == f"<Run {path}: 2 documents, 1,005 bytes, 1 change not saved>"
    kept = train(configure(*TINY), documents=[RawDocument("a", b"words and words " * 40)])
    assert repr(kept) == "<Run in memory: 1 document, 640 bytes>"


def test_the_summary_is_that_of_the_training(configure, path, tmp_path):
    run = train(configure(*TINY), tmp_path / "new", documents=[RawDocument("a", b"words and words " * 40)])
    assert run.summary == lior.load(tmp_path / "new").summary
    (path / "summary.json").unlink()
    assert lior.load(path).summary is None
    (path / "summary.json").write_text("[1")
    damaged = lior.load(path)  # the model does not need it
    assert damaged.complete("words", 3, temperature=0)
    assert damaged._repr_html_()
    with pytest.raises(RunError, match=r"summary.json: cannot be read"):
        _ = damaged.summary


def test_what_does_not_fit_its_reader_never_replaces_a_version(path, monkeypatch):
    monkeypatch.setattr(editing, "check_name", lambda name: name)
    run = lior.load(path)
    run.edited.learn([RawDocument(1, b"words")])  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(RunError, match=r"could not be read back: .* not one name and one structure for"):
            run.save()
        assert len(runfolder.list_checkpoints(path)) == 1
        assert [each.name for each in lior.load(path).documents()] == ["a text.txt"]


@cases(
    ("call", "message"),
    [
        (lambda run: run.score("\ud800"), "text: character 0 is half of a surrogate pair"),
        (lambda run: run.complete("a", seed="b"), "seed = 'b': give a whole number"),
        (lambda run: run.sync(5), "paths: 5 is of type int; give a path"),
        (lambda run: lior.load(5), "run: 5 is of type int; give a path (str or Path)"),
        (lambda run: lior.resume(None), "run: None is of type NoneType; give a path"),
        (lambda run: lior.train(documents=NAMED, out="a\0"), "out: 'a\\x00' has a NUL"),
        (lambda run: lior.train(documents=["a"]), "documents is of type list; give a table of names"),
        (lambda run: lior.train("a.txt", documents=NAMED), "text and documents are both given; give one"),
        (lambda run: lior.train(documents=NAMED, data={"text": ["a"]}), "text and documents are both given"),
        (lambda run: lior.train(holdout=0.1), "It is an option of a table: data={'holdout': ...}."),
        (lambda run: lior.train(passes=1), "of a table: fit={'passes': ...} or mixer={'passes': ...}."),
        (
            lambda run: lior.train(documents={"a": "b" * 99}, frame=WIDE),
            "frame.rank = 65: allowed is 0 to 64",
        ),
        (lambda run: run.score([["a"]]), "text 1 is of type list; give a text (str or bytes)"),
        (lambda run: run.score(None), "text is of type NoneType; give a text"),
        (lambda run: run.complete(3), "prompt is of type int; give a text"),
        (lambda run: run.sources("a", None), "text is of type NoneType"),
        (lambda run: run.learn({"a": 3}), "document 'a' is of type int; give a text"),
        (lambda run: run.complete("The", -1), "tokens = -1: give a whole number, 0 or more"),
        (lambda run: run.complete("The", "all"), "tokens = 'all': give a whole number"),
        (lambda run: run.chat(0), "tokens = 0: give the largest number of a reply, 1 or more"),
        (lambda run: run.chat(stop=3), "stop is of type int; give a text"),
        (lambda run: run.chat(temprature=0), "chat: no argument 'temprature'. Did you mean 'temperature'?"),
        (lambda run: run.chat().say(b"a"), "message is of type bytes; give a text (str)"),
        (
            lambda run: run.complete("The", temprature=0),
            "complete: no argument 'temprature'. Did you mean 'temperature'?",
        ),
    ],
)
def test_a_wrong_argument_is_named(trained, call, message):
    with pytest.raises(UsageError) as caught:
        call(lior.load(trained))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


NAMES = (1, None, "", "a\nb", "a\r", "a\u2028b", "a\0", "\ud800")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_no_document_can_have_is_refused(trained, name, tmp_path):
    run = lior.load(trained)
    for call in (
        lambda: run.learn({"fine": "words", name: "words"}),
        lambda: run.edited.learn([RawDocument(name, b"words")]),
        lambda: lior.train(documents={name: "words " * 99}, out=tmp_path / "r"),
    ):
        with pytest.raises(
            DataError, match="a document needs a name, one line of text that UTF-8 can express"
        ):
            call()
    for call in (lambda: run.forget(name), lambda: run.text(name)):
        with pytest.raises(DataError, match=r"a document needs a name|no document of this name"):
            call()
    assert run.changes == 0
    assert not run.edited.interrupted
    assert not (tmp_path / "r").exists()


def test_too_short_documents_are_named_as_documents(tmp_path):
    (tmp_path / "a.toml").write_text('data.text = "a.txt"')
    with pytest.raises(DataError, match=r"^documents: 1 token, too few"):
        lior.train(documents=NAMED, recipe=str(tmp_path / "a.toml"))


# --- runs that cannot be opened ---


def forge(place: Path, **entries: object) -> None:
    """Change a manifest and make its checksum right."""
    file = place / "manifest.json"
    manifest = json.loads(file.read_text()) | entries
    del manifest["sha256"]
    file.write_text(json.dumps(manifest | {"sha256": digest(manifest)}))


def test_a_run_in_training_is_told_from_one_that_was_stopped(path):
    """In the beginning it has no checkpoint, later an unfinished one."""
    (place,) = runfolder.list_checkpoints(path)
    model, text = (file.read_bytes() for file in sorted(place.glob("*.safetensors")))
    for file, data in (("training", model), ("model", model), ("text", text)):
        (place / f"{file}.safetensors").write_bytes(data)
    known = json.loads((place / "manifest.json").read_text())["files"]
    forge(place, training={}, files=known | {"training.safetensors": known["model.safetensors"]})
    in_training = "another process is training this run now; wait until it ends"
    with pytest.raises(RunError, match="training did not finish; `lior train --resume"):
        lior.load(path)
    with files.lock(path / "lock"), pytest.raises(RunError, match=in_training):
        lior.load(path)
    shutil.rmtree(place)
    with pytest.raises(RunError, match="the run has no checkpoint: training did not finish"):
        lior.load(path)
    with files.lock(path / "lock"), pytest.raises(RunError, match=in_training):
        lior.load(path)


def test_a_finished_run_that_another_process_changes_can_be_read(path):
    with files.lock(path / "lock"):
        assert lior.load(path).documents()


def test_what_a_researcher_asks_a_run(path, tmp_path):
    run = lior.load(path)
    text = b"A text with other words in it. "
    score = run.evaluate(text)
    assert (score.bytes, score.bits_per_byte) == (len(text), pytest.approx(run.score(text)))
    assert run.evaluate().bits_per_byte == run.summary["val_bits_per_byte"]
    found = run.inspect()
    assert found.text.bytes == 1000
    assert all(invariant.holds for invariant in found.invariants)
    assert [each.name for each in run.plot(tmp_path / "pictures", "positions", form="svg")] == [
        "positions.svg"
    ]
    with pytest.raises(LeftOut):
        run.plot(tmp_path, "spectrum")
    with pytest.raises(UsageError, match="'spectra' is not one of"):
        run.plot(tmp_path, "spectra")
    one, other = (call("A text", " with words") for call in (run.why, run.sources))
    assert one == other
    run.learn({"more": "words"})
    assert lior.load(run.save()).documents()[-1].name == "more"


def test_a_run_in_memory_has_no_files_to_inspect(configure, tmp_path):
    run = train(
        configure(*TINY, "data.after_validation=learn"), documents=[RawDocument("a", b"words " * 200)]
    )
    with pytest.raises(RunError, match="no validation text of its own"):
        run.evaluate()
    for call in (run.inspect, run.save, lambda: run.plot(tmp_path)):
        with pytest.raises(RunError, match="the run has no directory"):
            call()


@cases(("terminal", "quiet"), [(True, False), (True, True), (False, False)])
def test_progress_is_for_people(monkeypatch, capsys, terminal, quiet):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    lior.train(documents={"a": "words and words " * 40}, memory="match", fit={"passes": 0}, quiet=quiet)
    shown = capsys.readouterr().err
    assert ("memory: 100 %" in shown) == (terminal and not quiet)
    assert shown.endswith("done" + " " * 36 + "\n") == (terminal and not quiet)
