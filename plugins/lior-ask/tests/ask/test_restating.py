"""Sentences that repeat the question, are named by a heading, or stand among other lines of notes."""

from __future__ import annotations

import pytest

from lior_ask import Index
from lior_ask.question.question import Question

RETRIEVERS = ("settle", "meaning")
DOG = "The dog may sleep in the kitchen.\nThe cat sleeps outside.\n"
PEOPLE = {
    "ilse.md": "# Ilse Pagel\n\nTechnician, at the institute for thirty-one years.\n",
    "tomke.md": "# Tomke Reents\n\nSails the small boat and laughs loudly.\n",
    "me.md": "# About these notes\n\nI am Runa Halvick, doctoral student, and I write down what I forget.\n",
    "todo.md": "# To do\n\n- call Ilse about the gauge\n- pay Tomke back 20\n",
}
WIFI = """wifi flat: Kutterhafen / seegurke-44-lampe
wifi institute: eduroam, certificate expires 12 December 2026
wifi boat: Tide / anker-7-taue
wifi parents: Gartenlaube / rote-bete-12
"""
GULLS = {
    "rules.md": "- Headphones on means: do not talk to me.\n- The window stays shut at night because of the "
    "gulls, which ate a sandwich and half a field book.\n",
    "chat.txt": "Pizza for everybody, I paid.\n",
}


def quoted(retriever: str, texts: dict[str, str], question: str) -> str:
    index = Index(retriever=retriever)
    for name, text in texts.items():
        index.learn(name, text)
    answer = index.ask(question)
    return answer.answer.text if answer.answer else answer.note


@pytest.mark.parametrize("retriever", RETRIEVERS)
@pytest.mark.parametrize(
    ("text", "question", "sentence"),
    [
        (DOG, "May the dog sleep in the kitchen?", "The dog may sleep in the kitchen."),
        (DOG, "Does the cat sleep outside?", "The cat sleeps outside."),
        (
            "The museum is closed on Mondays. Ring the bell twice for the night porter.",
            "Is the museum closed on Mondays?",
            "The museum is closed on Mondays.",
        ),
        (
            "Le musée est fermé le lundi. Sonnez deux fois pour le gardien de nuit.",
            "Le musée est-il fermé le lundi ?",
            "Le musée est fermé le lundi.",
        ),
        (
            "Der Hund darf in der Küche schlafen.\nDie Katze schläft draußen.",
            "Darf der Hund in der Küche schlafen?",
            "Der Hund darf in der Küche schlafen.",
        ),
        (
            "- Above wind force 6 we stay in the harbour.\n- Flares are in the red box.",
            "Above which wind force do we stay in the harbour?",
            "- Above wind force 6 we stay in the harbour.",
        ),
        (
            "- Ab Windstärke 6 bleiben wir im Hafen.\n- Die Raketen liegen in der roten Kiste.",
            "Ab welcher Windstärke bleiben wir im Hafen?",
            "- Ab Windstärke 6 bleiben wir im Hafen.",
        ),
        (
            "# House\n\nThe spare key of the shed.\nIt hangs behind the door of the pantry.",
            "Where is the spare key of the shed?",
            "It hangs behind the door of the pantry.",
        ),
    ],
)
def test_a_sentence_that_repeats_the_question_answers_yes_or_no(retriever, text, question, sentence):
    assert quoted(retriever, {"notes.md": text}, question) == sentence


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_a_note_is_about_its_title(retriever):
    assert quoted(retriever, PEOPLE, "Who is Ilse?").startswith("Technician")
    assert quoted(retriever, PEOPLE, "Who is Tomke Reents?").startswith("Sails")


def test_one_of_similar_lines_answers():
    for question, words in (
        ("What is the wifi password of the flat?", "seegurke"),
        ("When does the certificate of the institute expire?", "12 December 2026"),
        ("wifi parents", "rote-bete"),
    ):
        line = next(line for line in WIFI.splitlines() if words in line)
        assert quoted("settle", {"wifi.txt": WIFI}, question) == line


def test_a_clause_at_the_end_of_a_sentence_answers():
    assert "gulls" in quoted("settle", GULLS, "who ate the sandwich")


def test_closed_questions_begin_with_no_interrogative():
    closed = (
        "Was the roof mended?",
        "Ist das Dach dicht?",
        "Est-ce que le toit est sec ?",
        "¿Es de la casa el gato?",
    )
    assert all(
        Question(text).closed for text in (*closed, "may the dog sleep here", "darf der Hund hier schlafen")
    )
    asking = (
        "Was kostet das?",
        "On which day?",
        "À quelle heure vient-il ?",
        "¿De quién es?",
        "the roof of the house",
    )
    assert not any(Question(text).closed for text in asking)
