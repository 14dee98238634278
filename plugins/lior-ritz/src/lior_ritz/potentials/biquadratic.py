"""The double dot ``c4 (x² - a²)² + c2y y² + δ x``, given by coefficients, by level spacings or by its
barrier."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from lior.config import option
from lior.errors import UsageError
from lior_ritz.potentials._checks import words
from lior_ritz.problem import Device, Part
from lior_ritz.problem.arrays import Numbers
from lior_ritz.problem.units import Units

_DEFAULTS: Mapping[str, Mapping[str, float | None]] = {
    "raw": {"c4": None, "c2y": None},
    "targets": {"hbar_omega_x_meV": 3.0, "hbar_omega_y_meV": 5.0},
    "barrier": {"barrier_meV": None, "hbar_omega_y_meV": 5.0},
}
"""Mode -> the options that say the coefficients in it, with their defaults; ``None`` must be given."""
_AGREE = 1e-6
"""How far, relatively, a number that follows from others may be from what follows."""


@attrs.frozen(kw_only=True)
class Biquadratic:
    """Two wells at ``x ≈ ±a``, harmonic across.

    Near a minimum ``V ≈ 4 c4 a² (x ∓ a)² + c2y y²``, so that the spacings are ``ħωₓ = 2 E0 √(4 c4 a²)`` and
    ``ħω_y = 2 E0 √c2y``; the barrier is ``c4 a⁴``. An option that the mode does not ask for may be given if
    it agrees with what follows from the others, and is refused otherwise.

    Raises ``UsageError`` when an option that the mode needs is missing, or one contradicts the others.
    """

    api_version: ClassVar[int] = 2
    dims: ClassVar[tuple[int, ...]] = (2,)
    device: ClassVar[tuple[str, ...]] = words("a delta c4 c2y hbar_omega_x_meV hbar_omega_y_meV barrier_meV")

    param_mode: str = option(
        "targets", help="what the wells are given by", choices=("raw", "targets", "barrier")
    )
    a: float = option(1.5, help="half the distance of the wells, in L0", low=1e-6)
    delta: float = option(0.0, help="slope of the detuning along x, in E0/L0")
    c4: float | None = option(None, help="quartic coefficient, in E0/L0^4 (raw)", low=1e-12)
    c2y: float | None = option(None, help="coefficient across, in E0/L0^2 (raw, barrier)", low=0)
    hbar_omega_x_meV: float | None = option(None, help="level spacing of a well along x (targets)", low=1e-9)
    hbar_omega_y_meV: float | None = option(None, help="level spacing across (targets, barrier)", low=1e-9)
    barrier_meV: float | None = option(None, help="height of the barrier (barrier)", low=0)

    def __attrs_post_init__(self) -> None:
        missing = [name for name, value in self._given().items() if value is None]
        if missing:
            raise UsageError(f"param_mode {self.param_mode!r} needs {' and '.join(missing)}")

    def _given(self) -> dict[str, float | None]:
        """The options that say the coefficients, with defaults filled in."""
        names = dict(_DEFAULTS[self.param_mode])
        if self.param_mode == "barrier" and self.c2y is not None:
            names = {"barrier_meV": None, "c2y": None}
        return {
            name: default if getattr(self, name) is None else getattr(self, name)
            for name, default in names.items()
        }

    def coefficients(self, units: Units, device: Device) -> tuple[Any, Any]:
        """``c4`` and ``c2y``, numbers or tensors.

        Raises ``UsageError`` when ``device`` varies an option that the mode does not use.
        """
        given: dict[str, Any] = self._given()
        for name in set(device) - {"a", "delta"}:
            if name not in given:
                known = ", ".join(("a", "delta", *given))
                raise UsageError(
                    f"{name} says nothing with param_mode {self.param_mode!r}; vary one of {known}"
                )
        given |= device
        a = given.get("a", self.a)
        if self.param_mode == "targets":
            beta = (given["hbar_omega_x_meV"] / (2 * units.E0_meV)) ** 2
            c4 = beta / (4 * a * a)
        elif self.param_mode == "barrier":
            c4 = given["barrier_meV"] / units.E0_meV / a**4
        else:
            c4 = given["c4"]
        if "c2y" in given:
            return c4, given["c2y"]
        return c4, (given["hbar_omega_y_meV"] / (2 * units.E0_meV)) ** 2

    def energy(self, points: Numbers, units: Units, device: Device) -> Numbers:
        """V in ``E0``, ``[N]`` or ``[P, N]``."""
        c4, c2y = self.coefficients(units, device)
        a, delta = device.get("a", self.a), device.get("delta", self.delta)
        x, y = points.T
        return c4 * (x * x - a * a) ** 2 + c2y * y * y + delta * x

    def mirrors(self, dim: int) -> frozenset[int]:
        """Both axes, without detuning."""
        return frozenset({0, 1} if self.delta == 0 else {1})

    def parts(self, units: Units, dim: int) -> tuple[Part, ...]:
        """A quartic and a harmonic well: the problem is separable."""
        c4, c2y = self.coefficients(units, {})
        return (lambda x: c4 * (x * x - self.a**2) ** 2 + self.delta * x, lambda y: c2y * y * y)

    def report(self, units: Units) -> dict[str, float]:
        """The coefficients and what they mean."""
        c4, c2y = self.coefficients(units, {})
        beta_x = 4 * c4 * self.a**2
        barrier = c4 * self.a**4
        follows = {
            "c4": c4,
            "c2y": c2y,
            "beta_x": beta_x,
            "beta_y": c2y,
            "hbar_omega_x_meV": units.hbar_omega_meV(beta_x),
            "hbar_omega_y_meV": units.hbar_omega_meV(c2y),
            "barrier_dimless": barrier,
            "barrier_meV": barrier * units.E0_meV,
        }
        self._refuse_contradictions(follows)
        return follows

    def _refuse_contradictions(self, follows: Mapping[str, float]) -> None:
        for name in ("c4", "c2y", "hbar_omega_x_meV", "hbar_omega_y_meV", "barrier_meV"):
            given = getattr(self, name)
            if given is not None and not math.isclose(given, follows[name], rel_tol=_AGREE, abs_tol=1e-12):
                asked = " and ".join(self._given())
                raise UsageError(
                    f"{name} = {given:g} contradicts {asked} (param_mode {self.param_mode!r}), from which "
                    f"{follows[name]:.9g} follows; leave {name} out"
                )
