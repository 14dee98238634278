"""Descent by the sign of the gradient: equal changes of all numbers (signSGD, Bernstein et al. 2018).

The gradient of the loss is the difference of two phases, free and clamped to the targets.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator

from lior.config import option
from lior.interfaces import Probe, State


@attrs.frozen(kw_only=True)
class Mine:
    """``p − learning_rate · scale · sign(gradient)``.

    State: ``rejected ()``, the number of updates left out because the gradient was not finite.
    """

    api_version: ClassVar[int] = 1

    learning_rate: float = option(0.02, help="change of a parameter per update", low=0)

    def init(self, params: State) -> State:
        """``rejected`` is 0."""
        return {"rejected": torch.zeros((), dtype=torch.int64)}

    def step(
        self, params: State, state: State, probe: Probe, *, scale: float, generator: Generator
    ) -> tuple[State, State, bool]:
        """One update; a gradient that is not finite changes only ``rejected``. No randomness is used."""
        gradient = probe.phases(params, math.inf)
        if not all(bool(g.isfinite().all()) for g in gradient.values()):
            return params, {"rejected": state["rejected"] + 1}, False
        rate = self.learning_rate * scale
        moved = {name: torch.sub(p, gradient[name].sign(), alpha=rate) for name, p in params.items()}
        return moved, state, True
