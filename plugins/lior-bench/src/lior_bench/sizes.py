"""What reading, cutting and indexing a file costs by its size: time, memory, and the slope of the time.

    lior bench sizes [--quick] [NAME ...]

A slope of 1, in the logarithms of size and time, is linear; those above 1.15 are marked. Each file is read in
a process of its own, without limits. `--quick` reads small files, in which a quadratic step still shows.
"""

from __future__ import annotations

import resource
import sys
import time
from multiprocessing import get_context

import attrs
import click
import numpy as np

from lior_bench.attack.formats import FORMATS

SIZES = 1, 2, 4, 8, 16
STEEP = 1.15
"""Slope above which a reader is not linear."""


@attrs.frozen
class Cost:
    """Of one file."""

    size: int
    """In bytes."""
    seconds: float
    """Of the processor."""
    memory: int
    """Bytes by which the process grew at most."""


def costs(name: str, unit: int) -> list[Cost]:
    """Of files of :data:`SIZES` times ``unit``, each in a process of its own."""
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        return [pool.apply(_cost, (name, FORMATS[name](size * unit))) for size in SIZES]


def slope(found: list[Cost]) -> float:
    """Of the logarithm of the time by that of the units of :data:`SIZES`; each counts as it has units.

    Bytes would not do: archives are compressed, the more so the larger they are.

    >>> round(slope([Cost(size, size**2, 0) for size in SIZES]), 6)
    2.0
    """
    size, seconds = np.log(SIZES), np.log([max(each.seconds, 1e-3) for each in found])
    return float(np.polyfit(size, seconds, 1, w=np.sqrt(np.exp(size)))[0])


def _cost(name: str, data: bytes) -> Cost:
    from lior.reading import isolation
    from lior.reading.limits import OFF, limit_by
    from lior.reading.parsing import parse_bytes
    from lior_ask.api import Index

    isolation.enter()  # this process reads
    index = Index(retriever="settle", embedder="")
    index.learn("garden.md", "What is loaded at the first text is loaded now.")
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with limit_by(OFF):
        index.put(name, parse_bytes(data, name))
    seconds = time.process_time() - begin
    return Cost(len(data), seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Small files.")
def measure_sizes(names: tuple[str, ...], quick: bool) -> None:
    """Measure what a file costs by its size: MB/s and memory of the largest, slope of the time."""
    steep = 0
    for name in names or FORMATS:
        found = costs(name, 150 if quick else 3000)
        last, up = found[-1], slope(found)
        steep += up > STEEP
        memory = last.memory / last.size
        told = f"{name:14} {last.size / 1e6:7.2f} MB {last.size / 1e6 / last.seconds:7.2f} MB/s"
        click.echo(f"{told} {memory:6.1f} × memory  slope {up:.2f}{'  not linear' * (up > STEEP)}")
    sys.exit(steep > 0)
