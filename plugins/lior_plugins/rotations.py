"""Rotations ``Q = Q_1 Q_2 ... Q_L`` as layers of Givens rotations in disjoint planes.

Layer ``l`` turns ``n // 2`` planes ``(i, j)`` at once, each by its own angle. ``G(i, j, θ)`` has ``cos θ``
at ``ii`` and ``jj``, ``−sin θ`` at ``ij`` and ``+sin θ`` at ``ji``. The planes follow the circle method of
a round-robin tournament. So :func:`cycle` layers turn every plane once and have as many angles as ``SO(n)``
has dimensions. ``Q`` is orthogonal with determinant +1 for all angles, however they were updated.

The derivative uses ``∂G/∂θ = J G`` with the plane's generator ``J``. With ``P_l = Q_1 ... Q_{l−1}`` it
becomes ``∂⟨dQ, Q⟩/∂θ = ⟨P_lᵀ (dQ Qᵀ) P_l, J⟩``. So one matrix, turned a layer further each time, gives all
angles in ``O(L n²)``. (Sequences of plane rotations: Golub and Van Loan, *Matrix Computations*, 4th ed.,
section 5.1.)

Shapes, with ``L >= 1`` layers: ``theta (L, n // 2)``, ``planes (L, n // 2, 2)`` int64, ``x (..., n)``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


def cycle(n: int) -> int:
    """Return the layers that turn every plane of ``R^n`` once: ``n − 1``, or ``n`` for odd ``n``."""
    return n - 1 + n % 2


def schedule(n: int, layers: int, *, device: torch.device | str = "cpu") -> Tensor:
    """Return the planes of each layer, int64 ``(layers, n // 2, 2)``, ``i < j``; repeats after
    :func:`cycle` layers.

    Examples
    --------
    >>> schedule(4, 3).tolist()
    [[[0, 3], [1, 2]], [[1, 3], [0, 2]], [[2, 3], [0, 1]]]
    """
    # The circle method: the last player stays, the others move round it. With odd
    # n that player is absent and the one paired with it sits the round out.
    players = n + n % 2
    turn = torch.arange(layers, device=device)[:, None]
    step = torch.arange(1, players // 2, device=device)
    pairs = torch.stack([turn + step, turn - step], dim=-1) % (players - 1)
    if players == n:
        fixed = torch.full((layers, 1), n - 1, device=device)
        pairs = torch.cat([torch.stack([turn % (players - 1), fixed], dim=-1), pairs], dim=1)
    return pairs.sort(dim=-1).values


def matrix(theta: Tensor, planes: Tensor, n: int) -> Tensor:
    """Return ``Q (n, n)``, in the dtype of ``theta``."""
    # In float64 and rounded once: in float32, 63 layers would lose orthogonality beyond 1e-6.
    q = torch.eye(n, dtype=torch.float64, device=theta.device)
    # Layer by layer Qᵀ is applied to the rows, the unit vectors e_i; Qᵀ e_i is row i of Q.
    for layer in _layers(-theta.double(), planes, n):
        q = _turn(layer, q)
    return q.to(theta.dtype)


def pullback(theta: Tensor, planes: Tensor, dq: Tensor) -> Tensor:
    """Return derivatives of ``sum(dq * Q)``, ``dq (n, n)``, with respect to ``theta``, in its shape."""
    n = dq.shape[-1]
    moment = dq @ matrix(theta, planes, n).mT
    moment = moment - moment.mT
    turned = []
    for layer in _layers(-theta, planes, n):
        turned.append(moment)
        moment = _turn(layer, _turn(layer, moment).mT).mT
    i, j = planes.unbind(-1)
    return torch.stack(turned)[torch.arange(len(turned), device=dq.device)[:, None], j, i]


def wrap(theta: Tensor) -> Tensor:
    """Return ``theta`` modulo 2π in ``[−π, π)``; values already there are returned bit for bit."""
    wrapped = torch.remainder(theta + math.pi, 2 * math.pi) - math.pi
    # Rounding may put the remainder of a number just below a multiple of 2π onto it.
    wrapped = torch.where(wrapped >= math.pi, -math.pi, wrapped)
    inside = (theta >= -math.pi) & (theta < math.pi)
    return torch.where(inside, theta, wrapped)


class _Layer(NamedTuple):
    """One layer as ``x → cos * x + sin * x[partner]``, every entry ``(n,)``."""

    cos: Tensor
    sin: Tensor
    partner: Tensor


def _layers(theta: Tensor, planes: Tensor, n: int) -> list[_Layer]:
    """Return the layers' tables; a coordinate without a plane has cosine 1, sine 0 and itself as partner."""
    i, j = planes.unbind(-1)
    count = theta.shape[0]
    cos, sin = theta.cos(), theta.sin()
    coss = theta.new_ones(count, n).scatter(1, i, cos).scatter(1, j, cos)
    sins = theta.new_zeros(count, n).scatter(1, i, -sin).scatter(1, j, sin)
    partners = torch.arange(n, device=theta.device).repeat(count, 1).scatter(1, i, j).scatter(1, j, i)
    return [_Layer(*tables) for tables in zip(coss, sins, partners, strict=True)]


def _turn(layer: _Layer, x: Tensor) -> Tensor:
    return layer.cos * x + layer.sin * x.index_select(-1, layer.partner)
