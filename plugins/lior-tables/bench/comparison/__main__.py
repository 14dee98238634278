"""Errors, probabilities, intervals and seconds of lior-tables, its parts, and other programs.

    PYTHONPATH=plugins/lior-tables/bench python -m comparison --tables ../shared/data/tables

Results are stored in the folder of ``--cache``, with their settings as the key, and not measured again.
Results of lior-tables are measured again after a change of its code. Set OMP_NUM_THREADS=1 for one thread.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import click
import torch

from comparison import controls, drawn, ours, report, sets, speed
from comparison.sets import Split
from comparison.store import Store
from lior_bench.report import provenance
from lior_bench.runner import machine

PARTS = ("error", "intervals", "irrelevant", "drawn", "ablation", "speed", "fit")
AGAINST = "catboost"
OURS = "lior-tables"
_CONFORMAL = "lightgbm split conformal"
_UNTUNED = "catboost untuned"
_OTHER_PARTS = (_CONFORMAL, _UNTUNED)
_FEWER = {"xrfm": 1}
"""Maximum number of seeds of slow methods."""


class Bench:
    """The sets, and methods measured on them once."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store

    def run(self, method: str, names: list[str], seeds: int, *, numbers: bool = False) -> report.Runs:
        """Measure a method on all sets, or those with ``numbers`` as target, for ``seeds`` seeds."""
        splits = sets.splits(names, self.folder, min(seeds, _FEWER.get(method, seeds)))
        return self.measure(method, (split for split in splits if not (numbers and split.classes)))

    def measure(self, method: str, splits: Iterable[Split]) -> report.Runs:
        """Measure a method on these splits."""
        found: report.Runs = {}
        control = method in controls.CONTROLS
        settings = "" if control else ours.settings(method)
        for split in splits:
            name = split.table.name
            measured = self.store.get(method, settings, name, split.seed)
            if measured is None:
                click.echo(f"{method}: {name}, seed {split.seed}", err=True)
                found_now = controls.CONTROLS[method](split) if control else ours.measure(method, split)
                measured = self.store.add(method, settings, name, split.seed, *found_now)
            found.setdefault(name, []).append((split, measured))
        return found


@click.command(help=__doc__)
@click.option(
    "--tables", type=click.Path(path_type=Path, file_okay=False), default=Path("../shared/data/tables")
)
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/tables"))
@click.option("--seeds", default=3, show_default=True)
@click.option("--ablation-seeds", default=1, show_default=True)
@click.option("--draws", default=4, show_default=True, help="Draws of each drawn function.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS)
@click.option("--set", "chosen", multiple=True, help="Only these sets.")
def main(
    tables: Path,
    cache: Path,
    seeds: int,
    ablation_seeds: int,
    draws: int,
    parts: tuple[str, ...],
    chosen: tuple[str, ...],
) -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    bench = Bench(tables, Store(cache))
    names = list(chosen) or sets.names(tables)
    command = " ".join(["python -m comparison", *sys.argv[1:]])
    about = f"{time.strftime('%Y-%m-%d')}, {len(names)} sets, code {ours.code()}"
    click.echo(provenance(command, about, machine()))
    if "error" in parts:
        _error(bench, names, seeds)
    if "intervals" in parts:
        methods = {name: bench.run(name, names, seeds, numbers=True) for name in (OURS, _CONFORMAL)}
        click.echo("\n## Intervals of 90 %\n\n" + report.intervals(methods, OURS))
    if "irrelevant" in parts:
        few = sorted(sets.DRAWN) + [f"{name}{sets.NOISED}" for name in sets.NOISY]
        runs = {name: bench.run(name, few, ablation_seeds) for name in (OURS, AGAINST, "xrfm", "lightgbm")}
        click.echo("\n## Inputs that do not matter\n")
        for name in (AGAINST, "lightgbm", "xrfm"):
            click.echo(report.headline(runs[OURS], runs[name], name))
        click.echo(report.by_set(runs[OURS], runs[AGAINST]))
    if "drawn" in parts:
        families = [name for name in drawn.FAMILIES if not chosen or name in chosen]
        both = [bench.measure(name, drawn.splits(families, draws)) for name in (OURS, _UNTUNED)]
        click.echo("\n## Drawn functions\n\n" + report.drawn(*both))
    if "ablation" in parts:
        of = {name: bench.run(name, names, ablation_seeds) for name in ours.ABLATIONS}
        click.echo("\n## Parts\n\n" + report.ablation(of))
    if "speed" in parts:
        click.echo("\n## Seconds of one core\n\n" + speed.table())
    if "fit" in parts:
        splits = sets.splits(names, tables, ablation_seeds)
        click.echo("\n## Fits beside CatBoost\n\n" + speed.beside_catboost(splits))


def _error(bench: Bench, names: list[str], seeds: int) -> None:
    methods = [name for name in controls.CONTROLS if name not in _OTHER_PARTS]
    runs = {name: bench.run(name, names, seeds) for name in (OURS, *methods)}
    click.echo("\n## Errors\n")
    for name in (AGAINST, "catboost long"):
        click.echo(report.headline(runs[OURS], runs[name], name))
    click.echo(report.by_set(runs[OURS], runs[AGAINST]))
    click.echo("## Methods\n\n" + report.peers(runs, AGAINST))


if __name__ == "__main__":
    main()
