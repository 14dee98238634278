"""``lior sync``: bring a run, or the index of folders, up to date with its files."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from lior.errors import LiorError, MissingPackage, UsageError, install_hint, quantity
from lior_cli import (
    RunPath,
    TextPath,
    device_option,
    import_torch,
    is_run,
    limits_option,
    printable_line,
    redraw,
    run_among,
)

if TYPE_CHECKING:
    from lior.runs import Synced
    from lior_ask.api import Index
    from lior_ask.idle import IdleReader, ReadState

_FEW = 10
"""Maximum number of names printed per kind of change without --verbose."""


@click.command()
@click.argument("where", type=RunPath())
@click.argument("folder", nargs=-1, type=TextPath())
@limits_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done to a run.")
@click.option("--watch", is_flag=True, help="Go on, and follow each change, until Ctrl-C.")
@click.option("--status", is_flag=True, help="Say what of folders is read, and start nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead, for each change.")
@click.option("--verbose", is_flag=True, help="Name every document, and what was skipped and why.")
@device_option
def sync(
    where: Path,
    folder: tuple[str, ...],
    dry_run: bool,
    watch: bool,
    status: bool,
    as_json: bool,
    verbose: bool,
    device: str,
) -> None:
    """Learn what is new or changed in a folder, forget what is gone.

    WHERE is a run, and FOLDER what it was made from, unless others are
    given, which are remembered; files and patterns may be given as well.
    All is done, as one new version of the run, or nothing. What `lior learn`
    added stays. Or WHERE and each FOLDER are folders, files and patterns,
    whose index for `lior ask` is brought up to date.
    """
    if watch and dry_run:
        raise UsageError("--watch and --dry-run exclude each other: leave one out")
    if status and (watch or dry_run or is_run(where)):
        raise UsageError("--status is of folders, without --watch and --dry-run")
    if watch and find_spec("watchfiles") is None:
        raise MissingPackage(f"--watch needs a package: {install_hint('watch')}")
    target: _Run | _Folders
    if is_run(where):
        target = _Run(where, folder, device)
    elif dry_run:
        raise UsageError("--dry-run is for runs; the index of a folder always follows its files")
    else:
        run_among([where, *map(Path, folder)])
        target = _Folders((str(where), *folder))
    if status and isinstance(target, _Folders):
        _print_status(target, as_json=as_json)
        return
    if watch:
        _watch(target, as_json=as_json, verbose=verbose)
        return
    started = time.perf_counter()
    done = target.update(dry_run=True) if isinstance(target, _Run) and dry_run else target.update()
    _print(done, time.perf_counter() - started, as_json=as_json, verbose=verbose, dry_run=dry_run)
    if isinstance(target, _Folders) and target.read_on() and not as_json:
        click.echo("the rest is read in the background; --status tells more", err=True)


# --- what is synced ---


class _Run:
    """A run and the folders that it was made from, or that are given."""

    def __init__(self, path: Path, folders: Sequence[str], device: str) -> None:
        self._path, self._device = path, device
        self._folders: Sequence[str] | None = folders or None

    @property
    def roots(self) -> Sequence[Path]:
        """The folders to watch for changes."""
        from lior.runs import scan_files

        return scan_files(self._path, self._folders).roots

    def update(self, *, dry_run: bool = False) -> Synced:
        """Sync once; the model is read only if something changed."""
        from lior.runs import finish_sync, scan_files

        found = scan_files(self._path, self._folders)
        if found.up_to_date:
            done = found.outcome() if dry_run else finish_sync(found)
        else:
            import_torch()
            from lior import load

            done = load(self._path, device=self._device).sync(self._folders, dry_run=dry_run)
        self._folders = None  # the run remembers them
        return done


class _Folders:
    """The cached index of folders, which stays in memory between updates."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._index: Index | None = None
        self._reader: IdleReader | None = None

    def read_ahead(self, progress: Callable[[int], object]) -> None:
        """Start encoding passages in idle time; call it after the first update."""
        from lior_ask.idle import IdleReader

        assert self._index
        self._reader = IdleReader(self._index, progress)

    def state(self) -> ReadState:
        """Return what is read, after what a question would read."""
        from lior_ask.api import Index
        from lior_ask.idle import read_state

        return read_state(Index(*self._paths))

    def read_on(self) -> str:
        """Return what a background process reads; call it after the first update."""
        from lior_ask.idle import read_on

        assert self._index
        return read_on(self._index)

    def stop_reading(self) -> None:
        """Stop idle reading, and store its vectors."""
        if self._reader:
            self._reader.stop()

    @property
    def roots(self) -> Sequence[Path]:
        """The folders to watch for changes."""
        from lior.reading import folders_of

        return folders_of(self._paths)

    def update(self) -> Synced:
        """Read new and changed files, and drop deleted ones."""
        from lior.runs import Synced
        from lior_ask.api import Index

        if self._index is None:
            self._index = Index(*self._paths)
            updates = [self._index.opened]
        else:
            updates = [self._index.update()]
        while updates[-1].waiting:  # no question is waiting here
            updates.append(self._index.update())
        if self._reader:
            self._reader.look_again()
        learned, changed, forgotten, notes = (
            tuple(dict.fromkeys(line for done in updates for line in getattr(done, name)))
            for name in ("learned", "changed", "forgotten", "notes")
        )
        return Synced(
            learned,
            changed,
            forgotten,
            unchanged=self._index.files - len(learned) - len(changed),
            skipped=tuple(self._index.skipped),
            notes=notes,
        )


# --- watching ---


def _watch(target: _Run | _Folders, *, as_json: bool, verbose: bool) -> None:
    """Update when files change, until a signal arrives. Errors are reported; the next update retries."""
    from lior_ask.watching import watch_changes

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    first = True
    try:
        for _ in watch_changes(target.roots):
            started = time.perf_counter()
            try:
                done = target.update()
            except LiorError as error:
                if first:
                    raise
                click.echo(f"lior: {error}; tried again with the next change", err=True)
                continue
            if first or done.changes:
                _print(done, time.perf_counter() - started, as_json=as_json, verbose=verbose)
            if first and not as_json:
                click.echo("watching; Ctrl-C ends it", err=True)
            if first and isinstance(target, _Folders):
                target.read_ahead((lambda left: None) if as_json else _Told())
            first = False
    except KeyboardInterrupt:
        if isinstance(target, _Folders):
            target.stop_reading()
        click.echo("stopped; all is as last written" if not as_json else "", err=True, nl=not as_json)


# --- what is printed ---


def _print_status(target: _Folders, *, as_json: bool) -> None:
    """Print what is read, and whether a process reads on."""
    state = target.state()
    if as_json:
        click.echo(json.dumps(attrs.asdict(state)))
        return
    click.echo(f"{quantity(state.files, 'file')}, {quantity(state.passages, 'passage')}")
    if state.waiting:
        click.echo(f"{quantity(state.waiting, 'file')} not read yet")
    if state.encoder:
        lacks = f"has not read {state.unread:,} of them" if state.unread else "has read all of them"
        click.echo(f"the encoder {state.encoder} {lacks}")
    if state.reading:
        click.echo("a process reads on now")
    elif str(state):
        click.echo(f"nothing reads now; the next question or sync reads {state} in the background")
    else:
        click.echo("nothing is left to read in the background")


class _Told:
    """A report of the passages left to read: continuous on a terminal, else at the beginning and the end."""

    def __init__(self) -> None:
        self._before = 0

    def __call__(self, left: int) -> None:
        live, told = sys.stderr.isatty(), f"reading ahead: {quantity(left, 'passage')}"
        if left and live:
            redraw(f"{told} left")
        elif left and not self._before:
            click.echo(told, err=True)
        elif self._before and not left:
            if live:
                redraw("")
            click.echo("all passages are read", err=True)
        self._before = left


def _print(done: Synced, seconds: float, *, as_json: bool, verbose: bool, dry_run: bool = False) -> None:
    if as_json:
        click.echo(json.dumps(_outcome(done, seconds, dry_run=dry_run), ensure_ascii=False))
        return
    for what, names in (("learned", done.learned), ("changed", done.changed), ("forgotten", done.forgotten)):
        for name in names if verbose else names[:_FEW]:
            click.echo(f"{'would be ' * dry_run}{what}: {printable_line(name)}")
        if len(names) > _FEW and not verbose:
            click.echo(f"... and {len(names) - _FEW:,} more (--verbose lists them)")
    counts = (
        f"learned {len(done.learned):,}, changed {len(done.changed):,}, forgotten {len(done.forgotten):,}, "
        f"unchanged {done.unchanged:,}, skipped {len(done.skipped):,}"
    )
    click.echo(f"{'dry run: ' * dry_run}{counts} ({seconds:.1f} s)")
    for note in done.notes:
        click.echo(f"lior: {printable_line(note)}", err=True)
    if verbose:
        for each in done.skipped:
            click.echo(printable_line(f"skipped {each.name}: {each}"), err=True)


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
