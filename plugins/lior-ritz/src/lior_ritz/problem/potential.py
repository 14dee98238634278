"""The interface of potentials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np

from lior_ritz.problem.arrays import Array, Numbers
from lior_ritz.problem.units import Units

Device: TypeAlias = "Mapping[str, Numbers]"
"""Options of a potential that are varied: name -> value in the option's own unit, a number, or of shape
``[P, 1]`` for P devices at once. It may be complex, or a tensor that requires a gradient."""
Part: TypeAlias = "Callable[[Numbers], Numbers]"
"""A function of one coordinate, elementwise."""


def join_jumps(parts: Iterable[object], half_widths: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Join the known jumps and kinks of some functions of the place, by axis: an optional method
    ``jumps(half_widths)``."""
    each = [part.jumps(half_widths) for part in parts if hasattr(part, "jumps")]
    axes = range(len(half_widths))
    return tuple(tuple(sorted({x for jumps in each for x in jumps[axis]})) for axis in axes)


def join_heights(parts: Iterable[object], points: Array) -> Array:
    """How far above each of these places ``points``, ``[N, d]``, are, below 0 on the other side, as far as
    the functions say so: an optional method ``heights(points)``; ``[S, N]``. Any smooth measure will do."""
    none = np.empty((0, len(points)))
    return np.concatenate([none, *(part.heights(points) for part in parts if hasattr(part, "heights"))])


def is_curved(parts: Iterable[object]) -> bool:
    """Whether one is known to jump, or to have a kink, along curves: an optional property ``curved``."""
    return any(getattr(part, "curved", False) for part in parts)


@runtime_checkable
class Potential(Protocol):
    """A potential: an attrs class whose fields are its options, of the group ``lior_ritz.potentials``.

    The reference asks it with arrays of NumPy, and a network with tensors of torch. Both have the operators,
    and :func:`lior_ritz.problem.arrays.namespace` of the points has ``exp``, ``sqrt``, ``where``, ... for
    them. Derivatives are taken with complex arrays: tests of the place have to be of ``points.real``. Version
    1 knew tensors alone.
    """

    api_version: ClassVar[int]

    @property
    def dims(self) -> tuple[int, ...]:
        """How many dimensions it can be asked in; may be a plain class variable."""

    @property
    def device(self) -> tuple[str, ...]:
        """Options that :meth:`energy` takes in place of its own, differentiably; may be a class variable.

        A name that is no field is an entry of the field ``parameters``, or stands where an optional method
        ``place(name)`` says: the keys that lead to it, such as ``("gates", "left", "voltage")``.
        """

    def energy(self, points: Numbers, units: Units, device: Device) -> Numbers:
        """V in ``E0`` at ``points``, ``[N, d]`` in ``L0``; ``[N]``, or ``[P, N]`` with P devices."""

    def mirrors(self, dim: int) -> frozenset[int]:
        """The axes whose reflection leaves V as it is, for the options as they are; never one too many."""

    def parts(self, units: Units, dim: int) -> tuple[Part, ...] | None:
        """One function for each axis, when V is their sum; ``None`` when it is not known to be."""

    def report(self, units: Units) -> dict[str, float]:
        """Derived numbers for a reader, such as a barrier in meV; ``UsageError`` if options contradict."""
