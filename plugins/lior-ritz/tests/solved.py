"""Small solved problems that several tests look at, each worked out once in a process."""

from __future__ import annotations

import json
import time
from functools import cache
from typing import Any

import numpy as np

from lior_ritz import config as configuration
from lior_ritz.reports import artefacts
from lior_ritz.training import solution
from lior_ritz.training.solution import Solution, finished
from lior_ritz.training.trainer import Trainer

_SMALL = {
    "model": {"hidden_features": 12},
    "solver": {"K": 3, "M": 4, "network": True},
    "training": {"steps": 20, "lbfgs_refine": {"steps": 30}},
}
CASES: dict[str, dict[str, Any]] = {
    "dot": {},
    "negative": {"potential": {"type": "gaussian", "sigma_y": 0.9}, "domain": {"X": 3.5, "Y": 3.5}},
    "line": {"potential": {"type": "harmonic"}, "domain": {"dim": 1, "X": 3.0}},
    "space": {
        "model": {"hidden_features": 6},
        "potential": {"type": "harmonic"},
        "domain": {"dim": 3, "X": 3.0, "Y": 3.0, "Z": 3.0, "nq": 8, "eval_nq": 14},
        "training": {"steps": 2, "lbfgs_refine": {"steps": 2}, "mc_points": 256},
    },
    "natural": {
        "domain": {"boundary": "natural", "nq": 24},
        "training": {
            "lr_schedule": {"type": "plateau", "patience": 0, "cooldown": 0, "threshold": 0.5},
            "loss_weights": {"S_condition": 1e-3},
        },
    },
}


def solve(*layers, overrides=()) -> Solution:
    """What a trained network finds."""
    return solution.solve(*layers, overrides=["solver.network=true", *overrides])


@cache
def solved(name: str) -> tuple[Solution, list[dict[str, Any]]]:
    """The solution of a case, and the lines that a run would have written of it."""
    config = configuration.load([_SMALL, CASES[name]], env={}).config
    trainer, history, begin = Trainer(config, configuration.problem(config)), [], time.process_time()
    while (phase := trainer.phase) is not None:
        head = {
            "time": 0.0,
            "stage": phase.name,
            "step": trainer.progress.phase_step + 1,
            "steps": phase.steps,
        }
        line = trainer.step()
        if trainer.evaluated:
            line |= trainer.check()
        history.append(head | line)
    return finished(trainer, time.process_time() - begin), history


def written(name, folder, history=None):
    """The results and arrays of a case, written to ``folder`` and read again."""
    found, lines = solved(name)
    artefacts.write(found, folder, run_id="r", history=lines if history is None else history)
    return read(folder)


def read(folder):
    """Results and arrays as a stranger reads them: strict JSON, no pickles."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (folder / "results.json").read_text(encoding="utf-8")
    results = json.loads(text, parse_constant=refuse)
    arrays = {path.stem: np.load(path, allow_pickle=False) for path in (folder / "arrays").iterdir()}
    return results, arrays
