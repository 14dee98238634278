"""The picture of a comparison: bits per byte against seconds, with the name of each system."""

from __future__ import annotations

from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import attrs

from lior.plots import COLOURS, Finish, LabelColumn, Panel, Picture, Table, logarithmic, write_picture
from lior_bench.results import ResultRow, Results
from lior_bench.tables import table

OWN, BASELINE = COLOURS[4], COLOURS[0]
"""The colours of lior's points and of the other points."""
MARKERS = {"static": "o", "online": "^"}


def write(results: Results, out: Path) -> Path | None:
    """Write ``bench.png`` to ``out``; return ``None`` if there is nothing to draw."""
    texts = [text["name"] for text in results.about["texts"]]
    # A logarithmic axis cannot show 0.
    rows = [(text, [row for row in results.of_text(text) if row.seconds]) for text in texts]
    panels = [ComparisonChart(title=text[-80:], rows=found) for text, found in rows if found]
    if not panels:
        return None
    title = "bits per byte against seconds"
    [path] = write_picture(Picture(name="bench", title=title, panels=panels, columns=1), out, ("png",))
    return path


@attrs.frozen(kw_only=True)
class ComparisonChart(Panel):
    """A chart of the systems on one text."""

    kind: ClassVar[str] = "comparison"

    rows: list[ResultRow]

    def inches(self) -> tuple[float, float]:
        """Return the size, with room for a name at each point."""
        return 10.0, 5.5

    def draw(self, axis: Any) -> Finish:
        """Draw a point for each system, with the range over the seeds."""
        for row in self.rows:
            x, y, (low, high) = row.seconds, row.bits or 0.0, row.spread("bits_per_byte") or (0, 0)
            style = {"fmt": MARKERS[row.key.mode], "color": _colour(row), "capsize": 3, "markersize": 8}
            axis.errorbar([x], [y], yerr=[[y - low], [high - y]], **style)
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
        for row in self.rows:
            name, x, y = f"{row.bits:.3f}  {row.key}", row.seconds or 0.0, row.bits or 0.0
            labels.add(name, y, at=x, column=1.03, point="data", color=_colour(row))
        return labels.separate

    def table(self) -> Table:
        """Return the table of the report."""
        return Table(*table(self.rows))


def _colour(row: ResultRow) -> str:
    return OWN if row.key.system.startswith("lior ") else BASELINE
