"""Whether the passages found answer a question, and which sentence does.

A score does not tell answerable questions from others; what tells is the weighted recall of the question's
terms by one passage, together with its paragraph and headings. How much is enough depends on the text: in
a large one, unrelated words meet by chance. So each text is asked questions made of its own sentences and of
those of another text, and the recall between both is what is usual there. The confidence is a logistic
function of how far the recall is above it, and was fitted to judged questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import numpy as np

from lior.interfaces import Block, Judging, Passage, PassageView, Question, Ranking, Result, Term, TermQuery
from lior_ask.answer.sentences import Asked, choose
from lior_ask.chunking.blocks import join, rows_of_block
from lior_ask.languages.dates import MARK, count_dates, show
from lior_ask.languages.words import ENGLISH, asking_words, stem, stop_words
from lior_ask.question.query import idf, languages_of
from lior_ask.question.question import LIGHT
from lior_ask.ranking.bm25 import highest_recall, recall

_USUAL = 0.5
"""Recall between answerable and other questions in a text too short to be asked any."""
_ODDS = (5.8, 1.3, 1.7, -1.8)
"""Logarithmic odds that the first passage answers: weights of the recall above the usual one, of the
:func:`lead` and of its not being of the kind asked for, and a constant. Fitted by settle to 472 questions of
fit_family, fit_office, fit_de and fit_fr of lior_bench.questions; with each set held out, 51 of 56 answers
with 90 % and more were right, where the recall alone had been right 121 times of 166."""
LEAST = 0.2
"""Confidence from which an answer is given where words alone tell."""
_QUESTIONS = 96
"""Questions of each kind."""
_MANY = 30_000
"""Passages from which on fewer questions are asked, so that their cost stays in proportion."""
_KEPT = 2 / 3
"""Share of words that a question has in common with the sentence that answers it; an assumption."""
_NEAR, _BLOCKS, _LATER = 0.8, 8, 0.03
"""Of passages that may be quoted instead of the first: share of its recall, how many, what each costs."""
_LIGHT_WEIGHT, _LIGHT_LACKING, _NAME_WEIGHT = 0.3, 0.1, 2.0


@attrs.frozen(kw_only=True)
class Answer:
    """What a text says to a question."""

    question: str
    found: bool
    """Whether an answer is given."""
    confidence: float
    """Probability that the quoted sentence or its block answers the question, in [0, 1], fitted to judged
    questions. An answer is given from :data:`LEAST` on, or as a retriever that is
    :class:`~lior.interfaces.Judging` says: "doubtful" is to be read as such."""
    answer: Passage | None
    """The sentence to quote, or two adjacent ones; nothing where ``found`` is false."""
    block: Block | None = None
    """What it stands in."""
    passages: tuple[tuple[Passage, float], ...]
    """The best passages with their scores, best first; each text once."""
    evidence: tuple[Mapping[str, float], ...] = ()
    """What the score of each of ``passages`` was made of, by name."""
    method: str
    """How they were ranked."""
    words: tuple[str, ...] = ()
    """Words of the text that the question was understood as."""
    missing: tuple[str, ...] = ()
    """Words of the question that the text does not have, without those that only ask."""
    note: str = ""
    """Why nothing was found, in one sentence."""
    said: str = ""
    """One line of its own instead of a quotation: a greeting, what it cannot do, a calculation in words or
    why it is refused; empty where a passage is quoted or nothing was found."""
    result: Result | None = None
    """The calculation, where the question asks for one."""


def answer(
    question: Question,
    ranking: Ranking,
    view: PassageView,
    top: int,
    judge: Judging | None = None,
) -> Answer:
    """Decide on a question.

    Parameters
    ----------
    ranking
        The best passages for it.
    top
        Most passages in the answer.
    judge
        A retriever that knows more than which words are there; by the recall of the question's terms if not
        given. Where the index allows some passages only, no other one is quoted.
    """
    texts = {row: view.passages(range(row, row + 1))[0] for row in ranking.passages.tolist()}
    ranking = _suit(question, ranking, texts)
    confidence, least = None if len(ranking.passages) else 0.0, LEAST
    if confidence is None and judge is not None:
        confidence, least = judge.confidence(view, question, ranking), judge.least
    if confidence is None:
        confidence, least = _by_words(question, ranking, view), LEAST
    found = confidence >= least
    listed: dict[str, int] = {}
    for number, row in enumerate(ranking.passages.tolist()):
        if len(listed) == top:
            break
        listed.setdefault(" ".join(texts[row].text.split()), number)
    best = [*listed.values()]
    quoted, block = _quote(question, ranking, view) if found else (None, None)
    return Answer(
        question=question.text,
        found=found,
        confidence=confidence,
        answer=quoted,
        block=block,
        passages=tuple((texts[int(ranking.passages[i])], float(ranking.scores[i])) for i in best),
        evidence=tuple({name: float(each[i]) for name, each in ranking.evidence.items()} for i in best),
        method=ranking.method,
        words=tuple(map(show, ranking.query.words)),
        missing=_missing(question, ranking),
        note="" if found else _why(question, ranking, view),
    )


def _by_words(question: Question, ranking: Ranking, view: PassageView) -> float:
    """The confidence where words alone tell."""
    known = (recall_above(question, ranking, view), lead(view, ranking, 1.0), -float(not ranking.suits))
    return logistic(float(np.dot(_ODDS[:3], known)) + _ODDS[3])


def recall_above(question: Question, ranking: Ranking, view: PassageView) -> float:
    """How far the recall of the question's terms by the best passages is above the usual one, in [-1, 1]."""
    shares = recall(view, weigh(ranking.query, question, view))[ranking.passages[:3]]
    return float(shares[0] + shares.max()) / 2 - usual_recall(view)


def lead(view: PassageView, ranking: Ranking, alone: float = 0.0) -> float:
    """The distance of the first score to that of the next block, as a share of the first, in [0, 1];
    ``alone`` where there is no other block."""
    block, scores = view.layout.block_of[ranking.passages], ranking.scores
    others = np.flatnonzero(block != block[0])
    return float(min((scores[0] - scores[others[0]]) / max(scores[0], 1e-9), 1)) if len(others) else alone


def _suit(question: Question, ranking: Ranking, texts: Mapping[int, Passage]) -> Ranking:
    """``ranking`` in the order of the scores with what each passage suits the question."""
    if question.expected is None:
        return ranking
    more = [question.suits(texts[row].text) for row in ranking.passages.tolist()]
    scores = ranking.scores + ranking.kind * np.array(more)
    order = np.argsort(-scores, kind="stable")
    return attrs.evolve(
        ranking,
        passages=ranking.passages[order],
        scores=scores[order],
        recall=ranking.recall[order],
        evidence={name: values[order] for name, values in ranking.evidence.items()},
        suits=bool(more[order[0]]) if more else True,
    )


def _quote(question: Question, ranking: Ranking, view: PassageView) -> tuple[Passage, Block]:
    """The sentences that answer, and their block: that of the first passage, or where this one cannot be the
    answer or is not of the kind asked for, the best of the next ones and of what follows it in the text."""
    asked = _ask(question, ranking, view)
    order = ranking.passages[ranking.recall >= _NEAR * ranking.recall[0]].tolist()
    first = view.passages(range(order[0], order[0] + 1))[0]
    silent = asked.silent(first)
    if silent:
        order[1:1] = [row for row in (order[0] + 1,) if row < len(view) and _allowed(view, row)]
    best: tuple[float, list[Passage], range] | None = None
    seen = set[int]()
    for rank, row in enumerate(order[:_BLOCKS]):
        rows = _allowed_around(view, row)
        if rows.start in seen:
            continue
        seen.add(rows.start)
        block = view.passages(rows)
        chosen, value = choose(asked, block, row - rows.start)
        value -= _LATER * rank
        fits = asked.fits(block[chosen[-1]])
        if best is None or (value > best[0] and (silent or fits)):
            best = value, block, chosen
        if rank == 0 and fits and not silent:
            break
    assert best is not None  # there is a first passage
    _, block, chosen = best
    around = join(block, chosen[0], chosen[-1])
    return attrs.evolve(block[chosen[0]], text=around.text[around.begin : around.end]), around


def _allowed(view: PassageView, row: int) -> bool:
    return view.allowed is None or bool(view.allowed[row])


def _allowed_around(view: PassageView, row: int) -> range:
    """The rows of the block that a row is in, up to the next ones that are not allowed."""
    rows = rows_of_block(view, row)
    begin = next((at + 1 for at in range(row, rows.start - 1, -1) if not _allowed(view, at)), rows.start)
    return range(begin, next((at for at in range(row, rows.stop) if not _allowed(view, at)), rows.stop))


def _ask(question: Question, ranking: Ranking, view: PassageView) -> Asked:
    query, language = ranking.query, question.among(languages_of(view))
    usual = float(query.word_idf.mean()) if len(query.word_idf) else 1.0
    weights = {stem(word, language): usual for word in query.words}
    for word, weight in zip(query.asked, query.word_idf.tolist(), strict=False):
        weights[stem(word, language)] = weight
    return Asked(question, language, weights)


def _missing(question: Question, ranking: Ranking) -> tuple[str, ...]:
    """Words of a question that the text does not have, without those that only ask."""
    idle = asking_words(question.language) | LIGHT
    return tuple(show(word) for word in ranking.query.missing if word not in idle)


def _why(question: Question, ranking: Ranking, view: PassageView) -> str:
    own, known = question.language, languages_of(view)
    nowhere = _missing(question, ranking)
    if nowhere and own not in known:
        return f"the question seems to be {own.title()}, and the text is {' and '.join(known[:3]).title()}"
    if nowhere:
        listed = " and ".join(map(repr, nowhere[:3]))
        return f"{listed} {'is' if len(nowhere) == 1 else 'are'} nowhere in the text"
    return "its words are in the text, but not together"


# --- what counts ---


def weigh(query: TermQuery, question: Question, view: PassageView) -> TermQuery:
    """``query`` as it decides whether the text speaks of it.

    A word that answers rarely repeat has less idf, a name that is nowhere has more. The word that is meant by
    a misspelling has half of its idf.
    """
    own, names = question.among(languages_of(view)), question.names
    shares, lacking = np.ones(len(query.asked)), np.zeros(len(query.asked))
    for number, word in enumerate(query.asked):
        if own == ENGLISH and word in LIGHT:
            shares[number] = _LIGHT_LACKING if word in query.missing else _LIGHT_WEIGHT
        elif word in query.missing:
            if word in names and own != "german":  # whose nouns all have a capital
                shares[number] = _NAME_WEIGHT
        elif word not in query.words:
            shares[number] = lacking[number] = 0.5
    return attrs.evolve(query, word_idf=np.concatenate([query.word_idf * shares, query.word_idf * lacking]))


def nowhere(view: PassageView, question: Question, query: TermQuery) -> bool:
    """Whether the text lacks a name or a day of a question; in German all nouns have a capital."""
    german = question.among(languages_of(view)) == "german"
    names = set[str]() if german else question.names
    return any(word in names or word.startswith(MARK) for word in query.missing)


def logistic(odds: float) -> float:
    """The probability of logarithmic odds, in [0.01, 0.99]."""
    return float(np.clip(1 / (1 + np.exp(-odds)), 0.01, 0.99))


# --- calibration ---


def usual_recall(view: PassageView) -> float:
    """The recall between that of answerable and of other questions, in [0.3, 0.6], from the counts alone."""
    return float(view.kept("usual recall", lambda: {"value": np.array(_usual_recall(view))})["value"])


def _usual_recall(view: PassageView) -> float:
    draw = np.random.RandomState(0)  # its numbers never change, unlike those of newer generators
    count = _QUESTIONS if len(view) <= _MANY else max(16, _QUESTIONS * _MANY // len(view))
    own = _sentences(view, draw, count)
    if len(own) < 8:
        return _USUAL
    ids, ends = view.running_totals()
    answerable = list[float]()
    for terms in own:
        kept = [t if draw.rand() < _KEPT else _other(view, ids, ends, draw) for t in terms]
        answerable.append(_highest(view, kept))
    others = [_highest(view, foreign) for foreign in _foreign(view, draw, len(own))]
    yes, no = np.mean(answerable), np.mean(others)
    if yes - no < 0.1:  # a text of the same field as the other one: this tells nothing
        return _USUAL
    return float(np.clip((yes + no) / 2, 0.3, 0.6))


def _sentences(view: PassageView, draw: np.random.RandomState, count: int) -> list[list[Term | None]]:
    """Terms of ``count`` passages, 3 to 5 of each."""
    rows = np.flatnonzero(view.layout.distinct >= 4)
    rows = rows[np.sort(draw.permutation(len(rows))[:count])]
    found = []
    for terms in map(view.terms_of, rows.tolist()):
        found.append([terms[i] for i in draw.permutation(len(terms))[: draw.randint(3, 6)]])
    return found


def _other(view: PassageView, ids: np.ndarray, ends: np.ndarray, draw: np.random.RandomState) -> Term | None:
    """A term that a person uses and the sentence does not: one of the text, or ``None`` for one it lacks."""
    if draw.rand() >= 0.5:
        return None
    place = np.searchsorted(ends, draw.randint(ends[-1]), "right")
    return view.terms_by_id(ids[place : place + 1].tolist())[0]


def _foreign(view: PassageView, draw: np.random.RandomState, count: int) -> Iterator[list[Term | None]]:
    """Terms of sentences of Python's own reference, 3 to 5 of each; ``None`` for unknown words."""
    from pydoc_data.topics import topics

    names = sorted(topics)
    while count:
        sentences = topics[names[draw.randint(len(names))]].split(". ")
        said = count_dates(sentences[draw.randint(len(sentences))][:300])
        words = [word for word in said if word not in stop_words(ENGLISH)]
        if len(words) < 4:
            continue
        found = [view.term(stem(words[i], ENGLISH)) for i in draw.permutation(len(words))[:5]]
        yield found[: draw.randint(3, 6)]
        count -= 1


def _highest(view: PassageView, terms: list[Term | None]) -> float:
    """The highest recall of a question of these terms, ``None`` for words that the text lacks."""
    known = [term for term in terms if term is not None]
    lacking = [None] * (len(terms) - len(known))
    each = np.array([idf(view, term) for term in [*known, *lacking]])
    query = TermQuery(
        terms=np.array([term.id for term in known], np.int64),
        weights=np.ones(len(known)),
        idf=each[: len(known)],
        owners=np.arange(len(known)),
        word_idf=each,
        meant=np.ones(len(each)),
        words=(),
        missing=(),
    )
    return highest_recall(view, query)
