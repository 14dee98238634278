"""The panel of numbers with ranges: every text can be read, and the table has each row."""

from __future__ import annotations

from lior.plots.figures import draw
from lior.plots.panels import Picture
from lior.testing.figures import check_readable
from lior_tables.ranges import RangeChart


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
