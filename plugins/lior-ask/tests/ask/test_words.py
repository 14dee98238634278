"""Words, languages, stems, and the repair of spelling."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import snowballstemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_ask import Index
from lior_ask.arrays import best
from lior_ask.index.inverted import InvertedIndex
from lior_ask.languages import lists
from lior_ask.languages.dates import counted_words, show
from lior_ask.languages.words import (
    LANGUAGES,
    identifiers,
    language_of,
    stem,
    stop_words,
    tokens,
)
from lior_ask.question.query import analyse
from lior_ask.question.question import Question
from lior_ask.question.spelling import differences
from lior_ask.tables.words import stems as table_stems

LAW = settings(max_examples=100, database=None)
TEXTS = {
    "english": "The boiler is in the cellar, and it was not reset by the plumber.",
    "german": "Der Kessel ist im Keller, und er wurde nicht von dem Klempner zurückgesetzt.",
    "french": "La chaudière est dans la cave, et elle n'a pas été réparée par le plombier.",
    "spanish": "La caldera está en el sótano y no fue reparada por el fontanero.",
    "italian": "La caldaia è nella cantina e non è stata riparata dal idraulico.",
    "portuguese": "A caldeira está na cave e não foi reparada pelo canalizador.",
    "dutch": "De ketel staat in de kelder en is niet door de loodgieter gerepareerd.",
    "swedish": "Pannan är i källaren och den har inte lagats av en rörmokare.",
    "danish": "Kedlen er i kælderen, og den blev ikke repareret af en blikkenslager.",
    "russian": "Котёл в подвале, и он не был починен, как мы хотели.",
}


def test_the_language_of_a_sentence():
    for language in LANGUAGES:
        assert language_of(tokens(TEXTS[language])) == language, language


def test_without_evidence_the_default():
    assert language_of(tokens("comment algorithm de matrix")) == "english"
    assert language_of([], ["german"], default="german") == "german"


def test_a_few_words_in_cyrillic_letters_are_russian():
    assert language_of(tokens("Помидоры поливают утром")) == "russian"
    assert language_of(tokens("Помидоры поливают"), ["english"]) == "english"


@LAW
@given(text=st.text(max_size=80))
def test_tokens_are_words_in_lower_case(text):
    for word in tokens(text):
        assert word
        assert word.isascii() is False or (word.islower() or word.isdigit())
        assert not any(c.isspace() for c in word)
        for language in LANGUAGES:
            assert stem(word, language)


@LAW
@given(a=st.text("ab ", max_size=20), b=st.text("ab東京 ", max_size=20))
def test_texts_are_read_one_after_the_other(a, b):
    assert tokens(f"{a}. {b}") == tokens(a) + tokens(b)


def test_particles_of_japanese_are_no_words():
    assert tokens("予備の鍵はどこですか") == ["予備", "備の", "の鍵", "鍵は"]
    assert tokens("ありがとう") == ["あり", "りが", "がと", "とう"], "a word of hiragana alone is kept"


def test_ascii_text_is_read_as_any_other():
    for text in ("foo_bar x 12 A-b C3PO it's", "THE END"):
        assert tokens(text) == tokens(text + " é")


@pytest.mark.parametrize(
    ("written", "others"),
    [
        ("Łódź", "Lodz"),
        ("Århus", "Aarhus Arhus"),
        ("Aarhus", "Århus"),
        ("Malmö", "Malmo Malmoe"),
        ("Tromsø", "Tromso Tromsoe"),
        ("Mueller", "Müller"),
        ("Straße", "Strasse"),
        ("Strasse", "Straße"),
        ("Ærø", "Aero"),
        ("Đorđe", "Dorde"),
    ],
)
def test_a_word_is_found_by_its_other_spellings(written, others):
    index = InvertedIndex()
    index.add("0 x", [(f"Marek lives in {written} now.", ""), ("Nils lives in Bergen with a poet.", "")])
    for word in (written, *others.split()):
        query = analyse(index, Question(f"Who lives in {word}?"))
        assert not query.missing, word
        assert word.lower() in query.words
        term = query.terms[query.owners == query.asked.index(word.lower())][0]
        assert index.postings(int(term))[0].tolist() == [0], word


def test_translations_are_stems_of_their_own_language():
    assert not table_stems("wages") & table_stems("wagen"), "pay is no car"
    assert table_stems("wages") & table_stems("lohn") & table_stems("salaire")
    assert table_stems("wagen") & table_stems("car")


def test_two_letters_are_not_one_in_other_words():
    index = InvertedIndex()
    index.add("0 x", [("A pot is on the table.", ""), ("The poet sleeps.", "")])
    query = analyse(index, Question("Who is the poet?"))
    assert [index.postings(term)[0].tolist() for term in query.terms.tolist()] == [[1]]


def test_inflected_words_are_one_term_and_accents_do_not_matter():
    assert stem("running", "english") == stem("runs", "english")
    assert stem("Häuser".lower(), "german") == stem("haus", "german")
    assert stem("cafe", "english") == stem("café", "english")


@LAW
@given(a=st.text("abc", max_size=6), names=st.lists(st.text("abc", max_size=6), min_size=1, max_size=4))
def test_differences_are_a_distance(a, names):
    found = differences(a, names).tolist()
    for b, apart in zip(names, found, strict=True):
        assert differences(b, [a]).tolist() == [apart] == [steps(a, b)]
        assert (apart == 0) == (a == b)
        assert abs(len(a) - len(b)) <= apart <= max(len(a), len(b))


def steps(a, b):
    """By definition."""
    if not a or not b:
        return len(a) + len(b)
    least = min(steps(a[1:], b) + 1, steps(a, b[1:]) + 1, steps(a[1:], b[1:]) + (a[0] != b[0]))
    swapped = a[:2] == b[1::-1] and len(a) > 1
    return min(least, steps(a[2:], b[2:]) + 1) if swapped else least


@LAW
@given(word=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12))
def test_words_without_an_ending_are_their_own_stems(word):
    assert stem(word, "english") == snowballstemmer.stemmer("english").stemWord(word)


@LAW
@given(scores=st.lists(st.sampled_from([0.0, -1.0, 0.5, 2.0, -np.inf]), max_size=30), top=st.integers(0, 9))
def test_the_best_are_the_first_of_all_in_order(scores, top):
    order = np.argsort(-np.array(scores, np.float64), kind="stable")
    assert best(np.array(scores, np.float64), top).tolist() == order[:top].tolist()


def indexed(*texts):
    found = InvertedIndex()
    for number, text in enumerate(texts):
        found.add(str(number), [(text, "")])
    return found


def test_contracted_negations_are_words():
    said = Question("Who hasn't paid, and what can’t be sold? It won't.").tokens
    assert said == "who has not paid and what not be sold it not".split()  # noqa: SIM905
    index = Index(retriever="settle", embedder="")
    index.learn("a.txt", "The hall is painted. Ada paid. Bo sold it.")
    assert "hasn" not in index.ask("Who hasn't paid for the hall?").missing


def test_a_misspelt_word_is_understood_as_the_nearest():
    for wrong in ("boilr", "boilerr", "bioler", "boxler", "boiller"):
        asked = analyse(indexed("reset the boiler", "boring broilers", "the oil is cold"), Question(wrong))
        assert asked.words[0] in ("boiler", "broilers"), wrong
        assert "boiler" in asked.words, wrong
        assert not asked.missing, wrong


def test_another_number_is_no_misspelling():
    asked = analyse(indexed("The table was made in 1980, part E1234."), Question("table of 1990, part E1235"))
    assert asked.missing == ("1990", "e1235")
    assert asked.taken == ("table", "", "part", "")


def test_a_word_that_resembles_nothing_is_missing():
    asked = analyse(indexed("reset the boiler"), Question("Mongolia boiler"))
    assert asked.missing == ("mongolia",)
    assert asked.words == ("boiler",)
    assert asked.word_idf[0] > asked.word_idf[1]


def test_each_text_is_understood_in_its_language():
    both = indexed(*(TEXTS[language] for language in ("english", "german")))
    assert not analyse(both, Question("Wurden die Kessel zurückgesetzt?")).missing
    assert not analyse(both, Question("who resets the boilers?")).missing
    assert all(word not in analyse(both, Question("der die das und")).words for word in stop_words("german"))


def test_stems_are_the_same_with_and_without_pystemmer():
    """A kept index has stems of one of them, and may be asked with the other."""
    stemmers = pytest.importorskip("Stemmer", reason="comes with the extra lior-ask[meaning]")
    own = {each.name: each for each in lists.languages()}
    for language in LANGUAGES:
        fast = stemmers.Stemmer(language)
        module = import_module(f"snowballstemmer.{language}_stemmer")
        plain = getattr(module, f"{language.title()}Stemmer")()
        words = {word for each in stop_words(language) for word in (each, f"{each}ungen", f"{each}ados")}
        if language in own:
            words |= {word for name in own[language].lists for word in own[language].lists[name]}
        assert [word for word in sorted(words) if fast.stemWord(word) != plain.stemWord(word)] == [], language


# --- identifiers ---

PARTS = st.lists(st.from_regex(r"[a-z][a-z0-9]{1,5}", fullmatch=True), min_size=2, max_size=4)
NAMES = st.builds(lambda parts, mark: mark.join(parts), PARTS, st.sampled_from([".", "_", "::"]))


@LAW
@given(
    name=NAMES,
    before=st.sampled_from(["", "see ", "(", "`"]),
    after=st.sampled_from(["", " now", "()", ".", "`, and"]),
)
def test_an_identifier_is_counted_whole_beside_its_parts(name, before, after):
    counted = counted_words(f"{before}{name}{after}")
    assert f"i:{name}" in counted
    assert {*tokens(name)} <= {*counted}
    assert stem(f"i:{name}", "english") == f"i:{name}"
    assert show(f"i:{name}") == name


def test_options_are_identifiers_and_abbreviations_are_none():
    assert identifiers("-x, --keep-going and well-known - or a-b") == [["i:-x"], ["i:--keep-going"]]
    assert identifiers("-G is not -g") == [["i:-G"], ["i:-g"]]
    assert identifiers("at 5 p.m., e.g. z.B. 3.14. Then") == []


def test_an_identifier_finds_its_definition():
    index = Index(retriever="settle")
    index.learn("os.txt", "os.cpu_count\n    Return how many there are.\n")
    for number in range(20):
        index.learn(f"other{number}.txt", f"The cpu of this os has a count of {number}; count the cpu again.")
    answer = index.ask("What does os.cpu_count return?")
    assert answer.passages[0][0].document == "os.txt"
    assert "os.cpu_count" in answer.words


def test_an_unknown_identifier_is_missing():
    index = Index(retriever="settle")
    index.learn("a.txt", "The pool has a size. Passwords are kept encrypted: encrypt each of them.")
    assert "pool_encrypt" in index.ask("What does pool_encrypt do?").missing
    assert "pool.encrypt" not in index.ask("Does the pool encrypt?").missing


def test_words_are_not_corrected_to_identifiers():
    index = InvertedIndex()
    index.add("a", [("max_connections is a number", "")])
    words, _ = index.vocabulary()
    assert words.split("\n") == ["connections", "max", "number"]


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("¿Cuánto cuesta la máquina de coser?", "spanish"),
        ("¿Cómo se llama la perra?", "spanish"),
        ("¿Cuántos correos?", "spanish"),
        ("Cuanto gastamos en comida", "spanish"),
        ("¿Me lleva Ines?", "spanish"),
        ("Combien coûte la machine de Marta ?", "french"),
        ("Welche Reparaturen?", "german"),
        ("Was the lamp repaired?", "english"),
        ("Was Pixel vaccinated?", "english"),
    ],
)
def test_a_short_question_is_of_the_language_of_the_words_that_ask(question, language):
    assert Question(question).language == language
    assert Question(question).among(["french", "english", "german", "spanish"]) == language
