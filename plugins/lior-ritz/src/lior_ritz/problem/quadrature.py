"""Quadrature rules over the box: Gauss-Legendre, uniform grids, jittered grids, Monte Carlo, Sobol points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy.special import roots_legendre

from lior_ritz.problem.arrays import Numbers

if TYPE_CHECKING:
    import torch

GRIDS = ("gauss_legendre", "fixed_grid", "jittered_grid")
RANDOM = ("jittered_grid", "monte_carlo", "sobol")
"""Rules that are drawn anew for every step."""
_PANEL, _PANEL_SPARE = 100, 20
"""Nodes of a panel, and more of them for the waves that its ends cut."""
MODES = (*GRIDS, "monte_carlo", "sobol")


@attrs.frozen
class Rule:
    """Nodes and weights; ``Σ weights·f(nodes)`` stands for the integral over the whole box."""

    points: Numbers
    """``[N, d]``, in the half of the box with ``xᵢ >= 0`` for each folded axis."""
    weights: Numbers
    """``[N]``; they sum to the volume of the whole box."""

    def to(self, device: torch.device, dtype: torch.dtype) -> Rule:
        """The same as tensors on a device, in a precision."""
        import torch

        return Rule(*(torch.as_tensor(each).to(device, dtype) for each in (self.points, self.weights)))


def grid_rule(
    mode: str,
    sizes: Sequence[int],
    half_widths: Sequence[float],
    folded: frozenset[int] = frozenset(),
    stretch: Sequence[float] | None = None,
) -> Rule:
    """A tensor product of Gauss-Legendre or of trapezoid rules.

    Parameters
    ----------
    mode
        ``gauss_legendre``, exact to degree ``2n - 1`` on each axis, or ``fixed_grid``, the uniform grid that
        begins and ends on the edge, with half weights there.
    sizes
        Nodes on each axis.
    folded
        Axes of which only the nodes with ``x >= 0`` are wanted, with the weights of both halves: for
        integrands that are even.
    stretch
        For each axis ``s`` of the substitution ``x = X sinh(s t) / sinh(s)``, which draws nodes to the
        middle; 0 leaves them.
    """
    stretch = stretch or [0.0] * len(sizes)
    axes = [
        _axis_rule(mode, n, width, i in folded, s)
        for i, (n, width, s) in enumerate(zip(sizes, half_widths, stretch, strict=True))
    ]
    return _product(axes)


def whole_rule(
    half_widths: Sequence[float], sizes: Sequence[int], stretch: Sequence[float] | None = None
) -> Rule:
    """Gauss-Legendre nodes of both halves of each axis apart, about ``sizes`` on the whole axes: integrals
    over one side of the middle are as accurate as those over all of it. ``stretch`` is as for
    :func:`grid_rule`."""
    axes = []
    for width, size, s in zip(half_widths, sizes, stretch or [0.0] * len(sizes), strict=True):
        x, w = legendre(-(-size // 2))
        t, w = (x + 1) / 2, w / 2
        if s:
            t, w = np.sinh(s * t) / np.sinh(s), w * s * np.cosh(s * t) / np.sinh(s)
        axes.append((width * np.concatenate([-t[::-1], t]), width * np.concatenate([w[::-1], w])))
    return _product(axes)


def _product(axes: Sequence[tuple[np.ndarray, np.ndarray]]) -> Rule:
    """The rule over all axes from nodes and weights of each."""
    nodes = np.meshgrid(*(x for x, _ in axes), indexing="ij")
    product = axes[0][1]
    for _, weights in axes[1:]:
        product = np.multiply.outer(product, weights)
    return Rule(np.stack([x.ravel() for x in nodes], 1), product.ravel())


@lru_cache(64)
def legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss-Legendre rule on ``[-1, 1]``, ``[n]`` each; not to be written to.

    SciPy's take ``n²`` operations (G. H. Golub and J. H. Welsch, Math. Comp. 23, 221, 1969), NumPy's ``n³``:
    ten seconds for 3,000 nodes.
    """
    x, w = roots_legendre(n)
    return x, w


@lru_cache(64)
def panels(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss-Legendre rules on equal parts of ``[-1, 1]``: at least ``n``, evenly spread
    but for a factor, and found in ``n`` operations; not to be written to."""
    count = max(1, n // _PANEL)
    t, w = legendre(-(-n // count) + _PANEL_SPARE)
    middles = (2 * np.arange(count) + 1) / count - 1
    return (middles[:, None] + t / count).ravel(), np.tile(w / count, count)


def stretch_for(reach: float, half_width: float, share: float) -> float:
    """Return the ``s`` that maps ``share`` of the interval of ``t`` to places within ``reach`` of the middle,
    or 0 if a larger share lies there anyway.

    Gauss-Legendre nodes crowd at the ends of that interval: ``2 asin(share)/π`` of them come to lie within.
    """
    low, high = 0.0, 12.0
    if reach >= share * half_width:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        inside = np.arcsinh(reach / half_width * np.sinh(middle)) / middle
        low, high = (middle, high) if inside < share else (low, middle)
    return low


def _axis_rule(
    mode: str, n: int, half_width: float, fold: bool, stretch: float
) -> tuple[np.ndarray, np.ndarray]:
    if mode == "gauss_legendre":
        x, w = legendre(n)
    else:
        x, w = np.linspace(-1.0, 1.0, n), np.full(n, 2.0 / (n - 1))
        w[[0, -1]] /= 2
    if stretch:
        x, w = np.sinh(stretch * x) / np.sinh(stretch), w * stretch * np.cosh(stretch * x) / np.sinh(stretch)
    x, w = half_width * x, half_width * w
    if not fold:
        return x, w
    keep = np.arange(n // 2, n)  # with n odd the first of these is the node at 0, which has no mirror image
    w = 2 * w[keep]
    if n % 2:
        w[0] /= 2
    return np.abs(x[keep]), w
