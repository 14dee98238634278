"""What is learned from questions: the class of a question, the columns it means, and scores of queries.

Multinomial logistic regression over words and pairs of words predicts the class (sum, count, next …), the
mode of groups and the direction of amounts. So does the sentence encoder, whose last layers were learned
further for this. Logistic regression matches columns, over pairs of a word of the question and a word or
property of the column. A network scores each query by its features, and the softmax of the scores is the
probability that it is meant (conditional logit: D. McFadden, 1974). ``lior bench queries --learn`` learns all
of it from tables with questions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

import attrs
import numpy as np

from lior_ask.embedders import e5
from lior_ask.index.table_schema import Column
from lior_ask.languages.lists import any_of, either, languages, words
from lior_ask.tables.asked import Asked
from lior_ask.tables.implied import BESIDE, Implying
from lior_ask.tables.mentions import Links, Piece
from lior_ask.tables.sources import Table, cell_words

ROLES = ("measure", "show", "group")
"""What a column may be in a query."""
HEADS = ("class", "mode", "sign")
"""What is predicted of a question."""
_MONEY = ("€", "$", "£", "¥", "EUR", "USD", "GBP", "CHF", "Fr", "Fr.", "eur")
_EVERYDAY = "columns.everyday"
_UNFIT = (
    "calculations.elided",
    "calculations.own",
    "calculations.title",
    "calculations.about",
    "calculations.not_paid",
)
_READ = 0.7
"""Weight of what the encoder tells of a question beside its words; chosen on folders left out."""
LAYERS, NAMES, LOWEST = "encoder.safetensors", "names.safetensors", 8
"""Files with the layers of the encoder that were learned further to tell what a question asks for, and which
names it means, and the first of them."""
_IMPLIED = 0.6
"""Weight of what the encoder tells of an implied condition beside its words; chosen on folders left out."""
_KINDS = {"compared": "number", "period": "date"}
"""Kind of a condition -> type of its column."""
_PREFIX = 5
"""Number of letters by which words of questions and of columns are paired."""


def symbols(asked: Asked, values: set[int]) -> list[str]:
    """Return the words of a question, with marks for periods, numbers and ``values``."""
    marks = {"period": "<P>", "number": "<N>", "file": "<F>"}
    return [
        marks.get(token.kind) or ("<D>" if token.word[0].isdigit() else "<V>" if n in values else token.word)
        for n, token in enumerate(asked.tokens)
    ]


@cache
def _lexicon() -> dict[str, re.Pattern[str]]:
    """Return the patterns of known words of calculations by their keys."""
    known = languages()[0].lists
    found = {key: either(key) for key in known if key.startswith("calculations.") and key not in _UNFIT}
    found |= {
        key: any_of(sorted(words(key))) for key in known if key.startswith("columns.") and key != _EVERYDAY
    }
    found |= {
        key: any_of(sorted(words(key))) for key in ("words.who", "words.used", "words.times", "words.between")
    }
    found |= {key: either(key) for key in known if key.startswith("things.")}
    return {key: re.compile(rf"\b{pattern}(?!\w)") for key, pattern in found.items()}


def categories(asked: Asked) -> frozenset[str]:
    """Return the keys of the known words of calculations that a question has."""
    return _categories_in(asked.text)


@lru_cache(1 << 10)
def _categories_in(text: str) -> frozenset[str]:
    return frozenset(key for key, pattern in _lexicon().items() if pattern.search(text))


def plain_name(name: str) -> str:
    """Return the name of a column in lower case, with single spaces."""
    return " ".join(name.lower().replace("_", " ").split())


@cache
def _categories_of(name: str) -> frozenset[str]:
    """Return the keys of the known words in the name of a column."""
    own = {*cell_words(name)}
    keys = [key for key in languages()[0].lists if key.startswith("columns.") and key != _EVERYDAY]
    return frozenset(key for key in keys if own & words(key))


def grams(asked: Asked, values: set[int]) -> Iterator[str]:
    """Yield the features of a question: its words, their beginnings, and pairs of neighbours."""
    line = symbols(asked, values)
    yield from categories(asked)
    yield from (f"^ {key}" for key in categories(asked) if _lexicon()[key].match(asked.text.strip()))
    yield from line
    yield from (f"{word[:4]}~" for word in line if len(word) > 5)
    yield from (f"{a} {b}" for a, b in zip(["^", *line], [*line, "$"], strict=True))
    yield "^" + " ".join(line[:2])
    yield from (f"{a} _ {c}" for a, c in zip(line, line[2:], strict=False))
    yield f"length {min(len(line) // 3, 4)}"


def properties(table: Table, column: int) -> Iterator[str]:
    """Yield the words of a column's name, and its properties."""
    own: Column = table.columns[column]
    made = table.derived.get(column)
    if made:
        yield f"={made.how}"
        names = [w for n in made.of for h in table.headings[n] for w in h]
    else:
        names = [word for heading in table.headings[column] for word in heading]
    yield from {word[:_PREFIX] for word in names}
    yield f"={own.kind}"
    if own.kind == "number":
        money = own.unit in _MONEY
        yield "=duration" if own.duration else "=money" if money else f"={own.unit or 'plain'}"
        if not made and table.signed(column):
            yield "=signed"
    if own.key:
        yield "=key"
    yield from _categories_of(plain_name(own.name))
    if column in table.answers:
        yield "=answer"


def pairs(asked: Asked, links: Links, column: int, role: str) -> Iterator[str]:
    """Yield the features of a column in a role: words of the question beside its properties."""
    known = {*properties(links.table, column)}
    said = {token.word[:_PREFIX] for token in asked.tokens if not token.kind} | categories(asked)
    yield from (f"{role}|{word}|{each}" for word in (*said, "") for each in known)
    yield f"{role}|named {round(2 * links.quality.get(column, 0))}"
    yield f"{role}|dated {column == links.table.dated}"


def implied_pairs(asked: Asked, links: Links, piece: Piece) -> Iterator[str]:
    """Yield the features of a condition that a question may imply: those of its columns in its role."""
    for place, column in enumerate(piece.columns):
        yield from pairs(asked, links, column, f"{piece.role}{place or ''}")


def table_pairs(asked: Asked, links: Links) -> Iterator[str]:
    """Yield the features of a table: words of the question beside words of its name and of its columns."""
    table = links.table
    known = {word[:_PREFIX] for word in table.names} | {f"={table.kind}"}
    known |= {key for column in table.columns for key in _categories_of(plain_name(column.name))}
    known |= {f".{word[:_PREFIX]}" for heading in table.headings for own in heading for word in own}
    said = {token.word[:_PREFIX] for token in asked.tokens if not token.kind} | categories(asked)
    yield from (f"table|{word}|{each}" for word in said for each in known)


@attrs.frozen
class Scores:
    """The logarithms of the probabilities of each class, mode and sign of a question."""

    logs: Mapping[str, Mapping[str, float]]

    def classes(self, most: int) -> list[str]:
        """Return the likeliest classes that are queries."""
        found = {k: v for k, v in self.logs["class"].items() if k not in ("none", "passage")}
        best = sorted(found, key=lambda each: found[each], reverse=True)[:most]
        return [each for each in best if found[each] > found[best[0]] - 6] or best[:1]

    def modes(self, most: int) -> list[str]:
        """Return the likeliest modes of groups; all groups are the empty one."""
        found = {k: v for k, v in self.logs["mode"].items() if k != "no"}
        best = sorted(found, key=lambda each: found[each], reverse=True)[:most]
        return ["" if each == "all" else each for each in best]


@attrs.frozen(eq=False)
class Linear:
    """A linear function of named features."""

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: np.ndarray
    """``(F, K)``."""
    constants: np.ndarray
    """``(K,)``."""
    dense: np.ndarray | None = None
    """``(1 + D, K)``, constants and weights of a second function, of a vector ``(D,)``."""
    places: dict[str, int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "places", {name: n for n, name in enumerate(self.names)})

    def __call__(self, features: Iterable[str]) -> np.ndarray:
        """Return the values ``(K,)`` for the features that are there."""
        rows = [self.places[each] for each in features if each in self.places]
        found: np.ndarray = self.weights[rows].sum(0) + self.constants
        return found

    def logs(self, features: Iterable[str], vector: np.ndarray | None = None) -> dict[str, float]:
        """Return the logarithm of the softmax of each output, mixed with that of a vector."""
        found = _log_softmax(self(features))
        if vector is not None and self.dense is not None:
            read = _log_softmax(self.dense[0] + vector @ self.dense[1:])
            found = _log_softmax((1 - _READ) * found + _READ * read)
        return {name: max(float(value), -8.0) for name, value in zip(self.outputs, found, strict=True)}


def _log_softmax(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = values - np.logaddexp.reduce(values)
    return found


@attrs.frozen(eq=False)
class Network:
    """A function of named features with one hidden layer of rectified units."""

    names: tuple[str, ...]
    scale: np.ndarray
    """``(F,)``; features are divided by it."""
    hidden: np.ndarray
    """``(F, H)``."""
    shift: np.ndarray
    """``(H,)``."""
    out: np.ndarray
    """``(H,)``."""
    direct: np.ndarray
    """``(F,)``; the linear part."""
    constant: float
    """The score that no query is meant, without the class's part."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the values ``(P,)`` of the features of ``P`` proposals ``(P, F)``."""
        values = values / self.scale
        found: np.ndarray = np.maximum(values @ self.hidden + self.shift, 0) @ self.out + values @ self.direct
        return found


@attrs.frozen(eq=False)
class Learned:
    """All that is learned."""

    heads: Mapping[str, Linear]
    columns: Linear
    common: Mapping[str, float]
    """How usual each word is in questions, from 0 to 1; words that are not there are subjects."""
    ranker: Network
    sure: Linear
    """The logarithm of the odds that the best query is right."""
    agreement: Mapping[str, float]
    """Weights of the logarithm of the odds that a calculation of the grammar is right."""
    encoder: str
    """The digest of the encoder below the layers that were learned further."""
    factors: np.ndarray
    """Factors of the numbers of a question's vector for each of :data:`~lior_ask.tables.headers.MEANT`."""
    limits: np.ndarray
    """``(385,)``, the weights of :func:`~lior_ask.tables.limits.limiting`."""
    implying: Implying | None = attrs.field(default=None, repr=False)
    """What tells the conditions that a question implies; None before it is learned."""
    layers: Mapping[str, Mapping[str, np.ndarray]] = attrs.field(factory=dict, repr=False)
    """These layers by the names of their files, before they are stored."""

    def scores(self, asked: Asked, links: Sequence[Links]) -> Scores:
        """Return the scores of the classes of a question."""
        features = {*grams(asked, self.values(asked, links))}
        return Scores({head: self.heads[head].logs(features, asked.vector) for head in HEADS})

    def values(self, asked: Asked, links: Sequence[Links]) -> set[int]:
        """Return the positions of words that are values of tables, and not usual in questions."""
        found = {n for each in links for piece in each.pieces for n in piece.positions}
        return {n for n in found if self.common.get(asked.tokens[n].word, 0) < 0.3}

    def matches(self, asked: Asked, links: Links) -> dict[str, dict[int, float]]:
        """Return the logarithm of the odds of each column in each role."""
        if ROLES[0] not in links.matched:
            every = range(len(links.table.columns))
            for role in ROLES:
                links.matched[role] = {n: float(self.columns(pairs(asked, links, n, role))[0]) for n in every}
        return links.matched

    def fits(self, asked: Asked, links: Links) -> float:
        """Return the logarithm of the odds that a table is meant."""
        if "table" not in links.matched:
            links.matched["table"] = {0: float(self.columns(table_pairs(asked, links))[0])}
        return links.matched["table"][0]

    def implies(self, asked: Asked, links: Links, piece: Piece) -> float:
        """Return the logarithm of the odds that a question implies a condition."""
        key = repr(piece.condition)
        if key not in links.implications:
            odds, names = float(self.columns(implied_pairs(asked, links, piece))[0]), links.table.named
            if asked.implied is not None and names is not None:
                read = asked.implied.odds(piece.role, names[1:][None, [*piece.columns]])
                odds = (1 - _IMPLIED) * odds + _IMPLIED * float(read[0])
            links.implications[key] = odds
        return links.implications[key]

    def meant(self, asked: Asked, links: Links, kind: str) -> Mapping[int, float]:
        """Return the logarithm of the odds of each column in a condition, ``compared`` or ``period``.

        They are 0 without an encoder.
        """
        if kind not in links.matched:
            columns, names = links.table.places(_KINDS[kind]), links.table.named
            odds = np.zeros(len(columns))
            if asked.implied is not None and names is not None and columns:
                odds = asked.implied.odds(kind, names[1:][columns])
            links.matched[kind] = dict(zip(columns, odds.tolist(), strict=True))
        return links.matched[kind]

    def besides(self, asked: Asked, links: Links) -> Mapping[tuple[str, int], float]:
        """Return the logarithm of the odds that rows are compared with another one, by role and column.

        They are higher for a column that is named; there are none without an encoder.
        """
        table, found = links.table, dict[tuple[str, int], float]()
        if asked.implied is not None and table.named is not None and not links.besides:
            for role in BESIDE:
                if columns := table.beside(role):
                    odds = asked.implied.odds(role, table.named[1:][columns])
                    named = links.quality if role not in BESIDE[-2:] else {}
                    found |= {
                        (role, n): float(v) + named.get(n, 0) for n, v in zip(columns, odds, strict=True)
                    }
            links.besides = found
        return links.besides

    def rarity(self, word: str) -> float:
        """Return how much a word tells that is unusual in questions."""
        return 1 - self.common.get(word, 0.0)


def read_question(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors ``(384,)`` of what a question asks for, and of the names that it means."""
    asked, meant = (e5.read_as(text, _file(name), LOWEST) for name in (LAYERS, NAMES))
    return asked, meant


def read_words(text: str) -> np.ndarray:
    """Return the states ``(W, 384)`` of the words of a question."""
    return e5.read_words([text], LOWEST)[0]


def read_names(texts: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Return the last states ``(n, 384)`` of names in pieces."""
    return e5.runner_as(_file(NAMES), LOWEST).states(texts)


@cache
def names_digest() -> str:
    """Return a hash of the layers that read names."""
    return hashlib.sha256(_file(NAMES).read_bytes()).hexdigest()[:16]


def _file(name: str) -> Path:
    return Path(str(files("lior_ask.tables").joinpath(name)))


@cache
def learned() -> Learned:
    """Return what was learned and comes with the package."""
    return read(files("lior_ask.tables").joinpath("learned.json").read_text("utf-8"))


def read(text: str) -> Learned:
    """Return what :func:`write` wrote."""
    record = json.loads(text)
    heads = {name: _linear(each) for name, each in record["heads"].items()}
    columns, sure = (_linear(record[name]) for name in ("columns", "sure"))
    ranker = record["ranker"]
    scale, hidden, shift, out, direct = (
        np.array(ranker[name], np.float64) for name in ("scale", "hidden", "shift", "out", "direct")
    )
    network = Network((*ranker["names"],), scale, hidden, shift, out, direct, float(ranker["constant"]))
    factors, limits = (np.array(record[name], np.float32) for name in ("factors", "limits"))
    common, agreement, encoder = record["common"], record["agreement"], record["encoder"]
    implying = Implying(**{name: np.array(each) * _STEP for name, each in record["implying"].items()})
    return Learned(heads, columns, common, network, sure, agreement, encoder, factors, limits, implying)


_STEP = 0.005
"""Steps in which the weights of implied conditions are stored."""


def _linear(record: Mapping[str, object]) -> Linear:
    scale = float(record["scale"])  # type: ignore[arg-type]
    weights = np.array(record["weights"], np.float64).reshape(len(record["names"]), -1) * scale  # type: ignore[arg-type]
    constants, dense = np.array(record["constants"], np.float64), None
    if "dense" in record:
        dense = np.array(record["dense"], np.float64).reshape(-1, len(constants)) * scale
    return Linear((*record["names"],), (*record["outputs"],), weights, constants, dense)  # type: ignore[misc]


def write(found: Learned) -> str:
    """Return what is learned as JSON, with weights as small integers of a common scale."""
    assert found.implying is not None
    record = {
        "heads": {name: _record(each) for name, each in found.heads.items()},
        "columns": _record(found.columns),
        "common": {word: round(value, 2) for word, value in sorted(found.common.items())},
        "ranker": {
            name: np.round(value, 4).tolist() if isinstance(value, np.ndarray) else value
            for name, value in attrs.asdict(found.ranker, recurse=False).items()
        },
        "sure": _record(found.sure, 1e-4),
        "agreement": found.agreement,
        "encoder": found.encoder,
        "factors": np.round(found.factors.astype(float), 3).tolist(),
        "limits": np.round(found.limits.astype(float), 3).tolist(),
        "implying": {
            name: np.round(each / _STEP).astype(int).tolist()
            for name, each in attrs.asdict(found.implying, recurse=False).items()
        },
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _record(linear: Linear, scale: float = 0.02) -> dict[str, object]:
    weights = np.round(linear.weights / scale).astype(int)
    kept = np.flatnonzero(np.abs(weights).max(1) > 0)
    dense = None if linear.dense is None else np.round(linear.dense / scale).astype(int)
    return {
        "names": [linear.names[n] for n in kept],
        "outputs": [*linear.outputs],
        "scale": scale,
        "weights": weights[kept].ravel().tolist(),
        "constants": [round(float(each), 4) for each in linear.constants],
        **({} if dense is None else {"dense": dense.ravel().tolist()}),
    }
