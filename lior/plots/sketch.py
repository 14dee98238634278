"""Pictures as text, of braille and block characters or of ASCII."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from lior.plots.scales import AxisScale, tick_labels

if TYPE_CHECKING:
    from lior.plots.panels import Picture

ROWS = 9
"""Lines of most sketches, without the axis."""
MARGIN = 9
"""Columns of the numbers at the vertical axis."""
SHADES, ASCII_SHADES = " ░▒▓█", " .:+#"
_LEAST_WIDTH = 60
_COLUMNS_PER_TICK = 14
_DOTS = "⣿"
_MARKS = (_DOTS, *"ox+#@%&=")
"""Characters of the curves; the first one is drawn with the dots of braille characters."""
_DOTS_WIDE, _DOTS_TALL = 2, 4
_BRAILLE = ((0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08))
"""Bit of each dot of a braille character: four rows from the lowest one, two columns."""
_ASCII = str.maketrans(
    {
        "…": "~", "×": "x", "–": "-", "−": "-", "±": "+-", "│": "|", "└": "+", "─": "-", "·": ".",
        "┤": "|", "┬": "+", "█": "#", "⣿": "*", "\N{NO-BREAK SPACE}": " ",
        "≤": "<=", "≥": ">=", "⟨": "<", "⟩": ">", "ħ": "hbar", "α": "alpha", "β": "beta", "γ": "gamma",
        "δ": "delta", "ε": "eps", "λ": "lambda", "μ": "mu", "µ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma",
        "φ": "phi", "ψ": "psi", "ω": "omega", "Δ": "Delta", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
    }
    | dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
    | {sign: f"^{i}" for i, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
)  # fmt: skip


def carries_blocks(encoding: str | None) -> bool:
    """Whether a stream of that encoding can show braille and block characters."""
    try:
        (SHADES + "⣿│└─┤┬").encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def sketch(picture: Picture, *, width: int, blocks: bool) -> str:
    """The picture as text of ``width`` columns, at least 60.

    Parameters
    ----------
    blocks
        Whether braille and block characters may be used; without them the text is ASCII.
    """
    pen = Pen(max(width, _LEAST_WIDTH), blocks)
    lines = textwrap.wrap(pen.say(picture.title), pen.width) or [""]
    for panel in picture.panels:
        title = textwrap.wrap(pen.say(panel.title), pen.width - 2) or [""]
        lines += ["", *("  " + line for line in (*title, *panel.sketch(pen)))]
    return pen.say("\n".join(line.rstrip() for line in lines))


@attrs.frozen
class Ruler:
    """One axis of a sketch."""

    low: float
    high: float
    scale: AxisScale = attrs.field(factory=AxisScale)

    @classmethod
    def over(cls, values: Iterable[float], scale: AxisScale | None = None) -> Ruler:
        """The axis of the finite ``values``, of which the scale must have a place for one."""
        scale = scale or AxisScale()
        found = [v for v in values if math.isfinite(v) and math.isfinite(scale.place(v))]
        return cls(min(found), max(found), scale)

    def at(self, value: float, size: int) -> int:
        """The index of ``value`` among ``size`` places from ``low`` to ``high``.

        Beyond the axis it is at most ``size`` places before the first or behind the last one.
        """
        low, high = self.scale.place(self.low), self.scale.place(self.high)
        if high <= low:
            return size // 2
        here = min(max(self.scale.place(value), low - (high - low)), high + (high - low))
        return round((here - low) / (high - low) * (size - 1))

    def ticks(self, size: int, most: int) -> dict[int, str]:
        """Place among ``size`` -> number, for up to ``most`` numbers."""
        values = self.scale.ticks(self.low, self.high, max(most, 2))
        return {self.at(value, size): text for value, text in zip(values, tick_labels(values), strict=True)}


@attrs.frozen
class Pen:
    """Sketches of one width, with or without block characters."""

    width: int
    """Columns of a sketch, with its margins."""
    blocks: bool

    @property
    def columns(self) -> int:
        """Columns between the axes of a frame."""
        return self.width - MARGIN - 4

    @property
    def shades(self) -> str:
        """Characters from the lightest to the darkest."""
        return SHADES if self.blocks else ASCII_SHADES

    def say(self, text: str) -> str:
        """``text`` in characters that may be used; a character without likeness in ASCII becomes ``?``."""
        return text if self.blocks else text.translate(_ASCII).encode("ascii", "replace").decode()

    def notes(self, notes: Iterable[str], margin: int = MARGIN) -> list[str]:
        """Remarks below a panel, in as many lines as they need."""
        text = self.say("; ".join(filter(None, notes)))
        return [f"{'':>{margin}}  {line}" for line in textwrap.wrap(text, self.width - margin - 4)]


class Frame:
    """Curves and texts between two axes with numbers.

    Parameters
    ----------
    pen
        Decides on width and characters.
    across, up
        The axes; without ``across`` there are no numbers below the frame.
    rows, columns
        Size of the area between the axes, in characters; ``columns`` is that of the pen if 0.
    """

    def __init__(
        self, pen: Pen, across: Ruler | None, up: Ruler, *, rows: int = ROWS, columns: int = 0
    ) -> None:
        self._pen, self._across, self._up = pen, across, up
        self._rows, self._columns = rows, columns or pen.columns
        self._cells: dict[tuple[int, int], int | str] = {}
        self._curves = 0

    def curve(self, x: Sequence[float], y: Sequence[float], *, joined: bool = True, mark: str = "") -> str:
        """Draw points, joined by lines if ``joined`` and interrupted where a number is not finite.

        Parameters
        ----------
        mark
            The character of the points; if empty, dots for the first curve and a character of its own for
            each further one.

        Returns
        -------
        str
            The character.
        """
        if not mark:
            mark = _MARKS[self._curves % len(_MARKS)]
            self._curves += 1
        wide, tall = (_DOTS_WIDE, _DOTS_TALL) if mark == _DOTS else (1, 1)
        across = self._across or Ruler(0, self._columns - 1)
        places = [
            (across.at(a, wide * self._columns), self._up.at(b, tall * self._rows))
            if math.isfinite(across.scale.place(a)) and math.isfinite(self._up.scale.place(b))
            else None
            for a, b in zip(x, y, strict=True)
        ]
        for begin, end in zip([None, *places], places, strict=False):
            if end:
                self._line(begin if begin and joined else end, end, mark)
        return mark

    def _line(self, begin: tuple[int, int], end: tuple[int, int], mark: str) -> None:
        (x, y), (dx, dy) = begin, (end[0] - begin[0], end[1] - begin[1])
        count = max(abs(dx), abs(dy), 1)
        for i in range(count + 1):
            self._put(round(x + dx * i / count), round(y + dy * i / count), mark)

    def _put(self, column: int, row: int, mark: str) -> None:
        if mark != _DOTS:
            self._cells[row, column] = mark
            return
        (row, up), (column, right) = divmod(row, _DOTS_TALL), divmod(column, _DOTS_WIDE)
        before = self._cells.get((row, column))
        self._cells[row, column] = (before if isinstance(before, int) else 0) | _BRAILLE[up][right]

    def level(self, value: float) -> None:
        """Draw a dotted horizontal line."""
        for column in range(0, _DOTS_WIDE * self._columns, 3 * _DOTS_WIDE):
            self._put(column, self._up.at(value, _DOTS_TALL * self._rows), _DOTS)

    def text(self, column: int, row: int, text: str) -> None:
        """Write ``text`` from a character of the area on; rows count from the lowest one."""
        self._cells |= {(row, column + i): character for i, character in enumerate(self._pen.say(text))}

    def lines(self, notes: Iterable[str]) -> list[str]:
        """The finished sketch, with remarks below."""
        ticks = self._up.ticks(self._rows, (self._rows + 1) // 2)
        lines = []
        for row in reversed(range(self._rows)):
            cells = (self._cells.get((row, column), " ") for column in range(self._columns))
            drawn = "".join(cell if isinstance(cell, str) else self._dots(cell) for cell in cells)
            lines.append(f"{ticks.get(row, ''):>{MARGIN}} {'┤' if row in ticks else '│'}{drawn}")
        return [*lines, *self._foot(), *self._pen.notes(notes)]

    def _dots(self, bits: int) -> str:
        return chr(0x2800 + bits) if self._pen.blocks else "*"

    def _foot(self) -> list[str]:
        """The horizontal axis and its numbers."""
        if not self._across:
            return [f"{'':>{MARGIN}} └{'─' * self._columns}"]
        ticks = self._across.ticks(self._columns, self._columns // _COLUMNS_PER_TICK)
        axis = "".join("┬" if column in ticks else "─" for column in range(self._columns))
        numbers = ""
        for column, text in ticks.items():
            begin = min(max(column - len(text) // 2, 0), self._columns - len(text))
            if not numbers or begin > len(numbers):
                numbers += " " * (begin - len(numbers)) + text
        return [f"{'':>{MARGIN}} └{axis}", f"{'':>{MARGIN}}  {numbers}"]
