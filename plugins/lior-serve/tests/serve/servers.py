"""Servers in this process, on ports of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
from pathlib import Path

import attrs
import httpx
import pytest
import uvicorn

import lior
from lior_serve.cli.serving import configure, open_server
from lior_serve.limits import Limits, Settings

PLAN = "The launch of the great balloon is on the fourth of May.\n"
TEXTS = {
    "plan.txt": PLAN,
    "house.md": "# House\n\nThe boiler is serviced in October.\n\nThe car is serviced in May.\n",
    "evil.md": "# <script>alert(1)</script>\n\nThe <img src=x onerror=alert(2)> picture hangs in the hall.\n",
    **{f"note {i}.txt": f"Note {i}: the meeting of group {i} is in room {i + 20}.\n" * 3 for i in range(12)},
}


@pytest.fixture(scope="package", autouse=True)
def _words_alone():
    """The retriever without an encoder; as where it is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lior_ask.api.default_embedder", lambda: os.environ.get("LIOR_EMBEDDER", ""))
        yield


@pytest.fixture(scope="package")
def trained(tmp_path_factory):
    """A run that quotes what it read once. Copy it to change it."""
    out = tmp_path_factory.mktemp("served") / "notes"
    lior.train(
        documents=TEXTS,
        out=out,
        memory="sdm,match",
        fit={"passes": 0},
        geometry={"updates": 4},
        data={"holdout": 0.05},
    )
    return out


@attrs.frozen
class Live:
    """A server that runs."""

    url: str
    port: int
    server: object
    runner: uvicorn.Server

    @property
    def client(self):
        return httpx.Client(base_url=self.url, timeout=20)


@contextlib.contextmanager
def running(*paths: Path, local=None, **settings):
    """A server of the run or folders at ``paths``."""
    limits = settings.pop("limits", Limits(shutdown_timeout=1))
    server = open_server(Settings(paths=paths, limits=limits, **settings))
    runner = uvicorn.Server(configure(server))
    sockets = [socket.create_server(("127.0.0.1", 0)), *([local] if local else [])]
    port = sockets[0].getsockname()[1]
    thread = threading.Thread(target=runner.run, kwargs={"sockets": sockets}, daemon=True)
    thread.start()
    while not runner.started:
        time.sleep(0.005)
    try:
        yield Live(f"http://127.0.0.1:{port}", port, server, runner)
    finally:
        runner.should_exit = True
        closed = server.close(60)  # on a busy machine what began takes its time
        thread.join(60)
        assert closed
        assert not thread.is_alive()  # what it prints would stand in the output of another test


@pytest.fixture(scope="package")
def live(trained):
    """A server that only reads."""
    with running(trained) as found:
        yield found


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    """The same texts as a folder, which was never trained on. Copy it to change it."""
    found = tmp_path_factory.mktemp("texts") / "notes"
    found.mkdir()
    for name, text in TEXTS.items():
        (found / name).write_text(text)
    return found


@pytest.fixture(scope="package")
def serves_folder(folder):
    """A server of the folder."""
    with running(folder) as found:
        yield found


@pytest.fixture(scope="package")
def of_folder(serves_folder):
    """A client of it."""
    with serves_folder.client as client:
        yield client


@pytest.fixture(scope="package")
def http(live):
    """A client of it."""
    with live.client as client:
        yield client


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the run."""
    return Path(shutil.copytree(trained, tmp_path / "notes"))


@pytest.fixture
def editable(copied):
    """A server that may be edited."""
    with running(copied, editable=True) as found:
        yield found
