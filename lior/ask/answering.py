"""Whether the passages found answer a question, and which sentence does.

A score does not tell answerable questions from others; what tells is how much of the question's information
(idf) one passage has, together with its paragraph and headings. How much is enough depends on the text: in a
large one, words that have nothing to do with each other meet by chance. So each text is asked questions made of
its own sentences, of words that it has in different places, and of sentences of another text, and a logistic
function of the coverage is fitted to tell the first from the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import attrs
import numpy as np

from lior.ask.collection import Collection
from lior.ask.interfaces import Passage, Ranking
from lior.ask.ranking import Question, coverage, informations, understood
from lior.ask.words import ENGLISH, language_of, stem, stop_words, tokens

_KEY = "answering"
_USUAL = (12.0, 0.5)
"""Slope and middle of the logistic function for a text too short to be asked questions."""
_QUESTIONS = 96
"""Questions of each kind."""
_MANY = 30_000
"""Passages from which on fewer questions are asked, so that their cost stays in proportion."""
_KEPT = 2 / 3
"""Share of words that a question has in common with the sentence that answers it; an assumption."""
_LIGHT_WEIGHT, _NAME_WEIGHT = 0.3, 2.0
_LIGHT = """actually already ask away back big bring call come day do ever exactly far find get give go good happen
    hear help keep kind know last leave let like long look make many may mean mention most much need never often old
    please put really run say see seem send set should show something start still stop take talk tell thing think
    try turn usually use want way well work write yet"""
"""English words that a question may have and its answer need not."""


@attrs.frozen(kw_only=True)
class Answer:
    """What a text says to a question."""

    question: str
    found: bool
    """Whether the text speaks of it."""
    confidence: float
    """In [0, 1]: the probability that a question whose information the first passage covers so far was made of a
    sentence of this text, where as many are made of other text. From ½ on the question counts as found."""
    answer: Passage | None
    """The sentence to quote; nothing where ``found`` is false."""
    passages: tuple[tuple[Passage, float], ...]
    """The best passages with their scores, best first; each text once."""
    method: str
    """How they were ranked."""
    words: tuple[str, ...] = ()
    """Words of the text that the question was understood as."""
    missing: tuple[str, ...] = ()
    """Words of the question that the text does not have."""
    note: str = ""
    """Why nothing was found, in one sentence."""


def answer(
    question: str, ranking: Ranking, collection: Collection, passage: Callable[[int], Passage], top: int
) -> Answer:
    """Decide on a question.

    Parameters
    ----------
    ranking
        The best passages for it.
    passage
        The passage at a row of the collection.
    top
        Most passages in the answer.
    """
    asked = understood(collection, question)
    confidence, first = 0.0, None
    if len(ranking.passages):
        slope, middle = calibrated(collection)
        covered = coverage(collection, weighted(asked, question, collection))[ranking.passages[0]]
        confidence = float(1 / (1 + np.exp(-slope * (covered - middle))))
        first = int(ranking.passages[0])
    found = confidence >= 0.5
    listed: dict[str, tuple[Passage, float]] = {}
    for row, score in zip(ranking.passages, ranking.scores, strict=True):
        if len(listed) == top:
            break
        each = passage(int(row))
        listed.setdefault(" ".join(each.text.split()), (each, float(score)))
    return Answer(
        question=question,
        found=found,
        confidence=confidence,
        answer=_quoted(first, collection, passage) if found and first is not None else None,
        passages=tuple(listed.values()),
        method=ranking.method,
        words=ranking.words,
        missing=ranking.missing,
        note="" if found else _why(question, ranking, collection),
    )


def subjects(question: str) -> list[str]:
    """The words of a question that can be looked for, as they are counted."""
    found = tokens(question)
    stop = stop_words(language_of(found))
    return [word for word in found if word not in stop]


def _quoted(row: int, collection: Collection, passage: Callable[[int], Passage]) -> Passage:
    """The passage, or the one after it where it is itself a question or announces what follows."""
    found = passage(row)
    if found.text.rstrip("*_ ").endswith(("?", ":")) and row + 1 < len(collection):
        following = passage(row + 1)
        if following.document == found.document and following.group - found.group in (0, 1):
            return following
    return found


def _why(question: str, ranking: Ranking, collection: Collection) -> str:
    if not len(ranking.passages):
        own = language_of(tokens(question))
        known = _languages(collection)
        other = f"; it seems to be {own.title()}, and the text is {known}" if own.title() not in known else ""
        return f"no word of the question is in the text{other}"
    if ranking.missing:
        words = ", ".join(map(repr, ranking.missing[:3]))
        return f"{words} {'is' if len(ranking.missing) == 1 else 'are'} nowhere in the text"
    return "its words are in the text, but not together"


def _languages(collection: Collection) -> str:
    from lior.ask.words import LANGUAGES

    present = np.bincount(collection.table.languages, minlength=len(LANGUAGES))
    return " and ".join(LANGUAGES[i].title() for i in np.argsort(-present, kind="stable")[:2] if present[i])


# --- what counts ---


@cache
def _light() -> frozenset[str]:
    return frozenset(stem(word, ENGLISH) for word in _LIGHT.split())


def weighted(asked: Question, question: str, collection: Collection) -> Question:
    """``asked`` with less information in words that answers rarely repeat, and more in names that are nowhere."""
    factors = np.ones(len(asked.informations))
    terms = collection.table.terms
    for term, owner in zip(asked.terms, asked.owners, strict=True):
        if terms[term].tobytes().rstrip(b"\0").decode() in _light():
            factors[owner] = _LIGHT_WEIGHT
    known = set(asked.owners.tolist())
    nowhere = [owner for owner in range(len(factors)) if owner not in known]
    names = {word.lower() for word in re.findall(r"(?<=[\w,;] )[A-Z]\w+", question)}
    german = language_of(tokens(question)) == "german"  # writes all nouns with a capital
    for owner, word in zip(nowhere, asked.missing, strict=False):
        if stem(word, ENGLISH) in _light():
            factors[owner] = _LIGHT_WEIGHT
        elif word in names and not german:
            factors[owner] = _NAME_WEIGHT
    return attrs.evolve(asked, informations=asked.informations * factors)


# --- calibration ---


def calibrated(collection: Collection) -> np.ndarray:
    """Slope and middle of the logistic function of the coverage, float64 ``(2,)``; a function of the counts."""
    return collection.derived(_KEY, lambda: _calibrate(collection))


def restore(collection: Collection, values: np.ndarray) -> None:
    """Use what :func:`calibrated` found for the same counts before."""
    if values.shape != (2,) or not np.isfinite(values).all():
        raise ValueError("the calibration is damaged")
    collection.derived(_KEY, lambda: values)


def _calibrate(collection: Collection) -> np.ndarray:
    draw = np.random.RandomState(0)  # its numbers never change, unlike those of newer generators
    count = _QUESTIONS if len(collection) <= _MANY else max(16, _QUESTIONS * _MANY // len(collection))
    own = _sentences(collection, draw, count)
    if len(own) < 8:
        return np.array(_USUAL)
    entries = collection.table.text.terms
    covered, answered = [], []
    for terms in own:
        kept = [t if draw.rand() < _KEPT else _other(entries, draw) for t in terms]
        mixed = [int(entries[draw.randint(len(entries))]) for _ in terms]
        covered += [_best(collection, kept), _best(collection, mixed)]
        answered += [True, False]
    for foreign in _foreign(collection, draw, len(own)):
        covered.append(_best(collection, foreign))
        answered.append(False)
    return _fitted(np.array(covered), np.array(answered))


def _sentences(collection: Collection, draw: np.random.RandomState, count: int) -> list[list[int]]:
    """Terms of ``count`` passages, 3 to 5 of each."""
    postings = collection.table.text
    lengths = np.bincount(postings.rows, minlength=len(collection))
    rows = np.flatnonzero(lengths >= 4)
    rows = rows[np.sort(draw.permutation(len(rows))[:count])]
    chosen = np.zeros(len(collection), bool)
    chosen[rows] = True
    at = np.flatnonzero(chosen[postings.rows])
    terms_of: dict[int, list[int]] = {int(row): [] for row in rows}
    terms = np.searchsorted(postings.starts, at, side="right") - 1
    for row, term in zip(postings.rows[at].tolist(), terms.tolist(), strict=True):
        terms_of[row].append(term)
    return [
        [terms[i] for i in draw.permutation(len(terms))[: draw.randint(3, 6)]] for terms in terms_of.values()
    ]


def _other(entries: np.ndarray, draw: np.random.RandomState) -> int:
    """A word that a person uses and the sentence does not: one of the text, or −1 for one that it lacks."""
    return int(entries[draw.randint(len(entries))]) if draw.rand() < 0.5 else -1


def _foreign(collection: Collection, draw: np.random.RandomState, count: int) -> Iterator[list[int]]:
    """Terms of sentences of the reference that comes with Python, 3 to 5 of each; −1 for words not in the text."""
    from pydoc_data.topics import topics

    from lior.ask.ranking import term_of

    names = sorted(topics)
    while count:
        sentences = topics[names[draw.randint(len(names))]].split(". ")
        words = subjects(sentences[draw.randint(len(sentences))][:300])
        if len(words) < 4:
            continue
        found = [term_of(collection, stem(words[i], ENGLISH)) for i in draw.permutation(len(words))[:5]]
        yield [-1 if term is None else term for term in found[: draw.randint(3, 6)]]
        count -= 1


def _best(collection: Collection, terms: list[int]) -> float:
    """The highest coverage of a question of these terms, −1 for words that the text lacks."""
    known = np.array([term for term in terms if term >= 0], np.int64)
    idf, nowhere = informations(collection), float(np.log1p((len(collection) + 0.5) / 0.5))
    lacking = np.full(len(terms) - len(known), nowhere)
    question = Question(
        terms=known,
        weights=np.ones(len(known)),
        owners=np.arange(len(known)),
        informations=np.concatenate([idf[known], lacking]),
        words=(),
        missing=(),
    )
    return float(coverage(collection, question).max(initial=0.0))


def _fitted(covered: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Slope and middle for two normal distributions of one variance, as in a linear discriminant analysis."""
    yes, no = covered[answered], covered[~answered]
    between = yes.mean() - no.mean()
    slope = np.clip(between / max((yes.var() + no.var()) / 2, 1e-6), 4.0, 40.0)
    return np.array([slope, np.clip((yes.mean() + no.mean()) / 2, 0.25, 0.75)])
