"""Messages that are not questions about the documents: greetings and thanks, and tasks for a language model.

A message is small talk if all of it is: "thanks a lot!", not "thanks to whom?". It is a task if it consists
of the verb and the object of a task: "translate the letter", not "translate key of the piano".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Protocol

import attrs

from lior.interfaces import Passage
from lior_ask.answer.selection import Answer
from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.languages.words import ENGLISH, bare, stem, tokens
from lior_ask.question.question import LONGEST_MESSAGE, Question

_MOST_WORDS = 12
"""Maximum number of words of small talk."""
_REPLIES = {
    "thanks": "talk.welcome",
    "bye": "talk.goodbye",
    "hello": "talk.greeting",
    "task": "talk.declined",
}
"""The reply to each kind; thanks come before a goodbye and a greeting in the same message."""
_CLAUSE = re.compile(r"[,.!;:…–—\n]+\s")
_TAIL = re.compile(r"[?!.,;]\s+([^?!.,;]+)\W*$")
_GREETED = re.compile(
    rf"^\W*{either('talk.hello', 'talk.thanks')}( ({either('talk.beside')}|lior))?"
    rf" (?=¿?{either('talk.asks')}\b)",
    re.I,
)
_PLEASE = re.compile(rf"[\s,]+{either('talk.please')}(?=\W*$)", re.I)
_NAMELESS = words("words.nameless")
"""Words of a task that name no document."""


@attrs.frozen
class Task:
    """A task for a language model that a message asks for."""

    about: str
    """The object in the words of the message, in lower case, or an empty string if it names none."""
    language: str


# --- what a message is ---


@cache
def _patterns() -> dict[str, tuple[re.Pattern[str], re.Pattern[str]]]:
    """Return the patterns of small talk and of tasks by language.

    In small talk each word has a space after it, and a group tells the kind. The last group of a task is its
    object.
    """
    found = dict[str, tuple[re.Pattern[str], re.Pattern[str]]]()
    for own in languages():
        said = {key.partition(".")[2]: any_of(own.lists[key]) for key in own.lists if key.startswith("talk.")}
        small = "|".join(f"(?P<{kind}>{said[kind]})" for kind in ("thanks", "bye", "hello"))
        found[own.name] = (
            re.compile(rf"(?:(?:{small}|{said['beside']}|lior) )+"),
            re.compile(rf"(?:(?:{said['before']}|{said['please']}),? )*{said['tasks']}"),
        )
    return found


def small_talk(message: str) -> tuple[str, str] | None:
    """Return the language and the kind (``hello``, ``thanks``, ``bye``) of small talk, or ``None``.

    >>> small_talk("Thanks a lot!"), small_talk("thanks to whom did we get the loan?")
    (('english', 'thanks'), None)
    """
    plain = re.sub(r"[^\w']+", " ", _plain(message)).strip() + " "
    if len(message) > LONGEST_MESSAGE or plain.count(" ") > _MOST_WORDS:
        return None
    for language, (small, _) in _patterns().items():
        if found := small.fullmatch(plain):
            for kind, text in found.groupdict().items():
                if text:
                    return language, kind
    return None


def task(message: str) -> Task | None:
    """Return the task that a message asks for, or ``None`` for a question.

    >>> task("can you translate the letter into German?")
    Task(about='the letter into german', language='english')
    >>> task("translate key of the piano")
    """
    if len(message) > LONGEST_MESSAGE:
        return None
    plain = _plain(question_in(message)).strip(" ?!.,¡")
    for language, (_, tasks) in _patterns().items():
        if found := tasks.fullmatch(plain):
            return Task(found[found.lastindex].strip() if found.lastindex else "", language)
    return None


def _plain(message: str) -> str:
    return " ".join(message.lower().replace("’", "'").split())


def question_in(message: str) -> str:
    """Return a message without a greeting or thanks before or after its question, and "please" after it.

    >>> question_in("Hello! Where is the key, please?")
    'Where is the key?'
    """
    if len(message) > LONGEST_MESSAGE:
        return message
    rest = _PLEASE.sub("", message)
    while (head := _CLAUSE.search(rest)) and rest[head.end() :].strip() and small_talk(rest[: head.start()]):
        rest = rest[head.end() :]
    rest = _GREETED.sub("", rest)
    if (tail := _TAIL.search(rest)) and small_talk(tail[1]):
        rest = rest[: tail.start() + 1]
    return rest if any(map(str.isalnum, rest)) else message


# --- what is said ---


class Documents(Protocol):
    """The documents that a task may refer to: an index."""

    @property
    def documents(self) -> list[str]: ...

    def of_document(self, document: str) -> list[Passage]: ...

    def ask(self, question: Question, top: int) -> Answer: ...


def reply(question: Question, index: Documents, top: int) -> Answer | None:
    """Return the reply to small talk or to a task, with related passages, or ``None`` for a question."""
    if talk := small_talk(question.text):
        return _said(question.text, *talk, [])
    if wanted := task(question.text):
        return _said(question.text, wanted.language, "task", about(wanted, index, top))
    return None


def _said(message: str, language: str, kind: str, passages: Sequence[tuple[Passage, float]]) -> Answer:
    [line] = next(each.lists[_REPLIES[kind]] for each in languages() if each.name == language)
    return Answer(
        question=message,
        found=False,
        confidence=0.0,
        answer=None,
        passages=tuple(passages),
        evidence=({},) * len(passages),
        method="",
        said=line,
    )


def about(wanted: Task, index: Documents, top: int) -> list[tuple[Passage, float]]:
    """Return the first passage of each block of the documents that a task names, or passages about it."""
    topic = Question(wanted.about)
    documents = named(index.documents, topic)
    if documents:
        each = [_first_lines(index.of_document(name)) for name in documents[:top]]
        share = -(-top // len(each))
        return [(passage, 1.0) for lines in each for passage in lines[:share]][:top]
    if not [word for word in topic.content if word not in _NAMELESS]:
        return []
    answer = index.ask(topic, top)
    return [*answer.passages] if answer.found else []


def _first_lines(passages: Sequence[Passage]) -> list[Passage]:
    return [next(block) for _, block in groupby(passages, lambda passage: passage.block)]


def named(documents: Iterable[str], question: Question) -> list[str]:
    """Return the documents whose names contain all words of ``question``, or are contained in it.

    >>> named(["ops/2025-postmortem.md", "garden.md"], Question("the postmortem"))
    ['ops/2025-postmortem.md']
    """
    wanted = {*_stems(question.subjects)}
    if not wanted:
        return []
    found = dict[str, tuple[bool, bool]]()
    for name in documents:
        path, _, inner = name.partition("#")
        words = tokens(re.sub(r"[_\W]", " ", Path(path).stem))
        own = {*_stems([*words, *tokens(inner)])}
        whole = own | {*_stems(["".join(filter(str.isalpha, words)), *tokens(re.sub(r"[_\W]", " ", name))])}
        if wanted <= whole or (own and own <= wanted):
            found[name] = wanted <= own, own <= wanted
    return sorted(found, key=lambda name: (-sum(found[name]), name)) if len(found) <= 12 else []


def _stems(words: Iterable[str]) -> Iterator[str]:
    return (stem(bare(word), ENGLISH) for word in words if word not in _NAMELESS)
