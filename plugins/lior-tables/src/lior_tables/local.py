"""Resilience as a local scale: costs count more where rows are close together, and along a learned slope.

    R(z) = (1/ℓ) exp(p log(ℓ / (d_k(z) + ε ℓ)) + s · z)

``d_k`` is the distance to the ``k``-th nearest other row and ``ℓ`` its median over the rows. With ``p = 1``
and ``s = 0`` costs are measured in units of the local distance, as in the local scaling of L. Zelnik-Manor
and P. Perona (*NIPS* 2004); ``p`` and ``s`` are learned.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.config import option
from lior.geometry.metric import square_distances
from lior.interfaces import MetricForm, ResiliencePullback, State
from lior.tensors import tree_sum
from lior_plugins import Mapped, mapped

MAX_LOG = 3.0
"""Bound of ``|log (R ℓ)|``."""
MAX_POWER = 2.0
"""Bound of ``|p|``."""
_BLOCK = 1 << 22
"""Maximum number of distances in memory at a time."""


@attrs.frozen(kw_only=True)
class Local:
    """A power of the inverse distance to the ``k``-th nearest other row, times a learned log-linear factor.

    A reference at distance 0 is taken to be the row itself and skipped.

    State: ``power`` and ``slope (n,)`` are learned; ``reference (S, n)`` and ``length`` are statistics. With
    ``k`` references or fewer the power has no effect.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("power", "slope")

    k: int = option(6, help="which nearest row gives the local length", low=1)
    sample: int = option(1024, help="rows kept as the reference", low=2)
    softening: float = option(0.05, help="added to the distance, in median distances", low=1e-3, high=1e3)

    def init(self, n: int, *, generator: Generator) -> State:
        """Return ``p = 1``, no slope and an empty reference."""
        device = generator.device
        return {
            "power": torch.ones((), device=device),
            "slope": torch.zeros(n, device=device),
            "length": torch.ones((), device=device),
            "reference": torch.zeros(0, n, device=device),
        }

    def observe(self, state: State, z: Tensor, form: MetricForm, *, total: int) -> State:
        """Store every ``N/S``-th row of ``z (N, n)`` and measure ``ℓ``; ``total`` is not used."""
        count = len(z)
        size = min(count, self.sample)
        stride = torch.arange(size, device=z.device) * count // max(size, 1)
        kept = {
            **state,
            "reference": z[stride].to(state["reference"]),
            "length": torch.ones_like(state["length"]),
        }
        if size <= self.k:
            return kept
        lengths = self._nearest(kept, mapped(kept["reference"], form), form).length
        positive = lengths[lengths > 0]
        return {**kept, "length": positive.median() if positive.numel() else kept["length"]}

    def resilience(self, state: State, z: Tensor, form: MetricForm) -> Tensor:
        """Return ``R`` at ``z (..., n)``, between ``e^−3/ℓ`` and ``e^3/ℓ``, shape ``(...)``, in 1/length."""
        points = mapped(z, form)
        log_r = self._log(state, points, self._nearest(state, points, form).length)
        return (log_r.exp() / state["length"]).reshape(z.shape[:-1])

    def pullback(self, state: State, z: Tensor, form: MetricForm, dr: Tensor) -> ResiliencePullback:
        """Return derivatives of ``sum(dr * R)``, through the row that sets ``d_k``; ``ℓ`` is a constant."""
        points = mapped(z, form)
        near = self._nearest(state, points, form)
        log_r = self._log(state, points, near.length)
        inside = log_r.abs() < MAX_LOG
        dlog = dr.reshape(-1) * log_r.exp() / state["length"] * inside
        soft = near.length + self.softening * state["length"]
        dlength = -dlog * state["power"] / soft
        inverse = torch.where(near.length > 0, near.length.reciprocal(), 0.0)
        dy = (dlength * inverse)[:, None] * (near.offsets @ points.root.mT)
        slope = dlog[:, None] * state["slope"]
        params = {
            "power": tree_sum(dlog * self._log_density(state, near.length)),
            "slope": (dlog[:, None] * points.z).sum(0),
        }
        return ResiliencePullback(params, (dy @ points.root + slope).reshape(z.shape), dy.mT @ near.offsets)

    def project(self, state: State) -> State:
        """Clamp ``power`` to ±2 and each entry of ``slope`` to ±1."""
        power, slope = state["power"].clamp(-MAX_POWER, MAX_POWER), state["slope"].clamp(-1, 1)
        return {**state, "power": power, "slope": slope}

    def _log_density(self, state: State, length: Tensor) -> Tensor:
        """Return ``log(ℓ / (d_k + ε ℓ))``, finite."""
        return -(length / state["length"] + self.softening).log()

    def _log(self, state: State, points: Mapped, length: Tensor) -> Tensor:
        """Return ``log (R ℓ)``, clamped."""
        log_r = state["power"] * self._log_density(state, length) + points.z @ state["slope"]
        return log_r.clamp(-MAX_LOG, MAX_LOG)

    def _nearest(self, state: State, points: Mapped, form: MetricForm) -> _Nearest:
        """Return the ``k``-th nearest other row of each point, in blocks; none without enough references."""
        reference = state["reference"]
        if len(reference) <= self.k:
            return _Nearest(torch.zeros_like(points.z), state["length"].expand(len(points.z)).clone())
        reference, _, keys = mapped(reference, form)
        chosen = [
            square_distances(block, keys).topk(self.k + 1, largest=False).indices
            for block in points.y.split(max(1, _BLOCK // len(keys)))
        ]
        nearest = torch.cat([*chosen, torch.zeros(0, self.k + 1, dtype=torch.int64, device=keys.device)])
        itself = (points.z == reference[nearest[:, 0]]).all(1)
        index = nearest[:, -2:].gather(1, itself[:, None].long())[:, 0]
        offsets = points.z - reference[index]
        return _Nearest(offsets, torch.linalg.vector_norm(offsets @ points.root.mT, dim=-1))


class _Nearest(NamedTuple):
    """The row that sets the local length of each point."""

    offsets: Tensor
    """``z − z_ref (N, n)``."""
    length: Tensor
    """``d_k (N,)``."""
