"""Fields: the drawing and the sketch show what the numbers say."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from lior.plots.panels import Curve, LeftOut, LineChart, Picture
from lior.plots.sketch import sketch
from lior.testing.figures import check_readable
from lior_ritz.reports.panels import DIVERGING, Field, field_map

pytest.importorskip("matplotlib")

from lior.plots.drawing import draw, write

X, Y = np.linspace(-80.0, 80.0, 97), np.linspace(-50.0, 50.0, 61)
MESH = np.meshgrid(X, Y)
ENERGIES = [3.687, 3.972, 8.1, 8.15, 8.2, 15.3, 22.0, 31.7]
STATES = [f"ψ{i}" for i in range(8)]


def field(values=None, **changes) -> Field:
    """A bowl with its greatest number in the corner at the right and the top."""
    x, y = MESH
    bowl = 30 * (x**2 + y**2) / 50**2 + 0.05 * (x + y) + 1
    given = {"title": "V", "x_label": "x in nm", "y_label": "y in nm", "unit": "V in meV", "x": X, "y": Y}
    return Field(**given | {"values": bowl if values is None else values} | changes)


def wave(noise: float = 0.0, **changes) -> Field:
    """A wave with its node at x = 0, below 0 left of it."""
    x, y = MESH
    values = x * np.exp(-(x**2 + y**2) / 200) + noise * np.random.default_rng(0).normal(size=x.shape)
    return field(values, title="ψ₁", unit="ψ in 1/nm", diverging=True, contours=[0.0], **changes)


def slice_of_it() -> LineChart:
    curve = Curve(name="V", x=X.tolist(), y=(0.01 * X**2).tolist())
    levels = dict(zip(STATES, ENERGIES, strict=True))
    labels = {"title": "y = 0", "x_label": "x in nm", "y_label": "meV"}
    return LineChart(**labels, curves=[curve], levels=levels, low=0, high=40)


def picture(*panels, **changes) -> Picture:
    return Picture(name="p", title="dot 7: what is shown", panels=panels, **changes)


def shown(panel, *, width: int = 80, blocks: bool = True) -> list[str]:
    return sketch(picture(panel), width=width, blocks=blocks).splitlines()


def rows_of(text: list[str]) -> list[str]:
    """The rows of a sketch, right of the vertical axis."""
    return [re.split("[│┤]", line, maxsplit=1)[1] for line in text if re.match(".{11,12}[│┤]", line)]


PANELS = {
    "potential": field(low=0, high=40, contours=[20]),
    "wave": wave(),
    "flat field": field(np.zeros((61, 97))),
    "strip": field(np.ones((2, 97)), y=[0, 3]),
    "tower": field(np.ones((61, 2)), x=[0, 3]),
    "matrix": field(np.eye(8) - 0.5, x=range(8), y=range(8), diverging=True),
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
    if name == "wave":
        assert panel["values"] == wave().values


# --- fields ---


def colour_at(figure, axis, x: float, y: float) -> list[int]:
    """What a file shows at a place of the axes."""
    figure.canvas.draw()
    column, row = axis.transData.transform((x, y))
    image = np.asarray(figure.canvas.buffer_rgba())
    return image[len(image) - 1 - int(row), int(column), :3].tolist()


def bar_of(figure):
    """The axes of the colour bar, and the mesh or image that it is of."""
    [axis] = figure.axes
    [bar] = axis.child_axes
    return bar, (axis.collections + axis.images)[0]


def test_a_field_has_its_colours_where_its_numbers_are():
    from matplotlib import colormaps

    figure = draw(picture(field(low=0, high=40)))
    [axis] = figure.axes
    assert axis.get_aspect() == 1
    for i, j in ((5, 5), (30, 48), (40, 20), (55, 90)):
        want = colormaps["viridis"](min(field().values[i][j] / 40, 1.0), bytes=True)[:3]
        assert colour_at(figure, axis, X[j], Y[i]) == pytest.approx([int(c) for c in want], abs=2)


@pytest.mark.parametrize(
    ("limits", "extend", "said"),
    [
        ({}, "neither", "V in meV"),
        ({"low": 0, "high": 40}, "max", "V in meV; up to 114"),
        ({"low": 3, "high": 400}, "min", "V in meV; down to 0.9"),
        ({"low": 3, "high": 40}, "both", "V in meV; down to 0.9, up to 114"),
        ({"high": -7}, "max", "V in meV; up to 114"),
    ],
)
def test_the_colour_bar_says_what_is_beyond_it(limits, extend, said):
    figure = draw(picture(field(**limits)))
    bar, mesh = bar_of(figure)
    assert mesh.colorbar.extend == extend
    assert bar.get_ylabel() == said
    low, high = mesh.get_clim()
    assert low < high
    for name, value in limits.items():
        assert {"low": low, "high": high}[name] == value


def test_zero_is_in_the_middle_of_diverging_colours():
    for panel, most in ((wave(), 6.0), (wave(low=-1), 1), (wave(low=-1, high=3), 3)):
        _, mesh = bar_of(draw(picture(panel)))
        low, high = mesh.get_clim()
        assert -low == high == pytest.approx(most, rel=0.02)
    figure = draw(picture(wave()))
    left, right = (colour_at(figure, figure.axes[0], x, 0) for x in (-10.0, 10.0))
    assert left[2] > left[0] + 100, "blue below 0"
    assert right[0] > right[2] + 100, "orange above"


def contours(figure) -> np.ndarray:
    """Corners of the lines that are drawn over a field."""
    [axis] = figure.axes
    parts = [path.vertices for found in axis.collections[1:] for path in found.get_paths()]
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def test_the_contour_is_the_node_and_not_the_noise_around():
    found = contours(draw(picture(wave(1e-6))))
    assert len(found) > 20
    assert abs(found[:, 0]).max() < 2, "all along x = 0"
    assert abs(found[:, 1]).min() < 2
    x, y = MESH
    round_one = np.exp(-(x**2 + y**2) / 100) + 1e-6 * np.random.default_rng(0).normal(size=x.shape)
    assert round_one.min() < 0
    assert not len(contours(draw(picture(field(round_one, diverging=True, contours=[0.0])))))


def test_a_contour_of_any_number_lies_where_it_is():
    found = contours(draw(picture(field(contours=[20.0, 1e9]))))
    x, y = found.T
    assert len(found) > 20
    assert 30 * (x**2 + y**2) / 50**2 + 0.05 * (x + y) + 1 == pytest.approx(np.full(len(x), 20.0), abs=0.3)


def lab(colour: str) -> np.ndarray:
    """A colour in CIELAB (D65)."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    rgb = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.072175],
        [0.0193339, 0.119192, 0.9503041],
    ]
    xyz = np.array(to_xyz) @ rgb / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])  # fmt: skip


def test_diverging_colours_go_in_even_steps():
    colours = field_map(True)
    points = np.array([lab(colours(share)) for share in np.linspace(0, 1, 33)])
    light = points[:, 0]
    assert (np.diff(light[:17]) > 0).all()
    assert light == pytest.approx(light[::-1], abs=1.5), "as dark on both sides"
    for half in (points[:17], points[16:]):
        steps = np.linalg.norm(np.diff(half, axis=0), axis=1)
        assert steps.max() < 1.35 * steps.min()
    assert len(DIVERGING) % 2 == 1


def test_a_field_in_characters_has_its_shades_where_its_numbers_are():
    rows = rows_of(shown(field(low=0, high=40)))
    assert len(rows) == 20
    assert {len(row) for row in rows} == {64}, "twice as tall as wide, and 160 by 100"
    middle = rows[10]
    assert middle[32] == " "
    assert middle[-1] == rows[0][-1] == "█"
    assert [*middle[32:]] == sorted(middle[32:], key=" ░▒▓█".index)
    text = " ".join(" ".join(shown(field(low=0, high=40))).split())
    assert "V in meV: blank from 0, ░ from 8, ▒ from 16, ▓ from 24, █ from 32 to 40; up to 114" in text
    peak = np.zeros((61, 97))
    peak[50:, 90:] = 1
    rows = rows_of(shown(field(peak)))
    assert rows[0][-1] == "█"
    assert not rows[-1].strip()


def test_a_thin_wall_does_not_outweigh_what_is_beside_it_in_a_character():
    walled = np.zeros((61, 97))
    walled[31] = 1e9
    rows = rows_of(shown(field(walled, low=0, high=40)))
    assert [row for row in rows if row] == ["░" * 64], "one of three lines of the grid"


def test_sign_has_characters_of_its_own():
    middle = rows_of(shown(wave()))[10]
    left, right = middle[:32], middle[32:]
    assert set(left) == set(" ·∘○●")
    assert set(right) - {" "} == set("░▒▓█")
    assert "blank at 0, ░▒▓█ above it to 6.07" in " ".join(" ".join(shown(wave())).split())
    assert "-=oO below it to -6.07" in " ".join(" ".join(shown(wave(), blocks=False)).split())


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"values": np.ones((97, 61))}, ValueError, "61 x 97 numbers needed, not 97 rows of .61."),
        ({"values": [[1.0] * 97] * 60 + [[1.0]]}, ValueError, r"rows of \[1, 97\]"),
        ({"x": [1.0], "values": [[1.0]] * 61}, ValueError, "x must be two or more places that rise"),
        ({"y": Y[::-1]}, ValueError, "y must be"),
        ({"low": 2, "high": 2}, ValueError, "low 2 must be below high 2"),
        ({"values": np.full((61, 97), math.nan)}, LeftOut, "V: 5,917 of 5,917 numbers are not finite"),
        ({"x": [*X[:-1], math.inf]}, LeftOut, "not finite"),
    ],
)
def test_a_field_that_cannot_be_drawn(changes, error, why):
    with pytest.raises(error, match=why):
        field(**changes)


def test_six_waves_side_by_side_can_be_read_and_are_at_rest():
    square = np.multiply.outer(np.exp(-(X**2) / 500), X * np.exp(-(X**2) / 500))
    figure = draw(picture(*[field(square, y=X, diverging=True)] * 6, columns=3))
    before = [axis.get_position().bounds for axis in figure.axes]
    check_readable(figure)
    after = [axis.get_position().bounds for axis in figure.axes]
    assert np.array(before) == pytest.approx(np.array(after), abs=3e-3), "as the file has it"


DASHBOARD = (field(low=0, high=40), wave(), slice_of_it(), PANELS["matrix"])


def test_panels_of_several_kinds_are_in_one_file(tmp_path):
    figure = draw(picture(*DASHBOARD))
    check_readable(figure)
    specs = [axis.get_subplotspec() for axis in figure.axes if axis.get_subplotspec()]
    assert [(spec.rowspan.start, spec.colspan.start) for spec in specs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    [path] = write(picture(*DASHBOARD), tmp_path, ("svg",))
    svg = ElementTree.parse(path).getroot()
    assert len(svg.findall(".//{*}image")) >= 3, "fields are images and not thousands of squares"
