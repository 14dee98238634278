"""Tables in Markdown of the measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from scipy.stats import rankdata

from lior_bench.report import markdown
from lior_bench.tabular import judging
from lior_bench.tabular.judging import Estimate
from lior_bench.tabular.sets import Array, Split
from lior_tables.judging import calibration_error, log_loss

SMALL = 500
"""Minimum test rows of a set; smaller sets are pooled, since a single one is not distinct from chance."""
LIMIT = 1.10
"""Threshold of a worse set: the whole interval of its ratio is above it."""


@attrs.frozen(eq=False)
class Measured:
    """One method on one split."""

    split: Split
    numbers: Mapping[str, Any]
    """``fit_seconds``, ``predict_seconds`` and the chosen setting."""
    arrays: Mapping[str, Array]
    """``predictions``: probabilities (B, C) or numbers (B,). Intervals: ``low``, ``high`` (B,)."""

    @property
    def classes(self) -> bool:
        """Whether the target is a class."""
        return self.split.table.classes

    @property
    def losses(self) -> Array:
        """The loss of each row."""
        return judging.losses(self.arrays["predictions"], self.split.truth)

    @property
    def error(self) -> float:
        """The error of the split."""
        return float(judging.error(self.losses, classes=self.classes))


Runs = dict[str, list[Measured]]
"""Seeds of each set."""


def _error(runs: Sequence[Measured]) -> float:
    return float(np.mean([each.error for each in runs]))


def _pairs(ours: Runs, theirs: Runs) -> dict[str, tuple[list[Measured], list[Measured]]]:
    """Return the seeds of each set that both have, in one order."""
    found = {}
    for name in sorted(set(ours) & set(theirs)):
        others = {each.split.seed: each for each in theirs[name]}
        both = [each for each in ours[name] if each.split.seed in others]
        found[name] = both, [others[each.split.seed] for each in both]
    return found


def ratios(ours: Runs, theirs: Runs) -> dict[str, float]:
    """Return the ratio of errors of each set that both have, on the seeds that both have."""
    return {name: _error(a) / _error(b) for name, (a, b) in _pairs(ours, theirs).items()}


def headline(ours: Runs, theirs: Runs, name: str) -> str:
    """Return the ratio over all sets, regressions and classes, with wins."""
    found, lines = ratios(ours, theirs), []
    for kind, wanted in (("all", (False, True)), ("numbers", (False,)), ("classes", (True,))):
        if some := [value for n, value in found.items() if ours[n][0].classes in wanted]:
            wins = sum(value < 1 for value in some)
            lines.append([kind, len(some), judging.mean_ratio(some), f"{wins} ({wins / len(some):.0%})"])
    return f"Error ratio to {name}:\n\n" + markdown(
        ["target", "sets", "ratio [95 % over sets]", "better"], lines
    )


def by_set(ours: Runs, theirs: Runs) -> str:
    """Return the ratio of each set with its interval over rows; small sets pooled."""
    lines, small, drawn = [], [], []
    for index, (name, (a, b)) in enumerate(_pairs(ours, theirs).items()):
        classes, tested = a[0].classes, len(a[0].split.truth)
        pair = [each.losses for each in a], [each.losses for each in b]
        estimate = judging.ratio(*pair, classes=classes, seed=index)
        if tested < SMALL:
            small.append(_error(a) / _error(b))
            drawn.append(judging.ratio_draws(*pair, classes=classes, seed=index))
        about = name, "class" if classes else "number", len(a[0].split.y), tested, len(a)
        mark = "worse" if tested >= SMALL and estimate.low > LIMIT else ""
        lines.append([*about, f"{_error(a):.4f}", f"{_error(b):.4f}", estimate, mark])
    if small:
        what = f"{len(small)} sets of fewer than {SMALL} test rows"
        lines.append([what, *[""] * 6, judging.pool(drawn, small), ""])
    header = ["set", "target", "rows", "test", "seeds", "error", "its error", "ratio [95 % over rows]"]
    return markdown([*header, f"> {LIMIT}"], lines)


def peers(all_runs: dict[str, Runs], against: str) -> str:
    """Return every method: ratio to one of them, mean rank, and the means of its measures."""
    names = sorted(set.intersection(*map(set, all_runs.values())))
    table = np.array([[_error(runs[name]) for name in names] for runs in all_runs.values()])
    ranks = rankdata(table, axis=0).mean(1)
    lines = []
    for (method, runs), rank in sorted(zip(all_runs.items(), ranks, strict=True), key=lambda pair: pair[1]):
        found = ratios(runs, all_runs[against])
        estimate: Estimate | str = judging.mean_ratio(list(found.values())) if method != against else "1"
        lines.append([method, estimate, f"{rank:.2f}", *measures(runs)])
    head = ["method", f"error ratio to {against}", f"mean rank of {len(lines)}", *MEASURES]
    return f"{len(names)} sets.\n\n" + markdown(head, lines)


MEASURES = ["accuracy", "RMSE / sd", "log loss", "ECE", "fit s (median)"]


def measures(runs: Runs) -> list[str]:
    """Return means over sets of means over seeds: accuracy, RMSE, log loss, calibration error, seconds."""

    def mean(classes: bool, of: Callable[[Array, Array], float]) -> str:
        sets = [
            [of(each.arrays["predictions"], each.split.truth) for each in some]
            for some in runs.values()
            if some[0].classes == classes
        ]
        return f"{np.mean([np.mean(each) for each in sets]):.3f}" if sets else ""

    seconds = [each.numbers["fit_seconds"] for some in runs.values() for each in some]
    return [
        mean(True, lambda p, y: 1 - float(judging.losses(p, y).mean())),
        mean(False, lambda p, y: float(np.sqrt(judging.losses(p, y).mean()))),
        mean(True, log_loss),
        mean(True, calibration_error),
        f"{np.median(seconds):.2f}",
    ]


def intervals(methods: dict[str, Runs], scale: str) -> str:
    """Return coverage and width of 90 % intervals, and the worst third of rows by the widths of ``scale``."""
    lines = []
    for method, runs in methods.items():
        found = {
            name: np.mean([_covered(a, b) for a, b in zip(*pair, strict=True)], 0)
            for name, pair in _pairs(runs, methods[scale]).items()
        }
        names, means = list(found), np.stack([*found.values()])
        coverage, width, *thirds = means.mean(0)
        worst = names[int(means[:, 0].argmin())]
        numbers = [
            f"{coverage:.3f}",
            f"{width:.2f}",
            f"{min(thirds):.3f}",
            f"{means[:, 2:].min(1).mean():.3f}",
        ]
        lines.append([method, len(names), *numbers, f"{means[:, 0].min():.3f} ({worst})"])
    head = ["method", "sets", "coverage", "width / sd", "worst third", "worst third of each set, mean"]
    return markdown([*head, "worst set"], lines)


def _covered(run: Measured, by: Measured) -> list[float]:
    """Return coverage, mean width, and coverage of the thirds of the rows by the widths of another run."""
    low, high = run.arrays["low"], run.arrays["high"]
    widths = by.arrays["high"] - by.arrays["low"]
    covered, thirds = judging.coverage_by_thirds(low, high, run.split.truth, widths)
    return [covered, float(np.mean(high - low)), *thirds]


def ablation(all_runs: dict[str, Runs]) -> str:
    """Compare each part with the model without it, over all sets, with wins."""
    lines = []
    for name, runs in all_runs.items():
        whole = name.split(", ")[0]
        if name.endswith("metric not learned") and "rsource" in name:
            whole += ", metric not learned"
        base = all_runs["ridge" if name == "mean of members" else whole]
        if runs is base:
            lines.append([name, len(runs), "1", "", *measures(runs)])
            continue
        found = list(ratios(runs, base).values())
        wins = sum(r < 1 for r in found)
        lines.append([name, len(found), judging.mean_ratio(found), wins, *measures(runs)])
    return markdown(["what", "sets", "error ratio [95 % over sets]", "better", *MEASURES], lines)


def drawn(ours: Runs, theirs: Runs) -> str:
    """Return errors of drawn functions, mean over draws and relative maximum; seconds beside two fits."""
    lines, found = [], []
    for name in ours:
        both = [[each.error for each in side[name]] for side in (ours, theirs)]
        seconds = [sum(each.numbers["fit_seconds"] for each in side[name]) for side in (ours, theirs)]
        a, b = map(np.mean, both)
        found.append((a / b, seconds[0] / seconds[1] / 2, *(np.std(np.log(errors)) ** 2 for errors in both)))
        cells = [f"{mean:.3f}, {max(e) / mean:.2f}" for mean, e in zip((a, b), both, strict=True)]
        lines.append([name, len(both[0]), *cells, f"{a / b:.3f}", f"{found[-1][1]:.2f}"])
    ratio, time, own, other = np.array(found).T
    spread = [f"spread {np.sqrt(each.mean()):.3f}" for each in (own, other)]
    lines.append(["all", "", *spread, judging.mean_ratio(list(ratio)), f"{np.exp(np.log(time).mean()):.2f}"])
    head = ["function", "draws", "error, largest / mean", "catboost's", "ratio", "seconds / two of catboost"]
    return markdown(head, lines)
