"""Training text and held-out text: the same share of every document, or of every kind of file.

A large document gives its own end. Of small documents of one kind, some are held out whole, at equal
distances in their order. So the score of a run is of all its kinds of text, not of what comes last by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

from lior.data.documents import RawDocument

OWN_END = 2000
"""Bytes of a held-out end from which on a document gives its own."""

_LEAST_END = 64
"""Least bytes of any other end; a kind that owes less leaves it to the next."""

_LINE = re.compile(r":\d+$")


class Parts(NamedTuple):
    """Documents in the order in which a run reads them."""

    documents: list[RawDocument]
    """Training text first; the end of a document may stand apart, under the name of the document."""
    cut: int
    """Byte of all documents at which the held-out text begins."""
    heads: Mapping[int, int]
    """Index of each end that stands apart -> index of its document."""


def kind(name: str) -> str:
    """The kind of file of a document's name: its suffix, without the one of compression.

    >>> kind("mail/all.jsonl:12"), kind("notes.md.gz"), kind("README")
    ('.jsonl', '.md', '')
    """
    return PurePath(_LINE.sub("", name).removesuffix(".gz")).suffix.lower()


def training_bytes(size: int, holdout: float) -> int:
    """How many of ``size`` bytes are training text, given the share ``holdout`` of held-out text."""
    return int(size * (1 - holdout))


def split(documents: Sequence[RawDocument], holdout: float) -> Parts:
    """Divide ``documents``, those without text left out; nothing is drawn at random.

    The end of a single document follows it, so its contexts go on; other ends begin a document of their own.

    Parameters
    ----------
    holdout
        Share of the bytes that is held out, from 0 to 1.
    """
    there = [document for document in documents if document.data]
    if len(there) < 2 or not holdout:
        return Parts(there, training_bytes(sum(len(d.data) for d in there), holdout), {})
    begins = _begins([len(d.data) for d in there], [kind(d.name) for d in there], holdout)
    trained: list[RawDocument] = []
    ends: list[tuple[int, RawDocument]] = []
    places: dict[int, int] = {}
    for index, document in enumerate(there):
        begin = _at_line(document.data, begins.get(index, len(document.data)))
        if begin:
            places[index] = len(trained)
            trained.append(RawDocument(document.name, document.data[:begin]))
        if begin < len(document.data):
            ends.append((index, RawDocument(document.name, document.data[begin:])))
    heads = {len(trained) + i: places[index] for i, (index, _) in enumerate(ends) if index in places}
    return Parts([*trained, *(end for _, end in ends)], sum(len(d.data) for d in trained), heads)


def _begins(sizes: Sequence[int], kinds: Sequence[str], holdout: float) -> dict[int, int]:
    """Index of each document with held-out text -> byte at which that begins."""
    begins: dict[int, int] = {}
    small: dict[str, list[int]] = {}
    for index, size in enumerate(sizes):
        begin = training_bytes(size, holdout)
        if size - begin >= OWN_END:
            begins[index] = begin
        else:
            small.setdefault(kinds[index], []).append(index)
    owed = 0.0
    for number, members in enumerate(small.values(), 1):
        for index in members:
            owed += holdout * sizes[index]
            if owed + 0.5 >= sizes[index]:  # a sum of shares may lack a little of a whole
                begins[index] = 0
                owed -= sizes[index]
        kept = [index for index in members if index not in begins]
        least = _LEAST_END if number < len(small) or len(begins) else 1
        if kept and owed >= least:
            largest = max(kept, key=lambda index: sizes[index])
            end = min(int(owed), sizes[largest] // 2)
            begins[largest] = sizes[largest] - end
            owed -= end
    return begins


def _at_line(data: bytes, begin: int) -> int:
    """The first line at or after ``begin``, or ``begin`` itself where that would halve the end."""
    if not 0 < begin < len(data):
        return begin
    found = data.find(b"\n", begin - 1, (begin + len(data)) // 2) + 1
    return found or begin
