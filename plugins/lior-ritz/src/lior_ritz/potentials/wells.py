"""Wells whose levels are known or nearly so: harmonic, harmonic with a barrier, and the bare box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from lior.config import option
from lior.errors import UsageError
from lior_ritz.potentials._checks import given, lookup, require_finite, words
from lior_ritz.potentials.written import Written, tree_of
from lior_ritz.problem import AXES, Device, Part
from lior_ritz.problem.arrays import Numbers
from lior_ritz.problem.units import Units

_NARROWEST = 1e-6
_BARRIER = 10.0
"""Height in E0 of the barrier when none is given."""
_SPACING = 3.0
"""Level spacing in meV of an axis that is not given its own."""


@attrs.frozen(kw_only=True)
class Harmonic:
    """``V = Σ βᵢ (xᵢ - cᵢ)² + offset`` in one to four dimensions, with ``ħωᵢ = 2 E0 √βᵢ``.

    An axis has its ``beta_*`` if that is given, else its ``hbar_omega_*_meV``, else ``hbar_omega_meV``. In a
    large box the levels are ``Σ √βᵢ (2nᵢ + 1) + offset``. An option of an axis that the box does not have
    makes the potential one of more dimensions.

    Raises ``UsageError`` when an axis is given twice, or an option is negative or no finite number.
    """

    api_version: ClassVar[int] = 2
    device: ClassVar[tuple[str, ...]] = words(
        "hbar_omega_meV offset hbar_omega_x_meV hbar_omega_y_meV hbar_omega_z_meV hbar_omega_w_meV beta_x "
        "beta_y beta_z beta_w x0 y0 z0 w0"
    )

    hbar_omega_meV: float = option(
        _SPACING, help="level spacing of every axis that is not given its own", low=0
    )
    hbar_omega_x_meV: float | None = option(None, help="level spacing along x", low=0)
    hbar_omega_y_meV: float | None = option(None, help="level spacing along y", low=0)
    hbar_omega_z_meV: float | None = option(None, help="level spacing along z", low=0)
    hbar_omega_w_meV: float | None = option(None, help="level spacing along w", low=0)
    beta_x: float | None = option(None, help="coefficient of x^2, in E0/L0^2, in place of a spacing", low=0)
    beta_y: float | None = option(None, help="coefficient of y^2, in E0/L0^2, in place of a spacing", low=0)
    beta_z: float | None = option(None, help="coefficient of z^2, in E0/L0^2, in place of a spacing", low=0)
    beta_w: float | None = option(None, help="coefficient of w^2, in E0/L0^2, in place of a spacing", low=0)
    x0: float = option(0.0, help="centre along x, in L0")
    y0: float = option(0.0, help="centre along y, in L0")
    z0: float = option(0.0, help="centre along z, in L0")
    w0: float = option(0.0, help="centre along w, in L0")
    offset: float = option(0.0, help="energy at the bottom, in E0")

    def __attrs_post_init__(self) -> None:
        require_finite(self)
        for axis in AXES:
            given(self, {}, f"beta_{axis}", f"hbar_omega_{axis}_meV")

    @property
    def dims(self) -> tuple[int, ...]:
        """One to four, but no fewer than the axes that options name."""
        least = 1
        for number, axis in enumerate(AXES, 1):
            given = (getattr(self, f"beta_{axis}"), getattr(self, f"hbar_omega_{axis}_meV"))
            if given != (None, None) or getattr(self, f"{axis}0") != 0:
                least = number
        return tuple(range(least, len(AXES) + 1))

    def curvatures(self, units: Units, dim: int, device: Device) -> list[Any]:
        """βᵢ in ``E0/L0²``, one for each axis, numbers or tensors.

        Raises ``UsageError`` when ``device`` varies an option of an axis that is not there, or that the axis
        does not use.
        """
        of, used = lookup(self, device), {"hbar_omega_meV", "offset"}
        result = []
        for axis in AXES[:dim]:
            name = given(self, device, f"beta_{axis}", f"hbar_omega_{axis}_meV") or "hbar_omega_meV"
            used |= {name, f"{axis}0"}
            result.append(of(name) if name.startswith("beta") else units.curvature(of(name)))
        for name in set(device) - used:
            raise UsageError(f"{name} says nothing here; vary one of {', '.join(sorted(used))}")
        return result

    def energy(self, points: Numbers, units: Units, device: Device) -> Numbers:
        """V in ``E0``, ``[N]`` or ``[P, N]``."""
        of = lookup(self, device)
        total = of("offset")
        betas = self.curvatures(units, points.shape[1], device)
        for axis, x, beta in zip(AXES, points.T, betas, strict=False):
            total = total + beta * (x - of(f"{axis}0")) ** 2
        return total

    def mirrors(self, dim: int) -> frozenset[int]:
        """The axes along which it is centred."""
        return frozenset(i for i, axis in enumerate(AXES[:dim]) if getattr(self, f"{axis}0") == 0)

    def parts(self, units: Units, dim: int) -> tuple[Part, ...]:
        """A parabola along each axis; the offset is with the first."""
        betas = self.curvatures(units, dim, {})
        return tuple(
            _parabola(beta, getattr(self, f"{axis}0"), 0.0 if i else self.offset)
            for i, (axis, beta) in enumerate(zip(AXES, betas, strict=False))
        )

    def report(self, units: Units) -> dict[str, float]:
        """Return the coefficients and spacings of every axis that is named."""
        betas = self.curvatures(units, len(AXES), {})[: max(2, self.dims[0])]
        return {
            name: value
            for axis, beta in zip(AXES, betas, strict=False)
            for name, value in (
                (f"beta_{axis}", beta),
                (f"hbar_omega_{axis}_meV", units.hbar_omega_meV(beta)),
            )
        }


@attrs.frozen(kw_only=True)
class HarmonicBarrier(Written):
    """A harmonic dot cut in two by a Gaussian gate, tilted and sheared.

    ``V = βx x² + βy y² + B exp(-½ [(x/σx)² + (y/σy)²]) + tilt_x x + tilt_y y + shear x y``. Shear breaks both
    mirrors, although turning by 180 degrees leaves V as it is.

    Raises ``UsageError`` when an axis or the barrier is given twice, a width is not positive, or a number is
    not finite.
    """

    dims: ClassVar[tuple[int, ...]] = (2,)
    device: ClassVar[tuple[str, ...]] = words(
        "hbar_omega_x_meV hbar_omega_y_meV beta_x beta_y barrier barrier_meV sigma_x sigma_y tilt_x "
        "tilt_y shear"
    )
    tree = tree_of(
        "beta_x*x**2 + beta_y*y**2 + barrier*exp(-0.5*((x/sigma_x)**2 + (y/sigma_y)**2))"
        " + tilt_x*x + tilt_y*y + shear*x*y",
        device,
    )

    hbar_omega_x_meV: float | None = option(
        None, help="level spacing along x without barrier; 3 unless beta_x is given", low=0
    )
    hbar_omega_y_meV: float | None = option(
        None, help="level spacing along y without barrier; 3 unless beta_y is given", low=0
    )
    beta_x: float | None = option(None, help="coefficient of x^2, in E0/L0^2, in place of a spacing", low=0)
    beta_y: float | None = option(None, help="coefficient of y^2, in E0/L0^2, in place of a spacing", low=0)
    barrier: float | None = option(None, help="height of the Gaussian, in E0; 10 unless in meV")
    barrier_meV: float | None = option(None, help="height of the Gaussian, in meV")
    sigma_x: float = option(0.45, help="width of the Gaussian along x, in L0", low=_NARROWEST)
    sigma_y: float = option(0.8, help="width of the Gaussian along y, in L0", low=_NARROWEST)
    tilt_x: float = option(0.0, help="slope along x, in E0/L0")
    tilt_y: float = option(0.0, help="slope along y, in E0/L0")
    shear: float = option(0.0, help="coefficient of x y, in E0/L0^2")

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        given(self, {}, "beta_x", "hbar_omega_x_meV")
        given(self, {}, "beta_y", "hbar_omega_y_meV")
        given(self, {}, "barrier", "barrier_meV")

    def numbers(self, units: Units, device: Device) -> Mapping[str, Any]:
        """The coefficients, in ``E0`` and ``L0``, and the rest."""
        of = lookup(self, device)
        found = {name: of(name) for name in ("sigma_x", "sigma_y", "tilt_x", "tilt_y", "shear")}
        for axis in "xy":
            name = given(self, device, f"beta_{axis}", f"hbar_omega_{axis}_meV")
            spacing = _SPACING if name is None else of(name)
            found[f"beta_{axis}"] = of(name) if name == f"beta_{axis}" else units.curvature(spacing)
        name = given(self, device, "barrier", "barrier_meV")
        height = _BARRIER if name is None else of(name)
        return found | {"barrier": height / units.E0_meV if name == "barrier_meV" else height}

    def report(self, units: Units) -> dict[str, float]:
        """The coefficients and what they mean."""
        found = self.numbers(units, {})
        beta_x, beta_y, barrier = found["beta_x"], found["beta_y"], found["barrier"]
        return {
            "beta_x": beta_x,
            "beta_y": beta_y,
            "hbar_omega_x_meV": units.hbar_omega_meV(beta_x),
            "hbar_omega_y_meV": units.hbar_omega_meV(beta_y),
            "barrier_dimless": barrier,
            "barrier_meV": barrier * units.E0_meV,
        }


@attrs.frozen(kw_only=True)
class Box(Written):
    """Nothing but the walls: ``V = offset``, in one to four dimensions.

    With ψ = 0 on the walls ``|xᵢ| = Xᵢ`` the levels are ``Σ (π nᵢ / 2Xᵢ)² + offset`` with ``nᵢ >= 1``, and
    with natural ones ``nᵢ >= 0``.

    Raises ``UsageError`` when the offset is no finite number.
    """

    dims: ClassVar[tuple[int, ...]] = (1, 2, 3, 4)
    device: ClassVar[tuple[str, ...]] = ("offset",)
    tree = tree_of("offset", device)

    offset: float = option(0.0, help="energy inside, in E0")

    def report(self, units: Units) -> dict[str, float]:
        """The offset in meV."""
        return {"offset_meV": self.offset * units.E0_meV}


def _parabola(beta: float, center: float, offset: float) -> Part:
    return lambda x: beta * (x - center) ** 2 + offset
