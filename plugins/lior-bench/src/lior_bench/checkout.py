"""Questions and texts that are in lior's repository and in no package."""

from __future__ import annotations

from pathlib import Path

import click


def folder(path: str) -> Path:
    """The folder ``path`` of the checkout that this package or the working directory is in.

    Raises
    ------
    click.ClickException
        Outside a checkout.
    """
    for start in (Path.cwd(), Path(__file__).resolve()):
        for parent in (start, *start.parents):
            if (parent / "plugins" / "lior-bench").is_dir() and (parent / path).is_dir():
                return parent / path
    raise click.ClickException(f"{path} is in lior's repository only; run this in a checkout of it")
