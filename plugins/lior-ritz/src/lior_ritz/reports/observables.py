"""What is measured of states: where they are, what drives them, how they look.

States are given by values at the points of a quadrature rule over the *whole* box (not a folded one, which
has only one half): ``psi [K, N]``, real or complex and orthonormal under ``weights [N]`` at ``points [N,
d]``, in the units of :mod:`lior_ritz.problem.units`. Functions that take these are differentiable in all of
them. What needs neighbours (nodes, peaks) takes a grid instead, ``[K, n₀, .., n_last]``, in which any axis
may come first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import sici
from torch import Tensor

from lior_ritz.network.states import squared
from lior_ritz.problem import AXES
from lior_ritz.problem.units import Units

_CLEAR = 0.5
"""The sign of a state is that of its first value this large, relative to the largest: rounding errors and the
choice of grid do not decide there, as they would at the maximum of a state with two equal lobes."""
_NOTHING = 1e-3
"""Values below this, relative to the largest, have no sign: far out they are the error of the solver."""


def fix_signs(psi: Tensor, points: Tensor | None = None) -> Tensor:
    """The states with a reproducible sign, ``[K, N]`` (or ``[K, ...]`` without points).

    The first value that exceeds half of the largest becomes positive: first by x, then y, and so on if
    ``points [N, d]`` are given, so that the order of the points does not matter; else as they come. Within a
    degenerate level not only signs are arbitrary, and this fixes nothing more.
    """
    flat = psi.detach().reshape(len(psi), -1)
    if points is not None:
        keys = points.detach().cpu().numpy().T[::-1]  # lexsort: the last key counts first
        flat = flat[:, torch.from_numpy(np.lexsort(keys)).to(flat.device)]
    size = flat.abs()
    first = (size >= _CLEAR * size.amax(1, keepdim=True)).int().argmax(1)
    signs = flat.gather(1, first[:, None]).sgn().conj()
    signs = torch.where(signs == 0, torch.ones_like(signs), signs)
    return psi * signs.reshape(-1, *[1] * (psi.dim() - 1))


def dipoles(psi: Tensor, weights: Tensor, points: Tensor) -> Tensor:
    """Transition dipole matrices ``<i|x_a|j>``, ``[d, K, K]`` in ``L0``, symmetric; of complex states, which
    have no phase, the absolute values beside the diagonal."""
    weighted = psi.conj() * weights
    if not psi.is_complex():
        return torch.einsum("in,na,jn->aij", weighted, points, psi)
    found = torch.einsum("in,na,jn->aij", weighted, points.to(psi), psi)
    own = torch.eye(len(psi), dtype=torch.bool, device=psi.device)
    return torch.where(own, found.real, found.abs())


def oscillator_strengths(energies: Tensor, dipole: Tensor) -> Tensor:
    """``f_ij = (2 m*/ħ²)(E_j - E_i)|<i|x_a|j>|²``, ``[d, K, K]``, antisymmetric, for each direction of light.

    In these units ``2 m*/ħ² = 1/(E0 L0²)``. Over all final states j each row sums to 1 (Thomas, Reiche and
    Kuhn; H. A. Bethe and E. E. Salpeter, *Quantum Mechanics of One- and Two-Electron Atoms*, section 61).
    """
    return (energies[None, :] - energies[:, None]) * dipole.square()


def probabilities(psi: Tensor, weights: Tensor) -> Tensor:
    """``weights ψ²`` divided by its sum, ``[K, N]``."""
    mass = squared(psi) * weights
    return mass / mass.sum(1, keepdim=True)


def centre_and_spread(psi: Tensor, weights: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each coordinate, ``[K, d]`` each, in ``L0``."""
    mass = probabilities(psi, weights)
    centre = mass @ points
    return centre, torch.einsum("kn,kna->ka", mass, (points - centre[:, None]).square()).sqrt()


def left_weight(psi: Tensor, weights: Tensor, points: Tensor) -> Tensor:
    """Probability of ``x < 0``, ``[K]``; points on the line count half.

    Each point counts as a whole, so this is accurate to first order in the spacing, and to second where the
    line goes through points or midway between them. On a uniform grid :func:`left_share` does better.
    """
    x = points[:, 0]
    x = torch.where(x.abs() < 1e-9 * x.abs().max(), 0.0, x)  # grids miss 0 by rounding
    return probabilities(psi, weights) @ ((1 - x.sign()) / 2)


def left_share(x: NDArray[np.float64], divide: float) -> NDArray[np.float64]:
    """Which part of each value on the uniform grid ``x [n]`` lies at ``x < divide``, ``[n]``.

    The values stand for the band-limited function through them, and each counts with the integral of its
    ``sinc`` up to the line: as accurate as the sum over the whole grid, wherever the line is. Far from it
    the share is 0 or 1, with a ripple that falls like the inverse of the distance.
    """
    return 0.5 + sici(np.pi * (divide - x) / (x[1] - x[0]))[0] / np.pi


def parity(psi: Tensor, mirrored: Tensor, weights: Tensor) -> Tensor:
    """``<ψ|P|ψ>/<ψ|ψ>``, ``[K]``: 1 for even states, -1 for odd ones.

    ``mirrored [K, N]`` are the states at the mirror images of the points.
    """
    return ((psi.conj() * mirrored).real @ weights) / (squared(psi) @ weights)


def energy_parts(psi: Tensor, gradients: Tensor, potential: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Kinetic energy ``∫|∇ψ|²`` and potential energy ``∫Vψ²``, over ``∫ψ²``; ``[K]`` each, in ``E0``.

    ``gradients [K, N, d]`` in ``1/L0`` (relative to ψ), ``potential [N]`` in ``E0``.
    """
    norm = psi.square() @ weights
    return (gradients.square().sum(2) @ weights) / norm, ((psi.square() * potential) @ weights) / norm


def virial_residual(
    psi: Tensor, gradients: Tensor, forces: Tensor, weights: Tensor, points: Tensor
) -> Tensor:
    """``2<T> - <r·∇V>``, ``[K]`` in ``E0``: 0 for an eigenstate that vanishes on the edge of the box with its
    slope (V. Fock, Z. Phys. 63, 855, 1930); a hard wall that is touched adds its pressure.

    ``forces [N, d]`` is ``∇V`` in ``E0/L0``.
    """
    pull = (points * forces).sum(1)
    kinetic, rest = energy_parts(psi, gradients, pull, weights)
    return 2 * kinetic - rest


def nodal_domains(grid: Tensor) -> Tensor:
    """In how many connected regions ψ keeps its sign, ``[K]`` int64, from ``grid [K, n₀, ..]``.

    Neighbours are those along an axis. At most k for the k-th state, counted from 1 (R. Courant and
    D. Hilbert, *Methods of Mathematical Physics* I, chapter VI.6). Values below a thousandth of the largest
    belong to none.
    """
    counts = []
    for state in grid.detach().cpu().numpy():
        floor = _NOTHING * np.abs(state).max()
        counts.append(sum(ndimage.label(sign * state > floor)[1] for sign in (1, -1)))
    return torch.tensor(counts)


@attrs.frozen(eq=False)
class States:
    """States with all that is known of them."""

    energies: Tensor
    """``[K]`` in ``E0``."""
    psi: Tensor
    """``[K, N]`` in ``L0^-d/2``."""
    weights: Tensor
    """``[N]`` in ``L0^d``."""
    points: Tensor
    """``[N, d]`` in ``L0``."""
    potential: Tensor
    """``[N]`` in ``E0``."""
    forces: Tensor
    """``∇V``, ``[N, d]`` in ``E0/L0``."""
    mirrored: Sequence[Tensor]
    """By axis, the states at the mirror images of the points, ``[K, N]``."""
    gradients: Tensor | None = None
    """``[K, N, d]``; without them energies and the virial are left out of the report."""

    def report(self, units: Units) -> dict[str, Any]:
        """All observables, ready for JSON; names end in their units, lists of states are in their order."""
        psi, weights, points = self.psi.detach(), self.weights, self.points
        dim = points.shape[1]
        dipole = dipoles(psi, weights, points)
        strengths = oscillator_strengths(self.energies.detach(), dipole)
        overlap = (psi.conj() * weights) @ psi.T
        centre, spread = centre_and_spread(psi, weights, points)
        left = left_weight(psi, weights, points)
        split = self.energies.detach().diff()
        off = overlap - torch.eye(len(psi), dtype=overlap.dtype, device=overlap.device)
        return {
            "E_E0": _list(self.energies),
            "E_meV": _list(self.energies, units.E0_meV),
            "splitting_E0": _list(split),
            "splitting_ueV": _list(split, 1e3 * units.E0_meV),
            "orthonormality_max_error": float(off.abs().max()),
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
        """What needs more than the values of the states."""
        if self.gradients is None:
            return {}
        psi, weights = self.psi.detach(), self.weights
        found: dict[str, Any] = {}
        parts = energy_parts(psi, self.gradients, self.potential, weights)
        for name, part in zip(("kinetic", "potential"), parts, strict=True):
            found |= {f"{name}_E0": _list(part), f"{name}_meV": _list(part, units.E0_meV)}
        residual = virial_residual(psi, self.gradients, self.forces, weights, self.points)
        return found | {"virial_residual_E0": _list(residual)}


def _list(values: Tensor, scale: float = 1.0) -> Any:
    """Nested lists of floats; a number that is not finite becomes ``None``, which JSON knows."""
    return _finite((values.detach().double() * scale).tolist())


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if math.isfinite(value) else None
