"""What sketches in characters are made of: axes, dots, frames and notes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

import attrs

from lior.plots.scales import LINEAR, Scale, number

HEIGHT = 8
"""Lines of a sketch between its axes, if it needs no more."""
MARGIN = 9
"""Columns of the numbers at the vertical axis."""
SHADES, PLAIN_SHADES = " ░▒▓█", " .:+#"
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a braille character, 4 rows by 2 columns."""
_PLAIN = str.maketrans(
    {
        "…": "~", "×": "x", "–": "-", "−": "-", "±": "+-", "│": "|", "└": "+", "─": "-", "·": ".",
        "≤": "<=", "≥": ">=", "⟨": "<", "⟩": ">", "ħ": "hbar", "α": "alpha", "β": "beta", "γ": "gamma",
        "δ": "delta", "ε": "eps", "λ": "lambda", "μ": "mu", "µ": "mu", "π": "pi", "ρ": "rho", "σ": "sigma",
        "φ": "phi", "ψ": "psi", "ω": "omega", "Δ": "Delta", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
    }
    | dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
    | {sign: f"^{i}" for i, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
)  # fmt: skip


def plain(text: str) -> str:
    """``text`` in ASCII, with what has no likeness there as ``?``."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode()


@attrs.frozen
class Pen:
    """Writes lines of characters of a width."""

    width: int
    """Columns between the axes."""
    blocks: bool
    """Whether braille and blocks may be used."""

    def say(self, text: str) -> str:
        """``text`` in the characters that may be used."""
        return text if self.blocks else plain(text)

    @property
    def shades(self) -> str:
        """Characters from the lightest to the darkest."""
        return SHADES if self.blocks else PLAIN_SHADES

    def framed(self, rows: Sequence[str], up: Axis, foot: Sequence[str], notes: Iterable[str]) -> list[str]:
        """Rows right of a vertical axis with its ends marked, over what stands at the foot."""
        marks = dict(zip((len(rows) - 1, 0), up.ends(), strict=True))
        lines = [f"{marks.get(i, ''):>{MARGIN}} │{row}" for i, row in enumerate(rows)]
        lines.append(f"{'':>{MARGIN}} └{'─' * len(rows[0])}")
        lines += [f"{'':>{MARGIN}}  {line}" for line in foot]
        return [*lines, *self.notes(notes, MARGIN)]

    def across(
        self, rows: Sequence[str], up: Axis, across: Axis, x_label: str, notes: Iterable[str]
    ) -> list[str]:
        """Rows between two axes, their ends marked."""
        low, high = across.ends()
        x_label, room = self.say(x_label), len(rows[0]) - len(low) - len(high)
        inside = x_label if len(x_label) < room else ""
        said = [] if inside else [x_label]
        return self.framed(rows, up, [f"{low}{inside:^{max(room, 1)}}{high}"], [*said, *notes])

    def notes(self, notes: Iterable[str], margin: int) -> list[str]:
        """What is said below a panel, in as many lines as it takes."""
        text = self.say("; ".join(filter(None, notes)))
        return [f"{'':>{margin}}  {line}" for line in textwrap.wrap(text, self.width + MARGIN - margin)]


@attrs.frozen
class Axis:
    """An axis from ``low`` to ``high``."""

    low: float
    high: float
    scale: Scale = LINEAR

    @classmethod
    def over(cls, values: Iterable[float], scale: Scale = LINEAR) -> Axis:
        """The axis of those that are finite, of which there must be one."""
        found = [value for value in values if math.isfinite(value)]
        return cls(min(found), max(found), scale)

    def ends(self) -> tuple[str, str]:
        """Both as text, with as many digits as tell them apart."""
        for digits in range(4, 8):
            low, high = number(self.low, digits), number(self.high, digits)
            if low != high:
                break
        return low, high

    def at(self, value: float, size: int) -> int:
        """Which of ``size`` places ``value`` is at; the middle one when there is but one value.

        Beyond the axis, it is a place at most ``size`` before the first or behind the last.
        """
        low, high = self.scale.place(self.low), self.scale.place(self.high)
        if high <= low:
            return size // 2
        here = min(max(self.scale.place(value), low - (high - low)), high + (high - low))
        return round((here - low) / (high - low) * (size - 1))


class Dots:
    """A grid of dots, the lowest row first, shown 4 rows by 2 columns a character."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self._set: set[tuple[int, int]] = set()

    def put(self, column: int, row: int) -> None:
        """Set a dot, if it is in the grid."""
        if 0 <= row < self.height and 0 <= column < self.width:
            self._set.add((column, row))

    def line(self, begin: tuple[int, int], end: tuple[int, int]) -> None:
        """All dots between two places."""
        (x0, y0), (x1, y1) = begin, end
        count = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(count + 1):
            self.put(round(x0 + (x1 - x0) * i / count), round(y0 + (y1 - y0) * i / count))

    def rows(self, braille: bool) -> list[str]:
        """The grid as characters, the highest row first."""
        cells: dict[tuple[int, int], int] = {}
        for column, row in self._set:
            line, rest = divmod(self.height - 1 - row, 4)
            key = (line, column // 2)
            cells[key] = cells.get(key, 0) | _BRAILLE[rest][column % 2]
        return [
            "".join(
                self._character(cells.get((line, column), 0), braille) for column in range(self.width // 2)
            )
            for line in range(self.height // 4)
        ]

    @staticmethod
    def _character(bits: int, braille: bool) -> str:
        if not bits:
            return " "
        return chr(0x2800 + bits) if braille else "*"
