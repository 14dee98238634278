"""Two servers and two commands change one run at once: none is refused, all is there, once and whole."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter

import httpx
import pytest

import lior
from serve.servers import running


@pytest.mark.parametrize(
    "rounds", [pytest.param(2, marks=pytest.mark.slow), pytest.param(25, marks=pytest.mark.exhaustive)]
)
def test_every_change_is_there(copied, rounds):
    """Each writer has names of its own, so that it knows of each what was told last."""
    held: dict[str, str] = {}
    made: list[str] = []

    def text(name, number):
        return "".join(f"The key {number} of {name} hangs behind clock {line}.\n" for line in range(9))

    def server(who, client):
        draw = random.Random(who)
        for number in range(rounds):
            name = f"{who}-{draw.randrange(max(rounds // 4, 2))}.txt"
            if name in held and draw.random() < 0.5:
                reply, new = client.delete("/api/document", params={"name": name}), ""
            else:
                new = text(name, number)
                reply = client.put("/api/document", params={"name": name, "replace": True}, content=new)
            told(name, new, reply.status_code == 200, reply.text)

    def command(who):
        for number in range(rounds):
            file = copied.parent / f"{who}-{number}.txt"
            file.write_text(text(file.name, number))
            done = subprocess.run(
                [sys.executable, "-m", "lior_cli.main", "learn", str(copied), file.name],
                cwd=copied.parent,
                capture_output=True,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                check=False,
            )
            told(file.name, file.read_text(), done.returncode == 0, done.stderr)

    def told(name, new, acknowledged, said):
        assert acknowledged, said
        made.append(name)
        if new:
            held[name] = new
        else:
            del held[name]

    failed: list[BaseException] = []

    def caught(work, *args):
        try:
            work(*args)
        except BaseException as error:
            failed.append(error)

    with (
        running(copied, editable=True) as one,
        running(copied, editable=True) as two,
        httpx.Client(base_url=one.url, timeout=120) as first,
        httpx.Client(base_url=two.url, timeout=120) as second,
    ):
        work = [(server, "a", first), (server, "b", second), (command, "c"), (command, "d")]
        threads = [threading.Thread(target=caught, args=each) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    assert len(made) == 4 * rounds
    run = lior.load(copied)
    names = Counter(each.name for each in run.documents() if each.name[1] == "-")
    assert names == Counter(held.keys())
    for name, expected in held.items():
        assert run.text(name) == [expected.encode()]
