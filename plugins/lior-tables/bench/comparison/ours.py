"""lior-tables on a split: the estimators as a user has them, and models made of single parts."""

from __future__ import annotations

import hashlib
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lior_tables
from comparison.sets import Array, Split, encode
from lior_tables.estimators import GeometricClassifier, GeometricRegressor
from lior_tables.model import Options, TableModel

ALPHA = 0.1
_CHANGES_NOTHING = {"explanation", "judging", "saving", "plots", "reading"}


@cache
def code() -> str:
    """A digest of the modules that numbers depend on: an earlier version's are not taken for this one's."""
    folder = Path(lior_tables.__file__).parent
    files = [path for path in sorted(folder.glob("*.py")) if path.stem not in _CHANGES_NOTHING]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def estimator(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """The estimator with its defaults on the table as it is; intervals where the target is a number."""
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
    """A model with these options on coordinates that all of them share."""
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


_ONE: dict[str, Any] = {"members": 1}
"""A single member, so that a part's effect is its own and not the mean's."""
_FRAMES = ("derived", "lowrank", "rotor")
_RSOURCES = ("local", "constitutive", "curvature")
_PRODUCTS = ("wedge", "tensor", "spinor")
ABLATIONS: dict[str, dict[str, Any]] = {
    "ridge": _ONE,
    "ridge, metric not learned": {**_ONE, "rounds": 0},
    **{f"ridge, frame {name}": {**_ONE, "frame": name} for name in _FRAMES},
    **{f"ridge, rsource {name}": {**_ONE, "rsource": name} for name in _RSOURCES},
    **{f"ridge, product {name}": {**_ONE, "product": name} for name in _PRODUCTS},
    "vote": {**_ONE, "readout": "vote"},
    "vote, metric not learned": {**_ONE, "readout": "vote", "rounds": 0},
    **{
        f"vote, frame {name}": {**_ONE, "readout": "vote", "frame": name}
        for name in _FRAMES
    },
    **{
        f"vote, rsource {name}": {**_ONE, "readout": "vote", "rsource": name}
        for name in _RSOURCES
    },
    **{
        f"vote, rsource {name}, metric not learned": {
            **_ONE, "readout": "vote", "rsource": name, "rounds": 0,
        }
        for name in _RSOURCES
    },
    **{
        f"vote, product {name}": {**_ONE, "readout": "vote", "product": name}
        for name in _PRODUCTS
    },
    "mean of members": {},
    "mean of members, metric not learned": {"rounds": 0},
}  # fmt: skip
"""Name -> options. Each is compared with the name before the comma, the mean of members with ``ridge``."""


def measure(name: str, split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """``lior-tables`` or the name of an ablation."""
    if name == "lior-tables":
        return estimator(split)
    return made_of(Options(**ABLATIONS[name]), split)


def settings(name: str) -> str:
    """What a result of that name depends on beside the split."""
    return json.dumps([code(), {} if name == "lior-tables" else ABLATIONS[name]])
