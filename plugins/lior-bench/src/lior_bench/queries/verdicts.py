"""Verdicts on the replies to questions with gold queries."""

from __future__ import annotations

import re
from typing import Any

from lior.interfaces import Result
from lior_ask.answer.selection import Answer
from lior_bench.queries.worlds import Asked, Gold
from lior_bench.talks import SURE, VERDICTS

_ROWS_SHOWN = 8
"""The number of rows of a result that are read as a part of the reply."""
_OF_ROWS = ("list", "value", "highest", "lowest", "newest", "oldest", "exists", "duplicates")
"""Operations whose reply is in the rows."""
_OF_VALUE = ("sum", "mean", "median", "count", "distinct", "share", "between", "highest", "lowest")
"""Operations whose reply is one number."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_CLOCK = re.compile(r"\b(\d+)(?::| ?h ?)([0-5]\d)(?::([0-5]\d))?(?!\d)")
_ISO = re.compile(r"(\d\d(\d\d))-(\d\d)-(\d\d)")


def verdict(asked: Asked, gold: Gold, answer: Answer | None) -> str:
    """Return one of ``VERDICTS``: a reply is right if it has the value, or as many rows of a list."""
    how = asked["op"]
    if answer is None or not answer.found:
        return "right" if how == "none" else "declined"
    return "right" if _right(how, gold, answer) else wrong(answer.confidence)


def wrong(confidence: float) -> str:
    """Return the verdict on a wrong reply."""
    return VERDICTS[2 + (confidence > SURE)]


def _right(how: str, gold: Gold, answer: Answer) -> bool:
    result = answer.result
    if how in ("none", "passage"):
        return how == "passage" and result is None
    if result is not None and how in ("list", "exists"):
        none = result.operation == "exists" and result.value == "0"  # its rows are those that were compared
        return (0 if none else len(result.rows)) == len(gold.rows)
    if result is not None and how in _OF_VALUE and not isinstance(gold.value, dict):
        return _has(gold.value, result.value)
    return _has(gold.value, f"{answer.said} {_text(how, answer, result)}")


def _text(how: str, answer: Answer, result: Result | None) -> str:
    if result is None:
        return " ".join(each.text for each in (answer.block, answer.answer) if each)
    rows = result.rows[:_ROWS_SHOWN] if how in _OF_ROWS else [answer.answer] if answer.answer else []
    return " ".join([result.value, result.arithmetic, *(row.text for row in rows)])


def _has(value: Any, text: str) -> bool:
    """Return whether a text has a gold value: a number of either sign, a text, or all of several."""
    if isinstance(value, dict):
        return all(key.lower() in text.lower() and _has(each, text) for key, each in value.items())
    if isinstance(value, list):
        return all(_has(each, text) for each in value)
    try:
        wanted = abs(float(value))
    except ValueError:
        return any(re.search(form, text, re.IGNORECASE) for form in _forms(str(value)[:10]))
    said = [abs(float(each.replace(",", ""))) for each in _NUMBER.findall(text)]
    said += [
        60 * int(h) + int(m) + int(s or 0) / 60 for h, m, s in _CLOCK.findall(text)
    ]  # gold is in minutes
    return any(abs(round(each, 2) - wanted) < max(0.006, 1e-4 * wanted) for each in said)


def _forms(text: str) -> list[str]:
    """Return patterns of a text, or of a date as files have it; gold dates are those of ISO 8601."""
    if not (date := _ISO.fullmatch(text)):
        return [re.escape(text)]
    year, month, day = f"{date[1]}|{date[2]}", f"0?{int(date[3])}", f"0?{int(date[4])}"
    orders = ((day, month, year), (month, day, year), (year, month, day))
    return [r"(?<!\d)({})[-./]({})[-./]({})(?!\d)".format(*each) for each in orders]
