"""Strategies for tensors and metrics that only the project's own tests draw."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor

from lior.geometry.metric import root
from lior.interfaces import MetricForm
from lior.testing.strategies import EDGES, dimensions, dtypes, fill, rotation, seeds

ORDINARY: tuple[str, ...] = ("normal", "zeros", "ties", "repeated", "small")
"""The kinds of values whose relative rounding errors are like those of numbers near 1."""


def tensors(
    *shape: int, dtype: torch.dtype | None = None, edges: Sequence[str] = EDGES
) -> st.SearchStrategy[Tensor]:
    """Return a strategy for tensors of a shape and of ``dtype``, or either type, with values of the given
    kinds.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(tensors(2, 3, edges=["zeros"]), lambda x: True).shape
    torch.Size([2, 3])
    """
    types = dtypes() if dtype is None else st.just(dtype)
    return st.builds(fill, st.just(shape), st.sampled_from(tuple(edges)), seeds(), types)


def identity_form(
    n: int, rank: int = 0, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> MetricForm:
    """Return the Euclidean metric on ``R^n``, with ``rank`` directions of weight 0."""
    eye = torch.eye(n, dtype=dtype, device=device)
    return MetricForm(
        q=None,
        lam=eye.new_ones(n),
        omega2=eye.new_ones(()),
        u=eye[:, torch.arange(rank, device=device) % n],
        d=eye.new_zeros(rank),
    )


def quad(form: MetricForm, v: Tensor) -> Tensor:
    """Return ``g(v, v) >= 0`` for ``v (..., n)``, shape ``(...)``."""
    return (v @ root(form).mT).square().sum(-1)


@st.composite
def metric_forms(
    draw: st.DrawFn, n: int | None = None, rank: int | None = None, dtype: torch.dtype | None = None
) -> MetricForm:
    """Draw metrics in range: with and without rotation and low-rank part, with equal scales, with zero
    weights.
    """
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
