"""The phase that lowers residuals ``‖(H - E_k) ψ_k‖``, which bound the energies from below.

Over the span of the K states, with ``S = ∫ ψψᵀ``, ``A₁ = ∫ ψ Hψᵀ`` and ``A₂ = ∫ Hψ Hψᵀ``, the energies and
the squared residuals of its Ritz states sum to ``tr S⁻¹A₁`` and ``tr S⁻¹A₂ - tr (S⁻¹A₁)²``: smooth functions,
whatever is degenerate. The states are the Ritz states of the network's functions at every step; how they turn
when the functions change follows from first-order perturbation theory.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from lior_ritz.network.edge import edge_form
from lior_ritz.network.layers import Params
from lior_ritz.network.states import Head, Nodes, alike, form, quadrature_fault, solve, values
from lior_ritz.training.objective import Loss, Objective

_EVERY = 10**9
"""More states than there are."""
_APART = 1e-6
"""States nearer than this, relatively, turn into one another without a first order."""


@attrs.frozen(kw_only=True)
class PolishObjective(Objective):
    """What the other phases lower, and the weighted sum of squared residuals."""

    def __call__(self, params: Params, nodes: Nodes) -> Loss:
        """Work out the loss.

        Raises
        ------
        torch.linalg.LinAlgError
            When the functions are not finite.
        """
        ansatz, dim = self.ansatz, self.ansatz.problem.dim
        functions = ansatz.functions(params, nodes.rule.points, order=2)
        factor = ansatz.decay(params, nodes.rule.points, order=2)
        edge = self.edge.values(ansatz, params) if self.edge else None
        detached = [jet.detach() for jet in functions]
        spectrum = solve(ansatz, detached, factor.detach(), nodes, _EVERY, self.limits, edge)
        head = spectrum.first(self.count)
        pairs = alike(head.sectors)
        weights = head.weights.requires_grad_(torch.is_grad_enabled())
        psi = values(ansatz, functions, factor, head)
        overlap, first, second = moments(psi, nodes, dim, pairs)
        energies, residual = traces(overlap, first, second)
        there = torch.zeros_like(energies)
        if edge is not None:
            there = _whitened(overlap, edge_form(edge, head, head)).trace()
        total = self.weights.eigsum * (energies + there) + self.weights.pde_polish * residual
        if torch.is_grad_enabled():
            slope = torch.autograd.grad(total, weights, retain_graph=True)[0]
            turned = attrs.evolve(head, weights=_adjoint(spectrum, head, slope))
            weights.requires_grad_(False)
            answer = values(ansatz, functions, factor, turned)
            psi = values(ansatz, functions, factor, head)
            following = _coupling(answer, psi, head, nodes, dim)
            if edge is not None:
                following = following + edge_form(edge, turned, head).trace()
            total = total + following - following.detach()
        condition = self.condition(functions, factor, nodes)
        return Loss(
            total=total + self.weights.S_condition * condition,
            eigsum=float(energies.detach()),
            condition=float(condition.detach()),
            boundary=float(there.detach()) / self.edge.weight if self.edge else 0.0,
            residual=float(residual.detach()),
            head=head,
            fault=float(quadrature_fault(ansatz, psi.detach(), nodes)),
        )


def _adjoint(spectrum: Head, head: Head, slope: Tensor) -> Tensor:
    """Coefficients of ``ζ_k = Σ_m ψ_m ⟨ψ_m, ∂L/∂ψ_k⟩ / (E_k - E_m)`` over the states m that are not
    wanted."""
    count = len(head.sectors)
    others = attrs.evolve(
        spectrum,
        energies=spectrum.energies[count:],
        sectors=spectrum.sectors[count:],
        weights=spectrum.weights[count:].detach(),
    )
    gaps = head.energies[:, None] - others.energies
    index = torch.tensor(head.sectors)[:, None] == torch.tensor(others.sectors)
    known = index.to(gaps.device) & (gaps.abs() > _APART * others.energies.abs().clamp_min(1.0))
    share = torch.where(known, slope @ others.weights.T / torch.where(known, gaps, 1.0), 0.0)
    return share @ others.weights


def _coupling(answer: Tensor, psi: Tensor, head: Head, nodes: Nodes, dim: int) -> Tensor:
    """``Σ_k ∫ ∇ζ_k·∇ψ_k + (V - E_k) ζ_k ψ_k``: what the loss gains as the states follow their functions."""
    excess = (nodes.potential[:, None] - head.energies) * answer[0] * psi[0]
    excess = excess + (answer[1 : 1 + dim] * psi[1 : 1 + dim]).sum(0)
    return (nodes.rule.weights @ excess).sum()


def moments(psi: Tensor, nodes: Nodes, dim: int, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``S``, ``A₁`` and ``A₂`` of functions with second derivatives, ``[1 + 2d, N, M]``; ``[M, M]`` float64.

    ``pairs`` is :func:`lior_ritz.network.states.alike` of their sectors.
    """
    overlap, first = form(psi, nodes, dim, pairs)
    psi = psi.double()
    applied = nodes.potential.double()[:, None] * psi[0] - psi[1 + dim :].sum(0)
    second = (applied * nodes.rule.weights.double()[:, None]).T @ applied
    return overlap, first, second * pairs.to(second.device)


def traces(overlap: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """``Σ E_k`` and ``Σ ‖(H - E_k) ψ_k‖²`` of the Ritz states of a span, differentiable."""
    whitened = _whitened(overlap, first)
    return whitened.trace(), _whitened(overlap, second).trace() - whitened.square().sum()


def _whitened(overlap: Tensor, matrix: Tensor) -> Tensor:
    """``L⁻¹ matrix L⁻ᵀ`` with ``LLᵀ = overlap``; symmetric."""
    lower = torch.linalg.cholesky(overlap)
    half = torch.linalg.solve_triangular(lower, matrix, upper=False)
    found = torch.linalg.solve_triangular(lower, half.T, upper=False)
    return (found + found.T) / 2
