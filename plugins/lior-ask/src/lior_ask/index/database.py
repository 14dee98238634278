"""The database of an index: its tables, and what all that keep them have in common.

:mod:`~lior_ask.index.sqlite` keeps them in a file or in memory, :mod:`~lior_ask.index.postgres` on a server
that many processes share. Statements are SQL that both understand, with ``?`` for a value; for the few things
that SQL has no common word for, each has its :class:`Dialect`.
"""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar

import attrs
import numpy as np

from lior.errors import DataError

TermsOf = Callable[[list[Any]], Iterable[int] | None]
"""The keys of the terms that rows depend on alone; ``None`` where that is not known."""
_DECIDE = "chunking", "index", "languages"
"""Packages whose sources decide what stands in an index."""
_READERS = "lior.reading", "lior_plugins.readers"
"""Packages whose sources decide what is read of a file."""
_SOURCES = ".py", ".toml"
_PACKAGE = Path(__file__).parents[1]


@cache
def version(package: Path = _PACKAGE) -> int:
    """31 bits of a digest of the sources that decide what stands in an index: a millisecond.

    An index of another version is made anew, so that a changed chunker or reader needs nothing else. The same
    sources have the same version wherever they are installed.
    """
    digest, folders = sha256(), [package / part for part in _DECIDE]
    for spec in map(find_spec, _READERS):
        folders += map(Path, spec.submodule_search_locations or () if spec else ())
    for folder in folders:
        for file in sorted(file for file in folder.iterdir() if file.suffix in _SOURCES):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return int.from_bytes(digest.digest()[:4], "big") >> 1


@attrs.frozen(kw_only=True)
class Dialect:
    """What the SQL of a store calls the things that have no common name."""

    text: str
    """Type of texts, which are sorted as in Python."""
    blob: str
    """Type of bytes."""
    id: str
    """Type of a key that is counted up where none is given."""
    tree: str
    """End of a table whose rows lie in the order of its key."""
    lines: str
    """All values of the column ``{}``, a line each, in the order of the rows."""


def schema(of: Dialect) -> tuple[str, ...]:
    """Statements that make the tables."""
    text, blob, key, tree = of.text, of.blob, of.id, of.tree
    return (
        # Entries by name, as JSON: the generation, which every change raises, and what users of it keep.
        f"CREATE TABLE meta(key {text} PRIMARY KEY, value {text}) {tree}",
        "INSERT INTO meta VALUES ('generation', '0'), ('next', '0'), ('slots', '0')",
        # Arrays computed from the content; empty after a change.
        f"CREATE TABLE derived(key {text} PRIMARY KEY, data {blob}) {tree}",
        # What is known of files, as JSON; names are UTF-8.
        f"CREATE TABLE files(name {blob} PRIMARY KEY, entry {text}) {tree}",
        # Texts of files and of texts given in Python, compressed, where processes share the index.
        f"CREATE TABLE originals(name {blob}, number bigint, data {blob}, PRIMARY KEY(name, number)) {tree}",
        # Passages of a document, 256 in a row: the key is the document's id * 2**24 + number of the part.
        f"CREATE TABLE texts(key {key}, data {blob})",
        # What is known of a document beside its passages, as JSON: kinds, dates, and the columns of its
        # tables; the rows of a table, compressed: the key is the document's id * 2**24 + number of the table.
        f"CREATE TABLE records(id {key}, about {text})",
        f"CREATE TABLE cells(key {key}, data {blob})",
        # What an embedder reads of each passage of a document: 64 bits of its SHA-256 (int64).
        f"CREATE TABLE readings(id {key}, keys {blob})",
        f"CREATE TABLE embedders(id {key}, digest {text} UNIQUE)",
        # Vectors of such texts, int8, as long as a passage has the text; those of the last questions.
        f"CREATE TABLE vectors(embedder bigint, text bigint, data {blob},"
        f" PRIMARY KEY(embedder, text)) {tree}",
        f"CREATE TABLE asked(id {key}, embedder bigint, text bigint, data {blob})",
        # Questions that a passage, by the SHA-256 of its text, was confirmed to answer.
        f"CREATE TABLE questions(document {blob}, passage {text}, question {text},"
        f" PRIMARY KEY(document, passage, question)) {tree}",
        # `length` is in words, with those of the contexts. By passage: words and different terms (uint32);
        # paragraph, context, and twice the block, plus 1 for a title, in the document (int32); words of each
        # context (uint32). `first` is the slot of the first passage; slots are never used twice.
        f"CREATE TABLE documents(name {blob} PRIMARY KEY, id bigint, first bigint, language bigint,"
        f" paragraphs bigint, length bigint, lengths {blob}, distinct_terms {blob}, paragraph {blob},"
        f" context {blob}, block {blob}, context_lengths {blob}) {tree}",
        # Terms (int32) and counts (uint16) of a document, of each passage, of each context, and its words
        # (int32); all in the order of the stems.
        f"CREATE TABLE forward(id {key}, terms {blob}, counts {blob}, passage_terms {blob},"
        f" passage_counts {blob}, context_terms {blob}, context_counts {blob}, context_sizes {blob},"
        f" words {blob})",
        # Passages, contexts, and passages with confirmed questions that have a stem.
        f"CREATE TABLE terms(id {key}, stem {text} UNIQUE, text bigint, context bigint, confirmed bigint)",
        # Words as written, and how many documents have them.
        f"CREATE TABLE words(id {key}, word {text}, stem {text}, documents bigint, UNIQUE(word, stem))",
        # Pairs of uint16: slot inside a block of 65,536, count. Field 0 is the text, 1 the context of the
        # first passage that has it.
        f"CREATE TABLE postings(block bigint, field bigint, term bigint, data {blob},"
        f" PRIMARY KEY(block, field, term)) {tree}",
        # Words of confirmed questions: number of the passage in its document.
        "CREATE TABLE confirmed(id bigint, passage bigint, term bigint, count bigint,"
        f" PRIMARY KEY(id, passage, term)) {tree}",
    )


class DamagedIndex(DataError):
    """The file of an index is of another program or version, or its content does not fit together."""


@contextlib.contextmanager
def intact() -> Iterator[None]:
    """Raise ``DamagedIndex`` when what is read inside does not fit together."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedIndex(f"damaged ({error})") from error


class Database(ABC):
    """An open database; threads use it one after the other."""

    dialect: ClassVar[Dialect]
    path: Path | None = None
    """Its file; ``None`` where it is in memory or on a server."""
    frozen = False
    """Whether the file is only read: the first change is made to a copy in memory."""
    shared = False
    """Whether it is on a server, where other processes change it at any time."""

    def __init__(self) -> None:
        self.lock = RLock()
        """Threads use the connection one after the other."""
        self.revision = 0
        """Raised by every change through this connection, also inside a transaction or when it is undone."""
        self.generation = 0
        """That of the content after the last change through this connection."""
        self.settled: Callable[[], object] = lambda: None
        """Called when the content was changed, before that is kept: the arrays that it computes are kept
        with it, so that no other process computes them."""
        self._state: tuple[int, int] | None = None
        self._open = self._changed = self._erased = False

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    # --- statements ---

    @abstractmethod
    def rows(self, statement: str, *values: Any) -> list[Any]:
        """The rows that a statement gives."""

    def cached(self, statement: str, *values: Any, terms: TermsOf = lambda rows: None) -> list[Any]:
        """The rows of a query of the content, which are the same until its next change.

        Where each statement is a journey, they are cached until then; with ``terms``, until one of these is
        :meth:`touched`.
        """
        return self.rows(statement, *values)

    @abstractmethod
    def run(self, statement: str, rows: Iterable[Any]) -> None:
        """Execute a statement for each of ``rows``."""

    def meta(self, key: str) -> Any:
        """An entry; ``None`` if there is none."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(found[0][0]) if found else None

    def set_meta(self, key: str, value: Any) -> None:
        """Replace an entry."""
        replace = "INSERT INTO meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
        self.rows(replace, key, json.dumps(value))

    def state(self) -> tuple[int, int]:
        """Numbers that are others after every change, by this connection or another process."""
        if not self._open or self._state is None or self._state[0] != self.revision:
            self._state = self.revision, self.meta("generation")
        return self._state

    # --- transactions ---

    @abstractmethod
    def _begin(self, *, writes: bool) -> None:
        """Begin a transaction; one that writes is the only one of all processes."""

    @abstractmethod
    def _end(self) -> None:
        """End a transaction that only read."""

    @abstractmethod
    def _commit(self) -> None:
        """End a transaction that writes."""

    @abstractmethod
    def _rollback(self) -> None:
        """Undo a transaction, if one is open."""

    def _settle(self) -> None:
        """Called at the end of a transaction that changed the content, before it is kept."""
        self.settled()

    def _written(self) -> None:  # noqa: B027 (most have nothing to do)
        """Called after a transaction that writes."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read inside is of one moment."""
        with self.lock:
            if self._open:
                yield
                return
            self._begin(writes=False)
            self._open, self._state = True, None
            try:
                yield
            finally:
                self._open = False
                self._end()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """All that is written inside is kept when it ends, and none of it after an error."""
        with self.lock:
            if self._open:
                yield
                return
            self._begin(writes=True)
            self._open, self._changed, self._state = True, False, None
            try:
                yield
                if self._changed:
                    self.rows("DELETE FROM derived")
                    self.set_meta("generation", self.meta("generation") + 1)
                    self._state = None
                    self._settle()
                self.generation = self.meta("generation")
                self._commit()
            except BaseException:
                self.revision += 1
                self._rollback()
                self._changed = self._erased = False
                raise
            finally:
                self._open = False
            self._written()
            self._changed = self._erased = False

    @abstractmethod
    def spare_time(self, work: Callable[[], object]) -> bool:
        """Run ``work``, which keeps what can be computed again; whether it could be kept.

        It is a transaction by itself, which waits for no other process and raises no generation.
        """

    def chosen(self) -> bool:
        """Whether this process does what one of those that share the database is to do."""
        return True

    def changed(self, *, erased: bool = False) -> None:
        """Say inside :meth:`writing` that the content is another one, and whether something was deleted."""
        self._changed, self._erased = True, self._erased or erased
        self.revision += 1

    def touched(self, terms: Iterable[int]) -> None:  # noqa: B027 (most keep no rows in memory)
        """Say inside :meth:`writing` of which terms, by their keys, counts or postings change."""

    # --- arrays computed from the content ---

    def kept(self, key: str) -> dict[str, np.ndarray] | None:
        """What :meth:`keep` kept since the last change."""
        for (data,) in self.rows("SELECT data FROM derived WHERE key = ?", key):
            try:
                with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                    return dict(arrays)
            except (ValueError, LookupError, zipfile.BadZipFile):  # damaged
                return None
        return None

    def keep(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays until the next change, where another process does not write and the file can be."""
        data = io.BytesIO()
        np.savez(data, **arrays)  # type: ignore[arg-type]
        self._keep(key, data.getbuffer())

    @abstractmethod
    def _keep(self, key: str, data: memoryview) -> None:
        """Keep data of a name until the next change, if that can be done now."""


KEEP = "INSERT INTO derived VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET data = excluded.data"
"""Keep an array."""
