"""The table of vectors: texts of passages as an embedder reads them, and their vectors in the database.

The key of a vector is 64 bits of the SHA-256 of the text that the embedder reads. So a text is encoded once,
wherever it stands. A vector is stored with one byte per number. New vectors are rounded in the same way, so
that no answer depends on what was read before.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

from lior.interfaces import Embedder, Passage
from lior_ask.index.database import intact
from lior_ask.index.inverted import InvertedIndex

VARIABLE = "LIOR_EMBEDDER"
"""Environment variable with the default embedder; empty for none."""
ENCODER = "e5"
"""Name of the default sentence encoder."""
_LOG = logging.getLogger("lior_ask")
_BEGINNING = 1000
"""Approximate number of characters read of a document."""
_VALUES = 500
"""Maximum number of values in a statement."""
_ASKED = 500
"""Maximum number of questions whose vectors are stored."""
_GONE = "DELETE FROM vectors WHERE embedder IN (SELECT id FROM embedders) AND text = ?"


def reading(passage: Passage) -> str:
    """Return the text to embed for a passage: its text, then headings and words of the file name.

    The first passage is right for 49 of 121 questions in other words about notes (the sets for fitting), and
    one of the first three for 72. With the headings in front it is 44 and 63; without headings 40 and 68.
    """
    context = ", ".join(filter(None, passage.context.split("\n")))
    return f"{passage.text} ({context})" if context else passage.text


def digest(passage: Passage) -> str:
    """Return the SHA-256 of the text of a passage, the key of its confirmed questions."""
    return hashlib.sha256(passage.text.encode("utf-8", "surrogatepass")).hexdigest()


def beginning(passages: Iterable[Passage]) -> str:
    """Return the text to embed for a document: about its first 1,000 characters, with headings."""
    lines: dict[str, None] = {}
    for passage in passages:
        lines |= dict.fromkeys([*filter(None, passage.context.split("\n")[:-1]), passage.text])
        if sum(map(len, lines)) > _BEGINNING:
            break
    return "\n".join(lines)


def embedder(name: str) -> Embedder:
    """Return the embedder ``NAME``, ``NAME:MODEL`` with a model, or ``package.module:Class``.

    Raises ``UnknownPlugin`` if there is none, ``MissingPackage`` if it needs a package.
    """
    from lior import registry

    made: Embedder = registry.make("embedder", name)
    return made


def default_embedder() -> str:
    """Return ``LIOR_EMBEDDER``, or the name of the sentence encoder; empty for none."""
    return os.environ.get(VARIABLE, ENCODER)


class VectorTable:
    """The vectors of the texts in an index by one embedder, in the database of the index.

    Parameters
    ----------
    index
        The index.
    name
        Name of the embedder for :func:`embedder`; empty for none.
    """

    def __init__(self, index: InvertedIndex, name: str) -> None:
        self.name = name
        self._index, self._database = index, index.database
        self.new: dict[int, bytes] = {}
        """New vectors that are not stored yet, by the key of the text."""
        self.asked: dict[int, bytes] = {}
        """New vectors of questions that are not stored yet, by the key of the question."""
        self._gone: set[int] = set()
        """The keys of texts that were deleted in the open transaction."""

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder, which opens its model at its first use."""
        return embedder(self.name)

    def _read_keys(self) -> np.ndarray:
        select = "SELECT text FROM vectors WHERE embedder = ?"
        kept = [key for (key,) in self._database.rows(select, self._number)]
        return np.array([*kept, *self.new], np.int64)

    def unread(self, every: np.ndarray) -> np.ndarray:
        """Return the places of keys without a vector in ``every``, one of each key, int64, ascending."""
        keys, numbers = np.unique(every, return_index=True)
        return np.sort(numbers[~np.isin(keys, self._read_keys())])

    def keep(self) -> None:
        """Store new vectors, unless another process writes or the file is not writable."""
        new, asked = self.new.copy(), self.asked.copy()  # other threads may add some meanwhile
        if (new or asked) and self._database.spare_time(lambda: self._write(new, asked)):
            for kept, written in ((self.new, new), (self.asked, asked)):
                for key in written:
                    kept.pop(key, None)

    def adopt(self, other: VectorTable) -> None:
        """Store the vectors of another store for texts of this one that lack a vector."""
        if self.name and self.name == other.name:
            every = np.concatenate([self.keys, self.document_keys])
            self.new |= other.kept("vectors", np.setdiff1d(every, self._read_keys()).tolist())
            self.keep()

    def _write(self, new: dict[int, bytes], asked: dict[int, bytes]) -> None:
        # Another process may have deleted a text meanwhile.
        present = {*self.keys.tolist(), *self.document_keys.tolist()}
        database, digest = self._database, self.embedder.digest
        database.rows("INSERT INTO embedders(digest) VALUES (?) ON CONFLICT DO NOTHING", digest)
        number = self._number
        self._drop_earlier(digest, number)
        rows = [(number, key, data) for key, data in new.items() if key in present]
        replace = "ON CONFLICT(embedder, text) DO UPDATE SET data = excluded.data"
        database.run(f"INSERT INTO vectors VALUES (?, ?, ?) {replace}", rows)
        database.run(
            "INSERT INTO asked(embedder, text, data) VALUES (?, ?, ?)",
            [(number, key, data) for key, data in asked.items()],
        )
        database.rows("DELETE FROM asked WHERE id <= (SELECT max(id) FROM asked) - ?", _ASKED)

    def _drop_earlier(self, digest: str, number: int) -> None:
        """Delete the vectors of earlier versions of ``e5``, whose digests begin in the same way."""
        begin = f"{ENCODER}, "
        every = self._database.rows("SELECT id, digest FROM embedders") if digest.startswith(begin) else []
        earlier = [old for old, name in every if old != number and name.startswith(begin)]
        if earlier:
            _LOG.warning("the encoder is a new version: vectors of passages are computed again")
        for old in earlier:
            for table, key in (("vectors", "embedder"), ("asked", "embedder"), ("embedders", "id")):
                self._database.rows(f"DELETE FROM {table} WHERE {key} = ?", old)

    @property
    def _number(self) -> int:
        """The key of the embedder in the database; -1 if it has no vectors."""
        found = self._database.rows("SELECT id FROM embedders WHERE digest = ?", self.embedder.digest)
        return int(found[0][0]) if found else -1

    def kept(self, table: str, keys: Sequence[int]) -> dict[int, bytes]:
        """Return the known vectors of texts, by their keys."""
        new = self.new if table == "vectors" else self.asked
        found = {key: new[key] for key in keys if key in new}
        number, width = self._number, self.embedder.width
        for part in _parts([*{*keys} - found.keys()] if number >= 0 else []):
            marks = ", ".join("?" * len(part))
            select = f"SELECT text, data FROM {table} WHERE embedder = ? AND text IN ({marks})"
            rows = self._database.rows(select, number, *part)
            found |= {key: data for key, data in rows if len(data) == width}
        return found

    @property
    def keys(self) -> np.ndarray:
        """The keys of the passages' texts, int64 ``(N,)``."""
        return self._index.derived("readings", self._all_keys)[0]

    @property
    def document_keys(self) -> np.ndarray:
        """The keys of the documents' beginnings, int64 ``(D,)``."""
        return self._index.derived("readings", self._all_keys)[1]

    @intact()
    def _all_keys(self) -> tuple[np.ndarray, np.ndarray]:
        select = "SELECT r.keys FROM documents d JOIN readings r ON r.id = d.id ORDER BY d.name"
        found = np.frombuffer(b"".join(keys for (keys,) in self._database.rows(select)), np.int64)
        starts = self._index.layout.starts
        last = starts[1:] + np.arange(len(starts) - 1)  # the key of a document follows those of its passages
        if len(found) != len(self._index) + len(last):
            raise ValueError("keys of vectors do not fit")
        return np.delete(found, last), found[last]

    def add(self, document: int, passages: Sequence[Passage]) -> None:
        """Store the text keys of a document, by its key in the index; a transaction is open."""
        keys = np.array(keys_of([*map(reading, passages), beginning(passages)]), np.int64)
        self._database.rows("INSERT INTO readings VALUES (?, ?)", document, keys.tobytes())

    def delete(self, document: int) -> None:
        """Delete the text keys of a document; a transaction is open."""
        for (keys,) in self._database.rows("SELECT keys FROM readings WHERE id = ?", document):
            self._gone |= {*np.frombuffer(keys, np.int64).tolist()}
        self._database.rows("DELETE FROM readings WHERE id = ?", document)

    def clean(self) -> None:
        """Delete the vectors of texts that no document has any more, at the end of a transaction."""
        if not self._gone:
            return
        left = b"".join(keys for (keys,) in self._database.rows("SELECT keys FROM readings"))
        gone = np.setdiff1d(np.array([*self._gone], np.int64), np.frombuffer(left, np.int64)).tolist()
        self.asked = {}
        for key in gone:
            self.new.pop(key, None)
        self._database.run(_GONE, [(key,) for key in gone])
        self._database.rows("DELETE FROM asked")  # a question may repeat the deleted text
        self._gone = set()

    def rollback(self) -> None:
        """Discard the deletions of a failed transaction."""
        self._gone = set()


def keys_of(texts: Iterable[str]) -> list[int]:
    """Return 64 bits of the SHA-256 of each text."""
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return [int.from_bytes(digest[:8], "little", signed=True) for digest in digests]


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for place in range(0, len(values), _VALUES):
        yield values[place : place + _VALUES]


def pack(vectors: np.ndarray) -> list[bytes]:
    """Return vectors with one byte per number; the cosine of two unit vectors changes by .0005 (RMS)."""
    scale = 127 / np.maximum(abs(vectors).max(1, keepdims=True, initial=0), np.float32(1e-9))
    return [row.tobytes() for row in np.rint(vectors * scale).astype(np.int8)]


def unpack(packed: Sequence[bytes], width: int) -> np.ndarray:
    """Return unit vectors, float32 ``(n, width)``."""
    rows = np.frombuffer(b"".join(packed), np.int8).reshape(-1, width).astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1))
