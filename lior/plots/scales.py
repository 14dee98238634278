"""Scales of axes, numbers as text, and labels that are set apart: shared by files and sketches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import attrs

LABELS = 40
"""Most labels in one column; of more, every second or third one is written."""
_EXPONENT_FROM = 1e15
_FONT_POINTS = 8.0
LABEL_INCHES = 1.3 * _FONT_POINTS / 72
"""Height of a label with the gap to the next one."""
LETTER_INCHES = 0.62 * _FONT_POINTS / 72
"""Width of a letter in most texts."""


@attrs.frozen
class AxisScale:
    """The map from numbers to places along an axis."""

    kind: Literal["linear", "log", "symlog"] = "linear"
    threshold: float = 1.0
    """A ``symlog`` scale is linear between minus this number and this number, and logarithmic beyond."""

    @classmethod
    def of(cls, values: Iterable[float], *, log: bool) -> AxisScale:
        """The scale that has a place for all finite ``values``: logarithmic, if ``log`` and possible."""
        found = [value for value in values if math.isfinite(value)]
        sizes = [abs(value) for value in found if value]
        if not log or not sizes:
            return cls()
        if min(found) > 0:
            return cls("log")
        # A curve that crosses 0 has values near 0 by chance; an exact 0 says nothing about the range.
        decades = 6 if min(found) < 0 else 18
        return cls("symlog", 10.0 ** math.floor(math.log10(max(min(sizes), max(sizes) * 10.0**-decades))))

    @property
    def note(self) -> str:
        """The remark that the label of the axis needs."""
        return f"logarithmic beyond ±{self.threshold:g}" if self.kind == "symlog" else ""

    def place(self, value: float) -> float:
        """The place of ``value`` along the axis, in a unit of the scale's own."""
        if self.kind == "linear":
            return value
        if self.kind == "log":
            return math.log10(value) if value > 0 else -math.inf
        share = abs(value) / self.threshold
        return math.copysign(share if share <= 1 else 1 + math.log10(share), value)

    def value(self, place: float) -> float:
        """The inverse of :meth:`place`."""
        if self.kind == "linear":
            return place
        if self.kind == "log":
            return 10.0**place
        share = abs(place)
        return math.copysign(self.threshold * (share if share <= 1 else 10 ** (share - 1)), place)

    def ticks(self, low: float, high: float, most: int) -> list[float]:
        """Up to ``most`` (at least 2) short numbers from ``low`` to ``high``; these two if there are none.

        >>> AxisScale().ticks(1, 32, 6), AxisScale("log").ticks(0.02, 3e4, 4)
        ([10.0, 20.0, 30.0], [0.02, 2.0, 300.0, 30000.0])
        """
        if low == high:
            return [low]
        if self.kind == "linear":
            exponent = math.floor(math.log10((high - low) / most))
            unit = next(f for f in (1, 2, 5, 10) if (high - low) / (f * 10.0**exponent) < most)
            step = float(f"{unit}e{exponent}")
            found = [
                float(f"{i * unit}e{exponent}")
                for i in range(math.ceil(low / step), math.floor(high / step) + 1)
            ]
        else:
            begin, end = self.place(low), self.place(high)
            places = [begin + (end - begin) * i / (most - 1) for i in range(most)]
            found = sorted({float(f"{self.value(place):.0e}") for place in places})
            found = [value for value in found if low <= value <= high]
        return found if len(found) > 1 else [low, high]


def tick_labels(values: Sequence[float]) -> list[str]:
    """The numbers at an axis, with as many digits as tell them apart."""
    for digits in range(3, 8):
        found = [number(value, digits) for value in values]
        if len({*found}) == len(values):
            break
    return found


def number(value: float, digits: int = 4) -> str:
    """A number as short text, with separators between thousands."""
    if abs(value) >= _EXPONENT_FROM:
        return f"{value:.{digits}g}"
    if abs(value) >= 10 ** (digits - 1) or value == int(value):
        return f"{value + 0.0:,.0f}"  # + 0.0 turns -0 into 0
    return f"{value:.{digits}g}"


def named(name: str, value: float) -> str:
    """The label of a level: its name and its value."""
    return f"{name}: {value:.3f}" if abs(value) >= 0.01 or not value else f"{name}: {value:.3g}"


def largest_size(values: Sequence[Sequence[float]]) -> float:
    """The largest absolute value in a table, or 1 if all are 0."""
    return max(abs(value) for row in values for value in row) or 1.0


def labelled(count: int) -> range:
    """The indices of the labels that are written when there are ``count``: all, or every second, ..."""
    return range(0, count, -(-count // LABELS) or 1)


def spread(places: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Places in the same order, at least ``gap`` apart and as near to the given ones as possible.

    Parameters
    ----------
    places
        Rising numbers.
    low, high
        The result stays between these if there is room for all places.

    >>> spread([1.0, 1.1, 5.0], gap=1.0, low=0.0, high=10.0)
    [0.55, 1.55, 5.0]
    """
    # Least squares under order: places that are too close become one cluster about their mean (pool
    # adjacent violators, M. Ayer et al., 1955); the gaps before each place are taken off first.
    clusters: list[tuple[float, int]] = []
    for i, place in enumerate(places):
        mean, count = place - gap * i, 1
        while clusters and clusters[-1][0] > mean:
            before, many = clusters.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        clusters.append((mean, count))
    found = [mean for mean, count in clusters for _ in range(count)]
    top = high - gap * (len(found) - 1)
    return [max(min(mean, top), low) + gap * i for i, mean in enumerate(found)]


@attrs.define
class LabelColumn:
    """Labels in a column, each joined by a thin line to the point that it names; with Matplotlib."""

    axis: Any
    across: str = "axes fraction"
    """Coordinates of the column: ``data`` or ``axes fraction``."""
    _notes: list[Any] = attrs.field(factory=list)

    def add(self, text: str, value: float, *, at: float, column: float, point: str = "", **look: Any) -> None:
        """Add a label at the horizontal place ``column``, for the point (``at``, ``value``).

        Values come in rising order.

        Parameters
        ----------
        point
            Coordinates of ``at``, if they are not those of the column.
        look
            Further properties of the text.
        """
        note = self.axis.annotate(
            text, (at, value), xytext=(column, 0.5), xycoords=(point or self.across, "data"),
            textcoords=(self.across, "axes fraction"), va="center", fontsize=_FONT_POINTS,
            annotation_clip=False, **look,
            arrowprops={
                "arrowstyle": "-", "color": "#777777", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 0,
                "relpos": (0.0, 0.5),
            },
        )  # fmt: skip
        self._notes.append(note)

    def settle(self) -> None:
        """Set the labels apart; to be called when the axes have their final height."""
        gap = LABEL_INCHES * self.axis.figure.dpi / self.axis.get_window_extent().height
        to_axes = self.axis.transData + self.axis.transAxes.inverted()
        # A logarithmic axis has no place for 0, the usual second coordinate: the middle of the axis has one.
        middle = sum(self.axis.get_xlim()) / 2
        wanted = [float(to_axes.transform((middle, note.xy[1]))[1]) for note in self._notes]
        for note, place in zip(self._notes, spread(wanted, gap=gap, low=0, high=1), strict=True):
            note.xyann = (note.xyann[0], place)
