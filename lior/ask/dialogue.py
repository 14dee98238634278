"""Questions one after the other: a follow-up inherits the subject of the last question that was answered.

A question of its own is asked as it is, whatever was said before. A follow-up has no content word, or one
that alone finds nothing, or begins with "and", "what about", or has a pronoun. To it the content words of the
last answered question are added, and a passage with words of both is quoted. Where there is none, a pronoun
stands for the subject, so that a word of it is needed; without one, the words of the follow-up replace some
of the subject, and one of these is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs

from lior.ask.answering import LIGHT, Answer, subjects
from lior.ask.words import language_of, stem, tokens
from lior.interfaces import Passage

DEPTH = 12
"""Passages that are found for each question; the first few are shown."""
_BEGINS = re.compile(
    r"\W*(and|or|but|then|also|what about|how about|the (other|first|second|third|last|next))\b", re.I
)
_PRONOUNS = frozenset(
    "it its this that these those they them their he him his she her hers one ones".split()  # noqa: SIM905
)
_VAGUE = frozenset(
    "one ones other others another first second third last next else more".split()  # noqa: SIM905
)
"""Words that name nothing by themselves."""
_NUMBER = re.compile(
    r"\b(how (much|many|long|old|far|often|big|tall|heavy)|when|what (time|date|number|year))\b", re.I
)


@attrs.frozen(kw_only=True)
class Turn:
    """A message and what was found."""

    message: str
    answer: Answer
    inherited: tuple[str, ...] = ()
    """Words of an earlier question that were added."""
    passages: tuple[Passage, ...]
    """In the order of their numbers from 1: the quoted one first, if there is one."""


class Dialogue:
    """A conversation about some documents.

    Parameters
    ----------
    ask
        Answers a question with a number of passages, such as :meth:`lior.ask.index.Index.ask`.

    >>> from lior.ask.index import Index
    >>> notes = Index()
    >>> notes.learn("house.md", "The boiler is serviced in October.\\n\\nThe car is serviced in May.")
    >>> talk = Dialogue(notes.ask)
    >>> talk.ask("When is the boiler serviced?").answer.answer.text
    'The boiler is serviced in October.'
    >>> talk.ask("And the car?").answer.answer.text
    'The car is serviced in May.'
    """

    def __init__(self, ask: Callable[[str, int], Answer]) -> None:
        self._ask = ask
        self.reset()

    def reset(self) -> None:
        """Forget what was said."""
        self.last: Turn | None = None
        """The last message that could be asked."""
        self._subject: list[str] = []
        self._quoted: list[Passage] = []
        """Answers about this subject."""

    def ask(self, message: str) -> Turn:
        """Answer a message.

        Raises ``UsageError`` when it has no word to look for, nor a subject to inherit, or is too long.
        """
        own = [w for w in dict.fromkeys(subjects(message)) if w not in _VAGUE and w not in LIGHT]
        pronoun = not _PRONOUNS.isdisjoint(tokens(message))
        marked = pronoun or bool(_BEGINS.match(message))
        inherited = tuple(word for word in self._subject if word not in own)
        if not inherited or (len(own) > 1 and not marked):
            turn = self._turn(message, message)
        else:
            turn = self._follow_up(message, own, inherited, marked=marked, pronoun=pronoun)
        self.last = turn
        quoted = turn.answer.answer
        if quoted:
            self._quoted = [*(self._quoted if turn.inherited else ()), quoted]
            if own and not (turn.inherited and pronoun):
                self._subject = own + _shared(turn.inherited, quoted)
        return turn

    def _turn(self, message: str, question: str, inherited: tuple[str, ...] = ()) -> Turn:
        answer = self._ask(question, DEPTH)
        quoted = (answer.answer,) if answer.answer else ()
        others = tuple(passage for passage, _ in answer.passages if passage not in quoted)
        return Turn(message=message, answer=answer, inherited=inherited, passages=(*quoted, *others))

    def _follow_up(
        self, message: str, own: list[str], inherited: tuple[str, ...], *, marked: bool, pronoun: bool
    ) -> Turn:
        if not own:
            return self._another(self._turn(message, " ".join(inherited), inherited))
        alone = self._turn(message, message)
        if alone.answer.found and not marked:
            return alone
        turn = self._turn(message, " ".join([*own, *inherited]), inherited)
        both = [p for p in turn.passages if _shared(own, p) and _shared(inherited, p)]
        if turn.answer.found and both:
            return _quoting(turn, max(both, key=lambda p: len(_shared(own, p))))
        needed = inherited if pronoun else own
        if turn.answer.answer and not _shared(needed, turn.answer.answer):
            turn = self._turn(message, " ".join([*own, *inherited, *needed]), inherited)
            one = next((p for p in turn.passages if _shared(needed, p)), None)
            turn = _quoting(turn, one) if turn.answer.found and one else turn
        better = alone.answer.confidence > turn.answer.confidence
        return alone if alone.answer.found and len(own) > 1 and better else turn

    def _another(self, turn: Turn) -> Turn:
        """With a passage that was not quoted before, one with a number if the message asks for such."""
        if turn.answer.answer not in self._quoted:
            return turn
        scored = turn.answer.passages
        fresh = [p for p, score in scored if score >= 0.5 * scored[0][1] and p not in self._quoted]
        if _NUMBER.search(turn.message):
            fresh = [passage for passage in fresh if re.search(r"\d", passage.text)] or fresh
        return _quoting(turn, fresh[0]) if fresh else turn


def confirmed(turn: Turn, passage: Passage) -> str:
    """The question that a passage of a turn answers: the message, and those inherited words that it has."""
    return " ".join([turn.message, *_shared(turn.inherited, passage)])


def _quoting(turn: Turn, passage: Passage) -> Turn:
    """The turn with another of its passages as the answer."""
    others = tuple(each for each in turn.passages if each != passage)
    answer = attrs.evolve(turn.answer, answer=passage, block=None)
    return attrs.evolve(turn, answer=answer, passages=(passage, *others))


def _shared(words: Sequence[str], passage: Passage) -> list[str]:
    """Those of ``words`` that a passage or its context has."""
    found = tokens(f"{passage.text} {passage.context}")
    language = language_of(found)
    stems = {stem(word, language) for word in found}
    return [word for word in words if stem(word, language) in stems]
