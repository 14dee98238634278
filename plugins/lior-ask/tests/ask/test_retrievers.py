"""Retrievers obey their contract; what is particular to each."""

from __future__ import annotations

import pytest

from ask.content import everything
from lior.plugins.registry import registry
from lior_ask.api import Index


@pytest.mark.parametrize("name", registry.names("retriever"))
def test_a_confirmed_question_finds_its_passage_first(name):
    index = Index(retriever=name)
    index.learn(
        "heat.md", "The boiler is in the cellar.\n\nThe heating costs 90 euros.\n\nIt hums at night.\n"
    )
    index.learn("tent.md", "A tent for summer.\n\nThe cellar of the boat is dry.\n")
    row = next(row for row in range(len(index)) if index.passage(row).text.startswith("It hums"))
    passage = index.passage(row)

    def score() -> float:
        ranking = index.asker.rank("cellar humming", 9)
        return dict(zip(ranking.passages.tolist(), ranking.scores.tolist(), strict=True))[row]

    for question, again in (
        ("When is the furnace overhauled?", "overhauled furnace"),
        ("Is the cellar humming, or the furnace?", "furnace"),
    ):
        before, less = (everything(index), index.ask(question)), score()
        assert index.confirm(question, passage)
        assert score() >= less + (0.05 if "cellar" in question else 0)
        assert index.ask(again).passages[0][0] == passage
        assert not index.confirm(f" {question.upper()} ", passage), "it takes it back"
        assert everything(index) == before[0]
        assert index.ask(question) == before[1]


def test_all_of_them_are_registered():
    assert {"bm25", "meaning", "settle"} <= set(registry.names("retriever"))
