"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

Callback = Callable[..., Any]


def config_options(command: Callback) -> Callback:
    """Add ``--config`` and ``--set``; the command gets ``layers`` and ``assignments``, tuples of texts.

    :func:`lior_ritz.config.load` takes them as they are.
    """

    @click.option(
        "--config",
        "layers",
        multiple=True,
        metavar="FILE|NAME",
        help="A TOML or JSON file, or a shipped recipe; several are laid over one another, the last on top.",
    )
    @click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE",
        help="Set a key, as in --set potential.delta=0.5; `lior ritz config explain` lists all.",
    )  # fmt: skip
    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    return wrapped


quiet_option = click.option("--quiet", is_flag=True, help="Print no progress.")
plots_option = click.option("--plots", is_flag=True, help="Draw the pictures as well, into RUN/plots.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, no more.")
