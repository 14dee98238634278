"""Retrievers obey their contract; what is particular to each."""

from __future__ import annotations

import numpy as np
import pytest

from lior.plugins.registry import registry
from lior.testing.retrievers import QUESTIONS, TEXTS, retriever_contract


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


@pytest.mark.parametrize("name", registry.names("retriever"))
def test_contract(name):
    laws = retriever_contract(registry.get("retriever", name))
    for law in (member for member in dir(laws) if member.startswith("test_")):
        getattr(laws(), law)()


def test_all_of_them_are_registered():
    assert {"bm25", "dense", "settle"} <= set(registry.names("retriever"))
