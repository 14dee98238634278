"""Answers in the words of a language model, on a terminal: ``--with`` of ``lior ask`` and ``lior chat``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lior_ask.cli.passages import where
from lior_ask.languages.replies import in_words_of
from lior_cli import printable_text, terminal_columns, wrap_text

if TYPE_CHECKING:
    from lior_ask.api import Index
    from lior_ask.conversation.composing import Material
    from lior_ask.conversation.endpoint import Endpoint


def echo_reply(index: Index, endpoint: Endpoint, given: Material, language: str, *, live: bool) -> None:
    """Print a model's reply, its claims that are not in the passages, and the places that it cites.

    Remarks are in ``language``.

    At a terminal (``live``) its words are shown as they arrive, and wrong citations and quotations after
    them; in a pipe these are marked in the text. Raises ``EndpointError`` as
    :meth:`lior_ask.conversation.endpoint.Endpoint.pieces`.
    """
    from lior_ask.conversation.endpoint import check_reply

    pieces = list[str]()
    try:
        for shown in wrap_text(map(printable_text, _kept(endpoint, given, pieces)), terminal_columns()):
            if live:
                click.echo(shown, nl=False)
    finally:
        if live and pieces:
            click.echo()
    reply = check_reply("".join(pieces).strip(), given.passages)
    if not live:
        click.echo("".join(wrap_text([printable_text(reply.text)], terminal_columns())))
    for number in reply.cited:
        click.echo(f"[{number}] {where(index, given.passages[number - 1])}")
    if not reply.cited:
        click.echo(in_words_of("(it cites no passage)", language), err=True)
    if reply.wrong:
        found = ": " + ", ".join(map(printable_text, reply.unfounded)) if live else ", and is marked"
        told = f"({reply.wrong} of what it cites or quotes is not in the passages{found})"
        click.echo(in_words_of(told, language), err=True)


def _kept(endpoint: Endpoint, given: Material, pieces: list[str]) -> Iterator[str]:
    for piece in endpoint.pieces(given.question, given.passages):
        pieces.append(piece)
        yield piece
