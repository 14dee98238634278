"""Linking of the words of a question to a table: columns, values of cells, groups and negations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from decimal import Decimal

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head
from lior_ask.languages.dates import MONTHS
from lior_ask.languages.words import tokens
from lior_ask.question.filters import Known
from lior_ask.question.question import Question
from lior_ask.tables import lexicon
from lior_ask.tables.columns import is_empty
from lior_ask.tables.grammar import Request, Word
from lior_ask.tables.plan import Condition, TableSource, Unclear, title
from lior_ask.tables.query import Compares, Expr, Filled, Is, Meets, Not
from lior_ask.tables.sources import Table
from lior_ask.tables.words import CellWords, alike, parts

_DIRECTED = lexicon.INCOMING | lexicon.OUTGOING
_PREFIXES = ("un", "in", "im")
"""Prefixes of negated words: "unpaid", "unbezahlt", "impayé"."""


@attrs.define
class Linked:
    """The columns and values that the words of a question name in a table."""

    said: dict[Word, list[int]] = attrs.field(factory=dict)
    """The columns that each word names."""
    where: list[Condition] = attrs.field(factory=list)
    used: list[int] = attrs.field(factory=list)
    """The columns that conditions refer to."""
    answers: bool = False
    """Whether a condition states that something is so, or is not."""
    group: int | None = None
    """The column of groups."""
    unknown: list[Word] = attrs.field(factory=list)
    """The words that name nothing."""

    @property
    def mentioned(self) -> list[int]:
        """The columns that words name."""
        return [n for found in self.said.values() for n in found]


def link(request: Request, words: Sequence[Word], head: Head, source: TableSource, sign: int = 0) -> Linked:
    """Return the columns and values that words of a question name in a table.

    ``sign`` is -1 if amounts that were paid out are asked for, 1 for incoming ones, 0 if unknown.

    Raises ``Unclear`` if a value is in several columns, or a negation is unclear.
    """
    linked, left, negated = Linked(), list[Word](), set[Word]()
    for word in words:
        found = columns_of(word.text, head.columns)
        if not found and (inner := _without_prefix(word.text)):
            found = columns_of(inner, head.columns)
            negated |= {word} if found else set()
        if found and word.role != "except":
            linked.said[word] = found
        else:
            left.append(word)
    table = source.whole(head)
    cells = {n: table.words(n) for n in head.places("text")}
    for at, word in enumerate(left):  # "unpaid", for a column with "paid" and "open"
        done = attrs.evolve(word, text=word.text.removeprefix(_PREFIXES[0]))
        if done != word and not any(known.having(word.text) for known in cells.values()):
            left[at] = done if any(_exact(known, [done]) for known in cells.values()) else word
            negated |= {done} & {left[at]}
    linked.group = _group(request, linked, head)
    each = [word for word in left if word.role == "per" and word.text in lexicon.PERSONS]
    if each:  # "each person", for a column "paid by"
        linked.group = column_of_people(head) if linked.group is None else linked.group
        left = [word for word in left if word not in each or linked.group is None]
    aside = [word for word in request.words if word not in words and word.text in _DIRECTED]
    _link_values(linked, left, aside, table, cells, sign)
    if linked.unknown:
        return linked
    if request.negations and negated:
        raise Unclear("what is not so is not clear: it is said twice", ["not"])
    for place in request.negations:
        next_named = {*[word for word in linked.said if word.number > place][:1]}
        if next_named & negated:  # "not the ones never vaccinated"
            raise Unclear("what is not so is not clear: it is said twice", ["not"])
        negated |= next_named
    _link_answers(linked, head, negated)
    _link_given(request, linked, head, source, negated)
    for place in request.negations[:1] or [word.number - 1 for word in negated]:
        _negate(linked, place, head)
    said = linked.said.items()
    linked.said = {w: found for w, found in said if w not in negated or {*found}.isdisjoint(linked.used)}
    return linked


def column_of_people(head: Head, names: Set[str] = lexicon.PERSONS) -> int | None:
    """Return the only column with a name for people, "name", "paid by", or ``None``."""
    texts = head.places("text")
    people = [n for n in texts if not {*tokens(head.columns[n].name)}.isdisjoint(names)]
    return people[0] if len(people) == 1 else None


def named_months(question: Question, known: Known) -> frozenset[str]:
    """Return the months of a question that are names of people.

    Such a name is in the sender, in the receiver or in a column of people. It may also be the only month that
    is alone in a cell of a text column."""
    asked, found = {*question.tokens} & MONTHS.keys(), set[str]()
    if not asked:
        return frozenset()
    source = TableSource(known, question.filters)
    heads = [each for each in source.heads if each.kind in ("rows", "contacts", "mail", "chat")]
    for head, n in ((each, n) for each in heads for n in each.places("text")):
        name, messages = head.columns[n].name, head.kind in ("mail", "chat")
        people = name in ("from", "to") if messages else not lexicon.PERSONS.isdisjoint(tokens(name))
        if people or not messages:
            months, alone = source.whole(head).words(n).months
            found |= months if people else alone if len(alone) == 1 else set()
    return frozenset(found & asked)


def _without_prefix(word: str) -> str:
    return next((word[len(each) :] for each in _PREFIXES if word.startswith(each)), "")


def _group(request: Request, linked: Linked, head: Head) -> int | None:
    """Return the column of groups: "per customer", or "by customer" for sums, counts and means."""
    extreme = request.operation in ("highest", "lowest")  # "which month had the highest cost", a row each
    by = [word for word in linked.said if word.role == "per" or (word.role == "unit" and not extreme)]
    if not by and request.operation in ("sum", "count", "mean", "groups"):
        numbers = {*head.places("number")}  # "Summe von Betrag" has no groups
        by = [w for w, found in linked.said.items() if w.role == "from" and not numbers.issuperset(found)]
    if not by:
        return None
    columns = set.intersection(*({*linked.said[word]} for word in by))
    if len(columns) != 1:
        return None
    for word in by:
        del linked.said[word]
    return columns.pop()


def _link_values(
    linked: Linked,
    words: Sequence[Word],
    aside: list[Word],
    table: Table,
    cells: Mapping[int, CellWords],
    sign: int,
) -> None:
    """Add the conditions of words that are values of columns; verbs may be ignored.

    ``aside`` are words of a direction, which may belong to a value: "card takings".
    """
    head = table.heads[0]
    places = {word: [n for n, known in cells.items() if known.having(word.text)] for word in words}
    words = [word for word in words if places[word] or word.text not in lexicon.VERBS]
    linked.unknown = [word for word in words if not places[word]]
    by_column = dict[tuple[int, bool], list[Word]]()
    for word in words if not linked.unknown else ():
        fit = places[word]
        if len(fit) > 1:
            near = [n for n in fit if n in linked.mentioned]
            others = [w for w in words if (w.role == "except") == (word.role == "except")]
            has = {n: [w for w in others if n in places[w]] for n in fit}
            exact = [n for n in fit if _exact(cells[n], has[n]) or _exact(cells[n], has[n] + aside)]
            exact = [n for n in exact if len(has[n]) == max(len(has[m]) for m in exact)] or [
                n for n in fit if _exact(cells[n], [word])
            ]
            exact = _of_direction(exact or fit, head, sign)
            fit = near if len(near) == 1 else exact if len(exact) == 1 else fit
        if (
            len(fit) > 1
            and len({table.where([Is(n, (*cells[n].having(word.text),))]).tobytes() for n in fit}) == 1
        ):
            fit = fit[:1]  # all of them select the same rows
        if len(fit) > 1:
            shown = " and ".join(head.columns[n].name for n in fit)
            said = f"{word.text!r} is in several columns of {title(head)}: {shown}; say which"
            raise Unclear(said, choice=True)
        by_column.setdefault((fit[0], word.role == "except"), []).append(word)
    for (column, left_out), own in by_column.items():
        found = _valued(head, column, own, cells[column])
        linked.where.append(_not(found) if left_out else found)
        linked.used.append(column)


def _of_direction(fit: list[int], head: Head, sign: int) -> list[int]:
    """Return the column of payees if amounts paid out are asked for, and the other one for incoming ones."""
    payees = [n for n in fit if not lexicon.PAYEES.isdisjoint(tokens(head.columns[n].name))]
    own = payees if sign < 0 else [n for n in fit if n not in payees]
    return own if sign and len(fit) == 2 and len(payees) == 1 else fit


def _not(condition: Condition) -> Condition:
    assert condition.test
    assert not isinstance(condition.test, Meets)
    return attrs.evolve(condition, test=Not(condition.test), shown=f"not {condition.shown}")


def _link_answers(linked: Linked, head: Head, negated: set[Word]) -> None:
    """Add the conditions of columns with yes and no: "who has paid", for a column "fee paid"."""
    for word, columns in linked.said.items():
        fit = [n for n in columns if has_answers(head.columns[n])]
        if len(fit) != 1 or not {*columns}.isdisjoint(linked.used):
            continue
        so = negated.isdisjoint(each for each, named in linked.said.items() if fit[0] in named)
        wanted = lexicon.YES if so else lexicon.NO
        column = head.columns[fit[0]]
        cells = tuple(cell for cell in column.values if cell.strip().lower() in wanted)
        shown = f"{column.name} is {cells[0] if cells else 'yes'}"
        linked.where.append(Condition(test=Is(fit[0], cells), shown=shown, place=word.number))
        linked.used.append(fit[0])
        linked.answers = True


def _link_given(
    request: Request, linked: Linked, head: Head, source: TableSource, negated: set[Word]
) -> None:
    """Add the condition that a cell is not empty.

    It applies to dates that some rows lack: "how many were adopted", with a column of the days. It also
    applies to texts: "which are paid", with a column of the means of payment."""
    for word, columns in linked.said.items():
        if len(columns) != 1 or word in negated or (n := columns[0]) in linked.used:
            continue
        told = request.operation in ("sum", "mean") or 0 < request.auxiliary < word.number
        if not (head.columns[n].kind == "date" or (head.columns[n].kind == "text" and told)):
            continue
        empty = [*map(is_empty, source.whole(head).coded("text", n).places)]
        if all(empty):
            raise Unclear(f"{head.columns[n].name} of {title(head)} has no values")
        if any(empty):
            shown = f"{head.columns[n].name} is given"
            linked.where.append(Condition(test=Filled(n), shown=shown, place=word.number))
            linked.used.append(n)
            linked.answers = True


def has_answers(column: Column) -> bool:
    """Return whether the cells of a column are yes and no."""
    cells = {cell.strip().lower() for cell in column.values}
    return column.kind == "text" and column.whole and len(cells & (lexicon.YES | lexicon.NO)) > 1


def _negate(linked: Linked, place: int, head: Head) -> None:
    """Apply a word such as "not" to the value or the column that is named after it."""
    if any(
        each.place > place and head.columns[n].kind == "text" and has_answers(head.columns[n])
        for each, n in zip(linked.where, linked.used, strict=True)
    ):
        return
    later = [n for n, each in enumerate(linked.where) if each.place > place]
    columns = [(word.number, found) for word, found in linked.said.items() if word.number > place]
    first = min(columns, default=(0, []))
    if later and (not columns or linked.where[later[0]].place < first[0]):
        linked.where[later[0]] = _not(linked.where[later[0]])
    elif len(first[1]) == 1:
        column = head.columns[first[1][0]]
        none = tuple(cell for cell in column.values if cell.strip().lower() in lexicon.NO)
        shown = f"{column.name} is {none[0] if none else 'empty'}"
        test: Expr = Is(first[1][0], none) if none else Not(Filled(first[1][0]))
        if column.kind == "number":
            test, shown = Not(Compares(first[1][0], "!=", Decimal(0))), f"{shown} or 0"
        linked.where.append(Condition(test=test, shown=shown, place=first[0]))
        linked.used.append(first[1][0])
        linked.answers = True
    else:
        raise Unclear("what is not so is not clear; name a column or a value", ["not"])


def columns_of(word: str, columns: Sequence[Column]) -> list[int]:
    """Return the columns that a word names: those with that name, or else with the word in their name.

    "Hours" names the only column of durations if no name has the word.
    """
    whole = [
        n for n, column in enumerate(columns) if alike_all(word, tokens(column.name) or [column.name.lower()])
    ]
    some = [n for n, column in enumerate(columns) if alike(word, tokens(column.name))]
    begun = whole or some or [n for n, column in enumerate(columns) if _begins(word, tokens(column.name))]
    return begun or _durations(word, columns)


def _durations(word: str, columns: Sequence[Column]) -> list[int]:
    """Return the only column of durations, for "hours"."""
    found = [n for n, column in enumerate(columns) if column.duration]
    return found if len(found) == 1 and lexicon.HOURS.fullmatch(word) else []


def _begins(word: str, names: Sequence[str]) -> bool:
    """Return whether one of ``names`` is a compound that begins with a word: "Schneehöhe"."""
    return len(word) > 5 and any(name.startswith(word) and len(name) > len(word) + 2 for name in names)


def alike_all(word: str, others: Sequence[str]) -> bool:
    """Return whether a word is the only one of ``others``."""
    return len(others) == 1 and alike(word, others)


def _valued(head: Head, column: int, words: Sequence[Word], known: CellWords) -> Condition:
    """Return the condition that a column has these words: cells equal to them, or else containing them."""
    name = head.columns[column].name
    fit = _exact(known, words) or sorted(set.intersection(*(known.having(word.text) for word in words)))
    several = not fit
    if several:  # "food and fuel"
        each = [_exact(known, [word]) for word in words]
        fit = [cell for cells in each for cell in cells] if all(each) else []
    if not fit:
        raise Unclear(
            f"no row of {title(head)} has {' and '.join(repr(w.text) for w in words)} in {name}; "
            "ask for one after the other",
            [w.text for w in words],
        )
    shown = f"{name} is {fit[0]}" if len(fit) == 1 else f"{name} has {' '.join(word.text for word in words)}"
    place = min(word.number for word in words)
    apart = column if several else None
    return Condition(test=Is(column, (*fit,)), shown=shown, place=place, apart=apart)


def _exact(known: CellWords, words: Sequence[Word]) -> list[str]:
    """Return the cells that have these words and no others."""
    near = known.alike(word.text for word in words)
    return sorted(cell for cell in near if _is_value(cell, words))


def _is_value(cell: str, words: Sequence[Word]) -> bool:
    """Return whether a cell has these words and no others."""
    wanted = [part for word in words for part in parts(word.text)]
    own = [token for token in tokens(cell) if token not in lexicon.FUNCTION] or tokens(cell)
    return bool(own) and all(alike(token, wanted) for token in own) and all(alike(p, own) for p in wanted)
