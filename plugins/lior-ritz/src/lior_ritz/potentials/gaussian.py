"""Gaussian wells or hills: a single one, or two side by side."""

from __future__ import annotations

from typing import ClassVar

import attrs

from lior.config import option
from lior_ritz.potentials._checks import words
from lior_ritz.potentials.written import Written, tree_of
from lior_ritz.problem.units import Units

_NARROWEST = 1e-6
"""Smallest width in L0, which keeps ``1/σ²`` within range."""


@attrs.frozen(kw_only=True)
class Gaussian(Written):
    """One Gaussian on a tilted plane.

    ``V = A exp(-½ [((x - x0)/σx)² + ((y - y0)/σy)²]) + tilt_x x + tilt_y y + offset``. In a plane a well
    however shallow binds one state; further ones only when it is deep, and the levels above ``offset`` are
    those of the box.

    Raises ``UsageError`` when an option is no finite number, or a width is not positive.
    """

    dims: ClassVar[tuple[int, ...]] = (2,)
    device: ClassVar[tuple[str, ...]] = words("amplitude x0 y0 sigma_x sigma_y tilt_x tilt_y offset")
    tree = tree_of(
        "amplitude*exp(-0.5*(((x - x0)/sigma_x)**2 + ((y - y0)/sigma_y)**2)) + tilt_x*x + tilt_y*y + offset",
        device,
    )

    amplitude: float = option(-6.0, help="height in E0; below 0 it is a well")
    x0: float = option(0.0, help="centre along x, in L0")
    y0: float = option(0.0, help="centre along y, in L0")
    sigma_x: float = option(0.8, help="width along x, in L0", low=_NARROWEST)
    sigma_y: float = option(0.8, help="width along y, in L0", low=_NARROWEST)
    tilt_x: float = option(0.0, help="slope along x, in E0/L0")
    tilt_y: float = option(0.0, help="slope along y, in E0/L0")
    offset: float = option(0.0, help="energy far from the well, in E0")

    def report(self, units: Units) -> dict[str, float]:
        """Depth, and the level spacings that its curvature at the centre gives."""
        return {
            "amplitude_meV": self.amplitude * units.E0_meV,
            **_well(max(0.0, -self.amplitude), self.sigma_x, self.sigma_y, units),
        }


@attrs.frozen(kw_only=True)
class DoubleGaussian(Written):
    """Two Gaussian wells at ``x = ∓ separation`` on a tilted plane.

    ``V = - D₋ g(x + s, y) - D₊ g(x - s, y) + tilt_x x + tilt_y y + offset`` with
    ``g(x, y) = exp(-½ [(x/σx)² + (y/σy)²])`` and the depths ``D∓ = depth ∓ asymmetry/2``.

    Raises ``UsageError`` when an option is no finite number, a width is not positive or the distance is
    negative.
    """

    dims: ClassVar[tuple[int, ...]] = (2,)
    device: ClassVar[tuple[str, ...]] = words(
        "depth asymmetry separation sigma_x sigma_y tilt_x tilt_y offset"
    )
    tree = tree_of(
        "tilt_x*x + tilt_y*y + offset"
        " - (depth - asymmetry/2)*exp(-0.5*(((x + separation)/sigma_x)**2 + (y/sigma_y)**2))"
        " - (depth + asymmetry/2)*exp(-0.5*(((x - separation)/sigma_x)**2 + (y/sigma_y)**2))",
        device,
    )

    depth: float = option(12.0, help="mean depth of the wells, in E0")
    asymmetry: float = option(0.0, help="how much deeper the well at x > 0 is, in E0")
    separation: float = option(1.3, help="half the distance of the wells, in L0", low=0)
    sigma_x: float = option(0.9, help="width of a well along x, in L0", low=_NARROWEST)
    sigma_y: float = option(0.9, help="width of a well along y, in L0", low=_NARROWEST)
    tilt_x: float = option(0.0, help="slope along x, in E0/L0")
    tilt_y: float = option(0.0, help="slope along y, in E0/L0")
    offset: float = option(0.0, help="energy far from the wells, in E0")

    def report(self, units: Units) -> dict[str, float]:
        """Depths, and the level spacings of one well by itself."""
        return {
            "depth_left_meV": (self.depth - self.asymmetry / 2) * units.E0_meV,
            "depth_right_meV": (self.depth + self.asymmetry / 2) * units.E0_meV,
            **_well(max(0.0, self.depth), self.sigma_x, self.sigma_y, units),
        }


def _well(depth: float, sigma_x: float, sigma_y: float, units: Units) -> dict[str, float]:
    """Level spacings of ``-depth exp(-x²/2σ²) ≈ -depth + (depth/2σ²) x²``."""
    return {
        "hbar_omega_x_meV": units.hbar_omega_meV(depth / (2 * sigma_x**2)),
        "hbar_omega_y_meV": units.hbar_omega_meV(depth / (2 * sigma_y**2)),
    }
