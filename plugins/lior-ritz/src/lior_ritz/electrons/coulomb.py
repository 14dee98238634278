"""The repulsion of two electrons: Coulomb integrals of orbitals on a grid, and the matrices made of them.

The integrals are convolutions on a uniform grid and spectrally accurate.

The repulsion ``1/r`` is cut off at a radius ``R`` that no two points of the box exceed, which changes nothing
inside the box. The cut-off kernel is smooth in Fourier space, where it is, in two dimensions,

    G(s) = 2π ∫₀ᴿ J₀(s r) dr = 2π R { J₀(z) + π/2 [J₁(z) H₀(z) - J₀(z) H₁(z)] },   z = s R,

with Struve functions H (F. Vico, L. Greengard and M. Ferrando, *Fast convolution with free-space Green's
functions*, J. Comput. Phys. 323, 191, 2016, section 2; the integral of J₀ is 10.22.2 of the NIST Digital
Library of Mathematical Functions). No singularity is integrated numerically, so the error falls faster than
any power of the spacing as long as the densities are smooth, vanish at the edge of the grid and are resolved.

Padding. A sum over Fourier modes spaced ``2π/P`` is a convolution with copies of the kernel at every
multiple of ``P``. Sources and targets are up to ``L`` apart along an axis and a copy reaches ``R`` far, so
the copies stay out when ``P >= L + R``: 2 to 2.42 times the longer side. That sum is taken once, to tabulate
the kernel at the displacements that occur, ``|d| < L``; each convolution afterwards needs ``2 L`` only.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.special import j0, j1, struve

from lior.errors import UsageError

Array: TypeAlias = NDArray[np.float64]
Pairs: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]

CUT_OFF = (
    "density does not vanish at the edge of the grid: the box holds the electrons, and J depends on its size"
)
COARSE = "grid too coarse"
_EDGE = 1e-5
_MEMORY = 32e6
"""Bytes of temporary arrays; more is not faster: these stay in the cache."""
_NYQUIST = 1e-2
"""Largest share of the spectrum at the finest wave of the grid. At 0.006 the exchange energy of a double dot
is still accurate to seven digits, since the loss is mostly in the highest orbitals."""


def pairs(k: int) -> Pairs:
    """``i`` and ``j <= i`` of all unordered pairs of ``k`` orbitals, ordered by ``i``.

    The pairs of the first ``k'`` orbitals are then the first ``k' (k' + 1)/2``.

    >>> [(int(i), int(j)) for i, j in zip(*pairs(3))]
    [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    """
    i, j = np.tril_indices(k)
    return i, j


def pair_number(i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the index of the pair ``i``, ``j``, in either order, in :func:`pairs`; elementwise."""
    high = np.maximum(i, j)
    return high * (high + 1) // 2 + np.minimum(i, j)


def pair_table(k: int) -> NDArray[np.intp]:
    """Number of the pair of each two orbitals, ``[k, k]``."""
    return pair_number(np.arange(k)[:, None], np.arange(k))


def truncated_kernel(s: Array, radius: float) -> Array:
    """Fourier transform, at wave numbers ``s``, of ``1/r`` cut off at ``radius``; elementwise, a length."""
    z = s * radius
    return 2 * np.pi * radius * (j0(z) + np.pi / 2 * (j1(z) * struve(0, z) - j0(z) * struve(1, z)))


class NotOrthonormal(UsageError):
    """Orbitals whose overlaps on their grid are not those of orthonormal functions."""

    def __init__(self, off: float) -> None:
        super().__init__(f"orbitals not orthonormal on this grid (off by {off:.2g}): refine it")
        self.off = off
        """The largest difference of an overlap."""


class Coulomb:
    """``1/r`` between densities on a uniform grid of ``ny`` rows and ``nx`` columns.

    Raises ``UsageError`` when a spacing is not positive or the grid has fewer than two points along an axis.

    ``shape``: ``(ny, nx)``. ``hx``, ``hy``: spacings of columns and rows, in ``L0``.
    """

    def __init__(self, shape: tuple[int, int], hx: float, hy: float) -> None:
        if not (hx > 0 and hy > 0 and min(shape) >= 2):
            raise UsageError(f"a grid of {shape[0]} x {shape[1]} points spaced {hy:g} and {hx:g} has no area")
        self.shape, self.cell = shape, hx * hy
        ny, nx = shape
        self._padded = (fft.next_fast_len(2 * ny), fft.next_fast_len(2 * nx, real=True))
        table = _kernel_table(shape, hx, hy)
        rows, columns = (_wrap(size, n) for size, n in zip(self._padded, shape, strict=True))
        self._multiplier = fft.rfft2(table[rows[:, None], columns]).real

    def potential(self, densities: Array) -> Array:
        """``∫ ρ(r') / |r - r'| d²r'`` of densities ``[..., ny, nx]`` in ``L0^-2``; same shape, in ``1/L0``.

        Axis by axis, so that rows which are only padding are never transformed.
        """
        (ny, nx), (rows, columns) = self.shape, self._padded
        half = fft.rfft(densities, columns, axis=-1)
        whole = fft.fft(half, rows, axis=-2)
        whole *= self._multiplier
        half = fft.ifft(whole, axis=-2)[..., :ny, :]
        return fft.irfft(half, columns, axis=-1)[..., :nx]

    def integrals(self, orbitals: Array) -> Array:
        """``(ij|kl) = ∫∫ φᵢφⱼ(1) φₖφₗ(2) / r₁₂`` of real orbitals ``[k, ny, nx]``, in ``1/L0``.

        The result is ``[k (k + 1)/2, k (k + 1)/2]``, rows and columns in the order of :func:`pairs`. With
        real orbitals eight permutations of ``ijkl`` give the same number. The order of pairs covers two of
        these three symmetries; the third (the matrix is symmetric) halves the products.
        """
        i, j = pairs(len(orbitals))
        flat = orbitals.reshape(len(orbitals), -1)
        # one density: itself, its potential, and two complex arrays of the padded grid on the way
        bytes_each = 16 * flat.shape[1] + 32 * self._padded[0] * (self._padded[1] // 2 + 1)
        step = max(1, int(_MEMORY / bytes_each))
        result = np.empty((len(i), len(i)))
        for start in range(0, len(i), step):
            rows = slice(start, start + step)
            densities = flat[i[rows]] * flat[j[rows]]
            potentials = self.potential(densities.reshape(-1, *self.shape)).reshape(densities.shape)
            potentials *= self.cell
            for other in range(0, start, step):
                columns = slice(other, other + step)
                result[rows, columns] = potentials @ (flat[i[columns]] * flat[j[columns]]).T
                result[columns, rows] = result[rows, columns].T
            own = potentials @ densities.T
            result[rows, rows] = (own + own.T) / 2
        return result


def _kernel_table(shape: tuple[int, int], hx: float, hy: float) -> Array:
    """The kernel ``[ny, nx]`` at displacements ``(0 .. ny-1) hy`` and ``(0 .. nx-1) hx``, times the area of a
    cell: a sum over grid points, weighted with it, is the integral."""
    ny, nx = shape
    radius = math.hypot(nx * hx, ny * hy)
    rows = fft.next_fast_len(math.ceil(ny + radius / hy))
    columns = fft.next_fast_len(math.ceil(nx + radius / hx), real=True)
    # the kernel is even along both axes: Struve functions are dear, and a quarter of the plane is enough
    qy = 2 * np.pi * np.arange(rows // 2 + 1) / (rows * hy)
    qx = 2 * np.pi * np.arange(columns // 2 + 1) / (columns * hx)
    quarter = truncated_kernel(np.hypot(qy[:, None], qx), radius)
    return fft.irfft2(quarter[_wrap(rows, len(qy))], (rows, columns))[:ny, :nx]


def _wrap(size: int, n: int) -> NDArray[np.intp]:
    """Distances ``0, 1, 2, .. 2, 1`` round a circle of ``size`` points, at most ``n - 1``."""
    steps = np.arange(size)
    return np.minimum(np.minimum(steps, size - steps), n - 1)


def members(k: int, symmetry: int) -> Pairs:
    """The pairs of orbitals that are occupied together; a triplet has no orbital twice."""
    i, j = pairs(k)
    return (i, j) if symmetry == 1 else (i[i != j], j[i != j])


def one_body(h: Array, symmetry: int) -> Array:
    """``h(1) + h(2)`` in the normalised products of :func:`hamiltonian`, from ``h [k, k]``."""
    i, j = members(len(h), symmetry)
    same = {(a, b): p[:, None] == q for a, p in enumerate((i, j)) for b, q in enumerate((i, j))}
    direct = h[i[:, None], i] * same[1, 1] + h[j[:, None], j] * same[0, 0]
    swapped = h[i[:, None], j] * same[1, 0] + h[j[:, None], i] * same[0, 1]
    norm = np.where(i == j, math.sqrt(0.5), 1.0)
    return (direct + symmetry * swapped) * norm[:, None] * norm


def hamiltonian(energies: Array, kappa: float, integrals: Array, symmetry: int) -> Array:
    """H in the normalised products ``φᵢφⱼ ± φⱼφᵢ`` of eigenfunctions; square, float64, in ``E0``.

    ``(ik|jl) ± (il|jk)``, with ``½`` for the norm of each product of an orbital with itself, squared. The
    products of the first ``k'`` orbitals come first.
    """
    i, j = members(len(energies), symmetry)
    direct = integrals[pair_number(i[:, None], i), pair_number(j[:, None], j)]
    swapped = integrals[pair_number(i[:, None], j), pair_number(j[:, None], i)]
    norm = np.where(i == j, math.sqrt(0.5), 1.0)
    matrix = direct + symmetry * swapped
    matrix *= kappa * norm[:, None] * norm
    matrix[np.diag_indices_from(matrix)] += energies[i] + energies[j]
    return matrix


def coefficients(vectors: Array, k: int, symmetry: int) -> Array:
    """C ``[n, k, k]`` from coefficients of normalised products in columns.

    The sign makes the first element positive that is on or below the diagonal and within a thousandth of the
    largest.
    """
    i, j = members(k, symmetry)
    lower = vectors.T * np.where(i == j, 1.0, math.sqrt(0.5))
    largest = np.abs(lower) > 0.999 * np.abs(lower).max(1, keepdims=True)
    lower = lower * np.sign(lower[np.arange(len(lower)), largest.argmax(1)])[:, None]
    c = np.zeros((len(lower), k, k))
    c[:, i, j] = lower
    c[:, j, i] = symmetry * lower
    return c


def grid_flags(values: Array, density: Array) -> tuple[str, ...]:
    """Whether the grid is too small for the density, or too coarse for the highest orbital's square."""
    edge = max(np.abs(density[[0, -1]]).max(), np.abs(density[:, [0, -1]]).max())
    spectrum = np.abs(np.fft.rfft2(values[-1] ** 2))
    rows, columns = values.shape[1] // 2, values.shape[2] // 2
    tail = max(spectrum[rows].max(), spectrum[:, columns].max())
    flags = {CUT_OFF: edge > _EDGE * density.max(), COARSE: tail > _NYQUIST * spectrum.max()}
    return tuple(name for name, is_so in flags.items() if is_so)
