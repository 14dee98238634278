"""The costs of reading, cutting and indexing a file by its size: time, memory, and the slope of the time.

    lior bench sizes [--quick] [NAME ...]

A slope of 1, in the logarithms of size and time, is linear; those above 1.15 are marked. Each file is read in
a process of its own, without limits. `--quick` reads small files, in which a quadratic step still shows.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import attrs
import click
import numpy as np

from lior_bench import children
from lior_bench.attack.formats import FORMATS

SIZES = 1, 2, 4, 8, 16
STEEP = 1.15
"""The slope above which a reader does not count as linear."""
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "decorators.py": lambda n: b"@a\n" * n,
    "message.txt": lambda n: b"[1/2/24, 10:00] Ann: hello\n" * 3 + b"and it goes on\n" * n,
    "cells.html": lambda n: b"<td>a" * n + b"</td>",
    "newlines.html": lambda n: b"<h1>" + b"\n" * n + b"</h1>a",
    "lists.html": lambda n: b"<dl><dd>a" * n + b"</dl>",
    "bold.html": lambda n: b"<p><b>a</b>" * n + b"</p>",
    "open.html": lambda n: b"<p>left < right <b and " + b"<p " * n,
    "bars.md": lambda n: b"|\n|---|\n" * n,
    "blanks.md": lambda n: b"# a" + b" " * n + b"b\n",
    "front.md": lambda n: b"---\ndate: a" + b" " * n + b"b\n",
    "references.md": lambda n: b"".join(b"see [a][%d]\n\n[%d]: /%d\n\n" % (k, k, k) for k in range(n)),
    "sign.txt": lambda n: b"a" * n,
    "words.eml": lambda n: b"Subject: " + b"=?utf-8?q?a?= " * n + b"\n\ntext\n",
    "mail.mbox": lambda n: b"From a@b 2024\nSubject: it\n\ntext\n\n" * (n // 10),
    "parts.eml": lambda n: b"Content-Type: multipart/mixed; boundary=b\n" + b"\n--b\n\ntext\n" * (n // 10),
}
"""Files of any size that are hard to read in linear time. Tests count the work in Python; the work of regular
expressions shows only in a measured time.
"""
_MADE = FORMATS | {f"hostile {name}": make for name, make in HOSTILE.items()}


@attrs.frozen
class Cost:
    """The cost of one file."""

    size: int
    """The size in bytes."""
    seconds: float
    """The CPU time in seconds."""
    memory: int
    """The largest growth of the process, in bytes."""


def costs(name: str, unit: int) -> list[Cost]:
    """Return the costs of files of :data:`SIZES` times ``unit``, each measured in a process of its own."""
    replies = (children.call("lior_bench.sizes:measure_file", name, size * unit) for size in SIZES)
    return [Cost(**reply.answer) for reply in replies]


def slope(found: list[Cost]) -> float:
    """Fit a line to the logarithms of times and of :data:`SIZES`, weighted by size, and return its slope.

    Bytes are unsuitable as sizes: archives are compressed, the larger, the more.

    >>> round(slope([Cost(size, size**2, 0) for size in SIZES]), 6)
    2.0
    """
    size, seconds = np.log(SIZES), np.log([max(each.seconds, 1e-3) for each in found])
    return float(np.polyfit(size, seconds, 1, w=np.sqrt(np.exp(size)))[0])


def measure_file(name: str, count: int) -> dict[str, Any]:
    """Read the file ``name`` with ``count`` units in this process; return its :class:`Cost` as a dict."""
    from lior.reading import NO_LIMITS, limit_by, parse_bytes, read_in_this_process
    from lior_ask.api import Index

    read_in_this_process()
    data, name = _MADE[name](count), name.rpartition(" ")[2]
    index = Index(retriever="settle", embedder="")
    index.learn("garden.md", "What is loaded at the first text is loaded now.")
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with limit_by(NO_LIMITS):
        index.content.put(name, parse_bytes(data, name))
    seconds = time.process_time() - begin
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return attrs.asdict(Cost(len(data), seconds, grown << 10))


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(_MADE)))
@click.option("--quick", is_flag=True, help="Small files.")
def measure_sizes(names: tuple[str, ...], quick: bool) -> None:
    """Measure what a file costs by its size: MB/s and memory of the largest, slope of the time."""
    steep = 0
    for name in names or _MADE:
        found = costs(name, 150 if quick else 3000)
        last, up = found[-1], slope(found)
        steep += up > STEEP
        memory = last.memory / last.size
        told = f"{name:14} {last.size / 1e6:7.2f} MB {last.size / 1e6 / last.seconds:7.2f} MB/s"
        click.echo(f"{told} {memory:6.1f} × memory  slope {up:.2f}{'  not linear' * (up > STEEP)}")
    sys.exit(steep > 0)
