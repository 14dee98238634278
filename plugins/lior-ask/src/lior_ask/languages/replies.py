"""Replies in the language of a question: numbers with its marks, days, and translated sentences.

Code writes them in English; ``results`` of the languages has the translations: ``marks``, ``weekdays``,
``months``, ``replies``, ``tables`` (the columns of tables that lior makes) and ``query`` (the words of an
exact query). A part ``{}`` of a sentence stays as it is, and ``{t0}`` is the first part, translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache

from lior_ask.languages.lists import languages, others

_NUMBER = re.compile(r"(?<![\w.,:])\d{1,3}(?:,\d{3})*(?:\.\d+)?(?=,?(?:[\s)%]|$))")


def in_marks(text: str, language: str) -> str:
    """Return a text with its numbers written as in a language.

    >>> in_marks("1,200.50 - 12.50 = 1,188.00", "german"), in_marks("1,200.50 of 12.05.2024", "english")
    ('1.200,50 - 12,50 = 1.188,00', '1,200.50 of 12.05.2024')
    """
    marks = dict(zip(map(ord, ",."), _of(language, "results.marks"), strict=True))
    return _NUMBER.sub(lambda found: found[0].translate(marks), text)


def in_words_of(text: str, language: str, key: str = "results.replies") -> str:
    """Return an English sentence of code in a language, or as it is if its translation is unknown.

    ``key`` are the sentences: replies, or ``page.labels``.

    >>> in_words_of("'key' and 'lock' are nowhere in the text", "german")
    "'key' und 'lock' stehen nirgends im Text"
    >>> in_words_of("the question seems to be German, and the text is English and French", "german")
    'die Frage scheint Deutsch zu sein, und der Text ist Englisch und Französisch'
    """
    for pattern, sentence in _translations(language, key):
        if found := pattern.fullmatch(text):
            parts = found.groups()
            worded = {f"t{n}": in_words_of(part, language, key) for n, part in enumerate(parts)}
            return sentence.format(*parts, **worded)
    words = text.split(" and ")
    if len(words) > 1:
        told = [in_words_of(word, language, key) for word in words]
        if all(new != old or old[:1] in ("'", '"') for new, old in zip(told, words, strict=True)):
            return in_words_of(" and ", language).join(told)
    return text


def day_in(day: date, language: str) -> str:
    """Return a day with short names of its weekday and month.

    >>> day_in(date(2026, 12, 5), "english"), day_in(date(2026, 12, 5), "german")
    ('Sat 5 Dec 2026', 'Sa 5. Dez 2026')
    """
    [form], weekdays, months = (_of(language, f"results.{key}") for key in ("day_of", "weekdays", "months"))
    return form.format(weekdays[day.weekday()], day.day, months[day.month - 1], day.year)


def columns_in(columns: Sequence[str], language: str) -> tuple[str, ...]:
    """Return the names of the columns of a table that lior makes, such as events; other names as they are.

    >>> columns_in(("begin", "end", "summary", "place"), "german"), columns_in(("place", "price"), "german")
    (('Beginn', 'Ende', 'Titel', 'Ort'), ('place', 'price'))
    """
    own = dict(zip(_of("english", "results.tables"), _of(language, "results.tables"), strict=True))
    return tuple(own[" ".join(columns)].split()) if " ".join(columns) in own else tuple(columns)


def query_in(query: str, names: Mapping[str, str], language: str) -> str:
    """Return an exact query with its own words in a language, and ``names`` of columns and files as they map.

    Its own words are at its beginning and next to a name; others may be those of a cell.

    >>> names = {"cost": "cost", "a.csv": "a.csv", "kind": "kind"}
    >>> query_in("sum of cost in a.csv from 2026-01-01 on where kind is made in by month", names, "german")
    'Summe von cost in a.csv ab 2026-01-01 mit kind = made in nach Monat'
    """
    words = dict(zip(_of("english", "results.query"), _of(language, "results.query"), strict=True))
    for own, other in ((own, other) for own, other in words.items() if "{}" in own):
        query = re.sub(own.format(r"(\d{4}-\d\d-\d\d)"), other.format(r"\1"), query)

    def told(found: re.Match[str]) -> str:
        return re.sub(rf"(?<!\S){any_word}(?!\S)", lambda word: words[word[0]], found[0])

    any_word, units = _either(words), _either(word for word in words if word.startswith(("by ", "per ")))
    first, after, before, last = (
        re.compile(form)
        for form in (
            rf"^(?:{any_word}(?: |$))+",
            rf"^ {any_word}(?= |,|$)",
            rf"(?<= ){any_word} $",
            rf"(?<= ){units}$",
        )
    )
    pieces = re.split(rf"(?<![\w'])({_either(names)})(?![\w'])", query) if names else [query]
    pieces[0] = first.sub(told, pieces[0])
    pieces[::2] = [before.sub(told, after.sub(told, part)) for part in pieces[::2]]
    pieces[1::2] = [names[part] for part in pieces[1::2]]
    return last.sub(told, "".join(pieces))


def _either(words: Iterable[str]) -> str:
    """Return a pattern that matches any of these, the longest first."""
    return f"(?:{'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})"


def label(text: str, language: str) -> str:
    """Return a label of the page in a language.

    >>> label("Ask", "german"), label("3 rows used", "spanish")
    ('Fragen', '3 filas usadas')
    """
    return in_words_of(text, language, "page.labels")


@cache
def labels() -> dict[str, dict[str, str]]:
    """Return the labels of the page in each language but English: its code -> English -> the label.

    ``{}`` is a part to be filled in.
    """
    english, *rest = languages()
    own = english.lists["page.labels"]
    return {each.code: dict(zip(own, each.lists["page.labels"], strict=True)) for each in rest}


def preferred(codes: Iterable[str]) -> str:
    """Return the first language with labels among codes such as ``de-CH``, or English.

    >>> preferred(["it", "fr-CA", "en"]), preferred(["ja"])
    ('french', 'english')
    """
    known = {each.code: each.name for each in languages()}
    found = (known[short] for each in codes if (short := each.partition("-")[0].lower()) in known)
    return next(found, languages()[0].name)


def code_of(text: str) -> str:
    """Return the code by ISO 639-1 of the language of a text, or an empty string if it is unknown.

    >>> code_of("Le tirage des bateaux est interdit dans la cale."), code_of("REF 2024-17")
    ('fr', '')
    """
    from lior_ask.languages.words import language_of, tokens

    return code(language_of(tokens(text), default=""))


def code(language: str) -> str:
    """Return the code of a language by ISO 639-1, or an empty string if it is unknown."""
    codes = {each.name: each.code for each in languages()}
    return (codes | {name: str(each["code"]) for name, each in others().items()}).get(language, "")


def _of(language: str, key: str) -> tuple[str, ...]:
    """Return the words of a key in a language; in English if its words are unknown."""
    known = languages()
    return next((each for each in known if each.name == language), known[0]).lists[key]


@cache
def _translations(language: str, key: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the sentences of code as patterns, each with its translation; none in English."""
    pairs = zip(_of("english", key), _of(language, key), strict=True)
    specific = sorted(pairs, key=lambda pair: -len(pair[0]))  # "there is no log", and then "there is no {}"
    shown = [(re.escape(own).replace(r"\{\}", "(.+?)"), other) for own, other in specific if own != other]
    return [(re.compile(pattern), other) for pattern, other in shown]
