"""Telemetry of any run: where its files are, what the log says, and lines that are always JSON."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.config import TrainConfig, headline
from lior.events import manager
from lior.runs.directory import RunDirectory
from lior.runs.telemetry import Telemetry


def strict(line: str):
    """One line as JSON, without the words for what is not finite."""
    return json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_files_are_where_a_system_has_them(tmp_path):
    places = {"metrics": "logs/metrics.jsonl", "log": "logs/words/train.log"}
    telemetry = Telemetry(tmp_path, **places, describe=lambda config: f"{config.states} states")
    hook = manager([telemetry]).hook
    hook.lior_train_start(config=SimpleNamespace(states=4), run=tmp_path)
    hook.lior_train_step(stage="adam", step=1, steps=9, metrics={"eigvals": [1.0, 2.5], "lr": 1})
    hook.lior_train_end(result=SimpleNamespace(summary={"E": [1.0, math.inf]}))
    (record,) = map(strict, (tmp_path / "logs/metrics.jsonl").read_text().splitlines())
    assert record | {"time": 0} == {
        "time": 0,
        "stage": "adam",
        "step": 1,
        "steps": 9,
        "eigvals": [1.0, 2.5],
        "lr": 1,
    }
    start, end = (tmp_path / "logs/words/train.log").read_text().splitlines()
    assert start.endswith(" start, 4 states")
    assert end.endswith(' end: {"E": [1.0, null]}')
    assert telemetry.position == (tmp_path / "logs/metrics.jsonl").stat().st_size


def test_a_config_and_a_result_of_which_nothing_is_known(tmp_path):
    telemetry = Telemetry(tmp_path)
    telemetry.lior_train_start(object())
    telemetry.lior_train_end(None)
    start, end = (tmp_path / "train.log").read_text().splitlines()
    assert start.endswith(" start")
    assert end.endswith(" end")


def test_a_remark_and_a_headline_are_in_the_log_and_a_step_of_the_numbers_counts(tmp_path):
    telemetry = Telemetry(
        tmp_path, remark=lambda stage, step, steps, numbers: f"{stage} {step}" * (step == 2)
    )
    for step in (1, 2, 3):
        telemetry.lior_train_step("second", step, 3, {"step": 10 + step})
    telemetry.lior_train_end(SimpleNamespace(headline="all is well", summary={"x": 1}))
    remark, end = (tmp_path / "train.log").read_text().splitlines()
    assert remark.endswith(" second 2")
    assert end.endswith(" end: all is well")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [strict(line)["step"] for line in lines] == [11, 12, 13]


def test_a_full_disk_names_the_file(tmp_path):
    telemetry = Telemetry(tmp_path)
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        telemetry.lior_train_step("a", 1, 1, {"x": 1.0})
    assert caught.value.filename == str(tmp_path / "metrics.jsonl")


def test_the_log_of_a_training_run_names_seed_and_text(tmp_path):
    run = RunDirectory.create(tmp_path / "run", TrainConfig(seed=3))
    run.telemetry().lior_train_start(TrainConfig(seed=3))
    run.folder.close()
    assert (tmp_path / "run/train.log").read_text().endswith(" start, seed 3, text embedded corpus\n")
    data = attrs.evolve(TrainConfig().data, text=("a", "b"))
    assert headline(TrainConfig(data=data)) == "seed 0, text a, b"


def test_going_on_keeps_what_counts(tmp_path):
    first = Telemetry(tmp_path, metrics="logs/m.jsonl")
    first.lior_train_step("a", 1, 3, {"x": 1.0})
    kept = first.position
    first.lior_train_step("a", 2, 3, {"x": 2.0})
    again = Telemetry(tmp_path, kept, 100.0, metrics="logs/m.jsonl")
    again.lior_train_step("a", 2, 3, {"x": 3.0})
    records = [strict(line) for line in (tmp_path / "logs/m.jsonl").read_text().splitlines()]
    assert [record["x"] for record in records] == [1.0, 3.0]
    assert records[1]["time"] >= 100


_numbers = st.integers() | st.floats()


@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda name: name not in ("time", "stage", "step", "steps")),
        _numbers | st.lists(_numbers) | st.tuples(_numbers, _numbers),
        min_size=1,
    )
)
def test_every_line_is_json_whatever_the_numbers(tmp_path_factory, metrics):
    folder = tmp_path_factory.mktemp("run")
    Telemetry(folder).lior_train_step("a", 1, 1, metrics)
    (line,) = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    record = strict(line)
    for name, value in metrics.items():
        many = isinstance(value, list | tuple)
        found = record[name] if many else [record[name]]
        asked = value if many else [value]
        assert found == [number if math.isfinite(number) else None for number in asked]
