"""Which results of likely queries are told, and how."""

from __future__ import annotations

from datetime import date

import pytest

import lior_ask.asking
from lior_ask import Index


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("When does Jule's passport run out?", False),
        ("When did Jule write about the passport?", True),
        ("Do we have a tent?", False),
    ],
)
def test_what_is_told_of_messages_answers_questions_for_messages_only(words, told):
    chat = "\n".join(
        f"{n:02}/03/2025, 18:10 - {who}: {text}"
        for n, (who, text) in enumerate(
            [
                ("Konrad", "I asked for the pitch by the lake"),
                ("Jule", "my passport runs out on 2 September, is that enough?"),
                ("Konrad", "an identity card is fine, too"),
                ("Jule", "I bring the tent"),
            ],
            14,
        )
    )
    index = Index()
    index.learn("WhatsApp Chat with Jule.txt", chat + "\n")
    result = index.ask(words).result
    assert (result is not None and "2025" in result.value and "15" in result.value) == told


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Has Marie paid?", "1 row with member Marie"),
        ("Hat Marie bezahlt?", "1 Zeile mit member Marie"),
        ("Is Marie in team B?", "yes: 1 row"),
        ("Does Luc have the Yole?", "yes: 1 row"),
        ("Is the cellar door repaired?", "1 row with place cellar with fault door"),
        ("Is there a lift?", "yes: 1 row"),
    ],
)
def test_a_row_of_a_name_is_no_yes_to_what_is_asked_of_it(question, said):
    rows = "Marie,B,non,Skiff\nLuc,A,oui,Yole\nAnne,B,oui,Yole\nGareth,A,oui,Quad\n"
    index = Index()
    index.learn("membres.csv", f"member,team,cotisation payée,boat\n{rows}")
    rows = "lift,stuck,done\ncellar,door jams,open\nflat 3,tap drips,open\n"
    index.learn("repairs.csv", f"place,fault,state\n{rows}")
    assert index.ask(question).said.startswith(said)


@pytest.mark.parametrize(
    ("days", "question", "value"),
    [
        (("--1003", "19831012", "--0402"), "How many birthdays are in October?", "2"),
        (("19701003", "19831012", "19900402"), "How many birthdays are in October?", "2"),
        (("--1224", "19840103", "--0402"), "How many birthdays are between 20 and 31 December?", "1"),
    ],
)
def test_birthdays_recur_every_year(tmp_path, days, question, value):
    cards = (f"BEGIN:VCARD\nVERSION:4.0\nFN:A {n}\nBDAY:{day}\nEND:VCARD\n" for n, day in enumerate(days))
    (tmp_path / "people.vcf").write_text("".join(cards))
    assert Index(tmp_path, cache=False).ask(question).result.value == value


def test_a_task_is_no_yes_to_whether_it_is_done():
    index = Index()
    tasks = [
        "[x] Order seed potatoes, done 2 Feb 2026",
        "[ ] Repair the water butt by 5 December 2026 @Priya",
    ]
    tasks += ["[ ] Turn the compost", "[~] New gate hinge, waiting for the blacksmith"]
    tasks.append("[ ] Pay the plot rent, due 1 November 2026")
    lines = "".join(f"- {each}\n" for each in tasks)
    index.learn("garden.md", f"# Allotment\n\n## Spring jobs\n{lines}")
    answer = index.ask("Is the water butt repaired?")
    assert answer.said.startswith("1 task with task water butt repaired")
    assert "- [ ] Repair" in answer.result.rows[0].text


class _Day(date):
    @classmethod
    def today(cls):
        return cls(2026, 12, 1)


_PRACTICE = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Back exercises
DTSTART:20260907T180000
RRULE:FREQ=WEEKLY;UNTIL=20261221T225959Z
END:VEVENT
BEGIN:VEVENT
SUMMARY:Supervision
DTSTART:20260903T123000
RRULE:FREQ=WEEKLY;INTERVAL=2
END:VEVENT
BEGIN:VEVENT
SUMMARY:Holidays
DTSTART;VALUE=DATE:20261223
DTEND;VALUE=DATE:20270104
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize(
    ("question", "value", "said"),
    [
        ("What do I have on 28 December?", "1", "Holidays"),  # only in 2034 does supervision fall on it
        ("Welche Termine habe ich am 28. Dezember?", "1", "2026"),
        ("How many appointments do I have in December?", "6", "2026"),
        ("Wie viele Termine habe ich im Januar?", "3", "2027"),
        ("Welche Termine hatte ich im Oktober?", "7", "2026"),
        ("What did I have in October?", "7", "2026"),
        ("¿Cuántas citas tenía en octubre?", "7", "2026"),
        ("Combien de rendez-vous avais-je en octobre ?", "7", "2026"),
    ],
)
def test_a_period_of_a_series_without_an_end_is_the_next_or_in_the_past_tense_the_last(
    monkeypatch, question, value, said
):
    monkeypatch.setattr(lior_ask.asking, "date", _Day)
    index = Index()
    index.learn("calendar.ics", _PRACTICE.replace("\n", "\r\n"))
    answer = index.ask(question)
    assert answer.result.value == value
    assert said in answer.said


def test_a_calculation_that_leaves_a_period_out_is_not_told(monkeypatch):
    monkeypatch.setattr(lior_ask.asking, "date", _Day)
    index = Index()
    index.learn("calendar.ics", _PRACTICE.replace("\n", "\r\n"))
    index.learn("stock.csv", "item,room,count\npaper,1,14\noil,2,3\nmat,3,12\n")
    result = index.ask("What do I have on 17 December?").result
    assert result is None or not result.rows


@pytest.mark.parametrize(
    ("question", "value"),
    [("What was the highest fee in 2025?", "25"), ("What did the cake cost in spring 2026?", "5")],
)
def test_a_period_in_the_name_of_a_table_is_not_left_out(question, value):
    index = Index()
    index.learn("members 2025.csv", "name,team,fee\nAda,A,20\nBo,B,25\nCy,A,20\n")
    rows = "| cake | Ada | 5 |\n| tea | Bo | 2 |\n"
    index.learn("stalls.md", f"# Stalls spring 2026\n\n| stall | person | price |\n|---|---|---|\n{rows}")
    answer = index.ask(question)
    assert answer.result.value == value
    assert answer.confidence > 0.8
