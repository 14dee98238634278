"""Dialogue: a follow-up question inherits the subject of the last question.

A complete question is asked as it is, whatever came before. A follow-up begins with "and", "what about" or
the like, has a pronoun, has no content word, or has a single one that finds nothing alone. It is asked with
the content words of the last question that was answered or was itself complete. A passage answers it if it
has the words of the follow-up. If a pronoun refers to the subject, the passage must also have the subject, or
be in the document of the last answer. Otherwise nothing is found. If it is uncertain whether the follow-up
means the passage, the confidence is at most 89 %, 69 % or 49 %. Small talk, tasks and follow-ups without an
answer do not change the subject.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence
from difflib import get_close_matches

import attrs

from lior.interfaces import Passage, Result
from lior_ask.answer.intents import question_in, small_talk, task
from lior_ask.answer.selection import Answer
from lior_ask.conversation.followups import Message, about_conversation, meant_instead, people_in, read
from lior_ask.conversation.found_rows import FoundRows, shows_rows
from lior_ask.conversation.table_followups import (
    calculates,
    is_phrase,
    object_of,
    only_operates,
    other_values,
    refers_to_rows,
    whole_questions,
)
from lior_ask.languages.dates import MARK
from lior_ask.languages.lists import of_question
from lior_ask.languages.replies import in_words_of
from lior_ask.languages.words import asked_words, language_of, stem, tokens
from lior_ask.question.question import LONGEST_MESSAGE, Question, named, understood
from lior_ask.tables.reported import REPORTED

SEARCH_DEPTH = 12
"""Number of passages found for each question; the first few are shown."""
_PEOPLE = 3
"""Maximum number of names tried for a pronoun."""
_WHOLE = "It is not clear what is to be calculated of that; ask it as a whole question."
_LIKELY, _PERHAPS, _DOUBTFUL = 0.89, 0.69, 0.49
"""Maximum confidence of a follow-up that may mean something else."""


@attrs.frozen(kw_only=True)
class Turn:
    """A message and its answer."""

    message: str
    answer: Answer
    inherited: tuple[str, ...] = ()
    """The words of an earlier question that were added."""
    opens: bool = False
    """Whether the document of the quoted passage is to be shown."""
    passages: tuple[Passage, ...]
    """The passages in the order of their numbers from 1: the quoted one first, if there is one."""


class Dialogue:
    """A conversation about some documents.

    Parameters
    ----------
    ask
        Answers a question with a number of passages, such as :meth:`lior_ask.api.Index.ask`.

    >>> from lior_ask.api import Index
    >>> notes = Index()
    >>> notes.learn("house.md", "The boiler is serviced in October.\\n\\nThe car is serviced in May.")
    >>> talk = Dialogue(notes.ask)
    >>> talk.ask("When is the boiler serviced?").answer.answer.text
    'The boiler is serviced in October.'
    >>> talk.ask("And the car?").answer.answer.text
    'The car is serviced in May.'
    """

    def __init__(self, ask: Callable[[Question, int], Answer]) -> None:
        self._ask = ask
        self.reset()

    def reset(self) -> None:
        """Forget the conversation."""
        self.last: Turn | None = None
        """The last message that could be asked and was not small talk."""
        self._subject: tuple[str, ...] = ()
        """The content words of the last question."""
        self._names: tuple[str, ...] = ()
        """The content words that a pronoun may refer to."""
        self._focus: tuple[str, ...] = ()
        """The content words of the last message that was no declined follow-up."""
        self._quoted: list[Passage] = []
        """The passages quoted about this subject."""
        self._people: list[str] = []
        """Possible names of people in that message and in its answer."""
        self._calculated: tuple[str, str] | None = None
        """The last question, if it was calculated or declined, and what it calculated; empty if declined."""
        self._found = FoundRows()
        """The results of that question and of its follow-ups."""
        self._asked: list[str] = []
        """The messages so far, without small talk."""
        self._root: tuple[str, ...] = ()
        """The words of the last question that was not about another answer to it."""
        self._rejected: list[Passage] = []
        """The passages quoted about this subject that were not meant."""

    def ask(self, message: str | Question) -> Turn:
        """Answer a message; a long text is asked alone, and later messages do not refer to it.

        Raises ``UsageError`` when it has no word to look for, nor a subject to inherit, or is too long.
        """
        whole = understood(message)
        question, message = whole.saying(question_in(whole.text)), whole.text
        if len(message) > LONGEST_MESSAGE:
            self.reset()
            self.last = self._turn(message, question)
            return self.last
        if replied := self._small_talk(message, question) or self._of_conversation(message, question):
            return replied
        self._asked.append(message)
        rest = meant_instead(question.text)
        question = question.saying(rest or question.text)
        said = read(question)
        if rest is not None and self.last and self._quoted:
            said = attrs.evolve(said if rest else read(question.saying("")), marked=True)
            if meant := self._meant(message, said, self.last):
                self.last = meant
                self._remember(said, meant)
                return meant
        self._root, self._rejected = (), []
        if named := self._of_person(message, said):
            self.last = named
            self._remember(said, named)
            return named
        about_rows = self._of_rows(message, said)
        goes_on = self._calculated and (said.marked or only_operates(said.own))
        carried = self._carried_on(message, said) if goes_on else None
        if about_rows and not (carried and _agree(carried, about_rows)):
            self.last = about_rows
            self._continue(message, about_rows, goes_on=True)
            return about_rows
        if carried:
            self.last = carried
            self._continue(message, carried, goes_on=True)
            if self._calculated and (carried.answer.result or not carried.answer.said):
                whole = question.saying(self._calculated[0])
                self._focus = self._subject = self._names = _known((*whole.content,), carried.answer)
                self._quoted = _sources(carried.answer)
            return carried
        inherited = _without(self._subject, said.own)
        if not inherited or (len(said.own) > 1 and not said.marked):
            turn = self._turn(message, question)
        else:
            turn = self._follow_up(message, said, inherited)
        self.last = turn
        self._remember(said, turn)
        self._continue(message, turn, goes_on=False)
        return turn

    def _continue(self, message: str, turn: Turn, *, goes_on: bool) -> None:
        """Store the rows of a calculation, and the people in it if it continues another one."""
        if not (turn.answer.result or (self._calculated and self._calculated[1])):
            self._found = FoundRows()
        if turn.answer.result:
            self._found = self._found.then(message, turn.answer.result, goes_on=goes_on)
            told = (f"{row.text}\n{row.context}" for row in turn.answer.result.rows[:1])
            self._people = (goes_on and people_in(message.partition(" ")[2], *told)) or self._people

    def _of_rows(self, message: str, said: Message) -> Turn | None:
        """Return what a message asks about the rows found, or ``None`` if nothing is calculated."""
        last = self.last
        if last and last.answer.result and shows_rows(message):
            return attrs.evolve(last, message=message)
        asked = self._found.asked(said)
        turn = asked and self._turn(message, asked)
        if not (turn and turn.answer.result):
            return None
        repeats = last is not None and _agree(last, turn)  # probably something else is meant
        sure = min(turn.answer.confidence, _DOUBTFUL if repeats else _LIKELY)
        return attrs.evolve(turn, answer=attrs.evolve(turn.answer, confidence=sure))

    def _turn(self, message: str, question: Question, inherited: tuple[str, ...] = ()) -> Turn:
        answer = self._ask(question.saying(question.text, inherited), SEARCH_DEPTH)
        return turn_of(message, attrs.evolve(answer, question=message), inherited)

    def _small_talk(self, message: str, question: Question) -> Turn | None:
        """Return the reply to small talk or a task, or ``None`` for a question."""
        wanted = task(question.text)
        if not (wanted or small_talk(question.text)):
            return None
        turn = self._turn(message, question)
        if wanted and self._quoted and not turn.passages:  # it refers to what was quoted
            turn = attrs.evolve(turn, passages=tuple(reversed(self._quoted)), inherited=self._subject)
        self.last = turn if turn.passages else self.last
        return turn

    def _of_conversation(self, message: str, question: Question) -> Turn | None:
        """Return the reply to "what did I ask before?" or "open that file", or ``None`` for a question."""
        wanted, language = about_conversation(question.text), of_question(asked_words(question.text))
        if wanted is None:
            return None
        if wanted.opens:
            shown = self.last.passages if self.last else ()
            places = shown if wanted.ordinal else self._quoted[-1:] or shown
            found = places[max(wanted.ordinal, 1) - 1 :][:1]
            if not found:
                return _saying(message, in_words_of("Nothing was quoted that could be opened.", language))
            return attrs.evolve(_quoting(_saying(message, ""), found[0], 1.0), opens=True)
        asked = [f"{number}. {each}" for number, each in enumerate(self._asked, 1)]
        head = in_words_of("You asked:" if asked else "Nothing was asked before.", language)
        return _saying(message, "\n".join([head, *asked]))

    def _meant(self, message: str, said: Message, last: Turn) -> Turn | None:
        """Return another answer to the last question, with the words of "no, I meant …" and not yet quoted.

        ``None`` if nothing else was meant, or a calculation cannot be changed in this way."""
        if self._calculated:
            return self._carried_on(message, said) if said.own else None
        self._root = self._root or (question_in(last.message), *last.inherited)
        self._rejected += _sources(last.answer)
        whole = said.question.saying(" ".join([*self._root, *said.own]))
        turn = self._turn(message, whole, _without(self._focus, said.own))
        own = _known(said.own, turn.answer)
        left = (each for each in turn.passages if each not in self._rejected)
        best = next((each for each in left if len(_share(own, each)) == len(own)), None)
        if best is None:
            return _nothing(turn, said.own, self._focus)
        return _quoting(turn, best, min(turn.answer.confidence, _PERHAPS if own else _DOUBTFUL))

    def _of_person(self, message: str, said: Message) -> Turn | None:
        """Return the answer to a message with a name in place of its pronoun, or ``None`` if there is none.

        The answer quotes what that person wrote, or calculates rows that name the person."""
        for whole in said.naming(self._people[:_PEOPLE]):
            turn = self._turn(message, said.question.saying(whole))
            name = tuple(word for word in tokens(whole) if word not in tokens(said.text))
            quoted = turn.answer.answer
            about = quoted is not None and {*name} <= {*tokens(f"{quoted.text} {quoted.context}")}
            if turn.answer.found and (turn.answer.result or (about and turn.answer.confidence >= REPORTED)):
                sure = min(turn.answer.confidence, _LIKELY)
                answer = attrs.evolve(turn.answer, confidence=sure)
                return attrs.evolve(turn, inherited=name, answer=answer)
        return None

    def _remember(self, said: Message, turn: Turn) -> None:
        """Store the subject of an answered message for the messages that follow."""
        quoted, result = next(iter(_quotations(turn.answer)), None), turn.answer.result
        declined = quoted is None and result is None
        goes_on = bool(turn.inherited) or (declined and len(said.own) == 1)
        if declined and (turn.answer.said or (said.own and not goes_on)):
            self._calculated = turn.message, ""
        elif result or said.own:  # "and in August?" does not continue an earlier calculation
            self._calculated = (turn.message, object_of(result)) if result else None
        if declined and (not said.own or (goes_on and said.marked)):
            return
        about = _sources(turn.answer)
        self._quoted = [*(self._quoted if goes_on else ()), *about]
        told = (f"{passage.text}\n{passage.context}" for passage in about[:1])
        people = people_in(turn.message.partition(" ")[2], *told)
        self._people = people or (self._people if goes_on or not declined else [])
        if not said.own:
            return
        self._focus = _known(said.own, turn.answer)
        if not (turn.inherited and said.pronoun):
            kept = _share(turn.inherited, quoted) if quoted else self._subject * (declined and goes_on)
            self._subject = (*self._focus, *_without(kept, self._focus))
            self._names = _names(turn, self._subject) or self._subject

    # --- follow-ups ---

    def _carried_on(self, message: str, said: Message) -> Turn | None:
        """Return the last calculation as the message changes it, or ``None`` if it is about a passage.

        A question that was declined is asked again as the message changes it, whatever its answer is."""
        assert self._calculated
        wholes = ((whole, re.compile("")) for whole in whole_questions(*self._calculated, said.text))
        for whole, of in (*wholes, *other_values(*self._calculated, said.text)):
            asked, had = said.question.saying(whole), Question(message).subjects
            own = tuple(w for w in asked.content if w not in had and MARK not in w)
            turn = self._turn(message, asked, own)
            result = turn.answer.result
            if result and of.match(object_of(result)) and self._of_them(result, said.text):
                self._calculated = whole, object_of(result)
                sure = min(turn.answer.confidence, _LIKELY)
                return attrs.evolve(turn, answer=attrs.evolve(turn.answer, confidence=sure))
            if not self._calculated[1]:
                self._calculated = whole, ""
                return turn
        if not calculates(said.text) or not self._calculated[1]:
            return None
        turn = self._turn(message, said.question.saying(message))
        answer = attrs.evolve(
            _declined(turn.answer), said=in_words_of(_WHOLE, turn.answer.language), confidence=0.0
        )
        alone = turn.answer.result
        return turn if alone and self._of_them(alone, message) else attrs.evolve(turn, answer=answer)

    def _of_them(self, result: Result, message: str) -> bool:
        """Return whether a result has only rows of the last one, if a message asks for some "of them"."""
        last = self.last.answer.result if self.last else None
        if last is None or not refers_to_rows(message):
            return True
        return {(row.document, row.line) for row in result.rows} <= {(r.document, r.line) for r in last.rows}

    def _follow_up(self, message: str, said: Message, inherited: tuple[str, ...]) -> Turn:
        if not said.own:
            return self._another(message, said)
        alone = self._turn(message, said.question)
        changes = said.pronoun or (alone.answer.result and said.marked and is_phrase(said.text))
        if (alone.answer.said and not changes) or (alone.answer.found and not said.marked):
            return alone
        added = inherited
        if said.pronoun:
            added = _without(dict.fromkeys([*self._focus, *self._names]), said.own)
        joint = self._turn(message, said.question.saying(" ".join([said.text, *added])), added)
        best = self._best(said, added, joint, alone)
        if best is None:
            complete = not (said.marked or said.question.names.isdisjoint(said.own))
            return alone if complete else _nothing(joint, said.own, self._names)
        key, turn, passage = best
        about, most = key[1], _most(said, *key[:3], first=key[-2])
        turn = attrs.evolve(turn, inherited=added if about else turn.inherited)
        return _quoting(turn, passage, min(turn.answer.confidence, most))

    def _best(
        self, said: Message, added: Sequence[str], joint: Turn, alone: Turn
    ) -> tuple[tuple[float, ...], Turn, Passage] | None:
        """Return the passage that fits a follow-up best, with its turn and how well it does, or ``None``.

        To the values of :meth:`_fits` are added whether it is the first of its turn, and whether that is
        ``joint``, the answer with the inherited words.
        """
        own = _known(said.named or said.own, alone.answer)
        found: list[tuple[tuple[float, ...], Turn, Passage]] = []
        for turn in (joint, alone):
            for place, passage in enumerate(turn.passages if turn.answer.found else ()):
                if key := self._fits(said, own, added, passage):
                    found.append(((*key, place == 0, turn is joint), turn, passage))
        return max(found, key=lambda each: each[0], default=None)

    def _fits(
        self, said: Message, own: Sequence[str], added: Sequence[str], passage: Passage
    ) -> tuple[float, ...] | None:
        """Return how well a passage answers a follow-up, or ``None`` if it does not.

        The first value is the share of the follow-up's words in the passage. The others are: it has
        the subject; it is in the document of the last answer; the number of words of the last message in it;
        it is of the expected kind.
        """
        suits = said.suits(passage.text)
        share = len(_share(own, passage)) / len(own)
        near = bool(self._quoted) and passage.document == self._quoted[-1].document
        about = bool(_share(added, passage)) and (near or bool(said.named))
        if not said.named:  # the follow-up names only a kind
            share = max(share, float(bool(suits)))
        if share < (0.5 if about else 1.0) or ((said.pronoun or not said.named) and not (about or near)):
            return None
        return share, about, near, len(_share(self._focus, passage)), suits is not False

    def _another(self, message: str, said: Message) -> Turn:
        """Return the answer to a message without content words: of the expected kind, or not yet quoted."""
        last = self.last
        if said.ordinal and last and 1 < len(last.passages) >= said.ordinal:
            turn = attrs.evolve(last, message=message, inherited=self._subject)
            return _quoting(turn, last.passages[said.ordinal - 1], _DOUBTFUL)
        words = tuple(dict.fromkeys([*self._focus, *self._names]))
        turn = self._turn(message, said.question.saying(" ".join([said.text, *words])), words)
        if turn.answer.dates:
            return turn
        if not (turn.answer.found and self._quoted) or said.asks_more:
            return _nothing(turn, (), words)
        kind, latest = said.suits("") is not None, self._quoted[-1]
        most = _PERHAPS if said.measured else _DOUBTFUL
        if kind and said.suits(latest.text):
            return _quoting(turn, latest, min(turn.answer.confidence, most))
        passage = self._unquoted(said, turn.answer, latest.document, kind=kind)
        if passage is None:
            return _nothing(turn, (), words)
        return _quoting(turn, passage, min(turn.answer.confidence, most))

    def _unquoted(self, said: Message, answer: Answer, document: str, *, kind: bool) -> Passage | None:
        """Return the best passage of an answer that was not quoted and fits, or ``None``.

        ``document`` is that of the last answer; ``kind`` is whether a kind of answer is expected.
        """
        found: list[tuple[tuple[float, ...], Passage]] = []
        for passage, score in answer.passages:
            about, near = bool(_share(self._focus, passage)), passage.document == document
            fits = said.suits(passage.text) if kind else score >= 0.5 * answer.passages[0][1]
            if passage not in self._quoted and fits and (about or (near and said.measured)):
                found.append(((len(_share(said.light, passage)), about, near, score), passage))
        return max(found, key=lambda pair: pair[0])[1] if found else None


def _most(said: Message, share: float, about: float, near: float, *, first: float) -> float:
    """Return the maximum confidence of a follow-up that a passage answers with these values."""
    if share < 1 or not first or not (about or near):
        return _PERHAPS
    return 1.0 if said.pronoun and said.named and about else _LIKELY


def _agree(one: Turn, other: Turn) -> bool:
    """Return whether two turns have the same value, calculated from the same rows."""
    first, second = one.answer.result, other.answer.result
    if first is None or second is None:
        return False
    return (first.value, {*first.rows}) == (second.value, {*second.rows})


def turn_of(message: str, answer: Answer, inherited: tuple[str, ...] = ()) -> Turn:
    """Return a turn with an unchanged answer."""
    quoted = (answer.answer,) if answer.answer else ()
    others = tuple(passage for passage, _ in answer.passages if passage not in quoted)
    return Turn(message=message, answer=answer, inherited=inherited, passages=(*quoted, *others))


def _saying(message: str, said: str) -> Turn:
    """Return a turn with a reply about the conversation."""
    answer = Answer(
        question=message, found=False, confidence=0.0, answer=None, passages=(), method="", said=said
    )
    return Turn(message=message, answer=answer, passages=())


def _sources(answer: Answer) -> list[Passage]:
    """Return the passages that an answer rests on: the quoted one, or the rows of a calculation."""
    return _quotations(answer) or ([*answer.result.rows] if answer.result else [])


def _quotations(answer: Answer) -> list[Passage]:
    """Return the quoted passage, or those of an overview, the most relevant first."""
    if answer.dates:
        return [passage for passage, _ in sorted(answer.passages, key=lambda pair: -pair[1])]
    return [answer.answer] if answer.answer else []


def _without(words: Iterable[str], known: Container[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in known)


def _names(turn: Turn, words: Sequence[str]) -> tuple[str, ...]:
    """Return the words that are names in the message, or in the passage quoted or its headings."""
    known = {*named(f". {turn.message}")}
    for quoted in _quotations(turn.answer)[:1]:
        known |= {*tokens(" ".join([*re.findall(r"\w*[A-Z]\w+", quoted.text), quoted.context]))}
    return tuple(word for word in words if word in known)


def confirm_turn(turn: Turn, passage: Passage) -> str:
    """Return the question that a passage answers: the message, and the inherited words in the passage."""
    return " ".join([turn.message, *_share(turn.inherited, passage)])


def _quoting(turn: Turn, passage: Passage, confidence: float) -> Turn:
    """Return the turn with one of its passages as the answer."""
    others = tuple(each for each in turn.passages if each != passage)
    answer = attrs.evolve(turn.answer, found=True, confidence=confidence)
    if answer.dates or not answer.passages:
        answer = attrs.evolve(answer, said="", dates=())
    if passage != answer.answer:
        answer = attrs.evolve(answer, answer=passage, block=None)
    return attrs.evolve(turn, answer=answer, passages=(passage, *others))


def _nothing(turn: Turn, own: Sequence[str], names: Sequence[str]) -> Turn:
    """Return the turn without an answer."""
    what = " and ".join(map(repr, [*own, *names][:3]))
    note = turn.answer.note or in_words_of(
        f"no passage answers it that is about {what}", turn.answer.language
    )
    sure = min(turn.answer.confidence, 0.1)
    answer = attrs.evolve(_declined(turn.answer), confidence=sure, said="", dates=(), note=note)
    return attrs.evolve(turn, answer=answer)


def _declined(answer: Answer) -> Answer:
    return attrs.evolve(answer, found=False, answer=None, block=None, result=None)


def _known(words: Sequence[str], answer: Answer) -> tuple[str, ...]:
    """Return the words of a message in the spelling of the text."""
    return tuple(
        word if word in answer.words else next(iter(get_close_matches(word, answer.words, 1, 0.75)), word)
        for word in words
    )


def _share(words: Sequence[str], passage: Passage) -> list[str]:
    """Return the ``words`` that a passage or its context has."""
    found = tokens(f"{passage.text} {passage.context}")
    language = language_of(found)
    stems = {stem(word, language) for word in found}
    return [word for word in words if stem(word, language) in stems]
