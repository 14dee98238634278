"""Readers of spreadsheets, slides, calendars, contacts, notes, chats, pictures and archives."""

from __future__ import annotations

import pytest

from lior.ask.chunking import chunk
from lior.errors import DataError
from lior.interfaces import ParsedDocument
from lior.reading.parsing import parse_bytes
from lior.testing.readers import check_document
from tests.reading.samples import ODS, SAMPLES, one, zipped


def table_of(document: ParsedDocument) -> list[tuple[str, ...]]:
    """Columns and rows of the only table, after a check that each row stands where it is said to."""
    (table,) = document.tables
    lines = document.text.split("\n")
    for row, line in zip(table.rows, table.lines, strict=True):
        assert len(row) == len(table.columns)
        words = " ".join(row).split()
        assert words[0].split("T")[0] in "\n".join(lines[line : line + 3]), (row, lines[line])
    return [table.columns, *table.rows]


# --- spreadsheets ---


def test_sheets_of_a_workbook():
    expenses, pets = parse_bytes(SAMPLES["a.xlsx"], "house.xlsx")
    check_document(expenses, b"")
    assert (expenses.kind, expenses.name, expenses.title) == ("rows", "Expenses", "house Expenses Household")
    assert expenses.text.split("\n") == [
        "Date | Category | Amount | Share | At",
        "2024-03-01 | food | 12.5 | 19% | 09:30",
        "2024-03-02 18:05 | train to Hull | 40 | 100%",
        "total",
        "far away",
    ]
    assert expenses.places[1:3] == ((1, "Expenses, row 3"), (2, "Expenses, row 4"))
    assert table_of(expenses)[1:] == [
        ("2024-03-01", "food", "12.5", "19%", "09:30"),
        ("2024-03-02 18:05", "train to Hull", "40", "100%", ""),
    ]
    assert table_of(pets) == [("name", "born"), ("Biscuit", "2019"), ("Rex", "0.3")]
    found = {p.text: p for p in chunk(pets, "house.xlsx#Pets")}["Biscuit | 2019"]
    assert (found.place, found.context.split("\n")[:2]) == ("Pets, row 2", ["house Pets", "name born"])


def test_sheets_of_opendocument():
    for name in ("a.ods", "a"):
        document = one(SAMPLES["a.ods"], name)
        assert (document.kind, document.name) == ("rows", "")
        assert table_of(document) == [("day", "price"), ("2024-03-01", "1234.5")]
        assert document.places[1] == (1, "A, row 2")


def test_a_sheet_that_repeats_without_end_is_bounded():
    cell = "<b:table-cell o:value-type='string' b:number-columns-repeated='16384'><t:p>x</t:p></b:table-cell>"
    data = zipped(mimetype="", **{"content.xml": ODS.format(cell)})
    assert one(data, "a.ods").text.count("x") == 1000
    many = ODS.format("").replace("<b:table-row>", "<b:table-row b:number-rows-repeated='99999999'>")
    assert one(zipped(mimetype="", **{"content.xml": many}), "a.ods").text.count("\n") < 2000
    huge = zipped(mimetype="", **{"content.xml": ODS.format(cell.replace(">x<", f">{'x' * 100_000}<"))})
    with pytest.raises(DataError, match="more than 67,108,864 characters"):
        parse_bytes(huge, "a.ods")
