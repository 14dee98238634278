"""What counts as right in the sets of conversations."""

from __future__ import annotations

import pytest

from lior.interfaces import Passage, Result
from lior_ask.answer.selection import Answer
from lior_bench.talks import TALKS, expectations, judge_reply


def _row(text: str) -> Passage:
    return Passage(document="a.csv", line=1, text=text)


def _answer(**given: object) -> Answer:
    return Answer(
        **{"question": "", "found": True, "confidence": 0.8, "answer": None, "passages": (), "method": ""}
        | given
    )


@pytest.mark.parametrize(
    ("expected", "answer", "verdict"),
    [
        ({"said": True}, _answer(found=False, said="Hello."), "right"),
        ({"said": True}, _answer(answer=_row("Hello Tomas")), "wrong"),
        ({"passage": "the key"}, _answer(answer=_row("Here is the  Key."), confidence=0.99), "right"),
        ({"passage": "the key"}, _answer(answer=_row("A mat."), confidence=0.99), "sure and wrong"),
        ({"passage": "the key"}, None, "declined"),
        ({"value": "1417.4"}, _answer(result=Result(operation="sum", value="1,417.40 £", about="")), "right"),
        ({"value": "3"}, _answer(result=Result(operation="count", value="4", about="")), "wrong"),
        ({"refused": True}, _answer(result=Result(operation="count", value="0", about="")), "wrong"),
        (
            {"rows": ["tea", "milk"]},
            _answer(result=Result(operation="list", value="1", about="", rows=(_row("tea"),))),
            "wrong",
        ),
        (
            {"rows": ["tea"]},
            _answer(result=Result(operation="highest", value="3", about="", rows=(_row("tea"), _row("x")))),
            "right",
        ),
    ],
)
def test_verdicts(expected: dict[str, object], answer: Answer | None, verdict: str) -> None:
    assert judge_reply(expected, answer) == verdict


def test_every_message_says_what_is_expected() -> None:
    for name, count in (("exact", 40), ("conversation", 50)):
        found = expectations(TALKS[name])
        assert len(found) == count
        assert all(each.keys() & {"value", "rows", "refused", "passage", "said"} for each in found)
