"""A tree of leaves: shares of leaves add up, edits equal a refit, and a metric for each leaf is better."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import candidate
from torch import Tensor
from torch.testing import assert_close

from lior.errors import UsageError
from lior.testing.tensors import make_generator
from lior.workers import Workers
from lior_tables.local_ensemble import Grove, grow
from lior_tables.members import Member, Setting
from lior_tables.model import TableModel
from lior_tables.plan import Options
from lior_tables.readouts import Fit, Ridge
from lior_tables.row_store import Rows

CANDIDATE = candidate()
SETTING = Setting(steps=((3.0, 1e-3),) * 2)


def _rows(count: int = 600, seed: int = 0) -> Rows:
    generator = make_generator(seed)
    z = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    # The direction that matters turns from one end of the table to the other.
    turning = torch.where(z[:, :1] > 0, (3 * z[:, 1:2]).sin(), (3 * z[:, 2:3]).sin())
    y = 3 * z[:, :1] + turning
    return Rows(z, y, 0.5 + torch.rand(count, generator=generator, dtype=torch.float64))


def _grove(rows: Rows) -> Grove:
    tree = grow(CANDIDATE, SETTING, rows, 200, make_generator(1))
    return Grove.learn_all(CANDIDATE, SETTING, rows, tree, make_generator(2))


def _refitted(grove: Grove) -> Tensor:
    """Predictions at the stored rows of leaves that are solved anew."""
    total = torch.zeros_like(grove.rows.y)
    routed = zip(grove.tree.route(grove.rows.z), grove.leaves, strict=True)
    for (chosen, share), leaf in routed:
        rows = grove.rows.take(chosen)
        fresh = Member(leaf.candidate, leaf.state, leaf.setting, rows, leaf.fit)
        fresh.settle()
        total[chosen] += share[:, None] * fresh.predict(rows.z)
    return total


def test_leaves_divide_the_rows_and_their_shares_add_up_to_one() -> None:
    grove = _grove(_rows())
    assert grove.tree.leaves >= 4
    assert all(0 < len(index) <= 200 for index in grove.index)
    probe = 2 * torch.randn(300, 3, generator=make_generator(3), dtype=torch.float64)
    total = torch.zeros(300, dtype=torch.float64)
    for chosen, share in grove.tree.route(probe):
        assert (share > 0).all()
        total[chosen] += share
    assert_close(total, torch.ones_like(total))
    owners = torch.zeros(600)
    for index in grove.index:
        owners[index] += 1
    assert owners.min() == 1
    assert owners.max() >= 2, "rows near a border belong to both sides"


def test_predictions_are_smooth_across_borders() -> None:
    grove = _grove(_rows())
    place, direction = grove.tree.places[0], grove.tree.directions[0]
    steps = torch.linspace(-1.5, 1.5, 3001, dtype=torch.float64)[:, None] * grove.tree.widths[0]
    line = grove.predict((place + steps) * direction)
    assert (line[1:] - line[:-1]).abs().max() < 0.02


def test_one_leaf_is_a_member() -> None:
    rows = _rows(100)
    grove = _grove(rows)
    assert grove.tree.leaves == 1
    member = Member.learn_all(CANDIDATE, SETTING, rows, make_generator(2))
    assert_close(grove.predict(rows.z), member.predict(rows.z))


def test_rows_that_are_all_the_same_stay_together() -> None:
    rows = Rows(*(column[:1].expand(500, *column.shape[1:]).clone() for column in _rows(500)))
    assert grow(CANDIDATE, SETTING, rows, 200, make_generator(0)).leaves == 1


def test_a_metric_for_each_leaf_is_better_where_the_direction_turns() -> None:
    rows, test = _rows(1500), _rows(500, seed=5)
    grove, member = _grove(rows), Member.learn_all(CANDIDATE, SETTING, rows, make_generator(2))
    errors = [(fitted.predict(test.z) - test.y).square().mean() for fitted in (grove, member)]
    assert errors[0] < 0.8 * errors[1]


def test_leaves_share_the_first_rounds_of_the_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, test = _rows(1500), _rows(500, seed=5)
    setting = Setting(steps=((3.0, 1e-3),) * 5)
    tree = grow(CANDIDATE, setting, rows, 400, make_generator(1))
    solved, fit = [], Ridge.fit

    def counted(self: Ridge, *given: Any) -> Fit:
        solved.append(given)
        return fit(self, *given)

    monkeypatch.setattr(Ridge, "fit", counted)
    grove = Grove.learn_all(CANDIDATE, setting, rows, tree, make_generator(2))
    assert len(solved) == 3 + 3 * tree.leaves
    whole = [Member.learn_all(CANDIDATE, setting, leaf.rows, make_generator(3)) for leaf in grove.leaves]
    apart = Grove(tree, whole, grove.index, rows)
    errors = [(fitted.predict(test.z) - test.y).square().mean() for fitted in (grove, apart)]
    assert errors[0] < 1.1 * errors[1]


def test_learning_and_forgetting_equal_a_refit_of_the_leaves() -> None:
    grove, new = _grove(_rows()), _rows(40, seed=8)
    grove.learn(new, Rows(*(torch.cat(pair) for pair in zip(grove.rows, new, strict=True))))
    gone = torch.randperm(640, generator=make_generator(4))[:90]
    kept = torch.ones(640, dtype=torch.bool)
    kept[gone] = False
    grove.forget(gone, grove.rows.take(kept))
    assert len(grove.rows.z) == 550
    for leaf, index in zip(grove.leaves, grove.index, strict=True):
        assert torch.equal(leaf.rows.z, grove.rows.z[index])
    assert_close(grove.predict(grove.rows.z), _refitted(grove), atol=1e-10, rtol=0)


def test_leave_one_out_and_influences_are_exact() -> None:
    grove = _grove(_rows())
    left_out = grove.leave_one_out()
    border = (grove.rows.z @ grove.tree.directions[0] - grove.tree.places[0]).abs().argmin()
    for row in (0, 311, int(border)):
        other = _grove(_rows())
        kept = torch.ones(600, dtype=torch.bool)
        kept[row] = False
        other.forget(torch.tensor([row]), other.rows.take(kept))
        assert_close(other.predict(grove.rows.z[row : row + 1])[0], left_out[row], atol=1e-10, rtol=0)
    probe = grove.rows.z[:20] + 0.1
    expected = grove.predict(probe)
    weighed = grove.influence(probe) @ (grove.rows.y - grove.centre) + grove.centre
    assert_close(weighed, expected, atol=1e-10, rtol=0)


def test_slopes_of_a_tree_are_those_of_its_predictions() -> None:
    grove = _grove(_rows())
    assert grove.tree.leaves > 1
    border = (grove.rows.z @ grove.tree.directions[0] - grove.tree.places[0]).abs().argsort()
    chosen = torch.cat([border[:20], border[-20:]])
    z, step = grove.rows.z[chosen], 1e-6
    expected = [
        (grove.predict(z + direction) - grove.predict(z - direction)) / (2 * step)
        for direction in step * torch.eye(z.shape[1], dtype=z.dtype)
    ]
    assert_close(grove.slopes(chosen), torch.stack(expected, 2), atol=1e-5, rtol=0)


def test_a_leaf_is_not_emptied() -> None:
    grove = _grove(_rows())
    gone = grove.index[1]
    kept = torch.ones(600, dtype=torch.bool)
    kept[gone] = False
    with pytest.raises(UsageError, match="left without rows"):
        grove.forget(gone, grove.rows.take(kept))
    assert len(grove.rows.z) == 600


def test_a_large_table_is_fitted_saved_and_edited() -> None:
    rows, seen = _rows(), []
    options = Options(members=2, rounds=1, exact_rows=300, leaf_rows=200)
    model = TableModel.fit(
        rows.z,
        rows.y,
        rows.weights,
        classes=False,
        options=options,
        on_progress=lambda what, share: seen.append((what, share)),
    )
    assert all(isinstance(member, Grove) for member in model.members)
    assert any(", 2 of" in what for what, _ in seen)
    assert all(0 <= share <= 1 for _, share in seen)
    again = TableModel.restore(*_through_json(model))
    probe = rows.z[:50] + 0.1
    assert torch.equal(again.predict(probe), model.predict(probe))
    left_out = model.leave_one_out()
    wrong = (left_out - rows.y).square().mean()
    assert wrong < 0.2 * rows.y.var(), "intervals and files need what rows are without themselves"
    again.forget(torch.tensor([7]))
    assert again.rows == 599
    assert_close(again.predict(rows.z[7:8])[0].float(), left_out[7].float(), atol=1e-3, rtol=0)
    third = TableModel.restore(*_through_json(again))
    assert torch.equal(third.predict(probe), again.predict(probe))


def _through_json(model: TableModel) -> tuple[dict[str, Tensor], dict[str, object]]:
    tensors, meta = model.snapshot()
    return tensors, json.loads(json.dumps(meta))


@pytest.mark.parametrize("where", [1, 2])
def test_workers_fit_the_same_model(where: int, tmp_path: Path) -> None:
    """Also where one of them was interrupted, and some leaves are kept."""
    rows = _rows()
    options = Options(members=1, rounds=1, exact_rows=300, leaf_rows=200)
    alone = TableModel.fit(rows.z, rows.y, classes=False, options=options, resume=tmp_path)
    for gone in sorted(tmp_path.iterdir())[::2]:
        shutil.rmtree(gone)
    with Workers(where) as given:
        model = TableModel.fit(rows.z, rows.y, classes=False, options=options, resume=tmp_path, workers=given)
    assert_close(model.predict(rows.z), alone.predict(rows.z), atol=1e-5, rtol=0)
    assert model.rows == alone.rows


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = _rows()
    options = Options(members=1, rounds=1, exact_rows=300, leaf_rows=200)
    whole = TableModel.fit(rows.z, rows.y, classes=False, options=options)

    class Stopped(Exception): ...

    def stop(what: str, share: float) -> None:
        if ", 2 of" in what:
            raise Stopped

    with pytest.raises(Stopped):
        TableModel.fit(rows.z, rows.y, classes=False, options=options, on_progress=stop, resume=tmp_path)
    kept = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(kept) == 2
    changed = (kept[0] / "manifest.json").stat().st_mtime_ns
    (kept[1] / "leaf.safetensors").write_bytes(b"damaged")
    again = TableModel.fit(rows.z, rows.y, classes=False, options=options, resume=tmp_path)
    assert torch.equal(again.predict(rows.z), whole.predict(rows.z))
    assert (kept[0] / "manifest.json").stat().st_mtime_ns == changed
    other = TableModel.fit(rows.z, rows.y + 1, classes=False, options=options, resume=tmp_path)
    assert_close(other.predict(rows.z), whole.predict(rows.z) + 1, atol=1e-3, rtol=0)
