"""Query analysis: a question as weighted terms of an index, with spelling correction."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from lior.interfaces import PassageView, Question, Term, TermQuery
from lior_ask.arrays import idf_of
from lior_ask.languages.dates import is_day
from lior_ask.languages.words import ENGLISH, LANGUAGES, LONGEST, stem, stop_words, tokens
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
    parts: list[tuple[Term, float, float, int]] = []
    word_idf: list[float] = []
    taken: list[str] = []
    names: list[str] = []
    missing: list[str] = []
    corrected = 0
    for word, count in counted.items():
        every = _terms_of(view, word, languages)
        terms = [term for term in every if term.text or term.context]
        near = [(word, term, 1 / len(terms)) for term in terms]
        known = bool(near)
        if not near and len(word) > 2 and corrected < MOST_CORRECTIONS and not any(map(str.isdigit, word)):
            near, known = corrections(view, word)
            corrected += 1
        if every and not terms:  # only in confirmed questions; it may still be a misspelling
            near = [(word, term, 1 / len(every)) for term in every] + (near if known else [])
            total = sum(w for *_, w in near)
            near, known = [(name, term, w / total) for name, term, w in near], True
        if not known:
            missing.append(word)
        idfs = [idf(view, term) for _, term, _ in near]
        shared = zip(near, idfs, strict=True)
        parts += [
            (t, count * weight, each, len(word_idf) if known else -1) for (_, t, weight), each in shared
        ]
        taken.append(near[0][0] if known else "")
        names += [name for name, _, _ in near if name not in names] if known else []
        word_idf.append(float(np.dot(idfs, [w for _, _, w in near])) if known else idf(view, None))
    parts.sort(key=lambda part: -part[2])
    parts = parts[:MOST_WORDS]
    return TermQuery(
        terms=np.array([term.id for term, *_ in parts], np.int64),
        weights=np.array([weight for _, weight, _, _ in parts], np.float64),
        idf=np.array([each for _, _, each, _ in parts], np.float64),
        owners=np.array([owner for *_, owner in parts], np.int64),
        word_idf=np.array(word_idf, np.float64),
        words=tuple(names),
        missing=tuple(missing),
        asked=tuple(counted),
        taken=tuple(taken),
    )


def repair(question: str, query: TermQuery) -> str:
    """Return a question with its misspelt words corrected."""
    for word, taken in zip(query.asked, query.taken, strict=True):
        if taken and taken != word:
            question = re.sub(rf"\b{re.escape(word)}\b", taken, question, flags=re.IGNORECASE)
    return question


def _words_of(view: PassageView, question: Question) -> list[str]:
    """Return the words of a question; a day that the text has replaces its number, month and year."""
    days, text = list[str](), question.text
    for date in sorted(question.dates, key=lambda date: -date.begin):
        known = [word for word in date.words if view.term(word) is not None]
        days += known or date.words
        if any(map(is_day, known)):
            year = date.year if all(map(is_day, known)) else ""
            text = f"{text[: date.begin]} {year} {text[date.end :]}"
    return [*(question.tokens if text == question.text else tokens(text)), *days]


def languages_of(view: PassageView, least: float = 0.0) -> list[str]:
    """Return the languages of the documents, the commonest first; English if there is none.

    ``least`` is the minimum share of the documents in a language.
    """
    present = np.bincount(view.layout.languages, minlength=len(LANGUAGES))
    enough = (present > 0) & (present >= least * present.sum())
    return [LANGUAGES[i] for i in np.argsort(-present, kind="stable") if enough[i]] or [ENGLISH]


def _terms_of(view: PassageView, word: str, languages: Sequence[str]) -> list[Term]:
    """Return the terms of a word: as it is spelled in the text, else of its stems in the text's languages."""
    stems = view.stems(word) or sorted({stem(word, language) for language in languages})
    return [term for each in stems if (term := view.term(each)) is not None]


def idf(view: PassageView, term: Term | None) -> float:
    """Return ``ln(1 + (N − df + ½)/(df + ½))`` of a term; ``df`` is 0 for ``None``.

    ``df`` is the number of passages and contexts that have it, or of passages with confirmed questions that
    have it if that is greater, at most ``N``.
    """
    df = max(term.text + term.context, term.confirmed) if term else 0
    return float(idf_of(min(df, len(view)), len(view)))
