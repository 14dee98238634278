"""Pictures with truth, and that nothing but the picture tells it."""

from __future__ import annotations

import numpy as np
import pytest

from lior_lens import data, lenses, lines
from lior_lens.arcs import find_arcs
from lior_lens.geometry import Lens, Size
from lior_lens.warp import Correction, resample

SIZE = Size(width=192, height=128)


@pytest.mark.parametrize("seed", range(12))
def test_no_border_tells_the_lens(seed):
    """A picture in one colour stays so, whatever the lens; and nothing outside the view is ever seen."""
    rng = np.random.default_rng(seed)
    lens = lenses.draw(rng)
    zoom, shift = rng.uniform(1, 1.3), tuple(rng.uniform(-1, 1, 2))
    plain = np.full((160, 240, 3), 77, np.uint8)
    for seen in lenses.bend(plain, lens, SIZE, zoom=zoom, shift=shift):
        assert (seen == 77).all()
    # the rim of the straight picture, where a border would begin, has weight only in the outermost pixels
    rim = np.zeros((160, 240, 3), np.uint8)
    rim[0] = rim[-1] = rim[:, 0] = rim[:, -1] = 255
    for seen in lenses.bend(rim, lens, SIZE, zoom=1.0):
        assert (seen[2:-2, 2:-2] < 200).mean() > 0.999


@pytest.mark.parametrize("seed", range(8))
def test_the_true_correction_shows_the_straight_picture(seed):
    rng = np.random.default_rng(seed)
    lens = lenses.centre(lenses.draw(rng))
    smooth = data.Scenes(sharper=2.0).view(0, SIZE, rng)[0]
    smooth = np.repeat(np.repeat(smooth[::8, ::8], 8, 0), 8, 1)
    import cv2

    smooth = cv2.GaussianBlur(smooth, (0, 0), 5)
    bent, straight = lenses.bend(smooth, lens, SIZE)
    fixed = resample(bent, Correction(lens=lens, size=SIZE), interpolation="linear", border="edge")
    x, y = SIZE.grid(SIZE.width, SIZE.height)
    gx, gy = lens.forward(x, y)
    inside = (np.abs(gx) < SIZE.half[0]) & (np.abs(gy) < SIZE.half[1])
    difference = np.abs(fixed.astype(int) - straight)[inside]
    assert difference.mean() < 1.5
    assert np.quantile(difference, 0.99) < 8


def test_a_sample_depends_on_seed_and_number_alone():
    stream = data.Stream(source=data.Scenes(), seed=4, long_side=96)
    first, again = stream.sample(7), data.Stream(source=data.Scenes(), seed=4, long_side=96).sample(7)
    assert (first.picture == again.picture).all()
    assert first.lens == again.lens
    assert not (
        first.picture.shape == stream.sample(8).picture.shape
        and (first.picture == stream.sample(8).picture).all()
    )


def test_strengths_of_lenses_are_those_they_were_drawn_with():
    for strength in (-0.2, -0.05, 0.0, 0.1, 0.2):
        for shape in (-0.3, 0.0, 0.3):
            assert lines.strength_of(lines.lens_of(strength, shape)) == pytest.approx(strength, abs=2e-3)


def test_drawn_lenses_do_not_fold_and_reach_from_end_to_end():
    drawn = [lenses.draw(np.random.default_rng(seed)) for seed in range(300)]
    strengths = [lines.strength_of(each) for each in drawn]
    assert min(strengths) < -0.15
    assert max(strengths) > 0.15
    assert sum(each.is_identity for each in drawn) > 10
    assert min(each.least_slope() for each in drawn) > 0.1


def test_lines_find_the_lens_of_a_calibration_board():
    """OpenCV finds the corners of the board; the lens that lines say puts them on straight lines."""
    cv2 = pytest.importorskip("cv2")
    stream = data.Stream(source=data.Boards(), seed=1, long_side=640, worn=False)
    sample = next(each for each in map(stream.sample, range(20)) if lines.strength_of(each.lens) < -0.1)
    verdict = lines.judge(find_arcs(sample.picture))
    assert lenses.endpoint_error(verdict.lens, sample.lens, sample.size) < 0.3 * lenses.endpoint_error(
        Lens(), sample.lens, sample.size
    )
    fixed = resample(sample.picture, Correction(lens=verdict.lens, size=sample.size))
    bent = lines.straightness(find_arcs(sample.picture), believed=verdict.lens)
    assert lines.straightness(find_arcs(fixed)) < 0.4 * bent + 0.1
    assert cv2 is not None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lines_are_right_about_scenes_and_know_how_right(seed):
    stream = data.Stream(source=data.Scenes(), seed=100 + seed, long_side=512)
    sample = stream.sample(0)
    verdict = lines.judge(find_arcs(sample.picture))
    assert abs(verdict.strength - lines.strength_of(sample.lens)) < 4 * verdict.spread + 0.01


def test_a_picture_of_nothing_is_judged_with_no_confidence():
    verdict = lines.judge(find_arcs(np.full((200, 300, 3), 90, np.uint8)))
    assert verdict.arcs == 0
    assert not verdict.sure
    assert abs(verdict.strength) < 1e-6
    noise = (np.random.default_rng(0).random((200, 300, 3)) * 255).astype(np.uint8)
    assert not lines.judge(find_arcs(noise)).sure


def test_circles_do_not_make_a_lens():
    cv2 = pytest.importorskip("cv2")
    picture = np.full((400, 600, 3), 200, np.uint8)
    for x, y, r in ((150, 120, 80), (420, 260, 100), (300, 330, 50), (500, 80, 60)):
        cv2.circle(picture, (x, y), r, (30, 60, 90), -1, cv2.LINE_AA)
    assert not lines.judge(find_arcs(picture)).sure
