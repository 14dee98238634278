"""Simultaneous perturbation: descent from scalar losses alone (Spall 1992).

With random signs ``Δ`` the slope ``D = (J(θ+cΔ) - J(θ-cΔ)) / 2c`` is the derivative along ``Δ``, and ``E[D
Δ] = ∇J + O(c²)``. So two losses give an estimate for any number of parameters. Three measures make it
usable for a large table and a few scalars that are learned together.

* Every tensor is measured in its own unit, its root mean square, so that one
  ``c`` suits all (:func:`units`).
* The second difference ``κ = (J(θ+cΔ) - 2J(θ) + J(θ-cΔ)) / c²`` estimates the
  trace of the Hessian in these units (Hutchinson 1990). ``D/κ`` is the Newton step
  along ``Δ``: on a parabola stable for every number of parameters.
* Directions are regenerated from seeds instead of stored (MeZO, Malladi et al. 2023), so memory does not
  grow with their number.

Gains fall as Spall (1998) recommends. All sizes are in units of :func:`units`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Generator

from lior.config.options import option
from lior.geometry import adam
from lior.interfaces import Probe, State

FLOOR = 0.1
"""Minimum unit of a tensor; a tensor of zeros must be moved to be measured."""

_STEP_DECAY, _PERTURBATION_DECAY = 0.602, 0.101
_MEMORY = 0.9
"""Decay per update of the running mean square of the curvature."""


@attrs.frozen(kw_only=True)
class Spsa:
    """Damped Newton steps along random directions (see the module).

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
        gain = gains(
            int(state["step"]),
            learning_rate=self.learning_rate * scale,
            perturbation=self.perturbation,
            stability=self.stability,
        )
        unit = units(params)
        centre = probe.loss(params)
        slopes = [
            probe_direction(probe.loss, params, unit, seed, distance=gain.perturbation, centre=centre)
            for seed in draw_seeds(self.directions, generator)
        ]
        after = self._observe(state, slopes)
        amounts = newton_amounts(slopes, self._curvature(after), gain)
        moved = move(params, unit, [s.seed for s in slopes], amounts)
        if not adam.finite(moved, after):
            return params, state | {"rejected": state["rejected"] + 1}, False
        return moved, state | after, True

    def _observe(self, state: State, slopes: list[Slope]) -> State:
        square = sum(s.second * s.second for s in slopes) / len(slopes)
        return {"step": state["step"] + 1, "curvature": _MEMORY * state["curvature"] + (1 - _MEMORY) * square}

    def _curvature(self, state: State) -> float:
        """Return the root mean square of ``κ``: positive also where the loss curves downwards."""
        return math.sqrt(float(state["curvature"]) / (1 - _MEMORY ** int(state["step"])))


class Gains(NamedTuple):
    """Sizes of one update."""

    step: float
    """Multiple ``a_k`` of the Newton step."""
    perturbation: float
    """Distance ``c_k`` at which the loss is probed, in units."""


class Slope(NamedTuple):
    """First and second derivative along one random direction, from two losses."""

    seed: int
    """Seed of the direction, see :func:`move`."""
    first: float
    """Derivative ``D`` along the direction."""
    second: float
    """Second derivative ``κ`` along the direction."""


def gains(step: int, *, learning_rate: float, perturbation: float, stability: float) -> Gains:
    """Return ``a_k = a / (A + k + 1)^0.602`` and ``c_k = c / (k + 1)^0.101`` of update ``k``.

    ``a`` is set so that ``a_0 = learning_rate``; ``stability`` is ``A``, the
    number of updates for which the gain stays near that value.
    """
    decay = ((stability + 1) / (stability + step + 1)) ** _STEP_DECAY
    return Gains(learning_rate * decay, perturbation / (step + 1) ** _PERTURBATION_DECAY)


def units(params: State) -> State:
    """Return the unit of every tensor: its root mean square, at least :data:`FLOOR`, shape ``()``."""
    norms = {name: torch.linalg.vector_norm(p) / math.sqrt(max(p.numel(), 1)) for name, p in params.items()}
    return {name: norm.clamp(min=FLOOR) for name, norm in norms.items()}


def draw_seeds(count: int, generator: Generator) -> list[int]:
    """Draw ``count`` seeds for directions."""
    return torch.randint(2**62, (count,), generator=generator, device=generator.device).tolist()


def signs(params: State, seed: int) -> State:
    """Return one direction: independent ±1 for every number of ``params``, in its dtype."""
    generators: dict[torch.device, Generator] = {}
    direction: State = {}
    # Sorted, because a state read from a file may have its entries in another order.
    for name in sorted(params):
        p = params[name]
        if p.device not in generators:
            generators[p.device] = torch.Generator(p.device).manual_seed(seed)
        coin = torch.randint(2, p.shape, generator=generators[p.device], device=p.device)
        direction[name] = coin.to(p.dtype).mul_(2).sub_(1)
    return direction


def move(params: State, unit: State, seeds: Sequence[int], amounts: Sequence[float]) -> State:
    """Return ``θ + Σ_j amount_j · unit · Δ_j`` with directions from ``seeds``; ``params`` is not changed."""
    moved = dict(params)
    for seed, amount in zip(seeds, amounts, strict=True):
        for name, sign in signs(params, seed).items():
            moved[name] = moved[name] + sign.mul_(unit[name] * amount)
    return moved


def probe_direction(
    loss: Callable[[State], float], params: State, unit: State, seed: int, *, distance: float, centre: float
) -> Slope:
    """Return slope and curvature along one direction, from two losses.

    Parameters
    ----------
    loss
        Deterministic: both sides must see the same data (common random numbers).
    params, unit
        Parameters and their :func:`units`.
    seed
        Seed of the direction.
    distance
        Distance to either side, in units.
    centre
        ``loss(params)``.
    """
    above = loss(move(params, unit, [seed], [distance]))
    below = loss(move(params, unit, [seed], [-distance]))
    return Slope(seed, (above - below) / (2 * distance), (above - 2 * centre + below) / distance**2)


def newton_amounts(slopes: Sequence[Slope], curvature: float, gain: Gains) -> list[float]:
    """Return the distance to :func:`move` along every direction: the mean of their damped Newton steps.

    The whole move is at most as long as the distance at which the loss was probed. The loss beyond it is
    unknown, and without curvature the Newton step has no bound. The directions are nearly orthogonal, so
    lengths add in squares.
    """
    count = len(slopes)
    limit = gain.perturbation / math.sqrt(count)
    size = gain.step / max(curvature, torch.finfo(torch.float64).tiny) / count
    return [min(max(-size * s.first, -limit), limit) for s in slopes]
