"""Scores of corrected pictures."""

from __future__ import annotations

import numpy as np
import pytest
from commands import lens
from PIL import Image

from lior_lens import data, lenses, scoring
from lior_lens.geometry import Lens, Size
from lior_lens.warp import Correction, resample

SIZE = Size(width=320, height=240)
STRAIGHT = data.Scenes().view(0, SIZE, np.random.default_rng(5))[0]


def test_the_same_picture_has_the_score_1():
    assert scoring.score(STRAIGHT, STRAIGHT).total == pytest.approx(1, abs=1e-9)


def test_the_score_grows_with_the_share_of_the_correction():
    """All but the last tenth: what that leaves of the bend is mostly within the pixel by which edges may
    be off, and Canny's choice of edges then decides: in 3 of 24 scenes the edges, alone, fall, the total by
    less than 0.0005.
    """
    shares, fallen = [0.0, 0.5, 0.9, 1.0], 0
    lens = Lens.brown(k1=-0.06)
    for seed in range(24):
        scene = data.Scenes(sharper=2).view(0, SIZE, np.random.default_rng(seed))[0]
        bent, straight = lenses.bend(scene, lens, SIZE)
        corrected = [resample(bent, Correction(lens=lens.blended(each), size=SIZE)) for each in shares]
        found = [scoring.score(each, straight, scoring.Limits(regional=1, edge=0)) for each in corrected]
        totals = [each.total for each in found]
        assert totals[:3] == sorted(totals[:3])
        if totals[3] < totals[2]:
            fallen += 1
            assert totals[2] - totals[3] < 5e-4
            assert all(
                found[3].parts[name] >= found[2].parts[name] for name in scoring.WEIGHTS if name != "edge"
            )
    assert fallen <= 3


def test_a_grid_with_little_noise_is_still_the_grid():
    """Hard bins of directions gave 0.76: those of upright lines lay on the edge of two."""
    grid = np.full((240, 320, 3), 200, np.float32)
    grid[::24] = grid[:, ::24] = 60
    noisy = grid + np.random.default_rng(0).normal(0, 0.7, grid.shape)
    found = scoring.score((noisy / 255).astype(np.float32), grid / 255)
    assert found.parts["grad"] >= 0.98
    assert found.total >= 0.98


def test_a_value_beyond_1_does_not_make_a_picture_dark():
    bright = STRAIGHT.astype(np.float32) / 255
    bright[0, 0] = 1.0001
    assert scoring.score(bright, STRAIGHT).total > 0.999


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p[:100], "shape"),
        (lambda p: np.zeros_like(p), "empty|region|edges"),
        (lambda p: 255 - p, "region"),
        (lambda p: np.full(p.shape, np.nan, np.float32), "finite"),
    ],
)
def test_what_is_worth_nothing_says_why(change, said):
    found = scoring.score(change(STRAIGHT), STRAIGHT)
    assert found.total == 0
    assert any(each in found.failed for each in said.split("|"))


def test_folders_are_scored_and_zipped_alike(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(STRAIGHT).save(tmp_path / name / "1.png")
    (tmp_path / "a" / "2.png").write_text("no picture")
    Image.fromarray(STRAIGHT).save(tmp_path / "b" / "2.png")
    done = lens("score", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "scores.csv")
    assert done.returncode == 2
    assert "1 worth nothing" in done.stdout
    assert lens("score", tmp_path / "a", tmp_path / "b", "--allowed-fail-rate", "0.5").returncode == 0
    for name in ("one", "two"):
        assert lens("package", tmp_path / "b", tmp_path / f"{name}.zip").returncode == 0
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_data_and_audit_commands(tmp_path):
    done = lens("data", tmp_path / "set", "--count", 3, "--size", 96)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "set" / "bent").glob("*.png"))) == 3
    assert lens("data", tmp_path / "set").returncode == 2
    (tmp_path / "set" / "bent" / "bad.jpg").write_text("x")
    Image.fromarray(np.asarray(Image.open(tmp_path / "set" / "bent" / "00000.png"))).save(
        tmp_path / "set" / "bent" / "copy.png"
    )
    done = lens("audit", tmp_path / "set" / "bent")
    assert "4 readable, 1 not" in done.stdout
    assert "twice" in done.stdout
