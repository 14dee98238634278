"""The table of a comparison: a row for each system, and remarks below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lior_bench.results import ResultRow

_SYSTEM_WIDTH = 24
COLUMNS = {
    "bits/byte": ("bits_per_byte", 1.0),
    "train s": ("train_seconds", 1.0),
    "score s": ("score_seconds", 1.0),
    "kB/s": ("bytes_per_second", 1e-3),
    "peak MiB": ("peak_rss_bytes", 2**-20),
}
"""The number below each header, with the factor of its unit."""


def table(rows: Sequence[ResultRow]) -> tuple[list[str], list[list[str]], list[str]]:
    """Return headers and cells with the medians, in at most 80 columns, and remarks to print below.

    A remark is the range of bits per byte over several seeds, or the reason why a row has no number.
    """
    notes = []
    for row in rows:
        if len(row.runs) > 1 and (spread := row.spread("bits_per_byte")):
            low, high = (_number(value, "bits_per_byte") for value in spread)
            notes.append(f"{row.key}: {low} to {high} bits per byte, median of {len(row.runs)} seeds")
    found = [cells(row, _SYSTEM_WIDTH) for row in rows if row.runs]
    return ["system", "mode", *COLUMNS], found, [*notes, *missed(rows)]


def missed(rows: Sequence[ResultRow]) -> list[str]:
    """Return a sentence on each row without a number."""
    return [f"{row.key}: {row.status}: {row.reason}" for row in rows if row.status != "ok"]


def cells(row: ResultRow, width: int = 0) -> list[str]:
    """Return system, mode and numbers: medians and a name of at most ``width`` columns, or with
    ranges if 0.
    """
    system = row.key.system
    cells = [system if not width or len(system) <= width else "…" + system[1 - width :], row.key.mode]
    for name, factor in COLUMNS.values():
        cell, spread = _number(row.number(name), name, factor), row.spread(name)
        if not width and len(row.runs) > 1 and spread:
            cell += " ({}–{})".format(*(_number(value, name, factor) for value in spread))
        cells.append(cell)
    return cells


def _number(value: float | None, name: str, factor: float = 1.0) -> str:
    """Format a cost with four decimals, a small number with three digits, and a large one with all digits."""
    if value is None:
        return ""
    if name.endswith("per_byte"):
        return f"{value:.4f}"
    return f"{value * factor:,.0f}" if value * factor >= 100 else f"{value * factor:.3g}"


def markdown(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    return "".join(map(markdown_line, (headers, ["---"] * len(headers), *rows)))


def markdown_line(cells: Sequence[object]) -> str:
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
