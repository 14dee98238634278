"""The measurement of tables: the same rows for all, and nothing measured twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lior_bench.tabular import COMMANDS, controls, drawn, judging, ours, sets, tables
from lior_bench.tabular.command import Bench


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there(name: str) -> None:
    told = CliRunner().invoke(tables, [name, "--help"])
    assert told.exit_code == 0, told.output


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
    coded = sets.encode(split)
    assert coded[0].tolist() == [[1, 1, 0], [2.5, 0, 1], [4, 1, 0]]
    assert coded[1].tolist() == [[2, 0, 0]]
    standard, _ = sets.encode(split, standardise=True)
    assert np.allclose(standard.mean(0), 0)
    assert np.allclose(standard.std(0), 1)


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.5])
    fit = lambda split: ({"fit_seconds": next(seconds)}, {"predictions": split.truth})  # noqa: E731
    monkeypatch.setitem(controls.CONTROLS, "svm", fit)
    for _ in range(2):
        [found] = Bench(tmp_path, tmp_path).run("svm", ["diabetes"], 1)["diabetes"]
        assert found.numbers == {"fit_seconds": 1.5}
        assert found.error == pytest.approx(judging.NUMBER_FLOOR, abs=1e-6)


def test_drawn_rows_begin_alike_and_are_tested_alike() -> None:
    assert len(drawn.FAMILIES) == 10
    for name in drawn.FAMILIES:
        few, many = (drawn.split(name, rows, 3) for rows in drawn.ROWS)
        assert few.learn.equals(many.learn[: len(few.learn)])
        assert few.test.equals(many.test)
        assert few.y.mean() == pytest.approx(0, abs=1e-9)
        assert not few.learn.equals(drawn.split(name, drawn.ROWS[0], 4).learn)


def _error(method: str, name: str, rows: int, draw: int) -> float:
    split = drawn.split(name, rows, draw)
    control = controls.CONTROLS.get(method)
    _, arrays = control(split) if control else ours.measure(method, split)
    return float(judging.error(judging.losses(arrays["predictions"], split.truth), classes=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["waves", "jumps"])
def test_twice_the_rows_do_no_harm_and_no_draw_is_lost(name: str) -> None:
    fewer, more = (
        np.log([_error("lior-tables", name, rows, draw) for draw in range(4)]) for rows in drawn.ROWS
    )
    change = more - fewer
    assert change.mean() < 2 * change.std(ddof=1) / 2  # two standard errors of the mean of four
    assert more.max() < np.log(np.exp(more).mean()) + np.log(1.1)


@pytest.mark.slow
def test_draws_are_not_further_apart_than_those_of_catboost() -> None:
    pytest.importorskip("catboost")
    spreads = []
    for method in ("lior-tables", "catboost untuned"):
        errors = [
            np.log([_error(method, name, 1000, draw) for draw in range(4)]) for name in ("waves", "jumps")
        ]
        spreads.append(np.var(errors, axis=1, ddof=1).mean())
    assert spreads[0] < 4.3 * spreads[1]  # what two equal variances of six degrees reach once in twenty


# --- statistics ---


def test_losses_and_errors_of_a_few_rows() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    wrong = judging.losses(probabilities, np.array([0, 1, 1, 0]))
    assert wrong.tolist() == [0, 0, 1, 1]
    assert judging.error(wrong, classes=True) == pytest.approx(0.5 + judging.WRONG_FLOOR)
    squares = judging.losses(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    assert judging.error(squares, classes=False) == pytest.approx(12.5**0.5 + judging.NUMBER_FLOOR)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.booleans())
def test_a_ratio_of_a_method_to_itself_is_one_and_turns_with_its_sides(seed: int, classes: bool) -> None:
    draw = np.random.default_rng(seed)
    a, b = draw.random((2, 3, 40))
    if classes:
        a, b = a < 0.3, b < 0.5
    one = judging.ratio(list(a), list(a), classes=classes, draws=50)
    assert (one.value, one.low, one.high) == pytest.approx((1, 1, 1))
    there, back = (judging.ratio(list(x), list(y), classes=classes, draws=50) for x, y in ((a, b), (b, a)))
    assert there.value == pytest.approx(1 / back.value)
    assert there.low <= there.high


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    draw = np.random.default_rng(1)
    held = []
    for repeat in range(100):
        common = draw.normal(size=300)
        a, b = ((common + draw.normal(size=300) * s) ** 2 for s in (0.5, 1.0))
        estimate = judging.ratio([a], [b], classes=False, draws=100, seed=repeat)
        held.append(estimate.low <= (1.25 / 2) ** 0.5 <= estimate.high)
    assert 0.85 <= np.mean(held) <= 0.99


def test_mean_ratio() -> None:
    mean = judging.mean_ratio([0.5, 2.0])
    assert mean.value == pytest.approx(1)
    assert (mean.low, mean.high) == pytest.approx((0.5, 2.0))
    assert str(mean) == "1.000 [0.500, 2.000]"


def test_pooling_small_sets_narrows_their_interval() -> None:
    draw = np.random.default_rng(0)
    sets = [(draw.random(60) < 0.2, draw.random(60) < 0.3) for _ in range(6)]
    ratios = [judging.ratio([a], [b], classes=True) for a, b in sets]
    drawn = [judging.ratio_draws([a], [b], classes=True, seed=i) for i, (a, b) in enumerate(sets)]
    pooled = judging.pool(drawn, [r.value for r in ratios])
    assert pooled.high / pooled.low < min(r.high / r.low for r in ratios)
    assert pooled.low < pooled.value < pooled.high


def test_coverage_of_thirds_follows_the_scale() -> None:
    scale = np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    truth = np.array([0.0, 0.0, 0.0, 9.0, 9.0, 0.0])
    whole, thirds = judging.coverage_by_thirds(truth * 0 - 1, truth * 0 + 1, truth, scale)
    assert whole == pytest.approx(4 / 6)
    assert thirds.tolist() == [1, 1, 0]
