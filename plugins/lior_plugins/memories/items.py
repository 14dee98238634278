"""Common base of the memories of items: storage, a capacity, and evidence at several temperatures.

A memory over its capacity keeps the items of lowest priority. The priority is a hash of the item's place.
So the items are a uniform sample that does not depend on the order of writing (bottom-k sampling, E. Cohen
and H. Kaplan, 2007).
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import Abilities, Evidence, Items, Query, Scorer, State, Trace
from lior.tensors import Expected, check
from lior_plugins.counting.addresses import mix
from lior_plugins.counting.locations import MAX_VOCAB

_CONFIDENCE_BINS = 8
_LISTED = 256
"""Maximum number of places, of the largest weight, that a trace names for a token and an expert."""


class ItemStore(NamedTuple):
    """Items in the order of their tokens."""

    z: Tensor
    token: Tensor
    document: Tensor
    offset: Tensor

    def at(self, index: Tensor) -> ItemStore:
        """Return some of the items."""
        return ItemStore(*(t[index] for t in self))

    @property
    def place(self) -> Tensor:
        """One number per (document, offset)."""
        return self.document << 40 | self.offset


@attrs.define(kw_only=True)
class ItemMemory(abc.ABC):
    """A :class:`~lior.interfaces.Memory` without the search for items.

    A subclass sets ``name`` and ``api_version`` and defines the three abstract methods.
    """

    name: ClassVar[str]

    capacity: int = option(131072, help="items kept, a uniform sample beyond; 0 = all", low=0)
    inverse_temperatures: tuple[float, ...] = option((1.0, 2.0, 3.0), help="multiples of β, one expert each")
    smoothing: float = option(
        0.02, help="share of the uniform distribution in each expert", low=1e-6, high=0.5
    )

    _store: ItemStore | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _scorer: Scorer | None = attrs.field(default=None, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.inverse_temperatures or not all(0 < s < math.inf for s in self.inverse_temperatures):
            given = list(self.inverse_temperatures)
            raise UsageError(f"inverse_temperatures = {given}: allowed are finite numbers above 0")

    @property
    def abilities(self) -> Abilities:
        """An expert for each inverse temperature, and a gate: bins of the first one's largest probability.

        Coordinates represent the context.
        """
        experts = tuple(f"retrieval ×{s:g}" for s in self.inverse_temperatures)
        return Abilities(experts=experts, gates=(_CONFIDENCE_BINS,), geometry=True, coordinates=True)

    # --- writing ---

    def learn(self, batch: Sequence[Items]) -> None:
        """Add the items, then drop items over the capacity.

        Raises
        ------
        UsageError
            When they have no coordinates.
        """
        parts = [] if self._store is None else [self._store]
        for items in batch:
            if items.z is None:
                raise UsageError(
                    f"memory {self.name!r} stores coordinates, and these items have none: give Items.z"
                )
            text, at = items.text, slice(items.start, None)
            parts.append(ItemStore(items.z, text.tokens[at], text.document[at], text.depth[at]))
        if any(items.start < len(items.text.tokens) for items in batch):
            self._keep(ItemStore(*(torch.cat(column) for column in zip(*parts, strict=True))))

    def _keep(self, store: ItemStore) -> None:
        if self.capacity and len(store.token) > self.capacity:
            priority = mix(mix(torch.zeros_like(store.offset), store.document), store.offset)
            store = store.at(priority.topk(self.capacity, largest=False, sorted=False).indices)
        canonical = store.place.argsort()
        self._store = store.at(canonical[store.token[canonical].argsort(stable=True)])
        self._changed()

    # --- reading ---

    def _given(self, query: Query) -> tuple[Tensor, Scorer]:
        """Return coordinates and geometry of a query.

        Raises
        ------
        UsageError
            When the query has none, or the stored coordinates have another dimension.
        """
        if query.scorer is None or query.z is None:
            raise UsageError(f"memory {self.name!r} needs a geometry: give Query.z and Query.scorer")
        if query.scorer is not self._scorer:
            self._scorer = query.scorer
            self._changed()
            if self._store is not None:
                try:
                    query.scorer.features(self._store.z[:1], query=False)
                except RuntimeError as error:
                    raise UsageError(f"memory {self.name}: z does not fit the geometry ({error})") from error
        return query.z, query.scorer

    def predict(self, query: Query, alphabet: Tensor) -> Evidence:
        """Return one distribution for each inverse temperature, and one gate.

        Raises
        ------
        UsageError
            When the query has no coordinates or no geometry.
        """
        z, scorer = self._given(query)
        if self._store is None or not len(self._store.token):
            p = z.new_full((len(z), len(self.inverse_temperatures), len(alphabet)), 1.0 / len(alphabet))
        else:
            p = self._distributions(z, alphabet, self._store, scorer)
        top = p[:, 0].amax(1)
        gate = (top * _CONFIDENCE_BINS).long().clamp(max=_CONFIDENCE_BINS - 1)
        p = (1 - self.smoothing) * p + self.smoothing / len(alphabet)
        return Evidence(p.log_(), (gate,))

    def trace(self, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace:
        """Return the items with the token, each with its share of the weight.

        Raises
        ------
        UsageError
            As :meth:`predict`.
        """
        z, scorer = self._given(query)
        store = self._store
        stored = torch.zeros(len(tokens), len(self.inverse_temperatures), dtype=torch.float64)
        nothing = torch.zeros(0, dtype=torch.int64)
        places, shares = [torch.stack([nothing] * 4)], [nothing.double()]
        for row, token in enumerate(tokens.tolist() if store is not None and len(store.token) else ()):
            assert store is not None
            items, scores = self._weighed(z[row : row + 1], store, scorer)
            known = torch.isin(store.token[items], alphabet)
            items, scores = items[known], scores[known].double()
            same = store.token[items] == token
            for level, power in enumerate(self.inverse_temperatures):
                weight = torch.softmax(scores * power, 0)[same] * (1 - self.smoothing)
                share = weight / (weight.sum() + self.smoothing / len(alphabet))
                stored[row, level] = share.sum()
                share, best = share.topk(min(_LISTED, len(share)))
                at = store.at(items[same][best])
                here = torch.full_like(at.offset, row), torch.full_like(at.offset, level)
                places.append(torch.stack([*here, at.document, at.offset]).cpu())
                shares.append(share.cpu())
        question, expert, document, offset = torch.cat(places, 1)
        return Trace(question, expert, document, offset, torch.cat(shares), stored)

    @abc.abstractmethod
    def _weighed(self, z: Tensor, store: ItemStore, scorer: Scorer) -> tuple[Tensor, Tensor]:
        """Return indices and scores ``(K,)`` of the items that a read of one query ``z (1, n)`` weighs."""

    @abc.abstractmethod
    def _distributions(self, z: Tensor, alphabet: Tensor, store: ItemStore, scorer: Scorer) -> Tensor:
        """Return distributions ``(B, E, A)`` of queries ``z (B, n)``; ``store`` is not empty."""

    @abc.abstractmethod
    def _changed(self) -> None:
        """Drop caches after a change of the items or the scorer."""

    # --- state ---

    def snapshot(self) -> State:
        """Return the items in the order of their places; no entries if the memory is empty."""
        if self._store is None or not len(self._store.token):
            return {}
        store = self._store.at(self._store.place.argsort())
        return {name: value.clone() for name, value in store._asdict().items()}

    def restore(self, snapshot: State) -> None:
        """Become the memory of ``snapshot``.

        Raises
        ------
        UsageError
            When it is not a snapshot of such a memory, which is then unchanged.
        """
        if snapshot:
            count = len(snapshot["token"]) if "token" in snapshot else 0
            columns = {name: Expected("int64", (count,)) for name in ("token", "document", "offset")}
            check(snapshot, {"z": Expected("float", (count, None)), **columns}, of=f"memory {self.name}")
            if count and not 0 <= int(snapshot["token"].min()) <= int(snapshot["token"].max()) < MAX_VOCAB:
                raise UsageError(f"memory {self.name}: token has ids that no tokenizer has")
        self._store = None
        self._changed()
        if snapshot:
            self._keep(ItemStore(*(snapshot[name] for name in ItemStore._fields)))


def normalise(hits: Tensor) -> Tensor:
    """Scale ``hits (..., A)`` to sum 1 in each row; a row without a normal number becomes uniform."""
    total, least = hits.sum(-1, keepdim=True), torch.finfo(hits.dtype).tiny
    return torch.where(total > least, hits / total.clamp(min=least), 1.0 / hits.shape[-1])


def raise_to(weights: Tensor, power: float) -> Tensor:
    """Return ``weights ** power``, fast for common powers."""
    return weights if power == 1 else weights.square() if power == 2 else weights**power
