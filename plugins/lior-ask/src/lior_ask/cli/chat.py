"""``lior chat``: ask a run or a folder, one question after the other; a run also learns and forgets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lior.config import ChatSampling
from lior.errors import UsageError
from lior_ask.cli.options import endpoint_of, endpoint_option
from lior_cli import (
    RunPath,
    WholeNumber,
    device_option,
    field_options,
    import_torch,
    limits_option,
    run_among,
    seed_option,
)


@click.command()
@click.argument("where", nargs=-1, type=RunPath())
@click.option(
    "--max-tokens",
    type=WholeNumber(min=1),
    default=300,
    show_default=True,
    help="Tokens of a reply at most.",
)
@click.option(
    "--stop", default=r"\n\n", show_default=True, help=r"Text at which a reply ends; \n is a new line."
)
@field_options(ChatSampling)
@seed_option
@click.option(
    "--remember", is_flag=True, help="Let the memories learn what you say, each message a document."
)
@limits_option
@endpoint_option
@device_option
@click.pass_context
def chat(
    ctx: click.Context,
    where: tuple[Path, ...],
    max_tokens: int,
    stop: str,
    seed: int,
    remember: bool,
    endpoint: tuple[str, str] | None,
    device: str,
    **sampling: Any,
) -> None:
    r"""Ask a run or a folder, one question after the other.

    WHERE is a run, the newest here or in runs/ if not given; or folders, files and patterns, which need no
    training, are only asked, and are read again when they change. The reply is the sentence that answers,
    with its file and line; /more shows further passages, /go lets the model of a run continue a text, and
    /help lists all commands, such as /why and /learn FILE. A follow-up such as "and the second one?" is about
    the last question that was answered. A line that ends with \ goes on in the next. Ctrl-C stops a reply,
    Ctrl-D ends the chat. In a pipe every line is a message.
    """
    ChatSampling(**sampling)  # wrong options are reported before anything is opened
    live = sys.stdin.isatty() and sys.stdout.isatty()
    model = endpoint_of(endpoint)
    run = run_among(where)
    if where and run is None:
        if remember:
            raise UsageError(f"--remember: {where[0]} is a folder, which learns nothing; give a run")
        ctx.exit(_ask_folders(where, model, live=live))
    import_torch()
    from lior import load
    from lior.runs import newest
    from lior_ask.cli.conversation import Conversation, Session

    path = run or newest([Path(), Path("runs")])
    if run is None:
        click.echo(f"lior: chat with {path}, the newest run", err=True)
    opened = load(path, device=device)
    talk = opened.chat(max_tokens, stop=stop.replace("\\n", "\n"), seed=seed, **sampling)
    session = Session(
        opened=lambda: opened.index, run_chat=talk, endpoint=model, remember=remember, live=live
    )
    ctx.exit(Conversation(session).run())


def _ask_folders(folders: Sequence[Path], model: Any, *, live: bool) -> int:
    from lior_ask.api import Index
    from lior_ask.cli.conversation import Conversation, Session
    from lior_ask.idle import read_on

    index = Index(*folders)
    read_on(index)
    session = Session(opened=lambda: index, endpoint=model, live=live, refresh=index.update)
    return Conversation(session).run()
