"""Pictures of a run: what is drawn is what the run found."""

from __future__ import annotations

import numpy as np
import pytest
from solved import solved

from lior.plots.panels import LeftOut, LineChart
from lior_cli.pictures import built
from lior_ritz.reports.field import Field
from lior_ritz.reports.ladder import Ladder
from lior_ritz.reports.pictures import PictureSource, expand, names, picture

pytest.importorskip("matplotlib")

from lior.plots.figures import draw

NM, MEV = 30.0, 0.6318378293532338
TRAINING = ("training_losses", "training_energies", "training_dashboard", "convergence")


def of(name, case="dot", **changes):
    solution, history = solved(case)
    return picture(name, PictureSource(**{"solution": solution, "history": history} | changes))


def pictures(solution, history=(), label=""):
    source = PictureSource(solution=solution, history=history, label=label)
    return built(names(len(solution.energies)), lambda name: picture(name, source))[0].values()


def panels(name, case="dot", **changes):
    return list(of(name, case, **changes).panels)


def curve(panel, name):
    [found] = [each for each in panel.curves if each.name == name]
    return np.array(found.x), np.array(found.y)


# --- all of them ---


def test_every_picture_has_its_name():
    solution, history = solved("dot")
    assert [each.name for each in pictures(solution, history)] == list(names(3))


@pytest.mark.parametrize("case", ["dot", "negative", "line"])
def test_every_picture_is_drawn_and_none_is_blank(case, tmp_path):
    solution, history = solved(case)
    others = ("_state_1", "_state_2") if case != "dot" else ()
    for each in pictures(solution, history, label="run 7"):
        assert each.title.startswith("run 7: ")
        if each.name.endswith(others):
            continue
        for panel in each.panels:
            assert panel.title
            assert isinstance(panel, Ladder) or panel.x_label
            if isinstance(panel, LineChart):
                assert_seen(panel, each.name)
        figure = draw(each)
        figure.canvas.draw()
        for axes, panel in zip(figure.axes, each.panels, strict=False):
            if isinstance(panel, LineChart):
                ticks = axes.get_yticks()
                low, high = axes.get_ylim()
                assert sum(low <= tick <= high for tick in ticks) >= 2, (
                    f"{each.name} has no numbers beside it"
                )
        assert all(panel.table().rows for panel in each.panels)


def assert_seen(panel, name):
    """Most of every curve lies within the limits of its panel."""
    for each in panel.curves:
        y = np.array(each.y)
        low = -np.inf if panel.low is None else panel.low
        high = np.inf if panel.high is None else panel.high
        share = np.mean((y >= low) & (y <= high))
        assert share > (0.05 if name.startswith("potential") else 0.5), (name, panel.title)


def test_without_metrics_the_pictures_of_training_are_left_out():
    solution, _ = solved("dot")
    drawn = [each.name for each in pictures(solution)]
    assert set(TRAINING) < set(names(3)) - set(drawn)
    for name in TRAINING:
        with pytest.raises(LeftOut, match="no metrics"):
            of(name, history=[])


# --- the potential ---


def test_the_map_is_of_the_whole_box_in_nm_and_meV():
    [panel] = panels("potential_map_full")
    assert isinstance(panel, Field)
    assert (panel.x[0], panel.x[-1], panel.y[0], panel.y[-1]) == pytest.approx((-120, 120, -120, 120))
    assert (panel.x_label, panel.y_label, panel.unit) == ("x in nm", "y in nm", "V in meV")
    c4, c2y = 0.6262226878928537, 15.655567197321348
    x, y = 30 / NM, 90 / NM
    i, j = np.argmin(np.abs(np.array(panel.y) - 90)), np.argmin(np.abs(np.array(panel.x) - 30))
    want = MEV * (c4 * (x**2 - 2.25) ** 2 + c2y * y**2)
    assert panel.values[i][j] == pytest.approx(want)
    assert panel.high is None


def test_the_focus_is_four_barriers_high_and_has_an_alias():
    [panel] = panels("potential_map_focus")
    assert panel.high == pytest.approx(4 * 2.0030852802382726, abs=1e-3)
    assert panel.x[-1] < 120, "where the states are"
    assert panels("potential_map") == [panel]


def test_the_slice_has_the_barrier_and_the_levels():
    [panel] = panels("potential_slice_y0")
    x, v = curve(panel, "V")
    assert v[x == 0] == pytest.approx([2.0030852802382726])
    energies = solved("dot")[0].energies_meV.tolist()
    assert panel.levels == {f"E{k}": energy for k, energy in enumerate(energies)}
    assert panel.low < 0 < max(energies) < panel.high
    assert "y = 0" in panel.title


# --- states ---


@pytest.mark.parametrize("k", range(3))
def test_densities_and_waves_are_of_norm_1(k):
    [density], [wave] = panels(f"density_state_{k}"), panels(f"psi_state_{k}")
    cell = (density.x[1] - density.x[0]) * (density.y[1] - density.y[0])
    np.testing.assert_allclose(np.square(wave.values), density.values, atol=1e-12)
    assert np.sum(density.values) * cell == pytest.approx(1, abs=1e-4)
    assert density.unit == "|ψ|² in 1/nm²"
    assert density.low == 0
    energy = f"{float(solved('dot')[0].energies_meV[k]):.6g}\u00a0meV"
    assert energy in of(f"psi_state_{k}").title


def test_a_wave_has_its_sign_and_node_at_its_place():
    [panel] = panels("psi_state_1")
    assert panel.diverging
    values = np.array(panel.values)
    middle = values.shape[0] // 2
    left = values[middle, : values.shape[1] // 2]
    assert left.max() == pytest.approx(panel.high, rel=1e-3), "positive at the left"
    assert panel.x[int(left.argmax())] == pytest.approx(-42, abs=3)
    np.testing.assert_allclose(values[:, values.shape[1] // 2], 0, atol=1e-12)


def test_a_slice_is_of_the_wave_and_its_density():
    wave, density = panels("slice_y0_state_2")
    x, psi = curve(wave, "ψ2")
    _, square = curve(density, "|ψ2|²")
    np.testing.assert_allclose(psi**2, square)
    solution, _ = solved("dot")
    at = np.array([[float(x[100]) / NM, 0.0]])
    assert abs(psi[100]) == pytest.approx(abs(float(solution.states(at)[2, 0])) / NM)
    assert (wave.y_label, density.y_label) == ("ψ in 1/nm", "|ψ|² in 1/nm²")


def test_one_dimension_has_lines():
    for name in ("potential_map_full", "potential_map_focus", "density_state_1", "psi_state_1"):
        [panel] = panels(name, "line")
        assert isinstance(panel, LineChart)
        assert panel.x_label == "x in nm"
    [panel] = panels("density_state_1", "line")
    assert panel.y_label == "|ψ|² in 1/nm"
    x, density = curve(panel, "|ψ1|²")
    assert density.sum() * (x[1] - x[0]) == pytest.approx(1, abs=1e-5)


def test_three_dimensions_have_central_planes_of_one_scale():
    for k in range(3):
        found = panels(f"psi_state_{k}", "space")
        assert [panel.title for panel in found] == [f"ψ{k}, z = 0", f"ψ{k}, y = 0", f"ψ{k}, x = 0"]
        assert [(panel.x_label, panel.y_label) for panel in found] == [
            ("x in nm", "y in nm"),
            ("x in nm", "z in nm"),
            ("y in nm", "z in nm"),
        ]
        assert len({panel.high for panel in found}) == 1
    assert found[0].unit == "ψ in 1/√nm³"
    assert len(panels("potential_map_full", "space")) == 3


# --- levels and matrices ---


def test_the_spectrum_is_beside_the_references():
    [panel] = panels("energy_spectrum")
    computed, exact = ([step.energy for step in steps] for steps in panel.columns.values())
    solution, _ = solved("dot")
    assert computed == solution.energies_meV.tolist()
    assert exact == pytest.approx((solution.reference.energies * MEV).tolist())


def test_levels_that_are_one_are_a_step():
    [panel] = panels("energy_spectrum", "space")
    steps = panel.columns["reference"]
    found = [(step.name, step.count, step.more) for step in steps]
    assert found == [("E0", 1, False), ("E1 to E3", 3, False), ("E4", 1, True)]


def test_bounds_are_shown_by_their_distance_to_the_reference():
    solution, _ = solved("dot")
    [panel] = panels("bounds")
    above, below = panel.curves
    exact = solution.reference.energies[:3]
    assert above.y == pytest.approx(((solution.bounds.upper - exact) * MEV).tolist())
    assert below.y == pytest.approx(((exact - solution.bounds.lower) * MEV).tolist())
    [panel] = panels("bounds", "natural")
    assert len(panel.curves) == 1
    assert "no lower bound" in panel.title


# --- training ---


def test_the_sum_of_energies_is_beside_the_references():
    solution, history = solved("dot")
    sums, away = panels("training_eigsum")
    x, y = curve(sums, "training nodes")
    assert x.tolist() == list(range(1, 51))
    np.testing.assert_allclose(y, [MEV * line["loss_eigsum"] for line in history])
    exact = MEV * float(solution.reference.energies[:3].sum())
    assert sums.levels == {"reference": pytest.approx(exact)}
    np.testing.assert_allclose(curve(away, "training nodes")[1], np.abs(y - exact))
    assert away.log_y
    x, _ = curve(sums, "independent nodes")
    assert x.tolist() == [20, 50]


def test_convergence_is_the_distance_of_each_level():
    solution, history = solved("dot")
    training, independent = panels("convergence")
    exact = MEV * solution.reference.energies
    x, y = curve(training, "E2")
    assert x.tolist() == list(range(1, 51))
    np.testing.assert_allclose(y, [abs(MEV * line["eigvals"][2] - float(exact[2])) for line in history])
    x, y = curve(independent, "E0")
    lines = [line for line in history if "eval_energies" in line]
    np.testing.assert_allclose(y, [abs(MEV * line["eval_energies"][0] - float(exact[0])) for line in lines])
    assert training.log_x
    assert training.log_y


def test_levels_while_training_end_at_the_references():
    [panel] = panels("training_energies")
    for k, exact in enumerate(panel.levels.values()):
        assert curve(panel, f"E{k}")[1][-1] == pytest.approx(exact, abs=1e-4)


def test_a_high_beginning_is_cut_off_and_said():
    _, history = solved("dot")
    high = [history[0] | {"eigvals": [300.0, 400.0, 500.0]}, *history[1:]]
    [panel] = panels("training_energies", history=high)
    assert panel.high < 20
    assert panels("training_energies")[0].high is None


def test_lines_without_a_number_are_passed_over():
    _, history = solved("dot")
    refused = {"step": 2, "stage": "adam", "phase": "adam", "grad_norm": 0.0, "dt_sec": 0.1}
    found = [history[0], refused, history[2] | {"loss_total": None}, *history[3:]]
    [panel] = panels("training_losses", history=found)
    assert panel.curves[0].x[:2] == [1, 4]


# --- names ---


def test_the_name_of_a_family_stands_for_all_states():
    assert expand("bounds, psi_state,psi_state_1", 2) == "bounds,psi_state_0,psi_state_1,psi_state_1"
    assert {"bounds", "psi_state_2", "density_state_0"} < set(names(3))
