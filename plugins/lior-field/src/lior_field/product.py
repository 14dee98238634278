"""The product ``quaternion``: a distance that a common rotation of the components leaves unchanged.

Mapped coordinates are read as a row of quaternions. With ``⟨q, k⟩ = Σ_b q̄_b k_b``, itself a quaternion,
the minimum distance over all unit quaternions ``u`` is

    min_u |q − k u|² = |q|² + |k|² − 2 |⟨q, k⟩|.

It is the chordal distance of quaternionic projective space. Compared with ``tensor``, the absolute value of
a quaternion replaces the dot product, which is its first component.
"""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Tensor
from torch.nn.functional import pad

from lior.config import option
from lior.interfaces import CostPartials, State
from lior_field.algebra import conjugate, multiply
from lior_plugins import IdentityLift, gram

_TINY = 1e-12


@attrs.frozen(kw_only=True)
class Quaternion(IdentityLift):
    """The chordal distance of quaternionic lines; coordinates are padded with zeros to a multiple of 4.

    ``cost`` and ``partials`` are those of ``tensor``, for readers with Gram products only.
    """

    api_version: ClassVar[int] = 1
    pairwise: ClassVar[bool] = True

    eps: float = option(1e-2, help="added to the squared distance", low=1e-12)

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the distance with ``u = 1``."""
        return gram.distance(qq, qk, kk, self.eps)

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Return partial derivatives of :meth:`cost`."""
        return CostPartials(*gram.distance_partials(qq, qk, kk, self.eps), params={})

    def pair_cost(self, q: Tensor, k: Tensor, params: State) -> Tensor:
        """Return ``√(max(|q|² + |k|² − 2 |⟨q, k⟩|, 0) + ε)``, shape ``(B, K)``."""
        return self._distance(q, k)[0]

    def pair_gradient(self, q: Tensor, k: Tensor, weights: Tensor, values: Tensor, params: State) -> Tensor:
        """Return ``Σ_i weights_bi values_ic ∂cost_bi/∂q_b``, shape ``(B, C, p)``.

        The gradient is 0 where the maximum is 0.
        """
        cost, parts, length, moves = self._distance(q, k)
        slope = torch.where(moves, weights / cost, 0.0)
        along = (slope @ values)[..., None] * q[:, None]
        for part, keys in zip(parts, _images(k), strict=True):
            along = along - torch.einsum("bi,ic,ip->bcp", slope * part / length, values, keys)
        return along

    def _distance(self, q: Tensor, k: Tensor) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
        """Return the cost, the components of ``⟨q, k⟩``, their length, and where the squared distance is
        above 0.

        Each is ``(B, K)``.
        """
        parts = [q @ keys.mT for keys in _images(k)]
        length = (torch.stack(parts).square().sum(0) + _TINY).sqrt()
        square = q.square().sum(-1)[:, None] + k.square().sum(-1) - 2 * length
        return (square.clamp(min=0) + self.eps).sqrt(), parts, length, square > 0


def _images(k: Tensor) -> list[Tensor]:
    """Return rows ``k_c`` with ``q · k_c`` the component ``c`` of ``Σ_b q̄_b k_b``; four of ``(K, p)``."""
    blocks = pad(k, (0, -k.shape[-1] % 4)).unflatten(-1, (-1, 4))
    # (q̄ k)_c is the real part of (q̄ k) ē_c, which is q · (k ē_c).
    units = torch.eye(4, dtype=k.dtype, device=k.device)
    return [multiply(blocks, conjugate(unit)).flatten(-2)[..., : k.shape[-1]] for unit in units]
