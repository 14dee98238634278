"""Small talk and tasks are told from questions that have the same words."""

from __future__ import annotations

import pytest

from lior_ask.answer.intents import LANGUAGES, _forms, named, question_in, small_talk, task
from lior_ask.answer.serialise import answer_record
from lior_ask.api import Index
from lior_ask.question.question import Question
from tests.work import finish, work

SMALL = {
    "hello": """hello | Hi there! | hellooo | hey lior | good morning | Hallo! | Guten Tag | moin |
        Bonjour ! | salut""",
    "thanks": """thanks! | thx | ok thanks | Great, thank you. | no, thanks | thank you for your help |
        danke schön | vielen Dank! | Super, danke | merci beaucoup | ok merci !""",
    "bye": "bye | see you tomorrow | good night | Tschüss | bis bald! | au revoir | à bientôt",
    "who": """who are you? | Hi, who are you? | are you a robot? | wer bist du? | bist du ein Mensch?
        | qui es-tu ?""",
    "can": """what can you do? | help | how does this work? | was kannst du? | que sais-tu faire ? |
        qu'est-ce que tu peux faire ?""",
    "how": """how are you? | hi, how are you doing | wie geht's? | Wie geht es dir? | ça va ? |
        comment allez- vous ?""",
    "praise": """great! | well done | you are very helpful | gut gemacht | das ist super | très bien joué
        | parfait""",
    "insult": "you are stupid | that's wrong | wrong answer | du bist dumm | falsch! | c'est nul",
    "ok": "ok | okay. | got it | never mind | alles klar | verstanden | d'accord | compris",
    "yes": "yes | no | nope | ja | nein! | oui | non",
}
TASKS = {
    "summary": """summarise the postmortem | Can you summarize this? | give me a short summary of the
        minutes, please | fass das Protokoll zusammen | Kannst du mir den Bericht bitte
        zusammenfassen? | résume le compte rendu | fais-moi un résumé du bail""",
    "translate": """translate the letter into German | translate it | how do you say boiler in French? |
        übersetze den Brief ins Englische | bitte das Protokoll übersetzen | traduis la lettre
        en anglais""",
    "write": """write a poem about the sea | Write me an email to Marta | could you draft a reply to the
        council? | schreib mir ein Gedicht | schreibe eine Mail an Ada | écris un poème | rédige
        une lettre à la banque""",
    "compare": """compare the two quotes | compare Harrow and Lindqvist | which is better? | what do you
        think? | vergleiche die Angebote | welches ist besser? | compare les devis | lequel est
        le meilleur ?""",
    "explain": """explain the lease to me like I'm five | explain it in simple words | erklär mir den
        Vertrag in einfachen Worten | explique-moi le bail avec des mots simples""",
    "joke": "tell me a joke | erzähl mir einen Witz | raconte une blague",
    "now": """what's the weather tomorrow? | what is the weather in Oslo | what time is it? | wie wird
        das Wetter morgen? | wie spät ist es? | quelle heure est-il ? | quel temps fait-il ?""",
    "act": """remind me to call Bo | set a timer for 5 minutes | send a mail to Ada | erinnere mich
        morgen an den Termin | supprime le fichier""",
    "sum": "12*7 | what is 3 + 4?",
}
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


def _each(forms):
    return [(kind, " ".join(each.split())) for kind, text in forms.items() for each in text.split("|")]


def test_small_talk():
    for kind, message in _each(SMALL):
        assert (small_talk(message) or ("", ""))[1] == kind, message


def test_tasks():
    for kind, message in _each(TASKS):
        assert small_talk(message) is None, message
        assert (found := task(message)) is not None, message
        assert found.kind == kind, message


def test_a_question_with_such_words_is_a_question():
    for message in (" ".join(each.split()) for each in QUESTIONS.split("|")):
        assert small_talk(message) is None, message
        assert task(message) is None, message
        assert question_in(message) == message, message


def test_every_kind_has_a_line_in_each_language():
    for language in LANGUAGES:
        kinds = {*_forms()[language]["small"], *_forms()[language]["tasks"], "sum"}
        assert {*_forms()[language]["lines"]} == kinds - {"beside", "before", "after"}
        assert all("\n" not in line for line in _forms()[language]["lines"].values())


def test_a_greeting_is_not_asked():
    for message, question in (
        ("Hello! Where is the key, please?", "Where is the key?"),
        ("thanks, and the car?", "and the car?"),
        ("ok and the tyres?", "and the tyres?"),
        ("danke! und wann?", "und wann?"),
        ("where is the key? thanks!", "where is the key?"),
        ("Hi, Tom said what?", "Tom said what?"),
    ):
        assert question_in(message) == question, message


def test_what_a_task_is_about():
    assert task("Please summarise ops/post-mortem.md in two sentences").about == "ops/post mortem.md"
    assert task("Kannst du mir die Prüfung zusammenfassen?").about == "die prüfung"
    assert task("résume le compte rendu").about == "le compte rendu"


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
    for message in ("hello", "Thanks a lot!", "what is the weather?", "write a poem about love"):
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


def test_a_passage_is_no_list(notes):
    assert "program" in notes.ask("which program has less priority?").answer.text
    for message in ("list all programs", "please show me all programs"):
        answer = notes.ask(message)
        assert (answer.found, answer.confidence, answer.answer) == (False, 0.0, None)
        assert answer.said
        assert answer.passages


def test_what_is_no_small_talk_is_looked_for(notes):
    assert "audit" in notes.ask("thanks for the summary of what?").answer.text
    assert "priority" in notes.ask("nice").answer.text, "a document has this name"
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
