"""Questions of our own, for choosing how passages are ranked and when a question is refused.

python tools/questions.py [--retriever dense] [--set home] [--wrong]

Five sets: notes of a household (tests/ask/meaning/questions.json and texts.json), of a workshop and of a
laboratory, each in one folder with source code, descriptions of packages and logs, and the source of 30 modules
of Python. The questions are in the words of the text, in other words, or without an answer. They were written
before the retriever was asked. Prints how many have the right passage first and among three, and are refused.
"""

from __future__ import annotations

import json
import random
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import click

import lior

HERE = Path(__file__).resolve().parent.parent / "tests" / "ask" / "meaning"
SETS = ("home", "workshop", "lab", "boat", "library")
CODE = ("asyncore", "bdb", "cmd", "ftplib", "gettext", "optparse", "pdb", "sched", "tarfile", "telnetlib", "timeit", "trace")
MANUALS = ("certifi", "jinja2", "packaging", "pydantic", "requests", "sortedcontainers", "tqdm")


def load(name: str) -> dict[str, Any]:
    """``texts`` or ``modules``, and the three kinds of questions of a set."""
    if name == "home":
        found = json.loads((HERE / "questions.json").read_text("utf-8"))
        return {"texts": json.loads((HERE / "texts.json").read_text("utf-8")), **found}
    return dict(json.loads((HERE / f"{name}.json").read_text("utf-8")))


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


def description(package: str) -> str:
    """The README of an installed package, or nothing."""
    try:
        found = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return ""
    return str(found.get("Description") or found.get_payload())


def log(number: int) -> str:
    """700 lines of a log, drawn."""
    draw = random.Random(number)
    lines = []
    for minute in range(700):
        at = f"2025-06-{1 + minute // 48:02} {minute // 2 % 24:02}:{minute % 2 * 30:02}:{int(draw.random() * 60):02}"
        what = [
            (f"GET /{draw.choice(('login', 'table', 'music', 'price'))} 200 {int(draw.random() * 9000)}", "GET / 304 0"),
            (f"job {int(draw.random() * 999)} finished in {int(draw.random() * 90)} s", "job started", "queue empty"),
            (f"worker[{int(draw.random() * 9999)}]: connection closed by peer", "timer: daily cleaning started",
             "kernel: link is up", "clock: time set from server"),
        ][number]
        lines.append(f"{at} {draw.choice(what)}\n")
    return "".join(lines)


def measure(name: str, retriever: str | None, show: bool) -> list[tuple[str, ...]]:
    """Rows of counts: the kind, questions, right first, right in three, refused."""
    content = load(name)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write(name, Path(folder))
        index = lior.Index(folder, retriever=retriever, cache=False)
        for kind in ("plain", "paraphrased"):
            first = three = refused = 0
            for question, wanted in content[kind].items():
                answer = index.ask(question, top=3)
                hits = [squeezed(wanted) in squeezed(p.text) for p, _ in answer.passages]
                first, three, refused = first + hits[0] if hits else first, three + any(hits), refused + (not answer.found)
                if show and (not any(hits[:1]) or not answer.found):
                    got = answer.passages[0][0].text[:70].replace("\n", " ") if answer.passages else ""
                    print(f"    {answer.confidence:.2f} {hits} {question} -> {got}")
            rows.append((name, kind, str(len(content[kind])), str(first), str(three), str(refused)))
        answers = [index.ask(q, top=3) for q in content["unanswerable"]]
        if show:
            for a in answers:
                if a.found:
                    print(f"    {a.confidence:.2f} {a.question} -> {a.answer.text[:70] if a.answer else ''}")
        rows.append((name, "unanswerable", str(len(answers)), "", "", str(sum(not a.found for a in answers))))
    return rows


def squeezed(text: str) -> str:
    return " ".join(text.split())


@click.command(help=__doc__)
@click.option("--retriever", help="Name; the default one if not given.")
@click.option("--set", "names", multiple=True, type=click.Choice(SETS), default=SETS)
@click.option("--wrong", is_flag=True, help="Show what is wrong.")
def main(retriever: str | None, names: tuple[str, ...], wrong: bool) -> None:
    print(f"{'set':10}{'kind':14}{'questions':>10}{'first':>7}{'three':>7}{'refused':>9}")
    for name in names:
        for row in measure(name, retriever, wrong):
            print(f"{row[0]:10}{row[1]:14}{row[2]:>10}{row[3]:>7}{row[4]:>7}{row[5]:>9}", flush=True)


if __name__ == "__main__":
    main()
