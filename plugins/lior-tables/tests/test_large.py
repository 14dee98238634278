"""Large tables: functions are kernels, edits equal a refit, what is left out is exact, and more rows help."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import attrs
import pytest
import torch
from conftest import candidate
from torch import Tensor
from torch.testing import assert_close

from lior.testing.tensors import make_generator
from lior.workers import Workers
from lior_tables import large as large_module
from lior_tables import sums as sums_module
from lior_tables.blocks import Blocks
from lior_tables.choice import Explored
from lior_tables.functions import Functions
from lior_tables.large import Large, build_functions, choose_functions, hold_out
from lior_tables.members import Member, Setting
from lior_tables.model import TableModel
from lior_tables.plan import Options
from lior_tables.row_store import Rows
from lior_tables.sums import add_up

CANDIDATE = candidate()
SETTING = Setting(steps=((3.0, 1e-3),) * 2)
EXPLORED = Explored(CANDIDATE, SETTING, 0.0, torch.zeros(0, 1))
OPTIONS = Options(members=2, rounds=1, exact_rows=300)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of some hundred rows have several parts and more rows than centres."""
    monkeypatch.setattr(sums_module, "_PART_ROWS", 100)
    monkeypatch.setattr(large_module, "CENTRES", 60)
    monkeypatch.setattr(large_module, "_FEW", 40)


def _rows(count: int = 600, seed: int = 0, noise: float = 0.1) -> Rows:
    """A wave, a product, a column that is 0 or 1, and one that does not matter."""
    generator = make_generator(seed)
    z = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    z[:, 3] = (z[:, 3] > 1).double()
    y = (2 * z[:, :1]).sin() + z[:, 1:2] * z[:, 2:3] + z[:, 3:4]
    y = y + noise * torch.randn(count, 1, generator=generator, dtype=torch.float64)
    return Rows(z, y, 0.5 + torch.rand(count, generator=generator, dtype=torch.float64))


def _functions(rows: Rows) -> Functions:
    known, asked = hold_out(len(rows.z), None, make_generator(1))
    found = choose_functions([EXPLORED], rows.take(known), rows.take(asked), make_generator(1))
    return build_functions(*EXPLORED[:2], rows, 60, make_generator(1)).scaled(found.scales)


def _large(rows: Rows) -> Large:
    functions = _functions(rows)
    return Large(CANDIDATE, SETTING, functions, add_up(functions, rows), rows)


def _refitted(large: Large, rows: Rows) -> Large:
    return Large(CANDIDATE, SETTING, large.functions, add_up(large.functions, rows), rows)


def test_functions_are_three_kernels() -> None:
    functions = _functions(_rows()).scaled(torch.tensor([2.0, 0.0, 0.0]))
    knots = functions.knots[0]
    z = torch.zeros(len(knots), 5, dtype=torch.float64)
    z[:, 0] = knots
    alone = functions(z[:1])[0, len(knots) :]
    place = torch.linspace(0, 3, len(knots), dtype=torch.float64)
    laplace = torch.exp(-(place[:, None] - place).abs())
    found = functions(z) @ functions(z).mT
    assert_close(found - alone @ alone, 4 * laplace, atol=1e-9, rtol=0)
    near = functions.scaled(torch.tensor([0.0, 0.0, 1.0]))
    side = functions.kernel.side(functions.centres)
    expected = functions.kernel.scores(side, side).exp()
    found = near(functions.centres) @ near(functions.centres).mT
    assert_close(found, expected, atol=2e-5, rtol=0)


def test_pairs_are_those_that_act_together() -> None:
    assert _functions(_rows()).pairs.tolist() == [[1, 2]]
    alone = _rows()
    alone = alone._replace(y=alone.y - alone.z[:, 1:2] * alone.z[:, 2:3])
    assert not len(_functions(alone).pairs)


def test_pairs_need_not_count_alone_nor_be_numbers() -> None:
    z = torch.randint(0, 2, (2000, 4), generator=make_generator(0)).double()
    y = (z[:, :1] != z[:, 1:2]).double() + 0.1 * z[:, 2:3]
    rows = Rows(z, y, torch.ones(2000, dtype=torch.float64))
    functions = _functions(rows)
    assert functions.pairs.tolist() == [[0, 1]]
    assert_close(_large(rows).predict(z), y, atol=0.05, rtol=0)


def test_scales_of_no_functions_are_passed_over() -> None:
    rows = _rows()
    functions = attrs.evolve(_functions(rows), pairs=torch.zeros(0, 2, dtype=torch.int64))
    far = large_module._Trial(functions, rows, _rows(seed=1), (1, 3, 2))
    near = large_module._Trial(functions, rows, _rows(seed=1), (1, 0, 2))
    assert far.at == near.at
    assert torch.equal(far.said, near.said)


def test_one_wild_row_makes_no_pair() -> None:
    rows = _rows(2000)
    rows.y[7] = 1e4
    assert all(pair == [1, 2] for pair in _functions(rows).pairs.tolist())


def test_no_centre_is_a_row() -> None:
    rows = _rows()
    apart = torch.cdist(_functions(rows).centres, rows.z).min(1).values
    assert (apart > 1e-6).all()


def test_rows_that_are_all_the_same_are_fitted() -> None:
    rows = Rows(*(column[:1].expand(500, *column.shape[1:]).clone() for column in _rows(500)))
    assert_close(_large(rows).predict(rows.z), rows.y, atol=1e-6, rtol=0)


def test_predictions_are_those_of_the_formula() -> None:
    rows = _rows()
    large = _large(rows)
    phi, w = large.functions(rows.z), rows.weights[:, None]
    centre = (w * rows.y).sum(0) / w.sum()
    system = phi.mT @ (w * phi) + torch.eye(phi.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(system, phi.mT @ (w * (rows.y - centre)))
    probe = _rows(50, seed=3).z
    assert_close(large.predict(probe), large.functions(probe) @ weights + centre, atol=1e-9, rtol=0)


def test_learning_and_forgetting_equal_a_refit() -> None:
    large, new = _large(_rows()), _rows(40, seed=8)
    large.learn(new, large.rows.with_more(new))
    gone = torch.randperm(640, generator=make_generator(4))[:90]
    kept = torch.ones(640, dtype=torch.bool)
    kept[gone] = False
    large.forget(gone, large.rows.take(kept))
    assert len(large.rows.z) == 550
    again = _refitted(large, large.rows)
    assert_close(large.predict(new.z), again.predict(new.z), atol=1e-10, rtol=0)


def test_leave_one_out_and_influences_are_exact() -> None:
    rows = _rows()
    large = _large(rows)
    left_out = large.leave_one_out()
    for row in (0, 311):
        kept = torch.ones(600, dtype=torch.bool)
        kept[row] = False
        other = _refitted(large, rows.take(kept))
        assert_close(other.predict(rows.z[row : row + 1])[0], left_out[row], atol=1e-9, rtol=0)
    probe = rows.z[:20] + 0.1
    weighed = large.influence(probe) @ (rows.y - large.centre) + large.centre
    assert_close(weighed, large.predict(probe), atol=1e-9, rtol=0)


@pytest.mark.parametrize("known", [torch.arange(500), torch.arange(100)])
def test_some_rows_are_solved_on_as_if_they_were_all(known: Tensor) -> None:
    rows = _rows()
    large = _large(rows)
    found = large.solved_on(known).predict(rows.z)
    assert_close(found, _refitted(large, rows.take(known)).predict(rows.z), atol=1e-9, rtol=0)


def test_functions_of_all_rows_are_better_than_a_kernel_of_some() -> None:
    test = _rows(1000, seed=5, noise=0.0)
    few, many = (_large(_rows(count)) for count in (600, 5000))
    kernel = Member.learn_all(CANDIDATE, SETTING, _rows(600), make_generator(2))
    errors = [float((m.predict(test.z) - test.y).square().mean()) for m in (many, few, kernel)]
    assert errors[0] < 0.5 * errors[1]
    assert errors[1] < errors[2]


@pytest.mark.parametrize("quick", [100, 8000])
def test_a_large_table_is_fitted_saved_and_edited(quick: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sums are kept, or added up again."""
    monkeypatch.setattr(large_module, "_QUICK", quick)
    rows, seen = _rows(), []
    model = TableModel.fit(
        rows.z,
        rows.y,
        rows.weights,
        classes=False,
        options=OPTIONS,
        on_progress=lambda what, share: seen.append((what, share)),
    )
    assert [type(member) for member in model.members] == [Large]
    assert any(", 2 of 6" in what for what, _ in seen)
    assert all(0 <= share <= 1 for _, share in seen)
    again = TableModel.restore(*_through_json(model))
    assert any("sums" in name for name in model.snapshot()[0]) == (quick < 600)
    probe = rows.z[:50] + 0.1
    assert torch.equal(again.predict(probe), model.predict(probe))
    left_out = model.leave_one_out()
    assert (left_out - rows.y).square().mean() < 0.2 * rows.y.var()
    values, _ = model.directions()
    assert values.sum() == pytest.approx(1)
    again.forget(torch.tensor([7]))
    assert again.rows == 599
    assert_close(again.predict(rows.z[7:8])[0].float(), left_out[7].float(), atol=1e-3, rtol=0)
    third = TableModel.restore(*_through_json(again))
    assert torch.equal(third.predict(probe), again.predict(probe))


def test_classes_of_a_large_table_have_probabilities() -> None:
    rows = _rows(1500)
    label = (rows.y[:, 0] > 0).long()
    model = TableModel.fit(rows.z, torch.nn.functional.one_hot(label).double(), classes=True, options=OPTIONS)
    test = _rows(500, seed=5)
    right = (test.y[:, 0] > 0).long()
    p = model.probabilities(test.z)
    assert_close(p.sum(1), torch.ones_like(p[:, 0]))
    assert -p[torch.arange(500), right].log().mean() < 0.35


def test_functions_are_members_beside_kernels_where_they_help() -> None:
    """One input counts by itself and hides from a kernel of all that two others count in their product."""
    generator = make_generator(0)
    z = torch.randn(1000, 16, generator=generator)
    y = (2 * z[:, :1]).sin() * z[:, 1:2] + 2 * z[:, 2:3]
    y = y + 0.3 * torch.randn(1000, 1, generator=generator)
    options = Options(members=2, rounds=1)
    model = TableModel.fit(z, y, classes=False, options=options)
    assert {type(member) for member in model.members} >= {Large}
    assert sum(model.member_weights) == pytest.approx(1)
    plain = TableModel.fit(z, y, classes=False, options=Options(members=1, rounds=1))
    assert {type(member) for member in plain.members} == {Member}
    probe = torch.randn(500, 16, generator=generator)
    truth = (2 * probe[:, :1]).sin() * probe[:, 1:2] + 2 * probe[:, 2:3]
    errors = [(m.predict(probe) - truth).square().mean() for m in (model, plain)]
    assert errors[0] < 0.5 * errors[1]
    left_out = model.leave_one_out()
    model.forget(torch.tensor([3]))
    assert_close(model.predict(z[3:4])[0], left_out[3], atol=1e-8, rtol=0, check_dtype=False)
    assert_close(
        next(model.influence(probe[:5]))[1] @ (y[torch.arange(1000) != 3].double() - model.centre)
        + model.centre,
        model.predict(probe[:5]),
        atol=1e-6,
        rtol=0,
    )


def test_a_vote_of_a_large_table_is_of_all_rows() -> None:
    rows = _rows()
    options = Options(members=1, rounds=1, exact_rows=300, readout="vote")
    model = TableModel.fit(rows.z, rows.y, classes=False, options=options)
    assert [type(member) for member in model.members] == [Member]
    assert model.rows == 600


def test_scales_are_chosen_on_rows_as_new_as_those_to_come() -> None:
    moments = Blocks(torch.arange(600), ordered=True)
    known, asked = hold_out(600, moments, make_generator(1))
    assert asked.min() > known.max()
    assert asked.max() == 599


def _through_json(model: TableModel) -> tuple[dict[str, Tensor], dict[str, object]]:
    tensors, meta = model.snapshot()
    return tensors, json.loads(json.dumps(meta))


@pytest.mark.parametrize("where", [1, 2])
def test_workers_fit_the_same_model(where: int, tmp_path: Path) -> None:
    """Also where one of them was interrupted, and some parts are kept."""
    rows = _rows()
    alone = TableModel.fit(rows.z, rows.y, classes=False, options=OPTIONS, resume=tmp_path)
    for gone in sorted(tmp_path.iterdir())[::2]:
        shutil.rmtree(gone)
    with Workers(where) as given:
        model = TableModel.fit(rows.z, rows.y, classes=False, options=OPTIONS, resume=tmp_path, workers=given)
    assert_close(model.predict(rows.z), alone.predict(rows.z), atol=1e-4, rtol=0)
    assert model.rows == alone.rows


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = _rows()
    whole = TableModel.fit(rows.z, rows.y, classes=False, options=OPTIONS)

    class Stopped(Exception): ...

    def stop(what: str, share: float) -> None:
        if ", 2 of" in what:
            raise Stopped

    with pytest.raises(Stopped):
        TableModel.fit(rows.z, rows.y, classes=False, options=OPTIONS, on_progress=stop, resume=tmp_path)
    kept = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(kept) == 2
    changed = (kept[0] / "manifest.json").stat().st_mtime_ns
    (kept[1] / "part.safetensors").write_bytes(b"damaged")
    again = TableModel.fit(rows.z, rows.y, classes=False, options=OPTIONS, resume=tmp_path)
    assert torch.equal(again.predict(rows.z), whole.predict(rows.z))
    assert (kept[0] / "manifest.json").stat().st_mtime_ns == changed
    other = TableModel.fit(rows.z, rows.y + 1, classes=False, options=OPTIONS, resume=tmp_path)
    assert_close(other.predict(rows.z), whole.predict(rows.z) + 1, atol=1e-3, rtol=0)
