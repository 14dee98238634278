"""The decision whether a question is answered, and by which sentence, from the scores of the judge."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import attrs
import numpy as np

from lior.interfaces import Block, Candidates, Judge, Passage, PassageView, Question, Ranking
from lior_ask.answer.record import Answer
from lior_ask.chunking.blocks import join, rows_of_block
from lior_ask.chunking.page import ITEM
from lior_ask.judging.features import NAMES, RETRIEVED, gather, stems_of
from lior_ask.languages.dates import show
from lior_ask.languages.words import asking_words
from lior_ask.question.answer_type import type_words
from lior_ask.question.query import languages_of
from lior_ask.question.question import LIGHT

_SPOKEN = 0.25
"""Minimum share of the documents in a language to name it: a table may look like any language."""
_OTHER_KIND = 0.49
"""Maximum confidence if nothing in the block is of the expected kind, such as a person or an amount."""
_SUBJECT, _LONGEST = 0.2, 400
"""Minimum share of the question that the sentence before must add to be quoted too, and the maximum number of
characters of both sentences."""
_HEADING = 400
"""Maximum number of characters of a heading that is shown whole, chosen by hand: forty names of columns."""
_SHOWN = ("text", "before", "heading", "block")
"""Word features reported as evidence of a passage, in addition to the evidence of the retriever."""


def answer(question: Question, ranking: Ranking, view: PassageView, top: int, judge: Judge) -> Answer:
    """Decide whether the passages found answer a question, and which sentence to quote.

    Parameters
    ----------
    ranking
        The best passages for the question.
    top
        Maximum number of passages in the answer.
    judge
        The judge of the candidates. Passages that the index does not allow are neither judged nor quoted.
    """
    quoted, block, confidence, found = None, None, 0.0, False
    listed, evidence = list[tuple[Passage, float]](), list[Mapping[str, float]]()
    if len(ranking.passages):
        candidates = gather(question, ranking, view)
        scores = judge.scores(question, candidates)
        confidence = judge.confidence(question, candidates, scores)
        best = int(scores.argmax())
        shorten = partial(_shorten, question=question, view=view)
        quoted, block = _quote(question, candidates, best, view)
        if question.expected is not None and not question.suits(block.text):
            confidence = min(confidence, 0.0 if type_words(question.text) else _OTHER_KIND)
        found = confidence >= judge.least(candidates)
        shares = np.exp(scores - scores[best])
        for each in _order(candidates, scores, top):
            listed.append((shorten(candidates.passages[each]), float(confidence * shares[each])))
            evidence.append(evidence_of(candidates, ranking, each))
    return Answer(
        question=question.text,
        found=found,
        confidence=confidence,
        answer=quoted if found else None,
        block=block if found else None,
        passages=tuple(listed),
        evidence=tuple(evidence),
        method=ranking.method,
        words=tuple(map(show, ranking.query.words)),
        missing=_missing(question, ranking),
        note="" if found else _why(question, ranking, view),
    )


def _order(candidates: Candidates, scores: np.ndarray, top: int) -> list[int]:
    """Return the best candidates, each text once.

    A neighbour of a passage that was found is left out, unless it is the best candidate.
    """
    order = np.argsort(-scores, kind="stable")
    beside = candidates.features[order, NAMES.index("beside")] > 0
    beside[0] = False
    found = dict[str, int]()
    for each in order[~beside].tolist():
        found.setdefault(" ".join(candidates.passages[each].text.split()), each)
    return [*found.values()][:top]


def evidence_of(candidates: Candidates, ranking: Ranking, number: int) -> dict[str, float]:
    """Return the features of a candidate that are reported as evidence."""
    names = [*_SHOWN, *(name for name in RETRIEVED if name in ranking.evidence)]
    return {name: float(candidates.features[number, NAMES.index(name)]) for name in names}


def _quote(question: Question, candidates: Candidates, best: int, view: PassageView) -> tuple[Passage, Block]:
    """Return the quotation, which is the best candidate and maybe the sentence before it, and its block."""
    row = int(candidates.rows[best])
    rows = _allowed_around(view, row)
    block = [_shorten(passage, question, view) for passage in view.passages(rows)]
    last = row - rows.start
    subject = candidates.features[best, NAMES.index("before")] >= _SUBJECT
    language = question.among(languages_of(view))
    first = (
        last - 1 if last and subject and _needs(question, language, block[last], block[last - 1]) else last
    )
    around = join(block, first, last)
    return attrs.evolve(block[first], text=around.text[around.begin : around.end]), around


def whole_line(view: PassageView, row: int, question: Question) -> Passage:
    """Return a passage with its neighbours in the same line, up to :data:`_LONGEST` characters."""
    rows = _allowed_around(view, row)
    block = [_shorten(passage, question, view) for passage in view.passages(rows)]
    first = last = row - rows.start
    for step in (1, -1):
        at = first - 1 if step < 0 else last + 1
        while 0 <= at < len(block) and block[at].line == block[first].line:
            if sum(len(each.text) for each in block[min(first, at) : max(last, at) + 1]) > _LONGEST:
                break
            first, last, at = min(first, at), max(last, at), at + step
    around = join(block, first, last)
    return attrs.evolve(block[first], text=around.text[around.begin : around.end])


def _shorten(passage: Passage, question: Question, view: PassageView) -> Passage:
    """Return the passage with long headings, such as many column names, cut to the words of the question."""
    if len(passage.context) <= _HEADING:
        return passage
    language = question.among(languages_of(view))
    asked = stems_of(question.text, language)

    def short(line: str) -> str:
        if len(line) <= _HEADING:
            return line
        met = " ".join(word for word in line.split() if stems_of(word, language) & asked)
        return f"{(met or line)[:_HEADING]} …"

    return attrs.evolve(passage, context="\n".join(map(short, passage.context.split("\n"))))


def _needs(question: Question, language: str, passage: Passage, before: Passage) -> bool:
    """Return whether a passage needs the one before it to be understood, as no heading has its words."""
    if before.title or passage.group != before.group or ITEM.match(passage.text):
        return False
    if before.text.rstrip("*_ ").endswith(("?", ":")) or len(passage.text) + len(before.text) > _LONGEST:
        return False
    known = stems_of(f"{passage.text} {passage.context}", language)
    return bool((stems_of(before.text, language) - known) & stems_of(question.text, language))


def _allowed(view: PassageView, row: int) -> bool:
    return view.allowed is None or bool(view.allowed[row])


def _allowed_around(view: PassageView, row: int) -> range:
    """Return the adjacent allowed rows around a row in its block."""
    rows = rows_of_block(view, row)
    begin = next((at + 1 for at in range(row, rows.start - 1, -1) if not _allowed(view, at)), rows.start)
    return range(begin, next((at for at in range(row, rows.stop) if not _allowed(view, at)), rows.stop))


def _missing(question: Question, ranking: Ranking) -> tuple[str, ...]:
    """Return the words of a question that the text lacks, without question words and light words."""
    idle = asking_words(question.language) | LIGHT
    return tuple(show(word) for word in ranking.query.missing if word not in idle)


def _why(question: Question, ranking: Ranking, view: PassageView) -> str:
    own, known = question.language, languages_of(view, _SPOKEN)
    nowhere = _missing(question, ranking)
    if nowhere and own not in known:
        listed = " and ".join(map(str.title, known[:3]))
        return f"the question seems to be {own.title()}, and the text is {listed}"
    if nowhere:
        listed = " and ".join(map(repr, nowhere[:3]))
        return f"{listed} {'is' if len(nowhere) == 1 else 'are'} nowhere in the text"
    if view.allowed is not None:  # the excluded passages may have its words
        return "no passage that fits the filters is likely to answer it"
    return "its words are in the text, but no passage is likely to answer it"
