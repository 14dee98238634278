"""Many servers on one index in PostgreSQL: times of questions while documents are learned and forgotten.

python -m lior_bench.sharing postgresql://user@host/database FOLDER [--servers 4] [--clients 32]

The index is a schema of its own, of FOLDER's texts, and is removed at the end. Each client asks one question
after the other, as many of each server; two more learn documents and forget them. After each acknowledged
change another server is asked at once: it must quote what was learned, and nothing that was forgotten. At the
end the documents are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np

from lior_bench.serving import Connection, question, words_of


@contextlib.contextmanager
def servers(address: str, folder: Path, count: int) -> Iterator[list[str]]:
    """The addresses of `lior serve --index`; the first follows the folder."""
    processes, found = list[subprocess.Popen[str]](), list[str]()
    try:
        for number in range(count):
            where = [str(folder)] if number == 0 else []
            command = [sys.executable, "-m", "lior_cli.main", "serve", *where, "--index", address]
            process = subprocess.Popen(
                [*command, "--allow-edit", "--port", "0"], stderr=subprocess.PIPE, text=True
            )
            processes.append(process)
            assert process.stderr is not None
            line = next((each for each in process.stderr if " at http://" in each), "")
            if not line:
                raise SystemExit("a server did not start")
            found.append(line.split(" at ")[1].strip().rstrip("/"))
        yield found
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


async def ask(
    url: str, words: list[str], number: int, until: float, pause: float, times: list[float]
) -> None:
    """One client of a server; each of its questions was hardly asked before."""
    draw = random.Random(number)
    async with Connection(url) as server:
        await asyncio.sleep(pause * draw.random())
        while time.monotonic() < until:
            began = time.perf_counter()
            await server.post("/api/ask", {"question": question(words, draw)})
            times.append(time.perf_counter() - began)
            await asyncio.sleep(2 * pause * draw.random())


async def change(
    urls: list[str], number: int, until: float, every: float, counts: dict[str, int]
) -> set[str]:
    """Learn and forget documents; the names of those that are left."""
    draw, held, made = random.Random(number), set[str](), 0
    async with httpx.AsyncClient(timeout=60) as client:

        async def asked(name: str, text: str) -> bool:
            wanted = {"question": f"Where does the key of keeper {name} hang?"}
            found = (await client.post(f"{draw.choice(urls)}/api/ask", json=wanted)).json()
            return any(text in passage["text"] for passage in found["passages"])

        while time.monotonic() < until:
            began, url = time.monotonic(), draw.choice(urls)
            if held and draw.random() < 0.4:
                name = draw.choice(sorted(held))
                reply = await client.delete(f"{url}/api/document?name={quote(name)}")
                held.discard(name)
                counts["forgotten"] += reply.status_code == 200
                counts["quoted after it was forgotten"] += await asked(name, f"of keeper {name} ")
            else:
                name, made = f"keeper{number}x{made}", made + 1
                text = f"The key of keeper {name} hangs behind clock {made}.\n"
                reply = await client.put(f"{url}/api/document?name={quote(name)}", content=text.encode())
                held.add(name)
                counts["learned"] += reply.status_code == 200
                counts["not found after it was learned"] += not await asked(name, f"of keeper {name} ")
            counts["refused"] += reply.status_code != 200
            await asyncio.sleep(max(0.0, every - (time.monotonic() - began)))
    return held


def names(url: str) -> set[str]:
    """The documents of a server."""
    return {each["name"] for each in httpx.get(f"{url}/api/documents?count=1000").json()["documents"]}


async def measured(urls: list[str], options: argparse.Namespace) -> None:
    """Print times of questions, changes, and what was lost."""
    words, times = words_of(urls[0]), list[float]()
    what = (
        "learned",
        "forgotten",
        "refused",
        "not found after it was learned",
        "quoted after it was forgotten",
    )
    counts, before = dict.fromkeys(what, 0), names(urls[0])
    until = time.monotonic() + options.seconds
    clients = [
        ask(urls[number % len(urls)], words, number, until, options.pause, times)
        for number in range(options.clients)
    ]
    writers = [change(urls, number, until, options.every, counts) for number in range(2)]
    _, (one, two) = await asyncio.gather(asyncio.gather(*clients), asyncio.gather(*writers))
    held = before | one | two
    lost = sum(len(held ^ names(url)) for url in urls)
    spread = np.percentile(np.array(times) * 1000, [50, 95, 99, 100])
    rate = len(times) / options.seconds
    print(f"{len(urls)} servers, {options.clients} clients: {len(times):,} questions, {rate:.0f} a second")
    print("milliseconds: median {:.0f}, 95 % {:.0f}, 99 % {:.0f}, longest {:.0f}".format(*spread))
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    print(f"{len(held)} documents at the end; lost or left over, over all servers: {lost}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between the changes of a writer")
    parser.add_argument("--pause", type=float, default=0.0, help="mean seconds between a client's questions")
    options = parser.parse_args()
    schema = f"bench_{secrets.token_hex(4)}"
    joint = "&" if "?" in options.address else "?"
    try:
        with servers(f"{options.address}{joint}schema={schema}", options.folder, options.servers) as urls:
            asyncio.run(measured(urls, options))
    finally:
        import psycopg

        with psycopg.connect(options.address, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


if __name__ == "__main__":
    main()
