"""The functions of a trained network, which its run's states are made of."""

from __future__ import annotations

from functools import cached_property

import attrs
import torch

from lior.errors import UsageError
from lior_ritz.network.states import Nodes, alike, form
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.quadrature import Rule, whole_rule
from lior_ritz.training.spaces import MOST
from lior_ritz.training.trainer import Trainer
from lior_ritz.verification.evaluation import Evaluation, basis_values


@attrs.frozen(kw_only=True, slots=False)
class Trained:
    """The space of a trained network."""

    trainer: Trainer
    evaluation: Evaluation
    """The evaluation of the best parameters, on quadrature rules that training has not seen."""

    @property
    def energies(self) -> Array:
        """The K levels in ``E0``, float64, from above."""
        return self.evaluation.energies.cpu().numpy()

    @property
    def rule(self) -> Rule:
        """A rule of the whole box for products of the functions, as fine as the evaluation's."""
        problem = self.trainer.problem
        size = min(self.evaluation.nq, MOST[problem.dim])
        return whole_rule(problem.half_widths, [size] * problem.dim, self.trainer.evaluator.stretch)

    @cached_property
    def matrices(self) -> tuple[Array, Array]:
        """Overlap and Hamiltonian, ``[M, M]`` float64, on the finer independent rule."""
        found, ansatz = self.evaluation, self.trainer.ansatz
        with torch.no_grad():
            jet = basis_values(ansatz, found.params, found.head, found.nodes)
            pairs = alike(found.head.sectors)
            overlap, hamiltonian = form(jet, found.nodes, self.trainer.problem.dim, pairs)
        return overlap.cpu().numpy(), hamiltonian.cpu().numpy()

    def basis(self, points: Array, *, order: int = 0) -> Array:
        """The functions at ``points [N, d]``: ``[M, N]``, or with derivatives up to ``order``, at most 2,
        ``[1 + order·d, M, N]``."""
        at = torch.as_tensor(points).to(self.evaluation.nodes.rule.points)
        nodes = Nodes(Rule(at, torch.ones_like(at[:, 0])), torch.zeros_like(at[:, 0]))
        with torch.no_grad():
            found = self.evaluation
            jet = basis_values(self.trainer.ansatz, found.params, found.head, nodes, order=max(order, 1))
        values: Array = jet.transpose(1, 2).cpu().numpy()
        return values if order else values[0]

    def widened(self, count: int) -> Trained:
        """Return the space of ``count`` functions or more of the same network.

        Raises ``UsageError`` when the trial space, or the trained head, has fewer.
        """
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
