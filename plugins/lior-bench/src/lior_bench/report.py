"""Reports: tables of rows for a terminal and in Markdown, and how they were measured."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from lior_bench.results import Row, now, versions
from lior_cli import echo_table

Columns = Mapping[str, tuple[str, float]]
"""The number below each header, with the factor of its unit."""
_SYSTEM_WIDTH = 24
_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")


def table(rows: Sequence[Row], columns: Columns) -> tuple[list[str], list[list[str]], list[str]]:
    """Return headers and cells with the medians, and remarks to print below.

    A remark is the range of the first column over several seeds, or the reason why a row has no number.
    Columns without any number are left out.
    """
    shown = {header: each for header, each in columns.items() if any(row.numbers(each[0]) for row in rows)}
    first, _ = next(iter(columns.values()))
    notes = [
        f"{row}: {_range(row, first, ' to ')} {first.replace('_', ' ')}, median of {len(row.runs)} seeds"
        for row in rows
        if len(row.runs) > 1
    ]
    moded = any(row.mode for row in rows)
    cells = [[_short(row.system), *[row.mode] * moded, *_cells(row, shown)] for row in rows if row.runs]
    return ["system", *["mode"] * moded, *shown], cells, [*notes, *missed(rows)]


def echo_report(rows: Sequence[Row], columns: Columns) -> None:
    """Print the :func:`table` with its remarks."""
    headers, cells, notes = table(rows, columns)
    echo_table(headers, cells)
    for note in notes:
        click.echo(note)


def _short(name: str) -> str:
    return name if len(name) <= _SYSTEM_WIDTH else "…" + name[1 - _SYSTEM_WIDTH :]


def _cells(row: Row, columns: Columns, *, ranges: bool = False) -> list[str]:
    cells = [number(row.number(name), name, factor) for name, factor in columns.values()]
    if not ranges or len(row.runs) < 2:
        return cells
    spreads = (_range(row, name, "–", factor) for name, factor in columns.values())
    return [f"{cell} ({spread})" if cell else "" for cell, spread in zip(cells, spreads, strict=True)]


def _range(row: Row, name: str, between: str, factor: float = 1.0) -> str:
    values = row.numbers(name) or [float("nan")]
    return between.join(number(value, name, factor) for value in (min(values), max(values)))


def missed(rows: Iterable[Row]) -> list[str]:
    """Return a sentence on each row without a number."""
    return [f"{row}: {fault.status}: {fault.reason}" for row in rows if (fault := row.fault)]


def number(value: float | None, name: str, factor: float = 1.0) -> str:
    """Format a cost with four decimals, a small number with three digits, and a large one with all digits."""
    if value is None:
        return ""
    if name.endswith("per_byte"):
        return f"{value:.4f}"
    return f"{value * factor:,.0f}" if value * factor >= 100 else f"{value * factor:.3g}"


def markdown_table(rows: Iterable[Row], columns: Columns) -> str:
    """Return the measured rows in Markdown, with ranges over the seeds."""
    lines = ([row.system, row.mode, *_cells(row, columns, ranges=True)] for row in rows if row.runs)
    return markdown(["system", "mode", *columns], lines)


def markdown(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    return "".join(map(markdown_line, (headers, ["---"] * len(headers), *rows)))


def markdown_line(cells: Sequence[object]) -> str:
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


# --- how it was measured ---


def origin() -> dict[str, Any]:
    """Return the command of the user, the date, and the :func:`machine`."""
    return {"command": shlex.join(["lior", *sys.argv[1:]]), "date": now(), "machine": machine()}


def machine() -> dict[str, Any]:
    """Return properties of the machine that affect the numbers: processor, cores, versions, threads."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": versions(),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def provenance(command: str, date: str, machine: Mapping[str, Any]) -> str:
    """Return a line with the command, date and :func:`machine` of a measurement."""
    named = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    variables = ", ".join(f"{name}={value}" for name, value in machine["variables"].items())
    return (
        f"`{command}`, {date}. {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['platform']}, Python {machine['python']}, {named}"
        f"{'; ' + variables if variables else ''}.\n"
    )
