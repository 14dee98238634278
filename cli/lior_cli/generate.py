"""``lior generate``: continue a prompt."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.config.sampling import Sampling
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, WholeNumber, device_option, field_options, seed_option
from lior_cli.sources import account_record, echo_account, short_names
from lior_cli.terminal import printable, printable_text, prompt_bytes

if TYPE_CHECKING:
    from lior.model.provenance import Account
    from lior.runs.checkpoint import Checkpoint


@click.command()
@click.argument("run", type=RunPath())
@click.option("--prompt", default="", help="Text to continue; - reads standard input.")
@click.option("--max-tokens", type=WholeNumber(min=0), default=200, show_default=True, help="Tokens to add.")
@field_options(Sampling)
@seed_option
@click.option("--sources", is_flag=True, help="Name the documents and lines that the text comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
@device_option
def generate(
    run: Path,
    prompt: str,
    max_tokens: int,
    seed: int,
    sources: bool,
    as_json: bool,
    device: str,
    **sampling: Any,
) -> None:
    """Continue a prompt.

    The text is printed as the model of RUN draws it: in a pipe byte for byte, control characters too; on a
    terminal these are replaced. The documents of --sources go to standard error, or into
    the object of --json; `lior why` shows them word by word.
    """
    import_torch()
    import torch

    from lior.model.generation import generate as draw_tokens
    from lior.runs import directory as rundir
    from lior.tensors import pick_device

    how = Sampling(**sampling)
    loaded = rundir.open_run(run, device=pick_device(device))
    model = loaded.model
    data = prompt_bytes(prompt)
    generator = torch.Generator(model.device).manual_seed(seed)
    started = time.perf_counter()
    context, drawn = model.tokenizer.encode(data).tolist(), _Noted()
    tokens = drawn.noting(draw_tokens(model, context, max_tokens, how, generator=generator))
    pieces = (model.tokenizer.decode([token]) for token in tokens)
    if as_json:
        result = _result(data, pieces, started)
        if sources:
            result["sources"] = account_record(_account(loaded, context, drawn))
        click.echo(json.dumps(result))
        return
    stream = _stream_text if sys.stdout.isatty() else _stream_bytes
    stream(data, pieces)
    if sources and drawn:
        echo_account(_account(loaded, context, drawn), short_names(loaded.corpus.names), err=True)


class _Noted(list[int]):
    """The tokens sampled so far."""

    def noting(self, tokens: Iterable[int]) -> Iterator[int]:
        """Yield the same tokens and keep each."""
        for token in tokens:
            self.append(token)
            yield token


def _account(loaded: Checkpoint, context: Sequence[int], drawn: Sequence[int]) -> Account:
    from lior.model.provenance import account, explain

    return account(explain(loaded.model, loaded.corpus, context, drawn, words=True))


def _result(prompt: bytes, pieces: Iterable[bytes], started: float) -> dict[str, Any]:
    parts = list(pieces)
    return {
        "prompt": prompt.decode("utf-8", "replace"),
        "text": b"".join(parts).decode("utf-8", "replace"),
        "tokens": len(parts),
        "seconds": time.perf_counter() - started,
    }


def _stream_bytes(prompt: bytes, pieces: Iterable[bytes]) -> None:
    out = sys.stdout.buffer
    for piece in chain([prompt], pieces):
        out.write(piece)
        out.flush()
    out.write(b"\n")


def _stream_text(prompt: bytes, pieces: Iterable[bytes]) -> None:
    click.secho(printable_text(prompt), bold=True, nl=False)
    for text in printable(pieces):
        sys.stdout.write(text)
        sys.stdout.flush()
    click.echo()
