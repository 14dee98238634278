"""Texts that are numbers, dates or times, as people write them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lior_tables import GeometricRegressor, load
from lior_tables.cells import Form
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
        ("17:45|3:20", [17.75, 10 / 3]),
        ("0:45:36|2:30", [0.76, 2.5 / 60]),
        ("5:30 pm|12 a.m.", [17.5, 0]),
        ("1h 30m|45 minutes|2 days", [1.5, 0.75, 48]),
        ("19.02.2021|03.04.2021", ["2021-02-19", "2021-04-03"]),
        ("3/14/2021|2/3/2021", ["2021-03-14", "2021-02-03"]),
        ("2021/02/03|2021-2-4", ["2021-02-03", "2021-02-04"]),
        ("19 Feb 2021|Mar 3, 2021|Fri, 5 Mar 2021 10:30", ["2021-02-19", "2021-03-03", "2021-03-05T10:30"]),
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


def test_a_note_shows_how_a_column_is_read_and_names_the_cells_without_a_number():
    frame = pd.DataFrame({"price": ["$5", "$6", "$7", "free", "n/a", "$1,000"], "code": ["1", "2"] * 3})
    with pytest.warns(ColumnNote) as notes:
        found = table(frame, ["price", "code"])
    assert [str(note.message) for note in notes] == [
        "column 'price' holds numbers: '$5' is read as 5",
        "column 'price': 1 cells that are no numbers count as missing (rows 3)",
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
