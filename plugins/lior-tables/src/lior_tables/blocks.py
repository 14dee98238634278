"""Rows that belong together: groups, if new groups will come, or moments, if later ones will come.

Choices are made, and errors estimated, on rows that are as new as those to come. These are whole groups
that were not learned, or rows later than all learned ones.
"""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from lior_tables.rows import Column, as_numbers, as_words, is_words

_BEGIN = 0.4
"""Share of the rows, the earliest, that are learned first."""


@attrs.frozen(eq=False)
class Blocks:
    """The block of each row."""

    codes: Tensor
    """Block number of each row, int64 ``(N,)``; with ``ordered`` they rise with time."""
    ordered: bool

    @classmethod
    def of(cls, column: Column, *, ordered: bool) -> Blocks:
        """Return the groups of a column, or its moments: numbers or dates.

        Raises
        ------
        ValueError
            For moments that are words or missing, and if all rows are in one block.
        """
        if ordered:
            if is_words(column):
                what = f"the column {column.name!r} holds words; give one of dates or numbers"
                raise ValueError(f"time: {what}")
            values = as_numbers(column)
            if np.isnan(values).any():
                raise ValueError(f"time: the column {column.name!r} has gaps; leave these rows out")
            codes = np.unique(values, return_inverse=True)[1]
        else:
            codes = pd.factorize(as_words(column), use_na_sentinel=False)[0]
        if codes.max(initial=0) == 0:
            what = "time" if ordered else "group"
            raise ValueError(f"{what}: the column {column.name!r} has one value in all rows")
        return cls(torch.from_numpy(codes.astype(np.int64)), ordered)

    def parts(self, count: int, generator: Generator) -> list[tuple[Tensor, Tensor]]:
        """Divide the rows into up to ``count`` parts; returns places of rows to learn and rows to predict
        for each.

        With groups, each part leaves out some of them, and all rows are predicted once. With moments, the
        predicted rows of a part are later than the rows it learns; the earliest rows are never predicted.
        """
        found = []
        if self.ordered:
            sorted_codes = self.codes.sort().values
            cuts = [_BEGIN + (1 - _BEGIN) * k / count for k in range(count)]
            at = sorted({max(int(sorted_codes[int(cut * len(sorted_codes))]), 1) for cut in cuts})
            for first, end in zip(at, [*at[1:], int(sorted_codes[-1]) + 1], strict=True):
                found.append((self.codes < first, (self.codes >= first) & (self.codes < end)))
        else:
            groups = int(self.codes.max()) + 1
            part = torch.randperm(groups, generator=generator)[self.codes] % min(count, groups)
            found = [(part != k, part == k) for k in range(min(count, groups))]
        return [(known.nonzero()[:, 0], asked.nonzero()[:, 0]) for known, asked in found]
