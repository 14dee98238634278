"""The attention product ``hyperbolic``: the cost is a distance in hyperbolic space of learned curvature.

Negatively curved space has room for trees: the volume of a ball grows exponentially with its radius, as the
number of leaves does with the depth. See :mod:`lior_hyperbolic.lorentz` for the formula and its sources.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config import option
from lior.interfaces import CostPartials, State
from lior_hyperbolic import lorentz

CURVATURE_MIN, CURVATURE_MAX = 1e-4, 1e2
"""Range of ``c``, the inverse of a squared length."""


@attrs.frozen(kw_only=True)
class Hyperbolic:
    """The distance on the hyperboloid of curvature ``−c``; at small ``c`` it tends to the product
    ``tensor``.

    State: ``log_curvature``, the logarithm of ``c``, a scalar, learned. The features are the mapped
    coordinates: the time coordinate of a point follows from its Gram product.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("log_curvature",)

    curvature: float = option(
        0.01,
        help="initial c: the curvature of the space is -c",
        low=CURVATURE_MIN,
        high=CURVATURE_MAX,
    )
    eps: float = option(1e-2, help="added to the squared chord", low=1e-12)

    def init(self, m: int, *, generator: Generator) -> State:
        """Return ``log c`` of the option ``curvature``."""
        return {"log_curvature": torch.tensor(math.log(self.curvature), device=generator.device)}

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """Return ``y`` itself."""
        return y

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """Return no derivatives of parameters, and ``df`` itself."""
        return {}, df

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the distance, in the broadcast shape of the Gram products."""
        return lorentz.distance(qq, qk, kk, params["log_curvature"], self.eps)

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Return partial derivatives of :meth:`cost`."""
        slopes = lorentz.distance_partials(qq, qk, kk, params["log_curvature"], self.eps)
        return CostPartials(slopes.qq, slopes.qk, slopes.kk, params={"log_curvature": slopes.log_c})

    def project(self, state: State) -> State:
        """Clamp ``c`` to [1e-4, 100]."""
        low, high = math.log(CURVATURE_MIN), math.log(CURVATURE_MAX)
        return {**state, "log_curvature": state["log_curvature"].clamp(low, high)}
