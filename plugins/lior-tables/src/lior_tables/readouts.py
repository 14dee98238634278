"""Readouts: predictions from the scores of stored rows. Plugins of the kind ``readout``.

All predict ``f(x) = Σ_i w_i(x) v_i + centre``, with weights ``w`` from the scores and one value ``v`` per
stored row and output. So ``w_i v_i`` is the exact share of a row.

========= ============================ ===========================================
readout   weights ``w_i(x)``           values ``v_i``
========= ============================ ===========================================
ridge     ``k_i = exp(score_i)``       ``(K + λ W⁻¹)⁻¹ (y − centre)``
vote      ``softmax(score + log W)``   ``y_i − centre``
========= ============================ ===========================================

``W`` holds the sample weights. ``ridge`` is kernel ridge regression, ``vote`` the softmax retrieval of text,
an average of the stored outputs (Nadaraya and Watson, 1964).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

import attrs
import torch
from torch import Tensor

from lior import Kind, Registry
from lior.interfaces import Plugin
from lior_tables import solve


class Fit(NamedTuple):
    """The fit of a readout to its rows."""

    values: Tensor
    """Values of the rows, ``(N, C)``."""
    centre: Tensor
    """Constant added to every prediction, ``(C,)``."""


class Readout(Plugin, Protocol):
    """A function from scores of stored rows to predictions."""

    solves: ClassVar[bool]
    """Whether values come from a system of equations with a ridge ``λ``; otherwise the ridge is not used."""

    def fit(self, weighed: Tensor, y: Tensor, weights: Tensor, ridge: float) -> Fit:
        """Return the fit to rows with ``weighed (..., N, N)`` among themselves (its memory is reused), ``y
        (..., N, C)``, ``weights (..., N) > 0``."""

    def weigh(self, scores: Tensor, weights: Tensor, own: Tensor | None) -> Tensor:
        """Return weights from ``scores (..., B, N)``, in place; ``own (B,)`` is one row each without
        weight."""

    def slopes(self, weighed: Tensor, values: Tensor) -> Tensor | None:
        """Return ``o (B, C)`` such that ``∂f_c/∂score_i = w_i (v_ic − o_c)``; ``None`` if it is 0."""


@attrs.frozen(kw_only=True)
class Ridge:
    """Kernel ridge regression: values that solve for the outputs of the stored rows."""

    api_version: ClassVar[int] = 1
    solves: ClassVar[bool] = True

    def fit(self, weighed: Tensor, y: Tensor, weights: Tensor, ridge: float) -> Fit:
        """Solve ``(K + λ W⁻¹) v = y − centre`` with the mean of ``y`` as the centre."""
        weighed.diagonal(dim1=-2, dim2=-1).add_(ridge / weights)
        factor = solve.factor(weighed)
        return centred(factor.solve(with_ones(y)), y, weights)

    def weigh(self, scores: Tensor, weights: Tensor, own: Tensor | None) -> Tensor:
        """``exp(score)``."""
        scores.exp_()
        if own is not None:
            scores[torch.arange(len(own), device=own.device), own] = 0
        return scores

    def slopes(self, weighed: Tensor, values: Tensor) -> Tensor | None:
        """Return ``None``: each row counts by itself."""
        return None


@attrs.frozen(kw_only=True)
class Vote:
    """A vote: the softmax of the scores chooses among the outputs of the stored rows."""

    api_version: ClassVar[int] = 1
    solves: ClassVar[bool] = False

    def fit(self, weighed: Tensor, y: Tensor, weights: Tensor, ridge: float) -> Fit:
        """Return the outputs themselves, measured from their mean."""
        centre = mean(y, weights)
        return Fit(y - centre[..., None, :], centre)

    def weigh(self, scores: Tensor, weights: Tensor, own: Tensor | None) -> Tensor:
        """Return ``softmax(score + log W)``."""
        scores += weights.log()[..., None, :]
        if own is not None:
            scores[torch.arange(len(own), device=own.device), own] = -torch.inf
        scores -= scores.amax(-1, keepdim=True)
        scores.exp_()
        return scores.div_(scores.sum(-1, keepdim=True))

    def slopes(self, weighed: Tensor, values: Tensor) -> Tensor | None:
        """Return the prediction: a row matters by its difference from it."""
        return weighed @ values


def mean(y: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean ``(..., C)`` of ``y (..., N, C)``."""
    return (weights[..., None] * y).sum(-2) / weights.sum(-1, keepdim=True)


def with_ones(y: Tensor) -> Tensor:
    """Append ones to ``y (..., N, C)``; their solution lets the centre change without another solve."""
    return torch.cat([y, torch.ones_like(y[..., :1])], dim=-1)


def centred(solution: Tensor, y: Tensor, weights: Tensor) -> Fit:
    """Return the fit from the solution ``(..., N, C + 1)`` for :func:`with_ones`."""
    return centred_at(solution, mean(y, weights))


def centred_at(solution: Tensor, centre: Tensor) -> Fit:
    """Return the fit whose outputs are measured from ``centre (..., C)``."""
    return Fit((solution[..., :-1] - solution[..., -1:] * centre[..., None, :]).contiguous(), centre)


registry = Registry(
    kinds={"readout": Kind(group="lior_tables.readouts", interface="lior_tables.readouts:Readout")}
)
"""Registry of readouts by name."""
