"""The lowest eigenpairs of a symmetric matrix, without reducing all of it to tridiagonal form.

Both iterations below start from the leading block of the matrix, whose rows should be in the order of growing
diagonal elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from lior_ritz.verification.reference.modes import Array

_DIRECT = 600
"""Up to this size LAPACK's reduction is the faster way."""
_LEADING = 300
"""Size of the leading block that the iteration on a matrix starts from."""
_GUARDS = 4
_STEPS = 12
"""Blocks of the Krylov space of a matrix at most."""
_ROUNDS = 60
"""Corrections of the iteration on an operator at most."""
_NOTHING = 1e-12
_BLOCKS = 8
"""Blocks of its search space at which it starts over from the best vectors."""


def lowest(matrix: Array, k: int) -> tuple[Array, Array]:
    """The ``min(k, n)`` lowest eigenvalues, ascending ``[k]``, and eigenvectors ``[n, k]``.

    Large matrices are factorised by Cholesky below their lowest eigenvalue, and a block Krylov space of the
    inverse is built from the eigenvectors of the leading block (G. H. Golub and C. F. Van Loan, *Matrix
    Computations*, 4th ed., section 10.3.6).
    """
    k = min(k, len(matrix))
    if len(matrix) > _DIRECT and k <= _LEADING // 8:
        found = _inverse_krylov(matrix, k)
        if found is not None:
            return found
    energies, vectors = scipy.linalg.eigh(matrix, subset_by_index=[0, k - 1], check_finite=False)
    return energies, vectors


def _inverse_krylov(matrix: Array, k: int) -> tuple[Array, Array] | None:
    """The same by iteration; ``None`` when it does not get there."""
    n, width = len(matrix), k + _GUARDS
    leading, vectors = scipy.linalg.eigh(
        matrix[:_LEADING, :_LEADING], subset_by_index=[0, width - 1], check_finite=False
    )
    factored = _factorise(matrix, leading)
    if factored is None:
        return None
    block = _start(vectors, n)
    basis, images = block, np.empty((n, 0))
    before = np.full(k, np.inf)
    for _ in range(_STEPS):
        image = factored.solve(block)
        images = np.hstack([images, image])
        inverse, turn = _ritz(basis, images)
        energies = factored.shift + 1 / inverse[::-1][:k]
        if np.abs(energies - before).max() <= 1e-14 * np.abs(matrix.diagonal()).max():
            return energies, np.ascontiguousarray(basis @ turn[:, ::-1][:, :k])
        before, block = energies, _orthonormal(image, basis)
        basis = np.hstack([basis, block])
    return None


def lowest_of_operator(
    apply: Callable[[Array], Array], diagonal: Array, leading: Array, k: int, accuracy: float
) -> tuple[Array, Array]:
    """The same of an operator too large for a matrix, its eigenvalues to about ``accuracy``.

    Block Davidson (E. R. Davidson, J. Comput. Phys. 17, 87, 1975; Y. Saad, *Numerical Methods for Large
    Eigenvalue Problems*, 2nd ed., section 8.4) with the leading block solved exactly in the preconditioner
    and the diagonal for the rest, which is nearly all kinetic energy.

    Parameters
    ----------
    apply
        The operator on columns, ``[n, b] -> [n, b]``.
    diagonal
        An estimate of its diagonal, ``[n]``.
    leading
        Its leading block, ``[m, m]`` with ``m < n``.
    k
        Number of pairs, at most ``m``.
    accuracy
        Where to stop: twice in a row no eigenvalue fell by more than this.
    """
    n, m = len(diagonal), len(leading)
    estimates, vectors = lowest(leading, min(k + _GUARDS, m))
    factored = _factorise(leading, estimates)
    shift = estimates[0] - 1.0 if factored is None else factored.shift
    basis = _start(vectors, n)
    images = apply(basis)
    before, calm, width = np.full(k, np.inf), 0, vectors.shape[1]
    for left in reversed(range(_ROUNDS)):
        energies, turn = _ritz(basis, images)
        best, its_image = basis @ turn[:, :width], images @ turn[:, :width]
        calm = calm + 1 if np.max(before - energies[:k]) <= accuracy else 0
        if calm == 2 or not left:
            break
        before = energies[:k]
        if basis.shape[1] + k > _BLOCKS * width:
            basis, images = best, its_image
        correction = its_image[:, :k] - best[:, :k] * energies[:k]
        correction[m:] /= np.maximum(diagonal[m:] - shift, 1e-3)[:, None]
        if factored is not None:
            correction[:m] = factored.solve(correction[:m])
        block = _orthonormal(correction, basis)
        basis, images = np.hstack([basis, block]), np.hstack([images, apply(block)])
    return energies[:k], best[:, :k]


class _Factored(NamedTuple):
    """The Cholesky factor of ``matrix - shift``."""

    factor: Array
    shift: float

    def solve(self, right: Array) -> Array:
        """``(matrix - shift)⁻¹ right``."""
        return scipy.linalg.cho_solve((self.factor, True), right, check_finite=False)


def _factorise(matrix: Array, estimates: Array) -> _Factored | None:
    """With a shift below the lowest eigenvalue, which ``estimates[0]`` bounds; ``None`` if none is found."""
    spread = max(float(estimates[-1] - estimates[0]), 1e-3)
    for margin in (0.1, 0.5, 2.0, 8.0):
        shift = float(estimates[0]) - margin * spread
        shifted = matrix.copy()
        shifted[np.diag_indices(len(matrix))] -= shift
        try:
            factor = scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError:
            continue
        return _Factored(factor, shift)
    return None


def _start(vectors: Array, n: int) -> Array:
    """Orthonormal start of ``n`` rows: the leading block's ``vectors``, and two that have no symmetry.

    Without these all states of a symmetry could be missed that is absent from the leading block's lowest.
    """
    start = np.zeros((n, vectors.shape[1] + 2))
    start[: len(vectors), :-2] = vectors
    start[:, -2:] = np.random.default_rng(0).standard_normal((n, 2)) / np.arange(1, n + 1)[:, None]
    return np.linalg.qr(start)[0]


def _ritz(basis: Array, images: Array) -> tuple[Array, Array]:
    inner = basis.T @ images
    values, vectors = scipy.linalg.eigh((inner + inner.T) / 2)
    return values, vectors


def _orthonormal(block: Array, basis: Array) -> Array:
    """``block`` made orthonormal, and orthogonal to ``basis``: twice, as once leaves rounding. What
    lies in the basis but for rounding is left out: of a state that is exact there is no correction."""
    block = block / np.maximum(np.linalg.norm(block, axis=0), 1e-300)
    for _ in range(2):
        block = block - basis @ (basis.T @ block)
        block = np.linalg.qr(block[:, np.linalg.norm(block, axis=0) > _NOTHING])[0]
    return block
