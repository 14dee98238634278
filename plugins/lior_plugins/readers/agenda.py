"""Calendars (iCalendar, RFC 5545) and contacts (vCard, RFC 6350 and older): a line for each entry."""

from __future__ import annotations

import quopri
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading.decoding import decode_text
from lior.reading.entries import read_entries
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.series import expand

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_HEAD = re.compile(r'(?:[\w-]+\.)?([\w-]+)((?:;(?:"[^"]*"|[^":;])*)*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([\w-]+)(?:=("[^"]*"|[^;]*))?')
_NAME = re.compile(r"^X-WR-CALNAME[;:]", re.MULTILINE | re.IGNORECASE)
_MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:T(\d\d):?(\d\d):?(\d\d)?)?(Z?)")
_DURATION = re.compile(
    r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?"
)
_DAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
_UNITS = {
    "SECONDLY": "second",
    "MINUTELY": "minute",
    "HOURLY": "hour",
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
    "YEARLY": "year",
}
_KINDS = {"VEVENT": "event", "VTODO": "task", "VJOURNAL": "note"}
_UNTIL = re.compile(r"\bUNTIL=(\d{8}T\d{6}Z)", re.I)
_MOST = 20_000
"""The maximum number of times over all events of a file."""
_SPARE = 0.7
"""The share of a file's time limit that remains when parsing ends, for putting the entries into words."""
_STATES = ("CANCELLED", "TENTATIVE", "COMPLETED")


@attrs.frozen
class _Property:
    """A content line, such as ``TEL;TYPE=cell:+44 20``."""

    at: int
    """The line of the file, from 1."""
    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value without escapes, on one line."""
        plain = re.sub(r"\\(.)", lambda m: " " if m[1] in "nN" else m[1], self.value)
        return " ".join(plain.split())

    def parts(self, separator: str = ";") -> list[str]:
        """Return the components of the value that are not empty."""
        parts = re.split(rf"(?<!\\){separator}", self.value)
        return [text for each in parts if (text := attrs.evolve(self, value=each).text)]


_Entry = dict[str, list[_Property]]
"""The properties of an entry by name."""


def _entries(text: str, kinds: tuple[str, ...]) -> Iterator[tuple[str, int, _Entry]]:
    """Yield the kind, first line and properties of each entry, without those of nested parts
    such as alarms.
    """
    kind, first, entry, inside = "", 0, _Entry(), 0
    for line in _properties(text):
        part = line.text.upper() if line.name in ("BEGIN", "END") else ""
        if part in kinds:  # entries do not nest: one without an end of its own ends here
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
    """Yield the content lines, unfolded."""
    first, parts = 1, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        soft = parts and parts[-1].endswith("=") and "QUOTED-PRINTABLE" in parts[0][:200].upper()
        soft = soft and not line.startswith(("BEGIN:", "END:"))  # the last line of the entry is damaged
        if parts and (line[:1] in (" ", "\t") or soft):
            parts.append("\n" + line if soft else line[1:])
        else:
            yield from _property(first, "".join(parts))
            first, parts = number, [line.rstrip("\r")]
    yield from _property(first, "".join(parts))


def _property(number: int, line: str) -> Iterator[_Property]:
    """Yield the property in the unfolded line ``number``, or nothing if there is none."""
    if match := _HEAD.fullmatch(line):
        parameters = {k.upper(): v.strip('"') for k, v in _PARAMETER.findall(match[2])}
        value = match[3]
        if "QUOTED-PRINTABLE" in match[2].upper():
            raw = quopri.decodestring(value.encode())
            value = raw.decode("utf-8", "replace").replace("\r", "").replace("\n", "\\n")
        yield _Property(number, match[1].upper(), parameters, value)


# --- calendars ---


@attrs.frozen(kw_only=True)
class Calendar:
    """Reader of iCalendar: a line for each event, task and note; a row for each time that it takes place.

    A series without an end has its times up to two years after the newest date in the file.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".ics", ".ical", ".ifb")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "rows" with a table of the events."""
        text, notes = decode_text(data, entries=True)
        found, rows, lines = Collected(notes=[*notes]), list[tuple[str, ...]](), list[int]()
        found.put("event, begin, end, place", 1)
        named = ((f"{_KINDS[each[0]]} in line {each[1]}", each) for each in _entries(text, (*_KINDS,)))
        read = [*read_entries(named, lambda each: each, found.notes, spare=_SPARE)]
        calendar = _Calendar.of([entry for _, _, entry in read])
        entries = (
            (f"{_KINDS[kind]} in line {first}", (kind, first, entry, calendar)) for kind, first, entry in read
        )
        until = ""
        for kind, at, said, times, last in read_entries(entries, _event, found.notes):
            if not said:
                continue
            if kind == "VEVENT":
                kept = times[: max(_MOST - len(rows), 1)]
                last = kept[-1][0][:10] if len(kept) < len(times) else last
                rows += kept
                lines += [len(found.text)] * (len(rows) - len(lines))
                until = min(filter(None, (until, last)), default="")
            found.begin(_KINDS[kind])
            found.put(said, at)
        if len(found.text) < 2:
            raise DataError((*found.notes[len(notes) :], "no event, task or note in it")[0])
        named_at = _NAME.search(text)
        title = next(_properties(text[named_at.start() :])).text if named_at else ""
        columns = ("begin", "end", "summary", "place")
        table = Table(kind="events", columns=columns, rows=tuple(rows), lines=tuple(lines), until=until)
        return [attrs.evolve(found.document("rows", title), tables=(table,) if rows else ())]


@attrs.frozen
class _Calendar:
    """Facts that follow from all entries of a calendar together."""

    zone: str
    """The name of the most frequent time zone; empty if there is none."""
    until: datetime
    """The time at which series without an end are cut."""
    moved: dict[str, list[datetime]]
    """The times of each series that separate entries replace, by UID."""

    @classmethod
    def of(cls, entries: Sequence[_Entry]) -> _Calendar:
        """Return the facts that follow from ``entries``."""
        names = ("DTSTART", "DTSTAMP", "LAST-MODIFIED")
        newest = [when for entry in entries for name in names for when in _moments(entry, name)]
        begins = [line for entry in entries for line in entry.get("DTSTART", ())]
        zones = Counter(line.parameters["TZID"] for line in begins if line.parameters.get("TZID"))
        moved = dict[str, list[datetime]]()
        for entry in entries:
            replaced = _moments(entry, "RECURRENCE-ID", zone=_zone(entry))
            moved.setdefault(_first(entry, "UID"), []).extend(replaced)
        year = max(newest, default=datetime(1970, 1, 1)).year + 2
        until = max(newest, default=datetime(1970, 1, 1)).replace(year=min(year, 9999), day=1)
        return cls(max(zones, key=lambda zone: (zones[zone], zone), default=""), until, moved)


def _event(
    found: tuple[str, int, _Entry, _Calendar],
) -> tuple[str, int, str, list[tuple[str, ...]], str]:
    """Return the kind, line, text and rows of an entry, and the day up to which the rows are complete."""
    kind, first, entry, calendar = found
    begin, end = _period(entry)
    summary, place = _first(entry, "SUMMARY"), _first(entry, "LOCATION")
    at = entry["SUMMARY"][0].at if "SUMMARY" in entry else first
    zone = next((line.parameters.get("TZID", "") for line in entry.get("DTSTART", ())), "")
    said = _said(kind, entry, summary, begin, end, place, zone if zone != calendar.zone else "")
    times, until = _times(entry, begin, end, calendar)
    return kind, at, said, [(*each, summary, place) for each in times], until


def _times(entry: _Entry, begin: str, end: str, calendar: _Calendar) -> tuple[list[tuple[str, str]], str]:
    """Return the begin and end of each time of an event, and the day up to which the times are complete."""
    if _first(entry, "STATUS").upper() == "CANCELLED":
        return [], ""
    start = next(iter(_moments(entry, "DTSTART")), None)
    if start is None or not ({"RRULE", "RDATE"} & {*entry}):
        return [(begin, end)], ""
    moved = [] if "RECURRENCE-ID" in entry else calendar.moved.get(_first(entry, "UID"), [])
    days = {each.date() for each in _moments(entry, "EXDATE", whole=True)}
    zone = _zone(entry)
    without = [*_moments(entry, "EXDATE", zone=zone), *moved]
    rules = [_UNTIL.sub(lambda end: _in_zone(end, zone), line.value) for line in entry.get("RRULE", ())]
    series = expand(start, rules, _moments(entry, "RDATE", zone=zone), without, calendar.until)
    times = list[tuple[str, str]]()
    for each in series.begins:
        if each.date() not in days:
            times.append(tuple(_shift(text, each - start) for text in (begin, end)))  # type: ignore[arg-type]
    return times, "" if series.whole else str((series.begins or (start,))[-1].date())


def _zone(entry: _Entry) -> ZoneInfo | None:
    """Return the time zone in which an entry begins; ``None`` for UTC, no zone, or an unknown zone."""
    from zoneinfo import ZoneInfo  # readers are loaded at every question, for their versions

    name = next((line.parameters.get("TZID", "") for line in entry.get("DTSTART", ())), "")
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


def _in_zone(end: re.Match[str], zone: ZoneInfo | None) -> str:
    """Return the end of a rule, which is given in UTC, in the time zone of the event."""
    _, moment, _ = _moment(_Property(0, "", {}, end[1]))
    return f"UNTIL={_local(moment, zone):%Y%m%dT%H%M%S}" if moment else end[0]


def _local(moment: datetime, zone: ZoneInfo | None) -> datetime:
    """Return a time, given in UTC, in a time zone."""
    with suppress(OverflowError):  # before the year 1, after 9999
        return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if zone else moment
    return moment


def _moments(
    entry: _Entry, name: str, *, whole: bool | None = None, zone: ZoneInfo | None = None
) -> Iterator[datetime]:
    """Yield the dates and times of a property, which may have a list of them.

    With ``whole``, only whole days or only times. Times in UTC are converted to ``zone``.
    """
    for line in entry.get(name, ()):
        for value in line.value.split(","):
            shown, moment, day = _moment(attrs.evolve(line, value=value.strip()))
            if moment and whole in (None, day):
                yield _local(moment, zone) if shown.endswith(" UTC") else moment


def _shift(text: str, by: timedelta) -> str:
    """Return a date or time, in the form in which it is shown, moved by a duration."""
    match = _MOMENT.match(text.replace(" ", "T", 1))
    if not match:
        return text
    moment = datetime(*(int(each or 0) for each in match.groups()[:5])) + by  # type: ignore[arg-type]
    return _minute(moment) + text[16:] if match[4] else str(moment.date())


def _said(kind: str, entry: _Entry, summary: str, begin: str, end: str, place: str, zone: str) -> str:
    """Return an entry in one line; ``zone`` is given if it is not the most frequent one."""
    until = end.removeprefix(begin[:11]) if " " in end else end  # the same day is written once
    when = f"{begin} to {until}" if end and end != begin else begin
    people = [each.parameters.get("CN") or each.text for each in entry.get("ATTENDEE", [])]
    parts = [
        {"VTODO": "to do: "}.get(kind, "") + summary,
        (f"due {when}" if kind == "VTODO" and when else when) + f" ({zone})" * bool(zone and when),
        f"at {place}" if place else "",
        *(_rule(each.value) for each in entry.get("RRULE", [])),
        *_listed("also", entry, "RDATE"),
        *_listed("except", entry, "EXDATE"),
        "with " + ", ".join(re.sub("(?i)^mailto:", "", each) for each in people) if people else "",
        status.lower() if (status := _first(entry, "STATUS")) in _STATES else "",
    ]
    description = _first(entry, "DESCRIPTION")
    return ", ".join(filter(None, parts)) + (f": {description}" if description else "")


def _listed(word: str, entry: _Entry, name: str) -> list[str]:
    """Return the dates and times of a property behind a word; empty if there are none."""
    lines = [
        attrs.evolve(line, value=value) for line in entry.get(name, ()) for value in line.value.split(",")
    ]
    return [f"{word} " + ", ".join(_moment(line)[0] for line in lines)] if lines else []


def _first(entry: _Entry, name: str) -> str:
    return entry[name][0].text if name in entry else ""


def _period(entry: _Entry) -> tuple[str, str]:
    """Return the begin and end of an entry; for whole days the end is the last day."""
    begin = next((entry[name][0] for name in ("DTSTART", "DUE") if name in entry), None)
    if begin is None:
        return "", ""
    (first, start, whole), last, end = _moment(begin), "", None
    if "DTEND" in entry:
        last, end, _ = _moment(entry["DTEND"][0])
    elif start and (match := _DURATION.fullmatch(_first(entry, "DURATION"))):
        weeks, days, hours, minutes, seconds = (int(each or 0) for each in match.groups())
        with suppress(OverflowError):  # after the year 9999: the entry has only a begin
            end = start + timedelta(days=7 * weeks + days, hours=hours, minutes=minutes, seconds=seconds)
            last = str(end.date()) if whole else _minute(end) + first[16:]
    if whole and start and end and end > start:
        last = str(end.date() - timedelta(days=1))  # the end given is the day after
    return first, "" if last == first and whole else last


def _moment(line: _Property) -> tuple[str, datetime | None, bool]:
    """Return a date or time in ISO 8601 and as a number, and whether it is a whole day."""
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
    """Return a recurrence in words.

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
        """Return one document of kind "rows" with a table of the contacts."""
        text, notes = decode_text(data, entries=True)
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
    """Return the line of the file, text and row of a contact."""
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
    """Return the cells of a contact by column."""
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
