"""The energy ``H = −(ħ²/2m) Δ + V(x)`` of a field, and functions of it.

``V`` multiplies every component of the field. ``ħ`` and ``m`` are parameters of the model. With energies in
``E``, lengths in ``L`` and times in ``t``, ``ħ`` has the unit ``E t`` and ``m`` the unit ``E t²/L²``.
"""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.errors import UsageError
from lior_field.grid import Grid, parts, spread

_TINY = 1e-17
"""Threshold of Chebyshev coefficients, relative to the largest; smaller ones are not used."""
_MOST_TERMS = 100_000


def _potential(value: Tensor | float) -> Tensor:
    if torch.as_tensor(value).is_complex():
        raise UsageError("the potential must be real; an imaginary part, which absorbs, has no dynamics here")
    return torch.as_tensor(value, dtype=torch.float64)


@attrs.define(kw_only=True, eq=False)
class Hamiltonian:
    """``H`` on a grid; self-adjoint under the grid's inner product.

    Raises
    ------
    UsageError
        If a constant is not above 0, or the potential is not real or does not fit the grid.
    """

    grid: Grid
    potential: Tensor = attrs.field(converter=_potential, factory=lambda: torch.zeros(()))
    """``V``, real: one number, or ``(Nx, Ny)``; an energy."""
    mass: float = 1.0
    """``m > 0``, in energy · time²/length²."""
    hbar: float = 1.0
    """``ħ > 0``, in energy · time."""

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
        """Lower and upper bound of all eigenvalues, energies."""
        low, high = float(self.potential.min()), float(self.potential.max())
        return low, high + self.scale * self.grid.largest()

    def apply(self, t: Tensor) -> Tensor:
        """Return ``H T``, in the shape of ``T``, an energy times its unit."""
        return spread(self.potential, t) * t - self.scale * self.grid.laplacian(t)

    def energy(self, t: Tensor) -> Tensor:
        """Return ``⟨T, H T⟩ / ⟨T, T⟩``, a real scalar; the expected energy, whatever the norm."""
        return self.grid.inner(t, self.apply(t)).real / self.grid.norm(t).square()

    def exponential(self, t: Tensor, factor: complex) -> Tensor:
        """Compute ``exp(factor · H) T`` by Chebyshev polynomials, to rounding for any factor and metric.

        After H. Tal-Ezer and R. Kosloff, *J. Chem. Phys.* 81 (1984) 3967: the exponential's series on the
        interval of :attr:`bounds`. ``factor`` has the unit of 1/energy. A negative real factor is imaginary
        time; the result is then multiplied by ``exp(−factor · least energy)``, which cannot overflow.

        Raises
        ------
        UsageError
            When more than 100,000 terms are needed.
        """
        low, high = self.bounds
        centre, half = (high + low) / 2, max((high - low) / 2, 1e-300)
        real = factor.imag == 0
        sign = 1 if factor.real > 0 else -1
        prefactor = np.exp(factor * (centre + sign * half - (low if real else 0.0)))
        weights = [complex(prefactor * sign**k * w) for k, w in enumerate(_bessel(sign * factor * half))]
        before = t.to(torch.promote_types(t.dtype, torch.complex64), copy=True)
        diagonal = spread((self.potential - centre) * (2 / half), parts(before)).to(parts(before))
        diagonal = diagonal.expand_as(parts(before)).contiguous()

        def add_turned(total: Tensor, v: Tensor, sign: float) -> None:
            """Add ``sign · 2 (H − centre)/half v`` to ``total``."""
            parts(total).addcmul_(diagonal, parts(v), value=sign)
            self.grid.add_laplacian(total, v, -sign * 2 * self.scale / half)

        now = torch.zeros_like(before)
        add_turned(now, before, 0.5)
        total = weights[0] * before + weights[1] * now
        for k, weight in enumerate(weights[2:], 2):
            # T_k = 2 e T_{k−1} − T_{k−2} in place: stored are T_0, T_1, −T_2, −T_3, T_4, ...
            add_turned(before, now, 1 if k % 2 else -1)
            before, now = now, before
            signed = weight if k % 4 < 2 else -weight
            if real:
                parts(total).add_(parts(now), alpha=signed.real)
            else:
                total.add_(now, alpha=signed)
        return total

    def relaxed(self, source: Tensor, start: Tensor | None = None, *, tolerance: float = 1e-14) -> Tensor:
        """Return the field at rest under a source, ``H T = J``, which minimises ``½ ⟨T, H T⟩ − Re ⟨J, T⟩``.

        Conjugate gradients (M. Hestenes and E. Stiefel, *J. Res. Nat. Bur. Stand.* 49 (1952) 409) end at
        the limit of ``∂T/∂τ = −(H T − J)/ħ``.

        Parameters
        ----------
        source
            ``J (Nx, Ny, ...)``, an energy times the field's unit.
        start
            The initial field; 0 by default. It changes the rounding only.
        tolerance
            Tolerance of the residual's norm, relative to the larger of the source's and the first
            residual's.

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


def _bessel(z: complex) -> np.ndarray:
    """Return ``e^{−z} I_0(z), 2 e^{−z} I_1(z), ...``, the Chebyshev coefficients of ``exp(z (e − 1))`` on
    [−1, 1].

    There are at least two, and as many as rounding leaves, for a real part ``>= 0``. Miller's recurrence
    starts far above, where the terms vanish (W. Gautschi, *SIAM Review* 9 (1967) 24): ``I_{k−1} = (2k/z)
    I_k + I_{k+1}``, and their sum is 1.
    """
    z = z if abs(z) > 1e-30 else 1e-30 + 0j  # avoids a division by 0
    reach = abs(z)
    count = int(1.2 * reach + 12 * max(reach, 1.0) ** (1 / 3)) + 24
    if count > _MOST_TERMS:
        raise UsageError(
            f"a step of {count:,} terms: take shorter steps in time, at most {_MOST_TERMS:,} terms"
        )
    values = np.zeros(count + 2, dtype=complex)
    values[count] = 1e-300
    for k in range(count, 0, -1):
        values[k - 1] = 2 * k / z * values[k] + values[k + 1]
        if abs(values[k - 1]) > 1e200:
            values *= 1e-200
    values[1:] *= 2
    values /= values.sum()
    needed = np.flatnonzero(np.abs(values) > _TINY * np.abs(values).max())
    return values[: max(int(needed[-1]) + 1, 2)]
