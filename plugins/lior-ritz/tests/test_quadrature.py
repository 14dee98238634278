"""Laws of the quadrature rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from lior_ritz.problem.quadrature import RANDOM, grid_rule, stretch_for
from lior_ritz.training.assembly import random_rule

BOX = (2.0, 3.0)


def rule(mode, *, folded=frozenset(), stretch=None, seed=0):
    if mode in RANDOM:
        return random_rule(mode, (12, 9), 500, 0.35, BOX, Generator().manual_seed(seed), folded)
    return grid_rule(mode, (12, 9), BOX, folded, stretch).to("cpu", torch.float64)


@pytest.mark.parametrize("mode", ["gauss_legendre", "fixed_grid", "jittered_grid", "monte_carlo", "sobol"])
@pytest.mark.parametrize("folded", [frozenset(), frozenset({0}), frozenset({0, 1})])
def test_weights_sum_to_the_area_and_nodes_are_inside(mode, folded):
    found = rule(mode, folded=folded)
    assert float(found.weights.sum()) == pytest.approx(24, rel=1e-12)
    for axis, width in enumerate(BOX):
        assert float(found.points[:, axis].abs().max()) <= width
        if axis in folded:
            assert float(found.points[:, axis].min()) >= 0


@given(st.integers(2, 20))
def test_gauss_legendre_is_exact_to_degree_2n_minus_1(n):
    found = grid_rule("gauss_legendre", (n,), (1.5,))
    x = found.points[:, 0]
    for degree in range(0, 2 * n, 2):
        exact = 2 * 1.5 ** (degree + 1) / (degree + 1)
        assert float(found.weights @ x**degree) == pytest.approx(exact, rel=1e-11)
    assert float(found.weights @ x ** (2 * n - 1)) == pytest.approx(0, abs=1e-10 * 1.5 ** (2 * n))


def test_the_uniform_grid_is_exact_for_linear_functions_and_counts_edges_half():
    found = grid_rule("fixed_grid", (7, 5), BOX)
    x, y = found.points.T
    assert float(found.weights @ (2 + 3 * x - y)) == pytest.approx(48)
    corner = (x == -2) & (y == -3)
    assert found.weights[corner] == pytest.approx(found.weights.max() / 4)


@pytest.mark.parametrize("mode", ["gauss_legendre", "fixed_grid"])
@pytest.mark.parametrize("n", [8, 9])
def test_folding_leaves_even_integrands_alone(mode, n):
    whole = grid_rule(mode, (n, n), BOX)
    folded = grid_rule(mode, (n, n), BOX, frozenset({0, 1}))
    assert len(folded.points) < len(whole.points) / 3

    def even(points):
        x, y = points.T
        return np.exp(-(x**2)) * (1 + y**4)

    assert float(folded.weights @ even(folded.points)) == pytest.approx(
        float(whole.weights @ even(whole.points))
    )


@given(st.floats(1.0, 3.9), st.floats(0.5, 0.85))
def test_stretching_puts_the_share_of_nodes_where_it_is_wanted(reach, share):
    s = stretch_for(reach, 4.0, share)
    found = grid_rule("gauss_legendre", (200,), (4.0,), stretch=[s])
    inside = float((abs(found.points) <= reach).mean())
    assert inside >= 2 / math.pi * math.asin(share) - 0.02
    x = found.points[:, 0]
    assert float(found.weights @ np.exp(-x * x)) == pytest.approx(math.sqrt(math.pi) * math.erf(4), rel=1e-7)


@pytest.mark.parametrize("mode", ["jittered_grid", "monte_carlo", "sobol"])
def test_random_rules_are_unbiased(mode):
    def integral(seed):
        drawn = random_rule(mode, (5, 5), 25, 0.5, BOX, Generator().manual_seed(seed))
        x, y = drawn.points.T
        return float(drawn.weights @ (torch.exp(x / 2) * (1 + y) ** 2))

    exact = 4 * math.sinh(1.0) * (2 * 3 + 2 * 9)
    values = torch.tensor([integral(seed) for seed in range(1000)], dtype=torch.float64)
    assert abs(float(values.mean()) - exact) < 4 * float(values.std()) / math.sqrt(1000)


@pytest.mark.parametrize("mode", RANDOM)
def test_random_rules_depend_on_the_generator_alone(mode):
    assert torch.equal(rule(mode, seed=3).points, rule(mode, seed=3).points)
    assert not torch.equal(rule(mode, seed=3).points, rule(mode, seed=4).points)
