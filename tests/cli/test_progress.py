"""Progress: stages and numbers on stderr, live on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import io
import math
import re
import sys
from collections.abc import Callable

import click
import pytest

from lior_cli import progress as module
from lior_cli.progress import PLAIN_SECONDS, Progress


class Clock:
    """Stands for the time module."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """A clock that is set by hand, in a process of 700 MiB."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "resident_bytes", lambda: 700 << 20)
    return clock


def test_a_stage_is_announced_and_its_end_shown(capsys, clock):
    with Progress() as progress:
        progress.lior_train_stage("mixer", "fitting the mixer")
        clock.now += 2
        progress.lior_train_step("mixer", 50, 100, {"calibration_loss": 1.23456})
        clock.now += 2
        progress.lior_train_step("mixer", 100, 100, {})
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "mixer: fitting the mixer",
        "mixer: 100/100 (100 %), 25.0/s, loss 1.781 bits/token, 700 MiB",
    ]
    assert progress.stage == "mixer"


def test_lines_between_are_seconds_apart_and_tell_the_time_left(capsys, clock):
    progress = Progress()
    progress.lior_train_stage("memory", "writing")
    for step in range(1, 100):
        clock.now += 1
        progress.lior_train_step("memory", step * 1000, 100_000, {})
    lines = capsys.readouterr().err.splitlines()[1:]
    assert len(lines) == 99 // PLAIN_SECONDS
    assert lines[0] == "memory: 5,000/100,000 (5 %), 1,000/s, 95 s left, 700 MiB"


def test_bits_are_of_bytes_where_the_stage_knows_them_and_of_tokens_elsewhere(capsys, clock):
    """Numbers of one stage do not show in the next."""
    progress = Progress()
    progress.lior_train_stage("geometry", "x")
    progress.lior_train_step("geometry", 1, 1, {"rejected": 2})
    progress.lior_train_stage("memory", "x")
    progress.lior_train_step("memory", 1, 1, {"nats_per_token": 2 * math.log(2), "rejected": 0})
    progress.lior_train_stage("validate", "x")
    progress.lior_train_step("validate", 1, 1, {"nats_per_token": 2 * math.log(2), "bits_per_byte": 0.5})
    _, geometry, _, memory, _, validate = capsys.readouterr().err.splitlines()
    assert geometry.endswith(", rejected 2, 700 MiB")
    assert memory.endswith("/s, 2.000 bits/token, 700 MiB"), "nothing was rejected, so nothing is said of it"
    assert validate.endswith("/s, 0.500 bits/byte, 700 MiB")


def test_the_rate_of_a_stage_that_is_gone_on_with_is_that_of_now(capsys, clock):
    progress = Progress()
    progress.lior_train_stage("memory", "x")
    for step in range(9000, 10_001, 100):
        clock.now += 1
        progress.lior_train_step("memory", step, 20_000, {})
    *_, last = capsys.readouterr().err.splitlines()
    assert "100/s, 101 s left" in last


def test_no_rate_and_no_time_left_come_from_the_first_step(capsys, clock):
    """A function that it needs may be compiled in it: 25 seconds in which nothing else happens."""
    progress = Progress()
    progress.lior_train_stage("memory", "reading")
    clock.now += 25
    progress.lior_train_step("memory", 2_000, 100_000, {})
    clock.now += 5
    progress.lior_train_step("memory", 12_000, 100_000, {})
    _, first, second = capsys.readouterr().err.splitlines()
    assert first == "memory: 2,000/100,000 (2 %), 700 MiB"
    assert second == "memory: 12,000/100,000 (12 %), 2,000/s, 44 s left, 700 MiB"


def test_evaluation_tells_bits_per_byte(command, finished):
    """What the last line of progress says is the score."""
    result = command("eval", finished)
    assert f", {float(result.out.split()[0]):.3f} bits/byte, " in result.err.splitlines()[-1]


def test_quiet(capsys, clock):
    with Progress(quiet=True) as progress:
        progress.lior_train_stage("memory", "writing")
        progress.lior_train_step("memory", 1, 1, {})
        progress.note("note")
    assert capsys.readouterr() == ("", "")
    assert progress.stage == "memory", "what an interruption names is known all the same"


class Terminal(io.StringIO):
    """Stands for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch) -> Callable[[], Terminal]:
    """Make stderr a terminal; to be called in the test, for pytest sets stderr after fixtures."""

    def make() -> Terminal:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        return terminal

    return make


def test_live_on_a_terminal(screen):
    terminal = screen()
    with Progress() as progress:
        progress.lior_train_stage("geometry", "learning the metric")
        progress.lior_train_step("geometry", 2, 8, {"calibration_loss": 2.5})
        progress.lior_train_step("geometry", 3, 8, {"calibration_loss": 2.5})
        progress.lior_train_stage("memory", "writing")
        progress.lior_train_step("memory", 8, 8, {})
    last = click.unstyle(terminal.getvalue()).split("learning the metric")[-1]
    assert re.search(r"geometry .*\b38%.*\d/s, loss 3\.607 bits/token, [\d,]+ MiB", last)
    assert re.search(r"memory .*100%.*\d/s, [\d,]+ MiB", last)


def test_live_lines_fit_a_terminal_of_80_columns(screen, clock, monkeypatch):
    terminal = screen()
    monkeypatch.setenv("COLUMNS", "80")
    with Progress() as progress:
        progress.lior_train_stage("geometry", "learning the metric")
        progress.lior_train_step("geometry", 1, 100_000, {"calibration_loss": 2.5})
        clock.now += 1.1
        progress.lior_train_step("geometry", 99_999, 100_000, {"calibration_loss": 2.5})
    last = click.unstyle(terminal.getvalue()).splitlines()[-1]
    assert last.rstrip().endswith(" 90,907/s, loss 3.607 bits/token, 700 MiB")
    assert "…" not in last


def test_the_terminal_is_given_back_when_the_work_fails(screen):
    """The live display hides the cursor; it must come back whatever happens."""
    terminal = screen()

    def interrupted() -> None:
        with Progress() as progress:
            progress.lior_train_stage("memory", "writing")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    shown = terminal.getvalue()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
