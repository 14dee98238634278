"""Levels with their names, set apart where they are close, drawn with Matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from lior.plots.colours import CURVES
from lior.plots.panels import Levels
from lior.plots.scales import labelled, spread

_POINTS = 8.0
"""Size of a label's letters."""
_GAP = 1.3 * _POINTS / 72
"""Inches from one label to the next."""
_LETTER = 0.62 * _POINTS / 72
"""Width of a letter in inches, of most texts."""
MOST = 40
"""Labels of a ladder; of more, every second or third level has one."""
_HEIGHT = 4.4
_RUNG, _LEADER = 0.9, 0.35
"""Inches of a level's line, and from there to its label."""


def height(count: int) -> float:
    """Inches that a panel needs for ``count`` labels one above the other."""
    return 1.3 + _GAP * min(count, MOST)


@attrs.define
class Beside:
    """Labels right of what they name."""

    axis: Any
    """Axes whose vertical axis the values are on."""
    across: str
    """Coordinates of the horizontal places: ``data`` or ``axes fraction``."""
    _labels: list[tuple[float, Any]] = attrs.field(factory=list)

    def add(self, value: float, text: str, *, at: float, place: float) -> None:
        """Put ``text`` at the horizontal ``place``, and a line from it to ``value``, which ends ``at``.

        Values come in rising order.
        """
        note = self.axis.annotate(
            text,
            (at, value),
            xytext=(place, 0.5),
            xycoords=(self.across, "data"),
            textcoords=(self.across, "axes fraction"),
            va="center",
            fontsize=_POINTS,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": "#777777",
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0.0, 0.5),
            },
        )
        self._labels.append((value, note))

    def settle(self) -> None:
        """Set the labels apart, now that the axes are as tall as they stay."""
        tall = self.axis.get_window_extent().height
        gap = _GAP * self.axis.figure.dpi / tall
        seen = self.axis.transData + self.axis.transAxes.inverted()
        wanted = [float(seen.transform((0.0, value))[1]) for value, _ in self._labels]
        for (_, note), place in zip(self._labels, spread(wanted, gap=gap, low=0, high=1), strict=True):
            x, _ = note.xyann
            note.xyann = (x, place)


def size(panel: Levels) -> tuple[float, float]:
    """Width and height of a panel in inches."""
    most = max(len(ladder.values) for ladder in panel.ladders)
    return max(sum(_pitches(panel)) + 1.2, 4.2), max(_HEIGHT, height(most))


def _pitches(panel: Levels) -> list[float]:
    """Inches of each ladder with its labels."""
    return [
        _RUNG + _LEADER + _LETTER * max([4, *map(len, ladder.labels())]) + 0.2 for ladder in panel.ladders
    ]


def levels(axis: Any, panel: Levels) -> Callable[[], None]:
    """Draw a panel, a unit of the horizontal axis an inch; what is left to do when the layout is settled."""
    left, ticks, settling = 0.0, [], []
    for i, (ladder, pitch) in enumerate(zip(panel.ladders, _pitches(panel), strict=True)):
        right = left + _RUNG
        axis.hlines(ladder.values, left, right, color=CURVES[i % len(CURVES)], linewidth=1.6)
        labels = Beside(axis, "data")
        rising = sorted(zip(ladder.values, ladder.labels(), strict=True), key=lambda pair: pair[0])
        for j in labelled(len(rising), MOST):
            value, text = rising[j]
            labels.add(value, text, at=right, place=right + _LEADER)
        settling.append(labels.settle)
        ticks.append(left + _RUNG / 2)
        left += pitch
    axis.set_xticks(ticks, [ladder.name for ladder in panel.ladders])
    axis.tick_params(axis="x", length=0)
    axis.set_xlim(-0.2, left)
    axis.margins(y=0.08)
    axis.ticklabel_format(axis="y", useOffset=False)
    axis.set_ylabel(panel.y_label)
    axis.grid(True, axis="y", alpha=0.3)
    axis.set_axisbelow(True)

    def settle() -> None:
        for each in settling:
            each()

    return settle
