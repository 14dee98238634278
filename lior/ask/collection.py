"""Counts of the words of passages, from which all that a retriever uses is computed.

A collection is a function of the documents in it: it does not depend on the order in which they were added,
nor on documents that were removed. Learning and forgetting are therefore exact.

>>> notes = Collection.empty()
>>> notes.add("heating.md", [("Press the red button.", "Boiler"), ("The boiler is in the cellar.", "Boiler")])
>>> notes.add("garden.md", [("Water the tomatoes.", "")])
>>> len(notes), notes.documents, notes.rows("heating.md")
(3, ['garden.md', 'heating.md'], range(1, 3))
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain, islice
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
    spelled: Postings
    """Documents that have a word as written."""


@attrs.frozen
class _Added:
    """A document whose words are read and not yet counted in the table."""

    language: str
    texts: _Words
    contexts: _Words
    group: np.ndarray
    """Paragraph of each passage, int64, from 0."""
    context: np.ndarray
    """Context of each passage, int64, from 0."""


@attrs.frozen
class _Words:
    """The words of some texts."""

    numbers: np.ndarray
    """Number of each word in the :class:`_Numbers` of the language, int64."""
    lengths: np.ndarray
    """Words of each text, int64."""


class _Numbers(dict[str, int]):
    """Word -> number, in the order of first appearance."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number

    def read(self, texts: list[list[str]]) -> _Words:
        numbers = np.fromiter(map(self.__getitem__, chain.from_iterable(texts)), np.int64)
        return _Words(numbers, np.fromiter(map(len, texts), np.int64, len(texts)))


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
        self._added: dict[str, _Added] = {}
        self._removed: set[str] = set()
        self._fresh: dict[str, _Numbers] = {}
        self._derived: dict[Hashable, Any] = {}

    @classmethod
    def empty(cls) -> Collection:
        """A collection without documents."""
        return cls(_table({}))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Collection:
        """The collection whose :meth:`arrays` these are; they are used as they are and may be memory-mapped.

        Raises
        ------
        DataError
            If they do not fit each other.
        """
        try:
            table = _table(arrays)
            _check(table)
        except (LookupError, TypeError, ValueError) as error:
            raise DataError(f"the counts of the text are damaged: {error}. Index it again.") from error
        return cls(table)

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
        self, document: str, passages: Sequence[tuple[str, str]], groups: Sequence[int] | None = None
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

        Raises
        ------
        UsageError
            If the collection has the document.
        """
        if document in self:
            raise UsageError(f"the collection has a document {document!r} already; remove it first.")
        if self.finer is not None:
            raise UsageError(
                "a collection made by by_document() cannot learn; add to the one it was made from."
            )
        if "\0" in document:
            raise UsageError(f"a document's name has no zero byte: {document!r}.")
        if groups is not None and len(groups) != len(passages):
            raise UsageError(
                f"{document!r} has {len(passages)} passages and {len(groups)} paragraph numbers."
            )
        contexts = {context: number for number, context in enumerate(dict.fromkeys(c for _, c in passages))}
        texts = [tokens(text) for text, _ in passages]
        language = language_of(islice(chain.from_iterable(texts), SAMPLE))
        numbers = self._fresh.setdefault(language, _Numbers())
        self._added[document] = _Added(
            language=language,
            texts=numbers.read(texts),
            contexts=numbers.read([tokens(context) for context in contexts]),
            group=_numbered(range(len(passages)) if groups is None else groups),
            context=np.fromiter((contexts[context] for _, context in passages), np.int64, len(passages)),
        )
        self._derived.clear()

    def remove(self, document: str) -> None:
        """Forget a document.

        Raises
        ------
        UsageError
            If the collection does not have it.
        """
        if document not in self:
            raise UsageError(f"the collection has no document {document!r}.")
        if self._added.pop(document, None) is None:
            self._removed.add(document)
        self._derived.clear()

    def __contains__(self, document: object) -> bool:
        if document in self._added:
            return True
        return document not in self._removed and _place(self._names, document) is not None

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

        Raises
        ------
        UsageError
            If the collection does not have it.
        """
        starts = self.table.document_starts
        place = _place(self._names, document)
        if place is None:
            raise UsageError(f"the collection has no document {document!r}.")
        return range(int(starts[place]), int(starts[place + 1]))

    @property
    def table(self) -> Table:
        """The counts, with all changes."""
        if self._added or self._removed:
            names, table = _merged(self._names, self._table, self._added, self._removed, self._fresh)
            self._names, self._table = names, table
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


def _place(names: Sequence[str], name: Any) -> int | None:
    """Place of ``name`` among sorted ``names``."""
    place = bisect_left(names, name)
    return place if place < len(names) and names[place] == name else None


def _numbered(groups: Sequence[int]) -> np.ndarray:
    """``groups`` numbered from 0 in their order, int64."""
    return np.unique(np.asarray(groups, np.int64), return_inverse=True)[1].reshape(-1)


def _table(arrays: Mapping[str, np.ndarray]) -> Table:
    """A table of ``arrays``; of no documents where there are none."""
    if not arrays:
        none = Postings(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.uint16))
        rows = {name: np.empty(0, np.int32) for name in ("groups", "contexts")}
        starts = {f"{name}_starts": np.zeros(1, np.int64) for name in ("document", "group", "context")}
        strings = {name: np.empty((0, 1), np.uint8) for name in ("terms", "words")}
        names = {name: np.empty(0, np.uint8) for name in ("names", "languages")}
        return Table(**rows, **starts, **strings, **names, text=none, context=none, spelled=none)
    fields: dict[str, Any] = {}
    for field in attrs.fields(Table):
        if field.type in (Postings, "Postings"):
            parts = (arrays[f"{field.name}.{part.name}"] for part in attrs.fields(Postings))
            fields[field.name] = Postings(*parts)
        else:
            fields[field.name] = arrays[field.name]
    return Table(**fields)


def _check(table: Table) -> None:
    """Raise ``ValueError`` if sizes and bounds of the arrays do not fit; values are covered by checksums."""
    rows, documents = len(table.groups), len(table.document_starts) - 1
    sizes = (
        ("text", table.text, len(table.terms), rows),
        ("context", table.context, len(table.terms), int(table.context_starts[-1])),
        ("spelled", table.spelled, len(table.words), documents),
    )
    for name, postings, columns, width in sizes:
        if len(postings.starts) != columns + 1 or postings.starts[-1] != len(postings.rows):
            raise ValueError(f"{name} has {len(postings.rows)} entries and starts for {postings.starts[-1]}")
        if len(postings.rows) != len(postings.counts):
            raise ValueError(f"{name} has {len(postings.rows)} rows and {len(postings.counts)} counts")
        if len(postings.rows) and not 0 <= postings.rows.min() <= postings.rows.max() < width:
            raise ValueError(f"{name} names row {postings.rows.max()} of {width}")
    if len(table.contexts) != rows or table.document_starts[-1] != rows:
        raise ValueError(f"{rows} passages, {len(table.contexts)} of them with a context")
    for starts in (table.languages, table.group_starts[1:], table.context_starts[1:]):
        if len(starts) != documents:
            raise ValueError(f"{documents} documents, {len(starts)} in another array")
    if np.count_nonzero(table.names == 0) != documents:
        raise ValueError(f"{documents} documents, {np.count_nonzero(table.names == 0)} names")


# --- strings as rows of bytes ---


def strings(rows: np.ndarray) -> np.ndarray:
    """uint8 ``(n, width)`` -> byte strings ``(n,)``, for searching and comparing."""
    width = max(rows.shape[1], 1)
    return np.ascontiguousarray(rows).view(f"S{width}").reshape(-1) if len(rows) else np.empty(0, "S1")


def _bytes(found: np.ndarray) -> np.ndarray:
    """Byte strings ``(n,)`` -> uint8 ``(n, width)`` as narrow as they allow."""
    if not len(found):
        return np.empty((0, 1), np.uint8)
    width = max(1, int(np.char.str_len(found).max()))
    return found.astype(f"S{width}").view(np.uint8).reshape(len(found), width)


def _encoded(found: Iterable[str]) -> np.ndarray:
    encoded = [text.encode("utf-8", "surrogatepass") for text in found]
    return np.array(encoded, dtype=bytes) if encoded else np.empty(0, "S1")


def _merge(kept: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Union of byte strings, sorted; place in it of each of ``kept`` (sorted, distinct) and of ``new``."""
    distinct, back = np.unique(new, return_inverse=True)
    if not len(kept):
        return distinct, np.empty(0, np.int64), back.reshape(-1)
    width = max(kept.dtype.itemsize, distinct.dtype.itemsize)
    kept, distinct = kept.astype(f"S{width}"), distinct.astype(f"S{width}")
    at = np.searchsorted(kept, distinct)
    known = kept[np.minimum(at, len(kept) - 1)] == distinct
    union = np.insert(kept, at[~known], distinct[~known])
    shift = np.searchsorted(distinct[~known], kept)  # new strings before each of the kept
    return union, np.arange(len(kept)) + shift, np.searchsorted(union, distinct)[back.reshape(-1)]


# --- changes ---


@attrs.frozen
class _Blocks:
    """Rows of documents (passages, paragraphs or contexts) moved to the new order of the documents."""

    starts: np.ndarray
    """First row of each document, int64."""
    old: np.ndarray
    """New number of each old row, −1 where its document was removed."""
    new: np.ndarray
    """Number of each added row."""


def _blocks(old_starts: np.ndarray, place: np.ndarray, sizes: list[int], to: np.ndarray) -> _Blocks:
    """Blocks of the documents at ``place`` (−1: removed), and of added ones of ``sizes`` at ``to``."""
    keep, old_sizes, new_sizes = place >= 0, np.diff(old_starts), np.array(sizes, np.int64)
    size = np.zeros(int(keep.sum()) + len(to), np.int64)
    size[place[keep]] = old_sizes[keep]
    size[to] = new_sizes
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(size)])
    old = np.repeat(starts[place] - old_starts[:-1], old_sizes) + np.arange(old_starts[-1])
    new = np.repeat(starts[to] - (np.cumsum(new_sizes) - new_sizes), new_sizes) + np.arange(new_sizes.sum())
    return _Blocks(starts, np.where(np.repeat(keep, old_sizes), old, -1), new)


_Entries = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Terms, rows and counts."""


def _kept(postings: Postings, blocks_old: np.ndarray) -> _Entries:
    """The entries of rows that stay, with their new rows."""
    rows = blocks_old[postings.rows]
    keep = rows >= 0
    return postings.terms[keep], rows[keep], postings.counts[keep]


def _vocabulary(
    old: np.ndarray, kept: list[_Entries], strings_: np.ndarray, added: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, list[_Entries]]:
    """The strings that entries have, sorted, and all entries by them.

    ``old`` has the strings of the ``kept`` entries, ``strings_`` those of the ``added`` ones (string, row).
    """
    used = np.zeros(len(old), bool)
    for terms, _, _ in kept:
        used[terms] = True
    asked = np.unique(np.concatenate([numbers for numbers, _ in added]))
    union, of_kept, of_asked = _merge(strings(old)[used], strings_[asked])
    from_old = np.cumsum(used) - 1
    entries = []
    for (terms, rows, counts), (numbers, new_rows) in zip(kept, added, strict=True):
        new_terms = of_asked[np.searchsorted(asked, numbers)]
        ones = np.ones(len(numbers), np.uint16)
        old_terms = of_kept[from_old[terms]] if len(terms) else terms
        merged = zip((old_terms, rows, counts), (new_terms, new_rows, ones), strict=True)
        a, b, c = (np.concatenate(pair) for pair in merged)
        entries.append((a, b, c))
    return _bytes(union), entries


def _merged(
    old_names: list[str],
    old: Table,
    added: Mapping[str, _Added],
    removed: set[str],
    fresh: Mapping[str, _Numbers],
) -> tuple[list[str], Table]:
    """Names and table after all changes."""
    names = sorted(chain((name for name in old_names if name not in removed), added))
    order = {name: place for place, name in enumerate(names)}
    place = np.array([-1 if n in removed else order[n] for n in old_names], np.int64)
    to = np.array([order[name] for name in added], np.int64)
    parts = list(added.values())
    rows = _blocks(old.document_starts, place, [len(part.group) for part in parts], to)
    groups = _blocks(old.group_starts, place, [int(p.group.max(initial=-1)) + 1 for p in parts], to)
    contexts = _blocks(old.context_starts, place, [len(part.contexts.lengths) for part in parts], to)

    def moved(values: np.ndarray, new: list[np.ndarray], blocks: _Blocks) -> np.ndarray:
        out = np.empty(blocks.starts[-1], values.dtype)
        out[blocks.old[blocks.old >= 0]] = values[blocks.old >= 0]
        out[blocks.new] = np.concatenate(new) if new else []
        return out

    one_each = _blocks(np.arange(len(old_names) + 1), place, [1] * len(parts), to)
    languages = [np.array([LANGUAGES.index(part.language)]) for part in parts]
    terms, words, first = _strings(fresh)

    def entries(texts: list[_Words], targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Words that carry a subject and the row of each."""
        if not texts:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        shifted = (w.numbers + first[part.language] for w, part in zip(texts, parts, strict=True))
        numbers = np.concatenate(list(shifted))
        found = np.repeat(targets, np.concatenate([w.lengths for w in texts]))
        carries = terms[numbers] != b""
        return numbers[carries], found[carries]

    text = entries([part.texts for part in parts], rows.new)
    context = entries([part.contexts for part in parts], contexts.new)
    own = _each(to, [len(part.texts.lengths) for part in parts])
    above = _each(to, [len(part.contexts.lengths) for part in parts])
    spelled = entries([part.texts for part in parts], own), entries([part.contexts for part in parts], above)
    kept = [_kept(old.text, rows.old), _kept(old.context, contexts.old)]
    stems, (text_, context_) = _vocabulary(old.terms, kept, terms, [text, context])
    spellings, (spelled_,) = _vocabulary(old.words, [_kept(old.spelled, place)], words, [_joined(spelled)])
    table = Table(
        names=np.frombuffer("".join(f"{n}\0" for n in names).encode("utf-8", "surrogatepass"), np.uint8),
        document_starts=rows.starts,
        languages=moved(old.languages, languages, one_each),
        group_starts=groups.starts,
        groups=moved(old.groups, [part.group for part in parts], rows),
        context_starts=contexts.starts,
        contexts=moved(old.contexts, [part.context for part in parts], rows),
        terms=stems,
        words=spellings,
        text=Postings.made(*text_, len(stems), int(rows.starts[-1])),
        context=Postings.made(*context_, len(stems), int(contexts.starts[-1])),
        spelled=Postings.made(*spelled_, len(spellings), len(names)),
    )
    return names, table


def _each(values: np.ndarray, sizes: list[int]) -> np.ndarray:
    """Each value as often as its size says."""
    return np.repeat(values, np.array(sizes, np.int64))


def _joined(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    first, second = zip(*pairs, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _strings(fresh: Mapping[str, _Numbers]) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Term and spelling of each numbered word, empty for stop words; first number of each language."""
    terms: list[str] = []
    words: list[str] = []
    first = {}
    for language, numbers in fresh.items():
        first[language], stop = len(terms), stop_words(language)
        found = ["" if word in stop else stem(word[:LONGEST], language) for word in numbers]
        terms += found
        words += [f"{word[:LONGEST]}{BETWEEN}{term}" for word, term in zip(numbers, found, strict=True)]
    return _encoded(terms), _encoded(words), first


def _whole(table: Table) -> Table:
    """Each document as one passage, with the words of its contexts."""
    documents = len(table.languages)
    starts, own = np.arange(documents + 1), np.zeros(documents, np.int32)
    of_row = np.repeat(starts[:-1], np.diff(table.document_starts))
    of_context = np.repeat(starts[:-1], np.diff(table.context_starts))
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
    )
