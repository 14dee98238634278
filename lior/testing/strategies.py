"""Hypothesis strategies for tensors, coordinates and metrics.

A tensor is drawn as an *edge* (which kind of values) and a seed, so a failing
example is two small numbers, shrinks towards seed 0, and costs the same
for every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from lior.geometry.metric import MetricForm, root

LAW = settings(
    max_examples=15,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
"""Settings of a law in a contract suite: quick, nothing written to disk, no verdict from a slow machine."""

DTYPES: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
"""The floating-point types that every implementation supports."""


def _normal(shape: Sequence[int], generator: Generator) -> Tensor:
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float64)


def _ties(shape: Sequence[int], generator: Generator) -> Tensor:
    return torch.randint(-1, 2, tuple(shape), generator=generator).double()


def _repeated(shape: Sequence[int], generator: Generator) -> Tensor:
    return _normal(shape[-1:], generator).expand(tuple(shape)).clone()


def _scaled(factor: float) -> Callable[[Sequence[int], Generator], Tensor]:
    return lambda shape, generator: factor * _normal(shape, generator).clamp(-3, 3)


_FILL: dict[str, Callable[[Sequence[int], Generator], Tensor]] = {
    "normal": _normal,
    "zeros": lambda shape, generator: torch.zeros(tuple(shape), dtype=torch.float64),
    "ties": _ties,
    "repeated": _repeated,
    "small": _scaled(1e-6),
    "tiny": _scaled(1e-38),
    "large": _scaled(1e6),
    "huge": _scaled(1e38),
}

EDGES: tuple[str, ...] = tuple(_FILL)
"""Kinds of values: all zeros, few distinct values, one row repeated, five magnitudes."""

ORDINARY: tuple[str, ...] = ("normal", "zeros", "ties", "repeated", "small")
"""The kinds for which relative rounding errors are those of numbers near 1."""

FINITE_SQUARES: tuple[str, ...] = tuple(edge for edge in EDGES if edge != "huge")
"""The kinds whose squares do not overflow float32."""


def fill(shape: Sequence[int], edge: str, seed: int, dtype: torch.dtype) -> Tensor:
    """The tensor of that shape, kind of values (one of :data:`EDGES`) and seed."""
    return _FILL[edge](shape, torch.Generator().manual_seed(seed)).to(dtype)


def dtypes() -> st.SearchStrategy[torch.dtype]:
    """``float32`` or ``float64``."""
    return st.sampled_from(DTYPES)


def seeds() -> st.SearchStrategy[int]:
    """Seeds of a generator; small, so that they read well in a report."""
    return st.integers(0, 2**16 - 1)


def dimensions() -> st.SearchStrategy[int]:
    """Dimensions of a coordinate: the smallest, an odd one, the smallest useful and the default."""
    return st.sampled_from((2, 3, 8, 64))


def tensors(
    *shape: int, dtype: torch.dtype | None = None, edges: Sequence[str] = EDGES
) -> st.SearchStrategy[Tensor]:
    """Tensors of a shape, of ``dtype`` or of either type, with values of the given kinds.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(tensors(2, 3, edges=["zeros"]), lambda x: True).shape
    torch.Size([2, 3])
    """
    types = dtypes() if dtype is None else st.just(dtype)
    return st.builds(fill, st.just(shape), st.sampled_from(tuple(edges)), seeds(), types)


def rotation(n: int, seed: int, dtype: torch.dtype) -> Tensor:
    """A rotation ``(n, n)`` of determinant +1, uniformly distributed (QR of a normal matrix)."""
    q, r = torch.linalg.qr(fill((n, n), "normal", seed, torch.float64))
    q = q * r.diagonal().sign()
    if torch.linalg.det(q) < 0:
        q[:, -1] = -q[:, -1]
    return q.to(dtype)


def identity_form(
    n: int, rank: int = 0, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> MetricForm:
    """The Euclidean metric on ``R^n``, with ``rank`` directions of weight 0."""
    eye = torch.eye(n, dtype=dtype, device=device)
    return MetricForm(
        q=None,
        lam=eye.new_ones(n),
        omega2=eye.new_ones(()),
        u=eye[:, torch.arange(rank, device=device) % n],
        d=eye.new_zeros(rank),
    )


def quad(form: MetricForm, v: Tensor) -> Tensor:
    """``g(v, v) >= 0`` for ``v (..., n)``, shape ``(...)``."""
    return (v @ root(form).mT).square().sum(-1)


@st.composite
def metric_forms(
    draw: st.DrawFn, n: int | None = None, rank: int | None = None, dtype: torch.dtype | None = None
) -> MetricForm:
    """Metrics in range: with and without rotation and low-rank part, with equal scales, with zero weights."""
    n = draw(dimensions()) if n is None else n
    rank = draw(st.sampled_from((0, 1, 4))) if rank is None else rank
    dtype = draw(dtypes()) if dtype is None else dtype
    seed = draw(seeds())
    generator = torch.Generator().manual_seed(seed)
    spread = draw(st.sampled_from((0.0, 1.0, math.log(100.0))))
    log_lam = spread * (2 * torch.rand(n, generator=generator, dtype=torch.float64) - 1)
    log_omega2 = spread * (2 * torch.rand((), generator=generator, dtype=torch.float64) - 1)
    u = torch.nn.functional.normalize(torch.randn(n, rank, generator=generator, dtype=torch.float64), dim=0)
    d = torch.rand(rank, generator=generator, dtype=torch.float64) * draw(st.sampled_from((0.0, 1.0, 100.0)))
    q = rotation(n, seed, dtype) if draw(st.booleans()) else None
    return MetricForm(q, log_lam.exp().to(dtype), log_omega2.exp().to(dtype), u.to(dtype), d.to(dtype))
