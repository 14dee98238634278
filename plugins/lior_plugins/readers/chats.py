"""Exports of chats in JSON: Telegram, Slack, Discord (DiscordChatExporter), Messenger, Instagram and Signal
(signal-export).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.entries import read_entries

_TIMES = ("date", "ts", "timestamp", "timestamp_ms")
_SHARE = 0.75
"""The minimum share of messages among the entries of a list that counts as a chat; other entries are left
out.
"""
_TEXTS = ("text", "content", "body")
_PEOPLE = ("from", "author", "sender", "sender_name", "user_profile", "user", "username", "actor")
_NAMES = ("display_name", "nickname", "real_name", "name")
"""Keys of the name in an object that describes a person."""


class _Message(NamedTuple):
    who: str
    when: str
    text: str
    source: str
    """The text as it is in the file."""


def chats(value: Any, line: Callable[[str], int]) -> list[ParsedDocument]:
    """Return the documents of an export, one for each chat; empty if the value is not an export.

    ``line`` returns the line of the file with a string that follows the strings of earlier calls.
    """
    listed = value.get("chats") if isinstance(value, dict) else None
    several = listed.get("list") if isinstance(listed, dict) else None
    found = list[ParsedDocument]()
    for number, chat in enumerate(several if isinstance(several, list) else [value], 1):
        notes = list[str]()
        if sent := _messages(chat, notes):
            title = _title(chat)
            name = (title or str(number)) if several else ""
            found.append(attrs.evolve(_document(sent, line, notes), name=name, title=title))
    return found


def _messages(value: Any, notes: list[str]) -> list[_Message]:
    """Return the messages of a chat that have a text; empty if the value is not a chat."""
    rows = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(rows, list) or sum(map(_is_message, rows)) < _SHARE * len(rows):
        return []
    entries = ((f"message {number}", row) for number, row in enumerate(rows, 1))
    read = read_entries(entries, _message, notes)
    sent = [message for message in read if message and message.text.strip()]
    named = isinstance(value, dict) or any(message.who for message in sent)
    return sent if named and len(sent) >= len(rows) / 4 else []


def _is_message(row: Any) -> bool:
    return isinstance(row, dict) and not row.keys().isdisjoint(_TIMES)


def _message(row: dict[str, Any]) -> _Message | None:
    if not _is_message(row):
        raise DataError("no object with a time")
    source = next((row[key] for key in _TEXTS if row.get(key)), None)
    if isinstance(poll := row.get("poll"), dict):
        source, text = _words(poll.get("question")), _poll(poll)
    elif isinstance(source, str | list):
        text = "".join(map(_words, source)) if isinstance(source, list) else source
    else:
        return None
    who = next(filter(None, (_person(row.get(key)) for key in _PEOPLE)), "")
    if "timestamp_ms" in row:  # Messenger writes each byte of UTF-8 as a character
        return _Message(_mend(who), _time(row), _mend(text), text)
    return _Message(who, _time(row), text, source if isinstance(source, str) else text)


def _words(value: Any) -> str:
    """Return a string, or the text of an object."""
    return str(value.get("text", "")) if isinstance(value, dict) else str(value or "")


def _poll(poll: dict[str, Any]) -> str:
    """Return the question of a poll, and a line for each answer with its votes."""
    answers = poll.get("answers")
    known = [each for each in answers if isinstance(each, dict)] if isinstance(answers, list) else []
    votes = [(_words(each.get("text")), each.get("voters", 0)) for each in known]
    lines = [f"- {answer}: {count} vote{'s' * (count != 1)}" for answer, count in votes]
    return "\n".join([_words(poll.get("question")), *lines])


def _person(value: Any) -> str:
    if isinstance(value, dict):
        return next((str(value[key]) for key in _NAMES if value.get(key)), "")
    return value if isinstance(value, str) else ""


def _time(row: dict[str, Any]) -> str:
    """Return the time of a message as given; seconds and milliseconds since 1970 become ISO 8601 in UTC."""
    key = next(key for key in _TIMES if key in row)
    value = str(row[key])
    if re.fullmatch(r"\d{9,13}(\.\d*)?", value):
        with suppress(ValueError, OverflowError):  # after the year 9999
            moment = datetime.fromtimestamp(float(value) / (1000 if key == "timestamp_ms" else 1), UTC)
            return f"{moment:%Y-%m-%dT%H:%M:%S}"
    return " ".join(value.split())


def _mend(text: str) -> str:
    with suppress(UnicodeError):
        return text.encode("latin-1").decode()
    return text


def _title(chat: Any) -> str:
    if not isinstance(chat, dict):
        return ""
    channel = chat.get("channel")
    found = (chat.get("name"), chat.get("title"), channel.get("name") if isinstance(channel, dict) else "")
    return next(
        (_mend(each) if "title" in chat else each for each in found if isinstance(each, str) and each), ""
    )


def _document(sent: list[_Message], line: Callable[[str], int], notes: list[str]) -> ParsedDocument:
    found, lines = Collected(notes=notes), list[int]()
    for message in sent:
        lines.append(len(found.text))
        found.begin(f"{message.who}, {message.when}")
        found.put(f"{message.who}: {message.text}", line(message.source))
    rows = tuple((each.when, each.who, " ".join(each.text.split())) for each in sent)
    table = Table(kind="chat", columns=("date", "from", "text"), rows=rows, lines=tuple(lines))
    return attrs.evolve(found.document("chat"), tables=(table,))
