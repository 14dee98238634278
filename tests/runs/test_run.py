"""A run as an object: what it shows, what it refuses, and which run cannot be opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import lior
from lior.errors import RunError, UsageError
from lior.plots.panels import LeftOut
from lior.reading.documents import RawDocument
from lior.runs import files
from lior.runs import folder as runfolder
from lior.runs.bundle import digest
from lior.training.preparation import train
from tests.cases import cases

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
    with pytest.raises(RunError, match=r"summary.json: cannot be read"):
        lior.load(path)


@cases(
    ("call", "message"),
    [
        (lambda run: run.score([["a"]]), "text 1 is of type list; give a text (str or bytes)"),
        (lambda run: run.score(None), "text is of type NoneType; give a text"),
        (lambda run: run.complete(3), "prompt is of type int; give a text"),
        (lambda run: run.sources("a", None), "text is of type NoneType"),
        (lambda run: run.learn({"a": 3}), "document 'a' is of type int; give a text"),
        (lambda run: run.complete("The", -1), "tokens = -1: give the number of tokens to add, 0 or more"),
        (lambda run: run.complete("The", "all"), "tokens = 'all': give the number"),
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
