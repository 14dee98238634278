"""Measures of predictions: what they are for cases that can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from lior_tables.judging import balanced_accuracy, calibration_error, log_loss


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
