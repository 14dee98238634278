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
from lior.interfaces import ParsedDocument
from lior.reading.decoding import decode
from lior.reading.documents import record_document
from lior.reading.entries import read_entries
from lior_plugins.readers.chats import chats
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.tables import table

_DEPTH = 3
"""Objects inside one another whose values are cells."""
_DIGITS = 4000
"""Of an integer; one of more is a text."""


@attrs.frozen(kw_only=True)
class Lines:
    """Reader of JSON Lines: objects with ``text`` are documents named by ``_id``, all else are rows."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """A document for each object with a text, or one of kind "rows"."""
        text, notes = decode(data, entries=True)
        documents, other, records = [], [], dict[int, dict[str, str]]()
        for number, line in enumerate(text.split("\n"), 1):
            record = _parse(line)
            if isinstance(record, dict):
                records[number - 1] = dict(_cells(record))
            if isinstance(record, dict) and isinstance(record.get("text"), str):
                documents.append(record_document(record, number))
            elif line.strip():
                other.append(number)
        if not documents:
            columns = [*dict.fromkeys(name for cells in records.values() for name in cells)]
            rows = [tuple(cells.get(name, "") for name in columns) for cells in records.values()]
            tables = table([tuple(columns), *rows], [0, *records]) if rows else ()
            return [ParsedDocument(text=text, kind="rows", notes=notes, tables=tables)]
        if other:
            lines = f"{len(other)} lines left out, without an object with a text, such as line {other[0]}"
            notes = (*notes, lines)
        return [attrs.evolve(documents[0], notes=notes), *documents[1:]]


def _cells(record: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name and text of each value of an object, of those inside it as well: ``method.flow``."""
    for name, value in record.items():
        if isinstance(value, dict) and above.count(".") < _DEPTH:
            yield from _cells(value, f"{above}{name}.")
        elif isinstance(value, bool | str | int | float):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield above + name, " ".join(text.split())


@attrs.frozen(kw_only=True)
class Json:
    """Reader of notebooks by cell, of exports of chats by message, of other JSON by line."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".ipynb", ".geojson")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "markdown" for a notebook or "code"; a "chat" for each chat."""
        text, notes = decode(data, entries=True)
        value = _parse(text)
        if name.lower().endswith(".ipynb"):
            if not isinstance(value, dict) or not isinstance(value.get("cells"), list):
                raise DataError("damaged notebook: no JSON object with cells")
            document = _notebook(value["cells"], _Finder(text))
        elif found := chats(value, _Finder(text).line):
            return [attrs.evolve(found[0], notes=(*notes, *found[0].notes)), *found[1:]]
        elif value is not None and "\n" not in text.strip():
            pretty = json.dumps(value, indent=1, ensure_ascii=False)
            document = ParsedDocument(text=pretty, kind="code", lines=(1,) * (pretty.count("\n") + 1))
        else:
            document = ParsedDocument(text=text, kind="code")
        return [attrs.evolve(document, notes=(*notes, *document.notes))]


def _parse(text: str) -> Any:
    """The value, or nothing if it is not JSON."""
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
    """Cells in their order, code in fences, right below the prose before it; outputs are left out."""
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
    """Number, text, and whether it is code."""
    number, cell = entry
    content = cell.get("source", "")
    return number, content if isinstance(content, str) else "".join(content), cell.get("cell_type") == "code"


class _Finder:
    """Finds strings of a JSON file, in their order, in its lines."""

    def __init__(self, source: str) -> None:
        self.at = 1
        """Line of the string found last."""
        self._found: dict[str, list[int]] = defaultdict(list)
        for number, line in enumerate(source.split("\n"), 1):
            value = line.strip().rstrip(",")
            if value.endswith('"'):
                self._found[value if value.count('"') == 2 else value[value.find(': "') + 2 :]].append(number)

    def line(self, string: str) -> int:
        """The next line that holds ``string``; where none does, the line found last."""
        for escaped in (False, True):
            places = self._found.get(json.dumps(string, ensure_ascii=escaped), [])
            if (index := bisect_left(places, self.at)) < len(places):
                self.at = places[index]
                break
        return self.at
