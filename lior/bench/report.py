"""What was measured as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lior.bench.results import Results, Row

MARKDOWN_NAME = "bench.md"
PICTURE_NAME = "bench.png"

_HEADERS = (
    "system", "mode", "bits/byte", "nats/byte", "train s", "score s", "bytes/s", "peak MiB", "seeds",
)  # fmt: skip


def write(results: Results, out: Path) -> list[str]:
    """Write ``bench.md`` and ``bench.png`` to ``out``; returns what the user should know about them."""
    try:
        from lior.bench import picture

        drawn = picture.draw(results, out / PICTURE_NAME)
        notes = [] if drawn else ["no picture: nothing was measured"]
    except ImportError as error:
        drawn = False
        notes = [f"no picture: {error.name} is not installed; pip install 'lior[bench]'"]
    page = markdown(results, picture=PICTURE_NAME if drawn else "")
    (out / MARKDOWN_NAME).write_text(page, encoding="utf-8", errors="replace")
    return notes


def table(rows: Sequence[Row]) -> tuple[Sequence[str], list[list[str]]]:
    """Headers and cells, the best first; what was not measured comes last with its reason."""
    measured = sorted((row for row in rows if row.runs), key=lambda row: row.bits or 0)
    missed = [row for row in rows if row.status != "ok"]
    cells = [_cells(row) for row in measured]
    for row in missed:
        cells.append([row.key.system, row.key.mode, f"{row.status}: {row.reason}", *[""] * 6])
    return _HEADERS, cells


def markdown(results: Results, *, picture: str = "") -> str:
    """The report as a page.

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
        rows = [row for row in results.rows.values() if row.key.text == text["name"]]
        headers, cells = table(rows)
        parts.append(f"## {text['name']}\n")
        parts.append(
            f"{text['bytes']:,} bytes, the first {text['train_bytes']:,} to learn and the last "
            f"{text['scored_bytes']:,} to score. SHA-256 `{text['sha256']}`.\n"
        )
        lines = [headers, ["---"] * len(headers), *cells]
        parts.append("".join(f"| {' | '.join(map(_escape, line))} |\n" for line in lines))
    parts.append(_LEGEND)
    return "\n".join(parts)


_LEGEND = """\
*static*: nothing is learned while scoring; *online*: the scored text is learned while it is read, as
a compressor does. A compressor's cost is the size of the whole less that of the learned part; its
seconds are those of the whole, shared out by length. With several seeds the median stands first and
the range in brackets. Memory is the largest resident size of the processes that learned and scored.
"""


def _provenance(about: dict[str, Any]) -> str:
    machine = about["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    variables = ", ".join(f"{name}={value}" for name, value in machine["variables"].items())
    return (
        f"`{about['command']}`, {about['date']}. {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['platform']}, Python {machine['python']}, {versions}"
        f"{'; ' + variables if variables else ''}.\n"
    )


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|")


def _cells(row: Row) -> list[str]:
    seeds = ", ".join(str(run.seed) for run in row.runs if run.seed is not None)
    return [
        row.key.system,
        row.key.mode,
        _number(row, "bits_per_byte", ".4f"),
        _number(row, "nats_per_byte", ".4f"),
        _number(row, "train_seconds", ".2f"),
        _number(row, "score_seconds", ".2f"),
        _number(row, "bytes_per_second", ",.0f"),
        _number(row, "peak_rss_bytes", ",.0f", scale=2**-20),
        seeds,
    ]


def _number(row: Row, name: str, form: str, *, scale: float = 1.0) -> str:
    middle, spread = row.number(name), row.spread(name)
    if middle is None or spread is None:
        return ""
    if len(row.runs) == 1:
        return format(middle * scale, form)
    low, high = (format(value * scale, form) for value in spread)
    return f"{format(middle * scale, form)} ({low}–{high})"
