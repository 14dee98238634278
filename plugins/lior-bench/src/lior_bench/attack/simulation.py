"""Learn, forget, sync, ask and serve, simulated from a seed beside a model: crashes and failures at any call.

A failure is shown as the shortest list of steps that was found to have it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

from lior.process import python
from lior.reading import NO_LIMITS, limit_by
from lior_bench.attack.disk import CRASH, EXIT, Disk, build
from lior_bench.attack.making import PEOPLE, PLACES, notes, question, text, train
from lior_bench.attack.player import Process, opened, told

Step = tuple[Any, ...]
_EPISODE = 25
"""Steps from an empty disk on."""
_SECOND = 10**9
_FAR = 1 << 40
"""A call that no change comes to."""
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A file system in memory, where there is one."""


class Wrong(Exception):
    """What must not happen."""


class SimulatedModel:
    """What has to be there, name -> text: one state, or several after what may have failed."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}
        self.may: list[dict[str, str]] = [{}]
        """States that the disk may have at the next look."""
        self.past: list[dict[str, str]] = [{}]
        """States since all was flushed, which a power cut may bring back."""

    def change(self, name: str, text: str | None, outcome: str) -> None:
        """A change was done, refused or ended."""
        new = [{k: v for k, v in {**each, name: text}.items() if v is not None} for each in self.may]
        self.may = new if outcome == "done" else self.may + new
        self.past += new
        if outcome == "done" and text is None:  # what was forgotten never comes back
            self.past = [each for each in self.past if name not in each]

    def look(self, found: dict[str, str], kept: bool) -> None:
        """Compare with what is there."""
        if found not in self.may:
            raise Wrong(f"found {found}, and not one of {self.may}")
        if kept:
            self.now, self.may = found, [found]


class Episode:
    """A disk, a process, and the model of both."""

    def __init__(self, home: Path, run: Path | None, tick: int) -> None:
        self.tick = tick
        """Of time stamps, in nanoseconds."""
        self.notes, self.root = home / "notes", home / "disk"
        for place in (self.notes, self.root):
            place.mkdir()
        if run:
            shutil.copytree(run, self.root / "run")
        os.environ["XDG_CACHE_HOME"] = str(self.root / "cache")
        self.disk = Disk(self.root, home)
        self.disk.now = 1_700_000_000 * _SECOND
        self.files, self.given, self.learned = dict[str, str](), SimulatedModel(), SimulatedModel()
        self.write("garden.md", 0)  # which stays, since an index of nothing is refused
        self.process: Process | None = None
        self.cut = 0
        if run:
            self.learned.may = [dict(self.do("run_state")[1])]
            self.learned.past = list(self.learned.may)

    def close(self) -> None:
        """End the process."""
        if self.process:
            self.process.end()
        self.disk.close()

    # --- the process ---

    def do(self, command: str, *values: str) -> tuple[str, Any]:
        """A command in the process, a new one if need be."""
        if self.process is None:
            self.process = Process(self.disk, self.notes, self.root / "run")
        before = self.disk.fired
        outcome, value = self.process.do(command, *values)
        if outcome == "refused" and self.disk.fired == before:
            raise Wrong(f"{command} {values}: refused, and nothing had failed: {value}")
        if outcome == "defect" or (outcome == "refused" and ("\n" in value or "Traceback" in value)):
            raise Wrong(f"{command} {values}: {value}")
        if outcome == "ended":
            self.process = None
            if value != EXIT:
                raise Wrong(f"{command} {values}: ended by itself with {value}")
            if self.cut:
                self._power_cut(self.cut)
        return outcome, value

    def _power_cut(self, seed: int) -> None:
        self.disk.power_cut(seed)
        self.given.may += self.given.past

    def quiet(self) -> None:
        """Nothing fails from now on."""
        self.disk.fail_at(0, 0)
        self.disk.fail_reading_at(0)
        self.disk.fill(False)
        self.cut = 0

    # --- steps ---

    def play(self, steps: Sequence[Step]) -> None:
        """Do them."""
        for name, *values in steps:
            getattr(self, name)(*values)

    def write(self, name: str, version: int) -> None:
        """Write a note, with the time stamp that the file system has now."""
        (self.notes / name).write_text(text(name, version))
        stamp = self.disk.now // self.tick * self.tick
        os.utime(self.notes / name, ns=(stamp, stamp))
        self.files[name] = text(name, version)

    def remove(self, name: str) -> None:
        """Remove a note, but never the last one."""
        if len(self.files) > 1 and self.files.pop(name, ""):
            (self.notes / name).unlink()

    def rename(self, name: str, new: str) -> None:
        """Give a note another name."""
        if name in self.files:
            (self.notes / name).rename(self.notes / new)
            self.files[new] = self.files.pop(name)

    def wait(self, seconds: float) -> None:
        """Let time go by, or back; after ten seconds all is on the disk."""
        self.disk.now += int(seconds * _SECOND)
        if seconds >= 10:
            self.disk.settle()
            self.given.past = list(self.given.may)

    def fail(self, call: int, action: int, cut: int) -> None:
        """A call fails, or the process ends there; with ``cut``, so does the power."""
        self.cut = cut
        self.disk.fail_at(call, action)

    def fail_reading(self, call: int) -> None:
        """A read fails."""
        self.disk.fail_reading_at(call)

    def fill(self, full: bool) -> None:
        """The disk is full, or no longer."""
        self.disk.fill(full)

    def kill(self, cut: int) -> None:
        """The process ends between two commands; with ``cut``, so does the power."""
        if self.process:
            self.process.end()
            self.process = None
        self.disk.catch_up()
        if cut:
            self._power_cut(cut)

    def reopen(self) -> None:
        """Open the index anew."""
        self.do("close")

    def learn(self, name: str, version: int) -> None:
        """Learn a text beside the notes."""
        self._change("learn", name, text(name, version))

    def forget(self, name: str) -> None:
        """Forget it; then no file on the disk has it."""
        old = {each[name] for each in self.given.may if name in each}
        if len(self.given.may) == 1 and old and self._change("forget", name):
            self._gone(old.pop())

    def _change(self, command: str, name: str, *new: str) -> bool:
        """Whether a change was acknowledged, and is kept as far as anybody knows."""
        before = self.disk.fired
        outcome, kept = self.do(command, name, *new)
        self.given_kept = kept is True
        clean = outcome == "done" and self.disk.fired == before and self.given_kept
        self.given.change(name, new[0] if new else None, outcome if clean else "doubtful")
        return clean

    given_kept = True

    def _gone(self, old: str) -> None:
        if old in (*self.files.values(), *(each for may in self.given.may for each in may.values())):
            return
        for path in (self.root / "cache").rglob("*"):
            if path.is_file() and old.strip().encode() in path.read_bytes():
                raise Wrong(f"{path.name} has the text that was forgotten: {old}")

    def gone(self, name: str, version: int) -> None:
        """Nothing fails any more: when the next process has looked, no file has a text that went."""
        self.quiet()
        self.kill(0)
        self.look()
        self._gone(text(name, version))

    def look(self) -> None:
        """Compare all that the index has with the model."""
        outcome, value = self.do("state")
        if outcome == "done":
            found, kept = value
            self.given_kept = kept
            notes = {name: each.strip() for name, each in self.files.items()}
            told = {name: found.pop(name, "") for name in notes}
            if told != notes:
                raise Wrong(f"notes are {notes}, and the index has {told}")
            self.given.look({name: f"{each}\n" for name, each in found.items()}, kept)

    def ask(self, name: str) -> None:
        """The answer is that of an index made anew of the same texts."""
        self.look()
        if len(self.given.may) == 1 and self.given_kept:
            self._ask("ask", name, {**self.files, **self.given.now})

    def _ask(self, command: str, name: str, texts: dict[str, str], retriever: str | None = "settle") -> None:
        outcome, said = self.do(command, question(name))
        if outcome == "done" and said != (right := answer(frozenset(texts.items()), name, retriever)):
            raise Wrong(f"{command}: {question(name)} {said!r}, and not {right!r}")

    def run_learn(self, name: str, version: int, through: str = "run") -> None:
        """Learn a text in the run."""
        self.run_look()
        if not any(name in each for each in self.learned.may):
            new = text(name, version)
            self.learned.change(name, new, self.do(f"{through}_learn", name, new)[0])

    def run_forget(self, name: str, through: str = "run") -> None:
        """Forget it."""
        self.run_look()
        if all(name in each for each in self.learned.may):
            self.learned.change(name, None, self.do(f"{through}_forget", name)[0])

    def run_look(self) -> None:
        """Compare the documents of the run with the model."""
        outcome, found = self.do("run_state")
        if outcome == "done":
            self.learned.look(found, True)

    def run_ask(self, name: str, through: str = "run") -> None:
        """The answer of the run is that of an index made anew."""
        self.run_look()
        if len(self.learned.may) == 1:
            self._ask(f"{through}_ask", name, self.learned.now, None)

    def run_sync(self) -> None:
        """Sync the run with the notes."""
        self.run_look()
        outcome, _ = self.do("run_sync")
        own = [{k: v for k, v in each.items() if k.startswith("run ")} for each in self.learned.may]
        new = [each | self.files for each in own]
        self.learned.may = new if outcome == "done" else self.learned.may + new


@cache
def answer(texts: frozenset[tuple[str, str]], name: str, retriever: str | None) -> str:
    """What an index that is made of these texts alone answers about the document."""
    index = opened(retriever=retriever)
    for each, content in sorted(texts):
        index.learn(each, content)
    return told(index.ask(question(name)))


# --- sequences ---


def _note(random: Random) -> str:
    return f"{random.choice(PLACES)}.md"


def _given(random: Random) -> str:
    return f"{random.choice(PLACES)}.txt"


def _of_run(random: Random) -> str:
    return f"run {random.choice(PLACES)}.txt"


def _document(random: Random) -> str:
    return random.choice((_note, _given))(random)


def _version(random: Random) -> int:
    return random.randrange(len(PEOPLE))


def _through(random: Random) -> str:
    return random.choice(("run", "run", "serve"))


def _cut(random: Random) -> int:
    return random.choice((0, random.getrandbits(30)))


def _seconds(random: Random) -> float:
    return random.choice((0.01, 1.0, 3.0, 60.0, -1.0, -7.0, -3600.0))


def _fault(random: Random) -> int:
    return random.choice((CRASH, CRASH, errno.ENOSPC, errno.EIO))


def _full(random: Random) -> bool:
    return random.random() < 0.4


def _call(random: Random) -> int:
    return int(2 ** random.uniform(0, 8))


_KINDS: dict[str, tuple[int, tuple[Callable[[Random], Any], ...]]] = {
    "write": (6, (_note, _version)),
    "remove": (2, (_note,)),
    "rename": (1, (_note, _note)),
    "wait": (4, (_seconds,)),
    "fail": (3, (_call, _fault, _cut)),
    "fail_reading": (1, (_call,)),
    "fill": (1, (_full,)),
    "kill": (2, (_cut,)),
    "reopen": (1, ()),
    "learn": (5, (_given, _version)),
    "forget": (4, (_given,)),
    "look": (3, ()),
    "ask": (5, (_document,)),
}
"""The weight of each kind of step, and what draws its arguments."""
_OF_RUNS: dict[str, tuple[int, tuple[Callable[[Random], Any], ...]]] = {
    "run_learn": (9, (_of_run, _version, _through)),
    "run_forget": (6, (_of_run, _through)),
    "run_look": (3, ()),
    "run_ask": (3, (_of_run, _through)),
    "run_sync": (4, ()),
}
"""The steps of an episode with a run."""


def sequence(random: Random, runs: bool) -> Iterator[Step]:
    """The steps of an episode; every value in them is fixed, so that any part of them can be done."""
    kinds = _KINDS | (_OF_RUNS if runs else {})
    weights = [weight for weight, _ in kinds.values()]
    for _ in range(_EPISODE):
        kind = random.choices([*kinds], weights)[0]
        yield (kind, *(draw(random) for draw in kinds[kind][1]))


@contextmanager
def begun(tick: int, run: Path | None = None) -> Iterator[Episode]:
    """An episode that ends with the block."""
    # Readers in a process of their own would not live through a fork.
    home = tempfile.TemporaryDirectory(dir=_MEMORY)
    with limit_by(NO_LIMITS), home as place, closing(Episode(Path(place).resolve(), run, tick)) as episode:
        yield episode


def failure(steps: Sequence[Step], tick: int, run: Path | None = None) -> str:
    """What goes wrong in an episode of these steps; empty where nothing does."""
    with begun(tick, run) as episode:
        try:
            episode.play(steps)
            episode.quiet()
            episode.kill(0)
            episode.look()
            if run:
                episode.run_look()
        except Wrong as wrong:
            return str(wrong)
    return ""


def fail_everywhere(
    before: Sequence[Step], change: Sequence[Step], after: Sequence[Step], every: int
) -> Iterator[str]:
    """Each call of a change fails in each way, or each ``every``-th; what then goes wrong, or nothing."""
    with begun(_SECOND) as episode:
        episode.play(before)
        episode.disk.fail_at(_FAR, errno.EIO)
        episode.play(change)
        total = _FAR - episode.disk.left
    for call in range(1 + (total - 1) % every, total + 1, every):
        for action in (CRASH, errno.ENOSPC, errno.EIO):
            steps = [*before, ("fail", call, action, 0), *change, *after]
            yield f"call {call}, {action}: {fault}" if (fault := failure(steps, _SECOND)) else ""


def shortest(steps: list[Step], fails: Callable[[list[Step]], str]) -> list[Step]:
    """A part of the steps that still fails, and no longer without any of its steps (A. Zeller's ddmin)."""
    size = len(steps) // 2
    while size:
        for begin in range(len(steps) - size, -1, -size):
            fewer = steps[:begin] + steps[begin + size :]
            if fails(fewer):
                steps = fewer
        size //= 2
    return steps


def simulate(seed: int, count: int, home: Path) -> Iterator[str]:
    """Do ``count`` steps; what went wrong, with the steps that repeat it, one text for each failure."""
    run: Path | None = None
    began = time.monotonic()
    for number in range(-(-count // _EPISODE)):
        random = Random(f"{seed} {number}")
        tick, runs = random.choice((1, 4_000_000, 2 * _SECOND)), number % 10 == 9
        if runs and run is None:
            notes(home / "notes", ("garden", "hedge"))
            run = train(home / "run", home / "notes")
        steps = [*sequence(random, runs)]
        fails = partial(failure, tick=tick, run=run if runs else None)
        if fails(steps):
            least = shortest(steps, fails)
            listed = "".join(f"\n    {step}" for step in least)
            yield f"seed {seed}, episode {number}, tick {tick}: {fails(least) or fails(steps)}{listed}"
        if sys.stderr.isatty():
            rate = (number + 1) * _EPISODE / (time.monotonic() - began)
            print(f"\r{(number + 1) * _EPISODE:,} steps, {rate:.0f}/s ", end="", file=sys.stderr)


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Simulate 300 steps of the sample, 20,000 otherwise, or ``count``, in a process with the fake disk."""
    count = count or (300 if sample else 20_000)
    with tempfile.TemporaryDirectory(dir=_MEMORY) as place:
        variables = {"LD_PRELOAD": str(build(Path(place))), "PYTHONHASHSEED": "0", "LIOR_EMBEDDER": ""}
        command = python("-m", __spec__.name, str(seed), str(count), place)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | variables) as done:
            assert done.stdout is not None
            for line in done.stdout:
                yield json.loads(line)
    if done.returncode:
        yield f"seed {seed}: the simulation itself ended with {done.returncode}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for each in simulate(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])):
        print(json.dumps(each), flush=True)
