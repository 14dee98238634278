"""The content of an index: passages, counts, tables, vectors and file records, changed in transactions."""

from __future__ import annotations

import contextlib
import copy
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lior.errors import DataError, LiorError, UsageError, did_you_mean, sentences
from lior.interfaces import ParsedDocument, Passage
from lior.reading import (
    TAKES_ALL,
    File,
    SkippedFile,
    SkipReason,
    SourceFile,
    current_account,
    current_limits,
    document_names,
)
from lior_ask.chunking.chunker import chunk_file
from lior_ask.index import cache as caching
from lior_ask.index.context_lines import file_texts
from lior_ask.index.database import DamagedIndex, Database
from lior_ask.index.document_store import OriginalStore
from lior_ask.index.embedding import digest
from lior_ask.index.inverted import InvertedIndex
from lior_ask.index.passage_store import PassageStore
from lior_ask.index.sqlite import SQLite
from lior_ask.index.table_store import RecordStore, pack_tables
from lior_ask.index.vector_store import VectorStore
from lior_ask.index.writing import encode
from lior_ask.question.question import Question, understood
from lior_ask.updates import FileStore, cuts, skipped_of

T = TypeVar("T")
_KEPT = 0.35
"""Minimum share of the time of a file that is left to index the text read; chosen by hand."""
_WORDS = f"only words among the first {{:,}} different ones can be found; {TAKES_ALL}"
_Questions = dict[str, dict[str, list[str]]]
"""Document -> SHA-256 of a passage's text -> the questions confirmed as answered by it, sorted."""


class Content:
    """The stores of an index in one database, which are read and changed together.

    A damaged cache is replaced by an empty one, which :attr:`refill` then fills.

    Parameters
    ----------
    paths, embedder, cache, database
        As for :class:`~lior_ask.api.Index`; the paths are absolute, and the embedder is named.
    """

    def __init__(
        self, paths: tuple[str, ...], embedder: str, database: Database | str | None, *, cache: bool
    ) -> None:
        self.paths, self.embedder = paths, embedder
        self.notes: list[str] = []
        """Notes for the user on how the text was read and kept, one line each."""
        self.skipped: list[SkippedFile] = []
        """The files that were not read, with the reason."""
        self.sources: dict[str, SourceFile] = {}
        """The files in the folders at the last update, by name."""
        self.refill: Callable[[], object] = lambda: None
        """A callback that reads the folders, before a read if there are no file records."""
        self.warm_up: Callable[[], object] = lambda: None
        """A callback after each change of a shared database; see :attr:`Database.settled`."""
        place = caching.cache_file(paths) if cache and paths else None
        self._use(caching.share(database, paths) if database else caching.open_database(place, self.notes))

    def __deepcopy__(self, _: dict[int, object]) -> Content:
        """Return a copy in memory."""
        copied = copy.copy(self)
        copied.notes, copied.skipped = [*self.notes], [*self.skipped]
        copied._use(copy.deepcopy(self.database))
        return copied

    def _use(self, database: Database) -> None:
        self.database = database
        self.inverted = InvertedIndex(database)
        """The inverted index with the counts of all passages."""
        self.passages, self._known = PassageStore(database), FileStore(database)
        self.records, self._originals = RecordStore(database, self.passages), OriginalStore(database)
        self.vectors = VectorStore(self.inverted, self.passage, self.embedder)
        self.inverted.vectors = self.vectors if self.embedder else None
        if database.shared:
            database.settled = lambda: self.warm_up()
        self.files: dict[str, File] = {}
        """The records of files and of texts given in Python, by name."""
        self.seen: int | None = None
        """The generation of the database to which the records belong."""
        with contextlib.suppress(sqlite3.DatabaseError, DamagedIndex):  # noticed when they are used
            self.follow()
        self.skipped = skipped_of(self.files.values())

    # --- reads and transactions ---

    def follow(self) -> None:
        """Reload the file records if another process has changed the content."""
        if (generation := self.database.state()[1]) != self.seen:
            self.files, self.seen = self._known.read(), generation

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Run a transaction: commit all changes at its end, or none after an error."""
        try:
            with self.database.writing():
                self.follow()
                yield
                self.inverted.flush()
                self.vectors.table.clean()
            self.seen = self.database.generation
        except BaseException:
            self.inverted.rollback()
            self.vectors.table.rollback()
            self.files, self.seen = {}, None
            with contextlib.suppress(sqlite3.Error, LiorError):
                self.follow()
            raise

    def read(self, work: Callable[[], T]) -> T:
        """Return ``work()`` on a snapshot of the content."""

        def inside() -> T:
            if not self.files:  # it was rebuilt
                self.refill()
            with self.database.reading():
                self.follow()
                found = work()
            self.vectors.table.keep()
            return found

        return self.safely(inside)

    def safely(self, work: Callable[[], T]) -> T:
        """Return ``work()``; retry in memory if the file is unusable, in a new file if it is damaged."""
        for last in (False, True):
            place = self.database.path
            try:
                with self.database.lock:
                    return work()
            except sqlite3.OperationalError as error:
                if place is None:
                    raise
                caching.note_uncached(place, error, self.notes)
                assert isinstance(self.database, SQLite)
                self.database.detach()
                self._use(self.database)
            except (sqlite3.DatabaseError, DamagedIndex) as error:
                if place is None or not self.paths:
                    raise
                self.database.close()
                mend = caching.made_anew if last else caching.open_again
                self._use(mend(place, error, self.notes))
        return work()

    @property
    def generation(self) -> int:
        """A number that differs after every change of the content, by this or another process."""
        return self.safely(lambda: self.database.state()[1])

    def adopt(self, other: Content) -> None:
        """Copy the vectors of another content for texts that this one has, too."""
        self.safely(lambda: self.vectors.table.adopt(other.vectors.table))

    def copy_to(self, path: Path, **meta: object) -> None:
        """Write a copy with more entries, for :class:`~lior_ask.index.sqlite.SQLite`, to a file.

        Raises ``OSError`` or ``sqlite3.Error`` if it cannot be written; the file is then unchanged.
        """
        assert isinstance(self.database, SQLite)
        self.database.copy_to(path, meta)

    # --- documents ---

    def passage(self, row: int) -> Passage:
        """Return the passage at a row of the inverted index."""
        return self.inverted.passages(range(row, row + 1))[0]

    @property
    def listed(self) -> list[File]:
        """The records of the files and texts that have documents, by name."""
        given = self.read(lambda: [file for file in self.files.values() if file.documents])
        return sorted(given, key=lambda file: file.name)

    def file_of(self, document: str) -> str:
        """Return the file or text given in Python of a document: ``mail.mbox`` for ``mail.mbox#3``."""
        return next((name for name, file in self.files.items() if document in file.documents), document)

    def path(self, document: str) -> Path | None:
        """Return the file of a document, or ``None`` for texts given in Python."""
        return source.path if (source := self.sources.get(self.file_of(document))) else None

    def texts(self, name: str) -> list[bytes]:
        """Return the texts of a file or a text given in Python, UTF-8, with the line numbers of the file.

        Raises ``DataError`` if there are none; only an index that processes share has them.
        """
        found = self.read(lambda: self._originals.texts(name))
        if not found:
            raise DataError(f"{name}: no document of this name.")
        return found

    # --- changes ---

    def read_records(self) -> None:
        """Reload the file records, for an update; :attr:`seen` is their generation."""
        seen = self.database.meta("generation")
        self.files, self.seen = self._known.read(), seen

    def renew(self, file: File, known: File | None) -> bool:
        """Store a file that was read; return whether its documents are replaced. A transaction is open."""
        if known and file.same_as(known) and file.documents == known.documents and not file.content:
            self.files[file.name] = self._known.set(file)
            return False
        self._add(file, self.delete(file.name))
        return True

    def put(
        self,
        name: str,
        parsed: Sequence[ParsedDocument],
        skipped: SkippedFile | None = None,
        texts: Sequence[bytes] = (),
    ) -> None:
        """Replace the documents of a name by parsed ones, or record why there are none.

        ``texts`` are stored for :meth:`texts` if processes share the index.
        """

        def work() -> None:
            size, now = sum(map(len, texts)), time.time_ns() if self.database.shared else 0
            file = File(name, size, now, given=True, content=parsed, texts=texts)
            if skipped:
                file.reason, file.detail = skipped.reason, skipped.detail
            with self.changing():
                known = self.files.get(name)
                if name in self.sources or (known and not known.given):
                    raise UsageError(f"{name} is a file of this index; change the file, or give another name")
                self._add(file, self.delete(name))
            self.skipped = [each for each in self.skipped if each.name != name] + skipped_of([file])

        self.safely(work)

    def forget(self, name: str) -> None:
        """Remove a text given in Python, as :meth:`Index.forget` does."""

        def work() -> None:
            with self.changing():
                if name not in self.files:
                    hint = did_you_mean(name, self.files)
                    raise UsageError(sentences(f"no document {name!r} in this index.", hint))
                if not self.files[name].given:
                    raise UsageError(f"{name} is a file of this index; remove the file, and it is forgotten")
                self.delete(name)

        self.safely(work)
        self.skipped = [each for each in self.skipped if each.name != name]

    def delete(self, name: str) -> _Questions:
        """Delete a file, and return its confirmed questions; a transaction is open."""
        file, questions = self.files.pop(name, None), _Questions()
        for document in file.documents if file else ():
            questions[document] = self._questions(document)
            key = self.inverted.delete(document)
            self.passages.delete(key)
            self.vectors.table.delete(key)
            self.records.delete(key)
            self.database.rows("DELETE FROM questions WHERE document = ?", encode(document))
        self._originals.delete(name)
        self._known.delete(name)
        return questions

    def _add(self, file: File, questions: _Questions) -> None:
        """Chunk and add the documents of a file; a transaction is open."""
        taken, notes, paid = list[str](), list[str](), current_account()
        if paid:
            paid.keep(_KEPT)
        names = document_names(file.name, [parsed.name for parsed in file.content], self.inverted)
        parts = chunk_file(zip(names, file.content, strict=True), file.name, current_limits().passages)
        for document, parsed, passages, note in parts:
            notes += parsed.notes
            if passages:
                notes += self._add_document(document, parsed, passages)
                if document in questions:
                    self._confirm(document, passages, questions[document])
                taken.append(document)
            notes += [note] * bool(note)
        if taken and self.database.shared:  # the file may be on another machine
            source = self.sources.get(file.name)
            self._originals.add(file.name, file_texts(source.path, file.content) if source else file.texts)
        file.documents, file.notes = tuple(sorted(taken)), tuple(notes)
        file.cut = any(map(cuts, notes))
        if file.cut and paid and paid.shortened:
            file.size, file.sha256 = -1, ""  # the next update reads it again, with more time
        file.content = file.texts = ()
        if not taken and not file.reason:
            file.reason = SkipReason.NO_TEXT
        self.files[file.name] = self._known.set(file)

    def _add_document(self, name: str, parsed: ParsedDocument, passages: Sequence[Passage]) -> list[str]:
        """Add a document to all stores, and return notes on what was left out."""
        packed, words = pack_tables(parsed), current_limits().words
        texts, groups = [(p.text, p.context) for p in passages], [p.group for p in passages]
        blocks = [(p.block, p.title) for p in passages]
        key = self.inverted.add(name, texts, groups, blocks=blocks, most_words=words)
        self.passages.add(key, passages)
        self.vectors.table.add(key, passages)
        return [*[_WORDS.format(words)] * bool(self.inverted.left_out), *self.records.add(key, packed)]

    # --- confirmed questions ---

    def confirm(self, question: str, passage: Passage) -> bool:
        """Toggle a confirmed question, as :meth:`Index.confirm` does."""
        document, text = passage.document, digest(passage)
        passages = [self.passage(row) for row in self.inverted.rows(document)]
        if text not in map(digest, passages):  # two sentences; the second is the answer
            ends = [p for p in passages if p.line >= passage.line and passage.text.endswith(p.text)]
            text = next(map(digest, ends), text)
        if text not in map(digest, passages):
            raise UsageError(f"{document} has no such passage; ask again")
        question = " ".join(understood(question).checked().text.lower().split())
        if not Question(question).content:
            raise UsageError(f"the question {question[:60]!r} has only words that name nothing; reword it")

        def work() -> bool:
            with self.changing():
                before = self._questions(document)
                now = {*before.get(text, [])} ^ {question}
                self._confirm(document, passages, {**before, text: sorted(now)})
            return question in now

        return self.safely(work)

    def _confirm(self, document: str, passages: Sequence[Passage], asked: Mapping[str, list[str]]) -> None:
        """Replace the confirmed questions by those of ``asked`` whose passages the document still has."""
        places = {digest(p): place for place, p in reversed([*enumerate(passages)])}
        kept = {text: questions for text, questions in asked.items() if text in places}
        rows = [(encode(document), text, each) for text, questions in kept.items() for each in questions]
        self.database.rows("DELETE FROM questions WHERE document = ?", encode(document))
        self.database.run("INSERT INTO questions VALUES (?, ?, ?)", rows)
        words = {places[text]: [w for q in kept[text] for w in Question(q).content] for text in kept}
        self.inverted.confirm(document, words)

    def _questions(self, document: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        select = "SELECT passage, question FROM questions WHERE document = ? ORDER BY passage, question"
        for passage, question in self.database.rows(select, encode(document)):
            found.setdefault(passage, []).append(question)
        return found
