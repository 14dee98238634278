"""Spin: the Zeeman energy, and spin-orbit coupling in the lowest orbitals times spin.

``H = E ⊗ 1 + g µB B/2 · 1 ⊗ σz + α (ky ⊗ σx - kx ⊗ σy) + β (kx ⊗ σx - ky ⊗ σy)`` with ``k = -i∇ + a``: the
couplings of Yu. A. Bychkov and E. I. Rashba (J. Phys. C 17, 6039, 1984) and, linear in k for a layer grown
along [001], of G. Dresselhaus (Phys. Rev. 100, 580, 1955). It is diagonalised in as many orbitals as
there are, which is degenerate perturbation theory to all orders within them."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from lior_ritz.problem import Problem
from lior_ritz.problem.units import BOHR, FLUX, Units
from lior_ritz.verification import reference
from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.measuring import measure
from lior_ritz.verification.reference.modes import Array

ORBITALS = 42
"""Orbitals that spin-orbit coupling is diagonalised in."""
_TOLERANCE = 1e-7
"""Tolerance of the highest of them; lower ones are far more accurate."""
_FEWER = 2 / 3
"""Share of them in the smaller calculation that says how many are enough."""
_PAIR = 0.5
"""Share of an orbital above which two states are its pair."""
_SAME = 1e-9
"""Levels nearer than this, in ``E0``, are one."""
_X, _Y, _Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.array([[1, 0], [0, -1]])


@attrs.frozen(kw_only=True, eq=False)
class Spins:
    """The lowest levels of both spins."""

    energies: Array
    """``[2 K]`` in ``E0``, ascending."""
    up: Array
    """``⟨σz⟩`` of each."""
    g_factors: tuple[float | None, ...]
    """The effective g-factor of each of K orbitals, ``d(E↑ - E↓)/dB / µB``, exact in the given field;
    ``None`` if no two states are its pair."""
    orbitals: int
    truncation: float
    """How far the levels move when a third of the orbitals is left out, in ``E0``."""

    def report(self, units: Units) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "E_meV": (self.energies * units.E0_meV).tolist(),
            "sigma_z": self.up.tolist(),
            "g_effective": list(self.g_factors),
            "orbitals": self.orbitals,
            "truncation_meV": self.truncation * units.E0_meV,
        }


def spins(problem: Problem, found: Reference, count: int, orbitals: int = ORBITALS) -> Spins | None:
    """The levels of both spins in the ``count`` lowest orbitals; ``None`` where nothing tells spins apart.

    ``found``: of the problem; solved again where spin and motion are coupled and it has fewer than
    ``orbitals``.
    """
    terms, units = problem.terms, problem.units
    if not terms.has_spin:
        return None
    if terms.has_orbit and len(found.energies) < orbitals:
        found = reference.solve(problem, orbitals, tolerance=_TOLERANCE)
    kept = len(found.energies) if terms.has_orbit else count
    nothing = np.zeros((kept, kept))
    momentum, turning, moment = (nothing, nothing), (nothing, nothing), nothing
    if terms.has_orbit:
        momentum, turning, moment = operators(problem, found)
    energies = found.energies[:kept]
    spin = np.kron(np.eye(kept), _Z * (terms.g * BOHR / (2 * units.E0_meV)))
    whole = np.kron(np.diag(energies), np.eye(2)) + terms.field_tesla * spin + coupling(problem, momentum)
    rate = FLUX * units.L0_nm**2 * (np.kron(moment, np.eye(2)) + coupling(problem, turning)) + spin
    levels, states = np.linalg.eigh(whole)
    fewer = 2 * max(count, int(_FEWER * kept))
    moved = np.linalg.eigvalsh(whole[:fewer, :fewer])[: 2 * count] - levels[: 2 * count]
    up = np.tile([1.0, -1.0], kept) @ np.square(np.abs(states))
    return Spins(
        energies=levels[: 2 * count],
        up=up[: 2 * count],
        g_factors=tuple(_g_factor(units, k, levels, states, rate) for k in range(count)),
        orbitals=kept,
        truncation=float(np.abs(moved).max()),
    )


def operators(problem: Problem, found: Reference) -> tuple[tuple[Array, Array], tuple[Array, Array], Array]:
    """In the orbitals: kx and ky; what they gain with b; and what the orbital energy gains with b, in a gauge
    that grows about the middle of the lowest orbital, ``[M, M]`` each."""
    states = measure(problem, found, len(found.energies))
    points, weights, psi = states.rule.points, states.rule.weights, states.psi
    vector, inverse = problem.vector(points).T, problem.inverse_mass(points).T
    moving = -1j * found.slopes(points) + vector[:, None] * psi
    x, y = points.T
    density = weights * np.square(np.abs(psi[0]))
    grown = np.stack([density @ y - y, x - density @ x]) / 2

    def elements(values: Array, applied: Array) -> Array:
        found = (psi.conj() * (weights * values)) @ applied.T
        return np.asarray((found + found.conj().T) / 2)

    one = np.ones_like(x)
    momentum = elements(one, moving[0]), elements(one, moving[1])
    turning = elements(grown[0], psi), elements(grown[1], psi)
    moment = sum(2 * elements(grown[axis] * inverse[axis], moving[axis]) for axis in (0, 1))
    return momentum, turning, np.asarray(moment)


def coupling(problem: Problem, k: tuple[Array, Array]) -> Array:
    """The spin-orbit coupling in orbitals times spin, ``[2 M, 2 M]``, from kx and ky, in ``E0``."""
    unit = problem.units.E0_meV * problem.units.L0_nm
    alpha, beta = problem.terms.rashba_meV_nm / unit, problem.terms.dresselhaus_meV_nm / unit
    kx, ky = k
    rashba = np.kron(ky, _X) - np.kron(kx, _Y)
    return np.asarray(alpha * rashba + beta * (np.kron(kx, _X) - np.kron(ky, _Y)))


def _g_factor(units: Units, orbital: int, levels: Array, states: Array, rate: Array) -> float | None:
    """How the pair of an orbital splits with the field, ``rate`` being ``dH/dB``."""
    share = np.square(np.abs(states[2 * orbital : 2 * orbital + 2])).sum(0)
    first, second = np.sort(np.argsort(share)[-2:])
    if min(share[first], share[second]) <= _PAIR:
        return None
    pair = states[:, [first, second]]
    inside = pair.conj().T @ rate @ pair
    if levels[second] - levels[first] < _SAME * max(1.0, abs(levels[first])):
        pair = pair @ np.linalg.eigh(inside)[1]
        inside = pair.conj().T @ rate @ pair
    up = np.tile([1.0, -1.0], len(levels) // 2) @ np.square(np.abs(pair))
    split = float((inside[0, 0] - inside[1, 1]).real) * units.E0_meV / BOHR
    return split if up[0] > up[1] else -split
