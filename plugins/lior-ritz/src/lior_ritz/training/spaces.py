"""The functions that a run's states are made of: a trained network's, or the reference's own states."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError
from lior_ritz.network.states import Nodes, alike, form
from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule, whole_rule
from lior_ritz.training.trainer import Trainer
from lior_ritz.verification import reference
from lior_ritz.verification.evaluation import Evaluation, basis_values
from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.measuring import sizes

_MOST = {1: 1000, 2: 200, 3: 48, 4: 20}
"""Most nodes on each axis of a rule for products of states, by dimension."""


@attrs.frozen(kw_only=True, slots=False)
class Trained:
    """The space of a trained network."""

    trainer: Trainer
    evaluation: Evaluation
    """Of the best parameters, on quadrature rules that training has not seen."""

    @property
    def energies(self) -> Tensor:
        """The K levels in ``E0``, float64, from above."""
        return self.evaluation.energies.cpu()

    @property
    def rule(self) -> Rule:
        """A rule of the whole box for products of the functions, as fine as the evaluation's."""
        problem = self.trainer.problem
        size = min(self.evaluation.nq, _MOST[problem.dim])
        return whole_rule(problem.half_widths, [size] * problem.dim, self.trainer.evaluator.stretch)

    @cached_property
    def matrices(self) -> tuple[Tensor, Tensor]:
        """Overlap and Hamiltonian, ``[M, M]`` float64, on the finer independent rule."""
        found, ansatz = self.evaluation, self.trainer.ansatz
        with torch.no_grad():
            jet = basis_values(ansatz, found.params, found.head, found.nodes)
            pairs = alike(found.head.sectors)
            overlap, hamiltonian = form(jet, found.nodes, self.trainer.problem.dim, pairs)
        return overlap.cpu(), hamiltonian.cpu()

    def basis(self, points: Tensor, *, order: int = 0) -> Tensor:
        """The functions at ``points [N, d]``: ``[M, N]``, or with derivatives up to ``order``, at most 2,
        ``[1 + order·d, M, N]``."""
        points = points.to(self.evaluation.nodes.rule.points)
        nodes = Nodes(Rule(points, torch.ones_like(points[:, 0])), torch.zeros_like(points[:, 0]))
        with torch.no_grad():
            found = self.evaluation
            jet = basis_values(self.trainer.ansatz, found.params, found.head, nodes, order=max(order, 1))
        values = jet.transpose(1, 2).cpu()
        return values if order else values[0]

    def widened(self, count: int) -> Trained:
        """One with ``count`` functions or more, of the same network: a solved head takes as many as its trial
        space has; raises ``UsageError`` when there are not so many."""
        trainer = self.trainer
        if trainer.ansatz.heads is not None and count > (outputs := sum(trainer.ansatz.heads)):
            raise UsageError(
                f"{count} orbitals: the trained head has {outputs} outputs; take fewer, or a solved head"
            )
        evaluator = attrs.evolve(trainer.evaluator, basis=count, limits=None)
        found = evaluator(self.evaluation.params, self.evaluation.nq, final=True)
        if (there := len(found.head.sectors)) < count:
            raise UsageError(
                f"{count} orbitals: the trial space has {there} functions; take fewer, or raise "
                "model.hidden_features"
            )
        return attrs.evolve(self, evaluation=found)


@attrs.frozen(kw_only=True, slots=False)
class Classical:
    """The space of the reference's states, which are their own eigenfunctions."""

    problem: Problem
    reference: Reference
    count: int
    """K."""

    @property
    def energies(self) -> Tensor:
        """The reference's."""
        return self.reference.energies[: self.count]

    @property
    def rule(self) -> Rule:
        """The reference's, with edges on the jumps of V, or a rule that resolves its functions."""
        most = _MOST[self.problem.dim]
        nodes = [min(most, size) for size in sizes(self.problem, self.reference)]
        return self.reference.rule or whole_rule(self.problem.half_widths, nodes)

    @property
    def matrices(self) -> tuple[Tensor, Tensor]:
        """1 and the levels."""
        kind = self.reference.functions(torch.zeros(1, self.problem.dim, dtype=torch.float64)).dtype
        one = torch.eye(len(self.reference.energies), dtype=kind)
        return one, one * self.reference.energies

    def basis(self, points: Tensor, *, order: int = 0) -> Tensor:
        """As :meth:`Trained.basis`; ``order`` up to 1."""
        values = self.reference.functions(points)
        return torch.cat([values[None], self.reference.slopes(points)]) if order else values

    def widened(self, count: int) -> Classical:
        """More states of the reference."""
        return attrs.evolve(self, reference=reference.solve(self.problem, max(count, self.count)))


Space: TypeAlias = Trained | Classical
"""M functions, and what the lowest states in them are."""
