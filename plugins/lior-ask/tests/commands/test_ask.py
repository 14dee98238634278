"""`lior ask`: what it prints, refuses and leaves on the disk."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ask.test_endpoint import server  # noqa: F401 (a fixture)

from lior.interfaces import Passage, Result
from lior_ask import Answer
from lior_ask.answer.serialise import answer_from, answer_record, in_words
from lior_ask.api import default_retriever
from lior_ask.cli.passages import echo_answer
from tests.reading.samples import sheet
from tests.work import work

BOILER = "# Boiler\n\nIt is serviced in October.\nTo reset it, hold the red button for five seconds.\n"
GARDEN = "# Garden\n\nWater the tomatoes in the morning. Cut the roses in March.\n"
RESET = "How do I reset the boiler?"


@pytest.fixture
def lior(command, tmp_path, monkeypatch):
    """`lior` in a folder with notes, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    Path("notes").mkdir()
    Path("notes/boiler.md").write_text(BOILER)
    Path("notes/garden.md").write_text(GARDEN)
    return command


PAYMENTS = [
    ("Baker", "food"),
    ("Baker", "food"),
    ("Rent Ltd", "home"),
    ("Rent Ltd", "home"),
    ("Dentist", "health"),
]


def test_answer_comes_first_with_file_and_line(lior):
    told = lior("ask", "notes", RESET)
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[:2] == [
        "  It is serviced in October.",
        "> To reset it, hold the red button for five seconds.",
    ]
    assert lines[2].startswith("notes/boiler.md:4  Boiler  (")
    assert lines[2].endswith("%)")
    assert "\x1b" not in told.out


def test_a_long_question_is_answered_and_its_folder_remembered(lior, tmp_path, monkeypatch):
    assert "hold the red button" in lior("ask", "notes", (f"{RESET} " * 9999)[:100_000]).out
    monkeypatch.chdir(tmp_path)
    told = lior("ask", "When are the roses cut?")
    assert told.code == 0
    assert "work/notes/garden.md:3" in told.out


UNUSED = "numpy.ma", "http.client", "zoneinfo", "icalendar", "python_calamine", "torch", "scipy"
LATER = f"""
import gc, os, sys
from lior_cli.main import main
main()
print([name for name in {UNUSED} if name in sys.modules])
print(os.environ["OPENBLAS_NUM_THREADS"], gc.get_threshold()[0] > 700)
"""


def test_a_later_question_loads_only_what_it_uses(lior):
    """What is left out here took a fifth of a question's processor time."""
    assert lior("ask", "notes", RESET).code == 0
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", LATER, "ask", "When are the roses cut?"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "Cut the roses in March." in done.stdout
    assert done.stdout.splitlines()[-2:] == ["[]", "1 True"]


def test_several_folders_and_files_and_no_cache(lior, tmp_path):
    Path("more").mkdir()
    Path("more/shed.txt").write_text("The ladder is in the shed.\n")
    told = lior("ask", "--no-cache", "more/shed.txt", "notes", "Where is the ladder?")
    assert told.out.splitlines()[1].startswith("more/shed.txt:1")
    assert not (tmp_path / "cache").exists()


def test_not_found_is_said_with_the_nearest(lior):
    told = lior("ask", "notes", "What is the capital of Mongolia in March?")
    assert told.code == 1
    assert told.out.startswith(
        "Nothing in the text speaks of it: 'capital' and 'mongolia' are nowhere in the text."
    )
    assert "The nearest:" in told.out
    assert "notes/garden.md:3" in told.out


def test_a_folder_without_a_question_gets_some_that_it_answers(lior):
    Path("home").mkdir()
    rows = [f"2026-0{n}-03;{who};{kind};-{n}2,50" for n, (who, kind) in enumerate(PAYMENTS, 1)]
    Path("home/bank.csv").write_text(
        "\n".join(["Date;Payee;Kind;Amount", *rows, "2026-08-01;Work;in;900,00"])
    )
    Path("home/boat.md").write_text("# Boat\n\nThe boat lies in Kiel.\n\nThe boat was painted red in May.\n")
    found = lior("ask", "home")
    assert found.out.startswith("2 files with ")
    command, *asked = [shlex.split(line) for line in found.out.splitlines()[2:]]
    assert {tuple(each[:3]) for each in (command, *asked)} == {("lior", "ask", "home")}
    questions = [each[3] for each in (command, *asked)]
    assert "How much did we spend at Baker?" in questions
    assert json.loads(lior("ask", "home", "--json").out) == {"questions": questions}
    for question in questions:
        answer = json.loads(lior("ask", "home", question, "--json").out)
        assert answer["found"], question
        assert answer["confidence"] >= 0.9, question
    Path("home/bank.csv").unlink()
    Path("home/boat.md").write_text("x\n")
    assert 'Ask as: lior ask home "…?"' in lior("ask", "home").out


def test_json_has_this_shape(lior):
    told = lior("ask", "notes", "--json", "--top", 1, RESET)
    record = json.loads(told.out)
    confidence = record.pop("confidence")
    score = record["passages"][0].pop("score")
    assert 0.5 <= confidence <= 1
    assert record.pop("likely") == in_words(confidence)
    assert score > 0
    passage = {
        "document": "boiler.md",
        "line": 4,
        "column": 1,
        "place": "",
        "text": "To reset it, hold the red button for five seconds.",
    }
    assert record["answer"].pop("context") == record["passages"][0].pop("context")
    assert all(isinstance(part, float) for part in record["passages"][0].pop("evidence").values())
    assert record["passages"][0].pop("lang") == "en"
    assert record.pop("wording")["likely"] == in_words(confidence)
    assert set(record.pop("words")) == {"reset", "boiler"}
    assert record.pop("method")
    block = record.pop("block")
    assert block["text"][block["begin"] : block["end"]] == passage["text"]
    assert (block["document"], block["line"], block["end_line"]) == ("boiler.md", 3, 4)
    assert block["text"].startswith("Boiler\nIt is serviced in October.")
    assert record == {
        "question": RESET,
        "found": True,
        "answer": passage,
        "passages": [passage],
        "lang": "en",
        "missing": [],
        "dates": [],
        "language": "english",
        "note": "",
        "said": "",
        "result": None,
    }
    told = lior("ask", "notes", "--json", "Who is Zaphod?")
    assert (told.code, json.loads(told.out)["answer"], json.loads(told.out)["found"]) == (1, None, False)


def test_context_shows_the_lines_of_the_file(lior):
    lines = BOILER.splitlines()
    told = lior("ask", "notes", "--context", 1, "--top", 1, RESET)
    shown = [f"{n}{':' if n == 4 else '-'} {lines[n - 1]}".rstrip() for n in (3, 4, 5)[: len(lines) - 2]]
    assert [line.rstrip() for line in told.out.splitlines()[: len(shown)]] == shown
    record = json.loads(lior("ask", "notes", "--context", 0, "--json", RESET).out)
    assert (record["lines"]["first"], record["lines"]["lines"]) == (4, [lines[3]])
    assert "lines" not in json.loads(lior("ask", "notes", "--json", RESET).out)
    Path("sheets").mkdir()
    Path("sheets/g.xlsx").write_bytes(sheet(["city", "visits"], ["Oslo", 5], [], ["Bergen", 7]))
    shown = lior("ask", "sheets", "--context", 2, "--top", 1, "visits in Bergen?").out.splitlines()
    assert shown[:3] == ["2- Oslo | 5", "3- ", "4: Bergen | 7"]


def test_bad_input_is_one_line_and_code_2(lior):
    Path("empty").mkdir()
    Path("binary").mkdir()
    Path("binary/a.png").write_bytes(b"\x89PNG\0\0")
    Path("bad.jsonl").write_text("[]\n")
    Path("good.jsonl").write_text('{"_id": 1, "text": "hedge"}\n')
    Path("broken").symlink_to("nothing")
    Path("run/checkpoints").mkdir(parents=True)
    Path("run/config.toml").write_text("")
    for args, said in (
        ((), "no question"),
        (("Where is it hidden?",), "no folder was asked before"),
        (("nowhere", RESET), "no such file or folder"),
        (("no\nwhere", RESET), "no where: no such file or folder"),
        (("broken", RESET), "no such file or folder"),
        (("notes", "what is the"), "no word to look for"),
        (("notes", "b" * 100_001), "at most 100,000"),
        (("binary", RESET), "no text in there"),
        (("notes", "--retriever", "nose", RESET), "--retriever"),
        (("notes", "--open", 1, RESET), "set EDITOR"),
        (("notes", "--trec", "x"), "belong together"),
        (("notes", "--batch", "bad.jsonl", "--trec", "x"), "bad.jsonl, line 1"),
        (("run", RESET), "run: the run has no checkpoint"),
        (("notes", "run", RESET), "run is a run and is given alone"),
        (("notes", "--after", "soon", RESET), "'soon' is no date with a year; write it as 2025-03-01"),
        (("notes", "--batch", "good.jsonl", "--trec", "no/folder/out.run"), "no/folder"),
    ):
        told = lior("ask", *args)
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), told
        assert said in told.err
        assert len(told.err) < 300


def test_a_folder_without_files_is_an_error(lior):
    """Whether it was indexed before or not: code 2, since no text can be asked."""
    for name in ("empty", "emptied"):
        Path(name).mkdir()
    Path("emptied/a.txt").write_text("The key hangs behind the clock.")
    assert lior("ask", "emptied", "Where does the key hang?").code == 0
    Path("emptied/a.txt").unlink()
    for name in ("empty", "emptied", "emptied"):
        told = lior("ask", name, "Where does the key hang?")
        assert (told.code, told.out) == (2, "")
        assert told.err.endswith(f"{name}: no file in there; give a file or folder with text\n")
        assert told.err.count("\n") == 1


def test_a_folder_alone_says_that_it_does_not_read_a_pipe(lior, monkeypatch):
    Path("questions.txt").write_text(f"{RESET}\n")
    with Path("questions.txt").open() as questions:
        monkeypatch.setattr("sys.stdin", questions)
        told = lior("ask", "notes")
        assert "They answer" in told.out
        assert told.err == "note: standard input is not read; to ask each of its lines: lior chat notes\n"
        assert lior("ask", "notes", RESET).err == ""


def test_editor_opens_the_file_at_the_line(lior, monkeypatch):
    Path("editor.py").write_text("import sys; open('given', 'w').write(' '.join(sys.argv[1:]))")
    monkeypatch.setenv("EDITOR", f"{sys.executable} editor.py")
    assert lior("ask", "notes", "--open", 1, RESET).code == 0
    assert Path("given").read_text() == f"+4 {Path.cwd()}/notes/boiler.md"
    assert "only" in lior("ask", "notes", "--open", 9, RESET).err


def test_verbose_tells_what_was_skipped_and_how_it_was_ranked(lior):
    Path("notes/a.png").write_bytes(b"\x89PNG\0\0")
    assert "2 files, 5 passages, 1 skipped" in (told := lior("ask", "notes", RESET)).err.replace("4", "5")
    assert "--verbose" in told.err
    told = lior("ask", "notes", "--verbose", RESET)
    assert f"ranked by {default_retriever()}" in told.err
    assert "skipped a.png: " in told.err
    assert " at 0x" not in told.err


def test_batch_writes_a_run_file(lior):
    wings = '{"_id": "d 1", "title": "Wings", "text": "Wings flutter."}'
    Path("corpus.jsonl").write_text(wings + '\n{"_id": "d2", "text": "Heat rises. Heat."}\n')
    Path("q.jsonl").write_text('{"_id": 1, "text": "heat of wings"}\n{"_id": "2", "text": "the"}\n')
    told = lior("ask", "corpus.jsonl", "--batch", "q.jsonl", "--trec", "out.run")
    assert told.code == 0
    assert "note: question 2:" in told.err
    rows = [line.split() for line in Path("out.run").read_text().splitlines()]
    assert sorted(row[2] for row in rows) == ["d2", "d_1"]
    assert [(row[0], row[1], row[3]) for row in rows] == [("1", "Q0", "1"), ("1", "Q0", "2")]
    assert float(rows[0][4]) >= float(rows[1][4])


def test_words_of_the_question_are_emphasised_on_a_terminal_only(lior, monkeypatch):
    monkeypatch.setattr("lior_ask.cli.passages.colored", lambda: True)
    assert "\x1b[1mreset\x1b[0m" in lior("ask", "notes", RESET).out


def test_a_name_with_a_line_break_and_a_question_in_another_language(lior):
    Path("notes/a\nb.md").write_text("The tent is green.\n")
    Path("notes/broken.md").symlink_to("nothing")
    told = lior("ask", "notes", "Which colour\nhas the tent?")
    assert told.out.splitlines()[1].startswith(r"notes/a\u000ab.md:1")
    assert told.err.count("\n") == 2
    told = lior("ask", "notes", "Wie heißt der Nachbar?")
    assert (told.code, told.out.split("\n")[0][:36]) == (1, "Im Text steht nichts davon: die Frag")


def test_lines_wrap_at_words(lior):
    words = " ".join(f"word{number}" for number in range(60))
    Path("notes/long.md").write_text(f"The ladder of {words} is in the shed.\n")
    lines = lior("ask", "notes", "--top", 1, "Where is the ladder?").out.splitlines()
    assert len(lines) > 4
    assert max(map(len, lines)) <= 100
    assert " ".join(lines).split().count("word59") == 1
    Path("notes/odd.md").write_text("The hammock \x07 is red.\n")
    told = lior("ask", "notes", "What is the hammock?").out
    assert "hammock" in told
    assert "\x07" not in told, "control characters do not reach the terminal"


def test_a_later_question_takes_little_more_work_for_a_larger_folder(lior, monkeypatch):
    """15 and 150 kB: nothing is read again, and only the passages that have a word of it are looked at."""
    monkeypatch.setenv("LIOR_EMBEDDER", "")
    calls = []
    for size in (50, 500):
        for number in range(6):
            lines = [
                f"Note {number} of line {n} is on subject{n % 97} and thing{(n * number) % 89}."
                for n in range(size)
            ]
            Path(f"notes/n{number}.md").write_text("\n".join(lines))
        assert lior("ask", "notes", RESET).code == 0
        calls.append(work(lambda: lior("ask", RESET)))
    assert calls[1] < 1.2 * calls[0], calls


def test_a_calculation_shows_its_rows(lior):
    Path("notes/costs.csv").write_text("date,category,amount\n2025-03-01,food,12.50\n2025-03-09,food,4.20\n")
    told = lior("ask", "notes", "What did we spend on food in March?")
    assert told.code == 0
    assert re.sub(r"  \([a-z ]+, \d\d%\)", "", told.out).splitlines() == [
        "16.70",
        "in total with category food in March (2025), 2 rows",
        "  12.50 + 4.20 = 16.70",
        "  amount in costs.csv in March (2025) where category is food",
        "date        category  amount",
        "2025-03-01  food      12.50   notes/costs.csv:2",
        "2025-03-09  food      4.20    notes/costs.csv:3",
    ]
    told = lior("ask", "notes", "What did we spend per month?")
    assert re.sub(r"  \([a-z ]+, \d\d%\)", "", told.out).splitlines()[:3] == [
        "amount in total per month, 2 rows",
        "  sum of amount in costs.csv by month",
        f"  2025-03  16.70  {'█' * 30}",
    ]
    record = json.loads(lior("ask", "notes", "list the costs", "--json").out)
    assert record["result"]["value"] == "2"
    assert [row["line"] for row in record["result"]["rows"]] == [2, 3]
    told = lior("ask", "notes", "How many costs for wine?")
    assert told.code == 1
    assert "the columns of costs.csv are: date, category, amount" in told.out.splitlines()[0]
    assert "notes/costs.csv:2" in told.out  # the nearest passages


def echoed(capsys, value, said, **fields):
    result = Result(operation="sum", value=value, about="costs", **fields)
    answer = Answer(
        question="",
        found=True,
        confidence=0.95,
        answer=None,
        passages=(),
        method="",
        said=said,
        result=result,
    )
    assert answer_from(json.loads(json.dumps(answer_record(answer)))) == answer
    echo_answer(SimpleNamespace(path=lambda _: None), answer, [])
    return capsys.readouterr().out.splitlines()


def test_a_calculation_is_a_number_a_chart_and_a_table(capsys, monkeypatch):
    rows = tuple(Passage(document="a.csv", line=line, text="") for line in range(2, 22))
    table = {"unit": "€", "columns": ("item", "price"), "rows": rows, "cells": (("lamp\nred", "9.50"),) * 20}
    groups = ("2025-02", "-10.00"), ("2025-03", "200.00"), ("May", "0.10"), ("June", "0")
    shown = echoed(capsys, "190.10", "190.10 € for lamps.", groups=groups, **table)
    assert shown[:9] == [
        "190.10 €",
        "for lamps.  (very likely, 95%)",
        "  costs",
        "  2025-02  -10.00 €   █",
        f"  2025-03  200.00 €    {'█' * 29}",
        "  May        0.10 €    █",
        "  June          0 €",
        "item      price",
        "lamp red  9.50   a.csv:2",
    ]
    assert shown[15:] == ["lamp red  9.50   a.csv:9", "  and 12 more rows; --json has all"]
    listed = echoed(capsys, "May 3", "May 3: by month", groups=(("May", "3"),))
    assert listed == ["by month  (very likely, 95%)", "  costs", f"  May  3  {'█' * 30}"]
    dated = (("a", "2025-03-04"), ("b", "2025-03-05"))
    assert echoed(capsys, "1", "1.5 of it", groups=dated)[1:] == [
        "1.5 of it  (very likely, 95%)",
        "  costs",
        "  a  2025-03-04",
        "  b  2025-03-05",
    ]
    monkeypatch.setattr("lior_ask.cli.passages.colored", lambda: True)
    assert echoed(capsys, "1", "1 row.")[0] == "\x1b[1m1\x1b[0m"


def test_events_are_lines_of_a_diary(capsys):
    cells = ("2026-12-05 18:00", "2026-12-05 20:00", "Choir", "hall"), ("2026-12-24", "", "Fair", "")
    rows = tuple(Passage(document="a.ics", line=line, text="") for line in (3, 9))
    columns = ("begin", "end", "summary", "place")
    assert echoed(capsys, "2", "2 events", columns=columns, cells=cells, rows=rows) == [
        "2",
        "events  (very likely, 95%)",
        "  costs",
        "  Sat 5 Dec 2026, 18:00–20:00  Choir  (hall)  a.ics:3",
        "  Thu 24 Dec 2026  Fair  a.ics:9",
    ]


def test_filters(lior):
    assert "boiler.md" not in lior("ask", "--in", "garden.md", "notes", RESET).out
    assert lior("ask", "--in", "notes/boiler.md", "notes", RESET).code == 0
    told = lior("ask", "--kind", "note", "--before", "2001", "notes", RESET)
    assert told.code == 1
    assert "nothing is there before 2001-01-01, of kind note that has a word of it" in told.out


def test_a_model_words_the_answer(lior, server):  # noqa: F811
    server.streams('Hold "the red button" [1]', ', or "shake it" [1].')
    told = lior("ask", "notes", RESET, "--with", server.url, "small")
    assert told.code == 0
    assert told.out == (
        'Hold "the red button" [1], or "shake it" (not in the passages) [1].\n[1] notes/boiler.md:4\n'
    )
    assert "1 of what it cites or quotes is not in the passages" in told.err
    server.says("Two things [1].")
    assert lior("ask", "notes", "summarise garden.md", "--with", server.url, "small").code == 1
    assert "Cut the roses in March." in server.requests[-1][2]["messages"][-1]["content"]
    server.status = 500
    told = lior("ask", "notes", RESET, "--with", server.url, "small")
    assert told.code == 0
    assert told.err.count("refused with 500") == 1
    assert "> To reset it, hold the red button" in told.out
    assert lior("ask", "notes", RESET, "--json", "--with", server.url, "small").code == 2


def test_small_talk_is_no_question(lior):
    told = lior("ask", "notes", "hello")
    assert (told.code, told.out.count("\n")) == (1, 1)
    assert told.out.startswith("Hello.")
    told = lior("ask", "notes", "summarise the garden notes")
    assert "--with URL MODEL" in told.out
    assert "1  Water the tomatoes in the morning." in told.out


def test_progress_is_shown_from_the_first_file_with_the_time_left(monkeypatch):
    from lior_ask.cli import ask

    lines, now = [], iter([0.0, 0.1, 2.0, 4.0, 9.0])
    monkeypatch.setattr(ask, "redraw", lines.append)
    monkeypatch.setattr(ask.time, "monotonic", lambda: next(now))
    reading = ask.Reading()
    for done in (0, 1, 2, 4):
        reading(done, 8)
    reading(8, 8)
    texts = ("reading file 1 of 8 ", "reading file 3 of 8, 6 s left ", "reading file 5 of 8, 4 s left ", "")
    assert lines == [*texts]
