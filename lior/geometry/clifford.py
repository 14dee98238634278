"""Clifford algebra of ``R^n`` in the Jordan–Wigner representation.

With ``X, Y, Z`` the Pauli matrices and ``k`` from 1::

    γ_{2k−1} = Z ⊗ … ⊗ Z ⊗ X ⊗ 1 ⊗ … ⊗ 1        {γ_a, γ_b} = 2 δ_ab
    γ_{2k}   = Z ⊗ … ⊗ Z ⊗ Y ⊗ 1 ⊗ … ⊗ 1        (X, Y at site k of ⌈n/2⌉)

The rotor of the commuting planes ``(2k−1, 2k)`` is

    S = Π_k exp(−½ θ_k γ_{2k−1} γ_{2k}),

which is diagonal, since ``γ_{2k−1} γ_{2k} = i Z_k``: basis spinor ``b`` is
multiplied by ``exp(−(i/2) Σ_k θ_k z_k(b))`` with ``z_k(b) = ±1``. It turns vectors,
``S v̸ S⁻¹ = (Qv)̸``, by ``θ_k`` in each plane, and ``θ_k → θ_k + 2π`` changes its sign.
(P. Lounesto, *Clifford Algebras and Spinors*, 2nd ed., chapters 3 and 17; P. Jordan
and E. Wigner, *Z. Phys.* 47 (1928) 631.)

A spinor has ``d = 2^⌈n/2⌉`` complex components. The spinor product needs only the
phases of ``S``; the matrices are their reference, for inspection and checks.
"""

from __future__ import annotations

import torch
from torch import Tensor


def spinor_dimension(n: int) -> int:
    """``d = 2^⌈n/2⌉``."""
    return int(2 ** ((n + 1) // 2))


def gamma_matrices(
    n: int, *, dtype: torch.dtype = torch.complex128, device: torch.device | str = "cpu"
) -> Tensor:
    """The generators ``γ_1 … γ_n``, Hermitian, of complex ``dtype``, shape ``(n, d, d)``."""
    one, x, y, z = (
        torch.tensor(pauli, dtype=dtype, device=device)
        for pauli in ([[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])
    )
    sites = (n + 1) // 2
    gammas = torch.empty(n, 2**sites, 2**sites, dtype=dtype, device=device)
    for a in range(n):
        k = a // 2
        product = torch.ones(1, 1, dtype=dtype, device=device)
        for factor in [z] * k + [y if a % 2 else x] + [one] * (sites - k - 1):
            product = torch.kron(product, factor)
        gammas[a] = product
    return gammas


def slash(v: Tensor, gammas: Tensor) -> Tensor:
    """``v̸ = Σ_a v_a γ_a`` for real ``v (..., n)``, shape ``(..., d, d)``; ``v̸² = |v|²``."""
    return torch.einsum("...a,aij->...ij", v.to(gammas.dtype), gammas)


def bivector(gammas: Tensor, a: int, b: int) -> Tensor:
    """``γ_a γ_b (d, d)``, numbered from 0; for ``a ≠ b`` the generator of that plane's rotations."""
    return gammas[a] @ gammas[b]


def plane_signs(n: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Tensor:
    """``z_k(b) = ±1`` for each of the ``⌊n/2⌋`` planes and each basis spinor, shape ``(⌊n/2⌋, d)``."""
    sites = (n + 1) // 2
    basis = torch.arange(2**sites, device=device)
    shifts = torch.arange(sites - 1, sites - 1 - n // 2, -1, device=device)[:, None]
    return (1 - 2 * ((basis >> shifts) & 1)).to(dtype)


def rotor_phases(theta: Tensor, n: int) -> Tensor:
    """Phases ``−½ Σ_k θ_k z_k(b)`` of the diagonal of ``S``, for angles ``theta (⌊n/2⌋,)``; real ``(d,)``."""
    return -0.5 * theta @ plane_signs(n, dtype=theta.dtype, device=theta.device)


def rotor(theta: Tensor, n: int) -> Tensor:
    """The unitary matrix ``S (d, d)`` for angles ``theta (⌊n/2⌋,)`` in radians."""
    phases = rotor_phases(theta, n)
    return torch.polar(torch.ones_like(phases), phases).diag()
