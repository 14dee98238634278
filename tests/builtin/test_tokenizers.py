"""Laws of the tokenizers."""

from __future__ import annotations

import random
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import BrokenPlugin, UsageError
from lior.testing.strategies import LAW
from lior.testing.tokenizers import DOCUMENTS
from lior_plugins.tokenizers import bpe
from lior_plugins.tokenizers.bpe import Bpe
from lior_plugins.tokenizers.bytes import Bytes
from tests.cases import cases


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


# --- bpe ----------------------------------------------------------------------

needs_library = pytest.mark.usefixtures("_library")


@pytest.fixture
def _library():
    pytest.importorskip("tokenizers")


def fitted(*documents: bytes, vocab_size: int = 400) -> Bpe:
    tokenizer = Bpe(vocab_size=vocab_size)
    tokenizer.fit(documents)
    return tokenizer


def pieces(tokenizer: Bpe, data: bytes) -> list[bytes]:
    """What the tokens of ``data`` stand for, one by one."""
    return [tokenizer.decode([token]) for token in tokenizer.encode(data).tolist()]


@needs_library
@LAW
@given(learned=st.binary(max_size=300), read=st.binary(max_size=300))
def test_bpe_loses_nothing_whatever_it_was_fitted_on(learned, read):
    tokenizer = fitted(learned, learned)
    for data in (learned, read, learned + read):
        assert tokenizer.decode(tokenizer.encode(data).tolist()) == data


@needs_library
def test_the_first_ids_are_the_bytes():
    for tokenizer in (Bpe(), fitted(*DOCUMENTS)):
        assert [tokenizer.decode([value]) for value in range(256)] == [bytes([v]) for v in range(256)]
    assert Bpe().encode(DOCUMENTS[0]).tolist() == list(DOCUMENTS[0]), "nothing is merged before fit"


@needs_library
def test_merges_are_those_of_the_algorithm():
    """Worked by hand: the most frequent pair first, of ties the lower ids, and none that occurs once."""
    assert fitted(b"ab cd ab cd").snapshot()["merges"].tolist() == [[32, 99], [97, 98], [256, 100]]
    tokenizer = fitted(b"aab aab aab ab")
    assert tokenizer.snapshot()["merges"].tolist() == [[97, 98], [97, 256], [32, 257]]
    assert pieces(tokenizer, b"aab aab ab") == [b"aab", b" aab", b" ", b"ab"]
    assert tokenizer.encode(b" aabab").tolist() == [258, 256]


@needs_library
def test_every_id_stands_for_something_else():
    tokenizer = fitted(sample_text(20_000), vocab_size=2000)
    assert len({tokenizer.decode([token]) for token in range(tokenizer.vocab)}) == tokenizer.vocab > 1000


@needs_library
@cases(
    ("text", "words"),
    [
        ("Once upon a", ["Once", " upon", " a"]),
        ("in 12345 days", ["in", " 123", "45", " days"]),
        ("(a) it's", ["(", "a", ")", " it", "'", "s"]),
        ("x\n\n    y  \t z ", ["x", "\n\n   ", " y", "  \t", " z", " "]),
        ("where? là-bas", ["where", "?", " là", "-", "bas"]),
        ("a\0\x7fb", ["a", "\0\x7f", "b"]),
    ],
)
def test_tokens_stay_within_words_numbers_marks_and_white_space(text, words):
    tokenizer = fitted(*[text.encode()] * 9, vocab_size=4096)
    assert [piece.decode() for piece in pieces(tokenizer, text.encode())] == words


@needs_library
def test_a_vocabulary_is_as_large_as_asked_or_as_the_text_allows():
    text = sample_text(20_000)
    assert [fitted(text, vocab_size=size).vocab for size in (257, 300, 1000)] == [257, 300, 1000]
    assert fitted(text, vocab_size=32768).vocab < 10_000
    assert fitted(b"abcdefg").vocab == 256


def sample_text(size: int) -> bytes:
    from pydoc_data.topics import topics

    return "\n".join(text for _, text in sorted(topics.items())).encode()[:size]


@needs_library
def test_text_is_shorter_in_tokens():
    text = sample_text(40_000)
    assert len(fitted(text, vocab_size=2048).encode(text)) < len(text) / 3


@needs_library
@cases("vocab_size", [300, 5000])
def test_training_is_deterministic(vocab_size):
    """More words than one thread counts, with many ties."""
    drawn = random.Random(0)
    words = [bytes(drawn.choices(b"abcdefgh", k=drawn.randrange(2, 6))) for _ in range(20_000)]
    text = b" ".join(words)
    first, second = (fitted(text, vocab_size=vocab_size) for _ in range(2))
    assert torch.equal(first.snapshot()["merges"], second.snapshot()["merges"])
    assert torch.equal(first.encode(text), second.encode(text))


@needs_library
def test_parts_of_a_long_text_leave_no_trace_in_its_tokens(monkeypatch):
    text = sample_text(30_000)
    tokenizer = fitted(text)
    whole = tokenizer.encode(text)
    monkeypatch.setattr(bpe, "_PIECE", 64)
    monkeypatch.setattr(bpe, "_BATCH", 3)
    assert len(list(bpe._parts(text))) > 300
    assert torch.equal(tokenizer.encode(text), whole)
    assert torch.equal(fitted(text).snapshot()["merges"], tokenizer.snapshot()["merges"])


@needs_library
@cases("unit", [b"a", b" ", b"\n", b"\xff", b"1", b"ab.", "漢字".encode()])
def test_a_text_without_a_break_is_cut_into_words_of_bounded_length(unit):
    """Training and encoding take quadratic time in the length of a word."""
    text = unit * (200_000 // len(unit))
    tokenizer = fitted(text, vocab_size=4096)
    tokens = tokenizer.encode(text)
    assert max(len(tokenizer.decode([token])) for token in range(tokenizer.vocab)) <= 65
    assert len(tokens) < len(text)
    assert tokenizer.decode(tokens.tolist()) == text


@needs_library
def test_the_first_wrong_id_of_bpe_is_named():
    message = "token id 400 at position 1 is not in the vocabulary: allowed is 0 to 399"
    with pytest.raises(UsageError, match=message):
        fitted(sample_text(9_000)).decode([97, 400, -1])


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(BrokenPlugin, match=r"needs the package tokenizers.*lior install bpe") as caught:
        Bpe()
    assert len(str(caught.value).splitlines()) == 1
