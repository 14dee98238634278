"""Patches of an image or a video as coordinates: their derivatives at the centre, and their place.

On a patch the field is fitted by least squares with the polynomial ``Σ_a c_a x^a / a!`` about its centre,
so that ``c_a`` is an estimate of the derivative ``∂^a`` there: for ``|a| = 0, 1, 2`` a smoothed value, the
gradient and the second derivatives (A. Savitzky and M. Golay, *Analytical Chemistry* 36, 1964). It is a fixed
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
    """Orders of the derivatives along each axis, up to ``degree`` in all: the value, gradient and so on.

    >>> orders(2, 2)
    [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    every = (a for a in product(range(degree + 1), repeat=axes) if sum(a) <= degree)
    return sorted(every, key=lambda a: (sum(a), [-each for each in a]))


def observables(size: Sequence[int], degree: int = 2, spacing: Sequence[float] | None = None) -> Tensor:
    """The map from the pixels of a patch to the derivatives at its centre, float64 ``(M, prod(size))``.

    Rows are those of :func:`orders`; the last axis of the patch runs fastest.

    Parameters
    ----------
    size
        Pixels along each axis.
    spacing
        Distance of two pixels along each axis, in the unit in which derivatives are wanted; 1 if not given.

    Raises
    ------
    UsageError
        When ``degree`` is below 0, a size is no larger than it, or a distance is not above 0.
    """
    spacing = [1.0] * len(size) if spacing is None else list(spacing)
    if degree < 0 or not size or min(size) <= degree:
        raise UsageError(f"patch of {tuple(size)} pixels: more than degree {degree}, from 0, along each axis")
    if len(spacing) != len(size) or not all(0 < each < math.inf for each in spacing):
        raise UsageError(f"spacing {tuple(spacing)}: allowed are {len(size)} finite numbers above 0")
    axes = [
        (torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * d for n, d in zip(size, spacing, strict=True)
    ]
    sites = torch.cartesian_prod(*axes).reshape(-1, len(size))
    terms = orders(len(size), degree)
    powers = sites[:, None] ** torch.tensor(terms)
    factorials = torch.tensor([math.prod(map(math.factorial, a)) for a in terms])
    return torch.linalg.pinv(powers.prod(-1) / factorials)


def patches(
    field: Tensor,
    size: Sequence[int],
    *,
    step: Sequence[int] | None = None,
    degree: int = 2,
    spacing: Sequence[float] | None = None,
    place: float = 1.0,
) -> Tensor:
    """Coordinates of all patches of an image or a video.

    Parameters
    ----------
    field
        An image ``(H, W)`` or ``(H, W, C)``, a video ``(T, H, W)`` or ``(T, H, W, C)``: ``size`` tells which,
        for it has a number for each axis but ``C``. Whole numbers become float32.
    size
        Pixels of a patch along each axis.
    step
        Pixels from one patch to the next along each axis; ``size``, side by side, if not given.
    degree, spacing
        As for :func:`observables`, which gives ``M`` numbers for each of the ``C`` components.
    place
        Length of the image in coordinates: what the centre of a patch, a number from 0 to 1 along each axis,
        is multiplied by.

    Returns
    -------
    Tensor
        ``(P, C·M + axes)``: derivatives of the first component, of the others, place; patches along the last
        axis run fastest. Pixels at the end that fill no patch are left out.

    Raises
    ------
    UsageError
        When the shapes do not fit, or as :func:`observables`.
    """
    axes, step = len(size), list(size if step is None else step)
    reading = observables(size, degree, spacing)
    if field.ndim not in (axes, axes + 1) or any(n < s for n, s in zip(field.shape, size, strict=False)):
        raise UsageError(f"field of shape {tuple(field.shape)}: {tuple(size)} pixels or more, and components")
    if len(step) != axes or min(step) < 1:
        raise UsageError(f"step {tuple(step)}: allowed are {axes} whole numbers above 0")
    windows = field if field.is_floating_point() else field.float()
    windows = windows[..., None] if field.ndim == axes else windows
    for axis in range(axes):
        windows = windows.unfold(axis, size[axis], step[axis])
    read = windows.flatten(-axes) @ reading.to(windows).mT
    centres = [
        (torch.arange(count).to(read) * by + n / 2) / whole
        for count, by, n, whole in zip(read.shape, step, size, field.shape, strict=False)
    ]
    where = torch.stack(torch.meshgrid(*centres, indexing="ij"), -1) * place
    return torch.cat([read.flatten(-2), where], -1).flatten(0, axes - 1)
