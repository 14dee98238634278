"""Vectors of the passages of an index by an embedder, computed once, and their cosines with questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from lior.interfaces import Embedder, Passage
from lior_ask.index.embedding import VectorTable, beginning, digest, keys_of, pack, reading, unpack
from lior_ask.index.inverted import InvertedIndex

CONFIRMED = 0.9
"""Factor of the cosine with a confirmed question: questions are similar to each other by their form, too."""
LARGE = 10_000
"""Number of passages of an index above which document beginnings are encoded, too, and first."""
SAMPLE = 4_000
"""Number of passages of a large index that are encoded first, from which the vectors of the others are
predicted: a minute of a core. With a quarter of them, ranks by prediction are 1.7 times as large."""
_TOGETHER = 32
"""Number of texts that are read ahead between two writes."""
_BLOCK = 1 << 11
"""Number of vectors multiplied at a time."""


class VectorStore:
    """The vectors of an inverted index's passages, by one embedder.

    Parameters
    ----------
    index
        The index, whose database stores the vectors.
    passage
        Returns the passage at a row of the index.
    name
        Name of the embedder for :func:`~lior_ask.index.embedding.embedder`; empty for none.
    """

    def __init__(self, index: InvertedIndex, passage: Callable[[int], Passage], name: str) -> None:
        self.table = VectorTable(index, name)
        """The stored vectors."""
        self._index, self._database, self._passage = index, index.database, passage
        self.hurried = False

    @property
    def embedder(self) -> Embedder:
        """The embedder, which opens its model at its first use."""
        return self.table.embedder

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return unit vectors of passages, float32 ``(n, width)``; missing ones are computed."""
        return self._vectors(self.table.keys[rows], rows, self._text)

    def documents(self, numbers: np.ndarray) -> np.ndarray:
        """Return unit vectors of the beginnings of documents, by their numbers, as :meth:`vectors` does."""
        return self._vectors(self.table.document_keys[numbers], numbers, self._beginning)

    def _text(self, row: int) -> str:
        return reading(self._passage(row))

    def _beginning(self, number: int) -> str:
        starts = self._index.layout.starts
        return beginning(map(self._passage, range(starts[number], starts[number + 1])))

    def _vectors(self, of: np.ndarray, numbers: np.ndarray, text: Callable[[int], str]) -> np.ndarray:
        return unpack(self._packed(of, numbers, text), self.embedder.width)

    def _packed(self, of: np.ndarray, numbers: np.ndarray, text: Callable[[int], str]) -> list[bytes]:
        """Return packed vectors of the texts with the keys ``of``; ``text`` returns the text of a number."""
        keys = of.tolist()
        found = self.table.kept("vectors", keys)
        unread = {key: each for key, each in zip(keys, numbers.tolist(), strict=True) if key not in found}
        if unread:
            new = self.embedder.embed([text(each) for each in unread.values()])
            self.table.new |= zip(unread, pack(new), strict=True)
        return [found.get(key) or self.table.new[key] for key in keys]

    def question(self, question: str) -> Future[np.ndarray]:
        """Return the unit vector of a question, float32 ``(width,)``.

        A missing vector is computed in another thread, which also opens the model, while the caller finds
        passages to compare.
        """
        [key] = keys_of([question])
        pool = ThreadPoolExecutor(1)
        found = pool.submit(self._question, question, key, self.table.kept("asked", [key]))
        pool.shutdown(wait=False)
        return found

    def _question(self, question: str, key: int, kept: dict[int, bytes]) -> np.ndarray:
        if key not in kept:
            [kept[key]] = pack(self.embedder.embed([question], question=True))
            self.table.asked[key] = kept[key]
        return unpack([kept[key]], self.embedder.width)[0]

    def cosines(self, rows: np.ndarray, question: np.ndarray) -> np.ndarray:
        """Return the cosines of a question with passages, float32 ``(n,)``.

        A confirmed question is an additional vector of its passage with factor 0.9; the higher cosine counts.
        """
        found = self._products(rows, question)
        confirmed = self._index.derived("confirmed questions", self._all_confirmed)
        some = np.flatnonzero(np.isin(rows, [*confirmed])).tolist() if confirmed else []
        asked = [(place, each) for place in some for each in confirmed[int(rows[place])]]
        keys = keys_of(each for _, each in asked)
        kept = self.table.kept("asked", keys)
        for (place, each), key in zip(asked, keys, strict=True):
            found[place] = max(found[place], CONFIRMED * (self._question(each, key, kept) @ question))
        return found

    def beginnings(self, question: np.ndarray) -> np.ndarray | None:
        """Return the cosines of a question with document beginnings in a large index, float32 ``(D,)``.

        ``None`` if some are not computed yet, and in a small index.
        """
        if len(self._index) <= LARGE or len(self._unread_documents()):
            return None
        found: np.ndarray = self.documents(np.arange(len(self.table.document_keys))) @ question
        return found

    def sample(self, *, read: bool = False) -> np.ndarray:
        """Return the sample of a large index, int64 rows; none in a small one, and while it is not encoded.

        ``read`` encodes it. The content determines the sample: keys are hashes, and the smallest are taken.
        """
        rows = self._index.derived("sample", self._draw)
        if read:
            self.vectors(rows)
        return rows if not len(self.table.unread(self.table.keys[rows])) else rows[:0]

    def _draw(self) -> np.ndarray:
        _, rows = np.unique(self.table.keys, return_index=True)
        return np.sort(rows[: SAMPLE * (len(self._index) > LARGE)])

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
            packed = b"".join(self._packed(self.table.keys[rows], rows, self._text))
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
        return rows[self.table.unread(self.table.keys[rows])]

    def unread(self) -> np.ndarray:
        """Return the rows of passages without a vector, one of each text, int64, ascending."""
        return self.table.unread(self.table.keys)

    def _unread_documents(self) -> np.ndarray:
        return self.table.unread(self.table.document_keys)

    def _waiting(self, briefly: bool) -> list[Callable[[], str]]:
        """Return functions that return the texts to read ahead."""
        large, missing = len(self._index) > LARGE, self.unread()
        first = missing[np.isin(missing, self._index.derived("sample", self._draw))].tolist()
        documents = self._unread_documents().tolist() if large else []
        rest = [] if large and briefly else np.setdiff1d(missing, first).tolist()
        found = [partial(self._text, row) for row in first]
        found += [partial(self._beginning, number) for number in documents]
        return [*found, *(partial(self._text, row) for row in rest)]

    def texts(self, waiting: Sequence[Callable[[], str]], state: object) -> list[str]:
        """Return the texts to read; none if the index changed since ``state``."""
        return [text() for text in waiting] if self._database.state() == state else []

    def read(self, text: str) -> None:
        """Compute the vector of a text, from any thread."""
        self.table.new |= zip(keys_of([text]), pack(self.embedder.embed([text])), strict=True)

    def read_ahead(
        self, read: Callable[[Callable[[], Any]], Any], go_on: Callable[[int], bool], *, briefly: bool
    ) -> None:
        """Compute the missing vectors of passages, until ``go_on`` returns false.

        In a large index the sample comes first, then the beginnings of documents; ``briefly`` stops after
        them. ``read`` calls a function on a snapshot of the content, and stores new vectors. ``go_on`` is
        called before each text and at the end with the number of texts left.
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
