"""Sets of questions with known answers, and their folders.

The sets are in plugins/lior-ask/tests/ask/meaning and plugins/lior-ask/tests/ask/trial; all questions were
written before the retriever was asked. They use the words of the text (plain), other words (paraphrased) or
another language (across), are misspelt, consist of one rare word, or have no answer. The report counts
questions with the right passage first and among three, the block with the answer first and among three, and
the right sentence quoted. It also counts refused questions, and wrong answers with a confidence of 90 % or
more.

FITTING: sets on which weights, constants and confidence are chosen. Notes of a family with German and French
letters, notes of a small company (in one folder with source code, descriptions of packages and logs), notes
in German and in French, and installed documentation: nine packages (fit_manuals), one manual (fit_manual).

REPORTING: sets for reported figures; nothing is fitted to them. Notes of another family in three languages,
and other notes in German, French, Russian and Japanese; no ``report_`` set was asked while the ranking was
changed. Notes about a household, a workshop, a laboratory, a boat and a machine, and the source of 30 modules
of Python: constants of ``dense`` had been chosen on all of these except the boat. The trial. Installed
documentation of other packages (manuals).

Sets of manuals need their packages and are asked only if they are named. Nothing is downloaded: lior_bench
names missing packages and explains how to extract them below --root.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import random
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click

import lior_ask
from lior.interfaces import Passage
from lior.reading import read_documents
from lior_ask.languages.words import language_of, tokens


def folder(path: str) -> Path:
    """Return the folder ``path`` of the checkout that this package or the working directory is in.

    Raises
    ------
    click.ClickException
        Outside a checkout.
    """
    for start in (Path.cwd(), Path(__file__).resolve()):
        for parent in (start, *start.parents):
            if (parent / "plugins" / "lior-bench").is_dir() and (parent / path).is_dir():
                return parent / path
    raise click.ClickException(f"{path} is in lior's repository only; run this in a checkout of it")


@attrs.frozen(kw_only=True)
class Question:
    """A question, and the expected answer."""

    text: str
    kind: str
    """The kind: ``plain``, ``paraphrased``, ``unanswerable`` or another name."""
    words: tuple[str, ...] = ()
    """The accepted answers, of which any is enough, whatever the white space; empty if there is no answer."""
    document: str = ""
    """The path of the file with the answer; any file if empty."""
    lines: tuple[int, ...] = ()
    """Lines of that file, from 1, any of which is right, whatever its words."""
    language: str = "en"
    of: str = ""
    """The name of the set."""

    def answered_by(self, passage: Passage | None, text: str = "") -> bool:
        """Return whether a passage is right, or the ``text`` in which it is shown has the words."""
        if passage is None or (self.document and not is_document(passage.document, self.document)):
            return False
        last = passage.line + passage.text.rstrip("\n").count("\n")
        if any(passage.line <= line <= last for line in self.lines):
            return True
        shown = squeeze(text or passage.text)
        return any(squeeze(words) in shown for words in self.words)


def squeeze(text: str) -> str:
    """Return a text with one space between words."""
    return " ".join(text.split())


def is_document(name: str, path: str) -> bool:
    """Return whether a passage's document is the folder's file ``path``, or a part of it such
    as a message.
    """
    parts = f"/{name}".replace("\\", "/").rpartition(f"/{path}")
    return bool(parts[1]) and not parts[2][:1].isalnum()


# --- sets ---

PLACE = "plugins/lior-ask/tests/ask/meaning"
FITTING = ("fit_family", "fit_office", "fit_de", "fit_fr", "fit_manuals", "fit_manual")
REPORTING = (
    *("home", "workshop", "lab", "boat", "machine", "library"),
    *("report_family", "report_de", "report_fr", "report_ru", "report_ja", "trial", "manuals"),
)
SETS = FITTING + REPORTING
INSTALLED = ("fit_manuals", "fit_manual", "manuals")
"""Sets whose text is in system packages."""
CODE = (
    *("asyncore", "bdb", "cmd", "ftplib", "gettext", "optparse"),
    *("pdb", "sched", "tarfile", "telnetlib", "timeit", "trace"),
)
MANUALS = ("jinja2", "markdown-it-py", "packaging", "requests", "sortedcontainers")


SOURCES = ("texts", "modules", "packages")
"""Keys of a set's file that describe its folder; the other keys are kinds of questions."""


def load(name: str) -> dict[str, Any]:
    """Return the content of a set's file: the :data:`SOURCES`, some of which may be missing, and the
    questions by kind.
    """
    here = folder(PLACE)
    if name == "home":
        found = json.loads((here / "questions.json").read_text("utf-8"))
        return {"texts": json.loads((here / "texts.json").read_text("utf-8")), **found}
    return dict(json.loads((here / f"{name}.json").read_text("utf-8")))


def questions(name: str) -> list[Question]:
    """Return the questions of a set."""
    if name == "trial":
        return trial_questions()
    found = []
    for kind, asked in load(name).items():
        if kind not in SOURCES:
            for text, words in (asked if isinstance(asked, dict) else dict.fromkeys(asked, ())).items():
                expected = (words,) if isinstance(words, str) else tuple(words)
                found.append(Question(text=text, kind=kind, words=expected, language=language(text), of=name))
    return found


def language(text: str) -> str:
    """Return the two-letter code of a text's language, by its stop words; English if it has none."""
    if any("\u3040" <= letter <= "\u30ff" or "\u4e00" <= letter <= "\u9fff" for letter in text):
        return "ja"
    return {"german": "de", "french": "fr", "russian": "ru"}.get(language_of(tokens(text), least=1), "en")


def write(name: str, out: Path, roots: tuple[Path, ...] = ()) -> None:
    """Write the folder of a set; its packages may be below ``roots`` besides the system.

    Raises
    ------
    click.ClickException
        When a package is not installed, or in another version, so that no document has an answer.
    """
    if name == "trial":
        collect_trial(out)
        return
    content = load(name)
    if "packages" in content:
        collect_manuals(content["packages"], out, roots)
        whole = [squeeze(document.data.decode()) for document in read_documents([str(out)])]
        for question in questions(name):
            if question.words and not any(squeeze(w) in text for w in question.words for text in whole):
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
            texts[f"manuals/{package}.md"] = description(package)
        for number, kind in enumerate(("web", "jobs", "daemon")):
            texts[f"logs/{kind}.log"] = log(number)
    write_files(texts, out)


def write_files(texts: dict[str, str], out: Path) -> None:
    """Write texts to files below a folder."""
    for place, text in texts.items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_text(text, encoding="utf-8", newline="\n")


def log(number: int) -> str:
    """Return 700 random lines of a log."""
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
    name: str, retriever: str | None, keep: Path | None = None, roots: tuple[Path, ...] = ()
) -> Iterator[lior_ask.Index]:
    """Context manager: the index of a set's folder; with ``keep``, both are kept there and used again."""
    with tempfile.TemporaryDirectory() as temporary:
        place = (keep or Path(temporary)) / name
        if not place.exists():
            write(name, place, roots)
        yield lior_ask.Index(place, retriever=retriever, cache=keep is not None)


# --- installed documentation ---


def collect_manuals(packages: dict[str, list[str]], out: Path, roots: tuple[Path, ...] = ()) -> None:
    """Copy the files of ``packages``, a name and patterns below a root for each, to ``out``.

    Raises
    ------
    click.ClickException
        When a pattern has no file below any of the ``roots`` and the system's.
    """
    found = {
        (package, pattern): next(
            filter(None, (sorted(root.glob(pattern)) for root in (*roots, Path("/")))), []
        )
        for package, patterns in packages.items()
        for pattern in patterns
    }
    lacking = sorted({package for (package, _), files in found.items() if not files})
    if lacking:
        raise click.ClickException(
            f"not installed: {', '.join(lacking)}; run apt-get download {' '.join(lacking)}, "
            "extract each with dpkg -x PACKAGE.deb DIR, and give --root DIR"
        )
    for (_, pattern), files in found.items():
        for path in files:
            place = out / Path(*path.parts[-len(Path(pattern).parts) :]).relative_to("usr/share")
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.relative_to(out).parts[0] == "man":
                place.with_name(place.name.removesuffix(".gz") + ".txt").write_text(page(path), "utf-8")
            else:
                shutil.copyfile(path, place)


def page(path: Path) -> str:
    """Return a page of man as text."""
    environment = {**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}
    man = ("man", "-Tutf8", "--nj", "--nh", "-P", "cat", str(path))
    shown = subprocess.run(man, env=environment, capture_output=True, check=True).stdout
    return subprocess.run(
        ("col", "-bx"), env=environment, input=shown, capture_output=True, check=True
    ).stdout.decode()


# --- the trial ---

TRIAL = "plugins/lior-ask/tests/ask/trial"
"""The folder with 60 documents like those of a real person, and 50 questions written before the retriever."""
TRIAL_MODULES = (
    *("bisect", "filecmp", "fnmatch", "graphlib", "heapq", "netrc"),
    *("queue", "sched", "secrets", "shlex", "textwrap", "zipapp"),
)
"""Modules of the standard library whose source is used."""
TRIAL_MANUALS = {
    f"{name}.{'rst' if name.startswith('p') and name != 'platformdirs' else 'md'}": name
    for name in ("attrs", "click", "hypothesis", "platformdirs", "pluggy", "pytest", "rich")
}
"""The installed package whose description becomes each file, by the file's name."""


def collect_trial(out: Path) -> list[Path]:
    """Write all documents of the trial below ``out``, a new or empty folder.

    The documents are equal for equal versions of Python and of the packages.
    """
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out}: not empty; name a new folder")
    shutil.copytree(folder("examples/notes"), out, dirs_exist_ok=True)
    shutil.copytree(folder(TRIAL) / "logs", out / "logs")
    library = Path(sysconfig.get_path("stdlib"))
    texts = {f"code/{name}.py": (library / f"{name}.py").read_text("utf-8") for name in TRIAL_MODULES}
    texts |= {f"manuals/{file}": description(package) for file, package in TRIAL_MANUALS.items()}
    texts["manuals/numpy-licence.txt"] = licence("numpy")
    write_files(texts, out)
    return sorted(path for path in out.rglob("*") if path.is_file())


def description(package: str) -> str:
    """Return the long description of an installed package: usually its README."""
    metadata: Any = importlib.metadata.metadata(package)  # a message, although its type lacks the methods
    return str(metadata.get("Description") or metadata.get_payload())


def licence(package: str) -> str:
    """Return the first licence of an installed package, by length of its path."""
    files = importlib.metadata.files(package) or []
    named = [file for file in files if file.name.upper().startswith("LICENSE")]
    first = min(named, key=lambda file: (len(file.parts), str(file)))
    return Path(str(first.locate())).read_text("utf-8")


def read_trial() -> list[dict[str, Any]]:
    """Return all 50 records, as ``plugins/lior-ask/tests/ask/trial/README.md`` describes them."""
    return [json.loads(line) for line in (folder(TRIAL) / "questions.jsonl").read_text("utf-8").splitlines()]


def trial_questions() -> list[Question]:
    """Return all 50 questions."""
    found = []
    for each in read_trial():
        kind = "paraphrased" if each.get("paraphrased") else "plain"
        question = Question(text=each["question"], kind="unanswerable", of="trial")
        if each["answerable"]:
            lines, document = tuple(each["answer_line"] or ()), each["answer_document"] or ""
            words = (each["answer_contains"],)
            question = attrs.evolve(question, kind=kind, words=words, document=document, lines=lines)
        found.append(question)
    return found
