"""Charts whose legend lies beside them, and what they call an option that is varied."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lior.plots import Finish, LineChart

_NAMED = 12
"""Curves in a legend."""

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
"""Name of a varied option or key -> its label; others get their name, with the unit that it ends in."""
_UNITS = {"_meV": "meV", "_nm": "nm", "_tesla": "T", "_mV": "mV"}


def label(name: str, gates: Collection[str] = ()) -> str:
    """Return the label of an option or a gate, with its unit."""
    if name in _LABELS:
        return _LABELS[name]
    if name in gates:
        return f"voltage of gate {name} (mV)"
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} ({unit})"
    return name


class Beside(LineChart):
    """Curves with the legend right of the axes, or none where levels with the curves' names are there."""

    def inches(self) -> tuple[float, float]:
        """Room for the legend."""
        width, height = super().inches()
        return width + 1.2, height

    def draw(self, axis: Any) -> Finish:
        """Curves, levels and a legend."""
        finish = super().draw(axis)
        if axis.get_legend() and {curve.name for curve in self.curves} <= set(self.levels):
            axis.get_legend().remove()
        elif axis.get_legend() and not self.levels:
            self.name_curves(axis, {line.get_label(): line for line in axis.get_lines()})
        return finish

    @staticmethod
    def name_curves(axis: Any, lines: Mapping[str, Any]) -> None:
        """A legend of the first few of these lines right of the axes."""
        few = dict(list(lines.items())[:_NAMED])
        style: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        axis.legend(few.values(), few.keys(), fontsize=8, frameon=False, **style)
