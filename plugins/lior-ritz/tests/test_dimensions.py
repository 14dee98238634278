"""One, three and four dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from solved import solve

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.training import assembly
from lior_ritz.training.trainer import Trainer

TINY = ["model.hidden_features=10", "training.steps=30", "training.lbfgs_refine.steps=40"]


def test_a_double_well_on_a_line():
    found = solve(
        overrides=[
            "domain.dim=1",
            "potential.type=expression",
            "potential.expression=0.6*(x**2-2.25)**2",
            "training.lbfgs_refine.steps=60",
        ]
    )
    assert float(abs(found.relative_errors).max()) < 1e-7
    assert float(found.errors.min()) > -1e-9


@pytest.mark.parametrize(("dim", "wanted"), [(3, 2e-2), pytest.param(4, 6e-2, marks=pytest.mark.slow)])
def test_oscillators_by_quasi_monte_carlo(dim, wanted):
    beta = [1.0, 1.5, 2.0, 2.5][:dim]
    options = [f"potential.beta_{axis}={value}" for axis, value in zip("xyzw", beta, strict=False)]
    config = ["potential.type=harmonic", *options, f"domain.dim={dim}", "solver.K=2", "solver.M=3"]
    widths = [f"domain.{axis}=3.5" for axis in "XYZW"[:dim]]
    mode = ["training.sampling_mode=sobol"] if dim == 3 else []
    found = solve(overrides=[*config, *widths, *TINY, *mode, "domain.nq=12", "training.mc_points=2000"])
    assert assembly.sampling_mode(found.config) == "sobol"
    ground = sum(value**0.5 for value in beta)
    assert float(found.energies[0]) >= ground - 1e-6
    assert float(found.energies[0]) == pytest.approx(ground, rel=wanted)


@pytest.mark.slow
def test_a_grid_in_three_dimensions_is_better_than_as_many_random_nodes():
    base = [
        "potential.type=harmonic",
        "domain.dim=3",
        "solver.K=2",
        "solver.M=3",
        *TINY,
        *(f"domain.{axis}=3" for axis in "XYZ"),
        "domain.nq=16",
    ]
    grid = solve(overrides=base)
    random = solve(overrides=[*base, "training.sampling_mode=sobol", "training.mc_points=4096"])
    assert assembly.sampling_mode(grid.config) == "gauss_legendre"
    assert 10 * float(abs(grid.relative_errors).max()) < float(abs(random.relative_errors).max())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["domain.nq=48"], "domain.nq"),
        (["domain.eval_nq=60"], "domain.eval_nq: 60 nodes on each of 4 axes are 12,960,000"),
    ],
)
def test_more_nodes_than_fit_are_refused_before_anything_is_done(overrides, said):
    config = configuration.load(
        overrides=["potential.type=harmonic", "domain.dim=4", *overrides], env={}
    ).config
    with pytest.raises(UsageError, match=said):
        Trainer(config, configuration.problem(config))


@pytest.mark.parametrize(
    ("key", "value"),
    [("domain.Z", 3.0), ("domain.W", 3.0), ("solver.envelope.gamma", 0.9), ("solver.envelope.zeta", 0.9)],
)
def test_the_keys_of_the_further_axes_change_the_outcome(key, value):
    base = [
        "potential.type=harmonic",
        "domain.dim=4",
        "solver.K=1",
        "solver.M=2",
        "training.steps=3",
        "training.optimizer=adam",
        "model.hidden_features=4",
        "domain.nq=6",
        "training.mc_points=200",
        "domain.eval_nq=7",
    ]

    def outcome(overrides):
        config = configuration.load(overrides=overrides, env={}).config
        trainer = Trainer(config, configuration.problem(config))
        return trainer.step()["loss_total"]

    assert outcome(base) != outcome([*base, f"{key}={value}"])


def test_a_natural_boundary_is_solved_too_and_has_no_lower_bound():
    found = solve(
        overrides=["domain.boundary=natural", "potential.type=gaussian", "training.lbfgs_refine.steps=150"]
    )
    assert found.bounds.lower is None
    assert float(abs(found.relative_errors).max()) < 1e-5
    assert found.energies.tolist() == pytest.approx(
        [-2.4865125, -0.15826731, -0.15826731, 0.08085194], abs=2e-5
    )
    assert bool((found.errors > -1e-8).all())
    assert isinstance(found.energies, np.ndarray)


@pytest.mark.parametrize(("dim", "axis"), [(1, "Y"), (2, "Z"), (3, "W")])
def test_a_width_of_an_axis_that_is_not_there_is_refused(dim, axis):
    with pytest.raises(UsageError, match=f"domain.{axis} is of no use"):
        configuration.load(
            overrides=["potential.type=harmonic", f"domain.dim={dim}", f"domain.{axis}=3"], env={}
        )
