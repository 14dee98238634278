"""``lior bench``: recipes and baselines on the same bytes, and one command for each other measurement."""

from __future__ import annotations

import json
import shlex
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import MissingPackage
from lior_cli import LazyGroup, WholeNumber

if TYPE_CHECKING:
    from lior_bench.results import Results

QUICK_RECIPES = "fast"
RECIPES = "fast,default"
COMMANDS = {
    "text": (
        "lior_bench.cli:compare_text",
        "Compare recipes with other compressors and language models (the default).",
    ),
    "retrieval": ("lior_bench.retrieval:compare_engines", "Compare retrievers with other search engines."),
    "judged": ("lior_bench.relevance:rank_judged", "Measure retrievers on Cranfield and CACM."),
    "questions": ("lior_bench.answers:ask_sets", "Ask sets of questions of our own."),
    "talk": ("lior_bench.answers:talk", "Ask for exact answers, and hold a conversation."),
    "strangers": ("lior_bench.strangers:strangers", "Ask for exact answers on folders of strangers."),
    "confidence": ("lior_bench.answers:compare_confidence", "Compare stated confidence with truth."),
    "judge": ("lior_bench.judging:judge", "Learn the judge of `lior ask`, and measure it."),
    "encoder": ("lior_bench.encoder:learn", "Learn the encoder of `lior ask`."),
    "bags": ("lior_bench.bags:learn", "Learn the bags of word pieces of `lior ask`."),
    "parts": (
        "lior_bench.costs:compare_parts",
        "Measure the effect of each frame, source, product, updater and memory.",
    ),
    "pace": ("lior_bench.costs:measure_pace", "Measure speed, bits and memory of the language model."),
    "later": ("lior_bench.costs:measure_later", "Measure a later question to a folder."),
    "sizes": ("lior_bench.sizes:measure_sizes", "Measure what reading a file costs by its size."),
    "texts": ("lior_bench.texts:write_texts", "Write four texts that are not prose."),
    "tables": ("lior_bench.tabular:tables", "Compare lior-tables with other programs."),
    "serving": ("lior_bench.serving:main", "Put load on a server."),
    "sharing": ("lior_bench.sharing:main", "Put load on servers of one index in PostgreSQL."),
    "attack": ("lior_bench.attack.command:main", "Attack lior, and print what should not have happened."),
}
"""The location and help of each command."""
_EXTRAS = {"serving": "serving", "sharing": "serving", "attack": "serving", "tables": "tables"}
"""The extra that a command needs."""
_PACKAGES = {"serving": ("httpx", "lior_serve"), "tables": ("lior_tables",)}


class Commands(LazyGroup):
    """A group of the commands; other arguments are texts or options of ``text``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default command before arguments that do not begin with a command."""
        if not args or args[0] not in (*COMMANDS, "--help", "-h"):
            args = ["text", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; report what to install if the extra that it needs is missing."""
        extra = _EXTRAS.get(cmd_name)
        if extra and not all(map(find_spec, packages := _PACKAGES[extra])):
            needed = " and ".join(packages).replace("_", "-")
            raise MissingPackage(f"lior bench {cmd_name} needs {needed}: pip install 'lior-bench[{extra}]'")
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, lazy=COMMANDS)
def bench() -> None:
    """Compare lior with other systems, and measure it.

    `lior bench notes.txt` is `lior bench text notes.txt`.
    """


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
@click.option("--field", default="text", show_default=True, help="Key of the text in JSON Lines.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def compare_text(
    text: tuple[str, ...],
    recipes: str | None,
    baselines: str,
    seeds: int,
    quick: bool,
    check_orderings: bool,
    out: Path | None,
    field: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compare recipes with other compressors and language models.

    Each TEXT is a comparison of its own; without TEXT it is the Python
    language reference. Every system learns the first 90 % of the bytes
    and scores the rest, each in its own process, one after the other.
    bench.json is written after each of them. A baseline that fails or that
    cannot be installed by pip (zpaq) and is missing is listed with the reason.
    """
    from lior.config import load, split_names
    from lior_bench import runner
    from lior_bench.systems import split_baselines

    chosen = tuple(split_names(recipes or (QUICK_RECIPES if quick else RECIPES)))
    for recipe in chosen:
        load(recipe, env={})  # report a mistyped name now and not after an hour
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


def _report(results: Results, out: Path) -> None:
    from lior_bench import tables
    from lior_cli import echo_table

    for text in results.about["texts"]:
        click.echo(f"{text['name']}, {text['scored_bytes']:,} bytes scored")
        headers, rows, notes = tables.table(results.of_text(text["name"]))
        echo_table(headers, rows)
        for note in notes:
            click.echo(note)
    click.echo(f"Written: {', '.join(str(path) for path in sorted(out.iterdir()))}")
