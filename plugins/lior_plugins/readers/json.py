"""JSON: documents a line, notebooks, chat exports, and other files as they are."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading.decoding import decode_text
from lior.reading.documents import record_document
from lior.reading.limits import current_limits
from lior_plugins.readers.chats import chats
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.entries import read_entries
from lior_plugins.readers.tables import SPARSE, table

_DEPTH = 3
"""The maximum depth of nested objects whose values become cells."""
_SPARE = 0.6
"""The share of a file's time limit that remains when reading ends: making a table of the lines
takes as long.
"""
_INDENT = 100
"""The maximum number of characters of white space between a bracket and the first key of an object."""
_DIGITS = 4000
"""The maximum number of digits of an integer; a longer one is read as text."""


@attrs.frozen(kw_only=True)
class Lines:
    """Reader of JSON Lines: objects with ``text`` are documents named by ``_id``; other lines are rows."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return a document for each object with a text, or one of kind "rows"."""
        text, found = decode_text(data, entries=True)
        notes, lines, last = [*found], text.split("\n"), 0
        documents, other, rows = list[ParsedDocument](), list[int](), _Table()
        entries = ((f"line {n}", (n, line)) for n, line in enumerate(lines, 1) if line.strip())
        for last, record in read_entries(entries, _numbered, notes, spare=_SPARE):
            if isinstance(record, dict) and isinstance(record.get("text"), str):
                documents.append(record_document(record, last))
                if len(documents) > current_limits().passages:  # no further one would be indexed
                    break
            else:
                other.append(last)
                if isinstance(record, dict) and not documents:
                    rows.add(last - 1, dict(_cells(record)))
        if not documents:
            if len(notes) > len(found):  # the time was over
                text = "\n".join(lines[:last])
            return [ParsedDocument(text=text, kind="rows", notes=tuple(notes), tables=rows.tables())]
        if other:
            first = f"such as line {other[0]}"
            notes.append(f"{len(other)} lines left out, without an object with a text, {first}")
        return [attrs.evolve(documents[0], notes=tuple(notes)), *documents[1:]]


def _numbered(entry: tuple[int, str]) -> tuple[int, Any]:
    """Return the number and value of a line."""
    return entry[0], _parse(entry[1])


class _Table:
    """A collector of objects that become the rows of a table."""

    def __init__(self) -> None:
        self._columns = dict[str, int]()
        self._rows, self._lines = list[tuple[str, ...]](), list[int]()
        self._filled, self._sparse = 0, False

    def add(self, line: int, cells: dict[str, str]) -> None:
        """Add the object of a line, which counts from 0."""
        for name in cells:
            self._columns.setdefault(name, len(self._columns))
        self._filled += len(cells)
        # Empty cells would fill the memory.
        self._sparse |= len(self._columns) * len(self._rows) > SPARSE * self._filled + 1000
        if not self._sparse:
            self._rows.append(tuple(cells.get(name, "") for name in self._columns))
            self._lines.append(line)

    def tables(self, name: str = "") -> tuple[Table, ...]:
        """Return the table, or nothing if there are no rows or hardly a cell is filled."""
        if self._sparse or not self._rows:
            return ()
        return table([tuple(self._columns), *self._rows], [0, *self._lines], name, named=True)


class _Lists:
    """A finder of the lists of objects in a JSON text, and of the lines of their objects."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._decode = json.JSONDecoder(strict=False, parse_int=_integer).raw_decode
        self._seen, self._line = 0, 0
        self.tables = list[Table]()

    def find(self, name: str = "", depth: int = 0) -> None:
        """Find the lists of the value that begins here; ``name`` is its path of keys."""
        mark = self._next()
        if mark == "{" and depth < _DEPTH:
            self._at += 1
            while self._next() != "}":
                key = self._value()
                self.find(f"{name}.{key}" if name else str(key), depth + 1)
            self._at += 1
        elif mark == "[":
            self._at += 1
            rows, others = _Table(), 0
            while self._next() != "]":
                line, value = self._line_here(), self._value()
                if isinstance(value, dict) and not others:
                    rows.add(line, dict(_cells(value)))
                others += not isinstance(value, dict)
            self._at += 1
            self.tables += rows.tables(name) if not others else ()
        else:
            self._value()

    def _next(self) -> str:
        """Go to the next value or bracket, and return its first character."""
        while self._text[self._at] in " \t\r\n,:":
            self._at += 1
        return self._text[self._at]

    def _value(self) -> Any:
        value, self._at = self._decode(self._text, self._at)
        return value

    def _line_here(self) -> int:
        """Return the line of the value that begins here; of an object, the line of its first key."""
        at = self._at
        if self._text[at] == "{":
            at += len(self._text[at + 1 : at + _INDENT]) - len(self._text[at + 1 : at + _INDENT].lstrip())
        self._line += self._text.count("\n", self._seen, at + 1)
        self._seen = at + 1
        return self._line


def _cells(record: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and text of each value of an object; nested values have names such as
    ``method.flow``.
    """
    for name, value in record.items():
        if isinstance(value, dict) and above.count(".") < _DEPTH:
            yield from _cells(value, f"{above}{name}.")
        elif isinstance(value, bool | str | int | float):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield above + name, " ".join(text.split())


@attrs.frozen(kw_only=True)
class Json:
    """Reader of notebooks by cell, of exports of chats by message, of other JSON by line.

    Lists of objects are tables.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".ipynb", ".geojson")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "markdown" for a notebook or "code"; a "chat" for each chat."""
        text, notes = decode_text(data, entries=True)
        value, lines = _parse(text), False
        if value is None and text.lstrip()[:1] == "{":  # JSON Lines by another name
            records = [_parse(line) for line in text.split("\n") if line.strip()]
            lines = len(records) > 1 and all(isinstance(record, dict) for record in records)
            value = records if lines else None
        if name.lower().endswith(".ipynb"):
            if not isinstance(value, dict) or not isinstance(value.get("cells"), list):
                raise DataError("damaged notebook: no JSON object with cells")
            document = _notebook(value["cells"], _Finder(text))
        elif found := chats(value, _Finder(text).line):
            return [attrs.evolve(found[0], notes=(*notes, *found[0].notes)), *found[1:]]
        elif lines:
            return Lines().read(data, name)
        elif value is not None and "\n" not in text.strip():
            pretty = json.dumps(value, indent=1, ensure_ascii=False)
            document = ParsedDocument(text=pretty, kind="code", lines=(1,) * (pretty.count("\n") + 1))
            document = attrs.evolve(document, tables=_tables(value, pretty))
        else:
            document = ParsedDocument(text=text, kind="code", tables=_tables(value, text))
        return [attrs.evolve(document, notes=(*notes, *document.notes))]


def _tables(value: Any, text: str) -> tuple[Table, ...]:
    """Return the lists of objects of a value, whose text this is."""
    if not isinstance(value, dict | list):
        return ()
    lists = _Lists(text)
    with suppress(RecursionError):
        lists.find()
    return tuple(lists.tables)


def _parse(text: str) -> Any:
    """Return the value, or ``None`` if the text is not JSON."""
    with suppress(ValueError, RecursionError):
        try:
            return json.loads(text, strict=False)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer of more digits than Python reads
            return json.loads(text, strict=False, parse_int=_integer)
    return None


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _DIGITS else digits


def _notebook(cells: list[dict[str, Any]], finder: _Finder) -> ParsedDocument:
    """Return cells in their order, code in fences, right below the prose before it; outputs are left out."""
    found, prose = Collected(), False
    entries = ((f"cell {number}", (number, cell)) for number, cell in enumerate(cells, 1))
    for number, content, code in read_entries(entries, _cell, found.notes):
        if not content.strip():
            continue
        if code and prose:
            del found.text[-1], found.lines[-1]
        prose = not code
        found.begin(f"cell {number}")
        lines = [(finder.line(line), line.removesuffix("\n")) for line in content.splitlines(keepends=True)]
        while not lines[-1][1].strip():
            lines.pop()
        if code:
            lines = [(lines[0][0], "```"), *lines, (finder.at, "```")]
        for at, line in (*lines, (finder.at, "")):
            found.put(line, at)
    return found.document("markdown")


def _cell(entry: tuple[int, dict[str, Any]]) -> tuple[int, str, bool]:
    """Return the number, text, and whether it is code."""
    number, cell = entry
    content = cell.get("source", "")
    return number, content if isinstance(content, str) else "".join(content), cell.get("cell_type") == "code"


class _Finder:
    """A finder of the lines of a JSON file's strings, in their order."""

    def __init__(self, source: str) -> None:
        self.at = 1
        """The line of the last string found."""
        self._found: dict[str, list[int]] = defaultdict(list)
        for number, line in enumerate(source.split("\n"), 1):
            value = line.strip().rstrip(",")
            if value.endswith('"'):
                self._found[value if value.count('"') == 2 else value[value.find(': "') + 2 :]].append(number)

    def line(self, string: str) -> int:
        """Return the next line with ``string``, or the last line found if there is none."""
        for escaped in (False, True):
            places = self._found.get(json.dumps(string, ensure_ascii=escaped), [])
            if (index := bisect_left(places, self.at)) < len(places):
                self.at = places[index]
                break
        return self.at
