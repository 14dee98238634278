"""Changes to the tables of an inverted index: batches of new documents, deletion, confirmed questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, pairwise
from math import inf
from typing import Any

import attrs
import numpy as np

from lior.errors import UsageError
from lior_ask.index.database import Database
from lior_ask.languages.dates import counted_words
from lior_ask.languages.words import LANGUAGES, LONGEST, SAMPLE, language_of, stem, stop_words

TEXT, CONTEXT = 0, 1
"""Fields of a passage: its own text, and its context."""
MOST = 65_535
"""Maximum count of a word in a passage; higher counts are clipped."""
BLOCK = 1 << 16
"""Number of slots of a postings block; about as many passages are written at a time."""
_WORDS = 1 << 20
"""Number of words written at a time; each takes 150 bytes of memory."""
_VALUES = 500
"""Maximum number of values in a statement."""
_LARGE = 512
"""Minimum number of passages of a document whose vocabulary is limited."""


def encode(name: str) -> bytes:
    """Return a document's name as stored in the database, where names sort as in Python."""
    return name.encode("utf-8", "surrogatepass")


@attrs.frozen
class Entries:
    """Pairs of a term and a unit with counts, each pair once."""

    terms: np.ndarray
    """int64 ``(P,)``."""
    units: np.ndarray
    """int64 ``(P,)``."""
    counts: np.ndarray
    """int64 ``(P,)``, positive, at most :data:`MOST`."""

    @staticmethod
    def made(terms: np.ndarray, units: np.ndarray, counts: np.ndarray | None = None) -> Entries:
        """Return entries from pairs in any order: equal pairs are summed; sorted by term, then unit."""
        key = terms * (int(units.max(initial=0)) + 1) + units
        order = np.argsort(key, kind="stable")
        first = np.flatnonzero(np.diff(key[order], prepend=-1))
        whole = np.ones(len(key), np.int64) if counts is None else counts[order]
        added = np.add.reduceat(whole, first) if len(first) else whole
        return Entries(terms[order[first]], units[order[first]], np.minimum(added, MOST))

    def by_unit(self) -> Entries:
        """Return the entries sorted by unit, then term."""
        order = np.argsort(self.units, kind="stable")
        return Entries(self.terms[order], self.units[order], self.counts[order])

    def sizes(self, units: int) -> np.ndarray:
        """Return the number of entries of each unit, int64 ``(units,)``."""
        return np.bincount(self.units, minlength=units)

    def lengths(self, units: int) -> np.ndarray:
        """Return the number of words of each unit, int64 ``(units,)``."""
        return np.bincount(self.units, self.counts, units).astype(np.int64)


@attrs.frozen
class _Document:
    """A document whose words are read."""

    id: int
    language: str
    large: bool
    texts: _Words
    contexts: _Words
    group: np.ndarray
    """The paragraph of each passage, int64, from 0."""
    block: np.ndarray
    """Twice the block of each passage, from 0, plus 1 for a title, int64."""
    context: list[int]
    """The context of each passage, from 0."""


_Words = tuple[np.ndarray, np.ndarray]
"""The number of each word of some texts in :class:`_Numbers`, and the number of words of each text, int64."""


class _Numbers(dict[str, int]):
    """Numbers of words, in the order of first appearance; −1 for words after the first ``most``."""

    def __init__(self, most: float) -> None:
        super().__init__()
        self.most, self.left_out = most, 0

    def __missing__(self, word: str) -> int:
        if len(self) >= self.most:
            self.left_out += 1
            return -1
        number = self[word] = len(self)
        return number

    def read(self, texts: list[list[str]]) -> _Words:
        numbers = np.fromiter(map(self.__getitem__, chain.from_iterable(texts)), np.int64)
        return numbers, np.fromiter(map(len, texts), np.int64, len(texts))


class Batch:
    """Documents that are written together, so that each posting list is written once."""

    def __init__(self) -> None:
        self.size = 0
        """The number of passages."""
        self._words = 0
        self._documents: dict[str, _Document] = {}
        self._numbers: dict[tuple[str, str], _Numbers] = {}
        """Word numbers by language; a large document has its own, so that its counts depend on it alone."""

    @property
    def full(self) -> bool:
        """Whether it must be written before another document is added."""
        return self.size >= BLOCK or self._words >= _WORDS

    def __contains__(self, document: object) -> bool:
        return document in self._documents

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._documents)

    def add(
        self,
        document: str,
        key: int,
        passages: Sequence[tuple[str, str]],
        groups: Sequence[int],
        blocks: Sequence[tuple[int, bool]],
        most: float,
    ) -> int:
        """Read the words of a document; return how many are not counted after ``most`` different ones."""
        contexts = {context: number for number, context in enumerate(dict.fromkeys(c for _, c in passages))}
        texts = [counted_words(text) for text, _ in passages]
        language = language_of(islice(chain.from_iterable(texts), SAMPLE))
        large = len(passages) >= _LARGE
        numbers = self._numbers.setdefault((language, document * large), _Numbers(most if large else inf))
        before = numbers.left_out
        block, title = np.array(blocks, np.int64).reshape(-1, 2).T
        read, above = numbers.read(texts), numbers.read([counted_words(context) for context in contexts])
        self._documents[document] = _Document(
            id=key,
            language=language,
            large=large,
            texts=read,
            contexts=above,
            group=_number(groups),
            block=2 * _number(block) + title,
            context=[contexts[context] for _, context in passages],
        )
        self.size += len(passages)
        self._words += len(read[0]) + len(above[0])
        return numbers.left_out - before

    def write(self, database: Database) -> None:
        """Write all documents; a transaction is open."""
        names = sorted(self._documents)
        documents = [self._documents[name] for name in names]
        text, context, spelled, stems, words = self._entries(documents)
        rows = starts_of(len(each.group) for each in documents)
        above = starts_of(len(each.contexts[1]) for each in documents)
        place = np.arange(len(documents))
        whole = Entries.made(
            np.concatenate([text.terms, context.terms]),
            np.concatenate(
                [np.repeat(place, np.diff(rows))[text.units], np.repeat(place, np.diff(above))[context.units]]
            ),
            np.concatenate([text.counts, context.counts]),
        ).by_unit()
        used = np.stack([np.bincount(each.terms, minlength=len(stems)) for each in (text, context)], 1)
        ids = _term_ids(database, stems, used)
        word_ids = _word_ids(database, words, np.bincount(spelled.terms, minlength=len(words)))
        database.touched(ids.tolist())
        slot: int = database.meta("slots")
        database.set_meta("slots", slot + self.size)
        first_row = np.full(above[-1], -1)
        context_of = np.array([c for each in documents for c in each.context], np.int64)
        first_row[(context_of + np.repeat(above[:-1], np.diff(rows)))[::-1]] = np.arange(rows[-1])[::-1]
        _write_postings(database, TEXT, text, ids, slot)
        _write_postings(database, CONTEXT, attrs.evolve(context, units=first_row[context.units]), ids, slot)
        columns: list[Sequence[object]] = [
            [encode(name) for name in names],
            [each.id for each in documents],
            (slot + rows[:-1]).tolist(),
            [LANGUAGES.index(each.language) for each in documents],
            [int(each.group.max(initial=-1)) + 1 for each in documents],
            whole.lengths(len(names)).tolist(),
            _cut(text.lengths(rows[-1]), rows, np.uint32),
            _cut(text.sizes(rows[-1]), rows, np.uint32),
            [_bytes(each.group, np.int32) for each in documents],
            [_bytes(each.context, np.int32) for each in documents],
            [_bytes(each.block, np.int32) for each in documents],
            _cut(context.lengths(above[-1]), above, np.uint32),
        ]
        database.run(f"INSERT INTO documents VALUES ({', '.join('?' * 12)})", zip(*columns, strict=True))
        columns = [[each.id for each in documents]]
        bounds = starts_of(text.sizes(rows[-1]))[rows], starts_of(context.sizes(above[-1]))[above]
        columns += _forward(whole, ids, starts_of(whole.sizes(len(names))))
        columns += _forward(text.by_unit(), ids, bounds[0]) + _forward(context.by_unit(), ids, bounds[1])
        columns.append(_cut(context.sizes(above[-1]), above, np.int32))
        spelled = spelled.by_unit()
        columns.append(_cut(word_ids[spelled.terms], starts_of(spelled.sizes(len(names))), np.int32))
        database.run(f"INSERT INTO forward VALUES ({', '.join('?' * 9)})", zip(*columns, strict=True))
        database.changed()

    def _spelled(self) -> tuple[list[str], list[str], dict[tuple[str, str], int]]:
        """Return the stem, empty for a stop word, and the word of each number, and the first of each list."""
        stem_of, word_of, first = list[str](), list[str](), dict[tuple[str, str], int]()
        for (language, large), known in self._numbers.items():
            first[language, large], stop = len(stem_of), stop_words(language)
            stem_of += ["" if word in stop else stem(word[:LONGEST], language) for word in known]
            word_of += [word[:LONGEST] for word in known]
        return stem_of, word_of, first

    def _entries(
        self, documents: Sequence[_Document]
    ) -> tuple[Entries, Entries, Entries, list[str], list[tuple[str, str]]]:
        """Return terms of passages and of contexts, words of documents, and the sorted stems and words."""
        stem_of, word_of, first = self._spelled()

        def read(words: Sequence[_Words]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            """Return the numbers of all words, and the text and the document of each."""
            sizes = _concatenate(sizes for _, sizes in words)
            of_text = np.repeat(np.arange(len(sizes)), sizes)
            of_document = np.repeat(np.arange(len(words)), [len(numbers) for numbers, _ in words])
            numbers = _concatenate(
                np.where(numbers < 0, len(stem_of), numbers + begin)
                for (numbers, _), begin in zip(words, begins, strict=True)
            )
            stay = carries[numbers]
            return numbers[stay], of_text[stay], of_document[stay]

        begins = [
            first[each.language, name * each.large]
            for name, each in zip(sorted(self._documents), documents, strict=True)
        ]
        carries = np.array([*map(bool, stem_of), False], bool)
        text, context = read([each.texts for each in documents]), read([each.contexts for each in documents])
        used = np.unique(np.concatenate([text[0], context[0]])).tolist()
        stems = sorted({stem_of[number] for number in used})
        pairs = sorted({(word_of[number], stem_of[number]) for number in used})
        of_stem, of_pair = ({each: place for place, each in enumerate(known)} for known in (stems, pairs))
        term, word = np.zeros((2, len(stem_of)), np.int64)
        term[used] = [of_stem[stem_of[number]] for number in used]
        word[used] = [of_pair[word_of[number], stem_of[number]] for number in used]
        numbers, of_document = np.concatenate([text[0], context[0]]), np.concatenate([text[2], context[2]])
        return (
            Entries.made(term[text[0]], text[1]),
            Entries.made(term[context[0]], context[1]),
            Entries.made(word[numbers], of_document),
            stems,
            pairs,
        )


def starts_of(sizes: Iterable[int] | np.ndarray) -> np.ndarray:
    """Return the starts of units of these sizes, and the end of the last one, int64."""
    return np.append(0, np.cumsum(np.array([*sizes], np.int64)))


def _number(values: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the rank of each value among the different ones, from 0, int64."""
    return np.unique(np.asarray(values, np.int64), return_inverse=True)[1].reshape(-1)


def _concatenate(arrays: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *arrays])


def _bytes(values: Any, kind: type[np.generic]) -> bytes:
    return np.asarray(values).astype(kind).tobytes()


def _cut(values: np.ndarray, bounds: np.ndarray, kind: type[np.generic]) -> list[bytes]:
    """Return the parts of an array as bytes."""
    data, width = _bytes(values, kind), np.dtype(kind).itemsize
    ends = (bounds * width).tolist()
    return [data[begin:end] for begin, end in pairwise(ends)]


def _forward(entries: Entries, ids: np.ndarray, bounds: np.ndarray) -> list[Sequence[object]]:
    """Return terms and counts of each document, whose entries are between ``bounds``."""
    return [_cut(ids[entries.terms], bounds, np.int32), _cut(entries.counts, bounds, np.uint16)]


# --- postings ---


def _write_postings(database: Database, field: int, entries: Entries, ids: np.ndarray, slot: int) -> None:
    """Append entries to the postings; unit 0 is at ``slot``."""
    block, inside = np.divmod(entries.units + slot, BLOCK)
    pairs = np.stack([inside, entries.counts], 1).astype(np.uint16)

    def rows() -> Iterator[tuple[int, int, int, memoryview]]:
        for number in np.unique(block).tolist():
            chosen = np.flatnonzero(block == number)
            terms = entries.terms[chosen]
            data = memoryview(pairs[chosen].tobytes())
            first = np.flatnonzero(np.diff(terms, prepend=-1))
            ends = (4 * np.append(first, len(terms))).tolist()
            which = ids[terms[first]]
            for place in np.argsort(which).tolist():
                yield number, field, int(which[place]), data[ends[place] : ends[place + 1]]

    joined = f"CAST(postings.data || excluded.data AS {database.dialect.blob})"
    conflict = f"ON CONFLICT(block, field, term) DO UPDATE SET data = {joined}"
    database.run(f"INSERT INTO postings VALUES (?, ?, ?, ?) {conflict}", rows())


def _erase_postings(database: Database, terms: Iterable[int], first: int, size: int) -> None:
    """Remove the entries of ``size`` slots from ``first`` on."""
    for block in range(first // BLOCK, (first + size - 1) // BLOCK + 1):
        low, high = first - block * BLOCK, first + size - block * BLOCK
        for term in terms:
            for field in (TEXT, CONTEXT):
                key = (block, term, field)
                where = "WHERE block = ? AND term = ? AND field = ?"
                for (data,) in database.rows(f"SELECT data FROM postings {where}", *key):
                    pairs = np.frombuffer(data, np.uint16).reshape(-1, 2)
                    stay = (pairs[:, 0] < low) | (pairs[:, 0] >= high)
                    if not stay.any():
                        database.rows(f"DELETE FROM postings {where}", *key)
                    elif not stay.all():
                        database.rows(f"UPDATE postings SET data = ? {where}", pairs[stay].tobytes(), *key)


# --- terms and words ---


def _known(database: Database, table: str, column: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the rows of a vocabulary table that have one of some values."""
    found = list[tuple[Any, ...]]()
    for place in range(0, len(values), _VALUES):
        part = values[place : place + _VALUES]
        marks = ", ".join("?" * len(part))
        found += database.rows(f"SELECT * FROM {table} WHERE {column} IN ({marks})", *part)
    return found


def _next_id(database: Database, table: str) -> int:
    [(last,)] = database.rows(f"SELECT max(id) FROM {table}")
    return 0 if last is None else last + 1


def _term_ids(database: Database, stems: Sequence[str], used: np.ndarray) -> np.ndarray:
    """Return the keys of terms; insert new terms, and add ``used`` to the counts."""
    known = {row[1]: row[0] for row in _known(database, "terms", "stem", stems)}
    counts, following = used.tolist(), _next_id(database, "terms")
    old = [(*counts[place], known[each]) for place, each in enumerate(stems) if each in known]
    new = [(each, *counts[place]) for place, each in enumerate(stems) if each not in known]
    # Frequent terms have adjacent keys, so that a change writes few pages.
    new.sort(key=lambda row: -row[1] - row[2])
    database.run("UPDATE terms SET text = text + ?, context = context + ? WHERE id = ?", old)
    known |= {row[0]: key for key, row in enumerate(new, following)}
    database.run("INSERT INTO terms VALUES (?, ?, ?, ?, 0)", [(known[row[0]], *row) for row in new])
    return np.array([known[each] for each in stems], np.int64)


def _word_ids(database: Database, words: Sequence[tuple[str, str]], used: np.ndarray) -> np.ndarray:
    """Return the keys of words with their stems, as :func:`_term_ids` does for terms."""
    found = _known(database, "words", "word", [*dict.fromkeys(word for word, _ in words)])
    known = {(row[1], row[2]): row[0] for row in found}
    counts, following = used.tolist(), _next_id(database, "words")
    old = [(counts[place], known[pair]) for place, pair in enumerate(words) if pair in known]
    new = [(*pair, counts[place]) for place, pair in enumerate(words) if pair not in known]
    new.sort(key=lambda row: -row[2])
    database.run("UPDATE words SET documents = documents + ? WHERE id = ?", old)
    known |= {row[:2]: key for key, row in enumerate(new, following)}
    database.run("INSERT INTO words VALUES (?, ?, ?, ?)", [(known[row[:2]], *row) for row in new])
    return np.array([known[pair] for pair in words], np.int64)


_UNUSED = "DELETE FROM terms WHERE id = ? AND text = 0 AND context = 0 AND confirmed = 0"


# --- documents ---


def delete(database: Database, document: str) -> int:
    """Delete a document, and return the key that it had; a transaction is open.

    Raises ``UsageError`` if the index does not have it.
    """
    key, first, size, _ = _document(database, document)
    confirm(database, document, {})
    [blobs] = database.rows(
        "SELECT terms, passage_terms, context_terms, words FROM forward WHERE id = ?", key
    )
    terms, text, context, words = (np.frombuffer(blob, np.int32).tolist() for blob in blobs)
    database.touched(terms)
    _erase_postings(database, terms, first, size)
    for column, used in (("text", text), ("context", context)):
        less = f"UPDATE terms SET {column} = {column} - 1 WHERE id = ?"
        database.run(less, [(term,) for term in used])
    database.run(_UNUSED, [(term,) for term in terms])
    database.run("UPDATE words SET documents = documents - 1 WHERE id = ?", [(word,) for word in words])
    database.run("DELETE FROM words WHERE id = ? AND documents = 0", [(word,) for word in words])
    database.rows("DELETE FROM forward WHERE id = ?", key)
    database.rows("DELETE FROM documents WHERE name = ?", encode(document))
    database.changed(erased=True)
    return key


def confirm(database: Database, document: str, confirmed: Mapping[int, Sequence[str]]) -> None:
    """Replace confirmed questions as :meth:`InvertedIndex.confirm` does; a transaction is open.

    Raises ``UsageError`` if the index does not have the document.
    """
    key, _, _, language = _document(database, document)
    before = database.rows("SELECT term FROM confirmed WHERE id = ?", key)
    pairs = Counter(
        (number, stem(word[:LONGEST], language))
        for number, words in confirmed.items()
        for word in words
        if word not in stop_words(language)
    )
    if not pairs and not before:
        return
    stems = sorted({each for _, each in pairs})
    ids = dict(
        zip(stems, _term_ids(database, stems, np.zeros((len(stems), 2), np.int64)).tolist(), strict=True)
    )
    rows = [(key, number, ids[each], min(count, MOST)) for (number, each), count in pairs.items()]
    database.rows("DELETE FROM confirmed WHERE id = ?", key)
    database.run("INSERT INTO confirmed VALUES (?, ?, ?, ?)", rows)
    database.touched([*ids.values(), *(term for (term,) in before)])
    database.run("UPDATE terms SET confirmed = confirmed + 1 WHERE id = ?", [(row[2],) for row in rows])
    database.run("UPDATE terms SET confirmed = confirmed - 1 WHERE id = ?", before)
    database.run(_UNUSED, before)
    database.changed(erased=bool(before))


def _document(database: Database, document: str) -> tuple[int, int, int, str]:
    """Return key, first slot, number of passages and language of a document."""
    found = database.rows(
        "SELECT id, first, length(lengths) / 4, language FROM documents WHERE name = ?", encode(document)
    )
    if not found:
        raise UsageError(f"the index has no document {document!r}.")
    key, first, size, language = found[0]
    return key, first, size, LANGUAGES[language]
