"""The network in a magnetic field and with masses: complex heads over real features, from training on."""

import json
import math

import numpy as np
import pytest
import torch
from commands import ritz
from solved import solve

from lior_ritz import config as configuration
from lior_ritz.training.trainer import Trainer

RANDOM = ("training.steps=0", "training.lbfgs_refine.steps=0", "model.hidden_features=64", "domain.nq=40")
DOT = ("potential.type=harmonic", "domain.X=5", "solver.K=3", "solver.M=6")
ROUND = (*DOT, "domain.Y=5")
FIELD = (*ROUND, "physics.field_tesla=1.2")


def sets(*groups):
    return [word for each in groups for one in each for word in ("--set", one)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of random features in a field, written by the command."""
    folder = tmp_path_factory.mktemp("field") / "run"
    result = ritz("run", "--network", *sets(FIELD, RANDOM), "--out", folder, "--quiet")
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def test_a_run_encloses_the_levels_of_fock_and_darwin(run):
    results = json.loads((run[0] / "results.json").read_text())
    dot = configuration.problem(configuration.load([], FIELD, env={}).config)
    b = dot.terms.strength(dot.units)
    free = math.hypot(3 / dot.units.E0_meV, b)
    exact = sorted((n + m + 1) * free + (n - m) * b for n in range(9) for m in range(9))[:3]
    for level, true in zip(results["levels"], exact, strict=True):
        assert level["lower_E0"] <= true <= level["upper_E0"]
        assert level["upper_E0"] - true < 1e-3 * true
    assert results["reference"]["method"] == "hermitian"
    assert results["problem"]["terms"]["spin"]["g_effective"] == pytest.approx([-0.44] * 3)
    assert results["problem"]["mirrors"] == []
    assert "of real states" in results["why_null"]["nodal_domains"]


def test_its_arrays_are_complex_and_orthonormal(run):
    psi = np.load(run[0] / "arrays" / "psi_grid.npy")
    x, y = (np.load(run[0] / "arrays" / f"grid_{axis}.npy") for axis in "xy")
    assert psi.dtype == np.complex128
    overlap = np.einsum("iyx,jyx->ij", psi.conj(), psi) * (x[1] - x[0]) * (y[1] - y[0])
    assert np.abs(overlap - np.eye(3)).max() < 1e-3
    assert np.abs(psi.imag).max() > 0.1


def test_the_table_has_both_spins_and_pictures_leave_out_what_is_complex(run):
    assert "d(E_up - E_down)/dB" in run[1]
    drawn = ritz("plot", run[0], "--only", "psi_state_0", "--text")
    assert "states in a magnetic field are complex" in drawn.stderr
    assert "density of state 0" in ritz("plot", run[0], "--only", "density_state_0", "--text").stdout


def test_a_run_is_read_again_and_two_electrons_are_refused(run):
    again = ritz("eval", run[0], "--json")
    assert again.returncode == 0, again.stderr
    refused = ritz("ci", run[0])
    assert refused.returncode == 2
    assert "electrons: not with a magnetic field" in refused.stderr


@pytest.mark.parametrize("terms", [("physics.field_tesla=1.5",), ("physics.mass=0.067+0.01*x**2",)])
def test_the_gradient_is_that_of_the_sum_of_levels(terms):
    small = ("model.hidden_features=8", "domain.nq=24", "potential.type=harmonic", "potential.x0=0.3")
    config = configuration.load([], [*small, *terms], env={}).config
    trainer = Trainer(config, configuration.problem(config))
    trainer.objective(trainer.params, trainer.nodes).total.backward()
    generator, step = torch.Generator().manual_seed(0), 1e-5
    ways = {
        name: torch.randn(p.shape, generator=generator, dtype=p.dtype) for name, p in trainer.params.items()
    }
    slope = sum(float((ways[name] * p.grad).sum()) for name, p in trainer.params.items())
    ends = []
    for sign in (1, -1):
        moved = {name: p.detach() + sign * step * ways[name] for name, p in trainer.params.items()}
        with torch.no_grad():
            ends.append(trainer.objective(moved, trainer.nodes).eigsum)
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_training_in_a_field_lowers_the_levels_towards_the_exact_ones():
    steps = (
        "model.hidden_features=24",
        "training.steps=20",
        "training.lbfgs_refine.steps=40",
        "domain.nq=32",
    )
    found = solve({}, overrides=[*FIELD, *steps])
    assert float(found.relative_errors.max()) < 1e-5
    assert float(found.errors.min()) > -1e-9
    assert float((found.bounds.upper - found.bounds.lower).max()) < 1e-2
    assert not found.missed


def test_a_mass_that_jumps_has_no_bound_from_below_and_says_why():
    step = ("domain.dim=1", "physics.mass=where(-1<x<1,0.067,0.1)", "physics.offset_meV=where(-1<x<1,0,3)")
    found = solve({}, overrides=[*DOT, *step, *RANDOM[:-1]])
    assert found.bounds.lower is None
    assert "no jump of the slope where the mass changes" in found.bounds.why
    assert found.reference.method == "hermitian"
    assert (
        float(found.errors.min())
        > -float(found.reference.errors.max()) - found.network.evaluation.quadrature_error
    )
    assert float(found.relative_errors.max()) < 0.02


def test_anisotropic_masses_are_bounded_from_both_sides():
    found = solve({}, overrides=[*ROUND, "physics.mass_y=0.19", *RANDOM])
    exact = found.reference.energies[:3]
    assert found.bounds.lower is not None
    assert bool((found.bounds.lower <= exact).all())
    assert bool((found.bounds.upper >= exact).all())
