"""A solved problem: energies with bounds and the referee's verdict, states at any point."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any

import attrs
import torch
from torch import Tensor

from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.judge import reference
from lior_ritz.judge.bounds import Bounds, Splitting, bounds, splittings
from lior_ritz.judge.evaluation import Evaluation, basis_values, ritz
from lior_ritz.judge.reference import Reference
from lior_ritz.network.states import Nodes, alike, form
from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule
from lior_ritz.training.trainer import Trainer

_MORE = 2
"""Levels beyond the wanted ones that the referee is asked for."""


@attrs.frozen(kw_only=True)
class Solution:
    """What a run found."""

    config: RitzConfig
    trainer: Trainer
    evaluation: Evaluation
    """Of the best parameters, on quadrature rules that training has not seen."""
    bounds: Bounds
    referee: Reference
    """The K lowest levels, and a few more, by a classical method."""
    seconds: float
    """Processor seconds of training."""
    judging_seconds: float
    """Of the evaluation, the bounds and the referee."""

    @property
    def problem(self) -> Problem:
        """What was solved."""
        return self.trainer.problem

    @property
    def energies(self) -> Tensor:
        """The K levels in ``E0``, float64; from above."""
        return self.evaluation.energies.cpu()

    @property
    def energies_meV(self) -> Tensor:
        """The same in meV."""
        return self.energies * self.problem.units.E0_meV

    @property
    def errors(self) -> Tensor:
        """Differences to the referee's levels, in ``E0``."""
        return self.energies - self.referee.energies[: len(self.energies)]

    @property
    def relative_errors(self) -> Tensor:
        """:attr:`errors` as shares of the levels, but at least of 1 ``E0``, where levels are near zero."""
        return self.errors / self.referee.energies[: len(self.energies)].abs().clamp_min(1.0)

    @property
    def missed(self) -> tuple[int, ...]:
        """Levels that are farther from the referee's than its error bar and ``solver.accuracy`` allow."""
        size = self.referee.energies[: len(self.energies)].abs().clamp_min(1.0)
        allowed = self.referee.errors[: len(self.energies)] + self.config.solver.accuracy * size
        return tuple((self.errors.abs() > allowed).nonzero().flatten().tolist())

    @property
    def splittings(self) -> tuple[Splitting, ...]:
        """The differences of successive levels, with bounds of their own."""
        lower = self.bounds.lower if self.evaluation.sound else None
        return splittings(self.energies, self.bounds.upper, lower, self.referee)

    def basis(self, points: Tensor, *, order: int = 0) -> Tensor:
        """The M basis functions at ``points``, ``[N, d]``: values ``[M, N]``, or ``[1 + order·d, M, N]``."""
        points = points.to(self.evaluation.nodes.rule.points)
        nodes = Nodes(Rule(points, torch.ones_like(points[:, 0])), torch.zeros_like(points[:, 0]))
        with torch.no_grad():
            jet = basis_values(
                self.trainer.ansatz, self.evaluation.params, self.evaluation.head, nodes, order=max(order, 1)
            )
        found = jet.transpose(1, 2).cpu()
        return found if order else found[0]

    def matrices(self) -> tuple[Tensor, Tensor]:
        """Overlap and Hamiltonian of the basis, ``[M, M]`` float64, on the finer independent rule."""
        found, ansatz = self.evaluation, self.trainer.ansatz
        with torch.no_grad():
            jet = basis_values(ansatz, found.params, found.head, found.nodes)
            overlap, hamiltonian = form(jet, found.nodes, self.problem.dim, alike(found.head.sectors))
        return overlap.cpu(), hamiltonian.cpu()

    def coefficients(self) -> Tensor:
        """The K states in terms of the basis, ``[M, K]``, with the largest coefficient positive."""
        vectors = ritz(*self.matrices())[1][:, : len(self.energies)]
        largest = vectors.abs().argmax(dim=0)
        return vectors * vectors.gather(0, largest[None]).sgn().conj()

    def states(self, points: Tensor, *, order: int = 0) -> Tensor:
        """The K states at ``points``, of norm 1 in the box: ``[K, N]``, or ``[1 + order·d, K, N]``."""
        return self.coefficients().T @ self.basis(points, order=order)


def solve(
    *layers: str | PathLike[str] | Mapping[str, Any] | RitzConfig, overrides: Iterable[str] = (),
    watch: Callable[[Trainer], None] = lambda trainer: None,
) -> Solution:  # fmt: skip
    """Train a network on a problem, in memory.

    Raises ``ConfigError`` with all that is wrong with the configuration.

    ``layers``: tables, files or shipped recipes, the lowest first, or one resolved configuration; none solves
    the default double dot. ``overrides``: ``"key=value"``. ``watch``: called after every step; what it raises
    ends training.
    """
    config = next((each for each in layers if isinstance(each, RitzConfig)), None)
    if config is None:
        config = configuration.load(layers, overrides, env={}).config  # type: ignore[arg-type]
    begin = time.process_time()
    trainer = Trainer(config, configuration.problem(config))
    while trainer.phase is not None:
        trainer.step()
        if trainer.evaluated:
            trainer.check()
        watch(trainer)
    return finished(trainer, time.process_time() - begin)


def finished(trainer: Trainer, seconds: float) -> Solution:
    """What a trainer found.

    Raises ``UsageError`` when it never came to states that two quadrature rules agree about.
    """
    begin = time.process_time()
    found = trainer.conclude()
    referee = reference.solve(trainer.problem, len(found.energies) + _MORE)
    known = bounds(trainer.ansatz, found, referee)
    return Solution(
        config=trainer.config, trainer=trainer, evaluation=found, bounds=known, referee=referee,
        seconds=seconds, judging_seconds=time.process_time() - begin,
    )  # fmt: skip
