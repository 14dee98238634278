"""How good the estimates are, beside their controls, on pictures whose lens is known.

Drawn pictures get a random lens each; photographs, which are taken to be straight, each of nine lenses
(:data:`lior_lens.lenses.NINE`), without borders. Controls: doing nothing, the mean lens of the draws, a
random draw, and the lines with constant votes (the classical plumb line). Errors are mean distances of points
in pixels of a picture 640 wide.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lior.errors import DataError, UsageError
from lior_lens import data, estimating, lenses, lines
from lior_lens.arcs import find_arcs
from lior_lens.geometry import Lens, Size
from lior_lens.trust import Trust

if TYPE_CHECKING:
    from lior_lens.runs import LensModel

SEED = 20_000
"""Seed of the evaluated pictures; training draws others."""
_CALIBRATION = 400
_LONG_SIDE = 1024
"""Photographs are bent at this size: what lines look at."""
_MOVED = 1.0
"""Pixels at 640 wide from which an undistorted photograph counts as moved."""
MANIFEST = "manifest.csv"


@attrs.frozen(kw_only=True)
class Photograph:
    """A photograph of the collection, taken to be straight."""

    path: Path
    name: str
    kind: str = ""
    """As in the manifest: A strong straight structure, B weaker, C none."""
    series: str = ""
    """Pictures of one scene; of the folder if there is no manifest."""


@attrs.frozen(kw_only=True)
class Answer:
    """The estimate for one picture, with the truth."""

    name: str
    kind: str
    strength: float
    """The true one."""
    said: float
    spread: float
    sure: bool
    errors: dict[str, float]
    """The error of each estimate and control."""


def sources() -> dict[str, data.SampleSource]:
    """Return the sources of drawn pictures to evaluate on."""
    return {"scenes": data.Scenes(), "boards": data.Boards()}


def collection(folder: Path, part: str | None = None) -> list[Photograph]:
    """Return the photographs of a folder, or of one part in its ``manifest.csv``.

    The manifest has the columns file, series, part and kind (``tools/photographs.py`` writes one). Raises
    ``DataError`` where there is no photograph, ``UsageError`` for a part that is not there.
    """
    listing = folder / MANIFEST
    if not listing.is_file():
        if part is not None:
            raise UsageError(f"{folder}: no {MANIFEST}, which says what belongs to the part {part!r}")
        return [
            Photograph(path=path, name=str(path.relative_to(folder)), series=path.stem)
            for path in data.image_files(folder)
        ] or _none(folder)
    with listing.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if lacking := {"file", "series", "part", "kind"} - set(rows[0] if rows else ()):
        raise DataError(f"{listing}: no column {', '.join(sorted(lacking))}")
    parts = sorted({row["part"] for row in rows})
    if part is not None and part not in parts:
        raise UsageError(f"{listing}: no part {part!r}; there are {', '.join(parts)}")
    return [
        Photograph(path=folder / row["file"], name=row["file"], kind=row["kind"], series=row["series"])
        for row in rows
        if part in (None, row["part"])
    ] or _none(folder)


def _none(folder: Path) -> list[Photograph]:
    raise DataError(f"{folder}: no photograph in there ({', '.join(sorted(data.SUFFIXES))})")


def bent(picture: NDArray[np.uint8], *, long_side: int = _LONG_SIDE) -> Iterator[data.Sample]:
    """A straight picture under each of the nine lenses, without borders and never enlarged."""
    height, width = picture.shape[:2]
    fit = min(1.0, long_side / max(height, width))
    size = Size(width=round(width * fit), height=round(height * fit))
    for lens in lenses.NINE:
        seen, straight = lenses.bend(picture, lens, size)
        yield data.Sample(picture=seen, straight=straight, lens=lens, name="")


def drawn(
    source: data.SampleSource,
    count: int,
    *,
    model: LensModel | None,
    trust: Trust | None,
    long_side: int = 640,
    seed: int = SEED,
) -> Iterator[Answer]:
    """Answers to ``count`` pictures of a source."""
    stream = data.Stream(source=source, seed=seed, long_side=long_side)
    controls = _Controls(seed)
    for index in range(count):
        yield _answer(stream.sample(index), controls, model=model, trust=trust)


def photographs(
    found: Sequence[Photograph], *, model: LensModel | None, trust: Trust | None
) -> Iterator[Answer]:
    """Answers to photographs under nine lenses each."""
    controls = _Controls(SEED)
    for each in found:
        for sample in bent(data.read_rgb(each.path)):
            named = attrs.evolve(sample, name=each.name)
            yield _answer(named, controls, model=model, trust=trust, kind=each.kind)


class _Controls:
    """Lenses that know nothing of a picture."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(SEED + 1)
        drawn = [lines.strength_of(lenses.draw(rng)) for _ in range(_CALIBRATION)]
        self._mean = lines.lens_of(float(np.mean(drawn)))
        self._rng: Generator = np.random.default_rng(seed + 2)

    def lenses(self) -> dict[str, Lens]:
        return {"identity": Lens(), "mean": self._mean, "random": lenses.draw(self._rng)}


def _answer(
    sample: data.Sample, controls: _Controls, *, model: LensModel | None, trust: Trust | None, kind: str = ""
) -> Answer:
    found = find_arcs(sample.picture)
    guesses = controls.lenses() | {"plumb line": lines.judge(found).lens}
    belief = None
    if model is not None:
        belief, guesses["network"], _ = estimating.propose(sample.picture, model)
        if trust is not None:
            guesses["lines"] = lines.judge(found, trust=trust).lens
    verdict = lines.judge(found, belief, trust=trust)
    guesses["estimate"] = verdict.lens
    guesses["as used"] = verdict.lens.blended(verdict.share) if verdict.sure else Lens()
    return Answer(
        name=sample.name,
        kind=kind,
        strength=lines.strength_of(sample.lens),
        said=verdict.strength,
        spread=verdict.spread,
        sure=verdict.sure,
        errors={
            name: lenses.endpoint_error(lens, sample.lens, sample.size) for name, lens in guesses.items()
        },
    )


def summary(answers: Iterable[Answer]) -> dict[str, Any]:
    """The figures of some answers, ready for JSON.

    Ratios to the identity, and the shares that came out better or worse, are of pictures with a distortion.
    """
    some = list(answers)
    if not some:
        raise UsageError("no picture was judged")
    moved = np.array([each.strength != 0 for each in some])
    errors = {name: np.array([each.errors[name] for each in some]) for name in some[0].errors}
    identity, used = errors["identity"], errors["as used"]
    z = np.abs([(each.said - each.strength) / each.spread for each in some])
    sure = np.array([each.sure for each in some])
    return {
        "pictures": len(some),
        "errors": {name: _errors(v, identity, moved) for name, v in errors.items()},
        "sure": float(sure.mean()),
        "within_2_sigma": float((z <= 2).mean()),
        "within_2_sigma_sure": float((z <= 2)[sure].mean()) if sure.any() else None,
        "worse": float((used > identity)[moved].mean()) if moved.any() else None,
        "undistorted": {
            "pictures": int((~moved).sum()),
            "moved": int((used[~moved] > _MOVED).sum()),
            "names": [e.name for e, u in zip(some, used, strict=True) if e.strength == 0 and u > _MOVED],
        },
    }


def _errors(
    v: NDArray[np.float64], identity: NDArray[np.float64], moved: NDArray[np.bool_]
) -> dict[str, Any]:
    there = bool(moved.any())
    return {
        "mean_px": float(v.mean()),
        "median_px": float(np.median(v)),
        "p90_px": float(np.quantile(v, 0.9)),
        "of_identity": float(v[moved].sum() / identity[moved].sum()) if there else None,
        "better": float((v < identity)[moved].mean()) if there else None,
    }
