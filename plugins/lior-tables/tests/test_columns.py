"""Rows of any type become the same coordinates, learned from the training rows alone."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lior_tables.columns import CLIP, LEVELS, Columns
from lior_tables.rows import ColumnNote, table

NAMES = ["size", "colour", "sold", "new", "kind", "same"]


def pandas_rows():
    return pd.DataFrame(
        {
            "size": [1.0, 2.0, np.nan, 4.0, 7.0],
            "colour": ["red", "blue", "red", None, "green"],
            "sold": pd.to_datetime(["2020-01-01", "2020-01-03", None, "2021-01-01", "2022-01-01"]),
            "new": [True, False, True, True, False],
            "kind": pd.Categorical(["a", "b", "a", "a", "b"]),
            "same": [5] * 5,
        }
    )


def polars_rows():
    days = [
        datetime.date(2020, 1, 1),
        datetime.date(2020, 1, 3),
        None,
        datetime.date(2021, 1, 1),
        datetime.date(2022, 1, 1),
    ]
    return pl.DataFrame(
        {
            "size": [1, 2, None, 4, 7],
            "colour": ["red", "blue", "red", None, "green"],
            "sold": days,
            "new": [True, False, True, True, False],
            "kind": pl.Series(["a", "b", "a", "a", "b"], dtype=pl.Categorical),
            "same": [5] * 5,
        }
    )


def object_rows():
    frame = pandas_rows()
    frame["sold"] = [None if day is pd.NaT else day.to_pydatetime() for day in frame["sold"]]
    return frame.astype(object).to_numpy()


def fitted(rows, weights=None, **options):
    found = table(rows, NAMES)
    weights = np.ones(len(found)) if weights is None else weights
    y = np.arange(float(len(found)))[:, None]
    return Columns.fit(found, weights, y, rng=np.random.RandomState(0), **options)


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
@pytest.mark.parametrize("categories", ["one-hot", "distance"])
@pytest.mark.parametrize("rows", [polars_rows, object_rows])
def test_frames_and_arrays_of_the_same_rows_have_the_same_coordinates(rows, categories):
    columns, z = fitted(pandas_rows(), categories=categories)
    others, other_z = fitted(rows(), categories=categories)
    np.testing.assert_allclose(z, other_z, atol=1e-12)
    assert columns.origins.tolist() == others.origins.tolist()
    np.testing.assert_allclose(columns.encode(table(rows(), NAMES)), others.encode(table(rows(), NAMES)))


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
def test_each_coordinate_says_which_column_it_is_of():
    columns, z = fitted(pandas_rows())
    several = {"size": 2, "colour": 4, "sold": 2, "new": 1, "kind": 1, "same": 0}
    assert [NAMES[i] for i in columns.origins] == [name for name in NAMES for _ in range(several[name])]
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-12)
    there = [i for i in range(10) if i not in (0, 6)]
    np.testing.assert_allclose(z[:, there].std(0), 1, atol=1e-12)  # the others have the mean where none is


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
@pytest.mark.parametrize("categories", ["one-hot", "distance"])
def test_the_map_survives_json(categories):
    columns, _ = fitted(pandas_rows(), categories=categories)
    again = Columns.of_record(json.loads(json.dumps(columns.record(), allow_nan=False)))
    rows = table(polars_rows(), NAMES)
    np.testing.assert_array_equal(columns.encode(rows), again.encode(rows))


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.floats(-1e6, 1e6)),
    st.data(),
)
def test_weights_are_repetitions(values, data):
    counts = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(values), max_size=len(values))))
    names = [f"x{i}" for i in range(values.shape[1])]
    y = np.zeros((len(values), 1))
    rng = np.random.RandomState
    _, z = Columns.fit(table(values, names), counts.astype(float), y, rng=rng(0))
    repeated = table(values.repeat(counts, 0), names)
    _, z2 = Columns.fit(repeated, np.ones(len(repeated)), y.repeat(counts, 0), rng=rng(0))
    assert z.shape == (len(values), z2.shape[1])
    assert z.shape[1] >= 2
    assert np.abs(z).max() <= CLIP
    np.testing.assert_allclose(z.repeat(counts, 0), z2, atol=1e-6)


@pytest.mark.parametrize("categories", ["one-hot", "distance"])
def test_rows_are_taken_in_their_order_whatever_their_index_says(categories):
    rng = np.random.RandomState(0)
    rows = table(
        pd.DataFrame({"w": rng.choice(list("abcdefghijklmnop"), 200), "x": rng.randn(200)}), ["w", "x"]
    )
    some = rows.iloc[rng.permutation(200)[:150]]
    weights, y = rng.uniform(1, 5, 150), rng.randn(150, 1)
    found = [
        Columns.fit(each, weights, y, categories=categories, rng=np.random.RandomState(1))
        for each in (some, some.reset_index(drop=True))
    ]
    assert found[0][0].record() == found[1][0].record()
    np.testing.assert_array_equal(found[0][1], found[1][1])
    if categories == "one-hot":
        shares = pd.Series(weights).groupby(some["w"].to_numpy()).sum() / weights.sum()
        assert found[0][0].encodings[0].levels == tuple(shares.sort_values(ascending=False).index)


def test_a_word_that_is_new_is_like_the_mean_of_all_and_is_named():
    columns, _ = fitted(pandas_rows().drop(columns="sold").assign(sold=0.0)[NAMES])
    row = pandas_rows().drop(columns="sold").assign(sold=0.0, colour="teal")[NAMES]
    with pytest.warns(ColumnNote, match="'teal' was not there in training"):
        z = columns.encode(table(row, NAMES))
    np.testing.assert_allclose(z[:, columns.origins == NAMES.index("colour")], 0, atol=1e-12)


def test_a_training_row_has_no_part_in_the_mean_of_its_word():
    rows = table(np.array([[word] for word in "aaaabbbbcccc"], dtype=object), ["w"])
    weights, y = np.ones(12), np.arange(12.0)[:, None]
    columns, z = Columns.fit(rows, weights, y, categories="distance", rng=np.random.RandomState(0))
    before = z[0, 0] * columns.encodings[0].deviation + columns.encodings[0].mean
    y[0] = 1e6
    columns, z = Columns.fit(rows, weights, y, categories="distance", rng=np.random.RandomState(0))
    after = z[0, 0] * columns.encodings[0].deviation + columns.encodings[0].mean
    seen = y[np.random.RandomState(0).permutation(12) % 5 != np.random.RandomState(0).permutation(12)[0] % 5]
    assert 1e6 not in seen  # the means of its part are those of the other rows
    np.testing.assert_allclose(before, after)


def test_many_words_share_a_coordinate_and_names_are_left_out():
    words = [f"w{i % 80}" for i in range(400)]
    with pytest.warns(ColumnNote, match="80 different words; the 60 most frequent"):
        columns, _ = fitted_one(words, categories="one-hot")
    assert len(columns.origins) == LEVELS + 1
    columns, _ = fitted_one(words)
    assert columns.origins.tolist() == [0, -1]  # a coordinate that only fills up
    with pytest.warns(ColumnNote, match="column 'w' identifies rows and is left out"):
        columns, _ = fitted_one([f"name {i}" for i in range(400)])
    assert columns.origins.tolist() == [-1, -1]


def fitted_one(words, **options):
    rows = table(pd.DataFrame({"w": words}), ["w"])
    y = np.arange(float(len(words)))[:, None]
    return Columns.fit(rows, np.ones(len(words)), y, rng=np.random.RandomState(0), **options)


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("n", np.arange(100_000).astype(str), "identifies rows"),
        ("PassengerId", range(100), "identifies rows"),
        ("row_id", range(100), "identifies rows"),
        ("paid", range(100), None),
        ("id", [*range(50)] * 2, None),
        ("leak", [np.exp(i) for i in range(100)], "alone explains 100.0 % of the target; leave it out if"),
        ("leak", range(100), "alone explains 99.*% of the target"),
        ("group", [*"abcdefghij"] * 10, None),
    ],
)
@pytest.mark.filterwarnings("error")
def test_identifiers_are_left_out_and_leaks_are_named(name, column, said):
    rows = table(pd.DataFrame({name: column}), [name])
    y = np.random.RandomState(0).normal(size=(len(rows), 1))
    if name == "leak":
        clean = np.sqrt(np.arange(100.0))[:, None]
        y = clean + (0.09 * clean.std() * y if column == range(100) else 0)
    rng = np.random.RandomState(0)
    if said is None:
        Columns.fit(rows, np.ones(len(rows)), y, rng=rng)
        return
    with pytest.warns(ColumnNote, match=f"column '{name}' {said}"):
        columns, _ = Columns.fit(rows, np.ones(len(rows)), y, rng=rng)
    assert columns.origins[0] == (0 if name == "leak" else -1)


def test_a_wild_value_counts_no_more_than_a_large_one():
    columns, z = fitted(pandas_rows().assign(sold=[0.0, 1.0, 2.0, 3.0, 4.0]))
    wild = table(pandas_rows().assign(sold=1e9), NAMES)
    at = columns.origins.tolist().index(NAMES.index("sold"))
    assert columns.encode(wild)[:, at].tolist() == [CLIP] * 5
    assert np.abs(z).max() < CLIP


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 1e12), (1e-12, 1.0), (1e-300, 0.0), (1e300, 0.0)])
@pytest.mark.parametrize("rows", [5, 20_000])
def test_numbers_far_from_0_keep_what_differs_and_constants_are_left_out(scale, offset, rows):
    x = np.linspace(-1, 1, rows)
    frame = pd.DataFrame({"x": offset + scale * x, "same": 0.1 + offset, "rounded": offset})
    frame.loc[0, "rounded"] = np.nextafter(offset, 2 * offset)
    y, rng = np.zeros((rows, 1)), np.random.RandomState(0)
    columns, z = Columns.fit(table(frame, list(frame)), np.full(rows, 0.7), y, rng=rng)
    assert columns.origins.tolist() == [0, -1]
    np.testing.assert_allclose(z[:, 0], x / x.std(), atol=1e-3)


def test_codes_that_are_numbers_can_be_words():
    columns, _ = fitted(pandas_rows().assign(sold=[3.0, 3.0, 12.0, 12.0, 100.0]), words=["sold"])
    assert set(columns.encodings[NAMES.index("sold")].levels) == {"3", "12", "100"}


@pytest.mark.parametrize(
    ("frame", "error", "said"),
    [
        (pd.DataFrame({"a": [1.0, np.inf]}), ValueError, "infinity"),
        (pd.DataFrame({"a": [1j, 2]}), ValueError, "Complex data not supported"),
        (pd.DataFrame({"a": pd.to_timedelta([1, 2])}), TypeError, "neither number, word nor date"),
        (pl.DataFrame({"a": [[1], [2]]}), TypeError, "argument must be a string or a number, not 'list'"),
        (pd.DataFrame({"a": [{"b": 1}, {"c": 2}]}), TypeError, "argument must be a string or a number"),
    ],
)
def test_what_is_no_table_is_refused(frame, error, said):
    with pytest.raises(error, match=said):
        table(frame, ["a"])


def test_words_where_numbers_were_are_refused():
    columns, _ = fitted(pandas_rows().assign(sold=0.0))
    with pytest.raises(TypeError, match="column 'size': 'tall' is a word"):
        columns.encode(table(pandas_rows().assign(sold=0.0, size="tall"), NAMES))
