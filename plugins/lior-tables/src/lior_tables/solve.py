"""Positive definite systems of kernel matrices: factor, solve, invert.

All of it is torch and runs on any device. On a CPU, LAPACK factors a large matrix within its own memory,
which torch cannot: 20,000 rows in float32 then take 1.6 GB instead of twice as much.
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
"""Addends to the diagonal to try in turn, relative to its mean, until the matrix is positive definite."""
_IN_PLACE = 256
"""Minimum number of rows for which a CPU uses LAPACK without copies, which is also a little faster."""
_LARGE = 4_000
"""Maximum number of rows for which LAPACK has one thread. Its threads spin while they wait. On a machine with
three busy processes, forgetting rows of a table of 400 took 9 s with two threads, and 0.3 s with one."""


class Factor(NamedTuple):
    """Cholesky factor of ``A + added · 1``."""

    lower: Tensor
    """``L (N, N)``, or ``(F, N, N)``; the part above the diagonal is ignored."""
    added: float
    """Addend to the diagonal: 0, except for matrices that are indefinite, or singular to rounding."""

    def solve(self, b: Tensor) -> Tensor:
        """Return ``(L Lᵀ)⁻¹ b`` for ``b (N, C)``, or of each for a stack ``(F, N, C)``."""
        if not _in_place(self.lower):
            return torch.cholesky_solve(b, self.lower)
        solution, _ = _lapack("potrs", self.lower.numpy().T, b.numpy(), lower=0)
        return torch.from_numpy(solution).contiguous()

    def inverse(self) -> Tensor:
        """Return ``(L Lᵀ)⁻¹ (N, N)``; the factor's memory is reused."""
        if not _in_place(self.lower):
            return torch.cholesky_inverse(self.lower)
        found, _ = _lapack("potri", self.lower.numpy().T, lower=0, overwrite_c=1)
        full = torch.from_numpy(found.T)
        _mirror(full, from_lower=True)
        return full


def factor(a: Tensor) -> Factor:
    """Factor a symmetric ``a (N, N)``, whose memory may be reused, or each of a stack ``(F, N, N)``
    (Cholesky).

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
            # A symmetric matrix by rows is itself by columns, as LAPACK needs it; the triangle above stays.
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
    """Return ``a U (B, N)`` for a triangle ``U (N, N)``, without multiplying the zeros below the diagonal."""
    ends = range(size, len(upper) + size, size)
    return torch.cat([a[:, :end] @ upper[:end, end - size : end] for end in ends], 1)


def _in_place(a: Tensor) -> bool:
    return a.ndim == 2 and a.device.type == "cpu" and len(a) >= _IN_PLACE


def _lapack(name: str, a: Any, *others: Any, **options: Any) -> Any:
    """Call a function of LAPACK for the type of ``a``."""
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
