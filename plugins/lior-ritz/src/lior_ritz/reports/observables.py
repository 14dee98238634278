"""Observables of states: position, energies, symmetry and nodes.

States are given by values at the points of a quadrature rule over the *whole* box (not a folded one, which
has only one half): ``psi [K, N]``, real or complex and orthonormal under ``weights [N]`` at ``points [N,
d]``, in the units of :mod:`lior_ritz.problem.units`. Functions that need neighbours (nodes, peaks) take a
grid instead, ``[K, n₀, .., n_last]``, in which any axis may come first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import sici

from lior_ritz.problem import AXES
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.units import Units

_CLEAR = 0.5
"""The sign of a state is that of its first value this large, relative to the largest: rounding errors and the
choice of grid do not decide there, as they would at the maximum of a state with two equal lobes."""
_NOTHING = 1e-3
"""Values below this, relative to the largest, have no sign: far out they are the error of the solver."""


def fix_signs(psi: Array, points: Array | None = None) -> Array:
    """The states with a reproducible sign, ``[K, N]`` (or ``[K, ...]`` without points).

    The first value that exceeds half of the largest becomes positive: first by x, then y, and so on if
    ``points [N, d]`` are given, so that the order of the points does not matter; else as they come. Within a
    degenerate level not only signs are arbitrary, and this fixes nothing more.
    """
    flat = psi.reshape(len(psi), -1)
    if points is not None:
        flat = flat[:, np.lexsort(points.T[::-1])]  # the last key counts first
    size = np.abs(flat)
    first = (size >= _CLEAR * size.max(1, keepdims=True)).argmax(1)[:, None]
    value, size = (np.take_along_axis(each, first, 1) for each in (flat, size))
    signs = np.where(size > 0, value.conj() / np.where(size > 0, size, 1), 1)
    return np.asarray(psi * signs.reshape(-1, *[1] * (psi.ndim - 1)))


def squared(psi: Array) -> Array:
    """``|ψ|²``, real."""
    return np.square(psi.real) + np.square(psi.imag)


def dipoles(psi: Array, weights: Array, points: Array) -> Array:
    """Transition dipole matrices ``<i|x_a|j>``, ``[d, K, K]`` in ``L0``, symmetric; of complex states, which
    have no phase, the absolute values beside the diagonal."""
    weighted = psi.conj() * weights
    found = np.stack([(weighted * x) @ psi.T for x in points.T])
    if not np.iscomplexobj(psi):
        return found
    return np.where(np.eye(len(psi), dtype=bool), found.real, np.abs(found))


def oscillator_strengths(energies: Array, dipole: Array) -> Array:
    """``f_ij = (2 m*/ħ²)(E_j - E_i)|<i|x_a|j>|²``, ``[d, K, K]``, antisymmetric, for each direction of light.

    In these units ``2 m*/ħ² = 1/(E0 L0²)``. Over all final states j each row sums to 1 (Thomas, Reiche and
    Kuhn; H. A. Bethe and E. E. Salpeter, *Quantum Mechanics of One- and Two-Electron Atoms*, section 61).
    """
    return (energies[None, :] - energies[:, None]) * np.square(dipole)


def probabilities(psi: Array, weights: Array) -> Array:
    """``weights ψ²`` divided by its sum, ``[K, N]``."""
    mass = squared(psi) * weights
    return np.asarray(mass / mass.sum(1, keepdims=True))


def centre_and_spread(psi: Array, weights: Array, points: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each coordinate, ``[K, d]`` each, in ``L0``."""
    mass = probabilities(psi, weights)
    centre = mass @ points
    return centre, np.sqrt(np.einsum("kn,kna->ka", mass, np.square(points - centre[:, None])))


def left_weight(psi: Array, weights: Array, points: Array) -> Array:
    """Probability of ``x < 0``, ``[K]``; points on the line count half.

    Each point counts as a whole, so this is accurate to first order in the spacing, and to second where the
    line goes through points or midway between them. On a uniform grid :func:`left_share` does better.
    """
    x = points[:, 0]
    x = np.where(np.abs(x) < 1e-9 * np.abs(x).max(), 0.0, x)  # grids miss 0 by rounding
    return probabilities(psi, weights) @ ((1 - np.sign(x)) / 2)


def left_share(x: NDArray[np.float64], divide: float) -> NDArray[np.float64]:
    """Return the share of each value on the uniform grid ``x [n]`` that lies at ``x < divide``, ``[n]``.

    The values stand for the band-limited function through them, and each counts with the integral of its
    ``sinc`` up to the line: as accurate as the sum over the whole grid, wherever the line is. Far from it
    the share is 0 or 1, with a ripple that falls like the inverse of the distance.
    """
    return 0.5 + sici(np.pi * (divide - x) / (x[1] - x[0]))[0] / np.pi


def parity(psi: Array, mirrored: Array, weights: Array) -> Array:
    """``<ψ|P|ψ>/<ψ|ψ>``, ``[K]``: 1 for even states, -1 for odd ones.

    ``mirrored [K, N]`` are the states at the mirror images of the points.
    """
    return np.asarray(((psi.conj() * mirrored).real @ weights) / (squared(psi) @ weights))


def energy_parts(psi: Array, gradients: Array, potential: Array, weights: Array) -> tuple[Array, Array]:
    """Kinetic energy ``∫|∇ψ|²`` and potential energy ``∫Vψ²``, over ``∫ψ²``; ``[K]`` each, in ``E0``.

    ``gradients [K, N, d]`` in ``1/L0`` (relative to ψ), ``potential [N]`` in ``E0``.
    """
    norm = np.square(psi) @ weights
    return (np.square(gradients).sum(2) @ weights) / norm, ((np.square(psi) * potential) @ weights) / norm


def virial_residual(psi: Array, gradients: Array, forces: Array, weights: Array, points: Array) -> Array:
    """``2<T> - <r·∇V>``, ``[K]`` in ``E0``: 0 for an eigenstate that vanishes on the edge of the box with its
    slope (V. Fock, Z. Phys. 63, 855, 1930); a hard wall that is touched adds its pressure.

    ``forces [N, d]`` is ``∇V`` in ``E0/L0``.
    """
    pull = (points * forces).sum(1)
    kinetic, rest = energy_parts(psi, gradients, pull, weights)
    return np.asarray(2 * kinetic - rest)


def nodal_domains(grid: Array) -> Array:
    """In how many connected regions ψ keeps its sign, ``[K]`` int64, from ``grid [K, n₀, ..]``.

    Neighbours are those along an axis. At most k for the k-th state, counted from 1 (R. Courant and
    D. Hilbert, *Methods of Mathematical Physics* I, chapter VI.6). Values below a thousandth of the largest
    belong to none.
    """
    counts = []
    for state in grid:
        floor = _NOTHING * np.abs(state).max()
        counts.append(sum(ndimage.label(sign * state > floor)[1] for sign in (1, -1)))
    return np.array(counts)


@attrs.frozen(eq=False)
class States:
    """States with all that is known of them."""

    energies: Array
    """``[K]`` in ``E0``."""
    psi: Array
    """``[K, N]`` in ``L0^-d/2``."""
    weights: Array
    """``[N]`` in ``L0^d``."""
    points: Array
    """``[N, d]`` in ``L0``."""
    potential: Array
    """``[N]`` in ``E0``."""
    forces: Array
    """``∇V``, ``[N, d]`` in ``E0/L0``."""
    mirrored: Sequence[Array]
    """By axis, the states at the mirror images of the points, ``[K, N]``."""
    gradients: Array | None = None
    """``[K, N, d]``; without them energies and the virial are left out of the report."""

    def report(self, units: Units) -> dict[str, Any]:
        """All observables, ready for JSON; names end in their units, lists of states are in their order."""
        psi, weights, points = self.psi, self.weights, self.points
        dim = points.shape[1]
        dipole = dipoles(psi, weights, points)
        strengths = oscillator_strengths(self.energies, dipole)
        overlap = (psi.conj() * weights) @ psi.T
        centre, spread = centre_and_spread(psi, weights, points)
        left = left_weight(psi, weights, points)
        split = np.diff(self.energies)
        off = overlap - np.eye(len(psi))
        return {
            "E_E0": _list(self.energies),
            "E_meV": _list(self.energies, units.E0_meV),
            "splitting_E0": _list(split),
            "splitting_ueV": _list(split, 1e3 * units.E0_meV),
            "orthonormality_max_error": float(np.abs(off).max()),
            "dipole_L0": {AXES[a]: _list(dipole[a]) for a in range(dim)},
            "dipole_nm": {AXES[a]: _list(dipole[a], units.L0_nm) for a in range(dim)},
            "oscillator_strength": {AXES[a]: _list(strengths[a]) for a in range(dim)},
            "centre_L0": _list(centre),
            "centre_nm": _list(centre, units.L0_nm),
            "spread_L0": _list(spread),
            "spread_nm": _list(spread, units.L0_nm),
            "left_weight": _list(left),
            "right_weight": _list(1 - left),
            "parity": {AXES[a]: _list(parity(psi, each, weights)) for a, each in enumerate(self.mirrored)},
        } | self._dynamics(units)

    def _dynamics(self, units: Units) -> dict[str, Any]:
        """Return the observables that need gradients of the states."""
        if self.gradients is None:
            return {}
        psi, weights = self.psi, self.weights
        found: dict[str, Any] = {}
        parts = energy_parts(psi, self.gradients, self.potential, weights)
        for name, part in zip(("kinetic", "potential"), parts, strict=True):
            found |= {f"{name}_E0": _list(part), f"{name}_meV": _list(part, units.E0_meV)}
        residual = virial_residual(psi, self.gradients, self.forces, weights, self.points)
        return found | {"virial_residual_E0": _list(residual)}


def _list(values: Array, scale: float = 1.0) -> Any:
    """Nested lists of floats; a number that is not finite becomes ``None``, which JSON knows."""
    return _finite((values * scale).tolist())


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if math.isfinite(value) else None
