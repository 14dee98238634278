"""Observables against the closed forms of the anisotropic harmonic oscillator."""

import json
import math

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.hermite import hermval

from lior_ritz.problem.quadrature import grid_rule
from lior_ritz.problem.units import Units
from lior_ritz.reports.observables import (
    States,
    centre_and_spread,
    dipoles,
    energy_parts,
    fix_signs,
    left_weight,
    nodal_domains,
    oscillator_strengths,
    parity,
    virial_residual,
)

UNITS = Units()
A, B = 1.3, 2.1  # V = A² x² + B² y²; levels A (2 i + 1) + B (2 j + 1)
LEVELS = sorted((A * (2 * i + 1) + B * (2 * j + 1), i, j) for i in range(4) for j in range(4))[:6]
NUMBERS = [(i, j) for _, i, j in LEVELS]


def wave(n, a, x):
    """The n-th eigenfunction of ``-d² + a² x²``."""
    norm = math.sqrt(math.sqrt(a / math.pi) / (2**n * math.factorial(n)))
    return norm * hermval(math.sqrt(a) * x, [0] * n + [1]) * np.exp(-a * x * x / 2)


def slope(n, a, x):
    lower = math.sqrt(n / 2) * wave(n - 1, a, x) if n else 0
    return math.sqrt(a) * (lower - math.sqrt((n + 1) / 2) * wave(n + 1, a, x))


def oscillator(mode="gauss_legendre", nodes=60, shift=0.0):
    """The lowest six states with all there is to know of them."""
    rule = grid_rule(mode, (nodes, nodes), (6.0, 5.0))
    x, y = rule.points.T
    x = x - shift
    return States(
        energies=np.array([e for e, _, _ in LEVELS]),
        psi=np.array([wave(i, A, x) * wave(j, B, y) for i, j in NUMBERS]),
        weights=rule.weights,
        points=rule.points,
        gradients=np.array(
            [
                np.stack([slope(i, A, x) * wave(j, B, y), wave(i, A, x) * slope(j, B, y)], 1)
                for i, j in NUMBERS
            ]
        ),
        potential=A**2 * x**2 + B**2 * y**2,
        forces=np.stack([2 * A**2 * x, 2 * B**2 * y], 1),
        mirrored=[
            np.array([wave(i, A, -x) * wave(j, B, y) for i, j in NUMBERS]),
            np.array([wave(i, A, x) * wave(j, B, -y) for i, j in NUMBERS]),
        ],
    )


def on_grid(n=61, signs=1):
    x, y = np.linspace(-6, 6, n), np.linspace(-5, 5, n + 4)
    grid = np.array([wave(j, B, y)[:, None] * wave(i, A, x) for i, j in NUMBERS])
    return grid * signs, x, y


@pytest.fixture(scope="module")
def states():
    return oscillator()


def close(found, expected, tolerance=1e-10):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


class TestOscillator:
    def test_dipoles(self, states):
        found = dipoles(states.psi, states.weights, states.points)
        expected = np.zeros_like(found)
        for p, (i, j) in enumerate(NUMBERS):
            for q, (k, m) in enumerate(NUMBERS):
                if j == m and abs(i - k) == 1:
                    expected[0, p, q] = math.sqrt(max(i, k) / (2 * A))
                if i == k and abs(j - m) == 1:
                    expected[1, p, q] = math.sqrt(max(j, m) / (2 * B))
        close(found, expected)

    def test_oscillator_strengths_sum_to_one(self, states):
        found = oscillator_strengths(states.energies, dipoles(states.psi, states.weights, states.points))
        close(found, -found.transpose(0, 2, 1))
        close(found[:, 0].sum(1), [1.0, 1.0])
        assert found[0, 0, NUMBERS.index((1, 0))].item() == pytest.approx(1)

    def test_centre_and_spread(self, states):
        centre, spread = centre_and_spread(states.psi, states.weights, states.points)
        close(centre, np.zeros((6, 2)))
        close(
            spread, [[math.sqrt((2 * i + 1) / (2 * A)), math.sqrt((2 * j + 1) / (2 * B))] for i, j in NUMBERS]
        )
        moved = oscillator(shift=0.7)
        close(centre_and_spread(moved.psi, moved.weights, moved.points)[0][:, 0], [0.7] * 6, 1e-9)

    def test_left_weight(self, states):
        close(left_weight(states.psi, states.weights, states.points), [0.5] * 6)
        grid = oscillator("fixed_grid", 161)  # has points on the line
        close(left_weight(grid.psi, grid.weights, grid.points), [0.5] * 6)

    def test_parity(self, states):
        close(parity(states.psi, states.mirrored[0], states.weights), [(-1.0) ** i for i, _ in NUMBERS])
        close(parity(states.psi, states.mirrored[1], states.weights), [(-1.0) ** j for _, j in NUMBERS])
        localised = (states.psi[:1] + states.psi[1:2]) / math.sqrt(2)
        mirrored = (states.mirrored[0][:1] + states.mirrored[0][1:2]) / math.sqrt(2)
        close(parity(localised, mirrored, states.weights), [0.0])

    def test_virial(self, states):
        kinetic, rest = energy_parts(states.psi, states.gradients, states.potential, states.weights)
        close(kinetic, states.energies / 2)
        close(rest, states.energies / 2)
        residual = virial_residual(states.psi, states.gradients, states.forces, states.weights, states.points)
        close(residual, [0.0] * 6)
        wrong = virial_residual(
            states.psi, states.gradients, 1.1 * states.forces, states.weights, states.points
        )
        close(wrong, -0.1 * states.energies)


class TestNodes:
    def test_domains(self):
        expected = [(i + 1) * (j + 1) for i, j in NUMBERS]
        for n in (40, 61):
            assert nodal_domains(on_grid(n)[0]).tolist() == expected
            assert nodal_domains(-on_grid(n)[0]).tolist() == expected


class TestSigns:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.sampled_from([-1.0, 1.0]), min_size=6, max_size=6), st.integers(0, 2**31))
    def test_reproducible(self, flips, seed):
        """Whatever the signs, the order of the points, and small errors."""
        states = oscillator(nodes=24)
        fixed = fix_signs(states.psi, states.points)
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(states.points))
        noise = 1e-6 * generator.standard_normal(states.psi.shape)
        other = (states.psi + noise) * np.array(flips)[:, None]
        close(fix_signs(other[:, order], states.points[order]), fixed[:, order], 1e-4)
        close(fix_signs(other), fix_signs(states.psi), 1e-4)

    def test_first_lobe_is_positive(self):
        grid, x, _ = on_grid(signs=-1)
        fixed = fix_signs(grid)
        for state in fixed:
            large = state.reshape(-1)
            assert large[(abs(large) >= 0.5 * abs(large).max()).argmax()] > 0
        assert fixed.shape == grid.shape
        close(fix_signs(np.zeros((1, len(x)))), np.zeros((1, len(x))))


class TestReports:
    def test_json_with_units(self, states):
        report = json.loads(json.dumps(states.report(UNITS), allow_nan=False))
        assert report["splitting_ueV"][0] == pytest.approx(2 * A * UNITS.E0_meV * 1e3)
        assert report["dipole_nm"]["x"][0][1] == pytest.approx(UNITS.L0_nm * report["dipole_L0"]["x"][0][1])
        assert report["parity"]["y"][NUMBERS.index((0, 1))] == pytest.approx(-1)
        assert report["kinetic_meV"][0] == pytest.approx(UNITS.E0_meV * (A + B) / 2)
        assert report["orthonormality_max_error"] < 1e-12
        assert max(map(abs, report["virial_residual_E0"])) < 1e-10
        less = attrs.evolve(states, gradients=None).report(UNITS)
        assert set(report) - set(less) == {
            "kinetic_E0",
            "kinetic_meV",
            "potential_E0",
            "potential_meV",
            "virial_residual_E0",
        }

    def test_unknown_numbers_are_none(self, states):
        energies = states.energies.copy()
        energies[-1] = math.nan
        report = attrs.evolve(states, energies=energies).report(UNITS)
        assert report["E_E0"][-1] is None
        json.dumps(report, allow_nan=False)

    def test_one_dimension_and_one_state(self):
        rule = grid_rule("gauss_legendre", (50,), (6.0,))
        psi = np.array([wave(0, A, rule.points[:, 0])])
        none = np.zeros_like(rule.points)
        report = States(np.array([A]), psi, rule.weights, rule.points, none[:, 0], none, [psi]).report(UNITS)
        assert report["splitting_E0"] == []
        assert list(report["dipole_L0"]) == ["x"]
