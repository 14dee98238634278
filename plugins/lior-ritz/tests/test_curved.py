"""V that jumps along curves, and levels that belong to the box."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import jv, jvp, kv, kvp

from lior.errors import UsageError
from lior_ritz.potentials.expression import Expression
from lior_ritz.problem import Problem
from lior_ritz.verification import box, reference, shells
from lior_ritz.verification.reference import averaged
from lior_ritz.verification.reference.cells import Curves, cut_rule
from lior_ritz.verification.reference.result import Bars

DEPTH = 20.0
CIRCLE = "where({X}**2+{Y}**2<1,-20,0)"


def well(x: str = "x", y: str = "y", half_widths=(5.0, 5.0), shape: str = CIRCLE, **options) -> Problem:
    return Problem(Expression(expression=shape.format(X=x, Y=y)), half_widths, **options)


def exact(m: int) -> float:
    """The lowest level of angular momentum ``m`` in a circular well of radius 1: J inside meets K outside."""

    def mismatch(energy: float) -> float:
        k, q = math.sqrt(energy + DEPTH), math.sqrt(-energy)
        return float(k * jvp(m, k) * kv(m, q) - q * kvp(m, q) * jv(m, k))

    grid = np.linspace(-DEPTH + 1e-6, -1e-6, 2000)
    signs = np.sign([mismatch(energy) for energy in grid])
    first = int(np.flatnonzero(signs[1:] != signs[:-1])[0])
    return float(brentq(mismatch, grid[first], grid[first + 1], xtol=1e-13))


def test_the_circular_well_has_the_levels_of_bessels_functions():
    wanted = np.array([exact(0), exact(1), exact(1)])
    found = reference.solve(well(), 3)
    off = abs(found.energies - wanted)
    assert (found.method, found.converged) == ("enriched", True)
    assert float((off / abs(wanted)).max()) < 1e-9
    assert bool((off <= found.errors).all())
    rough = reference.solve(well(), 3, "averaged", tolerance=1e-5)
    off = abs(rough.energies - wanted)
    assert float((off / abs(wanted)).max()) < 1e-5
    assert bool((off <= rough.errors).all())
    assert float(rough.energies[2] - rough.energies[1]) <= float(rough.splitting_errors[1])


@pytest.mark.parametrize(
    ("x", "y", "boundary"), [("(x-0.2)", "(y+0.1*x)", "natural"), ("x", "(1.2*y)", "dirichlet")]
)
def test_states_are_functions_with_slopes(x, y, boundary):
    problem = well(x, y, (2.5, 2.0), boundary=boundary)
    found = reference.solve(problem, 3, "enriched", tolerance=1e-6)
    psi, weights = found.functions(found.rule.points), found.rule.weights
    np.testing.assert_allclose((psi * weights) @ psi.T, np.eye(3), atol=1e-7)
    tilt = np.exp(found.rule.points[:, 0] / 2.5 + found.rule.points[:, 1] / 2)
    assert bool(((psi * weights) @ tilt > 0).all())
    points = np.array([[0.3, 0.2], [1.17, -0.1], [-2.1, 1.3]])
    step = np.array([[1e-5, 0], [0, 1e-5]])
    central = [(found.functions(points + each) - found.functions(points - each)) / 2e-5 for each in step]
    np.testing.assert_allclose(found.slopes(points), np.stack(central), rtol=1e-5, atol=1e-7)
    energy = (psi**2 * problem.energy(found.rule.points) * weights).sum(1)
    energy += (found.slopes(found.rule.points) ** 2 * weights).sum((0, 2))
    np.testing.assert_allclose(energy, found.energies, rtol=1e-9, atol=0)


def test_a_test_that_jumps_itself_has_no_functions_and_averages_are_used():
    jumping = well(half_widths=(3.0, 3.0), shape="where(where({X}<0.1,1,2)*({X}**2+2*{Y}**2)<2,-9,0)")
    with pytest.raises(UsageError, match="a side of less than half the box"):
        reference.solve(jumping, 1, "enriched", tolerance=1e-2)
    assert reference.solve(jumping, 1, tolerance=1e-2).method == "averaged"


def test_levels_that_end_inside_a_shell_are_noted():
    round_dot = well(shape="{X}**2+{Y}**2")
    for count, partner in ((1, False), (2, True), (3, False), (4, True)):
        found = reference.solve(round_dot, count)
        assert (f"E{count} lies no more than" in shells.remark_for(round_dot, found)) is partner


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        "where({X}**2+({Y}/0.7)**2<1.3,-20,0)",
        "where({X}**2+{Y}**2<1,-20,0)+where(2*{X}**2+2*{Y}**2<2,5*{X},0)",
        "where({X}**2+{Y}**2<1.8,where({X}**2+{Y}**2<0.5,0,-25),0)",
        "where({X}**2+{Y}**2<2,where({X}>0,where({Y}>0.2*{X},-30,0),0),0)",
        "abs({X}-0.3)*8+abs({Y}+{X})*9-20",
        "where(({X}-1)**2+{Y}**2<0.6,-20,0)+where(({X}+1)**2+{Y}**2<0.8,-20,0)",
    ],
    ids=["ellipse", "twice", "ring", "sector", "kink", "two"],
)
def test_turned_and_moved_shapes_agree_within_their_bars(shape):
    first = reference.solve(well(shape=shape), 3, tolerance=1e-5)
    x, y = "(0.8*(x-0.13)+0.6*(y+0.37))", "(0.8*(y+0.37)-0.6*(x-0.13))"
    turned = reference.solve(well(x, y, shape=shape), 3, tolerance=1e-5)
    assert bool((abs(first.energies - turned.energies) <= first.errors + turned.errors).all())
    assert float(turned.errors.max()) < (0.01 if turned.method == "averaged" else 1e-4)


def errors_of_disc(radius, x, y, size):
    """The errors of the area and of the integral of x squared over a disc."""
    problem = well(f"((x-{x!r})/{radius!r})", f"((y-{y!r})/{radius!r})", (2.0, 3.0))
    points, weights = cut_rule(Curves.of(problem), size, 14)
    assert weights.sum() == pytest.approx(24, rel=1e-13)
    inside, area = weights * (problem.heights(points)[0] < 0), math.pi * radius**2
    return abs(inside.sum() - area), abs(inside @ points[:, 0] ** 2 - area * (radius**2 / 4 + x**2))


@pytest.mark.parametrize("radius", [0.3, 0.5, 0.8, 1.1, 1.4])
@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.25, -0.1), (-0.4, 0.4)])
def test_the_rule_integrates_a_disc_to_rounding(radius, x, y):
    assert max(errors_of_disc(radius, x, y, 0.25)) < 1e-12


@settings(max_examples=10, deadline=None)
@given(st.floats(0.3, 1.4), st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_of_any_disc_no_more_is_missed_than_lies_between_two_places(radius, x, y):
    """Four segments of a circle may lie over sides of cells, each between two places of a side."""
    segment = (0.5 / 8) ** 3 / (12 * radius)
    assert errors_of_disc(radius, x, y, 0.5)[0] < 4 * segment


def test_the_grid_has_the_averages_waves_and_no_other():
    problem = Problem(Expression(expression="cos(1.5*x)*x*where(x+y<9,1,0)"), (math.pi / 3, math.pi / 3))
    grid = averaged.grid_of(problem, averaged.averages(problem), (12, 9))
    values = np.cos(1.5 * math.pi / 3 * grid.nodes[0]) * math.pi / 3 * grid.nodes[0]
    assert np.abs(grid.potential - values[:, None]).max() < 0.02  # an odd function has a slope at the edge
    assert grid.potential.std(axis=1).max() < 1e-12


def test_averages_are_of_two_and_three_dimensions():
    with pytest.raises(UsageError, match="'averaged' is of 2 and 3 dimensions, not 1"):
        reference.solve(Problem(Expression(expression="x**2"), (4.0,)), 1, "averaged")


def test_a_ball_in_three_dimensions():
    ball = Problem(Expression(expression="where(x**2+y**2+z**2<1,-20,0)"), (3.0, 3.0, 3.0))
    found = reference.solve(ball, 1, tolerance=1e-2)
    k = brentq(lambda k: k / math.tan(k) + math.sqrt(DEPTH - k * k), math.pi / 2, math.pi - 1e-9)
    assert abs(float(found.energies[0]) - (k * k - DEPTH)) <= float(found.errors[0])
    assert float(found.errors[0]) < 0.2


def test_splittings_of_levels_that_have_not_converged_have_the_bars_of_both():
    before, now = np.array([1.0, 2.0]), np.array([0.9, 1.9])
    bars = Bars.of(before, now, 0.0, well(), 1e-9)
    assert bars.splitting_errors[0] == pytest.approx(bars.errors.sum())
    assert Bars.of(before, now, 0.0, well(), 0.5).splitting_errors[0] == pytest.approx(0)


# --- the box ---


@pytest.mark.parametrize("boundary", ["dirichlet", "natural"])
@pytest.mark.parametrize(
    ("shape", "half_widths"),
    [("{X}**2", (1.5,)), ("{X}**2+0.5*{X}*{Y}+{Y}**2", (2.5, 2.0)), ("-{X}**2", (2.0,))],
)
def test_levels_move_with_the_box_as_is_said(shape, half_widths, boundary, monkeypatch):
    monkeypatch.setattr(box, "SHARE", 1e-4)
    problem = well(shape=shape, half_widths=half_widths, boundary=boundary)
    found = reference.solve(problem, 3)
    larger = reference.solve(
        well(shape=shape, half_widths=tuple(1.0001 * half for half in half_widths), boundary=boundary), 3
    )
    moved = box.moves(problem, found)
    np.testing.assert_allclose(moved, larger.energies - found.energies, rtol=2e-3, atol=1e-7)


def test_levels_of_the_box_are_noted_and_others_are_not():
    tight, wide = well(shape="{X}**2+{Y}**2", half_widths=(0.5, 0.5)), well(shape="{X}**2+{Y}**2")
    found = reference.solve(tight, 3)
    said = box.warning(tight, found, 2)
    assert said.startswith("WARNING: the box is part of the answer")
    assert "E0 by about -" in said
    assert "E1 by about -" in said
    assert "E2" not in said
    moved = box.moves(tight, found)
    assert float(moved[0]) == pytest.approx(-3.4, abs=0.6)  # a box a tenth larger has its lowest 3.41 lower
    assert box.warning(wide, reference.solve(wide, 3), 3) == ""
    empty = well(shape="0", half_widths=(1.0, 1.0))
    assert box.warning(empty, reference.solve(empty, 3), 3) == ""


def test_bars_include_open_walls_and_a_pair_that_they_split_is_named():
    round_well = well(shape="where({X}**2+{Y}**2<1,-20,0)", half_widths=(4.0, 4.0))
    found = reference.solve(round_well, 5, tolerance=1e-6)
    wide = box.widened(round_well, found, 1e-6)
    off = np.abs(wide.energies[3:] - -3.5498877515990332)  # J2 and K2 at r = 1
    assert bool((off <= wide.errors[3:]).all())
    assert not bool((off <= found.errors[3:]).all())
    assert not wide.converged
    said = box.warning(round_well, wide, 5)
    assert "E3 and E4 differ by" in said
    assert "they may be one level twice" in said
    assert "E1" not in said
    rising = well(shape="{X}**2+{Y}**2", half_widths=(4.0, 4.0))
    assert box.widened(rising, found) is found


def test_levels_of_crossed_channels_are_within_their_bars():
    channels = well(shape="{X}**2*{Y}**2", half_widths=(8.0, 8.0))
    found = box.widened(channels, reference.solve(channels, 6, tolerance=1e-6))
    assert box.warning(channels, found, 6).startswith(
        "V does not rise at a wall, which may shift levels by 7"
    )
    open_plane = [1.10822316, 2.37863783, 2.37863783, 3.05608115, 3.51494905, 4.09346928]  # Hermite functions
    assert bool((np.abs(found.energies - open_plane) <= found.errors + 1e-8).all())
    assert max(found.sizes) < 70  # along both axes as many
