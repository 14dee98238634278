"""Panels in files and as text: every number is at its place, and every text can be read."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import attrs
import pytest

from lior.errors import RunError
from lior.plots.panels import BarChart, Curve, HeatMap, Histogram, LineChart, Picture, ScatterPlot
from lior.plots.sketch import Frame, Pen, Ruler, carries_blocks, sketch
from lior.testing.figures import check_readable, texts

pytest.importorskip("matplotlib")

from lior.plots.drawing import draw, write

LEVELS = {f"E{k}": energy for k, energy in enumerate((3.687, 3.972, 8.1, 8.15, 8.2, 15.3, 22.0, 31.7))}


def lines(y, x=None, **changes) -> LineChart:
    curves = [Curve(name="a", x=list(range(1, len(y) + 1)) if x is None else x, y=y)]
    return LineChart(**{"title": "t", "x_label": "x", "y_label": "y", "curves": curves} | changes)


def picture(*panels, **changes) -> Picture:
    return Picture(name="p", title="run 7: title", panels=panels, **changes)


def shown(panel, *, width: int = 80, blocks: bool = True) -> list[str]:
    return sketch(picture(panel), width=width, blocks=blocks).splitlines()


def rows_of(text: list[str]) -> list[str]:
    """The rows of a sketch, right of the vertical axis."""
    return [re.split("[│┤|]", line, maxsplit=1)[1] for line in text if re.match(r".{11,12}[│┤|]", line)]


BOWL = [0.01 * x * x for x in range(-80, 81)]
SLICE = lines(BOWL, list(range(-80, 81)), levels=LEVELS, low=0, high=40)
BARS = BarChart(title="t", x_label="x", names=["$a$", "longer"], values=[0.0, 0.0], notes=["0", "none of it"])
HEAT = HeatMap(title="t", x_label="gate", unit="weight", rows=["a ×1"], values=[[0.5]])
PANELS = {
    "slice": SLICE,
    "close levels": lines([0, 40], levels={"E0": 3.687, "E1": 3.972}, levels_beside=True),
    "crowd of levels": lines([0.0, 1.0], levels={f"E{i}": 0.5 + i / 1000 for i in range(60)}),
    "crossing 0": lines([1.0, -1e-3, 1e-9, -3.0], log_y=True),
    "nothing finite": lines([math.nan] * 3, log_y=True),
    "no curve": lines([], curves=[]),
    "error bars": lines([], curves=[Curve(name="E", x=[1, 2], y=[4, 3], error=[0.3, 9])], error_bars=True),
    "one point": lines([2.0], x_label="x" * 45),
    "three curves": lines(
        [], log_x=True, log_y=True, levels={"level": 3.0, "other": 900.0},
        curves=[Curve(name=n, x=[1, 10, 4000], y=[1e-3, 5, 1e4], error=[0, 1, 2]) for n in "abc"],
    ),
    "bars": BARS,
    "ranges": BarChart(
        title="t", x_label="x", names=["a", "b" * 30], values=[1.0, -2.0], low=[0.5, -3.0], high=[4.0, -2.0],
        notes=["better", ""], level=1.0,
    ),
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
        title="t", x_label="", unit="weight", rows=["a", "b"], columns=["first", "second" * 5],
        values=[[0.5, -1.0], [0.0, 0.25]],
    ),
    "points": ScatterPlot(
        title="t", x_label="x", y_label="y", classes=["a", "b"], x=[0, 0, 1], y=[5, 5, 5], of=[1, 1, 0]
    ),
}  # fmt: skip


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
    if name == "nothing finite":
        assert panel["curves"][0]["y"] == [None] * 3


# --- sketches ---


def test_a_sketch_has_each_point_at_its_place():
    rows = rows_of(shown(lines([0, 1], [0, 1]), blocks=False))
    columns = [row.rfind("*") for row in rows]
    assert columns == sorted(columns, reverse=True)
    assert columns[0] > 60
    bars = BarChart(title="", x_label="", names=["a", "b"], values=[1.0, 3.0], notes=["", ""])
    text = shown(bars, blocks=False)
    assert text[4].count("#") == pytest.approx(3 * text[3].count("#"), abs=2)
    assert text[4].count("#") > 50
    ranges = attrs.evolve(bars, low=[0.0, 2.0], high=[2.0, 4.0], level=0.0)
    first, second = (row.split("|")[1] for row in shown(ranges, blocks=False)[3:5])
    assert first.index("#") == pytest.approx(second.index("#") / 3, abs=1)
    assert first.count("-") == pytest.approx(second.count("-"), abs=2)
    assert second.startswith(".")
    stairs = Histogram(title="", x_label="", y_label="", edges=[0, 1, 2], counts=[1, 3], levels={})
    rows = rows_of(shown(stairs, blocks=False))
    assert rows[0].index("*") == pytest.approx(34, abs=1)
    assert rows[6].index("*") == 0, "a third of the height"


def test_numbers_at_the_axes_are_at_their_places():
    frame = Frame(Pen(80, False), Ruler(0, 10), Ruler(0, 8), rows=9)
    frame.curve([5, 10], [4, 8], joined=False, mark="o")
    *rows, axis, numbers = frame.lines([])
    assert [row.split("┤")[0].strip() for row in rows if "┤" in row] == ["8", "6", "4", "2", "0"]
    assert rows[0].endswith("o")
    assert rows[4].startswith("        4 ┤")
    assert rows[4].index("o") == axis.index("┬", 12) == numbers.index("5")


def test_several_curves_are_told_apart():
    curves = [Curve(name=name, x=[0, 1], y=[i, i]) for i, name in enumerate("abc")]
    text = shown(lines([], curves=curves))
    assert text[-1].endswith("⣿ a; o b; x c")
    rows = rows_of(text)
    assert rows[0].count("x") > 50
    assert rows[4].count("o") > 50
    assert rows[8].count("⣀") > 50


@pytest.mark.parametrize(
    ("encoding", "can"), [("utf-8", True), ("latin-1", False), (None, False), ("x", False)]
)
def test_whether_a_stream_carries_blocks(encoding, can):
    assert carries_blocks(encoding) == can


# --- levels ---


@pytest.mark.parametrize("name", ["slice", "close levels"])
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


def test_few_levels_are_in_the_legend_and_invisible_ones_have_no_name():
    few = draw(picture(lines([0, 40], levels={"E0": 3.687, "tiny": 1e-9}))).axes[0]
    assert [text.get_text() for text in few.get_legend().get_texts()] == ["a", "E0: 3.687", "tiny: 1e-09"]
    cut = draw(picture(lines([0, 40], levels={"E0": 3.687, "E1": 50.0}, high=40, levels_beside=True))).axes[0]
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
    text = shown(lines([1.0, 0.0, -1e-3, 1e-6], log_y=True))
    assert "y: y (logarithmic beyond ±1e-06)" in text[-1]
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


def test_invisible_points_do_not_compress_the_visible_ones():
    text = shown(lines([1e9, 5.0, 0.0, 1e9], low=0, high=10))
    labels = [line.split("┤")[0].strip() for line in text if "┤" in line]
    assert (labels[0], labels[-1]) == ("10", "0")
    assert all(row.strip() for row in rows_of(text)), "the curve is in every line"


def test_errors_as_bars():
    curve = Curve(name="E", x=[1, 2], y=[4.0, 3.0], error=[0.5, 0.25])
    panel = lines([], curves=[curve], error_bars=True, error_name="± bound")
    [axis] = draw(picture(panel)).axes
    [bars] = [found for found in axis.collections if hasattr(found, "get_segments")]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[3.5, 4.5], [2.75, 3.25]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["E ± bound"]
    text = shown(panel)
    assert rows_of(text)[0].startswith("⡇")
    assert "± bound" in text[-1]
    band = draw(picture(lines([], curves=[curve]))).axes[0]
    assert [text.get_text() for text in band.get_legend().get_texts()] == ["E", "± 1 standard error"]


def test_no_two_of_twelve_curves_look_the_same():
    curves = [Curve(name=str(i), x=[0, 1], y=[0, i]) for i in range(12)]
    found = draw(picture(lines([], curves=curves))).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in found}) == 12


# --- several panels, and files ---

DASHBOARD = (SLICE, BARS, lines([1.0, 2.0]), HEAT)


@pytest.mark.parametrize("columns", [1, 2, 3, 9, None])
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


def test_files_are_whole_and_the_same_each_time(tmp_path):
    from matplotlib.image import imread

    paths = write(picture(*DASHBOARD), tmp_path / "out", ("png", "svg"))
    assert paths == [tmp_path / "out" / "p.png", tmp_path / "out" / "p.svg"]
    before = [path.read_bytes() for path in paths]
    write(picture(*DASHBOARD), tmp_path / "out", ("png", "svg"))
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p.png", "p.svg"]
    image = imread(paths[0])
    assert image.shape[0] > 600
    assert image.shape[1] > 1200
    assert ElementTree.parse(paths[1]).getroot().tag.endswith("svg")
    assert len(before[1]) < 1_000_000
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write(picture(SLICE), tmp_path / "file" / "out", ("png",))


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "howto-look.md"
    [example] = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(page), "exec"), {})
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["steps.png", "steps.svg"]
    assert "dotted: goal 2.1" in capsys.readouterr().out
