"""The laws that every :class:`~lior.interfaces.Tokenizer` obeys.

A tokenizer's author writes::

    class TestMine(tokenizer_contract(Mine)):
        pass
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import LiorError
from lior.interfaces import API_VERSION, Tokenizer
from lior.testing.strategies import LAW


def tokenizer_contract(make: Callable[[], Tokenizer]) -> type:
    """A new class whose ``test_*`` methods check the tokenizer that ``make()`` returns.

    Parameters
    ----------
    make
        Returns the tokenizer, with the options under test; called afresh by each test.
    """

    class TokenizerContract:
        def test_declares_what_the_interface_asks_for(self) -> None:
            tokenizer = make()
            assert tokenizer.api_version == API_VERSION
            assert tokenizer.vocab >= 1

        @LAW
        @given(data=st.binary(max_size=200))
        def test_any_bytes_come_back(self, data: bytes) -> None:
            _assert_lossless(make(), data)

        @LAW
        @given(text=st.text(max_size=100))
        def test_any_text_comes_back(self, text: str) -> None:
            _assert_lossless(make(), text.encode("utf-8", "surrogatepass"))

        def test_every_byte_comes_back(self) -> None:
            _assert_lossless(make(), bytes(range(256)))

        def test_nothing_comes_back_as_nothing(self) -> None:
            _assert_lossless(make(), b"")

        @LAW
        @given(data=st.binary(max_size=200))
        def test_token_ids_are_in_range(self, data: bytes) -> None:
            tokenizer = make()
            tokens = tokenizer.encode(data)
            assert tokens.dtype == torch.int64
            assert tokens.ndim == 1
            assert ((tokens >= 0) & (tokens < tokenizer.vocab)).all()

        def test_ids_outside_the_vocabulary_are_refused(self) -> None:
            tokenizer = make()
            for wrong in (-1, tokenizer.vocab):
                message = _refusal(tokenizer, wrong)
                assert message is not None, (
                    f"decode accepts {wrong}; the vocabulary has {tokenizer.vocab} ids"
                )
                assert str(wrong) in message, f"the message does not name the id {wrong}: {message}"

    return TokenizerContract


def _assert_lossless(tokenizer: Tokenizer, data: bytes) -> None:
    assert tokenizer.decode(tokenizer.encode(data).tolist()) == data


def _refusal(tokenizer: Tokenizer, token: int) -> str | None:
    """What ``decode`` says against ``token``; ``None`` if it takes it."""
    try:
        tokenizer.decode([token])
    except LiorError as error:
        return str(error)
    return None
