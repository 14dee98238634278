"""The measurement of tables: the same rows for all, and nothing measured twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparison import sets
from comparison.store import Store


def test_splits_are_disjoint_repeatable_and_keep_classes() -> None:
    table = sets.table("wine", Path())
    first, again, other = (sets.split(table, seed) for seed in (0, 0, 1))
    assert first.learn.index.equals(again.learn.index)
    assert not first.learn.index.equals(other.learn.index)
    assert not set(first.learn.index) & set(first.test.index)
    assert len(first.truth) == len(table.target) // 5
    assert np.abs(np.bincount(first.truth) / 35 - np.bincount(table.target) / 178).max() < 0.03


def test_numbers_are_in_units_of_the_learned_rows() -> None:
    split = sets.split(sets.table("diabetes", Path()), 0)
    assert split.y.mean() == pytest.approx(0)
    assert split.y.std() == pytest.approx(1)


def test_categories_of_learned_rows_are_columns_and_new_ones_are_none() -> None:
    learn = pd.DataFrame({"a": [1.0, np.nan, 4.0], "b": ["x", "y", "x"]})
    test = pd.DataFrame({"a": [2.0], "b": ["z"]})
    table = sets.Table("made", pd.concat([learn, test]), np.arange(4.0), False)
    split = sets.Split(table, 0, learn, test, np.arange(3.0), np.ones(1))
    coded = sets.encoded(split)
    assert coded[0].tolist() == [[1, 1, 0], [2.5, 0, 1], [4, 1, 0]]
    assert coded[1].tolist() == [[2, 0, 0]]
    standard, _ = sets.encoded(split, standardise=True)
    assert np.allclose(standard.mean(0), 0)
    assert np.allclose(standard.std(0), 1)


def test_what_was_measured_is_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get("svm", "", "wine", 0) is None
    store.add("svm", "", "wine", 0, {"fit_seconds": 1.5}, {"predictions": np.eye(2)})
    found = Store(tmp_path).get("svm", "", "wine", 0)
    assert found is not None
    assert found.about["fit_seconds"] == 1.5
    assert found.arrays["predictions"].tolist() == np.eye(2).tolist()
    assert Store(tmp_path).get("svm", "other settings", "wine", 0) is None
