"""Vectors of words, learned elsewhere, for words that the notes do not contain."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np

from lior.ask.collection import BETWEEN, Collection, strings
from lior.ask.interfaces import Ranking
from lior.ask.ranking import best, coverage, informations, term_of, understood
from lior.ask.words import language_of, stem, stop_words, tokens
from lior.config.options import option
from lior.errors import DataError, UsageError
from lior_plugins.retrievers.settle import Settle

VARIABLE = "LIOR_VECTORS"
_POOL = 1000
"""Passages of each ranking that are fused."""
_OFFSET = 60
"""Added to the rank, as usual: the first few count about the same (Cormack, Clarke, Büttcher, SIGIR 2009)."""


@attrs.frozen(kw_only=True)
class Dense:
    """``settle`` and cosines of mean word vectors, fused by reciprocal rank ``Σ 1/(60 + rank)``.

    The vector of a passage or a question is the sum of its words' vectors, each by ``ln(1 + tf) idf``. The
    file is text as word2vec, GloVe and fastText have it: a word and its numbers on each line, with or without
    a first line of two sizes. When first used, a copy that opens at once is written beside it, as ``.npy``.

    Raises
    ------
    UsageError
        From the constructor, when no file is set.
    """

    api_version: ClassVar[int] = 1

    vectors: str = option(
        "", help="file of word vectors in text format; the variable LIOR_VECTORS if not given"
    )

    def __attrs_post_init__(self) -> None:
        if not self._path:
            raise UsageError(
                "the retriever dense needs a file of word vectors (text of word2vec, GloVe or fastText): "
                f"set the variable {VARIABLE} to its path, or use the retriever settle."
            )

    @property
    def _path(self) -> str:
        return self.vectors or os.environ.get(VARIABLE, "")

    def rank(self, collection: Collection, question: str, top: int) -> Ranking:
        """The ``top`` best passages; some may share no word with the question."""
        words = Settle().rank(collection, question, _POOL)
        key = ("dense", self._path)
        spaces = collection.derived(key, lambda: _passages(collection, opened(self._path)))
        similar = spaces @ _asked(collection, question, opened(self._path))
        near = best(similar, _POOL)
        near = near[similar[near] > 0]
        fused = np.zeros(len(collection))
        for order in (words.passages, near):
            fused[order] += 1 / (_OFFSET + 1 + np.arange(len(order)))
        fused *= (_OFFSET + 1) / 2
        chosen = best(fused, min(top, int(np.count_nonzero(fused))))
        return Ranking(
            passages=chosen,
            scores=fused[chosen],
            covered=coverage(collection, understood(collection, question))[chosen],
            method=f"{words.method}, word vectors",
            words=words.words,
            missing=words.missing,
        )


@attrs.frozen(eq=False)
class Vectors:
    """Words and their vectors."""

    rows: dict[str, int]
    values: np.ndarray
    """float32 ``(V, n)``."""


@lru_cache(maxsize=2)
def opened(path: str) -> Vectors:
    """The vectors in a file, converted when it is first opened or was changed since.

    Raises
    ------
    DataError
        When the file cannot be read or is not of the format.
    """
    source = Path(path).expanduser()
    copy, names = (source.with_name(source.name + suffix) for suffix in (".npy", ".words.npy"))
    try:
        newest = source.stat().st_mtime_ns
        if any(not p.exists() or p.stat().st_mtime_ns < newest for p in (copy, names)):
            words, values = _parsed(source)
            np.save(copy, values)
            np.save(names, np.frombuffer("\n".join(words).encode(), np.uint8))
        words = bytes(np.load(names)).decode().split("\n")
        values = np.load(copy, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{source}: no word vectors: {error}; each line is a word and its numbers."
        ) from error
    return Vectors({word: row for row, word in enumerate(words)}, values)


def _parsed(source: Path) -> tuple[list[str], np.ndarray]:
    words: list[str] = []
    rows: list[np.ndarray] = []
    with source.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines):
            word, _, numbers = line.rstrip().partition(" ")
            row = np.array(numbers.split(" "), np.float32)
            if number == 0 and len(row) == 1:
                continue  # the sizes
            if rows and len(row) != len(rows[0]):
                raise ValueError(f"line {number + 1} has {len(row)} numbers, the first {len(rows[0])}")
            words.append(word)
            rows.append(row)
    if not rows:
        raise ValueError("the file is empty")
    return words, np.stack(rows)


def _passages(collection: Collection, vectors: Vectors) -> np.ndarray:
    """Unit vectors of the passages, float32 ``(N, n)``; zero where no word has one."""
    table = collection.table
    sums = np.zeros((len(table.terms), vectors.values.shape[1]), np.float32)
    for pair, df in zip(strings(table.words), np.diff(table.spelled.starts), strict=True):
        word, _, own = bytes(pair).decode("utf-8", "surrogatepass").partition(BETWEEN)
        row, term = vectors.rows.get(word), term_of(collection, own)
        if row is not None and term is not None:
            sums[term] += df * vectors.values[row]
    of_term = _unit(sums) * informations(collection)[:, None].astype(np.float32)
    out = np.zeros((len(collection), sums.shape[1]), np.float32)
    postings = table.text
    terms = postings.terms
    for begin in range(0, len(terms), 1 << 16):  # a block at a time: entries times dimensions is large
        part = slice(begin, begin + (1 << 16))
        np.add.at(out, postings.rows[part], np.log1p(postings.counts[part])[:, None] * of_term[terms[part]])
    return _unit(out)


def _asked(collection: Collection, question: str, vectors: Vectors) -> np.ndarray:
    """Unit vector of the question, float32 ``(n,)``."""
    found = tokens(question)
    own, idf = language_of(found, least=1), informations(collection)
    out = np.zeros(vectors.values.shape[1], np.float32)
    for word in found:
        row = vectors.rows.get(word)
        if row is not None and word not in stop_words(own):
            term = term_of(collection, stem(word, own))
            information = idf[term] if term is not None else np.log1p(2 * len(collection) + 1)
            out += np.float32(information) * _unit(vectors.values[row][None])[0]
    return _unit(out[None])[0]


def _unit(rows: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.maximum(norms, np.float32(1e-9))
