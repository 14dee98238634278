"""The laws of lior's kinds for the plugins of this distribution."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from lior.errors import UsageError
from lior.geometry import metric
from lior.testing.frames import frame_contract
from lior.testing.products import product_contract
from lior.testing.rsources import rsource_contract
from lior.testing.tensors import cast, make_generator
from lior_plugins.frames.lowrank import LowRank
from lior_tables.agop import Agop
from lior_tables.local import Local
from lior_tables.power import Power

TestAgop = frame_contract(Agop)
TestDiagonalAgop = frame_contract(lambda: Agop(diagonal=True, power=0.5))
TestPower = product_contract(Power)
TestGauss = product_contract(lambda: Power(exponent=2.0))
TestRough = product_contract(lambda: Power(exponent=0.7))
TestL1 = product_contract(lambda: Power(norm=1))
TestRoughL1 = product_contract(lambda: Power(norm=1, exponent=0.6))
TestLocal = rsource_contract(Local)


def test_powers_of_l1_above_one_are_refused() -> None:
    with pytest.raises(UsageError, match=r"exponent = 1.5 with norm = 1: allowed is a number from 0.1 to 1"):
        Power(exponent=1.5, norm=1)


def test_agop_refuses_gradients_of_another_dimension() -> None:
    state = Agop().init(3, generator=torch.Generator())
    with pytest.raises(UsageError, match=r"takes \(N, C, 3\)"):
        Agop().observe_gradients(state, torch.ones(5, 1, 4))


def test_gradients_in_batches_count_as_those_at_once_or_the_last_only() -> None:
    first, second = (torch.randn(count, 2, 3, generator=make_generator(count)) for count in (10, 30))
    fresh = Agop().init(3, generator=make_generator(0))
    for decay, whole in ((1.0, torch.cat([first, second])), (0.0, second)):
        frame = Agop(decay=decay)
        state = frame.observe_gradients(frame.observe_gradients(fresh, first), second)
        flat = whole.flatten(0, 1)
        assert_close(state["moment"], flat.mT @ flat / len(whole))
        assert state["count"] == len(whole)


def test_the_metric_of_known_gradients() -> None:
    gradients = torch.tensor([[[2.0, 0.0]], [[0.0, 1.0]], [[2.0, 0.0]], [[0.0, 1.0]]])
    frame = Agop()
    state = frame.observe_gradients(frame.init(2, generator=make_generator(0)), gradients)
    assert_close(metric.dense(frame.form(state)), torch.tensor([[1.0, 0.0], [0.0, 0.25]]))
    sharp = Agop(power=2.0, diagonal=True)
    state = sharp.observe_gradients(sharp.init(2, generator=make_generator(0)), gradients)
    assert_close(metric.dense(sharp.form(state)), torch.tensor([[1.0, 0.0], [0.0, 0.0625]]))


def test_gradients_that_say_nothing_are_left_out() -> None:
    frame = Agop()
    state = frame.init(2, generator=make_generator(0))
    for gradients in (torch.zeros(0, 1, 2), torch.zeros(4, 1, 2), torch.full((4, 1, 2), torch.nan)):
        assert frame.observe_gradients(state, gradients) is state


def test_a_stored_row_is_not_its_own_neighbour() -> None:
    """Resilience beside a row tends to that at the row; with itself as a neighbour it would jump."""
    source = Local(k=1)
    z = torch.randn(60, 2, generator=make_generator(0), dtype=torch.float64)
    form = metric.cast(
        LowRank(rank=0).form(LowRank(rank=0).init(2, generator=make_generator(0))), torch.float64
    )
    state = source.observe(
        cast(source.init(2, generator=make_generator(0)), torch.float64), z, form, total=60
    )
    distances = torch.cdist(z, z).fill_diagonal_(torch.inf)
    nearest = distances.amin(1)
    length = nearest.median()
    expected = 1 / (nearest + 0.05 * length)
    assert_close(source.resilience(state, z, form), expected)
