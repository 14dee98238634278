"""``lior sync``: a run and the folder that it was made from."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lior.errors import LiorError, MissingPackage, UsageError
from lior_cli.interrupts import import_torch
from lior_cli.options import RunPath, TextPath, device_option
from lior_cli.sources import plain

if TYPE_CHECKING:
    from lior.runs.syncing import Synced

_REST_MS, _LONGEST_MS = 1000, 10_000
"""Milliseconds without a further change after which the run follows, and after which it does so anyway."""
_AGAIN = 60.0
"""Seconds after which files are looked at without a change: some file systems tell of none."""
_FEW = 10
"""Names that are printed of each kind without --verbose."""


@click.command()
@click.argument("run", type=RunPath())
@click.argument("folder", nargs=-1, type=TextPath())
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--watch", is_flag=True, help="Go on, and follow each change, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead, for each change.")
@click.option("--verbose", is_flag=True, help="Name every document, and what was skipped and why.")
@device_option
def sync(
    run: Path, folder: tuple[str, ...], dry_run: bool, watch: bool, as_json: bool, verbose: bool, device: str
) -> None:
    """Learn what is new or changed in a folder, forget what is gone.

    FOLDER is what RUN was made from, unless others are given, which are
    remembered; files and patterns may be given as well. All is done, as one
    new version of RUN, or nothing. What `lior learn` added stays.
    """
    if watch and dry_run:
        raise UsageError("--watch and --dry-run exclude each other: leave one out")
    if not watch:
        started = time.perf_counter()
        done = _sync(run, folder, device, dry_run=dry_run)
        _print(done, time.perf_counter() - started, as_json=as_json, verbose=verbose, dry_run=dry_run)
        return
    if find_spec("watchfiles") is None:
        raise MissingPackage("--watch needs a package; install it: pip install 'lior[watch]'")
    _watch(run, folder, device, as_json=as_json, verbose=verbose)


def _sync(run: Path, folder: Sequence[str], device: str, *, dry_run: bool = False) -> Synced:
    """Sync once; the model is read only where something is to be done."""
    from lior.runs.syncing import finish, scan

    found = scan(run, folder or None)
    if found.up_to_date:
        return found.outcome() if dry_run else finish(found)
    import_torch()
    from lior.runs.run import load

    return load(run, device=device).sync(folder or None, dry_run=dry_run)


# --- watching ---


def _watch(run: Path, folder: Sequence[str], device: str, *, as_json: bool, verbose: bool) -> None:
    """Sync whenever files change, until a signal comes; a fault is told, and may be over the next time."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    first = True
    try:
        for _ in _changes(run, folder):
            started = time.perf_counter()
            try:
                done = _sync(run, folder, device)
            except LiorError as error:
                if first:
                    raise
                click.echo(f"lior: {error}; tried again with the next change", err=True)
                continue
            if first or done.changes:
                _print(done, time.perf_counter() - started, as_json=as_json, verbose=verbose)
            if first and not as_json:
                click.echo("watching; Ctrl-C ends it", err=True)
            first, folder = False, ()  # which are remembered
    except KeyboardInterrupt:
        click.echo("stopped; the run is as last written" if not as_json else "", err=True, nl=not as_json)


def _changes(run: Path, folder: Sequence[str]) -> Iterator[None]:
    """At the beginning, after changes have come to rest, and now and then. What changes meanwhile is seen."""
    from watchfiles import watch

    from lior.runs.syncing import scan

    roots = {str(root) for root in scan(run, folder or None).roots}
    last = -_AGAIN
    found = watch(
        *roots, watch_filter=None, yield_on_timeout=True,
        step=_REST_MS, debounce=_LONGEST_MS, rust_timeout=_REST_MS,
    )  # fmt: skip
    for changes in found:
        if changes or time.monotonic() - last >= _AGAIN:
            yield
            last = time.monotonic()


# --- what is printed ---


def _print(done: Synced, seconds: float, *, as_json: bool, verbose: bool, dry_run: bool = False) -> None:
    if as_json:
        click.echo(json.dumps(_outcome(done, seconds, dry_run=dry_run), ensure_ascii=False))
        return
    for what, names in (("learned", done.learned), ("changed", done.changed), ("forgotten", done.forgotten)):
        for name in names if verbose else names[:_FEW]:
            click.echo(f"{'would be ' * dry_run}{what}: {plain(name)}")
        if len(names) > _FEW and not verbose:
            click.echo(f"... and {len(names) - _FEW:,} more (--verbose lists them)")
    counts = (
        f"learned {len(done.learned):,}, changed {len(done.changed):,}, forgotten {len(done.forgotten):,}, "
        f"unchanged {done.unchanged:,}, skipped {len(done.skipped):,}"
    )
    click.echo(f"{'dry run: ' * dry_run}{counts} ({seconds:.1f} s)")
    for note in done.notes:
        click.echo(f"lior: {plain(note)}", err=True)
    if verbose:
        for each in done.skipped:
            click.echo(plain(f"skipped {each.name}: {each}"), err=True)


def _outcome(done: Synced, seconds: float, *, dry_run: bool) -> dict[str, Any]:
    return {
        "learned": list(done.learned),
        "changed": list(done.changed),
        "forgotten": list(done.forgotten),
        "unchanged": done.unchanged,
        "skipped": [{"name": each.name, "reason": str(each)} for each in done.skipped],
        "notes": list(done.notes),
        "seconds": round(seconds, 3),
        "dry_run": dry_run,
    }
