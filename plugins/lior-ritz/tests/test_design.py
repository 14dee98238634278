"""Inverse design: the grammar of what is wanted, dots that have it and dots that cannot."""

import json

import numpy as np
import pytest
from commands import ritz

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.cli import varied
from lior_ritz.problem.units import Units
from lior_ritz.sweeps.design import design
from lior_ritz.sweeps.wants import Want
from lior_ritz.verification import reference


def levels_of(found, k=2):
    """Levels of a design in meV, by classical methods alone."""
    problem = configuration.problem(configuration.load((), found.assignments, env={}).config)
    return reference.solve(problem, k).energies * problem.units.E0_meV


# --- what is wanted ---


def test_the_grammar_of_wants():
    units = Units()
    levels = np.array([1.0, 3.0, 7.0])
    for text, value in (
        ("E2=1", 7 * units.E0_meV),
        ("E2-E1_E0=1", 4.0),
        ("splitting=1", 2 * units.E0_meV),
        ("splitting_ueV=1", 2000 * units.E0_meV),
        ("E0_E0=1", 1.0),
    ):
        assert float(Want.parse(text).of(levels, units)) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["E1", "E1=", "F1=2", "E1-E0_kV=1", "E0-E1=1", "E1-E0=-1", "splitting_meV=0", "E1=inf", "E1E0=1"]
)
def test_malformed_wants_are_refused(text):
    with pytest.raises(UsageError, match="--want"):
        Want.parse(text)


@pytest.mark.parametrize("text", ["E1_meV=-2", "E1-E0_ueV=150"])
def test_slopes_are_derivatives_of_residuals(text):
    want, units, value = Want.parse(text), Units(), 170.0
    step = 1e-4
    difference = (want.off(value + step, units)[0] - want.off(value - step, units)[0]) / (2 * step)
    assert want.off(value, units)[1] == pytest.approx(difference, rel=1e-7)
    assert want.off(want.wanted, units)[0] == 0


def test_ranges_of_options():
    assert varied.ranges("a, delta=0:1") == {"a": None, "delta": (0.0, 1.0)}
    for text in ("a=1", "a=2:1", "a=x:1", "a,,b", "a,a"):
        with pytest.raises(UsageError, match="--vary"):
            varied.ranges(text)


# --- designs ---


@pytest.fixture(scope="module")
def splitting():
    return design({"barrier_meV": None}, ["splitting_meV=0.1"])


def test_the_barrier_of_a_wanted_splitting(splitting):
    energies = levels_of(splitting)
    assert float(energies[1] - energies[0]) == pytest.approx(0.1, rel=1e-5)
    assert splitting.best.options["barrier_meV"] == pytest.approx(4.68076537, rel=1e-6)
    assert splitting.best.off <= 1e-7
    assert splitting.best.bars[0] < 1e-9
    assert len(splitting.trials) <= 6


def test_report_is_ready_for_json(splitting):
    report = json.loads(json.dumps(splitting.report()))
    assert report["wants"][0]["quantity"] == "splitting_meV"
    assert report["wants"][0]["error_bar"] < 1e-9
    keys = [text.partition("=")[0] for text in report["set"]]
    assert keys == ["potential.param_mode", "potential.barrier_meV"]


def test_spacing_across_of_a_wanted_level():
    """Half of ħω across is in every level, so the answer is known: the default's E0 with 1 meV more."""
    base = configuration.problem(configuration.load((), (), env={}).config)
    wanted = float(reference.solve(base, 1).energies[0]) * base.units.E0_meV + 0.5
    found = design({"hbar_omega_y_meV": (4, 8)}, [f"E0={wanted!r}"])
    assert found.best.options["hbar_omega_y_meV"] == pytest.approx(6, rel=1e-6)


def test_two_options_for_two_quantities():
    found = design({"barrier_meV": (1, 4), "delta": (0.2, 1)}, ["E1-E0=1", "E0=3.03"], tolerance=1e-6)
    energies = levels_of(found)
    assert float(energies[1] - energies[0]) == pytest.approx(1, rel=1e-5)
    assert float(energies[0]) == pytest.approx(3.03, rel=1e-5)
    assert len(found.trials) <= 10


def test_what_no_dot_has_is_refused_with_the_range_that_was_found():
    with pytest.raises(
        UsageError, match=r"no dot with splitting = 1 \(found: 0\.193\d+ to 0\.403\d+\)"
    ) as caught:
        design({"barrier_meV": (1, 3)}, ["splitting=1"])
    assert "barrier_meV from 1 to 3" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("vary", "wants", "says"),
    [
        ({"barier": None}, ["E0=1"], "Did you mean 'barrier_meV'"),
        ({}, ["E0=1"], "needs an option"),
        ({"a": None}, [], "needs an option"),
    ],
)
def test_designs_that_mean_nothing_are_refused_before_anything_is_solved(vary, wants, says):
    with pytest.raises(UsageError, match=says):
        design(vary, wants)


# --- the command ---


def test_the_command_prints_the_dot_and_how_to_run_it():
    found = ritz("design", "--vary", "a=1.4:1.6", "--want", "splitting_ueV=280", "--tolerance", "1e-4")
    assert found.returncode == 0, found.stderr
    assert "Next: lior ritz run --set potential.a=1." in found.stdout
    row = next(line for line in found.stdout.splitlines() if line.startswith("splitting_ueV"))
    assert float(row.split()[3]) == pytest.approx(280, rel=1e-3)
