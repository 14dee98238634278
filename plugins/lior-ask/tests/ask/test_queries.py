"""Queries that are ranked: their conditions, their results, and which of them are told."""

from __future__ import annotations

import operator
from datetime import date
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior_ask import Index
from lior_ask.question.filters import Filters, Known
from lior_ask.question.question import understood
from lior_ask.tables import calculating
from lior_ask.tables.choosing import Chosen
from lior_ask.tables.grammar import parse
from lior_ask.tables.learned import learned
from lior_ask.tables.plan import Unclear
from lior_ask.tables.query import Aggregate, Compares, Filled, Is, Not, Query, Within
from lior_ask.tables.sentences import tell
from lior_ask.tables.sources import tables_of
from lior_ask.tables.telling import NoResult, Teller

TRIPS = (
    "day,driver,place,km,note\n2026-01-03,Ada,Oslo,120.5,\n2026-02-04,Bo,Bergen,80,late\n"
    "2026-02-09,Ada,Oslo,33,\n2026-03-11,Cy,Voss,12.25,\n"
)
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}
DAY, DRIVER, PLACE, KM, NOTE = range(5)


def notes(*tables, **files):
    index = Index(embedder="")
    for number, text in enumerate(tables):
        index.learn(f"trips{number or ''}.csv", text)
    for name, text in files.items():
        index.learn(f"{name}.csv", text)
    return index


def known_of(index):
    content = index.content
    return Known(content.inverted, content.records, content.passages, content.path, content.files)


def table_of(index):
    return next(
        each for each in tables_of(known_of(index), Filters()) if each.heads[0].document == "trips.csv"
    )


TABLE = table_of(notes(TRIPS))
CELLS = [row.cells for _, row in TABLE.rows]
DAYS = st.sampled_from(["", "2025-12-31", "2026-01-03", "2026-02-05", "2026-02-09", "2026-04-01"])
NUMBERS = st.sampled_from(["-1", "12.25", "12.250001", "33", "80", "120.5", "1e40", "-1e40"])
CONDITIONS = st.one_of(
    st.builds(Is, st.just(DRIVER), st.sampled_from([("Ada",), ("Bo", "Cy"), ("Dan",)])),
    st.builds(Compares, st.just(KM), st.sampled_from([*SIGNS]), NUMBERS.map(Decimal)),
    st.builds(Within, st.just(DAY), DAYS, DAYS, st.just("then")),
    st.just(Filled(NOTE)),
)


def holds(condition, cells):
    if isinstance(condition, Not):
        return not holds(condition.of, cells)
    cell = cells[condition.column]
    if isinstance(condition, Is):
        return cell in condition.values
    if isinstance(condition, Compares):
        return SIGNS[condition.sign](Decimal(cell), condition.value)
    if isinstance(condition, Within):
        return (condition.first or cell) <= cell <= (condition.last or cell)
    return bool(cell)


@given(st.lists(CONDITIONS | CONDITIONS.map(Not), max_size=3))
def test_rows_are_those_that_fulfil_all_conditions(conditions):
    expected = [n for n, cells in enumerate(CELLS) if all(holds(each, cells) for each in conditions)]
    assert TABLE.where(conditions).tolist() == expected


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ({"aggregate": Aggregate.SUM, "measure": KM}, "245.75"),
        ({"aggregate": Aggregate.MEAN, "measure": KM}, "61.44"),
        ({"aggregate": Aggregate.MEDIAN, "measure": KM}, "56.5"),
        ({"aggregate": Aggregate.COUNT}, "4"),
        ({"aggregate": Aggregate.DISTINCT, "measure": PLACE}, "3"),
        ({"aggregate": Aggregate.DUPLICATES, "measure": PLACE}, "1"),
        ({"aggregate": Aggregate.HIGHEST, "measure": KM}, "120.5"),
        ({"aggregate": Aggregate.LOWEST, "measure": KM}, "12.25"),
        ({"aggregate": Aggregate.NEWEST, "measure": DAY}, "2026-03-11"),
        ({"aggregate": Aggregate.OLDEST, "measure": DAY}, "2026-01-03"),
        ({"aggregate": Aggregate.VALUE, "measure": PLACE, "where": (Is(DRIVER, ("Bo",)),)}, "Bergen"),
        ({"aggregate": Aggregate.SHARE, "part": (Is(DRIVER, ("Ada",)),)}, "50.00 %"),
        ({"aggregate": Aggregate.BETWEEN, "measure": DAY, "where": (Is(DRIVER, ("Ada",)),)}, "37"),
    ],
)
def test_what_is_made_of_rows(query, value):
    query = Query(table=0, **query)
    part = TABLE.where((*query.where, *query.part))
    assert Teller(TABLE).tell(query, TABLE.where(query.where), part).result.value == value


def test_rows_without_a_number_have_no_sum():
    words = notes("item,price\nlamp,on request\nsofa,120\ndesk,80\nbed,300\nrug,15\n")
    table = table_of(words)
    query = Query(table=0, aggregate=Aggregate.SUM, measure=1, where=(Is(0, ("lamp",)),))
    with pytest.raises(NoResult, match="no number"):
        Teller(table).tell(query, table.where(query.where))


def test_questions_in_other_words_are_calculated_with_a_measured_confidence():
    index = notes(TRIPS)
    for question, value in (("how far did Ada drive altogether?", "153.5"), ("furthest trip", "120.5")):
        answer = index.ask(question)
        assert (answer.result.value, 0.8 <= answer.confidence < 1) == (value, True), question
    assert index.ask("how much did Ada pay for the hotel?").result is None
    huge = index.ask("which trips went over 99999999999999999999999999 km?")
    assert huge.result is None or not huge.result.rows


def test_a_question_finds_its_table_among_many():
    others = {f"list{n}": f"day,tool\n2026-01-{n + 1:02},hammer {n}\n2026-02-03,saw\n" for n in range(20)}
    assert notes(TRIPS, **others).ask("how far did Ada drive altogether?").result.value == "153.5"


def test_agreement_raises_the_confidence_of_the_grammar():
    told = tell(TABLE, range(4), "count", "4", "trips")
    query = Query(table=0, aggregate=Aggregate.COUNT)
    shares = [0.0, 0.3, 0.6, 0.9, 1.0]
    agreed, not_agreed = (
        [Chosen(learned(), query, each, share).agreement(told.result) for share in shares]
        for each in (told, tell(TABLE, range(4), "count", "5", "trips"))
    )
    assert agreed == sorted(agreed)
    assert agreed[3] > not_agreed[3]
    assert all(0 < each < 1 for each in (*agreed, *not_agreed))


def test_a_sentence_is_told_where_words_of_a_calculation_name_nothing(tmp_path):
    """A row of a table is not: it would be taken for the result."""
    rows = "<tr><th>type</th><th>size</th></tr><tr><td>integer</td><td>5</td></tr>"
    page = f"<p>Of a label, the first 64 letters count.</p><table>{rows}</table>"
    (tmp_path / "a.html").write_text(page)
    index = Index(tmp_path, embedder="", cache=False)
    question, known = understood("How many letters of a label are stored?"), known_of(index)
    request = parse(question, date(2026, 11, 28))
    assert request is not None
    planned = calculating.Planned(request, unclear=Unclear("'stored' names nothing", ["stored"]))

    def told(passage, confidence):
        answer = attrs.evolve(index.ask("letters label"), found=True, confidence=confidence, answer=passage)
        return calculating._refused(planned, answer, known, question.filters).found

    passages = {each.text: each for each in map(index.passage, range(len(index)))}
    sentence, row = passages["Of a label, the first 64 letters count."], passages["integer | 5"]
    assert told(sentence, 0.85)
    assert not told(sentence, 0.7), "too doubtful in place of a number"
    assert not told(row, 0.85)
