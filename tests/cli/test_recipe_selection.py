"""The recipe of those who name none: the defaults where they end in about a minute, else a quicker one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lior.config import load
from lior.reading.documents import RawDocument
from lior_cli import estimate, recipe_selection


@pytest.fixture
def seconds(monkeypatch):
    """Let the defaults take so long, ``fast`` with folds a fifth, and without a tenth of it."""

    def take(default: float) -> None:
        def told(config, documents):
            return default / (1 if config.fit.passes else 5 if config.fit.folds else 10)

        monkeypatch.setattr(estimate, "estimate", told)

    return take


def chosen(size: int, *overrides: str):
    resolved = load(env={}, overrides=overrides)
    return resolved, recipe_selection.choose(
        resolved,
        [RawDocument("a", b"x" * size)],
        lambda name, more: load(name, env={}, overrides=[*overrides, *more]),
    )


@pytest.mark.parametrize(
    ("given", "free"),
    [
        ([], True),
        (["seed=1", "device=cpu", "data.holdout=0.2", "tokenizer.name=bytes", "checkpoint.last=2"], True),
        (["memory.name=sdm"], False),
        (["geometry.updates=7"], False),
        (["frame.name=rotor"], False),
        (["fit.passes=1"], False),
        (["time_limit=5"], False),
    ],
)
def test_who_names_a_way_to_learn_has_chosen(given, free):
    assert recipe_selection.free(load(env={}, overrides=given)) is free
    assert not recipe_selection.free(load("fast", env={}))


def test_small_texts_keep_the_defaults_and_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(estimate, "estimate", lambda *_: pytest.fail("measured"))
    resolved, found = chosen(recipe_selection.SMALL)
    assert found.resolved == resolved
    assert found.note == "recipe default for 100 kB; --config NAME takes another"


def test_a_minute_is_fine(seconds):
    seconds(70.0)
    resolved, found = chosen(500_000)
    assert found.resolved == resolved
    assert found.note.startswith("recipe default: about 70 s for 500 kB; --config fast takes less")


@pytest.mark.parametrize("given", [(), ("data.holdout=0.2", "seed=4")])
def test_more_than_a_minute_is_not(seconds, given):
    seconds(590.0)
    _, found = chosen(2_000_000, *given)
    fast, config = load("fast", env={}).config, found.resolved.config
    assert (config.memory, config.fit) == (fast.memory, fast.fit)
    assert config.mixer.calibration * 2_000_000 == pytest.approx(60_000)
    assert config.data.holdout * 2_000_000 == pytest.approx(400_000 if given else 100_000)
    assert config.seed == (4 if given else 0)
    assert found.note.startswith("recipe fast: about 59 s for 2.0 MB; --config default takes about 10 min,")


def test_folds_come_before_counting_alone(seconds):
    seconds(390.0)
    _, found = chosen(2_000_000)
    assert found.resolved.config.memory == load("fast", env={}).config.memory
    assert found.resolved.config.fit.folds == load(env={}).config.fit.folds
    assert found.note.startswith("recipe fast with fit.folds=4: about 78 s for 2.0 MB;")


@pytest.mark.slow
def test_it_is_said_before_training(command, sample, small_recipe):
    result = command("train", sample, "--out", "r", "--config", small_recipe)
    first, *rest = result.err.splitlines()
    assert first == "60 kB of text", "a text whose training takes little longer than an estimate"
    assert rest
    assert command("train", sample, "--out", "q", "--config", small_recipe, "--quiet").err == ""


def test_the_run_has_the_recipe_that_was_chosen(command, tmp_path, monkeypatch):
    def told(config, documents):
        return 600.0 if config.fit.passes else 6.0

    monkeypatch.setattr(estimate, "estimate", told)
    text = tmp_path / "long.txt"
    text.write_bytes(b"".join(b"Line %d of a long text.\n" % i for i in range(6000)))
    result = command("train", text, "--out", "r")
    assert result.err.startswith("recipe fast with fit.folds=4: about 6 s for 155 kB")
    table = tomllib.loads(Path("r/config.toml").read_text())
    assert table["fit"]["passes"] == 0
    assert load("r/config.toml", env={}).config.memory == load("fast", env={}).config.memory
