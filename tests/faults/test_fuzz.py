"""Anything given to a parser: an error of ours, or a right answer; never another exception."""

from __future__ import annotations

import contextlib
import gc
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lior
from lior.config import load
from lior.config.schema import keys
from lior.data import corpus
from lior.errors import DataError, LiorError
from lior.reading.documents import read_documents
from lior_plugins.tokenizers.bytes import Bytes

FUZZ = settings(max_examples=40)


@pytest.fixture(scope="module", autouse=True)
def no_collection():
    """Hold the collector back: its callback of hypothesis fails where deep nesting has used up the stack."""
    gc.disable()
    yield
    gc.enable()


KEYS = st.sampled_from(
    [*(key.dotted for key in keys()), "frame.rank", "memory.sdm.window", "nonsense", "a.b.c"]
)
ODD = ["true", "[]", "[1, 2]", '"x"', "{}", "nan", "-inf", "1e400", "0x10", "[" * 500, "'''"]
VALUES = st.integers().map(str) | st.floats().map(str) | st.text(max_size=20) | st.sampled_from(ODD)
BOMBS = ["[a]\n" * 50, "a." * 500 + "b = 1", "x = " + "[" * 2000, "[frame]\nname = [1]", "memory = 3"]
TOML = st.text(max_size=80) | st.builds("{} = {}".format, KEYS, VALUES) | st.sampled_from(BOMBS)


@FUZZ
@given(key=KEYS, value=VALUES, text=TOML)
def test_a_setting_a_variable_and_a_recipe_of_anything(key, value, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "r.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    variable = "LIOR_" + key.upper().replace(".", "__")
    for source in ({"overrides": [f"{key}={value}"]}, {"env": {variable: value}}, {"recipe": path}):
        with contextlib.suppress(LiorError):
            load(**{"env": {}, "components": True} | source)


@pytest.fixture(scope="module")
def opened(finished):
    return lior.load(finished)


@settings(max_examples=20)
@given(prompt=st.binary(max_size=80) | st.text(max_size=40) | st.just("\0" * 50) | st.just("\udc80"))
def test_a_prompt_of_anything(prompt, opened):
    assert isinstance(opened.complete(prompt, 2), str)


LINES = [b'{"text": "\\ud800"}', b'{"text": 1e999}', b"[" * 3000, b'{"text": "a", "text": 3}', b"NaN"]
TEXTS = st.builds(lambda text: json.dumps({"text": text}).encode(), st.text(max_size=30))


@settings(max_examples=100)
@given(lines=st.lists(st.binary(max_size=60) | TEXTS | st.sampled_from(LINES), max_size=6))
def test_any_lines_are_records_or_refused(lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "r.jsonl"
    path.write_bytes(b"\n".join(lines))
    found, told = [], ""
    try:
        found = read_documents([str(path)])
    except DataError as error:
        told = str(error)
    assert "\n" not in told
    assert len(corpus.build_corpus(found, Bytes())) == sum(len(source.data) for source in found)
