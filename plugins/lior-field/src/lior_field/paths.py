"""The action of a path, and paths of least action.

A path of points ``x_0, x_1, ...`` costs ``S = Σ R(x̄) √(g(Δx, Δx) + ε)`` with ``x̄`` half-way. This is the
length in the metric ``R² g``. In a conformal metric, ``e^{2φ} ĝ`` with ``R = e^φ`` and constant ``ĝ``, the
shortest paths obey

    ẍ = −2 (∇φ·ẋ) ẋ + ĝ(ẋ, ẋ) ĝ⁻¹∇φ

with the Christoffel symbols of A. L. Besse, *Einstein Manifolds*, theorem 1.159. Coordinates here are
mapped by the root of ``ĝ``, which makes ``ĝ`` the identity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from lior.errors import UsageError

Factor: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function from ``x (..., n)`` to ``φ (...)`` and ``∇φ (..., n)``."""


def sphere(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit sphere in stereographic coordinates, ``e^φ = 2/(1 + |x|²)``: a :data:`Factor`."""
    up = 1 + x.square().sum(-1)
    return (2 / up).log(), -2 * x / up[..., None]


def ball(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return Poincaré's ball of curvature −1, ``e^φ = 2/(1 − |x|²)``, ``|x| < 1``: a :data:`Factor`."""
    down = 1 - x.square().sum(-1)
    return (2 / down).log(), 2 * x / down[..., None]


def action(points: Tensor, resilience: Tensor, eps: float = 0.0) -> Tensor:
    """Return the terms ``R √(|Δx|² + ε)`` of the action of ``points (T, n)``, mapped; ``(T − 1,)``.

    Parameters
    ----------
    resilience
        ``R`` half-way between the points, ``(T − 1,)``.
    """
    return resilience * (points.diff(dim=0).square().sum(-1) + eps).sqrt()


def midpoints(points: Tensor) -> Tensor:
    """Return the midpoints of neighbours, ``(T − 1, n)``."""
    return (points[1:] + points[:-1]) / 2


def turning(points: Tensor) -> Tensor:
    """Return the angle between one step and the next, in radians in [0, π], ``(T − 2,)``.

    It is 0 where a step has no length.
    """
    steps = points.diff(dim=0)
    lengths = steps.norm(dim=-1)
    units = steps / lengths.clamp(min=torch.finfo(points.dtype).tiny)[:, None]
    # From the sum and the difference: the arc cosine has no precision for a straight path.
    apart, together = (units[1:] - units[:-1]).norm(dim=-1), (units[1:] + units[:-1]).norm(dim=-1)
    moving = (lengths[1:] > 0) & (lengths[:-1] > 0)
    return torch.where(moving, 2 * torch.atan2(apart, together), 0.0)


def _refuse_outside(factor: Factor, **points: Tensor) -> None:
    for name, x in points.items():
        if not bool(factor(x)[0].isfinite().all()):
            raise UsageError(
                f"{name} {x.tolist()} of a geodesic: the metric has no finite factor there; "
                "give points inside of its space (of the ball: |x| < 1)"
            )


class Geodesic(NamedTuple):
    """A path of least action and its velocity at the same times."""

    points: Tensor
    """Points of the path, ``(steps + 1, ..., n)``."""
    velocities: Tensor
    """Velocities in the same shape; ``e^φ |ẋ|`` is constant."""


def shoot(
    factor: Factor, start: Tensor, velocity: Tensor, *, time: float = 1.0, steps: int = 200
) -> Geodesic:
    """Return the geodesic from ``start (..., n)`` with ``velocity (..., n)``.

    It is integrated by the Runge–Kutta method of order 4.

    Raises
    ------
    UsageError
        When the factor is not finite at ``start``, as outside of :func:`ball`.
    """
    _refuse_outside(factor, start=start)
    dt = time / steps

    def rate(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        slope = factor(x)[1]
        return v, v.square().sum(-1, keepdim=True) * slope - 2 * (slope * v).sum(-1, keepdim=True) * v

    x, v = start, velocity
    points, velocities = [x], [v]
    for _ in range(steps):
        a = rate(x, v)
        b = rate(x + dt / 2 * a[0], v + dt / 2 * a[1])
        c = rate(x + dt / 2 * b[0], v + dt / 2 * b[1])
        d = rate(x + dt * c[0], v + dt * c[1])
        x, v = (
            old + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            for old, k1, k2, k3, k4 in zip((x, v), a, b, c, d, strict=True)
        )
        points.append(x)
        velocities.append(v)
    return Geodesic(torch.stack(points), torch.stack(velocities))


def connect(
    factor: Factor,
    start: Tensor,
    end: Tensor,
    *,
    steps: int = 200,
    tolerance: float = 1e-10,
    rounds: int = 50,
) -> Geodesic:
    """Find the geodesic between two points ``(n,)``, by shooting with Newton's method from the straight line.

    It is computed in float64. A step is halved if it moves the end of the path further away.

    Raises
    ------
    UsageError
        When the points are no two of one space, the factor is not finite at one of them, as outside of
        :func:`ball`, or no geodesic is found within ``rounds``: the points may be too far apart for a
        geodesic near the straight line.
    """
    start, end = (torch.as_tensor(point, dtype=torch.float64) for point in (start, end))
    if start.ndim != 1 or start.shape != end.shape:
        raise UsageError(
            f"points of shapes {tuple(start.shape)} and {tuple(end.shape)}: allowed are two of (n,)"
        )
    _refuse_outside(factor, start=start, end=end)
    velocity, n = end - start, len(start)
    scale = float(velocity.norm())
    if scale == 0:
        still = start.expand(steps + 1, n)
        return Geodesic(still, torch.zeros_like(still))
    # One path for the velocity itself and, for central differences, one for each change: n is small, and
    # the factor need not have second derivatives.
    small = 1e-5 * scale * torch.eye(n, dtype=start.dtype)
    changes = torch.cat([torch.zeros_like(small[:1]), small, -small])
    share, step, best = 1.0, torch.zeros_like(velocity), math.inf
    for _ in range(rounds):
        points, velocities = shoot(
            factor, start.expand(2 * n + 1, n), velocity + share * step + changes, steps=steps
        )
        miss = points[-1, 0] - end
        if float(miss.norm()) <= tolerance * scale:
            return Geodesic(points[:, 0], velocities[:, 0])
        if not float(miss.norm()) < best or not bool(points.isfinite().all()):
            share /= 2  # Newton's step was too long
            continue
        velocity, best, share = velocity + share * step, float(miss.norm()), 1.0
        slopes = (points[-1, 1 : n + 1] - points[-1, n + 1 :]).mT / (2e-5 * scale)
        step = -torch.linalg.solve(slopes, miss)
    raise UsageError(
        f"no geodesic between the points within {rounds} rounds; take points nearer to each other"
    )
