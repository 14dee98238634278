"""Every switch and every key does something: all combinations train, and no two give the same model.

What a key changes is measured by the cost of the held-out text. The keys come
from the schema and from the plugins themselves, so that a new one fails here
until it is given a value to try.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from itertools import product

import attrs
import pytest

from lior import registry
from lior.config import keys
from lior.training.preparation import train
from tests.cases import cases

FRAMES = ("derived", "lowrank", "rotor")
RSOURCES = ("constitutive", "curvature")
UPDATERS = ("contrastive", "spsa")
PRODUCTS = ("tensor", "wedge", "spinor")
SWITCHES = ("frame", "rsource", "updater", "product")
COMBINATIONS = list(product(FRAMES, RSOURCES, UPDATERS, PRODUCTS))


@pytest.fixture(scope="module")
def cost(configure, sample, tmp_path_factory):
    """Nats per byte of the held-out text after training with the settings given, once unless ``again``."""
    text = tmp_path_factory.mktemp("switches") / "text.txt"
    text.write_bytes(sample.read_bytes()[:3_000])

    @cache
    def trained(overrides: tuple[str, ...]) -> float:
        return train(configure(*overrides, text=text)).summary["val_nats_per_byte"]

    def measure(*, again: bool = False, **settings: object) -> float:
        overrides = tuple(f"{key}={value}" for key, value in settings.items())
        return (trained.__wrapped__ if again else trained)(overrides)

    return measure


def chosen(combination: tuple[str, ...]) -> dict[str, str]:
    """A combination as settings."""
    return {f"{switch}.name": name for switch, name in zip(SWITCHES, combination, strict=True)}


def same(costs: dict) -> dict:
    """Those of ``costs`` that are not alone with their value."""
    values = list(costs.values())
    return {name: value for name, value in costs.items() if values.count(value) > 1}


# --- switches -------------------------------------------------------------------


def test_the_switches_are_all_the_plugins_there_are():
    for switch, names in zip(SWITCHES, (FRAMES, RSOURCES, UPDATERS, PRODUCTS), strict=True):
        assert set(names) == set(built_in(switch)), f"add the new {switch} to the combinations of this test"


def built_in(kind: str) -> list[str]:
    return [name for name in registry.names(kind) if registry.origin(kind, name).distribution == "lior"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "memory", ["exact", *(pytest.param(m, marks=pytest.mark.exhaustive) for m in ("sdm", "sdm,exact"))]
)
def test_all_combinations_differ_where_the_geometry_is_used(cost, memory):
    costs = {c: cost(**chosen(c), **{"memory.name": memory}) for c in COMBINATIONS}
    assert len(costs) == 36
    assert not same(costs)


MEMORIES = ("sdm", "exact")
"""Those that stand in a run by themselves; that others count is shown by their options, below."""


def one_changed() -> list[tuple[str, ...]]:
    """The first of each switch, and those in which one switch has another name."""
    first = COMBINATIONS[0]
    return [each for each in COMBINATIONS if sum(map(str.__ne__, each, first)) <= 1]


def test_each_switch_makes_another_model_with_each_memory(cost):
    """With all combinations of an exact memory, above, each pair of two switches."""
    cases = product(one_changed(), MEMORIES)
    costs = {(each, m): cost(**chosen(each), **{"memory.name": m}) for each, m in cases}
    assert len(costs) == 14
    assert not same(costs)


def test_switches_agree_where_it_is_not(cost):
    counts = {"memory.name": "sdm", "memory.sdm.gates": ["longest", "previous"]}
    assert len({cost(**chosen(c), **counts) for c in one_changed()}) == 1


def test_encoders_differ(cost):
    """With every product, for the encoder sets what all of them work on."""
    cases = product(built_in("encoder"), PRODUCTS)
    costs = {
        (e, p): cost(**{"encoder.name": e, "encoder.n": 8, "product.name": p, "memory.name": "exact"})
        for e, p in cases
    }
    assert len(costs) >= 6
    assert not same(costs)


@pytest.mark.parametrize("memory", ["sdm", "exact"])
def test_tokenizers_differ(cost, memory):
    pytest.importorskip("tokenizers")
    costs = {name: cost(**{"tokenizer.name": name, "memory.name": memory}) for name in built_in("tokenizer")}
    assert len(costs) >= 2
    assert not same(costs)


@cases("rsource", RSOURCES)
def test_places_of_resilience_differ(cost, rsource):
    places = next(key for key in keys() if key.dotted == "geometry.resilience_at").choices
    settings = {"rsource.name": rsource, "memory.name": "exact"}
    assert not same({at: cost(**settings, **{"geometry.resilience_at": at}) for at in places})


# --- keys -------------------------------------------------------------------------

ALTERNATIVES: dict[str, object] = {
    "seed": 1,
    "time_limit": 1e-9,
    "memory_budget": 100_000,
    "data.holdout": 0.03,
    "geometry.updates": 5,
    "geometry.patience": 1,
    "geometry.batch": 31,
    "geometry.keys": 255,
    "geometry.near": 3,
    "geometry.group": 3,
    "geometry.refresh": 2,
    "geometry.exclude": 5000,
    "geometry.smoothing": 0.4,
    "geometry.noise": 0.2,
    "geometry.resilience_at": "both",
    "mixer.calibration": 0.2,
    "mixer.passes": 1,
    "mixer.batch": 64,
    "mixer.learning_rate": 0.01,
    "mixer.cells": 5,
    "mixer.positions": 16,
    "encoder.grams.n": 10,
    "encoder.grams.lags": 5,
    "encoder.grams.decay": 0.5,
    "encoder.grams.scale": 0.5,
    "encoder.grams.patterns": ["1-2"],
    "encoder.grams.bits": 3,
    "encoder.grams.gram_scale": 0.5,
    "encoder.lags.n": 10,
    "encoder.lags.lags": 5,
    "encoder.lags.decay": 0.5,
    "encoder.lags.scale": 0.5,
    "encoder.poles.n": 10,
    "encoder.poles.reach": 9,
    "encoder.poles.oscillations": 5,
    "encoder.poles.exponentials": 3,
    "encoder.poles.decay": 0.5,
    "encoder.poles.horizon": 9.0,
    "encoder.poles.tail": 0.5,
    "encoder.poles.scale": 0.5,
    "frame.derived.whitening": 0.5,
    "frame.derived.decay": 0.5,
    "frame.lowrank.rank": 3,
    "frame.rotor.layers": 1,
    "frame.rotor.rank": 1,
    "rsource.constitutive.k": 5,
    "rsource.constitutive.sample": 50,
    "rsource.constitutive.softening": 0.5,
    "rsource.curvature.centres": 7,
    "rsource.curvature.eps": 1.0,
    "product.tensor.eps": 0.5,
    "product.wedge.eps": 0.5,
    "product.spinor.generators": 4,
    "product.spinor.angle": 0.5,
    "product.spinor.eps": 0.5,
    "updater.contrastive.learning_rate": 0.05,
    "updater.contrastive.nudge": 0.5,
    "updater.contrastive.b1": 0.5,
    "updater.contrastive.b2": 0.5,
    "updater.contrastive.eps": 0.1,
    "updater.spsa.learning_rate": 5.0,
    "updater.spsa.perturbation": 0.5,
    "updater.spsa.directions": 2,
    "updater.spsa.stability": 1.0,
    "tokenizer.bpe.vocab_size": 300,
    "memory.exact.capacity": 200,
    "memory.exact.inverse_temperatures": [1.0, 4.0],
    "memory.exact.smoothing": 0.3,
    "memory.exact.probes": 1,
    "fit.passes": 2,
    "fit.folds": 3,
    "fit.calibration_passes": 3,
    "fit.noise_passes": 0,
    "memory.sdm.orders": [0, 1, 2, 3, 4, 5],
    "memory.sdm.patterns": ["word", "word-1 word", "2-3", "column 1"],
    "memory.sdm.joint": [],
    "memory.sdm.gates": ["previous"],
    "memory.sdm.cells": 2,
    "memory.sdm.base_order": 1,
    "memory.sdm.discounts": [0.5, 0.9, 1.0],
    "memory.sdm.novel_discounts": [0.5, 0.9, 1.0],
    "memory.sdm.recent": 0.6,
    "memory.sdm.static_recent": 0.3,
    "memory.sdm.slowest": 0.2,
    "memory.sdm.unseen_contexts": 0,
    "memory.sdm.window": 8,
    "memory.sdm.counts": "totals",
    "memory.sdm.budget": 100_000,
    "memory.sdm.weight_rate": [1e-3, 1e-3],
    "memory.sdm.token_rate": [1e-2, 1e-2],
    "memory.sdm.table_rate": [1e-2, 1e-2],
    "memory.sdm.logit_rate": [1e-2, 1e-2],
    "memory.sdm.static_weight_rate": [1e-3, 1e-3],
    "memory.sdm.static_token_rate": [1e-2, 1e-2],
    "memory.sdm.static_table_rate": [1e-2, 1e-2],
    "memory.match.shortest": 12,
    "memory.match.longest": 10,
    "memory.match.candidates": 1,
    "memory.match.smoothing": 0.3,
    "memory.match.weight": 3.0,
}
"""A value other than that of the small recipe; of an option, under kind and plugin."""

NOT_LEARNING = {
    "geometry.keep": "tests/training/test_training.py",
    "device": "where, not what, is computed",
    "data.text": "tested with the command line",
    "data.valid": "tests/training/test_training.py",
    "data.field": "tests/data/test_corpus.py",
    "data.after_validation": "tests/training/test_taking_in.py",
    "data.limit": "tests/faults/test_bad_input.py",
    "checkpoint.seconds": "tests/faults/test_resume.py",
    "checkpoint.last": "tests/faults/test_resume.py and tests/runs/test_folder.py",
    "checkpoint.every": "tests/runs/test_folder.py",
}
"""Keys that this test leaves out, and why."""


def all_keys() -> list[str]:
    """Keys of the schema, and ``kind.plugin.option`` for the options of the built-in plugins."""
    found = [key.dotted for key in keys() if not key.kind]
    for kind in (key.kind for key in keys() if key.kind):
        for name in built_in(kind):
            fields = attrs.fields(registry.get(kind, name))
            found += [f"{kind}.{name}.{field.name}" for field in fields if "help" in field.metadata]
    return found


def test_every_key_changes_the_result(cost):
    known = {*ALTERNATIVES, *NOT_LEARNING}
    new = [key for key in all_keys() if key not in known]
    assert not new, "add them to ALTERNATIVES in this file, each with a value to try"
    tried = [key for key in all_keys() if key in ALTERNATIVES and not lacking(key)]
    idle = [key for key in tried if not changes(cost, key)]
    assert not idle, f"these change nothing: {', '.join(idle)}"


def lacking(key: str) -> bool:
    """Whether a plain installation lacks the package that the plugin of the option needs."""
    package = next((needed for start, needed in PACKAGES.items() if key.startswith(start)), None)
    return package is not None and find_spec(package) is None


PACKAGES = {"tokenizer.bpe.": "tokenizers"}


def changes(cost, key: str) -> bool:
    settings, target = setting(key)
    return cost(**settings) != cost(**settings, **{target: ALTERNATIVES[key]})


def setting(key: str) -> tuple[dict[str, object], str]:
    """The settings under which ``key`` counts, and its name in a configuration."""
    kind, *rest = key.split(".")
    if key in ("geometry.group", "geometry.refresh"):
        return {"geometry.near": 3, "geometry.updates": 7}, key
    if key == "memory.sdm.counts":
        return {"memory.name": "sdm", "fit.passes": 0, "memory.sdm.gates": ["longest", "previous"]}, key
    if key == "geometry.patience":
        return {"geometry.updates": 30, "updater.learning_rate": 3}, key
    if len(rest) < 2:
        return {}, key
    name, option = rest
    if kind == "memory":
        return {"memory.name": "sdm,exact" if option == "cells" else name}, key
    settings: dict[str, object] = {f"{kind}.name": name, "memory.name": "exact"}
    if kind == "updater":
        settings["geometry.updates"] = 30  # some count from the second step on
    return settings, f"{kind}.{option}"


def test_no_alternative_is_for_a_key_that_is_gone():
    assert not (set(ALTERNATIVES) | set(NOT_LEARNING)) - set(all_keys())
