"""Fit the two functions of the judge: scores of candidates, and confidence that the best one answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
from scipy.optimize import minimize

from lior_ask.judging.features import NAMES
from lior_ask.judging.linear import COLUMNS, SILENT, Model, Weights, of_best, of_best_names, score
from lior_bench.answers import SURE
from lior_bench.judge_cases import Case

WRONG = 0.08
"""The share of questions in the words of the text that may be refused; it sets the minimum confidence."""
PLAIN = ("direct", "plain")
"""The kinds of questions in the words of the text."""
_FOLDS = 5
_ENOUGH = 20
"""The minimum number of answers with a confidence of 90 % and more for estimating how often
they are right.
"""
_FEWER = 0.3
"""The weight of a question about another folder, without its answer, or asked of less or more than its
folder.
"""
_RIDGE = 10.0
"""The weight of the quadratic penalty of both functions."""
_RISE = ("text", "heading", "block", "words", "bags", "encoder", "read")
RISING = frozenset((*_RISE, *(f"{name}, below the best" for name in _RISE)))
"""Features of which a larger value never makes a passage worse."""
_RISING = frozenset({"score", "lead", "share", *RISING})


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
    plain = np.array([case.kind in PLAIN for case in (*mine, *others)])
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


def probabilities(found: Sequence[Case], model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence of each case, and whether its best candidate's block answers."""
    x, right = _of_best(found, model.weights)
    return model.confidence(x), right


def learn_scores(found: Sequence[Case], given: Weights | None = None, only: Sequence[str] = ()) -> Weights:
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
        value = np.log(total).sum() - np.log(total_right).sum() + _RIDGE * weights @ weights / 2
        return float(value), slope + _RIDGE * weights

    return Weights(mean, scale, _minimise(loss, names, RISING, _fixed(given, names, only)))


def learn_answers(
    x: np.ndarray, y: np.ndarray, shares: np.ndarray, given: Weights | None = None, only: Sequence[str] = ()
) -> Weights:
    """Fit a logistic regression of whether the best candidate's block answers, ``y``, weighted
    by ``shares``; ``given`` and ``only`` as of :func:`learn_scores`.
    """
    names = next(names for names in map(of_best_names, (NAMES, COLUMNS)) if len(names) == x.shape[1])
    mean, scale, x = _standardise(x, given, names, only)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = x @ weights[:-1] + weights[-1]
        p = 1 / (1 + np.exp(-odds))
        value = shares @ np.logaddexp(0, np.where(y, -odds, odds)) + _RIDGE * weights[:-1] @ weights[:-1] / 2
        each = shares * (p - y)
        slope = np.append(x.T @ each + _RIDGE * weights[:-1], each.sum())
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
