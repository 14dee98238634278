"""Answers, documents and surprise as records ready for JSON, for all doors alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from lior.ask.answering import Answer
from lior.ask.dialogue import Dialogue, Turn
from lior.data import corpus
from lior.errors import DataError, UsageError
from lior.interfaces import Passage
from lior.model import scoring
from lior.model.provenance import Explained, explain
from lior.reading.documents import RawDocument
from lior.serve.schema import Listing
from lior.serve.versions import Version

AROUND = 20
"""Lines before and after a passage that are shown with it."""
_BEFORE = 400
"""Bytes before a passage from which its words are explained."""
SHADES = (1.0, 2.0, 4.0, 8.0)
"""Bits per byte from which on a word is shown as more surprising."""


# --- questions ---


def answered(version: Version, answer: Answer) -> dict[str, Any]:
    """An answer: whether it was found, the quoted passage, and all passages, best first."""
    quoted = answer.answer
    return {
        "question": answer.question, "found": answer.found, "confidence": round(answer.confidence, 4),
        "answer": quoted and passage_record(version, quoted),
        "passages": [passage_record(version, p) | {"score": round(s, 6)} for p, s in answer.passages],
        "method": answer.method, "words": list(answer.words), "missing": list(answer.missing),
        "note": answer.note, "version": version.number,
    }  # fmt: skip


def passage_record(version: Version, passage: Passage) -> dict[str, Any]:
    """A passage with its place."""
    found = attrs.asdict(passage)
    del found["group"]
    return found | {"name": version.owner(passage.document)}


def conversation(version: Version, messages: Sequence[str]) -> Turn:
    """The answer to the last message, which may be a follow-up of those before."""
    talk = Dialogue(version.index.ask)
    for message in messages[:-1]:
        try:
            talk.ask(message)
        except UsageError:  # it was answered so in its time
            continue
    return talk.ask(messages[-1])


# --- documents ---


def listed(version: Version, given: Listing) -> dict[str, Any]:
    """The documents whose names have a part, with their sizes; some of them, and how many there are."""
    wanted = given.search.casefold()
    found = [each for each in version.documents if wanted in each.name.casefold()]
    part = found[given.offset : given.offset + given.count]
    return {"documents": list(map(attrs.asdict, part)), "total": len(found)}


def lines_of(version: Version, name: str, begin: int, count: int) -> dict[str, Any]:
    """``count`` lines of a document from line ``begin`` on, which counts from 1."""
    lines = _lines(b"\n".join(version.run.text(name)))
    first = max(min(begin, len(lines)), 1)
    return {"name": name, "first": first, "lines": lines[first - 1 : first - 1 + count], "total": len(lines)}


def shown(version: Version, passage: Passage, around: int = AROUND) -> dict[str, Any]:
    """The lines of a document around a passage, and where in them it stands.

    ``mark`` has the first and the last line of the passage with the columns where it begins and ends, all
    from 1, the last column being behind it; without columns where the text is not as in the document.
    """
    name = version.owner(passage.document)
    parts = [_lines(text) for text in version.run.text(name)]
    wanted = passage.text.split("\n")
    lines = next((p for p in parts if _stands(p, passage, wanted)), parts[0])
    last = min(passage.line + len(wanted) - 1, len(lines))
    mark: dict[str, int] = {"line": passage.line, "end_line": last}
    if _stands(lines, passage, wanted):
        begin = passage.column if len(wanted) == 1 else 1
        mark |= {"column": passage.column, "end_column": begin + len(wanted[-1])}
    first = max(passage.line - around, 1)
    part = lines[first - 1 : last + around]
    return {"name": name, "first": first, "lines": part, "total": len(lines), "mark": mark}


def _stands(lines: Sequence[str], passage: Passage, wanted: Sequence[str]) -> bool:
    """Whether the passage stands at its line and column of these lines."""
    here = lines[passage.line - 1 : passage.line - 1 + len(wanted)]
    if len(here) < len(wanted):
        return False
    return here[0][passage.column - 1 :].startswith(wanted[0]) and all(
        line.startswith(part) for line, part in zip(here[1:], wanted[1:], strict=True)
    )


def _lines(text: bytes) -> list[str]:
    lines = [line.rstrip("\r") for line in text.decode("utf-8", "replace").split("\n")]
    return lines if lines[-1] else lines[:-1] or lines


# --- words and where they come from ---


def sources(version: Version, prompt: bytes, text: bytes) -> list[dict[str, Any]]:
    """Each word of ``text`` with the stored places that predict it; for the thread of the model."""
    encode, run = version.run.model.tokenizer.encode, version.run
    before, tokens = encode(prompt).tolist(), encode(text).tolist()
    explained = explain(run.model, run.checkpoint.corpus, before, tokens, most=3, words=True)
    return [_explained(each) for each in explained]


def before(version: Version, passage: Passage) -> bytes:
    """The end of the text before a passage in its document."""
    found = shown(version, passage, around=8)
    lines, line = found["lines"], passage.line - found["first"]
    if not 0 <= line < len(lines):
        return b""
    text = "\n".join([*lines[:line], lines[line][: passage.column - 1]])
    return text.encode()[-_BEFORE:]


def _explained(each: Explained) -> dict[str, Any]:
    return {
        "text": each.text.decode("utf-8", "replace"),
        "probability": each.probability,
        "sources": [
            {**attrs.asdict(place), "share": round(each.share(place.weight), 4)} for place in each.sources
        ],
    }


# --- surprise ---


def surprise(version: Version, text: bytes, between: Callable[..., Any]) -> dict[str, Any]:
    """The bits of a text under the model and of each of its words; for the thread of the model."""
    if not text:
        raise DataError("the text is empty; give some to score")
    model = version.run.model
    other = corpus.build([RawDocument("text", text)], model.tokenizer).to(model.device)
    (scored,) = scoring.score(model, other, progress=between)
    words = [
        {
            "text": text[part.begin : part.end].decode("utf-8", "replace"),
            "line": part.line,
            "bits": round(part.bits, 3),
            "shade": int(np.searchsorted(SHADES, part.bits_per_byte, side="right")),
        }
        for part in scored.words()
    ]
    bits = float(scored.bits.sum())
    return {"bytes": len(text), "bits": bits, "bits_per_byte": bits / len(text), "words": words}
