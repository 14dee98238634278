"""Pictures made of characters: braille and blocks, or ASCII where a stream carries no more."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import attrs

from lior.plots.panels import Bars, Heat, Histogram, Lines, Panel, Picture, Points

_HEIGHT, _LEAST_WIDTH = 8, 60
_MARGIN = 9
"""Columns of the numbers at the vertical axis."""
_BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of each dot of a braille character, 4 rows by 2 columns."""
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LEFT_EIGHTHS = " ▏▎▍▌▋▊▉█"
_SHADES, _PLAIN_SHADES = " ░▒▓█", " .:+#"
_LETTERS = "aA9_/.?"
"""One for each class of tokens, in their order."""
_PLAIN = str.maketrans(
    {"…": "~", "×": "x", "–": "-", "−": "-", "±": "+-", "│": "|", "└": "+", "─": "-", "β": "beta"}
)


def carries_blocks(encoding: str | None) -> bool:
    """Whether a stream of that encoding can show braille and blocks."""
    try:
        (_EIGHTHS + _SHADES + "⣿│└─").encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def plain(text: str) -> str:
    """``text`` in ASCII, with what has no likeness there as ``?``."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode()


def sketch(picture: Picture, *, width: int, blocks: bool) -> str:
    """The picture as text of ``width`` columns, or of 60 if that is more.

    Parameters
    ----------
    blocks
        Whether braille and block characters may be used; without, all is ASCII.
    """
    pen = Pen(max(width, _LEAST_WIDTH) - _MARGIN - 4, blocks)
    lines = [picture.title]
    for panel in picture.panels:
        lines += ["", f"  {panel.title}", *("  " + line for line in pen.panel(panel))]
    text = "\n".join(line.rstrip() for line in lines)
    return text if blocks else plain(text)


@attrs.frozen
class Pen:
    """Draws panels as lines of characters."""

    width: int
    """Columns between the axes."""
    blocks: bool

    def panel(self, panel: Panel) -> list[str]:
        """The lines of a panel, without its title."""
        match panel:
            case Lines():
                return self._lines(panel)
            case Bars():
                return self._bars(panel)
            case Histogram():
                return self._histogram(panel)
            case Heat():
                return self._heat(panel)
            case Points():
                return self._points(panel)

    def _lines(self, panel: Lines) -> list[str]:
        across = _Axis.over([x for c in panel.curves for x in c.x], log=panel.log_x)
        values = [*(y for c in panel.curves for y in c.y), *panel.levels.values()]
        up = _Axis.over(values, log=panel.log_y)
        dots = _Dots(2 * self.width, 4 * _HEIGHT)
        for value in panel.levels.values():
            for column in range(0, dots.width, 6):
                dots.put(column, up.at(value, dots.height))
        for curve in panel.curves:
            places = [
                (across.at(x, dots.width), up.at(y, dots.height))
                for x, y in zip(curve.x, curve.y, strict=True)
            ]
            for begin, end in zip(places, places if panel.dots else places[1:] or places, strict=False):
                dots.line(begin, end)
        notes = [
            panel.y_label,
            *(f"{name} {_number(value)} (dotted)" for name, value in panel.levels.items()),
        ]
        notes += [curve.name for curve in panel.curves] if len(panel.curves) > 1 else []
        return self._framed(dots.rows(self.blocks), up, across, panel.x_label, notes)

    def _framed(
        self, rows: list[str], up: _Axis, across: _Axis, x_label: str, notes: Sequence[str]
    ) -> list[str]:
        """Rows between two axes, their ends marked."""
        marks = dict(zip((len(rows) - 1, 0), up.ends(), strict=True))
        lines = [f"{marks.get(i, ''):>{_MARGIN}} │{row}" for i, row in enumerate(rows)]
        low, high = across.ends()
        width = len(rows[0])
        inside = x_label if len(x_label) < width - len(low) - len(high) else ""
        lines.append(f"{'':>{_MARGIN}} └{'─' * width}")
        lines.append(f"{'':>{_MARGIN}}  {low}{inside:^{width - len(low) - len(high)}}{high}")
        return [*lines, *self._notes([*([] if inside else [x_label]), *notes], _MARGIN)]

    def _notes(self, notes: Sequence[str], margin: int) -> list[str]:
        """What is said below a panel, in as many lines as it takes."""
        lines = textwrap.wrap("; ".join(notes), self.width + _MARGIN - margin)
        return [f"{'':>{margin}}  {line}" for line in lines]

    def _bars(self, panel: Bars) -> list[str]:
        margin = max(map(len, panel.names))
        room = max(self.width + _MARGIN - margin - max(map(len, panel.notes)) - 1, 8)
        top = max(panel.values) or 1.0
        lines = [
            f"{name:>{margin}} │{self._bar(value / top, room)} {note}"
            for name, value, note in zip(panel.names, panel.values, panel.notes, strict=True)
        ]
        return [*lines, *self._notes([panel.x_label], margin)]

    def _bar(self, share: float, room: int) -> str:
        eighths = round(8 * share * room)
        if not self.blocks:
            return "#" * round(share * room)
        return "█" * (eighths // 8) + _LEFT_EIGHTHS[eighths % 8].strip()

    def _histogram(self, panel: Histogram) -> list[str]:
        top, bins = max(panel.counts) or 1, len(panel.counts)
        each = max(self.width // bins, 1)
        rows = []
        for row in range(_HEIGHT - 1, -1, -1):
            fills = [min(max(_HEIGHT * count / top - row, 0.0), 1.0) for count in panel.counts]
            rows.append("".join(self._column(fill) * each for fill in fills))
        levels = [f"{name} {_number(value)}" for name, value in panel.levels.items()]
        up, across = _Axis(0, top, False), _Axis(panel.edges[0], panel.edges[-1], panel.log_x)
        notes = [panel.y_label, *levels, *(["logarithmic"] if panel.log_x else [])]
        return self._framed(rows, up, across, panel.x_label, notes)

    def _column(self, fill: float) -> str:
        return _EIGHTHS[math.ceil(8 * fill)] if self.blocks else "#" if fill >= 0.5 else " "

    def _heat(self, panel: Heat) -> list[str]:
        margin = max(map(len, panel.rows))
        columns = len(panel.values[0])
        room = max(self.width + _MARGIN - margin - 1, _HEIGHT)
        each = min(max(room // columns, 1), 4)
        taken = [columns * i // min(columns, room) for i in range(min(columns, room))]
        values = [value for row in panel.values for value in row]
        low, high = min(values), max(values)
        shades = _SHADES if self.blocks else _PLAIN_SHADES
        lines = []
        for name, row in zip(panel.rows, panel.values, strict=True):
            levels = [round((len(shades) - 1) * (row[i] - low) / ((high - low) or 1.0)) for i in taken]
            lines.append(f"{name:>{margin}} │{''.join(shades[level] * each for level in levels)}│")
        notes = [f"{panel.x_label}, 0 to {columns - 1}"] if columns > 1 else []
        notes.append(f"{panel.unit} from {_number(low)} (blank) to {_number(high)} ({shades[-1]})")
        return [*lines, *self._notes(notes, margin)]

    def _points(self, panel: Points) -> list[str]:
        across, up = _Axis.over(panel.x), _Axis.over(panel.y)
        height = 2 * _HEIGHT
        found: dict[tuple[int, int], list[int]] = {}
        for x, y, kind in zip(panel.x, panel.y, panel.of, strict=True):
            found.setdefault((up.at(y, height), across.at(x, self.width)), []).append(kind)
        rows = [[" "] * self.width for _ in range(height)]
        for (row, column), kinds in found.items():
            rows[height - 1 - row][column] = _LETTERS[max(sorted(set(kinds)), key=kinds.count)]
        present = ", ".join(f"{_LETTERS[i]} {panel.classes[i]}" for i in sorted(set(panel.of)))
        notes = [panel.y_label, f"the most frequent class of a place: {present}"]
        return self._framed(["".join(row) for row in rows], up, across, panel.x_label, notes)


@attrs.frozen
class _Axis:
    """An axis from ``low`` to ``high``."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], *, log: bool = False) -> _Axis:
        return cls(min(values), max(values), log)

    def ends(self) -> tuple[str, str]:
        """Both as text, with as many digits as tell them apart."""
        for digits in range(4, 8):
            low, high = _number(self.low, digits), _number(self.high, digits)
            if low != high:
                break
        return low, high

    def at(self, value: float, size: int) -> int:
        """Which of ``size`` places ``value`` is at; the middle one when there is but one value."""
        low, high, here = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return round((here - low) / (high - low) * (size - 1)) if high > low else size // 2


class _Dots:
    """A grid of dots, the lowest row first, shown 4 rows by 2 columns a character."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self._set: set[tuple[int, int]] = set()

    def put(self, column: int, row: int) -> None:
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


def _number(value: float, digits: int = 4) -> str:
    """Short, with thousands told apart."""
    if abs(value) >= 10 ** (digits - 1) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
