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
    from lior.runs import directory as rundir  # imports torch, which `lior --help` must not wait for

    text = rundir.open_run(run).corpus
    ends = [*text.starts.tolist()[1:], len(text)]
    sizes = [end - start for start, end in zip(text.starts.tolist(), ends, strict=True)]
    if as_json:
        click.echo(json.dumps(dict(zip(text.names, sizes, strict=True))))
        return
    for size, name in zip(sizes, text.names, strict=True):
        click.echo(f"{size:10,}  {name}")
