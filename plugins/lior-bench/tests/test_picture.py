"""The picture of a comparison: every label can be read and belongs to its point."""

from __future__ import annotations

import pytest

from lior.plots.figures import draw
from lior.plots.panels import Picture
from lior.testing.figures import check_readable
from lior_bench import picture
from lior_bench.picture import ComparisonChart
from lior_bench.results import Row, Run
from lior_bench.text import COLUMNS


def row(system: str, bits: float, seconds: float, mode: str = "online") -> Row:
    numbers = {"bits_per_byte": bits, "train_seconds": seconds, "score_seconds": 0.0}
    return Row("t", system, mode, [Run(set="t", system=system, mode=mode, numbers=numbers)])


def rows() -> list[Row]:
    """Fourteen systems, most of them close to each other."""
    near = [3.0, *(1 + 0.02 * (i % 7) for i in range(1, 14))]  # one far off presses the others together
    found = [row(f"system {i}", each, each * 10 ** (i // 7) * 1e-5) for i, each in enumerate(near)]
    return sorted(found, key=lambda each: each.number("bits_per_byte"))


@pytest.mark.slow
def test_labels_of_a_crowd_can_be_read_and_point_to_their_systems(tmp_path):
    shown = rows()
    chart = ComparisonChart(title="t", rows=shown, columns=COLUMNS)
    figure = draw(Picture(name="p", title="t", panels=[chart]))
    check_readable(figure)
    [axis] = figure.axes
    bits = [each.number("bits_per_byte") for each in shown]
    names = [f"{y:.3f}  {each}" for y, each in zip(bits, shown, strict=True)]
    assert [text.get_text() for text in axis.texts] == names
    places = [*zip(map(picture.seconds, shown), bits, strict=True)]
    assert [text.xy for text in axis.texts] == places, "not rounded up"
    heights = [text.xyann[1] for text in axis.texts]
    assert heights == sorted(heights)


def test_a_system_without_a_time_is_left_out_of_a_logarithmic_axis(tmp_path):
    found = {"t": [*rows(), row("instant", 1.0, 0.0, "static")], "empty": []}
    assert picture.write(found, COLUMNS, tmp_path).read_bytes().startswith(b"\x89PNG")


def test_nothing_measured_is_nothing_drawn(tmp_path):
    assert picture.write({"t": [row("instant", 1.0, 0.0)]}, COLUMNS, tmp_path) is None
    assert not (tmp_path / "bench.png").exists()
