"""Intervals that contain the true levels and their differences."""

from __future__ import annotations

import attrs

from lior_ritz.verification.reference import Reference
from lior_ritz.verification.reference.modes import Array


@attrs.frozen(kw_only=True)
class Bounds:
    """Bounds of the K lowest levels, float64 ``[K]`` each, in ``E0``."""

    upper: Array
    """No less than the levels: the Ritz values (min-max principle) and the error of the quadrature."""
    lower: Array | None
    """No more than the levels, if no level below :attr:`beyond` was missed; ``None`` where residuals say
    nothing."""
    residuals: Array | None
    """``‖(H - E_k) ψ_k‖``."""
    beyond: float | None
    """A number below which there are the K levels and no other."""
    why: str = ""
    """Why there is no bound from below."""


@attrs.frozen(kw_only=True)
class Splitting:
    """The difference of two successive levels, in ``E0``."""

    value: float
    """The network's."""
    reference: float
    lower: float
    upper: float
    """The ends of the interval that contains the true difference: the levels' bounds and the reference's
    difference with its error bar if both agree; else the latter alone."""

    @property
    def resolved(self) -> bool:
        """Whether the interval tells it from 0."""
        return self.lower > 0

    @property
    def relative_error(self) -> float | None:
        """The error relative to the reference's value; ``None`` if that may be 0."""
        return self.value / self.reference - 1 if self.resolved else None

    def missed(self, accuracy: float) -> bool:
        """Whether the value is outside of the interval by more than this share of the true one."""
        return not (1 - accuracy) * self.lower <= self.value <= (1 + accuracy) * self.upper


def splittings(
    energies: Array, upper: Array, lower: Array | None, reference: Reference
) -> tuple[Splitting, ...]:
    """From K levels, their bounds, and the reference's levels; ``lower`` is ``None`` where it is not known.

    Bounds of both levels alone would lose a splitting that is smaller than they are wide; what the
    reference's levels have in common of their errors cancels in its differences.
    """
    found = []
    for k in range(len(energies) - 1):
        exact = float(reference.energies[k + 1] - reference.energies[k])
        bar = float(reference.splitting_errors[k])
        low, high = max(0.0, exact - bar), exact + bar
        if lower is not None:
            least, most = float(lower[k + 1] - upper[k]), float(upper[k + 1] - lower[k])
            if least <= high and low <= most:
                low, high = max(low, least), min(high, most)
        value = float(energies[k + 1] - energies[k])
        found.append(Splitting(value=value, reference=exact, lower=low, upper=high))
    return tuple(found)
