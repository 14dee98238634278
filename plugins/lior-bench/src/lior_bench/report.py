"""The report of a comparison: a table, a page in Markdown, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lior_bench.results import ResultRow, Results

MARKDOWN_NAME = "bench.md"
_SYSTEM_WIDTH = 24
_COLUMNS = {
    "bits/byte": ("bits_per_byte", 1.0),
    "train s": ("train_seconds", 1.0),
    "score s": ("score_seconds", 1.0),
    "kB/s": ("bytes_per_second", 1e-3),
    "peak MiB": ("peak_rss_bytes", 2**-20),
}
"""Header -> number, and factor of its unit."""
_LEGEND = """\
*static*: nothing is learned while scoring; *online*: the scored text is learned as it is read, as a
compressor does. The cost of a compressor is the size of the whole text minus the size of the learned
part; its seconds are those of the whole text, divided by length. Baselines repeat short work, and the
shortest time counts. With several seeds a cell has the median, and the range in brackets. Memory is
the largest resident size of the processes that learned and scored.
"""


def write(results: Results, out: Path) -> list[str]:
    """Write ``bench.md`` and ``bench.png`` to ``out``; returns remarks for the user."""
    from lior_bench import picture  # what it imports takes memory that the children would seem to take

    drawn = picture.write(results, out)
    page = markdown(results, picture=drawn.name if drawn else "")
    (out / MARKDOWN_NAME).write_text(page, encoding="utf-8", errors="replace")
    return [] if drawn else ["no picture: nothing was measured"]


def table(rows: Sequence[ResultRow]) -> tuple[list[str], list[list[str]], list[str]]:
    """Headers and cells of at most 80 columns with the medians, and remarks to print below.

    A remark is the range of bits per byte over several seeds, or the reason why a row has no number.
    """
    notes = []
    for row in rows:
        if len(row.runs) > 1 and (spread := row.spread("bits_per_byte")):
            low, high = (_number(value, "bits_per_byte") for value in spread)
            notes.append(f"{row.key}: {low} to {high} bits per byte, median of {len(row.runs)} seeds")
    cells = [_cells(row, _SYSTEM_WIDTH) for row in rows if row.runs]
    return ["system", "mode", *_COLUMNS], cells, [*notes, *_missed(rows)]


def _missed(rows: Sequence[ResultRow]) -> list[str]:
    return [f"{row.key}: {row.status}: {row.reason}" for row in rows if row.status != "ok"]


def markdown(results: Results, *, picture: str = "") -> str:
    """The page.

    Parameters
    ----------
    picture
        File name of the picture; empty for none.
    """
    about = results.about
    parts = ["# Comparison\n", _provenance(about)]
    if not results.complete:
        parts.append("**Interrupted: some systems are missing.**\n")
    if picture:
        parts.append(f"![Bits per byte against seconds]({picture})\n")
    for text in about["texts"]:
        rows = results.of_text(text["name"])
        headers = ["system", "mode", *_COLUMNS]
        lines = [headers, ["---"] * len(headers), *(_cells(row) for row in rows if row.runs)]
        parts += [
            f"## {text['name']}\n",
            f"{text['bytes']:,} bytes, the first {text['train_bytes']:,} to learn and the last "
            f"{text['scored_bytes']:,} to score. SHA-256 `{text['sha256']}`.\n",
            "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines),
            *("".join(f"- {line}\n" for line in missed) for missed in [_missed(rows)] if missed),
        ]
    parts.append(_LEGEND)
    return "\n".join(parts)


def _provenance(about: dict[str, Any]) -> str:
    machine = about["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    variables = ", ".join(f"{name}={value}" for name, value in machine["variables"].items())
    return (
        f"`{about['command']}`, {about['date']}. {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['platform']}, Python {machine['python']}, {versions}"
        f"{'; ' + variables if variables else ''}.\n"
    )


def _cells(row: ResultRow, width: int = 0) -> list[str]:
    """System, mode and numbers: medians only and a name of at most ``width``, or with ranges if 0."""
    system = row.key.system
    cells = [system if not width or len(system) <= width else "…" + system[1 - width :], row.key.mode]
    for name, factor in _COLUMNS.values():
        cell, spread = _number(row.number(name), name, factor), row.spread(name)
        if not width and len(row.runs) > 1 and spread:
            cell += " ({}–{})".format(*(_number(value, name, factor) for value in spread))
        cells.append(cell)
    return cells


def _number(value: float | None, name: str, factor: float = 1.0) -> str:
    """Four decimals of a cost, three digits of a small number, and all digits of a large one."""
    if value is None:
        return ""
    if name.endswith("per_byte"):
        return f"{value:.4f}"
    return f"{value * factor:,.0f}" if value * factor >= 100 else f"{value * factor:.3g}"
