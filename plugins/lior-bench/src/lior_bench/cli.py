"""``lior bench``: recipes and baselines, on the same bytes and the same machine."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import UsageError
from lior_cli.options import WholeNumber

if TYPE_CHECKING:
    from lior_bench.results import Results

QUICK_RECIPES = "fast"
RECIPES = "fast,default"


@click.command()
@click.argument("text", nargs=-1)
@click.option(
    "--recipes",
    metavar="NAME,...",
    help=f"Recipes: shipped names or TOML files.  [default: {RECIPES}; {QUICK_RECIPES} with --quick]",
)
@click.option(
    "--baselines",
    default="all",
    show_default=True,
    metavar="NAME,...",
    help="ngram, ppmd, zlib, lzma, zstd, zpaq, transformer.",
)
@click.option(
    "--seeds",
    type=WholeNumber(min=1),
    default=1,
    show_default=True,
    help="Number of runs of systems with random numbers, with the seeds 0, 1, ...; medians are reported.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Cut each text to 200 kB, and train the transformer for 5 seconds.",
)
@click.option(
    "--check-orderings",
    is_flag=True,
    hidden=True,
    help="Exit with 1 unless every recipe beats the n-gram of order 4 (static) and PPMd (online).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Directory for bench.json, bench.md and bench.png, new or empty.  [default: runs/bench-TIME]",
)
@click.option(
    "--retrieval",
    is_flag=True,
    help="Compare retrievers with bm25s, tantivy and SQLite FTS5 instead; without other options but --json.",
)
@click.option("--field", default="text", show_default=True, help="Key of the text in JSON Lines.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def bench(
    text: tuple[str, ...],
    recipes: str | None,
    baselines: str,
    seeds: int,
    quick: bool,
    check_orderings: bool,
    out: Path | None,
    field: str,
    retrieval: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compare recipes with other compressors and language models.

    Each TEXT is a comparison of its own; without TEXT it is the Python
    language reference. Every system learns the first 90 % of the bytes
    and scores the rest, each in its own process, one after the other.
    bench.json is written after each of them. A baseline that fails or that
    cannot be installed by pip (zpaq) and is missing is listed with the reason.

    With --retrieval each TEXT is a file or folder to ask: time to index,
    size, cold start, time of a question, memory. A folder with cran.all,
    cran.qry and cran.rel, or cacm.*, is a judged collection: nDCG@10, MAP.
    """
    if retrieval:
        _retrieval(text, quiet=quiet, as_json=as_json)
        return
    from lior.config import load, split_names
    from lior_bench import runner
    from lior_bench.systems import split_baselines

    chosen = tuple(split_names(recipes or (QUICK_RECIPES if quick else RECIPES)))
    for recipe in chosen:
        load(recipe, env={})  # reports a mistyped name now and not after an hour
    settings = runner.BenchSettings(
        paths=text,
        recipes=chosen,
        baselines=split_baselines(baselines),
        seeds=seeds,
        quick=quick,
        field=field,
        command=shlex.join(["lior", *sys.argv[1:]]),
        check_orderings=check_orderings,
    )

    def progress(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    out = out or Path("runs") / f"bench-{time.strftime('%Y%m%d-%H%M%S')}"
    results = runner.bench(settings, out, progress)
    if as_json:
        click.echo(json.dumps(results.summary()))
    else:
        _report(results, out)
    if check_orderings:
        runner.check(results, progress)


def _retrieval(paths: tuple[str, ...], *, quiet: bool, as_json: bool) -> None:
    from lior_bench import retrieval, runner
    from lior_cli.terminal import echo_table

    context = click.get_current_context()
    known = ("text", "retrieval", "quiet", "as_json")
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in known and source is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]} has no meaning with --retrieval; leave it out")
    texts = []
    for one in retrieval.bench(paths, lambda line: None if quiet else click.echo(line, err=True)):
        texts.append(one)
        if not as_json:
            headers, rows, notes = retrieval.table(one["rows"])
            click.echo(f"{one['name']}, {one['bytes'] / 1e6:.2f} MB, {one['passages']:,} passages")
            echo_table(headers, rows)
            click.echo("\n".join([*notes, retrieval.LEGEND]))
    if as_json:
        click.echo(json.dumps({"machine": runner.machine(), "texts": texts}))


def _report(results: Results, out: Path) -> None:
    from lior_bench import report
    from lior_cli.terminal import echo_table

    for text in results.about["texts"]:
        click.echo(f"{text['name']}, {text['scored_bytes']:,} bytes scored")
        headers, rows, notes = report.table(results.of_text(text["name"]))
        echo_table(headers, rows)
        for note in notes:
            click.echo(note)
    click.echo(f"Written: {', '.join(str(path) for path in sorted(out.iterdir()))}")
