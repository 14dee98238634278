"""``lior plugins``: list the installed plugins, check them, begin a new one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import click

from lior.errors import LiorError, MissingPackage
from lior.plugins.discovery import Origin
from lior.plugins.kinds import KINDS
from lior.plugins.registry import registry
from lior_cli.options import given
from lior_cli.output import redraw
from lior_cli.terminal import echo_table

OK, BROKEN, MISSING = "ok", "BROKEN", "missing"
"""The status of a plugin after a check; ``MISSING`` means that it needs a package."""


@attrs.frozen
class PluginRow:
    """A plugin in the list."""

    kind: str
    name: str
    distribution: str
    version: str
    target: str
    status: str = ""
    """The status: ``ok``, ``BROKEN``, ``missing``, or empty without a check."""
    cause: str = ""


@click.group(invoke_without_command=True)
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only plugins of this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--check", is_flag=True, help="Import each plugin and run its contract suite.")
@click.pass_context
def plugins(ctx: click.Context, kind: str | None, as_json: bool, check: bool) -> None:
    """List or check the installed plugins, or begin a new one.

    Without --check nothing is imported. With --check, the exit code is 1 if a plugin is broken. A plugin
    whose packages are not installed is missing, not broken. --check needs the package hypothesis: lior
    install check.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options_before(ctx)
        return
    with _checking() if check else nullcontext():
        rows = [row for each in ([kind] if kind else KINDS) for row in _rows(each, check)]
        if check and sys.stderr.isatty():
            redraw("")
    _echo_rows(rows, check, as_json=as_json)
    for fault in registry.faults:
        click.echo(f"lior: warning: {fault}", err=True)
    broken = [f"{row.kind} {row.name}" for row in rows if row.status == BROKEN]
    if broken:
        click.echo(f"lior: error: broken: {', '.join(dict.fromkeys(broken))}", err=True)
        ctx.exit(1)


def _echo_rows(rows: list[PluginRow], check: bool, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_fields(row, check) for row in rows], indent=2))
    else:
        headers = [field.name for field in attrs.fields(PluginRow)][: None if check else -2]
        echo_table(headers, [list(_fields(row, check).values()) for row in rows])


def _refuse_options_before(ctx: click.Context) -> None:
    """Refuse options of the list before a command, on which they have no effect."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if given(name):
            ctx.fail(f"{parameter.opts[0]} stands before {ctx.invoked_subcommand!r}; put it after.")


@plugins.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Kind of plugin.  [required]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder, new or empty.  [default: NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def new(ctx: click.Context, name: str, kind: str | None, out: Path | None, as_json: bool) -> None:
    """Write an installable package NAME with a small plugin that works, its test and a README.

    Users will choose the plugin by NAME without `lior-`.
    """
    from lior_cli import scaffold
    from lior_cli.main import COMMANDS

    if kind is None:  # Click would print a line for each kind
        ctx.fail(f"--kind is missing; it is one of {', '.join(KINDS)}.")
    made = scaffold.package(name, kind, taken=frozenset(COMMANDS if kind == "command" else ()))
    folder = out or Path(made.distribution)
    paths = [click.format_filename(path) for path in scaffold.write(made, folder)]
    place = click.format_filename(folder)
    commands = [f"pip install -e {quote(f'{place}[test]')}", f"pytest {quote(place)}", made.use]
    if as_json:
        names = {"kind": kind, "name": made.plugin, "distribution": made.distribution, "module": made.module}
        click.echo(json.dumps({**names, "folder": place, "files": paths, "next": commands}, indent=2))
        return
    for path in paths:
        click.echo(f"Wrote {path}")
    click.echo("Next:")
    for command in commands:
        click.echo(f"  {command}")


def _rows(kind: str, check: bool) -> list[PluginRow]:
    rows = []
    for name in registry.names(kind):
        if check and sys.stderr.isatty():
            redraw(f"checking {kind} {name}")
        status, cause = _check(kind, name) if check else ("", "")
        rows += [_row(origin, status, cause) for origin in registry.origins(kind, name)]
    return rows


def _row(origin: Origin, status: str, cause: str) -> PluginRow:
    return PluginRow(**asdict(origin), status=status, cause=cause)


def _check(kind: str, name: str) -> tuple[str, str]:
    """Return the status of a plugin, and why it is not ``ok``."""
    from lior.testing import run_suite

    try:
        plugin = registry.get(kind, name)
        if KINDS[kind].suite:
            plugin()
        failures = run_suite(kind, plugin)
    except MissingPackage as error:
        return MISSING, str(error)
    except LiorError as error:
        return BROKEN, str(error)
    except Exception as error:  # whatever error one plugin raises, the others are still checked
        return BROKEN, f"its contract suite cannot run: {type(error).__name__}: {error}".splitlines()[0]
    causes = "; ".join(f"{failure.test}: {failure.message}" for failure in failures)
    return (BROKEN if failures else OK), causes


def _fields(row: PluginRow, check: bool) -> dict[str, Any]:
    fields = attrs.asdict(row)
    if not check:
        del fields["status"], fields["cause"]
    return fields


@contextmanager
def _checking() -> Iterator[None]:
    """Context manager: make the suites reproducible, without files left in the working directory."""
    from lior.testing import require_hypothesis

    require_hypothesis()
    import torch
    from hypothesis import settings
    from hypothesis.configuration import set_hypothesis_home_dir

    torch.set_num_threads(1)  # the tensors of the suites are tiny: several threads are up to 4 times slower

    settings.register_profile("lior-check", derandomize=True, database=None, deadline=None)
    settings.load_profile("lior-check")
    with TemporaryDirectory() as home:
        set_hypothesis_home_dir(home)
        yield
