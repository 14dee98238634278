"""Filters of the passages and rows for a question, by sender, date, kind and place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import TypeVar

import attrs
import numpy as np

from lior.errors import UsageError
from lior.files import printable
from lior.interfaces import Passage, Ranking
from lior.reading import File
from lior_ask.index.inverted import InvertedIndex
from lior_ask.index.passage_store import PassageStore
from lior_ask.index.table_schema import date_of
from lior_ask.index.table_store import About, Head, RecordStore, Row, kind_of, row_at
from lior_ask.languages.dates import first_date
from lior_ask.languages.words import stem, tokens

T = TypeVar("T")

_EXACT = ("rows",)
"""Kinds of tables whose rows are one line each; messages and entries continue until the next one."""


def day(value: str | date | None) -> date | None:
    """Return the first day of a date, a month or a year as people write it: ``3 May 2025``, ``March 2025``.

    Raises ``UsageError`` if it is not a date, or lacks its year.
    """
    if value is None or isinstance(value, date):
        return value
    if not value.strip():
        return None
    found = f"{value.strip()}-01" if re.fullmatch(r"\s*\d{4}\s*", value) else date_of(value.strip())
    try:
        return date.fromisoformat(f"{found}-01"[:10])
    except ValueError:
        wanted = "write it as 2025-03-01, 1 March 2025, March 2025 or 2025"
        raise UsageError(f"{value!r} is no date with a year; {wanted}") from None


def _bare(kind: str) -> str:
    return kind.lower().strip().lstrip(".")


@attrs.frozen(kw_only=True)
class Filters:
    """Conditions on passages and rows; an empty field is no condition.

    Raises ``UsageError`` if a date is not valid.
    """

    sender: str = ""
    """Words of the name or address of a message's sender."""
    after: date | None = attrs.field(default=None, converter=day)
    """The first day. It applies to the date of a message, a log entry or a row with one date. For other
    passages it applies to the front matter, or else to the file's time stamp."""
    before: date | None = attrs.field(default=None, converter=day)
    """The day after the last day."""
    kind: str = attrs.field(default="", converter=_bare)
    """The document's kind: mail, chat, log, table, calendar, contacts, code, note; or its file extension."""
    path: str = ""
    """A folder, a document or a pattern of document names, or a path on the disk."""
    rows: frozenset[tuple[str, int]] = frozenset()
    """The documents and lines of the only rows that fit, such as those of an earlier result."""

    def __bool__(self) -> bool:
        return any(attrs.astuple(self))

    def __str__(self) -> str:
        parts = (
            f"from {self.sender}" * bool(self.sender),
            f"from {self.after} on" * bool(self.after),
            f"before {self.before}" * bool(self.before),
            f"of kind {self.kind}" * bool(self.kind),
            f"in {self.path}" * bool(self.path),
            "among the rows found" * bool(self.rows),
        )
        return ", ".join(filter(None, parts))

    def dated(self, when: str) -> bool:
        """Return whether a date, as :func:`~lior_ask.index.table_schema.date_of` returns it, fits."""
        if not (self.after or self.before):
            return True
        known = f"{when}-01"[:10] if when and not when.startswith("0000") else ""
        return (
            bool(known)
            and (self.after is None or known >= str(self.after))
            and (self.before is None or known < str(self.before))
        )

    def among(self, document: str, line: int) -> bool:
        """Return whether a row is one of those allowed."""
        return not self.rows or (document, line) in self.rows

    def sent(self, sender: str) -> bool:
        """Return whether a name or address fits."""
        return not self.sender or named(self.sender, sender)


def composed(name: str) -> str:
    """Return the name in NFC: file systems store an accented letter as one character or two."""
    return unicodedata.normalize("NFC", name)


def named(wanted: str, sender: str) -> bool:
    """Return whether a name or address has all words of ``wanted``, ignoring accents.

    >>> named("Marta", "Marta Díaz <md@example.org>"), named("Mart", "Marta Díaz")
    (True, False)
    >>> named("marta diaz", "Marta Díaz")
    True
    """
    if "@" in wanted:
        return wanted.lower().strip("<> ") in sender.lower()
    words = {stem(word, "russian") for word in tokens(sender)}  # which removes accents and no ending
    return bool(words) and {stem(word, "russian") for word in tokens(wanted)} <= words


@attrs.frozen
class Known:
    """A snapshot of the documents of an index."""

    inverted: InvertedIndex
    store: RecordStore
    passages: PassageStore
    path: Callable[[str], Path | None]
    """A function that returns the path of a document's file."""
    files: Mapping[str, File]

    @property
    def abouts(self) -> dict[str, About]:
        """The record of each document, by name."""
        layout = self.inverted.layout
        documents = [*zip(layout.ids, layout.names, strict=True)]
        return self.inverted.derived("abouts", lambda: self.store.abouts(documents))

    @property
    def stamps(self) -> dict[str, str]:
        """The day of the last change of each document's file, ISO 8601; empty without a file."""
        return {name: self.stamp(file) for file in self.files.values() for name in file.documents}

    def stamp(self, file: File) -> str:
        """Return the day of the last change of a file in local time; empty for a text given in Python."""
        seconds = file.modified / 1e9
        if not seconds and file.documents and (path := self.path(file.documents[0])):  # it was too new
            with suppress(OSError):
                seconds = path.stat().st_mtime
        return date.fromtimestamp(seconds).isoformat() if seconds else ""

    def dates_of(self, passages: Sequence[Passage]) -> list[str]:
        """Return the date of each passage, ISO 8601 from the year on, or an empty string.

        It is that of its row, message or entry, or else one with a year in its text, in its headings, in the
        front matter of its document, or in the document's name.
        """
        tables = {name: self._dated(name) for name in {passage.document for passage in passages}}
        return [self._date_of(passage, tables[passage.document]) for passage in passages]

    def _dated(self, document: str) -> list[tuple[Head, list[Row], list[int]]]:
        """Return the tables of a document whose rows have a date, the rows, and the first line of each."""
        heads = [head for head in self.abouts[document].heads if head.dated is not None]
        tables = [(head, self.store.rows(head)) for head in heads]
        return [(head, rows, [row.begin for row in rows]) for head, rows in tables]

    def _date_of(self, passage: Passage, tables: Sequence[tuple[Head, list[Row], list[int]]]) -> str:
        for head, rows, starts in tables:
            at = row_at(starts, passage.line)
            if at >= 0 and head.dated is not None and (head.kind not in _EXACT or starts[at] == passage.line):
                when = head.columns[head.dated].date(rows[at].cells[head.dated])
                return "" if when.startswith("0000") else when
        *headings, name = passage.context.split("\n")
        found = map(first_date, (passage.text, *reversed(headings)))
        return next(filter(None, found), "") or self.abouts[passage.document].date or first_date(name)

    def documents(self, filters: Filters) -> list[str]:
        """Return the documents that fit by kind and place.

        Raises ``UsageError`` if there is no document of that kind or in that place.
        """
        names = self.inverted.layout.names
        some = {document for document, _ in filters.rows}
        found = [name for name in names if not some or name in some]
        if filters.path:
            found = [name for name in found if self._inside(name, filters.path)]
            if not found:
                folders = sorted({name.split("/")[0] + "/" * ("/" in name) for name in names})
                raise UsageError(f"no document in {filters.path}; there are {_some(folders)}")
        if filters.kind:
            kinds = {name: self.kinds(name) for name in found}
            known = sorted(set().union(*kinds.values()))
            found = [name for name in found if filters.kind in kinds[name]]
            if not found:
                raise UsageError(f"no document of the kind {filters.kind!r}; there are {_some(known)}")
        return found

    def senders(self, filters: Filters) -> set[str]:
        """Return the senders of messages in the documents that fit, as written there."""
        heads = (head for name in self.documents(filters) for head in self.abouts[name].heads)
        columns = ((head, at) for head in heads if (at := head.place("from")) is not None)
        return {row.cells[at] for head, at in columns for row in self.store.rows(head)}

    def kinds(self, document: str) -> set[str]:
        """Return the kind of a document and its file extension."""
        suffix = PurePath(document.partition("#")[0]).suffix.lower().lstrip(".")
        return {kind_of(self.abouts[document], document), suffix} - {""}

    def _inside(self, document: str, place: str) -> bool:
        whole, given = composed(document), place.rstrip("/")
        name = whole.partition("#")[0]
        for wanted in map(composed, (given, printable(given))):
            if wanted in (whole, name) or name.startswith(f"{wanted}/") or fnmatchcase(name, wanted):
                return True
        if (found := self.path(document)) is None:
            return False
        file, path = (Path(composed(str(each))) for each in (found, Path(given).expanduser().absolute()))
        return path == file or path in file.parents

    def allowed(self, filters: Filters) -> np.ndarray:
        """Return whether each passage fits, bool ``(N,)``.

        Raises ``UsageError`` as :meth:`documents`.
        """
        layout, fit = self.inverted.layout, np.zeros(len(self.inverted), bool)
        stamps = self.stamps if filters.after or filters.before else {}
        place = {name: number for number, name in enumerate(layout.names)}
        for name in self.documents(filters):
            number = place[name]
            begin, end = int(layout.starts[number]), int(layout.starts[number + 1])
            if filters.rows:
                lines = self.passages.numbers(layout.ids[number])
                fit[begin:end] = [filters.among(name, line) for line in lines]
            elif filters.sender or filters.after or filters.before:
                lines = self.passages.numbers(layout.ids[number])
                when = self.abouts[name].date or stamps.get(name, "")
                whole = not filters.sender and filters.dated(when)
                fit[begin:end] = [*self._fitting(name, filters, lines, whole)]
            else:
                fit[begin:end] = True
        return fit

    def _fitting(self, document: str, filters: Filters, lines: list[int], whole: bool) -> Iterator[bool]:
        """Yield whether the passage at each of ``lines`` fits by sender and date.

        ``whole`` is the result for passages that are not in a dated row."""
        tables = self._dated(document)
        for line in lines:
            fits = whole
            for head, rows, starts in tables:
                at = row_at(starts, line)
                if at >= 0 and (head.kind not in _EXACT or starts[at] == line):
                    fits = fitting(filters, head, rows[at])
            yield fits


def fitting(filters: Filters, head: Head, row: Row) -> bool:
    """Return whether a row of a dated table fits by sender and date."""
    sender, dated = head.place("from"), head.dated
    if (filters.sender and sender is None) or not filters.among(head.document, row.line):
        return False
    when = head.columns[dated].date(row.cells[dated]) if dated is not None else ""
    return filters.sent(row.cells[sender] if sender is not None else "") and filters.dated(when)


def filtered(
    known: Known, filters: Filters, rank: Callable[[int], Ranking], top: int, answer: Callable[[Ranking], T]
) -> T:
    """Return ``answer`` of the ``top`` best passages that fit, in the order of ``rank``.

    More passages are ranked until enough fit or none is left, for retrievers that ignore
    :attr:`InvertedIndex.allowed`.
    """
    if not filters:
        return answer(rank(top))
    index, count = known.inverted, top
    index.allowed = allowed = known.allowed(filters)
    try:
        while True:
            ranking = rank(count)
            fit = allowed[ranking.passages]
            if fit.sum() >= top or len(fit) < count:
                break
            count *= 4
        kept = np.flatnonzero(fit)[:top]
        evidence = {name: values[kept] for name, values in ranking.evidence.items()}
        return answer(
            attrs.evolve(
                ranking,
                passages=ranking.passages[kept],
                scores=ranking.scores[kept],
                recall=ranking.recall[kept],
                evidence=evidence,
            )
        )
    finally:
        index.allowed = None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + " and others" * (len(names) > 8)
