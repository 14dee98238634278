"""The laws that every :class:`~lior.interfaces.Memory` obeys.

A memory's author writes::

    TestMine = memory_contract(lambda: Mine(capacity=1000))

The suite stores at most 200 items at a time, and a memory must have the capacity for them. Its text can be
learned in several ways: one token is frequent, each token has a likely successor, and coordinates lie near
the centre of the token that follows. What a memory declares in its :class:`~lior.interfaces.Abilities`, and
the optional protocols that it has, decide which laws apply; each message begins with the ability.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lior.interfaces import Evidence, Features, Items, Memory, Query, Text, Trace
from lior.model import memories
from lior.plugins.kinds import KINDS
from lior.plugins.registry import interface_members
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
_SUMS = 1e-4
"""Rounding error of sums of real numbers in another order; see ``Abilities.sums``."""
_SHARE_ROUNDING = 1e-9
"""Rounding error of a sum of float64 shares."""


def _of(ability: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a law: the message of a failure begins with the ability."""

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(check)
        def named(*given: Any, **values: Any) -> None:
            try:
                check(*given, **values)
            except AssertionError as error:
                raise AssertionError(f"{ability}: {str(error).strip()}") from error

        return named

    return decorate


class MemoryContract(Contract[Memory]):
    """The laws of an empty memory, with the options under test."""

    def holding(self, *documents: Items) -> Memory:
        """Return a memory that learned ``documents`` one after the other."""
        memory = self.make()
        _learn(memory, *documents)
        return memory

    @_of("abilities")
    def test_declares_what_the_interface_asks_for(self) -> None:
        memory = self.make()
        missing = [name for name in interface_members(Memory) if not hasattr(memory, name)]
        assert not missing, f"members are missing: {missing}"
        assert memory.api_version == KINDS["memory"].api_version
        able = memory.abilities
        assert able.context >= 0, "context is a number of tokens"
        assert able.vocab >= 256, "vocab: every memory can hold bytes"
        assert able.experts, "at least one expert"
        assert len(set(able.experts)) == len(able.experts), "the experts' names differ"
        assert all(size >= 1 for size in able.gates), "a gate has at least one value"
        shapes = [tuple(table.shape) for table in able.trust]
        wanted = [(size, len(able.experts)) for size in able.gates]
        assert shapes in ([], wanted), f"trust has shapes {shapes} for gates and experts {wanted}"
        assert able.geometry or not able.coordinates, "coordinates are of a geometry"

    # --- learning and forgetting ---

    @law(seed=seeds())
    @_of("learn")
    def test_what_is_learned_is_stored_and_read(self, seed: int) -> None:
        for memory in (self.holding(), self.holding(_document(seed, 0))):
            before = memory.snapshot()
            memory.learn([])
            assert_same(memory.snapshot(), before)
            memory.learn([_document(seed, 1)])
            after = memory.snapshot()
            assert set(after) != set(before) or any(
                not torch.equal(after[key], before[key]) for key in after
            ), "nothing was stored"

    @law(order=st.permutations(range(6)), parts=st.sets(st.integers(0, 5)), seed=seeds())
    @_of("learn")
    def test_the_order_does_not_matter(self, order: list[int], parts: set[int], seed: int) -> None:
        memory, documents = self.holding(), [_document(seed, d) for d in range(3)]
        pieces = [piece for each in documents for piece in _halves(each, memory.abilities.context)]
        batch: list[Items] = []
        for index in order:
            batch.append(pieces[index])
            if index in parts:
                memory.learn(batch)
                batch = []
                _read(memory, documents[0])  # caches of a read must not outlive what is learned later
        memory.learn(batch)
        _assert_same_memory(memory, self.holding(*documents), _document(seed, 3))

    @law(seed=seeds())
    @_of("forget")
    def test_what_is_forgotten_leaves_no_trace(self, seed: int) -> None:
        first, second, third = (_document(seed, d) for d in range(3))
        memory = self.holding(first, second)
        _read(memory, second)  # caches of a read must not outlive its items
        memories.rewrite(memory, [first, third])
        _assert_same_memory(memory, self.holding(first, third), second)
        memories.rewrite(memory, [])
        assert_same(memory.snapshot(), self.holding().snapshot())

    @law(seed=seeds())
    @_of("snapshot and restore")
    def test_a_snapshot_is_complete(self, seed: int) -> None:
        first, second, third = (_document(seed, d) for d in range(3))
        memory, other = self.holding(first, second), self.holding(third)
        snapshot = memory.snapshot()
        assert all(type(value) is Tensor for value in snapshot.values()), "the snapshot is flat"
        kept = clones(snapshot)
        other.restore(snapshot)
        assert_same(other.snapshot(), kept)
        _assert_same_evidence(_read(other, third), _read(memory, third))
        for each in (memory, other):  # later changes affect neither the snapshot nor its meaning
            memories.rewrite(each, [second])
            _learn(each, third)
        assert_same(snapshot, kept)
        assert_same(other.snapshot(), memory.snapshot())

    @law(seed=seeds())
    @_of("restore")
    def test_an_empty_memory_knows_nothing(self, seed: int) -> None:
        emptied, new, other = self.holding(_document(seed, 0)), self.holding(_document(seed, 0)), self.make()
        emptied.restore(self.holding().snapshot())
        assert_same(emptied.snapshot(), self.holding().snapshot())
        new.restore({})
        other.restore({})
        assert_same(new.snapshot(), other.snapshot())
        for memory in (self.holding(), emptied, new):
            for alphabet in _ALPHABETS:
                log_p = memory.predict(_query(_document(seed, 0)), alphabet).log_p
                assert_close(log_p.exp(), torch.full_like(log_p, 1 / len(alphabet)))

    # --- predicting ---

    @law(seed=seeds(), size=st.sampled_from((0, 1, 7)))
    @_of("predict")
    def test_evidence_has_the_promised_form(self, seed: int, size: int) -> None:
        memory = self.holding(_document(seed, 0))
        query = _query(_document(seed, 1), torch.arange(size))
        for alphabet in _ALPHABETS:
            _assert_form(memory.predict(query, alphabet), memory, size, len(alphabet))

    @law(seed=seeds())
    @_of("predict")
    def test_what_was_learned_is_likelier(self, seed: int) -> None:
        items = _document(seed, 0)
        memory, columns = self.holding(items), torch.searchsorted(_ALPHABET, items.text.tokens)
        p = _read(memory, items).log_p.exp()
        found = p.gather(2, columns[:, None, None].expand(-1, p.shape[1], 1))
        best = found[:, :, 0].mean(0).max()
        assert best > 1.2 / len(_ALPHABET), f"mean probability of the learned tokens: {best:.3f}"

    @law(seed=seeds())
    @_of("predict")
    def test_row_of_a_batch_is_a_batch_of_one(self, seed: int) -> None:
        memory, items = self.holding(_document(seed, 0)), _document(seed, 1)
        batch = _read(memory, items)
        for row in range(0, _LENGTH, 17):
            alone = memory.predict(_query(items, torch.tensor([row])), _ALPHABET)
            _assert_same_evidence(alone, batch.rows(slice(row, row + 1)), _ROUNDING)

    @law(seed=seeds(), position=st.integers(0, _LENGTH - 1))
    @_of("predict")
    def test_the_future_changes_nothing(self, seed: int, position: int) -> None:
        memory, items = self.holding(_document(seed, 0)), _document(seed, 1)
        tokens = items.text.tokens.clone()
        tokens[position:] = _document(seed, 2).text.tokens[position:]
        other = items._replace(text=items.text._replace(tokens=tokens))
        at = torch.tensor([position])
        first, second = (memory.predict(_query(x, at), _ALPHABET) for x in (items, other))
        _assert_same_evidence(second, first)

    @law(seed=seeds())
    @_of("abilities.context")
    def test_other_documents_and_tokens_out_of_reach_change_nothing(self, seed: int) -> None:
        memory, items = self.holding(_document(seed, 0)), _document(seed, 1)
        alone, before, last = _read(memory, items), _document(seed, 2).text, _LENGTH - 1
        both = Text(*(torch.cat(pair) for pair in zip(before, items.text, strict=True)))
        behind = Query(both, torch.arange(_LENGTH, 2 * _LENGTH), items.z, scorer=_SCORER)
        _assert_same_evidence(memory.predict(behind, _ALPHABET), alone, _ROUNDING)
        cut = max(last - memory.abilities.context, 0)
        short, z = Text(*(column[cut:] for column in items.text)), _rows_of_z(items, slice(-1, None))
        near = memory.predict(Query(short, torch.tensor([last - cut]), z, scorer=_SCORER), _ALPHABET)
        _assert_same_evidence(near, alone.rows(slice(last, None)), _ROUNDING)

    @law(seed=seeds())
    @_of("learn and predict")
    def test_inputs_are_not_mutated(self, seed: int) -> None:
        memory, items, other = self.holding(), _document(seed, 0), _document(seed, 1)
        positions = torch.arange(_LENGTH)
        tensors = [*items.text, items.z, *other.text, other.z, _ALPHABET, positions]
        inputs = {str(i): tensor for i, tensor in enumerate(tensors) if tensor is not None}
        with unchanged(inputs):
            _learn(memory, items, other)
            memory.predict(_query(other, positions), _ALPHABET)
            memories.rewrite(memory, [other])
            memory.restore(memory.snapshot())

    # --- optional protocols ---

    @law(seed=seeds())
    @_of("fit")
    def test_what_is_fitted_is_stored_once(self, seed: int) -> None:
        items, other = _document(seed, 0), _document(seed, 1)
        for memory in memories.fitted({"": self.holding()}).values():
            found = memory.fit(items, _ALPHABET, progress=0.5, write=True)
            _assert_form(found, memory, _LENGTH, len(_ALPHABET))
            before = memory.snapshot()
            for geometry in (True, False):
                trial = memory.trial(geometry=geometry)
                trial.fit(other, _ALPHABET, progress=0.5, write=False)
            assert_same(memory.snapshot(), before)
            memory.rewrite([])
            memory.rewrite([items])
            straight = memories.fitted({"": self.holding()})[""]
            straight.fit(items, _ALPHABET, progress=0.5, write=True)
            straight.rewrite([])
            straight.finish([items])
            _assert_same_evidence(_read(memory, other), _read(straight, other), _SUMS)

    @law(seed=seeds())
    @_of("without")
    def test_what_is_taken_out_is_not_read(self, seed: int) -> None:
        rest, asked = _document(seed, 1), _document(seed, 3)
        found = []
        for taken in (_document(seed, 0), _document(seed + 1, 0)):
            for memory in memories.folded({"": self.holding(taken, rest)}).values():
                before = memory.snapshot()
                found.append(_read(memory.without(0, _LENGTH), asked))
                assert_same(memory.snapshot(), before)
        for first, second in pairwise(found):
            _assert_same_evidence(first, second)

    @law(seed=seeds())
    @_of("session")
    def test_a_session_is_a_prediction_at_each_position(self, seed: int) -> None:
        items, other = _document(seed, 1), _document(seed, 2)
        for memory in memories.streaming({"": self.holding(_document(seed, 0))}).values():
            one, two = memory.session(None), memory.session(None)
            two.feed(other.text.tokens[:5].tolist())
            beside = memory.predict(_query(other, torch.tensor([5])), _ALPHABET)
            whole = _read(memory, items)
            for at, token in enumerate(items.text.tokens[:20].tolist()):
                found = one.next(_ALPHABET, None, [two])
                _assert_same_evidence(found.rows(slice(0, 1)), whole.rows(slice(at, at + 1)))
                _assert_same_evidence(found.rows(slice(1, 2)), beside)
                one.feed([token])

    @law(seed=seeds(), alphabet=st.sampled_from(_ALPHABETS), count=st.integers(0, 2))
    @_of("trace")
    def test_a_trace_names_stored_places(self, seed: int, alphabet: Tensor, count: int) -> None:
        asked, tail = _document(seed, 2), _halves(_document(seed, 3), self.make().abilities.context)[1]
        documents = [_document(seed, 0), tail][:count]
        memory = self.holding(*documents)
        before = memory.snapshot()
        tokens = torch.where(torch.arange(_LENGTH) % 5 == 0, _ABSENT, asked.text.tokens)
        tokens = torch.where(torch.isin(tokens, alphabet), tokens, alphabet[0])
        trace = memories.trace(memory, _query(asked), tokens, alphabet)
        if trace is None:
            return
        _assert_trace(trace, tokens, len(memory.abilities.experts), documents)
        assert_same(memory.snapshot(), before)
        for row in range(0, _LENGTH, 17):
            alone = memories.trace(memory, _query(asked, torch.tensor([row])), tokens[[row]], alphabet)
            assert alone is not None
            assert_close(alone.stored[0], trace.stored[row], atol=_ROUNDING, rtol=_ROUNDING)
            assert _places(alone, 0) == _places(trace, row)

    @law(seed=seeds())
    @_of("trace")
    def test_a_trace_finds_the_learned_tokens(self, seed: int) -> None:
        items = _document(seed, 0)
        trace = memories.trace(self.holding(items), _query(items), items.text.tokens, _ALPHABET)
        if trace is not None:
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


_SCORER = _Euclidean()
_CENTRES = torch.randn(256, _N, generator=torch.Generator().manual_seed(0))


def _document(seed: int, number: int) -> Items:
    """Return document ``number``, whole, of text and coordinates that can be learned."""
    generator = torch.Generator().manual_seed(4 * seed + number)
    count = len(_ALPHABET)
    drawn = torch.randint(count, (_LENGTH,), generator=generator).tolist()
    kinds = torch.rand(_LENGTH, generator=generator).tolist()
    index = [0]
    for kind, other in zip(kinds, drawn, strict=True):  # the successor, the frequent token, or any token
        index.append((index[-1] + 3) % count if kind < 0.5 else 0 if kind < 0.8 else other)
    tokens = _ALPHABET[torch.tensor(index[1:])]
    text = Text(tokens, torch.arange(_LENGTH), torch.full((_LENGTH,), number))
    return Items(text, 0, _CENTRES[tokens] + 0.5 * torch.randn(_LENGTH, _N, generator=generator))


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


def _learn(memory: Memory, *documents: Items) -> None:
    for items in documents:
        memory.learn([items])


def _query(items: Items, positions: Tensor | None = None) -> Query:
    at = torch.arange(_LENGTH) if positions is None else positions
    return Query(items.text, at, _rows_of_z(items, at), scorer=_SCORER)


def _read(memory: Memory, items: Items) -> Evidence:
    return memory.predict(_query(items), _ALPHABET)


def _places(trace: Trace, row: int) -> set[tuple[int, ...]]:
    """Return expert, document and offset of all places behind one of the tokens."""
    here = trace.row == row
    return set(map(tuple, torch.stack([trace.expert, trace.document, trace.offset], 1)[here].tolist()))


def _assert_form(evidence: Evidence, memory: Memory, rows: int, columns: int) -> None:
    able = memory.abilities
    shape = (rows, len(able.experts), columns)
    assert evidence.log_p.shape == shape, f"log_p has shape {tuple(evidence.log_p.shape)}, not {shape}"
    assert evidence.log_p.dtype == torch.float32
    assert evidence.log_p.isfinite().all(), "a weight times a log-probability must be a number"
    assert_close(evidence.log_p.exp().sum(2), torch.ones(shape[:2]))
    assert len(evidence.gates) == len(able.gates), "as many gates as in abilities.gates"
    for gate, bound in zip(evidence.gates, able.gates, strict=True):
        assert gate.shape == (rows,)
        assert gate.dtype == torch.int64
        assert ((gate >= 0) & (gate < bound)).all(), f"{gate} is not within 0 .. {bound - 1}"


def _assert_same_evidence(actual: Evidence, expected: Evidence, tolerance: float = 0.0) -> None:
    assert_close(actual.log_p, expected.log_p, atol=tolerance, rtol=tolerance)
    assert all(torch.equal(a, b) for a, b in zip(actual.gates, expected.gates, strict=True))


def _assert_same_memory(actual: Memory, expected: Memory, asked: Items) -> None:
    tolerance = _SUMS if expected.abilities.sums else 0.0
    assert_same(actual.snapshot(), expected.snapshot(), tolerance=tolerance)
    _assert_same_evidence(_read(actual, asked), _read(expected, asked), tolerance)


def _assert_trace(trace: Trace, tokens: Tensor, experts: int, documents: Sequence[Items]) -> None:
    """Check a trace of ``tokens (B,)`` by a memory of ``experts`` experts that stores ``documents``."""
    row, expert, document, offset, share, stored, _ = trace
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
