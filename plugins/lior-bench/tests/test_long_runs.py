"""Short forms of what runs for hours: `python -m lior_bench.longrun` and `python -m lior_bench.soak`."""

from __future__ import annotations

import pytest

from lior import registry
from lior_bench.longrun import run
from lior_bench.soak import soak


@pytest.mark.slow
@pytest.mark.parametrize("frame", registry.names("frame"))
def test_the_metric_stays_one(frame):
    """Noise without a mean, with outliers; every 997th update is infinite and must leave no trace."""
    kept = run(frame, 2000)
    assert kept.rejected == 2
    assert kept.skew < 1e-6
    assert kept.least > 0
    assert kept.condition < 1e9


@pytest.mark.slow
def test_learning_and_forgetting_in_any_order_leaves_what_is_held():
    found = soak(600.0, most=100)
    assert min(found.learned, found.forgotten, found.generated) > 10
    assert found.loaded > 3
    assert found.equal
    assert found.handles == 0
    assert found.grown_bytes < 200 << 20
