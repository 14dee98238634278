"""What is chosen on held-out rows."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lior_tables import choice
from lior_tables.choice import Explored, Judge, descend, explore, greedy, heirs, splits
from lior_tables.members import Member, Setting
from lior_tables.model import TableModel
from lior_tables.plan import Options, plan
from lior_tables.row_store import Rows


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


def test_a_ridge_without_a_source_teaches_a_vote() -> None:
    vote = plan(Options(readout="vote", rsource="local"), 3)[0]
    assert vote.parts.rsource is not None
    assert vote.teacher.parts.rsource is None
    assert vote.teacher.readout.solves
    ridge = plan(Options(rsource="local"), 3)[0]
    assert ridge.teacher is ridge


def few_of_many(count: int, draw: int, noise: float = 0.2) -> tuple[Tensor, Tensor]:
    """Rows of 32 inputs, three of which make a smooth function with interactions; noise in its deviations."""
    generator = torch.Generator().manual_seed(draw)
    x = 4 * torch.rand(count, 32, generator=generator) - 2
    y = x[:, 0].sin() * x[:, 1].cos() + 0.6 * (x[:, 0] + x[:, 1]).sin() * x[:, 2]
    y = y + noise * y.std() * torch.randn(count, generator=generator)
    return x, y[:, None]


def test_few_inputs_of_many_are_found() -> None:
    x, y = few_of_many(2700, 1)
    x = x / x[:700].std(0)
    model = TableModel.fit(x[:700], y[:700], classes=False)
    error = (model.predict(x[700:]) - y[700:]).square().mean().sqrt() / y[700:].std()
    assert error < 1.15 * 0.2 / math.sqrt(1 + 0.2**2)  # the noise that is in the rows


@pytest.mark.parametrize("readout", ["ridge", "vote"])
def test_a_metric_is_handed_on_and_learned_again_the_same_way(readout: str) -> None:
    x, y = few_of_many(240, 0)
    rows, generator = Rows(x, y / y.std(), torch.ones(len(y))), _generator()
    split = splits(rows.y, classes=False, generator=generator)[0]
    judge = Judge(y=rows.y[split.held], weights=rows.weights[split.held], classes=False)
    candidates = plan(Options(readout=readout, rounds=2), 32)
    first = explore(candidates[1], rows, [split], judge, generator, [])
    others = heirs(first, candidates)
    assert {other.parts.product for other in others} == {
        c.parts.product for c in candidates if c.parts.product.norm != 1
    }
    for other in others:
        found = explore(other, rows, [split], judge, generator, [], first)
        assert len(found.setting.steps) >= len(first.setting.steps) > 1
        assert other.parts.frame == first.candidate.parts.frame
        member = Member.learn_all(other, found.setting, rows.take(split.train), generator)
        assert torch.allclose(member.predict(rows.z[split.held]), found.predictions, atol=1e-3)
