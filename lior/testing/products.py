"""The laws that every :class:`~lior.interfaces.AttentionProduct` obeys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lior.interfaces import AttentionProduct, State, is_pairwise
from lior.testing.strategies import DTYPES, FINITE_SQUARES, dimensions, dtypes, fill, law, made, seeds
from lior.testing.tensors import (
    InitialStateContract,
    assert_derivatives,
    assert_reachable,
    assert_same,
    cast,
    gradients,
    make_generator,
    move_state,
    unchanged,
)

_NAMES = ("qq", "qk", "kk")
_MAGNITUDES = (0.0, 1e-40, 1e-38, 1e-20, 1e-3, 1.0, 1e4, 1e18, 1e20, 1e38, 3e38)


@st.composite
def _cases(draw: st.DrawFn, dtype: torch.dtype | None = None, edges: tuple[str, ...] = ("normal",)) -> _Case:
    """Draw four queries and five items with a fresh state."""
    edge = draw(st.sampled_from(edges))
    return _case(draw(made()), draw(dimensions()), edge, draw(seeds()), dtype or draw(dtypes()))


class ProductContract(InitialStateContract[AttentionProduct]):
    """The laws of a product."""

    interface = AttentionProduct

    @law(case=_cases(), query=st.booleans())
    def test_lift_treats_points_one_by_one(self, case: _Case, query: bool) -> None:
        product, y = self.make(), case.q
        features = product.lift(case.params, y, query=query)
        assert features.shape[:-1] == y.shape[:-1]
        block = product.lift(case.params, y.reshape(2, -1, y.shape[-1]), query=query)
        assert_close(block.flatten(0, 1), features)
        assert_close(product.lift(case.params, y[0], query=query), features[0])

    @law(case=_cases(edges=FINITE_SQUARES))
    def test_cost_is_finite_and_never_negative(self, case: _Case) -> None:
        cost = _cost(self.make(), case.params, case.q, case.k)
        assert cost.shape == (len(case.q), len(case.k))
        assert cost.dtype == case.q.dtype
        assert cost.isfinite().all()
        assert (cost >= 0).all()

    def test_cost_and_partials_are_finite_for_gram_numbers_of_any_size(self) -> None:
        product = self.make()
        for dtype in DTYPES:
            gram = _extremes(dtype)
            params = cast(product.init(8, generator=make_generator(0)), dtype)
            cost = product.cost(*gram, params)
            assert cost.isfinite().all()
            assert (cost >= 0).all()
            partials = product.partials(*gram, params)
            for name, value in {**partials._asdict(), **partials.params}.items():
                assert name == "params" or value.isfinite().all(), f"{name} at {dtype}"

    @law(case=_cases(), seed=seeds())
    def test_gram_numbers_broadcast(self, case: _Case, seed: int) -> None:
        product = self.make()
        gram = _gram(product, case.params, case.q, case.k)
        full = _expand(*gram)
        assert_close(product.cost(*gram, case.params), product.cost(*full, case.params))
        narrow, wide = product.partials(*gram, case.params), product.partials(*full, case.params)
        for name in _NAMES:
            assert getattr(narrow, name).shape == full[0].shape, name
            assert_close(getattr(narrow, name), getattr(wide, name))
        qq, qk, kk = full
        row = product.cost(qq[0], qk[0], kk[0], case.params)
        assert_close(row, product.cost(*full, case.params)[0])

    @law(case=_cases(dtype=torch.float64), seed=seeds())
    def test_partials_are_the_derivatives(self, case: _Case, seed: int) -> None:
        product = self.make()
        gram = _expand(*_gram(product, case.params, case.q, case.k))
        partials = product.partials(*gram, case.params)
        dcost = fill(gram[0].shape, "normal", seed, torch.float64)
        expected = gradients(
            lambda s: (dcost * product.cost(s["qq"], s["qk"], s["kk"], s)).sum(),
            {**case.params, **_name(gram)},
            (*_NAMES, *partials.params),
        )
        actual = {name: dcost * value for name, value in _name(partials[:3]).items()}
        actual |= {name: (dcost * value).sum() for name, value in partials.params.items()}
        assert_derivatives(actual, expected)

    @law(case=_cases(dtype=torch.float64), query=st.booleans(), seed=seeds())
    def test_lift_pullback_is_the_derivative(self, case: _Case, query: bool, seed: int) -> None:
        product, at = self.make(), {**case.params, "y": case.q.reshape(2, -1, case.q.shape[-1])}
        df = fill(product.lift(case.params, at["y"], query=query).shape, "normal", seed, torch.float64)
        dparams, dy = product.lift_pullback(case.params, at["y"], df, query=query)
        expected = gradients(lambda s: (df * product.lift(s, s["y"], query=query)).sum(), at, ("y", *dparams))
        assert_derivatives({**dparams, "y": dy}, expected)

    @law(m=dimensions(), seed=seeds())
    def test_every_learned_entry_is_reachable(self, m: int, seed: int) -> None:
        product = self.make()
        case = _case(product, m, "normal", seed, torch.float64)
        expected = gradients(
            lambda s: _cost(product, s, case.q, case.k).square().sum(), case.params, product.learned
        )
        actual = _chain(product, case)
        assert_derivatives(actual, expected, 1e-9)
        assert_reachable(actual, product.learned)

    @law(case=_cases(), size=st.sampled_from((0.3, 30.0, 1e6)), seed=seeds())
    def test_project_is_idempotent(self, case: _Case, size: float, seed: int) -> None:
        product = self.make()
        once = product.project(move_state(case.params, case.params, size, seed))
        assert_same(product.project(once), once)

    @law(case=_cases())
    def test_project_keeps_the_cost_of_a_fresh_state(self, case: _Case) -> None:
        product = self.make()
        before = _cost(product, case.params, case.q, case.k)
        assert_close(_cost(product, product.project(case.params), case.q, case.k), before)

    @law(case=_cases())
    def test_inputs_are_not_mutated(self, case: _Case) -> None:
        product = self.make()
        gram = _expand(*_gram(product, case.params, case.q, case.k))
        with unchanged(case.params, _name(gram), {"y": case.q}):
            product.cost(*gram, case.params)
            product.partials(*gram, case.params)
            for query in (True, False):
                df = torch.ones_like(product.lift(case.params, case.q, query=query))
                product.lift_pullback(case.params, case.q, df, query=query)
            product.project(case.params)

    @law(case=_cases(dtype=torch.float64), seed=seeds())
    def test_costs_of_pairs_have_their_derivative(self, case: _Case, seed: int) -> None:
        product = self.make()
        if not is_pairwise(product):
            return  # only a product with ``pairwise`` has costs of pairs
        q, k = (product.lift(case.params, y, query=True) for y in (case.q, case.k))
        cost = product.pair_cost(q, k, case.params)
        assert cost.shape == (len(q), len(k))
        assert cost.isfinite().all()
        assert (cost >= 0).all()
        assert_close(product.pair_cost(k, q, case.params), cost.mT)
        weights = fill(cost.shape, "normal", seed, torch.float64)
        values = fill((len(k), 2), "normal", seed + 1, torch.float64)
        found = product.pair_gradient(q, k, weights, values, case.params)
        for output, value in enumerate(values.T):

            def total(state: State, value: Tensor = value) -> Tensor:
                return (product.pair_cost(state["q"], k, state) * weights * value).sum()

            expected = gradients(total, {**case.params, "q": q}, ("q",))
            assert_derivatives({"q": found[:, output]}, expected)

    @law(m=dimensions(), dtype=dtypes(), seed=seeds())
    def test_dtype_is_kept(self, m: int, dtype: torch.dtype, seed: int) -> None:
        product = self.make()
        case = _case(product, m, "normal", seed, dtype)
        gram = _gram(product, case.params, case.q, case.k)
        partials = product.partials(*gram, case.params)
        states = partials.params, product.project(case.params)
        results = [*gram, *partials[:3], *(value for state in states for value in state.values())]
        for query in (True, False):
            df = product.lift(case.params, case.q, query=query)
            dparams, dy = product.lift_pullback(case.params, case.q, df, query=query)
            results += [dy, *dparams.values()]
        assert {value.dtype for value in results} == {dtype}


product_contract = ProductContract.of


class _Case(NamedTuple):
    params: State
    q: Tensor
    k: Tensor


def _case(product: AttentionProduct, m: int, edge: str, seed: int, dtype: torch.dtype) -> _Case:
    params = cast(product.init(m, generator=make_generator(seed)), dtype)
    return _Case(params, fill((4, m), edge, seed, dtype), fill((5, m), edge, seed + 1, dtype))


def _gram(product: AttentionProduct, params: State, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    fq, fk = product.lift(params, q, query=True), product.lift(params, k, query=False)
    return fq.square().sum(-1, keepdim=True), fq @ fk.mT, fk.square().sum(-1)[None]


def _name(gram: Sequence[Tensor]) -> State:
    return dict(zip(_NAMES, gram, strict=True))


def _expand(qq: Tensor, qk: Tensor, kk: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the Gram products, each a tensor of the full shape."""
    qq, qk, kk = torch.broadcast_tensors(qq, qk, kk)
    return qq.contiguous(), qk.contiguous(), kk.contiguous()


def _cost(product: AttentionProduct, params: State, q: Tensor, k: Tensor) -> Tensor:
    return product.cost(*_gram(product, params, q, k), params)


def _chain(product: AttentionProduct, case: _Case) -> State:
    """Return derivatives of the sum of squared costs with respect to all learned entries, by pullbacks."""
    params = case.params
    gram = _gram(product, params, case.q, case.k)
    dcost = 2 * product.cost(*gram, params)
    partials = product.partials(*gram, params)
    fq, fk = product.lift(params, case.q, query=True), product.lift(params, case.k, query=False)
    dqk = dcost * partials.qk
    dfq = dqk @ fk + 2 * (dcost * partials.qq).sum(1, keepdim=True) * fq
    dfk = dqk.mT @ fq + 2 * (dcost * partials.kk).sum(0)[:, None] * fk
    total = {key: torch.zeros_like(params[key]) for key in product.learned}
    for dparams in (
        product.lift_pullback(params, case.q, dfq, query=True)[0],
        product.lift_pullback(params, case.k, dfk, query=False)[0],
        {key: (dcost * value).sum() for key, value in partials.params.items()},
    ):
        for key, value in dparams.items():
            total[key] = total[key] + value
    return total


def _extremes(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return all combinations of magnitudes with ``qq, kk >= 0``; ``qk`` need not be a dot product."""
    values = torch.tensor(_MAGNITUDES, dtype=dtype)
    signed = torch.cat([values, -values])
    qq, qk, kk = torch.meshgrid(values, signed, values, indexing="ij")
    return qq, qk, kk
