"""Conditions that a question implies, and the columns that its numbers and periods are about."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior_ask import Index
from lior_ask.embedders.e5 import E5
from lior_ask.question.filters import Filters
from lior_ask.question.question import Question
from lior_ask.tables import choosing
from lior_ask.tables.asked import asked
from lior_ask.tables.implied import ROLES, Implied, Implying
from lior_ask.tables.learned import learned, read_words
from lior_ask.tables.mentions import Links
from lior_ask.tables.proposing import LEAST_IMPLIED
from lior_ask.tables.query import Compares, Filled, Not
from lior_ask.tables.ranking import Ranker
from lior_ask.tables.sources import tables_of

DAY = date(2026, 11, 28)
WIDTH = 3


def weights(seed: int) -> Implying:
    random = np.random.default_rng(seed)
    shapes = {"constants": (), "asked": (WIDTH,), "words": (1 + WIDTH,), "columns": (WIDTH,)}
    made = {name: random.normal(size=(len(ROLES), *shape)) for name, shape in shapes.items()}
    return Implying(**made, pairs=random.normal(size=(2, len(ROLES), WIDTH)))


@given(st.integers(0, 99), st.sampled_from(ROLES), st.integers(0, 4))
def test_the_odds_are_the_sum_of_their_parts(seed, role, number):
    random, own, place = np.random.default_rng(seed), weights(seed), ROLES.index(role)
    text, words, names = (random.normal(size=shape) for shape in ((WIDTH,), (number, WIDTH), (2, WIDTH)))
    implied = own.of(text, words)
    told = own.words[place, 0] + words @ own.words[place, 1:]
    most = np.log(np.exp(2 * told).sum()) / 2 if number else 0
    one = own.constants[place] + own.asked[place] @ text + most
    one += own.columns[place] @ names[0] + own.pairs[0, place] @ (text * names[0])
    two = one + own.pairs[1, place] @ (text * names[1])
    np.testing.assert_allclose(implied.odds(role, names[:1]), [one])
    np.testing.assert_allclose(implied.odds(role, names[None]), [two])


@given(st.integers(0, 99), st.permutations(range(4)))
def test_the_order_of_words_and_columns_does_not_matter(seed, order):
    random, own = np.random.default_rng(seed), weights(seed)
    text, words, names = (random.normal(size=shape) for shape in ((WIDTH,), (4, WIDTH), (4, WIDTH)))
    first, other = (own.of(text, each).odds("empty", names) for each in (words, words[order]))
    np.testing.assert_allclose(first, other)
    np.testing.assert_allclose(own.of(text, words).odds("empty", names[order]), first[order])


BILLS = """Supplier;Issued;Due;Settled;Amount;Discount
Kessler;2026-09-01;2026-10-01;2026-09-20;120.50;0
Brandt;2026-10-02;2026-11-02;;80.00;5
Vogt;2026-11-10;2026-12-10;;310.00;0
Oster;2026-08-04;2026-09-04;2026-09-30;45.00;2
"""
BOATS = """boat;built;weight kg;seats
Ilse;1968;52;1
Tern;2004;14;1
Lachs;1990;98;5
Otter;2012;27;2
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    (folder / "bills.csv").write_text(BILLS)
    (folder / "boats.csv").write_text(BOATS)
    return Index(folder, cache=False).asker.known


@pytest.fixture
def likeliest(known, monkeypatch):
    """Return the likeliest condition that a question implies, and its query."""
    rankers = []

    class Watched(choosing.Ranker):
        def ranked(self):
            rankers.append(self)
            return super().ranked()

    monkeypatch.setattr(choosing, "Ranker", Watched)

    def told(text: str):
        query = choosing.choose(Question(text), known, DAY).query
        said, own = rankers[-1].asked, rankers[-1].tables
        [bills] = [Links(said, table) for table in own if table.heads[0].document == "bills.csv"]
        odds = {piece: learned().implies(said, bills, piece) for piece in bills.implied()}
        best = max(odds, key=lambda piece: odds[piece])
        return best.role, *(bills.table.columns[n].name for n in best.columns), query

    return told


@pytest.mark.parametrize(
    ("text", "role", "column"),
    [
        ("Which bills are still unpaid?", "empty", "Settled"),
        ("quelles factures ne sont pas encore réglées", "empty", "Settled"),
        ("welche Rechnungen sind noch offen?", "empty", "Settled"),
        ("qué facturas faltan por pagar", "empty", "Settled"),
        ("bills without any discount", "zero", "Discount"),
        ("overdue bills", "past", "Due"),
        ("was ist schon fällig", "past", "Due"),
    ],
)
def test_what_no_word_names_is_implied_in_any_language(likeliest, text, role, column):
    assert likeliest(text)[:2] == (role, column)


def test_the_query_has_the_condition_that_is_implied(likeliest):
    *_, unpaid = likeliest("Which bills are still unpaid?")
    assert unpaid.where == (Not(Filled(3)),)
    *_, whole = likeliest("bills without any discount")
    assert whole.where == (Compares(5, "=", Decimal(0)),)


def linked_to(known, text: str, name: str) -> Links:
    tables = tables_of(known, Filters())
    return next(Links(asked(text, DAY), each) for each in tables if each.heads[0].document == name)


def test_a_number_is_compared_with_the_column_that_is_meant(known, likeliest):
    text = "boats heavier than 50"
    *_, heavy = likeliest(text)
    assert heavy.where == (Compares(2, ">", Decimal(50)),)
    boats = linked_to(known, text, "boats.csv")
    assert {*learned().meant(boats.asked, boats, "compared").values()} == {0.0}  # without an encoder
    boats.matched.clear()
    boats.asked.implied = learned().implying.of(E5().embed([text], question=True)[0], read_words(text))
    odds = learned().meant(boats.asked, boats, "compared")
    assert max(odds, key=lambda n: odds[n]) == 2


def test_the_encoder_tells_more_than_half_of_the_odds(known):
    bills = linked_to(known, "Which bills are still unpaid?", "bills.csv")
    piece = next(each for each in bills.implied() if each.role == "empty")
    by_words = learned().implies(bills.asked, bills, piece)
    bills.implications.clear()
    nothing = np.zeros((2, len(ROLES), 384))
    bills.asked.implied = Implied(np.full(len(ROLES), 7.0), nothing)
    assert learned().implies(bills.asked, bills, piece) == pytest.approx(0.6 * 7 + 0.4 * by_words)


def test_a_query_without_the_likeliest_condition_shows_it(known):
    bills = linked_to(known, "Which bills are still unpaid?", "bills.csv")
    ranker = Ranker(bills.asked, learned(), [bills.table])
    found, scores = ranker.proposed()
    odds = max(found[0].links.implications.values())
    for each in found:
        features = dict(ranker.features(each, scores, learned().matches(bills.asked, each.links)))
        own = [piece for piece in each.pieces if piece.kind == "implied"]
        assert ("implied lost" in features) == (not own)
        if not own:
            assert features["implied lost"] == pytest.approx(max(odds - LEAST_IMPLIED, 0))
        if len(own) == 1:
            assert features["implied match best"] == pytest.approx(features["implied match"] - odds)
    assert any(piece.kind == "implied" for each in found for piece in each.pieces)
