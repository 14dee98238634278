"""Magnetic field, masses and band offsets by the reference, against closed forms and differences."""

import math

import numpy as np
import pytest
from commands import ritz
from scipy.optimize import brentq

from lior.errors import LiorError, UsageError
from lior_ritz import config as configuration
from lior_ritz.potentials.gaussian import DoubleGaussian, Gaussian
from lior_ritz.potentials.wells import Harmonic
from lior_ritz.problem import Problem
from lior_ritz.problem.terms import Terms
from lior_ritz.verification.gradients import gradients
from lior_ritz.verification.reference import solve

ROUND = ("potential.type=harmonic", "domain.X=6", "domain.Y=6")


def problem(*assignments):
    return configuration.problem(configuration.load([], assignments, env={}).config)


def in_field(tesla, origin=(0.0, 0.0), potential=None, half=6.0):
    terms = Terms(field_tesla=tesla, gauge_origin=origin)
    return Problem(potential or Harmonic(), (half, half), terms=terms)


def fock_darwin(dot, spacing_meV, count):
    """V. Fock, Z. Phys. 47, 446, 1928: ``(n + m + 1) Ω + (n - m) ωc/2`` with ``Ω² = ω² + ωc²/4``, in E0; the
    cyclotron energy from e, ħ and the electron's mass, not from the package's unit of the field."""
    hbar_over_me = 1.054571817e-34 / 9.1093837015e-31
    cyclotron_meV = hbar_over_me * dot.terms.field_tesla / dot.units.m_eff * 1000  # ħ e B/(m e), in eV
    half, free = cyclotron_meV / 2, math.hypot(spacing_meV, cyclotron_meV / 2)
    sums = sorted((n + m + 1) * free + (n - m) * half for n in range(30) for m in range(30))
    return np.array(sums[:count]) / dot.units.E0_meV


@pytest.mark.parametrize("tesla", [0.3, 2.0, -2.0])
def test_the_reference_has_the_levels_of_fock_and_darwin(tesla):
    dot = in_field(tesla)
    found, b = solve(dot, 6), dot.terms.strength(dot.units)
    free = math.hypot(3 / dot.units.E0_meV, b)
    exact = sorted((n + m + 1) * free + (n - m) * b for n in range(20) for m in range(20))[:6]
    assert found.method == "hermitian"
    assert found.converged
    assert np.abs(found.energies / exact - 1).max() < 1e-9
    # In SI units they agree as far as the package's ħ²/(2 m) is that of CODATA.
    assert np.abs(found.energies / fock_darwin(dot, 3.0, 6) - 1).max() < 1e-7


@pytest.mark.parametrize("origin", [(0.7, -0.4), (5.0, 3.0)])
def test_no_level_and_no_density_depends_on_the_gauge(origin):
    off_centre = Gaussian(amplitude=-30.0, x0=0.9, y0=-0.5, sigma_x=1.1, sigma_y=0.8)
    points = np.random.default_rng(0).random((50, 2)) * 4 - 2
    here, there = (solve(in_field(2.0, each, off_centre, 4.0), 4) for each in ((0.0, 0.0), origin))
    assert abs(here.energies - there.energies).max() < 1e-11 * abs(here.energies).max()
    first, second = here.functions(points), there.functions(points)
    assert abs(abs(first) - abs(second)).max() < 1e-11
    assert abs(first - second).max() > 0.1, "the phases are those of the gauge"


def test_states_solve_the_equation_in_the_gauge_that_was_asked_for():
    dot, step = in_field(1.5, (1.0, 0.5), Harmonic(x0=0.3)), 2e-3
    found = solve(dot, 3)
    points = np.random.default_rng(1).random((20, 2)) * 2 - 1
    shifts = [np.array(each) * step for each in ((1.0, 0.0), (0.0, 1.0))]
    psi, laplace, paramagnetic = found.functions(points), 0.0, 0.0
    vector = dot.vector(points)
    for axis, shift in enumerate(shifts):
        ahead, behind = found.functions(points + shift), found.functions(points - shift)
        laplace = laplace + (ahead - 2 * psi + behind) / step**2
        paramagnetic = paramagnetic + vector[:, axis] * (ahead - behind) / (2 * step)
        assert abs((ahead - behind) / (2 * step) - found.slopes(points)[axis]).max() < 1e-3
    diagonal = dot.energy(points) + (vector**2).sum(1)
    applied = -laplace - 2j * paramagnetic + diagonal * psi
    assert abs(applied - found.energies[:, None] * psi).max() < 1e-3


@pytest.mark.parametrize("potential", [Gaussian(amplitude=-20.0, x0=0.5), DoubleGaussian()])
def test_without_a_field_it_is_the_same_as_by_sines(potential):
    dot = Problem(potential, (4.0, 4.0))
    found, other = solve(dot, 4, "hermitian"), solve(dot, 4, "sine")
    assert (abs(found.energies - other.energies) <= found.errors + other.errors).all()
    assert np.isrealobj(found.functions(np.zeros((1, 2))))


def test_derivatives_by_options_hold_in_a_field():
    dot, step = in_field(1.0, potential=Harmonic(x0=0.2, hbar_omega_meV=3.0)), 1e-4
    slopes = gradients(dot, solve(dot, 3), 2, ["hbar_omega_meV"])[0]
    up, down = (solve(dot, 2, device={"hbar_omega_meV": 3.0 + each}).energies for each in (step, -step))
    assert abs(slopes - (up - down) / (2 * step)).max() < 1e-6


# --- masses and offsets ---


def matched(height, mass, transverse=0.0, a=1.0, X=4.0):
    """The lowest even level of a well of ``|x| < a`` with ψ and ψ'/m continuous, in E0; ``transverse`` is
    ``k²`` along y, ``mass`` that outside over that inside."""

    def mismatch(energy):
        inside = math.sqrt(energy - transverse)
        outside = math.sqrt(mass * (height - energy) + transverse)
        return inside * math.tan(inside * a) - outside / mass / math.tanh(outside * (X - a))

    top = transverse + (math.pi / (2 * a)) ** 2
    return brentq(mismatch, transverse + 1e-6, min(top, height) - 1e-6, xtol=1e-14)


STEP = (
    "potential.type=box",
    "physics.mass=where(-1<x<1,0.067,0.15)",
    "physics.offset_meV=where(-1<x<1,0,20)",
)


def test_a_well_with_another_mass_outside_is_that_of_matching():
    well = problem("domain.dim=1", *STEP)
    found = solve(well, 2)
    exact = matched(20 / well.units.E0_meV, 0.15 / 0.067)
    assert abs(float(found.energies[0]) - exact) < 1e-9
    assert found.errors[0] < 1e-8
    assert well.jumps == ((-1.0, 1.0),)


@pytest.mark.slow
def test_in_two_dimensions_each_wave_along_y_has_a_well_of_its_own():
    well = problem(*STEP)
    found, height = solve(well, 3, tolerance=1e-7), 20 / well.units.E0_meV
    exact = [matched(height, 0.15 / 0.067, (n * math.pi / 8) ** 2) for n in (1, 2, 3)]
    assert np.abs(found.energies - exact).max() < 1e-7


def test_masses_of_both_axes():
    dot = problem(*ROUND, "physics.mass_x=0.067", "physics.mass_y=0.19")
    spacing = 3 / dot.units.E0_meV
    levels = [spacing * (n + 0.5 + (m + 0.5) * math.sqrt(0.067 / 0.19)) for n in range(4) for m in range(4)]
    found = solve(dot, 4)
    assert np.abs(found.energies - sorted(levels)[:4]).max() < 1e-9


def test_one_mass_everywhere_is_another_effective_mass(tmp_path):
    lines = "".join(f"{x} {y} 0.1\n" for x in np.linspace(-6, 6, 6) for y in np.linspace(-6, 6, 6))
    (tmp_path / "mass.txt").write_text(lines)
    light = problem(*ROUND, "physics.m_eff=0.1", "physics.field_tesla=1", "potential.hbar_omega_meV=4")
    for mass in ("0.1", tmp_path / "mass.txt"):
        heavy = problem(
            *ROUND,
            f"physics.mass={mass}",
            "physics.field_tesla=1",
            "potential.type=expression",
            f"potential.expression={(4 / (2 * light.units.E0_meV)) ** 2 * 0.67!r}*(x**2+y**2)",
        )
        found, other = solve(heavy, 4), solve(light, 4)
        assert abs(found.energies * heavy.units.E0_meV - other.energies * light.units.E0_meV).max() < 1e-9


def test_an_offset_is_part_of_the_potential():
    dot = problem(*ROUND, "physics.offset_meV=1.5 + 0.2*x")
    found, plain = solve(dot, 3), solve(problem(*ROUND), 3)
    tilt = 0.2 / dot.units.E0_meV
    gained = 1.5 / dot.units.E0_meV - (tilt / (3 / dot.units.E0_meV)) ** 2
    assert found.method == "separable"
    assert dot.mirrors == {1}
    assert abs(found.energies - plain.energies - gained).max() < 1e-9


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (("domain.dim=3", "physics.field_tesla=1"), "physics.field_tesla"),
        (("domain.dim=3", "physics.mass_x=0.1"), "physics.mass"),
        (("domain.dim=1", "physics.mass_y=0.1"), "physics.mass_y"),
        (("domain.dim=1", "physics.rashba_meV_nm=1"), "physics.rashba_meV_nm"),
        (("physics.mass=x",), "positive number of electron masses"),
        (("physics.mass=q",), "physics.mass: "),
        (("physics.offset_meV=nowhere.csv",), "physics.offset_meV: "),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(assignments, said):
    with pytest.raises(LiorError, match=said) as error:
        problem("potential.type=harmonic", *assignments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["separable", "sine", "elements"])
def test_other_methods_refuse_a_field(method):
    with pytest.raises(UsageError, match="not with a magnetic field"):
        solve(in_field(1.0), 2, method)


def test_a_stability_diagram_refuses_a_field():
    dot = "potential.type=harmonic potential.hbar_omega_x_meV=3 potential.hbar_omega_y_meV=3"
    sets = [word for each in f"{dot} physics.field_tesla=1".split() for word in ("--set", each)]
    axes = ("--vary", "hbar_omega_x_meV=2:4:2", "--vary", "hbar_omega_y_meV=2:4:2")
    result = ritz("stability", *axes, "--level", 1, *sets)
    assert result.returncode == 2
    assert "not with a magnetic field" in result.stderr
