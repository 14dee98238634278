"""Whether the passages found answer a question, and which sentence does.

A score does not tell answerable questions from others; what tells is how much of the question's information
(idf) one passage has, together with its paragraph and headings. How much is enough depends on the text: in
a large one, unrelated words meet by chance. So each text is asked questions made of its own sentences and of
those of another text, and a logistic function of the coverage is fitted to tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import attrs
import numpy as np

from lior.ask.collection import Collection
from lior.ask.expecting import expected, suits
from lior.ask.ranking import Question, coverage, informations, understood
from lior.ask.words import ENGLISH, LANGUAGES, LONGEST, language_of, stem, stop_words, tokens
from lior.interfaces import Passage, Ranking

_KEY = "answering"
_USUAL = (8.0, 0.5)
"""Slope and middle of the logistic function for a text too short to be asked questions."""
_QUESTIONS = 96
"""Questions of each kind."""
_MANY = 30_000
"""Passages from which on fewer questions are asked, so that their cost stays in proportion."""
_KEPT = 2 / 3
"""Share of words that a question has in common with the sentence that answers it; an assumption."""
_LIGHT_WEIGHT, _LIGHT_LACKING, _NAME_WEIGHT = 0.3, 0.1, 2.0
LIGHT = frozenset(
    """actually already ask asked away back big bring brought call called calls come comes coming day did done
    ever exactly far find found get gets getting give given gives go goes going gone good got happen
    happened happening happens hear help helps keep keeps kept kind know known last leave let like long
    look looks made make makes making many mean means mention mentioned much need needed needs never
    often old please put puts ran really run running runs said saw say says see seem seen send sent set
    sets show shows something start started starts still stop stops take taken takes taking talk tell
    thing things think told took try turn turned turns used uses using usually want wanted wants way
    ways went work working works write written wrote yet""".split()  # noqa: SIM905 (a list would take 90 lines)
)
"""English words that a question may have and its answer need not."""


@attrs.frozen(kw_only=True)
class Answer:
    """What a text says to a question."""

    question: str
    found: bool
    """Whether the text speaks of it."""
    confidence: float
    """In [0, 1]: the probability that a question of which the best passages cover so much was made of a
    sentence of this text, where as many are made of other text. From ½ on it counts as found."""
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
    question: str,
    ranking: Ranking,
    collection: Collection,
    passage: Callable[[int], Passage],
    top: int,
    judge: Callable[[Collection, str, int, float], float | None] | None = None,
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
    judge
        The confidence of a retriever that knows more than which words are there; by their coverage if not
        given.
    """
    ranking = _suited(question, ranking, passage)
    confidence = None if len(ranking.passages) else 0.0
    if confidence is None and judge is not None:
        confidence = judge(collection, question, int(ranking.passages[0]), float(ranking.scores[0]))
    if confidence is None:
        asked, (slope, middle) = understood(collection, question), calibrated(collection)
        covered = coverage(collection, weighted(asked, question, collection))[ranking.passages[:3]]
        confidence = logistic(slope * ((covered[0] + covered.max()) / 2 - middle))
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
        answer=_quoted(ranking, collection, passage) if found else None,
        passages=tuple(listed.values()),
        method=ranking.method,
        words=ranking.words,
        missing=ranking.missing,
        note="" if found else _why(question, ranking, collection),
    )


def _suited(question: str, ranking: Ranking, passage: Callable[[int], Passage]) -> Ranking:
    """``ranking`` in the order of the scores with what each passage suits the question."""
    if expected(question) is None:
        return ranking
    more = [suits(question, passage(int(row)).text) for row in ranking.passages]
    scores = ranking.scores + np.array(more)
    order = np.argsort(-scores, kind="stable")
    return attrs.evolve(
        ranking, passages=ranking.passages[order], scores=scores[order], covered=ranking.covered[order]
    )


def subjects(question: str) -> list[str]:
    """The words of a question that can be looked for, as they are counted."""
    found = tokens(question)
    stop = stop_words(language_of(found))
    return [word for word in found if word not in stop]


def _quoted(ranking: Ranking, collection: Collection, passage: Callable[[int], Passage]) -> Passage:
    """The first passage; where it asks or announces, the one that follows in the text, or the next best."""
    row = int(ranking.passages[0])
    first = passage(row)
    if not first.text.rstrip("*_ ").endswith(("?", ":")):
        return first
    after = [row + 1] if row + 1 < len(collection) else []
    near = [
        r for r, c in zip(ranking.passages, ranking.covered, strict=True) if c >= 0.8 * ranking.covered[0]
    ]
    for candidate in map(passage, map(int, after + near[1:])):
        follows = candidate.document == first.document and candidate.group - first.group in (0, 1)
        if (follows or not after) and not candidate.text.endswith("?"):
            return candidate
        after = []  # all others are judged by what they cover
    return first


def _why(question: str, ranking: Ranking, collection: Collection) -> str:
    own, known = language_of(tokens(question)), _languages(collection)
    nowhere = [w for w in dict.fromkeys(subjects(question)) if w not in ranking.words and w not in LIGHT]
    if nowhere and own not in known:
        return f"the question seems to be {own.title()}, and the text is {' and '.join(known[:3]).title()}"
    if nowhere:
        words = " and ".join(map(repr, nowhere[:3]))
        return f"{words} {'is' if len(nowhere) == 1 else 'are'} nowhere in the text"
    return "its words are in the text, but not together"


def _languages(collection: Collection) -> list[str]:
    """The languages of the documents, the commonest first."""
    present = np.bincount(collection.table.languages, minlength=len(LANGUAGES))
    return [LANGUAGES[i] for i in np.argsort(-present, kind="stable") if present[i]] or [ENGLISH]


# --- what counts ---


def weighted(asked: Question, question: str, collection: Collection) -> Question:
    """``asked`` as it decides whether the text speaks of it.

    A word that answers rarely repeat has less information, a name that is nowhere has more. The word that is
    meant by a misspelling covers half of its information.
    """
    own = language_of(tokens(question), _languages(collection), default=_languages(collection)[0])
    words = dict.fromkeys(w[:LONGEST] for w in tokens(question) if w not in stop_words(own))
    names = named(question)
    shares, lacking = np.ones(len(words)), np.zeros(len(words))
    for number, word in enumerate(words):
        if own == ENGLISH and word in LIGHT:
            shares[number] = _LIGHT_LACKING if word in asked.missing else _LIGHT_WEIGHT
        elif word in asked.missing:
            if word in names and own != "german":  # whose nouns all have a capital
                shares[number] = _NAME_WEIGHT
        elif word not in asked.words:
            shares[number] = lacking[number] = 0.5
    informations = np.concatenate([asked.informations * shares, asked.informations * lacking])
    return attrs.evolve(asked, informations=informations)


def named(question: str) -> set[str]:
    """Words with a capital inside a question, in lower case."""
    return {word.lower() for word in re.findall(r"(?<=[\w,;] )[A-Z]\w+", question)}


def logistic(odds: float) -> float:
    """The probability of logarithmic odds, in [0.01, 0.99]."""
    return float(np.clip(1 / (1 + np.exp(-odds)), 0.01, 0.99))


# --- calibration ---


def calibrated(collection: Collection) -> np.ndarray:
    """Slope and middle of the logistic function of the coverage, float64 ``(2,)``, from the counts alone."""
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
        covered.append(_best(collection, kept))
        answered.append(True)
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
    """Terms of sentences of the reference that comes with Python, 3 to 5 of each; −1 for unknown words."""
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
    """Slope and middle for two normal distributions of one variance, as in a linear discriminant analysis.

    A text of the same field as the other one covers the questions of both; then it tells nothing.
    """
    yes, no = covered[answered], covered[~answered]
    between = yes.mean() - no.mean()
    if between < 0.1:
        return np.array(_USUAL)
    slope = np.clip(between / max((yes.var() + no.var()) / 2, 1e-6), 5.0, 12.0)
    return np.array([slope, np.clip((yes.mean() + no.mean()) / 2, 0.3, 0.6)])
