"""Vectors of words, learned elsewhere: how near a question is to passages that say it in other words.

The vector of a passage is the sum of the vectors of its words, of those of its context, and of those of its
document divided by the root of the document's number of passages. Nothing is weighted by rarity: the vectors
of rare words are long already. Only the length of a passage's vector is kept: a scalar product with a
question is a sum over the words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from lior.ask.collection import BETWEEN, Collection, Postings, strings
from lior.ask.ranking import Question, by_row, contexts, documents, paragraphs, slices
from lior.errors import DataError, MissingPackage

HINT = "pip install 'lior[vectors]'"
VARIABLE = "LIOR_VECTORS"
"""Environment variable with the path of a file of vectors, used instead of those of the extra."""
AROUND = 0.8
"""Factor of a word's likeness that only the paragraph or the context has."""
SPELLED, PIECES = 2, 3
"""Most pieces of a word that is no misspelling, and of one whose meaning the vectors know."""
MEANT = 0.6
"""Likeness of a word to the one that it may be a misspelling of."""
_BLOCK = 1 << 14
"""Entries that vectors are added up for at a time."""


# --- vectors of words ---


@attrs.frozen(eq=False)
class Vectors:
    """Vectors of all words."""

    source: str
    """What they were read from; vectors of equal sources are equal."""
    width: int
    of: Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]
    """Words -> vectors, float32 ``(n, width)``, and of how many pieces each is put together, int64
    ``(n,)``: 1 for a known word, 0 for one without a vector."""

    def know(self, word: str) -> bool:
        """Whether a word has a vector of its own."""
        return bool(self.of([word])[1][0] == 1)


def installed() -> bool:
    """Whether there are vectors: the packages of :func:`wordllama`, or a file in ``LIOR_VECTORS``."""
    return bool(os.environ.get(VARIABLE)) or all(
        find_spec(name) is not None for name in ("wordllama", "tokenizers")
    )


def read() -> Vectors:
    """The vectors in the file that ``LIOR_VECTORS`` names, or of the package ``wordllama``.

    Raises
    ------
    MissingPackage
        When there are neither.
    DataError
        When they cannot be read.
    """
    path = os.environ.get(VARIABLE)
    return from_file(path) if path else wordllama()


@lru_cache(maxsize=1)
def wordllama() -> Vectors:
    """The vectors of word pieces that the package ``wordllama`` brings; it is not imported.

    Raises
    ------
    MissingPackage
        When it or ``tokenizers`` is not installed.
    """
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations or find_spec("tokenizers") is None:
        raise MissingPackage(
            f"the retriever dense needs word vectors: {HINT}, or set {VARIABLE} to a file of them, "
            "or use settle."
        )
    root = Path(spec.submodule_search_locations[0])
    weights = root / "weights" / "l2_supercat_256.safetensors"
    pieces = root / "tokenizers" / "l2_supercat_tokenizer_config.json"

    @lru_cache(maxsize=1)
    def opened() -> tuple[Any, np.ndarray]:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_file(str(pieces)), load_file(weights)["embedding.weight"]
        except Exception as error:  # tokenizers raises no narrower class
            raise DataError(f"{root}: no vectors of wordllama 0.4 ({error}). Install it again.") from error

    def of(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        tokenizer, table = opened()
        ids = [each.ids for each in tokenizer.encode_batch_fast(list(words), add_special_tokens=False)]
        several = [place for place, each in enumerate(ids) if len(each) > 1]
        titles = tokenizer.encode_batch_fast([words[i].title() for i in several], add_special_tokens=False)
        for place, each in zip(several, titles, strict=True):
            ids[place] = min(ids[place], each.ids, key=len)  # names have a capital
        sizes = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.fromiter((i for each in ids for i in each), np.int64)
        return _summed(table, flat, sizes), sizes

    return Vectors(f"{weights.name} {weights.stat().st_size if weights.exists() else 0}", 256, of)


def _summed(
    table: np.ndarray, of: np.ndarray, sizes: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Sums of ``sizes`` adjacent rows ``table[of]`` each, by their weights, float32.

    First the first row of each sum, then the second, …: an operation for many sums, and in a fixed order.
    """
    out = np.zeros((len(sizes), table.shape[1]), np.float32)
    longest = np.argsort(-sizes, kind="stable")
    starts, ordered = (np.cumsum(sizes) - sizes)[longest], sizes[longest]
    for number in range(int(sizes.max(initial=0))):
        at = starts[: np.searchsorted(-ordered, -number, "left")] + number
        rows = table[of[at]]
        out[: len(at)] += rows if weights is None else rows * weights[at, None]
    found = np.empty_like(out)
    found[longest] = out
    return found


@lru_cache(maxsize=2)
def from_file(path: str) -> Vectors:
    """The vectors in a file of text as word2vec, GloVe and fastText write it.

    A word and its numbers stand on each line, with or without a first line of two sizes. A copy that opens at
    once is written beside it, as ``.npy``.

    Raises
    ------
    DataError
        When the file cannot be read or is not of the format.
    """
    source = Path(path).expanduser()
    copy, names = (source.with_name(source.name + suffix) for suffix in (".npy", ".words.npy"))
    try:
        stat = source.stat()
        if any(not p.exists() or p.stat().st_mtime_ns < stat.st_mtime_ns for p in (copy, names)):
            words, values = _parsed(source)
            np.save(copy, values)
            np.save(names, np.frombuffer("\n".join(words).encode(), np.uint8))
        places = {word: row for row, word in enumerate(bytes(np.load(names)).decode().split("\n"))}
        table = np.load(copy, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{source}: no word vectors: {error}; each line is a word and its numbers."
        ) from error

    def of(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        rows = np.array([places.get(word, -1) for word in words], np.int64)
        return np.where((rows >= 0)[:, None], table[rows], np.float32(0)), (rows >= 0).astype(np.int64)

    return Vectors(f"{source} {stat.st_size} {stat.st_mtime_ns}", table.shape[1], of)


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


# --- a collection ---


@attrs.frozen(eq=False)
class Space:
    """The vectors of a collection."""

    collection: Collection
    vectors: Vectors
    terms: np.ndarray
    """Mean vector of the words of each term, float32 ``(T, n)``, of the precision of float16."""
    lengths: np.ndarray
    """Length of the vector of each passage, float32 ``(N,)``; 1 where it is zero."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What :func:`restore` needs."""
        source = np.frombuffer(self.vectors.source.encode(), np.uint8)
        return {"source": source, "terms": self.terms.astype(np.float16), "lengths": self.lengths}


def space(collection: Collection, vectors: Vectors) -> Space:
    """The vectors of ``collection``, a function of its counts; computed once after a change."""
    return collection.derived(("space", vectors.source), lambda: _space(collection, vectors))


def restore(collection: Collection, vectors: Vectors, arrays: Mapping[str, np.ndarray]) -> bool:
    """Use :meth:`Space.arrays` of the same counts; whether they are of the same vectors.

    Raises
    ------
    ValueError
        When they do not fit.
    """
    if bytes(arrays["source"]).decode() != vectors.source:
        return False
    terms, lengths = arrays["terms"], arrays["lengths"]
    if terms.shape != (len(collection.table.terms), vectors.width) or lengths.shape != (len(collection),):
        raise ValueError("the vectors are damaged")
    found = Space(collection, vectors, terms.astype(np.float32), lengths)
    collection.derived(("space", vectors.source), lambda: found)
    return True


def _space(collection: Collection, vectors: Vectors) -> Space:
    table, of, shares = collection.table, documents(collection), _shares(collection)
    terms = _of_terms(collection, vectors).astype(np.float16).astype(np.float32)
    whole = np.zeros((len(shares), vectors.width), np.float32)
    for first, rows in _sums(table.text, len(collection), terms):
        units = of[first : first + len(rows)]
        begin = np.flatnonzero(np.diff(units, prepend=-1))  # passages of a document are adjacent
        sizes = np.diff(np.append(begin, len(units)))
        np.add.at(whole, units[begin], _summed(rows, np.arange(len(rows)), sizes))
    whole *= shares[:, None]
    above = np.zeros((int(table.context_starts[-1]), vectors.width), np.float32)
    for first, rows in _sums(table.context, len(above), terms):
        above[first : first + len(rows)] = rows
    context, lengths = contexts(collection), np.ones(len(collection), np.float32)
    for first, rows in _sums(table.text, len(collection), terms):
        part = slice(first, first + len(rows))
        rows += whole[of[part]]
        if len(above):
            rows += above[context[part]]
        lengths[part] = np.linalg.norm(rows, axis=1)
    return Space(collection, vectors, terms, np.where(lengths > 0, lengths, np.float32(1)))


def _shares(collection: Collection) -> np.ndarray:
    """One by the root of the number of passages of each document, float32."""
    sizes = np.diff(collection.table.document_starts)
    return (1 / np.sqrt(np.maximum(sizes, 1))).astype(np.float32)


def _of_terms(collection: Collection, vectors: Vectors) -> np.ndarray:
    """Mean vector of the words of each term, by how many documents have them, float32 ``(T, n)``."""
    table = collection.table
    pairs = [bytes(p).decode("utf-8", "surrogatepass").partition(BETWEEN)[::2] for p in strings(table.words)]
    out = np.zeros((len(table.terms), vectors.width), np.float32)
    total = np.zeros(len(table.terms))
    places = {bytes(t).decode("utf-8", "surrogatepass"): i for i, t in enumerate(strings(table.terms))}
    of = np.array([places.get(stem_, -1) for _, stem_ in pairs], np.int64)
    weights = np.diff(table.spelled.starts)
    for first in range(0, len(pairs), _BLOCK):
        part = slice(first, first + _BLOCK)
        has = of[part] >= 0
        rows, _ = vectors.of([_clean(word) for word, _ in pairs[part]])
        np.add.at(out, of[part][has], (rows * weights[part, None].astype(np.float32))[has])
        np.add.at(total, of[part][has], weights[part][has])
    return out / np.maximum(total, 1)[:, None].astype(np.float32)


def _clean(word: str) -> str:
    return word.encode("utf-8", "replace").decode()


def _sums(postings: Postings, size: int, terms: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """First row and vectors of the rows of each block, float32 ``(rows, n)``."""
    starts, order = by_row(postings, size)
    weights, of = postings.counts[order].astype(np.float32), postings.terms[order]
    first = 0
    while first < size:
        last = max(int(np.searchsorted(starts, starts[first] + _BLOCK, "right")) - 1, first + 1)
        part = slice(starts[first], starts[last])
        yield first, _summed(terms, of[part], np.diff(starts[first : last + 1]), weights[part])
        first = last


# --- a question ---


@attrs.frozen(eq=False)
class Asked:
    """A question by the meaning of its words."""

    vectors: np.ndarray
    """Unit vector of each word, zero where unknown, float32 ``(W, n)``."""
    whole: np.ndarray
    """Unit vector of the question, float32 ``(n,)``."""
    question: Question
    likeness: np.ndarray
    """Of each word to the terms that it is understood as, float32 ``(K,)``."""


def asked(space: Space, question: Question) -> Asked:
    """``question`` by the vectors of its words; a misspelling means what it was taken for."""
    rows, pieces = space.vectors.of([_clean(word) for word in question.asked])
    likeness = np.ones(len(question.terms), np.float32)
    for number, word in enumerate(question.asked):
        of = question.owners == number
        if word in question.words:
            continue
        if 0 < pieces[number] <= SPELLED or not of.any():
            likeness[of] = MEANT
            rows[number] *= pieces[number] <= PIECES
        else:
            rows[number] = question.weights[of].astype(np.float32) @ space.terms[question.terms[of]]
    return Asked(_unit(rows), _unit(rows.sum(0)), question, likeness)


def cosines(space: Space, asked: Asked) -> np.ndarray:
    """Cosine of the question with each passage, its context and document, float64 ``(N,)``."""
    collection, table = space.collection, space.collection.table
    likeness, of, shares = space.terms @ asked.whole, documents(collection), _shares(collection)
    own = _products(table.text, likeness, len(collection))
    out = own + (np.bincount(of, own, len(shares)) * shares)[of]
    if len(table.context.rows):
        out += _products(table.context, likeness, int(table.context_starts[-1]))[contexts(collection)]
    found: np.ndarray = out / space.lengths
    return found


def _products(postings: Postings, likeness: np.ndarray, size: int) -> np.ndarray:
    values = postings.counts * np.repeat(likeness, np.diff(postings.starts))
    return np.bincount(postings.rows, values, size)


def likest(space: Space, asked: Asked, rows: np.ndarray) -> np.ndarray:
    """Highest likeness of each word of the question to a word of each passage of ``rows``.

    It is the cosine, 1 for the word itself; 0.8 times that where only the paragraph, the context or a
    question that the passage was confirmed to answer has the word. float32 ``(W, len(rows))`` in [0, 1].
    """
    collection = space.collection
    text, above, confirmed = collection.derived("entries of rows", lambda: _entries(collection))
    group, context = (
        collection.derived("paragraphs", lambda: paragraphs(collection)),
        collection.derived("contexts", lambda: contexts(collection)),
    )
    order, starts = collection.derived("rows of paragraphs", lambda: _grouped(collection, group))
    units, back = np.unique(group[rows], return_inverse=True)
    inside, of = slices(starts, units)
    parts = [(text, rows), (text, order[inside])]
    if above is not None:
        higher, place = np.unique(context[rows], return_inverse=True)
        parts.append((above, higher))
    if confirmed is not None:
        parts.append((confirmed, rows))
    out, whole, *others = _likest(space, asked, parts)
    out = np.maximum(out, np.float32(AROUND) * _highest(whole, of, len(units))[:, back])
    if above is not None:
        out = np.maximum(out, np.float32(AROUND) * others.pop(0)[:, place])
    if confirmed is not None:
        out = np.maximum(out, np.float32(AROUND) * others.pop(0))
    return out


_Entries = tuple[np.ndarray, np.ndarray]
"""First entry of each row, and the terms of the entries by row."""


def _entries(collection: Collection) -> tuple[_Entries, _Entries | None, _Entries | None]:
    """Of the texts, the contexts, and the confirmed questions of passages."""
    table = collection.table

    def of(postings: Postings, size: int) -> _Entries:
        starts, order = by_row(postings, size)
        return starts, postings.terms[order]

    return (
        of(table.text, len(collection)),
        of(table.context, int(table.context_starts[-1])) if len(table.context.rows) else None,
        of(table.confirmed, len(collection)) if len(table.confirmed.rows) else None,
    )


def _grouped(collection: Collection, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Passages by paragraph, and the first of each."""
    sizes = np.bincount(group, minlength=int(collection.table.group_starts[-1]))
    return np.argsort(group, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])


def _likest(space: Space, asked: Asked, parts: Sequence[tuple[_Entries, np.ndarray]]) -> list[np.ndarray]:
    """Highest likeness of each word of the question to a word of each row, float32 ``(W, len(rows))`` each.

    All parts are compared at once, for most of their words are the same.
    """
    slots = [slices(starts, rows) for (starts, _), rows in parts]
    terms = [of_entry[at] for ((_, of_entry), _), (at, _) in zip(parts, slots, strict=True)]
    place = np.full(len(space.terms), -1, np.int32)
    for each in terms:
        place[each] = 0
    used = np.flatnonzero(place == 0)
    place[used] = np.arange(len(used))
    norms = space.collection.derived(
        ("norms", space.vectors.source), lambda: np.maximum(np.linalg.norm(space.terms, axis=1), 1e-9)
    )
    alike = np.maximum((asked.vectors @ space.terms[used].T) / norms[used], 0)
    known = place[asked.question.terms]
    mine = (known >= 0) & (asked.question.owners >= 0)
    alike[asked.question.owners[mine], known[mine]] = asked.likeness[mine]
    return [
        np.minimum(_highest(alike[:, place[each]], of, len(rows)), 1)
        for each, (_, of), (_, rows) in zip(terms, slots, parts, strict=True)
    ]


def _highest(values: np.ndarray, of: np.ndarray, size: int) -> np.ndarray:
    """Maxima of the columns of ``values`` of each unit ``of``, ascending; 0 where a unit has none."""
    out = np.zeros((len(values), size), np.float32)
    first = np.flatnonzero(np.diff(of, prepend=-1))
    if len(first):
        out[:, of[first]] = np.maximum.reduceat(values, first, axis=1)
    return out


def _unit(rows: np.ndarray) -> np.ndarray:
    norms: np.ndarray = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.maximum(norms, np.float32(1e-9))
