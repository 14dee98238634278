"""Follow-ups inherit the subject; each question of its own starts fresh."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.errors import UsageError
from lior_ask.api import Index
from lior_ask.conversation.dialogue import Dialogue, confirm_turn

NOTES = {
    "house.md": "# House\n\nThe boiler is serviced every October by Lindqvist.\n"
    "Lindqvist charged 240 euros for the boiler.\nThe boiler stands in the cellar.\n\n"
    "## Boiler\n\nHold the red button for a reset.\n",
    "car.md": "# Car\n\nThe car is serviced in May at the garage of Beckett.\nThe battery is new.\n",
    "garden.md": "# Garden\n\nThe tomatoes are watered in the morning.\nThe hedge was cut in June.\n"
    "Talk is silver and silence is gold, they say much.\n",
}


@pytest.fixture(scope="module")
def notes():
    index = Index(retriever="settle", embedder="")
    for name, text in NOTES.items():
        index.learn(name, text)
    return index


@pytest.fixture
def say(notes):
    """What is quoted for a message."""
    talk = Dialogue(notes.ask)

    def ask(message):
        found = talk.ask(message).answer.answer
        return found.text if found else None

    return ask


def test_words_of_a_follow_up_replace_some_of_the_subject(say):
    assert "October" in say("When is the boiler serviced?")
    assert "May" in say("And the car?")
    assert "October" in say("what about the boiler?")


def test_a_pronoun_stands_for_the_subject(say):
    assert "October" in say("When is the boiler serviced?")
    assert "cellar" in say("In which room, the cellar, is it?")
    assert "240" in say("What was charged for it?")
    assert "Hold the red button" in say("How do I reset it?")


def test_a_follow_up_without_words_of_its_own_gets_another_passage(say):
    first = say("When is the boiler serviced?")
    second = say("how much was it?")
    assert "240" in second, "a number is asked for"
    assert say("and the other one?") not in (first, second)


def test_a_question_of_its_own_does_not_inherit(notes):
    talk = Dialogue(notes.ask)
    talk.ask("When is the boiler serviced?")
    for message in ("When are the tomatoes watered?", "tomatoes?"):
        turn = talk.ask(message)
        assert turn.inherited == ()
        assert turn.answer.answer == notes.ask("When are the tomatoes watered?").answer


def test_a_follow_up_is_confirmed_with_what_its_passage_has(notes):
    talk = Dialogue(notes.ask)
    talk.ask("When is the boiler serviced?")
    turn = talk.ask("And the car?")
    assert confirm_turn(turn, turn.passages[0]) == "And the car? serviced"


def test_a_follow_up_that_was_not_answered_leaves_the_subject(say):
    say("When is the boiler serviced?")
    assert say("and the emperor of it?") is None
    assert "cellar" in say("Does it stand in the cellar?")


def test_a_follow_up_of_a_declined_question_is_not_about_the_one_before(notes):
    talk = Dialogue(notes.ask)
    for declined in ("Who is the emperor of Mongolia?", "Where did Beckett live as a child?"):
        talk.ask("When is the boiler serviced?")
        assert not talk.ask(declined).answer.found
        turn = talk.ask("Does it stand in the cellar?")
        assert not turn.answer.found
        assert "boiler" not in turn.inherited
    assert "car" in talk.ask("What is serviced by him?").answer.answer.text


def test_a_declined_question_is_asked_again_with_another_period(notes):
    talk, asked = Dialogue(notes.ask), []
    talk._ask = lambda question, top: asked.append(question.text) or notes.ask(question, top)
    talk.ask("When is the boiler serviced?")
    for message in ("How much rent did Quintus pay in October?", "and in November?", "and in December?"):
        assert not talk.ask(message).answer.found
    assert asked[-1] == "How much rent did Quintus pay in December?"


def test_without_a_subject_a_message_needs_a_word(notes):
    talk = Dialogue(notes.ask)
    with pytest.raises(UsageError, match="no word to look for"):
        talk.ask("and it?")
    talk.ask("When is the boiler serviced?")
    talk.reset()
    with pytest.raises(UsageError, match="no word to look for"):
        talk.ask("and it?")


MESSAGES = [
    "When is the boiler serviced?",
    "and the car?",
    "how much was it?",
    "Who is the emperor?",
    "hedge",
]


@settings(max_examples=25)
@given(before=st.lists(st.sampled_from(MESSAGES), max_size=5))
def test_each_new_question_starts_fresh(notes, before):
    talk = Dialogue(notes.ask)
    for message in before:
        try:
            talk.ask(message)
        except UsageError:
            assert message == "how much was it?"
    question = "When are the tomatoes watered?"
    fresh = Dialogue(notes.ask).ask(question)
    assert talk.ask(question) == fresh
    assert list(fresh.passages[:1]) == [fresh.answer.answer]


def test_a_follow_up_is_not_answered_about_another_subject():
    index = Index(retriever="settle", embedder="")
    index.learn(
        "dog.md", "# Biscuit\n\nBiscuit weighs eleven kilos.\nThe vet is Dr. Falk in the Hafenstraße."
    )
    index.learn("house.md", "# House\n\nThe insurance of the home is with Concordia, 447 euros.")
    index.learn("wagen.md", "# Wagen\n\nDer Auspuff kostet 418 Euro.\nDie Winterräder liegen in Regal 7.")
    talk = Dialogue(index.ask)
    assert talk.ask("what does Biscuit weigh?").answer.found
    turn = talk.ask("and her insurance?")
    assert not turn.answer.found
    assert turn.answer.confidence <= 0.1
    assert "insurance" in turn.answer.note
    turn = talk.ask("adn the insurance?")
    assert turn.answer.confidence < 0.9, "it may mean the home's"
    talk.reset()
    talk.ask("was kostet der Auspuff?")
    turn = talk.ask("und in welchem Raum?")
    assert not turn.answer.found
    assert turn.answer.missing == ("raum",)
    assert "Regal 7" in talk.ask("udn die Winterräder?").answer.answer.text


def test_when_is_neither_where_nor_who(notes):
    talk = Dialogue(notes.ask)
    assert "June" in talk.ask("When was the hedge cut?").answer.answer.text
    for message in ("and by whom?", "and where?"):
        assert not talk.ask(message).answer.found
    assert "June" in talk.ask("and when?").answer.answer.text


def test_thanks_leave_the_subject(notes):
    talk = Dialogue(notes.ask)
    talk.ask("When is the boiler serviced?")
    assert talk.ask("thanks!").answer.said == "You are welcome."
    assert talk.ask("and the car?").inherited == ("boiler", "serviced")
    task = talk.ask("translate that into German")
    assert task.answer.said
    assert "May" in task.passages[0].text, "it is about what was quoted"


def test_the_second_one_is_the_second_passage(notes):
    talk = Dialogue(notes.ask)
    before = talk.ask("When is the boiler serviced?")
    turn = talk.ask("what about the second one?")
    assert turn.passages[0] == before.passages[1]
    assert turn.answer.confidence < 0.5


def test_calculations_are_carried_on():
    index = Index(retriever="settle", embedder="")
    index.learn(
        "costs.csv", "date,what,fuel,food\n2025-03-01,car,40,10\n2025-04-02,van,60,20\n2025-04-09,car,5,1\n"
    )
    index.learn("garden.md", "The hedge was cut in June by Odile.")
    talk = Dialogue(index.ask)
    values = []
    for message in (
        "what is the total of fuel?",
        "and in April?",
        "thanks",
        "and the highest?",
        "and of food?",
    ):
        turn = talk.ask(message)
        values.append(turn.answer.result and turn.answer.result.value)
        assert turn.answer.confidence < 0.9 or not turn.inherited
    assert values == ["105", "65", None, "60", "20"]
    turn = talk.ask("how many of them are purple and from Lena?")
    assert not turn.answer.found
    assert turn.answer.said, "it is not answered with a passage"
    assert "Odile" in talk.ask("and who cut the hedge?").answer.answer.text


@pytest.mark.parametrize(
    ("first", "then", "value"),
    [
        ("Which invoices are not paid?", "how many of them are from Ada?", "1"),
        ("Which invoices are not paid?", "and the total of them?", "500"),
        ("Which invoices are over 150?", "how many of them are from Ada?", "1"),
        ("Which invoices are over 150?", "how many of them are from Cy?", None),
        ("list the invoices", "how many of them are from Ada?", "2"),
    ],
)
def test_some_of_them_are_among_the_rows_of_the_last_answer(first, then, value):
    index = Index()
    rows = "1,Ada,100,2026-01-02\n2,Ada,200,\n3,Bo,300,\n4,Cy,50,2026-02-01\n"
    index.learn("invoices.csv", f"number,customer,amount,paid\n{rows}")
    talk = Dialogue(index.ask)
    talk.ask(first)
    result = talk.ask(then).answer.result
    assert (result and result.value) == value


@pytest.mark.parametrize(
    ("messages", "value"),
    [
        (["how much did we pay Ada in March?", "and in May?", "how much is that together?"], "60.00"),
        (["how much did we pay Ada in March?", "and Bo?", "wie viel ist das zusammen?"], "30.00"),
        (["how much did we pay Ada in March?", "and how much is that in total?"], "10.00"),
        (["which rentals are not returned?", "how much is that together?"], "240"),
        (["which rentals are not returned?", "which of them is the cheapest?"], "100"),
        (["what is the highest price of Eve?", "which bike was it?"], "1"),
        (["how many rentals did Eve have?", "and Dan?", "how much did he pay in total?"], "240"),
        (["which rentals are not returned?", "show me the rows"], "2"),
        (["which rentals are not returned?", "who feeds the cat?", "how much is that together?"], None),
        (["where does Eve live?", "what does it cost?", "and in May?"], None),
    ],
)
def test_a_message_is_about_the_rows_of_the_results_before(messages, value):
    index = Index()
    paid = "2026-03-02,Ada,-10.00\n2026-05-02,Ada,-50.00\n2026-03-09,Bo,-20.00\n2026-03-09,Cy,90.00\n"
    index.learn("bank.csv", f"date,payee,amount\n{paid}")
    lent = "1,Eve,Tandem,120,yes\n2,Eve,Cargo,60,yes\n3,Dan,Tandem,140,no\n4,Dan,Folding,100,no\n"
    index.learn("rentals.csv", f"booking,customer,bike,price,returned\n{lent}")
    index.learn("cat.md", "Mrs Falk feeds the cat on Sunday.")
    talk = Dialogue(index.ask)
    results = [talk.ask(message).answer.result for message in messages]
    assert (results[-1] and results[-1].value) == value


MAILBOX = """From monika@brandt.example Mon Mar 03 09:10:00 2025
From: Monika Brandt <monika@brandt.example>
To: Ada Kern <ada@kern.example>
Subject: Damp corner
Date: Mon, 03 Mar 2025 09:10:00 +0100

The corner will be opened up by the plasterer on 14 March.

From bente@sund.example Tue Mar 04 10:00:00 2025
From: Bente Sund <bente@sund.example>
To: Monika Brandt <monika@brandt.example>
Subject: Rowing weekend
Date: Tue, 04 Mar 2025 10:00:00 +0100

The damp corner is not my business, says Ada.

From bente@sund.example Fri Mar 14 18:30:00 2025
From: Bente Sund <bente@sund.example>
To: Ada Kern <ada@kern.example>
Subject: Broken oar
Date: Fri, 14 Mar 2025 18:30:00 +0100

I ordered a new one at Waterman for 129 euros.
"""


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Index:
    folder = tmp_path_factory.mktemp("letters")
    (folder / "mails.mbox").write_text(MAILBOX)
    (folder / "flat.md").write_text("# Flat\n\nOur landlady is Monika Brandt; she lives below us.\n")
    return Index(folder, cache=False, retriever="settle", embedder="")


def test_what_somebody_wrote_is_quoted_from_their_messages(letters):
    for question, text in (
        ("What did Monika write about the damp corner?", "opened up by the plasterer"),
        ("what did bente sund say about the oar", "ordered a new one"),
        ("What did Bente say about the damp corner?", "not my business"),
        ("Was schreibt Monika über den corner?", "opened up by the plasterer"),
    ):
        answer = letters.ask(question)
        assert answer.answer is not None, question
        assert text in answer.answer.text, question
        assert answer.confidence >= 0.8, question


def test_messages_of_others_are_not_what_somebody_wrote(letters):
    for question in (
        "What did Monika write about the oar?",  # Bente did
        "What did I write to Bente about the oar?",
        "Who wrote about the oar to Bente?",
    ):
        answer = letters.ask(question)
        assert not answer.found or answer.confidence < 0.8, question


def test_a_pronoun_is_the_person_of_the_last_answer_and_a_sender(letters):
    talk = Dialogue(letters.ask)
    talk.ask("Who is the landlady?")
    turn = talk.ask("What did she write about the damp corner?")
    assert turn.answer.answer
    assert "plasterer" in turn.answer.answer.text
    assert turn.inherited == ("monika", "brandt")
    counted = talk.ask("how many mails are there from her?").answer
    assert counted.result
    assert counted.result.value == "1"


def test_the_last_one_is_the_newest_of_what_was_counted(letters):
    talk = Dialogue(letters.ask)
    assert talk.ask("How many mails did Bente send?").answer.result.value == "2"
    answer = talk.ask("what was the last one about?").answer
    assert "Broken oar" in answer.said
    assert answer.confidence <= 0.89


COSTS = (
    "Date;Shop;Category;Amount EUR;Paid by\n2025-01-03;Rewe;Food;20,50;Ines\n2025-01-09;Aral;Fuel;60,00;Tom\n"
    "2025-02-01;Rewe;Food;31,10;Ines\n2025-02-05;Lidl;Food;9,00;Ines\n2025-02-14;Ikea;Chairs;149,00;Tom\n"
)


def test_a_calculation_goes_on_with_another_value_and_another_operation():
    for messages in (
        {"how much did Tom spend in January?": "60.00", "and Ines?": "20.50", "and in February?": "40.10"},
        {"wie viel hat Tom im Januar ausgegeben?": "60.00", "und Ines?": "20.50", "und im Februar?": "40.10"},
        {"what did we spend on food in January?": "20.50", "and fuel?": "60.00", "and Otto?": None},
        {"how much did we spend in January?": "80.50", "and per shop?": "Aral 60.00, Rewe 20.50"},
        {"how much did we spend in January?": "80.50", "and the second highest?": None},
        {
            "what did we spend on food in January?": "20.50",
            "and the highest?": "20.50",
            "and in February?": "31.10",
            "and the lowest?": "9.00",
        },
    ):
        index = Index(embedder="")
        index.learn("costs.csv", COSTS)
        talk = Dialogue(index.ask)
        for message, value in messages.items():
            answer = talk.ask(message).answer
            assert (answer.result and answer.result.value) == value, message


def test_a_long_text_is_no_small_talk_follow_up_or_calculation(notes, monkeypatch):
    for sign in ("([{", ", ", "and ", "\n", "? "):
        monkeypatch.setattr("lior_ask.tables.calculating.parse", None)  # its time grows with the square
        monkeypatch.setattr("lior_ask.answer.intents._PLEASE", None)
        monkeypatch.setattr("lior_ask.conversation.dialogue.read", None)
        talk = Dialogue(notes.ask)
        turn = talk.ask(("boiler reset " + sign * 30_000)[:100_000])
        assert any("red button" in passage.text for passage in turn.passages), sign
        assert turn.inherited == (), sign
