"""Training text, calibration split and held-out text: each a share of every document, or kind of file.

A large document contributes its own end. Among small documents of one kind, some are taken whole, at equal
distances in their order. So the score of a run covers all its kinds of text, not the one that comes last by
name, and the mixer is fitted on all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

from lior.reading.documents import RawDocument

OWN_END = 2000
"""Minimum size, in bytes, of a held-out end for a document to contribute its own."""

_LEAST_END = 64
"""Minimum size, in bytes, of any other end; a kind that owes less leaves it to the next."""

_PART = re.compile(r"(:\d+|#[^/]*)$")


class Parts(NamedTuple):
    """The documents of a run, divided into training text, calibration split and held-out text."""

    documents: list[RawDocument]
    """Training text first, ending with the calibration split; parts of a document have its name."""
    cut: int
    """Byte of all documents at which the held-out text begins."""
    split_parts: Mapping[int, int]
    """Index of the part before each part that continues a document, by index."""
    calibration: int | None
    """Index at which the calibration split begins; ``None`` if it is the end of the training text."""


def kind(name: str) -> str:
    """Return the kind of file of a document's name: its suffix, without a suffix of compression.

    >>> kind("mail/all.jsonl#12"), kind("notes.md.gz"), kind("README")
    ('.jsonl', '.md', '')
    """
    return PurePath(_PART.sub("", name).removesuffix(".gz")).suffix.lower()


def training_bytes(size: int, holdout: float) -> int:
    """Return the bytes of training text in ``size`` bytes, given the share ``holdout`` of held-out text."""
    return int(size * (1 - holdout))


def split(documents: Sequence[RawDocument], holdout: float, calibration: float = 0.0) -> Parts:
    """Divide documents into training text, calibration split and held-out text, without randomness.

    Documents without text are left out. A single document is cut and stays one, so its contexts continue;
    other parts begin without a context.

    Parameters
    ----------
    holdout
        Share of the bytes that is held out, from 0 to 1.
    calibration
        Share of the others that becomes the calibration split.
    """
    there = [document for document in documents if document.data]
    if len(there) < 2:
        return Parts(there, training_bytes(sum(len(d.data) for d in there), holdout), {}, None)
    held = _begins(there, [len(document.data) for document in there], holdout)
    fitted = _begins(there, held, calibration)
    body = [(i, 0, end) for i, end in enumerate(fitted)]
    middle = [(i, begin, held[i]) for i, begin in enumerate(fitted)]
    rest = [(i, begin, len(there[i].data)) for i, begin in enumerate(held)]
    pieces = [piece for piece in (*body, *middle, *rest) if piece[1] < piece[2]]
    before: dict[int, int] = {}
    split_parts: dict[int, int] = {}
    for number, (i, begin, _) in enumerate(pieces):
        if begin:
            split_parts[number] = before[i]
        before[i] = number
    first = sum(end > 0 for end in fitted)
    return Parts(
        [_piece(there[i], begin, end) for i, begin, end in pieces],
        sum(held),
        split_parts,
        first if first > 0 and sum(fitted) < sum(held) else None,
    )


def _piece(document: RawDocument, begin: int, end: int) -> RawDocument:
    """Return a part of a document; the first has the structure of the whole."""
    return RawDocument(document.name, document.data[begin:end], b"" if begin else document.structure)


def _begins(documents: Sequence[RawDocument], sizes: Sequence[int], share: float) -> list[int]:
    """Return the byte at which the last ``share`` of each document's ``sizes`` bytes, or of its kind's,
    begins."""
    begins = list(sizes)
    small: dict[str, list[int]] = {}
    for index, size in enumerate(sizes):
        begin = training_bytes(size, share)
        if size - begin >= OWN_END:
            begins[index] = begin
        else:
            small.setdefault(kind(documents[index].name), []).append(index)
    owed = 0.0
    for number, members in enumerate(small.values(), 1):
        for index in members:
            owed += share * sizes[index]
            if 0 < sizes[index] <= owed + 0.5:  # a sum of shares may be slightly below an integer
                begins[index] = 0
                owed -= sizes[index]
        kept = [index for index in members if begins[index]]
        last = number == len(small) and begins == list(sizes)
        if kept and owed >= (1 if last else _LEAST_END):
            largest = max(kept, key=lambda index: sizes[index])
            end = min(int(owed), sizes[largest] // 2)
            begins[largest] -= end
            owed -= end
    return [
        _at_line(document.data[:size], begin)
        for document, size, begin in zip(documents, sizes, begins, strict=True)
    ]


def _at_line(data: bytes, begin: int) -> int:
    """Return the first line at or after ``begin``, or ``begin`` itself if that would halve the end."""
    if not 0 < begin < len(data):
        return begin
    found = data.find(b"\n", begin - 1, (begin + len(data)) // 2) + 1
    return found or begin
