"""The memory of a field: a kernel over its past values.

The memory kernel of three modes is a sum of poles (:mod:`lior_plugins.kernel`). This module has its state
for a field, and the derivatives of the filtered sequence, which learning needs. The fractional integral

    (I^α f)(t) = 1/Γ(α) ∫_0^t (t − s)^{α−1} f(s) ds

has weights of its own: product integration, which integrates the kernel exactly over each step (K.
Diethelm, N. Ford and A. Freed, *Nonlinear Dynamics* 29 (2002) 3), and the weights of Grünwald and Letnikov.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lior.errors import UsageError
from lior_plugins import kernel
from lior_plugins.kernel import Kernel


class FieldMemory(NamedTuple):
    """A normalised kernel, and the modes of the past fields."""

    kernel: Kernel
    """Poles and coefficients, complex128 ``(P,)``; the weights ``K(0), K(1), ...`` of past steps sum to 1."""
    modes: Tensor
    """Modes ``(P, 2 · Nx · Ny · ...)``, complex, in the field's unit.

    Real and imaginary parts of the field are separate channels.
    """

    @classmethod
    def start(cls, modes: Kernel, field: Tensor) -> FieldMemory:
        """Return the memory of a ``field`` that never changed.

        Raises
        ------
        UsageError
            If the kernel does not decay, or its weights do not sum to a number above 0.
        """
        if not bool((modes.poles.abs() < 1).all()):
            raise UsageError(
                "memory kernel: a pole is not inside the unit circle, so that nothing is forgotten"
            )
        total = float((modes.coeff / (1 - modes.poles)).real.sum())
        if not total > 0:
            raise UsageError(
                f"memory kernel: its weights sum to {total:.3g}; they must sum to a number above 0"
            )
        normal = Kernel(modes.poles, modes.coeff / total)
        return cls(normal, (1 / (1 - modes.poles))[:, None] * _channels(field))

    def recall(self, field: Tensor) -> Tensor:
        """Return ``Σ_j K(j) T_{t−j}``, in the shape of ``field``, whose values are not used."""
        flat = (self.kernel.coeff[:, None] * self.modes).sum(0).real.contiguous()
        return torch.view_as_complex(flat.reshape(*field.shape, 2))

    def after(self, field: Tensor) -> FieldMemory:
        """Return the memory one step later, with ``field`` as the newest."""
        return self._replace(modes=self.kernel.poles[:, None] * self.modes + _channels(field))


def _channels(field: Tensor) -> Tensor:
    return torch.view_as_real(field).reshape(-1)


def poles_pullback(poles: Tensor, coeff: Tensor, dk: Tensor) -> Tensor:
    """Return derivatives of ``sum(dk * impulse)`` with respect to the poles ``(P,)``.

    They have the form of :func:`lior_plugins.kernel.impulse_pullback`, with ``dk`` in the impulse
    response's shape.
    """
    length = dk.shape[0]
    steps = torch.arange(1, length, device=dk.device, dtype=dk.dtype)[:, None]
    slopes = steps * kernel.powers(poles, max(length - 1, 0))  # ∂λ^j/∂λ = j λ^{j−1}
    through = slopes.conj().T @ dk[1:].to(slopes.dtype) * coeff.conj()
    return through.sum(1) if coeff.ndim == 2 else through


class FilterPullback(NamedTuple):
    """Derivatives of ``sum(dm * m)`` of a filtered sequence ``m = kernel.scan(poles, coeff, x)[0]``."""

    coeff: Tensor
    """With respect to the coefficients ``(P,)``.

    Their real and imaginary parts are the derivatives with respect to the real and imaginary parts.
    """
    poles: Tensor
    """With respect to the poles ``(P,)``, in the same form."""


def filter_pullback(poles: Tensor, coeff: Tensor, x: Tensor, dm: Tensor) -> FilterPullback:
    """Return the derivatives of a filter that begins at rest, by its adjoint.

    They follow from the derivative with respect to the impulse response, ``dK(j) = Σ_t dm_t x_{t−j}``, a
    correlation.

    Parameters
    ----------
    poles, coeff
        Complex ``(P,)``.
    x, dm
        Inputs, and derivatives with respect to the outputs, real ``(T, d)``.
    """
    length = len(x)
    waves = torch.fft.rfft(x, 2 * length, dim=0).conj() * torch.fft.rfft(dm, 2 * length, dim=0)
    dk = torch.fft.irfft(waves, 2 * length, dim=0)[:length].sum(1)
    return FilterPullback(kernel.impulse_pullback(poles, dk), poles_pullback(poles, coeff, dk))


def product_weights(alpha: float, steps: int, dt: float = 1.0) -> Tensor:
    """Return weights ``w_k`` of ``f(t − k dt)`` in ``(I^α f)(t)``, float64 ``(steps,)``: exact for
    constants.

    They have the unit of ``dt`` to the power ``α``.

    ``w_k = dt^α [(k+1)^α − k^α] / Γ(α+1)``, product integration with ``f`` constant over each step.

    Raises
    ------
    UsageError
        If ``alpha`` is not in (0, 1], or ``dt`` is not above 0.
    """
    _check(alpha, dt)
    k = torch.arange(steps + 1, dtype=torch.float64) ** alpha
    return dt**alpha * k.diff() / math.gamma(alpha + 1)


def letnikov_weights(alpha: float, steps: int, dt: float = 1.0) -> Tensor:
    """Return weights of Grünwald and Letnikov: ``w_0 = dt^α``, ``w_k = w_{k−1} (1 − (1 − α)/k)``.

    Raises
    ------
    UsageError
        As :func:`product_weights`.
    """
    _check(alpha, dt)
    k = torch.arange(1, steps, dtype=torch.float64)
    return dt**alpha * torch.cat([torch.ones(1, dtype=torch.float64), 1 - (1 - alpha) / k]).cumprod(0)


def _check(alpha: float, dt: float) -> None:
    if not 0 < alpha <= 1:
        raise UsageError(f"order of the integral {alpha}: allowed is a number above 0 and up to 1")
    if not 0 < dt < math.inf:
        raise UsageError(f"time step {dt}: allowed is a finite number above 0")
