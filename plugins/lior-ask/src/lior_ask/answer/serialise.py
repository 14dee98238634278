"""Answers as JSON objects: the same for ``lior ask --json``, the server's JSON, MCP and chats.

Nothing here imports numpy.
"""

from __future__ import annotations

from typing import Any

from lior.interfaces import Block, Passage, Result
from lior_ask.answer.figures import EVENT, event_time, headline, in_words, refusal, shown
from lior_ask.answer.record import Answer
from lior_ask.languages.replies import code, code_of

_PLAIN = ("question", "found", "confidence", "method", "language", "note", "said")
_PASSAGE = ("document", "line", "column", "text", "context", "place")
_RESULT = ("operation", "value", "about", "arithmetic", "unit", "columns", "cells", "groups")
_BLOCK = ("document", "line", "end_line", "text", "begin", "end")


def answer_record(answer: Answer) -> dict[str, Any]:
    """Return an answer as a JSON object.

    Its keys are those of :class:`~lior_ask.Answer`, and ``likely``, the confidence in English words.
    ``wording`` has the texts that people see, in the language of the question, whose code is its ``lang``;
    numbers in ``result`` have a decimal point. ``lang`` is the code of the language of a quoted text, or
    empty if it is unknown. ``answer`` is a passage or ``None``. ``block`` contains it from ``begin`` to
    ``end`` of the block's text. ``passages`` have their ``score`` and ``evidence``, best first; those of an
    overview have ``dates``. ``words`` were looked for, and those ``missing`` are not in the text. ``note`` is
    the reason why nothing was found. ``said`` is the reply if nothing is quoted, and ``result`` is a
    calculation.
    """
    return {
        "question": answer.question,
        "found": answer.found,
        "confidence": round(answer.confidence, 4),
        "likely": in_words(answer.confidence),
        "answer": answer.answer and passage_record(answer.answer),
        "block": answer.block and {name: getattr(answer.block, name) for name in _BLOCK},
        "lang": code_of(answer.answer.text) if answer.answer else "",
        "passages": [
            passage_record(each)
            | {
                "lang": code_of(each.text),
                "score": round(score, 6),
                "evidence": {name: round(part, 4) for name, part in evidence.items()},
            }
            for (each, score), evidence in zip(answer.passages, answer.evidence, strict=True)
        ],
        "dates": list(answer.dates),
        "method": answer.method,
        "words": list(answer.words),
        "missing": list(answer.missing),
        "language": answer.language,
        "note": answer.note,
        "said": answer.said,
        "result": answer.result and _result_record(answer.result),
        "wording": _wording(answer),
    }


def _wording(answer: Answer) -> dict[str, Any]:
    """Return the texts of an answer that people see, in the language of the question."""
    likely = in_words(answer.confidence, answer.language)
    worded = {
        "lang": code(answer.language),
        "likely": likely,
        "refusal": refusal(answer) if answer.note else "",
    }
    if answer.result is None:
        return worded
    value, sentence = headline(answer)
    result = shown(answer.result, answer.language)
    both = {name: getattr(result, name) for name in ("about", "arithmetic", "columns", "groups")}
    events = result.cells if answer.result.columns == EVENT else ()
    times = [event_time(begin, end, answer.language) for begin, end, *_ in events]
    return worded | {"value": value, "sentence": sentence, "times": times} | both


def _result_record(result: Result) -> dict[str, Any]:
    """Return a calculation with the rows that were used."""
    return {name: getattr(result, name) for name in _RESULT} | {
        "rows": list(map(passage_record, result.rows))
    }


def _result_from(record: dict[str, Any]) -> Result:
    """Return the calculation of a record, whose tuples JSON has made lists."""
    nested = {name: tuple(map(tuple, record[name])) for name in ("cells", "groups")}
    rows = tuple(map(passage_from, record["rows"]))
    return Result(**record | nested | {"rows": rows, "columns": tuple(record["columns"])})


def passage_record(passage: Passage) -> dict[str, Any]:
    """Return a passage as ``document``, ``line``, ``column`` (from 1), ``text``, ``context``, ``place``."""
    return {name: getattr(passage, name) for name in _PASSAGE}


def passage_from(record: dict[str, Any]) -> Passage:
    """Return the passage of a record by :func:`passage_record`."""
    return Passage(**{name: record[name] for name in _PASSAGE})


def answer_from(record: dict[str, Any]) -> Answer:
    """Return the answer of a record by :func:`answer_record`."""
    block, result = record["block"], record["result"]
    return Answer(
        **{name: record[name] for name in _PLAIN},
        answer=record["answer"] and passage_from(record["answer"]),
        block=block and Block(**{name: block[name] for name in _BLOCK}),
        passages=tuple((passage_from(each), float(each["score"])) for each in record["passages"]),
        evidence=tuple(each["evidence"] for each in record["passages"]),
        dates=tuple(record["dates"]),
        words=tuple(record["words"]),
        missing=tuple(record["missing"]),
        result=result and _result_from(result),
    )
