"""What `lior.runs.inspection` measures: against numbers known beforehand, and on models that are wrong."""

from __future__ import annotations

import math

import attrs
import pytest
import torch

from lior.data.corpus import gather_contexts
from lior.interfaces import MetricForm
from lior.model.language_model import Model
from lior.runs import directory as rundir
from lior.runs import inspection
from lior.runs.inspection import MemoryUse, effective_rank, sample_stored, spectrum, spread
from lior_cli.run_pictures.pictures import angles
from tests.cases import cases


@pytest.fixture
def loaded(finished):
    return rundir.open_run(finished)


def broken(run, loaded) -> set[str]:
    """Names of the invariants that do not hold, up to what was measured."""
    found = inspection.inspect(run, loaded).invariants
    return {each.name.split(":")[0] for each in found if not each.holds}


# --- numbers of the metric ---


def rotation(n: int, degrees: list[float]) -> torch.Tensor:
    """Turns as many planes by these angles, in a basis of its own."""
    blocks = torch.eye(n, dtype=torch.float64)
    for i, angle in enumerate(degrees):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        blocks[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor([[c, -s], [s, c]])
    basis, _ = torch.linalg.qr(torch.randn(n, n, generator=torch.Generator().manual_seed(n)).double())
    return basis @ blocks @ basis.T


@cases(("n", "degrees"), [(2, [30.0]), (6, [170.0, 45.0, 45.0]), (7, [120.0, 10.0, 0.0]), (4, [180.0, 90.0])])
def test_angles_are_those_of_the_planes_that_were_turned(n, degrees):
    assert angles(rotation(n, degrees)).tolist() == pytest.approx(degrees, abs=1e-5)


def test_spectrum_of_scales_and_directions():
    """Directions along the rotated axes add to their scales, so the eigenvalues are known."""
    q = rotation(4, [70.0, 20.0])
    form = MetricForm(
        q,
        torch.tensor([1.0, 4.0, 2.0, 0.5]).double(),
        torch.tensor(3.0).double(),
        q[:, :1],
        torch.tensor([5.0]).double(),
    )
    assert spectrum(form).tolist() == pytest.approx([12.0, 8.0, 6.0, 1.5])


@cases(
    ("eigenvalues", "rank"),
    [([2.0] * 5, 5.0), ([3.0, 0.0, 0.0], 1.0), ([1.0, 1.0, 0.0], 2.0), ([3.0, 1.0], 4 / 3**0.75)],
)
def test_effective_rank(eigenvalues, rank):
    assert effective_rank(torch.tensor(eigenvalues)) == pytest.approx(rank)


# --- samples ---


@cases(("total", "count"), [(10, 3), (1000, 999), (5, 5), (5, 9), (0, 4)])
def test_a_spread_has_one_number_of_each_equal_part(total, count):
    chosen = spread(total, count).tolist()
    assert len(chosen) == min(total, count)
    assert chosen == spread(total, count).tolist()
    assert all(
        i * total <= (c + 1) * len(chosen) and c * len(chosen) < (i + 1) * total for i, c in enumerate(chosen)
    )


def test_stored_contexts_are_those_of_the_text_that_is_held(loaded):
    """Also when the memories hold two ranges of it, with validation text in between."""
    text, model = loaded.corpus, loaded.model
    cut = len(text) - 500
    more = attrs.evolve(
        loaded,
        corpus=attrs.evolve(text, starts=torch.tensor([0, cut]), names=("a", "b")),
        n_train=400,
        added=("2026-01-01T00:00:00+00:00",),
    )
    z, tokens = sample_stored(more, 10_000)
    positions = torch.tensor([*range(400), *range(cut, len(text))])
    assert torch.equal(tokens, text.tokens[positions].long())
    reach = model.geometry.encoder.reach
    context = gather_contexts(
        text.tokens, positions, more.corpus.depth(positions), reach, model.tokenizer.vocab
    )
    state = {k.removeprefix("encoder."): v for k, v in model.state.items()}
    assert torch.equal(z, model.geometry.encoder.encode(state, context))


# --- what a run has ---


def test_everything_of_a_finished_run(finished, loaded):
    found = inspection.inspect(finished, loaded)
    assert all(each.holds for each in found.invariants)
    assert len(found.invariants) == 10
    assert [part.kind for part in found.components][-2:] == ["memory", "memory"]
    changed = {part.name: part.changed for part in found.components}
    assert changed["exact"] == {"capacity": 256}
    assert changed["lags"] == {"n": 8, "lags": 4}
    assert changed["bytes"] == {}
    assert found.metric.dimension == 8
    assert 1 <= found.metric.effective_rank <= 8
    assert found.metric.condition == pytest.approx(found.metric.greatest / found.metric.least)
    assert (found.text.tokens, found.text.held) == (60_000, loaded.n_train)
    numbers = {part.part: part for part in found.numbers}
    learned = loaded.model.geometry.learned(loaded.model.state)
    geometry = ("encoder", "frame", "rsource", "product", "log_beta")
    assert sum(numbers[p].learned for p in geometry if p in numbers) == sum(
        v.numel() for v in learned.values()
    )
    assert numbers["mixer"].learned == sum(v.numel() for v in loaded.model.weights.values())
    assert numbers["mixer"].statistics == loaded.model.cells.numel()
    assert "memory exact" not in numbers, "it stores numbers and learns none"
    assert sum(found.files.values()) == sum(p.stat().st_size for p in finished.rglob("*") if p.is_file())


def test_a_memory_with_a_capacity_has_a_fill(finished, loaded):
    memory = {held.name: held for held in inspection.inspect(finished, loaded).memory}
    assert (memory["exact"].items, memory["exact"].of, memory["exact"].fill) == (256, "z", 1.0)
    assert memory["sdm"].fill is None
    assert memory["exact"].bytes == 256 * (8 * 4 + 3 * 8)
    assert MemoryUse("m", 1, 5, "z", 9, capacity=20, budget=None).fill == 0.25


# --- what does not hold is seen ---


class Changed:
    """A plugin with some methods of its own."""

    def __init__(self, plugin, **methods):
        self._plugin, self._methods = plugin, methods

    def __getattr__(self, name):
        return self._methods.get(name) or getattr(self._plugin, name)


def change(loaded, kind: str, **methods) -> None:
    plugin = getattr(loaded.model.geometry, kind)
    loaded.model.geometry = attrs.evolve(loaded.model.geometry, **{kind: Changed(plugin, **methods)})


STRETCHED, REFLECTED = 1.001 * torch.eye(8), torch.eye(8).flip(0)[[1, 0, *range(2, 8)]]


@pytest.mark.parametrize(
    ("kind", "method", "spoil", "names"),
    [
        ("frame", "form", lambda form: form._replace(q=torch.eye(8)), set()),
        (
            "frame",
            "form",
            lambda form: form._replace(q=STRETCHED),
            {"orthogonality of Q", "rotation, no reflection"},
        ),
        ("frame", "form", lambda form: form._replace(q=REFLECTED), {"rotation, no reflection"}),
        ("product", "cost", lambda cost: cost - 100, {"least cost of 65,536 pairs"}),
        ("rsource", "resilience", lambda values: 0 * values, {"least resilience R at 512 contexts"}),
    ],
    ids=["identity", "stretched", "reflected", "cost below 0", "resilience of 0"],
)
def test_numbers_of_a_geometry_that_is_none(finished, loaded, kind, method, spoil, names):
    right = getattr(getattr(loaded.model.geometry, kind), method)
    change(loaded, kind, **{method: lambda *args: spoil(right(*args))})
    assert broken(finished, loaded) == names


def test_a_metric_that_is_not_positive_definite(finished, loaded):
    form = loaded.model.geometry.frame.form
    change(loaded, "frame", form=lambda state: form(state)._replace(lam=torch.zeros(8), d=torch.zeros(4)))
    assert "metric positive definite" in broken(finished, loaded)


def test_probabilities_that_sum_to_more(finished, loaded, monkeypatch):
    before = Model.log_probs
    monkeypatch.setattr(Model, "log_probs", lambda self, *args: before(self, *args) + 1e-3)
    assert broken(finished, loaded) == {"probabilities at 64 positions"}


def test_numbers_that_are_not(finished, loaded):
    loaded.model.weights["gate0"][0, 0] = math.nan
    assert "numbers that are not finite" in broken(finished, loaded)


def test_counts_that_are_not_of_this_text(finished, loaded):
    loaded.model.token_counts[101] += 1
    assert broken(finished, loaded) == {"tokens counted but not held, or held but not counted"}
