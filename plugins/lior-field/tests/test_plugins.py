"""The laws of encoders and sources, and what is special about these."""

from __future__ import annotations

from lior_field.encoder import FieldEncoder
from lior_field.reservoir import Reservoir
from lior_field.rsource import FieldNorm

from lior.testing.encoders import encoder_contract
from lior.testing.memories import memory_contract
from lior.testing.rsources import rsource_contract


class TestFieldEncoder(encoder_contract(lambda: FieldEncoder(n=6, reach=5, side=3))): ...


class TestReservoir(memory_contract(lambda: Reservoir(features=48, reach=12, side=3))): ...


class TestFieldNorm(rsource_contract(FieldNorm)): ...


class TestWeakFieldsCostMore(rsource_contract(lambda: FieldNorm(power=-2.0, eps=1e-3))): ...
