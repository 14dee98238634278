"""Many servers on one index in PostgreSQL: times of questions while documents are learned and forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import click
import httpx
import numpy as np

from lior_bench.serving import ask, served, words_of


async def change(urls: list[str], number: int, until: float, every: float, counts: Counter[str]) -> set[str]:
    """Learn and forget documents; return the names of the remaining ones."""
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
    """Return the documents of a server."""
    return {each["name"] for each in httpx.get(f"{url}/api/documents?count=1000").json()["documents"]}


async def measure(urls: list[str], count: int, seconds: float, every: float, pause: float) -> None:
    """Print times of questions and changes, and the lost documents."""
    words, times = words_of(urls[0]), list[float]()
    counts, before = Counter[str](), names(urls[0])
    until = time.monotonic() + seconds
    clients = [
        ask(urls[n % len(urls)], words, n, times, lambda: time.monotonic() < until, pause)
        for n in range(count)
    ]
    writers = [change(urls, number, until, every, counts) for number in range(2)]
    _, (one, two) = await asyncio.gather(asyncio.gather(*clients), asyncio.gather(*writers))
    held = before | one | two
    lost = sum(len(held ^ names(url)) for url in urls)
    spread = np.percentile(np.array(times) * 1000, [50, 95, 99, 100])
    rate = len(times) / seconds
    print(f"{len(urls)} servers, {count} clients: {len(times):,} questions, {rate:.0f} a second")
    print("milliseconds: median {:.0f}, 95 % {:.0f}, 99 % {:.0f}, longest {:.0f}".format(*spread))
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    print(f"{len(held)} documents at the end; lost or left over, over all servers: {lost}")


@click.command()
@click.argument("address")
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--servers", "count", default=4, show_default=True)
@click.option("--clients", default=32, show_default=True)
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--every", default=1.0, show_default=True, help="Seconds between the changes of a writer.")
@click.option("--pause", default=0.0, show_default=True, help="Mean seconds between a client's questions.")
def main(
    address: str, folder: Path, count: int, clients: int, seconds: float, every: float, pause: float
) -> None:
    """Put load on servers of one index in PostgreSQL.

    The index is a schema of its own, of FOLDER's texts, and is removed at the end. Each client asks one
    question after the other, as many of each server; two more learn documents and forget them. After each
    acknowledged change another server is asked at once: it must quote what was learned, and nothing that was
    forgotten. At the end the documents are counted.
    """
    schema = f"bench_{secrets.token_hex(4)}"
    joint = "&" if "?" in address else "?"
    try:
        index = ["--index", f"{address}{joint}schema={schema}", "--allow-edit"]
        with contextlib.ExitStack() as stack:  # the first server follows the folder
            started = [served(*([str(folder)] if n == 0 else []), *index) for n in range(count)]
            urls = [stack.enter_context(each)[0] for each in started]
            asyncio.run(measure(urls, clients, seconds, every, pause))
    finally:
        import psycopg

        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
