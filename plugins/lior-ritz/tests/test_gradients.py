"""Derivatives of levels by options of the dot: tables, the reference's differences, degenerate levels."""

import math

import numpy as np
import pytest

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.problem import devices
from lior_ritz.verification import reference
from lior_ritz.verification.gradients import gradients, listed

RAW = ("potential.param_mode=raw", "potential.c4=0.6262226878928537", "potential.c2y=15.655567197321348")


def problem_of(*overrides):
    return configuration.problem(configuration.load((), overrides, env={}).config)


def differences(problem, name, value, k, step):
    """Central differences of the reference's levels, of fourth order."""

    def at(shift):
        return reference.solve(problem, k, device={name: value + shift}).energies

    near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
    return (8 * near - far) / (12 * step)


def slopes(problem, names, count=4):
    return gradients(problem, reference.solve(problem, count + 1, tolerance=1e-12), count, names)


def in_meV(found):
    return listed(found[0] * problem_of().units.E0_meV)


@pytest.mark.parametrize(("name", "step"), [("a", 1e-2), ("c4", 1e-2), ("c2y", 0.1), ("delta", 1e-2)])
def test_every_option_has_the_slope_of_the_levels(name, step):
    problem = problem_of(*RAW)
    found = slopes(problem, [name])
    exact = differences(problem, name, devices.parameters(problem)[name], 4, step)
    assert abs(found[0] - exact).max() < 2e-6


# --- degenerate levels ---


def test_shear_splits_a_degenerate_level_to_first_order():
    """``<10|xy|01> = 1/(2√β)`` of the oscillator, which is the only element within the level."""
    problem = problem_of("potential.type=harmonic_barrier", "potential.barrier=0")
    found = slopes(problem, ["shear"], 3)
    beta = devices.parameters(problem)["beta_x"]
    side = 1 / (2 * math.sqrt(beta))
    assert found[0].tolist() == pytest.approx([0, -side, side], abs=1e-7)


def test_slopes_within_a_degenerate_level_rise_and_one_that_is_cut_has_none():
    """Anisotropy: ``E = ħωx (m + ½) + ħωy (n + ½)``."""
    problem = problem_of("potential.type=harmonic")
    for name in ("hbar_omega_x_meV", "hbar_omega_y_meV"):
        assert in_meV(slopes(problem, [name], 3)) == pytest.approx([0.5, 0.5, 1.5], abs=1e-7)
    # The level of states 1 and 2 goes on beyond two states.
    less = slopes(problem, ["hbar_omega_x_meV"], 2)
    assert in_meV(less) == [pytest.approx(0.5, abs=1e-7), None]


# --- which options there are ---


def test_options_of_another_mode_are_left_out_and_refused():
    problem = problem_of()
    assert devices.parameters(problem) == {
        "a": 1.5,
        "delta": 0.0,
        "hbar_omega_x_meV": 3.0,
        "hbar_omega_y_meV": 5.0,
    }
    with pytest.raises(UsageError, match="c4 says nothing with param_mode 'targets'"):
        devices.require_parameters(problem, ["c4"])
    with pytest.raises(UsageError, match="Did you mean 'barrier_meV'"):
        devices.require_parameters(problem, ["barier_meV"])


def test_sensitivity_of_a_formula_is_its_derivative_at_every_point():
    problem = problem_of(
        "potential.type=expression",
        "potential.expression=k*x**2 + exp(-g*y**2)",
        "potential.parameters.k=2.0",
        "potential.parameters.g=0.5",
    )
    points = np.array([[0.3, -1.1], [2.0, 0.4]])
    x2, y2 = (points**2).T
    assert np.allclose(devices.sensitivity(problem, "k", points), x2)
    assert np.allclose(devices.sensitivity(problem, "g", points), -y2 * np.exp(-0.5 * y2))


def test_a_derivative_that_is_not_finite_is_refused():
    formula = ("potential.type=expression", "potential.expression=x**k + y**2", "potential.parameters.k=2.0")
    with pytest.raises(UsageError, match="not finite"):
        devices.sensitivity(problem_of(*formula), "k", np.array([[-1.0, 0.5]]))


def test_the_same_dot_by_its_barrier_when_the_mode_was_left_open():
    config = configuration.load((), (), env={}).config
    problem = configuration.problem(config)
    changes = devices.in_mode(config, problem, ["barrier_meV"])
    assert changes[0] == "potential.param_mode=barrier"
    points = np.random.default_rng(1).random((50, 2)) * 8 - 4
    assert np.allclose(problem_of(*changes).energy(points), problem.energy(points), rtol=1e-9)
    assert devices.in_mode(config, problem, ["a", "delta"]) == []
    chosen = configuration.load((), ["potential.param_mode=targets"], env={}).config
    assert devices.in_mode(chosen, problem, ["barrier_meV"]) == []
