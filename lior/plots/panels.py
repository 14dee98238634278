"""What is in a picture: panels of numbers with their titles and labels, ready to be drawn or printed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypeAlias

import attrs

from lior.errors import LiorError


class LeftOut(LiorError):
    """A picture has nothing to show of a run; the message says why."""


def _row(values: Iterable[float]) -> list[float]:
    """Plain numbers, whatever array they come from."""
    return [float(value) for value in values]


def _table(rows: Iterable[Iterable[float]]) -> list[list[float]]:
    return [_row(row) for row in rows]


def _check_table(title: str, values: Sequence[Sequence[float]], rows: int, columns: int) -> None:
    """Have a table of that shape, with finite numbers alone."""
    if rows < 1 or [len(row) for row in values] != [columns] * rows:
        sizes = sorted({len(row) for row in values})
        raise ValueError(f"{title}: {rows} x {columns} numbers needed, not {len(values)} rows of {sizes}")
    _check_finite(title, [value for row in values for value in row])


def _check_finite(title: str, values: Sequence[float]) -> None:
    if bad := sum(not math.isfinite(value) for value in values):
        raise LeftOut(f"{title}: {bad:,} of {len(values):,} numbers are not finite")


@attrs.frozen(kw_only=True)
class Curve:
    """A function of one variable, given at some points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    """Where it is not finite, the curve is interrupted."""
    error: Sequence[float] = ()
    """Standard error of each ``y``, or what :attr:`Lines.error_name` says; empty without any."""


@attrs.frozen(kw_only=True)
class Lines:
    """Curves in one pair of axes."""

    kind: ClassVar[str] = "lines"

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    levels: dict[str, float] = attrs.field(factory=dict)
    """Values to compare with, by name: horizontal lines."""
    log_x: bool = False
    log_y: bool = False
    """A logarithmic axis, as is :attr:`log_x`. With a number that is 0 or below it is linear about 0 and
    logarithmic beyond, and its label says from where."""
    dots: bool = False
    """Whether points are drawn and not joined."""
    low: float | None = None
    high: float | None = None
    """Least and greatest ``y`` in sight, in the unit of ``y``; what lies beyond is cut off. ``None``: all
    of it."""
    levels_beside: bool = False
    """Whether the names of levels stand at their lines, set apart where these are close, and not in the
    legend. More than 3 levels always have theirs there, for a legend has no more colours."""
    error_bars: bool = False
    """Whether errors are drawn as a bar at each point, and not as a band."""
    error_name: str = "± 1 standard error"
    """What an error is."""

    def missing(self) -> str:
        """What cannot be shown of the curves, to be said with them; empty if nothing."""
        points = [point for curve in self.curves for point in zip(curve.x, curve.y, strict=True)]
        bad = sum(not (math.isfinite(x) and math.isfinite(y)) for x, y in points)
        if not points:
            return "there is no point to show"
        return f"{bad:,} of {len(points):,} points are not finite and left out" if bad else ""


@attrs.frozen(kw_only=True)
class Bars:
    """A number for each of a few names."""

    kind: ClassVar[str] = "bars"

    title: str
    x_label: str
    names: Sequence[str]
    values: Sequence[float]
    """None of them below 0."""
    notes: Sequence[str]
    """What is written beside each bar."""


@attrs.frozen(kw_only=True)
class Histogram:
    """How often a number lies between two edges."""

    kind: ClassVar[str] = "histogram"

    title: str
    x_label: str
    y_label: str
    edges: Sequence[float]
    counts: Sequence[int]
    levels: dict[str, float]
    """Values to compare with, by name: vertical lines."""
    log_x: bool = False


@attrs.frozen(kw_only=True)
class Heat:
    """A table of numbers as colours, 0 between two of them."""

    kind: ClassVar[str] = "heat"

    title: str
    x_label: str
    unit: str
    rows: Sequence[str]
    values: Sequence[Sequence[float]]
    """A row of numbers for each name."""


@attrs.frozen(kw_only=True)
class Points:
    """Points in the plane, each of one of a few classes."""

    kind: ClassVar[str] = "points"

    title: str
    x_label: str
    y_label: str
    classes: Sequence[str]
    x: Sequence[float]
    y: Sequence[float]
    of: Sequence[int]
    """Class of each point, an index into ``classes``."""


@attrs.frozen(kw_only=True)
class Field:
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

    title: str
    x_label: str
    y_label: str
    unit: str
    """What the numbers are and in which unit, beside the colour bar."""
    x: Sequence[float] = attrs.field(converter=_row)
    y: Sequence[float] = attrs.field(converter=_row)
    """Places of the grid along each axis, both in the same unit and rising: ``nx`` and ``ny`` numbers."""
    values: Sequence[Sequence[float]] = attrs.field(converter=_table)
    """The number at ``(x[j], y[i])`` is ``values[i][j]``: ``ny`` rows of ``nx``."""
    low: float | None = None
    high: float | None = None
    """Numbers with the first and the last colour; what lies beyond has the same colours, and the bar says
    that there is such. ``None``: the least and the greatest number."""
    diverging: bool = False
    """Whether sign matters: 0 is in the middle of two colours, and the range the same on both sides."""
    contours: Sequence[float] = attrs.field(default=(), converter=_row)
    """Numbers along which a line is drawn, such as 0 for the nodes of a wave; in files alone. There is none
    where all around is within a thousandth of the range of it, which is rounding."""

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
        # One number alone, or a limit beyond all of them: the limit that was given stays.
        width = abs(low) or 1.0
        return (high - width, high) if self.low is None and self.high is not None else (low, low + width)


@attrs.frozen(kw_only=True)
class Matrix:
    """A matrix as colours, 0 between two of them, with its numbers written in where there is room.

    Raises
    ------
    ValueError
        When ``values`` has another shape than its names.
    LeftOut
        When a number is not finite.
    """

    kind: ClassVar[str] = "matrix"

    title: str
    x_label: str
    y_label: str
    unit: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float]] = attrs.field(converter=_table)
    """A row of numbers for each name of ``rows``, one for each name of ``columns``. If none is as great as
    0.1, or one 10,000 and more, they are shown divided by a power of ten, which is said."""

    def __attrs_post_init__(self) -> None:
        _check_table(self.title, self.values, len(self.rows), len(self.columns))


@attrs.frozen(kw_only=True)
class Ladder:
    """Levels of one kind, such as those computed or those expected."""

    name: str
    values: Sequence[float] = attrs.field(converter=_row)
    notes: Sequence[str] = ()
    """What is written at each level; empty: its number, with four digits."""

    def labels(self) -> list[str]:
        """What is written at each level."""
        return list(self.notes) or [f"{value:.4g}" for value in self.values]


@attrs.frozen(kw_only=True)
class Levels:
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

    title: str
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


Panel: TypeAlias = Lines | Bars | Histogram | Heat | Points | Field | Matrix | Levels


def _for_json(_instance: Any, _field: Any, value: Any) -> Any:
    """JSON has no number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


@attrs.frozen(kw_only=True)
class Picture:
    """One or more panels about one thing.

    Raises
    ------
    ValueError
        Without any panel, or with ``columns`` below 1.
    """

    name: str
    title: str
    panels: Sequence[Panel]
    columns: int | None = None
    """How many panels stand side by side in a file, in rows from the top; the last one takes what is left
    of its row. ``None``: two, or one where a panel is a :class:`Heat`."""

    def __attrs_post_init__(self) -> None:
        if not self.panels or (self.columns is not None and self.columns < 1):
            raise ValueError(f"{self.name}: a picture needs a panel and a column")

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON; what is not finite is ``None``."""
        panels = [
            {"kind": panel.kind, **attrs.asdict(panel, value_serializer=_for_json)} for panel in self.panels
        ]
        return {"title": self.title, "panels": panels}


def spans_decades(values: Sequence[float]) -> bool:
    """Whether numbers differ so much that a logarithmic axis shows them better."""
    return bool(values) and 0 < 20 * min(values) < max(values)
