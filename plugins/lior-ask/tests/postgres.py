"""A PostgreSQL server of the tests' own, where the system has one."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest


def programs() -> Path:
    """The folder of the server's programs; the test is skipped where there is none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'lior-ask[postgres]'")
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        known.insert(0, Path(found).parent)
    if not known:
        pytest.skip("no PostgreSQL server is installed: apt install postgresql")
    return known[0]


@attrs.frozen
class Server:
    """A server that runs, on a port of its own."""

    bin: Path
    data: Path
    port: int
    user: str
    """Who runs it: it refuses to be run by root."""

    @property
    def address(self) -> str:
        """Of a database; a schema may be added."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def do(self, *command: str) -> None:
        """Run a program of the server."""
        user = {"user": self.user, "cwd": self.data} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            **user,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it is there."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self.data}"
        self.do(
            "pg_ctl", "-D", str(self.data / "db"), "-l", str(self.data / "log"), "-w", "-o", options, "start"
        )

    def stop(self) -> None:
        """End it at once, as a machine that fails."""
        self.do("pg_ctl", "-D", str(self.data / "db"), "-w", "-m", "immediate", "stop")


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server that is removed at the end."""
    folder = programs()
    with (
        tempfile.TemporaryDirectory(prefix="lior-postgres-") as place,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        port = free.getsockname()[1]
        free.close()
        user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        found = Server(folder, Path(place), port, user)
        if os.geteuid() == 0:
            shutil.chown(place, user)
        found.do("initdb", "-D", f"{place}/db", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
        found.start()
        try:
            yield found
        finally:
            with contextlib.suppress(AssertionError):  # the test may have stopped it
                found.stop()
            time.sleep(0.05)
