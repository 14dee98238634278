"""Metric ``diag(λ)``: one learned scale for each axis, and nothing else."""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config import option
from lior.geometry.metric import SCALE_MAX, SCALE_MIN
from lior.interfaces import MetricForm, State


@attrs.frozen(kw_only=True)
class Mine:
    """A scale ``λ = exp(log_lam)`` for each axis.

    State: ``log_lam (n,)``, learned.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("log_lam",)

    scale: float = option(1.0, help="scale of every axis before learning", low=SCALE_MIN, high=SCALE_MAX)

    def init(self, n: int, *, generator: Generator) -> State:
        """All scales equal to the option ``scale``."""
        return {"log_lam": torch.full((n,), math.log(self.scale), device=generator.device)}

    def observe(self, state: State, z: Tensor) -> State:
        """``state``: nothing is counted."""
        return state

    def form(self, state: State) -> MetricForm:
        """The metric, without a rotation and without a low-rank part."""
        lam = state["log_lam"].exp()
        return MetricForm(q=None, lam=lam, omega2=lam.new_ones(()), u=lam.new_zeros(len(lam), 0), d=lam[:0])

    def pullback(self, state: State, dform: MetricForm) -> State:
        """Derivatives with respect to ``log_lam``, given those with respect to the form."""
        return {"log_lam": dform.lam * state["log_lam"].exp()}

    def project(self, state: State) -> State:
        """Clamp the scales to the range that every metric keeps to."""
        return {**state, "log_lam": state["log_lam"].clamp(math.log(SCALE_MIN), math.log(SCALE_MAX))}
