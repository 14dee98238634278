"""What pictures call an option that is varied."""

from __future__ import annotations

from collections.abc import Collection

_LABELS = {
    "physics.field_tesla": "magnetic field (T)",
    "physics.m_eff": "effective mass (electron masses)",
    "physics.L0_nm": "length unit (nm)",
    "physics.rashba_meV_nm": "Rashba coupling (meV nm)",
    "physics.dresselhaus_meV_nm": "Dresselhaus coupling (meV nm)",
    "physics.g": "g-factor",
    "domain.X": "half-width of the box along x (L0)",
    "domain.Y": "half-width of the box along y (L0)",
    "delta": "detuning (E0/L0)",
    "a": "half the distance of the wells (L0)",
    "domain.nq": "nodes on each axis",
    "model.hidden_features": "width of the network",
    "training.seed": "seed",
}
"""What is varied -> what it is; others are called by their name, with the unit that it ends in."""
_UNITS = {"_meV": "meV", "_nm": "nm", "_tesla": "T", "_mV": "mV"}


def label(name: str, gates: Collection[str] = ()) -> str:
    """What an axis shows that is an option, or one of the gates, with its unit."""
    if name in _LABELS:
        return _LABELS[name]
    if name in gates:
        return f"voltage of gate {name} (mV)"
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} ({unit})"
    return name
