"""Cells stepped per second of one core, beside plain numpy; contexts encoded per second, beside ``lags``.

python plugins/lior-field/bench/speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lior.interfaces import StreamingEncoder
from lior_field.dynamics import Dissipative, Symplectic, Unitary
from lior_field.encoder import FieldEncoder
from lior_field.far import Far
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_plugins import Lags, Poles

SIDE, COMPONENTS = 256, 4
STEPS = 4
TOKENS = 65_536


def rate(work: Callable[[], Any], units: int) -> float:
    """Return units per processor second: the best of seven rounds after one that warms up."""
    work()
    seconds = []
    for _ in range(7):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return units / min(seconds)


def repeated(step: Callable[[Any], Any], state: Any) -> Callable[[], Any]:
    """Return a function that makes some steps, each from the end of the one before."""

    def work() -> None:
        at = state
        for _ in range(STEPS):
            at = step(at)

    return work


def plain_unitary(t: np.ndarray, half: np.ndarray, kinetic: np.ndarray) -> np.ndarray:
    """Make one split step, in plain numpy."""
    return half * np.fft.ifft2(kinetic * np.fft.fft2(half * t, axes=(0, 1)), axes=(0, 1))


def plain_symplectic(state: tuple[np.ndarray, np.ndarray], dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Make one step of velocity Verlet."""

    def force(x: np.ndarray) -> np.ndarray:
        around = sum(np.roll(x, shift, axis) for axis in (0, 1) for shift in (1, -1))
        return 0.5 * (around - 4 * x) - 0.3 * x

    t, p = state
    p = p + dt / 2 * force(t)
    t = t + dt * p
    return t, p + dt / 2 * force(t)


def main() -> None:
    """Print a line for each."""
    torch.set_num_threads(1)
    grid = Grid(shape=(SIDE, SIDE))
    x, y = grid.sites()
    h = Hamiltonian(grid=grid, potential=1e-4 * (x.square() + y.square()))
    t = torch.randn(
        SIDE, SIDE, COMPONENTS, dtype=torch.complex128, generator=torch.Generator().manual_seed(0)
    )
    cells = STEPS * t.numel()
    unitary = Unitary(hamiltonian=h, dt=0.2)
    half, kinetic = (factor.numpy()[..., None] for factor in unitary._factors)
    symplectic = Symplectic(grid=grid, dt=0.2, stiffness=0.3, tension=0.5)
    rest = np.zeros_like(t.numpy())
    found = {
        "unitary": (
            repeated(unitary.step, unitary.start(t)),
            repeated(lambda s: plain_unitary(s, half, kinetic), t.numpy()),
        ),
        "symplectic": (
            repeated(symplectic.step, symplectic.start(t)),
            repeated(lambda s: plain_symplectic(s, 0.2), (t.numpy(), rest)),
        ),
    }
    for name, (ours, plain) in found.items():
        a, b = rate(ours, cells), rate(plain, cells)
        print(f"{name}: {a / 1e6:.2f} million cells/s, numpy {b / 1e6:.2f}, ratio {a / b:.2f}")
    relaxing = Dissipative(hamiltonian=h, dt=0.2)
    work = repeated(relaxing.step, relaxing.start(t))
    print(f"dissipative: {rate(work, cells) / 1e6:.2f} million cells/s")
    tokens = torch.randint(256, (TOKENS,), generator=torch.Generator().manual_seed(0))
    base = 0.0
    for encoder in (Lags(), Poles(), FieldEncoder(), Far(near="lags")):
        state = encoder.init(256, generator=torch.Generator().manual_seed(0))
        contexts = tokens.unfold(0, encoder.reach, 1).flip(1)
        speed = rate(lambda e=encoder, s=state, c=contexts: e.encode(s, c), len(contexts))  # type: ignore[misc]
        base = base or speed
        line = f"{type(encoder).__name__}: {speed:,.0f} contexts/s, lags / this {base / speed:.2f}"
        if isinstance(encoder, StreamingEncoder):
            stream = encoder.stream(state)
            read = rate(lambda e=encoder, s=state, m=stream: e.scan(s, m, tokens), TOKENS)  # type: ignore[misc]
            line += f"; streaming {read:,.0f} tokens/s"
        print(line)


if __name__ == "__main__":
    main()
