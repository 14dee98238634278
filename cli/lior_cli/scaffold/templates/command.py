"""The size of each document of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("mine")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: document -> number of tokens.")
def command(run: Path, as_json: bool) -> None:
    """Print how many tokens each document of RUN has."""
    from lior.runs import open_run  # imports torch, which `lior --help` must not wait for

    documents = open_run(run).documents()
    if as_json:
        click.echo(json.dumps({document.name: document.tokens for document in documents}))
        return
    for document in documents:
        click.echo(f"{document.tokens:10,}  {document.name}")
