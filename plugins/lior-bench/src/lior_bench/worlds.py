"""The invented folders of ``plugins/lior-bench/data``, their questions, and the passages that answer."""

from __future__ import annotations

import html
import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lior.interfaces import Passage
from lior_bench.sets import Question, folder, is_document, write

DATA = "plugins/lior-bench/data"
_TAG, _KEY = re.compile(r"<[^<>]*>"), re.compile(r"^[A-Z]{3,}(;[^:]*)?:")


def worlds(part: str, *, near: bool = False) -> dict[str, list[Question]]:
    """Return the folders of a part (``read``, ``learn``, ``choose`` and others to report on), with questions.

    With ``near``, questions without an answer have the nearest wrong sentence as their words.
    """
    record = json.loads((folder(DATA) / "parts.json").read_text("utf-8"))
    found = {}
    with zipfile.ZipFile(folder(DATA) / "worlds.zip") as archive:
        for name in record[part]:
            lines = archive.read(f"{name}.questions.jsonl").decode().splitlines()
            found[name] = [_question(json.loads(line), name, near) for line in lines]
    return found


def _question(record: dict[str, Any], world: str, near: bool) -> Question:
    if record["kind"] == "absent":
        answers = (record["near"],) if near else ()
    else:
        answers = (record["answer"], *record.get("also", ()))
    kind = "unanswerable" if record["kind"] == "absent" else record["kind"]
    return Question(
        text=record["question"],
        kind=kind,
        words=tuple(answers),
        language=record["language"],
        of=world,
        document=record.get("file", ""),
    )


def unpack(name: str, out: Path) -> None:
    """Write the files of a world or of another set to ``out``."""
    with zipfile.ZipFile(folder(DATA) / "worlds.zip") as archive:
        mine = [each for each in archive.namelist() if each.startswith(f"{name}/")]
        for each in mine:
            place = out / each.removeprefix(f"{name}/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(each))
    if not mine:
        write(name, out)


def remove(out: Path, sentences: Iterable[str]) -> None:
    """Remove sentences from the files of a folder, whatever white space is between their words."""
    patterns = [r"\s+".join(map(re.escape, sentence.split())) for sentence in sentences]
    found = re.compile("|".join(sorted(patterns, key=len, reverse=True)))
    for path in (each for each in out.rglob("*") if each.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if (left := found.sub("", text)) != text:
            path.write_text(left, "utf-8")


def holds(question: Question, passage: Passage) -> bool:
    """Return whether a passage is, contains, or is the better part of an answering sentence, in
    any markup.
    """
    if question.document and not is_document(passage.document, question.document):
        return False
    shown = _words_of(passage.text)
    return any(
        words <= shown or (shown <= words and 2 * len(shown) > len(words))
        for words in map(_words_of, question.words)
    )


def _words_of(text: str) -> set[str]:
    """Return the words of a text that may have HTML tags, a calendar's key, or characters that it escapes."""
    text = _KEY.sub("", html.unescape(_TAG.sub(" ", text)).replace("\\n", " ").replace("\\", ""))
    return {*re.findall(r"[^\W_]+", text.lower())}
