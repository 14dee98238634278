"""Commands that are killed at any moment: what they change is as before or after, and the next one works.

Some are killed at the very commit, just before the new state gets its name and just after.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import lior
from lior.errors import LiorError
from lior_bench.attack.making import PLACES, notes, question, started, text, trained

_State = dict[str, str]
_AT_COMMIT = """
import os, signal
rename = os.rename
def commit(source, target, *given, **named):
    commits = os.path.basename(source).endswith(".partial") and os.path.basename(target).startswith("step-")
    if commits and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target, *given, **named)
    if commits:
        os.kill(os.getpid(), signal.SIGKILL)
os.rename = commit
"""
"""Ends the process where a checkpoint gets its name: before that, or after."""
_TINY = (
    "--set", "memory.name=match", "--set", "geometry.updates=2", "--set", "mixer.positions=64",
    "--set", "checkpoint.seconds=0", "--holdout", "keep",
)  # fmt: skip


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """Kill 3 commands of the sample, 40 otherwise, or ``count``; yield what went wrong."""
    random = Random(f"kills {seed}")
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attack = _Attack(Path(place))
        for number in range(count or (3 if sample else 40)):
            kind = ("learn", "ask", "forget", "sync")[number % 4]
            for fault in getattr(attack, kind)(random):
                yield f"seed {seed}, kill {number}, {kind}: {fault}"
        for kind in ("learn",) if sample else ("learn", "sync", "forget"):
            for fault in attack.at_commit(kind):
                yield f"{kind}, killed at the commit: {fault}"
        if not sample:
            yield from (f"seed {seed}, train: {fault}" for fault in attack.train(random, count or 30))


class _Attack:
    """Notes, a run of them, and how long each command takes."""

    def __init__(self, home: Path) -> None:
        self.notes, self.run, self.cache = home / "notes", home / "run", home / "cache"
        self.new = home / "new.txt"
        self.files = notes(self.notes)
        trained(self.run, self.notes)
        self.seconds: dict[str, float] = {}
        self.done(["ask", self.notes, question("amber")])
        self.done(["sync", self.run])

    def done(self, command: Sequence[object]) -> subprocess.CompletedProcess[str]:
        """Do a command to its end, and remember how long it took."""
        began = time.monotonic()
        process = started(self.cache, *command)
        output, errors = process.communicate()
        self.seconds[str(command[0])] = time.monotonic() - began
        return subprocess.CompletedProcess(list(map(str, command)), process.returncode, output, errors)

    def killed(self, command: Sequence[object], random: Random) -> None:
        """Begin a command, and kill it at any moment; it begins to write after about half of its time."""
        process = started(self.cache, *command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.seconds.get(str(command[0]), 3.0) * random.uniform(0.3, 1.1))
        process.kill()
        process.communicate()

    def held(self) -> _State:
        """The documents of the run with their texts."""
        opened = lior.load(self.run)
        return {each.name: b"".join(opened.text(each.name)).decode() for each in opened.documents()}

    def ask(self, random: Random) -> Iterator[str]:
        """Kill the indexing of a changed folder: afterwards every note is found as it is."""
        self._edit(random)
        self.killed(["ask", self.notes, question("amber")], random)
        for place in PLACES:
            answer = self.done(["ask", self.notes, question(place)])
            right = self.files.get(f"{place}.md", "").strip()
            if "Traceback" in answer.stderr or (right and right not in answer.stdout):
                yield f"{place}: {answer.stdout} {answer.stderr}, and not {right}"
            if place == PLACES[1]:
                break  # each takes a second

    def sync(self, random: Random) -> Iterator[str]:
        """Kill a sync."""
        self._edit(random)
        before = self.held()
        after = {name: each for name, each in before.items() if name.endswith(".txt")} | self.files
        yield from self._changed(["sync", self.run], before, after, random)

    def learn(self, random: Random) -> Iterator[str]:
        """Kill learning."""
        before, name = self.held(), f"told {random.randrange(1000)}.txt"
        content = text(name, random.randrange(9))
        self.new.write_text(content)
        command = ["learn", self.run, self.new, "--name", name]
        yield from self._changed(command, before, {**before, name: content}, random)

    def forget(self, random: Random) -> Iterator[str]:
        """Kill forgetting."""
        before = self.held()
        name = random.choice([each for each in before if each.endswith(".txt")])
        after = {each: content for each, content in before.items() if each != name}
        yield from self._changed(["forget", self.run, name], before, after, random)

    def at_commit(self, kind: str) -> Iterator[str]:
        """Kill a command just before its new state gets its name, and just after."""
        self.files[f"{PLACES[0]}.md"] = text(PLACES[0], 10)
        (self.notes / f"{PLACES[0]}.md").write_text(self.files[f"{PLACES[0]}.md"])
        self.new.write_text(content := text("committed", 1))
        whole, name = self.held(), f"{PLACES[1]}.md"
        command, after = {
            "learn": (["learn", self.run, self.new, "--name", "committed"], {**whole, "committed": content}),
            "forget": (["forget", self.run, name], {k: v for k, v in whole.items() if k != name}),
            "sync": (["sync", self.run], {k: v for k, v in whole.items() if k.endswith(".txt")} | self.files),
        }[kind]
        kept = shutil.copytree(self.run, self.run.with_name("kept"))
        for before, right in ((True, whole), (False, after)):
            process = started(self.cache, *command, before=_AT_COMMIT.format(before=before))
            process.communicate()
            if process.returncode != -9 or self.held() != right:
                when = "before" if before else "after"
                yield f"{when} it ({process.returncode}): {self.held()}, and not {right}"
            shutil.rmtree(self.run)
            shutil.copytree(kept, self.run)
        shutil.rmtree(kept)

    def train(self, random: Random, kills: int) -> Iterator[str]:
        """Kill trainings, which are resumed until they end: the model is that of one that nothing stopped."""
        whole, out = self.run.with_name("whole"), self.run.with_name("broken off")
        told = self.done(self._training(whole))
        if told.returncode:
            yield told.stderr
            return
        for number in range(kills + 1):
            command = self._training(out)
            if number < kills:
                self.killed(command, random)
            elif (told := self.done(command)).returncode:
                yield f"{command}: {told.stderr}"
            with contextlib.suppress(LiorError):
                lior.load(out)
                if _tensors(out) != _tensors(whole):
                    yield f"after {number + 1} of {kills}: another model than that of a training in one go"
                shutil.rmtree(out)  # and anew

    def _training(self, out: Path) -> list[object]:
        """The command that goes on with a training, or begins one."""
        if any((out / "checkpoints").glob("step-?????????")):
            return ["train", "--resume", out]
        shutil.rmtree(out, ignore_errors=True)
        return ["train", self.notes, "--out", out, *_TINY]

    def _changed(
        self, command: Sequence[object], before: _State, after: _State, random: Random
    ) -> Iterator[Any]:
        self.killed(command, random)
        found = self.held()
        if found not in (before, after):
            yield f"{found}, neither {before} nor {after}"
        if found == before != after:
            again = self.done(command)
            if again.returncode or self.held() != after:
                yield f"once more: {again.stdout} {again.stderr}"

    def _edit(self, random: Random) -> None:
        """Change a note, remove one, or add one."""
        name = f"{random.choice(PLACES[1:])}.md"
        if name in self.files and random.random() < 0.4:
            del self.files[name]
            (self.notes / name).unlink()
        else:
            self.files[name] = text(name, random.randrange(9))
            (self.notes / name).write_text(self.files[name])


def _tensors(run: Path) -> bytes:
    """The file of the model of a finished run."""
    return max((run / "checkpoints").glob("*/model.safetensors")).read_bytes()
