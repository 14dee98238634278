"""A device of gates: the potential without them, and what each adds with its voltage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import attrs

from lior.config import Component, build_plugin, conform
from lior.errors import ConfigError, UsageError
from lior_ritz.potentials import registry
from lior_ritz.problem import Device, Part, Potential, require_known
from lior_ritz.problem.arrays import Array, Numbers
from lior_ritz.problem.potential import is_curved, join_heights, join_jumps
from lior_ritz.problem.units import Units

_OWN = ("voltage", "arm")
"""Options of a gate that are not of its shape."""


def _build(name: str, options: Mapping[str, Any]) -> Any:
    return build_plugin("potential", Component(name=name, options=dict(options)), registry)


@lru_cache(64)  # a sweep builds its potential at every point; ``stamp`` changes when a file is written anew
def _file(options: tuple[tuple[str, Any], ...], stamp: object) -> Any:
    return _build("gridded", dict(options))


def _gate(name: str, given: Any) -> tuple[dict[str, Any], Potential]:
    """A gate's options, with voltage and arm, and its shape."""
    if not isinstance(given, Mapping) or ("path" in given) == ("formula" in given):
        raise UsageError(
            f"gates.{name}: allowed is a table with either path, a file with its shape, or formula, as in "
            f'gates.{name} = {{path = "{name}.npy", arm = -0.1}}'
        )
    table = {"voltage": 0.0, "arm": 1.0, **given}
    for key in ("voltage", "arm"):
        with suppress(TypeError):
            table[key] = conform(table[key], float)
        if not isinstance(table[key], float) or not math.isfinite(table[key]):
            raise UsageError(f"gates.{name}.{key} = {table[key]!r}: allowed is a finite number")
    rest = {key: tuple(x) if isinstance(x, list) else x for key, x in table.items() if key not in _OWN}
    try:
        if "formula" in rest:
            return table, _build("expression", {"expression": rest.pop("formula"), **rest})
        path = Path(str(rest["path"]))
        stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
        return table, _file(tuple(rest.items()), stamp)
    except (UsageError, ConfigError) as error:
        raise UsageError(f"gates.{name}: {error}") from None


@attrs.frozen(kw_only=True)
class Gates:
    """``V = base + Σ voltage · arm · shape(x)`` over the gates: linear in every voltage.

    Voltages are in mV and lever arms in meV/mV, so that a shape is a bare number: for the electrostatic
    potential of a gate, as a solver gives it for 1 V there and 0 V elsewhere, ``arm = -1`` has an electron's
    sign. ``base`` is any other potential with its options; it and the gates can be varied by their names.

    Raises ``UsageError`` when a gate or the base cannot be understood, or they have no dimension in common.

    Examples
    --------
    >>> dot = Gates(base={"type": "harmonic"}, gates={"left": {"formula": "x", "voltage": 2, "arm": -0.1}})
    >>> dot.device[:2], sorted(dot.mirrors(2)), dot.place("left")
    (('left', 'hbar_omega_meV'), [1], ('gates', 'left', 'voltage'))
    """

    api_version: ClassVar[int] = 2

    base: Mapping[str, Any] = attrs.field(
        factory=lambda: {"type": "box"},
        metadata={"help": "the potential without gates: its type and its options"},
    )
    gates: Mapping[str, Any] = attrs.field(
        factory=dict,
        metadata={
            "help": "name -> voltage in mV, arm in meV/mV, and the shape: path, with the options of gridded, "
            "or formula, with parameters"
        },
    )
    _base: Any = attrs.field(init=False, eq=False, repr=False)
    _shapes: dict[str, Potential] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        options = dict(self.base)
        kind = options.pop("type", None)
        if not isinstance(kind, str) or kind == "gates":
            raise UsageError('base: give its type, as in base = {type = "harmonic"}, another one than gates')
        base, read = _build(kind, options), {name: _gate(name, each) for name, each in self.gates.items()}
        if not read:
            raise UsageError('gates: give one at least, as in gates.left = {path = "left.npy"}')
        for name in read:
            if name in base.device:
                raise UsageError(f"gates.{name}: an option of the base has that name; take another one")
        # as they are used, defaults and all, so that every option has a value where it stands
        whole = attrs.asdict(base, filter=lambda field, _: field.init)
        object.__setattr__(self, "base", {"type": kind} | whole)
        object.__setattr__(self, "gates", {name: table for name, (table, _) in read.items()})
        object.__setattr__(self, "_base", base)
        object.__setattr__(self, "_shapes", {name: shape for name, (_, shape) in read.items()})
        if not self.dims:
            raise UsageError("gates: the shapes and the base have no number of dimensions in common")

    @property
    def dims(self) -> tuple[int, ...]:
        """Those that the base and all shapes have."""
        return tuple(
            sorted(set(self._base.dims).intersection(*(each.dims for each in self._shapes.values())))
        )

    @property
    def device(self) -> tuple[str, ...]:
        """The gates, each by its voltage, and the options of the base."""
        return (*self._shapes, *self._base.device)

    def place(self, name: str) -> tuple[str, ...]:
        """Return the keys of the option ``name`` in the configuration of the potential."""
        if name in self._shapes:
            return "gates", name, "voltage"
        return ("base", name) if name in self.base else ("base", "parameters", name)

    def energy(self, points: Numbers, units: Units, device: Device) -> Numbers:
        """V in ``E0``, ``[N]`` or ``[P, N]``."""
        require_known(device, self.device)
        rest = {name: value for name, value in device.items() if name not in self._shapes}
        total = self._base.energy(points, units, rest)
        for name, shape in self._shapes.items():
            volts, arm = device.get(name, self.gates[name]["voltage"]), self.gates[name]["arm"]
            total = total + volts * (arm / units.E0_meV) * shape.energy(points, units, {})
        return total

    def _live(self) -> list[Any]:
        """The base, and the shapes of the gates that add something."""
        gates = self.gates
        return [
            self._base,
            *(self._shapes[name] for name in gates if gates[name]["voltage"] * gates[name]["arm"]),
        ]

    def mirrors(self, dim: int) -> frozenset[int]:
        """Those of the base and of all gates that have a voltage."""
        return frozenset.intersection(*(each.mirrors(dim) for each in self._live()))

    def jumps(self, half_widths: Sequence[float]) -> tuple[tuple[float, ...], ...]:
        """Those of the base and of all gates that have a voltage."""
        return join_jumps(self._live(), half_widths)

    def heights(self, points: Array) -> Array:
        """Those of the base and of all gates that have a voltage."""
        return join_heights(self._live(), points)

    @property
    def curved(self) -> bool:
        """Whether the base, or a gate that has a voltage, jumps along curves."""
        return is_curved(self._live())

    def parts(self, units: Units, dim: int) -> tuple[Part, ...] | None:
        """The sums along each axis, where the base and all gates with a voltage are such sums."""
        factors = [1.0, *(each["voltage"] * each["arm"] / units.E0_meV for each in self.gates.values())]
        pairs = list(zip(filter(None, factors), (p.parts(units, dim) for p in self._live()), strict=True))
        if any(parts is None for _, parts in pairs):
            return None

        def along(axis: int) -> Part:
            return lambda x: sum((f * parts[axis](x) for f, parts in pairs))

        return tuple(map(along, range(dim)))

    def report(self, units: Units) -> dict[str, float]:
        """Return the report of the base, and the voltages in mV."""
        return self._base.report(units) | {f"{name}_mV": g["voltage"] for name, g in self.gates.items()}
