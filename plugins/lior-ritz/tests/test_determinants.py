"""A few electrons in all determinants, against second quantisation written out and published numbers."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_electrons import double_dot, taut

from lior.errors import UsageError
from lior_ritz.electrons.coulomb import pairs
from lior_ritz.electrons.determinants import Space, few_electrons
from lior_ritz.electrons.interaction import two_electrons
from lior_ritz.problem.units import Units

UNITS = Units()


def annihilators(modes):
    """The operators of Jordan and Wigner, one for each mode, on all of Fock space."""
    z, a = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [0.0, 0.0]])
    found = []
    for mode in range(modes):
        matrix = np.eye(1)
        for other in range(modes):
            matrix = np.kron(matrix, z if other < mode else a if other == mode else np.eye(2))
        found.append(matrix)
    return found


def fock(h, table):
    """H, N, S_z and S² of ``h`` and ``(ij|kl)`` on Fock space; modes are orbitals up, then orbitals down."""
    k = len(h)
    a = annihilators(2 * k)
    moves = [[sum(a[i + s].T @ a[j + s] for s in (0, k)) for j in range(k)] for i in range(k)]
    total = sum(h[i, j] * moves[i][j] for i in range(k) for j in range(k))
    for i, j, m, n in np.ndindex(k, k, k, k):
        # (ij|mn) a†ᵢ a†ₘ aₙ aⱼ / 2
        delta = moves[i][n] if j == m else 0 * moves[i][n]
        total = total + table[i, j, m, n] / 2 * (moves[i][j] @ moves[m][n] - delta)
    up, down = (sum(a[i + s].T @ a[i + s] for i in range(k)) for s in (0, k))
    plus = sum(a[i].T @ a[i + k] for i in range(k))
    z = (up - down) / 2
    return total, up, down, plus.T @ plus + z @ z + z


def random_problem(seed, k):
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(k, k))
    i, j = pairs(k)
    packed = rng.normal(size=(len(i), len(i)))
    packed = packed @ packed.T / len(i)
    number = np.zeros((k, k), dtype=int)
    number[i, j] = number[j, i] = np.arange(len(i))
    return h + h.T, packed, packed[number[:, :, None, None], number]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(1, 0), (1, 1), (2, 1), (3, 0), (2, 2), (3, 2)]))
def test_levels_and_spins_are_those_of_second_quantisation(seed, electrons):
    k, (up, down) = 3, electrons
    h, packed, table = random_problem(seed, k)
    total, ups, downs, squared = fock(h, table)
    inside = np.flatnonzero((ups.diagonal() == up) & (downs.diagonal() == down))
    at = np.ix_(inside, inside)
    # a small share of S² parts levels that differ in spin alone
    exact = np.linalg.eigvalsh(total[at] + 0.1 * squared[at])
    space = Space(h=h, repulsion=packed, up=up, down=down)
    energies, states, spins = space.lowest(100)
    assert len(energies) == space.size == len(inside)
    np.testing.assert_allclose(np.sort(energies + 0.1 * spins), exact, rtol=0, atol=1e-10)
    np.testing.assert_allclose(spins, np.round(4 * spins) / 4, atol=1e-9)
    np.testing.assert_allclose(np.sort(space.diagonal()), np.sort(total[at].diagonal()), atol=1e-12)
    for state in states:
        assert np.trace(space.density(state)) == pytest.approx(up + down)
    mean = sum(np.sum(space.density(state) * h) for state in states)
    assert mean == pytest.approx(np.trace(fock(h, 0 * table)[0][at]), abs=1e-8)


@pytest.mark.parametrize(
    ("omega", "known"), [(0.01, 1.009487), (0.1, 4.149560), (0.5, 12.897229), (1.0, 21.420589)]
)
def test_six_electrons_in_three_shells_as_another_program_has_them(omega, known):
    """Hartree, of the parabolic dot in 6 orbitals: HyQD/configuration-interaction, tests/test_cisdtq56.py."""
    found = few_electrons(taut(n=40, k=6), 2 / np.sqrt(omega), 6, states=1)
    assert found.energy * omega / 2 == pytest.approx(known, abs=2.5e-6)


@pytest.mark.parametrize("case", ["round", "tilted"])
def test_two_electrons_are_singlets_and_triplets(case):
    orbitals = taut(n=40, k=10) if case == "round" else double_dot(n=40, k=12, delta=0.3)
    kappa = 2.0 if case == "round" else UNITS.repulsion
    found, known = few_electrons(orbitals, kappa, 2, states=4), two_electrons(orbitals, kappa)
    both = found.sectors[0]
    np.testing.assert_allclose(both.energies[both.spins == 0][0], known.singlet.energies[0], atol=1e-9)
    np.testing.assert_allclose(both.energies[both.spins == 1][0], known.triplet.energies[0], atol=1e-9)
    np.testing.assert_allclose(found.sectors[1].energies[:3], known.triplet.energies, atol=1e-9)
    assert both.left[0] == pytest.approx(known.singlet.left[0], abs=1e-6)
    np.testing.assert_allclose(both.occupations[0], known.singlet.occupations[0], atol=1e-6)


@pytest.mark.parametrize("electrons", [3, 4])
def test_without_repulsion_levels_are_sums(electrons):
    orbitals = double_dot(n=40, k=8, delta=0.3)
    found = few_electrons(orbitals, 0.0, electrons)
    e = orbitals.energies
    ground = e[0] * 2 + e[1] * (electrons - 2)
    assert found.energy == pytest.approx(ground, abs=1e-9)
    polarised = found.sectors[-1]
    assert (polarised.spin_z, polarised.energies[0]) == (electrons / 2, pytest.approx(e[:electrons].sum()))


def test_the_iteration_finds_every_multiplet():
    """The levels of S_z = 3/2 are among those of 1/2, labelled so; round dots have them twice (±L)."""
    found = few_electrons(taut(n=40, k=10), 2.0, 3, states=8)
    low, high = found.sectors
    assert 3 * 10 < 450  # the sector of 1/2 is beyond the matrices
    quartets = low.energies[low.spins == 1.5]
    np.testing.assert_allclose(quartets, high.energies[: len(quartets)], atol=1e-7)
    np.testing.assert_allclose(low.energies[:2], low.energies[0], atol=1e-8)
    assert low.spins[:3].tolist() == [0.5, 0.5, 1.5]
    np.testing.assert_allclose(low.occupations.sum(1), 3, atol=1e-9)
    np.testing.assert_allclose(low.left, 1.5, atol=1e-6)


def test_the_centre_of_mass_oscillates_with_the_dots_frequency():
    """W. Kohn, Phys. Rev. 123, 1242, 1961: every level has copies at multiples of ħω, which is 2 ``E0`` here,
    whatever the repulsion. A cut at filled shells of orbitals keeps that only in the limit."""
    gaps = []
    for k in (6, 10, 15):
        found = few_electrons(taut(n=40, k=k), 2.0, 3, states=6).sectors[1]
        gaps.append(np.abs(found.energies - found.energies[0] - 2).min())
    assert gaps[2] < gaps[1] < gaps[0]
    assert gaps[2] < 5e-3


def test_hunds_rule_of_four_electrons_and_energies_fall_with_orbitals():
    energies = []
    for k in (6, 10):
        found = few_electrons(taut(n=40, k=k), 2.0, 4)
        assert found.sectors[0].spins[0] == 1
        energies.append(found.energy)
    assert energies[1] < energies[0]
    assert found.fewer > found.energy
    report = json.loads(json.dumps(found.report(UNITS), allow_nan=False))
    assert [each["S_z"] for each in report["sectors"]] == [0, 1, 2]
    assert report["E_meV"] == pytest.approx(found.energy * UNITS.E0_meV)


@pytest.mark.parametrize(
    ("electrons", "kappa", "said"), [(7, 1.0, "1 to 6"), (5, 1.0, "two an orbital"), (2, -1.0, "kappa")]
)
def test_what_does_not_fit_is_refused(electrons, kappa, said):
    with pytest.raises(UsageError, match=said):
        few_electrons(taut(n=24, k=2), kappa, electrons)
    with pytest.raises(UsageError, match="take fewer orbitals"):
        Space(h=np.eye(60), repulsion=np.empty((1830, 1830)), up=2, down=2)
