"""``lior generate``: continue a prompt."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import click

from lior.sampling import Sampling
from lior_cli.interrupts import import_torch
from lior_cli.options import device_option, field_options
from lior_cli.terminal import printable


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--prompt", default="", help="Text to continue; - reads standard input.")
@click.option(
    "--max-tokens", type=click.IntRange(min=0), default=200, show_default=True, help="Tokens to add."
)
@field_options(Sampling)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of the draws.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
@device_option
def generate(
    run: Path,
    prompt: str,
    max_tokens: int,
    seed: int,
    as_json: bool,
    device: str,
    **sampling: Any,
) -> None:
    """Continue a prompt.

    The text is printed as the model of RUN draws it.
    """
    import_torch()
    import torch

    from lior import rundir
    from lior.device import pick_device
    from lior.generation import generate as draw_tokens

    how = Sampling(**sampling)
    model = rundir.open_run(run, device=pick_device(device)).model
    data = sys.stdin.buffer.read() if prompt == "-" else prompt.encode("utf-8", "surrogateescape")
    generator = torch.Generator(model.device).manual_seed(seed)
    started = time.perf_counter()
    tokens = draw_tokens(model, model.tokenizer.encode(data).tolist(), max_tokens, how, generator=generator)
    pieces = (model.tokenizer.decode([token]) for token in tokens)
    if as_json:
        _print_json(data, pieces, started)
    elif sys.stdout.isatty():
        _stream_text(data, pieces)
    else:
        _stream_bytes(data, pieces)


def _print_json(prompt: bytes, pieces: Iterable[bytes], started: float) -> None:
    parts = list(pieces)
    result: dict[str, Any] = {
        "prompt": prompt.decode("utf-8", "replace"),
        "text": b"".join(parts).decode("utf-8", "replace"),
        "tokens": len(parts),
        "seconds": time.perf_counter() - started,
    }
    click.echo(json.dumps(result))


def _stream_bytes(prompt: bytes, pieces: Iterable[bytes]) -> None:
    out = sys.stdout.buffer
    for piece in chain([prompt], pieces):
        out.write(piece)
        out.flush()
    out.write(b"\n")


def _stream_text(prompt: bytes, pieces: Iterable[bytes]) -> None:
    click.secho("".join(printable([prompt])), bold=True, nl=False)
    for text in printable(pieces):
        sys.stdout.write(text)
        sys.stdout.flush()
    click.echo()
