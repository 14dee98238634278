"""Learned entries of any frame, source and product, from the leave-one-out prediction of stored rows.

Each row is predicted by the softmax of its scores with the others, ``f = Σ_i w_i y_i``. The derivative of
the loss with respect to a score is ``w_i G·(y_i − f)`` with ``G = ∂loss/∂f``. It is the difference between
the clamped and the free phase of :mod:`lior.geometry.phases`, for outputs that may be numbers. From there
the pullbacks of the plugins lead to every learned entry. Updates follow Adam.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lior.geometry import adam
from lior.interfaces import State
from lior_tables.kernel import Kernel, Parts
from lior_tables.row_store import Rows

STEPS = 24
_RATE = 0.12
_QUERIES = 160
_ITEMS = 500
_JUDGED = 300
"""Number of rows whose loss decides which of the states on the way is returned."""
_EVERY = 8
_SHARP = 8.0
"""Initial ``β``, in inverse median costs: a row then has tens of neighbours."""
_SMOOTHING = 0.02
"""Weight of the uniform distribution that is mixed with predicted classes."""


def learn(parts: Parts, state: State, rows: Rows, generator: Generator) -> State:
    """Move the learned entries to a lower loss; returns the best state on the way, or the first."""
    classes = _are_classes(rows.y)
    state = _sharp(parts, state, rows)
    moments = adam.init(parts.learned(state))
    judged = torch.randperm(len(rows.z), generator=generator)[:_ITEMS].to(rows.z.device)
    best, lowest = state, torch.inf
    for step in range(STEPS + 1):
        if step % _EVERY == 0:
            loss = float(loss_of(Kernel(parts, state), rows.take(judged), _JUDGED, classes=classes)[0])
            if loss < lowest:
                best, lowest = state, loss
        if step == STEPS:
            break
        batch = rows.take(torch.randperm(len(rows.z), generator=generator)[:_ITEMS].to(rows.z.device))
        grads = gradient(Kernel(parts, state), batch, _QUERIES, classes=classes)
        learned = parts.learned(state)
        directions, moments = adam.update(
            {name: grads[name] for name in learned}, moments, b1=0.9, b2=0.99, eps=1e-8
        )
        moved = {name: value - _RATE * directions[name] for name, value in learned.items()}
        if bool(adam.finite(moved)):
            state = parts.project(state | moved)
    return best


def loss_of(kernel: Kernel, rows: Rows, queries: int, *, classes: bool) -> tuple[Tensor, Tensor]:
    """Return the mean loss of the first ``queries`` rows, each predicted by all others, and its derivative
    with respect to the scores.

    For classes the loss is ``−log p`` in nats, for numbers the squared error.
    """
    side = kernel.side(rows.z)
    asked = side.rows(slice(0, queries))
    scores = kernel.scores(asked, side) + rows.weights.log()
    count = len(asked.z)
    scores.diagonal().fill_(-torch.inf)
    free = scores.softmax(1)
    f, y = free @ rows.y, rows.y[:count]
    share = rows.weights[:count, None] / rows.weights[:count].sum()
    if classes:
        p = (1 - _SMOOTHING) * f + _SMOOTHING / y.shape[1]
        loss = -(share * y * p.log()).sum()
        slope = -(1 - _SMOOTHING) * share * y / p
    else:
        loss = (share * (f - y).square()).sum()
        slope = 2 * share * (f - y)
    return loss, free * (slope @ rows.y.mT - (slope * f).sum(1, keepdim=True))


def gradient(kernel: Kernel, rows: Rows, queries: int, *, classes: bool) -> State:
    """Return derivatives of :func:`loss_of` with respect to the learned entries."""
    _, d_scores = loss_of(kernel, rows, queries, classes=classes)
    side = kernel.side(rows.z)
    return kernel.pullback(side.rows(slice(0, queries)), side, d_scores)


def _sharp(parts: Parts, state: State, rows: Rows) -> State:
    """Return the state with ``β`` for predictions by the nearest rows."""
    kernel = Kernel(parts, state)
    some = kernel.side(rows.z[:_JUDGED])
    costs = kernel.scores(some, some, beta=-1.0)
    beta = _SHARP / costs.median().clamp(min=1e-6)
    return state | {"log_beta": beta.log().to(state["log_beta"])}


def _are_classes(y: Tensor) -> bool:
    """Return whether rows of ``y`` are 0 but for one 1."""
    return y.shape[1] > 1 and bool(((y == 0) | (y == 1)).all() & (y.sum(1) == 1).all())
