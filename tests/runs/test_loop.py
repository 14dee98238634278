"""The loop of steps, stops and checkpoints, with a program of its own: counting."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest
import torch

from lior.errors import RunError, Stopped
from lior.events import hookimpl
from lior.runs import bundle
from lior.runs import folder as runfolder
from lior.runs import loop as looping
from lior.runs.bundle import Format
from lior.runs.folder import RunFolder
from lior.runs.loop import START, Loop, LoopState, Stopwatch
from lior.runs.telemetry import Telemetry
from tests.cases import cases

MINE = Format(program="mine", version=1)
STEPS = {"add": 3, "multiply": 2}


@attrs.define(kw_only=True)
class Counting(Loop["Count"]):
    """The loop over counts, which writes as the test says."""

    written: Callable[[LoopState, Count | None], None]
    after: Callable[[Count], bool] = lambda _: True

    def write(self, state: LoopState, stage: Count | None) -> None:
        self.written(state, stage)

    def may_write(self, stage: Count) -> bool:
        return self.after(stage)


@attrs.define
class Count:
    """A stage that changes a number so many times."""

    name: str
    tensor: torch.Tensor
    loop: Counting
    message: str = "counting"
    at: int = 0

    def begin(self) -> None:
        self.at = 0

    def advance(self) -> bool:
        if self.at == STEPS[self.name]:
            return False
        self.tensor.copy_(self.tensor + 1 if self.name == "add" else self.tensor * 3)
        self.at += 1
        self.loop.progress(self.name, self.at, STEPS[self.name], {"x": float(self.tensor)})
        return True

    def end(self) -> None:
        self.tensor -= 0.5


class Heard:
    """Names of the events, in their order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    @hookimpl
    def lior_train_stage(self, stage: str) -> None:
        self.events.append(stage)

    @hookimpl
    def lior_train_step(self, step: int) -> None:
        self.events.append(str(step))

    @hookimpl
    def lior_checkpoint_saved(self, path: Path) -> None:
        self.events.append(f"saved {runfolder.number(path)}")

    @hookimpl
    def lior_checkpoint_failed(self, error: RunError) -> None:
        self.events.append("failed")


def after(steps: int):
    """Asks for a stop after so many steps."""
    left = iter([False] * (steps - 1) + [True])
    return lambda: next(left, False)


def count(run: Path, **options) -> tuple[float, list[str]]:
    """Train, or go on; the number in the end, and the events."""
    heard, tensor, state, at = Heard(), torch.zeros(()), START, None
    folder = RunFolder.open(run) if run.exists() else RunFolder.create(run, {"config.toml": ""})

    def write(state: LoopState, stage: Count | None) -> None:
        manifest = {"loop": attrs.asdict(state), "at": stage.at if stage else None}
        with folder.writing(state.step) as path:
            bundle.write(path, {"x": {"x": tensor}}, manifest, format=MINE)

    with closing(folder):
        if runfolder.list_checkpoints(run):
            (manifest, groups), folder.newest = runfolder.newest(
                run, lambda place: bundle.read(place, format=MINE)
            )
            state, at = LoopState(**manifest["loop"]), manifest["at"]
            tensor.copy_(groups["x"]["x"])
        loop = Counting(
            folder=folder,
            command="mine resume",
            written=options.pop("write", write),
            callbacks=[heard],
            telemetry=Telemetry(run, state.metrics, state.elapsed),
            clock=Stopwatch(state),
            step=state.step,
            **{"interval": math.inf, **options},
        )
        stages = [Count(name, tensor, loop) for name in STEPS]
        loop.run(stages, state.stage, None if at is None else lambda stage: setattr(stage, "at", at))
        return float(tensor), heard.events


def numbers(run: Path) -> list[tuple[int, float]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(record["step"], record["x"]) for record in records]


WHOLE = (3 - 0.5) * 9 - 0.5


def test_all_steps_of_all_stages_in_their_order(tmp_path):
    result, events = count(tmp_path / "r")
    assert result == WHOLE
    assert events == ["add", "1", "2", "3", "multiply", "1", "2"]
    assert runfolder.list_checkpoints(tmp_path / "r") == []


@pytest.mark.parametrize("at", range(1, 6))
def test_stopped_after_any_step_and_resumed(tmp_path, at):
    whole, run = tmp_path / "whole", tmp_path / "r"
    count(whole)
    stage = "add" if at <= 3 else "multiply"
    told = f"stopped in stage '{stage}' after {at} steps; `mine resume {run}` goes on"
    with pytest.raises(Stopped, match=told):
        count(run, stop=after(at))
    assert [runfolder.number(place) for place in runfolder.list_checkpoints(run)] == [at]
    assert count(run)[0] == WHOLE
    assert numbers(run) == numbers(whole)


def test_checkpoints_now_and_then(tmp_path):
    result, events = count(tmp_path / "r", interval=0, after=lambda stage: stage.at == 2)
    assert result == WHOLE
    assert [event for event in events if event.startswith("saved")] == ["saved 2", "saved 5"]


def full(state: LoopState, stage: Count | None) -> None:
    raise OSError(28, "No space left on device")


def test_a_checkpoint_that_fails_now_and_then_does_not_end_the_training(tmp_path):
    result, events = count(tmp_path / "r", interval=0, write=full)
    assert result == WHOLE
    assert events.count("failed") == 5


def test_a_checkpoint_that_fails_when_the_training_is_stopped(tmp_path):
    run = tmp_path / "r"
    with pytest.raises(RunError, match="cannot be written: No space left on device; free some space, or"):
        count(run, stop=after(2), write=full)
    with pytest.raises(Stopped):
        count(run, stop=after(1))
    told = r"mend that, then `mine resume .*` goes on from the checkpoint before"
    with pytest.raises(RunError, match=told):
        count(run, stop=after(2), write=full)


def test_without_a_directory_nothing_is_kept():
    loop = Counting(folder=None, command="mine resume", written=full, interval=0, stop=after(2))
    with pytest.raises(Stopped, match="after 2 steps; nothing was kept"):
        loop.run([Count("add", torch.zeros(()), loop)])


def test_seconds_of_stages_are_counted_on(monkeypatch):
    monkeypatch.setattr(looping, "time", clock := SimpleNamespace(perf_counter=lambda: clock.now, now=1000.0))
    state = LoopState(stage=1, step=4, elapsed=60.0, seconds={"add": 50.0}, metrics=0)
    watch = Stopwatch(state)
    with watch.measure("add"):
        clock.now += 2
        assert watch.seconds == {"add": 52}
    clock.now += 4
    with watch.measure("multiply"):
        clock.now += 8
    assert watch.seconds == {"add": 52, "multiply": 8}
    assert watch.total == 74


@cases("wrong", [{"step": "4"}, {"elapsed": None}, {"seconds": 3}, {"window": 1}])
def test_a_state_of_other_types_is_refused(wrong):
    with pytest.raises(TypeError):
        LoopState(**attrs.asdict(START) | wrong)
