"""Laws of a distance, of hyperbolic space, and of the derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import lior
from lior.errors import UsageError
from lior.testing.strategies import LAW, dimensions, dtypes, fill, seeds
from lior.testing.tensors import assert_derivatives, gradients
from lior_hyperbolic import CURVATURE_MAX, CURVATURE_MIN, Hyperbolic, lorentz
from lior_plugins import gram

curvatures = st.sampled_from((CURVATURE_MIN, 0.01, 1.0, CURVATURE_MAX))
sizes = st.sampled_from((1e-3, 1.0, 1e3))


def numbers(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return q.square().sum(-1)[:, None], q @ k.mT, k.square().sum(-1)[None]


def distances(q: Tensor, k: Tensor, c: float, eps: float = 1e-12) -> Tensor:
    return lorentz.distance(*numbers(q, k), torch.tensor(math.log(c), dtype=q.dtype), eps)


def points(
    m: int, seed: int, size: float = 1.0, count: int = 5, dtype: torch.dtype = torch.float64
) -> Tensor:
    return size * fill((count, m), "normal", seed, dtype)


def times(y: Tensor, c: float) -> Tensor:
    """The time coordinates of points on the hyperboloid."""
    return (1 / c + y.square().sum(-1)).sqrt()


@LAW
@given(m=dimensions(), seed=seeds(), c=curvatures)
def test_it_is_the_arccosh_of_the_lorentz_product(m, seed, c):
    q, k = points(m, seed), points(m, seed + 1)
    product = q @ k.mT - times(q, c)[:, None] * times(k, c)
    assert_close(distances(q, k, c), torch.arccosh(-c * product) / math.sqrt(c), rtol=1e-6, atol=1e-9)


@LAW
@given(m=dimensions(), seed=seeds(), c=curvatures, size=sizes, dtype=dtypes())
def test_it_is_symmetric_and_zero_for_the_same_point(m, seed, c, size, dtype):
    q, k = (points(m, s, size, dtype=dtype) for s in (seed, seed + 1))
    rounding = 8 * math.sqrt(torch.finfo(dtype).eps * m) * size  # of the root of a difference of squares
    assert_close(distances(q, k, c), distances(k, q, c).mT, rtol=1e-4, atol=rounding)
    assert (distances(q, q, c).diagonal() <= 1e-6 + rounding).all()


@LAW
@given(m=dimensions(), seed=seeds(), c=curvatures, size=sizes, eps=st.sampled_from((1e-12, 1e-2, 1.0)))
def test_it_obeys_the_triangle_inequality(m, seed, c, size, eps):
    a, b, far = points(m, seed, size), points(m, seed + 1, size), points(m, seed + 2, 1.0)
    ab, bf, af = distances(a, b, c, eps), distances(b, far, c, eps), distances(a, far, c, eps)
    assert (af[:, None] <= (ab[:, :, None] + bf[None]) * (1 + 1e-9) + 1e-6).all()


@LAW
@given(m=dimensions(), seed=seeds(), c=curvatures, speed=st.sampled_from((0.1, 1.0, 3.0)))
def test_a_boost_moves_points_and_no_distance(m, seed, c, speed):
    def boosted(y: Tensor) -> Tensor:
        """``y`` after the isometry of the hyperboloid that mixes time and the first axis."""
        first = math.cosh(speed) * y[:, 0] + math.sinh(speed) * times(y, c)
        return torch.cat([first[:, None], y[:, 1:]], 1)

    q, k = points(m, seed), points(m, seed + 1)
    assert not torch.allclose(boosted(q), q)
    assert_close(distances(boosted(q), boosted(k), c), distances(q, k, c), rtol=1e-6, atol=1e-6)


@LAW
@given(m=dimensions(), seed=seeds(), eps=st.sampled_from((1e-12, 1e-2)))
def test_it_tends_to_the_euclidean_distance_as_the_square_of_the_size_over_the_radius(m, seed, eps):
    q, k = points(m, seed), points(m, seed + 1)
    flat = gram.distance(*numbers(q, k), eps)
    errors = [(distances(q, k, c, eps) - flat).abs().max().item() for c in (1e-4, 1e-6, 1e-8)]
    assert errors[0] < 1e-3 * m**1.5
    assert errors[1] < 0.02 * errors[0]
    assert errors[2] < 1e-3 * errors[0]


def test_far_apart_it_grows_with_the_logarithm():
    """Two points at distance r from the origin, at a right angle: nearly 2r, as on a tree."""
    r = torch.tensor([5.0, 10.0, 20.0], dtype=torch.float64)
    y = torch.sinh(r)[:, None] * torch.eye(2, dtype=torch.float64)[0]
    x = torch.sinh(r)[:, None] * torch.eye(2, dtype=torch.float64)[1]
    assert_close(distances(y, x, 1.0).diagonal(), 2 * r - math.log(2), rtol=0, atol=1e-3)


@LAW
@given(m=dimensions(), seed=seeds(), c=curvatures)
def test_near_points_keep_their_digits_in_float32(m, seed, c):
    """The arccosh of a product near 1 has none left there."""
    exact = points(m, seed)
    near = exact + 1e-2 * points(m, seed + 1)
    single = distances(exact.float(), near.float(), c).diagonal().double()
    assert_close(single, distances(exact, near, c).diagonal(), rtol=0.2, atol=3e-3 * math.sqrt(m))


@LAW
@given(m=dimensions(), seed=seeds(), c=curvatures, size=sizes, eps=st.sampled_from((1e-2, 1.0)))
def test_partials_are_the_derivatives_at_every_curvature_and_size(m, seed, c, size, eps):
    product, log_c = Hyperbolic(eps=eps), torch.tensor(math.log(c), dtype=torch.float64)
    qq, qk, kk = (
        x.contiguous()
        for x in torch.broadcast_tensors(*numbers(points(m, seed, size), points(m, seed + 1, size)))
    )
    at = {"qq": qq, "qk": qk, "kk": kk, "log_curvature": log_c}
    partials = product.partials(qq, qk, kk, at)
    expected = gradients(lambda s: product.cost(s["qq"], s["qk"], s["kk"], s).sum(), at, at)
    actual = {"qq": partials.qq, "qk": partials.qk, "kk": partials.kk}
    actual["log_curvature"] = partials.params["log_curvature"].sum()
    assert_derivatives(actual, expected, 1e-8)


def test_curvature_is_kept_in_range_and_refused_beyond_it():
    for wild, bound in ((-99.0, CURVATURE_MIN), (99.0, CURVATURE_MAX)):
        kept = Hyperbolic().project({"log_curvature": torch.tensor(wild)})
        assert_close(kept["log_curvature"].exp(), torch.tensor(bound))
    with pytest.raises(UsageError, match="curvature = 0: allowed is a number from"):
        Hyperbolic(curvature=0)


def test_the_installed_plugin_trains_and_learns_its_curvature():
    assert lior.registry.get("product", "hyperbolic") is Hyperbolic
    text = "The cat sat on the mat. The dog sat on the log. The hen sat in the den. " * 40
    settings = {"memory": "exact", "recipe": "tiny", "geometry": {"updates": 20, "batch": 32, "keys": 256}}
    result = lior.train(documents={"text": text}, product=Hyperbolic(curvature=0.5), **settings)
    assert result.summary["val_bits_per_byte"] < result.summary["baseline"]["unigram"]
    assert abs(result.model.state["product.log_curvature"].item() - math.log(0.5)) > 1e-3
