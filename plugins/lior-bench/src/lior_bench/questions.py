"""Questions of our own, for choosing how passages are ranked and when a question is refused.

python -m lior_bench.questions [--retriever dense] [--set home] [--wrong] [--keep DIR] [--root DIR]

The sets are in plugins/lior-ask/tests/ask/meaning and plugins/lior-ask/tests/ask/trial; all questions were
written before the retriever was asked. They are in the words of the text (plain), in other words
(paraphrased), in another language than the text (across), misspelt, one rare word, or without an answer.
Prints how many have the right passage first and among three, the block with the answer first and among three,
and the right sentence quoted; how many are refused; and how many are answered wrongly with a confidence of 90
% or more.

FITTING: sets on which weights, constants and confidence are chosen. Notes of a family with German and French
letters, notes of a small company (in one folder with source code, descriptions of packages and logs), notes
in German and in French, and installed documentation: nine packages (fit_manuals), one manual (fit_manual).

REPORTING: sets for which figures are told; nothing is fitted to them. Notes of another family in three
languages, and other notes in German, French, Russian and Japanese; all ``report_`` sets were never asked
while the ranking was changed. Notes of a household, of a workshop, of a laboratory and of a boat, of a
machine, and the source of 30 modules of Python: constants of ``dense`` had been chosen on all of these but
the boat. The trial. Installed documentation of other packages (manuals).

Sets of manuals need their packages and are asked only if they are named: nothing is downloaded; lior_bench
says which packages are missing and how to extract them below --root.
"""

from __future__ import annotations

import contextlib
import json
import random
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import lior_ask
from lior.reading.documents import read_documents
from lior_ask.languages.words import language_of, tokens
from lior_bench import manuals, trial
from lior_bench.asking import COLUMNS, Judged, Question, ask_all, counts, squeezed
from lior_bench.checkout import folder

PLACE = "plugins/lior-ask/tests/ask/meaning"
FITTING = ("fit_family", "fit_office", "fit_de", "fit_fr", "fit_manuals", "fit_manual")
REPORTING = (
    "home", "workshop", "lab", "boat", "machine", "library", "report_family", "report_de", "report_fr",
    "report_ru", "report_ja", "trial", "manuals",
)  # fmt: skip
SETS = FITTING + REPORTING
INSTALLED = ("fit_manuals", "fit_manual", "manuals")
"""Sets whose text is in packages of the system."""
CODE = (
    "asyncore", "bdb", "cmd", "ftplib", "gettext", "optparse", "pdb", "sched", "tarfile", "telnetlib",
    "timeit", "trace",
)  # fmt: skip
MANUALS = ("jinja2", "markdown-it-py", "packaging", "requests", "sortedcontainers")


SOURCES = ("texts", "modules", "packages")
"""What the folder of a set is made of; the other keys of its file are kinds of questions."""


def load(name: str) -> dict[str, Any]:
    """What is in the file of a set: :data:`SOURCES`, of which some may lack, and the questions by kind."""
    here = folder(PLACE)
    if name == "home":
        found = json.loads((here / "questions.json").read_text("utf-8"))
        return {"texts": json.loads((here / "texts.json").read_text("utf-8")), **found}
    return dict(json.loads((here / f"{name}.json").read_text("utf-8")))


def questions(name: str) -> list[Question]:
    """The questions of a set."""
    if name == "trial":
        return trial.asked()
    found = []
    for kind, asked in load(name).items():
        if kind not in SOURCES:
            for text, words in (asked if isinstance(asked, dict) else dict.fromkeys(asked, ())).items():
                expected = (words,) if isinstance(words, str) else tuple(words)
                found.append(Question(text=text, kind=kind, words=expected, language=language(text), of=name))
    return found


def language(text: str) -> str:
    """Two letters; by its stop words, English where it has none."""
    if any("\u3040" <= letter <= "\u30ff" or "\u4e00" <= letter <= "\u9fff" for letter in text):
        return "ja"
    return {"german": "de", "french": "fr", "russian": "ru"}.get(language_of(tokens(text), least=1), "en")


def write(name: str, out: Path, roots: tuple[str, ...] = ()) -> None:
    """The folder of a set; ``roots`` are where its packages may be, besides the system.

    Raises
    ------
    click.ClickException
        When a package is not installed, or in another version, so that no document has an answer.
    """
    if name == "trial":
        trial.collect(out)
        return
    content = load(name)
    if "packages" in content:
        manuals.collect(content["packages"], out, roots)
        whole = [squeezed(document.data.decode()) for document in read_documents([str(out)])]
        for question in questions(name):
            if question.words and not any(squeezed(w) in text for w in question.words for text in whole):
                raise click.ClickException(f"{name}: no document answers {question.text!r}")
        return
    library = Path(sysconfig.get_path("stdlib"))
    texts = dict(content.get("texts", {}))
    modules = content.get("modules", CODE)
    for module in modules:
        path = library / f"{module}.py"
        texts[f"code/{module}.py"] = path.read_text("utf-8") if path.exists() else ""
    if "modules" not in content:
        for package in MANUALS:
            texts[f"manuals/{package}.md"] = trial.description(package)
        for number, kind in enumerate(("web", "jobs", "daemon")):
            texts[f"logs/{kind}.log"] = log(number)
    for place, text in texts.items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_text(text, "utf-8")


def log(number: int) -> str:
    """700 lines of a log, drawn."""
    draw = random.Random(number)
    kinds = (
        ("GET /login 200 {}", "GET /table 200 {}", "GET /music 200 {}", "GET /price 404 {}"),
        ("job {} finished", "job {} started", "queue empty for {} s"),
        (
            "worker[{}]: connection closed by peer",
            "timer[{}]: daily cleaning started",
            "kernel: link {} is up",
        ),
    )[number]
    return "".join(
        f"2025-06-{1 + line // 48:02} {line // 2 % 24:02}:{line % 2 * 30:02} "
        f"{draw.choice(kinds).format(int(draw.random() * 9999))}\n"
        for line in range(700)
    )


@contextlib.contextmanager
def opened(
    name: str, retriever: str | None, keep: Path | None = None, roots: tuple[str, ...] = ()
) -> Iterator[lior_ask.Index]:
    """The index of a set's folder; both are kept if it is below ``keep``, and used again."""
    with tempfile.TemporaryDirectory() as temporary:
        place = (keep or Path(temporary)) / name
        if not place.exists():
            write(name, place, roots)
        yield lior_ask.Index(place, retriever=retriever, cache=keep is not None)


def kept(command: Callable[..., None]) -> Callable[..., None]:
    """Options of the commands that ask sets."""
    for option in (
        click.option("--retriever", help="Name; the default one if not given."),
        click.option(
            "--keep", type=click.Path(path_type=Path), help="Keep folders and indexes of sets here."
        ),
        click.option(
            "--root",
            "roots",
            multiple=True,
            type=click.Path(exists=True),
            help="Packages were extracted here.",
        ),
    ):
        command = option(command)
    return command


def wrongly(judged: list[Judged]) -> Iterator[str]:
    """A line for each question whose right passage is not first, or that is refused or answered wrongly."""
    for each in judged:
        answerable = bool(each.question.words)
        if each.refused == answerable or (answerable and not any(each.passages[:1])):
            yield f"    {each.confidence:.2f} {each.question.text} -> {each.shown[:70] or 'nothing'}"


@click.command(help=__doc__)
@kept
@click.option(
    "--set", "names", multiple=True, type=click.Choice(SETS), default=[s for s in SETS if s not in INSTALLED]
)
@click.option("--wrong", is_flag=True, help="Show what is wrong.")
def main(
    retriever: str | None, keep: Path | None, roots: tuple[str, ...], names: tuple[str, ...], wrong: bool
) -> None:
    print(f"{'set':14}{'kind':14}" + "".join(f"{column:>10}" for column in COLUMNS))
    for name in names:
        with opened(name, retriever, keep, roots) as index:
            judged = ask_all(index, questions(name))
        for kind in dict.fromkeys(each.question.kind for each in judged):
            of_kind = [each for each in judged if each.question.kind == kind]
            if wrong:
                print(*wrongly(of_kind), sep="\n")
            print(f"{name:14}{kind:14}" + "".join(f"{n:>10}" for n in counts(of_kind)), flush=True)


if __name__ == "__main__":
    main()
