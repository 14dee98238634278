"""Probabilities from values: what is drawn is found again, and nothing is certain after few rows."""

from __future__ import annotations

import pytest
import torch

from lior_tables.calibration import Calibration

_EYE = torch.eye(3)


def _draw(probabilities: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]


def _values(count: int = 20_000) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(1)).pow(3)


def _fit(values: torch.Tensor, labels: torch.Tensor) -> Calibration:
    return Calibration.fit(values, _EYE[labels], torch.ones(len(values)))


def test_values_that_are_probabilities_stay_what_they_are() -> None:
    values = _values() / _values().sum(1, keepdim=True)
    found = _fit(values, _draw(values))
    assert found.power == pytest.approx(1, rel=0.05)
    assert (found.probabilities(values) - values).abs().max() < 0.02


def test_a_softmax_is_found_again() -> None:
    truth = (4.0 * _values()).softmax(1)
    assert (_fit(_values(), _draw(truth)).probabilities(_values()) - truth).abs().mean() < 0.01


def test_the_class_of_the_largest_value_is_the_likeliest() -> None:
    values = _values()
    found = _fit(values, _draw((3.0 * values).softmax(1)))
    assert (found.probabilities(values).argmax(1) == values.argmax(1)).all()


def test_few_rows_that_are_all_right_are_no_certainty() -> None:
    few, many = (
        float(_fit(f, f.argmax(1)).probabilities(_EYE)[0, 0]) for f in (_EYE.repeat(n, 1) for n in (20, 2000))
    )
    assert 0.98 < few < 0.999  # of 60 rows that were seen to be right
    assert few < many


def test_no_class_is_ruled_out() -> None:
    values = _values()
    found = _fit(values, _draw(values / values.sum(1, keepdim=True)))
    assert found.probabilities(torch.tensor([[1.5, -0.3, -0.2]])).min() > 1e-5


def test_one_block_of_three_does_not_decide() -> None:
    values = _values(3_000) / _values(3_000).sum(1, keepdim=True)
    truth = torch.cat([(30.0 * values[:1000]).softmax(1), values[1000:]])
    given = values, _EYE[_draw(truth)], torch.ones(3_000)
    assert Calibration.fit(*given, [1000] * 3).floor < Calibration.fit(*given).floor
