"""`lior plot`: pictures whose numbers are those of the run, as files, as tables and as JSON."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from lior.errors import Stopped
from lior.runs import directory as rundir
from lior.runs.inspection import metric_of
from lior.testing.figures import check_readable
from lior_cli.run_pictures.subjects import PICTURES

FOUND = [name for name in PICTURES if name != "angles"]
"""What the finished run has numbers for: its frame does not rotate."""
NO_ANGLES = "left out: angles: the frame of the run does not rotate, so it has no angles\n"


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A finished run to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "r"))


@pytest.fixture
def numbers(command, finished):
    """The panels of one picture of the finished run."""

    def ask(name: str, *args: object) -> list[dict]:
        result = command("plot", finished, "--only", name, "--json", "--quiet", *args)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)["pictures"][name]["panels"]

    return ask


# --- what is written and printed ---


def test_files_beside_the_run_and_a_path_and_a_table_of_each(command, run):
    result = command("plot", run, "--sample", 200, "--quiet")
    assert (result.code, result.err) == (0, NO_ANGLES)
    paths = [Path(line) for line in result.out.splitlines() if line.endswith(".png")]
    assert paths == [run / "plots" / f"{name}.png" for name in FOUND]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert sorted(p.name for p in (run / "plots").iterdir()) == sorted(path.name for path in paths)
    assert "\ncells of the geometry: columns are mixed by distance\n" in result.out
    assert "4-gram: " in result.out
    assert command("eval", run, "--quiet").code == 0, "the run is as it was"


@pytest.mark.slow
def test_both_formats_in_another_folder_and_the_same_again(command, finished, tmp_path):
    out = tmp_path / "a" / "b"
    args = ("plot", finished, "--only", "spectrum,weights", "--format", "both", "--out", out, "--quiet")
    assert command(*args).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(before) == {"spectrum.png", "spectrum.svg", "weights.png", "weights.svg"}
    assert before["weights.svg"].startswith(b"<?xml")
    assert command(*args).code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_text_alone_needs_no_matplotlib_and_writes_nothing(command, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = command("plot", run, "--sample", 200, "--quiet", "--text")
    assert (result.code, result.err) == (0, NO_ANGLES)
    assert not (run / "plots").exists()
    result = command("plot", run, "--sample", 200)
    assert result.code == 1
    assert "lior install plots" in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_progress_is_on_standard_error(command, finished):
    result = command("plot", finished, "--only", "positions", "--sample", 256, "--text")
    assert result.err == "score: scoring 256 tokens\n" + result.err.splitlines()[1] + "\n"
    assert result.err.splitlines()[1].startswith("score: 256/256 (100 %)")


# --- the numbers ---


def test_curves_end_where_the_summary_does(numbers, finished):
    summary = json.loads((finished / "summary.json").read_text())
    panels = numbers("curves")
    assert [panel["title"].split(":")[0] for panel in panels] == [
        "geometry",
        "memory",
        "folds",
        "mixer",
        "validate",
    ]
    last = panels[-1]
    assert last["curves"][0]["y"][-1] == pytest.approx(summary["val_bits_per_byte"])
    assert last["levels"]["4-gram"] == pytest.approx(summary["baseline"]["order4"])
    assert [curve["name"] for curve in panels[1]["curves"]] == ["memory, part 1", "memory, part 2"]


def test_positions_add_up_to_the_score_of_the_run(numbers, finished):
    summary = json.loads((finished / "summary.json").read_text())
    along, by_class = numbers("positions", "--sample", 10_000)
    assert along["levels"]["all of it"] == pytest.approx(summary["val_bits_per_byte"], rel=1e-5)
    [curve] = along["curves"]
    assert sum(curve["y"]) / len(curve["y"]) == pytest.approx(summary["val_bits_per_byte"], rel=1e-5)
    assert 0 < min(curve["error"]) < max(curve["error"]) < 1
    text = rundir.open_run(finished).corpus.tokens[-1200:].tolist()
    lower = sum(chr(byte).islower() for byte in text) / len(text)
    note = by_class["notes"][by_class["names"].index("lower case")]
    share = re.match(r"\(([\d.]+)% of bytes", note)
    assert share is not None
    assert float(share[1]) == pytest.approx(100 * lower, abs=0.051)  # a tie has two roundings


def test_spectrum_and_weights_are_those_of_the_model(numbers, finished):
    model = rundir.open_run(finished).model
    [panel] = numbers("spectrum")
    assert (panel["curves"][0]["y"][0], panel["curves"][0]["y"][-1]) == pytest.approx(
        (metric_of(model).greatest, metric_of(model).least)
    )
    assert [curve["name"] for curve in panel["curves"]] == ["g", "g without its low-rank part"]
    panels = numbers("weights")
    assert [panel["title"] for panel in panels] == [
        "gate of memory sdm",
        "gate of memory exact",
        "cells of the geometry: columns are mixed by distance",
    ]
    for panel, table in zip(panels, ("gate0", "gate1", "cells"), strict=True):
        assert panel["values"] == model.weights[table].T.tolist()
        assert panel["rows"] == list(model.experts)


def test_resilience_and_coordinates_have_as_many_contexts_as_asked(numbers):
    [panel] = numbers("resilience", "--sample", 700)
    assert sum(panel["counts"]) == 700
    assert panel["edges"] == sorted(panel["edges"])
    assert panel["edges"][0] <= panel["levels"]["median"] <= panel["edges"][-1]
    [panel] = numbers("coordinates", "--sample", 700)
    assert len(panel["x"]) == len(panel["y"]) == len(panel["of"]) == 700
    assert sum(panel["x"]) == pytest.approx(0, abs=1e-6)
    assert sum(x * x for x in panel["x"]) > sum(y * y for y in panel["y"]) > 0
    assert sum(x * y for x, y in zip(panel["x"], panel["y"], strict=True)) == pytest.approx(0, abs=1e-6)


def test_angles_of_a_frame_that_rotates(command, configure, short, tmp_path):
    from lior.training.preparation import train

    train(configure("frame=rotor", "memory=exact", text=short), tmp_path / "turned")
    result = command("plot", tmp_path / "turned", "--only", "angles", "--json")
    [panel] = json.loads(result.out)["pictures"]["angles"]["panels"]
    angles = panel["curves"][0]["y"]
    assert len(angles) == 4
    assert 180 > angles[0] > angles[-1] > 0


# --- what is left out, and what is refused ---


def test_of_a_run_that_was_stopped_only_the_curves(command, configure, short, tmp_path):
    from lior.training.preparation import train

    windows = itertools.count()
    with pytest.raises(Stopped):
        train(configure(text=short), tmp_path / "s", stop=lambda: next(windows) > 5)
    result = command("plot", tmp_path / "s", "--text")
    assert result.code == 0
    assert result.out.count("cost while training") == 1
    assert result.err == (
        f"left out: {', '.join(list(PICTURES)[1:])}: training did not finish; "
        f"`lior train --resume {tmp_path / 's'}` goes on with it\n"
    )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda text: text + '{"time": 1, "sta', ""),
        (lambda text: text + '{"time": 1}\n', ""),
        (lambda text: "", "metrics.jsonl has no costs"),
        (lambda text: "nonsense\n" + text, "metrics.jsonl, line 1: not a line of telemetry"),
        (lambda text: text + "[1]\n", "line of telemetry"),
        (lambda text: text + '{"stage": "x", "step": 1, "calibration_loss": NaN}\n', "not finite"),
        (None, "metrics.jsonl cannot be read (No such file or directory)"),
    ],
    ids=["being written", "no cost", "empty", "first", "last", "nan", "gone"],
)
def test_telemetry_that_cannot_be_read(command, run, spoil, why):
    path = run / "metrics.jsonl"
    path.write_text(spoil(path.read_text())) if spoil else path.unlink()
    result = command("plot", run, "--only", "curves,spectrum", "--text")
    assert result.code == 0
    assert ("left out: curves: " in result.err) == bool(why)
    assert why in result.err
    assert ("cost while training" in result.out) != bool(why)


@pytest.mark.slow
def test_no_text_of_a_picture_covers_another(finished):
    pytest.importorskip("matplotlib")
    from lior.plots.figures import draw
    from lior_cli.run_pictures.pictures import open_run, picture

    opened = open_run(finished, sample=500)
    for name in FOUND:
        check_readable(draw(picture(name, opened)))
