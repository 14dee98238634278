"""Sizes of texts are what was asked for, and each command's cost is in the table and the picture."""

import json
from pathlib import Path

import pytest

from lior_bench import growing


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "all.jsonl"
    lines = [json.dumps({"text": f"the number {i} is {i * i}\n" * 20}) for i in range(100)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_size_is_a_prefix_or_the_text_several_times(source, tmp_path):
    size = source.stat().st_size
    (part := tmp_path / "part").mkdir()
    [prefix] = growing.texts(source, part, size // 2)
    text = Path(prefix).read_bytes()
    assert source.read_bytes().startswith(text)
    assert size // 2 <= len(text) < size // 2 + 1000
    (whole := tmp_path / "whole").mkdir()
    names = growing.texts(source, whole, 3 * size)
    assert [Path(name).read_bytes() for name in names] == 3 * [source.read_bytes()]


def test_an_archive_is_measured_and_drawn(source, tmp_path):
    pytest.importorskip("pydivsufsort")
    found = list(growing.costs(source, [0.01, 0.1], 0.0, 1))
    assert [cost.kind for cost in found] == ["archive", "archive"]
    assert all(cost.seconds > 0 and cost.memory > 1e6 and cost.disk > cost.bytes for cost in found)
    drawn = growing.picture(found).summary()
    assert drawn["panels"][0]["title"] == "time"
    assert len(drawn["panels"][2]["curves"][0]["x"]) == 2
