"""Rows in blocks: what is chosen and said is of later rows, or of other groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from lior_tables import GeometricRegressor
from lior_tables.blocks import Blocks
from lior_tables.choice import block_splits
from lior_tables.model import TableModel
from lior_tables.plan import Options

pytestmark = pytest.mark.filterwarnings("ignore:column")


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_later_rows_are_predicted_from_earlier_ones_and_none_of_a_moment_is_learned() -> None:
    moments = pd.Series(np.repeat(np.arange(40), 5), name="t").sample(frac=1, random_state=0)
    blocks = Blocks.of(moments.reset_index(drop=True), ordered=True)
    parts = blocks.parts(4, _generator())
    assert len(parts) == 4
    for known, asked in parts:
        assert blocks.codes[known].max() < blocks.codes[asked].min()
    asked = torch.cat([part for _, part in parts])
    assert len(asked.unique()) == len(asked) == 120


def test_groups_are_left_out_whole_and_all_are_predicted() -> None:
    blocks = Blocks.of(pd.Series([*"aabbccddeeff", None, None], dtype="category", name="g"), ordered=False)
    parts = blocks.parts(3, _generator())
    for known, asked in parts:
        assert not set(blocks.codes[known].tolist()) & set(blocks.codes[asked].tolist())
    assert sorted(torch.cat([asked for _, asked in parts]).tolist()) == list(range(14))
    found = block_splits(blocks, _generator())
    assert len({len(each.train) for each in found}) == 1


@pytest.mark.parametrize(
    ("column", "ordered", "said"),
    [
        (pd.Series(["a", "b"], dtype="category", name="t"), True, "'t' holds words"),
        (pd.Series([1.0, np.nan], name="t"), True, "'t' has gaps"),
        (pd.Series([1.0, 1.0], name="t"), True, "'t' has one value"),
        (pd.Series([1.0, 1.0], name="t"), False, "'t' has one value"),
    ],
)
def test_what_is_no_time_or_group_gets_one_line(column, ordered, said) -> None:
    with pytest.raises(ValueError, match=said):
        Blocks.of(column, ordered=ordered)


def _years(days: int = 1100) -> tuple[pd.DataFrame, np.ndarray]:
    """Temperatures of three years, every other day."""
    rng = np.random.RandomState(0)
    t = np.arange(0, days, 2)
    y = 10 + 8 * np.sin(2 * np.pi * t / 365.2425) + rng.normal(0, 1, len(t))
    return pd.DataFrame({"day": pd.Timestamp("2020-01-01") + pd.to_timedelta(t, "D")}), y


def test_the_time_of_year_goes_on_where_later_rows_will_come() -> None:
    table, y = _years()
    first = slice(0, 400)
    usual, ordered = (
        GeometricRegressor(random_state=0, members=1, time=time).fit(table[first], y[first])
        for time in (None, "day")
    )
    later = slice(400, None)
    wrong = [np.sqrt(np.mean((each.predict(table[later]) - y[later]) ** 2)) for each in (usual, ordered)]
    assert wrong[1] < min(1.5, wrong[0])
    low, high = ordered.predict_interval(table[later])
    assert np.mean((low <= y[later]) & (y[later] <= high)) > 0.8
    assert np.isnan(ordered.left_out()).sum() == 160
    assert 0.7 < ordered.drift() < 1.5


def test_groups_are_no_input_and_their_intervals_hold_in_new_ones() -> None:
    held = []
    for seed in range(4):
        rng = np.random.RandomState(seed)
        group, x = rng.randint(0, 40, 400), rng.uniform(-1, 1, 400)
        y = 3 * x + rng.normal(0, 2, 40)[group] + rng.normal(0, 0.3, 400)
        table, known = pd.DataFrame({"x": x, "who": [f"p{k}" for k in group]}), group < 20
        model = GeometricRegressor(random_state=0, members=1, group="who").fit(table[known], y[known])
        low, high = model.predict_interval(table[~known])
        held.append(np.mean((low <= y[~known]) & (y[~known] <= high)))
    assert np.mean(held) > 0.85
    assert int(model.spread().count) == 20  # groups, not rows
    assert model.feature_importances_[1] == 0
    assert np.isfinite(model.left_out()).all()
    other = table[~known].assign(who="p0")
    np.testing.assert_array_equal(model.predict(table[~known]), model.predict(other))


def test_a_model_with_dates_and_time_is_saved_and_fitted_again(tmp_path) -> None:
    from lior_tables import load

    table, y = _years(400)
    model = GeometricRegressor(random_state=0, members=1, rounds=1, time="day").fit(table, y)
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert np.array_equal(again.predict(table), model.predict(table))
    assert again.forget([3], metric="refit").columns_.encodings[0].dates


@pytest.mark.parametrize("exact", [400, 100])
def test_rows_are_left_out_as_if_they_were_forgotten(exact) -> None:
    z = torch.randn(240, 3, generator=_generator(), dtype=torch.float64)
    y = torch.sin(2 * z[:, :1]) + z[:, 1:2] * z[:, 2:]
    options = Options(members=1, rounds=1, precision="float64", exact_rows=exact)
    model = TableModel.fit(z, y, classes=False, options=options)
    gone, known = torch.arange(30), torch.arange(30, 240)
    found = model.predict_without([(known, gone)], z)
    assert found[known].isnan().all()
    model.forget(gone)
    torch.testing.assert_close(found[gone], model.predict(z[gone]), atol=1e-8, rtol=0)


def test_time_and_group_are_not_both_given() -> None:
    table, y = _years(200)
    with pytest.raises(ValueError, match="give one of them"):
        GeometricRegressor(time="day", group="day").fit(table, y)
    with pytest.raises(ValueError, match="time: no column 'when'"):
        GeometricRegressor(time="when").fit(table, y)
