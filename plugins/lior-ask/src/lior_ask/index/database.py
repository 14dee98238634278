"""The database of an index: its tables, and the common part of all stores.

:mod:`~lior_ask.index.sqlite` keeps them in a file or in memory, :mod:`~lior_ask.index.postgres` on a server
that many processes share. Statements are SQL that both understand, with ``?`` for a value; each store has a
:class:`Dialect` for the few parts where SQL differs.
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
"""A function of rows that returns the keys of the only terms that they depend on, or ``None`` if unknown."""
_DECIDE = "chunking", "index", "languages"
"""Packages whose sources determine the content of an index."""
_READERS = "lior.reading", "lior_plugins.readers"
"""Packages whose sources determine the text read from a file."""
_SOURCES = ".py", ".toml"
_PACKAGE = Path(__file__).parents[1]


@cache
def version(package: Path = _PACKAGE) -> int:
    """Return 31 bits of a digest of the sources that determine the content of an index; takes a millisecond.

    An index of another version is rebuilt, so that a changed chunker or reader needs no other step. Equal
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
    """The SQL of a store where the dialects differ."""

    text: str
    """The type of texts, which sort as in Python."""
    blob: str
    """The type of bytes."""
    id: str
    """The type of a key that increments by default."""
    tree: str
    """The end of the definition of a table whose rows are stored in the order of its key."""
    lines: str
    """An expression for all values of the column ``{}``, one per line, in the order of the rows."""


def schema(of: Dialect) -> tuple[str, ...]:
    """Return the statements that create the tables."""
    text, blob, key, tree = of.text, of.blob, of.id, of.tree
    return (
        # Entries by name, as JSON: the generation, which every change increments, and entries of users.
        f"CREATE TABLE meta(key {text} PRIMARY KEY, value {text}) {tree}",
        "INSERT INTO meta VALUES ('generation', '0'), ('next', '0'), ('slots', '0')",
        # Arrays computed from the content; emptied by a change.
        f"CREATE TABLE derived(key {text} PRIMARY KEY, data {blob}) {tree}",
        # Records of files, as JSON; names are UTF-8.
        f"CREATE TABLE files(name {blob} PRIMARY KEY, entry {text}) {tree}",
        # Texts of files and texts given in Python, compressed, if processes share the index.
        f"CREATE TABLE originals(name {blob}, number bigint, data {blob}, PRIMARY KEY(name, number)) {tree}",
        # Passages of a document, 256 in a row: the key is the document's id * 2**24 + number of the part.
        f"CREATE TABLE texts(key {key}, data {blob})",
        # Records of documents, as JSON: kinds, dates, and the columns of tables. The rows of a table,
        # compressed: the key is the document's id * 2**24 + number of the table.
        f"CREATE TABLE records(id {key}, about {text})",
        f"CREATE TABLE cells(key {key}, data {blob})",
        # Keys of the texts that an embedder reads of a document: 64 bits of their SHA-256 (int64).
        f"CREATE TABLE readings(id {key}, keys {blob})",
        f"CREATE TABLE embedders(id {key}, digest {text} UNIQUE)",
        # Vectors of such texts, int8, as long as a document has the text; vectors of the last questions.
        f"CREATE TABLE vectors(embedder bigint, text bigint, data {blob},"
        f" PRIMARY KEY(embedder, text)) {tree}",
        f"CREATE TABLE asked(id {key}, embedder bigint, text bigint, data {blob})",
        # Questions confirmed as answered by a passage, which is identified by the SHA-256 of its text.
        f"CREATE TABLE questions(document {blob}, passage {text}, question {text},"
        f" PRIMARY KEY(document, passage, question)) {tree}",
        # `length` is the number of words, with those of the contexts. Per passage: numbers of words and of
        # different terms (uint32); paragraph, context, and twice the block plus 1 for a title, numbered in
        # the document (int32). Per context: number of words (uint32). `first` is the slot of the first
        # passage; slots are never reused.
        f"CREATE TABLE documents(name {blob} PRIMARY KEY, id bigint, first bigint, language bigint,"
        f" paragraphs bigint, length bigint, lengths {blob}, distinct_terms {blob}, paragraph {blob},"
        f" context {blob}, block {blob}, context_lengths {blob}) {tree}",
        # Terms (int32) and counts (uint16) of a document, its passages and its contexts, and the words of the
        # document (int32), all in the order of the stems.
        f"CREATE TABLE forward(id {key}, terms {blob}, counts {blob}, passage_terms {blob},"
        f" passage_counts {blob}, context_terms {blob}, context_counts {blob}, context_sizes {blob},"
        f" words {blob})",
        # Numbers of passages, of contexts, and of passages with confirmed questions that have a stem.
        f"CREATE TABLE terms(id {key}, stem {text} UNIQUE, text bigint, context bigint, confirmed bigint)",
        # Words as written, and the number of documents that have them.
        f"CREATE TABLE words(id {key}, word {text}, stem {text}, documents bigint, UNIQUE(word, stem))",
        # Pairs of uint16: slot inside a block of 65,536, count. Field 0 is the text, 1 the context of the
        # first passage that has it.
        f"CREATE TABLE postings(block bigint, field bigint, term bigint, data {blob},"
        f" PRIMARY KEY(block, field, term)) {tree}",
        # Words of confirmed questions; `passage` is the number of the passage in its document.
        "CREATE TABLE confirmed(id bigint, passage bigint, term bigint, count bigint,"
        f" PRIMARY KEY(id, passage, term)) {tree}",
    )


class DamagedIndex(DataError):
    """The error of an index file of another program or version, or with inconsistent content."""


@contextlib.contextmanager
def intact() -> Iterator[None]:
    """Raise ``DamagedIndex`` if the content read inside is inconsistent."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedIndex(f"damaged ({error})") from error


class Database(ABC):
    """An open database; one thread uses it at a time."""

    dialect: ClassVar[Dialect]
    path: Path | None = None
    """The file of the database; ``None`` if it is in memory or on a server."""
    frozen = False
    """Whether the file is only read: the first change is made to a copy in memory."""
    shared = False
    """Whether it is on a server, where other processes may change it at any time."""

    def __init__(self) -> None:
        self.lock = RLock()
        """The lock of the connection: one thread uses it at a time."""
        self.revision = 0
        """A counter of the changes through this connection, inside transactions and rollbacks too."""
        self.generation = 0
        """The generation of the content after the last change through this connection."""
        self.settled: Callable[[], object] = lambda: None
        """A callback after a change of the content, before its commit. The arrays that it computes are
        committed too, so that no other process computes them."""
        self._state: tuple[int, int] | None = None
        self._open = self._changed = self._erased = False

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    # --- statements ---

    @abstractmethod
    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Return the rows of a statement."""

    def cached(self, statement: str, *values: Any, terms: TermsOf = lambda rows: None) -> list[Any]:
        """Return the rows of a query of the content, which stay the same until its next change.

        A store on a server caches them until then; with ``terms``, until one of these terms is
        :meth:`touched`.
        """
        return self.rows(statement, *values)

    @abstractmethod
    def run(self, statement: str, rows: Iterable[Any]) -> None:
        """Execute a statement for each of ``rows``."""

    def meta(self, key: str) -> Any:
        """Return an entry, or ``None`` if there is none."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(found[0][0]) if found else None

    def set_meta(self, key: str, value: Any) -> None:
        """Replace an entry."""
        replace = "INSERT INTO meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
        self.rows(replace, key, json.dumps(value))

    def state(self) -> tuple[int, int]:
        """Return revision and generation, which differ after every change by this or another process."""
        if not self._open or self._state is None or self._state[0] != self.revision:
            self._state = self.revision, self.meta("generation")
        return self._state

    # --- transactions ---

    @abstractmethod
    def _begin(self, *, writes: bool) -> None:
        """Begin a transaction; only one process can write at a time."""

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
        """Call :attr:`settled` after a change of the content, before its commit."""
        self.settled()

    def _written(self) -> None:  # noqa: B027 (most have nothing to do)
        """Do work after the commit of a transaction that writes."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read a snapshot: all reads inside see the same content."""
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
        """Run a transaction: commit all changes at its end, or none after an error."""
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
        """Run ``work``, which stores data that can be recomputed; return whether it could be stored.

        It is its own transaction, which does not wait for other processes and does not change the generation.
        """

    def chosen(self) -> bool:
        """Return whether this process is the one that works for all that share the database."""
        return True

    def changed(self, *, erased: bool = False) -> None:
        """Mark the content as changed inside :meth:`writing`, and whether something was deleted."""
        self._changed, self._erased = True, self._erased or erased
        self.revision += 1

    def touched(self, terms: Iterable[int]) -> None:  # noqa: B027 (most keep no rows in memory)
        """Mark the terms, by their keys, whose counts or postings change inside :meth:`writing`."""

    # --- arrays computed from the content ---

    def kept(self, key: str) -> dict[str, np.ndarray] | None:
        """Return the arrays that :meth:`keep` stored after the last change, or ``None``."""
        for (data,) in self.rows("SELECT data FROM derived WHERE key = ?", key):
            try:
                with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                    return dict(arrays)
            except (ValueError, LookupError, zipfile.BadZipFile):  # damaged
                return None
        return None

    def keep(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store arrays until the next change, if the file is writable and no other process writes."""
        data = io.BytesIO()
        np.savez(data, **arrays)  # type: ignore[arg-type]
        self._keep(key, data.getbuffer())

    @abstractmethod
    def _keep(self, key: str, data: memoryview) -> None:
        """Store data under a key until the next change, if that is possible now."""


KEEP = "INSERT INTO derived VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET data = excluded.data"
"""Statement that stores an array."""
