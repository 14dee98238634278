"""``lior cache``: the indexes that are kept, and the folder of compiled code."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import UsageError, quantity
from lior.files import printable
from lior_cli.sources import printable_line

if TYPE_CHECKING:
    from lior.interfaces import CachedIndex

_SHOWN = 20


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="List every index, not only those used last.")
@click.pass_context
def cache(context: click.Context, every: bool) -> None:
    """List what is kept in the user's cache: indexes of folders, and compiled code.

    `lior ask` and its like keep an index of what they were asked about. The first command that needs them
    compiles the counting loops and keeps the result, for each version of lior; NUMBA_CACHE_DIR names another
    place. All of it is made again when it is needed.
    """
    if context.invoked_subcommand:
        return
    from lior.compiling import cache

    indexes, versions = _indexes(), cache.versions()
    if indexes:
        click.echo(f"{indexes[0].file.parent}: {len(indexes)} index{'es' * (len(indexes) != 1)}")
    shown = indexes if every else indexes[:_SHOWN]
    for each in shown:
        click.echo(f"  {_label(each)}")
    if rest := indexes[len(shown) :]:
        click.echo(f"  {sum(each.size for each in rest) / 2**20:8.1f} MiB  in {len(rest)} more (--all)")
    size = sum(map(cache.size, versions)) / 2**20
    click.echo(f"{cache.root()}: compiled code of {quantity(len(versions), 'version')}, {size:.1f} MiB")


@cache.command()
@click.argument("where", nargs=-1)
@click.option("--gone", is_flag=True, help="Only indexes of which no folder is there any more.")
def clear(where: tuple[str, ...], gone: bool) -> None:
    """Remove the indexes of the folders WHERE; without any, all indexes and the compiled code.

    The answers that were confirmed in an index go with it.
    """
    from lior.compiling import cache

    indexes = _indexes()
    if where:
        indexes = [each for path in dict.fromkeys(where) for each in _choose(indexes, path)]
    for each in indexes:
        if not gone or each.gone:
            each.remove()
            click.echo(f"removed {_label(each)}")
    if not where and not gone:
        cache.clear()
        click.echo(f"removed {cache.root()}")


def _indexes() -> Sequence[CachedIndex]:
    """Return the indexes that lior-ask has cached, if it is installed."""
    from lior.runs.indexes import indexes, installed

    return indexes("lior cache").caches() if installed() else []


def _choose(indexes: Sequence[CachedIndex], where: str) -> list[CachedIndex]:
    path = str(Path(where).expanduser().absolute())
    if found := [each for each in indexes if path in each.paths]:
        return found
    raise UsageError(f"no index of {where} is kept; `lior cache` lists those that are")


def _label(index: CachedIndex) -> str:
    """Return the size, last use and folders of an index in one line."""
    folders = ", ".join(map(printable, index.paths)) or f"{index.file.name}, made by another version"
    used = datetime.fromtimestamp(index.used).strftime("%Y-%m-%d")
    return printable_line(
        f"{index.size / 2**20:8.1f} MiB  {used}  {folders}{' (gone)' if index.gone else ''}"
    )
