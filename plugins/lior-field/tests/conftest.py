"""Shared fields and generators. Tests run side by side, each on one core."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and by commands
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as the command line does, so that both give the same bits

import pytest
import torch
from torch import Generator, Tensor

from lior_field.grid import Grid


@pytest.fixture
def generator() -> Generator:
    """Seeded."""
    return torch.Generator().manual_seed(0)


def noise(generator: Generator, *shape: int) -> Tensor:
    """Complex normal numbers in float64."""
    return torch.view_as_complex(torch.randn(*shape, 2, generator=generator, dtype=torch.float64))


def curved_grid(nx: int = 6, ny: int = 5) -> Grid:
    """A grid whose metric varies from place to place, with mixed terms."""
    maker = torch.Generator().manual_seed(1)
    root = torch.eye(2, dtype=torch.float64) + 0.2 * torch.randn(
        nx, ny, 2, 2, generator=maker, dtype=torch.float64
    )
    return Grid(shape=(nx, ny), spacing=(0.7, 1.1), inverse=root @ root.mT)
