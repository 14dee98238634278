"""The reference of the command line, made from the commands and the schema.

``docs/cli.md`` is what this module prints::

    LIOR_ALLOW_PLUGINS=lior python -m lior_cli.reference > docs/cli.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from lior.config import PREFIX, keys, variable
from lior.plugins.discovery import VARIABLES
from lior_cli.main import COMMANDS, cli
from lior_cli.options import flag, has_flag

_WIDTH = 100

_HEAD = """\
# Command line

Made by `LIOR_ALLOW_PLUGINS=lior python -m lior_cli.reference > docs/cli.md`; do not edit.
"""

_KEYS = """\
## Keys of a configuration

A value comes from the highest layer that sets it: the default, the recipe, the variable, the flag
or `--set KEY=VALUE`. In a recipe the part before the dot is a table. Options of the chosen plugin
stand beside its name: `--set frame.rank=8`, `LIOR_FRAME__RANK=8`; those of a memory backend in a
table of its name: `--set memory.exact.capacity=1000`, `LIOR_MEMORY__EXACT__CAPACITY=1000`. A layer
that chooses another plugin drops the options that lower layers gave to the old one.
"""

_CODES = """\
## Exit codes

| code | meaning |
|---|---|
| 0 | success |
| 1 | failure: unreadable data, a broken plugin, no memory or disk left, a defect |
| 2 | wrong use: an unknown command, flag, key, plugin or recipe, a value out of range |
| 130 | interrupted by Ctrl-C |
"""


def reference() -> str:
    """The whole page, in Markdown."""
    context = click.Context(cli, info_name="lior", terminal_width=_WIDTH, **cli.context_settings)
    commands = (part for name in COMMANDS for part in _command(cli.get_command(context, name), name, context))
    return "\n".join([_HEAD, _help("lior", context), *commands, _KEYS, _key_table(), _variables(), _CODES])


def _command(command: click.Command | None, name: str, parent: click.Context) -> Iterator[str]:
    """The help of a command and of the commands below it."""
    if command is None:
        raise LookupError(f"{parent.command_path} has no command {name!r}")
    context = click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
    yield _help(context.command_path, context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _command(command.get_command(context, inner), inner, context)


def _help(title: str, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{context.get_help()}\n```\n"


def _key_table() -> str:
    rows = [
        (
            f"`{key.dotted}`",
            f"`{flag(key)}`" if has_flag(key) else "",
            f"`{variable((key.kind,) if key.kind else key.path, PREFIX)}`",
            f"`{key.default}`" if key.default not in ("", ()) else "none",
            key.allowed,
            key.help,
        )
        for key in keys()
    ]
    return _table(("key", "flag", "variable", "default", "allowed", "meaning"), rows)


def _variables() -> str:
    rows = [(f"`{name}`", meaning) for name, meaning in VARIABLES.items()]
    return "## Other variables\n\n" + _table(("variable", "meaning"), rows)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
