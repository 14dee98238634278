"""Tables as text: CSV and TSV."""

from __future__ import annotations

import csv
from pathlib import PurePath
from typing import ClassVar

import attrs

from lior.ask.decoding import decode
from lior.ask.interfaces import Reading


@attrs.frozen(kw_only=True)
class Rows:
    """Each row as it stands in the file; line breaks inside a quoted cell become spaces."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".psv")

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "rows"; a row has the number of its first line."""
        text, notes = decode(data)
        if '"' not in text:
            return [Reading(text=text, kind="rows", notes=notes)]
        source = text.split("\n")
        try:
            starts = _starts(source, PurePath(name.lower()).suffix)
        except csv.Error:
            notes = (*notes, "quotes that do not match; each line is taken for a row")
            return [Reading(text=text, kind="rows", notes=notes)]
        ends = [*starts[1:], len(source)]
        rows = [" ".join(source[a:b]) for a, b in zip(starts, ends, strict=True)]
        return [Reading(text="\n".join(rows), kind="rows", lines=tuple(a + 1 for a in starts), notes=notes)]


def _starts(source: list[str], suffix: str) -> list[int]:
    """First line of each row, from 0."""
    delimiter = max(",;\t|", key=source[0].count) if suffix == ".csv" else "\t" if suffix != ".psv" else "|"
    rows = csv.reader((line + "\n" for line in source), delimiter=delimiter, strict=True)
    starts = [0]
    for _ in rows:
        starts.append(rows.line_num)
    return starts[:-1]
