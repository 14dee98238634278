"""Answers: what is quoted, what is refused, and how sure either is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_ask import Answer, Index
from lior_ask.chunking.blocks import blocks_of
from lior_ask.question.question import Question

HOUSE = """# House

## Boiler

The boiler is serviced every October by the company Lindqvist.
To reset it, hold the red button for five seconds. The lamp then blinks twice.

Who has the key of the cellar?
Marta keeps it in the blue tin.

To bleed the radiators:

1. Turn the pump off.
2. Open the valve with the small key.

## Garden

* Water the tomatoes in the morning.
* The hedge was cut in June.
"""


def diary(number: int) -> str:
    return f"On day {number} we walked {number + 3} km and ate soup number {number}.\n"


@pytest.fixture(scope="module")
def house() -> Index:
    """Notes on a house, and some on other matters, so that words differ in how common they are."""
    index = Index(retriever="settle")
    index.learn("house.md", HOUSE)
    for number in range(40):
        index.learn(f"diary-{number}.md", diary(number))
    return index


def test_the_sentence_that_answers_is_quoted(house):
    for question, quoted in (
        ("How do I reset the boiler?", "hold the red button"),
        ("When is the boiler serviced?", "every October"),
        ("when is the boielr servced", "every October"),
        ("Who has the key of the cellar?", "Marta keeps it"),
        ("How do I bleed the radiators?", "Turn the pump off"),
        ("When was the hedge cut?", "in June"),
    ):
        answer = house.ask(question)
        assert answer.found, question
        assert quoted in answer.answer.text, question
        assert answer.note == "", question


def test_what_the_text_does_not_speak_of_is_refused(house):
    for question, nowhere in (
        ("What is the capital of Mongolia?", "'mongolia'"),
        ("Which password does the router have?", "'password' and 'router' are nowhere"),
        ("When is the dentist appointment of Zoe?", "'zoe'"),
        ("What did the new roof cost in total?", "'cost'"),
        ("Wo wohnt der König von Schweden?", "Deutsch"),
    ):
        answer = house.ask(question)
        assert (answer.found, answer.answer) == (False, None), question
        assert answer.confidence < 0.5, question
        assert nowhere in answer.note, question


APART = "Does Marta walk along the hedge with Lindqvist and the radiators?"


def test_words_that_are_in_different_places_are_hardly_an_answer(house):
    assert house.ask(APART).confidence < 0.4


@settings(max_examples=25)
@given(
    question=st.text(min_size=1, max_size=60).filter(lambda text: Question(text).subjects),
    top=st.integers(1, 5),
)
def test_answers_are_consistent(house, question, top):
    answer = house.ask(question, top)
    assert isinstance(answer, Answer)
    assert 0 <= answer.confidence <= 1
    assert answer.found == (answer.answer is not None) == (answer.block is not None)
    assert not (answer.found and answer.note)
    assert answer.found or answer.note or answer.said
    assert len(answer.passages) <= top
    scores = [score for _, score in answer.passages]
    assert scores == sorted(scores, reverse=True)
    assert answer == house.ask(question, top)


def test_a_question_is_not_quoted_as_an_answer():
    index = Index(retriever="settle")
    index.learn(
        "mail.md", "> Where is the spare key?\n> Who knows the code?\n\nThe spare key is with Mr. Olsen.\n"
    )
    assert index.ask("Where is the spare key?").answer.text == "The spare key is with Mr. Olsen."


HIRING = """# Hiring

Interviewed Amelie on 14 March. Very good with clients.
Decision 21 March: offer to Amelie at 66k.
Accepted on the 26th, starts 2 June.
"""
MAIL = """From: Clifton Glazing <office@clifton.example>
Subject: Windows at Mill Lane

The price for the four windows is 4,200 including VAT.
We would fit on 12 and 13 May.
"""
FUNCTIONS = """os.confstr(name)

   Return a value of the system. It is a string.

os.cpu_count()

   Return the number of logical CPUs. Returns "None" if it is not known.
"""
MANUAL = """OPTIONS
       -lname pattern
              Symbolic links.

       -name pattern
              Base of file name matches shell pattern. The leading directories are removed.

       -newer file
              Newer than a file.
"""
FAQ = """<ol><li><a href="#q1">How do I create an AUTOINCREMENT field?</a></li>
<li><a href="#q2">What datatypes are there?</a></li></ol>
<p><b>(1) How do I create an AUTOINCREMENT field?</b></p>
<blockquote><p>Short answer: A column declared <a href="x.html">INTEGER PRIMARY KEY</a>
will autoincrement.</p></blockquote>
<p><b>(2) What datatypes are there?</b></p><blockquote>Integers and text.</blockquote>
"""


def test_the_block_that_answers():
    """What matches is a heading, a term or a table of contents; what answers stands below it."""
    for name, text, question, quoted in (
        ("hiring.md", HIRING, "When does Amelie start?", "Accepted on the 26th, starts 2 June."),
        ("mail.eml", MAIL, "When will Clifton fit the windows?", "We would fit on 12 and 13 May."),
        ("os.txt", FUNCTIONS, "What does os.cpu_count return?", "Return the number of logical CPUs."),
        ("find.txt", MANUAL, "What does -name pattern do?", "Base of file name matches shell pattern."),
        ("faq.html", FAQ, "How do I create an AUTOINCREMENT field?", "PRIMARY KEY\nwill autoincrement."),
    ):
        index = Index(retriever="settle")
        for number in range(20):
            index.learn(f"diary-{number}.md", diary(number))
        index.learn(name, text)
        answer = index.ask(question)
        block = answer.block
        assert quoted in block.text, name
        assert block.text[block.begin : block.end] == answer.answer.text, name
        assert block.document == answer.answer.document == name, name
        assert block.line <= answer.answer.line <= block.end_line, name
        assert block.text in {each.text for each in blocks_of(index.of_document(name))}, name


def test_two_sentences_are_confirmed_by_the_fact():
    index = Index(retriever="settle")
    index.learn("hiring.md", HIRING)
    found = index.ask("When does Amelie start?").answer
    assert index.confirm("first day of the new girl", found)
    assert "Accepted on the 26th, starts 2 June." in index.ask("girl").block.text


def test_each_text_is_listed_once():
    index = Index(retriever="settle")
    for name in "abc":
        index.learn(f"{name}.md", "The hedge was cut in June.\n\nThe hedge is of yew.\n")
    assert len({passage.text for passage, _ in index.ask("the hedge", top=3).passages}) == 2


def test_a_question_is_of_one_language_throughout():
    """One stop word tells it, where it is counted and where it is weighed."""
    for question in ("Wann ist das Laternenfest?", "Comment changer un pneu ?"):
        index = Index(retriever="settle")
        for number in range(3):
            index.learn(f"en {number}", f"The boiler was serviced by the company in the year 201{number}.\n")
        index.learn("de", "Das Laternenfest ist am Montag, und wir treffen uns an dem Brunnen.\n")
        index.learn("fr", "Le garage est ouvert le lundi, et il ne ferme pas pour le pneu.\n")
        assert 0 <= index.ask(question).confidence <= 1, question


PEOPLE = """# People

## Gerd
Talstraße 30
Tel. 0761 44 12 90

## Aiko
Mobile: 0176 5550 1234

## Lina
Lina answers the phone at 8, and lives in Oslo.
"""


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("What is Gerd's phone number?", "0761 44 12 90"),
        ("What is Aiko's telephone number?", "0176 5550 1234"),
        ("What is Aiko's number?", "0176 5550 1234"),
        ("Wie ist die Telefonnummer von Gerd?", "0761 44 12 90"),
        ("What is Lina's phone number?", ""),
    ],
)
def test_a_telephone_number_stands_for_the_words_that_ask_for_it(question, number):
    index = Index(retriever="settle", embedder="")
    index.learn("people.md", PEOPLE)
    answer = index.ask(question)
    assert not answer.missing
    assert answer.found == bool(number)
    assert number in (answer.answer.text if answer.answer else "")
