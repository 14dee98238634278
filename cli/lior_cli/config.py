"""``lior config``: recipes, and the configuration that they resolve to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lior.config import Resolved, load, recipes, to_toml, values
from lior.errors import UsageError, did_you_mean, sentences
from lior_cli.options import RecipeName, set_option
from lior_cli.terminal import echo_table


@click.group()
def config() -> None:
    """List, show, copy or check recipes.

    A value comes from the highest layer that sets it: defaults, the recipe,
    LIOR_* environment variables, flags and --set.
    """


@config.command("list")
def list_() -> None:
    """List the recipes that come with lior."""
    rows = [(name, recipes.describe(recipes.read_recipe(name))) for name in recipes.list_shipped()]
    echo_table(["name", "description"], rows)


@config.command()
@click.argument("recipe", type=RecipeName(), required=False)
@click.option("--origins", is_flag=True, help="Print a table with the layer that each value comes from.")
@click.option("--changed", is_flag=True, help="Leave out values that are the default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, by dotted key.")
@set_option
def show(
    recipe: str | None, origins: bool, changed: bool, as_json: bool, assignments: tuple[str, ...]
) -> None:
    """Print the configuration that RECIPE and the environment resolve to, as a recipe.

    RECIPE is a shipped name or a TOML file; without it, the defaults are shown.
    """
    echo_resolved(load(recipe, overrides=assignments), origins=origins, changed=changed, as_json=as_json)


def echo_resolved(resolved: Resolved[Any], *, origins: bool, changed: bool, as_json: bool) -> None:
    """Print a configuration as TOML, as a table with the layer of each value, or as JSON."""
    shown = values(resolved.config, changed=changed)
    found = {key: resolved.origins.get(key, "default") for key in shown}
    if as_json:
        both = {key: {"value": value, "from": found[key]} for key, value in shown.items()}
        click.echo(json.dumps(both if origins else shown))
    elif origins:
        echo_table(["key", "from", "value"], [(key, found[key], str(value)) for key, value in shown.items()])
    else:
        click.echo(to_toml(resolved.config, changed=changed), nl=False)


@config.command()
@click.argument("name", type=RecipeName(files=False))
@click.argument("dest", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Overwrite DEST.")
def copy(name: str, dest: Path | None, force: bool) -> None:
    """Copy the shipped recipe NAME to DEST, to be edited (default: NAME.toml)."""
    shipped = recipes.list_shipped()
    if name not in shipped:
        hint, names = did_you_mean(name, shipped), ", ".join(shipped)
        raise UsageError(sentences(f"No recipe named {name!r} comes with lior.", hint, f"Shipped: {names}."))
    dest = dest or Path(f"{name}.toml")
    dest = dest / f"{name}.toml" if dest.is_dir() else dest
    try:
        with dest.open("wb" if force else "xb") as file:
            file.write(shipped[name].read_bytes())
    except FileExistsError:
        raise UsageError(f"{dest} exists. Choose another name, or overwrite it with --force.") from None
    click.echo(f"Wrote {dest}. Train with it: lior train --config {dest}")


@config.command()
@click.argument("file", type=RecipeName())
@set_option
def check(file: str, assignments: tuple[str, ...]) -> None:
    """Check a recipe, with the environment, and the options of its plugins."""
    load(file, overrides=assignments, components=True)
    click.echo(f"{file}: ok")
