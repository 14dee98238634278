"""Statements of accounts: tables whose amounts have signs, of what was paid out and of what came in."""

from __future__ import annotations

from collections.abc import Sequence

from lior_ask.index.table_store import Head
from lior_ask.languages.words import tokens
from lior_ask.tables import lexicon
from lior_ask.tables.grammar import Word
from lior_ask.tables.plan import Condition, TableSource


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


def amounts(head: Head, source: TableSource) -> int | None:
    """The column of the amounts, if a table is an account: dates, and one column with both signs."""
    if not (head.places("date") and source.of_rows(head)):
        return None
    found = [
        n
        for n in head.places("number")
        if not (head.columns[n].key or lexicon.NO_MEASURE.search(head.columns[n].name))
    ]
    signed = [n for n in found if _has_signs(head, n, source)]
    if len(signed) > 1:  # beside the balance
        money = lexicon.MEASURES["money"]
        signed = [n for n in signed if not {*tokens(head.columns[n].name)}.isdisjoint(money)]
    return signed[0] if len(signed) == 1 and head.columns[signed[0]].decimal else None


def _has_signs(head: Head, column: int, source: TableSource) -> bool:
    numbers = [head.columns[column].number(row.cells[column]) for row in source.known.store.rows(head)]
    known = [number for number in numbers if number]
    return any(number < 0 for number in known) and any(number > 0 for number in known)


def paid(column: int, sign: int) -> Condition:
    """The condition that a row is of a direction."""
    shown = "paid out" if sign < 0 else "paid in"
    return Condition(sql=f"n{column} {'<' if sign < 0 else '>'} 0", shown=shown, told=False)
