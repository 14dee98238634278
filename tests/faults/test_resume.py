"""Training that is stopped after any step and gone on with gives the run that was never stopped.

Ctrl-C is never lost.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from lior.config import Override
from lior.errors import RunError, Stopped
from lior.reading.documents import RawDocument
from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior.training.loop import Training
from lior.training.preparation import resume, train
from tests.faults.faults import assert_same_run, forge, run_command, start_command


def after(steps: int) -> Callable[[], bool]:
    """Stop after so many steps."""
    left = iter(range(steps - 1))
    return lambda: next(left, None) is None


def steps_of(config, run: Path) -> int:
    """Train without a stop; how many steps that took."""
    asked = count()
    train(config, run, stop=lambda: next(asked) < 0)
    return next(asked)


def stopped(config, run: Path, steps: int) -> Path:
    """Train until a stop after so many steps."""
    with pytest.raises(Stopped, match="goes on"):
        train(config, run, stop=after(steps))
    return run


@pytest.fixture
def killed(monkeypatch):
    """Train until the process is killed before the first checkpoint."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def run(config, run: Path, **given) -> None:
        monkeypatch.setattr(Training, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(config, run, **given)
        monkeypatch.undo()
        assert runfolder.list_checkpoints(run) == []

    return run


PATIENT = ("geometry.updates=20", "updater.learning_rate=3")
UNGATED = ('memory.sdm.gates=["always"]',)
CASES = {
    "all parts": (),
    "frames and sources made of statistics": ("frame.name=derived", "rsource.name=curvature"),
    "rotor and spsa": ("frame.name=rotor", "updater.name=spsa", "product.name=spinor"),
    "batches drawn ahead, errors in queries": ("geometry.near=4", "geometry.refresh=3", "geometry.noise=0.1"),
    "patience that ends the metric": (*PATIENT, "geometry.patience=2", "memory.name=exact"),
    "a geometry that is dropped": ("memory.name=sdm,exact", *UNGATED, "geometry.keep=gain"),
    "two readings": ("fit.passes=2", "memory.name=sdm"),
    "retrieval alone": ("memory.name=exact", "encoder.name=grams", 'encoder.patterns=["1-2"]'),
    "counts alone": ("memory.name=sdm", 'memory.sdm.gates=["longest"]', "fit.passes=0"),
    "counts from totals": ("memory.name=sdm", "memory.sdm.counts=totals", "fit.passes=0"),
    "long windows": ("memory.name=sdm", "memory.sdm.window=64"),
    "a budget": ("memory.name=sdm", "memory_budget=200000"),
    "poles": ("encoder.name=poles", "encoder.reach=8", "product.name=wedge"),
}
SHORT = ("geometry.updates=5", "checkpoint.seconds=0")


def settings(case: str) -> tuple[str, ...]:
    """The overrides of a case; other encoders have other options than the recipe's."""
    chosen = CASES[case]
    return (*SHORT, *chosen, "encoder.n=8") if any("encoder.name" in s for s in chosen) else (*SHORT, *chosen)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_stopped_at_some_step_and_gone_on_with_is_never_stopped(configure, tmp_path, case):
    config = configure(*settings(case))
    total = steps_of(config, tmp_path / "whole")
    for at in (random.Random(case).randrange(1, total), total):
        resume(run := stopped(config, tmp_path / f"r{at}", at))
        assert_same_run(tmp_path / "whole", run)


@pytest.mark.slow
def test_stopped_at_every_step(configure, tmp_path):
    """One step at a time, each in a fresh model, with a checkpoint between all of them."""
    config = configure(*SHORT)
    total = steps_of(config, tmp_path / "whole")
    run = stopped(config, tmp_path / "r", 1)
    for _ in range(1, total):
        with pytest.raises(Stopped):
            resume(run, stop=after(1))
    assert total >= 15
    resume(run, stop=after(1))
    assert_same_run(tmp_path / "whole", run)


def test_patience_goes_on_where_it_was(configure, tmp_path):
    """Stopped one update before the last, with one of two checks already in vain."""
    config = configure(*settings("patience that ends the metric"))
    train(config, tmp_path / "whole")
    records = map(json.loads, (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines())
    updates = max(record["step"] for record in records if record["stage"] == "geometry")
    assert 3 <= updates < config.geometry.updates
    resume(stopped(config, tmp_path / "r", updates - 1))
    assert_same_run(tmp_path / "whole", tmp_path / "r")


@pytest.mark.slow
def test_the_seconds_of_all_parts_of_a_run_add_up_and_the_text_may_be_gone(configure, tmp_path, sample):
    text = Path(shutil.copy(sample, tmp_path / "text.txt"))
    before = rundir.RunDirectory.resume(stopped(configure(text=text), tmp_path / "r", 3))
    text.unlink()
    before[0].folder.close()
    elapsed = before[1].training.numbers["loop"]["elapsed"]
    spent = resume(tmp_path / "r").summary["seconds"]
    assert 0 < elapsed < spent["total"]
    assert sum(v for k, v in spent.items() if k != "total") <= spent["total"]
    assert rundir.open_run(tmp_path / "r").corpus.bytes == sample.stat().st_size


@pytest.mark.parametrize("again", [lambda config, run: resume(run), train], ids=["resume", "same command"])
def test_what_was_killed_before_the_first_checkpoint_begins_anew(configure, short, tmp_path, killed, again):
    config = configure(*SHORT, text=short)
    killed(config, tmp_path / "r")
    again(config, tmp_path / "r")
    train(config, tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "r")


def test_a_text_that_no_file_has_is_not_read_anew(configure, tmp_path, killed):
    text = RawDocument("a", b"some text " * 500)
    killed(configure(Override("data.text", [], "test")), tmp_path / "r", documents=[text])
    told = "the run has no checkpoint: training did not finish; repeat its command"
    with pytest.raises(RunError, match=told):
        resume(tmp_path / "r")


# --- what cannot be gone on with ---------------------------------------------------


def test_a_finished_run_is_not_gone_on_with(finished):
    with pytest.raises(RunError, match="training is over, there is nothing to resume"):
        resume(finished)


def test_an_unfinished_run_is_not_read_nor_gone_on_with_when_changed(configure, tmp_path):
    stopped(configure(), tmp_path / "r", 2)
    with pytest.raises(RunError, match=r"training did not finish; `lior train --resume .*` goes on with it"):
        rundir.open_run(tmp_path / "r")
    file = tmp_path / "r" / "config.toml"
    file.write_text(file.read_text().replace("updates = 4", "updates = 5"))
    with pytest.raises(RunError, match=r"config.toml: changed since the run began"):
        resume(tmp_path / "r")


NOWHERE = [
    *(lambda t, key=key: t.pop(key) for key in ("parts", "loop", "stage")),
    *(lambda t, given=given: t.update(given) for given in ({"parts": [1, 2]}, {"stage": {}})),
    lambda t: t["loop"].pop("step"),
    *(lambda t, given=given: t["loop"].update(given) for given in ({"elapsed": "long"}, {"metrics": None})),
    *(lambda t, given=given: t["loop"].update(given) for given in ({"stage": 99}, {"stage": "geometry"})),
    lambda t: t["loop"].update(window=1),
]
"""Changes of what a manifest says of the training, each of which contradicts the rest."""


def test_training_that_stands_nowhere_is_refused(configure, tmp_path):
    stopped(configure(*SHORT), tmp_path / "r", 2)
    for number, edit in enumerate(NOWHERE):
        run = Path(shutil.copytree(tmp_path / "r", tmp_path / str(number)))
        forge(run, lambda manifest, edit=edit: edit(manifest["training"]))
        with pytest.raises(RunError, match="the checkpoint does not fit together"):
            resume(run)


# --- signals and kills ---------------------------------------------------------------


SWALLOWS = """
import contextlib, os, signal, time
with contextlib.suppress(KeyboardInterrupt):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
"""
"""A torch that is interrupted while it is imported, and loses it as the true one may."""

# SIGINT is ignored in this process when the tests are a background job, so the child sets what it is given.
IMPORT = """
import signal, sys
from lior_cli.interrupts import import_torch
signal.signal(signal.SIGINT, signal.SIG_IGN if sys.argv[1:] else signal.default_int_handler)
before = signal.getsignal(signal.SIGINT)
try:
    import_torch()
except KeyboardInterrupt:
    print("interrupted", end=" ")
assert signal.getsignal(signal.SIGINT) is before
print("torch" in sys.modules)
"""


@pytest.mark.parametrize(("ignored", "said"), [((), "interrupted True\n"), (("nohup",), "True\n")])
def test_interrupted_while_importing(tmp_path, ignored, said):
    """Half-imported modules must not lose Ctrl-C or turn it into another error; and nohup is obeyed."""
    (tmp_path / "torch.py").write_text(SWALLOWS)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-c", IMPORT, *ignored]
    assert subprocess.check_output(command, env=os.environ | {"PYTHONPATH": path}, text=True) == said


@pytest.mark.slow
def test_interrupted_generation(tmp_path, finished):
    said = tmp_path / "said"
    command = ["generate", str(finished), "--max-tokens", "1000000"]
    with said.open("w") as stdout, start_command(command, tmp_path, stdout) as child:
        while not said.stat().st_size and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=900)[1].strip() == "lior: interrupted"
    assert child.returncode == 130


def training(sample: Path, small_recipe: Path, *more: str) -> list[str]:
    """A command that trains for some seconds."""
    long = ["--set", "geometry.updates=400", "--set", "checkpoint.seconds=0.2"]
    return ["train", str(sample), "--config", str(small_recipe), *long, *more]


def begun(run: Path, child: subprocess.Popen[str]) -> None:
    """Wait for the first lines of telemetry."""
    end = time.monotonic() + 900
    while not (run / "metrics.jsonl").exists() and child.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert child.poll() is None, child.communicate()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
def test_a_signal_ends_training_after_its_step(tmp_path, sample, small_recipe, number):
    runs = tmp_path / "runs"
    with start_command(training(sample, small_recipe, "--out", "runs/a"), tmp_path) as child:
        begun(runs / "a", child)
        child.send_signal(number)
        out, err = child.communicate(timeout=900)
    assert (child.returncode, out) == (128 + number, "")
    assert err.endswith("`lior train --resume runs/a` goes on\n")
    assert "stopping after this step" in err
    assert "lior: error: stopped in stage 'geometry' after " in err
    assert "Traceback" not in err
    code, out, err = run_command(["train", "--resume", "auto", "--json", "--quiet"], tmp_path)
    assert (code, err) == (0, "")
    assert json.loads(out)["run"] == "runs/a"
    run_command(training(sample, small_recipe, "--out", "runs/b", "--quiet"), tmp_path)
    assert_same_run(runs / "a", runs / "b")


ALONE = "--resume goes on as the run began"
GIVEN = (("text.txt",), ("--out", "x"), ("--seed", "1"), ("--config", "fast"))
REFUSED = {("r", *given): (2, ALONE) for given in GIVEN}
REFUSED |= {("auto",): (1, "no stopped run in runs; name one"), ("r",): (1, "r: no such run directory")}


@pytest.mark.parametrize("given", REFUSED)
def test_nothing_can_be_changed_while_going_on_and_there_must_be_a_run(command, given):
    result = command("train", "--resume", *given)
    code, message = REFUSED[given]
    assert result.code == code
    assert result.err.startswith(f"lior: error: {message}")
    assert "Traceback" not in result.err
