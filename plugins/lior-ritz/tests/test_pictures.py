"""Pictures of a run: what is drawn is what the run found."""

from __future__ import annotations

import numpy as np
import pytest
from solved import solved

from lior.plots.panels import LeftOut, LineChart
from lior_cli.pictures import build_pictures
from lior_ritz.reports.field import Field
from lior_ritz.reports.ladder import Ladder
from lior_ritz.reports.pictures import PictureSource, expand, names, picture

pytest.importorskip("matplotlib")

from lior.plots.figures import draw

NM, MEV = 30.0, 0.6318378293532338


def of(name, case="dot", **changes):
    solution, history = solved(case)
    return picture(name, PictureSource(**{"solution": solution, "history": history} | changes))


def pictures(solution, history=(), label=""):
    source = PictureSource(solution=solution, history=history, label=label)
    return build_pictures(names(len(solution.energies)), lambda name: picture(name, source))[0].values()


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
    assert set(names(3)) - set(drawn) == {"convergence"}
    with pytest.raises(LeftOut, match="no metrics"):
        of("convergence", history=[])


# --- the potential ---


def test_the_map_is_where_the_states_are_in_nm_and_meV():
    [panel] = panels("potential_map")
    assert isinstance(panel, Field)
    assert -120 < panel.x[0] == -panel.x[-1] < -60 < panel.y[0] == -panel.y[-1] < 0
    assert (panel.x_label, panel.y_label, panel.unit) == ("x in nm", "y in nm", "V in meV")
    c4, c2y = 0.6262226878928537, 15.655567197321348
    i, j = 20, 120
    x, y = panel.x[j] / NM, panel.y[i] / NM
    want = MEV * (c4 * (x**2 - 2.25) ** 2 + c2y * y**2)
    assert panel.values[i][j] == pytest.approx(want)


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


def test_one_dimension_has_lines():
    for name in ("potential_map", "density_state_1", "psi_state_1"):
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
    assert len(panels("potential_map", "space")) == 3


# --- levels ---


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


# --- training ---


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


def test_lines_without_a_number_are_passed_over():
    _, history = solved("dot")
    refused = {"step": 2, "stage": "adam", "phase": "adam", "grad_norm": 0.0, "dt_sec": 0.1}
    found = [history[0], refused, history[2] | {"eigvals": None}, *history[3:]]
    assert panels("convergence", history=found)[0].curves[0].x[:2] == [1, 4]


# --- names ---


def test_the_name_of_a_family_stands_for_all_states():
    assert expand("convergence, psi_state", 2) == "convergence,psi_state_0,psi_state_1"
    assert {"convergence", "psi_state_2", "density_state_0"} < set(names(3))
