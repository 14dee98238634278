"""Common parts of the commands: options, opening models and files, numbers as text."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from lior.errors import DataError, RunError, UsageError
from lior.plots import format_number
from lior_cli import (
    PLAIN_SECONDS,
    PluginName,
    RealNumber,
    RunPath,
    WholeNumber,
    escape_controls,
    given,
    import_torch,
    printable_line,
    unescape,
)

if TYPE_CHECKING:
    from pandas import DataFrame

    from lior_tables.loading import Estimator
    from lior_tables.reading import Task

Callback = Callable[..., Any]

run_argument = click.argument("run", type=RunPath())
file_argument = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
seed_option = click.option(
    "--seed",
    type=WholeNumber(min=0, max=2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of the splits that choices are made on.",
)
skip_option = click.option("--skip-missing", is_flag=True, help="Leave out rows whose target is missing.")
_TASK = (
    click.option(
        "--target",
        "targets",
        multiple=True,
        required=True,
        metavar="COLUMN",
        help="Column to predict. May be repeated for several numbers.",
    ),
    click.option("--drop", multiple=True, metavar="COLUMN", help="Column to leave out. May be repeated."),
    click.option(
        "--category",
        "words",
        multiple=True,
        metavar="COLUMN",
        help="Column of numbers that are names, such as codes. May be repeated.",
    ),
    click.option(
        "--classify/--regress",
        "classes",
        default=None,
        help="Predict a class, or a number.  [default: as the target looks]",
    ),
    skip_option,
    click.option(
        "--pictures",
        metavar="COLUMN",
        default="",
        help="Column that names files of pictures or arrays, beside FILE.  [default: FILE is a table]",
    ),
    click.option(
        "--size",
        type=WholeNumber(min=2),
        default=32,
        show_default=True,
        help="Maximum pixels along an axis; larger pictures are reduced.",
    ),
)
_PLUGINS = (
    click.option("--frame", type=PluginName("frame"), default="agop", show_default=True, help="Metric."),
    click.option(
        "--rsource",
        type=PluginName("rsource"),
        help="Resilience: a local scale of the cost.  [default: none]",
    ),
    click.option(
        "--product",
        type=PluginName("product"),
        default="power",
        show_default=True,
        help="Cost of a distance.",
    ),
    click.option(
        "--readout",
        metavar="[ridge|vote]",
        default="ridge",
        show_default=True,
        help="Readout: ridge solves and is more accurate, vote is a mean of the nearest rows.",
    ),
    click.option(
        "--categories",
        type=click.Choice(["auto", "one-hot", "distance"]),
        default="auto",
        show_default=True,
        help="Words as a coordinate each, or as the mean of the targets of their rows.",
    ),
    click.option(
        "--texts",
        metavar="[auto|words|EMBEDDER]",
        default="auto",
        show_default=True,
        help="Comparison of texts: by their words, or a sentence encoder such as e5. auto: e5"
        " for up to 1,000 texts if lior-ask is installed.",
    ),
    click.option(
        "--members",
        type=WholeNumber(min=1),
        default=6,
        show_default=True,
        help="Maximum number of kinds of kernels to try.",
    ),
    click.option(
        "--rounds",
        type=WholeNumber(min=0),
        default=5,
        show_default=True,
        help="Maximum rounds of learning the metric.",
    ),
    click.option(
        "--time-limit", type=RealNumber(min=0, min_open=True), metavar="SECONDS", help="Time for fitting."
    ),
)
_FOR_PICTURES = {"size": "--size", "features": "--features"}
_FOR_TABLES = {"words": "--category", "categories": "--categories", "texts": "--texts"}
"""Options that only one kind of inputs has, by parameter."""
PARAMETERS: tuple[str, ...] = ("frame", "rsource", "product", "readout", "categories", "texts", "members")
PARAMETERS += ("rounds", "time_limit")
"""Options that are parameters of an estimator."""


def task_options(command: Callback) -> Callback:
    """Add the options that name the roles of columns; see :func:`task_of`."""
    return functools.reduce(lambda found, option: option(found), reversed(_TASK), command)


def plugin_options(command: Callback) -> Callback:
    """Add the options of the model, named as the estimator's parameters."""
    return functools.reduce(lambda found, option: option(found), reversed(_PLUGINS), command)


def task_of(frame: DataFrame, path: Path, given: dict[str, Any]) -> tuple[Task, DataFrame]:
    """Return the task, and the rows that have targets; ``given`` are the values of :func:`task_options`."""
    from lior_tables.reading import Task, check_variety
    from lior_tables.rows import read_cells

    others = [*given.get("words", ()), *filter(None, (given.get("time"), given.get("group")))]
    task = Task.of(frame, given["targets"], drop=given["drop"], classes=given["classes"], others=others)
    for name, form in task.forms.items() if given["skip_missing"] else ():
        frame[name] = read_cells(frame[name], name, form)
    frame = task.with_targets(frame)
    frame = without_gaps(frame, task, path) if given["skip_missing"] else frame
    check_variety(frame[list(task.targets)], path, classes=task.classes)
    return task, frame


def note_without_effect(task: Task) -> None:
    """Say which options of the current command have no effect on pictures, or on a table."""
    kind, names = ("pictures", _FOR_TABLES) if task.pictures else ("a table", _FOR_PICTURES)
    for name, flag in names.items():
        if given(name):
            click.echo(f"note: {flag} has no effect on {kind}", err=True)


def without_gaps(frame: DataFrame, task: Task, path: Path) -> DataFrame:
    """Return the rows that have targets, by their numbers in the file."""
    frame = frame.dropna(subset=[name for name in task.targets if name in frame])
    if frame.empty:
        raise DataError(f"{path}: every row lacks the target")
    return frame


def opened(run: Path) -> tuple[Estimator, Path, Task]:
    """Return a model made by a command, its checkpoint and its task."""
    import_torch()
    from lior_tables.loading import open_saved

    estimator, task, place = open_saved(run)
    if task is None:
        raise RunError(f"{run}: saved in Python, without the names of a file's columns; use it there")
    return estimator, place, task


def inputs_of(
    frame: DataFrame, path: Path, estimator: Estimator, task: Task, *, learning: bool = False
) -> DataFrame:
    """Return the columns of a model; those that it does not need may be missing, and are then empty.

    For ``learning``, they are stored if they are there.
    """
    if task.pictures:
        return task.rows(frame, path)
    needed = estimator.inputs(learning=learning)
    there = [name for name in task.inputs if name in needed or (learning and name in frame)]
    return attrs.evolve(task, inputs=there).rows(frame, path).reindex(columns=list(task.inputs))


def refuse_input(out: Path, file: Path) -> None:
    """Refuse, before any work, to replace the input, or a picture of the folder that is the input.

    Raises
    ------
    UsageError
        For any spelling of the same path, a link to it, and for a file that is standard input.
    """
    from lior_tables.images import holds

    same = file.is_dir() and holds(out) and out.exists() and out.resolve().is_relative_to(file.resolve())
    with contextlib.suppress(OSError, ValueError):  # there is no such file; or standard input is none
        given = os.fstat(sys.stdin.fileno()) if str(file) == "-" else file.stat()
        same = same or os.path.samestat(given, out.stat())
    if same:
        raise UsageError(f"{out}: is the input, which would be replaced; give --out another name")


@contextlib.contextmanager
def bad_input(path: Path) -> Iterator[None]:
    """Turn errors of the estimators into one line that names the file; each note appears once."""
    show, said = warnings.showwarning, set()

    def once(message: Warning | str, *args: Any, **others: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            show(message, *args, **others)

    warnings.showwarning = once
    try:
        yield
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {' '.join(str(error).split())}") from error
    finally:
        warnings.showwarning = show


@contextlib.contextmanager
def told(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Yield a callback that shows the current step and the share that is done, on standard error.

    It is one live line on a terminal; elsewhere a plain line every few seconds.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    live = not quiet and sys.stderr.isatty()
    text = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), text)
    printed = time.monotonic()

    def tell(what: str, share: float) -> None:
        nonlocal printed
        bar.update(task, completed=share, description=escape_controls(what))
        if not live and not quiet and time.monotonic() - printed >= PLAIN_SECONDS:
            printed = time.monotonic()
            click.echo(f"{what} ({100 * share:.0f} %)", err=True)

    with Progress(
        *columns, console=Console(file=unescape(sys.stderr)), disable=not live, transient=True
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield tell


# --- as text ---


def number(value: float) -> str:
    """Return a number with four digits, and separators between thousands."""
    return format_number(value) if abs(value) > 1e-12 else "0"  # rounding leaves nothing of interest


def shown(value: float | str | None) -> str:
    """Return a cell of the user's table."""
    if value is None:
        return "missing"
    return printable_line(value) if isinstance(value, str) else f"{value:,.6g}"


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.0f} %" if abs(share) >= 0.0995 else f"{100 * share:.1f} %"


def shorter(text: str, most: int = 22) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= most else text[: most - 1] + "…"
