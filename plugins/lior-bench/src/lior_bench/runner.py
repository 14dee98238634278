"""The loop over systems, seeds and modes, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from lior_bench.children import Unmeasured
from lior_bench.report import Columns, number
from lior_bench.results import Results, Run

Numbers = Mapping[str, float]
Measure = Callable[[int | None], Iterator[Numbers]]


@attrs.frozen
class System:
    """A system on one set; for each seed it yields the numbers of each of its modes, in order."""

    name: str
    measure: Measure
    modes: tuple[str, ...] = ("",)
    random: bool = False
    """Whether the result depends on the seed; if not, it is measured once."""


@attrs.frozen(kw_only=True)
class Runner:
    """What measures systems on sets, and where its results go."""

    results: Results
    columns: Columns
    """The numbers of a line of progress."""
    progress: Callable[[str], None]
    """A function that is called with each line of progress."""
    seeds: int = 1
    """The number of runs of random systems, with the seeds 0, 1, …"""

    def measure(self, name: str, systems: Iterable[System]) -> None:
        """Measure systems on the set ``name``; one that cannot be measured has a reason instead."""
        for system in systems:
            for seed in range(self.seeds) if system.random else [None]:
                self._measure(name, system, seed)

    def _measure(self, name: str, system: System, seed: int | None) -> None:
        waiting = [Run(set=name, system=system.name, mode=mode, seed=seed) for mode in system.modes]
        try:
            for numbers in system.measure(seed):
                self._add(attrs.evolve(waiting[0], numbers=numbers))
                waiting.pop(0)
        except Unmeasured as fault:
            reason = f"seed {seed}: {fault}" if seed else str(fault)
            for run in waiting:
                self._add(attrs.evolve(run, status=fault.status, reason=reason))

    def _add(self, run: Run) -> None:
        self.results.add(run)
        subject = ", ".join(filter(None, (run.system, run.mode, f"seed {run.seed}" * (run.seed is not None))))
        numbers = ", ".join(
            f"{header} {number(run.numbers[name], name, factor)}"
            for header, (name, factor) in self.columns.items()
            if name in run.numbers
        )
        self.progress(f"  {subject}: {numbers if run.status == 'ok' else f'{run.status}: {run.reason}'}")
