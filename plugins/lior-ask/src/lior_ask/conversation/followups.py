"""What a message says by itself: whether it is a follow-up, and what it asks, in all languages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.question.question import LIGHT, Question, named


def _any(*keys: str) -> str:
    return either(*(f"followups.{key}" for key in keys))


def _word(*keys: str) -> re.Pattern[str]:
    return re.compile(rf"\b{_any(*keys)}\b", re.I)


_BEGINS = re.compile(rf"\W*(?:{_any('begins')}|(?={_any('the')} {_any('others')}))\b[\s,:]*", re.I)
_PRONOUN = _word("pronouns")
_PERSON = _word("persons")
"""Pronouns that stand for a person."""
_TITLE = re.compile(rf"\b{either('calculations.title')}\b\.? ", re.I)
_NAME = re.compile(r"[^\W\d_a-zß-ÿ]\w+(?:[ -][^\W\d_a-zß-ÿ]\w+)*")
_NOT_ONE = re.compile(rf"\b{_any('no_pronouns')}\b")
"""Words that look like pronouns and stand for nothing that was said."""
_VAGUE = words("words.vague")
"""Words that name nothing by themselves."""
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
"""What a message asks for, and what a sentence that answers it has; further than in English alone."""
_PLACE = _word("place"), _word("place_told")
_ASKS = _word("more")
_SAY_LITTLE = words("words.says_little")
"""Words of other languages as those of :data:`lior_ask.question.question.LIGHT`."""
_TIMED = re.compile(rf"\b({_any('timed')} )?(\b{_TIMES}\b|\d+)", re.I)
"""When, which is neither where nor who."""
_KIND_WORDS = words("words.kinds")
"""Words that only say the kind; a sentence of that kind need not have them."""


@attrs.frozen
class Message:
    """A message of a conversation, read without what was said before."""

    question: Question
    """Without a word such as "and" at its beginning."""
    own: tuple[str, ...]
    """Words that name something."""
    marked: bool
    """Whether it says that it goes on with what was said."""
    pronoun: bool
    """Whether a word stands for what was said."""
    ordinal: int
    """Of the thing that it points to, from 1: "the second one"; 0 where it does not."""

    @property
    def text(self) -> str:
        return self.question.text

    @property
    def light(self) -> list[str]:
        """Words that name nothing but are in few sentences, such as "come"."""
        return [word for word in self.question.subjects if word in LIGHT]

    @property
    def named(self) -> tuple[str, ...]:
        """Words that a passage must have: those that say more than the kind, if there are any."""
        return tuple(word for word in self.own if word not in _KIND_WORDS)

    def suits(self, text: str) -> bool | None:
        """Whether a text has the kind that is asked for; ``None`` where the message does not tell."""
        for asked, wanted in _KINDS:
            if asked.search(self.text):
                return bool(wanted.search(text))
        untimed = _TIMED.sub(" ", text)
        if _PLACE[0].search(self.text):
            return bool(_PLACE[1].search(untimed))
        return self.question.suits(untimed) if self.question.expected else None

    def naming(self, people: Sequence[str]) -> Iterator[str]:
        """The message with each of ``people`` in place of its pronoun for a person; nothing without one."""
        if found := _PERSON.search(_NOT_ONE.sub(lambda match: " " * len(match[0]), self.text)):
            for name in people:
                yield self.text[: found.start()] + name + self.text[found.end() :]

    @property
    def asks_more(self) -> bool:
        """Whether it asks for a kind that is not told in a text, such as a reason in French."""
        return self.suits("") is None and bool(_ASKS.search(self.text))

    @property
    def measured(self) -> bool:
        """Whether a number, a price or a time is asked for, which a text has or has not."""
        return any(asked.search(self.text) for asked, _ in _KINDS)


def people_in(*texts: str) -> list[str]:
    """What may be names of people in texts: words with capitals, those of several words first, each once.

    >>> people_in("our landlady is Mrs Monika Brandt", "Damp corner")
    ['Monika Brandt', 'Damp']
    """
    found = [name for text in texts for name in _NAME.findall(_TITLE.sub("", text))]
    people = [name for name in found if not re.search(rf"\b{_TIMES}\b", name, re.I)]
    return sorted(dict.fromkeys(people), key=lambda name: " " not in name)


def read(question: Question) -> Message:
    """A message with the marks of a follow-up.

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
