"""Task lists: their lines have states and days, and all tasks that fit answer a question for them."""

from __future__ import annotations

from datetime import date

import pytest

from lior_ask.api import Index
from lior_ask.index.tasks import COLUMNS, task_tables
from lior_ask.question.question import Question
from lior_ask.tables.calculating import plan_calculation

TODAY = date(2025, 10, 20)

NOTES = """# Boathouse

## Season

- [x] Sand the oars (done 2025-04-18) @Maren
- [ ] Replace the rotten plank, by 12 December 2025 @Tomas
    - needs two people
- [ ] Order life jackets, until 2026-02-15 @Maren

## Clubhouse

- [ ] Have the chimney swept by 2025-09-20 @Philip
- [x] Empty the gutters, by 2025-09-10 @Tomas
- [-] Paint the changing rooms
- [~] Quote for shower heads: waiting for the plumber
"""
VEREIN = """* Wasser und Wege
** DONE Wasserleitung entleeren
** TODO Schotter für den Weg bestellen, bis 05.11.2025 @Krüger
** WAITING Gutachten zur Zisterne, wartet auf das Büro
** TODO Pumpe am Brunnen reparieren, bis 15.09.2025 @Sabine
"""
CHORALE = """Légende : ☐ à faire, ☑ fait

Concert
☑ Réserver l'église de la ville
☐ Imprimer les affiches, pour le 10/11/2025 @Luc
☐ Louer les projecteurs pour la salle, pour le 05/10/2025 @Agnès
"""
TODO_TXT = """(A) 2025-10-01 Renovar el contrato de la luz due:2025-11-10 +casa @Inés
x 2025-10-02 2025-09-20 Pintar la terraza de la casa +casa
Cambiar los neumáticos del coche due:2025-10-18 +coche @Bruno
2025-10-05 Llamar al fontanero por la caldera +casa
"""
LISTS = {"boathouse.md": NOTES, "verein.org": VEREIN, "chorale.txt": CHORALE, "todo.txt": TODO_TXT}
QUESTIONS = [
    ("boathouse.md", "Which tasks are open?", "6 8 12"),
    ("boathouse.md", "How many tasks are done?", "5 13"),
    ("boathouse.md", "What is still waiting?", "15"),
    ("boathouse.md", "Which tasks are overdue?", "12"),
    ("boathouse.md", "What must be done by mid December?", "6 12"),
    ("boathouse.md", "What does Maren still have to do?", "8"),
    ("boathouse.md", "What is left to do?", "6 8 12 15"),
    ("boathouse.md", "Which tasks are not done?", "6 8 12 15"),
    ("boathouse.md", "What is the next task?", "6"),
    ("boathouse.md", "Which tasks in the clubhouse list are still open?", "12"),
    ("boathouse.md", "Which tasks need two people?", "6"),
    ("verein.org", "Welche Aufgaben sind noch offen?", "3 5"),
    ("verein.org", "Zeig mir alle offenen Aufträge", "3 5"),
    ("verein.org", "Was ist überfällig?", "5"),
    ("verein.org", "Worauf warten wir noch?", "4"),
    ("verein.org", "Which tasks are open?", "3 5"),
    ("chorale.txt", "Quelles tâches sont en retard ?", "6"),
    ("chorale.txt", "Que doit faire Luc ?", "5"),
    ("todo.txt", "¿Qué tareas están pendientes?", "1 3 4"),
    ("todo.txt", "¿Qué tareas vencen en noviembre?", "1"),
]


@pytest.fixture(scope="module")
def indexes():
    found = {}
    for name, text in LISTS.items():
        found[name] = Index(retriever="settle", embedder="")
        found[name].learn(name, text)
    return found


@pytest.mark.parametrize(("name", "question", "lines"), QUESTIONS)
@pytest.mark.usefixtures("in_october")
def test_all_tasks_that_fit_answer(indexes, name, question, lines):
    answer = indexes[name].ask(question, top=20)
    assert answer.found, answer.note
    assert " ".join(str(row.line) for row in answer.result.rows) == lines, answer.said


@pytest.mark.usefixtures("in_october")
def test_the_sentence_has_the_words_of_the_question_and_states_that_tasks_have(indexes):
    said = indexes["verein.org"].ask("Was ist überfällig?").said
    assert said == (
        "1 Aufgabe überfällig (< 2025-10-20), offen, wartet: Pumpe am Brunnen reparieren, bis 15.09.2025"
    )
    assert indexes["verein.org"].ask("How many tasks are open?").said == "2 tasks, open"


def cells(text: str, *columns: str) -> list[tuple[str, ...]]:
    [table] = task_tables(text)
    places = [COLUMNS.index(column) for column in columns]
    return [tuple(row[n] for n in places) for row in table.rows]


def test_what_is_done_has_a_day_of_completion_and_no_due_date():
    assert cells(NOTES, "status", "due", "completed", "person", "list") == [
        ("done", "", "2025-04-18", "Maren", "Season"),
        ("open", "12 December 2025", "", "Tomas", "Season"),
        ("open", "2026-02-15", "", "Maren", "Season"),
        ("open", "2025-09-20", "", "Philip", "Clubhouse"),
        ("done", "", "", "Tomas", "Clubhouse"),
        ("cancelled", "", "", "", "Clubhouse"),
        ("waiting", "", "", "", "Clubhouse"),
    ]
    org = "* TODO [#A] Write\n  DEADLINE: <2026-12-05 Sat>\n* DONE Call\n  CLOSED: [2026-11-02 Mon]\n"
    org += "* NEXT Go\n"
    assert cells(org, "status", "due", "completed") == [
        ("open", "2026-12-05", ""),
        ("done", "", "2026-11-02"),
        ("open", "", ""),
    ]
    obsidian = "- [x] Mow ✅ 2026-11-02\n- [ ] Rake 📅 2026-12-05\n- [/] Dig\n"
    assert cells(obsidian, "status", "task") == [("done", "Mow"), ("open", "Rake"), ("started", "Dig")]


@pytest.mark.parametrize(
    "text",
    [
        "- tea\n- biscuits\n- minutes\n",
        "- [ ] tea\n- [ ] biscuits\n",
        "✓ free parking\n✓ breakfast\n✓ garden\n",
        "OPEN: 9 to 5\nOPEN: 6 to 7\nCLOSED: Monday\n",
        "[ ] offen\n[x] erledigt\n[~] wartet\n",
        "(A) Introduction\n(B) Methods\n(C) Results\n",
        "- [1] Ada, Notes\n- [2] Bo, Letters\n- [3] Cy, Maps\n",
        "We wrote TODO: on the wall, x 2025 times.\nDue dates are kept.\nThe end.\n",
    ],
)
def test_other_lists_are_prose(text):
    assert task_tables(text) == ()


@pytest.mark.usefixtures("in_october")
def test_a_day_that_can_be_read_in_two_ways_is_not_overdue():
    index = Index(retriever="settle", embedder="")
    index.learn("a.md", "# House\n- [ ] Paint the fence by 3/4/2025\n- [ ] Oil it\n- [x] Sweep\n")
    answer = index.ask("Which tasks are overdue?")
    assert answer.result is None
    assert "'3/4/2025'" in answer.said


@pytest.mark.usefixtures("in_october")
def test_other_questions_are_answered_as_without_tasks():
    index = Index(retriever="settle", embedder="")
    index.learn("boathouse.md", NOTES)
    index.learn("freezer.csv", "item,portions\npeas,4\nlamb stew,2\ncherries,6\n")
    index.learn("jobs.csv", "job,price,done\ngutter,40,yes\nroof,900,no\ndoor,75,yes\n")
    index.learn("cafe.txt", "The cafe opens at eight.\n")
    assert (
        plan_calculation(Question("What is left in the freezer?"), index.asker.known, TODAY).request is None
    )
    assert index.ask("How many jobs are done?").result.rows[0].document == "jobs.csv"
    assert index.ask("When does the cafe open?").answer.document == "cafe.txt"
    assert index.ask("How many open tasks per person?").result is None
