"""The systems of a comparison, and the commands that measure them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from lior.errors import UsageError, did_you_mean, sentences
from lior.process import python
from lior_bench import children
from lior_bench.children import Unavailable, Unmeasured
from lior_bench.datasets import HOLDOUT, BenchText
from lior_bench.results import Measurement, Results, RowKey

BASELINES = {
    "ngram": {
        "ngram4": "Kneser-Ney order 4",
        "ngram6": "Kneser-Ney order 6",
        "ngram8": "Kneser-Ney order 8",
    },
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

_COMPILE = """
from lior.counting import begin_compiling
if child := begin_compiling():
    child.wait()
"""
"""Code that runs in a process of its own, since numba's memory would count for the children."""

Measure = Callable[[int | None], Iterator[Measurement]]


@attrs.frozen
class System:
    """A system on one text; for each seed it yields one measurement in each of its modes, in order."""

    name: str
    modes: tuple[str, ...]
    random: bool
    """Whether the result depends on the seed; if not, it is measured once."""
    measure: Measure

    def keys(self, text: BenchText) -> list[RowKey]:
        """Return the rows of this system."""
        return [RowKey(text.name, self.name, mode) for mode in self.modes]


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
        yield System(recipe_name(recipe), ("static", "online"), True, partial(_recipe, recipe, text))
    for baseline in baselines:
        mode = "static" if baseline == "ngram" else "online"
        for name, shown in BASELINES[baseline].items():
            yield System(shown, (mode,), False, partial(_baseline, name, text))
    if "transformer" in baselines:
        yield from _transformers(text, recipes, results, quick=quick)


def recipe_name(recipe: str) -> str:
    """Return the name of a recipe in the report."""
    return f"lior {recipe}"


def _recipe(recipe: str, text: BenchText, seed: int | None) -> Iterator[Measurement]:
    """Train once and score twice, each in a process of its own; the peak memory is that of the largest
    process.
    """
    # Compilation happens once for each version of lior; it is not a property of the recipe.
    subprocess.run(python("-c", _COMPILE), check=False)
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
            yield Measurement(
                seed=seed,
                nats=scored.answer["nats_per_byte"] * scored.answer["bytes"],
                bytes=scored.answer["bytes"],
                train_seconds=seconds,
                score_seconds=scored.answer["seconds"],
                peak_rss_bytes=max(trained.peak_rss_bytes, scored.peak_rss_bytes),
            )


def _baseline(name: str, text: BenchText, seed: int | None) -> Iterator[Measurement]:
    yield _run(children.run(["-m", "lior_bench.baselines", name, text.path, str(text.split)]), text, seed)


def _transformers(
    text: BenchText, recipes: Sequence[str], results: Results, *, quick: bool
) -> Iterator[System]:
    if quick:
        measure = partial(_transformer, lambda: QUICK_SECONDS, text)
        yield System(f"transformer {QUICK_SECONDS:g} s", ("static",), True, measure)
        return
    matched = "default" if "default" in recipes or not recipes else recipes[0]
    for scale in TRANSFORMER_SCALES:
        limit = partial(_time_of, matched, text, results, scale)
        name = f"transformer {scale}x {matched}"
        yield System(name, ("static",), True, partial(_transformer, limit, text))


def _time_of(recipe: str, text: BenchText, results: Results, scale: int) -> float:
    """Return ``scale`` times the seconds that ``recipe`` took to train."""
    row = results.rows.get(RowKey(text.name, recipe_name(recipe), "static"))
    seconds = row.number("train_seconds") if row else None
    if seconds is None:
        raise Unavailable(f"there is no training time of recipe {recipe} to match")
    return scale * seconds


def _transformer(limit: Callable[[], float], text: BenchText, seed: int | None) -> Iterator[Measurement]:
    options = {"--split": text.split, "--seconds": limit(), "--seed": seed}
    flags = [str(part) for pair in options.items() for part in pair]
    yield _run(children.run(["-m", "lior_bench.transformer", text.path, *flags]), text, seed)


def _run(reply: children.Reply, text: BenchText, seed: int | None) -> Measurement:
    answer: dict[str, Any] = {name: reply.answer[name] for name in ("nats", "train_seconds", "score_seconds")}
    return Measurement(seed=seed, bytes=text.scored, peak_rss_bytes=reply.peak_rss_bytes, **answer)
