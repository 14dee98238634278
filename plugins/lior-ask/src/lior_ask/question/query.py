"""Query analysis: a question as weighted terms of an index, with spelling correction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lior.interfaces import PassageView, Question, Term, TermQuery
from lior_ask.arrays import idf_of
from lior_ask.languages.dates import is_day, is_marked
from lior_ask.languages.words import (
    ENGLISH,
    LANGUAGES,
    LONGEST,
    identifiers,
    spellings,
    stem,
    stop_words,
    tokens,
)
from lior_ask.question.answer_type import type_words
from lior_ask.question.spelling import corrections

MOST_WORDS = 128
"""Maximum number of terms of a question, the rarest first; a page of text has about as many."""
MOST_CORRECTIONS = 48
"""Maximum number of unknown words of a question that are corrected; each is compared with all words."""


def analyse(view: PassageView, question: Question) -> TermQuery:
    """Return ``question`` as terms of ``view``: stems in its language, and corrections of unknown words.

    A word with a digit is not corrected: a different number means something else.
    """
    found, languages = _words_of(view, question), languages_of(view)
    own = question.among(languages)
    counted = Counter(word[:LONGEST] for word in found if word not in stop_words(own))
    typed = type_words(question.text)  # the type of the answer stands for them
    counted = Counter({word: n for word, n in counted.items() if word not in typed}) or counted
    matches, corrected = list[_Match](), 0
    for word in counted:
        corrects = corrected < MOST_CORRECTIONS and len(word) > 2 and not is_marked(word)
        corrects = corrects and not any(map(str.isdigit, word))
        match, tried = _match(view, word, languages, corrects=corrects)
        matches.append(match)
        corrected += tried
    return _weigh(view, counted, matches)


class _Match(NamedTuple):
    """A word of a question, and what it is taken for."""

    word: str
    near: list[tuple[str, Term, float]]
    """Words of the text, their terms and weights."""
    known: bool

    @property
    def taken(self) -> str:
        """The word of the text that it is taken for; empty if there is none."""
        return self.near[0][0] if self.known else ""


def _match(view: PassageView, word: str, languages: Sequence[str], *, corrects: bool) -> tuple[_Match, bool]:
    """Return what a word is taken for, and whether a correction was tried, which ``corrects`` allows."""
    every = _terms_of(view, word, languages)
    terms = [term for term in every if term.text or term.context]
    near = [(word, term, 1 / len(terms)) for term in terms]
    known, tried = bool(near), corrects and not near
    if tried:
        near, known = corrections(view, word)
    if every and not terms:  # only in confirmed questions; it may still be a misspelling
        near = [(word, term, 1 / len(every)) for term in every] + (near if known else [])
        total = sum(w for *_, w in near)
        near, known = [(name, term, w / total) for name, term, w in near], True
    return _Match(word, near, known), tried


def _weigh(view: PassageView, counted: Mapping[str, int], matches: Sequence[_Match]) -> TermQuery:
    """Return the rarest terms of the words of a question, each with its number of times."""
    parts: list[tuple[int, float, float, int]] = []
    word_idf, names = list[float](), list[str]()
    for owner, (match, count) in enumerate(zip(matches, counted.values(), strict=True)):
        each_idf, place = [idf(view, term) for _, term, _ in match.near], owner if match.known else -1
        shared = zip(match.near, each_idf, strict=True)
        parts += [(term.id, count * weight, each, place) for (_, term, weight), each in shared]
        each_weight = [weight for *_, weight in match.near]
        word_idf.append(float(np.dot(each_idf, each_weight)) if match.known else idf(view, None))
        names += [name for name, *_ in match.near if name not in names] if match.known else []
    rarest = sorted(parts, key=lambda part: -part[2])[:MOST_WORDS]
    terms, weights, idfs, owners = zip(*rarest, strict=True) if rarest else ((),) * 4
    return TermQuery(
        terms=np.array(terms, np.int64),
        weights=np.array(weights, np.float64),
        idf=np.array(idfs, np.float64),
        owners=np.array(owners, np.int64),
        word_idf=np.array(word_idf, np.float64),
        words=tuple(names),
        missing=tuple(match.word for match in matches if not match.known),
        asked=tuple(counted),
        taken=tuple(match.taken for match in matches),
    )


def repair(question: str, query: TermQuery) -> str:
    """Return a question with its misspelt words corrected."""
    for word, taken in zip(query.asked, query.taken, strict=True):
        if taken and taken != word:
            question = re.sub(rf"\b{re.escape(word)}\b", taken, question, flags=re.IGNORECASE)
    return question


def _words_of(view: PassageView, question: Question) -> list[str]:
    """Return the words of a question.

    A day that the text has replaces its number, month and year. An identifier is added to its parts: the
    whole name, or the last part that the text has.
    """
    days, text = list[str](), question.text
    for date in sorted(question.dates, key=lambda date: -date.begin):
        known = [word for word in date.words if view.term(word) is not None]
        days += known or date.words
        if any(map(is_day, known)):
            year = date.year if all(map(is_day, known)) else ""
            text = f"{text[: date.begin]} {year} {text[date.end :]}"
    names = [
        next((each for each in name if view.term(each[:LONGEST])), name[0])
        for name in identifiers(question.text)
    ]
    return [*(question.tokens if text == question.text else tokens(text)), *days, *names]


def languages_of(view: PassageView, least: float = 0.0) -> list[str]:
    """Return the languages of the documents, the commonest first; English if there is none.

    ``least`` is the minimum share of the documents in a language; two documents are enough, too.
    """
    present = np.bincount(view.layout.languages, minlength=len(LANGUAGES))
    enough = (present > 0) & (present >= min(least * present.sum(), 2))
    return [LANGUAGES[i] for i in np.argsort(-present, kind="stable") if enough[i]] or [ENGLISH]


def _terms_of(view: PassageView, word: str, languages: Sequence[str]) -> list[Term]:
    """Return the terms of a word: as the text spells it, else of its stems in the text's languages."""
    stems = view.stems(word) or sorted({stem(word, language) for language in languages})
    stems += sorted({each for other in spellings(word) for each in view.stems(other)} - {*stems})
    return [term for each in stems if (term := view.term(each)) is not None]


def idf(view: PassageView, term: Term | None) -> float:
    """Return ``ln(1 + (N − df + ½)/(df + ½))`` of a term; ``df`` is 0 for ``None``.

    ``df`` is the number of passages and contexts that have it, or of passages with confirmed questions that
    have it if that is greater, at most ``N``.
    """
    df = max(term.text + term.context, term.confirmed) if term else 0
    return float(idf_of(min(df, len(view)), len(view)))
