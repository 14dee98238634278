"""Messages read without context, in all languages: whether one is a follow-up, and what it asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.question.question import LIGHT, LONGEST_MESSAGE, Question, named


def _any(*keys: str) -> str:
    return either(*(f"followups.{key}" for key in keys))


def _word(*keys: str) -> re.Pattern[str]:
    return re.compile(rf"\b{_any(*keys)}\b", re.I)


_BEGINS = re.compile(rf"\W*(?:{_any('begins')}|(?={_any('the')} {_any('others')}))\b[\s,:]*", re.I)
_PRONOUN = _word("pronouns")
_PERSON = _word("persons")
"""Pattern of pronouns for a person."""
_TITLE = re.compile(rf"\b{either('calculations.title')}\b\.? ", re.I)
_NAME = re.compile(r"[^\W\d_a-zß-ÿ]\w+(?:[ -][^\W\d_a-zß-ÿ]\w+)*")
_NOT_ONE = re.compile(rf"\b{_any('no_pronouns')}\b")
"""Pattern of words that look like pronouns and refer to nothing."""
_POLITE = rf"(?:{either('talk.before', 'talk.please')} )*"
_OPENS, _ASKED = (
    re.compile(rf"\W*{_POLITE}{_any(key)}(?:\W*{either('talk.please')})?\W*", re.I)
    for key in ("opens", "asked")
)
_REJECTS = re.compile(rf"\W*{_any('rejects')}\b[\s,.:;!-]*", re.I)
_VAGUE = words("words.vague")
"""Words that name nothing alone."""
_ORDINALS = _word("first"), _word("second"), _word("third")
_NUMBERS = any_of(n for each in languages() for key in ("one", "numbers") for n in each.lists[f"words.{key}"])
_MONTHS = [month for each in languages() for month in each.months]
_TIMES = any_of(
    [
        *_MONTHS,
        *(each.split()[0] for own in languages() for each in own.lists["dates.weekdays"]),
        _any("times"),
    ]
)
_CLOCK = rf"\b(19|20)\d\d\b|\b\d\d?([:.]\d\d\b|\.|{either('dates.ordinal')}\b| ?{_any('clock')})"
_DAY = rf"\W* {any_of(month[:3] for month in languages()[0].months)}"
_KINDS = (
    (
        _word("price"),
        re.compile(
            rf"\b{_any('price_told')}\b|[€$£]|\d[.,]\d\d(?![\d:])"
            rf"|(?<![\d:./-])(?<!\bh )\d{{2,6}}(?![\d:./-]|{_DAY})",
            re.I,
        ),
    ),
    (_word("number"), re.compile(rf"\d|\b{_NUMBERS}\b", re.I)),
    (_word("time"), re.compile(rf"{_CLOCK}|\b{_TIMES}\b", re.I)),
)
"""Patterns of a message that asks for a kind, and of a sentence with that kind, in all languages."""
_PLACE = _word("place"), _word("place_told")
_ASKS = _word("more")
_SAY_LITTLE = words("words.says_little")
"""Light words of other languages, as :data:`lior_ask.question.question.LIGHT`."""
_TIMED = re.compile(rf"\b({_any('timed')} )?(\b{_TIMES}\b|\d+)", re.I)
"""Pattern of times, which are removed before a place or a person is sought."""
_KIND_WORDS = words("words.kinds")
"""Words that only name the kind; a sentence of that kind need not have them."""


@attrs.frozen
class Message:
    """A message of a conversation, read without its context."""

    question: Question
    """The question without a word such as "and" at its beginning."""
    own: tuple[str, ...]
    """The words that name something."""
    marked: bool
    """Whether it has the mark of a follow-up."""
    pronoun: bool
    """Whether a pronoun refers to an earlier message."""
    ordinal: int
    """The number of the passage that it refers to, from 1: "the second one"; 0 for none."""

    @property
    def text(self) -> str:
        return self.question.text

    @property
    def light(self) -> list[str]:
        """The words that name nothing but are in few sentences, such as "come"."""
        return [word for word in self.question.subjects if word in LIGHT]

    @property
    def named(self) -> tuple[str, ...]:
        """The words that a passage must have: those that name more than the kind."""
        return tuple(word for word in self.own if word not in _KIND_WORDS)

    def suits(self, text: str) -> bool | None:
        """Return whether a text has the expected kind, or ``None`` if the message expects none."""
        for asked, wanted in _KINDS:
            if asked.search(self.text):
                return bool(wanted.search(text))
        untimed = _TIMED.sub(" ", text)
        if _PLACE[0].search(self.text):
            return bool(_PLACE[1].search(untimed))
        return self.question.suits(untimed) if self.question.expected else None

    def naming(self, people: Sequence[str]) -> Iterator[str]:
        """Yield the message with each of ``people`` in place of its pronoun for a person, if it has one."""
        if found := _PERSON.search(_NOT_ONE.sub(lambda match: " " * len(match[0]), self.text)):
            for name in people:
                yield self.text[: found.start()] + name + self.text[found.end() :]

    @property
    def asks_more(self) -> bool:
        """Whether it asks for a kind that no pattern detects in a text, such as a reason in French."""
        return self.suits("") is None and bool(_ASKS.search(self.text))

    @property
    def measured(self) -> bool:
        """Whether it asks for a number, a price or a time, which a pattern detects in a text."""
        return any(asked.search(self.text) for asked, _ in _KINDS)


def people_in(*texts: str) -> list[str]:
    """Return possible names of people in texts: capitalised words, names of several words first, each once.

    >>> people_in("our landlady is Mrs Monika Brandt", "Damp corner")
    ['Monika Brandt', 'Damp']
    """
    found = [name for text in texts for name in _NAME.findall(_TITLE.sub("", text))]
    people = [name for name in found if not re.search(rf"\b{_TIMES}\b", name, re.I)]
    return sorted(dict.fromkeys(people), key=lambda name: " " not in name)


def read(question: Question) -> Message:
    """Return a message with the marks of a follow-up.

    >>> read(Question("and her insurance?"))  # doctest: +ELLIPSIS
    Message(question=Question(text='her insurance?'), own=('insurance',), marked=True, ...)
    """
    message = question.text
    begins = _BEGINS.match(message)
    text = message[begins.end() :] if begins and message[begins.end() :].strip(" ?!.") else message
    question = question.saying(text)
    own = [w for w in dict.fromkeys(question.subjects) if w not in _VAGUE | _SAY_LITTLE | LIGHT]
    own = [w for w in own if not _PRONOUN.fullmatch(w)]
    found = _PRONOUN.search(_NOT_ONE.sub("", text))
    before = text[: found.start()] if found else ""
    pronoun = bool(found) and not named(before + " .")
    ordinal = next((n for n, each in enumerate(_ORDINALS, 1) if each.search(text)), 0)
    return Message(question, tuple(own), bool(begins) or pronoun, pronoun, ordinal * (not own))


@attrs.frozen
class Wanted:
    """A message about the conversation itself."""

    opens: bool
    """Whether it wants the file of a passage, and not the list of the questions."""
    ordinal: int = 0
    """The number of the passage, from 1; 0 for the one quoted last."""


def about_conversation(text: str) -> Wanted | None:
    """Return what a message about the conversation wants, or ``None`` for another message.

    >>> about_conversation("Open the second file, please"), about_conversation("what did I ask before?")
    (Wanted(opens=True, ordinal=2), Wanted(opens=False, ordinal=0))
    """
    if len(text) > LONGEST_MESSAGE:
        return None
    if _OPENS.fullmatch(text):
        return Wanted(True, next((n for n, each in enumerate(_ORDINALS, 1) if each.search(text)), 0))
    return Wanted(False) if _ASKED.fullmatch(text) else None


def meant_instead(text: str) -> str | None:
    """Return what was meant in place of the last answer; empty if the message only rejects it.

    >>> meant_instead("No, I meant the one for the boat"), meant_instead("no, wrong"), meant_instead("no")
    ('the one for the boat', '', None)
    """
    found = _REJECTS.match(text) if len(text) <= LONGEST_MESSAGE else None
    return text[found.end() :].strip(" ,.!?") if found else None
