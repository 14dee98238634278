"""Fitting the chosen members of a mean, for small and large tables, within the time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Generator

from lior.workers import Workers
from lior_tables.blocks import Blocks
from lior_tables.calibration import Calibration
from lior_tables.choice import GREEDY, LEARNED, Choice, Explored, Judge
from lior_tables.functions import CENTRES
from lior_tables.kernel import matrix
from lior_tables.large import KNOWN, Large, build_functions, choose_functions, hold_out
from lior_tables.members import Member, Metrics, Setting
from lior_tables.plan import Options
from lior_tables.row_store import Rows, draw
from lior_tables.sums import add_parts, add_up

Progress = Callable[[str, float], None]
"""Callback with a description of the step and the share that is done."""
_STRONGER = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Multiples of a ridge to try if many more rows are solved at once than it was chosen on."""
_MANY = 4
"""Minimum ratio of these numbers of rows."""
_TRIED_ROWS = 3000
"""Maximum number of rows on which the multiples are tried."""
_FEWEST = 100
"""Minimum number of rows of a table to fit functions beside kernels."""
_SHARES = tuple(part / GREEDY for part in range(GREEDY + 1))
"""Possible shares of functions in the mean."""


class Fitted(NamedTuple):
    """The members of a model, the largest weight first."""

    members: list[Member | Large]
    weights: list[float]
    """Weights of the members, with sum 1."""
    calibration: Calibration | None
    """Calibration of the probabilities; ``None`` for numbers."""


def fit_members(
    chosen: Choice,
    rows: Rows,
    options: Options,
    generator: Generator,
    *,
    blocks: Blocks | None = None,
    deadline: float | None = None,
    on_progress: Progress | None = None,
    resume: Path | None = None,
    workers: Workers | None = None,
) -> Fitted:
    """Fit the chosen members, and functions beside them; to more rows than are solved at once, only
    functions.

    Parameters
    ----------
    blocks
        Rows that belong together.
    deadline
        Time limit, in seconds of :func:`time.monotonic`. A member is left out if, at the speed of those
        before, it would not finish in time; the others take its weight. The first is fitted in any case.
    resume
        Folder for the finished parts of a large table; see :class:`lior_tables.resuming.KeptWork`.
    workers
        Workers that add up the parts of a large table.
    """
    order = chosen.weights.argsort(descending=True).tolist()
    say = on_progress or (lambda what, share: None)
    explored = [chosen.explored[index] for index in order]
    solves = explored[0].candidate.readout.solves
    if len(rows.z) > options.exact_rows:
        if solves:
            return _fit_large(explored, rows, chosen.calibration, generator, blocks, say, resume, workers)
        explored = explored[:1]  # a vote compares each row with all: one member takes long enough
    members: list[Member | Large] = []
    known: Metrics = {}
    longest = 0.0
    for done, each in enumerate(explored):
        begun = time.monotonic()
        if members and deadline is not None and begun + longest > deadline:
            break
        say(f"fitting {each.candidate.name}", done / len(order))
        setting = settle(each, rows, generator) if len(rows.z) > _MANY * LEARNED else each.setting
        members.append(Member.learn_all(each.candidate, setting, rows, generator, known=known))
        longest = max(longest, time.monotonic() - begun)
    weights = chosen.weights[order[: len(members)]]
    fitted = Fitted(members, (weights / weights.sum()).tolist(), chosen.calibration)
    late = deadline is not None and time.monotonic() + longest > deadline
    if late or not solves or not _may_mix(options, chosen, rows):
        return fitted
    say("trying functions", 1.0)
    return _mix(fitted, chosen, explored, rows, generator)


def _may_mix(options: Options, chosen: Choice, rows: Rows) -> bool:
    """Return whether functions may be tried beside the members."""
    return options.members != 1 and len(chosen.splits) <= 1 and len(rows.z) >= _FEWEST


def _fit_large(
    explored: Sequence[Explored],
    rows: Rows,
    calibration: Calibration | None,
    generator: Generator,
    blocks: Blocks | None,
    say: Progress,
    resume: Path | None,
    workers: Workers | None,
) -> Fitted:
    """Fit a ridge on functions of all rows, with the kernel of a candidate."""
    say("choosing functions", 0.0)
    known, asked = hold_out(len(rows.z), blocks, generator)
    learned, held = (rows.take(places.to(rows.z.device)) for places in (known, asked))
    found = choose_functions(explored, learned, held, generator)
    if calibration is not None:
        calibration = Calibration.fit(found.said, held.y, held.weights)
    functions = build_functions(*found.explored[:2], draw(rows, KNOWN, generator), CENTRES, generator)
    functions = functions.scaled(found.scales)

    def tell(done: int, count: int) -> None:
        say(f"fitting all rows, {done} of {count} parts", done / count)

    sums = add_parts(functions, rows, kept=resume, on_part=tell, workers=workers)
    large = Large(found.explored.candidate, found.explored.setting, functions, sums, rows)
    return Fitted([large], [1.0], calibration)


def _mix(
    fitted: Fitted, chosen: Choice, explored: Sequence[Explored], rows: Rows, generator: Generator
) -> Fitted:
    """Add functions as one more member, with the share that does best on held-out rows."""
    learned, held = (rows.take(places) for places in chosen.splits[0])
    found = choose_functions(explored, learned, held, generator)
    judge = Judge(y=held.y, weights=held.weights, classes=chosen.calibration is not None)
    said = {share: torch.lerp(chosen.said, found.said, share) for share in _SHARES}
    best = min(said, key=lambda share: judge.error(said[share]))
    if best == 0:
        return fitted
    functions = build_functions(*found.explored[:2], rows, CENTRES, generator).scaled(found.scales)
    large = Large(found.explored.candidate, found.explored.setting, functions, add_up(functions, rows), rows)
    calibration = chosen.calibration and Calibration.fit(said[best], held.y, held.weights)
    if best == 1:
        return Fitted([large], [1.0], calibration)
    weights = [*((1 - best) * weight for weight in fitted.weights), best]
    return Fitted([*fitted.members, large], weights, calibration)


def settle(explored: Explored, table: Rows, generator: Generator) -> Setting:
    """Return the setting with the ridge that does best on a fifth of some rows, the others being learned.

    The ridge was chosen on :data:`lior_tables.choice.LEARNED` rows, where little is known and the function
    matters more than its noise. With more rows the best ridge is often larger.
    """
    candidate, setting = explored.candidate, explored.setting
    if not candidate.readout.solves:
        return setting
    some = draw(table, _TRIED_ROWS, generator)
    held = torch.arange(len(some.z), device=some.z.device) % 5 == 0
    rows, judged = some.take(~held), some.take(held)
    member = Member.learn_all(candidate, setting, rows, generator)
    own = matrix(member.kernel, member.items, member.items).exp_()
    across = matrix(member.kernel, member.kernel.side(judged.z), member.items).exp_()

    def error(times: float) -> float:
        fit = candidate.readout.fit(own.clone(), rows.y, rows.weights, times * setting.ridge)
        wrong = (across @ fit.values + fit.centre - judged.y).square()
        return float((judged.weights[:, None] * wrong).sum())

    times = min(_STRONGER, key=error)
    return Setting(steps=(*setting.steps[:-1], (setting.bandwidth, times * setting.ridge)))
