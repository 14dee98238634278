"""Laws of lenses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.errors import UsageError
from lior_lens.geometry import MARGIN, Lens, Size
from lior_lens.network import BOUNDS, unfold

cv2 = pytest.importorskip("cv2")
SIZE = Size(width=640, height=480)


def numbers(low: float, high: float):
    return st.floats(low, high, allow_nan=False)


brown = st.builds(Lens.brown, **{name: numbers(*pair) for name, pair in BOUNDS.items()})
odd = st.builds(lambda a, b, c: Lens(radial=(1 - a - b - c, c, b, a, 0, 0, 0)), *[numbers(-0.3, 0.3)] * 3)
lenses = st.one_of(brown, odd)


@settings(max_examples=60, deadline=None)
@given(lenses)
def test_inverse_after_forward_is_the_identity_for_every_monotone_lens(lens):
    monotone = lens.monotone()
    x, y = SIZE.grid(13, 11)
    px, py, found = monotone.inverse(*monotone.forward(x, y))
    assert found.all()
    assert np.hypot(px - x, py - y).max() <= 1e-9


@settings(max_examples=60, deadline=None)
@given(lenses)
def test_a_monotone_lens_does_not_fold_anywhere(lens):
    monotone = lens.monotone()
    x, y = SIZE.grid(61, 61)
    a, b, c, d = monotone.jacobian(x, y)
    assert (a * d - b * c).min() > 0
    assert monotone.least_slope() >= MARGIN - 1e-9


@settings(max_examples=40, deadline=None)
@given(lenses)
def test_the_jacobian_is_that_of_autograd(lens):
    x, y = (torch.tensor(each.ravel() + 1e-3, requires_grad=True) for each in SIZE.grid(7, 5))
    gx, gy = lens.forward(x, y)
    wanted = [torch.autograd.grad(g.sum(), each, retain_graph=True)[0] for g in (gx, gy) for each in (x, y)]
    found = lens.jacobian(x.detach(), y.detach())
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(brown)
def test_the_networks_monotone_lenses_are_those_of_the_geometry(lens):
    a = lens.radial
    row = [a[2], a[4], a[6], lens.p1, lens.p2, lens.dcx, lens.dcy, lens.scale, lens.aspect]
    share = unfold(torch.tensor([row], dtype=torch.float64))[0, :3]
    made = Lens.brown(
        k1=float(share[0]),
        k2=float(share[1]),
        k3=float(share[2]),
        dcx=lens.dcx,
        dcy=lens.dcy,
        scale=lens.scale,
        aspect=lens.aspect,
    )
    assert made.least_slope() >= MARGIN - 0.004


@pytest.mark.parametrize(
    ("pixel", "wanted"),
    [
        ((0, 0), (67.616908, 50.415011)),
        ((639, 0), (567.234426, 52.822883)),
        ((320, 240), (320.114395, 239.849727)),
        ((600, 50), (544.777726, 86.528797)),
    ],
)
def test_reference_points_of_the_first_program(pixel, wanted):
    """Its coordinates are those of OpenCV with the focal lengths (W-1)/2 and (H-1)/2: so are these here."""
    k = np.array([[319.5, 0, 319.5 * 1.02], [0, 239.5, 239.5 * 0.97], [0, 0, 1]])
    u = ((pixel[0] - k[0, 2]) / (319.5 * 1.02), (pixel[1] - k[1, 2]) / (239.5 * 1.02))
    gx, gy = Lens.brown(k1=-0.2, k2=0.05, p1=0.002, p2=-0.003).forward(*u)
    assert (gx * 319.5 + k[0, 2], gy * 239.5 + k[1, 2]) == pytest.approx(wanted, abs=1e-5)


def test_a_radial_lens_is_a_radial_lens_on_a_picture_of_any_shape():
    """The first program's coordinates were stretched with the picture, and off by 3.7 pixels at best."""
    size = Size(width=1500, height=1000)
    x, y = size.to_unit(
        *(each.astype(float) for each in np.meshgrid(np.arange(0, 1500, 30), np.arange(0, 1000, 20)))
    )
    gx, gy = size.to_pixel(*Lens.brown(k1=-0.1).forward(x, y))
    px, py = size.to_pixel(x, y)
    middle, d = np.array([749.5, 499.5]), size.half_diagonal
    r = np.hypot(px - middle[0], py - middle[1]) / d
    wanted = middle[0] + (px - middle[0]) * (1 - 0.1 * r**2), middle[1] + (py - middle[1]) * (1 - 0.1 * r**2)
    assert max(np.abs(gx - wanted[0]).max(), np.abs(gy - wanted[1]).max()) < 0.01


def test_points_that_no_monotone_lens_reaches_are_said_to_be_missing():
    x, _, found = Lens.brown(k1=-0.2).inverse(np.array([0.0, 5.0]), np.array([0.0, 0.0]))
    assert found.tolist() == [True, False]
    assert np.isnan(x[1])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"k9": 1}, "unknown k9"),
        ({"k1": "much"}, "must be numbers"),
        ({"scale": 0}, "above 0"),
        ({"k1": float("nan")}, "finite"),
        ({"radial": [1, 2]}, "7 radial"),
    ],
)
def test_wrong_lenses_are_refused_in_a_line(table, said):
    with pytest.raises(UsageError, match=said):
        Lens.of(table)
