"""The picture of a comparison: bits per byte against seconds, with the name of each system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import attrs

from lior.plots import COLOURS, Finish, LabelColumn, Panel, Picture, Table, logarithmic, write_picture
from lior_bench.report import Columns, table
from lior_bench.results import Row

OWN, BASELINE = COLOURS[4], COLOURS[0]
"""The colours of lior's points and of the other points."""
MARKERS = {"static": "o", "online": "^"}


def seconds(row: Row) -> float:
    """Return the median time to train and to score, in seconds; 0 without any."""
    return sum(row.number(name) or 0.0 for name in ("train_seconds", "score_seconds"))


def write(rows: Mapping[str, Sequence[Row]], columns: Columns, out: Path) -> Path | None:
    """Write ``bench.png``, with the rows of each text, to ``out``; ``None`` if there is nothing to draw."""
    # A logarithmic axis cannot show 0.
    shown = {text: [row for row in found if seconds(row)] for text, found in rows.items()}
    panels = [
        ComparisonChart(title=text[-80:], rows=found, columns=columns)
        for text, found in shown.items()
        if found
    ]
    if not panels:
        return None
    title = "bits per byte against seconds"
    [path] = write_picture(Picture(name="bench", title=title, panels=panels, columns=1), out, ("png",))
    return path


@attrs.frozen(kw_only=True)
class ComparisonChart(Panel):
    """A chart of the systems on one text."""

    kind: ClassVar[str] = "comparison"

    rows: Sequence[Row]
    columns: Columns

    def inches(self) -> tuple[float, float]:
        """Return the size, with room for a name at each point."""
        return 10.0, 5.5

    def draw(self, axis: Any) -> Finish:
        """Draw a point for each system, with the range over the seeds."""
        points = [(row, seconds(row), row.number("bits_per_byte") or 0.0, _colour(row)) for row in self.rows]
        for row, x, y, colour in points:
            bits, style = row.numbers("bits_per_byte"), {"capsize": 3, "markersize": 8, "color": colour}
            axis.errorbar([x], [y], yerr=[[y - min(bits)], [max(bits) - y]], fmt=MARKERS[row.mode], **style)
        ticks = import_module("matplotlib.ticker")
        logarithmic(axis, "x")
        axis.set_yscale("log")  # a distant system must not squeeze the others
        axis.yaxis.set_major_locator(ticks.LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)))
        axis.yaxis.set_major_formatter(ticks.FormatStrFormatter("%g"))
        axis.yaxis.set_minor_locator(ticks.NullLocator())
        axis.set(xlabel="seconds to train and to score", ylabel="bits per byte")
        axis.margins(0.06)
        axis.grid(True, which="major", alpha=0.3)
        for (mode, marker), (who, colour) in product(
            MARKERS.items(), (("lior", OWN), ("baseline", BASELINE))
        ):
            axis.plot([], [], marker, color=colour, label=f"{who}, {mode}")
        axis.legend(loc="best", fontsize=8, framealpha=0.9)
        labels = LabelColumn(axis)
        for row, x, y, colour in points:
            labels.add(f"{y:.3f}  {row}", y, at=x, column=1.03, point="data", color=colour)
        return labels.separate

    def table(self) -> Table:
        """Return the table of the report."""
        return Table(*table(self.rows, self.columns))


def _colour(row: Row) -> str:
    return OWN if row.system.startswith("lior ") else BASELINE
