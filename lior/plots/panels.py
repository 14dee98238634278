"""Panels of a picture: numbers, their drawing on Matplotlib axes, and the same numbers as a table.

Another package defines its own kind of panel by deriving from :class:`Panel`.
"""

from __future__ import annotations

import abc
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any, ClassVar, NamedTuple, TypeAlias

import attrs

from lior.errors import LiorError
from lior.plots import axes
from lior.plots.axes import COLOURS, CURVE_COLOURS, CURVE_STYLES, LEVEL_COLOURS, MARKERS, LabelColumn
from lior.plots.scales import format_number, linear_limit, named
from lior.runs.telemetry import finite

Finish: TypeAlias = Callable[[], None] | None
"""Function to call when the axes have their final size; ``None`` if there is nothing to adjust."""

_MARKED_POINTS = 40
"""Maximum number of points of a curve with a marker for each."""
_CROWD = 400
"""Number of dots above which they are smaller, and lighter where they are alone."""
_NUMBERED_COLUMNS = 24
"""Maximum number of columns of a heat map with numbers in its cells."""
_ROWS, _LARGEST = 10, 4
"""Rows of the table of a curve or histogram, and cells that the table of a heat map names in each row."""


class LeftOut(LiorError):
    """A run has nothing to show in a picture; the message is the reason."""


class Table(NamedTuple):
    """The numbers of a panel as text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    """Lines below."""


@attrs.frozen(kw_only=True)
class Panel(abc.ABC):
    """One pair of axes with its title and its numbers.

    The fields of a subclass are printed by ``--json``, so they hold plain numbers, names and lists.
    """

    kind: ClassVar[str]
    """Name of the kind in JSON."""

    title: str

    def inches(self) -> tuple[float, float]:
        """Return width and height of the panel in a file, with the labels around its axes."""
        return 6.2, 3.6

    @abc.abstractmethod
    def draw(self, axis: Any) -> Finish:
        """Draw on the Matplotlib axes ``axis``, labels included; the title exists already."""

    @abc.abstractmethod
    def table(self) -> Table:
        """Return the numbers as text, in about a dozen rows."""


@attrs.frozen(kw_only=True)
class Curve:
    """A function of one variable, given at some points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    """Values of the function; the curve is interrupted where one is not finite."""
    error: Sequence[float] = ()
    """Standard error of each ``y``, or the error named by :attr:`LineChart.error_name`; may be empty."""
    dots: bool = False
    """Whether its points are drawn without lines between them."""

    def finite(self) -> list[int]:
        """Return indices of the points that are finite."""
        points = zip(self.x, self.y, strict=True)
        return [i for i, (x, y) in enumerate(points) if math.isfinite(x) and math.isfinite(y)]


@attrs.frozen(kw_only=True)
class LineChart(Panel):
    """Curves in one pair of axes."""

    kind: ClassVar[str] = "lines"

    x_label: str
    y_label: str
    curves: Sequence[Curve]
    levels: dict[str, float] = attrs.field(factory=dict)
    """Values to compare with, by name: a horizontal line, with its name right of the axes."""
    log_x: bool = False
    log_y: bool = False
    """Whether the axis is logarithmic. If it has a number that is 0 or negative, it is linear about 0, and
    its label gives the limit."""
    low: float | None = None
    high: float | None = None
    """Minimum and maximum visible ``y``; ``None`` for those of all numbers."""
    error_bars: bool = False
    """Whether an error is drawn as a bar at each point instead of a band."""
    error_name: str = "± 1 standard error"

    def name_x(self, value: float) -> str:
        """Return a value of ``x`` as text."""
        return format_number(value)

    def inches(self) -> tuple[float, float]:
        """Return width and height with space for the names of all levels."""
        width, height = super().inches()
        return width, max(height, 1.3 + axes.LABEL_INCHES * min(len(self.levels), axes.MOST_LABELS))

    def _missing(self) -> str:
        """Return the remark on points that cannot be shown; empty if there are none."""
        points = sum(len(curve.x) for curve in self.curves)
        bad = points - sum(len(curve.finite()) for curve in self.curves)
        if not points:
            return "there is no point to show"
        return f"{bad:,} of {points:,} points are not finite and left out" if bad else ""

    def draw(self, axis: Any) -> Finish:
        """Draw curves, levels and a legend."""
        for i, (curve, colour) in enumerate(zip(self.curves, cycle(CURVE_COLOURS), strict=False)):
            self._draw_curve(axis, curve, colour, CURVE_STYLES[i // len(CURVE_COLOURS) % len(CURVE_STYLES)])
        for value, colour in zip(self.levels.values(), cycle(LEVEL_COLOURS), strict=False):
            axis.axhline(value, color=colour, linestyle="--", linewidth=1)
        limits = [limit for limit in (self.low, self.high) if limit is not None]
        x = [value for curve in self.curves for value in curve.x]
        y = [*(value for curve in self.curves for value in curve.y), *self.levels.values(), *limits]
        self._scale(axis, "x", self.x_label, linear_limit(x) if self.log_x else None)
        self._scale(axis, "y", self.y_label, linear_limit(y) if self.log_y else None)
        axis.set_ylim(self.low, self.high)
        axis.grid(True, alpha=0.3)
        if missing := self._missing():
            place = 0.02 if math.isfinite(axis.dataLim.x0) else 0.5  # in the middle of empty axes
            axis.text(0.5, place, missing, transform=axis.transAxes, ha="center", fontsize=8)
        if len(self.curves) > 1 or any(curve.error for curve in self.curves):
            axis.legend(fontsize=8, framealpha=0.9)
        return self._name_levels(axis) if self.levels else None

    def _draw_curve(self, axis: Any, curve: Curve, colour: str, style: str) -> None:
        marker = "." if curve.dots or len(curve.x) <= _MARKED_POINTS else ""
        look: dict[str, Any] = {"color": colour, "marker": marker}
        look["linestyle"] = "none" if curve.dots else style
        if curve.dots and len(curve.x) > _CROWD:
            look |= {"alpha": 0.4, "markersize": 4, "markeredgewidth": 0, "rasterized": True}
        if curve.error and self.error_bars:
            label = f"{curve.name} {self.error_name}"
            axis.errorbar(curve.x, curve.y, yerr=curve.error, capsize=3, linewidth=1.2, label=label, **look)
            return
        axis.plot(curve.x, curve.y, label=curve.name, **look)
        if curve.error:
            points = [*zip(curve.y, curve.error, strict=True)]
            low, high = [y - e for y, e in points], [y + e for y, e in points]
            look = {"color": colour, "alpha": 0.25, "linewidth": 0}
            axis.fill_between(curve.x, low, high, label=self.error_name, **look)

    @staticmethod
    def _scale(axis: Any, direction: str, label: str, linear_to: float | None) -> None:
        """Set scale, numbers and label of an axis: linear without ``linear_to``, else logarithmic beyond."""
        if linear_to is not None:
            axes.logarithmic(axis, direction, linear_to)
        elif direction == "x":
            axis.xaxis.set_major_formatter(axes.plain_numbers())
            axis.locator_params(axis="x", nbins=6)
        else:
            axis.ticklabel_format(axis="y", useOffset=False)
        note = f"\nlogarithmic beyond ±{linear_to:g}" if linear_to else ""
        axis.set(**{f"{direction}label": label + note})

    def _name_levels(self, axis: Any) -> Finish:
        """Name the visible levels, right of the axes; if there are many, every second, third … one."""
        low, high = sorted(axis.get_ylim())
        found = sorted((value, name) for name, value in self.levels.items() if low <= value <= high)
        labels = LabelColumn(axis)
        for value, name in found[:: -(-len(found) // axes.MOST_LABELS) or 1]:
            labels.add(named(name, value), value)
        return labels.separate

    def table(self) -> Table:
        """Return points of each curve from its first to its last one; below, its minimum and maximum."""
        several, errors = len(self.curves) > 1, any(curve.error for curve in self.curves)
        count = max(_ROWS // max(len(self.curves), 1), 3)
        rows, notes = [], []
        for curve in self.curves:
            found = curve.finite()
            for i in (found[round(k)] for k in _evenly(len(found), count)):
                error = [format_number(curve.error[i])] if curve.error else [""] * errors
                rows.append(
                    [*[curve.name] * several, self.name_x(curve.x[i]), format_number(curve.y[i]), *error]
                )
            if len(found) > 1:
                ends = [(curve.y[i], curve.x[i]) for i in found]
                least, greatest = (
                    f"{format_number(y)} at {self.name_x(x)}" for y, x in (min(ends), max(ends))
                )
                notes.append(f"{curve.name}: least {least}, greatest {greatest}")
        notes += [named(name, value) for name, value in self.levels.items()]
        header = [*["curve"] * several, self.x_label, self.y_label, *[self.error_name] * errors]
        return Table(header, rows, [*notes, *filter(None, [self._missing()])])


@attrs.frozen(kw_only=True)
class BarChart(Panel):
    """A bar for each of a few names."""

    kind: ClassVar[str] = "bars"

    x_label: str
    names: Sequence[str]
    values: Sequence[float]
    """Lengths of the bars, none of them negative."""
    notes: Sequence[str]
    """The text beside each bar, after its number."""

    def inches(self) -> tuple[float, float]:
        """Return a height for each name, if there are many."""
        width, height = super().inches()
        return width, max(height, 1.3 + 0.27 * len(self.names))

    def draw(self, axis: Any) -> Finish:
        """Draw horizontal bars, the first name on top."""
        bars = axis.barh(range(len(self.names)), self.values, color=COLOURS[0])
        labels = [f"{format_number(v, 3)}  {note}" for v, note in zip(self.values, self.notes, strict=True)]
        axis.bar_label(bars, labels, padding=4, fontsize=8)
        axis.set_xlim(0, 1.9 * max(self.values) or 1.0)  # room for the notes
        axes.name_rows(axis, self.names, self.x_label)
        return None

    def table(self) -> Table:
        """Return a row for each name."""
        values = map(format_number, self.values)
        return Table(["", self.x_label, ""], [*zip(self.names, values, self.notes, strict=True)])


@attrs.frozen(kw_only=True)
class Histogram(Panel):
    """Counts of numbers between edges."""

    kind: ClassVar[str] = "histogram"

    x_label: str
    y_label: str
    edges: Sequence[float]
    counts: Sequence[int]
    levels: dict[str, float]
    """Values to compare with, by name: a vertical line."""
    log_x: bool = False

    def draw(self, axis: Any) -> Finish:
        """Draw a filled staircase."""
        axis.stairs(self.counts, self.edges, fill=True, color=COLOURS[0])
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        looks = zip(cycle(LEVEL_COLOURS), cycle((":", "-", "--")), strict=False)
        for (name, value), (colour, style) in zip(self.levels.items(), looks, strict=False):
            axis.axvline(value, color=colour, linestyle=style, linewidth=1.3, label=f"{name}: {value:.3g}")
        if self.log_x:
            axes.logarithmic(axis, "x")
        axis.yaxis.set_major_formatter(axes.plain_numbers())
        axis.legend(fontsize=8, framealpha=0.9)
        return None

    def table(self) -> Table:
        """Return counts of neighbouring bins together."""
        step = -(-len(self.counts) // _ROWS)
        rows = []
        for i in range(0, len(self.counts), step):
            counts = self.counts[i : i + step]
            low, high = self.edges[i], self.edges[i + len(counts)]
            rows.append([f"{format_number(low)} to {format_number(high)}", f"{sum(counts):,}"])
        return Table([self.x_label, self.y_label], rows, [named(*level) for level in self.levels.items()])


@attrs.frozen(kw_only=True)
class HeatMap(Panel):
    """A matrix of numbers as colours, with 0 in the middle of the colours."""

    kind: ClassVar[str] = "heat"

    x_label: str
    unit: str
    rows: Sequence[str]
    values: Sequence[Sequence[float]]
    """A row of numbers for each name in ``rows``."""
    columns: Sequence[str] = ()
    """Names of the columns, in place of numbers from 0; may be empty."""

    def inches(self) -> tuple[float, float]:
        """Return a fixed height for each row."""
        return 9.9, (2.2 if self.columns else 1.5) + 0.42 * len(self.rows)

    def draw(self, axis: Any) -> Finish:
        """Draw colours, with the numbers written in if there are few."""
        most = max(abs(value) for row in self.values for value in row) or 1.0
        image = axis.imshow(
            self.values, aspect="auto", cmap="PuOr", vmin=-most, vmax=most, interpolation="nearest"
        )
        axis.set_xlabel(self.x_label)
        axis.set_yticks(range(len(self.rows)), self.rows)
        axis.locator_params(axis="x", integer=True)
        axis.figure.colorbar(image, ax=axis, label=self.unit, pad=0.01)
        if len(self.values[0]) <= _NUMBERED_COLUMNS:
            axis.set_xticks(range(len(self.values[0])))
            decimals = min(max(2 - math.floor(math.log10(most)), 0), 6)  # three digits of the largest
            for i, j, value in ((i, j, v) for i, row in enumerate(self.values) for j, v in enumerate(row)):
                text = f"{round(value, decimals) + 0.0:.{decimals}f}"
                colour = "white" if abs(value) > 0.6 * most else "black"
                axis.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
        if self.columns:
            axis.set_xticks(range(len(self.columns)), self.columns, rotation=45, ha="right")
        return None

    def table(self) -> Table:
        """Return the mean of each row, and its largest numbers with their columns."""
        rows = []
        for name, row in zip(self.rows, self.values, strict=True):
            order = sorted(range(len(row)), key=lambda i: -abs(row[i]))[:_LARGEST]
            largest = (
                f"{format_number(row[i], 3)} ({self.columns[i] if self.columns else i})" for i in order
            )
            rows.append([name, format_number(math.fsum(row) / len(row), 3), ", ".join(largest)])
        of = self.x_label or "column"
        return Table(["", f"mean {self.unit}", f"largest of {len(self.values[0])} ({of})"], rows)


@attrs.frozen(kw_only=True)
class ScatterPlot(Panel):
    """Points in the plane, each of one of up to seven classes."""

    kind: ClassVar[str] = "points"
    x_label: str
    y_label: str
    classes: Sequence[str]
    x: Sequence[float]
    y: Sequence[float]
    of: Sequence[int]
    """Class of each point, an index into ``classes``."""
    subject: str = "next token"
    """Subject of the classes."""

    def inches(self) -> tuple[float, float]:
        """Return a larger size than other panels."""
        return 9.3, 5.8

    def _by_class(self) -> Iterator[tuple[int, list[float], list[float]]]:
        """Yield the class, ``x`` and ``y`` of its points; the rarest class comes last, to be drawn on top."""
        for kind, _ in sorted(Counter(self.of).items(), key=lambda item: (-item[1], item[0])):
            rows = [i for i, each in enumerate(self.of) if each == kind]
            yield kind, [self.x[i] for i in rows], [self.y[i] for i in rows]

    def draw(self, axis: Any) -> Finish:
        """Draw a marker and a colour for each class."""
        for kind, x, y in self._by_class():
            look = {"color": COLOURS[kind % len(COLOURS)], "marker": MARKERS[kind % len(MARKERS)]}
            label = f"{self.classes[kind]} ({len(x):,})"
            axis.scatter(x, y, s=14, alpha=0.75, linewidths=0, label=label, **look)
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        axis.set_aspect("equal", adjustable="datalim")
        axis.grid(True, alpha=0.3)
        axis.figure.legend(loc="outside right upper", fontsize=9, title=self.subject)
        return None

    def table(self) -> Table:
        """Return each class's number of points, and the position of their mean."""
        rows = [
            [self.classes[kind], f"{len(x):,}", *(format_number(math.fsum(v) / len(v), 3) for v in (x, y))]
            for kind, x, y in self._by_class()
        ]
        return Table(["class", "points", f"mean of {self.x_label}", f"of {self.y_label}"], rows)


@attrs.frozen(kw_only=True)
class Picture:
    """One or more panels about one subject.

    Raises
    ------
    ValueError
        Without any panel, or with ``columns`` below 1.
    """

    name: str
    title: str
    panels: Sequence[Panel]
    columns: int = 2
    """Number of panels side by side in a file; the last one takes the rest of its row."""

    def __attrs_post_init__(self) -> None:
        if not self.panels or self.columns < 1:
            raise ValueError(f"{self.name}: a picture needs a panel and a column")

    def summary(self) -> dict[str, Any]:
        """Return the numbers for JSON; a number that is not finite becomes ``None``."""
        panels = [{"kind": panel.kind, **attrs.asdict(panel)} for panel in self.panels]
        found: dict[str, Any] = finite({"title": self.title, "panels": panels})
        return found


def _evenly(length: int, count: int) -> list[float]:
    """Return up to ``count`` (at least 2) places from 0 to ``length - 1``, at equal distances."""
    few = min(length, count)
    return [k * (length - 1) / max(few - 1, 1) for k in range(few)]
