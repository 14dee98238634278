"""Labels of the picture can be read: each beside its point, none on another."""

from __future__ import annotations

import math

import pytest

from lior.bench.picture import Box, draw
from lior.bench.results import Key, Results, Run


def test_overlap_of_boxes():
    box = Box(0, 0, 4, 2)
    assert box.area == 8
    assert box.overlap(Box(3, 1, 9, 9)) == 1
    assert box.overlap(Box(4, 0, 5, 2)) == box.overlap(Box(0, 3, 4, 4)) == 0


def test_labels_of_a_crowd_cover_nothing(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation, Text

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path: drawn.append(figure))
    results = Results(tmp_path / "bench.json", {"texts": [{"name": "t"}, {"name": "empty"}]})
    for i in range(14):
        near = 1 + 0.02 * (i % 7) if i else 3.0  # one far off, which presses the others together
        seconds = {"train_seconds": near * 10 ** (i // 7), "score_seconds": 0.0}
        run = Run(seed=None, nats=1000 * near * math.log(2), bytes=1000, peak_rss_bytes=1, **seconds)
        results.add(Key("t", f"system {i}", "online"), run)
    assert draw(results, tmp_path / "b.png")
    [figure] = drawn
    [panel] = figure.axes
    notes = [child for child in panel.get_children() if isinstance(child, Annotation)]
    assert {note.get_text().split("  ")[0] for note in notes} == {f"system {i}" for i in range(14)}
    renderer = figure.canvas.get_renderer()
    frame = panel.get_window_extent()
    boxes = []
    for note in notes:
        note.update_positions(renderer)
        extent = Text.get_window_extent(note, renderer)
        assert frame.x0 <= extent.x0 < extent.x1 <= frame.x1
        assert frame.y0 <= extent.y0 < extent.y1 <= frame.y1
        boxes.append(Box(extent.x0, extent.y0, extent.x1, extent.y1))
    assert all(a.overlap(b) < 1 for i, a in enumerate(boxes) for b in boxes[:i])


def test_nothing_measured_is_nothing_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    assert not draw(Results(tmp_path / "bench.json", {"texts": [{"name": "t"}]}), tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()
