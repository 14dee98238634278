"""What is said of a run: the network beside its reference, the splitting between its own bounds."""

from __future__ import annotations

import math

import attrs
import numpy as np
import pytest
from click.testing import CliRunner

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.cli.config import explain
from lior_ritz.cli.evaluate import evaluate
from lior_ritz.cli.levels import echo_levels
from lior_ritz.cli.reference import reference as command_of_reference
from lior_ritz.cli.run import run
from lior_ritz.potentials.wells import HarmonicBarrier
from lior_ritz.problem import Problem
from lior_ritz.training.solution import Solution, solve
from lior_ritz.verification import reference

UNTRAINED = (
    "training.steps=0",
    "training.lbfgs_refine.steps=0",
    "model.hidden_features=12",
    "domain.nq=24",
    "solver.network=true",
)


@pytest.fixture(scope="module")
def poor() -> Solution:
    return solve({"potential": {"type": "gaussian", "amplitude": -60.0, "sigma_x": 0.3}}, overrides=UNTRAINED)


def printed(solution, capsys):
    echo_levels(solution)
    return capsys.readouterr().out


def test_a_network_that_misses_its_reference_is_told_so_first(poor, capsys):
    assert poor.missed
    lines = printed(poor, capsys).splitlines()
    assert lines[0].startswith("WARNING: levels MISS the reference's, by up to")
    assert lines[2].index("reference, meV") < lines[2].index("network, meV")
    first = float(lines[3].split()[1])
    assert poor.judging_seconds > poor.reference.seconds > 0
    assert first == pytest.approx(float(poor.reference.energies[0]) * poor.problem.units.E0_meV, rel=1e-6)


def test_the_exit_code_says_it_too_and_a_looser_accuracy_allows_it(tmp_path):
    options = [word for each in UNTRAINED for word in ("--set", each)]
    done = CliRunner().invoke(run, ["--out", str(tmp_path / "a"), "--quiet", *options])
    assert done.exit_code == 1, done.output
    assert "WARNING: levels MISS" in done.output
    assert "processor seconds of training" in done.output
    assert "processor seconds in all" in done.output
    options += ["--set", "solver.accuracy=10"]
    done = CliRunner().invoke(run, ["--out", str(tmp_path / "b"), "--quiet", *options])
    assert done.exit_code == 0, done.output
    assert "MISS" not in done.output


def test_levels_that_are_not_within_the_tolerance_are_an_exit_code_of_1(tmp_path, monkeypatch):
    solved = reference.solve
    monkeypatch.setattr(
        reference, "solve", lambda *a: attrs.evolve(found := solved(*a), within=~found.within)
    )
    for command, options in ((run, ["--out", tmp_path / "a", "--quiet"]), (evaluate, [tmp_path / "a"])):
        done = CliRunner().invoke(command, [*map(str, options)])
        assert "NOT within the tolerance: E0, E1, E2, E3\n" in done.output
        assert done.exit_code == 1


def test_bars_include_what_the_walls_are_said_to_move(tmp_path):
    """By the command's README: the same lines and exit code by all three commands."""
    well = ["--set", "potential.type=gaussian"]
    out = str(tmp_path / "a")
    for command, options in (
        (run, [*well, "--out", out, "--quiet"]),
        (evaluate, [out]),
        (command_of_reference, well),
    ):
        done = CliRunner().invoke(command, options)
        assert "it would move E1 by about -0.015 meV" in done.output
        assert "NOT within the tolerance: E0, E1, E2, E3" in done.output
        assert done.exit_code == 1
    found = solve({"potential": {"type": "gaussian"}})
    larger = reference.solve(Problem(found.problem.potential, (12.0, 12.0)), 2)
    assert abs(found.energies[1] - larger.energies[1]) < found.reference.errors[1] < 0.1
    one = CliRunner().invoke(
        run, [*well, "--set", "domain.X=8", "--set", "domain.Y=8", "--set", "solver.K=1", "--out", f"{out}b"]
    )
    assert "NOT" not in one.output  # of levels above those asked for


def test_a_splitting_lies_between_bounds_that_are_narrower_than_its_levels(capsys):
    """Two levels 1.8e-5 apart, known to 1e-3 from the network: the interval is the reference's difference."""
    dot = {"potential": {"param_mode": "barrier", "barrier_meV": 20.0}}
    found = solve(dot, overrides=(*UNTRAINED, "model.hidden_features=24"))
    first = found.splittings[0]
    assert first.lower <= first.reference <= first.upper
    assert first.upper - first.lower < 1e-4 * first.reference
    assert first.upper - first.lower < 1e-3 * float((found.bounds.upper - found.bounds.lower)[:2].sum())
    assert first.missed(1e-3) == (abs(first.value / first.reference - 1) > 1e-3)
    assert "true value" in printed(found, capsys)


def test_differences_of_the_references_levels_have_bars_of_their_own():
    """Both levels of a tilted, coupled dot move together when the basis grows."""
    problem = Problem(HarmonicBarrier(barrier=40.0, shear=0.1), (4.0, 4.0))
    rough, fine = (reference.solve(problem, 4, tolerance=tolerance) for tolerance in (1e-5, 1e-11))
    off = abs(np.diff(rough.energies) - np.diff(fine.energies))
    assert bool((off <= rough.splitting_errors + fine.splitting_errors).all())
    assert bool((rough.splitting_errors <= rough.errors[1:] + rough.errors[:-1]).all())


def test_a_pole_inside_the_box_is_refused_before_anything_is_solved():
    for formula, dim in (("1/x", 1), ("1/x", 2), ("log(x**2) + y**2", 2)):
        with pytest.raises(UsageError, match=r"not finite at \(0.*inside the box"):
            configuration.load(
                [{"domain": {"dim": dim}, "potential": {"type": "expression", "expression": formula}}], env={}
            )


def test_explain_shows_values_and_what_m_does_not_do():
    text = CliRunner().invoke(explain, []).output
    assert "--set potential.type=box --set potential.offset=1" in text
    assert "Factory" not in text
    assert "energies do not depend on M" in text
    few, many = (solve(overrides=(*UNTRAINED, f"solver.M={m}")).energies for m in (4, 12))
    assert math.isclose(float(few[0]), float(many[0]), rel_tol=1e-9)
