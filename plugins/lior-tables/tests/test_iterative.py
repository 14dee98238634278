"""Conjugate gradients with a Nyström preconditioner solve what a Cholesky factor solves."""

from __future__ import annotations

import pytest
import torch
from conftest import candidate
from torch.testing import assert_close

from lior.errors import UsageError
from lior.testing.tensors import make_generator
from lior_tables import iterative, readouts
from lior_tables.iterative import IterativeMember, System, conjugate_gradients
from lior_tables.members import Member, Setting
from lior_tables.readouts import Vote
from lior_tables.row_store import Rows

CANDIDATE = candidate()
SETTING = Setting(steps=((3.0, 1e-3),) * 2)


def _rows(count: int = 400, seed: int = 0) -> Rows:
    generator = make_generator(seed)
    z = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    y = torch.cat([(2 * z[:, :1]).sin(), z[:, 1:2] * z[:, 2:]], 1)
    return Rows(z, y, 0.5 + torch.rand(count, generator=generator, dtype=torch.float64))


def _same(found: IterativeMember, tolerance: float) -> None:
    """The predictions are those of the system solved by a factor."""
    exact = Member(found.candidate, found.state, found.setting, found.rows, found.fit)
    exact.settle()
    probe = found.rows.z[:50] + 0.1
    assert_close(found.predict(probe), exact.predict(probe), atol=tolerance, rtol=0)


def test_values_are_those_of_a_factor() -> None:
    _same(IterativeMember.learn_metric(CANDIDATE, SETTING, _rows(), make_generator(1)), 1e-3)


def test_edits_are_too() -> None:
    rows, new = _rows(), _rows(20, seed=3)
    member = IterativeMember.learn_metric(CANDIDATE, SETTING, rows, make_generator(1))
    everything = Rows(*(torch.cat(pair) for pair in zip(rows, new, strict=True)))
    member.learn(new, everything)
    kept = torch.arange(420) % 7 != 0
    member.forget((~kept).nonzero()[:, 0], everything.take(kept))
    assert len(member.rows.z) == int(kept.sum())
    _same(member, 1e-3)


def test_the_preconditioner_saves_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows()
    member = Member.learn_all(CANDIDATE, SETTING, rows, make_generator(1))
    system = System(member.kernel, member.items, rows.weights.sqrt()[:, None], 1e-3)
    right = readouts.with_ones(rows.y)
    steps = []
    for rank in (2, 100):
        monkeypatch.setattr(iterative, "RANK", rank)
        found = conjugate_gradients(system, right, make_generator(0))
        assert found.residual <= iterative.TOLERANCE
        steps.append(found.steps)
    assert steps[1] < 0.6 * steps[0], f"steps with rank 2 and 100: {steps}"


def test_each_part_of_the_rows_is_predicted_by_the_others() -> None:
    rows = _rows(90)
    member = IterativeMember.learn_metric(CANDIDATE, SETTING, rows, make_generator(1))
    left_out = member.leave_one_out()
    part = torch.arange(90) % iterative.FOLDS == 2
    others = Member(CANDIDATE, member.state, SETTING, rows.take(~part), member.fit)
    others.settle()
    assert_close(left_out[part], others.predict(rows.z[part]), atol=1e-3, rtol=0)


def test_influences_add_up_to_the_prediction() -> None:
    rows = _rows(80)
    member = IterativeMember.learn_metric(CANDIDATE, SETTING, rows, make_generator(1))
    probe = rows.z[:4] + 0.1
    found = member.influence(probe) @ (rows.y - member.centre) + member.centre
    assert_close(found, member.predict(probe), atol=1e-3, rtol=0)


def test_a_vote_has_nothing_to_solve() -> None:
    with pytest.raises(UsageError, match="solves nothing"):
        IterativeMember.learn_metric(candidate(Vote()), SETTING, _rows(50), make_generator(1))


def test_float32_and_a_nearly_singular_matrix_end_well() -> None:
    rows = Rows(*(column.float() for column in _rows(1500)))
    smooth = candidate(exponent=2.0)
    member = IterativeMember.learn_metric(smooth, Setting(steps=((2.0, 1e-5),)), rows, make_generator(1))
    assert member.residual < 0.1
    error = (member.predict(rows.z + 0.01) - rows.y).square().mean() / rows.y.var()
    assert error < 0.01
