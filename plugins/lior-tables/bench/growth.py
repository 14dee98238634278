"""Seconds of one core, memory and error on a table of any size, solved at once or by leaves.

    OMP_NUM_THREADS=1 python plugins/lior-tables/bench/growth.py 20000 8 exact
    OMP_NUM_THREADS=1 python plugins/lior-tables/bench/growth.py 36000 8 leaves
    OMP_NUM_THREADS=1 python plugins/lior-tables/bench/growth.py 1000000 20 leaves kept
    python plugins/lior-tables/bench/growth.py 300000 20 leaves --workers 1 --workers 2

The rows are joint angles of an arm in the plane, and the output is the distance of its end from its base;
further inputs do not matter. A fourth argument is a folder: an interrupted fit goes on from there. With
``--workers``, a number of processes or the address of a Dask scheduler, the same table is fitted by each of
those, and the seconds are those of the clock.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from lior.workers import Workers, check
from lior_tables.model import TableModel
from lior_tables.plan import Options

JOINTS, NOISE = 8, 0.05
TESTED = 5000


def draw(count: int, inputs: int) -> tuple[Tensor, Tensor]:
    """Rows ``(count, inputs)`` and outputs ``(count, 1)`` of standard deviation 1, with noise."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(count, inputs, generator=generator)
    angles = (0.6 * z[:, :JOINTS]).cumsum(1)
    y = torch.hypot(angles.cos().sum(1), angles.sin().sum(1))[:, None]
    y = (y - y.mean()) / y.std()
    return z, y + NOISE * torch.randn(count, 1, generator=generator)


def main(rows: int, inputs: int, way: str, folder: str | None = None, workers: str | None = None) -> None:
    """Fit and print."""
    clock = time.process_time if workers is None else time.perf_counter
    z, y = draw(rows + TESTED, inputs)
    exact = rows if way == "exact" else min(8000, rows - 1)
    options = Options(exact_rows=exact)
    begun = clock()

    def say(what: str, share: float) -> None:
        line = f"{100 * share:3.0f} %  {clock() - begun:6.0f} s  {what}"
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)

    resume = None if folder is None else Path(folder)
    with nullcontext() if workers is None else Workers(check(workers)) as given:
        model = TableModel.fit(
            z[:rows], y[:rows], classes=False, options=options, on_progress=say, resume=resume, workers=given
        )
    fitted = clock() - begun
    begun = time.process_time()
    error = (model.predict(z[rows:]) - y[rows:]).square().mean().sqrt()
    speed = TESTED / (time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    names = ", ".join(member.candidate.name for member in model.members)
    who = "" if workers is None else f", workers {workers}"
    print(f"\n{rows:,} × {inputs} {way} ({names}{who}): fit {fitted:.0f} s, peak {peak:.2f} GB", end="")
    print(f", error {error:.4f} (noise {NOISE}), {speed:,.0f} predictions a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=int)
    parser.add_argument("inputs", type=int)
    parser.add_argument("way", choices=("exact", "leaves"))
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--workers", action="append")
    asked = parser.parse_args()
    for each in asked.workers or [None]:
        main(asked.rows, asked.inputs, asked.way, asked.folder, each)
