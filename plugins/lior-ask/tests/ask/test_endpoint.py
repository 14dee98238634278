"""A real server on this machine: what is sent, what is checked, and every way in which it fails."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lior.errors import EndpointError, UsageError
from lior.interfaces import Passage
from lior_ask.conversation.endpoint import Endpoint, check_reply
from tests.work import finish

PASSAGES = [
    Passage(document="notes/house.md", line=6, text="To reset it, hold the red button\nfor five seconds."),
    Passage(document="keys.eml", line=5, text="The spare key is with the neighbour, Mr. Olsen."),
]


class Server(ThreadingHTTPServer):
    """Answers each request with ``status`` and ``body``, not before ``may_reply``; keeps what was sent.

    Every thread ends with :meth:`close`, and an error in one fails the test there: printed by a thread that
    goes on, it would stand in the output of another test.
    """

    daemon_threads = False  # so that server_close waits for them

    def __init__(self):
        self.status, self.body = 200, b""
        self.refuses_to_stream = False
        self.may_reply = threading.Event()
        self.may_reply.set()
        self.requests, self.errors = [], []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def handle_error(self, request, client_address):
        error = sys.exception()
        if not isinstance(error, ConnectionError):  # a client that did not wait
            self.errors.append(error)

    def says(self, text):
        self.body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()

    def streams(self, *pieces, end=True):
        events = [{"choices": [{"delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
        data = [b"data: " + json.dumps(event).encode() for event in events]
        self.body = b"\n\n".join([b": waiting", *data, *([b"data: [DONE]", b""] if end else [])])

    def close(self):
        self.may_reply.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
        assert self.errors == []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(data)
        self.server.requests.append((self.path, dict(self.headers), body))
        self.server.may_reply.wait()
        refused = self.server.refuses_to_stream and body["stream"]
        self.send_response(400 if refused else self.server.status)
        if 300 <= self.server.status < 400:
            self.send_header("Location", self.server.url)
        self.end_headers()
        self.wfile.write(b'{"error": "no stream here"}' if refused else self.server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = Server()
    yield made
    made.close()


def test_question_and_passages_are_handed_over(server):
    server.says('Hold "the red button for five seconds" [1].')
    reply = Endpoint(server.url, "small").reply("How do I reset it?", PASSAGES)
    assert (reply.text, reply.cited, reply.wrong) == ('Hold "the red button for five seconds" [1].', (1,), 0)
    [(path, headers, body)] = server.requests
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert body["model"] == "small"
    sent = body["messages"][-1]["content"]
    assert sent.endswith("Question: How do I reset it?")
    assert "[1] notes/house.md:6\nTo reset it" in sent
    assert "[2] keys.eml:5\nThe spare" in sent


def test_a_reply_comes_in_pieces(server):
    server.streams("Hold ", '"the red button" [1].')
    assert [*Endpoint(server.url, "small").pieces("?", PASSAGES)] == ["Hold ", '"the red button" [1].']
    assert server.requests[0][2]["stream"] is True
    server.streams("Hold ", end=False)
    with pytest.raises(EndpointError, match="broke the reply off before its end"):
        Endpoint(server.url, "small").reply("?", PASSAGES)
    server.body = (
        b'data: {"choices": [{"delta": {"content": "Ho"}}]}\n\ndata: {"error": {"message": "full"}}\n'
    )
    with pytest.raises(EndpointError, match=r"broke the reply off \(full\)"):
        Endpoint(server.url, "small").reply("?", PASSAGES)


def test_a_server_that_refuses_to_stream_is_asked_without(server):
    server.says("Yes [1].")
    server.refuses_to_stream = True
    assert Endpoint(server.url, "small").reply("?", PASSAGES).text == "Yes [1]."
    assert [body["stream"] for _, _, body in server.requests] == [True, False]


def test_the_key_is_sent_if_it_is_set(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.says("Yes [1].")
    Endpoint(f"{server.url}/chat/completions", "m").reply("?", PASSAGES)
    assert server.requests[0][0] == "/v1/chat/completions"
    assert server.requests[0][1]["Authorization"] == "Bearer secret"


def test_what_is_not_in_the_passages_is_marked():
    for said, marked in (
        ('"hold the blue button" [1]', '"hold the blue button" (not in the passages) [1]'),
        ('"Hold the red button," it says [1]', None),
        ('"To reset it ... five seconds" [1]', None),
        ('"five seconds ... reset it" [1]', '"five seconds ... reset it" (not in the passages) [1]'),
        ('"pare key" [2]', '"pare key" (not in the passages) [2]'),
        ("“The spare key” [1, 2]", None),
        ("„with the neighbour“ [2]", None),
        ("so it is [3]", "so it is [3] (no such passage)"),
        ("so it is [1, 7]", "so it is [1, 7] (no such passage)"),
        ("see house.md:6 and keys.eml:5", None),
        ("see house.md:7", "see house.md:7 (not a passage given)"),
        ("see use.md:6", "see use.md:6 (not a passage given)"),
        ("at 10:30, in 5.5:1", None),
        ('"" and ". . ." [1]', None),
    ):
        reply = check_reply(said, PASSAGES)
        assert reply.text == (marked or said), said
        assert reply.wrong == (0 if marked is None else 1), said


def test_a_long_reply_is_checked():
    code = (
        "from lior_ask.conversation.endpoint import check_reply; n = 2000;"
        """print(len(check_reply('"' * n + "[1" * n + "“„«" * n + "a.b:" * n + "x" * n, ()).text))"""
    )
    assert int(finish(code)) > 2000 * (1 + 2 + 3 + 4 + 1)


def test_a_fault_of_the_server_is_one_line(server):
    for status, body, message in (
        (404, b'{"error": {"message": "no model small"}}', r"refused with 404 Not Found \(no model small\)"),
        (500, b"<html>", "refused with 500 .*; check the address and the model 'small'"),
        (302, b"", "refused with 302"),
        (401, b'{"error": "key"}', r"refused with 401 Unauthorized \(key\)"),
        (200, b"<html>", "no reply of the form choices"),
        (200, b"{}", "no reply of the form choices"),
        (200, b'{"choices": []}', "no reply of the form choices"),
        (200, b'{"choices": [{"message": {"content": null}}]}', "no reply of the form choices"),
        (200, b"[" * 100_000, "no reply of the form choices"),
        (200, b" " * (5 << 20), "larger than"),
    ):
        server.status, server.body = status, body
        with pytest.raises(EndpointError, match=message) as raised:
            Endpoint(server.url, "small").reply("?", PASSAGES)
        assert "\n" not in str(raised.value), message
        assert server.url in str(raised.value), message


def test_a_server_that_does_not_answer_is_given_up(server):
    server.may_reply.clear()
    with pytest.raises(EndpointError, match=r"no reply within 0.2 s"):
        Endpoint(server.url, "small", timeout=0.2).reply("?", PASSAGES)


def test_no_server_at_all(server):
    server.close()
    with pytest.raises(EndpointError, match=r"cannot be reached \(.*refused.*is the server running"):
        Endpoint(server.url, "small").reply("?", PASSAGES)


def test_an_address_is_http():
    for url in ("file:///etc/passwd", "localhost:11434", "http://", "", "http://[", "ftp://a/b"):
        with pytest.raises(UsageError, match="not an address"):
            Endpoint(url, "small")
