"""Plugins from a configuration: their options are checked, typed and passed on."""

from __future__ import annotations

import attrs
import pytest

from lior.config import Component, TrainConfig, build, load, schema
from lior.config.options import option
from lior.errors import ConfigError, UnknownPlugin
from lior.plugins.registry import Registry
from tests.toy_tokenizers import Plain


@attrs.frozen(kw_only=True)
class Toy(Plain):
    """A tokenizer with one option of each type."""

    vocab: int = option(256, help="number of ids", low=1)
    scale: float = option(1.0, help="a number", low=0, high=2)
    limit: int | None = option(None, help="may be absent", low=0)
    mode: str = option("a", help="a choice", choices=("a", "b"))
    strict: bool = option(False, help="a truth value")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    """``Toy`` under a name, and plugins that load for the other kinds."""
    registry = Registry(environ={})
    registry.register("tokenizer", "toy", Toy)
    get = registry.get
    monkeypatch.setattr(
        registry, "get", lambda kind, name: get(kind, name) if kind == "tokenizer" else _Anything
    )
    monkeypatch.setattr(schema, "registry", registry)
    return "toy"


class _Anything:
    """Stands for the plugins that a test is not about."""


def test_options_reach_the_plugin_with_their_types(toy):
    component = Component(name=toy, options={"vocab": 3, "scale": 2, "limit": 4, "mode": "b"})
    built = build("tokenizer", component)
    assert built == Toy(vocab=3, scale=2.0, limit=4, mode="b")
    assert type(built.scale) is float


def test_faulty_options_are_all_reported_with_their_origin(toy):
    table = {
        "tokenizer": {
            "name": toy,
            "vocab": 0,
            "scale": "x",
            "limit": 1.5,
            "mode": "c",
            "strict": 1,
            "vocob": 3,
        }
    }
    with pytest.raises(ConfigError) as caught:
        load(table, env={}, components=True)
    found = caught.value.problems
    expected = [
        "tokenizer.vocab = 0 (from recipe): allowed is a whole number of at least 1",
        "tokenizer.scale = 'x' (from recipe): allowed is a number from 0 to 2",
        "tokenizer.limit = 1.5 (from recipe): allowed is a whole number of at least 0",
        "tokenizer.mode = 'c' (from recipe): allowed is one of a, b",
        "tokenizer.strict = 1 (from recipe): allowed is true or false",
        "tokenizer.vocob = 3 (from recipe): unknown option. Did you mean 'vocab'? "
        "Known: vocab, scale, limit, mode, strict.",
    ]
    assert sorted(found) == sorted(expected)
    with pytest.raises(ConfigError) as caught:
        build("tokenizer", load(table, env={}).config.tokenizer)
    assert len(caught.value.problems) == len(expected)


def test_unknown_plugin_is_a_problem_like_others(toy):
    with pytest.raises(ConfigError) as caught:
        load({"tokenizer": "tow", "seed": -1}, env={}, components=True)
    seed, name = caught.value.problems
    assert seed.startswith("seed = -1")
    assert name.startswith(
        "tokenizer.name (from recipe): No tokenizer plugin is named 'tow'. Did you mean 'toy'?"
    )
    with pytest.raises(UnknownPlugin):
        build("tokenizer", Component(name="tow"))


def test_right_components_have_no_problems(toy):
    config = load({"tokenizer": toy}, env={}, components=True).config
    assert config == TrainConfig(tokenizer=Component(name=toy))
