"""Fitting what was chosen: the members of a mean, of small and large tables, within the time there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Generator

from lior.workers import Workers
from lior_tables.choice import LEARNED, Choice, Explored
from lior_tables.kernel import matrix
from lior_tables.local_ensemble import Grove, grow
from lior_tables.members import Member, Metrics, Setting
from lior_tables.plan import Options
from lior_tables.resuming import KeptWork
from lior_tables.row_store import Rows

LARGE_MEMBERS = 2
"""Members of a model of more rows than are solved at once."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""
_STRONGER = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Multiples of a ridge that are tried where many more rows are solved at once than it was chosen on."""
_MANY = 4
"""How many times more they are."""
_TRIED, _TRIED_ROWS = 3, 3000
"""Sets of rows on which they are tried, and rows of each, at most."""
_Make = Callable[[Explored, Progress], "Member | Grove"]


def fit_members(
    chosen: Choice,
    rows: Rows,
    options: Options,
    generator: Generator,
    *,
    deadline: float | None = None,
    on_progress: Progress | None = None,
    resume: Path | None = None,
    workers: Workers | None = None,
) -> tuple[list[Member | Grove], list[float]]:
    """The members with their weights, those of most weight first.

    Parameters
    ----------
    deadline
        In seconds of :func:`time.monotonic`. A member that would not be done by then, if it takes as long as
        those before, is left out, and the others take its weight. The first is fitted in any case.
    resume
        Folder for the leaves that are done; see :class:`lior_tables.resuming.KeptWork`.
    workers
        They fit the leaves of a large table.
    """
    order = chosen.weights.argsort(descending=True).tolist()
    make = _make(chosen.explored[order[0]], rows, options, generator, resume, workers)
    if len(rows.z) > options.exact_rows:
        order = order[:LARGE_MEMBERS]
    members: list[Member | Grove] = []
    longest = 0.0
    for done, index in enumerate(order):
        begun = time.monotonic()
        if members and deadline is not None and begun + longest > deadline:
            break

        def say(what: str, share: float, done: int = done) -> None:
            if on_progress is not None:
                on_progress(what, (done + share) / len(order))

        members.append(make(chosen.explored[index], say))
        longest = max(longest, time.monotonic() - begun)
    weights = chosen.weights[order[: len(members)]]
    return members, (weights / weights.sum()).tolist()


def settle(explored: Explored, tables: Sequence[Rows], generator: Generator) -> Setting:
    """The setting with the ridge that does best on every fifth row of some tables, the others being learned.

    It was chosen on :data:`lior_tables.choice.LEARNED` rows, where little is known and the function matters
    more than its noise. Of more rows the best ridge is often larger.
    """
    candidate, setting = explored.candidate, explored.setting
    if not candidate.readout.solves:
        return setting
    errors = [0.0] * len(_STRONGER)
    for table in tables:
        some = table.take(torch.randperm(len(table.z), generator=generator)[:_TRIED_ROWS].to(table.z.device))
        held = torch.arange(len(some.z), device=some.z.device) % 5 == 0
        rows, judged = some.take(~held), some.take(held)
        member = Member.learn_all(candidate, setting, rows, generator)
        own = matrix(member.kernel, member.items, member.items).exp_()
        across = matrix(member.kernel, member.kernel.side(judged.z), member.items).exp_()
        for index, times in enumerate(_STRONGER):
            fit = candidate.readout.fit(own.clone(), rows.y, rows.weights, times * setting.ridge)
            wrong = (across @ fit.values + fit.centre - judged.y).square()
            errors[index] += float((judged.weights[:, None] * wrong).sum())
    times = _STRONGER[errors.index(min(errors))]
    return Setting(steps=(*setting.steps[:-1], (setting.bandwidth, times * setting.ridge)))


def _make(
    first: Explored,
    rows: Rows,
    options: Options,
    generator: Generator,
    resume: Path | None,
    workers: Workers | None,
) -> _Make:
    """How a member of such a table is fitted; the members of a large one share the tree of the first."""
    tree = None
    if len(rows.z) > options.exact_rows:
        tree = grow(first.candidate, first.setting, rows, options.leaf_rows, generator)
    kept = None if resume is None else KeptWork(resume)
    known: Metrics = {}

    def make(explored: Explored, say: Progress) -> Member | Grove:
        candidate, setting = explored.candidate, explored.setting
        what = f"fitting {candidate.name}"
        say(what, 0.0)
        if tree is None:
            if len(rows.z) > _MANY * LEARNED:
                setting = settle(explored, [rows], generator)
            return Member.learn_all(candidate, setting, rows, generator, known=known)
        leaves = tree.leaves
        tables = [rows.take(chosen) for chosen, _ in tree.route(rows.z)[:_TRIED]]
        return Grove.learn_all(
            candidate,
            settle(explored, tables, generator),
            rows,
            tree,
            generator,
            kept=kept,
            on_leaf=lambda done: say(f"{what}, {done} of {leaves} leaves", done / leaves),
            workers=workers,
        )

    return make
