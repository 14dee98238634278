"""Gold answers, which queries are right, and what is learned from two small folders."""

from __future__ import annotations

import json
import zipfile
from decimal import Decimal

import attrs
import numpy as np
import pytest

pytest.importorskip("sklearn")  # at once, because it changes the environment

from lior.interfaces import Passage, Result
from lior_ask.answer.selection import Answer
from lior_ask.tables.implied import ROLES
from lior_ask.tables.learned import Network, read
from lior_ask.tables.query import Aggregate, Beside, Compares, Filled, Is, Query, Within
from lior_bench.queries import command, worlds
from lior_bench.queries.altering import altered
from lior_bench.queries.command import verdict
from lior_bench.queries.examples import (
    accepted,
    beside_of,
    conditioned,
    examples,
    label_of,
    limits_of,
    right,
)
from lior_bench.queries.implying import Row, fit_implying, made_rows
from lior_bench.queries.network import mean_of
from lior_bench.queries.worlds import Gold, Sheet, World, answer
from lior_bench.worlds import DATA

ROWS = [
    ["2026-09-03", "Milk & Co", -12.5],
    ["2026-09-20", "Ada Kern", 60],
    ["2026-10-02", "Milk & Co", -7.5],
    ["2026-10-05", "Baker", -20],
    ["2026-11-30", "Ada Kern", 40],
]
SHEET = {
    "file": "bank.csv",
    "columns": [{"name": "day", "type": "date"}, {"name": "payee"}, {"name": "amount", "type": "number"}],
    "rows": ROWS,
}
OUT, IN = ["amount", "<", 0], ["amount", ">", 0]
QUESTIONS = [
    {"q": "how much did we spend", "op": "sum", "col": "amount", "sign": -1, "where": [OUT]},
    {
        "q": "how much did we spend in october",
        "op": "sum",
        "col": "amount",
        "sign": -1,
        "where": [OUT, ["day", "in", "2026-10"]],
    },
    {
        "q": "how much did we spend per month",
        "op": "sum",
        "col": "amount",
        "sign": -1,
        "where": [OUT],
        "group": "month",
    },
    {"q": "how much did we get", "op": "sum", "col": "amount", "where": [IN]},
    {"q": "how much did we get per month", "op": "sum", "col": "amount", "where": [IN], "group": "month"},
    {"q": "what is the total of the amounts", "op": "sum", "col": "amount"},
    {"q": "how many payments are there", "op": "count"},
    {"q": "how many payments to the baker", "op": "count", "where": [["payee", "is", "Baker"]]},
    {"q": "what is the largest amount", "op": "highest", "col": "amount", "show": "payee"},
    {"q": "when is the next payment", "op": "oldest", "col": "day", "where": [["day", ">=", "2026-11-28"]]},
    {"q": "how much is the fee of the dentist", "op": "none"},
    {"q": "which colour is the car", "op": "none"},
    {"q": "when is the hall locked", "op": "passage"},
]

IMPLIED = {
    "columns": [["item", "text"], ["stock", "number"], ["minimum", "number"]],
    "questions": [
        {"q": "what must we order", "implied": [["stock", "<", "minimum"]]},
        {"q": "what must we order", "implied": [["minimum", ">", "stock"]]},
        {"q": "all gone", "implied": [["stock", "zero"]]},
    ],
}
BAKER = {"of": [["payee", "is", "Baker"]]}
AFTER = {"q": "who came right after the baker", "op": "value", "col": "payee"}
AFTER["where"] = [["day", "next", BAKER]]


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A checkout with two folders of one table each."""
    data, tables = (tmp_path / path for path in (DATA, command.WEIGHTS))
    data.mkdir(parents=True)
    tables.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    asked = [each if each["op"] in worlds.NO_QUERY else {**each, "table": "bank.csv"} for each in QUESTIONS]
    record = json.dumps({"lang": "en", "tables": [SHEET], "questions": asked})
    lines = ["day,payee,amount", *(",".join(map(str, row)) for row in ROWS)]
    (data / "implied.jsonl").write_text(json.dumps(IMPLIED) + "\n")
    beside = [{**AFTER, "folder": name, "table": "bank.csv"} for name in ("a_1", "a_2", "b_1")]
    (data / worlds.BESIDE).write_text("".join(f"{json.dumps(each)}\n" for each in beside))
    with zipfile.ZipFile(data / worlds.FILE, "w") as archive:
        for name in ("a_1", "a_2"):
            archive.writestr(f"{name}.json", record)
            archive.writestr(f"{name}/bank.csv", "\n".join(lines))
    return tables


@pytest.mark.parametrize(
    ("asked", "value", "rows"),
    [
        ({"op": "sum", "col": "amount", "sign": -1, "where": [OUT]}, 40.0, (0, 2, 3)),
        (
            {"op": "mean", "col": "amount", "where": [["day", "in", "2026-09..2026-10-02"]]},
            13.3333,
            (0, 1, 2),
        ),
        ({"op": "count", "where": [["payee", "is not", ["Baker", "ada kern"]]]}, 2, (0, 2)),
        ({"op": "distinct", "col": "payee"}, 3, (0, 1, 2, 3, 4)),
        ({"op": "lowest", "col": "amount", "n": 2}, -20.0, (0, 3)),
        ({"op": "newest", "col": "day"}, "2026-11-30", (4,)),
        ({"op": "value", "col": "payee", "where": [["amount", "is", 40]]}, "Ada Kern", (4,)),
        ({"op": "share", "part": [["payee", "has", "milk"]]}, 40.0, (0, 2)),
        ({"op": "between", "col": "day", "where": [["payee", "has", "ada"]]}, 71, (1, 4)),
        ({"op": "duplicates", "col": "payee"}, ["Milk & Co", "Ada Kern"], (0, 1, 2, 4)),
        ({"op": "sum", "col": "amount", "group": "month", "over": "highest"}, {"2026-09": 47.5}, (0, 1)),
        ({"op": "count", "group": "payee", "over": "mean"}, 1.6667, (0, 1, 2, 3, 4)),
        (AFTER, "Ada Kern", (4,)),
        ({"op": "value", "col": "day", "where": [["#", "previous", BAKER]]}, "2026-10-02", (2,)),
        ({"op": "count", "where": [["amount", ">", BAKER], ["day", "in", "2026-10"]]}, 1, (2,)),
        ({"op": "count", "where": [["amount", "<", BAKER]]}, 0, ()),
        ({"op": "count", "where": [["payee", "is", {"of": [["day", "is", "2026-09-03"]]}]]}, 1, (2,)),
    ],
)
def test_gold_answers(asked, value, rows):
    assert answer(Sheet(**SHEET), asked) == Gold(value, rows)


def test_the_reader_finds_every_table_of_a_kept_folder(tmp_path):
    (world,) = worlds.worlds(lambda name: name == "w6_1")
    found = examples([world], tmp_path)
    assert len(found) == len(world.questions)
    tables = {each.wanted.table: each for each in found if each.wanted}
    assert {each.asked["table"] for each in tables.values()} == {*world.sheets}
    for each in tables.values():
        assert len(each.tables[each.wanted.table].rows) == len(world.sheets[each.asked["table"]].rows)


def test_queries_are_right_by_their_rows(folders, tmp_path):
    world = worlds.worlds(lambda name: name == "a_1")[0]
    asked = {each.asked["q"]: each for each in examples([world], tmp_path / "out")}
    table = asked["how much did we spend"].tables[0]

    def of(text: str, judge=right, **query):
        return judge(asked[text], Query(table=0, **query), lambda each: table.where(each.where).tolist())

    spent = {"aggregate": Aggregate.SUM, "measure": 2, "where": (Compares(2, "<", Decimal(0)),)}
    assert of("how much did we spend", sign=-1, **spent)
    assert not of("how much did we spend", sign=1, **spent)
    assert not of("how much did we spend in october", sign=-1, **spent)
    october = Within(0, "2026-10-01", "2026-10-31", "in October")
    spent["where"] = (*spent["where"], october)
    assert of("how much did we spend in october", sign=-1, **spent)
    highest = {"aggregate": Aggregate.HIGHEST, "measure": 2, "where": (Filled(0),)}
    assert of("what is the largest amount", show=1, **highest)
    assert not of("what is the largest amount", **highest)
    assert of("what is the largest amount", accepted, **highest)
    assert label_of(asked["when is the next payment"]) == "next"


def test_comparisons_with_another_row_have_roles_and_right_queries(folders, tmp_path):
    (world,) = worlds.beside(worlds.worlds(lambda name: name == "a_1"))
    more = {"q": "more than the baker", "table": "bank.csv", "op": "count", "where": [["amount", ">", BAKER]]}
    world = attrs.evolve(world, questions=[*world.questions, more, {**more, "where": [["#", "next", BAKER]]}])
    each, larger, below = examples([world], tmp_path / "out")
    assert beside_of(each, each.own) == {("next", 0)}
    assert beside_of(larger, larger.own) == {("beside >", 2)}
    assert beside_of(below, below.own) == {("below", 1)}
    assert limits_of(each) == [False] * 5 + [True]
    assert conditioned(larger, larger.own) == {}
    baker = (Is(1, ("Baker",)),)
    for how, is_right in (("next", True), ("below", True), (">", True), ("previous", False)):
        query = Query(table=0, aggregate=Aggregate.VALUE, measure=1, where=(Beside(0, how, baker),))
        assert right(each, query, lambda own: each.tables[0].where(own.where).tolist()) == is_right


def test_altered_questions_name_a_value_that_no_table_has():
    def folder(name, payees):
        rows = [[f"2026-10-{n + 1:02}", payee, -1] for n, payee in enumerate(payees)]
        asked = [
            {"q": f"How much did we pay at {payee} in {month}?", "op": "sum", "table": "t", "where": where}
            for payee in payees
            for where in [[["payee", "is", payee]]]
            for month in ("May", "June", "July", "August")
        ]
        asked.append({"q": "How much did we pay to Nobody?", "op": "none"})
        return World(name, "en", {"t": Sheet("bank.csv", SHEET["columns"], rows)}, asked)

    own, other = folder("a", ["Baker", "Milk & Co"]), folder("b", ["Hornbach", "Bakers", "Castorama"])
    made = altered(own, [own, other], np.random.default_rng(0))
    assert len(made) == 1
    for each in made:
        assert each["op"] == "none"
        assert "Hornbach" in each["q"] or "Castorama" in each["q"], each
        assert "Bakers" not in each["q"]
    assert altered(own, [own], np.random.default_rng(0)) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--learn", "--worlds", "zzz"), "there is no such folder"),
        (("--altered", "--worlds", "a"), "there is no such folder"),  # both folders have the same values
        (("--altered", "--learn"), "use one of --altered, --beside and --learn"),
        (("--beside", "--wikitables", "."), "--wikitables asks by itself"),
        (("--wikitables", "."), "needs a clone of https://github.com/ppasupat/WikiTableQuestions"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(folders, bench, asked, said):
    outcome = bench("queries", *asked)
    assert outcome.code != 0
    assert said in outcome.err


def test_altered_questions_are_asked(folders, bench, tmp_path):
    with zipfile.ZipFile(tmp_path / DATA / worlds.FILE, "a") as archive:
        question = {"q": "What went to Hornbach?", "op": "sum", "table": "bank.csv", "col": "amount"}
        sheet = {**SHEET, "rows": [["2026-10-03", "Hornbach", -1]]}
        question["where"] = [["payee", "is", "Hornbach"]]
        archive.writestr("a_3.json", json.dumps({"lang": "en", "tables": [sheet], "questions": [question]}))
        archive.writestr("a_3/bank.csv", "day,payee,amount\n2026-10-03,Hornbach,-1\n")
    told = bench("queries", "--altered", "--worlds", "a", "--all").out
    assert "how much did we spend to Hornbach" in told


def test_what_compares_with_another_row_is_asked(folders, bench):
    told = bench("queries", "--beside", "--worlds", "a", "--all").out
    assert "who came right after the baker" in told
    assert "2 questions" in told


def test_the_mean_of_networks_is_one_network():
    random, made = np.random.default_rng(0), list[Network]()
    for _ in range(3):
        scale, weights = random.uniform(0.5, 2, 5), [random.normal(size=n) for n in ((5, 4), 4, 4, 5)]
        made.append(Network((*"abcde",), scale, *weights, float(random.normal())))
    values, mean = random.normal(size=(7, 5)), mean_of(made)
    np.testing.assert_allclose(mean(values), np.mean([each(values) for each in made], 0))
    assert mean.constant == pytest.approx(np.mean([each.constant for each in made]))


@pytest.mark.slow
def test_what_is_learned_of_two_folders_is_written_and_loads(folders, bench):
    said = bench("queries", "--learn", "--write", "--worlds", "a")
    assert "28 questions" in said.out
    found = read((folders / "learned.json").read_text("utf-8"))
    assert {"sum", "count", "none", "next"} <= {*found.heads["class"].outputs}
    assert found.ranker.hidden.shape == (len(found.ranker.names), 3 * 64)
    assert "share" in found.sure.places
    assert found.implying is not None
    assert found.implying.pairs.shape == (2, len(ROLES), 384)


@pytest.mark.slow
def test_conditions_are_learned_from_questions_words_and_columns():
    random, width = np.random.default_rng(0), 8
    asked, names = random.normal(size=(1000, width)).astype(np.float32), random.normal(size=(6, width))
    words = [random.normal(2, size=(2, width)).astype(np.float32) for _ in asked]
    words[0] = np.zeros((0, width), np.float32)
    names = names.astype(np.float32)
    pairs = [(n, k) for n in range(len(asked)) for k in range(len(names))]
    rows = [Row(n, "past", names[[k]], bool((asked[n] * names[k]).sum() > 1)) for n, k in pairs]
    rows += [Row(n, "zero", names[[k]], len(words[n]) > 0 and words[n][:, 0].max() > 3) for n, k in pairs]
    # the first column's numbers count against those of the second
    rows += [Row(n, "<", names[[0, k]], bool(asked[n] @ (names[k] - names[0]) > 1)) for n, k in pairs if k]
    never = [Row(n, "future", names[[k]], made, made=made) for n, k in pairs for made in (False, True)]
    found = fit_implying(asked, words, rows + never, seed=0)
    for role in ("past", "zero", "<"):
        own = [each for each in rows if each.role == role]
        odds = np.array(
            [
                found.of(asked[each.question], words[each.question]).odds(role, each.names[None])[0]
                for each in own
            ]
        )
        implied = np.array([each.implied for each in own])
        assert (odds[implied][:, None] > odds[~implied]).mean() > 0.7, role
        assert (1 / (1 + np.exp(-odds))).mean() == pytest.approx(implied.mean(), abs=0.1), role
    # states of words are standardized
    other = fit_implying(asked, [each + 5 for each in words], rows + never, seed=0)
    moved, kept = (own.of(asked[1], words[1] + shift) for own, shift in ((other, 5), (found, 0)))
    np.testing.assert_allclose(moved.roles, kept.roles, atol=1e-2)
    # questions that were written to imply conditions have a constant of their own, which begins at -4
    assert found.constants[ROLES.index("future")] < -4


def test_conditions_of_two_columns_are_known_by_the_first_of_them(folders):
    texts, rows = made_rows(5)
    assert len(texts) == 3
    gold = [(each.question, each.role, len(each.names)) for each in rows if each.implied]
    assert gold == [(5, "<", 2), (6, "<", 2), (7, "zero", 1)]
    assert len({(each.question, each.role, each.names.tobytes()) for each in rows}) == len(rows)


def test_every_condition_that_is_implied_is_found():
    texts, rows = made_rows(0)
    lines = (worlds.folder(DATA) / "implied.jsonl").read_text("utf-8").splitlines()
    own = [each for line in lines for each in json.loads(line)["questions"]]
    assert texts == [each["q"] for each in own]
    assert sum(each.implied for each in rows) == sum(len({*map(tuple, each["implied"])}) for each in own)


@pytest.mark.parametrize(
    ("how", "value", "said", "confidence", "expected"),
    [
        ("sum", 1389.08, "1,389.08", 0.9, "right"),
        ("sum", 389.08, "1,389.08", 0.9, "sure and wrong"),
        ("count", 3, "4", 0.5, "wrong"),
        ("sum", {"Ada": 3.0}, "Ada 3, Eva 4", 0.9, "right"),
        ("sum", 85.5, "1:25:30 h", 0.9, "right"),
        ("mean", 95, "1 h 25 min", 0.9, "sure and wrong"),
        ("value", "2026-11-06", "06.11.26: Datum", 0.9, "right"),
        ("value", "2026-11-06", "11/6/2026", 0.9, "right"),
        ("value", "2026-11-06", "16.11.2026", 0.9, "sure and wrong"),
        ("none", None, "4", 0.9, "sure and wrong"),
        ("none", None, "", None, "right"),
        ("sum", 3.0, "", None, "declined"),
    ],
)
def test_verdicts(how, value, said, confidence, expected):
    rows = (Passage(document="a.csv", line=1, text="row"),)
    reply = Answer(
        question="?",
        found=confidence is not None,
        confidence=confidence or 0.0,
        answer=None,
        passages=(),
        method="",
        said=said,
        result=Result(operation=how, value=said, about="", rows=rows) if confidence else None,
    )
    assert verdict({"op": how}, Gold(value, (0,)), reply) == expected
