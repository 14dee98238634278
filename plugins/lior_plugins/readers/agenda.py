"""Calendars (iCalendar, RFC 5545) and contacts (vCard, RFC 6350 and older): a line for each entry."""

from __future__ import annotations

import quopri
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import ClassVar

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading.decoding import decode_text
from lior.reading.limits import is_late
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.entries import read_entries

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
_RULE = re.compile(
    r"(?=.{,1000}$)(?=.*\bFREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)\b)(?!.*\bINTERVAL=(?!0*[1-9]\d*(;|$)))"
    r"(?!.*\bBY(MINUTE|SECOND)=[^;]*,)(?!.*\bBYHOUR=(\d+,){6})",
    re.I,
)
"""Rules that are expanded: dateutil never returns for an interval of 0, and events of each minute are
too many.
"""
_ENDS = re.compile(r"\b(UNTIL|COUNT)=", re.I)
_A_YEAR = {"DAILY": 365, "WEEKLY": 52, "MONTHLY": 12}
"""The number of times of a series in a year."""
_PLAIN = re.compile(r"[\dT,]+T[\dT,]+")
"""A time without a zone, or several."""
_TIMED = ("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "SEQUENCE")
_LONGEST_LINE = 20_000
"""The maximum length of a list of times, in characters."""
_DAY = timedelta(days=1)
_LONGEST = timedelta(days=60 * 365)
"""The maximum duration of a series with an end."""
_FIRST = datetime(1970, 1, 1)
_MOST = 20_000
"""The maximum number of times over all events of a file."""
_SPARE = 0.7
"""The share of a file's time limit that remains when parsing ends, for putting the entries into words."""
_ENOUGH = 0.5
"""The share of a file's time limit that remains when no more series are expanded."""
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

    Times are those of the reader's time zone. A series without an end has its times up to ten years after the
    newest date in the file, or fewer if there are many.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".ics", ".ical", ".ifb")
    packages: ClassVar[tuple[str, ...]] = ("icalendar", "recurring-ical-events")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "rows" with a table of the events."""
        text, notes = decode_text(data, entries=True)
        found, rows, lines = Collected(notes=[*notes]), list[tuple[str, ...]](), list[int]()
        found.put("event, begin, end, place", 1)
        named = ((f"{_KINDS[each[0]]} in line {each[1]}", each) for each in _entries(text, (*_KINDS,)))
        read = [*read_entries(named, lambda each: each, found.notes, spare=_SPARE)]
        calendar = _Calendar([entry for _, _, entry in read])
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
        if calendar.unread:
            found.notes.append(f"rules such as that in line {calendar.unread[0]} are not followed")
        named_at = _NAME.search(text)
        title = next(_properties(text[named_at.start() :])).text if named_at else ""
        columns = ("begin", "end", "summary", "place")
        table = Table(kind="events", columns=columns, rows=tuple(rows), lines=tuple(lines), until=until)
        return [attrs.evolve(found.document("rows", title), tables=(table,) if rows else ())]


class _Calendar:
    """Facts that follow from all entries of a calendar together."""

    def __init__(self, entries: Sequence[_Entry]) -> None:
        begins = [line for entry in entries for line in entry.get("DTSTART", ())]
        zones = Counter(line.parameters["TZID"] for line in begins if line.parameters.get("TZID"))
        most = max(zones, key=lambda zone: (zones[zone], zone), default="UTC")
        self.zone = _zone(most) or UTC if {*time.tzname} == {"UTC"} else None
        """The reader's time zone: that of the machine (``None``), or the most frequent one of the calendar if
        the machine has none.
        """
        self._until = _horizon(entries)
        self._series, named = dict[int, list[_Entry]](), dict[str, list[_Entry]]()
        for entry in entries:
            uid, alone = _first(entry, "UID"), list[_Entry]()
            series = named.setdefault(uid, alone) if uid else alone
            if series and "RECURRENCE-ID" not in entry:  # some programs give a name twice
                series = alone if any("RECURRENCE-ID" not in each for each in series) else series
            series.append(entry)
            self._series[id(entry)] = series
        self._times = dict[int, list[tuple[str, str]]]()
        """The times of each entry of a series, by its identity."""
        self._left = _MOST
        self.unread = list[int]()
        """The lines of rules that are not expanded."""

    def times(self, entry: _Entry, period: tuple[str, str]) -> tuple[list[tuple[str, str]], str]:
        """Return the begin and end of each time of an event, and the day up to which they are complete.

        ``period`` is the begin and end that are written in the entry.
        """
        series = self._series[id(entry)]
        if not any({"RRULE", "RDATE"} & {*each} for each in series):
            return ([] if _is_cancelled(entry) else [period]), ""
        self.unread += [rule.at for rule in entry.get("RRULE", ()) if not _RULE.match(rule.value)]
        if id(entry) not in self._times:
            if self._left < 0 or is_late(_ENOUGH):
                return [period], period[0][:10]
            self._times.update(
                (id(each), [] if _is_cancelled(each) else [_period(each, self.zone)]) for each in series
            )
            with suppress(
                ValueError, TypeError, AttributeError, OverflowError, KeyError
            ):  # of a malformed rule
                self._expand(series)
        times = self._times[id(entry)]
        self._left -= len(times)
        return times, str(self._until.date()) if times and _is_endless(entry) else ""

    def _expand(self, series: list[_Entry]) -> None:
        """Find when the entries of a series take place."""
        from icalendar import Calendar as Parsed  # every question asks readers for their versions
        from recurring_ical_events import of

        first = min((when for entry in series for when in _moments(entry, "DTSTART")), default=_FIRST)
        until = max(self._until, first + _DAY) if any(map(_is_endless, series)) else first + _LONGEST
        content = "".join(_times_only(number, entry) for number, entry in enumerate(series))
        parsed = Parsed.from_ical(f"BEGIN:VCALENDAR\r\n{content}END:VCALENDAR\r\n")
        found = dict[int, list[tuple[str, str]]]()
        for each in of(parsed).between(first.replace(hour=0, minute=0) - _DAY, until):
            entry, end = series[int(each["SUMMARY"])], each.get("DTEND")
            if not _is_cancelled(entry):
                span = _span(each["DTSTART"].dt, end.dt if end else None, self.zone)
                found.setdefault(id(entry), []).append(span)
        self._times.update((id(each), sorted(found.get(id(each), ()))) for each in series)


def _horizon(entries: Sequence[_Entry]) -> datetime:
    """Return the time at which series without an end are cut, so that all have room."""
    names = ("DTSTART", "DTSTAMP", "LAST-MODIFIED")
    newest = max(
        (when for entry in entries for name in names for when in _moments(entry, name)), default=_FIRST
    )
    rules = [entry["RRULE"][0].value.upper() for entry in entries if _is_endless(entry)]
    yearly = sum(next((n for name, n in _A_YEAR.items() if f"={name}" in rule), 1) for rule in rules)
    years = min(max(_MOST // (2 * yearly + 1), 2), 10)
    return newest.replace(year=min(newest.year + years, 9998), day=1, hour=23, minute=59)


def _times_only(number: int, entry: _Entry) -> str:
    """Return the properties of an entry that say when it takes place, with ``number`` as its summary.

    Times without a zone are those of its beginning. Rules that would never end are left out.
    """
    zone = next((line.parameters.get("TZID", "") for line in entry.get("DTSTART", ())), "")
    lines = ["BEGIN:VEVENT", f"SUMMARY:{number}"]
    for line in (line for name in _TIMED for line in entry.get(name, ())):
        if len(line.value) > _LONGEST_LINE or (line.name == "RRULE" and not _RULE.match(line.value)):
            continue
        parameters = dict(line.parameters)
        if line.name in ("EXDATE", "RDATE", "RECURRENCE-ID") and zone and _PLAIN.fullmatch(line.value):
            parameters.setdefault("TZID", zone)
        given = "".join(f';{name}="{value}"' for name, value in parameters.items() if value)
        lines.append(f"{line.name}{given}:{line.value}")
    return "".join(f"{line}\r\n" for line in (*lines, "END:VEVENT"))


def _event(
    found: tuple[str, int, _Entry, _Calendar],
) -> tuple[str, int, str, list[tuple[str, ...]], str]:
    """Return the kind, line, text and rows of an entry, and the day up to which the rows are complete."""
    kind, first, entry, calendar = found
    begin, end = _period(entry, calendar.zone)
    summary, place = _first(entry, "SUMMARY"), _first(entry, "LOCATION")
    at = entry["SUMMARY"][0].at if "SUMMARY" in entry else first
    said = _said(kind, entry, summary, begin, end, place)
    times, until = calendar.times(entry, (begin, end)) if kind == "VEVENT" else ([], "")
    return kind, at, said, [(*each, summary, place) for each in times], until


def _is_endless(entry: _Entry) -> bool:
    rules = [rule.value for rule in entry.get("RRULE", ()) if _RULE.match(rule.value)]
    return any(not _ENDS.search(rule) for rule in rules)


def _is_cancelled(entry: _Entry) -> bool:
    return _first(entry, "STATUS").upper() == "CANCELLED"


@cache
def _zone(name: str) -> tzinfo | None:
    """Return a time zone by its name in the database of time zones or in Windows; ``None`` if unknown."""
    from icalendar.timezone import tzp  # every question asks readers for their versions

    return UTC if name == "UTC" else tzp.timezone(name)


def _span(begin: date, end: date | None, zone: tzinfo | None) -> tuple[str, str]:
    """Return the begin and end of a time as they are displayed; for whole days the end is the last day."""
    if not isinstance(begin, datetime):
        last = end - _DAY if end and end > begin else begin
        return str(begin), "" if last == begin else str(last)
    moments = [each for each in (begin, end) if isinstance(each, datetime)]
    shown = [_minute(_local(each, zone)) for each in moments]
    return shown[0], shown[1] if len(shown) == 2 and end != begin else ""


def _local(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return a time in the reader's time zone, without it; a time without a zone as it is."""
    with suppress(OverflowError, ValueError):  # before the year 1, after 9999
        return (moment.astimezone(zone) if moment.tzinfo else moment).replace(tzinfo=None)
    return moment.replace(tzinfo=None)


def _moments(entry: _Entry, name: str) -> Iterator[datetime]:
    """Yield the dates and times of a property, as written there."""
    for line in entry.get(name, ()):
        if (moment := _moment(line)[1]) is not None:
            yield moment.replace(tzinfo=None)


def _said(kind: str, entry: _Entry, summary: str, begin: str, end: str, place: str) -> str:
    """Return an entry in one line."""
    elsewhere = _elsewhere(entry, begin)
    until = end.removeprefix(begin[:11]) if " " in end else end  # the same day is written once
    when = f"{begin} to {until}" if end and end != begin else begin
    people = [each.parameters.get("CN") or each.text for each in entry.get("ATTENDEE", [])]
    parts = [
        {"VTODO": "to do: "}.get(kind, "") + summary,
        (f"due {when}" if kind == "VTODO" and when else when) + f" ({elsewhere})" * bool(elsewhere),
        f"at {place.removeprefix('at ')}" if place else "",
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


def _elsewhere(entry: _Entry, begin: str) -> str:
    """Return the time and zone in which an entry is written, if they are not those of the reader."""
    for line in entry.get("DTSTART", ()):
        shown, moment, whole = _moment(line)
        zone = "UTC" if shown.endswith(" UTC") else line.parameters.get("TZID", "")
        if moment and not whole and zone:
            there = _minute(moment.replace(tzinfo=None))
            return zone if moment.tzinfo is None else f"{there[11:]} {zone}" * (there != begin)
    return ""


def _period(entry: _Entry, zone: tzinfo | None) -> tuple[str, str]:
    """Return the begin and end of an entry as they are displayed."""
    line = next((entry[name][0] for name in ("DTSTART", "DUE") if name in entry), None)
    if line is None:
        return "", ""
    (shown, begin, whole), end = _moment(line), None
    if begin is None:
        return shown, ""
    if "DTEND" in entry:
        shown, end, _ = _moment(entry["DTEND"][0])
    elif match := _DURATION.fullmatch(_first(entry, "DURATION")):
        weeks, days, hours, minutes, seconds = (int(each or 0) for each in match.groups())
        with suppress(OverflowError):  # after the year 9999: the entry has only a begin
            end = begin + timedelta(days=7 * weeks + days)
            end = end.astimezone(UTC) if end.tzinfo else end  # hours pass as they do on a watch
            end += timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if whole:
        return _span(begin.date(), end.date() if end else None, zone)
    return _span(begin, end, zone)


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
    zone = "UTC" if utc else line.parameters.get("TZID", "")
    return _minute(moment) + " UTC" * bool(utc), moment.replace(tzinfo=_zone(zone) if zone else None), False


def _minute(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")  # strftime writes the year 800 with three digits


_NTH = {"1": "the first", "2": "the second", "3": "the third", "4": "the fourth", "-1": "the last"}


def _rule(value: str) -> str:
    """Return a recurrence in words.

    >>> _rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;UNTIL=20240630T000000Z")
    'every 2 weeks on Monday and Friday until 2024-06-30'
    >>> _rule("FREQ=MONTHLY;BYDAY=1SA"), _rule("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3")
    ('every month on the first Saturday', 'every month on the last Friday, 3 times')
    """
    rule = dict(part.partition("=")[::2] for part in value.upper().split(";") if part)
    unit, interval = _UNITS.get(rule.pop("FREQ", ""), ""), rule.pop("INTERVAL", "1")
    said = f"every {unit}" if interval == "1" else f"every {interval} {unit}s"
    for key, part in rule.items():
        if key == "BYDAY":
            places = [(each[:-2], _DAYS.get(each[-2:], each[-2:])) for each in part.split(",")]
            days = [f"{_NTH.get(nth.lstrip('+'), nth)} {day}".strip() for nth, day in places]
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
