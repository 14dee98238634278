"""After validation the memories take in the held-out text, as if it were learned later; no score profits."""

from __future__ import annotations

import pytest
import torch

import lior
from lior.errors import RunError, Stopped
from lior.events import hookimpl
from lior.model import evaluation
from lior.reading.documents import RawDocument
from lior.runs import checkpoint as checkpoints
from lior.training.preparation import resume, train
from tests.cases import cases
from tests.faults.faults import assert_same_run

TINY = ("memory.name=sdm,match,exact", "geometry.updates=2", "mixer.positions=64", "data.holdout=0.2")
LEARN = "data.after_validation=learn"


@pytest.fixture(scope="module")
def documents(sample) -> list[RawDocument]:
    """Three kinds of text, large and small."""
    data = sample.read_bytes()
    large = [RawDocument("a.txt", data[:6_000]), RawDocument("b.log", data[12_000:18_000])]
    small = [RawDocument(f"{i}.md", data[25_000 + 300 * i :][:300]) for i in range(10)]
    return [*large, *small]


def tensors(run) -> dict[str, torch.Tensor]:
    return checkpoints.tensors(run.model)


@cases("one", [True, False])
def test_it_is_the_model_from_before_that_was_told_the_held_out_text(configure, documents, one):
    given = documents[:1] if one else documents
    kept, learned = (
        train(configure(*TINY, f"data.after_validation={after}"), documents=given)
        for after in ("keep", "learn")
    )
    keys = ("val_bytes", "val_nats_per_byte", "baseline", "documents", "bytes")
    assert {k: kept.summary[k] for k in keys} == {k: learned.summary[k] for k in keys}
    assert (kept.summary["val_learned"], learned.summary["val_learned"]) == (False, True)
    text, begin, end = kept.checkpoint.validation()
    kept.model.write(*text.text(begin, end, context=kept.model.context))
    kept.model.commit()
    one_, other = tensors(kept), tensors(learned)
    assert one_.keys() == other.keys()
    for name, value in one_.items():
        assert torch.equal(value, other[name]), name


def test_everything_is_held_and_no_score_is_given(configure, documents, tmp_path, command):
    train(configure(*TINY, LEARN), tmp_path / "r", documents=documents)
    run = lior.load(tmp_path / "r")
    assert sorted((d.name, d.bytes) for d in run.documents()) == sorted(
        (d.name, len(d.data)) for d in documents
    )
    assert all(document.held == document.tokens for document in run.documents())
    with pytest.raises(RunError, match="no validation text of its own"):
        run.checkpoint.validation()
    assert "validation" not in command("docs", tmp_path / "r").out
    for more in ([], ["--online"]):
        result = command("eval", tmp_path / "r", *more)
        assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
        assert "name a text to score, or train with --holdout keep" in result.err


def test_an_end_that_stands_apart_is_quoted_with_its_line_in_the_file(configure, documents):
    text = "".join(f"Line {i} of this log is about number {i * i}.\n" for i in range(1, 700))
    given = [*documents, RawDocument("numbers.log", text.encode())]
    run = train(configure("memory.name=match", "geometry.updates=0", LEARN), documents=given)
    tail = max(run.checkpoint.corpus.split_parts)
    assert run.checkpoint.corpus.names[tail] == "numbers.log"
    word = run.sources("Line 690 of this log is about", " number")[1]
    found = word.sources[0]
    assert (found.document, found.line, found.column) == ("numbers.log", 690, 31)
    assert found.before == "Line 690 of this log is about "


def test_a_text_of_its_own_to_validate_on_is_never_learned(configure, tmp_path, sample, short):
    valid = tmp_path / "valid.txt"
    valid.write_bytes(sample.read_bytes()[:2000])
    run = train(configure(*TINY, LEARN, f"data.valid={valid}", text=short))
    assert run.documents()[-1].held == 0
    assert run.summary["val_learned"] is False
    run.checkpoint.validation()


def test_a_run_that_was_stopped_while_it_was_scored_takes_in_the_same(
    configure, documents, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluation, "_BLOCK", 500)
    config = configure(*TINY, LEARN)
    train(config, tmp_path / "whole", documents=documents)
    seen: list[str] = []

    class Watch:
        @hookimpl
        def lior_train_step(self, stage, step, steps, metrics):
            seen.append(stage)

    with pytest.raises(Stopped):
        train(
            config,
            tmp_path / "r",
            documents=documents,
            callbacks=[Watch()],
            stop=lambda: seen[-1:] == ["validate"],
        )
    (place,) = (tmp_path / "r" / "checkpoints").iterdir()
    assert sum(document.held < document.tokens for document in checkpoints.load(place).documents()) > 2
    resume(tmp_path / "r")
    assert_same_run(tmp_path / "whole", tmp_path / "r")
