"""What the judge is learned from: folders, questions asked in several ways, and which passages are right."""

import attrs
import numpy as np
import pytest

from lior.interfaces import Passage
from lior_ask.judging.features import NAMES
from lior_ask.judging.linear import models
from lior_bench import judge_cases, judge_fitting, judging
from lior_bench.sets import Question
from lior_bench.worlds import holds, remove, worlds


def question(answer, document="a.html"):
    return Question(text="How much?", kind="direct", words=(answer,), document=document)


@pytest.mark.parametrize(
    ("answer", "shown", "right"),
    [
        ("<tr><td>Family</td><td>268</td></tr>", "Family | 268", True),
        ("DESCRIPTION:Tables\\, and the waffle iron", "Sale: Tables, and the waffle iron", True),
        ("She takes 38 litres.", "She takes 38 litres", True),
        ("She takes 38 litres.", "She takes 40 litres.", False),
        ("It is red, and it blinks twice.", "It", False),
    ],
)
def test_an_answer_is_known_whatever_its_markup(answer, shown, right):
    assert holds(question(answer), Passage(document="a.html", line=1, text=shown)) == right
    assert not holds(question(answer), Passage(document="b.html", line=1, text=shown))


def test_answers_are_taken_out_of_a_folder(tmp_path):
    (tmp_path / "a.txt").write_text("The boiler is red.\nIt is  old\nand loud. The shed is green.\n")
    remove(tmp_path, ["It is old and loud."])
    assert (tmp_path / "a.txt").read_text() == "The boiler is red.\n The shed is green.\n"


@pytest.fixture(scope="module")
def found():
    """Two folders, asked in all ways by words alone."""
    asked = dict([*worlds("learn").items()][:2])
    names = [*asked]
    return [
        case
        for at, name in enumerate(names)
        for case in judge_cases.cases(
            name, asked[name], judge_cases.foreign(asked, at), names[1 - at :][:1], retriever="settle"
        )
    ]


@pytest.mark.slow
def test_a_question_without_its_answer_has_no_right_passage(found):
    kinds = {case.kind for case in found}
    assert {"direct", "direct, deleted", "direct, alone", "elsewhere, alone", "direct, crowd"} <= kinds
    assert not any(case.right.any() for case in found if case.kind.endswith("deleted"))
    direct = [case for case in found if case.kind == "direct"]
    assert np.mean([case.right.any() for case in direct]) > 0.9


def test_some_weights_are_learned_and_the_others_kept():
    asked = worlds("closed")["u-boatclub"]
    found, given = judge_cases.cases("u-boatclub", asked, retriever="settle", whole=True), models()["words"]
    place = NAMES.index("confirms")
    forgotten = np.where(np.arange(len(NAMES)) == place, 0.0, given.weights.weights)
    without = attrs.evolve(given, weights=attrs.evolve(given.weights, weights=forgotten))
    model = judge_fitting.learn_some(found, without, ["confirms"])
    assert model.weights.weights[place] > 0
    assert np.array_equal(np.delete(model.weights.weights, place), np.delete(given.weights.weights, place))
    assert model.answers.constant == given.answers.constant
    assert judging.report(found, model)["direct"]["sentence"] == 1


@pytest.mark.slow
def test_what_is_learned_beats_the_order_of_the_passages_and_needs_its_features(found):
    model = judge_fitting.learn(found, found)
    told = judging.report(found, model)
    assert told["direct"]["first"] > 0.7
    size = told["direct"]["questions"]
    assert told["direct"]["refused"] <= np.ceil(judge_fitting.WRONG * size) / size
    assert told["unanswerable"]["refused"] > told["direct"]["refused"]
    nothing = [np.zeros_like(case.candidates.features) for case in found]
    blind = [
        attrs.evolve(case, candidates=attrs.evolve(case.candidates, features=zeros))
        for case, zeros in zip(found, nothing, strict=True)
    ]
    assert judging.report(blind, model)["direct"]["first"] < told["direct"]["first"]
