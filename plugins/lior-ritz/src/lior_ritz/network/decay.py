"""The common factor of all trial functions: zero on the edge of the box, with a Gaussian decay.

``B(x) = Π bᵢ(xᵢ)`` with ``bᵢ = (1 - xᵢ²/Xᵢ²) exp(-αᵢ xᵢ²)``, either factor of which may be absent. It is even
in every coordinate, so that it leaves parities alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lior_ritz.problem import Problem

SPREAD = 2.0
"""Logarithm of the largest factor by which training changes a rate. Far beyond it all trial functions vanish,
and a line search has no gradient to return by."""


def rates(start: Tensor, trained: Tensor | None) -> Tensor:
    """Decay rates ``αᵢ`` in ``L0⁻²``, ``[d]``; ``trained`` is an unbounded parameter, 0 at the start."""
    return start if trained is None else start * torch.exp(SPREAD * torch.tanh(trained))


def factor(problem: Problem, points: Tensor, alpha: Tensor | None, *, order: int = 1) -> Tensor:
    """B and its derivatives at ``points``, ``[N, d]``.

    Returns ``[1 + order·d, N]``: values, slopes, second derivatives.
    """
    axes = [_axis(problem, points[:, i], i, None if alpha is None else alpha[i]) for i in range(problem.dim)]
    whole = [_product([axis[0] for axis in axes])]
    for derivative in range(1, order + 1):
        for i in range(problem.dim):
            whole.append(_product([axis[derivative if j == i else 0] for j, axis in enumerate(axes)]))
    return torch.stack(whole)


def _axis(problem: Problem, x: Tensor, axis: int, alpha: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """``b``, ``b'`` and ``b''`` of one coordinate."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    edge, edge1, edge2 = one, zero, zero
    if problem.boundary == "dirichlet":
        inverse = problem.half_widths[axis] ** -2
        edge, edge1, edge2 = 1 - inverse * x * x, -2 * inverse * x, -2 * inverse * one
    if alpha is None:
        return edge, edge1, edge2
    gauss = torch.exp(-alpha * x * x)
    slope = -2 * alpha * x
    return (
        gauss * edge,
        gauss * (edge1 + slope * edge),
        gauss * (edge2 + 2 * slope * edge1 + (slope * slope - 2 * alpha) * edge),
    )


def _product(factors: list[Tensor]) -> Tensor:
    result = factors[0]
    for each in factors[1:]:
        result = result * each
    return result


def apply(factor: Tensor, jet: Tensor, *, dim: int) -> Tensor:
    """The product of B and functions, by the product rule.

    Returns ``[1 + order·d, N, F]``.

    ``factor``: ``[1 + order·d, N]``. ``jet``: ``[1 + order·d, N, F]``.
    """
    b = factor[:, :, None]
    parts = [b[:1] * jet[:1], b[1 : 1 + dim] * jet[:1] + b[:1] * jet[1 : 1 + dim]]
    if len(jet) > 1 + dim:
        first, second = slice(1, 1 + dim), slice(1 + dim, None)
        parts.append(b[second] * jet[:1] + 2 * b[first] * jet[first] + b[:1] * jet[second])
    return torch.cat(parts)
