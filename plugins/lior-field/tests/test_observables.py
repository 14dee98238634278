"""Laws of what is read from a field."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import curved_grid, noise
from torch import Generator

from lior.errors import UsageError
from lior.testing.tensors import gradients
from lior_field import observables as read

GRID = curved_grid()


def test_the_density_matrix_is_a_state_and_its_entropy_within_bounds(generator: Generator) -> None:
    for d in (2, 5):
        rho = read.density(GRID, noise(generator, 6, 5, d, d))
        assert rho.diagonal().real.sum() == pytest.approx(1, abs=1e-12)
        torch.testing.assert_close(rho, rho.mH)
        assert torch.linalg.eigvalsh(rho).min() >= -1e-15
        assert 0 <= read.entropy(rho) <= math.log(d)
    pure = torch.outer(noise(generator, 3), torch.ones(3, dtype=torch.complex128)).expand(6, 5, 3, 3)
    assert read.entropy(read.density(GRID, pure)) < 1e-12
    assert read.entropy(torch.eye(4, dtype=torch.complex128) / 4) == pytest.approx(math.log(4))


def test_the_slope_of_the_variable_order_is_autograd(generator: Generator) -> None:
    psi, weight = noise(generator, 6, 5, 2), torch.rand(6, 5, generator=generator, dtype=torch.float64)
    psi[0, 0] = 0
    p = psi[psi != 0].abs().square()
    measure = (GRID.volume * weight)[..., None].expand(6, 5, 2)[psi != 0]
    order = {"order": torch.tensor(0.7, dtype=torch.float64)}
    slope = gradients(lambda state: (measure * p ** state["order"]).sum(), order, ("order",))["order"]
    found = read.variable_entropy(GRID, psi, 0.7, weight)
    assert float(found.slope) == pytest.approx(float(slope), rel=1e-12)
    assert float(read.variable_entropy(GRID, psi, 1.0).value) == pytest.approx(
        float(GRID.norm(psi) ** 2), rel=1e-12
    )


def test_expectations_are_real_and_within_the_spectrum(generator: Generator) -> None:
    t, a = noise(generator, 6, 5, 3, 3), noise(generator, 3, 3)
    operator = a + a.mH
    value, spectrum = read.expectation(GRID, t, operator), torch.linalg.eigvalsh(operator)
    assert spectrum[0] <= value <= spectrum[-1]
    by_density = (read.density(GRID, t) @ operator).diagonal().sum().real
    torch.testing.assert_close(value, by_density)


def test_a_soft_projection_is_idempotent_at_full_strength_and_never_grows(generator: Generator) -> None:
    t, one = noise(generator, 6, 5, 3, 3), torch.nn.functional.normalize(noise(generator, 3), dim=0)
    p = torch.outer(one, one.conj())
    full = read.softly_projected(t, p, 1.0)
    torch.testing.assert_close(read.softly_projected(full, p, 1.0), full)
    torch.testing.assert_close(read.softly_projected(t, p, 0.0), t)
    norms = [GRID.norm(read.softly_projected(t, p, s)) for s in (0.0, 0.3, 0.7, 1.0)]
    assert norms == sorted(norms, reverse=True)
    with pytest.raises(UsageError, match="projector"):
        read.softly_projected(t, 2 * p, 0.5)
    with pytest.raises(UsageError, match="strength"):
        read.softly_projected(t, p, 1.5)


def test_outcomes_have_borns_frequencies_and_repeat_themselves(generator: Generator) -> None:
    t = noise(generator, 6, 5, 3, 3)
    basis = torch.linalg.qr(noise(generator, 3, 3)).Q
    chances = (basis.mH @ read.density(GRID, t) @ basis).diagonal().real
    counts = torch.zeros(3, dtype=torch.float64)
    for _ in range(3000):
        outcome, after = read.collapse(GRID, t, basis, generator=generator)
        counts[outcome] += 1
    assert (
        float(((counts - 3000 * chances).square() / (3000 * chances)).sum()) < 13.8
    )  # chi², 2 degrees, 0.001
    torch.testing.assert_close(GRID.norm(after), GRID.norm(t))
    assert all(read.collapse(GRID, after, basis, generator=generator)[0] == outcome for _ in range(20))


def test_the_spectrum_says_how_well_a_rank_reconstructs(generator: Generator) -> None:
    a = noise(generator, 8, 5)
    found = read.spectrum(a)
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    for r in range(6):
        error = (a - (u[:, :r] * s[:r]) @ vh[:r]).norm() / a.norm()
        assert float(found.errors[r]) == pytest.approx(float(error), abs=1e-12)
    assert read.spectrum(torch.eye(7)).effective_rank == pytest.approx(7)
    assert read.spectrum(torch.outer(a[:, 0], a[0])).effective_rank == pytest.approx(1)
    assert read.spectrum(torch.diag(torch.tensor([3.0, 2.0, 1.0]))).effective_rank == pytest.approx(
        14**2 / 98
    )
    assert read.spectrum(torch.zeros(3, 2)).effective_rank == 0
    with pytest.raises(UsageError, match="0 everywhere"):
        read.density(GRID, torch.zeros(6, 5, 2, 2, dtype=torch.complex128))
