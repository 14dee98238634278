"""The training rows of a model: their contents, their ids, and which of them the model merges.

Every row has an id, counted from 0 in the order of learning and never reused. Rows that are equal in all
columns and targets are one row of the model, with the sum of their weights. So weights and repetitions mean
the same, and a kernel matrix has no equal rows by accident.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lior.interfaces import State
from lior_tables.rows import Floats, is_words, join, keys

Ids = NDArray[np.int64]


@attrs.frozen(eq=False)
class Ledger:
    """Rows by id; ``slot`` is the row's place in the model."""

    table: pd.DataFrame
    y: Floats
    """Targets ``(rows, targets)``, one-hot for classes."""
    weights: Floats
    ids: Ids
    """Ids, ascending."""
    slots: Ids
    """Place in the model, -1 for a row of weight 0."""
    next_id: int

    @classmethod
    def of(
        cls, table: pd.DataFrame, y: Floats, weights: Floats, rng: np.random.RandomState
    ) -> tuple[Ledger, Ids]:
        """Return the number the rows and find the equal ones.

        Returns
        -------
        tuple[Ledger, Ids]
            The ledger, and one row for each place of the model. The places do not depend on the order of
            the rows, and are in random order.

        Raises
        ------
        ValueError
            When fewer than two different rows have a weight.
        """
        first, places = _different(table, y, weights)
        if len(first) < 2:
            raise ValueError(
                f"Found array with {len(first)} sample(s) that differ and have a weight, "
                "while a minimum of 2 is required."
            )
        order = rng.permutation(len(first))
        at = np.append(np.argsort(order), -1)  # the last entry is that of -1
        ids = np.arange(len(table), dtype=np.int64)
        return cls(table, y, weights, ids, at[places], len(table)), first[order]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> int:
        """Number of rows of the model."""
        return int(self.slots.max(initial=-1)) + 1

    def slot_weights(self) -> Floats:
        """Return the weight of each row of the model."""
        there = self.slots >= 0
        return np.bincount(self.slots[there], self.weights[there], self.size).astype(np.float64)

    def representatives(self) -> Ids:
        """Return the place in this ledger of the first row that each row of the model represents."""
        there = np.flatnonzero(self.slots >= 0)
        return there[np.unique(self.slots[there], return_index=True)[1]]

    def places(self, ids: Sequence[int] | Ids) -> Ids:
        """Return the places of rows in this ledger.

        Raises
        ------
        ValueError
            For a row that is missing or named twice, and for ids that are not whole numbers.
        """
        wanted = np.asarray(ids).reshape(-1)
        if wanted.size and wanted.dtype.kind not in "iuO":  # 5.9 would become 5, and a mask the rows 0 and 1
            raise ValueError(
                f"rows are named by their ids, whole numbers such as 17; these are {wanted.dtype}"
            )
        found = pd.Index(self.ids).get_indexer(wanted)
        if (found < 0).any():
            raise ValueError(
                f"no row {wanted[found < 0][0]}: rows of this model are {self.ids[0]} to {self.ids[-1]}, "
                f"{len(self):,} in all"
            )
        if len(np.unique(wanted)) < len(wanted):
            raise ValueError("a row is named twice")
        return found

    def without(self, places: Ids) -> tuple[Ledger, Ids, Ids]:
        """Return the ledger without the rows at these places.

        Returns
        -------
        tuple[Ledger, Ids, Ids]
            The ledger. Then the rows that the model has to forget, by their former places in it. Then those
            of them that it has to learn again, because an equal row is left: these come last in the model,
            with the remaining weight.
        """
        kept = np.setdiff1d(np.arange(len(self)), places)
        gone = np.unique(self.slots[places][self.slots[places] >= 0])
        slots = self.slots[kept]
        again = np.intersect1d(slots, gone)
        table = self.table.iloc[kept].reset_index(drop=True)
        for name in [name for name, column in table.items() if is_words(column)]:
            table[name] = table[name].cat.remove_unused_categories()  # words that were forgotten
        y, weights, ids = self.y[kept], self.weights[kept], self.ids[kept]
        shrunk = Ledger(table, y, weights, ids, _moved(self.size, gone, again)[slots], self.next_id)
        return shrunk, gone, again

    def numbered(self, ids: Ids, next_id: int) -> Ledger:
        """Return the ledger with other ids, ascending and below ``next_id``."""
        return attrs.evolve(self, ids=ids, next_id=next_id)

    def extended(self, table: pd.DataFrame, y: Floats, weights: Floats) -> tuple[Ledger, Ids, Ids]:
        """Return the ledger with more rows; equal ones share a place in the model, as in :meth:`of`.

        Returns
        -------
        tuple[Ledger, Ids, Ids]
            The ledger. Then the rows that the model has to learn again with a larger weight, by their former
            places in it, where it has to forget them. Then the places in the new ledger of rows that it has
            to learn. Both come last in the model, in this order.
        """
        old, both = len(self), join(self.table, table)
        y, weights = np.concatenate([self.y, y]), np.concatenate([self.weights, weights])
        content = pd.util.hash_pandas_object(pd.DataFrame(_content(both, y)), index=False).to_numpy()
        some = np.flatnonzero(np.isin(content, content[old:]))  # comparing all rows takes longer
        first, kinds = _different(both.iloc[some], y[some], weights[some])
        first, kinds = some[first], kinds[some >= old]
        there = np.unique(kinds[kinds >= 0])
        known, new = there[first[there] < old], there[first[there] >= old]
        again = self.slots[first[known]]
        to = _moved(self.size, again, again)
        at = np.full(len(first) + 1, -1, dtype=np.int64)  # the last entry is that of -1
        at[known], at[new] = to[again], self.size + np.arange(len(new))
        ids = np.arange(self.next_id, self.next_id + len(table), dtype=np.int64)
        slots = np.concatenate([to[self.slots], at[kinds]])
        grown = Ledger(both, y, weights, np.append(self.ids, ids), slots, self.next_id + len(table))
        return grown, again, first[new]

    # --- on disk ---

    def snapshot(self) -> tuple[State, dict[str, Any]]:
        """Return everything as tensors and a record for JSON."""
        arrays = {"y": self.y, "weights": self.weights, "ids": self.ids, "slots": self.slots}
        columns = []
        for i, (name, column) in enumerate(self.table.items()):
            words = is_words(column)
            arrays[f"column{i}"] = column.cat.codes.to_numpy(np.int32) if words else column.to_numpy()
            columns.append([name, column.cat.categories.tolist() if words else None])
        # Copies: arrays of frames are not writable, and tensors must be.
        state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        return state, {"columns": columns, "next_id": self.next_id}

    @classmethod
    def restore(cls, state: State, record: dict[str, Any]) -> Ledger:
        """Return the ledger of a snapshot."""
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        y, weights, ids, slots = (arrays[name] for name in ("y", "weights", "ids", "slots"))
        columns: dict[int, Any] = {}
        for i, (_, levels) in enumerate(record["columns"]):
            plain = arrays[f"column{i}"]
            known = pd.Index(levels or (), dtype=object)
            columns[i] = plain if levels is None else pd.Categorical.from_codes(plain, known)
        table = pd.DataFrame(columns, index=range(len(ids)))
        names = [name for name, _ in record["columns"]]
        return cls(table.set_axis(names, axis=1), y, weights, ids, slots, record["next_id"])


def _different(table: pd.DataFrame, y: Floats, weights: Floats) -> tuple[Ids, Ids]:
    """Return the first row of each kind of equal rows with a weight, ordered by their contents; and the kind
    of each row, -1 without a weight."""
    kept = np.flatnonzero(weights > 0)
    content = _content(table.iloc[kept], y[kept])
    _, first, kinds = np.unique(content, axis=0, return_index=True, return_inverse=True)
    found = np.full(len(table), -1, dtype=np.int64)
    found[kept] = kinds.reshape(-1)
    return kept[first], found


def _content(table: pd.DataFrame, y: Floats) -> Floats:
    """Return columns and targets as numbers, equal for equal rows."""
    return np.concatenate([keys(table), y + 0.0], 1)  # -0 is 0


def _moved(size: int, gone: Ids, again: Ids) -> Ids:
    """Return the new place of each place of the model, if the ones in ``again`` come last; -1 for the others
    of ``gone``, and for -1."""
    stay = np.concatenate([np.setdiff1d(np.arange(size), gone), again])
    to = np.full(size + 1, -1, dtype=np.int64)  # the last entry is that of -1
    to[stay] = np.arange(len(stay))
    return to
