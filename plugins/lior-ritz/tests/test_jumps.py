"""Potentials that jump: no rule is exact for them, and what is said of the errors holds all the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq

from lior_ritz import config as configuration
from lior_ritz.network.states import Nodes, alike, form
from lior_ritz.potentials.expression import Expression
from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule, legendre
from lior_ritz.training.trainer import Trainer
from lior_ritz.verification import reference
from lior_ritz.verification.evaluation import basis_values, ritz

DEPTH, HALF = 20.0, 4.0


def step_at(place):
    return [
        "domain.dim=1",
        "potential.type=expression",
        f"potential.expression=where(x<{place},-{DEPTH:g},0)",
    ]


def levels(place, count=4):
    """Of a well of depth 20 that ends at ``place``: where values and slopes of the two sines meet."""

    def mismatch(energy):
        inner, outer = np.sqrt(complex(energy + DEPTH)), np.sqrt(complex(energy))
        left, right = inner * (HALF + place), outer * (HALF - place)
        return (
            inner * np.cos(left) * np.sinc(right / np.pi) * (HALF - place) + np.cos(right) * np.sin(left)
        ).real

    grid = np.linspace(-DEPTH + 1e-6, 60, 20_001)
    values = [mismatch(energy) for energy in grid]
    pairs = zip(grid, grid[1:], values, values[1:], strict=False)
    found = [brentq(mismatch, low, high, xtol=1e-13) for low, high, a, b in pairs if a * b < 0]
    return np.array(found[:count])


def ridge(height, width):
    """The lowest level of ``x² + y²`` with a ridge along ``x = 0.37``, by finite differences."""
    step = 1e-4
    x = np.arange(-5 + step, 5 - step / 2, step)
    v = x**2 + height(x, width, step)
    off = np.full(len(x) - 1, -1 / step**2)
    return 1 + eigh_tridiagonal(v + 2 / step**2, off, select="i", select_range=(0, 0))[0][0]


def covered(x, width, step):
    """The share of each cell of ``x`` that the ridge covers, times its height."""
    ends = np.minimum(x + step / 2, 0.37 + width), np.maximum(x - step / 2, 0.37 - width)
    return 2000 * np.clip(ends[0] - ends[1], 0, None) / step


@pytest.mark.parametrize(
    ("method", "dim", "width"), [("separable", 1, 0.003), ("hermitian", 1, 0.005), ("sine", 2, 0.012)]
)
def test_a_ridge_narrower_than_the_functions_is_seen(method, dim, width):
    """Between the nodes for few functions it was not, and the bars were those of the plain well."""
    ridged = Expression(expression=f"x**2 + 300*exp(-((x - 0.37)/{width})**2)" + " + y**2" * (dim - 1))
    found = reference.solve(Problem(ridged, (5.0,) * dim), 1, method, 1e-3)
    exact = ridge(lambda x, width, _: 300 * np.exp(-(((x - 0.37) / width) ** 2)), width) + dim - 2
    assert exact > dim + 0.5
    assert abs(found.energies[0] - exact) <= found.errors[0] + 1e-4


@pytest.mark.parametrize("test", ["abs(x - 0.37) < 0.0004", "(x - 0.37)**2 < 0.00000016"])
def test_a_jump_and_back_between_samples_is_seen(test):
    ridged = Expression(expression=f"x**2 + y**2 + where({test}, 2000, 0)")
    found = reference.solve(Problem(ridged, (5.0, 5.0)), 1, tolerance=1e-3)
    assert abs(found.energies[0] - ridge(covered, 0.0004)) <= found.errors[0] + 1e-4


@pytest.mark.parametrize("place", [-1.3, 0.37, 2.2])
def test_elements_with_edges_on_the_jump_are_exact_and_sines_know_what_they_are_not(place):
    problem = configuration.problem(configuration.load(overrides=step_at(place)).config)
    assert problem.jumps == ((place,),)
    exact, found, sines = levels(place), reference.solve(problem, 4), reference.solve(problem, 4, "separable")
    assert (found.method, found.converged, sines.converged) == ("elements", True, False)
    assert float(abs(found.energies - exact).max()) < 1e-9
    for each in (found, sines):
        assert bool((abs(each.energies - exact) <= each.errors + 1e-12).all())
    assert float(sines.errors.max()) < 0.05


RECTANGLE = "where(-1<x<1, where(-0.8<y<0.8,-20,0),0)"
GRADED = [-16.037651127047, -11.276451582424, -9.383242610946, -4.803953260507]
"""By elements of degree 8 that shrink by four towards the corners, three times, which agree with degree 6 and
with one layer less to 7e-8 and 6e-10."""


def test_the_rectangular_well():
    problem = Problem(Expression(expression=RECTANGLE), (4.0, 4.0))
    found = reference.solve(problem, 4, tolerance=1e-7)
    error = abs(found.energies - np.array(GRADED))
    assert found.converged
    assert float(error.max()) < 2e-8
    assert bool((error <= found.errors).all())
    points = found.rule.points
    psi = found.functions(points)
    np.testing.assert_allclose((psi * found.rule.weights) @ psi.T, np.eye(4), atol=1e-7)
    slopes, step = found.slopes(points[::2001]), 1e-6
    shift = np.array([step, 0.0])
    ends = found.functions(points[::2001] + shift) - found.functions(points[::2001] - shift)
    np.testing.assert_allclose(slopes[0], ends / (2 * step), atol=1e-6, rtol=0)


def test_wells_of_both_axes_add_up_with_either_boundary():
    both = "where(-0.7<x<0.7,-20,0) + abs(y - 0.25)"
    for boundary in ("dirichlet", "natural"):
        plane = Problem(Expression(expression=both), (4.0, 3.0), boundary=boundary)
        assert plane.jumps == ((-0.7, 0.7), (0.25,))
        lines = [
            reference.solve(Problem(Expression(expression=text), (half,), boundary=boundary), 4).energies
            for text, half in (("where(-0.7<x<0.7,-20,0)", 4.0), ("abs(x - 0.25)", 3.0))
        ]
        sums = np.sort((lines[0][:, None] + lines[1]).ravel())[:3]
        found = reference.solve(plane, 3)
        assert found.method == "elements"
        np.testing.assert_allclose(found.energies, sums, rtol=0, atol=1e-9)


@settings(max_examples=6, deadline=None)
@given(st.floats(-3, 3), st.integers(0, 1000))
def test_energies_are_no_further_below_the_spans_than_is_said(place, seed):
    """The span's own energies are those of two rules that end at the jump."""
    overrides = [*step_at(place), f"training.seed={seed}", "domain.nq=200"]
    config = configuration.load(overrides=overrides).config
    trainer = Trainer(config, configuration.problem(config))
    found = trainer.evaluator(trainer.params, 301, final=True)
    x, w = legendre(200)
    points, weights = [], []
    for low, high in ((-HALF, place), (place, HALF)):
        points.append((low + high) / 2 + (high - low) / 2 * x)
        weights.append((high - low) / 2 * w)
    rule = Rule(np.concatenate(points)[:, None], np.concatenate(weights)).to("cpu", torch.float64)
    nodes = Nodes.of(trainer.ansatz, rule)
    with torch.no_grad():
        basis = basis_values(trainer.ansatz, found.params, found.head, nodes)
        exact = ritz(*form(basis, nodes, 1, alike(found.head.sectors)))[0][: config.solver.K]
    assert not found.sound
    assert float(abs(found.energies - exact).max()) <= found.quadrature_error


def test_an_axis_that_needs_many_functions_does_not_starve_the_others():
    """A narrow, a middling and a wide direction, coupled, with room for a fraction of what 1e-9 needs."""
    expression = "potential.expression=9*x**2+y*y+0.2*z*z+0.3*x*y*z"
    overrides = ["domain.dim=3", "potential.type=expression", expression]
    problem = configuration.problem(configuration.load(overrides=overrides).config)
    found = reference.solve(problem, 3, limit=4000)
    assert found.energies.tolist() == pytest.approx([4.4482313647, 5.3620303377, 6.3533991828], abs=1e-5)
    assert float(found.errors.max()) < 1e-3
