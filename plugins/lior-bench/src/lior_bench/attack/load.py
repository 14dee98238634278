"""Mixed load: clients and commands learn, forget, sync and ask at once, while the server is killed.

Each writer has names of its own, so it knows the possible texts of each. They are the last acknowledged text,
and the texts of later changes that were neither acknowledged nor refused.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from threading import Event

import httpx

from lior.process import python
from lior_bench.attack.making import PEOPLE, PLACES, notes, question, text, train
from lior_bench.serving import served

_KILL = 10
"""The number of changes through the server between two kills of it."""


def run(seed: int, sample: bool, *, count: int = 0, only: str = "", minutes: float = 0) -> Iterator[str]:
    """Load a server for ``minutes``, or with ``count`` operations a client (10 for the sample, else 200)."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        written = notes(home / "notes")
        load = Load(home, train(home / "run", home / "notes"), seed)
        load.held |= {name: [content] for name, content in written.items()}
        yield from load.run(count or (10 if sample else 200), minutes)


class Load:
    """A served run, its clients, and their knowledge of it."""

    def __init__(self, home: Path, run: Path, seed: int) -> None:
        self.home, self.path, self.seed = home, run, seed
        self.held: dict[str, list[str]] = {}
        """The possible texts of each document by name; an empty text if it may be absent."""
        self.done: dict[str, int] = {}
        """The number of acknowledged operations by kind."""
        self.faults: list[str] = []
        self.over, self.up, self.url = Event(), Event(), ""

    def run(self, count: int, minutes: float) -> Iterator[str]:
        """Run all clients at once; yield the faults, after a printed line of figures."""
        end = time.monotonic() + 60 * minutes
        kinds: tuple[Callable[[Random, str], None], ...] = (self.put, self.put, self.command, self.sync)
        kinds += (self.ask, self.ask, self.ask_command)

        def client(number: int) -> None:
            random, kind, left = Random(f"{self.seed} {number}"), kinds[number], count
            while time.monotonic() < end if minutes else left:
                left -= 1
                try:
                    kind(random, f"w{number}")
                except Exception as error:
                    self.faults.append(f"{kind.__name__}: {error!r}")

        with ThreadPoolExecutor() as pool, ExitStack() as stack:
            server = pool.submit(self.serve)
            stack.callback(server.result)
            stack.callback(self.over.set)
            for each in [pool.submit(client, number) for number in range(len(kinds))]:
                each.result()
        print(", ".join(f"{count} {kind}" for kind, count in sorted(self.done.items())), flush=True)
        yield from [*self.faults, *self.compare()]

    def serve(self) -> None:
        """Serve the run to the end; kill and restart the server after every :data:`_KILL` changes."""
        while not self.over.is_set():
            with served(str(self.path), "--allow-edit") as (self.url, process):
                before = self.done.get("put", 0)
                self.up.set()
                while not self.over.wait(0.1) and self.done.get("put", 0) < before + _KILL:
                    if process.poll() is not None:
                        self.faults.append(f"the server ended by itself with {process.returncode}")
                        break
                self.up.clear()
                if not self.over.is_set():
                    process.kill()
                    self.count("kill")

    def compare(self) -> Iterator[str]:
        """Compare the run with the knowledge of it."""
        import lior

        opened = lior.load(self.path)
        found = {each.name: b"".join(opened.text(each.name)).decode() for each in opened.documents()}
        for name in self.held.keys() | found.keys():
            may = self.held.get(name, [""])
            if found.get(name, "").strip() not in [each.strip() for each in may]:
                yield f"{name} is {found.get(name, 'not there')!r}, and not one of {may}"

    # --- operations of clients ---

    def count(self, kind: str) -> None:
        self.done[kind] = self.done.get(kind, 0) + 1

    def told(self, kind: str, name: str, new: str, outcome: str | None) -> None:
        """Record that a change was done (empty), was refused with a message, or is in doubt (``None``)."""
        if outcome == "":
            self.held[name] = [new]
            self.count(kind)
        elif outcome is None:
            self.held[name] = [*self.held.get(name, [""]), new]
            self.count("cut off")
        else:
            self.count("refused")
            if "another process" not in outcome or "\n" in outcome.strip() or "Traceback" in outcome:
                self.faults.append(f"{kind} {name}: {outcome}")

    def put(self, random: Random, who: str) -> None:
        """Learn or forget a document through the server."""
        if not self.up.wait(60):
            return
        kills = self.done.get("kill", 0)
        name, version = f"{who} {random.choice(PLACES)}.txt", random.randrange(len(PEOPLE))
        new = "" if self.held.get(name, [""]) != [""] and random.random() < 0.4 else text(name, version)
        given = {"name": name, "replace": "true"} if new else {"name": name}
        try:
            method = "PUT" if new else "DELETE"
            reply = httpx.request(method, f"{self.url}/api/document", params=given, content=new, timeout=60)
        except httpx.HTTPError as error:
            if self.up.is_set() and self.done.get("kill", 0) == kills:
                self.faults.append(f"put {name}: {error!r}")
            self.told("put", name, new, None)
            return
        gone = reply.status_code == 404 and not new and "" in self.held[name]
        self.told("put", name, new, "" if gone or reply.status_code == 200 else reply.text)

    def command(self, random: Random, who: str) -> None:
        """Learn or forget a document by a command."""
        name, version = f"{who} {random.choice(PLACES)}.txt", random.randrange(len(PEOPLE))
        new = "" if self.held.get(name, [""]) != [""] else text(name, version)
        (self.home / name).write_text(new)
        self.told("command", name, new, self._lior("learn" if new else "forget", str(self.path), name))

    def sync(self, random: Random, who: str) -> None:
        """Change notes, and sync the run with their folder."""
        name = f"{random.choice(PLACES)}.md"
        new = text(name, random.randrange(len(PEOPLE)))
        (self.home / "notes" / name).write_text(new)
        outcome = self._lior("sync", str(self.path))
        self.told("sync", name, new, outcome)
        if outcome:  # the next sync learns the note
            self.held[name] = [*self.held[name], new]

    def ask(self, random: Random, who: str) -> None:
        """Ask the server: the answer is a text that somebody wrote."""
        if not self.up.wait(60):
            return
        try:
            given = {"question": question(place := random.choice(PLACES))}
            reply = httpx.post(f"{self.url}/api/ask", json=given, timeout=60)
        except httpx.HTTPError:
            return
        found = reply.json()
        if reply.status_code != 200:
            self.faults.append(f"ask: {reply.text}")
        elif found["found"]:
            self.answered(place, found["answer"]["text"])

    def ask_command(self, random: Random, who: str) -> None:
        """Ask the notes by a command."""
        asked = ["ask", str(self.home / "notes"), question(place := random.choice(PLACES)), "--json"]
        done = self._start(asked)
        if done.returncode:
            self.faults.append(f"ask: {done.stderr}")
        else:
            self.answered(place, json.loads(done.stdout)["answer"]["text"])

    def answered(self, place: str, said: str) -> None:
        """Check an answer: a note, or the text of a writer, is of the place."""
        texts = (text(place, version).strip() for version in range(len(PEOPLE)))
        if not said.strip().endswith(tuple(each.partition("the ")[2] for each in texts)):
            self.faults.append(f"ask {place}: {said!r}")
        self.count("ask")

    def _lior(self, *arguments: str) -> str:
        """Run a command and return its error message, or an empty text if it succeeds."""
        done = self._start([*arguments])
        return done.stderr or f"exit code {done.returncode}" if done.returncode else ""

    def _start(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        command = python("-m", "lior_cli.main", *arguments)
        return subprocess.run(
            command, cwd=self.home, capture_output=True, text=True, check=False, timeout=300
        )
