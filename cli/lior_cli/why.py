"""``lior why``: the stored places behind the words of a continuation."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.config.sampling import Sampling
from lior.errors import UsageError
from lior_cli import pages, why_html
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, WholeNumber, device_option, field_options, given, seed_option
from lior_cli.sources import (
    account_record,
    colored,
    echo_account,
    echo_words,
    printable_line,
    shade,
    short_names,
    word_record,
)
from lior_cli.terminal import printable_text, prompt_bytes

if TYPE_CHECKING:
    from lior.model.provenance import Explained
    from lior.runs.run import Run

_MOST = 5
"""The minimum number of places of a word that are looked up: they give the lines of the documents."""
_PROMPT = 60
"""The maximum number of characters of the prompt that are printed."""


@click.command(context_settings={"default_map": {"temperature": 0.0}})
@click.argument("run", type=RunPath())
@click.option("--prompt", default="", help="Text to continue; - reads standard input.")
@click.option(
    "--next",
    "count",
    type=WholeNumber(min=1),
    default=40,
    show_default=True,
    help="Tokens to draw and explain.",
)
@click.option("--text", help="Explain this continuation of the prompt instead of drawing one.")
@click.option(
    "--by",
    type=click.Choice(["word", "token"]),
    default="word",
    show_default=True,
    help="Unit of a line; a place of a word holds the whole word.",
)
@click.option(
    "--top",
    type=WholeNumber(min=1),
    help=f"Places of each word.  [default: 1; {_MOST} with --json and --html]",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a page that shows the places of the word under the pointer.",
)
@field_options(Sampling)
@seed_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@device_option
def why(
    run: Path,
    prompt: str,
    count: int,
    text: str | None,
    by: str,
    top: int | None,
    html: Path | None,
    seed: int,
    as_json: bool,
    device: str,
    **sampling: Any,
) -> None:
    """Show where the words of a continuation come from.

    Each word has its probability and the stored places that it was made of: document, line, excerpt, and
    their share. All shares sum to the probability, which is the model's own, whatever the sampling.
    """
    how = _sampling(text, sampling)
    if html:
        pages.check_page(html, why_html.COMMAND)
    import_torch()
    from lior.runs.run import load

    data = prompt_bytes(prompt)
    opened = load(run, device=device)
    started = time.perf_counter()
    words = _explain(opened, data, text, count, how, seed, most=max(top or 0, _MOST), words=by == "word")
    seconds = time.perf_counter() - started
    names = short_names([document.name for document in opened.documents()])
    if as_json:
        click.echo(json.dumps(_record(data, words, by, top or _MOST, seconds)))
    else:
        show_why(words, names, prompt=data, top=top or 1, blanks=by == "token")
    if html:
        done = pages.write_page(html, why_html.page(data, words, names, top or _MOST))
        click.echo(f"{done} {click.format_filename(html)}", err=as_json)


def show_why(
    words: Sequence[Explained],
    names: Mapping[str, str] | None = None,
    *,
    prompt: bytes = b"",
    top: int = 1,
    blanks: bool = False,
) -> None:
    """Print a continuation, a line for each word, and the origin of the whole.

    Parameters
    ----------
    names
        Names of the documents; without it the shortest distinct ends of their paths.
    top
        Places of each word.
    blanks
        Whether words of white space have lines.
    """
    from lior_cli.origins import account

    behind = account(words)
    short = short_names([each.document for each in behind.documents]) if names is None else names
    _echo_text(prompt, words)
    click.echo()
    echo_words(words, short, top, blanks=blanks)
    click.echo()
    echo_account(behind, short)


def _echo_text(prompt: bytes, words: Sequence[Explained]) -> None:
    """Print the end of the prompt, and the words in the colours of their largest shares."""
    before = printable_line(prompt)
    shown = before if len(before) <= _PROMPT else f"…{before[1 - _PROMPT :]}"
    colors = colored()
    click.echo(click.style(shown, dim=True) if colors else shown, nl=False, color=colors)
    for word in words:
        text = printable_text(word.text)
        share = word.share(word.sources[0].weight) if word.sources else 0.0
        click.echo(shade(text, share) if colors and not word.blank else text, nl=False, color=colors)
    if not words or not words[-1].text.endswith(b"\n"):
        click.echo()


def _explain(
    run: Run, prompt: bytes, text: str | None, count: int, how: Sampling, seed: int, *, most: int, words: bool
) -> list[Explained]:
    import torch

    from lior.model.generation import generate
    from lior.model.provenance import explain

    tokenizer = run.model.tokenizer
    context = tokenizer.encode(prompt).tolist()
    if text is None:
        generator = torch.Generator().manual_seed(seed)
        tokens = list(generate(run.model, context, count, how, generator=generator))
    else:
        tokens = tokenizer.encode(text.encode("utf-8", "surrogateescape")).tolist()
    return explain(run.model, run.checkpoint.corpus, context, tokens, most=most, words=words)


def _record(prompt: bytes, words: Sequence[Explained], by: str, top: int, seconds: float) -> dict[str, Any]:
    from lior_cli.origins import account

    return {
        "prompt": prompt.decode("utf-8", "replace"),
        "text": b"".join(word.text for word in words).decode("utf-8", "replace"),
        "by": by,
        "words": [word_record(word, top) for word in words],
        **account_record(account(words)),
        "seconds": seconds,
    }


def _sampling(text: str | None, values: dict[str, Any]) -> Sampling:
    """Return the sampling settings; options without effect are refused."""
    if text == "":
        raise UsageError("--text is empty, so there is nothing to explain; leave it out to have text drawn")
    how = Sampling(**values)
    idle = {"count", "seed", *values} if text is not None else set()
    reason = "is of text that is drawn, and --text gives it; leave one of them out"
    if text is None and how.temperature == 0:
        idle = {"seed", "top_k", "top_p", "min_p", "cooling"} & {"seed", *values}
        reason = "changes nothing at temperature 0, where the likeliest is taken; add --temperature 0.8"
    for name in sorted(idle):
        if given(name):
            raise UsageError(f"--{'next' if name == 'count' else name.replace('_', '-')} {reason}")
    return how
