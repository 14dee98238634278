"""Cost from the antisymmetric part: the area ``√(max(qq kk − qk², 0) + ε)``."""

from __future__ import annotations

from typing import ClassVar

import attrs
from torch import Tensor

from lior.config.options import option
from lior.interfaces import CostPartials, State
from lior_plugins import gram
from lior_plugins.products.identity import IdentityLift


@attrs.frozen(kw_only=True)
class Wedge(IdentityLift):
    """The area ``|z_q ∧ z_k|`` of the parallelogram of two coordinates; see :mod:`lior_plugins.gram`.

    It is smallest for parallel coordinates, of any length and sign, and grows with both lengths. Unlike a
    distance it depends on the origin.
    """

    api_version: ClassVar[int] = 1

    eps: float = option(1e-2, help="added to the squared area", low=1e-12)

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the area, in the broadcast shape of the Gram products."""
        return gram.area(qq, qk, kk, self.eps)

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Return partial derivatives of :meth:`cost`."""
        return CostPartials(*gram.area_partials(qq, qk, kk, self.eps), params={})
