"""Panels of a picture: the numbers that they show, and how they are drawn and sketched.

Another package makes a panel of its own kind by deriving from :class:`Panel`.
"""

from __future__ import annotations

import abc
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any, ClassVar, TypeAlias

import attrs

from lior.errors import LiorError
from lior.plots import drawing, scales
from lior.plots.drawing import COLOURS, CURVE_COLOURS, CURVE_STYLES, LEVEL_COLOURS, MARKERS
from lior.plots.scales import LABEL_INCHES, LABELS, AxisScale, LabelColumn, named, number
from lior.plots.sketch import MARGIN, ROWS, Frame, Pen, Ruler

Settle: TypeAlias = Callable[[], None] | None
"""Called when the axes have their final size; ``None`` if there is nothing to adjust."""

_LETTERS = "aA9_/.?"
"""Characters of the classes of points, in their order."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_FEW_LEVELS = len(LEVEL_COLOURS)
_MARKED_POINTS = 40
"""Points of longer curves have no marker each."""
_CROWD = 400
"""More dots than these are smaller, and lighter where they are alone."""
_FEW_COLUMNS = 4
"""Columns with names that are named in the text of a row of a heat map."""
_NUMBERED_COLUMNS = 24
"""Heat maps with more columns have no numbers in their cells."""


class LeftOut(LiorError):
    """A run has nothing to show in a picture; the message is the reason."""


@attrs.frozen(kw_only=True)
class Panel(abc.ABC):
    """One pair of axes with its title and its numbers, in Matplotlib and as text.

    The fields of a subclass are what ``--json`` prints, so they hold plain numbers, names and lists.
    """

    kind: ClassVar[str]
    """Name of the kind in JSON."""
    equal_aspect: ClassVar[bool] = False
    """Whether a unit has the same length along both axes, which takes a longer layout."""

    title: str

    def inches(self) -> tuple[float, float]:
        """Width and height of the panel in a file, with the labels around its axes."""
        return 6.2, 3.6

    @abc.abstractmethod
    def draw(self, axis: Any) -> Settle:
        """Draw on the Matplotlib axes ``axis``, labels included; the title is there already."""

    @abc.abstractmethod
    def sketch(self, pen: Pen) -> list[str]:
        """Lines of text of at most ``pen.width - 2`` characters, without the title."""


@attrs.frozen(kw_only=True)
class Curve:
    """A function of one variable, given at some points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    """Where it is not finite, the curve is interrupted."""
    error: Sequence[float] = ()
    """Standard error of each ``y``, or the error that :attr:`LineChart.error_name` names; may be empty."""
    dots: bool = False
    """Whether its points are drawn without lines between them."""


@attrs.frozen(kw_only=True)
class LineChart(Panel):
    """Curves in one pair of axes."""

    kind: ClassVar[str] = "lines"

    x_label: str
    y_label: str
    curves: Sequence[Curve]
    levels: dict[str, float] = attrs.field(factory=dict)
    """Name -> value to compare with: a horizontal line."""
    log_x: bool = False
    log_y: bool = False
    """Whether the axis is logarithmic. If a number on it is 0 or negative, it is linear about 0, and its
    label says within which limit."""
    dots: bool = False
    """Whether the points of all curves are drawn without lines between them."""
    low: float | None = None
    high: float | None = None
    """Least and greatest visible ``y``; ``None``: of all numbers."""
    levels_beside: bool = False
    """Whether the names of levels stand right of the axes and not in the legend. Those of more than 3 levels
    always do, since the legend has no more colours."""
    error_bars: bool = False
    """Whether an error is drawn as a bar at each point and not as a band."""
    error_name: str = "± 1 standard error"

    def inches(self) -> tuple[float, float]:
        """Room for the names of all levels."""
        width, height = super().inches()
        return width, max(height, label_height(len(self.levels))) if self._beside else height

    @property
    def _beside(self) -> bool:
        return bool(self.levels) and (self.levels_beside or len(self.levels) > _FEW_LEVELS)

    def _scales(self) -> tuple[AxisScale, AxisScale]:
        """Of the horizontal and the vertical axis."""
        limits = [limit for limit in (self.low, self.high) if limit is not None]
        up = [*(y for curve in self.curves for y in curve.y), *self.levels.values(), *limits]
        across = [x for curve in self.curves for x in curve.x]
        return AxisScale.of(across, log=self.log_x), AxisScale.of(up, log=self.log_y)

    def _missing(self) -> str:
        """The remark on points that cannot be shown; empty if there are none."""
        points = [point for curve in self.curves for point in zip(curve.x, curve.y, strict=True)]
        bad = sum(not (math.isfinite(x) and math.isfinite(y)) for x, y in points)
        if not points:
            return "there is no point to show"
        return f"{bad:,} of {len(points):,} points are not finite and left out" if bad else ""

    def _errors(self) -> Iterator[tuple[float, float, float]]:
        """Place, lower and upper end of each error bar."""
        for curve in self.curves if self.error_bars else ():
            for x, y, error in zip(curve.x, curve.y, curve.error, strict=False):
                if math.isfinite(x + y + error):
                    yield x, y - error, y + error

    def draw(self, axis: Any) -> Settle:
        """Curves, levels and a legend."""
        for i, (curve, colour) in enumerate(zip(self.curves, cycle(CURVE_COLOURS), strict=False)):
            self._draw_curve(axis, curve, colour, CURVE_STYLES[i // len(CURVE_COLOURS) % len(CURVE_STYLES)])
        for (name, value), colour in zip(self.levels.items(), cycle(LEVEL_COLOURS), strict=False):
            label = None if self._beside else named(name, value)
            axis.axhline(value, color=colour, linestyle="--", linewidth=1, label=label)
        for direction, label, scale in zip("xy", (self.x_label, self.y_label), self._scales(), strict=True):
            if scale.kind != "linear":
                drawing.logarithmic(axis, direction, scale.threshold if scale.kind == "symlog" else None)
            axis.set(**{f"{direction}label": "\n".join(filter(None, (label, scale.note)))})
        if axis.get_xscale() == "linear":
            axis.xaxis.set_major_formatter(drawing.plain_numbers())
            axis.locator_params(axis="x", nbins=6)
        if axis.get_yscale() == "linear":
            axis.ticklabel_format(axis="y", useOffset=False)
        axis.set_ylim(self.low, self.high)
        axis.grid(True, alpha=0.3)
        if missing := self._missing():
            place = 0.02 if math.isfinite(axis.dataLim.x0) else 0.5  # in the middle of empty axes
            axis.text(0.5, place, missing, transform=axis.transAxes, ha="center", fontsize=8)
        errors = any(curve.error for curve in self.curves)
        if len(self.curves) > 1 or (self.levels and not self._beside) or errors:
            axis.legend(fontsize=8, framealpha=0.9)
        return self._name_levels(axis) if self._beside else None

    def _draw_curve(self, axis: Any, curve: Curve, colour: str, style: str) -> None:
        dots = self.dots or curve.dots
        marker = "." if dots or len(curve.x) <= _MARKED_POINTS else ""
        look: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none" if dots else style}
        if dots and len(curve.x) > _CROWD:
            look |= {"alpha": 0.4, "markersize": 4, "markeredgewidth": 0, "rasterized": True}
        if curve.error and self.error_bars:
            label = f"{curve.name} {self.error_name}"
            axis.errorbar(curve.x, curve.y, yerr=curve.error, capsize=3, linewidth=1.2, label=label, **look)
            return
        axis.plot(curve.x, curve.y, label=curve.name, **look)
        if curve.error:
            low = [y - e for y, e in zip(curve.y, curve.error, strict=True)]
            high = [y + e for y, e in zip(curve.y, curve.error, strict=True)]
            axis.fill_between(
                curve.x, low, high, color=colour, alpha=0.25, linewidth=0, label=self.error_name
            )

    def _name_levels(self, axis: Any) -> Settle:
        """Names of the visible levels, right of the axes."""
        low, high = sorted(axis.get_ylim())
        found = sorted((value, name) for name, value in self.levels.items() if low <= value <= high)
        labels = LabelColumn(axis)
        for i in scales.labelled(len(found)):
            value, name = found[i]
            labels.add(named(name, value), value, at=1.0, column=1.04)
        return labels.settle

    def sketch(self, pen: Pen) -> list[str]:
        """Each curve of its own characters, levels as dotted lines."""
        across, up = self._scales()
        points = [(x, y) for c in self.curves for x, y in zip(c.x, c.y, strict=True)]
        points = [point for point in points if all(map(math.isfinite, point))]
        labels = [f"x: {self.x_label}", f"y: {self.y_label}"]
        if not points:
            return pen.notes([self._missing(), *labels], 0)
        ends = [end for _, *ends in self._errors() for end in ends]
        shown = Ruler.over([*(y for _, y in points), *self.levels.values(), *ends], up)
        low, high = (
            (shown.low if self.low is None else self.low),
            (shown.high if self.high is None else self.high),
        )
        rows = ROWS * (2 if len(self.levels) > _FEW_LEVELS else 1)
        frame = Frame(pen, Ruler.over([x for x, _ in points], across), Ruler(low, high, up), rows=rows)
        for level in self.levels.values():
            frame.level(level)
        for x, bottom, top in self._errors():
            frame.curve([x, x], [max(bottom, low), min(top, high)], mark="⣿")
        marks = [frame.curve(c.x, c.y, joined=not (self.dots or c.dots)) for c in self.curves]
        named_levels = ", ".join(f"{name} {number(value)}" for name, value in self.levels.items())
        return frame.lines(
            [
                *(
                    f"{label}{f' ({s.note})' * bool(s.note)}"
                    for label, s in zip(labels, (across, up), strict=True)
                ),
                *(f"{m} {c.name}" for m, c in zip(marks, self.curves, strict=True) if len(marks) > 1),
                f"dotted: {named_levels}" if named_levels else "",
                self.error_name if any(self._errors()) else "",
                self._missing(),
            ]
        )


@attrs.frozen(kw_only=True)
class BarChart(Panel):
    """A number for each of a few names: a bar from 0, or a dot with the range about it."""

    kind: ClassVar[str] = "bars"

    x_label: str
    names: Sequence[str]
    values: Sequence[float]
    """None of them negative, unless they are dots."""
    notes: Sequence[str]
    """The text beside each bar."""
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    """Ends of the range of each value, which is then a dot; may be empty."""
    level: float | None = None
    """A value to compare the dots with: a vertical line."""

    def inches(self) -> tuple[float, float]:
        """A height for each name, if there are many."""
        width, height = super().inches()
        return width, max(height if not self.low else 2.0, 1.3 + 0.27 * len(self.names))

    def draw(self, axis: Any) -> Settle:
        """Horizontal, the first name on top."""
        places = range(len(self.names))
        if self.low:
            self._draw_ranges(axis)
        else:
            bars = axis.barh(places, self.values, color=COLOURS[0])
            axis.bar_label(bars, self.notes, padding=4, fontsize=8)
            axis.set_xlim(0, 1.9 * max(self.values) or 1.0)  # room for the notes
        axis.set_yticks(places, self.names)
        axis.invert_yaxis()
        axis.set_xlabel(self.x_label)
        axis.grid(True, axis="x", alpha=0.3)
        axis.set_axisbelow(True)
        return None

    def _draw_ranges(self, axis: Any) -> None:
        if self.level is not None:
            axis.axvline(self.level, color=LEVEL_COLOURS[0], linestyle="--", linewidth=1)
        for place, row in enumerate(zip(self.values, self.low, self.high, self.notes, strict=True)):
            value, low, high, note = row
            axis.plot([low, high], [place, place], color=COLOURS[1], linewidth=4, solid_capstyle="butt")
            axis.plot([value], [place], "o", color=COLOURS[0])
            axis.annotate(
                note, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8,
                annotation_clip=False,
            )  # fmt: skip

    def sketch(self, pen: Pen) -> list[str]:
        """A line for each name."""
        names, notes = [*map(pen.say, self.names)], [*map(pen.say, self.notes)]
        margin = max(map(len, names))
        room = max(pen.width - margin - max(map(len, notes)) - 6, 8)
        bars = self._sketched_ranges(room) if self.low else self._sketched_bars(room, pen)
        lines = [
            f"{name:>{margin}} │{pen.say(bar)} {note}"
            for name, bar, note in zip(names, bars, notes, strict=True)
        ]
        return [*lines, *pen.notes([self.x_label], margin)]

    def _sketched_bars(self, room: int, pen: Pen) -> Iterator[str]:
        top = max(self.values) or 1.0
        for value in self.values:
            full, eighths = divmod(round(8 * room * value / top), 8)
            yield "█" * full + _EIGHTHS[eighths].strip() * pen.blocks

    def _sketched_ranges(self, room: int) -> Iterator[str]:
        levels = [] if self.level is None else [self.level]
        ruler = Ruler.over([*self.values, *self.low, *self.high, *levels])
        for value, low, high in zip(self.values, self.low, self.high, strict=True):
            cells = [" "] * room
            for level in levels:
                cells[ruler.at(level, room)] = "·"
            first, last = ruler.at(low, room), ruler.at(high, room)
            cells[first : last + 1] = "─" * (last + 1 - first)
            cells[ruler.at(value, room)] = "█"
            yield "".join(cells)


@attrs.frozen(kw_only=True)
class Histogram(Panel):
    """Counts of numbers between edges."""

    kind: ClassVar[str] = "histogram"

    x_label: str
    y_label: str
    edges: Sequence[float]
    counts: Sequence[int]
    levels: dict[str, float]
    """Name -> value to compare with: a vertical line."""
    log_x: bool = False

    def draw(self, axis: Any) -> Settle:
        """A filled staircase."""
        axis.stairs(self.counts, self.edges, fill=True, color=COLOURS[0])
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        looks = zip(cycle(LEVEL_COLOURS), cycle((":", "-", "--")), strict=False)
        for (name, value), (colour, style) in zip(self.levels.items(), looks, strict=False):
            axis.axvline(value, color=colour, linestyle=style, linewidth=1.3, label=f"{name}: {value:.3g}")
        if self.log_x:
            drawing.logarithmic(axis, "x")
        axis.yaxis.set_major_formatter(drawing.plain_numbers())
        axis.legend(fontsize=8, framealpha=0.9)
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """The outline of the staircase."""
        up = Ruler(0, max(self.counts) or 1)
        frame = Frame(pen, Ruler.over(self.edges, AxisScale.of(self.edges, log=self.log_x)), up)
        x = [edge for edge in self.edges for _ in (0, 1)]
        frame.curve(x, [0, *(count for count in self.counts for _ in (0, 1)), 0])
        levels = (f"{name} {number(value)}" for name, value in self.levels.items())
        return frame.lines([f"x: {self.x_label}", f"y: {self.y_label}", *levels])


@attrs.frozen(kw_only=True)
class HeatMap(Panel):
    """A table of numbers as colours, with 0 in the middle of the colours."""

    kind: ClassVar[str] = "heat"

    x_label: str
    unit: str
    rows: Sequence[str]
    values: Sequence[Sequence[float]]
    """A row of numbers for each name in ``rows``."""
    columns: Sequence[str] = ()
    """Their names, in place of numbers from 0; may be empty."""

    def inches(self) -> tuple[float, float]:
        """A fixed height for each row."""
        return 9.9, (2.2 if self.columns else 1.5) + 0.42 * len(self.rows)

    def draw(self, axis: Any) -> Settle:
        """Colours, with the numbers written in if there are few."""
        most = scales.largest_size(self.values)
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
            texts = [[f"{round(value, decimals) + 0.0:.{decimals}f}" for value in row] for row in self.values]
            drawing.write_numbers(axis, texts, [[abs(v) > 0.6 * most for v in row] for row in self.values])
        if self.columns:
            axis.set_xticks(range(len(self.columns)), self.columns, rotation=45, ha="right")
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """A line of shades for each row; with names of columns, those that count most in it."""
        if self.columns:
            return self._listed(pen)
        names = [*map(pen.say, self.rows)]
        margin, columns = max(map(len, names)), len(self.values[0])
        room = max(pen.width - margin - 5, 8)
        each = min(max(room // columns, 1), 4)
        taken = [columns * i // min(columns, room) for i in range(min(columns, room))]
        values = [value for row in self.values for value in row]
        low, high = min(values), max(values)
        darkest = len(pen.shades) - 1
        lines = []
        for name, row in zip(names, self.values, strict=True):
            shades = [pen.shades[round(darkest * (row[i] - low) / ((high - low) or 1.0))] for i in taken]
            lines.append(f"{name:>{margin}} │{''.join(shade * each for shade in shades)}│")
        notes = [f"x: {self.x_label}, 0 to {columns - 1}"] if columns > 1 else []
        notes.append(f"{self.unit} from {number(low)} (blank) to {number(high)} ({pen.shades[-1]})")
        return [*lines, *pen.notes(notes, min(margin, MARGIN))]

    def _listed(self, pen: Pen) -> list[str]:
        margin = max(map(len, self.rows))
        lines = []
        for name, row in zip(self.rows, self.values, strict=True):
            order = sorted(range(len(row)), key=lambda i: -abs(row[i]))[:_FEW_COLUMNS]
            said = ", ".join(f"{self.columns[i]} {row[i]:+.2f}" for i in order)
            lines.append(pen.say(f"{name:>{margin}} │ {said}")[: pen.width - 2])
        return [*lines, *pen.notes([self.unit], margin)]


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

    def inches(self) -> tuple[float, float]:
        """Larger than other panels."""
        return 9.3, 5.8

    def _by_class(self) -> Iterator[tuple[int, list[float], list[float]]]:
        """Class, ``x`` and ``y`` of its points; the rarest class last, so that it is drawn on top."""
        for kind, _ in Counter(self.of).most_common():
            rows = [i for i, each in enumerate(self.of) if each == kind]
            yield kind, [self.x[i] for i in rows], [self.y[i] for i in rows]

    def draw(self, axis: Any) -> Settle:
        """A marker and a colour for each class."""
        for kind, x, y in self._by_class():
            axis.scatter(
                x, y, s=14, alpha=0.75, linewidths=0, color=COLOURS[kind % len(COLOURS)],
                marker=MARKERS[kind % len(MARKERS)], label=f"{self.classes[kind]} ({len(x):,})",
            )  # fmt: skip
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        axis.set_aspect("equal", adjustable="datalim")
        axis.grid(True, alpha=0.3)
        axis.figure.legend(loc="outside right upper", fontsize=9, title="next token")
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """A letter for each class."""
        frame = Frame(pen, Ruler.over(self.x), Ruler.over(self.y), rows=2 * ROWS)
        for kind, x, y in self._by_class():
            frame.curve(x, y, joined=False, mark=_LETTERS[kind])
        present = ", ".join(f"{_LETTERS[kind]} {self.classes[kind]}" for kind in sorted(set(self.of)))
        return frame.lines([f"x: {self.x_label}", f"y: {self.y_label}", f"rare classes on top: {present}"])


def label_height(count: int) -> float:
    """Inches that a panel needs for ``count`` labels in a column."""
    return 1.3 + LABEL_INCHES * min(count, LABELS)


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
        """The numbers for JSON; a number that is not finite is ``None``."""
        panels = [
            {"kind": panel.kind, **attrs.asdict(panel, value_serializer=_for_json)} for panel in self.panels
        ]
        return {"title": self.title, "panels": panels}


def _for_json(_instance: Any, _field: Any, value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def spans_decades(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis shows these numbers better: the largest is over 20 times the least."""
    return bool(values) and 0 < 20 * min(values) < max(values)
