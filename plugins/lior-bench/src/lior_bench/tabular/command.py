"""Errors, probabilities, intervals and seconds of lior-tables, its parts, and other programs.

    lior bench tables compare --tables ../shared/data/tables

Results are stored in the folder of ``--cache``, with their settings as the key, and not measured again.
Results of lior-tables are measured again after a change of its code. Set OMP_NUM_THREADS=1 for one thread.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import attrs
import click
import numpy as np
import torch

from lior.errors import MissingPackage, install_hint
from lior_bench.report import origin, provenance
from lior_bench.results import Results, Run
from lior_bench.tabular import controls, drawn, ours, pages, sets, speed
from lior_bench.tabular.pages import Measured
from lior_bench.tabular.sets import Split

AGAINST = "catboost"
OURS = "lior-tables"
_CONFORMAL = "lightgbm split conformal"
_UNTUNED = "catboost untuned"
_OTHER_PARTS = (_CONFORMAL, _UNTUNED)
METHODS = [name for name in controls.CONTROLS if name not in _OTHER_PARTS]
"""The controls of the errors; ``catboost`` is always one of them."""
_FEWER = {"xrfm": 1}
"""Maximum number of seeds of slow methods."""


class Bench:
    """The sets, and methods measured on them once: runs in ``runs.jsonl`` of a folder, predictions beside."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self._arrays = folder, cache / "arrays"
        self._arrays.mkdir(parents=True, exist_ok=True)
        self._results = Results(cache / "runs.jsonl")

    def run(self, method: str, names: list[str], seeds: int, *, numbers: bool = False) -> pages.Runs:
        """Measure a method on all sets, or those with ``numbers`` as target, for ``seeds`` seeds."""
        splits = sets.splits(names, self.folder, min(seeds, _FEWER.get(method, seeds)))
        return self.measure(method, (split for split in splits if not (numbers and split.classes)))

    def measure(self, method: str, splits: Iterable[Split]) -> pages.Runs:
        """Measure a method on these splits."""
        found: pages.Runs = {}
        for split in splits:
            found.setdefault(split.table.name, []).append(self._once(method, split))
        return found

    def _once(self, method: str, split: Split) -> Measured:
        control = controls.CONTROLS.get(method)
        settings = "" if control else ours.settings(method)
        key = split.table.name, method, split.seed, settings
        path = self._arrays / f"{sha256(json.dumps(key).encode()).hexdigest()[:20]}.npz"
        if (run := self._results.find(*key)) is None:
            click.echo(f"{method}: {split.table.name}, seed {split.seed}", err=True)
            try:
                numbers, arrays = control(split) if control else ours.measure(method, split)
            except ImportError as error:
                raise MissingPackage(
                    f"{method} needs {error.name}: {install_hint(str(error.name))}"
                ) from error
            run = Run(set=key[0], system=method, seed=split.seed, settings=settings, numbers=numbers)
            np.savez(path, **{name: each.astype(np.float32) for name, each in arrays.items()})  # type: ignore[arg-type]
            self._results.add(run)
        with np.load(path) as arrays:
            return Measured(split, run.numbers, dict(arrays))


@attrs.frozen(kw_only=True)
class Plan:
    """The sets and numbers of repetitions of a comparison."""

    names: list[str]
    chosen: tuple[str, ...]
    """The sets that the user named; empty for all."""
    methods: tuple[str, ...]
    """The controls of the errors."""
    seeds: int
    ablation_seeds: int
    draws: int


# --- the parts of the report ---


def _error(bench: Bench, plan: Plan) -> str:
    methods = [name for name in controls.CONTROLS if name in plan.methods]
    runs = {name: bench.run(name, plan.names, plan.seeds) for name in (OURS, *methods)}
    heads = [pages.headline(runs[OURS], runs[name], name) for name in methods if AGAINST in name]
    listed = pages.by_set(runs[OURS], runs[AGAINST])
    return "\n".join([*heads, listed, "## Methods\n", pages.peers(runs, AGAINST)])


def _intervals(bench: Bench, plan: Plan) -> str:
    runs = {name: bench.run(name, plan.names, plan.seeds, numbers=True) for name in (OURS, _CONFORMAL)}
    return pages.intervals(runs, OURS)


def _irrelevant(bench: Bench, plan: Plan) -> str:
    few = sorted(sets.DRAWN) + [f"{name}{sets.NOISED}" for name in sets.NOISY]
    others = (AGAINST, "lightgbm", "xrfm")
    runs = {name: bench.run(name, few, plan.ablation_seeds) for name in (OURS, *others)}
    heads = [pages.headline(runs[OURS], runs[name], name) for name in others]
    return "\n".join([*heads, pages.by_set(runs[OURS], runs[AGAINST])])


def _drawn(bench: Bench, plan: Plan) -> str:
    families = [name for name in drawn.FAMILIES if not plan.chosen or name in plan.chosen]
    both = [bench.measure(name, drawn.splits(families, plan.draws)) for name in (OURS, _UNTUNED)]
    return pages.drawn(*both)


def _ablation(bench: Bench, plan: Plan) -> str:
    return pages.ablation({name: bench.run(name, plan.names, plan.ablation_seeds) for name in ours.ABLATIONS})


def _speed(bench: Bench, plan: Plan) -> str:
    return speed.table()


PARTS: dict[str, tuple[str, Callable[[Bench, Plan], str]]] = {
    "error": ("Errors", _error),
    "intervals": ("Intervals of 90 %", _intervals),
    "irrelevant": ("Inputs that do not matter", _irrelevant),
    "drawn": ("Drawn functions", _drawn),
    "ablation": ("Parts", _ablation),
    "speed": ("Seconds of one core", _speed),
}
"""The heading and the measurement of each part of the report."""


@click.command(help=__doc__)
@click.option(
    "--tables", type=click.Path(path_type=Path, file_okay=False), default=Path("../shared/data/tables")
)
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/tables"))
@click.option("--seeds", default=3, show_default=True)
@click.option("--ablation-seeds", default=1, show_default=True)
@click.option("--draws", default=4, show_default=True, help="Draws of each drawn function.")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), default=list(PARTS))
@click.option("--set", "chosen", multiple=True, help="Only these sets.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(METHODS),
    default=METHODS,
    help="Only these controls.",
)
def main(
    *,
    tables: Path,
    cache: Path,
    parts: tuple[str, ...],
    chosen: tuple[str, ...],
    methods: tuple[str, ...],
    **counts: int,
) -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    plan = Plan(
        names=list(chosen) or sets.names(tables), chosen=chosen, methods=(AGAINST, *methods), **counts
    )
    measured = origin()
    about = f"{measured['date']}, {len(plan.names)} sets, code {ours.code()}"
    click.echo(provenance(measured["command"], about, measured["machine"]))
    bench = Bench(tables, cache)
    for name, (heading, part) in PARTS.items():
        if name in parts:
            click.echo(f"\n## {heading}\n\n{part(bench, plan)}")
