"""``lior train``: learn a model from text and write its run directory."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lior.config import Override, Resolved, TrainConfig, load, load_chosen
from lior.errors import UsageError
from lior_cli import recipe_selection, unused_settings
from lior_cli.interrupts import Stop, drive, import_torch
from lior_cli.options import RunPath, TextPath, limits_option, schema_options

if TYPE_CHECKING:
    from lior.reading.files import File
    from lior.runs.run import Run
    from lior_cli.progress import Progress

_RUNS = "runs"
_LEAST = 500
"""The minimum size of the held-out text for a comparison with the 4-gram, in bytes. In plays of Shakespeare
the difference in per cent had a standard deviation of 3.0 on 250 bytes, 2.0 on 500 and 0.9 on 1,000.
"""
_APART = 3
"""The minimum difference of two mixtures, in standard errors, that counts as real."""
_LOOK, _WORDS, _LONGEST = 20_000, 3, 40
"""The number of tokens that are searched for a suggested prompt, and its maximum numbers of words and
characters.
"""
_BEGIN = re.compile(rf"\S+(?: +\S+){{0,{_WORDS - 1}}}")


class _Start(NamedTuple):
    """The times before the training, in seconds."""

    seconds: float = 0.0
    compiling: float = 0.0
    """The part of ``seconds`` spent waiting for compilation."""


@click.command()
@click.argument("text", nargs=-1, type=TextPath())
@click.option("--out", type=click.Path(path_type=Path), help="Directory for the run, new or empty.")
@click.option(
    "--resume",
    type=RunPath(),
    metavar="RUN",
    help="Go on with a run that was stopped; auto takes the one in runs/ that was stopped last.",
)
@click.option(
    "--keep-geometry",
    is_flag=True,
    help="Keep the learned metric even without a gain: --set geometry.keep=always.",
)
@click.option("--quiet", is_flag=True, help="Print no progress.")
@limits_option
@click.option("--verbose", is_flag=True, help="Say which files are left out, and how others were read.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
@schema_options
def train(
    text: tuple[str, ...],
    out: Path | None,
    resume: Path | None,
    keep_geometry: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    recipe: str | None,
    overrides: list[str | Override],
) -> None:
    """Learn a model from text.

    TEXT is files, folders, globs or - for standard input: text in any
    encoding, PDF, office documents, EPUB, HTML, mail, notebooks, also compressed;
    each line of a .jsonl file is a document. Without TEXT the model learns the
    Python language reference, which comes with Python.
    """
    began = time.perf_counter()
    import_torch(quiet=quiet, verbose=verbose, compiling=True)
    from lior.compiling import compiled
    from lior.runs.folder import check_place
    from lior_cli.progress import Progress

    progress = Progress(quiet=quiet)
    if keep_geometry:
        overrides = [*overrides, Override("geometry.keep", "always", "--keep-geometry")]
    if resume is not None:
        if text or out or recipe or overrides:
            raise UsageError("--resume goes on as the run began: give no text, --out or settings with it")
        start = _Start(time.perf_counter() - began, compiled.waited())
        run = _go_on(resume, progress)
    else:
        if out is not None:
            check_place(out)
        if text:
            overrides = [*overrides, Override("data.text", list(text), "TEXT")]
        resolved, files = _prepare(recipe, overrides, progress, quiet=quiet)
        start = _Start(time.perf_counter() - began, compiled.waited())
        run = _begin(resolved, files, out or _default_out(resolved), progress)
    summary = run.summary
    assert summary is not None
    if as_json:
        click.echo(json.dumps(summary))
    elif not quiet:
        _report(summary, prompt(run), start)


def _prepare(
    recipe: str | None, overrides: list[str | Override], progress: Progress, *, quiet: bool
) -> tuple[Resolved[TrainConfig], list[File]]:
    """Return the settings and the files of a new run; its recipe is chosen by the text if none is named."""
    from lior.reading.documents import documents_of, read_files

    resolved = load_chosen(recipe, overrides)
    if not resolved.config.data.text:
        progress.note("no TEXT given: reading the Python language reference that comes with Python")
    for note in unused_settings.notes(resolved):
        progress.note(note)
    data = resolved.config.data
    files = read_files(data.text, field=data.field, limit=data.limit)
    documents = documents_of(files)
    if recipe is None and recipe_selection.free(resolved):
        resolved, note = recipe_selection.choose(
            resolved,
            documents,
            lambda name, more: load(name, overrides=[*overrides, *more], components=True),
        )
        progress.note(note)
    elif not quiet:
        progress.note(recipe_selection.tell(resolved, documents))
    return resolved, files


def _begin(resolved: Resolved[TrainConfig], files: list[File], out: Path, progress: Progress) -> Run:
    from lior.training.preparation import train as run_training

    def start(stop: Stop) -> Run:
        return run_training(resolved.config, out, files=files, callbacks=[progress, stop], stop=stop)

    return drive(start, progress, f"lior train --resume {out}")


def _go_on(run: Path, progress: Progress) -> Run:
    from lior.runs import directory as rundir
    from lior.training.preparation import resume

    if str(run) == "auto":
        run = rundir.newest([Path(_RUNS)], finished=False)
        progress.note(f"going on with {run}")
    again = f"lior train --resume {run}"
    return drive(lambda stop: resume(run, callbacks=[progress, stop], stop=stop), progress, again)


def _default_out(resolved: Resolved) -> Path:
    text = resolved.config.data.text
    name = (Path(text[0]).name.split(".")[0].strip("*-") if text else "") or "run"
    return Path(_RUNS) / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def prompt(run: Run) -> str:
    """Return the first words of a line of the held-out or else the training text, or an empty string."""
    corpus, begin = run.checkpoint.corpus, run.checkpoint.n_train
    begin = begin if begin < len(corpus) else 0
    data = run.model.tokenizer.decode(corpus.tokens[begin : begin + _LOOK].tolist())
    lines = data.decode("utf-8", "ignore").splitlines()
    begins = [_BEGIN.search(line) for line in (*lines[1:], *lines[:1])]  # the first may be the end of a line
    words = [found[0] for found in begins if found and all(word[0].isalnum() for word in found[0].split())]
    best = next((each for each in words if len(each.split()) == _WORDS), next(iter(words), ""))
    return "".join(c for c in best if c.isprintable())[:_LONGEST]


def _worth(saved: float, error: float) -> str:
    """Return a line about the mixture without the geometry, which costs ``saved`` more bits per byte."""
    more = "more" if saved > 0 else "less"
    said = f"Without the geometry the mixture costs {abs(saved):.4f} ± {error:.4f} bits per byte {more}"
    if abs(saved) <= _APART * error:
        said += ", which may be chance: `--config default` leaves it out and takes less time"
    return f"{said} (measured on the calibration split)."


def _dropped(summary: Mapping[str, Any]) -> str:
    """Return a line about a geometry that did not earn its place."""
    none, chance = (
        f"{summary[f'{name}_bits_per_byte']:+.4f} ± {summary[f'{name}_error']:.4f}"
        for name in ("geometry", "geometry_random")
    )
    return (
        f"The geometry is left out (--keep-geometry keeps it): on the calibration split it saved {none} bits "
        f"per byte, and {chance} more than a random one; both should be {_APART} standard errors."
    )


def _times(seconds: Mapping[str, float], start: _Start) -> Iterator[str]:
    """Yield the time of the command, and its parts if those other than training took a second."""
    yield f"{start.seconds + seconds['total']:.1f} s"
    compiling = start.compiling + seconds["compiling"]
    parts = {
        "training": seconds["total"] - seconds["compiling"],
        "loading compiled loops, at first use compiling them": compiling,
        "reading the text and estimating the time": start.seconds - start.compiling,
    }
    if sum(parts.values()) - parts["training"] >= 1:
        yield ", ".join(f"{part:.1f} s {name}" for name, part in parts.items() if part >= 0.05)


def _report(summary: dict[str, Any], prompt: str, start: _Start) -> None:
    baseline, seconds, bits = summary["baseline"], summary["seconds"], summary["val_bits_per_byte"]
    if baseline:
        share = 100 * (bits / baseline["order4"] - 1)
        score = f"{bits:.3f} bits per byte on {summary['val_bytes']:,} bytes of held-out text"
        if summary["val_bytes"] < _LEAST:
            score += f", which is too short to compare it with a 4-gram (that takes {_LEAST} bytes)"
            share = 0.0
        else:
            score += (
                f": {abs(share):.0f} % {'more' if share > 0 else 'less'} than a 4-gram "
                f"({baseline['order4']:.3f}; unigram {baseline['unigram']:.3f})"
            )
        click.echo(score)
        if (saved := summary["geometry_bits_per_byte"]) is not None:
            click.echo(
                _dropped(summary) if summary["geometry_dropped"] else _worth(saved, summary["geometry_error"])
            )
        if summary["documents"] == 1:
            click.echo("There is one document: its end was held out.")
        if summary["val_learned"]:
            click.echo(
                "That was before the memories took in the held-out text (--holdout keep leaves it out)."
            )
        if share > 0:
            click.echo("The 4-gram predicts better: give more text, or another recipe (`lior config list`).")
    else:
        click.echo("no text was held out, so the model was not scored")
    total, *parts = _times(seconds, start)
    click.echo(f"{total}, {summary['peak_rss_bytes'] / 2**20:,.0f} MiB, {summary['device']}")
    for line in parts:
        click.echo(f"  {line}")
    run = shlex.quote(summary["run"])
    asked = f" --prompt {shlex.quote(prompt)}" if prompt else ""
    hints = [f"generate {run}{asked}", f"chat {run}", f"why {run}{asked}"]
    hints += [f"eval {run} --online"] if baseline and not summary["val_learned"] else []
    click.echo("\n".join(f"{'Next:' if i == 0 else '':5} lior {hint}" for i, hint in enumerate(hints)))
