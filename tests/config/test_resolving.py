"""Configurations of any schema: tables at any depth, plugins anywhere in them, layers and their origins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs
import pytest

from lior.config import components, recipes, resolving
from lior.config.components import Component, plugin_option
from lior.config.options import option
from lior.config.resolving import Labelled, Override, resolve
from lior.errors import ConfigError, UnknownPlugin
from lior.plugins.registry import Registry
from tests.cases import cases
from tests.config.example_schema import KINDS, Box, Gaussian, RunConfig, Schedule, get


@pytest.fixture
def registry() -> Registry:
    registry = Registry(environ={}, kinds=KINDS)
    for kind, name, cls in [
        ("functions", "sine", Box),
        ("potential", "box", Box),
        ("potential", "gaussian", Gaussian),
        ("report", "table", Gaussian),
        ("report", "plot", Gaussian),
    ]:
        registry.register(kind, name, cls)
    return registry


def problems(*layers, **kwargs) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        get(*layers, **kwargs)
    return caught.value.problems


# --- layers -----------------------------------------------------------------


def test_defaults_are_the_lowest_layer():
    resolved = get()
    assert resolved.config == RunConfig()
    assert set(resolved.origins.values()) == {"default"}
    assert set(resolved.origins) == {key.dotted for key in components.schema_keys(RunConfig)}


def test_each_layer_wins_over_those_before(tmp_path):
    file = tmp_path / "run.json"
    file.write_text('{"training": {"schedule": {"patience": 2, "mode": "abs"}}, "seed": 2}')
    resolved = get(
        {"training": {"schedule": {"patience": 1}, "lr": 1}, "seed": 1},
        file,
        Labelled({"solver": {"K": 3}}, "code"),
        env={"TOY_SEED": "3", "TOY_TRAINING__SCHEDULE__MODE": "rel"},
        overrides=["seed=5", "seed=4", Override(("solver", "M"), 3, "--functions")],
    )
    config, origins = resolved
    assert (config.training.lr, origins["training.lr"]) == (1.0, "table")
    assert config.training.schedule == Schedule(patience=2, mode="rel")
    assert origins["training.schedule.patience"] == f"file {file}"
    assert origins["training.schedule.mode"] == "TOY_TRAINING__SCHEDULE__MODE"
    assert (config.solver.K, origins["solver.K"]) == (3, "code")
    assert (config.solver.M, origins["solver.M"]) == (3, "--functions")
    assert (config.seed, origins["seed"]) == (4, "--set")


def test_keys_of_a_schema():
    by_name = {key.dotted: key for key in components.schema_keys(RunConfig)}
    assert list(by_name) == [
        "seed",
        "solver.K",
        "solver.M",
        "solver.basis.type",
        "training.lr",
        "training.sizes",
        "training.schedule.patience",
        "training.schedule.mode",
        "training.stop_at",
        "potential.type",
        "report.name",
    ]
    mode, basis, report = (by_name[k] for k in ("training.schedule.mode", "solver.basis.type", "report.name"))
    assert (mode.choices, mode.allowed, mode.default) == (("rel", "abs"), "one of rel, abs", "rel")
    assert (basis.kind, basis.default, basis.help, basis.several) == (
        "functions",
        "sine",
        "the functions",
        False,
    )
    assert (report.kind, report.several) == ("report", True)


def test_without_a_prefix_no_variable_is_read():
    assert resolve(RunConfig, env={"SEED": "3", "TOY_SEED": "3", "": "x"}).config == RunConfig()


def test_a_variable_is_the_key_in_capitals_whatever_the_keys_capitals():
    config = get(env={"TOY_SOLVER__K": "2", "TOY_SOLVER__M": "5"}).config
    assert (config.solver.K, config.solver.M) == (2, 5)

    @attrs.frozen(kw_only=True)
    class Capitals:
        L0_nm: float = option(1.0, help="length")
        V: Component = plugin_option("box", help="potential", key="type")

    env = {"A_L0_NM": "2", "A_V": "well", "A_V__DEPTH": "1", "A_V__barrier_meV": "3"}
    found = resolve(Capitals, env=env, prefix="A_").config
    assert found == Capitals(L0_nm=2.0, V=Component(name="well", options={"depth": 1, "barrier_meV": 3}))


@cases("name", ["TOY_training__lr", "TOY_TRAINING", "TOY_TRAINING__LR__X", "TOY_"])
def test_any_other_spelling_is_no_variable(name):
    (problem,) = problems(env={name: "1"})
    assert problem.startswith(f"{name}: not a variable of toy. ")


def test_reserved_variables_are_no_keys():
    assert get(env={"TOY_HOME": "/"}, reserved=["TOY_HOME"]).config == RunConfig()
    assert problems(env={"TOY_SED": "1", "TOY_HOM": "/"}, reserved=["TOY_HOME"]) == [
        "TOY_HOM: not a variable of toy. Did you mean 'TOY_HOME'? Unset or correct it.",
        "TOY_SED: not a variable of toy. Did you mean 'TOY_SEED'? Unset or correct it.",
    ]


def test_shipped_recipes_are_of_the_package_that_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "toy_configs"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "quick.toml").write_text('description = "Soon done."\n[training]\nlr = 0.5\n')
    (folder / "seed.json").write_text('{"seed": 7}')
    monkeypatch.syspath_prepend(str(tmp_path))
    config, origins = get("quick", "seed", recipes="toy_configs")
    assert (config.training.lr, origins["training.lr"]) == (0.5, "recipe quick")
    assert (config.seed, origins["seed"]) == (7, "recipe seed")
    assert recipes.describe(recipes.read_recipe("quick", "toy_configs")) == "Soon done."
    assert list(recipes.list_shipped("toy_configs")) == ["quick", "seed"]
    assert problems("qick", recipes="toy_configs") == [
        "qick: no such recipe and no such file. Did you mean 'quick'? Shipped recipes: quick, seed."
    ]
    assert problems("quick") == ["quick: no such file."]


# --- plugins ----------------------------------------------------------------


@cases(
    ("layer", "env", "overrides"),
    [
        ({"potential": "gaussian", "solver": {"basis": "tent"}}, {}, []),
        ({"potential": {"type": "gaussian"}, "solver": {"basis": {"type": "tent"}}}, {}, []),
        ({}, {"TOY_POTENTIAL": "gaussian", "TOY_SOLVER__BASIS": "tent"}, []),
        ({}, {"TOY_POTENTIAL__TYPE": "gaussian", "TOY_SOLVER__BASIS__TYPE": "tent"}, []),
        ({}, {}, ["potential=gaussian", "solver.basis.type=tent"]),
    ],
)
def test_short_and_long_form_at_any_depth(layer, env, overrides):
    config = get(layer, env=env, overrides=overrides).config
    assert config.potential == Component(name="gaussian")
    assert config.solver.basis == Component(name="tent")


def test_options_stand_beside_the_name_and_go_with_it():
    lower = {"potential": {"type": "gaussian", "amplitude": 2}, "solver": {"basis": {"n": 1}}}
    kept = get(lower, {"potential": {"type": "gaussian", "wells": [1]}}).config
    assert kept.potential.options == {"amplitude": 2, "wells": [1]}
    config, origins = get(lower, {"potential": "box", "solver": {"basis": {"type": "tent", "m": 2}}})
    assert config.potential == Component(name="box")
    assert config.solver.basis == Component(name="tent", options={"m": 2})
    assert "potential.amplitude" not in origins


def test_one_of_several_plugins_takes_its_options_along():
    lower = {"report": {"name": "table, plot", "table": {"a": 1}, "plot": {"b": 2}}}
    assert get(lower, {"report": "plot"}).config.report.components == (
        Component(name="plot", options={"b": 2}),
    )


def test_plugins_are_checked_where_they_stand(registry):
    layer = {
        "potential": {"type": "gaussian", "amplitud": 1, "barrier_meV": -1},
        "solver": {"basis": {"type": "sin"}},
        "report": {"name": "table,plot", "plot": {"amplitude": 0}},
    }
    assert problems(layer, registry=registry) == [
        "solver.basis.type (from table): No functions plugin is named 'sin'. Did you mean 'sine'? "
        "Installed: sine. package.module:Class works too.",
        "potential.amplitud = 1 (from table): unknown option. Did you mean 'amplitude'? "
        "Known: amplitude, barrier_meV, wells.",
        "potential.barrier_meV = -1 (from table): allowed is a number of at least 0",
        "report.plot: an amplitude of 0 is no well",
    ]
    assert get(layer).config.solver.basis.name == "sin", "without a registry they are not"


@pytest.mark.parametrize("name", [3, " ", ["box"]])
def test_a_name_that_is_none_says_what_is_allowed(registry, name):
    (problem,) = problems({"potential": {"type": name}}, registry=registry)
    assert problem == f"potential.type = {name!r} (from table): allowed is one of box, gaussian"
    (problem,) = problems({"solver": {"basis": name}}, registry=registry)
    assert problem == f"solver.basis.type = {name!r} (from table): allowed is one of sine"
    (problem,) = problems({"solver": {"basis": name}})
    assert problem.endswith("allowed is the name of a functions plugin")


def test_build_gives_the_plugin(registry):
    config = get({"potential": {"type": "gaussian", "amplitude": -2}}, registry=registry).config
    assert resolving.build_plugin("potential", config.potential, registry) == Gaussian(amplitude=-2.0)
    with pytest.raises(ConfigError, match=r"potential 'gaussian': x: unknown option"):
        resolving.build_plugin("potential", Component(name="gaussian", options={"x": 1}), registry)
    with pytest.raises(UnknownPlugin):
        resolving.build_plugin("potential", Component(name="gausian"), registry)


@pytest.mark.parametrize("lower", [{}, {"potential": {"barrier_meV": 1}}])
@pytest.mark.parametrize("higher", [[], ["potential.barrier_meV=3"]])
def test_variables_set_options_with_capitals(registry, lower, higher):
    layer = {"potential": {"type": "gaussian"} | lower.get("potential", {})}
    env = {"TOY_POTENTIAL__barrier_meV": "2", "TOY_REPORT__TABLE__barrier_meV": "4"}
    config, origins = get(layer, env=env, overrides=higher, registry=registry)
    assert config.potential.options == {"barrier_meV": 3 if higher else 2}
    assert origins["potential.barrier_meV"] == ("--set" if higher else "TOY_POTENTIAL__barrier_meV")
    assert config.report.options == {"table": {"barrier_meV": 4}}


def test_text_is_read_as_the_plugins_options_are_typed(registry):
    @attrs.frozen(kw_only=True)
    class Formula:
        api_version: ClassVar[int] = 1

        expression: str = "x"
        factors: Mapping[str, float] = attrs.field(factory=dict)

    registry.register("potential", "formula", Formula)
    chosen = ["potential.type=formula"]
    given = [*chosen, "potential.expression=-1e8", "potential.factors={ k = 2 }"]
    options = get(overrides=given, registry=registry).config.potential.options
    assert options == {"expression": "-1e8", "factors": {"k": 2.0}}
    assert type(options["factors"]["k"]) is float
    layer = {"potential": {"type": "formula"}}
    env = {"TOY_POTENTIAL__EXPRESSION": "0", "TOY_POTENTIAL__FACTORS__K": "3"}
    config = get(layer, env=env, registry=registry).config
    assert config.potential.options == {"expression": "0", "factors": {"k": 3}}
    assert resolving.build_plugin("potential", config.potential, registry).factors == {"k": 3.0}
    (problem,) = problems({"potential": {"type": "formula", "expression": 0}}, registry=registry)
    assert problem == "potential.expression = 0 (from table): allowed is text"


# --- faults -----------------------------------------------------------------


def test_all_faults_are_reported_at_once_at_any_depth(tmp_path):
    found = problems(
        {
            "sed": 1,
            "solvr": {"basis": {"type": "x"}},
            "training": {"schedule": {"patienc": 1, "mode": "x"}, "lr": {"a": 1}, "shedule": {"mode": "abs"}},
        },
        env={"TOY_TRAINING__SCHEDULE__PATIENCE": "-1", "TOY_TRAINING__SIZES": "[1.5]"},
        overrides=["training.schedule=3", "x", "=3", "training.stop_at=no"],
    )
    expected = [
        "--set 'x': write it as key=value, such as seed=1.",
        "--set '=3': write it as key=value, such as seed=1.",
        "sed = 1 (from table): unknown key. Did you mean 'seed'? "
        "Known: seed, solver, training, potential, report.",
        "solvr.basis.type = 'x' (from table): unknown key. Did you mean 'solver'?",
        "training.schedule.patienc = 1 (from table): unknown option. Did you mean 'patience'?",
        "training.schedule.mode = 'x' (from table): allowed is one of rel, abs",
        "training.lr.a = 1 (from table): training.lr is a single value, not a table",
        "training.shedule.mode = 'abs' (from table): unknown option. Did you mean 'schedule'? "
        "Known: lr, sizes, schedule, stop_at.",
        "training.schedule.patience = '-1' (from TOY_TRAINING__SCHEDULE__PATIENCE): "
        "allowed is a whole number of at least 0",
        "training.sizes = '[1.5]' (from TOY_TRAINING__SIZES): allowed is a list, each a whole number",
        "training.schedule = '3' (from --set): this is a table; set the keys in it, such as "
        "training.schedule.<key>",
        "training.stop_at = 'no' (from --set): allowed is a number of at least 0",
    ]
    for start in expected:
        assert sum(line.startswith(start) for line in found) == 1, (start, found)
    assert len(found) == len(expected)


def test_what_a_class_says_of_its_fields_together_is_a_problem():
    assert problems({"solver": {"K": 9}, "seed": -1}) == [
        "seed = -1 (from table): allowed is a whole number of at least 0",
        "solver: K = 9 is more than M = 8; allowed is K <= M",
    ]


def test_a_default_in_place_of_a_wrong_value_makes_no_second_problem():
    (problem,) = problems({"solver": {"K": 9, "M": "many"}})
    assert problem.startswith("solver.M = 'many'")


def test_an_option_cannot_be_a_value_and_a_table():
    (problem,) = problems({"potential": {"a": 1}}, overrides=["potential.a.b.c=2"])
    assert problem == "potential.a.b.c = '2' (from --set): potential.a is a single value, not a table"


def test_all_files_that_cannot_be_read_are_reported(tmp_path):
    (tmp_path / "a.json").write_text("{")
    found = problems(tmp_path / "a.json", {"seed": -1}, tmp_path / "b.toml")
    assert [line.partition(": ")[2][:14] for line in found] == ["not valid JSON", "no such file."]


def test_description_is_left_out_unless_it_is_a_key():
    assert get({"description": "mine"}).config == RunConfig()

    @attrs.frozen(kw_only=True)
    class Described:
        description: str = option("", help="what it is")

    assert resolve(Described, layers=[{"description": "mine"}]).config.description == "mine"
