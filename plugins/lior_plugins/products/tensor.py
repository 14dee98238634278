"""Cost from the symmetric form: the distance ``√(max(qq + kk − 2qk, 0) + ε)``."""

from __future__ import annotations

from typing import ClassVar

import attrs
from torch import Tensor

from lior.config.options import option
from lior.interfaces import CostPartials, State
from lior_plugins import gram
from lior_plugins.products.identity import IdentityLift


@attrs.frozen(kw_only=True)
class TensorProduct(IdentityLift):
    """The metric distance ``√(g(v, v) + ε)`` of ``v = z_q − z_k``; see :mod:`lior_plugins.gram`."""

    api_version: ClassVar[int] = 1
    euclidean: ClassVar[bool] = True

    eps: float = option(1e-2, help="added to the squared distance", low=1e-12)

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the distance, in the broadcast shape of the Gram products."""
        return gram.distance(qq, qk, kk, self.eps)

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Return partial derivatives of :meth:`cost`; ``qq`` and ``kk`` share one tensor."""
        return CostPartials(*gram.distance_partials(qq, qk, kk, self.eps), params={})
