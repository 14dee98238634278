"""Contrastive learning: Adam on a gradient that is estimated from a nudged and a free phase.

The step is ``Δθ = -lr · scale · adam(g)`` with ``g = (<∂E/∂θ>_nudged - <∂E/∂θ>_free) / b`` (equilibrium
propagation, Scellier & Bengio 2017). Clamped, ``b = ∞``, ``g`` is the gradient of the loss itself. A finite
nudge is applied in both directions and averaged, which cancels the error of first order in ``b`` (Laborieux
et al. 2021).
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator

from lior.config.options import option
from lior.geometry import adam
from lior.interfaces import Probe, State


@attrs.frozen(kw_only=True)
class Contrastive:
    """Adam with the difference of two phases as the gradient; no loss is measured.

    State: the state of :mod:`lior.geometry.adam` and ``rejected``, the number of updates left out because
    they were not finite.
    """

    api_version: ClassVar[int] = 1

    learning_rate: float = option(0.02, help="approximate largest change of a parameter per update", low=0)
    nudge: float = option(math.inf, help="strength b of the nudge; inf clamps outputs to the targets", low=0)
    b1: float = option(0.9, help="decay of the gradient's running mean", low=0, high=0.9999)
    b2: float = option(0.99, help="decay of the squared gradient's running mean", low=0, high=0.9999)
    eps: float = option(1e-8, help="gradients below this size count as none", low=1e-30)

    def init(self, params: State) -> State:
        """Return zero moments; ``step`` and ``rejected`` are 0."""
        return adam.init(params) | {"rejected": adam.counter(params)}

    def step(
        self, params: State, state: State, probe: Probe, *, scale: float, generator: Generator
    ) -> tuple[State, State, bool]:
        """Make one update; a non-finite one changes only ``rejected``. ``generator`` is not used."""
        directions, after = adam.update(
            self._gradient(params, probe), state, b1=self.b1, b2=self.b2, eps=self.eps
        )
        rate = self.learning_rate * scale
        moved = {name: torch.sub(p, directions[name], alpha=rate) for name, p in params.items()}
        if not adam.finite(moved, after):
            return params, state | {"rejected": state["rejected"] + 1}, False
        return moved, state | after, True

    def _gradient(self, params: State, probe: Probe) -> State:
        if math.isinf(self.nudge):
            return probe.phases(params, self.nudge)
        ahead, back = probe.phases(params, self.nudge), probe.phases(params, -self.nudge)
        return {name: torch.lerp(ahead[name], back[name], 0.5) for name in params}
