"""A field over the plane: what its colours and its table mean."""

from __future__ import annotations

import numpy as np
import pytest

from lior.plots.figures import draw
from lior.plots.panels import LeftOut, Picture
from lior_ritz.reports.field import Field


def field(values, **changes):
    values = np.asarray(values, dtype=float)
    x, y = np.arange(values.shape[1]), np.arange(values.shape[0])
    names = {"title": "t", "x_label": "x in nm", "y_label": "y in nm", "unit": "V in meV"}
    return Field(**names | {"x": x.tolist(), "y": y.tolist(), "values": values} | changes)


def wave(n=41):
    """Odd in x, with rounding errors of either sign far out."""
    x = np.linspace(-6, 6, n)
    noise = 1e-9 * (-1.0) ** np.arange(n)
    return x * np.exp(-x * x) * np.exp(-(x[:, None] ** 2)) + noise * (abs(x) > 5)


def image(panel):
    [mesh] = draw(Picture(name="p", title="p", panels=[panel])).axes[0].collections[:1]
    return mesh


def test_colours_are_of_the_numbers_row_by_row():
    values = np.arange(12.0).reshape(3, 4)
    mesh = image(field(values))
    np.testing.assert_array_equal(mesh.get_array().reshape(3, 4), values)
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 11)


@pytest.mark.parametrize("shape", [(31, 31), (11, 31), (31, 11)])
def test_labels_are_whole_at_every_drawing(shape):
    values = 1e-4 * np.ones(shape)
    panel = field(values, x=[*range(-30, 2 * shape[1] - 30, 2)], y=[*range(-90, 6 * shape[0] - 90, 6)])
    figure = draw(Picture(name="p", title="p", panels=[panel]))
    for _ in range(3):
        figure.canvas.draw()
        axis, bar = figure.axes
        assert axis.yaxis.label.get_window_extent().x0 > 0
        assert axis.xaxis.label.get_window_extent().y0 > 0
        assert bar.yaxis.label.get_window_extent().x1 < figure.bbox.x1


def test_limits_cut_and_are_symmetric_where_the_sign_matters():
    assert field([[0.0, 5.0], [1.0, 2.0]], high=3.0).limits() == (0.0, 3.0)
    assert field([[-1.0, 5.0], [1.0, 2.0]], diverging=True).limits() == (-5.0, 5.0)
    low, high = field(np.ones((3, 3))).limits()
    assert low == 1 < high


def test_the_line_of_zero_leaves_rounding_errors_out():
    axes = draw(Picture(name="p", title="p", panels=[field(wave(), diverging=True)])).axes[0]
    paths = [path for each in axes.collections[1:] for path in each.get_paths() if len(path.vertices)]
    at = np.concatenate([path.vertices for path in paths])
    np.testing.assert_allclose(at[:, 0], 20, atol=0.01)
    assert np.ptp(at[:, 1]) > 10


def test_the_table_has_the_extremes_and_their_places():
    table = field([[0.0, 5.0], [-1.0, 2.0]], x=[3, 4], y=[1, 2]).table()
    assert table.header == ["", "x in nm", "y in nm", "V in meV"]
    rows = [["least", "3", "2", "-1"], ["greatest", "4", "1", "5"], ["mean", "", "", "1.5"]]
    assert table.rows == rows


def test_numbers_that_are_not_finite_are_left_out():
    with pytest.raises(LeftOut, match="not all numbers are finite"):
        field([[0.0, np.nan], [1.0, 2.0]])
