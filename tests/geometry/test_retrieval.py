"""The central law: the two-phase statistic of retrieval is the gradient, for every combination of plugins.

The oracle writes the loss down again, from what each plugin computes, and
leaves the derivative to autograd.
"""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior import registry
from lior.geometry import metric
from lior.geometry.retrieval import Batch, Geometry, Part
from lior.interfaces import ResiliencePullback, is_pairwise
from lior.tensors import sub
from lior.testing.strategies import LAW, fill, seeds
from lior.testing.tensors import assert_same, cast, clones, gradients
from lior.training.batches import BatchProbe
from lior_plugins.encoders.lags import Lags
from lior_plugins.frames.derived import Derived
from lior_plugins.memories.exact import Exact, _Tiles
from lior_plugins.memories.items import ItemStore
from lior_plugins.products.tensor import TensorProduct
from lior_plugins.rsources.constitutive import Constitutive
from lior_plugins.updaters.contrastive import Contrastive
from tests.cases import cases

N, VOCAB, ITEMS, QUERIES, TOTAL = 6, 11, 40, 7, 400
SIDES = ("query", "item", "both")
SMALL = {
    ("encoder", "lags"): {"n": N, "lags": 3},
    ("encoder", "poles"): {"n": N, "reach": 4, "oscillations": 2, "exponentials": 1},
    ("rsource", "curvature"): {"centres": 5},
    ("frame", "lowrank"): {"rank": 2},
    ("frame", "rotor"): {"rank": 1},
    ("product", "spinor"): {"generators": 4},
}
"""Options that make the built-in plugins small; others run with their defaults."""

KINDS = ("frame", "rsource", "product", "encoder")
DEFAULT = ("lowrank", "constitutive", "tensor", "lags", "both")


def built_in(kind):
    return [name for name in registry.names(kind) if registry.origin(kind, name).distribution == "lior"]


def combinations():
    """Every combination of built-in plugins, each at one side, and each other plugin among the defaults."""
    for number, names in enumerate(itertools.product(*map(built_in, KINDS))):
        yield (*names, SIDES[(number + number // 3) % 3])
    for place, kind in enumerate(KINDS):
        for name in set(registry.names(kind)).difference(built_in(kind)):
            yield (*DEFAULT[:place], name, *DEFAULT[place + 1 :])


SOME = sorted(combinations())[::5]
"""Each plugin with others of every other kind: their gradients are chained by one rule."""


@attrs.frozen(kw_only=True)
class Constant:
    """Resilience that is the same everywhere."""

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ()

    def init(self, n, *, generator):
        return {}

    def observe(self, state, z, form, *, total):
        return state

    def resilience(self, state, z, form):
        return z.new_full(z.shape[:-1], 0.7)

    def pullback(self, state, z, form, dr):
        return ResiliencePullback({}, torch.zeros_like(z), torch.zeros_like(metric.root(form)))

    def project(self, state):
        return state


def build(frame, rsource, product, encoder, resilience_at):
    names = dict(zip(KINDS, (frame, rsource, product, encoder), strict=True))
    parts = {kind: registry.get(kind, name)(**SMALL.get((kind, name), {})) for kind, name in names.items()}
    return Geometry(**parts, vocab=VOCAB, resilience_at=resilience_at)


def batch_of(geometry, seed):
    """Random contexts and tokens; a few pairs are excluded."""
    generator = torch.Generator().manual_seed(seed)

    def ids(high, *shape):
        return torch.randint(high, shape, generator=generator)

    hidden = (torch.rand(QUERIES, ITEMS, generator=generator) < 0.15).nonzero(as_tuple=True)
    # The id VOCAB, "before the beginning", occurs in contexts only.
    contexts = (ids(VOCAB + 1, count, geometry.encoder.reach) for count in (QUERIES, ITEMS))
    return Batch(next(contexts), ids(VOCAB, QUERIES), next(contexts), ids(VOCAB, ITEMS), (whole(hidden),))


def whole(hidden, queries=QUERIES, log_weight=None):
    """The only part of a batch: all queries against all items."""
    return Part(slice(0, queries), slice(0, ITEMS), hidden, log_weight)


def state_of(geometry, seed, dtype=torch.float64):
    """A state in generic position: observed, then every learned entry moved a little."""
    generator = torch.Generator().manual_seed(seed)
    state = cast(geometry.init(generator=generator), dtype)
    contexts = torch.randint(VOCAB, (ITEMS, geometry.encoder.reach), generator=generator)
    state = geometry.observe(state, contexts, total=TOTAL)
    moved = {k: v + 0.1 * fill(v.shape, "normal", seed, dtype) for k, v in geometry.learned(state).items()}
    return geometry.project(state | moved)


def case(names=DEFAULT, seed=0):
    geometry = build(*names)
    return geometry, state_of(geometry, seed), batch_of(geometry, seed)


# --- the oracle ---


def coordinates(geometry, state, batch):
    encoder = sub(state, "encoder")
    return (
        geometry.encoder.encode(encoder, batch.query_contexts),
        geometry.encoder.encode(encoder, batch.item_contexts),
    )


def exponents(geometry):
    """Powers of the resilience at the query and at the item."""
    return {"query": (1.0, 0.0), "item": (0.0, 1.0), "both": (0.5, 0.5)}[geometry.resilience_at]


def costs(geometry, state, batch):
    """Costs ``(B, K)`` before resilience, and the metric, from the plugins' own forward methods."""
    form = geometry.frame.form(sub(state, "frame"))
    params = sub(state, "product")
    z = coordinates(geometry, state, batch)
    fq, fk = (
        geometry.product.lift(params, each @ metric.root(form).mT, query=query)
        for each, query in zip(z, (True, False), strict=True)
    )
    if is_pairwise(geometry.product):
        return geometry.product.pair_cost(fq, fk, params), z, form
    gram = (fq.square().sum(1)[:, None], fq @ fk.mT, fk.square().sum(1)[None])
    return geometry.product.cost(*gram, params), z, form


def hit_rates(geometry, state, batch):
    """Probability of each query's token, row by row."""
    cost, z, form = costs(geometry, state, batch)
    medium = sub(state, "rsource")
    powers = exponents(geometry)
    rq, rk = (
        geometry.rsource.resilience(medium, at, form) ** p if p else at.new_ones(len(at))
        for at, p in zip(z, powers, strict=True)
    )
    scores = -state["log_beta"].exp() * rq[:, None] * cost * rk[None]
    return softmax_hits(scores, batch)


def softmax_hits(scores, batch):
    seen = torch.full_like(scores, -torch.inf, requires_grad=False)
    for part in batch.parts:
        own = torch.zeros_like(seen[part.queries][:, part.items])
        own += 0.0 if part.log_weight is None else part.log_weight
        own[part.excluded] = -torch.inf
        seen[part.queries, part.items] = own
    same = batch.query_tokens[:, None] == batch.item_tokens[None]
    return (torch.softmax(scores + seen, 1) * same).sum(1)


def smoothed(geometry, hits):
    return -((1 - geometry.smoothing) * hits + geometry.smoothing / VOCAB).log().mean()


def dense_loss(geometry, state, batch):
    """The loss of lags × any frame × constant R × tensor from the textbook formula, pair by pair."""
    table = state["encoder.table"].reshape(geometry.encoder.reach, VOCAB + 1, N)
    zq, zk = (
        sum(table[lag][contexts[:, lag]] for lag in range(geometry.encoder.reach))
        for contexts in (batch.query_contexts, batch.item_contexts)
    )
    g = metric.dense(geometry.frame.form(sub(state, "frame")))
    v = zk[None] - zq[:, None]
    cost = (torch.einsum("bki,ij,bkj->bk", v, g, v) + geometry.product.eps).sqrt()
    scores = -state["log_beta"].exp() * 0.7 * cost
    return smoothed(geometry, softmax_hits(scores, batch))


def expected_gradient(loss, geometry, state, batch):
    return gradients(lambda s: loss(geometry, s, batch), state, geometry.learned(state))


def full_loss(geometry, state, batch):
    return smoothed(geometry, hit_rates(geometry, state, batch))


def assert_gradients(actual, expected, tolerance=1e-10):
    """Equal relative to the largest number of all entries."""
    assert set(actual) == set(expected)
    size = max(value.abs().max().item() for value in expected.values() if value.numel())
    for key, value in expected.items():
        assert_close(actual[key], value, atol=tolerance * size, rtol=0, msg=lambda m, k=key: f"{k}: {m}")


# --- clamped ---


@cases("names", SOME)
def test_clamped_statistic_is_the_gradient(names):
    geometry, state, batch = case(names)
    actual, loss = geometry.phases(state, batch, math.inf)
    expected = expected_gradient(full_loss, geometry, state, batch)
    assert_gradients(actual, expected)
    assert_close(loss, full_loss(geometry, state, batch), rtol=1e-12, atol=0)
    assert_close(geometry.loss(state, batch), loss, rtol=1e-14, atol=0)
    for key, value in actual.items():
        assert value.numel() == 0 or (value != 0).any(), f"{key}: the gradient is 0 in generic position"


@cases("names", [DEFAULT, ("rotor", "curvature", "wedge", "poles", "item")])
def test_parts_have_their_own_items_which_stand_for_several(names):
    """Which items a query is compared with, and their weights, are in the loss and in every gradient."""
    geometry, state, batch = case(names)
    plain = geometry.loss(state, batch)
    some = torch.arange(1, ITEMS, 2)
    weight, none = fill((ITEMS,), "normal", 5, torch.float64), torch.zeros(0, dtype=torch.int64)
    second = Part(slice(1, QUERIES), some, (torch.tensor([0]), torch.tensor([1])), weight[some])
    batch = batch._replace(parts=(whole((none, none), 1, weight), second))
    statistic, loss = geometry.phases(state, batch, math.inf)
    assert_close(loss, full_loss(geometry, state, batch))
    assert_close(geometry.loss(state, batch), loss)
    assert (loss - plain).abs() > 1e-3
    assert_gradients(statistic, expected_gradient(full_loss, geometry, state, batch))


@cases("frame", registry.names("frame"))
@cases("side", SIDES)
def test_clamped_statistic_is_the_gradient_of_the_dense_formula(frame, side):
    other = build(frame, *DEFAULT[1:])
    geometry = attrs.evolve(other, rsource=Constant(), resilience_at=side)
    state, batch = state_of(geometry, 3), batch_of(geometry, 3)
    actual, loss = geometry.phases(state, batch, math.inf)
    assert_close(loss, dense_loss(geometry, state, batch), rtol=1e-12, atol=0)
    assert_gradients(actual, expected_gradient(dense_loss, geometry, state, batch))


def test_float32_agrees_with_float64():
    geometry, state, batch = case()
    exact = geometry.phases(state, batch, math.inf)[0]
    rounded = geometry.phases(cast(state, torch.float32), batch, math.inf)[0]
    assert {value.dtype for value in rounded.values()} == {torch.float32}
    assert_gradients(cast(rounded, torch.float64), exact, 1e-4)


# --- nudged ---


@cases("frame", registry.names("frame"))
def test_without_a_nudge_nothing_moves(frame):
    geometry, state, batch = case((frame, *DEFAULT[1:]))
    state = cast(state, torch.float32)
    statistic, loss = geometry.phases(state, batch, 0)
    assert_same(statistic, {k: torch.zeros_like(v) for k, v in geometry.learned(state).items()})
    assert_close(loss, geometry.loss(state, batch), rtol=1e-6, atol=0)
    params, updater = geometry.learned(state), Contrastive(nudge=0.0)
    moved, _, accepted = updater.step(
        params,
        updater.init(params),
        BatchProbe(geometry, state, batch),
        scale=1.0,
        generator=torch.Generator(),
    )
    assert accepted
    assert_same(moved, params)


@cases("names", [DEFAULT, ("rotor", "curvature", "spinor", "poles", "item")])
def test_opposite_nudges_converge_to_the_gradient_of_the_hit_rate(names):
    geometry, state, batch = case(names)
    expected = expected_gradient(lambda g, s, w: -hit_rates(g, s, w).mean(), geometry, state, batch)
    errors = []
    for nudge in (0.2, 0.1, 0.05):
        ahead, back = (geometry.phases(state, batch, b)[0] for b in (nudge, -nudge))
        errors.append(max(((ahead[k] + back[k]) / 2 - v).abs().max().item() for k, v in expected.items()))
    slopes = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert slopes == pytest.approx([2, 2], abs=0.1), errors


# --- what may not matter ---


@LAW
@given(seed=seeds(), nudge=st.sampled_from((math.inf, 0.5)))
def test_excluded_items_have_no_influence(seed, nudge):
    geometry, state, batch = case(seed=seed)
    other = batch_of(geometry, seed + 1)
    gone = torch.arange(5)
    rows = torch.arange(QUERIES).repeat_interleave(len(gone))
    excluded = tuple(
        torch.cat(p) for p in zip(batch.parts[0].excluded, (rows, gone.repeat(QUERIES)), strict=True)
    )
    first = batch._replace(parts=(whole(excluded),))
    swapped = first._replace(
        item_contexts=torch.cat([other.item_contexts[:5], batch.item_contexts[5:]]),
        item_tokens=torch.cat([other.item_tokens[:5], batch.item_tokens[5:]]),
    )
    for batch_ in (first, swapped):
        assert_close(geometry.loss(state, batch_), full_loss(geometry, state, first), rtol=1e-12, atol=0)
    statistics = [geometry.phases(state, each, nudge)[0] for each in (first, swapped)]
    assert_gradients(statistics[1], statistics[0], 1e-13)


def _row(batch, row):
    at, columns = batch.parts[0].excluded
    mine = columns[at == row]
    return batch._replace(
        query_contexts=batch.query_contexts[row : row + 1],
        query_tokens=batch.query_tokens[row : row + 1],
        parts=(whole((torch.zeros_like(mine), mine), 1),),
    )


@cases(("dtype", "nudge"), [(torch.float32, math.inf), (torch.float64, 0.5)])
def test_a_query_without_items_teaches_nothing(dtype, nudge):
    geometry, state, batch = case()
    state = cast(state, dtype)
    hidden = torch.zeros(ITEMS, dtype=torch.int64), torch.arange(ITEMS)
    alone = _row(batch, 0)._replace(parts=(whole(hidden, 1),))
    statistic, loss = geometry.phases(state, alone, nudge)
    assert_close(loss.item(), -math.log(geometry.smoothing / VOCAB), rtol=1e-6, atol=0)
    for key, value in statistic.items():
        assert (value == 0).all(), key


@LAW
@given(seed=seeds())
def test_inputs_are_not_mutated(seed):
    geometry, state, batch = case(seed=seed)
    inputs = {**state, **{f"batch.{i}": t for i, t in enumerate((*batch[:4], *batch.parts[0].excluded))}}
    copies = clones(inputs)
    for nudge in (0, 0.5, math.inf):
        geometry.phases(state, batch, nudge)
    geometry.loss(state, batch)
    geometry.observe(state, batch.item_contexts, total=TOTAL)
    geometry.project(state)
    assert_same(inputs, copies)


# --- options ---


def test_every_switch_changes_the_loss():
    geometry, state, batch = case()
    base = geometry.loss(state, batch)
    for change in ({"resilience_at": "query"}, {"resilience_at": "item"}, {"smoothing": 0.1}):
        assert attrs.evolve(geometry, **change).loss(state, batch) != base, change


def test_project_is_idempotent_and_bounds_beta():
    geometry, state, _ = case()
    wild = {k: 1e3 * v + 1e3 if v.is_floating_point() else v for k, v in state.items()}
    once = geometry.project(wild)
    assert_same(geometry.project(once), once)
    assert_close(once["log_beta"].exp().item(), 1e4, rtol=1e-3, atol=0)
    assert_same(geometry.project(state), state)


def test_learned_entries_are_those_that_the_plugins_name():
    geometry = Geometry(
        encoder=Lags(n=N), frame=Derived(), rsource=Constitutive(), product=TensorProduct(), vocab=VOCAB
    )
    state = geometry.init(generator=torch.Generator().manual_seed(0))
    expected = {"encoder.table", "frame.log_omega", "rsource.power", "log_beta"}
    assert set(geometry.learned(state)) == expected


# --- without a device ---


def moved_to_meta(value):
    """A tensor, or the tensors of a tuple or a state, that have a shape and no values."""
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    if isinstance(value, dict):
        return {name: moved_to_meta(each) for name, each in value.items()}
    if isinstance(value, tuple):
        parts = map(moved_to_meta, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


@cases("names", SOME)
def test_an_update_waits_for_no_value_and_leaves_nothing_on_the_cpu(names):
    """On the device "meta", which stands for any other: no constant of the CPU, no shape by values."""
    geometry, state, batch = case(names)
    there, far = moved_to_meta(state), moved_to_meta(batch)
    statistic, loss = geometry.phases(there, far, math.inf)
    assert loss.device.type == geometry.loss(there, far).device.type == "meta"
    assert {k: v.shape for k, v in statistic.items()} == {
        k: v.shape for k, v in geometry.learned(state).items()
    }
    assert {v.device.type for v in statistic.values()} <= {"meta"}
    after = geometry.project(there | statistic)
    assert {v.device.type for v in after.values()} == {"meta"}


@cases("names", SOME)
def test_the_whole_memory_is_read_without_waiting_for_a_value(names):
    geometry, state, batch = case(names)
    z = geometry.encoder.encode(sub(state, "encoder"), batch.item_contexts)
    tokens, order = batch.item_tokens.sort()
    memory = Exact(inverse_temperatures=(1.0, 2.0))
    tiles = _Tiles.build(ItemStore(z[order], tokens, order, order), geometry.scorer(state))
    there, column = geometry.scorer(moved_to_meta(state)), torch.zeros(len(tiles.token), dtype=torch.int64)
    read = memory._whole(z[:QUERIES].to("meta"), moved_to_meta(tiles), column.to("meta"), VOCAB, there)
    assert (read.shape, read.device.type) == ((QUERIES, 2, VOCAB), "meta")
