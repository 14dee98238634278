"""From rows to coordinates: what each column becomes, learned from the training rows alone.

A number is standardised and clipped at ±8, so that one wild value cannot outweigh all other columns; where
numbers are missing a second coordinate says so, and the mean stands in. A word becomes one coordinate for
each of its levels (one-hot, standardised too), or, where there are many words, the smoothed mean of the
targets over the rows that have it, so that words are near one another that lead to similar targets (D.
Micci-Barreca, *A preprocessing scheme for high-cardinality categorical attributes*, 2001); a training row has
no part in the mean that it is given. Which coordinates matter, and how far apart two words are in the end, is
for the metric.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from lior_tables.rows import Column, ColumnNote, Floats, Table, Words, as_numbers, as_words

Categories: TypeAlias = Literal["auto", "one-hot", "distance"]

CLIP = 8.0
"""Standard deviations at which a coordinate is cut off."""
LEVELS = 60
"""Most one-hot coordinates of a column; rarer words share one."""
_SMOOTHING = 10.0
"""Rows of the mean of all, added to those of a word."""
_PARTS = 5
"""Parts of the training rows; the means that a part is given are those of the others."""
_MISSING, _RARE = "(missing)", "(others)"


@attrs.frozen(eq=False)
class Numeric:
    """A column of numbers."""

    name: str
    mean: float
    deviation: float
    """0 for a column that is constant, which has no coordinate."""
    missing: float
    """Weighted share of the training rows without a number; a coordinate of its own if it is not 0 or 1."""

    @classmethod
    def fit(cls, name: str, values: Floats, weights: Floats) -> Numeric:
        """Weighted mean and deviation of what is there."""
        there = ~np.isnan(values)
        share = float(weights[~there].sum() / weights.sum())
        if not there.any():
            return cls(name, 0.0, 0.0, 1.0)
        mean, deviation = _moments(values[there][:, None], weights[there])
        return cls(name, float(mean[0]), float(deviation[0]), share)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each coordinate is."""
        known = (self.name,) if self.deviation else ()
        return (*known, f"{self.name} {_MISSING}") if 0 < self.missing < 1 else known

    def encode(self, column: Column) -> Floats:
        """Coordinates ``(rows, len(labels))``."""
        values, share = as_numbers(column), self.missing
        gone = np.isnan(values)
        found = []
        if self.deviation:
            with np.errstate(over="ignore"):
                found.append(np.where(gone, 0.0, (values - self.mean) / self.deviation))
        if 0 < share < 1:
            found.append((gone - share) / np.sqrt(share * (1 - share)))
        return _stacked(found, len(values))


@attrs.frozen(eq=False)
class OneHot:
    """A column of words with a coordinate for each level."""

    name: str
    levels: tuple[str, ...]
    """The words that have a coordinate, the most frequent first."""
    shares: Floats
    """Weighted share of each coordinate in the training rows: levels, then others, then missing."""

    @classmethod
    def fit(cls, name: str, words: Words, weights: Floats) -> OneHot:
        """The most frequent words, ties in alphabetical order."""
        counts = np.bincount(words.codes[words.codes >= 0], weights[words.codes >= 0], len(words.levels))
        order = sorted((-count, level) for count, level in zip(counts, words.levels, strict=True) if count)
        levels = tuple(level for _, level in order[:LEVELS])
        if len(order) > LEVELS:
            many = f"column {name!r} has {len(order):,} different words"
            few = f"the {LEVELS} most frequent are told apart (all, with categories='auto')"
            warnings.warn(f"{many}; {few}", ColumnNote, stacklevel=2)
        hot = _hot(words.recoded(levels), len(levels))
        return cls(name, levels, weights @ hot / weights.sum())

    @property
    def _used(self) -> NDArray[np.bool_]:
        """Coordinates that are not constant; of two levels that exclude each other one is enough."""
        used = (self.shares > 0) & (self.shares < 1)
        if used.sum() == 2:
            used[np.flatnonzero(used)[1]] = False
        return used

    @property
    def labels(self) -> tuple[str, ...]:
        """What each coordinate is."""
        names = [f"{self.name}={level}" for level in self.levels]
        names += [f"{self.name} {_RARE}", f"{self.name} {_MISSING}"]
        return tuple(name for name, used in zip(names, self._used, strict=True) if used)

    def encode(self, column: Column) -> Floats:
        """Coordinates ``(rows, len(labels))``; a word that was never seen is like the mean of all."""
        codes = as_words(column).recoded(self.levels)
        hot = _hot(codes, len(self.levels))
        if not self.shares[-2]:
            hot[codes == -2] = self.shares
        if not self.shares[-1]:
            hot[codes == -1] = self.shares
        share = self.shares[self._used]
        coordinates: Floats = (hot[:, self._used] - share) / np.sqrt(share * (1 - share))
        return coordinates


@attrs.frozen(eq=False)
class Means:
    """A column of words, placed by the smoothed means of the targets over the rows that have each."""

    name: str
    levels: tuple[str, ...]
    places: Floats
    """Of each level, then of a missing word: ``(levels + 1, targets)``."""
    mean: Floats
    deviation: Floats

    @classmethod
    def fit(
        cls, name: str, words: Words, weights: Floats, y: Floats, parts: NDArray[np.int64]
    ) -> tuple[Means, Floats]:
        """The column, and the coordinates of the training rows, each from the rows of other parts."""
        levels = tuple(sorted(words.levels))
        codes = words.recoded(levels)
        codes[codes < 0] = len(levels)
        targets = y[:, :-1] if y.shape[1] > 1 and np.allclose(y.sum(1), 1) else y  # of one-hot, one follows
        found = np.empty((len(codes), targets.shape[1]))
        for part in range(_PARTS):
            here = parts == part
            seen = ~here if here.any() and not here.all() else np.ones_like(here)
            found[here] = _places(codes[seen], targets[seen], weights[seen], len(levels) + 1)[codes[here]]
        mean, deviation = _moments(found, weights)
        places = _places(codes, targets, weights, len(levels) + 1)
        column = cls(name, levels, places, mean, np.where(deviation > 0, deviation, np.inf))
        return column, column._standardised(found)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each coordinate is."""
        several = len(self.mean) > 1
        return tuple(f"{self.name}{f' ({i})' * several}" for i in range(len(self.mean)))

    def encode(self, column: Column) -> Floats:
        """Coordinates ``(rows, targets)``; a word that was never seen is like the mean of all."""
        codes = as_words(column).recoded(self.levels)
        codes[codes == -1] = len(self.levels)
        return self._standardised(np.where((codes == -2)[:, None], self.mean, self.places[codes]))

    def _standardised(self, values: Floats) -> Floats:
        coordinates: Floats = (values - self.mean) / self.deviation
        return coordinates


Encoding: TypeAlias = "Numeric | OneHot | Means"
_KINDS: dict[str, type[Encoding]] = {"numeric": Numeric, "one-hot": OneHot, "means": Means}


@attrs.frozen(eq=False)
class Columns:
    """The map from rows to coordinates."""

    encodings: tuple[Encoding, ...]

    @classmethod
    def fit(
        cls,
        table: Table,
        weights: Floats,
        y: Floats,
        *,
        categories: Categories = "auto",
        words: Collection[str] = (),
        rng: np.random.RandomState,
    ) -> tuple[Columns, Floats]:
        """Learn the map, and apply it to the training rows.

        Parameters
        ----------
        weights
            Positive, ``(rows,)``.
        y
            Targets ``(rows, targets)``, one-hot for classes; only means of words look at them.
        categories
            ``auto``: a coordinate for each word up to 60 words, and means beyond. On few words the metric
            learns the distance from one-hot coordinates as well or better (``bench/categories.py``).
        words
            Names of columns of numbers whose values are names, such as codes.

        Returns
        -------
        tuple[Columns, Floats]
            The map, and the coordinates ``(rows, n)``, ``n >= 2``.

        Raises
        ------
        ValueError
            For a column of texts, which are nearly all different, so that nothing follows for a new row.
        """
        parts = rng.permutation(len(table)) % _PARTS
        encodings: list[Encoding] = []
        found: list[Floats] = []
        for name, column in table.columns.items():
            if name in words:
                column = as_words(column)
            if not isinstance(column, Words):
                encodings.append(Numeric.fit(name, column, weights))
            elif len(column.levels) > (2 if categories == "distance" else LEVELS) and categories != "one-hot":
                _refuse_text(name, column)
                means, z = Means.fit(name, column, weights, y, parts)
                encodings.append(means)
                found.append(z)
                continue
            else:
                _refuse_text(name, column)
                encodings.append(OneHot.fit(name, column, weights))
            found.append(encodings[-1].encode(column))
        return cls(tuple(encodings)), _clipped(found, len(table))

    def encode(self, table: Table) -> Floats:
        """Coordinates ``(rows, n)`` of rows with the same columns.

        A number that is missing for the first time is the mean; a word that was never seen is like the mean
        of all, with a :class:`~lior_tables.rows.ColumnNote`.

        Raises
        ------
        TypeError
            For words where numbers were.
        """
        found = []
        for encoding in self.encodings:
            column = table.columns[encoding.name]
            if isinstance(encoding, Numeric):
                try:
                    found.append(encoding.encode(column))
                except TypeError as error:
                    raise TypeError(f"column {encoding.name!r}: {error}") from None
            else:
                _note_new(encoding.name, as_words(column), encoding)
                found.append(encoding.encode(column))
        return _clipped(found, len(table))

    @property
    def labels(self) -> list[str]:
        """What each coordinate is; coordinates that only fill up to two have empty names."""
        names = [label for encoding in self.encodings for label in encoding.labels]
        return names + [""] * max(2 - len(names), 0)

    @property
    def origins(self) -> NDArray[np.int64]:
        """Which column each coordinate comes from, ``(n,)``; -1 for one that only fills up."""
        found = [i for i, encoding in enumerate(self.encodings) for _ in encoding.labels]
        return np.array(found + [-1] * max(2 - len(found), 0), dtype=np.int64)

    def record(self) -> list[dict[str, Any]]:
        """The map, ready for JSON."""
        names = {kind: name for name, kind in _KINDS.items()}
        return [{"kind": names[type(each)], **_plain(each)} for each in self.encodings]

    @classmethod
    def of_record(cls, record: Sequence[dict[str, Any]]) -> Columns:
        """The map that :meth:`record` described."""
        encodings: list[Encoding] = []
        for entry in record:
            kind = _KINDS[entry["kind"]]
            values = {name: entry[name] for name in attrs.fields_dict(kind)}
            for name, value in values.items():
                if name == "levels":
                    values[name] = tuple(value)
                elif isinstance(value, list):
                    values[name] = np.array(
                        [np.inf if v is None else v for v in value] if name == "deviation" else value
                    )
            encodings.append(kind(**values))
        return cls(tuple(encodings))


def _plain(encoding: Encoding) -> dict[str, Any]:
    found = {}
    for name, value in attrs.asdict(encoding).items():
        if isinstance(value, np.ndarray):
            value = value.tolist()
            if name == "deviation":  # JSON has no infinity
                value = [None if np.isinf(v) else v for v in value]
        found[name] = value
    return found


def _refuse_text(name: str, words: Words) -> None:
    """Words of which nearly every row has another one are names or texts, no categories."""
    there = int((words.codes >= 0).sum())
    if len(words.levels) > max(LEVELS, there // 2):
        raise ValueError(
            f"column {name!r} holds texts or names: {len(words.levels):,} different ones in {there:,} rows, "
            "so they say nothing of a new row; leave the column out"
        )


def _note_new(name: str, words: Words, encoding: OneHot | Means) -> None:
    """Say which words were never seen, where that changes what becomes of them."""
    if isinstance(encoding, OneHot) and encoding.shares[-2]:
        return  # rare words were seen in training too
    new = words.recoded(encoding.levels) == -2
    if not new.any():
        return
    first = words.levels[words.codes[np.flatnonzero(new)[0]]]
    others = f" and {len(set(words.codes[new])) - 1} others" if len(set(words.codes[new])) > 1 else ""
    note = f"column {name!r}: {first!r}{others} were not there in training; they count as unknown"
    warnings.warn(note, ColumnNote, stacklevel=2)


def _hot(codes: NDArray[np.int32], levels: int) -> Floats:
    """One-hot ``(rows, levels + 2)``; the last two columns are unknown (-2) and missing (-1)."""
    hot = np.zeros((len(codes), levels + 2))
    hot[np.arange(len(codes)), codes] = 1.0  # negative indices count from the end
    return hot


def _places(codes: NDArray[np.int32], y: Floats, weights: Floats, levels: int) -> Floats:
    """The smoothed mean of the targets over the rows of each level, ``(levels, targets)``."""
    total = np.bincount(codes, weights, levels)[:, None] + _SMOOTHING
    mean = weights @ y / weights.sum()
    sums = np.stack([np.bincount(codes, weights * column, levels) for column in y.T], 1)
    places: Floats = (sums + _SMOOTHING * mean) / total
    return places


def _moments(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and deviation of each column; deviations within rounding are 0."""
    share = weights / weights.sum()
    scale = np.abs(values).max(0, initial=0.0)
    scale[scale == 0] = 1.0
    scaled = values / scale  # squares of large numbers would overflow
    mean = share @ scaled
    deviation = np.sqrt(share @ (scaled - mean) ** 2)
    deviation[deviation < 1e-12] = 0.0
    return mean * scale, deviation * scale


def _stacked(found: list[Floats], rows: int) -> Floats:
    return np.stack(found, 1) if found else np.empty((rows, 0))


def _clipped(found: list[Floats], rows: int) -> Floats:
    """All coordinates side by side, at least two, because a metric of one is a number."""
    z = np.concatenate([np.empty((rows, 0)), *found], 1)
    if z.shape[1] < 2:
        z = np.concatenate([z, np.zeros((rows, 2 - z.shape[1]))], 1)
    return np.clip(z, -CLIP, CLIP)
