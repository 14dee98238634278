"""The transformer is a fair peer: it sees no future, scores every byte once, learns and keeps its time."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from lior_bench import transformer
from lior_bench.transformer import CONTEXT, Transformer, rate, score, train, windows


@pytest.fixture(autouse=True)
def _no_trace_of_torch(monkeypatch, tmp_path):
    """The first optimiser of a process makes torch set this variable."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))


@pytest.fixture
def model() -> Transformer:
    torch.manual_seed(0)
    made = Transformer()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(4)  # far from uniform
    return made


@pytest.fixture
def data() -> torch.Tensor:
    return torch.randint(256, (200,), generator=torch.Generator().manual_seed(1))


def test_it_is_as_large_as_it_says(model):
    assert sum(weight.numel() for weight in model.parameters()) == 828_544


def test_no_position_sees_what_comes_after(model, data):
    tokens = data[None, :CONTEXT]
    changed = tokens.clone()
    changed[0, 40:] += 1
    changed %= 256
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:])


@pytest.mark.parametrize(("end", "stride"), [(170, 1), (170, 8), (171, 8), (103, 8), (170, 64), (1200, 1)])
def test_windows_score_each_byte_once(end, stride):
    scored = [i for ends, n in windows(100, end, stride) for e in ends.tolist() for i in range(e - n, e)]
    assert sorted(scored) == list(range(100, end))


def test_a_score_is_the_sum_over_bytes(model, data):
    nats = 0.0
    with torch.no_grad():
        for i in range(100, 200):
            nats -= float(model(data[None, i - CONTEXT : i])[0, -1].log_softmax(0)[data[i]])
    assert score(model, data, 100, stride=1) == pytest.approx(nats, rel=1e-4)


def test_the_rate_rises_and_falls():
    assert rate(0, 0.0) == pytest.approx(1e-5)
    assert rate(100, 0.01) == pytest.approx(1e-3, rel=0.01)
    assert rate(10, 0.05) == pytest.approx(1e-3, rel=0.01), "few steps: warm by time"
    assert rate(9999, 1.2) == pytest.approx(1e-4)


@pytest.fixture
def ticking(monkeypatch):
    """A clock that goes on by a tenth of a second at each look: as many steps on any machine."""
    looks = itertools.count()
    monkeypatch.setattr(transformer.time, "perf_counter", lambda: next(looks) / 10)


def test_it_learns_and_keeps_the_best_weights(ticking):
    text = torch.tensor(list(b"the quick brown fox jumps over the lazy dog. " * 40))
    torch.manual_seed(0)
    model, steps = train(text, 2.5, generator=torch.Generator().manual_seed(0))
    assert steps > 5
    assert score(model, text, 1500) / 300 < 0.8 * math.log(256)


def test_what_was_better_before_comes_back(monkeypatch, ticking):
    """Weights that get worse in the second half of the time are not the ones that are scored."""
    text = torch.tensor(list(b"ab" * 2000))
    costs = iter([5.0, *[9.0] * 100])
    seen = []

    def told(model, *args, **options):
        seen.append({name: w.clone() for name, w in model.state_dict().items()})
        return next(costs)

    monkeypatch.setattr(transformer, "score", told)
    model, _ = train(text, 2.0, generator=torch.Generator().manual_seed(0))
    assert len(seen) > 2
    assert torch.equal(model.state_dict()["token.weight"], seen[0]["token.weight"])
    assert not torch.equal(seen[-1]["token.weight"], seen[0]["token.weight"])
