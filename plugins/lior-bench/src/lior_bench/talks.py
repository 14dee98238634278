"""Exact questions and conversations, on a folder of our own and on folders of strangers.

The strangers' folders and questions were written without knowledge of the code. They are in
``plugins/lior-bench/data``; ``README.md`` there says how they were written.
"""

from __future__ import annotations

import datetime
import json
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import click

import lior_ask
from lior.errors import UsageError
from lior.interfaces import Result
from lior_ask.answer.selection import Answer
from lior_ask.conversation.dialogue import Dialogue
from lior_bench import answers
from lior_bench.answers import set_options
from lior_bench.sets import folder, opened
from lior_bench.worlds import DATA

Message = Mapping[str, Any]
"""A question or message with what is expected."""
Judge = Callable[[Message, Answer | None], str]
"""A function that returns one of ``VERDICTS``; the answer is ``None`` for a message that was refused with an
error.
"""
VERDICTS = ("right", "declined", "wrong", "sure and wrong")
TALKS = {
    "exact": "plugins/lior-ask/tests/ask/exact/questions.jsonl",
    "conversation": "plugins/lior-ask/tests/ask/conversation/messages.jsonl",
}


def expectations(path: str) -> list[dict[str, Any]]:
    """Return the messages of a file of the checkout with the expected reply."""
    place, _, name = path.rpartition("/")
    return [json.loads(line) for line in (folder(place) / name).read_text("utf-8").splitlines()]


def replies(
    index: lior_ask.Index, messages: Iterable[Message], *, related: bool
) -> Iterator[tuple[Message, Answer | None]]:
    """Yield the messages with their replies; ``related`` ones are one conversation."""
    dialogue = Dialogue(index.ask)
    for message in messages:
        text = message.get("question") or message["message"]
        try:
            yield message, dialogue.ask(text).answer if related else index.ask(text)
        except UsageError:
            yield message, None


def show(name: str, found: Iterable[tuple[Message, Answer | None]], judge: Judge, *, every: bool) -> None:
    """Print how many replies have each verdict, and those that are not right, or ``every`` one."""
    judged = [(message, answer, judge(message, answer)) for message, answer in found]
    count = Counter(verdict for *_, verdict in judged)
    print(f"{name}: " + ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS), flush=True)
    for message, answer, verdict in judged:
        if every or verdict != "right":
            asked = message.get("question") or message["message"]
            wanted = f" => {message['answer'][:60]}" if "answer" in message else ""
            print(f"  {verdict:15}{asked}{wanted} -> {shown(answer)}")


def shown(answer: Answer | None) -> str:
    if answer is None:
        return "refused with an error"
    text = answer.said or (answer.answer.text if answer.answer else "") or f"nothing: {answer.note}"
    return f"{answer.confidence:.2f} {' '.join(text.split())[:110]}"


def plain(text: str) -> str:
    """Return a text in lower case with single spaces."""
    return " ".join(text.split()).casefold()


# --- on a folder of our own ---


def judge_reply(expected: Message, answer: Answer | None) -> str:
    """Compare a reply with the expected value, rows or passage."""
    if answer is None or not answer.found:
        silent = expected.keys() & {"said", "refused", "or_refused"}
        return "right" if silent else "declined"
    right = not expected.keys() & {"said", "refused"} and (
        _calculated(expected, answer.result)
        if answer.result
        else "passage" in expected and _quoted(expected, answer)
    )
    return "right" if right else VERDICTS[2 + (answer.confidence > answers.SURE)]


def _calculated(expected: Message, result: Result) -> bool:
    if "value" in expected:
        found = _number(result.value)
        places = expected.get("places", 2)
        return found is not None and round(found - float(expected["value"]), places) == 0
    if "passage" in expected:  # a looked up value may be what the passage says
        return plain(expected["passage"]) in plain(result.value)
    if "rows" not in expected:
        return False
    wanted = [plain(part) for part in expected["rows"]]
    rows = [plain(f"{row.text} {row.context} {row.place}") for row in result.rows]
    if expected.get("any"):
        return bool(rows) and any(part in rows[0] for part in wanted)
    if result.operation == "list":
        return len(rows) == len(wanted) and all(any(part in row for row in rows) for part in wanted)
    return bool(rows) and wanted[0] in rows[0]


def _number(text: str) -> float | None:
    try:
        return float("".join(letter for letter in text if letter in "-.0123456789"))
    except ValueError:
        return None


def _quoted(expected: Message, answer: Answer) -> bool:
    text = plain(f"{answer.answer.text if answer.answer else ''} {answer.block.text if answer.block else ''}")
    return any(plain(part) in text for part in (expected["passage"], *expected.get("also", ())))


@click.command()
@set_options
@click.option("--set", "names", multiple=True, type=click.Choice([*TALKS]), default=[*TALKS])
@click.option("--all", "every", is_flag=True, help="Show all replies.")
def talk(
    retriever: str | None, keep: Path | None, roots: tuple[Path, ...], names: tuple[str, ...], every: bool
) -> None:
    """Ask for exact answers, and hold a conversation, on the folder of the trial.

    The sets are plugins/lior-ask/tests/ask/exact (each question alone) and
    plugins/lior-ask/tests/ask/conversation (fifty messages, one after the other). Prints how many replies
    are right, how many decline a question that has an answer, how many are wrong with a confidence of at
    most 90 %, and how many with more; then every reply that is not right, or all of them.
    """
    for name in names:
        with opened("trial", retriever, keep, roots) as index:
            found = replies(index, expectations(TALKS[name]), related=name == "conversation")
            show(name, found, judge_reply, every=every)


# --- on folders of strangers ---

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


def judge_parts(expected: Message, answer: Answer | None) -> str:
    """Compare a reply with the expected parts, all of which it must have, and the number of rows."""
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
        return [
            answer.said,
            answer.result.value,
            *(f"{row.text} {row.context} {row.place}" for row in answer.result.rows),
        ]
    return [answer.said, answer.result.value]


def _without_marks(text: str) -> str:
    """Return the text without thousands separators, and with a point before decimals."""
    text = re.sub(r"(?<=\d)[,.](?=\d{3}(?!\d))", "", text)
    return re.sub(r"(?<=\d),(?=\d{1,2}(?!\d))", ".", text)


def _has(part: str, text: str) -> bool:
    """Return whether a text has one of the forms of a part, as whole numbers and words."""
    forms = (_without_marks(plain(form)) for form in part.split("|"))
    behind = r"(?!\d|\.\d*[1-9])"  # 1,184.00 has 1,184
    return any(re.search(rf"(?<![\w.]){re.escape(form.strip())}{behind}", text) for form in forms)


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
        for name, folders in SETS.items():
            found = [reply for each in folders for reply in _replies(Path(temporary), each)]
            show(name, found, judge_parts, every=every)
        found = [*_replies(Path(temporary), SETS["first"][0], "conversation")]
        show("conversation", found, judge_parts, every=every)


def _replies(place: Path, name: str, what: str = "questions") -> Iterator[tuple[Message, Answer | None]]:
    index = lior_ask.Index(place / name, cache=False)
    every = expectations(f"{DATA}/strangers.{what}.jsonl")
    mine = [each for each in every if each.get("folder", name) == name]
    yield from replies(index, mine, related=what == "conversation")
