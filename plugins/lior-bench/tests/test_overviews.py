"""Facts of overviews are counted in quotations, and the set is about its folders."""

from __future__ import annotations

import pytest

from lior.interfaces import Passage
from lior_bench.overviews import counts
from lior_bench.talks import expectations, plain
from lior_bench.worlds import DATA, unpack


def test_facts_and_quotations_beside_the_point_are_counted():
    expected = {"facts": ["sold in  May", "Leaks"], "also": ["the mast", "boat.md"]}
    texts = {
        "a.md": "It was sold in May.",
        "b.md": "The mast is new.",
        "boat.md": "Blue.",
        "c.md": "The oven.",
    }
    quoted = [Passage(document=name, line=1, text=text) for name, text in texts.items()]
    assert counts(expected, quoted) == (1, 1)
    assert counts(expected, []) == (0, 0)


@pytest.mark.parametrize("part", ["choose", "seen", "last"])
def test_every_fact_is_in_its_folder(part, tmp_path):
    asked = [each for each in expectations(f"{DATA}/overviews.jsonl") if each["part"] == part]
    assert (len(asked), sum(not each["facts"] for each in asked)) == (12, 2)
    for name in {each["folder"] for each in asked}:
        unpack(name, tmp_path / name)
        files = [file for file in (tmp_path / name).rglob("*") if file.is_file()]
        names = {str(file.relative_to(tmp_path / name)) for file in files}
        text = "\n".join(plain(file.read_text("utf-8")) for file in files)
        for each in (each for each in asked if each["folder"] == name):
            assert all(plain(fact) in text for fact in each["facts"])
            assert all(part in names or plain(part) in text for part in each["also"])
