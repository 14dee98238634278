"""Metric whose rotation is learned, as the angles of layered Givens rotations."""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.interfaces import MetricForm, State
from lior_plugins import parametrise, rotations

_SPREAD = 0.1
"""Initial spread of ``log λ``. With equal ``λ`` the metric is isotropic: no angle matters."""
_TURN = 0.1
"""Initial turn of a coordinate through all layers, in radians."""


@attrs.frozen(kw_only=True)
class Rotor:
    """Learned angles, a learned scale along each rotated axis, and optionally learned directions.

    State: ``theta (layers, n // 2)``, angles in radians for the planes of
    :func:`lior_plugins.rotations.schedule`, and the entries of
    :mod:`lior_plugins.parametrise`. There are no statistics.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("theta", "log_lam", "log_omega", "u", "raw_d")

    layers: int = option(0, help="layers of n/2 disjoint planes; 0 for as many as turn every plane", low=0)
    rank: int = option(0, help="learned directions besides the rotated axes, at most n", low=0)

    def init(self, n: int, *, generator: Generator) -> State:
        """Return small random angles, and scales that differ, so that no gradient is 0 by symmetry.

        Raises
        ------
        UsageError
            When ``n < 2``, or ``rank`` is too large.
        """
        scales = parametrise.init(n, rank=self.rank, spread=_SPREAD, generator=generator)
        layers = self.layers or rotations.cycle(n)
        theta = torch.randn(layers, n // 2, generator=generator, device=generator.device)
        return {"theta": theta * (_TURN / math.sqrt(layers)), **scales}

    def observe(self, state: State, z: Tensor) -> State:
        """Return ``state`` unchanged: there are no statistics."""
        return state

    def form(self, state: State) -> MetricForm:
        """Return the metric; ``q`` is built in ``O(layers n²)``."""
        theta, n = state["theta"], state["log_lam"].shape[0]
        return parametrise.form(state, rotations.matrix(theta, _planes(state), n))

    def pullback(self, state: State, dform: MetricForm) -> State:
        """Return derivatives with respect to the learned entries, given those with respect to the form."""
        assert dform.q is not None, "the form of this frame has a rotation, so its derivative has one"
        dtheta = rotations.pullback(state["theta"], _planes(state), dform.q)
        return {"theta": dtheta, **parametrise.pullback(state, dform)}

    def project(self, state: State) -> State:
        """Wrap the angles to [−π, π), clamp the scales and weights, normalise the directions."""
        return {**parametrise.project(state), "theta": rotations.wrap(state["theta"])}


def _planes(state: State) -> Tensor:
    theta = state["theta"]
    return rotations.schedule(state["log_lam"].shape[0], theta.shape[0], device=theta.device)
