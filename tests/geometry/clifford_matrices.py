"""Clifford algebra of ``R^n`` as matrices, the reference for the spinor product's phases.

With ``X, Y, Z`` the Pauli matrices and ``k`` from 1 (Jordan–Wigner)::

    γ_{2k−1} = Z ⊗ … ⊗ Z ⊗ X ⊗ 1 ⊗ … ⊗ 1        {γ_a, γ_b} = 2 δ_ab
    γ_{2k}   = Z ⊗ … ⊗ Z ⊗ Y ⊗ 1 ⊗ … ⊗ 1        (X, Y at site k of ⌈n/2⌉)
"""

from __future__ import annotations

import torch
from torch import Tensor


def gamma_matrices(n: int) -> Tensor:
    """The generators ``γ_1 … γ_n``, Hermitian, shape ``(n, d, d)``."""
    one, x, y, z = (
        torch.tensor(pauli, dtype=torch.complex128)
        for pauli in ([[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])
    )
    sites = (n + 1) // 2
    gammas = []
    for a in range(n):
        k = a // 2
        product = torch.ones(1, 1, dtype=torch.complex128)
        for factor in [z] * k + [y if a % 2 else x] + [one] * (sites - k - 1):
            product = torch.kron(product, factor)
        gammas.append(product)
    return torch.stack(gammas)


def rotor(theta: Tensor, n: int) -> Tensor:
    """The unitary matrix ``S (d, d)`` for angles ``theta (⌊n/2⌋,)`` in radians: the exponential of the
    planes' bivectors ``γ_a γ_b``.
    """
    gammas = gamma_matrices(n)
    planes = gammas[0 : n - 1 : 2] @ gammas[1::2]
    return torch.linalg.matrix_exp((-0.5 * theta[:, None, None] * planes).sum(0))
