"""Questions with exact answers, and a conversation, on the folder of the trial.

python -m lior_bench.conversing [--set exact] [--retriever dense] [--all] [--keep DIR]

The sets are plugins/lior-ask/tests/ask/exact (each question alone) and
plugins/lior-ask/tests/ask/conversation (fifty messages, one after the other); their READMEs say what counts.
Prints how many replies are right, how many decline a question that has an answer, how many are wrong with a
confidence of at most 90 %, and how many with more; then every reply that is not right, or all of them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

import lior_ask
from lior.errors import UsageError
from lior.interfaces import Passage, Result
from lior_ask.answer.selection import Answer
from lior_ask.conversation.dialogue import Dialogue
from lior_bench.checkout import folder
from lior_bench.questions import kept, opened

SETS = {
    "exact": ("plugins/lior-ask/tests/ask/exact", "questions.jsonl"),
    "conversation": ("plugins/lior-ask/tests/ask/conversation", "messages.jsonl"),
}
VERDICTS = ("right", "declined", "wrong", "sure and wrong")
_SURE = 0.9


def expectations(name: str) -> list[dict[str, Any]]:
    """The messages of a set with what is expected of the reply."""
    text = (folder(SETS[name][0]) / SETS[name][1]).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def judge(expected: Mapping[str, Any], answer: Answer | None) -> str:
    """One of ``VERDICTS``; ``answer`` is ``None`` for a message that was refused with an error."""
    if answer is None or not answer.found:
        silent = expected.keys() & {"said", "refused", "or_refused"}
        return "right" if silent else "declined"
    right = not expected.keys() & {"said", "refused"} and (
        _calculated(expected, answer.result)
        if answer.result
        else "passage" in expected and _quoted(expected, answer)
    )
    return "right" if right else VERDICTS[2 + (answer.confidence > _SURE)]


def _calculated(expected: Mapping[str, Any], result: Result) -> bool:
    if "value" in expected:
        found = _number(result.value)
        places = expected.get("places", 2)
        return found is not None and round(found - float(expected["value"]), places) == 0
    if "rows" not in expected:
        return False
    wanted = [plain(part) for part in expected["rows"]]
    rows = [plain(f"{row.text} {row.context} {row.place}") for row in result.rows]
    if expected.get("any"):
        return bool(rows) and any(part in rows[0] for part in wanted)
    if result.operation == "list":
        return len(rows) == len(wanted) and all(any(part in row for row in rows) for part in wanted)
    return bool(rows) and wanted[0] in rows[0]


def plain(text: str) -> str:
    """A text in lower case with single spaces."""
    return " ".join(text.split()).casefold()


def _number(text: str) -> float | None:
    try:
        return float("".join(letter for letter in text if letter in "-.0123456789"))
    except ValueError:
        return None


def _quoted(expected: Mapping[str, Any], answer: Answer) -> bool:
    text = plain(f"{answer.answer.text if answer.answer else ''} {answer.block.text if answer.block else ''}")
    return any(plain(part) in text for part in (expected["passage"], *expected.get("also", ())))


def replies(name: str, index: lior_ask.Index) -> list[Answer | None]:
    """The replies to the messages of a set; ``None`` where one was refused with an error."""
    ask: Callable[[str], Answer] = index.ask
    if name == "conversation":
        dialogue = Dialogue(index.ask)

        def ask(message: str) -> Answer:
            return dialogue.ask(message).answer

    found: list[Answer | None] = []
    for expected in expectations(name):
        try:
            found.append(ask(expected.get("question") or expected["message"]))
        except UsageError:
            found.append(None)
    return found


def shown(answer: Answer | None) -> str:
    """A reply in one line."""
    if answer is None:
        return "refused with an error"
    quoted: Sequence[Passage] = [answer.answer] if answer.answer else []
    text = answer.said or " ".join(p.text for p in quoted) or f"nothing: {answer.note}"
    return f"{answer.confidence:.2f} {' '.join(text.split())[:110]}"


@click.command(help=__doc__)
@kept
@click.option("--set", "names", multiple=True, type=click.Choice([*SETS]), default=[*SETS])
@click.option("--all", "every", is_flag=True, help="Show all replies.")
def main(
    retriever: str | None, keep: Path | None, roots: tuple[str, ...], names: tuple[str, ...], every: bool
) -> None:
    for name in names:
        with opened("trial", retriever, keep, roots) as index:
            found = replies(name, index)
        expected = expectations(name)
        verdicts = [judge(each, answer) for each, answer in zip(expected, found, strict=True)]
        count = Counter(verdicts)
        print(f"{name}: " + ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS))
        for each, verdict, answer in zip(expected, verdicts, found, strict=True):
            if every or verdict != "right":
                print(f"  {verdict:15}{each.get('question') or each['message']} -> {shown(answer)}")


if __name__ == "__main__":
    main()
