"""A solved problem: energies with bounds and the reference's verdict, states at any point."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import scipy.linalg

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.problem import Problem
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.extent import Extent, estimate
from lior_ritz.training.spaces import Classical
from lior_ritz.verification import box, reference
from lior_ritz.verification.intervals import Bounds, Splitting, splittings
from lior_ritz.verification.reference import Reference

if TYPE_CHECKING:
    from lior_ritz.training.trained import Trained
    from lior_ritz.training.trainer import Trainer

_MORE = 2
"""Levels beyond the wanted ones that the reference is asked for."""
_NO_RESIDUALS = "the states are the reference's, and no network was trained: bounds are its error bars"


@attrs.frozen(kw_only=True, slots=False)
class Solution:
    """The result of a run."""

    config: RitzConfig
    problem: Problem
    """What was solved."""
    space: Trained | Classical
    """The space of the states."""
    bounds: Bounds
    reference: Reference
    """The K lowest levels, and a few more, by a classical method."""
    seconds: float
    """Processor seconds of training; 0 without a network."""
    judging_seconds: float
    """CPU seconds of the evaluation, the bounds and the reference."""

    @property
    def network(self) -> Trained | None:
        """The network and its evaluation; ``None`` where the states are the reference's."""
        return None if isinstance(self.space, Classical) else self.space

    @cached_property
    def extent(self) -> Extent:
        """How far the states are expected to reach."""
        return estimate(self.problem, self.config.solver.K)

    @property
    def energies(self) -> Array:
        """The K levels in ``E0``, float64; a network's are from above."""
        return self.space.energies

    @property
    def energies_meV(self) -> Array:
        """The same in meV."""
        return self.energies * self.problem.units.E0_meV

    @property
    def errors(self) -> Array:
        """Differences to the reference's levels, in ``E0``."""
        return self.energies - self.reference.energies[: len(self.energies)]

    @property
    def _sizes(self) -> Array:
        """The scale of relative errors: the levels, but at least 1 ``E0``."""
        return np.maximum(np.abs(self.reference.energies[: len(self.energies)]), 1.0)

    @property
    def relative_errors(self) -> Array:
        """:attr:`errors` of a network, and the reference's own error bars without one, as shares of the
        levels, but at least of 1 ``E0``, where levels are near zero."""
        own = self.errors if self.network else self.reference.errors[: len(self.energies)]
        return own / self._sizes

    @property
    def missed(self) -> tuple[int, ...]:
        """Levels that are farther from the reference's than its error bar and ``solver.accuracy`` allow;
        without a network, those whose error bar is larger than this accuracy."""
        allowed = self.config.solver.accuracy * self._sizes
        bars = self.reference.errors[: len(self.energies)]
        bad = np.abs(self.errors) > allowed + bars if self.network else bars > allowed
        return tuple(np.flatnonzero(bad).tolist())

    @property
    def doubtful(self) -> bool:
        """Whether a command that prints it ends with 1: a level is :attr:`missed`, or without a network an
        error bar is not within the reference's tolerance."""
        return bool(self.missed) or bool(not self.network and self.reference.misses(len(self.energies)))

    @property
    def splittings(self) -> tuple[Splitting, ...]:
        """The differences of successive levels, with bounds of their own."""
        net = self.network
        lower = self.bounds.lower if net and net.evaluation.sound else None
        return splittings(self.energies, self.bounds.upper, lower, self.reference)

    def basis(self, points: Array, *, order: int = 0) -> Array:
        """The M basis functions at ``points``, ``[N, d]``: values ``[M, N]``, or ``[1 + order·d, M, N]``."""
        return self.space.basis(points, order=order)

    def coefficients(self) -> Array:
        """The K states in terms of the basis, ``[M, K]``, with the largest coefficient positive."""
        overlap, hamiltonian = self.space.matrices
        vectors = scipy.linalg.eigh(hamiltonian, overlap)[1][:, : len(self.energies)]
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0)
        return np.asarray(vectors * np.conj(largest) / np.abs(largest))

    def states(self, points: Array) -> Array:
        """Return the K states at ``points``, ``[N, d]`` in ``L0``, of norm 1 in the box: ``[K, N]``.

        Beyond the walls a state is 0; with a natural boundary it has no value there, NaN.

        Raises ``UsageError`` for points of another shape, or that are not finite.
        """
        points, half_widths = np.asarray(points, float), np.array(self.problem.half_widths)
        if points.shape[1:] != half_widths.shape or not np.isfinite(points).all():
            raise UsageError(
                f"points of shape {points.shape}: allowed are finite coordinates, [N, {self.problem.dim}]"
            )
        nearest = np.clip(points, -half_widths, half_widths)
        beyond = 0.0 if self.problem.boundary == "dirichlet" else np.nan
        inside = (nearest == points).all(1)
        return np.asarray(np.where(inside, self.coefficients().T @ self.basis(nearest), beyond))


def solve(
    *layers: str | PathLike[str] | Mapping[str, Any] | RitzConfig, overrides: Iterable[str] = ()
) -> Solution:
    """Solve a problem in memory: by the reference, or with ``solver.network`` by training a network.

    Raises ``ConfigError`` with all that is wrong with the configuration.

    ``layers``: tables, files or shipped recipes, the lowest first, or one resolved configuration; none solves
    the default double dot. ``overrides``: ``"key=value"``.
    """
    config = next((each for each in layers if isinstance(each, RitzConfig)), None)
    if config is None:
        config = configuration.load(layers, overrides, env={}).config  # type: ignore[arg-type]
    if not config.solver.network:
        return judge(config)
    return train(config, configuration.problem(config))


def train(config: RitzConfig, problem: Problem) -> Solution:
    """Train a network in memory, and return its solution; raises as :func:`finished`."""
    from lior_ritz.training.trainer import Trainer

    begin = time.process_time()
    trainer = Trainer(config, problem)
    while trainer.phase is not None:
        trainer.step()
        if trainer.evaluated:
            trainer.check()
    return finished(trainer, time.process_time() - begin)


def judge(config: RitzConfig) -> Solution:
    """The solution of the reference alone; raises ``UsageError`` when the problem cannot be solved."""
    begin = time.process_time()
    problem, count = configuration.problem(config), config.solver.K
    exact = box.widened(problem, reference.solve(problem, count + _MORE))
    energies, bars = exact.energies[:count], exact.errors[:count]
    known = Bounds(
        upper=energies + bars, lower=energies - bars, residuals=None, beyond=None, why=_NO_RESIDUALS
    )
    return Solution(
        config=config,
        problem=problem,
        space=Classical(problem=problem, reference=exact, count=count),
        bounds=known,
        reference=exact,
        seconds=0.0,
        judging_seconds=time.process_time() - begin,
    )


def finished(trainer: Trainer, seconds: float) -> Solution:
    """Return the solution of a trainer.

    Raises ``UsageError`` when it never came to states that two quadrature rules agree about.
    """
    from lior_ritz.training.trained import Trained
    from lior_ritz.verification.bounds import bounds

    begin = time.process_time()
    found = trainer.conclude()
    exact = reference.solve(trainer.problem, len(found.energies) + _MORE)
    known = bounds(trainer.ansatz, found, exact)
    return Solution(
        config=trainer.config,
        problem=trainer.problem,
        space=Trained(trainer=trainer, evaluation=found),
        bounds=known,
        reference=exact,
        seconds=seconds,
        judging_seconds=time.process_time() - begin,
    )
