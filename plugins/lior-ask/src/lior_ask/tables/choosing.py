"""The query over an index that a question most likely stands for, with its result and its probability."""

from __future__ import annotations

import re
from collections.abc import Set
from contextlib import suppress
from datetime import date

import attrs
import numpy as np

from lior.interfaces import Passage, Result
from lior_ask.index.tasks import COLUMNS
from lior_ask.languages.lists import words
from lior_ask.languages.words import asking_words, tokens
from lior_ask.question.filters import Filters, Known
from lior_ask.question.question import Question
from lior_ask.tables.asked import Asked, asked
from lior_ask.tables.headers import read_headers
from lior_ask.tables.learned import (
    Learned,
    learned,
    names_digest,
    read_names,
    read_question,
    read_words,
)
from lior_ask.tables.lexicon import (
    BEYOND,
    CHAT,
    INCOMING,
    MAIL,
    MESSAGES,
    NAMES,
    OUTGOING,
    REFUNDED,
    VERBS,
)
from lior_ask.tables.limits import limiting
from lior_ask.tables.proposing import Proposal
from lior_ask.tables.query import ADDED, Aggregate, Beside, Compares, Is, Query, atom
from lior_ask.tables.ranking import QUOTED, Ranker
from lior_ask.tables.sentences import Told
from lior_ask.tables.sources import Table, cell_words, tables_of
from lior_ask.tables.telling import NoResult, Teller
from lior_ask.tables.words import stems

_DOCUMENTS = 24
"""Maximum number of documents whose tables are compared with a question; those with most of its words."""
_ROW = -1.449, 0.987, -0.271
"""Weights of :meth:`Chosen.row`: the constant, that of the logit of the confidence, that of the logit of the
probability of a calculation.

They were learned by logistic regression from 126 rows that were quoted for 900 questions about w10 to w12.
From a probability of 35 % on, 12 of 28 rows quoted for w6 and w13 to w15 were right; below, 22 of 98 were."""
_RARE = 0.95
"""Minimum rarity of a word that seldom occurs in questions, as for the ranker's features."""
_STATUS = COLUMNS.index("status")
_WE = words("words.we")
_SENT = words("words.sent") | words("words.said")


@attrs.frozen(eq=False)
class Chosen:
    """The most likely query of a question."""

    weights: Learned
    query: Query | None = None
    told: Told | None = None
    """Its result; ``None`` without a query, for one without a result, and if the table does not tell it."""
    probability: float = 0.0
    """The probability that it is right."""
    calculation: float = 0.0
    """The probability that the question asks for a calculation, or for a comparison of rows, and not for a
    sentence or a row."""
    drops: bool = False
    """Whether it adds up payments and leaves a rare word out, which may limit them: "how much was cut"."""

    @property
    def often_quoted(self) -> bool:
        """Whether a sentence often answers such a question, too."""
        return self.query is not None and self.query.aggregate.value in QUOTED

    @property
    def is_beside(self) -> bool:
        """Whether the query compares with another row."""
        return self.query is not None and any(isinstance(atom(c), Beside) for c in self.query.where)

    def agrees(self, result: Result) -> bool:
        """Return whether a calculation has the same value."""
        return self.told is not None and self.told.result.value == result.value

    def agreement(self, result: Result) -> float:
        """Return the probability that a calculation of the grammar is right."""
        odds, same = self._odds(), float(self.agrees(result))
        weights = self.weights.agreement
        logit = weights["constant"] + weights["agrees"] * same + weights["odds"] * odds
        logit += weights["both"] * same * odds + weights["zero"] * is_zero(result)
        return float(1 / (1 + np.exp(-logit)))

    def in_spite(self) -> float:
        """Return the probability that the query is right although words of the question name nothing."""
        weights = self.weights.agreement
        return float(1 / (1 + np.exp(-weights["refused"] - weights["refused odds"] * self._odds())))

    def row(self, passage: Passage, confidence: float) -> float:
        """Return the probability that a quoted row answers, from its confidence as a passage.

        It is lower for a question that asks for a calculation, and if the most likely query selects other
        rows: both cannot be right.
        """
        constant, own, calculation = _ROW
        logit = constant + own * _odds(confidence) + calculation * _odds(self.calculation)
        rows = () if self.told is None else self.told.result.rows
        other = bool(rows) and (passage.document, passage.line) not in {(r.document, r.line) for r in rows}
        return float(1 / (1 + np.exp(-logit))) * (1 - other * self.probability)

    def _odds(self) -> float:
        """Return the logarithm of the odds that the query is right."""
        return _odds(self.probability)


def _odds(share: float) -> float:
    """Return the logit of a probability, which is kept away from 0 and 1."""
    share = min(max(share, 1e-3), 1 - 1e-3)
    return float(np.log(share / (1 - share)))


def is_zero(result: Result) -> bool:
    """Return whether a result is no row, or a sum or share of 0: its words may name rows of another table."""
    return re.fullmatch(r"-?0[.,0]*(?:\s?\D+)?", result.value) is not None


def choose(question: Question, known: Known, today: date, *, shows: bool = True) -> Chosen:
    """Return the most likely query of a question over the tables that fit its filters.

    Its result has rows if ``shows``.
    """
    filters, weights = question.filters, learned()
    tables = tables_of(known, filters, documents_of(question, known, filters))
    if not tables:
        return Chosen(weights)
    people = frozenset[str]().union(*(table.people for table in tables))
    said = asked(question.text, today, people)
    vectors = known.inverted.vectors
    if vectors is not None and vectors.embedder.digest == weights.encoder:
        said.vector, said.name_vector = read_question(question.text)
        states, plain = read_words(question.text), vectors.embedder.embed([question.text], question=True)[0]
        said.limiting = limiting(question.text, said, states, weights.limits)
        if weights.implying is not None:
            said.implied = weights.implying.of(plain, states)
        names = f"headers and columns {names_digest()}"
        read_headers(tables, known.inverted, names, read_names, vectors.embedder.embed)
    ranker = Ranker(said, weights, tables)
    ranked = ranker.ranked()
    if not ranked.proposals:
        return Chosen(weights, calculation=ranked.calculation)
    best, spoken = ranked.proposals[0], {token.word for token in said.tokens}
    query, told, paid = best.query, None, not spoken.isdisjoint(OUTGOING)
    if query.aggregate is Aggregate.EXISTS and _only_names(best, said):
        query = attrs.evolve(query, aggregate=Aggregate.LIST)
    with suppress(NoResult):
        told = tell(ranker, query, shows=shows)
        if paid and query.aggregate in ADDED and told.result.value.startswith("-"):
            query = attrs.evolve(query, sign=-query.sign)  # what was paid is a positive number
            told = tell(ranker, query, shows=shows)
    if paid and not spoken.isdisjoint(_WE) and _sells(best.links.table):
        told = None
    if _tells_of_messages(best) and not _asks_for_messages(spoken):
        told = None  # the day of a message, for "when does the passport run out?"
    unexplained = [each for n, each in enumerate(said.tokens) if n not in best.explained]
    if any(BEYOND.fullmatch(each.word) for each in unexplained) or _leaves_period_out(best, said):
        told = None
    if told and _repeats(query, told, spoken):
        told = None
    drops = _adds_payments(best) and _leaves_limit_out(best, said, weights)
    return Chosen(weights, query, told, ranked.probability, ranked.calculation, drops=drops)


def _adds_payments(best: Proposal) -> bool:
    """Return whether a query adds up amounts of one direction in an account."""
    table, query = best.links.table, best.query
    directed = any(isinstance(each, Compares) and each.value == 0 for each in query.where)
    return query.aggregate in ADDED and query.measure is not None and directed and table.signed(query.measure)


def _leaves_limit_out(best: Proposal, said: Asked, weights: Learned) -> bool:
    """Return whether a question has no word of paying, and its query leaves a rare word out, such as "cut".

    Such a word may say that only some of the payments count, or none.
    """
    left = {said.tokens[n].word for n in range(len(said.tokens)) if n not in best.explained | said.function}
    rare = {word for word in left - VERBS - INCOMING - OUTGOING - REFUNDED if weights.rarity(word) > _RARE}
    return bool(rare) and {token.word for token in said.tokens}.isdisjoint(INCOMING | OUTGOING | REFUNDED)


def _only_names(best: Proposal, said: Asked) -> bool:
    """Return whether a query finds rows by names in the question, and does not use all of its words.

    "Has Ada paid?" is no "yes" because there is a row of Ada; what is asked is in the row. The words of a
    task name what is to be done, and not that it is.
    """
    if not all(isinstance(each, Is) for each in best.query.where):
        return False
    if best.links.table.kind == "tasks" and not any(piece.column == _STATUS for piece in best.pieces):
        return True
    used = [piece.positions | best.links.columns.get(piece.column, frozenset()) for piece in best.pieces]
    left = {n for n, each in enumerate(said.tokens) if not each.kind} - said.function
    return not left.issubset(frozenset().union(*used))


def _leaves_period_out(best: Proposal, said: Asked) -> bool:
    """Return whether a query leaves a period out that is not in the name of its table: "members 2025"."""
    names = {*tokens(" ".join(f"{head.document} {head.name}" for head in best.links.table.heads))}
    names -= asking_words(said.language)
    places = [n for n, token in enumerate(said.tokens) if token.kind == "period"]
    pairs = zip(places, said.periods, strict=False)
    return any(n not in best.explained and names.isdisjoint(tokens(each.shown)) for n, each in pairs)


def _repeats(query: Query, told: Told, spoken: Set[str]) -> bool:
    """Return whether a looked up value is in the question, or a cell of its row asks the same.

    "Damp corner" for "what did Monika write about the damp corner?", and a message "who has the spare key?".
    """
    cells = (cell for each in query.where if isinstance(each, Is) for cell in each.values)
    same = {*cell_words(told.result.value)} <= spoken or any(spoken <= {*cell_words(cell)} for cell in cells)
    return query.aggregate is Aggregate.VALUE and same


def _tells_of_messages(best: Proposal) -> bool:
    """Return whether a query tells the day of a mail or of a message in a chat, or that there is one."""
    table, query = best.links.table, best.query
    is_day = query.measure is not None and query.measure == table.dated
    return table.kind in ("mail", "chat") and (is_day or query.aggregate is Aggregate.EXISTS)


def _asks_for_messages(spoken: Set[str]) -> bool:
    """Return whether a word of the question names messages, or is one of writing."""
    nouns = any(noun.fullmatch(word) for noun in (CHAT, MAIL, MESSAGES) for word in spoken)
    return nouns or not spoken.isdisjoint(_SENT)


def _sells(table: Table) -> bool:
    """Return whether amounts of a table are paid by others: it has customers, or its name is one of sales."""
    named = any(stems(word) & table.names for word in NAMES[4])
    return named or any(word & stems("customer") for heading in table.headings for word in heading)


def tell(ranker: Ranker, query: Query, *, shows: bool = True) -> Told:
    """Return the result of a query, with its rows if ``shows``.

    Raises ``NoResult`` if there is none.
    """
    part = ranker.selected(attrs.evolve(query, where=(*query.where, *query.part))) if query.part else None
    return Teller(ranker.tables[query.table], shows).tell(query, ranker.selected(query), part)


def documents_of(question: Question, known: Known, filters: Filters) -> tuple[str, ...]:
    """Return the documents with tables to compare with a question: those with most of its words.

    Rare words count more, as in BM25.
    """
    abouts = known.abouts
    names = [name for name in known.documents(filters) if abouts[name].heads]
    if len(names) <= _DOCUMENTS:
        return (*names,)
    counts = known.inverted.by_document()
    places = {name: n for n, name in enumerate(counts.layout.names)}
    score = np.zeros(len(counts))
    for stem in {stem for word in question.subjects for stem in counts.stems(word)}:
        if term := counts.term(stem):
            found = counts.postings(term.id)[0]
            score[found] += np.log(1 + len(counts) / (1 + len(found)))
    order = sorted(names, key=lambda name: -score[places[name]])[:_DOCUMENTS]
    return (*sorted(order),)
