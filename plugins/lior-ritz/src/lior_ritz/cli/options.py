"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Callback = Callable[..., Any]


def config_options(command: Callback) -> Callback:
    """Add ``--config`` and ``--set``; the command gets ``layers`` and ``assignments``, tuples of texts that
    :func:`lior_ritz.config.load` takes as they are."""
    command = click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE",
        help="Set a key, as in --set potential.delta=0.5; `lior ritz config explain` lists all.",
    )(command)  # fmt: skip
    return click.option(
        "--config", "layers", multiple=True, metavar="FILE|NAME",
        help="A TOML or JSON file, or a shipped recipe; several are laid over one another, the last on top.",
    )(command)  # fmt: skip


quiet_option = click.option("--quiet", is_flag=True, help="Print no progress.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no more.")
