"""The laws that every :class:`~lior.interfaces.Encoder` obeys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.testing import assert_close

from lior.interfaces import Encoder, ObservingEncoder, State, StreamingEncoder
from lior.testing.strategies import DTYPES, dtypes, law, seeds
from lior.testing.tensors import (
    InitialStateContract,
    assert_derivatives,
    assert_reachable,
    assert_same,
    cast,
    gradients,
    make_generator,
    unchanged,
)

_VOCAB = 11


class EncoderContract(InitialStateContract[Encoder]):
    """The laws of an encoder.

    The laws of a stream hold trivially for an encoder that is no
    :class:`~lior.interfaces.StreamingEncoder`, and the law of statistics for one that is no
    :class:`~lior.interfaces.ObservingEncoder`.
    """

    interface = Encoder

    @law(seed=seeds(), dtype=dtypes())
    def test_coordinates_have_the_promised_shape_and_dtype(self, seed: int, dtype: torch.dtype) -> None:
        encoder = self.make()
        state = _init(encoder, seed, dtype)
        for size in (0, 1, 7):
            z = encoder.encode(state, _contexts(encoder, size, seed))
            assert z.shape == (size, encoder.n)
            assert z.dtype == dtype
            assert z.isfinite().all()

    @law(seed=seeds(), dtype=dtypes())
    def test_row_of_a_batch_is_a_batch_of_one(self, seed: int, dtype: torch.dtype) -> None:
        encoder = self.make()
        state, contexts = _init(encoder, seed, dtype), _contexts(encoder, 9, seed)
        rows = torch.cat([encoder.encode(state, row[None]) for row in contexts])
        _assert_near(rows, encoder.encode(state, contexts))

    @law(seed=seeds())
    def test_pullback_is_the_derivative(self, seed: int) -> None:
        encoder = self.make()
        state, contexts = _init(encoder, seed, torch.float64), _contexts(encoder, 13, seed)
        dz = torch.randn(13, encoder.n, dtype=torch.float64, generator=make_generator(seed))
        actual = encoder.pullback(state, contexts, dz)
        assert_reachable(actual, encoder.learned)
        expected = gradients(lambda s: (dz * encoder.encode(s, contexts)).sum(), state, encoder.learned)
        assert_derivatives(actual, expected)

    def test_pullback_keeps_the_dtype(self) -> None:
        encoder = self.make()
        for dtype in DTYPES:
            dz = torch.ones(3, encoder.n, dtype=dtype)
            gradient = encoder.pullback(_init(encoder, 0, dtype), _contexts(encoder, 3, 0), dz)
            assert {value.dtype for value in gradient.values()} == {dtype}

    @law(seed=seeds())
    def test_inputs_are_not_mutated(self, seed: int) -> None:
        encoder = self.make()
        state, contexts = _init(encoder, seed, torch.float32), _contexts(encoder, 5, seed)
        dz = torch.ones(5, encoder.n)
        with unchanged(state, {"contexts": contexts, "dz": dz}):
            encoder.encode(state, contexts)
            encoder.pullback(state, contexts, dz)

    # --- statistics ---

    @law(seed=seeds(), dtype=dtypes())
    def test_observing_leaves_what_is_learned_alone(self, seed: int, dtype: torch.dtype) -> None:
        encoder = self.make()
        if isinstance(encoder, ObservingEncoder):
            state, contexts = _init(encoder, seed, dtype), _contexts(encoder, 40, seed) % 2
            blocks = list(zip(contexts.split(17), _tokens(40, seed + 1).split(17), strict=True))
            with unchanged(state, {"contexts": contexts}):
                after = encoder.observe(state, iter(blocks))
            assert_same(after, encoder.observe(state, iter(blocks)))
            assert_same({k: after[k] for k in encoder.learned}, {k: state[k] for k in encoder.learned})
            assert {k: (v.shape, v.dtype) for k, v in after.items()} == {
                k: (v.shape, v.dtype) for k, v in state.items()
            }
            assert any(not torch.equal(after[k], state[k]) for k in state), "nothing was observed"
            assert encoder.encode(after, contexts).isfinite().all()

    # --- unlimited context ---

    @law(seed=seeds(), dtype=dtypes())
    def test_scan_is_encode_of_all_tokens_before(self, seed: int, dtype: torch.dtype) -> None:
        encoder = self.make()
        if isinstance(encoder, StreamingEncoder):
            state, tokens = _init(encoder, seed, dtype), _tokens(2 * encoder.reach + 3, seed)
            z = _scan(encoder, state, tokens)
            assert z.shape == (len(tokens), encoder.n)
            for count in (1, 2, encoder.reach, len(tokens)):
                before = torch.full((encoder.reach,), _VOCAB)
                context = torch.cat([tokens[:count].flip(0), before])[None]
                _assert_near(z[count - 1 : count], encoder.encode(state, context))

    @law(seed=seeds(), dtype=dtypes())
    def test_tokens_beyond_the_reach_matter_in_a_stream(self, seed: int, dtype: torch.dtype) -> None:
        encoder = self.make()
        if isinstance(encoder, StreamingEncoder):
            state, tokens = _init(encoder, seed, dtype), _tokens(encoder.reach + 4, seed)
            other = torch.cat([(tokens[:4] + 1) % _VOCAB, tokens[4:]])
            last, changed = (_scan(encoder, state, read)[-1] for read in (tokens, other))
            assert (last != changed).any(), "an encoder of limited context needs no stream"

    @law(seed=seeds(), dtype=dtypes())
    def test_a_document_can_be_read_in_parts(self, seed: int, dtype: torch.dtype) -> None:
        encoder = self.make()
        if isinstance(encoder, StreamingEncoder):
            state, tokens = _init(encoder, seed, dtype), _tokens(70, seed)
            whole = _scan(encoder, state, tokens)
            for sizes in ([1] * 70, [3, 66, 1]):
                _assert_near(_scan(encoder, state, tokens, sizes), whole)

    @law(seed=seeds())
    def test_a_stream_can_be_forked(self, seed: int) -> None:
        encoder = self.make()
        if isinstance(encoder, StreamingEncoder):
            state = _init(encoder, seed, torch.float32)
            start, _ = encoder.scan(state, encoder.stream(state), torch.tensor([0]))
            with unchanged(state, start):
                first, z = encoder.scan(state, start, torch.tensor([1]))
                encoder.scan(state, first, torch.tensor([2]))
                encoder.scan(state, start, torch.tensor([3]))
                again, same = encoder.scan(state, start, torch.tensor([1]))
            assert torch.equal(same, z), "tokens that are read later change nothing before them"
            assert_same(again, first)


encoder_contract = EncoderContract.of


def _init(encoder: Encoder, seed: int, dtype: torch.dtype) -> State:
    return cast(encoder.init(_VOCAB, generator=make_generator(seed)), dtype)


def _tokens(count: int, seed: int) -> Tensor:
    return torch.randint(_VOCAB, (count,), generator=make_generator(seed))


def _contexts(encoder: Encoder, size: int, seed: int) -> Tensor:
    """Return random contexts; the id ``_VOCAB``, "before the beginning", among them."""
    return torch.randint(_VOCAB + 1, (size, encoder.reach), generator=make_generator(seed))


def _scan(
    encoder: StreamingEncoder, state: State, tokens: Tensor, sizes: Sequence[int] | None = None
) -> Tensor:
    """Return the coordinates ``(len(tokens), n)`` of a document that is read in parts of the given sizes."""
    stream, found = encoder.stream(state), []
    for part in tokens.split(list(sizes or [len(tokens)])):
        stream, z = encoder.scan(state, stream, part)
        found.append(z)
    return torch.cat(found)


def _assert_near(actual: Tensor, expected: Tensor) -> None:
    """Assert equality up to rounding, in units of the largest expected number."""
    size = max(1.0, expected.abs().max().item())
    assert_close(actual, expected, atol=1000 * torch.finfo(expected.dtype).eps * size, rtol=0)
