"""Whether the length of a memory should follow the action: what the best possible rule would gain.

    python plugins/lior-field/bench/order.py

Reservoirs of different horizons score a text. Its bytes are sorted into five classes by the action of the
path before them, a running mean in a learned geometry. The best horizon of each class is chosen on the first
half of the text and used on the second; the control is the one horizon that is best on the first half.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from connection import texts, trained
from numpy.typing import NDArray

from lior.data import corpus
from lior.model import scoring
from lior.reading.documents import RawDocument
from lior_field import actions

HORIZONS = (2.0, 3.0, 4.0, 8.0, 16.0)
CLASSES, WINDOW = 5, 16


def history(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exponential mean over the bytes before each, of :data:`WINDOW` bytes."""
    mean, means = float(values.mean()), []
    for value in values:
        means.append(mean)
        mean += (value - mean) / WINDOW
    return np.array(means)


def gain(kind: str, text: str, seed: int) -> dict[str, object]:
    """Bits per byte of the second half of the last fifth, with one horizon and with one for each class."""
    cut = len(text) * 4 // 5
    fresh = [RawDocument("fresh", text[cut:].encode())]

    def bits(horizon: float) -> NDArray[np.float64]:
        run = trained(kind, text[:cut], seed, {"name": "reservoir", "reservoir": {"horizon": horizon}})
        return scoring.score(run.model, corpus.build(fresh, run.model.tokenizer))[0].bits

    run = trained(kind, text[:cut], seed, "exact")
    path = actions.measure(run.model, corpus.build(fresh, run.model.tokenizer))[0]
    scored = np.stack([bits(horizon) for horizon in HORIZONS])
    half = scored.shape[1] // 2
    found: dict[str, object] = {"text": kind, "seed": seed}
    single = int(scored[:, :half].mean(1).argmin())
    found["one horizon"] = round(float(scored[single, half:].mean()), 4)
    for name, values in (("action", path.action), ("turning", path.turning), ("plain step", path.plain)):
        past = history(np.asarray(values))
        classes = np.searchsorted(np.quantile(past[:half], np.linspace(0, 1, CLASSES + 1)[1:-1]), past)
        best = [int(scored[:, :half][:, classes[:half] == c].mean(1).argmin()) for c in range(CLASSES)]
        chosen = scored[np.array(best)[classes[half:]], np.arange(half, scored.shape[1])]
        found[name] = {
            "bits": round(float(chosen.mean()), 4), "horizons": [HORIZONS[b] for b in best]
        }  # fmt: skip
    return found


def main() -> None:
    """Print a line for each text and seed."""
    torch.set_num_threads(1)
    for seed in range(2):
        for kind, text in texts(seed).items():
            print(json.dumps(gain(kind, text, seed)), flush=True)


if __name__ == "__main__":
    main()
