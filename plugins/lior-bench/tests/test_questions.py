"""Sets of questions: what is expected stands in the notes; fitting and reporting have nothing in common."""

from __future__ import annotations

import pytest

from lior_bench.questions import FITTING, REPORTING, load, squeezed

WRITTEN = [name for name in FITTING + REPORTING if name.startswith(("fit_", "report_"))]


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_expected_stands_in_one_place_of_the_notes(name):
    content = load(name)
    texts = " | ".join(map(squeezed, content["texts"].values()))
    for kind, asked in content.items():
        if isinstance(asked, dict) and kind != "texts":
            assert not {question: words for question, words in asked.items() if texts.count(words) != 1}


def test_sets_for_fitting_and_for_reporting_have_no_question_and_no_line_in_common():
    def lines(names):
        found = set()
        for content in map(load, names):
            texts = content.pop("texts", {}).values()
            found.update(line for text in texts for line in text.splitlines() if len(line) > 30)
            found.update(question for asked in content.values() for question in asked)
        return found

    assert not lines(FITTING) & lines(REPORTING)
