"""Questions linked to the tables of an index, with their gold queries: which queries are right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import lior_ask
from lior_ask.question.filters import Filters, Known
from lior_ask.question.question import Question
from lior_ask.tables.asked import Asked as Said
from lior_ask.tables.asked import asked as read_question
from lior_ask.tables.choosing import documents_of
from lior_ask.tables.implied import BESIDE
from lior_ask.tables.learned import plain_name
from lior_ask.tables.mentions import Links
from lior_ask.tables.proposing import UNITS, linked
from lior_ask.tables.query import ADDED, FIRST, LARGEST, Aggregate, Beside, Query, atom
from lior_ask.tables.sources import Table, cell_words, tables_of
from lior_ask.tables.words import stems
from lior_bench.queries import wikitables
from lior_bench.queries.worlds import NO_QUERY, TODAY, Asked, Sheet, World, of, unpack

Select = Callable[[Query], Iterable[int]]
"""Returns the rows of a query."""
ALONE, JOINED, ALTERED, OTHERS = "alone", "joined", "altered", "others"
MISSING = -1
"""The number of a column that the reader did not find."""
_SOME = ("highest", "lowest", "newest", "oldest", "share")
"""Operations that some of the rows with all conditions answer."""
_NUMBERS = ("sum", "mean", "median", "value", "highest", "lowest")
_ADDED = ("sum", "mean", "median")
_DATES = ("newest", "oldest")
_ALIKE = {("list", "value"), ("value", "list"), *permutations(("list", "count", "exists"), 2)}
"""Gold operations, and those that answer as well from the same rows."""
_ALIKE_MEASURED = {("list", "distinct"), *((each, "value") for each in _DATES)}
_ALIKE_MEASURED |= {("value", each.value) for each in FIRST}
"""Those that answer as well with the same measure."""
_TURNED = str.maketrans("<>", "><")
_IMPLIED = ("filled", "empty", "past", "future")


@attrs.frozen(eq=False, kw_only=True)
class Wanted:
    """A gold query in terms of the tables of an index."""

    how: str
    table: int
    rows: frozenset[int]
    """The rows that fulfil the conditions."""
    found: frozenset[int]
    """Those that answer: the first ones of an order, or the part of a share."""
    value: Any
    measure: int | None
    measured: frozenset[int | None]
    """The measure, or two columns whose difference is asked for."""
    show: int | None
    group: tuple[int | str | None, str] | None
    """A column or a unit of time, and which groups: ``highest``, ``lowest``, ``mean`` of them, or empty."""
    sign: int
    few: int


@attrs.frozen(eq=False)
class Example:
    """A question, linked to tables."""

    world: World
    asked: Asked
    said: Said
    tables: Sequence[Table]
    links: Sequence[Links] = attrs.field(repr=False)
    wanted: Wanted | None
    """None if the question asks for no query."""
    known: Known = attrs.field(repr=False)
    """The index."""
    kind: str = ALONE
    """``joined`` if the folder is one of several joined, ``altered`` if
    :func:`~lior_bench.queries.altering.altered` made it, ``others`` if its query is not known."""

    target: Sequence[str] = ()
    """The texts that answer, if the query is not known (:mod:`lior_bench.queries.wikitables`)."""

    @property
    def meant(self) -> bool:
        """Whether a query is meant."""
        return self.wanted is not None or bool(self.target)

    @property
    def own(self) -> Links | None:
        """The links to the table of the gold query, if they are among the most."""
        table = self.tables[self.wanted.table] if self.wanted else None
        return next((each for each in self.links if each.table is table), None)


def examples(found: Sequence[World], out: Path, *, every: int = 1) -> list[Example]:
    """Return one of ``every`` questions of folders whose tables the reader finds.

    The folders are unpacked to ``out``; several become one, in which each question is about the tables that
    :func:`~lior_ask.tables.choosing.documents_of` returns.
    """
    for number, world in enumerate(found):
        unpack(world.name, out)
        if len(found) > 1:
            (out / world.name).rename(out / str(number))
    alone = len(found) == 1
    known = lior_ask.Index(out / found[0].name if alone else out, cache=False).asker.known
    made = list[Example]()
    for number, world in enumerate(found):
        for asked in world.questions[::every]:
            said = read_question(asked["q"], TODAY)
            tables = tables_of(known, Filters(), documents_of(Question(asked["q"]), known, Filters()))
            single = [(n, t.heads[0].document) for n, t in enumerate(tables) if len(t.heads) == 1]
            places = {name.split("#")[0]: n for n, name in single if name}  # the list of files has no name
            place = places.get(asked.get("table", "") if alone else f"{number}/{asked.get('table', '')}")
            if place is not None or asked["op"] in NO_QUERY:
                wanted = None if place is None else _wanted(world, asked, tables[place], place)
                links = linked(said, tables)
                kind = ALONE if alone else JOINED
                made.append(Example(world, asked, said, tables, links, wanted, known, kind))
    return made


def examples_of_others(found: Sequence[wikitables.Asked], out: Path) -> list[Example]:
    """Return questions of :mod:`lior_bench.queries.wikitables`, each about its table alone."""
    world, made = World(OTHERS, "en", {}, ()), list[Example]()
    for each in found:
        known = lior_ask.Index(wikitables.unpack(each, out), cache=False).asker.known
        said, tables = read_question(each.text, TODAY), tables_of(known, Filters())
        asked, links = {"q": each.text, "op": OTHERS}, linked(said, tables)
        made.append(Example(world, asked, said, tables, links, None, known, OTHERS, target=each.target))
    return made


def _wanted(world: World, asked: Asked, table: Table, place: int) -> Wanted:
    sheet, gold = world.sheets[asked["table"]], world.answer(asked)
    names = {plain_name(column.name): n for n, column in reversed([*enumerate(table.columns)])}

    def column(name: str | None) -> int | None:
        return None if name is None else names.get(plain_name(name), MISSING)

    by, rows, how = asked.get("group"), sheet.where(asked.get("where", ())), asked["op"]
    over = asked.get("over", "all")
    measures = () if how in ("count", "exists") else asked.get("cols", (asked.get("col"),))
    read, measure = _aligned(sheet, table), column(asked.get("col"))

    def places(some: Iterable[int]) -> frozenset[int]:
        own = [read[n] for n in some if n in read]
        if measure in (None, MISSING) or how not in _ADDED:
            return frozenset(own)
        return frozenset(table.numbered(measure, np.array(own, np.int64)).tolist())

    return Wanted(
        how=how,
        table=place,
        rows=places(rows),
        found=places(gold.rows if how in _SOME else rows),
        value=gold.value,
        measure=measure,
        measured=frozenset(map(column, measures)) - {None},
        show=column(asked.get("show")),
        group=(by if by in UNITS else column(by), "" if over == "all" else over) if by else None,
        sign=asked.get("sign", 1),
        few=asked.get("n", 1),
    )


def _aligned(sheet: Sheet, table: Table) -> dict[int, int]:
    """Return the row of a table for each row of its gold sheet; the table lacks totals and balances."""
    count = range(len(sheet.rows))
    if len(sheet.rows) == len(table.rows):
        return {n: n for n in count}
    names = {plain_name(column.name): n for n, column in enumerate(table.columns)}
    texts = [
        n
        for n, c in enumerate(sheet.columns)
        if c.get("type", "text") == "text" and plain_name(c["name"]) in names
    ]
    cells = [table.cells(names[plain_name(sheet.columns[n]["name"])]) for n in texts]
    found, at = dict[int, int](), 0
    for n in count:
        own = [str(sheet.rows[n][k] or "").strip() for k in texts]
        fit = (m for m in range(at, len(table.rows)) if [each[m].strip() for each in cells] == own)
        if (place := next(fit, None)) is not None:
            found[n], at = place, place + 1
    return found


# --- which queries are right ---


def right(example: Example, query: Query, select: Select) -> bool:
    """Return whether a query is the gold query, but for conditions that select the same rows."""
    wanted, how = example.wanted, query.aggregate
    if wanted is None or (query.table, how.value) != (wanted.table, wanted.how):
        return False
    if how is Aggregate.SHARE and {*select(query)} != wanted.rows:
        return False
    table = example.tables[query.table]
    shown = wanted.show is None or query.show == wanted.show or how not in FIRST
    same = shown and _measured(query) == wanted.measured and (query.few or 1) == wanted.few
    return same and _alike(wanted, query, table) and _found(query, table, select) == wanted.found


def accepted(example: Example, query: Query, select: Select) -> bool:
    """Return whether a query is right or answers the question as well in another way."""
    wanted, how, table = example.wanted, query.aggregate, example.tables[query.table]
    if wanted is None or query.table != wanted.table or _found(query, table, select) != wanted.found:
        return False
    if not wanted.found and not _compares_alike(example, query):
        return False  # no row is larger: other queries have no row, either
    if wanted.how != how.value:
        return _instead(wanted, query)
    if how in (Aggregate.BETWEEN, Aggregate.SHARE):
        return right(example, query, select)
    measured = _measured(query) == wanted.measured
    if how in FIRST:
        return measured or len(wanted.rows) > 1 or wanted.how in _DATES
    return (measured or how is Aggregate.LIST) and _alike(wanted, query, table)


def _compares_alike(example: Example, query: Query) -> bool:
    """Return whether a query compares the columns with another row as the gold query does."""
    besides = [each for each in map(atom, query.where) if isinstance(each, Beside)]
    own = {(c.how if c.how in BESIDE else f"beside {c.how}", c.column) for c in besides}
    return example.own is not None and own == beside_of(example, example.own)


def _instead(wanted: Wanted, query: Query) -> bool:
    """Return whether a query answers as well as another operation over the same rows."""
    pair, measured = (wanted.how, query.aggregate.value), _measured(query) == wanted.measured
    of_one = len(wanted.rows) == 1 and {*pair} <= {*_NUMBERS}  # of one row, the sum is the highest number
    turned = {*pair} == {"highest", "lowest"} and query.sign != wanted.sign  # the largest outgoing amount
    if measured and (of_one or turned or pair in _ALIKE_MEASURED):
        return query.group is None
    return pair in _ALIKE or (pair == ("distinct", "count") and bool(wanted.value == len(wanted.rows)))


def _measured(query: Query) -> frozenset[int | None]:
    return frozenset({query.measure, query.other} - {None})


def _alike(wanted: Wanted, query: Query, table: Table) -> bool:
    """Return whether a query has the groups, and the direction of amounts, that are wanted."""
    group = query.group and (query.group.by, query.group.over)
    directed = query.aggregate in ADDED and query.measure is not None and table.signed(query.measure)
    return group == wanted.group and (not directed or query.sign == wanted.sign)


def _found(query: Query, table: Table, select: Select) -> frozenset[int]:
    """Return the rows that answer: those with all conditions, the first of them, a part, or two ends."""
    rows = frozenset(select(attrs.evolve(query, where=(*query.where, *query.part))))
    if query.measure is None:
        first = sorted(rows, reverse=query.aggregate in LARGEST)[: max(query.few, 1)]
        return frozenset(first) if query.aggregate in FIRST else rows
    if query.aggregate in ADDED:
        return frozenset(table.numbered(query.measure, np.array(sorted(rows), np.int64)).tolist())
    if query.aggregate in FIRST:
        return _first(query, table, rows)
    number = table.columns[query.measure].kind == "number"
    ends = query.aggregate is Aggregate.BETWEEN and number and len(rows) > 2 and query.two is None
    if ends and table.dated is not None:
        dates = table.dates(table.dated)
        ordered = sorted(rows, key=lambda n: dates[n])
        return frozenset({ordered[0], ordered[-1]})
    return rows


def _first(query: Query, table: Table, rows: Collection[int]) -> frozenset[int]:
    """Return the first of ``rows`` in the order of a query, with those that are equal to the last of them."""
    assert query.measure is not None
    keys: Sequence[Any]
    if query.aggregate.value in _DATES:
        keys = table.dates(query.measure)
    else:
        keys = [None if n is None else n * query.sign for n in table.numbers(query.measure)]
    known = sorted((keys[n] for n in rows if keys[n] not in (None, "")), reverse=query.aggregate in LARGEST)
    return frozenset(n for n in rows if keys[n] in known[: max(query.few, 1)])


# --- what the question's words tell ---


def label_of(example: Example) -> str:
    """Return the class of a question: the operation, or ``next`` and ``last`` from today on."""
    how = str(example.asked["op"])
    sides = {side_of(each) for each in example.asked.get("where", ())} - {""}
    if how in _DATES and sides:
        return "next" if "future" in sides else "last"
    return how


def side_of(condition: Sequence[Any]) -> str:
    """Return ``past`` or ``future`` if a condition says that a date is before or after today."""
    _, how, *values = condition
    first, dots, last = str(values[0] if values else "").partition("..")
    if how in ("<", "<=") or (how == "in" and dots and not first):
        return "past" if _near_today(last or first) else ""
    if how in (">", ">=") or (how == "in" and dots and not last):
        return "future" if _near_today(first) else ""
    return ""


def _near_today(day: str) -> bool:
    try:
        return abs((date.fromisoformat(day[:10]) - TODAY).days) <= 1
    except ValueError:
        return False


def mode_of(example: Example) -> str:
    """Return what is made of groups: ``no``, ``all``, ``highest``, ``lowest`` or ``mean``."""
    group = example.wanted and example.wanted.group
    return (group[1] or "all") if group else "no"


def sign_of(example: Example) -> str | None:
    """Return whether ``in``, ``out`` or ``none`` of the amounts is meant; None if they have no direction."""
    wanted = example.wanted
    if wanted is None or wanted.measure in (None, MISSING):
        return None
    table = example.tables[wanted.table]
    if table.columns[wanted.measure].kind != "number" or not table.signed(wanted.measure):
        return None
    column = example.asked["col"]
    signs = [each[1] for each in example.asked.get("where", ()) if each[::2] == [column, 0]]
    return next(("out" if sign[0] == "<" else "in" for sign in signs if sign[0] in "<>"), "none")


def limits_of(example: Example) -> list[bool] | None:
    """Return which tokens of a question are words of the values that limit the rows.

    None if a value has no word of the question: others may stand for it.
    """
    said, gold = example.said, example.asked
    tokens = [frozenset[str]() if n in said.function else t.stems for n, t in enumerate(said.tokens)]
    found = [False] * len(tokens)
    where = [own for each in gold.get("where", ()) for own in of(each) or (each,)]
    for name, how, *values in where:
        if how not in ("is", "is not", "has") or example.world.sheets[gold["table"]].kind(name) != "text":
            continue
        some = map(str, values[0] if isinstance(values[0], list) else values)
        for text in (each for each in some if not each.startswith("@")):
            own = frozenset[str]().union(*map(stems, cell_words(text)))
            same = [bool(each & own) for each in tokens]
            if not any(same):
                return None
            found = [a or b for a, b in zip(found, same, strict=True)]
    return found


def columns_of(wanted: Wanted) -> Iterator[tuple[str, int]]:
    """Yield the columns of a gold query with their roles."""
    measure = "show" if wanted.how in ("list", "distinct", "duplicates") else "measure"
    group = wanted.group[0] if wanted.group else None
    for role, column in ((measure, wanted.measure), ("show", wanted.show), ("group", group)):
        if isinstance(column, int) and column != MISSING:
            yield role, column


def conditioned(example: Example, links: Links) -> dict[str, set[int]]:
    """Return the columns that are compared with a number of the question, and those in a period."""
    places = {plain_name(c.name): n for n, c in reversed([*enumerate(links.table.columns)])}
    found = dict[str, set[int]]()
    for name, how, *values in example.asked.get("where", ()):
        column = places.get(plain_name(name))
        value = str(values[0]) if values else ""
        special = of((name, how, *values)) or side_of((name, how, *values)) or value.startswith("@")
        if column is None or special or value == "0":
            continue
        kind = links.table.columns[column].kind
        if how in ("<", "<=", ">", ">=", "in") and kind in ("number", "date"):
            found.setdefault("compared" if kind == "number" else "period", set()).add(column)
    return found


def beside_of(example: Example, links: Links) -> set[tuple[str, int]]:
    """Return the roles and columns of comparisons with another row; the order of rows is that of its name."""
    places = {plain_name(c.name): n for n, c in reversed([*enumerate(links.table.columns)])}
    found = set[tuple[str, int]]()
    for name, how, *values in example.asked.get("where", ()):
        for named, *_ in of((name, how, *values)):
            column = places.get(plain_name(named if name == "#" else name), MISSING)
            in_rows = {"next": "below", "previous": "above"}.get(how, how)
            in_order = how if how in ("next", "previous") else f"beside {how.replace('is', '=')}"
            found.add((in_rows if name == "#" else in_order, column))
    return found


def implied_of(example: Example, links: Links) -> set[tuple[tuple[int, ...], str]]:
    """Return the columns and roles of the conditions that a question may only imply."""
    table, found = links.table, set[tuple[tuple[int, ...], str]]()
    places = {plain_name(c.name): n for n, c in reversed([*enumerate(table.columns)])}
    for name, how, *values in example.asked.get("where", ()):
        if of((name, how, *values)) or (column := places.get(plain_name(name))) is None:
            continue
        value, own = values[0] if values else None, (column,)
        found |= {(own, role) for role in (how, side_of((name, how, *values))) if role in _IMPLIED}
        if value == 0 and how in ("is", ">"):
            found.add((own, "zero" if how == "is" else "some"))
        if str(value).startswith("@"):
            pair = (column, places.get(plain_name(str(value)[1:]), MISSING))
            how = {"is": "=", "is not": "!="}.get(how, how)
            found.add((pair, how) if pair[0] < pair[1] else (pair[::-1], how.translate(_TURNED)))
        if column in table.answers and how in ("is", "is not"):
            value = value[0] if isinstance(value, list) else value
            yes = str(value).lower() in {each.lower() for each in table.answers[column][0]}
            found.add((own, "yes" if yes == (how == "is") else "no"))
    return found
