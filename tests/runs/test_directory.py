"""A run directory: configuration, telemetry, log, summary and checkpoint."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lior.config import load
from lior.runs.directory import RunDirectory

NAMES = ["checkpoints", "config.toml", "lock", "metrics.jsonl", "summary.json", "sync.json", "train.log"]


def test_a_finished_run_has_these_files(finished):
    assert sorted(path.name for path in finished.iterdir()) == NAMES


def test_every_line_of_the_metrics_has_time_stage_and_step(finished):
    records = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    times = [record["time"] for record in records]
    assert times == sorted(times)
    assert times[0] >= 0
    names = ("geometry", "memory", "folds", "mixer", "validate")
    stages = {name: [r for r in records if r["stage"] == name] for name in names}
    assert sum(map(len, stages.values())) == len(records)
    assert [r["step"] for r in stages["geometry"]] == [1, 2, 3, 4]
    assert {r["steps"] for r in stages["geometry"]} == {4}
    assert all(r["calibration_loss"] > 0 and r["rejected"] == 0 for r in stages["geometry"])
    assert all(r["nats_per_token"] > 0 for r in stages["memory"])
    assert stages["memory"][-1]["step"] == stages["memory"][-1]["steps"]
    assert all(r["calibration_loss"] > 0 for r in stages["mixer"] if "calibration_loss" in r)
    assert "calibration_loss" in stages["mixer"][-1]
    summary = json.loads((finished / "summary.json").read_text())
    last = stages["validate"][-1]
    assert last["nats_per_token"] == pytest.approx(summary["val_nats_per_byte"])


def test_the_log_tells_the_run_in_words(finished, sample):
    lines = (finished / "train.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S", line) for line in lines)
    words = [line.split(" ", 2)[2] for line in lines]
    assert words[0] == f"start, seed 0, text {sample}"
    stages = ["geometry", "memory", "mixer", "memory", "folds", "mixer", "memory", "memory", "validate"]
    begins = ["start", "checkpoint", *stages, "checkpoint", "end"]
    assert [re.split("[,:]", line)[0] for line in words] == begins


def test_the_configuration_is_complete_and_its_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    table = {"data": {"text": ["a.txt", "~/b", "-", "c/*.txt"], "valid": "v.txt"}, "seed": 3}
    RunDirectory.create(Path("r"), load(table, env={}).config)
    back = load("r/config.toml", env={}).config
    here = str(tmp_path)
    assert back.data.text == (f"{here}/a.txt", "/home/someone/b", "-", f"{here}/c/*.txt")
    assert back.data.valid == f"{here}/v.txt"
    assert back.seed == 3
    written = (tmp_path / "r" / "config.toml").read_text()
    assert all(f"[{section}]" in written for section in ("geometry", "mixer", "frame", "memory"))
