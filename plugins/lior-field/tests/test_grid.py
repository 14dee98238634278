"""Laws of the grid's operators and of functions of the Hamiltonian."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import curved_grid, noise
from torch import Generator

from lior.errors import UsageError
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian

SKEW = torch.tensor([[1.5, 0.4], [0.4, 0.8]])


def flat(**kwargs: object) -> Grid:
    return Grid(shape=(6, 5), spacing=(0.7, 1.1), inverse=SKEW, **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "grid", [flat(), flat(spectral=True), curved_grid()], ids=["flat", "spectral", "curved"]
)
def test_the_laplacian_is_self_adjoint_not_positive_and_kills_constants(
    grid: Grid, generator: Generator
) -> None:
    a, b = noise(generator, 6, 5, 2, 3), noise(generator, 6, 5, 2, 3)
    left, right = grid.inner(a, grid.laplacian(b)), grid.inner(grid.laplacian(a), b)
    assert abs(left - right) < 1e-12 * abs(left)
    assert grid.inner(a, grid.laplacian(a)).real < 0
    assert grid.laplacian(torch.ones(6, 5, dtype=torch.complex128)).abs().max() < 1e-12


def test_the_symbol_is_the_stencil(generator: Generator) -> None:
    t = noise(generator, 6, 5, 2)
    grid = flat()
    torch.testing.assert_close(grid.laplacian(t), -grid.filter(grid.symbol(), t))
    assert grid.symbol().min() == 0


@pytest.mark.parametrize(
    "grid", [flat(), flat(spectral=True), curved_grid()], ids=["flat", "spectral", "curved"]
)
def test_a_laplacian_is_added_in_place(grid: Grid, generator: Generator) -> None:
    total, t = noise(generator, 6, 5, 2), noise(generator, 6, 5, 2)
    expected = total - 0.3 * grid.laplacian(t)
    grid.add_laplacian(total, t, -0.3)
    torch.testing.assert_close(total, expected, rtol=0, atol=1e-14)


def test_single_precision_stays_single(generator: Generator) -> None:
    h, t = Hamiltonian(grid=flat(), potential=torch.rand(6, 5, generator=generator)), noise(generator, 6, 5)
    found = h.exponential(t.to(torch.complex64), -1j)
    assert found.dtype == torch.complex64
    torch.testing.assert_close(found.to(torch.complex128), h.exponential(t, -1j), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("grid", [flat(), curved_grid()], ids=["flat", "curved"])
def test_the_bound_holds_the_spectrum(grid: Grid) -> None:
    unit = torch.eye(30, dtype=torch.complex128).reshape(6, 5, 30)
    # Rows of the matrix under the grid's inner product, where it is Hermitian.
    matrix = grid.laplacian(unit).reshape(30, 30)
    largest = torch.linalg.eigvals(-matrix).real.max()
    assert largest <= grid.largest() * (1 + 1e-12)
    assert grid.largest() < 3 * largest


@pytest.mark.parametrize("shape", [(6, 8), (6, 5), (5, 8), (5, 7)])
def test_a_sheared_spectral_laplacian_of_a_real_field_is_real(
    shape: tuple[int, int], generator: Generator
) -> None:
    grid = Grid(shape=shape, spacing=(0.7, 1.1), inverse=SKEW, spectral=True)
    t = torch.randn(*shape, generator=generator, dtype=torch.float64)
    found = grid.laplacian(t.to(torch.complex128))
    assert found.imag.abs().max() < 1e-13 * found.abs().max()
    torch.testing.assert_close(grid.laplacian(t), found.real)
    assert grid.symbol().min() == 0


def test_a_wave_has_its_wave_number_squared() -> None:
    grid = Grid(shape=(16, 16), spacing=(0.5, 0.5), spectral=True)
    x, y = grid.sites()
    k = (2 * math.pi / 8, -4 * math.pi / 8)
    wave = torch.exp(1j * (k[0] * x + k[1] * y))
    torch.testing.assert_close(grid.laplacian(wave), -(k[0] ** 2 + k[1] ** 2) * wave)


@pytest.mark.parametrize("factor", [-1.3j, -40j, -0.9 + 0j, -40 + 0j, 0.2 + 0j, 0.3 - 0.4j, 1e-14j, 0j])
@pytest.mark.parametrize("grid", [flat(), curved_grid()], ids=["flat", "curved"])
def test_the_exponential_is_that_of_the_matrix(grid: Grid, factor: complex, generator: Generator) -> None:
    h = Hamiltonian(
        grid=grid, potential=torch.rand(6, 5, generator=generator, dtype=torch.float64), mass=0.7, hbar=1.2
    )
    t = noise(generator, 6, 5)
    unit = torch.eye(30, dtype=torch.complex128).reshape(6, 5, 30)
    matrix = h.apply(unit).reshape(30, 30)
    shift = h.bounds[0] if factor.imag == 0 else 0.0
    expected = torch.linalg.matrix_exp(
        factor * (matrix - shift * torch.eye(30, dtype=torch.complex128))
    ) @ t.reshape(30)
    torch.testing.assert_close(h.exponential(t, factor).reshape(30), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"shape": (2, 5)}, "at least 3"),
        ({"shape": (16,)}, "two whole numbers"),
        ({"shape": (4, 4, 4)}, "two whole numbers"),
        ({"shape": (4.0, 5)}, "two whole numbers"),
        ({"shape": 16}, "two whole numbers"),
        ({"shape": (5, 5), "spacing": 0.5}, "two finite numbers"),
        ({"shape": (5, 5), "spacing": (0.5,)}, "two finite numbers"),
        ({"shape": (5, 5), "spacing": (0.0, 1.0)}, "above 0"),
        ({"shape": (5, 5), "inverse": torch.zeros(2, 2)}, "positive definite"),
        ({"shape": (5, 5), "inverse": torch.eye(3)}, "inverse metric of shape"),
        ({"shape": (6, 5), "inverse": curved_grid().inverse, "spectral": True}, "same at every site"),
    ],
)
def test_wrong_grids_are_refused(kwargs: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Grid(**kwargs)  # type: ignore[arg-type]


def test_wrong_constants_are_refused() -> None:
    with pytest.raises(UsageError, match="mass"):
        Hamiltonian(grid=flat(), mass=0.0)
    with pytest.raises(UsageError, match="potential of shape"):
        Hamiltonian(grid=flat(), potential=torch.zeros(3, 3))
