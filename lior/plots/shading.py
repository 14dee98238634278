"""Fields, matrices and spectra made of characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lior.plots.panels import Field, Ladder, Levels, Matrix
from lior.plots.pen import MARGIN, Axis, Pen
from lior.plots.scales import beyond, cells, greatest, number

_TALLEST = 20
"""Most lines of a field."""
_NARROWEST, _LOWEST = 8, 3
"""Fewest columns and lines of a field."""
_BELOW, _PLAIN_BELOW = " ·∘○●", " -=oO"
"""Shades of what is below 0, where those above are told apart from them."""
_ROWS = 40
"""Most lines of a matrix."""
_NAME = 20
"""Most characters of a name beside a matrix."""
_LADDER_LINES = 16
_RUNG = 6
"""Characters of the line of a level."""


def field(pen: Pen, panel: Field) -> list[str]:
    """The lines of a panel, a character twice as tall as wide."""
    low, high = panel.limits()
    slope = (panel.y[-1] - panel.y[0]) / (panel.x[-1] - panel.x[0]) / 2
    rows = round(min(pen.width * slope, _TALLEST))
    columns = min(round(_TALLEST / slope), pen.width) if rows == _TALLEST else pen.width
    rows, columns = max(rows, _LOWEST), max(columns, _NARROWEST)
    parts = _parts(panel.x, columns)
    lines = []
    for group in reversed(_parts(panel.y, rows)):
        means = [
            # What is beyond the limits must not outweigh what is within.
            sum(min(max(panel.values[i][j], low), high) for i in group for j in part)
            / (len(group) * len(part))
            for part in parts
        ]
        lines.append("".join(_shade(pen, value, low, high, panel.diverging) for value in means))
    notes = [panel.y_label, _legend(pen, panel), beyond(panel)]
    return pen.across(lines, Axis.over(panel.y), Axis.over(panel.x), panel.x_label, notes)


def _parts(places: Sequence[float], count: int) -> list[list[int]]:
    """Which of the places lie in each of ``count`` equal parts of their range; the nearest if none."""
    low, width = places[0], (places[-1] - places[0]) / count
    parts: list[list[int]] = [[] for _ in range(count)]
    for i, place in enumerate(places):
        parts[min(int((place - low) / width), count - 1)].append(i)
    return [
        part or [min(range(len(places)), key=lambda i: abs(places[i] - middle))]
        for part, middle in zip(parts, [low + width * (k + 0.5) for k in range(count)], strict=True)
    ]


def _shade(pen: Pen, value: float, low: float, high: float, diverging: bool) -> str:
    """A character for a number within the limits."""
    shades = pen.shades
    if not diverging:
        return shades[min(int(len(shades) * (value - low) / (high - low)), len(shades) - 1)]
    if value < 0:
        shades = _below(pen)
    return shades[round((len(shades) - 1) * abs(value) / high)]


def _below(pen: Pen) -> str:
    return _BELOW if pen.blocks else _PLAIN_BELOW


def _legend(pen: Pen, panel: Field) -> str:
    """Which number has which character."""
    low, high = panel.limits()
    if panel.diverging:
        return _signs(pen, panel.unit, number(high, 3))
    edges = [low + (high - low) * i / len(pen.shades) for i in range(len(pen.shades))]
    shades = [
        f"{shade} from {number(edge, 3)}" for shade, edge in zip(pen.shades[1:], edges[1:], strict=True)
    ]
    return f"{panel.unit}: blank from {number(low, 3)}, {', '.join(shades)} to {number(high, 3)}"


def _signs(pen: Pen, unit: str, most: str) -> str:
    above, below = pen.shades[1:], _below(pen)[1:]
    return f"{unit}: blank at 0, {above} above it to {most}, {below} below it to -{most}"


def matrix(pen: Pen, panel: Matrix) -> list[str]:
    """The lines of a panel: numbers, or shades where there is no room for them."""
    found = cells(panel.values)
    names = [_short(pen.say(name)) for name in panel.rows]
    margin = max(map(len, names))
    room = pen.width + MARGIN - margin
    texts = [[found.text(value) for value in row] for row in panel.values]
    heads = [pen.say(name) for name in panel.columns]
    each = 1 + max(map(len, [*heads, *(text for row in texts for text in row)]))
    labels = [
        f"rows: {panel.y_label}" * bool(panel.y_label),
        f"columns: {panel.x_label}" * bool(panel.x_label),
    ]
    if each * len(heads) <= room and len(names) <= _ROWS:
        head = f"{'':>{margin}}  {''.join(f'{name:>{each}}' for name in heads)}"
        body = ["".join(f"{text:>{each}}" for text in row) for row in texts]
        lines = [f"{name:>{margin}} │{line}" for name, line in zip(names, body, strict=True)]
        return [head, *lines, *pen.notes([found.label(panel.unit), *labels], margin)]
    step = max(-(-len(names) // _ROWS), -(-len(heads) // room))
    lines = [f"{names[i]:>{margin}} │{line}" for i, line in _shaded(pen, panel, step, room)]
    said = [_signs(pen, panel.unit, number(greatest(panel.values), 3))]
    said += [f"each the greatest of {step} x {step} numbers"] * (step > 1)
    return [*lines, *pen.notes([*said, *labels], margin)]


def _shaded(pen: Pen, panel: Matrix, step: int, room: int) -> Iterator[tuple[int, str]]:
    """Every ``step``-th row and its characters, each of the greatest number in a square of that side."""
    most = greatest(panel.values)
    columns = range(0, len(panel.columns), step)
    wide = 2 if 2 * len(columns) <= room else 1
    for i in range(0, len(panel.rows), step):
        rows = panel.values[i : i + step]
        values = [max((value for row in rows for value in row[j : j + step]), key=abs) for j in columns]
        yield i, "".join(_shade(pen, value, -most, most, True) * wide for value in values)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def levels(pen: Pen, panel: Levels) -> list[str]:
    """The lines of a panel."""
    up = Axis.over(panel.values())
    wide = pen.width // len(panel.ladders)
    crowded: list[str] = []
    parts = [_ladder(pen, ladder, up, wide, crowded) for ladder in panel.ladders]
    rows = ["".join(part[i] for part in parts) for i in reversed(range(_LADDER_LINES))]
    foot = "".join(f"{pen.say(ladder.name)[: wide - 1]:<{wide}}" for ladder in panel.ladders)
    return pen.framed(rows, up, [foot] if foot.strip() else [], [panel.y_label, panel.x_label, *crowded])


def _ladder(pen: Pen, ladder: Ladder, up: Axis, wide: int, crowded: list[str]) -> list[str]:
    """Lines of ``wide`` characters with the levels of a ladder, the lowest first.

    Labels of several levels that do not fit into their line are put on the list of those crowded.
    """
    found: dict[int, list[str]] = {}
    for value, label in sorted(zip(ladder.values, ladder.labels(), strict=True)):
        found.setdefault(up.at(value, _LADDER_LINES), []).append(pen.say(label))
    lines = [""] * _LADDER_LINES
    for place, labels in found.items():
        text = ", ".join(labels)
        if _RUNG + 2 + len(text) > wide and len(labels) > 1:
            crowded.append(f"{len(labels)} levels are {text}")
            text = f"{len(labels)} levels"
        lines[place] = ("─" * _RUNG + " " + text)[: wide - 1]
    return [f"{line:<{wide}}" for line in lines]
