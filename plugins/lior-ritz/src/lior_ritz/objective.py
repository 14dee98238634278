"""What training lowers: the energies, and what is added to them."""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from lior_ritz import decay
from lior_ritz.ansatz import Ansatz
from lior_ritz.config import WeightsConfig
from lior_ritz.network import Params
from lior_ritz.quadrature import Rule
from lior_ritz.states import Head, Nodes, form, held_energy, quadrature_fault, solve, values

_LEAST = 1e-8
"""Eigenvalues of the overlap below this are penalised."""


@attrs.frozen(kw_only=True)
class Loss:
    """The loss at some parameters, and its parts."""

    total: Tensor
    """A scalar to be differentiated."""
    eigsum: float
    condition: float
    boundary: float
    residual: float = 0.0
    """``Σ ‖(H - E_k) ψ_k‖²``, where it is part of the loss."""
    head: Head
    fault: float
    """See :func:`lior_ritz.states.quadrature_fault`."""


@attrs.frozen(kw_only=True)
class Objective:
    """The weighted sum of ``K`` energies, the condition penalty and the boundary penalty."""

    ansatz: Ansatz
    count: int
    limits: tuple[int, ...] | None
    weights: WeightsConfig
    edge: Rule | None = None
    """Nodes on the edge, if the states' squares there count."""

    def __call__(self, params: Params, nodes: Nodes) -> Loss:
        """Work out the loss.

        Raises
        ------
        torch.linalg.LinAlgError
            When the functions are not finite, or all vanish.
        """
        ansatz, dim = self.ansatz, self.ansatz.problem.dim
        functions = ansatz.functions(params, nodes.rule.points)
        factor = ansatz.decay(params, nodes.rule.points)
        detached = [jet.detach() for jet in functions]
        head = solve(ansatz, detached, factor.detach(), nodes, self.count, self.limits)
        psi = values(ansatz, functions, factor, head)
        total = self.weights.eigsum * held_energy(psi, head, nodes, dim)
        condition = boundary = torch.zeros((), dtype=torch.float64)
        if self.weights.S_condition:
            condition = torch.stack(
                [
                    condition_penalty(
                        form(
                            decay.apply(factor, jet, dim=dim), nodes, dim, torch.ones((), dtype=torch.float64)
                        )[0]
                    )
                    for jet in functions
                ]
            ).sum()
            total = total + self.weights.S_condition * condition
        if self.edge is not None:
            boundary = self._on_edge(params, head)
            total = total + self.weights.boundary * boundary
        return Loss(
            total=total,
            eigsum=float(head.energies.sum()),
            condition=float(condition.detach()),
            boundary=float(boundary.detach()),
            head=head,
            fault=float(quadrature_fault(ansatz, psi.detach(), nodes)),
        )

    def _on_edge(self, params: Params, head: Head) -> Tensor:
        """Mean over the edge of the states' squares, summed over the states."""
        assert self.edge is not None
        ansatz = self.ansatz
        functions = ansatz.functions(params, self.edge.points)
        psi = values(ansatz, functions, ansatz.decay(params, self.edge.points), head)[0].double()
        return (self.edge.weights @ psi.square()).sum() / self.edge.weights.sum()


def condition_penalty(overlap: Tensor) -> Tensor:
    """What is wrong with an overlap matrix S, ``[F, F]``.

    ``Σ max(0, 1e-8 - eig S) + mean((C - 1)²) + mean((diag S - 1)²)`` with ``C`` the matrix S scaled to a unit
    diagonal: eigenvalues near zero, functions alike, functions that are not of norm 1.
    """
    diagonal = overlap.diagonal()
    scale = diagonal.clamp_min(1e-12).rsqrt()
    correlation = scale[:, None] * overlap * scale
    one = torch.eye(len(overlap), dtype=overlap.dtype, device=overlap.device)
    floor = torch.relu(_LEAST - torch.linalg.eigvalsh(overlap)).sum()
    return floor + (correlation - one).square().mean() + (diagonal - 1).square().mean()


def is_sound(loss: Loss, tolerance: float) -> bool:
    """Whether the nodes can be believed about these states."""
    return math.isfinite(loss.eigsum) and loss.fault <= tolerance
