"""Laws of the unitary, dissipative and symplectic evolution of a field."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import attrs
import torch
from torch import Tensor

from lior.interfaces import State
from lior.plots import Curve
from lior_field.dynamics import Dissipative, Symplectic, Unitary
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_field.laws.law import Law, chart, noise

REFERENCE = 2.180018492583743
"""The least level of ``−∇² + x² + y² + 0.3 x y + 0.2 x⁴ + 0.1 y⁴``, to 1.9e-11, by

lior ritz reference --levels 1 --set potential.type=expression --set domain.X=6 --set domain.Y=6 --json
--set "potential.expression=x**2 + y**2 + 0.3*x*y + 0.2*x**4 + 0.1*y**4"
"""


def _well(side: int = 12) -> Hamiltonian:
    grid = Grid(shape=(side, side))
    x, y = grid.sites()
    return Hamiltonian(grid=grid, potential=5e-4 * (x.square() + y.square()), hbar=0.1)


def _norm() -> Law:
    system, steps = Unitary(hamiltonian=_well(), dt=0.5), 2000
    state = system.start(noise(12, 12, 2, 2))
    grid, norms, energies = system.hamiltonian.grid, [], []
    for _ in range(steps):
        norms.append(float(grid.norm(state["field"])))
        energies.append(float(system.energy(state)))
        state = system.step(state)
    off = [abs(value / norms[0] - 1) for value in norms]
    swing = [abs(value / energies[0] - 1) for value in energies]
    x = [float(i) for i in range(1, steps, 10)]
    panel = chart(
        "unitary: 2,000 steps",
        "step",
        "relative change",
        Curve(name="norm", x=x, y=off[1::10]),
        Curve(name="energy", x=x, y=swing[1::10]),
        log_y=True,
    )
    return Law("norm", "change of the norm in 2,000 unitary steps", max(off), 1e-12, panel)


def _followed(
    system: Unitary, exact: Callable[[float], Tensor], steps: int, every: int, name: Callable[[int], str]
) -> tuple[float, list[Curve]]:
    """Return a field's largest distance from its closed form, and its density along x every ``every``
    steps."""
    grid, state = system.hamiltonian.grid, system.start(exact(0.0))
    x, curves, worst = grid.sites()[0][:, 0].tolist(), [], 0.0
    for step in range(steps + 1):
        if step % every == 0:
            truth = exact(step * system.dt)
            worst = max(worst, float(grid.norm(state["field"] - truth) / grid.norm(truth)))
            density = state["field"][:, 0].abs().square()
            curves.append(Curve(name=name(step), x=x, y=density.tolist()))
        state = system.step(state)
    return worst, curves


def _packet() -> Law:
    hbar, mass, width, k = 0.8, 1.3, 1.1, 2.0
    grid = Grid(shape=(192, 4), spacing=(0.25, 1.0), spectral=True)
    x = grid.sites()[0]

    def exact(time: float) -> Tensor:
        """E. Merzbacher, *Quantum Mechanics*, 3rd ed., section 2.3."""
        spread = 1 + 1j * hbar * time / (2 * mass * width**2)
        moved = x + 8 - hbar * k / mass * time
        phase = 1j * (k * (x + 8) - hbar * k**2 / (2 * mass) * time)
        return torch.exp(-moved.square() / (4 * width**2 * spread) + phase) / (spread**0.5)

    system = Unitary(hamiltonian=Hamiltonian(grid=grid, mass=mass, hbar=hbar), dt=0.01)
    worst, curves = _followed(system, exact, 800, 400, lambda step: f"t = {step * system.dt:g}")
    panel = chart("unitary: a free packet moves and widens", "x", "density", *curves)
    return Law("packet", "distance from the free Gaussian packet at t = 8", worst, 1e-9, panel)


def _coherent() -> Law:
    mass, hbar, omega, far = 1.2, 0.9, 1.5, 2.0
    grid = Grid(shape=(128, 4), spacing=(0.125, 1.0), spectral=True)
    x, period = grid.sites()[0], 2 * math.pi / omega
    h = Hamiltonian(grid=grid, potential=mass * omega**2 * x.square() / 2, mass=mass, hbar=hbar)

    def exact(time: float) -> Tensor:
        """R. Glauber, *Phys. Rev.* 131 (1963) 2766."""
        at, push = far * math.cos(omega * time), -mass * omega * far * math.sin(omega * time)
        phase = push * x / hbar - omega * time / 2 - push * at / (2 * hbar)
        return torch.exp(-mass * omega / (2 * hbar) * (x - at).square() + 1j * phase)

    system = Unitary(hamiltonian=h, dt=period / 4000)
    worst, curves = _followed(system, exact, 3000, 1000, lambda step: f"t = {step / 4000:g} periods")
    curves[-1] = attrs.evolve(curves[-1], dots=True)
    panel = chart("unitary: a coherent state keeps its shape", "x", "density", *curves)
    return Law("coherent", "distance from Glauber's state up to t = 3/4 period", worst, 1e-5, panel)


def _ground() -> Law:
    h = _well()
    system = Dissipative(hamiltonian=h, dt=20.0)
    matrix = h.apply(torch.eye(144, dtype=torch.complex128).reshape(12, 12, 144)).reshape(144, 144)
    lowest = float(torch.linalg.eigvalsh(matrix)[0])
    state, above = system.start(noise(12, 12)), []
    for _ in range(60):
        above.append(float(system.energy(state)) - lowest)
        state = system.step(state)
    rise = max(b - a for a, b in pairwise(above))
    x = [float(i) * system.dt for i in range(60)]
    panel = chart(
        "dissipative: energy above the ground state",
        "imaginary time",
        "energy",
        Curve(name="energy", x=x, y=above),
        log_y=True,
    )
    return Law(
        "ground state",
        "energy above the least eigenvalue at the end, or any rise",
        max(above[-1], rise),
        1e-12,
        panel,
    )


def _reference() -> Law:
    """Compare levels in units in which ``ħ²/2m`` is 1, as in the reference."""
    sides, off = list(range(12, 44, 4)), []
    for side in sides:
        grid = Grid(shape=(side, side), spacing=(10 / side, 10 / side), spectral=True)
        x, y = grid.sites()
        potential = x**2 + y**2 + 0.3 * x * y + 0.2 * x**4 + 0.1 * y**4
        system = Dissipative(hamiltonian=Hamiltonian(grid=grid, potential=potential, mass=0.5), dt=1.0)
        state = system.start(torch.exp(-(x.square() + y.square())).to(torch.complex128))
        for _ in range(8):
            state = system.step(state)
        off.append(abs(float(system.energy(state)) / REFERENCE - 1))
    curve = Curve(name="energy", x=[float(n) for n in sides], y=off)
    panel = chart(
        "dissipative: ground state beside lior ritz",
        "sites along an axis",
        "relative difference",
        curve,
        log_y=True,
    )
    return Law("reference", "ground energy beside that of lior ritz, 40 × 40 sites", off[-1], 1e-9, panel)


def _swing() -> Law:
    curves, off = [], 0.0
    for dt in (0.05, 0.2, 0.5):
        system = Symplectic(grid=Grid(shape=(3, 3)), dt=dt, stiffness=1.0)
        state, energies = system.start(torch.ones(3, 3, dtype=torch.complex128)), []
        for _ in range(int(40 / dt)):
            energies.append(float(system.energy(state)))
            state = system.step(state)
        changes = [abs(e / energies[0] - 1) for e in energies]
        off = max(off, abs(max(changes) / (dt**2 / 4) - 1))
        x = [i * dt for i in range(1, len(changes))]
        curves.append(Curve(name=f"dt = {dt}", x=x, y=changes[1:]))
    panel = chart(
        "symplectic: the energy swings by (ω dt)²/4", "time", "relative change", *curves, log_y=True
    )
    return Law("swing", "largest change of the energy, relative to (ω dt)²/4, less 1", off, 0.02, panel)


def _reverse() -> Law:
    """Check that reversing the momentum, or conjugating a state, retraces the path."""
    shear = Grid(shape=(12, 12), inverse=torch.tensor([[1.5, 0.4], [0.4, 0.8]]), spectral=True)
    free = Hamiltonian(grid=shear)
    ways: dict[str, tuple[Symplectic | Unitary, Callable[[State], State]]] = {
        "symplectic": (
            Symplectic(grid=Grid(shape=(12, 12)), dt=0.2, stiffness=0.3, tension=0.5, rest=0.1),
            lambda state: state | {"momentum": -state["momentum"]},
        ),
        "unitary, sheared": (
            Unitary(hamiltonian=free, dt=0.2),
            lambda state: {"field": state["field"].conj()},
        ),
    }
    curves, off = [], 0.0
    for name, (system, turned) in ways.items():
        there = [system.start(noise(12, 12))]
        for _ in range(500):
            there.append(system.step(there[-1]))
        state, apart, whole = turned(there[-1]), [], float(there[0]["field"].norm())
        for passed in reversed(there[:-1]):
            state = system.step(state)
            apart.append(float((turned(state)["field"] - passed["field"]).norm()) / whole)
        curves.append(Curve(name=name, x=[float(i + 1) for i in range(500)], y=apart))
        off = max(off, *apart)
    panel = chart(
        "the way back after 500 steps", "step back", "distance from the way there", *curves, log_y=True
    )
    return Law("reversible", "distance from the way there, 500 steps and 500 back", off, 1e-11, panel)


def _jacobian() -> Law:
    """Compare the Jacobian of a step with that of Euler's explicit one, which is not symplectic."""
    system = Symplectic(grid=Grid(shape=(3, 3)), dt=0.1, stiffness=0.3, tension=0.5)
    one, zero = torch.eye(9, dtype=torch.float64), torch.zeros(9, 9, dtype=torch.float64)
    omega = torch.cat([torch.cat([zero, one], 1), torch.cat([-one, zero], 1)])
    unit = torch.eye(18, dtype=torch.float64).reshape(2, 3, 3, 18)
    slope = 0.5 * system.grid.laplacian(unit[0, :, :, :9]).reshape(9, 9) - 0.3 * one
    times = [system.limit * i / 20 for i in range(1, 20)]
    verlet: list[float] = []
    euler: list[float] = []
    for dt in times:
        after = attrs.evolve(system, dt=dt).step({"field": unit[0], "momentum": unit[1]})
        step = torch.cat([after[name].reshape(9, 18) for name in ("field", "momentum")])
        plain = torch.cat([torch.cat([one, dt * one], 1), torch.cat([dt * slope, one], 1)])
        for found, j in ((verlet, step), (euler, plain)):
            found.append(float((j.mT @ omega @ j - omega).abs().max()))
    curves = [Curve(name="Verlet", x=times, y=verlet), Curve(name="explicit Euler", x=times, y=euler)]
    panel = chart("symplectic: |JᵀΩJ − Ω| of one step", "dt", "largest entry", *curves, log_y=True)
    return Law("symplectic", "JᵀΩJ − Ω of steps up to the limit", max(verlet), 1e-13, panel)


LAWS: tuple[Callable[[], Law], ...] = (
    _norm,
    _packet,
    _coherent,
    _ground,
    _reference,
    _swing,
    _reverse,
    _jacobian,
)
