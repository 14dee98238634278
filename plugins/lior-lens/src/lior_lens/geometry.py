"""The lens: where a point of the corrected picture lies in the photograph, and back.

Coordinates are isotropic: a point is ``((column + 1/2 - W/2) / D, (row + 1/2 - H/2) / D)`` with ``D`` half
the diagonal in pixels, so that corners have radius 1 and a circle is a circle on a picture of any shape.

A lens maps a point ``p`` of the corrected picture to the photograph ("backward", as resampling needs it)::

    q = (p - c) / (scale, scale * aspect)      r = |q|
    G(p) = c + q f(r) + tangential(q)          f(r) = a0 + a1 r + a2 r² + ... + a6 r⁶
    tangential(q) = (2 p1 u v + p2 (r² + 2 u²), p1 (r² + 2 v²) + 2 p2 u v)     q = (u, v)

OpenCV's five coefficients are ``a2, a4, p1, p2, a6``; lensfun's poly3, poly5 and ptlens are the same ``f`` in
units of half the shorter side. The Jacobian of ``q f + tangential`` is symmetric: the map is the gradient of
a function, and where the Jacobian is positive definite that function is convex and the map one-to-one (a
strongly monotone operator). :meth:`Lens.monotone` draws a lens towards the identity until this holds.

>>> lens = Lens.brown(k1=-0.1, k2=0.02)
>>> x, y, found = lens.inverse(*lens.forward(0.5, 0.3))
>>> bool(found), bool(abs(x - 0.5) < 1e-12)
(True, True)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lior.errors import UsageError

Floats = NDArray[np.float64]
T = TypeVar("T")

MARGIN = 0.1
"""Least slope of a lens that :meth:`Lens.monotone` returns: a picture is stretched tenfold at most."""
_NEWTON = 50
_TOLERANCE = 1e-13
PARAMETERS = ("k1", "k2", "k3", "p1", "p2", "dcx", "dcy", "scale", "aspect")
"""Parameters that the network predicts, in this order; ``aspect`` is optional."""


@attrs.frozen(kw_only=True)
class Size:
    """A picture in pixels."""

    width: int
    height: int

    @property
    def half_diagonal(self) -> float:
        """Unit of length, in pixels."""
        return math.hypot(self.width, self.height) / 2

    @property
    def ratio(self) -> float:
        """The ratio of the long side to the short side."""
        return max(self.width, self.height) / min(self.width, self.height)

    @property
    def half(self) -> tuple[float, float]:
        """Half width and half height in units of the half-diagonal."""
        return self.width / 2 / self.half_diagonal, self.height / 2 / self.half_diagonal

    def to_unit(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Pixel positions (the centre of the first pixel is 0, 0) to isotropic coordinates."""
        d = self.half_diagonal
        return (x + 0.5 - self.width / 2) / d, (y + 0.5 - self.height / 2) / d

    def to_pixel(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The inverse of :meth:`to_unit`."""
        d = self.half_diagonal
        return x * d + self.width / 2 - 0.5, y * d + self.height / 2 - 0.5

    def grid(self, columns: int, rows: int) -> tuple[Floats, Floats]:
        """Isotropic coordinates ``[rows, columns]`` of points from the first to the last pixel's centre."""
        x, y = self.to_unit(np.linspace(0, self.width - 1, columns), np.linspace(0, self.height - 1, rows))
        return np.broadcast_to(x, (rows, columns)), np.broadcast_to(y[:, None], (rows, columns))


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


@attrs.frozen(kw_only=True)
class Lens:
    """A lens; the default is the identity."""

    radial: tuple[float, ...] = attrs.field(default=(1.0, 0, 0, 0, 0, 0, 0), converter=_floats)
    """``a0`` to ``a6``."""
    p1: float = 0.0
    p2: float = 0.0
    dcx: float = 0.0
    dcy: float = 0.0
    scale: float = 1.0
    """Above 1 the corrected picture shows less of the photograph, larger."""
    aspect: float = 1.0

    def __attrs_post_init__(self) -> None:
        if len(self.radial) != 7:
            raise UsageError(f"a lens has 7 radial coefficients, a0 to a6; {len(self.radial)} were given")
        values = {"radial": math.fsum(map(abs, self.radial))} | {
            name: getattr(self, name) for name in ("p1", "p2", "dcx", "dcy", "scale", "aspect")
        }
        for name, value in values.items():
            if not math.isfinite(value):
                raise UsageError(f"lens: {name} is {value}; it must be a finite number")
        if self.scale <= 0 or self.aspect <= 0:
            raise UsageError(f"lens: scale {self.scale} and aspect {self.aspect} must be above 0")

    @classmethod
    def brown(cls, *, k1: float = 0.0, k2: float = 0.0, k3: float = 0.0, **others: float) -> Lens:
        """Brown's model, in half-diagonals; ``others`` are p1, p2, dcx, dcy, scale and aspect."""
        return cls(radial=(1, 0, k1, 0, k2, 0, k3), **others)

    @classmethod
    def of(cls, parameters: Mapping[str, float]) -> Lens:
        """A lens of named :data:`PARAMETERS`, or of a :meth:`table`; ``UsageError`` for other names."""
        if "radial" in parameters:
            unknown = set(parameters) - {field.name for field in attrs.fields(cls)}
            build: Any = cls
        else:
            unknown, build = set(parameters) - set(PARAMETERS), cls.brown
        if unknown:
            raise UsageError(f"lens: unknown {', '.join(sorted(unknown))}; known: {', '.join(PARAMETERS)}")
        try:
            made: Lens = build(**parameters)
        except (TypeError, ValueError) as error:
            raise UsageError(f"lens: its parameters must be numbers ({error})") from error
        return made

    def table(self) -> dict[str, Any]:
        """The lens, ready for JSON; :meth:`of` reads it."""
        return {**attrs.asdict(self), "radial": list(self.radial)}

    @property
    def is_brown(self) -> bool:
        """Whether OpenCV's five coefficients describe it."""
        a = self.radial
        return a[0] == 1 and a[1] == a[3] == a[5] == 0

    @property
    def is_identity(self) -> bool:
        """Whether every point stays where it is."""
        straight = self.radial == (1.0, 0, 0, 0, 0, 0, 0) and self.p1 == self.p2 == 0
        return straight and self.scale == self.aspect == 1

    # --- the map ---

    def forward(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Points of the corrected picture to the photograph; arrays or tensors of any shape."""
        u, v = (x - self.dcx) / self.scale, (y - self.dcy) / (self.scale * self.aspect)
        gu, gv = distort(u, v, self.radial, self.p1, self.p2)
        return gu + self.dcx, gv + self.dcy

    def jacobian(self, x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
        """``(∂Gx/∂x, ∂Gx/∂y, ∂Gy/∂x, ∂Gy/∂y)`` at points of the corrected picture."""
        sx, sy = self.scale, self.scale * self.aspect
        xx, xy, yy = self._slopes((x - self.dcx) / sx, (y - self.dcy) / sy)
        return xx / sx, xy / sy, xy / sx, yy / sy

    def _slopes(self, u: Any, v: Any) -> tuple[Any, Any, Any]:
        """The symmetric Jacobian of ``q f + tangential`` by ``q``."""
        r2 = u * u + v * v
        f = _polynomial(r2, self.radial)
        # f'(r) / r: the terms i a_i r^(i-2); a1's is singular at 0, where u u f'/r is 0 all the same
        d = _polynomial(r2, tuple((i + 2) * self.radial[i + 2] for i in range(5)))
        if self.radial[1]:
            d = d + self.radial[1] / (r2 + 1e-300) ** 0.5
        p1, p2 = self.p1, self.p2
        xx = f + u * u * d + 2 * p1 * v + 6 * p2 * u
        xy = u * v * d + 2 * p1 * u + 2 * p2 * v
        return xx, xy, f + v * v * d + 6 * p1 * v + 2 * p2 * u

    def inverse(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Points of the photograph to the corrected picture, by Newton's method with halved steps.

        Returns
        -------
        x, y
            The points, NaN where none was found.
        found
            Where the map was undone to 1e-12; elsewhere no point of a monotone lens maps there.
        """
        tx, ty = np.broadcast_arrays(
            np.asarray(x, np.float64) - self.dcx, np.asarray(y, np.float64) - self.dcy
        )
        shape = tx.shape
        tx, ty = tx.ravel(), ty.ravel()
        # from the point itself, or where it lies outside, from the edge of the disc that the lens is made for
        near = np.minimum(1.0, self.reach() / np.maximum(np.hypot(tx, ty), 1e-300))
        u, v = tx * near, ty * near
        fx, fy = distort(u, v, self.radial, self.p1, self.p2)
        ex, ey = fx - tx, fy - ty
        step = np.ones_like(u)
        with np.errstate(all="ignore"):
            for _ in range(_NEWTON):
                xx, xy, yy = self._slopes(u, v)
                det = xx * yy - xy * xy
                du, dv = (yy * ex - xy * ey) / det, (xx * ey - xy * ex) / det
                nu, nv = u - step * du, v - step * dv
                nx, ny = distort(nu, nv, self.radial, self.p1, self.p2)
                mx, my = nx - tx, ny - ty
                better = np.hypot(mx, my) < np.hypot(ex, ey)
                u, v = np.where(better, nu, u), np.where(better, nv, v)
                ex, ey = np.where(better, mx, ex), np.where(better, my, ey)
                step = np.where(better, np.minimum(1, 2 * step), step / 2)
                if not (better & (np.hypot(ex, ey) > _TOLERANCE)).any() and (step < 2**-8).all():
                    break
                if np.nanmax(np.hypot(ex, ey), initial=0.0) <= _TOLERANCE:
                    break
            xx, xy, yy = self._slopes(u, v)
            found = (np.hypot(ex, ey) <= 1e-12) & (xx * yy > xy * xy) & (xx + yy > 0)
        ox = np.where(found, u * self.scale + self.dcx, np.nan)
        oy = np.where(found, v * self.scale * self.aspect + self.dcy, np.nan)
        return ox.reshape(shape), oy.reshape(shape), found.reshape(shape)

    # --- monotone by construction ---

    def reach(self, corner: float = 1.0) -> float:
        """Largest ``|q|`` of a point within ``corner`` of the centre."""
        return (corner + math.hypot(self.dcx, self.dcy)) / (self.scale * min(1.0, self.aspect))

    def least_slope(self, corner: float = 1.0) -> float:
        """A lower bound of the eigenvalues of the Jacobian by ``q``, in the disc of that radius.

        That of the radial part is the least of ``(r f)'`` (``f`` itself is a mean of it); the tangential part
        adds at most ``6 |p| r`` in size.
        """
        edge = self.reach(corner)
        tangential = 6 * math.hypot(self.p1, self.p2)
        slope = np.polynomial.Polynomial([(i + 1) * a for i, a in enumerate(self.radial)])
        total = slope - np.polynomial.Polynomial([0, tangential])
        bend = total.deriv().trim(1e-12)  # smaller ones bend nothing, and overflow
        roots = bend.roots() if bend.degree() else np.empty(0)
        inner = [root.real for root in np.atleast_1d(roots) if abs(root.imag) < 1e-9 and 0 < root.real < edge]
        lowest = min(float(total(r)) for r in (0.0, edge, *inner))
        if not tangential:
            return lowest
        # f is a mean of slopes nearer to the centre, the tangential part grows: both must hold together.
        r = np.linspace(0, edge, 257)
        return min(lowest, float((np.minimum.accumulate(slope(r)) - tangential * r).min()))

    def blended(self, share: float) -> Lens:
        """The lens whose map is ``share`` of the way from the identity to this one's, centred alike."""
        a0, *others = self.radial
        return attrs.evolve(
            self,
            radial=(1 + share * (a0 - 1), *(share * a for a in others)),
            p1=share * self.p1,
            p2=share * self.p2,
        )

    def monotone(self, *, margin: float = MARGIN, corner: float = 1.0) -> Lens:
        """The lens, or its strongest blend with the identity whose Jacobian, which blends too, is enough."""
        lowest = self.least_slope(corner)
        return self if lowest >= margin else self.blended((1 - margin) / (1 - lowest))


def distort(u: Any, v: Any, radial: tuple[Any, ...], p1: Any, p2: Any) -> tuple[Any, Any]:
    """``q f(|q|) + tangential(q)`` for arrays or tensors; coefficients may be tensors that broadcast."""
    r2 = u * u + v * v
    f = _polynomial(r2, radial)
    if isinstance(p1, float | int) and not p1 and not p2:
        return u * f, v * f
    uv2 = 2 * u * v
    return u * f + p1 * uv2 + p2 * (r2 + 2 * u * u), v * f + p1 * (r2 + 2 * v * v) + p2 * uv2


def _polynomial(r2: Any, coefficients: tuple[Any, ...]) -> Any:
    """``Σ a_i r^i`` by Horner; the root is taken only where an odd power has a coefficient."""
    even, odd = coefficients[0::2], coefficients[1::2]
    total = r2 * 0 + even[-1]
    for a in even[-2::-1]:
        total = total * r2 + a
    if all(isinstance(a, float | int) and not a for a in odd):
        return total
    rest = r2 * 0 + odd[-1]
    for a in odd[-2::-1]:
        rest = rest * r2 + a
    return total + rest * r2**0.5
