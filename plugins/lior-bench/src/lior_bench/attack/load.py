"""Mixed load: clients and commands learn, forget, sync and ask at once, while the server is killed.

Each writer has names of its own, so it knows what each may hold: the text that was acknowledged last, and
those of later changes that were neither acknowledged nor refused.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import httpx

from lior.process import python
from lior_bench.attack.making import PEOPLE, PLACES, notes, question, text, train
from lior_bench.serving import served

_KILL = 10
"""Changes through the server between two kills of it."""


def run(seed: int, sample: bool, *, count: int = 0, only: str = "", minutes: float = 0) -> Iterator[str]:
    """Load a server for ``minutes``, or with ``count`` operations a client (10 of the sample, else 200)."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        written = notes(home / "notes")
        load = Load(home, train(home / "run", home / "notes"), seed)
        load.held |= {name: [content] for name, content in written.items()}
        yield from load.run(count or (10 if sample else 200), minutes)


class Load:
    """A served run, its clients, and what they know of it."""

    def __init__(self, home: Path, run: Path, seed: int) -> None:
        self.home, self.path, self.seed = home, run, seed
        self.held: dict[str, list[str]] = {}
        """Name of a document -> texts that it may have; empty where it is not there."""
        self.done = Counter[str]()
        """Kind of operation -> how many were acknowledged."""
        self.faults: list[str] = []
        self.over, self.up, self.url = Event(), Event(), ""

    def run(self, count: int, minutes: float) -> Iterator[str]:
        """All clients at once; yield what went wrong, after a printed line of figures."""
        end = time.monotonic() + 60 * minutes
        kinds = (self.put, self.put, self.command, self.sync, self.ask, self.ask, self.ask_command)

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
        """Serve the run until all is over, killed and started again after so many changes."""
        while not self.over.is_set():
            with served(str(self.path), "--allow-edit") as (self.url, process):
                before = self.done["put"]
                self.up.set()
                while not self.over.wait(0.1) and self.done["put"] < before + _KILL:
                    if process.poll() is not None:
                        self.faults.append(f"the server ended by itself with {process.returncode}")
                        break
                self.up.clear()
                if not self.over.is_set():
                    process.kill()
                    self.done["kill"] += 1

    def compare(self) -> Iterator[str]:
        """Compare the run with what is known of it."""
        import lior

        opened = lior.load(self.path)
        found = {each.name: b"".join(opened.text(each.name)).decode() for each in opened.documents()}
        for name in self.held.keys() | found.keys():
            may = self.held.get(name, [""])
            if found.get(name, "").strip() not in [each.strip() for each in may]:
                yield f"{name} is {found.get(name, 'not there')!r}, and not one of {may}"

    # --- what clients do ---

    def told(self, kind: str, name: str, new: str, outcome: str | None) -> None:
        """A change was done (empty), refused with a message, or neither is known (``None``)."""
        if outcome == "":
            self.held[name] = [new]
            self.done[kind] += 1
        elif outcome is None:
            self.held[name] = [*self.held.get(name, [""]), new]
            self.done["cut off"] += 1
        else:
            self.done["refused"] += 1
            if "another process" not in outcome or "\n" in outcome.strip() or "Traceback" in outcome:
                self.faults.append(f"{kind} {name}: {outcome}")

    def request(self, method: str, path: str, **given: Any) -> httpx.Response | None:
        """Return the reply of the server, or nothing if it was killed meanwhile."""
        self.up.wait(60)
        kills = self.done["kill"]
        try:
            return httpx.request(method, f"{self.url}{path}", timeout=60, **given)
        except httpx.HTTPError as error:
            if self.up.is_set() and self.done["kill"] == kills:
                self.faults.append(f"{method} {path}: {error!r}")
            return None

    def put(self, random: Random, who: str) -> None:
        """Learn or forget a document through the server."""
        name, version = f"{who} {random.choice(PLACES)}.txt", random.randrange(len(PEOPLE))
        new = "" if self.held.get(name, [""]) != [""] and random.random() < 0.4 else text(name, version)
        given = {"name": name, "replace": "true"} if new else {"name": name}
        reply = self.request("PUT" if new else "DELETE", "/api/document", params=given, content=new)
        if reply is None:
            self.told("put", name, new, None)
        else:
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
        if outcome:  # the next sync learns it
            self.held[name] = [*self.held[name], new]

    def ask(self, random: Random, who: str) -> None:
        """Ask the server: the answer is a text that somebody wrote."""
        asked = {"question": question(place := random.choice(PLACES))}
        reply = self.request("POST", "/api/ask", json=asked)
        if reply is not None and reply.status_code != 200:
            self.faults.append(f"ask: {reply.text}")
        elif reply is not None and (found := reply.json())["found"]:
            self.answered(place, found["answer"]["text"])

    def ask_command(self, random: Random, who: str) -> None:
        """Ask the notes by a command."""
        asked = question(place := random.choice(PLACES))
        done = self._start("ask", str(self.home / "notes"), asked, "--json")
        if done.returncode:
            self.faults.append(f"ask: {done.stderr}")
        else:
            self.answered(place, json.loads(done.stdout)["answer"]["text"])

    def answered(self, place: str, said: str) -> None:
        """Check an answer: a note, or the text of a writer, is of the place."""
        texts = (text(place, version).strip() for version in range(len(PEOPLE)))
        if not said.strip().endswith(tuple(each.partition("the ")[2] for each in texts)):
            self.faults.append(f"ask {place}: {said!r}")
        self.done["ask"] += 1

    def _lior(self, *arguments: str) -> str:
        """What a command says when it fails; nothing when it does not."""
        done = self._start(*arguments)
        return done.stderr or f"exit code {done.returncode}" if done.returncode else ""

    def _start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = python("-m", "lior_cli.main", *arguments)
        return subprocess.run(
            command, cwd=self.home, capture_output=True, text=True, check=False, timeout=300
        )
