"""The queries that a question may stand for, over each of the tables that its words are linked to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import combinations, islice, permutations, product

import attrs

from lior_ask.languages.lists import either
from lior_ask.tables.asked import Asked
from lior_ask.tables.headers import Likeness
from lior_ask.tables.learned import Learned, Scores
from lior_ask.tables.mentions import SPAN, Links, Piece, next_days
from lior_ask.tables.query import ADDED, Aggregate, Compares, Expr, Group, Is, Query, Sign, Within
from lior_ask.tables.sources import Table

_TABLES, _TABLE_ALIKE = 5, 2.0
"""Maximum number of tables for which queries are proposed, and the weight of their likeness to the question.

Of the tables that are meant in other people's folders, 5 lack .6 %; by words alone, 6 lack 1.7 % and, in
folders of 18 tables, 3.7 %."""
_CLASSES = 6
"""Maximum number of aggregates that are tried."""
_COLUMNS = 4
"""Maximum number of columns that are tried as the measure."""
LEAST_IMPLIED = -4.5
"""Minimum logarithm of the odds of a condition that a question implies.

.91 of those that are implied are above it in other people's folders, and 2 others for each question."""
LEAST_BESIDE = -4.0
"""Minimum logarithm of the odds that rows are compared with another one.

.94 of 201 such comparisons are above it in other people's folders, and 1.5 others for each other question."""
_ALIKE = 4.0
"""Weight of the likeness of a column and the question, by which the columns to be tried are chosen."""
_IMPLICATIONS = 6
"""Maximum number of conditions that a question may imply."""
_BESIDES = 6
"""Maximum number of comparisons with another row that are tried."""
_SIDES = ("past", "future")
_UNGROUPED = -0.02
"""Logarithm of the probability of no groups from which on none are proposed."""
UNITS = ("day", "week", "month", "year")
_GROUPED = (*ADDED, Aggregate.COUNT, Aggregate.DISTINCT)
_BY_NUMBER = (*ADDED, Aggregate.HIGHEST, Aggregate.LOWEST)
_OF_ROWS = (Aggregate.COUNT, Aggregate.LIST, Aggregate.NEWEST, Aggregate.OLDEST, Aggregate.EXISTS)
_BY_DATE = (Aggregate.NEWEST, Aggregate.OLDEST)
CLASSES = {
    **{each.value: (each, "") for each in Aggregate},
    "next": (Aggregate.OLDEST, "after"),
    "last": (Aggregate.NEWEST, "before"),
}
"""Class of a question -> aggregate, and the side of today on which dates are."""


@attrs.frozen(kw_only=True)
class Proposal:
    """A query with the words of the question that it explains."""

    query: Query
    links: Links = attrs.field(repr=False)
    pieces: tuple[Piece, ...]
    label: str
    """The class of the question."""
    unit: frozenset[int] = frozenset()
    """The positions of the words of a unit of time."""
    counted: int = -1
    """The position of the number of rows asked for, or -1."""

    @property
    def explained(self) -> frozenset[int]:
        """The positions of the words that the query uses."""
        q, links = self.query, self.links
        group = q.group.by if q.group and isinstance(q.group.by, int) else None
        used = [n for n in (q.measure, q.show, group, q.other) if n is not None]
        used += [piece.column for piece in self.pieces]
        made = [n for column in used if column in links.table.derived for n in links.table.derived[column].of]
        found = [links.columns.get(column, frozenset()) for column in (*used, *made)]
        found += [piece.positions for piece in self.pieces]
        counted = frozenset({self.counted} - {-1})
        return links.named.union(*found, self.unit, counted)


def linked(asked: Asked, tables: Sequence[Table], like: Likeness | None = None) -> list[Links]:
    """Return the links of a question to the tables that have most of its words, and are most alike."""
    found = [Links(asked, table) for table in tables]
    content = {*range(len(asked.tokens))} - asked.function

    def covers(links: Links) -> float:
        values = {n for piece in links.pieces for n in piece.positions}
        exact = {n for piece in links.pieces if piece.kind == "exact" for n in piece.positions}
        columns = {n for positions in links.columns.values() for n in positions}
        own = len(content & (values | columns | links.named)) + 0.3 * len(content & exact)
        own += 0.2 * len(content & links.named) + 0.2 * len(content & columns)
        own += _TABLE_ALIKE * like.of_table(links.table) if like else 0
        own -= 0.05 * (len(links.table.heads) > 1)
        return own + 3 * any(f in links.table.title for f in asked.files)

    return sorted(found, key=covers, reverse=True)[:_TABLES]


def proposals(
    asked: Asked, links: Links, number: int, scores: Scores, learned: Learned, like: Likeness
) -> list[Proposal]:
    """Return the queries over one table; ``number`` is its number among those of the question."""
    maker = _Maker(asked, links, number, scores, learned, like)
    return [proposal for label in scores.classes(_CLASSES) for proposal in maker.of_class(label)]


class _Maker:
    """A maker of the queries over one table."""

    def __init__(
        self, asked: Asked, links: Links, number: int, scores: Scores, learned: Learned, like: Likeness
    ) -> None:
        self.asked, self.links, self.number, self.scores = asked, links, number, scores
        table = self.table = links.table
        match = learned.matches(asked, links)
        odds = {piece: learned.implies(asked, links, piece) for piece in links.implied()}
        likely = sorted(odds, key=lambda piece: odds[piece], reverse=True)[:_IMPLICATIONS]
        self.implied = [piece for piece in likely if odds[piece] > LEAST_IMPLIED]
        beside = learned.besides(asked, links)
        likely_ = sorted(beside, key=lambda each: beside[each], reverse=True)[:_BESIDES]
        self.beside = [each for each in likely_ if beside[each] > LEAST_BESIDE]
        self.compared = learned.meant(asked, links, "compared")
        self.wheres = [*self._wheres()]

        def ranked(columns: Sequence[int], role: str) -> list[int]:
            near = like.of_columns(table, role)
            score = {n: match[role][n] + 3 * links.quality.get(n, 0) + _ALIKE * near[n] for n in columns}
            return sorted(columns, key=lambda n: score[n], reverse=True)

        numbers = [n for n in table.places("number") if table.columns[n].decimal]
        self.numbers = ranked(numbers, "measure")[:_COLUMNS]
        self.dates = ranked(table.places("date"), "measure")[:3]
        every = [n for n in range(len(table.columns)) if n not in table.derived]
        self.any = ranked(every, "measure")[:_COLUMNS]
        texts = [n for n in every if table.columns[n].kind == "text" or table.columns[n].key]
        self.texts = ranked(texts, "show")[:3]
        self.groups = ranked(every, "group")[:2] if scores.logs["mode"]["no"] < _UNGROUPED else []
        self.units = {
            unit: at for n, t in enumerate(asked.tokens) if (unit := _unit(t.word)) for at in [frozenset({n})]
        }
        small = [n for n, number in asked.numbers.items() if 1 < number < 30]
        self.few = [n for n in small if not any(n in p.positions for p in links.pieces if p.kind == "exact")]

    def _wheres(self) -> Iterator[tuple[Piece, ...]]:
        """Yield the sets of conditions: values, the period, comparisons with numbers."""
        table, links = self.table, self.links
        dates = sorted(
            table.places("date"), key=lambda n: (n in links.columns, n == table.dated), reverse=True
        )
        timed = [(*found,) for n in dates[:3] if (found := [*links.periods(n)])]
        timed = [(span,) if (span := links.spanned(found)) else found for found in timed] + [*self._years()]
        numbers = sorted(
            (n for n in table.places("number") if not table.columns[n].key and table.columns[n].decimal),
            key=lambda n: links.quality.get(n, 0) + 0.1 * (n not in table.derived) + 0.2 * self.compared[n],
            reverse=True,
        )
        count = min(len(self.asked.compared), 2)
        compared = [
            (*pairs,)
            for columns in product(numbers[:3], repeat=count)
            for out in (False, True)
            if (out <= any(map(table.signed, columns)))
            and (pairs := [*links.compared(columns, outgoing=out)])
        ]
        implied: list[tuple[Piece, ...]] = [(), *((each,) for each in self.implied)]
        implied += [two for two in combinations(self.implied[:4], 2) if two[0].column != two[1].column]
        values = [each for chosen in links.assignments() for each in (chosen, *self._beside(chosen))]
        for chosen in dict.fromkeys(values):
            for when, than, other in product(timed or [()], compared or [()], implied):
                used = {piece.column for piece in chosen}
                timed_by = {piece.column for piece in when}  # "still to come this year"
                if not any(
                    p.column in used or (p.column in timed_by and p.role not in _SIDES) for p in other
                ):
                    yield (*chosen, *when, *than, *other)

    def _beside(self, chosen: tuple[Piece, ...]) -> Iterator[tuple[Piece, ...]]:
        """Yield the conditions with one that compares with the row that another one of them names."""
        named = [piece for piece in chosen if isinstance(piece.condition, Is)]
        ways = [([piece], [each for each in chosen if each != piece]) for piece in named]
        ways += [(named, [each for each in chosen if each not in named])] * (len(named) > 1)
        for two in (piece for piece in named if len(piece.parts) == 2):
            rest = [each for each in chosen if each != two]  # "is the Petrel longer than the Tern?"
            ways += [([one], [*rest, other]) for one, other in permutations(two.parts)]
        for some, others in ways:
            found = (self.links.beside(some, *each) for each in self.beside)
            yield from ((piece, *others) for piece in found if piece is not None)

    def _years(self) -> Iterator[tuple[Piece, ...]]:
        """Yield the condition that a number column has the year of the period."""
        places = [n for n, token in enumerate(self.asked.tokens) if token.kind == "period"]
        for period, place in zip(self.asked.periods, places, strict=False):
            if period.yearless:
                continue
            for column in self.table.places("number"):
                numbers = (n for n in self.table.numbers(column) if n is not None)
                known = [*islice(numbers, 200)]
                if known and all(1800 <= n <= 2100 and n == int(n) for n in known):
                    ends: tuple[tuple[Sign, date | None], ...] = ((">=", period.first), ("<=", period.last))
                    yield tuple(
                        Piece(Compares(column, sign, Decimal(day.year)), frozenset({place}), "period")
                        for sign, day in ends
                        if day
                    )

    def of_class(self, label: str) -> Iterator[Proposal]:
        """Yield the queries of a class of questions."""
        aggregate, side = CLASSES[label]
        for pieces in self.wheres:
            if aggregate is not Aggregate.BETWEEN and any(piece.role == SPAN for piece in pieces):
                continue
            where = [piece.condition for piece in pieces]
            if side:
                dated = self.table.dated
                if dated is None or any(isinstance(c, Within) for c in where):
                    continue
                where.append(next_days(dated, self.asked.today, before=side == "before"))
            for made in self._shapes(aggregate, pieces):
                yield from self._completed(made, where, pieces, label)

    def _shapes(self, aggregate: Aggregate, pieces: Sequence[Piece]) -> Iterator[dict[str, object]]:
        """Yield the columns of a query: what is measured, shown, and by what it is grouped."""
        used = {piece.column for piece in pieces if piece.kind != "beside"}
        if aggregate in _BY_NUMBER:
            keys = {n for n in self.numbers if aggregate in ADDED and self.table.columns[n].key}
            for n in (n for n in self.numbers if n not in keys):  # row numbers are not added up
                yield {"measure": n}
        elif aggregate in _BY_DATE:
            for date_or_place in self.dates or (None,):
                yield {"measure": date_or_place}
        elif aggregate is Aggregate.VALUE:
            for n in self.any:
                kind = self.table.columns[n].kind
                if not (n in used and kind == "text") and not (kind == "date" and self._no_day(n)):
                    yield {"measure": n}
        elif aggregate in (Aggregate.DISTINCT, Aggregate.DUPLICATES):
            for n in self.texts:
                yield {"measure": n}
        elif aggregate is Aggregate.BETWEEN:
            yield from self._between()
        elif aggregate is Aggregate.SHARE:
            yield {}
            for n in self.numbers[:2]:
                yield {"measure": n}
        else:
            yield {}
            if aggregate is Aggregate.LIST:
                for n in self.texts:
                    yield {"measure": n}

    def _no_day(self, column: int) -> bool:
        """Return whether the days of a column are not what is asked for: how many, or what time."""
        timed = self.asked.clock and any(":" in when for when in self.table.dates(column))
        return self.asked.counts or (self.asked.clock and not timed)

    def _between(self) -> Iterator[dict[str, object]]:
        for column in self.table.derived.values():
            if column.how == "days":
                yield {"measure": column.of[0], "other": column.of[1]}
        for n in (*self.dates, *self.numbers[:2]):
            yield {"measure": n}
        yield {}

    def _completed(
        self, made: Mapping[str, object], where: Sequence[Expr], pieces: tuple[Piece, ...], label: str
    ) -> Iterator[Proposal]:
        """Yield a query with each direction, group, number of rows and column that is shown."""
        aggregate = CLASSES[label][0]
        measure = made.get("measure")
        signs: list[tuple[int, tuple[Expr, ...]]] = [(1, ())]
        directed = measure if aggregate in _BY_NUMBER else self._amount() if aggregate in _OF_ROWS else None
        if isinstance(directed, int) and self.table.signed(directed) and directed not in _compared(pieces):
            signs += [(sign, (Compares(directed, "<" if sign < 0 else ">", Decimal(0)),)) for sign in (-1, 1)]
            signs += [(-1, ())] * (aggregate in _BY_NUMBER)
        elif isinstance(directed, int) and any(p.kind == "compared" and p.negated for p in pieces):
            signs = [(-1, (Compares(directed, "<", Decimal(0)),))]  # "expenses under 20 €"
        groups: list[Group | None] = [None]
        if aggregate in _GROUPED:
            groups += self._grouped({piece.column for piece in pieces}, measure)
        shows: list[int | None] = [None]
        if aggregate in (Aggregate.HIGHEST, Aggregate.LOWEST, *_BY_DATE):
            shows += [n for n in self.texts if n != measure][:2]
            shows += self.numbers[:1] if aggregate in _BY_DATE else []  # "the last payment, how much?"
        for (sign, conditions), group, show in product(signs, groups, shows):
            query = Query(
                table=self.number,
                aggregate=aggregate,
                where=(*where, *conditions),
                sign=sign,
                group=group,
                show=show,
                **made,  # type: ignore[arg-type]
            )
            unit = (
                self.units.get(group.by, frozenset()) if group and isinstance(group.by, str) else frozenset()
            )
            base = Proposal(query=query, links=self.links, pieces=pieces, label=label, unit=unit)
            for each in self._with_few(base):
                yield from self._with_part(each)

    def _amount(self) -> int | None:
        """Return the only column with amounts of both directions."""
        signed = [n for n in self.numbers if n not in self.table.derived and self.table.signed(n)]
        return signed[0] if signed else None

    def _grouped(self, used: set[int], measure: object) -> Iterator[Group]:
        modes = self.scores.modes(2)
        for column in self.groups:
            if column != measure and column not in used:
                yield from (Group(column, mode) for mode in modes)
        dated = self.table.dated if self.table.dated is not None else next(iter(self.dates), None)
        if dated is not None:
            yield from (Group(unit, mode, dated) for unit in self.units for mode in modes)

    def _with_few(self, proposal: Proposal) -> Iterator[Proposal]:
        """Yield a query with each number of rows that is asked for."""
        query = proposal.query
        ranked = query.aggregate in (Aggregate.HIGHEST, Aggregate.LOWEST, *_BY_DATE)
        if ranked or (query.group and query.group.over in ("highest", "lowest")):
            taken = {n for piece in proposal.pieces for n in piece.positions}
            for place in [n for n in self.few if n not in taken][:1]:
                few = attrs.evolve(query, few=self.asked.numbers[place])
                yield attrs.evolve(proposal, query=few, counted=place)
        yield proposal

    def _with_part(self, proposal: Proposal) -> Iterator[Proposal]:
        """Yield a query for a share with each condition as the part; other queries as they are."""
        query = proposal.query
        if query.aggregate is not Aggregate.SHARE:
            if query.aggregate is not Aggregate.BETWEEN or _names_two(query):
                yield proposal
            return
        for n, condition in enumerate(query.where):
            if not (isinstance(condition, Within) and len(query.where) > 1):
                rest = (*query.where[:n], *query.where[n + 1 :])
                yield attrs.evolve(proposal, query=attrs.evolve(query, where=rest, part=(condition,)))


def _compared(pieces: Sequence[Piece]) -> set[int]:
    """Return the columns that are compared with a number."""
    return {piece.column for piece in pieces if piece.kind == "compared"}


def _names_two(query: Query) -> bool:
    """Return whether the difference of two rows is asked for, and two values are named, or of two dates."""
    two = any(isinstance(c, Is) and len(c.values) > 1 for c in query.where)
    if query.measure is None:
        return query.two is not None
    return query.other is not None or two or any(isinstance(c, Within) for c in query.where)


@cache
def _unit(word: str) -> str:
    """Return the unit of time that a word names, "month" or "monthly", or an empty string."""
    for unit, key in zip(UNITS, ("daily", "weekly", "monthly", "yearly"), strict=True):
        if re.fullmatch(either(f"calculations.{key}", f"periods.{unit}_units"), word):
            return unit
    return ""
