"""`lior train`: what it prints, what it writes, and what it takes."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from lior.config import load
from lior.data import corpus
from lior.reading.documents import RawDocument
from lior.runs import checkpoint
from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior_cli.train import _report, _Start, prompt
from lior_plugins.tokenizers.bytes import Bytes
from tests.cases import cases

KEYS = {
    "run": str,
    "bytes": int,
    "documents": int,
    "val_bytes": int,
    "val_nats_per_byte": float,
    "val_bits_per_byte": float,
    "val_learned": bool,
    "baseline": dict,
    "geometry_bits_per_byte": float,
    "geometry_error": float,
    "geometry_random_bits_per_byte": type(None),
    "geometry_random_error": type(None),
    "geometry_dropped": bool,
    "seconds": dict,
    "peak_rss_bytes": int,
    "device": str,
    "components": dict,
}


@pytest.fixture
def small(small_recipe) -> tuple[str, ...]:
    """Flags for a small run."""
    return ("--config", str(small_recipe))


def test_json_is_the_only_line_of_output_and_has_every_key(command, short, small):
    result = command("train", short, "--out", "r", "--quiet", "--json", *small)
    assert (result.code, result.err) == (0, "")
    (line,) = result.out.splitlines()
    summary = json.loads(line)
    assert {key: type(value) for key, value in summary.items()} == KEYS
    assert summary["run"] == "r"
    assert summary["bytes"] == short.stat().st_size
    assert summary["val_bits_per_byte"] == pytest.approx(summary["val_nats_per_byte"] / 0.693147180559945)
    assert set(summary["baseline"]) == {"unigram", "order4"}
    assert set(summary["seconds"]) == {
        "memory",
        "geometry",
        "folds",
        "mixer",
        "validate",
        "compiling",
        "total",
    }
    assert sum(summary["seconds"].values()) <= 2 * summary["seconds"]["total"]
    assert summary["components"]["memory"] == ["sdm", "exact"]
    assert 50e6 < summary["peak_rss_bytes"] < 8e9
    assert rundir.open_run(Path("r")).n_train == summary["bytes"] - summary["val_bytes"]


def test_what_is_printed_and_that_the_hints_work(command, sample, small, monkeypatch, finished, configure):
    """Progress on standard error, the result on standard output; the model is that of the library."""
    result = command("train", sample, "--out", "a run", *small)
    assert result.code == 0
    stages = [line.split(":")[0] for line in result.err.splitlines()]
    assert stages.pop(0) == "60 kB of text"
    assert list(dict.fromkeys(stages)) == ["geometry", "memory", "mixer", "folds", "validate"]
    score, worth, note, cost, *lines = result.out.splitlines()
    assert re.fullmatch(
        r"\d\.\d{3} bits per byte on 1,200 bytes of held-out text: "
        r"\d+ % less than a 4-gram \(\d\.\d{3}; unigram \d\.\d{3}\)",
        score,
    )
    bits, order4 = (float(number) for number in re.findall(r"\d\.\d{3}", score)[:2])
    assert f" {100 * (1 - bits / order4):.0f} % " in score
    assert re.match(
        r"Without the geometry the mixture costs 0\.\d{4} ± 0\.\d{4} bits per byte (more|less)",
        worth,
    )
    assert note == "There is one document: its end was held out."
    assert re.fullmatch(r"\d+\.\d s, [\d,]+ MiB, cpu", cost)
    here, there = (runfolder.list_checkpoints(path)[0] for path in (Path("a run"), finished))
    assert (here / "model.safetensors").read_bytes() == (there / "model.safetensors").read_bytes()
    assert checkpoint.load(here).n_train == checkpoint.load(there).n_train
    assert load("a run/config.toml", env={}).config == configure(), "what is written is a recipe"
    if re.match(r"  \d", lines[0]):  # a slow machine
        parts = lines.pop(0)
        assert re.fullmatch(
            r"  \d+\.\d s training, .*\d+\.\d s reading the text and estimating the time", parts
        )
    hints = [shlex.split(line.removeprefix("Next:")) for line in lines]
    assert [hint[:3] for hint in hints] == [
        ["lior", name, "a run"] for name in ("generate", "chat", "why", "eval")
    ]
    for hint in (hints[0], hints[2]):
        assert hint[3] == "--prompt"
        assert hint[4] in sample.read_text(), "the prompt is from the text itself"
    for _, name, *words in hints:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        result = command(name, *words)
        assert result.code == 0, result.err


def test_a_model_that_the_4_gram_beats_is_told_so(capsys):
    _report(summary_of(500, bits=3.0), "a", _Start())
    score, advice, *_ = capsys.readouterr().out.splitlines()
    assert score.endswith("held-out text: 20 % more than a 4-gram (2.500; unigram 4.000)")
    assert advice.startswith("The 4-gram predicts better: give more text")


def summary_of(size: int, bits: float) -> dict[str, object]:
    numbers = {"val_bits_per_byte": bits, "val_bytes": size, "baseline": {"order4": 2.5, "unigram": 4.0}}
    numbers |= {"documents": 2, "val_learned": False, "geometry_bits_per_byte": None}
    return numbers | {
        "seconds": {"compiling": 0.25, "total": 1.0},
        "peak_rss_bytes": 2**30,
        "device": "cpu",
        "run": "r",
    }


def test_a_short_held_out_text_is_not_compared(capsys):
    _report(summary_of(499, 3.0), "", _Start(40.0, 31.5))
    score, cost, parts, hint, *_ = capsys.readouterr().out.splitlines()
    assert score == (
        "3.000 bits per byte on 499 bytes of held-out text, which is too short to compare it with a "
        "4-gram (that takes 500 bytes)"
    )
    assert cost == "41.0 s, 1,024 MiB, cpu", "all that passed since the command began"
    assert parts == (
        "  0.8 s training, 31.8 s loading compiled loops, at first use compiling them, "
        "8.5 s reading the text and estimating the time"
    )
    assert hint == "Next: lior generate r"


@cases(
    ("text", "expected"),
    [
        (b"d of a line\n>>> x = 1\n\nROMEO:\nO, she doth teach\n", "O, she doth"),
        (b"one\ntwo\n", "two"),
        (b"only a single line", "only a single"),
        (b"\x00\xff\x01 --- \n", ""),
        (b"- \n" + b"x" * 99, "x" * 40),
        ("Größe und Maß".encode(), "Größe und Maß"),
    ],
)
@cases("held_out", [True, False])
def test_the_suggested_prompt_is_the_beginning_of_a_line(text, expected, held_out):
    read = corpus.build_corpus([RawDocument("a", text)], Bytes())
    held = SimpleNamespace(corpus=read, n_train=0 if held_out else len(read))
    run = SimpleNamespace(checkpoint=held, model=SimpleNamespace(tokenizer=Bytes()))
    assert prompt(run) == expected


def test_a_run_that_learns_what_was_held_out_says_so_and_suggests_no_score(command, short, small):
    """``--holdout keep`` is short for the key, and a flag wins."""
    learn = ("--set", "data.after_validation=learn")
    out = command("train", short, "--out", "r", *small, *learn).out
    assert "That was before the memories took in the held-out text (--holdout keep leaves it out).\n" in out
    assert "lior eval" not in out
    kept = command("train", short, "--out", "k", *small, *learn, "--holdout", "keep")
    assert "took in" not in kept.out
    assert "lior eval k --online" in kept.out
    assert tomllib.loads(Path("k/config.toml").read_text())["data"]["after_validation"] == "keep"


def test_nothing_held_out_is_said_and_gives_no_numbers(command, short, small):
    result = command("train", short, "--out", "r", *small, "--holdout", 0)
    assert result.out.startswith("no text was held out, so the model was not scored\n")
    assert "lior eval" not in result.out, "there is nothing of its own to score"
    assert "scoring" not in result.err
    summary = json.loads((Path("r") / "summary.json").read_text())
    scores = [summary[key] for key in ("val_nats_per_byte", "val_bits_per_byte", "baseline")]
    assert scores == [None, None, None]


def test_without_out_the_run_is_named_for_its_text(command, short, small):
    result = command("train", short, "--json", "--quiet", *small)
    run = json.loads(result.out)["run"]
    assert re.fullmatch(r"runs/short-\d{8}-\d{6}", run)
    assert rundir.open_run(Path(run)).model


def test_layers_reach_the_run_with_flags_on_top(command, short, small_recipe, monkeypatch):
    mine = 'seed = 1\n[frame]\nname = "derived"\n[product]\nname = "wedge"\n'
    Path("mine.toml").write_text(mine + small_recipe.read_text())
    monkeypatch.setenv("LIOR_RSOURCE", "curvature")
    flags = ["--seed", "2", "--product", "spinor"]
    assert command("train", short, "--out", "r", "--config", "mine.toml", "--quiet", *flags).code == 0
    resolved = tomllib.loads(Path("r/config.toml").read_text())
    assert resolved["seed"] == 2
    names = [resolved[kind]["name"] for kind in ("frame", "rsource", "product")]
    assert names == ["derived", "curvature", "spinor"]
    assert json.loads(Path("r/summary.json").read_text())["components"]["product"] == "spinor"


@pytest.mark.parametrize(
    ("memory", "given", "reason", "noted"),
    [
        ("sdm", ["--config", "fast", "--frame", "rotor"], "memory sdm has no geometry", "frame.name"),
        ("sdm", ["--config", "fast", "--set", "mixer.cells=8"], "memory sdm has no geometry", "mixer.cells"),
        ("sdm", ["--config", "fast", "--seed", "1"], None, None),
        (
            "sdm",
            ["--config", "fast", "--set", "fit.noise_passes=0", "--set", "memory.sdm.unseen_contexts=3"],
            "fit.noise_passes is 0",
            "memory.sdm.unseen_contexts",
        ),
        (
            "exact",
            ["--set", "geometry.updates=2", "--set", "geometry.refresh=2"],
            "geometry.near is 0",
            "geometry.refresh",
        ),
        (
            "exact",
            ["--set", "geometry.updates=2", "--set", "fit.passes=2"],
            "memory exact does not learn while it reads",
            "fit.passes",
        ),
    ],
)
def test_settings_that_change_nothing_are_named(command, short, memory, given, reason, noted):
    quick = ["--set", "mixer.positions=256", "--holdout", "0.01"]
    result = command("train", short, "--out", "r", "--memory", memory, *quick, *given)
    assert result.code == 0
    notes = [line for line in result.err.splitlines() if line.startswith("note: ")]
    assert notes == ([f"note: {reason}, so these settings change nothing: {noted}"] if noted else [])


def test_settings_that_the_user_did_not_give_cause_no_note(command, short):
    def notes(*given):
        err = command("train", short, *given).err
        return [line for line in err.splitlines() if line.startswith("note: ")]

    assert not notes("--out", "a", "--config", "fast", "--set", "seed=1")
    assert not notes("--out", "b", "--config", "a/config.toml")
    shutil.copy("a/config.toml", "own.toml")
    [note] = notes("--out", "c", "--config", "own.toml")
    assert "memory sdm has no geometry, so these settings change nothing: " in note


def test_counts_that_training_does_not_make_are_named(command, short):
    fast = ("--memory", "sdm", "--config", "fast", "--set", "fit.passes=1", "--set", "mixer.positions=256")
    given = (*fast, "--set", "memory.sdm.counts=totals")
    result = command("train", short, "--out", "r", "--holdout", "0.01", *given)
    assert [line for line in result.err.splitlines() if line.startswith("note: ")] == [
        "note: the memory learns while it reads the text (fit.passes), so these settings "
        "are for text that is learned later: memory.sdm.counts"
    ]


@pytest.mark.slow
def test_each_part_of_the_geometry_that_is_named_changes_what_is_predicted(command, short):
    """Without a recipe and a memory; what else is given only saves time."""
    quick = ("geometry.updates=2", "fit.noise_passes=0", "mixer.positions=64")
    sets = [argument for each in quick for argument in ("--set", each)]
    parts = ((), ("--frame", "rotor"), ("--rsource", "curvature"), ("--product", "wedge"))
    sets += ["--json", "--keep-geometry"]
    results = [command("train", short, *sets, "--out", str(i), *given) for i, given in enumerate(parts)]
    assert all("recipe geometry, in which what was chosen acts: " in each.err for each in results)
    bits = [json.loads(each.out)["val_bits_per_byte"] for each in results]
    assert len({*bits}) == len(parts)


def test_what_only_shapes_the_metric_is_named_and_what_the_geometry_saves_is_told(command, short, small):
    given = (short, *small, "--rsource", "curvature")
    alone = command("train", *given, "--out", "r", "--memory", "sdm")
    assert [line for line in alone.err.splitlines() if line.startswith("note: ")] == [
        "note: memory sdm reads the nearest cell only, which resilience does not change, so these settings "
        "shape the metric and are not used in predictions: rsource.name"
    ]
    summary = json.loads(Path("r/summary.json").read_text())
    saved, error = summary["geometry_bits_per_byte"], summary["geometry_error"]
    assert (
        f" costs {abs(saved):.4f} ± {error:.4f} bits per byte {'more' if saved > 0 else 'less'}" in alone.out
    )
    assert "note:" not in command("train", *given, "--out", "e").err, "memory exact reads resilience"
