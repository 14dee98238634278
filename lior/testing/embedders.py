"""The laws that every :class:`~lior.interfaces.Embedder` obeys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lior.interfaces import Embedder
from lior.testing.strategies import Contract

TEXTS = (
    "Press the red button for ten seconds to reset the boiler.",
    "Water the tomatoes in the morning, never at noon.",
    "The invoice of the plumber was paid on 12 March.",
    "Amelie starts in the laboratory on 2 June.",
    "The spare key hangs beside the door of the shed.",
)
"""Five texts in plain words."""
ODD = ("", " \n", "\0", "\ud800 half a character", "東京都の天気は晴れです。", "boiler " * 3000)
"""Texts without words, with half a character, in another script, and a long one."""


class EmbedderContract(Contract[Embedder]):
    """The laws of an embedder."""

    def test_declares_what_the_interface_asks_for(self) -> None:
        embedder = self.make()
        assert isinstance(embedder, Embedder)
        assert embedder.width > 0
        assert len(embedder.digest.splitlines()) == 1, "the digest is one line"

    def test_each_text_has_a_unit_vector(self) -> None:
        embedder = self.make()
        for question in (False, True):
            assert _embed(embedder, [], question).shape == (0, embedder.width)
            assert _embed(embedder, TEXTS, question).any(1).all()

    def test_a_vector_is_a_function_of_its_text(self) -> None:
        embedder, texts = self.make(), [*TEXTS, *ODD]
        for question in (False, True):
            together = _embed(embedder, texts[::-1], question)[::-1]
            alone = [_embed(embedder, [text], question)[0] for text in texts]
            assert all(map(np.array_equal, together, alone)), "it depends on the other texts"

    def test_equal_digests_give_equal_vectors(self) -> None:
        one, other = self.make(), self.make()
        assert one.digest == other.digest
        assert np.array_equal(_embed(one, TEXTS), _embed(other, TEXTS))

    def test_a_text_is_the_nearest_to_itself(self) -> None:
        embedder = self.make()
        cosines = _embed(embedder, TEXTS, True) @ _embed(embedder, TEXTS).T
        assert (cosines.argmax(1) == np.arange(len(TEXTS))).all()


embedder_contract = EmbedderContract.of


def _embed(embedder: Embedder, texts: Sequence[str], question: bool = False) -> np.ndarray:
    """Return the vectors of texts after a check of each."""
    found = embedder.embed(texts, question=question)
    assert found.dtype == np.float32
    assert found.shape == (len(texts), embedder.width)
    norms = np.linalg.norm(found, axis=1)
    assert ((abs(norms - 1) < 1e-3) | (norms == 0)).all(), f"lengths {norms}, not 1"
    return found
