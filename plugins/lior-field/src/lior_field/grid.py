"""A periodic grid with a metric: its Laplacian, gradient and inner product.

A field is a complex tensor ``T (Nx, Ny, ...)``; the dimensions after the first two are components, which
every operator here treats alike. With the inverse metric ``g^{ab}`` and ``√g = 1/√(det g^{ab})`` the
Laplacian is

    Δ T = (1/√g) ∂_a (√g g^{ab} ∂_b T).

It is discretised as a difference of fluxes, so that it is self-adjoint under ``⟨A, B⟩ = Σ_x √g dx dy A̅·B``
for every metric. Fluxes along an axis are taken half-way between sites, and mixed ones by central
differences. A uniform metric is diagonal in Fourier space; ``spectral`` then replaces the symbol of the
differences by ``k²``.

Units: coordinates have the unit of ``spacing``, a length ``L``; the metric has none. ``Δ`` has 1/L², a
volume L². Fields have any unit, here ``F``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any, SupportsIndex

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError


def _pair(value: Any) -> Any:
    """Return a tuple of the items, or of a value that has none."""
    return tuple(value) if isinstance(value, Iterable) else (value,)


def _inverse_metric(value: Tensor | None) -> Tensor:
    return torch.eye(2, dtype=torch.float64) if value is None else torch.as_tensor(value, dtype=torch.float64)


@attrs.define(kw_only=True, eq=False)
class Grid:
    """``Nx × Ny`` sites, periodic along both axes.

    Raises
    ------
    UsageError
        If a size, a spacing or the metric is not allowed.
    """

    shape: tuple[int, int] = attrs.field(converter=_pair)
    """Sites along x and y, at least 3 each."""
    spacing: tuple[float, float] = attrs.field(default=(1.0, 1.0), converter=_pair)
    """Distance of neighbouring sites in coordinates, ``dx`` and ``dy``, in ``L``."""
    inverse: Tensor = attrs.field(default=None, converter=_inverse_metric)
    """``g^{ab}``, symmetric and positive definite.

    Its shape is ``(2, 2)``, or ``(Nx, Ny, 2, 2)`` if it depends on the place.
    """
    spectral: bool = False
    """Whether derivatives are taken of the Fourier series; only for a uniform metric."""

    def __attrs_post_init__(self) -> None:
        if len(self.shape) != 2 or not all(isinstance(n, SupportsIndex) and n >= 3 for n in self.shape):
            raise UsageError(f"grid of shape {self.shape}: allowed are two whole numbers of at least 3")
        if len(self.spacing) != 2 or not all(0 < step < math.inf for step in self.spacing):
            raise UsageError(f"grid spacing {self.spacing}: allowed are two finite numbers above 0")
        if self.inverse.shape not in ((2, 2), (*self.shape, 2, 2)):
            raise UsageError(
                f"inverse metric of shape {tuple(self.inverse.shape)}: "
                f"allowed are (2, 2) and {(*self.shape, 2, 2)}"
            )
        det = torch.linalg.det(self.inverse)
        diagonal = self.inverse.diagonal(dim1=-2, dim2=-1)
        if not torch.equal(self.inverse, self.inverse.mT) or not bool(
            (diagonal > 0).all() and (det > 0).all()
        ):
            raise UsageError("the inverse metric must be symmetric and positive definite at every site")
        if self.spectral and not self.uniform:
            raise UsageError("spectral derivatives need a metric that is the same at every site")

    @property
    def uniform(self) -> bool:
        """Whether the metric is the same everywhere."""
        return self.inverse.ndim == 2

    @cached_property
    def volume(self) -> Tensor:
        """``√g dx dy`` of each site, in ``L²``: a scalar, or ``(Nx, Ny)``; float64."""
        return math.prod(self.spacing) / torch.linalg.det(self.inverse).sqrt()

    def sites(self) -> tuple[Tensor, Tensor]:
        """Return x and y of the sites, each ``(Nx, Ny)``; the origin is site ``(Nx // 2, Ny // 2)``."""
        axes = [
            (torch.arange(n, dtype=torch.float64) - n // 2) * d
            for n, d in zip(self.shape, self.spacing, strict=True)
        ]
        x, y = torch.meshgrid(*axes, indexing="ij")
        return x, y

    def field(self, values: Tensor) -> Tensor:
        """Return ``values`` as a field; whole numbers become float64.

        Raises
        ------
        UsageError
            If their first two dimensions are not the sites, or a value is not finite.
        """
        found = torch.as_tensor(values)
        if found.shape[:2] != torch.Size(self.shape):
            raise UsageError(
                f"field of shape {tuple(found.shape)}: allowed is {self.shape}, or components after these two"
            )
        if not bool(found.isfinite().all()):
            raise UsageError("the field must be finite at every site")
        return found if found.is_floating_point() or found.is_complex() else found.double()

    def source(self, values: Tensor | None, field: Tensor, name: str) -> Tensor | None:
        """Return what acts on ``field`` at every site and component; ``None`` stays ``None``.

        Raises
        ------
        UsageError
            If it has another shape than the field, or is complex and the field is not.
        """
        if values is None:
            return None
        found = torch.as_tensor(values)
        if found.shape != field.shape:
            raise UsageError(
                f"{name} of shape {tuple(found.shape)}: allowed is the field's, {tuple(field.shape)}"
            )
        if found.is_complex() and not field.is_complex():
            raise UsageError(f"{name} is complex and the field real: start with a complex field")
        return found

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``⟨A, B⟩``, summed over sites and components, in ``F² L²``: a scalar, conjugate in ``A``."""
        return (spread(self.volume, a) * a.conj() * b).sum()

    def norm(self, a: Tensor) -> Tensor:
        """Return ``√⟨A, A⟩``, a real scalar, in ``F L``."""
        real = parts(a)
        return (spread(self.volume, real) * real.square()).sum().sqrt()

    def symbol(self) -> Tensor:
        """Return the eigenvalues of ``−Δ``, in 1/L², none below 0.

        Float64 ``(Nx, Ny)``, in the order of ``torch.fft.fft2``:

        ``Σ_a g^{aa} (2 − 2 cos k_a d_a)/d_a² + 2 g^{xy} sin(k_x dx) sin(k_y dy)/(dx dy)``, or ``g^{ab} k_a
        k_b``. If the number of sites is even, the highest wave is its own opposite. The mixed term leaves
        it out: its sign is undecided there, and ``−Δ`` of a real field would be complex (L. Trefethen,
        *Spectral Methods in MATLAB*, chapter 3).

        Raises
        ------
        UsageError
            When the metric depends on the place.
        """
        if not self.uniform:
            raise UsageError("a metric that depends on the place is not diagonal in Fourier space")
        axes = [
            2 * math.pi * torch.fft.fftfreq(n, d, dtype=torch.float64)
            for n, d in zip(self.shape, self.spacing, strict=True)
        ]
        k = torch.meshgrid(*axes, indexing="ij")
        g = self.inverse
        if self.spectral:
            odd = torch.meshgrid(*(_without_highest(axis) for axis in axes), indexing="ij")
            return g[0, 0] * k[0] ** 2 + 2 * g[0, 1] * odd[0] * odd[1] + g[1, 1] * k[1] ** 2
        d = self.spacing
        squares = sum(g[a, a] * (2 - 2 * torch.cos(k[a] * d[a])) / d[a] ** 2 for a in (0, 1))
        return squares + 2 * g[0, 1] * torch.sin(k[0] * d[0]) * torch.sin(k[1] * d[1]) / (d[0] * d[1])

    def laplacian(self, t: Tensor) -> Tensor:
        """Return ``Δ T`` in ``F/L²``, in the shape of ``T (Nx, Ny, ...)``."""
        if self.spectral:
            found = -self.filter(self.symbol(), t)
            return found if t.is_complex() else found.real
        if self.uniform:
            total = torch.zeros_like(t)
            self.add_laplacian(total, t, 1.0)
            return total
        root = 1 / torch.linalg.det(self.inverse).sqrt()
        weight = root[..., None, None] * self.inverse
        total = self._flux(t, spread(weight[..., 0, 0], t), 0) + self._flux(
            t, spread(weight[..., 1, 1], t), 1
        )
        mixed = spread(weight[..., 0, 1], t)
        total = total + self._central(mixed * self._central(t, 1), 0)
        total = total + self._central(mixed * self._central(t, 0), 1)
        return total / spread(root, t)

    def add_laplacian(self, total: Tensor, t: Tensor, scale: float) -> None:
        """Add ``scale · Δ T`` to ``total`` in place, of the same shape and dtype; faster than
        :meth:`laplacian`."""
        if self.spectral or not self.uniform:
            total.add_(self.laplacian(t), alpha=scale)
            return
        total, t = parts(total), parts(t)
        along = [scale * float(self.inverse[a, a]) / self.spacing[a] ** 2 for a in (0, 1)]
        total.add_(t, alpha=-2 * sum(along))
        for axis, weight in enumerate(along):
            last = self.shape[axis] - 1
            # Slices instead of rolled copies: both neighbours, and those across the edge.
            for to, of, count in ((0, 1, last), (1, 0, last), (0, last, 1), (last, 0, 1)):
                total.narrow(axis, to, count).add_(t.narrow(axis, of, count), alpha=weight)
        if mixed := float(self.inverse[0, 1]):
            total.add_(self._central(self._central(t, 1), 0), alpha=2 * mixed * scale)

    def largest(self) -> float:
        """Return the largest eigenvalue of ``−Δ``, in 1/L²; for a varying metric, Gershgorin's bound."""
        if self.uniform:
            return float(self.symbol().max())
        root = 1 / torch.linalg.det(self.inverse).sqrt()
        weight = root[..., None, None] * self.inverse
        total = torch.zeros(self.shape, dtype=torch.float64)
        for a, d in enumerate(self.spacing):
            faces = (weight[..., a, a] + weight[..., a, a].roll(-1, a)) / 2
            total += 2 * (faces + faces.roll(1, a)) / d**2
        mixed = weight[..., 0, 1].abs()
        around = sum(mixed.roll(shift, a) for a in (0, 1) for shift in (1, -1))
        return float(((total + around / math.prod(self.spacing)) / root).max())

    def filter(self, factors: Tensor, t: Tensor) -> Tensor:
        """Return ``T`` with its Fourier components multiplied by ``factors (Nx, Ny)``."""
        waves = torch.fft.fft2(t, dim=(0, 1))
        return torch.fft.ifft2(spread(factors, t) * waves, dim=(0, 1))

    def _flux(self, t: Tensor, weight: Tensor, axis: int) -> Tensor:
        """Return ``∂_a (w ∂_a T)`` with the weight averaged between neighbours."""
        faces = (weight + weight.roll(-1, axis)) / 2
        flux = faces * (t.roll(-1, axis) - t)
        return (flux - flux.roll(1, axis)) / self.spacing[axis] ** 2

    def _central(self, t: Tensor, axis: int) -> Tensor:
        return (t.roll(-1, axis) - t.roll(1, axis)) / (2 * self.spacing[axis])


def _without_highest(k: Tensor) -> Tensor:
    """Return wave numbers ``(N,)`` in the order of the FFT, with 0 for the highest of an even number."""
    return k if len(k) % 2 else k.index_fill(0, torch.tensor(len(k) // 2), 0.0)


def spread(sites: Tensor, t: Tensor) -> Tensor:
    """Broadcast a scalar or numbers ``(Nx, Ny)`` of sites against ``T (Nx, Ny, ...)``, on its device."""
    sites = sites.to(t.device)
    return sites if sites.ndim == 0 else sites.reshape(*sites.shape, *(1,) * (t.ndim - 2))


def parts(t: Tensor) -> Tensor:
    """Return a view of real numbers, ``(..., 2)`` of a complex ``T (...)``; sums are several times as
    fast."""
    return torch.view_as_real(t) if t.is_complex() else t
