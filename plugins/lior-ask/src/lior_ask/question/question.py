"""A question and its analysis, which does not depend on the text that it is asked of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import attrs

from lior.errors import UsageError
from lior.interfaces import Date
from lior_ask.languages.dates import dates
from lior_ask.languages.lists import languages, words
from lior_ask.languages.words import asked_words, asking_words, language_of, stop_words, tokens
from lior_ask.question.answer_type import expected
from lior_ask.question.filters import Filters

LONGEST_QUESTION = 100_000
"""Maximum number of characters of a question, in commands, chats and servers alike."""
LONGEST_MESSAGE = 600
"""Maximum number of characters of a message that may be small talk, a task, a follow-up or a calculation.
Chosen by hand; the patterns of these take time with the square of the length. A longer one is a text:
passages with its words are sought."""
_NOT = re.compile(r"(?:\b(?:ca|wo|sha))?n['’]t\b", re.I)
"""The negation of a contracted verb: "haven't" has the words "have not"."""
LIGHT = words("words.light")
"""Light words: a question may have them, and its answer need not."""


@attrs.frozen(slots=False)
class Question:
    """A question and its analysis. Each part is computed at first use, and cached.

    It is created once from a user's text and passed on. Retrievers see it as a
    :class:`lior.interfaces.Question`.

    >>> asked = Question("When does Marta fly to Oslo on 18 February?")
    >>> asked.subjects, sorted(asked.names)
    (['marta', 'fly', 'oslo', '18', 'february', 'd:02-18'], ['february', 'marta', 'oslo'])
    """

    text: str
    filters: Filters = attrs.field(factory=Filters, kw_only=True, repr=False)
    """Conditions on passages and rows."""
    follows: tuple[str, ...] = attrs.field(default=(), kw_only=True, repr=False)
    """The words of the subject of an earlier question that were added to it."""
    _among: dict[tuple[str, ...], str] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    def saying(self, text: str, follows: tuple[str, ...] = ()) -> Question:
        """Return the same question in other words."""
        same = (text, follows) == (self.text, self.follows)
        return self if same else Question(text, filters=self.filters, follows=follows)

    def among(self, languages: Sequence[str]) -> str:
        """Return its language among those of a text; the first if it is undecided."""
        known = (*languages,)
        if known not in self._among:
            self._among[known] = language_of(
                asked_words(self.text), known, default=known[0], least=1, asks=True
            )
        return self._among[known]

    @cached_property
    def tokens(self) -> list[str]:
        """The words, as :func:`~lior_ask.languages.words.tokens` returns them; "haven't" has two."""
        return tokens(_NOT.sub(" not", self.text))

    @cached_property
    def language(self) -> str:
        """The language; one stop word or word that asks is enough evidence."""
        return language_of(asked_words(self.text), least=1, asks=True)

    @cached_property
    def dates(self) -> list[Date]:
        """The dates in the question."""
        return dates(self.text, self.tokens)

    @cached_property
    def subjects(self) -> list[str]:
        """The words to look for, as they are counted."""
        stop = asking_words(self.language)
        counted = [*self.tokens, *(word for date in self.dates for word in date.words)]
        return [word for word in counted if word not in stop]

    @property
    def content(self) -> list[str]:
        """The words that name something."""
        return [word for word in self.subjects if word not in LIGHT]

    @cached_property
    def names(self) -> set[str]:
        """The capitalised words after its beginning, in lower case."""
        return named(self.text)

    @cached_property
    def closed(self) -> bool:
        """Whether it can be answered by yes or no: none of its first two words asks for something.

        Without a question mark, it begins with a frequent word such as "may", and not with an article.

        >>> [Question(text).closed for text in ("may dogs sleep here", "In which room?", "the lamp")]
        [True, False, False]
        """
        asking = self._own("words.interrogative")
        if not asking or not asking.isdisjoint(self.tokens[:2]):
            return False
        verbs = stop_words(self.language) | self._own("words.function") | self._own("words.auxiliary")
        others = self._own("words.articles") | self._own("words.prepositions")
        return self.text.rstrip().endswith("?") or not (verbs - others).isdisjoint(self.tokens[:1])

    @cached_property
    def identifies(self) -> bool:
        """Whether it asks who or what something is.

        >>> [Question(text).identifies for text in ("Who is Ilse?", "Who is the chair?", "When is it?")]
        [True, False, False]
        """
        return self.expected is None and not self._own("words.identity").isdisjoint(self.tokens[:1])

    def _own(self, key: str) -> frozenset[str]:
        """Return the words of ``key`` in its language."""
        return frozenset(
            word for each in languages() if each.name == self.language for word in each.lists[key]
        )

    @cached_property
    def expected(self) -> re.Pattern[str] | None:
        """The pattern of the expected type of answer, such as a time; ``None`` if it expects none."""
        return expected(self.text)

    def suits(self, text: str) -> bool:
        """Return whether a passage has the expected type of answer. A number of the question is none.

        >>> asked = Question("How much water did flat 9 use?")
        >>> asked.suits("Flat 9 used 73 cubic metres."), asked.suits("Flat 9 used too much.")
        (True, False)
        """
        return bool(self.expected and self.expected.search(self._numbers.sub("", text)))

    @cached_property
    def _numbers(self) -> re.Pattern[str]:
        own = "|".join(map(re.escape, re.findall(r"\d+(?:[.,:]\d+)*", self.text)))
        return re.compile(rf"(?<![\w.,:])(?:{own})(?![\w:]|[.,]\d)" if own else "(?!)")

    def checked(self) -> Question:
        """Return the question if it can be looked for.

        Raises ``UsageError`` if it is too long, or has no word to look for.
        """
        if len(self.text) > LONGEST_QUESTION:
            raise UsageError(
                f"the question has {len(self.text):,} characters and at most {LONGEST_QUESTION:,} are "
                "allowed; shorten it, or index that text and ask about it"
            )
        if not (self.subjects or self.filters.rows):
            raise UsageError(
                f"the question {self.text[:60]!r} has no word to look for (words such as 'what' and 'is' "
                "are in every text); name what it is about"
            )
        return self


def understood(question: str | Question, filters: Filters | None = None) -> Question:
    """Return the question of a user; a :class:`Question` is passed on.

    Raises ``UsageError`` if it is not a text.
    """
    if isinstance(question, Question):
        if not filters:
            return question
        return attrs.evolve(question, filters=attrs.evolve(filters, rows=question.filters.rows))
    if not isinstance(question, str):
        raise UsageError(f"question is of type {type(question).__name__}; give a text (str)")
    return Question(question, filters=filters or Filters())


def named(text: str) -> set[str]:
    """Return the capitalised words after the beginning of a text, in lower case."""
    return {word.lower() for word in re.findall(r"(?<=[\w,;] )[A-Z]\w+", text)}
