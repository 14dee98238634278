"""`lior eval`: bits per byte of the run's own text or of another, frozen or learning."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

KEYS = {"bits_per_byte", "nats_per_byte", "bytes", "seconds", "bytes_per_second"}


@pytest.fixture
def evaluate(command, finished):
    """Run `lior eval` on the finished run and read its JSON."""

    def run(*args: object) -> dict[str, float]:
        result = command("eval", finished, *args, "--json", "--quiet")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return run


@pytest.fixture
def other(tmp_path) -> Path:
    """A short text that the run has not seen, with much repetition."""
    path = tmp_path / "other.txt"
    path.write_text("Zyx wvu: the quick brown fox, 12345. " * 40)
    return path


def test_own_text_scores_as_at_the_end_of_training(evaluate, finished):
    score = evaluate()
    summary = json.loads((finished / "summary.json").read_text())
    assert set(score) == KEYS
    assert score["bits_per_byte"] == summary["val_bits_per_byte"]
    assert score["nats_per_byte"] == summary["val_nats_per_byte"]
    assert score["bytes"] == summary["val_bytes"]
    assert score["bytes_per_second"] == pytest.approx(score["bytes"] / score["seconds"])


def test_without_json_one_sentence(command, finished):
    result = command("eval", finished)
    assert result.code == 0
    assert result.out.count("\n") == 1
    assert " bits per byte, " in result.out
    assert "(1,200 bytes in " in result.out
    assert result.err.startswith("evaluate: scoring 1,200 tokens\n")


def test_a_text_that_the_run_has_learned_is_told(command, short, small_recipe, other):
    known = shutil.copy(short, "known.txt")
    assert command("train", known, "--out", "r", "--memory", "sdm", "--config", small_recipe).code == 0
    note = "lior: known.txt: learned by this run, so the score is of known text\n"
    assert note in command("eval", "r", known).err
    assert note not in command("eval", "r", known, "--quiet").err
    assert "known text" not in command("eval", "r", other).err


def test_a_validation_text_that_is_learned_is_told(command, short, small_recipe, other):
    known = shutil.copy(short, "known.txt")
    flags = ("--memory", "sdm", "--config", small_recipe, "--valid")
    note = "lior: known.txt: learned by this run, so the score is of known text\n"
    assert note in command("train", known, "--out", "r", *flags, known).err
    assert note in command("eval", "r").err
    same_name = Path("new", "known.txt")
    same_name.parent.mkdir()
    same_name.write_bytes(short.read_bytes()[::-1])
    assert "known text" not in command("train", known, "--out", "p", *flags, same_name).err
    assert "known text" not in command("eval", "p", same_name).err, "of the name and size of one that is"
    assert "known text" not in command("eval", "p").err


def test_online_learns_while_reading_and_leaves_the_run_alone(evaluate, other, finished):
    before = _digests(finished)
    assert evaluate(other, "--online")["bits_per_byte"] < 0.7 * evaluate(other)["bits_per_byte"]
    assert _digests(finished) == before


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_bytes_before_the_first_are_read_but_not_counted(evaluate, other, tmp_path):
    size = other.stat().st_size
    assert evaluate(other, "--from-byte", 0)["bits_per_byte"] == evaluate(other)["bits_per_byte"]
    rest = evaluate(other, "--from-byte", 1000)
    assert rest["bytes"] == size - 1000
    learned = evaluate(other, "--from-byte", 1000, "--online")
    assert learned["bytes"] == size - 1000
    tail = tmp_path / "tail.txt"
    tail.write_bytes(other.read_bytes()[1000:])
    assert learned["bits_per_byte"] < 0.7 * evaluate(tail, "--online")["bits_per_byte"]


def test_noise_costs_and_is_the_same_for_a_seed(evaluate):
    clean, noisy = evaluate(), evaluate("--noise", "0.2")
    assert noisy["nats_per_byte"] > clean["nats_per_byte"]
    assert noisy["bytes"] < clean["bytes"], "what was damaged is not scored"
    assert evaluate("--noise", "0.2")["nats_per_byte"] == noisy["nats_per_byte"]
    assert evaluate("--noise", "0.2", "--seed", "1")["nats_per_byte"] != noisy["nats_per_byte"]
    assert evaluate("--noise", "0.2", "--noise-kind", "edits")["nats_per_byte"] != noisy["nats_per_byte"]
