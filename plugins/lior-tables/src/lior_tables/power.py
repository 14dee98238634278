"""Cost as a power of a distance: ``(|q − k|² + ε)^{p/2}``, or the sum of absolute differences to the ``p``.

With ``k = exp(−β cost)`` the power 1 gives the Laplace kernel and the power 2 the Gaussian. Every power up
to 2 of the Euclidean distance gives a positive definite kernel, and so does every power up to 1 of the L1
distance (I. J. Schoenberg, *Trans. Amer. Math. Soc.* 44 (1938) 522). The L1 form with ``p = 1`` is the
product of one Laplace kernel per axis.
"""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.config import option
from lior.errors import UsageError
from lior.interfaces import CostPartials, State
from lior_plugins import IdentityLift


@attrs.frozen(kw_only=True)
class Power(IdentityLift):
    """The ``exponent``-th power of the distance of two mapped coordinates; nothing is learned.

    Raises
    ------
    UsageError
        From the constructor for the L1 form with an exponent above 1, whose kernel is not positive definite.
    """

    api_version: ClassVar[int] = 1

    exponent: float = option(1.0, help="power of the distance", low=0.1, high=2.0)
    norm: int = option(
        2, help="2 for the Euclidean distance, 1 for the sum of absolute differences", choices=(1, 2)
    )
    eps: float = option(1e-5, help="added to the squared distance", low=1e-12)

    def __attrs_post_init__(self) -> None:
        if self.pairwise and self.exponent > 1:
            raise UsageError(f"exponent = {self.exponent} with norm = 1: allowed is a number from 0.1 to 1")

    @property
    def pairwise(self) -> bool:
        """Whether the cost is one of pairs of features (:class:`lior.interfaces.PairwiseProduct`)."""
        return self.norm == 1

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the power of the Euclidean distance, in the broadcast shape of the Gram products."""
        return _raise_to(_squares(qq, qk, kk).add_(self.eps), self.exponent / 2)

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Return partial derivatives of :meth:`cost`, 0 if the squared distance overflows or is not
        positive."""
        square, half = _squares(qq, qk, kk), self.exponent / 2
        inside = (square > 0) & (square < torch.finfo(square.dtype).max)
        slope = _raise_to(square.add_(self.eps), half - 1).mul_(half).mul_(inside)
        return CostPartials(qq=slope, qk=-2 * slope, kk=slope, params={})

    def pair_cost(self, q: Tensor, k: Tensor, params: State) -> Tensor:
        """Return ``(Σ_j |q_j − k_j|)^p`` of features ``q (B, p)`` and ``k (K, p)``, shape ``(B, K)``."""
        length = torch.cdist(q, k, p=1.0)
        return length if self.exponent == 1 else length**self.exponent

    def pair_gradient(self, q: Tensor, k: Tensor, weights: Tensor, values: Tensor, params: State) -> Tensor:
        """Return ``Σ_i weights_bi values_ic ∂cost_bi/∂q_b (B, C, p)``; it is 0 where ``q_bj = k_ij``."""
        if self.exponent != 1:
            length = torch.cdist(q, k, p=1.0)
            slope = _raise_to(length.clamp(min=self.eps), self.exponent - 1).mul_(self.exponent)
            weights = weights * slope
        parts = [
            (torch.sign(q[:, j, None] - k[None, :, j]).mul_(weights)) @ values for j in range(q.shape[1])
        ]
        return torch.stack(parts, dim=-1)


def _squares(qq: Tensor, qk: Tensor, kk: Tensor) -> Tensor:
    """Return ``max(qq + kk − 2qk, 0)``, at most the largest number, a new tensor in the broadcast shape."""
    # The function of torch for shapes imports sympy, which takes half a second.
    shape = np.broadcast_shapes(qq.shape, qk.shape, kk.shape)
    square = torch.add(kk, qk.expand(shape), alpha=-2).add_(qq)
    return square.clamp_(min=0, max=torch.finfo(square.dtype).max)


def _raise_to(x: Tensor, power: float) -> Tensor:
    """Return ``x^power`` in place; roots are several times faster than powers."""
    if power == 1:
        return x
    if power == 0.5:
        return x.sqrt_()
    if power == -0.5:
        return x.rsqrt_()
    return x.fill_(1) if power == 0 else x.pow_(power)
