"""Code words of a model: exact round trips, the promised size, and never a wrong output."""

from __future__ import annotations

import contextlib
import math
import struct
import zlib

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.data import corpus
from lior.errors import DataError, RunError, UsageError
from lior.model import compression, evaluation
from lior.model.compression import CompressedFile
from lior.reading.documents import RawDocument
from lior.testing.strategies import LAW
from lior_cli.compress import recipe_coder, run_coder
from tests.cases import cases

SHORT = b"abracadabra, abracadabra\n"


def fresh():
    return recipe_coder("fast")


def there_and_back(data: bytes, make=fresh) -> CompressedFile:
    packed, _ = compression.compress(data, make())
    found = CompressedFile.unpack(packed.pack(), name="file")
    assert found == packed
    assert compression.decompress(found, make(), name="file") == data
    return packed


@pytest.fixture(scope="module")
def short() -> bytes:
    """A compressed file."""
    return compression.compress(SHORT, fresh())[0].pack()


@settings(LAW, max_examples=6)
@given(data=st.binary(max_size=60) | st.text(alphabet="ab \n", max_size=90).map(str.encode))
def test_any_bytes_come_back(data):
    there_and_back(data)


@cases(
    "data",
    [b"", b"a", b"\x00" * 200, bytes(range(256)), np.random.default_rng(0).bytes(700)],
)
def test_odd_files_come_back(data):
    there_and_back(data)


def test_an_empty_file_has_no_code_words():
    assert there_and_back(b"").words == b""


def test_bytes_that_a_trained_run_never_saw_come_back(finished):
    there_and_back(b"for the \x00\x01\xfe statement \xfe\xff", lambda: run_coder(finished))


@pytest.mark.slow
def test_code_words_are_as_long_as_the_online_evaluation_says(sample):
    data = sample.read_bytes()[20_000:26_000]
    packed, bits = compression.compress(data, fresh())
    model = fresh().model
    built = corpus.build([RawDocument("text", data)], model.tokenizer)
    reported = evaluation.evaluate(model, built, 0, len(built), online=True).nats / math.log(2)
    assert bits == pytest.approx(reported, rel=1e-6)
    assert reported / 8 - 1 <= len(packed.words) <= reported / 8 * 1.001 + 16
    assert len(packed.pack()) - len(packed.words) < 110


def test_the_number_of_threads_does_not_matter():
    packed, _ = compression.compress(SHORT, fresh())
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []
    try:
        progress = lambda *_: seen.append(torch.get_num_threads())  # noqa: E731
        assert compression.decompress(packed, fresh(), name="file", progress=progress) == SHORT
        assert seen == [1], "sums of several threads depend on how many there are"
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# --- what is not right is refused ---


def refusal(data: bytes) -> str:
    """What decompressing says, in one line."""
    with pytest.raises(DataError) as caught:
        compression.decompress(CompressedFile.unpack(data, name="x.lior"), fresh(), name="x.lior")
    message = str(caught.value)
    assert message.startswith("x.lior: ")
    assert "\n" not in message
    return message


def test_every_changed_byte_is_noticed(short):
    for at in range(len(short)):
        for change in (0x01, 0x80, 0xFF):
            refusal(short[:at] + bytes([short[at] ^ change]) + short[at + 1 :])


def test_every_missing_end_is_noticed(short):
    for end in range(len(short)):
        refusal(short[:end])
    refusal(short + b"\0")


def sealed(data: bytes) -> bytes:
    """``data`` with the checksum that it should have."""
    return data[:6] + struct.pack("<I", zlib.crc32(data[10:])) + data[10:]


def test_wrong_code_words_never_give_a_wrong_output(short):
    """Even where the checksum of the file fits: the SHA-256 of the original has the last word."""
    words = len(CompressedFile.unpack(short, name="x").words)
    for at in range(len(short) - words, len(short)):
        changed = sealed(short[:at] + bytes([short[at] ^ 0x10]) + short[at + 1 :])
        with contextlib.suppress(DataError):  # else the bit is one that the last code word has to spare
            found = CompressedFile.unpack(changed, name="x")
            assert compression.decompress(found, fresh(), name="x") == SHORT
    for words in (b"", b"\xff" * 8):
        damaged = attrs.evolve(CompressedFile.unpack(short, name="x.lior"), words=words)
        assert "SHA-256 differs" in refusal(damaged.pack())


def test_lengths_and_names_that_do_not_fit_are_refused(short):
    found = CompressedFile.unpack(short, name="x")
    for wrong in ({"tokens": found.tokens - 1}, {"tokens": 0}, {"size": 3}, {"sha256": bytes(32)}):
        assert "SHA-256 differs" in refusal(attrs.evolve(found, **wrong).pack())
    assert "not a file" in refusal(sealed(short + b"\0"))
    assert "not a file" in refusal(sealed(short[:30]))
    assert "not a file" in refusal(sealed(short[:11] + b"\xff" + short[12:]))
    assert "not a file" in refusal(b"\x1f\x8b something else")
    assert "not a file" in refusal(b"")


def test_more_tokens_than_the_code_words_hold_end_early(short):
    """The coder itself would go on with them for days."""
    file = CompressedFile.unpack(short, name="x")
    for words in (file.words, b"", b"\xff" * 40):
        longer = attrs.evolve(file, tokens=2 << 30, words=words)
        with pytest.raises(DataError, match="the result is not what was compressed"):
            compression.decompress(longer, fresh(), name="x")
    with pytest.raises(DataError, match=r"it claims 4,294,967,296 bytes"):
        CompressedFile.unpack(attrs.evolve(file, size=1 << 32).pack(), name="x")


def test_another_format_is_refused(short):
    assert "format 3, this lior reads format 2; install a newer" in refusal(short[:5] + b"\x03" + short[6:])
    assert "format 1, this lior reads format 2; decompress it" in refusal(short[:5] + b"\x01" + short[6:])


def test_another_machine_is_named_as_the_cause(short):
    found = attrs.evolve(CompressedFile.unpack(short, name="x"), sha256=bytes(32))
    assert "another type of CPU" not in refusal(found.pack())
    assert "another type of CPU" in refusal(attrs.evolve(found, machine=1).pack())


def test_another_model_is_refused(short, finished, tmp_path):
    found = CompressedFile.unpack(short, name="x")
    with pytest.raises(RunError, match="other settings or versions of recipe 'fast'"):
        compression.decompress(found, run_coder(finished), name="x")
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[memory]\nname = 'sdm'\n[memory.sdm]\nwindow = 4\ngates = ['longest']\n")
    with pytest.raises(RunError, match="other settings"):
        compression.decompress(found, recipe_coder(str(recipe)), name="x")


def test_a_recipe_with_a_geometry_is_refused():
    with pytest.raises(UsageError, match="train a run and give it with --run"):
        recipe_coder("tiny")
