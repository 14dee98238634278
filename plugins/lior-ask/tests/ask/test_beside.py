"""Questions that compare with another row: "dearer than the pump", "the trip after Ghent"."""

from __future__ import annotations

from datetime import date

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lior_ask import Index
from lior_ask.question.filters import Filters
from lior_ask.tables.asked import asked
from lior_ask.tables.learned import learned
from lior_ask.tables.mentions import Links
from lior_ask.tables.query import Aggregate, Beside, Is, Query
from lior_ask.tables.sources import tables_of
from lior_ask.tables.telling import Teller

TODAY = date(2026, 11, 28)
NAME, PRICE, PLACE = range(3)
CELLS = st.lists(st.sampled_from(["", "1", "2", "2.50", "10"]), min_size=2, max_size=7)
HOWS = st.sampled_from(["<", ">", "=", "next", "previous", "below", "above"])


def table_of(text, name="parts.csv"):
    index = Index(embedder="")
    index.learn(name, text)
    return next(each for each in tables_of(index.asker.known, Filters()) if each.heads[0].document == name)


PARTS = table_of(
    "part,price,place\npump,34.50,shed\nhose,12.00,cellar\nvalve,34.50,attic\npump seal,2.00,shed\n"
)


def beside(cells: list[float | None], how: str, row: int) -> list[int]:
    """Return the rows beside one, by their definition."""
    if how in ("below", "above"):
        return [n for n in range(len(cells)) if n == row + (1 if how == "below" else -1)]
    own = cells[row]
    if own is None:
        return []
    if how == "=":
        return [n for n, cell in enumerate(cells) if cell == own and n != row]
    known = [n for n, cell in enumerate(cells) if cell is not None]
    side = [n for n in known if (cells[n] > own if how in (">", "next") else cells[n] < own)]
    near = [cells[n] for n in side]
    nearest = near and (min(near) if how == "next" else max(near))
    return [n for n in side if how in "<>" or cells[n] == nearest]


@given(CELLS, HOWS, st.integers(0, 6))
@example(["", "1"], "previous", 1)
@example(["", "1"], "next", 0)
def test_rows_beside_another_one_are_those_of_the_definition(cells, how, row):
    row %= len(cells)
    lines = [f"item{n},{cell},{4 - n % 3}" for n, cell in enumerate([*cells, "7", "3"])]
    table = table_of("\n".join(["item,price,count", *lines]) + "\n")
    found = table.where([Beside(1, how, (Is(0, (f"item{row}",)),))]).tolist()
    assert found == beside([float(cell) if cell else None for cell in [*cells, "7", "3"]], how, row)


@pytest.mark.parametrize(
    ("how", "named", "rows"),
    [
        ("=", ("pump", "valve"), []),  # both have the same price, and no other part has it
        (">", ("pump", "valve"), []),
        ("<", ("pump", "valve"), [1, 3]),
        ("<", ("pump", "hose"), []),  # two prices: with which of them?
        ("below", ("pump", "valve"), []),
    ],
)
def test_several_rows_are_as_good_as_one_if_their_values_are_the_same(how, named, rows):
    assert PARTS.where([Beside(PRICE, how, (Is(NAME, named),))]).tolist() == rows


def test_only_what_names_a_row_is_compared_with():
    links = Links(asked("what is dearer than the pump", TODAY), PARTS)
    exact, part = (next(p for p in links.pieces if p.kind == kind) for kind in ("exact", "part"))
    assert links.beside([exact], "beside >", PRICE).condition == Beside(PRICE, ">", (exact.condition,))
    assert links.beside([exact], "below", PRICE).condition.column == NAME
    assert links.beside([exact], "beside >", NAME) is None
    assert links.beside([part], "beside >", PRICE) is None  # the pump and its seal
    both = attrs.evolve(exact, condition=Is(NAME, ("pump", "valve"), several=True))
    shed = attrs.evolve(exact, condition=Is(PLACE, ("shed",)))
    assert links.beside([both], "beside >", PRICE) is None
    assert links.beside([shed, both], "beside >", PRICE) is None
    seal = attrs.evolve(part, condition=Is(NAME, ("pump", "pump seal")))
    assert links.beside([seal], "below", PRICE) is None
    valve = attrs.evolve(exact, condition=Is(NAME, ("hose", "valve")))
    attic = attrs.evolve(exact, condition=Is(PLACE, ("attic",)))
    named = links.beside([valve, attic], "beside <", PRICE).condition
    assert named.of == (valve.condition, attic.condition)


@pytest.mark.parametrize(
    ("how", "about", "said"),
    [
        (">", "price > 12.00 (hose)", "mit price > 12.00 (hose)"),
        ("=", "price = 12.00 (hose)", "mit price = 12.00 (hose)"),
        ("next", "right after hose", "gleich nach hose"),
        ("above", "above hose", "über hose"),
    ],
)
def test_a_comparison_with_another_row_is_told_in_words(how, about, said):
    query = Query(table=0, aggregate=Aggregate.COUNT, where=(Beside(PRICE, how, (Is(NAME, ("hose",)),)),))
    told = Teller(PARTS).tell(query, PARTS.where(query.where))
    assert told.result.about.endswith(f"where {about}")
    assert told.said("german").endswith(said)


FLEET = (
    "boat,length m,built,berth\nKittiwake,9.4,1998-05-02,North\nPetrel,11.2,2004-03-15,South\n"
    "Fulmar,7.8,2011-08-20,North\nSkua,12.6,1987-06-30,West\nGannet,10.1,2016-02-11,South\n"
)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("Which boats are longer than the Petrel?", "1 row with length m > 11.2 (Petrel): Skua"),
        ("Is any boat longer than the Skua?", "no: 0 rows with length m > 12.6 (Skua)"),
        ("Quels bateaux sont plus longs que le Petrel ?", "1 ligne avec length m > 11.2 (Petrel): Skua"),
        ("Which other boats have the same berth as Gannet?", "1 row with berth = South (Gannet): Petrel"),
        ("Which boat comes after Skua in the list?", "Gannet: boat below Skua"),
    ],
)
def test_questions_that_compare_with_another_row_are_answered(tmp_path, question, value):
    (tmp_path / "fleet.csv").write_text(FLEET, "utf-8")
    assert Index(tmp_path, cache=False).ask(question).said == value


def test_two_values_of_a_column_may_be_the_row_and_the_one_it_is_compared_with():
    links = Links(asked("is the hose dearer than the valve", TODAY), PARTS)
    [both] = next(pieces for pieces in links.assignments() if any(piece.parts for piece in pieces))
    assert [part.condition.values for part in both.parts] == [("hose",), ("valve",)]
    assert [{*part.positions} for part in both.parts] == [{2}, {6}]


def test_what_is_not_so_shows_the_rows_that_were_compared():
    dearer = Beside(PRICE, ">", (Is(NAME, ("valve",)),))
    for where, lines in (((dearer,), [4]), ((Is(NAME, ("hose",)), dearer), [3, 4])):
        query = Query(table=0, aggregate=Aggregate.EXISTS, where=where)
        told = Teller(PARTS).tell(query, PARTS.where(query.where))
        assert (told.result.value, told.count, [row.line for row in told.result.rows]) == ("0", 0, lines)
        assert told.said("english").startswith("no: 0 rows")


def test_nothing_is_compared_with_another_row_without_an_encoder():
    said = asked("what is dearer than the pump", TODAY)
    assert learned().besides(said, Links(said, PARTS)) == {}
