"""The names of tables and columns as the encoder reads them, compared with a question.

The names of a table's file, sheet and columns are read as one text, by the layers that were learned for
questions about tables. The vector of a column is the mean of the states of its pieces. These also tell the
table: "amount" of a statement differs from that of a recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import PurePath

import attrs
import numpy as np

from lior_ask.embedders import e5
from lior_ask.embedders.four_bits import unit
from lior_ask.embedders.pieces import BEGIN, END
from lior_ask.index.embedding import keys_of
from lior_ask.index.inverted import InvertedIndex
from lior_ask.tables.sources import Table

MEANT = ("table", "measure", "show", "group")
"""What a question means: a table, and its columns in their roles."""
_COLUMNS, _TEXTS, _NAME = 24, 8, 14
"""Maximum number of columns of a text, of texts of a table, and of pieces of a name."""
States = Callable[[Sequence[Sequence[int]]], Sequence[np.ndarray]]
"""Returns the last states ``(n, D)`` of each text in pieces."""
Embed = Callable[[Sequence[str]], np.ndarray]
"""Returns the vectors ``(N, D)`` of texts."""


@attrs.frozen
class Reading:
    """The names of a table and of some of its columns in pieces, and where each column begins and ends."""

    pieces: tuple[int, ...]
    ends: tuple[tuple[int, int], ...]


def readings(table: Table) -> Iterator[Reading]:
    """Yield the texts that are read of a table, each with other columns."""
    divide, head = e5.open_file().pieces.of, table.heads[0]
    path = PurePath(head.document.partition("#")[0])
    named = " ".join((*path.parts[:-1], path.stem, head.name)).translate(_SPACES)
    name = divide(f"passage: {' '.join(named.split())}:")[: _NAME * 2]
    for first in range(0, min(len(table.columns), _TEXTS * _COLUMNS), _COLUMNS):
        pieces, ends = [BEGIN, *name], []
        for column in table.columns[first : first + _COLUMNS]:
            own = divide(f"{column.name.translate(_SPACES)};")[:_NAME]
            ends.append((len(pieces), len(pieces) + len(own)))
            pieces += own
        yield Reading((*pieces, END), (*ends,))


_SPACES = str.maketrans("_/.-", "    ")


def vectors(tables: Sequence[Table], states: States) -> list[np.ndarray]:
    """Return unit vectors of each table and its columns, float32 ``(1 + C, D)``.

    Columns beyond the most that are read have zeros.
    """
    texts = [[*readings(table)] for table in tables]
    found, last = list[np.ndarray](), iter(states([each.pieces for own in texts for each in own]))
    for table, own in zip(tables, texts, strict=True):
        read = [(next(last), each.ends) for each in own]
        rows = [np.concatenate([x for x, _ in read]).mean(0)]
        rows += [x[first:end].mean(0) for x, ends in read for first, end in ends]
        vector = unit(np.array(rows, np.float32))
        found.append(np.pad(vector, ((0, 1 + len(table.columns) - len(vector)), (0, 0))))
    return found


def name_vectors(tables: Sequence[Table], embed: Embed) -> list[np.ndarray]:
    """Return the vectors of each table's columns by their names alone, float32 ``(1 + C, D)``.

    The first row, and columns beyond the most that are read, have zeros.
    """
    names = [[c.name.translate(_SPACES) for c in table.columns[: _TEXTS * _COLUMNS]] for table in tables]
    places = {name: n for n, name in enumerate(dict.fromkeys(name for own in names for name in own))}
    known = embed([*places])
    return [
        np.pad(known[[places[name] for name in own]], ((1, len(table.columns) - len(own)), (0, 0)))
        for table, own in zip(tables, names, strict=True)
    ]


def read_headers(
    tables: Sequence[Table], index: InvertedIndex, name: str, states: States, embed: Embed
) -> None:
    """Set the vectors of tables; what is computed is kept with the index until its next change.

    ``name`` is that of the layers by which ``states`` reads.
    """
    kept = index.derived(name, lambda: index.database.kept(name) or {})
    own = [(each, str(keys_of([repr([*readings(each)])])[0])) for each in tables if each.header is None]
    missing = {key: table for table, key in own if key not in kept}
    if missing:
        found = zip(
            vectors([*missing.values()], states), name_vectors([*missing.values()], embed), strict=True
        )
        kept |= {key: np.array(each, np.float16) for key, each in zip(missing, found, strict=True)}
        index.database.keep(name, {**kept})  # a copy: another thread may add its tables meanwhile
    for table, key in own:
        table.header, table.named = kept[key].astype(np.float32)


@attrs.frozen(eq=False, slots=False)
class Likeness:
    """The cosines of a question with tables and columns; 0 if they are not read."""

    vector: np.ndarray | None
    """Of the question, ``(D,)``."""
    factors: np.ndarray
    """Factors of its numbers for each of :data:`MEANT`, ``(4, D)``."""
    tables: Sequence[Table]

    @cached_property
    def _cosines(self) -> dict[int, np.ndarray]:
        """The cosines of each table and its columns with the question for :data:`MEANT`, ``(1 + C, 4)``."""
        asked = None if self.vector is None else (self.factors * self.vector).T
        return {
            id(table): np.zeros((1 + len(table.columns), len(MEANT)))
            if asked is None or table.header is None
            else table.header @ asked
            for table in self.tables
        }

    def of_table(self, table: Table) -> float:
        """Return how alike the question is to a table."""
        return float(self._cosines[id(table)][0, 0])

    def of_columns(self, table: Table, role: str) -> list[float]:
        """Return how alike the question is to each column in a role."""
        found: list[float] = self._cosines[id(table)][1:, MEANT.index(role)].tolist()
        return found

    @cached_property
    def best(self) -> dict[str, float]:
        """The largest cosine with a table, and with a column in each role."""
        columns = np.concatenate([each[1:] for each in self._cosines.values()]).max(0)
        found = dict(zip(MEANT, columns.tolist(), strict=True))
        return found | {"table": max(map(self.of_table, self.tables))}
