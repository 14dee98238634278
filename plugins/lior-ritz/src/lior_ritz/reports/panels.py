"""Panels of kinds that lior does not have: fields over the plane, matrices, and spectra of levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import attrs

from lior.plots import drawing
from lior.plots.drawing import CURVE_COLOURS
from lior.plots.panels import LeftOut, Panel, Settle, label_height
from lior.plots.scales import LETTER_INCHES, LabelColumn, labelled, largest_size, number
from lior.plots.sketch import MARGIN, Frame, Pen, Ruler

DIVERGING = (
    "#1F59A1", "#637DB6", "#96A4CC", "#C6CCE1", "#F6F6F6", "#E5C7B8", "#CF987E", "#B46B46", "#963F0E",
)  # fmt: skip
"""Blue over white to orange, equal steps in CIELAB: L* 38 to 97 and back, chroma 45 to 0 to 56."""

# Files; lengths in inches.
_FIELD_SIDE, _NARROW, _LONGEST = 4.2, 1.0, 7.0
"""The longer side of a field or a large matrix; the least shorter side of a field, as long as its longer side
is not greater than the last number."""
_LEAST_SIZE = (1.6, 1.2)
"""Least width and height; a smaller field is in the middle of this area."""
_PER_TICK = 0.55
_BAR_GAP, _BAR_WIDTH = 0.17, 0.21
"""The gap between axes and colour bar, and the width of the bar."""
_CELL, _NUMBERED = 0.46, 12
"""The side of a cell with its number; matrices with more rows or columns have no numbers."""
_AROUND = (1.9, 1.1)
"""Room for labels and the colour bar: beside, and above and below."""
_NOISE, _REACH = 1e-3, 2
"""A contour is of rounding errors where all numbers so many places around differ from it by less than this
share of the range."""
_LADDER_HEIGHT, _RUNG, _LEADER = 4.4, 0.9, 0.35
"""The height of a spectrum, the length of a level's line, and the distance to its label."""

# Text; lengths in characters.
_TALLEST, _NARROWEST, _LOWEST = 20, 8, 3
_BELOW, _ASCII_BELOW = " ·∘○●", " -=oO"
"""Shades of negative numbers, where these are told apart from positive ones."""
_MATRIX_ROWS, _NAME = 40, 20
_LADDER_ROWS, _TEXT_RUNG = 16, 6


def _row(values: Iterable[float]) -> list[float]:
    """Plain numbers of any array."""
    return [float(value) for value in values]


def _table(rows: Iterable[Iterable[float]]) -> list[list[float]]:
    return [_row(row) for row in rows]


def _check_table(title: str, values: Sequence[Sequence[float]], rows: int, columns: int) -> None:
    """Check the shape of a table, and that its numbers are finite."""
    if rows < 1 or [len(row) for row in values] != [columns] * rows:
        sizes = sorted({len(row) for row in values})
        raise ValueError(f"{title}: {rows} x {columns} numbers needed, not {len(values)} rows of {sizes}")
    _check_finite(title, [value for row in values for value in row])


def _check_finite(title: str, values: Sequence[float]) -> None:
    if bad := sum(not math.isfinite(value) for value in values):
        raise LeftOut(f"{title}: {bad:,} of {len(values):,} numbers are not finite")


def field_map(diverging: bool) -> Any:
    """A perceptually uniform colour map of Matplotlib, with 0 in the middle if ``diverging``."""
    if not diverging:
        return "viridis"
    colors = import_module("matplotlib.colors")
    return colors.LinearSegmentedColormap.from_list("blue to orange", DIVERGING)


def _colour_bar(axis: Any, image: Any, label: str, width: float, extend: str = "neither") -> None:
    """A colour bar as tall as axes of an equal aspect, for axes of ``width`` inches."""
    beside = axis.inset_axes((1 + _BAR_GAP / width, 0.0, _BAR_WIDTH / width, 1.0))
    axis.figure.colorbar(image, cax=beside, label=label, extend=extend)


def _shade(pen: Pen, value: float, low: float, high: float, diverging: bool) -> str:
    """The character of a number within the limits."""
    shades = pen.shades
    if not diverging:
        return shades[min(int(len(shades) * (value - low) / (high - low)), len(shades) - 1)]
    if value < 0:
        shades = _below(pen)
    return shades[round((len(shades) - 1) * abs(value) / high)]


def _below(pen: Pen) -> str:
    return _BELOW if pen.blocks else _ASCII_BELOW


def _signs(pen: Pen, unit: str, most: str) -> str:
    """The legend of shades of both signs."""
    above, below = pen.shades[1:], _below(pen)[1:]
    return f"{unit}: blank at 0, {above} above it to {most}, {below} below it to -{most}"


@attrs.frozen(kw_only=True)
class Field(Panel):
    """A function of two variables on a rectangular grid, as colours; both axes have the same scale.

    Raises
    ------
    ValueError
        When an axis has fewer than two places or does not rise, when ``values`` has another shape than
        the grid, or ``low`` is not below ``high``.
    LeftOut
        When a number is not finite.
    """

    kind: ClassVar[str] = "field"
    equal_aspect: ClassVar[bool] = True

    x_label: str
    y_label: str
    unit: str
    """Quantity and unit of the numbers, beside the colour bar."""
    x: Sequence[float] = attrs.field(converter=_row)
    y: Sequence[float] = attrs.field(converter=_row)
    """Places of the grid along each axis, both in the same unit and rising: ``nx`` and ``ny`` numbers."""
    values: Sequence[Sequence[float]] = attrs.field(converter=_table)
    """The number at ``(x[j], y[i])`` is ``values[i][j]``: ``ny`` rows of ``nx``."""
    low: float | None = None
    high: float | None = None
    """Numbers with the first and the last colour. Numbers beyond have the same colours, and the bar says how
    far they go. ``None``: the least and the greatest number."""
    diverging: bool = False
    """Whether the sign matters: 0 is in the middle of the colours, and the range is symmetric."""
    contours: Sequence[float] = attrs.field(default=(), converter=_row)
    """Numbers along which a line is drawn, such as 0 for the nodes of a wave; in files only. There is no line
    where all numbers around differ from it by less than a thousandth of the range: rounding errors."""

    def __attrs_post_init__(self) -> None:
        for name, places in (("x", self.x), ("y", self.y)):
            if len(places) < 2 or any(b <= a for a, b in itertools.pairwise(places)):
                raise ValueError(f"{self.title}: {name} must be two or more places that rise")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"{self.title}: low {self.low} must be below high {self.high}")
        _check_finite(self.title, [*self.x, *self.y, *self.contours])
        _check_table(self.title, self.values, len(self.y), len(self.x))

    def extremes(self) -> tuple[float, float]:
        """The least and the greatest number."""
        return min(map(min, self.values)), max(map(max, self.values))

    def limits(self) -> tuple[float, float]:
        """The numbers of the first and the last colour; the first is always the lesser."""
        low, high = self.extremes()
        low = low if self.low is None else self.low
        high = high if self.high is None else self.high
        if self.diverging:
            given = [abs(value) for value in (self.low, self.high) if value is not None]
            most = max(given or (abs(low), abs(high))) or 1.0
            return -most, most
        if low < high:
            return low, high
        # All numbers are equal, or a limit is beyond all of them: a limit that was given stays.
        width = abs(low) or 1.0
        return (high - width, high) if self.low is None and self.high is not None else (low, low + width)

    def beyond(self) -> str:
        """How far numbers beyond the limits go; empty if there are none."""
        (low, high), (least, most) = self.limits(), self.extremes()
        said = [f"down to {number(least, 3)}"] * (least < low) + [f"up to {number(most, 3)}"] * (most > high)
        return ", ".join(said)

    def _area(self) -> tuple[float, float]:
        """Width and height in inches of the field alone."""
        width, height = self.x[-1] - self.x[0], self.y[-1] - self.y[0]
        # Narrow fields are longer, so that their labels have room.
        scale = max(_FIELD_SIDE / max(width, height), _NARROW / min(width, height))
        scale = min(scale, _LONGEST / max(width, height))
        return scale * width, scale * height

    def inches(self) -> tuple[float, float]:
        """The area with labels and colour bar."""
        width, height = self._area()
        return max(width, _LEAST_SIZE[0]) + _AROUND[0], max(height, _LEAST_SIZE[1]) + _AROUND[1]

    def draw(self, axis: Any) -> Settle:
        """Colours, a bar and contours."""
        (low, high), (least, most) = self.limits(), self.extremes()
        image = axis.pcolormesh(
            self.x, self.y, self.values, shading="nearest", cmap=field_map(self.diverging),
            vmin=low, vmax=high, rasterized=True,
        )  # fmt: skip
        axis.set_aspect("equal")
        scales = ((axis.xaxis, self.x), (axis.yaxis, self.y))
        for (scale, places), inches in zip(scales, self._area(), strict=True):
            if inches < 2 * _PER_TICK:  # no room for two numbers
                scale.set_ticks(places[:1], [number(places[0])])
            else:
                most_ticks = min(int(inches / _PER_TICK), 6)
                scale.set_major_locator(import_module("matplotlib.ticker").MaxNLocator(most_ticks))
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(
            (least < low, most > high), "neither"
        )
        label = "; ".join(filter(None, (self.unit, self.beyond())))
        _colour_bar(axis, image, label, self._area()[0], extend)
        for value in self.contours:
            self._contour(axis, value)
        return None

    def _contour(self, axis: Any, value: float) -> None:
        """The line where the field has that value, black with a white edge to be seen on any colour."""
        np = import_module("numpy")
        effects = import_module("matplotlib.patheffects")
        away = np.asarray(self.values) - value
        shown = np.ma.masked_where(_largest_around(abs(away)) < _NOISE * abs(away).max(), away)
        if shown.count() and shown.min() < 0 < shown.max():
            drawn = axis.contour(self.x, self.y, shown, levels=[0.0], colors="black", linewidths=1.0)
            drawn.set_path_effects([effects.withStroke(linewidth=2.4, foreground="white")])

    def sketch(self, pen: Pen) -> list[str]:
        """Shades; a character is twice as tall as it is wide."""
        low, high = self.limits()
        slope = (self.y[-1] - self.y[0]) / (self.x[-1] - self.x[0]) / 2
        rows = round(min(pen.columns * slope, _TALLEST))
        columns = min(round(_TALLEST / slope), pen.columns) if rows == _TALLEST else pen.columns
        rows, columns = max(rows, _LOWEST), max(columns, _NARROWEST)
        frame = Frame(pen, Ruler.over(self.x), Ruler.over(self.y), rows=rows, columns=columns)
        parts = _parts(self.x, columns)
        for row, group in enumerate(_parts(self.y, rows)):
            means = [
                # Numbers beyond the limits must not outweigh those within.
                sum(min(max(self.values[i][j], low), high) for i in group for j in part)
                / (len(group) * len(part))
                for part in parts
            ]
            frame.text(0, row, "".join(_shade(pen, mean, low, high, self.diverging) for mean in means))
        return frame.lines([f"x: {self.x_label}", f"y: {self.y_label}", self._legend(pen), self.beyond()])

    def _legend(self, pen: Pen) -> str:
        """The numbers of the shades."""
        low, high = self.limits()
        if self.diverging:
            return _signs(pen, self.unit, number(high, 3))
        edges = [low + (high - low) * i / len(pen.shades) for i in range(len(pen.shades))]
        shades = [
            f"{shade} from {number(edge, 3)}" for shade, edge in zip(pen.shades[1:], edges[1:], strict=True)
        ]
        return f"{self.unit}: blank from {number(low, 3)}, {', '.join(shades)} to {number(high, 3)}"


def _largest_around(sizes: Any) -> Any:
    """The greatest number in the neighbourhood of each place of the grid."""
    np = import_module("numpy")
    for direction in (0, 1):
        margins = [(_REACH, _REACH) if each == direction else (0, 0) for each in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(sizes, margins, mode="edge"), 2 * _REACH + 1, axis=direction
        )
        sizes = windows.max(-1)
    return sizes


def _parts(places: Sequence[float], count: int) -> list[list[int]]:
    """The indices of the places in each of ``count`` equal parts of their range; the nearest one if none."""
    low, width = places[0], (places[-1] - places[0]) / count
    parts: list[list[int]] = [[] for _ in range(count)]
    for i, place in enumerate(places):
        parts[min(int((place - low) / width), count - 1)].append(i)
    return [
        part or [min(range(len(places)), key=lambda i: abs(places[i] - middle))]
        for part, middle in zip(parts, [low + width * (k + 0.5) for k in range(count)], strict=True)
    ]


class CellFormat(NamedTuple):
    """The format of the numbers in a table."""

    exponent: int
    """They are divided by ten to this power."""
    decimals: int

    @classmethod
    def of(cls, values: Sequence[Sequence[float]]) -> CellFormat:
        """A short format: tiny and huge numbers are divided by a power of ten."""
        size = math.floor(math.log10(largest_size(values)))
        return cls(0, 3 - max(size, 0)) if -1 <= size < 4 else cls(size, 2)

    def text(self, value: float) -> str:
        """``value`` in this format."""
        # + 0.0 turns -0.00 into 0.00
        return f"{round(value / 10.0**self.exponent, self.decimals) + 0.0:.{self.decimals}f}"

    def label(self, unit: str) -> str:
        """The unit of the texts."""
        return ", ".join(filter(None, (unit, f"in 1e{self.exponent}" if self.exponent else "")))


@attrs.frozen(kw_only=True)
class Matrix(Panel):
    """A matrix as colours, with 0 in the middle of them, and with its numbers where there is room.

    Raises
    ------
    ValueError
        When ``values`` has another shape than its names.
    LeftOut
        When a number is not finite.
    """

    kind: ClassVar[str] = "matrix"
    equal_aspect: ClassVar[bool] = True

    x_label: str
    y_label: str
    unit: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]] = attrs.field(converter=_table)
    """A row of numbers for each name in ``rows``, a number for each name in ``columns``. If all are below
    0.1, or one is 10,000 or more, they are shown divided by a power of ten, and the label says so."""

    def __attrs_post_init__(self) -> None:
        _check_table(self.title, self.values, len(self.rows), len(self.columns))

    def _cell(self) -> float:
        """Inches of a side of a cell."""
        many = max(len(self.rows), len(self.columns))
        return _CELL if many <= _NUMBERED else _FIELD_SIDE / many

    def inches(self) -> tuple[float, float]:
        """All cells, with names and colour bar."""
        width = self._cell() * len(self.columns) + 0.06 * max(map(len, self.rows))
        height = self._cell() * len(self.rows)
        return max(width, _LEAST_SIZE[0]) + _AROUND[0], max(height, _LEAST_SIZE[1]) + _AROUND[1]

    def draw(self, axis: Any) -> Settle:
        """Colours, a bar and numbers."""
        form = CellFormat.of(self.values)
        values = [[value / 10.0**form.exponent for value in row] for row in self.values]
        most = largest_size(values)
        image = axis.imshow(values, cmap=field_map(True), vmin=-most, vmax=most, interpolation="nearest")
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        for scale, names in ((axis.xaxis, self.columns), (axis.yaxis, self.rows)):
            places = range(0, len(names), -(-len(names) // (2 * _NUMBERED)))
            scale.set_ticks(places, [names[i] for i in places], fontsize=8)
        if max(map(len, self.columns)) > 4:
            axis.tick_params(axis="x", rotation=90)
        _colour_bar(axis, image, form.label(self.unit), self._cell() * len(self.columns))
        if self._cell() == _CELL:
            dark = [[abs(value) > 0.6 * most for value in row] for row in values]
            drawing.write_numbers(axis, [[form.text(value) for value in row] for row in self.values], dark)
        return None

    def sketch(self, pen: Pen) -> list[str]:
        """Numbers, or shades where there is no room for numbers."""
        form = CellFormat.of(self.values)
        names = [pen.say(name if len(name) <= _NAME else name[: _NAME - 1] + "…") for name in self.rows]
        margin = max(map(len, names))
        room = pen.width - margin - 4
        texts = [[form.text(value) for value in row] for row in self.values]
        heads = [pen.say(name) for name in self.columns]
        each = 1 + max(map(len, [*heads, *(text for row in texts for text in row)]))
        labels = [
            f"rows: {self.y_label}" * bool(self.y_label),
            f"columns: {self.x_label}" * bool(self.x_label),
        ]
        below = min(margin, MARGIN)
        if each * len(heads) <= room and len(names) <= _MATRIX_ROWS:
            head = f"{'':>{margin}}  {''.join(f'{name:>{each}}' for name in heads)}"
            body = ["".join(f"{text:>{each}}" for text in row) for row in texts]
            lines = [f"{name:>{margin}} │{line}" for name, line in zip(names, body, strict=True)]
            return [head, *lines, *pen.notes([form.label(self.unit), *labels], below)]
        step = max(-(-len(names) // _MATRIX_ROWS), -(-len(heads) // room))
        lines = [f"{names[i]:>{margin}} │{line}" for i, line in self._shaded(pen, step, room)]
        said = [_signs(pen, self.unit, number(largest_size(self.values), 3))]
        said += [f"each the greatest of {step} x {step} numbers"] * (step > 1)
        return [*lines, *pen.notes([*said, *labels], below)]

    def _shaded(self, pen: Pen, step: int, room: int) -> Iterator[tuple[int, str]]:
        """Every ``step``-th row and its shades, each of the greatest number in a square of that side."""
        most = largest_size(self.values)
        columns = range(0, len(self.columns), step)
        wide = 2 if 2 * len(columns) <= room else 1
        for i in range(0, len(self.rows), step):
            rows = self.values[i : i + step]
            values = [max((value for row in rows for value in row[j : j + step]), key=abs) for j in columns]
            yield i, "".join(_shade(pen, value, -most, most, True) * wide for value in values)


@attrs.frozen(kw_only=True)
class Ladder:
    """Levels of one origin, such as the computed ones or the expected ones."""

    name: str
    values: Sequence[float] = attrs.field(converter=_row)
    notes: Sequence[str] = ()
    """Text at each level; empty: its number, with four digits."""

    def labels(self) -> list[str]:
        """Text at each level."""
        return list(self.notes) or [f"{value:.4g}" for value in self.values]


@attrs.frozen(kw_only=True)
class LevelDiagram(Panel):
    """A spectrum: ladders of levels side by side on one axis. Of more than 40 levels every second, third, ...
    has its label.

    Raises
    ------
    ValueError
        When there is no level, or a ladder has another number of notes than of levels.
    LeftOut
        When a level is not finite.
    """

    kind: ClassVar[str] = "levels"

    y_label: str
    ladders: Sequence[Ladder]
    x_label: str = ""

    def __attrs_post_init__(self) -> None:
        _check_finite(self.title, self.values())
        if not self.values():
            raise ValueError(f"{self.title}: there is no level")
        for ladder in self.ladders:
            if len(ladder.notes) not in (0, len(ladder.values)):
                raise ValueError(f"{self.title}: {len(ladder.values)} levels, {len(ladder.notes)} notes")

    def values(self) -> list[float]:
        """All levels."""
        return [value for ladder in self.ladders for value in ladder.values]

    def _pitches(self) -> list[float]:
        """Inches of each ladder with its labels."""
        letters = (max([4, *map(len, ladder.labels())]) for ladder in self.ladders)
        return [_RUNG + _LEADER + LETTER_INCHES * count + 0.2 for count in letters]

    def inches(self) -> tuple[float, float]:
        """All ladders with their labels."""
        most = max(len(ladder.values) for ladder in self.ladders)
        return max(sum(self._pitches()) + 1.2, 4.2), max(_LADDER_HEIGHT, label_height(most))

    def draw(self, axis: Any) -> Settle:
        """Lines and labels; a unit of the horizontal axis is an inch."""
        left, ticks, columns = 0.0, [], []
        for i, (ladder, pitch) in enumerate(zip(self.ladders, self._pitches(), strict=True)):
            right = left + _RUNG
            axis.hlines(
                ladder.values, left, right, color=CURVE_COLOURS[i % len(CURVE_COLOURS)], linewidth=1.6
            )
            column = LabelColumn(axis, "data")
            rising = sorted(zip(ladder.values, ladder.labels(), strict=True), key=lambda pair: pair[0])
            for j in labelled(len(rising)):
                value, text = rising[j]
                column.add(text, value, at=right, column=right + _LEADER)
            columns.append(column)
            ticks.append(left + _RUNG / 2)
            left += pitch
        axis.set_xticks(ticks, [ladder.name for ladder in self.ladders])
        axis.tick_params(axis="x", length=0)
        axis.set_xlim(-0.2, left)
        axis.margins(y=0.08)
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.set(xlabel=self.x_label, ylabel=self.y_label)
        axis.grid(True, axis="y", alpha=0.3)
        axis.set_axisbelow(True)

        def settle() -> None:
            for column in columns:
                column.settle()

        return settle

    def sketch(self, pen: Pen) -> list[str]:
        """A line for each level or for several close ones, with labels."""
        up = Ruler.over(self.values())
        wide = pen.columns // len(self.ladders)
        frame = Frame(pen, None, up, rows=_LADDER_ROWS)
        crowded: list[str] = []
        for i, ladder in enumerate(self.ladders):
            found: dict[int, list[str]] = {}
            for value, label in sorted(zip(ladder.values, ladder.labels(), strict=True)):
                found.setdefault(up.at(value, _LADDER_ROWS), []).append(pen.say(label))
            for row, labels in found.items():
                text = ", ".join(labels)
                if _TEXT_RUNG + 2 + len(text) > wide and len(labels) > 1:
                    crowded.append(f"{len(labels)} levels are {text}")
                    text = f"{len(labels)} levels"
                frame.text(i * wide, row, ("─" * _TEXT_RUNG + " " + text)[: wide - 1])
        names = "".join(f"{pen.say(ladder.name)[: wide - 1]:<{wide}}" for ladder in self.ladders).rstrip()
        lines = frame.lines([])
        lines += [f"{'':>{MARGIN}}  {names}"] * bool(names)
        return [*lines, *pen.notes([f"y: {self.y_label}", self.x_label, *crowded])]
