"""The loss of training: the energies and a penalty."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from lior_ritz.config import WeightsConfig
from lior_ritz.network import decay
from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.layers import Params
from lior_ritz.network.states import Head, Nodes, form, hold_energy, quadrature_fault, solve, values

_LEAST = 1e-8
"""Eigenvalues of the overlap below this are penalised."""


@attrs.frozen(kw_only=True)
class Loss:
    """The loss at some parameters, and its parts."""

    total: Tensor
    """A scalar to be differentiated."""
    eigsum: float
    condition: float
    head: Head
    fault: float
    """See :func:`lior_ritz.network.states.quadrature_fault`."""

    def numbers(self, count: int) -> dict[str, Any]:
        """Return the numbers for the telemetry, with the lowest ``count`` levels."""
        low, high = self.head.overlap
        return {
            "loss_total": float(self.total.detach()),
            "loss_eigsum": self.eigsum,
            "loss_S_condition": self.condition,
            "eigvals": self.head.energies[:count].tolist(),
            "s_min_eig": low,
            "s_max_eig": high,
            "s_cond_est": high / max(low, 1e-12),
            "quadrature_fault": self.fault,
        }


_NUMBERS = "loss_total loss_eigsum loss_S_condition eigvals s_min_eig s_max_eig s_cond_est quadrature_fault"
UNKNOWN: Mapping[str, Any] = dict.fromkeys(_NUMBERS.split())
"""The same where the loss was refused."""


@attrs.frozen(kw_only=True)
class Objective:
    """The weighted sum of ``K`` energies and of the condition penalty."""

    ansatz: Ansatz
    count: int
    limits: tuple[int, ...] | None
    weights: WeightsConfig

    def __call__(self, params: Params, nodes: Nodes) -> Loss:
        """Work out the loss.

        Raises ``torch.linalg.LinAlgError`` when the functions are not finite, or all vanish.
        """
        ansatz, dim = self.ansatz, self.ansatz.problem.dim
        functions = ansatz.functions(params, nodes.rule.points)
        factor = ansatz.decay(params, nodes.rule.points)
        detached = [jet.detach() for jet in functions]
        head = solve(ansatz, detached, factor.detach(), nodes, self.count, self.limits)
        psi = values(ansatz, functions, factor, head)
        lowered = hold_energy(psi, head, nodes, dim)
        condition = self.condition(functions, factor, nodes)
        return Loss(
            total=self.weights.eigsum * lowered + self.weights.S_condition * condition,
            eigsum=float(head.energies.sum()),
            condition=float(condition.detach()),
            head=head,
            fault=float(quadrature_fault(ansatz, psi.detach(), nodes)),
        )

    def condition(self, functions: list[Tensor], factor: Tensor, nodes: Nodes) -> Tensor:
        """The sum of :func:`condition_penalty` over the sectors; 0 where it has no weight."""
        total = torch.zeros((), dtype=torch.float64, device=factor.device)
        if not self.weights.S_condition:
            return total
        dim, one = self.ansatz.problem.dim, torch.ones((), dtype=torch.float64)
        for jet in functions:
            applied = decay.apply(factor[: 1 + dim], jet[: 1 + dim], dim=dim)
            total = total + condition_penalty(form(applied, nodes, dim, one)[0])
        return total


def is_sound(loss: Loss, tolerance: float) -> bool:
    """Whether the nodes can be believed about these states."""
    return math.isfinite(loss.eigsum) and loss.fault <= tolerance


def condition_penalty(overlap: Tensor) -> Tensor:
    """Return the penalty on an overlap matrix S, ``[F, F]``.

    ``Σ max(0, 1e-8 - eig S) + mean((C - 1)²) + mean((diag S - 1)²)`` with ``C`` the matrix S scaled to a unit
    diagonal: eigenvalues near zero, functions alike, functions that are not of norm 1.
    """
    diagonal = overlap.diagonal()
    scale = diagonal.clamp_min(1e-12).rsqrt()
    correlation = scale[:, None] * overlap * scale
    one = torch.eye(len(overlap), dtype=overlap.dtype, device=overlap.device)
    floor = torch.relu(_LEAST - torch.linalg.eigvalsh(overlap)).sum()
    return floor + (correlation - one).square().mean() + (diagonal - 1).square().mean()
