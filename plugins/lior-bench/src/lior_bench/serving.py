"""Load on a server: times, throughput, malformed requests, and memory under a mixture of all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import httpx

from lior.process import python
from lior_ask.languages.words import stop_words
from lior_bench import children

ENDINGS = (".txt", ".md", ".pdf", ".docx", ".eml", ".mbox", ".csv", ".html", ".ipynb", ".json", ".zip", "")
QUESTIONS = ("What is known of {}?", "Where is {} described?", "How does {} depend on {}?", "{} and {}")


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Context manager: the address of `lior serve` with these arguments, and its process."""
    command = python("-m", "lior_cli.main", "serve", *arguments, "--port", "0")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = next((each for each in process.stderr if " at http://" in each), "")
            if not line:
                raise SystemExit("the server did not start")
            yield line.split(" at ")[1].strip().rstrip("/"), process
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()  # the end of this block waits for it without a limit


@contextlib.contextmanager
def serving(run: Path, *flags: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Context manager: the same for a copy of a run."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(run, Path(folder) / run.name)
        with served(str(copy), *flags) as found:
            yield found


def words_of(url: str) -> list[str]:
    """Return words of the documents, for questions."""
    names = httpx.get(f"{url}/api/documents?count=60").json()["documents"]
    texts = [
        httpx.get(f"{url}/api/document", params={"name": each["name"]}).json()["lines"] for each in names
    ]
    found = {word.lower() for lines in texts for line in lines for word in re.findall(r"[A-Za-z]{5,}", line)}
    return sorted(found - stop_words("english"))  # a question of stop words alone is refused


def question(words: list[str], draw: random.Random) -> str:
    """Return a random question, which was hardly asked before."""
    form = draw.choice(QUESTIONS)
    return form.format(*draw.sample(words, form.count("{}")))


# --- speed ---


class Connection:
    """A persistent connection. It does as little as possible, since it shares the cores with the server."""

    def __init__(self, url: str) -> None:
        self._host, self._port = httpx.URL(url).host, httpx.URL(url).port

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    async def post(self, path: str, given: object) -> tuple[float, bytes]:
        """Return the seconds until the first byte of the reply's body, and the end of the body."""
        body = json.dumps(given).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        began = time.perf_counter()
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        found = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in found[:20]:
            raise SystemExit(f"{path}: {found[:40]!r}")
        length = re.search(rb"content-length: (\d+)", found)
        last = await self._reader.readexactly(int(length[1]) if length else 1)
        first = time.perf_counter() - began
        while not length and not last.endswith(b"0\r\n\r\n"):
            last = last[-8:] + await self._reader.read(1 << 16)
        return first, last


async def ask(
    url: str, words: list[str], number: int, times: list[float], goes_on: Callable[[], bool], pause: float = 0
) -> None:
    """Run one client and append the seconds of each of its questions to ``times``."""
    draw = random.Random(number)
    async with Connection(url) as server:
        await asyncio.sleep(pause * draw.random())
        while goes_on():
            began = time.perf_counter()
            await server.post("/api/ask", {"question": question(words, draw)})
            times.append(time.perf_counter() - began)
            await asyncio.sleep(2 * pause * draw.random())


async def asked(url: str, words: list[str], clients: int, count: int) -> tuple[list[float], float]:
    """Return the seconds of each of about ``count`` questions, and the total time."""
    times: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(
        *(ask(url, words, number, times, lambda: len(times) < count) for number in range(clients))
    )
    return sorted(times), time.perf_counter() - began


async def stream(url: str, clients: int, tokens: int) -> tuple[list[float], float]:
    """Return the seconds until each stream's first byte, and the tokens per second of all
    streams together.
    """
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Connection(url)) for _ in range(clients)]
        given: dict[str, object] = {"prompt": "The ", "max_tokens": tokens, "stream": True}
        began = time.perf_counter()
        found = await asyncio.gather(
            *(server.post("/v1/completions", given | {"seed": i}) for i, server in enumerate(servers))
        )
        return sorted(first for first, _ in found), clients * tokens / (time.perf_counter() - began)


def alone(run: Path, tokens: int) -> float:
    """Return the tokens per second of `lior generate`."""
    command = ["-m", "lior_cli.main", "generate", str(run), "--prompt", "The ", "--json"]
    found = children.run([*command, "--max-tokens", str(tokens), "--temperature", "1"]).answer
    return float(found["tokens"] / found["seconds"])


def cpu(process: subprocess.Popen[str]) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def speed(run: Path, tokens: int) -> None:
    """Print times of ask and of completions with ``tokens`` tokens."""
    with serving(run) as (url, process):
        words, state = words_of(url), httpx.get(f"{url}/api/state").json()
        print(
            f"{state['passages']:,} passages, retriever {state['retriever']}, load {os.getloadavg()[0]:.1f}"
        )
        asyncio.run(asked(url, words, 1, 20))
        for clients, count in ((1, 200), (32, 640)):
            before = cpu(process)
            times, seconds = asyncio.run(asked(url, words, clients, count))
            core = (cpu(process) - before) / len(times)
            print(
                f"ask, {clients} clients: median {1e3 * statistics.median(times):.1f} ms, 99th percentile "
                f"{1e3 * times[int(0.99 * len(times))]:.0f} ms, {len(times) / seconds:.0f} requests/s, "
                f"{1e3 * core:.1f} ms of a core each"
            )
        asyncio.run(stream(url, 1, 50))
        for clients in (1, 4, 8, 16):
            before = cpu(process)
            first, rate = asyncio.run(stream(url, clients, tokens))
            core = (cpu(process) - before) / (tokens * clients)
            print(
                f"completion, {clients} streams: first byte {1e3 * statistics.median(first):.0f} ms, "
                f"{rate:.0f} tokens/s together, {1e3 * core:.3f} ms of a core a token"
            )
    print(f"lior generate: {alone(run, tokens):.0f} tokens/s")


# --- malformed requests ---


def malformed(
    draw: random.Random, operations: list[tuple[str, str]]
) -> tuple[str, str, dict[str, str], bytes]:
    """Return method, address, headers and body of a request that is malformed in some way, or well-formed."""
    method, path = draw.choice(operations)
    values: tuple[object, ...] = (
        *(None, True, 0, -1, 1e308, 2**70, "", "x", "\0", "\ud800", "é" * 300, "the boiler", "a" * 20_000),
        *([], [[]], {}, {"a": []}, [1, 2], ["a", "b"], [[10**9]], {"type": "text"}),
        [{"role": "user", "content": "x"}],
    )
    names = """question top text prompt messages max_tokens n stop stream temperature logprobs echo seed input
        tokens passage document line count name offset model jsonrpc method params id top_p user""".split()  # noqa: SIM905
    given = {draw.choice(names): draw.choice(values) for _ in range(draw.randrange(6))}
    body = json.dumps(given).encode("utf-8", "surrogatepass")
    match draw.randrange(8):
        case 0:
            body = body[: draw.randrange(len(body) + 1)]
        case 1:
            body = draw.randbytes(draw.randrange(200))
        case 2:
            body = b"[" * draw.randrange(50_000)
    query = "&".join(
        f"{draw.choice(names)}={draw.choice(('', '1', '-1', '%00', '%ff', 'x' * 600))}" for _ in range(2)
    )
    if method == "PUT" and draw.random() < 0.8:  # so that documents are learned and replaced
        query = f"name={draw.choice(('a', 'b', 'c'))}{draw.choice(ENDINGS)}&replace={draw.choice(('0', '1'))}"
    kind = draw.choice(("application/json",) * 6 + ("text/plain", "application/json; charset=utf-16", "\x7f"))
    headers = {"Content-Type": kind, "Accept": "application/json, text/event-stream"}
    if draw.random() < 0.1:
        headers[draw.choice(("Host", "Origin", "Authorization", "Sec-Fetch-Site", "mcp-session-id"))] = (
            "\x7f.x"
        )
    target = path.replace("{name}", draw.choice(("x", "..", "%2e%2e", "%00", "a/b")))
    return method, f"{target}?{query}" if method == "PUT" or draw.random() < 0.5 else target, headers, body


def fuzz(run: Path, count: int) -> None:
    """Print how requests were answered; exit with 1 if any got 5xx."""
    statuses: Counter[int] = Counter()
    with serving(run, "--allow-edit") as (url, _), httpx.Client(base_url=url, timeout=120) as http:
        paths = http.get("/openapi.json").json()["paths"]
        operations = [(method.upper(), path) for path, entry in paths.items() for method in entry]
        operations += [("GET", path) for path in ("/", "/documents", "/document", "/static/{name}", "/docs")]
        operations += [("PATCH", "/"), ("X", "/api/ask"), *((m, "/mcp") for m in ("POST", "GET", "DELETE"))]
        for number in range(count):
            draw = random.Random(number)
            method, path, headers, body = malformed(draw, operations)
            try:
                reply = http.request(method, path, headers=headers, content=body)
            except httpx.HTTPError as error:  # the client refuses to send it, or the server to continue
                statuses[0] += 1
                if not isinstance(error, httpx.LocalProtocolError | httpx.InvalidURL):
                    print(number, type(error).__name__, method, path, flush=True)
                continue
            statuses[reply.status_code] += 1
            if number % 500 == 499:
                print(f"{number + 1}: {dict(statuses)}", flush=True)
            if reply.status_code >= 500 and reply.status_code != 501:
                print(number, reply.status_code, method, path, body[:200], reply.text[:200], flush=True)
    print(", ".join(f"{status}: {many}" for status, many in sorted(statuses.items())))
    if any(status >= 500 and status != 501 for status in statuses):
        raise SystemExit(1)


# --- a long mixture ---


async def leave(http: httpx.AsyncClient, draw: random.Random, asked: str, *, completes: bool) -> None:
    """Leave in the middle of a request's body or of the streamed reply."""
    if draw.random() < 0.5:
        _, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        begin = draw.choice((b"POST /api/ask", b"PUT /api/document?name=x"))
        head = b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(begin + head + b"Content-Length: 900\r\n\r\n{")
        await writer.drain()
        writer.close()
        return
    path = "/v1/completions" if completes else "/v1/chat/completions"
    said = [{"role": "user", "content": asked}]
    given = {"prompt": "x", "max_tokens": 4000} if completes else {"messages": said}
    async with http.stream("POST", path, json=given | {"stream": True}):
        raise httpx.TransportError("left")


def _kinds(url: str) -> dict[str, int]:
    """Return the weights of the kinds of requests that a server can answer."""
    kinds = {"ask": 50, "chat": 12, "leave": 8, "broken": 8}
    if httpx.get(f"{url}/api/state").json()["model"]:
        kinds |= {"complete": 8, "score": 4, "learn": 3, "forget": 2}
    return kinds


def _request(what: str, words: list[str], draw: random.Random) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a request that changes nothing; ``broken`` is malformed."""
    if what == "ask":
        return "/api/ask", {"json": {"question": question(words, draw)}}
    if what == "complete":
        return "/v1/completions", {"json": {"prompt": "The ", "max_tokens": draw.randrange(60)}}
    if what == "chat":
        said = [{"role": "user", "content": question(words, draw)} for _ in range(draw.randrange(1, 4))]
        return "/v1/chat/completions", {"json": {"messages": said, "stream": draw.random() < 0.5}}
    if what == "score":
        return "/api/score", {"json": {"text": " ".join(draw.choices(words, k=50))}}
    return "/api/ask", {"content": draw.randbytes(30), "headers": {"Content-Type": "application/json"}}


async def mix(url: str, most: int) -> tuple[Counter[str], dict[str, str]]:
    """Return the outcomes of ``most`` requests by clients, and the documents that must exist at the end."""
    kinds = _kinds(url)
    words, told, held = words_of(url), Counter[str](), dict[str, str]()

    async def client(number: int) -> None:
        draw = random.Random(number)
        while sum(told.values()) < most:
            async with httpx.AsyncClient(base_url=url, timeout=600) as http:
                with contextlib.suppress(httpx.TransportError):
                    for _ in range(20):
                        await one(http, number, draw)

    async def one(http: httpx.AsyncClient, number: int, draw: random.Random) -> None:
        what = draw.choices([*kinds], [*kinds.values()])[0]
        mine = [name for name in held if name.startswith(f"{number}-")]
        if what == "leave":
            told[what] += 1
            await leave(http, draw, question(words, draw), completes="complete" in kinds)
            return
        if what == "learn" and len(mine) < 6:
            name, text = f"{number}-{draw.randrange(10**9)}.txt", " ".join(draw.choices(words, k=40)) + "."
            reply = await http.put("/api/document", params={"name": name}, content=text)
            if reply.status_code == 200:
                held[name] = text
        elif what == "forget" and mine:
            name = draw.choice(mine)
            reply = await http.delete("/api/document", params={"name": name})
            if reply.status_code == 200:
                del held[name]
        else:
            what = "broken" if what in ("learn", "forget") else what
            path, body = _request(what, words, draw)
            reply = await http.post(path, **body)
        told[f"{what} {reply.status_code}"] += 1

    await asyncio.gather(*map(client, range(8)))
    return told, held


def memory(run: Path, count: int) -> None:
    """Print the memory after a tenth of ``count`` mixed requests and after all; exit with 1 if it grew by a
    tenth.
    """
    flags = ("--allow-edit",) if (run / "config.toml").is_file() else ()
    with serving(run, *flags) as (url, process):
        sizes = []
        for part in (count // 10, count - count // 10):
            told, held = asyncio.run(mix(url, part))
            for name in held:  # so that the same amount is served at both times
                httpx.delete(f"{url}/api/document", params={"name": name}, timeout=600)
            sizes.append(resident(process))
            print(f"{sizes[-1]:.0f} MiB after {sum(told.values()):,} more: {dict(sorted(told.items()))}")
    if sizes[1] > 1.1 * sizes[0]:
        raise SystemExit(1)


def resident(process: subprocess.Popen[str]) -> float:
    """Return the memory of a process in MiB."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 / 2**20


@click.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.argument("what", type=click.Choice(("speed", "fuzz", "memory")))
@click.option("--count", default=5000, show_default=True, help="Of requests: fuzz, memory.")
@click.option("--tokens", default=2000, show_default=True, help="Of a completion: speed.")
def main(run: Path, what: str, count: int, tokens: int) -> None:
    """Put load on a server of a copy of RUN, in a process of its own.

    speed: times of ask and of completions, one client and many. fuzz: malformed requests, none of which may
    be answered with 5xx. memory: after a tenth of so many mixed requests, with learning and forgetting, and
    after all; RUN may be a folder.
    """
    if what == "speed":
        speed(run, tokens)
    else:
        (fuzz if what == "fuzz" else memory)(run, count)
