"""Distances on the hyperboloid, from Gram products ``qq = q·q``, ``qk = q·k``, ``kk = k·k``.

A point ``y`` of ``R^m`` represents the point ``(t, y)`` with ``t = √(1/c + |y|²)`` on the upper sheet of
``−t² + |y|² = −1/c``, which is hyperbolic space of curvature ``−c``. With the Lorentz product
``⟨q, k⟩ = q·k − t_q t_k`` the distance is ``arccosh(−c ⟨q, k⟩) / √c`` (M. Nickel and D. Kiela, *Learning
Continuous Hierarchies in the Lorentz Model of Hyperbolic Geometry*, ICML 2018, with ``c = 1``; other
curvatures as in O. Ganea, G. Bécigneul and T. Hofmann, *Hyperbolic Neural Networks*, NeurIPS 2018, after
A. A. Ungar, *A Gyrovector Space Approach to Hyperbolic Geometry*, 2009).

For points near each other the argument is near 1, where ``arccosh`` has no derivative and loses all
precision. By ``cosh x − 1 = 2 sinh²(x/2)`` the same distance is

    d = (2/√c) arsinh(½ √(c u)),    u = |q − k|² − (t_q − t_k)²,    t_q − t_k = (qq − kk) / (t_q + t_k),

with ``u`` the squared chord under the Lorentz product. It tends to ``|q − k|`` as ``c`` tends to 0. As
:mod:`lior_plugins.gram` does for ``|q − k|²``, the code takes ``max(u, 0) + ε`` for ``u``.

Gram products may have any size and broadcast. Derivatives through ``u`` are 0 where the maximum takes the
0, and where ``u`` exceeds the largest number of the dtype.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class DistancePartials(NamedTuple):
    """Elementwise partial derivatives of :func:`distance`, each in its shape."""

    qq: Tensor
    qk: Tensor
    kk: Tensor
    log_c: Tensor


def distance(qq: Tensor, qk: Tensor, kk: Tensor, log_c: Tensor, eps: float) -> Tensor:
    """Return ``(2/√c) arsinh(½ √(c (max(u, 0) + ε)))``, in the broadcast shape.

    Parameters
    ----------
    qq, qk, kk
        Gram products, broadcastable; a squared length each.
    log_c
        Logarithm of ``c > 0``, a scalar tensor; ``c`` is the inverse of a squared length.
    eps
        ``ε > 0``, a squared length, which keeps the derivative finite at distance 0.
    """
    return _Chord.of(qq, qk, kk, log_c, eps).distance()


def distance_partials(qq: Tensor, qk: Tensor, kk: Tensor, log_c: Tensor, eps: float) -> DistancePartials:
    """Return partial derivatives of :func:`distance`.

    Let ``s = u + ε`` and ``C = √(1 + c s / 4)``. Then ``∂d/∂u = 1 / (2 √s C)``. The derivatives of ``u``
    are ``∂u/∂qq = t_k / t_q``, ``∂u/∂qk = −2``, ``∂u/∂kk = t_q / t_k`` and ``∂u/∂log c = −(t_q − t_k)² / (c
    t_q t_k)``.
    """
    chord = _Chord.of(qq, qk, kk, log_c, eps)
    cosh = (chord.half_sinh.square() + 1).sqrt_()
    slope = torch.where(chord.moves, 0.5 / (chord.length * cosh), 0.0)
    inclination = (
        chord.rise / chord.tq * (chord.rise / chord.tk)
    )  # each factor is finite where the product may not
    return DistancePartials(
        qq=slope * (chord.tk / chord.tq),
        qk=-2 * slope,
        kk=slope * (chord.tq / chord.tk),
        log_c=chord.length / (2 * cosh) - chord.distance() / 2 - slope * inclination / log_c.exp(),
    )


class _Chord(NamedTuple):
    """Terms of the distance and its derivatives, for all pairs."""

    tq: Tensor
    tk: Tensor
    rise: Tensor
    """``t_q − t_k``."""
    moves: Tensor
    """Mask of the pairs whose squared chord depends on the Gram products."""
    length: Tensor
    """``√(u + ε)``."""
    half_sinh: Tensor
    """``½ √(c (u + ε))``, the hyperbolic sine of half the distance in units of ``1/√c``."""
    root_c: Tensor

    @classmethod
    def of(cls, qq: Tensor, qk: Tensor, kk: Tensor, log_c: Tensor, eps: float) -> _Chord:
        """Compute the terms from the arguments of :func:`distance`."""
        shape = torch.broadcast_shapes(qq.shape, qk.shape, kk.shape)
        most = torch.finfo(qk.dtype).max
        root_c, flat = (log_c / 2).exp(), (-log_c).exp()
        tq, tk = (qq + flat).sqrt(), (kk + flat).sqrt()
        rise = (qq - kk).div(tq + tk).expand(shape)
        u = torch.add(kk, qk.expand(shape), alpha=-2).add_(qq).addcmul_(rise, rise, value=-1)
        u.nan_to_num_(nan=math.inf, posinf=math.inf)  # inf − inf if all overflows
        moves = (u > 0) & (u < most)
        length = u.clamp_(min=0, max=most).add_(eps).sqrt_()
        # Its square must not overflow.
        half_sinh = (length * (root_c / 2)).clamp_(max=math.sqrt(most) / 4)
        return cls(tq, tk, rise, moves, length, half_sinh, root_c)

    def distance(self) -> Tensor:
        """Compute the distance, as :func:`distance`."""
        return self.half_sinh.asinh().mul(2 / self.root_c)
