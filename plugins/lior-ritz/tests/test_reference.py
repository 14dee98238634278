"""The reference against tables, closed forms, itself by another method, and the laws of the eigenproblem."""

import itertools
import math

import attrs
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lior.errors import UsageError
from lior_ritz.potentials.biquadratic import Biquadratic
from lior_ritz.potentials.expression import Expression
from lior_ritz.potentials.gaussian import DoubleGaussian, Gaussian
from lior_ritz.potentials.wells import Box, Harmonic, HarmonicBarrier
from lior_ritz.problem import Problem
from lior_ritz.problem.arrays import slopes
from lior_ritz.problem.quadrature import legendre
from lior_ritz.training import solution
from lior_ritz.verification.reference import solve
from lior_ritz.verification.reference.lowest import lowest, lowest_of_operator
from lior_ritz.verification.reference.separable import lowest_sums
from lior_ritz.verification.reference.sines import ritz
from lior_ritz.verification.reference.tensors import Operator, blocks, matrix, potential_grid, transform

FOUR = (4.0, 4.0)
OFF_CENTRE = Gaussian(amplitude=-4.0, x0=0.2, y0=-0.1, sigma_x=0.7, sigma_y=1.1)
HBT = HarmonicBarrier(tilt_x=0.5, shear=0.2)


def of(potential, half_widths=FOUR, boundary="dirichlet"):
    return Problem(potential, half_widths, boundary=boundary)


DEFAULT = "5.8355203600 6.2867440982 8.9626808319 11.3249420105 13.7489436893 14.2001674275"
TABLE = {
    "default": (of(Biquadratic()), DEFAULT),
    "default narrow": (of(Biquadratic(), (4.0, 3.0)), DEFAULT),
    "default natural": (
        of(Biquadratic(), boundary="natural"),
        "5.8355203594 6.2867440971 8.9626808274 11.3249419910 13.7489436887 14.2001674264",
    ),
    "detuned": (
        of(Biquadratic(delta=0.5)),
        "5.4013064326 6.6627907262 8.9105328406 11.3359335505 13.3147297619 14.3567946344",
    ),
    "raw": (
        of(Biquadratic(param_mode="raw", c4=1.0, c2y=1.0)),
        "3.5830268427 3.8656617344 5.5830550670 5.8656899587 7.3428422193 7.5834282209",
    ),
    "targets 6/5": (
        of(Biquadratic(hbar_omega_x_meV=6.0)),
        "8.4267244353 8.4744114039 15.4209488219 16.3401477647 16.3878347332 16.7931816060",
    ),
    "barrier 4.2": (
        of(Biquadratic(param_mode="barrier", barrier_meV=4.2)),
        "7.0283329667 7.2189177266 11.4049872939 13.5968354252 14.9417562961 15.1323410559",
    ),
    "gaussian": (
        of(Gaussian()),
        "-2.4862608105 -0.0581171189 -0.0581171189 0.6813529603 1.0679104560 1.2750197977",
    ),
    "gaussian natural": (
        of(Gaussian(), boundary="natural"),
        "-2.4865125010 -0.1582673105 -0.1582673105 0.0808519372 0.2912657676 0.4059740760",
    ),
    "gaussian off centre": (of(OFF_CENTRE), "-1.42344434 0.03339371 0.39818967 0.80366452"),
    "G2": (
        of(DoubleGaussian()),
        "-7.9209706250 -7.3804884672 -4.6560976014 -3.7871150027 -3.1763537081 -2.8233664627",
    ),
    "HB": (of(HarmonicBarrier()), "9.96394670 12.02116957 13.48229403 16.19373503 16.47455972 17.75691501"),
    "HBT": (of(HBT), "9.91042496 12.04886973 13.45115085 16.19464494 16.45829522 17.73200091"),
}
"""Independent values (Chebyshev collocation, sines of other sizes), right to a unit of their last digit."""


def _row(name):
    problem, text = TABLE[name]
    digits = len(text.split()[0].partition(".")[2])
    return problem, np.array(text.split(), dtype=float), 1.01 * 10.0**-digits


@pytest.mark.usefixtures("older_constant")
@pytest.mark.parametrize("method", ["auto", "sine"])
@pytest.mark.parametrize("name", TABLE)
def test_table(name, method):
    problem, expected, digit = _row(name)
    reference = solve(problem, len(expected), method)
    assert reference.converged
    assert (np.abs(reference.energies - expected) <= digit + reference.errors).all()
    assert (reference.errors <= 1e-9 * np.maximum(abs(reference.energies), 0.31)).all()


@pytest.mark.parametrize("name", ["default", "gaussian", "G2", "HBT"])
def test_finite_differences_agree(name):
    """A method that shares nothing: order 8 on two grids, and the limit of both."""
    problem, _, _ = _row(name)
    coarse, fine = (on_grid(problem, 4, points) for points in (71, 107))
    limit = fine + (fine - coarse) / ((108 / 72) ** 8 - 1)
    assert np.abs(limit - solve(problem, 4).energies).max() <= 3e-8


def on_grid(problem, k, points):
    """The ``k`` lowest levels by differences of order 8 (B. Fornberg, Math. Comp. 51, 699, 1988, table 1);
    beyond the edge stands the odd continuation of ψ."""
    stencil = (205 / 72, -8 / 5, 1 / 5, -8 / 315, 1 / 560)
    lines = [half * np.arange(1 - points, points, 2) / (points + 1) for half in problem.half_widths]
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2)
    terms = []
    for half in problem.half_widths:
        line = scipy.sparse.lil_matrix((points, points))
        for distance, value in enumerate(stencil):
            line.setdiag(value, distance)
            line.setdiag(value, -distance)
            for row in range(distance - 1):
                line[row, distance - 2 - row] -= value
                line[points - 1 - row, points + 1 - distance + row] -= value
        terms.append(line.tocsr() / (2 * half / (points + 1)) ** 2)
    one = scipy.sparse.eye(points)
    potential = problem.energy(grid)
    matrix = (
        scipy.sparse.kron(terms[0], one) + scipy.sparse.kron(one, terms[1]) + scipy.sparse.diags(potential)
    )
    shift = float(potential.min()) - 1e-3
    return np.sort(scipy.sparse.linalg.eigsh(matrix.tocsc(), k, sigma=shift, return_eigenvectors=False))


def test_closed_forms():
    unit = Problem(Box(), FOUR).units.E0_meV
    harmonic = Harmonic(hbar_omega_x_meV=3.0, hbar_omega_y_meV=5.0)
    cases = [
        (of(Harmonic(beta_x=1.0, beta_y=1.0), (8.0, 8.0)), [2, 4, 4, 6, 6, 6]),
        (of(harmonic, (6.0, 5.0)), np.array([4, 7, 9, 10, 12, 13]) / unit),
        (of(Box()), (math.pi / 8) ** 2 * np.array([2, 5, 5, 8, 10, 10])),
        (of(Box(), (4.0, 3.0)), _box((4.0, 3.0), 1, 6)),
        (of(Box(offset=-2.0), (4.0, 3.0), "natural"), _box((4.0, 3.0), 0, 6) - 2),
        (of(Box(), (1.0, 1.3, 0.7), "natural"), _box((1.0, 1.3, 0.7), 0, 8)),
        (of(Harmonic(beta_x=2.0), (6.0,)), math.sqrt(2) * np.array([1, 3, 5, 7])),
        (of(Expression(expression="x**2 + y**2 + x*y"), (8.0, 8.0)), _coupled(4)),
    ]
    for problem, expected in cases:
        for method in ("auto", "sine"):
            reference = solve(problem, len(expected), method)
            off = np.abs(reference.energies - expected)
            assert (off <= reference.errors + 2e-13).all()
            assert off.max() <= 1e-9 * max(1, abs(expected[-1]))


def _box(half_widths, first, k):
    squares = [((first + np.arange(9)) * math.pi / (2 * x)) ** 2 for x in half_widths]
    return np.sort(sum(np.meshgrid(*squares)).ravel())[:k]


def _coupled(k):
    """``x² + y² + x y`` is harmonic along the diagonals, with coefficients 3/2 and 1/2."""
    roots = math.sqrt(1.5), math.sqrt(0.5)
    return np.sort([a * roots[0] + b * roots[1] for a in (1, 3, 5, 7) for b in (1, 3, 5, 7, 9, 11)])[:k]


def test_three_and_four_dimensions():
    three = of(Harmonic(beta_x=1.0, beta_y=1.5, beta_z=2.0), (5.0, 5.0, 5.0))
    four = of(Harmonic(beta_x=1.0, beta_y=1.0, beta_z=1.0, beta_w=1.0), (4.0, 4.0, 4.0, 4.0))
    for problem, tolerance in ((three, 1e-7), (four, 1e-3)):
        exact, found = (solve(problem, 4, method, tolerance) for method in ("separable", "sine"))
        assert found.converged
        assert (found.energies - exact.energies >= -1e-10).all()
        assert (found.energies - exact.energies <= found.errors).all()
    tilted = Expression(expression="x**2 + 1.5*y**2 + 2*z**2 + x*y/2 + y*z/4 + exp(-x**2 - z)/2")
    coarse, fine = (solve(of(tilted, (4.0, 4.0, 4.0)), 3, tolerance=t) for t in (1e-3, 1e-5))
    assert fine.converged
    assert (coarse.energies >= fine.energies).all()
    assert (coarse.energies - fine.energies <= coarse.errors).all()


def test_operator_and_iterations_equal_the_matrix():
    """With and without mirrors: ``H v`` through the grid, inverse iteration and Davidson against LAPACK."""
    for potential, boundary in ((HBT, "dirichlet"), (HarmonicBarrier(), "natural")):
        problem, counts = of(potential, (3.0, 2.5), boundary), (34, 30)
        grid = potential_grid(problem, counts)
        spectrum = transform(problem, grid, counts)
        for modes in blocks(problem, counts):
            full = matrix(problem, spectrum, modes)
            operator = Operator(problem, grid, modes)
            vectors = np.random.default_rng(0).standard_normal((len(modes), 3))
            assert np.abs(operator(vectors) - full @ vectors).max() <= 1e-9
            exact = np.linalg.eigvalsh(full)[:5]
            diagonal = operator.kinetic + spectrum.flat[0]
            for values, states in (
                lowest(full, 5),
                lowest_of_operator(operator, diagonal, full[:100, :100], 5, 1e-11),
            ):
                assert np.abs(values - exact).max() <= 1e-9
                assert np.abs(full @ states - states * values).max() <= 1e-4
                assert np.abs(states.T @ states - np.eye(5)).max() <= 1e-10


@given(lists=st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=5), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_lowest_sums_are_those_of_all_combinations(lists):
    k = 4
    levels = [np.sort(np.array(numbers, dtype=float)) for numbers in lists]
    every = np.sort(sum(np.meshgrid(*levels)).ravel())
    energies, numbers = lowest_sums(levels, k)
    assert np.array_equal(energies, every[: len(energies)])
    assert len(energies) == min(k, len(every))
    assert np.array_equal(sum(axis[numbers[:, i]] for i, axis in enumerate(levels)), energies)


# Laws. The potentials are smooth and the tolerances loose, so that an example takes milliseconds.
K = 4
small = st.floats(-0.5, 0.5, allow_nan=False).map(lambda x: round(x, 3))
shapes = st.builds(
    lambda a, b, c, d: {"a": 1 + abs(a), "b": 1 + abs(b), "c": c, "d": d}, small, small, small, small
)
TEXT = "a*x**2 + b*y**2 + c*x*y + d*x + exp(-x**2 - (y - 0.3)**2)"


def laws(function):
    # Shrinking would solve many a slow problem for little.
    return settings(max_examples=6, deadline=None, phases=[Phase.generate])(given(shape=shapes)(function))


@laws
def test_enlarging_the_basis_lowers_every_level(shape):
    problem = of(Expression(expression=TEXT, parameters=shape))
    runs = [ritz(problem, counts, K) for counts in ((10, 10), (14, 10), (14, 16), (24, 26))]
    for before, after in itertools.pairwise(runs):
        assert (after.energies <= before.energies + before.rounding).all()
    wide = ritz(of(problem.potential, (5.0, 4.5)), (32, 30), K)
    assert (wide.energies <= runs[-1].energies + 1e-6).all()


def rule(half_widths, count=60):
    t, w = legendre(count)
    axes = [x * t for x in half_widths]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(half_widths))
    weights = np.prod(np.meshgrid(*[x * w for x in half_widths], indexing="ij"), axis=0).ravel()
    return points, weights


@laws
def test_virial(shape):
    """``2 ⟨-∇²⟩ = ⟨r·∇V⟩`` for bound states, and the functions are orthonormal."""
    problem = of(Expression(expression=TEXT, parameters=shape), (6.5, 6.0))
    reference = solve(problem, K)
    points, weights = rule(problem.half_widths)
    states = reference.functions(points)
    np.testing.assert_allclose((states * weights) @ states.T, np.eye(K), rtol=0, atol=1e-9)
    pull = (slopes(problem.energy, points) * points).sum(1)
    density = states**2 * weights
    kinetic = reference.energies - density @ problem.energy(points)
    np.testing.assert_allclose(2 * kinetic, density @ pull, rtol=1e-6, atol=1e-6)


def test_parity_signs_and_methods_of_functions():
    problem = of(Biquadratic())
    points, weights = rule(problem.half_widths)
    states = solve(problem, 6).functions(points)
    image = solve(problem, 6).functions(points * np.array([-1.0, 1.0]))
    for number, sign in enumerate((1, -1, 1, -1, 1, -1)):
        np.testing.assert_allclose(image[number], sign * states[number], rtol=0, atol=1e-9)
    np.testing.assert_allclose(solve(problem, 6, "sine").functions(points), states, rtol=0, atol=1e-6)
    assert (states @ (weights * np.exp(points.sum(1) / 4)) > 0).all()
    natural = solve(of(Gaussian(), boundary="natural"), 3)
    values = natural.functions(points)
    assert (values @ (weights * np.exp(points.sum(1) / 4)) > 0).all()
    assert natural.functions(points[:0]).shape == (3, 0)


@attrs.frozen(kw_only=True)
class Liar(Gaussian):
    """Says that it is symmetric and a sum whatever its options are."""

    sum_too: bool = False

    def mirrors(self, dim):
        return frozenset({0, 1})

    def parts(self, units, dim):
        return (np.zeros_like, np.zeros_like) if self.sum_too else None


def test_refusals():
    problem = of(Gaussian())
    for call, message in (
        (lambda: solve(problem, 2, "separable"), "not known to be a sum"),
        (lambda: solve(problem, 0), "k = 0"),
        (lambda: solve(problem, 2, "magic"), "method = 'magic'"),
        (lambda: solve(problem, 2, tolerance=0), "tolerance"),
        (lambda: solve(problem, 2, device={"depth": 1.0}), "no option 'depth'"),
        (lambda: solve(problem, 2, device={"sigma_x": -1.0}), "sigma_x"),
        (lambda: solve(of(Expression(expression="log(x**2 - 1) + y")), 2), "finite inside the box"),
        (lambda: solve(of(Liar(x0=0.5)), 2), "symmetric in x, and is not"),
        (lambda: solve(of(Liar(sum_too=True)), 2), "do not add up"),
    ):
        with pytest.raises(UsageError, match=message):
            call()


@pytest.mark.parametrize("boundary", ["dirichlet", "natural"])
@pytest.mark.parametrize("method", ["separable", "sine"])
def test_the_references_slopes_are_those_of_its_functions(method, boundary):
    found = solve(of(Biquadratic(param_mode="barrier", barrier_meV=3.0), boundary=boundary), 3, method)
    points = np.random.default_rng(0).uniform(-3, 3, (20, 2))
    slopes, step = found.slopes(points), 1e-5
    assert slopes.shape == (2, 3, 20)
    for axis in range(2):
        shift = np.zeros(2)
        shift[axis] = step
        ends = found.functions(points + shift) - found.functions(points - shift)
        np.testing.assert_allclose(slopes[axis], ends / (2 * step), atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    "layer",
    [
        {"potential": {"type": "harmonic"}},
        {"potential": {"type": "harmonic"}, "physics": {"field_tesla": 1.0}},
        {"potential": {"type": "expression", "expression": "abs(x) + abs(y)"}},
        {"potential": {"type": "box"}, "domain": {"boundary": "natural"}},
    ],
)
def test_states_end_at_the_walls(layer):
    """Sines repeat there, polynomials grow."""
    found = solution.solve(layer, overrides=["solver.K=2"])
    inside, *outside = found.states(np.array([[0.5, 0.0], [7.5, 0.0], [0.0, -4.5], [1e9, 0.0]])).T
    natural = found.problem.boundary == "natural"
    assert np.abs(inside).max() > 0.1
    assert np.isnan(outside).all() if natural else not np.any(outside)


@pytest.mark.parametrize("points", [[0.0, 0.0], [[0.0]], [[0.0, 0.0, 0.0]], [[np.nan, 0.0]], 1.0])
def test_points_of_another_shape_are_refused(points):
    with pytest.raises(UsageError, match=r"^points of shape .*: allowed are finite coordinates, \[N, 2\]$"):
        solution.solve({"potential": {"type": "box"}}, overrides=["solver.K=2"]).states(points)


def test_levels_that_rounding_hides_are_not_within_the_tolerance():
    """The error bar of a level of a few E0 is 1e13."""
    found = solve(of(Expression(expression="exp(x**4/4)")), 2)
    assert (found.errors > np.abs(found.energies)).all()
    assert not found.within.any()
