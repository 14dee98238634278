"""``lior eval``: the bits per byte of a text under a model."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lior.errors import UsageError
from lior_cli.interrupts import import_torch
from lior_cli.options import RealNumber, RunPath, TextPath, WholeNumber, device_option, given

if TYPE_CHECKING:
    from lior.data.corpus import Corpus
    from lior.interfaces import Tokenizer


@click.command("eval")
@click.argument("run", type=RunPath())
@click.argument("text", nargs=-1, type=TextPath())
@click.option(
    "--online", is_flag=True, help="Keep learning while reading, after each prediction; RUN is not changed."
)
@click.option(
    "--from-byte", type=WholeNumber(min=0), default=0, show_default=True, help="Count from here on."
)
@click.option(
    "--noise",
    type=RealNumber(0, 1),
    default=0.0,
    show_default=True,
    help="Put errors into this share of the text, and count only what they leave alone.",
)
@click.option(
    "--noise-kind",
    type=click.Choice(["letters", "edits", "digits"]),
    default="letters",
    show_default=True,
    help="Letters replaced, letters inserted and bytes deleted, or digits replaced.",
)
@click.option("--seed", type=WholeNumber(min=0), default=0, show_default=True, help="Seed of the noise.")
@click.option("--field", default="text", show_default=True, help="Key of the text in JSON Lines.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
@device_option
def evaluate(
    run: Path,
    text: tuple[str, ...],
    online: bool,
    from_byte: int,
    noise: float,
    noise_kind: str,
    seed: int,
    field: str,
    quiet: bool,
    as_json: bool,
    device: str,
) -> None:
    """Score a model on text, in bits per byte.

    TEXT is as for `lior train`; without it, the validation text of RUN is
    scored. With --from-byte N the first N bytes are read (and learned, with --online)
    but not counted.
    """
    import_torch(quiet=quiet)
    _refuse_idle_options(noise)
    import torch

    from lior.data.noise import corrupt
    from lior.model import evaluation
    from lior.plugins.devices import pick_device
    from lior.reading.documents import read_documents
    from lior.runs import directory as rundir
    from lior.runs.documents import note_learned
    from lior_cli.progress import Progress

    loaded = rundir.open_run(run, device=pick_device(device))
    other = read_documents(text, field=field) if text else []
    note_learned(loaded, other)
    corpus, begin, end = loaded.other_text(other) if text else loaded.validation()
    counted = None
    if noise:
        draw = torch.Generator(corpus.tokens.device).manual_seed(seed)
        corpus, end, counted = corrupt(corpus, begin, end, kind=noise_kind, share=noise, generator=draw)
    lo = _token_at_byte(corpus, begin, end, from_byte, loaded.model.tokenizer)
    with Progress(quiet=quiet) as progress:
        if online and lo > begin:
            progress.lior_train_stage("evaluate", f"learning the {lo - begin:,} tokens before")
            evaluation.evaluate(
                loaded.model, corpus, begin, lo, online=True, progress=progress.lior_train_step
            )
        progress.lior_train_stage("evaluate", f"scoring {end - lo:,} tokens{' online' if online else ''}")
        started = time.perf_counter()
        score = evaluation.evaluate(
            loaded.model,
            corpus,
            lo,
            end,
            online=online,
            counted=None if counted is None else counted[lo - begin :],
            progress=progress.lior_train_step,
        )
        seconds = time.perf_counter() - started
    if as_json:
        click.echo(json.dumps(score.summary(seconds)))
    else:
        click.echo(
            f"{score.bits_per_byte:.4f} bits per byte, {score.nats_per_byte:.4f} nats per byte "
            f"({score.bytes:,} bytes in {seconds:.1f} s, {score.bytes / max(seconds, 1e-9):,.0f} bytes/s)"
        )


def _refuse_idle_options(noise: float) -> None:
    """Refuse the noise options if there is no noise."""
    for name in ("noise_kind", "seed"):
        if not noise and given(name):
            raise UsageError(f"--{name.replace('_', '-')} is of noise, and there is none; add --noise 0.1")


def _token_at_byte(corpus: Corpus, lo: int, hi: int, offset: int, tokenizer: Tokenizer) -> int:
    """Return the first of the tokens ``lo .. hi - 1`` that begins at or after their byte ``offset``."""
    import torch

    from lior.data.corpus import byte_lengths

    lengths = byte_lengths(corpus.tokens[lo:hi], tokenizer)
    size = int(lengths.sum())
    position = lo + int(torch.searchsorted(lengths.cumsum(0) - lengths, min(offset, size)))
    if position == hi:
        raise UsageError(f"--from-byte {offset}: the text has only {size} bytes; nothing is left to score")
    return position
