"""Configurations of any schema as tables and as TOML, and back."""

from __future__ import annotations

import tomllib
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from lior.config import components, resolving
from lior.config.components import Component, Components
from lior.config.resolving import Labelled
from lior.errors import ConfigError
from tests.config.example_schema import RunConfig, Schedule, Solver, Training, get

_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
_names = _words.map(str.strip).filter(lambda word: word and "," not in word)
_scalars = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans() | _words
_options = st.dictionaries(_words.filter(lambda word: word not in ("type", "name")), _scalars, max_size=3)


@st.composite
def _reports(draw: st.DrawFn) -> Components:
    names = draw(st.lists(_names.filter(lambda n: n != "name"), min_size=1, max_size=3, unique=True))
    options = draw(st.dictionaries(st.sampled_from(names), _options.filter(bool), max_size=2))
    parts = (Component(name=name, options=options.get(name, {})) for name in names)
    return Components(components=tuple(parts))


_plugins = st.builds(Component, name=_names, options=_options)
_configurations = st.builds(
    RunConfig,
    seed=st.integers(0, 2**63 - 1),
    solver=st.builds(Solver, K=st.integers(1, 4), M=st.integers(4, 9), basis=_plugins),
    training=st.builds(
        Training,
        lr=st.floats(0, 1),
        sizes=st.lists(st.integers(0, 9), max_size=3).map(tuple),
        schedule=st.builds(Schedule, patience=st.integers(0, 9), mode=st.sampled_from(["rel", "abs"])),
        stop_at=st.none() | st.floats(0, 1),
    ),
    potential=_plugins,
    report=_reports(),
)


@settings(max_examples=20)
@given(_configurations, st.booleans())
def test_tables_give_the_configuration_back(config, changed):
    text = resolving.to_toml(config, changed=changed)
    assert get(tomllib.loads(text)).config == config
    assert get(resolving.to_table(config, changed=changed)).config == config


@settings(max_examples=20)
@given(_configurations, _configurations)
def test_a_whole_configuration_hides_all_below_it_but_options_of_the_same_plugin(lower, higher):
    resolved = get(Labelled(resolving.to_table(lower), "a"), Labelled(resolving.to_table(higher), "b"))
    config, origins = resolved
    kept = lower.potential.options if lower.potential.name == higher.potential.name else {}
    assert config.potential.options == kept | higher.potential.options
    same = {key.dotted for key in components.schema_keys(RunConfig)}
    found, asked = resolving.values(config), resolving.values(higher)
    assert {key: found[key] for key in same} == {key: asked[key] for key in same}
    assert {origins[key] for key in same} == {"b"}


def test_only_changes_are_shown():
    config = get({"training": {"schedule": {"patience": 1}}}).config
    assert resolving.values(config, changed=True) == {"training.schedule.patience": 1}
    assert resolving.to_table(config, changed=True) == {"training": {"schedule": {"patience": 1}}}


_tables = st.recursive(
    _scalars | st.none() | st.lists(_scalars, max_size=2),
    lambda inner: st.dictionaries(
        _words | st.sampled_from([part for key in components.schema_keys(RunConfig) for part in key.path]),
        inner,
        max_size=3,
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["seed", "solver", "training", "potential", "report"]), _tables),
    st.lists(st.builds("{}={}".format, _words | st.just("potential.a"), _words), max_size=2),
)
def test_a_table_of_anything_is_a_configuration_or_one_report(table, overrides):
    with suppress(ConfigError):
        config = get(table, overrides=overrides).config
        assert get(resolving.to_table(config)).config == config
