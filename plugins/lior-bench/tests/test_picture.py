"""The picture of a comparison: every label can be read and belongs to its point."""

from __future__ import annotations

import math

import pytest

from lior.plots.figures import draw
from lior.plots.panels import Picture
from lior.testing.figures import check_readable
from lior_bench import picture
from lior_bench.picture import ComparisonChart
from lior_bench.results import Measurement, Results, RowKey


def results(path, *, text: str = "t") -> Results:
    """Fourteen systems, most of them close to each other."""
    found = Results(path / "bench.json", {"texts": [{"name": "t"}, {"name": "empty"}]})
    for i in range(14):
        near = 1 + 0.02 * (i % 7) if i else 3.0  # one far off, which presses the others together
        seconds = {"train_seconds": near * 10 ** (i // 7) * 1e-5, "score_seconds": 0.0}
        run = Measurement(seed=None, nats=1000 * near * math.log(2), bytes=1000, peak_rss_bytes=1, **seconds)
        found.add(RowKey(text, f"system {i}", "online"), run)
    return found


@pytest.mark.slow
def test_labels_of_a_crowd_can_be_read_and_point_to_their_systems(tmp_path):
    rows = results(tmp_path).of_text("t")
    figure = draw(Picture(name="p", title="t", panels=[ComparisonChart(title="t", rows=rows)]))
    check_readable(figure)
    [axis] = figure.axes
    assert [text.get_text() for text in axis.texts] == [f"{row.bits:.3f}  {row.key}" for row in rows]
    assert [text.xy for text in axis.texts] == [(row.seconds, row.bits) for row in rows], "not rounded up"
    heights = [text.xyann[1] for text in axis.texts]
    assert heights == sorted(heights)


def test_a_system_without_a_time_is_left_out_of_a_logarithmic_axis(tmp_path):
    found = results(tmp_path)
    key = RowKey("t", "instant", "static")
    found.add(key, Measurement(seed=0, nats=1, bytes=1, train_seconds=0, score_seconds=0, peak_rss_bytes=1))
    assert picture.write(found, tmp_path).read_bytes().startswith(b"\x89PNG")


def test_nothing_measured_is_nothing_drawn(tmp_path):
    assert picture.write(results(tmp_path, text="another"), tmp_path) is None
    assert not (tmp_path / "bench.png").exists()
