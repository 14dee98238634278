"""The trial agrees with itself: answers stand where the questions say."""

from __future__ import annotations

import collections
import json
import re
from pathlib import Path

import pytest

from tools import trial

QUESTIONS = [json.loads(line) for line in (trial.HERE / "questions.jsonl").read_text("utf-8").splitlines()]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]
COMMON = set(
    "a an and any apart are at be been by can do does for from get has have how i if in is it me my not of off on one or our "
    "out should so that the them there these they this to up was we were what when where which who why will with would you".split()
)


def words(text: str) -> set[str]:
    """Content words, each as its first five letters: a crude stem."""
    return {word[:5] for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in COMMON}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trial")
    assert len(trial.collect(out)) == 60
    return out


def test_counts() -> None:
    assert (
        len({question["id"] for question in QUESTIONS})
        == len({question["question"] for question in QUESTIONS})
        == 50
    )
    assert len(ANSWERABLE) == 40
    assert sum(question["paraphrased"] for question in ANSWERABLE) >= 40 / 3
    assert collections.Counter(question["near"] for question in QUESTIONS if not question["answerable"]) == {
        True: 5,
        False: 5,
    }


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_the_answer_stands_where_it_is_said_to(folder: Path, question: dict) -> None:
    lines = (folder / question["answer_document"]).read_text("utf-8").splitlines()
    found = {number for number, line in enumerate(lines, 1) if question["answer_contains"] in line}
    assert found
    if question["answer_line"] is not None:
        assert found <= set(question["answer_line"]) <= set(range(1, len(lines) + 1))


@pytest.mark.parametrize(
    "question", [q for q in ANSWERABLE if q["paraphrased"]], ids=lambda question: question["id"]
)
def test_paraphrases_have_other_words_than_the_answer(folder: Path, question: dict) -> None:
    lines = (folder / question["answer_document"]).read_text("utf-8").splitlines()
    answer = next(line for line in lines if question["answer_contains"] in line)
    assert len(words(question["question"]) & words(answer)) <= 1


def test_collecting_twice_gives_the_same(folder: Path, tmp_path: Path) -> None:
    again = trial.collect(tmp_path / "again")
    assert {path.relative_to(tmp_path / "again"): path.read_bytes() for path in again} == {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
