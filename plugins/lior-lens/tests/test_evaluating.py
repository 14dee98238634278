"""The figures that judge the estimates: on photographs under nine lenses, and on drawn pictures."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import attrs
import cv2
import numpy as np
import pytest
from commands import lens

from lior.errors import DataError, UsageError
from lior_lens import evaluating, lines
from lior_lens.geometry import Lens

TOOLS = Path(__file__).parents[1] / "tools"


def house(path, side=160):
    picture = np.random.default_rng(side).integers(0, 255, (side, side * 3 // 2, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.GaussianBlur(picture, (0, 0), 2))
    return path


@pytest.fixture
def folder(tmp_path):
    rows = [
        ("learn/a.png", "a", "learn", "A"),
        ("learn/b.png", "b", "learn", "C"),
        ("check/c.png", "c", "check", "B"),
    ]
    for number, row in enumerate(rows):
        house(tmp_path / row[0], 96 + number)
    lines = ["file,package,series,part,kind", *(f"{f},p,{s},{p},{k}" for f, s, p, k in rows)]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("shape", [(200, 300), (300, 200), (200, 200), (150, 400)])
def test_nine_lenses_of_known_strength_and_no_border(shape):
    plain = np.full((*shape, 3), 77, np.uint8)
    samples = list(evaluating.bent(plain, long_side=150))
    assert len(samples) == 9
    assert samples[0].lens == Lens()
    assert all((each.picture == 77).all() and max(each.picture.shape) == 150 for each in samples)
    assert [lines.strength_of(each.lens) for each in samples] == pytest.approx(
        [0, -0.2, -0.12, -0.08, -0.04, 0.03, 0.06, 0.1, 0.15], abs=1e-4
    )
    assert all(each.lens.monotone(corner=1.2) == each.lens for each in samples)


def test_a_part_of_a_collection(folder):
    assert [each.name for each in evaluating.collection(folder, "check")] == ["check/c.png"]
    assert [each.kind for each in evaluating.collection(folder)] == ["A", "C", "B"]
    with pytest.raises(UsageError, match="no part 'train'; there are check, learn"):
        evaluating.collection(folder, "train")
    (folder / "manifest.csv").write_text("file,kind\na.png,A\n")
    with pytest.raises(DataError, match="no column part, series"):
        evaluating.collection(folder)
    (folder / "manifest.csv").unlink()
    assert len(evaluating.collection(folder)) == 3
    with pytest.raises(UsageError, match=r"no manifest\.csv"):
        evaluating.collection(folder, "check")


def test_the_figures_are_those_of_the_errors():
    def answer(strength, said, used, sure=True):
        errors = {"identity": abs(strength) * 100, "estimate": abs(strength - said) * 100, "as used": used}
        return evaluating.Answer(
            name="x", kind="A", strength=strength, said=said, spread=0.01, sure=sure, errors=errors
        )

    some = [
        answer(-0.2, -0.19, 1.0),
        answer(0.1, 0.05, 12.0),
        answer(0.0, 0.03, 2.0),
        answer(0.0, 0.0, 0.0, False),
    ]
    found = evaluating.summary(some)
    assert found["errors"]["estimate"]["of_identity"] == pytest.approx(6 / 30)
    assert found["errors"]["as used"]["of_identity"] == pytest.approx(13 / 30)
    assert found["worse"] == 0.5
    assert found["undistorted"] == {"pictures": 2, "moved": 1, "names": ["x"]}
    assert (found["sure"], found["within_2_sigma"]) == (0.75, 0.5)
    assert found["within_2_sigma_sure"] == pytest.approx(1 / 3)
    kept = evaluating.summary([attrs.evolve(some[2], errors=some[3].errors)])
    assert kept["worse"] is None
    assert kept["undistorted"]["moved"] == 0


def test_the_command_says_it_by_kind(folder):
    told = lens("eval", "--photos", folder, "--part", "learn", "--model", "none", "--json", "--quiet")
    sets = json.loads(told.stdout)["sets"]
    assert {name: each["pictures"] for name, each in sets.items()} == {
        "photographs": 18,
        "photographs A": 9,
        "photographs C": 9,
    }
    assert sets["photographs"]["errors"]["identity"]["of_identity"] == 1
    shown = lens("eval", "--photos", folder, "--part", "check", "--model", "none")
    assert "undistorted moved by more than 1 px" in shown.stdout
    refused = lens("eval", "--part", "check")
    assert refused.returncode != 0
    assert "Give their folder with --photos" in refused.stderr


def test_the_default_needs_no_network(tmp_path):
    """Judging and correcting run where torch is not installed; what needs it says so in one line."""
    house(tmp_path / "in" / "a.png")
    script = tmp_path / "without.py"
    script.write_text(
        "import importlib.util, sys\n"
        "sys.modules['torch'] = None\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'torch' else real(name, *more)\n"
        "from lior_cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )

    def without(*arguments):
        command = [sys.executable, script, "lens", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    for words in (
        ("correct", tmp_path / "in", tmp_path / "out"),
        ("judge", tmp_path / "in"),
        ("info",),
        ("eval", "--photos", tmp_path / "in"),
    ):
        done = without(*words)
        assert done.returncode == 0, done.stderr
    refused = without("judge", tmp_path / "in", "--model", "shipped")
    assert refused.returncode != 0
    assert "needs" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_no_series_of_the_collection_is_on_both_sides(tmp_path):
    spec = importlib.util.spec_from_file_location("photographs", TOOLS / "photographs.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    with tool.TABLE.open(newline="") as table:
        rows = list(csv.DictReader(table))
    parts = {}
    for row in rows:
        parts.setdefault(row["series"], set()).add(row["part"])
        assert row["kind"] in "ABC"
    assert all(len(each) == 1 for each in parts.values())
    assert len({tool.target(row) for row in rows}) == len(rows)
    held = {Path(row["file"]).stem for row in rows if row["part"] == "check"}
    assert {"china", "flower", "coffee", "motorcycle_left", "rocket"} <= held
    (tmp_path / "a.rcc").write_bytes(b"..RIFF\x06\0\0\0WEBPab??RIFF\x05\0\0\0WEBPc")
    assert tool.content(tmp_path, "a.rcc#1") == b"RIFF\x05\0\0\0WEBPc"
    assert tool.content(tmp_path, "a.rcc")[:2] == b".."
