"""``lior bench queries``: ask the installed ``lior ask`` questions with gold answers, or learn from them."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from unittest import mock

import attrs
import click
import numpy as np
from safetensors.numpy import save_file

import lior_ask
from lior.errors import UsageError
from lior_ask.answer.selection import Answer
from lior_bench.queries import wikitables
from lior_bench.queries.altering import altered
from lior_bench.queries.examples import OTHERS
from lior_bench.queries.verdicts import verdict, wrong
from lior_bench.queries.worlds import KEPT, TODAY, Asked, World, beside, unpack, worlds
from lior_bench.sets import folder
from lior_bench.talks import VERDICTS, shown
from lior_cli import WholeNumber, echo_table

WEIGHTS = "plugins/lior-ask/src/lior_ask/tables"
_LEARNED = 2_600
"""Number of other people's questions to learn from."""
_BANDS = (0.0, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)


class _Day(date):
    """The day of all questions."""

    @classmethod
    def today(cls) -> _Day:
        return cls.fromordinal(TODAY.toordinal())


@attrs.frozen
class Reply:
    """A reply with its verdict."""

    how: str
    """The operation of the gold query."""
    verdict: str
    confidence: float | None
    """None of a refusal."""
    shown: str = ""


def replies(world: World, questions: Sequence[Asked], place: Path) -> Iterator[Reply]:
    """Yield the replies to questions about a folder, unpacked to ``place``."""
    unpack(world.name, place)
    index = lior_ask.Index(place / world.name, cache=False)
    for asked in questions:
        answer = _answer(index, asked["q"])
        said = verdict(asked, world.answer(asked), answer)
        confidence = answer.confidence if answer and answer.found else None
        query = json.dumps({key: value for key, value in asked.items() if key != "q"}, ensure_ascii=False)
        line = f"{said:15}{world.name} {asked['q']} {query} -> {shown(answer)}"
        yield Reply(asked["op"], said, confidence, line)


def tell(found: Sequence[Reply]) -> None:
    """Print the verdicts in total and by operation, and how many replies are right by their confidence."""
    count = Counter((how, each.verdict) for each in found for how in (each.how, "all"))
    rows = [
        [how, *(str(count[how, each]) for each in VERDICTS)]
        for how in ("all", *sorted({each.how for each in found}))
    ]
    echo_table(["operation", *VERDICTS], rows)
    shares = ", ".join(f"{each} {count['all', each] / len(found):.1%}" for each in VERDICTS)
    click.echo(f"{len(found):,} questions: {shares}")
    told = []
    for low, high in zip(_BANDS, (*_BANDS[1:-1], 1.01), strict=False):
        own = [each.verdict == "right" for each in found if low <= (each.confidence or -1.0) < high]
        told += (
            [[f"{low:.0%} to {min(high, 1):.0%}", str(len(own)), f"{sum(own) / len(own):.1%}"]] if own else []
        )
    echo_table(["confidence", "replies", "right"], told)


@click.command()
@click.option(
    "--worlds",
    "names",
    metavar="NAME,...",
    help=f"Folders, or beginnings of their names.  [default: {','.join(KEPT)}; all others with --learn]",
)
@click.option("--sample", type=WholeNumber(min=1), help="Use so many questions, chosen at random.")
@click.option("--seed", type=WholeNumber(min=0), default=0, show_default=True, help="Seed of what is random.")
@click.option("--all", "every", is_flag=True, help="Show all replies.")
@click.option("--altered", "alters", is_flag=True, help="Name values that no table has; nothing answers.")
@click.option("--beside", "besides", is_flag=True, help="Ask what compares with another row.")
@click.option(
    "--wikitables",
    "others",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help=f"Ask other people's questions, or learn from them, too: those of a clone of {wikitables.SOURCE}.",
)
@click.option("--learn", "learns", is_flag=True, help="Learn, and report on folders left out.")
@click.option("--write", "writes", is_flag=True, help="With --learn, write what is learned to lior-ask.")
def queries(
    names: str | None,
    sample: int | None,
    seed: int,
    every: bool,
    alters: bool,
    besides: bool,
    others: Path | None,
    learns: bool,
    writes: bool,
) -> None:
    """Ask for calculations over tables, or learn to.

    Prints how many replies are right, how many decline a question that has an answer, how many are wrong with
    a confidence of at most 60 %, and how many with more; in total, by operation, and by stated confidence.
    """
    if writes and not learns:
        raise click.UsageError("--write needs --learn")
    if alters + besides + learns > 1:
        raise click.UsageError("use one of --altered, --beside and --learn")
    if others is not None and (alters or besides or (names and not learns)):
        raise click.UsageError("--wikitables asks by itself, or learns with --learn")
    known = [] if others is None else wikitables.read(others, wikitables.LEARN if learns else wikitables.KEPT)
    most = sample or (_LEARNED if learns else len(known))
    known = random.Random(seed).sample(known, min(most, len(known)))
    found = [] if known and not learns else _folders(names, alters, besides, learns, seed)
    found = _sampled(found, sample, seed)
    if not known and not any(world.questions for world in found):
        raise click.UsageError("there is no such folder or question: see the names in queries.zip")
    if learns:
        for kind, said in _learn(found, known, seed, writes).items():
            click.echo(f"\nfolders or questions {kind}:")
            tell(said)
        return
    said = list[Reply]()
    with tempfile.TemporaryDirectory() as temporary, mock.patch("lior_ask.asking.date", _Day):
        asked = (each for world in found for each in replies(world, world.questions, Path(temporary)))
        for reply in chain(asked, _to_others(known, Path(temporary))):
            said.append(reply)
            if every:
                click.echo(reply.shown)
    tell(said)


def _folders(names: str | None, alters: bool, besides: bool, learns: bool, seed: int) -> list[World]:
    """Return the folders with the questions that are asked or learned from."""
    begun = tuple(names.split(",")) if names else KEPT
    found = worlds(lambda name: name.startswith(begun) != (learns and not names))
    if alters:
        generator = np.random.default_rng(seed)
        return [attrs.evolve(each, questions=altered(each, found, generator)) for each in found]
    if not (besides or learns):
        return found
    both = zip(found, beside(found), strict=True)
    return [attrs.evolve(b, questions=(*(a.questions if learns else ()), *b.questions)) for a, b in both]


def _to_others(asked: Sequence[wikitables.Asked], place: Path) -> Iterator[Reply]:
    """Yield the replies to other people's questions, each about its table alone."""
    for each in asked:
        answer = _answer(lior_ask.Index(wikitables.unpack(each, place), cache=False), each.text)
        said = wikitables.judged(each, answer)
        line = f"{said:15}{each.table.name} {each.text} {[*each.target]} -> {shown(answer)}"
        yield Reply(OTHERS, said, answer.confidence if answer and answer.found else None, line)


def _answer(index: lior_ask.Index, text: str) -> Answer | None:
    """Return the answer to a question; none if it is refused with an error."""
    try:
        return index.ask(text)
    except UsageError:
        return None


def _sampled(found: Sequence[World], sample: int | None, seed: int) -> list[World]:
    """Return folders with fewer questions, if so many are asked for."""
    whole = [(world.name, n) for world in found for n in range(len(world.questions))]
    kept = {*random.Random(seed).sample(whole, min(sample or len(whole), len(whole)))}
    return [
        attrs.evolve(world, questions=[q for n, q in enumerate(world.questions) if (world.name, n) in kept])
        for world in found
    ]


def _learn(
    found: Sequence[World], others: Sequence[wikitables.Asked], seed: int, writes: bool
) -> dict[str, list[Reply]]:
    """Learn from folders, and return the replies to each kind of question that would be given without it."""
    try:
        from lior_bench.queries.learning import learn
    except ImportError as error:
        raise click.ClickException(f"--learn needs lior-tables: {error}") from error
    from lior_ask.tables.calculating import LEAST
    from lior_ask.tables.learned import write

    learned, left_out = learn(found, others, seed=seed)
    if writes:
        (folder(WEIGHTS) / "learned.json").write_text(write(learned), "utf-8")
        for name, layers in learned.layers.items():
            save_file({**layers}, folder(WEIGHTS) / name)
    every = defaultdict[str, list[Reply]](list)
    for told, probability in left_out:
        said = every[told.kind]
        if probability >= LEAST:
            judged = "right" if told.right else wrong(probability)
            said.append(Reply(told.how, judged, probability))
        else:
            said.append(Reply(told.how, "declined" if told.meant else "right", None))
    return every
