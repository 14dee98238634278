"""Cells that new rows lack and hardly any row of the model did."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_tables import GeometricClassifier, GeometricRegressor, load
from lior_tables.columns import CLIP
from lior_tables.gaps import Gaps

pytestmark = pytest.mark.filterwarnings("ignore:column")
SLOPE = 3.0


def related(seed: int, count: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of which ``b`` is about ``2 a`` and the target depends on ``b``, on a word and on chance."""
    rng = np.random.RandomState(seed)
    a, word = rng.normal(0, 1, count), rng.randint(0, 2, count)
    b = 2 * a + rng.normal(0, 0.5, count)
    table = pd.DataFrame({"a": a, "b": b, "word": np.array(["no", "yes"])[word]})
    return table, SLOPE * b + word + rng.normal(0, 0.1, count)


def fitted(lacking: int = 0) -> GeometricRegressor:
    table, y = related(0)
    table.loc[table.index[:lacking], "b"] = np.nan
    return GeometricRegressor(random_state=0, members=2).fit(table, y)


@pytest.mark.parametrize("lacking", [0, 3, 19])
def test_a_missing_number_is_what_the_others_say_and_intervals_hold(lacking):
    model = fitted(lacking)
    table, y = related(1, 1000)
    low, high = model.predict_interval(table.assign(b=np.nan))
    assert 0.85 < np.mean((low <= y) & (y <= high)) < 0.96
    assert np.std(y - model.predict(table.assign(b=np.nan))) < 0.4 * y.std()
    whole = model.predict_interval(table)
    assert np.mean(high - low) > 4 * np.mean(whole[1] - whole[0])


def test_a_row_has_the_same_interval_beside_others_after_saving(tmp_path):
    table, _ = related(1, 6)
    table.loc[[0, 1], "b"] = table.loc[[1, 2], "a"] = table.loc[3, "word"] = np.nan
    model = fitted()
    together = np.stack(model.predict_interval(table))
    alone = [np.stack(fitted().predict_interval(table.iloc[[i]]))[:, 0] for i in range(6)]
    np.testing.assert_allclose(together, np.stack(alone, 1), rtol=1e-6)
    model.save(tmp_path / "m")
    np.testing.assert_allclose(np.stack(load(tmp_path / "m").predict_interval(table)), together, rtol=1e-6)


def test_what_twenty_rows_lack_has_its_own_coordinate():
    table, y = related(0)
    gone = np.arange(len(y)) % 5 == 0
    y = y + 50 * gone
    model = GeometricRegressor(random_state=0, members=2).fit(table.assign(b=table["b"].mask(gone)), y)
    new = related(1, 50)[0].assign(b=np.nan)
    assert model.predict(new).mean() > 35
    assert not model.unusual_.lacks(model.rows(new))


def test_probabilities_without_a_cell_are_those_of_such_rows():
    table, y = related(0)
    model = GeometricClassifier(random_state=0, members=2).fit(table, y + 2 * table["a"] > 0)
    other, y = related(1, 1000)
    truth = (y + 2 * other["a"] > 0).to_numpy()
    sure = model.predict_proba(other.assign(a=np.nan, b=np.nan)).max(1)
    right = model.predict(other.assign(a=np.nan, b=np.nan)) == truth
    assert abs(sure.mean() - right.mean()) < 0.05
    assert np.mean(model.predict(other.assign(b=np.nan)) == truth) > 0.9


def test_intervals_of_groups_count_groups_with_gaps_too():
    table, y = related(0, 120)
    model = GeometricRegressor(random_state=0, members=2, group="g")
    model.fit(table.assign(g=[f"g{i % 6}" for i in range(120)]), y)
    new = table.head(3).assign(g="new")
    for each in (new, new.assign(b=np.nan)):
        assert np.isinf(model.predict_interval(each, alpha=0.1)).all()  # six groups are too few
        assert np.isfinite(model.predict_interval(each, alpha=0.2)).all()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_the_stand_in_is_the_least_squares_estimate(seed, hidden):
    z = torch.randn(200, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z = z @ torch.randn(6, 6, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    centred = z - z.mean(0)
    gaps = Gaps(np.ones(6, bool), torch.arange(6), z.mean(0), centred.mT @ centred / len(z))
    filled = gaps.fill(z, tuple(range(hidden)))
    rest = centred[:, hidden:]
    ridge = torch.cat([rest, (1e-3 * len(z)) ** 0.5 * torch.eye(6 - hidden, dtype=z.dtype)])
    target = torch.cat([centred[:, :hidden], torch.zeros(6 - hidden, hidden, dtype=z.dtype)])
    expected = z.mean(0)[:hidden] + rest @ torch.linalg.lstsq(ridge, target).solution
    torch.testing.assert_close(filled[:, :hidden], expected.clamp(-CLIP, CLIP))
    assert torch.equal(filled[:, hidden:], z[:, hidden:])
