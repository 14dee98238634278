"""Tables in Markdown of the measurements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from lior_bench.report import markdown
from lior_bench.tabular import judging
from lior_bench.tabular.judging import Estimate
from lior_bench.tabular.sets import Split
from lior_bench.tabular.store import Measured
from lior_tables.judging import calibration_error, log_loss

SMALL = 500
"""Minimum test rows of a set; smaller sets are pooled, since a single one is not distinct from chance."""
LIMIT = 1.10
"""Threshold of a worse set: the whole interval of its ratio is above it."""

Runs = dict[str, list[tuple[Split, Measured]]]
"""Seeds of each set."""


def losses(runs: list[tuple[Split, Measured]]) -> list[np.ndarray]:
    return [judging.losses(m.arrays["predictions"], split.truth) for split, m in runs]


def _errors(runs: Runs) -> dict[str, float]:
    return {
        name: float(np.mean([judging.error(part, classes=_classes(of)) for part in losses(of)]))
        for name, of in runs.items()
    }


def _classes(runs: list[tuple[Split, Measured]]) -> bool:
    return runs[0][0].table.classes


def ratios(ours: Runs, theirs: Runs) -> dict[str, float]:
    """Return the ratio of errors of each set that both have, on the seeds that both have."""
    found = {}
    for name in sorted(set(ours) & set(theirs)):
        a, b = paired(ours[name], theirs[name])
        found[name] = _errors({name: a})[name] / _errors({name: b})[name]
    return found


def paired(
    ours: list[tuple[Split, Measured]], theirs: list[tuple[Split, Measured]]
) -> tuple[list[tuple[Split, Measured]], list[tuple[Split, Measured]]]:
    """Return the seeds that both have, in one order."""
    others = {split.seed: (split, m) for split, m in theirs}
    both = [(run, others[run[0].seed]) for run in ours if run[0].seed in others]
    return [a for a, _ in both], [b for _, b in both]


def headline(ours: Runs, theirs: Runs, name: str) -> str:
    """Return the ratio over all sets, regressions and classes, wins, worse sets, and small sets pooled."""
    found = ratios(ours, theirs)
    kinds = {
        "all": list(found),
        "numbers": [n for n in found if not _classes(ours[n])],
        "classes": [n for n in found if _classes(ours[n])],
    }
    lines = []
    for kind, names in kinds.items():
        if names:
            wins = sum(found[n] < 1 for n in names)
            mean = judging.mean_ratio([found[n] for n in names])
            lines.append([kind, len(names), mean, f"{wins} ({wins / len(names):.0%})"])
    return f"Error ratio to {name}:\n\n" + markdown(
        ["target", "sets", "ratio [95 % over sets]", "better"], lines
    )


def by_set(ours: Runs, theirs: Runs) -> str:
    """Return the ratio of each set with its interval over rows; small sets pooled."""
    lines, small, drawn = [], [], []
    for index, (name, value) in enumerate(ratios(ours, theirs).items()):
        a, b = paired(ours[name], theirs[name])
        classes, tested = _classes(a), len(a[0][0].truth)
        pair = losses(a), losses(b)
        estimate = judging.ratio(*pair, classes=classes, seed=index)
        if tested < SMALL:
            small.append(value)
            drawn.append(judging.ratio_draws(*pair, classes=classes, seed=index))
        errors = [_errors({name: side})[name] for side in (a, b)]
        mark = "worse" if tested >= SMALL and estimate.low > LIMIT else ""
        lines.append(
            [name, "class" if classes else "number", len(a[0][0].y), tested, len(a)]
            + [f"{e:.4f}" for e in errors]
            + [estimate, mark]
        )
    if small:
        what = f"{len(small)} sets of fewer than {SMALL} test rows"
        lines.append([what, "", "", "", "", "", "", judging.pool(drawn, small), ""])
    header = [
        "set",
        "target",
        "rows",
        "test",
        "seeds",
        "error",
        "its error",
        "ratio [95 % over rows]",
        f"> {LIMIT}",
    ]
    return markdown(header, lines)


def peers(all_runs: dict[str, Runs], against: str) -> str:
    """Return every method: ratio to one of them, mean rank, and the means of its measures."""
    errors = {method: _errors(runs) for method, runs in all_runs.items()}
    names = sorted(set.intersection(*(set(of) for of in errors.values())))
    table = np.array([[of[n] for n in names] for of in errors.values()])
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
    classes = [of for of in runs.values() if _classes(of)]
    numbers = [of for of in runs.values() if not _classes(of)]

    def mean(sets: list[list[tuple[Split, Measured]]], of: Callable[[np.ndarray, np.ndarray], float]) -> str:
        if not sets:
            return ""
        each = [np.mean([of(m.arrays["predictions"], split.truth) for split, m in one]) for one in sets]
        return f"{np.mean(each):.3f}"

    seconds = [m.about["fit_seconds"] for of in runs.values() for _, m in of]
    return [
        mean(classes, lambda p, y: 1 - float(judging.losses(p, y).mean())),
        mean(numbers, lambda p, y: float(np.sqrt(judging.losses(p, y).mean()))),
        mean(classes, log_loss),
        mean(classes, calibration_error),
        f"{np.median(seconds):.2f}",
    ]


def intervals(methods: dict[str, Runs], scale: str) -> str:
    """Return coverage and width of 90 % intervals, and the worst third of rows by the widths of ``scale``."""
    lines = []
    for method, runs in methods.items():
        cells = []
        for name, of in runs.items():
            for (split, m), (_, by) in zip(*paired(of, methods[scale][name]), strict=True):
                low, high = m.arrays["low"], m.arrays["high"]
                widths = by.arrays["high"] - by.arrays["low"]
                covered, thirds = judging.coverage_by_thirds(low, high, split.truth, widths)
                cells.append((name, covered, float(np.mean(high - low)), *thirds))
        sets = list(runs)
        means = np.array([np.mean([c[1:] for c in cells if c[0] == n], 0) for n in sets])
        coverage, width, *thirds = means.mean(0)
        worst_set = sets[int(means[:, 0].argmin())]
        worst = f"{means[:, 2:].min(1).mean():.3f}", f"{means[:, 0].min():.3f} ({worst_set})"
        lines.append([method, len(sets), f"{coverage:.3f}", f"{width:.2f}", f"{min(thirds):.3f}", *worst])
    head = [
        "method",
        "sets",
        "coverage",
        "width / sd",
        "worst third",
        "worst third of each set, mean",
        "worst set",
    ]
    return markdown(head, lines)


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
        both = [
            [float(judging.error(part, classes=False)) for part in losses(side[name])]
            for side in (ours, theirs)
        ]
        seconds = [sum(m.about["fit_seconds"] for _, m in side[name]) for side in (ours, theirs)]
        a, b = (float(np.mean(errors)) for errors in both)
        found.append((a / b, seconds[0] / seconds[1] / 2, *(np.std(np.log(errors)) ** 2 for errors in both)))
        cells = [f"{mean:.3f}, {max(e) / mean:.2f}" for mean, e in zip((a, b), both, strict=True)]
        lines.append([name, len(both[0]), *cells, f"{a / b:.3f}", f"{found[-1][1]:.2f}"])
    ratio, time, own, other = np.array(found).T
    spread = [f"spread {np.sqrt(each.mean()):.3f}" for each in (own, other)]
    lines.append(["all", "", *spread, judging.mean_ratio(list(ratio)), f"{np.exp(np.log(time).mean()):.2f}"])
    head = ["function", "draws", "error, largest / mean", "catboost's", "ratio", "seconds / two of catboost"]
    return markdown(head, lines)
