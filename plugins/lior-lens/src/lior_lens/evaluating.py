"""How good the estimates are, beside their controls, on pictures whose lens is known.

Controls: doing nothing, the mean lens of the draws, a random draw, and the lines with constant votes (the
classical plumb line). Errors are mean distances of points in pixels of a picture 640 wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lior_lens import data, estimating, lenses, lines
from lior_lens.geometry import Lens, Size
from lior_lens.trust import Trust

if TYPE_CHECKING:
    from lior_lens.runs import Model

SEED = 20_000
"""Of the pictures that are judged by; training draws from others."""
_CALIBRATION = 400


def sets(folders: Iterable[Any] = ()) -> dict[str, data.Source]:
    """What is judged on: drawn scenes, boards, and photographs that were never trained on."""
    from pathlib import Path

    photographs = [each for folder in folders for each in data.folder(Path(folder))] or data.packaged(
        data.HELD_OUT
    )
    found: dict[str, data.Source] = {"scenes": data.Scenes(), "boards": data.Boards()}
    if photographs:
        found["photographs"] = data.photo_source(photographs)
    return found


def mean_strength() -> float:
    """Of the lenses that are drawn."""
    rng = np.random.default_rng(SEED + 1)
    return float(np.mean([lines.strength_of(lenses.draw(rng)) for _ in range(_CALIBRATION)]))


def compare(
    source: data.Source, count: int, *, model: Model | None, trust: Trust | None, long_side: int = 640,
    seed: int = SEED, say: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Any]:  # fmt: skip
    """The errors of each estimate and control on ``count`` pictures of a source, ready for JSON."""
    stream = data.Stream(source=source, seed=seed, long_side=long_side)
    rng = np.random.default_rng(seed + 2)
    mean = mean_strength()
    errors: dict[str, list[float]] = {}
    moved: list[float] = []
    sure: list[bool] = []
    off: list[float] = []
    for index in range(count):
        sample = stream.sample(index)
        size = sample.size
        found = lines.arcs(sample.picture)
        guesses: dict[str, Lens] = {
            "identity": Lens(), "mean": lines.lens_of(mean), "random": lenses.draw(rng),
            "plumb line": lines.judge(found).lens,
        }  # fmt: skip
        belief = None
        if trust is not None:
            guesses["lines with trust"] = lines.judge(found, trust=trust).lens
        if model is not None:
            belief, guesses["network"], _ = estimating.proposed(sample.picture, model)
        verdict = lines.judge(found, belief, trust=trust)
        if model is not None:
            guesses["network and lines"] = verdict.lens
        guesses["as used"] = verdict.lens if verdict.sure else Lens()
        sure.append(verdict.sure)
        off.append((verdict.strength - lines.strength_of(sample.lens)) / verdict.spread)
        for name, lens in guesses.items():
            errors.setdefault(name, []).append(lenses.endpoint_error(lens, sample.lens, size))
        if sample.lens.is_identity:
            moved.append(errors["as used"][-1])
        say(index + 1, count)
    return {
        "pictures": count,
        "errors": {name: _summary(values, errors["identity"]) for name, values in errors.items()},
        "sure": float(np.mean(sure)), "spread_ratio": float(np.sqrt(np.mean(np.square(off)))),
        "undistorted": {"pictures": len(moved), "mean_px": float(np.mean(moved)) if moved else None},
    }  # fmt: skip


def _summary(values: list[float], identity: list[float]) -> dict[str, float]:
    v, i = np.array(values), np.array(identity)
    return {
        "mean_px": float(v.mean()), "median_px": float(np.median(v)), "p90_px": float(np.quantile(v, 0.9)),
        "of_identity": float(v.mean() / i.mean()), "better": float((v < i).mean()),
    }  # fmt: skip


def unmoved(
    pictures: list[tuple[str, NDArray[np.uint8]]], *, model: Model | None, trust: Trust | None
) -> dict[str, float]:
    """By how many pixels at 640 wide photographs move that are taken to be straight already."""
    found = {}
    for name, picture in pictures:
        said = estimating.estimate(picture, model, trust)
        size = Size(width=picture.shape[1], height=picture.shape[0])
        lens = said.lens if said.sure else Lens()
        found[name] = lenses.endpoint_error(lens, Lens(), size)
    return found
