"""Sums over the rows of a large table, part by part: by this process or by workers, saved or recomputed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.interfaces import State
from lior.tensors import add_prefix, sub
from lior.workers import Workers
from lior_tables import readouts
from lior_tables.functions import Functions
from lior_tables.kernel import Kernel, Parts
from lior_tables.resuming import KeptWork
from lior_tables.row_store import Rows

_PARTS, _PART_ROWS = 16, 10_000
"""Maximum number of parts per table, and minimum number of rows per part."""
_ROWS, _COLUMNS = 2048, 512
"""Number of rows whose functions are in memory together, and of columns multiplied at once."""
Arrays = dict[str, NDArray[np.generic]]
"""A state as arrays, for another process."""


class Sums(NamedTuple):
    """The sums over rows that a ridge depends on, float64."""

    gram: Tensor
    """``ΦᵀWΦ (P, P)``."""
    right: Tensor
    """``ΦᵀW(y, 1) (P, C + 1)``."""

    def plus(self, other: Sums, sign: float = 1.0) -> Sums:
        """Return the sums over both rows, or, with ``sign`` -1, over these rows without the other's."""
        return Sums(*(a.add(b, alpha=sign) for a, b in zip(self, other, strict=True)))


def add_up(functions: Functions, rows: Rows) -> Sums:
    """Return the sums over all ``rows``; products of functions are computed in the rows' own precision."""
    count = sum(functions.sizes)
    gram = rows.z.new_zeros(count, count, dtype=torch.float64)
    right = rows.z.new_zeros(count, rows.y.shape[1] + 1, dtype=torch.float64)
    for z, y, weights in zip(*(column.split(_ROWS) for column in rows), strict=True):
        found = functions(z)
        weighed = found * weights[:, None]
        right += weighed.double().mT @ readouts.with_ones(y).double()
        for at in range(0, count, _COLUMNS):  # what is below the diagonal
            gram[at:, at : at + _COLUMNS] += (weighed[:, at:].mT @ found[:, at : at + _COLUMNS]).double()
    return Sums(gram.tril() + gram.tril(-1).mT, right)


def add_parts(
    functions: Functions,
    rows: Rows,
    *,
    kept: Path | None = None,
    on_part: Callable[[int, int], None] | None = None,
    workers: Workers | None = None,
) -> Sums:
    """Return the sums over all ``rows``, in the same order whichever process computes them.

    Parameters
    ----------
    kept
        Folder of the finished parts (:class:`lior_tables.resuming.KeptWork`).
    on_part
        Called with the number of finished parts, and of all parts.
    """
    parts = _divide(rows)
    made_of = add_prefix("functions", functions.tensors()) | add_prefix("kernel", functions.kernel.state)
    found: dict[int, State] = {}
    paths: dict[int, Path] = {}
    work = None if kept is None else KeptWork(kept)
    for number, part in enumerate(parts if work is not None else ()):
        assert work is not None
        paths[number] = work.path([*part, *made_of.values()], functions.kernel.parts)
        state = work.read(paths[number])
        if state is not None:
            found[number] = state
    missing = [number for number in range(len(parts)) if number not in found]
    total: Sums | None = None
    added = 0
    tasks = ((functions.kernel.parts, made_of, parts[number]) for number in missing)
    for done, (place, state) in enumerate(_made(tasks, workers), len(found) + 1):
        number = missing[place]
        if work is not None:
            work.write(paths[number], state)
        found[number] = state
        while added in found:  # in the order of the parts, for the same bits
            total, added = _joined(total, found.pop(added)), added + 1
        if on_part is not None:
            on_part(done, len(parts))
    while added in found:
        total, added = _joined(total, found.pop(added)), added + 1
    assert total is not None
    return total


def _joined(total: Sums | None, state: State) -> Sums:
    here = Sums(**state)
    return here if total is None else total.plus(here)


def _divide(rows: Rows) -> list[Rows]:
    size = max(_PART_ROWS, -(-len(rows.z) // _PARTS))
    return [Rows(*part) for part in zip(*(column.split(size) for column in rows), strict=True)]


def _made(tasks: Iterator[tuple[Parts, State, Rows]], workers: Workers | None) -> Iterator[tuple[int, State]]:
    """Yield place and sums of each task, as they finish."""
    if workers is None:
        for place, task in enumerate(tasks):
            yield place, _add(*task)
        return
    given = ((parts, _arrays(made_of), _arrays(rows._asdict())) for parts, made_of, rows in tasks)
    for place, arrays in workers.map(_add_elsewhere, given):
        yield place, _tensors(arrays)


def _add(parts: Parts, made_of: State, rows: Rows) -> State:
    kernel = Kernel(parts, sub(made_of, "kernel"))
    return add_up(Functions.restored(kernel, sub(made_of, "functions")), rows)._asdict()


def _add_elsewhere(parts: Parts, made_of: Arrays, rows: Arrays) -> Arrays:
    """Run :func:`_add` in another process on arrays: tensors would share memory with it."""
    with torch.no_grad():
        return _arrays(_add(parts, _tensors(made_of), Rows(**_tensors(rows))))


def _arrays(state: State) -> Arrays:
    return {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}


def _tensors(arrays: Arrays) -> State:
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
