"""Stated confidence against truth: a reliability diagram over sets of questions.

python -m lior_bench.reliability [SET ...] [--retriever meaning] [--save docs/pictures/reliability.svg]

Asks the sets (those that need no packages, if none is named) and prints, by band of the stated confidence,
how many answers there are, their mean confidence and the share that is right: the quoted sentence or its
block holds the answer. Below 50 % nothing is quoted, and the best passage counts. An answer to a question
without one is wrong. The same for sets for fitting and for reporting, by kind of question, by language and by
set, with the expected calibration error: the mean distance of confidence and share over the bands, weighted
by their answers (Naeini et al. 2015).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import click
import numpy as np

from lior.plots import axes, figures
from lior.plots.panels import Finish, Panel, Picture, Table
from lior_bench.asking import Judged, ask_all
from lior_bench.questions import FITTING, INSTALLED, SETS, kept, opened, questions

EDGES = (0.0, 0.5, 0.7, 0.9, 0.98, 1.0)
NAMES = ("< 50 %", "50–70 %", "70–90 %", "90–98 %", "≥ 98 %")


@attrs.frozen
class Band:
    """Answers of similar confidence."""

    name: str
    count: int
    confidence: float
    """Mean of what is stated, in [0, 1]; nan without answers."""
    right: float
    """Share, in [0, 1]; nan without answers."""


def bands(judged: Sequence[Judged]) -> list[Band]:
    """Answers by their confidence; each edge belongs to the band above."""
    stated = np.array([each.confidence for each in judged])
    right = np.array([each.right for each in judged])
    place = np.digitize(stated, EDGES[1:-1])
    found = []
    for number, name in enumerate(NAMES):
        here = place == number
        means = (stated[here].mean(), right[here].mean()) if here.any() else (np.nan, np.nan)
        found.append(Band(name, int(here.sum()), *map(float, means)))
    return found


def calibration_error(found: Sequence[Band]) -> float:
    """Expected calibration error of bands, in [0, 1]."""
    total = sum(band.count for band in found)
    return sum(band.count * abs(band.confidence - band.right) for band in found if band.count) / max(total, 1)


@attrs.frozen(kw_only=True)
class ReliabilityDiagram(Panel):
    """The share of right answers against the mean confidence of each band; on the diagonal they are equal."""

    kind: ClassVar[str] = "reliability"

    bands: dict[str, list[Band]]
    """Bands of each group, by its name."""

    def inches(self) -> tuple[float, float]:
        """Room for the numbers of answers."""
        return 6.5, 5.5

    def draw(self, axis: Any) -> Finish:
        """A line for each group; the area of a point grows with its answers."""
        axis.plot([0, 100], [0, 100], color="0.6", linestyle="--", linewidth=1)
        for (name, found), colour in zip(
            self.bands.items(), (axes.COLOURS[0], axes.COLOURS[4]), strict=False
        ):
            some = [band for band in found if band.count]
            points = [100 * band.confidence for band in some], [100 * band.right for band in some]
            axis.plot(*points, color=colour, label=f"{name}, error {100 * calibration_error(found):.0f} %")
            axis.scatter(*points, s=[10 + band.count for band in some], color=colour, alpha=0.7)
            for band, x, y in zip(some, *points, strict=True):
                axis.annotate(str(band.count), (x, y), (4, -10), textcoords="offset points", color=colour)
        axis.set(xlabel="confidence stated, %", ylabel="right, %", xlim=(0, 103), ylim=(0, 103))
        axis.grid(True, alpha=0.3)
        axis.legend(loc="upper left", fontsize=9)
        return None

    def table(self) -> Table:
        """As it is printed."""
        return Table(HEADER, [row(name, found) for name, found in self.bands.items()])


HEADER = ("answers", *NAMES, "error")


def row(name: str, found: Sequence[Band]) -> list[str]:
    """``right of count (mean confidence)`` of each band, and the calibration error."""
    cells = [
        f"{band.right * band.count:.0f} of {band.count} ({100 * band.confidence:.0f})" if band.count else "–"
        for band in found
    ]
    return [name, *cells, f"{100 * calibration_error(found):.1f} %"]


GROUPS: tuple[Callable[[Judged], str], ...] = (
    lambda each: "fitting" if each.question.of in FITTING else "reporting",
    lambda each: each.question.kind,
    lambda each: each.question.language,
    lambda each: each.question.of,
)
"""What answers are grouped by, one after the other."""


@click.command(help=__doc__)
@kept
@click.argument("names", metavar="[SET]...", nargs=-1, type=click.Choice(SETS))
@click.option("--save", type=click.Path(path_type=Path), help="Draw the diagram to this .svg or .png file.")
def main(
    retriever: str | None, keep: Path | None, roots: tuple[str, ...], names: Sequence[str], save: Path | None
) -> None:
    judged = list[Judged]()
    for name in names or [name for name in SETS if name not in INSTALLED]:
        with opened(name, retriever, keep, roots) as index:
            judged += ask_all(index, questions(name))
    rows = [row("all", bands(judged))]
    for group in GROUPS:
        for name in dict.fromkeys(map(group, judged)):
            rows.append(row(name, bands([each for each in judged if group(each) == name])))
    for cells in ([*HEADER], *rows):
        print(f"{cells[0]:14}" + "".join(f"{cell:>17}" for cell in cells[1:]))
    if save is not None:
        kinds = {
            name: bands([each for each in judged if GROUPS[0](each) == name])
            for name in map(GROUPS[0], judged)
        }
        diagram = ReliabilityDiagram(title="Confidence of answers against truth", bands=kinds)
        picture = Picture(name=save.stem, title="", panels=[diagram], columns=1)
        figures.write(picture, save.parent, (save.suffix[1:],))


if __name__ == "__main__":
    main()
