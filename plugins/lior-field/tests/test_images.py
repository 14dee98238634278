"""Derivatives on a patch: exact for polynomials, and refused where they are not determined."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from lior.errors import UsageError
from lior_field.images import observables, orders


@pytest.mark.parametrize(("size", "degree"), [((5,), 3), ((3, 4), 2), ((5, 3, 4), 2)])
def test_derivatives_of_a_polynomial_are_exact(size: tuple[int, ...], degree: int) -> None:
    """Of ``exp(v·x)`` up to the degree, whose derivative ``∂^a`` at the centre is ``v^a``."""
    v = torch.tensor([0.7, -1.1, 0.4], dtype=torch.float64)[: len(size)]
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in size]
    phase = sum(a * x for a, x in zip(v, torch.meshgrid(*axes, indexing="ij"), strict=True))
    field = sum(torch.as_tensor(phase) ** k / math.factorial(k) for k in range(degree + 1))
    wanted = (v ** torch.tensor(orders(len(size), degree))).prod(-1)
    assert_close(observables(size, degree) @ torch.as_tensor(field).flatten(), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("size", "degree"), [((2, 3), 2), ((), 2), ((3, 3), -1)])
def test_what_does_not_fit_is_refused(size: tuple[int, ...], degree: int) -> None:
    with pytest.raises(UsageError, match="patch of"):
        observables(size, degree)
