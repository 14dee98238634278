"""Two electrons in a two-dimensional dot, ``H = h(1) + h(2) + κ/r₁₂``: full configuration interaction.

Without a magnetic field the orbitals are real and the spin separates: an orbital part
``ψ(r₁, r₂) = Σ Cᵢⱼ φᵢ(r₁) φⱼ(r₂)`` with a symmetric ``C`` is a singlet, with an antisymmetric one a triplet.
Both sectors are diagonalised in all pairs of ``k`` orbitals, so each energy is an upper bound (to the
accuracy of the Coulomb integrals, :mod:`lior_ritz.electrons.coulomb`), and falls as orbitals are added.

The exchange ``J = E_T - E_S`` is a small difference and needs many more orbitals than either energy: with two
of them (Hund-Mulliken) even its sign is wrong for common dots. The singlet has a cusp at ``r₁₂ = 0`` (where
the triplet vanishes), which products of smooth orbitals meet slowly: on the solvable dot ``V = x² + y²``,
``κ = 2`` (M. Taut, Phys. Rev. A 48, 3561, 1993) the error of the energy times the number of filled shells is
0.23, 0.18, 0.15, 0.14, 0.13 for 3, 5, 7, 9, 12 shells, so it falls like ``k^-½`` or a little faster. Hence
every result says how J moved with ``k``, and where such tails end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import scipy.linalg

from lior.errors import UsageError
from lior_ritz.electrons.coulomb import Array, Coulomb, NotOrthonormal, coefficients, grid_flags, hamiltonian
from lior_ritz.problem.units import Units
from lior_ritz.reports.observables import left_share

FEW = 6
"""With fewer orbitals J is not to be believed."""
TOO_FEW = "too few orbitals"
WRONG_SIGN = "wrong sign"
SIGN_CHANGES = "sign of J changes with the number of orbitals"
MOVES = "J moves by more than 10 % over the last sizes"
ONE_SIZE = "convergence not tested"

_ORTHONORMAL = 1e-6
"""How far overlaps may be off. J is some 10⁻⁴ of the energies, so this is worth a few percent of it."""
_SAME = 1e-6
"""Levels closer than this, relatively, are one degenerate level."""
_TAIL_POWERS = (0.5, 1.0)
_LAST_SIZES = 3


def _array(values: Any) -> Array:
    """Float64 of anything array-like, tensors too."""
    return np.asarray(values, dtype=np.float64)


@attrs.frozen(eq=False)
class Orbitals:
    """Eigenfunctions of one electron on a uniform grid, by rising energy.

    Raises ``UsageError`` when shapes disagree, numbers are not finite, energies fall, or the orbitals are not
    orthonormal.
    """

    values: Array = attrs.field(converter=_array)
    """``[k, ny, nx]`` in ``1/L0``, float64, real; rows are y, columns x."""
    energies: Array = attrs.field(converter=_array)
    """``[k]`` in ``E0``."""
    hx: float
    """Distance of columns, in ``L0``."""
    hy: float
    """Distance of rows, in ``L0``."""
    x_first: float | None = None
    """x of the first column, in ``L0``; ``None`` for a grid centred at 0."""

    def __attrs_post_init__(self) -> None:
        k = len(self.values)
        if self.values.ndim != 3 or not np.isfinite(self.values).all():
            raise UsageError(f"orbitals: need 3 dimensions and finite numbers, shape {self.values.shape}")
        if self.energies.shape != (k,) or k == 0:
            raise UsageError(
                f"{k} orbitals and {len(self.energies)} energies; there must be as many, not none"
            )
        if (np.diff(self.energies) < 0).any():
            raise UsageError("the energies of the orbitals must rise")
        flat = self.values.reshape(k, -1)
        off = float(np.abs(flat @ flat.T * (self.hx * self.hy) - np.eye(k)).max())
        if off > _ORTHONORMAL:
            raise NotOrthonormal(off)

    def coulomb(self) -> Coulomb:
        """The repulsion on their grid."""
        _, ny, nx = self.values.shape
        return Coulomb((ny, nx), self.hx, self.hy)

    def left(self, divide: float) -> Array:
        """``∫ φᵢφⱼ`` over ``x < divide`` (in ``L0``), ``[k, k]``, as accurate as over the whole grid."""
        k, _, nx = self.values.shape
        first = -(nx - 1) / 2 * self.hx if self.x_first is None else self.x_first
        x = first + self.hx * np.arange(nx, dtype=np.float64)
        weighted = (self.values * left_share(x, divide)).reshape(k, -1)
        return weighted @ self.values.reshape(k, -1).T * (self.hx * self.hy)


@attrs.frozen(eq=False)
class Sector:
    """The lowest ``n`` states of one total spin, by rising energy."""

    energies: Array
    """``[n]`` in ``E0``."""
    vectors: Array
    """``[n, k, k]``: C of each state, symmetric (singlet) or antisymmetric (triplet), of norm 1. The largest
    element on or below the diagonal is positive, the first of near equals."""
    left: Array
    """``[n]``: electrons on the left of the dividing line; the right has the rest of 2."""
    double_occupation: Array
    """``[n]``: probability of both electrons in the same half."""
    occupations: Array
    """``[n, k]``: natural occupation numbers, the eigenvalues of the one-body density matrix, falling; each
    counts both spins, and their sum is 2."""

    def report(self, units: Units) -> dict[str, Any]:
        """The result, ready for JSON; energies in ``E0`` and meV."""
        return {
            "E_E0": self.energies.tolist(),
            "E_meV": (self.energies * units.E0_meV).tolist(),
            "charge_left_e": self.left.tolist(),
            "charge_right_e": (2 - self.left).tolist(),
            "double_occupation": self.double_occupation.tolist(),
            "natural_occupations": self.occupations[:, :8].tolist(),
        }


@attrs.frozen(eq=False)
class TwoElectrons:
    """Two electrons in the largest number of orbitals, and how the lowest energies came there."""

    kappa: float
    """Repulsion at distance 1, in ``E0``."""
    sizes: tuple[int, ...]
    """Numbers of orbitals, rising; the last is that of the states."""
    singlet_by_size: Array
    """``[len(sizes)]``: lowest energy of the singlets, in ``E0``."""
    triplet_by_size: Array
    """``[len(sizes)]``: lowest energy of the triplets, in ``E0``."""
    singlet: Sector
    triplet: Sector
    grid_flags: tuple[str, ...] = ()
    """The faults of the grid, in words."""

    @property
    def orbitals(self) -> int:
        """The number of orbitals used."""
        return self.sizes[-1]

    @property
    def exchange_by_size(self) -> Array:
        """``[len(sizes)]``: J in ``E0``."""
        return self.triplet_by_size - self.singlet_by_size

    @property
    def exchange(self) -> float:
        """J = E_T - E_S in ``E0``; positive is antiferromagnetic (the singlet lies lower)."""
        return float(self.exchange_by_size[-1])

    @property
    def exchange_limit(self) -> tuple[float, float]:
        """J in ever more orbitals, in ``E0``, and how far that may be off; both ``nan`` with one size.

        Tails ``A k^-½`` and ``A k^-1`` (see the module) through the last size and either of the two before:
        the middle of what they give. The error is 1.5 times their spread: where J falls and rises with ``k``
        all of them may lie on one side. An estimate, no bound.
        """
        last, j = self.sizes[-1], self.exchange_by_size
        limits = [
            j[-1] + (j[-1] - before) / ((last / k) ** power - 1)
            for power in _TAIL_POWERS
            for k, before in zip(self.sizes[-_LAST_SIZES:-1], j[-_LAST_SIZES:-1], strict=True)
        ]
        if not limits:
            return math.nan, math.nan
        return float(max(limits) + min(limits)) / 2, 1.5 * float(max(limits) - min(limits))

    @property
    def flags(self) -> tuple[str, ...]:
        """Why J is not to be trusted. A negative J is always wrong: the ground state of two electrons
        without a magnetic field has no nodes, so it is symmetric, a singlet (E. Lieb and D. Mattis, Phys.
        Rev. 125, 164, 1962).
        """
        j = self.exchange_by_size[-_LAST_SIZES:]
        found = {
            TOO_FEW: self.orbitals < FEW,
            WRONG_SIGN: j[-1] < 0,
            SIGN_CHANGES: len(set(np.sign(j))) > 1,
            MOVES: max(abs(j - j[-1])) > 0.1 * abs(j[-1]),
            ONE_SIZE: len(j) == 1,
        }
        return tuple(name for name, is_so in found.items() if is_so) + self.grid_flags

    def report(self, units: Units) -> dict[str, Any]:
        """The result, ready for JSON; J in ``E0``, meV and µeV, unknown numbers ``None``."""
        limit, error = self.exchange_limit
        ueV = 1e3 * units.E0_meV
        return {
            "orbitals": self.orbitals,
            "repulsion_E0": self.kappa,
            "J_E0": self.exchange,
            "J_meV": self.exchange * units.E0_meV,
            "J_ueV": self.exchange * ueV,
            "J_limit_ueV": None if math.isnan(limit) else limit * ueV,
            "J_limit_error_ueV": None if math.isnan(error) else error * ueV,
            "flags": list(self.flags),
            "by_size": {
                "orbitals": list(self.sizes),
                "E_singlet_E0": self.singlet_by_size.tolist(),
                "E_triplet_E0": self.triplet_by_size.tolist(),
                "J_ueV": (self.exchange_by_size * ueV).tolist(),
            },
            "singlet": self.singlet.report(units),
            "triplet": self.triplet.report(units),
        }


def two_electrons(
    orbitals: Orbitals, kappa: float, *, sizes: Sequence[int] | None = None, states: int = 3
) -> TwoElectrons:
    """Two electrons that repel by ``κ/r₁₂``, by full configuration interaction.

    Raises ``UsageError`` when a size or another number is out of its range.

    Parameters
    ----------
    orbitals
        Two or more, on a grid fine enough for their products.
    kappa
        Repulsion at distance 1 in ``E0``, not negative: :attr:`lior_ritz.problem.units.Units.repulsion`.
    sizes
        Numbers of orbitals to try, the lowest so many each; the largest is used for the states. By default
        ``k`` and what it is when divided by √2 again and again, without cutting through a degenerate level.
    states
        How many states of each spin to return, fewer if there are fewer.
    """
    if not (math.isfinite(kappa) and kappa >= 0 and states >= 1):
        raise UsageError(f"kappa = {kappa} must be finite and not negative, states = {states} at least 1")
    tried = _sizes(orbitals.energies, sizes)
    k = tried[-1]
    used = attrs.evolve(orbitals, values=orbitals.values[:k], energies=orbitals.energies[:k])
    integrals = used.coulomb().integrals(used.values)
    lowest, sectors = [], []
    for symmetry in (1, -1):
        matrix = hamiltonian(used.energies, kappa, integrals, symmetry)
        energies, vectors = _lowest(matrix, states)
        ends = [size * (size + symmetry) // 2 for size in tried[:-1]]
        lowest.append(np.array([_lowest(matrix[:end, :end], 1)[0][0] for end in ends] + [energies[0]]))
        sectors.append(_sector(used, energies, coefficients(vectors, k, symmetry)))
    c = sectors[0].vectors[0]
    density = np.einsum("kyx,kyx->yx", np.tensordot(2 * c @ c.T, used.values, 1), used.values)
    return TwoElectrons(
        kappa=kappa,
        sizes=tried,
        singlet_by_size=lowest[0],
        triplet_by_size=lowest[1],
        singlet=sectors[0],
        triplet=sectors[1],
        grid_flags=grid_flags(used.values, density),
    )


def _sizes(energies: Array, sizes: Sequence[int] | None) -> tuple[int, ...]:
    """The sizes to try, rising, each once."""
    k = len(energies)
    if sizes is None:
        sizes = [k]
        while sizes[-1] > 2:
            size = max(2, round(k / 2 ** (len(sizes) / 2)))
            while size > 2 and energies[size] - energies[size - 1] <= _SAME * max(1, abs(energies[size])):
                size -= 1
            sizes.append(min(size, sizes[-1] - 1))
    tried = tuple(sorted({int(size) for size in sizes}))
    if not tried or tried[0] < 2 or tried[-1] > k:
        raise UsageError(f"sizes {list(tried)} of {k} orbitals: each must be from 2 to {k}")
    return tried


def _lowest(matrix: Array, n: int) -> tuple[Array, Array]:
    """The lowest ``n`` eigenvalues, or as many as there are, and the vectors in columns."""
    return scipy.linalg.eigh(matrix, subset_by_index=[0, min(n, len(matrix)) - 1])


def _sector(orbitals: Orbitals, energies: Array, c: Array) -> Sector:
    """The states with what follows from their coefficients."""
    one_body = 2 * c @ c.transpose(0, 2, 1)
    left = orbitals.left(0.0)
    # the right half is the rest of an orthonormal set's unit matrix
    right = np.eye(len(left)) - left
    both = [np.einsum("nij,ik,jl,nkl->n", c, half, half, c, optimize=True) for half in (left, right)]
    return Sector(
        energies=energies,
        vectors=c,
        left=np.einsum("nij,ij->n", one_body, left),
        double_occupation=both[0] + both[1],
        occupations=2 * scipy.linalg.svdvals(c) ** 2,
    )
