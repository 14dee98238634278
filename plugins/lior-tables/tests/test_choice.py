"""What is chosen on held-out rows."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lior_tables import choice
from lior_tables.choice import Explored, Judge, descend, greedy, splits, temperature
from lior_tables.members import Setting
from lior_tables.plan import Options, plan


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@settings(max_examples=40, deadline=None)
@given(st.integers(12, 3500), st.integers(2, 4))
def test_splits_share_rows_and_classes(count: int, classes: int) -> None:
    labels = torch.arange(count) % classes
    parts = splits(torch.eye(classes)[labels], classes=True, generator=_generator())
    held = torch.cat([part.held for part in parts])
    drawn = choice.REPEATS if count < 500 else 1
    assert len(held.unique()) * drawn == len(held) <= choice.JUDGED + choice.LEARNED
    for part in parts:
        assert not set(part.train.tolist()) & set(part.held.tolist())
        assert len(part.train) == len(parts[0].train) >= count - len(part.held) - 1 or len(parts) == 1
        shares = torch.bincount(labels[part.held], minlength=classes) / len(part.held)
        assert bool(((shares - 1 / classes).abs() <= 1.5 / len(part.held) + 0.01).all())
    if count >= 900:
        assert len(parts) == 1
        assert len(parts[0].train) == min(7 * count // 10, choice.LEARNED)
        assert len(held) == min(count, choice.LEARNED + choice.JUDGED) - len(parts[0].train)
    else:
        assert len(held) == drawn * count


@given(st.integers(0, 6), st.integers(0, 8), st.integers(0, 6), st.integers(0, 8))
def test_descend_finds_the_bottom_of_a_bowl(i: int, j: int, k: int, m: int) -> None:
    tried = set()

    def error(place: tuple[int, int]) -> float:
        tried.add(place)
        return math.hypot(place[0] - i, place[1] - j)

    assert descend(error, (k, m)) == (i, j)
    assert len(tried) <= 3 * (abs(i - k) + abs(j - m)) + 5


def _explored(predictions: Tensor, judge: Judge) -> Explored:
    setting = Setting(steps=((1.0, 1.0),))
    return Explored(plan(Options(), 3)[0], setting, judge.error(predictions), predictions)


def test_the_greedy_mean_takes_what_helps() -> None:
    y = torch.randn(400, 1, generator=_generator())
    noise = torch.randn(3, 400, 1, generator=_generator())
    judge = Judge(y=y, weights=torch.ones(400), classes=False)
    # two members with errors of their own, and one that is much worse
    members = [_explored(y + scale * e, judge) for scale, e in zip((0.5, 0.5, 5.0), noise, strict=True)]
    weights, mixed = greedy(members, judge)
    assert weights.sum() == pytest.approx(1)
    assert weights[:2].min() > 0.3
    assert weights[2] == 0
    assert judge.error(mixed) < 0.7 * members[0].error


def test_temperature_recovers_the_sharpness_of_drawn_classes() -> None:
    f = torch.randn(20_000, 3, generator=_generator())
    labels = torch.multinomial((4.0 * f).softmax(1), 1, generator=_generator())[:, 0]
    judge = Judge(y=torch.eye(3)[labels], weights=torch.ones(len(f)), classes=True)
    assert temperature(f, judge) == pytest.approx(4.0, rel=0.15)


def test_a_ridge_without_a_source_teaches_a_vote() -> None:
    vote = plan(Options(readout="vote", rsource="local"), 3)[0]
    assert vote.parts.rsource is not None
    assert vote.teacher.parts.rsource is None
    assert vote.teacher.readout.solves
    ridge = plan(Options(rsource="local"), 3)[0]
    assert ridge.teacher is ridge
