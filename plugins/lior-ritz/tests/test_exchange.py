"""Two electrons in the states of a run."""

from __future__ import annotations

import pytest
from solved import solve

from lior.errors import UsageError
from lior_ritz.electrons.exchange import exchange

RANDOM = ["training.steps=0", "training.lbfgs_refine.steps=0", "model.hidden_features=96"]
"""Features that were not trained: as good as a network for these, and there at once."""


@pytest.fixture(scope="module")
def dot():
    return solve(overrides=RANDOM)


def in_ueV(solution, found):
    return float(found.exchange) * solution.problem.units.E0_meV * 1000


def test_the_exchange_of_the_default_dot(dot):
    found = exchange(dot, 28)
    assert found.orbitals == 28
    assert in_ueV(dot, found) == pytest.approx(3.550, rel=0.02)
    assert in_ueV(dot, exchange(dot, 2)) == pytest.approx(-147.49, rel=1e-3)


def test_a_larger_permittivity_weakens_the_repulsion(dot):
    weak = solve(overrides=[*RANDOM, "physics.eps_r=100"])
    assert float(exchange(weak, 6).singlet.energies[0]) < float(exchange(dot, 6).singlet.energies[0])


def test_a_grid_is_as_fine_as_the_orbitals_need():
    well = solve(overrides=["potential.type=gaussian", *RANDOM])
    with pytest.raises(UsageError, match=r"finer grid, such as 96 \(--grid\)"):
        exchange(well, 28, 64)
    found = exchange(well, 28)
    assert in_ueV(well, found) == pytest.approx(in_ueV(well, exchange(well, 28, 128)), rel=1e-6)
    assert any("the box holds the electrons" in flag for flag in found.flags)


def test_more_orbitals_than_functions_are_refused():
    small = solve(overrides=["model.hidden_features=4", "training.steps=5", "training.optimizer=adam"])
    with pytest.raises(UsageError, match="take fewer"):
        exchange(small, 60)
