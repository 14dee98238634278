"""Patches as coordinates: exact derivatives of polynomials, motion, shapes and places."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lior.errors import UsageError
from lior_field.images import observables, orders, patches


def sites(*shape: int, spacing: tuple[float, ...]) -> list[Tensor]:
    axes = [torch.arange(n, dtype=torch.float64) * d for n, d in zip(shape, spacing, strict=True)]
    return list(torch.meshgrid(*axes, indexing="ij"))


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1), st.integers(3, 5), st.integers(3, 6), st.floats(0.1, 3.0), st.floats(0.1, 3.0)
)
def test_derivatives_of_a_parabola_are_exact(
    seed: int, height: int, width: int, dy: float, dx: float
) -> None:
    c = torch.randn(6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()
    y, x = sites(11, 13, spacing=(dy, dx))
    field = c[0] + c[1] * y + c[2] * x + c[3] * y**2 / 2 + c[4] * x * y + c[5] * x**2 / 2
    found = patches(field, (height, width), step=(2, 3), spacing=(dy, dx))
    v, u = ((at * n - 0.5) * d for at, n, d in zip(found[:, 6:].unbind(1), (11, 13), (dy, dx), strict=True))
    value = c[0] + c[1] * v + c[2] * u + c[3] * v**2 / 2 + c[4] * u * v + c[5] * u**2 / 2
    slopes = [c[1] + c[3] * v + c[4] * u, c[2] + c[4] * v + c[5] * u]
    second = [torch.full_like(v, each) for each in c[3:]]
    assert_close(found[:, :6], torch.stack([value, *slopes, *second], 1), rtol=1e-9, atol=1e-7)


def test_a_moving_pattern_has_the_time_derivative_of_its_motion() -> None:
    """A wave that moves by (0.4, −0.7) pixels a frame: ∂_t = −v·∇, to the error of a window of 5."""
    t, y, x = sites(9, 24, 24, spacing=(1.0, 1.0, 1.0))
    phase = 0.2 * (y - 0.4 * t) + 0.15 * (x + 0.7 * t)
    found = patches(torch.stack([phase, phase.sin()], -1), (5, 5, 5))
    assert orders(3, 2)[1:4] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    plane, wave = found[:, 1:4], found[:, 11:14]
    assert_close(plane, torch.tensor([0.025, 0.2, 0.15]).double().expand_as(plane))
    assert_close(wave[:, 0], -(0.4 * wave[:, 1] - 0.7 * wave[:, 2]), atol=2e-3, rtol=0)
    assert wave[:, 0].abs().max() > 0.02
    still = patches(phase.sin()[:1].expand(9, 24, 24), (5, 5, 5))
    assert still[:, 1].abs().max() < 1e-12


def test_the_map_is_linear_and_the_components_are_read_alike() -> None:
    pixels = torch.randn(12, 9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = patches(pixels, (4, 3), degree=1)
    assert whole.shape == (9, 3 * 3 + 2)
    for number, part in enumerate(pixels.unbind(-1)):
        assert_close(whole[:, 3 * number : 3 * number + 3], patches(part, (4, 3), degree=1)[:, :3])
    assert_close(whole[:, 0], pixels[..., 0].unfold(0, 4, 4).unfold(1, 3, 3).mean((2, 3)).flatten())
    mixed = patches(pixels @ torch.tensor([2.0, 0.0, -1.0]).double(), (4, 3), degree=1)[:, :3]
    assert_close(mixed, 2 * whole[:, :3] - whole[:, 6:9])


def test_places_are_centres_in_the_order_of_the_axes() -> None:
    found = patches(torch.zeros(4, 6, dtype=torch.int16), (2, 2), degree=0, place=12.0)
    assert found.dtype == torch.float32
    assert found[:, 1:].tolist() == [[3, 2], [3, 6], [3, 10], [9, 2], [9, 6], [9, 10]]
    assert torch.equal(patches(torch.zeros(5, 7), (2, 2), degree=0)[-1, 1:], torch.tensor([3 / 5, 5 / 7]))
    assert patches(torch.zeros(6, 6), (3, 3), step=(1, 1)).shape == (16, 8)


def test_there_are_as_many_derivatives_as_monomials() -> None:
    for axes, degree in ((1, 3), (2, 2), (3, 2)):
        assert (
            len(orders(axes, degree))
            == math.comb(axes + degree, degree)
            == len(observables([4] * axes, degree))
        )


def test_patches_tell_digits_apart_by_the_nearest() -> None:
    """Of 597 images, with 1,200 stored."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    z = torch.stack([patches(each, (3, 3), step=(1, 1)).flatten() for each in torch.as_tensor(digits.images)])
    y = torch.as_tensor(digits.target)
    found = y[torch.cdist(z[1200:], z[:1200]).argmin(1)]
    assert (found == y[1200:]).double().mean() > 0.95


@pytest.mark.parametrize(
    ("shape", "size", "options", "message"),
    [
        ((8, 8), (2, 3), {}, "more than degree 2"),
        ((8, 8), (), {}, "patch of"),
        ((8, 8), (3, 3), {"degree": -1}, "degree -1"),
        ((8, 8), (3, 9), {}, r"field of shape \(8, 8\)"),
        ((8,), (3, 3), {}, "field of shape"),
        ((8, 8, 8, 2, 2), (3, 3, 3), {}, "field of shape"),
        ((8, 8), (3, 3), {"step": (0, 1)}, r"step \(0, 1\)"),
        ((8, 8), (3, 3), {"spacing": (1.0, 0.0)}, "2 finite numbers above 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(shape, size, options, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=message):
        patches(torch.zeros(shape), size, **options)
