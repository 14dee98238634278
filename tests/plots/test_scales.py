"""Axes have a place for every number, and labels keep their order and distance."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from lior.plots.scales import format_number, linear_limit, spread
from tests.cases import cases


@cases(
    ("values", "limit"),
    [
        ([1e-9, 1.0], 0.0),
        ([0.0, 1e-14, 1.0], 1e-14),
        ([-1.0, 1e-30, 1.0], 1e-6),
        ([-2.0, -30.0], 1.0),
        ([math.nan, 1.0, math.inf], 0.0),
        ([0.0, 0.0], None),
        ([math.nan], None),
    ],
)
def test_where_a_logarithmic_axis_has_to_be_linear(values, limit):
    assert linear_limit(values) == (limit if limit is None else pytest.approx(limit))


@cases(
    ("value", "text"),
    [(-0.0, "0"), (0.5, "0.5"), (999.5, "999.5"), (1999.9, "2,000"), (1e16, "1e+16"), (math.nan, "nan")],
)
def test_a_number_as_text(value, text):
    assert format_number(value) == text


def test_spread_keeps_order_and_gaps_and_leaves_others_alone():
    rng = random.Random(0)
    for _ in range(300):
        places = sorted(rng.uniform(-1, 1) for _ in range(rng.randint(1, 9)))
        found = spread(places, gap=0.1, low=-1, high=1)
        assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(found))
        assert -1 - 1e-9 <= found[0] <= found[-1] <= 1 + 1e-9
        moved = [abs(a - b) for a, b in zip(places, found, strict=True)]
        if all(b - a >= 0.1 for a, b in pairwise(places)):
            assert max(moved) < 1e-9
    assert spread([], gap=1, low=0, high=1) == []
    assert spread([0.0, 0.0], gap=2, low=0, high=1) == [0.0, 2.0], "no room: upwards from the foot"
