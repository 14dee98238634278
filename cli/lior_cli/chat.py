"""``lior chat``: talk with a run, see where its words come from, let it learn and forget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.config.sampling import ChatSampling
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, WholeNumber, device_option, field_options, seed_option

if TYPE_CHECKING:
    pass


@click.command()
@click.argument("run", type=RunPath(), required=False)
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
@device_option
@click.pass_context
def chat(
    ctx: click.Context,
    run: Path | None,
    max_tokens: int,
    stop: str,
    seed: int,
    remember: bool,
    device: str,
    **sampling: Any,
) -> None:
    r"""Talk with a run, and see where its words come from.

    Without RUN it is the newest here or in runs/. The model goes on with what you say; /help lists the
    commands, such as /why and /learn FILE. A line that ends with \ goes on in the next. Ctrl-C stops a reply,
    Ctrl-D ends the chat. In a pipe every line is a message.
    """
    how = ChatSampling(**sampling)
    import_torch()
    from lior.runs.chat import Chat
    from lior.runs.directory import newest
    from lior.runs.run import load
    from lior_cli.conversation import Conversation

    path = run or newest([Path(), Path("runs")])
    if run is None:
        click.echo(f"lior: chat with {path}, the newest run", err=True)
    opened = load(path, device=device)
    end = stop.replace("\\n", "\n").encode("utf-8", "surrogateescape")
    talk = Chat(opened, sampling=how, tokens=max_tokens, stop=end, seed=seed)
    conversation = Conversation(talk, remember=remember, live=sys.stdin.isatty() and sys.stdout.isatty())
    ctx.exit(conversation.run())
