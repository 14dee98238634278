"""Sweeps: what is solved, what is written, the command."""

import csv
import io
import json

import numpy as np
import pytest
from commands import ritz
from matplotlib import pyplot

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.cli import varied
from lior_ritz.sweeps.folder import table
from lior_ritz.sweeps.pictures import pictures
from lior_ritz.sweeps.sweep import Axis, plan, run
from lior_ritz.sweeps.tracking import Sampled, follow
from lior_ritz.verification import reference

SMALL = ("solver.K=2",)
BARRIER = Axis("barrier_meV", (2.0, 2.5, 3.0))


# --- what --vary means ---


def test_axes_are_ranges_or_lists():
    assert varied.axis("barrier_meV=0.5:12:8")[1][1] == 2.14285714286
    assert varied.axis("M=8:64:4:log") == ("M", (8.0, 16.0, 32.0, 64.0))
    assert varied.axis(" a = 2, 1.5") == ("a", (2.0, 1.5))


# --- plans ---


def test_options_and_keys_are_combined():
    mixed = plan([Axis("delta", (0.5, 1.0)), Axis("domain.X", (3.0, 4.0))], overrides=SMALL)
    assert [(p.problem.potential.delta, p.problem.half_widths[0]) for p in mixed.points] == [
        (0.5, 3.0),
        (0.5, 4.0),
        (1.0, 3.0),
        (1.0, 4.0),
    ]


def test_each_point_can_be_run_by_itself():
    for point in plan([BARRIER], overrides=SMALL).points:
        alone = configuration.load((), [*SMALL, *point.assignments], env={}).config
        assert configuration.problem(alone) == point.problem


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ([Axis("barier", (1.0,))], "Did you mean 'barrier_meV'"),
        ([Axis("domain.Xx", (1.0,))], "Did you mean 'domain.X'"),
        ([Axis("domain.nq", (10.0,))], "is of the network, which is not trained; add --network"),
        ([Axis("a", ("wide",))], "allowed is a number"),
        ([Axis("domain.dim", (1.5,))], "allowed is a whole number"),
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
def found():
    """A sweep of three points."""
    return run(plan([BARRIER], overrides=SMALL))


def test_rows_have_what_the_reference_has(found):
    for row in found.rows:
        dot = found.plan.points[row["index"]].problem
        exact = reference.solve(dot, 2)
        unit = dot.units.E0_meV
        assert row["E_meV"] == pytest.approx((exact.energies * unit).tolist(), rel=1e-9)
        gap = float(exact.energies[1] - exact.energies[0]) * unit
        assert row["splitting_meV"] == pytest.approx([gap], rel=1e-6)
        assert max(row["error_meV"]) < 1e-8
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


def test_a_sweep_that_is_stopped_has_what_is_done():
    found = run(plan([BARRIER], overrides=SMALL), stop=lambda index: index == 1)
    assert [row["index"] for row in found.rows] == [0]
    assert found.report()["missing"] == 2


def test_workers_give_the_rows_of_this_process_and_can_be_stopped(found):
    def rows(answers):
        return [{key: value for key, value in row.items() if key != "seconds"} for row in answers.rows]

    planned = plan([BARRIER], overrides=SMALL)
    assert rows(run(planned, workers=2)) == rows(found)
    assert [row["index"] for row in run(planned, workers=1, stop=lambda index: index == 1).rows] == [0]


def test_a_point_that_fails_is_noted_and_the_others_are_solved(monkeypatch):
    solve = reference.solve

    def fails(problem, *rest, **options):
        if problem.potential.barrier_meV == 2.5:
            raise UsageError("no\nsuch luck")
        return solve(problem, *rest, **options)

    monkeypatch.setattr(reference, "solve", fails)
    found = run(plan([BARRIER], overrides=SMALL))
    assert [row["index"] for row in found.rows] == [0, 2]
    assert found.failures == [{"index": 1, "values": {"barrier_meV": 2.5}, "error": "no such luck"}]


def test_table_and_pictures(found):
    rows = list(csv.DictReader(io.StringIO(table(found.rows))))
    assert [float(row["barrier_meV"]) for row in rows] == [2.0, 2.5, 3.0]
    assert float(rows[2]["E_meV_1"]) == found.rows[2]["E_meV"][1]
    assert float(rows[0]["dE_meV_by_barrier_meV_0"]) == found.rows[0]["dE_meV"]["barrier_meV"][0]
    levels, splittings = pictures(found)
    assert [curve.name for curve in levels.panels[0].curves] == ["state 0", "state 1"]
    assert list(splittings.panels[0].curves[0].x) == [2.0, 2.5, 3.0]
    assert splittings.panels[0].log_y


# --- the command ---


def test_the_command_writes_a_sweep_into_a_new_directory(tmp_path):
    command = ("sweep", "--vary", "delta=0:1:2", "--out", str(tmp_path / "s"), "--set", "solver.K=2")
    first = ritz(*command)
    assert first.returncode == 0, first.stderr
    assert "E1 - E0" in first.stdout
    names = {path.name for path in (tmp_path / "s").rglob("*") if path.is_file()}
    assert {"sweep.json", "sweep.csv", "sweep-levels.png", "sweep-splittings.png"} <= names
    written = json.loads((tmp_path / "s" / "sweep.json").read_text())
    assert [row["values"] for row in written["points"]] == [{"delta": 0.0}, {"delta": 1.0}]
    second = ritz(*command)
    assert second.returncode == 1
    assert "not empty" in second.stderr


# --- followed through crossings, and networks ---


def test_states_are_followed_through_degenerate_levels_and_crossings():
    field = Axis("physics.field_tesla", (-1.0, 0.0, 1.0, 2.5))
    box = ("potential.type=harmonic", "domain.X=6", "domain.Y=6", "solver.K=3")
    rows = run(plan([field], overrides=box)).rows
    energies = [dict(zip(row["curve"], row["E_meV"], strict=True)) for row in rows]
    low, high = energies[0][1], energies[0][2]
    assert energies[2][1] == pytest.approx(high), "what is pressed down by a field is lifted by its reverse"
    assert energies[2][2] == pytest.approx(low)
    assert energies[1][1] == pytest.approx(energies[1][2])
    assert energies[3][2] < energies[2][2]
    assert 1 not in energies[3], "it has left the three that are kept"


def test_any_key_is_varied_with_words_and_networks(tmp_path):
    axes = [Axis("physics.material", ("GaAs", "Si")), Axis("domain.X", (3.5,))]
    found = run(plan(axes, overrides=SMALL))
    assert found.rows[0]["E_meV"] != found.rows[1]["E_meV"]
    assert pictures(found) == []
    small = ("--set", "solver.K=2", "--set", "training.steps=4", "--set", "training.lbfgs_refine.steps=4")
    vary = ("--vary", "model.hidden_features=4,8", "--vary", "training.seed=1,2")
    done = ritz("sweep", "--network", *vary, *small, "--out", tmp_path / "s", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    errors = [max(row["network_relative_error"]) for row in json.loads(done.stdout)["points"]]
    assert len(set(errors)) == 4
    assert (tmp_path / "s" / "plots" / "sweep-errors.png").is_file()


def test_both_spins_of_a_state_have_a_curve():
    field = Axis("physics.field_tesla", (0.0, 2.0))
    box = ("potential.type=harmonic", "domain.X=6", "domain.Y=6", "solver.K=2", "physics.g=-10")
    levels, *_ = pictures(run(plan([field], overrides=box)))
    up, down = levels.panels[0].curves[1::-1]
    assert (up.name, down.name) == ("state 0, spin up", "state 0, spin down")
    assert up.y[0] == down.y[0]
    assert down.y[1] - up.y[1] == pytest.approx(10 * 0.0578838 * 2, rel=1e-5)
    assert levels.panels[0].x_label == "magnetic field (T)"
    axis = pyplot.figure().subplots()
    levels.panels[0].draw(axis)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["spin down", "spin up"]
    assert axis.get_legend().get_window_extent().x0 >= axis.get_window_extent().x1
    assert len({line.get_color() for line in axis.get_lines()}) == 2
    pyplot.close("all")


def test_a_state_that_leaves_the_lowest_levels_has_its_number_when_it_is_back():
    states = np.eye(3)

    def point(*chosen):
        return Sampled(np.arange(len(chosen), dtype=float), states[list(chosen)])

    assert follow([point(0, 1), point(0, 2), point(2, 1), point(1, 0)]) == [[0, 1], [0, 2], [2, 1], [1, 0]]
