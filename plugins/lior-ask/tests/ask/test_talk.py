"""Small talk and tasks are told from questions that have the same words."""

from __future__ import annotations

import pytest

from lior_ask.answer.intents import named, question_in, small_talk, task
from lior_ask.answer.serialise import answer_record
from lior_ask.api import Index
from lior_ask.question.question import Question
from tests.work import finish, work

SMALL = {
    "hello": """hello | Hi there! | hellooo | hey lior | good morning | Hallo! | Guten Tag | moin |
        Bonjour ! | salut | Hola | ¡buenos días!""",
    "thanks": """thanks! | thx | ok thanks | Great, thank you. | no, thanks | thank you for your help | ok |
        danke schön | vielen Dank! | Super, danke | merci beaucoup | ok merci ! | vale, gracias""",
    "bye": "bye | see you tomorrow | good night | Tschüss | bis bald! | au revoir | à bientôt | hasta luego",
}
TASKS = """
summarise the postmortem | Can you summarize this? | give me a short summary of the minutes, please |
translate the letter into German | translate it | write a poem about the sea | Write me an email to Marta |
could you draft a reply to the council? | explain the lease to me like I'm five | explain it in simple words
| fass das Protokoll zusammen | Kannst du mir den Bericht bitte zusammenfassen? | übersetze den Brief ins
Englische | bitte das Protokoll übersetzen | schreib mir ein Gedicht | schreibe eine Mail an Ada | erklär
mir den Vertrag in einfachen Worten | résume le compte rendu | fais-moi un résumé du bail | traduis la
lettre en anglais | écris un poème | rédige une lettre à la banque | explique-moi le bail avec des mots
simples | resume el contrato | hazme un resumen del informe | traduce la carta al inglés | ¿puedes
escribirme una carta a Marta?
"""
ASKED = """
who are you? | what can you do? | how are you? | you are stupid | yes | never mind | which is better? | tell
me a joke | what's the weather tomorrow? | what time is it? | set a timer for 5 minutes | 12*7 | wer bist
du? | das ist super | vergleiche die Angebote | qui es-tu ? | quelle heure est-il ? | ¿qué hora es?
"""
"""Messages that no document answers, and that are asked like questions."""
QUESTIONS = """
thanks to whom did we get the loan? | who wrote the summary of the audit? | translate key of the piano |
hello world program | where is the note on saying thank you | who are you renting from? | help desk
number | good morning routine | hi-fi warranty | how are you paid? | summary of the audit | what does the
translation cost? | when was the poem written? | compare function of the spreadsheet? | what is the
weather station's address? | which one is the boiler key? | explain the heating schedule | what time is
the train? | sum up the costs in March | who wrote the letter to the bank? | remind me what the alarm
code is | right of way | ok button colour | yes vote | write protection of the card | draft report of the
audit | 2025-03-04 | +49 170 123 | 555-1234 | 10.5 | 2 x 4 timber | which bank is better for the loan |
send date of the letter | play date with Mila | answer to the council | is it cold in the cellar? | what
do you know about Biscuit | make of the car | tell me about the boiler | danke an wen? | Übersetzung des
Getriebes | Vergleich der Angebote vom März | wie geht es Oma? | wer ist der Vermieter? | Zusammenfassung
der Prüfung: wer hat sie geschrieben? | merci à qui pour le prêt ? | traduction de l'acte : combien ? |
résumé de l'audit : qui l'a écrit ? | comment va mamie ? | quel temps de cuisson ? | quelle heure pour le
train ? | how many mails from Marta? | list all mails | what is the total of March? | highest amount |
and the car? | and it?
"""


def _each(text):
    return (" ".join(each.split()) for each in text.split("|"))


def test_the_end_of_a_conversation_is_small_talk():
    for message in (
        "great, that's all for today, thank you",
        "Danke, das war es für heute",
        "merci, c'est tout",
        "gracias, eso es todo por hoy",
    ):
        assert (small_talk(message) or ("", ""))[1] == "thanks", message
    assert small_talk("that's all the water we used?") is None


def test_small_talk():
    for kind, text in SMALL.items():
        for message in _each(text):
            assert (small_talk(message) or ("", ""))[1] == kind, message
            assert task(message) is None, message


def test_tasks():
    for message in _each(TASKS):
        assert small_talk(message) is None, message
        assert task(message) is not None, message


def test_a_question_with_such_words_is_a_question():
    for message in _each(f"{QUESTIONS} | {ASKED}"):
        assert small_talk(message) is None, message
        assert task(message) is None, message
        assert question_in(message) == message, message


def test_a_greeting_is_not_asked():
    for message, question in (
        ("Hello! Where is the key, please?", "Where is the key?"),
        ("thanks, and the car?", "and the car?"),
        ("ok and the tyres?", "and the tyres?"),
        ("danke! und wann?", "und wann?"),
        ("where is the key? thanks!", "where is the key?"),
        ("Hi, Tom said what?", "Tom said what?"),
        ("hola ¿dónde está la llave, por favor?", "¿dónde está la llave?"),
        ("What did they do?", "What did they do?"),
    ):
        assert question_in(message) == question, message


def test_what_a_task_is_about():
    assert task("Please summarise ops/post-mortem.md").about == "ops/post-mortem.md"
    assert task("Kannst du mir die Prüfung zusammenfassen?").about == "die prüfung"
    assert task("fais-moi un résumé").about == ""


def test_documents_are_named_by_their_words():
    names = ["ops/2025-03-post-mortem.md", "quotes/harrow.md", "quotes/lindqvist.md", "mail.mbox#1"]
    assert named(names, Question("the postmortem")) == named(names, Question("post mortem")) == names[:1]
    assert named(names, Question("the two quotes")) == names[1:3]
    assert named(names, Question("harrow's quote")) == [names[1]]
    assert named(names, Question("the lease")) == named(names, Question("it")) == []


@pytest.fixture(scope="module")
def notes():
    index = Index(retriever="settle", embedder="")
    index.learn(
        "postmortem.md",
        "# Outage\n\nThe queue was full.\nNobody was paged.\n\n## Actions\n\nAlert on length.\n",
    )
    index.learn("mail.md", "Hello Tomas, thanks for the summary of the audit.\n\nThe train leaves at nine.\n")
    index.learn("nice.txt", "nice runs a program with less priority.")
    return index


def test_the_line_has_no_claim(notes):
    for message in ("hello", "Thanks a lot!", "bye", "write a poem about love"):
        answer = notes.ask(message)
        assert answer.said
        assert (answer.found, answer.confidence, answer.answer, answer.passages) == (False, 0.0, None, ())
    assert notes.ask("Hallo").said.startswith("Hallo")
    assert notes.ask("merci !").said == "Je vous en prie."


def test_a_summary_shows_the_beginning_of_what_it_names(notes):
    answer = notes.ask("summarise the postmortem")
    assert "--with URL MODEL" in answer.said
    assert not answer.found
    assert [p.text for p, _ in answer.passages] == ["The queue was full.", "Alert on length."]
    assert len(answer_record(answer)["passages"]) == 2
    assert [p.text for p, _ in notes.ask("translate the line on the train").passages] == [
        "The train leaves at nine."
    ]


def test_no_passage_is_sure_to_answer_what_no_document_can(notes):
    for message in _each(ASKED):
        if Question(message).subjects:
            assert notes.ask(message).confidence < 0.7, message


def test_what_is_no_small_talk_is_looked_for(notes):
    assert "audit" in notes.ask("thanks for the summary of what?").answer.text
    answer = notes.ask("Hello! When does the train leave, please?")
    assert answer.answer.text == "The train leaves at nine."
    assert answer.question == "Hello! When does the train leave, please?"


PARTS = (
    "gut ",
    "so very ",
    "translate the a in to ",
    "can you ",
    "a x ",
    "fass kurz bitte ",
    "-1 ",
    "((1",
    "ok, ",
)
HOSTILE = """
import sys
from lior_ask.answer.intents import question_in, small_talk, task
for part in sys.argv[1:]:
    message = (part * 600)[:5999] + "ß"
    print(small_talk(message), task(message), question_in(message) == "")
    small_talk(message[:60]), task(message[:599])
"""


def test_hostile_messages_are_read_to_their_end():
    assert finish(HOSTILE, *PARTS).splitlines() == ["None None False"] * len(PARTS)


def test_the_work_for_a_message_of_many_clauses_is_linear():
    question_in("ok, " * 10 + "where?")  # compiles expressions
    short, long = (work(lambda size=size: question_in("ok, " * size + "where?")) for size in (50, 500))
    assert long < 12 * short
