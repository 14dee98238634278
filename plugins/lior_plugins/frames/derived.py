"""Metric from the data: axes of the covariance of the coordinates, scales that whiten them.

With ``C = Q diag(σ²) Qᵀ`` and ``σ̄²`` the mean of ``σ²``, the scales are ``λ_i = (σ̄² / (σ_i² + ε
σ̄²))^whitening``. Whitening 1 gives the squared distance of Mahalanobis (1936) up to ``ε`` and an overall
factor, 0 the Euclidean one. The covariance is centred: distances depend on differences of coordinates only,
and the covariance of a difference of two independent ones is ``2 C``, for any mean.

Batches are merged by the pairwise update of Chan, Golub and LeVeque
(*The American Statistician* 37, 1983), with the past weighted by ``decay``.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.geometry.metric import SCALE_MAX, SCALE_MIN
from lior.interfaces import MetricForm, State
from lior_plugins import parametrise

_EPS = 1 / SCALE_MAX
"""Minimum relative variance ``ε``; this value puts an axis without variance at the largest scale."""


@attrs.frozen(kw_only=True)
class Derived:
    """A frame with rotation and scales from running statistics; only the overall scale is learned.

    State: ``count`` (a scalar, the weight of the coordinates seen), ``mean (n,)`` and ``covariance (n,
    n)``. The rotation ``q (n, n)`` and ``log_lam (n,)`` are derived from them. Further entries are
    ``log_omega``, and ``u``, ``raw_d`` of rank 0.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("log_omega",)

    whitening: float = option(1.0, help="exponent of the whitening scales; 0 is Euclidean", low=0.0, high=1.0)
    decay: float = option(
        1.0, help="weight that the past keeps at each batch; 1 counts all alike", low=0.0, high=1.0
    )

    def init(self, n: int, *, generator: Generator) -> State:
        """Return the Euclidean metric, before any observation.

        Raises
        ------
        UsageError
            When ``n < 2``.
        """
        scales = parametrise.init(n, generator=generator)
        eye = torch.eye(n, device=generator.device)
        return {
            **scales,
            "count": eye.new_zeros(()),
            "mean": eye.new_zeros(n),
            "covariance": torch.zeros_like(eye),
            "q": eye,
        }

    def observe(self, state: State, z: Tensor) -> State:
        """Merge a batch ``z (N, n)`` into the statistics and derive rotation and scales anew.

        A batch that is empty, or whose moments are not finite in the state's dtype, is left out. While the
        covariance is zero the rotation and the scales do not change.

        Raises
        ------
        UsageError
            When ``z`` is not a batch of coordinates of the frame's dimension.
        """
        n = state["mean"].shape[0]
        if z.ndim != 2 or z.shape[1] != n:
            raise UsageError(f"z has shape {tuple(z.shape)}: a frame of n = {n} observes (N, {n})")
        merged = _merge(state, z, self.decay)
        finite = merged["mean"].isfinite().all() & merged["covariance"].isfinite().all()
        kept = {**state, **{key: torch.where(finite, merged[key], state[key]) for key in merged}}
        return {**kept, **_axes(kept, self.whitening)}

    def form(self, state: State) -> MetricForm:
        """Return the metric; ``q`` and ``λ`` are read from the state."""
        return parametrise.form(state, state["q"])

    def pullback(self, state: State, dform: MetricForm) -> State:
        """Return the derivative with respect to ``log_omega``; the statistics are not learned."""
        return {"log_omega": parametrise.pullback(state, dform)["log_omega"]}

    def project(self, state: State) -> State:
        """Clamp the overall scale."""
        return parametrise.project(state)


def _merge(state: State, z: Tensor, decay: float) -> State:
    """Return ``count``, ``mean`` and ``covariance`` after a batch ``z (N, n)``, not finite if empty."""
    past, batch = decay * state["count"], z.shape[0]
    mean = z.mean(0)
    centred = z - mean
    share = batch / (past + batch)
    shift = mean - state["mean"]
    covariance = torch.lerp(state["covariance"], centred.mT @ centred / batch, share)
    return {
        "count": past + batch,
        "mean": state["mean"] + share * shift,
        "covariance": covariance + share * (1 - share) * torch.outer(shift, shift),
    }


def _axes(state: State, whitening: float) -> State:
    """Return ``q`` and ``log_lam`` of the covariance, or the ones in ``state`` while that is zero.

    Equal variances leave their axes undetermined, but then the scales are
    equal too and the metric does not depend on the choice.
    """
    covariance = state["covariance"]
    n, dtype = covariance.shape[0], covariance.dtype
    mean_variance = covariance.trace() / n
    known = mean_variance > torch.finfo(dtype).tiny
    eye = torch.eye(n, dtype=dtype, device=covariance.device)
    relative = torch.where(known, covariance / mean_variance, eye)
    # In float64, so that devices agree on the order of near-equal variances and q is orthogonal to
    # the last digit of float32.
    variances, q = torch.linalg.eigh(relative.double())
    variances, q = variances.flip(0), _orient(q.flip(1))
    log_lam = -whitening * torch.log(variances + _EPS).clamp(math.log(SCALE_MIN), math.log(SCALE_MAX))
    return {
        "q": torch.where(known, q.to(dtype), state["q"]),
        "log_lam": torch.where(known, log_lam.to(dtype), state["log_lam"]),
    }


def _orient(q: Tensor) -> Tensor:
    """Return orthogonal ``q`` with each column's largest entry positive, then of determinant +1.

    The last column, which has the least variance, is negated if the determinant requires it.
    """
    peak = q.gather(0, q.abs().argmax(0, keepdim=True))
    q = q * torch.where(peak < 0, -1.0, 1.0)
    flip = torch.ones_like(q[0])
    flip[-1] = torch.linalg.det(q).sign()
    return q * flip
