"""Messages about the conversation: another answer was meant, a file is opened, the questions are listed."""

from __future__ import annotations

import pytest

from lior_ask.api import Index
from lior_ask.conversation.composing import material
from lior_ask.conversation.dialogue import Dialogue
from lior_ask.conversation.followups import about_conversation, meant_instead

NOTES = {
    "house.md": "# House\n\nThe code of the lock of the shed is 4411.\n\n"
    "The lock of the cellar has no code.\n",
    "boat.md": "# Boat\n\nThe lock of the boat has the code 9127.\nThe boat lies in Ghent.\n",
}
ASKED = "What is the code of the lock of the shed?"


@pytest.fixture
def talk():
    index = Index(retriever="settle", embedder="")
    for name, text in NOTES.items():
        index.learn(name, text)
    return Dialogue(index.ask)


def test_another_answer_is_meant(talk):
    assert "4411" in talk.ask(ASKED).answer.answer.text
    meant = talk.ask("no, I meant the one for the boat")
    assert "9127" in meant.answer.answer.text
    assert meant.answer.confidence <= 0.69
    absent = talk.ask("no, I meant the one for the bicycle")
    assert not absent.answer.found
    again = talk.ask("No, wrong")
    assert again.answer.answer.text == "The lock of the cellar has no code.", "neither of those before"
    assert again.answer.confidence <= 0.49
    assert "Ghent" in talk.ask("Where does the boat lie?").answer.answer.text


def test_a_rejection_of_nothing_is_a_question(talk):
    assert not talk.ask("no, I meant the one for the zeppelin").answer.found
    assert "9127" in talk.ask("I meant the lock of the boat").answer.answer.text


def test_the_document_quoted_last_is_opened(talk):
    assert talk.ask("open that file").answer.said == "Nothing was quoted that could be opened."
    talk.ask("Where does the boat lie?")
    talk.ask("thanks!")
    turn = talk.ask("Open that file, please")
    assert turn.opens
    assert (turn.answer.answer.document, turn.answer.answer.line) == ("boat.md", 4)
    assert material(turn, None) is None, "no model is asked"
    first = talk.ask(ASKED).passages
    assert talk.ask("open the second file").passages[0] == first[1]


def test_a_question_for_the_file_opens_it_at_the_rows_of_the_last_calculation():
    index = Index(embedder="")
    rows = ("2026-05-02,paint,31.20", "2026-05-09,rope,18.00", "2026-06-11,paint,12.80")
    index.learn("spent.csv", "\n".join(["date,item,amount", *rows, ""]))
    talk = Dialogue(index.ask)
    assert talk.ask("What did we spend on paint?").answer.result.value == "44.00"
    assert talk.ask("and on rope?").answer.result.value == "18.00"
    opened = talk.ask("which file is that from?")
    assert (opened.opens, opened.passages[0].line) == (True, 3)
    assert talk.ask("and in June?").answer.result.value == "0", "rope, and no longer paint"


def test_the_questions_are_listed(talk):
    assert talk.ask("What did I ask before?").answer.said == "Nothing was asked before."
    for message in ("hello", ASKED, "open that file", "and of the boat?"):
        talk.ask(message)
    said = talk.ask("what have I asked so far?").answer.said
    assert said == f"You asked:\n1. {ASKED}\n2. and of the boat?"
    talk.reset()
    assert talk.ask("what did I ask before?").answer.said == "Nothing was asked before."


@pytest.mark.parametrize(
    "message",
    [
        "Öffne die zweite Datei",
        "Montre-moi ce document",
        "abre ese archivo",
        "From which file?",
        "Where does that come from?",
        "In welcher Datei steht das?",
        "dans quel fichier ?",
        "¿En qué archivo está eso?",
        "Was habe ich vorhin gefragt?",
        "qu'ai-je demandé avant ?",
        "¿Qué te he preguntado antes?",
    ],
)
def test_other_languages_speak_of_the_conversation(message):
    assert about_conversation(message)


@pytest.mark.parametrize(
    "message",
    [
        "open the garden file",
        "Who opened that file?",
        "what did I ask Bob?",
        "Where does the cat come from?",
        "Where is it?",
        "which file is that of Ada's?",
    ],
)
def test_questions_about_documents_are_not_about_the_conversation(message):
    assert about_conversation(message) is None


@pytest.mark.parametrize(
    ("message", "rest"),
    [
        ("nein, ich meinte das für das Boot", "das für das Boot"),
        ("Non, je voulais dire celui du bateau", "celui du bateau"),
        ("no, me refería al del barco", "al del barco"),
        ("No, the one for the boat.", "the one for the boat"),
        ("No smoking area?", None),
        ("no, the boat leaks", None),
    ],
)
def test_what_is_meant_instead(message, rest):
    assert meant_instead(message) == rest
