"""The panel of numbers with ranges: every text can be read, and the table has each row."""

from __future__ import annotations

from lior.plots.figures import draw
from lior.plots.panels import Curve, Picture
from lior.testing.figures import check_readable
from lior_tables.ranges import DateChart, RangeChart


def test_ranges_can_be_read_and_are_a_table() -> None:
    panel = RangeChart(
        title="t",
        x_label="x",
        names=["a", "b" * 30],
        values=[1.0, -2.0],
        low=[0.5, -3.0],
        high=[4.0, -2.0],
        notes=["better", ""],
        level=1.0,
    )
    check_readable(draw(Picture(name="p", title="a picture", panels=[panel])))
    table = panel.table()
    assert table.header == ["", "x", "range", ""]
    assert table.rows[0] == ("a", "1", "0.5 to 4", "better")


def test_days_are_dates_at_the_axis_and_in_the_table() -> None:
    curve = Curve(name="mean", x=[20454.0, 20500.0, 20604.0], y=[1.0, 3.0, 2.0])
    panel = DateChart(title="t", x_label="day", y_label="price", curves=[curve])
    figure = draw(Picture(name="p", title="a picture", panels=[panel]))
    check_readable(figure)
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "2026-03" in ticks
    table = panel.table()
    assert [row[0] for row in table.rows] == ["2026-01-01", "2026-02-16", "2026-05-31"]
    assert table.notes == ["mean: least 1 at 2026-01-01, greatest 3 at 2026-02-16"]
