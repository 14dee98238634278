"""The query that a question most likely stands for, and the probability that it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence, Set

import attrs
import numpy as np

from lior_ask.tables.asked import Asked
from lior_ask.tables.headers import Likeness
from lior_ask.tables.learned import Learned, Scores
from lior_ask.tables.mentions import Links, Piece
from lior_ask.tables.proposing import LEAST_BESIDE, LEAST_IMPLIED, Proposal, linked, proposals
from lior_ask.tables.query import (
    ADDED,
    FIRST,
    Aggregate,
    Beside,
    Compares,
    Is,
    Not,
    Query,
    Within,
    atom,
)
from lior_ask.tables.sources import Table, asks_balance, first_rows, summands, until_end

_MERGED = 60
"""Number of the best queries that are compared by their results."""
_OF_ROWS = (Aggregate.LIST, Aggregate.COUNT, Aggregate.EXISTS)
"""Aggregates whose answer is the rows and their number."""
_CELLS = 100
"""Maximum number of rows whose cells are compared."""
_COUNTED = 20_000
"""Maximum number of rows of a table whose conditions are executed for every query."""
NOTHING = ("none", "passage")
"""Classes of questions that are no queries."""
QUOTED = ("value", "list", "exists", "oldest", "newest", "next", "last")
"""Classes of queries whose questions a sentence often answers, too."""


@attrs.frozen(eq=False)
class Ranked:
    """Proposals by their scores, the best first, and the probabilities."""

    proposals: Sequence[Proposal]
    scores: np.ndarray
    """``(P,)``, descending."""
    nothing: float
    """The score of the case that no query is meant."""
    features: np.ndarray
    """``(P, F)``."""
    probability: float = 0.0
    """The probability that the best proposal is right; 0 without one."""
    calculation: float = 0.0
    """The probability that the question asks for a calculation, or for a comparison of rows, and not for a
    sentence or a row."""


@attrs.define(eq=False)
class Ranker:
    """Features and scores of the queries of one question."""

    asked: Asked
    learned: Learned
    tables: Sequence[Table]
    _selected: dict[Hashable, tuple[np.ndarray, int]] = attrs.field(init=False, factory=dict)
    """The rows of tables with some conditions, and a hash of their places."""
    _shared: dict[int, int] = attrs.field(init=False, factory=dict)
    """The number of tables to which each word is linked, by position."""
    _fit: float = attrs.field(init=False, default=0.0)
    """How well the best table fits."""
    _limiting: list[float] = attrs.field(init=False)
    """:attr:`~lior_ask.tables.asked.Asked.limiting`; empty without an encoder."""
    _like: Likeness = attrs.field(init=False)
    """How alike the question is to the names of tables and columns."""

    def __attrs_post_init__(self) -> None:
        told = self.asked.limiting
        self._limiting = [] if told is None else told.tolist()

    def proposed(self) -> tuple[list[Proposal], Scores]:
        """Return all proposals, and the scores of the classes of the question."""
        links = linked(self.asked, self.tables, self._alike_to(self.tables))
        scores = self.learned.scores(self.asked, links)
        numbers = {id(table): n for n, table in enumerate(self.tables)}
        self._tell_apart(links)
        found = list[Proposal]()
        for each in links:
            found += proposals(self.asked, each, numbers[id(each.table)], scores, self.learned, self._like)
        return [*{p.query: p for p in found}.values()], scores

    def _tell_apart(self, links: Sequence[Links]) -> None:
        """Count in how many tables each word of the question is linked, and how well each table fits."""
        found = Counter(n for each in links for n in each.linked)
        self._shared = dict(found)
        self._fit = max(self.learned.fits(self.asked, each) for each in links)
        self._like = self._alike_to([each.table for each in links])

    def _alike_to(self, tables: Sequence[Table]) -> Likeness:
        return Likeness(self.asked.name_vector, self.learned.factors, tables)

    def selected(self, query: Query) -> np.ndarray:
        """Return the rows of a query, int64."""
        return self._placed(query)[0]

    def _placed(self, query: Query) -> tuple[np.ndarray, int]:
        table = self.tables[query.table]
        where = until_end(query.where) if asks_balance(table, query) else query.where
        key = query.table, where
        if key not in self._selected:
            rows = table.where(where)
            self._selected[key] = rows, hash(table.marks[rows].tobytes())
        return self._selected[key]

    def ranked(self) -> Ranked:
        """Return the proposals by their scores."""
        found, scores = self.proposed()
        nothing = self.nothing(scores)
        network = self.learned.ranker
        base = network.constant
        logs = scores.logs["class"]
        calculation = float(sum(np.exp(own) for name, own in logs.items() if name not in (*NOTHING, *QUOTED)))
        calculation += (1 - calculation) * self._compares_rows(found)
        none = Ranked((), np.zeros(0), base + nothing, np.zeros((0, 0)), calculation=calculation)
        if not found:
            return none
        matrix = self.matrix(found, scores, network.names)
        values = network(matrix)
        order, merged = merge(values, lambda n: self.meaning(found[n].query))
        if not order:
            return none
        best = [found[n] for n in order]
        ranked = Ranked(best, merged, base + nothing, matrix[order], calculation=calculation)
        known = dict(sure_features(ranked, network.names))
        sure = self.learned.sure
        logit = float(sure.constants[0]) + sum(
            float(sure.weights[sure.places[k], 0]) * v for k, v in known.items() if k in sure.places
        )
        return attrs.evolve(ranked, probability=float(1 / (1 + np.exp(-logit))))

    def _compares_rows(self, found: Sequence[Proposal]) -> float:
        """Return the probability that the question compares with another row, which no row answers alone."""
        links = {id(each.links): each.links for each in found}.values()
        odds = [own for each in links for own in self.learned.besides(self.asked, each).values()]
        return float(1 / (1 + np.exp(-max(odds)))) if odds else 0.0

    def meaning(self, query: Query) -> Hashable:
        """Return what answers a query: queries with the same answer have the same; ``None`` without one.

        A sum or a mean is known by its size, the first of an order by its rows and its value, a looked up
        value by its cells, a list or a count by its rows, and if there are none by what it
        compares with another row, and anything else by rows, columns and aggregate.
        """
        table, rows = self.tables[query.table], self.selected(query)
        measure, how = query.measure, query.aggregate
        if len(rows) != 2 and any(isinstance(each, Within) and each.spans for each in query.where):
            return None  # the difference of two sums is asked for, not that of two rows
        if how in FIRST and query.group is None:
            return self._first(query, rows)
        if measure is not None and query.group is None:
            if asks_balance(table, query):
                last = table.total(measure, summands(table, measure, rows), 1)
                return (Aggregate.SUM, last) if len(rows) else None
            if how is Aggregate.VALUE:
                cells = table.cells(measure)
                return (
                    (how, frozenset(cells[n] for n in rows.tolist()[:_CELLS] if cells[n].strip()))
                    if len(rows)
                    else None
                )
            if how in (Aggregate.SUM, Aggregate.MEAN) and (total := abs(table.total(measure, rows, 1))):
                return (how, total, 0 if how is Aggregate.SUM else len(table.numbered(measure, rows)))
        if query.group is None and how in _OF_ROWS:
            besides = [] if len(rows) else [c for c in map(atom, query.where) if isinstance(c, Beside)]
            return ("rows", self._placed(query)[1], *besides)
        part = attrs.evolve(query, where=(*query.where, *query.part))
        places = [self._placed(each)[1] for each in ((query, part) if query.part else (query,))]
        measured = None if measure is None else table.columns[measure].name
        group = query.group and attrs.evolve(query.group, dated=None)
        return (how, measured, query.sign, group, query.few, query.other, *places)

    def _first(self, query: Query, rows: np.ndarray) -> Hashable:
        """Return the first rows in an order with their value, or ``None`` if there are none."""
        table, measure = self.tables[query.table], query.measure
        chosen = first_rows(table, query, rows)
        if not chosen:
            return None
        kind = "" if measure is None else table.columns[measure].kind
        value: object = None
        if measure is not None:
            dated = kind == "date"
            value = table.dates(measure)[chosen[0]] if dated else abs(table.numbers(measure)[chosen[0]] or 0)
        return (query.descends(kind), value, table.marks[chosen].tobytes())

    @staticmethod
    def nothing(scores: Scores) -> float:
        """Return the score of the case that no query is meant."""
        return float(np.logaddexp.reduce([scores.logs["class"][name] for name in NOTHING]))

    def matrix(self, found: Sequence[Proposal], scores: Scores, names: Sequence[str]) -> np.ndarray:
        """Return the features of proposals ``(P, F)``."""
        places = {name: n for n, name in enumerate(names)}
        matrix = np.zeros((len(found), len(names)))
        matches = dict[int, dict[str, dict[int, float]]]()
        for row, proposal in enumerate(found):
            links = proposal.links
            if id(links) not in matches:
                matches[id(links)] = self.learned.matches(self.asked, links)
            for name, value in self.features(proposal, scores, matches[id(links)]):
                if name in places:
                    matrix[row, places[name]] += value
        return matrix

    def features(
        self, proposal: Proposal, scores: Scores, match: dict[str, dict[int, float]]
    ) -> Iterator[tuple[str, float]]:
        """Yield the features of a proposal by name."""
        query, links = proposal.query, proposal.links
        yield "class", scores.logs["class"][proposal.label]
        yield f"is {proposal.label}", 1
        mode = "no" if query.group is None else query.group.over or "all"
        yield "mode", scores.logs["mode"][mode]
        yield from self._coverage(proposal)
        for piece in proposal.pieces:
            yield from self._of_piece(piece, proposal)
        yield from self._of_marks(proposal)
        yield from self._of_columns(proposal, scores, match)
        yield from self._of_rows(proposal)
        yield f"kind {links.table.kind}", 1
        yield "several files", float(len(links.table.heads) > 1)

    def _coverage(self, proposal: Proposal) -> Iterator[tuple[str, float]]:
        """Yield how much of the question the query explains."""
        explained, asked = proposal.explained, self.asked
        weights = {
            n: self.learned.rarity(token.word)
            for n, token in enumerate(asked.tokens)
            if not token.kind and n not in asked.function
        }
        left = [weight for n, weight in weights.items() if n not in explained]
        yield "unexplained", sum(left)
        yield "unexplained rare", float(sum(weight > 0.95 for weight in left))
        total = sum(weights.values())
        yield "share explained", 1 - sum(left) / total if total else 1.0
        lost = self._limits(weights.keys() - explained)
        yield "limit lost", sum(lost)
        yield "limit most lost", max(lost, default=0.0)
        named = proposal.links.named
        yield "named", sum(weights.get(n, 0.0) for n in named)
        values = frozenset[int]().union(*(piece.positions for piece in proposal.pieces))
        yield "limit as name", max(self._limits(explained - values), default=0.0)
        yield "is named", float(any(weights.get(n, 0.0) > 0 for n in named))
        yield "only here", sum(weights.get(n, 0.0) / self._shared[n] for n in explained if n in self._shared)
        own = self.learned.fits(asked, proposal.links)
        yield "table match", own
        yield "table best", own - self._fit
        table, like = proposal.links.table, self._like
        yield "table alike", like.of_table(table)
        yield "table alike best", like.of_table(table) - like.best["table"]
        yield "columns alike best", max(like.of_columns(table, "measure")) - like.best["measure"]
        if asked.files:
            right = any(
                file.lower() in h.document.lower() for file in asked.files for h in proposal.links.table.heads
            )
            yield "file" if right else "other file", 1

    def _of_piece(self, piece: Piece, proposal: Proposal) -> Iterator[tuple[str, float]]:
        """Yield what tells whether a condition is meant."""
        words = [self.asked.tokens[n].word for n in piece.positions if not self.asked.tokens[n].kind]
        yield piece.kind, 1
        yield f"{piece.kind} of {proposal.label}", 1
        yield f"{piece.kind} near", float(piece.near)
        yield f"{piece.kind} words", float(len(piece.positions) - 1)
        yield f"{piece.kind} limits", max(self._limits(piece.positions), default=0.0)
        if words:
            rare = max(self.learned.rarity(word) for word in words)
            yield f"{piece.kind} rare", rare
        condition = piece.condition
        if piece.kind in ("compared", "period"):
            meant = self.learned.meant(self.asked, proposal.links, piece.kind)
            if (own := meant.get(piece.column)) is not None:  # a year may be a number
                yield f"{piece.kind} match", own
                yield f"{piece.kind} match best", own - max(meant.values())
        if piece.kind == "implied":
            yield f"implied {piece.role}", 1
            own, best = (self.learned.implies(self.asked, proposal.links, piece), self._implied(proposal))
            yield "implied match", own
            yield "implied match best", own - best
        if isinstance(condition, Beside):
            every = self.learned.besides(self.asked, proposal.links)
            own = every[piece.role, piece.column]
            yield f"beside {condition.how}", 1
            yield "beside match", own
            yield "beside match best", own - max(every.values())
        yield "negated", float(isinstance(condition, Not))
        if piece.kind in ("answer", "filled"):
            yield f"{piece.kind} against", float(piece.negated)
        if piece.positions & proposal.links.named:
            yield f"{piece.kind} of name", 1
        if isinstance(condition, Is) and condition.part:
            different = len(proposal.links.table.coded("text", piece.column).places)
            yield "broad", len(condition.values) / max(different, 1)
        other = proposal.links.columns
        if piece.kind in ("exact", "part") and any(
            piece.positions & own for n, own in other.items() if n != piece.column
        ):
            yield f"{piece.kind} of column", 1

    def _implied(self, proposal: Proposal) -> float:
        """Return the largest logarithm of the odds of a condition that is implied of the proposal's table."""
        return max(proposal.links.implications.values(), default=LEAST_IMPLIED)

    def _of_marks(self, proposal: Proposal) -> Iterator[tuple[str, float]]:
        """Yield whether periods, comparisons, negations and numbers of the question are used."""
        asked, query = self.asked, proposal.query
        kinds = [piece.kind for piece in proposal.pieces]
        places = {n for piece in proposal.pieces for n in piece.positions}
        lost = [token.kind for n, token in enumerate(asked.tokens) if token.kind and n not in places]
        yield "period lost", float(lost.count("period"))
        yield "comparison lost", float(lost.count("number"))
        dated = proposal.links.table.dated
        yield (
            "period elsewhere",
            float(any(p.kind == "period" and p.column != dated and not p.near for p in proposal.pieces)),
        )
        yield (
            "compares measure",
            float(any(p.kind == "compared" and p.column == query.measure for p in proposal.pieces)),
        )
        negates = not places.isdisjoint(asked.negated) or any(
            isinstance(p.condition, Not) or (p.kind in ("answer", "filled")) for p in proposal.pieces
        )
        yield "negation lost", float(bool(asked.negated) and not negates)
        if "implied" not in kinds:
            yield "implied lost", max(self._implied(proposal) - LEAST_IMPLIED, 0.0)
        if "beside" not in kinds:
            odds = self.learned.besides(asked, proposal.links).values()
            yield "beside lost", max(max(odds, default=LEAST_BESIDE) - LEAST_BESIDE, 0.0)
        yield "conditions", float(len(kinds))
        yield "counted", float(proposal.counted >= 0)
        if any(n not in proposal.explained for n in asked.numbers):
            yield "number lost", 1

    def _of_columns(
        self, proposal: Proposal, scores: Scores, match: dict[str, dict[int, float]]
    ) -> Iterator[tuple[str, float]]:
        """Yield how well the columns of the query fit the question."""
        query, links = proposal.query, proposal.links
        table, aggregate = links.table, query.aggregate
        if query.measure is not None:
            n = query.measure
            role = (
                "show"
                if aggregate in (Aggregate.LIST, Aggregate.DISTINCT, Aggregate.DUPLICATES)
                else "measure"
            )
            yield f"{role} match", match[role][n]
            yield f"{role} match of {proposal.label}", match[role][n]
            yield f"{role} best", match[role][n] - max(match[role][m] for m in self._rivals(table, n))
            yield f"{role} quality", links.quality.get(n, 0.0)
            yield f"{role} named", float(n in links.columns)
            yield from self._alike(table, n, role)
            numbers = [m for m in table.places("number") if not table.columns[m].key]
            yield "only number", float(numbers == [n])
            yield "key", float(table.columns[n].key)
            if n in table.derived:
                yield f"derived {table.derived[n].how}", 1
            yield (
                "measured condition",
                float(n in {p.column for p in proposal.pieces if p.kind != "compared"}),
            )
            if aggregate in (*ADDED, *FIRST) and table.columns[n].kind == "number" and table.signed(n):
                directed = [
                    c for c in query.where if isinstance(c, Compares) and c.column == n and c.value == 0
                ]
                sign = "none" if not directed else "out" if query.sign < 0 else "in"
                yield "sign", scores.logs["sign"][sign]
        else:
            named = [n for n in links.columns if n not in {p.column for p in proposal.pieces}]
            yield "named column lost", float(bool(named) and query.group is None)
            fits = [match["measure"][m] for m in table.places("number")]
            yield f"unmeasured {proposal.label}", max(fits, default=-5.0)
        if query.show is not None:
            yield "shown match", match["show"][query.show]
            yield "shown quality", links.quality.get(query.show, 0.0)
            yield from self._alike(table, query.show, "show", "shown")
        if query.group and isinstance(query.group.by, int):
            yield "group match", match["group"][query.group.by]
            yield "group quality", links.quality.get(query.group.by, 0.0)
            yield from self._alike(table, query.group.by, "group")
            yield "group column", 1
        elif query.group:
            yield "group unit", 1

    def _alike(self, table: Table, column: int, role: str, name: str = "") -> Iterator[tuple[str, float]]:
        """Yield how alike a column is in a role, beside the columns of its table and of all."""
        near, name = self._like.of_columns(table, role), name or role
        yield f"{name} alike", near[column]
        yield f"{name} alike best", near[column] - max(near)
        yield f"{name} alike of all", near[column] - self._like.best[role]

    def _limits(self, positions: Set[int]) -> list[float]:
        """Return how likely each word at some positions limits the rows; nothing without an encoder."""
        told = self._limiting
        return [told[n] for n in sorted(positions)] if told else []

    @staticmethod
    def _rivals(table: Table, column: int) -> list[int]:
        kind = table.columns[column].kind
        return [n for n, each in enumerate(table.columns) if each.kind == kind]

    def _of_rows(self, proposal: Proposal) -> Iterator[tuple[str, float]]:
        """Yield whether the conditions select rows, and one row for a value that is looked up."""
        query, table = proposal.query, proposal.links.table
        if len(table.rows) > _COUNTED:
            return
        rows = self.selected(query)
        yield "no row", float(not len(rows))
        yield f"no row of {proposal.label}", float(not len(rows))
        yield f"one row of {proposal.label}", float(len(rows) == 1)
        few = query.aggregate is Aggregate.VALUE
        if few and query.measure is not None:
            cells = {table.cells(query.measure)[n] for n in rows} if len(rows) < 50 else {"", "x"}
            yield "one value", float(len(cells) == 1)
            yield "several values", float(len(cells) > 3)
        if query.part:
            part = self.selected(attrs.evolve(query, where=(*query.where, *query.part)))
            yield "no part", float(len(part) in (0, len(rows)))
        if query.aggregate is Aggregate.BETWEEN:
            timed = any(isinstance(c, Within) for c in query.where)
            yield (
                "two rows",
                float(len(rows) == (1 if query.other is not None else 2) or (timed and len(rows) > 1)),
            )
        if not any(isinstance(c, Within) for c in query.where) and len(rows) == len(table.rows):
            yield "every row", 1


def merge(scores: np.ndarray, meaning: Callable[[int], Hashable]) -> tuple[list[int], np.ndarray]:
    """Return the numbers of the best queries with different answers, and their scores, descending.

    Queries with the same answer count once, with the logarithm of the sum of the exponentials as the score: a
    period may fit two columns of dates, and a word two columns of text. Those without an answer are left out.
    """
    same = dict[Hashable, list[int]]()
    for n in np.argsort(-scores, kind="stable")[:_MERGED].tolist():
        if (own := meaning(n)) is not None:
            same.setdefault(own, []).append(n)
    found = [(own[0], float(np.logaddexp.reduce(scores[own]))) for own in same.values()]
    found.sort(key=lambda each: -each[1])
    return [n for n, _ in found], np.array([score for _, score in found])


SURE = (
    "unexplained", "unexplained rare", "share explained", "limit lost", "limit most lost",
    "limit as name", "part limits", "exact limits", "class", "mode", "is named", "no row",
    "conditions", "period lost", "comparison lost", "negation lost", "part", "exact", "measure match",
    "measure best", "measure quality", "measure named", "one value", "several values", "every row",
    "sign", "several files", "number lost", "named column lost", "show match", "group match",
    "is value", "is list", "is count", "is exists", "is sum", "is highest", "is lowest", "is mean",
    "is between", "is share", "is distinct", "part rare", "exact rare", "filled", "answer",
    "table alike", "table alike best", "measure alike", "measure alike best", "measure alike of all",
    "other file", "negated", "compared", "compared near", "beside", "beside lost", "beside match",
    "no row of exists",
)  # fmt: skip
"""The features of the best proposal by which its probability is told."""


def sure_features(ranked: Ranked, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield what tells the probability that the best proposal is right."""
    scores = np.append(ranked.scores, ranked.nothing)
    best = scores[0]
    shares = np.exp(scores - scores.max())
    top = ranked.proposals[0]
    share = float(shares[0] / shares.sum())
    yield "share", share
    yield "share odds", float(np.clip(np.log(share + 1e-6) - np.log(1 - share + 1e-6), -8, 8))
    yield "over nothing", float(np.clip(best - ranked.nothing, -10, 10))
    others = [
        s for s, p in zip(ranked.scores, ranked.proposals, strict=True) if p.query.table != top.query.table
    ]
    yield "over tables", float(np.clip(best - max(others, default=best - 6), 0, 6))
    rivals = [s for s, p in zip(ranked.scores, ranked.proposals, strict=True) if p.query != top.query]
    yield "lead", float(np.clip(best - max(rivals, default=best - 6), 0, 6))
    places = {name: n for n, name in enumerate(names)}
    for name in SURE:
        if name in places:
            yield name, float(ranked.features[0, places[name]])
