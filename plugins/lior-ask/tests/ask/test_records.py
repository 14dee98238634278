"""Calculations: exactly right, or refused in one line, or left to a sentence; and what is kept for them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from ask.content import values
from lior.reading.parsing import parse_bytes
from lior_ask.api import Index
from lior_ask.index.database import Database
from lior_ask.index.sqlite import SQLite
from lior_ask.index.table_schema import column, date_of
from lior_ask.index.table_store import pack_tables
from lior_ask.question.filters import Filters
from lior_ask.tables.calculating import is_row
from lior_ask.tables.periods import period_in
from tests.reading.samples import sheet

HERE = Path(__file__).parent
TODAY = date(2025, 11, 19)  # a Wednesday


def notes(texts: dict[str, str], database: Database | None = None, embedder: str = "") -> Index:
    found = Index(retriever="settle", embedder=embedder, database=database)
    for name, text in texts.items():
        found.learn(name, text)
    return found


def sets():
    for name in ("studio", "farm"):
        found = json.loads((HERE / f"calculations/{name}.json").read_text("utf-8"))
        yield name, found["texts"], found["questions"]
    for name, questions in json.loads((HERE / "calculations/fit_sets.json").read_text("utf-8"))[
        "sets"
    ].items():
        yield name, json.loads((HERE / f"meaning/{name}.json").read_text("utf-8"))["texts"], questions


def test_the_fitting_questions():
    wrong = []
    for name, texts, questions in sets():
        index = notes(texts, embedder="e5")
        for each in questions:
            answer = index.ask(each["question"])
            result = answer.result
            likely = answer.said.startswith("the likeliest calculation")
            kind = "calculated" if result else "refused" if answer.said and not likely else "passage"
            found = {"expected": kind} | (
                {"operation": result.operation, "value": result.value} if result else {}
            )
            told = (name, each["question"], found, answer.said)
            if any(found.get(key) != each[key] for key in ("expected", "operation", "value") if key in each):
                wrong.append(told)
            assert answer.found == (kind == "calculated") or kind == "passage", told
            assert "\n" not in answer.said, told
            if result and result.operation == "list":
                assert result.value == f"{len(result.rows):,}", told
    assert not wrong


# --- random tables: a brute-force oracle ---

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["food", "travel", "rent"]),
        st.dates(date(2024, 1, 1), date(2025, 12, 31)),
        st.decimals(Decimal("-99999"), Decimal("99999"), places=2),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=12, deadline=None)
@given(ROWS, st.sampled_from(["food", "travel", "rent"]), st.integers(1, 12), st.sampled_from(["en", "de"]))
def test_random_tables(rows, kind, month, style):
    def amount(value):
        shown = f"{value:,}"
        return f'"{shown}"' if style == "en" else shown.translate(str.maketrans(",.", ".,"))

    mark = "," if style == "en" else ";"
    lines = [mark.join((k, f"{d.day}.{d.month}.{d.year}", amount(a))) for k, d, a in rows]
    index = notes({"expenses.csv": "\n".join([mark.join(("category", "date", "amount")), *lines]) + "\n"})
    fit = [row for row in rows if row[0] == kind]
    within = [row for row in fit if (row[1].year, row[1].month) == (2025, month)]
    for chosen, period in ((fit, ""), (within, f" in {date(2025, month, 1):%B} 2025")):
        if not fit:
            continue  # the category is no value then
        count = index.ask(f"How many expenses for {kind}{period}?").result
        listed = index.ask(f"list the expenses for {kind}{period}").result
        assert (count.value, listed.value) == (str(len(chosen)),) * 2
        assert [row.line for row in listed.rows] == [2 + n for n, row in enumerate(rows) if row in chosen]
        assert [row.text for row in listed.rows] == [lines[row.line - 2] for row in listed.rows]
        total = index.ask(f"total amount of the expenses for {kind}{period}")
        if not chosen:  # a 0 from the first month of the table to the last, refused outside
            days = [row[1] for row in rows]
            covered = min(days).replace(day=1) <= date(2025, month, 1) <= max(days)
            assert (total.found, bool(total.said)) == (covered, True)
            assert not covered or total.result.value == "0"
            continue
        numbers = [row[2] for row in chosen]
        assert Decimal(total.result.value.replace(",", "")) == sum(numbers)
        highest = index.ask(f"highest amount of the expenses for {kind}{period}").result
        lowest = index.ask(f"lowest amount of the expenses for {kind}{period}").result
        assert [Decimal(e.value.replace(",", "")) for e in (highest, lowest)] == [max(numbers), min(numbers)]
        mean = index.ask(f"average amount of the expenses for {kind}{period}").result
        assert abs(Decimal(mean.value.replace(",", "")) - sum(numbers) / len(numbers)) <= Decimal("0.005")
        newest = index.ask(f"newest of the expenses for {kind}{period}").result
        assert newest.value == max(row[1] for row in chosen).isoformat()


# --- what is kept ---


def test_tables_are_learned_and_forgotten_exactly(tmp_path):
    place = tmp_path / "a.index"
    texts = {
        "a.csv": "who,sum\nQuibbleworth,12\nMara,3\n",
        "b.md": "# Costs\n\n| item | price |\n|---|---|\n| Zanzibarlamp | 5 |\n",
    }
    index = notes(texts, SQLite(place))
    other = notes(dict(reversed(texts.items())))
    questions = ("total sum in a.csv", "how many rows are in b.md?")
    assert [index.ask(q).result for q in questions] == [other.ask(q).result for q in questions]
    index.learn("a.csv", "who,sum\nMara,4\n")
    assert index.ask("total sum in a.csv").result.value == "4"
    for name in texts:
        index.forget(name)
    assert [
        index.content.database.rows(f"SELECT count(*) FROM {table}") for table in ("records", "cells")
    ] == [[(0,)]] * 2
    index.content.database.close()
    assert b"anzibar" not in place.read_bytes()


def test_the_rows_of_messages_are_at_their_subject():
    date = "Date: Mon, 3 Mar 2025 09:12:00 +0100"
    mail = f"From a@b Mon Mar  3 09:12:00 2025\n{date}\nFrom: Ada <a@b>\nSubject: Boat\n\nHi\n\n"
    index = notes({"a.mbox": mail + mail.replace("Boat", "Oars")})
    rows = index.ask("list all mails").result.rows
    assert [(row.line, row.text) for row in rows] == [(4, "Subject: Boat"), (11, "Subject: Oars")]


# --- columns and periods ---


@given(
    st.lists(st.decimals(0, 999_999, places=2), min_size=1),
    st.sampled_from(["1,2.3", "1.2,3", "1 2,3", "1'2.3"]),
)
def test_numbers_are_read_as_they_are_written(numbers, style):
    mark, decimal = style[1], style[3]
    cells = [f"{n:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", mark) for n in numbers]
    found = column("amount", [f"{cell} €" for cell in cells])
    assert (found.kind, found.unit) == ("number", "€")
    assert [found.number(f"{cell} €") for cell in cells] == numbers


def test_signs_units_and_durations_of_numbers():
    for cells, numbers in (
        (["(67.00)", "5"], "-67.00 5"),
        (["5,00-", "1.234,50-"], "-5.00 -1234.50"),
        (["5.00 DR", "5.00 CR", "6.00 EUR DR"], "-5.00 5.00 -6.00"),
        (["12,50 S", "7,00 H"], "-12.50 7.00"),
        (["5.00", "2.00 CR"], "5.00 -2.00"),
        (["5 H", "2 H"], "5 2"),
        (["−5", "+5", "-€5", "(€ 5)"], "-5 5 -5 -5"),
        (["1'234.50", "USD 5.00"], "1234.50 5.00"),
        (["1\u202f234,50 €"], "1234.50"),
        (["5 %", "50 %"], "5 50"),
        (["₹ 12,34,567.00"], "1234567.00"),
        (["37:30", "-1:15"], "37.5 -1.25"),
        (["30:00:36", "0:36"], "30.01 0.01"),
        (["3h 30min", "2 h", "1h15", "45 min"], "3.5 2 1.25 0.75"),
    ):
        found = column("x", cells)
        assert found.kind == "number", cells
        assert [str(found.number(cell)) for cell in cells] == numbers.split(), cells


def test_durations_are_told_from_times_of_day_by_their_name_or_their_hours():
    for name, cells, unit, form in (
        ("Stunden", ["7:30", "0:45"], "h", "h:mm"),
        ("time worked", ["7:30"], "h", "h:mm"),
        ("Dauer", ["7:30"], "", "h:mm"),  # or minutes and seconds
        ("total", ["37:05", "2:10"], "", "h:mm"),
        ("heures", ["7:30:05"], "h", "h:mm:ss"),
        ("start", ["17:30", "24:00"], "", ""),
        ("score", ["30:28", "27:25"], "", ""),
        ("asleep", ["7:40", "5:55"], "", "h:mm"),
        ("course", ["1:58:30", "0:23:05"], "h", "h:mm:ss"),
        ("first bus", ["05:40", "6:10"], "", ""),
        ("seen", ["00:15", "14:30"], "", ""),
        ("shift", ["11:00", "18:30"], "", ""),
    ):
        found = column(name, cells)
        assert (found.unit, found.duration) == (unit, form), name
        numbers = [number for cell in cells if (number := found.number(cell)) is not None]
        assert [found.show(number) for number in numbers] == cells * bool(form)
    assert found.show(Decimal("1234.5")) == "1,234.5"


def heads_of(text: str, name: str) -> list[dict]:
    return json.loads(pack_tables(parse_bytes(text.encode(), name)[0]).about)["heads"]


def test_other_columns_or_the_delimiter_or_a_currency_tell_the_decimal_mark():
    for text, mark in (
        ("litres,price\n38.2,1.459\n40.15,1.479\n", "."),
        ("Liter;Preis\n38,2;1,459\n40,15;1,479\n", ","),
        ("tag;preis\nMo;1,459\nDi;1,479\n", ","),
        ("servicio;valor\nagua;$ 152.340\ngas;$ 98.000\n", ","),
        ("servicio,valor\nagua,$ 152.340\ngas,$ 8.000\n", ","),
        ("kg;precio\n2.5;1.459\n1.5;1.479\n", "."),
        ("Monat;Betrag\nMai;152.340\nJuni;1.200\n", ","),
        ("day,price\nMo,$3.459\nTu,$3.559\n", ""),  # of a gallon
        ('day,price\nMo,"$3,459"\nTu,"$3,559"\n', "."),
    ):
        (head,) = heads_of(text, "a.csv")
        assert head["columns"][1]["decimal"] == mark, text


def test_row_numbers_are_whole_and_have_no_unit():
    for cells, key in (("1 2 3 4 5", True), ("0.2 1.2 2.2 3.2 4.2", False), ("€1 €2 €3", False)):
        assert column("x", cells.split()).key == key, cells


def test_types_of_columns():
    for cells, kind in (
        (["1.234", "2"], "number"),
        (["3 kg", "200 g"], "text"),
        (["(1)", "(2)"], "text"),  # marks of a list
        (["1-", "2", "2-"], "text"),  # marks of a school
        (["0049", "12"], "text"),
        (["A1", "B2"], "text"),
        (["may I", "x"], "text"),
        (["2025-01-02", ""], "date"),
        (["March", "April"], "date"),
        (["3/4/2025"], "date"),
    ):
        assert column("x", cells).kind == kind, cells


def test_rows_that_sum_up_others():
    for text, totals in (
        ("item,price\npump,10\nhose,5\nTotal,15\n", (2,)),
        ("item,price\npump,10\nhose,5\n,15\n", (2,)),
        ("item,price\npump,10\nhose,5\nlamp,15\n", ()),  # may be chance
        ("a,b,c\nx,y,10\nx,z,25\nall,,35\n", (2,)),  # it alone lacks a label
        ("a,b,c\nx,,10\nx,z,25\nv,,35\n", ()),
        ("item,price\na,3.10\nb,4.20\nc,9.99\nall of it,17.29\n", (3,)),
        ("item;price\na;1,50\nb;2\nZwischensumme;3,50\nc;4\nd;5\nSumme:;9\nGesamtsumme;12,50\n", (2, 5, 6)),
        ("item,price\na,10\nb,21\nDurchschnitt,15.5\nSomme,31\n", (2, 3)),
        ("item,price\na,33.3\nb,66.6\nTotal,100\n", (2,)),
        ("name,jan,feb\nTotal,30,40\na,10,30\nb,20,10\n", (0,)),
        ("what,time\na,20:20\nb,8:00\nTotal,28:20\n", (2,)),
        ("date,name,hours\n2025-01-01,Ada,37:20\n2025-01-02,Bo,2:20\nTotal,,39:40\n", (2,)),
        ("payee,amount\nShell,20.00\nTotal,50.00\nAral,30.00\n", ()),  # a petrol station
        ("date,amount\n2025-01-01,100.50\n2025-01-02,200.25\n2025-01-03,50\n2025-01-04,350.75\n", ()),
        ("hours,note\n2,\n3,\n5,\n", ()),
        ("a,b\n1,2\n3,4\n4,6\n", ()),
        (
            "nr;urgency;firm;guess;cost\n1;hoch;A;€ 7;€ 8,90\n2;mittel;;€ 3;€ 9,00\n3;mittel;B;€ 5;€ 3,50\n",
            (),
        ),
        ("id,what,prio,time\n1,a,Alta,2 h 10 min\n3,b,Baja,0 h 10 min\n4,c,Media,1 h 00 min\n", ()),
        ("what,time\na,2 h 10 min\nb,0 h 15 min\nMedia,1 h 13 min\n", (2,)),  # rounded
        ("day,what,sum\n2025-01-01,a,2\n2025-01-02,b,3\n2025-01-31,Total,5\n", (2,)),
        ("date,text,sum\n2025-01-01,Anfangssaldo,9\n2025-01-02,rent,-5\n2025-01-31,Endsaldo,4\n", (0, 2)),
    ):
        (head,) = heads_of(text, "a.csv")
        assert tuple(head["totals"]) == totals, text
        known = {value.strip(":") for each in head["columns"] for value in each["values"]}
        assert known.isdisjoint(("Total", "Summe", "Somme", "Anfangssaldo")) or not totals, text


def test_what_may_be_read_in_two_ways_is_not_read():
    assert column("x", ["1.234", "2"]).number("1.234") is None
    assert column("x", ["3/4/2025"]).date("3/4/2025") == ""
    assert column("x", ["3/4/2025", "13/4/2025"]).date("3/4/2025") == "2025-04-03"


@given(st.dates(date(1990, 1, 1), date(2068, 12, 31)))
def test_dates_are_read_as_they_are_written(day):
    months = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
    for text in (
        day.isoformat(),
        f"{day:%d.%m.%Y}",
        f"{day:%-d.%-m.%y}",
        f"{day:%a, %d %b %Y}",
        f"{day:%B} {day.day}, {day.year}",
        f"{day.day}. {months.split()[day.month - 1]} {day.year}",
    ):
        assert date_of(text) == day.isoformat(), text


def test_years_of_two_digits_and_days_of_march():
    for text, day in (
        ("31 Dec 99", "1999-12-31"),
        ("Fri, 31-Dec-99 10:00:00 GMT", "1999-12-31 10:00:00"),
        ("Dec 31, '05", "2005-12-31"),
        ("Dec '99", "1999-12"),
        ("Dec 99", "1999-12"),
        ("Jan 24", "0000-01-24"),
        ("5 May 10:30", "0000-05-05 10:30"),
        ("Mon, 3 Mar 2025 09:12:00 +0100", "2025-03-03 09:12:00"),  # and no mardi
        ("mar. 4 mars 25", "2025-03-04"),
    ):
        found = column("x", [text])
        assert (found.kind, found.date(text)) == ("date", day), text


def test_periods():
    for text, first, last in (
        ("in march 2025", "2025-03-01", "2025-03-31"),
        ("en août 2025", "2025-08-01", "2025-08-31"),
        ("in 2024", "2024-01-01", "2024-12-31"),
        ("since 3 may 2025", "2025-05-03", "None"),
        ("seit dem 3. mai 2025", "2025-05-03", "None"),
        ("before 3 may 2025", "None", "2025-05-02"),
        ("avant le 3 mai 2025", "None", "2025-05-02"),
        ("after 3 may 2025", "2025-05-04", "None"),
        ("between 1 march and 15 april 2025", "2025-03-01", "2025-04-15"),
        ("du 3 au 7 mai 2025", "2025-05-03", "2025-05-07"),
        ("from march to may 2025", "2025-03-01", "2025-05-31"),
        ("last week", "2025-11-10", "2025-11-16"),
        ("la semaine dernière", "2025-11-10", "2025-11-16"),
        ("letzten monat", "2025-10-01", "2025-10-31"),
        ("l'an dernier", "2024-01-01", "2024-12-31"),
        ("yesterday", "2025-11-18", "2025-11-18"),
        ("in the last 30 days", "2025-10-20", "2025-11-19"),
    ):
        found, rest = period_in(f"mails {text} from marta", TODAY)
        assert (str(found.first), str(found.last), found.yearless) == (first, last, False), text
        assert rest.replace(",", " ").split() == ["mails", "from", "marta"], text


def test_no_period():
    for text in ("on 3/4/2025", "may we go", "31 february 2025", "the last 3 mails"):
        assert period_in(text, TODAY)[0] is None or "february" in text, text


def test_entries_of_logs():
    """Lines of a traceback are no entries where the others begin with a time."""
    for line in ("{} {}: disk {}", "backup {} [{}] disk {}", "[{}] {} disk {}"):
        days = ["2025-05-03 10:00:00", "2025-05-03 11:00:00", "2025-05-04 10:00:00", "2025-05-05 10:00:00"]
        levels = ["ERROR", "INFO", "ERROR", "WARN"]
        text = "\n".join(line.format(*each, n) for n, each in enumerate(zip(days, levels, strict=True)))
        index = notes(
            {"b.log": f"{text}\n  File a.py, error in line 3\n" * (not line.startswith("backup")) or text}
        )
        for question, count in (
            ("how many errors?", 2),
            ("how many errors on 3 May 2025?", 1),
            ("how many warnings in b.log", 1),
            ("how many entries are in b.log", 4),
            ("how many entries are in b.log since 4 May", 2),
        ):
            assert index.ask(question).result.value == str(count), question


def test_keys_of_a_log_are_columns():
    lines = [f"2026-05-0{n} 21:00:00 INFO scale=W{n % 2} weight={n + n % 2}.5, temp=9" for n in range(1, 6)]
    index = notes({"w.log": "\n".join([*lines, '  File "a.py", weight=7', "2026-05-06 WARN door=open"])})
    wanted = {"average weight": "4.10", "average weight of W0": "3.50", "how many warnings?": "1"}
    assert values(index, wanted) == wanted
    assert heads_of("2026-05-01 21:00:00 a=1\n" + "2026-05-01 21:00:00 no key\n" * 3, "w.log") == []


def test_the_next_event_is_from_today_on():
    begin = "BEGIN:VEVENT\r\nSUMMARY:{}\r\nDTSTART:{}T090000\r\nEND:VEVENT\r\n"
    days = (("Past", "20200101"), ("Dentist", "29990102"), ("Later", "29990305"))
    events = "".join(begin.format(*each) for each in days)
    index = notes({"a.ics": f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n"})
    assert index.ask("next appointment").result.value == "2999-01-02 09:00"
    assert ": Dentist, next of 2 events from " in index.ask("next appointment").said
    assert index.ask("how many appointments?").result.value == "3"


def test_the_name_of_a_file_means_the_sheet_of_this_name(tmp_path):
    book = Workbook()
    book.active.title = "Invoices 2026"
    for row in (["customer", "count", "amount"], ["Ada", 2, 520], ["Bo", 3, 114]):
        book.active.append(row)
    for row in (["entry", "size"], ["office", 45061]):
        (book["Data"] if "Data" in book.sheetnames else book.create_sheet("Data")).append(row)
    book.save(tmp_path / "Invoices 2026.xlsx")
    index = Index(tmp_path, cache=False, embedder="")
    assert index.ask("How many invoices are there?").result.value == "2"
    assert index.ask("highest amount of the invoices").result.value == "520"
    answer = index.ask("highest invoice")
    assert answer.result is None or answer.result.value == "520"


POTTERY = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Pottery class
DTSTART:20250507T193000
RRULE:FREQ=WEEKLY{}
EXDATE:20250716T193000,20250723T193000
END:VEVENT
BEGIN:VEVENT
SUMMARY:Kiln delivery
DTSTART;VALUE=DATE:20250620
END:VEVENT
END:VCALENDAR
"""


def test_each_time_of_a_series_is_an_event():
    index = notes({"club.ics": POTTERY.format(";UNTIL=20250827T183000Z")})
    assert index.ask("How many events are in June 2025?").result.value == "5"
    july = index.ask("List the events in July 2025").result
    assert [row.text[:16] for row in july.rows] == [
        "2025-07-02 19:30",
        "2025-07-09 19:30",
        "2025-07-30 19:30",
    ]
    assert index.ask("When is the next pottery class after 10 July 2025?").result.value == "2025-07-30 19:30"
    assert index.ask("What is the next step?").result is None


def test_a_series_without_an_end_is_counted_in_a_period_alone():
    index = notes({"club.ics": POTTERY.format("")})
    assert index.ask("How many events are in June 2025?").result.value == "5"
    for question in ("How many events are there?", "How many events are in 2041?"):
        answer = index.ask(question)
        assert answer.result is None, question
        assert not answer.found
    assert "goes on: ask about a time before 2035-06-01" in index.ask("How many events are there?").said


COURSE = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Swimming course
DTSTART:{:%Y%m%d}T170000
RRULE:FREQ=WEEKLY;COUNT=5
END:VEVENT
BEGIN:VEVENT
SUMMARY:Dentist
DTSTART:{:%Y%m%d}T090000
END:VEVENT
BEGIN:VEVENT
SUMMARY:Birthday of Ada
DTSTART;VALUE=DATE:20200214
RRULE:FREQ=YEARLY
END:VEVENT
END:VCALENDAR
"""


def test_events_that_are_left_are_those_to_come():
    first = date.today() - timedelta(15)
    index = notes({"club.ics": COURSE.format(first, date.today() + timedelta(8))})
    for question in ("How many swimming courses are left?", "How many swimming courses do I still have?"):
        assert index.ask(question).result.value == "2", question
    assert index.ask("How many swimming courses are there?").result.value == "5"
    assert "goes on" in index.ask("How many birthdays are there?").said
    listed = index.ask("List the events in the next 14 days").result.rows
    assert ["Dentist" in row.text for row in listed] == [False, True, False], "by date"
    named = index.ask("What do I have in the next 14 days?").said
    assert 0 < named.find("Swimming") < named.find("Dentist"), "as the rows"


STATEMENT = """date;payee;amount
2025-03-03;City Works;-42.10
2025-03-12;Grocer;-18.20
2025-03-28;Salary;1800.00
2025-04-03;City Works;-42.10
2025-04-15;Grocer;-55.00
2025-05-02;Rent;-700.00
"""


def test_a_statement_of_an_account_is_added_up_by_its_signs():
    index = notes({"bank.csv": STATEMENT})
    for question, value in (
        ("How much did we spend in March 2025?", "60.30"),
        ("How much did we pay City Works?", "84.20"),
        ("How much did we spend in the first quarter?", "60.30"),
        ("How much was paid in the first half of 2025?", "857.40"),
        ("What was the largest expense?", "700.00"),
        ("What was our biggest income?", "1,800.00"),
        ("How much did we get in March?", "1,800.00"),
        ("Which payee got the most money?", "Rent 700.00"),
        ("average payment", "171.48"),
        ("Wie viel haben wir im zweiten Quartal 2025 ausgegeben?", "797.10"),
        ("Combien avons-nous dépensé au premier trimestre 2025 ?", "60.30"),
        ("¿Cuánto gastamos en el primer trimestre?", "60.30"),
        ("How much did we spend last spring?", "857.40"),
        ("Wie viel haben wir diesen Frühling ausgegeben?", "857.40"),
        ("Combien avons-nous dépensé au printemps 2025 ?", "857.40"),
        ("¿Cuánto gastamos en primavera?", "857.40"),
    ):
        result = index.ask(question).result
        assert result.value == value, question
        signs = {"-" in row.text.split(";")[2] for row in result.rows}
        assert signs == {"paid in" not in result.about}, question


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("How much did we pay Glass Huber?", "276.00"),
        ("Wie viel haben wir Glass Huber gezahlt?", "276.00"),
        ("How much did we get from Glass Huber?", "18.50"),
        ("How much did Glass Huber pay us?", "18.50"),
        ("How much did Glass Huber get?", None),
    ],
)
def test_the_direction_of_a_payment_chooses_the_column_of_a_name(question, value):
    rows = "2026-08-03,Ada,Glass Huber,-212.00\n2026-08-21,Glass Huber,Ada,18.50\n"
    rows += "2026-10-02,Ada,Glass Huber,-64.00\n"
    result = notes({"bank.csv": f"date,debtor,payee,amount\n{rows}"}).ask(question).result
    assert (result and result.value) == value


def test_what_is_no_account_has_no_directions():
    readings = STATEMENT.replace("amount", "change").replace("-", "", 99).replace("2025", "2025-")
    assert notes({"bank.csv": readings}).ask("How much did we pay City Works?").result is None
    many = STATEMENT + "2025-05-03;x;1.00\n" * 300
    assert notes({"bank.csv": many}).ask("How much did we pay City Works?").result.value == "84.20"
    frost = "time,inside,outside\n2025-04-01,8.1,4.1\n2025-04-02,7.5,-2.6\n2025-04-03,9.1,3.3\n"
    assert notes({"greenhouse.csv": frost}).ask("what was the most expensive?").result is None
    asked = notes({"bank.csv": STATEMENT, "gifts.md": "We got a clock from Grandma in March.\n"})
    answer = asked.ask("What did we get from Grandma in March?")
    assert answer.result is None
    assert "clock" in answer.passages[0][0].text


MAIL = (
    "From x Mon Mar  3 09:12:00 2025\nFrom: Ada <a@x>\nDate: Mon, 3 Mar 2025 09:12:00 +0100\n"
    "Subject: Key\n\nHere.\n"
)


def test_words_of_getting_and_paying_leave_other_rows_alone():
    asked = notes({"in.mbox": MAIL, "bank.csv": STATEMENT, "club.ics": POTTERY.format(";COUNT=9")})
    result = asked.ask("What mails did we get in March 2025?").result
    assert (result.operation, result.value) == ("list", "1")
    for question in (
        "How much did the mails pay?",
        "How much did we get for the files?",
        "what did we get by the messages",
        "How much do we pay for the events?",
        "How much did the contacts receive?",
    ):
        assert asked.ask(question).result is None, question


def test_a_calculation_that_is_refused_shows_the_nearest_passages():
    asked = notes({"a.csv": "item,cost\nlamp,3.5\npaint,12.0\n", "b.md": "The lamp of the shed is red.\n"})
    answer = asked.ask("What is the total cost of the lamps in the shed?")
    assert answer.said
    assert not answer.found
    assert answer.passages


def test_a_month_that_is_a_name_here_is_one_where_nothing_says_that_it_is_a_time():
    mails = {
        f"{number}.eml": f"From: {who}\nSubject: Roof\nDate: {day} 2025 10:00:00 +0100\n\nThe roof.\n"
        for number, (who, day) in enumerate(
            [
                ("Jan Petersen <jan@x.org>", "Mon, 3 Mar"),
                ("Jan Petersen <jan@x.org>", "Tue, 4 Mar"),
                ("Ada Berg <ada@x.org>", "Tue, 7 Jan"),
                ("May Lee <lee@x.org>", "Mon, 10 Mar"),
            ]
        )
    }
    hours = "date,name,hours\n2025-05-01,Jan,2\n2025-05-02,Ada,4\n2025-05-03,Jan,3\n"
    index = notes({**mails, "hours.csv": hours})
    wanted = {
        "how many mails from Jan?": "2",
        "how many mails from Jan Petersen?": "2",
        "wie viele Mails von Jan?": "2",
        "how many mails from May Lee?": "1",
        "how many mails from May?": "1",
        "how many mails did Jan send in March?": "2",
        "how many mails in Jan?": "1",
        "how many mails from January?": "1",
        "how many mails from Jan to March 2025?": "4",
        "how many hours did Jan work?": "5",
        "how many hours did Jan work in May?": "5",
    }
    assert values(index, wanted) == wanted
    index.forget("0.eml")
    index.forget("1.eml")
    index.forget("hours.csv")
    assert index.ask("how many mails from Jan?").result.value == "1"


def test_totals_durations_and_events_of_several_days_count_as_they_should(tmp_path):
    (tmp_path / "shop.csv").write_text("item,price\npump,10\nhose,5\nTotal,15\n")
    (tmp_path / "work.csv").write_text("name,hours\nAda,37:05\nBo,2:10\n")
    (tmp_path / "tour.xlsx").write_bytes(
        sheet(["city", "visits"], ["Oslo", 5], ["Bergen", 7], [], ["total", 12])
    )
    lines = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:1", "SUMMARY:Fair", "DTSTART;VALUE=DATE:20261024"]
    lines += ["DTEND;VALUE=DATE:20261031", "END:VEVENT", "BEGIN:VEVENT", "UID:2", "SUMMARY:Night watch"]
    lines += ["DTSTART:20261026T220000", "DTEND:20261027T020000", "END:VEVENT", "END:VCALENDAR", ""]
    (tmp_path / "fair.ics").write_bytes("\r\n".join(lines).encode())
    index = Index(tmp_path, cache=False)
    wanted = {
        "sum of price": "15",
        "sum of hours": "39:15",
        "sum of visits": "12",
        "How many events on 27 October 2026?": "2",
        "How many events on 30 October 2026?": "1",
        "How many events on 31 October 2026?": "0",
    }
    assert {question: index.ask(question).result.value for question in wanted} == wanted
    assert "(1 row of totals left out)" in index.ask("sum of price").result.about
    later = [*lines[:2], "UID:3", "SUMMARY:Eve", "DTSTART:20261023T200000", *lines[-3:]]
    (tmp_path / "other.ics").write_bytes("\r\n".join(later).encode())
    events = Index(tmp_path, cache=False).ask("list all events in October 2026").result
    assert [row[2] for row in events.cells] == ["Eve", "Fair", "Night watch"]


def test_an_event_is_a_row_and_not_a_sentence_that_answers():
    index = notes({"club.ics": POTTERY.format(""), "club.md": "The kiln delivery was late.\n"})
    quoted = {each.document: each for each, _ in index.ask("kiln delivery", top=5).passages}
    known = index.asker.known
    assert is_row(quoted["club.ics"], known, Filters())
    assert not is_row(quoted["club.md"], known, Filters())
