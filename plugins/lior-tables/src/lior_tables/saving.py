"""Fitted models on disk: a run folder of lior with tensors and JSON, and nothing that can run code.

::

    config.toml      the requested options, for people
    checkpoints/     the model with its training rows; the newest valid one counts
    lock             held by the process that changes the model
    plots/           from ``lior table plot``
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import tomli_w

from lior.errors import RunError
from lior.interfaces import State
from lior.runs import bundle
from lior.runs import folder as runfolder
from lior.runs.folder import CONFIG, RunFolder
from lior_tables.patches import Patches
from lior_tables.reading import Task

PROGRAM = "lior-tables"
FORMAT = bundle.Format(program=PROGRAM, version=2)


def check_new(estimator: Any, path: Path, task: Task | None = None) -> None:
    """Refuse, before any work, a folder that :func:`save` would refuse; raises ``RunError``."""
    runfolder.check_place(path)
    runfolder.refuse_used(path, {CONFIG: _config(estimator, task)})


def save(estimator: Any, path: Path, task: Task | None = None) -> None:
    """Write a model to a new folder, with the task of the command line.

    Raises
    ------
    RunError
        When the folder is not empty, or cannot be written, or the model cannot be read back.
    """
    folder = RunFolder.create(path, {CONFIG: _config(estimator, task)})
    try:
        _write(folder, 0, estimator, task)
    finally:
        folder.close()


def save_edited(path: Path, place: Path, estimator: Any, task: Task | None) -> None:
    """Write the next version of the model that was read from ``place``.

    No older version remains: it may hold rows that were forgotten.

    Raises
    ------
    RunError
        When another process has locked the folder or has changed the model, or it cannot be written; the
        model is then unchanged.
    """
    folder = RunFolder.open(path, place)
    try:
        if runfolder.list_checkpoints(path)[0] != place:
            raise RunError(f"{path}: another process has changed the model; nothing was written; repeat")
        runfolder.remove_older(path, _write(folder, runfolder.number(place) + 1, estimator, task))
    finally:
        folder.close()


def _write(folder: RunFolder, number: int, estimator: Any, task: Task | None) -> Path:
    manifest, groups = _record(estimator)
    manifest["task"] = task and attrs.asdict(task)
    try:
        with folder.writing(number, partial(bundle.read, format=FORMAT)) as path:
            bundle.write(path, groups, manifest, format=FORMAT)
        return path
    except OSError as error:
        raise RunError(f"{folder.path}: cannot be written: {error.strerror or error}") from error


# --- to tensors and JSON ---


def _record(estimator: Any) -> tuple[dict[str, Any], dict[str, State]]:
    rows, ledger = estimator.ledger_.snapshot()
    numbers, model = estimator.model_.snapshot()
    groups = {"rows": rows, "model": numbers}
    names = getattr(estimator, "feature_names_in_", None)
    manifest: dict[str, Any] = {
        "kind": type(estimator).__name__,
        "parameters": _parameters(estimator),
        "inputs": estimator.n_features_in_,
        "names": None if names is None else list(names),
        "columns": None if isinstance(estimator.columns_, Patches) else estimator.columns_.record(),
        "forms": {name: form and attrs.asdict(form) for name, form in estimator._forms.items()},
        "ledger": ledger,
        "model": model,
    }
    if isinstance(estimator.columns_, Patches):
        groups["patches"] = estimator.columns_.snapshot()
    if hasattr(estimator, "classes_"):
        manifest["classes"] = estimator.classes_.tolist()
        manifest["classes_type"] = estimator.classes_.dtype.str
    else:
        groups["spread"] = estimator.spread().snapshot()
    return manifest, groups


def _parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters, ready for JSON; a generator of random numbers has no record."""
    found = dict(estimator.get_params(deep=False))
    if not isinstance(found["random_state"], int | np.integer):
        found["random_state"] = None
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}


def _config(estimator: Any, task: Task | None) -> str:
    """Return the requested options as TOML, which has no null."""
    tables = {"model": {"kind": type(estimator).__name__, **_parameters(estimator)}}
    tables |= {"task": attrs.asdict(task)} if task else {}
    return tomli_w.dumps(_without_nulls(tables))


def _without_nulls(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table, and the tables in it, without the keys whose value is ``None``."""
    return {
        name: _without_nulls(value) if isinstance(value, dict) else value
        for name, value in table.items()
        if value is not None
    }
