"""The ground state in imaginary time beside the referee of lior-ritz, which shares nothing with it."""

from __future__ import annotations

import pytest
import torch

from lior_field.dynamics import Dissipative
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_field.laws.dynamics import REFEREE

configuration = pytest.importorskip("lior_ritz.config")
referee = pytest.importorskip("lior_ritz.judge.reference")

FORMULA = "x**2 + y**2 + 0.3*x*y + 0.2*x**4 + 0.1*y**4"


def test_imaginary_time_ends_at_the_energy_of_the_referee() -> None:
    assignments = ["potential.type=expression", f"potential.expression={FORMULA}", "domain.X=6", "domain.Y=6"]
    problem = configuration.problem(configuration.load((), assignments).config)
    found = referee.solve(problem, 1)
    assert float(found.errors[0]) < 1e-9
    assert float(found.energies[0]) == pytest.approx(REFEREE, rel=1e-9)  # the constant of the law

    grid = Grid(shape=(32, 32), spacing=(0.3125, 0.3125), spectral=True)
    x, y = grid.sites()
    # The referee's H is −∇² + V: ħ²/2m = 1.
    h = Hamiltonian(grid=grid, potential=x**2 + y**2 + 0.3 * x * y + 0.2 * x**4 + 0.1 * y**4, mass=0.5)
    system = Dissipative(hamiltonian=h, dt=1.0)
    state = system.start(torch.exp(-(x.square() + y.square())).to(torch.complex128))
    for _ in range(8):
        state = system.step(state)
    assert float(system.energy(state)) == pytest.approx(float(found.energies[0]), rel=1e-9)
