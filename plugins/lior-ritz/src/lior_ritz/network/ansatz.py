"""Trial functions: a network, mirrored where the problem is symmetric, times the decay towards the edge."""

from __future__ import annotations

from itertools import product
from typing import TypeAlias

import attrs
import torch
from torch import Generator, Tensor

from lior_ritz.network import decay
from lior_ritz.network import layers as network
from lior_ritz.network.layers import Params, Shape
from lior_ritz.problem import Problem

Sector: TypeAlias = "tuple[int, ...]"
"""A parity, 1 or -1, for each mirrored axis."""


@attrs.frozen(kw_only=True)
class Ansatz:
    """The trial functions.

    The trial space is a direct sum over sectors. With a solved head a sector's functions are those of the
    last hidden layer, and the Ritz step finds the combinations of them that are best; with a trained head
    they are a few learned combinations.
    """

    problem: Problem
    shape: Shape
    mirrored: tuple[int, ...] = ()
    """Axes along which functions are even or odd by construction, ascending."""
    alpha: tuple[float, ...] | None = None
    """Decay rates of the envelope by axis, in ``L0⁻²``; ``None`` without one."""
    trainable: bool = True
    """Whether the rates are learned."""
    heads: tuple[int, ...] | None = None
    """How many outputs of a trained head each of :attr:`sectors` has; ``None`` for a solved head."""

    @property
    def sectors(self) -> tuple[Sector, ...]:
        """Every combination of parities, the even ones first; a single empty one without mirrored axes."""
        return tuple(product((1, -1), repeat=len(self.mirrored)))

    def initialise(self, generator: Generator, dtype: torch.dtype = torch.float64) -> Params:
        """Random parameters; ``dtype`` is theirs and that of all that is computed with them."""
        params = network.initialise(self.shape, generator, dtype=dtype)
        if self.alpha is not None and self.trainable:
            params["envelope.rates"] = torch.zeros(self.problem.dim, dtype=dtype)
        if self.heads is not None:
            params["head.weight"] = network.initialise_head(
                self.shape, sum(self.heads), generator, dtype=dtype
            )
        return params

    def functions(self, params: Params, points: Tensor, *, order: int = 1) -> list[Tensor]:
        """The functions of each sector before the decay at ``points``, ``[N, d]``: ``[1 + order·d, N, F]``
        each."""
        dim = self.problem.dim
        flips = self._flips(points)
        images = (flips[:, None] * points).reshape(-1, dim)
        jet = network.forward(params, self.shape, images, order=order)
        trained = self.heads is not None
        jet = network.head(jet, params["head.weight"]) if trained else network.with_constant(jet)
        if not self.mirrored:
            return [jet]
        jet = jet.unflatten(1, (len(flips), len(points)))
        slopes = jet[1 : 1 + dim] * flips.T[:, :, None, None]
        jet = torch.cat([jet[:1], slopes, jet[1 + dim :]])
        return [self._of_parity(jet, index) for index in range(len(self.sectors))]

    def _flips(self, points: Tensor) -> Tensor:
        """Signs that mirror a point, ``[images, d]``, one row for each of :attr:`sectors`."""
        flips = torch.ones(len(self.sectors), points.shape[1], dtype=points.dtype, device=points.device)
        for row, signs in enumerate(self.sectors):
            for axis, sign in zip(self.mirrored, signs, strict=True):
                flips[row, axis] = sign
        return flips

    def _of_parity(self, images: Tensor, index: int) -> Tensor:
        """The part of functions that has one parity, from ``[1 + order·d, images, N, F]``."""
        if self.heads is not None:
            begin = sum(self.heads[:index])
            images = images[..., begin : begin + self.heads[index]]
        parity = self.sectors[index]
        total = torch.zeros_like(images[:, 0])
        for row, flip in enumerate(self.sectors):
            odd = sum(p < 0 and f < 0 for p, f in zip(parity, flip, strict=True)) % 2
            total = total - images[:, row] if odd else total + images[:, row]
        return total / len(self.sectors)

    def decay(self, params: Params, points: Tensor, *, order: int = 1) -> Tensor:
        """Return the common factor of the functions with its derivatives: ``[1 + order·d, N]``."""
        alpha = None
        if self.alpha is not None:
            start = torch.tensor(self.alpha, dtype=points.dtype, device=points.device)
            alpha = decay.rates(start, params.get("envelope.rates"))
        return decay.factor(self.problem, points, alpha, order=order)
