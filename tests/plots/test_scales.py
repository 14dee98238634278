"""Scales have a place for every number, and labels keep their order and distance."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from lior.plots.scales import AxisScale, spread, tick_labels


@pytest.mark.parametrize(
    ("values", "kind", "threshold"),
    [
        ([1e-9, 1.0], "log", None),
        ([0.0, 1e-14, 1.0], "symlog", 1e-14),
        ([-1.0, 1e-30, 1.0], "symlog", 1e-6),
        ([-2.0, -30.0], "symlog", 1.0),
        ([0.0, 0.0], "linear", None),
        ([math.nan, 1.0, math.inf], "log", None),
        ([math.nan], "linear", None),
    ],
)
def test_a_scale_has_a_place_for_every_number(values, kind, threshold):
    scale = AxisScale.of(values, log=True)
    assert scale.kind == kind
    assert threshold is None or scale.threshold == pytest.approx(threshold)
    finite = sorted(value for value in values if math.isfinite(value))
    places = [scale.place(value) for value in finite]
    assert places == sorted(places)
    assert all(map(math.isfinite, places))
    assert [scale.value(place) for place in places] == pytest.approx(finite, rel=1e-9)
    assert AxisScale.of(values, log=False).kind == "linear"


@pytest.mark.parametrize("scale", [AxisScale(), AxisScale("log"), AxisScale("symlog", 1e-3)])
def test_numbers_at_an_axis_are_within_it_and_told_apart(scale):
    rng = random.Random(0)
    for _ in range(300):
        low, high = sorted((10 ** rng.uniform(-6, 6), 10 ** rng.uniform(-6, 6)))
        most = rng.randint(2, 9)
        ticks = scale.ticks(low, high, most)
        assert 2 <= len(ticks) <= most
        assert ticks == sorted(ticks)
        assert low <= ticks[0] < ticks[-1] <= high
        labels = tick_labels(ticks)
        assert len({*labels}) == len(labels)
        assert [float(label.replace(",", "")) for label in labels] == pytest.approx(ticks, rel=1e-2)
    assert scale.ticks(5.0, 5.0, 4) == [5.0]


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
