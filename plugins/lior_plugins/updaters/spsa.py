"""Simultaneous perturbation stochastic approximation: learns from scalar losses alone."""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator

from lior.config.options import option
from lior.geometry import adam, spsa
from lior.interfaces import Probe, State

_MEMORY = 0.9
"""Decay per update of the running mean square of the curvature."""


@attrs.frozen(kw_only=True)
class Spsa:
    """Damped Newton steps along random directions (:mod:`lior.geometry.spsa`).

    One update takes ``1 + 2 directions`` losses, for any number of parameters. State: ``step`` and
    ``rejected``, int64, and ``curvature``, the running mean of ``κ²``, float64; all of shape ``()``.
    """

    api_version: ClassVar[int] = 1

    learning_rate: float = option(
        1.0, help="first gain, in Newton steps; stable up to about the number of directions", low=0
    )
    perturbation: float = option(
        0.1, help="distance of the probed points, as a part of a tensor's root mean square", low=1e-6, high=1
    )
    directions: int = option(1, help="random directions averaged in an update; each takes two losses", low=1)
    stability: float = option(100.0, help="updates before the gain begins to fall", low=0)

    def init(self, params: State) -> State:
        """Return the state before any update, without a measured curvature."""
        count = adam.counter(params)
        return {"step": count, "rejected": count.clone(), "curvature": count.to(torch.float64)}

    def step(
        self, params: State, state: State, probe: Probe, *, scale: float, generator: Generator
    ) -> tuple[State, State, bool]:
        """Make one update; a non-finite loss or change only increments ``rejected``.

        An update waits for the device: a loss is a Python number.
        """
        gain = spsa.gains(
            int(state["step"]),
            learning_rate=self.learning_rate * scale,
            perturbation=self.perturbation,
            stability=self.stability,
        )
        unit = spsa.units(params)
        centre = probe.loss(params)
        slopes = [
            spsa.probe_direction(probe.loss, params, unit, seed, distance=gain.perturbation, centre=centre)
            for seed in spsa.draw_seeds(self.directions, generator)
        ]
        after = self._observe(state, slopes)
        amounts = spsa.newton_amounts(slopes, self._curvature(after), gain)
        moved = spsa.move(params, unit, [s.seed for s in slopes], amounts)
        if not adam.finite(moved, after):
            return params, state | {"rejected": state["rejected"] + 1}, False
        return moved, state | after, True

    def _observe(self, state: State, slopes: list[spsa.Slope]) -> State:
        square = sum(s.second * s.second for s in slopes) / len(slopes)
        return {"step": state["step"] + 1, "curvature": _MEMORY * state["curvature"] + (1 - _MEMORY) * square}

    def _curvature(self, state: State) -> float:
        """Return the root mean square of ``κ``: positive also where the loss curves downwards."""
        return math.sqrt(float(state["curvature"]) / (1 - _MEMORY ** int(state["step"])))
