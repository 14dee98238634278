"""Questions of our own, for choosing how passages are ranked and when a question is refused.

python -m lior_bench.questions [--retriever dense] [--set home] [--wrong]

The sets are in tests/ask/meaning; all questions were written before the retriever was asked. They are in the
words of the text (plain), in other words (paraphrased), in another language than the text (across), misspelt,
one rare word, or without an answer. Prints how many have the right passage first and among three, and are
refused.

FITTING: sets on which weights, constants and confidence are chosen. Notes of a family with German and French
letters, notes of a small company (in one folder with source code, descriptions of packages and logs), and
notes in German and in French.

REPORTING: sets for which figures are told; nothing is fitted to them. Notes of another family in three
languages, and other notes in German, French, Russian and Japanese; all ``report_`` sets were never asked
while the ranking was changed. Notes of a household, of a workshop, of a laboratory and of a boat, of a
machine, and the source of 30 modules of Python: constants of ``dense`` had been chosen on all of these but
the boat.
"""

from __future__ import annotations

import json
import random
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import click

import lior
from lior_bench.checkout import folder
from lior_bench.trial import description

PLACE = "tests/ask/meaning"
FITTING = ("fit_family", "fit_office", "fit_de", "fit_fr")
REPORTING = (
    "home", "workshop", "lab", "boat", "machine", "library", "report_family", "report_de", "report_fr",
    "report_ru", "report_ja",
)  # fmt: skip
SETS = FITTING + REPORTING
CODE = (
    "asyncore", "bdb", "cmd", "ftplib", "gettext", "optparse", "pdb", "sched", "tarfile", "telnetlib",
    "timeit", "trace",
)  # fmt: skip
MANUALS = ("jinja2", "markdown-it-py", "packaging", "requests", "sortedcontainers")


def load(name: str) -> dict[str, Any]:
    """``texts`` and ``modules``, one of which may lack, and the questions of a set by kind."""
    here = folder(PLACE)
    if name == "home":
        found = json.loads((here / "questions.json").read_text("utf-8"))
        return {"texts": json.loads((here / "texts.json").read_text("utf-8")), **found}
    return dict(json.loads((here / f"{name}.json").read_text("utf-8")))


def write(name: str, out: Path) -> None:
    """The folder of a set."""
    library = Path(sysconfig.get_path("stdlib"))
    content = load(name)
    texts = dict(content.get("texts", {}))
    modules = content.get("modules", CODE)
    for module in modules:
        path = library / f"{module}.py"
        texts[f"code/{module}.py"] = path.read_text("utf-8") if path.exists() else ""
    if "modules" not in content:
        for package in MANUALS:
            texts[f"manuals/{package}.md"] = description(package)
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


def measure(name: str, retriever: str | None, *, show: bool) -> list[tuple[str, ...]]:
    """Rows of counts: the kind, questions, right first, right in three, refused."""
    content, rows = load(name), list[tuple[str, ...]]()
    with tempfile.TemporaryDirectory() as place:
        write(name, Path(place))
        index = lior.Index(place, retriever=retriever, cache=False)
        for kind, asked in content.items():
            if kind in ("texts", "modules"):
                continue
            wanted = asked if isinstance(asked, dict) else dict.fromkeys(asked)
            hits, refused = [], 0
            for question, words in wanted.items():
                answer = index.ask(question, top=3)
                found = [
                    words is not None and squeezed(words) in squeezed(p.text) for p, _ in answer.passages
                ]
                hits.append(found or [False])
                refused += not answer.found
                if show and (not hits[-1][0] or answer.found == (words is None)):
                    first = squeezed(answer.passages[0][0].text)[:70] if answer.passages else "nothing"
                    print(f"    {answer.confidence:.2f} {question} -> {first}")
            first, three = (str(sum(any(found[:n]) for found in hits)) for n in (1, 3))
            shown = (first, three) if words is not None else ("", "")
            rows.append((name, kind, str(len(wanted)), *shown, str(refused)))
    return rows


def squeezed(text: str) -> str:
    """With one space between words."""
    return " ".join(text.split())


@click.command(help=__doc__)
@click.option("--retriever", help="Name; the default one if not given.")
@click.option("--set", "names", multiple=True, type=click.Choice(SETS), default=SETS)
@click.option("--wrong", is_flag=True, help="Show what is wrong.")
def main(retriever: str | None, names: tuple[str, ...], wrong: bool) -> None:
    print(f"{'set':14}{'kind':14}{'questions':>10}{'first':>7}{'three':>7}{'refused':>9}")
    for name in names:
        for row in measure(name, retriever, show=wrong):
            print(f"{row[0]:14}{row[1]:14}{row[2]:>10}{row[3]:>7}{row[4]:>7}{row[5]:>9}", flush=True)


if __name__ == "__main__":
    main()
