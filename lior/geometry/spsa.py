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
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from lior.interfaces import State

FLOOR = 0.1
"""Minimum unit of a tensor; a tensor of zeros must be moved to be measured."""

_STEP_DECAY, _PERTURBATION_DECAY = 0.602, 0.101


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
    return {name: _rms(p).clamp(min=FLOOR) for name, p in params.items()}


def _rms(p: Tensor) -> Tensor:
    return torch.linalg.vector_norm(p) / math.sqrt(max(p.numel(), 1))


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
