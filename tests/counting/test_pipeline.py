"""Two threads that share the work of a text: the same bits as one, the faster way, no endless wait."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from lior_plugins.counting import layout, pipeline, stream
from lior_plugins.counting.engine import AHEAD, Engine, Prediction, Segment
from lior_plugins.counting.layout import Learner, Rates
from lior_plugins.counting.pipeline import ONE, TWO, Halves
from tests.cases import cases
from tests.counting.test_stream import ALPHABET, RATES, STILL, assert_same, both, engine, learned, text

LENGTH = 5600


def always(monkeypatch, way):
    monkeypatch.setattr(pipeline, "_FIRST", (way,) * 1000)


def fitted(monkeypatch, way, window=4):
    """A text learned and counted, then another one learned without counting, half of it not to be learned."""
    always(monkeypatch, way)
    it, numbers, unseen = engine(window), learned(), learned()
    it.threads = 2
    tokens = text(3, LENGTH)
    whole = Segment(tokens, np.arange(LENGTH), 0)
    rows = [it.partial_fit(whole, ALPHABET, both(numbers), both(RATES), write=True, long=True).p]
    it.plan = it.plan._replace(unseen_contexts=2)
    damaged = Segment(text(4, LENGTH), np.arange(LENGTH), 0, kept=text(5, LENGTH) != ord("a"))
    sets, rates = (numbers, unseen), (STILL, RATES)
    rows.append(it.partial_fit(damaged, ALPHABET, sets, rates, write=False, long=True).p)
    return rows, it, numbers, unseen


@pytest.mark.parametrize("window", [1, 4, 20])
def test_two_threads_give_the_bits_of_one(monkeypatch, window):
    rows, it, *numbers = fitted(monkeypatch, TWO, window)
    expected, other, *theirs = fitted(monkeypatch, ONE, window)
    assert_same(rows, expected)
    assert_same(it.store, other.store)
    for mine, its in zip(numbers, theirs, strict=True):
        assert_same(mine, its)


def test_the_store_grows_in_the_middle_of_a_block(monkeypatch):
    """So that the test above is about that, too."""
    grown = []
    grow = Engine.grow
    monkeypatch.setattr(Engine, "grow", lambda self: (grown.append(self.clock), grow(self)))
    fitted(monkeypatch, TWO)
    assert len(grown) > 1


def test_logits_of_counters_move_three_windows_late_in_a_long_text_only(monkeypatch):
    """What is said of a window knows the errors up to the fourth before it, in a short text all."""
    always(monkeypatch, ONE)
    tokens = np.resize(np.frombuffer(b"ab", np.uint8), 24).astype(np.int64)
    rates = Rates(0.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    said = {}
    for long in (False, True):
        it = engine(4)
        it.write(Segment(tokens[:12], np.arange(12), 0))
        part, everywhere = Segment(tokens, np.arange(24), 0), np.arange(24)
        before = it.read(tokens, everywhere, everywhere, ALPHABET, both(learned()), ahead=AHEAD).p
        said[long] = it.partial_fit(part, ALPHABET, both(learned()), both(rates), write=False, long=long).p
    changed = {long: np.abs(said[long] - before).max(1) > 0 for long in said}
    assert not changed[False][:4].any()
    assert changed[False][4:].all()
    assert not changed[True][:16].any()
    assert changed[True][16:].all()


def test_the_faster_way_is_taken_and_the_other_tried_again(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(pipeline.time, "perf_counter", lambda: clock[0])
    it, ways = Halves(), []
    costs = {TWO: 1.0, ONE: 3.0}
    for block in range(60):
        if block == 30:
            costs = {TWO: 4.0, ONE: 3.0}  # another program takes a core
        way = it.way(0, two=True)
        ways.append(way)

        def half(part, signs, cost=costs[way]):
            clock[0] += cost if part != stream.SUPPLIES else 0
            return 2048

        assert it.run(way, half, 0) == 2048
    assert ways[:16] == [TWO, TWO, ONE] + [TWO] * 13
    assert ways[16] == ONE
    assert ways[40:48] == [ONE] * 8
    assert TWO in ways[48:]


def test_a_block_that_goes_on_does_so_in_the_same_way(monkeypatch):
    it = Halves()
    assert it.way(0, two=True) == TWO
    it._blocks = 2
    assert it.way(512, two=True) == TWO
    assert it.way(0, two=True) == ONE
    assert it.way(0, two=False) == ONE


def test_blocks_that_two_threads_may_not_have_say_nothing_of_their_pace(monkeypatch):
    """Short documents between long ones: their time would count as that of the latest long one."""
    clock = [0.0]
    monkeypatch.setattr(pipeline.time, "perf_counter", lambda: clock[0])

    it = Halves()
    for two, cost in ((True, 5), (False, 99), (False, 99), (True, 5)):

        def half(part, signs, cost=cost):
            clock[0] += cost if part != stream.SUPPLIES else 0
            return 512

        it.run(it.way(0, two=two), half, 0)
    assert it._blocks == 1
    assert it._seconds[TWO] == 5 / 512


@cases("failing", [stream.SUPPLIES, stream.WEIGHS])
def test_a_half_that_fails_ends_the_other(failing):
    """Without the sign it would wait for ever."""
    it, size = engine(4), 1024
    own, given = (layout.buffers(it.plan, 4, len(ALPHABET)) for _ in range(2))
    block = it.block(text(1, size), np.arange(size), 0, 0)
    still, out = Learner(both(learned()), both(STILL)), Prediction.empty(size, len(ALPHABET))
    task = it.memory, still, block, 0, it.columns(ALPHABET), own, given, out, False, stream.LATE

    def half(part, signs):
        if part == failing:
            raise MemoryError("no room for a half")
        return stream.run(*task, part, signs)

    ended = threading.Event()

    def call():
        with pytest.raises(MemoryError, match="no room"):
            Halves().run(TWO, half, 0)
        ended.set()

    threading.Thread(target=call, daemon=True).start()
    assert ended.wait(20)
