"""Questions in other words than the text's, found by vectors of words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ask.content import same
from lior.errors import DataError, MissingPackage
from lior.plugins.registry import registry
from lior_ask import Index
from lior_ask.index import cache as kept
from lior_ask.index.inverted import InvertedIndex
from lior_ask.question.query import analyse, repair
from lior_ask.question.question import Question
from lior_ask.ranking import word_vectors
from lior_ask.testing import TEXTS

FOLDER = Path(__file__).parent / "meaning"
needs_vectors = pytest.mark.skipif(not word_vectors.installed(), reason="needs the extra lior-ask[vectors]")


@pytest.fixture(autouse=True)
def no_file(monkeypatch):
    monkeypatch.delenv("LIOR_VECTORS", raising=False)


def dense():
    return registry.get("retriever", "dense")()


def indexed(texts=TEXTS):
    found = InvertedIndex()
    for number, text in enumerate(texts):
        found.add(f"{number} x", [(text, "")])
    return found


@needs_vectors
@pytest.mark.parametrize(
    ("text", "other", "question"),
    [
        ("The certificate had expired.", "The shop opened.", "What happened when the certificate ran out?"),
        ("The doctor cured the illness.", "The painter left early.", "Which physician treats the disease?"),
        ("The car needs petrol.", "The cat needs milk.", "What fuel does the automobile take?"),
    ],
)
def test_other_words_of_the_same_meaning_are_found(text, other, question):
    for texts in ((text, other), (other, text)):
        ranking = dense().rank(indexed(texts), Question(question), 2)
        assert ranking.passages[0] == texts.index(text)
        assert ranking.recall[0] > ranking.recall[1:].max(initial=0)


@needs_vectors
@pytest.mark.parametrize("question", ["Какая столица Монголии?", "モンゴルの首都は何ですか"])
def test_a_question_in_other_letters_is_judged_by_its_words(question):
    index = Index(retriever="dense")
    index.learn("a", "Котёл обслуживает фирма Линдквист. Запасной ключ у соседа.")
    index.learn("b", "予備の鍵は隣のオルセンさんが持っています。")
    assert not index.ask(question).found


@needs_vectors
def test_a_name_or_a_day_that_is_nowhere_is_not_answered():
    index = Index(retriever="dense")
    index.learn("ideas.md", "# Ideas\n\nMany small libraries.\n\nThe planetarium has new films.\n\nThe moon.")
    assert not index.ask("How many moons does Jupiter have?").found
    assert not index.ask("What was in the planetarium on 18 February?").found
    assert index.ask("How many libraries are there?").found


@needs_vectors
def test_english_vectors_do_not_judge_german():
    index = Index(retriever="dense")
    index.learn("haus.md", "Der Kessel ist im Keller, und die Firma Lind wartet ihn im Oktober.\n" * 2)
    index.learn("notes.md", "The boiler is in the cellar, and the filters are changed in May.\n" * 2)
    asked = "Wo ist der Schlüssel für die Garage?", "Wann wartet die Firma Lind den Kessel?"
    assert [index.ask(question).found for question in asked] == [False, True]
    assert index.ask("Where is the boiler?").confidence > 0.5


@needs_vectors
def test_a_known_word_is_not_taken_for_a_misspelling():
    texts = ("The doors were painted.", "The pupils have a lesson.")
    assert dense().rank(indexed(texts), Question("doctors teach"), 2).passages[0] == 1
    assert (
        dense().rank(indexed(("The boiler is old.", "Eat the apple.")), Question("boilr"), 2).passages[0] == 0
    )
    hence = dense().rank(
        indexed(("Hence it was late.", "The posts and boards are of larch.")), Question("the fence"), 2
    )
    assert hence.query.missing == ("fence",)


@needs_vectors
@pytest.mark.parametrize(
    "question", ["numer of the plumer", "When is the dentst?", "vacination of the chilren"]
)
def test_a_misspelt_word_is_repaired_as_without_vectors(question):
    texts = (
        "The number of the plumber is 555 0133.",
        "We see the dentist on Tuesday at noon.",
        "The vaccination of the children is in May.",
        "The office of the school is closed in summer, and the phone is 555 0175.",
    )
    for name in ("settle", "dense"):
        ranking = registry.get("retriever", name)().rank(indexed(texts), Question(question), 1)
        words = {"numer": "number plumber", "When": "dentist", "vacination": "vaccination children"}
        assert {*words[question.split()[0]].split()} <= {*ranking.query.words}
        assert {*words[question.split()[0]].split()} <= {*texts[ranking.passages[0]].lower().split()}


@needs_vectors
@pytest.mark.parametrize("question", ["pipefail", "What does pipefail do?", "When does pipefail matter?"])
def test_an_exact_word_wins(question):
    """Its pieces are in hundreds of passages, among them short ones; the word itself in two."""
    index = Index()
    index.learn("pipe.txt", "\n\n".join(f"pipe - make pipe number {n}, or fail." for n in range(400)))
    shell = "The return status of a list of commands, if pipefail is set, is that of the last one to exit."
    index.learn("shell.txt", f"{shell}\n\nEach command is its own process.\n\n" * 2)
    answer = index.ask(question)
    assert answer.passages[0][0].text == shell
    assert "pipefail" in answer.answer.text


@needs_vectors
def test_a_question_is_read_as_it_was_meant():
    index = indexed(("The number of the plumber.", "The vaccination of children.", "It stands on the shelf."))
    vectors = word_vectors.read()
    for question, meant, sure in (
        ("Numer of the plumer?", "number of the plumber?", 0.6),
        ("When is the vaccinattion?", "When is the vaccination?", 1.0),
        ("The number of Jupiter's moons", "The number of Jupiter's moons", 1.0),
    ):
        assert repair(question, analyse(index, Question(question), vectors.misspelt)) == (meant, sure)


def test_without_vectors_there_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(word_vectors, "find_spec", lambda name: None)
    word_vectors.wordllama.cache_clear()
    with pytest.raises(MissingPackage, match=r"lior-ask\[vectors\].*LIOR_VECTORS.*settle"):
        dense()
    assert Index().retriever == "settle"
    word_vectors.wordllama.cache_clear()


@pytest.mark.parametrize("text", ["", "one 1 2 3\ntwo 1 2\n", "one a b\n"])
def test_a_damaged_file_of_vectors_is_named(tmp_path, monkeypatch, text):
    path = tmp_path / "bad.vec"
    path.write_text(text)
    monkeypatch.setenv("LIOR_VECTORS", str(path))
    with pytest.raises(DataError, match=r"bad\.vec"):
        dense()


@needs_vectors
def test_learning_and_forgetting_leaves_no_trace():
    never, index = Index(retriever="dense"), Index(retriever="dense")
    for each in (never, index):
        each.learn("a.md", "The boiler is in the cellar.\n\nThe certificate had expired.")
    index.learn("b.md", "# Garden\n\nWater the tomatoes in the morning. The heating was repaired.")
    index.ask("Which heater is broken?")
    index.forget("b.md")
    assert same(index, never)
    assert index.ask("Where is the heater?") == never.ask("Where is the heater?")


@needs_vectors
def test_kept_vectors_are_used_and_equal(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "folder", lambda: tmp_path / "cache")
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("The boiler is in the cellar.\n\nThe certificate had expired.")
    first = Index(folder).ask("boiler certificate")

    def fails(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr(word_vectors, "_lengths", fails)
    assert Index(folder).ask("boiler certificate") == first


@needs_vectors
def test_household_questions_are_answered_or_refused():
    """A fixed set of notes and questions; the bounds leave a few for other versions of the vectors."""
    index = Index()
    for name, text in json.loads((FOLDER / "texts.json").read_text()).items():
        index.learn(name, text)
    questions = json.loads((FOLDER / "questions.json").read_text())

    def count(kind):
        answers = [(index.ask(question), words) for question, words in questions[kind].items()]
        first = sum(words in answer.passages[0][0].text for answer, words in answers)
        return first, sum(not answer.found for answer, _ in answers)

    first, refused = count("plain")
    assert first >= 23
    assert refused <= 1
    first, refused = count("paraphrased")
    assert first >= 21  # settle: 9
    assert refused <= 7
    assert sum(not index.ask(question).found for question in questions["unanswerable"]) >= 17


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("How much is the fee?", "It is 60 euros.", "It is high."),
        ("When is the meeting?", "We meet on Thursdays.", "We meet 60 people."),
        ("Who repaired the roof?", "The roof was repaired by Brandt.", "The roof was repaired."),
        ("Where is the key?", "It is behind the shelf.", "It was lost."),
        ("Why was it late?", "It waited because of snow.", "It was late."),
    ],
)
def test_what_a_question_asks_for_is_preferred(question, right, wrong):
    assert Question(question).suits(right) > Question(question).suits(wrong)
    assert Question("Tell me of it").suits(right) == Question("Tell me of it").suits(wrong) == 0


@needs_vectors
def test_long_documents_have_no_advantage_in_number():
    """A passage of a short document goes before an equal one of a long one."""
    texts = InvertedIndex()
    texts.add("1 long", [("The boiler is in the cellar.", "")] * 20)
    texts.add("2 short", [("The boiler is in the cellar.", "")])
    assert dense().rank(texts, Question("Where is the boiler?"), 1).passages[0] == 20
