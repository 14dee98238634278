"""A potential known by its values on a grid, as an electrostatics solver or a measurement gives it."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, TypeAlias

import attrs
import numpy as np

from lior.config import option
from lior.errors import UsageError
from lior_ritz.potentials._checks import lookup, require_finite
from lior_ritz.potentials.grids import Array, read_grid
from lior_ritz.problem import AXES, Device, Part
from lior_ritz.problem.arrays import Numbers, namespace
from lior_ritz.problem.units import Units

Indices: TypeAlias = "np.ndarray[Any, np.dtype[np.intp]]"

DEGREE = 5
"""Of the splines. Four continuous derivatives are worth their nodes: with two the reference's sines converge
so slowly that it takes forty times as long."""
_CHUNK = 1 << 15
"""Points at a time, which in three dimensions take 216 coefficients each."""
_AGREE = 1e-9
"""How far, relatively, mirrored nodes and values may differ and still be a mirror image."""
_EDGE = 1e-9
"""How far outside, relative to the grid's extent, a point may be by rounding."""


class _Axis(NamedTuple):
    """Nodes of one axis and the knots of its splines, in the file's unit of length."""

    nodes: Array
    knots: Array


@attrs.frozen(kw_only=True)
class Gridded:
    """Values on a rectangular grid, interpolated by a tensor spline of degree 5 ("not-a-knot").

    The file has a line for each node, in any order, with the columns ``x V``, ``x y V`` or ``x y z V``,
    separated by blanks or commas. A first line of names may put the columns in another order. A ``.npy`` file
    has an array of those columns. With ``extent``, the file has the values alone, at nodes spread evenly from
    edge to edge, and ``axes`` names its indices. Runs write their arrays with ``yx``, ``[y, x]``. The spline
    has four continuous derivatives, and the error of energies falls with the sixth power of the spacing; at
    least six nodes are needed along each axis.

    Raises ``UsageError`` when the file cannot be read, is too large, or has no complete grid of finite
    numbers; and from :meth:`energy` when a point is outside.
    """

    api_version: ClassVar[int] = 2
    device: ClassVar[tuple[str, ...]] = ("scale", "offset")

    path: str = option("", help="file with the values: .npy, .csv or .txt")
    extent: tuple[float, ...] = option(
        (), help="first and last x, then y and z, of a file that has values alone, in length_unit"
    )
    axes: str = option(
        "", help="coordinate of each index of such values, the slowest first; yx or zyx if not given"
    )
    length_unit: str = option("L0", help="unit of the coordinates", choices=("L0", "nm"))
    energy_unit: str = option("E0", help="unit of the values", choices=("E0", "meV"))
    scale: float = option(1.0, help="factor of the values")
    offset: float = option(0.0, help="energy added to the values, in E0")
    _axes: tuple[_Axis, ...] = attrs.field(init=False, eq=False, repr=False)
    _values: Array = attrs.field(init=False, eq=False, repr=False)
    _coefficients: Array = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        from scipy.interpolate import make_interp_spline  # a sixth of the start, for these potentials alone

        require_finite(self)
        nodes, values = read_grid(self.path, self.extent, self.axes)
        coefficients, axes = values, []
        for number, points in enumerate(nodes):
            if len(points) <= DEGREE:
                raise UsageError(
                    f"path: {len(points)} nodes along {AXES[number]}; at least {DEGREE + 1} are needed"
                )
            spline = make_interp_spline(points, coefficients, k=DEGREE, axis=number)
            coefficients = np.moveaxis(spline.c, 0, number)
            axes.append(_Axis(points, spline.t))
        object.__setattr__(self, "_axes", tuple(axes))
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_coefficients", np.ascontiguousarray(coefficients))

    @property
    def dims(self) -> tuple[int, ...]:
        """As many as the grid has."""
        return (len(self._axes),)

    def energy(self, points: Numbers, units: Units, device: Device) -> Numbers:
        """V in ``E0``, ``[N]`` or ``[P, N]``."""
        of = lookup(self, device)
        xp = namespace(points)
        at = points if xp is np else points.cpu().double().numpy()
        pieces = [at[i : i + _CHUNK] for i in range(0, max(1, len(at)), _CHUNK)]
        value: Numbers = np.concatenate([self._values_at(each / self._length(units)) for each in pieces])
        if xp is not np:
            value = xp.asarray(value).to(points)
        return of("scale") * (value * self._energy(units)) + of("offset")

    def _values_at(self, points: Array) -> Array:
        """The spline at points in the file's unit of length, ``[N]``."""
        found = [self._basis(number, x) for number, x in enumerate(points.T)]
        at, weights = map(list, zip(*found, strict=True))
        return _contract(self._coefficients, at, weights)

    def mirrors(self, dim: int) -> frozenset[int]:
        """The axes along which nodes and values are their own mirror image."""
        span = float(np.ptp(self._values)) or 1.0
        found = set()
        for number, (nodes, _) in enumerate(self._axes):
            turned = np.flip(self._values, number)
            even = np.abs(nodes + nodes[::-1]).max() <= _AGREE * np.ptp(nodes)
            if even and np.abs(turned - self._values).max() <= _AGREE * span:
                found.add(number)
        return frozenset(found)

    def parts(self, units: Units, dim: int) -> tuple[Part, ...] | None:
        """V itself in one dimension; in more, data are not taken to be a sum."""
        return (lambda x: self.energy(x.reshape(-1, 1), units, {}).reshape(x.shape),) if dim == 1 else None

    def report(self, units: Units) -> dict[str, float]:
        """Sizes, extents in ``L0`` and the range of the values in meV."""
        meV = self._energy(units) * units.E0_meV * self.scale
        ends = sorted((float(self._values.min()) * meV, float(self._values.max()) * meV))
        result = {
            "lowest_meV": ends[0] + self.offset * units.E0_meV,
            "highest_meV": ends[1] + self.offset * units.E0_meV,
        }
        for name, (nodes, _) in zip(AXES, self._axes, strict=False):
            result |= {
                f"nodes_{name}": float(len(nodes)),
                f"from_{name}": float(nodes[0]) * self._length(units),
                f"to_{name}": float(nodes[-1]) * self._length(units),
            }
        return result

    def _length(self, units: Units) -> float:
        return 1 / units.L0_nm if self.length_unit == "nm" else 1.0

    def _energy(self, units: Units) -> float:
        return 1 / units.E0_meV if self.energy_unit == "meV" else 1.0

    def _basis(self, number: int, x: Array) -> tuple[Indices, Array]:
        """Index of the first of the B-splines at each ``x``, ``[N]``, and their values,
        ``[N, DEGREE + 1]``."""
        nodes, knots = self._axes[number]
        low, high = float(nodes[0]), float(nodes[-1])
        slack = _EDGE * (high - low)
        if x.size and (x.real.min() < low - slack or x.real.max() > high + slack):
            raise UsageError(
                f"domain: the box is larger than the grid of {self.path!r}, which goes from {low:g} to "
                f"{high:g} {self.length_unit} along {AXES[number]}; make the box smaller"
            )
        inside = x + (np.clip(x.real, low, high) - x.real)  # an imaginary part stays
        interval = np.searchsorted(knots, inside.real, side="right") - 1
        interval = np.clip(interval, DEGREE, len(knots) - DEGREE - 2)
        return interval - DEGREE, _splines(knots, interval, inside)


def _splines(knots: Array, interval: Indices, x: Array) -> Array:
    """The ``DEGREE + 1`` B-splines that are not 0 at ``x``, ``[N, DEGREE + 1]``.

    The recursion of C. de Boor, *A Practical Guide to Splines*, 1978, chapter X, algorithm BSPLVB.
    """
    values = [np.ones_like(x)]
    for degree in range(1, DEGREE + 1):
        raised, carried = [], np.zeros_like(x)
        for i, value in enumerate(values):
            right = knots[interval + i + 1]
            left = knots[interval + i + 1 - degree]
            share = value / (right - left)
            raised.append(carried + (right - x) * share)
            carried = (x - left) * share
        values = [*raised, carried]
    return np.stack(values, 1)


def _contract(coefficients: Array, at: list[Indices], weights: list[Array]) -> Array:
    """Sum of the products of B-splines, ``[N]``."""
    dim, reach = len(at), np.arange(DEGREE + 1)
    places = [
        first.reshape(-1, *[1] * dim) + reach.reshape(-1, *[1] * (dim - 1 - axis))
        for axis, first in enumerate(at)
    ]
    block = coefficients[tuple(places)]
    for factors in reversed(weights):
        block = (block * factors.reshape(len(block), *[1] * (block.ndim - 2), -1)).sum(-1)
    return block
