"""``lior field spectrum``: the rank of a run's tables, and the cost of fewer ranks."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lior.errors import UsageError
from lior_cli import RunPath, TextPath, WholeNumber, device_option, echo_table, import_torch, json_option


@click.command()
@click.argument("run", type=RunPath())
@click.option(
    "--rank",
    type=WholeNumber(min=1),
    help="Replace every larger table by its best matrix of this rank, and score FILE again.",
)
@click.option(
    "--on",
    "text",
    metavar="FILE",
    multiple=True,
    type=TextPath(),
    help="Text that the run has not learned; needed with --rank.",
)
@json_option
@device_option
def spectrum(run: Path, rank: int | None, text: tuple[str, ...], as_json: bool, device: str) -> None:
    """Measure the singular values of the learned tables of a run's geometry.

    For each: its shape, its effective rank (sum s^2)^2 / sum s^4, and the ranks that keep 90, 99 and 99.9 %
    of the squares. With --rank the tables are cut to that rank in memory, the memories are written anew,
    and FILE is scored before and after. A low rank that reconstructs a table well may still cost bits. RUN
    is not changed.
    """
    if bool(rank) != bool(text):
        raise UsageError(
            "--rank and --on belong together: the cost of fewer ranks is measured on a text; give both"
        )
    import_torch(quiet=as_json)
    from lior.model import evaluate
    from lior.plugins import pick_device
    from lior.reading import read_documents
    from lior.runs import open_run
    from lior_field import compression

    loaded = open_run(run, device=pick_device(device))
    tables = compression.tables(loaded.model)
    report: dict[str, object] = {"tables": [table._asdict() for table in tables]}
    if rank:
        corpus, begin, end = loaded.other_text(read_documents(text))
        before = evaluate(loaded.model, corpus, begin, end).bits_per_byte
        kept = compression.truncate(loaded, rank)
        after = evaluate(loaded.model, corpus, begin, end).bits_per_byte
        report |= {"rank": rank, "bits_per_byte": {"before": before, "after": after}, "numbers_kept": kept}
    if as_json:
        click.echo(json.dumps(report))
        return
    rows = [
        [
            t.name,
            " x ".join(map(str, t.shape)),
            f"{t.effective_rank:.1f}",
            *(str(t.ranks[f"{s:g}"]) for s in compression.SHARES),
        ]
        for t in tables
    ]
    echo_table(
        ["table", "shape", "effective rank", *(f"for {100 * s:g} %" for s in compression.SHARES)], rows
    )
    if rank:
        change = 100 * (after / before - 1)
        click.echo(
            f"\nrank {rank}: {100 * kept:.0f} % of the numbers; {before:.4f} bits per byte before, "
            f"{after:.4f} after ({change:+.2f} %)"
        )
