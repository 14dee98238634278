"""Derivatives of levels by options of the dot: tables, the referee's differences, degenerate levels."""

import math
from itertools import pairwise

import pytest
import torch

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz import devices, reference
from lior_ritz.gradients import gradients
from lior_ritz.solution import solve

RAW = (
    "potential.param_mode=raw", "potential.c4=0.6262226878928537", "potential.c2y=15.655567197321348",
)  # fmt: skip
SMALL = ("model.hidden_features=12",)
# Richardson-extrapolated differences of a separate program, with c4 held where a varies.
BY_C4 = [2.104664624, 1.557586169, 3.637138258, 3.878508335]
BY_A = [2.766876661, 0.794873296, 2.436008591, -0.109066948]


def problem_of(*overrides):
    return configuration.problem(configuration.load((), overrides, env={}).config)


def differences(problem, name, value, k, step):
    """Central differences of the referee's levels, of fourth order."""

    def at(shift):
        return reference.solve(problem, k, device={name: value + shift}).energies

    near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
    return (8 * near - far) / (12 * step)


@pytest.fixture(scope="module")
def default():
    """The default double dot, given by its coefficients."""
    return solve(overrides=RAW)


def test_the_tables_of_the_default_dot(default):
    found = gradients(default, ["c4", "a"])
    assert list(found.parameters) == ["c4", "a"]
    assert (found.of("c4") - torch.tensor(BY_C4)).abs().max() < 1e-6
    assert (found.of("a") - torch.tensor(BY_A)).abs().max() < 1e-6


@pytest.mark.parametrize(("name", "step"), [("a", 1e-2), ("c4", 1e-2), ("c2y", 0.1), ("delta", 1e-2)])
def test_every_option_has_the_slope_of_the_referees_levels(default, name, step):
    found = gradients(default, [name])
    exact = differences(default.problem, name, found.parameters[name], 4, step)
    assert (found.of(name) - exact).abs().max() < 2e-6


def test_without_names_all_options_of_the_mode_are_varied(default):
    assert list(gradients(default).parameters) == ["a", "delta", "c4", "c2y"]


def test_report_is_in_both_units_and_has_the_slopes_of_splittings(default):
    found = gradients(default, ["c4"])
    by = found.report()["by"]["c4"]
    unit = default.problem.units.E0_meV
    assert by["value"] == pytest.approx(0.6262226878928537)
    assert by["dE_meV"] == pytest.approx([unit * each for each in by["dE_E0"]])
    expected = [unit * (high - low) for low, high in pairwise(BY_C4)]
    assert by["dsplitting_meV"] == pytest.approx(expected, abs=1e-6)


def test_an_option_in_meV_has_a_slope_per_meV():
    """Across it is an oscillator: its zero-point energy is half of its spacing."""
    solution = solve(overrides=("solver.K=2", *SMALL))
    slope = gradients(solution, ["hbar_omega_y_meV"]).derivatives_meV[0]
    assert slope.tolist() == pytest.approx([0.5, 0.5], abs=1e-7)


# --- degenerate levels ---

ROUND = ("potential.type=harmonic_barrier", "potential.barrier=0", *SMALL)


def test_shear_splits_a_degenerate_level_to_first_order():
    """``<10|xy|01> = 1/(2√β)`` of the oscillator, which is the only element within the level."""
    solution = solve(overrides=(*ROUND, "solver.K=3"))
    found = gradients(solution, ["shear"])
    beta = devices.parameters(solution.problem)["beta_x"]
    assert found.levels == ((0,), (1, 2))
    assert found.cut == ()
    side = 1 / (2 * math.sqrt(beta))
    assert found.of("shear").tolist() == pytest.approx([0, -side, side], abs=1e-6)


def test_slopes_within_a_degenerate_level_rise_and_one_that_is_cut_has_none():
    """Anisotropy: ``E = ħωx (m + ½) + ħωy (n + ½)``."""
    solution = solve(overrides=("potential.type=harmonic", "solver.K=3", *SMALL))
    for name in ("hbar_omega_x_meV", "hbar_omega_y_meV"):
        slopes = gradients(solution, [name]).derivatives_meV[0]
        assert slopes.tolist() == pytest.approx([0.5, 0.5, 1.5], abs=1e-6)
    # The level of states 1 and 2 goes on beyond two states.
    less = gradients(solve(overrides=("potential.type=harmonic", "solver.K=2", *SMALL)), ["hbar_omega_x_meV"])
    assert less.cut == (1,)
    assert float(less.derivatives_meV[0, 0]) == pytest.approx(0.5, abs=1e-6)
    assert less.report()["by"]["hbar_omega_x_meV"]["dE_meV"][1] is None


# --- which options there are ---


def test_options_of_another_mode_are_left_out_and_refused():
    problem = problem_of()
    assert devices.parameters(problem) == {
        "a": 1.5, "delta": 0.0, "hbar_omega_x_meV": 3.0, "hbar_omega_y_meV": 5.0,
    }  # fmt: skip
    with pytest.raises(UsageError, match="c4 says nothing with param_mode 'targets'"):
        devices.require_parameters(problem, ["c4"])
    with pytest.raises(UsageError, match="Did you mean 'barrier_meV'"):
        devices.require_parameters(problem, ["barier_meV"])


def test_sensitivity_of_a_formula_is_its_derivative_at_every_point():
    problem = problem_of(
        "potential.type=expression", "potential.expression=k*x**2 + exp(-g*y**2)",
        "potential.parameters.k=2.0", "potential.parameters.g=0.5",
    )  # fmt: skip
    points = torch.tensor([[0.3, -1.1], [2.0, 0.4]], dtype=torch.float64)
    x2, y2 = points.square().unbind(1)
    assert torch.allclose(devices.sensitivity(problem, "k", points), x2)
    assert torch.allclose(devices.sensitivity(problem, "g", points), -y2 * torch.exp(-0.5 * y2))


def test_the_same_dot_by_its_barrier_when_the_mode_was_left_open():
    config = configuration.load((), (), env={}).config
    problem = configuration.problem(config)
    changes = devices.in_mode(config, problem, ["barrier_meV"])
    assert changes[0] == "potential.param_mode=barrier"
    points = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 8 - 4
    assert torch.allclose(problem_of(*changes).energy(points), problem.energy(points), rtol=1e-9)
    assert devices.in_mode(config, problem, ["a", "delta"]) == []
    chosen = configuration.load((), ["potential.param_mode=targets"], env={}).config
    assert devices.in_mode(chosen, problem, ["barrier_meV"]) == []
