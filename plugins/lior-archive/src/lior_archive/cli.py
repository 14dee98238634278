"""``lior archive``: texts of any size, sorted on the disk, for memory `suffix`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs
import click

from lior.errors import quantity
from lior_cli import TextPath, import_torch

_FEW = 3


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.argument("text", nargs=-1, required=True, type=TextPath())
@click.option(
    "--workers",
    default="1",
    metavar="N|ADDRESS",
    show_default=True,
    help="Processes that sort, or a Dask scheduler such as tcp://host:8786.",
)
@click.option(
    "--shard",
    type=click.IntRange(1 << 20, 1 << 30),
    default=1 << 29,
    show_default=True,
    metavar="BYTES",
    help="Text of one shard; sorting it takes seven times as much memory.",
)
@click.option(
    "--sample",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Leave some documents out, and write them here as JSON Lines, to train a model on.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Share of the documents that --sample takes.",
)
@click.option("--field", default="text", show_default=True, help="Key of the text in JSON Lines.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
def archive(
    out: Path,
    text: tuple[str, ...],
    workers: str,
    shard: int,
    sample: Path | None,
    share: float,
    field: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Sort TEXT, of any size, to the folder OUT.

    TEXT are files, folders, patterns, or addresses such as s3://bucket/*.jsonl.zst. A model with the memory
    `suffix` reads OUT from the disk: lior train sample.jsonl --memory sdm,suffix --set
    memory.suffix.archive=OUT. Run the same command again to continue after an interruption. It sorts only
    what has changed.
    """
    import_torch(quiet=quiet)
    from lior import workers as teams
    from lior.reading import most_common_reasons
    from lior_archive import building
    from lior_cli import Progress

    team = teams.check(workers)
    building.check_folder(out)
    with Progress(quiet=quiet) as progress:
        progress.lior_train_stage("archive", f"sorting to {out}")
        done = building.build(
            text,
            out,
            field=field,
            shard=shard,
            workers=team,
            sample=sample,
            share=share,
            progress=progress.lior_train_step,
        )
    for each in done.skipped[:_FEW]:
        click.echo(f"skipped {each.name}: {each}", err=True)
    if len(done.skipped) > _FEW:
        more = done.skipped[_FEW:]
        click.echo(f"skipped {len(more):,} more: {most_common_reasons(more)}", err=True)
    if as_json:
        click.echo(json.dumps(attrs.asdict(done) | {"skipped": len(done.skipped)}))
        sys.exit(0)
    click.echo(
        f"{quantity(done.documents, 'document')}, {done.bytes:,} bytes, in {quantity(done.shards, 'shard')}"
        f" ({done.sorted} sorted now), {done.seconds:,.1f} s: {out}"
    )
    if sample:
        none = "" if done.sample_documents else "; a larger --share takes some"
        told = f"{quantity(done.sample_documents, 'document')}, {done.sample_bytes:,} bytes: {sample}"
        click.echo(told + none)
