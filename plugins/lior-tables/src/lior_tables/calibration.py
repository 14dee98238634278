"""Probabilities of classes from the values of a model, by a map fitted on rows that the model has not seen.

A value is the least-squares estimate of the probability of a class: about right, but not positive, and too
near the mean for a wide kernel. The map is a power of the positive part, with a floor::

    p_c ∝ (max(f_c, 0) + ε)^γ

A large floor makes it the softmax at a temperature. A small floor and ``γ = 1`` leave the values unchanged,
so that implausible classes get almost no probability, however many they are. The class of the largest value
stays the likeliest.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

_FLOORS = (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0)
_LARGEST = 200.0
"""Largest power that is tried."""


@attrs.frozen(kw_only=True)
class Calibration:
    """The map from values to probabilities."""

    floor: float
    """``ε``."""
    power: float
    """``γ``."""

    @classmethod
    def fit(cls, values: Tensor, y: Tensor, weights: Tensor, blocks: Sequence[int] = ()) -> Calibration:
        """Fit the map under which the classes of held-out rows are most likely.

        One more row is added, whose class may be any. If all held-out predictions are right, as happens
        with few rows after a choice among many members, nothing else would keep the power below its
        maximum.

        Parameters
        ----------
        values
            Values of rows that the model has not seen, ``(rows, classes)``.
        y
            The classes of the rows, one-hot ``(rows, classes)``.
        weights
            Sample weights, positive, ``(rows,)``.
        blocks
            Sizes of consecutive blocks of rows that are of one time, or of groups that were left out
            together. Rows to come need not share what the rows of a block have in common. So the smallest
            floor is chosen whose loss is within one standard error, over the blocks, of the minimum.
        """
        hit = y.argmax(1, keepdim=True)
        part = (weights / weights.sum()).double()
        tried, losses = [], []
        for floor in _FLOORS:
            scores = (values.double().clamp_min(0) + floor).log()

            def loss(power: float, scores: Tensor = scores) -> float:
                log_p = (power * scores).log_softmax(1)
                return -float(part @ (log_p.gather(1, hit)[:, 0] + log_p.mean(1) / len(hit)))

            found = minimize_scalar(loss, bounds=(0.0, _LARGEST), method="bounded")  # it is convex
            tried.append((float(found.fun), floor, float(found.x)))
            losses.append(-(found.x * scores).log_softmax(1).gather(1, hit)[:, 0] * part * len(part))
        best = tried.index(min(tried))
        if len(blocks) > 1:
            parts = torch.stack(losses).split(list(blocks), dim=1)
            worse = torch.stack([(each - each[best]).mean(1) for each in parts], 1)  # (floors, blocks)
            best = int((worse.mean(1) <= worse.std(1) / len(parts) ** 0.5).nonzero()[0])
        _, floor, power = tried[best]
        return cls(floor=floor, power=power)

    def probabilities(self, values: Tensor) -> Tensor:
        """Return probabilities ``(rows, classes)`` of ``values (rows, classes)``."""
        return (self.power * (values.clamp_min(0) + self.floor).log()).softmax(1)
