"""Conversations with follow-ups, small talk and tasks, over texts of the sets for fitting."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from lior.errors import UsageError
from lior_ask.api import Index
from lior_ask.conversation.dialogue import Dialogue
from lior_ask.conversation.followups import read
from lior_ask.index.embedding import default_embedder
from lior_ask.question.question import Question

HERE = Path(__file__).parent
SURE = 0.9
"""Confidence above which a wrong answer is worst."""


def opened(folder, **options):
    index = Index(**options)
    for name, text in json.loads((HERE / "meaning" / f"{folder}.json").read_text())["texts"].items():
        index.learn(name, text)
    return index


def verdicts(**options):
    """Each message with ``right``, ``declined``, ``wrong``, ``sure and wrong`` or, of a question that is no
    follow-up, ``wrong alone``; and what was quoted."""
    indexes, dialogue = {}, None
    for line in (HERE / "talking" / "messages.jsonl").read_text().splitlines():
        wanted = json.loads(line)
        if folder := wanted.get("folder"):
            indexes[folder] = indexes.get(folder) or opened(folder, **options)
            dialogue = Dialogue(indexes[folder].ask)
        try:
            answer = dialogue.ask(wanted["say"]).answer
        except UsageError as error:
            yield "right" if "silent" in wanted else "declined", wanted["say"], str(error)
            continue
        text = answer.answer.text if answer.answer else answer.said or answer.note
        if not answer.found:
            verdict = "right" if "silent" in wanted else "declined"
        elif "quotes" in wanted and wanted["quotes"] in text:
            verdict = "right"
        else:
            sure = answer.confidence > SURE
            verdict = (
                "wrong"
                if not sure
                else "sure and wrong"
                if read(Question(wanted["say"])).marked
                else "wrong alone"
            )
        yield verdict, wanted["say"], f"{answer.confidence:.0%} {text}"


def counted(**options):
    found = [*verdicts(**options)]
    wrong = [row for row in found if row[0] != "right"]
    return Counter(verdict for verdict, *_ in found), "\n".join(map(str, wrong))


def test_by_words_alone():
    found, told = counted(retriever="settle", embedder="")
    assert found["sure and wrong"] == 0, told
    assert found["right"] >= 77, told


@pytest.mark.slow
def test_by_meaning():
    if not default_embedder():
        pytest.skip("no sentence encoder is installed")
    found, told = counted()
    assert found["sure and wrong"] == 0, told
    assert found["right"] >= 85, told
