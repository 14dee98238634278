"""The quality of answers: sets of questions, and their confidence against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import click
import numpy as np

import lior_ask
from lior.interfaces import Passage
from lior.plots import COLOURS, Finish, Panel, Picture, Table, write_picture
from lior_ask.answer.selection import Answer
from lior_bench.sets import FITTING, INSTALLED, SETS, Question, opened, questions, squeeze

SURE = 0.9
"""The confidence from which on a wrong answer counts as misleading."""


@attrs.frozen(kw_only=True)
class Judged:
    """A question with the assessment of its answer."""

    question: Question
    confidence: float
    refused: bool
    passages: tuple[bool, ...]
    """Whether each of the best passages, at most three, is right by itself."""
    blocks: tuple[bool, ...]
    """Whether the block of each of these passages is right."""
    quoted: bool
    """Whether the quoted sentence is right; false if the question is refused."""
    right: bool
    """Whether the quoted sentence or its block is right; for a refused question, whether the best passage or
    its block would have been right.
    """
    shown: str
    """The quoted sentence, or the best passage."""

    @property
    def misleads(self) -> bool:
        """Whether a wrong answer is given with high confidence."""
        return not self.refused and not self.right and self.confidence >= SURE


def judge(question: Question, answer: Answer, block: Callable[[Passage], str]) -> Judged:
    """Compare an answer with the expected one; ``block`` returns the text around a passage."""
    best = [passage for passage, _ in answer.passages[:3]]
    shown = answer.answer if answer.found else best[0] if best else None
    around = answer.block.text if answer.found and answer.block else block(shown) if shown else ""
    return Judged(
        question=question,
        confidence=answer.confidence,
        refused=not answer.found,
        passages=tuple(question.answered_by(each) for each in best),
        blocks=tuple(question.answered_by(each, block(each)) for each in best),
        quoted=answer.found and question.answered_by(shown),
        right=question.answered_by(shown) or question.answered_by(shown, around),
        shown=squeeze(shown.text) if shown else "",
    )


def blocks(index: lior_ask.Index) -> Callable[[Passage], str]:
    """Return a function from a passage of ``index`` to the text of its block."""
    texts: dict[tuple[str, int], list[str]] = {}
    for passage in map(index.passage, range(len(index))):
        texts.setdefault((passage.document, passage.block), []).append(passage.text)
    return lambda passage: "\n".join(texts.get((passage.document, passage.block), [passage.text]))


def ask_all(index: lior_ask.Index, questions: Iterable[Question]) -> list[Judged]:
    """Ask an index all questions."""
    block = blocks(index)
    return [judge(question, index.ask(question.text, top=3), block) for question in questions]


COLUMNS = ("questions", "first", "three", "block", "block 3", "quoted", "refused", "misled")


def counts(judged: Sequence[Judged]) -> tuple[int, ...]:
    """Return the counts of :data:`COLUMNS`: questions; the right passage first, and among three; the answer
    in the block shown first, and in it or a block of three; the right sentence quoted; refused; wrong with a
    confidence of at least :data:`SURE`.
    """
    return (
        len(judged),
        sum(any(each.passages[:1]) for each in judged),
        sum(any(each.passages) for each in judged),
        sum(each.right for each in judged),
        sum(each.right or any(each.blocks) for each in judged),
        sum(each.quoted for each in judged),
        sum(each.refused for each in judged),
        sum(each.misleads for each in judged),
    )


# --- questions ---


def set_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the commands that ask sets."""
    place = click.Path(path_type=Path)
    for option in (
        click.option("--retriever", help="Name; the default one if not given."),
        click.option("--keep", type=place, help="Keep folders and indexes of sets here."),
        click.option("--root", "roots", multiple=True, type=place, help="Packages were extracted here."),
    ):
        command = option(command)
    return command


@click.command()
@set_options
@click.option(
    "--set", "names", multiple=True, type=click.Choice(SETS), default=[s for s in SETS if s not in INSTALLED]
)
def ask_sets(
    retriever: str | None, keep: Path | None, roots: tuple[Path, ...], names: tuple[str, ...]
) -> None:
    """Ask sets of questions of our own, in a checkout of lior's repository.

    Prints how many have the right passage first and among three, the block with the answer first and among
    three, and the right sentence quoted; how many are refused; and how many are answered wrongly with a
    confidence of 90 % or more. Sets of installed manuals are asked only if they are named: nothing is
    downloaded; which packages are missing is said, and how to extract them below --root.
    """
    print(f"{'set':14}{'kind':14}" + "".join(f"{column:>10}" for column in COLUMNS))
    for name in names:
        with opened(name, retriever, keep, roots) as index:
            judged = ask_all(index, questions(name))
        for kind in dict.fromkeys(each.question.kind for each in judged):
            of_kind = [each for each in judged if each.question.kind == kind]
            print(f"{name:14}{kind:14}" + "".join(f"{n:>10}" for n in counts(of_kind)), flush=True)


# --- confidence ---

EDGES = (0.0, 0.5, 0.7, 0.9, 0.98, 1.0)
NAMES = ("< 50 %", "50–70 %", "70–90 %", "90–98 %", "≥ 98 %")


@attrs.frozen
class Band:
    """Answers of similar confidence."""

    name: str
    count: int
    confidence: float
    """The mean stated confidence, in [0, 1]; nan without answers."""
    right: float
    """The share of right answers, in [0, 1]; nan without answers."""


def bands(judged: Sequence[Judged]) -> list[Band]:
    """Return answers in bands by their confidence; each edge belongs to the band above."""
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
    """Return the expected calibration error of bands, in [0, 1]."""
    total = sum(band.count for band in found)
    return sum(band.count * abs(band.confidence - band.right) for band in found if band.count) / max(total, 1)


@attrs.frozen(kw_only=True)
class ReliabilityDiagram(Panel):
    """A diagram of the share of right answers by the mean confidence of each band; both are equal on the
    diagonal.
    """

    kind: ClassVar[str] = "reliability"

    bands: dict[str, list[Band]]
    """The bands of each group, by its name."""

    def inches(self) -> tuple[float, float]:
        """Return the size, with room for the numbers of answers."""
        return 6.5, 5.5

    def draw(self, axis: Any) -> Finish:
        """Draw a line for each group; the area of a point grows with its answers."""
        axis.plot([0, 100], [0, 100], color="0.6", linestyle="--", linewidth=1)
        for (name, found), colour in zip(self.bands.items(), (COLOURS[0], COLOURS[4]), strict=False):
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
        """Return the printed table."""
        return Table(HEADER, [row(name, found) for name, found in self.bands.items()])


HEADER = ("answers", *NAMES, "error")


def row(name: str, found: Sequence[Band]) -> list[str]:
    """Return ``right of count (mean confidence)`` of each band, and the calibration error."""
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
"""Functions by whose values answers are grouped, one after the other."""


@click.command()
@set_options
@click.argument("names", metavar="[SET]...", nargs=-1, type=click.Choice(SETS))
@click.option("--save", type=click.Path(path_type=Path), help="Draw the diagram to this .svg or .png file.")
def compare_confidence(
    retriever: str | None, keep: Path | None, roots: tuple[Path, ...], names: Sequence[str], save: Path | None
) -> None:
    """Compare stated confidence with truth: a reliability diagram over sets of questions.

    Prints, by band of the stated confidence, how many answers there are, their mean confidence and the
    share that is right: the quoted sentence or its block holds the answer. Below 50 % nothing is quoted,
    and the best passage counts. An answer to a question without one is wrong. The same by kind of set, kind
    of question, language and set, with the expected calibration error: the mean distance of confidence and
    share over the bands, weighted by their answers (Naeini et al. 2015).
    """
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
        write_picture(picture, save.parent, (save.suffix[1:],))
