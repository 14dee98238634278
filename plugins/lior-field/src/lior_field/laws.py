"""The laws of the dynamics, each measured, compared with what it must be, and drawn: ``lior field laws``."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from lior.geometry import kernel
from lior.plots.panels import Curve, LineChart
from lior_field import paths
from lior_field.dynamics import Dissipative, Symplectic, Unitary
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_field.memory import letnikov_weights, product_weights


class Law(NamedTuple):
    """A number that a law bounds."""

    name: str
    says: str
    measured: float
    bound: float
    panel: LineChart

    @property
    def holds(self) -> bool:
        """Whether the number is within its bound."""
        return self.measured <= self.bound


def measure() -> list[Law]:
    """All of them; some seconds of a core."""
    with torch.no_grad():
        return [law() for law in _LAWS]


def _chart(title: str, x: str, y: str, *curves: Curve, log_x: bool = False, log_y: bool = False) -> LineChart:
    return LineChart(title=title, x_label=x, y_label=y, curves=curves, log_x=log_x, log_y=log_y)


def _noise(*shape: int) -> Tensor:
    maker = torch.Generator().manual_seed(0)
    return torch.view_as_complex(torch.randn(*shape, 2, generator=maker, dtype=torch.float64))


def _well(side: int = 12) -> Hamiltonian:
    grid = Grid(shape=(side, side))
    x, y = grid.sites()
    return Hamiltonian(grid=grid, potential=5e-4 * (x.square() + y.square()), hbar=0.1)


def _norm() -> Law:
    system, steps = Unitary(hamiltonian=_well(), dt=0.5), 2000
    state = system.start(_noise(12, 12, 2, 2))
    grid, norms, energies = system.hamiltonian.grid, [], []
    for _ in range(steps):
        norms.append(float(grid.norm(state["field"])))
        energies.append(float(system.energy(state)))
        state = system.step(state)
    off = [abs(value / norms[0] - 1) for value in norms]
    swing = [abs(value / energies[0] - 1) for value in energies]
    x = [float(i) for i in range(1, steps, 10)]
    chart = _chart(
        "unitary: 2,000 steps", "step", "relative change",
        Curve(name="norm", x=x, y=[max(off[int(i)], 1e-17) for i in x]),
        Curve(name="energy", x=x, y=[max(swing[int(i)], 1e-17) for i in x]), log_y=True,
    )  # fmt: skip
    return Law("norm", "change of the norm in 2,000 unitary steps", max(off), 1e-12, chart)


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
    state, curves, worst = system.start(exact(0.0)), [], 0.0
    for step in range(801):
        if step % 400 == 0:
            truth = exact(step * system.dt)
            worst = max(worst, float(grid.norm(state["field"] - truth) / grid.norm(truth)))
            density = state["field"][:, 0].abs().square()
            curves.append(Curve(name=f"t = {step * system.dt:g}", x=x[:, 0].tolist(), y=density.tolist()))
        state = system.step(state)
    chart = _chart("unitary: a free packet moves and widens", "x", "density", *curves)
    return Law("packet", "distance from the free Gaussian packet at t = 8", worst, 1e-9, chart)


def _ground() -> Law:
    h = _well()
    system = Dissipative(hamiltonian=h, dt=20.0)
    matrix = h.apply(torch.eye(144, dtype=torch.complex128).reshape(12, 12, 144)).reshape(144, 144)
    lowest = float(torch.linalg.eigvalsh(matrix)[0])
    state, above = system.start(_noise(12, 12)), []
    for _ in range(60):
        above.append(float(system.energy(state)) - lowest)
        state = system.step(state)
    rise = max(b - a for a, b in pairwise(above))
    x = [float(i) * system.dt for i in range(60)]
    chart = _chart("dissipative: energy above the ground state", "imaginary time", "energy",
                   Curve(name="energy", x=x, y=[max(v, 1e-17) for v in above]), log_y=True)  # fmt: skip
    return Law(
        "ground state",
        "energy above the least eigenvalue at the end, or any rise",
        max(above[-1], rise),
        1e-12,
        chart,
    )


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
    chart = _chart(
        "symplectic: the energy swings by (ω dt)²/4", "time", "relative change", *curves, log_y=True
    )
    return Law("swing", "largest change of the energy, relative to (ω dt)²/4, less 1", off, 0.02, chart)


def _convolution() -> Law:
    modes = kernel.concatenate(
        kernel.exponential(0.7, 0.2), kernel.oscillation(0.4, 1.1, 0.3, 0.15), kernel.power_law(0.5, 1000)
    )
    x = torch.randn(400, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = kernel.impulse(modes.poles, modes.coeff, 400)
    exact = torch.stack([(weights[: t + 1].flip(0) * x[: t + 1, 0]).sum() for t in range(400)])
    off = float((kernel.scan(*modes, x)[0][:, 0] - exact).abs().max())
    times = torch.logspace(0, 5, 120, dtype=torch.float64).round().unique()
    curves = []
    for horizon in (64, 1024, 65536):
        power = kernel.power_law(0.5, horizon)
        rates = -power.poles.real.log()
        values = (power.coeff.real * torch.exp(-times[:, None] * rates)).sum(1)
        error = (values * times.sqrt() - 1).abs().clamp(min=1e-6)
        name = f"up to {horizon:,}: {len(rates)} poles"
        curves.append(Curve(name=name, x=times.tolist(), y=error.tolist()))
    chart = _chart(
        "memory: t^-1/2 as a sum of exponentials", "lag", "relative error", *curves, log_x=True, log_y=True
    )
    return Law("poles", "poles beside direct convolution, 400 steps", off, 1e-12, chart)


def _fractional() -> Law:
    alpha, sizes, curves, off = 0.5, [2**i for i in range(3, 13)], [], 0.0
    for name, weights in (("product integration", product_weights), ("Grünwald–Letnikov", letnikov_weights)):
        errors = []
        for steps in sizes:
            f = torch.arange(1, steps + 1, dtype=torch.float64).flip(0) / steps
            value = float((weights(alpha, steps, 1 / steps) * f).sum())
            errors.append(abs(value * math.gamma(alpha + 2) - 1))
        off = max(off, errors[-1])
        curves.append(Curve(name=name, x=[float(s) for s in sizes], y=errors))
    chart = _chart(
        "memory: half an integral of a line", "steps", "relative error", *curves, log_x=True, log_y=True
    )
    return Law("fractional", "error of the fractional integral of a line, 4,096 steps", off, 1e-3, chart)


def _geodesics() -> Law:
    """Between points whose distance is known; stereographic coordinates, and Poincaré's disc."""
    start, end = torch.tensor([-0.6, -0.1]).double(), torch.tensor([0.5, 0.4]).double()
    curves, off = [Curve(name="straight", x=[-0.6, 0.5], y=[-0.1, 0.4])], 0.0
    squared, sides = float((start - end).square().sum()), [float(p.square().sum()) for p in (start, end)]
    exact = {
        "sphere": 2 * math.asin(math.sqrt(squared / ((1 + sides[0]) * (1 + sides[1])))),
        "hyperbolic plane": 2 * math.asinh(math.sqrt(squared / ((1 - sides[0]) * (1 - sides[1])))),
    }
    for (name, distance), factor in zip(exact.items(), (paths.sphere, paths.ball), strict=True):
        path = paths.connect(factor, start, end)
        length = float(factor(path.points[0])[0].exp() * path.velocities[0].norm())
        off = max(off, abs(length / distance - 1))
        x, y = path.points.T.tolist()
        curves.append(Curve(name=name, x=x, y=y))
    chart = _chart("geodesics between two points", "x", "y", *curves)
    return Law("geodesics", "length beside the closed form, sphere and hyperbolic plane", off, 1e-8, chart)


_LAWS: tuple[Callable[[], Law], ...] = (
    _norm,
    _packet,
    _ground,
    _swing,
    _convolution,
    _fractional,
    _geodesics,
)
