"""Laws of the tokenizers."""

from __future__ import annotations

import pytest

from lior.errors import UsageError
from lior.testing.tokenizers import tokenizer_contract
from lior_plugins.tokenizers.bytes import Bytes


class TestBytes(tokenizer_contract(Bytes)): ...


def test_a_token_is_a_byte():
    assert Bytes().vocab == 256
    assert Bytes().encode("né".encode()).tolist() == [110, 195, 169]


def test_encode_does_not_share_memory():
    data = bytearray(b"abc")
    tokens = Bytes().encode(data)
    data[0] = 0
    assert tokens.tolist() == [97, 98, 99]


def test_the_first_wrong_id_is_named():
    with pytest.raises(UsageError, match="token id 256 at position 1 is not a byte: allowed is 0 to 255"):
        Bytes().decode([97, 256, -1])
