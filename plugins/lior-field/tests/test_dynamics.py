"""Laws of the three dynamics that `lior field laws` does not check: orders, sources, limits, curved grids."""

from __future__ import annotations

import math

import attrs
import pytest
import torch
from conftest import curved_grid, noise
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.interfaces import State
from lior.testing.tensors import gradients
from lior_field.dynamics import Dissipative, Symplectic, Unitary
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_plugins import kernel


def plain(n: int = 8, **kwargs: float) -> Hamiltonian:
    grid = Grid(shape=(n, n))
    x, y = grid.sites()
    return Hamiltonian(grid=grid, potential=0.01 * (x.square() + y.square()) / 16, hbar=0.1, **kwargs)  # type: ignore[arg-type]


# --- unitary ----------------------------------------------------------------


def test_a_curved_metric_keeps_norm_and_energy_to_rounding(generator: Generator) -> None:
    h = Hamiltonian(grid=curved_grid(), potential=torch.rand(6, 5, generator=generator, dtype=torch.float64))
    system = Unitary(hamiltonian=h, dt=0.9 * math.pi / (h.bounds[1] - h.bounds[0]))
    state = system.start(noise(generator, 6, 5, 2))
    norm, energy = h.grid.norm(state["field"]), system.energy(state)
    for _ in range(200):
        state = system.step(state)
    assert abs(h.grid.norm(state["field"]) / norm - 1) < 1e-12
    assert abs(system.energy(state) / energy - 1) < 1e-12


def test_splitting_is_of_second_order(generator: Generator) -> None:
    h, t = plain(), noise(generator, 8, 8)
    exact = h.exponential(t, -4j / h.hbar)
    errors = []
    for dt in (0.4, 0.2):
        system = Unitary(hamiltonian=h, dt=dt)
        state = system.start(t)
        for _ in range(round(4 / dt)):
            state = system.step(state)
        errors.append(float(h.grid.norm(state["field"] - exact)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_a_source_drives_as_duhamel_says(generator: Generator) -> None:
    h, source = plain(), noise(generator, 8, 8)
    errors = []
    for dt in (0.2, 0.1):
        system = Unitary(hamiltonian=h, dt=dt)
        state = system.start(torch.zeros_like(source))
        for _ in range(round(2 / dt)):
            state = system.step(state, drive=source)
        # iħ ∂T = H T + J from rest, in the eigenbasis of H.
        matrix = h.apply(torch.eye(64, dtype=torch.complex128).reshape(8, 8, 64)).reshape(64, 64)
        values, vectors = torch.linalg.eigh((matrix + matrix.mH) / 2)
        gain = (torch.exp(-2j * values / h.hbar) - 1) / values
        exact = vectors @ (gain * (vectors.mH @ source.reshape(64)))
        errors.append(float((state["field"].reshape(64) - exact).norm()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_steps_above_the_limit_are_refused_with_the_limit() -> None:
    h = plain()
    limit = Unitary(hamiltonian=h, dt=0.1).limit
    assert limit == pytest.approx(math.pi * 0.1 / (h.bounds[1] - h.bounds[0]))
    with pytest.raises(UsageError, match=f"up to {limit:.6g}"):
        Unitary(hamiltonian=h, dt=limit * 1.001)
    with pytest.raises(UsageError, match="2 over the largest frequency"):
        Symplectic(grid=h.grid, dt=100.0)
    with pytest.raises(UsageError, match="allowed is a number above 0 and up to 2"):
        Dissipative(hamiltonian=h, dt=2.1, bayes=0.5)


# --- dissipative ------------------------------------------------------------


def test_evidence_pulls_towards_the_posterior_and_keeps_the_norm(generator: Generator) -> None:
    h = plain()
    t, evidence = noise(generator, 8, 8, 2, 2), noise(generator, 8, 8, 2, 2)
    system = Dissipative(hamiltonian=h, dt=1e-3, bayes=200.0, tau=0.5)
    posterior = system.posterior(t, evidence)
    assert h.grid.norm(posterior) == pytest.approx(float(h.grid.norm(t)), rel=1e-12)
    state = system.start(t)
    after = system.step(state, drive=evidence)["field"]
    assert h.grid.norm(after - posterior) < h.grid.norm(t - posterior)
    assert h.grid.norm(after) == pytest.approx(float(h.grid.norm(t)), rel=1e-12)
    # Far evidence has weights too small for any number, of which the ratios still count.
    assert bool(system.posterior(t, evidence + 1e3).isfinite().all())


def test_memory_holds_a_field_that_never_changed_and_lags_behind_one_that_does(generator: Generator) -> None:
    h = plain()
    modes = kernel.concatenate(kernel.exponential(1.0, 0.1), kernel.oscillation(0.3, 0.8, 0.2, 0.3))
    ground = Dissipative(hamiltonian=h, dt=400.0)
    state = ground.start(noise(generator, 8, 8))
    for _ in range(10):
        state = ground.step(state)
    system = Dissipative(hamiltonian=h, dt=1.0, remembering=0.5, kernel=modes)
    still = system.step(system.start(state["field"]))["field"]
    assert h.grid.norm(still - state["field"]) < 1e-9 * h.grid.norm(still)
    free, held = Dissipative(hamiltonian=h, dt=1.0), system
    t = noise(generator, 8, 8)
    a, b = free.start(t), held.start(t)
    for _ in range(20):
        a, b = free.step(a), held.step(b)
    assert free.energy(a) < held.energy(b) < h.energy(t)


# --- symplectic -------------------------------------------------------------


def test_the_shadow_energy_is_kept_to_rounding() -> None:
    dt = 0.5
    system = Symplectic(grid=Grid(shape=(3, 3)), dt=dt, stiffness=1.0)
    state = system.start(torch.ones(3, 3, dtype=torch.complex128))
    values = []
    for _ in range(1000):
        state = system.step(state)
        p, q = state["momentum"].abs().square(), state["field"].abs().square()
        values.append(float((p + (1 - dt**2 / 4) * q).sum()) / 2)
    assert max(values) - min(values) < 1e-12 * values[0]


SHEARED = Grid(
    shape=(6, 8), spacing=(0.7, 1.1), inverse=torch.tensor([[1.5, 0.4], [0.4, 0.8]]), spectral=True
)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("grid", [curved_grid(), SHEARED], ids=["curved", "sheared spectral"])
def test_time_runs_backwards(grid: Grid, real: bool, generator: Generator) -> None:
    system = Symplectic(grid=grid, dt=0.2, stiffness=0.3, tension=0.5, rest=0.1)
    t, force = noise(generator, *grid.shape, 2), noise(generator, *grid.shape, 2)
    if real:
        t, force = t.real.clone(), force.real.clone()
    state = system.start(t)
    for _ in range(100):
        state = system.step(state, drive=force)
    state["momentum"] = -state["momentum"]
    for _ in range(100):
        state = system.step(state, drive=force)
    torch.testing.assert_close(state["field"], t, rtol=1e-11, atol=1e-11)


def test_a_constant_force_moves_the_rest_by_itself_over_the_stiffness(generator: Generator) -> None:
    system = Symplectic(grid=Grid(shape=(6, 5)), dt=0.2, stiffness=0.3, tension=0.5, rest=0.1)
    force = torch.full((6, 5, 2), 0.6 - 0.3j, dtype=torch.complex128)
    state = start = system.start(0.1 + force / 0.3)
    for _ in range(20):
        state = system.step(state, drive=force)
    torch.testing.assert_close(state["field"], start["field"], rtol=1e-14, atol=1e-14)


def test_the_force_is_the_slope_of_the_energy(generator: Generator) -> None:
    system = Symplectic(grid=curved_grid(), dt=0.1, stiffness=0.3, tension=0.5, rest=0.2)
    t = noise(generator, 6, 5)

    def energy(state: State) -> Tensor:
        field = torch.view_as_complex(state["field"])
        return system.energy({"field": field, "momentum": torch.zeros_like(t)})

    slope = gradients(energy, {"field": torch.view_as_real(t)}, ("field",))["field"]
    first = attrs.evolve(system, dt=1e-9)
    force = first.step(first.start(t))["momentum"] / 1e-9
    volume = system.grid.volume
    torch.testing.assert_close(force * volume, -torch.view_as_complex(slope), rtol=1e-7, atol=1e-7)


def test_a_wave_of_the_largest_frequency_is_stable_at_the_limit_and_not_beyond(generator: Generator) -> None:
    system = Symplectic(grid=Grid(shape=(4, 4)), dt=0.1, stiffness=0.5, tension=0.25)
    t = noise(generator, 4, 4)
    near = attrs.evolve(system, dt=0.999 * system.limit)
    state = near.start(t)
    for _ in range(2000):
        state = near.step(state)
    assert state["field"].abs().max() < 100
    beyond = attrs.evolve(system)
    object.__setattr__(beyond, "dt", 1.01 * system.limit)
    state = beyond.start(t)
    for _ in range(2000):
        state = beyond.step(state)
    assert not state["field"].abs().max() < 1e6


# --- fields -----------------------------------------------------------------

ALL = [
    Unitary(hamiltonian=plain(), dt=0.1),
    Dissipative(hamiltonian=plain(), dt=0.1),
    Symplectic(grid=Grid(shape=(8, 8)), dt=0.1),
]


@pytest.mark.parametrize("system", ALL)
@pytest.mark.parametrize("shape", [(8,), (1, 8), (4, 8, 8), ()])
def test_a_field_of_other_sites_is_refused(system: Unitary, shape: tuple[int, ...]) -> None:
    """Broadcasting made a field of the grid's shape out of it."""
    with pytest.raises(UsageError, match=r"field of shape .*: allowed is \(8, 8\)"):
        system.start(torch.ones(shape))


@pytest.mark.parametrize("system", ALL)
def test_a_field_that_is_not_finite_is_refused(system: Unitary) -> None:
    with pytest.raises(UsageError, match="finite at every site"):
        system.start(torch.full((8, 8), math.nan))


@pytest.mark.parametrize("system", ALL)
def test_whole_numbers_are_a_field_of_double_precision(system: Unitary) -> None:
    ones = torch.ones(8, 8, dtype=torch.float64)
    whole, wanted = (system.step(system.start(field))["field"] for field in (ones.long(), ones))
    torch.testing.assert_close(whole, wanted, rtol=0, atol=0)


def test_imaginary_time_needs_a_field() -> None:
    with pytest.raises(UsageError, match="0 everywhere"):
        Dissipative(hamiltonian=plain(), dt=0.1).start(torch.zeros(8, 8))


def test_a_complex_potential_is_refused() -> None:
    with pytest.raises(UsageError, match="must be real"):
        Hamiltonian(grid=Grid(shape=(8, 8)), potential=torch.full((8, 8), 1 - 1j))


@pytest.mark.parametrize("system", ALL)
@pytest.mark.parametrize("shape", [(8,), (1, 8), (8, 7), ()])
def test_a_drive_of_other_sites_is_refused(system: Unitary, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"drive of shape .*: allowed is the field's, \(8, 8\)"):
        system.step(system.start(torch.ones(8, 8)), drive=torch.ones(shape))


@pytest.mark.parametrize(
    ("rest", "said"), [(math.nan, "rest must be finite"), (torch.ones(8), "rest of shape"), (1j, "complex")]
)
def test_a_rest_that_the_field_cannot_have_is_refused(rest: Tensor | float, said: str) -> None:
    system = Symplectic(grid=Grid(shape=(8, 8)), dt=0.1, rest=rest)
    with pytest.raises(UsageError, match=said):
        system.start(torch.ones(8, 8))


def test_a_complex_force_on_a_real_field_is_refused() -> None:
    system = Symplectic(grid=Grid(shape=(8, 8)), dt=0.1)
    with pytest.raises(UsageError, match="start with a complex field"):
        system.step(system.start(torch.ones(8, 8)), drive=1j * torch.ones(8, 8))
