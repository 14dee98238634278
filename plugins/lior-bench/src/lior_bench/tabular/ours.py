"""lior-tables on a split: the estimators with their defaults, and models of single parts."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lior_tables
from lior_bench.tabular.sets import Array, Split, encode
from lior_tables.estimators import GeometricClassifier, GeometricRegressor
from lior_tables.model import Options, TableModel

ALPHA = 0.1
_CHANGES_NOTHING = {"explanation", "judging", "saving", "plots", "reading"}


@cache
def code() -> str:
    """Return a digest of the modules that matter: results of an earlier version are not reused."""
    folder = Path(lior_tables.__file__).parent
    files = [path for path in sorted(folder.glob("*.py")) if path.stem not in _CHANGES_NOTHING]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def estimator(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """Fit the estimator with its defaults on the unchanged table; intervals if the target is a number."""
    begin = time.process_time()
    kind = GeometricClassifier if split.classes else GeometricRegressor
    model = kind(random_state=split.seed).fit(split.learn, split.y)
    fitted = time.process_time()
    if split.classes:
        predictions = np.zeros((len(split.test), split.classes))
        predictions[:, np.asarray(model.classes_, dtype=np.int64)] = model.predict_proba(split.test)
    else:
        predictions = model.predict(split.test)
    done = time.process_time()
    arrays = {"predictions": predictions}
    if not split.classes:
        low, high = model.predict_interval(split.test, alpha=ALPHA)
        arrays |= {"low": low, "high": high}
    return {
        "fit_seconds": fitted - begin,
        "predict_seconds": done - fitted,
        "members": _members(model.model_),
    }, arrays


def made_of(options: Options, split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """Fit a model with these options on coordinates that all models share."""
    learn, test = (torch.from_numpy(part).float() for part in encode(split, standardise=True))
    y = torch.from_numpy(np.eye(split.classes)[split.y] if split.classes else split.y[:, None]).float()
    begin = time.process_time()
    generator = torch.Generator().manual_seed(split.seed)
    model = TableModel.fit(learn, y, classes=bool(split.classes), options=options, generator=generator)
    fitted = time.process_time()
    found = (model.probabilities(test) if split.classes else model.predict(test)[:, 0]).double().numpy()
    seconds = {"fit_seconds": fitted - begin, "predict_seconds": time.process_time() - fitted}
    return {**seconds, "members": _members(model)}, {"predictions": found}


def _members(model: TableModel) -> list[list[Any]]:
    return [
        [member.candidate.name, round(share, 3)]
        for member, share in zip(model.members, model.member_weights, strict=True)
    ]


_PARTS = {
    "frame": ("derived", "lowrank", "rotor"),
    "rsource": ("local", "constitutive", "curvature"),
    "product": ("wedge", "tensor", "spinor"),
}
_STILL = ", metric not learned"


def _ablations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names and options: each part by itself in a model of one member, and the mean of several."""
    for readout in ("ridge", "vote"):
        one: dict[str, Any] = {"members": 1, "readout": readout}
        yield readout, one
        yield readout + _STILL, {**one, "rounds": 0}
        for kind, names in _PARTS.items():
            for name in names:
                yield f"{readout}, {kind} {name}", {**one, kind: name}
                if (readout, kind) == ("vote", "rsource"):
                    yield f"{readout}, {kind} {name}{_STILL}", {**one, kind: name, "rounds": 0}
    yield "mean of members", {}
    yield "mean of members" + _STILL, {"rounds": 0}


ABLATIONS = dict(_ablations())
"""Options by name. Each is compared with the name before the comma, the mean of members with ``ridge``."""


def measure(name: str, split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """Measure ``lior-tables`` or the named ablation."""
    if name == "lior-tables":
        return estimator(split)
    return made_of(Options(**ABLATIONS[name]), split)


def settings(name: str) -> str:
    """Return everything that the result of a name depends on beside the split."""
    return json.dumps([code(), {} if name == "lior-tables" else ABLATIONS[name]])
