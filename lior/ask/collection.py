"""Counts of the words of passages, from which all that a retriever uses is computed.

A collection is a function of the documents in it and of the questions that their passages were confirmed to
answer: it does not depend on the order in which they were added, nor on what was removed. Learning and
forgetting are therefore exact.

>>> notes = Collection.empty()
>>> notes.add("heating.md", [("Press the red button.", "Boiler"), ("The boiler is in the cellar.", "Boiler")])
>>> notes.add("garden.md", [("Water the tomatoes.", "")])
>>> len(notes), notes.documents, notes.rows("heating.md")
(3, ['garden.md', 'heating.md'], range(1, 3))
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
import numpy as np

from lior.ask.words import LANGUAGES, LONGEST, SAMPLE, language_of, stem, stop_words, tokens
from lior.errors import DataError, UsageError

T = TypeVar("T")
_MOST = np.iinfo(np.uint16).max
"""Largest count of a word in a passage; more count as this."""
BETWEEN = "\x01"
"""Between a word and its term; lower than all characters of words, so that the pairs sort by word."""


@attrs.frozen
class Postings:
    """A sparse matrix of counts, by columns: which rows have a term, and how often."""

    starts: np.ndarray
    """int64 ``(T + 1,)``: the entries of term ``t`` are ``starts[t]`` to ``starts[t + 1] - 1``."""
    rows: np.ndarray
    """int32 ``(P,)``, ascending for each term."""
    counts: np.ndarray
    """uint16 ``(P,)``, positive."""

    def of(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and counts of a term."""
        part = slice(self.starts[term], self.starts[term + 1])
        return self.rows[part], self.counts[part]

    @property
    def terms(self) -> np.ndarray:
        """Term of each entry, int64 ``(P,)``."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def totals(self, rows: int) -> np.ndarray:
        """Words of each of ``rows`` rows, int64 ``(rows,)``."""
        return np.bincount(self.rows, self.counts, rows).astype(np.int64)

    @staticmethod
    def made(terms: np.ndarray, rows: np.ndarray, counts: np.ndarray, size: int, width: int) -> Postings:
        """From entries in any order, those of one term and row added; ``size`` terms, ``width`` rows."""
        key = terms.astype(np.int64) * max(width, 1) + rows
        order = np.argsort(key, kind="stable")  # fast on sorted runs, as old and new entries are
        key, counts = key[order], counts[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        added = np.add.reduceat(counts.astype(np.int64), first) if len(first) else counts
        terms, rows = terms[order[first]], rows[order[first]]
        starts = np.searchsorted(terms, np.arange(size + 1))
        return Postings(starts, rows.astype(np.int32), np.minimum(added, _MOST).astype(np.uint16))


@attrs.frozen
class Table:
    """The counts of a collection. All arrays are in one order that only the content decides."""

    names: np.ndarray
    """UTF-8 of the documents' names in ascending order, each ended by a zero byte, uint8."""
    document_starts: np.ndarray
    """int64 ``(D + 1,)``: first passage of each document."""
    languages: np.ndarray
    """uint8 ``(D,)``: place in :data:`~lior.ask.words.LANGUAGES`."""
    group_starts: np.ndarray
    """int64 ``(D + 1,)``: first paragraph of each document."""
    groups: np.ndarray
    """int32 ``(N,)``: paragraph of each passage, from 0 in each document."""
    context_starts: np.ndarray
    """int64 ``(D + 1,)``: first context of each document."""
    contexts: np.ndarray
    """int32 ``(N,)``: context of each passage, from 0 in each document."""
    terms: np.ndarray
    """UTF-8 of the stems, sorted, padded with zeros, uint8 ``(T, width)``."""
    words: np.ndarray
    """UTF-8 of the words as written and of their stems, byte 1 between them, as ``terms``, ``(V, width)``."""
    text: Postings
    """Terms of the passages' texts."""
    context: Postings
    """Terms of the contexts."""
    confirmed: Postings
    """Terms of the questions that passages were confirmed to answer."""
    spelled: Postings
    """Documents that have a word as written."""


@attrs.frozen
class _Added:
    """A document whose words are read and not yet counted in the table."""

    language: str
    texts: _Words
    contexts: _Words
    confirmed: _Words
    """Of the questions that each passage was confirmed to answer."""
    group: np.ndarray
    """Paragraph of each passage, int64, from 0."""
    context: list[int]
    """Context of each passage, from 0."""


_Words = tuple[np.ndarray, np.ndarray]
"""Number of each word of some texts in the :class:`_Numbers` of the language; words of each text; int64."""


class _Numbers(dict[str, int]):
    """Word -> number, in the order of first appearance."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number

    def read(self, texts: list[list[str]]) -> _Words:
        numbers = np.fromiter(map(self.__getitem__, chain.from_iterable(texts)), np.int64)
        return numbers, np.fromiter(map(len, texts), np.int64, len(texts))


class Collection:
    """Counts of the words of passages of documents.

    A passage is a row, from 0; the rows of a document are adjacent, in the order of the documents' names.
    Changes are collected and counted together when the counts are next used.
    """

    def __init__(self, table: Table, finer: Collection | None = None) -> None:
        self.finer = finer
        """The collection of passages whose documents are the rows of this one, or ``None``."""
        self._table = table
        self._names = bytes(table.names).decode("utf-8", "surrogatepass").split("\0")[:-1]
        self._places = {name: place for place, name in enumerate(self._names)}
        self._added: dict[str, _Added] = {}
        self._removed: set[str] = set()
        self._fresh: dict[str, _Numbers] = {}
        self._derived: dict[Hashable, Any] = {}

    @classmethod
    def empty(cls) -> Collection:
        """A collection without documents."""
        return cls(_counted({}, {}))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Collection:
        """The collection whose :meth:`arrays` these are; they are used as they are and may be memory-mapped.

        Raises ``DataError`` if one is missing.
        """
        try:
            return cls(_table(arrays))
        except LookupError as error:
            raise DataError(f"the counts of the text are damaged: {error}. Index it again.") from error

    def arrays(self) -> dict[str, np.ndarray]:
        """All counts. Equal content gives equal arrays, whatever was added and removed before."""
        found: dict[str, np.ndarray] = {}
        for name, value in attrs.asdict(self.table, recurse=False).items():
            if isinstance(value, Postings):
                found |= {f"{name}.{part}": array for part, array in attrs.asdict(value).items()}
            else:
                found[name] = value
        return found

    def add(
        self,
        document: str,
        passages: Sequence[tuple[str, str]],
        groups: Sequence[int] | None = None,
        confirmed: Mapping[int, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Learn a document.

        Parameters
        ----------
        document
            Name; no other document of the collection has it.
        passages
            Text and context of each passage, in their order. Contexts are counted apart, and once
            where several passages share one.
        groups
            Number of the paragraph of each passage. Without them each passage is a paragraph of its own.
        confirmed
            Place in ``passages`` -> words of the questions that this passage was confirmed to answer.

        Raises ``UsageError`` if the collection has the document.
        """
        fault = ""
        if document in self:
            fault = f"the collection has a document {document!r} already; remove it first"
        elif self.finer is not None:
            fault = "a collection made by by_document() cannot learn; add to the one it was made from"
        elif "\0" in document:
            fault = f"a document's name has no zero byte: {document!r}"
        elif groups is not None and len(groups) != len(passages):
            fault = f"{document!r} has {len(passages)} passages and {len(groups)} paragraph numbers"
        if fault:
            raise UsageError(f"{fault}.")
        contexts = {context: number for number, context in enumerate(dict.fromkeys(c for _, c in passages))}
        texts = [tokens(text) for text, _ in passages]
        language = language_of(islice(chain.from_iterable(texts), SAMPLE))
        numbers = self._fresh.setdefault(language, _Numbers())
        group = range(len(passages)) if groups is None else groups
        self._added[document] = _Added(
            language=language,
            texts=numbers.read(texts),
            contexts=numbers.read([tokens(context) for context in contexts]),
            confirmed=numbers.read([[*confirmed.get(place, ())] for place in range(len(passages))]),
            group=np.unique(np.array(group, np.int64), return_inverse=True)[1].reshape(-1),
            context=[contexts[context] for _, context in passages],
        )
        self._derived.clear()

    def remove(self, document: str) -> None:
        """Forget a document.

        Raises ``UsageError`` if the collection does not have it.
        """
        if document not in self:
            raise UsageError(f"the collection has no document {document!r}.")
        if self._added.pop(document, None) is None:
            self._removed.add(document)
        self._derived.clear()

    def __contains__(self, document: object) -> bool:
        if document in self._added:
            return True
        return document not in self._removed and document in self._places

    def __len__(self) -> int:
        """Number of passages."""
        return len(self.table.groups)

    @property
    def documents(self) -> list[str]:
        """Names of the documents, ascending; the order of their rows."""
        self.table  # noqa: B018
        return self._names

    def rows(self, document: str) -> range:
        """The passages of a document.

        Raises ``UsageError`` if the collection does not have it.
        """
        if document not in self:
            raise UsageError(f"the collection has no document {document!r}.")
        starts, place = self.table.document_starts, self._places[document]
        return range(int(starts[place]), int(starts[place + 1]))

    @property
    def table(self) -> Table:
        """The counts, with all changes."""
        if self._added or self._removed:
            old, new = self._names, sorted(self._added)
            names = sorted([*(name for name in old if name not in self._removed), *new])
            order = {name: place for place, name in enumerate(names)}
            table = _counted(self._added, self._fresh)
            if old:
                stay = [-1 if name in self._removed else order[name] for name in old]
                table = _joined([(self._table, stay), (table, [order[name] for name in new])], len(names))
            self._table = attrs.evolve(table, names=_ended(names))
            self._names, self._places = names, order
            self._added, self._removed, self._fresh = {}, set(), {}
        return self._table

    def derived(self, key: Hashable, compute: Callable[[], T]) -> T:
        """``compute()``, a function of the counts alone, kept until the next change."""
        if key not in self._derived:
            self._derived[key] = compute()
        found: T = self._derived[key]
        return found

    def by_document(self) -> Collection:
        """The same text with each document as one passage, its contexts counted as text."""
        return self.derived("by document", lambda: Collection(_whole(self.table), finer=self))


def _table(arrays: Mapping[str, np.ndarray]) -> Table:
    def of(field: str) -> Any:
        if field in ("text", "context", "confirmed", "spelled"):
            return Postings(*(arrays[f"{field}.{part.name}"] for part in attrs.fields(Postings)))
        return arrays[field]

    return Table(*(of(field.name) for field in attrs.fields(Table)))


# --- strings as rows of bytes ---


def strings(rows: np.ndarray) -> np.ndarray:
    """uint8 ``(n, width)`` -> byte strings ``(n,)``, for searching and comparing."""
    width = max(rows.shape[1], 1)
    return np.ascontiguousarray(rows).view(f"S{width}").reshape(-1) if len(rows) else np.empty(0, "S1")


def _united(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The different byte strings of ``parts``, sorted, uint8 ``(n, width)``; the places of a part's in it."""
    every = np.concatenate(parts)
    if not len(every):
        return np.empty((0, 1), np.uint8), list(parts)
    order = np.argsort(every, kind="stable")  # fast on sorted runs, as are the strings of a table
    found = every[order]
    first = np.append(True, found[1:] != found[:-1])
    places = np.empty(len(every), np.int64)
    places[order] = np.cumsum(first) - 1
    found = found[first]
    width = max(1, int(np.char.str_len(found).max()))
    rows = found.astype(f"S{width}").view(np.uint8).reshape(len(found), width)
    return rows, np.split(places, np.cumsum([len(part) for part in parts])[:-1])


def _ended(names: Sequence[str]) -> np.ndarray:
    return np.frombuffer("".join(f"{n}\0" for n in names).encode("utf-8", "surrogatepass"), np.uint8)


# --- changes ---


def _starts(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where units of these sizes begin, and where the last one ends, int64."""
    return np.append(0, np.cumsum(np.array(sizes, np.int64)))


def _all(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Integers in one array, int64."""
    return np.concatenate([np.empty(0, np.int64), *arrays])


def _counted(added: Mapping[str, _Added], fresh: Mapping[str, _Numbers]) -> Table:
    """The table of new documents, without their names."""
    terms, words, first = list[bytes](), list[bytes](), dict[str, int]()
    for language, known in fresh.items():
        first[language], stop = len(terms), stop_words(language)
        for word in known:
            term = "" if word in stop else stem(word[:LONGEST], language)
            terms.append(term.encode("utf-8", "surrogatepass"))
            words.append(f"{word[:LONGEST]}{BETWEEN}{term}".encode("utf-8", "surrogatepass"))
    parts = [added[name] for name in sorted(added)]
    carries = np.array([bool(term) for term in terms], bool)

    def entries(texts: list[_Words], units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Words that carry a subject, and the unit of each."""
        shifted = [numbers + first[p.language] for (numbers, _), p in zip(texts, parts, strict=True)]
        numbers = _all(shifted)
        stay = carries[numbers]
        return numbers[stay], np.repeat(units, _all(sizes for _, sizes in texts))[stay]

    texts, contexts = [part.texts for part in parts], [part.contexts for part in parts]
    rows = _starts([len(part.group) for part in parts])
    above = _starts([len(sizes) for _, sizes in contexts])
    place = np.arange(len(parts))
    text, context = entries(texts, np.arange(rows[-1])), entries(contexts, np.arange(above[-1]))
    confirmed = entries([part.confirmed for part in parts], np.arange(rows[-1]))
    both = (
        entries(texts, np.repeat(place, np.diff(rows))),
        entries(contexts, np.repeat(place, np.diff(above))),
    )
    numbers, documents = (np.concatenate(pair) for pair in zip(*both, strict=True))
    used = np.unique(numbers)  # a word may be of a document that is gone again
    meant = np.union1d(used, confirmed[0])
    of_term, of_word = np.zeros((2, len(terms)), np.int64)
    stems, [of_term[meant]] = _united([np.array(terms, bytes)[meant]])
    spellings, [of_word[used]] = _united([np.array(words, bytes)[used]])

    def postings(places: np.ndarray, units: np.ndarray, size: int, width: int) -> Postings:
        return Postings.made(places, units, np.ones(len(places), np.uint16), size, width)

    return Table(
        names=_ended([]),
        document_starts=rows,
        languages=np.array([LANGUAGES.index(part.language) for part in parts], np.uint8),
        group_starts=_starts([int(part.group.max(initial=-1)) + 1 for part in parts]),
        groups=_all(part.group for part in parts).astype(np.int32),
        context_starts=above,
        contexts=np.array([number for part in parts for number in part.context], np.int32),
        terms=stems,
        words=spellings,
        text=postings(of_term[text[0]], text[1], len(stems), int(rows[-1])),
        context=postings(of_term[context[0]], context[1], len(stems), int(above[-1])),
        confirmed=postings(of_term[confirmed[0]], confirmed[1], len(stems), int(rows[-1])),
        spelled=postings(of_word[numbers], documents, len(spellings), len(parts)),
    )


def _joined(pieces: Sequence[tuple[Table, Sequence[int]]], count: int) -> Table:
    """One table of ``count`` documents, without names, from several.

    With each table the new place of each of its documents is given, −1 for one that goes.
    """
    tables, places = [table for table, _ in pieces], [np.array(to, np.int64) for _, to in pieces]

    def moved(starts: str) -> tuple[np.ndarray, list[np.ndarray]]:
        """New starts of the documents' units, and the new number of each unit of a table, or −1."""
        sizes = np.zeros(count, np.int64)
        for table, to in zip(tables, places, strict=True):
            sizes[to[to >= 0]] = np.diff(getattr(table, starts))[to >= 0]
        new, numbers = _starts(sizes), []
        for table, to in zip(tables, places, strict=True):
            old = getattr(table, starts)
            keep, shift = (np.repeat(each, np.diff(old)) for each in (to >= 0, new[to] - old[:-1]))
            numbers.append(np.where(keep, shift + np.arange(old[-1]), -1))
        return new, numbers

    def values(field: str, numbers: list[np.ndarray]) -> np.ndarray:
        every = np.concatenate([getattr(table, field) for table in tables])
        to = np.concatenate(numbers)
        out = np.empty(np.count_nonzero(to >= 0), every.dtype)
        out[to[to >= 0]] = every[to >= 0]
        return out

    (starts, rows), (group_starts, _) = moved("document_starts"), moved("group_starts")
    context_starts, above = moved("context_starts")
    return Table(
        names=_ended([]),
        document_starts=starts,
        languages=values("languages", places),
        group_starts=group_starts,
        groups=values("groups", rows),
        context_starts=context_starts,
        contexts=values("contexts", rows),
        **_counts(
            tables,
            "terms",
            text=(int(starts[-1]), rows),
            context=(int(context_starts[-1]), above),
            confirmed=(int(starts[-1]), rows),
        ),
        **_counts(tables, "words", spelled=(count, places)),
    )


def _counts(
    tables: Sequence[Table], vocabulary: str, **sides: tuple[int, list[np.ndarray]]
) -> dict[str, Any]:
    """Strings that are still used, and the postings by them; of each the width and the new rows."""
    kept: dict[str, list[tuple[np.ndarray, ...]]] = {}
    used = [np.zeros(len(getattr(table, vocabulary)), np.int64) for table in tables]
    for side, (_, numbers) in sides.items():
        kept[side] = []
        for table, to, mask in zip(tables, numbers, used, strict=True):
            postings: Postings = getattr(table, side)
            rows = to[postings.rows]
            stay = rows >= 0
            kept[side].append((postings.terms[stay], rows[stay], postings.counts[stay]))
            mask[kept[side][-1][0]] = 1
    old = (strings(getattr(table, vocabulary)) for table in tables)
    found, new = _united([each[mask > 0] for each, mask in zip(old, used, strict=True)])
    for mask, to in zip(used, new, strict=True):
        mask[mask > 0] = to
    made: dict[str, Any] = {vocabulary: found}
    for side, (width, _) in sides.items():
        of_new = [(to[terms], *more) for to, (terms, *more) in zip(used, kept[side], strict=True)]
        terms, rows, numbers_ = (np.concatenate(each) for each in zip(*of_new, strict=True))
        made[side] = Postings.made(terms, rows, numbers_, len(found), width)
    return made


def _whole(table: Table) -> Table:
    """Each document as one passage, with the words of its contexts."""
    documents = len(table.languages)
    starts, own = np.arange(documents + 1), np.zeros(documents, np.int32)
    of_row = np.repeat(starts[:-1], np.diff(table.document_starts))
    of_context = np.repeat(starts[:-1], np.diff(table.context_starts))
    said = table.confirmed
    terms, rows, counts = (
        np.concatenate(pair)
        for pair in (
            (table.text.terms, table.context.terms),
            (of_row[table.text.rows], of_context[table.context.rows]),
            (table.text.counts, table.context.counts),
        )
    )
    return attrs.evolve(
        table,
        document_starts=starts,
        group_starts=starts,
        groups=own,
        context_starts=starts,
        contexts=own,
        text=Postings.made(terms, rows, counts, len(table.terms), documents),
        context=Postings.made(terms[:0], rows[:0], counts[:0], len(table.terms), documents),
        confirmed=Postings.made(said.terms, of_row[said.rows], said.counts, len(table.terms), documents),
    )
