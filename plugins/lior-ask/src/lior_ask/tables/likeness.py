"""How alike the words of a question are to the names of tables and columns, by the vectors of words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import attrs
import numpy as np

from lior_ask.embedders.bags import word_vectors
from lior_ask.languages.words import tokens
from lior_ask.tables.sources import Table

_FILES = 4
"""Maximum number of files of a table whose names are read."""


@attrs.frozen(eq=False, slots=False)
class Likeness:
    """The cosines of the words of a question with names; 0 without words, 1 for the same ones."""

    words: Sequence[str]
    rare: Sequence[str]
    """Those that are not usual in questions."""
    tables: Sequence[Table]
    _columns: dict[int, list[float]] = attrs.field(init=False, factory=dict)

    @cached_property
    def of_tables(self) -> dict[int, np.ndarray]:
        """How alike the question is to each table and to its name, float64 ``(2,)``, by the table's address.

        The first is the mean, over the rare words, of the cosine with the nearest word of the table's and the
        columns' names.
        """
        whole, found = _sum(word_vectors((*self.words,))), {}
        for table in self.tables:
            names = _names(table)
            near = self._near((*names, *(word for each in table.columns for word in tokens(each.name))))
            nearest = float(near.max(1).mean()) if near.size else 0.0
            found[id(table)] = np.array([nearest, float(_sum(word_vectors(names)) @ whole)])
        return found

    @cached_property
    def best(self) -> np.ndarray:
        """The largest of :attr:`of_tables`, float64 ``(2,)``."""
        found: np.ndarray = np.max([*self.of_tables.values()], axis=0)
        return found

    def of_columns(self, table: Table) -> list[float]:
        """Return the mean, over the words of each column's name, of the cosine with the nearest rare word."""
        if id(table) not in self._columns:
            near = [self._near((*tokens(each.name),)) for each in table.columns]
            self._columns[id(table)] = [float(each.max(0).mean()) if each.size else 0.0 for each in near]
        return self._columns[id(table)]

    def _near(self, names: tuple[str, ...]) -> np.ndarray:
        """Return the cosines of the rare words with words of names, float32 ``(R, N)``."""
        found: np.ndarray = _unit(word_vectors((*self.rare,))) @ _unit(word_vectors(names)).T
        return found


def _names(table: Table) -> tuple[str, ...]:
    """Return the words of the names of the files, sheets and headings of a table."""
    said = (f"{h.document.rpartition('.')[0] or h.document} {h.name}" for h in table.heads[:_FILES])
    return (
        *dict.fromkeys(word for each in said for word in tokens(each.replace("_", " ").replace("/", " "))),
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    return found


def _sum(vectors: np.ndarray) -> np.ndarray:
    return _unit(vectors.sum(0, keepdims=True))[0]
