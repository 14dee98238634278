"""Laws of the encoders beyond the contract: what the options do, and edge cases."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.errors import UsageError
from lior.testing.strategies import LAW, dtypes, fill, seeds
from lior_plugins import kernel
from lior_plugins.encoders import tables
from lior_plugins.encoders.grams import Grams
from lior_plugins.encoders.lags import Lags
from lior_plugins.encoders.poles import Poles
from tests.cases import cases

VOCAB = 11


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def contexts(encoder, size=50):
    return torch.randint(VOCAB + 1, (size, encoder.reach), generator=seeded(1))


def test_lags_is_the_sum_of_one_row_per_lag():
    encoder = Lags(n=4, lags=3)
    state = encoder.init(VOCAB, generator=seeded())
    table = state["table"].reshape(3, VOCAB + 1, 4)
    ids = contexts(encoder)
    expected = sum(table[lag][ids[:, lag]] for lag in range(3))
    assert_close(encoder.encode(state, ids), expected)


def grams_of(text, *patterns, lags=16):
    """What the patterns alone make of a text's end, ``(n,)``."""
    encoder = Grams(n=4, lags=lags, patterns=patterns)
    state = encoder.init(256, generator=seeded())
    state["table"].zero_()
    ids = torch.full((lags,), 256)
    latest_first = torch.tensor(list(text.encode()[::-1][:lags]))
    ids[: len(latest_first)] = latest_first
    return encoder.encode(state, ids[None])[0]


@cases(
    ("pattern", "one", "same", "other"),
    [
        ("1-2", "xyz", "abyz", "abzz"),
        ("1,3", "abc", "azc", "bbc"),
        ("~1-2", "aThe", "bTHE", "bTha"),
        ("1-2", "aThe", "bThe", "bTHE"),
        ("word", "so it, th", "But Th", "so it, ts"),
        ("word", "a it's", "b it's", "b its"),
        ("word-1", "so it, th", "But IT w", "so is, th"),
        ("word-1", "one two. ", "a two--z", "one, "),
        ("word word-1", "so it, th", "a it th", "a is th"),
    ],
)
def test_a_gram_sees_what_its_pattern_names_and_nothing_else(pattern, one, same, other):
    assert torch.equal(grams_of(one, pattern), grams_of(same, pattern))
    assert not torch.equal(grams_of(one, pattern), grams_of(other, pattern))


def test_grams_are_a_sum_over_patterns():
    encoder = Grams(n=4, patterns=("1-2", "1-2"))
    ids = contexts(encoder)
    state = encoder.init(VOCAB, generator=seeded())
    lags = Lags(n=4).encode({"table": state["table"]}, ids)
    rest = encoder.encode(state, ids) - lags
    rows = encoder._rows(ids)
    assert_close(rest, state["grams"][rows[:, 0]] + state["grams"][rows[:, 1]])
    assert (rows[:, 1] >= 1 << encoder.bits).all(), "each pattern has rows of its own"


@cases(
    ("patterns", "message"),
    [
        (("column",), "'column' is a field of sdm alone; allowed here are word and word-1"),
        (("1-17",), "lag 17 is beyond the 16 tokens that it sees; set encoder.lags to 17"),
        (("x",), "'x' is neither lags"),
        ((), r"encoder.patterns = \[\]: encoder grams needs one"),
    ],
)
def test_patterns_that_grams_cannot_see_are_refused(patterns, message):
    with pytest.raises(UsageError, match=message):
        Grams(patterns=patterns)


def test_lags_starts_with_the_spread_it_is_asked_for():
    encoder = Lags(n=64, lags=3, decay=0.5, scale=2.0)
    table = encoder.init(255, generator=seeded())["table"].reshape(3, -1)
    assert_close(table.std(1), torch.tensor([2.0, 1.0, 0.5]), rtol=0.05, atol=0)


@cases("width", [32, 50])
def test_poles_is_the_convolution_of_the_embeddings(width):
    encoder = Poles(n=4)
    state = {k: v.double() for k, v in encoder.init(VOCAB, generator=seeded()).items()}
    poles = torch.complex(state["poles_re"], state["poles_im"])
    coeff = torch.complex(state["coeff_re"], state["coeff_im"])
    ids = torch.randint(VOCAB + 1, (9, width), generator=seeded(1))
    expected = sum(
        (coeff * (poles**lag)[:, None]).real.sum(0) * state["embedding"][ids[:, lag]] for lag in range(width)
    )
    assert_close(encoder.encode(state, ids), expected, atol=1e-12, rtol=0)


@cases("horizon", [1.0, 32.0, 1e6])
@cases("decay", [0.01, 0.7, 0.999])
def test_poles_stay_inside_the_unit_disc(horizon, decay):
    state = Poles(horizon=horizon, decay=decay).init(VOCAB, generator=seeded())
    assert (torch.complex(state["poles_re"], state["poles_im"]).abs() < 1).all()


def test_poles_starts_with_the_spread_it_is_asked_for():
    encoder = Poles(n=64, scale=2.0, tail=0.0)
    state = encoder.init(4095, generator=seeded())
    weights = kernel.impulse(
        torch.complex(state["poles_re"], state["poles_im"]),
        torch.complex(state["coeff_re"], state["coeff_im"]),
        1,
    )
    assert_close((weights * state["embedding"]).std().item(), 2.0, rtol=0.3, atol=0)


def test_a_long_stream_does_not_drift():
    encoder = Poles(n=4, decay=0.999, horizon=1e6, reach=8)
    state = encoder.init(VOCAB, generator=seeded())
    tokens = torch.randint(VOCAB, (1000,), generator=seeded(3))
    stream = encoder.stream(state)
    for token in tokens.split(1):
        stream, z = encoder.scan(state, stream, token)
    exact = {name: value.double() for name, value in state.items()}
    context = torch.cat([tokens.flip(0), torch.full((8,), VOCAB)])
    assert_close(z.double(), encoder.encode(exact, context[None]), atol=1e-3, rtol=1e-5)


def test_a_pole_outside_of_the_unit_circle_has_no_stream():
    encoder = Poles(n=4)
    state = encoder.init(VOCAB, generator=seeded())
    state["poles_re"][0], state["poles_im"][0] = -0.8, 0.8
    with pytest.raises(UsageError, match="a pole is not inside the unit circle"):
        encoder.stream(state)


@cases("encoder", [Lags(lags=4), Poles(reach=4)])
def test_contexts_of_wrong_shape_are_refused(encoder):
    state = encoder.init(VOCAB, generator=seeded())
    for shape in ((2, 3), (4,), (1, 2, 4)):
        with pytest.raises(UsageError, match=r"reads \(B, 4\)"):
            encoder.encode(state, torch.zeros(shape, dtype=torch.int64))


@cases("token", [-1, VOCAB + 1])
def test_a_token_that_does_not_exist_is_refused(token):
    encoder = Poles(reach=4)
    state = encoder.init(VOCAB, generator=seeded())
    with pytest.raises(UsageError, match=f"token id {token}: this encoder knows 0 to 10"):
        encoder.scan(state, encoder.stream(state), torch.tensor([3, token]))


@LAW
@given(
    size=st.sampled_from((0, 1, 40)),
    reach=st.sampled_from((1, 5)),
    edge=st.sampled_from(("normal", "zeros", "tiny", "large")),
    dtype=dtypes(),
    seed=seeds(),
)
def test_scatter_is_the_adjoint_of_lookup(size, reach, edge, dtype, seed):
    ids = torch.randint(VOCAB + 1, (size, reach), generator=seeded(seed))
    dz = fill((size, 3), edge, seed, dtype)
    table = fill((reach * (VOCAB + 1), 3), "normal", seed, dtype).requires_grad_()
    expected = torch.autograd.grad((tables.lookup_rows(table, ids, reach) * dz).sum(), table)[0]
    actual = tables.scatter_rows(ids, dz, VOCAB + 1)
    assert actual.shape == (reach, VOCAB + 1, 3)
    # Sums in another order: what cancels leaves the rounding of what was summed.
    rounding = 4 * torch.finfo(dtype).eps * float(dz.abs().sum())
    assert_close(actual.reshape(-1, 3), expected, rtol=0, atol=rounding)


def test_scatter_gives_the_same_bits_every_time():
    ids = torch.randint(3, (20_000, 4), generator=seeded())
    dz = torch.randn(20_000, 64, generator=seeded())
    first = tables.scatter_rows(ids, dz, 3)
    assert all(torch.equal(tables.scatter_rows(ids, dz.clone(), 3), first) for _ in range(5))
