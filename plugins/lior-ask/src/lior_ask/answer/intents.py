"""Messages that are not questions about the documents: small talk, and tasks that take more than a quotation.

A message is small talk if all of it is small talk. It is a task if it consists of the verb and the object of
a task: "translate the letter", not "translate key of the piano". The forms of each language are in
``languages``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import count, groupby
from pathlib import Path
from typing import Protocol

import attrs

from lior.interfaces import Passage
from lior_ask.answer.selection import Answer
from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.languages.lists import forms as forms_of
from lior_ask.languages.words import ENGLISH, stem, tokens
from lior_ask.question.question import LONGEST_MESSAGE, Question

LANGUAGES = tuple(each.name for each in languages())
_MOST_WORDS = 12
"""Maximum number of words of small talk."""
_AROUND = "before", "after"
"""Keys of the forms that may surround a task and are not tasks by themselves."""
_POLITE = "hello", "thanks", "bye"
_SUM = re.compile(
    rf"\W*({either('talk.sum')} )?"
    r"[(-]*\d[\d.,]*(( ?[+*×÷^%] ?| [-/x] )[(-]*\d[\d.,]*\)*)+[ =?]*",
    re.I,
)
_CLAUSE = re.compile(r"[,.!;:…–—\n]+\s")
_TAIL = re.compile(r"[?!.,;]\s+([^?!.,;]+)\W*$")
_GREETED = re.compile(
    rf"\W*{either('talk.greeting')}( ({either('talk.after_greeting')}|lior))? (?=¿?{either('talk.asks')}\b)",
    re.I,
)
_ASKED = re.compile(rf"[\s,]+{either('talk.please')}(?=\W*$)", re.I)
_NAMELESS = words("words.nameless")
"""Words of a task that name no document."""


@attrs.frozen
class Task:
    """A task that a message asks for, and its object."""

    kind: str
    """``summary``, ``translate``, ``write``, ``compare``, ``explain`` for documents, or another kind."""
    about: str
    """The object in the words of the message, or an empty string if it names none."""
    language: str

    @property
    def composed(self) -> bool:
        """Whether a language model can do the task from passages."""
        return self.kind in ("summary", "translate", "write", "compare", "explain")


# --- forms ---


@cache
def _forms() -> dict[str, Mapping[str, Mapping[str, str]]]:
    return {each.name: each.talk for each in languages()}


def _pattern(language: str, forms: str, kind: str = "") -> str:
    """Return the forms of one kind as a regular expression in which each group has its own name."""
    words = _forms()[language]["words"]
    numbers = count()
    either = "|".join(forms_of(forms))
    either = re.sub(r"<(\w+)>(?!\w*>)", lambda m: _name(words, m), either)
    either = re.sub(r"\.\+(?!\?)", ".+?", either)
    either = re.sub(r"\(\?P<about>", lambda _: f"(?P<about_{kind}{next(numbers)}>", either)
    return f"(?:{_bare(either)})"


def _name(words: Mapping[str, str], match: re.Match[str]) -> str:
    if match[1] not in words:
        return match[0]
    return any_of(forms_of(words[match[1]]))


@cache
def _small(language: str) -> re.Pattern[str]:
    kinds = _forms()[language]["small"].items()
    one = "|".join(f"(?P<{kind}>{_pattern(language, forms)})" for kind, forms in kinds)
    return re.compile(rf"(?:(?:{one})(?: |$))+")


@cache
def _tasks(language: str) -> re.Pattern[str]:
    """Return a pattern of all tasks, so that the forms around them are compiled once."""
    forms = _forms()[language]["tasks"]
    before, after = (_pattern(language, forms[name]) for name in _AROUND)
    each = (f"(?P<{kind}>{_pattern(language, forms[kind], kind)})" for kind in forms if kind not in _AROUND)
    return re.compile(rf"(?:{before} )*(?:{'|'.join(each)})(?: {after})*")


def _wanted(plain: str) -> tuple[str, str, re.Match[str]] | None:
    """Return language, kind and match of the first task that fits a plain message."""
    for language in LANGUAGES:
        if found := _tasks(language).fullmatch(plain):
            return (
                language,
                next(kind for kind in _forms()[language]["tasks"] if kind not in _AROUND and found[kind]),
                found,
            )
    return None


def _plain(message: str, *, accents: bool = False) -> str:
    """Return lower case without punctuation, except dots in file names, and without accents unless wanted."""
    text = message.lower() if accents else _bare(message.lower())
    text = re.sub(r"[’ʼ`´]", "'", text)
    text = re.sub(r"[^\w'./]|(?<!\w)\.|\.(?!\w{2,5}\b)|(?<!\w)'|'(?!\w)", " ", text)
    return " ".join(text.split())


def _bare(text: str) -> str:
    found = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return found.replace("ß", "ss")


# --- what a message is ---


def small_talk(message: str) -> tuple[str, str] | None:
    """Return language and kind of a message that is small talk, or ``None``.

    >>> small_talk("Thanks a lot!"), small_talk("thanks to whom did we get the loan?")
    (('english', 'thanks'), None)
    """
    plain = _plain(message[:LONGEST_MESSAGE])
    if not plain or plain.count(" ") >= _MOST_WORDS:
        return None
    for language in LANGUAGES:
        if found := _small(language).fullmatch(plain):
            kinds = [kind for kind, text in found.groupdict().items() if text and kind != "beside"]
            if kinds:
                return language, min(kinds, key=list(_forms()[language]["small"]).index)
    return None


def task(message: str) -> Task | None:
    """Return the task that a message asks for, or ``None`` for a question.

    >>> task("can you translate the letter into German?")
    Task(kind='translate', about='the letter', language='english')
    >>> task("translate key of the piano")
    """
    if len(message) > LONGEST_MESSAGE:
        return None
    if _SUM.fullmatch(message):
        return Task("sum", "", ENGLISH)
    plain = _plain(message)
    wanted = _wanted(plain)
    if wanted is None or wanted[1] == "rows":  # calculation is tried first
        return None
    language, kind, found = wanted
    names = (name for name, text in found.groupdict().items() if text and name.startswith("about_"))
    begin, end = next(map(found.span, names), (0, 0))
    words = _plain(message, accents=True).split()
    first = plain.count(" ", 0, begin)
    about = words[first : first + len(plain[begin:end].split())]
    return Task(kind, " ".join(about), language)


def question_in(message: str) -> str:
    """Return a message without a greeting or thanks before its question, and without "please" after it.

    >>> question_in("Hello! Where is the key, please?")
    'Where is the key?'
    """
    if len(message) > LONGEST_MESSAGE:
        return message
    rest = _ASKED.sub("", message)
    while head := _CLAUSE.search(rest):
        _, kind = small_talk(rest[: head.start()]) or ("", "")
        if not kind or not rest[head.end() :].strip() or (kind == "yes" and head[0].startswith(".")):
            break
        rest = rest[head.end() :]
    rest = _GREETED.sub("", rest, count=1)
    if (tail := _TAIL.search(rest)) and (small_talk(tail[1]) or ("", ""))[1] in _POLITE:
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
    message = question.text
    if len(message) > LONGEST_MESSAGE:
        return None
    talk = small_talk(message)
    if talk and (talk[1] in _POLITE or not named(index.documents, question)):
        return _said(message, *talk, [])
    wanted = task(message)
    if wanted is None:
        return None
    return _said(message, wanted.language, wanted.kind, about(wanted, index, top) if wanted.composed else [])


def unlisted(answer: Answer) -> Answer:
    """Return an answer without its passage if the message asks for a list that cannot be made."""
    if answer.said or not answer.found or len(answer.question) > LONGEST_MESSAGE:
        return answer
    wanted = _wanted(_plain(answer.question))
    if wanted is None or wanted[1] != "rows":
        return answer
    line = _forms()[wanted[0]]["lines"]["rows"]
    return attrs.evolve(answer, found=False, confidence=0.0, answer=None, block=None, said=line)


def _said(message: str, language: str, kind: str, passages: Sequence[tuple[Passage, float]]) -> Answer:
    line = _forms()[language]["lines"][kind]
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
    return (stem(_bare(word), ENGLISH) for word in words if word not in _NAMELESS)
