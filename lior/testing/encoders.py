"""The laws that every :class:`~lior.interfaces.Encoder` obeys.

An encoder's author writes::

    class TestMine(encoder_contract(lambda: Mine(n=8))):
        pass
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from hypothesis import given
from torch import Tensor
from torch.testing import assert_close

from lior.interfaces import API_VERSION, Encoder, State
from lior.testing.strategies import DTYPES, LAW, dtypes, seeds
from lior.testing.tensors import assert_same, clones

_VOCAB = 11


def encoder_contract(make: Callable[[], Encoder]) -> type:
    """A new class whose ``test_*`` methods check the encoder that ``make()`` returns.

    Parameters
    ----------
    make
        Returns the encoder, with the options under test; called afresh by each test.
    """

    class EncoderContract:
        def test_declares_what_the_interface_asks_for(self) -> None:
            encoder = make()
            assert isinstance(encoder, Encoder)
            assert encoder.api_version == API_VERSION
            state = encoder.init(_VOCAB, generator=torch.Generator().manual_seed(0))
            assert set(encoder.learned) <= set(state), "every learned entry is in the state"
            assert all(type(value) is Tensor for value in state.values()), "the state is flat"
            assert {state[key].dtype for key in encoder.learned} <= {torch.float32}

        @LAW
        @given(seed=seeds())
        def test_init_depends_on_the_generator_alone(self, seed: int) -> None:
            assert_same(*(_init(make(), seed, torch.float32) for _ in range(2)))

        @LAW
        @given(seed=seeds(), dtype=dtypes())
        def test_coordinates_have_the_promised_shape_and_dtype(self, seed: int, dtype: torch.dtype) -> None:
            encoder = make()
            state = _init(encoder, seed, dtype)
            for size in (0, 1, 7):
                z = encoder.encode(state, _contexts(encoder, size, seed))
                assert z.shape == (size, encoder.n)
                assert z.dtype == dtype
                assert z.isfinite().all()

        @LAW
        @given(seed=seeds(), dtype=dtypes())
        def test_row_of_a_batch_is_a_batch_of_one(self, seed: int, dtype: torch.dtype) -> None:
            encoder = make()
            state, contexts = _init(encoder, seed, dtype), _contexts(encoder, 9, seed)
            batch = encoder.encode(state, contexts)
            rows = torch.cat([encoder.encode(state, row[None]) for row in contexts])
            _assert_near(rows, batch)

        @LAW
        @given(seed=seeds(), dtype=dtypes())
        def test_step_is_encode_at_every_position(self, seed: int, dtype: torch.dtype) -> None:
            encoder = make()
            state = _init(encoder, seed, dtype)
            tokens = _tokens(2 * encoder.reach + 3, seed)
            _assert_near(_stream(encoder, state, tokens), encoder.encode(state, _windows(encoder, tokens)))

        @LAW
        @given(seed=seeds(), dtype=dtypes())
        def test_tokens_beyond_the_reach_change_nothing(self, seed: int, dtype: torch.dtype) -> None:
            encoder = make()
            state = _init(encoder, seed, dtype)
            tokens = _tokens(encoder.reach + 4, seed)
            other = [(token + 1) % _VOCAB for token in tokens[:4]] + tokens[4:]
            _assert_near(_stream(encoder, state, other)[-1], _stream(encoder, state, tokens)[-1])

        @LAW
        @given(seed=seeds())
        def test_a_stream_can_be_forked(self, seed: int) -> None:
            encoder = make()
            state = _init(encoder, seed, torch.float32)
            start, _ = encoder.step(state, encoder.stream(state), 0)
            kept = clones(start)
            first, z = encoder.step(state, start, 1)
            encoder.step(state, first, 2)
            encoder.step(state, start, 3)
            assert_same(start, kept)
            again, same = encoder.step(state, start, 1)
            assert torch.equal(same, z), "what is read later changes nothing before it"
            assert_same(again, first)

        @LAW
        @given(seed=seeds())
        def test_pullback_is_the_derivative(self, seed: int) -> None:
            encoder = make()
            state, contexts = _init(encoder, seed, torch.float64), _contexts(encoder, 13, seed)
            dz = torch.randn(
                13, encoder.n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
            )
            actual = encoder.pullback(state, contexts, dz)
            assert set(actual) == set(encoder.learned), "one derivative for each learned entry, no other"
            leaves = {key: state[key].clone().requires_grad_() for key in encoder.learned}
            with torch.enable_grad():
                total = (dz * encoder.encode({**state, **leaves}, contexts)).sum()
                expected = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
            for key, gradient in zip(leaves, expected, strict=True):
                assert gradient is not None, f"{key} is called learned, but encode does not use it"
                assert (gradient != 0).any(), f"{key}: the gradient is 0 for generic input"
                size = max(1.0, gradient.abs().max().item())
                assert_close(actual[key], gradient, atol=1e-10 * size, rtol=0)

        def test_pullback_keeps_the_dtype(self) -> None:
            encoder = make()
            for dtype in DTYPES:
                state = _init(encoder, 0, dtype)
                gradient = encoder.pullback(
                    state, _contexts(encoder, 3, 0), torch.ones(3, encoder.n, dtype=dtype)
                )
                assert {value.dtype for value in gradient.values()} == {dtype}

        @LAW
        @given(seed=seeds())
        def test_inputs_are_not_mutated(self, seed: int) -> None:
            encoder = make()
            state, contexts = _init(encoder, seed, torch.float32), _contexts(encoder, 5, seed)
            inputs = {**state, "contexts": contexts, "dz": torch.ones(5, encoder.n)}
            copies = clones(inputs)
            encoder.encode(state, contexts)
            encoder.pullback(state, contexts, inputs["dz"])
            encoder.step(state, encoder.stream(state), 1)
            assert_same(inputs, copies)

    return EncoderContract


def _init(encoder: Encoder, seed: int, dtype: torch.dtype) -> State:
    state = encoder.init(_VOCAB, generator=torch.Generator().manual_seed(seed))
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}


def _tokens(count: int, seed: int) -> list[int]:
    return torch.randint(_VOCAB, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def _contexts(encoder: Encoder, size: int, seed: int) -> Tensor:
    """Random contexts; the id ``_VOCAB``, "before the beginning", among them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(_VOCAB + 1, (size, encoder.reach), generator=generator)


def _windows(encoder: Encoder, tokens: Sequence[int]) -> Tensor:
    """The context after each of ``tokens``, read from the beginning of a document."""
    padded = torch.tensor([_VOCAB] * (encoder.reach - 1) + list(tokens))
    return padded.unfold(0, encoder.reach, 1).flip(1)


def _stream(encoder: Encoder, state: State, tokens: Sequence[int]) -> Tensor:
    """The coordinates ``(len(tokens), n)`` that :meth:`Encoder.step` gives."""
    stream, rows = encoder.stream(state), []
    for token in tokens:
        stream, z = encoder.step(state, stream, token)
        rows.append(z)
    return torch.stack(rows)


def _assert_near(actual: Tensor, expected: Tensor) -> None:
    """Equal up to rounding in sums of numbers of the size of the largest one."""
    size = max(1.0, expected.abs().max().item())
    assert_close(actual, expected, atol=1000 * torch.finfo(expected.dtype).eps * size, rtol=0)
