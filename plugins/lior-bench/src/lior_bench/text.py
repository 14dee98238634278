"""``lior bench text``: recipes and baselines on the same bytes."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import click

from lior.config import load, split_names
from lior.errors import Interrupted, LiorError, RunError
from lior_bench import datasets
from lior_bench.report import echo_report, markdown_table, missed, origin, provenance
from lior_bench.results import Results, Row
from lior_bench.runner import Runner
from lior_bench.systems import recipe_name, split_baselines, systems
from lior_cli import WholeNumber

FORMAT = 1
"""The version of the layout of ``bench.json``."""
QUICK_BYTES = 200_000
"""The length to which a quick comparison cuts a text, in bytes."""
QUICK_RECIPES, RECIPES = "fast", "fast,default"
REQUIRED = {"static": "Kneser-Ney order 4", "online": "PPMd order 6"}
"""The baseline that every recipe must beat, by the mode of the recipe: the baseline of ``lior train``, and
the usual compressor of text.
"""
COLUMNS = {
    "bits/byte": ("bits_per_byte", 1.0),
    "train s": ("train_seconds", 1.0),
    "score s": ("score_seconds", 1.0),
    "kB/s": ("bytes_per_second", 1e-3),
    "peak MiB": ("peak_rss_bytes", 2**-20),
}
NUMBERS = (
    *("bits_per_byte", "nats_per_byte", "train_seconds"),
    *("score_seconds", "bytes_per_second", "peak_rss_bytes"),
)
_SIDE = "{system} {mode} ({bits_per_byte})"
_LEGEND = """\
*static*: nothing is learned while scoring; *online*: the scored text is learned as it is read, as a
compressor does. The cost of a compressor is the size of the whole text minus the size of the learned
part; its seconds are those of the whole text, divided by length. Baselines repeat short work, and the
shortest time counts. With several seeds a cell has the median, and the range in brackets. Memory is
the largest resident size of the processes that learned and scored.
"""


class OrderingError(LiorError):
    """An ordering of systems that must hold does not."""


@attrs.define(kw_only=True)
class Comparison:
    """The results on texts, in a folder with ``runs.jsonl``."""

    out: Path
    about: dict[str, Any]
    """How it was measured, the settings, and the ``texts``."""
    results: Results
    recipes: Sequence[str]
    checked: bool
    """Whether orderings must hold."""

    def of_text(self, name: str) -> list[Row]:
        """Return the rows of one text, the fewest bits per byte first and rows without a number last."""
        return sorted(self.results.rows(name), key=lambda row: _bits(row, math.inf))

    def orderings(self) -> list[dict[str, Any]]:
        """Return whether each recipe takes fewer bits per byte than its baseline, for JSON.

        Times are not compared, since they depend on the machine. ``holds`` is ``None`` if the baseline was
        skipped.
        """
        rows = self.results.rows()
        return [
            {"text": row.text, "better": _side(row), "worse": _side(other), "holds": _holds(row, other)}
            for row in rows
            for other in rows
            if self.checked and row.system in map(recipe_name, self.recipes)
            if (other.text, other.system) == (row.text, REQUIRED[row.mode])
        ]

    def summary(self, *, complete: bool = True) -> dict[str, Any]:
        """Return the object in ``bench.json``, which ``lior bench --json`` prints."""
        return {
            "format": FORMAT,
            "complete": complete,
            **self.about,
            "rows": [row.summary(NUMBERS) for row in self.results.rows()],
            "orderings": self.orderings() if complete else [],
        }

    def write(self, *, complete: bool = True) -> None:
        """Write ``bench.json``, ``bench.png`` if there is something to draw, and ``bench.md``."""
        from lior_bench import picture  # its imports take memory that would count for the children

        _save(self.out / "bench.json", json.dumps(self.summary(complete=complete), indent=1) + "\n")
        rows = {text["name"]: self.of_text(text["name"]) for text in self.about["texts"]}
        drawn = picture.write(rows, COLUMNS, self.out)
        _save(self.out / "bench.md", self.page(complete, drawn))

    def page(self, complete: bool, drawn: Path | None) -> str:
        """Return the page in Markdown, with a link to the picture."""
        about = self.about
        parts = ["# Comparison\n", provenance(about["command"], about["date"], about["machine"])]
        if not complete:
            parts.append("**Interrupted: some systems are missing.**\n")
        if drawn:
            parts.append(f"![Bits per byte against seconds]({drawn.name})\n")
        for text in about["texts"]:
            rows = self.of_text(text["name"])
            parts += [
                f"## {text['name']}\n",
                f"{text['bytes']:,} bytes, the first {text['train_bytes']:,} to learn and the last "
                f"{text['scored_bytes']:,} to score. SHA-256 `{text['sha256']}`.\n",
                markdown_table(rows, COLUMNS),
                "".join(f"- {line}\n" for line in missed(rows)),
            ]
        return "\n".join([*parts, _LEGEND])

    def echo(self) -> None:
        """Print the table of each text, and the names of the files."""
        for text in self.about["texts"]:
            click.echo(f"{text['name']}, {text['scored_bytes']:,} bytes scored")
            echo_report(self.of_text(text["name"]), COLUMNS)
        click.echo(f"Written: {', '.join(str(path) for path in sorted(self.out.iterdir()))}")

    def check(self, progress: Callable[[str], None]) -> None:
        """Print the orderings.

        Raises
        ------
        OrderingError
            When an ordering does not hold.
        """
        broken = []
        for ordering in self.orderings():
            better, worse = (_SIDE.format(**ordering[side]) for side in ("better", "worse"))
            line = f"{better} < {worse} on {ordering['text']}"
            if ordering["holds"] is False:
                broken.append(line)
            else:
                progress(f"{'holds' if ordering['holds'] else 'not checked'}: {line}")
        if broken:
            raise OrderingError(f"an ordering does not hold: {'; '.join(broken)}")


def _side(row: Row) -> dict[str, Any]:
    return {"system": row.system, "mode": row.mode, "bits_per_byte": row.number("bits_per_byte")}


def _holds(better: Row, worse: Row) -> bool | None:
    if better.runs and worse.runs:
        return _bits(better) < _bits(worse)
    return None if any(row.fault and row.fault.status == "skipped" for row in (better, worse)) else False


def _bits(row: Row, missing: float = 0.0) -> float:
    found = row.number("bits_per_byte")
    return missing if found is None else found


def _save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace")


def _create(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        empty = not any(out.iterdir())
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {error.strerror}; give another --out") from error
    if not empty:
        raise RunError(f"{out}: the directory is not empty; nothing was touched; give another --out")


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
    "--quick", is_flag=True, help="Cut each text to 200 kB, and train the transformer for 5 seconds."
)
@click.option(
    "--check-orderings",
    "checked",
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
    text: tuple[str, ...], out: Path | None, *, quiet: bool, checked: bool, as_json: bool, **given: Any
) -> None:
    """Compare recipes with other compressors and language models.

    Each TEXT is a comparison of its own; without TEXT it is the Python
    language reference. Every system learns the first 90 % of the bytes
    and scores the rest, each in its own process, one after the other.
    runs.jsonl gets a line after each of them. A baseline that fails or that
    cannot be installed by pip (zpaq) and is missing is listed with the reason.
    """

    def progress(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    field = given.pop("field")
    recipes = split_names(given["recipes"] or (QUICK_RECIPES if given["quick"] else RECIPES))
    settings = given | {"recipes": recipes, "baselines": split_baselines(given["baselines"])}
    for recipe in recipes:
        load(recipe, env={})  # report a mistyped name now and not after an hour
    out = out or Path("runs") / f"bench-{time.strftime('%Y%m%d-%H%M%S')}"
    _create(out)
    with tempfile.TemporaryDirectory(prefix="lior-bench-") as folder:
        limit = QUICK_BYTES if given["quick"] else 0
        texts = datasets.prepare(text, Path(folder), field=field, limit=limit)
        about = {**origin(), "settings": settings, "texts": [each.summary() for each in texts]}
        results = Results(out / "runs.jsonl")
        found = Comparison(out=out, about=about, results=results, recipes=recipes, checked=checked)
        runner = Runner(results=results, columns=COLUMNS, progress=progress, seeds=given["seeds"])
        try:
            for each in texts:
                progress(f"{each.name}: {each.split:,} bytes to learn, {each.scored:,} to score")
                baselines, quick = settings["baselines"], settings["quick"]
                runner.measure(each.name, systems(each, recipes, baselines, results, quick=quick))
        except KeyboardInterrupt:
            found.write(complete=False)
            rows = sum(bool(row.runs) for row in results.rows())
            raise Interrupted(f"interrupted: {out} keeps the {rows} rows that were measured") from None
    found.write()
    if as_json:
        click.echo(json.dumps(found.summary()))
    else:
        found.echo()
    if checked:
        found.check(progress)
