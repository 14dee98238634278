"""What pictures in files and in characters have in common: scales, numbers as text, places of labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import attrs

from lior.plots.panels import Field, Lines

_LONGEST = 1e15
"""From here on a number is written with an exponent."""


@attrs.frozen
class Scale:
    """How numbers become places along an axis."""

    kind: Literal["linear", "log", "symlog"]
    threshold: float = 1.0
    """Within it, about 0, a ``symlog`` scale is linear."""

    @classmethod
    def of(cls, values: Iterable[float], *, log: bool) -> Scale:
        """The scale that shows all of ``values`` (those that are finite), logarithmic if that can be."""
        found = [value for value in values if math.isfinite(value)]
        sizes = [abs(value) for value in found if value]
        if not log or not sizes:
            return cls("linear")
        least = min(found)
        if least > 0:
            return cls("log")
        # A curve that crosses 0 has a number by chance as near to it as may be; a 0 alone is no such.
        decades = 6 if least < 0 else 18
        return cls("symlog", 10.0 ** math.floor(math.log10(max(min(sizes), max(sizes) * 10.0**-decades))))

    @property
    def note(self) -> str:
        """What must be said about the axis."""
        return f"logarithmic beyond ±{self.threshold:g}" if self.kind == "symlog" else ""

    def place(self, value: float) -> float:
        """Where ``value`` is, in a unit of the scale's own."""
        if self.kind == "linear":
            return value
        if self.kind == "log":
            return math.log(value) if value > 0 else -math.inf
        share = abs(value) / self.threshold
        return math.copysign(share if share <= 1 else 1 + math.log10(share), value)


LINEAR = Scale("linear")


def scales(panel: Lines) -> tuple[Scale, Scale]:
    """The horizontal and the vertical one."""
    across = [x for curve in panel.curves for x in curve.x]
    limits = [limit for limit in (panel.low, panel.high) if limit is not None]
    up = [*(y for curve in panel.curves for y in curve.y), *panel.levels.values(), *limits]
    return Scale.of(across, log=panel.log_x), Scale.of(up, log=panel.log_y)


def beyond(panel: Field) -> str:
    """How far numbers go that have no colour of their own; empty without any."""
    (low, high), (least, most) = panel.limits(), panel.extremes()
    said = [f"down to {number(least, 3)}"] * (least < low) + [f"up to {number(most, 3)}"] * (most > high)
    return ", ".join(said)


def number(value: float, digits: int = 4) -> str:
    """Short, with thousands told apart."""
    if abs(value) >= _LONGEST:
        return f"{value:.{digits}g}"
    if abs(value) >= 10 ** (digits - 1) or value == int(value):
        return f"{value + 0.0:,.0f}"  # + 0.0, lest -0 stands there
    return f"{value:.{digits}g}"


def level(name: str, value: float) -> str:
    """A level with its name, as it is labelled."""
    return f"{name}: {value:.3f}" if abs(value) >= 0.01 or not value else f"{name}: {value:.3g}"


class Cells(NamedTuple):
    """How the numbers of a table are written into it."""

    exponent: int
    """They are divided by ten to this power."""
    decimals: int

    @property
    def factor(self) -> float:
        """What they are divided by."""
        return 10.0**self.exponent

    def text(self, value: float) -> str:
        """``value`` as it is written."""
        # + 0.0, lest -0.00 stands there
        return f"{round(value / self.factor, self.decimals) + 0.0:.{self.decimals}f}"

    def label(self, unit: str) -> str:
        """The unit of what is written."""
        if not self.exponent:
            return unit
        return f"{unit}, in 1e{self.exponent}" if unit else f"in 1e{self.exponent}"


def cells(values: Sequence[Sequence[float]]) -> Cells:
    """Numbers as short as cells are small: divided by a power of ten where they are tiny or huge."""
    most = greatest(values)
    exponent = 0 if 0.1 <= most < 1e4 else math.floor(math.log10(most))
    if exponent:
        return Cells(exponent, 2)
    return Cells(0, 3 - max(math.floor(math.log10(most)), 0))


def greatest(values: Sequence[Sequence[float]]) -> float:
    """The greatest size of a number in a table, or 1 if all are 0."""
    return max(abs(value) for row in values for value in row) or 1.0


def spread(places: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Places in the same order that are ``gap`` apart, as near to those given as can be.

    Parameters
    ----------
    places
        Rising numbers.
    low, high
        Between these they stay if there is room for all of them.

    >>> spread([1.0, 1.1, 5.0], gap=1.0, low=0.0, high=10.0)
    [0.55, 1.55, 5.0]
    """
    # Least squares under order: clusters that are too close become one about their mean (pool adjacent
    # violators, M. Ayer et al., 1955), of the places without the gaps before them.
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


def labelled(count: int, most: int) -> range:
    """Which of ``count`` labels are written when there is room for ``most``: every second, third, ..."""
    return range(0, count, -(-count // most) or 1)
