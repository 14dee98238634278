"""``lior train``: text in, run directory out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.config import Override, Resolved, load
from lior.errors import Interrupted
from lior_cli import idle
from lior_cli.interrupts import import_torch
from lior_cli.options import schema_options

if TYPE_CHECKING:
    from lior_cli.progress import Progress


@click.command()
@click.argument("text", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), help="Directory for the run, new or empty.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
@schema_options
def train(
    text: tuple[str, ...],
    out: Path | None,
    quiet: bool,
    as_json: bool,
    recipe: str | None,
    overrides: list[str | Override],
) -> None:
    """Learn a model from text.

    TEXT is files, folders, globs or - for standard input. .gz files are
    unpacked; each line of a .jsonl file is a document. Without TEXT the model
    learns the Python language reference, which is always there.
    """
    import_torch()
    if text:
        overrides = [*overrides, Override("data.text", list(text), "TEXT")]
    resolved = load(recipe, overrides=overrides, components=True)
    out = out or _default_out(resolved)
    from lior_cli.progress import Progress

    progress = Progress(quiet=quiet)
    for note in idle.notes(resolved):
        progress.note(note)
    summary = _run(resolved, out, progress)
    if as_json:
        click.echo(json.dumps(summary))
    elif not quiet:
        _report(summary)


def _run(resolved: Resolved, out: Path, progress: Progress) -> dict[str, Any]:
    from lior.training import train as run_training

    try:
        with progress:
            return run_training(resolved.config, out, listeners=[progress]).summary
    except KeyboardInterrupt:
        kept = _kept(out) if progress.stage != "start" else "nothing was written"
        raise Interrupted(f"interrupted while in stage {progress.stage!r}: {kept}") from None


def _kept(out: Path) -> str:
    if (out / "checkpoint").is_dir():
        return f"{out} keeps the trained model"
    return (
        f"no model was saved; {out} keeps config.toml, metrics.jsonl and train.log; start again with "
        f"`lior train --config {out / 'config.toml'} --out NEW`"
    )


def _default_out(resolved: Resolved) -> Path:
    text = resolved.config.data.text
    name = (Path(text[0]).name.split(".")[0].strip("*-") if text else "") or "run"
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _report(summary: dict[str, Any]) -> None:
    baseline, seconds = summary["baseline"], summary["seconds"]
    if baseline:
        click.echo(
            f"{summary['val_bits_per_byte']:.3f} bits per byte on {summary['val_bytes']:,} bytes of held-out "
            f"text (unigram {baseline['unigram']:.3f}, 4-gram {baseline['order4']:.3f})"
        )
    else:
        click.echo("no text was held out, so the model was not scored")
    click.echo(f"{seconds['total']:.1f} s, {summary['peak_rss_bytes'] / 2**20:,.0f} MiB, {summary['device']}")
    click.echo(f"Next: lior generate {summary['run']} --prompt 'Once'")
