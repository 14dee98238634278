"""A few electrons in given orbitals: full configuration interaction over Slater determinants.

With real orbitals and without a magnetic field ``H = Σ h'ᵢⱼ Eᵢⱼ + ½ Σ (ij|kl) Eᵢⱼ Eₖₗ``, where ``Eᵢⱼ``
moves an electron of either spin from orbital j to i and ``h'ᵢⱼ = hᵢⱼ - ½ Σ (ik|kj)`` (P. J. Knowles and N. C.
Handy, Chem. Phys. Lett. 111, 315, 1984). A determinant is a string of orbitals of spin up and one of spin
down, so that a state is a matrix ``C [up strings, down strings]``, and H is applied without being written
down. H commutes with the spin: all multiplets are in the sector of the least ``S_z``, and each is labelled by
its ``S²``.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import combinations
from typing import Any

import attrs
import numpy as np
import scipy.sparse

from lior.errors import UsageError
from lior_ritz.electrons.coulomb import Array, grid_flags, pair_table, pairs
from lior_ritz.electrons.interaction import Orbitals
from lior_ritz.problem.units import Units
from lior_ritz.verification.reference.lowest import lowest, lowest_of_operator

ELECTRONS = range(1, 7)
LARGEST = 60_000_000
"""Numbers in the largest array, which is that of a state times the pairs of orbitals."""
_DENSE = 300
"""Determinants up to which there is a matrix."""
_LEADING = 200
_ACCURACY = 1e-10
"""Tolerance of the iteration, in ``E0``."""
_SAME = 1e-7
"""Levels closer than this, relatively, are one, in which spins are sorted out."""
_MORE = 2
"""Levels beyond those wanted, so that none is cut in two."""


def strings(orbitals: int, electrons: int) -> list[int]:
    """All ways to occupy orbitals by electrons of one spin, as bits.

    >>> [f"{each:03b}" for each in strings(3, 2)]
    ['011', '101', '110']
    """
    return sorted(sum(1 << i for i in chosen) for chosen in combinations(range(orbitals), electrons))


def _annihilation(k: int, electrons: int) -> list[Any]:
    """For each orbital the matrix that takes an electron out of it, ``[fewer strings, strings]``."""
    before, after = strings(k, electrons), {each: row for row, each in enumerate(strings(k, electrons - 1))}
    found = []
    for p in range(k):
        # the sign is that of the number of electrons below
        places = [
            (after[s ^ (1 << p)], column, (-1) ** (s & ((1 << p) - 1)).bit_count())
            for column, s in enumerate(before)
            if s >> p & 1
        ]
        rows, columns, signs = zip(*places, strict=True) if places else ((), (), ())
        shape = (len(after), len(before))
        found.append(scipy.sparse.csr_array((np.array(signs, float), (rows, columns)), shape=shape))
    return found


def _moves(k: int, electrons: int) -> Any:
    """``Eᵢⱼ + Eⱼᵢ`` (``Eᵢᵢ`` alone) on the strings of one spin for all pairs, one under the other."""
    size = math.comb(k, electrons)
    if not electrons:
        return scipy.sparse.csr_array((k * (k + 1) // 2, 1))
    taken = _annihilation(k, electrons)
    blocks = []
    for i, j in zip(*pairs(k), strict=True):
        move = taken[i].T @ taken[j]
        blocks.append(move if i == j else move + move.T)
    return scipy.sparse.vstack(blocks, format="csr").reshape(-1, size).tocsr()


@attrs.frozen(kw_only=True, eq=False)
class Space:
    """All determinants of so many electrons of each spin in ``k`` orbitals, and H on them.

    Raises ``UsageError`` when they are too many, or do not fit into the orbitals.
    """

    h: Array
    """``[k, k]``, symmetric, in ``E0``."""
    repulsion: Array
    """κ times the integrals, in the order of :func:`lior_ritz.electrons.coulomb.pairs`."""
    up: int
    down: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.down <= self.up <= len(self.h):
            raise UsageError(f"{self.up} electrons of spin up do not fit into {len(self.h)} orbitals")
        if self.size * len(self.repulsion) > LARGEST:
            raise UsageError(
                f"{self.up + self.down} electrons in {len(self.h)} orbitals have {self.size:,} determinants; "
                "take fewer orbitals (--orbitals)"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of strings."""
        return math.comb(len(self.h), self.up), math.comb(len(self.h), self.down)

    @property
    def size(self) -> int:
        """Number of determinants."""
        return math.prod(self.shape)

    @cached_property
    def _moves(self) -> tuple[Any, Any]:
        return _moves(len(self.h), self.up), _moves(len(self.h), self.down)

    @cached_property
    def _one_body(self) -> Array:
        """``h'`` by pairs."""
        table = pair_table(len(self.h))
        exchanged = np.einsum("ikkj->ij", self.repulsion[table[:, :, None, None], table])
        return (self.h - exchanged / 2)[pairs(len(self.h))]

    def moved(self, c: Array) -> Array:
        """``(Eᵢⱼ + Eⱼᵢ) C`` of both spins for all pairs, ``[pairs, up strings, down strings]``."""
        (a, b), (n, m) = self._moves, self.shape
        return (a @ c).reshape(-1, n, m) + (b @ c.T).reshape(-1, m, n).transpose(0, 2, 1)

    def apply(self, columns: Array) -> Array:
        """H on states in columns, ``[determinants, n]``."""
        (a, b), (n, m) = self._moves, self.shape
        found = np.empty_like(columns)
        for number, column in enumerate(columns.T):
            c = column.reshape(n, m)
            d = self.moved(c)
            g = (self.repulsion @ d.reshape(len(d), -1) / 2).reshape(d.shape)
            g += self._one_body[:, None, None] * c
            whole = a.T @ g.reshape(-1, m) + (b.T @ g.transpose(0, 2, 1).reshape(-1, n)).T
            found[:, number] = whole.ravel()
        return found

    def diagonal(self) -> Array:
        """Energies of the determinants, ``[determinants]``."""
        table = pair_table(len(self.h))
        own = table.diagonal()
        direct, exchange = self.repulsion[np.ix_(own, own)], self.repulsion.diagonal()[table]
        a, b = (self._occupied(electrons) for electrons in (self.up, self.down))
        alike = (direct - exchange) / 2
        alone = [each @ self.h.diagonal() + ((each @ alike) * each).sum(1) for each in (a, b)]
        return (alone[0][:, None] + alone[1] + a @ direct @ b.T).ravel()

    def _occupied(self, electrons: int) -> Array:
        k = len(self.h)
        bits = [[each >> orbital & 1 for orbital in range(k)] for each in strings(k, electrons)]
        return np.array(bits, dtype=np.float64).reshape(-1, k)

    def lowest(self, count: int) -> tuple[Array, Array, Array]:
        """The lowest levels in ``E0``, ``[n]``, their states ``[n, up strings, down strings]``, and the
        expectation of ``S²``, ``[n]``; fewer than ``count`` if there are fewer."""
        wanted = min(count + _MORE, self.size)
        if self.size <= max(_DENSE, 4 * wanted):
            energies, vectors = lowest(self.apply(np.eye(self.size)), wanted)
        else:
            # the iteration wants rows in the order of the diagonal
            diagonal = self.diagonal()
            order = np.argsort(diagonal, kind="stable")
            back = np.argsort(order, kind="stable")
            leading = np.diag(diagonal[order[:_LEADING]])
            energies, sorted_ = lowest_of_operator(
                lambda columns: self.apply(columns[back])[order], diagonal[order], leading, wanted, _ACCURACY
            )
            vectors = sorted_[back]
        states, spins = self._sorted_by_spin(energies, vectors.T.reshape(-1, *self.shape))
        return energies[:count], states[:count], spins[:count]

    def _sorted_by_spin(self, energies: Array, states: Array) -> tuple[Array, Array]:
        """Within a level, eigenstates of ``S² = S₋S₊ + S_z (S_z + 1)``."""
        z = (self.up - self.down) / 2
        squares = np.zeros((len(states), len(states)))
        if self.down:
            raised = self._raised(states).reshape(len(states), -1)
            squares = raised @ raised.T
        starts = np.flatnonzero(np.diff(energies, prepend=-np.inf) > _SAME * np.maximum(1, np.abs(energies)))
        spins = np.empty(len(states))
        for group in np.split(np.arange(len(states)), starts[1:]):
            spins[group], turn = np.linalg.eigh(squares[np.ix_(group, group)])
            states[group] = np.tensordot(turn.T, states[group], 1)
        return states, spins + z * (z + 1)

    def _raised(self, states: Array) -> Array:
        """``S₊`` on states; the sign of moving past the electrons of spin up is left out."""
        k = len(self.h)
        if self.up == k:
            return np.zeros((len(states), 1))
        made = [each.T for each in _annihilation(k, self.up + 1)]
        taken = _annihilation(k, self.down)
        return np.stack([sum((t @ (m @ c).T).T for m, t in zip(made, taken, strict=True)) for c in states])

    def density(self, state: Array) -> Array:
        """One-body density matrix ``<Eᵢⱼ>``, ``[k, k]``, symmetric; its trace is the number of electrons."""
        i, j = pairs(len(self.h))
        values: Array = np.tensordot(self.moved(state), state, 2) / np.where(i == j, 1, 2)
        return values[pair_table(len(self.h))]


@attrs.frozen(kw_only=True, eq=False)
class Sector:
    """The lowest states of one ``S_z``."""

    spin_z: float
    """In ħ, not negative; that of ``-S_z`` is the same."""
    energies: Array
    """``[n]`` in ``E0``, rising."""
    spins: Array
    """``[n]``: the total spin S, a multiple of a half."""
    left: Array
    """``[n]``: electrons left of the dividing line."""
    occupations: Array
    """``[n, k]``: natural occupation numbers, falling; their sum is the number of electrons."""

    @classmethod
    def of(cls, space: Space, count: int, left: Array) -> Sector:
        """The lowest states of a space; ``left`` are integrals over the left side, ``[k, k]``."""
        energies, states, squares = space.lowest(count)
        gammas = [space.density(state) for state in states]
        return cls(
            spin_z=(space.up - space.down) / 2,
            energies=energies,
            spins=np.round(np.sqrt(1 + 4 * np.maximum(squares, 0)) - 1) / 2,
            left=np.array([np.sum(gamma * left) for gamma in gammas]),
            occupations=np.array([np.linalg.eigvalsh(gamma)[::-1] for gamma in gammas]),
        )


@attrs.frozen(kw_only=True, eq=False)
class Electrons:
    """A few electrons in ``k`` orbitals; energies are upper bounds, and fall as orbitals are added."""

    electrons: int
    kappa: float
    orbitals: int
    sectors: tuple[Sector, ...]
    """By rising ``S_z``."""
    fewer: float
    """The lowest energy in half as many orbitals, in ``E0``; NaN if the electrons do not fit."""
    flags: tuple[str, ...]
    """The faults of the grid, in words."""

    @property
    def energy(self) -> float:
        """The lowest level, in ``E0``."""
        return float(self.sectors[0].energies[0])

    def report(self, units: Units) -> dict[str, Any]:
        """The result, ready for JSON."""
        return {
            "electrons": self.electrons,
            "orbitals": self.orbitals,
            "kappa_E0": self.kappa,
            "E_E0": self.energy,
            "E_meV": self.energy * units.E0_meV,
            "E_in_half_the_orbitals_E0": None if math.isnan(self.fewer) else self.fewer,
            "flags": list(self.flags),
            "sectors": [
                {
                    "S_z": each.spin_z,
                    "S": each.spins.tolist(),
                    "E_E0": each.energies.tolist(),
                    "E_meV": (each.energies * units.E0_meV).tolist(),
                    "charge_left_e": each.left.tolist(),
                    "natural_occupations": each.occupations[:, :8].tolist(),
                }
                for each in self.sectors
            ],
        }


def few_electrons(orbitals: Orbitals, kappa: float, electrons: int, *, states: int = 4) -> Electrons:
    """One to six electrons that repel by ``κ/r``, in all determinants of the orbitals.

    Raises ``UsageError`` when a number is out of its range, or there are too many determinants.

    ``orbitals``, ``kappa``: as for :func:`lior_ritz.electrons.interaction.two_electrons`.
    ``states``: levels of each ``S_z``.
    """
    k = len(orbitals.values)
    if electrons not in ELECTRONS or electrons > 2 * k or states < 1:
        raise UsageError(
            f"{electrons} electrons in {k} orbitals, {states} states: allowed are {ELECTRONS[0]} to "
            f"{ELECTRONS[-1]} electrons, at most two an orbital, and at least one state"
        )
    if not (math.isfinite(kappa) and kappa >= 0):
        raise UsageError(f"kappa = {kappa} must be finite and not negative")
    repulsion = kappa * orbitals.coulomb().integrals(orbitals.values)
    h, left = np.diag(orbitals.energies), orbitals.left(0.0)
    splits = [(n, electrons - n) for n in range((electrons + 1) // 2, min(electrons, k) + 1)]
    spaces = [Space(h=h, repulsion=repulsion, up=n, down=m) for n, m in splits]
    half, fewer = k // 2, math.nan
    if splits[0][0] <= half:
        count = half * (half + 1) // 2
        small = attrs.evolve(spaces[0], h=h[:half, :half], repulsion=repulsion[:count, :count])
        fewer = float(small.lowest(1)[0][0])
    return Electrons(
        electrons=electrons,
        kappa=kappa,
        orbitals=k,
        fewer=fewer,
        sectors=tuple(Sector.of(space, states, left) for space in spaces),
        flags=grid_flags(orbitals.values, np.square(orbitals.values).sum(0)),
    )
