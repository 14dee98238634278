"""A level diagram: a line for each level, side by side where several are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs

from lior.plots import Finish, Panel, Table, format_number

_LINE, _GAP = 0.8, 0.08
"""Width of a level's lines, of the 1 that a column has, and the space between lines of one level."""
_TIMES = {1: "once", 2: "twice"}
_APART = 0.055
"""Least distance of two labels, as a share of the height."""


@attrs.frozen(kw_only=True)
class Step:
    """A level, once or several times."""

    name: str
    energy: float
    count: int = 1
    """Its degeneracy."""
    more: bool = False
    """Whether that may be larger, for the next levels are not known."""


@attrs.frozen(kw_only=True)
class Ladder(Panel):
    """Columns of levels; those of the last one have their names and energies beside them."""

    kind: ClassVar[str] = "ladder"

    unit: str
    columns: Mapping[str, Sequence[Step]]
    """Name -> levels, rising."""

    def draw(self, axis: Any) -> Finish:
        """Lines, and labels that do not overlap, with a thin line to theirs where they had to move."""
        for place, steps in enumerate(self.columns.values()):
            for step in steps:
                width = (_LINE - _GAP * (step.count - 1)) / step.count
                for part in range(step.count):
                    left = place - _LINE / 2 + part * (width + _GAP)
                    axis.plot([left, left + width], [step.energy] * 2, color=f"C{place}", linewidth=2)
        steps = list(self.columns.values())[-1]
        end, edge = len(self.columns) - 1 + _LINE / 2, len(self.columns) - 0.4
        for step, at in zip(steps, self._spread([step.energy for step in steps]), strict=True):
            axis.plot([end + 0.02, edge - 0.02], [step.energy, at], color="0.6", linewidth=0.7)
            often = step.count > 1 or step.more
            times = (
                f", {_TIMES.get(step.count, f'{step.count} times')}{' or more' * step.more}" if often else ""
            )
            axis.text(edge, at, f"{step.name}  {step.energy:.6g} {self.unit}{times}", va="center", fontsize=8)
        axis.set_xticks(range(len(self.columns)), list(self.columns))
        axis.set(ylabel=f"E in {self.unit}", xlim=(-0.6, edge + 1.1))
        return None

    @staticmethod
    def _spread(energies: Sequence[float]) -> list[float]:
        """Places of labels: the energies, moved apart, about their middle."""
        least = _APART * (max(energies) - min(energies))
        places: list[float] = []
        for energy in energies:
            places.append(max(energy, places[-1] + least) if places else energy)
        moved = sum(places) / len(places) - sum(energies) / len(energies)
        return [place - moved for place in places]

    def table(self) -> Table:
        """The levels with their degeneracies."""
        rows = [
            [name, step.name, format_number(step.energy), f"{step.count}{' or more' * step.more}"]
            for name, steps in self.columns.items()
            for step in steps
        ]
        return Table(["", "level", f"E in {self.unit}", "times"], rows)
