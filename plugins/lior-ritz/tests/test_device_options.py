"""One dot, described in different ways: in meV or in E0, by its levels or by its barrier, in other units."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_ritz import config as configuration
from lior_ritz.potentials.gaussian import Gaussian
from lior_ritz.problem import Problem
from lior_ritz.verification import reference

POINTS = 8 * torch.rand(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 4


def problem(*overrides):
    return configuration.problem(configuration.load(overrides=overrides, env={}).config)


def options(**given):
    return [f"potential.{name}={value!r}".replace("'", "") for name, value in given.items()]


energies = st.floats(0.5, 10)


@settings(deadline=None)
@given(energies, energies, st.floats(0.5, 2.5), st.floats(-1, 1))
def test_the_three_modes_describe_the_same_dot(x_meV, y_meV, a, delta):
    both = {"a": a, "delta": delta}
    targets = problem(*options(**both, hbar_omega_x_meV=x_meV, hbar_omega_y_meV=y_meV))
    found = targets.potential.report(targets.units)
    raw = problem(*options(**both, param_mode="raw", c4=found["c4"], c2y=found["c2y"]))
    barrier = options(**both, param_mode="barrier", barrier_meV=found["barrier_meV"])
    by_spacing = problem(*barrier, *options(hbar_omega_y_meV=y_meV))
    by_curvature = problem(*barrier, *options(c2y=found["c2y"]))
    wanted = targets.energy(POINTS)
    for other in (raw, by_spacing, by_curvature):
        assert torch.allclose(other.energy(POINTS), wanted, rtol=1e-12, atol=1e-12)
        report = other.potential.report(other.units)
        assert report == {name: pytest.approx(value, rel=1e-12) for name, value in found.items()}
    assert found["hbar_omega_x_meV"] == pytest.approx(x_meV)
    assert found["hbar_omega_y_meV"] == pytest.approx(y_meV)
    bottom, top = targets.energy(torch.tensor([[a, 0.0], [0.0, 0.0]], dtype=torch.float64)).tolist()
    if delta == 0:
        assert (top - bottom) * targets.units.E0_meV == pytest.approx(found["barrier_meV"])


@settings(deadline=None)
@given(energies, st.floats(1, 20))
def test_the_curvature_across_counts_beside_a_barrier(barrier_meV, c2y):
    dot = problem(*options(param_mode="barrier", barrier_meV=barrier_meV, c2y=c2y))
    place = torch.tensor([[1.5, 1.0], [1.5, 0.0]], dtype=torch.float64)
    assert float(dot.energy(place).diff()) == pytest.approx(-c2y)


@pytest.mark.parametrize("L0", [20.0, 45.0])
def test_levels_in_meV_do_not_depend_on_the_unit_of_length(L0):
    """The same dot and the same box in nanometres."""
    scale = 30.0 / L0
    levels = []
    for length, factor in ((30.0, 1.0), (L0, scale)):
        box = [f"domain.X={4 * factor!r}", f"domain.Y={4 * factor!r}", f"physics.L0_nm={length!r}"]
        barrier = {"param_mode": "barrier", "barrier_meV": 4.2, "hbar_omega_y_meV": 5.0}
        for chosen in ({}, barrier):
            dot = problem(*box, *options(a=1.5 * factor, **chosen))
            levels.append((reference.solve(dot, 4).energies * dot.units.E0_meV).tolist())
        well = problem(*box, "potential.type=harmonic", *options(hbar_omega_x_meV=3.0, hbar_omega_y_meV=5.0))
        levels.append((reference.solve(well, 4).energies * well.units.E0_meV).tolist())
    for first, second in zip(levels[:3], levels[3:], strict=True):
        assert second == pytest.approx(first, rel=1e-9)
    assert levels[2] == pytest.approx([4, 7, 9, 10], abs=1e-4)


def test_a_device_that_breaks_the_mirror_is_solved_without_it():
    """The symmetries are those of the varied options, not of the options as they were."""
    off = Problem(Gaussian(x0=0.4, tilt_y=0.3), (4.0, 4.0))
    device = {"x0": 0.4, "tilt_y": torch.tensor(0.3, dtype=torch.float64)}
    varied = reference.solve(Problem(Gaussian(), (4.0, 4.0)), 3, device=device)
    torch.testing.assert_close(varied.energies, reference.solve(off, 3).energies)
