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
from lior.geometry import kernel, spsa
from lior.interfaces import State
from lior.testing.tensors import assert_derivatives, assert_same, gradients, unchanged
from lior_field import hamiltonian
from lior_field.dynamics import Dissipative, Symplectic, Unitary
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_field.learning import Equilibrium, Filtered, Trajectory, learn
from lior_field.tuning import kernel_of, numbers, restore, take, tuned
from lior_plugins.updaters.contrastive import Contrastive
from lior_plugins.updaters.spsa import Spsa

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


def filtered(params: State, x: Tensor, modes: Tensor) -> Tensor:
    """The recurrence itself."""
    (poles, coeff), found = poles_of(params), []
    for value in x:
        modes = poles[:, None] * modes + value
        found.append((coeff[:, None] * modes).sum(0).real)
    return torch.stack(found)


# --- snapshots --------------------------------------------------------------


def remembering(h: Hamiltonian) -> Dissipative:
    return Dissipative(hamiltonian=h, dt=0.3, bayes=0.4, tau=0.8, remembering=0.5, kernel=TWO)


def test_a_run_goes_on_from_a_snapshot_bit_for_bit(generator: Generator) -> None:
    system = remembering(Hamiltonian(grid=curved_grid(), potential=torch.rand(6, 5, generator=generator)))

    def run(state: State) -> State:
        for _ in range(3):
            state = system.step(state, drive=noise(generator, 6, 5, 2))
        return state

    kept = take(run(system.start(noise(generator, 6, 5, 2))), generator)
    with unchanged(kept):
        first = run(restore(kept, generator))
        second = run(restore(kept, generator))
    assert_same(first, second)
    assert {"field", "norm", "modes", "poles", "coeff", "generator"} == set(kept)


def test_a_snapshot_shares_no_memory_with_the_state() -> None:
    state = {"field": torch.ones(3)}
    kept = take(state)
    state["field"].zero_()
    restore(kept)["field"].zero_()
    assert_same(kept, {"field": torch.ones(3)})


def test_a_snapshot_is_not_restored_without_its_generator(generator: Generator) -> None:
    with pytest.raises(UsageError, match="if, and only if"):
        restore(take({}, generator))
    with pytest.raises(UsageError, match="if, and only if"):
        restore(take({}), generator)


# --- numbers ----------------------------------------------------------------


@given(st.floats(-30, 5), st.floats(-10, 10))
def test_poles_stay_inside_the_unit_circle(log_rate: float, frequency: float) -> None:
    one = torch.ones(1, dtype=torch.float64)
    found = kernel_of({"log_rate": one * log_rate, "frequency": one * frequency, "coeff_re": one})
    assert found is not None
    assert float(found.poles.abs()) < 1


def test_a_kernel_is_the_same_by_its_numbers_and_each_may_stand_alone() -> None:
    for part in ((), ("frequency",), ("coeff_im", "log_rate"), tuple(numbers(TWO))):
        found = kernel_of({name: numbers(TWO)[name] for name in part}, TWO)
        assert found is not None
        assert_close(found.poles, TWO.poles, rtol=0, atol=1e-15)
        assert_close(found.coeff, TWO.coeff, rtol=0, atol=1e-15)
    with pytest.raises(UsageError, match="both log_rate and coeff_re"):
        kernel_of({"log_rate": torch.zeros(1)})


def test_numbers_are_put_where_they_belong() -> None:
    h = Hamiltonian(grid=Grid(shape=(3, 3)))
    log2 = torch.tensor(2.0, dtype=torch.float64).log()
    found = tuned(remembering(h), {"log_mass": log2, "potential": torch.tensor(3.0), "log_tau": log2})
    assert (found.hamiltonian.mass, float(found.hamiltonian.potential), found.tau, found.bayes) == (
        2,
        3,
        2,
        0.4,
    )
    swinging = tuned(Symplectic(grid=h.grid, dt=0.1), {"log_mass": log2, "log_stiffness": log2})
    assert (swinging.mass, swinging.stiffness) == (2, 2)
    for system, name in ((h, "log_tau"), (Unitary(hamiltonian=h, dt=0.1), "log_rate")):
        with pytest.raises(UsageError):
            tuned(system, {name: log2[None]})  # type: ignore[type-var]


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


def at_rest(
    generator: Generator, *, memory: bool = True, grid: Grid | None = None
) -> tuple[Equilibrium, State]:
    """An objective with everything in it, and parameters in float64."""
    grid = grid or curved_grid(4, 3)
    size = (*grid.shape, 2, 5)
    modes = {"modes": noise(generator, 2, 2 * math.prod(size[:3]))} if memory else {}
    sites = torch.rand(grid.shape, generator=generator) < 0.7
    probe = Equilibrium(
        hamiltonian=Hamiltonian(grid=grid, hbar=0.9),
        snapshot=take({"field": noise(generator, *size)} | modes),
        drives=noise(generator, *size),
        targets=noise(generator, *size),
        sites=sites,
    )
    params = {
        "log_potential": 0.3 * torch.randn(grid.shape, generator=generator, dtype=torch.float64),
        "log_mass": torch.tensor(0.2, dtype=torch.float64),
    }
    return probe, params | (numbers(TWO) if memory else {})


def cost(probe: Equilibrium) -> Callable[[State], Tensor]:
    """The loss by dense matrices and the recurrence of the memory, for autograd."""
    grid, count = probe.hamiltonian.grid, probe.drives.shape[-1]

    def value(params: State) -> Tensor:
        source = probe.drives
        if "log_rate" in params:
            x = torch.view_as_real(source.movedim(-1, 0).contiguous()).flatten(1)
            through = filtered(params, x, probe.snapshot["modes"]).reshape(count, *source.shape[:-1], 2)
            source = torch.view_as_complex(through.contiguous()).movedim(0, -1)
        h = dense(probe.hamiltonian, params).to(source.dtype)
        t = torch.linalg.solve(h, source.reshape(len(h), -1)).reshape(source.shape)
        away = (t - probe.targets).abs().square().flatten(2).sum(2)
        here = torch.ones(grid.shape) if probe.sites is None else probe.sites
        return (here * grid.volume * away).sum() / (2 * count)

    return value


@pytest.mark.parametrize("memory", [False, True])
def test_the_limit_of_weak_nudges_is_autograd(memory: bool, generator: Generator) -> None:
    probe, params = at_rest(generator, memory=memory)
    assert probe.loss(params) == pytest.approx(float(cost(probe)(params)), rel=1e-12)
    assert_derivatives(probe.phases(params, math.inf), gradients(cost(probe), params, params))


def test_a_potential_of_one_number_and_one_that_is_no_logarithm(generator: Generator) -> None:
    probe, _ = at_rest(generator, memory=False)
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
            x = torch.view_as_real(probe.drives.movedim(-1, 0).contiguous()).flatten(1)
            source = filtered(at, x, probe.snapshot["modes"]).reshape(5, *t.shape[:-1], 2)
            j = torch.view_as_complex(source.contiguous()).movedim(0, -1)
            ht = (dense(probe.hamiltonian, at).to(t.dtype) @ t.reshape(12, -1)).reshape(t.shape)
            return (grid.inner(t, ht).real / 2 - grid.inner(j, t).real) / 5

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
    probe, params = at_rest(generator, memory=False)
    with pytest.raises(UsageError, match="does not teach 'log_hbar'"):
        probe.phases(params | {"log_hbar": params["log_mass"]}, math.inf)
    with pytest.raises(UsageError, match="a least potential of"):
        probe.phases(params, -20.0)
    with pytest.raises(UsageError, match="targets of shape"):
        attrs.evolve(probe, targets=probe.targets[..., :2])


# --- fields that move -------------------------------------------------------


def unitary(t: Tensor, params: State, drives: Tensor, probe: Trajectory) -> list[Tensor]:
    """Splitting by dense matrices; fields are columns."""
    h, dt, found = probe.system.hamiltonian, probe.system.dt, []  # type: ignore[union-attr]
    rate, v = -1j * dt / h.hbar, params["potential"].reshape(-1)
    kinetic = dense(h, params | {"potential": torch.zeros(h.grid.shape)})
    wave, half = torch.matrix_exp(rate * kinetic), torch.exp(rate / 2 * v)
    for drive in drives:
        t = half * (wave @ (half * (t + rate / 2 * drive))) + rate / 2 * drive
        found.append(t)
    return found


def dissipative(t: Tensor, params: State, drives: Tensor, probe: Trajectory) -> list[Tensor]:
    """Imaginary time, evidence and memory as their formulas say."""
    s, found = probe.system, []
    assert isinstance(s, Dissipative)
    decay = torch.matrix_exp(-s.dt / s.hamiltonian.hbar * dense(s.hamiltonian, params)).to(t.dtype)
    poles, coeff = poles_of(params)
    coeff = coeff / (coeff / (1 - poles)).real.sum()
    modes, size = probe.snapshot["modes"], probe.snapshot["norm"] / s.hamiltonian.grid.volume.sqrt()

    def normal(a: Tensor) -> Tensor:
        return a * size / a.abs().square().sum().sqrt()

    for drive in drives:
        t = normal(decay @ t)
        weighed = torch.exp(-(t - drive).abs().square() / (2 * params["log_tau"].exp())) * t
        t = t + s.bayes * s.dt * (normal(weighed) - t)
        recalled = torch.view_as_complex((coeff[:, None] * modes).sum(0).real.reshape(-1, 2).contiguous())
        t = normal(t + s.remembering * s.dt * (recalled - t))
        modes = poles[:, None] * modes + torch.view_as_real(t).reshape(-1)
        found.append(t)
    return found


def symplectic(t: Tensor, params: State, drives: Tensor, probe: Trajectory) -> list[Tensor]:
    """Velocity Verlet by dense matrices."""
    s, found, p = probe.system, [], probe.snapshot["momentum"].reshape(-1)
    assert isinstance(s, Symplectic)
    mass, k, tension = (params[f"log_{n}"].exp() for n in ("mass", "stiffness", "tension"))
    bend = laplacian(s.grid).to(t.dtype)
    for drive in drives:
        p = p + s.dt / 2 * (tension * (bend @ t) - k * t + drive)
        t = t + s.dt / mass * p
        p = p + s.dt / 2 * (tension * (bend @ t) - k * t + drive)
        found.append(t)
    return found


def moving(kind: str, generator: Generator) -> tuple[Trajectory, State, Callable[[State], Tensor]]:
    """An objective that goes on from a past, its parameters, and its loss for autograd."""
    grid, number = Grid(shape=(3, 4)), torch.tensor(0.1, dtype=torch.float64)
    h = Hamiltonian(grid=grid, potential=0.2, hbar=0.7)
    v = 0.3 * torch.randn(3, 4, generator=generator, dtype=torch.float64)
    snapshot = {"field": noise(generator, 3, 4), "momentum": noise(generator, 3, 4)}
    system, params, path = {
        "unitary": (Unitary(hamiltonian=h, dt=0.2), {"log_mass": number, "potential": v}, unitary),
        "dissipative": (
            remembering(h),
            {"log_mass": number, "potential": v, "log_tau": number} | numbers(TWO),
            dissipative,
        ),
        "symplectic": (
            Symplectic(grid=grid, dt=0.4, tension=0.5),
            {"log_mass": number, "log_stiffness": -number, "log_tension": -2 * number},
            symplectic,
        ),
    }[kind]
    if kind == "dissipative":
        snapshot |= {"modes": noise(generator, 2, 24), "norm": torch.tensor(3.0, dtype=torch.float64)}
    sites = torch.rand(3, 4, generator=generator) < 0.7
    probe = Trajectory(
        system=system, snapshot=take(snapshot, generator), observed=noise(generator, 2, 3, 4), every=3,
        drives=noise(generator, 6, 3, 4), noise=0.5, sites=sites,
    )  # fmt: skip
    start = snapshot["field"].reshape(-1)
    draw = torch.Generator()
    restore(probe.snapshot, draw)
    assert probe.drives is not None
    random = torch.stack([torch.randn(3, 4, dtype=torch.complex128, generator=draw) for _ in range(6)])
    drives = probe.drives.reshape(6, 12) + 0.5 * random.reshape(6, 12)

    def value(at: State) -> Tensor:
        fields = torch.stack(path(start, at, drives, probe)[2::3])
        away = (fields - probe.observed.reshape(2, 12)).abs().square()
        return (sites.reshape(-1) * away).sum() * grid.volume / 4

    return probe, params, value


KINDS = ["unitary", "dissipative", "symplectic"]


@pytest.mark.parametrize("kind", KINDS)
def test_perturbations_measure_the_slope_of_a_trajectory(kind: str, generator: Generator) -> None:
    probe, params, value = moving(kind, generator)
    assert probe.loss(params) == pytest.approx(float(value(params)), rel=1e-10)
    slope, unit, centre = gradients(value, params, params), spsa.units(params), probe.loss(params)
    assert all((s != 0).any() for s in slope.values())
    total = {name: torch.zeros_like(p) for name, p in params.items()}
    seeds = spsa.draw_seeds(25, generator)
    with unchanged(probe.snapshot, params):
        for seed in seeds:
            found = spsa.probe_direction(probe.loss, params, unit, seed, distance=1e-4, centre=centre)
            signs = spsa.signs(params, seed)
            along = sum(float((slope[n] * unit[n] * signs[n]).sum()) for n in params)
            assert found.first == pytest.approx(along, rel=1e-5, abs=1e-6)
            for name in params:
                total[name] += found.first * signs[name] / unit[name] / len(seeds)
    size = math.sqrt(sum(float((slope[n] * unit[n]).square().sum()) for n in params))
    for name in params:
        # Each other number adds its slope with a random sign.
        off = (total[name] - slope[name]).abs().max() * unit[name]
        assert off < 4 * size / math.sqrt(len(seeds))


@pytest.mark.parametrize("kind", KINDS)
def test_a_trajectory_depends_on_all_of_its_past(kind: str, generator: Generator) -> None:
    probe, params, _ = moving(kind, generator)
    used = {"field", "generator"} | {
        "unitary": set(), "dissipative": {"modes", "norm"}, "symplectic": {"momentum"}
    }[kind]  # fmt: skip
    for name in probe.snapshot:
        value = probe.snapshot[name]
        other = torch.Generator().manual_seed(9).get_state() if name == "generator" else 1.5 * value
        other = value.flip(0) if name == "field" else other  # its size is that of the norm
        changed = attrs.evolve(probe, snapshot=probe.snapshot | {name: other}).loss(params) != probe.loss(
            params
        )
        assert changed == (name in used)


def test_a_trajectory_says_what_it_lacks(generator: Generator) -> None:
    probe, params, _ = moving("unitary", generator)
    with pytest.raises(UsageError, match="use spsa"):
        probe.phases(params, math.inf)
    with pytest.raises(UsageError, match="taken with the generator"):
        attrs.evolve(probe, snapshot={"field": probe.snapshot["field"]})
    with pytest.raises(UsageError, match="drives of shape"):
        attrs.evolve(probe, every=2)


# --- memory -----------------------------------------------------------------


def test_a_filter_teaches_its_kernel_as_autograd_does(generator: Generator) -> None:
    x, wanted = (torch.randn(30, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    params, modes = numbers(TWO), noise(generator, 2, 2)
    probe = Filtered(x=x, observed=wanted, modes=modes)

    def value(at: State) -> Tensor:
        return (filtered(at, x, modes) - wanted).square().sum() / 60

    assert probe.loss(params) == pytest.approx(float(value(params)), rel=1e-12)
    exact = gradients(value, params, params)
    assert_derivatives(probe.phases(params, math.inf), exact)
    assert_derivatives(probe.phases(params, 0.5), {n: g / 1.5 for n, g in exact.items()})
    assert_same(probe.phases(params, 0), {n: torch.zeros_like(p) for n, p in params.items()})
    with pytest.raises(UsageError, match="above −1"):
        probe.phases(params, -1.0)
    with pytest.raises(UsageError, match="nothing to learn"):
        probe.loss({})


# --- learning ---------------------------------------------------------------


def test_two_phases_recover_a_hidden_potential_and_mass(generator: Generator) -> None:
    probe, truth = at_rest(generator, memory=False, grid=Grid(shape=(4, 4)))
    probe = attrs.evolve(probe, targets=probe.fields(truth), sites=None)
    start = {name: torch.zeros_like(value) for name, value in truth.items()}
    updater = Contrastive(nudge=0.05, learning_rate=0.05)
    found = learn(probe, start, updater, updates=110, generator=generator)
    for name in truth:
        assert (found[name] - truth[name]).abs().max() < 0.02
    assert probe.loss(found) < 1e-4 * probe.loss(start)


@pytest.mark.parametrize("kind", KINDS)
def test_perturbations_recover_a_hidden_mass(kind: str, generator: Generator) -> None:
    probe, truth, _ = moving(kind, generator)
    probe = attrs.evolve(probe, observed=probe.fields(truth))
    hidden = {"log_mass": truth["log_mass"]}
    probe = attrs.evolve(
        probe, system=tuned(probe.system, {n: v for n, v in truth.items() if n != "log_mass"})
    )
    start = {"log_mass": truth["log_mass"] + 0.2}
    found = learn(probe, start, Spsa(perturbation=0.5), updates=12, generator=generator)
    assert abs(float(found["log_mass"] - hidden["log_mass"])) < 0.01
