"""What the words of a question may mean in a table: its name, columns, cells, answers and numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from itertools import combinations

import attrs

from lior_ask.languages.lists import languages
from lior_ask.tables import lexicon
from lior_ask.tables.asked import Asked
from lior_ask.tables.columns import Coded, other_row
from lior_ask.tables.days import Period, weekday_of
from lior_ask.tables.query import OPPOSITE, Beside, Compares, Expr, Filled, Is, Not, Place, Sign, Within, atom
from lior_ask.tables.sources import Table, cell_words
from lior_ask.tables.units import factor
from lior_ask.tables.words import stems

_NOUNS = {
    "mail": (lexicon.MAIL, lexicon.MESSAGES),
    "chat": (lexicon.CHAT, lexicon.MESSAGES),
    "events": (lexicon.EVENTS,),
    "contacts": (lexicon.CONTACTS,),
    "files": (lexicon.FILES,),
    "tasks": (lexicon.TASKS,),
}
"""Kind of table -> patterns of words that name it."""
_MOST_PIECES = 14
"""Maximum number of conditions that are combined."""
_MOST_ASSIGNMENTS = 14
"""Maximum number of ways to read the values of a question in a table."""
_ANSWERS = ("answer", "filled")
"""Kinds of pieces whose condition is the negated one already."""
_APART = 3
"""Maximum distance between words of a question that are in one cell."""
_FEW_CELLS = 8
"""Maximum number of different cells of a column for which words of every text are cells."""
_PREFIXES = ("un", "in", "im", "non")
"""Prefixes of negated words: "unpaid", "unbezahlt", "impayé"."""
SPAN = "span"
"""The role of a period from one named one to another."""
_INNER = 4
"""Minimum length of a part of a compound."""
_ABBREVIATED = 3
"""Minimum length of an abbreviation in a column's name: "qty", "min"."""


@attrs.frozen
class Piece:
    """A condition that some words of a question may stand for."""

    condition: Expr
    positions: frozenset[int]
    kind: str
    """``exact``, ``common``, ``part``, ``similar``, ``answer``, ``filled``, ``number``, ``weekday``,
    ``period``, ``compared``, ``implied`` or ``beside``.

    A ``common`` cell is a word of every text, such as "for"."""
    near: bool = False
    """Whether its column is named, too."""
    negated: bool = False
    """Whether a word such as "not" stands before it."""

    role: str = ""
    """What an implied condition says: ``filled``, ``empty``, ``yes``, ``no``, ``past``, ``future``, ``zero``,
    ``some``, or the sign of a comparison of two columns; :data:`SPAN` of a period."""
    parts: tuple[Piece, ...] = ()
    """The pieces that were merged into one with several values."""

    @property
    def column(self) -> int:
        """The column of the condition."""
        return atom(self.condition).column

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of the condition: one, or two that are compared."""
        own = atom(self.condition)
        other = own.other if isinstance(own, Compares) else None
        return (own.column,) if other is None else (own.column, other)


@attrs.define(eq=False)
class Links:
    """The links between a question and one table."""

    asked: Asked
    table: Table
    named: frozenset[int] = attrs.field(init=False)
    """The positions of words in the table's name."""
    columns: dict[int, frozenset[int]] = attrs.field(init=False)
    """The positions of the words that name each column."""
    quality: dict[int, float] = attrs.field(init=False)
    """The share of the words of each named column's name that the question has."""
    pieces: list[Piece] = attrs.field(init=False)
    """The conditions on values."""
    matched: dict[str, dict[int, float]] = attrs.field(init=False, factory=dict)
    """How well each column fits each role; filled by what is learned."""
    implications: dict[str, float] = attrs.field(init=False, factory=dict)
    """How likely each condition is implied; filled by what is learned."""
    besides: Mapping[tuple[str, int], float] = attrs.field(init=False, factory=dict)
    """How likely rows are compared with another one, by role and column; filled by what is learned."""
    _inverted: set[int] = attrs.field(init=False, factory=set)
    """The positions of words with a prefix that negates: "unpaid"."""
    _similar: set[int] = attrs.field(init=False, factory=set)
    """The positions of words that are only similar to words of cells."""

    def __attrs_post_init__(self) -> None:
        tokens = self.asked.tokens
        nouns = _NOUNS.get(self.table.kind, ())
        self.named = frozenset(
            n
            for n, token in enumerate(tokens)
            if not token.kind
            and (token.stems & self.table.names or any(noun.fullmatch(token.word) for noun in nouns))
        )
        self.columns, self.quality = {}, {}
        for column in range(len(self.table.columns)):
            self._name(column)
        whole = [own for column, own in self.columns.items() if self.quality[column] == 1]
        for column, own in [*self.columns.items()]:
            if self.quality[column] < 1 and any(own < other for other in whole):
                del self.columns[column], self.quality[column]  # "test 2" does not name "test 1"
        self.pieces = [
            *self._values(),
            *self._levels(),
            *self._answers(),
            *self._numbers(),
            *self._weekdays(),
        ]

    @property
    def linked(self) -> frozenset[int]:
        """The positions of all words that are linked to the table."""
        values = (piece.positions for piece in self.pieces)
        return self.named.union(*self.columns.values(), *values) - self.asked.function

    def _name(self, column: int) -> None:
        """Find the words that name a column."""
        heading = self.table.headings[column]
        if column in self.table.derived or not heading:
            return
        positions, matched, inverted = set[int](), set[int](), set[int]()
        for at, token in enumerate(self.asked.tokens):
            if token.kind:
                continue
            whole = [n for n, own in enumerate(heading) if own & token.stems]
            begun = [] if whole else [n for n, own in enumerate(heading) if _begins(token.word, own)]
            prefix = next((p for p in _PREFIXES if token.word.startswith(p)), "")
            if not whole and not begun and prefix:
                begun = [n for n, own in enumerate(heading) if own & stems(token.word[len(prefix) :])]
                inverted |= {at} if begun else set()
            if whole or begun:
                positions.add(at)
                matched |= {*whole, *begun}
        content = positions - self.asked.function
        if not content and positions and (len(matched) < len(heading) or len(heading) > 1):
            return
        if positions:
            self.columns[column] = frozenset(content or positions)
            self.quality[column] = len(matched) / len(heading)
            self._inverted |= inverted

    def _values(self) -> Iterator[Piece]:
        """Yield the conditions that cells have words of the question."""
        vocabulary = self.table.vocabulary
        found = dict[int, dict[str, set[int]]]()
        for at, token in enumerate(self.asked.tokens):
            if token.kind:
                continue
            own = {*token.stems, token.word, *weekday_forms(token.word)}
            known = {each for stem in own for each in vocabulary.get(stem, ())} or self._compound(token.word)
            if not known and at not in self.asked.function:
                near = self.table.similar(token.word)
                known = {each for word in near for each in vocabulary.get(word, ())}
                known |= {each for word in near for stem in stems(word) for each in vocabulary.get(stem, ())}
                self._similar |= {at} if known else set()
            for column, cell in sorted(known):  # sets of texts differ in order from run to run
                found.setdefault(column, {}).setdefault(cell, set()).add(at)
        for column, cells in found.items():
            if column not in self.table.answers:
                yield from self._segments(column, cells)

    def _compound(self, word: str) -> set[tuple[int, str]]:
        """Return the cells with both parts of a compound: "Miete Werkstatt" for "Werkstattmiete"."""
        vocabulary = self.table.vocabulary
        for cut in range(_INNER, len(word) - _INNER + 1):
            first, last = word[:cut], word[cut:]
            parts = (stems(first) | stems(first.rstrip("sn")), stems(last))
            one, other = ({each for stem in part for each in vocabulary.get(stem, ())} for part in parts)
            if both := one & other:
                return both
        return set()

    def _levels(self) -> Iterator[Piece]:
        """Yield the conditions that entries of a log have a level."""
        for at, token in enumerate(self.asked.tokens):
            column = self.table.heads[0].place("level")
            if column is not None and (level := self.table.level(token.word)):
                yield Piece(Is(column, (level,)), frozenset({at}), "exact")

    def _segments(self, column: int, cells: dict[str, set[int]]) -> Iterator[Piece]:
        """Yield the longest runs of words that cells of a column have."""
        runs = dict[frozenset[int], set[str]]()
        few = len(self.table.coded("text", column).places) <= _FEW_CELLS
        for cell, positions in cells.items():
            for run in _runs(sorted(positions)):
                if not run <= self.asked.function:
                    runs.setdefault(run, set()).add(cell)
                elif few and self._is_whole(cell, run):
                    yield Piece(Is(column, (cell,)), run, "common", column in self.columns, False)
        for run, own in runs.items():
            content = run - self.asked.function
            if any(run < other and content < other - self.asked.function for other in runs):
                larger = [o for o in runs if content < o - self.asked.function]
                if not any(len(cell_words(cell)) == len(content) for cell in own) or len(larger) > 3:
                    continue
            has = own | {cell for other, more in runs.items() if run <= other for cell in more}
            exact = [cell for cell in own if self._is_whole(cell, run)]
            negated = self.asked.negates(content)
            near = column in self.columns
            shown = " ".join(self.asked.tokens[n].word for n in sorted(content))
            if content & self._similar:
                yield Piece(Is(column, (*sorted(has),), shown), content, "similar", near, negated)
                continue
            if exact:  # the negation may be in the cell, "not fixed"
                against = run & self.asked.negated
                condition = Is(column, (*sorted(exact),))
                yield Piece(condition, content | against, "exact", near, negated and not against)
            rest = has - {*exact}
            if rest:
                yield Piece(Is(column, (*sorted(has),), shown), content, "part", near, negated)

    def _is_whole(self, cell: str, run: frozenset[int]) -> bool:
        """Return whether a cell has no other words than those of a run."""
        words = [self.asked.tokens[n].word for n in run]
        known = frozenset[str]().union(*map(stems, words), *map(weekday_forms, words))
        return all(word in known or stems(word) & known for word in cell_words(cell))

    def _answers(self) -> Iterator[Piece]:
        """Yield the conditions of columns with yes and no, or with empty cells."""
        for column, positions in self.columns.items():
            inverted = bool(positions & self._inverted)
            negated = self.asked.negates(positions) != inverted
            if column in self.table.answers:
                yes, no = self.table.answers[column]
                yield Piece(Is(column, yes), positions, "answer", True, negated)
                if no:
                    yield Piece(Is(column, no), positions, "answer", True, not negated)
            elif column in self.table.lacking:
                filled = Filled(column)
                yield Piece(filled, positions, "filled", True, negated)
                yield Piece(Not(filled), positions, "filled", True, not negated)

    def _numbers(self) -> Iterator[Piece]:
        """Yield the conditions that a number column has a number of the question."""
        for at, number in (self.asked.ordinals | self.asked.numbers).items():
            for column in self.table.places("number"):
                if (
                    column not in self.table.derived
                    and Decimal(number) in self.table.coded("number", column).places
                ):
                    near = any(abs(at - n) < 3 for n in self.columns.get(column, ()))
                    if number == 1 and at in self.asked.ordinals and not near:
                        continue  # "the first payment"
                    yield Piece(
                        Compares(column, "=", Decimal(number)), frozenset({at}), "number", near, False
                    )

    def _weekdays(self) -> Iterator[Piece]:
        """Yield the conditions that a date is on the next day of a weekday, or on the last one."""
        for at, token in enumerate(self.asked.tokens):
            if not token.kind and weekday_forms(token.word):
                ahead = self.table.kind == "events"
                days = (weekday_of(token.word) - self.asked.today.weekday()) % 7
                day = str(self.asked.today + timedelta(days - 7 * (days > 0 and not ahead)))
                for column in self.table.places("date")[:2]:
                    near = column == self.table.dated
                    yield Piece(Within(column, day, day, day), frozenset({at}), "weekday", near)

    def assignments(self) -> list[tuple[Piece, ...]]:
        """Return the ways to read the values of the question, the likeliest first.

        The first one takes the longest runs of words. The others leave out one or two of its pieces, so that
        their words may mean something else.
        """
        rank = {
            "exact": 4,
            "answer": 3,
            "part": 2,
            "number": 2,
            "filled": 1,
            "weekday": 1,
            "similar": 0,
            "common": 0,
        }
        order = sorted(
            self.pieces,
            key=lambda p: (len(p.positions), rank[p.kind], p.near, not p.negated),
            reverse=True,
        )[:_MOST_PIECES]
        found = [self._greedy(order, ())]
        for without in found[0]:
            found.append(self._greedy(order, (without,)))
        for pair in combinations(found[0][:4], 2):
            found.append(self._greedy(order, pair))
        for last in found[1:4]:  # the second choice for some words may be wrong, too
            found += [
                self._greedy(order, ({*found[0]} - {*last}) | {each}) for each in last if each not in found[0]
            ]
        found.append(())
        polarities = [each for chosen in found for each in _polarities(chosen)]
        return [*dict.fromkeys(map(self._merged, polarities))][:_MOST_ASSIGNMENTS]

    @staticmethod
    def _greedy(order: Sequence[Piece], without: Collection[Piece]) -> tuple[Piece, ...]:
        """Return pieces that have no word in common, the first ones first."""
        chosen, used = list[Piece](), frozenset[int]()
        for piece in order:
            if piece not in without and not piece.positions & used:
                chosen.append(piece)
                used |= piece.positions
        return (*chosen,)

    def _merged(self, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        """Return the pieces, with several values of one column in one condition: "food and fuel"."""
        found = dict[tuple[int, bool], Piece]()
        others = list[Piece]()
        for piece in pieces:
            if not isinstance(piece.condition, Is):
                others.append(piece)
                continue
            key = piece.column, piece.negated and piece.kind != "answer"
            if key in found:
                before = found[key]
                assert isinstance(before.condition, Is)
                both = (*dict.fromkeys((*before.condition.values, *piece.condition.values)),)
                condition = Is(piece.column, both, several=True)
                kind = before.kind if before.kind == piece.kind else "part"
                parts = (*(before.parts or (before,)), piece)
                positions = before.positions | piece.positions
                piece = attrs.evolve(piece, condition=condition, positions=positions, kind=kind, parts=parts)
            found[key] = piece
        made = [
            attrs.evolve(p, condition=Not(p.condition)) if p.negated and p.kind != "answer" else p
            for p in found.values()
        ]
        return (*made, *others)

    # --- what no word names ---

    def implied(self) -> Iterator[Piece]:
        """Yield the conditions that a question may imply: "current tenants", "expired", "free", "below their
        minimum"."""
        table, today = self.table, self.asked.today.isoformat()
        found = list[tuple[str, Expr]]()
        for n in table.lacking - {*table.answers}:
            found += [("filled", Filled(n)), ("empty", Not(Filled(n)))]
        for n, (yes, no) in table.answers.items():
            found += [("yes", Is(n, yes)), ("no", Is(n, no))]
        for n in table.places("date"):
            found.append(("past", Within(n, "", today, f"until {today}")))
            found.append(("future", Within(n, today, "", f"from {today} on")))
        for n in table.with_zeros:
            found.append(("zero", Compares(n, "=", Decimal(0))))
            found.append(("some", Compares(n, ">", Decimal(0))))
        for (one, other), signs in table.comparable.items():
            found += [(sign, Compares(one, sign, None, other)) for sign in signs]
        yield from (Piece(condition, frozenset(), "implied", role=role) for role, condition in found)

    # --- other rows ---

    def beside(self, named: Sequence[Piece], role: str, column: int) -> Piece | None:
        """Return the condition that a row is beside the one that values name, ``None`` if they name none.

        ``role`` is one of :data:`~lior_ask.tables.implied.BESIDE`.
        """
        of = tuple(c for each in named if isinstance(c := each.condition, Is) and not c.several)
        how: Sign | Place = role.removeprefix("beside ")  # type: ignore[assignment]
        ordered = how in ("below", "above")
        condition = Beside(named[0].column if ordered else column, how, of)
        compares = ordered or column not in {each.column for each in of}
        if len(of) < len(named) or not compares or other_row(self.table, condition) is None:
            return None
        positions = frozenset[int]().union(*(each.positions for each in named))
        return Piece(condition, positions, "beside", condition.column in self.columns, role=role)

    # --- periods and comparisons ---

    def periods(self, column: int) -> Iterator[Piece]:
        """Yield the conditions that a date is in the periods of the question; none if there are no dates."""
        dates = self.table.coded("date", column)
        places = [n for n, token in enumerate(self.asked.tokens) if token.kind == "period"]
        for place, period in zip(places, self.asked.periods, strict=False):
            if period.recurs(dates.years, self.table.kind):
                within: Within | None = recurring(column, period)
            else:
                coming = self.table.kind == "events"
                within = _within(column, period, dates, self.asked.today, coming=coming)
            if within is not None:
                yield Piece(within, frozenset({place}), "period", column in self.columns)

    @staticmethod
    def spanned(pieces: Sequence[Piece]) -> Piece | None:
        """Return the condition from the first of two periods to the second, if no date is in both.

        The difference of two rows may be asked for: "how much more in May than in March?"
        """
        found = [p.condition for p in pieces if isinstance(p.condition, Within) and not p.condition.yearless]
        one, other = sorted(found, key=lambda each: each.first) if len(found) == 2 else (None, None)
        if one is None or other is None or not one.first or not one.last or not one.last < other.first:
            return None
        within = attrs.evolve(one, last=other.last, shown=f"{one.shown} – {other.shown}", spans=True)
        return attrs.evolve(
            pieces[0], condition=within, positions=pieces[0].positions | pieces[1].positions, role=SPAN
        )

    def compared(self, columns: Sequence[int], *, outgoing: bool = False) -> Iterator[Piece]:
        """Yield the conditions of the comparisons with numbers, each in the column at its place.

        ``outgoing`` compares the size of negative amounts.
        """
        places = [n for n, token in enumerate(self.asked.tokens) if token.kind == "number"]
        for place, each, column in zip(places, self.asked.compared, columns, strict=False):
            unit = self.asked.tokens[place + 1].word if place + 1 < len(self.asked.tokens) else ""
            near = any(abs(place - n) < 4 for n in self.columns.get(column, ()))
            out = outgoing and self.table.signed(column)
            sign = OPPOSITE[each.sign] if out else each.sign
            if (size := factor(unit, self.table.units(column))) is not None:
                number = each.number * size
                condition = Compares(column, sign, -number if out else number)
                yield Piece(condition, frozenset({place}), "compared", near, out)


def _polarities(chosen: tuple[Piece, ...]) -> Iterator[tuple[Piece, ...]]:
    """Yield the pieces as they are and, if some are negated, all of their columns, and without negation: "who
    eats no nuts"."""
    yield chosen
    against = {p.column for p in chosen if p.negated and p.kind not in _ANSWERS}
    if spread := {p for p in chosen if p.column in against and not p.negated and p.kind not in _ANSWERS}:
        yield tuple(attrs.evolve(p, negated=True) if p in spread else p for p in chosen)  # "neither A nor B"
    if any(piece.negated for piece in chosen if piece.kind not in _ANSWERS):
        yield tuple(attrs.evolve(p, negated=False) if p.kind not in _ANSWERS else p for p in chosen)


def _begins(word: str, heading: frozenset[str]) -> bool:
    """Return whether a word begins a compound in a heading, "Schneehöhe", or is abbreviated there: "min"."""
    for own in heading:
        if len(word) > 4 and own.startswith(word[:-1]) and len(own) > len(word) + 1:
            return True
        if len(own) > 4 and word.endswith(own) and len(word) > len(own) + 2:
            return True  # "Gesamtbetrag" for "betrag"
        if _ABBREVIATED <= len(own) < len(word) - 2 and (word.startswith(own) or _skeleton(own, word)):
            return True
    return False


def _skeleton(short: str, word: str) -> bool:
    """Return whether the letters of a short form are in a word in their order, as in "qty" and "quantity"."""
    letters = iter(word)
    return (
        len(short) <= 4
        and short[0] == word[0]
        and short[-1] in word[-2:]
        and all(c in letters for c in short)
    )


@cache
def _weekday_forms() -> dict[str, frozenset[str]]:
    """Return the names and abbreviations of a weekday by each name in full."""
    every = [[forms.split() for forms in each.lists["dates.weekdays"]] for each in languages()]
    return {own[n][0]: frozenset(own[n]) for own in every for n in range(7)}


def weekday_forms(word: str) -> frozenset[str]:
    """Return the names of a weekday by its name in full; none for another word."""
    return _weekday_forms().get(word, frozenset())


def _runs(positions: list[int]) -> Iterator[frozenset[int]]:
    """Yield the runs of positions without wide gaps."""
    run = [positions[0]]
    for at in positions[1:]:
        if at - run[-1] > _APART:
            yield frozenset(run)
            run = []
        run.append(at)
    yield frozenset(run)


def _within(column: int, period: Period, dates: Coded[str], today: date, *, coming: bool) -> Within | None:
    """Return the condition that a date is in a period.

    A month without a year is the last one that has begun, or if ``coming`` the next one that is not over,
    unless the question is in the past tense. An end without a begin is the nearest one.
    """
    years = dates.years
    if not years:
        return None
    period = period.coming(today) if coming else period
    if years == [0]:
        first, last = (day and f"0000-{day:%m-%d}" for day in (period.first, period.last))
        return Within(column, first or "", last or "", period.shown)
    years = [year for year in years if year]  # days without a year are in no year
    shown = period.shown
    if period.yearless:
        years = period.reachable(years, today) if coming else years
        fit = [year for year in years if any(period.within(year).has(when) for when in dates.days)]
        past = [year for year in fit if (ends := period.within(year)).first and ends.first <= today]
        next_ = [year for year in fit if (ends := period.within(year)).last and ends.last >= today]
        if fit and period.first is None:  # "before 5 December" is the next one, or the last one
            year = min(fit, key=lambda each: abs((period.within(each).last or today) - today))
        else:
            known = past or fit or [y for y in years if y <= today.year] or years
            year = next_[0] if coming and next_ and not period.over else known[-1]
        period, shown = period.within(year), f"{shown} {year}"
    first, last = (day.isoformat() if day else "" for day in (period.first, period.last))
    return Within(column, first, last, shown)


def recurring(column: int, period: Period) -> Within:
    """Return the condition that a date is in a period with two ends, in any year."""
    first, last = (day and f"{day:%m-%d}" for day in (period.first, period.last))
    return Within(column, first or "", last or "", period.shown, yearless=True)


def next_days(column: int, today: date, *, before: bool = False) -> Within:
    """Return the condition that a date is not past, or not in the future."""
    first, last = ("", today.isoformat()) if before else (today.isoformat(), "")
    shown = f"until {today}" if before else f"from {today} on"
    return Within(column, first, last, shown)
