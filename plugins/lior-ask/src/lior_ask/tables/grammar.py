"""The grammar of calculations: the operation, and the words that name rows, columns and values.

File names, the period, comparisons with numbers and the operation are removed from a question. The other
words remain, each with the role that its preposition gives it.
"""

from __future__ import annotations

import re
from collections.abc import Set
from datetime import date
from typing import Literal

import attrs

from lior_ask.languages.dates import MONTHS
from lior_ask.languages.lists import any_of, either, of_question
from lior_ask.languages.lists import words as listed
from lior_ask.languages.words import asked_words, tokens
from lior_ask.question.question import Question
from lior_ask.tables import lexicon
from lior_ask.tables.asked import FILE, Compared
from lior_ask.tables.days import NAME, NUMBERS, UNIT_FORMS, Period
from lior_ask.tables.periods import as_names, period_in
from lior_ask.tables.query import Sign
from lior_ask.tables.units import number_said

Role = Literal["", "from", "to", "about", "per", "unit", "except"]
_AMOUNT = (
    r"(?:[€$£]|eur|chf|usd)?\s?(?P<number>\d[\d.,' ]*\d|\d)"
    r"\s?(?P<unit>[€$£%]|[^\W\d_]{1,3}\b|euros?|dollars?|francs?)?"
)
_COMPARED = [
    (sign, re.compile(rf"\b(?:{words})\s+{_AMOUNT}(?![\w.,]*\d)")) for sign, words in lexicon.COMPARISONS
]
_TITLE = re.compile(rf"(?<=\s){either('calculations.title')}\b\.?\s", re.I)
_EXTREMES = ("next", "newest", "oldest", "highest", "lowest")
DOUBTFUL = ("who", "most", "least", "share", "groups", "lacking", "to do")
"""Operations whose words occur in many other questions, too: not calculated if unclear."""
VIEWED = ("used", "worth", "net", "lasts")
"""Operations that only views of tables support (:mod:`lior_ask.tables.views`)."""
_PHRASE, _TOPIC = "\x02", "\x03"
_PER = "\x04"
"""Marks of the position of the operation, and of words such as "about" and "per"."""
_ASKING = listed("words.stop") | listed("words.function") | listed("words.kinds") | listed("words.vague")
_UNIT = re.compile("|".join(UNIT_FORMS.values()))
_GROUPED = re.compile(rf"{lexicon.PER.pattern}|\b{any_of(sorted(listed('words.from')))}\b")
"""Pattern of a grouping of rows, if no operation is named."""
_BY_ITSELF = (("which", lexicon.PAST), ("groups", _GROUPED))
"""Operations and their patterns if no other operation matches: "what has expired?"."""
_ASIDE = re.compile(rf"[,;]?\s+{either('periods.and')}\s+.*", re.I)
"""Pattern of a possible second question."""
_NAMED = re.compile(r"(?<=\w )([A-HJ-Z])(?![\w'.-])")
"""Pattern of a letter that is a name, "shed A", and not an article."""
_TOKEN = re.compile(rf"{NAME}?[^\W_]+(?:[-'.@+&/][^\W_]+)*'?|[^\w\s]")
_FEW = re.compile(rf"\b(\d{{1,3}}|{any_of(NUMBERS)})\s*$|^\s*(\d{{1,3}})\b")
_ELIDED = re.compile(rf"\b({either('calculations.elided')})'", re.I)


@attrs.frozen
class Word:
    """A word that must name something."""

    text: str
    """The word in lower case."""
    number: int
    """The position in the question."""
    role: Role = ""
    """The role by the preposition before it."""


@attrs.frozen(kw_only=True)
class Request:
    """The request of a question for a calculation."""

    operation: str
    """The operation, as in :class:`~lior.interfaces.Result` or one of these. ``which`` and ``who`` may ask
    for a list. ``paid`` may ask for a sum of an account. ``next`` is the first event from ``today`` on.
    ``most`` and ``least`` are the group of rows with the highest or lowest number or sum. ``lacking`` is for
    units of time without a row; ``to do`` for tasks that are not done."""
    today: date
    measure: str = ""
    """A key of :data:`~lior_ask.tables.lexicon.MEASURES`, if the operation implies one."""
    words: tuple[Word, ...]
    heads: tuple[str, ...]
    """The words of the first phrase after the operation: what is counted or listed."""
    files: tuple[str, ...] = ()
    """The file names in the question."""
    period: Period | None = None
    compared: tuple[Compared, ...] = ()
    few: int = 0
    """The number of rows asked for: ``the last 3 mails``; 0 if unspecified."""
    different: bool = False
    """Whether different values are counted."""
    unsupported: str = ""
    """A word of an unsupported calculation."""
    than: tuple[Sign | None, tuple[str, ...]] = (None, ())
    """A comparison sign, and the words of the column to compare with."""
    times: bool = False
    """Whether it asks how often something occurs."""
    exists: bool = False
    """Whether it asks if something exists: "is there a class on 23 July?"."""
    past: bool = False
    """Whether it asks for rows whose day is before the period, or before today."""
    added: bool = False
    """Whether numbers of a view are added up even if no word names them."""
    still: bool = False
    """Whether it asks for what is "still" so: most tables do not have this information."""
    we: bool = False
    """Whether it is about "we" or "I"."""
    us: bool = False
    """Whether "we" are those who are paid: "how much did Ada pay us?"."""
    who: bool = False
    """Whether it asks for a person."""
    unit: str = ""
    """The unit of time of the groups: ``day``, ``week``, ``month`` or ``year``."""
    negations: tuple[int, ...] = ()
    """The positions of words such as "not", each of which negates what is named next."""
    auxiliary: int = 0
    """The position of the last auxiliary verb."""

    @property
    def weak(self) -> bool:
        """Whether it may ask for a sentence instead."""
        return self.exists or self.operation in ("which", "paid", *VIEWED, *DOUBTFUL)


def parse(
    question: Question, today: date, names: Set[str] = frozenset(), *, tasks: bool = False
) -> Request | None:
    """Return the request of a question, or ``None`` if it has no word of a calculation.

    ``names`` are months that are names of people in these documents; ``tasks`` is whether they have tasks.

    >>> found = parse(Question("How many mails did Marta send in March 2025?"), date(2025, 6, 1))
    >>> found.operation, found.heads, [word.text for word in found.words]
    ('count', ('mails',), ['mails', 'marta', 'send'])
    """
    text = _TITLE.sub(" ", f" {question.text.strip().rstrip('?!. ')} ".replace("’", "'"))
    files = tuple(match[0] for match in FILE.finditer(text))
    for name in files:
        text = text.replace(name, " , ")
    text = as_names(_NAMED.sub(rf"{NAME}\1", text), names)
    text = re.sub(r"(?<![\d ]) ?%|(?<=[^\d] )%", " percent ", text)
    tasks = tasks and lexicon.TO_DO.search(text.lower()) is not None
    for pattern, not_paid in () if tasks else lexicon.OWING:  # "que doit faire Nadia ?" is about no debt
        text = pattern.sub(not_paid, text)
    text, left_out = _left_out(text)
    period, second, text = _periods(text, today, question.language)
    compared, text = _compared(text)
    than, text = _than(text)
    whole, found = text, ("to do", "", text, 0) if tasks else _operation(text)
    if found is None or (found[0] == "paid" and period is None and lexicon.NOW.search(whole)):
        return None
    operation, measure, text, at = found
    unsupported, past = lexicon.UNSUPPORTED.search(whole), lexicon.PAST.search(text)
    other = unsupported[0].strip() if unsupported else second.shown if second else ""
    different = lexicon.DIFFERENT.search(text)
    text = lexicon.PAST.sub(lambda match: " " * len(match[0]), lexicon.DIFFERENT.sub(" ", text))
    before, after = text[:at], text[at:]
    if operation in ("sum", "count"):
        before, after = (lexicon.TOTAL.sub(" ", part) for part in (before, after))
    few, before, after = _few(before, after) if operation in _EXTREMES else (0, before, after)
    read = _words(before, after, of_question(asked_words(question.text)))
    who = listed("words.who")
    words = [word for word in read.words if word.text not in who]
    unit, words = _unit("lacking" if operation == "which" and read.negations else operation, words)
    lacking = bool(operation == "which" and unit and read.negations)
    us = lexicon.TO_US.search(question.text.lower())
    return Request(
        operation="count" if operation == "exists" else "lacking" if lacking else operation,
        today=today,
        measure=measure,
        words=(*words, *left_out),
        heads=tuple(head for head in read.heads if any(word.text == head for word in words)),
        files=files,
        period=period,
        compared=compared,
        few=few,
        different=bool(different),
        unsupported=other,
        than=than,
        times=bool(lexicon.TIMES.search(whole)),
        exists=operation == "exists",
        past=bool(past),
        still=not listed("words.still").isdisjoint(question.tokens),
        we=not listed("words.we").isdisjoint({*question.tokens} - {*tokens(us[0] if us else "")}),
        us=us is not None,
        who=bool(who & {*question.tokens[:2]}),
        unit=unit,
        negations=() if lacking else tuple(read.negations),
        auxiliary=read.auxiliary,
    )


def _periods(text: str, today: date, language: str) -> tuple[Period | None, Period | None, str]:
    """Return the period of a question, a second one outside it, and the rest in lower case."""
    period, left = period_in(text, today, language)
    second, rest = period_in(left, today, language)
    if period and second and period.first and second.within(period.first.year).inside(period):
        period, left, second = second.within(period.first.year), rest, None  # "this year, in May"
    return period, second, left.lower()


def _compared(text: str) -> tuple[tuple[Compared, ...], str]:
    """Return the comparisons with numbers, and the question without them."""
    compared = list[Compared]()
    for sign, pattern in _COMPARED:
        for match in pattern.finditer(text):
            value = number_said(match["number"])
            if value is not None:
                compared.append(Compared(sign=sign, number=value, shown=" ".join(match[0].split())))
                text = text[: match.start()] + " , " + text[match.end() :]
    return tuple(compared), text


def _few(before: str, after: str) -> tuple[int, str, str]:
    """Return the number of rows asked for, "the last 3 mails", and the parts of the question without it."""
    found = _FEW.search(before) or _FEW.match(after)
    if not found:
        return 0, before, after
    count = next(each for each in found.groups() if each)
    number = NUMBERS.get(count) or int(count)
    return (
        (number, before[: found.start()], after) if found.group(1) else (number, before, after[found.end() :])
    )


def _than(text: str) -> tuple[tuple[Sign | None, tuple[str, ...]], str]:
    """Return sign and words of a comparison with another column, and the question without it."""
    for sign, pattern in lexicon.THAN:
        if match := pattern.search(text):
            return (sign, (*tokens(match[match.lastindex or 0]),)), text[: match.start()]
    return (None, ()), text


def _left_out(text: str) -> tuple[str, list[Word]]:
    """Return the question without its exceptions, "apart from the rent", and the words of these.

    An exception of rows without a value has no words, since these rows are never counted."""
    found = list[Word]()
    while match := lexicon.EXCEPT.search(text.lower()):
        words = _words("", match[match.lastindex or 0], "")
        idle = lexicon.VERBS - lexicon.OUTGOING  # "what never arrived"
        values = any(lexicon.VALUES.fullmatch(w.text) for w in words.words)
        lacking = bool(words.negations) and (values or all(w.text in idle for w in words.words))
        if words.negations and not lacking:
            break  # the exception is negated: "except those not paid"
        found += [] if lacking else [attrs.evolve(word, role="except") for word in words.words]
        text = f"{text[: match.start()]} , {text[match.end() :]}"
    return _without_aside(text), found


def _without_aside(text: str) -> str:
    """Return the question without a second one that names nothing new: ", and how much was it"."""
    for match in _ASIDE.finditer(text):
        before = tokens(text[: match.start()])
        known = {*before} | (_ASKING - MONTHS.keys())  # "in April and May"
        own = [w for w in tokens(match[0]) if w not in known and not lexicon.TOTAL.fullmatch(w)]
        if not own and match.start():
            return text[: match.start()]
    return text


def _unit(operation: str, words: list[Word]) -> tuple[str, list[Word]]:
    """Return the unit of time of groups, "per month", "monthly", "which month … most", and the words.

    The word of the unit gets the role ``unit``."""
    for place, word in enumerate(words):
        asked = operation in ("most", "least", "highest", "lowest", "lacking") and place == 0
        often = operation in ("mean", "groups")
        for unit, pattern in lexicon.UNITS.items():
            one = re.fullmatch(UNIT_FORMS[unit], word.text)
            per = word.role == "per" and operation not in ("highest", "lowest")
            if (often and pattern.fullmatch(word.text)) or (one and (per or asked)):
                return unit, [*words[:place], attrs.evolve(word, role="unit"), *words[place + 1 :]]
    return "", words


def _operation(text: str) -> tuple[str, str, str, int] | None:
    """Return operation, measure, the text without its words, and their position, or ``None``."""
    for operation, measure, pattern in lexicon.OPERATIONS:
        match = pattern.search(text)
        if match and not (operation == "list" and lexicon.ASKS.match(text, match.end())):
            at, rest = match.start(), text[match.end() :]
            if operation == "share":  # "the share of …, in percent"
                rest = pattern.sub(" ", rest)
            return operation, measure, f"{text[:at]}  {rest}", at + 1
    return next(((name, "", text, 0) for name, told in _BY_ITSELF if told.search(text)), None)


@attrs.define
class _Read:
    """The words of a question that must name something, with negations and the auxiliary verb."""

    words: list[Word] = attrs.field(factory=list)
    heads: list[str] = attrs.field(factory=list)
    """The words of the first phrase after the operation."""
    negations: list[int] = attrs.field(factory=list)
    auxiliary: int = 0


def _words(before: str, after: str, language: str) -> _Read:
    """Return the words of the two parts of a question, before and after its operation."""
    froms, tos, function, articles = (
        listed(f"words.{key}", language) for key in ("from", "to", "function", "articles")
    )
    read = _Read()
    role: Role = ""
    open_phrase = False
    after = lexicon.ABOUT.sub(f" {_TOPIC} ", lexicon.PER.sub(f" {_PER} ", after))
    text = lexicon.PER.sub(f" {_PER} ", before) + _PHRASE + after
    for number, token in enumerate(_TOKEN.findall(_ELIDED.sub(r"\1 ", text))):
        if token in lexicon.AUXILIARIES:
            read.auxiliary = number
        if token == _PHRASE:
            open_phrase, role = True, ""
        elif token in (_TOPIC, _PER):
            open_phrase, role = False, "about" if token == _TOPIC else "per"
        elif token in lexicon.NOT or token.endswith("n't"):
            read.negations.append(number)
        elif token in froms or token in tos:
            open_phrase = open_phrase and not read.heads
            role = "from" if token in froms else "to"
        elif not token.lstrip(NAME)[:1].isalnum() or (
            function.issuperset(token.split("-")) and not (role == "per" and _UNIT.fullmatch(token))
        ):
            open_phrase = open_phrase and not read.heads
            role = role if token in articles else ""
        else:
            name = token.removeprefix(NAME).removesuffix("'s").rstrip("'")
            if name in function and token.endswith("'s"):  # "what's"
                continue
            read.words.append(Word(name, number, "from" if token.endswith("'s") and not role else role))
            if open_phrase:
                read.heads.append(name)
    return read
