"""Matplotlib axes: colours, logarithmic scales and labels beside the axes.

Matplotlib comes with ``lior[plots]`` and is imported only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import attrs

from lior.plots.scales import spread

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#000000")
"""Colours that are distinct with any colour vision (M. Okabe and K. Ito, *Color Universal Design*, 2002)."""
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
"""A marker for each colour, for prints without colours."""
CURVE_COLOURS = (COLOURS[0], COLOURS[3], COLOURS[2], COLOURS[5])
CURVE_STYLES = ("-", "--", ":")
"""Styles of curves; the curve after the last colour has the first colour and the second style."""
LEVEL_COLOURS = COLOURS[4:]
MOST_LABELS = 40
"""Maximum number of labels in one column; of more, every second or third one is written."""
_FONT_POINTS = 8.0
LABEL_INCHES = 1.3 * _FONT_POINTS / 72
"""Height of a label with the gap to the next one."""


def logarithmic(axis: Any, direction: str, linear_to: float = 0.0) -> None:
    """Make one axis logarithmic, with plain numbers; Matplotlib's own are formulas.

    Parameters
    ----------
    direction
        ``x`` or ``y``.
    linear_to
        The axis is linear from minus this to this number, logarithmic beyond; 0 means nowhere linear.
    """
    ticks = import_module("matplotlib.ticker")
    scale = axis.xaxis if direction == "x" else axis.yaxis
    if linear_to:
        getattr(axis, f"set_{direction}scale")("symlog", linthresh=linear_to)
        locator = ticks.SymmetricalLogLocator(base=10, linthresh=linear_to)
        locator.set_params(numticks=9)
    else:
        axis.set(**{f"{direction}scale": "log"})
        low, high = scale.get_data_interval()
        locator = ticks.LogLocator(subs=(1.0, 2.0, 5.0) if high < 500 * low else (1.0,))
    scale.set_major_locator(locator)
    scale.set_major_formatter(plain_numbers())
    scale.set_minor_formatter(ticks.NullFormatter())


def plain_numbers() -> Any:
    """Return the formatter of numbers at an axis: separators between thousands, no formulas."""
    return import_module("matplotlib.ticker").FuncFormatter(lambda value, _: f"{value:,.6g}")


def name_rows(axis: Any, names: Sequence[str], x_label: str) -> None:
    """Name the places 0, 1, ... of the vertical axis from the top down, and label the other axis."""
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_xlabel(x_label)
    axis.grid(True, axis="x", alpha=0.3)
    axis.set_axisbelow(True)


@attrs.define
class LabelColumn:
    """Labels right of the axes, each joined by a thin line to the point that it names."""

    axis: Any
    _notes: list[Any] = attrs.field(factory=list)

    def add(
        self, text: str, value: float, *, at: float = 1.0, column: float = 1.04, point: str = "", **look: Any
    ) -> None:
        """Add a label for the point (``at``, ``value``). Values come in ascending order.

        Parameters
        ----------
        column
            Horizontal position of the label, as a share of the axes' width.
        point
            Matplotlib's coordinates of ``at``; if empty, shares of the axes' width.
        look
            Further properties of the text.
        """
        note = self.axis.annotate(
            text,
            (at, value),
            xytext=(column, 0.5),
            xycoords=(point or "axes fraction", "data"),
            textcoords="axes fraction",
            va="center",
            fontsize=_FONT_POINTS,
            annotation_clip=False,
            **look,
            arrowprops={
                "arrowstyle": "-",
                "color": "#777777",
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0.0, 0.5),
            },
        )
        self._notes.append(note)

    def separate(self) -> None:
        """Move the labels apart; call it when the axes have their final height."""
        gap = LABEL_INCHES * self.axis.figure.dpi / self.axis.get_window_extent().height
        to_axes = self.axis.transData + self.axis.transAxes.inverted()
        # A logarithmic axis has no place for 0, the usual second coordinate: the middle of the axis has
        # one.
        middle = sum(self.axis.get_xlim()) / 2
        wanted = [float(to_axes.transform((middle, note.xy[1]))[1]) for note in self._notes]
        for note, place in zip(self._notes, spread(wanted, gap=gap, low=0, high=1), strict=True):
            note.xyann = (note.xyann[0], place)
