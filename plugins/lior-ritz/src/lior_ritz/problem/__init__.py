"""The problem: ``(-∇² + V) ψ = E ψ`` in a box, in the units of :mod:`lior_ritz.problem.units`, or
with the terms of :mod:`lior_ritz.problem.terms`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np

from lior.errors import UsageError, did_you_mean, sentences
from lior_ritz.problem.arrays import Array, Numbers
from lior_ritz.problem.potential import Device, Part, Potential, is_curved, join_heights, join_jumps
from lior_ritz.problem.terms import Terms
from lior_ritz.problem.units import Units

AXES = "xyzw"
"""Names of the coordinates; a box of ``d`` dimensions has the first ``d``."""


@attrs.frozen
class Problem:
    """A potential in the box ``|xᵢ| <= half_widths[i]``.

    Raises ``UsageError`` when the potential is not one of so many dimensions, its options contradict one
    another, or it is not finite at the corners of the box.
    """

    potential: Potential
    half_widths: tuple[float, ...]
    """In ``L0``, one for each dimension."""
    units: Units = attrs.field(factory=Units)
    boundary: str = "dirichlet"
    """``dirichlet`` (ψ = 0 on the edge) or ``natural`` (what the weak form gives: no slope at the edge)."""
    terms: Terms = attrs.field(factory=Terms)

    def __attrs_post_init__(self) -> None:
        if self.dim not in self.potential.dims:
            known = " or ".join(map(str, self.potential.dims))
            fault = f"domain.dim = {self.dim}: this potential is one of {known} dimensions"
            raise UsageError(f"{fault}; choose another potential.type, or set domain.dim to {known}")
        for each in self.terms.functions:
            if self.dim not in each.dims:
                raise UsageError(
                    f"physics.mass, physics.offset_meV: one of them is no function of {self.dim} coordinates"
                )
        self.terms.check(self.dim)
        self.potential.report(self.units)
        corners = np.array([self.half_widths, [-x for x in self.half_widths]])
        if not np.isfinite(self.energy(corners)).all():
            raise UsageError(
                "domain: the potential is not finite at a corner of the box; make the box smaller"
            )

    def require_finite(self) -> None:
        """Refuse a V that is not finite on a coarse grid with the middle of the box; ``UsageError``."""
        size = (401, 81, 21, 9)[self.dim - 1]
        unit = np.arange(1 - size, size, 2) / (size - 1)  # 0 is the middle, exactly
        lines = [x * unit for x in self.half_widths]
        points = np.stack([grid.ravel() for grid in np.meshgrid(*lines, indexing="ij")], 1)
        bad = np.flatnonzero(~np.isfinite(self.energy(points)))
        if len(bad):
            where = ", ".join(f"{x:.4g}" for x in points[bad[0]])
            raise UsageError(
                f"the potential is not finite at ({where}), inside the box; it has to be: soften the pole, "
                "as in 1/sqrt(x**2 + 0.01), or move it out of the box"
            )
        self.inverse_mass(points)

    def require_plain(self, what: str) -> None:
        """Refuse ``what`` for other Hamiltonians than ``-∇² + V``; ``UsageError``."""
        if not self.terms.plain:
            raise UsageError(
                f"{what}: not with a magnetic field or masses of their own; leave out physics.field_tesla, "
                "physics.mass, mass_x and mass_y"
            )

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.half_widths)

    @property
    def mirrors(self) -> frozenset[int]:
        """The axes of which the problem is a mirror image of itself; the box always is, a field never."""
        return frozenset() if self.terms.field_tesla else self.images

    @property
    def images(self) -> frozenset[int]:
        """The axes whose reflection leaves V and the masses as they are."""
        return frozenset.intersection(*(one.mirrors(self.dim) for one in self._functions))

    @property
    def jumps(self) -> tuple[tuple[float, ...], ...]:
        """The known jumps and kinks of V and the masses, by axis."""
        return join_jumps(self._functions, self.half_widths)

    def heights(self, points: Array) -> Array:
        """How far above each of these places ``points``, ``[N, d]``, are, below 0 on the other side, in any
        smooth measure, or 1 and -1; ``[S, N]``."""
        return join_heights(self._functions, points)

    @property
    def curved(self) -> bool:
        """Whether V or a mass is known to jump, or to have a kink, along curves."""
        return is_curved(self._functions)

    @property
    def _functions(self) -> tuple[Potential, ...]:
        return (self.potential, *self.terms.functions)

    @property
    def parts(self) -> tuple[Part, ...] | None:
        """V as a sum of functions of one coordinate each, if it is one."""
        own, offset = self.potential.parts(self.units, self.dim), self.terms.offset
        if own is None or offset is None:
            return own
        more = offset.parts(self.units, self.dim)
        return None if more is None else tuple(map(self._both, own, more))

    def _both(self, own: Part, offset: Part) -> Part:
        return lambda x: own(x) + offset(x) / self.units.E0_meV

    def energy(self, points: Numbers, device: Device | None = None) -> Numbers:
        """V in ``E0`` at ``points``, ``[N, d]``, with the band offset; ``[N]``, or ``[P, N]`` with P
        devices."""
        own = self.potential.energy(points, self.units, device or {})
        if self.terms.offset is None:
            return own
        return own + self.terms.offset.energy(points, self.units, {}) / self.units.E0_meV

    def inverse_mass(self, points: Numbers) -> Numbers:
        """``1/μ`` of each axis at ``points``, ``[N, d]``; ``[N, d]``."""
        return self.terms.inverse_mass(points, self.units)

    def vector(self, points: Numbers) -> Numbers:
        """The vector potential at ``points``, ``[N, 2]`` in ``L0``; ``[N, 2]`` in ``ħ/(e L0)``."""
        return self.terms.vector(points, self.units)

    def varied(self, values: Mapping[str, Numbers]) -> Problem:
        """The problem with options of the potential replaced; its symmetries are those of the new values.

        Raises ``UsageError`` when a name cannot be varied, or a value is no single number or out of range.
        """
        if not values:
            return self
        require_known(values, self.potential.device)
        potential: Any = self.potential
        changes: dict[str, Any] = {}
        for name, value in values.items():
            head, *rest = place(potential, name)
            table = changes.get(head, getattr(potential, head)) if rest else None
            changes[head] = _replace(table, rest, _single(name, value))
        return attrs.evolve(self, potential=attrs.evolve(potential, **changes))


def place(potential: Potential, name: str) -> tuple[str, ...]:
    """The keys, below ``potential``, that lead to an option that can be varied."""
    if say := getattr(potential, "place", None):
        return tuple(say(name))
    fields = {field.name for field in attrs.fields(type(potential))}  # type: ignore[arg-type]
    return (name,) if name in fields else ("parameters", name)


def _replace(table: Any, keys: list[str], value: float) -> Any:
    """A copy of nested tables with one number replaced."""
    if not keys:
        return value
    return {**table, keys[0]: _replace(table.get(keys[0], {}), keys[1:], value)}


def require_known(device: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names of varied options that the potential does not have.

    Raises ``UsageError`` naming the first one, and what may be varied.
    """
    names = tuple(known)
    for name in device:
        if name not in names:
            allowed = f"Allowed: {', '.join(names)}." if names else "It has no such option."
            raise UsageError(
                sentences(f"no option {name!r} can be varied.", did_you_mean(name, names), allowed)
            )


def _single(name: str, value: Numbers) -> float:
    found = np.asarray(value, dtype=float)
    if found.size != 1:
        raise UsageError(f"{name}: {found.size} values at once; the reference solves one device at a time")
    return float(found.item())
