"""Learn the judge of ``lior ask`` from folders with questions.

Each folder is asked its questions. Then its answering sentences are removed, and questions with an answer are
asked again: controls on the same subject, in the same words, without an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import attrs
import click
import numpy as np
from scipy.optimize import minimize

import lior_ask
from lior import registry
from lior.errors import MissingPackage
from lior.interfaces import Candidates, Embedder
from lior_ask.index.embedding import ENCODER
from lior_ask.judging.features import FOUND, NAMES, gather
from lior_ask.judging.linear import COLUMNS, SILENT, Model, Weights, of_best, of_best_names, score
from lior_ask.judging.linear import models as shipped
from lior_ask.question.question import understood
from lior_bench.answers import SURE
from lior_bench.manuals import fetch, manuals
from lior_bench.reading import read_cases
from lior_bench.sets import FITTING, INSTALLED, REPORTING, Question, folder, questions, squeeze
from lior_bench.worlds import DATA, holds, remove, unpack, worlds

WEIGHTS = "plugins/lior-ask/src/lior_ask/judging/weights.json"
RETRIEVERS = {"words": "settle", "encoder": "meaning", "read": "meaning"}
"""The retriever for each level of evidence; ``read`` also uses a cross-encoder."""
LARGE = {"estimate": False, "estimate+read": True}
"""The levels of large folders, and whether they use a cross-encoder."""
_CROWDS, _OF_CROWD = 4, 12
"""The number of large folders that are made of the folders to learn from, and the step between
their questions."""
WRONG, WRONG_LARGE = 0.08, 0.05
"""The share of questions in the words of the text that may be refused, in small and in large folders; it
determines the minimum confidence. In manuals that nothing was learned from, .05 gave the largest sum of right
answers and refusals of absent questions: 117 of 141 with the cross-encoder; .08 gave 115.
"""
_PLAIN = ("direct", "plain")
"""The kinds of questions in the words of the text."""
_FOLDS = 5
_SCRAP, _SCRAPS = 8, 4
"""The number of lines of a scrap, and the maximum number of scraps of a file."""
_ENOUGH = 20
"""The minimum number of answers with a confidence of 90 % and more for estimating how often
they are right.
"""
_ELSEWHERE = 4
"""The maximum number of questions from other files, and from other folders, that a file is asked."""
_FOREIGN, _FOREIGN_FOLDERS = 3, 5
"""The number of questions from each other folder that a folder is asked, and the number of other folders."""
_CROWD, _CROWDED = 9, 3
"""The number of folders of other kinds put beside a folder, and the step between its questions
asked of all.
"""
_FEWER = 0.3
"""The weight of a question about another folder, without its answer, or asked of less or more than its
folder.
"""
_SOME = 8
"""Step between the folders from which some of the weights are learned."""
_RIDGE = {"score": 10.0, "answers": 10.0}
_RISE = ("text", "heading", "block", "words", "bags", "encoder", "read")
RISING = frozenset((*_RISE, *(f"{name}, below the best" for name in _RISE)))
"""Features of which a larger value never makes a passage worse."""
_RISING = frozenset({"score", "lead", "share", *RISING})


@attrs.frozen(eq=False)
class Case:
    """A question asked of a folder, with the features of its candidates and their correctness."""

    world: str
    kind: str
    text: str
    answerable: bool
    candidates: Candidates
    right: np.ndarray
    """Whether each candidate is right, bool ``(C,)``."""
    first: int
    """The candidate that the retriever ranks first."""

    def right_block(self, number: int) -> bool:
        """Return whether a candidate or another candidate of its block is right."""
        return bool(self.right[self.candidates.blocks == self.candidates.blocks[number]].any())

    def answers(self, number: int) -> bool:
        """Return whether a candidate answers: itself in a large folder, else any of its block."""
        return bool(self.right[number]) if self.candidates.level in LARGE else self.right_block(number)


# --- cases ---


def cases(
    name: str,
    asked: Sequence[Question],
    retriever: str,
    foreign: Sequence[Question] = (),
    crowd: Sequence[str] = (),
    *,
    whole: bool = False,
) -> list[Case]:
    """Ask questions of their folder and, unless ``whole``, of less, of more, and without the answers.

    Less means a file alone, which is also asked about other files, and scraps of some lines, most of which
    lack the answer. More means the folder among those of ``crowd``. Questions in ``foreign`` are about other
    folders; this one has no answer.
    """
    found = list[Case]()
    answerable = [question for question in asked if question.words]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) / "whole"
        unpack(name, place)
        index = lior_ask.Index(place, retriever=retriever, cache=False)
        found += _ask(index, name, asked)
        if whole:
            return found
        found += _ask(index, name, [attrs.evolve(each, kind="foreign", words=()) for each in foreign])
        for half in (0, 1):
            less, mine = Path(temporary) / f"less{half}", answerable[half::2]
            shutil.copytree(place, less)
            remove(less, [sentence for question in mine for sentence in question.words])
            index = lior_ask.Index(less, retriever=retriever, cache=False)
            deleted = [attrs.evolve(each, kind=f"{each.kind}, deleted", words=()) for each in mine]
            found += _ask(index, name, deleted)
        for number, file in enumerate(sorted({question.document for question in asked} - {""})):
            found += _alone(place, file, number, name, asked, foreign, retriever)
        if crowd:
            for each in (name, *crowd):
                unpack(each, Path(temporary) / "crowd" / each)
            index = lior_ask.Index(Path(temporary) / "crowd", retriever=retriever, cache=False)
            some = asked[::_CROWDED]
            found += _ask(index, name, [attrs.evolve(each, kind=f"{each.kind}, crowd") for each in some])
    return found


def large_cases(part: str) -> list[Case]:
    """Ask the manuals of a part their questions, and again without what answers.

    The part ``learn`` also has all its manuals together, and :data:`_CROWDS` folders that are made of all
    small ones to learn from.
    """
    found = manuals(part)
    items: list[tuple[tuple[str, ...], list[Question]]] = [((name,), asked) for name, asked in found.items()]
    if part == "learn":
        every, small = [each for asked in found.values() for each in asked], worlds("learn") | worlds("more")
        items += [((*found,), every[half::2]) for half in (0, 1)]
        for n in range(_CROWDS):
            names = [*small][n::_CROWDS]
            items.append(((*names,), [each for name in names for each in small[name]][::_OF_CROWD]))
    with ProcessPoolExecutor(2, initializer=_read_once) as pool:
        return [case for cases in pool.map(_of_large, items) for case in cases]


def _of_large(item: tuple[tuple[str, ...], list[Question]]) -> list[Case]:
    """Return the cases of folders put together; those of a manual belong to it, all others together."""
    names, asked = item
    known = {*manuals("learn"), *manuals("choose"), *manuals("last")}
    found, without = list[Case](), list[Case]()
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            (fetch if name in known else unpack)(name, Path(place) / name)
        index = lior_ask.Index(place, retriever="meaning", cache=False)
        for question in asked:
            world = question.of if question.of in known else f"crowd of {names[0]}"
            for case in _ask(index, world, [question]):
                found.append(case)
                if case.right.any():
                    index.inverted.allowed = np.ones(len(index), bool)
                    index.inverted.allowed[case.candidates.rows[case.right]] = False
                    less = attrs.evolve(question, kind=f"{question.kind}, deleted")
                    again = [each for each in _ask(index, world, [less]) if not each.right.any()]
                    without += [attrs.evolve(each, answerable=False) for each in again]
                    index.inverted.allowed = None
    return found + without


def _alone(
    place: Path,
    file: str,
    number: int,
    name: str,
    asked: Sequence[Question],
    foreign: Sequence[Question],
    retriever: str,
) -> list[Case]:
    """Ask a file alone, and its scraps, about itself and about other files."""
    index = lior_ask.Index(place / file, retriever=retriever, cache=False)
    mine = [attrs.evolve(each, document=Path(file).name) for each in asked if each.document == file]
    found = [*_ask(index, name, [attrs.evolve(each, kind=f"{each.kind}, alone") for each in mine])]
    others = _elsewhere(place / file, number, asked, foreign)
    found += _ask(index, name, others)
    return [*found, *_of_scraps(place / file, name, mine, others, retriever)]


def _elsewhere(
    path: Path, number: int, asked: Sequence[Question], foreign: Sequence[Question]
) -> list[Question]:
    """Return questions of other files and of other folders, which a file alone does not answer."""
    text = path.read_bytes().decode("utf-8", "replace")
    others = [each for each in asked if not _within(each, text)]
    some = [*others[number % 5 :: 5][:_ELSEWHERE], *foreign[number % 3 :: 3][:_ELSEWHERE]]
    return [attrs.evolve(each, kind="elsewhere, alone", words=()) for each in some]


def _of_scraps(
    path: Path, name: str, asked: Sequence[Question], others: Sequence[Question], retriever: str
) -> list[Case]:
    """Ask questions of a few lines of a file, with or without the answer, and questions of other files."""
    found, lines = list[Case](), path.read_bytes().decode("utf-8", "replace").splitlines(keepends=True)
    parts = ["".join(lines[at : at + _SCRAP]) for at in range(0, len(lines), _SCRAP)]
    if path.suffix not in (".md", ".txt"):  # a part of a file in another format is malformed
        return found
    for number, part in enumerate(parts[:_SCRAPS]):
        index = lior_ask.Index(retriever=retriever)
        index.learn(path.name, part)
        mine = [each for each in asked if _within(each, part)][:2]
        other = [each for each in asked if not _within(each, part)][number % 3 :: 4][:2]
        other += others[number % _SCRAPS :: _SCRAPS]
        if len(index):
            found += _ask(index, name, [attrs.evolve(each, kind=f"{each.kind}, scrap") for each in mine])
            absent = [attrs.evolve(each, kind="unanswerable, scrap", words=()) for each in other]
            found += _ask(index, name, absent)
    return found


def _within(question: Question, text: str) -> bool:
    return any(squeeze(words) in squeeze(text) for words in question.words)


def _ask(index: lior_ask.Index, name: str, asked: Iterable[Question]) -> list[Case]:
    found, found_by = list[Case](), registry.get("retriever", index.retriever)()
    for question in asked:
        message = understood(question.text)
        ranking = found_by.rank(index.inverted, message, FOUND)
        if not len(ranking.passages):
            continue
        candidates = gather(message, ranking, index.inverted)
        right = np.array([holds(question, each) for each in candidates.passages], bool)
        first = int(np.flatnonzero(candidates.rows == ranking.passages[0])[0])
        case = Case(name, question.kind, question.text, bool(question.words), candidates, right, first)
        found.append(case)
    return found


# --- learning ---


def learn_scores(
    found: Sequence[Case],
    ridge: float = _RIDGE["score"],
    given: Weights | None = None,
    only: Sequence[str] = (),
) -> Weights:
    """Fit a conditional logit with a quadratic penalty; weights of :data:`RISING` are not negative.

    With ``given``, only the weights of the features ``only`` are learned; all others are those of ``given``.
    """
    some = [case for case in found if case.right.any() and not case.right.all()]
    sizes = np.array([len(case.right) for case in some])
    starts, of = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(some)), sizes)
    right = np.concatenate([case.right for case in some])
    features = np.concatenate([case.candidates.features for case in some])
    offset = -SILENT * features[:, NAMES.index("silent")]
    names = COLUMNS[: features.shape[1]]
    mean, scale, x = _standardise(features, given, names, only)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = x @ weights + offset
        each = np.exp(scores - np.maximum.reduceat(scores, starts)[of])
        mine = np.where(right, each, 0)
        total, total_right = np.add.reduceat(each, starts), np.add.reduceat(mine, starts)
        slope = x.T @ (each / total[of] - mine / total_right[of])
        value = np.log(total).sum() - np.log(total_right).sum() + ridge * weights @ weights / 2
        return float(value), slope + ridge * weights

    return Weights(mean, scale, _minimise(loss, names, RISING, _fixed(given, names, only)))


def learn_answers(
    x: np.ndarray,
    y: np.ndarray,
    shares: np.ndarray,
    ridge: float = _RIDGE["answers"],
    given: Weights | None = None,
    only: Sequence[str] = (),
) -> Weights:
    """Fit a logistic regression of whether the best candidate's block answers, ``y``, weighted
    by ``shares``; ``given`` and ``only`` as of :func:`learn_scores`.
    """
    names = next(names for names in map(of_best_names, (NAMES, COLUMNS)) if len(names) == x.shape[1])
    mean, scale, x = _standardise(x, given, names, only)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = x @ weights[:-1] + weights[-1]
        p = 1 / (1 + np.exp(-odds))
        value = shares @ np.logaddexp(0, np.where(y, -odds, odds)) + ridge * weights[:-1] @ weights[:-1] / 2
        each = shares * (p - y)
        slope = np.append(x.T @ each + ridge * weights[:-1], each.sum())
        return float(value), slope

    weights = _minimise(loss, (*names, "constant"), _RISING, _fixed(given, names, only))
    return Weights(mean, scale, weights[:-1], float(weights[-1]))


def _standardise(
    x: np.ndarray, given: Weights | None, names: Sequence[str], only: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, scale and standardised features; only the scale of features that are learned is new."""
    mean, scale = x.mean(0), x.std(0)
    if given:
        mean, scale = given.mean, np.where(np.isin(names, only), scale, given.scale)
    scale = np.where(scale > 1e-9, scale, 1.0)
    return mean, scale, (x - mean) / scale


def _fixed(given: Weights | None, names: Sequence[str], only: Sequence[str]) -> dict[str, float]:
    """Return the weights that are not learned, by name."""
    if given is None:
        return {}
    values = [*given.weights.tolist(), given.constant]
    return {n: value for n, value in zip((*names, "constant"), values, strict=True) if n not in only}


def _minimise(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]],
    names: Sequence[str],
    rising: frozenset[str],
    fixed: dict[str, float],
) -> np.ndarray:
    least, most = (dict.fromkeys(some, 0.0) for some in (rising, ("silent", "names")))
    bounds = [(fixed.get(name, least.get(name)), fixed.get(name, most.get(name))) for name in names]
    start = np.array([fixed.get(name, 0.0) for name in names])
    found: np.ndarray = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found


def _of_best(found: Sequence[Case], weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    rows, right = [], []
    for case in found:
        scores = score(weights, case.candidates)
        rows.append(of_best(case.candidates, scores))
        right.append(case.answers(int(scores.argmax())))
    return np.array(rows), np.array(right)


def probabilities(found: Sequence[Case], model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence of each case, and whether its best candidate's block answers."""
    x, right = _of_best(found, model.weights)
    return model.confidence(x), right


def learn(found: Sequence[Case], others: Sequence[Case], wrong: float = WRONG) -> Model:
    """Fit both functions; the second uses scores of folders that the first has not seen.

    The minimum confidence is the ``wrong`` quantile over questions in the words of the text, from these
    folders and ``others``. The maximum is the share of right answers among those of 90 % and more.
    """
    names, mine = sorted({case.world for case in found}), list[Case]()
    rows, right = list[np.ndarray](), list[np.ndarray]()
    for number in range(_FOLDS):
        held = {*names[number::_FOLDS]}
        if some := [case for case in found if case.world in held]:
            features, y = _of_best(some, learn_scores([case for case in found if case.world not in held]))
            rows, right, mine = [*rows, features], [*right, y], [*mine, *some]
    shares = [_FEWER if "," in case.kind or case.kind == "foreign" else 1.0 for case in mine]
    answers = learn_answers(np.concatenate(rows), np.concatenate(right), np.array(shares))
    model = Model(learn_scores(found), answers, 0.0)
    features, y = _of_best(others, model.weights)
    told, true = model.confidence(np.concatenate([*rows, features])), np.concatenate([*right, y])
    plain = np.array([case.kind in _PLAIN for case in (*mine, *others)])
    sure = np.array(["," not in case.kind for case in (*mine, *others)]) & (told >= SURE)
    most = min(true[sure].mean(), model.most) if sure.sum() >= _ENOUGH else model.most
    least = np.quantile(told[plain], wrong)
    return attrs.evolve(model, least=round(float(least), 3), most=round(float(most), 3))


def learn_some(found: Sequence[Case], given: Model, only: Sequence[str]) -> Model:
    """Return a model with the weights of some features learned again, and all others as they are."""
    weights = learn_scores(found, given=given.weights, only=only)
    rows, right = _of_best(found, weights)
    answers = learn_answers(rows, right, np.ones(len(right)), given=given.answers, only=only)
    return attrs.evolve(given, weights=weights, answers=answers)


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
            "least": each.least,
            "most": each.most,
            "smaller": each.smaller,
        }
        for level, each in models.items()
    }
    made = {"made by": "lior bench judge --write", "from": source, "models": found}
    (folder("plugins") / WEIGHTS.removeprefix("plugins/")).write_text(json.dumps(made) + "\n")


# --- quality ---


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
            "of direct": float((p[np.array([c.kind in _PLAIN for c in found])] >= SURE).mean()),
        },
    }


def _shares(mine: Sequence[Case], model: Model) -> dict[str, float]:
    return {
        "three": float(np.mean([_among_three(case, model) for case in mine])),
        "sentence": float(np.mean([_first(case, model) for case in mine])),
        "retriever first": float(np.mean([case.right_block(case.first) for case in mine])),
        "found": float(np.mean([case.right.any() for case in mine])),
    }


def auc(yes: np.ndarray, no: np.ndarray) -> float:
    """Return the probability that one of ``yes`` is above one of ``no``."""
    return float(np.sign(yes[:, None] - no).mean() / 2 + 0.5) if len(yes) and len(no) else np.nan


def _among_three(case: Case, model: Model) -> bool:
    """Return whether any of the three best blocks has a right candidate."""
    order = np.argsort(-model.score(case.candidates), kind="stable")
    blocks = [*dict.fromkeys(case.candidates.blocks[order].tolist())][:3]
    return bool(case.right[np.isin(case.candidates.blocks, blocks)].any())


def _first(case: Case, model: Model) -> bool:
    return bool(case.right[int(model.score(case.candidates).argmax())])


# --- the command ---


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
    learned, choosing = learned_sets(), worlds("choose")
    more = worlds("more") | worlds("closed")
    if only:
        learned, more = {}, dict([*(learned | worlds("more")).items()][::_SOME]) | worlds("closed")
    reporting = {name: questions(name) for name in REPORTING if name not in INSTALLED}
    reported = {"choose": choosing, "old": reporting}.get(on) or worlds(on)
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
        if only:
            found = see(more)
            models[level] = learn_some(found, shipped()[level], only.split(","))
        else:
            found, chosen = [*see(learned), *see(more)], see(choosing)
            models[level] = learn(found, chosen)
        asked = see(reported)
        click.echo(f"{level}: {len(found):,} questions, least confidence {models[level].least}")
        _print(report(asked, models[level]))
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
        told, _ = probabilities([case for case in (*found, *chosen) if case.kind in _PLAIN], model)
        least = round(float(np.quantile(told, WRONG_LARGE)), 3)
        model = attrs.evolve(model, least=least, smaller=max(given.least, given.smaller))
    else:
        model = learn(found, chosen, WRONG_LARGE)
    click.echo(f"{level}: {len(found):,} questions, least confidence {model.least}")
    _print(report(see(on), model))
    return model


def _source(only: str) -> str:
    """Return the sets that the shipped weights, without those of ``only``, were learned from."""
    record = json.loads((folder("plugins") / WEIGHTS.removeprefix("plugins/")).read_text("utf-8"))
    return str(record["from"]).partition(f"; {only}: ")[0]


def _print(told: dict[str, Any]) -> None:
    for name, values in told.items():
        click.echo(f"  {name:20} " + "  ".join(f"{key} {_show(value)}" for key, value in values.items()))


def _show(value: float | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def learned_sets() -> dict[str, list[Question]]:
    """Return the folders from which the judge is learned in all ways, with their questions."""
    return worlds("learn") | {name: questions(name) for name in FITTING if name not in INSTALLED}


def gather_cases(asked: dict[str, list[Question]], level: str, *, whole: bool = False) -> list[Case]:
    """Return the :func:`cases` of folders, in two processes."""
    found, names = list[Case](), [*asked]
    items = [(name, asked[name], foreign(asked, at), crowd(names, at)) for at, name in enumerate(names)]
    with ProcessPoolExecutor(2, initializer=_read_once) as pool:
        for part in pool.map(partial(_cases, level=level, whole=whole), items):
            found += part
    return found


def _read_once() -> None:
    """Let the encoder of this process cache its vectors: folders share most of their passages."""
    with contextlib.suppress(MissingPackage):
        encoder = type(registry.get("embedder", ENCODER)())
        encoder.embed = partialmethod(_embed, encoder.embed, {})  # type: ignore[method-assign,assignment]


def _embed(
    self: Embedder,
    embed: Callable[..., np.ndarray],
    kept: dict[tuple[str, bool], np.ndarray],
    texts: Sequence[str],
    *,
    question: bool = False,
) -> np.ndarray:
    if new := [text for text in dict.fromkeys(texts) if (text, question) not in kept]:
        kept |= {
            (text, question): row for text, row in zip(new, embed(self, new, question=question), strict=True)
        }
    return np.stack([kept[text, question] for text in texts]) if texts else embed(self, texts)


def foreign(asked: dict[str, list[Question]], number: int) -> list[Question]:
    """Return :data:`_FOREIGN` questions of each of the next folders."""
    names = [*asked]
    found = list[Question]()
    for step in range(1, min(_FOREIGN_FOLDERS, len(names) - 1) + 1):
        some = [each for each in asked[names[(number + step) % len(names)]] if each.words]
        found += some[number % 7 :: max(len(some) // _FOREIGN, 1)][:_FOREIGN]
    return found


def crowd(names: Sequence[str], number: int) -> list[str]:
    """Return :data:`_CROWD` other folders of other kinds, such as firms beside a household."""
    kind = names[number].split("-")[0]
    others = [name for name in (*names[number:], *names[:number]) if name.split("-")[0] != kind]
    return others[:: max(len(others) // _CROWD, 1)][:_CROWD]


def _cases(
    item: tuple[str, list[Question], list[Question], list[str]], level: str, *, whole: bool
) -> list[Case]:
    name, asked, others, beside = item
    return cases(name, asked, RETRIEVERS[level], others, beside, whole=whole)
