"""The trial agrees with itself: answers stand where the questions say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from lior.interfaces import Block, Passage
from lior_bench import sets
from lior_bench.answers import COLUMNS, counts, judge

QUESTIONS = sets.read_trial()
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]
WRONG = Passage(document="other.md", line=1, text="something else")
DIGEST = "6fe2454c997845a98c31950477819a6f55f805f94087d3f5907bcd7904e391df"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trial")
    assert len(sets.collect_trial(out)) == 60
    return out


def test_nothing_was_edited_since_it_was_written(folder: Path) -> None:
    """Questions, notes and logs; code and manuals differ between versions."""
    digest = hashlib.sha256((sets.folder(sets.TRIAL) / "questions.jsonl").read_bytes())
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(("code/", "manuals/")):
            digest.update(name.encode() + b"\n" + path.read_bytes())
    assert digest.hexdigest() == DIGEST


def test_each_answer_stands_where_it_is_said_to(folder: Path) -> None:
    for question in ANSWERABLE:
        lines = (folder / question["answer_document"]).read_text("utf-8").splitlines()
        found = {number for number, line in enumerate(lines, 1) if question["answer_contains"] in line}
        assert found, question["id"]
        if question["answer_line"] is not None:
            assert found <= set(question["answer_line"]) <= set(range(1, len(lines) + 1)), question["id"]


def test_collecting_twice_gives_the_same(folder: Path, tmp_path: Path) -> None:
    again = sets.collect_trial(tmp_path / "again")
    assert {path.relative_to(tmp_path / "again"): path.read_bytes() for path in again} == {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@attrs.frozen
class Answer:
    """What an index answers."""

    found: bool
    answer: Passage | None = None
    passages: tuple[tuple[Passage, float], ...] = ()
    confidence: float = 1.0
    block: Block | None = None


def perfect(folder: Path, asked: str) -> Answer:
    """The answering line first, and a refusal where there is none."""
    question = next(question for question in QUESTIONS if question["question"] == asked)
    if not question["answerable"]:
        return Answer(False)
    lines = (folder / question["answer_document"]).read_text("utf-8").splitlines()
    number = next(n for n, line in enumerate(lines, 1) if question["answer_contains"] in line)
    passage = Passage(document=str(folder / question["answer_document"]), line=number, text=lines[number - 1])
    return Answer(True, passage, ((passage, 1.0),))


def counted(ask: Callable[[str], Answer], *kinds: str) -> dict[str, int]:
    """The counts of the questions of these kinds."""
    wanted = [question for question in sets.trial_questions() if question.kind in kinds]
    judged = [judge(question, ask(question.text), lambda passage: passage.text) for question in wanted]
    return dict(zip(COLUMNS, counts(judged), strict=True))


def test_a_perfect_index_gets_everything(folder: Path) -> None:
    found = counted(lambda asked: perfect(folder, asked), "plain", "paraphrased")
    assert found == dict.fromkeys(COLUMNS, 40) | {"refused": 0, "misled": 0}
    assert counted(lambda asked: perfect(folder, asked), "unanswerable")["refused"] == 10


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_passages_ahead_of_the_right_one_count(folder: Path, ahead: int) -> None:
    def ask(asked: str) -> Answer:
        answer = perfect(folder, asked)
        return attrs.evolve(answer, passages=((WRONG, 2.0),) * ahead + answer.passages)

    found = counted(ask, "plain", "paraphrased")
    assert found["first"] == 0
    assert found["three"] == (40 if ahead < 3 else 0)


def test_a_wrong_answer_misleads_if_it_is_sure(folder: Path) -> None:
    def ask(asked: str) -> Answer:
        return Answer(True, WRONG, ((WRONG, 1.0),), 0.9 if "?" in asked else 0.89)

    marked = sum("?" in question.text for question in sets.trial_questions())
    assert counted(ask, "plain", "paraphrased", "unanswerable")["misled"] == marked


def test_an_index_that_refuses_everything_is_wrong_forty_times() -> None:
    found = counted(lambda asked: Answer(False), "plain", "paraphrased")
    assert found == dict.fromkeys(COLUMNS, 0) | {"questions": 40, "refused": 40}


def test_only_the_answer_counts(folder: Path) -> None:
    """Neither another line of the same document nor the same words in another one."""
    asked = {each.text: each for each in sets.trial_questions()}
    for question in ANSWERABLE:
        passage, each = perfect(folder, question["question"]).answer, asked[question["question"]]
        assert each.answered_by(passage), question["id"]
        for wrong in ({"document": "other.md"}, {"document": "x" + question["answer_document"]}):
            assert not each.answered_by(attrs.evolve(passage, **wrong)), question["id"]
        assert not each.answered_by(attrs.evolve(passage, line=100_000, text="something else")), question[
            "id"
        ]
