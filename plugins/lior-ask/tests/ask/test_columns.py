"""Tables in memory: each is read once, for all questions, until its document changes."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from lior_ask import Index
from lior_ask.index import table_store
from lior_ask.index.table_schema import Column
from lior_ask.question.filters import Filters, Known
from lior_ask.tables.sources import stored_table

SHOPS, MONTHS = ("Edeka", "Rewe", "Lidl"), range(1, 13)
SPENT = "".join(f"2025-{m:02}-0{d},{SHOPS[d % 3]},-{m}.{d}0\n" for m in MONTHS for d in range(1, 7))
SPENDING = f"date,payee,amount\n{SPENT}2025-12-31,Employer,3000.00\n"
HOURS = "day,volunteer,hours\n2025-01-03,Ada,4\n2025-01-05,Bo,2\n"
QUESTIONS = (
    "how much did we spend at Edeka in March 2025?",
    "average amount per month",
    "what was the largest amount in 2025?",
    "how much did we pay to Rewe?",
    "sum of hours",
)


@pytest.fixture
def read(monkeypatch):
    """The numbers of tables unpacked, and of cells parsed as numbers and as dates."""
    found = Counter[str]()

    def counted(owner, name):
        inner = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: found.update([name]) or inner(*args))

    counted(table_store, "_unpacked")
    counted(Column, "number")
    counted(Column, "date")
    return found


def made(**texts):
    index = Index(embedder="")
    for name, text in texts.items():
        index.learn(f"{name}.csv", text)
    return index


def asked(index):
    return [index.ask(question).result for question in QUESTIONS]


def test_a_table_is_read_once_for_all_questions(read):
    index = made(spending=SPENDING, hours=HOURS)
    read.clear()
    first = asked(index)
    assert read["_unpacked"] == 2
    cells = [line.split(",") for line in (SPENDING + HOURS).splitlines()]
    assert read["number"] <= len({row[2] for row in cells})
    assert read["date"] <= 3 * len({row[0] for row in cells})  # a table may be followed by another view of it
    read.clear()
    assert asked(index) == first
    assert not read


def test_a_change_of_one_document_reads_its_table_alone(read):
    index = made(spending=SPENDING, hours=HOURS)
    before = asked(index)
    read.clear()
    index.learn("hours.csv", HOURS.replace("4\n", "9\n"))
    read["_unpacked"] = 0
    after = asked(index)
    assert after[:4] == before[:4]
    assert (before[4].value, after[4].value, read["_unpacked"]) == ("6", "11", 1)


def test_what_is_forgotten_is_in_no_answer_and_not_in_memory():
    index = made(spending=SPENDING, hours=HOURS)
    assert index.ask(QUESTIONS[4]).result.value == "6"
    content = index.content
    known = Known(content.inverted, content.records, content.passages, content.path, content.files)
    heads = known.abouts["hours.csv"].heads
    table = weakref.ref(stored_table(known, heads, Filters()))
    assert table() is not None
    index.forget("hours.csv")
    assert index.ask(QUESTIONS[4]).result is None
    del known, content
    gc.collect()
    assert table() is None


def test_what_a_failed_change_had_read_is_in_no_later_answer():
    index = made(spending=SPENDING)
    with suppress(RuntimeError), index.content.changing():
        index.learn("hours.csv", HOURS)
        assert index.ask(QUESTIONS[4]).result.value == "6"
        raise RuntimeError
    assert index.ask(QUESTIONS[4]).result is None
    index.learn("hours.csv", HOURS.replace("4\n", "9\n"))  # its key is that of the lost table
    assert index.ask(QUESTIONS[4]).result.value == "11"


def test_an_edited_file_is_read_by_every_index_of_its_folder(tmp_path):
    file = tmp_path / "hours.csv"
    file.write_text(HOURS)
    one, other = Index(tmp_path, embedder=""), Index(tmp_path, embedder="")
    assert {each.ask(QUESTIONS[4]).result.value for each in (one, other)} == {"6"}
    file.write_text(HOURS.replace("2\n", "20\n"))
    one.update()
    assert one.ask(QUESTIONS[4]).result.value == "24"
    assert other.ask(QUESTIONS[4]).result.value == "24"


def test_two_threads_ask_at_once(read):
    expected = asked(made(spending=SPENDING, hours=HOURS))
    index = made(spending=SPENDING, hours=HOURS)
    read.clear()
    with ThreadPoolExecutor(2) as threads:
        found = [*threads.map(lambda _: asked(index), range(4))]
    assert found == [expected] * 4
    assert read["_unpacked"] == 2


def test_rows_above_the_maximum_are_dropped_and_read_again(read, monkeypatch):
    index = made(spending=SPENDING, hours=HOURS)
    expected = asked(index)
    kept = index.content.records._prepared
    assert len(kept) > 3
    monkeypatch.setattr(table_store, "_CELLS", 300)
    index = made(spending=SPENDING, hours=HOURS)
    read.clear()
    assert [asked(index), asked(index)] == [expected] * 2
    assert read["_unpacked"] > 2
    kept = index.content.records._prepared
    assert sum(cells for _, cells, _ in kept.values()) <= 300
