"""The inverted index: the passages of each term with counts, in tables of a database.

Its content depends only on the documents in it and on the confirmed questions of their passages. It does not
depend on the order in which they were added, nor on deleted documents.

>>> notes = InvertedIndex()
>>> passages = [("Press the red button.", "Boiler"), ("The boiler is in the cellar.", "Boiler")]
>>> _ = notes.add("heating.md", passages)
>>> _ = notes.add("garden.md", [("Water the tomatoes.", "")])
>>> len(notes), notes.documents, notes.rows("heating.md")
(3, ['garden.md', 'heating.md'], range(1, 3))
>>> rows, counts = notes.postings(notes.term("boiler").id, CONTEXT)
>>> rows.tolist(), counts.tolist()
([1], [1])
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping, Sequence
from math import inf
from typing import Any, TypeVar

import attrs
import numpy as np

from lior.errors import UsageError
from lior.interfaces import Forward, Layout, Passage, PassageVectors, Term, Units
from lior_ask.arrays import unique
from lior_ask.index import writing
from lior_ask.index.database import Database, intact
from lior_ask.index.passage_store import PassageStore
from lior_ask.index.sqlite import SQLite
from lior_ask.index.writing import BLOCK, CONTEXT, MOST, TEXT, Batch, encode, starts_of
from lior_ask.languages.words import IDENTIFIER, LANGUAGES

T = TypeVar("T")
_TERMS = "SELECT id, stem, text, context, confirmed FROM terms"
_RECENT = 32
"""Number of posting lists in memory: a question reads the lists of its terms several times."""


class PassageCounts:
    """The counts of words in passages, as a retriever reads them.

    A passage is a row, from 0. The rows of a document are adjacent, in the order of the documents' names.

    Parameters
    ----------
    database
        The database of the tables.
    """

    finer: PassageCounts | None = None
    """The counts of the passages whose documents are the rows of this one, or ``None``."""
    vectors: PassageVectors | None = None
    """The vectors of the passages; ``None`` without an embedder, and for documents."""
    allowed: np.ndarray | None = None
    """The passages that a retriever may find, bool ``(N,)``; ``None`` for all."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._seen: object = None
        self._derived: dict[Hashable, Any] = {}

    # --- documents ---

    def __contains__(self, document: object) -> bool:
        if not isinstance(document, str):
            return False
        return bool(self.database.rows("SELECT 1 FROM documents WHERE name = ?", encode(document)))

    def __len__(self) -> int:
        """Return the number of passages."""
        return int(self.layout.starts[-1])

    @property
    def documents(self) -> list[str]:
        """The names of the documents, ascending, which is the order of their rows."""
        return [*self.layout.names]

    def rows(self, document: str) -> range:
        """Return the rows of a document.

        Raises ``UsageError`` if the index does not have it.
        """
        layout = self.layout
        place = bisect_left(layout.names, document)
        if layout.names[place : place + 1] != (document,):
            raise UsageError(f"the index has no document {document!r}.")
        return range(int(layout.starts[place]), int(layout.starts[place + 1]))

    def passages(self, rows: range) -> list[Passage]:
        """Return the passages at adjacent rows of a document, from the passage store."""
        layout = self.layout
        place = int(layout.document_of[rows.start])
        first = int(layout.starts[place])
        inside = range(rows.start - first, rows.stop - first)
        return PassageStore(self.database).passages(layout.ids[place], inside, layout.names[place])

    @property
    def layout(self) -> Layout:
        """The positions of passages, paragraphs, contexts and documents."""
        return self._slots[0]

    def _settle(self) -> None:
        """Complete the tables before they are read."""

    @property
    def _slots(self) -> tuple[Layout, list[int], np.ndarray]:
        return self.derived("layout", self._read)

    @intact()
    def _read(self) -> tuple[Layout, list[int], np.ndarray]:
        """Return the layout, the blocks that have passages, and the row of each of their slots, int64."""
        found = self.database.rows("SELECT * FROM documents ORDER BY name")
        names, ids, first, languages, paragraphs, _, *blobs = zip(*found, strict=True) if found else [()] * 12
        kinds = np.uint32, np.uint32, np.int32, np.int32, np.int32, np.uint32
        lengths, distinct, paragraph, context, block, context_lengths = (
            np.frombuffer(b"".join(blob), kind).astype(np.int64)
            for blob, kind in zip(blobs, kinds, strict=True)
        )
        sizes = np.array([len(blob) // 4 for blob in blobs[0]], np.int64)
        starts, paragraph_starts = starts_of(sizes), starts_of(paragraphs)
        if max(languages, default=0) >= len(LANGUAGES) or not len(lengths) == len(distinct) == starts[-1]:
            raise ValueError("its parts do not fit together")
        context_starts = starts_of([len(blob) // 4 for blob in blobs[5]])
        document_of = np.repeat(np.arange(len(names)), sizes)
        new_block = np.diff(block >> 1, prepend=-1) != 0
        new_block[starts[:-1][sizes > 0]] = True
        slots = np.arange(starts[-1]) + (np.array(first, np.int64) - starts[:-1])[document_of]
        blocks = unique(slots // BLOCK)
        row_of = np.full((len(blocks), BLOCK), -1)
        row_of[np.searchsorted(blocks, slots // BLOCK), slots % BLOCK] = np.arange(len(slots))
        layout = Layout(
            names=tuple(name.decode("utf-8", "surrogatepass") for name in names),
            ids=ids,
            languages=np.array(languages, np.int64),
            starts=starts,
            paragraph_starts=paragraph_starts,
            document_of=document_of,
            paragraph_of=paragraph + paragraph_starts[document_of],
            context_of=context + context_starts[document_of],
            block_of=np.cumsum(new_block) - 1,
            title=block % 2 == 1,
            lengths=lengths,
            distinct=distinct,
            context_lengths=context_lengths,
        )
        return layout, blocks.tolist(), row_of

    # --- terms and words ---

    def term(self, stem: str) -> Term | None:
        """Return the term of a stem, or ``None`` if nothing has it."""
        self._settle()
        select = f"{_TERMS} WHERE stem = ?"
        # An unknown stem may get a term by any change.
        found = self.database.cached(select, stem, terms=lambda rows: [row[0] for row in rows] or None)
        return Term(*found[0]) if found else None

    def terms(self) -> list[Term]:
        """Return all terms, in the order of their stems."""
        self._settle()
        return [Term(*row) for row in self.database.cached(f"{_TERMS} ORDER BY stem")]

    def _columns(self, *names: str, ordered: str) -> list[str]:
        """Return the values of columns of a table as text, one line per value."""
        lines = ", ".join(map(self.database.dialect.lines.format, names))
        select = f"SELECT {lines} FROM (SELECT {', '.join(names)} FROM {ordered}) AS o"
        return [column or "" for column in self.database.rows(select)[0]]

    def stems(self, word: str) -> list[str]:
        """Return the stems of a word as it is written in the text, in alphabetical order."""
        self._settle()
        select = "SELECT stem FROM words WHERE word = ? ORDER BY stem"
        return [found for (found,) in self.database.cached(select, word)]

    def vocabulary(self) -> tuple[str, np.ndarray]:
        """Return all words but identifiers, one per line, alphabetically, and their keys, int64 ``(V,)``."""
        self._settle()
        plain = f"words WHERE substr(word, 1, {len(IDENTIFIER)}) <> '{IDENTIFIER}'"
        words, ids = self._columns("word", "id", ordered=f"{plain} ORDER BY word, stem")
        return words, _numbers(ids)

    def word_counts(self) -> list[tuple[str, int, int]]:
        """Return all words in alphabetical order, each with its term key and number of documents."""
        self._settle()
        return self.database.rows(
            "SELECT w.word, t.id, w.documents FROM words w JOIN terms t ON t.stem = w.stem "
            "ORDER BY w.word, w.stem"
        )

    def words_by_id(self, ids: Sequence[int]) -> list[tuple[str, str, int]]:
        """Return the words of some keys in their order, each with its stem and its number of documents."""
        select = f"SELECT id, word, stem, documents FROM words WHERE id IN ({', '.join('?' * len(ids))})"
        found = {key: (word, stem, number) for key, word, stem, number in self.database.cached(select, *ids)}
        return [found[key] for key in ids]

    @intact()
    def postings(self, term: int, field: int = TEXT) -> tuple[np.ndarray, np.ndarray]:
        """Return the passages, or contexts, that have a term, and the counts.

        The rows, int64 ``(n,)``, are in any order; the counts, uint16 ``(n,)``, are positive. For
        :data:`CONTEXT` the row is that of the first passage that has the context.
        """
        recent: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = self.derived("recent", dict)
        if (term, field) not in recent:
            for old in [*recent][: len(recent) - _RECENT + 1]:
                recent.pop(old, None)
            recent[term, field] = self._postings(term, field)
        return recent[term, field]

    def _postings(self, term: int, field: int) -> tuple[np.ndarray, np.ndarray]:
        _, blocks, row_of = self._slots
        pairs, slots = list[np.ndarray](), list[np.ndarray]()
        for place, block in enumerate(blocks):
            select = "SELECT data FROM postings WHERE block = ? AND term = ? AND field = ?"
            for (data,) in self.database.cached(select, block, term, field, terms=lambda rows: (term,)):
                pairs.append(np.frombuffer(data, np.uint16).reshape(-1, 2))
                slots.append(row_of[place, pairs[-1][:, 0]])
        if not pairs:
            return np.empty(0, np.int64), np.empty(0, np.uint16)
        return np.concatenate(slots), np.concatenate(pairs)[:, 1].copy()

    def confirmed(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the postings of a term in confirmed questions, as :meth:`postings` does."""
        rows, terms, counts = self.all_confirmed
        return rows[terms == term], counts[terms == term]

    @property
    def all_confirmed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Passages and terms, int64 ``(n,)``, and counts, uint16, of the words of all confirmed questions."""
        return self.derived("confirmed", self._all_confirmed)

    def _all_confirmed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = self.database.rows(
            "SELECT d.name, c.passage, c.term, c.count FROM confirmed c JOIN documents d ON d.id = c.id "
            "JOIN terms t ON t.id = c.term ORDER BY d.name, c.passage, t.stem"
        )
        first = {
            encode(name): start for name, start in zip(self.layout.names, self.layout.starts, strict=False)
        }
        numbers = [(first[name] + passage, term, count) for name, passage, term, count in found]
        passages, terms, counts = np.array(numbers, np.int64).reshape(-1, 3).T
        return passages, terms, counts.astype(np.uint16)

    @intact()
    def forward(self, of: Units) -> Forward:
        """Return the terms of all documents, passages or contexts."""
        found = self.database.rows(
            f"SELECT f.{of}terms, f.{of}counts, f.context_sizes "
            "FROM documents d JOIN forward f ON f.id = d.id ORDER BY d.name"
        )
        terms, counts, contexts = zip(*found, strict=True) if found else ((), (), ())
        if of == "":
            sizes = np.array([len(each) // 4 for each in terms], np.int64)
        else:
            sizes = self.layout.distinct if of == "passage_" else np.frombuffer(b"".join(contexts), np.int32)
        return Forward(
            starts=starts_of(sizes),
            terms=np.frombuffer(b"".join(terms), np.int32),
            counts=np.frombuffer(b"".join(counts), np.uint16),
        )

    # --- what is computed from the counts ---

    def derived(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return ``compute()``, a function of the counts alone, cached in memory until the next change."""
        self._settle()
        seen = self.database.state()
        if seen != self._seen:  # another process may have changed it
            self._derived, self._seen = {}, seen
        if key not in self._derived:
            self._derived[key] = compute()
        found: T = self._derived[key]
        return found

    def kept(self, key: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return arrays as :meth:`derived` does, cached in the database, too."""

        def found() -> dict[str, np.ndarray]:
            arrays = self.database.kept(key)
            if arrays is None:
                arrays = compute()
                self.database.keep(key, arrays)
            return arrays

        return self.derived(("kept", key), found)

    def by_document(self) -> PassageCounts:
        """Return an index with each document as one passage, with its contexts counted as text."""
        found: PassageCounts = self.derived("by document", lambda: _ByDocument(self))
        return found


def _numbers(lines: str) -> np.ndarray:
    return np.fromstring(lines, np.int64, sep="\n")


class _ByDocument(PassageCounts):
    """An index with each document as one passage, with the words of its contexts."""

    def __init__(self, finer: PassageCounts) -> None:
        super().__init__(finer.database)
        self.finer: PassageCounts = finer
        each = np.arange(len(finer.layout.names))
        lengths = [length for (length,) in self.database.rows("SELECT length FROM documents ORDER BY name")]
        self._layout = attrs.evolve(
            finer.layout,
            starts=np.arange(len(each) + 1),
            paragraph_starts=np.arange(len(each) + 1),
            document_of=each,
            paragraph_of=each,
            context_of=each,
            block_of=each,
            title=np.zeros(len(each), bool),
            lengths=np.array(lengths, np.int64),
            context_lengths=np.zeros(len(each), np.int64),
        )

    @property
    def layout(self) -> Layout:
        return self._layout

    def term(self, stem: str) -> Term | None:
        found = super().term(stem)
        if found is None:
            return None
        documents, confirmed = (len(of(found.id)[0]) for of in (self.postings, self.confirmed))
        return attrs.evolve(found, text=documents, context=0, confirmed=confirmed)

    def postings(self, term: int, field: int = TEXT) -> tuple[np.ndarray, np.ndarray]:
        if field == CONTEXT:
            return np.empty(0, np.int64), np.empty(0, np.uint16)
        parts = [self.finer.postings(term, each) for each in (TEXT, CONTEXT)]
        return self._added(*(np.concatenate(pair) for pair in zip(*parts, strict=True)))

    def _added(self, rows: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the documents of passages, and the summed counts."""
        total = np.bincount(self.finer.layout.document_of[rows], counts, len(self))
        documents = np.flatnonzero(total)
        return documents, np.minimum(total[documents], MOST).astype(np.uint16)

    def confirmed(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        return self._added(*self.finer.confirmed(term))


class InvertedIndex(PassageCounts):
    """An index of the words of passages, with counts, to which documents are added.

    Added documents are written together at the next read.

    Parameters
    ----------
    database
        The database of the tables; in memory if not given.
    """

    left_out = 0
    """The number of uncounted words of the last added document, as it has too many different ones."""

    def __init__(self, database: Database | None = None) -> None:
        super().__init__(database or SQLite())
        self._batch = Batch()

    def __contains__(self, document: object) -> bool:
        return document in self._batch or super().__contains__(document)

    def add(
        self,
        document: str,
        passages: Sequence[tuple[str, str]],
        groups: Sequence[int] | None = None,
        *,
        blocks: Sequence[tuple[int, bool]] | None = None,
        most_words: float = inf,
    ) -> int:
        """Add a document, and return its key in the database.

        Parameters
        ----------
        document
            Name; no other document of the index has it.
        passages
            Text and context of each passage, in their order. Contexts are counted separately, and once if
            several passages share one.
        groups
            Paragraph number of each passage. By default each passage is a paragraph.
        blocks
            Block number of each passage, and whether it is a title. By default the paragraphs are the blocks,
            and there are no titles.
        most_words
            Maximum number of different words that are counted in a document of 512 passages or more; later
            ones are dropped.

        Raises ``UsageError`` if the index has the document.
        """
        fault = ""
        if document in self:
            fault = f"the index has a document {document!r} already; delete it first"
        elif "\0" in document:
            fault = f"a document's name has no zero byte: {document!r}"
        elif groups is not None and len(groups) != len(passages):
            fault = f"{document!r} has {len(passages)} passages and {len(groups)} paragraph numbers"
        if fault:
            raise UsageError(f"{fault}.")
        with self.database.writing():
            key: int = self.database.meta("next")
            self.database.set_meta("next", key + 1)
            groups = range(len(passages)) if groups is None else groups
            blocks = [(group, False) for group in groups] if blocks is None else blocks
            self.left_out = self._batch.add(document, key, passages, groups, blocks, most_words)
            if self._batch.full:
                self.flush()
        return key

    def delete(self, document: str) -> int:
        """Delete a document, and return the key that it had.

        Raises ``UsageError`` if the index does not have it.
        """
        self.flush()
        with self.database.writing():
            return writing.delete(self.database, document)

    def confirm(self, document: str, confirmed: Mapping[int, Sequence[str]]) -> None:
        """Replace the confirmed questions of the passages of a document.

        Parameters
        ----------
        confirmed
            Number of a passage in the document -> words of its questions.

        Raises ``UsageError`` if the index does not have the document.
        """
        self.flush()
        with self.database.writing():
            writing.confirm(self.database, document, confirmed)

    def flush(self) -> None:
        """Write the documents that were added."""
        if len(self._batch):
            batch, self._batch = self._batch, Batch()
            with self.database.writing():
                batch.write(self.database)

    def rollback(self) -> None:
        """Drop the documents that were added and not yet written."""
        self._batch = Batch()

    def _settle(self) -> None:
        self.flush()
