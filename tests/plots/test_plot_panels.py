"""Levels, logarithms, errors, dashboards and files: all of it is there and can be read."""

from __future__ import annotations

import json
import math
import random
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lior.errors import RunError
from lior.plots.panels import Bars, Curve, Heat, Ladder, LeftOut, Levels, Picture
from lior.plots.scales import Scale, spread
from tests.plots.drawn import (
    ENERGIES,
    PANELS,
    SLICE,
    X,
    check_readable,
    field,
    levels,
    lines,
    matrix,
    picture,
    shown,
    texts,
    wave,
)

pytest.importorskip("matplotlib")

from lior.plots.drawing import draw, write


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_can_be_read(name):
    check_readable(draw(picture(PANELS[name])))


@pytest.mark.parametrize("name", PANELS)
@pytest.mark.parametrize("width", [60, 80, 100])
def test_every_sketch_fits_its_width_in_both_alphabets(name, width):
    for blocks in (True, False):
        text = shown(PANELS[name], width=width, blocks=blocks)
        assert 4 <= len(text) < 60
        assert max(map(len, text)) <= width
        assert blocks or "".join(text).isascii()


@pytest.mark.parametrize("name", PANELS)
def test_every_summary_is_json(name):
    [panel] = json.loads(json.dumps(picture(PANELS[name]).summary(), allow_nan=False))["panels"]
    assert panel["kind"] == PANELS[name].kind
    if name == "wave":
        assert panel["values"] == wave().values
    if name == "nothing finite":
        assert panel["curves"][0]["y"] == [None] * 3


# --- levels ---


def test_spread_keeps_order_gaps_and_what_is_free():
    rng = random.Random(0)
    for _ in range(300):
        places = sorted(rng.uniform(-1, 1) for _ in range(rng.randint(1, 9)))
        found = spread(places, gap=0.1, low=-1, high=1)
        assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(found))
        assert -1 - 1e-9 <= found[0] <= found[-1] <= 1 + 1e-9
        moved = [abs(a - b) for a, b in zip(places, found, strict=True)]
        if all(b - a >= 0.1 for a, b in pairwise(places)):
            assert max(moved) < 1e-9
    assert spread([], gap=1, low=0, high=1) == []
    assert spread([0.0, 0.0], gap=2, low=0, high=1) == [0.0, 2.0], "no room: from the foot on"


@pytest.mark.parametrize("name", ["slice", "close levels"])
def test_names_of_levels_stand_at_their_lines_in_order(name):
    panel = PANELS[name]
    figure = draw(picture(panel))
    [axis] = figure.axes
    assert [text.get_text() for text in axis.texts] == [f"{n}: {e:.3f}" for n, e in panel.levels.items()]
    figure.draw_without_rendering()
    heights = [text.xyann[1] for text in axis.texts]
    assert heights == sorted(heights)
    assert [text.xy[1] for text in axis.texts] == list(panel.levels.values()), "where their lines end"
    assert axis.get_legend() is None
    assert [line.get_ydata()[0] for line in axis.lines[1:]] == list(panel.levels.values())


def test_few_levels_stay_in_the_legend_and_those_out_of_sight_have_no_name():
    few = draw(picture(lines([0, 40], levels={"E0": 3.687, "tiny": 1e-9}))).axes[0]
    assert [text.get_text() for text in few.get_legend().get_texts()] == ["a", "E0: 3.687", "tiny: 1e-09"]
    cut = draw(picture(lines([0, 40], levels={"E0": 3.687, "E1": 50.0}, high=40, levels_beside=True))).axes[0]
    assert [text.get_text() for text in cut.texts] == ["E0: 3.687"]
    assert cut.get_ylim()[1] == 40


def test_a_spectrum_has_a_line_and_a_label_for_each_level():
    figure = draw(picture(levels()))
    [axis] = figure.axes
    computed, exact = axis.collections
    assert [segment[0][1] for segment in computed.get_segments()] == ENERGIES
    assert [segment[0][1] for segment in exact.get_segments()] == [4, 9]
    assert [text.get_text() for text in axis.texts] == [*(f"{e:.4g}" for e in ENERGIES), "4", "9"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["computed", "exact"]
    dense = draw(picture(PANELS["dense spectrum"])).axes[0]
    assert len(dense.texts) == 30 + 2, "every third of 90"


def test_a_spectrum_in_characters():
    text = shown(levels(notes=[f"E{i} = {e:.3f}" for i, e in enumerate(ENERGIES)]))
    rows = [line for line in text if "──────" in line and "└" not in line]
    assert rows[0].startswith("       31.7 │────── E7 = 31.700")
    assert rows[-1].startswith("      3.687 │────── E0 = 3.687, E1 = 3.972")
    assert "────── 9" in rows[-3]
    assert "3 levels" in rows[-2]
    assert "3 levels are E2 = 8.100, E3 = 8.150, E4 = 8.200" in text[-1]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"values": []}, ValueError),
        ({"values": [1.0], "notes": ["a", "b"]}, ValueError),
        ({"values": [math.inf]}, LeftOut),
    ],
)
def test_a_spectrum_that_cannot_be_drawn(given, error):
    with pytest.raises(error, match="t: "):
        Levels(title="t", y_label="E", ladders=[Ladder(name="a", **given)])


# --- numbers that a logarithm has no place for ---


@pytest.mark.parametrize(
    ("values", "kind", "threshold"),
    [
        ([1e-9, 1.0], "log", None),
        ([0.0, 1e-14, 1.0], "symlog", 1e-14),
        ([-1.0, 1e-30, 1.0], "symlog", 1e-6),
        ([-2.0, -30.0], "symlog", 1.0),
        ([0.0, 0.0], "linear", None),
        ([math.nan, 1.0, math.inf], "log", None),
        ([math.nan], "linear", None),
    ],
)
def test_a_scale_has_a_place_for_every_number(values, kind, threshold):
    scale = Scale.of(values, log=True)
    assert scale.kind == kind
    assert threshold is None or scale.threshold == pytest.approx(threshold)
    finite = sorted(value for value in values if math.isfinite(value))
    places = [scale.place(value) for value in finite]
    assert places == sorted(places)
    assert all(map(math.isfinite, places))
    assert Scale.of(values, log=False).kind == "linear"


def test_what_is_0_or_below_is_seen_on_a_logarithmic_axis_and_said():
    figure = draw(picture(lines([1.0, 0.0, -1e-3, 1e-6], log_y=True)))
    [axis] = figure.axes
    assert axis.get_yscale() == "symlog"
    assert axis.get_ylabel() == "y\nlogarithmic beyond ±1e-06"
    low, high = axis.get_ylim()
    assert low < -1e-3 < 1 < high
    ticks = [tick.get_text() for tick in axis.get_yticklabels()]
    assert "0" in ticks
    assert len(ticks) < 20
    text = shown(lines([1.0, 0.0, -1e-3, 1e-6], log_y=True))
    assert "y (logarithmic beyond ±1e-06)" in text[-1]
    positive = draw(picture(lines([1.0, 1e-6], log_y=True))).axes[0]
    assert (positive.get_yscale(), positive.get_ylabel()) == ("log", "y")
    across = draw(picture(lines([1.0, 2.0], [-1.0, 10.0], log_x=True))).axes[0]
    assert (across.get_xscale(), across.get_xlabel()) == ("symlog", "x\nlogarithmic beyond ±1")


def test_points_that_are_not_finite_are_left_out_and_counted():
    panel = lines([1.0, math.nan, 3.0, math.inf])
    said = "2 of 4 points are not finite and left out"
    assert said in [text.get_text() for text in texts(draw(picture(panel)))]
    assert said in " ".join(shown(panel))
    assert "3 of 3 points are not finite" in " ".join(shown(PANELS["nothing finite"]))
    [middle] = draw(picture(PANELS["nothing finite"])).axes[0].texts
    assert middle.get_position() == (0.5, 0.5)
    assert "there is no point to show" in " ".join(shown(PANELS["no curve"]))


def test_what_is_cut_off_does_not_press_the_rest_together():
    rows = [line for line in shown(lines([1e9, 5.0, 0.0, 1e9], low=0, high=10)) if "│" in line]
    assert [rows[i].split("│")[0].strip() for i in (0, -1)] == ["10", "0"]
    assert all(row.split("│")[1].strip() for row in rows), "the curve is in every line"


def test_errors_as_bars():
    curve = Curve(name="E", x=[1, 2], y=[4.0, 3.0], error=[0.5, 0.25])
    panel = lines([], curves=[curve], error_bars=True, error_name="± bound")
    [axis] = draw(picture(panel)).axes
    [bars] = [found for found in axis.collections if hasattr(found, "get_segments")]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[3.5, 4.5], [2.75, 3.25]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["E ± bound"]
    text = shown(panel)
    assert text[3].startswith("        4.5 │⡇")
    assert "± bound" in text[-1]
    band = draw(picture(lines([], curves=[curve]))).axes[0]
    assert [text.get_text() for text in band.get_legend().get_texts()] == ["E", "± 1 standard error"]


def test_no_two_of_eight_curves_look_the_same():
    curves = [Curve(name=str(i), x=[0, 1], y=[0, i]) for i in range(12)]
    found = draw(picture(lines([], curves=curves))).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in found}) == 12


# --- several panels, and files ---

DASHBOARD = (field(low=0, high=40), wave(), SLICE, matrix())


def places(figure) -> list[tuple[int, int]]:
    """Row and column of each panel."""
    specs = [axis.get_subplotspec() for axis in figure.axes if axis.get_subplotspec()]
    return [(spec.rowspan.start, spec.colspan.start) for spec in specs]


@pytest.mark.parametrize("columns", [1, 2, 3, 9, None])
def test_a_dashboard_has_the_columns_asked_for(columns):
    figure = draw(picture(*DASHBOARD, columns=columns))
    assert places(figure) == [divmod(i, min(columns or 2, 4)) for i in range(4)]
    check_readable(figure)
    width, height = figure.get_size_inches()
    assert (width > height) == (columns in (3, 9)) or columns in (2, None)


def test_a_table_beside_other_panels_if_asked():
    heat = Heat(title="t", x_label="x", unit="u", rows=["a"], values=[[1.0]])
    bars = Bars(title="t", x_label="x", names=["a"], values=[1.0], notes=[""])
    assert places(draw(picture(heat, bars))) == [(0, 0), (1, 0)]
    assert places(draw(picture(heat, bars, columns=2))) == [(0, 0), (0, 1)]


def test_six_waves_side_by_side_can_be_read_and_are_at_rest():
    square = np.multiply.outer(np.exp(-(X**2) / 500), X * np.exp(-(X**2) / 500))
    figure = draw(picture(*[field(square, y=X, diverging=True)] * 6, columns=3))
    before = [axis.get_position().bounds for axis in figure.axes]
    check_readable(figure)
    after = [axis.get_position().bounds for axis in figure.axes]
    assert np.array(before) == pytest.approx(np.array(after), abs=3e-3), "as the file has it"


def test_a_long_title_is_broken():
    figure = draw(Picture(name="p", title="word " * 60, panels=[levels()]))
    figure.draw_without_rendering()
    [title] = [text for text in texts(figure) if text.get_text().startswith("word")]
    assert title.get_window_extent().width < figure.bbox.width


@pytest.mark.parametrize("given", [{"panels": []}, {"panels": [matrix()], "columns": 0}])
def test_a_picture_has_a_panel_and_a_column(given):
    with pytest.raises(ValueError, match="needs a panel and a column"):
        Picture(name="p", title="t", **given)


def test_files_whole_and_the_same_each_time(tmp_path):
    from matplotlib.image import imread

    paths = write(picture(*DASHBOARD, columns=2), tmp_path / "out", ("png", "svg"))
    assert paths == [tmp_path / "out" / "p.png", tmp_path / "out" / "p.svg"]
    before = [path.read_bytes() for path in paths]
    write(picture(*DASHBOARD, columns=2), tmp_path / "out", ("png", "svg"))
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p.png", "p.svg"]
    image = imread(paths[0])
    assert image.shape[0] > 900
    assert image.shape[1] > 1200
    svg = ElementTree.parse(paths[1]).getroot()
    assert svg.tag.endswith("svg")
    assert len(svg.findall(".//{*}image")) >= 3, "fields are pictures in it and no thousands of squares"
    assert len(before[1]) < 1_000_000
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write(picture(levels()), tmp_path / "file" / "out", ("png",))


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "howto-look.md"
    [example] = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(page), "exec"), {})
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["dot.png", "dot.svg"]
    assert "E0 3.687 (dotted)" in capsys.readouterr().out
