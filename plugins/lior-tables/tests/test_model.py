"""Models of tables that are easy, flat, repeated, wide or weighted; and plugins that change results."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from conftest import candidate
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor
from torch.testing import assert_close

from lior.errors import UsageError
from lior.testing.tensors import make_generator
from lior_tables.choice import Explored, choose
from lior_tables.fitting import fit_members, settle
from lior_tables.members import Setting
from lior_tables.model import TableModel
from lior_tables.plan import Options, plan
from lior_tables.row_store import Rows
from lior_tables.solve import factor, lapack


def _table(count: int = 200, inputs: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    z = torch.randn(count, inputs, generator=make_generator(seed))
    return z, (2 * z[:, :1]).sin() + z[:, 1:2].abs()


def _fit(z: Tensor, y: Tensor, *, classes: bool = False, **options: Any) -> TableModel:
    return TableModel.fit(z, y, classes=classes, options=Options(**{"members": 2, "rounds": 1, **options}))


def test_the_default_learns_a_smooth_function() -> None:
    z, y = _table(700)
    y = y + 0.2 * torch.randn(700, 1, generator=make_generator(1))
    model = TableModel.fit(z[:300], y[:300], classes=False)
    error = (model.predict(z[300:]) - y[300:]).square().mean()
    assert 0.04 < error < 0.075, "the noise has a variance of 0.04"
    left_out = (model.leave_one_out() - y[:300]).square().mean()
    assert 0.6 < left_out / error < 1.4


def test_directions_find_the_inputs_that_matter() -> None:
    z, y = _table(400)
    model = _fit(z, y)
    values, vectors = model.directions()
    assert (values[:-1] >= values[1:]).all()
    assert vectors[:2, 0].square().sum() > 0.9


def test_a_vote_whose_metric_is_not_learned_has_no_teacher() -> None:
    z, y = _table(60)
    assert _fit(z, y, members=1, readout="vote", rounds=0).predict(z).isfinite().all()


def test_the_same_generator_gives_the_same_model() -> None:
    z, y = _table()
    models = [TableModel.fit(z, y, classes=False, generator=make_generator(3)) for _ in range(2)]
    assert torch.equal(*(model.predict(z) for model in models))


def test_probabilities_are_calibrated_distributions() -> None:
    z, _ = _table(600)
    p = torch.sigmoid(2 * z[:, 0])
    hit = torch.rand(600, generator=make_generator(1)) < p
    y = torch.stack([~hit, hit], 1).float()
    model = _fit(z, y, classes=True)
    predicted = model.probabilities(z)
    assert_close(predicted.sum(1), torch.ones(600))
    fresh = torch.randn(2000, 4, generator=make_generator(2))
    assert (model.probabilities(fresh)[:, 1] - torch.sigmoid(2 * fresh[:, 0])).abs().mean() < 0.1
    with pytest.raises(UsageError, match="fitted to numbers"):
        _fit(*_table()).probabilities(z)


@pytest.mark.parametrize(
    ("name", "z", "y"),
    [
        ("one row", torch.randn(1, 3, generator=make_generator(0)), torch.ones(1, 1)),
        ("two rows", torch.randn(2, 3, generator=make_generator(0)), torch.ones(2, 1)),
        ("one column", *_table(50, 2)),
        ("constant columns", torch.ones(50, 3), torch.randn(50, 1, generator=make_generator(1))),
        ("constant outputs", torch.randn(50, 3, generator=make_generator(0)), torch.full((50, 2), 7.0)),
        ("repeated rows", torch.randn(5, 3, generator=make_generator(0)).repeat(20, 1), torch.randn(100, 1)),
        (
            "wide",
            torch.randn(20, 300, generator=make_generator(0)),
            torch.randn(20, 1, generator=make_generator(1)),
        ),
        ("large outputs", _table(60)[0], 1e12 * _table(60)[1]),
        ("small outputs", _table(60)[0], 1e-12 * _table(60)[1]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("readout", ["ridge", "vote"])
def test_odd_tables_are_fitted(name: str, z: Tensor, y: Tensor, readout: str) -> None:
    z = z[:, :1] if name == "one column" else z
    model = _fit(z, y, readout=readout)
    predicted = model.predict(z)
    assert predicted.shape == y.shape
    assert predicted.isfinite().all()
    assert model.leave_one_out().isfinite().all()
    if name == "constant outputs":
        assert_close(predicted, y)
    assert (predicted - y).abs().max() <= 3 * y.abs().max()


def test_one_class_is_certain() -> None:
    z, _ = _table(30)
    model = _fit(z, torch.ones(30, 1), classes=True)
    assert_close(model.probabilities(z), torch.ones(30, 1))


PLUGINS: list[dict[str, Any]] = [
    *({"frame": name} for name in ("derived", "lowrank", "rotor")),
    *({"rsource": name} for name in ("constitutive", "curvature", "local")),
    *({"product": name} for name in ("tensor", "wedge", "spinor")),
    {"readout": "vote"},
    {"frame": "rotor", "rsource": "curvature", "product": "spinor", "readout": "vote"},
]


@pytest.mark.parametrize("options", PLUGINS, ids=str)
def test_every_plugin_changes_the_result_and_beats_the_mean(options: dict[str, Any]) -> None:
    z, y = _table(160)
    usual = _fit(z[:120], y[:120]).predict(z[120:])
    model = _fit(z[:120], y[:120], **options)
    predicted = model.predict(z[120:])
    assert (predicted - usual).abs().max() > 1e-3
    spread = (y[120:] - y[:120].mean()).square().mean()
    assert (predicted - y[120:]).square().mean() < spread
    assert model.leave_one_out().isfinite().all()


def test_a_ridge_that_is_too_small_for_many_noisy_rows_is_made_larger() -> None:
    z, y = _table(1200)
    noise = torch.randn(1200, 1, generator=make_generator(4))
    explored = Explored(candidate(exponent=2.0), Setting(steps=((0.5, 1e-4),)), 0.0, y)
    weights = torch.ones(1200)
    noisy, clean = (
        settle(explored, Rows(z, outputs, weights), make_generator(0)) for outputs in (y + 0.7 * noise, y)
    )
    assert noisy.bandwidth == clean.bandwidth == 0.5
    assert noisy.ridge >= 1e-3
    assert clean.ridge < noisy.ridge


def test_a_deadline_leaves_members_out_but_not_the_first() -> None:
    z, y = _table(300)
    rows = Rows(z, y / y.std(), torch.ones(300))
    options = Options(rounds=1)
    chosen = choose(plan(options, 4), rows, classes=False, generator=make_generator(0))
    chosen = chosen._replace(
        explored=chosen.explored * 2, weights=torch.cat([chosen.weights, chosen.weights]) / 2
    )
    fitted = fit_members(chosen, rows, options, make_generator(0), deadline=time.monotonic() - 1)
    assert len(fitted.members) == len(fitted.weights) == 1
    assert fitted.weights == [1.0]
    fitted = fit_members(chosen, rows, options, make_generator(0))
    assert len(fitted.members) == len(chosen.explored)
    assert sum(fitted.weights) == pytest.approx(1)


@pytest.mark.parametrize(
    ("z", "y", "weights", "message"),
    [
        (torch.ones(3), torch.ones(3, 1), None, "give"),
        (torch.ones(3, 2), torch.ones(4, 1), None, "give"),
        (torch.ones(0, 2), torch.ones(0, 1), None, "give"),
        (torch.ones(3, 2) * torch.nan, torch.ones(3, 1), None, "z has numbers that are not finite"),
        (torch.ones(3, 2), torch.ones(3, 1) * torch.inf, None, "y has numbers that are not finite"),
        (torch.ones(3, 2), torch.ones(3, 1), torch.tensor([1.0, 0.0, 1.0]), "above 0"),
    ],
)
def test_wrong_tables_are_refused(z: Tensor, y: Tensor, weights: Tensor | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TableModel.fit(z, y, weights, classes=False)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UsageError, match="time_limit"):
        Options(time_limit=0)
    with pytest.raises(UsageError, match="No frame plugin is named 'agup'"):
        _fit(*_table(), frame="agup")


@pytest.mark.parametrize("count", [50, 700])
@pytest.mark.parametrize("depth", [3.0, 600.0])
def test_an_indefinite_matrix_is_factored_with_what_was_added(count: int, depth: float) -> None:
    x = torch.randn(count, count, generator=make_generator(0), dtype=torch.float64) / count**0.5
    a = x @ x.mT + torch.eye(count, dtype=torch.float64)
    a[count // 2, count // 2] -= depth  # found out when half is done
    a[0, 0] += depth  # as in a kernel the mean of the diagonal is positive
    found = factor(a.clone())
    assert found.added > 0
    whole = a + found.added * torch.eye(count, dtype=torch.float64)
    lower = found.lower.tril()
    assert_close(lower @ lower.mT, whole)
    right = x[:, :3].contiguous()
    assert_close(found.solve(right), torch.linalg.solve(whole, right))
    assert_close(found.inverse(), torch.linalg.inv(whole))


def test_small_matrices_are_factored_by_one_thread(monkeypatch) -> None:
    """Threads of LAPACK spin while they wait: beside busy processes for seconds."""
    seen: list[int] = []

    def watched(*given: Any, **options: Any) -> Any:
        seen.extend(each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas")
        return plain(*given, **options)

    plain = lapack.dpotrf
    monkeypatch.setattr(lapack, "dpotrf", watched)
    with threadpool_limits(2, "blas"):
        factor(torch.eye(300, dtype=torch.float64))
    assert set(seen) == {1}
