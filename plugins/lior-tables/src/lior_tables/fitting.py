"""Fitting what was chosen: the members of a mean, of small and large tables, within the time there is."""

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
"""Called with what is being done and the share of it that is done."""
_STRONGER = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Multiples of a ridge that are tried where many more rows are solved at once than it was chosen on."""
_MANY = 4
"""How many times more they are."""
_TRIED_ROWS = 3000
"""Rows on which they are tried, at most."""
_FEWEST = 100
"""Rows of a table to which functions are fitted beside kernels, at least."""
_SHARES = tuple(part / GREEDY for part in range(GREEDY + 1))
"""Of functions in the mean."""


class Fitted(NamedTuple):
    """The members of a model, those of most weight first."""

    members: list[Member | Large]
    weights: list[float]
    """Of sum 1."""
    calibration: Calibration | None
    """Of the probabilities; ``None`` for numbers."""


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
    """Fit the members that were chosen, and functions beside them; only these to more rows than are solved at
    once.

    Parameters
    ----------
    blocks
        Rows that belong together.
    deadline
        In seconds of :func:`time.monotonic`. A member that would not be done by then, if it takes as long as
        those before, is left out, and the others take its weight. The first is fitted in any case.
    resume
        Folder for the parts of a large table that are done; see :class:`lior_tables.resuming.KeptWork`.
    workers
        They add up the parts of a large table.
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
    if late or options.members == 1 or len(chosen.splits) > 1 or len(rows.z) < _FEWEST or not solves:
        return fitted
    say("trying functions", 1.0)
    return _mix(fitted, chosen, explored, rows, generator)


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
    """A ridge on functions of all rows, with the kernel of a candidate."""
    say("choosing functions", 0.0)
    known, asked = hold_out(len(rows.z), blocks, generator)
    learned, held = (rows.take(places.to(rows.z.device)) for places in (known, asked))
    found = choose_functions(explored, learned, held, generator)
    if calibration is not None:
        calibration = Calibration.fit(found.said, held.y, held.weights)
    functions = build_functions(found.explored, draw(rows, KNOWN, generator), CENTRES, generator)
    functions = functions.scaled(found.scales)

    def tell(done: int, count: int) -> None:
        say(f"fitting all rows, {done} of {count} parts", done / count)

    sums = add_parts(functions, rows, kept=resume, on_part=tell, workers=workers)
    large = Large(found.explored.candidate, found.explored.setting, functions, sums, rows)
    return Fitted([large], [1.0], calibration)


def _mix(
    fitted: Fitted, chosen: Choice, explored: Sequence[Explored], rows: Rows, generator: Generator
) -> Fitted:
    """With functions as one more member, at the share with which the mean does best on held-out rows."""
    learned, held = (rows.take(places) for places in chosen.splits[0])
    found = choose_functions(explored, learned, held, generator)
    judge = Judge(y=held.y, weights=held.weights, classes=chosen.calibration is not None)
    said = {share: torch.lerp(chosen.said, found.said, share) for share in _SHARES}
    best = min(said, key=lambda share: judge.error(said[share]))
    if best == 0:
        return fitted
    functions = build_functions(found.explored, rows, CENTRES, generator).scaled(found.scales)
    large = Large(found.explored.candidate, found.explored.setting, functions, add_up(functions, rows), rows)
    calibration = chosen.calibration and Calibration.fit(said[best], held.y, held.weights)
    if best == 1:
        return Fitted([large], [1.0], calibration)
    weights = [*((1 - best) * weight for weight in fitted.weights), best]
    return Fitted([*fitted.members, large], weights, calibration)


def settle(explored: Explored, table: Rows, generator: Generator) -> Setting:
    """The setting with the ridge that does best on a fifth of some rows, the others being learned.

    It was chosen on :data:`lior_tables.choice.LEARNED` rows, where little is known and the function matters
    more than its noise. Of more rows the best ridge is often larger.
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
