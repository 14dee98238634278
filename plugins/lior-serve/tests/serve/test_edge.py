"""Any header, field or message is answered: by what was asked for, or by a refusal in the protocol's form."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lior_serve.cli.serving import open_server
from lior_serve.limits import Limits, Settings
from lior_serve.messages import refusal
from serve.calling import BEGIN, HOST, JSON, MODERN, Reply, application, call, message, talk

FEW = settings(
    max_examples=5,
    suppress_health_check=[*HealthCheck],
    phases=[Phase.explicit, Phase.generate],
)  # what fails is one request of many: to shrink all of them takes minutes
AT_ONCE = 50
"""Requests or messages of an example."""


@pytest.fixture(scope="module")
def server(folder):
    """A server that reads; a token is in another one."""
    found = open_server(Settings(paths=(folder,)))
    yield found
    assert found.close(60)


# --- what is drawn ---

_PARTS = b"""
    localhost 127.0.0.1 [::1] [ ] : 80 @ x // / http:// https:// null %00 % , ; = q= application/json
    text/event-stream */* bWU6eA== 2025-06-18 2026-07-28 -1 1e9 bytes=0- same-origin navigate document
    tools/call ask close upgrade
"""
PARTS = st.sampled_from(
    [*_PARTS.split(), b"\xff", b"\xc3\xa9", b"Bearer ", b"Basic ", b"9" * 30, b'"', b"\t", b" "]
)
VALUES = st.lists(PARTS | st.binary(max_size=4), max_size=5).map(b"".join)
NAMES = st.sampled_from(
    b"""
    host origin accept content-type content-length authorization sec-fetch-site sec-fetch-mode
    sec-fetch-dest cookie if-none-match range mcp-protocol-version mcp-session-id mcp-method mcp-name
    last-event-id x-forwarded-for forwarded te transfer-encoding expect connection upgrade
    accept-encoding referer user-agent
    """.split()
)
_PATHS = """
    / /documents /document /docs /opensearch.xml /static/page.js /static/x /healthz /metrics
    /openapi.json /api/state /api/ask /api/show /api/confirm /api/documents /api/document /api/nothing
    /v1/models /v1/models/x /v1/chat/completions /v1/responses /v1/embeddings /mcp /mcp/ // *
"""
PATHS = st.sampled_from([*_PATHS.split(), "/\x00", "/é", ""])
_FIELDS = """
    question history top lines state sender after before kind path document line column text passage
    good search offset count name model messages role content input instructions previous_response_id
    encoding_format dimensions stream n stream_options uri arguments cursor _meta protocolVersion
    capabilities clientInfo version progressToken level ref argument
"""
FIELDS = st.sampled_from(_FIELDS.split())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 60),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "When is the boiler serviced?",
            "house.md",
            "lior://documents/house.md",
            "lior://",
            "\ud800",
            "2025-13-40",
            "2025-03-01",
            "user",
            "notes",
            "ask",
            "get",
            "docs",
            "x" * 600,
            "\0",
            "2025-06-18",
        ]
    ),
)
VALUE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=6,
)
FORMS = st.dictionaries(FIELDS, VALUE, max_size=5)
ASKED = st.one_of(
    st.just({"question": "When is the boiler serviced?"}),
    FORMS.map(lambda form: {"question": "When is the boiler serviced?"} | form),
)
_METHODS = """
    initialize ping tools/list tools/call resources/list resources/read prompts/list prompts/get
    resources/templates/list completion/complete logging/setLevel server/discover resources/subscribe
    resources/unsubscribe subscriptions/listen notifications/initialized notifications/progress
    rpc.discover
"""
METHODS = st.sampled_from([*_METHODS.split(), "", "\x00"])
TOOL = st.fixed_dictionaries(
    {"name": st.sampled_from(["ask", "get", "docs", "no"]), "arguments": ASKED | FORMS}
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0", 2, None]),
        "id": st.integers(0, 9**9) | SCALARS,
        "method": METHODS | SCALARS,
        "params": TOOL | FORMS | VALUE,
        "result": VALUE,
        "error": VALUE,
    },
)
SILENT = st.fixed_dictionaries({"jsonrpc": st.just("2.0"), "method": METHODS}, optional={"params": FORMS})
ENVELOPED = FORMS.map(lambda form: form | {"_meta": MODERN})
"""Params of the protocol without a handshake."""
REQUEST = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers() | st.text(max_size=5), "method": METHODS},
    optional={"params": TOOL | FORMS | ENVELOPED},
)
LINES = st.one_of(
    REQUEST.map(json.dumps),
    SILENT.map(json.dumps),
    MESSAGE.map(json.dumps),
    st.lists(MESSAGE, max_size=2).map(json.dumps),
    VALUE.map(json.dumps),
    st.text(max_size=20),
    REQUEST.map(lambda m: json.dumps(m)[:-3]),
    st.sampled_from(
        [
            "[" * 10_000,
            '{"a":' * 10_000,
            "9" * 5_000,
            '{"jsonrpc":"2.0","id":%s,"method":"ping"}' % ("9" * 5000),
        ]
    ),
).map(lambda text: text.encode("utf-8", "surrogatepass").replace(b"\n", b" "))


# --- headers ---

REQUESTS = st.tuples(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "X\0"]),
    PATHS,
    st.lists(st.tuples(FIELDS.map(str.encode), VALUES).map(b"=".join), max_size=3).map(b"&".join) | VALUES,
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.booleans(),
    ASKED.map(json.dumps) | LINES.map(bytes.decode),
)


async def _asked(app, drawn) -> Reply:
    method, path, query, headers, usual, body = drawn
    given = [name for name, _ in headers]
    headers += [each for each in (HOST, *JSON) if usual and each[0] not in given]
    return await call(app, method, path, query, headers, body.encode("utf-8", "surrogatepass"))


def check_requests(server, requests, caplog) -> None:
    logging.getLogger("lior_serve").propagate = True

    async def main() -> None:
        async with application(server) as app:
            for drawn in requests:
                reply = await _asked(app, drawn)
                assert 200 <= reply.status < 500, (drawn, reply)
                assert reply.headers[b"x-content-type-options"] == b"nosniff"
                if reply.headers.get(b"content-type") == b"application/json" and reply.body:
                    json.loads(reply.body)

    with caplog.at_level(logging.ERROR):
        anyio.run(main)
    assert not caplog.records  # a defect is logged


HOSTS = b"localhost 127.0.0.1:1 [::1]:8 LOCALHOST:9".split()
OTHER_HOSTS = b"evil.example evil.example:80 127.0.0.1.evil.example localhost. [::2] x@localhost".split()
OTHER_HOSTS += b"localhost:80@evil [ ] [localhost] localhost:x localhost/ localhost:80:80".split()
OTHER_HOSTS += [b"", b"localhost\xff", b" localhost", b"localhost,evil"]
ORIGINS = [b"http://localhost", b"https://LOCALHOST"]
OTHER_ORIGINS = b"http://evil.example null file:// http://127.0.0.1 http://[ http://localhost:1".split()
OTHER_ORIGINS += b"http://x@localhost http://localhost/ localhost http:localhost ftp://localhost".split()
OTHER_ORIGINS += [b"", b"\xff", b"http://localhost, http://evil"]


def test_who_asks_is_known_by_the_whole_header(server):
    """The name of a page of others may lead to this machine (DNS rebinding)."""

    async def status(*headers: tuple[bytes, bytes]) -> int:
        async with application(server) as app:
            return (await call(app, "GET", "/api/state", headers=headers)).status

    for hosts, expected in ((HOSTS, 200), (OTHER_HOSTS, 421)):
        for host in hosts:
            assert anyio.run(status, (b"host", host)) == expected, host
    for origins, expected in ((ORIGINS, 200), (OTHER_ORIGINS, 403)):
        for origin in origins:
            assert anyio.run(status, HOST, (b"origin", origin)) == expected, origin


# --- messages ---


def expected(lines: list[bytes]) -> Counter:
    """The ids of the replies to lines."""
    found: Counter = Counter()
    for line in filter(bytes.strip, lines):
        if told := refusal(line):
            found[json.dumps(told["id"])] += 1
        elif {"id", "method"} <= (message := json.loads(line)).keys():
            found[json.dumps(message["id"])] += 1
    return found


def check_lines(server, lines: list[bytes], _: object) -> None:
    replies = [json.loads(line) for line in talk(server, b"\n".join(lines))]
    numbers = Counter(json.dumps(each["id"]) for each in replies)
    assert numbers == (wanted := expected(lines)), (wanted - numbers, numbers - wanted)
    for each in replies:
        assert ("result" in each) != ("error" in each)
        if error := each.get("error"):
            assert -32768 <= error["code"] <= -32000, each
            assert error["code"] != -32603, each  # a defect
            assert error["message"]
            assert "\n" not in error["message"]


BEGUN = [json.dumps(BEGIN).encode()]


def check_posted(server, lines: list[bytes], _: object) -> None:
    async def main() -> None:
        async with application(server) as app:
            for line in lines:
                modern = [(b"mcp-protocol-version", b"2026-07-28")] * (b"2026-07-28" in line)
                reply = await call(app, "POST", "/mcp", headers=(HOST, *JSON, *modern), body=line)
                if told := refusal(line):
                    assert (reply.status, json.loads(reply.body)) == (400, told)
                elif modern and b'"id"' in line:
                    assert reply.status in (200, 400, 404), (line, reply)
                    assert json.loads(reply.body)["id"] == json.loads(line)["id"]
                elif {"id", "method"} <= (message := json.loads(line)).keys():
                    assert reply.status == 200, (line, reply)
                    assert json.loads(reply.body)["id"] == message["id"]
                else:
                    assert (reply.status, reply.body) == (202, b""), (line, reply)

    anyio.run(main)


MANY_LINES = st.lists(LINES, min_size=AT_ONCE, max_size=AT_ONCE)
ASKED_AT_ONCE = {
    "headers": (check_requests, st.lists(REQUESTS, min_size=AT_ONCE, max_size=AT_ONCE)),
    "lines": (check_lines, st.builds(lambda lines, begun: BEGUN * begun + lines, MANY_LINES, st.booleans())),
    "bodies": (check_posted, MANY_LINES),
}
"""How an example is checked, and what it is drawn from."""


@FEW
@pytest.mark.parametrize("kind", ASKED_AT_ONCE)
@given(data=st.data())
def test_anything_is_answered(server, caplog, kind, data):
    check, drawn = ASKED_AT_ONCE[kind]
    check(server, data.draw(drawn), caplog)


def test_a_line_that_is_too_long_is_refused_and_the_next_one_read(folder):
    server = open_server(Settings(paths=(folder,), limits=Limits(body=1000)))
    ping = json.dumps(message("ping", _meta={"x": ""}))
    fits = ping.replace('""', f'"{"x" * (999 - len(ping))}"')
    try:
        lines = [b"x" * 5000, fits.encode(), b"", b"y" * 999, b"z" * 1001, fits.encode() + b" " * 2]
        replies = [json.loads(line) for line in talk(server, b"\n".join(lines))]
    finally:
        server.close(60)
    told = [(each["id"], each.get("error", {}).get("code")) for each in replies]
    assert Counter(told) == Counter([(None, -32600)] * 3 + [(None, -32700), (1, None)])
    assert "1,000 bytes" in replies[0]["error"]["message"]


@pytest.mark.slow
def test_a_line_of_100_megabytes_takes_no_memory(folder):
    command = [sys.executable, "-m", "lior_cli.main", "mcp", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as agent:

        def ask(line: bytes) -> tuple[int, int]:
            """The error of the reply, and the most memory until then in KiB."""
            agent.stdin.write(line + b"\n")
            agent.stdin.flush()
            error = json.loads(agent.stdout.readline())["error"]["code"]
            status = Path(f"/proc/{agent.pid}/status").read_text()
            return error, int(re.search(r"VmHWM:\s+(\d+)", status)[1])

        assert (before := ask(b"{"))[0] == -32700
        assert (after := ask(b"x" * 100_000_000))[0] == -32600
        assert after[1] - before[1] < 40_000
        agent.stdin.close()
        assert agent.wait(20) == 0
        assert agent.stderr.read() == b""


def test_what_is_no_message_has_a_reply_with_its_number_where_there_is_one(server):
    told = {
        b"[" * 10_000: (None, -32700),
        b"\xff": (None, -32700),
        b'{"jsonrpc":"2.0","id":1': (None, -32700),
        b"[]": (None, -32600),
        b'{"id":2,"method":"ping"}': (2, -32600),
        b'{"jsonrpc":"2.0","id":"3"}': ("3", -32600),
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}': (None, -32600),
        b'{"jsonrpc":"2.0","id":4,"method":5,"result":{}}': (4, -32600),
        b'{"jsonrpc":"2.0","id":true,"method":"ping"}': (None, -32600),
        b'{"jsonrpc":"2.0","id":5,"method":"ping","params":[]}': (5, -32600),
        b'{"jsonrpc":"2.0","id":6,"method":"initialize","params":{}}': (6, -32602),
        b'{"jsonrpc":"2.0","id":7,"method":"prompts/get","params":{"name":"x"}}': (7, -32602),
        b'{"jsonrpc":"2.0","id":8,"method":"nothing"}': (8, -32601),
    }
    replies = [json.loads(line) for line in talk(server, b"\n".join([*BEGUN, b"", b" ", *told]))]
    assert Counter((each["id"], each.get("error", {}).get("code")) for each in replies) == Counter(
        [*told.values(), ("begun", None)]
    )
    [missing] = [each["error"]["message"] for each in replies if each["id"] == 6]
    assert missing.startswith("params.")
    assert missing.endswith(": is missing")


def test_requests_before_the_end_of_the_input_are_answered(server):
    asked = {"name": "ask", "arguments": {"question": "When is the boiler serviced?"}}
    lines = [json.dumps(message("tools/call", number, **asked)).encode() for number in range(20)]
    replies = [json.loads(line) for line in talk(server, b"\n".join([*BEGUN, *lines]))]
    answers = {each["id"]: each["result"]["structuredContent"]["answer"]["text"] for each in replies[1:]}
    assert answers == dict.fromkeys(range(20), "The boiler is serviced in October.")
