"""Exact questions and a conversation on folders that were written without knowledge of the code.

The folders and questions are in ``plugins/lior-bench/data``; ``README.md`` there says how they were written.
"""

from __future__ import annotations

import datetime
import json
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import click

import lior_ask
from lior.errors import UsageError
from lior_ask.answer.selection import Answer
from lior_ask.conversation.dialogue import Dialogue
from lior_bench.answers import VERDICTS, plain, shown
from lior_bench.sets import folder

DATA = "plugins/lior-bench/data"
SETS = {
    "first": ("household", "club", "firm", "lab"),
    "second": ("choir", "landlord", "clinic"),
    "third": ("freelance", "school", "famille"),
    "fourth": ("theatre", "station", "refuge"),
}
"""The folders with questions of each set; the conversation is about the first folder."""
SURE = 0.6
"""The confidence from which on a wrong answer counts as misleading."""
_MOST = 8
"""The maximum number of rows of a result that are read as a part of the reply."""


class _Day(datetime.date):
    """The fixed day on which questions are asked."""

    @classmethod
    def today(cls) -> _Day:
        return cls(2025, 12, 30)


def judge_parts(expected: Mapping[str, Any], answer: Answer | None) -> str:
    """Return one of ``VERDICTS``: a reply is right if it has all parts, and the expected number of rows."""
    if "said" in expected:
        return "right" if answer and answer.said else "wrong"
    if answer is None or not answer.found:
        return "right" if "refused" in expected else "declined"
    result, rows = answer.result, expected.get("rows")
    text = _without_marks(plain(" ".join(_said(answer, every=bool(rows)))))
    right = "refused" not in expected and all(_has(part, text) for part in expected["parts"])
    if rows and result is not None:
        right = right and len(result.rows) == rows
    return "right" if right else VERDICTS[2 + (answer.confidence > SURE)]


def _said(answer: Answer, *, every: bool) -> list[str]:
    """Return the texts of a reply; of its rows if they are few, or ``every`` one."""
    if answer.result is None:
        block = answer.block.text if answer.block else ""
        return [answer.said, block] + ([answer.answer.text, answer.answer.place] if answer.answer else [])
    if every or len(answer.result.rows) <= _MOST:
        return [answer.said, *(f"{row.text} {row.context} {row.place}" for row in answer.result.rows)]
    return [answer.said]


def _without_marks(text: str) -> str:
    """Return the text without thousands separators, and with a point before decimals."""
    text = re.sub(r"(?<=\d)[,.](?=\d{3}(?!\d))", "", text)
    return re.sub(r"(?<=\d),(?=\d{1,2}(?!\d))", ".", text)


def _has(part: str, text: str) -> bool:
    """Return whether a text has one of the forms of a part, as whole numbers and words."""
    forms = (_without_marks(plain(form)) for form in part.split("|"))
    behind = r"(?!\d|\.\d*[1-9])"  # 1,184.00 has 1,184
    return any(re.search(rf"(?<![\w.]){re.escape(form.strip())}{behind}", text) for form in forms)


def _asked(name: str, place: Path) -> Iterator[tuple[dict[str, Any], Answer | None]]:
    """Yield the expected and the actual reply to each question or message of a set."""
    if name == "conversation":
        dialogue = Dialogue(lior_ask.Index(place / SETS["first"][0], cache=False).ask)
        for expected in _read("strangers.conversation.jsonl"):
            yield expected, _reply(lambda text: dialogue.ask(text).answer, expected["message"])
        return
    questions = _read("strangers.questions.jsonl")
    for each in SETS[name]:
        index = lior_ask.Index(place / each, cache=False)
        for expected in questions:
            if expected["folder"] == each:
                yield expected, _reply(index.ask, expected["question"])


def _read(name: str) -> list[dict[str, Any]]:
    text = (folder(DATA) / name).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _reply(ask: Callable[[str], Answer], text: str) -> Answer | None:
    try:
        return ask(text)
    except UsageError:
        return None


@click.command()
@click.option("--all", "every", is_flag=True, help="Show all replies.")
def strangers(every: bool) -> None:
    """Ask for exact answers on the folders of strangers, and hold a conversation about one.

    Prints how many replies are right, how many decline a question that has an answer, how many are wrong with
    a confidence of at most 60 %, and how many with more; then every reply that is not right, or all of them.
    """
    with tempfile.TemporaryDirectory() as temporary, mock.patch("lior_ask.asking.date", _Day):
        with zipfile.ZipFile(folder(DATA) / "strangers.zip") as archive:
            archive.extractall(temporary)
        for name in (*SETS, "conversation"):
            judged = [
                (expected, answer, judge_parts(expected, answer))
                for expected, answer in _asked(name, Path(temporary))
            ]
            count = Counter(verdict for *_, verdict in judged)
            print(f"{name}: " + ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS), flush=True)
            for expected, answer, verdict in judged:
                if every or verdict != "right":
                    asked = expected.get("question") or expected["message"]
                    print(f"  {verdict:15}{asked} => {expected['answer'][:60]} -> {shown(answer)}")
