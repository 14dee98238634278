"""What tells whether a passage answers a question: one row of numbers for each candidate.

The candidates are the passages that a retriever found and those beside them in their blocks. Each number is
a function of the question, the passage and the counts of the index, and none knows a word of any language:
what they are worth is learned (:mod:`lior_ask.judging.linear`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lior.interfaces import Candidates, Passage, PassageView, Question, Ranking, TermQuery
from lior_ask.index.inverted import CONTEXT
from lior_ask.languages.dates import MARK, apart
from lior_ask.languages.words import stem, stop_words
from lior_ask.question.query import languages_of
from lior_ask.question.question import LIGHT
from lior_ask.ranking.bm25 import K1, B

FOUND, AROUND = 40, 8
"""Passages that are ranked to be judged, and those of a block before and behind each that are, too."""
_LIGHT_SHARE = 0.3
"""Share of the information of a word that says little, such as "get" and "take"."""
WORDS = (
    *("text", "before", "heading", "behind", "paragraph", "document"),
    *("block", "complete", "all in block", "phrase", "name", "date", "number", "lacking", "bm25"),
)
PLACES = ("kind", "other kind", "kind in block", "silent", "title", "first", "length", "said", "alone")
RETRIEVED = ("words", "near words", "least near word", "vectors of words", "encoder")
"""Evidence of retrievers, which counts where the ranking has it."""
OWN = (*WORDS, *PLACES, *(f"{part}{name}" for name in RETRIEVED for part in ("", "block's ")), "unread")
_COMPARED = ("text", "block", "bm25", *(f"{part}{name}" for name in RETRIEVED for part in ("", "block's ")))
"""What also counts by how far it is below the best candidate."""
_COMPARED_AT = [OWN.index(name) for name in _COMPARED]
NAMES = (*OWN, *(f"{name}, below the best" for name in _COMPARED))
_LEVELS = {"encoder": "encoder", "vectors": "near words"}
FOLDER = ("missing", "missing names", "question", "kind asked", "passages", "retrieved")
"""What tells of the question in the folder, whatever the passage."""


def gather(question: Question, ranking: Ranking, view: PassageView) -> Candidates:
    """The candidates of a ranking, with what tells of each.

    Where the index allows some passages only, there are no others.
    """
    rows = _with_neighbours(view, ranking.passages)
    passages = read_rows(view, rows)
    places = _places(question, ranking, view, rows, passages)
    silent = places[:, PLACES.index("silent")] > 0
    announced = np.append(False, silent[:-1] & (np.diff(rows) == 1))
    words = _words(view, question, ranking.query, rows, announced)
    found = np.concatenate([words, places, _retrieved(ranking, view, rows)], axis=1)
    compared = found[:, _COMPARED_AT]
    found = np.concatenate([found, compared - compared.max(0, keepdims=True)], axis=1)
    return Candidates(
        rows=rows,
        blocks=view.layout.block_of[rows],
        passages=tuple(passages),
        features=found,
        folder=_folder(question, ranking, view),
        level=next((level for level, name in _LEVELS.items() if name in ranking.evidence), "words"),
    )


def _with_neighbours(view: PassageView, rows: np.ndarray) -> np.ndarray:
    """The rows, and those of their blocks near them, ascending."""
    block = view.layout.block_of
    found = {*rows.tolist()}
    for row in rows.tolist():
        for step in (-1, 1):
            for at in range(row + step, row + step * (AROUND + 1), step):
                if not 0 <= at < len(view) or block[at] != block[row] or not _allowed(view, at):
                    break
                found.add(at)
    return np.array(sorted(found), np.int64)


def _allowed(view: PassageView, row: int) -> bool:
    return view.allowed is None or bool(view.allowed[row])


def read_rows(view: PassageView, rows: np.ndarray) -> list[Passage]:
    """The passages, read in runs of adjacent rows of a document."""
    document = view.layout.document_of
    found = list[Passage]()
    new = np.flatnonzero((np.diff(rows, prepend=-2) > 1) | (np.diff(document[rows], prepend=-1) != 0))
    for begin, end in zip(new, [*new[1:], len(rows)], strict=True):
        found += view.passages(range(int(rows[begin]), int(rows[end - 1]) + 1))
    return found


# --- words ---


def _words(
    view: PassageView, question: Question, query: TermQuery, rows: np.ndarray, announced: np.ndarray
) -> np.ndarray:
    """:data:`WORDS`, float64 ``(C, 15)``: which share of the question each candidate has, and where.

    A candidate has the words of the sentence before it, too, where that only announces it, bool ``(C,)``.
    """
    layout, words = view.layout, query.asked
    has = {place: np.zeros((len(words), len(rows)), bool) for place in _PLACES}
    for word in range(len(words)):
        for term in query.terms[query.owners == word].tolist():
            for place, found in _where(view, term, rows).items():
                has[place][word] |= found
    own, before, behind, heading, paragraph, document, around = (has[place] for place in _PLACES)
    own |= before & announced
    told = query.word_idf * np.array([_LIGHT_SHARE if word in LIGHT else 1.0 for word in words])
    told /= max(told.sum(), 1e-9)
    every = own | heading | around
    columns, covered = list[np.ndarray](), np.zeros_like(own)
    for part in (own, before, heading, behind, paragraph, document):  # each counts what those before lack
        columns.append(told @ (part & ~covered))
        covered |= part
    heavy = told >= 0.5 * told.max(initial=1e-9)
    pairs = np.minimum(told[:-1], told[1:]) @ (own[:-1] & own[1:]) if len(words) > 1 else 0 * told @ own
    dates = np.array([word.startswith(MARK) for word in words], bool)
    names = np.array([word in question.names for word in words], bool)
    numbers = np.array([any(map(str.isdigit, word)) for word in words], bool) & ~dates
    lacking = (every[mask].mean(0) - 1 if mask.any() else 0 * told @ own for mask in (names, dates, numbers))
    lengths = layout.lengths[rows] / max(float(layout.lengths.mean()), 1.0)
    bm25 = told @ own * (1 + K1) / (1 + K1 * (1 - B + B * lengths))
    whole = [part[heavy].all(0).astype(np.float64) for part in (own | before | heading, every)]
    most = -(told[:, None] * ~every).max(0, initial=0.0)
    return np.stack([*columns, told @ every, *whole, pairs, *lacking, most, bm25], axis=1)


_PLACES = ("text", "before", "behind", "heading", "paragraph", "document", "block")


def _where(view: PassageView, term: int, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Whether each candidate, what is beside it, and what it is in has a term, bool ``(C,)`` each."""
    layout, size = view.layout, len(view)
    has = np.zeros(size, bool)
    has[view.postings(term)[0]] = has[view.confirmed(term)[0]] = True
    at = np.flatnonzero(has)
    found = {"text": has[rows]}
    for place, step in (("before", -1), ("behind", 1)):
        beside = np.clip(rows + step, 0, size - 1)
        found[place] = has[beside] & (layout.block_of[beside] == layout.block_of[rows]) & (beside != rows)
    above = view.postings(term, CONTEXT)[0]
    units = {"paragraph": layout.paragraph_of, "document": layout.document_of, "block": layout.block_of}
    found |= {place: np.isin(of[rows], of[at]) for place, of in units.items()}
    return found | {"heading": np.isin(layout.context_of[rows], layout.context_of[above])}


# --- the passage ---


def _places(
    question: Question, ranking: Ranking, view: PassageView, rows: np.ndarray, passages: Sequence[Passage]
) -> np.ndarray:
    """:data:`PLACES`, float64 ``(C, 9)``."""
    layout, language = view.layout, question.among(languages_of(view))
    asked = {stem(word, language) for word in (*ranking.query.asked, *ranking.query.words)}
    columns = np.zeros((len(rows), len(PLACES)))
    blocks = layout.block_of[rows]
    first, sizes = np.diff(blocks, prepend=-1) != 0, np.bincount(blocks - blocks[0])[blocks - blocks[0]]
    last = layout.block_of[np.minimum(rows + 1, len(view) - 1)] != blocks  # nothing follows in its block
    last |= rows == len(view) - 1
    for number, passage in enumerate(passages):
        stems = stems_of(passage.text, language)
        fits, new = question.suits(passage.text), stems - asked
        says, ends = bool(new) or fits, passage.text.rstrip("*_ ")
        columns[number] = (
            fits,
            question.expected is not None and not fits,
            0,
            passage.title or ends.endswith("?") or ((ends.endswith(":") or not says) and not last[number]),
            passage.title,
            first[number],
            min(len(passage.text), 400) / 100,
            len(new) / (len(stems) + 1),
            sizes[number] == 1,
        )
    columns[:, 2] = np.isin(blocks, blocks[columns[:, 0] > 0])
    return columns


def stems_of(text: str, language: str) -> set[str]:
    """The stems of a text without stop words."""
    stop = stop_words(language)
    return {stem(word, language) for word in apart(text) if word not in stop}


def _retrieved(ranking: Ranking, view: PassageView, rows: np.ndarray) -> np.ndarray:
    """:data:`RETRIEVED`, each of the passage itself and the highest of its block, and whether it has none."""
    at = {row: number for number, row in enumerate(ranking.passages.tolist())}
    place = np.array([at.get(row, -1) for row in rows.tolist()], np.int64)
    blocks, of = np.unique(view.layout.block_of[rows], return_inverse=True)
    read = place >= 0
    columns = list[np.ndarray]()
    for name in RETRIEVED:
        values = ranking.evidence.get(name)
        if values is None:
            values = ranking.scores if name == "words" else np.zeros(len(ranking.passages))
        own = np.where(read, values[np.maximum(place, 0)] if len(values) else 0.0, -np.inf)
        highest = np.full(len(blocks), -np.inf)
        np.maximum.at(highest, of, own)
        columns += [np.where(read, own, highest[of]), highest[of]]
    columns.append((~read).astype(float))
    return np.stack(columns, axis=1)


def _folder(question: Question, ranking: Ranking, view: PassageView) -> np.ndarray:
    """:data:`FOLDER`, float64 ``(6,)``."""
    query = ranking.query
    total = max(float(query.word_idf.sum()), 1e-9)
    lacking = np.array([word in query.missing for word in query.asked], bool)
    names = np.array([word in question.names or word.startswith(MARK) for word in query.asked], bool)
    german = question.among(languages_of(view)) == "german"  # where all nouns have a capital
    return np.array(
        [
            float(query.word_idf[lacking].sum()) / total if len(lacking) else 0.0,
            float((lacking & names).any() and not german),
            np.log1p(len(query.word_idf)),
            float(question.expected is not None),
            np.log1p(len(view)),
            min(len(ranking.passages), FOUND) / FOUND,
        ]
    )
