"""Retrievers obey their contract; what is particular to each."""

from __future__ import annotations

import numpy as np
import pytest

from ask.content import everything
from lior.plugins.registry import registry
from lior_ask.api import Index
from lior_ask.testing import QUESTIONS, TEXTS, retriever_contract


@pytest.fixture(scope="module", autouse=True)
def vectors(tmp_path_factory):
    """A small file of word vectors in which "expired" is near to "lapsed"."""
    words = sorted(
        {word.lower().strip(".,;?") for text in TEXTS + QUESTIONS for word in text.split()} | {"lapsed"}
    )
    values = np.random.default_rng(0).standard_normal((len(words), 16))
    lines = [
        f"{word} {' '.join(f'{x:.4f}' for x in row)}" for word, row in zip(words, values, strict=True) if word
    ]
    lines.append("expired" + lines[words.index("lapsed") - (words[0] == "")].removeprefix("lapsed"))
    path = tmp_path_factory.mktemp("vectors") / "small.vec"
    path.write_text(f"{len(lines)} 16\n" + "\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIOR_VECTORS", str(path))
        yield path


def test_contract_with_a_file_of_vectors():
    laws = retriever_contract(registry.get("retriever", "dense"))
    for law in (member for member in dir(laws) if member.startswith("test_")):
        getattr(laws(), law)()


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
        ranking = index.rank("cellar humming", 9)
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
    assert {"bm25", "dense", "settle"} <= set(registry.names("retriever"))
