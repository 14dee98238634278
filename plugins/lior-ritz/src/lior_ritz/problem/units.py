"""Units: lengths in ``L0``, energies in ``E0 = ħ²/(2 m* L0²)``, so that the Hamiltonian is ``-∇² + V``."""

from __future__ import annotations

import math

import attrs

from lior.errors import UsageError, did_you_mean, sentences

HBAR2_OVER_2M = 3.809982111
"""ħ²/(2 mₑ) in eV·Å² (CODATA 2022)."""
COULOMB = 1439.96454785
"""e²/(4π ε₀) in meV·nm (CODATA 2022)."""
FLUX = 1.519267447878626e-3
"""e/ħ in 1/(T·nm²), exact in the SI."""
BOHR = 0.057883817982
"""The Bohr magneton eħ/(2 mₑ) in meV/T (CODATA 2022)."""


@attrs.frozen
class Material:
    """Constants of a semiconductor's conduction band: effective mass, relative permittivity, g-factor."""

    m_eff: float
    """In electron masses; for anisotropic bands the transverse one, which is that of motion in a layer."""
    eps_r: float
    g: float
    """The g-factor of electrons at the bottom of the band."""


MATERIALS = {
    "GaAs": Material(0.067, 12.9, -0.44),
    "Si": Material(0.19, 11.7, 2.0),
    "Ge": Material(0.082, 16.0, 1.6),
    "InAs": Material(0.023, 15.15, -14.9),
    "InSb": Material(0.014, 16.8, -51.0),
    "InP": Material(0.08, 12.5, 1.26),
    "GaN": Material(0.2, 8.9, 1.95),
}
"""Name -> numbers at low temperature (I. Vurgaftman, J. R. Meyer and L. R. Ram-Mohan, *Band parameters for
III-V compound semiconductors*, J. Appl. Phys. 89, 5815, 2001; for Si and Ge S. M. Sze, *Physics of
Semiconductor Devices*; g-factors after O. Madelung, *Semiconductors: Data Handbook*, 2004, rounded: those of
a dot differ, and ``physics.g`` sets them)."""


def material(name: str) -> Material:
    """The material of a name; ``UsageError`` when it is not in the table."""
    if name not in MATERIALS:
        known = f"Known: {', '.join(MATERIALS)}; for another one give physics.m_eff and physics.eps_r."
        raise UsageError(sentences(f"no material {name!r}.", did_you_mean(name, MATERIALS), known))
    return MATERIALS[name]


@attrs.frozen
class Units:
    """The scales of a problem."""

    m_eff: float = 0.067
    """Effective mass in electron masses."""
    L0_nm: float = 30.0
    """The length unit in nanometres."""
    eps_r: float = 12.9
    """Relative permittivity, which weakens the repulsion of electrons."""

    @property
    def E0_meV(self) -> float:
        """The energy unit in meV.

        >>> Units().E0_meV
        0.6318378293532338
        """
        return HBAR2_OVER_2M / (self.m_eff * (10 * self.L0_nm) ** 2) * 1000

    @property
    def repulsion(self) -> float:
        """κ of two electrons at distance 1: their energy ``κ/r`` in ``E0``.

        >>> round(Units().repulsion, 9)
        5.888913978
        """
        return COULOMB / (self.eps_r * self.L0_nm) / self.E0_meV

    def curvature(self, hbar_omega_meV: float) -> float:
        """β of the well ``β x²`` whose levels are ħω apart: ``-d² + β x²`` has ``√β (2n + 1)``."""
        return (hbar_omega_meV / (2 * self.E0_meV)) ** 2

    def hbar_omega_meV(self, curvature: float) -> float:
        """ħω of the well ``β x²``, in meV; the inverse of :meth:`curvature`."""
        return 2 * self.E0_meV * math.sqrt(curvature)
