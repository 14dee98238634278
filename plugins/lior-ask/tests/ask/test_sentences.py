"""Results in one plain sentence: in the language of the question, the same for both ways to calculate."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from lior_ask import Index
from lior_ask.answer.figures import headline, shown
from lior_ask.index.table_schema import Column
from lior_ask.languages.lists import languages
from lior_ask.question.filters import Filters
from lior_ask.question.question import Question
from lior_ask.tables.calculating import calculated, plan_calculation
from lior_ask.tables.mentions import next_days
from lior_ask.tables.query import Aggregate, Compares, Group, Is, Not, Query, Within
from lior_ask.tables.sentences import unit_of
from lior_ask.tables.sources import tables_of
from lior_ask.tables.telling import Teller

ACCOUNT = """Datum;Empfänger;Zweck;Betrag (€)
05.01.2026;Edeka;Einkauf;-45,10
09.01.2026;Möller;Gehalt;2.310,00
12.01.2026;Edeka;Einkauf;-61,29
20.02.2026;Petersen;Reparatur;-112,40
03.03.2026;Edeka;Einkauf;-40,00
"""
OUT, EDEKA, OTHERS = Compares(3, "<", Decimal(0)), Is(1, ("Edeka",)), Not(Is(1, ("Möller",)))


@pytest.fixture(scope="module")
def known():
    index = Index(embedder="")
    index.learn("giro.csv", ACCOUNT)
    return index.asker.known


def by_grammar(known, question):
    return plan_calculation(Question(question), known, date(2026, 4, 1)).told


def by_query(known, **query):
    table = next(each for each in tables_of(known, Filters()) if each.heads[0].document == "giro.csv")
    query = Query(table=0, **query)
    part = table.where((*query.where, *query.part)) if query.part else None
    return Teller(table).tell(query, table.where(query.where), part)


@pytest.mark.parametrize(
    ("question", "value", "sentence"),
    [
        ("How much did we spend at Edeka?", "146.39 €", "spent at Edeka, 3 payments"),
        ("Wie viel haben wir bei Edeka ausgegeben?", "146,39 €", "ausgegeben bei Edeka, 3 Zahlungen"),
        ("Combien avons-nous dépensé chez Edeka ?", "146,39 €", "dépensés chez Edeka, 3 paiements"),
        ("¿Cuánto gastamos en Edeka?", "146,39 €", "gastados en Edeka, 3 pagos"),
        ("Wie viel Geld haben wir pro Monat ausgegeben?", "", "ausgegeben pro Monat, 4 Zahlungen"),
        (
            "Wie viel haben wir im Januar 2026 bekommen?",
            "2.310,00 €",
            "eingenommen im Januar 2026, 1 Zahlung",
        ),
    ],
)
def test_a_sentence_is_in_the_language_of_its_question(known, question, value, sentence):
    answer = calculated(Question(question), by_grammar(known, question), 0.9, 3)
    assert headline(answer) == (value, sentence)
    assert answer.said.startswith(shown(answer.result, answer.language).value)


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("How much did we spend at Edeka?", {"aggregate": Aggregate.SUM, "where": (OUT, EDEKA)}),
        ("How much did we spend at Edeka on average?", {"aggregate": Aggregate.MEAN, "where": (OUT, EDEKA)}),
        ("What was the largest expense?", {"aggregate": Aggregate.HIGHEST, "where": (OUT,)}),
        (
            "How much did we spend per month?",
            {"aggregate": Aggregate.SUM, "where": (OUT,), "group": Group("month", dated=0)},
        ),
        (
            "What percentage of spending went to Edeka?",
            {"aggregate": Aggregate.SHARE, "where": (OUT,), "part": (EDEKA,)},
        ),
    ],
)
def test_both_ways_to_calculate_say_the_same(known, question, query):
    ranked = by_query(known, measure=3, sign=-1, **query)
    for language in (each.name for each in languages()):
        assert by_grammar(known, question).said(language) == ranked.said(language)


def test_other_results_are_sentences_too(known):
    said = {
        "4 rows without Empfänger Möller": {
            "aggregate": Aggregate.COUNT,
            "where": (Not(Is(1, ("Möller",))),),
        },
        "3 different values of Empfänger: Edeka (3), Möller (1), Petersen (1)": {
            "aggregate": Aggregate.DISTINCT,
            "measure": 1,
        },
        "Möller: Empfänger with Zweck Gehalt": {
            "aggregate": Aggregate.VALUE,
            "measure": 1,
            "where": (Is(2, ("Gehalt",)),),
        },
        "57 days: Datum: 2026-01-05 – 2026-03-03": {"aggregate": Aggregate.BETWEEN, "measure": 0},
        "Edeka 3: most rows per Empfänger, 5 in total": {
            "aggregate": Aggregate.COUNT,
            "group": Group(1, over="highest"),
        },
        "yes: 3 rows at Edeka": {"aggregate": Aggregate.EXISTS, "where": (EDEKA,)},
    }
    assert {by_query(known, **query).said("english") for query in said.values()} == {*said}
    assert by_query(known, aggregate=Aggregate.COUNT).said("klingon") == "5 rows"


def test_amounts_of_a_table_of_expenses_were_spent():
    index = Index(embedder="")
    index.learn("expenses.csv", "day,what,amount\n2026-01-03,tea,4\n2026-01-04,tea,5\n2026-01-09,oil,20\n")
    assert index.ask("How much did we spend on tea?").said == "9 spent with what tea, 2 payments"
    assert index.ask("How many expenses are there?").said == "3 rows"


def test_the_exact_query_has_the_file_and_its_columns(known):
    told = by_grammar(known, "How much did we spend at Edeka?")
    assert told.result.about == "Betrag (€) in giro.csv paid out where Empfänger is Edeka"


def test_the_direction_of_payments_is_named_behind_a_period(known):
    told = by_grammar(known, "How much did we receive in January 2026?")
    assert told.result.about == "Betrag (€) in giro.csv in January 2026 paid in"
    period = Within(0, "2026-01-01", "2026-01-31", shown="in January 2026")
    query = by_query(known, aggregate=Aggregate.SUM, measure=3, where=(Compares(3, ">", Decimal(0)), period))
    assert query.result.about == told.result.about


def test_a_column_with_several_conditions_is_named_once(known):
    parts = Is(2, ("Rep",), part="rep"), Is(2, ("Kauf",), part="kauf"), Is(1, ("Edeka",))
    query = by_query(known, aggregate=Aggregate.COUNT, where=parts)
    assert query.said("english") == "0 rows with Zweck rep, kauf at Edeka"
    query = by_query(known, aggregate=Aggregate.COUNT, where=(Not(parts[0]), Not(parts[1]), parts[0]))
    assert query.said("english") == "0 rows without Zweck rep, kauf with Zweck rep"


@pytest.mark.parametrize(
    ("name", "unit"),
    [("Betrag (€)", "€"), ("Strecke [km]", "km"), ("price (net)", ""), ("price (each)", ""), ("price", "")],
)
def test_a_unit_is_read_from_the_name_of_a_column(name, unit):
    assert unit_of(Column(name=name)) == unit
    assert unit_of(Column(name=name, unit="kg")) == "kg"


@pytest.mark.parametrize(
    ("query", "german", "english"),
    [
        ({"measure": 0}, "frühester Wert in Datum von 5 Zeilen", "earliest Datum of 5 rows"),
        ({}, "das Erste von 5 Zeilen, in der Reihenfolge", "first of 5 rows, in the table's order"),
    ],
)
def test_the_oldest_names_its_column_or_the_order_of_the_table(known, query, german, english):
    told = by_query(known, aggregate=Aggregate.OLDEST, show=1, **query)
    assert german in told.said("german")
    assert english in told.said("english")


def test_a_period_with_one_end_is_told_in_the_language_of_the_question(known):
    query = by_query(known, aggregate=Aggregate.COUNT, where=(next_days(0, date(2026, 3, 4)),))
    assert query.said("german").endswith(" ab 2026-03-04")
    assert query.said("english").endswith(" from 2026-03-04 on")
    query = by_query(known, aggregate=Aggregate.COUNT, where=(next_days(0, date(2026, 3, 4), before=True),))
    assert query.said("french").endswith(" jusqu’au 2026-03-04")
    shown = "im März (2 without a date left out)"
    query = by_query(known, aggregate=Aggregate.COUNT, where=(Within(0, "2026-03-01", "2026-03-31", shown),))
    assert query.said("german").endswith(" im März (2 ohne Datum weggelassen)")
