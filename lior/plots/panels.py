"""What is in a picture: panels of numbers with their titles and labels, ready to be drawn or printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

import attrs

from lior.errors import LiorError


class LeftOut(LiorError):
    """A picture has nothing to show of a run; the message says why."""


@attrs.frozen(kw_only=True)
class Curve:
    """A function of one variable, given at some points."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    error: Sequence[float] = ()
    """Standard error of each ``y``; empty without any."""


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
    dots: bool = False
    """Whether points are drawn and not joined."""


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


Panel: TypeAlias = Lines | Bars | Histogram | Heat | Points


@attrs.frozen(kw_only=True)
class Picture:
    """One or more panels about one thing."""

    name: str
    title: str
    panels: Sequence[Panel]

    def summary(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        panels = [{"kind": panel.kind, **attrs.asdict(panel)} for panel in self.panels]
        return {"title": self.title, "panels": panels}


def spans_decades(values: Sequence[float]) -> bool:
    """Whether numbers differ so much that a logarithmic axis shows them better."""
    return bool(values) and 0 < 20 * min(values) < max(values)
