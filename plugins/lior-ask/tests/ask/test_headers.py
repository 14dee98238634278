"""The vectors of the names of tables and columns."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

import lior_ask
from lior_ask.embedders import e5
from lior_ask.embedders.e5 import E5
from lior_ask.question.filters import Filters
from lior_ask.tables.asked import asked
from lior_ask.tables.headers import MEANT, Likeness, name_vectors, read_headers, readings, vectors
from lior_ask.tables.learned import learned, read_names, read_question
from lior_ask.tables.proposing import linked
from lior_ask.tables.ranking import Ranker
from lior_ask.tables.sources import tables_of

WIDE = 200
DAY = date(2026, 11, 28)


def write(folder, name: str, *columns: str) -> None:
    (folder / name).write_text(f"{','.join(columns)}\n{','.join('7' for _ in columns)}\n")


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "meter_readings.csv", "day", "kwh")
    write(tmp_path, "runs.csv", "race", "kilometres")
    return tmp_path


def tables(folder, **options):
    known = lior_ask.Index(folder, **options).asker.known
    return known, [each for each in tables_of(known, Filters()) if each.heads[0].document]


def test_each_column_is_read_where_its_name_stands(folder):
    write(folder, "wide.csv", *(f"column_{n}" for n in range(WIDE)))
    _, own = tables(folder, cache=False)
    wide = next(each for each in own if each.heads[0].document == "wide.csv")
    texts, of = [*readings(wide)], e5.open_file().pieces.of
    said = [each.pieces[a:b] for each in texts for a, b in each.ends]
    assert said == [tuple(of(f"column {n};")) for n in range(len(said))]
    assert 100 < len(said) < WIDE
    found = vectors([wide], read_names)[0]
    assert found.shape == (1 + WIDE, 384)
    lengths = np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(lengths[: 1 + len(said)], 1, atol=1e-5)
    assert not lengths[1 + len(said) :].any()


def test_a_table_has_the_same_vectors_beside_others(folder):
    _, own = tables(folder, cache=False)
    for both, single in zip(
        vectors(own, read_names), (vectors([each], read_names)[0] for each in own), strict=True
    ):
        np.testing.assert_allclose(both, single, atol=1e-5)


def test_a_name_alone_is_read_as_any_text(folder):
    write(folder, "wide.csv", *(f"column_{n}" for n in range(WIDE)))
    _, own = tables(folder, cache=False)
    for table, named in zip(own, name_vectors(own, E5().embed), strict=True):
        assert named.shape == (1 + len(table.columns), 384)
        assert not named[0].any()
        names = [each.name.replace("_", " ") for each in table.columns[:3]]
        np.testing.assert_allclose(named[1 : 1 + len(names)], E5().embed(names), atol=0.02)
        if len(table.columns) == WIDE:
            assert not named[-1].any()


def test_names_are_read_once_and_forgotten_with_the_table(folder):
    def refuse(_):
        raise AssertionError("read once more")

    def read(states, embed):
        known, own = tables(folder)
        read_headers(own, known.inverted, "headers of a test", states, embed)
        return known.inverted, [np.array((each.header, each.named)) for each in own]

    _, first = read(read_names, E5().embed)
    index, again = read(refuse, refuse)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(index.database.kept("headers of a test")) == 2
    (folder / "runs.csv").unlink()
    index, left = read(read_names, E5().embed)
    assert len(left) == len(index.database.kept("headers of a test")) == 1


def test_the_table_that_a_question_means_is_the_nearest(folder):
    known, own = tables(folder, cache=False)
    read_headers(own, known.inverted, "headers of a test", read_names, E5().embed)
    for text, name, column in (
        ("How much electricity did we use?", "meter_readings.csv", 1),
        ("What was the longest distance?", "runs.csv", 1),
    ):
        like = Likeness(read_question(text)[1], learned().factors, own)
        best = max(own, key=like.of_table)
        assert best.heads[0].document == name
        assert like.best["table"] == like.of_table(best)
        assert int(np.argmax(like.of_columns(best, "measure"))) == column


def test_without_an_encoder_nothing_is_alike(folder):
    _, own = tables(folder, cache=False)
    like = Likeness(None, learned().factors, own)
    assert {*like.best.values(), *map(like.of_table, own)} == {0.0}
    assert like.of_columns(own[0], MEANT[1]) == [0.0] * len(own[0].columns)


def test_the_table_that_a_question_means_is_proposed_without_a_word_of_it(folder):
    for name in ("albums", "bees", "cheese", "doors", "keys", "lamps"):
        write(folder, f"{name}.csv", "name", "colour")
    known, own = tables(folder, cache=False)
    read_headers(own, known.inverted, "headers of a test", read_names, E5().embed)
    text = "what was the longest distance that anybody jogged"
    like = Likeness(read_question(text)[1], learned().factors, own)
    said, means_runs = asked(text, DAY), [each for each in own if each.heads[0].document == "runs.csv"]
    assert not any(links.linked for links in linked(said, own))
    assert linked(said, own, like)[0].table is means_runs[0]
    assert means_runs[0] not in [links.table for links in linked(said, own)]
    said.name_vector = read_question(text)[1]
    found, _ = Ranker(said, learned(), own).proposed()
    assert any(each.links.table is means_runs[0] for each in found)


def test_days_are_counted_between_any_two_dates_of_a_row(tmp_path):
    lines = ("ordered,promised,delivered,note", "2026-03-01,2026-03-10,2026-03-15,late")
    (tmp_path / "orders.csv").write_text("\n".join((*lines, lines[1])) + "\n")
    _, [orders] = tables(tmp_path, cache=False)
    days = {each.of: orders.numbers(n)[0] for n, each in orders.derived.items() if each.how == "days"}
    assert days == {(0, 1): 9, (0, 2): 14, (1, 2): 5}
