"""The judge: what it has learned obeys laws that a user relies on."""

import json
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest

from lior import registry
from lior_ask import Index
from lior_ask.index.vector_store import LARGE
from lior_ask.judging import chosen_judge
from lior_ask.judging.features import FOLDER, NAMES, gather
from lior_ask.judging.linear import Linear, Weights, models
from lior_ask.question.question import Question

LEVELS = ("words", "encoder", "read", "estimate", "estimate+read")


def test_there_is_a_model_for_each_level_of_evidence():
    assert set(models()) == {*LEVELS}


def test_more_of_the_question_never_makes_a_passage_worse():
    for name in ("text", "heading", "block", "words", "bags", "encoder"):
        for level in LEVELS:
            weights = models()[level].weights.weights
            of_it = [at for at, each in enumerate(NAMES) if each.split(", below")[0] == name]
            assert (weights[of_it] >= 0).all(), name


def test_weights_of_other_features_are_refused():
    record = json.loads(files("lior_ask.judging").joinpath("weights.json").read_text("utf-8"))
    score = record["models"]["words"]["score"]
    with pytest.raises(ValueError, match="lior bench judge --write"):
        Weights.read(score, (*NAMES[:-1], "another"))


def test_another_judge_is_chosen_by_its_name(monkeypatch):
    assert isinstance(chosen_judge(), Linear)
    monkeypatch.setenv("LIOR_JUDGE", f"{__name__}:Never")
    index = Index(retriever="settle")
    index.learn("boiler.md", "The boiler is serviced in October.")
    answer = index.ask("When is the boiler serviced?")
    assert (answer.found, answer.confidence) == (False, 0.25)
    assert answer.passages[0][0].text == "The boiler is serviced in October."


@pytest.mark.parametrize(
    ("term", "question"),
    [
        ("-f [PLACE], --fs[=PLACE]", "What does lsblk -f do?"),
        ("--timeout=SECONDS", "What is --timeout?"),
        ("function os.cpu_count(arg)", "What does os.cpu_count return?"),
        ("KillUserProcesses=", "KillUserProcesses meaning"),
    ],
)
def test_a_definition_is_told_by_its_term(term, question):
    index = Index(retriever="settle")
    index.learn(
        "a.txt", f"OPTIONS\n\n{term}\n    First sentence of it. Another one.\n\nsome other\n    Text.\n"
    )
    index.learn("b.txt", f"See {term} as well, with words about it.")
    asked = Question(question)
    ranking = registry.get("retriever", "settle")().rank(index.inverted, asked, 40)
    found = gather(asked, ranking, index.inverted)
    term_of, defines = (found.features[:, NAMES.index(name)] for name in ("term", "defines"))
    first = next(at for at, each in enumerate(found.passages) if each.text.startswith("First"))
    assert defines.argmax() == first
    assert defines[first] > 0.2
    assert term_of[first + 1] == term_of[first] == defines[first]
    assert not defines[first + 1]


class Never:
    """A judge that holds no answer for likely."""

    api_version = 1

    def scores(self, question, candidates):
        return np.arange(len(candidates.rows), dtype=np.float64)

    def confidence(self, question, candidates, scores):
        return 0.25

    def least(self, candidates):
        return 0.5


def test_of_two_machines_the_one_that_is_named_is_quoted_and_sure():
    index = Index(retriever="settle")
    index.learn(
        "machines.md", "# Machines\n\nThe kiln reaches 1,250 degrees.\n\nThe oven reaches 280 degrees.\n"
    )
    index.learn("garden.md", "# Garden\n\nCut the roses in March.\n\nThe ladder is in the shed.\n")
    answer = index.ask("How many degrees does the oven reach?")
    assert answer.answer.text == "The oven reaches 280 degrees."
    assert answer.confidence > 0.5
    assert index.ask("How many degrees does the sauna reach?").confidence < answer.confidence


def test_less_evidence_suffices_in_a_large_folder():
    judge, model = Linear(), models()["estimate+read"]
    least = [
        judge.least(SimpleNamespace(level="estimate+read", folder=np.log1p(np.full(len(FOLDER), passages))))
        for passages in (500, LARGE, LARGE + 1)
    ]
    assert least == [model.smaller, model.smaller, model.least]
    assert model.least < model.smaller
