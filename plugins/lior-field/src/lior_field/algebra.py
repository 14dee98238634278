"""Numbers of 1, 2, 4 and 8 components, and their laws.

One rule makes each algebra from the one before it (A. Cayley, 1845; L. Dickson, 1919):

    (a, b)(c, d) = (a c − d̄ b, d a + b c̄),    conjugate (a, b)‾ = (ā, −b)

Components are the last dimension: reals, complex numbers, quaternions, octonions. Norms multiply; octonions
do not associate, but are alternative and obey Moufang's identities (J. Baez, *Bull. Amer. Math. Soc.* 39
(2002) 145). With complex components quaternions are biquaternions, whose complex norm ``q q̄`` multiplies
too; biquaternions of norm 1 rotate and boost (W. Hamilton, 1853; L. Silberstein, 1912).

A bilinear form is the sum of a symmetric and an antisymmetric one, :func:`symmetric_form` and :func:`wedge`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lior.errors import UsageError


def conjugate(a: Tensor) -> Tensor:
    """Negate all components but the first; complex components are not conjugated."""
    return torch.cat([a[..., :1], -a[..., 1:]], -1)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return the product of ``a (..., 2^k)`` and ``b (..., 2^k)``, ``k <= 3``; batch dimensions broadcast.

    Raises
    ------
    UsageError
        For other numbers of components: sedenions have zero divisors.
    """
    size = a.shape[-1]
    if size != b.shape[-1] or size not in (1, 2, 4, 8):
        raise UsageError(
            f"numbers of {size} and {b.shape[-1]} components: allowed are 1, 2, 4 and 8, the same for both"
        )
    if size == 1:
        return a * b
    (p, q), (r, s) = a.split(size // 2, -1), b.split(size // 2, -1)
    return torch.cat(
        [multiply(p, r) - multiply(conjugate(s), q), multiply(s, p) + multiply(q, conjugate(r))], -1
    )


def norm_squared(a: Tensor) -> Tensor:
    """Return ``a ā (...)``, the sum of the squares of the components; complex for complex components."""
    return (a * a).sum(-1)


def turned(vector: Tensor, rotor: Tensor) -> Tensor:
    """Return ``r v r̄`` of vectors ``(..., 3)`` and unit quaternions ``(..., 4)``: a rotation.

    ``r`` and ``−r`` give the same rotation.
    """
    pure = torch.cat([torch.zeros_like(vector[..., :1]), vector], -1)
    return multiply(multiply(rotor, pure), conjugate(rotor))[..., 1:]


def transform(event: Tensor, biquaternion: Tensor) -> Tensor:
    """Return the Lorentz transformation of events ``(..., 4)``, time first, by biquaternions ``(..., 4)``
    of norm 1.

    ``q X q̄*`` of ``X = t + i (x, y, z)``, with ``*`` the complex conjugate; ``t² − x² − y² − z²`` is
    invariant.
    """
    i = 1j
    x = torch.cat([event[..., :1].to(biquaternion.dtype), i * event[..., 1:]], -1)
    after = multiply(multiply(biquaternion, x), conjugate(biquaternion).conj())
    return torch.cat([after[..., :1].real, after[..., 1:].imag], -1)


def symmetric_form(q: Tensor, k: Tensor, matrix: Tensor) -> Tensor:
    """Return ``qᵀ S k (...)`` of ``q, k (..., n)`` with the symmetric part ``S = (M + Mᵀ)/2`` of ``matrix
    (n, n)``.

    With ``M`` the identity it is the dot product. Together with :func:`wedge` it is ``qᵀ M k``.
    """
    return torch.einsum("...i,ij,...j->...", q, (matrix + matrix.mT) / 2, k)


def wedge(q: Tensor, k: Tensor, matrix: Tensor) -> Tensor:
    """Return ``ω(q, k) = qᵀ Ω k (...)`` with the antisymmetric part ``Ω = (M − Mᵀ)/2`` of ``matrix (n,
    n)``.

    ``ω(q, k) = −ω(k, q)``, so that ``ω(q, q) = 0``. Let a rotor ``R = cos θ + sin θ Ω`` turn every plane of
    an ``Ω`` with ``Ω² = −1`` by ``θ``. Distances then have both forms:

        |q − R k|² = |q|² + |k|² − 2 cos θ q·k − 2 sin θ ω(q, k)
    """
    return torch.einsum("...i,ij,...j->...", q, (matrix - matrix.mT) / 2, k)


def rotary(x: Tensor, angles: Tensor, positions: Tensor) -> Tensor:
    """Return ``x (T, n)`` with each plane ``(2k, 2k + 1)`` turned by ``position · angle_k``: rotary
    embedding.

    The dot product of two rows depends on their distance only (J. Su and others, *RoFormer*, 2021). It is
    the rotor ``exp(−½ t Σ θ_k γ_{2k−1} γ_{2k})`` of commuting planes, and equals one undamped pole
    ``e^{iθ_k}`` a plane.
    """
    planes = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    phases = positions[:, None] * angles
    return torch.view_as_real(planes * torch.polar(torch.ones_like(phases), phases)).flatten(-2)
