"""Learn the queries of ``lior ask`` from folders of tables with questions.

The class of a question and the columns that it means are learned first. The network is learned from queries
that are proposed for folders which these parts were not learned from, and the probability of the best query
from folders which the network was not learned from either.
"""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
from scipy import sparse
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from lior.workers import Workers
from lior_ask.embedders.e5 import E5, read_words
from lior_ask.question.question import Question
from lior_ask.tables.calculating import calculated, plan_calculation
from lior_ask.tables.choosing import is_zero, tell
from lior_ask.tables.headers import Reading, name_vectors, readings, vectors
from lior_ask.tables.implied import BESIDE, Implying
from lior_ask.tables.learned import (
    LAYERS,
    LOWEST,
    NAMES,
    Learned,
    Linear,
    Network,
    grams,
    implied_pairs,
    pairs,
    table_pairs,
)
from lior_ask.tables.limits import limiting, words_in
from lior_ask.tables.mentions import Links
from lior_ask.tables.query import Query
from lior_ask.tables.ranking import Ranked, Ranker, merge, sure_features
from lior_ask.tables.telling import NoResult
from lior_bench.queries import wikitables
from lior_bench.queries.altering import altered
from lior_bench.queries.examples import (
    ALTERED,
    OTHERS,
    Example,
    accepted,
    beside_of,
    columns_of,
    conditioned,
    examples,
    examples_of_others,
    implied_of,
    label_of,
    limits_of,
    mode_of,
    right,
    sign_of,
)
from lior_bench.queries.implying import Row, fit_implying, made_rows
from lior_bench.queries.network import Choice, fit_network, mean_of
from lior_bench.queries.tuning import Meant, Tuned
from lior_bench.queries.verdicts import verdict
from lior_bench.queries.worlds import TODAY, Gold, World

_HALF = 0.5
"""The share of folders of a language from which on a word is usual."""
_HEADS = {"class": label_of, "mode": mode_of, "sign": sign_of}
"""What is told of a question, and the function that returns it."""
_JOINED = 4
"""Maximum number of folders that are joined; one of so many of their questions is asked of them together."""
_PENALTY = 0.003
"""Inverse strength of the penalty on what tells the words that limit rows.

It was chosen among .0003 to .1 on folders left out."""
_NETWORKS = 3
"""Number of networks, with other beginnings, whose mean scores queries."""
_FREQUENT = 150
"""Minimum number of proposals with a feature that the network uses."""


_BESIDE = 2
"""Number of columns for which a question is learned not to compare with another row."""


@attrs.frozen(eq=False)
class Told:
    """The best query of a question of a folder that nothing was learned from."""

    how: str
    right: bool
    meant: bool
    known: dict[str, float]
    """What tells the probability that it is right; empty without a query."""
    planned: bool | None = None
    """Whether the calculation of the grammar is right; ``None`` without one."""
    same: bool = False
    """Whether the query has the value of that calculation."""
    grammar: str = ""
    """``refused`` if words name nothing to the grammar, ``zero`` if its calculation has no row or gives 0."""
    kind: str = ""
    """That of its :class:`~lior_bench.queries.examples.Example`."""


@attrs.frozen(eq=False)
class Part:
    """What is learned without some folders, and the queries proposed for these."""

    learned: Learned
    names: Sequence[str]
    choices: Sequence[Choice]


def learn(
    found: Sequence[World],
    others: Sequence[wikitables.Asked] = (),
    *,
    folds: int = 3,
    frequent: int = _FREQUENT,
    seed: int = 0,
) -> tuple[Learned, list[tuple[Told, float]]]:
    """Return what is learned, and the best query for each folder when left out, with its probability.

    The scores of queries and their probability are learned from ``others``, too.
    """
    without = [{world.name for world in found[n::folds]} for n in range(min(folds, len(found)))]
    with Workers(2) as workers:
        tables = sorted({each.table for each in others})
        apart = [{*tables[n :: len(without)]} for n in range(len(without))]
        each_part = [
            (found, names, seed, [each for each in others if each.table in some])
            for names, some in zip(without, apart, strict=True)
        ]
        done = dict(workers.map(part, [(found, set[str](), seed, ()), *each_part]))
    whole, *parts = (done[n] for n in range(len(done)))
    names, choices = _joined(parts, frequent)
    told = list[list[Told]]()
    for own in choices:
        network = _network([each for each in choices if each is not own], names, seed)
        told.append([_told(each, network, names) for each in own])
    left_out = list[tuple[Told, float]]()
    for best in told:
        judge = _sure([each for each in told if each is not best])
        left_out += [(each, float(1 / (1 + np.exp(-_logit(judge, each.known))))) for each in best]
    network = _network(choices, names, seed)
    agreement = _agreement(left_out)
    return attrs.evolve(whole.learned, ranker=network, sure=_sure(told), agreement=agreement), left_out


def part(
    found: Sequence[World], without: Collection[str], seed: int, others: Sequence[wikitables.Asked] = ()
) -> Part:
    """Return what is learned without some folders, with the queries proposed for these and for others."""
    with tempfile.TemporaryDirectory() as temporary:
        asked = [each for world in found for each in examples([world], Path(temporary, "alone"))]
        left_out = [world for world in found if world.name in without]
        random = np.random.default_rng(seed)
        for world in left_out:
            lost = attrs.evolve(world, questions=altered(world, found, random))
            asked += [attrs.evolve(each, kind=ALTERED) for each in examples([lost], Path(temporary, "lost"))]
        for number, some in enumerate(_groups(left_out)):
            asked += examples(some, Path(temporary, str(number)), every=_JOINED)
        asked += examples_of_others(others, Path(temporary))
    own = [each for each in asked if each.world.name not in without and each.kind not in (ALTERED, OTHERS)]
    learned = learn_parts(own, asked, seed)
    places = dict[str, int]()
    choices = [_choice(each, learned, places) for each in asked if each.world.name in {*without, OTHERS}]
    return Part(learned, [*places], choices)


def _groups(found: Sequence[World]) -> Iterator[list[World]]:
    """Yield folders of a language to be joined: in a folder of 25 tables several may be meant."""
    for language in sorted({world.language for world in found}):
        own = [world for world in found if world.language == language]
        parts = (own[first : first + _JOINED] for first in range(0, len(own), _JOINED))
        yield from (some for some in parts if len(some) > 1)


# --- the class of a question, and its columns ---


def learn_parts(asked: Sequence[Example], every: Sequence[Example], seed: int) -> Learned:
    """Return what is learned of questions and columns; the scores of queries are empty.

    The questions of ``every`` example get their vectors by the encoder that is learned with it.
    """
    nothing = Linear((), ("",), np.zeros((0, 1)), np.zeros(1))
    network = Network((), np.zeros(0), np.zeros((0, 1)), np.zeros(1), np.zeros(1), np.zeros(0), 0.0)
    digest, none = E5().digest, (np.zeros((4, 1)), np.zeros(1))
    blank = Learned({}, nothing, usual_words(asked), network, nothing, {}, digest, *none)
    said = [[*grams(each.said, blank.values(each.said, each.links))] for each in asked]
    labels = {head: [*map(of, asked)] for head, of in _HEADS.items()}
    texts, heads = [each.asked["q"] for each in asked], dict[str, Linear]()
    tuned, names = Tuned(texts, labels, seed=seed), Tuned(texts, labels, *_meant(asked), seed=seed)
    texts = [each.asked["q"] for each in every]
    for each, of_class, of_names in zip(every, tuned.vectors(texts), names.vectors(texts), strict=True):
        each.said.vector, each.said.name_vector = of_class, of_names
    tables = [*{id(table): table for each in every for table in each.tables}.values()]
    for table, header in zip(tables, vectors(tables, names.states), strict=True):
        table.header = header
    for head, own in labels.items():
        known = [n for n, each in enumerate(own) if each is not None]
        linear = fit_linear([said[n] for n in known], [str(own[n]) for n in known])
        outputs, dense = tuned.head(head)
        order = [outputs.index(each) for each in linear.outputs]
        heads[head] = attrs.evolve(linear, dense=dense[:, order])
    rows = [row for each in asked for row in _column_rows(each)]
    columns = fit_linear([row for row, _ in rows], [is_it for _, is_it in rows], strength=0.3, least=5)
    kept = np.abs(columns.weights).max(1) >= 0.12  # most pairs of words tell little
    words = tuple(name for name, keep in zip(columns.names, kept, strict=True) if keep)
    columns = Linear(words, columns.outputs, columns.weights[kept], columns.constants)
    layers, limits = {LAYERS: tuned.layers(), NAMES: names.layers()}, learn_limits(asked, every)
    return attrs.evolve(
        blank,
        heads=heads,
        columns=columns,
        layers=layers,
        factors=names.factors,
        limits=limits,
        implying=learn_implying(asked, every, seed),
    )


def learn_limits(asked: Sequence[Example], every: Sequence[Example]) -> np.ndarray:
    """Learn which words limit rows, tell it of ``every`` question, and return the weights ``(1 + D,)``."""
    texts = [each.asked["q"] for each in every]
    states = dict(zip(map(id, every), read_words(texts, LOWEST), strict=True))
    rows, labels = list[np.ndarray](), list[bool]()
    for each in asked:
        own = states[id(each)]
        places = words_in(each.asked["q"], each.said)
        known = [(n, limits) for n, limits in zip(places, limits_of(each) or (), strict=False)]
        rows += [own[n] for n, _ in known if 0 <= n < len(own)]
        labels += [limits for n, limits in known if 0 <= n < len(own)]
    values = np.array(rows)
    mean, scale = values.mean(0), values.std(0) + 1e-3
    model = LogisticRegression(C=_PENALTY, max_iter=200).fit((values - mean) / scale, labels)
    weights = model.coef_[0] / scale
    found = np.append(model.intercept_ - weights @ mean, weights)
    for each in every:
        each.said.limiting = limiting(each.asked["q"], each.said, states[id(each)], found)
    return found


def learn_implying(asked: Sequence[Example], every: Sequence[Example], seed: int) -> Implying:
    """Learn which conditions questions imply, and tell it of ``every`` question."""
    tables = [*{id(table): table for each in every for table in each.tables}.values()]
    for table, named in zip(tables, name_vectors(tables, E5().embed), strict=True):
        table.named = named
    texts = [each.asked["q"] for each in every]
    vectors, words = E5().embed(texts, question=True), read_words(texts, LOWEST)
    told = dict(zip(map(id, every), zip(vectors, words, strict=True), strict=True))
    rows, random = list[Row](), np.random.default_rng(seed)
    for n, each in enumerate(asked):
        if each.wanted is not None and (links := each.own) is not None and links.table.named is not None:
            gold, names = implied_of(each, links), links.table.named[1:]
            rows += [
                Row(n, p.role, names[[*p.columns]], (p.columns, p.role) in gold) for p in links.implied()
            ]
            rows += _beside_rows(n, each, links, random)
            for kind, own in conditioned(each, links).items():
                every_column = links.table.places("number" if kind == "compared" else "date")
                rows += [Row(n, kind, names[[column]], column in own) for column in every_column]
    more, others = made_rows(len(asked))
    known, read = zip(*(told[id(each)] for each in asked), strict=True)
    both = np.concatenate([np.array(known), E5().embed(more, question=True)])
    found = fit_implying(both, [*read, *read_words(more, LOWEST)], rows + others, seed)
    for each in every:
        each.said.implied = found.of(*told[id(each)])
    return found


def _beside_rows(number: int, example: Example, links: Links, random: np.random.Generator) -> Iterator[Row]:
    """Yield what may be compared with another row; of a question that does not, only some of it."""
    assert links.table.named is not None
    gold, names = beside_of(example, links), links.table.named[1:]
    for role in BESIDE:
        columns = links.table.beside(role)
        some = columns if gold else random.permutation(columns)[:_BESIDE].tolist()
        yield from (Row(number, role, names[[column]], (role, column) in gold) for column in some)


def _meant(asked: Sequence[Example]) -> tuple[list[Meant], list[Reading]]:
    """Return what each question means, and the names of the tables."""
    numbers, names, found = dict[int, int](), list[Reading](), list[Meant]()
    for each in asked:
        for table in each.tables:
            if numbers.setdefault(id(table), len(names)) == len(names):
                names.append(next(readings(table)))
        own, wanted = tuple(numbers[id(table)] for table in each.tables), each.wanted
        columns = dict(columns_of(wanted)) if wanted else {}
        found.append(Meant(own, own[wanted.table] if wanted else -1, columns))
    return found, names


def usual_words(asked: Sequence[Example]) -> dict[str, float]:
    """Return how usual words are: in the questions of many folders of a language."""
    uses, folders = defaultdict[tuple[str, str], set[str]](set), defaultdict[str, set[str]](set)
    for each in asked:
        folders[each.world.language].add(each.world.name)
        for token in each.said.tokens:
            if not token.kind:
                uses[token.word, each.world.language].add(each.world.name)
    found = dict[str, float]()
    for (word, language), names in uses.items():
        number = len(folders[language])
        share = min(1.0, (len(names) - 1) / (number - 1) / _HALF) if number > 2 else 0.0
        if share > found.get(word, 0.05):
            found[word] = round(share, 2)
    return found


def _column_rows(example: Example) -> Iterator[tuple[list[str], bool]]:
    """Yield the features of columns, implied conditions and tables, and whether the gold query has them."""
    wanted, links = example.wanted, example.own
    if wanted is None:
        return
    if links is not None:
        kinds = [column.kind for column in links.table.columns]
        for role, own in columns_of(wanted):
            like = {kinds[own]} if kinds[own] != "text" and wanted.how != "value" else {*kinds}
            for n in (n for n, kind in enumerate(kinds) if kind in like):
                yield [*pairs(example.said, links, n, role)], n == own
        implied = implied_of(example, links)
        for piece in links.implied():
            yield [*implied_pairs(example.said, links, piece)], (piece.columns, piece.role) in implied
    for each in example.links:
        yield [*table_pairs(example.said, each)], each is links


def fit_linear(
    rows: Sequence[Collection[str]],
    labels: Sequence[str | bool],
    *,
    strength: float = 1.0,
    least: int = 3,
) -> Linear:
    """Return the logistic regression of labels, with one output if they are true or false."""
    count = Counter(name for row in rows for name in {*row})
    names = sorted(name for name, number in count.items() if number >= least)
    places = {name: n for n, name in enumerate(names)}
    own = [sorted({places[name] for name in row if name in places}) for row in rows]
    columns = np.array([n for row in own for n in row])
    shape, ends = (len(rows), len(names)), np.cumsum([0, *map(len, own)])
    matrix = sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose
        model = LogisticRegression(C=strength, max_iter=70).fit(matrix, labels)
    weights, constants, outputs = model.coef_.T, model.intercept_, (*map(str, model.classes_),)
    if isinstance(labels[0], bool):
        outputs = ("",)
    elif len(outputs) == 2:
        weights, constants = weights * [[-0.5, 0.5]], constants * [-0.5, 0.5]
    return Linear((*names,), outputs, weights, constants)


# --- the best query ---


def _choice(example: Example, learned: Learned, places: dict[str, int]) -> Choice:
    """Return the proposals of a question; ``places`` are the columns of features, and gets new ones."""
    ranker = Ranker(example.said, learned, example.tables)
    found, scores = ranker.proposed()
    cells = [
        (row, places.setdefault(name, len(places)), value)
        for row, proposal in enumerate(found)
        for name, value in ranker.features(proposal, scores, learned.matches(example.said, proposal.links))
        if value
    ]
    rows, columns, values = np.array(cells, np.float32).reshape(-1, 3).T
    features = sparse.csr_matrix((values, (rows.astype(int), columns.astype(int))), (len(found), len(places)))
    judged = np.array([_judged(example, each.query, ranker) for each in found], bool).reshape(-1, 2)
    strictly, as_well = judged.T
    planned, same, grammar = _planned(example, ranker, [each.query for each in found])
    return Choice(
        how=example.asked["op"],
        planned=planned,
        same=same,
        grammar=grammar,
        queries=[each.query for each in found],
        features=features,
        right=strictly if strictly.any() else as_well,
        accepted=as_well,
        nothing=ranker.nothing(scores),
        meant=example.meant,
        meanings=_numbered([ranker.meaning(each.query) for each in found]),
        kind=example.kind,
    )


def _judged(example: Example, query: Query, ranker: Ranker) -> tuple[bool, bool]:
    """Return whether a query is right, and whether it answers as well."""
    if example.target:
        return wikitables.denotes(ranker, query, example.target)
    return right(example, query, ranker.selected), accepted(example, query, ranker.selected)


def _numbered(keys: Sequence[Hashable]) -> np.ndarray:
    """Return a number for each different key, and -1 for ``None``."""
    numbers = {key: n for n, key in enumerate(dict.fromkeys(keys))} | {None: -1}
    return np.array([numbers[key] for key in keys], np.int64)


def _planned(
    example: Example, ranker: Ranker, queries: Sequence[Query]
) -> tuple[bool | None, np.ndarray, str]:
    """Return whether the calculation of the grammar is right, which queries have its value, and what is
    :attr:`Told.grammar`."""
    question, same = Question(example.asked["q"]), np.zeros(len(queries), bool)
    planned = plan_calculation(question, example.known, TODAY)
    if planned.told is None:
        return None, same, "refused" if planned.unclear and planned.unclear.words else ""
    for n, query in enumerate(queries):
        with suppress(NoResult):
            same[n] = tell(ranker, query).result.value == planned.told.result.value
    answer = calculated(question, planned.told, 1.0, top=1)
    gold = Gold([*example.target], ()) if example.target else example.world.answer(example.asked)
    return (
        verdict(example.asked, gold, answer) == "right",
        same,
        "zero" if is_zero(planned.told.result) else "",
    )


def _agreement(left_out: Sequence[tuple[Told, float]]) -> dict[str, float]:
    """Return the weights of the probability that a calculation of the grammar is right, and of that that a
    query is right where words name nothing to the grammar."""
    odds = [float(logit(min(max(p, 1e-3), 1 - 1e-3))) for _, p in left_out]
    every = [(told, own) for (told, _), own in zip(left_out, odds, strict=True)]
    found = [(told, own) for told, own in every if told.planned is not None]
    values = [[told.same, own, told.same * own, told.grammar == "zero"] for told, own in found]
    values += [[False, 0.0, 0.0, False]] * 2  # one right, one wrong: few folders may have only one of them
    model = LogisticRegression(C=1.0).fit(values, [*(told.planned for told, _ in found), True, False])
    names = ("constant", "agrees", "odds", "both", "zero")
    weights = dict(zip(names, (*model.intercept_, *model.coef_[0]), strict=True))
    refused = [([own], told.right) for told, own in every if told.grammar == "refused"]
    refused += [([0.0], True), ([0.0], False)]
    model = LogisticRegression(C=1.0).fit(*zip(*refused, strict=True))
    weights |= {"refused": model.intercept_[0], "refused odds": model.coef_[0, 0]}
    return {name: round(float(value), 3) for name, value in weights.items()}


def _joined(parts: Sequence[Part], frequent: int) -> tuple[list[str], list[list[Choice]]]:
    """Return the names of frequent features, and the choices of each part with these as columns."""
    count = Counter[str]()
    for each in parts:
        for choice in each.choices:
            for n in choice.features.indices:
                count[each.names[n]] += 1
    names = sorted(name for name, number in count.items() if number >= frequent)
    places = {name: n for n, name in enumerate(names)}
    found = []
    for each in parts:
        own = np.array([places.get(name, -1) for name in each.names])
        found.append(
            [attrs.evolve(one, features=_moved(one.features, own, len(names))) for one in each.choices]
        )
    return names, found


def _moved(features: sparse.csr_matrix, places: np.ndarray, number: int) -> sparse.csr_matrix:
    """Return features with other numbers of columns; those with -1 are left out."""
    cells = features.tocoo()
    columns = places[cells.col]
    kept = columns >= 0
    shape = (features.shape[0], number)
    return sparse.csr_matrix((cells.data[kept], (cells.row[kept], columns[kept])), shape)


def _told(choice: Choice, network: Network, names: Sequence[str]) -> Told:
    told = Told(choice.how, False, choice.meant, {}, choice.planned, grammar=choice.grammar, kind=choice.kind)
    if not choice.queries:
        return told
    features = choice.features.toarray().astype(np.float64)
    numbers = [None if n < 0 else n for n in choice.meanings.tolist()]
    order, scores = merge(network(features), numbers.__getitem__)
    if not order:
        return told
    shown: list[Any] = [SimpleNamespace(query=choice.queries[n]) for n in order]
    ranked = Ranked(shown, scores, network.constant + choice.nothing, features[order])
    return attrs.evolve(
        told,
        right=bool(choice.accepted[choice.meanings == choice.meanings[order[0]]].any()),
        known=dict(sure_features(ranked, names)),
        same=bool(choice.same is not None and choice.same[order[0]]),
    )


def _network(parts: Sequence[Sequence[Choice]], names: Sequence[str], seed: int) -> Network:
    choices = [each for own in parts for each in own if each.learnable]
    return mean_of([fit_network(choices, names, seed=_NETWORKS * seed + n) for n in range(_NETWORKS)])


def _sure(parts: Sequence[Sequence[Told]]) -> Linear:
    """Return the logarithm of the odds that the best query is right."""
    told = [each for own in parts for each in own]
    names = sorted({name for each in told for name in each.known})
    values = np.array([[each.known.get(name, 0.0) for name in names] for each in told])
    mean, scale = values.mean(0), values.std(0) + 1e-6
    model = LogisticRegression(C=0.1, max_iter=3000)
    model.fit((values - mean) / scale, [each.right for each in told])
    weights = model.coef_[0] / scale
    return Linear((*names,), ("",), weights[:, None], model.intercept_ - weights @ mean)


def _logit(sure: Linear, known: dict[str, float]) -> float:
    weights = (float(sure.weights[sure.places[name], 0]) * value for name, value in known.items())
    return float(sure.constants[0]) + sum(weights)
