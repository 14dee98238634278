"""Pictures made of characters: braille and blocks, or ASCII where a stream carries no more."""

from __future__ import annotations

import math
import textwrap

from lior.plots.panels import Bars, Field, Heat, Histogram, Levels, Lines, Matrix, Panel, Picture, Points
from lior.plots.pen import HEIGHT, MARGIN, SHADES, Axis, Dots, Pen, plain
from lior.plots.scales import Scale, number, scales
from lior.plots.shading import field, levels, matrix

_LEAST_WIDTH = 60
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LEFT_EIGHTHS = " ▏▎▍▌▋▊▉█"
_FEW_LEVELS = 3
"""With more, curves have twice as many lines."""
_LETTERS = "aA9_/.?"
"""One for each class of tokens, in their order."""


def carries_blocks(encoding: str | None) -> bool:
    """Whether a stream of that encoding can show braille and blocks."""
    try:
        (_EIGHTHS + SHADES + "⣿│└─").encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def sketch(picture: Picture, *, width: int, blocks: bool) -> str:
    """The picture as text of ``width`` columns, or of 60 if that is more.

    Parameters
    ----------
    blocks
        Whether braille and block characters may be used; without, all is ASCII.
    """
    width = max(width, _LEAST_WIDTH)
    pen = Pen(width - MARGIN - 4, blocks)
    lines = textwrap.wrap(pen.say(picture.title), width) or [""]
    for panel in picture.panels:
        title = textwrap.wrap(pen.say(panel.title), width - 2) or [""]
        lines += ["", *("  " + line for line in (*title, *_panel(pen, panel)))]
    text = "\n".join(line.rstrip() for line in lines)
    return text if blocks else plain(text)


def _panel(pen: Pen, panel: Panel) -> list[str]:
    """The lines of a panel, without its title."""
    match panel:
        case Lines():
            return _lines(pen, panel)
        case Bars():
            return _bars(pen, panel)
        case Histogram():
            return _histogram(pen, panel)
        case Heat():
            return _heat(pen, panel)
        case Points():
            return _points(pen, panel)
        case Field():
            return field(pen, panel)
        case Matrix():
            return matrix(pen, panel)
        case Levels():
            return levels(pen, panel)


def _lines(pen: Pen, panel: Lines) -> list[str]:
    points = [
        [(x, y) if math.isfinite(x) and math.isfinite(y) else None for x, y in zip(c.x, c.y, strict=True)]
        for c in panel.curves
    ]
    if not any(map(any, points)):
        return pen.notes([panel.missing(), panel.x_label, panel.y_label], 0)
    across_scale, up_scale = scales(panel)
    across = Axis.over([point[0] for curve in points for point in curve if point], across_scale)
    up = _vertical(panel, up_scale)
    crowded = len(panel.levels) > _FEW_LEVELS
    dots = Dots(2 * pen.width, 4 * HEIGHT * (2 if crowded else 1))
    for value in panel.levels.values():
        for column in range(0, dots.width, 6):
            dots.put(column, up.at(value, dots.height))
    for curve in points:
        places = [
            (across.at(point[0], dots.width), up.at(point[1], dots.height)) if point else None
            for point in curve
        ]
        for begin, end in zip(places, places if panel.dots else places[1:] or places, strict=False):
            if begin and end:
                dots.line(begin, end)
    for x, low, high in _errors(panel):
        place = across.at(x, dots.width)
        dots.line((place, up.at(low, dots.height)), (place, up.at(high, dots.height)))
    dotted = [f"{name} {number(value)}" for name, value in panel.levels.items()]
    notes = [
        " ".join(filter(None, (panel.y_label, f"({up_scale.note})" * bool(up_scale.note)))),
        f"{panel.x_label} is {across_scale.note}" * bool(across_scale.note),
        *(["dotted: " + ", ".join(dotted)] if crowded else [f"{each} (dotted)" for each in dotted]),
        *([curve.name for curve in panel.curves] if len(panel.curves) > 1 else []),
        *([panel.error_name] if _errors(panel) else []),
        panel.missing(),
    ]
    return pen.across(dots.rows(pen.blocks), up, across, panel.x_label, notes)


def _errors(panel: Lines) -> list[tuple[float, float, float]]:
    """Place, foot and head of each bar of an error."""
    return [
        (x, y - error, y + error)
        for curve in panel.curves
        if panel.error_bars and curve.error
        for x, y, error in zip(curve.x, curve.y, curve.error, strict=True)
        if math.isfinite(x) and math.isfinite(y) and math.isfinite(error)
    ]


def _vertical(panel: Lines, scale: Scale) -> Axis:
    ends = [end for _, *ends in _errors(panel) for end in ends if scale.kind != "log" or end > 0]
    values = [*(y for curve in panel.curves for y in curve.y), *panel.levels.values(), *ends]
    found = Axis.over(values, scale)
    low = found.low if panel.low is None else panel.low
    return Axis(low, found.high if panel.high is None else panel.high, scale)


def _bars(pen: Pen, panel: Bars) -> list[str]:
    names, notes = [*map(pen.say, panel.names)], [*map(pen.say, panel.notes)]
    margin = max(map(len, names))
    room = max(pen.width + MARGIN - margin - max(map(len, notes)) - 1, 8)
    top = max(panel.values) or 1.0
    lines = [
        f"{name:>{margin}} │{_bar(value / top, room, pen.blocks)} {note}"
        for name, value, note in zip(names, panel.values, notes, strict=True)
    ]
    return [*lines, *pen.notes([panel.x_label], margin)]


def _bar(share: float, room: int, blocks: bool) -> str:
    eighths = round(8 * share * room)
    if not blocks:
        return "#" * round(share * room)
    return "█" * (eighths // 8) + _LEFT_EIGHTHS[eighths % 8].strip()


def _histogram(pen: Pen, panel: Histogram) -> list[str]:
    top, bins = max(panel.counts) or 1, len(panel.counts)
    each = max(pen.width // bins, 1)
    rows = []
    for row in range(HEIGHT - 1, -1, -1):
        fills = [min(max(HEIGHT * count / top - row, 0.0), 1.0) for count in panel.counts]
        rows.append("".join(_column(fill, pen.blocks) * each for fill in fills))
    levels = [f"{name} {number(value)}" for name, value in panel.levels.items()]
    across = Axis.over(panel.edges, Scale.of(panel.edges, log=panel.log_x))
    notes = [panel.y_label, *levels, *(["logarithmic"] if panel.log_x else [])]
    return pen.across(rows, Axis(0, top), across, panel.x_label, notes)


def _column(fill: float, blocks: bool) -> str:
    return _EIGHTHS[math.ceil(8 * fill)] if blocks else "#" if fill >= 0.5 else " "


def _heat(pen: Pen, panel: Heat) -> list[str]:
    names = [*map(pen.say, panel.rows)]
    margin = max(map(len, names))
    columns = len(panel.values[0])
    room = max(pen.width + MARGIN - margin - 1, HEIGHT)
    each = min(max(room // columns, 1), 4)
    taken = [columns * i // min(columns, room) for i in range(min(columns, room))]
    values = [value for row in panel.values for value in row]
    low, high = min(values), max(values)
    lines = []
    for name, row in zip(names, panel.values, strict=True):
        levels = [round((len(pen.shades) - 1) * (row[i] - low) / ((high - low) or 1.0)) for i in taken]
        lines.append(f"{name:>{margin}} │{''.join(pen.shades[level] * each for level in levels)}│")
    notes = [f"{panel.x_label}, 0 to {columns - 1}"] if columns > 1 else []
    notes.append(f"{panel.unit} from {number(low)} (blank) to {number(high)} ({pen.shades[-1]})")
    return [*lines, *pen.notes(notes, margin)]


def _points(pen: Pen, panel: Points) -> list[str]:
    across, up = Axis.over(panel.x), Axis.over(panel.y)
    height = 2 * HEIGHT
    found: dict[tuple[int, int], list[int]] = {}
    for x, y, kind in zip(panel.x, panel.y, panel.of, strict=True):
        found.setdefault((up.at(y, height), across.at(x, pen.width)), []).append(kind)
    rows = [[" "] * pen.width for _ in range(height)]
    for (row, column), kinds in found.items():
        rows[height - 1 - row][column] = _LETTERS[max(sorted(set(kinds)), key=kinds.count)]
    present = ", ".join(f"{_LETTERS[i]} {panel.classes[i]}" for i in sorted(set(panel.of)))
    notes = [panel.y_label, f"the most frequent class of a place: {present}"]
    return pen.across(["".join(row) for row in rows], up, across, panel.x_label, notes)
