"""Training learns, repeats itself exactly, and keeps to its limits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from lior import events
from lior.config import load, with_instances
from lior.geometry import metric
from lior.model import evaluation
from lior.model.language_model import Model
from lior.runs import checkpoint
from lior.runs import directory as rundir
from lior.training import control
from lior.training.preparation import build_model, train
from lior_plugins.memories.sdm import Sdm
from lior_plugins.rsources.constitutive import MAX_POWER
from tests.cases import cases
from tests.work import ticking


class Recorder:
    """Callback that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.losses: dict[str, list[float]] = {"geometry": [], "mixer": []}
        self.rejected = 0.0

    @events.hookimpl
    def lior_train_start(self) -> None:
        self.told.append("start")

    @events.hookimpl
    def lior_train_stage(self, stage) -> None:
        self.told.append(stage)

    @events.hookimpl
    def lior_train_step(self, stage, metrics) -> None:
        if "calibration_loss" in metrics:
            self.losses[stage].append(metrics["calibration_loss"])
            self.rejected = metrics.get("rejected", self.rejected)

    @events.hookimpl
    def lior_checkpoint_saved(self) -> None:
        self.told.append("saved")

    @events.hookimpl
    def lior_train_end(self) -> None:
        self.told.append("end")


@pytest.fixture(scope="module")
def long_sample(tmp_path_factory) -> Path:
    """A file with 100 kB of real text."""
    from pydoc_data.topics import topics

    path = tmp_path_factory.mktemp("texts") / "long.txt"
    path.write_bytes("\n".join(text for _, text in sorted(topics.items())).encode()[:100_000])
    return path


def tensors(model: Model) -> dict[str, torch.Tensor]:
    """Every number of a model by name."""
    parts = {"state": model.state, "weights": model.weights}
    parts |= {name: memory.snapshot() for name, memory in model.memories.items()}
    flat = {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}
    return flat | {"counts": model.token_counts, "cells": model.cells}


def assert_same_bits(one: Model, other: Model) -> None:
    left, right = tensors(one), tensors(other)
    assert left.keys() == right.keys()
    different = [key for key in left if not torch.equal(left[key], right[key])]
    assert not different


# --- learning is real -------------------------------------------------------------


@pytest.mark.slow
def test_counts_beat_the_references_on_real_text(long_sample):
    """Measured: 1.568 bits per byte, modified Kneser-Ney of order 4 1.889, unigram 4.702."""
    table = {"data": {"text": [str(long_sample)]}, "memory": {"name": "sdm"}}
    summary = train(load(table, env={}).config).summary
    bits, baseline = summary["val_bits_per_byte"], summary["baseline"]
    assert bits < 0.9 * baseline["order4"] < 0.9 * baseline["unigram"] / 2


def metric_losses(configure, **settings: object) -> list[float]:
    """Retrieval loss on the calibration split while the metric is learned."""
    recorder = Recorder()
    overrides = [f"{key}={value}" for key, value in settings.items()]
    train(configure("memory.name=exact", *overrides), callbacks=[recorder])
    assert recorder.rejected == 0
    return recorder.losses["geometry"]


@pytest.mark.slow
def test_the_contrastive_rule_lowers_the_loss_of_retrieval(configure):
    """Measured: from 3.14 to 2.74 nats in 60 steps at the default size."""
    size = {"geometry.batch": 128, "geometry.keys": 2048, "encoder.n": 64, "encoder.lags": 16}
    losses = metric_losses(configure, **size, **{"geometry.updates": 60})
    assert losses[-1] < losses[0] - 0.2


@cases("frame", ["rotor", "lowrank"])
def test_an_update_ends_within_the_bounds(configure, frame):
    """Of a step so long that every number would leave them."""
    long = ("memory.name=exact", "geometry.updates=1", f"frame.name={frame}", "updater.learning_rate=1e4")
    state = train(configure(*long, "frame.rank=2")).model.state
    bounds = {
        "frame.log_lam": math.log(metric.SCALE_MAX),
        "frame.log_omega": math.log(metric.SCALE_MAX) / 2,
        "frame.raw_d": metric.WEIGHT_MAX,
        "frame.theta": math.pi,
        "log_beta": 9.21,
        "rsource.power": MAX_POWER,
    }
    largest = {key: state[key].abs().max().item() for key in bounds.keys() & state.keys()}
    assert all(found <= bounds[key] * (1 + 1e-6) for key, found in largest.items()), largest
    assert largest["frame.log_lam"] == pytest.approx(bounds["frame.log_lam"]), "the bound was reached"
    assert_close(torch.linalg.vector_norm(state["frame.u"], dim=0), torch.ones(2))


class Checks:
    """Callback that keeps the losses of the metric, and the last step with the number of steps."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.end = (0, 0)

    @events.hookimpl
    def lior_train_step(self, stage, step, steps, metrics) -> None:
        if stage == "geometry":
            self.end = step, steps
            self.losses += [metrics["calibration_loss"]] if metrics else []


def test_patience_ends_the_metric_at_its_best_and_changes_nothing_before(configure):
    """With steps so long that the loss rises again after a few of them."""

    def learned(patience: int) -> tuple[Checks, Model]:
        checks = Checks()
        long = ("memory.name=exact", "geometry.updates=60", "updater.learning_rate=3")
        return checks, train(configure(*long, f"geometry.patience={patience}"), callbacks=[checks]).model

    (all_checks, whole), (unused, same) = learned(0), learned(100)
    losses = all_checks.losses
    assert all_checks.end == (60, 60)
    assert unused.losses == losses
    assert_same_bits(whole, same)
    for patience in (1, 3):
        found, model = learned(patience)
        stop = next(
            at for at in range(patience, 12) if min(losses[: at + 1]) == min(losses[: at + 1 - patience])
        )
        assert found.losses == losses[: stop + 1] != losses
        assert found.end == (5 * (stop + 1),) * 2
        assert min(found.losses) == min(losses)
        assert all(torch.equal(model.state[key], value) for key, value in whole.state.items())


@pytest.mark.slow
def test_spsa_lowers_the_loss_of_retrieval(configure):
    """Against a run that is the same but for a step size of 0: the sampled medium moves the loss too.

    Measured: 3.65 nats, and 4.16 without learning, after 40 steps of four directions each.
    """
    size = {"geometry.batch": 256, "geometry.keys": 512, "encoder.n": 4, "encoder.lags": 2, "frame.rank": 0}
    settings = size | {"geometry.updates": 60, "updater.name": "spsa", "updater.directions": 4}
    still = metric_losses(configure, **settings, **{"updater.learning_rate": 0})
    moving = metric_losses(configure, **settings, **{"updater.learning_rate": 30})
    assert moving[-1] < still[-1] - 0.2


def test_the_mixer_learns(configure):
    untouched = train(configure("memory.name=exact", "mixer.passes=0", "data.holdout=0.1")).summary
    recorder = Recorder()
    fitted = train(
        configure("memory.name=exact", "mixer.passes=2", "mixer.positions=0", "data.holdout=0.1"),
        callbacks=[recorder],
    ).summary
    assert fitted["val_bits_per_byte"] < untouched["val_bits_per_byte"] - 0.05
    assert all(loss > 0 for loss in recorder.losses["mixer"])


@cases(
    ("frame", "product", "updater", "rsource"),
    [
        ("lowrank", "tensor", "contrastive", "constitutive"),
        ("lowrank", "tensor", "spsa", "curvature"),
        ("rotor", "wedge", "contrastive", "curvature"),
        ("rotor", "wedge", "spsa", "constitutive"),
        ("derived", "spinor", "contrastive", "constitutive"),
        ("derived", "spinor", "spsa", "curvature"),
    ],
)
def test_every_learned_entry_moves(configure, updater, rsource, frame, product):
    """All pairs of the choices."""
    names = {"updater": updater, "rsource": rsource, "frame": frame, "product": product, "encoder": "lags"}
    overrides = [f"{kind}.name={name}" for kind, name in names.items()]
    overrides += ["frame.rank=2"] if frame == "rotor" else []
    overrides += ["geometry.resilience_at=both", "memory.name=exact"]
    config = configure(*overrides)
    generator = torch.Generator().manual_seed(config.seed)
    fresh = build_model(with_instances(config), torch.device("cpu"), generator)
    trained = train(config).model
    assert fresh.geometry is not None
    before, after = fresh.geometry.learned(fresh.state), trained.state
    kinds = {name.split(".")[0] for name in before}
    assert kinds >= {"encoder", "frame", "rsource", "log_beta"}
    still = [name for name, value in before.items() if torch.equal(value, after[name])]
    assert not still
    assert all(torch.isfinite(value).all() for value in after.values())


# --- the same again ---------------------------------------------------------------


@pytest.mark.slow
def test_the_seed_gives_the_model_bit_by_bit_and_the_global_generator_is_not_used(configure):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = train(configure("seed=5")).model
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    second, other = (train(configure(f"seed={seed}")).model for seed in (5, 6))
    assert_same_bits(first, second)
    one, another = tensors(first), tensors(other)
    changed = {key for key in one if not torch.equal(one[key], another[key])}
    assert "state.log_beta" in changed
    assert any(key.startswith("weights.") for key in changed)
    parts = ("passages", "tokens", "clock", "addresses", "sizes")
    assert not {"counts", *(f"sdm.{part}" for part in parts)} & changed, "counting is not random"


@pytest.mark.slow
def test_the_written_configuration_trains_the_same_model_without_a_directory(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = train(load(finished / "config.toml", env={}).config)
    assert result.summary["run"] is None
    assert list(tmp_path.iterdir()) == [], "without a directory nothing is written"
    assert_same_bits(result.model, rundir.open_run(finished).model)


# --- limits and data --------------------------------------------------------------


def test_the_time_limit_ends_the_geometry_at_half_and_the_run_near_it(configure, short, monkeypatch):
    """The clock goes on by a second whenever it is read, which is about once a step."""
    monkeypatch.setattr("lior.runs.loop.time", ticking())
    seconds = train(configure("geometry.updates=4000", "time_limit=100", text=short)).summary["seconds"]
    assert 30 < seconds["geometry"] <= 54
    assert seconds["total"] < 150


@cases("setting", ["geometry.updates=0", "time_limit=1e-9"])
def test_without_an_update_the_statistics_are_still_those_of_the_memory(configure, short, setting):
    model = train(configure("frame.name=derived", setting, text=short)).model
    assert model.state["frame.count"] > 0
    assert len(model.state["rsource.reference"]) > 0


@pytest.mark.slow
def test_the_time_limit_ends_the_mixer(configure):
    """After the time limit one block of the calibration split is still read, also by the mixer."""

    def groups(*limit: str) -> int:
        recorder = Recorder()
        settings = (
            "memory.name=sdm",
            "mixer.calibration=0.5",
            "mixer.positions=0",
            "fit.calibration_passes=1",
            "fit.noise_passes=0",
        )
        train(configure(*settings, *limit), callbacks=[recorder])
        return len(recorder.losses["mixer"])

    assert groups() == 4
    assert groups("time_limit=1e-9") == 1


def test_a_memory_of_the_others_reads_each_part_of_the_text_once(configure, short, monkeypatch):
    taken, held, without = [], [], Sdm.without

    def recorded(memory: Sdm, first: int, end: int) -> Sdm:
        taken.append((first, end))
        rest = without(memory, first, end)
        held.append(rest._engine.clock)
        return rest

    monkeypatch.setattr(Sdm, "without", recorded)
    train(configure("memory.name=sdm", "fit.folds=3", text=short))
    size = taken[-1][1]
    assert [first for first, _ in taken] == [0, *(end for _, end in taken[:-1])]
    assert held == [size - (end - first) for first, end in taken]
    assert len(taken) == 3


@cases("share", [0.02, 0.25])
def test_the_held_out_share_is_scored_and_not_learned(configure, short, share):
    result = train(configure(f"data.holdout={share}", text=short))
    size = short.stat().st_size
    assert result.summary["val_bytes"] == pytest.approx(share * size, abs=1)
    assert int(result.model.token_counts.sum()) == size - result.summary["val_bytes"]


@pytest.mark.slow
def test_a_validation_text_takes_the_place_of_the_held_out_share(configure, tmp_path, long_sample):
    valid = tmp_path / "valid.txt"
    valid.write_bytes(long_sample.read_bytes()[-3000:])
    with_text = train(configure(f"data.valid={valid}"))
    without = train(configure("data.holdout=0"))
    assert with_text.summary["val_bytes"] == 3000
    assert with_text.summary["documents"] == 2
    assert_same_bits(with_text.model, without.model)


@pytest.mark.slow
def test_what_is_not_learned_costs_more_than_what_is(configure, tmp_path, sample):
    """The same end of the text, once held out and once not."""
    valid = tmp_path / "valid.txt"
    valid.write_bytes(sample.read_bytes()[-1200:])
    learned = train(configure(f"data.valid={valid}")).summary["val_bits_per_byte"]
    assert learned < 0.8 * train(configure()).summary["val_bits_per_byte"]


def test_documents_are_counted_and_kept_apart(configure, tmp_path):
    """The last letter of a document does not tell the first of the next."""
    lines = [letter * 3 for letter in "abcdefgh" * 150]
    one, many = tmp_path / "one.txt", tmp_path / "many.jsonl"
    one.write_text("".join(lines))
    many.write_text("".join(f'{{"text": "{line}"}}\n' for line in lines))
    results = {path: train(configure("memory.name=sdm", text=path)) for path in (one, many)}
    assert [r.summary["documents"] for r in results.values()] == [1, 1200]
    assert [r.summary["bytes"] for r in results.values()] == [3600, 3600]
    joined, apart = (r.summary["val_bits_per_byte"] for r in results.values())
    assert joined < 0.3 < apart, "eight beginnings, each as likely as the other, cost a bit per byte"


# --- library use ------------------------------------------------------------------


def test_callbacks_hear_the_run_in_order(configure, short, tmp_path):
    recorder = Recorder()
    result = train(configure(text=short), tmp_path / "r", callbacks=[recorder])
    stages = ["geometry", "memory", "mixer", "memory", "folds", "mixer", "memory", "memory", "validate"]
    assert recorder.told == ["start", "saved", *stages, "saved", "end"]
    assert len(recorder.losses["geometry"]) == 4
    assert len(recorder.losses["mixer"]) == 1
    loaded = rundir.open_run(tmp_path / "r")
    text, begin, end = loaded.validation()
    score = evaluation.evaluate(loaded.model, text, begin, end)
    assert score.bits_per_byte == result.summary["val_bits_per_byte"]


@pytest.mark.slow
def test_what_the_geometry_is_worth_is_what_a_mixture_without_it_loses(configure):
    """Retrieval of coordinates of the last tokens helps one pattern; where all is counted it helps less."""
    poor = (
        "memory.sdm.orders=[0]",
        "memory.sdm.base_order=0",
        "memory.sdm.patterns=[]",
        "memory.sdm.joint=[]",
    )
    gates = 'memory.sdm.gates=["always"]'
    few, many = (train(configure(gates, *given)).summary for given in ((*poor, "memory.name=sdm,exact"), ()))
    assert few["geometry_bits_per_byte"] > max(3 * few["geometry_error"], many["geometry_bits_per_byte"])
    assert 0 < many["geometry_error"] < few["geometry_error"]


COUNTS = 'memory.sdm.gates=["always"]'


@cases("passes", [0, 1, 2])
def test_a_geometry_without_a_gain_leaves_the_model_that_never_had_one(configure, passes):
    """From there the training equals one without it, to the last bit."""
    fit = f"fit.passes={passes}"
    tried = train(configure(COUNTS, fit, "memory.name=sdm,exact", "geometry.keep=gain"))
    alone = train(configure(COUNTS, fit, "memory.name=sdm"))
    assert tried.summary["geometry_dropped"]
    assert not alone.summary["geometry_dropped"]
    assert tried.summary["val_bits_per_byte"] == alone.summary["val_bits_per_byte"]
    assert tried.summary["components"] == alone.summary["components"]
    one, other = (checkpoint.tensors(run.model) for run in (tried, alone))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_geometry_with_a_gain_is_kept(configure, monkeypatch):
    given = COUNTS, "memory.name=sdm,exact"
    kept = train(configure(*given))
    monkeypatch.setattr(control, "APART", -math.inf)
    earned = train(configure(*given, "geometry.keep=gain"))
    assert not earned.summary["geometry_dropped"]
    one, other = (checkpoint.tensors(run.model) for run in (kept, earned))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@cases(
    ("none", "random", "earned"), [(1.1, 1.1, True), (1.1, 1.0, False), (1.0, 1.1, False), (0.9, 1.1, False)]
)
def test_a_gain_is_over_no_geometry_and_over_a_random_one(none, random, earned):
    """``none`` and ``random`` cost this where the geometry costs 1; the noise of a block is one event."""
    noise = torch.tensor([0.02, -0.02]).double().repeat_interleave(control._BLOCK).repeat(5)
    costs = torch.stack([torch.ones_like(noise), none + noise, random - noise])
    found, kept = control.compare(costs, float(len(noise)))
    assert kept == earned
    assert found["geometry"] == pytest.approx(none - 1)
    assert found["geometry_random_error"] == pytest.approx(0.02 / math.sqrt(10))


def test_the_gain_in_a_single_block_may_be_chance():
    costs = torch.tensor([1.0, 1.25]).double()[:, None].expand(2, control._BLOCK)
    found, kept = control.compare(costs, control._BLOCK)
    assert found == {"geometry": 0.25, "geometry_error": 0.25}
    assert not kept


@cases(("memory", "gates"), [("exact", None), ("sdm", ["always"])])
def test_nothing_is_said_of_a_geometry_alone_or_of_none(configure, memory, gates):
    given = [f"memory.name={memory}"] + ([f"memory.sdm.gates={gates}"] if gates else [])
    summary = train(configure(*given)).summary
    assert summary["geometry_bits_per_byte"] is summary["geometry_error"] is None


@pytest.mark.slow
def test_the_comparison_changes_nothing_of_the_model(configure, monkeypatch):
    states = []
    for _ in range(2):
        states.append(train(configure()).model.weights)
        monkeypatch.setattr("lior.training.loop.can_weigh", lambda model: False)
    assert all(torch.equal(*pair) for pair in zip(*(state.values() for state in states), strict=True))
