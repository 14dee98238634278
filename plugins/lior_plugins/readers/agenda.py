"""Calendars (iCalendar, RFC 5545) and contacts (vCard, RFC 6350 and older): a line for each entry."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading.decoding import decode
from lior.reading.entries import read_entries
from lior_plugins.readers.collecting import Collected

_HEAD = re.compile(r'(?:[\w-]+\.)?([\w-]+)((?:;(?:"[^"]*"|[^":;])*)*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([\w-]+)(?:=("[^"]*"|[^;]*))?')
_MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d):?(\d\d)?)?(Z?)")
_DURATION = re.compile(
    r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?"
)
_DAYS = {
    "MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday",
    "SU": "Sunday",
}  # fmt: skip
_UNITS = {
    "SECONDLY": "second", "MINUTELY": "minute", "HOURLY": "hour", "DAILY": "day", "WEEKLY": "week",
    "MONTHLY": "month", "YEARLY": "year",
}  # fmt: skip
_KINDS = {"VEVENT": "event", "VTODO": "task", "VJOURNAL": "note"}
_STATES = ("CANCELLED", "TENTATIVE", "COMPLETED")


@attrs.frozen
class _Property:
    """A content line, such as ``TEL;TYPE=cell:+44 20``."""

    at: int
    """Line of the file, from 1."""
    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value without escapes, on one line."""
        plain = re.sub(r"\\(.)", lambda m: " " if m[1] in "nN" else m[1], self.value)
        return " ".join(plain.split())

    def parts(self, separator: str = ";") -> list[str]:
        """The components of the value that are not empty."""
        parts = re.split(rf"(?<!\\){separator}", self.value)
        return [text for each in parts if (text := attrs.evolve(self, value=each).text)]


_Entry = dict[str, list[_Property]]
"""Name of a property -> those of that name."""


def _entries(text: str, kinds: tuple[str, ...]) -> Iterator[tuple[str, int, _Entry]]:
    """Kind, first line and properties of each entry, without those of parts inside it, such as alarms."""
    kind, first, entry, inside = "", 0, _Entry(), 0
    for line in _properties(text):
        part = line.text.upper() if line.name in ("BEGIN", "END") else ""
        if part in kinds:  # none is inside another: one that has no end of its own ends here
            if entry:
                yield kind, first, entry
            kind, first, entry, inside = part if line.name == "BEGIN" else "", line.at, {}, 0
        elif part:
            inside = max(inside + (1 if line.name == "BEGIN" else -1), 0)
        elif kind and not inside:
            entry.setdefault(line.name, []).append(line)
    if entry:
        yield kind, first, entry


def _properties(text: str) -> Iterator[_Property]:
    """The content lines, unfolded."""
    unfolded = list[tuple[int, list[str]]]()
    for number, line in enumerate(text.split("\n"), 1):
        last = unfolded[-1][1] if unfolded else []
        soft = last and last[-1].endswith("=") and "QUOTED-PRINTABLE" in last[0][:200].upper()
        soft = soft and not line.startswith(("BEGIN:", "END:"))  # its last line is damaged
        if last and (line[:1] in (" ", "\t") or soft):
            last.append("\n" + line if soft else line[1:])
        else:
            unfolded.append((number, [line.rstrip("\r")]))
    for number, parts in unfolded:
        if match := _HEAD.fullmatch("".join(parts)):
            parameters = {k.upper(): v.strip('"') for k, v in _PARAMETER.findall(match[2])}
            value = match[3]
            if "QUOTED-PRINTABLE" in match[2].upper():
                raw = quopri.decodestring(value.encode())
                value = raw.decode("utf-8", "replace").replace("\r", "").replace("\n", "\\n")
            yield _Property(number, match[1].upper(), parameters, value)


# --- calendars ---


@attrs.frozen(kw_only=True)
class Calendar:
    """Reader of iCalendar: a line for each event, task and note. A recurrence is said, not expanded."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".ics", ".ical", ".ifb")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "rows" with a table of the events."""
        text, notes = decode(data, entries=True)
        found, rows, lines = Collected(notes=[*notes]), list[tuple[str, ...]](), list[int]()
        found.put("event, begin, end, place", 1)
        entries = (
            (f"{_KINDS[kind]} in line {first}", (kind, first, entry))
            for kind, first, entry in _entries(text, (*_KINDS,))
        )
        for kind, at, said, row in read_entries(entries, _event, found.notes):
            if not said:
                continue
            if kind == "VEVENT":
                rows.append(row)
                lines.append(len(found.text))
            found.begin(_KINDS[kind])
            found.put(said, at)
        if len(found.text) < 2:
            raise DataError((*found.notes[len(notes) :], "no event, task or note in it")[0])
        title = next((line.text for line in _properties(text) if line.name == "X-WR-CALNAME"), "")
        columns = ("begin", "end", "summary", "place")
        table = Table(kind="events", columns=columns, rows=tuple(rows), lines=tuple(lines))
        return [attrs.evolve(found.document("rows", title), tables=(table,) if rows else ())]


def _event(found: tuple[str, int, _Entry]) -> tuple[str, int, str, tuple[str, ...]]:
    """Kind, line of the file, text and row of an entry."""
    kind, first, entry = found
    begin, end = _period(entry)
    summary, place = _first(entry, "SUMMARY"), _first(entry, "LOCATION")
    at = entry["SUMMARY"][0].at if "SUMMARY" in entry else first
    return kind, at, _said(kind, entry, summary, begin, end, place), (begin, end, summary, place)


def _said(kind: str, entry: _Entry, summary: str, begin: str, end: str, place: str) -> str:
    """An entry in one line."""
    until = end.removeprefix(begin[:11]) if " " in end else end  # the same day is said once
    when = f"{begin} to {until}" if end and end != begin else begin
    people = [each.parameters.get("CN") or each.text for each in entry.get("ATTENDEE", [])]
    parts = [
        {"VTODO": "to do: "}.get(kind, "") + summary,
        f"due {when}" if kind == "VTODO" and when else when,
        f"at {place}" if place else "",
        *(_rule(each.value) for each in entry.get("RRULE", [])),
        "except " + ", ".join(_moment(each)[0] for each in entry["EXDATE"]) if "EXDATE" in entry else "",
        "with " + ", ".join(re.sub("(?i)^mailto:", "", each) for each in people) if people else "",
        status.lower() if (status := _first(entry, "STATUS")) in _STATES else "",
    ]
    description = _first(entry, "DESCRIPTION")
    return ", ".join(filter(None, parts)) + (f": {description}" if description else "")


def _first(entry: _Entry, name: str) -> str:
    return entry[name][0].text if name in entry else ""


def _period(entry: _Entry) -> tuple[str, str]:
    """Begin and end of an entry; the last day of one that lasts whole days."""
    begin = next((entry[name][0] for name in ("DTSTART", "DUE") if name in entry), None)
    if begin is None:
        return "", ""
    (first, start, whole), last, end = _moment(begin), "", None
    if "DTEND" in entry:
        last, end, _ = _moment(entry["DTEND"][0])
    elif start and (match := _DURATION.fullmatch(_first(entry, "DURATION"))):
        weeks, days, hours, minutes, seconds = (int(each or 0) for each in match.groups())
        with suppress(OverflowError):  # after the year 9999: it has a begin alone
            end = start + timedelta(days=7 * weeks + days, hours=hours, minutes=minutes, seconds=seconds)
            last = str(end.date()) if whole else _minute(end) + first[16:]
    if whole and start and end and end > start:
        last = str(end.date() - timedelta(days=1))  # the end is the day after
    return first, "" if last == first and whole else last


def _moment(line: _Property) -> tuple[str, datetime | None, bool]:
    """A date or time in ISO 8601 and as a number, and whether it is a whole day."""
    match = _MOMENT.match(line.value)
    if not match:
        return line.text, None, False
    year, month, day, hour, minute, _, utc = match.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0))
    except ValueError:
        return line.text, None, False
    if hour is None:
        return str(moment.date()), moment, True
    return _minute(moment) + " UTC" * bool(utc), moment, False


def _minute(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")  # strftime writes the year 800 with three digits


def _rule(value: str) -> str:
    """A recurrence in words.

    >>> _rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;UNTIL=20240630T000000Z")
    'every 2 weeks on Monday and Friday until 2024-06-30'
    """
    rule = dict(part.partition("=")[::2] for part in value.upper().split(";") if part)
    unit, interval = _UNITS.get(rule.pop("FREQ", ""), ""), rule.pop("INTERVAL", "1")
    said = f"every {unit}" if interval == "1" else f"every {interval} {unit}s"
    for key, part in rule.items():
        if key == "BYDAY":
            days = [
                re.sub("[A-Z]{2}$", lambda m: " " + _DAYS.get(m[0], m[0]), d).strip() for d in part.split(",")
            ]
            said += f" on {' and '.join(days)}"
        elif key == "BYMONTHDAY":
            said += f" on day {part}"
        elif key == "UNTIL" and (match := _MOMENT.match(part)):
            said += f" until {'-'.join(match.groups()[:3])}"
        elif key == "COUNT":
            said += f", {part} times"
        elif key != "WKST":
            said += f" {key}={part}"
    return said


# --- contacts ---

_COLUMNS = ("name", "phone", "mail", "birthday", "organisation", "address")


@attrs.frozen(kw_only=True)
class Contacts:
    """Reader of vCard: a line for each contact, without pictures."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".vcf", ".vcard")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "rows" with a table of the contacts."""
        text, notes = decode(data, entries=True)
        found, rows, lines = Collected(notes=[*notes]), list[tuple[str, ...]](), list[int]()
        found.put(", ".join(_COLUMNS), 1)
        entries = (
            (f"contact in line {first}", (first, entry)) for _, first, entry in _entries(text, ("VCARD",))
        )
        for at, said, row in read_entries(entries, _contact, found.notes):
            if not said:
                continue
            rows.append(row)
            lines.append(len(found.text))
            found.begin("contact")
            found.put(said, at)
        if not rows:
            raise DataError((*found.notes[len(notes) :], "no contact in it")[0])
        table = Table(kind="contacts", columns=_COLUMNS, rows=tuple(rows), lines=tuple(lines))
        return [attrs.evolve(found.document("rows"), tables=(table,))]


def _contact(found: tuple[int, _Entry]) -> tuple[int, str, tuple[str, ...]]:
    """Line of the file, text and row of a contact."""
    first, entry = found
    cells = _cells(entry)
    others = [each for name in ("NICKNAME", "TITLE", "URL", "NOTE") for each in entry.get(name, [])]
    labelled = [
        f"{label} {value}" if label in ("phone", "mail", "birthday", "address") else value
        for label, value in cells.items()
        if value
    ]
    at = entry["FN"][0].at if "FN" in entry else first
    return at, ", ".join((*labelled, *(each.text for each in others))), tuple(cells.values())


def _cells(entry: _Entry) -> dict[str, str]:
    """Column -> its cell."""
    name = _first(entry, "FN")
    if not name and "N" in entry:
        family, *given = [*entry["N"][0].parts(), ""]
        name = " ".join(filter(None, (*given, family)))
    values = {
        "phone": [each.text.removeprefix("tel:") for each in entry.get("TEL", [])],
        "mail": [each.text for each in entry.get("EMAIL", [])],
        "birthday": [_moment(each)[0] for each in entry.get("BDAY", [])],
        "organisation": [", ".join(each.parts()) for each in entry.get("ORG", [])],
        "address": [", ".join(each.parts()) for each in entry.get("ADR", [])],
    }
    return {"name": name, **{column: ", ".join(filter(None, each)) for column, each in values.items()}}
