"""The laws of lior's kinds for the plugins of this distribution."""

from __future__ import annotations

import pytest
import torch
from lior_tables.agop import Agop
from lior_tables.local import Local
from lior_tables.power import Power

from lior.errors import UsageError
from lior.testing.frames import frame_contract
from lior.testing.products import product_contract
from lior.testing.rsources import rsource_contract

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
