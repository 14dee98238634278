"""The configuration: layers, origins, strict types, one report of all faults, and TOML and back."""

from __future__ import annotations

import tomllib

import pytest

from lior.config import PREFIX, Component, TrainConfig, keys, load, load_chosen, to_toml, variable
from lior.config.options import typed_fields
from lior.errors import ConfigError
from lior.plugins.registry import registry
from tests.cases import cases


def problems(*args, **kwargs) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*args, env=kwargs.pop("env", {}), **kwargs)
    return caught.value.problems


# --- layers -----------------------------------------------------------------


@cases("key", list(keys()))
def test_every_key_can_be_set_in_every_layer(key):
    table = tomllib.loads(to_toml(TrainConfig()))
    inner = table if len(key.path) == 1 else table[key.path[0]]
    value = inner[key.path[-1]]
    text = ", ".join(f'"{v}"' for v in value) if isinstance(value, list) else str(value)
    text = f"[{text}]" if isinstance(value, list) else text
    for resolved in (
        load(table, env={}),
        load(env={variable(key.path, PREFIX): text}),
        load(env={}, overrides=[f"{key.dotted}={text}"]),
    ):
        assert resolved.config == TrainConfig()
        assert resolved.origins[key.dotted] != "default"


def test_documented_variables_of_the_registry_are_no_keys():
    assert load(env={"LIOR_ALLOW_PLUGINS": "y", "HOME": "z"}).config == TrainConfig()


@cases("kind", [key.kind for key in keys() if key.kind])
def test_every_option_of_a_plugin_can_be_set_by_a_variable(kind):
    """In a variable a word in capitals stands for small letters."""
    for name in registry.names(kind):
        for option in typed_fields(registry.get(kind, name)):
            words = (kind, name, option) if kind == "memory" else (kind, option)
            chosen = {variable((kind,), PREFIX): name, variable(words, PREFIX): "3"}
            found = getattr(load(env=chosen).config, kind).options
            assert (found[name] if kind == "memory" else found) == {option: 3}


@pytest.mark.parametrize(
    ("recipe", "given", "memories"),
    [
        (None, [], ["sdm"]),
        (None, ["seed=1", "fit.passes=2"], ["sdm"]),
        (None, ["frame.name=rotor"], ["sdm", "exact"]),
        (None, ["frame.rank=2", "memory_budget=99"], ["sdm", "exact"]),
        (None, ["geometry.updates=0"], ["sdm", "exact"]),
        (None, ["rsource.name=curvature", "memory.name=exact"], ["exact"]),
        ("default", ["frame.name=rotor"], ["sdm"]),
        ("retrieval", ["frame.name=rotor"], ["exact"]),
    ],
)
def test_who_names_a_part_of_the_geometry_gets_a_memory_in_which_it_acts(
    recipe, given, memories, monkeypatch
):
    assert load_chosen(recipe, given).config.memory.names == memories
    if recipe is None and given:
        key, _, value = given[0].partition("=")
        monkeypatch.setenv(variable(tuple(key.split(".")), PREFIX), value)
        assert load_chosen(None, given[1:]).config.memory.names == memories


# --- faults -----------------------------------------------------------------


@cases(
    ("path", "value"),
    [
        (("seed",), 1.5),
        (("seed",), -1),
        (("time_limit",), float("nan")),
        (("mixer", "learning_rate"), float("inf")),
        (("data", "text"), [1]),
        (("geometry", "smoothing"), 1.5),
        (("frame", "name"), 3),
        (("frame", "name"), " "),
        (("memory", "name"), ["sdm"]),
        (("memory", "name"), "sdm,sdm"),
        (("memory", "name"), "sdm,"),
    ],
)
def test_values_are_strict(path, value):
    table = {path[0]: value} if len(path) == 1 else {path[0]: {path[1]: value}}
    (problem,) = problems(table)
    assert problem.startswith(".".join(path))
    assert "(from recipe): allowed " in problem


def test_a_plugin_without_options_has_none():
    (problem,) = problems({"tokenizer": {"name": "bytes", "volume": 11}}, components=True)
    assert problem == "tokenizer.volume = 11 (from recipe): unknown option. There are no options here."


def test_whole_number_passes_for_a_number():
    value = load({"time_limit": 3}, env={}).config.time_limit
    assert value == 3.0
    assert type(value) is float


def test_one_path_stands_for_a_list():
    assert load(env={"LIOR_DATA__TEXT": "a.txt"}).config.data.text == ("a.txt",)
    assert load(env={}, overrides=['data.text=["a", "b"]']).config.data.text == ("a", "b")


def test_an_override_cannot_smuggle_in_another_key():
    (problem,) = problems(overrides=["seed=1\ndevice='cpu'"])
    assert problem.startswith("seed = ")


def test_option_of_an_unchosen_memory():
    (problem,) = problems({"memory": {"name": "sdm,exact", "exac": {"capacity": 1}}})
    assert "Did you mean 'exact'?" in problem
    (problem,) = problems({"memory": {"capacity": 1}})
    assert "memory.<name>.<option>" in problem


def test_a_long_value_does_not_flood_the_report():
    (problem,) = problems({"device": "x" * 10_000})
    assert len(problem) < 200


# --- recipes ----------------------------------------------------------------


def test_default_recipe_is_the_default():
    assert load("default", env={}).config == TrainConfig()


def test_every_shipped_recipe_loads_and_says_what_it_is():
    from lior.config import recipes

    for name in recipes.list_shipped():
        assert load(name, env={})
        assert recipes.describe(recipes.read_recipe(name))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\xff", "byte 0 is not UTF-8"),
        (b"a = = 3", "not valid TOML: .*line 1"),
        (b"seed = 1\nseed = 2", "not valid TOML"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"a = " + b"9" * 10_000, "not valid TOML"),
        (b"#" * 1_000_001, "larger than 1000000 bytes"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, content, complaint):
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load(path, env={})
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_single_fold_is_refused():
    with pytest.raises(ConfigError, match="folds = 1: no other part is left"):
        load({"fit": {"folds": 1}}, env={})


@cases("name", ["defualt", "nowhere/x.toml", "\0", "/"])
def test_a_missing_recipe(name):
    with pytest.raises(ConfigError) as caught:
        load(name, env={})
    assert ("Did you mean 'default'?" in str(caught.value)) is (name == "defualt")


def test_an_option_that_is_none_is_left_to_its_default():
    config = TrainConfig(frame=Component(name="lowrank", options={"rank": None}))
    assert load(tomllib.loads(to_toml(config)), env={}).config.frame.options == {}
