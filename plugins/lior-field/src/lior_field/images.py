"""The derivatives at the centre of a patch of an image or a video.

The polynomial ``Σ_a c_a x^a / a!`` about the centre of a patch is fitted to the field by least squares. So
``c_a`` estimates the derivative ``∂^a`` there: for ``|a| = 0, 1, 2`` a smoothed value, the gradient and the
second derivatives (A. Savitzky and M. Golay, *Analytical Chemistry* 36, 1964). The estimate is a fixed
linear map of the pixels, exact for polynomials of that degree. Time is an axis like the others: a pattern
that moves with velocity ``v`` has ``∂_t = −v·∇``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from lior.errors import UsageError


def orders(axes: int, degree: int) -> list[tuple[int, ...]]:
    """Return the orders of the derivatives along each axis, up to ``degree`` in total: the value, gradient
    and so on.

    >>> orders(2, 2)
    [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    every = (a for a in product(range(degree + 1), repeat=axes) if sum(a) <= degree)
    return sorted(every, key=lambda a: (sum(a), [-each for each in a]))


def observables(size: Sequence[int], degree: int = 2) -> Tensor:
    """Return the map from the pixels of a patch to the derivatives at its centre, float64 ``(M,
    prod(size))``.

    Rows follow :func:`orders`, in units of a pixel; the last axis of the patch runs fastest.

    Parameters
    ----------
    size
        Pixels along each axis.

    Raises
    ------
    UsageError
        When ``degree`` is below 0, or a size is no larger than it.
    """
    if degree < 0 or not size or min(size) <= degree:
        raise UsageError(f"patch of {tuple(size)} pixels: more than degree {degree}, from 0, along each axis")
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in size]
    sites = torch.cartesian_prod(*axes).reshape(-1, len(size))
    terms = orders(len(size), degree)
    powers = sites[:, None] ** torch.tensor(terms)
    factorials = torch.tensor([math.prod(map(math.factorial, a)) for a in terms])
    return torch.linalg.pinv(powers.prod(-1) / factorials)
