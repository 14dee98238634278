"""Readers of spreadsheets, slides, calendars, contacts, notes, chats, pictures and archives."""

from __future__ import annotations

import gzip
import sys
import time
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from lior.errors import DataError, MissingPackage
from lior.interfaces import ParsedDocument
from lior.reading.limits import Limits, limit_by
from lior.reading.parsing import parse_bytes
from lior.testing.readers import check_document
from lior_ask.api import Index
from lior_ask.chunking.chunker import chunk
from lior_plugins.readers import agenda, pictures
from tests.cases import cases
from tests.reading.samples import ODS, ODT, SAMPLES, XLS, one, picture, sheet, sourced, zipped


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
    check_document(expenses, SAMPLES["a.xlsx"])
    assert (expenses.kind, expenses.name, expenses.title) == ("rows", "Expenses", "house Expenses Household")
    assert sourced(expenses) == [
        (2, "Date | Category | Amount | Share | At"),
        (3, "2024-03-01 | food | 12.5 | 19% | 09:30"),
        (4, "2024-03-02 18:05 | train to Hull | 40 | 100%"),
        (6, "total"),
    ]
    assert expenses.places[1:3] == ((1, "Expenses, row 3"), (2, "Expenses, row 4"))
    assert expenses.notes == (
        "row 1048576 of a sheet is left out: it is too far from the others",
        "it has formulas without stored values: open and save it once in a spreadsheet program",
    )
    assert table_of(expenses)[1:] == [
        ("2024-03-01", "food", "12.5", "19%", "09:30"),
        ("2024-03-02 18:05", "train to Hull", "40", "100%", ""),
    ]
    assert table_of(pets) == [("name", "born"), ("Biscuit", "2019"), ("Rex", "0.3")]
    found = {p.text: p for p in chunk(pets, "house.xlsx#Pets")}["Biscuit | 2019"]
    assert (found.place, found.context.split("\n")[:2]) == ("Pets, row 2", ["house Pets", "name born"])


@cases(
    ("rows", "title", "table"),
    [
        ([["Budget"], [], ["item", "cost"], ["tea", 2]], "Budget", [("item", "cost"), ("tea", "2")]),
        (
            [["a note", "x"], ["item", "by", "cost"], ["tea", "Ada", 2]],
            "a note x",
            [("item", "by", "cost"), ("tea", "Ada", "2")],
        ),
        ([["name", "town"], ["Ada", "Hull"]], "", [("name", "town"), ("Ada", "Hull")]),
        (
            [["name", "town"], [], ["Ada", "Hull"], ["Bob"]],
            "",
            [("name", "town"), ("Ada", "Hull"), ("Bob", "")],
        ),
        ([["region", 2024, 2025], ["North", 5, 7]], "", [("region", "2024", "2025"), ("North", "5", "7")]),
        ([["Rex", 2019], ["Pia", 2020]], "", []),
        ([["tax number", "031 845 01234"], ["customer", "450612345"]], "", []),
        ([["region", "2024"], ["North", 5]], "", [("region", "2024"), ("North", "5")]),
        ([[None] * n + ["x", "y"] for n in range(0, 400, 10)], "", []),  # scattered
        ([["milk"], ["tea"]], "", []),
        ([[1, 2], [3, 4]], "", []),
        ([["name", "town"]], "", []),
    ],
)
def test_the_head_of_a_sheet_is_found(rows, title, table):
    document = one(sheet(*rows), "a.xlsx")
    assert len(document.text) < 1000
    assert (document.title, table_of(document) if document.tables else []) == (title, table)


VISITS = ["city", "visits"], ["Oslo", 5]


@cases(
    ("rows", "tables"),
    [
        ([*VISITS, [], ["Bergen", 7], [], ["seen by Ada"]], [["Oslo 5", "Bergen 7"]]),
        ([*VISITS, ["Bergen", 7], [], ["total", 12]], [["Oslo 5", "Bergen 7", "total 12"]]),
        ([*VISITS, ["Bergen", 7], ["total", "=SUM(B2:B3)"]], [["Oslo 5", "Bergen 7"]]),
        ([*VISITS, [], *VISITS], [["Oslo 5", "Oslo 5"]]),
        ([["a", "c"], ["x", 1], ["y", 2], ["z", 3]], [["x 1", "y 2", "z 3"]]),
        ([*VISITS, [], ["name", "age"], ["Ada", 33]], [["Oslo 5"], ["Ada 33"]]),
        ([["city", "visits", None, "name", "age"], ["Oslo", 5, None, "Ada", 33]], [["Oslo 5"], ["Ada 33"]]),
        ([["city", "visits", None, "remark"], ["Oslo", 5, None, "wet"]], [["Oslo 5 wet"]]),
        (
            [["a", "b", None, "c", "d"], ["x", 1, None, "y", 2], [], [None] * 3 + ["z", 3]],
            [["x 1"], ["y 2", "z 3"]],
        ),
        ([["name", "town"], ["Ada", "Hull"], [], ["Bob", "Leeds"]], [["Ada Hull", "Bob Leeds"]]),
    ],
)  # fmt: skip
def test_a_table_ends_where_another_one_begins(rows, tables):
    document = one(sheet(*rows), "a.xlsx")
    assert [[" ".join(row) for row in table.rows] for table in document.tables] == tables


def test_a_heading_names_the_table_below_it():
    document = one(sheet(*VISITS, [], ["People"], [], ["name", "age"], ["Ada", 33]), "a.xlsx")
    assert [(table.name, table.lines) for table in document.tables] == [("Sheet", (1,)), ("People", (4,))]
    assert sourced(document)[4] == (7, "Ada | 33")


def test_merged_cells_give_their_value_to_all_that_they_cover():
    rows = [
        ["By Ada"],
        ["region", *VISITS[0]],
        ["North", *VISITS[1]],
        [None, "Bergen", 7],
        ["South", "Rome", 3],
    ]
    document = one(sheet(*rows, merged="A1:C1 A3:A4"), "a.xlsx")
    assert [row[0] for row in document.tables[0].rows] == ["North", "North", "South"]
    assert sourced(document)[2] == (4, "North | Bergen | 7")
    cell = "<b:table-cell b:number-rows-spanned='2' o:value-type='string'><t:p>North</t:p></b:table-cell>"
    number = "<b:table-cell o:value-type='float' o:value='{}'/></b:table-row>"
    below = f"<b:table-row><b:covered-table-cell/>{number.format(7)}<b:table-row>"
    text = ODS.format(f"</b:table-row><b:table-row>{cell}{number.format(5)}{below}")
    document = one(zipped(mimetype="", **{"content.xml": text}), "a.ods")
    assert document.tables[0].rows[1:] == (("North", "5"), ("North", "7"))


@cases("years", [["2024", "2025"], [2024, 2025], ["spring", "summer"]])
def test_a_head_of_merged_cells_has_several_rows(years):
    rows = [["City", "Visits", None], [None, *years], ["Oslo", 5, 6], ["Bergen", 7, 8]]
    (table,) = one(sheet(*rows, merged="A1:A2 B1:C1"), "a.xlsx").tables
    assert table.columns == ("City", *(f"Visits {year}" for year in years))
    assert table.rows == (("Oslo", "5", "6"), ("Bergen", "7", "8"))


def test_values_are_those_that_are_shown():
    values = [45352, 45352.7534722, 0.3958333, 1.253473, 1.253473, 0.125, 1 / 3, True]
    forms = ["d.m.yyyy", "d/m/yy h:mm", "h:mm", "h:mm", "[h]:mm", "0.0%", "0.00", "General"]
    data = sheet(
        [*"abcdefgh"], values, **{f"{cell}2": form for cell, form in zip("ABCDEFGH", forms, strict=True)}
    )
    shown = (
        "2024-03-01",
        "2024-03-01 18:05",
        "09:30",
        "06:05",
        "30:05",
        "12.5%",
        "0.333333333333333",
        "TRUE",
    )
    assert table_of(one(data, "a.xlsx"))[1] == shown


def test_old_workbooks():
    document = one(XLS, "a.xls")
    assert sourced(document)[1:] == [
        (2, "2024-03-01 | 12.5 | 0.19"), (3, "Größe | 3"), (4, "North | 5"), (5, "North | 7"),
    ]  # fmt: skip
    assert parse_bytes(SAMPLES["a.xlsx"], "a.xls") == parse_bytes(SAMPLES["a.xlsx"], "a.xlsx")
    for damaged in (b"<html>", XLS[:-2000]):
        with pytest.raises(DataError, match=r"^damaged or protected XLS \(.*\)$"):
            parse_bytes(damaged, "a.xls")


def test_sheets_of_opendocument():
    for name in ("a.ods", "a"):
        document = one(SAMPLES["a.ods"], name)
        assert (document.kind, document.name) == ("rows", "")
        assert table_of(document) == [("day", "price"), ("2024-03-01", "1234.5")]
        assert document.places[1] == (1, "A, row 2")


def test_opendocument_has_percentages_and_totals():
    text = "<b:table-cell o:value-type='{}'{}><t:p>{}</t:p></b:table-cell>"
    total = text.format("float", " o:value='5' b:formula='of:=SUM([.B2:.B3])'", 5)
    share = text.format("percentage", " o:value='0.19'", "19 %")
    rows = f"</b:table-row><b:table-row>{text.format('string', '', 'all')}{total}</b:table-row><b:table-row>"
    data = zipped(
        mimetype="", **{"content.xml": ODS.format(f"{rows}{text.format('string', '', 'VAT')}{share}")}
    )
    assert one(data, "a.ods").tables[0].rows[1:] == (("VAT", "19 %"),)


def test_a_sheet_that_repeats_without_end_is_bounded():
    cell = "<b:table-cell o:value-type='string' b:number-columns-repeated='16384'><t:p>x</t:p></b:table-cell>"
    data = zipped(mimetype="", **{"content.xml": ODS.format(cell)})
    assert one(data, "a.ods").text.count("x") == 1000
    many = ODS.format("").replace("<b:table-row>", "<b:table-row b:number-rows-repeated='99999999'>")
    assert one(zipped(mimetype="", **{"content.xml": many}), "a.ods").text.count("\n") < 2000
    huge = zipped(mimetype="", **{"content.xml": ODS.format(cell.replace(">x<", f">{'x' * 100_000}<"))})
    with pytest.raises(DataError, match="more than 25,165,824 characters"):
        parse_bytes(huge, "a.ods")


# --- slides, calendars, contacts ---


def test_slides_with_their_notes():
    document = one(SAMPLES["a.pptx"], "a.pptx")
    assert [line for line in document.text.split("\n") if line] == [
        "# Boiler",
        "- Pressure 1.5 bar",
        "- Bleed in autumn",
        "Say that the key is under the mat.",
        "pump | 7 W",
    ]
    lines = document.text.split("\n")
    assert [(lines[first], place) for first, place in document.places] == [
        ("# Boiler", "slide 1"),
        ("Say that the key is under the mat.", "slide 1, notes"),
        ("pump | 7 W", "slide 2"),
    ]


def test_tables_of_office_documents_have_their_rows():
    from docx import Document

    document, buffer = Document(), BytesIO()
    made = document.add_table(2, 2)
    for cell, text in zip(made._cells, ("name", "phone", "Ada", "12"), strict=True):
        cell.text = text
    document.save(buffer)
    second = "<table:table-row><table:table-cell><text:p>Ada</text:p></table:table-cell>"
    second += "<table:table-cell/></table:table-row>"
    odt = zipped(mimetype="", **{"content.xml": ODT.replace("</table:table>", second + "</table:table>")})
    assert table_of(one(buffer.getvalue(), "a.docx")) == [("name", "phone"), ("Ada", "12")]
    assert table_of(one(odt, "a.odt")) == [("a", "b"), ("Ada", "")]


DENTIST = ("2024-03-05", "2025-03-04", "2025-09-02")
"""Of four, the second is left out."""


def calendar_of(*events: str) -> ParsedDocument:
    """A calendar of events, each with its lines separated by spaces."""
    lines = (
        "\n".join(["BEGIN:VEVENT", *each.split(), "END:VEVENT", ""]).replace("_", " ") for each in events
    )
    return one(f"BEGIN:VCALENDAR\n{''.join(lines)}END:VCALENDAR\n".encode(), "a.ics")


def begins(document: ParsedDocument) -> list[str]:
    (table,) = document.tables
    return [row[0] for row in table.rows]


WEEKLY = "UID:1 SUMMARY:Pottery DTSTART;TZID=Europe/London:20250507T193000 RRULE:FREQ=WEEKLY;"


def test_a_series_takes_place_each_time_but_when_it_is_left_out_or_moved():
    moved = "UID:1 SUMMARY:Pottery RECURRENCE-ID:20250521T193000 DTSTART:20250522T180000"
    left_out = " EXDATE:20250514T193000,20250604T193000 RDATE:20250610T100000"
    document = calendar_of(f"{WEEKLY}UNTIL=20250612T000000Z{left_out}", moved)
    assert begins(document) == [
        "2025-05-07 19:30",
        "2025-05-28 19:30",
        "2025-06-10 10:00",
        "2025-06-11 19:30",
        "2025-05-22 18:00",
    ]
    assert "except 2025-05-14 19:30, 2025-06-04 19:30" in document.text
    assert "also 2025-06-10 10:00" in document.text
    assert begins(calendar_of(f"{WEEKLY}COUNT=3 EXDATE;VALUE=DATE:20250514"))[1:] == ["2025-05-21 19:30"]
    birthday = "SUMMARY:Ada DTSTART;VALUE=DATE:20240229 DTEND;VALUE=DATE:20240301 RRULE:FREQ=YEARLY;COUNT=2"
    assert begins(calendar_of(birthday)) == ["2024-02-29", "2028-02-29"]
    gone = "UID:1 RECURRENCE-ID:20250514T193000 DTSTART:20250514T193000 STATUS:CANCELLED"
    assert [each[:10] for each in begins(calendar_of(f"{WEEKLY}COUNT=3", gone))] == [
        "2025-05-07",
        "2025-05-21",
    ]
    later = "UID:1 SUMMARY:Late RECURRENCE-ID;RANGE=THISANDFUTURE:20250514T193000 DTSTART:20250514T203000"
    assert [each[11:] for each in begins(calendar_of(f"{WEEKLY}COUNT=3", later))] == [
        "19:30",
        "20:30",
        "20:30",
    ]
    cancelled = f"{WEEKLY}COUNT=3 STATUS:CANCELLED"
    assert not one(calendar_of(cancelled, birthday).text.encode(), "a.txt").tables
    assert begins(calendar_of(cancelled, birthday)) == ["2024-02-29", "2028-02-29"]


def test_times_in_utc_are_those_of_the_zone_of_the_event():
    left_out = "EXDATE:20250521T183000Z"
    moved = "UID:1 SUMMARY:Pottery RECURRENCE-ID:20250528T183000Z DTSTART;TZID=Europe/London:20250529T193000"
    found = begins(calendar_of(f"{WEEKLY}UNTIL=20250604T183000Z {left_out}", moved))
    assert [each[:10] for each in found] == ["2025-05-07", "2025-05-14", "2025-06-04", "2025-05-29"]
    unknown = f"{WEEKLY}UNTIL=20250514T193000Z".replace("Europe/London", "Customized/Zone")
    assert len(begins(calendar_of(unknown))) == 2
    ends = "UID:1 SUMMARY:Old RECURRENCE-ID:00010101T000000Z DTSTART;TZID=America/New_York:20250529T193000"
    assert begins(calendar_of(ends)) == ["2025-05-29 19:30"]


def test_a_series_without_an_end_says_until_when_its_times_are_known():
    document = calendar_of(WEEKLY.removesuffix(";"), "SUMMARY:Kiln DTSTART;VALUE=DATE:20250901")
    (table,) = document.tables
    assert (table.until, len(table.rows)) == ("2035-09-01", 540)


def test_times_of_a_calendar_are_so_many_at_most(monkeypatch):
    monkeypatch.setattr(agenda, "_MOST", 3)
    (table,) = calendar_of(f"{WEEKLY}COUNT=5", f"{WEEKLY}COUNT=2").tables  # a name twice is no series
    assert [row[0][:10] for row in table.rows] == ["2025-05-07", "2025-05-14", "2025-05-21", "2025-05-07"]
    assert table.until == "2025-05-07"


@cases("rule", ["INTERVAL=0", "INTERVAL=-1;COUNT=3", "BYDAY=XX", "BYMONTHDAY=99", "COUNT=x"])
def test_a_rule_that_leads_nowhere_leaves_the_event(rule):
    assert begins(calendar_of(WEEKLY + rule)) == ["2025-05-07 19:30"]
    document = calendar_of(f"SUMMARY:x DTSTART:20250507T193000 RRULE:FREQ=SECONDLY;{rule}")
    assert begins(document) == ["2025-05-07 19:30"]
    assert document.notes == ("rules such as that in line 5 are not followed",)


@cases(
    ("machine", "shown"),
    [
        ("UTC", "Call, 2025-11-09 16:00 (11:00 America/Toronto)"),  # most events are those of London
        ("Europe/Berlin", "Call, 2025-11-09 17:00 (11:00 America/Toronto)"),
    ],
)
def test_times_are_those_of_the_reader(machine, shown, monkeypatch):
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    call = "SUMMARY:Call DTSTART;TZID=America/Toronto:20251109T110000"
    utc = "SUMMARY:Tea DTSTART:20250701T220000Z DURATION:PT1H30M"
    text = calendar_of(f"{WEEKLY}COUNT=1", f"{WEEKLY}COUNT=1", call, utc).text
    monkeypatch.undo()
    time.tzset()
    assert shown in text
    assert ("London" in text) == (machine != "UTC")
    assert (
        f"Tea, 2025-07-0{'1 23:00 to 2025-07-02 00:30' if machine == 'UTC' else '2 00:00 to 01:30'}" in text
    )


@cases(
    ("event", "rows"),
    [
        ("DTSTART;VALUE=DATE:20261024 DTEND;VALUE=DATE:20261031", ["2026-10-24 2026-10-30"]),
        ("DTSTART:20261024T220000 DTEND:20261025T020000", ["2026-10-24 22:00 2026-10-25 02:00"]),
        ("DTSTART:20261024T220000 DURATION:P1DT2H", ["2026-10-24 22:00 2026-10-26 00:00"]),
        ("DTSTART:20260424T180000 RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=1", ["2026-04-24 18:00"]),
        ("DTSTART;VALUE=DATE:20240229 RRULE:FREQ=YEARLY", ["2024-02-29", "2028-02-29", "2032-02-29"]),
        ("DTSTART:20261024T220000 RDATE:20261101T080000", ["2026-10-24 22:00", "2026-11-01 08:00"]),
        (
            "DTSTART;TZID=Romance_Standard_Time:20261023T100000 DURATION:PT2H RRULE:FREQ=WEEKLY;COUNT=2",
            ["2026-10-23 10:00 2026-10-23 12:00", "2026-10-30 10:00 2026-10-30 12:00"],
        ),
    ],
)  # fmt: skip
def test_events_exist_from_their_begin_to_their_end(event, rows):
    (table,) = calendar_of(event).tables
    assert [" ".join(row[:2]).strip() for row in table.rows] == rows


def test_events_of_a_calendar():
    document = one(SAMPLES["a.ics"], "a.ics")
    assert document.title == "House"
    assert [place for _, place in document.places] == ["event", "event", "event", "task"]
    assert sourced(document)[1:] == [
        (
            11,
            "Dentist, Dr Holt, 2024-03-05 14:00 to 14:45, at High Street 5, "
            "every 6 months on the first Tuesday, 4 times, "
            "except 2024-09-03 14:00, with Biscuit: the dog: Bring the card and a pen",
        ),
        (23, "Holiday, 2024-07-01 to 2024-07-14, cancelled"),
        (29, "Call, 2024-01-02 23:00 to 2024-01-03 01:00"),
        (34, "to do: Pay the rent, due 2024-04-01"),
    ]
    (table,) = document.tables
    assert (table.kind, table.columns) == ("events", ("begin", "end", "summary", "place"))
    assert table.rows == (
        *((f"{day} 14:00", f"{day} 14:45", "Dentist, Dr Holt", "High Street 5") for day in DENTIST),
        ("2024-01-02 23:00", "2024-01-03 01:00", "Call", ""),
    )
    assert (table.lines, table.until) == ((1, 1, 1, 3), "")
    with pytest.raises(DataError, match="no event, task or note in it"):
        parse_bytes(b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "a.ics")


def test_contacts():
    document = one(SAMPLES["a.vcf"], "a.vcf")
    assert sourced(document)[1:] == [
        (1, "Anna Smith, phone +44 20 1234, mail anna@x.org, birthday 1980-02-01, café owner"),
        (13, "Bob, phone +44-30, 555, Example; Ltd, Garage, address High Street 5, London, N1, UK"),
    ]
    (table,) = document.tables
    assert (table.kind, table.lines) == ("contacts", (1, 2))
    assert table.rows[1] == (
        "Bob",
        "+44-30, 555",
        "",
        "",
        "Example; Ltd, Garage",
        "High Street 5, London, N1, UK",
    )
    with pytest.raises(DataError, match="no contact in it"):
        parse_bytes(b"BEGIN:VCARD\n", "a.vcf")


# --- notes ---

NOTE = """---
title: "Holiday in Hull" # a comment
date: 2024-03-01
tags: [travel, train]
---
See [[Boiler manual|the manual]] for the pump.

![[map.png]]
- [[Packing list]]
"""


def test_front_matter_names_a_note_and_links_alone_are_titles():
    for text in (NOTE, NOTE.replace("---", "+++").replace("title:", "Title =")):
        document = one(text.encode(), "notes/a.md")
        assert (document.text, document.title, document.titles) == (text, "Holiday in Hull", (1, 7, 8))
    passages = {p.text: p for p in chunk(one(NOTE.encode(), "a.md"), "a.md")}
    assert passages["date: 2024-03-01"].context.split("\n")[0] == "Holiday in Hull"
    assert passages["![[map.png]]"].title
    assert not passages["See [[Boiler manual|the manual]] for the pump."].title
    index = Index()
    index.learn("hull.md", NOTE)
    assert index.ask("When was the holiday in Hull?").answer.text == "date: 2024-03-01"
    assert "[[Boiler manual" in index.ask("Which boiler manual is about the pump?").answer.text
    for other in ("# T\n---\ntitle: x\n---\n", "---\nnever: closed\ntitle: x\n", "title: x\n"):
        assert one(other.encode(), "a.md").title == ""


@cases(
    "aliases",
    [
        "aliases: [Boiler, 'Kessel, alt']",
        "aliases:\n  - Boiler\n  - 'Kessel, alt'",
        'alias = ["Boiler", "Kessel, alt",]',
        "Aliases: 'Kessel, alt', Boiler",
    ],
)
def test_aliases_name_a_note(aliases):
    mark, title = ("+++", "title = 'Vaillant'\n") if "=" in aliases else ("---", "title: Vaillant\n")
    for head in ("", title):
        text = f"{mark}\n{head}{aliases}\n{mark}\nIt hangs in the cellar.\n"
        document = one(text.encode(), "a.md")
        assert sorted(document.title.split(", ")) == ["Boiler", "Kessel", *["Vaillant"] * bool(head), "alt"]
        assert document.titles == tuple(range(1, text[: text.rindex(mark)].count("\n")))
    passages = chunk(document, "a.md")
    assert [p.text for p in passages if not p.title] == ["It hangs in the cellar."]
    index = Index()
    index.learn("a.md", text)
    index.learn("b.md", f"{mark}\ntitle{'=:'[mark == '---']} Bosch\n{mark}\nIt hangs in the kitchen.\n")
    assert index.ask("Where does the boiler hang?").answer.text == "It hangs in the cellar."


def test_the_fact_in_a_callout_is_quoted_and_not_its_title():
    text = (
        "> [!warning] Pressure of the heating\n> Never above 2.5 bar, or the valve opens.\n\n"
        "> [!tip]- Filter\n>\n> Clean it every spring.\n\n> [!info] The plumber is Joe Miller.\n"
    )
    document = one(text.encode(), "a.md")
    assert document.titles == (0, 3)
    index = Index()
    index.learn("a.md", text)
    for question, fact in (
        ("What is the pressure of the heating?", "Never above 2.5 bar"),
        ("How often is the filter cleaned?", "every spring"),
        ("Who is the plumber?", "Joe Miller"),
    ):
        assert fact in index.ask(question).answer.text


# --- archives ---


def test_members_of_an_archive_are_documents(tmp_path):
    (tmp_path / "a.zip").write_bytes(
        zipped(
            **{"notes__boiler.md": "# Boiler\n\nThe pressure is 1.5 bar.\n", "pets.csv": "name,age\nRex,7\n"},
            **{
                "list.jsonl": '{"_id": "d1", "text": "The hen lays blue eggs."}\n',
                "notes__.hidden": "secret",
            },
            **{"in.zip": SAMPLES["a.zip"], "in2.zip.gz": gzip.compress(SAMPLES["a.zip"]), "x.bin": b"\0\1"},
            **{"letter.docx": SAMPLES["a.docx"], "bad.pdf": b"%PDF-"},
        )
    )
    index = Index(tmp_path)
    assert index.documents == [
        "a.zip#letter.docx",
        "a.zip#list.jsonl#d1",
        "a.zip#notes/boiler.md",
        "a.zip#pets.csv",
    ]
    answer = index.ask("What is the pressure of the boiler?").answer
    assert (answer.text, answer.document, answer.line, answer.place) == (
        "The pressure is 1.5 bar.",
        "a.zip#notes/boiler.md",
        3,
        "notes/boiler.md",
    )
    assert index.path("a.zip#pets.csv") == tmp_path / "a.zip"
    reasons = [note.partition(" is left out: ") for note in index.notes]
    assert [(name, why[:10]) for name, _, why in reasons] == [
        ("a.zip: in.zip", "an archive"),
        ("a.zip: in2.zip.gz", "an archive"),
        ("a.zip: x.bin", "binary dat"),
        ("a.zip: bad.pdf", "damaged or"),
    ]


@cases("name", ["a.docx", "a.odt", "a.epub", "a.pptx", "a.xlsx", "a.ods"])
def test_documents_that_are_archives_have_bounds(name):
    with limit_by(Limits(unpacked=100)), pytest.raises(DataError, match="than 100 bytes when unpacked"):
        parse_bytes(SAMPLES[name], name)
    with limit_by(Limits(characters=5)), pytest.raises(DataError, match="more than 5 characters"):
        parse_bytes(SAMPLES[name], name)
    assert parse_bytes(SAMPLES[name], name) == parse_bytes(with_pictures(SAMPLES[name], 70 << 20), name)


def with_pictures(data: bytes, size: int) -> bytes:
    """The document with a picture of that many bytes, as its programs keep pictures."""
    buffer = BytesIO(data)
    with ZipFile(buffer, "a", ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("word/media/image1.png", bytes(size))
    return buffer.getvalue()


def test_archives_have_bounds():
    bomb = BytesIO()
    with ZipFile(bomb, "w", ZIP_DEFLATED) as made:
        made.writestr("a.txt", b"word " * 1_000_000)
    assert "it would grow more than 200 times" in refused(bomb.getvalue())
    assert "3,000 files in it; at most 2,000" in refused(zipped(**{f"{n}.txt": "x" for n in range(3000)}))
    locked = bytearray(zipped(**{"a.txt": "word"}))
    locked[6] |= 1
    locked[locked.index(b"PK\1\2") + 8] |= 1
    assert refused(bytes(locked)) == "a.txt is left out: protected by a password"
    with limit_by(Limits(unpacked=10)):
        first, *_ = documents = parse_bytes(zipped(**{"a.txt": "12345678", "b.txt": "123"}), "a.zip")
    assert len(documents) == 1
    assert "the archive has more than 10 bytes" in first.notes[0]


def test_what_is_packed_in_members_counts_as_well():
    two = {"a.txt.gz": gzip.compress(b"good note " * 600), "b.txt.gz": gzip.compress(b"other note " * 600)}
    with limit_by(Limits(unpacked=10_000)):
        first, *others = parse_bytes(zipped(**two), "a.zip")
    left_out = "b.txt.gz is left out: it has more than 10,000 bytes when unpacked; --limits off reads it"
    assert (first.name, len(others), first.notes) == ("a.txt.gz", 0, (left_out,))
    with pytest.raises(DataError, match="larger than the limit"):  # 60 MiB twice
        parse_bytes(gzip.compress(gzip.compress(bytes(60 << 20), 0), 1), "a.gz.gz")


def refused(data: bytes) -> str:
    with pytest.raises(DataError) as error:
        parse_bytes(data, "a.zip")
    return str(error.value)


# --- bounds ---


def odt(body: str) -> bytes:
    return zipped(mimetype="", **{"content.xml": ODT.replace("<text:h ", f"{body}<text:h ", 1)})


def test_counts_in_attributes_are_bounded():
    head = '<text:h text:outline-level="4000000000">a</text:h>'
    assert one(odt(head), "a.odt").text.startswith("###### a\n")
    cells = '<w:tc><w:tcPr><w:gridSpan w:val="300000000"/></w:tcPr><w:p><w:r><w:t>ab</w:t></w:r></w:p></w:tc>'
    text = f'<w:d xmlns:w="urn:w"><w:tbl><w:tr>{cells * 2}</w:tr></w:tbl></w:d>'
    document = one(zipped(**{"word__document.xml": text}), "a.docx")
    assert (document.text.count("ab"), document.text.count("|")) == (2, 125)


def test_tables_inside_tables_are_read_once():
    begin = "<table:table><table:table-row><table:table-cell>"
    end = "</table:table-cell></table:table-row></table:table>"
    assert one(odt(begin * 40 + "<text:p>deep</text:p>" + end * 40), "a.odt").text.count("deep") == 1
    with pytest.raises(DataError, match="more than 256 elements inside each other"):
        parse_bytes(odt(begin * 100 + end * 100), "a.odt")


def test_what_is_listed_many_times_is_read_once():
    with ZipFile(BytesIO(SAMPLES["a.epub"])) as archive:
        parts = {name.replace("/", "__"): archive.read(name) for name in archive.namelist()}
    parts["O__b.opf"] = parts["O__b.opf"].replace(b'<itemref idref="two"/>', b'<itemref idref="two"/>' * 9)
    assert one(zipped(**parts), "a.epub") == one(SAMPLES["a.epub"], "a.epub")


def test_text_boxes_and_insertions_of_docx_are_read_and_deletions_are_not():
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        f"<w:p>{run.format('one ')}<w:ins>{run.format('two')}</w:ins><w:del>{run.format('three')}</w:del>"
        f"<w:r><w:pict><w:txbxContent><w:p>{run.format('four')}</w:p></w:txbxContent></w:pict></w:r></w:p>"
    )
    text = one(zipped(**{"word__document.xml": f'<w:d xmlns:w="urn:w">{body}</w:d>'}), "a.docx").text
    assert text.strip() == "one two four"


# --- pictures ---


@pytest.mark.slow
def test_text_is_recognised_in_pictures_and_scanned_pages():
    pytest.importorskip("rapidocr")
    lines = ["The boiler key is blue.", "Room: 38 m", "Total\t12.50"]
    document = one(picture(*lines), "scan.png")
    assert document.text.split("\n") == [*lines[:2], "Total  12.50"]
    assert document.notes == (pictures.NOTE,)
    document = one(picture(lines[0], form="PDF"), "scan.pdf")
    assert (document.text, document.places) == (lines[0], ((0, "page 1"),))


def test_pictures_have_bounds(monkeypatch):
    monkeypatch.setattr(pictures, "can_recognise", lambda: True)
    monkeypatch.setattr(pictures, "recognise", lambda picture: [f"{picture.shape}"])
    monkeypatch.setattr(pictures, "seconds_left", iter([9, 5, 5, 1, 1, 9, 5, 5, 1, 1, 9]).__next__)
    monkeypatch.setattr(pictures, "SIDE", 320)
    document = one(picture("x", form="TIFF", pages=3), "scan.tiff")
    assert (document.text, document.places[1]) == ("(45, 320, 3)\n(45, 320, 3)", (1, "page 2"))
    assert document.notes == (pictures.NOTE, "only 2 of 3 pages are recognised; --limits off takes all")
    document = one(picture("x", form="PDF", pages=3), "scan.pdf")
    assert document.text.count("320, 3)") == 2
    assert document.notes[1] == "no text in 1 page, such as page 3; --limits off takes all"
    monkeypatch.setattr(pictures, "_PIXELS", 1000)
    with pytest.raises(DataError, match="more than 1,000 pixels"):
        parse_bytes(picture("x"), "large.png")


@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_photographs_in_heic_are_read_under_any_name(name, monkeypatch):
    pytest.importorskip("pillow_heif").register_heif_opener()
    monkeypatch.setattr(pictures, "can_recognise", lambda: True)
    monkeypatch.setattr(pictures, "recognise", lambda picture: [f"{picture.shape}"])
    data = picture("x", form="HEIF")
    assert one(data, name).text == "(90, 640, 3)"
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingPackage, match=r"lior install heic"):
        parse_bytes(data, name)


def test_without_the_extra_pictures_and_scans_name_it(monkeypatch):
    monkeypatch.setattr(pictures, "can_recognise", lambda: False)
    with pytest.raises(MissingPackage, match=r"lior install ocr"):
        parse_bytes(SAMPLES["a.png"], "a.png")
    with pytest.raises(DataError, match=r"no text in 1 page, .* lior install ocr"):
        parse_bytes(picture("x", form="PDF"), "a.pdf")
    assert one(SAMPLES["a.pdf"], "a.pdf").notes == ()  # its blank page has nothing to recognise


PHONES = {
    "android": "1/4/23, 7:02\u202fPM - Ada: The key is here.\n",
    "spanish": "28/3/2025, 9:29\u00a0p.\u00a0m. - Ada: La llave.\n",
    "iphone": "\u200e[07.03.26, 21:22:39] \u200eAda: Der Schlüssel.\n",
}


@cases("first", PHONES)
@cases("second", PHONES)
def test_two_messages_of_phones_are_a_chat(first, second):
    document = one((PHONES[first] + PHONES[second].replace("Ada", "Ben")).encode(), "a.txt")
    assert document.kind == "chat"
    (table,) = document.tables
    assert [row[1] for row in table.rows] == ["Ada", "Ben"]


def test_what_a_phone_writes_itself_is_no_message():
    event = "1/4/23, 7:03\u202fPM - Ada added you\n"
    document = one(
        (PHONES["android"] + event + PHONES["iphone"].replace("Ada: ", "~ Ben: \u200e")).encode(), "a.md"
    )
    (table,) = document.tables
    assert [row[1:] for row in table.rows] == [("Ada", "The key is here."), ("Ben", "Der Schlüssel.")]


def test_two_lines_of_a_log_are_no_chat():
    log = "[2025-05-03 10:00:00] disk sda: full\n[2025-05-03 10:00:09] disk sdb: retried\n"
    assert one(log.encode(), "a.txt").kind != "chat"
    assert one(PHONES["android"].encode(), "a.txt").kind != "chat"


PADDED = "Konto;DE02 6805;;\nZeitraum:;01.01.2025 - 31.01.2025;;\n;;;\n"
STATEMENT = """\
Date;Date de valeur;Libellé;Débit;Crédit
03/01/2024;03/01/2024;EDF;84,20;
08/01/2024;08/01/2024;LE GOFF;;120,00
12/01/2024;12/01/2024;VOILERIE;1 245,50;
"""
PREAMBLE = "Konto;DE02 6805\nZeitraum:;01.01.2025 - 31.01.2025\n\n"


@cases(
    ("text", "columns", "rows", "line"),
    [
        (f"{PREAMBLE}Tag;Wer;Betrag\n01.01.2025;Bau, West;-1,5\n02.01.2025;Bäcker, Ost;2,5\n", 3, 2, 4),
        ("# river survey, mg/L\nid,site,value\n1,Weir,2.5\n2,Mill,3.5\n", 3, 2, 2),
        ("time\tset\tactual\n09:00\t37.0\t37,1\n10:00\t37.0\t37,2\n", 3, 2, 1),
        ('"Konto";"DE1"\n""\n"Tag";"Wer";"Betrag"\n"01.01.";"A";"1,5"\n"02.01.";"B";"2,5"\n', 3, 2, 3),
        (f"{PADDED}Tag;Wer;Was;Betrag\n01.01.2025;A;x;-1,5\n02.01.2025;B;y;2,5\n", 4, 2, 4),
        (f"Solde au 30/06/2024;4 318,27;EUR;;\n\n{STATEMENT}", 5, 3, 3),
        (f"Banque;;;;\nCompte;0012;;;\nTitulaire;YC;;;\nSolde;4 318,27;EUR;;\n{STATEMENT}", 5, 3, 5),
        (f"Compte;0012;Solde;4 318,27;EUR\n{STATEMENT}", 5, 3, 2),
        ("Titulaire;YC;\nSolde;4 318,27;\nDate;Libellé;Montant\n03/01/2024;EDF;84,20\n", 3, 1, 3),
        (f"Von:;01.01.2024;\nBis:;31.01.2024;\nStand:;4,27 EUR;\nBank:;A;\nIBAN:;D1;\n{STATEMENT}", 5, 3, 6),
        ("Ada;12;x\nBo;13;y\nEve;;z\nIda;15;w\n", 3, 4, 0),
        ("Name;Alter;\nAda;unbekannt;neu\nBo;13;alt\nEve;14;alt\n", 3, 3, 1),
        ("Name;Tag;Stunden;Notiz\nAda;;;\nBo;;;\nEve;2026-01-02;4;\n", 4, 3, 1),
        ("a,b\n1,2\n", 2, 1, 1),
    ],
)
def test_lines_above_the_names_of_the_columns_are_no_rows(text, columns, rows, line):
    (document,) = parse_bytes(text.encode(), "a.csv")
    (table,) = document.tables
    assert (len(table.columns), len(table.rows)) == (columns, rows)
    assert table.lines[0] == line


def test_lines_with_numbers_above_the_header_of_a_sheet_are_no_rows():
    names = ["Date", "Text", "Amount"]
    above, rows = [["Account", 12, "EUR"], ["Balance", 4318.27]], [["2024-01-03", "EDF", 84.2]] * 2
    (table,) = one(sheet(*above, names, *rows), "a.xlsx").tables
    assert ([*table.columns], len(table.rows)) == (names, 2)


@cases(
    ("text", "note"),
    [
        ("Ada;12\nBo;13\n", "no header row"),
        ("one\ntwo\n", "no table"),
        ("name;age\nAda;12\n", ""),
        ("one\n", ""),
    ],
)
def test_a_note_says_that_rows_have_no_table_or_header(text, note):
    notes = parse_bytes(text.encode(), "a.csv")[0].notes
    assert [each[: len(note)] for each in notes] == [note] * bool(note)
