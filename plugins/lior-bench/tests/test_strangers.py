"""Replies to strangers' questions, judged by the parts that they must have."""

from __future__ import annotations

import pytest

from lior.interfaces import Passage, Result
from lior_ask.answer.selection import Answer
from lior_bench.talks import judge_parts


def reply(said: str, *, found: bool = True, confidence: float = 0.95, rows: int = 0) -> Answer:
    result = Result(
        operation="list" if rows else "sum",
        value="",
        about="",
        rows=tuple(Passage(document="a.csv", line=n, text=f"row {n}") for n in range(1, rows + 1)),
    )
    return Answer(
        question="?",
        found=found,
        confidence=confidence,
        answer=None,
        passages=(),
        method="",
        said=said,
        result=result if found else None,
    )


@pytest.mark.parametrize(
    ("expected", "answer", "verdict"),
    [
        ({"parts": ["1,389.08"]}, reply("1389.08: sum of"), "right"),
        ({"parts": ["2.252,90"]}, reply("2,252.90: sum of"), "right"),
        ({"parts": ["89.08"]}, reply("1,389.08: sum of"), "sure and wrong"),
        ({"parts": ["Ada|Eva"]}, reply("Eva, 3: highest"), "right"),
        ({"parts": ["5"]}, reply("15 rows", confidence=0.5), "wrong"),
        ({"parts": ["5"]}, reply("", found=False), "declined"),
        ({"refused": True}, reply("", found=False), "right"),
        ({"refused": True}, reply("3 rows"), "sure and wrong"),
        ({"parts": ["row 2"], "rows": 2}, reply("2 rows", rows=2), "right"),
        ({"parts": ["row 2"], "rows": 2}, reply("3 rows", rows=3), "sure and wrong"),
        ({"said": True}, None, "wrong"),
    ],
)
def test_a_reply_is_right_if_it_has_all_parts(expected, answer, verdict):
    assert judge_parts(expected, answer) == verdict
