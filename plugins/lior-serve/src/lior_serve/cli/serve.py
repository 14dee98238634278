"""``lior serve`` and ``lior mcp``: folders or a run, for people, programs and agents."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import DataError, UsageError, quantity
from lior_ask import endpoint_of, endpoint_option, index_option
from lior_cli import RunPath, WholeNumber, device_option, import_torch, limits_option, run_among

if TYPE_CHECKING:
    from lior_serve.server import Server

_TOKEN = "LIOR_TOKEN"
_WHERE = click.argument("where", nargs=-1, type=RunPath())
_EDIT = click.option(
    "--allow-edit", is_flag=True, help="Let clients learn and forget documents of a run or of --index."
)


@click.command()
@_WHERE
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address; others than loopback need a token."
)
@click.option(
    "--port", type=WholeNumber(0, 65535), default=8765, show_default=True, help="Port; 0 takes a free one."
)
@_EDIT
@click.option(
    "--sync",
    "folders",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER",
    help="Folder that clients may have synced, with --allow-edit. May be repeated.",
)
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Further name of this server.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"File with the token that clients must send; {_TOKEN} if not given.",
)
@click.option(
    "--log", "logged", is_flag=True, help="Log each request, without what was asked, as JSON lines."
)
@index_option
@endpoint_option
@limits_option
@device_option
def serve(
    where: tuple[Path, ...],
    host: str,
    port: int,
    allow_edit: bool,
    folders: tuple[Path, ...],
    hosts: tuple[str, ...],
    token_file: Path | None,
    logged: bool,
    database: str,
    endpoint: tuple[str, str] | None,
    device: str,
) -> int:
    """Serve folders or a run: a page, OpenAI's protocol, MCP and JSON.

    WHERE is folders, files and patterns, which are read again when they change, or a run, whose model also
    continues and scores texts. The page is at the address that is printed; /docs there lists the rest. Only
    programs of this machine reach it, and nothing can be changed, unless you say so. `lior ask RUN` uses the
    server. Servers with one --index answer as one. Ctrl-C stops it.
    """
    if folders and not allow_edit:
        raise UsageError("--sync changes the run; add --allow-edit")
    if folders and database:
        raise UsageError("--sync is for runs; with --index, WHERE is read as it changes")
    _prepare(where, allow_edit, database)
    from lior_serve.cli.serving import serve as served
    from lior_serve.limits import Settings

    settings = Settings(
        paths=where,
        host=host,
        port=port,
        hosts=hosts,
        token=_token(token_file),
        editable=allow_edit,
        folders=tuple(folder.absolute() for folder in folders),
        device=device,
        logged=logged,
        endpoint=endpoint_of(endpoint),
        index=database,
    )
    served(settings, _announce)


@click.command()
@_WHERE
@_EDIT
@index_option
@limits_option
@device_option
def mcp(where: tuple[Path, ...], allow_edit: bool, database: str, device: str) -> int:
    """Serve folders or a run to an agent over standard input and output (MCP).

    Tools: ask, get and docs, with --allow-edit also learn and forget; the documents are resources.
    """
    _prepare(where, allow_edit, database)
    from lior_serve.cli.serving import serve_stdio
    from lior_serve.limits import Settings

    return serve_stdio(Settings(paths=where, editable=allow_edit, device=device, index=database))


def _prepare(where: Sequence[Path], allow_edit: bool, database: str) -> None:
    """Refuse paths that cannot be served, and import torch for a run."""
    if not (where or database):
        raise UsageError("nothing to serve; name folders, files or a run: lior serve ~/notes")
    if run_among(where):
        if database:
            raise UsageError("--index is of folders and files; a run has an index of its own")
        import_torch()
    elif allow_edit and not database:
        raise UsageError("--allow-edit is for runs; a folder is served as it is, so change its files")


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get(_TOKEN, "")
    try:
        text = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise DataError(f"{file}: a token is text; write one line into it") from None
    if not text:
        raise DataError(f"{file}: no token in there; write one line into it")
    return text


def _announce(server: Server, address: str) -> None:
    state: dict[str, Any] = server.source.state()
    what = "may be edited" if state["editable"] else "read-only"
    for each in state["lost"]:
        click.echo(f"lior: the server was killed before it was done: {each}; do it again", err=True)
    size = f"{quantity(state['documents'], 'document')}, {quantity(state['passages'], 'passage')}"
    click.echo(f"lior: serving {state['name']} ({size}; {what}) at {address}", err=True)
    if server.settings.endpoint:
        model = server.settings.endpoint
        click.echo(f"lior: answers may be worded by {model.model} at {model.address}", err=True)
    click.echo("lior: Ctrl-C stops it", err=True)
