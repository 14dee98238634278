"""The laws that every :class:`~lior.interfaces.Tokenizer` obeys."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from hypothesis import strategies as st

from lior.errors import LiorError
from lior.interfaces import Tokenizer
from lior.testing.strategies import Contract, law
from lior.testing.tensors import assert_declared, assert_same

DOCUMENTS = (
    b"The cat sat on the mat, and the hat was on the cat. " * 9,
    "Où est le café? C'est là, là-bas.\r\n\t".encode() * 9,
    bytes(range(256)) * 2,
    b"",
)
"""Documents on which the suite fits tokenizers."""


class TokenizerContract(Contract[Tokenizer]):
    """The laws of an unfitted tokenizer."""

    def test_declares_what_the_interface_asks_for(self) -> None:
        tokenizer = _fitted(self.make)
        assert_declared(tokenizer, Tokenizer, tokenizer.snapshot())
        assert tokenizer.vocab >= 1

    @law(data=st.binary(max_size=200))
    def test_any_bytes_come_back(self, data: bytes) -> None:
        _assert_lossless(_fitted(self.make), data)

    @law(text=st.text(max_size=100))
    def test_any_text_comes_back(self, text: str) -> None:
        _assert_lossless(_fitted(self.make), text.encode("utf-8", "surrogatepass"))

    def test_every_byte_comes_back(self) -> None:
        _assert_lossless(_fitted(self.make), bytes(range(256)))

    def test_nothing_comes_back_as_nothing(self) -> None:
        _assert_lossless(_fitted(self.make), b"")

    @law(data=st.binary(max_size=200))
    def test_token_ids_are_in_range(self, data: bytes) -> None:
        tokenizer = _fitted(self.make)
        tokens = tokenizer.encode(data)
        assert tokens.dtype == torch.int64
        assert tokens.ndim == 1
        assert ((tokens >= 0) & (tokens < tokenizer.vocab)).all()

    def test_ids_outside_the_vocabulary_are_refused(self) -> None:
        tokenizer = _fitted(self.make)
        for wrong in (-1, tokenizer.vocab):
            message = _refusal(tokenizer, wrong)
            assert message is not None, f"decode accepts {wrong}; the vocabulary has {tokenizer.vocab} ids"
            assert str(wrong) in message, f"the message does not name the id {wrong}: {message}"

    def test_what_it_was_fitted_on_comes_back(self) -> None:
        for document in DOCUMENTS:
            _assert_lossless(_fitted(self.make), document)

    def test_fitted_on_nothing_it_loses_nothing(self) -> None:
        for documents in ((), (b"",)):
            _assert_lossless(_fit(self.make, *documents), DOCUMENTS[0])

    def test_the_same_documents_give_the_same_tokenizer(self) -> None:
        _assert_same(_fit(self.make, *DOCUMENTS), _fitted(self.make))

    def test_documents_are_read_one_by_one(self) -> None:
        tokenizer = self.make()
        tokenizer.fit(document for document in DOCUMENTS)
        _assert_same(tokenizer, _fitted(self.make))

    def test_fitting_again_forgets_what_was_learned_before(self) -> None:
        tokenizer = _fit(self.make, b"0123456789 " * 50)
        tokenizer.fit(DOCUMENTS)
        _assert_same(tokenizer, _fitted(self.make))

    def test_what_is_restored_is_the_same_tokenizer(self) -> None:
        for other in (self.make(), _fit(self.make, b"0123456789 " * 50)):
            other.restore(_fitted(self.make).snapshot())
            _assert_same(other, _fitted(self.make))

    def test_a_snapshot_shares_nothing_with_the_tokenizer(self) -> None:
        tokenizer, other = _fit(self.make, *DOCUMENTS), self.make()
        snapshot = tokenizer.snapshot()
        other.restore(snapshot)
        for value in snapshot.values():
            value.zero_()
        _assert_same(tokenizer, _fitted(self.make))
        _assert_same(other, _fitted(self.make))


tokenizer_contract = TokenizerContract.of


@lru_cache(1)  # fitting takes time, and the laws change nothing
def _fitted(make: Callable[[], Tokenizer]) -> Tokenizer:
    return _fit(make, *DOCUMENTS)


def _fit(make: Callable[[], Tokenizer], *documents: bytes) -> Tokenizer:
    tokenizer = make()
    tokenizer.fit(documents)
    return tokenizer


def _assert_same(a: Tokenizer, b: Tokenizer) -> None:
    """Assert the same numbers and the same behaviour."""
    assert_same(a.snapshot(), b.snapshot())
    assert a.vocab == b.vocab
    for data in (*DOCUMENTS, b"words that neither was fitted on"):
        assert a.encode(data).tolist() == b.encode(data).tolist()
    for token in range(a.vocab):
        assert a.decode([token]) == b.decode([token])


def _assert_lossless(tokenizer: Tokenizer, data: bytes) -> None:
    assert tokenizer.decode(tokenizer.encode(data).tolist()) == data


def _refusal(tokenizer: Tokenizer, token: int) -> str | None:
    """Return the message with which ``decode`` refuses ``token``; ``None`` if it does not."""
    try:
        tokenizer.decode([token])
    except LiorError as error:
        return str(error)
    return None
