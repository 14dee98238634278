"""A device of gates: the potential without them, and what each adds with its voltage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import attrs
import torch
from torch import Tensor

from lior.config.options import check_table, option
from lior.config.resolving import Component, build
from lior.errors import UsageError
from lior_ritz.potentials import registry
from lior_ritz.potentials._checks import require_finite
from lior_ritz.problem import Device, Part, Potential, require_known
from lior_ritz.problem.units import Units

_BASE = "base"


@attrs.frozen(kw_only=True)
class Gate:
    """One gate; its shape comes from a file or is a formula."""

    voltage: float = option(0.0, help="in mV")
    arm: float = option(1.0, help="lever arm: meV of an electron where the shape is 1, per mV")
    path: str = option("", help="file with the shape, as potential.gridded reads it")
    extent: tuple[float, ...] = option((), help="of the file, as potential.gridded.extent")
    axes: str = option("", help="of the file, as potential.gridded.axes")
    length_unit: str = option("L0", help="of the file's coordinates", choices=("L0", "nm"))
    formula: str = option("", help="the shape as a formula of x, y, z in L0, in place of a file")
    parameters: Mapping[str, float] = attrs.field(
        factory=dict, metadata={"help": "numbers that the formula names"}
    )

    def __attrs_post_init__(self) -> None:
        require_finite(self)
        if bool(self.path) == bool(self.formula):
            raise UsageError("a gate has either path, a file with its shape, or formula")
        stray = [name for name in ("extent", "axes") if self.formula and getattr(self, name)]
        if stray or (self.path and self.parameters):
            said = ", ".join(stray) or "parameters"
            raise UsageError(f"{said}: of a gate with {'path' if stray else 'formula'}; leave it out")

    @property
    def shape(self) -> Potential:
        """What the voltage is multiplied by, a number at each place."""
        if self.formula:
            return _built("expression", expression=self.formula, parameters=dict(self.parameters))
        try:
            state = Path(self.path).stat()
        except OSError:
            return _built("gridded", path=self.path)  # which says what is wrong
        return _file(self.path, self.extent, self.axes, self.length_unit, state.st_mtime_ns, state.st_size)


def _built(name: str, **options: Any) -> Potential:
    return build("potential", Component(name=name, options=options), registry)  # type: ignore[no-any-return]


@lru_cache(64)  # a sweep builds its potential at every point
def _file(path: str, extent: tuple[float, ...], axes: str, unit: str, time: int, size: int) -> Potential:
    """A file's spline; ``time`` and ``size`` are those of the file, which may be written anew."""
    return _built("gridded", path=path, extent=extent, axes=axes, length_unit=unit)


def _read(table: Any) -> dict[str, Gate]:
    """The gates of a table of tables."""
    if not isinstance(table, Mapping) or not all(isinstance(each, Gate | Mapping) for each in table.values()):
        raise UsageError('gates: allowed is a table for each gate, as in gates.left = {path = "left.npy"}')
    found = {}
    for name, given in table.items():
        values, faults = (given, []) if isinstance(given, Gate) else check_table(Gate, given)
        if faults:
            raise UsageError(f"gates.{name}.{faults[0].name}: {faults[0].message}")
        try:
            found[name] = values if isinstance(values, Gate) else Gate(**values)
        except UsageError as error:
            raise UsageError(f"gates.{name}: {error}") from None
    return found


@attrs.frozen(kw_only=True)
class Gates:
    """``V = base + Σ voltage · arm · shape(x)`` over the gates: linear in every voltage.

    Voltages are in mV and lever arms in meV/mV, so that a shape is a bare number: for the electrostatic
    potential of a gate, as a solver gives it for 1 V there and 0 V elsewhere, ``arm = -1`` has an electron's
    sign. ``base`` is any other potential with its options; it and the gates can be varied by their names.

    Raises
    ------
    UsageError
        When a gate or the base cannot be understood, or their dimensions differ.

    Examples
    --------
    >>> dot = Gates(base={"type": "harmonic"}, gates={"left": {"formula": "x", "voltage": 2, "arm": -0.1}})
    >>> dot.device[:2], sorted(dot.mirrors(2)), dot.place("left")
    (('left', 'hbar_omega_meV'), [1], ('gates', 'left', 'voltage'))
    """

    api_version: ClassVar[int] = 1

    base: Mapping[str, Any] = attrs.field(
        factory=lambda: {"type": "box"},
        metadata={"help": "the potential without gates: its type and its options"},
    )
    gates: Mapping[str, Any] = attrs.field(
        factory=dict,
        metadata={
            "help": "name -> voltage in mV, arm in meV/mV, and the shape: path (with extent, axes, "
            "length_unit) or formula (with parameters)"
        },
    )
    _base: Potential = attrs.field(init=False, eq=False, repr=False)
    _gates: dict[str, Gate] = attrs.field(init=False, eq=False, repr=False)
    _shapes: dict[str, Potential] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        options = dict(self.base)
        name = options.pop("type", None)
        if not isinstance(name, str) or name == "gates":
            raise UsageError('base: give its type, as in base = {type = "harmonic"}, another one than gates')
        object.__setattr__(self, "_base", _built(name, **options))
        object.__setattr__(self, "_gates", _read(self.gates))
        # as they are used, defaults and all, so that every option has a value where it stands
        whole = attrs.asdict(self._base, filter=lambda field, _: field.init)  # type: ignore[call-overload]
        object.__setattr__(self, "base", {"type": name} | whole)
        object.__setattr__(self, "gates", {name: attrs.asdict(gate) for name, gate in self._gates.items()})
        shapes = {name: gate.shape for name, gate in self._gates.items()}
        object.__setattr__(self, "_shapes", shapes)
        if not self._gates:
            raise UsageError('gates: give one at least, as in gates.left = {path = "left.npy"}')
        for name in shapes:
            if name in self._base.device:
                raise UsageError(f"gates.{name}: an option of the base has that name; take another one")
        if not self.dims:
            said = {name: list(each.dims) for name, each in {_BASE: self._base, **shapes}.items()}
            raise UsageError(f"gates: the shapes and the base are of no common dimension: {said}")

    @property
    def dims(self) -> tuple[int, ...]:
        """Those that the base and all shapes have."""
        found = set(self._base.dims).intersection(*(each.dims for each in self._shapes.values()))
        return tuple(sorted(found))

    @property
    def device(self) -> tuple[str, ...]:
        """The gates, each by its voltage, and the options of the base."""
        return (*self._shapes, *self._base.device)

    def place(self, name: str) -> tuple[str, ...]:
        """Where the option ``name`` stands in the configuration of the potential."""
        if name in self._shapes:
            return "gates", name, "voltage"
        fields = {field.name for field in attrs.fields(type(self._base))}  # type: ignore[arg-type]
        return (_BASE, name) if name in fields else (_BASE, "parameters", name)

    def energy(self, points: Tensor, units: Units, device: Device) -> Tensor:
        """V in ``E0``, ``[N]`` or ``[P, N]``."""
        require_known(device, self.device)
        rest = {name: value for name, value in device.items() if name not in self._shapes}
        total = self._base.energy(points, units, rest)
        for name, gate in self._gates.items():
            volts = device.get(name, gate.voltage)
            shape = self._shapes[name].energy(points, units, {})
            total = total + volts * (gate.arm / units.E0_meV) * shape
        return total

    def mirrors(self, dim: int) -> frozenset[int]:
        """Those of the base and of all gates that have a voltage."""
        shapes = [self._shapes[name] for name in self._live()]
        return self._base.mirrors(dim).intersection(*(each.mirrors(dim) for each in shapes))

    def jumps(self, half_widths: Sequence[float]) -> tuple[tuple[float, ...], ...]:
        """Those of the base and of all gates that have a voltage."""
        found: list[set[float]] = [set() for _ in half_widths]
        for each in (self._base, *(self._shapes[name] for name in self._live())):
            say = getattr(each, "jumps", None)
            for axis, places in enumerate(say(half_widths) if say else ()):
                found[axis].update(places)
        return tuple(tuple(sorted(each)) for each in found)

    def parts(self, units: Units, dim: int) -> tuple[Part, ...] | None:
        """The sums along each axis, where the base and all gates with a voltage are such sums."""
        pairs = [(1.0, self._base.parts(units, dim))]
        pairs += [(f, self._shapes[name].parts(units, dim)) for name, f in self._live(units).items()]
        known = [(factor, each) for factor, each in pairs if each is not None]
        if len(known) < len(pairs):
            return None

        def along(axis: int) -> Callable[[Tensor], Tensor]:
            return lambda x: sum((f * each[axis](x) for f, each in known), torch.zeros_like(x))

        return tuple(map(along, range(dim)))

    def report(self, units: Units) -> dict[str, float]:
        """What the base reports, and the voltages in mV."""
        volts = {f"{name}_mV": gate.voltage for name, gate in self._gates.items()}
        return self._base.report(units) | volts

    def _live(self, units: Units | None = None) -> dict[str, float]:
        """The gates that add something, each with its factor in ``E0``."""
        scale = 1.0 if units is None else units.E0_meV
        return {name: g.voltage * g.arm / scale for name, g in self._gates.items() if g.voltage * g.arm}
