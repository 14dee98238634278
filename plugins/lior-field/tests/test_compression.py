"""Laws of the spectrum of a table."""

from __future__ import annotations

import pytest
import torch
from conftest import noise
from torch import Generator

from lior_field.compression import spectrum


def test_the_spectrum_says_how_well_a_rank_reconstructs(generator: Generator) -> None:
    a = noise(generator, 8, 5)
    found = spectrum(a)
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    for r in range(6):
        error = (a - (u[:, :r] * s[:r]) @ vh[:r]).norm() / a.norm()
        assert float(found.errors[r]) == pytest.approx(float(error), abs=1e-12)
    assert spectrum(torch.eye(7)).effective_rank == pytest.approx(7)
    assert spectrum(torch.outer(a[:, 0], a[0])).effective_rank == pytest.approx(1)
    assert spectrum(torch.diag(torch.tensor([3.0, 2.0, 1.0]))).effective_rank == pytest.approx(14**2 / 98)
    assert spectrum(torch.zeros(3, 2)).effective_rank == 0
