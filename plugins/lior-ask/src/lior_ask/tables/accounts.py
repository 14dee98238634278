"""Account statements: tables with outgoing and incoming amounts, by sign or in two columns."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from lior_ask.index.table_store import Head
from lior_ask.languages.words import tokens
from lior_ask.tables import lexicon
from lior_ask.tables.grammar import Word
from lior_ask.tables.plan import Condition, TableSource
from lior_ask.tables.query import Compares, Test
from lior_ask.tables.sources import Table

_NO_MONEY = frozenset[str]().union(*(names for thing, names in lexicon.MEASURES.items() if thing != "money"))
"""Words in names of columns of measurements, such as a temperature, which may be negative, too."""


def direction(told: Sequence[Word]) -> int:
    """Return -1 for outgoing and 1 for incoming amounts, or 0 if the words name neither or both."""
    words = {word.text for word in told}
    return (not words.isdisjoint(lexicon.INCOMING)) - (not words.isdisjoint(lexicon.OUTGOING))


def subject_direction(told: Sequence[Word], *, we: bool, us: bool) -> int:
    """Return the direction that words of paying have by their subject, or 0 if it does not matter.

    What others pay "us" comes in, and so does what is refunded, unless "we" refund it.
    """
    words = {word.text for word in told}
    if not words.isdisjoint(lexicon.REFUNDED):
        return -1 if we else 1
    return int(us and not we and not words.isdisjoint(lexicon.OUTGOING))


def tells_direction(name: str) -> bool:
    """Return whether the name of a column has a word of a direction: "paid by"."""
    return not {*tokens(name)}.isdisjoint(lexicon.INCOMING | lexicon.OUTGOING)


def without_direction(words: Sequence[Word]) -> list[Word]:
    """Return the words without those of a direction."""
    directed = lexicon.INCOMING | lexicon.OUTGOING | lexicon.REFUNDED
    return [word for word in words if word.text not in directed]


@attrs.frozen(kw_only=True)
class Account:
    """The amount columns of an account: one with both signs, or one for each direction."""

    out: int
    into: int

    def column(self, sign: int) -> int:
        """Return the column of outgoing amounts, for -1, or of incoming amounts."""
        return self.out if sign < 0 else self.into

    def factor(self, sign: int) -> int:
        """Return the factor that makes the numbers of :meth:`column` positive."""
        return sign if self.out == self.into else 1

    def paid(self, sign: int) -> Condition:
        """Return the condition that a row has a direction."""
        return Condition(test=self._paid(sign), shown="paid out" if sign < 0 else "paid in", told=False)

    def _paid(self, sign: int) -> Test:
        return Compares(self.column(sign), ">" if self.factor(sign) > 0 else "<", Decimal(0))

    def signs(self, table: Table, where: Sequence[Test]) -> set[int]:
        """Return the directions of the rows with some conditions."""
        return {sign for sign in (-1, 1) if len(table.where([*where, self._paid(sign)]))}


def account_of(head: Head, source: TableSource) -> Account | None:
    """Return the account of a table, or ``None``: it needs dates and amounts of both directions."""
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
    signed = [n for n in found if names[n].isdisjoint(_NO_MONEY) and source.whole(head).signed(n)]
    if len(found) > 1:  # besides a balance, or readings such as temperatures, which have signs, too
        signed = [n for n in signed if not names[n].isdisjoint(lexicon.MEASURES["money"])]
    return Account(out=signed[0], into=signed[0]) if len(signed) == 1 else None
