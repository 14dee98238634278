"""`lior config`: list, show, copy and check recipes."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from lior.config import TrainConfig, load, recipes, to_toml, values


def test_list_has_every_recipe_with_its_description(lior):
    lines = lior("config", "list").stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(recipes.shipped())
    assert all(len(line.split()) > 3 for line in lines)


def test_show_prints_a_recipe_that_gives_the_same(lior):
    shown = lior("config", "show", "fast", "--set", "seed=3").stdout
    assert load(tomllib.loads(shown), env={}).config == load("fast", env={}, overrides=["seed=3"]).config


def test_show_without_a_name_shows_the_defaults_and_the_environment(lior):
    assert lior("config", "show").stdout == to_toml(TrainConfig())
    assert "seed = 7\n" in lior("config", "show", LIOR_SEED="7").stdout


def test_show_origins(lior):
    result = lior("config", "show", "tiny", "--origins", "--set", "seed=3", LIOR_DEVICE="cpu")
    head, *rows = (re.split(" {2,}", line) for line in result.stdout.splitlines())
    assert head == ["key", "from", "value"]
    assert [row[0] for row in rows] == list(values(TrainConfig()))
    shown = {key: row for key, *row in rows}
    assert shown["seed"] == ["--set", "3"]
    assert shown["device"] == ["LIOR_DEVICE", "cpu"]
    assert shown["geometry.updates"] == ["recipe tiny", "8"]
    assert shown["data.holdout"] == ["default", "0.1"]


def test_show_changed_leaves_out_what_is_as_by_default_wherever_it_comes_from(lior):
    given = ("--changed", "--set", "seed=3", "--set", "device=auto", "--set", "frame.rank=2")
    assert lior("config", "show", *given).stdout == "seed = 3\n\n[frame]\nrank = 2\n"
    rows = lior("config", "show", "default", *given, "--origins").stdout.splitlines()
    assert [line.split() for line in rows[1:]] == [["seed", "--set", "3"], ["frame.rank", "--set", "2"]]
    assert lior("config", "show", "--changed").stdout == ""


def test_show_json(lior):
    shown = json.loads(lior("config", "show", "fast", "--json").stdout)
    fast = values(load("fast", env={}).config)
    assert shown == {key: list(value) if isinstance(value, tuple) else value for key, value in fast.items()}
    given = ("--json", "--origins", "--changed", "--set", "seed=3")
    assert json.loads(lior("config", "show", *given, LIOR_DEVICE="cpu").stdout) == {
        "seed": {"value": 3, "from": "--set"},
        "device": {"value": "cpu", "from": "LIOR_DEVICE"},
    }


def test_copy_is_verbatim_and_never_overwrites(lior, tmp_path):
    work = tmp_path / "work"
    assert lior("config", "copy", "tiny").returncode == 0
    assert (work / "tiny.toml").read_bytes() == recipes.shipped()["tiny"].read_bytes()

    (work / "tiny.toml").write_text("mine")
    result = lior("config", "copy", "tiny")
    assert result.returncode == 2
    assert "tiny.toml exists" in result.stderr
    assert (work / "tiny.toml").read_text() == "mine"

    assert lior("config", "copy", "tiny", "--force").returncode == 0
    assert (work / "tiny.toml").read_text() != "mine"


def test_copy_to_a_place(lior, tmp_path):
    lior("config", "copy", "fast", str(tmp_path))
    lior("config", "copy", "fast", str(tmp_path / "a.toml"))
    assert Path(tmp_path / "fast.toml").read_text() == Path(tmp_path / "a.toml").read_text()


def test_copy_of_an_unknown_recipe(lior):
    result = lior("config", "copy", "fastt")
    assert result.returncode == 2
    assert "Did you mean 'fast'?" in result.stderr


def test_copy_to_a_missing_folder_is_one_line(lior):
    result = lior("config", "copy", "fast", "nowhere/x.toml")
    assert result.returncode == 1
    assert result.stderr == "lior: error: nowhere/x.toml: No such file or directory\n"


def test_check_reports_every_fault_of_keys_and_of_plugin_options(lior, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('seed = -1\n[frame]\nname = "lowrank"\nrnak = 2\n[geometry]\nstepz = 3\n')
    result = lior("config", "check", str(path))
    assert result.returncode == 2
    head, *lines = result.stderr.splitlines()
    assert head == "lior: error: 3 problems in the configuration:"
    assert len(lines) == 3
    assert any(
        f"frame.rnak = 2 (from recipe {path}): unknown option. Did you mean 'rank'?" in line for line in lines
    )


@pytest.mark.slow
def test_check_of_the_shipped_recipes(lior):
    for name in recipes.shipped():
        result = lior("config", "check", name)
        assert (result.stdout, result.returncode) == (f"{name}: ok\n", 0), result.stderr
