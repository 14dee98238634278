"""What an index holds, to compare two of them, and what it calculates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from lior_ask import Index
from lior_ask.testing import content


def same(a: Index, b: Index) -> bool:
    """Whether two indexes have the same passages, counts and confirmed questions."""
    return everything(a) == everything(b)


def everything(index: Index) -> tuple[object, ...]:
    """All of it, in an order that the content decides."""
    passages = [index.passage(row) for row in range(len(index))]
    rows = index.inverted.database.rows
    asked = rows("SELECT * FROM questions ORDER BY document, passage, question")
    readings = rows("SELECT keys FROM documents JOIN readings USING (id) ORDER BY name")
    return content(index.inverted), passages, asked, readings, rows("SELECT count(*) FROM readings")


def folder(name: str, texts: dict[str, str]) -> Any:
    """A fixture for a module: the index of a folder with these files, by words alone."""

    @pytest.fixture(scope="module", name=name)
    def opened(tmp_path_factory: pytest.TempPathFactory) -> Index:
        place = tmp_path_factory.mktemp(name)
        for file, text in texts.items():
            (place / file).write_text(text)
        return Index(place, cache=False, embedder="")

    return opened


def values(index: Index, questions: Iterable[str]) -> dict[str, str | None]:
    """The value that is calculated for each question; None where a question is no calculation."""
    results = {question: index.ask(question).result for question in questions}
    return {question: result and result.value for question, result in results.items()}
