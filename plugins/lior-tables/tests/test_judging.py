"""Statistics: what they are for cases that can be counted, and that their intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison import judging
from lior_tables.judging import balanced_accuracy, calibration_error, log_loss


def test_losses_and_errors_of_a_few_rows() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    wrong = judging.losses(probabilities, np.array([0, 1, 1, 0]))
    assert wrong.tolist() == [0, 0, 1, 1]
    assert judging.error(wrong, classes=True) == pytest.approx(0.5 + judging.WRONG_FLOOR)
    squares = judging.losses(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    assert judging.error(squares, classes=False) == pytest.approx(12.5**0.5 + judging.NUMBER_FLOOR)


def test_log_loss_is_bounded_by_its_floor() -> None:
    certain = np.array([[1.0, 0.0]])
    assert log_loss(certain, np.array([0])) == pytest.approx(1e-4, rel=0.01)
    assert log_loss(certain, np.array([1])) == pytest.approx(-np.log(1e-4), rel=0.01)


def test_calibration_error_of_two_bins() -> None:
    # three of four are right where .85 was said; the one where .55 was said is wrong
    probabilities = np.array([[0.85, 0.15]] * 4 + [[0.45, 0.55]])
    truth = np.array([0, 0, 0, 1, 0])
    assert calibration_error(probabilities, truth) == pytest.approx((4 * 0.1 + 0.55) / 5)
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0


def test_balanced_accuracy_counts_each_class_that_is_there_once() -> None:
    assert balanced_accuracy(np.array([0, 0, 0, 2]), np.array([0, 0, 0, 2])) == 1
    assert balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 2])) == 0.5


@settings(max_examples=20, deadline=None)
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
