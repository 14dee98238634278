"""Overviews quote several places about a topic, each fact once, in the order of their dates."""

from __future__ import annotations

import pytest

from lior.errors import UsageError
from lior_ask.answer.overview import MOST, topic_of
from lior_ask.answer.serialise import answer_from, answer_record
from lior_ask.api import Index
from lior_ask.asking import Asker
from lior_ask.conversation.dialogue import Dialogue

NOTES = {
    "boat.md": "# The Petrel\n\nThe Petrel is a sloop of 1974.\nThe Petrel lies at berth 12.\n",
    "log.log": "2025-06-02 10:00:00 Petrel: mast painted by Ruth\n2024-04-11 09:00:00 Petrel: hull scraped\n"
    "2025-08-20 16:00:00 garden: hedge cut\n",
    "mail.txt": "On 3 May 2025 the insurance of the Petrel was paid, 310 euros.\n\nThe oven is broken.\n",
    "copy.txt": "Again: on 3 May 2025 the insurance of the Petrel was paid, 310 euros.\n",
    "casa.md": "# Casa\n\nEl tejado de la casa es de 1990.\nLa cocina es nueva y tiene dos ventanas.\n",
}


@pytest.fixture(scope="module")
def notes():
    index = Index(retriever="settle", embedder="")
    for name, text in NOTES.items():
        index.learn(name, text)
    return index


def quoted(answer):
    return [passage.text for passage, _ in answer.passages] if answer.found else []


@pytest.mark.parametrize(
    ("asked", "topic"),
    [
        ("What do I know about the boat?", "the boat"),
        ("Tell me about the trip to Ghent", "the trip to Ghent"),
        ("Was weiß ich über die Heizung?", "die Heizung"),
        ("What happened with the roof in 2025?", "the roof in 2025"),
        ("Que sait-on de la chaudière ?", "la chaudière"),
        ("¿Qué sabemos de la barca?", "la barca"),
        ("Who told me about the boat?", ""),
        ("What happened to the chicken?", ""),
        ("Was ist mit der Heizung?", ""),
    ],
)
def test_a_question_for_an_overview_has_a_topic(asked, topic):
    assert topic_of(asked) == topic


def test_each_place_is_quoted_once_in_the_order_of_dates(notes):
    answer = notes.ask("What do I know about the Petrel?")
    texts = quoted(answer)
    assert answer.dates[:3] == ("1974", "2024-04-11 09:00:00", "2025-05-03")
    assert "hull scraped" in texts[1]
    assert "mast painted" in texts[3]
    assert sum("310 euros" in text for text in texts) == 1, "the copy says nothing new"
    assert (texts[-1], answer.dates[-1]) == ("The Petrel lies at berth 12.", "")
    assert not any("oven" in text or "hedge" in text for text in texts)
    assert len({(p.document, p.line) for p, _ in answer.passages}) == len(texts) <= MOST


def test_an_overview_is_a_record_like_other_answers(notes):
    answer = notes.ask("What do I know about the Petrel?", top=1)
    assert (answer.answer, answer.said) == (None, f"{len(answer.passages)} places speak of it:")
    assert answer_from(answer_record(answer)).dates == answer.dates != ()


def test_a_period_restricts_an_overview(notes):
    texts = quoted(notes.ask("What happened with the Petrel in 2025?"))
    assert [word for text in texts for word in ("insurance", "mast") if word in text] == ["insurance", "mast"]
    refused = notes.ask("What happened with the Petrel in 1999?")
    assert (refused.found, refused.note) == (False, "no passage about it has a date in that time")


def test_a_doubtful_overview_is_refused(notes, monkeypatch):
    monkeypatch.setattr(type(notes.asker.judge), "least", lambda self, candidates: 0.99)
    refused = notes.ask("What do I know about the Petrel?")
    assert (refused.found, refused.answer, refused.dates) == (False, None, ())


def test_an_overview_of_nothing_is_refused(notes):
    refused = notes.ask("What do I know about the zeppelin?", top=2)
    assert (refused.found, refused.dates, refused.said) == (False, (), "")
    assert len(refused.passages) <= 2
    with pytest.raises(UsageError, match="no word to look for"):
        notes.ask("Tell me about it")


def test_a_follow_up_is_about_the_topic(notes):
    talk = Dialogue(notes.ask)
    talk.ask("What do I know about the Petrel?")
    assert "mast painted" in talk.ask("Who painted it?").answer.answer.text
    assert talk.ask("Tell me about it").answer.dates


def test_a_day_alone_is_no_topic(monkeypatch):
    events = "".join(
        f"BEGIN:VEVENT\nUID:{name}\nSUMMARY:{name}\nDTSTART:202612{day}T190000\nEND:VEVENT\n"
        for name, day in (("Dinner", "05"), ("Sauna", "05"), ("Choir", "09"))
    )
    index = Index(embedder="")
    index.learn("c.ics", f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{events}END:VCALENDAR\n")
    answer = index.ask("What do I have on 5 December 2026?")
    assert [row.text[:6] for row in answer.result.rows] == ["Dinner", "Sauna,"]
    monkeypatch.setattr(Asker, "_overview", lambda *_: pytest.fail("an overview"))
    for question in ("What do I have on Tuesday?", "What do I have on the 9th?", "Was weiß ich über Montag?"):
        index.ask(question)


def test_an_article_of_another_language_is_no_word_of_the_topic(notes):
    assert quoted(notes.ask("Was weiß ich über die Petrel?")) == quoted(
        notes.ask("Was weiß ich über Petrel?")
    )
    refused = notes.ask("Was weiß ich über die Bäckerei?")
    assert "'die'" not in refused.note


def test_a_refused_overview_has_a_reason(notes, monkeypatch):
    monkeypatch.setattr("lior_ask.answer.overview._confidence", lambda *_: 0.0)
    assert "too few passages" in notes.ask("What do I know about the Petrel?").note


MAIL = (
    """From: Ines Berg <ines@example.org>
To: Nora <nora@example.org>
Date: Thu, 12 Nov 2026 20:31:00 +0100
Subject: The cellar lamp

Dear Dr. Feldmann,

the cellar lamp is broken since Monday.
The cellar lamp needs a new switch, says Gerd.

Kind regards
I. Berg

"""
    + "switch" * 70
)


def test_greetings_and_signatures_of_mails_are_not_quoted(tmp_path):
    (tmp_path / "lamp.eml").write_text(MAIL)
    texts = quoted(
        Index(tmp_path, retriever="settle", embedder="").ask("What do I know about the cellar lamp?")
    )
    assert any("switch" in text for text in texts)
    assert not any("Feldmann" in text or "regards" in text for text in texts), texts


def test_sentences_of_one_file_leave_room_for_other_places(tmp_path):
    log = "sailed to Cowes|won at Lymington|met fog off Yarmouth|took on fuel|broke a shroud|is old"
    (tmp_path / "log.md").write_text("".join(f"The Aster {each}.\n\n" for each in log.split("|")))
    (tmp_path / "diary.md").write_text("Uncle Bert says that the rudder of the Aster was never his fault.\n")
    (tmp_path / "yard.md").write_text("Blue paint for the hull is ordered, and the Aster comes in May.\n")
    texts = quoted(Index(tmp_path, retriever="settle", embedder="").ask("What do I know about the Aster?"))
    assert any("rudder" in text for text in texts)
    assert any("paint" in text for text in texts)
