"""The laws that every :class:`~lior.interfaces.MemoryBackend` obeys.

A memory's author writes::

    TestMine = memory_contract(lambda: Mine(capacity=1000))

The suite writes at most 200 items at a time, and a memory must have the capacity for them. A memory that
needs a geometry gets random coordinates and a Euclidean :class:`~lior.interfaces.Scorer`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lior.interfaces import (
    API_VERSION,
    Evidence,
    Features,
    Items,
    MemoryBackend,
    Query,
    Text,
    Trace,
    TraceableMemory,
)
from lior.testing.strategies import Contract, law, seeds
from lior.testing.tensors import assert_same, clones, unchanged

_ALPHABET = torch.tensor([*b"\n .'Cabcd\xe9"]).unique()
"""Few letters, so that contexts repeat."""
_ABSENT = 1
"""A token that no text contains."""
_ALPHABETS = (
    _ALPHABET,
    torch.tensor([97]),
    torch.tensor([_ABSENT]),
    torch.tensor([_ABSENT, *b"abz"]),
    torch.arange(256),
)
_LENGTH, _N = 60, 4
"""Number of tokens per document; dimension of a coordinate."""
_ROUNDING = 1e-5
"""Rounding error of a log-probability in float32 after sums in another order."""
_SHARE_ROUNDING = 1e-9
"""Rounding error of a sum of float64 shares."""


class MemoryContract(Contract[MemoryBackend]):
    """The laws of an empty memory, with the options under test."""

    def holding(self, *documents: Items) -> MemoryBackend:
        """Return a memory that holds ``documents``, each with a commit of its own."""
        memory = self.make()
        memory.attach(_Euclidean() if memory.needs_geometry else None)
        _write(memory, *documents)
        return memory

    def test_declares_what_the_interface_asks_for(self) -> None:
        memory = self.make()
        assert isinstance(memory, MemoryBackend)
        assert memory.api_version == API_VERSION
        assert memory.context >= 0
        assert memory.experts, "at least one expert"
        assert len(set(memory.experts)) == len(memory.experts), "the experts' names differ"
        assert all(size >= 1 for size in memory.gate_sizes(256))

    # --- writing ---

    @law(seed=seeds())
    def test_written_items_are_invisible_until_commit(self, seed: int) -> None:
        items = _document(seed, 1)
        for memory in (self.holding(), self.holding(_document(seed, 0))):
            before, unread = memory.snapshot(), _read(memory, items)
            memory.write(items)
            assert_same(memory.snapshot(), before)
            _assert_same_evidence(_read(memory, items), unread)
            memory.commit()
            after = memory.snapshot()
            assert set(after) != set(before) or any(
                not torch.equal(after[key], before[key]) for key in after
            ), "after the commit nothing was stored"

    @law(seed=seeds())
    def test_a_rollback_leaves_no_trace(self, seed: int) -> None:
        memory = self.holding(_document(seed, 0))
        before = memory.snapshot()
        memory.write(_document(seed, 1))
        memory.rollback()
        memory.commit()
        assert_same(memory.snapshot(), before)

    @law(order=st.permutations(range(6)), commits=st.sets(st.integers(0, 5)), seed=seeds())
    def test_writes_commute(self, order: list[int], commits: set[int], seed: int) -> None:
        memory, documents = self.holding(), [_document(seed, d) for d in range(3)]
        pieces = [piece for document in documents for piece in _halves(document, memory.context)]
        for index in order:
            memory.write(pieces[index])
            if index in commits:
                memory.commit()
                _read(memory, documents[0])  # caches of a read must not outlive later writes
        memory.commit()
        _assert_same_memory(memory, self.holding(*documents), _document(seed, 3))

    @law(seed=seeds())
    def test_a_rewrite_replaces_everything(self, seed: int) -> None:
        first, second, third = (_document(seed, d) for d in range(3))
        memory = self.holding(first, second)
        memory.write(third)
        _read(memory, second)  # caches of a read must not outlive its items
        memory.rewrite([first, third])
        memory.commit()  # pending items are dropped: there is nothing to commit
        _assert_same_memory(memory, self.holding(first, third), second)
        memory.rewrite([])
        assert_same(memory.snapshot(), self.holding().snapshot())

    @law(seed=seeds())
    def test_a_snapshot_is_complete(self, seed: int) -> None:
        first, second, third = (_document(seed, d) for d in range(3))
        memory, other = self.holding(first, second), self.holding(third)
        snapshot = memory.snapshot()
        assert all(type(value) is Tensor for value in snapshot.values()), "the snapshot is flat"
        kept = clones(snapshot)
        other.write(third)
        other.restore(snapshot)
        other.commit()  # pending items are dropped: there is nothing to commit
        assert_same(other.snapshot(), kept)
        _assert_same_evidence(_read(other, third), _read(memory, third))
        for each in (memory, other):  # later changes affect neither the snapshot nor its meaning
            each.rewrite([second])
            _write(each, third)
        assert_same(snapshot, kept)
        assert_same(other.snapshot(), memory.snapshot())

    # --- reading ---

    @law(seed=seeds(), size=st.sampled_from((0, 1, 7)))
    def test_evidence_has_the_promised_form(self, seed: int, size: int) -> None:
        memory = self.holding(_document(seed, 0))
        sizes = memory.gate_sizes(256)
        query = _query(_document(seed, 1), torch.arange(size))
        for alphabet in _ALPHABETS:
            evidence = memory.read(query, alphabet)
            assert evidence.log_p.shape == (size, len(memory.experts), len(alphabet))
            assert evidence.log_p.dtype == torch.float32
            assert evidence.log_p.isfinite().all(), "a weight times a log-probability must be a number"
            assert_close(evidence.log_p.exp().sum(2), torch.ones(size, len(memory.experts)))
            assert len(evidence.gates) == len(sizes), "as many gates as gate sizes"
            for gate, bound in zip(evidence.gates, sizes, strict=True):
                assert gate.shape == (size,)
                assert gate.dtype == torch.int64
                assert ((gate >= 0) & (gate < bound)).all(), f"{gate} is not within 0 .. {bound - 1}"

    @law(seed=seeds())
    def test_an_empty_memory_knows_nothing(self, seed: int) -> None:
        emptied = self.holding(_document(seed, 0))
        emptied.restore(self.holding().snapshot())
        assert_same(emptied.snapshot(), self.holding().snapshot())
        for memory in (self.holding(), emptied):
            for alphabet in _ALPHABETS:
                log_p = memory.read(_query(_document(seed, 0)), alphabet).log_p
                assert_close(log_p.exp(), torch.full_like(log_p, 1 / len(alphabet)))

    @law(seed=seeds())
    def test_written_tokens_are_read_back(self, seed: int) -> None:
        items = _document(seed, 0)
        log_p = _read(self.holding(items), items).log_p
        columns = torch.searchsorted(_ALPHABET, items.text.tokens)
        found = log_p.gather(2, columns[:, None, None].expand(-1, log_p.shape[1], 1))
        best = found[:, :, 0].mean(0).max().exp()
        assert best > 1.2 / len(_ALPHABET), f"mean probability of the written tokens: {best:.3f}"

    @law(seed=seeds())
    def test_row_of_a_batch_is_a_batch_of_one(self, seed: int) -> None:
        memory, items = self.holding(_document(seed, 0)), _document(seed, 1)
        batch = _read(memory, items)
        for row in range(0, _LENGTH, 17):
            alone = memory.read(_query(items, torch.tensor([row])), _ALPHABET)
            _assert_same_evidence(alone, batch.rows(slice(row, row + 1)), _ROUNDING)

    @law(seed=seeds(), position=st.integers(0, _LENGTH - 1))
    def test_the_future_changes_nothing(self, seed: int, position: int) -> None:
        memory, items = self.holding(_document(seed, 0)), _document(seed, 1)
        tokens = items.text.tokens.clone()
        tokens[position:] = _document(seed, 2).text.tokens[position:]
        other = items._replace(text=items.text._replace(tokens=tokens))
        at = torch.tensor([position])
        first, second = (memory.read(_query(x, at), _ALPHABET) for x in (items, other))
        _assert_same_evidence(second, first)

    @law(seed=seeds())
    def test_other_documents_and_tokens_out_of_reach_change_nothing(self, seed: int) -> None:
        memory, items = self.holding(_document(seed, 0)), _document(seed, 1)
        alone, before, last = _read(memory, items), _document(seed, 2).text, _LENGTH - 1
        both = Text(*(torch.cat(pair) for pair in zip(before, items.text, strict=True)))
        behind = Query(both, torch.arange(_LENGTH, 2 * _LENGTH), items.z)
        _assert_same_evidence(memory.read(behind, _ALPHABET), alone, _ROUNDING)
        cut = max(last - memory.context, 0)
        short, z = Text(*(column[cut:] for column in items.text)), _rows_of_z(items, slice(-1, None))
        near = memory.read(Query(short, torch.tensor([last - cut]), z), _ALPHABET)
        _assert_same_evidence(near, alone.rows(slice(last, None)), _ROUNDING)

    @law(seed=seeds())
    def test_inputs_are_not_mutated(self, seed: int) -> None:
        memory, items, other = self.holding(), _document(seed, 0), _document(seed, 1)
        positions = torch.arange(_LENGTH)
        tensors = [*items.text, items.z, *other.text, other.z, _ALPHABET, positions]
        inputs = {str(i): tensor for i, tensor in enumerate(tensors) if tensor is not None}
        with unchanged(inputs):
            _write(memory, items, other)
            memory.read(_query(other, positions), _ALPHABET)
            memory.rewrite([other])
            memory.restore(memory.snapshot())

    # --- tracing, if the memory can ---

    @law(seed=seeds(), alphabet=st.sampled_from(_ALPHABETS), count=st.integers(0, 2))
    def test_a_trace_names_stored_places(self, seed: int, alphabet: Tensor, count: int) -> None:
        asked, tail = _document(seed, 2), _halves(_document(seed, 3), self.make().context)[1]
        documents = [_document(seed, 0), tail][:count]
        memory = self.holding(*documents)
        if not isinstance(memory, TraceableMemory):
            return
        before = memory.snapshot()
        tokens = torch.where(torch.arange(_LENGTH) % 5 == 0, _ABSENT, asked.text.tokens)
        tokens = torch.where(torch.isin(tokens, alphabet), tokens, alphabet[0])
        trace = memory.trace(_query(asked), tokens, alphabet)
        _assert_trace(trace, tokens, len(memory.experts), documents)
        assert_same(memory.snapshot(), before)
        for row in range(0, _LENGTH, 17):
            alone = memory.trace(_query(asked, torch.tensor([row])), tokens[[row]], alphabet)
            assert_close(alone.stored[0], trace.stored[row], atol=_ROUNDING, rtol=_ROUNDING)
            assert _places(alone, 0) == _places(trace, row)

    @law(seed=seeds())
    def test_a_trace_finds_the_written_tokens(self, seed: int) -> None:
        items = _document(seed, 0)
        memory = self.holding(items)
        if isinstance(memory, TraceableMemory):
            trace = memory.trace(_query(items), items.text.tokens, _ALPHABET)
            own = (trace.document == 0) & (trace.offset == trace.row)
            assert len(trace.row[own].unique()) > _LENGTH / 2, "few tokens are traced to their own place"


memory_contract = MemoryContract.of


class _Euclidean:
    """A :class:`~lior.interfaces.Scorer` of negative distances."""

    def features(self, z: Tensor, *, query: bool) -> Features:
        """Return the coordinates themselves."""
        return Features(z, z.square().sum(1), None)

    def scores(self, queries: Features, items: Features) -> Tensor:
        """Return minus the distances, scaled so that near items have most of the weight."""
        return -4 * torch.cdist(queries.f, items.f, compute_mode="donot_use_mm_for_euclid_dist")


def _document(seed: int, number: int) -> Items:
    """Return document ``number``, whole, of random tokens and coordinates."""
    generator = torch.Generator().manual_seed(4 * seed + number)
    tokens = _ALPHABET[torch.randint(len(_ALPHABET), (_LENGTH,), generator=generator)]
    text = Text(tokens, torch.arange(_LENGTH), torch.full((_LENGTH,), number))
    return Items(text, 0, torch.randn(_LENGTH, _N, generator=generator))


def _halves(items: Items, context: int) -> tuple[Items, Items]:
    """Split items into two parts; the second has no more context than it needs."""
    middle = 2 * _LENGTH // 3
    cut = max(middle - context, 0)
    head, tail = (
        Text(*(column[part] for column in items.text)) for part in (slice(middle), slice(cut, None))
    )
    return (
        Items(head, 0, _rows_of_z(items, slice(middle))),
        Items(tail, middle - cut, _rows_of_z(items, slice(middle, None))),
    )


def _rows_of_z(items: Items, rows: slice | Tensor) -> Tensor | None:
    return None if items.z is None else items.z[rows]


def _write(memory: MemoryBackend, *documents: Items) -> None:
    for items in documents:
        memory.write(items)
        memory.commit()


def _query(items: Items, positions: Tensor | None = None) -> Query:
    at = torch.arange(_LENGTH) if positions is None else positions
    return Query(items.text, at, _rows_of_z(items, at))


def _read(memory: MemoryBackend, items: Items) -> Evidence:
    return memory.read(_query(items), _ALPHABET)


def _places(trace: Trace, row: int) -> set[tuple[int, ...]]:
    """Return expert, document and offset of all places behind one of the tokens."""
    here = trace.row == row
    return set(map(tuple, torch.stack([trace.expert, trace.document, trace.offset], 1)[here].tolist()))


def _assert_same_evidence(actual: Evidence, expected: Evidence, tolerance: float = 0.0) -> None:
    assert_close(actual.log_p, expected.log_p, atol=tolerance, rtol=tolerance)
    assert all(torch.equal(a, b) for a, b in zip(actual.gates, expected.gates, strict=True))


def _assert_same_memory(actual: MemoryBackend, expected: MemoryBackend, asked: Items) -> None:
    assert_same(actual.snapshot(), expected.snapshot())
    _assert_same_evidence(_read(actual, asked), _read(expected, asked))


def _assert_trace(trace: Trace, tokens: Tensor, experts: int, documents: Sequence[Items]) -> None:
    """Check a trace of ``tokens (B,)`` by a memory of ``experts`` experts that stores ``documents``."""
    row, expert, document, offset, share, stored = trace
    count = len(row)
    assert all(column.shape == (count,) and column.dtype == torch.int64 for column in trace[:4])
    assert share.shape == (count,), "a share for each place"
    assert stored.shape == (len(tokens), experts)
    assert share.dtype == stored.dtype == torch.float64
    assert ((row >= 0) & (row < len(tokens))).all(), "a place is behind one of the tokens"
    assert ((expert >= 0) & (expert < experts)).all(), "a place is behind one of the experts"
    assert (share >= 0).all(), "no share is negative"
    listed = torch.zeros_like(stored).index_put((row, expert), share, accumulate=True)
    assert (listed <= stored + _SHARE_ROUNDING).all(), "the listed places have no more than all places"
    assert (stored <= 1 + _SHARE_ROUNDING).all(), "the places have no more than the probability"
    keys = torch.stack([row, expert, document, offset], 1)
    assert len(keys.unique(dim=0)) == count, "a place is listed twice for a token and an expert"
    _assert_stored(trace, tokens, documents)


def _assert_stored(trace: Trace, tokens: Tensor, documents: Sequence[Items]) -> None:
    """Check that the places of a trace hold the tokens, and that tokens without a place have no share."""
    written = {
        (number, place): token
        for items in documents
        for token, place, number in torch.stack(items.text, 1)[items.start :].tolist()
    }
    for wanted, *place in zip(
        tokens[trace.row].tolist(), trace.document.tolist(), trace.offset.tolist(), strict=True
    ):
        assert written.get(tuple(place)) == wanted, f"document and offset {place} do not hold token {wanted}"
    never = ~torch.isin(tokens, torch.tensor([*written.values()], dtype=torch.int64))
    assert (trace.stored[never] == 0).all(), "a token that was never stored has no share of stored places"
