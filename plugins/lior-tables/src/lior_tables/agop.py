"""Metric from the average gradient outer product (AGOP) of the function being learned.

    M = mean_x Σ_c ∇f_c(x) ∇f_c(x)ᵀ

Directions along which the learned function ``f`` changes become long, all others short (A. Radhakrishnan,
D. Beaglehole, P. Pandit and M. Belkin, *Science* 383 (2024) 1461). The matrix ``M`` is the covariance of
:mod:`lior_plugins.frames.derived`, uncentred and with gradients in place of coordinates.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config import option
from lior.errors import UsageError
from lior.geometry.metric import SCALE_MAX
from lior.interfaces import MetricForm, State
from lior_plugins import parametrise

_TOP = 1 / SCALE_MAX
"""``Ω²`` of a metric from gradients: its largest eigenvalue is then 1."""
_LEAST = 1e-10
"""The smallest eigenvalue then. If most inputs do not matter, larger values add up to a large distance."""
_RANGE = math.log(_LEAST * SCALE_MAX), math.log(SCALE_MAX)


@attrs.frozen(kw_only=True)
class Agop:
    """Axes and scales of the running mean of gradient outer products; only the overall scale is learned.

    Before gradients are seen the metric is Euclidean. Afterwards its largest eigenvalue is 1, and the others
    are at least 1e-10.

    State: ``count`` (weight of the gradients seen), ``moment (n, n)``, the rotation ``q (n, n)`` and
    ``log_lam (n,)`` derived from it, ``log_omega``, and ``u``, ``raw_d`` of rank 0.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("log_omega",)
    least_scale: ClassVar[float] = _LEAST * SCALE_MAX

    diagonal: bool = option(False, help="keep a scale for each input and no rotation")
    power: float = option(1.0, help="exponent of the mean outer product; 0 is Euclidean", low=0.0, high=4.0)
    decay: float = option(0.0, help="weight that earlier gradients keep at each round", low=0.0, high=1.0)

    def init(self, n: int, *, generator: Generator) -> State:
        """Return the Euclidean metric, nothing seen.

        Raises
        ------
        UsageError
            When ``n < 2``.
        """
        scales = parametrise.init(n, generator=generator)
        eye = torch.eye(n, device=generator.device)
        return {**scales, "count": eye.new_zeros(()), "moment": torch.zeros_like(eye), "q": eye}

    def observe(self, state: State, z: Tensor) -> State:
        """Return ``state`` unchanged: coordinates do not matter, gradients do."""
        return state

    def observe_gradients(self, state: State, gradients: Tensor) -> State:
        """Merge ``∇f (N, C, n)`` of ``C`` outputs at ``N`` points and derive the axes and scales anew.

        The sum over outputs of each point counts as one observation of weight 1. Missing, zero and
        non-finite gradients are left out.

        Raises
        ------
        UsageError
            When the gradients do not have the frame's dimension.
        """
        n = state["moment"].shape[0]
        if gradients.ndim != 3 or gradients.shape[2] != n:
            raise UsageError(
                f"gradients of shape {tuple(gradients.shape)}: a frame of n = {n} takes (N, C, {n})"
            )
        flat = gradients.flatten(0, 1).to(state["moment"])
        batch = len(gradients)
        past = self.decay * state["count"]
        mean = flat.mT @ flat / max(batch, 1)
        count = past + batch
        moment = torch.lerp(state["moment"], mean, batch / count.clamp(min=1))
        if batch == 0 or not bool(moment.isfinite().all()) or not bool(moment.diagonal().max() > 0):
            return state
        return {**state, "count": count, "moment": moment, **self._axes(moment)}

    def form(self, state: State) -> MetricForm:
        """Return the metric; ``q`` is ``None`` for a diagonal one."""
        return parametrise.form(state, None if self.diagonal else state["q"])

    def pullback(self, state: State, dform: MetricForm) -> State:
        """Return the derivative with respect to ``log_omega``; the statistics are not learned."""
        return {"log_omega": parametrise.pullback(state, dform)["log_omega"]}

    def project(self, state: State) -> State:
        """Clamp the overall scale."""
        return parametrise.project(state) | {"log_lam": state["log_lam"].clamp(*_RANGE)}

    def _axes(self, moment: Tensor) -> State:
        """Return the rotation and scales of ``moment``, and the overall scale at which the largest is 1."""
        if self.diagonal:
            values, q = (
                moment.diagonal().double(),
                torch.eye(len(moment), dtype=torch.float64, device=moment.device),
            )
        else:
            values, q = torch.linalg.eigh(moment.double())
            q = q.clone()
            q[:, 0] *= torch.linalg.det(q).sign()  # a rotation; the axis of least weight turns
        relative = (values / values.max()).clamp(min=torch.finfo(torch.float64).tiny)
        log_lam = self.power * relative.log() + math.log(SCALE_MAX)
        return {
            "q": q.to(moment),
            "log_lam": log_lam.clamp(*_RANGE).to(moment),
            "log_omega": moment.new_tensor(0.5 * math.log(_TOP)),
        }
