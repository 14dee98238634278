"""Sweeps: what is solved, by what, going on, the command."""

import csv
import io
import json

import pytest
import torch
from commands import ritz

from lior.errors import RunError, Stopped, UsageError
from lior_ritz import config as configuration
from lior_ritz.cli import varied
from lior_ritz.judge import reference
from lior_ritz.sweeps import sweep
from lior_ritz.sweeps.folder import SweepDir
from lior_ritz.sweeps.pictures import pictures
from lior_ritz.sweeps.seeds import over_seeds
from lior_ritz.sweeps.sweep import Axis, Keeper, in_order, plan, run

SMALL = ("solver.K=2", "model.hidden_features=12")
BARRIER = Axis("barrier_meV", (2.0, 2.5, 3.0))
TINY = ("solver.K=2", "model.hidden_features=6", "training.steps=5", "training.lbfgs_refine.steps=5")


# --- what --vary means ---


def test_axes_are_ranges_or_lists():
    assert varied.axis("barrier_meV=0.5:12:8")[1][1] == 2.14285714286
    assert varied.axis("M=8:64:4:log") == ("M", (8.0, 16.0, 32.0, 64.0))
    assert varied.axis(" a = 2, 1.5") == ("a", (2.0, 1.5))


@pytest.mark.parametrize(
    "text",
    ["a", "a=", "=1:2:3", "a=1:2", "a=1:2:3:lin", "a=1:2:x", "a=1:nan:3", "a=1:2:1", "a=1:2:2.5", "a=2:2:3",
     "a=0:2:3:log", "a=1,b"],
)  # fmt: skip
def test_malformed_axes_are_refused(text):
    with pytest.raises(UsageError, match="--vary"):
        varied.axis(text)


# --- plans ---


def test_what_only_a_network_answers_to_is_trained_and_the_rest_is_the_referees():
    numeric = plan([Axis("domain.nq", (24.0, 34.0))], overrides=SMALL)
    assert [point.config.domain.nq for point in numeric.points] == [24, 34]
    mixed = plan([Axis("delta", (0.5, 1.0)), Axis("domain.X", (3.0, 4.0))], overrides=SMALL)
    assert [(p.config, p.problem.potential.delta, p.problem.half_widths[0]) for p in mixed.points] == [
        (None, 0.5, 3.0), (None, 0.5, 4.0), (None, 1.0, 3.0), (None, 1.0, 4.0),
    ]  # fmt: skip


def test_each_point_can_be_run_by_itself():
    for point in plan([BARRIER], overrides=SMALL).points:
        alone = configuration.load((), [*SMALL, *point.assignments], env={}).config
        assert configuration.problem(alone) == point.problem


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ([Axis("barier", (1.0,))], "Did you mean 'barrier_meV'"),
        ([Axis("domain.nx", (1.0,))], "Did you mean 'domain.nq'"),
        ([Axis("solver.head", (1.0,))], "only numbers are varied"),
        ([Axis("domain.nq", (10.5,))], "allowed is a whole number"),
        ([Axis("a", (-1.0,))], "at least"),
        ([Axis("a", (1.0,)), Axis("potential.a", (2.0,))], "varied twice"),
        ([Axis("a", (1.0, 1.0))], "have to differ"),
        ([], "needs an option"),
    ],
)
def test_plans_that_mean_nothing_are_refused_before_anything_is_solved(axes, says):
    with pytest.raises(UsageError, match=says):
        plan(axes, overrides=SMALL)


def test_an_option_of_a_mode_that_was_not_chosen_is_refused():
    with pytest.raises(UsageError, match="says nothing with param_mode"):
        plan([BARRIER], overrides=["potential.param_mode=targets"])


# --- solving ---


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A sweep of three points, kept in a directory."""
    planned = plan([BARRIER], overrides=SMALL)
    keeper = SweepDir(tmp_path_factory.mktemp("kept") / "sweep", planned)
    run(planned, keeper)
    keeper.close()
    return planned, keeper


def test_rows_have_what_the_referee_has(kept):
    planned, keeper = kept
    for row in in_order(keeper.rows):
        dot = planned.points[row["index"]].problem
        exact = reference.solve(dot, 2)
        unit = dot.units.E0_meV
        assert row["E_meV"] == pytest.approx((exact.energies * unit).tolist(), rel=1e-9)
        gap = float(exact.energies[1] - exact.energies[0]) * unit
        assert row["splitting_meV"] == pytest.approx([gap], rel=1e-6)
        low, high = row["lower_meV"], row["upper_meV"]
        assert all(a <= e * unit <= b for a, e, b in zip(low, exact.energies.tolist(), high, strict=True))
        assert row["left_weight"] == pytest.approx([0.5, 0.5], abs=1e-9)
        step = 1e-3
        here = row["values"]["barrier_meV"]
        up, down = (reference.solve(dot, 2, device={"barrier_meV": here + s}).energies for s in (step, -step))
        slopes = ((up - down) / (2 * step) * unit).tolist()
        assert row["dE_meV"]["barrier_meV"] == pytest.approx(slopes, abs=1e-7)
        assert row["dipole_x_01_nm"] == pytest.approx(_dipole(dot, exact), rel=1e-7)


def _dipole(problem, exact):
    from lior_ritz.problem.quadrature import grid_rule

    rule = grid_rule("gauss_legendre", (80, 80), problem.half_widths)
    ground, excited = exact.functions(rule.points)[:2]
    return abs(float((rule.weights * rule.points[:, 0] * ground * excited).sum())) * problem.units.L0_nm


# --- going on ---


def test_a_stopped_sweep_goes_on_to_the_same_numbers(kept, tmp_path):
    planned, whole = kept
    seen = []

    def watch(point, trainer):
        seen.append(point.index)
        if len(seen) == 1:
            raise Stopped("")

    keeper = SweepDir(tmp_path / "s", planned)
    with pytest.raises(Stopped):
        run(planned, keeper, watch=watch)
    keeper.close()
    again = SweepDir(tmp_path / "s", planned)
    assert sorted(again.rows) == [0]
    run(planned, again, watch=watch)
    again.close()
    assert seen == [0, 1, 2]
    for mine, other in zip(in_order(again.rows), in_order(whole.rows), strict=True):
        assert mine["E_E0"] == other["E_E0"]


def test_another_sweep_is_refused_and_nothing_is_changed(kept):
    _, keeper = kept
    before = (keeper.path / "sweep.json").read_text()
    for other, says in (
        (plan([BARRIER], overrides=("solver.K=3", "model.hidden_features=12")), "solver.K is 2 there, 3 now"),
        (plan([Axis("barrier_meV", (2.0, 3.0))], overrides=SMALL), "barrier_meV from 2 to 3 in 3 there"),
    ):
        with pytest.raises(RunError, match=says) as caught:
            SweepDir(keeper.path, other)
        assert "\n" not in str(caught.value)
    assert (keeper.path / "sweep.json").read_text() == before


def test_a_directory_with_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    planned = plan([BARRIER], overrides=SMALL)
    with pytest.raises(RunError, match="not empty"):
        SweepDir(tmp_path, planned)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read as a sweep"):
        SweepDir(tmp_path, planned)


def test_a_point_that_fails_is_noted_and_tried_again(tmp_path, monkeypatch):
    planned = plan([BARRIER], overrides=SMALL)
    solve = reference.solve

    def fails(problem, *rest, **options):
        if problem.potential.barrier_meV == 2.5:
            raise UsageError("no\nsuch luck")
        return solve(problem, *rest, **options)

    monkeypatch.setattr(reference, "solve", fails)
    keeper = SweepDir(tmp_path / "s", planned)
    run(planned, keeper)
    keeper.close()
    assert sorted(keeper.rows) == [0, 2]
    assert keeper.failures[1]["error"] == "no such luck"
    monkeypatch.setattr(reference, "solve", solve)
    seen = []
    again = SweepDir(tmp_path / "s", planned)
    run(planned, again, watch=lambda point, trainer: seen.append(point.index))
    again.close()
    assert seen == [1]
    assert again.failures == {}
    assert json.loads((tmp_path / "s" / "sweep.json").read_text())["missing"] == 0


# --- several seeds, tables, pictures ---


def test_means_and_standard_errors_over_seeds():
    axes = [Axis("solver.M", (2.0, 4.0)), Axis("training.seed", (1.0, 2.0, 3.0))]
    rows = [
        {"values": {"solver.M": m, "training.seed": s}, "error_meV": [m * s], "relative_error": [s],
         "seconds": 1.0, "steps": 10}
        for m in (2.0, 4.0) for s in (1.0, 2.0, 6.0)
    ]  # fmt: skip
    found = over_seeds(axes, rows)
    values = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    error = float(values.std(correction=1) / 3**0.5)
    assert [each["values"] for each in found] == [{"solver.M": 2.0}, {"solver.M": 4.0}]
    assert found[1]["error_meV"]["mean"] == [pytest.approx(12.0)]
    assert found[1]["error_meV"]["standard_error"] == [pytest.approx(4 * error)]
    assert found[0]["steps"] == {"mean": 10, "standard_error": 0}
    assert over_seeds(axes[:1], rows) == []


def test_seeds_differ():
    planned = plan([Axis(sweep.SEED, (1.0, 2.0))], overrides=TINY)
    keeper = Keeper()
    run(planned, keeper)
    first, second = in_order(keeper.rows)
    assert first["E_E0"] != second["E_E0"]
    [found] = over_seeds(planned.axes, [first, second])
    assert found["seeds"] == 2
    assert found["values"] == {}


def test_table_and_pictures(kept):
    planned, keeper = kept
    rows = list(csv.DictReader(io.StringIO((keeper.path / "sweep.csv").read_text())))
    assert [float(row["barrier_meV"]) for row in rows] == [2.0, 2.5, 3.0]
    assert float(rows[2]["E_meV_1"]) == keeper.rows[2]["E_meV"][1]
    assert float(rows[0]["dE_meV_by_barrier_meV_0"]) == keeper.rows[0]["dE_meV"]["barrier_meV"][0]
    levels, splittings, errors = pictures(planned.axes, in_order(keeper.rows))
    assert [curve.name for curve in levels.panels[0].curves] == ["E0", "E1"]
    assert list(splittings.panels[0].curves[0].x) == [2.0, 2.5, 3.0]
    assert splittings.panels[0].log_y
    assert errors.name == "sweep-errors"


# --- the command ---


def lior(*arguments):
    return ritz(*arguments)


def test_the_command_writes_a_sweep_and_does_nothing_again(tmp_path):
    settings = [part for each in TINY for part in ("--set", each)]
    command = ("sweep", "--vary", "delta=0:1:2", "--out", str(tmp_path / "s"), *settings)
    first = lior(*command)
    assert first.returncode == 0, first.stderr
    assert "E1 - E0" in first.stdout
    names = {path.name for path in (tmp_path / "s").rglob("*") if path.is_file()}
    assert {
        "sweep.json",
        "sweep.csv",
        "sweep-levels.png",
        "sweep-splittings.png",
        "sweep-errors.png",
    } <= names
    before = (tmp_path / "s" / "sweep.json").read_text()
    second = lior(*command, "--json", "--quiet")
    assert second.stderr == ""
    assert json.loads(second.stdout)["points"] == json.loads(before)["points"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--vary", "barier_meV=1:2:3"], "Did you mean 'barrier_meV'"),
        (["--vary", "delta=1:2"], "allowed is NAME=LOW:HIGH:COUNT"),
        (["--vary", "c4=1,2", "--set", "potential.param_mode=targets"], "c4 says nothing with param_mode"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, says):
    found = lior("sweep", *arguments)
    assert found.returncode == 2
    assert says in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert "Traceback" not in found.stderr
