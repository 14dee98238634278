"""The checkpoints of a run: one folder a step, and the newest that verifies is where the run stands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from lior.errors import RunError, SkippedCheckpoint
from lior.runs import files as durable

T = TypeVar("T")

_FOLDER = "checkpoints"
_NAME = re.compile(r"step-(\d{9})")
_FORMER = "checkpoint"
"""Where the one checkpoint of a run was up to format 3."""


def place(run: Path, step: int) -> Path:
    """Where the checkpoint of ``step`` belongs, a number below 10⁹: what of training was done by then."""
    return run / _FOLDER / f"step-{step:09d}"


def number(path: Path) -> int:
    """Which step a checkpoint is of."""
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def listed(run: Path) -> list[Path]:
    """The checkpoints of a run, the newest first; whether they can be used is not looked at."""
    folder = run / _FOLDER
    steps: list[Path] = []
    if folder.is_dir():
        with os.scandir(folder) as entries:  # names and kinds of one moment: others may write and remove
            steps = [Path(entry) for entry in entries if _NAME.fullmatch(entry.name) and entry.is_dir()]
    former = [run / _FORMER] if (run / _FORMER).is_dir() else []
    return [*sorted(steps, key=number, reverse=True), *former]


def retained(scores: Mapping[int, float | None], *, last: int, every: int) -> set[int]:
    """Which steps to keep: the last few, every so many-th, and the one of the best score.

    Parameters
    ----------
    scores
        Of every step, the less the better, ``None`` where it is not known. For lior that is nats per byte.
    last
        At least 1, so that one is always kept.
    every
        Steps are counted from the first, which is kept as well; 0 keeps none of them.
    """
    steps = sorted(scores)
    kept = set(steps[-max(last, 1) :])
    known = {step: score for step, score in scores.items() if score is not None}
    if known:
        kept.add(min(known, key=lambda step: (known[step], -step)))
    return kept | set(steps[::every] if every else ())


def newest(run: Path, load: Callable[[Path], T], *, stacklevel: int = 2) -> tuple[T, Path]:
    """The newest checkpoint that verifies: what ``load`` makes of it, and where it is.

    Newer ones that do not are told of with the warning :class:`~lior.errors.SkippedCheckpoint`. What other
    processes write and remove in the meantime does no harm: then it is looked again.

    Parameters
    ----------
    load
        Reads the checkpoint at a path, and raises ``RunError`` when that cannot be used.
    stacklevel
        Whose line the warning names, as for :func:`warnings.warn`; 2 is that of the caller.

    Raises
    ------
    RunError
        When there is none: what is wrong with the newest one.
    """
    faults: list[RunError] = []
    places = listed(run)
    for place in places:
        try:
            loaded = load(place)
        except RunError as fault:
            if listed(run) != places:  # another process wrote a newer one and removed this
                return newest(run, load, stacklevel=stacklevel + 1)
            faults.append(fault)
            continue
        for skipped in faults:
            warnings.warn(
                f"an older checkpoint is used, for {skipped}", SkippedCheckpoint, stacklevel=stacklevel
            )
        return loaded, place
    if faults:
        raise faults[0]
    if listed(run):  # written since
        return newest(run, load, stacklevel=stacklevel + 1)
    raise RunError(f"{run}: the run has no checkpoint: training did not finish; train again")


def prune(run: Path, *, newest: Path, last: int, every: int) -> None:
    """Remove the checkpoints that are not to be kept, and what was left half written.

    ``newest`` has just been written and read back; nothing is removed for the sake of one that was not.
    What cannot be removed stays.
    """
    durable.remove_partial(run)
    durable.remove_partial(run / _FOLDER)
    steps = [path for path in listed(run) if path.name != _FORMER]
    kept = retained({number(path): _score(path) for path in steps}, last=last, every=every)
    for path in steps:
        if number(path) not in kept and path != newest:
            with contextlib.suppress(OSError):
                set_aside(path)


def before(run: Path, place: Path) -> list[Path]:
    """All that holds or may hold an older text than the checkpoint at ``place``."""
    older = [path for path in listed(run) if number(path) < number(place)]
    return older + [path for folder in (run, run / _FOLDER) for path in durable.partial(folder)]


def remove_before(run: Path, place: Path) -> None:
    """Remove all checkpoints older than that at ``place``, whatever their score, and what is half written.

    Raises
    ------
    OSError
        When something cannot be removed: what it holds would not be gone.
    """
    for path in before(run, place):
        gone = path if path.name.endswith(durable.PARTIAL) else _renamed(path)
        if gone.is_dir() and not gone.is_symlink():
            shutil.rmtree(gone)
        else:
            gone.unlink()
    durable.sync(run / _FOLDER)
    durable.sync(run)


def set_aside(path: Path) -> None:
    """Remove a checkpoint if it is there; in the meantime it does not look like one.

    Raises
    ------
    OSError
        When it cannot be renamed.
    """
    if path.exists():
        shutil.rmtree(_renamed(path), ignore_errors=True)


def _renamed(path: Path) -> Path:
    """A checkpoint under a name that none has: half of one must not be found."""
    gone = path.with_name(f"{path.name}.old{durable.PARTIAL}")
    shutil.rmtree(gone, ignore_errors=True)
    return path.rename(gone)


def _score(path: Path) -> float | None:
    try:
        score = json.loads((path / "manifest.json").read_text(encoding="utf-8"))["score"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return score if isinstance(score, float) else None
