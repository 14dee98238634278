"""From rows to coordinates: what each column becomes, learned from the training rows alone.

A number is one coordinate, and a second one marks missing numbers. A date is days since 1970 and its place
on the circle of each period: the year, the week and the day. A word becomes one coordinate for each of its
levels (one-hot). In a column of many words it becomes the smoothed mean of the targets over the rows with
that word, so that words with similar targets are close. See D. Micci-Barreca, *A preprocessing scheme for
high-cardinality categorical attributes*, 2001. The mean that a training row gets does not include that row.
A column in which nearly every row has another value holds texts (:mod:`lior_tables.texts`), or names, which
do not predict anything for a new row.

All coordinates are standardised, and constant ones left out. Missing values are set to the mean, and all
values are clipped at ±8, so that one wild value cannot outweigh all other columns. The metric decides which
coordinates matter, and how far apart two words are in the end.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
import pandas as pd
from attrs.converters import optional
from numpy.typing import NDArray

from lior.errors import quantity
from lior_tables.fitting import Progress
from lior_tables.rows import Column, ColumnNote, Floats, as_dates, as_numbers, as_words, is_words, rounded
from lior_tables.texts import Texts, words_recur

Categories: TypeAlias = Literal["auto", "one-hot", "distance"]
CLIP = 8.0
"""Clipping threshold of a coordinate, in standard deviations."""
LEVELS = 60
"""Maximum number of one-hot coordinates of a column; rarer words share one."""
_SMOOTHING = 10.0
"""Weight, in rows, of the overall mean in the mean of a word."""
_ID = re.compile(r"(?i:(?:.*[\W_])?(?:id|index|uuid)|unnamed: \d+)|.*[a-z]I[dD]")
"""Pattern of the name of an ID column."""
_LEAK, _FEWEST, _LOOKED_AT = 0.99, 50, 20_000
"""Share of the target that one column should not reach alone; fewest and most rows to judge that by."""
_MARGIN = 0.1
"""Share of the range of the training rows by which a number may be outside without a note, chosen by hand."""
_ROUNDING = 1e-14
"""Largest deviation, relative to the largest value, that may be rounding: 45 units in the last place."""
_PARTS = 5
"""Number of parts of the training rows; a part gets the means of the other parts."""


def _restored(given: Any) -> Texts | None:
    """Return the map of a record, or the map itself."""
    return Texts(**given) if isinstance(given, dict) else given


@attrs.frozen(eq=False)
class Encoding:
    """The encoding of one column: raw coordinates, with NaN for unknown values, and their standardisation."""

    name: str
    levels: tuple[str, ...] | None = attrs.field(converter=optional(tuple))
    """The words with a level of their own; ``None`` for a column of numbers."""
    places: Floats | None = attrs.field(converter=optional(np.asarray))
    """Mean of the targets for each level, then for a missing word, ``(levels + 1, targets)``; ``None`` for
    numbers and one-hot coordinates."""
    mean: Floats = attrs.field(converter=np.asarray)
    """Weighted mean of each raw coordinate over the training rows."""
    deviation: Floats = attrs.field(converter=np.asarray)
    """Standard deviation of each raw coordinate; 0 for a constant one, which is left out."""
    dates: bool = False
    """Whether the numbers are days since 1970."""
    texts: Texts | None = attrs.field(default=None, converter=_restored)
    """The map of a column of texts; ``levels`` and ``places`` are then ``None``."""

    def raw(self, column: Column) -> Floats:
        """Return the raw coordinates.

        A number has its value and whether it is missing, and a date its place in each period. A word has an
        indicator for each level, for others and for missing; or the means. A word that was never seen is NaN
        in all.
        """
        if self.texts is not None:
            words = as_words(column)
            return self.texts.raw(words.cat.categories.tolist(), words.cat.codes.to_numpy(np.int64))
        if self.levels is None:
            values = as_numbers(column)
            periods = _periods(values) if self.dates else []
            return np.stack([values, np.isnan(values), *periods], 1)
        codes = _codes(column, self.levels)
        if self.places is not None:
            known = np.where(codes < 0, -1, codes)  # missing is the last
            return np.where((codes == -2)[:, None], np.nan, self.places[known])
        others, missing = self.mean[-2:]
        hot = np.zeros((len(codes), len(self.levels) + 2))
        hot[np.arange(len(codes)), codes] = 1.0  # -2 and -1 count from the end
        hot[((codes == -2) & (others == 0)) | ((codes == -1) & (missing == 0))] = np.nan
        return hot

    @property
    def is_number(self) -> bool:
        """Whether the column holds numbers or dates."""
        return self.levels is None and self.texts is None

    @property
    def used(self) -> NDArray[np.bool_]:
        """Mask of the raw coordinates that vary; of two levels that exclude each other one is enough."""
        used = self.deviation > 0
        if self.levels is not None and self.places is None and used.sum() == 2:
            used[np.flatnonzero(used)[1]] = False
        return used

    def standardised(self, raw: Floats) -> Floats:
        """Return the coordinates ``(rows, used)``, without unused raw ones."""
        used = self.used
        with np.errstate(over="ignore"):
            z = (raw[:, used] - self.mean[used]) / self.deviation[used]
        return np.clip(np.where(np.isnan(z), 0.0, z), -CLIP, CLIP)


@attrs.frozen(eq=False)
class Columns:
    """A map from rows to coordinates."""

    encodings: tuple[Encoding, ...]

    @classmethod
    def fit(
        cls,
        table: pd.DataFrame,
        weights: Floats,
        y: Floats,
        *,
        categories: Categories = "auto",
        texts: str = "auto",
        words: Collection[str] = (),
        silent: Collection[str] = (),
        dates: Collection[str] = (),
        say: Progress | None = None,
        rng: np.random.RandomState,
    ) -> tuple[Columns, Floats]:
        """Learn the map, and apply it to the training rows.

        Parameters
        ----------
        weights
            Positive, ``(rows,)``.
        y
            Targets ``(rows, targets)``, one-hot for classes; only means of words use them.
        categories
            ``auto``: a coordinate for each word up to 60 words, and means beyond. On few words the metric
            learns the distance from one-hot coordinates as well or better (``bench/categories.py``).
        texts
            Reader of columns of texts: ``words``, the name of an embedder, or ``auto``: the encoder of
            lior-ask if it is installed and there are at most 1,000 texts, otherwise words.
        words
            Names of number columns whose values are names, such as codes.
        silent
            Names of columns without coordinates.
        dates
            Names of number columns that are days since 1970.
        say
            Called with a description of the step and the share that is done.

        Returns
        -------
        tuple[Columns, Floats]
            The map, and the coordinates ``(rows, n)``, ``n >= 2``.

        Raises
        ------
        MissingPackage
            For an embedder whose packages are not installed.
        """
        parts = rng.permutation(len(table)) % _PARTS
        fitted = []
        for name, column in table.items():
            if name in silent or _is_identifier(name, column):
                fitted.append(_silent(name, column))
                continue
            if name not in dates:  # rows of one time may be alike
                _note_leak(name, column, y)
            if not is_words(column) and name not in words:
                fitted.append(_numbers(name, column, weights, name in dates))
                continue
            counts = pd.Series(weights).groupby(as_words(column).array, observed=True).sum()
            if len(counts) > max(LEVELS, column.notna().sum() // 2):
                fitted.append(_texts(name, column, weights, y, texts, parts, say))
                continue
            means = len(counts) > (2 if categories == "distance" else LEVELS) and categories != "one-hot"
            if means:
                fitted.append(_means(name, column, counts, weights, y, parts))
            else:
                fitted.append(_hot(name, column, counts, weights))
        return cls(tuple(each for each, _ in fitted)), _join([z for _, z in fitted], len(table))

    def encode(self, table: pd.DataFrame) -> Floats:
        """Return coordinates ``(rows, n)`` of other rows with the same columns.

        Raises
        ------
        TypeError
            For words in a column of numbers.
        """
        found = []
        for encoding, (name, column) in zip(self.encodings, table.items(), strict=True):
            try:
                raw = encoding.raw(column)
            except TypeError as error:
                raise TypeError(f"column {name!r}: {error}") from None
            if encoding.levels is not None:
                _note_new(encoding, column)
            found.append(encoding.standardised(raw))
        return _join(found, len(table))

    def ranges(self, table: pd.DataFrame) -> dict[str, tuple[float, float]]:
        """Return the least and the greatest value of each column of numbers or dates that has coordinates."""
        names = [each.name for each in self.encodings if each.is_number and each.deviation[0] > 0]
        return {name: (float(table[name].min()), float(table[name].max())) for name in names}

    @property
    def days(self) -> list[str]:
        """Names of the columns of dates."""
        return [encoding.name for encoding in self.encodings if encoding.dates]

    @property
    def origins(self) -> NDArray[np.int64]:
        """Index of the column of each coordinate, ``(n,)``; -1 for a coordinate that only fills up."""
        found = [i for i, encoding in enumerate(self.encodings) for _ in range(encoding.used.sum())]
        return np.array(found + [-1] * max(2 - len(found), 0), dtype=np.int64)

    def record(self) -> list[dict[str, Any]]:
        """Return the map, ready for JSON."""

        def plain(_: Any, __: Any, value: Any) -> Any:
            return value.tolist() if isinstance(value, np.ndarray) else value

        return [attrs.asdict(encoding, value_serializer=plain) for encoding in self.encodings]

    @classmethod
    def of_record(cls, record: Sequence[dict[str, Any]]) -> Columns:
        """Return the map that :meth:`record` described."""
        return cls(tuple(Encoding(**each) for each in record))


# --- the four kinds; each gives the encoding and the coordinates of the training rows ---


def _numbers(name: str, column: Column, weights: Floats, dates: bool) -> tuple[Encoding, Floats]:
    return _fit(Encoding(name, None, None, np.empty(0), np.empty(0), dates), column, weights)


def _periods(days: Floats) -> list[Floats]:
    """Return the cosine and sine of the season, the weekday and the time of day."""
    turns = [days / 365.2425, np.floor(days) / 7, days % 1]
    return [wave(2 * np.pi * turn) for turn in turns for wave in (np.cos, np.sin)]


def _hot(name: str, column: Column, counts: Column, weights: Floats) -> tuple[Encoding, Floats]:
    """Encode the most frequent words, ties in alphabetical order, as one-hot coordinates."""
    levels = tuple(counts.sort_index().sort_values(ascending=False, kind="stable").index[:LEVELS])
    if len(counts) > LEVELS:
        many = f"column {name!r} has {len(counts):,} different words"
        few = f"the {LEVELS} most frequent are distinguished (all, with categories='auto')"
        warnings.warn(f"{many}; {few}", ColumnNote, stacklevel=2)
    return _fit(Encoding(name, levels, None, np.ones(len(levels) + 2), np.empty(0)), column, weights)


def _fit(encoding: Encoding, column: Column, weights: Floats) -> tuple[Encoding, Floats]:
    raw = encoding.raw(column)
    mean, deviation = _moments(raw, weights)
    encoding = attrs.evolve(encoding, mean=mean, deviation=deviation)
    return encoding, encoding.standardised(raw)


def _means(
    name: str, column: Column, counts: Column, weights: Floats, y: Floats, parts: NDArray[np.int64]
) -> tuple[Encoding, Floats]:
    """Encode words as means of the targets; a training row gets means over the rows of other parts."""
    levels = tuple(sorted(counts.index))
    codes = _codes(column, levels) % (len(levels) + 1)  # missing is the last
    targets = _free(y)
    found = np.empty((len(codes), targets.shape[1]))
    for part in range(_PARTS):
        here = parts == part
        seen = ~here if here.any() and not here.all() else np.ones_like(here)
        found[here] = _places(codes[seen], targets[seen], weights[seen], len(levels) + 1)[codes[here]]
    mean, deviation = _moments(found, weights)
    encoding = Encoding(name, levels, _places(codes, targets, weights, len(levels) + 1), mean, deviation)
    return encoding, encoding.standardised(found)


def _texts(
    name: str,
    column: Column,
    weights: Floats,
    y: Floats,
    by: str,
    parts: NDArray[np.int64],
    say: Progress | None,
) -> tuple[Encoding, Floats]:
    words = as_words(column)
    given = words.cat.categories.tolist(), words.cat.codes.to_numpy(np.int64)
    texts, raw = Texts.fit(*given, _free(y), weights, by, parts, say)
    if not _helps(raw[:, :-1], _free(y), weights):
        nothing = "holds texts or names that do not predict the target; it is left out"
        warnings.warn(f"column {name!r} {nothing}", ColumnNote, stacklevel=4)
        return _silent(name, column)
    how = "their words" if texts.by == "words" else f"vectors of the encoder {texts.by!r}"
    warnings.warn(f"column {name!r} holds texts; they enter by {how}", ColumnNote, stacklevel=4)
    mean, deviation = _moments(raw, weights)
    encoding = Encoding(name, None, None, mean, deviation, texts=texts)
    return encoding, encoding.standardised(raw)


def _silent(name: str, column: Column) -> tuple[Encoding, Floats]:
    """Return a column without coordinates."""
    encoding = Encoding(name, (), None, np.ones(2), np.zeros(2))
    return encoding, encoding.standardised(encoding.raw(column))


def _helps(said: Floats, y: Floats, weights: Floats) -> bool:
    """Return whether the predictions of left-out rows are nearer to their targets than the mean is."""
    there = ~np.isnan(said).any(1)
    if not there.any():
        return False
    said, y, weights = said[there], y[there], weights[there]
    centred = y - np.average(y, axis=0, weights=weights)
    spread = np.average(centred**2, axis=0, weights=weights)
    part = np.average((y - said) ** 2, axis=0, weights=weights) / np.where(spread > 0, spread, 1.0)
    return bool(part.mean() < 1)


def _free(y: Floats) -> Floats:
    """Return one-hot targets without the last one, which follows from the others; other targets unchanged."""
    return y[:, :-1] if y.shape[1] > 1 and np.allclose(y.sum(1), 1) else y


def _places(codes: NDArray[np.int64], y: Floats, weights: Floats, levels: int) -> Floats:
    """Return the smoothed mean of the targets over the rows of each level, ``(levels, targets)``."""
    total = np.bincount(codes, weights, levels)[:, None] + _SMOOTHING
    mean = weights @ y / weights.sum()
    sums = np.stack([np.bincount(codes, weights * column, levels) for column in y.T], 1)
    places: Floats = (sums + _SMOOTHING * mean) / total
    return places


def _codes(column: Column, levels: Sequence[str]) -> NDArray[np.int64]:
    """Return indices into ``levels``; -2 for a word that is not among them, -1 for none."""
    words = as_words(column)
    place = pd.Index(levels, dtype=object).get_indexer(words.cat.categories)
    return np.append(np.where(place < 0, -2, place), -1)[words.cat.codes]  # the last entry is that of -1


def _moments(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return weighted mean and deviation of each column's known values; deviations within rounding are 0."""
    there = ~np.isnan(values)
    values = np.where(there, values, 0.0)
    known = there.any(0)
    share = weights[:, None] * there
    share = share / np.where(known, share.sum(0), 1.0)
    scale = np.abs(values).max(0, initial=0.0)
    scale[scale == 0] = 1.0
    scaled = values / scale  # squares of large numbers would overflow
    least = np.where(known, np.where(there, scaled, np.inf).min(0, initial=np.inf), 0.0)
    scaled -= least  # sums of numbers far from 0 would round off what differs
    mean = (share * scaled).sum(0)
    deviation = np.sqrt((share * (scaled - mean) ** 2).sum(0))
    deviation[deviation < _ROUNDING] = 0.0
    return (mean + least) * scale, deviation * scale


def _join(parts: list[Floats], rows: int) -> Floats:
    """Return all coordinates side by side, at least two, because a metric of one is a number."""
    z = np.concatenate([np.empty((rows, 0)), *parts], 1)
    return np.concatenate([z, np.zeros((rows, max(2 - z.shape[1], 0)))], 1)


# --- columns that predict nothing, or too much ---


def _is_identifier(name: str, column: Column) -> bool:
    """Return whether a column identifies rows, so that it is left out; a note says so.

    Its values are different whole numbers with the name of an ID, or different words without words in common.
    """
    there = column.dropna()
    if is_words(column):
        different = there.unique().tolist()
        found = len(different) > max(LEVELS, len(there) // 2) and not words_recur(different)
    else:
        found = bool(_ID.fullmatch(name)) and there.is_unique and bool((there % 1 == 0).all())
    if found:
        note = "identifies rows and is left out"
        note += "" if is_words(column) else "; rename it if its order tells something"
        warnings.warn(f"column {name!r} {note}", ColumnNote, stacklevel=4)
    return found


def _note_leak(name: str, column: Column, y: Floats) -> None:
    """Warn if rows that are neighbours in one column have nearly the same target."""
    drawn = np.random.RandomState(0).permutation(len(y))[:_LOOKED_AT]
    values = (column.cat.codes if is_words(column) else column).to_numpy()[drawn]
    ordered = _free(y)[drawn][np.argsort(values, kind="stable")]
    total = np.square(ordered - ordered.mean(0)).sum()
    # Noise of variance 1 makes differences of variance 1 + 1/2.
    rest = np.square(ordered[1:-1] - (ordered[:-2] + ordered[2:]) / 2).sum() / 1.5
    if len(ordered) >= _FEWEST and rest < (1 - _LEAK) * total:
        note = f"alone explains {100 * (1 - rest / total):.1f} % of the target"
        warnings.warn(
            f"column {name!r} {note}; leave it out if it is not known beforehand", ColumnNote, stacklevel=4
        )


def _note_new(encoding: Encoding, column: Column) -> None:
    """Warn about words that were never seen, if that changes their encoding."""
    if encoding.places is None and encoding.mean[-2]:
        return  # rare words were seen in training too
    unknown = _codes(column, encoding.levels or ()) == -2
    new = as_words(column)[unknown].unique()
    if len(new):
        others = f" and {quantity(len(new) - 1, 'other')}" * (len(new) > 1)
        were = "were not there in training; they count" if others else "was not there in training; it counts"
        row = f"({'first in ' * bool(others)}row {column.index[unknown.argmax()]})"
        warnings.warn(
            f"column {encoding.name!r}: {new[0]!r}{others} {were} as unknown {row}", ColumnNote, stacklevel=3
        )


def note_far(column: Column, low: float, high: float, *, dates: bool) -> None:
    """Warn about numbers and dates far outside the range of the training rows, the farthest first.

    Every date before or after counts: what changes with time is not known there.
    """
    beyond = np.maximum(low - column, column - high).to_numpy()
    far = beyond > (0.0 if dates else _MARGIN * (high - low))
    if not far.any():
        return
    row = int(np.where(far, beyond, 0.0).argmax())
    shown = pd.Series([column.iloc[row], low, high])
    value, least, most = as_dates(shown) if dates else (rounded(each, high - low, mark=",") for each in shown)
    others = int(far.sum()) - 1
    more = f"; so {'is' if others == 1 else 'are'} {quantity(others, 'other row')}" * (others > 0)
    note = f"{value} in row {column.index[row]} is outside the training rows ({least} to {most}){more}"
    warnings.warn(f"column {column.name!r}: {note}", ColumnNote, stacklevel=5)
