"""Resilience from the local density: the inverse distance to the k-th neighbour in a sample.

Let ``d_k(z)`` be the distance of ``z`` to the ``k``-th nearest item of the memory, which measures how
thinly the memory covers its surroundings. Then

    R(z) = (1/ℓ) ρ^p,    ρ = ℓ / (d_k(z) + ε ℓ),

where ``ℓ`` is the median of ``d_k`` over the memory itself. ``p`` is learned; with
``p = 1`` and ``ε = 0`` it is ``R = 1/d_k``, as in a ``k``-nearest-neighbour density
estimate (B. W. Silverman, *Density Estimation*, section 5.2).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.geometry.metric import root
from lior.interfaces import MetricForm, ResiliencePullback, State
from lior.tensors import tree_sum
from lior_plugins.rsources.coordinates import mapped

MAX_POWER = 4.0
"""Maximum of the exponent."""
_RHO_MIN = 1e-4
"""Lower bound of ``ρ``, so that ``ρ^p`` does not underflow."""
_BLOCK = 1 << 22
"""Maximum number of distances in memory at a time."""


@attrs.frozen(kw_only=True)
class Constitutive:
    """A power of the inverse distance to the ``k``-th neighbour, estimated on a sample.

    A sample of ``S`` of the ``T`` items is stored as the reference. So ``d_k`` is the ``k S/T``-th smallest
    distance to these (at least the first), interpolated between neighbouring ranks. A point of the sample
    counts as its own first neighbour.

    State: ``power`` is learned; ``reference (S, n)``, ``order`` and ``length`` are statistics. ``order``
    holds the weights of the sorted distances, so that its shape gives the largest rank without a transfer
    from the device. With fewer than two items there is no medium and ``R = 1``.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("power",)

    k: int = option(256, help="which nearest stored item gives the local length", low=1)
    sample: int = option(4096, help="stored items kept as the reference", low=2)
    softening: float = option(0.05, help="added to the distance, in median distances", low=1e-3, high=1e3)

    def init(self, n: int, *, generator: Generator) -> State:
        """Return ``p = 1`` and an empty reference."""
        device = generator.device
        return {
            "power": torch.ones((), device=device),
            "length": torch.ones((), device=device),
            "reference": torch.zeros(0, n, device=device),
            "order": torch.zeros(0, device=device),
        }

    def observe(self, state: State, z: Tensor, form: MetricForm, *, total: int) -> State:
        """Store every ``N/S``-th point of ``z (N, n)`` and measure ``ℓ`` under ``form``.

        Raises
        ------
        UsageError
            When ``total < N``.
        """
        count = z.shape[0]
        if total < count:
            raise UsageError(
                f"total = {total} with {count} sampled coordinates: give the number of items in the memory,"
                f" at least {count}"
            )
        size = min(count, self.sample)
        stride = torch.arange(size, device=z.device) * count // max(size, 1)
        kept = {**state, "reference": z[stride].to(state["reference"])}
        if size < 2:
            return {**kept, "order": state["order"].new_zeros(0), "length": torch.ones_like(state["length"])}
        rank = self.k * size / total
        # Every reference is its own nearest, so its neighbours start one rank later.
        own = {**kept, "order": _order(rank + 1, size, state["order"])}
        distances = _neighbours(own, kept["reference"], form).length
        positive = distances[distances > 0]
        length = positive.median() if positive.numel() else torch.ones_like(state["length"])
        return {**kept, "order": _order(rank, size, state["order"]), "length": length}

    def resilience(self, state: State, z: Tensor, form: MetricForm) -> Tensor:
        """Return ``R`` at ``z (..., n)``, shape ``(...)``, in units of 1/length."""
        if state["reference"].shape[0] < 2:
            return z.new_ones(z.shape[:-1])
        rho = self._rho(state, _neighbours(state, z, form).length)
        return (rho.pow(state["power"]) / state["length"]).reshape(z.shape[:-1])

    def pullback(self, state: State, z: Tensor, form: MetricForm, dr: Tensor) -> ResiliencePullback:
        """Return derivatives of ``sum(dr * R)``, through the neighbours that set ``d_k``; ``ℓ`` is
        constant."""
        a = root(form)
        if state["reference"].shape[0] < 2:
            zero = torch.zeros_like(state["power"])
            return ResiliencePullback({"power": zero}, torch.zeros_like(z), torch.zeros_like(a))
        near = _neighbours(state, z, form)
        rho, p = self._rho(state, near.length), state["power"]
        dlog_r = dr.reshape(-1) * rho.pow(p) / state["length"]
        dlength = torch.where(rho > _RHO_MIN, -p * dlog_r * rho / state["length"], 0.0)
        # Distance 0 has no direction: its derivative is taken as 0.
        inverse = torch.where(near.distances > 0, near.distances.reciprocal(), 0.0)
        pull = (dlength[:, None] * state["order"][-2:] * inverse)[..., None] * near.mapped
        dy = pull.sum(1)
        return ResiliencePullback(
            params={"power": tree_sum(dlog_r * rho.log())},
            z=(dy @ a).reshape(z.shape),
            root=pull.flatten(0, 1).mT @ near.offsets.flatten(0, 1),
        )

    def project(self, state: State) -> State:
        """Clamp ``power`` to [0, 4]."""
        return {**state, "power": state["power"].clamp(0, MAX_POWER)}

    def _rho(self, state: State, length: Tensor) -> Tensor:
        return (state["length"] / (length + self.softening * state["length"])).clamp(min=_RHO_MIN)


class _Neighbours(NamedTuple):
    """The two references per point that bracket the rank."""

    offsets: Tensor
    """``z − z_ref (N, 2, n)``."""
    mapped: Tensor
    """``A (z − z_ref) (N, 2, m)``."""
    distances: Tensor
    """Its lengths ``(N, 2)``."""
    length: Tensor
    """``d_k (N,)``."""


def _order(rank: float, size: int, like: Tensor) -> Tensor:
    """Return weights of the sorted distances that give the interpolated ``rank``; ``size >= 2``."""
    rank = min(max(rank, 1.0), float(size))
    low = min(int(rank), size - 1)
    weights = like.new_zeros(low + 1)
    weights[low - 1], weights[low] = 1 - (rank - low), rank - low
    return weights


def _neighbours(state: State, z: Tensor, form: MetricForm) -> _Neighbours:
    """Return bracketing neighbours of ``z (..., n)``, in blocks of points.

    Gram products choose the neighbours; the distances are then computed from the differences, which do not
    cancel.
    """
    points, reference = mapped(z, form), mapped(state["reference"], form)
    mean = reference.y.mean(dim=0)
    keys = reference.y - mean
    squares, ranks = keys.square().sum(-1), state["order"].shape[0]
    blocks = (points.y - mean).split(max(1, _BLOCK // keys.shape[0]))
    chosen = [
        torch.addmm(squares, block, keys.mT, alpha=-2).topk(ranks, largest=False).indices[:, -2:]
        for block in blocks
    ]
    offsets = points.z[:, None] - reference.z[torch.cat(chosen)]
    moved = offsets @ points.root.mT
    distances = torch.linalg.vector_norm(moved, dim=-1)
    return _Neighbours(offsets, moved, distances, (distances * state["order"][-2:]).sum(-1))
