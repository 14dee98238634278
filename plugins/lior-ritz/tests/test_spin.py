"""Spin: Zeeman levels, spin-orbit coupling against second-order perturbation theory, and its symmetries."""

import math

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_ritz.potentials.gaussian import Gaussian
from lior_ritz.potentials.wells import Harmonic
from lior_ritz.problem import Problem
from lior_ritz.problem.terms import Terms
from lior_ritz.verification.reference import solve
from lior_ritz.verification.spin import coupling, operators, spins

MAGNETON = 0.057883817982
"""meV/T."""
ROUND, CROOKED = Harmonic(), Gaussian(amplitude=-30.0, x0=0.4, y0=-0.2, sigma_x=1.2, sigma_y=0.8)


def dot(tesla=0.0, alpha=0.0, beta=0.0, g=-0.44, potential=ROUND, half=6.0):
    terms = Terms(field_tesla=tesla, rashba_meV_nm=alpha, dresselhaus_meV_nm=beta, g=g)
    return Problem(potential, (half, half), terms=terms)


def levels(problem, count=1, orbitals=15):
    return spins(problem, solve(problem, orbitals, tolerance=1e-7), count, orbitals)


def pair(tesla, alpha, beta, g=-0.44):
    """Energies of the lowest pair of a round dot of 3 meV to second order in α and β, in E0: spin up, down.

    ``σx ky - σy kx = i (k₋σ₊ - k₊σ₋)`` and ``σx kx - σy ky = k₊σ₊ + k₋σ₋`` take the ground state to the two
    states of one quantum, at distances ``Ω ± b`` (2 b the cyclotron energy), with ``k = i [H, x]/2`` and
    ``⟨r²⟩ = 2/Ω``: ``|⟨±1|k±|0⟩|² = (Ω ± b)²/(2 Ω)``. As by R. de Sousa and S. Das Sarma, Phys. Rev. B 68,
    155330, 2003.
    """
    scale = dot(tesla)
    unit, b = scale.units.E0_meV, scale.terms.strength(scale.units)
    free, zeeman = math.hypot(3 / unit, b), g * MAGNETON * tesla / unit
    rashba, dresselhaus = ((c / (unit * scale.units.L0_nm)) ** 2 / (2 * free) for c in (alpha, beta))
    above, below = free + b, free - b
    up = rashba * above**2 / (above - zeeman) + dresselhaus * below**2 / (below - zeeman)
    down = rashba * below**2 / (below + zeeman) + dresselhaus * above**2 / (above + zeeman)
    return free + zeeman / 2 - up, free - zeeman / 2 - down


def test_zeeman_levels_are_half_a_splitting_up_and_down():
    field = dot(2.0, g=-0.44)
    found, orbitals = spins(field, solve(field, 3), 3), solve(field, 3).energies
    half = 0.44 * MAGNETON * 2.0 / 2 / field.units.E0_meV
    exact = sorted([*(orbitals - half), *(orbitals + half)])
    assert np.abs(found.energies - exact).max() < 1e-12
    assert list(np.sign(found.up[:2])) == [1, -1], "with g < 0 the lowest spin is up"
    assert found.g_factors == pytest.approx([-0.44] * 3, abs=1e-12)


@pytest.mark.parametrize("tesla", [0.0, 1.0])
@pytest.mark.parametrize(("alpha", "beta"), [(0.2, 0.0), (0.0, 0.2), (0.15, 0.1)])
def test_weak_coupling_is_that_of_second_order(tesla, alpha, beta):
    plain, found = dot(tesla), levels(dot(tesla, alpha, beta))
    shift, exact = found.energies[:2] - np.sort(pair(tesla, 0, 0)), np.sort(pair(tesla, alpha, beta))
    assert np.abs(shift).max() > 1e-6, "there is something to find"
    # What is left is of fourth order.
    assert np.abs(found.energies[:2] - exact).max() < 1e-3 * np.abs(shift).max()
    split = [np.subtract(*pair(tesla + each, alpha, beta)) for each in (1e-3, -1e-3)]
    g = (split[0] - split[1]) / 2e-3 * plain.units.E0_meV / MAGNETON
    assert found.g_factors[0] == pytest.approx(g, rel=1e-6)
    assert abs(g + 0.44) > 5e-5


def test_without_coupling_nothing_changes():
    assert levels(dot(0.0)) is None
    zero = dot(1.0, 0.0, 0.0)
    _, _, moment = operators(zero, solve(zero, 4))
    assert np.abs(coupling(zero, (moment, moment))).max() == 0


@settings(max_examples=4, deadline=None)
@given(alpha=st.floats(0, 20), beta=st.floats(0, 20))
def test_levels_are_pairs_without_a_field(alpha, beta):
    found = levels(dot(alpha=alpha + 0.1, beta=beta, potential=CROOKED, half=4.0), 4)
    gaps = np.diff(found.energies)[::2]
    assert np.abs(gaps).max() < 1e-12 * np.abs(found.energies).max()


def test_levels_do_not_depend_on_how_orbitals_are_combined():
    field = dot(1.0, 2.0, 0.7, potential=CROOKED, half=4.0)
    found = solve(field, 12, tolerance=1e-6)
    phases = np.exp(1j * np.random.default_rng(0).uniform(0, 6, 12))
    turned = attrs.evolve(found, evaluate=lambda at, by: phases[:, None] * found._evaluate(at, by))
    one, other = (spins(field, each, 3, 12) for each in (found, turned))
    assert np.abs(one.energies - other.energies).max() < 1e-12
    assert one.g_factors == pytest.approx(other.g_factors, abs=1e-9)


def test_momenta_are_the_commutator_of_place_and_energy():
    field = dot(0.5, 1.0)
    found = solve(field, 12)
    (kx, _), _, _ = operators(field, found)
    rule = found.rule
    psi = found.functions(rule.points)
    x = (psi.conj() * (rule.weights * rule.points[:, 0])) @ psi.T
    energies = found.energies
    assert np.abs(kx - 0.5j * (energies[:, None] - energies) * x).max() < 1e-6
    assert np.iscomplexobj(psi)
