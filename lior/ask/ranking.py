"""What retrievers share: the question as terms of a collection, repair of spelling, BM25 by levels, order.

All functions depend on the counts of the collection and the question only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import attrs
import numpy as np

from lior.ask.collection import BETWEEN, Collection, Postings, strings
from lior.ask.words import ENGLISH, LANGUAGES, LONGEST, language_of, stem, stop_words, tokens
from lior.interfaces import Ranking

P = ParamSpec("P")
T = TypeVar("T")
K1, B = 1.5, 0.75
"""Saturation of counts and normalisation of lengths, as usual for BM25."""
CONFIRMED = 0.3
"""Weight of a word of a question that a passage was confirmed to answer, beside one of the passage."""
MOST_WORDS = 128
"""Different words of a question that count, the rarest first; a page of text has as many."""
MOST_REPAIRS = 48
"""Unknown words of a question that are repaired, the first ones; each is compared with all words."""
_KEPT = 8
"""Questions whose results are kept: as many may be asked at once."""


# --- the question ---


@attrs.frozen
class Question:
    """A question as weights of a collection's terms; a word may stand for several terms."""

    terms: np.ndarray
    """int64 ``(K,)``."""
    weights: np.ndarray
    """How often the term is meant, float64 ``(K,)``, positive."""
    owners: np.ndarray
    """Number of the question's word that the term is for, int64 ``(K,)``; −1 where it only resembles a
    missing word, which it does not cover."""
    informations: np.ndarray
    """idf of each word of the question, float64 ``(W,)``; of a missing word that of a term no passage has."""
    words: tuple[str, ...]
    """Words of the text that it was understood as."""
    missing: tuple[str, ...]
    """Words that the text does not have, nor a misspelling of."""
    asked: tuple[str, ...] = ()
    """The words of the question, ``W``."""


def remembered(compute: Callable[Concatenate[Collection, P], T]) -> Callable[Concatenate[Collection, P], T]:
    """``compute`` with its last results kept until the collection changes; threads may call it at once."""

    @wraps(compute)
    def found(collection: Collection, *args: P.args, **more: P.kwargs) -> T:
        kept: dict[object, T] = collection.derived((compute.__name__, "kept"), dict)
        asked = (args, tuple(more.items()))
        result = kept.get(asked)
        if result is None:
            result = kept[asked] = compute(collection, *args, **more)
            for old in list(kept)[:-_KEPT]:
                kept.pop(old, None)
        return result

    return found


@remembered
def understood(collection: Collection, text: str, spelled: Callable[[str], bool] | None = None) -> Question:
    """``text`` as terms of ``collection``: its language, its stems, unknown words by their spelling.

    Words that are ``spelled`` right are not repaired where the text lacks them.
    """
    found, table = tokens(text), collection.table
    present = np.bincount(table.languages, minlength=len(LANGUAGES))
    languages = [LANGUAGES[i] for i in np.argsort(-present, kind="stable") if present[i]] or [ENGLISH]
    own = language_of(found, languages, default=languages[0], least=1)
    counted = Counter(word[:LONGEST] for word in found if word not in stop_words(own))
    idf = informations(collection)
    nowhere = float(_idf(0, len(collection)))
    parts: list[tuple[int, float, int]] = []
    info: list[float] = []
    names: list[str] = []
    missing: list[str] = []
    repairs = 0
    for word, count in counted.items():
        every = _terms_of(collection, word, languages)
        terms = [t for t in every if len(table.text.of(t)[0]) or len(table.context.of(t)[0])]
        near = [(word, term, 1 / len(terms)) for term in terms]
        known = bool(near)
        if not near and len(word) > 2 and repairs < MOST_REPAIRS and not (spelled and spelled(word)):
            near, known = repaired(collection, word)
            repairs += 1
        if every and not terms:  # only said in confirmed questions; it may be a misspelling all the same
            near = [(word, term, 1 / len(every)) for term in every] + (near if known else [])
            total = sum(w for *_, w in near)
            near, known = [(name, term, w / total) for name, term, w in near], True
        if not known:
            missing.append(word)
        parts += [(term, count * weight, len(info) if known else -1) for _, term, weight in near]
        names += [name for name, _, _ in near if name not in names] if known else []
        info.append(
            float(np.dot([idf[t] for _, t, _ in near], [w for _, _, w in near])) if known else nowhere
        )
    parts.sort(key=lambda part: -idf[part[0]])
    parts = parts[:MOST_WORDS]
    return Question(
        terms=np.array([term for term, _, _ in parts], np.int64),
        weights=np.array([weight for _, weight, _ in parts], np.float64),
        owners=np.array([owner for _, _, owner in parts], np.int64),
        informations=np.array(info, np.float64),
        words=tuple(names),
        missing=tuple(missing),
        asked=tuple(counted),
    )


def _terms_of(collection: Collection, word: str, languages: Sequence[str]) -> list[int]:
    """The terms of a word: as it is spelled in the text, else its stems in the languages of the text."""
    spelled = strings(collection.table.words)
    begin = np.searchsorted(spelled, (word + BETWEEN).encode("utf-8", "surrogatepass"))
    stems = set()
    for pair in spelled[begin : begin + len(LANGUAGES)]:
        known, _, term = bytes(pair).decode("utf-8", "surrogatepass").partition(BETWEEN)
        if known != word:
            break
        stems.add(term)
    stems = stems or {stem(word, language) for language in languages}
    return sorted(term for term in (term_of(collection, s) for s in stems) if term is not None)


def term_of(collection: Collection, stem_: str) -> int | None:
    """Number of a stem, or ``None`` where no passage has it."""
    known = strings(collection.table.terms)
    wanted = stem_.encode("utf-8", "surrogatepass")
    at = int(np.searchsorted(known, wanted))
    return at if at < len(known) and known[at] == wanted else None


def informations(collection: Collection) -> np.ndarray:
    """``idf = ln(1 + (N − df + ½)/(df + ½))`` of each term, ``(T,)``; a context counts as a passage.

    The ``df`` of a word that only confirmed questions have is the number of their passages.
    """

    def compute() -> np.ndarray:
        table = collection.table
        df = np.diff(table.text.starts) + np.diff(table.context.starts)
        df = np.maximum(df, np.diff(table.confirmed.starts))
        return _idf(np.minimum(df, len(collection)), len(collection))

    return collection.derived("idf", compute)


def _idf(df: np.ndarray | int, passages: int) -> np.ndarray:
    return np.log1p((passages - df + 0.5) / (df + 0.5))


# --- spelling ---

_COMPARED, _NEAREST = 40, 3
_CHANGE, _COMMON = 4.0, 0.3
"""Cost of a changed letter, and weight of the logarithm of how many documents have the word."""
_LEAST = 0.3
"""Cosine from which a known word is near."""
_BUCKETS = 1 << 16


@attrs.frozen
class _Spellings:
    """Character 1- to 4-grams of the words of a text."""

    starts: np.ndarray
    """int64 ``(65537,)``: the words that have hash ``h`` are ``owners[starts[h]:starts[h + 1]]``."""
    owners: np.ndarray
    """int32."""
    squares: np.ndarray
    """Squared idf of each hash, float64 ``(65536,)``."""
    norms: np.ndarray
    """Length of each word's vector, float64 ``(V,)``."""


def repaired(collection: Collection, word: str) -> tuple[list[tuple[str, int, float]], bool]:
    """Known words near to an unknown one, with term and weight, and whether it may be a misspelling of them.

    The 40 words nearest by cosine of the idf-weighted 1- to 4-grams of ``_word_`` are compared letter by
    letter: the weights are ``softmax(0.3 ln df − 4 d)`` of the 3 best, ``d`` the :func:`differences`, as in a
    noisy channel. It may be a misspelling if at most one letter in four differs; otherwise the weights are
    multiplied by the cosine. (Words of documentation with drawn errors: the first is right for 93 %, by
    cosines alone for 64 %.)
    """
    table = collection.table
    if not len(table.words):
        return [], False
    known = collection.derived("spellings", lambda: _spellings(table.words))
    grams, _ = _grams(
        np.frombuffer(f"_{word}_".encode(), np.uint8), np.zeros(len(word.encode()) + 2, np.int32)
    )
    own = np.bincount(grams, minlength=_BUCKETS) * known.squares
    norm = max(float(np.sqrt(own.sum())), 1e-9)
    used = np.flatnonzero(own)
    parts = [slice(known.starts[gram], known.starts[gram + 1]) for gram in used]
    owners = np.concatenate([known.owners[part] for part in parts])
    shares = np.repeat(own[used], [part.stop - part.start for part in parts])
    cosines = np.bincount(owners, shares, len(known.norms)) / (known.norms * norm)
    near = best(cosines, _COMPARED)
    pairs = [
        bytes(pair).decode("utf-8", "surrogatepass").partition(BETWEEN) for pair in strings(table.words)[near]
    ]
    apart = differences(word, [name for name, _, _ in pairs])
    scores = _COMMON * np.log(np.diff(table.spelled.starts)[near]) - _CHANGE * apart
    scores[(cosines[near] <= _LEAST) & (apart > len(word) // 4)] = -np.inf
    chosen = best(scores, min(_NEAREST, int(np.isfinite(scores).sum())))
    if not len(chosen):
        return [], False
    weights = np.exp(scores[chosen] - scores[chosen].max())
    slip = bool(apart[chosen].min() <= len(word) // 4)
    weights = weights / weights.sum() * (1 if slip else cosines[near[chosen]])
    found = []
    for place, weight in zip(chosen, weights, strict=True):
        name, _, stem_ = pairs[place]
        term = term_of(collection, stem_)
        if term is not None:
            found.append((name, term, float(weight)))
    return found, slip


def differences(word: str, names: Sequence[str]) -> np.ndarray:
    """Letters to insert, remove, replace or swap with their neighbour to make each name of ``word``, int64.

    >>> differences("boiler", ["biolers", "boiler", "oil"]).tolist()
    [2, 0, 3]
    """
    sizes = np.array([len(name) for name in names], np.int64)
    width = max(int(sizes.max(initial=0)), 1)
    letters = np.array(names, f"U{width}").view(np.uint32).reshape(len(names), width)
    column = np.arange(width + 1)
    row = before = np.tile(column, (len(names), 1))
    for place, letter in enumerate(word):
        same = letters == ord(letter)
        last, row = row, np.empty_like(row)
        row[:, 0] = place + 1
        row[:, 1:] = np.minimum(last[:, 1:] + 1, last[:, :-1] + ~same)
        if place:
            swapped = same[:, :-1] & (letters[:, 1:] == ord(word[place - 1]))
            row[:, 2:] -= (row[:, 2:] > before[:, :-2] + 1) & swapped  # one more than the swap at most
        row = np.minimum.accumulate(row - column, axis=1) + column  # letters inserted
        before = last
    found: np.ndarray = row[np.arange(len(names)), sizes]
    return found


def _spellings(words: np.ndarray) -> _Spellings:
    size = (words == ord(BETWEEN)).argmax(axis=1)
    padded = np.full((len(words), words.shape[1] + 1), ord("_"), np.uint8)
    padded[:, 1:] = words
    column = np.arange(padded.shape[1])
    padded[np.arange(len(words)), size + 1] = ord("_")
    inside = column <= (size + 1)[:, None]
    owners = np.repeat(np.arange(len(words), dtype=np.int32), size + 2)
    grams, of = _grams(padded[inside], owners)
    df = np.bincount(grams, minlength=_BUCKETS)
    squares = _idf(np.minimum(df, len(words)), len(words)) ** 2
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(df)])
    norms = np.sqrt(np.bincount(of, squares[grams], len(words)))
    return _Spellings(starts, of[np.argsort(grams, kind="stable")], squares, norms)


def _grams(letters: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the 1- to 4-grams of adjacent words, and the word of each."""
    hashes, of = [], []
    value = np.zeros(len(letters), np.uint32)
    for n in range(1, 5):
        if len(letters) < n:
            break
        value = value[: len(letters) - n + 1] * np.uint32(257) + letters[n - 1 :] + np.uint32(n)
        same = owners[: len(value)] == owners[n - 1 :]
        hashes.append(((value[same] * np.uint32(2654435761)) >> np.uint32(16)).astype(np.uint16))
        of.append(owners[: len(value)][same])
    return np.concatenate(hashes), np.concatenate(of)


# --- scores ---


@attrs.frozen
class Level:
    """Units in which words are counted: passages, their paragraphs, documents or contexts."""

    of_row: np.ndarray | None
    """Unit of each passage, or of each unit of the level that has this one as ``outer``, int64; ``None``
    where the units are the passages."""
    of_entry: np.ndarray | None
    """Unit of each row of the postings; ``None`` where they are the same."""
    postings: Postings
    scale: np.ndarray
    """``weight / (1 − b + b · length / mean length)`` of each unit, float32."""
    outer: Level | None = None
    """A level of larger units, each a number of these: added to these first, which is less work."""
    weight: float = 1.0
    """Of a word in a unit of mean length."""

    def add(self, term: int, out: np.ndarray) -> None:
        """Add the weighted counts of a term, by the length of their units, to ``out``, float32 ``(N,)``."""
        rows, counts = self.postings.of(term)
        if not len(rows):
            return
        if self.of_row is None:
            out[rows] += counts * self.scale[rows]
            return
        units = rows if self.of_entry is None else self.of_entry[rows]
        total = np.bincount(units, counts, len(self.scale)).astype(np.float32)
        total *= self.scale
        if self.outer is not None:
            self.outer.add(term, total)
        out += total[self.of_row]


def level(
    weight: float, postings: Postings, rows: int, of_row: np.ndarray | None, of_entry: np.ndarray | None
) -> Level:
    """A level of ``rows`` units."""
    units = postings.rows if of_entry is None else of_entry[postings.rows]
    length = np.bincount(units, postings.counts, rows)
    mean = length[length > 0].mean() if length.any() else 1.0
    scale = (weight / (1 - B + B * length / mean)).astype(np.float32)
    return Level(of_row, of_entry, postings, scale, weight=weight)


def scored(collection: Collection, question: Question, levels: Sequence[Level]) -> np.ndarray:
    """BM25 of each passage, as a share of what a passage full of the question's words has, float64 ``(N,)``.

    ``s_d = Σ_w q_w idf_w x_dw / ((k1 + 1) Σ_w q_w idf_w)`` in [0, 1], ``x = t (k1 + 1)/(t + k1)``, ``t`` the
    sum of the levels' weighted counts (BM25F: Robertson, Zaragoza, Taylor, CIKM 2004). The first level is
    that of the passages; there the words of confirmed questions count 0.3.
    """
    weights = question.weights * informations(collection)[question.terms]
    out, count = np.zeros(len(collection)), np.empty(len(collection), np.float32)
    for term, weight in zip(question.terms, weights, strict=True):
        count[:] = 0
        for part in levels:
            part.add(int(term), count)
        rows, times = collection.table.confirmed.of(int(term))
        count[rows] += np.float32(CONFIRMED / levels[0].weight) * times * levels[0].scale[rows]
        count /= count + np.float32(K1)
        out += weight * count
    return out / max(weights.sum(), 1e-9)


def paragraphs(collection: Collection) -> np.ndarray:
    """Paragraph of each passage through the whole collection, int64 ``(N,)``."""
    table = collection.table
    return table.groups + np.repeat(table.group_starts[:-1], np.diff(table.document_starts))


def contexts(collection: Collection) -> np.ndarray:
    """Context of each passage through the whole collection, int64 ``(N,)``."""
    table = collection.table
    return table.contexts + np.repeat(table.context_starts[:-1], np.diff(table.document_starts))


def documents(collection: Collection) -> np.ndarray:
    """Document of each passage, int64 ``(N,)``."""
    starts = collection.table.document_starts
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def coverage(collection: Collection, question: Question) -> np.ndarray:
    """Share of the question's idf that each passage with its context and paragraph has, ``(N,)``.

    A passage also has the words of the questions that it was confirmed to answer.
    """
    table = collection.table
    group, places = collection.derived("places", lambda: _places(collection))
    has_group = np.zeros(int(table.group_starts[-1]), bool)
    has_context = np.zeros(int(table.context_starts[-1]), bool)
    out = np.zeros(len(places.group))
    for word in sorted(set(question.owners[question.owners >= 0].tolist())):
        terms = question.terms[question.owners == word].tolist()
        below = [group[side.of(term)[0]] for term in terms for side in (table.text, table.confirmed)]
        above = [table.context.of(term)[0] for term in terms]
        for rows in below:
            has_group[rows] = True
        has = has_group[places.group]
        if any(map(len, above)):
            for rows in above:
                has_context[rows] = True
            has |= has_context[places.context]
        np.add(out, question.informations[word], out=out, where=has)
        for rows in below:
            has_group[rows] = False
        for rows in above:
            has_context[rows] = False
    return np.minimum(out / max(question.informations.sum(), 1e-9), 1.0)[places.of_row]


@attrs.frozen
class _Places:
    """Pairs of a paragraph and a context, in which passages are covered alike."""

    group: np.ndarray
    """int64 ``(M,)``."""
    context: np.ndarray
    """int64 ``(M,)``."""
    of_row: np.ndarray
    """Pair of each passage, int64 ``(N,)``."""


def _places(collection: Collection) -> tuple[np.ndarray, _Places]:
    """Paragraph of each passage, and the pairs."""
    group, context = paragraphs(collection), contexts(collection)
    pairs = group * max(int(context.max(initial=0)) + 1, 1) + context
    order = np.argsort(pairs, kind="stable")  # fast, for they are almost sorted
    new = np.diff(pairs[order], prepend=-1) > 0
    of_row = np.empty(len(pairs), np.int64)
    of_row[order] = np.cumsum(new) - 1
    first = order[new]
    return group, _Places(group[first], context[first], of_row)


# --- rows ---


def slices(starts: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``starts[i]`` to ``starts[i + 1] − 1`` for each ``i`` of ``chosen``, and the place of that ``i``."""
    sizes = starts[chosen + 1] - starts[chosen]
    place = np.repeat(np.arange(len(chosen)), sizes)
    return np.arange(len(place)) + (starts[chosen] - (np.cumsum(sizes) - sizes))[place], place


def by_row(postings: Postings, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries of row ``r`` are ``order[starts[r]:starts[r + 1]]``.

    numpy sorts 16-bit numbers by radix, several times faster than others.
    """
    rows = postings.rows
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))])
    order = np.argsort((rows & 0xFFFF).astype(np.uint16), kind="stable")
    if rows.max(initial=0) >> 16:
        order = order[np.argsort((rows[order] >> 16).astype(np.uint16), kind="stable")]
    return starts, order


# --- order ---


def best(scores: np.ndarray, top: int) -> np.ndarray:
    """Places of the ``top`` highest scores, best first, ties by place; int64."""
    if top < len(scores):
        above = np.flatnonzero(scores > scores.min())  # most passages share no word with a question
        if top <= len(above) < len(scores) // 2:
            return above[best(scores[above], top)]
    if top < len(scores):
        least = np.partition(scores, len(scores) - top)[len(scores) - top] if top > 0 else np.inf
        chosen = np.flatnonzero(scores >= least)
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")][: max(top, 0)]


def ranking(collection: Collection, question: Question, scores: np.ndarray, top: int, method: str) -> Ranking:
    """The ``top`` passages that share a word with the question, or if there are none, a similar word."""
    covered = coverage(collection, question)
    allowed = covered > 0 if covered.any() else scores > 0
    order = best(np.where(allowed, scores, -np.inf), min(top, int(np.count_nonzero(allowed))))
    return Ranking(
        passages=order,
        scores=scores[order],
        covered=covered[order],
        method=method,
        words=question.words,
        missing=question.missing,
    )
