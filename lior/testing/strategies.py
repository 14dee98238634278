"""Hypothesis strategies for tensors and coordinates.

A tensor is drawn as an *edge* (a kind of values) and a seed. So a failing example is two small numbers,
shrinks towards seed 0, and costs the same for every size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Self, TypeVar

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

Plugin = TypeVar("Plugin")

LAW = settings(
    max_examples=15,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
"""Settings of a law in a contract suite: quick, no files, and no verdict that depends on a slow machine.

Two small numbers need no explanation, which would take longer than the search for them. Classes that check
several plugins share the laws.
"""


def law(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a law of a contract suite: it is checked for several drawn values of its arguments."""
    return lambda check: LAW(given(**strategies)(check))


class Contract(Generic[Plugin]):
    """The laws of a kind of plugin: methods ``test_*`` that check what :attr:`make` returns."""

    make: Callable[[], Plugin]
    """A function that returns a new plugin, with the options under test."""

    @classmethod
    def of(cls, make: Callable[[], Plugin]) -> type[Self]:
        """Return a new class that checks the plugin that ``make()`` returns for each test."""
        return type(cls.__name__, (cls,), {"make": staticmethod(make)})


def made() -> st.SearchStrategy[Any]:
    """Return the plugin that the :class:`Contract` of the running law makes, for strategies that need it."""
    return st.runner().map(lambda contract: contract.make())


DTYPES: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
"""The floating-point types that every implementation supports."""


def _normal(shape: Sequence[int], generator: Generator) -> Tensor:
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float64)


def _ties(shape: Sequence[int], generator: Generator) -> Tensor:
    return torch.randint(-1, 2, tuple(shape), generator=generator).double()


def _repeat(shape: Sequence[int], generator: Generator) -> Tensor:
    return _normal(shape[-1:], generator).expand(tuple(shape)).clone()


def _scale(factor: float) -> Callable[[Sequence[int], Generator], Tensor]:
    return lambda shape, generator: factor * _normal(shape, generator).clamp(-3, 3)


_FILL: dict[str, Callable[[Sequence[int], Generator], Tensor]] = {
    "normal": _normal,
    "zeros": lambda shape, generator: torch.zeros(tuple(shape), dtype=torch.float64),
    "ties": _ties,
    "repeated": _repeat,
    "small": _scale(1e-6),
    "tiny": _scale(1e-38),
    "large": _scale(1e6),
    "huge": _scale(1e38),
}

EDGES: tuple[str, ...] = tuple(_FILL)
"""Kinds of values: all zeros, few distinct values, one row repeated, five magnitudes."""

FINITE_SQUARES: tuple[str, ...] = tuple(edge for edge in EDGES if edge != "huge")
"""The kinds whose squares do not overflow float32."""


def fill(shape: Sequence[int], edge: str, seed: int, dtype: torch.dtype) -> Tensor:
    """Return the tensor for a shape, a kind of values (one of :data:`EDGES`) and a seed."""
    return _FILL[edge](shape, torch.Generator().manual_seed(seed)).to(dtype)


def dtypes() -> st.SearchStrategy[torch.dtype]:
    """Return ``float32`` or ``float64``."""
    return st.sampled_from(DTYPES)


def seeds() -> st.SearchStrategy[int]:
    """Return seeds of a generator; small, so that they read well in a report."""
    return st.integers(0, 2**16 - 1)


def dimensions() -> st.SearchStrategy[int]:
    """Return dimensions of a coordinate: the smallest, an odd one, the smallest useful and the default."""
    return st.sampled_from((2, 3, 8, 64))


def rotation(n: int, seed: int, dtype: torch.dtype) -> Tensor:
    """Return a rotation ``(n, n)`` of determinant +1, uniformly distributed (QR of a normal matrix)."""
    q, r = torch.linalg.qr(fill((n, n), "normal", seed, torch.float64))
    q = q * r.diagonal().sign()
    if torch.linalg.det(q) < 0:
        q[:, -1] = -q[:, -1]
    return q.to(dtype)
