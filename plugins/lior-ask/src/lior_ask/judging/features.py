"""The features by which a passage is judged as an answer: one row of numbers for each candidate.

The candidates are the passages that a retriever found and their neighbours in their blocks. Each feature is a
function of the question, the passage and the counts of the index. Only the type of a question, such as one
for a time or for yes and no, depends on words of its language. The weights are learned
(:mod:`lior_ask.judging.linear`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lior.interfaces import Candidates, Passage, PassageView, Question, Ranking, TermQuery
from lior_ask.embedders import bags
from lior_ask.index.inverted import CONTEXT
from lior_ask.languages.dates import MARK, apart, counted_words, is_marked
from lior_ask.languages.words import stem, stop_words
from lior_ask.question.query import languages_of
from lior_ask.question.question import LIGHT

FOUND, AROUND = 40, 8
"""Number of passages that are ranked for the judge, and maximum number of neighbours on each side."""
_LIGHT_SHARE = 0.3
"""Factor of the idf of a light word, such as "get" and "take"."""
WORDS = ("text", "before", "heading", "block", "all in block", "name", "date", "number", "lacking")
PLACES = ("kind", "silent", "names", "confirms", "titled", "first", "length", "beside", "term", "defines")
"""``kind``: it is of the expected kind; ``silent``: it only asks or announces; ``names``: it repeats a
question that asks for something; ``confirms``: it repeats one that yes can answer; ``titled``: its headings
have all words of a question of who or what something is; ``beside``: it is only a neighbour of one found;
``term``: the share of the question that its innermost heading has, times the share of this heading that the
question has; ``defines``: the same of the first passage below a heading, else 0."""
RETRIEVED = ("words", "encoder")
"""Evidence of retrievers, if the ranking has it."""
NEAR = ("block's encoder", "bags")
"""The highest ``encoder`` in the block; with an encoder, also the cosine of bags of word pieces."""
LEVELS = ("words", "encoder", "estimate")
"""The evidence of a ranking: words alone, the encoder too, or estimates of most of its cosines."""
OWN = (*WORDS, *PLACES, *RETRIEVED, *NEAR)
_COMPARED = ("text", "block", *RETRIEVED, *NEAR)
"""Features that also count by their distance below the best candidate."""
_COMPARED_AT = [OWN.index(name) for name in _COMPARED]
NAMES = (*OWN, *(f"{name}, below the best" for name in _COMPARED))
FOLDER = ("missing", "missing names", "question", "kind asked", "passages", "retrieved")
"""Features of the question in this folder, the same for all passages."""

_NAME = re.compile(r",\s+|\s\|\s")
_ARGUMENTS = re.compile(r"[(\[<=].*|[`'\"]")
"""Patterns of what separates the terms of a heading, and of their arguments."""
_TERM = 160
"""Maximum number of characters of a heading that may be a term."""
_DIGIT = re.compile(r"\b\d\b")
"""Pattern of a number of one digit, which is no token."""


def gather(question: Question, ranking: Ranking, view: PassageView) -> Candidates:
    """Return the candidates of a ranking with their features.

    Passages that the index does not allow are not candidates.
    """
    rows = _with_neighbours(view, ranking.passages)
    passages = read_rows(view, rows)
    silent, repeats = _silent(view, rows, passages), _repeats(question, ranking, view, passages)
    confirms = repeats & bool(question.closed)
    names = repeats & ~confirms & ~_ends(view, rows)
    announced = np.append(False, (silent | names)[:-1] & (np.diff(rows) == 1))
    first = np.diff(view.layout.block_of[rows], prepend=-1) != 0
    kinds = [question.suits(passage.text) for passage in passages]
    lengths = [min(len(passage.text), 400) / 100 for passage in passages]
    words, titled, told = _words(view, question, ranking.query, rows, announced)
    titled &= question.identifies
    term = _terms(question.among(languages_of(view)), ranking.query, told, passages)
    above = view.layout.context_of
    defines = term * ((above[rows] != above[rows - 1]) | np.isin(rows, view.layout.starts))
    read = "encoder" in ranking.evidence
    near = bags.cosines(view, question, rows) if read else np.zeros(len(rows))
    beside = ~np.isin(rows, ranking.passages)
    places = kinds, silent, names, confirms, titled, first, lengths, beside, term, defines
    found = np.column_stack([words, *places, _retrieved(ranking, view, rows), near])
    compared = found[:, _COMPARED_AT]
    found = np.concatenate([found, compared - compared.max(0, keepdims=True)], axis=1)
    return Candidates(
        rows=rows,
        blocks=view.layout.block_of[rows],
        passages=tuple(passages),
        features=found,
        folder=_folder(question, ranking, view),
        level=LEVELS[read + ("estimate" in ranking.evidence)],
    )


def _with_neighbours(view: PassageView, rows: np.ndarray) -> np.ndarray:
    """Return the rows and their allowed neighbours in their blocks, ascending."""
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
    """Return the passages, read in runs of adjacent rows of a document."""
    document = view.layout.document_of
    found = list[Passage]()
    if not len(rows):
        return found
    new = np.flatnonzero((np.diff(rows, prepend=-2) > 1) | (np.diff(document[rows], prepend=-1) != 0))
    for begin, end in zip(new, [*new[1:], len(rows)], strict=True):
        found += view.passages(range(int(rows[begin]), int(rows[end - 1]) + 1))
    return found


# --- words ---


def _words(
    view: PassageView, question: Question, query: TermQuery, rows: np.ndarray, announced: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return :data:`WORDS`, the shares of the question that each candidate has, and which headings have all,
    and the weight of each word.

    They are float64 ``(C, 9)``, bool ``(C,)`` and float64 ``(W,)``.

    A candidate also has the words of the sentence before it if it is ``announced``, bool ``(C,)``, by that.
    """
    words = query.asked
    has = {place: np.zeros((len(words), len(rows)), bool) for place in _PLACES}
    for word in range(len(words)):
        for term in query.terms[query.owners == word].tolist():
            for place, found in _where(view, term, rows).items():
                has[place][word] |= found
    own, before, heading, around = (has[place] for place in _PLACES)
    own |= before & announced
    told = query.word_idf * np.array([_LIGHT_SHARE if word in LIGHT else 1.0 for word in words])
    told /= max(told.sum(), 1e-9)
    every = own | heading | around
    shares = [told @ own, told @ (before & ~own), told @ (heading & ~own & ~before), told @ every]
    heavy = told >= 0.5 * told.max(initial=1e-9)
    dates = np.array([word.startswith(MARK) for word in words], bool)
    names = np.array([word in question.names for word in words], bool)
    numbers = np.array([any(map(str.isdigit, word)) for word in words], bool) & ~dates
    lacking = (every[mask].mean(0) - 1 if mask.any() else 0 * told @ own for mask in (names, dates, numbers))
    most = -(told[:, None] * ~every).max(0, initial=0.0)
    shown = np.stack([*shares, every[heavy].all(0).astype(np.float64), *lacking, most], axis=1)
    return shown, np.logical_and(heading.all(0), len(words) > 0), told


def _terms(language: str, query: TermQuery, told: np.ndarray, passages: Sequence[Passage]) -> np.ndarray:
    """Return ``term`` of :data:`PLACES`, float64 ``(C,)``, by the weights ``told`` of the asked words.

    A heading may name several terms, such as a long and a short option; the best one counts.
    """
    asked, found = [stem(word, language) for word in query.asked], dict[str, float]()

    def share(name: str) -> float:
        name = _ARGUMENTS.sub("", name)
        name = name.split()[0] if name.startswith("-") else name
        has = {stem(word, language) for word in counted_words(name)}
        plain = {word for word in has if not is_marked(word)} or has
        met = told[[at for at, word in enumerate(asked) if word in has]].sum()
        return float(met) * len(plain & {*asked}) / max(len(plain), 1)

    lines = ["".join(passage.context.split("\n")[:-1][-1:]) for passage in passages]
    for line in dict.fromkeys(lines):
        found[line] = max(map(share, _NAME.split(line[:_TERM])))
    return np.array([found[line] for line in lines])


_PLACES = ("text", "before", "heading", "block")


def _where(view: PassageView, term: int, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return whether candidates, sentences before, headings and blocks have a term, bool ``(C,)`` each."""
    layout = view.layout
    has = np.zeros(len(view), bool)
    has[view.postings(term)[0]] = has[view.confirmed(term)[0]] = True
    before = np.maximum(rows - 1, 0)
    beside = (layout.block_of[before] == layout.block_of[rows]) & (before != rows)
    above = layout.context_of[view.postings(term, CONTEXT)[0]]
    return {
        "text": has[rows],
        "before": has[before] & beside,
        "heading": np.isin(layout.context_of[rows], above),
        "block": np.isin(layout.block_of[rows], layout.block_of[has]),
    }


# --- the passage ---


def _silent(view: PassageView, rows: np.ndarray, passages: Sequence[Passage]) -> np.ndarray:
    """Return whether each candidate only asks, names content elsewhere or announces, bool ``(C,)``."""
    ends = [passage.text.rstrip("*_ ")[-1:] for passage in passages]
    announces = np.array([end == ":" for end in ends], bool) & ~_ends(view, rows)
    titles = [passage.title or end == "?" for passage, end in zip(passages, ends, strict=True)]
    return announces | np.array(titles, bool)


def _ends(view: PassageView, rows: np.ndarray) -> np.ndarray:
    """Return whether each row is the last one of its block, bool ``(C,)``."""
    blocks, following = view.layout.block_of, np.minimum(rows + 1, len(view) - 1)
    found: np.ndarray = (following == rows) | (blocks[following] != blocks[rows])
    return found


def _repeats(
    question: Question, ranking: Ranking, view: PassageView, passages: Sequence[Passage]
) -> np.ndarray:
    """Return whether each candidate has no word or number beyond the question's, bool ``(C,)``."""
    language = question.among(languages_of(view))
    asked = {stem(word, language) for word in (*ranking.query.asked, *ranking.query.words)}
    asked |= {*_DIGIT.findall(question.text)}
    found = [
        not (stems_of(passage.text, language) | {*_DIGIT.findall(passage.text)}) - asked
        and not question.suits(passage.text)
        for passage in passages
    ]
    return np.array(found, bool)


def stems_of(text: str, language: str) -> set[str]:
    """Return the stems of a text without stop words."""
    stop = stop_words(language)
    return {stem(word, language) for word in apart(text) if word not in stop}


def _retrieved(ranking: Ranking, view: PassageView, rows: np.ndarray) -> np.ndarray:
    """Return :data:`RETRIEVED` and the highest ``encoder`` of its block for each candidate.

    A candidate that was not ranked gets the highest values of its block."""
    at = {row: number for number, row in enumerate(ranking.passages.tolist())}
    place = np.array([at.get(row, -1) for row in rows.tolist()], np.int64)
    blocks, of = np.unique(view.layout.block_of[rows], return_inverse=True)
    columns = list[np.ndarray]()
    for name in RETRIEVED:
        values = ranking.evidence.get(name, ranking.scores if name == "words" else 0 * ranking.scores)
        own = np.where(place >= 0, values[np.maximum(place, 0)], -np.inf)
        highest = np.full(len(blocks), -np.inf)
        np.maximum.at(highest, of, own)
        columns.append(np.where(place >= 0, own, highest[of]))
    return np.stack([*columns, highest[of]], axis=1)


def _folder(question: Question, ranking: Ranking, view: PassageView) -> np.ndarray:
    """Return :data:`FOLDER`, float64 ``(6,)``."""
    query = ranking.query
    total = max(float(query.word_idf.sum()), 1e-9)
    lacking = np.array([word in query.missing for word in query.asked], bool)
    names = np.array([word in question.names or word.startswith(MARK) for word in query.asked], bool)
    german = question.among(languages_of(view)) == "german"  # in which all nouns are capitalised
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
