"""Fitted models from the disk; :mod:`lior_tables.saving` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lior.interfaces import State
from lior.runs import bundle
from lior.runs import folder as runfolder
from lior_tables.cells import restored
from lior_tables.columns import Columns
from lior_tables.estimators import GeometricClassifier, GeometricRegressor
from lior_tables.intervals import Spread
from lior_tables.ledger import Ledger
from lior_tables.model import TableModel
from lior_tables.patches import Patches
from lior_tables.reading import Task
from lior_tables.saving import FORMAT, PROGRAM

Estimator = GeometricRegressor | GeometricClassifier


def load(path: str | Path) -> Estimator:
    """Return the fitted estimator in the folder that :meth:`save` or ``lior table fit`` made.

    Raises
    ------
    lior.errors.RunError
        When the folder is not a model, or damaged.
    """
    return open_saved(Path(path))[0]


def open_saved(path: Path) -> tuple[Estimator, Task | None, Path]:
    """Return a model, its task (``None`` for one of Python), and the checkpoint that it was read from.

    Raises
    ------
    RunError
        As :func:`load`.
    """
    runfolder.check(path, program=PROGRAM, command="lior table fit")

    def read(place: Path) -> tuple[Estimator, Task | None]:
        manifest, groups = bundle.read(place, format=FORMAT)
        with bundle.misfits_as_run_errors(place, program=PROGRAM):
            return _restore(manifest, groups), Task(**manifest["task"]) if manifest["task"] else None

    (estimator, task), place = runfolder.newest(path, read)
    return estimator, task, place


def _restore(manifest: Mapping[str, Any], groups: Mapping[str, State]) -> Estimator:
    kinds: tuple[type[Estimator], ...] = (GeometricRegressor, GeometricClassifier)
    kind = {each.__name__: each for each in kinds}[manifest["kind"]]
    known = kind().get_params()  # options that no longer exist are ignored
    estimator = kind(**{name: value for name, value in manifest["parameters"].items() if name in known})
    estimator.n_features_in_ = manifest["inputs"]
    if manifest["names"] is not None:
        estimator.feature_names_in_ = np.array(manifest["names"], dtype=object)
    estimator._forms = restored(manifest.get("forms", {}))
    described = manifest["columns"]
    estimator.columns_ = (
        Patches.restore(groups["patches"]) if described is None else Columns.of_record(described)
    )
    estimator.ledger_ = Ledger.restore(groups["rows"], manifest["ledger"])
    estimator.model_ = TableModel.restore(groups["model"], manifest["model"])
    estimator._changed()
    if isinstance(estimator, GeometricClassifier):
        estimator.classes_ = np.array(manifest["classes"], dtype=np.dtype(manifest["classes_type"]))
    else:
        estimator._spread = Spread(**groups["spread"])
    return estimator
