"""The process that the simulation crashes: it learns, forgets, syncs, asks and serves as it is told."""

from __future__ import annotations

import ctypes
import os
import traceback
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import lior
import lior_ask
from lior.errors import LiorError
from lior_ask.answer.selection import Answer
from lior_bench.attack.disk import Disk


class Player:
    """What is done in the process; each method is one command of the simulation."""

    def __init__(self, notes: Path, run: Path) -> None:
        self.notes, self.run = notes, run
        self._index: Any = None

    @property
    def index(self) -> lior_ask.Index:
        """The index of the notes, brought up to date."""
        if self._index is None:
            self._index = opened(self.notes)
        else:
            self._index.update()
        return self._index

    def state(self) -> tuple[dict[str, str], bool]:
        """The documents with their texts, and whether they are kept on the disk."""
        index = self.index
        texts = {name: "".join(p.text for p in index.of_document(name)) for name in index.documents}
        return texts, self._kept

    @property
    def _kept(self) -> bool:
        """Whether nothing was said against it."""
        return not any("cannot be kept" in note for note in self._index.notes)

    def ask(self, question: str) -> str:
        """The sentence that answers; empty where none does."""
        return told(self.index.ask(question))

    def learn(self, name: str, text: str) -> bool:
        """Learn a text beside the notes; whether it is kept."""
        self.index.learn(name, text)
        return self._kept

    def forget(self, name: str) -> bool:
        """Forget it; whether this is kept."""
        self.index.forget(name)
        return self._kept

    def close(self) -> None:
        """Open the index anew with the next command."""
        if self._index is not None:
            self._index.content.database.close()
        self._index = None

    # --- a run ---

    def run_state(self) -> dict[str, str]:
        """The documents of the run with their texts."""
        run = lior.load(self.run)
        return {each.name: b"".join(run.text(each.name)).decode() for each in run.documents()}

    def run_ask(self, question: str) -> str:
        """The sentence of the run that answers."""
        return told(lior.load(self.run).ask(question))

    def run_learn(self, name: str, text: str) -> None:
        """Learn a text and save the run."""
        run = lior.load(self.run)
        run.learn({name: text})
        run.save()

    def run_forget(self, name: str) -> None:
        """Forget it and save the run."""
        run = lior.load(self.run)
        run.forget(name)
        run.save()

    def run_sync(self) -> None:
        """Sync the run with the notes."""
        lior.load(self.run).sync(self.notes)

    # --- a server ---

    def _served(self, method: str, path: str, **given: Any) -> Any:
        """Return the reply of a server of the run to one request."""
        from starlette.testclient import TestClient

        from lior_serve.app import build
        from lior_serve.cli.serving import open_server
        from lior_serve.limits import Settings

        server = open_server(Settings(paths=(self.run,), editable=True))
        try:
            with TestClient(build(server), base_url="http://localhost") as client:
                reply = client.request(method, path, **given)
        finally:
            server.close(5)
        if reply.status_code >= 500:
            raise LiorError(reply.json()["error"]["message"])
        assert reply.status_code < 400, f"{reply.status_code}: {reply.text}"
        return reply.json()

    def serve_learn(self, name: str, text: str) -> None:
        """Learn a text through a server."""
        self._served("PUT", "/api/document", params={"name": name}, content=text)

    def serve_forget(self, name: str) -> None:
        """Forget it through a server."""
        self._served("DELETE", "/api/document", params={"name": name})

    def serve_ask(self, question: str) -> str:
        """The sentence with which a server answers."""
        answer = self._served("POST", "/api/ask", json={"question": question})
        return answer["answer"]["text"].strip() if answer["found"] else ""


def opened(*notes: Path, retriever: str | None = "settle") -> lior_ask.Index:
    """An index that compares words alone."""
    return lior_ask.Index(*notes, retriever=retriever, embedder="")


def told(answer: Answer) -> str:
    """The sentence that is quoted; empty where none is."""
    return answer.answer.text.strip() if answer.answer else ""


class Process:
    """A process with a :class:`Player` in it, below whose root the disk decides."""

    def __init__(self, disk: Disk, notes: Path, run: Path) -> None:
        self._ours, theirs = Pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                self._ours.close()
                paths = (os.fsencode(each) for each in (disk.root, disk.shared, disk.log))
                if ctypes.CDLL(None).arm(*paths):
                    raise OSError("the library disk.so cannot be used")
                _play(Player(notes, run), theirs)
            finally:
                os._exit(1)
        theirs.close()

    def do(self, command: str, *values: str) -> tuple[str, Any]:
        """``("done", value)``, ``("refused", message)``, ``("defect", traceback)`` or ``("ended", code)``."""
        try:
            self._ours.send((command, values))
            outcome: tuple[str, Any] = self._ours.recv()
        except (EOFError, OSError):
            outcome = "ended", self.end()
        return outcome

    def end(self) -> int:
        """End it where it is; the code of its end."""
        self._ours.close()
        os.kill(self.pid, 9)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _play(player: Player, pipe: Any) -> None:
    while True:
        command, values = pipe.recv()
        try:
            outcome = "done", getattr(player, command)(*values)
        except LiorError as error:
            outcome = "refused", str(error)
        except Exception:
            outcome = "defect", traceback.format_exc()
        pipe.send(outcome)
