"""What a design is to have: levels, or differences of levels, with their values."""

from __future__ import annotations

import math
import re

import attrs
import numpy as np

from lior.errors import UsageError
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.units import Units

UNITS = ("meV", "ueV", "E0")
_FORM = re.compile(r"(?:E(?P<upper>\d+)(?:-E(?P<lower>\d+))?|splitting)(?:_(?P<unit>[A-Za-z0-9]+))?")
_ALLOWED = (
    "allowed is E2, E2-E0 (a difference) or splitting (E1-E0), with the unit _meV, _ueV or _E0 behind it "
    "(meV if there is none), as in splitting_meV=0.1 or E1-E0_E0=0.45"
)


@attrs.frozen
class Want:
    """A level, or the distance of two, that is to have a value."""

    quantity: str
    """As it was written."""
    upper: int
    lower: int | None
    """The level that is subtracted."""
    wanted: float
    """In :attr:`unit`."""
    unit: str

    @classmethod
    def parse(cls, text: str) -> Want:
        """Read ``QUANTITY=NUMBER``.

        >>> Want.parse("splitting_meV=0.1")
        Want(quantity='splitting_meV', upper=1, lower=0, wanted=0.1, unit='meV')

        Raises ``UsageError`` when the text is nothing of that kind.
        """
        quantity, equals, value = (part.strip() for part in text.partition("="))
        found = _FORM.fullmatch(quantity)
        if not equals or not found:
            raise UsageError(f"--want {text!r}: {_ALLOWED}")
        unit = found["unit"] or "meV"
        if unit not in UNITS:
            raise UsageError(f"--want {text!r}: unit {unit!r}; allowed is one of {', '.join(UNITS)}")
        try:
            wanted = float(value)
        except ValueError:
            wanted = float("nan")
        if not abs(wanted) < float("inf"):
            raise UsageError(f"--want {text!r}: {value!r} is no finite number; {_ALLOWED}")
        upper = 1 if found["upper"] is None else int(found["upper"])
        lower = 0 if found["upper"] is None else None if found["lower"] is None else int(found["lower"])
        if lower is not None and lower >= upper:
            raise UsageError(f"--want {text!r}: the first level of a difference has to be the higher one")
        if lower is not None and wanted <= 0:
            raise UsageError(f"--want {text!r}: a difference of levels is above 0")
        return cls(quantity, upper, lower, wanted, unit)

    def scale(self, units: Units) -> float:
        """What a number in ``E0`` is multiplied by to be one in :attr:`unit`."""
        return {"meV": units.E0_meV, "ueV": 1000 * units.E0_meV, "E0": 1.0}[self.unit]

    def of(self, levels: Array, units: Units) -> Array:
        """The quantity in its unit, from levels or their derivatives in ``E0``, ``[..., K]``; ``[...]``."""
        value = levels[..., self.upper]
        found = (value if self.lower is None else value - levels[..., self.lower]) * self.scale(units)
        return np.asarray(found)

    def off(self, value: float, units: Units) -> tuple[float, float]:
        """How far a value is off, relatively, and the derivative of that by the value.

        Of differences it is the logarithm of the ratio: splittings fall exponentially, and are then nearly
        linear; one below the 1e-12th part of what is wanted, which two solutions that cross may have, counts
        as that. Levels are measured against at least 1 ``E0``, for they may be zero.
        """
        if self.lower is None:
            size = max(abs(self.wanted), self.scale(units))
            return (value - self.wanted) / size, 1 / size
        value = max(value, 1e-12 * self.wanted)
        return math.log(value / self.wanted), 1 / value
