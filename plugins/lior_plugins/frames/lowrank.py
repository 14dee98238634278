"""Metric ``Ω² diag(λ) + U diag(D) Uᵀ`` with everything learned and no rotation."""

from __future__ import annotations

from typing import ClassVar

import attrs
from torch import Generator, Tensor

from lior.config.options import option
from lior.interfaces import MetricForm, State
from lior_plugins import parametrise


@attrs.frozen(kw_only=True)
class LowRank:
    """A frame with a scale for every axis, and ``rank`` learned directions that add to the distance.

    State: the entries of :mod:`lior_plugins.parametrise`. There are no
    statistics.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("log_lam", "log_omega", "u", "raw_d")

    rank: int = option(
        parametrise.RANK, help="learned directions besides the axes, at most the dimension", low=0
    )

    def init(self, n: int, *, generator: Generator) -> State:
        """Return scales 1, and random directions of weight 0.1.

        Raises
        ------
        UsageError
            When ``n < 2``, or ``rank`` is too large.
        """
        return parametrise.init(n, rank=self.rank, generator=generator)

    def observe(self, state: State, z: Tensor) -> State:
        """Return ``state`` unchanged: there are no statistics."""
        return state

    def form(self, state: State) -> MetricForm:
        """Return the metric, with ``q = None``."""
        return parametrise.form(state)

    def pullback(self, state: State, dform: MetricForm) -> State:
        """Return derivatives with respect to the learned entries, given those with respect to the form."""
        return parametrise.pullback(state, dform)

    def project(self, state: State) -> State:
        """Clamp the scales and weights, normalise the directions."""
        return parametrise.project(state)
