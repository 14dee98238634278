"""Training time grows linearly with the text."""

import pytest

from lior_bench.scaling import seconds


@pytest.mark.exhaustive
def test_sixteen_times_the_text_takes_at_most_twenty_one_times_as_long() -> None:
    small, large = seconds("fast", 0.25), seconds("fast", 4.0)
    assert large["total"] <= 1.3 * 16 * small["total"]
