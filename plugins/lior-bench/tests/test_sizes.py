"""The benchmark over size: it tells a quadratic reader from a linear one, and all readers are linear."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lior.reading import isolation
from lior.reading.parsing import choose_reader
from lior_ask import Index
from lior_bench import sizes
from tests.work import count_lines


@pytest.mark.parametrize(("power", "steep"), [(1, False), (1.1, False), (1.5, True), (2, True)])
def test_the_slope_is_the_power(power, steep):
    found = [sizes.Cost(size, (size / 4) ** power, 0) for size in sizes.SIZES]
    assert sizes.slope(found) == pytest.approx(power)
    assert (sizes.slope(found) > sizes.STEEP) == steep


@pytest.mark.parametrize("name", sizes.HOSTILE)
def test_four_times_the_size_is_four_times_the_work(name, monkeypatch):
    monkeypatch.setattr(isolation, "_inside", True)

    def work(size: int) -> int:
        data, index = sizes.HOSTILE[name](size), Index(retriever="settle", embedder="")
        return count_lines(lambda: index.content.put(name, choose_reader(data, name).read(data, name)))

    work(10)  # what is computed once
    assert work(800) < 5 * work(200)


@pytest.mark.slow
def test_the_command_prints_what_a_file_costs():
    """Its exit code is a verdict on measured times, so it is not looked at here."""
    result = CliRunner().invoke(sizes.measure_sizes, ["--quick", "hostile sign.txt", "hostile mail.mbox"])
    assert result.output.count("slope") == 2, result.output
