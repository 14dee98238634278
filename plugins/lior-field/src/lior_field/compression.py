"""The tables of a run as matrices: their spectra, and the model after they are cut to a rank."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lior import Model
from lior.errors import RunError
from lior.runs import Checkpoint

SHARES = (0.9, 0.99, 0.999)
_SMALLEST = 4


class Spectrum(NamedTuple):
    """Singular values of a matrix, and measures of them."""

    values: Tensor
    """``σ``, largest first."""
    effective_rank: float
    """``(Σσ²)²/Σσ⁴``: the number of values, if all were equal."""
    errors: Tensor
    """``√(Σ_{i>=r} σ_i² / Σσ²)`` for ``r = 0 .. len(σ)``.

    The relative error of the best matrix of rank ``r``.
    """


def spectrum(matrix: Tensor) -> Spectrum:
    """Return the spectrum of ``matrix (m, n)``, real or complex; zeros have effective rank 0 and errors 0."""
    values = torch.linalg.svdvals(matrix)
    squares = values.double().square()
    total = squares.sum()
    if not float(total) > 0:
        return Spectrum(values, 0.0, squares.new_zeros(len(values) + 1))
    left = torch.cat([squares.flip(0).cumsum(0).flip(0), squares.new_zeros(1)])
    return Spectrum(values, float(total**2 / squares.square().sum()), (left / total).sqrt())


class TableSpectrum(NamedTuple):
    """The spectrum of a table of the geometry; its rows run along the last dimension."""

    name: str
    shape: tuple[int, int]
    effective_rank: float
    ranks: dict[str, int]
    """Rank that preserves each share of the squares."""
    values: list[float]
    """Singular values, largest first."""


def _matrices(model: Model) -> dict[str, Tensor]:
    """Return the learned entries with two sides of at least 4."""
    if model.geometry is None:
        raise RunError("the run has no geometry and so no tables; train with --memory exact or sdm,exact")
    learned = model.geometry.learned(model.state)
    flat = {name: value.flatten(0, -2) for name, value in learned.items() if value.ndim >= 2}
    return {name: value for name, value in flat.items() if min(value.shape) >= _SMALLEST}


@torch.no_grad()
def tables(model: Model) -> list[TableSpectrum]:
    """Return the spectra of all tables.

    Raises
    ------
    RunError
        When the model has no geometry.
    """
    found = []
    for name, matrix in _matrices(model).items():
        values, effective, errors = spectrum(matrix)
        ranks = {f"{share:g}": int((errors.square() > 1 - share).sum()) for share in SHARES}
        found.append(
            TableSpectrum(name, (matrix.shape[0], matrix.shape[1]), effective, ranks, values.tolist())
        )
    return found


@torch.no_grad()
def truncate(run: Checkpoint, rank: int) -> float:
    """Cut the tables of ``run.model``, which is changed, and write its memories anew.

    Returns
    -------
    float
        Size of two factors of that rank, as a share of the full tables.

    Raises
    ------
    RunError
        When the model has no geometry.
    """
    state, before, after = dict(run.model.state), 0, 0
    for name, matrix in _matrices(run.model).items():
        rows, columns = matrix.shape
        before += rows * columns
        after += min(rank * (rows + columns), rows * columns)
        if rank < min(rows, columns):
            u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
            state[name] = ((u[:, :rank] * s[:rank]) @ vh[:rank]).reshape(state[name].shape)
    run.model.set_geometry(state)
    run.rewrite()
    return after / before if before else 1.0
