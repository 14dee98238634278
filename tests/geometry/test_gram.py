"""Costs from Gram products: the formulas, their identities and their extremes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.geometry.metric import square_distances
from lior.testing.strategies import DTYPES, LAW, dtypes, fill, seeds
from lior.testing.tensors import assert_derivatives, gradients
from lior_plugins import gram
from tests.strategies import ORDINARY, tensors

EPS = 1e-2
NAMES = ("qq", "qk", "kk")


def plain_distance(qq, qk, kk):
    return ((qq + kk - 2 * qk).clamp(min=0) + EPS).sqrt()


def plain_area(qq, qk, kk):
    return ((qq * kk - qk * qk).clamp(min=0) + EPS).sqrt()


COSTS = pytest.mark.parametrize(
    ("cost", "partials", "plain"),
    [(gram.distance, gram.distance_partials, plain_distance), (gram.area, gram.area_partials, plain_area)],
    ids=["distance", "area"],
)


def numbers(q, k):
    return q.square().sum(-1, keepdim=True), q @ k.mT, k.square().sum(-1)[None]


@COSTS
@LAW
@given(q=tensors(4, 8, edges=ORDINARY, dtype=torch.float64), seed=seeds())
def test_cost_is_the_formula(cost, partials, plain, q, seed):
    qq, qk, kk = numbers(q, fill((5, 8), "normal", seed, torch.float64))
    error = cost(qq, qk, kk, EPS).square() - plain(qq, qk, kk).square()
    rounding = 1e-14 * (1 + qq) * (1 + kk)  # of the products that a determinant subtracts
    assert (error.abs() <= rounding).all()


@COSTS
@LAW
@given(seed=seeds())
def test_partials_are_the_derivatives_of_the_formula(cost, partials, plain, seed):
    arguments = numbers(*(fill((6, 8), "normal", seed + i, torch.float64) for i in range(2)))
    at = dict(zip(NAMES, torch.broadcast_tensors(*arguments), strict=True))
    expected = gradients(lambda s: plain(s["qq"], s["qk"], s["kk"]).sum(), at, NAMES)
    assert_derivatives(partials(*arguments, EPS)._asdict(), expected, 1e-12)


@COSTS
@pytest.mark.parametrize("dtype", DTYPES)
def test_partials_are_zero_where_the_maximum_takes_the_zero(cost, partials, plain, dtype):
    below = torch.tensor([1.0, 1.0 + 1e-3, 7.0], dtype=dtype)
    one = torch.ones(3, dtype=dtype)
    assert_close(cost(one, below, one, EPS), torch.full((3,), math.sqrt(EPS), dtype=dtype))
    for value in partials(one, below, one, EPS):
        assert (value == 0).all()


@COSTS
@pytest.mark.parametrize("dtype", DTYPES)
def test_overflow_saturates(cost, partials, plain, dtype):
    largest = torch.finfo(dtype).max
    qq, kk = torch.tensor([largest, 1.0], dtype=dtype), torch.tensor([largest, 1.0], dtype=dtype)
    value = cost(qq, torch.zeros(2, dtype=dtype), kk, EPS)
    assert value[0] == math.sqrt(largest)
    assert value[1] < 2, "one item's size changed another's cost"
    for partial in partials(qq, torch.zeros(2, dtype=dtype), kk, EPS):
        assert partial.isfinite().all()
        assert partial[0] == 0


@COSTS
def test_any_argument_may_be_the_largest(cost, partials, plain):
    one = torch.ones(())
    for arguments in (
        (torch.full((4, 5), 2.0), one, one),
        (2 * one, torch.full((4, 5), 0.5), one),
        (2 * one, one, torch.full((4, 5), 2.0)),
        (torch.full((4, 1), 2.0), torch.full((5,), 0.5), one),
    ):
        assert_close(cost(*arguments, EPS), plain(*arguments))
        assert all(value.shape == (4, 5) for value in partials(*arguments, EPS))


@LAW
@given(seed=seeds(), dtype=dtypes(), offset=st.sampled_from((0.0, 1e4)))
def test_squared_distances_far_from_the_origin(seed, dtype, offset):
    x, c = (fill((rows, 8), "normal", seed + rows, dtype) + offset for rows in (5, 7))
    direct = (x.double()[:, None] - c.double()).square().sum(-1)
    assert_close(square_distances(x, c).double(), direct, rtol=1e-4, atol=1e-4)
    assert (square_distances(c, c) >= 0).all()
