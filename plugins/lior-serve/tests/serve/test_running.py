"""The commands: a server is found, stops in time, and loses nothing that it acknowledged."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import lior
from lior_ask.cli.transport import make_private, socket_file
from lior_serve.cli.serving import _listening, _local_socket
from lior_serve.limits import Settings
from lior_serve.run import NOTE
from serve.servers import PLAN, running

COMPILED = {name: os.environ.get(name, "") for name in ("XDG_CACHE_HOME",)}
"""Where compiled code is kept; a server would take half a minute to make it anew."""


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A runtime folder of the tests, short enough for a socket."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lior") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield Path(folder)


# --- the socket file ---


def test_lior_ask_uses_the_server(trained, runtime, command):
    question = "When is the boiler serviced?"
    alone = command("ask", trained, question, "--json")
    with _local_socket(trained) as local, running(trained, local=local):
        served = command("ask", trained, question, "--json")
        printed = command("ask", trained, question)
        again = command("ask", question)
        missing = command("ask", trained, "what is the")
        nothing = command("ask", trained, "quantum chromodynamics")
    assert json.loads(served.out) == json.loads(alone.out)
    assert "house.md:3" in printed.out
    assert again.out == printed.out
    assert missing.code == 2
    assert "no word to look for" in missing.err
    assert nothing.code == 1
    assert not socket_file(trained).exists()


def test_the_server_is_asked_without_numpy(trained, runtime):
    code = (
        "import sys; from lior_cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'numpy', 'torch', 'starlette', 'sqlite3', 'lior.api', 'lior.runs', 'lior_ask.api'};"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}; sys.exit(code)"
    )
    with _local_socket(trained) as local, running(trained, local=local):
        found = subprocess.run(
            [sys.executable, "-c", code, "ask", str(trained), "When is the boiler serviced?"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert found.returncode == 0, found.stderr
    assert "October" in found.stdout


def test_replies_on_a_connection_that_is_kept_do_not_wait(trained):
    """asyncio turns Nagle's algorithm off only where the protocol is named; else a reply may take 40 ms."""
    with _listening(Settings(paths=(trained,), port=0)) as (address, _):
        assert address.proto == socket.IPPROTO_TCP


def test_a_socket_file_that_was_left_behind_is_no_server(trained, runtime, command):
    make_private(socket_file(trained).parent)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(socket_file(trained)))
    assert "October" in command("ask", trained, "When is the boiler serviced?").out
    with _local_socket(trained) as local:
        assert local is not None


def test_a_second_server_of_a_run_leaves_the_socket_to_the_first(trained, runtime):
    with _local_socket(trained) as first:
        first.listen()
        with _local_socket(trained) as second:
            assert second is None
        assert socket_file(trained).exists()


def test_a_folder_that_others_may_write_to_is_not_used(trained, runtime):
    folder = socket_file(trained).parent
    make_private(folder)
    folder.chmod(0o777)
    with _local_socket(trained) as local:
        assert local is None
    assert folder.stat().st_mode & 0o777 == 0o777


def test_no_token_is_needed_by_the_socket_file(trained, runtime, command):
    with _local_socket(trained) as local, running(trained, local=local, token="a-token-of-many-letters"):
        assert "October" in command("ask", trained, "When is the boiler serviced?").out


# --- the command ---


def test_what_cannot_be_served_is_told(command, trained, tmp_path):
    assert "LIOR_TOKEN" in command("serve", trained, "--host", "0.0.0.0", "--port", 0).err
    assert "--allow-edit" in command("serve", trained, "--sync", tmp_path).err
    empty = tmp_path / "token"
    empty.write_text("\n")
    assert "no token in there" in command("serve", trained, "--token-file", empty).err
    assert "no such file or folder" in command("serve", tmp_path / "nothing", "--port", 0).err
    with _listening(Settings(paths=(trained,), port=0)) as (address, port):
        address.listen()
        assert "give another --port" in command("serve", trained, "--port", port).err


@contextlib.contextmanager
def started(run, *flags):
    """`lior serve` as a process, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lior_cli.main", "serve", str(run), "--port", "0", *flags],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **COMPILED},
    )
    told = []
    try:
        for line in process.stderr:
            told.append(line)
            if " at http://" in line:
                break
        yield process, told[-1].split(" at ")[1].strip(), told
    finally:
        process.kill()
        process.wait()


ENDED = '"finish_reason": "length"'
"""In a stream of tokens: all that were asked for were sent."""


def learn(client, name, text="The key of the observatory hangs behind the blue clock."):
    return client.put("/api/document", params={"name": name}, content=text.encode())


@pytest.mark.slow
def test_sigterm_ends_a_reply_and_loses_nothing(copied, runtime):
    with (
        started(copied, "--allow-edit") as (process, url, _),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        assert learn(client, "key.txt").status_code == 200
        asked = {"prompt": PLAN, "max_tokens": 4, "stream": True, "temperature": 3}
        whole = client.post("/v1/completions", json=asked)
        with client.stream("POST", "/v1/completions", json=asked | {"max_tokens": 4096, "n": 16}) as reply:
            lines = reply.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            sent = ""
            with contextlib.suppress(httpx.HTTPError):  # it is cut off
                for line in lines:
                    sent += line
            process.wait(60)
        assert ENDED in whole.text
        assert ENDED not in sent
        assert process.returncode == 0
    assert not socket_file(copied).exists()
    assert "key.txt" in {d.name for d in lior.load(copied).documents()}


@pytest.mark.parametrize("moment", ["ready", "run"])
def test_sigterm_ends_a_server_that_only_begins(tmp_path, moment):
    """When it has said its address, and when uvicorn is about to handle signals."""
    program = """
import os, signal, sys
from pathlib import Path
from lior_serve.cli import serving
from lior_serve.limits import Settings

def end(moment):
    if moment == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGTERM)

run = serving._Runner.run
serving._Runner.run = lambda *args, **options: (end("run"), run(*args, **options))
serving.serve(Settings(paths=(Path(sys.argv[1]),), port=0), lambda server, address: end("ready"))
"""
    (tmp_path / "clock.md").write_text("The clock of the tower is wound on Mondays.\n")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), moment],
        env=os.environ | {"LIOR_EMBEDDER": ""},
        capture_output=True,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
def test_kill_while_learning_loses_at_most_that_document(copied, runtime):
    acknowledged = []
    with started(copied, "--allow-edit") as (process, url, _):
        with httpx.Client(base_url=url, timeout=30) as client, contextlib.suppress(httpx.HTTPError):
            for number in range(100):
                if number == 3:
                    import threading

                    threading.Timer(0.12, process.kill).start()
                learn(client, f"key {number}.txt").raise_for_status()
                acknowledged.append(f"key {number}.txt")
        process.wait()
    noted = json.loads((copied / NOTE).read_text())["learn"] if (copied / NOTE).exists() else []
    names = {d.name for d in lior.load(copied).documents()}
    assert set(acknowledged) <= names
    assert len([name for name in names if name.startswith("key")]) <= len(acknowledged) + 1
    with started(copied) as (_, url, told):
        assert httpx.get(f"{url}healthz").text == "ok\n"
    lost = [name for name in noted if name not in names]
    assert [name for name in lost if not any(name in line for line in told)] == []
