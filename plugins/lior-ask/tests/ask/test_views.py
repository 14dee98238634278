"""Numbers that rows do not have and questions ask for: what was used, products, days, and what is left."""

from __future__ import annotations

import pytest

from ask.content import folder, values
from lior_ask import Index

TEXTS = {
    "cellar.md": (
        "# Cellar\n\nThe meters hang behind the door.\n\n"
        "| Date | Power kWh | Gas m³ | read by |\n|---|---:|---:|---|\n"
        "| 31.12.2024 | 18 204 | 5512.4 | Tom |\n| 31.01.2025 | 18 497 | 5688.1 | Tom |\n"
        "| 28.02.2025 | 18 741 | 5839.7 | Ann |\n| 31.03.2025 | 19 002 | 5941.2 | Tom |\n"
    ),
    "flats.csv": (
        "Ablesung;Wohnung;Kaltwasser m³;Warmwasser m³\n"
        "01.01.2025;links;412,3;188,1\n01.01.2025;rechts;655,9;301,4\n"
        "01.07.2025;links;428,6;195,5\n01.07.2025;rechts;696,8;320,2\n"
    ),
    "taps.csv": "date,tap1_m3,tap2_m3\n2025-03-31,10,20\n2025-04-30,14.5,30\n2025-05-31,20,31\n",
    "shed.csv": (
        "tool,qty,price each,place,bought\nspade,7,24.50,shed A,2019\nfork,5,26.00,shed A,2020\n"
        "mower,1,415.00,shed B,2021\n"
    ),
    "door.csv": (
        "evening,adults,children,adult price,child price\n2025-03-27,38,6,12,6\n2025-03-28,41,9,12,6.50\n"
    ),
    "orders.csv": (
        "number,dealer,ordered,delivered,value\nP1,Hart,2025-01-10,2025-01-14,100\n"
        "P2,Hart,2025-02-01,2025-02-11,80\nP3,Lange,2025-02-01,2025-02-02,50\nP4,Hart,2025-03-01,,70\n"
    ),
    "cash.csv": (
        "Date;What;Out;In\n03.01.2025;paint;120,50;\n28.01.2025;tickets;;2100,00\n10.02.2025;hall;800,00;\n"
    ),
    "water basin.csv": "read,m3\n2025-01-31,5\n2025-02-28,8\n2025-03-31,10\n",
    "lagerliste.csv": (
        "Artikel;Regal;Bestand;Mindestbestand;EK-Preis\nKette;A1;14;10;11,90\nKorb;B2;3;5;21,80\n"
    ),
    "staff.csv": "name,day,hours March,hours April\nInes,Monday,4,9\nTomas,Friday,7,6.5\n",
}


pytestmark = pytest.mark.usefixtures("in_october")


index = folder("index", TEXTS)


def test_what_rows_do_not_have_is_calculated(index):
    wanted = {
        "how much power did we use in January?": "293",
        "What's the average power use per month from January to March, in kWh?": "266.00",
        "how much gas was used from January to March 2025?": "428.8",
        "in which month did we use the most gas?": "2025-01 175.7",
        "Wie viel Kaltwasser wurde links im ersten Halbjahr 2025 verbraucht?": "16.3",
        "In welcher Wohnung wurde am meisten Kaltwasser verbraucht?": "rechts 40.9",
        "Which tap used the most between the end of March and the end of May?": "tap2 11",
        "What is everything in shed A worth?": "301.50",
        "how much are the spades worth?": "171.50",
        "Wie viel ist das Lager in Regal B2 wert?": "65.40",
        "Was ist das Lager in Regal A1 wert?": "166.60",  # a minimum is not what there is
        "add up quantity times price for shed B": "415.00",
        "how much did we take at the door on 28 March?": "550.50",
        "how many days passed between ordering and delivery of P2?": "10",
        "On average, how many days pass between ordering and delivery at Hart?": "7",
        "longest time between ordering and delivery": "10",
        "how long did P1 take?": "4",
        "Which order took longest?": "10",
        "Welche Bestellung der orders hat am längsten gedauert?": "10",
        "income minus expenses in 2025": "1,179.50",
        "who worked the most hours in April?": "Ines 9",
        "how many hours did the staff work in March and April?": "26.5",
        "average water use of the basin per month": "2.50",
        "which tool brought in the most money?": "mower 415.00",
    }
    assert values(index, wanted) == wanted


def test_a_statement_with_two_dates():
    rows = "01.09.26;02.09.26;Rent;-400,00\n03.09.26;03.09.26;Ada;900,00\n"
    rows += "30.09.26;01.10.26;Power;-50,00\n05.10.26;05.10.26;Bo;300,00\n"
    index = Index(retriever="settle", embedder="")
    index.learn("statement.csv", f"Buchungstag;Valutadatum;Text;Betrag\n{rows}")
    wanted = {
        "income minus expenses in September": "450.00",
        "Einnahmen minus Ausgaben im Oktober 2026": "300.00",
        "Wie hoch war der Gewinn im September?": "450.00",
        "income minus our expenses per month": "2026-09 450.00, 2026-10 300.00",
        "recettes moins dépenses par mois": "2026-09 450.00, 2026-10 300.00",
        "recettes moins dépenses, ça fait combien en septembre ?": "450.00",
        "ingresos menos gastos": "750.00",
        "list the payments": "2",
        "How many payments did we make in September?": "2",
        "Welche Einnahmen hatten wir im September?": "1",
        "montre les paiements en septembre": "2",
        "lista los pagos de septiembre": "2",
    }
    assert values(index, wanted) == wanted


def test_the_readings_are_named(index):
    said = index.ask("how much gas was used in February 2025?").result.about
    assert "cellar.md (Cellar, differences of readings, 2024-12-31 to 2025-03-31) in February 2025" in said


def test_what_no_view_has_is_not_calculated(index):
    for question in (
        "how much gas was used in the first week of January 2025?",
        "how much gas did we use on 7 February 2025?",  # no reading begins or ends it
        "how long is the shed?",
        "is it worth buying a mower?",
        "where is the meter used?",
        "which tools do we still have?",
        "how many tools are still there?",
    ):
        assert index.ask(question).result is None, question


def test_the_name_of_a_meter_is_understood_in_other_languages():
    index = Index(embedder="")
    index.learn("stromzaehler.csv", "Datum;Stand\n01.01.2025;20410\n01.02.2025;20702\n01.03.2025;21015\n")
    assert index.ask("how much electricity did we use in February?").result.value == "313"
