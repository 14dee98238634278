"""Results in one plain sentence: the value, what it is, and the number of rows.

The engines give the parts of a sentence, the language of the question its words. The exact query is
``about`` of the result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np

from lior.interfaces import Result
from lior_ask.answer.figures import shown
from lior_ask.index.table_schema import Column
from lior_ask.languages.lists import languages, words
from lior_ask.languages.replies import columns_in, in_marks, in_words_of
from lior_ask.languages.words import tokens
from lior_ask.tables import lexicon
from lior_ask.tables.plan import Condition
from lior_ask.tables.query import Beside, Filled, Not, Within
from lior_ask.tables.sources import Table

LISTED = 12
"""Maximum number of names that are listed."""
_MONEY = lexicon.MEASURES["money"]
_UNITS = {*map(str.lower, lexicon.CURRENCIES), *lexicon.QUANTITIES, *lexicon.MEASURES["temperature"]}
_IN_NAME = re.compile(r"\s*[(\[]([^()\[\]]+)[)\]]\s*$")
"""Pattern of the unit at the end of a column's name: ``Betrag (€)``."""
PLACES = {
    "next": ("after_row", "right after"),
    "previous": ("before_row", "right before"),
    "below": ("below_row", "below"),
    "above": ("above_row", "above"),
}
"""The place of a row beside another one -> the key of its words, and the exact ones."""
_OPEN = re.compile(r"from (?P<first>[\d-]{10}) on|until (?P<last>[\d-]{10})")
"""Pattern of a period with one end."""
_UNDATED = re.compile(r"\(([\d,]+) without a date left out\)")
"""Pattern of the remark behind a period, with the number of rows."""
_DATED = {"newest": "latest", "oldest": "earliest"}
"""The operation over dates -> the key of the words that name their column."""
PAID = {"paid out": "paid_out", "paid in": "paid_in"}
"""The exact words for the direction of an account's amounts -> the key of the plain ones."""


@attrs.frozen(kw_only=True)
class Told:
    """A result, and the parts of the sentence about it."""

    result: Result
    table: Table = attrs.field(repr=False)
    count: int
    """The number of rows that were added up, counted or compared."""
    where: Sequence[Condition] = ()
    how: str = "count"
    """The operation: an aggregate, ``next`` or ``lacking``."""
    column: int | None = None
    """The column that is measured."""
    names: Sequence[str] = ()
    """The names of the rows or values found."""
    by: int | str | None = None
    """The column of the groups, or a unit of time."""
    over: str = ""
    """``highest``, ``lowest`` or ``mean`` of the groups; empty for all."""
    part: tuple[int, Sequence[Condition]] | None = None
    """The number of rows of the part whose share is asked for, and its conditions."""

    def said(self, language: str) -> str:
        """Return the sentence in a language; it begins with the value and its unit."""
        say, how, result = partial(_word, language), self.how, shown(self.result, language)
        ahead = any(open_["first"] for each in self.where if (open_ := _OPEN.fullmatch(each.shown)))
        if how == "oldest" and self.table.kind == "events" and ahead:
            how = "next"
        value, columns = f"{result.value} {result.unit}".strip(), self._columns(language)
        measure = "" if self.column is None else _IN_NAME.sub("", columns[self.column])
        money = _MONEY.issuperset(tokens(measure)) or result.unit in lexicon.CURRENCIES
        spent = measure and money and not words("columns.expenses").isdisjoint(tokens(self.table.title))
        paid = next((PAID[each.shown] for each in self.where if each.shown in PAID), "paid_out" * bool(spent))
        kind = "paid" if paid else self.table.kind
        count = in_marks(f"{self.count:,}", language)
        noun, of = say(kind, self.count), say("of").format(f"{count} {say(kind, self.count, 2)}")
        counted, where = f"{count} {noun}", self._conditions(self.where, say, language)
        names = listed(self.names, say("others"))
        told, named = say(paid) if paid else measure, f": {names}" * bool(names)
        if self.part is not None:
            share = told if paid or not measure else say("of").format(measure)
            where = self._conditions(self.part[1], say, language) + where
            return f"{_joined(value, share)}{where}, {in_marks(f'{self.part[0]:,}', language)} {of}"
        if how == "lacking":
            without = say("without").format(say(kind, 2))
            return f"{value} {say(str(self.by), self.count)} {without}{where}{named}"
        if self.by is not None:
            what = _joined(measure or say(kind, 2), say(how) if how in ("mean", "median") else "")
            if self.over == "mean":
                what = _joined(told or what, say("mean"))
            elif self.over:
                degree = self.over if measure else "most" if self.over == "highest" else "least"
                what = say(degree).format(what)
            elif how == "sum":
                what = told if paid else _joined(measure, say("sum"))
            by = say(self.by) if isinstance(self.by, str) else columns[self.by]
            used = counted if measure else f"{count} {say('sum')}"
            return f"{value}{':' * (self.over != 'mean')} {what} {say('per').format(by)}{where}, {used}"
        if how in ("count", "list", "exists"):
            answer = f"{say('yes' if self.count else 'no')}: " * (how == "exists")
            return f"{answer}{value} {noun}{where}{named}"
        if how in ("distinct", "duplicates"):
            return f"{value} {say(how).format(measure)}{where}{named}"
        if how in ("value", "between"):
            return f"{value}: {measure or noun}{where}{named}"
        if how in ("sum", "mean", "median"):
            what = told if paid and how == "sum" else _joined(told if paid or not money else "", say(how))
            return f"{value} {what}{where}, {counted}"
        dated = measure and self.table.kind == "rows"  # columns of mails and events have names of our own
        degree = say(_DATED.get(how, how) if dated else how).format(measure)
        degree = degree if measure else say("last_row" if how == "newest" else "first_row")
        order = "" if measure else f", {say('in_order')}"
        return f"{value}: {names}{', ' * bool(names)}{degree} {of}{where}{order}"

    def _columns(self, language: str) -> tuple[str, ...]:
        """Return the names of the columns; in a language if lior made the table."""
        names = [column.name for column in self.table.columns]
        return tuple(names) if self.table.kind == "rows" else columns_in(names, language)

    def _conditions(self, conditions: Sequence[Condition], say: Callable[..., str], language: str) -> str:
        """Return conditions as phrases, and those without words as they are, after commas."""
        phrases, others, before, columns = "", "", "", self._columns(language)
        for test, told in ((each.test, each.shown) for each in conditions):
            column = getattr(test.of if isinstance(test, Not) else test, "column", None)
            name, own = ("", "") if column is None else (self.table.columns[column].name, columns[column])
            match = re.fullmatch(rf"(not )?{re.escape(name)} (?:(?:is|has) )?(.+)", told)
            told = _UNDATED.sub(lambda found: f"({say('undated').format(found[1])})", told)
            side, open_ = re.fullmatch(r"(from|to) (?:(?:is|has) )?(.+)", told), _OPEN.fullmatch(told)
            if isinstance(test, Beside) and test.how in PLACES:
                key, words_ = PLACES[test.how]
                phrases += f" {say(key).format(told.removeprefix(f'{words_} '))}"
            elif open_:
                phrases += (
                    f" {say('until' if open_['last'] else 'since').format(open_['last'] or open_['first'])}"
                )
            elif isinstance(test, Within) or test is None:
                phrases += f" {told}"
            elif side:
                phrases += f" {say(side[1]).format(side[2])}"
            elif match and f"{match[1] or ''}{name}" == before:
                phrases += f", {match[2]}"
            elif match and match[1]:
                phrases += f" {say('without').format(f'{own} {match[2]}')}"
            elif match:
                payee = not lexicon.PAYEES.isdisjoint(tokens(name))
                cell = in_words_of(match[2], language) if isinstance(test, Filled | Not) else match[2]
                phrases += f" {say('at').format(cell) if payee else say('with').format(own, cell)}"
            elif told not in PAID:
                others += f", {told}"
            before = f"{match[1] or ''}{name}" if match else ""
        return phrases + others


def tell(
    table: Table, rows: Sequence[int] | np.ndarray, operation: str, value: str, about: str, **parts: Any
) -> Told:
    """Return a result with its rows, unless ``shows`` is false; ``parts`` are of it or of its sentence."""
    used = table.shown(rows if parts.pop("shows", True) else ())
    used |= {name: parts.pop(name) for name in ("arithmetic", "unit", "groups") if name in parts}
    result = Result(operation=operation, value=value, about=about, **used)
    defaults: dict[str, Any] = {"count": len(rows), "how": operation}
    return Told(result=result, table=table, **(defaults | parts))


def paid_last(conditions: Iterable[Condition]) -> list[Condition]:
    """Return conditions with the direction of payments last: "in 2026 paid in", and not "paid in in 2026"."""
    return sorted(conditions, key=lambda each: each.shown in PAID)


def in_order(table: Table, rows: np.ndarray) -> np.ndarray:
    """Return rows as they are shown: events of several calendars and series by date."""
    if table.kind != "events" or table.dated is None:
        return rows
    return rows[np.argsort(table.coded("date", table.dated).ranks[rows], kind="stable")]


def _word(language: str, key: str, count: int = 1, case: int = 1) -> str:
    """Return a word of a language for a number of things; English if its words are unknown.

    ``case`` is 2 for the form of several behind "of".
    """
    known = languages()
    forms = next((each for each in known if each.name == language), known[0]).lists[f"results.{key}"]
    return forms[min(case * (count != 1), len(forms) - 1)]


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def listed(names: Sequence[str], others: str = "and {} others") -> str:
    """Return names in one line."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + f" {others.format(more)}" * (more > 0)


def counts_of(table: Table, column: int, rows: np.ndarray) -> str:
    """Return how often each value of a column occurs, if there are several, but not many."""
    cells = Counter(map(table.cells(column).__getitem__, rows.tolist()))
    return ", ".join(f"{cell} {count:,}" for cell, count in cells.items()) * (1 < len(cells) <= LISTED)


def left_out(table: Table, count: int, which: str = "without a number") -> str:
    """Return the remark that rows were left out, if any were."""
    return f" ({count} {table.noun(count)} {which} left out)" if count else ""


def names_of_rows(table: Table, rows: Sequence[int], column: int | None = None) -> list[str]:
    """Return the names of rows: the subject of a mail, or the cell of ``column``.

    Without a column it is the one with the most different texts.
    """
    cells = [table.rows[n][1].cells for n in rows]
    if column is None and table.kind == "mail":
        return [f"{each[3]!r} ({each[0]})" for each in cells]
    if column is None and table.kind in ("chat", "log"):
        return [*dict.fromkeys(each[-1] for each in cells)]
    if column is None:
        texts = [n for n in table.places("text") if any(table.cells(n)[row].strip() for row in rows)]
        several = {n: (not table.columns[n].whole, len(table.columns[n].values)) for n in texts}
        column = max(texts, key=several.__getitem__, default=None)
    found = [] if column is None else [table.cells(column)[n].strip() for n in rows]
    return [*dict.fromkeys(filter(None, found))]


def unit_of(column: Column) -> str:
    """Return the currency or unit of a column, which may be at the end of its name."""
    found = _IN_NAME.search(column.name)
    return column.unit or (found[1].strip() if found and found[1].strip().lower() in _UNITS else "")
