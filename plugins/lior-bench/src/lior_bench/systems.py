"""The systems of a comparison, and the commands that measure them."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from lior.errors import UsageError, did_you_mean, sentences
from lior.process import python
from lior_bench import children
from lior_bench.children import Unavailable, Unmeasured
from lior_bench.datasets import HOLDOUT, BenchText
from lior_bench.results import Results
from lior_bench.runner import Numbers, System

BASELINES = {
    "ngram": {"ngram4": "Kneser-Ney order 4", "ngram6": "Kneser-Ney order 6", "ngram8": "Kneser-Ney order 8"},
    "ppmd": {"ppmd": "PPMd order 6"},
    "zlib": {"zlib": "zlib -9"},
    "lzma": {"lzma": "lzma -9e"},
    "zstd": {"zstd": "zstd -22"},
    "zpaq": {"zpaq": "zpaq -m5"},
    "transformer": {},
}
"""The systems of each value of ``--baselines``: their names in :mod:`lior_bench.baselines` and
in the report.
"""

TRANSFORMER_SCALES = (1, 10)
"""The training times of the transformer, as multiples of that of a recipe."""

QUICK_SECONDS = 5.0
"""The training time of the transformer in a quick comparison, in seconds."""
COMPILE = """
from lior.compiling import PACKAGES, begin_compiling
for package in PACKAGES:
    if child := begin_compiling(package):
        child.wait()
"""
"""Code that runs in a process of its own, since numba's memory would count for the children."""


def split_baselines(names: str) -> tuple[str, ...]:
    """Return the baselines in a comma-separated list, or all of them for ``all``.

    Raises
    ------
    UsageError
        When a name is unknown.
    """
    if names == "all":
        return tuple(BASELINES)
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen:
        if name not in BASELINES:
            known = f"Known: {', '.join(BASELINES)}."
            raise UsageError(
                sentences(f"--baselines: no baseline {name!r}.", did_you_mean(name, BASELINES), known)
            )
    return tuple(dict.fromkeys(chosen))


def systems(
    text: BenchText, recipes: Sequence[str], baselines: Sequence[str], results: Results, *, quick: bool
) -> Iterator[System]:
    """Yield the systems of a text, recipes first, since the transformer needs their times from
    ``results``.
    """
    for recipe in recipes:
        yield System(recipe_name(recipe), partial(_recipe, recipe, text), ("static", "online"), random=True)
    for baseline in baselines:
        mode = "static" if baseline == "ngram" else "online"
        for name, shown in BASELINES[baseline].items():
            yield System(shown, partial(_baseline, name, text), (mode,))
    if "transformer" in baselines:
        yield from _transformers(text, recipes, results, quick=quick)


def recipe_name(recipe: str) -> str:
    """Return the name of a recipe in the report."""
    return f"lior {recipe}"


def _recipe(recipe: str, text: BenchText, seed: int | None) -> Iterator[Numbers]:
    """Train once and score twice, each in a process of its own; the peak memory is that of the largest
    process.
    """
    # Compilation happens once for each version of lior; it is not a property of the recipe.
    subprocess.run(python("-c", COMPILE), check=False)
    cli, device = ["-m", "lior_cli.main"], ["--device", "cpu"]  # like the baselines
    with tempfile.TemporaryDirectory(prefix="lior-bench-") as folder:
        run = str(Path(folder) / "run")
        train = [*cli, "train", text.path, "--config", recipe, "--out", run, "--seed", str(seed)]
        train += ["--holdout", str(HOLDOUT), "--after-validation", "keep"]  # it is scored twice later
        trained = children.run([*train, *device, "--quiet", "--json"])
        summary = trained.answer
        if summary["val_bytes"] != text.scored:
            raise Unmeasured(
                f"its validation text has {summary['val_bytes']} bytes, that of the others {text.scored}"
            )
        seconds = summary["seconds"]["total"] - summary["seconds"]["validate"]
        for mode in ([], ["--online"]):
            scored = children.run([*cli, "eval", run, *mode, *device, "--quiet", "--json"])
            found = scored.answer
            peak = max(trained.peak_rss_bytes, scored.peak_rss_bytes)
            nats = found["nats_per_byte"] * found["bytes"]
            costs = {"train_seconds": seconds, "score_seconds": found["seconds"]}
            yield _numbers(found["bytes"], peak, nats=nats, **costs)


def _numbers(size: int, peak: int, *, nats: float, train_seconds: float, score_seconds: float) -> Numbers:
    return {
        "bytes": size,
        "bits_per_byte": nats / size / math.log(2),
        "nats_per_byte": nats / size,
        "train_seconds": train_seconds,
        "score_seconds": score_seconds,
        "bytes_per_second": size / max(score_seconds, 1e-9),
        "peak_rss_bytes": peak,
    }


def _of_child(text: BenchText, work: str, *given: object) -> Iterator[Numbers]:
    reply = children.call(f"lior_bench.{work}:measure", *given)
    yield _numbers(text.scored, reply.peak_rss_bytes, **reply.answer)


def _baseline(name: str, text: BenchText, seed: int | None) -> Iterator[Numbers]:
    return _of_child(text, "baselines", name, text.path, text.split)


def _transformers(
    text: BenchText, recipes: Sequence[str], results: Results, *, quick: bool
) -> Iterator[System]:
    matched = "default" if "default" in recipes or not recipes else recipes[0]

    def measure(scale: int, seed: int | None) -> Iterator[Numbers]:
        seconds = QUICK_SECONDS if quick else scale * _time_of(matched, text, results)
        return _of_child(text, "transformer", text.path, text.split, seconds, seed)

    for scale in TRANSFORMER_SCALES[: 1 if quick else None]:
        name = f"transformer {QUICK_SECONDS:g} s" if quick else f"transformer {scale}x {matched}"
        yield System(name, partial(measure, scale), ("static",), random=True)


def _time_of(recipe: str, text: BenchText, results: Results) -> float:
    """Return the seconds that ``recipe`` took to train."""
    rows = [row for row in results.rows(text.name) if row.system == recipe_name(recipe)]
    seconds = rows[0].number("train_seconds") if rows else None
    if seconds is None:
        raise Unavailable(f"there is no training time of recipe {recipe} to match")
    return seconds
