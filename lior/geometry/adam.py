"""Adam: first and second moments of the gradients scale an update (Kingma & Ba 2015, algorithm 1).

The moments are ``m <- b1 m + (1-b1) g`` and ``v <- b2 v + (1-b2) g²``. The direction is ``m̂ / (√v̂ +
eps)`` with ``m̂ = m / (1-b1^t)``, ``v̂ = v / (1-b2^t)``. Both functions are pure: :func:`init` creates the
state, :func:`update` turns gradients into directions of descent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lior.errors import LiorError
from lior.interfaces import State

__all__ = ["counter", "finite", "init", "update"]


def init(params: State) -> State:
    """Return zero moments of every parameter, and 0 updates.

    Returns
    -------
    State
        ``first.<name>`` and ``second.<name>``, shaped like the parameter, and
        ``step``, int64 of shape ``()``.
    """
    state = {f"first.{name}": torch.zeros_like(p) for name, p in params.items()}
    state |= {f"second.{name}": torch.zeros_like(p) for name, p in params.items()}
    return state | {"step": counter(params)}


def update(grads: State, state: State, *, b1: float, b2: float, eps: float) -> tuple[State, State]:
    """Return the directions of one update.

    Parameters
    ----------
    grads
        Gradient of every parameter that :func:`init` saw.
    state
        State from :func:`init` or the update before.
    b1, b2
        Decay per update of the first and the second moment, in [0, 1).
    eps
        Constant added to the square root of the second moment, in the unit of the gradients.

    Returns
    -------
    tuple[State, State]
        The directions, in the gradients' dtype and of size about 1, and the next state.

    Raises
    ------
    LiorError
        If a gradient does not have its parameter's shape; it would broadcast without an error.
    """
    step = state["step"] + 1
    # In float64: for b2 near 1, 1 - b2^t has few digits in float32.
    first_bias, second_bias = (1 - b ** step.to(torch.float64) for b in (b1, b2))
    directions: State = {}
    moments: State = {"step": step}
    for name, grad in grads.items():
        before = state[f"first.{name}"]
        if grad.shape != before.shape:
            raise LiorError(
                f"gradient of {name!r} has shape {tuple(grad.shape)}, its parameter {tuple(before.shape)}"
            )
        first = torch.lerp(before, grad, 1 - b1)
        second = (state[f"second.{name}"] * b2).addcmul_(grad, grad, value=1 - b2)
        # Cast, because a float64 scalar would promote a parameter of shape ().
        root = second.div(second_bias.to(second.dtype)).sqrt_().add_(eps)
        directions[name] = first.div(first_bias.to(first.dtype)).div_(root)
        moments[f"first.{name}"], moments[f"second.{name}"] = first, second
    return directions, moments


def counter(params: State) -> Tensor:
    """Return an int64 zero on the device of ``params``."""
    device = next((p.device for p in params.values()), None)
    return torch.zeros((), dtype=torch.int64, device=device)


def finite(*states: State) -> Tensor:
    """Return whether all numbers in ``states`` are finite, a bool tensor ``()``; does not wait for the
    device."""
    # 0·x is 0 or NaN, and a sum of zeros cannot overflow as a sum of large numbers would.
    probes = [(0 * t).sum() for state in states for t in state.values() if t.is_floating_point()]
    return torch.stack([p.to(torch.float32) for p in probes]).sum() == 0 if probes else torch.tensor(True)
