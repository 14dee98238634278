"""What an accelerator needs of the code: tensors made where the model is, and no needless waiting for it.

Checked on the CPU by watching the calls: a factory that is not told a device makes its tensor on
the CPU, and an operation whose result has to reach Python waits for the device.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import attrs
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from lior.config import load, with_instances
from lior.geometry import adam
from lior.model import evaluation, mixer
from lior.reading.documents import read_documents
from lior.training.batches import BatchProbe
from lior.training.job import Job
from lior.training.preparation import build_model, tokenize, train
from lior.training.reading import WriteText
from lior.training.stages import FitMixer, LearnGeometry
from lior_plugins.rsources.curvature import Curvature
from lior_plugins.updaters.contrastive import Contrastive
from tests.cases import cases
from tests.strategies import identity_form

ROOT = Path(__file__).resolve().parents[2]
CODE = [ROOT / "lior", ROOT / "plugins", ROOT / "cli"]
"""Not all of the folder: a virtual environment may be in it."""
FACTORIES = {
    torch.arange,
    torch.empty,
    torch.eye,
    torch.full,
    torch.linspace,
    torch.logspace,
    torch.ones,
    torch.rand,
    torch.randint,
    torch.randn,
    torch.randperm,
    torch.tensor,
    torch.zeros,
}
ON_THE_CPU = {
    "lior/data/corpus.py": "texts are read there and moved as a whole",
    "plugins/lior_plugins/kernel.py": "a kernel is designed in float64 once and moved with the state",
}
WAITS = ("_local_scalar_dense", "nonzero", "unique", "repeat_interleave.Tensor", "masked_select")


def caller() -> str:
    """The innermost line of lior on the stack: ``path:line``."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if any(path.is_relative_to(folder) for folder in CODE):
            return f"{path.relative_to(ROOT)}:{frame.lineno}"
    return "tests"


class Placeless(TorchFunctionMode):
    """Notes the places in lior that call a factory without a device."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in FACTORIES and kwargs.get("device") is None:
            self.places.add(caller())
        return func(*args, **kwargs)


class Waits(TorchDispatchMode):
    """Notes the places in lior that wait for the device, once for each time."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(name in str(func) for name in WAITS):
            self.places.append(caller())
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True, scope="module")
def _first_use():
    """The first dispatch mode of a process makes torch set an environment variable; take that back here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
        with Waits():
            torch.zeros(1, device="cpu").sum()


PARTS = {
    "default": (),
    "others": ("frame=rotor", "rsource=curvature", "product=spinor", "encoder.name=poles", "encoder.n=8"),
    "derived": ("frame=derived", "product=wedge", "updater=spsa", "geometry.resilience_at=both"),
}


@cases("parts", PARTS)
def test_tensors_are_made_on_the_device_of_the_model(configure, short, parts):
    config = configure(*PARTS[parts], text=short)
    with Placeless() as watch:
        model = train(config).model
        text, _ = tokenize(config, model.tokenizer, read_documents(config.data.text))
        evaluation.evaluate(model, text, 0, 300)
        evaluation.evaluate(model, attrs.evolve(text, first_document=1), 0, 300, online=True)
    lost = {place for place in watch.places if place.rpartition(":")[0] not in ON_THE_CPU}
    assert not lost - {"tests"}


def test_an_update_of_the_mixer_waits_for_nothing():
    params = mixer.init(3, (4,), 2, device="cpu")
    log_p = torch.log_softmax(torch.randn(8, 3, 5, generator=torch.Generator().manual_seed(0)), 2)
    inputs = mixer.Inputs(log_p, (torch.arange(8) % 4,), torch.full((8, 2), 0.5))
    targets = torch.arange(8) % 5
    state = adam.init(params)
    with Waits() as watch:
        mixer.update(params, state, inputs, targets, 0.1)
    assert not watch.places


def test_an_update_of_the_metric_waits_once(configure):
    """To learn whether it is finite."""
    config = configure("memory.name=exact", "geometry.updates=2")
    generator = torch.Generator().manual_seed(0)
    model = build_model(with_instances(config), torch.device("cpu"), generator)
    text, parts = tokenize(config, model.tokenizer, read_documents(config.data.text))
    job = Job(
        model=model,
        text=text,
        parts=parts,
        config=config,
        generator=generator,
        progress=lambda *_: None,
        spent=lambda: 0.0,
    )
    updater = Contrastive()
    stage = LearnGeometry(job, model.geometry, updater)
    stage.begin()
    params = model.geometry.learned(stage._current)
    probe = BatchProbe(model.geometry, stage._current, stage._batches.draw(stage._current, 0))
    with Waits() as watch:
        updater.step(params, updater.init(params), probe, scale=1.0, generator=generator)
    assert len(watch.places) == 1
    assert watch.places[0].startswith("plugins/lior_plugins/updaters/contrastive.py")


def test_fitting_the_mixer_waits_once_a_block_and_not_once_a_batch(configure):
    """The calibration split is one block."""
    config = configure("memory.name=sdm", "mixer.batch=8", "fit.calibration_passes=1", "fit.noise_passes=0")
    generator = torch.Generator().manual_seed(0)
    model = build_model(with_instances(config), torch.device("cpu"), generator)
    text, parts = tokenize(config, model.tokenizer, read_documents(config.data.text))
    job = Job(
        model=model,
        text=text,
        parts=parts,
        config=config,
        generator=generator,
        progress=lambda *_: None,
        spent=lambda: 0.0,
    )
    for stage in (WriteText(job, 0, parts.memory, False), FitMixer(job)):
        stage.begin()
        with Waits() as watch:
            while stage.advance():
                pass
        stage.end()
    assert len([place for place in watch.places if place.startswith("lior/training/stages.py")]) == 1


def test_reading_the_whole_memory_does_not_wait(configure):
    config = configure("memory.name=exact", "memory.exact.capacity=4096")
    model = train(config).model
    text, _ = tokenize(config, model.tokenizer, read_documents(config.data.text))
    some, _ = text.text(0, 1024)
    alphabet, counts = model.alphabet, []
    model.inputs(some, torch.arange(1), alphabet)  # the first read orders the items
    for size in (1, 1024):  # 1024 queries are read in four groups
        with Waits() as watch:
            model.inputs(some, torch.arange(size), alphabet)
        counts.append(len(watch.places))
    assert counts == [0, 0]


def test_placing_the_centres_waits_once():
    source, z = Curvature(centres=16), torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    state = source.init(4, generator=torch.Generator().manual_seed(0))
    with Waits() as watch:
        source.observe(state, z, identity_form(4), total=50)
    assert len(watch.places) == 1


def test_the_watchers_see_what_they_watch_for():
    assert load(env={}).config.device == "auto"
    with Placeless() as made, Waits() as waited:
        float(torch.zeros(3).sum())
        torch.zeros(3, device="cpu")
    assert made.places == {"tests"}
    assert waited.places == ["tests"]
