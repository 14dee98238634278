"""The energy ``H = −(ħ²/2m) Δ + V(x)`` of a field, and functions of it.

``V`` multiplies every component of the field. ``ħ`` and ``m`` are numbers of the model: with energies in
``E``, lengths in ``L`` and times in ``t``, ``ħ`` has the unit ``E t`` and ``m`` the unit ``E t²/L²``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.errors import UsageError
from lior_field.grid import Grid, spread

_TINY = 1e-17
"""Chebyshev coefficients below this, relative to the largest, are not used."""
_MOST_TERMS = 100_000


def _potential(value: Tensor | float) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


@attrs.define(kw_only=True, eq=False)
class Hamiltonian:
    """``H`` on a grid; self-adjoint under the grid's inner product.

    Raises
    ------
    UsageError
        If a constant is not above 0, or the potential does not fit the grid.
    """

    grid: Grid
    potential: Tensor = attrs.field(converter=_potential, factory=lambda: torch.zeros(()))
    """``V``, real: one number, or ``(Nx, Ny)``; an energy."""
    mass: float = 1.0
    hbar: float = 1.0

    def __attrs_post_init__(self) -> None:
        if not (self.mass > 0 and self.hbar > 0):
            raise UsageError(f"mass {self.mass}, hbar {self.hbar}: both must be above 0")
        if self.potential.ndim and self.potential.shape != self.grid.shape:
            raise UsageError(
                f"potential of shape {tuple(self.potential.shape)}: "
                f"allowed are a number and {self.grid.shape}"
            )
        if not bool(self.potential.isfinite().all()):
            raise UsageError("the potential must be finite at every site")

    @property
    def scale(self) -> float:
        """``ħ²/2m``, an energy times a squared length."""
        return self.hbar**2 / (2 * self.mass)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest possible energy."""
        low, high = float(self.potential.min()), float(self.potential.max())
        return low, high + self.scale * self.grid.largest()

    def apply(self, t: Tensor) -> Tensor:
        """``H T``, of the shape of ``T``."""
        return spread(self.potential.to(t.device), t) * t - self.scale * self.grid.laplacian(t)

    def energy(self, t: Tensor) -> Tensor:
        """``⟨T, H T⟩ / ⟨T, T⟩``, a real scalar."""
        return self.grid.inner(t, self.apply(t)).real / self.grid.norm(t).square()

    def exponential(self, t: Tensor, factor: complex) -> Tensor:
        """``exp(factor · H) T`` by Chebyshev polynomials, to rounding for any factor and metric.

        After H. Tal-Ezer and R. Kosloff, *J. Chem. Phys.* 81 (1984) 3967: the polynomial that interpolates
        the exponential on the interval of :attr:`bounds`. A real factor below 0 is imaginary time; then the
        result is that times ``exp(−factor · least energy)``, which cannot overflow.
        """
        low, high = self.bounds
        centre, half = (high + low) / 2, max((high - low) / 2, 1e-300)
        shift = low if factor.imag == 0 else 0.0
        weights = _chebyshev(lambda e: np.exp(factor * (centre + half * e - shift)), abs(factor) * half)

        def turned(v: Tensor) -> Tensor:
            return (self.apply(v) - centre * v) / half

        before, now = t, turned(t)
        total = weights[0] * before + weights[1] * now
        for weight in weights[2:]:
            before, now = now, 2 * turned(now) - before
            total = total + weight * now
        return total

    def relaxed(self, source: Tensor, start: Tensor | None = None, *, tolerance: float = 1e-14) -> Tensor:
        """The field at rest under a source, ``H T = J``, which makes ``½ ⟨T, H T⟩ − Re ⟨J, T⟩`` least.

        By conjugate gradients (M. Hestenes and E. Stiefel, *J. Res. Nat. Bur. Stand.* 49 (1952) 409), which
        end where ``∂T/∂τ = −(H T − J)/ħ`` does.

        Parameters
        ----------
        source
            ``J (Nx, Ny, ...)``, an energy times the field's unit.
        start
            The field to begin with; 0 if not given. It changes the rounding only.
        tolerance
            Of the residual's norm, relative to the larger of the source's and the first residual's.

        Raises
        ------
        UsageError
            Unless the potential is above 0 everywhere, so that there is a minimum; or if it is so small that
            rounding hides it.
        """
        if not (low := float(self.potential.min())) > 0:
            raise UsageError(
                f"a least potential of {low:.3g}: for a field to come to rest it must be above 0 everywhere"
            )
        t = torch.zeros_like(source) if start is None else start
        residual = source - self.apply(t)
        direction, size = residual, self.grid.norm(residual).square()
        least = tolerance**2 * torch.maximum(self.grid.norm(source).square(), size)
        for _ in range(_MOST_TERMS):
            if not size > least:  # also for numbers that are not finite
                return t
            ahead = self.apply(direction)
            reach = size / self.grid.inner(direction, ahead).real
            t, residual = t + reach * direction, residual - reach * ahead
            before, size = size, self.grid.norm(residual).square()
            direction = residual + size / before * direction
        raise UsageError(f"the field is not at rest after {_MOST_TERMS:,} steps: take a larger potential")


def _chebyshev(function: Callable[[np.ndarray], np.ndarray], reach: float) -> list[complex]:
    """Coefficients of ``function`` on [−1, 1], which varies as ``exp(reach · e)`` does; at least two."""
    count = int(1.2 * reach + 12 * max(reach, 1.0) ** (1 / 3)) + 24
    if count > _MOST_TERMS:
        raise UsageError(
            f"a step of {count:,} terms: take shorter steps in time, at most {_MOST_TERMS:,} terms"
        )
    angles = np.pi * (np.arange(count) + 0.5) / count
    values = function(np.cos(angles)).astype(complex)
    # The cosine transform of the values at Chebyshev's nodes, by a Fourier transform of twice the length.
    waves = np.fft.fft(np.concatenate([values, values[::-1]]))[:count]
    weights = (waves * np.exp(-0.5j * np.pi * np.arange(count) / count)) / count
    weights[0] /= 2
    needed = np.flatnonzero(np.abs(weights) > _TINY * np.abs(weights).max())
    return [complex(w) for w in weights[: max(int(needed[-1]) + 1, 2)]]
