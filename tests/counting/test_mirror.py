"""The mixture and the draws of a device against the compiled engine, computed by torch on the CPU."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.compiling import repetition
from lior.interfaces import Query, Race
from lior.testing.strategies import LAW, seeds
from lior_plugins.counting import batch_drawing, mirror, sampling
from lior_plugins.counting.layout import TRAIL
from lior_plugins.counting.mirror import LEAST, Mirror
from lior_plugins.memories.sdm import Sdm
from tests.builtin.test_memories import LETTERS, document, holding
from tests.counting.test_mixture import ALPHABET, TEXT, case
from tests.second_device import CUDA, second_device

ALPHABETS = (ALPHABET, ALPHABET[2:5], np.array([97]), np.array([*ALPHABET, 201, 5000]), np.arange(256))


def memory_of(seed, unseen_contexts=TRAIL):
    """An engine with counters and logits, and two weight sets."""
    engine, one, *_ = case(seed)
    engine.plan = engine.plan._replace(unseen_contexts=unseen_contexts)
    return engine, (one, case(seed + 1).learned)


def words(seed, size):
    random = np.random.default_rng(seed)
    return np.frombuffer(TEXT + b"xyz", np.uint8).astype(np.int64)[random.integers(0, len(TEXT) + 3, size)]


@LAW
@given(
    seed=seeds(),
    alphabet=st.sampled_from(ALPHABETS),
    cut=st.sampled_from((0, 3, 60, TRAIL)),
    entries=st.sampled_from((1, 2000, 1 << 23)),
)
def test_a_device_reads_what_the_compiled_engine_reads(seed, alphabet, cut, entries):
    """Two documents, positions in any order, in blocks of any size."""
    engine, sets = memory_of(seed, cut)
    random, here = np.random.default_rng(seed), np.arange(150)
    tokens, depth = words(seed, 150), np.concatenate([here[:70], here[:80]])
    positions = random.permutation(150)[:90]
    given = tokens, depth, positions
    rest = {"ahead": int(random.integers(0, 5000)), "cell": random.integers(0, 3, 90)}
    expected = engine.read(*given, alphabet, sets, **rest)
    block = engine.positions(*given, **rest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "_ENTRIES", entries)
        p, weight_set = Mirror().read(engine, sets, block, torch.from_numpy(alphabet))
    assert_close(p.log(), torch.from_numpy(expected.p).log(), atol=1e-5, rtol=0)
    assert torch.equal(weight_set, torch.from_numpy(expected.weight_set))


def test_a_memory_without_counters_is_read():
    engine, sets = memory_of(0)
    engine.clear()
    given = words(0, 9), np.arange(9), np.arange(9)
    expected = engine.read(*given, ALPHABET, sets, ahead=0).p
    found = Mirror().read(engine, sets, engine.positions(*given, ahead=0), torch.from_numpy(ALPHABET))[0]
    assert_close(found, torch.from_numpy(expected), atol=1e-6, rtol=0)


SAMPLINGS = ((1.0, 0.0), (0.7, 0.05), (3.0, 0.0), (0.05, 0.2), (1.0, 1.0))
"""Temperatures and minimum probabilities."""


def races(seed, prompts, others, times):
    """Races of different lengths, temperatures and limits."""
    random, repeats = np.random.default_rng(seed), repetition.find([words(seed, 60)])
    for number, prompt in enumerate(prompts):
        heat, least = SAMPLINGS[number % len(SAMPLINGS)]
        limits = repetition.limits(repeats, prompt)._replace(times=times) if times else repetition.UNLIMITED
        noise, mixing = random.exponential(size=(5 + 7 * number % 30, 256)), np.linspace(0.8, 1.2, 16)
        yield Race(noise, 1 / heat, least, mixing.astype(np.float32), others, 0.1 * (len(others) > 0), limits)


@pytest.mark.parametrize("times", [0.0, 1.0])
@pytest.mark.parametrize("unknown", [0, 3])
def test_each_of_many_prompts_gets_the_tokens_that_it_gets_alone(unknown, times):
    """Alone on the CPU, and alone on a device."""
    for seed in range(4):
        engine, sets = memory_of(seed, 3)
        others = np.arange(1, 1 + unknown)
        prompts = [words(seed + k, 4 * k).tolist() for k in range(9)]

        def drawn(draw, seed=seed, engine=engine, prompts=prompts, others=others):
            cursors = [engine.cursor() for _ in prompts]
            for cursor, prompt in zip(cursors, prompts, strict=True):
                cursor.feed(prompt)
            return draw(cursors, list(races(seed, prompts, others, times)))

        def compiled(cursors, races, engine=engine, sets=sets):
            each = zip(cursors, races, strict=True)
            return [sampling.draw(engine, c, ALPHABET, sets, race, ahead=9, thread=0) for c, race in each]

        def together(cursors, races, engine=engine, sets=sets):
            known = torch.from_numpy(ALPHABET)
            return batch_drawing.draw(Mirror(), engine, cursors, known, sets, races, ahead=9)

        def apart(cursors, races, together=together):
            return [together([c], [race])[0] for c, race in zip(cursors, races, strict=True)]

        expected = drawn(compiled)
        assert drawn(together) == expected
        assert drawn(apart) == expected
        assert {len(tokens) for tokens in expected} > {5, 12}


def test_a_copy_on_a_device_follows_the_memory():
    """What was counted, learned and forgotten since the last read, and a trial that learns apart."""
    memory, alphabet = holding(Sdm(counts="totals", joint=()), document(0)), LETTERS.unique()
    query = Query(document(1, length=99).text, torch.arange(99), None)
    few = query._replace(positions=query.positions[: LEAST - 1])
    with second_device():
        there = alphabet.to(CUDA)

    def check(it):
        expected, rest = it.predict(query, alphabet), it.predict(few, alphabet)
        with second_device():
            for found, known in ((it.predict(query, there), expected), (it.predict(few, there), rest)):
                assert found.log_p.device == found.gates[0].device == CUDA
                found = found._replace(log_p=found.log_p.cpu(), gates=(found.gates[0].cpu(),))
                assert_close(found, known, atol=1e-5 if known is expected else 0, rtol=0)
        return expected.log_p

    steps = [check(memory)]
    for change in (
        lambda: memory.learn([document(2, 1)]),
        lambda: memory.fit(document(3, 2), alphabet, progress=0.5, write=False),
        lambda: memory.fit(document(5, 2), alphabet, progress=0.5, write=False),
        lambda: memory.fit(document(4, 3), alphabet, progress=0.5, write=True),
        lambda: memory.rewrite([document(2, 1)]),
    ):
        change()
        steps.append(check(memory))
    trial = memory.trial(geometry=True)
    trial.fit(document(3, 2), alphabet, progress=0.0, write=False)
    steps += [check(trial)]
    assert all(not torch.equal(one, other) for one, other in pairwise(steps))
    check(memory)
