"""``lior compress`` and ``lior decompress``: lossless compression with a model."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.config import load
from lior.config.recipes import list_shipped
from lior.errors import DataError, UsageError
from lior.files import PARTIAL, writing
from lior.reading.documents import RawDocument
from lior_cli.interrupts import import_torch
from lior_cli.options import RecipeName

if TYPE_CHECKING:
    from lior.model.compression import Coder, CompressedFile

SUFFIX = ".lior"
"""The suffix of compressed files."""

RECIPE = "fast"
"""The recipe of the untrained model that codes when no run is given."""

_NAME = 64
"""The maximum number of characters of a recipe's name in a compressed file."""

Callback = Callable[..., Any]


def _options(function: Callback) -> Callback:
    """Add the options of both commands."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line."),
        click.option("--quiet", is_flag=True, help="Print no progress."),
        click.option("--force", is_flag=True, help="Overwrite OUT."),
        click.option(
            "--config", "recipe", type=RecipeName(), help="Recipe of the model that begins with nothing."
        ),
        click.option(
            "--run", type=click.Path(path_type=Path), help="Code with the trained model of this run."
        ),
        click.argument("file"),
    ):
        function = option(function)
    return function


@click.command()
@_options
@click.option("-o", "--out", help=f"Where to write; - is standard output.  [default: FILE{SUFFIX}]")
def compress(
    file: str, out: str | None, run: Path | None, recipe: str | None, force: bool, quiet: bool, as_json: bool
) -> None:
    """Code FILE with a model that learns it while reading.

    The size is what the probabilities of `lior eval --online` say. Without --run the model
    begins with nothing, as the recipe `fast` describes it. FILE may be -, standard input.
    """
    out = out or (file + SUFFIX if file != "-" else "-")
    _check(out, force=force, as_json=as_json)
    if out == "-" and sys.stdout.isatty():
        raise UsageError("code words are not for a terminal; name a file with -o, or redirect")
    import_torch(quiet=quiet)
    from lior.model import compression
    from lior_cli.progress import Progress

    data = _read(file)
    coder = _coder(run, recipe, data, file)
    started = time.perf_counter()
    with Progress(quiet=quiet) as progress:
        progress.lior_train_stage("compress", f"{len(data):,} bytes")
        packed, bits = compression.compress(data, coder, progress=progress.lior_train_step)
    content = packed.pack()
    _write(out, content)
    summary = _summary(packed, len(content), bits, time.perf_counter() - started)
    if as_json:
        click.echo(json.dumps(summary))
    elif out != "-":
        click.echo(
            f"{len(data):,} bytes to {len(content):,}, {summary['bits_per_byte']:.4f} bits per byte: "
            f"{summary['header_bytes']} of header, {len(packed.words):,} for {bits / 8:,.0f} of the model "
            f"({summary['seconds']:.1f} s, {summary['bytes_per_second']:,.0f} bytes/s)"
        )


@click.command()
@_options
@click.option("-o", "--out", help=f"Where to write; - is standard output.  [default: FILE without {SUFFIX}]")
def decompress(
    file: str, out: str | None, run: Path | None, recipe: str | None, force: bool, quiet: bool, as_json: bool
) -> None:
    """Undo `lior compress`, exactly.

    It needs the same run, or none, on a machine with the same type of CPU and versions.
    The result is compared with the SHA-256 of the original before it is written.
    """
    out = out or _original(file)
    _check(out, force=force, as_json=as_json)
    import_torch(quiet=quiet)
    from lior.model import compression
    from lior_cli.progress import Progress

    content = _read(file)
    found = compression.CompressedFile.unpack(content, name=file)
    coder = _same_coder(found, file, run, recipe)
    coder.check(found, name=file)
    started = time.perf_counter()
    with Progress(quiet=quiet) as progress:
        progress.lior_train_stage("decompress", f"{found.size:,} bytes")
        if found.machine != compression.machine():
            progress.note("note: made with another type of CPU or other versions; decoding may fail")
        data = compression.decompress(found, coder, name=file, progress=progress.lior_train_step)
    _write(out, data)
    seconds = time.perf_counter() - started
    rate = len(data) / max(seconds, 1e-9)
    if as_json:
        sizes = {"bytes_in": len(content), "bytes_out": len(data)}
        click.echo(json.dumps(sizes | {"seconds": seconds, "bytes_per_second": rate}))
    elif out != "-":
        click.echo(
            f"{len(content):,} bytes to {len(data):,}, all as before ({seconds:.1f} s, {rate:,.0f} bytes/s)"
        )


# --- the model ---


def _coder(run: Path | None, recipe: str | None, data: bytes = b"", name: str = "") -> Coder:
    if run and recipe:
        raise UsageError(
            "--run and --config: a run has a model, and a recipe describes an untrained one; give one"
        )
    return run_coder(run, data, name) if run else recipe_coder(recipe or RECIPE)


def run_coder(path: Path, data: bytes = b"", name: str = "") -> Coder:
    """Return the trained model of the run directory ``path``; print a note if it has learned ``data``.

    Raises
    ------
    RunError
        When it is not a run, unfinished or damaged.
    """
    from lior.model.compression import Coder
    from lior.runs import directory as rundir
    from lior.runs.documents import note_learned

    loaded = rundir.open_run(path)
    note_learned(loaded, [RawDocument(name, data)])
    return Coder(loaded.model, bytes.fromhex(loaded.digest), "", len(loaded.corpus.names))


def recipe_coder(recipe: str) -> Coder:
    """Return an untrained model of the recipe, a name or a path.

    Raises
    ------
    ConfigError
        When there is no such recipe, or it has faults.
    UsageError
        When its model has a geometry, which is not learned while reading.
    """
    import torch

    from lior.model.compression import Coder
    from lior.runs.checkpoint import describe
    from lior.training.preparation import build_model

    config = load(recipe, components=True).config
    cpu = torch.device("cpu")
    model = build_model(config, cpu, torch.Generator(cpu).manual_seed(config.seed))
    if model.geometry is not None:
        raise UsageError(
            f"recipe {recipe}: its memory needs a geometry, which is not learned while reading; "
            "train a run and give it with --run, or take a recipe with counts only"
        )
    parts = {"tokenizer": [config.tokenizer], "memory": config.memory.components}
    digest = hashlib.sha256(json.dumps(describe(parts), sort_keys=True).encode()).digest()
    # A compressed file names the recipe, never its folder.
    return Coder(model, digest, Path(recipe).name.encode("ascii", "replace").decode()[:_NAME])


def _same_coder(found: CompressedFile, file: str, run: Path | None, recipe: str | None) -> Coder:
    """Return the model with which the file was compressed."""
    if run is None and not found.recipe:
        known = found.digest.hex()[:12]
        raise UsageError(
            f"{file}: made with a trained run, whose SHA-256 begins with {known}; give it with --run"
        )
    if run is not None and found.recipe:
        raise UsageError(f"{file}: made without a run, with recipe {found.recipe!r}; leave out --run")
    if run is None and recipe is None and found.recipe not in list_shipped():
        raise UsageError(f"{file}: made with your own recipe {found.recipe!r}; give it with --config")
    return _coder(run, recipe or found.recipe or None)


def _summary(file: CompressedFile, size: int, bits: float, seconds: float) -> dict[str, Any]:
    """Return the object that ``lior compress --json`` prints."""
    coded = 8 * len(file.words)
    return {
        "bytes_in": file.size,
        "bytes_out": size,
        "header_bytes": size - len(file.words),
        "bits_per_byte": 8 * size / max(file.size, 1),
        "model_bits": bits,
        "overhead": coded / bits - 1 if bits else None,
        "seconds": seconds,
        "bytes_per_second": file.size / max(seconds, 1e-9),
    }


# --- files ---


def _original(file: str) -> str:
    """Return the name of the original file."""
    if file == "-":
        return "-"
    if not Path(file).name.removesuffix(SUFFIX) or not file.endswith(SUFFIX):
        raise UsageError(f"{file}: does not end in {SUFFIX}; name the output with -o")
    return file.removesuffix(SUFFIX)


def _check(out: str, *, force: bool, as_json: bool) -> None:
    """Refuse an output that cannot be written, before anything is computed."""
    if out == "-":
        if as_json:
            raise UsageError("--json and the data cannot both go to standard output; name a file with -o")
        return
    path = Path(out)
    if path.exists() and not path.is_file():
        raise UsageError(f"{out}: not a regular file; give another -o")
    if path.exists() and not force:
        raise UsageError(f"{out}: exists already; nothing was touched; give another -o, or --force")
    if not path.parent.is_dir():
        raise UsageError(f"{out}: there is no folder {path.parent}")


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error


def _write(out: str, data: bytes) -> None:
    """Write a file atomically, or standard output."""
    if out == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    with writing(path, part=path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")) as stream:
        stream.write(data)
