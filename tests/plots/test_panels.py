"""Panels in files and as tables: every number is at its place, and every text can be read."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lior.errors import RunError
from lior.plots.panels import BarChart, Curve, HeatMap, Histogram, LineChart, Picture, ScatterPlot, Table
from lior.testing.figures import check_readable, texts

pytest.importorskip("matplotlib")

from lior.plots.figures import draw, write_picture
from tests.cases import cases

LEVELS = {f"E{k}": energy for k, energy in enumerate((3.687, 3.972, 8.1, 8.15, 8.2, 15.3, 22.0, 31.7))}


def lines(y, x=None, **changes) -> LineChart:
    curves = [Curve(name="a", x=list(range(1, len(y) + 1)) if x is None else x, y=y)]
    return LineChart(**{"title": "t", "x_label": "x", "y_label": "y", "curves": curves} | changes)


def picture(*panels, **changes) -> Picture:
    return Picture(name="p", title="run 7: title", panels=panels, **changes)


BOWL = [0.01 * x * x for x in range(-80, 81)]
SLICE = lines(BOWL, list(range(-80, 81)), levels=LEVELS, low=0, high=40)
BARS = BarChart(title="t", x_label="x", names=["$a$", "longer"], values=[0.0, 0.0], notes=["0", "none of it"])
HEAT = HeatMap(title="t", x_label="gate", unit="weight", rows=["a ×1"], values=[[0.5]])
PANELS = {
    "slice": SLICE,
    "close levels": lines([0, 40], levels={"E0": 3.687, "E1": 3.972}),
    "crowd of levels": lines([0.0, 1.0], levels={f"E{i}": 0.5 + i / 1000 for i in range(60)}),
    "crossing 0": lines([1.0, -1e-3, 1e-9, -3.0], log_y=True),
    "nothing finite": lines([math.nan] * 3, log_y=True),
    "no curve": lines([], curves=[]),
    "error bars": lines([], curves=[Curve(name="E", x=[1, 2], y=[4, 3], error=[0.3, 9])], error_bars=True),
    "one point": lines([2.0], x_label="x" * 45),
    "three curves": lines(
        [],
        log_x=True,
        log_y=True,
        levels={"level": 3.0, "other": 900.0},
        curves=[Curve(name=n, x=[1, 10, 4000], y=[1e-3, 5, 1e4], error=[0, 1, 2]) for n in "abc"],
    ),
    "bars": BARS,
    "dots and a line": lines(
        [],
        curves=[
            Curve(name="rows", x=BOWL * 3, y=BOWL * 3, dots=True),
            Curve(name="equal", x=[0, 64], y=[0, 64]),
        ],
    ),
    "histogram": Histogram(
        title="t", x_label="x", y_label="y", edges=[1, 10, 100], counts=[0, 7], levels={"m": 20.0}, log_x=True
    ),
    "wide heat": HeatMap(
        title="t", x_label="gate", unit="weight", rows=["a", "b" * 30], values=[[0.0] * 99, [*range(99)]]
    ),
    "one cell": HEAT,
    "named heat": HeatMap(
        title="t",
        x_label="",
        unit="weight",
        rows=["a", "b"],
        columns=["first", "second" * 5],
        values=[[0.5, -1.0], [0.0, 0.25]],
    ),
    "points": ScatterPlot(
        title="t", x_label="x", y_label="y", classes=["a", "b"], x=[0, 0, 1], y=[5, 5, 5], of=[1, 1, 0]
    ),
}


@cases("name", PANELS)
def test_every_panel_can_be_read(name):
    check_readable(draw(picture(PANELS[name])))


@cases("name", PANELS)
def test_every_table_is_short_and_rectangular(name):
    table = PANELS[name].table()
    assert len(table.rows) <= 12
    assert {len(row) for row in table.rows} <= {len(table.header)}
    assert table.rows or table.notes


@cases("name", PANELS)
def test_every_summary_is_json(name):
    [panel] = json.loads(json.dumps(picture(PANELS[name]).summary(), allow_nan=False))["panels"]
    assert panel["kind"] == PANELS[name].kind
    if name == "nothing finite":
        assert panel["curves"][0]["y"] == [None] * 3


# --- tables ---


def test_the_table_of_a_curve_has_its_ends_and_its_extremes():
    table = lines([*range(5, 105), 2.5], x_label="step", y_label="loss", levels={"4-gram": 1.9}).table()
    assert table.header == ["step", "loss"]
    assert len(table.rows) == 10
    assert (table.rows[0], table.rows[-1]) == (["1", "5"], ["101", "2.5"])
    assert table.notes == ["a: least 2.5 at 101, greatest 104 at 100", "4-gram: 1.900"]


def test_the_table_of_several_curves_names_each_and_has_their_errors():
    table = PANELS["three curves"].table()
    assert table.header == ["curve", "x", "y", "± 1 standard error"]
    assert table.rows[:3] == [["a", "1", "0.001", "0"], ["a", "10", "5", "1"], ["a", "4,000", "10,000", "2"]]
    mixed = lines([1.0], curves=[Curve(name="a", x=[1], y=[2], error=[3]), Curve(name="b", x=[1], y=[2])])
    assert mixed.table().rows == [["a", "1", "2", "3"], ["b", "1", "2", ""]]


def test_tables_of_the_other_kinds():
    bars = BarChart(title="", x_label="bits", names=["a", "b"], values=[1.0, 3.0], notes=["few", ""])
    assert bars.table() == Table(["", "bits", ""], [("a", "1", "few"), ("b", "3", "")])
    stairs = Histogram(title="", x_label="x", y_label="n", edges=range(22), counts=[1] * 21, levels={"m": 2})
    table = stairs.table()
    assert table.rows[0] == ["0 to 3", "3"]
    assert sum(int(count) for _, count in table.rows) == 21
    assert table.notes == ["m: 2.000"]
    heat = HeatMap(title="", x_label="gate", unit="weight", rows=["a"], values=[[0.5, -1, 0, 0.25, 0.75]])
    largest = "-1 (1), 0.75 (4), 0.5 (0), 0.25 (3)"
    assert heat.table() == Table(["", "mean weight", "largest of 5 (gate)"], [["a", "0.1", largest]])
    assert PANELS["named heat"].table().rows[0] == ["a", "-0.25", f"-1 ({'second' * 5}), 0.5 (first)"]
    assert PANELS["points"].table().rows == [["b", "2", "0", "5"], ["a", "1", "1", "5"]]


# --- levels ---


@cases("name", ["slice", "close levels"])
def test_names_of_levels_are_at_their_lines_in_order(name):
    panel = PANELS[name]
    figure = draw(picture(panel))
    [axis] = figure.axes
    assert [text.get_text() for text in axis.texts] == [f"{n}: {e:.3f}" for n, e in panel.levels.items()]
    figure.draw_without_rendering()
    heights = [text.xyann[1] for text in axis.texts]
    assert heights == sorted(heights)
    assert [text.xy[1] for text in axis.texts] == list(panel.levels.values()), "the ends of their lines"
    assert axis.get_legend() is None
    assert [line.get_ydata()[0] for line in axis.lines[1:]] == list(panel.levels.values())


def test_invisible_levels_have_no_name():
    cut = draw(picture(lines([0, 40], levels={"E0": 3.687, "E1": 50.0}, high=40))).axes[0]
    assert [text.get_text() for text in cut.texts] == ["E0: 3.687"]
    assert cut.get_ylim()[1] == 40


# --- numbers without a logarithm, and numbers that are not finite ---


def test_numbers_that_are_0_or_negative_are_visible_on_a_logarithmic_axis():
    figure = draw(picture(lines([1.0, 0.0, -1e-3, 1e-6], log_y=True)))
    [axis] = figure.axes
    assert axis.get_yscale() == "symlog"
    assert axis.get_ylabel() == "y\nlogarithmic beyond ±1e-06"
    low, high = axis.get_ylim()
    assert low < -1e-3 < 1 < high
    ticks = [tick.get_text() for tick in axis.get_yticklabels()]
    assert "0" in ticks
    assert len(ticks) < 20
    positive = draw(picture(lines([1.0, 1e-6], log_y=True))).axes[0]
    assert (positive.get_yscale(), positive.get_ylabel()) == ("log", "y")
    across = draw(picture(lines([1.0, 2.0], [-1.0, 10.0], log_x=True))).axes[0]
    assert (across.get_xscale(), across.get_xlabel()) == ("symlog", "x\nlogarithmic beyond ±1")


def test_points_that_are_not_finite_are_left_out_and_counted():
    panel = lines([1.0, math.nan, 3.0, math.inf])
    said = "2 of 4 points are not finite and left out"
    assert said in [text.get_text() for text in texts(draw(picture(panel)))]
    assert panel.table().rows == [["1", "1"], ["3", "3"]]
    assert said in panel.table().notes
    assert PANELS["nothing finite"].table().notes == ["3 of 3 points are not finite and left out"]
    [middle] = draw(picture(PANELS["nothing finite"])).axes[0].texts
    assert middle.get_position() == (0.5, 0.5)
    assert PANELS["no curve"].table() == Table(["x", "y"], [], ["there is no point to show"])


def test_errors_as_bars():
    curve = Curve(name="E", x=[1, 2], y=[4.0, 3.0], error=[0.5, 0.25])
    panel = lines([], curves=[curve], error_bars=True, error_name="± bound")
    [axis] = draw(picture(panel)).axes
    [bars] = [found for found in axis.collections if hasattr(found, "get_segments")]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[3.5, 4.5], [2.75, 3.25]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["E ± bound"]
    band = draw(picture(lines([], curves=[curve]))).axes[0]
    assert [text.get_text() for text in band.get_legend().get_texts()] == ["E", "± 1 standard error"]


def test_no_two_of_twelve_curves_look_the_same():
    curves = [Curve(name=str(i), x=[0, 1], y=[0, i]) for i in range(12)]
    found = draw(picture(lines([], curves=curves))).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in found}) == 12


# --- several panels, and files ---

DASHBOARD = (SLICE, BARS, lines([1.0, 2.0]), HEAT)


@cases("columns", [1, 9, None])
def test_a_dashboard_has_the_columns_asked_for(columns):
    figure = draw(picture(*DASHBOARD, **({"columns": columns} if columns else {})))
    specs = [axis.get_subplotspec() for axis in figure.axes if axis.get_subplotspec()]
    found = [(spec.rowspan.start, spec.colspan.start) for spec in specs]
    assert found == [divmod(i, min(columns or 2, 4)) for i in range(4)]
    check_readable(figure)


def test_a_long_title_is_broken():
    figure = draw(Picture(name="p", title="word " * 60, panels=[SLICE]))
    figure.draw_without_rendering()
    [title] = [text for text in texts(figure) if text.get_text().startswith("word")]
    assert title.get_window_extent().width < figure.bbox.width


@pytest.mark.parametrize("given", [{"panels": []}, {"panels": [BARS], "columns": 0}])
def test_a_picture_has_a_panel_and_a_column(given):
    with pytest.raises(ValueError, match="needs a panel and a column"):
        Picture(name="p", title="t", **given)


@pytest.mark.slow
def test_files_are_whole_and_the_same_each_time(tmp_path):
    from matplotlib.image import imread

    paths = write_picture(picture(*DASHBOARD), tmp_path / "out", ("png", "svg"))
    assert paths == [tmp_path / "out" / "p.png", tmp_path / "out" / "p.svg"]
    before = [path.read_bytes() for path in paths]
    write_picture(picture(*DASHBOARD), tmp_path / "out", ("png", "svg"))
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p.png", "p.svg"]
    image = imread(paths[0])
    assert image.shape[0] > 600
    assert image.shape[1] > 1200
    assert ElementTree.parse(paths[1]).getroot().tag.endswith("svg")
    assert len(before[1]) < 1_000_000
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_picture(picture(SLICE), tmp_path / "file" / "out", ("png",))


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "howto-look.md"
    [example] = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(page), "exec"), {})
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["steps.png", "steps.svg"]
    assert "goal: 2.100" in capsys.readouterr().out
