"""The benchmark over size: it tells a quadratic reader from a linear one, and all readers are linear."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lior_bench import sizes


@pytest.mark.parametrize(("power", "steep"), [(1, False), (1.1, False), (1.5, True), (2, True)])
def test_the_slope_is_the_power(power, steep):
    found = [sizes.Cost(size, (size / 4) ** power, 0) for size in sizes.SIZES]
    assert sizes.slope(found) == pytest.approx(power)
    assert (sizes.slope(found) > sizes.STEEP) == steep


@pytest.mark.slow
def test_every_reader_is_linear():
    result = CliRunner().invoke(sizes.measure_sizes, ["--quick"])
    assert result.exit_code == 0, result.output
    assert result.output.count("slope") == len(sizes.MAKERS)
