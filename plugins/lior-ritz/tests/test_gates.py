"""Gates: a sum of shapes, each with a voltage that can be varied like any option."""

import json

import numpy as np
import pytest
import torch
from commands import ritz
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.potentials.gates import Gates
from lior_ritz.problem import Problem, devices
from lior_ritz.problem.units import Units
from lior_ritz.sweeps.sweep import Axis, plan, run
from lior_ritz.verification import reference
from lior_ritz.verification.gradients import gradients

UNITS = Units()
POINTS = 4 * torch.rand(50, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 2
HARMONIC = {"type": "harmonic", "beta_x": 1.0, "beta_y": 1.44}
LINEAR = {
    "base": HARMONIC,
    "gates": {"left": {"formula": "x", "arm": -0.2}, "up": {"formula": "y + 0.5", "voltage": 1.5}},
}


def lowered(volts, arm, curvature):
    """How far a linear gate lowers the levels of a harmonic axis, in ``E0``: by F²/4β."""
    force = volts * arm / UNITS.E0_meV
    return force**2 / (4 * curvature)


def test_the_sum_is_what_is_said():
    potential = Gates(**LINEAR)
    device = {"left": torch.tensor([[1.0], [-3.0]], dtype=torch.float64)}
    found = potential.energy(POINTS, UNITS, device)
    x, y = POINTS.unbind(1)
    for row, volts in zip(found, (1.0, -3.0), strict=True):
        expected = x**2 + 1.44 * y**2 + (-0.2 * volts * x + 1.5 * (y + 0.5)) / UNITS.E0_meV
        torch.testing.assert_close(row, expected, rtol=1e-13, atol=1e-13)
    assert potential.mirrors(2) == {0}  # left has no voltage
    parts = potential.parts(UNITS, 2)
    total = parts[0](x) + parts[1](y)
    torch.testing.assert_close(total, potential.energy(POINTS, UNITS, {}), rtol=1e-12, atol=1e-12)


@settings(max_examples=10, deadline=None)
@given(left=st.floats(-4, 4), up=st.floats(-2, 2))
def test_levels_and_slopes_of_a_harmonic_dot_in_a_uniform_field(left, up):
    """Exact: a field F along an axis shifts its levels by -F²/4β, and the derivative by a voltage follows."""
    problem = Problem(Gates(**LINEAR), (7.0, 7.0)).varied({"left": left, "up": up})
    found = reference.solve(problem, 4)
    bottom = 1 + 1.2 - lowered(left, -0.2, 1) - lowered(up, 1, 1.44) + 0.5 * up / UNITS.E0_meV
    np.testing.assert_allclose(found.energies[:2], [bottom, bottom + 2], rtol=0, atol=1e-8)
    slopes = gradients(problem, found, 2, ["left", "up"])
    by_left = -2 * lowered(1, -0.2, 1) * left
    by_up = -2 * lowered(1, 1, 1.44) * up + 0.5 / UNITS.E0_meV
    np.testing.assert_allclose(slopes, [[by_left] * 2, [by_up] * 2], rtol=0, atol=1e-7)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two gates as an electrostatics solver would write them, and the formula of the first."""
    folder = tmp_path_factory.mktemp("gates")
    x, y = np.linspace(-4, 4, 81), np.linspace(-4, 4, 81)
    for name, centre in (("left", -1.5), ("right", 1.5)):
        np.save(folder / f"{name}.npy", np.exp(-((x - centre) ** 2 + y[:, None] ** 2) / 2))
    gate = {"extent": [-4, 4, -4, 4], "axes": "yx", "arm": -1.0, "voltage": 3.0}
    return {
        "potential": {
            "type": "gates",
            "base": {"type": "harmonic", "hbar_omega_meV": 2},
            "gates": {name: gate | {"path": str(folder / f"{name}.npy")} for name in ("left", "right")},
        },
        "solver": {"K": 2, "M": 4},
    }


FORMULAS = {
    "base": {"type": "harmonic", "hbar_omega_meV": 2.0},
    "gates": {
        name: {"formula": f"exp(-((x - {c})**2 + y**2)/2)", "arm": -1.0, "voltage": 3.0}
        for name, c in (("left", -1.5), ("right", 1.5))
    },
}
"""The same device."""


def test_files_and_formulas_are_the_same_gate(files):
    problem = configuration.problem(configuration.load([files]).config)
    exact = Gates(**FORMULAS)
    torch.testing.assert_close(problem.energy(POINTS), exact.energy(POINTS, UNITS, {}), rtol=0, atol=1e-5)


def test_sweeps_vary_voltages_by_name_and_by_key():
    device = {"potential": {"type": "gates"} | FORMULAS, "solver": {"K": 2, "M": 4}}
    key = "potential.gates.left.voltage"
    planned = plan([Axis(key, (2.8, 3.0)), Axis("right", (2.8, 3.0))], device)
    rows = run(planned).rows
    assert rows[1]["set"] == [f"{key}=2.8", "potential.gates.right.voltage=3.0"]
    assert rows[1]["E_meV"] == pytest.approx(rows[2]["E_meV"])  # mirror images
    trapezium = (rows[0]["dE_meV"]["left"][0] + rows[2]["dE_meV"]["left"][0]) / 2
    gap = rows[2]["E_meV"][0] - rows[0]["E_meV"][0]
    assert gap == pytest.approx(0.2 * trapezium, rel=1e-3)


def test_base_options_keep_their_names(files):
    problem = configuration.problem(configuration.load([files]).config)
    assert set(devices.parameters(problem)) >= {"left", "right", "hbar_omega_meV", "offset"}
    assert devices.key(problem, "hbar_omega_meV") == "potential.base.hbar_omega_meV"
    softer = problem.varied({"hbar_omega_meV": 1.0, "left": 0.5}).potential
    assert (softer.base["hbar_omega_meV"], softer.gates["left"]["voltage"]) == (1.0, 0.5)
    assert softer.gates["right"] == problem.potential.gates["right"]


def test_three_dimensions(tmp_path):
    z, y, x = (np.linspace(-2, 2, n) for n in (9, 10, 11))
    shape = x**2 - z[:, None, None] + 0 * y[:, None]
    np.save(tmp_path / "g.npy", shape)
    gate = {"path": str(tmp_path / "g.npy"), "extent": (-2.0, 2.0) * 3, "axes": "zyx", "voltage": 2.0}
    potential = Gates(gates={"g": gate})
    assert (potential.dims, potential.mirrors(3)) == ((3,), {0, 1})
    points = torch.tensor([[1.0, 0.3, -0.5]], dtype=torch.float64)
    assert float(potential.energy(points, UNITS, {})) == pytest.approx(3 / UNITS.E0_meV)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give one at least"),
        ({"gates": {"g": {}}}, "gates.g: allowed is a table with either path"),
        ({"gates": {"g": {"formula": "x", "volts": 1}}}, r"gates.g: .*volts: unknown option"),
        ({"gates": {"g": {"formula": "x", "axes": "yx"}}}, "axes: unknown option"),
        ({"gates": {"g": {"formula": "x", "voltage": float("nan")}}}, "allowed is a finite number"),
        ({"gates": {"g": 3.0}}, "allowed is a table"),
        ({"gates": {"x0": {"formula": "x"}}, "base": {"type": "harmonic"}}, "base has that name"),
        ({"gates": {"g": {"formula": "x"}}, "base": {"type": "gates"}}, "another one than gates"),
        ({"gates": {"g": {"path": "none.npy"}}}, "cannot be read"),
    ],
)
def test_what_cannot_be_understood_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        Gates(**options)


def test_the_command_line_sets_gates():
    text = ["potential.type=gates", "potential.gates.g.formula=x**2", "potential.gates.g.voltage=2"]
    arguments = [part for each in text for part in ("--set", each)]
    done = ritz("reference", "--set", "domain.dim=1", *arguments, "--levels", 1, "--json")
    assert done.returncode == 0, done.stderr
    wanted = np.sqrt(2 / UNITS.E0_meV)
    assert json.loads(done.stdout)["E_dimless"] == pytest.approx([wanted], rel=1e-6)
    done = ritz("sweep", "--set", "potential.type=gates", "--vary", "potential.gates.g.voltage=1,2")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
