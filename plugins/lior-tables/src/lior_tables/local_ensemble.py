"""Many rows as a tree of leaves with a metric each, blended at the borders.

A node divides its rows at the median of their coordinate along a direction: the first axis of the metric that
was learned on some of them, in which the function changes most. Rows near a border belong to both sides, and
there a prediction passes smoothly from one leaf to the other:

    f(x) = Σ_leaf g_leaf(x) f_leaf(x),        Σ_leaf g_leaf(x) = 1,        g_leaf(x) > 0 in the leaf only
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.interfaces import GradientFrame, State
from lior.workers import Workers
from lior_tables import readouts
from lior_tables.members import METRIC_ROWS, OWN_ROUNDS, Candidate, Member, Setting
from lior_tables.resuming import KeptWork
from lior_tables.row_store import Rows, draw

OVERLAP = 0.05
"""Share of the rows of a node on either side of the border that belong to both."""
_GUIDE_ROWS = 1000
"""Rows on which the direction of a border is learned."""


class Tree(NamedTuple):
    """Borders in the order of their making: node 0 is the root; a child ``−1 − l`` is leaf ``l``."""

    directions: Tensor
    """``(M, n)``, unit rows."""
    places: Tensor
    """Where along the direction the border lies, ``(M,)``."""
    widths: Tensor
    """Half the width of the zone in which both sides count, ``(M,) > 0``."""
    children: Tensor
    """The sides below and above, int64 ``(M, 2)``."""

    @property
    def leaves(self) -> int:
        """How many there are."""
        return len(self.places) + 1

    def route(self, z: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each leaf the rows of ``z (B, n)`` that belong to it, int64, and their ``g > 0``."""
        return [(rows, share) for rows, share, _ in self.blends(z)]

    def blends(self, z: Tensor, *, slopes: bool = False) -> list[tuple[Tensor, Tensor, Tensor]]:
        """For each leaf the rows of ``z (B, n)``, their ``g > 0``, and with ``slopes`` ``∂g/∂z (·, n)``."""
        found: list[tuple[Tensor, Tensor, Tensor]] = [(torch.zeros(0),) * 3] * self.leaves
        everything = torch.arange(len(z), device=z.device), z.new_ones(len(z))
        flat = z.new_zeros(len(z), z.shape[1] if slopes else 0)
        pending = [(0 if len(self.places) else -1, *everything, flat)]
        while pending:
            node, rows, share, slope = pending.pop()
            if node < 0:
                found[-1 - node] = (rows, share, slope)
                continue
            along = (z[rows] @ self.directions[node] - self.places[node]) / self.widths[node]
            along = ((along + 1) / 2).clamp(0, 1)
            above = along.square() * (3 - 2 * along)
            change = (3 * along * (1 - along) / self.widths[node])[:, None] * self.directions[node]
            sides = ((1 - above, -change), (above, change))
            for child, (part, turn) in zip(self.children[node].tolist(), sides, strict=True):
                here = part > 0
                turned = slope[here] * part[here, None]
                if slopes:
                    turned = turned + share[here, None] * turn[here]
                pending.append((child, rows[here], share[here] * part[here], turned))
        return found


def grow(candidate: Candidate, setting: Setting, rows: Rows, leaf: int, generator: Generator) -> Tree:
    """Divide rows until no leaf has more than ``leaf`` of them, borders included."""
    borders: list[tuple[Tensor, Tensor, Tensor]] = []
    children: list[list[int]] = []
    leaves = 0
    everything = torch.arange(len(rows.z), device=rows.z.device)
    pending: list[tuple[Tensor, int, int]] = [(everything, -1, 0)]
    while pending:
        chosen, parent, side = pending.pop()
        border = _border(candidate, setting, rows.take(chosen), generator) if len(chosen) > leaf else None
        if border is None:
            here, leaves = -1 - leaves, leaves + 1
        else:
            here, (direction, place, width) = len(borders), border
            borders.append(border)
            children.append([0, 0])
            along = rows.z[chosen] @ direction - place
            pending += [(chosen[along > -width], here, 1), (chosen[along < width], here, 0)]
        if parent >= 0:
            children[parent][side] = here
    made = everything.new_tensor(children).reshape(-1, 2)
    if not borders:
        none = rows.z.new_zeros(0)
        return Tree(rows.z.new_zeros(0, rows.z.shape[1]), none, none, made)
    directions, places, widths = (torch.stack(part) for part in zip(*borders, strict=True))
    return Tree(directions, places, widths, made)


def _border(
    candidate: Candidate, setting: Setting, rows: Rows, generator: Generator
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Direction, place and half width; ``None`` where all rows are the same."""
    steps = (setting.steps + setting.steps[-1:])[:2]
    some = draw(rows, _GUIDE_ROWS, generator)
    guide = Member.learn_all(candidate, Setting(steps=steps), some, generator)
    _, vectors = torch.linalg.eigh(guide.metric.to(rows.z.device))
    for direction in (*vectors.flip(1).to(rows.z).unbind(1), *torch.eye(rows.z.shape[1]).to(rows.z)):
        along = rows.z @ direction
        place = along.median()
        distance = (along - place).abs()
        width = distance.kthvalue(max(1, int(2 * OVERLAP * len(distance)))).values.clamp(min=1e-6)
        # Where many rows have the same value a border may leave nearly all rows on one side.
        if max(float((along > place - width).sum()), float((along < place + width).sum())) < 0.8 * len(along):
            return direction, place, width
    return None


Arrays = dict[str, NDArray[np.generic]]
"""A state as arrays, for another process."""


class Grove:
    """A member whose rows are in the leaves of a tree; it takes the place of one :class:`Member`.

    Parameters
    ----------
    tree, leaves
        The borders, and a fitted member for each leaf.
    index
        For each leaf the places of its rows among all ``rows``.
    """

    def __init__(self, tree: Tree, leaves: list[Member], index: list[Tensor], rows: Rows) -> None:
        self.tree, self.leaves, self.index, self.rows = tree, leaves, index, rows
        self.candidate, self.setting = leaves[0].candidate, leaves[0].setting

    @classmethod
    def learn_all(
        cls,
        candidate: Candidate,
        setting: Setting,
        rows: Rows,
        tree: Tree,
        generator: Generator,
        *,
        kept: KeptWork | None = None,
        on_leaf: Callable[[int], None] | None = None,
        workers: Workers | None = None,
    ) -> Grove:
        """Fit each leaf with what was chosen, but for those that ``kept`` has from an interrupted fit.

        The first rounds of the metric are done once, on some of all rows. ``on_leaf`` is called with the
        number of leaves that are done; ``workers`` fit them in processes of their own.
        """
        index = [chosen for chosen, _ in tree.route(rows.z)]
        begin: State | None = None
        early = Setting(steps=setting.steps[:-OWN_ROUNDS])
        if len(early.steps) > 1 and len(index) > 1 and isinstance(candidate.parts.frame, GradientFrame):
            begin = Member.learn_all(candidate, early, draw(rows, METRIC_ROWS, generator), generator).state
        seed = int(torch.randint(1 << 62, (), generator=generator))
        # A seed for each leaf: those that are fitted do not depend on which were kept, nor on who fits them.
        seeds = [(seed + number) % (1 << 62) for number in range(len(index))]
        found: list[State | None] = [None] * len(index)
        paths: list[Path | None] = [None] * len(index)

        def missing() -> Iterator[tuple[int, tuple[Any, ...]]]:
            for number, chosen in enumerate(index):
                here, own = rows.take(chosen), seeds[number]
                if kept is not None:
                    key = (candidate.parts, candidate.readout, candidate.handed, setting, own)
                    paths[number] = path = kept.path([*here, *(begin or {}).values()], key)
                    found[number] = kept.read(path)
                if found[number] is None:
                    yield number, (candidate, setting, here, own, begin)

        for done, (number, tensors) in enumerate(_fit(missing(), workers)):
            found[number] = tensors
            path = paths[number]
            if kept is not None and path is not None:
                kept.write(path, tensors)
            if on_leaf is not None:
                on_leaf(done + 1)
        leaves = [
            Member.restored(tensors, candidate, setting, rows.take(chosen))
            for tensors, chosen in zip(found, index, strict=True)
            if tensors is not None
        ]
        return cls(tree, leaves, index, rows)

    @property
    def metric(self) -> Tensor:
        """The mean of the leaves' metrics by their rows, float64 ``(n, n)``, of trace 1."""
        sizes = torch.tensor([float(len(chosen)) for chosen in self.index], dtype=torch.float64)
        parts = [size * leaf.metric.cpu() for size, leaf in zip(sizes, self.leaves, strict=True)]
        return torch.stack(parts).sum(0) / sizes.sum()

    @property
    def centre(self) -> Tensor:
        """The weighted mean of the stored outputs, ``(C,)``."""
        return readouts.mean(self.rows.y, self.rows.weights)

    def _parts(self, z: Tensor) -> Iterator[tuple[Tensor, Tensor, Member, Tensor]]:
        """Rows of ``z``, their shares, the leaf and the places of its rows, of every leaf that is asked."""
        for (chosen, share), leaf, index in zip(self.tree.route(z), self.leaves, self.index, strict=True):
            if len(chosen):
                yield chosen, share, leaf, index

    def predict(self, z: Tensor) -> Tensor:
        """``f(z) (B, C)``."""
        total = z.new_zeros(len(z), self.rows.y.shape[1])
        for chosen, share, leaf, _ in self._parts(z):
            said = leaf.predict(z[chosen].to(leaf.rows.z)).to(total)
            total.index_add_(0, chosen, share[:, None] * said)
        return total

    def leave_one_out(self) -> Tensor:
        """Predictions for each stored row without it, metrics and borders fixed, ``(N, C)``."""
        total = torch.zeros_like(self.rows.y)
        for chosen, share, leaf, index in self._parts(self.rows.z):
            # A row is stored in every leaf with a share in it, up to rounding at the edge, where that is 0.
            g = total.new_zeros(len(total)).index_copy_(0, chosen, share)[index]
            total.index_add_(0, index, g[:, None] * leaf.leave_one_out().to(total))
        return total

    def solved_on(self, rows: Rows) -> Grove:
        """The same borders, metrics and settings, with the values that other rows have.

        A leaf in which none of them lies has them all.
        """
        everywhere = torch.arange(len(rows.z), device=rows.z.device)
        index = [chosen if len(chosen) else everywhere for chosen, _ in self.tree.route(rows.z)]
        leaves = [
            leaf.solved_on(rows.take(chosen).to(leaf.rows.z))
            for leaf, chosen in zip(self.leaves, index, strict=True)
        ]
        return Grove(self.tree, leaves, index, rows)

    def slopes(self, chosen: Tensor) -> Tensor:
        """Gradients ``(G, C, n)`` at stored rows, without their own share: ``Σ (g ∇f + f ∇g)``."""
        z = self.rows.z[chosen]
        total = z.new_zeros(len(chosen), self.rows.y.shape[1], z.shape[1])
        blends = self.tree.blends(z, slopes=True)
        for (at, share, slope), leaf, index in zip(blends, self.leaves, self.index, strict=True):
            if len(at):
                place = index.new_zeros(len(self.rows.z))
                place[index] = torch.arange(len(index), device=index.device)
                inside = leaf.slopes(place[chosen[at]]).to(total)
                said = leaf.predict(z[at].to(leaf.rows.z)).to(total)
                total[at] += share[:, None, None] * inside + said[:, :, None] * slope[:, None]
        return total

    def influence(self, z: Tensor) -> Tensor:
        """Weights ``(B, N)`` of the stored outputs: ``f(z) = centre + Σ_i w_i (y_i − centre)``."""
        total = z.new_zeros(len(z), len(self.rows.z))
        for chosen, share, leaf, index in self._parts(z):
            part = leaf.influence(z[chosen].to(leaf.rows.z)).to(total)
            weights = leaf.rows.weights.to(total)
            part += (1 - part.sum(1, keepdim=True)) * weights / weights.sum()
            total[chosen[:, None], index] += share[:, None] * part
        return total

    # --- editing ---

    def forget(self, chosen: Tensor, rows: Rows) -> None:
        """Remove the rows ``chosen``; ``rows`` are those that stay.

        Raises
        ------
        UsageError
            When a leaf would be left without rows; nothing has changed then.
        """
        count = len(self.rows.z)
        gone = torch.zeros(count, dtype=torch.bool, device=chosen.device)
        gone[chosen] = True
        if any(bool(gone[index].all()) for index in self.index):
            raise UsageError('a region of the table would be left without rows: use metric="refit"')
        place = torch.cumsum(~gone, 0) - 1
        for number, index in enumerate(self.index):
            lost = gone[index]
            if bool(lost.any()):
                leaf = self._edited(number)
                leaf.forget(lost.nonzero()[:, 0], leaf.rows.take(~lost))
            self.index[number] = place[index[~lost]]
        self.rows = rows

    def learn(self, new: Rows, rows: Rows) -> None:
        """Add the rows ``new``; ``rows`` are all, the new ones last."""
        before = len(self.rows.z)
        for number, (chosen, _) in enumerate(self.tree.route(new.z)):
            if len(chosen):
                leaf = self._edited(number)
                part = new.take(chosen).to(leaf.rows.z)
                leaf.learn(part, leaf.rows.with_more(part))
                self.index[number] = torch.cat([self.index[number], before + chosen])
        self.rows = rows

    def _edited(self, number: int) -> Member:
        """The leaf in float64, as it is from its first edit on."""
        leaf = self.leaves[number]
        self.leaves[number] = leaf = leaf.to(leaf.rows.to(torch.float64))
        return leaf


def _fit(
    tasks: Iterator[tuple[int, tuple[Any, ...]]], workers: Workers | None
) -> Iterator[tuple[int, State]]:
    """Number and tensors of each leaf of ``tasks``, as they are done."""
    if workers is None:
        for number, task in tasks:
            yield number, _leaf(*task)
        return
    numbers: list[int] = []

    def given() -> Iterator[tuple[Any, ...]]:
        for number, (candidate, setting, rows, own, begin) in tasks:
            numbers.append(number)
            yield candidate, setting, _arrays(rows._asdict()), own, None if begin is None else _arrays(begin)

    for place, arrays in workers.map(_leaf_elsewhere, given()):
        yield numbers[place], _tensors(arrays)


def _leaf(candidate: Candidate, setting: Setting, rows: Rows, own: int, begin: State | None) -> State:
    """The tensors of a leaf, fitted with the seed ``own``."""
    generator = torch.Generator().manual_seed(own)
    return Member.learn_all(candidate, setting, rows, generator, begin=begin).tensors()


def _leaf_elsewhere(
    candidate: Candidate, setting: Setting, rows: Arrays, own: int, begin: Arrays | None
) -> Arrays:
    """:func:`_leaf` in another process, which gets and gives arrays: tensors would share memory with it."""
    with torch.no_grad():
        here = Rows(**_tensors(rows))
        return _arrays(_leaf(candidate, setting, here, own, None if begin is None else _tensors(begin)))


def _arrays(state: State) -> Arrays:
    return {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}


def _tensors(arrays: Arrays) -> State:
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
