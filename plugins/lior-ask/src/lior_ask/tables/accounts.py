"""Statements of accounts: tables of what was paid out and of what came in, by a sign or in two columns."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head, Row
from lior_ask.languages.words import tokens
from lior_ask.tables import lexicon
from lior_ask.tables.grammar import Word
from lior_ask.tables.plan import Condition, TableSource

_NO_MONEY = frozenset[str]().union(*(names for thing, names in lexicon.MEASURES.items() if thing != "money"))
"""Words of the names of columns of what is measured, such as a temperature, which falls below 0, too."""


def direction(told: Sequence[Word]) -> int:
    """-1 for what is paid out, 1 for what comes in, 0 where no word says so, or both are named."""
    words = {word.text for word in told}
    return (not words.isdisjoint(lexicon.INCOMING)) - (not words.isdisjoint(lexicon.OUTGOING))


def tells_direction(name: str) -> bool:
    """Whether the name of a column has such a word: "paid by"."""
    return not {*tokens(name)}.isdisjoint(lexicon.INCOMING | lexicon.OUTGOING)


def without_direction(words: Sequence[Word]) -> list[Word]:
    """The words without those that tell the direction."""
    return [word for word in words if word.text not in (lexicon.INCOMING | lexicon.OUTGOING)]


@attrs.frozen(kw_only=True)
class Account:
    """The columns of the amounts of an account: one with both signs, or one of what went out and one of what
    came in."""

    out: int
    into: int

    def column(self, sign: int) -> int:
        """The column of what was paid out, for -1, or of what came in."""
        return self.out if sign < 0 else self.into

    def factor(self, sign: int) -> int:
        """What the numbers of :meth:`column` are multiplied by, to be positive."""
        return sign if self.out == self.into else 1

    def paid(self, sign: int) -> Condition:
        """The condition that a row is of a direction."""
        test = f"n{self.column(sign)} * {self.factor(sign)} > 0"
        return Condition(sql=test, shown="paid out" if sign < 0 else "paid in", told=False)

    def signs(self, rows: Sequence[Row], columns: Sequence[Column]) -> set[int]:
        """The directions of rows."""
        found = set[int]()
        for sign in (-1, 1):
            place, factor = self.column(sign), self.factor(sign)
            numbers = (columns[place].number(row.cells[place]) for row in rows)
            found |= {sign} if any(number and number * factor > 0 for number in numbers) else set()
        return found


def account_of(head: Head, source: TableSource) -> Account | None:
    """The amounts of a table, if it is an account: it has dates, and amounts of both directions."""
    if not (head.places("date") and source.of_rows(head)):
        return None
    found = [
        n
        for n in head.places("number")
        if head.columns[n].decimal
        and not (head.columns[n].key or lexicon.NO_MEASURE.search(head.columns[n].name))
    ]
    names = {n: {*tokens(head.columns[n].name)} for n in found}
    out = [n for n in found if names[n] & lexicon.DEBIT and not names[n] & lexicon.CREDIT]
    into = [n for n in found if names[n] & lexicon.CREDIT and not names[n] & lexicon.DEBIT]
    if len(out) == len(into) == 1:
        return Account(out=out[0], into=into[0])
    signed = [n for n in found if names[n].isdisjoint(_NO_MONEY) and _has_signs(head, n, source)]
    if len(found) > 1:  # beside the balance; or other readings, of which temperatures have signs, too
        signed = [n for n in signed if not names[n].isdisjoint(lexicon.MEASURES["money"])]
    return Account(out=signed[0], into=signed[0]) if len(signed) == 1 else None


def _has_signs(head: Head, column: int, source: TableSource) -> bool:
    numbers = [head.columns[column].number(row.cells[column]) for row in source.every(head)]
    known = [number for number in numbers if number]
    return any(number < 0 for number in known) and any(number > 0 for number in known)
