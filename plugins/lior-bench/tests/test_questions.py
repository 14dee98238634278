"""Sets of questions: what is expected stands in the notes; fitting and reporting have nothing in common."""

from __future__ import annotations

import click
import pytest

from lior_bench import sets
from lior_bench.sets import FITTING, INSTALLED, REPORTING, SETS, language, load, questions, squeeze

WRITTEN = [name for name in SETS if name.startswith(("fit_", "report_")) and name not in INSTALLED]


def test_what_is_expected_stands_in_one_place_of_the_notes():
    for name in WRITTEN:
        content = load(name)
        texts = " | ".join(map(squeeze, content["texts"].values()))
        for kind, asked in content.items():
            if isinstance(asked, dict) and kind != "texts":
                assert not {question for question, words in asked.items() if texts.count(words) != 1}, name


def test_sets_for_fitting_and_for_reporting_have_no_question_no_package_and_no_line_in_common():
    def lines(names):
        found = {question.text for name in names for question in questions(name)}
        for content in (load(name) for name in names if name != "trial"):
            found.update(content.get("packages", ()))
            texts = content.get("texts", {}).values()
            found.update(line for text in texts for line in text.splitlines() if len(line) > 30)
        return found

    assert not lines(FITTING) & lines(REPORTING)


def test_questions_are_different_and_only_those_without_an_answer_expect_nothing():
    for name in SETS:
        asked = questions(name)
        assert len({question.text for question in asked}) == len(asked), name
        assert {question.kind for question in asked if not question.words} <= {"unanswerable"}, name
        assert all(question.words for question in asked if question.kind != "unanswerable"), name


def test_the_set_of_manuals_for_reporting_is_as_large_as_was_agreed():
    kinds = [question.kind for question in questions("manuals")]
    assert (kinds.count("plain"), kinds.count("paraphrased")) == (30, 15)


@pytest.mark.parametrize("name", ["de", "fr", "ru", "ja"])
def test_most_questions_of_a_set_are_found_to_be_of_its_language(name):
    asked = questions(f"report_{name}")
    assert sum(language(question.text) == name for question in asked) >= 0.8 * len(asked)


def test_files_of_a_package_come_from_the_first_root_that_has_them(tmp_path):
    for root, text in (("one", "first"), ("two", "second")):
        (tmp_path / root / "usr/share/doc/x").mkdir(parents=True)
        (tmp_path / root / "usr/share/doc/x" / f"{root}.txt").write_text(text)
    roots = (tmp_path / "one", tmp_path / "two")
    sets.collect_manuals({"x-doc": ["usr/share/doc/x/*.txt"]}, tmp_path / "out", roots)
    assert [path.read_text() for path in (tmp_path / "out").rglob("*.txt")] == ["first"]
    with pytest.raises(click.ClickException, match="apt-get download y-doc"):
        sets.collect_manuals({"y-doc": ["usr/share/doc/no-such-folder/*"]}, tmp_path / "out", roots)
