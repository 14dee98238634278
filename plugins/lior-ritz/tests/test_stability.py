"""The charge stability of two electrons, against the constant-interaction model where that is exact."""

import json

import numpy as np
import pytest
from commands import ritz

from lior.errors import UsageError
from lior_ritz.electrons.coulomb import hamiltonian, members, one_body
from lior_ritz.electrons.stability import stability
from lior_ritz.potentials.expression import Expression
from lior_ritz.problem import Problem
from lior_ritz.verification import reference

APART = 7.0
STEP = "1/(1 + exp({}8*x))"
DOTS = {
    "potential": {
        "type": "gates",
        "base": {"type": "expression", "expression": "y**2 - log(exp(-(x - 3.5)**2) + exp(-(x + 3.5)**2))"},
        "gates": {
            "left": {"formula": STEP.format(""), "arm": -1.0},
            "right": {"formula": STEP.format("-"), "arm": -1.0},
        },
    },
    "domain": {"X": 7.5, "Y": 4.0},
    "physics": {"eps_r": 12.9 * 5.888913978 / 2},  # κ = 2
}
"""Two harmonic dots, ``V = r²`` about each centre, that hardly tunnel (1e-4), and gates level over a dot."""
VOLTS = tuple(np.linspace(0, 2.4, 7).tolist())


@pytest.fixture(scope="module")
def found():
    return stability([("left", VOLTS), ("right", VOLTS)], DOTS, level_meV=0.45)


@pytest.fixture(scope="module")
def model(found):
    """What the model says: energies with 0 to 2 electrons in each dot, for every pair of voltages.

    One electron has ``2 - eV`` exactly. Two in different dots part into their centre of mass, which is an
    oscillator with the energy 2, and their distance u: ``-2∇² + (u - d)²/2 + κ/u``, one more problem of a
    single particle. Two in one dot have an energy U that does not depend on the voltages.
    """
    kappa = found.units.repulsion
    assert kappa == pytest.approx(2, abs=1e-8)
    text = f"(x - {APART})**2/4 + y**2/4 + {kappa}/(2*sqrt(x**2 + y**2 + 1e-4))"
    relative = reference.solve(Problem(Expression(expression=text), (14.0, 6.5)), 1, tolerance=1e-8)
    left, right = np.meshgrid(VOLTS, VOLTS) / np.array(found.units.E0_meV)
    both = 2 + 2 * float(relative.energies[0])
    onto_one = float(found.singlet[0, -1] + 2 * left[0, -1])
    energies = {
        (0, 0): 0 * left,
        (1, 0): 2 - left,
        (0, 1): 2 - right,
        (1, 1): both - left - right,
        (2, 0): onto_one - 2 * left,
        (0, 2): onto_one - 2 * right,
    }
    return energies, onto_one


def test_energies_are_those_of_the_constant_interaction_model(found, model):
    energies, onto_one = model
    one = np.minimum(energies[1, 0], energies[0, 1])
    two = np.min([energies[1, 1], energies[2, 0], energies[0, 2]], axis=0)
    np.testing.assert_allclose(found.one, one, rtol=0, atol=3e-5)
    np.testing.assert_allclose(np.minimum(found.singlet, found.triplet), two, rtol=0, atol=2e-4)
    assert 6 < onto_one < 6.08  # Taut: 6 without a cut of the functions
    np.testing.assert_allclose(found.potentials, np.stack([one, two - one]), rtol=0, atol=2e-4)


def test_charges_are_those_of_the_constant_interaction_model(found, model):
    energies, _ = model
    level = found.level_meV / found.units.E0_meV
    costs = np.stack([energy - sum(n) * level for n, energy in energies.items()])
    exact = np.array(list(energies))[costs.argmin(0)]
    clear = np.diff(np.sort(costs, axis=0)[:2], axis=0)[0] > 1e-4
    assert len(np.unique(exact[clear], axis=0)) == 6
    assert clear.mean() > 0.8
    np.testing.assert_array_equal(found.electrons[clear], exact[clear].sum(1))
    np.testing.assert_allclose(found.charges[0][clear], exact[clear][:, 0], atol=1e-4)
    np.testing.assert_allclose(found.charges[1][clear], exact[clear][:, 1], atol=1e-4)


def test_two_functions_in_any_orbitals_have_the_levels_of_their_eigenfunctions():
    rng = np.random.default_rng(0)
    h, table = rng.normal(size=(5, 5)), rng.normal(size=(15, 15))
    h = h + h.T
    for sign in (1, -1):
        i, _ = members(5, sign)
        zero = np.zeros((15, 15))
        energies = np.linalg.eigvalsh(h)
        expected = np.linalg.eigvalsh(hamiltonian(energies, 0.0, zero, sign))
        np.testing.assert_allclose(np.linalg.eigvalsh(one_body(h, sign)), expected, atol=1e-12)
        whole = hamiltonian(np.diag(h), 1.0, table + table.T, sign)
        bare = hamiltonian(np.zeros(5), 1.0, table + table.T, sign)
        np.testing.assert_allclose(whole - bare, one_body(np.diag(np.diag(h)), sign), atol=1e-12)
        assert len(i) == len(whole)


@pytest.mark.parametrize(
    ("axes", "overrides", "said"),
    [
        ([("left", (0.0, 1.0))], [], "two options"),
        ([("left", (0.0, 1.0)), ("right", (1.0, 0.0))], [], "rising values"),
        ([("left", (0.0, 1.0)), ("middle", (0.0, 1.0))], [], "no option 'middle'"),
    ],
)
def test_what_is_no_plane_is_refused(axes, overrides, said):
    with pytest.raises(UsageError, match=said):
        stability(axes, DOTS, overrides=overrides)


def test_the_command_draws_and_writes(tmp_path):
    arguments = ["--vary", "delta=-1:1:5", "--vary", "barrier_meV=2:4:3"]
    done = ritz("stability", *arguments, "--level", 6, "--out", tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert "electrons left of x = 0" in done.stdout
    assert (tmp_path / "s" / "plots" / "stability.png").stat().st_size > 5000
    report = json.loads((tmp_path / "s" / "stability.json").read_text())
    left, electrons = np.array(report["left_e"]), np.array(report["electrons"])
    assert left.shape == electrons.shape == (3, 5)
    np.testing.assert_allclose(left + np.array(report["right_e"]), electrons)
    np.testing.assert_allclose(left, electrons - left[:, ::-1], atol=1e-3)  # a mirror image of itself
    assert min(report["above_own_orbitals_meV"]) > -1e-6
    assert np.all(np.array(report["E2_singlet_meV"]) < np.array(report["E2_triplet_meV"]))
    done = ritz("stability", *arguments, "--level", -100)
    assert done.returncode == 1
    assert "choose another --level" in done.stderr
