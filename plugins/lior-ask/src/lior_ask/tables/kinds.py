"""Plans over mails, chats, logs, calendars, contacts, tasks and files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import parseaddr
from functools import partial
from pathlib import PurePath

import attrs

from lior_ask.index.table_store import Row
from lior_ask.question.filters import named
from lior_ask.question.question import Question
from lior_ask.tables import lexicon
from lior_ask.tables.columns import Coded
from lior_ask.tables.grammar import Request, Word
from lior_ask.tables.mentions import next_days
from lior_ask.tables.plan import (
    Condition,
    Plan,
    TableSource,
    Unclear,
    having,
    in_period,
    list_columns,
    names_it,
    names_of,
    nothing,
    plan_of,
)
from lior_ask.tables.query import Is, Meets, Test
from lior_ask.tables.sources import Table, table_of_files
from lior_ask.tables.tasks import asks_for_tasks, plan_of_tasks
from lior_ask.tables.words import alike, has_word


def asks_for(kind: str, request: Request, source: TableSource) -> bool:
    """Return whether a word of the first phrase, or of a question without a phrase, names rows of a kind."""
    words = request.heads or tuple(word.text for word in request.words)
    has = bool(source.kind(kind))
    if kind == "mail":
        mails = any(lexicon.MAIL.fullmatch(word) for word in words)
        chat = any(lexicon.CHAT.fullmatch(word.text) for word in request.words)
        return mails or (has and not chat and any(lexicon.MESSAGES.fullmatch(word) for word in words))
    if kind == "chat":
        return has and any(lexicon.MESSAGES.fullmatch(word) for word in words)
    if kind == "log":
        level = any(_level(word) for word in words)
        entries = any(lexicon.ROWS.fullmatch(word) for word in words)
        about = {name for head in source.kind("log", request.files) for name in names_of(head)} | {
            "log",
            "logs",
        }
        said = any(word.text in about for word in request.words) or (bool(request.files) and has)
        return has and (
            level
            or _happens(kind, request, source)
            or ((entries or request.times) and said and bool(source.kind("log", request.files)))
        )
    if kind == "files":
        return any(lexicon.FILES.fullmatch(w) or _endings(w, source) for w in words) and not request.files
    if kind == "tasks":
        return has and asks_for_tasks(request, words, source)
    pattern = lexicon.EVENTS if kind == "events" else lexicon.CONTACTS
    return has and (any(pattern.fullmatch(word) for word in words) or _happens(kind, request, source))


def _happens(kind: str, request: Request, source: TableSource) -> bool:
    """Return whether all counted words are in one event or log entry: "how often do we have pottery?"."""
    words = [word.text for word in request.words if word.text not in lexicon.VERBS | lexicon.AHEAD]
    asked = request.operation == "count" and (request.period or not request.exists)
    if kind == "log":  # "how often was the pump blocked?"
        asked = request.times and len(words) > 1
    if kind not in ("events", "log") or not asked or not words:
        return False
    heads = source.kind(kind, request.files)
    told = source.table(*heads).coded("text", 2).places if heads else ()
    return any(all(has_word(summary, word) for word in words) for summary in told)


def _mail(kind: str, request: Request, source: TableSource, question: Question) -> Plan:
    """Return a plan over mails or messages of a chat."""
    heads, noun = source.kind(kind, request.files), "mails" if kind == "mail" else "messages of the chat"
    if not heads:
        raise Unclear(f"there are no {noun} in these documents", [noun] * request.weak)
    nouns = (lexicon.MAIL if kind == "mail" else lexicon.CHAT, lexicon.MESSAGES)
    left = [
        word
        for word in request.words
        if word.role not in ("per", "unit") and not any(each.fullmatch(word.text) for each in nouns)
    ]
    sent = [word for word in left if word.text in lexicon.SENT]
    ignored = {*sent, *(word for word in left if word.text in lexicon.VERBS)}
    left = [word for word in left if word not in ignored and not lexicon.TABLES.fullmatch(word.text)]
    if request.operation in ("newest", "oldest"):  # "what date was the last mail?"
        told = (lexicon.DATED, lexicon.SUBJECT)
        left = [word for word in left if not any(each.fullmatch(word.text) for each in told)]
    columns, where = heads[0].columns, list[Condition]()
    names = {each.name: number for number, each in enumerate(columns)}
    topic = names.get("subject", names.get("text", 0))
    table = source.table(*heads)
    senders = {*table.coded("text", names["from"]).places}
    if len(heads) == 1:  # "the family chat"
        called = {w.number - 1 for w in request.words if lexicon.CHAT.fullmatch(w.text)}
        left = [word for word in left if word.number not in called or _one([word], senders)]
    files = [w for w in left if w.role != "about" and any(names_it(w.text, head) for head in heads)]
    files = [word for word in files if not _one([word], senders)]  # for "mails from Lena" in lena.mbox
    left = [word for word in left if word not in files]
    if files:
        called_so = [head for head in heads if any(names_it(word.text, head) for word in files)]
        table = source.table(*called_so)
        where.append(Condition(test=None, shown=f"in {table.title}", told=False))
    by = {role: [word for word in left if word.role == role] for role in ("from", "to", "about", "")}
    if by[""] and (sent or _one(by[""], senders)):
        by["from"], by[""] = [*by["from"], *by[""]], []
    if by[""]:
        raise nothing(by[""], f"{noun}: who they are from and to, when, and their subject are known")
    if sent and not by["from"] and lexicon.WE.search(question.text):
        raise Unclear("who wrote them is not clear: say from whom the mails are, by name")
    if by["from"]:
        wanted = " ".join(word.text for word in by["from"])
        where.append(_person(wanted, senders, names["from"], noun))
    if by["to"]:
        if "to" not in names:
            raise nothing(by["to"], "messages of a chat are to all")
        wanted = " ".join(word.text for word in by["to"])
        test = Meets(names["to"], partial(named, wanted))
        if not any(map(test.test, table.coded("text", names["to"]).places)):
            raise Unclear(f"no mail is to {wanted!r}", [wanted])
        where.append(Condition(test=test, shown=f"to {wanted.title()}", told=False))
    for word in by["about"]:
        where.append(having(topic, columns[topic].name, word.text))
    where += in_period(request, heads[0], names["date"], source)
    return plan_of(request, table, noun, where, dated=names["date"])


def _one(words: Sequence[Word], senders: set[str]) -> bool:
    wanted = " ".join(word.text for word in words)
    return any(named(wanted, sender) for sender in senders)


def _person(wanted: str, senders: set[str], column: int, noun: str) -> Condition:
    """Return the condition that a message is from a person, with any of their names and addresses.

    Raises ``Unclear`` if several people fit, or none."""
    people = list[tuple[set[str], list[str]]]()  # names and addresses, and senders
    for sender in sorted(senders):
        name, address = parseaddr(sender)
        keys, written = {key.lower() for key in (name or sender, address) if key}, [sender]
        same = [each for each in people if each[0] & keys]
        people = [each for each in people if each not in same]
        people.append((keys.union(*(k for k, _ in same)), sum((w for _, w in same), written)))
    fit = [written for _, written in people if any(named(wanted, sender) for sender in written)]
    if len(fit) != 1:
        shown = sorted({parseaddr(each)[0] or each for written in fit or [[*senders]] for each in written})
        listed = ", ".join(shown[:6]) + " and others" * (len(shown) > 6)
        reason = f"{len(fit)} people fit {wanted!r}" if fit else f"no {noun} from {wanted!r}"
        raise Unclear(f"{reason}: there are {listed}")
    return Condition(test=Is(column, (*fit[0],)), shown=f"from {wanted.title()}", told=False)


def _level(word: str) -> str:
    """Return the log level that a word names, or an empty string."""
    return next((level for level, words in lexicon.LEVELS.items() if words.fullmatch(word)), "")


def _log(kind: str, request: Request, source: TableSource, question: Question) -> Plan:
    """Return a plan over entries of logs."""
    heads = source.kind(kind, request.files)
    if not heads:
        raise Unclear("there is no log of this name")
    left, levels = list[Word](), list[str]()
    for word in (each for each in request.words if each.role != "unit"):
        if level := _level(word.text):
            levels.append(level)
        elif not (lexicon.ROWS.fullmatch(word.text) or lexicon.TABLES.fullmatch(word.text)):
            left += [word] if word.text not in lexicon.VERBS else []
    about = [word for word in left if word.role == "about"]
    named_by = [h for h in heads if any(names_it(w.text, h) for w in left if w.role != "about")]
    heads = named_by or heads
    left = [w for w in left if w not in about and not any(names_it(w.text, h) for h in heads)]
    if request.times:
        about, left = [*about, *left], []
        told = source.table(*heads).coded("text", 2).places
        left = [word for word in about if not any(has_word(cell, word.text) for cell in told)]
    if left:
        raise nothing(left, "logs: when an entry was written, its level and its text are known")
    table = source.table(*heads)
    where = [having(2, "text", word.text) for word in about]
    for level in levels[:1]:
        has = 2 * table.coded("text", 1).count("") <= len(table)  # a few may have such a word by chance
        of_level = Condition(test=Is(1, (level,)), shown=f"level is {level}")
        where.append(of_level if has else having(2, "text", level))
    if len(levels) > 1:
        raise Unclear(f"ask for one level at a time: {' or '.join(levels)}")
    where += in_period(request, heads[0], 0, source, table.coded("date", 0))
    return plan_of(request, table, "entries", where, dated=0)


def _endings(word: str, source: TableSource) -> set[str]:
    """Return the file extensions that a word names."""
    if lexicon.PICTURES.fullmatch(word):
        return {*lexicon.PICTURE_ENDINGS}
    known = {PurePath(name).suffix.lower().lstrip(".") for name in source.known.files}
    known |= {*lexicon.ENDINGS.split()}
    word = lexicon.FORMATS.get(word, word)
    return {word, word.removesuffix("s"), re.sub(rf"-{lexicon.FILES.pattern}$", "", word)} & (known - {""})


def _files(kind: str, request: Request, source: TableSource, question: Question) -> Plan:
    """Return a plan over files of the folders, with their extensions and days of change."""
    table = table_of_files(source.known, source.filters)
    where, left = list[Condition](), list[Word]()
    for word in request.words:
        if endings := _endings(word.text, source):
            test: Test = Is(1, (*sorted(endings),))
            where.append(Condition(test=test, shown=f"ending in {word.text}", told=False))
        elif any(map(partial(_inside, word.text), table.coded("text", 3).places)):
            test = Meets(3, partial(_inside, word.text))
            where.append(Condition(test=test, shown=f"in {word.text}", told=False))
        elif not (lexicon.FILES.fullmatch(word.text) or lexicon.OF_FILES.fullmatch(word.text)):
            left.append(word)
    left = [word for word in left if word.text not in lexicon.VERBS]
    if left or source.filters.sender:
        raise nothing(left, "files: their endings, folders and dates are known")
    where += in_period(request, table.heads[0], 2, source)
    return plan_of(request, table, "files", where, dated=2)


def _inside(word: str, folder: str) -> bool:
    """Return whether a folder or one above it has a name."""
    return alike(word, folder.split("/"))


def _others(kind: str, request: Request, source: TableSource, question: Question) -> Plan:
    """Return a plan over events of calendars, or contacts."""
    heads, pattern = (
        source.kind(kind, request.files),
        lexicon.EVENTS if kind == "events" else lexicon.CONTACTS,
    )
    if not heads:
        raise Unclear(f"there are no {kind} in these documents")
    left = [
        word
        for word in request.words
        if word.role != "unit" and not pattern.fullmatch(word.text) and word.text not in lexicon.VERBS
    ]
    table = source.table(*heads)
    ahead = {word.text for word in left} & lexicon.AHEAD or request.still
    left = [word for word in left if word.text not in lexicon.AHEAD and not _only_names(word, table)]
    where = [_anywhere(word, table) for word in left]
    dated = heads[0].dated
    dates = [] if dated is None else zip(table.dates(dated), table.rows, strict=True)
    told = [when for when, (_, row) in dates if all(_tells(row, word) for word in left)]
    first = min(heads, key=lambda head: head.until or "9")
    where += in_period(request, first, dated, source, Coded.of(told) if told else None)
    if request.operation == "next":
        if dated is not None and not (request.period and request.period.first):
            today, of_row = request.today.isoformat(), heads[0].columns[dated].date
            test = Meets(dated, lambda cell: of_row(cell) >= today)  # what has begun is not next
            where.append(Condition(test=test, shown=f"from {today} on", told=False))
        request = attrs.evolve(request, operation="oldest")
    elif ahead and kind == "events" and dated is not None:  # "how many classes are left?"
        coming = next_days(dated, request.today)
        where.append(Condition(test=coming, shown=coming.shown, told=False))
    return plan_of(request, table, kind, where, dated=dated)


def _only_names(word: Word, table: Table) -> bool:
    """Return whether a word is in the name of a calendar, and in none of its events."""
    told = any(_tells(row, word) for _, row in table.rows)
    return not told and any(names_it(word.text, head) for head in table.heads)


def _tells(row: Row, word: Word) -> bool:
    """Return whether a row has a word."""
    return any(has_word(cell, word.text) for cell in row.cells)


def _anywhere(word: Word, table: Table) -> Condition:
    """Return the condition that a row has a word in the only column where it occurs."""
    columns, texts = table.heads[0].columns, table.heads[0].places("text")
    has = [n for n in texts if any(has_word(cell, word.text) for cell in table.coded("text", n).places)]
    if len(has) != 1:
        raise nothing([word], f"the columns are: {list_columns(columns)}", [columns[n].name for n in has])
    return attrs.evolve(having(has[0], columns[has[0]].name, word.text), apart=has[0])


PLANS = (
    ("mail", _mail),
    ("chat", _mail),
    ("log", _log),
    ("files", _files),
    ("events", _others),
    ("contacts", _others),
    ("tasks", plan_of_tasks),
)
"""Kinds of rows and the functions that plan over them."""
