"""Options that commands of systems with configurations of their own share, as lior-ritz and lior-lens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import click

Callback = Callable[..., Any]
Texts: TypeAlias = tuple[str, ...]
"""The value of an option that may be repeated."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
quiet_option = click.option("--quiet", is_flag=True, help="Print no progress.")


def layer_options(set_help: str) -> Callable[[Callback], Callback]:
    """Add ``--config`` and ``--set``, whose help is ``set_help``.

    The command gets ``layers`` and ``assignments``, tuples of texts as :func:`lior.config.resolving.resolve`
    takes them.
    """
    files = "A TOML or JSON file, or a shipped recipe; several are laid over one another, the last on top."
    layers = click.option("--config", "layers", multiple=True, metavar="FILE|NAME", help=files)
    assigned = click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help=set_help)
    return lambda command: layers(assigned(command))
