"""Texts that are numbers, dates or times, as people write them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lior_tables import GeometricRegressor, load
from lior_tables.cells import Form
from lior_tables.reading import read
from lior_tables.rows import ColumnNote, table


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("$2,329.46|$5", [2329.46, 5]),
        ("1.234,50 €|7,00 €", [1234.5, 7]),
        ("92%|7 %", [92, 7]),
        ("43.2 kg|-|1 kg", [43.2, None, 1]),
        ("51,420|1,000", [51420, 1000]),
        ("1.234 kg|2.345 kg", [1.234, 2.345]),
        ("(67.00)|5.00-", [-67, -5]),
        ("1e-3|inf|x|1|2|3", [1e-3, float("inf"), None, 1, 2, 3]),
        ("16.1k|5.2k|634", [16100, 5200, 634]),
        ("8.07M|634K|(2k)|7|5 kg", [8.07e6, 634e3, -2e3, 7, None]),
        ("$5k|$1.5M|$7|12k", [5000, 1.5e6, 7, 12000]),
        ("300 K|5K|7 K", [300, 5, 7]),
        ("5m|6m|7m", [5, 6, 7]),
        ("5 km|6 km|7 km|8|9 miles", [5, 6, 7, 8, None]),
        ("5.5 kg|6.5 kg|7.5 kg|1,000 kg|1300,0 kg", [5.5, 6.5, 7.5, 1000, None]),
        ("5m|6m|7m|8m|1h 30m", [5 / 60, 0.1, 7 / 60, 8 / 60, 1.5]),
        ("17:45|3:20", [17.75, 10 / 3]),
        ("0:45:36|2:30", [0.76, 2.5 / 60]),
        ("5:30 pm|12 a.m.", [17.5, 0]),
        ("1h 30m|45 minutes|2 days", [1.5, 0.75, 48]),
        ("19.02.2021|03.04.2021", ["2021-02-19", "2021-04-03"]),
        ("3/14/2021|2/3/2021", ["2021-03-14", "2021-02-03"]),
        ("2021/02/03|2021-2-4", ["2021-02-03", "2021-02-04"]),
        ("19 Feb 2021|Mar 3, 2021|Fri, 5 Mar 2021 10:30", ["2021-02-19", "2021-03-03", "2021-03-05T10:30"]),
        ("True|false|?|TRUE", [1, 0, None, 1]),
        ("2026-01-02|2026-01-03T11:30+01:00", ["2026-01-02", "2026-01-03T10:30"]),
    ],
)
def test_cells_are_read(cells, values):
    column = pd.Series(cells.split("|"))
    form = Form.of(column, bare=False)
    found = form.read(column)
    expected = pd.Series(values)
    expected = pd.to_datetime(expected, format="ISO8601", utc=True) if form.kind == "date" else expected
    pd.testing.assert_series_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize(
    "cells", ["007|112", "1|2", "1,5|2.5", "5 kg|3 lb", "red|7", "1|2|x", "10.0.0.1|1.2.3", "2026-1|2026-2"]
)
def test_other_texts_stay(cells):
    assert Form.of(pd.Series(cells.split("|")), bare=False) is None


@pytest.mark.parametrize(
    ("cells", "new", "values"),
    [
        ("109,408 km|5 km", "7 km|29,044 miles|7|46.742 km|1.3k", [7, None, 7, 46.742, None]),
        ("1438.2 kg|5 kg", "1.3 t|2866 lb|1300,0 kg|1.010,5 kg|12,34 kg", [None] * 5),
        ("1.438,2|5,1", "0.125|1.234|1.23|1,25|5 kg", [None, 1234, None, 1.25, None]),
        ("5 S|7 S", "8 S|9 H", [8, None]),
        ("19.02.2021|03.04.2021", "2015|Nov 2015|05.04.2021", [None, None, "2021-04-05"]),
    ],
)
def test_new_cells_of_another_unit_or_style_have_no_value(cells, new, values):
    form = Form.of(pd.Series(cells.split("|")), bare=False)
    found = form.read(pd.Series(new.split("|")))
    expected = (
        pd.to_datetime(pd.Series(values), utc=True) if form.kind == "date" else pd.Series(values, dtype=float)
    )
    pd.testing.assert_series_equal(found, expected, check_dtype=False)


def test_a_mark_of_a_gap_does_not_make_numbers_names():
    found = Form.of(pd.Series(["1", "2", "?"]), bare=False).read(pd.Series(["1", "?", "2.5"]))
    assert found.fillna(-1).tolist() == [1, -1, 2.5]


def test_forms_saved_without_a_unit_read_any():
    assert Form("number").values(["5 kg", "3 lb"]) == {"5 kg": 5, "3 lb": 3}


def test_the_main_unit_may_have_few_different_numbers_in_most_rows():
    cells = [f"${i % 10}" for i in range(92)] + [f"€{i}" for i in range(8)]
    assert Form.of(pd.Series(cells)).unit == "$"
    assert Form.of(pd.Series(["0"] * 92 + list("abcdefgh"))) is None


@pytest.mark.parametrize("written", [True, False])
def test_bare_years_among_dates_count_as_missing(written):
    days = pd.Series(pd.date_range("2020-01-01", periods=60))
    frame = pd.DataFrame({"day": days.dt.strftime("%d.%m.%Y") if written else days, "x": range(60)})
    y = np.random.RandomState(0).randn(60)
    with pytest.warns(ColumnNote, match="'day' holds dates"):
        model = GeometricRegressor(members=1, rounds=0, random_state=0).fit(frame, y)
    note = "column 'day': 1 cell that is no date counts as missing \\('2015' in row 0\\)"
    with pytest.warns(ColumnNote, match=note):
        found = model.predict(pd.DataFrame({"day": [2015], "x": [5]}))
    np.testing.assert_array_equal(found, model.predict(pd.DataFrame({"day": [None], "x": [5]})))


def test_a_note_shows_how_a_column_is_read_and_names_the_cells_without_a_number():
    frame = pd.DataFrame({"price": ["$5", "$6", "$7", "free", "n/a", "$1,000"], "code": ["1", "2"] * 3})
    with pytest.warns(ColumnNote) as notes:
        found = table(frame, ["price", "code"])
    assert [str(note.message) for note in notes] == [
        "column 'price' holds numbers: '$5' is read as 5",
        "column 'price': 1 cell that is no number in $ counts as missing ('free' in row 3)",
    ]
    assert found["price"].fillna(-1).tolist() == [5, 6, 7, -1, -1, 1000]
    assert found["code"].tolist() == ["1", "2"] * 3


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
def test_cells_as_people_write_them_predict_what_bare_numbers_do(tmp_path):
    rng = np.random.RandomState(0)
    price, share, day = rng.lognormal(7, 1, 90).round(2), rng.randint(0, 100, 90), rng.randint(0, 900, 90)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(day, "D")
    bare = pd.DataFrame({"price": price, "share": share, "day": days})
    dirty = pd.DataFrame(
        {
            "price": [f"{each:,.2f} €".translate(str.maketrans(".,", ",.")) for each in price],
            "share": [f"{each}%" for each in share],
            "day": days.strftime("%d.%m.%Y"),
        }
    )
    y = np.log(price) + share / 30 + day / 300
    options = {"members": 1, "rounds": 0, "random_state": 0}
    first, second = (GeometricRegressor(**options).fit(each[:70], y[:70]) for each in (bare, dirty))
    second.save(tmp_path / "run")
    again = load(tmp_path / "run")
    np.testing.assert_array_equal(first.predict(bare[70:]), second.predict(dirty[70:]))
    np.testing.assert_array_equal(again.predict(dirty[70:71]), second.predict(bare[70:71]))
    np.testing.assert_array_equal(first.predict(dirty[70:71]), second.predict(bare[70:71]))


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
@pytest.mark.parametrize("gap", ["", "?", "None", "maybe"])
@pytest.mark.parametrize("learned", [True, False])
def test_truth_values_mean_the_same_with_and_without_gaps(tmp_path, gap, learned):
    """A column of truth values is of another type in a file in which a cell is none."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "on": rng.random(60) < 0.5})
    frame["y"] = frame["x"] + 5 * frame["on"]
    gappy = frame.assign(on=frame["on"].astype(object).where(frame.index % 9 > 0, gap))
    for name, each in (("whole", frame), ("gappy", gappy)):
        each.to_csv(tmp_path / f"{name}.csv", index=False)
    first, second = ("gappy", "whole") if learned else ("whole", "gappy")
    known, new = (read(tmp_path / f"{name}.csv") for name in (first, second))
    model = GeometricRegressor(random_state=0, members=1).fit(known[["x", "on"]], known["y"])
    said = gappy["on"] != gap
    assert np.abs(model.predict(new[["x", "on"]]) - frame["y"])[said].max() < 1


@pytest.mark.filterwarnings("ignore::lior_tables.rows.ColumnNote")
@pytest.mark.parametrize("sizes", ["1.50 2.50 XL 3.00", "1e3 2.10 XL 2.1", "7 8 XL 9"])
def test_words_that_are_numbers_mean_the_same_where_no_other_words_are(tmp_path, sizes):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=80), "size": sizes.split() * 20})
    frame["y"] = frame["x"] + 5 * (frame.index % 4)
    for name, part in (("all", frame), ("numbers", frame[frame["size"] != "XL"])):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    known, new = (read(tmp_path / f"{name}.csv") for name in ("all", "numbers"))
    model = GeometricRegressor(random_state=0, members=1).fit(known[["x", "size"]], known["y"])
    told = ~new["size"].isin([2.1])  # 2.1 and 2.10 are one number
    assert np.abs(model.predict(new[["x", "size"]]) - new["y"])[told].max() < 1
    ids = model.learn(new[["x", "size"]], new["y"] + 0.25)
    model.forget(ids)
    assert set(model.ledger_.table["size"].cat.categories) >= set(sizes.split())
