"""Clifford algebra of ``R^n`` as matrices, the reference for the spinor product's phases.

With ``X, Y, Z`` the Pauli matrices and ``k`` from 1 (Jordan–Wigner)::

    γ_{2k−1} = Z ⊗ … ⊗ Z ⊗ X ⊗ 1 ⊗ … ⊗ 1        {γ_a, γ_b} = 2 δ_ab
    γ_{2k}   = Z ⊗ … ⊗ Z ⊗ Y ⊗ 1 ⊗ … ⊗ 1        (X, Y at site k of ⌈n/2⌉)
"""

from __future__ import annotations

import torch
from torch import Tensor

from lior_plugins.products.spinor import rotor_phases


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


def rotor(theta: Tensor, n: int) -> Tensor:
    """The unitary matrix ``S (d, d)`` for angles ``theta (⌊n/2⌋,)`` in radians."""
    phases = rotor_phases(theta, n)
    return torch.polar(torch.ones_like(phases), phases).diag()
