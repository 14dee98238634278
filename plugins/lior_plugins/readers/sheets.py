"""Spreadsheets as they are seen: a document for each sheet, and its tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import ClassVar

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument
from lior_plugins.readers import ods, xlsx
from lior_plugins.readers.opening import Archive, damage
from lior_plugins.readers.sheet_rows import Sheet
from lior_plugins.readers.sheet_tables import SeenSheet


@attrs.frozen(kw_only=True)
class Xlsx:
    """Reader of XLSX and XLS: rows as cells between bars, numbers in full, dates as ISO 8601."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xls")
    packages: ClassVar[tuple[str, ...]] = ("python-calamine",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return a document of kind "rows" for each sheet; its lines are the rows of the sheet."""
        notes = list[str]()
        with damage("XLSX" if data.startswith(b"PK") else "XLS"):
            if data.startswith(b"PK"):
                data = xlsx.marked(data, notes)
            return _documents(xlsx.sheets_of(data, notes), name, notes)


@attrs.frozen(kw_only=True)
class Ods:
    """Reader of OpenDocument spreadsheets, in the same form as XLSX."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".ods",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return a document of kind "rows" for each sheet; its lines are the rows of the sheet."""
        notes = list[str]()
        with damage("ODS"), Archive(data) as archive:
            return _documents(ods.sheets_of(archive, notes), name, notes)


def _documents(sheets: Iterable[Sheet], name: str, notes: list[str]) -> list[ParsedDocument]:
    """Return the documents of sheets. Several sheets have names of their own. The first document has the
    notes.
    """
    found = [SeenSheet(sheet) for sheet in sheets if sheet.rows]
    if not found and notes:
        raise DataError(notes[0])
    several, stem = len(found) > 1, PurePath(name).stem
    documents = [each.document(each.name * several, f"{stem} {each.name}" * several) for each in found]
    return [attrs.evolve(each, notes=() if n else tuple(notes)) for n, each in enumerate(documents)]
