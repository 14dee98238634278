"""Runs in notebooks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.runs.notebook import as_html

SUMMARY = {"val_bits_per_byte": 2.36, "baseline": {"unigram": 4.8, "order4": 2.5}, "seconds": {"total": 7.3}}


def record(step, cost, stage="memory"):
    return json.dumps({"stage": stage, "step": step, "nats_per_token": cost}) + "\n"


def test_numbers_stand_beside_those_of_the_controls():
    html = as_html("<Run>", SUMMARY, None)
    assert html.startswith("<div><div>&lt;Run&gt;</div>")
    assert [f"<td>{each}</td>" in html for each in ("2.360", "2.500", "4.800", "7.300")] == [True] * 4
    assert "<svg" not in html


def test_a_run_without_a_summary_has_its_title():
    assert as_html("x", None, None) == "<div><div>x</div><table></table></div>"


def test_the_curve_is_that_of_the_text_read(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text(record(10, 2) + record(20, 1) + record(20, 9, "validate"))
    html = as_html("x", SUMMARY, metrics)
    assert 'points="0.0,0.0 360.0,120.0"' in html
    assert "2.885 to 1.443 bits per token" in html


@pytest.mark.parametrize("text", ["{", "[]\n", '{"stage": "memory", "nats_per_token": null}\n', record(1, 2)])
def test_without_telemetry_there_is_no_curve(text, tmp_path):
    (tmp_path / "metrics.jsonl").write_text(text)
    assert "<svg" not in as_html("x", SUMMARY, tmp_path / "metrics.jsonl")
    assert "<svg" not in as_html("x", SUMMARY, tmp_path / "missing.jsonl")


@given(st.text())
def test_the_title_is_escaped(title):
    assert as_html(title, None, None).count("<") == 6
