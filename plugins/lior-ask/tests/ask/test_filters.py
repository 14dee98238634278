"""Filters: what does not fit is never quoted nor listed, and the best of what fits are found."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest

from lior.errors import UsageError
from lior.plugins.registry import registry
from lior_ask.api import Index
from lior_ask.question.filters import Filters, day

MAIL = "".join(
    f"From x Mon Mar  3 09:12:00 2025\nFrom: {who} <{who.lower()}@pots.example>\n"
    f"Date: {day} {month} 2025 09:12:00 +0100\nSubject: {subject}\n\n{text}\n\n"
    for who, day, month, subject, text in [
        ("Ines", 3, "Mar", "Boat", "The boat leaves the harbour at nine."),
        ("Rolf", 5, "Mar", "Harbour", "The harbour is closed. No boat leaves before ten."),
        ("Ines", 9, "Apr", "Oars", "The oars of the boat are in the shed by the harbour."),
    ]
)
TEXTS = {
    "mail/in.mbox": MAIL,
    "notes/boat.md": "---\ndate: 2024-06-01\n---\n# Boat\n\n"
    "The boat leaves when the harbour opens.\n\nThe boat is blue.\n",
    "trips.csv": "date,boat,harbour\n2025-03-04,Amsel,Kehl\n2025-05-01,Fink,Basel\n",
    "engine.log": "2025-03-04 10:00:00 INFO boat leaves harbour\n2025-06-04 10:00:00 ERROR boat engine\n"
    "2025-06-05 boat\n",
    "chat.txt": "[01/04/2025, 10:01] Ines: which boat leaves?\n[13/04/2025, 10:02] Rolf: the harbour boat\n"
    "[14/04/2025, 10:03] Ines: the boat leaves\nafter the harbour closes\n",
}
QUESTION = "When does the boat leave the harbour?"
FILTERS = {
    "Ines": (
        Filters(sender="Ines"),
        {("mail/in.mbox", n) for n in (*range(1, 8), *range(15, 22))} | {("chat.txt", n) for n in (1, 3, 4)},
    ),
    "after April": (
        Filters(after="April 2025"),
        {("mail/in.mbox", n) for n in range(15, 22)}
        | {("trips.csv", 3), ("engine.log", 2), ("engine.log", 3)}
        | {("chat.txt", n) for n in (1, 2, 3, 4)},
    ),
    "before": (
        Filters(before="2025-03-04"),
        {("mail/in.mbox", n) for n in range(1, 8)} | {("notes/boat.md", n) for n in range(1, 9)},
    ),
    "kind": (Filters(kind="log"), {("engine.log", n) for n in (1, 2, 3)}),
    "ending": (Filters(kind=".CSV"), {("trips.csv", n) for n in (1, 2, 3)}),
    "folder": (Filters(path="notes/"), {("notes/boat.md", n) for n in range(1, 9)}),
    "pattern": (Filters(path="*.log", after="2025-06-05"), {("engine.log", 3)}),
}


@pytest.mark.parametrize("retriever", [name for name in registry.names("retriever") if name != "meaning"])
def test_only_what_fits_and_the_best_of_it(retriever):
    index = Index(retriever=retriever, embedder="")
    for document, text in TEXTS.items():
        index.learn(document, text)
    ranking = index.asker.rank(QUESTION, len(index))
    places = [(p.document, p.line) for p in map(index.passage, ranking.passages.tolist())]
    for name, (filters, fit) in FILTERS.items():
        found = index.ask(QUESTION, top=50, filters=filters)
        if found.answer:
            assert (found.answer.document, found.answer.line) in fit, name
        if block := found.block:  # a calculation has none
            lines = range(block.line, block.end_line + 1)
            assert {(block.document, line) for line in lines} <= fit, name
        listed = {(p.document, p.line) for p, _ in found.passages}
        assert listed <= fit & {*places}, name
        assert bool(listed) == bool(fit & {*places}), name
        assert index.inverted.allowed is None, name


def test_a_retriever_that_looks_at_no_filter_gives_the_same(monkeypatch):
    index = Index(retriever="bm25", embedder="")
    for number in range(100):
        index.learn(
            f"{'b' if number % 15 else 'a'}/{number}.md", f"The boat number {number} leaves the harbour."
        )
    filters = Filters(path="a")
    own = index.ask(QUESTION, top=6, filters=filters)
    rank = index.asker.retriever.rank

    def blind(inverted, question, top):
        kept, inverted.allowed = inverted.allowed, None
        try:
            return rank(inverted, question, top)
        finally:
            inverted.allowed = kept

    monkeypatch.setattr(type(index.asker.retriever), "rank", lambda self, *given: blind(*given))
    assert index.ask(QUESTION, top=6, filters=filters).passages == own.passages
    assert len(own.passages) == 6


def test_a_name_with_an_accent_is_found_in_either_form(tmp_path):
    forms = [unicodedata.normalize(form, "Zoë.md") for form in ("NFC", "NFD")]
    for number, name in enumerate(forms):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        (folder / name).write_text("The piano is at Mill Lane.\n")
        (folder / "b.md").write_text("The piano is red.\n")
        index = Index(folder, retriever="settle", embedder="", cache=False)
        for path in (*forms, *(str(folder / form) for form in forms)):
            found = index.ask("Where is the piano?", filters=Filters(path=path)).passages
            assert {passage.text for passage, _ in found} == {"The piano is at Mill Lane."}, (name, path)


def test_calculations_are_of_what_fits():
    index = Index(retriever="settle", embedder="")
    for document, text in TEXTS.items():
        index.learn(document, text)
    ask = lambda question, **given: index.ask(question, filters=Filters(**given)).result.value  # noqa: E731
    assert ask("how many mails?", sender="Ines") == "2"
    assert ask("how many mails?", after="2025-03-04", before="2025-04-01") == "1"
    assert ask("how many rows are in trips.csv?", after="2025-05") == "1"
    assert ask("how many files?", kind="table") == "1"


def test_days_and_what_is_refused():
    assert [day(text) for text in ("", "2025", "March 2025", "3. Mai 2025", "2025-02-03")] == [
        None,
        date(2025, 1, 1),
        date(2025, 3, 1),
        date(2025, 5, 3),
        date(2025, 2, 3),
    ]
    for text in ("soon", "3 May", "3/4/2025", "2025-02-31"):
        with pytest.raises(UsageError, match="is no date with a year; write it as"):
            Filters(after=text)
    index = Index(retriever="bm25", embedder="")
    index.learn("a.md", "The boat leaves.")
    with pytest.raises(UsageError, match=r"no document of the kind 'pdf'; there are md, note"):
        index.ask(QUESTION, filters=Filters(kind="pdf"))
    with pytest.raises(UsageError, match=r"no document in b; there are a\.md"):
        index.ask(QUESTION, filters=Filters(path="b"))
    assert index.inverted.allowed is None


def test_a_word_that_only_what_is_left_out_has_is_not_said_to_be_there():
    index = Index(retriever="settle", embedder="")
    index.learn("notes/a.md", "The launch is on 3 May.\n")
    index.learn("mail/b.md", "When is the boat painted?\n")
    answer = index.ask("When is the launch of the boat?", filters=Filters(path="mail"))
    assert (answer.found, answer.note) == (False, "no passage that fits the filters is likely to answer it")
