"""The LIoR memory kernel as a sum of finitely many poles.

A causal kernel ``K(j) = Re Σ_p c_p λ_p^j`` with ``|λ_p| < 1`` turns the
convolution ``m_t = Σ_{s<=t} K(t-s) x_s`` into the recurrence
``S_p <- λ_p S_p + x``, ``m = Re Σ_p c_p S_p``: constant work and constant
state per step, and exactly the same values: a diagonal linear state space model
(Gupta, Gu & Berant 2022) in discrete time. Its output is bounded
by ``Σ_p |c_p| / (1 - |λ_p|) · max|x|``.

The three modes of the LIoR kernel are

* exponential, ``α e^{-βt}``: ``λ = e^{-β}``, ``c = α``;
* damped oscillation, ``η cos(ωt + φ) e^{-ζt}``: ``λ = e^{-ζ+iω}``, ``c = η e^{iφ}``;
* tempered power law, ``t^{-δ} e^{-ξt}``, with ``t^{-δ} = 1/Γ(δ) ∫ s^{δ-1} e^{-st} ds``: a
  quadrature of the integral with log-spaced nodes ``s`` (Beylkin & Monzón 2010), and
  ``ξ`` added to each rate.

Shapes: ``P`` poles; ``d`` channels; ``poles (P,)`` and ``coeff (P,)`` or, with
a kernel per channel, ``(P, d)`` are complex; inputs ``(..., T, d)`` are real;
states ``(..., P, d)`` are complex.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from lior.errors import UsageError

__all__ = [
    "Kernel",
    "Numbers",
    "concatenate",
    "exponential",
    "impulse",
    "impulse_pullback",
    "oscillation",
    "power_law",
    "powers",
    "scan",
]


Numbers: TypeAlias = "float | Sequence[float] | Tensor"

_SLOWEST, _FASTEST, _RATIO = 0.4, 3.5, 3.0
"""Slowest and fastest rate of the power law's poles (the slowest over ``horizon``), and their largest
ratio.

With these the relative error stays below 1e-2 for every exponent in (0, 2]."""

_FIT_POINTS = 400


class Kernel(NamedTuple):
    """Poles and coefficients of one kernel, complex128 ``(P,)`` each."""

    poles: Tensor
    coeff: Tensor


# --- modes ------------------------------------------------------------------


def exponential(alpha: Numbers, beta: Numbers) -> Kernel:
    """Return ``K(t) = α e^{-βt}``, one pole for every ``α`` and ``β`` (broadcast).

    Raises
    ------
    UsageError
        If a rate ``β`` is not positive.
    """
    return oscillation(alpha, 0.0, 0.0, beta)


def oscillation(eta: Numbers, omega: Numbers, phi: Numbers, zeta: Numbers) -> Kernel:
    """Return ``K(t) = η cos(ωt + φ) e^{-ζt}``, one pole for every set of values (broadcast).

    Frequency ``ω`` and phase ``φ`` are in radians (per step), the rate ``ζ`` is per step.

    Raises
    ------
    UsageError
        If a rate ``ζ`` is not positive, so that the kernel would not decay.
    """
    values = (torch.as_tensor(value, dtype=torch.float64) for value in (eta, omega, phi, zeta))
    amplitude, frequency, phase, rate = torch.broadcast_tensors(*values)
    if not bool((rate > 0).all()):
        raise UsageError(f"decay rate {rate.tolist()}: a kernel decays only with positive rates")
    # torch.polar makes the phase factor only: it needs a modulus >= 0, and η may be negative.
    coeff = amplitude * torch.polar(torch.ones_like(phase), phase)
    return Kernel(torch.polar(torch.exp(-rate), frequency).reshape(-1), coeff.reshape(-1))


def power_law(delta: float, horizon: float, *, xi: float = 0.0) -> Kernel:
    """Return ``K(t) ≈ t^{-δ} e^{-ξ t}`` for ``1 <= t <= horizon``, relative error below 1e-2.

    The exponential is exact: it is added to the rate of each pole.

    ``K(0)``, where the power law diverges, is the finite sum of the
    coefficients, and beyond ``horizon`` the kernel falls exponentially.

    Parameters
    ----------
    delta
        Exponent ``δ`` in (0, 2].
    horizon
        End of the fitted range in steps, at least 1.
    xi
        Decay ``ξ >= 0`` per step.

    Returns
    -------
    Kernel
        About ``3 + log(horizon) / log(3)`` real poles. The weights minimise the
        squared relative error over log-spaced times; a few may be slightly negative.

    Raises
    ------
    UsageError
        If a parameter is out of range.
    """
    if not 0 < delta <= 2:
        raise UsageError(f"power law exponent {delta}: allowed is a number above 0 and up to 2")
    if not 1 <= horizon < math.inf:
        raise UsageError(f"power law horizon {horizon}: allowed is a finite number of at least 1 step")
    if not 0 <= xi < math.inf:
        raise UsageError(f"decay of a power law {xi}: allowed is a finite number of at least 0 per step")
    slowest = _SLOWEST / horizon
    count = 1 + math.ceil(math.log(_FASTEST / slowest) / math.log(_RATIO))
    rates = _log_spaced(slowest, _FASTEST, count)
    times = _log_spaced(1.0, horizon, _FIT_POINTS)[:, None]
    design = torch.exp(-times * rates) * times**delta
    return exponential(_least_squares(design, torch.ones(_FIT_POINTS, dtype=torch.float64)), rates + xi)


def concatenate(*kernels: Kernel) -> Kernel:
    """Return the sum of ``kernels``: all their poles with all their coefficients."""
    return Kernel(torch.cat([k.poles for k in kernels]), torch.cat([k.coeff for k in kernels]))


def _log_spaced(low: float, high: float, count: int) -> Tensor:
    return torch.logspace(math.log10(low), math.log10(high), count, dtype=torch.float64)


def _least_squares(a: Tensor, b: Tensor) -> Tensor:
    """Return the ``w (P,)`` that minimises ``‖a w - b‖``, by modified Gram-Schmidt on ``a`` with ``b``
    appended.

    As accurate as Householder's method (Björck 1967). The rounding of LAPACK depends
    on the alignment of memory; this method always gives the same bits, as the initial
    state of a model must.
    """
    count = a.shape[1]
    columns = torch.cat([a, b[:, None]], dim=1)
    r = columns.new_zeros(count, count + 1)
    for k in range(count):
        length = columns[:, k].square().sum().sqrt()
        q = columns[:, k : k + 1] / length
        r[k, k] = length
        r[k, k + 1 :] = (q * columns[:, k + 1 :]).sum(0)
        columns[:, k + 1 :] -= q * r[k, k + 1 :]
    w = r.new_zeros(count)
    for k in reversed(range(count)):
        w[k] = (r[k, count] - (r[k, k + 1 : count] * w[k + 1 :]).sum()) / r[k, k]
    return w


# --- evaluation -------------------------------------------------------------


def powers(poles: Tensor, length: int) -> Tensor:
    """Return ``λ_p^j`` for ``j = 0 .. length - 1``, complex ``(length, P)``."""
    exponents = torch.arange(length, device=poles.device, dtype=poles.real.dtype)[:, None]
    # In polar form a pole of 0 has the power 0^0 = 1, and a real pole has real powers.
    return torch.polar(poles.abs() ** exponents, poles.angle() * exponents)


def impulse(poles: Tensor, coeff: Tensor, length: int) -> Tensor:
    """Return the real kernel ``K(0) .. K(length - 1)``; it is ``(length, d)`` for ``coeff (P, d)``."""
    return (powers(poles, length) @ coeff).real


def impulse_pullback(poles: Tensor, dk: Tensor) -> Tensor:
    """Return derivatives of ``sum(dk * impulse)`` with respect to the coefficients.

    ``dk`` has the shape of the impulse response. The result has the shape of ``coeff``; its real and
    imaginary parts are the derivatives with respect to the real and imaginary parts.
    """
    basis = powers(poles, dk.shape[0])
    return basis.conj().T @ dk.to(basis.dtype)


def scan(
    poles: Tensor, coeff: Tensor, x: Tensor, state: Tensor | None = None, *, chunk: int = 64
) -> tuple[Tensor, Tensor]:
    """Filter a sequence: ``S <- λ S + x``, ``m = Re Σ_p c_p S_p`` for each input ``x``, to rounding.

    Within a chunk the outputs are a product with the Toeplitz matrix of the
    kernel; only the state passes from one chunk to the next.

    Parameters
    ----------
    poles, coeff
        Complex, of the precision of ``x``; see the module for the shapes.
    x
        Inputs ``(..., T, d)``, oldest first; ``T`` may be 0.
    state
        State ``(..., P, d)`` to continue from; ``None`` for the beginning.
    chunk
        Inputs per chunk, at least 1. It changes speed and rounding only.

    Returns
    -------
    tuple[Tensor, Tensor]
        Outputs ``(..., T, d)`` and the state after the last input.
    """
    if state is None:
        state = poles.new_zeros(*x.shape[:-2], len(poles), x.shape[-1])
    chunk = max(1, min(chunk, x.shape[-2]))
    basis = powers(poles, chunk + 1)
    toeplitz = _toeplitz(impulse(poles, _per_channel(coeff), chunk))
    outputs = []
    for block in x.split(chunk, dim=-2):
        size = block.shape[-2]
        inside = torch.einsum("ijd,...jd->...id", toeplitz[:size, :size], block)
        carried = (basis[1 : size + 1] @ (_per_channel(coeff) * state)).real
        outputs.append(inside + carried)
        state = basis[size][:, None] * state + basis[:size].flip(0).T @ block.to(basis.dtype)
    return torch.cat(outputs, dim=-2), state


def _per_channel(coeff: Tensor) -> Tensor:
    return coeff if coeff.ndim == 2 else coeff[:, None]


def _toeplitz(kernel: Tensor) -> Tensor:
    """Return ``T[i, j] = K(i - j)``, zero above the diagonal: ``(C, C, d)`` from ``(C, d)``."""
    time = torch.arange(kernel.shape[0], device=kernel.device)
    lag = time[:, None] - time
    return kernel[lag.clamp(min=0)] * (lag >= 0)[..., None]
