"""The laws of encoders and sources, and what is special about these."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from lior.geometry import kernel
from lior.testing.encoders import encoder_contract
from lior.testing.rsources import rsource_contract
from lior_field.dynamics import Unitary
from lior_field.encoder import FieldEncoder, _waves
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_field.rsource import FieldNorm


class TestFieldEncoder(encoder_contract(lambda: FieldEncoder(n=6, reach=5, side=3))): ...


class TestFieldNorm(rsource_contract(FieldNorm)): ...


class TestWeakFieldsCostMore(rsource_contract(lambda: FieldNorm(power=-2.0, eps=1e-3))): ...
