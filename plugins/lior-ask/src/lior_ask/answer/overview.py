"""Overviews: several quotations about a topic in place of one sentence: "What do I know about the boat?"

They are chosen one after the other by maximal marginal relevance (J. Carbonell and J. Goldstein, 1998). The
relevance of a passage is the judge's score. A passage loses score by the share of its words that an earlier
quotation has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import attrs
import numpy as np

from lior.errors import quantity
from lior.interfaces import Candidates, Judge, Passage, PassageView, Ranking
from lior_ask.answer import selection
from lior_ask.answer.record import Answer
from lior_ask.judging.features import NAMES, gather, stems_of
from lior_ask.languages.lists import any_of, languages
from lior_ask.languages.words import stop_words
from lior_ask.question.query import languages_of
from lior_ask.question.question import LONGEST_MESSAGE, Question

MOST = 7
"""Maximum number of quotations."""
_LEAST = 3.0
"""Minimum score of a quotation. This and the following numbers are among the best of 3,240 combinations on
the folders ``choose`` of ``lior bench overviews``."""
_NEAR = 2.0
"""Distance below the best passage up to which others are quoted if all scores are low: across languages."""
_NAMED = 1.0
"""Bonus of a passage that has all words of the topic: it needs no other passage to be understood."""
_NEVER = -1e9
"""Less than any score."""
_GREETING = re.compile(r"(?:[^\W\d_]\.-?)+[,!]*|[^\W\d_][\w'’–-]+\.?[,!]*|[,!–-]+")
"""Pattern of a word of a greeting or signature: "Dear Dr. Sommer," or "Kind regards, K.-H."."""
_GREETS = 6
"""Maximum number of its words."""
_END = re.compile(r"\w\w[.?…]\s*$")
"""Pattern of the end of a sentence."""
_FREE, _SAME, _TWICE = 0.3, 0.9, 4.0
"""Share of words that an earlier quotation may have, share from which on a passage says nothing new, and the
loss of score for all words."""
_CROWDED, _APIECE = 3.0, 2
"""Loss of score for each quotation from the same file, and the number of quotations that are free of it."""
_RELATED = 0.3
"""Minimum relatedness, by an encoder, of a passage without a word of the topic, as below a heading."""
_SHARE = 0.5
"""Minimum share of the topic in the block of a quotation, relative to the candidate that has most of it."""


@cache
def _asks() -> re.Pattern[str]:
    each = (
        rf"{any_of(own.lists['overviews.asks'])}\s*(?P<{own.name}>\w.*?){any_of(own.lists['overviews.ends'])}"
        for own in languages()
    )
    return re.compile(rf"\W*(?:{'|'.join(each)})\W*", re.I)


def topic_of(text: str) -> str:
    """Return the topic of a question for an overview; empty for another question.

    >>> topic_of("What do I know about the boat?"), topic_of("Who sold the boat?")
    ('the boat', '')
    """
    found = _asks().fullmatch(text.replace("’", "'")) if len(text) <= LONGEST_MESSAGE else None
    return next(filter(None, found.groupdict().values()), "") if found else ""


def topic_questions(asked: Question, topic: str, view: PassageView) -> Iterator[Question]:
    """Yield short questions about a topic, as the judge knows them, the next one if one is refused.

    They are in the main language of the text and, if the question has another one of the text, in that.

    Raises ``UsageError`` if the topic has no word to look for.
    """
    asked.saying(topic).checked()
    known, spoken = {own.name: own for own in languages()}, languages_of(view)
    own, (main, *_) = asked.language, spoken
    line = topic.split()
    while len(line) > 1 and line[0].lower() in stop_words(own):  # "die Miete" in an English question
        line = line[1:]
    ways = [(main, topic), (main, " ".join(line))] if main != own else []
    for name, about in [*ways, (own, topic)][: 2 + (own in spoken)]:
        [form] = known.get(name, languages()[0]).lists["overviews.question"]
        yield asked.saying(form.format(about), asked.follows)


def overview(
    question: Question,
    ranking: Ranking,
    view: PassageView,
    top: int,
    judge: Judge,
    dates_of: Callable[[Sequence[Passage]], list[str]],
    fits: Callable[[str], bool] | None = None,
) -> Answer:
    """Return up to :data:`MOST` quotations: in the order of their dates, then those without a date.

    Parameters
    ----------
    question
        The question about the topic, from :func:`topic_questions`.
    ranking
        The best passages for it.
    top
        Maximum number of passages if the overview is refused.
    dates_of
        Returns the date of each passage, ISO 8601, or an empty string.
    fits
        Returns whether such a date is in the period that the question names, if it names one.
    """
    refused = selection.answer(question, ranking, view, top, judge)
    note = refused.note or "its words are in the text, but too few passages are likely to be about it"
    refused = attrs.evolve(refused, found=False, answer=None, block=None, note=note)
    if not len(ranking.passages):
        return refused
    candidates = gather(question, ranking, view)
    scores = judge.scores(question, candidates)
    said = _said(candidates, question, view)
    chosen = _choose(candidates, scores, said)
    confidence = _confidence(question, candidates, chosen, judge) if chosen else refused.confidence
    refused = attrs.evolve(refused, confidence=confidence)
    if not chosen or confidence < judge.least(candidates):
        return refused
    if fits:
        fit = [*map(fits, dates_of(candidates.passages))]
        chosen = _choose(candidates, np.where(fit, scores, -np.inf), said)
    if not chosen:
        return attrs.evolve(refused, note="no passage about it has a date in that time")
    quotations = {each: selection.whole_line(view, int(candidates.rows[each]), question) for each in chosen}
    dates = dates_of([quotations[each] for each in chosen])
    order = sorted(
        zip(dates, chosen, strict=True), key=lambda pair: (not pair[0], pair[0], pair[1] * bool(pair[0]))
    )
    shares = confidence * np.minimum(np.exp(scores - scores[chosen[0]]), 1.0)
    return attrs.evolve(
        refused,
        found=True,
        note="",
        passages=tuple((quotations[each], float(shares[each])) for _, each in order),
        evidence=tuple(selection.evidence_of(candidates, ranking, each) for _, each in order),
        dates=tuple(date for date, _ in order),
        said=f"{quantity(len(order), 'place')} {'speaks' if len(order) == 1 else 'speak'} of it:",
    )


def _choose(candidates: Candidates, scores: np.ndarray, said: np.ndarray) -> list[int]:
    """Return the candidates to quote, the most relevant first.

    ``said``, float64 ``(C, C)``, is the share of the words of the first that the second has.
    """
    named, around, read, silent, beside = (
        candidates.features[:, NAMES.index(name)] for name in ("text", "block", "encoder", "silent", "beside")
    )
    about = (named > 0) | (read >= _RELATED) | (candidates.level != "encoder")
    about &= (around >= _SHARE * around.max()) & (silent + beside == 0)
    about &= ~np.array([_greets(passage) for passage in candidates.passages], bool)
    relevance, chosen = np.where(about, scores + _NAMED * named, -np.inf), list[int]()
    left, files = relevance, np.array([passage.document for passage in candidates.passages])
    least = min(_LEAST, relevance.max() - _NEAR)
    while len(chosen) < MOST and left.max() >= max(least, _NEVER):
        chosen.append(int(left.argmax()))
        known = said[:, chosen].max(1)
        left = relevance - _TWICE * np.maximum(known - _FREE, 0) / (1 - _FREE)
        there = (files[:, None] == files[chosen]).sum(1)
        left -= _CROWDED * np.maximum(there - _APIECE, 0)
        left[known >= _SAME] = left[chosen] = -np.inf
    return chosen


def _greets(passage: Passage) -> bool:
    """Return whether it is a greeting or signature: a few words of a mail that are no sentence."""
    words = passage.text.split()
    short = "@" in passage.context and len(words) <= _GREETS and not _END.search(passage.text[-_GREETS:])
    return short and all(map(_GREETING.fullmatch, words))


def _said(candidates: Candidates, question: Question, view: PassageView) -> np.ndarray:
    """Return the share of each candidate that each other one says: of its words, or all in the same line.

    The result is float64 ``(C, C)``."""
    language = question.among(languages_of(view))
    asked = stems_of(question.text, language)
    words = [stems_of(passage.text, language) - asked for passage in candidates.passages]
    said = np.array([[len(own & other) / max(len(own), 1) for other in words] for own in words])
    places = [(passage.document, passage.line) for passage in candidates.passages]
    said[[[one == other for other in places] for one in places]] = 1.0
    return said


def _confidence(question: Question, candidates: Candidates, chosen: Sequence[int], judge: Judge) -> float:
    """Return how likely the first quotation is about the topic: the others do not compete with it."""
    kept = np.ones(len(candidates.rows), bool)
    kept[chosen[1:]] = False
    rest = attrs.evolve(
        candidates,
        rows=candidates.rows[kept],
        blocks=candidates.blocks[kept],
        passages=tuple(candidates.passages[each] for each in np.flatnonzero(kept)),
        features=candidates.features[kept],
    )
    return judge.confidence(question, rest, judge.scores(question, rest))
