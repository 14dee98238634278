"""Dates are read as such, in texts and in questions."""

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.plugins.registry import registry
from lior_ask import Index
from lior_ask.index.table_schema import column
from lior_ask.languages.dates import counted_words, dates
from lior_ask.languages.lists import languages
from lior_ask.languages.words import LANGUAGES, stem, tokens
from lior_ask.tables.periods import period_in

LAW = settings(max_examples=100, database=None)
FORMS = (
    "{y}-{m:02}-{d:02}",
    "{y}/{m}/{d}",
    "{d:02}.{m:02}.{y}",
    "{d}.{m}.{y}",
    "{d}-{m:02}-{y}",
    "{d}/{m}/{y}",
    "{m}/{d}/{y}",
    "{d} {name} {y}",
    "{d}. {name} {y}",
    "the {d}th of {name}, {y}",
    "{name} {d}, {y}",
    "{y} {m:02} {d:02}",
    "{d}/{name}/{y}",
    "{y}-{m:02}-{d:02}T10:30:00",
)
NAMES = [
    "January",
    "Februar",
    "mars",
    "Apr.",
    "mai",
    "june",
    "Juli",
    "août",
    "Sept.",
    "Okt",
    "novembre",
    "Dez",
]
TEXT = """# 2025

## 18 February

The boiler was repaired by Lindquist.

## 18 March

New windows came.

## Frost

February had 18 days of frost and 2 of snow.
"""
ROWS = """date,what,who
2025-02-18,chimney swept,Olsen
2025-03-19,gas meter read,Ida
2024-02-17,filters changed,Per
"""


@LAW
@given(day=st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)), form=st.sampled_from(FORMS))
def test_a_day_is_the_same_however_it_is_written(day, form):
    text = f"On {form.format(y=day.year, m=day.month, d=day.day, name=NAMES[day.month - 1])} it rained."
    found = dates(text, tokens(text))
    assert {f"d:{day:%m-%d}", f"d:{day:%Y-%m}"} <= {word for date in found for word in date.words}
    assert all(stem(word, language) == word for language in LANGUAGES for word in found[0].words)


def test_dates_and_what_is_none():
    for text, words in (
        ("18.2. Feb 18, February 18th, 18. Februar, 18 février, 2/18", ["d:02-18"] * 6),
        ("paid in March 2024, mars 2024, 2024-03", ["d:2024-03"] * 3),
        ("3/4", ["d:04-03", "d:03-04"]),
        ("on 12 and 13 May; vom 11. bis 14. Mai", ["d:05-12", "d:05-13", "d:05-11", "d:05-14"]),
        ("at 10:30, version 3.11.7, 192.168.1.10, 29/13, 1.50, pages 2-18, ISBN 978-3-16-148410, May I?", []),
    ):
        assert sorted(word for word in counted_words(text) if word.startswith("d:")) == sorted(words), text


@LAW
@given(text=st.text(st.sampled_from("0123456789 ./-,Fb°eMay"), max_size=40))
def test_dates_lie_in_the_text_in_order(text):
    for date in dates(text, tokens(text)):
        assert 0 <= date.begin < date.end <= len(text)
        assert not text[date.begin : date.end].isspace()


@pytest.mark.parametrize("name", registry.names("retriever"))
def test_a_day_finds_heading_and_row_and_no_numbers_apart(name):
    index = Index(retriever=name)
    index.learn("diary.md", TEXT)
    index.learn("work.csv", ROWS)
    for question in ("What happened on 18 February?", "18.02.2025", "was on 2/18", "Feb 18th"):
        passages = [passage.text for passage, _ in index.ask(question, 2).passages]
        assert sorted("repaired" in text for text in passages) == [False, True], question
        assert sorted("chimney" in text for text in passages) == [False, True], question


def test_a_month_of_a_year_finds_its_rows_and_another_day_is_missing():
    index = Index(retriever="settle")
    index.learn("diary.md", TEXT)
    index.learn("work.csv", ROWS)
    assert "filters" in index.ask("What was done in February 2024?").passages[0][0].text
    answer = index.ask("What happened on 20 February?")
    assert not answer.found
    assert "02-20" in answer.missing


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("yesterday|gestern|hier|ayer", "11-27", "11-27"),
        ("the day before yesterday|vorgestern|avant-hier|anteayer", "11-26", "11-26"),
        ("tomorrow|morgen|demain|mañana", "11-29", "11-29"),
        ("the day after tomorrow|übermorgen|après-demain|pasado mañana", "11-30", "11-30"),
        ("last week|letzte woche|la semaine dernière|la semana pasada", "11-16", "11-22"),
        ("next week|nächste woche|la semaine prochaine|la próxima semana", "11-30", "12-06"),
        ("next month|nächsten monat|le mois prochain|el mes que viene", "12-01", "12-31"),
        ("next friday|kommenden freitag|vendredi prochain|el próximo viernes", "12-04", "12-04"),
        ("next saturday|nächsten samstag|samedi prochain|el próximo sábado", "12-05", "12-05"),
        ("last saturday|letzten samstag|samedi dernier|el sábado pasado", "11-21", "11-21"),
        ("the next 14 days|die nächsten zwei wochen|les 14 prochains jours", "11-28", "12-12"),
        ("the last two weeks|die letzten 14 tage|les 14 derniers jours", "11-14", "11-28"),
    ],
)
def test_periods_before_and_after_a_saturday(words, first, last):
    ends = tuple(datetime.date.fromisoformat(f"2026-{day}") for day in (first, last))
    for each in words.split("|"):
        found = period_in(each, datetime.date(2026, 11, 28))[0]
        assert found is not None, each
        assert (found.first, found.last) == ends, each


@pytest.mark.parametrize(
    "words", ["on friday", "am morgen", "por la mañana", "the next mail", "the last three mails"]
)
def test_words_like_periods_are_none(words):
    assert period_in(words, datetime.date(2026, 11, 28))[0] is None


def test_days_of_one_month_are_no_numbers_with_a_unit():
    assert column("day", ["5 March", "9 March"]).kind == "date"
    assert column("load", ["5 t", "9 t"]).kind == "number"


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        ("what came in since Wednesday?", "2026-11-25", ""),
        ("payouts since the start of the month", "2026-11-01", ""),
        ("due before the end of the year", "", "2026-12-31"),
        ("bis Ende nächster Woche", "", "2026-12-06"),
        ("how many deadlines before Christmas?", "", "2026-12-24"),
        ("depuis la Saint-Sylvestre", "2025-12-31", ""),
        ("¿cuánto hubo de propinas el día 7?", "2026-11-07", "2026-11-07"),
        ("Ausgaben im letzten Quartal", "2026-07-01", "2026-09-30"),
        ("what is on tonight", "2026-11-28", "2026-11-28"),
        ("desde principios de año", "2026-01-01", ""),
        ("was kam seit gestern", "2026-11-27", ""),
        ("Mails vor dem 15. März 2025", "", "2025-03-14"),
        ("Mails vor dem 15.", "", "2026-12-14"),
        ("tout avant lundi", "", "2026-11-29"),
        ("sales since the 14th", "2026-11-14", ""),
        ("¿quién trabajó el lunes 16?", "2026-11-16", "2026-11-16"),
        ("heures de la semaine du 16 au 22", "2026-11-16", "2026-11-22"),
        ("Stunden der Woche vom 16. bis 22.", "2026-11-16", "2026-11-22"),
        ("takings in the first half of November 2025", "2025-11-01", "2025-11-15"),
        ("honoraires de la deuxième quinzaine de février 2024", "2024-02-16", "2024-02-29"),
        ("what we bought in the 1990s", "1990-01-01", "1999-12-31"),
        ("objets du XVIIIe siècle", "1700-01-01", "1799-12-31"),
        ("Gläser aus dem 19. Jahrhundert", "1800-01-01", "1899-12-31"),
        ("everything from today till the end of January", "2026-11-28", "2027-01-31"),
        ("to pay between now and Dec 7", "2026-11-28", "2026-12-07"),
        ("von Mitte Dezember bis Ende Januar", "2026-12-15", "2027-01-31"),
        ("citas desde hoy hasta finales de enero", "2026-11-28", "2027-01-31"),
        ("la mi-décembre 2026 à fin janvier", "2026-12-15", "2027-01-31"),
        ("readings from 16th to 22nd: mean", "2026-11-16", "2026-11-22"),
        ("calorías del 9 al 15", "2026-11-09", "2026-11-15"),
        ("am 21. und 22. für die Küche", "2026-11-21", "2026-11-22"),
        ("Liter am 26. insgesamt", "2026-11-26", "2026-11-26"),
        ("due from 25 November 2026 to the 3rd", "2026-11-25", "2026-12-03"),
        ("signed up in 2025 or later", "2025-01-01", ""),
        ("aufgehängt 2022 oder früher", "", "2022-12-31"),
        ("bought in 2023 or 2024", "2023-01-01", "2024-12-31"),
        ("hier ou avant-hier", "2026-11-26", "2026-11-27"),
        ("Termine im Juni, Juli, August 2026", "2026-06-01", "2026-08-31"),
        ("since the first of September 2026", "2026-09-01", ""),
        ("since mid October 2026", "2026-10-15", ""),
        ("in mid October 2026", "2026-10-11", "2026-10-20"),
        ("bills from summer 2024", "2024-06-01", "2024-08-31"),
        ("spent in Nov '23", "2023-11-01", "2023-11-30"),
        ("was lief in KW 12 2025 schief", "2025-03-17", "2025-03-23"),
        ("Ausgaben vorletztes Jahr", "2024-01-01", "2024-12-31"),
        ("depuis mars 2025 jusqu'à aujourd'hui", "2025-03-01", "2026-11-28"),
        ("facturas anteriores a marzo de 2022", "", "2022-02-28"),
        ("Heizung im Winter 2024/25", "2024-12-01", "2025-02-28"),
        ("letters from the nineties", "1990-01-01", "1999-12-31"),
        ("mis nóminas de los años ochenta", "1980-01-01", "1989-12-31"),
        ("due by Friday", "", "2026-12-04"),
        ("total by year 2025", "2025-01-01", "2025-12-31"),
        ("seit letztem Donnerstag", "2026-11-26", ""),
        ("the week of 10 June 2026", "2026-06-08", "2026-06-14"),
        ("on the weekend of 22 November 2026", "2026-11-21", "2026-11-22"),
        ("am Wochenende vom 21.11.2026", "2026-11-21", "2026-11-22"),
        ("in der zweiten Woche im November 2026", "2026-11-08", "2026-11-14"),
        ("la última semana de mayo de 2026", "2026-05-25", "2026-05-31"),
        ("rent from January 2024 up to now", "2024-01-01", "2026-11-28"),
        ("compras de hace cuatro días", "2026-11-24", "2026-11-24"),
        ("mails from two weeks ago", "2026-11-09", "2026-11-15"),
        ("vor drei Monaten", "2026-08-01", "2026-08-31"),
        ("vorletzte Woche", "2026-11-09", "2026-11-15"),
        ("Was habe ich übernächste Woche?", "2026-12-07", "2026-12-13"),
        ("what do I have the week after next", "2026-12-07", "2026-12-13"),
        ("qu'est-ce que j'ai dans deux semaines", "2026-12-07", "2026-12-13"),
        ("mis citas dentro de dos semanas", "2026-12-07", "2026-12-13"),
        ("en lo que va de año", "2026-01-01", "2026-12-31"),
        ("multas de 2016 o anteriores", "", "2016-12-31"),
        ("paid on 3 May 2026 - 12 euros", "2026-05-03", "2026-05-03"),
        ("on 14 November 2026, 15 payments", "2026-11-14", "2026-11-14"),
        ("in the second week of November 2026", "2026-11-08", "2026-11-14"),
        ("before the end of January 2027", "", "2027-01-31"),
        ("le week-end dernier", "2026-11-21", "2026-11-22"),
        ("ventas de la primera quincena", "2026-11-01", "2026-11-15"),
        ("in the second half of the month", "2026-11-16", "2026-11-30"),
        ("messages since last Monday, the 23rd", "2026-11-23", ""),
        ("bis einschließlich 10. September 2026", "", "2026-09-10"),
    ],
)
def test_days_that_are_named_in_passing(words, first, last):
    found, _ = period_in(words.lower(), datetime.date(2026, 11, 28))
    assert (str(found.first or ""), str(found.last or "")) == (first, last)


@pytest.mark.parametrize(
    "words",
    [
        *("between 3 and 7 euros", "the 3rd floor", "order S-2041", "from 10 to 20", "at 9:00 on Monday"),
        *("unter 2000 Euro", "el 4.º A", "im 3. Stock", "le 4 fromages", "mon dernier salaire"),
        *(
            "invoice 2021-0417",
            "on 3/4/2026",
            "the IP 10.0.4.17",
            "when did she last do it",
            "the Christmas party",
        ),
    ],
)
def test_what_is_no_period(words):
    assert period_in(words.lower(), datetime.date(2026, 11, 28))[0] is None


@pytest.mark.parametrize(
    ("words", "language", "first", "last"),
    [
        ("in der zweiten Januarhälfte 2026", "german", "2026-01-16", "2026-01-31"),
        ("Einträge, zweite Juniwoche 2026", "german", "2026-06-08", "2026-06-14"),
        ("relevés du 05/02/2026 au 09/03/2026", "french", "2026-02-05", "2026-03-09"),
        ("relevés du 25/02/2026", "english", "2026-02-25", "2026-02-25"),
    ],
)
def test_compounds_and_days_in_numbers_are_read_by_language(words, language, first, last):
    found, _ = period_in(words.lower(), datetime.date(2026, 11, 28), language)
    assert (str(found.first), str(found.last)) == (first, last)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("what is on Christmas Day?", "12-25"),
        ("was ist an Heiligabend?", "12-24"),
        ("qué hay en nochevieja", "12-31"),
        ("who hosts the Christmas Day dinner?", None),
        ("what did we spend on Christmas?", None),
    ],
)
def test_a_feast_is_a_day_of_any_year_unless_it_may_be_a_thing(words, day):
    found, _ = period_in(words, datetime.date(2026, 11, 28))
    assert (found and (f"{found.first:%m-%d}", found.yearless)) == (day and (day, True))


@pytest.mark.parametrize(
    ("words", "day", "coming"),
    [
        ("on the 12th", "2026-11-12", "2026-12-12"),
        ("on the 29th", "2026-11-29", "2026-11-29"),
        ("on 12 November 2026", "2026-11-12", "2026-11-12"),
        ("since the 12th", "2026-11-12", None),
    ],
)
def test_the_day_of_a_coming_event_is_the_next_of_its_number(words, day, coming):
    today = datetime.date(2026, 11, 28)
    found, _ = period_in(words, today)
    assert (str(found.first), found.last and str(found.coming(today).first)) == (day, coming)


def test_what_is_no_day_in_numbers_stays():
    for words_, own in (("on 3/4/2026, room 33/44/2026", "english"), ("salle 33/44/2026", "french")):
        assert "33/44/2026" in period_in(words_, datetime.date(2026, 11, 28), own)[1]


SPANS = {
    "en": ("from {} to {}", "since {}", "until {}", "before {}", "after {}"),
    "de": ("vom {} bis zum {}", "seit dem {}", "bis zum {}", "vor dem {}", "nach dem {}"),
    "fr": ("du {} au {}", "depuis le {}", "jusqu'au {}", "avant le {}", "après le {}"),
    "es": ("del {} al {}", "desde el {}", "hasta el {}", "antes del {}", "después del {}"),
}
DAY = datetime.timedelta(1)
PIECES = re.findall(
    r"\S+",
    """from to and since until before after between the end of mid first half week month year
    vom bis zum am im seit ende mitte letzten woche monats oder früher von heute
    du au le fin de depuis mi jusqu'au quinzaine del al hasta fin de mes el
    3 7th 16. 31 2025 29 february märz octobre enero monday lunes 2026-02-29 12.11. now 1990s , - /""",
)


def written(day, language):
    months = next(each.months for each in languages() if each.code == language)
    month, of = months[day.month - 1], {"en": " ", "de": ". ", "fr": " ", "es": " de "}[language]
    return f"{day.day}{of}{month}{' de ' if language == 'es' else ' '}{day.year}"


@LAW
@given(
    days=st.tuples(*[st.dates(datetime.date(1950, 1, 2), datetime.date(2099, 12, 30))] * 2).map(sorted),
    language=st.sampled_from([*SPANS]),
    today=st.dates(datetime.date(2000, 1, 1), datetime.date(2090, 12, 31)),
)
def test_ends_are_those_that_are_said(days, language, today):
    one, other = days
    span, *sides = SPANS[language]
    ends = ((one, None), (None, one), (None, one - DAY), (one + DAY, None))
    said = (written(one, language), written(other, language))
    texts = [span.format(*said), *(each.format(said[0]) for each in sides)]
    for text, wanted in zip(texts, ((one, other), *ends), strict=True):
        found, rest = period_in(f"sales {text}, please", today)
        assert (found.first, found.last) == wanted, text
        assert rest.replace(",", " ").split() == ["sales", "please"], text


@LAW
@given(
    said=st.lists(st.sampled_from(PIECES), max_size=9),
    today=st.dates(datetime.date(1990, 1, 1), datetime.date(2200, 1, 1)),
)
def test_any_words_have_at_most_one_period_and_its_ends_are_in_order(said, today):
    text = " ".join(said)
    found, rest = period_in(text, today)
    assert (found is None) == (rest == text)
    if found and found.ends:
        assert found.first <= found.last
