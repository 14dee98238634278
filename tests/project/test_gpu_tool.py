"""The command for the first GPU: rehearsed on the CPU, and on a device that refuses what CUDA refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.interfaces import Items, Query, Text
from lior.testing.strategies import LAW, seeds
from lior_plugins.memories.exact import Exact
from tests.second_device import second_device
from tools.gpu import __main__ as command
from tools.gpu import fused, measuring, steps
from tools.gpu.measuring import Place, Row

ROOT = Path(__file__).parents[2]
TINY = Place("cpu", tiny=True)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """The folder that torch names in the environment when flex_attention is called."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@LAW
@given(
    seeds(), st.integers(1, 30), st.integers(1, 5), st.integers(1, 150),
    st.sampled_from(["query", "item", "both"]), st.floats(-2, 2), st.integers(1, 20),
)  # fmt: skip
def test_the_fused_kernel_is_retrieval_of_the_product(seed, count, asked, vocab, side, log_beta, n):
    random = torch.Generator().manual_seed(seed)
    geometry = attrs.evolve(steps.geometry_of(), resilience_at=side, encoder=steps.Lags(n=max(n, 2), lags=2))
    state = geometry.init(generator=random)
    state = geometry.observe(state, torch.randint(9, (40, 2), generator=random), total=40)
    state = {name: each.double() if each.is_floating_point() else each for name, each in state.items()}
    scorer = geometry.scorer(state | {"log_beta": torch.tensor(log_beta, dtype=torch.float64)})
    tokens, depth = torch.randint(vocab, (count,), generator=random), torch.arange(count)
    z, queries = (
        3 * torch.randn(k, max(n, 2), generator=random, dtype=torch.float64) for k in (count, asked)
    )
    text = Text(tokens, depth, torch.zeros_like(depth))
    memory = Exact(smoothing=1e-6, inverse_temperatures=(1.0, 2.5))
    memory.attach(scorer)
    memory.write(Items(text, 0, z))
    memory.commit()
    alphabet = torch.arange(0, vocab, 2)  # some tokens of the items are not in it
    expected = memory.read(Query(text, depth[:1].expand(asked), queries), alphabet).log_p.exp()
    sides = scorer.features(queries, query=True), scorer.features(z, query=False)
    found = fused.distributions(scorer, *sides, tokens, alphabet, memory.inverse_temperatures)
    torch.testing.assert_close(found, (expected - 1e-6 / len(alphabet)) / (1 - 1e-6), rtol=1e-6, atol=1e-9)


def test_another_product_is_refused():
    geometry = steps.geometry_of(product="wedge")
    state, _ = steps.learning(geometry, 1, 9)
    with pytest.raises(TypeError, match="product tensor"):
        fused.distributions(geometry.scorer(state), None, None, None, None, (1.0,))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metric", "outer_products", "retrieval"])
def test_a_step_leaves_nothing_on_the_wrong_device(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    with torch.no_grad(), second_device():
        rows = steps.STEPS[name][0](Place("cuda", tiny=True))
    assert {row.verdict for row in rows} == {"equal"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["facts", "graphs", "waiting", "field", "fused"])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_step_is_rehearsed(name):
    with torch.no_grad():
        assert {row.verdict for row in steps.STEPS[name][0](TINY)} <= {"equal", "told"}


def test_the_steps_fit_into_half_an_hour():
    assert sum(seconds for _, seconds in steps.STEPS.values()) <= 1800


def test_differences_are_found():
    one = torch.tensor([1.0, -4.0])
    assert measuring.difference([one, 2], [one, 2]) == 0
    assert measuring.difference([one, 2], [one, 3]) == 0.5
    assert measuring.difference(one, one + torch.tensor([0.0, 1.0])) == 0.25
    assert measuring.difference(one, one * float("nan")) == float("inf")
    row = measuring.compared("x", TINY, 0.1, _varying())
    assert (row.verdict, row.difference) == ("DIFFERENT", 1.0)


def _varying():
    """Work that gives another number on each device, though both are called alike."""
    found = iter([1.0, 0.0, 2.0, 0.0])
    return lambda device: next(found)


def test_a_step_that_fails_is_late_or_comes_too_late_is_a_row(monkeypatch):
    def run(command, timeout, **options):
        if command[4] == "metric":
            raise subprocess.TimeoutExpired(command, timeout)
        said = '[{"what": "x", "verdict": "equal"}]' if command[4] == "facts" else ""
        return subprocess.CompletedProcess(command, 1, said, "Traceback\nRuntimeError: no kernel image\n")

    monkeypatch.setattr(command.subprocess, "run", run)
    rows = [row for _, row in command.run_all(["facts", "metric", "lens"], TINY, 1)]
    assert [(row.verdict, row.note) for row in rows] == [
        ("equal", ""), ("FAILED", "it took more than 60 s"), ("FAILED", "RuntimeError: no kernel image"),
    ]  # fmt: skip
    (late,) = command.run_all(["ritz"], TINY, 0)
    assert late[1] == Row("ritz", "not run", "the minutes were over")
    assert "| lens | lens | FAILED |" in command.page([("lens", rows[2])], TINY)


def tool(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.gpu", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_command_rehearses_and_writes(tmp_path):
    done = tool("--rehearse", "--only", "graphs", "--out", str(tmp_path / "gpu.md"))
    assert (done.returncode, done.stderr) == (0, "graphs: told\n")
    text = (tmp_path / "gpu.md").read_text()
    assert "nothing ran on a GPU" in text
    assert "none captures a CUDA graph" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_written():
    before = (ROOT / "docs/gpu.md").read_text()
    done = tool()
    assert done.returncode == 2
    assert "--rehearse" in done.stderr
    assert (ROOT / "docs/gpu.md").read_text() == before


@pytest.mark.slow
def test_all_steps_are_rehearsed():
    done = tool("--rehearse")
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout
