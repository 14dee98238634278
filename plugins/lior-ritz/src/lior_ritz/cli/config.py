"""``lior ritz init`` and ``lior ritz config``: configurations to begin with, and to read."""

from __future__ import annotations

from pathlib import Path

import click

from lior.errors import UsageError
from lior_cli import Texts, echo_resolved, echo_table, json_option
from lior_ritz.cli.options import config_options


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default="ritz.toml", required=False)
@config_options
@click.option("--force", is_flag=True, help="Overwrite PATH.")
def init(path: Path, layers: Texts, assignments: Texts, force: bool) -> None:
    """Write a configuration to PATH (ritz.toml), with every key, to be edited."""
    from lior.config import to_toml
    from lior_ritz import config as configuration

    text = to_toml(configuration.load(layers, assignments).config)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists. Choose another name, or overwrite it with --force.") from None
    click.echo(f"Wrote {path}. Solve it: lior ritz run --config {path}")


@click.group()
def config() -> None:
    """Show or explain configurations.

    A value comes from the highest layer that sets it: defaults, --config files and recipes in their
    order, RITZ_* environment variables, --set.
    """


@config.command()
@config_options
@click.option("--origins", is_flag=True, help="Print a table with the layer that each value comes from.")
@click.option("--changed", is_flag=True, help="Leave out what is as by default.")
@json_option
def show(layers: Texts, assignments: Texts, origins: bool, changed: bool, as_json: bool) -> None:
    """Check files, variables and --set, and print what they resolve to, as TOML."""
    from lior_ritz import config as configuration

    resolved = configuration.load(layers, assignments)
    configuration.mirror(resolved.config, configuration.problem(resolved.config))
    echo_resolved(resolved, origins=origins, changed=changed, as_json=as_json)


@config.command()
@click.argument("prefix", required=False, default="")
def explain(prefix: str) -> None:
    """Print every key with its default, what is allowed and what it does.

    PREFIX leaves out keys that begin otherwise, such as training.lr_schedule. The options of a potential
    are listed by potential.<type>.
    """
    from lior.config import schema_keys
    from lior.errors import did_you_mean, sentences
    from lior_ritz.config import RitzConfig
    from lior_ritz.potentials import options, registry

    rows = [(key.dotted, _text(key.default), key.allowed, key.help) for key in schema_keys(RitzConfig)]
    for name in registry.names("potential"):
        for option, typed in options(name).items():
            default, help = _text(typed.field.default), typed.field.metadata.get("help", "")
            rows.append((f"potential.{name}.{option}", default, typed.allowed, help))
    chosen = [row for row in rows if row[0].startswith(prefix)]
    if not chosen:
        names = {row[0].split(".")[0] for row in rows} | {row[0] for row in rows}
        raise UsageError(sentences(f"no key begins with {prefix!r}.", did_you_mean(prefix, sorted(names))))
    echo_table(["key", "default", "allowed", "meaning"], chosen)
    if any(row[0].startswith("potential.") for row in chosen):
        click.echo("\nset options without the type: --set potential.type=box --set potential.offset=1")


def _text(value: object) -> str:
    value = getattr(value, "factory", lambda: value)()  # of an attrs.Factory what it makes
    return "" if value is None else str(value)
