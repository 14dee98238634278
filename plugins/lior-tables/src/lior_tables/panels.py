"""Panels that the pictures of a table need beside those of lior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import attrs

from lior.plots import drawing
from lior.plots.drawing import COLOURS
from lior.plots.panels import Panel, Settle
from lior.plots.scales import number
from lior.plots.sketch import Frame, Pen, Ruler

_BLUE, _SKY, _RED = COLOURS[0], COLOURS[1], COLOURS[4]
_GREY = "#555555"


@attrs.frozen(kw_only=True)
class Whiskers(Panel):
    """A number with a range for each of a few names: dots, or bars from 0."""

    kind: ClassVar[str] = "whiskers"

    x_label: str
    names: Sequence[str]
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    notes: Sequence[str] = ()
    """The text beside each; may be empty."""
    marked: Sequence[bool] = ()
    """Which stand out in colour; may be empty."""
    level: float | None = None
    """Where no difference is: a vertical line."""
    bars: bool = False
    log: bool = False

    def inches(self) -> tuple[float, float]:
        """A fixed height for each name."""
        return 7.0, 1.3 + 0.27 * len(self.names)

    def draw(self, axis: Any) -> Settle:
        """Horizontal, the first name on top."""
        places = list(range(len(self.names)))
        colours = [_RED if mark else _BLUE for mark in self.marked] or [_BLUE] * len(places)
        below = [max(v - a, 0) for v, a in zip(self.values, self.low, strict=True)]
        above = [max(b - v, 0) for v, b in zip(self.values, self.high, strict=True)]
        if self.bars:
            axis.barh(places, self.values, height=0.62, color=[_SKY] * len(places), zorder=2)
        for place, value, lower, upper, colour in zip(
            places, self.values, below, above, colours, strict=True
        ):
            axis.errorbar(
                [value], [place], xerr=[[lower], [upper]], fmt="none" if self.bars else "o", color=colour,
                markersize=6, capsize=3, linewidth=1.4, zorder=3,
            )  # fmt: skip
        if self.level is not None:
            axis.axvline(self.level, color=_GREY, linestyle="--", linewidth=1)
        axis.set_yticks(places, self.names)
        axis.set_ylim(len(places) - 0.5, -0.5)
        if self.log:
            drawing.logarithmic(axis, "x")
        elif self.bars:
            axis.set_xlim(0, None)
        axis.set_xlabel(self.x_label)
        axis.grid(True, axis="x", alpha=0.3)
        axis.set_axisbelow(True)
        for place, note in zip(places, self.notes, strict=False):
            axis.annotate(
                note, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8,
                annotation_clip=False,
            )  # fmt: skip
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """A line for each name."""
        names = [*map(pen.say, self.names)]
        margin = max(map(len, names))
        notes = [pen.say(note) for note in self.notes] or [number(value) for value in self.values]
        room = max(pen.width - margin - max(map(len, notes)) - 6, 12)
        ends = [
            *self.low,
            *self.high,
            *([self.level] if self.level is not None else []),
            *([0.0] * self.bars),
        ]
        across = Ruler.over(ends)
        lines = []
        for name, value, low, high, note in zip(names, self.values, self.low, self.high, notes, strict=True):
            cells = [" "] * room
            if self.level is not None:
                cells[across.at(self.level, room)] = "·"
            for place in range(across.at(low, room), across.at(high, room) + 1):
                cells[place] = "─"
            cells[across.at(value, room)] = "█"
            lines.append(f"{name:>{margin}} │{pen.say(''.join(cells))} {note}")
        return [*lines, *pen.notes([self.x_label], margin)]


@attrs.frozen(kw_only=True)
class Cloud(Panel):
    """Points in the plane, with a line that they would lie on if all were right."""

    kind: ClassVar[str] = "cloud"

    x_label: str
    y_label: str
    x: Sequence[float]
    y: Sequence[float]
    diagonal: bool
    """Whether the line is ``y = x``; else it is ``y = 0``."""

    def inches(self) -> tuple[float, float]:
        """Square, about."""
        return 5.4, 4.6

    def draw(self, axis: Any) -> Settle:
        """Small dots, lighter where there are many of them."""
        size, shade = (14, 0.55) if len(self.x) < 500 else (7, 0.35)
        axis.scatter(self.x, self.y, s=size, alpha=shade, color=_BLUE, linewidths=0, rasterized=True)
        if self.diagonal:
            ends = [min((*self.x, *self.y)), max((*self.x, *self.y))]
            axis.plot(ends, ends, color=_RED, linewidth=1.2, linestyle="--")
        else:
            axis.axhline(0, color=_RED, linewidth=1.2, linestyle="--")
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        axis.grid(True, alpha=0.3)
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """Dots of braille."""
        frame = Frame(pen, Ruler.over(self.x), Ruler.over(self.y))
        frame.curve(self.x, self.y, joined=False)
        return frame.lines([f"x: {self.x_label}", f"y: {self.y_label}"])


@attrs.frozen(kw_only=True)
class Spans(Panel):
    """An interval and a point for each of some rows, side by side."""

    kind: ClassVar[str] = "spans"

    x_label: str
    y_label: str
    low: Sequence[float]
    high: Sequence[float]
    middle: Sequence[float]
    points: Sequence[float]
    """What the intervals should hold."""

    def inches(self) -> tuple[float, float]:
        """Wide."""
        return 7.4, 4.6

    def draw(self, axis: Any) -> Settle:
        """Bars, with the points outside in another colour."""
        places = range(len(self.low))
        axis.vlines(places, self.low, self.high, color=_SKY, linewidth=3.2, label="interval", zorder=1)
        axis.plot(places, self.middle, "_", color=_BLUE, markersize=6, label="prediction", zorder=2)
        for inside, colour, marker, name in (
            (True, "black", "o", "target inside"),
            (False, _RED, "X", "outside"),
        ):
            chosen = [i for i in places if (self.low[i] <= self.points[i] <= self.high[i]) == inside]
            axis.plot(
                chosen, [self.points[i] for i in chosen], marker, color=colour, linestyle="none",
                markersize=3.2 if inside else 6, label=f"{name} ({len(chosen)})", zorder=3,
            )  # fmt: skip
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        axis.set_xticks([])
        axis.legend(fontsize=8, framealpha=0.9, loc="upper left")
        axis.grid(True, axis="y", alpha=0.3)
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """Vertical lines, the targets as letters."""
        places = list(range(len(self.low)))
        frame = Frame(pen, Ruler(0, len(places) - 1 or 1), Ruler.over((*self.low, *self.high, *self.points)))
        for i in places:
            frame.curve([i, i], [self.low[i], self.high[i]], mark="⣿")
        frame.curve(places, self.points, joined=False, mark="o")
        return frame.lines([f"x: {self.x_label}", f"y: {self.y_label}", "o target"])


@attrs.frozen(kw_only=True)
class NamedHeat(Panel):
    """A table of numbers as colours, with names on both sides."""

    kind: ClassVar[str] = "named heat"

    unit: str
    signed: bool = True
    """Whether 0 is in the middle of the colours; else they go from 0 to 1."""
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]]

    def inches(self) -> tuple[float, float]:
        """A fixed size for each cell."""
        return max(3.0 + 0.42 * len(self.columns), 5.6), max(2.2 + 0.36 * len(self.rows), 3.2)

    def draw(self, axis: Any) -> Settle:
        """Colours, with the numbers in the cells."""
        most = max(abs(value) for row in self.values for value in row) or 1.0
        look = (
            {"cmap": "PuOr", "vmin": -most, "vmax": most}
            if self.signed
            else {"cmap": "Blues", "vmin": 0, "vmax": 1}
        )
        image = axis.imshow(self.values, aspect="auto", **look)
        axis.set_yticks(range(len(self.rows)), self.rows)
        long = max(map(len, self.columns)) > 4
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axis.set_xticks(range(len(self.columns)), self.columns, **turned)
        axis.figure.colorbar(image, ax=axis, label=self.unit, pad=0.02)
        digits = 2 if len(self.columns) <= 12 else 1
        texts = [
            [f"{v:.{digits}f}" if abs(v) >= 0.5 * 10**-digits else "" for v in row] for row in self.values
        ]
        drawing.write_numbers(axis, texts, [[abs(v) > 0.6 * most for v in row] for row in self.values])
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """For each row the columns that count most in it."""
        margin = max(map(len, self.rows))
        lines = []
        for name, row in zip(self.rows, self.values, strict=True):
            order = sorted(range(len(row)), key=lambda i: -abs(row[i]))[:4]
            said = ", ".join(f"{self.columns[i]} {row[i]:+.2f}" for i in order)
            lines.append(pen.say(f"{name:>{margin}} │ {said}")[: pen.width - 2])
        return [*lines, *pen.notes([self.unit], margin)]
