"""Seconds of one core, memory and error on a table of any size, compared with CatBoost's defaults.

    OMP_NUM_THREADS=1 lior bench tables growth 30000 20 --function sum --catboost
    OMP_NUM_THREADS=1 lior bench tables growth 1000000 20 --kept folder
    lior bench tables growth 300000 20 --workers 1 --workers 2

``arm``: the rows are joint angles of an arm in the plane, and the output is the distance of its end from
its base. ``sum``: functions of one input and of two, added up. Further inputs do not matter. Errors are
relative to the output without its noise. An interrupted fit continues from the folder of ``--kept``. Each
``--workers``, a number of processes or the address of a Dask scheduler, fits the same table; the seconds
are then of the clock.
"""

from __future__ import annotations

import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import click
import torch
from torch import Tensor

from lior.workers import Workers, check
from lior_tables.model import TableModel
from lior_tables.plan import Options

NOISE = {"arm": 0.05, "sum": 0.3}
TESTED = 5000


def arm(z: Tensor) -> Tensor:
    """Return the distance of the end of the arm from its base, from the first eight angles."""
    angles = (0.6 * z[:, :8]).cumsum(1)
    return torch.hypot(angles.cos().sum(1), angles.sin().sum(1))


def added(z: Tensor) -> Tensor:
    """Return the sum of functions of the first eight inputs."""
    a, b, c, d, e, f, g, h = z[:, :8].unbind(1)
    return (2 * a).sin() + b * c + 0.5 * d.square() + e.abs() + 0.5 * f + (g * h).cos()


def draw(function: str, count: int, inputs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw rows ``(count, inputs)``, outputs ``(count, 1)`` with standard deviation 1, and noisy outputs."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(count, inputs, generator=generator)
    y = {"arm": arm, "sum": added}[function](z)[:, None]
    y = (y - y.mean()) / y.std()
    return z, y, y + NOISE[function] * torch.randn(count, 1, generator=generator)


def fit(
    z: Tensor, y: Tensor, options: Options, kept: Path | None, workers: Workers | None
) -> tuple[TableModel, float]:
    """Return the model, and seconds of this process, or of the clock with workers."""
    clock = time.process_time if workers is None else time.perf_counter
    begun = clock()

    def say(what: str, share: float) -> None:
        line = f"{100 * share:3.0f} %  {clock() - begun:6.0f} s  {what}"
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)

    model = TableModel.fit(
        z, y, classes=False, options=options, on_progress=say, resume=kept, workers=workers
    )
    return model, clock() - begun


@click.command(help=__doc__)
@click.argument("rows", type=click.IntRange(1))
@click.argument("inputs", type=click.IntRange(8))
@click.option("--function", type=click.Choice(list(NOISE)), default="arm", show_default=True)
@click.option("--exact", is_flag=True, help="Solve for all rows at once, however many they are.")
@click.option("--kept", type=click.Path(path_type=Path, file_okay=False))
@click.option("--workers", multiple=True, metavar="N|ADDRESS")
@click.option("--catboost", is_flag=True)
def main(
    rows: int,
    inputs: int,
    function: str,
    exact: bool,
    kept: Path | None,
    workers: tuple[str, ...],
    catboost: bool,
) -> None:
    """Fit and print."""
    z, truth, y = draw(function, rows + TESTED, inputs)
    options = Options(exact_rows=rows) if exact else Options()
    for each in workers or (None,):
        with nullcontext() if each is None else Workers(check(each)) as given:
            model, fitted = fit(z[:rows], y[:rows], options, kept, given)
        begun = time.process_time()
        error = (model.predict(z[rows:]) - truth[rows:]).square().mean().sqrt()
        speed = TESTED / (time.process_time() - begun)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        who = "" if each is None else f", workers {each}"
        print(f"\n{function}, {rows:,} × {inputs}{who}: fit {fitted:.0f} s, peak {peak:.2f} GB", end="")
        print(f", error {error:.4f} (noise {NOISE[function]}), {speed:,.0f} predictions a second", flush=True)
    if catboost:
        from lior_bench.tabular.controls import make_catboost

        begun = time.process_time()
        other = make_catboost(False).fit(z[:rows].numpy(), y[:rows, 0].numpy())
        fitted = time.process_time() - begun
        off = torch.from_numpy(other.predict(z[rows:].numpy())) - truth[rows:, 0]
        print(f"catboost: fit {fitted:.0f} s, error {off.square().mean().sqrt():.4f}")
