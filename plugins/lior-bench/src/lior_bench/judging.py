"""The command ``lior bench judge``: learn the judge of ``lior ask``, report on it, and write its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import click
import numpy as np

from lior_ask.judging.linear import COLUMNS, Model, Weights, of_best_names
from lior_ask.judging.linear import models as shipped
from lior_bench.answers import SURE
from lior_bench.judge_cases import LARGE, RETRIEVERS, Case, gather_cases, large_cases, read_cases
from lior_bench.judge_fitting import PLAIN, learn, learn_scores, learn_some, probabilities
from lior_bench.manuals import manuals
from lior_bench.sets import FITTING, INSTALLED, REPORTING, Question, folder, questions
from lior_bench.worlds import DATA, worlds

WEIGHTS = "plugins/lior-ask/src/lior_ask/judging"
"""The folder of the weights that lior-ask ships."""
_WRONG_LARGE = 0.05
"""The same share in large folders. In manuals that nothing was learned from, .05 gave the largest sum of
right answers and refusals of absent questions: 117 of 141 with the cross-encoder; .08 gave 115.
"""
_SOME = 8
"""Step between the folders from which some of the weights are learned."""


@click.command()
@click.option("--write", "writes", is_flag=True, help="Write the weights that lior-ask ships.")
@click.option(
    "--levels",
    default=",".join(RETRIEVERS),
    show_default=True,
    metavar="NAME,...",
    help="What the judge sees: words, an encoder too, or a cross-encoder too; in large folders, whose "
    "documentation apt-get fetches, estimate or estimate+read.",
)
@click.option(
    "--on",
    type=click.Choice(("choose", "last", "old", "closed-last")),
    default="choose",
    show_default=True,
    help="Folders that it reports on: the choosing, the last, or the sets for reporting.",
)
@click.option(
    "--only",
    default="",
    metavar="NAME,...",
    help="Learn only the weights of these features, from every eighth folder; the others are kept.",
)
def judge(writes: bool, levels: str, on: str, only: str) -> None:
    """Learn the judge of `lior ask` from folders with questions, and report on others."""
    if unknown := [level for level in levels.split(",") if level not in {*RETRIEVERS, *LARGE}]:
        raise click.UsageError(f"--levels: no {unknown[0]!r}; there are {', '.join([*RETRIEVERS, *LARGE])}")
    if {*levels.split(",")} & {*LARGE} and on not in ("choose", "last"):
        raise click.UsageError("the levels of large folders need --on choose or --on last")
    models = dict[str, Model]()
    digest = hashlib.sha256((folder(DATA) / "worlds.zip").read_bytes()).hexdigest()
    learned, choosing = worlds("learn") | _sets(FITTING), worlds("choose")
    more = worlds("more") | worlds("closed")
    if only:
        learned, more = {}, dict([*(learned | worlds("more")).items()][::_SOME]) | worlds("closed")
    reported = {"choose": choosing, "old": _sets(REPORTING)}.get(on) or worlds(on)
    kept, large = dict[tuple[str, int], list[Case]](), dict[str, list[Case]]()

    def see(asked: dict[str, list[Question]]) -> list[Case]:
        key = (RETRIEVERS[level], id(asked))
        if key not in kept:
            kept[key] = gather_cases(asked, level, whole=asked is not learned)
        if level != "read":
            return kept[key]
        return read_cases(kept[key], models.get("encoder") or shipped()["encoder"])

    for level in levels.split(","):
        if level in LARGE:
            models[level] = learn_large(level, large, models, on, [*filter(None, only.split(","))])
            continue
        found = [*see(learned), *see(more)]
        if only:
            models[level] = learn_some(found, shipped()[level], only.split(","))
        else:
            models[level] = learn(found, see(choosing))
        _print(level, len(found), models[level], see(reported))
    if writes:
        source, part = f"worlds.zip {digest[:16]}, {', '.join([*learned, *more])}", only
        if {*models} <= {*LARGE}:
            part = (f"{only} of " if only else "") + ", ".join(models)
            source = f"{', '.join(manuals('learn'))}, folders of worlds.zip together"
        write_weights(shipped() | models, f"{_source(part)}; {part}: {source}" if part else source)


def learn_large(
    level: str, kept: dict[str, list[Case]], models: dict[str, Model], on: str, only: Sequence[str] = ()
) -> Model:
    """Learn the judge of large folders, and report on a part of them; ``kept`` has the cases so far.

    With ``only``, the scores of these features and the minimum confidence are learned; all else is kept.
    """

    def see(part: str) -> list[Case]:
        if part not in kept:
            kept[part] = large_cases(part)
        first = models.get("estimate") or shipped()["estimate"]
        return read_cases(kept[part], first) if LARGE[level] else kept[part]

    found, chosen = see("learn"), see("choose")
    if only:
        given = shipped()[level]
        model = attrs.evolve(given, weights=learn_scores(found, given=given.weights, only=only))
        told, _ = probabilities([case for case in (*found, *chosen) if case.kind in PLAIN], model)
        least = round(float(np.quantile(told, _WRONG_LARGE)), 3)
        model = attrs.evolve(model, least=least, smaller=max(given.least, given.smaller))
    else:
        model = learn(found, chosen, _WRONG_LARGE)
    _print(level, len(found), model, see(on))
    return model


def _sets(names: Iterable[str]) -> dict[str, list[Question]]:
    """Return the sets of these names that come with lior-bench, with their questions."""
    return {name: questions(name) for name in names if name not in INSTALLED}


def write_weights(models: dict[str, Model], source: str) -> None:
    """Write the file that lior-ask ships."""

    def record(weights: Weights, names: Sequence[str]) -> dict[str, Any]:
        columns = {key: getattr(weights, key).tolist() for key in ("mean", "scale", "weights")}
        rounded = {key: [float(f"{value:.6g}") for value in column] for key, column in columns.items()}
        return {"names": [*names], **rounded, "constant": float(f"{weights.constant:.6g}")}

    found = {
        level: {
            "score": record(each.weights, names := COLUMNS[: len(each.weights.weights)]),
            "answers": record(each.answers, of_best_names(names)),
            **{key: getattr(each, key) for key in ("least", "most", "smaller")},
        }
        for level, each in models.items()
    }
    made = {"made by": "lior bench judge --write", "from": source, "models": found}
    (folder(WEIGHTS) / "weights.json").write_text(json.dumps(made) + "\n")


def _source(only: str) -> str:
    """Return the sets that the shipped weights, without those of ``only``, were learned from."""
    record = json.loads((folder(WEIGHTS) / "weights.json").read_text("utf-8"))
    return str(record["from"]).partition(f"; {only}: ")[0]


def report(found: Sequence[Case], model: Model) -> dict[str, Any]:
    """Return the shares of right answers by kind, refusals, AUC and reliability."""
    p, right = probabilities(found, model)
    told: dict[str, Any] = {}
    for kind in sorted({case.kind for case in found}):
        at = np.array([case.kind == kind for case in found])
        mine = [case for case in found if case.kind == kind]
        told[kind] = {"questions": int(at.sum()), "refused": float((p[at] < model.least).mean())}
        if mine[0].answerable:
            told[kind] |= {"first": float(right[at].mean()), **_shares(mine, model)}
    answerable = np.array([case.answerable for case in found])
    absent = np.array([case.kind == "unanswerable" for case in found])
    words = np.array([case.kind in ("words", "across", "paraphrased") for case in found])
    whole = np.array(["," not in case.kind for case in found])
    sure = (p >= SURE) & (answerable | absent) & whole
    return told | {
        "AUC": {"other words": auc(p[words], p[absent]), "all": auc(p[answerable & whole], p[absent])},
        "sure": {
            "answers": int(sure.sum()),
            "right": float(right[sure].mean()) if sure.any() else None,
            "of direct": float((p[np.array([c.kind in PLAIN for c in found])] >= SURE).mean()),
        },
    }


def _shares(mine: Sequence[Case], model: Model) -> dict[str, float]:
    scores = [model.score(case.candidates) for case in mine]
    first = [case.right[each.argmax()] for case, each in zip(mine, scores, strict=True)]
    return {
        "three": float(np.mean([*map(_among_three, mine, scores)])),
        "sentence": float(np.mean(first)),
        "retriever first": float(np.mean([case.right_block(case.first) for case in mine])),
        "found": float(np.mean([case.right.any() for case in mine])),
    }


def auc(yes: np.ndarray, no: np.ndarray) -> float:
    """Return the probability that one of ``yes`` is above one of ``no``."""
    return float(np.sign(yes[:, None] - no).mean() / 2 + 0.5) if len(yes) and len(no) else np.nan


def _among_three(case: Case, scores: np.ndarray) -> bool:
    """Return whether any of the three best blocks has a right candidate."""
    order = np.argsort(-scores, kind="stable")
    blocks = [*dict.fromkeys(case.candidates.blocks[order].tolist())][:3]
    return bool(case.right[np.isin(case.candidates.blocks, blocks)].any())


def _print(level: str, count: int, model: Model, asked: Sequence[Case]) -> None:
    click.echo(f"{level}: {count:,} questions, least confidence {model.least}")
    for name, values in report(asked, model).items():
        click.echo(f"  {name:20} " + "  ".join(f"{key} {_show(value)}" for key, value in values.items()))


def _show(value: float | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"
