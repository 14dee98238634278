"""Choosing: which sentence of a block answers a question, and whether the one before it belongs to it.

A sentence stands for more words than it has: "It was serviced in May" below the heading "Boiler" speaks of
the boiler. It inherits the words of its headings, of the sentence before it and of the line that announces
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from lior.interfaces import Passage, Question
from lior_ask.chunking.page import ITEM
from lior_ask.languages.dates import apart
from lior_ask.languages.words import stem, stop_words

_BEFORE, _ABOVE = 0.9, 0.8
"""Weight of a word that the sentence before has, or that a heading or an announcing line has."""
_KIND = 0.25
"""What a sentence of the kind that is asked for has more."""
_FIRST = 0.15
"""What the first sentence below a heading has more if the question names the heading: it says what it is."""
_NAMED = 0.3
"""Share of the question from which on it names the heading."""
_MARGIN = 0.1
"""How much better than the sentence that was found another one of its block must be."""
_SUBJECT = 0.2
"""Share of the question that the sentence before must add to be a part of the answer."""
_LONGEST = 400
"""Characters of two sentences that are an answer together."""


@attrs.frozen
class Asked:
    """A question, as it is compared with sentences."""

    question: Question
    language: str
    weights: Mapping[str, float]
    """Stem -> how much it tells."""

    def stems(self, text: str) -> set[str]:
        """The stems of a text without stop words."""
        stop = stop_words(self.language)
        return {stem(word, self.language) for word in apart(text) if word not in stop}

    def share(self, stems: set[str]) -> float:
        """Which part of the question these stems are, by weight, in [0, 1]."""
        return sum(self.weights.get(each, 0.0) for each in stems) / max(sum(self.weights.values()), 1e-9)

    def silent(self, passage: Passage) -> bool:
        """Whether a passage cannot be the answer: it names, asks, announces or repeats the question."""
        if passage.title or passage.text.rstrip("*_ ").endswith(("?", ":")):
            return True
        found = self.stems(passage.text)
        # "May" is a stop word, and a month: a sentence with what is asked for says more than the question.
        says = self.question.expected is not None and self.fits(passage)
        return bool(found) and found <= self.weights.keys() and not says

    def fits(self, passage: Passage) -> bool:
        """Whether a passage has the kind of thing asked for; true where the question does not tell."""
        return self.question.expected is None or self.question.suits(passage.text)


def values(asked: Asked, block: Sequence[Passage]) -> list[float]:
    """How well each passage of a block answers: the share of the question that it has or inherits, and more
    if it is of the kind asked for; −1 for one that cannot be the answer."""
    found, before, announced = list[float](), set[str](), set[str]()
    for number, passage in enumerate(block):
        own, above = asked.stems(passage.text), asked.stems(passage.context) | announced
        if number and passage.group != block[number - 1].group:
            announced = set()
        value = asked.share(own) + _BEFORE * asked.share(before - own)
        value += _ABOVE * asked.share(above - own - before)
        if asked.question.expected:
            value += _KIND * asked.fits(passage)
        title = passage.context.split("\n")[-2:-1]
        if not number and title and asked.share(asked.stems(title[0])) >= _NAMED:
            value += _FIRST
        found.append(-1.0 if asked.silent(passage) else value)
        before = own
        if passage.text.endswith(":"):
            announced = own
    return found


def choose(asked: Asked, block: Sequence[Passage], matched: int) -> tuple[range, float]:
    """The sentence of a block that answers, or two adjacent ones of which the first has the subject.

    Parameters
    ----------
    matched
        Number of the passage that the question was found by. It is the answer unless another one is clearly
        better, or it cannot be.

    Returns
    -------
    tuple
        Numbers of the sentences, and the value of the last one; −1 where none can be the answer.
    """
    value = values(asked, block)
    best = max(range(len(block)), key=lambda number: (value[number], number == matched, -number))
    if value[best] < value[matched] + _MARGIN:
        best = matched
    if best and not asked.silent(block[best]) and _needs(asked, block[best], block[best - 1]):
        return range(best - 1, best + 1), value[best]
    return range(best, best + 1), value[best]


def _needs(asked: Asked, passage: Passage, before: Passage) -> bool:
    """Whether a passage is understood only together with the one before it."""
    if asked.silent(before) or passage.group != before.group or ITEM.match(passage.text):
        return False
    if len(passage.text) + len(before.text) > _LONGEST:
        return False
    known = asked.stems(f"{passage.text} {passage.context}")
    return asked.share(asked.stems(before.text) - known) >= _SUBJECT
