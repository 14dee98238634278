"""The time that a training will take, and the choice of a recipe if the user gives none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lior.config import GEOMETRY, Override, Resolved, TrainConfig

if TYPE_CHECKING:
    from lior.reading.documents import RawDocument

SMALL = 100_000
"""The size of a text, in bytes, up to which nothing is measured: a sample takes too much of its time."""

_PATIENCE = 80.0
"""The maximum time of a recipe that the user did not choose, in seconds: about a minute."""

_FREE = ("seed", "device", "data.", "tokenizer.", "checkpoint.")
"""Settings that do not affect the method of learning; with any other setting, the user has chosen."""

_SIZE = "size of the text"
"""The origin of a setting that the user did not choose."""

_CALIBRATION, _HELD_OUT = 60_000, 100_000
"""Sufficient sizes of the calibration split and of the hold-out split, in bytes; both are read more than
once.
"""

Load = Callable[[str | None, Sequence[Override]], Resolved[TrainConfig]]


class Selection(NamedTuple):
    """The configuration to train, and a line about it."""

    resolved: Resolved[TrainConfig]
    note: str


def free(resolved: Resolved[TrainConfig]) -> bool:
    """Return whether no setting of ``resolved`` affects the method of learning."""
    return all(origin == "default" or key.startswith(_FREE) for key, origin in resolved.origins.items())


def choose(resolved: Resolved[TrainConfig], documents: Sequence[RawDocument], load: Load) -> Selection:
    """Return the defaults, or ``fast`` where these would take much more than a minute, with folds if it can.

    Parameters
    ----------
    resolved
        The defaults, with settings that :func:`free` allows.
    load
        A function that resolves the configuration again, with a recipe and further settings.
    """
    from lior_cli.estimate import estimate

    size = sum(len(document.data) for document in documents)
    if size <= SMALL:
        return Selection(resolved, f"recipe default for {_bytes(size)}; --config NAME takes another")
    default = estimate(resolved.config, documents)
    if default <= _PATIENCE:
        note = f"recipe default: about {duration(default)} for {_bytes(size)}"
        return Selection(resolved, f"{note}; --config fast takes less, --config best predicts better")
    fast = load("fast", ())
    least = {"mixer.calibration": _CALIBRATION / size, "data.holdout": _HELD_OUT / size}
    if resolved.origins["data.holdout"] != "default":
        del least["data.holdout"]
    now = {"mixer.calibration": fast.config.mixer.calibration, "data.holdout": fast.config.data.holdout}
    trimmed = [Override(key, value, _SIZE) for key, value in least.items() if value < now[key]]
    folds = Override("fit.folds", resolved.config.fit.folds, _SIZE)
    fast, name = load("fast", [*trimmed, folds]), f"fast with fit.folds={folds.value}"
    if (time := estimate(fast.config, documents)) > _PATIENCE:
        fast, name = load("fast", trimmed), "fast"
        time = estimate(fast.config, documents)
    note = f"recipe {name}: about {duration(time)} for {_bytes(size)}"
    slow = f"--config default takes about {duration(default)}, and --config best longer still"
    return Selection(fast, f"{note}; {slow}; they predict better")


def tell(resolved: Resolved[TrainConfig], documents: Sequence[RawDocument]) -> str:
    """Return a line about a configuration that the user has chosen."""
    from lior_cli.estimate import estimate

    size = sum(len(document.data) for document in documents)
    took = f"{_bytes(size)} of text"
    if size > SMALL:
        took = f"about {duration(estimate(resolved.config, documents))} for {_bytes(size)}"
    if resolved.origins["memory.name"] == f"recipe {GEOMETRY}":
        return f"recipe {GEOMETRY}, in which what was chosen acts: {took}; --config default leaves it out"
    return took


def duration(seconds: float) -> str:
    """Return a time to two digits, such as ``40 s``.

    >>> [duration(each) for each in (0.2, 7.7, 83.1, 5000, 900000)]
    ['1 s', '8 s', '83 s', '83 min', '250 h']
    """
    for unit, length in (("s", 1.0), ("min", 60.0), ("h", 3600.0)):
        if (count := seconds / length) < 100 or unit == "h":
            break
    return f"{max(round(float(f'{count:.2g}')), 1)} {unit}"


def _bytes(size: int) -> str:
    """Return a size for people, in decimal units."""
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{-(-size // 1000)} kB"
