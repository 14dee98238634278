"""The laws that every :class:`~lior.interfaces.MemoryBackend` obeys.

A backend's author writes::

    class TestMine(memory_contract(lambda: Mine(capacity=1000))):
        pass

The suite writes at most 200 items at a time; a backend with a capacity must hold
that many, or erasing cannot be exact. One that uses coordinates gets random ones
and a Euclidean :class:`~lior.interfaces.Scorer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from hypothesis import given
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
from lior.testing.strategies import LAW, seeds
from lior.testing.tensors import assert_same, clones
from lior.testing.traces import assert_trace

_LETTERS = torch.tensor([*b"aab'Ccd  .\n\xe9"])
"""What texts are made of: few letters, so that contexts repeat."""
_LENGTH = 60
_N = 4
_ROUNDING = 1e-5
"""Of a log-probability in float32, after sums in another order."""


def memory_contract(make: Callable[[], MemoryBackend]) -> type:
    """A new class whose ``test_*`` methods check the backend that ``make()`` returns.

    Parameters
    ----------
    make
        Returns an empty backend, with the options under test; called afresh by each test.
    """

    class MemoryContract:
        def test_declares_what_the_interface_asks_for(self) -> None:
            memory = make()
            assert isinstance(memory, MemoryBackend)
            assert memory.api_version == API_VERSION
            assert memory.context >= 0
            assert memory.experts, "at least one expert"
            assert len(set(memory.experts)) == len(memory.experts), "the experts' names differ"
            assert all(size >= 1 for size in memory.gate_sizes(256))

        # --- writing ---

        @LAW
        @given(seed=seeds())
        def test_written_items_are_invisible_until_commit(self, seed: int) -> None:
            items = _document(seed, 1)
            for memory in (_ready(make()), _holding(make, _document(seed, 0))):
                before, unread = memory.snapshot(), _read(memory, items)
                memory.write(items)
                assert_same(memory.snapshot(), before)
                _assert_same_evidence(_read(memory, items), unread)
                memory.commit()
                assert not _equal(memory.snapshot(), before), "after the commit nothing was stored"

        @LAW
        @given(seed=seeds())
        def test_a_rollback_leaves_no_trace(self, seed: int) -> None:
            memory = _holding(make, _document(seed, 0))
            before = memory.snapshot()
            memory.write(_document(seed, 1))
            memory.rollback()
            memory.commit()
            assert_same(memory.snapshot(), before)

        @LAW
        @given(order=st.permutations(range(6)), commits=st.sets(st.integers(0, 5)), seed=seeds())
        def test_writes_commute(self, order: list[int], commits: set[int], seed: int) -> None:
            context = make().context
            pieces = [p for d in range(3) for p in _pieces(_document(seed, d), context)]
            memory = _ready(make())
            for index in order:
                memory.write(pieces[index])
                if index in commits:
                    memory.commit()
            memory.commit()
            straight = _holding(make, *(_document(seed, d) for d in range(3)))
            assert_same(memory.snapshot(), straight.snapshot())
            _assert_same_evidence(*(_read(each, _document(seed, 3)) for each in (memory, straight)))

        @LAW
        @given(seed=seeds())
        def test_a_rewrite_holds_what_it_is_given_and_nothing_else(self, seed: int) -> None:
            first, second, third = (_document(seed, d) for d in range(3))
            memory = _holding(make, first, second)
            memory.write(third)
            _read(memory, second)  # caches of a read must not outlive its items
            memory.rewrite([first, third])
            memory.commit()  # of nothing: pending items are gone
            straight = _holding(make, first, third)
            assert_same(memory.snapshot(), straight.snapshot())
            _assert_same_evidence(_read(memory, second), _read(straight, second))
            memory.rewrite([])
            assert_same(memory.snapshot(), _ready(make()).snapshot())

        @LAW
        @given(seed=seeds())
        def test_a_snapshot_is_complete(self, seed: int) -> None:
            first, second, third = (_document(seed, d) for d in range(3))
            memory = _holding(make, first, second)
            snapshot = memory.snapshot()
            assert all(type(value) is Tensor for value in snapshot.values()), "the snapshot is flat"
            kept = clones(snapshot)
            other = _holding(make, third)
            other.write(third)
            other.restore(snapshot)
            other.commit()  # of nothing: restoring drops pending items
            assert_same(other.snapshot(), kept)
            _assert_same_evidence(_read(other, third), _read(memory, third))
            for each in (memory, other):  # what comes later changes neither the snapshot nor its meaning
                each.rewrite([second])
                _write(each, third)
            assert_same(snapshot, kept)
            assert_same(other.snapshot(), memory.snapshot())

        @LAW
        @given(seed=seeds())
        def test_a_snapshot_of_nothing_empties(self, seed: int) -> None:
            memory = _holding(make, _document(seed, 0))
            memory.restore(_ready(make()).snapshot())
            assert_same(memory.snapshot(), _ready(make()).snapshot())
            _assert_uniform(_read(memory, _document(seed, 1)))

        # --- reading ---

        @LAW
        @given(seed=seeds(), size=st.sampled_from((0, 1, 7)))
        def test_evidence_has_the_promised_form(self, seed: int, size: int) -> None:
            memory = _holding(make, _document(seed, 0))
            sizes = memory.gate_sizes(256)
            query = _query(_document(seed, 1), torch.arange(size))
            for alphabet in _alphabets():
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

        @LAW
        @given(seed=seeds())
        def test_an_empty_memory_knows_nothing(self, seed: int) -> None:
            memory = _ready(make())
            for alphabet in _alphabets():
                _assert_uniform(memory.read(_query(_document(seed, 0)), alphabet))

        @LAW
        @given(seed=seeds())
        def test_what_was_written_is_read_back(self, seed: int) -> None:
            items = _document(seed, 0)
            evidence = _read(_holding(make, items), items)
            columns = torch.searchsorted(_alphabet(), items.text.tokens)
            found = evidence.log_p.gather(2, columns[:, None, None].expand(-1, evidence.log_p.shape[1], 1))
            best = found[:, :, 0].mean(0).max().exp()
            assert best > 1.2 / len(_alphabet()), f"mean probability of what was written: {best:.3f}"

        @LAW
        @given(seed=seeds())
        def test_row_of_a_batch_is_a_batch_of_one(self, seed: int) -> None:
            memory, items = _holding(make, _document(seed, 0)), _document(seed, 1)
            batch = _read(memory, items)
            for row in range(0, _LENGTH, 17):
                alone = memory.read(_query(items, torch.tensor([row])), _alphabet())
                _assert_near(alone, _rows(batch, [row]))

        @LAW
        @given(seed=seeds(), position=st.integers(0, _LENGTH - 1))
        def test_the_future_changes_nothing(self, seed: int, position: int) -> None:
            memory, items = _holding(make, _document(seed, 0)), _document(seed, 1)
            tokens = items.text.tokens.clone()
            tokens[position:] = _document(seed, 2).text.tokens[position:]
            other = items._replace(text=items.text._replace(tokens=tokens))
            at = torch.tensor([position])
            first, second = (memory.read(_query(x, at), _alphabet()) for x in (items, other))
            _assert_same_evidence(second, first)

        @LAW
        @given(seed=seeds())
        def test_other_documents_and_what_is_out_of_reach_change_nothing(self, seed: int) -> None:
            memory, items = _holding(make, _document(seed, 0)), _document(seed, 1)
            alone = _read(memory, items)
            before = _document(seed, 2).text
            both = Text(*(torch.cat(pair) for pair in zip(before, items.text, strict=True)))
            behind = Query(both, torch.arange(_LENGTH, 2 * _LENGTH), items.z)
            _assert_near(memory.read(behind, _alphabet()), alone)
            last = _LENGTH - 1
            cut = max(last - memory.context, 0)
            short = Text(*(column[cut:] for column in items.text))
            z = None if items.z is None else items.z[-1:]
            near = memory.read(Query(short, torch.tensor([last - cut]), z), _alphabet())
            _assert_near(near, _rows(alone, [last]))

        # --- tracing, for those that can ---

        @LAW
        @given(seed=seeds(), alphabet=st.integers(0, 4), count=st.integers(0, 2))
        def test_a_trace_names_stored_places(self, seed: int, alphabet: int, count: int) -> None:
            asked, tail = _document(seed, 2), _pieces(_document(seed, 3), make().context)[1]
            documents = [_document(seed, 0), tail][:count]
            memory = _holding(make, *documents)
            if not isinstance(memory, TraceableMemory):
                return
            before, known = memory.snapshot(), _alphabets()[alphabet]
            tokens = torch.where(torch.arange(_LENGTH) % 5 == 0, 1, asked.text.tokens)  # 1 occurs nowhere
            tokens = torch.where(torch.isin(tokens, known), tokens, known[0])
            trace = memory.trace(_query(asked), tokens, known)
            assert_trace(trace, tokens, len(memory.experts), documents)
            assert_same(memory.snapshot(), before)
            for row in range(0, _LENGTH, 17):
                alone = memory.trace(_query(asked, torch.tensor([row])), tokens[[row]], known)
                assert_close(alone.stored[0], trace.stored[row], atol=_ROUNDING, rtol=_ROUNDING)
                assert _places(alone, 0) == _places(trace, row)

        @LAW
        @given(seed=seeds())
        def test_a_trace_quotes_what_was_written(self, seed: int) -> None:
            items = _document(seed, 0)
            memory = _holding(make, items)
            if not isinstance(memory, TraceableMemory):
                return
            trace = memory.trace(_query(items), items.text.tokens, _alphabet())
            own = (trace.document == 0) & (trace.offset == trace.row)
            assert len(trace.row[own].unique()) > _LENGTH / 2, "few tokens are traced to where they stand"

        @LAW
        @given(seed=seeds())
        def test_inputs_are_not_mutated(self, seed: int) -> None:
            memory, items, other = _ready(make()), _document(seed, 0), _document(seed, 1)
            alphabet, positions = _alphabet(), torch.arange(_LENGTH)
            inputs = {f"{i}.{k}": v for i, x in enumerate((items, other)) for k, v in _tensors(x).items()}
            inputs |= {"alphabet": alphabet, "positions": positions}
            copies = clones(inputs)
            _write(memory, items, other)
            memory.read(_query(other, positions), alphabet)
            memory.rewrite([other])
            memory.restore(memory.snapshot())
            assert_same(inputs, copies)

    return MemoryContract


class _Euclidean:
    """A :class:`~lior.interfaces.Scorer` of negative distances."""

    def features(self, z: Tensor, *, query: bool) -> Features:
        """The coordinates themselves."""
        return Features(z, z.square().sum(1), None)

    def scores(self, queries: Features, items: Features) -> Tensor:
        """Minus the distances, scaled so that near items stand out."""
        return -4 * torch.cdist(queries.f, items.f, compute_mode="donot_use_mm_for_euclid_dist")


def _document(seed: int, number: int) -> Items:
    """Document ``number``, whole, of tokens and coordinates that ``seed`` gives."""
    generator = torch.Generator().manual_seed(4 * seed + number)
    tokens = _LETTERS[torch.randint(len(_LETTERS), (_LENGTH,), generator=generator)]
    text = Text(tokens, torch.arange(_LENGTH), torch.full((_LENGTH,), number))
    return Items(text, 0, torch.randn(_LENGTH, _N, generator=generator))


def _pieces(items: Items, context: int) -> tuple[Items, Items]:
    """The same items in two parts, the second with no more context than it needs."""
    middle = 2 * _LENGTH // 3
    cut = max(middle - context, 0)
    head, tail = (
        Text(*(column[part] for column in items.text)) for part in (slice(middle), slice(cut, None))
    )
    z = (None, None) if items.z is None else (items.z[:middle], items.z[middle:])
    return Items(head, 0, z[0]), Items(tail, middle - cut, z[1])


def _ready(memory: MemoryBackend) -> MemoryBackend:
    memory.attach(_Euclidean() if memory.needs_geometry else None)
    return memory


def _holding(make: Callable[[], MemoryBackend], *documents: Items) -> MemoryBackend:
    """A memory that has taken in ``documents``, each with a commit of its own."""
    memory = _ready(make())
    _write(memory, *documents)
    return memory


def _write(memory: MemoryBackend, *documents: Items) -> None:
    for items in documents:
        memory.write(items)
        memory.commit()


def _query(items: Items, positions: Tensor | None = None) -> Query:
    at = torch.arange(_LENGTH) if positions is None else positions
    return Query(items.text, at, None if items.z is None else items.z[at])


def _read(memory: MemoryBackend, items: Items) -> Evidence:
    return memory.read(_query(items), _alphabet())


def _alphabet() -> Tensor:
    return _LETTERS.unique()


def _alphabets() -> Sequence[Tensor]:
    """The tokens that occur, one of them, one that never occurs, some of both, all bytes."""
    few = torch.tensor([1, *b"abz"])
    return _alphabet(), torch.tensor([97]), torch.tensor([1]), few, torch.arange(256)


def _tensors(items: Items) -> dict[str, Tensor]:
    return {**items.text._asdict(), **({} if items.z is None else {"z": items.z})}


def _rows(evidence: Evidence, rows: list[int]) -> Evidence:
    return Evidence(evidence.log_p[rows], tuple(gate[rows] for gate in evidence.gates))


def _places(trace: Trace, row: int) -> set[tuple[int, ...]]:
    """Expert, document and place of all that is behind one of the tokens."""
    here = trace.row == row
    return set(map(tuple, torch.stack([trace.expert, trace.document, trace.offset], 1)[here].tolist()))


def _equal(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return set(actual) == set(expected) and all(torch.equal(actual[k], expected[k]) for k in actual)


def _assert_same_evidence(actual: Evidence, expected: Evidence) -> None:
    assert torch.equal(actual.log_p, expected.log_p)
    assert all(torch.equal(a, b) for a, b in zip(actual.gates, expected.gates, strict=True))


def _assert_near(actual: Evidence, expected: Evidence) -> None:
    assert_close(actual.log_p, expected.log_p, atol=_ROUNDING, rtol=_ROUNDING)
    assert all(torch.equal(a, b) for a, b in zip(actual.gates, expected.gates, strict=True))


def _assert_uniform(evidence: Evidence) -> None:
    assert_close(evidence.log_p.exp(), torch.full_like(evidence.log_p, 1 / evidence.log_p.shape[2]))
