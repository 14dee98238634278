"""Bounds of poor states, and what is made of a trial space that is too small."""

import pytest
from solved import solve

from lior.errors import UsageError

POOR = ("model.hidden_layers=0", "training.steps=10", "training.lbfgs_refine.steps=10", "domain.nq=32")


@pytest.mark.parametrize("potential", ["biquadratic_dqd", "gaussian", "double_gaussian", "harmonic_barrier"])
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_levels_that_were_missed_are_not_shut_out(potential, width, seed):
    """With hardly any functions a Ritz value is near some other level, as its residual says."""
    size = (f"potential.type={potential}", f"model.hidden_features={width}", f"training.seed={seed}")
    found = solve(overrides=[*POOR, *size, "solver.K=3", "solver.M=4"])
    exact = found.reference.energies[:3]
    noise = found.reference.errors[:3] + 1e-9
    assert bool((found.bounds.lower <= exact + noise).all())
    assert bool((exact <= found.bounds.upper + noise).all())


def test_states_of_one_parity_alone_do_not_bound_the_others():
    found = solve(
        overrides=[
            "solver.parity=x",
            "solver.parity_even=8",
            "solver.parity_odd=0",
            "training.lbfgs_refine.steps=60",
            "model.hidden_features=12",
        ]
    )
    exact = found.reference.energies[:4]
    assert float(found.energies[1]) > float(exact[2]) - 1e-9  # the odd levels are missing
    assert bool((found.bounds.lower <= exact + 1e-9).all())


def test_fewer_functions_than_levels_are_no_solution():
    few = ("model.hidden_features=1", "solver.parity=none", "solver.K=4")
    with pytest.raises(UsageError, match=r"solver\.K = 4: the trained functions have only"):
        solve(overrides=[*POOR, *few])


def test_a_parity_without_functions_is_left_out():
    trained = ("solver.head=trained", "solver.parity=xy", "solver.K=2", "solver.M=2", "training.steps=5")
    found = solve(overrides=[*trained, "training.optimizer=adam", "model.hidden_features=8"])
    assert found.energies.shape == (2,)


def test_random_nodes_are_for_adam_alone():
    few = ("training.sampling_mode=monte_carlo", "training.mc_points=300", "model.hidden_features=12")
    found = solve(overrides=[*few, "training.steps=20", "training.guard.every=10"])
    assert [phase.name for phase in found.network.trainer.phases] == ["adam"]
    assert found.network.trainer.progress.step == 20
    assert bool((found.errors > -1e-9).all())
