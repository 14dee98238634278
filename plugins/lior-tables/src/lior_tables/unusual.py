"""Rows unlike the training rows, with rare or new words or rare gaps, and the errors of such rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import attrs
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior_tables.blocks import Blocks
from lior_tables.columns import Columns
from lior_tables.gaps import Gap, GapErrors, Gaps
from lior_tables.ledger import Ledger
from lior_tables.levels import LevelErrors, rare_words
from lior_tables.model import TableModel
from lior_tables.rows import Floats

Places = NDArray[np.int64]


@attrs.define(eq=False, slots=False)
class Unusual:
    """The errors of unusual rows; those of each column and gap are computed once, when a row needs them."""

    model: TableModel
    columns: Columns
    ledger: Ledger
    blocks: Callable[[pd.DataFrame], Blocks | None]
    """A function that returns which rows belong together."""
    _levels: dict[str, LevelErrors] = attrs.field(factory=dict, init=False)
    _errors: dict[Gap, GapErrors] = attrs.field(factory=dict, init=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The different rows of the model, ``(N, columns)``."""
        return self.ledger.table.iloc[self.ledger.representatives()]

    @cached_property
    def y(self) -> Floats:
        """Their targets ``(N, targets)``."""
        found: Floats = self.ledger.y[self.ledger.representatives()]
        return found

    @cached_property
    def weights(self) -> Tensor:
        """Their sample weights ``(N,)``."""
        return torch.from_numpy(self.ledger.slot_weights())

    @cached_property
    def gaps(self) -> Gaps:
        """What stands in for missing numbers."""
        return Gaps.of(self.columns, self.table, self.model.coordinates, self.weights)

    def levels(self, rows: pd.DataFrame) -> list[LevelErrors]:
        """Return the errors of each column in which one of ``rows`` has a rare or new word."""
        places = {
            each.name: place
            for place, each in enumerate(self.columns.encodings)
            if each.levels is not None and each.used.any()
        }
        found = []
        for name in rare_words(self.table[list(places)], rows[list(places)]):
            if name not in self._levels:
                predict, classes = partial(self._without, places[name]), self.model.classes
                self._levels[name] = LevelErrors.fit(self.table, name, self.y, predict, classes=classes)
            found.append(self._levels[name])
        return found

    def _without(self, place: int, table: pd.DataFrame, parts: list[tuple[Places, Places]]) -> Floats:
        """Return :meth:`TableModel.predict_without` for rows with one column changed."""
        given = [(torch.from_numpy(known), torch.from_numpy(asked)) for known, asked in parts]
        z, encoding, origins = (
            self.model.coordinates.clone(),
            self.columns.encodings[place],
            self.columns.origins,
        )
        changed = torch.from_numpy(encoding.standardised(encoding.raw(table[encoding.name])))
        z[:, : len(origins)][:, origins == place] = changed.to(z)
        return self.model.predict_without(given, z).double().cpu().numpy()

    def lacking(self, rows: pd.DataFrame) -> dict[Gap, list[int]]:
        """Return the places of ``rows`` that lack a number which few training rows lack, by their gap."""
        lacks = self.columns.encodings and rows.isna().to_numpy().any()  # pictures have no columns
        return self.gaps.find(rows) if lacks else {}

    def lacks(self, rows: pd.DataFrame) -> list[tuple[list[int], GapErrors]]:
        """Return the places of ``rows`` with each gap, and the errors of such rows."""
        found = self.lacking(rows)
        if new := [gap for gap in found if gap not in self._errors]:
            y, blocks = torch.from_numpy(self.y), self.blocks(self.table)
            errors = GapErrors.fit(self.model, self.gaps, new, y, self.weights, blocks)
            self._errors |= dict(zip(new, errors, strict=True))
        return [(places, self._errors[gap]) for gap, places in found.items()]
