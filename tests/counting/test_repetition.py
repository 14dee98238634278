"""Repetition: the longest runs of a text, and the tokens that would exceed them in a sample."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.compiling import repetition

texts = st.lists(st.integers(0, 2), max_size=40)


def arrays(*documents):
    return [np.array(each, np.int64) for each in documents]


def run(tokens, period):
    """Length of the run of ``period`` at the end of ``tokens``."""
    size = 0
    while size < len(tokens) - period and tokens[-1 - size] == tokens[-1 - size - period]:
        size += 1
    return size


def units(tokens):
    """Longest run of each multiset of tokens, by brute force."""
    found = {}
    for end in range(1, len(tokens) + 1):
        for period in range(1, end):
            if (size := run(tokens[:end], period)) >= period:
                unit = tuple(sorted(tokens[end - period : end]))
                found[unit] = max(found.get(unit, 0), size)
    return found


@given(st.lists(texts, max_size=3))
@settings(max_examples=60)
def test_units_are_those_of_brute_force(documents):
    expected: dict[tuple[int, ...], int] = {}
    for document in documents:
        for unit, size in units(document).items():
            expected[unit] = max(expected.get(unit, 0), size)
    units_found, longest = repetition.find(arrays(*documents))
    assert (units_found[1:] > units_found[:-1]).all()
    assert sorted(longest.tolist()) == sorted(expected.values())


@given(texts, texts)
@settings(max_examples=60)
def test_what_exceeds_the_text_is_barred(text, sample):
    known = units(text)
    limits = repetition.limits(repetition.find(arrays(text)), sample)
    barred = set()
    for token in range(3):
        grown = [*sample, token]
        for period in range(1, len(grown)):
            unit = tuple(sorted(grown[-1 - period : -1]))
            if run(grown, period) > known.get(unit, period - 1):
                barred.add(token)
    assert set(repetition.barred(limits).tolist()) == barred
    assert set(repetition.barred(limits._replace(times=2.0)).tolist()) <= barred
    assert not len(repetition.barred(limits._replace(times=0.0)))


@given(st.lists(texts, min_size=1, max_size=3), st.data())
@settings(max_examples=60)
def test_no_part_of_the_text_is_barred(documents, data):
    found = repetition.find(arrays(*documents))
    document = data.draw(st.sampled_from(documents))
    begin = data.draw(st.integers(0, len(document)))
    limits = repetition.limits(found, [])
    for token in document[begin:]:
        assert token not in repetition.barred(limits).tolist()
        repetition.feed(limits, [token])


def test_a_sample_longer_than_its_buffer_keeps_its_runs():
    text = [1, 2] * 5000
    limits = repetition.limits(repetition.find(arrays(text)), [3, *text[:-1]])
    assert len(text) > len(limits.tokens) > limits.used[0]
    assert set(repetition.barred(limits).tolist()) == {1}, "the text has 2 here"
    repetition.feed(limits, text[-1:])
    assert set(repetition.barred(limits).tolist()) == {1, 2}, "one token more than the text"


def test_a_long_run_takes_no_longer_than_a_short_one():
    """The work is counted: without skipping, each multiple of a period would measure the whole run."""
    found, longest = repetition.find([np.zeros(1 << 20, np.int64)])
    assert len(found) == repetition.LONGEST
    assert longest.max() == (1 << 20) - 1
