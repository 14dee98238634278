"""Fields and matrices: what is drawn and sketched is what the numbers say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lior.plots.colours import DIVERGING, field_map
from lior.plots.panels import LeftOut
from lior.plots.scales import cells
from tests.plots.drawn import MESH, PANELS, X, Y, field, matrix, picture, shown, wave

pytest.importorskip("matplotlib")

from lior.plots.drawing import draw


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
    rows = [line.split("│")[1] for line in shown(field(low=0, high=40)) if "│" in line]
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
    rows = [line.split("│")[1] for line in shown(field(peak)) if "│" in line]
    assert rows[0][-1] == "█"
    assert not rows[-1].strip()


def test_a_thin_wall_does_not_outweigh_what_is_beside_it_in_a_character():
    walled = np.zeros((61, 97))
    walled[31] = 1e9
    rows = [line.split("│")[1] for line in shown(field(walled, low=0, high=40)) if "│" in line]
    assert [row for row in rows if row] == ["░" * 64], "one of three lines of the grid"


def test_sign_has_characters_of_its_own():
    middle = shown(wave())[13].split("│")[1]
    left, right = middle[:32], middle[32:]
    assert set(left) == set(" ·∘○●")
    assert set(right) - {" "} == set("░▒▓█")
    assert "blank at 0, ░▒▓█ above it to 6.07" in " ".join(shown(wave()))
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


# --- matrices ---


@pytest.mark.parametrize(
    ("values", "label", "written"),
    [
        ([[1.0, -1e-9], [0.5, 12.0]], "unit", ["1.00", "0.00", "0.50", "12.00"]),
        ([[1.0, -0.0014], [0.0, 1.0]], "unit", ["1.000", "-0.001", "0.000", "1.000"]),
        ([[2.2e-16, -1.1e-16], [0.0, 1e-20]], "unit, in 1e-16", ["2.20", "-1.10", "0.00", "0.00"]),
        ([[1.5e6, 0.0], [0.0, -2e4]], "unit, in 1e6", ["1.50", "0.00", "0.00", "-0.02"]),
        ([[0.0, 0.0], [0.0, 0.0]], "unit", ["0.000"] * 4),
    ],
)
def test_numbers_of_a_matrix_are_as_short_as_their_cells(values, label, written):
    figure = draw(picture(matrix(values, unit="unit")))
    bar, image = bar_of(figure)
    assert bar.get_ylabel() == label
    assert [text.get_text() for text in figure.axes[0].texts] == written
    assert image.get_array().data == pytest.approx(np.array(values) / cells(values).factor)
    low, high = image.get_clim()
    assert -low == high > 0
    text = " ".join(" ".join(shown(matrix(values, unit="unit"))).split())
    assert f"{label}; rows: state i; columns: state j" in text
    assert all(number in text for number in written)


def test_a_large_matrix_has_colours_alone():
    figure = draw(picture(PANELS["large matrix"]))
    [axis] = figure.axes
    assert not axis.texts
    assert 10 < len(axis.get_yticklabels()) < 25
    text = shown(PANELS["large matrix"])
    rows = [line.split("│")[1] for line in text if "│" in line]
    assert rows == [" " * 2 * i + "██" for i in range(30)], "the diagonal, whole"
    assert "each the greatest of 3 x 3 numbers" in " ".join(" ".join(text).split())


def test_a_matrix_has_the_shape_of_its_names():
    with pytest.raises(ValueError, match="2 x 3 numbers needed"):
        matrix([[1.0, 2.0], [3.0, 4.0]], columns=["a", "b", "c"])
    with pytest.raises(LeftOut, match="1 of 4 numbers"):
        matrix([[1.0, math.nan], [3.0, 4.0]])
