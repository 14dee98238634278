"""Positive definite systems of kernel matrices: factor, solve, invert.

All of it is torch and runs on any device. On a CPU a large matrix is factored by LAPACK within its own
memory, which torch cannot: 20,000 rows in float32 then take 1.6 GB and not twice as much.
"""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController
from torch import Tensor

from lior.errors import UsageError

_JITTERS = (0.0, *(10.0**power for power in range(-5, 6)))
"""Added to the diagonal in turn, relative to its mean, until the matrix is positive definite."""
_IN_PLACE = 256
"""From so many rows on a CPU uses LAPACK without copies, which is also a little faster."""
_LARGE = 4_000
"""Rows up to which LAPACK has one thread. Its threads spin while they wait: beside three busy processes, to
forget rows of a table of 400 took 9 s with two threads, and .3 s with one."""


class Factor(NamedTuple):
    """Cholesky factor of ``A + added · 1``."""

    lower: Tensor
    """``L (N, N)``, or ``(F, N, N)``; what is above the diagonal is not part of it."""
    added: float
    """0 but for matrices that are indefinite, or singular to rounding."""

    def solve(self, b: Tensor) -> Tensor:
        """``(L Lᵀ)⁻¹ b`` for ``b (N, C)``, of each for a stack ``(F, N, C)``."""
        if not _in_place(self.lower):
            return torch.cholesky_solve(b, self.lower)
        solution, _ = _lapack("potrs", self.lower.numpy().T, b.numpy(), lower=0)
        return torch.from_numpy(solution).contiguous()

    def inverse(self) -> Tensor:
        """``(L Lᵀ)⁻¹ (N, N)``; the factor is used up."""
        if not _in_place(self.lower):
            return torch.cholesky_inverse(self.lower)
        found, _ = _lapack("potri", self.lower.numpy().T, lower=0, overwrite_c=1)
        full = torch.from_numpy(found.T)
        _mirror(full, from_lower=True)
        return full


def factor(a: Tensor) -> Factor:
    """Cholesky factor of a symmetric ``a (N, N)``, which may be used up; or of each of a stack ``(F, N, N)``.

    Raises
    ------
    UsageError
        When the matrix has numbers that are not finite.
    """
    if a.ndim == 3:
        stacked, info = torch.linalg.cholesky_ex(a)
        if not bool(info.any()):
            return Factor(stacked, 0.0)
        found = [factor(each) for each in a]
        return Factor(torch.stack([each.lower for each in found]), max(each.added for each in found))
    diagonal = a.diagonal().clone()
    level = float(diagonal.mean())
    if not torch.isfinite(diagonal).all():
        raise UsageError("the kernel matrix has numbers that are not finite; scale the columns of the table")
    for jitter in _JITTERS:
        if not _in_place(a):
            b = a if jitter == 0 else a + torch.eye(len(a), dtype=a.dtype, device=a.device) * (jitter * level)
            lower, info = torch.linalg.cholesky_ex(b)
        else:
            a.diagonal().copy_(diagonal + jitter * level)
            # A symmetric matrix by rows is itself by columns, as LAPACK wants it; the triangle above stays.
            found, info = _lapack("potrf", a.numpy().T, lower=0, overwrite_a=1, clean=0)
            lower = torch.from_numpy(found.T)
            if info:
                _mirror(a, from_lower=False)
        if int(info) == 0:
            return Factor(lower, jitter * level)
    raise UsageError(
        "the kernel matrix is far from positive definite; choose another product or resilience source"
    )


def times_triangle(a: Tensor, upper: Tensor, *, size: int = 512) -> Tensor:
    """``a U (B, N)`` for a triangle ``U (N, N)``, 0 below the diagonal, whose zeros are not multiplied."""
    ends = range(size, len(upper) + size, size)
    return torch.cat([a[:, :end] @ upper[:end, end - size : end] for end in ends], 1)


def _in_place(a: Tensor) -> bool:
    return a.ndim == 2 and a.device.type == "cpu" and len(a) >= _IN_PLACE


def _lapack(name: str, a: Any, *others: Any, **options: Any) -> Any:
    """What a function of LAPACK returns for ``a`` of its type."""
    call = getattr(lapack, ("s" if a.dtype == np.float32 else "d") + name)
    with nullcontext() if len(a) > _LARGE else _libraries().limit(limits=1, user_api="blas"):
        return call(a, *others, **options)


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def _mirror(a: Tensor, *, from_lower: bool, size: int = 512) -> None:
    """Copy one triangle of ``a`` to the other, block by block."""
    for at in range(0, len(a), size):
        rows = slice(at, min(at + size, len(a)))
        corner = a[rows, rows].tril() if from_lower else a[rows, rows].triu().mT
        a[rows, rows] = corner + corner.tril(-1).mT
        if from_lower:
            a[:at, rows] = a[rows, :at].mT
        else:
            a[rows, :at] = a[:at, rows].mT
