"""Plans over the rows of tables, from the tables, columns and values that a question names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

import attrs

from lior_ask.index.table_store import Head
from lior_ask.languages.words import tokens
from lior_ask.tables import accounts, lexicon
from lior_ask.tables.accounts import Account
from lior_ask.tables.grammar import DOUBTFUL, VIEWED, Request, Word
from lior_ask.tables.groups import group_rows
from lior_ask.tables.linking import Linked, alike_all, column_of_people, columns_of, has_answers, link
from lior_ask.tables.plan import (
    Condition,
    Group,
    Plan,
    TableSource,
    Unclear,
    file_names,
    in_period,
    is_of_year,
    list_columns,
    names_it,
    names_of,
    no_dates,
    nothing,
    plan_of,
    title,
)
from lior_ask.tables.query import OPPOSITE, Compares, Within
from lior_ask.tables.views import choose_view
from lior_ask.tables.words import alike, one_and_many

_FEW_CELLS = 8
"""Maximum number of different cells of a column of kinds."""
_NUMBERS = ("sum", "mean", "highest", "lowest")
_ADDED = (*_NUMBERS, "paid", "most", "least", "share", "groups", "lacking")
"""Operations that may use the amounts of an account."""


def plan_of_rows(request: Request, source: TableSource) -> Plan | None:
    """Return the plan for the table that explains all words, or ``None``.

    Raises ``Unclear`` if several tables do, or a named table does not."""
    plans, unclear = list[Plan](), list[tuple[int, Unclear]]()
    heads = source.kind("rows", request.files)
    for head in heads:
        names = _naming(request, head, heads)
        try:
            asked, view = choose_view(request, head, source)
            called = (
                source.of_rows(head) or request.files or view != head or _is_called(request, head, source)
            )
            plan = _of_table(asked, view, source, names) if called else None
            if plan and request.operation == "paid" and not plan.named and not _of_payers(view, head, source):
                plan = attrs.evolve(plan, named=-1)  # what was ordered or billed: an account has priority
            plans += [plan] if plan else []
        except Unclear as error:
            if request.operation in DOUBTFUL:
                continue
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
    return _together([plan for plan in plans if plan.named == most], source)


def _of_payers(view: Head, head: Head, source: TableSource) -> bool:
    """Return whether a table is an account, or says who paid; not what was ordered, and when it was paid."""
    by = any(accounts.tells_direction(head.columns[n].name) for n in head.places("text"))
    return view == head and (by or accounts.account_of(head, source) is not None)


def _naming(request: Request, head: Head, heads: Sequence[Head]) -> list[Word]:
    """Return the words that name a table. The name of a file does not if another sheet in it has the word."""
    words = [w for w in request.words if names_it(w.text, head) or _is_expense(w.text, head)]
    file = head.document.partition("#")[0]
    beside = [each for each in heads if each != head and each.document.partition("#")[0] == file]
    own, *others = (attrs.evolve(each, document="") for each in (head, *beside))
    return [w for w in words if names_it(w.text, own) or not any(names_it(w.text, o) for o in others)]


def _is_called(request: Request, head: Head, source: TableSource) -> bool:
    """Return whether the name of a table in a note or a manual has what is counted, listed or compared.

    Such text has many tables on many topics, so words that only resemble its headings are no evidence. A word
    to be added up is, if it names a column of numbers of this table alone.
    """
    words = [word.text for word in request.words]
    others = (each for each in source.kind("rows") if each != head)
    if (
        request.operation in ("sum", "mean")
        and _numbers(words, head)
        and not any(_numbers(words, o) for o in others)
    ):
        return True
    if request.operation in ("count", "list", "which"):
        names = file_names(head) if request.weak else names_of(head)
        return any(one_and_many(word, name) for word in request.heads or words for name in names)
    synonyms = lexicon.NAMES
    same = {each for word in words for line in synonyms if word in line for each in line}
    return any(name in same or any(one_and_many(word, name) for word in words) for name in names_of(head))


def _numbers(words: Sequence[str], head: Head) -> bool:
    """Return whether a word is the name of a column of numbers."""
    names = [head.columns[n].name.lower() for n in head.places("number")]
    return any(one_and_many(word, name) for word in words for name in names)


def _of_expenses(head: Head) -> bool:
    """Return whether a table is one of expenses by its name, or by columns of dates and "paid by"."""
    called, people = {*names_of(head)}, column_of_people(head)
    own = None if people is None else head.columns[people]
    by = own is not None and not lexicon.OUTGOING.isdisjoint(tokens(own.name))
    by = by and lexicon.MEANS.isdisjoint(tokens(" ".join(own.values if own else ())))
    others = called & {*lexicon.NAMES[2], *lexicon.NAMES[4]}
    return not called.isdisjoint(lexicon.SPENT) or (by and bool(head.places("date")) and not others)


def _is_expense(word: str, head: Head) -> bool:
    """Return whether a word means a row of an expenses table, whatever the table's name is."""
    return word in lexicon.NAMES[0] and _of_expenses(head)


def _counts_rows(request: Request, head: Head) -> bool:
    """Return whether the rows of a table are counted or listed: the first phrase names them."""
    words = request.heads or tuple(word.text for word in request.words)
    rows = [word for word in words if names_it(word, head) or lexicon.ROWS.fullmatch(word)]
    return bool(rows) and request.operation != "which"


def _together(plans: list[Plan], source: TableSource) -> Plan:
    """Return one plan; tables with the same columns and no common row are combined."""
    first = plans[0]
    if len(plans) == 1:
        return first
    heads = [plan.table.heads[0] for plan in plans]
    alike_all = len({tuple(c.name.lower() for c in head.columns) for head in heads}) == 1
    conditions, table = {tuple(c.test for c in plan.where) for plan in plans}, source.table(*heads)
    types = {tuple((c.kind, c.decimal, c.unit) for c in head.columns) for head in heads}
    repeated = len({row.cells for _, row in table.rows}) < len(table)
    if not alike_all or len(conditions) > 1 or len(types) > 1 or repeated:
        said = f"several tables fit equally: {', '.join(map(title, heads[:5]))}; name one of them"
        raise Unclear(said, choice=True)
    return attrs.evolve(first, table=table, place=table.title)


def _of_table(request: Request, head: Head, source: TableSource, names: list[Word]) -> Plan | None:
    """Return the plan over one table, or ``None`` if the question is not about it.

    Raises ``Unclear`` with the words that name nothing in it, or with another reason.
    """
    if request.operation in VIEWED:
        return None
    sign, account, sure = _account(request, head, source, names)
    request, words = _words(request, head, source, names, account)
    by_us = account is not None and (request.we or sure)  # not "what did Ada get?", which is paid out
    linked = link(request, words, head, source, sign * by_us)
    extreme = request.operation in ("highest", "lowest") and not request.unit  # maybe of another column
    told = sign or not (names or extreme)
    if account is not None and told and not sure and linked.where and not linked.unknown:
        sign = _sign_of_rows(head, source, linked, account) or sign
    if account is not None and not sign:
        account = None
    other = request.operation == "lacking" and account is None and accounts.direction(request.words)
    if other or not _speaks(request, head, linked, names, account):
        return None
    if linked.unknown:
        raise nothing(linked.unknown, f"the columns of {title(head)} are: {list_columns(head.columns)}")
    if request.still and not linked.answers and request.operation in ("which", "count", "list"):
        return None  # "which books do we still have?"
    part = _part(request, linked)
    operation, subject, group = _operation(request, head, source, names, linked, account)
    if not operation:
        return None
    request, measure, factor = attrs.evolve(request, operation=operation), None, 1
    of_sum = operation == "share" and _of_sum(request, head, linked)
    if account is not None:
        measure, factor = account.column(sign), account.factor(sign)
        linked.where.append(account.paid(sign))
    elif operation in _NUMBERS or request.compared or of_sum:
        measure = _measure(request, head, linked, named=bool(names or request.files))
        if measure is None and (operation in _NUMBERS or of_sum):
            return None
    dated = _date(request, head, linked, source)
    if dated is None and account is not None:
        dated = head.places("date")[0]  # the booking date; the value date follows it
    if operation in ("newest", "oldest") and not _told_by_date(request, head, dated, names):
        return None
    subject = None if group else _named_subject(request, head, linked, (measure, dated, subject))
    explained = [found for found in linked.said.values() if {*found}.isdisjoint(linked.used)]
    by_date = account is not None or any(dated in found for found in explained)
    period = _period(request, head, source, linked, dated, by_date=by_date)
    compared = [*_comparisons(request, head, measure, factor)]
    where = [*linked.where, *period, *compared, *_than(request, head)]
    plan = plan_of(request, source.table(head), "rows", where, dated=dated)
    called = account is not None and any(lexicon.ACCOUNT.fullmatch(word.text) for word in request.words)
    count = sum(names_it(word.text, head) for word in names) + bool(request.files) + called
    called = not {*names_of(head)}.isdisjoint(lexicon.NAMES[0])
    if not (count or account or linked.used or linked.mentioned or called):
        count = -1  # it only has payers: a table named so, or an account, has priority
    measure = None if operation == "share" and not (of_sum or account) else measure
    plan = attrs.evolve(plan, measure=measure, subject=subject, named=count, group=group, part=part)
    return attrs.evolve(plan, sign=factor)


def _period(
    request: Request, head: Head, source: TableSource, linked: Linked, dated: int | None, *, by_date: bool
) -> list[Condition]:
    """Return the conditions on the dates of the rows."""
    if request.past:
        return [_over(request, head, linked)]
    if not by_date and request.period and is_of_year(head, request.period, dated):
        return []
    return in_period(request, head, dated, source)


def _account(
    request: Request, head: Head, source: TableSource, names: list[Word]
) -> tuple[int, Account | None, bool]:
    """Return the direction of payments, 0 if unknown, the account of the table, or ``None``, and whether the
    subject of the question says the direction, so that the rows must have it."""
    of_columns = {token for column in head.columns for token in tokens(column.name)}
    others = [w for w in request.words if w not in names and w.text not in of_columns]
    told = accounts.direction(others)  # "expenses" may name the table, "paid" a column
    by_subject = 0 if told > 0 else accounts.subject_direction(others, we=request.we, us=request.us)
    sign = by_subject or told
    whoever = request.who or any(word.text in lexicon.PAYEES for word in request.words)
    if whoever and not request.we:  # "who got most of my money?" is paid by us
        sign = -sign
    if request.measure == "money" and request.operation in ("highest", "lowest"):
        sign = sign or -1  # "most expensive"
    counted = not (lexicon.OUTGOING | lexicon.INCOMING).isdisjoint(request.heads)  # "list the payments"
    asked = request.operation in _ADDED or request.times or (sign and (request.compared or counted))
    return sign, accounts.account_of(head, source) if asked else None, by_subject != 0


def _sign_of_rows(head: Head, source: TableSource, linked: Linked, account: Account) -> int:
    """Return the common sign of all selected rows' amounts, or 0: Ada "gets" what is paid out to her."""
    signs = account.signs(source.table(head), [each.test for each in linked.where if each.test])
    return signs.pop() if len(signs) == 1 else 0


def _words(
    request: Request, head: Head, source: TableSource, names: list[Word], account: Account | None
) -> tuple[Request, list[Word]]:
    """Return the request without a unit that is a column, and the words that must name something."""
    units = [word for word in request.words if word.role == "unit"]
    if any(columns_of(word.text, head.columns) for word in units):
        request, units = attrs.evolve(request, unit=""), []  # a column is called "month"
    kinds = [lexicon.ROWS, lexicon.TABLES, *([lexicon.FILES] if names else [])]
    if request.operation == "count" and request.compared and _is_daily(head, source):
        kinds.append(lexicon.DAYS)  # "on how many days was it above 30?"
    if request.past or (request.period and _ends(head)):  # "past its use-by date"
        kinds += [lexicon.DATED, lexicon.ENDS]
    words = [
        word
        for word in (request.words if account is None else accounts.without_direction(request.words))
        if word not in units
        and (word.role == "per" or not any(kind.fullmatch(word.text) for kind in kinds))
        and (
            word not in names
            or _measures(request, word, head)
            or _groups(request, word, head)
            or _says(word, head)
            or _is_cell(request, word, head)
        )
    ]
    return request, words


def _is_daily(head: Head, source: TableSource) -> bool:
    """Return whether a table has one row for each of its days."""
    if head.dated is None:
        return False
    table = source.whole(head)
    days = table.coded("date", head.dated).days
    return all(len(day) == 10 for day in days) and len(days) == len(table)


def _speaks(request: Request, head: Head, linked: Linked, names: list[Word], account: Account | None) -> bool:
    """Return whether a question is about a table: it names the table, a column, a value or its rows."""
    if account is not None:
        return True
    told = linked.used if linked.group is None else [*linked.used, linked.group]
    if request.operation == "paid":  # "what did Tobi pay for the ferry?", with a column "paid by"
        return bool(told) and any(accounts.tells_direction(column.name) for column in head.columns)
    spent = request.measure == "money" and request.operation == "sum" and _of_expenses(head)
    expired = _has_expired(request) and len(_ends(head)) == 1
    return bool(names or linked.said or told or request.files or spent or expired)


def _operation(
    request: Request,
    head: Head,
    source: TableSource,
    names: list[Word],
    linked: Linked,
    account: Account | None,
) -> tuple[str, int | None, Group | None]:
    """Return the operation, empty if it is no calculation, the column that is counted, and the groups."""
    if request.operation == "paid":
        request = attrs.evolve(request, operation="sum")
    named = {n for word in request.words for n in columns_of(word.text, head.columns)}
    spends = account is not None or accounts.direction(request.words) != 0
    measured = spends or request.added or any(head.columns[n].kind == "number" for n in named)
    counted: tuple[str, int | None] = ("", None)
    if request.operation == "count" and account is None:
        counted = _subject(request, head, source, names, linked)
        request = attrs.evolve(request, operation="sum" if counted[0] == "sum" else "count")
    people = source.of_people(head) if request.who else ()
    grouped = group_rows(request, head, linked, account=account is not None, measured=measured, people=people)
    if grouped and counted[1] is not None and head.columns[counted[1]].kind == "number":
        raise Unclear(f"different values of {head.columns[counted[1]].name} are not counted in groups")
    if grouped:
        return grouped[0], None, grouped[1]
    if account is not None and request.operation in ("count", "list", "which"):
        return "count" if request.operation == "count" else "list", None, None
    return *(counted if counted[0] else _subject(request, head, source, names, linked)), None


def _measures(request: Request, word: Word, head: Head) -> bool:
    """Return whether a word of a table's name also names its numbers: "hours" of "staff hours"."""
    columns = [n for n in columns_of(word.text, head.columns) if head.columns[n].kind == "number"]
    if request.operation == "count":  # "how many hours", for a table of hours
        return any(_counts(head, n, word.text) for n in columns)
    return bool(columns) and request.operation in _ADDED


def _groups(request: Request, word: Word, head: Head) -> bool:
    """Return whether a word of a table's name also names the groups for "most": "tap" of "taps.csv"."""
    columns = columns_of(word.text, head.columns) if request.operation in ("most", "least") else []
    return any(head.columns[n].kind == "text" for n in columns)


def _says(word: Word, head: Head) -> bool:
    """Return whether a word of a table's name also names a column of yes and no: "shipped"."""
    return any(has_answers(head.columns[n]) for n in columns_of(word.text, head.columns))


def _is_cell(request: Request, word: Word, head: Head) -> bool:
    """Return whether a word of a table's name, which is not what is counted, is one of few cells of a column.

    "Days of holiday", for a table "holiday" with a column "kind" of "holiday" and "illness".
    """
    few = (c for c in head.columns if c.kind == "text" and c.whole and 1 < len(c.values) <= _FEW_CELLS)
    cells = {cell for column in few for cell in column.values}
    return word.text not in request.heads[:1] and any(alike_all(word.text, tokens(cell)) for cell in cells)


def _counts(head: Head, column: int, text: str) -> bool:
    """Return whether the numbers of a column are quantities: hours, pieces, or the word after "how many"."""
    name, lasts = head.columns[column].name, bool(head.columns[column].duration)
    return lasts or name.lower() == text or not {*tokens(name)}.isdisjoint(lexicon.QUANTITIES)


def _has_expired(request: Request) -> bool:
    """Return whether a question only asks for what is past: "what has expired?"."""
    return request.past and all(word.text in lexicon.VERBS for word in request.words)


def _ends(head: Head) -> list[int]:
    """Return the columns with an expiry date."""
    return [n for n in head.places("date") if lexicon.ENDS.search(head.columns[n].name)]


def _over(request: Request, head: Head, linked: Linked) -> Condition:
    """Return the condition that the day of a row is past: "which had expired on 1 October?".

    Raises ``Unclear`` if the table does not have exactly one column with such a day.
    """
    dates = head.places("date")
    named = [n for n in dates if n in linked.mentioned or n in _ends(head)]
    period = request.period
    if len(named) != 1 or (period and (period.first is None or period.yearless)):
        raise no_dates(head)
    day = period.first if period and period.first else request.today
    shown = f"{head.columns[named[0]].name} before {day}"
    return Condition(test=Within(named[0], "", str(day - timedelta(1)), shown), shown=shown)


def _part(request: Request, linked: Linked) -> tuple[Condition, ...]:
    """Move the conditions of the rows whose share is asked for out of those of all rows, and return them.

    These are the conditions after the last auxiliary verb, otherwise the last condition."""
    if request.operation != "share":
        return ()
    last = max((each.place for each in linked.where), default=0)
    bound = request.auxiliary if last > request.auxiliary > 0 else last - 1
    part = tuple(each for each in linked.where if each.place > bound)
    if not part:
        raise Unclear("the share of what is not clear; name a value that rows have", ["share"])
    linked.where = [each for each in linked.where if each.place <= bound]
    return part


def _of_sum(request: Request, head: Head, linked: Linked) -> bool:
    """Return whether the share of a sum is asked for: a number column or money follows the operation."""
    named = {n for word, found in linked.said.items() if word.text in request.heads[:1] for n in found}
    money = lexicon.OUTGOING | lexicon.INCOMING | lexicon.TIMES_WORDS | lexicon.SPENT
    return not (named.isdisjoint(head.places("number")) and money.isdisjoint(request.heads[:1]))


def _told_by_date(request: Request, head: Head, dated: int | None, names: Sequence[Word]) -> bool:
    """Return whether the question is about the newest or oldest row, and not "the last name of Ada".

    Raises ``Unclear`` if the table has no date, or one of another kind.
    """
    rows = any(lexicon.ROWS.fullmatch(word.text) for word in request.words)
    if not (names or rows or request.files):
        return False
    if dated is None:
        raise no_dates(head)
    if request.measure == "age" and not lexicon.DATED.search(head.columns[dated].name):
        raise Unclear(f"oldest by {head.columns[dated].name}? ask for the first one, or the earliest")
    return True


def _named_subject(
    request: Request, head: Head, linked: Linked, known: tuple[int | None, int | None, int | None]
) -> int | None:
    """Return the column of what is counted, listed or the highest, or ``None``.

    Raises ``Unclear`` if a column is named that has no role in the calculation.
    """
    measure, _, subject = known
    explained = {*known, *linked.used}
    listed = {*request.heads} if linked.answers else set()  # "which children have not paid?"
    idle = [n[0] for w, n in linked.said.items() if explained.isdisjoint(n) and w.text not in listed]
    if request.operation in ("count", "list") and idle:
        values = ", ".join(head.columns[idle[0]].values[:6])
        raise Unclear(
            f"which {head.columns[idle[0]].name} is meant is not clear" + f": {values}" * bool(values)
        )
    of_highest = [n for n in linked.mentioned if n != measure and n not in linked.used]
    extreme = request.operation in ("highest", "lowest", "newest", "oldest")
    return of_highest[0] if extreme and len(of_highest) == 1 else subject


def _subject(
    request: Request, head: Head, source: TableSource, names: list[Word], linked: Linked
) -> tuple[str, int | None]:
    """Return the operation, empty if it is no calculation, and the column that is counted or listed."""
    if request.operation == "who":  # asks for rows with yes or no: "who has not paid?"
        return ("list" if linked.answers else "", None)
    if request.operation not in ("count", "list", "which"):
        return request.operation, None
    operation = "list" if request.weak else request.operation
    days = request.compared and any(lexicon.DAYS.fullmatch(text) for text in request.heads[:1])
    numbers = [n for w, own in linked.said.items() if w.text in request.heads[:1] for n in own]
    added = operation == "count" and any(_counts(head, n, request.heads[0]) for n in numbers)
    if linked.answers and added:  # "how many hours were paid?"
        return "sum", None
    if linked.answers or days or _has_expired(request):  # "which dogs are not chipped?"
        return operation, None
    for text in request.heads:  # the first that names one: "customers returned"
        columns = next((found for word, found in linked.said.items() if word.text == text), [])
        counts = len(columns) == 1 and operation == "count" and _counts(head, columns[0], text)
        if lexicon.ROWS.fullmatch(text) or (any(word.text == text for word in names) and not counts):
            return operation, None
        if len(columns) == 1 and columns[0] in linked.used:
            return operation, None  # "how many paid cash", with a column "paid by"
        if len(columns) == 1 and head.columns[columns[0]].kind == "text":
            return operation, columns[0]
        if len(columns) == 1 and head.columns[columns[0]].kind == "number" and operation == "count":
            column = head.columns[columns[0]]
            if column.key or lexicon.NO_MEASURE.search(column.name):
                return operation, columns[0]
            cells = [cell for cell in source.table(head).cells(columns[0]) if cell]
            if not counts and len(set(cells)) == len(cells) > 1:
                raise Unclear(
                    f"whether {column.name} says how many is not clear; ask for its sum, or for rows"
                )
            return "sum", None
    return (
        (operation, None)
        if operation == "list" and (names or request.files) and not request.weak
        else ("", None)
    )


def _measure(request: Request, head: Head, linked: Linked, *, named: bool) -> int | None:
    """Return the number column that is added up or compared, or ``None`` if the table has none.

    Raises ``Unclear`` if several columns fit, or none has the measure.
    """
    columns = head.columns
    numbers = [
        n
        for n in head.places("number")
        if not (columns[n].key or n in linked.used or lexicon.NO_MEASURE.search(columns[n].name))
    ]
    wanted = lexicon.MEASURES.get(request.measure or "money", ())
    told = Counter(n for n in linked.mentioned if n in numbers)
    fit = [n for n, count in told.items() if count == max(told.values())] or [
        n
        for n in numbers
        if any(part in wanted for part in columns[n].name.lower().replace("_", " ").split())
        or (request.measure in ("", "money") and columns[n].unit in lexicon.CURRENCIES)
    ]
    if not request.measure and not told and (len(numbers) == 1 or request.operation in ("highest", "lowest")):
        fit = numbers  # "the largest order" may have the highest price, or the most pieces
    if request.operation == "sum":  # unit prices are not added up
        fit = [n for n in fit if lexicon.EACH.isdisjoint(tokens(columns[n].name))] or fit
    if len(fit) == 1:
        if not columns[fit[0]].decimal:
            raise Unclear(f"the numbers of {columns[fit[0]].name} in {title(head)} can be read in two ways")
        return fit[0]
    if not numbers or not (fit or named):
        return None
    shown = list_columns([columns[n] for n in fit or numbers])
    raise Unclear(f"which column of {title(head)} is meant is not clear: {shown}", choice=True)


def _comparisons(request: Request, head: Head, column: int | None, direction: int) -> Iterator[Condition]:
    for each in request.compared:
        if column is None:
            raise Unclear(
                f"{title(head)} has no column of numbers to compare; its columns are: "
                f"{list_columns(head.columns)}"
            )
        name = head.columns[column].name
        sign = each.sign if direction > 0 else OPPOSITE[each.sign]
        test = Compares(column, sign, direction * each.number)
        yield Condition(test=test, shown=f"{name} {each.sign} {each.number}")


def _than(request: Request, head: Head) -> Iterator[Condition]:
    """Yield the condition that one column is below or above another: "below their minimum quantity".

    The other column has a common word in its name, or is the only other number column.
    """
    sign, words = request.than
    if not sign:
        return
    numbers, columns = head.places("number"), head.columns
    named = [n for n in numbers if any(_begins(word, tokens(columns[n].name)) for word in words)]
    bounds = {n: {*tokens(columns[n].name)} for n in named}
    others = [n for n in numbers if n not in named and not (columns[n].key)]
    near = [n for n in others if any({*tokens(columns[n].name)} & bounds[b] for b in named)]
    fit = near if len(near) == 1 else others
    if len(named) != 1 or len(fit) != 1:
        raise Unclear(
            f"which columns of {title(head)} are compared is not clear: {list_columns(columns)}", [*words]
        )
    shown = f"{columns[fit[0]].name} {sign} {columns[named[0]].name}"
    yield Condition(test=Compares(fit[0], sign, other=named[0]), shown=shown)


def _begins(word: str, names: Sequence[str]) -> bool:
    """Return whether a word is in a name, possibly abbreviated there: "min" for "minimum"."""
    return any(alike(word, [name]) or (len(name) > 2 and word.startswith(name)) for name in names)


def _date(request: Request, head: Head, linked: Linked, source: TableSource) -> int | None:
    """Return the date column for the period, or ``None``.

    It is the column that is named, the main date column unless a condition uses it, or the first one if all
    date columns select the same rows."""
    mentioned = {n for n in linked.mentioned if head.columns[n].kind == "date"}
    if len(mentioned) == 1 or head.dated is not None or not request.period or request.period.yearless:
        plain = None if head.dated in linked.used else head.dated
        return mentioned.pop() if len(mentioned) == 1 else plain
    dates, has = [n for n in head.places("date") if n not in head.months], request.period.has
    known = [source.whole(head).coded("date", n) for n in dates]
    told = {each.each([bool(when) and has(when) for when in each.places]).tobytes() for each in known}
    return dates[0] if len(told) == 1 and dates else None
