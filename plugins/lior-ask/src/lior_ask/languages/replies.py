"""Replies in the language of a question: numbers with its marks, and translated sentences.

Code writes both in English; ``results.marks`` and ``results.replies`` of the languages translate them. A part
``{}`` of a sentence stays as it is, and ``{t0}`` is the first part, translated.
"""

from __future__ import annotations

import re
from functools import cache

from lior_ask.languages.lists import languages, others

_NUMBER = re.compile(r"(?<![\w.,:])\d{1,3}(?:,\d{3})*(?:\.\d+)?(?=,?(?:[\s)%]|$))")


def in_marks(text: str, language: str) -> str:
    """Return a text with its numbers written as in a language.

    >>> in_marks("1,200.50 - 12.50 = 1,188.00", "german"), in_marks("1,200.50 of 12.05.2024", "english")
    ('1.200,50 - 12,50 = 1.188,00', '1,200.50 of 12.05.2024')
    """
    marks = dict(zip(map(ord, ",."), _of(language, "marks"), strict=True))
    return _NUMBER.sub(lambda found: found[0].translate(marks), text)


def in_words_of(text: str, language: str) -> str:
    """Return an English sentence of code in a language, or as it is if its translation is unknown.

    >>> in_words_of("'key' and 'lock' are nowhere in the text", "german")
    "'key' und 'lock' stehen nirgends im Text"
    >>> in_words_of("the question seems to be German, and the text is English and French", "german")
    'die Frage scheint Deutsch zu sein, und der Text ist Englisch und Französisch'
    """
    for pattern, sentence in _translations(language):
        if found := pattern.fullmatch(text):
            parts = found.groups()
            return sentence.format(*parts, **{f"t{n}": in_words_of(p, language) for n, p in enumerate(parts)})
    words = text.split(" and ")
    if len(words) > 1:
        told = [in_words_of(word, language) for word in words]
        if all(new != old or old[:1] in ("'", '"') for new, old in zip(told, words, strict=True)):
            return in_words_of(" and ", language).join(told)
    return text


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
    """Return the words of replies in a language; in English if its words are unknown."""
    known = languages()
    return next((each for each in known if each.name == language), known[0]).lists[f"results.{key}"]


@cache
def _translations(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the sentences of code as patterns, each with its translation; none in English."""
    pairs = zip(_of("english", "replies"), _of(language, "replies"), strict=True)
    shown = [(re.escape(own).replace(r"\{\}", "(.+?)"), other) for own, other in pairs if own != other]
    return [(re.compile(pattern), other) for pattern, other in shown]
