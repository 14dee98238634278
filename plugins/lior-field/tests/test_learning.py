"""Laws of learning the field's numbers, against dense systems and autograd."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import pytest
import torch
from conftest import curved_grid, noise
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.testing import assert_close

from lior.errors import UsageError
from lior.interfaces import State
from lior.testing.tensors import assert_derivatives, assert_same, gradients, unchanged
from lior_field import hamiltonian
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_field.learning import Equilibrium, Filtered, kernel_of, learn, numbers
from lior_plugins import kernel
from lior_plugins.updaters.contrastive import Contrastive

TWO = kernel.concatenate(kernel.exponential(0.7, 0.3), kernel.oscillation(0.4, 1.1, 0.3, 0.2))


def laplacian(grid: Grid) -> Tensor:
    """``Δ`` as a real matrix."""
    count = math.prod(grid.shape)
    return grid.laplacian(torch.eye(count, dtype=torch.float64).reshape(*grid.shape, count)).reshape(
        count, -1
    )


def dense(h: Hamiltonian, params: State) -> Tensor:
    """``H`` as a real matrix that autograd passes through."""
    mass = params["log_mass"].exp() if "log_mass" in params else h.mass
    v = params["log_potential"].exp() if "log_potential" in params else params.get("potential", h.potential)
    return (v.double().expand(h.grid.shape).reshape(-1)).diag() - h.hbar**2 / (2 * mass) * laplacian(h.grid)


def poles_of(params: State) -> tuple[Tensor, Tensor]:
    poles = torch.exp(torch.complex(-params["log_rate"].exp(), params["frequency"]))
    return poles, torch.complex(params["coeff_re"], params["coeff_im"])


def filtered(params: State, x: Tensor) -> Tensor:
    """The recurrence itself."""
    (poles, coeff), found = poles_of(params), []
    modes = torch.zeros(len(poles), x.shape[1], dtype=poles.dtype)
    for value in x:
        modes = poles[:, None] * modes + value
        found.append((coeff[:, None] * modes).sum(0).real)
    return torch.stack(found)


# --- numbers ----------------------------------------------------------------


@given(st.floats(-30, 5), st.floats(-10, 10))
def test_poles_stay_inside_the_unit_circle(log_rate: float, frequency: float) -> None:
    one = torch.ones(1, dtype=torch.float64)
    found = kernel_of({"log_rate": one * log_rate, "frequency": one * frequency, "coeff_re": one})
    assert float(found.poles.abs()) < 1


def test_a_kernel_is_the_same_by_its_numbers() -> None:
    found = kernel_of(numbers(TWO))
    assert_close(found.poles, TWO.poles, rtol=0, atol=1e-15)
    assert_close(found.coeff, TWO.coeff, rtol=0, atol=1e-15)
    with pytest.raises(UsageError, match="both log_rate and coeff_re"):
        kernel_of({"log_rate": torch.zeros(1)})


# --- fields at rest ---------------------------------------------------------


@pytest.mark.parametrize("grid", [Grid(shape=(6, 5), spacing=(0.8, 1.1)), curved_grid()])
def test_a_field_at_rest_has_the_least_energy(grid: Grid, generator: Generator) -> None:
    h = Hamiltonian(grid=grid, potential=0.1 + torch.rand(6, 5, generator=generator), mass=0.7)
    source = noise(generator, 6, 5, 2)

    def energy(state: State) -> Tensor:
        t = torch.view_as_complex(state["field"])
        return grid.inner(t, h.apply(t)).real / 2 - grid.inner(source, t).real

    t = h.relaxed(source)
    slope = gradients(energy, {"field": torch.view_as_real(t)}, ("field",))["field"]
    assert slope.abs().max() < 1e-12
    assert_close(h.relaxed(source, noise(generator, 6, 5, 2)), t, rtol=0, atol=1e-12)
    # Where imaginary time under the source ends: T − T∞ falls as exp(−H τ/ħ).
    away = h.exponential(noise(generator, 6, 5, 2), complex(-100.0))
    assert grid.norm(away) * math.exp(-100 * h.bounds[0]) < 1e-3


def test_without_a_minimum_nothing_comes_to_rest(
    monkeypatch: pytest.MonkeyPatch, generator: Generator
) -> None:
    with pytest.raises(UsageError, match=r"a least potential of -0\.1"):
        Hamiltonian(grid=Grid(shape=(3, 3)), potential=-0.1).relaxed(torch.ones(3, 3))
    monkeypatch.setattr(hamiltonian, "_MOST_TERMS", 3)
    with pytest.raises(UsageError, match="not at rest after 3 steps"):
        Hamiltonian(grid=Grid(shape=(5, 5)), potential=0.1).relaxed(noise(generator, 5, 5))


def at_rest(generator: Generator, grid: Grid | None = None) -> tuple[Equilibrium, State]:
    """An objective with everything in it, and parameters in float64."""
    grid = grid or curved_grid(4, 3)
    size = (*grid.shape, 2, 5)
    sites = torch.rand(grid.shape, generator=generator) < 0.7
    probe = Equilibrium(
        hamiltonian=Hamiltonian(grid=grid, hbar=0.9),
        snapshot={"field": noise(generator, *size)},
        drives=noise(generator, *size),
        targets=noise(generator, *size),
        sites=sites,
    )
    params = {
        "log_potential": 0.3 * torch.randn(grid.shape, generator=generator, dtype=torch.float64),
        "log_mass": torch.tensor(0.2, dtype=torch.float64),
    }
    return probe, params


def cost(probe: Equilibrium) -> Callable[[State], Tensor]:
    """The loss by dense matrices, for autograd."""
    grid, count = probe.hamiltonian.grid, probe.drives.shape[-1]

    def value(params: State) -> Tensor:
        source = probe.drives
        h = dense(probe.hamiltonian, params).to(source.dtype)
        t = torch.linalg.solve(h, source.reshape(len(h), -1)).reshape(source.shape)
        away = (t - probe.targets).abs().square().flatten(2).sum(2)
        here = torch.ones(grid.shape) if probe.sites is None else probe.sites
        return (here * grid.volume * away).sum() / (2 * count)

    return value


def test_the_limit_of_weak_nudges_is_autograd(generator: Generator) -> None:
    probe, params = at_rest(generator)
    assert probe.loss(params) == pytest.approx(float(cost(probe)(params)), rel=1e-12)
    assert_derivatives(probe.phases(params, math.inf), gradients(cost(probe), params, params))


def test_a_potential_of_one_number_and_one_that_is_no_logarithm(generator: Generator) -> None:
    probe, _ = at_rest(generator)
    for params in (
        {"log_potential": torch.tensor(0.1, dtype=torch.float64)},
        {"potential": 1 + torch.rand(4, 3, generator=generator, dtype=torch.float64)},
    ):
        assert_derivatives(probe.phases(params, math.inf), gradients(cost(probe), params, params))


def test_two_phases_are_off_by_the_square_of_the_nudge(generator: Generator) -> None:
    probe, params = at_rest(generator)
    exact = gradients(cost(probe), params, params)

    def error(found: State) -> float:
        return max(float((found[n] - exact[n]).abs().max() / exact[n].abs().max()) for n in params)

    def centred(nudge: float) -> State:
        ahead, back = probe.phases(params, nudge), probe.phases(params, -nudge)
        return {name: (ahead[name] + back[name]) / 2 for name in params}

    slope = math.log2(error(centred(0.04)) / error(centred(0.02)))
    assert slope == pytest.approx(2, abs=0.05)
    one_sided = math.log2(error(probe.phases(params, 0.01)) / error(probe.phases(params, 0.005)))
    assert one_sided == pytest.approx(1, abs=0.1)
    assert error(centred(1e-4)) < 1e-6


def test_the_statistic_is_the_difference_of_the_slopes_of_the_energy(generator: Generator) -> None:
    probe, params = at_rest(generator)
    grid = probe.hamiltonian.grid

    def slopes(t: Tensor) -> State:
        """``∂F/∂θ`` at a field held fixed."""

        def energy(at: State) -> Tensor:
            ht = (dense(probe.hamiltonian, at).to(t.dtype) @ t.reshape(12, -1)).reshape(t.shape)
            return (grid.inner(t, ht).real / 2 - grid.inner(probe.drives, t).real) / 5

        return gradients(energy, params, params)

    nudged, free = slopes(probe.fields(params, 0.3)), slopes(probe.fields(params))
    assert_derivatives(probe.phases(params, 0.3), {n: (nudged[n] - free[n]) / 0.3 for n in params})


def test_nudge_0_changes_nothing(generator: Generator) -> None:
    probe, params = at_rest(generator)
    with unchanged(probe.snapshot, params):
        assert_same(probe.phases(params, 0), {n: torch.zeros_like(p) for n, p in params.items()})
        for nudge in (0.3, -0.1, math.inf):
            probe.phases(params, nudge)
        probe.loss(params)
    held = learn(probe, params, Contrastive(nudge=0.0), updates=3, generator=generator)
    assert_same(held, params)


def test_what_a_field_at_rest_cannot_teach_is_refused(generator: Generator) -> None:
    probe, params = at_rest(generator)
    with pytest.raises(UsageError, match="does not teach 'log_hbar'"):
        probe.phases(params | {"log_hbar": params["log_mass"]}, math.inf)
    with pytest.raises(UsageError, match="a least potential of"):
        probe.phases(params, -20.0)
    with pytest.raises(UsageError, match="targets of shape"):
        attrs.evolve(probe, targets=probe.targets[..., :2])


# --- memory -----------------------------------------------------------------


def test_a_filter_teaches_its_kernel_as_autograd_does(generator: Generator) -> None:
    x, wanted = (torch.randn(30, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    params = numbers(TWO)
    probe = Filtered(x=x, observed=wanted)

    def value(at: State) -> Tensor:
        return (filtered(at, x) - wanted).square().sum() / 60

    assert probe.loss(params) == pytest.approx(float(value(params)), rel=1e-12)
    exact = gradients(value, params, params)
    assert_derivatives(probe.phases(params, math.inf), exact)
    assert_derivatives(probe.phases(params, 0.5), {n: g / 1.5 for n, g in exact.items()})
    assert_same(probe.phases(params, 0), {n: torch.zeros_like(p) for n, p in params.items()})
    with pytest.raises(UsageError, match="above −1"):
        probe.phases(params, -1.0)


# --- learning ---------------------------------------------------------------


def test_two_phases_recover_a_hidden_potential_and_mass(generator: Generator) -> None:
    probe, truth = at_rest(generator, Grid(shape=(4, 4)))
    probe = attrs.evolve(probe, targets=probe.fields(truth), sites=None)
    start = {name: torch.zeros_like(value) for name, value in truth.items()}
    updater = Contrastive(nudge=0.05, learning_rate=0.05)
    found = learn(probe, start, updater, updates=110, generator=generator)
    for name in truth:
        assert (found[name] - truth[name]).abs().max() < 0.02
    assert probe.loss(found) < 1e-4 * probe.loss(start)
