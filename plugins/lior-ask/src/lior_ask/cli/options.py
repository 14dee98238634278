"""Options that the commands of lior-ask and lior-serve share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lior_cli import Callback

if TYPE_CHECKING:
    from lior_ask.conversation.endpoint import Endpoint


def endpoint_option(function: Callback) -> Callback:
    """Add ``--with URL MODEL``; :func:`endpoint_of` opens it."""
    return click.option(
        "--with",
        "endpoint",
        nargs=2,
        metavar="URL MODEL",
        help="Let a model at an OpenAI-compatible address word the answers; what it cites and quotes is "
        "checked. OPENAI_API_KEY is sent if set.",
    )(function)


def index_option(function: Callback) -> Callback:
    """Add ``--index ADDRESS``."""
    return click.option(
        "--index",
        "database",
        metavar="ADDRESS",
        default="",
        help="Index in a PostgreSQL that many processes share: postgresql://user@host/database?schema=NAME. "
        "Without WHERE, what is in it.",
    )(function)


def endpoint_of(given: tuple[str, str] | None) -> Endpoint | None:
    """Return the model of ``--with``, without sending a request yet."""
    if not given:
        return None
    from lior_ask.conversation.endpoint import Endpoint

    return Endpoint(*given)
