"""Task lists in text as tables: lines with boxes, or keywords such as TODO, and lines of todo.txt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import attrs

from lior.interfaces import Table
from lior_ask.languages.dates import dates, is_day
from lior_ask.languages.lists import either, languages
from lior_ask.languages.words import ENGLISH, language_of, tokens

STATES = ("open", "waiting", "started", "done", "cancelled")
"""Keys of the words for the states of a task; the first form of each is the state's cell."""
CLOSED = STATES[3:]
"""The states in which nothing remains to be done; such a task has no due date."""
COLUMNS = ("status", "task", "due", "completed", "person", "list", "notes")
_FEWEST = 3
"""Minimum number of tasks of a list."""
_NOTES = 30
"""Maximum number of lines of a task that count."""
_LONGEST = 1000
"""Maximum length of a task's line, in characters."""
_MARKS = dict.fromkeys(" !?>☐□⬜", "open") | dict.fromkeys("xX☑☒✓✔✅", "done")
_MARKS |= {"~": "waiting", "/": "started", "-": "cancelled"}
"""The sign of a state -> the state. Obsidian has ``[/]`` and ``[-]``."""
_KEYWORDS = {"TODO": "open", "NEXT": "open", "WAIT": "waiting", "HOLD": "waiting", "DOING": "started"}
"""Keywords of Org mode. Other keywords are words for states in capital letters."""
_UNSURE = re.compile(r"[✓✔✅]|(?!TODO)[^\W\d_]{2,}")
"""Marks that other lists have, too: a list that has no other mark has no tasks."""
_TXT_HINTS = (" due:2", "\nx 20")
"""Parts of text of which every todo.txt has one: a day that a task is due, or was completed."""
_HINTS = ("[ ]", "[x]", "[X]", "[~]", *"☐☑☒□⬜", "TODO", *_TXT_HINTS)
"""Parts of text of which every list of tasks has one; most files have none."""
_MARKED = re.compile(
    r"(?:>\s?)?(?P<bullet>(?:\*{1,9}|[-+•–]|\d{1,3}[.)])\s+)?"
    r"(?:\[(?P<box>[ xX~/!?>-])\]|(?P<sign>[☐☑☒✓✔✅□⬜])\ufe0f?|(?P<key>[A-ZÀ-Þ]{2,12})(?P<colon>:)?)\s+"
    r"(?:\[#[A-Z]\]\s+)?(?P<text>\S.*)"
)
"""Pattern of a task; a keyword has a bullet before it or a colon after it."""
_TXT = re.compile(
    r"(?:(?P<done>x) (?:(?P<on>\d{4}-\d\d-\d\d) )?|\([A-Z]\) )?(?:\d{4}-\d\d-\d\d )?(?P<text>\S.*)"
)
"""Pattern of a line of todo.txt: done or not, its priority, the day it was written, and the task."""
_OF_TXT = re.compile(r"x \d{4}-\d\d-\d\d |\([A-Z]\) \S|\d{4}-\d\d-\d\d \S.*\s[+@]\w|\S.*\sdue:\d{4}-")
_PERSON = re.compile(r"(?<![\w.@])@(?!due\b|done\b)([^\W\d_][\w.-]*\w)")
_PROJECT = re.compile(r"(?<!\S)\+(\w[\w-]*)")
_ASIDE = re.compile(
    rf"\s+(?:due:\S+|{_PERSON.pattern}|\+\w[\w-]*|[✅📅🗓]\ufe0f?\s?[\d-]+)(?!\S)|\s+:[\w:@]+:$"
)
"""Pattern of what is no word of a task: persons, projects, tags, days of todo.txt and of Obsidian."""
_NEAR = 30
"""Number of characters before a date that are read to tell what it is."""
_BY = re.compile(rf"(?:\b{either('tasks.by')}|[📅🗓]|\bdue[:(]|DEADLINE:)(?:\W+\w{{1,10}}){{0,2}}\W*$", re.I)
_ON = re.compile(rf"(?:\b{either('tasks.done')}|✅|CLOSED:)\W*(?:\w{{1,3}}\W+)?$", re.I)
_TITLE = re.compile(r"#{1,6}\s+(.+?)[\s#]*|(?:\*\*|__)(.+?)(?:\*\*|__):?|([^\W\d_][^.!?;]{0,80})(?<![,:]):?")
_STARS = re.compile(r"\*{1,9}\s+(\S.*?)(?:\s+:[\w:@]+:)?\s*")


@attrs.define
class _Task:
    """A task while it is read."""

    line: int
    state: str
    texts: list[str]
    """Its text and the lines below it that are its own."""
    title: str = ""
    on: str = ""
    """The day on which it was completed, if its mark has it."""


def state_of(word: str) -> str:
    """Return the state that a word names, or an empty string.

    >>> state_of("offene"), state_of("hecho"), state_of("oak")
    ('open', 'done', '')
    """
    return next((state for state, pattern in _PATTERNS.items() if pattern.fullmatch(word)), "")


_PATTERNS = {state: re.compile(either(f"tasks.{state}")) for state in STATES}


@cache
def words_of(state: str) -> dict[str, str]:
    """Return the word for a state that cells have, by the name of its language."""
    return {each.name: each.lists[f"tasks.{state}"][0] for each in languages()}


def task_tables(text: str) -> tuple[Table, ...]:
    """Return the table of all tasks of a text, or nothing if it has fewer than three.

    The due date is that of tasks which are not done: what is overdue or has to be done soon is never done.
    """
    text = f"\n{text}"
    if not any(hint in text for hint in _HINTS):
        return ()
    lines = text.split("\n")[1:]
    found = _of_txt(lines) if any(hint in text for hint in _TXT_HINTS) else []
    found = found or [*_marked(lines)]
    if len(found) < _FEWEST:
        return ()
    language = language_of(tokens(" ".join(lines[:_LONGEST])), [each.name for each in languages()])
    rows = tuple(_cells(task, language) for task in found)
    return (Table(kind="tasks", columns=COLUMNS, rows=rows, lines=tuple(task.line for task in found)),)


def _of_txt(lines: Sequence[str]) -> list[_Task]:
    """Return the tasks of todo.txt, one each line, or nothing if most lines are others."""
    filled = [(number, line) for number, line in enumerate(lines) if line.strip()]
    if 2 * sum(bool(_OF_TXT.match(line)) for _, line in filled) <= len(filled):
        return []
    found = list[_Task]()
    for number, line in filled:
        if match := _TXT.match(line[:_LONGEST]):
            title = ", ".join(_PROJECT.findall(line))
            state = "done" if match["done"] else "open"
            found.append(_Task(number, state, [match["text"]], title, match["on"] or ""))
    return found


def _marked(lines: Sequence[str]) -> Iterator[_Task]:
    """Yield the tasks among lines; those below a task that are further indented are its own."""
    marks = [_mark(line) for line in lines]
    if all(mark is None or _UNSURE.fullmatch(mark[0]) for mark in marks):
        return
    org = any(mark and line[:1] == "*" and mark[0].isalpha() for mark, line in zip(marks, lines, strict=True))
    plain = not org and not any(re.match(r"#{1,6}\s", line) for line in lines)
    task, title, depth = None, "", 0
    for number, (line, mark) in enumerate(zip(lines, marks, strict=True)):
        indent = len(line) - len(line.lstrip())
        if mark is not None:
            if task is not None:
                yield task
            task, depth = _Task(number, mark[1], [mark[2]], title), indent
        elif line.strip():
            match = (_STARS if org else _TITLE).fullmatch(line.strip()) if len(line) <= _LONGEST else None
            if match and not indent and (plain or match.lastindex != 3):
                title = next(filter(None, match.groups())).strip("*_ ")
            own = indent > depth or (org and not match)
            if task is not None and own:
                task.texts += [line.strip().lstrip("-*+• ")] * (len(task.texts) < _NOTES)
            elif task is not None:
                yield task
                task = None
    if task is not None:
        yield task


def _mark(line: str) -> tuple[str, str, str] | None:
    """Return the mark of a task, its state and its text, or ``None``. A legend has words of states alone."""
    match = _MARKED.fullmatch(line.strip()) if len(line) <= _LONGEST else None
    if match is None:
        return None
    mark, text = match["box"] or match["sign"] or match["key"], match["text"]
    state = _MARKS.get(mark, "")
    if match["key"] and (match["colon"] or match["bullet"]):
        state = _KEYWORDS.get(mark, "") or state_of(mark.lower())
    legend = state and len(text) <= _NEAR and state_of(text.lower().strip(".,;:=-– "))
    return (mark, state, text) if state and not legend else None


def _cells(task: _Task, language: str) -> tuple[str, ...]:
    """Return the cells of a task in the order of :data:`COLUMNS`."""
    text = "; ".join(task.texts)
    due, on = _days(text, task, english=language == ENGLISH)
    people = ", ".join(dict.fromkeys(_PERSON.findall(text)))
    plain, *notes = (_ASIDE.sub("", f" {each}").strip() for each in task.texts)
    return words_of(task.state)[language], plain, due, on, people, task.title, "; ".join(notes)


def _days(text: str, task: _Task, *, english: bool) -> tuple[str, str]:
    """Return the day on which a task is due, and the day on which it was completed.

    A date behind no word for either is the one or the other if it is the only one.
    """
    text = text.replace("due:", "due: ")  # dates have no colon before them
    found = [each for each in dates(text, tokens(text)) if any(map(is_day, each.words))]
    days = [
        (text[d.begin : d.end], text[max(0, d.begin - _NEAR) : d.begin])
        for d in sorted(found, key=lambda each: each.begin)
    ]
    days = days if english else [(day.replace("/", "."), before) for day, before in days]
    ended = [day for day, before in days if _ON.search(before)]
    by = [day for day, before in days if day not in ended and _BY.search(before)]
    only = [day for day, _ in days if day not in (*ended, *by)] * (len(days) == 1)
    return _first(() if task.state in CLOSED else (*by, *only)), _first(
        (task.on, *ended, *only) if task.state in CLOSED else ()
    )


def _first(days: Iterable[str]) -> str:
    return next(filter(None, days), "")
