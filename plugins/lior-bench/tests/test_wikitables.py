"""Other people's questions about tables: reading them, and which queries answer."""

from __future__ import annotations

import attrs
import click
import pytest

pytest.importorskip("sklearn")  # at once, because it changes the environment

import lior_ask
from lior.interfaces import Passage, Result
from lior_ask.answer.selection import Answer
from lior_ask.question.filters import Filters
from lior_ask.tables.asked import asked as read_question
from lior_ask.tables.learned import learned
from lior_ask.tables.query import Aggregate, Beside, Compares, Group, Is, Query
from lior_ask.tables.ranking import Ranker
from lior_ask.tables.sources import tables_of
from lior_bench.queries import wikitables
from lior_bench.queries.examples import OTHERS, examples_of_others
from lior_bench.queries.learning import part
from lior_bench.queries.worlds import TODAY

TABLE = """"Nation","Gold","Note"
"Fiji","12","host [1]"
"Samoa","1,204","say \\"hello\\""
"Tonga","12",""
"Niue","3","two
lines"
"""
QUESTIONS = """id\tutterance\tcontext\ttargetValue
nt-0\thow much gold does samoa have?\tcsv/1-csv/2.csv\t1,204
nt-1\twhich nations\\nhave 12?\tcsv/1-csv/2.csv\tFiji|Tonga
nt-2\twho is below tonga?\tcsv/1-csv/2.csv\ta\\pb
"""
NATION, GOLD, NOTE = range(3)


@pytest.fixture
def place(tmp_path):
    for folder in ("data", "csv/1-csv"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "training.tsv").write_text(QUESTIONS, "utf-8")
    (tmp_path / "csv/1-csv/2.csv").write_text(TABLE, "utf-8")
    return tmp_path


@pytest.fixture
def ranker(place):
    (asked, *_), out = wikitables.read(place, "training"), place / "out"
    out.mkdir()
    known = lior_ask.Index(wikitables.unpack(asked, out), embedder="", cache=False).asker.known
    return Ranker(read_question(asked.text, TODAY), learned(), tables_of(known, Filters()))


def test_questions_and_tables_are_read(place, ranker):
    found = wikitables.read(place, "training")
    assert [each.target for each in found] == [("1,204",), ("Fiji", "Tonga"), ("a|b",)]
    assert found[1].text == "which nations\nhave 12?"
    assert ranker.tables[0].cells(NOTE) == ["host [1]", 'say "hello"', "", "two lines"]
    with pytest.raises(click.ClickException, match="clone of https"):
        wikitables.read(place, "other")


@pytest.mark.parametrize(
    ("query", "target", "told"),
    [
        ({"aggregate": Aggregate.COUNT, "where": (Compares(GOLD, "=", 12),)}, "2", (True, True)),
        ({"aggregate": Aggregate.COUNT}, "3", (False, False)),
        ({"aggregate": Aggregate.SUM, "measure": GOLD}, "1231", (True, True)),
        (
            {"aggregate": Aggregate.VALUE, "measure": GOLD, "where": (Is(NATION, ("Samoa",)),)},
            "1204",
            (True, True),
        ),
        (
            {"aggregate": Aggregate.VALUE, "measure": NOTE, "where": (Is(NATION, ("Fiji",)),)},
            "Host",
            (True, True),
        ),
        ({"aggregate": Aggregate.LIST, "where": (Compares(GOLD, "=", 12),)}, "tonga|Fiji", (True, True)),
        ({"aggregate": Aggregate.LIST, "where": (Is(NATION, ("Fiji",)),)}, "12", (False, True)),
        ({"aggregate": Aggregate.LIST, "measure": NATION}, "Fiji", (False, False)),
        ({"aggregate": Aggregate.HIGHEST, "measure": GOLD}, "1,204", (True, True)),
        ({"aggregate": Aggregate.HIGHEST, "measure": GOLD}, "Samoa", (False, True)),
        ({"aggregate": Aggregate.HIGHEST, "measure": GOLD, "show": NATION}, "Samoa", (True, True)),
        ({"aggregate": Aggregate.HIGHEST, "measure": GOLD, "show": NATION}, "1,204", (False, False)),
        (
            {"aggregate": Aggregate.LOWEST, "measure": GOLD, "few": 2, "show": NATION},
            "Niue|Fiji|Tonga",
            (True, True),
        ),
        ({"aggregate": Aggregate.EXISTS, "where": (Is(NATION, ("Oz",)),)}, "no", (True, True)),
        ({"aggregate": Aggregate.DUPLICATES, "measure": GOLD}, "12", (False, False)),
        ({"aggregate": Aggregate.COUNT, "group": Group(GOLD, "highest")}, "12", (True, True)),
        ({"aggregate": Aggregate.COUNT, "group": Group(GOLD, "highest")}, "2", (False, True)),
        ({"aggregate": Aggregate.COUNT, "group": Group(GOLD)}, "12", (False, False)),
        (
            {
                "aggregate": Aggregate.VALUE,
                "measure": NATION,
                "where": (Beside(0, "below", (Is(0, ("Fiji",)),)),),
            },
            "Samoa",
            (True, True),
        ),
        (
            {"aggregate": Aggregate.MEAN, "measure": GOLD, "where": (Is(NATION, ("Oz",)),)},
            "1",
            (False, False),
        ),
    ],
)
def test_a_query_is_right_if_its_result_is_the_answer(ranker, query, target, told):
    assert wikitables.denotes(ranker, Query(table=0, **query), target.split("|")) == told


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (("1,204",), "1,204", "right"),
        (("Fiji", "Tonga"), "Tonga, Fiji", "right"),
        (("Fiji", "Tonga"), "Fiji", "sure and wrong"),
        (("3",), "4", "sure and wrong"),
    ],
)
def test_replies_are_judged_by_the_answer(place, target, value, verdict):
    asked = attrs.evolve(wikitables.read(place, "training")[0], target=target)
    row = Passage(document="table.csv", line=2, text="nothing")
    result = Result(operation="value", value=value, about="", arithmetic="", rows=(row,))
    answer = Answer(
        question="?",
        found=True,
        confidence=0.9,
        answer=row,
        passages=(),
        method="",
        said=value,
        result=result,
    )
    assert wikitables.judged(asked, answer) == verdict
    assert wikitables.judged(asked, None) == "declined"


def test_other_peoples_questions_are_left_out_of_each_part(place, tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    found = examples_of_others(wikitables.read(place, "training"), tmp_path / "new")
    assert [(each.kind, each.meant, each.wanted) for each in found] == [(OTHERS, True, None)] * 3
    seen = list[str]()

    def learn_parts(own, every, seed):
        seen.extend(each.kind for each in own)
        return learned()

    monkeypatch.setattr("lior_bench.queries.learning.learn_parts", learn_parts)
    made = part([], (), 0, wikitables.read(place, "training"))
    assert seen == []
    assert [each.kind for each in made.choices] == [OTHERS] * 3
    assert made.choices[0].meant
    assert made.choices[0].right.any()
