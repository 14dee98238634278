"""Plans over the rows of tables: which table, column and values the words of a question name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from lior_ask.index.table_schema import Column
from lior_ask.index.table_store import Head
from lior_ask.languages.words import tokens
from lior_ask.tables import accounts, lexicon
from lior_ask.tables.grammar import Request, Word
from lior_ask.tables.plan import (
    Condition,
    Plan,
    TableSource,
    Unclear,
    file_names,
    in_period,
    list_columns,
    listed,
    names_it,
    names_of,
    no_dates,
    nothing,
    plan_of,
    title,
)
from lior_ask.tables.words import alike, has_word, one_and_many, parts

_READ = 50_000
"""Rows of a table with long texts that are searched for a word."""


def plan_of_rows(request: Request, source: TableSource) -> Plan | None:
    """The plan for the table that explains all words; unclear where several do, or a named one does not."""
    plans, unclear = list[Plan](), list[tuple[int, Unclear]]()
    for head in source.kind("rows", request.files):
        names = [word for word in request.words if names_it(word.text, head)]
        if not (source.of_rows(head) or request.files or _is_called(request, head)):
            continue
        try:
            plan = _of_table(request, head, source, names)
            plans += [plan] if plan else []
        except Unclear as error:
            counts = not error.words or _counts_rows(request, head)
            spent = request.measure == "money" and request.operation == "sum" and _of_expenses(head)
            if spent or (names and counts) or (request.files and not request.weak) or not error.words:
                unclear.append((len(names), error))
    if not plans:
        best = max((count for count, _ in unclear), default=0)
        first = [error for count, error in unclear if count == best]
        if first and (best or request.files or len(first) == 1):
            raise first[0]
        return None
    most = max(plan.named for plan in plans)
    return _together([plan for plan in plans if plan.named == most])


def _is_called(request: Request, head: Head) -> bool:
    """Whether a table inside a note or a manual is called what is counted, listed or compared.

    Such text has many tables on all it speaks of: words that only resemble its headings tell nothing.
    """
    words = [word.text for word in request.words]
    if request.operation in ("count", "list", "which"):
        names = file_names(head) if request.weak else names_of(head)
        return any(word in names for word in request.heads or words)
    synonyms = lexicon.NAMES
    same = {each for word in words for line in synonyms if word in line for each in line}
    return any(name in same or any(one_and_many(word, name) for word in words) for name in names_of(head))


def _of_expenses(head: Head) -> bool:
    """Whether a table is called one of what was spent."""
    return not {*names_of(head)}.isdisjoint(lexicon.NAMES[0])


def _counts_rows(request: Request, head: Head) -> bool:
    """Whether what is counted or listed are the rows of a table: the first phrase ends with its name."""
    words = request.heads or tuple(word.text for word in request.words)
    rows = [word for word in words if names_it(word, head) or lexicon.ROWS.fullmatch(word)]
    return bool(rows) and request.operation != "which"


def _together(plans: list[Plan]) -> Plan:
    """One plan; several tables are taken together where their columns are the same and no row is in two."""
    first = plans[0]
    if len(plans) == 1:
        return first
    heads = [plan.tables[0][0] for plan in plans]
    alike_all = len({tuple(c.name.lower() for c in head.columns) for head in heads}) == 1
    conditions = {tuple((c.sql, c.values) for c in plan.where) for plan in plans}
    rows = [row.cells for plan in plans for row in plan.tables[0][1]]
    types = {tuple((c.kind, c.decimal, c.unit) for c in head.columns) for head in heads}
    if not alike_all or len(conditions) > 1 or len(set(rows)) < len(rows) or len(types) > 1:
        raise Unclear(f"several tables fit equally: {', '.join(map(title, heads[:5]))}; name one of them")
    tables = tuple(plan.tables[0] for plan in plans)
    return attrs.evolve(first, tables=tables, place=listed(heads))


def _of_table(request: Request, head: Head, source: TableSource, names: list[Word]) -> Plan | None:
    """The plan over one table; ``None`` where no word speaks of it.

    Raises ``Unclear`` with the words that name nothing in it, or what else is unclear.
    """
    left, said = list[Word](), dict[Word, list[int]]()
    others = [w for w in request.words if w not in names and not _columns_of(w.text, head.columns)]
    sign, account = accounts.direction(others), None  # "expenses" may name the table, "paid" a column
    if sign and request.operation in ("sum", "paid", "mean", "highest", "lowest"):
        account = accounts.amounts(head, source)
    if request.operation == "paid":
        if account is None:
            return None
        request = attrs.evolve(request, operation="sum")
    for word in request.words if account is None else accounts.without_direction(request.words):
        if word in names or lexicon.ROWS.fullmatch(word.text) or lexicon.TABLES.fullmatch(word.text):
            continue
        if found := _columns_of(word.text, head.columns):
            said[word] = found
        else:
            left.append(word)
    mentioned = [n for found in said.values() for n in found]
    where, used, unknown = _values(left, head, source, mentioned)
    speaks = bool(names or said or where or request.files) or account is not None
    spent = request.measure == "money" and request.operation == "sum"
    if not speaks and not (spent and _of_expenses(head)):
        return None
    if unknown:
        raise nothing(unknown, f"the columns of {title(head)} are: {list_columns(head.columns)}")
    operation, subject = _subject(request, head, source, names, said)
    if not operation:
        return None
    measure, needed = None, operation in ("sum", "mean", "highest", "lowest")
    if account is not None:
        measure = account
        where.append(accounts.paid(account, sign))
    elif needed or request.compared:
        measure = _measure(request, head, said, named=bool(names or request.files))
        if measure is None and needed:
            return None
    dated = _date(head, said)
    if operation in ("newest", "oldest"):
        rows = any(lexicon.ROWS.fullmatch(word.text) for word in request.words)
        if not (names or rows or request.files):
            return None  # "the last name of Ada"
        if dated is None:
            raise Unclear(no_dates(head))
        if request.measure == "age" and not lexicon.DATED.search(head.columns[dated].name):
            raise Unclear(f"oldest by {head.columns[dated].name}? ask for the first one, or the earliest")
    idle = [n for n in mentioned if n not in (measure, dated, subject) and n not in used]
    if operation in ("count", "list") and idle:
        values = ", ".join(head.columns[idle[0]].values[:6])
        raise Unclear(
            f"which {head.columns[idle[0]].name} is meant is not clear" + f": {values}" * bool(values)
        )
    of_highest = [n for n in mentioned if n != measure and n not in used]
    if operation in ("highest", "lowest", "newest", "oldest") and len(of_highest) == 1:
        subject = of_highest[0]
    where += in_period(request, head, dated, source)
    where += _comparisons(request, head, measure)
    request = attrs.evolve(request, operation=operation)
    plan = plan_of(request, [(head, source.rows(head))], "rows", where, dated=dated)
    plan = attrs.evolve(plan, measure=measure, subject=subject, named=len(names) + bool(request.files))
    return plan if account is None else attrs.evolve(plan, sign=sign)


def _subject(
    request: Request, head: Head, source: TableSource, names: list[Word], said: dict[Word, list[int]]
) -> tuple[str, int | None]:
    """The operation, empty where it is no calculation, and the column whose values are counted or listed."""
    if request.operation not in ("count", "list", "which"):
        return request.operation, None
    operation = "list" if request.weak else request.operation
    for text in request.heads:  # the first that is one: "customers returned"
        columns = next((found for word, found in said.items() if word.text == text), [])
        if lexicon.ROWS.fullmatch(text) or any(word.text == text for word in names):
            return operation, None
        if len(columns) == 1 and head.columns[columns[0]].kind == "text":
            return operation, columns[0]
        if len(columns) == 1 and head.columns[columns[0]].kind == "number" and operation == "count":
            column = head.columns[columns[0]]
            if column.key or lexicon.NO_MEASURE.search(column.name):
                return operation, columns[0]
            cells = [cell for row in source.rows(head) if (cell := row.cells[columns[0]])]
            named = {*tokens(column.name)}.isdisjoint(lexicon.QUANTITIES)
            if named and len(set(cells)) == len(cells) > 1:
                raise Unclear(
                    f"whether {column.name} says how many is not clear; ask for its sum, or for rows"
                )
            return "sum", None
    return (
        (operation, None)
        if operation == "list" and (names or request.files) and not request.weak
        else ("", None)
    )


def _measure(request: Request, head: Head, said: dict[Word, list[int]], *, named: bool) -> int | None:
    """The column of numbers that is added up or compared; ``None`` where the table has none.

    Raises ``Unclear`` where several may be meant, or none is what is measured.
    """
    columns = head.columns
    numbers = [
        n for n in head.places("number") if not (columns[n].key or lexicon.NO_MEASURE.search(columns[n].name))
    ]
    wanted = lexicon.MEASURES.get(request.measure or "money", ())
    fit = list(dict.fromkeys(n for found in said.values() for n in found if n in numbers)) or [
        n for n in numbers
        if any(part in wanted for part in columns[n].name.lower().replace("_", " ").split())
        or (request.measure in ("", "money") and columns[n].unit in lexicon.CURRENCIES)
    ]  # fmt: skip
    told = any(n in fit for found in said.values() for n in found)
    if not request.measure and not told and (len(numbers) == 1 or request.operation in ("highest", "lowest")):
        fit = numbers  # "the largest order" may be that of the highest price, or of the most pieces
    if len(fit) == 1:
        if not columns[fit[0]].decimal:
            raise Unclear(f"the numbers of {columns[fit[0]].name} in {title(head)} can be read in two ways")
        return fit[0]
    if not numbers or not (fit or named):
        return None
    shown = list_columns([columns[n] for n in fit or numbers])
    raise Unclear(f"which column of {title(head)} is meant is not clear: {shown}")


def _comparisons(request: Request, head: Head, column: int | None) -> Iterator[Condition]:
    for each in request.compared:
        if column is None:
            raise Unclear(
                f"{title(head)} has no column of numbers to compare; its columns are: "
                f"{list_columns(head.columns)}"
            )
        name = head.columns[column].name
        yield Condition(
            sql=f"n{column} {each.sign} ?",
            values=(float(each.number),),
            shown=f"{name} {each.sign} {each.number}",
        )


def _date(head: Head, said: dict[Word, list[int]]) -> int | None:
    """The column by which a period is told: the one that is named, or the only one."""
    mentioned = {n for found in said.values() for n in found if head.columns[n].kind == "date"}
    return mentioned.pop() if len(mentioned) == 1 else head.dated


def _columns_of(word: str, columns: Sequence[Column]) -> list[int]:
    """The columns that a word names: a column of that name alone, or those that have the word in theirs."""
    whole = [
        n for n, column in enumerate(columns) if alike_all(word, tokens(column.name) or [column.name.lower()])
    ]
    return whole or [n for n, column in enumerate(columns) if alike(word, tokens(column.name))]


def alike_all(word: str, others: Sequence[str]) -> bool:
    """Whether a word is the only one of others."""
    return len(others) == 1 and alike(word, others)


def _values(
    words: Sequence[Word], head: Head, source: TableSource, mentioned: Sequence[int]
) -> tuple[list[Condition], list[int], list[Word]]:
    """The conditions that the words make as values of columns, these columns, and the words that are no
    values; a verb may be none."""
    cells = {n: _cells(head, n, source) for n in head.places("text")}
    places = {
        word: [n for n, known in cells.items() if any(has_word(cell, word.text) for cell in known)]
        for word in words
    }
    words = [word for word in words if places[word] or word.text not in lexicon.VERBS]
    if unknown := [word for word in words if not places[word]]:
        return [], [], unknown
    by_column = dict[int, list[Word]]()
    for word in words:
        fit = places[word]
        if len(fit) > 1:
            near = [n for n in fit if n in mentioned]
            exact = [
                n for n in fit if any(_is_value(c, [w for w in words if n in places[w]]) for c in cells[n])
            ]
            fit = near if len(near) == 1 else exact if len(exact) == 1 else fit
        if len(fit) > 1:
            shown = " and ".join(head.columns[n].name for n in fit)
            raise Unclear(f"{word.text!r} is in several columns of {title(head)}: {shown}; say which")
        by_column.setdefault(fit[0], []).append(word)
    return [_valued(head, n, by_column[n], cells[n]) for n in by_column], [*by_column], []


def _cells(head: Head, column: int, source: TableSource) -> list[str]:
    """The different cells of a column."""
    known = head.columns[column]
    if known.whole or head.rows > _READ:
        return [*known.values]
    return [*{row.cells[column] for row in source.known.store.rows(head)}]


def _valued(head: Head, column: int, words: Sequence[Word], cells: Sequence[str]) -> Condition:
    """The condition that a column has these words: cells of nothing else, or else those that contain them."""
    name = head.columns[column].name
    exact = [cell for cell in cells if _is_value(cell, words)]
    fit = exact or [cell for cell in cells if all(has_word(cell, word.text) for word in words)]
    if not fit:  # "food and fuel"
        each = [[cell for cell in cells if _is_value(cell, [word])] for word in words]
        fit = [cell for cells in each for cell in cells] if all(each) else []
    if not fit:
        raise Unclear(f"no row of {title(head)} has {' and '.join(repr(w.text) for w in words)} in {name}; "
                      "ask for one after the other", [w.text for w in words])  # fmt: skip
    marks = ", ".join("?" * len(fit))
    shown = f"{name} is {fit[0]}" if len(fit) == 1 else f"{name} has {' '.join(word.text for word in words)}"
    return Condition(sql=f"c{column} IN ({marks})", values=tuple(fit), shown=shown)


def _is_value(cell: str, words: Sequence[Word]) -> bool:
    """Whether a cell has these words and no others."""
    wanted = [part for word in words for part in parts(word.text)]
    own = [token for token in tokens(cell) if token not in lexicon.FUNCTION] or tokens(cell)
    return bool(own) and all(alike(token, wanted) for token in own) and all(alike(p, own) for p in wanted)
