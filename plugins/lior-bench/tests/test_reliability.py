"""Bands of confidence count every answer once, and the error is that of the definition."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.plots import figures
from lior.plots.panels import Picture
from lior_bench.answers import EDGES, Judged, ReliabilityDiagram, bands, calibration_error
from lior_bench.sets import Question


def judged(confidence: float, right: bool) -> Judged:
    question = Question(text="?", kind="plain", words=("x",))
    told = {"quoted": right, "right": right, "passages": (), "blocks": (), "shown": ""}
    return Judged(question=question, confidence=confidence, refused=confidence < 0.5, **told)


ANSWERS = st.lists(st.builds(judged, st.floats(0, 1) | st.sampled_from(EDGES), st.booleans()))


@given(ANSWERS)
def test_every_answer_is_in_one_band_and_the_means_are_in_it(answers: list[Judged]) -> None:
    found = bands(answers)
    assert sum(band.count for band in found) == len(answers)
    assert sum(band.count * band.right for band in found if band.count) == pytest.approx(
        sum(each.right for each in answers)
    )
    for band, (low, high) in zip(found, pairwise(EDGES), strict=True):
        assert not band.count or low - 1e-9 <= band.confidence <= high + 1e-9


@given(ANSWERS)
def test_the_error_is_at_least_the_distance_of_the_means(answers: list[Judged]) -> None:
    stated = sum(each.confidence for each in answers) - sum(each.right for each in answers)
    assert abs(stated) / max(len(answers), 1) <= calibration_error(bands(answers)) + 1e-9 <= 1 + 1e-9


def test_the_error_of_two_bands() -> None:
    answers = [judged(0.6, True), judged(0.6, False), judged(0.99, True)]
    assert calibration_error(bands(answers)) == pytest.approx((2 * 0.1 + 0.01) / 3)


def test_the_diagram_is_drawn_and_empty_bands_are_left_out(tmp_path: Path) -> None:
    diagram = ReliabilityDiagram(title="", bands={"fitting": bands([judged(0.99, True)])})
    [path] = figures.write_picture(
        Picture(name="r", title="", panels=[diagram], columns=1), tmp_path, ("svg",)
    )
    assert path.read_bytes().startswith(b"<?xml")
    assert diagram.table().rows == [["fitting", "–", "–", "–", "–", "1 of 1 (99)", "1.0 %"]]
