"""Terms of the Hamiltonian beside ``-∇² + V``: a magnetic field, masses, band offsets, and spin.

``H = Σᵢ (-i∂ᵢ + aᵢ) (1/μᵢ) (-i∂ᵢ + aᵢ) + V`` for an electron of charge -e, with ``a = e L0 A/ħ`` in the
symmetric gauge ``a = b/2 (y₀ - y, x - x₀)`` of a field along z, and ``μᵢ`` the masses in units of
``physics.m_eff``, between the derivatives where they depend on the place (D. J. BenDaniel and C. B. Duke,
Phys. Rev. 152, 683, 1966).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from lior.errors import UsageError
from lior_ritz.problem.arrays import Numbers, namespace
from lior_ritz.problem.units import FLUX, Units

if TYPE_CHECKING:
    from lior_ritz.problem.potential import Potential


@attrs.frozen(kw_only=True)
class Terms:
    """The terms by their options; as they are by default there are none."""

    field_tesla: float = 0.0
    """Along z, in tesla."""
    gauge_origin: tuple[float, float] = (0.0, 0.0)
    """The place where a is 0, in ``L0``; no level and no density depends on it."""
    masses: tuple[Potential | None, ...] = ()
    """By axis, functions with values in electron masses; ``None`` or none at all for ``physics.m_eff``."""
    offset: Potential | None = None
    """Energy that is added to the potential, with values in meV."""
    g: float = 0.0
    """The g-factor of the electron's spin."""
    rashba_meV_nm: float = 0.0
    dresselhaus_meV_nm: float = 0.0
    """α and β of ``α (σx ky - σy kx) + β (σx kx - σy ky)``."""

    @property
    def plain(self) -> bool:
        """Whether the Hamiltonian is ``-∇² + V``."""
        return not self.field_tesla and not any(self.masses)

    @property
    def has_spin(self) -> bool:
        """Whether something tells spins apart."""
        return bool(self.field_tesla and self.g) or self.has_orbit

    @property
    def has_orbit(self) -> bool:
        """Whether spin and motion are coupled."""
        return bool(self.rashba_meV_nm or self.dresselhaus_meV_nm)

    @property
    def functions(self) -> tuple[Potential, ...]:
        """Those of the place."""
        return tuple(each for each in (*self.masses, self.offset) if each is not None)

    def strength(self, units: Units) -> float:
        """b, the field in ``ħ/(e L0²)``; ``ħωc`` is ``2 b`` in ``E0``."""
        return FLUX * self.field_tesla * units.L0_nm**2

    def check(self, dim: int) -> None:
        """Refuse what there is no solver for; ``UsageError``."""
        if self.field_tesla and dim != 2:
            raise UsageError(
                f"physics.field_tesla: a field along z is of domain.dim = 2, not {dim}; leave it out"
            )
        if self.has_orbit and dim != 2:
            raise UsageError(
                "physics.rashba_meV_nm, physics.dresselhaus_meV_nm: these are of domain.dim = 2, not "
                f"{dim}; leave them out"
            )
        if any(self.masses) and dim > 2:
            raise UsageError(
                f"physics.mass: of domain.dim = 1 or 2, not {dim}; leave it out, and set physics.m_eff"
            )

    def vector(self, points: Numbers, units: Units) -> Numbers:
        """a at ``points``, ``[N, 2]``; ``[N, 2]``."""
        x0, y0 = self.gauge_origin
        turned = namespace(points).stack([y0 - points[:, 1], points[:, 0] - x0], 1)
        return turned * (self.strength(units) / 2)

    def inverse_mass(self, points: Numbers, units: Units) -> Numbers:
        """``1/μ`` at ``points``, ``[N, d]``; ``[N, d]``.

        Raises ``UsageError`` where a mass is no positive number.
        """
        xp = namespace(points)
        found = xp.ones_like(points)
        for axis, mass in enumerate(self.masses):
            if mass is None:
                continue
            values = mass.energy(points, units, {})
            good = (values > 0) & xp.isfinite(values)
            if not good.all():
                bad = good.tolist().index(False)
                where = ", ".join(f"{x:.4g}" for x in points[bad].tolist())
                raise UsageError(
                    f"physics.mass is {float(values[bad]):.4g} at ({where}); allowed is a positive "
                    "number of electron masses everywhere in the box"
                )
            found[:, axis] = units.m_eff / values
        return found
