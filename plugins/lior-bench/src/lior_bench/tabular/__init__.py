"""``lior bench tables``: lior-tables compared with boosters, other kernel machines and simple controls."""

from __future__ import annotations

import click

from lior_cli import LazyGroup

_HERE = "lior_bench.tabular"
COMMANDS = {
    "compare": (f"{_HERE}.command:main", "Compare errors, intervals, parts and seconds on all sets."),
    "categories": (f"{_HERE}.categories:main", "Compare words as one-hot coordinates and as distances."),
    "growth": (f"{_HERE}.growth:main", "Measure seconds, memory and error by the number of rows."),
    "pictures": (f"{_HERE}.pictures:main", "Compare classes of pictures and videos."),
    "reasons": (f"{_HERE}.reasons:main", "Compare two divisions of a prediction among rows."),
    "worth": (f"{_HERE}.worth:main", "Compare the stated worth of inputs with fits without them."),
    "vega": (f"{_HERE}.vega:main", "Predict later rows and unseen groups of real tables."),
}
"""The location and help of each command."""


@click.group(cls=LazyGroup, lazy=COMMANDS)
def tables() -> None:
    """Compare lior-tables with other programs on the same rows.

    Set OMP_NUM_THREADS=1 for one thread. Seconds are those of the processor.
    """
