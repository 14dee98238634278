"""Flags made from the schema: what they show, what they complete, and what they pass on."""

from __future__ import annotations

import click
from click.testing import CliRunner

from lior.config import load
from lior.plugins.registry import registry
from lior_cli.options import PluginName, flag, flagged_keys, schema_options
from tests.cases import cases


@click.command()
@click.argument("text", nargs=-1)
@schema_options
def command(text, recipe, overrides):
    """Resolve a configuration."""
    resolved = load(recipe, env={}, overrides=overrides)
    click.echo(f"{text} {resolved.config}")
    for key, origin in resolved.origins.items():
        click.echo(f"{key}={origin}")


def run(*args: str):
    return CliRunner().invoke(command, args)


def test_flags_are_those_of_the_run_and_its_data():
    names = (
        "seed device time-limit memory-budget valid holdout after-validation field limit "
        "tokenizer encoder frame rsource product updater memory"
    )
    assert [flag(key) for key in flagged_keys()] == [f"--{name}" for name in names.split()]


def test_help_shows_meaning_range_default_and_installed_names():
    text = " ".join(run("--help").output.split())
    for key in flagged_keys():
        assert key.help[1:] in text
        assert key.kind or (f"[{'|'.join(key.choices)}]" if key.choices else key.allowed) in text
    assert "[default: 0.1]" in text
    assert f"[{'|'.join(registry.names('frame'))}]" in text
    assert f"[{'|'.join(registry.names('memory'))}],..." in text


@cases("key", list(flagged_keys()))
def test_a_flag_sets_its_key_and_is_its_origin(key):
    value = {
        "device": "cpu",
        "frame": "rotor",
        "memory": "sdm",
        "rsource": "curvature",
        "product": "wedge",
        "updater": "spsa",
        "encoder": "poles",
        "tokenizer": "bytes",
        "holdout": "0.25",
        "after_validation": "keep",
    }.get(key.kind or key.path[-1], "7")
    result = run(flag(key), value)
    assert result.exit_code == 0, result.exception or result.output
    assert f"\n{key.dotted}={flag(key)}\n" in result.output
    assert value in result.output


def test_set_reaches_every_key_and_flags_win():
    output = run("--set", "geometry.updates=5", "--set", "seed=1", "--seed", "2", "--config", "tiny").output
    assert "updates=5" in output
    assert "seed=2" in output
    assert "\ngeometry.batch=recipe tiny\n" in output


def test_faults_of_flags_are_collected():
    result = run("--seed", "x", "--holdout", "2", "--set", "foo")
    assert len(result.exception.problems) == 3
    assert any("(from --seed)" in line for line in result.exception.problems)


def test_a_class_may_be_named_by_its_path():
    assert "name='some.module:Class'" in run("--frame", "some.module:Class").output


def test_a_completed_plugin_is_shown_with_its_distribution():
    (item,) = PluginName("frame").shell_complete(click.Context(command), click.Option(["--x"]), "ro")
    assert (item.value, item.help.startswith("lior ")) == ("rotor", True)
