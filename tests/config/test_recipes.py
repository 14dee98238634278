"""Recipes as files: TOML and JSON are read alike, and what is wrong with one is one line."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.config import load, recipes
from lior.errors import ConfigError

TABLE = {"seed": 3, "geometry": {"updates": 2, "noise": 0.5}, "data": {"text": ["a", "ä"]}}


@pytest.fixture
def file(tmp_path):
    def make(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("name", "write"),
    [("r.toml", tomli_w.dumps), ("r.json", json.dumps), ("R.JSON", json.dumps), ("r", tomli_w.dumps)],
)
def test_the_same_table_from_every_form(file, name, write, mark):
    assert recipes.read_recipe(file(name, mark + write(TABLE))) == TABLE


def test_null_is_as_if_it_were_not_there(file):
    path = file("r.json", '{"seed": null, "frame": null, "geometry": {"updates": null, "batch": 2}}')
    assert recipes.read_recipe(path) == {"geometry": {"batch": 2}}
    assert load(path, env={}).config.geometry.batch == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": "\xff"}', "byte 7 is not UTF-8. Save the file as UTF-8."),
        (b'\xef\xbb\xbf{"a": "\xff"}', "byte 10 is not UTF-8. Save the file as UTF-8."),
        ('{"a": 1,}', "not valid JSON: "),
        ('{"a": 1, "a": 1}', "not valid JSON: the key 'a' is given twice in one object; remove one."),
        ('{"b": {"a": 1, "a": null}}', "not valid JSON: the key 'a' is given twice"),
        ('{"a": [NaN]}', "not valid JSON: NaN is not a number in JSON; write a finite one, or null"),
        ('{"a": -Infinity}', "not valid JSON: -Infinity is not a number in JSON"),
        ('{"a": 1e999}', "not valid JSON: the number 1e999 is too large."),
        ('{"a": ' + "9" * 10_000 + "}", "not valid JSON: "),
        ('{"a": "\\ud800"}', "not valid JSON: "),
        ("[1]", 'not valid JSON: it must be an object, such as {"key": 1}.'),
        ("", "not valid JSON: "),
        ('{"a": ' + "[" * 100_000, "nested too deeply. A recipe needs three levels."),
        ('{"a": ' * 100_000, "nested too deeply. A recipe needs three levels."),
        (" " * 1_000_001, "larger than 1000000 bytes, so it cannot be a recipe."),
    ],
)
def test_bad_json_is_one_line(file, content, complaint):
    path = file("r.json", content)
    with pytest.raises(ConfigError) as caught:
        recipes.read_recipe(path)
    assert str(caught.value).startswith(f"{path}: {complaint}")
    assert "\n" not in str(caught.value)


def test_without_a_package_a_name_is_a_path(file, monkeypatch):
    monkeypatch.chdir(file("default", "seed = 9").parent)
    assert recipes.read_recipe("default", "") == {"seed": 9}
    assert recipes.read_recipe("default") != {"seed": 9}
    with pytest.raises(ConfigError, match=r"^tiny: no such file\.$"):
        recipes.read_recipe("tiny", "")


_keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@settings(max_examples=20)
@given(st.text(max_size=40) | st.recursive(st.none() | st.floats() | _keys, st.lists).map(json.dumps))
def test_json_of_anything_is_a_table_or_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("r") / "r.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(ConfigError):
        table = recipes.read_recipe(path)
        assert tomllib.loads(tomli_w.dumps(table)) == table
