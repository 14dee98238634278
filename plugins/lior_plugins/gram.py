"""Costs of a pair of vectors from its Gram products ``qq = q·q``, ``qk = q·k``, ``kk = k·k``.

============ ============================== =======================================
cost         formula                        part of the bilinear form
============ ============================== =======================================
distance     ``√(max(qq + kk − 2qk, 0)+ε)``  symmetric: length of ``q − k``
area         ``√(max(qq kk − qk², 0) + ε)``  antisymmetric: area ``|q ∧ k|``
============ ============================== =======================================

The area obeys Lagrange's identity ``(q·k)² + |q ∧ k|² = (q·q)(k·k)``
(W. Greub, *Multilinear Algebra*, 2nd ed., section 5.9).

Gram products may have any size. A maximum of 0 has partial derivatives of 0. If a square exceeds the
largest number of the dtype, the cost is the square root of that number and the partial derivatives are 0.

The arguments broadcast; a cost matrix of ``B`` queries and ``K`` items takes
``qq (B, 1)``, ``qk (B, K)`` and ``kk (1, K)``. Such a matrix is large, so every
function computes in place and allocates its results only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["GramPartials", "area", "area_partials", "distance", "distance_partials"]


class GramPartials(NamedTuple):
    """Elementwise partial derivatives of a cost; two fields may be the same tensor."""

    qq: Tensor
    qk: Tensor
    kk: Tensor


def distance(qq: Tensor, qk: Tensor, kk: Tensor, eps: float) -> Tensor:
    """Return ``√(max(qq + kk − 2qk, 0) + ε)``, in the broadcast shape.

    Parameters
    ----------
    qq, qk, kk
        Gram products, broadcastable; a squared length each.
    eps
        ``ε > 0``, a squared length, which keeps the derivative finite at distance 0. The rounding of the
        Gram products, about ``1e-7 (qq + kk)`` in float32, should be below it.
    """
    return _root(_difference(qq, qk, kk), eps)


def distance_partials(qq: Tensor, qk: Tensor, kk: Tensor, eps: float) -> GramPartials:
    """Return partial derivatives of :func:`distance`, ``(1/2c, −1/c, 1/2c)`` with ``c`` the cost."""
    inverse = _inverse_root(_difference(qq, qk, kk), eps)
    half = inverse * 0.5
    return GramPartials(qq=half, qk=inverse.neg_(), kk=half)


def area(qq: Tensor, qk: Tensor, kk: Tensor, eps: float) -> Tensor:
    """Return ``√(max(qq kk − qk², 0) + ε)``, in the broadcast shape; ``eps`` is a squared area."""
    return _root(_gram_determinant(qq, qk, kk), eps)


def area_partials(qq: Tensor, qk: Tensor, kk: Tensor, eps: float) -> GramPartials:
    """Return partial derivatives of :func:`area`, ``(kk/2c, −qk/c, qq/2c)`` with ``c`` the cost."""
    half = _inverse_root(_gram_determinant(qq, qk, kk), eps).mul_(0.5)
    # 1/c is at most ε^−½: below this bound the product with 1/2c cannot overflow.
    largest = torch.finfo(half.dtype).max * min(1.0, math.sqrt(eps))
    dqq = half * kk.clamp(max=largest)
    dqk = (half * qk).mul_(-2)
    return GramPartials(qq=dqq, qk=dqk, kk=half.mul_(qq.clamp(max=largest)))


def _shape(*tensors: Tensor) -> tuple[int, ...]:
    """Return the broadcast shape of tensors; torch's function imports sympy, which takes half a second."""
    return np.broadcast_shapes(*(tensor.shape for tensor in tensors))


def _difference(qq: Tensor, qk: Tensor, kk: Tensor) -> Tensor:
    """Return ``qq + kk − 2qk``; ``±inf`` on overflow, never NaN for Gram products (``qq, kk >= 0``)."""
    shape = _shape(qq, qk, kk)
    return torch.add(kk, qk.expand(shape), alpha=-2).add_(qq)


def _gram_determinant(qq: Tensor, qk: Tensor, kk: Tensor) -> Tensor:
    """Return ``qq kk − qk²``; ``inf`` on overflow, also of both terms."""
    shape = _shape(qq, qk, kk)
    square = torch.mul(qq.expand(shape), kk).addcmul_(qk, qk, value=-1)
    # Processors without fused multiply-add leave inf − inf = NaN.
    return square.nan_to_num_(nan=math.inf, posinf=math.inf)


def _root(square: Tensor, eps: float) -> Tensor:
    """Return ``√(max(square, 0) + ε)`` in place; saturates at infinity."""
    return square.clamp_(min=0, max=torch.finfo(square.dtype).max).add_(eps).sqrt_()


def _inverse_root(square: Tensor, eps: float) -> Tensor:
    """Return ``1/√(square + ε)`` in place, 0 where ``square <= 0`` and at infinity."""
    return torch.threshold_(square, 0, math.inf).add_(eps).rsqrt_()
