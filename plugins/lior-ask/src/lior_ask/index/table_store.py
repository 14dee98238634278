"""The table store: the tables of documents in a database, each in one piece, and their descriptions."""

from __future__ import annotations

import json
import re
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence, Sized
from itertools import islice
from pathlib import PurePath
from typing import Any, TypeVar

import attrs

from lior.interfaces import ParsedDocument, Table
from lior.reading import TAKES_ALL, is_late
from lior_ask.index.database import DamagedIndex, Database, intact
from lior_ask.index.passage_store import PassageStore
from lior_ask.index.table_schema import Column, Kind, column, date_of
from lior_ask.index.tasks import COLUMNS, task_tables
from lior_ask.index.total_rows import total_rows
from lior_ask.languages.lists import either

Rows = TypeVar("Rows", bound=Sized)

_BLOCK = 4096
"""Number of rows packed at a time."""
_SPARE = 0.6
"""Share of the indexing time that must be left; packing of rows stops below it, since inferring types takes
as long again. Chosen by hand."""
_ROWS = f"only the first {{:,}} of {{:,}} rows are counted, reading more takes too long; {TAKES_ALL}"
_CELLS = 2_000_000
"""Maximum number of cells of the rows in memory, about 0.25 kB each; a table counts twice, read and typed."""
_TABLES = 1 << 24
"""Maximum number of tables of a document."""
_TYPES: dict[str, dict[str, Kind]] = {
    "mail": {"from": "text", "to": "text", "date": "date", "subject": "text"},
    "chat": {"date": "date", "from": "text", "text": "text"},
    "log": {"date": "date", "level": "text", "text": "text"},
    "contacts": {
        "name": "text",
        "phone": "text",
        "mail": "text",
        "birthday": "date",
        "organisation": "text",
        "address": "text",
    },
    "events": {"begin": "date", "end": "date", "summary": "text", "place": "text"},
    "tasks": {name: "date" if name in ("due", "completed") else "text" for name in COLUMNS},
}
"""Kind of table -> types of its known columns."""
_LOG = tuple(Column(name=name, kind=kind) for name, kind in _TYPES["log"].items())
_THREE = re.compile(r"[^\d,.]*(?:\d{1,3}(?:,\d{3})?)?[^\d,.]*")
"""Pattern of a cell without decimals, or with three of them: "1,234"."""
_KEYED = re.compile(r'(?<!\S)([^\W\d]\w*)=("[^"]*"|[^\s"]+)')
"""Pattern of a key and its value in a log: ``temp=9.1``."""
_SHOWN = {"rows": 1, "mail": 1, "log": 1, "tasks": 1}
"""Maximum number of lines shown of a row; three for other kinds."""
_FRONT = re.compile(
    rf"\ufeff?---\n(?:.*\n){{0,40}}?{either('dates.front_matter')}\s*:\s*"
    r"[\"']?(.{1,200}?)[\"']?[^\S\n]{0,80}\n(?:.*\n){0,40}?---\n"
)
_DATE_NAME = re.compile(either("things.date"), re.I)
"""Pattern of the column name that marks a row's date among several date columns."""
_WIDEST = 1000
"""Maximum number of columns of a table; SQLite allows 2,000."""
_MATTER = 20_000
"""Maximum number of characters of front matter."""
_STAMP = re.compile(
    r"[\[<(]?(?P<date>\d{4}[-/.]\d\d[-/.]\d\d(?:[T ,]+\d\d:\d\d(?::\d\d)?)?"
    r"|\d\d[-/.](?:\d\d|[A-Za-z]{3})[-/.]\d{4}(?:[T ,:]+\d\d:\d\d(?::\d\d)?)?"
    r"|(?:[A-Za-z]{3} )?[A-Za-z]{3} +\d{1,2} +\d\d:\d\d:\d\d(?: \d{4})?)?"
)
_INSIDE = re.compile(r"\b(?P<date>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)")
_HEAD = 50
"""Number of lines of a log used to detect the position of the time stamp."""
_LEVEL = re.compile(
    r"(?<![-\w/.])(trace|debug|info|notice|warn|warning|err|error|crit|critical|fatal|alert|emerg"
    r"|fehler|warnung|erreur|avertissement|advertencia|aviso)\b(?![-.\w])",
    re.I,
)
_REACH = 80
"""Number of characters of a log line in which its level is sought."""
LEVELS = {
    "warn": "warning",
    "err": "error",
    "crit": "critical",
    "fehler": "error",
    "erreur": "error",
    "warnung": "warning",
    "avertissement": "warning",
    "advertencia": "warning",
    "aviso": "warning",
}
"""Variant of a level -> level."""


@attrs.frozen(kw_only=True)
class Head:
    """The description of a table without its rows."""

    document: str
    key: int
    """The key of its rows in the database; negative for a log, which is read from the passages."""
    kind: str
    name: str = ""
    """The name of the sheet, or the heading above the table."""
    columns: tuple[Column, ...] = attrs.field(repr=False)
    rows: int = 0
    until: str = ""
    """The day up to which all rows are known, if the series continues."""
    totals: tuple[int, ...] = attrs.field(default=(), converter=tuple[int, ...])
    """Positions, from 0, of the rows that sum up others, and of balances. The columns are those of the
    other rows."""

    def places(self, kind: str) -> list[int]:
        """Return the numbers of the columns of a type."""
        return [number for number, each in enumerate(self.columns) if each.kind == kind]

    def place(self, name: str) -> int | None:
        """Return the number of the column with a name, or ``None``."""
        return next((n for n, each in enumerate(self.columns) if each.name == name), None)

    @property
    def months(self) -> list[int]:
        """The columns with names of months, without days and years."""
        firsts = ((n, self.columns[n].first) for n in self.places("date"))
        return [n for n, first in firsts if first.startswith("0000") and len(first) == 7]

    @property
    def dated(self) -> int | None:
        """The column with the date of a row: the only date column, or the beginning of an event."""
        found = self.places("date")
        named = [n for n in found if _DATE_NAME.fullmatch(self.columns[n].name)]
        found = named if len(named) == 1 else found
        return found[0] if len(found) == 1 or (found and self.kind == "events") else None


@attrs.frozen(kw_only=True)
class Row:
    """A row, a message, an entry."""

    begin: int
    """The first line of the row in the file, from 1."""
    line: int
    """The line of ``text`` in the file; for a mail, the line of its subject."""
    text: str
    """The text of the row in the document."""
    cells: tuple[str, ...]


@attrs.frozen(kw_only=True)
class About:
    """The record of a document: its kind, date and tables."""

    kind: str
    """The kind of its text."""
    date: str = ""
    """The date in its front matter, as :func:`~lior_ask.index.table_schema.date_of` returns it."""
    heads: tuple[Head, ...] = ()


@attrs.frozen(kw_only=True)
class PackedTables:
    """The tables of a document as they are stored."""

    about: str
    """:class:`About` as JSON."""
    rows: tuple[bytes, ...]
    """The rows of each table as compressed JSON."""
    notes: tuple[str, ...]
    """Notes on rows that were left out."""


def pack_tables(parsed: ParsedDocument) -> PackedTables:
    """Return the tables of a document as they are stored.

    A table that is too wide is left out; it remains as passages. Rows beyond the time limit are left out."""
    made = _pairs(parsed.text.split("\n")) if parsed.kind == "log" else ()
    if parsed.kind in ("prose", "markdown"):
        made = task_tables(parsed.text)
    narrow = [table for table in (*made, *parsed.tables) if len(table.columns) <= _WIDEST]
    tables = [*map(_square, narrow[: _TABLES - 1])]
    source = parsed.text.split("\n") if tables else []
    packed = [_pack(table, parsed, source) for table in tables]
    front = _FRONT.match(parsed.text, 0, _MATTER) if parsed.kind == "markdown" else None
    heads = [_head(table, count, source) for table, (_, count) in zip(tables, packed, strict=True)]
    about = {"kind": parsed.kind, "date": date_of(front[1].strip()) if front else "", "heads": heads}
    counts = [(count, len(table.rows)) for table, (_, count) in zip(tables, packed, strict=True)]
    notes = tuple(_ROWS.format(*each) for each in counts if each[0] < each[1])
    return PackedTables(about=json.dumps(about), rows=tuple(data for data, _ in packed), notes=notes)


class RecordStore:
    """A store of the tables of documents, by the documents' keys in an inverted index."""

    def __init__(self, database: Database, passages: PassageStore) -> None:
        self._database, self._passages = database, passages
        self._prepared: dict[Hashable, tuple[Any, int, dict[int, int]]] = {}
        """What :meth:`prepared` made, its number of cells, and the versions of its documents by key."""
        self._state: tuple[int, int] | None = None
        """The state of the database up to which the prepared rows are known to be unchanged."""

    def add(self, key: int, packed: PackedTables) -> tuple[str, ...]:
        """Add the tables of a document, and return notes on rows left out; a transaction is open."""
        self._database.rows("INSERT INTO records VALUES (?, ?)", key, packed.about)
        rows = [(key * _TABLES + n, data) for n, data in enumerate(packed.rows)]
        self._database.run("INSERT INTO cells VALUES (?, ?)", rows)
        return packed.notes

    def delete(self, key: int) -> None:
        """Delete the tables of a document; a transaction is open."""
        self._database.rows("DELETE FROM records WHERE id = ?", key)
        bounds = key * _TABLES, (key + 1) * _TABLES
        self._database.rows("DELETE FROM cells WHERE key >= ? AND key < ?", *bounds)

    @intact()
    def abouts(self, documents: Sequence[tuple[int, str]]) -> dict[str, About]:
        """Return the records of documents, given by key and name."""
        names = dict(documents)
        found: dict[str, About] = {}
        for key, text in self._database.rows("SELECT id, about FROM records"):
            if key in names:
                about = json.loads(text)
                heads = [
                    _read_head(head, key * _TABLES + n, names[key]) for n, head in enumerate(about["heads"])
                ]
                if about["kind"] == "log" and not heads:
                    heads = [Head(document=names[key], key=-key - 1, kind="log", columns=_LOG)]
                found[names[key]] = About(kind=about["kind"], date=about["date"], heads=tuple(heads))
        return found

    def rows(self, head: Head) -> list[Row]:
        """Return the rows of a table, cached as :meth:`prepared`.

        Raises ``DamagedIndex`` when they are damaged.
        """
        return self.prepared((head,), "rows", lambda: self._rows(head))

    @intact()
    def _rows(self, head: Head) -> list[Row]:
        if head.key < 0:
            return [*_entries(lambda: self._passages.lines(-head.key - 1))]
        found = self._database.cached("SELECT data FROM cells WHERE key = ?", head.key)
        if not found:
            raise DamagedIndex("a table has no rows")
        return _unpacked(bytes(found[0][0]))

    def prepared(self, heads: tuple[Head, ...], use: Hashable, make: Callable[[], Rows]) -> Rows:
        """Return ``make()``, rows of tables for a use, cached until a document of these tables changes.

        What is made of no stored table is cached until any change. Above the maximum number of cells, the
        least recently used rows are dropped.
        """
        with self._database.lock:
            self._forget_changed()
            key = use, tuple((head.document, head.key) for head in heads)
            if (kept := self._prepared.pop(key, None)) is None:
                rows = make()
                cells = sum((head.rows or len(rows)) * len(head.columns) for head in heads) or len(rows)
                documents = {head.key // _TABLES if head.key >= 0 else -head.key - 1 for head in heads}
                kept = rows, cells, {each: self._version(each) for each in documents}
            self._prepared[key] = kept
            while len(self._prepared) > 1 and sum(cells for _, cells, _ in self._prepared.values()) > _CELLS:
                del self._prepared[next(iter(self._prepared))]
            found: Rows = kept[0]
            return found

    def _forget_changed(self) -> None:
        """Drop the rows of documents that have changed since the last call."""
        if (state := self._database.state()) == self._state:
            return
        now = {key: self._version(key) for *_, versions in self._prepared.values() for key in versions}
        same = [key for key, kept in self._prepared.items() if kept[2] and kept[2].items() <= now.items()]
        self._prepared, self._state = {key: self._prepared[key] for key in same}, state

    def _version(self, key: int) -> int:
        """Return a hash of the stored tables of a document, or of the passages of a log."""
        about = self._database.cached("SELECT about FROM records WHERE id = ?", key)
        select = "SELECT data FROM cells WHERE key >= ? AND key < ? ORDER BY key"
        tables = self._database.cached(select, key * _TABLES, (key + 1) * _TABLES)
        parts = [data for (data,) in tables] or self._passages.parts(key)
        return hash((str(about), *map(bytes, parts)))


def _entries(lines: Callable[[], Iterable[tuple[int, str]]]) -> Iterator[Row]:
    """Yield the entries of a log, given by a function that returns its numbered lines.

    An entry is a line that begins with a time stamp. If none of the first lines does, each line is an
    entry, with the time stamp near its beginning."""
    leading = any((stamp := _STAMP.match(text)) and stamp["date"] for _, text in islice(lines(), _HEAD))
    for line, text in lines():
        stamp = _STAMP.match(text) if leading else _INSIDE.search(text, 0, _REACH)
        when = stamp["date"] or "" if stamp else ""
        if when or not leading:
            begin = stamp.end() if stamp else 0
            level = _LEVEL.search(text, begin, begin + _REACH)
            name = level[1].lower() if level else ""
            cells = _day(when), LEVELS.get(name, name), text
            yield Row(begin=line, line=line, text=text, cells=cells)


def _pairs(lines: Sequence[str]) -> tuple[Table, ...]:
    """Return the entries of a log with the values of the keys that most of the first ones have, if any."""
    numbered = [(number, line) for number, line in enumerate(lines) if line.strip()]
    entries = _entries(lambda: numbered)
    first = [*islice(entries, _HEAD)]
    counts = Counter(key for row in first for key in dict(_KEYED.findall(row.text)))
    keys = [key for key, count in counts.items() if 2 * count > len(first) and key not in _TYPES["log"]]
    if not keys or len(first) < 2:
        return ()
    rows = [*first, *entries]
    told = (dict(_KEYED.findall(row.text)) for row in rows)
    cells = tuple(
        (*row.cells, *(each.get(key, "").strip('",;') for key in keys))
        for row, each in zip(rows, told, strict=True)
    )
    return (
        Table(kind="log", columns=(*_TYPES["log"], *keys), rows=cells, lines=tuple(r.line for r in rows)),
    )


def _day(stamp: str) -> str:
    """Return the time stamp of a log in a form that :func:`~lior_ask.index.table_schema.date_of` reads."""
    return (
        stamp
        if stamp[:4].isdigit()
        else re.sub(r"^(\d\d)[-/.]([A-Za-z]{3})[-/.](\d{4})[T ,:]*", r"\1 \2 \3 ", stamp)
    )


def _square(table: Table) -> Table:
    """Return the table with one cell per column in each row, whatever its reader returned."""
    width = len(table.columns)
    if {*map(len, table.rows)} <= {width} and len(table.lines) == len(table.rows):
        return table
    rows = tuple((*row[:width], *[""] * (width - len(row))) for row in table.rows)
    return attrs.evolve(table, rows=rows, lines=table.lines[: len(rows)])


def _head(table: Table, count: int, source: Sequence[str]) -> dict[str, object]:
    """Return the description of a table's first ``count`` rows."""
    rows = table.rows[:count]
    first = source[table.lines[0]].split(";") if rows else []
    parted = bool(rows) and tuple(cell.strip(' "') for cell in first) == rows[0]
    mark = "," * parted  # semicolons separate cells where a comma separates decimals
    columns = _columns(table, rows, mark)
    totals = total_rows(columns, rows) if table.kind == "rows" else ()
    if totals:
        others = _columns(table, [row for n, row in enumerate(rows) if n not in {*totals}], mark)
        # more than 24 hours in the total alone tell that the others are no times of day
        columns = [was if was.duration else now for was, now in zip(columns, others, strict=True)]
    return {
        "kind": table.kind,
        "name": table.name,
        "rows": count,
        "until": table.until,
        "totals": totals,
        "columns": [attrs.asdict(each) for each in columns],
    }


def _columns(table: Table, rows: Sequence[tuple[str, ...]], mark: str) -> list[Column]:
    """Return the columns of some rows.

    "1.234" and "1,234" alone are read as the numbers of other columns are written, or else with the decimal
    mark ``mark``, if any.
    """
    types = _TYPES.get(table.kind, {})
    cells = [*zip(*rows, strict=True)] if rows else [()] * len(table.columns)
    found = [column(name, each, types.get(name)) for name, each in zip(table.columns, cells, strict=True)]
    numbers = {n for n, each in enumerate(found) if each.kind == "number" and not each.duration}
    unclear = {n for n in numbers if not found[n].decimal or _is_whole(cells[n])}
    marks = {
        found[n].decimal for n in numbers - unclear if any(found[n].decimal in cell for cell in cells[n])
    }
    mark = mark if not marks else marks.pop() if len(marks) == 1 else ""
    return [
        attrs.evolve(each, decimal=mark) if mark and n in unclear else each for n, each in enumerate(found)
    ]


def _is_whole(cells: Sequence[str]) -> bool:
    """Return whether all commas may part thousands or three decimals: "1,234"."""
    return any("," in cell for cell in cells) and all(map(_THREE.fullmatch, cells))


def _unpacked(data: bytes) -> list[Row]:
    """Return the rows of a table."""
    try:
        rows = json.loads(zlib.decompress(data))
    except zlib.error as error:
        raise DamagedIndex("a table is damaged") from error
    return [Row(begin=begin, line=line, text=text, cells=tuple(cells)) for begin, line, text, *cells in rows]


def _read_head(record: dict[str, object], key: int, document: str) -> Head:
    columns = tuple(Column(**each) for each in record.pop("columns"))  # type: ignore[attr-defined]
    return Head(document=document, key=key, columns=columns, **record)  # type: ignore[arg-type]


def _pack(table: Table, parsed: ParsedDocument, source: list[str]) -> tuple[bytes, int]:
    """Return lines, text and cells of the rows as compressed JSON, and how many the time allowed."""
    packer, count, most = zlib.compressobj(1), 0, _SHOWN.get(table.kind, 3)
    parts = [packer.compress(b"[")]
    rows = zip(table.lines, [*table.lines[1:], len(source)], table.rows, strict=True)
    while (block := [*islice(rows, _BLOCK)]) and not (count and is_late(_SPARE)):
        records = [_record(parsed, source, most, *row) for row in block]
        parts.append(packer.compress((", " * bool(count) + json.dumps(records)[1:-1]).encode()))
        count += len(block)
    return b"".join((*parts, packer.compress(b"]"), packer.flush())), count


def _record(
    parsed: ParsedDocument, source: list[str], most: int, number: int, end: int, cells: tuple[str, ...]
) -> tuple[int | str, ...]:
    """Return first line, line, text and cells of a row between the lines ``number``, from 0, and ``end``."""
    last = max(min(end, number + most), number + 1)
    end = max(end, number + 1)  # several rows may begin at one line
    text = "".join(source[number : number + 1])
    if last > number + 1:
        shown = source[number:last]
        blank = next((n for n, line in enumerate(shown) if n and not line.strip()), len(shown))
        text = "\n".join(shown[:blank])
    if parsed.lines is None:
        return number + 1, number + 1, text, *cells
    return min(parsed.lines[number:end], default=0), parsed.lines[number], text, *cells


def kind_of(about: About, document: str) -> str:
    """Return the kind of a document: mail, chat, log, table, calendar, contacts, code or note."""
    named = {"rows": "table", "events": "calendar"}
    for head in about.heads:
        if head.kind not in ("rows", "tasks"):
            return named.get(head.kind, head.kind)
    kind = {"prose": "note", "markdown": "note", "rows": "table"}.get(about.kind, about.kind)
    sheets = (".xlsx", ".xls", ".ods")
    return "table" if PurePath(document.partition("#")[0]).suffix.lower() in sheets else kind


def row_at(lines: Sequence[int], line: int) -> int:
    """Return the index of the last row that begins at or before ``line``, or −1; ``lines`` are ascending."""
    return bisect_right(lines, line) - 1
