"""``lior generate``: continue a prompt."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.config.sampling import Sampling
from lior.errors import DataError, UsageError
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, WholeNumber, device_option, field_options, seed_option
from lior_cli.sources import account_record, echo_account, short_names
from lior_cli.terminal import printable, printable_text, prompt_bytes

if TYPE_CHECKING:
    from lior.runs.checkpoint import Checkpoint
    from lior_cli.origins import Account


@click.command()
@click.argument("run", type=RunPath())
@click.option("--prompt", default="", help="Text to continue; - reads standard input.")
@click.option("--max-tokens", type=WholeNumber(min=0), default=200, show_default=True, help="Tokens to add.")
@field_options(Sampling)
@seed_option
@click.option(
    "--batch",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE.jsonl",
    help="Continue many prompts side by side: a line is an object with prompt, and max_tokens, seed, stop or"
    " an option of drawing where they differ. Prints an object for each.",
)
@click.option("--sources", is_flag=True, help="Name the documents and lines that the text comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
@device_option
def generate(
    run: Path,
    prompt: str,
    max_tokens: int,
    seed: int,
    batch: Path | None,
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
    from lior.plugins.devices import pick_device
    from lior.runs import directory as rundir

    how = Sampling(**sampling)
    if batch is not None:
        if prompt or sources:
            raise UsageError("--batch: the prompts are in the file; leave out --prompt and --sources")
        _print_batch(run, batch, {"max_tokens": max_tokens, "seed": seed, **sampling}, device)
        return
    loaded = rundir.open_run(run, device=pick_device(device))
    model = loaded.model
    data = prompt_bytes(prompt)
    generator = torch.Generator().manual_seed(seed)
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
    first = list(islice(pieces, 1))  # a note that loops are compiled comes before the prompt
    stream(data, chain(first, pieces))
    if sources and drawn:
        echo_account(_account(loaded, context, drawn), short_names(loaded.corpus.names), err=True)


def _print_batch(run: Path, batch: Path, given: dict[str, Any], device: str) -> None:
    """Print an object for each line of ``batch``, in order: text, number of tokens, reason of the end."""
    import torch

    from lior.model.detokenizer import Detokenizer
    from lior.model.generation import Request, generate_all
    from lior.plugins.devices import pick_device
    from lior.runs import directory as rundir
    from lior.tensors import all_threads

    lines = [_line(number, line, given) for number, line in _lines(batch)]
    model = rundir.open_run(run, device=pick_device(device)).model
    encode = model.tokenizer.encode
    requests = [
        Request(
            encode(line["prompt"].encode("utf-8", "surrogateescape")).tolist(),
            line["max_tokens"],
            line["sampling"],
            torch.Generator().manual_seed(line["seed"]),
        )
        for line in lines
    ]
    for line, tokens in zip(lines, generate_all(model, requests, threads=all_threads()), strict=True):
        text_of, used = Detokenizer(model.tokenizer, line["stop"]), _Noted()
        text = "".join(text_of.pieces(used.noting(tokens)))
        reason = "stop" if text_of.stopped else "length"
        result = {"prompt": line["prompt"], "text": text, "tokens": len(used), "finish_reason": reason}
        click.echo(json.dumps(result))


def _lines(batch: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and text of each line that is not empty."""
    try:
        whole = sys.stdin.read() if str(batch) == "-" else batch.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise DataError(f"--batch {batch}: the file of prompts cannot be read: {cause}") from None
    for number, line in enumerate(whole.splitlines(), 1):
        if line.strip():
            yield f"{batch}:{number}", line


def _line(place: str, line: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the request in a line; options that it does not name are as ``given``."""
    try:
        asked = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place}: no JSON: {error}") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("prompt"), str):
        raise DataError(f'{place}: expected an object such as {{"prompt": "Dear "}}')
    known = {"prompt", "stop", *given}
    if unknown := sorted(set(asked) - known):
        raise DataError(f"{place}: {unknown[0]!r} is unknown; allowed are {', '.join(sorted(known))}")
    whole = given | asked
    stop = _stop(place, whole.get("stop", []))
    for name in ("max_tokens", "seed"):
        if type(whole[name]) is not int or not 0 <= whole[name] < 1 << 63:
            raise DataError(f"{place}: {name} is {whole[name]!r}; allowed is a whole number from 0")
    try:
        sampling = Sampling(**{name: whole[name] for name in given if name not in ("max_tokens", "seed")})
    except UsageError as error:
        raise DataError(f"{place}: {error}") from None
    return {
        "prompt": asked["prompt"],
        "stop": stop,
        "sampling": sampling,
        **{name: whole[name] for name in ("max_tokens", "seed")},
    }


def _stop(place: str, given: Any) -> list[str]:
    """Return the texts that end a continuation."""
    stop = [given] if isinstance(given, str) else given
    if not isinstance(stop, list) or not all(isinstance(each, str) for each in stop):
        raise DataError(f"{place}: stop is {stop!r}; allowed is a text or a list of texts")
    return stop


class _Noted(list[int]):
    """A list of the tokens sampled so far."""

    def noting(self, tokens: Iterable[int]) -> Iterator[int]:
        """Yield the same tokens and keep each."""
        for token in tokens:
            self.append(token)
            yield token


def _account(loaded: Checkpoint, context: Sequence[int], drawn: Sequence[int]) -> Account:
    from lior.model.provenance import explain
    from lior_cli.origins import account

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
