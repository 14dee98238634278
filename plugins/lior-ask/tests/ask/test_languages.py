"""The words of each language are data: laws over all files, and Spanish, which is one file."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from itertools import chain
from pathlib import Path

import pytest

import lior_ask
from lior_ask import Index, answer_record, in_words, in_words_of, refusal
from lior_ask.cli.passages import echo_answer, listed
from lior_ask.conversation.dialogue import Dialogue
from lior_ask.conversation.table_followups import whole_questions
from lior_ask.languages.dates import counted_words
from lior_ask.languages.lists import language, languages, of_question, others
from lior_ask.languages.words import LANGUAGES, language_of, stop_words, tokens
from lior_ask.question.question import Question
from lior_ask.tables.grammar import parse
from lior_ask.tables.periods import period_in

HERE = Path(__file__).parent
EXCLUSIVE = [
    ("words.function", "words.verbs"),
    ("words.function", "words.sent"),
    ("words.vague", "words.says_little", "words.kinds"),
    ("words.stop", "words.light"),
    ("words.stop", "words.asking"),
]
"""Lists of which a word is in one at most."""
ASKED = {"ont", "sont"}
"""French stop words that questions in other languages leave out, too."""
QUESTIONS = {
    "english": "who has the key | where is it | when was it paid | how much did we spend on food in March",
    "german": "wer hat den Schlüssel | wo ist es | wann war das | wie viel haben wir im März ausgegeben",
    "french": "qui a la clé de la cave | où est la cave | quand est-ce | combien avons-nous dépensé en mars",
    "spanish": "quién tiene la llave | dónde está | cuándo fue | cuánto gastamos en comida en marzo",
}


def _words(own):
    for key, words in own.lists.items():
        if key.startswith(("words.", "columns.")) or key in ("dates.months", "dates.weekdays"):
            yield key, [word for each in words for word in each.split()]


NAMES = {
    name
    for path in Path(lior_ask.__file__).parent.rglob("*.py")
    for name in re.findall(r"\w+", path.read_text("utf-8").replace("-", "_"))
}
"""All that code names."""


def test_every_file_has_every_key_and_code_names_all():
    for own in languages():
        first = languages()[0]
        assert own.lists.keys() == first.lists.keys(), own.code
        unnamed = [key for key in own.lists if key.partition(".")[2] not in NAMES]
        assert [key for key in unnamed if not key.endswith("_units")] == [], own.code


def test_words_are_in_lower_case_composed_and_there_once():
    for own in languages():
        for key, words in _words(own):
            assert len(words) == len({*words}), key
            assert all(word == unicodedata.normalize("NFC", word.lower()) for word in words), key
        assert own.shared <= {*chain.from_iterable(words for _, words in _words(own))}, own.code


def test_forms_are_regular_expressions_in_lower_case():
    for own in languages():
        for key, forms in own.lists.items():
            several = key in ("results.query", "page.labels")  # "by" and "per" may be one word
            if key not in dict(_words(own)) and not several:
                assert len(forms) == len({*forms}), key
                for form in forms:
                    re.compile(form)
                    assert form == unicodedata.normalize("NFC", form), own.code
        assert all(form == form.lower() for form in own.lists["calculations.count"]), own.code


def test_no_word_is_in_two_exclusive_lists():
    for own in languages():
        for keys in EXCLUSIVE:
            seen: dict[str, str] = {}
            for key in keys:
                for word in own.lists[key]:
                    assert word not in seen or word in ASKED, (word, key, seen.get(word))
                    seen[word] = key


def test_there_are_twelve_months_and_seven_days():
    for own in languages():
        assert len(own.lists["dates.months"]) == 12, own.code
        assert len(own.lists["dates.weekdays"]) == 7, own.code
        for number, month in enumerate(own.months, 1):
            assert counted_words(f"18. {month} 2025")[-2:] == [f"d:{number:02}-18", f"d:2025-{number:02}"], (
                own.code
            )


def test_numbers_of_languages_are_their_places_in_a_kept_index():
    known = {each.name: each.number for each in languages()} | {k: v["number"] for k, v in others().items()}
    assert [known[name] for name in LANGUAGES] == [*range(len(LANGUAGES))]
    assert LANGUAGES[:4] == ("english", "german", "french", "spanish")
    assert languages()[0].shared == set(), "what English says counts in all questions"


def test_words_tell_the_language_of_a_question():
    for name in QUESTIONS:
        for question in QUESTIONS[name].split(" | "):
            assert of_question(tokens(question)) == name, question


def test_no_question_of_the_other_sets_is_spanish():
    for path in (HERE / "meaning").glob("fit_*.json"):
        text = path.read_text("utf-8")
        for question in re.findall(r'"question": "([^"]+)"', text):
            assert of_question(tokens(question)) != "spanish", question


def test_a_text_of_its_stop_words_is_in_its_language():
    for own in languages():
        assert language_of(stop_words(own.name)) == own.name, own


def test_a_file_that_lacks_what_it_must_have_is_refused():
    for wrong in ("", 'name = "a"', 'name = 1\ncode = "x"\nnumber = 1\nshared = ""\n[words]\nstop = 3'):
        with pytest.raises((KeyError, TypeError, AttributeError)):
            language(wrong)


def test_the_files_of_languages_are_read():
    found = [file.name for file in files("lior_ask.languages").iterdir() if file.name.endswith(".toml")]
    assert sorted(found) == sorted([*(f"{each.code}.toml" for each in languages()), "others.toml"])


# --- Spanish ---

NOTE = """# Casa

La caldera la revisa el señor Olmedo cada octubre.

La llave de repuesto cuelga detrás de la puerta del garaje.

El alquiler cuesta 850 euros al mes y se paga el día 5.

La abuela Carmen tiene 87 años y vive con su gato en Sevilla.

El tejado fue reparado el 18 de febrero de 2025 por la empresa Lindqvist.

El contrato de internet termina el 30 de junio de 2026.

El seguro del coche es de Mapfre y vence en noviembre.

El perro se llama Trufa.
"""
ROWS = """fecha,categoría,tienda,importe
2025-03-02,comida,Mercado,42.50
2025-03-09,comida,Panadería,7.25
2025-03-15,transporte,Renfe,31.00
2025-04-03,comida,Mercado,51.10
2025-04-20,casa,Ferretería,18.90
2025-05-01,transporte,Taxi,12.00
"""
MAILS = (
    ("Marta", "Presupuesto", "Mon, 3 Mar", "Te mando el presupuesto del tejado."),
    ("Marta", "Tren", "Mon, 10 Mar", "El tren sale a las nueve."),
    ("Pablo", "Fiesta", "Mon, 14 Apr", "La fiesta es el sábado."),
)
FOUND = {
    "¿Quién revisa la caldera?": "Olmedo",
    "¿Dónde está la llave de repuesto?": "garaje",
    "¿Cuánto cuesta el alquiler?": "850",
    "¿Quién reparó el tejado?": "Lindqvist",
    "¿Cómo se llama el perro?": "Trufa",
    "¿De quién es el seguro del coche?": "Mapfre",
    "Hola, ¿dónde vive la abuela, por favor?": "Sevilla",
}
NOT_FOUND = (
    "¿Quién pintó la cocina?",
    "¿Cuál es la contraseña del wifi?",
    "¿Cuánto gastamos en juguetes?",
)
CALCULATED = {
    "¿Cuánto gastamos en comida en marzo?": ("sum", "49.75"),
    "suma de los importes de comida en abril de 2025": ("sum", "51.10"),
    "total de los gastos entre marzo y abril": ("sum", "150.75"),
    "¿Cuánto gastamos en comida después del 5 de marzo de 2025?": ("sum", "58.35"),
    "¿Cuánto gastamos de media en comida?": ("mean", "33.62"),
    "¿Cuál fue el mayor gasto?": ("highest", "51.10"),
    "¿Cuál es el gasto más caro de mayo?": ("highest", "12.00"),
    "¿Cuántos gastos de más de 30 euros hay?": ("count", "3"),
    "muéstrame los gastos desde abril": ("list", "3"),
    "¿Cuántos correos hay de Marta?": ("count", "2"),
    "¿Cuántos correos envió Marta a Jonas en marzo?": ("count", "2"),
    "¿Cuántos correos hay sobre el tren?": ("count", "1"),
    "el último correo de Marta": ("newest", "2025-03-10 10:00:00"),
}


@pytest.fixture(scope="module")
def casa(tmp_path_factory):
    folder = tmp_path_factory.mktemp("casa")
    (folder / "casa.md").write_text(NOTE, "utf-8")
    (folder / "gastos.csv").write_text(ROWS, "utf-8")
    (folder / "correo.mbox").write_text(
        "".join(
            f"From x@example.org {day} 10:00:00 2025\nFrom: {who} <{who.lower()}@example.org>\n"
            f"To: Jonas <jonas@example.org>\nSubject: {subject}\nDate: {day} 2025 10:00:00\n\n{text}\n\n"
            for who, subject, day, text in MAILS
        ),
        "utf-8",
    )
    return Index(folder, cache=False, retriever="settle", embedder="")


def test_spanish_notes_answer_in_spanish(casa):
    for question in FOUND:
        answer = casa.ask(question)
        assert answer.found, question
        assert FOUND[question] in answer.answer.text, question


def test_what_is_not_in_the_notes_is_doubtful_at_most(casa):
    for question in NOT_FOUND:
        answer = casa.ask(question)
        assert answer.result is None, question
        assert not answer.found or answer.confidence < 0.5, question


def test_spanish_calculations(casa):
    for question in CALCULATED:
        result = casa.ask(question).result
        assert result, question
        assert (result.operation, result.value) == CALCULATED[question], question


def test_spanish_follow_ups(casa):
    for messages, last in (
        ("¿Cuánto gastamos en comida en marzo? | ¿y en abril?", "51.10"),
        ("¿Cuánto gastamos en comida en marzo? | ¿y en transporte?", "31.00"),
        ("¿Cuántos correos hay de Marta? | ¿y de Pablo?", "1"),
        ("¿Quién reparó el tejado? | ¿y cuándo?", "18 de febrero"),
        ("¿Dónde vive la abuela Carmen? | ¿y cuántos años tiene?", "87 años"),
        ("¿Cuánto cuesta el alquiler? | ¿y el seguro del coche?", "Mapfre"),
    ):
        talk = Dialogue(casa.ask)
        answer = [talk.ask(message).answer for message in messages.split(" | ")][-1]
        assert last in (answer.result.value if answer.result else answer.answer.text), messages


def test_spanish_periods():
    for text, first, last in (
        ("gastos de la semana pasada", date(2025, 11, 10), date(2025, 11, 16)),
        ("en los últimos 3 meses", date(2025, 8, 19), date(2025, 11, 19)),
        ("el mes pasado", date(2025, 10, 1), date(2025, 10, 31)),
        ("antes del 3 de mayo de 2025", None, date(2025, 5, 2)),
        ("desde el 1º de marzo de 2025", date(2025, 3, 1), None),
        ("del 3 al 7 de mayo de 2025", date(2025, 5, 3), date(2025, 5, 7)),
        ("en febrero de 2025", date(2025, 2, 1), date(2025, 2, 28)),
    ):
        period, _ = period_in(text, date(2025, 11, 19))
        assert (period.first, period.last) == (first, last), text


def test_words_that_spanish_shares_count_in_spanish_alone():
    words = {
        q: [w.text for w in parse(Question(q), date(2025, 1, 1)).words]
        for q in ("how many bales of hay", "cuántas pacas hay")
    }
    assert words == {"how many bales of hay": ["bales", "hay"], "cuántas pacas hay": ["pacas"]}
    assert [each for each in counted_words("two years ago 2015, set 3 2015") if each.startswith("d:")] == []


def test_a_follow_up_changes_the_phrase_of_its_kind():
    french = whole_questions("combien avons-nous dépensé en nourriture en mars ?", "", "en avril ?")
    assert next(french) == "combien avons-nous dépensé en nourriture en avril?"
    english = whole_questions("what did we spend on food in March?", "", "on travel?")
    assert next(english) == "what did we spend on travel in March?"


def test_no_word_of_another_language_is_in_the_code():
    english, *rest = (
        {word for key, words in _words(own) if key.startswith("words.") for word in words}
        for own in languages()
    )
    foreign = {word for word in set.union(*rest) - english if len(word) > 3}
    found = dict[str, set[str]]()
    for path in Path(lior_ask.__file__).parent.rglob("*.py"):
        if path.name == "testing.py":  # texts of the laws, in many languages
            continue
        tree = ast.parse(path.read_text("utf-8"))
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                found[path.name] = found.get(path.name, set()) | foreign & {
                    *re.findall(r"[^\W_]+", node.value)
                }
    assert not {name: words for name, words in found.items() if words}


def test_a_refusal_says_that_the_question_is_in_another_language():
    index = Index(retriever="settle")
    for number, text in enumerate(
        (
            "La llave está en casa del pastor.",
            "El pozo no se bebe, es para regar.",
            "La escopeta del abuelo se entrega a la Guardia Civil.",
            "El guarda no tiene las llaves de la casa.",
        )
    ):
        index.learn(f"{number}.md", text)
    index.learn("gastos.csv", "fecha,importe\n2024-01-03,12.50\n2024-02-03,9.10\n")
    note = index.ask("Where do I have to transfer the money?").note
    assert note == "the question seems to be English, and the text is Spanish"
    assert index.ask("¿Dónde está la bicicleta?").note == "'bicicleta' no está en ninguna parte del texto"
    for number in range(12):
        index.learn(f"{number}.csv", "fecha,importe\n2024-01-03,12.50\n2024-02-03,9.10\n")
    assert "no está en ninguna parte" in index.ask("¿Dónde está la bicicleta?").note, "most are tables"


def test_every_translated_sentence_has_the_parts_of_the_english_one():
    english = languages()[0].lists["results.replies"]
    for own in languages()[1:]:
        for sentence, other in zip(english, own.lists["results.replies"], strict=True):
            parts = [f"<{n}>" for n in range(sentence.count("{}"))]
            told = in_words_of(sentence.format(*parts), own.name)
            assert all(part in told for part in parts), (own.code, other)
            assert "{" not in told, (own.code, other)


def _reasons(tree: ast.AST) -> Iterator[str]:
    """Yield the sentences that code gives as a reason or reply, as patterns."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", "")
            given = node.args[:1] if name in ("Unclear", "NoResult", "in_words_of") else []
            given = node.args[1:2] if name == "nothing" else given
            given = [*given, *(each.value for each in node.keywords if each.arg in ("note", "said"))]
            for text in given:
                parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                told = [each.value if isinstance(each, ast.Constant) else None for each in parts]
                if any(told):
                    yield "".join(".*" if each is None else re.escape(each) for each in told)


def test_every_reason_in_code_is_translated():
    english = languages()[0].lists["results.replies"]
    paths = Path(lior_ask.__file__).parent.rglob("*.py")
    reasons = {each for path in paths for each in _reasons(ast.parse(path.read_text("utf-8")))}
    assert len(reasons) > 50
    unknown = {each for each in reasons if not any(re.fullmatch(each, sentence) for sentence in english)}
    assert not unknown
    lengths = {key: len(words) for key, words in languages()[0].lists.items() if key.startswith("results.")}
    for own in languages()[1:]:
        for key in ("replies", "tables", "query", "weekdays", "months"):
            assert len(own.lists[f"results.{key}"]) == lengths[f"results.{key}"], (own.code, key)


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("Was habe ich am 8. Dezember 2026?", ["Di 8. Dez 2026, 09:30", "Termine in diary.ics"]),
        ("Qu'est-ce que j'ai le 8 décembre 2026 ?", ["mar 8 déc 2026, 09:30", "rendez-vous dans diary.ics"]),
        ("¿Qué tengo el 8 de diciembre de 2026?", ["mar 8 dic 2026, 09:30", "citas en diary.ics"]),
        ("What do I have on 8 December 2026?", ["Tue 8 Dec 2026, 09:30", "events in diary.ics"]),
        (
            "Wie viel haben wir für books ausgegeben?",
            ["amount in costs.csv mit category = books", "und 2 weitere Zeilen; --json gibt"],
        ),
        ("Combien avons-nous dépensé en books ?", ["amount dans costs.csv avec category = books"]),
        ("¿Cuánto hemos gastado en books?", ["amount en costs.csv con category = books"]),
        ("How much did we spend on books?", ["amount in costs.csv where category is books"]),
    ],
)
def test_days_queries_and_remarks_are_in_the_language_of_the_question(question, shown, capsys):
    index = Index(retriever="settle")
    event = "BEGIN:VEVENT\nUID:{0}\nDTSTART:20261208T{0}3000\nSUMMARY:Visit {0}\nEND:VEVENT\n"
    events = "".join(event.format(f"{hour:02d}") for hour in range(9, 19))
    index.learn("diary.ics", f"BEGIN:VCALENDAR\nVERSION:2.0\n{events}END:VCALENDAR\n")
    rows = "".join(f"2026-01-{day:02d},books,12.50\n" for day in range(1, 11))
    index.learn("costs.csv", f"date,category,amount\n{rows}2026-02-03,food,9.10\n2026-02-04,fuel,8.10\n")
    answer = index.ask(question)
    echo_answer(index, answer, listed(answer))
    told = capsys.readouterr().out
    assert all(part in told for part in shown), told


LIGHTHOUSE = {
    "en": "Where is the lighthouse?",
    "de": "Wo ist der Leuchtturm?",
    "fr": "Où est le phare ?",
    "es": "¿Dónde está el faro?",
}
KEY = {
    "en": "The key is in the shed, and it is for the house.",
    "de": "Der Schlüssel ist in dem Schuppen, und er ist für das Haus.",
    "fr": "La clé est dans la cabane, et elle est pour la maison.",
    "es": "La llave está en el cobertizo, y es para la casa.",
}


@pytest.mark.parametrize(
    ("question", "said", "likely", "refused"),
    [
        ("How much did we spend on books?", "1,231.50", "very likely", "is nowhere in the text"),
        (
            "Wie viel haben wir für books ausgegeben?",
            "1.231,50",
            "sehr wahrscheinlich",
            "steht nirgends im Text",
        ),
        (
            "Combien avons-nous dépensé pour books ?",
            "1\u00a0231,50",
            "très probable",
            "nulle part dans le texte",
        ),
        ("¿Cuánto gastamos en books?", "1.231,50", "muy probable", "en ninguna parte del texto"),
    ],
)
def test_numbers_and_refusals_are_in_the_language_of_the_question(question, said, likely, refused):
    index = Index(embedder="")
    index.learn("expenses.csv", "date,category,amount\n2025-02-27,books,1200.00\n2025-03-01,books,31.50\n")
    answer = index.ask(question)
    record = answer_record(answer)
    assert answer.said.startswith(said)
    assert record["result"]["value"] == "1,231.50"
    assert record["wording"]["value"] == said
    assert said in record["wording"]["arithmetic"]
    assert (in_words(0.95, answer.language), in_words(0.95)) == (likely, "very likely")
    index.learn("notes.md", KEY[record["wording"]["lang"]])
    assert refused in refusal(index.ask(LIGHTHOUSE[record["wording"]["lang"]]))
