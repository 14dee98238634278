"""Corrections of whole pictures."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_geometry import lenses

from lior_lens import estimating, profiles
from lior_lens.geometry import Lens, Size
from lior_lens.warp import LIPSCHITZ, Correction, Flow, in_frame, maps, resample, safety, slope

cv2 = pytest.importorskip("cv2")
LENS = Lens.brown(k1=-0.12, k2=0.02, k3=0.01, p1=0.002, p2=-0.003, dcx=0.02, dcy=-0.03, scale=1.02)
SMALL = Size(width=160, height=120)


def whole(correction):
    x, y = zip(*((mx, my) for _, mx, my in maps(correction)), strict=True)
    return np.concatenate(x), np.concatenate(y)


def test_the_map_is_opencvs_at_12_megapixels():
    size = Size(width=4000, height=3000)
    made = profiles.to_opencv(LENS, size)
    k, d, new = (np.array(made[name]) for name in ("K", "distortion", "new_K"))
    wanted = cv2.initUndistortRectifyMap(k, d, None, new, (4000, 3000), cv2.CV_32FC1)
    for top, mx, my in maps(Correction(lens=LENS, size=size)):
        for mine, theirs in ((mx, wanted[0]), (my, wanted[1])):
            assert np.abs(mine - theirs[top : top + len(mine)]).max() <= 5e-4


def test_opencvs_camera_and_back_is_the_same_lens():
    size = Size(width=600, height=400)
    lens = Lens.brown(k1=-0.1, k2=0.03, k3=0.001, p1=0.001, p2=0.002, dcx=0.01, dcy=0.02)
    made = profiles.to_opencv(lens, size)
    again = profiles.from_opencv(made["K"], made["distortion"], size)
    assert np.allclose(again.forward(0.3, -0.5), lens.forward(0.3, -0.5), atol=1e-12)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_the_identity_leaves_every_bit(kind):
    image = (np.random.default_rng(0).random((120, 160, 3)) * 250).astype(kind)
    assert (resample(image, Correction(lens=Lens(), size=SMALL)) == image).all()


@settings(max_examples=25, deadline=None)
@given(lenses, st.integers(0, 2**31))
def test_no_flow_folds(lens, seed):
    rng = np.random.default_rng(seed)
    wild = rng.normal(0, 10 ** rng.uniform(-3, 0), (2, 7, 9))
    flow = Flow.bounded(np.clip(wild, -0.1, 0.1), SMALL)
    assert slope(flow.nodes, SMALL) <= LIPSCHITZ + 1e-12
    made = Correction(lens=lens, size=SMALL, flow=flow).monotone()
    assert safety(made).least_stretch > 0
    x, y = SMALL.grid(17, 13)
    px, py, found = made.inverse(*made.forward(x, y))
    assert found.all()
    assert np.hypot(px - x, py - y).max() <= 1e-9


ODD = Lens(radial=(0.97, 0.02, 0.03, -0.05, 0, 0.01, 0), scale=1.1, aspect=1.02)
FLOW = Flow.bounded(np.random.default_rng(0).normal(0, 0.01, (2, 6, 8)), SMALL)


@pytest.mark.parametrize(("lens", "flow", "most"), [(LENS, FLOW, 1e-3), (ODD, None, 1e-4)])
def test_rows_of_the_map_are_those_of_the_correction(lens, flow, most):
    made = Correction(lens=lens, size=SMALL, flow=flow)
    mx, my = whole(made)
    x, y = SMALL.to_unit(*(each.astype(float) for each in np.meshgrid(np.arange(160), np.arange(120))))
    gx, gy = SMALL.to_pixel(*made.forward(x, y))
    assert max(np.abs(mx - gx).max(), np.abs(my - gy).max()) < most


@pytest.mark.parametrize("k1", [-0.14, -0.05, 0.05, 0.3])
def test_a_cropped_frame_has_no_border_and_wastes_nothing(k1):
    made = in_frame(Correction(lens=Lens.brown(k1=k1), size=SMALL), "crop")
    mx, my = whole(made)
    assert mx.min() >= -0.01
    assert my.min() >= -0.01
    assert mx.max() <= 159.01
    assert my.max() <= 119.01
    tight = min(mx.min(), my.min(), 159 - mx.max(), 119 - my.max())
    assert tight < 0.3


@pytest.mark.parametrize("k1", [-0.1, 0.2])
def test_a_kept_frame_shows_all_of_the_photograph(k1):
    made = in_frame(Correction(lens=Lens.brown(k1=k1), size=SMALL), "keep")
    x, y = SMALL.grid(33, 33)
    px, py, found = made.inverse(x, y)
    assert found.all()
    assert np.abs(px).max() <= SMALL.half[0]
    assert np.abs(py).max() <= SMALL.half[1]


def test_a_correction_is_made_safe_step_by_step_and_at_last_is_the_identity():
    strong = Lens.brown(k1=-0.9)
    found = estimating.safe(strong, SMALL)
    assert found.how.startswith("weakened")
    assert safety(found.correction).outside == 0
    flow = Flow(np.random.default_rng(0).normal(0, 0.2, (2, 5, 5)))
    assert estimating.safe(Lens.brown(k1=0.02), SMALL, flow=flow).how == "without flow"
    hopeless = Lens(radial=(1, 0, 0, 0, 0, 0, 0), scale=1, dcx=0.9, aspect=400.0)
    at_last = estimating.safe(hopeless, SMALL)
    assert at_last.how == "identity"
    assert at_last.correction.is_identity


def test_24_megapixels_work_within_half_a_gigabyte():
    """As Python counts it: the largest size that a process had may be of another test, or of its parent."""
    size = Size(width=6000, height=4000)
    image = np.zeros((4000, 6000, 3), np.uint8)
    image[::50] = 200
    tracemalloc.start()
    try:
        made = in_frame(Correction(lens=Lens.brown(k1=-0.1), size=size))
        assert safety(made).safe
        out = resample(image, made, interpolation="linear")
        assert out.shape == image.shape
        assert out.nbytes < tracemalloc.get_traced_memory()[1] < 500 << 20
    finally:
        tracemalloc.stop()


def test_a_lens_of_which_nothing_is_safe_corrects_nothing():
    used = estimating.safe(Lens(radial=(1.0, 0.0, -90.0, 0.0, 0.0, 0.0, 0.0)), SMALL)
    assert (used.how, used.correction.is_identity) == ("identity", True)
