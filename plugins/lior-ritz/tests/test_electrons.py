"""Two electrons: the solvable dot, the exchange of double dots, and the laws of the method."""

import json
import math

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf, i0e

from lior.errors import UsageError
from lior_ritz.electrons import coulomb
from lior_ritz.electrons.coulomb import Coulomb, pair_number, pairs
from lior_ritz.electrons.interaction import (
    MOVES,
    ONE_SIZE,
    SIGN_CHANGES,
    TOO_FEW,
    WRONG_SIGN,
    Orbitals,
    two_electrons,
)
from lior_ritz.potentials.biquadratic import Biquadratic
from lior_ritz.problem.units import Units

UNITS = Units()
UEV = 1e3 * UNITS.E0_meV


def axis_states(potential, half_width, x, terms=40):
    """One-dimensional eigenfunctions at x, by box sines and Gauss-Legendre quadrature: energies, values."""
    nodes, weights = np.polynomial.legendre.leggauss(3 * terms + 20)
    m = np.arange(1, terms + 1)

    def sines(at):
        return np.sin(np.outer(at + half_width, m) * np.pi / (2 * half_width)) / math.sqrt(half_width)

    basis = sines(half_width * nodes)
    h = basis.T @ (basis * (half_width * weights * potential(half_width * nodes))[:, None])
    energies, vectors = np.linalg.eigh(h + np.diag((m * np.pi / (2 * half_width)) ** 2))
    return energies, vectors.T @ sines(x).T


def separable(along_x, along_y, box, n, k):
    """The lowest k products on ``n x n`` points (from one edge of the box up to before the other)."""
    (width, height), (hx, hy) = box, (2 * box[0] / n, 2 * box[1] / n)
    ex, fx = axis_states(along_x, width, -width + hx * np.arange(n))
    ey, fy = axis_states(along_y, height, -height + hy * np.arange(n))
    total = (ex[:, None] + ey).ravel()
    order = np.argsort(total, kind="stable")[:k]
    i, j = np.divmod(order, len(ey))
    return Orbitals(fy[j][:, :, None] * fx[i][:, None, :], total[order], hx, hy, x_first=-width)


def taut(n=56, k=36, half_width=6.5):
    return separable(np.square, np.square, (half_width, half_width), n, k)


def double_dot(n=56, k=28, **options):
    along_x, along_y = Biquadratic(**options).parts(UNITS, 2)
    return separable(along_x, along_y, (4.0, 3.0), n, k)


def at_barrier(barrier_meV, **more):
    return double_dot(param_mode="barrier", barrier_meV=barrier_meV, **more)


@pytest.fixture(scope="module")
def default():
    return two_electrons(double_dot(k=36), UNITS.repulsion, sizes=(2, 6, 12, 20, 28, 36))


class TestSolvableDot:
    """V = x² + y², κ = 2: the lowest energy is 6 (M. Taut, Phys. Rev. A 48, 3561, 1993)."""

    def test_energies_fall_to_six(self):
        found = two_electrons(taut(), 2.0, sizes=(6, 10, 15, 21, 28, 36))
        assert (np.diff(found.singlet_by_size) < 0).all()
        assert (found.singlet_by_size > 6).all()
        known = [6.07721, 6.05046, 6.03521, 6.02725, 6.02204, 6.01847]
        np.testing.assert_allclose(found.singlet_by_size, known, rtol=0, atol=6e-6)
        assert found.flags == ()

    def test_default_sizes_are_filled_shells(self):
        assert set(two_electrons(taut(n=40, k=21), 2.0).sizes) <= {2, 3, 5, 6, 10, 15, 21}


def radial(kappa, m):
    """The lowest energy of two electrons in ``x² + y²``, of angular momentum m: 0 singlet, 1 triplet.

    The centre of mass has the energy 2; what is left, ``-2∇² + r²/2 + κ/r``, is solved in functions
    ``r^(m+j) exp(-r²/4)``.
    """
    t, w = np.polynomial.legendre.leggauss(400)
    r, w = 8 * (t + 1), 8 * w
    powers = np.arange(24)[:, None]
    f = (r / 4) ** powers * r**m * np.exp(-r * r / 4)
    slope = ((powers + m) / r - r / 2) * f
    overlap = (f * w * r) @ f.T
    h = 2 * (slope * w * r) @ slope.T + ((2 * m * m / r**2 + r * r / 2 + kappa / r) * w * r * f) @ f.T
    scale = 1 / np.sqrt(np.diag(overlap))
    values, vectors = np.linalg.eigh(overlap * scale * scale[:, None])
    kept = values > 1e-12
    basis = scale[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    return 2 + np.linalg.eigvalsh(basis.T @ h @ basis)[0]


class TestExchange:
    def test_default_dot(self, default):
        found = dict(zip(default.sizes, default.exchange_by_size * UEV, strict=True))
        assert found[2] == pytest.approx(-147.49, abs=0.01)
        known = {6: 2.50, 12: 3.52, 20: 3.515, 28: 3.550, 36: 3.587}
        assert {k: found[k] for k in known} == pytest.approx(known, abs=0.004)
        assert default.flags == ()

    def test_two_orbitals_have_the_wrong_sign(self):
        found = two_electrons(double_dot(k=2, n=40), UNITS.repulsion)
        assert found.exchange < 0
        assert found.flags == (TOO_FEW, WRONG_SIGN, ONE_SIZE)
        assert all(map(math.isnan, found.exchange_limit))

    def test_few_orbitals_are_flagged(self):
        found = two_electrons(double_dot(k=4, n=40), UNITS.repulsion)
        assert found.flags == (TOO_FEW, SIGN_CHANGES, MOVES)
        assert two_electrons(double_dot(k=10, n=40), UNITS.repulsion).flags == (MOVES,)

    @pytest.mark.parametrize("kappa", [0.5, 2.0, 6.0])
    def test_the_limit_is_that_of_the_radial_equation_within_its_error(self, kappa):
        exact = radial(kappa, 1) - radial(kappa, 0)
        found = two_electrons(taut(n=64, k=28), kappa)
        limit, error = found.exchange_limit
        assert abs(limit - exact) < error < 0.04 * exact
        assert abs(limit - exact) < abs(found.exchange - exact)

    def test_nested_sizes_are_separate_calculations(self, default):
        alone = two_electrons(double_dot(k=12), UNITS.repulsion)
        assert alone.exchange == pytest.approx(default.exchange_by_size[2], abs=1e-10)
        assert (np.diff(default.singlet_by_size) < 0).all()
        assert (np.diff(default.triplet_by_size) < 0).all()

    def test_grid_does_not_matter(self, default):
        coarse = two_electrons(double_dot(n=37), UNITS.repulsion, sizes=(28,))
        assert coarse.singlet.energies[0] == pytest.approx(default.singlet_by_size[4], abs=1e-8)
        assert coarse.triplet.energies[0] == pytest.approx(default.triplet_by_size[4], abs=1e-8)


class TestWithoutRepulsion:
    def test_energies_are_sums(self):
        orbitals = double_dot(k=6, n=40, delta=0.3)
        e = orbitals.energies
        found = two_electrons(orbitals, 0.0)
        both = np.sort((e[:, None] + e)[np.triu_indices(6)])[:3]
        apart = np.sort((e[:, None] + e)[np.triu_indices(6, 1)])[:3]
        np.testing.assert_allclose(found.singlet.energies, both, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.triplet.energies, apart, rtol=0, atol=1e-12)
        assert found.exchange == pytest.approx(e[1] - e[0], abs=1e-12)

    def test_states_are_products(self):
        orbitals = double_dot(k=6, n=40)
        singlet = two_electrons(orbitals, 0.0).singlet
        np.testing.assert_allclose(singlet.occupations[0], [2, 0, 0, 0, 0, 0], atol=1e-12)
        assert singlet.double_occupation[0] == pytest.approx(0.5, abs=1e-9)

    def test_half_plane_between_grid_points(self):
        orbitals = taut(n=40, k=2)
        for divide in (-0.7, 0.0, 0.1234):
            expected = (1 + erf(divide)) / 2
            assert orbitals.left(divide)[0, 0] == pytest.approx(expected, abs=1e-9)


class TestStates:
    @pytest.fixture(scope="class")
    @staticmethod
    def tilted():
        return two_electrons(double_dot(k=15, n=40, delta=0.4), UNITS.repulsion)

    def test_are_normalised(self, tilted):
        for sector, sign in ((tilted.singlet, 1), (tilted.triplet, -1)):
            c = sector.vectors
            np.testing.assert_allclose(c, sign * c.transpose(0, 2, 1), atol=0)
            np.testing.assert_allclose((c**2).sum((1, 2)), 1, atol=1e-12)
            np.testing.assert_allclose(sector.occupations.sum(1), 2, atol=1e-12)
            assert (np.diff(sector.occupations) <= 1e-15).all()
            assert ((sector.double_occupation >= 0) & (sector.double_occupation <= 1)).all()
            assert (sector.occupations < 2 if sign == 1 else sector.occupations <= 1 + 1e-12).all()

    def test_detuning_moves_charge_to_the_lower_well(self):
        found = [
            two_electrons(at_barrier(4, k=12, n=40, delta=delta), UNITS.repulsion).singlet
            for delta in (0.0, 0.5, 1.5, 4.0)
        ]
        left = [sector.left[0] for sector in found]
        assert left[0] == pytest.approx(1, abs=1e-8)
        assert left == sorted(left)
        assert left[-1] > 1.95
        assert found[0].double_occupation[0] < 0.02
        assert found[-1].double_occupation[0] > 0.95

    def test_report_is_json(self, tilted):
        report = json.loads(json.dumps(tilted.report(UNITS), allow_nan=False))
        assert report["orbitals"] == 15
        assert report["J_ueV"] == pytest.approx(1e3 * report["J_meV"])
        assert report["J_meV"] == pytest.approx(UNITS.E0_meV * report["J_E0"])
        assert report["by_size"]["J_ueV"][-1] == pytest.approx(report["J_ueV"])
        alone = two_electrons(double_dot(k=2, n=32), 1.0).report(UNITS)
        assert json.loads(json.dumps(alone, allow_nan=False))["J_limit_error_ueV"] is None


class TestCoulomb:
    @settings(max_examples=25, deadline=None)
    @given(a=st.floats(0.8, 6), b=st.floats(0.8, 6), dx=st.floats(-2, 2), dy=st.floats(-2, 2))
    def test_two_gaussians(self, a, b, dx, dy):
        x, y = np.linspace(-7, 7, 73), np.linspace(-8, 8, 84)
        hx, hy = x[1] - x[0], y[1] - y[0]
        one = a / np.pi * np.exp(-a * (x**2 + (y**2)[:, None]))
        other = b / np.pi * np.exp(-b * ((x - dx) ** 2 + ((y - dy) ** 2)[:, None]))
        p = a * b / (a + b)
        exact = math.sqrt(math.pi * p) * i0e(p * (dx**2 + dy**2) / 2)
        found = (Coulomb((84, 73), hx, hy).potential(one) * other).sum() * hx * hy
        assert found == pytest.approx(exact, abs=1e-9)

    def test_far_corners_do_not_see_copies(self):
        """Two narrow charges in opposite corners of a long box are 1/r apart, and no closer copy counts."""
        x, y = np.linspace(-9, 9, 145), np.linspace(-2, 2, 33)
        one = 16 / np.pi * np.exp(-16 * ((x + 7.5) ** 2 + ((y + 0.5) ** 2)[:, None]))
        other = one[::-1, ::-1]
        h = 0.125
        found = (Coulomb((33, 145), h, h).potential(one) * other).sum() * h * h
        p, d2 = 8, 15**2 + 1
        assert found == pytest.approx(math.sqrt(math.pi * p) * i0e(p * d2 / 2), abs=1e-9)

    def test_integrals_have_all_their_symmetries(self):
        orbitals = taut(n=32, k=5)
        table = Coulomb((32, 32), orbitals.hx, orbitals.hy).integrals(orbitals.values)
        i, j = pairs(5)
        for row in range(len(i)):
            density = orbitals.values[i[row]] * orbitals.values[j[row]]
            potential = Coulomb((32, 32), orbitals.hx, orbitals.hy).potential(density)
            for column in range(len(i)):
                other = orbitals.values[j[column]] * orbitals.values[i[column]]
                direct = (potential * other).sum() * orbitals.hx * orbitals.hy
                assert table[row, column] == pytest.approx(direct, abs=1e-13)
        assert table[0, 0] == pytest.approx(math.sqrt(math.pi / 2), abs=1e-9)
        assert np.linalg.eigvalsh(table)[0] > -1e-13
        assert (pair_number(j, i) == np.arange(len(i))).all()

    def test_bad_grids_are_flagged(self):
        assert coulomb.COARSE in two_electrons(double_dot(k=12, n=22), UNITS.repulsion).grid_flags
        inside = np.linalg.qr(taut(n=40, k=3).values[:, :, 16:30].reshape(3, -1).T)[0].T / 0.325
        cut = Orbitals(inside.reshape(3, 40, 14), np.array([2.0, 4.0, 4.0]), 0.325, 0.325)
        assert coulomb.CUT_OFF in two_electrons(cut, 2.0).grid_flags


class TestRefused:
    def test_orbitals(self):
        good = taut(n=32, k=3)
        for change, text in (
            ({"values": good.values * 1.01}, "not orthonormal"),
            ({"values": good.values[0]}, "3 dimensions"),
            ({"values": np.full_like(good.values, np.nan)}, "finite"),
            ({"energies": good.energies[:2]}, "3 orbitals and 2 energies"),
            ({"energies": good.energies[::-1]}, "must rise"),
        ):
            with pytest.raises(UsageError, match=text):
                attrs.evolve(good, **change)

    def test_numbers(self):
        good = taut(n=32, k=3)
        for arguments in ({"sizes": (4,)}, {"sizes": (1, 2)}, {"sizes": ()}, {"states": 0}):
            with pytest.raises(UsageError):
                two_electrons(good, 2.0, **arguments)
        for kappa in (-1.0, math.nan):
            with pytest.raises(UsageError, match="kappa"):
                two_electrons(good, kappa)
        with pytest.raises(UsageError, match="no area"):
            Coulomb((8, 8), 0.0, 1.0)
