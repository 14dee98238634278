"""The panels that lior does not have: numbers with their ranges by name, and curves over dates."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

import attrs
import pandas as pd

from lior.plots import COLOURS, LEVEL_COLOURS, Finish, LineChart, Panel, Table, format_number, name_rows
from lior_tables.rows import as_dates

_TICKS = 6
"""Maximum number of dates at an axis."""


@attrs.frozen(kw_only=True)
class RangeChart(Panel):
    """A dot for each of a few names, with its range."""

    kind: ClassVar[str] = "ranges"

    x_label: str
    names: Sequence[str]
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    """Upper ends of the ranges; ``low`` has the lower ones."""
    notes: Sequence[str]
    """The text right of each range."""
    level: float | None = None
    """A value to compare with: a vertical line."""

    def inches(self) -> tuple[float, float]:
        """Return a height for each name."""
        return super().inches()[0], max(2.0, 1.3 + 0.27 * len(self.names))

    def draw(self, axis: Any) -> Finish:
        """Horizontal, the first name on top."""
        if self.level is not None:
            axis.axvline(self.level, color=LEVEL_COLOURS[0], linestyle="--", linewidth=1)
        for place, row in enumerate(zip(self.values, self.low, self.high, self.notes, strict=True)):
            value, low, high, note = row
            axis.plot([low, high], [place] * 2, color=COLOURS[1], linewidth=4, solid_capstyle="butt")
            axis.plot([value], [place], "o", color=COLOURS[0])
            axis.annotate(
                note,
                (1.01, place),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8,
                annotation_clip=False,
            )
        name_rows(axis, self.names, self.x_label)
        return None

    def table(self) -> Table:
        """Return a row for each name."""
        ranges = [
            f"{format_number(a)} to {format_number(b)}" for a, b in zip(self.low, self.high, strict=True)
        ]
        rows = [*zip(self.names, map(format_number, self.values), ranges, self.notes, strict=True)]
        return Table(["", self.x_label, "range", ""], rows)


@attrs.frozen(kw_only=True)
class DateChart(LineChart):
    """Curves over days since 1970, which are shown as dates."""

    def name_x(self, value: float) -> str:
        return str(as_dates(pd.Series([value]))[0])

    def draw(self, axis: Any) -> Finish:
        """Draw as for numbers, with dates at the axis; Matplotlib counts the same days."""
        finish, dates = super().draw(axis), import_module("matplotlib.dates")
        axis.xaxis.set_major_locator(locator := dates.AutoDateLocator(maxticks=_TICKS))
        axis.xaxis.set_major_formatter(dates.AutoDateFormatter(locator))
        return finish
