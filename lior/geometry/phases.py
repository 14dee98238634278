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
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Phases(NamedTuple):
    """Derivatives of the mean loss with respect to the scores, and that loss."""

    d_scores: Tensor
    """Derivatives with respect to the scores, ``(B, K)``."""
    loss: Tensor
    """The mean loss, a scalar, in nats."""


def hit_rate(weights: Tensor, same: Tensor) -> Tensor:
    """Return ``Σ_i w_i 1[y_i = y]``, ``(B,)``."""
    return (weights * same).sum(1)


def loss_of(hits: Tensor, *, smoothing: float, vocab: int) -> Tensor:
    """Return the mean of ``-log((1 - ε) hits + ε/V)`` in nats."""
    return -((1 - smoothing) * hits + smoothing / vocab).log().mean()


def free_weights(scores: Tensor) -> Tensor:
    """Return ``softmax(S)`` over items; a row without any item (all ``-inf``) has weights 0."""
    top = scores.amax(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
    weights = (scores - top).exp_()
    return weights.div_(weights.sum(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny))


def phases(scores: Tensor, same: Tensor, nudge: float, *, smoothing: float, vocab: int) -> Phases:
    """Return the difference of the nudged and the free phase per unit of nudge.

    Parameters
    ----------
    scores
        ``S (B, K)``; ``-inf`` excludes an item from a query.
    same
        ``1[y_i = y] (B, K)``, boolean.
    nudge
        ``b``; ``inf`` clamps, 0 gives zeros exactly, a negative value nudges away.
    smoothing
        ``ε`` of the module docstring, in (0, 1).
    vocab
        ``V``.
    """
    free = free_weights(scores)
    hits = hit_rate(free, same)
    loss = loss_of(hits, smoothing=smoothing, vocab=vocab)
    if nudge == 0:
        return Phases(torch.zeros_like(scores), loss)
    if math.isinf(nudge):
        memory = (1 - smoothing) * hits
        posterior = memory / (memory + smoothing / vocab)
        # posterior * (free·same/hits - free) without a division by hits, which may be 0
        scale = (1 - smoothing) / (memory + smoothing / vocab)
        d_scores = free * posterior[:, None]
        d_scores.sub_(free.mul_(scale[:, None]).mul_(same))
        return Phases(d_scores.div_(len(scores)), loss)
    nudged = free_weights(scores + nudge * same)
    return Phases((free - nudged).div_(nudge * len(scores)), loss)
