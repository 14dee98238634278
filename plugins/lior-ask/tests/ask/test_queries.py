"""Queries that are ranked: their conditions, their results, and which of them are told."""

from __future__ import annotations

import operator
from datetime import date
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.interfaces import Passage
from lior_ask import Index
from lior_ask.question.filters import Filters
from lior_ask.question.question import understood
from lior_ask.tables import calculating
from lior_ask.tables.asked import asked
from lior_ask.tables.choosing import Chosen, choose
from lior_ask.tables.days import Period
from lior_ask.tables.grammar import parse
from lior_ask.tables.learned import learned
from lior_ask.tables.mentions import Links
from lior_ask.tables.plan import Unclear
from lior_ask.tables.query import Aggregate, Compares, Filled, Is, Not, Query, Within
from lior_ask.tables.ranking import Ranker
from lior_ask.tables.sentences import tell
from lior_ask.tables.sources import tables_of, until_end
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
    return index.asker.known


def table_of(index):
    return next(
        each for each in tables_of(known_of(index), Filters()) if each.heads[0].document == "trips.csv"
    )


TABLE = table_of(notes(TRIPS))
ADA_OR_BO = Is(DRIVER, ("Ada", "Bo"), several=True)
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
        ({"aggregate": Aggregate.BETWEEN, "where": (ADA_OR_BO,)}, "1"),
        ({"aggregate": Aggregate.BETWEEN, "measure": KM, "where": (ADA_OR_BO,)}, "73.5"),
        ({"aggregate": Aggregate.NEWEST}, "Cy"),
        ({"aggregate": Aggregate.NEWEST, "few": 2, "show": DRIVER}, "Cy, Ada"),
        ({"aggregate": Aggregate.OLDEST, "where": (Is(DRIVER, ("Ada",)),), "show": KM}, "120.5"),
    ],
)
def test_what_is_made_of_rows(query, value):
    query = Query(table=0, **query)
    part = TABLE.where((*query.where, *query.part))
    assert Teller(TABLE).tell(query, TABLE.where(query.where), part).result.value == value


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            {"aggregate": Aggregate.BETWEEN, "where": (ADA_OR_BO,)},
            "1: Zeilen mit driver Ada or Bo: Ada 2, Bo 1",
        ),
        (
            {"aggregate": Aggregate.NEWEST, "show": PLACE},
            "Voss: das Letzte von 4 Zeilen, in der Reihenfolge der Tabelle",
        ),
        (
            {"aggregate": Aggregate.OLDEST, "show": PLACE},
            "Oslo: das Erste von 4 Zeilen, in der Reihenfolge der Tabelle",
        ),
    ],
)
def test_differences_of_counts_and_the_ends_of_a_table_are_told(query, said):
    query = Query(table=0, **query)
    assert Teller(TABLE).tell(query, TABLE.where(query.where)).said("german") == said


def test_what_no_row_has_is_not_told():
    nobody = Is(DRIVER, ("Ada", "Dan"), several=True)
    for query in ({"aggregate": Aggregate.BETWEEN, "where": (nobody,)}, {"aggregate": Aggregate.NEWEST}):
        query = Query(table=0, **{"where": (Is(DRIVER, ("Dan",)),), **query})
        with pytest.raises(NoResult, match="there"):
            Teller(TABLE).tell(query, TABLE.where(query.where))


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


STOCK = (
    "article,supplier,in stock,minimum,weight g,fee\npump,Ada,3,5,900,0\nhose,Bo,12,4,1500,2\n"
    "valve,Ada,4,4,40,0\ncable,Cy,1,6,2200,3\n"
)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (Compares(2, "<", None, 3), [0, 3]),
        (Compares(2, ">=", None, 3), [1, 2]),
        (Compares(5, "=", Decimal(0)), [0, 2]),
        (Compares(5, ">", Decimal(0)), [1, 3]),
    ],
)
def test_two_columns_and_zero_may_be_what_a_question_implies(condition, rows):
    table = table_of(notes(STOCK))
    implied = {piece.condition for piece in Links(asked("which are too few?", date.today()), table).implied()}
    assert condition in implied
    assert table.where([condition]).tolist() == rows


def test_two_days_of_a_row_may_be_compared():
    table = table_of(
        notes("who,due,paid\nAda,2026-05-01,2026-05-03\nBo,2026-05-01,2026-05-01\nCy,2026-05-01,\n")
    )
    implied = {piece.condition for piece in Links(asked("who paid late?", date.today()), table).implied()}
    for sign, rows in (("<", [0]), ("=", [1]), (">=", [1])):
        condition = Compares(1, sign, None, 2)
        assert condition in implied
        assert table.where([condition]).tolist() == rows


def test_columns_that_are_always_larger_are_not_compared():
    table = table_of(notes("article,net,gross\npump,10,12\nhose,20,24\n"))
    assert not table.comparable


@pytest.mark.parametrize(
    ("words", "sign", "number"),
    [
        ("heavier than a kilo", ">", 1000),
        ("over 2 kg", ">", 2000),
        ("1500 g or more", ">=", 1500),
        ("mehr als hundert Gramm", ">", 100),
        ("dépassent 2 kg", ">", 2000),
        ("más de mil gramos", ">", 1000),
    ],
)
def test_numbers_are_compared_in_the_unit_of_the_column(words, sign, number):
    table = table_of(notes(STOCK))
    [piece] = Links(asked(f"which articles are {words}?", date.today()), table).compared([4])
    assert (piece.condition.sign, piece.condition.value) == (sign, number)
    hours = table_of(notes("job,hours\npaint,2\nsand,3\n"))
    assert not [*Links(asked(f"which jobs are {words}?", date.today()), hours).compared([1])]


def proposed(links):
    return Ranker(links.asked, learned(), [links.table]).proposed()[0]


def test_each_of_two_comparisons_has_its_own_column():
    text, question = (
        "host,cores,disk\nada,4,8\nbo,16,8\ncy,4,2\n",
        "hosts with 8 cores or fewer but over 4 TB of disk",
    )
    links = linked_to(text, question)
    assert {(1, "<=", 8), (2, ">", 4)} in [
        {(c.column, c.sign, c.value) for c in each.query.where} for each in proposed(links)
    ]


BILLS = "day,payee,amount\n2026-08-05,Octopus,80\n2026-09-05,Octopus,95\n2026-09-06,Rent,700\n"


def test_the_difference_between_two_months_has_the_rows_of_both():
    links = linked_to(BILLS, "how much more did Octopus cost in September than in August?")
    span = links.spanned([*links.periods(0)])
    assert (span.condition.first, span.condition.last) == ("2026-08-01", "2026-09-30")
    assert {each.query.aggregate for each in proposed(links) if span in each.pieces} == {Aggregate.BETWEEN}
    within = linked_to(BILLS, "what did we pay since August, before 10 October?")
    assert within.spanned([*within.periods(0)]) is None


@pytest.mark.parametrize(("subject", "told"), [("Octopus cost", True), ("we pay", False)])
def test_the_difference_between_two_months_is_that_of_two_rows(subject, told):
    links = linked_to(BILLS, f"how much more did {subject} in September than in August?")
    ranker, span = Ranker(links.asked, learned(), [links.table]), links.spanned([*links.periods(0)])
    meant = [ranker.meaning(each.query) for each in proposed(links) if span in each.pieces]
    assert any(each is not None for each in meant) == told


@pytest.mark.parametrize(
    ("question", "compared"),
    [
        ("opiniones de 2 estrellas o menos", [("<=", 2)]),
        ("runs of four miles or longer", [(">=", 4)]),
        ("lavadas de menos de 40 mil", [("<", 40_000)]),
        ("Tankfüllungen zwischen 40 und 45 Litern", [(">=", 40), ("<=", 45)]),
        ("events between 3 and 5 November", []),
    ],
)
def test_comparisons_with_what_is_counted_between(question, compared):
    assert [(each.sign, each.number) for each in asked(question, date(2026, 11, 26)).compared] == compared


def test_values_are_found_in_the_order_of_the_columns():
    names = ("Mira", "Joan", "Selma", "Otto", "Edda", "Nils", "Ruth", "Ida")
    rows = "".join(f"{name} Adler,{name.lower()}@velo.example,{name} H\n" for name in names)
    table = table_of(notes(f"user,mail,label\n{rows}"))
    for name in names:  # a set of texts has another order in each run
        links = Links(asked(f"how many hours did {name} work?", date(2026, 11, 26)), table)
        columns = [piece.condition.column for piece in links.pieces if isinstance(piece.condition, Is)]
        assert columns == sorted(columns) != []


def test_weekdays_and_words_of_every_text_may_be_cells():
    text = "day,weekday,vote\n2026-11-21,Sat,for\n2026-11-22,Sun,against\n2026-11-24,Tue,for\n"
    links = Links(asked("who was for it on Saturday?", date(2026, 11, 26)), table_of(notes(text)))
    found = {piece.kind: piece.condition for piece in links.pieces}
    assert found["common"] == Is(2, ("for",))
    assert found["exact"] == Is(1, ("Sat",))
    assert found["weekday"] == Within(0, "2026-11-21", "2026-11-21", "2026-11-21")


def test_an_end_without_a_begin_is_the_nearest_one():
    table = table_of(notes("item,best before\njam,2026-12-03\nflour,2027-03-01\nrice,2026-11-30\n"))
    links = Links(asked("what goes off before 5 December?", date(2026, 11, 28)), table)
    [piece] = links.periods(1)
    assert table.where([piece.condition]).tolist() == [0, 2]


def test_a_closing_balance_in_place_of_a_day_is_no_row():
    begin = (
        "Datum;Zweck;Partner;Betrag\n02.01.2026;Vortrag;Kasse;612,30 €\n12.01.2026;Beiträge;Ada;240,00 €\n"
    )
    rows = "20.01.2026;Bücher;Laden;-86,40 €\nBestand;;;765,90 €\n"
    assert len(table_of(notes(begin + rows)).rows) == 3
    opened = begin.replace("Vortrag;Kasse", "Saldo anterior;") + rows
    assert len(table_of(notes(opened)).rows) == 2


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


def linked_to(text, question):
    """The links of a question to a table given as text."""
    table = table_of(notes(text))
    return Links(asked(question, date(2026, 11, 28)), table)


def test_a_compound_names_the_cells_with_its_parts():
    text = "day,text,amount\n2026-01-02,Miete Werkstatt Januar,310\n2026-01-03,Miete Wohnung,800\n"
    [piece] = linked_to(text, "Wie viel Werkstattmiete haben wir bezahlt?").pieces
    assert piece.condition.values == ("Miete Werkstatt Januar",)


def test_a_column_named_whole_is_not_the_one_beside_it():
    links = linked_to("name,test 1,test 2\nIda,9,14\nMax,12,18\n", "who had over 15 in test 2?")
    assert [*links.columns] == [2]


@pytest.mark.parametrize(
    "question", ["Which site is the deepest?", "Wie tief ist Berta?", "quelle profondeur a Berta ?"]
)
def test_adjectives_name_the_columns_of_measures(question):
    assert [*linked_to("site,depth_m\nAnna,12\nBerta,31\n", question).columns][-1:] == [1]


def test_days_without_a_year_are_apart_by_days():
    index = notes(
        "camp,from,to\nA,3 May,10 May\nB,28 February,1 March\nC,7 July,9 July 2026\nD,1 June,\n"
        "E,30 June,31 June\nF,1 April,3 April\nG,5 May,6 May\nH,2 July,3 July\nI,2 August,4 August\n"
    )
    table = table_of(index)
    (days,) = table.derived
    assert table.numbers(days) == [7, 2, None, None, None, 2, 1, 1, 2]  # of a leap year
    assert index.ask("how many days does camp A take on average?").passages


def test_many_words_that_begin_alike_are_similar_to_none():
    few, many = (
        table_of(notes("name,price\n" + "".join(f"item{n},{n}\n" for n in range(count))))
        for count in (9, 300)
    )
    assert len(few.similar("items")) == 9
    assert many.similar("items") == []


@pytest.mark.parametrize(
    ("document", "line", "text", "is_row"),
    [
        ("trips.csv", 1, "year,income per head", True),
        ("trips.csv", 2, "2024,171", True),
        ("trips.csv", 4, "Total,261", True),
        ("note.md", 3, "Income per head is rising.", False),
        ("note.md", 5, "| year | cost |", False),  # there may be sentences in this document
        ("note.md", 7, "| 2024 | 12 |", True),
    ],
)
def test_the_names_of_columns_and_totals_are_no_sentence(document, line, text, is_row):
    index = notes("year,income per head\n2024,171\n2025,90\nTotal,261\n")
    note = (
        "# Income\n\nIncome per head is rising.\n\n| year | cost |\n|---|---|\n| 2024 | 12 |\n| 2025 | 14 |\n"
    )
    index.learn("note.md", note)
    passage = Passage(document=document, line=line, text=text)
    assert calculating.is_row(passage, known_of(index), Filters()) == is_row


def test_days_without_a_year_have_no_difference():
    table = table_of(notes("day,name\n5 March,Ada\n9 April,Bo\n"))
    query = Query(table=0, aggregate=Aggregate.BETWEEN, measure=0)
    with pytest.raises(NoResult, match="no whole date"):
        Teller(table).tell(query, table.where(()))


@pytest.mark.parametrize(
    ("text", "question", "value"),
    [
        ("posten;betrag\nPumpe;10,00\nSchlauch;5,00\n", "Was ist die Summe von Betrag?", "15.00"),
        (
            "day,shop,note,amount\n2026-01-02,Lidl,LIDL 23,4\n2026-01-09,Lidl,LIDL 7,6\n",
            "sum of amount at Lidl",
            "10",
        ),
    ],
)
def test_what_only_seems_to_be_several_things_is_calculated(text, question, value):
    assert notes(text).ask(question).result.value == value


def test_a_query_is_told_in_spite_of_the_grammar_if_it_is_more_than_likely():
    text = (
        "item,supplier,quantity,unit price,total\nbeaker,Chemika,3,10.00,30.00\nflask,Chemika,2,20.00,40.00\n"
    )
    index = notes(text + "tube,Labo,1,5.00,5.00\n")
    answer = index.ask("How much did we spend at Chemika in total?")
    assert (answer.result.value, answer.confidence < 1) == ("70.00", True)
    surely, hardly = (Chosen(learned(), probability=each).in_spite() for each in (0.99, 0.4))
    assert surely > hardly


PAID = "name,paid,hours\nAda,yes,10\nBo,no,20\nCleo,yes,5\n"
SHIPPED = "order,shipped\n1,yes\n2,no\n3,no\n"


@pytest.mark.parametrize(
    ("name", "text", "question", "value"),
    [
        ("a.csv", PAID, "How many hours were paid?", "15"),
        ("a.csv", PAID, "How many hours were not paid?", "20"),
        ("shipped.csv", SHIPPED, "How many orders were shipped?", "1"),
        ("shipped.csv", SHIPPED, "How many orders were not shipped?", "2"),
        (
            "a.md",
            "# Costs\n\n| item | price |\n|---|---|\n| pump | 10 |\n| hose | 5 |\n",
            "sum of price",
            "15",
        ),
    ],
)
def test_what_is_so_of_numbers_and_of_a_table_of_that_name(name, text, question, value):
    index = Index(embedder="")
    index.learn(name, text)
    assert index.ask(question).result.value == value


def test_a_column_without_values_is_named_in_place_of_zero():
    answer = notes("item,net,gross\npump,10,\nhose,100,\n").ask("sum of gross")
    assert (answer.found, answer.said) == (False, "gross of trips.csv has no values")


def test_the_likeliest_calculation_is_named_where_none_is_told():
    marks = "Gruppe;Name;Protokoll 1;Protokoll 2\nA;Ida;20;14\nA;Max;12;18\nB;Lea;9;19\n"
    answer = notes(marks).ask("Wie viele haben weniger als 15 Punkte in Protokoll 2?")
    assert answer.result is not None or "die wahrscheinlichste Rechnung" in answer.said
    assert "Protokoll 2 < 15" in answer.said


def test_a_row_is_less_likely_if_the_likeliest_query_selects_others():
    table = table_of(notes(TRIPS))
    query = Query(table=0, aggregate=Aggregate.LIST, where=(Is(DRIVER, ("Ada",)),))
    told = Teller(table).tell(query, table.where(query.where))
    chosen = Chosen(learned(), query, told, probability=0.6)
    inside, outside = told.result.rows[1], attrs.evolve(told.result.rows[1], line=3)
    assert chosen.row(outside, 0.9) == pytest.approx(0.4 * chosen.row(inside, 0.9))
    assert attrs.evolve(chosen, told=None).row(outside, 0.9) == chosen.row(inside, 0.9)


def test_a_refusal_has_the_rows_of_the_likeliest_calculation(monkeypatch):
    monkeypatch.setattr(calculating, "LEAST", 1.0)
    monkeypatch.setattr(calculating, "plan_calculation", lambda *_: calculating.Planned(None))
    answer = notes(TRIPS).ask("How many trips of Ada?")
    assert answer.said.startswith("the likeliest calculation")
    assert [row.line for row, _ in answer.passages] == [2, 4, 3], "and then the nearest"


def test_no_query_subtracts_expenses_from_income():
    index = notes(spent="day,item,amount\n2025-01-03,rope,10.99\n2025-02-03,paint,30\n")
    assert index.ask("income minus expenses in 2025").result is None


NOT_FIXED = (
    "date,device,result\n2026-09-05,toaster,fixed\n2026-09-06,radio,not fixed\n2026-09-07,lamp,fixed\n"
)


def test_a_cell_may_have_the_negation_of_the_question():
    links = Links(asked("which devices were not fixed", date(2026, 11, 28)), table_of(notes(NOT_FIXED)))
    [whole, *others] = [piece for piece in links.pieces if piece.kind == "exact"]
    assert (whole.condition, whole.negated, len(whole.positions)) == (Is(2, ("not fixed",)), False, 2)
    assert [(piece.condition, piece.negated) for piece in others] == [(Is(2, ("fixed",)), True)]
    ranker = Ranker(links.asked, learned(), [links.table])
    for each in (found := ranker.proposed())[0]:
        told = dict(ranker.features(each, found[1], learned().matches(links.asked, each.links)))
        used = Is(2, ("not fixed",)) in each.query.where or any(isinstance(c, Not) for c in each.query.where)
        assert told["negation lost"] == (not used), each.query


def test_what_was_paid_is_a_positive_number():
    text = "day,text,amount\n2025-01-03,Spotify,-10.99\n2025-02-03,Spotify,-10.99\n2025-02-05,Top-up,100\n"
    known = known_of(notes(text))
    for question in ("how much have we paid to spotify?", "what did I spend on spotify in all?"):
        assert choose(understood(question), known, date(2026, 11, 28)).told.result.value == "21.98", question


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("how many frames per check in May?", ["in May"]),
        ("which ones before May?", ["before May"]),
        ("may I see the frames?", []),
        ("who may vote?", []),
        ("was steht hier?", []),
        ("was war hier im Mai los?", ["im Mai"]),
    ],
)
def test_may_is_a_month_behind_a_preposition(question, shown):
    assert [each.shown for each in asked(question, date(2026, 11, 30)).periods] == shown


@pytest.mark.parametrize(
    ("words", "year"),
    [("im Mai letzten Jahres", 2025), ("in May last year", 2025), ("this year in May", 2026)],
)
def test_a_month_and_its_year_told_apart_are_one_period(words, year):
    [found] = asked(f"what came in {words}?", date(2026, 11, 30)).periods
    assert (found.first, found.last) == (date(year, 5, 1), date(year, 5, 31))


def test_a_day_without_a_year_is_in_a_period_without_one():
    december = Period(first=date(2000, 12, 1), last=date(2000, 12, 31), shown="December", yearless=True)
    assert december.covers("0000-12-05")
    assert not december.covers("0000-11-05")


@pytest.mark.parametrize("columns", ["amount", "into,out"])
def test_the_balance_of_a_day_without_a_row_is_the_one_before(columns):
    rows = [f"day,{columns},balance"]
    for day, amount, balance in (("01-03", 5, 105), ("01-09", -7, 98), ("02-11", -1, 97), ("03-01", 4, 101)):
        amounts = [amount] if columns == "amount" else [max(amount, 0) or "", max(-amount, 0) or ""]
        rows.append(f"2026-{day},{','.join(map(str, amounts))},{balance}")
    table = table_of(notes("\n".join(rows) + "\n"))
    [measure] = table.balances
    when = Within(0, "2026-02-20", "2026-02-20", "on 20 February")
    query = Query(table=0, aggregate=Aggregate.VALUE, measure=measure, where=(when,))
    told = Teller(table).tell(query, table.where(until_end(query.where)))
    assert told.result.value == "97"
    assert told.result.rows[0].line == 4
    assert not table_of(
        notes("day,a,b\n2026-01-03,5,7\n2026-01-04,6,9\n2026-01-09,7,9\n2026-01-10,4,6\n")
    ).balances


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("How many lavenders did we plant?", []),
        ("Wie viele Tulpen haben wir gepflanzt?", []),
        ("Combien de tulipes avons-nous plantées ?", []),
        ("¿Cuántas lavandas plantamos?", []),
        ("Um wie viel Uhr kam der Lavendel?", [2]),
        ("At what time did the tulip arrive?", [2]),
        ("À quelle heure la tulipe est-elle arrivée ?", [2]),
        ("¿A qué hora llegó el tulipán?", [2]),
        ("When did we plant the lavender?", [1, 2]),
    ],
)
def test_no_day_answers_how_many_or_what_time(text, days):
    rows = "lavender,2026-04-11,2026-04-09 08:15,12\ntulip,2026-10-17,2026-10-16 14:00,40\n"
    index = Index(embedder="")
    index.learn("trips.csv", f"plant,planted,arrived,pieces\n{rows}")
    found, _ = Ranker(asked(text, date(2026, 12, 1)), learned(), [table_of(index)]).proposed()
    measures = {p.query.measure for p in found if p.query.aggregate is Aggregate.VALUE}
    assert sorted(measures & {1, 2}) == days
