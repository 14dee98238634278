"""`lior config`: list, show, copy and check recipes."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from lior.config import TrainConfig, load, recipes, to_toml, values


def test_list_has_every_recipe_with_its_description(command):
    lines = command("config", "list").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(recipes.list_shipped())
    assert all(len(line.split()) > 3 for line in lines)


def test_show_prints_a_recipe_that_gives_the_same(command):
    shown = command("config", "show", "fast", "--set", "seed=3").out
    assert load(tomllib.loads(shown), env={}).config == load("fast", env={}, overrides=["seed=3"]).config


def test_show_without_a_name_shows_the_defaults_and_the_environment(command, monkeypatch):
    assert command("config", "show").out == to_toml(TrainConfig())
    monkeypatch.setenv("LIOR_SEED", "7")
    assert "seed = 7\n" in command("config", "show").out


def test_show_origins(command, monkeypatch):
    monkeypatch.setenv("LIOR_DEVICE", "cpu")
    result = command("config", "show", "tiny", "--origins", "--set", "seed=3")
    head, *rows = (re.split(" {2,}", line) for line in result.out.splitlines())
    assert head == ["key", "from", "value"]
    assert [row[0] for row in rows] == list(values(load("tiny", env={}).config))
    shown = {key: row for key, *row in rows}
    assert shown["seed"] == ["--set", "3"]
    assert shown["device"] == ["LIOR_DEVICE", "cpu"]
    assert shown["geometry.updates"] == ["recipe tiny", "8"]
    assert shown["data.holdout"] == ["default", "0.1"]


def test_show_changed_leaves_out_what_is_as_by_default_wherever_it_comes_from(command):
    given = ("--changed", "--set", "seed=3", "--set", "device=auto", "--set", "frame.rank=2")
    assert command("config", "show", *given).out == "seed = 3\n\n[frame]\nrank = 2\n"
    rows = command("config", "show", "default", *given, "--origins").out.splitlines()
    assert [line.split() for line in rows[1:]] == [["seed", "--set", "3"], ["frame.rank", "--set", "2"]]
    assert command("config", "show", "--changed").out == ""


def test_show_json(command, monkeypatch):
    shown = json.loads(command("config", "show", "fast", "--json").out)
    fast = values(load("fast", env={}).config)
    assert shown == {key: list(value) if isinstance(value, tuple) else value for key, value in fast.items()}
    monkeypatch.setenv("LIOR_DEVICE", "cpu")
    given = ("--json", "--origins", "--changed", "--set", "seed=3")
    assert json.loads(command("config", "show", *given).out) == {
        "seed": {"value": 3, "from": "--set"},
        "device": {"value": "cpu", "from": "LIOR_DEVICE"},
    }


def test_copy_is_verbatim_and_never_overwrites(command, tmp_path):
    work = tmp_path / "work"
    assert command("config", "copy", "tiny").code == 0
    assert (work / "tiny.toml").read_bytes() == recipes.list_shipped()["tiny"].read_bytes()

    (work / "tiny.toml").write_text("mine")
    result = command("config", "copy", "tiny")
    assert result.code == 2
    assert "tiny.toml exists" in result.err
    assert (work / "tiny.toml").read_text() == "mine"

    assert command("config", "copy", "tiny", "--force").code == 0
    assert (work / "tiny.toml").read_text() != "mine"


def test_copy_to_a_place(command, tmp_path):
    command("config", "copy", "fast", str(tmp_path))
    command("config", "copy", "fast", str(tmp_path / "a.toml"))
    assert Path(tmp_path / "fast.toml").read_text() == Path(tmp_path / "a.toml").read_text()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("fastt",), 2, "Did you mean 'fast'?"),
        (("fast", "nowhere/x.toml"), 1, "lior: error: nowhere/x.toml: No such file or directory\n"),
    ],
)
def test_what_cannot_be_copied(command, args, code, said):
    result = command("config", "copy", *args)
    assert result.code == code
    assert said in result.err


def test_check_reports_every_fault_of_keys_and_of_plugin_options(command, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('seed = -1\n[frame]\nname = "lowrank"\nrnak = 2\n[geometry]\nstepz = 3\n')
    result = command("config", "check", str(path))
    assert result.code == 2
    head, *lines = result.err.splitlines()
    assert head == "lior: error: 3 problems in the configuration:"
    assert len(lines) == 3
    assert any(
        f"frame.rnak = 2 (from recipe {path}): unknown option. Did you mean 'rank'?" in line for line in lines
    )


@pytest.mark.slow
def test_check_of_the_shipped_recipes(command):
    for name in recipes.list_shipped():
        result = command("config", "check", name)
        assert (result.out, result.code) == (f"{name}: ok\n", 0), result.err
