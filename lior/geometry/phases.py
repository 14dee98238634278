"""Free and nudged phase of retrieval, and the difference that learning follows.

The energy of memory item ``i`` is ``E_i = -S_i`` with scores ``S``. The free phase is ``w = softmax(S)``;
the phase nudged by the observed token is ``w_b = softmax(S + b·1[y_i = y])``. For any parameter,

    (<∂E>_b - <∂E>_0) / b = -Σ_i (w_b - w)_i / b · ∂S_i.

This is the equilibrium-propagation estimate (B. Scellier and Y. Bengio, 2017) with both phases in closed
form. As ``b → 0`` it tends to the gradient of ``-p(y)``. At ``b = ∞`` (outputs clamped) the difference is
not divided by ``b``: it is the exact gradient of ``-log p(y)`` (contrastive Hebbian learning, J. Movellan,
1991).

The likelihood is smoothed, ``p = (1 - ε) Σ w_i 1[y_i = y] + ε/V``: with probability ``ε`` a token comes
from the uniform distribution instead of the memory. The clamped phase then weights each query by the
posterior probability that its token comes from the memory. ``ε`` has no effect on finite nudges.

The items of a query come in blocks, so no matrix of queries and items has to exist. A first pass over the
blocks adds up ``exp(S)`` below a running maximum (M. Milakov and N. Gimelshein, 2018); a second pass
computes the scores again and needs two numbers for each query:

    (w - w_b)_i / b = w_i · (h r, or -(1 - h) r for an item of the token y),

with the hit rate ``h = Σ_i w_i 1[y_i = y]``. For a finite nudge, ``r = (e^b - 1) / (1 + h (e^b - 1)) / b``;
for clamped outputs it is ``1 / (h + c)`` with ``c = ε / (V (1 - ε))``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class FreePhase(NamedTuple):
    """Running sums of queries over the items that they were compared with, ``(B, 1)`` each."""

    top: Tensor
    """The maximum score."""
    same: Tensor
    """``Σ_i exp(S_i - top)`` over the items of the observed token."""
    other: Tensor
    """The same sum over all other items."""

    @classmethod
    def start(cls, queries: int, like: Tensor) -> FreePhase:
        """Return the sums before the first item, in the dtype of ``like`` and on its device."""
        none = like.new_zeros(queries, 1)
        return cls(torch.full_like(none, torch.finfo(like.dtype).min), none, none)

    def add(self, scores: Tensor, same: Tensor) -> FreePhase:
        """Return the sums with further items.

        Parameters
        ----------
        scores
            ``S (B, K)``; ``-inf`` excludes an item from a query.
        same
            ``1[y_i = y] (B, K)``, boolean.
        """
        top = torch.maximum(self.top, scores.amax(1, keepdim=True))
        weights, fallen = (scores - top).exp_(), (self.top - top).exp_()
        hits = weights * same
        sums = (each.sum(1, keepdim=True) for each in (hits, weights.sub_(hits)))
        return FreePhase(top, *(before * fallen + more for before, more in zip(self[1:], sums, strict=True)))

    @property
    def hits(self) -> Tensor:
        """The hit rate ``h (B, 1)``; 0 without any item."""
        return self.same / _positive(self.same + self.other)

    def difference(self, nudge: float, *, queries: int, smoothing: float, vocab: int) -> Difference:
        """Return the difference of the nudged and the free phase per unit of nudge.

        Parameters
        ----------
        nudge
            ``b``, not 0; ``inf`` clamps, a negative value nudges away.
        queries
            Number of queries that the loss is the mean of.
        smoothing
            ``ε`` of the module docstring, in (0, 1).
        vocab
            ``V``.
        """
        total = _positive(self.same + self.other)
        hits, misses = self.same / total, self.other / total
        near, far = (hits, misses) if nudge > 0 else (misses, hits)
        nudged = near + far * math.exp(-abs(nudge))
        if math.isinf(nudge):
            rate = 1 / (nudged + smoothing / (vocab * (1 - smoothing)))
        else:
            rate = -math.expm1(-abs(nudge)) / abs(nudge) / _positive(nudged)
        rate = rate / queries
        return Difference(self.top, hits * rate / total, -misses * rate / total)


class Difference(NamedTuple):
    """The difference of two phases, by query, ``(B, 1)`` each."""

    top: Tensor
    """The maximum score."""
    other: Tensor
    """Factor of ``exp(S_i - top)`` for items of other tokens than the observed one."""
    same: Tensor
    """Factor for the items of the observed token."""

    def of(self, scores: Tensor, same: Tensor) -> Tensor:
        """Return derivatives of the mean loss with respect to ``scores (B, K)``."""
        return (scores - self.top).exp_().mul_(torch.where(same, self.same, self.other))


def loss_of(hits: Tensor, *, smoothing: float, vocab: int) -> Tensor:
    """Return the mean of ``-log((1 - ε) hits + ε/V)`` in nats."""
    return -((1 - smoothing) * hits + smoothing / vocab).log().mean()


def _positive(x: Tensor) -> Tensor:
    return x.clamp(min=torch.finfo(x.dtype).tiny)
