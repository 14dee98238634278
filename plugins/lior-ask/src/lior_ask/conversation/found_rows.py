"""The rows that calculations found, which a later message may refer to: "which of them are late?"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from lior.interfaces import Passage, Result
from lior_ask.conversation.followups import Message
from lior_ask.conversation.table_followups import refers_to_rows
from lior_ask.languages.lists import either
from lior_ask.languages.words import tokens
from lior_ask.question.question import Question
from lior_ask.tables.lexicon import INCOMING, OUTGOING

_TOTAL = re.compile(rf"\b{either('calculations.total')}\b", re.I)
_SHOWS = re.compile(
    rf"\W*{either('calculations.list')}\s+(?:{either('followups.the')}\s+)?{either('things.rows')}\W*", re.I
)
_NO_ROWS = ("highest", "lowest", "newest", "oldest", "value", "sum", "mean")
"""Operations after which "them" is not the rows shown, but those compared, or what was added up."""


def shows_rows(message: str) -> bool:
    """Return whether a message only asks for the rows of the last result: "show me the rows"."""
    return _SHOWS.fullmatch(message) is not None


@attrs.frozen
class FoundRows:
    """The results of a question and of its follow-ups, in order."""

    question: str = ""
    """The question of the first result."""
    results: tuple[Result, ...] = ()

    def then(self, question: str, result: Result, *, goes_on: bool) -> FoundRows:
        """Return the results with one more, or with this one alone if it does not continue the question."""
        if not (goes_on and self.results):
            return FoundRows(question, (result,))
        return FoundRows(self.question, (*self.results, result))

    def asked(self, said: Message) -> Question | None:
        """Return what a message asks about some of the rows, limited to these, or ``None``."""
        if not self.results:
            return None
        last, text = self.results[-1], said.question.text
        other = [word for word in said.own if not _TOTAL.search(word)]
        if _TOTAL.search(text) and len(other) <= said.marked:
            return _limited(said.question, f"{text} {self._measured()}", self._added())
        if said.pronoun and not (refers_to_rows(text) and last.operation in _NO_ROWS):
            return _limited(said.question, text, last.rows)
        return None

    def _added(self) -> Sequence[Passage]:
        """Return the rows of all results of the last operation, or of the last one if it is among them."""
        *before, last = self.results
        rows = [row for each in before if each.operation == last.operation for row in each.rows]
        return last.rows if {*last.rows} <= {*rows} else [*rows, *last.rows]

    def _measured(self) -> str:
        """Return the column that was added up and the words of paying in the question, or an empty string."""
        if self.results[-1].operation != "sum":
            return ""
        paid = (word for word in tokens(self.question) if word in INCOMING | OUTGOING)
        return " ".join([self.results[-1].about.partition(" in ")[0], *paid])


def _limited(question: Question, text: str, rows: Sequence[Passage]) -> Question | None:
    """Return a question about some rows only, or ``None`` without rows."""
    places = frozenset((row.document, row.line) for row in rows)
    if not places:
        return None
    return attrs.evolve(question.saying(text), filters=attrs.evolve(question.filters, rows=places))
