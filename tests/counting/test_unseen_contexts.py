"""Reads after unseen contexts: where the second weight set serves, and what each set learns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lior.testing.strategies import LAW, seeds
from lior_plugins.counting import addresses, layout, locations
from tests.counting.test_stream import (
    ALPHABET,
    LENGTH,
    PATTERNS,
    PLAN,
    RATES,
    STILL,
    assert_same,
    both,
    engine,
    learned,
    segment,
    text,
)

CUT = 2


def engine_with_two_sets(cut=CUT):
    """An engine whose second set serves behind more than ``cut`` unknown contexts."""
    it = engine(4)
    it.write(segment(text(0)))
    it.plan = it.plan._replace(unseen_contexts=cut)
    return it


def other_numbers():
    """Numbers that predict otherwise than :func:`learned`."""
    return learned()._replace(bias=np.linspace(-1, 1, 256, dtype=np.float32))


def unknown_before(it, tokens, depth, at):
    """Contexts of the base order that the memory lacks, among those of the 64 positions before one."""
    known = set(locations.pack(it.store).addresses.tolist())
    where = addresses.locate(tokens, depth, 0, PATTERNS).where[:, PLAN.base].tolist()
    return sum(where[at - k] not in known for k in range(1, min(64, depth[at]) + 1))


@LAW
@given(seed=seeds(), cut=st.integers(0, 8))
def test_the_second_set_serves_where_many_contexts_are_unknown(seed, cut):
    it, here = engine_with_two_sets(cut), np.arange(LENGTH)
    depth = np.concatenate([here[:70], here[: LENGTH - 70]])
    tokens = text(seed, letters=b"abc. Qab xyz!?\n")
    sets = learned(), other_numbers()
    found = it.read(tokens, depth, here, ALPHABET, sets, ahead=0)
    usual, unseen = (it.read(tokens, depth, here, ALPHABET, both(s), ahead=0).p for s in sets)
    counted = np.array([unknown_before(it, tokens, depth, t) for t in here])
    assert_same([found.weight_set], [(counted > cut).astype(np.int64)])
    assert_same(found.p, np.where(found.weight_set[:, None] == 1, unseen, usual))
    assert not np.array_equal(usual, unseen)


def test_each_set_learns_where_it_serves_and_a_set_without_step_not_at_all():
    tokens = text(3, letters=b"abc. Qab xyz!?\n")
    for rates, moved in (((RATES, RATES), (1, 1)), ((STILL, RATES), (0, 1)), ((RATES, STILL), (1, 0))):
        it, sets = engine_with_two_sets(), (learned(), learned())
        weight_set = it.partial_fit(segment(tokens), ALPHABET, sets, rates, write=False).weight_set
        assert {0, 1} == set(weight_set)
        before = learned()
        for numbers, expected in zip(sets, moved, strict=True):
            changed = [not np.array_equal(a, b) for a, b in zip(numbers, before, strict=True)]
            assert any(changed) == expected


def test_two_sets_learn_as_two_engines_do_that_keep_only_their_places():
    """What a set learns is what it would learn alone from the positions that it serves."""
    tokens = text(4, letters=b"abc. Qab xyz!?\n")
    rates = RATES._replace(logit=0.0)  # the counters' own logits are shared
    it, sets = engine_with_two_sets(), (learned(), other_numbers())
    weight_set = it.partial_fit(segment(tokens), ALPHABET, sets, both(rates), write=False).weight_set
    for which, alone in enumerate((learned(), other_numbers())):
        other = engine_with_two_sets(layout.TRAIL)
        part = segment(tokens)
        part.kept = weight_set == which
        other.partial_fit(part, ALPHABET, both(alone), both(rates), write=False)
        assert_same(sets[which], alone)


def test_nothing_is_learned_from_tokens_that_noise_changed():
    it, numbers = engine(4), learned()
    it.write(segment(text(0)))
    part = segment(text(1))
    part.kept = np.zeros(LENGTH, bool)
    it.partial_fit(part, ALPHABET, both(numbers), both(RATES), write=False)
    assert_same(numbers, learned())
    part.kept[10] = True
    it.partial_fit(part, ALPHABET, both(numbers), both(RATES), write=False)
    assert not np.array_equal(numbers.bias, learned().bias)
