"""``lior learn``, ``lior forget``, ``lior docs``: the documents of a run."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from lior.errors import quantity
from lior.files import in_line
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, device_option, limits_option
from lior_cli.terminal import echo_table

if TYPE_CHECKING:
    from lior.runs.checkpoint import Document
    from lior.runs.run import Run

_RUN = click.argument("run", type=RunPath())
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")


@click.command()
@_RUN
@click.argument("text", nargs=-1, required=True)
@click.option("--name", help="What to call a single document, instead of its path.")
@click.option("--field", default="text", show_default=True, help="Key of the text in JSON Lines.")
@_JSON
@limits_option
@click.option("--verbose", is_flag=True, help="Say which files are left out, and how others were read.")
@device_option
def learn(
    run: Path, text: tuple[str, ...], name: str | None, field: str, as_json: bool, verbose: bool, device: str
) -> None:
    """Add documents to a trained run.

    TEXT is as for `lior train`. The memories take it in at once; nothing is trained anew. RUN gets a new
    version, and the former stays until that is complete.
    """
    opened = _open(run, device, verbose=verbose)
    started = time.perf_counter()
    learned = opened.learn(list(text), name=name and in_line(name), field=field)
    seconds = time.perf_counter() - started
    opened.save()
    if as_json:
        click.echo(json.dumps(_outcome(opened, "learned", learned, seconds)))
        return
    for document in learned:
        click.echo(f"learned {_amount(document)}")
    click.echo(f"{_rate(learned, seconds)}; `lior forget {run} NAME` undoes it")
    click.echo(f"{_left(opened)} as fitted in training: the new text is weighed as the old is")


@click.command()
@_RUN
@click.argument("name", nargs=-1, required=True)
@_JSON
@device_option
def forget(run: Path, name: tuple[str, ...], as_json: bool, device: str) -> None:
    """Take documents out of a run, exactly.

    NAME is as `lior docs` shows it, or the end of its path. Afterwards the memories hold what they would hold
    had they never seen the document, and no version of RUN holds its text.
    """
    opened = _open(run, device)
    started = time.perf_counter()
    forgotten = opened.forget_all(name)
    seconds = time.perf_counter() - started
    opened.save()
    if as_json:
        click.echo(json.dumps(_outcome(opened, "forgotten", forgotten, seconds)))
        return
    for document in forgotten:
        click.echo(f"forgot {_amount(document)}")
    them = "them" if len(forgotten) > 1 else "it"
    click.echo(f"in {seconds:.2f} s; the memories are as if they had never seen {them}")
    click.echo(f"{_left(opened)} as fitted in training;")
    click.echo(_part_in(opened, forgotten))


@click.command()
@_RUN
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead.")
def docs(run: Path, as_json: bool) -> None:
    """List the documents of a run.

    With the size of each, how much of it the memories hold, and when it was learned.
    """
    opened = _open(run, "cpu")
    documents = opened.documents()
    if as_json:
        click.echo(json.dumps([attrs.asdict(document) for document in documents]))
        return
    list_documents(documents)


def list_documents(documents: Sequence[Document]) -> None:
    """Print a table of documents."""
    from lior.runs.editing import format_name

    if not documents:
        click.echo("the run has no documents")
        return
    rows = [[format_name(d.name), f"{d.bytes:,}", _share(d), d.added or "in training"] for d in documents]
    echo_table(["name", "bytes", "held", "learned"], rows)


def _open(run: Path, device: str, *, verbose: bool = False) -> Run:
    import_torch(verbose=verbose)
    from lior.runs.run import load

    return load(run, device=device)


def _outcome(run: Run, what: str, documents: list[Document], seconds: float) -> dict[str, Any]:
    return {
        what: [attrs.asdict(document) for document in documents],
        "seconds": seconds,
        "documents": len(run.documents()),
        "left": list(run.checkpoint.fitted),
    }


def _left(run: Run) -> str:
    """Return a clause on the parts that stay as training fitted them."""
    *parts, last = run.checkpoint.fitted
    return f"{', '.join(parts)} and {last} stay" if parts else f"{last} stays"


def _part_in(run: Run, forgotten: Sequence[Document]) -> str:
    """Return a clause on whether the documents contributed to the parts that stay."""
    if not any(document.held and document.added is None for document in forgotten):
        return "what was forgotten had no part in that"
    words = " (and its tokens may be words of it)" if "tokenizer" in run.checkpoint.fitted else ""
    return f"what was forgotten had a part in that{words}; to have it done without, train anew"


def _amount(document: Document) -> str:
    from lior.runs.editing import format_name

    size = f"{quantity(document.bytes, 'byte')}, {quantity(document.tokens, 'token')}"
    return f"{format_name(document.name)}: {size}"


def _share(document: Document) -> str:
    if document.held == document.tokens:
        return "all"
    if not document.held:
        return "none, for validation"
    return f"{100 * document.held / document.tokens:.1f} %, the rest is for validation"


def _rate(documents: list[Document], seconds: float) -> str:
    size = sum(document.bytes for document in documents)
    return f"{size:,} bytes in {seconds:.2f} s ({size / max(seconds, 1e-9):,.0f} bytes/s)"
