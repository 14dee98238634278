"""The report of a comparison: a table, a page in Markdown, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lior_bench import tables
from lior_bench.results import Results
from lior_bench.tables import COLUMNS, cells, missed

MARKDOWN_NAME = "bench.md"
_LEGEND = """\
*static*: nothing is learned while scoring; *online*: the scored text is learned as it is read, as a
compressor does. The cost of a compressor is the size of the whole text minus the size of the learned
part; its seconds are those of the whole text, divided by length. Baselines repeat short work, and the
shortest time counts. With several seeds a cell has the median, and the range in brackets. Memory is
the largest resident size of the processes that learned and scored.
"""


def write(results: Results, out: Path) -> list[str]:
    """Write ``bench.md`` and ``bench.png`` to ``out``; return remarks for the user."""
    from lior_bench import picture  # its imports take memory that would count for the children

    drawn = picture.write(results, out)
    page = markdown(results, picture=drawn.name if drawn else "")
    (out / MARKDOWN_NAME).write_text(page, encoding="utf-8", errors="replace")
    return [] if drawn else ["no picture: nothing was measured"]


def markdown(results: Results, *, picture: str = "") -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    picture
        The file name of the picture; empty for none.
    """
    about = results.about
    parts = ["# Comparison\n", provenance(about["command"], about["date"], about["machine"])]
    if not results.complete:
        parts.append("**Interrupted: some systems are missing.**\n")
    if picture:
        parts.append(f"![Bits per byte against seconds]({picture})\n")
    for text in about["texts"]:
        rows = results.of_text(text["name"])
        parts += [
            f"## {text['name']}\n",
            f"{text['bytes']:,} bytes, the first {text['train_bytes']:,} to learn and the last "
            f"{text['scored_bytes']:,} to score. SHA-256 `{text['sha256']}`.\n",
            tables.markdown(["system", "mode", *COLUMNS], (cells(row) for row in rows if row.runs)),
            "".join(f"- {line}\n" for line in missed(rows)),
        ]
    parts.append(_LEGEND)
    return "\n".join(parts)


def provenance(command: str, date: str, machine: dict[str, Any]) -> str:
    """Return a line with the command, date and machine (:func:`lior_bench.runner.machine`) of a
    measurement.
    """
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    variables = ", ".join(f"{name}={value}" for name, value in machine["variables"].items())
    return (
        f"`{command}`, {date}. {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['platform']}, Python {machine['python']}, {versions}"
        f"{'; ' + variables if variables else ''}.\n"
    )
