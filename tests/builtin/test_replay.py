"""One window of the batched engine: it waits for nothing, and can be captured and replayed."""

from __future__ import annotations

import copy

import numpy as np
import torch

from lior.counting.engine import FROZEN
from lior_plugins.batched import graphs as replay
from lior_plugins.batched import window
from tests.builtin.test_batched import ALPHABET, LENGTH, RATES, fit, pair, read, segment, text
from tests.training.test_device import Placeless, Waits, _first_use  # noqa: F401


def captured(x):
    """The inputs of the windows of a text, and what they are read with."""
    engine, numbers = pair(16)[1]
    fit(engine, x, ALPHABET, numbers, RATES, write=True)
    seen = []
    engine._replay.run = lambda learned, logit, inputs, adapt: (
        seen.append((learned, logit, inputs)) or replay.Replay().run(learned, logit, inputs, adapt)
    )
    fit(engine, x, ALPHABET, numbers, RATES, write=True)
    return seen[0]


def test_a_window_waits_for_nothing_and_its_tensors_are_made_where_the_memory_is():
    learned, logit, inputs = captured(segment(text(15)))
    with Waits() as waited, Placeless() as made:
        replay.Replay().run(learned, logit, inputs, True)
    assert not waited.places
    assert not made.places - {"tests"}
    engine, numbers = pair(16)[1]
    with Placeless() as made:
        fit(engine, segment(text(15)), ALPHABET, numbers, RATES, write=True)
        read(engine, text(15), np.arange(LENGTH), np.arange(9), ALPHABET, numbers, ahead=0)
    assert not made.places - {"tests"}


def test_waiting_does_not_grow_with_the_number_of_windows():
    waits = []
    for length in (64, 4):
        engine, numbers = pair(length)[1]
        with Waits() as watch:
            fit(engine, segment(text(16, 640)), ALPHABET, numbers, RATES, write=True)
        waits.append(len(watch.places))
    assert waits[0] == waits[1] < 30


def test_an_empty_window_changes_nothing():
    """A graph is captured with it."""
    learned, logit, inputs = captured(segment(text(17)))
    before = copy.deepcopy((learned, logit))
    final = replay.step(learned, logit, replay.blank(inputs.window(0)), True)
    assert torch.isfinite(final).all()
    for a, b in zip((*before[0], before[1]), (*learned, logit), strict=True):
        assert torch.equal(a, b)


def test_logits_without_a_step_size_stay_where_they_are():
    """Also where the noise that rounds a step would be enough in float32."""
    learned, logit, inputs = captured(segment(text(17)))
    learned.rates[:, 3] = 0
    inputs.noise.fill_(0.9999)
    logit.fill_(32000)
    replay.step(learned, logit, inputs.window(1), True)
    assert (logit == 32000).all()
    learned.rates[:, 3] = 0.02
    replay.step(learned, logit, inputs.window(1), True)
    assert (logit != 32000).any()


def test_learned_numbers_stay_in_the_same_arrays():
    """A captured graph works on the very arrays that it was captured with."""
    engine, numbers = pair(16)[1]
    places = []
    for seed in (0, 1):
        fit(engine, segment(text(seed)), ALPHABET, numbers, RATES, write=True)
        places.append([part.data_ptr() for part in engine._numbers])
    assert places[0] == places[1]
    engine._load((numbers,), (FROZEN,), ALPHABET[:3])
    assert engine._numbers.bias.shape == (1, 3)


class Graph:
    """Stands for a CUDA graph: what was captured is done anew, with the same arrays, at each replay."""

    def __init__(self):
        self.replays = 0

    def replay(self):
        self.replays += 1
        self.again()


def test_a_captured_window_is_replayed(monkeypatch):
    """The bookkeeping around a graph, with the capture itself stood in for."""
    learned, logit, inputs = captured(segment(text(18)))
    monkeypatch.setattr(replay.Captured, "__init__", fake_capture)
    runner = replay.Replay()
    mine, counters = copy.deepcopy((learned, logit))
    graph = runner.captured(mine, counters, inputs)
    rows = [graph(inputs.window(k)).clone() for k in range(len(inputs.target))]
    expected = replay.Replay().run(learned, logit, inputs, True)
    assert torch.equal(torch.stack(rows), expected)
    assert torch.equal(counters, logit)
    assert all(torch.equal(a, b) for a, b in zip(mine, learned, strict=True))
    assert runner.captured(mine, counters, inputs) is graph, "the same arrays, the same graph"
    few = {name: getattr(inputs, name)[:, :-1] for name in ("cell", "state", "age", "counter", "noise")}
    fewer = inputs._replace(**few)
    assert runner.captured(mine, counters, fewer) is not graph
    assert runner.captured(mine, counters, inputs) is graph
    assert runner.captured(mine, counters.clone(), inputs) is not graph


def fake_capture(self, numbers, logit, like):
    self._x = replay.blank(like)
    self._final = replay.step(numbers, logit, self._x, True)
    self._graph = Graph()
    self._graph.again = lambda: self._final.copy_(replay.step(numbers, logit, self._x, True))


def test_positions_that_share_a_row_of_weights_move_it_once():
    """By the sum of their statistics, over a norm that has seen them all."""
    learned, logit, inputs = captured(segment(text(19)))
    x = inputs.window(2)
    row = x.row.clone()
    row[:, 0] = row[0, 0]
    x = x._replace(row=row)
    before = learned.gate_weight[row[0, 0]].clone(), learned.gate_square[row[0, 0]].clone()
    found = window.read(learned, logit, x)
    told = (x.target >= 0)[:, None]
    error = (torch.nn.functional.one_hot(x.target.clamp(min=0), len(ALPHABET)) - found.first) * told
    gain = (error[:, None] * x.log_p).sum(2)
    window.learn(learned, logit, x, found)
    times = (x.present * told).sum(0)
    square = before[1] + 0.005 * ((gain**2).sum(0) - times * before[1])
    step = RATES.weight * gain.sum(0) / (square.sqrt() + 0.02)
    torch.testing.assert_close(
        learned.gate_weight[row[0, 0]], torch.where(times > 0, before[0] + step, before[0])
    )
    torch.testing.assert_close(learned.gate_square[row[0, 0]], torch.where(times > 0, square, before[1]))
