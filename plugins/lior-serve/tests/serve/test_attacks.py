"""Each attack is tried and refused; what is allowed beside it goes through."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import socket
import struct
import zipfile

import pytest

from lior.errors import UsageError
from lior_serve.cli.serving import open_server
from lior_serve.limits import Limits, Settings
from serve.servers import PLAN, running

ASK = {"question": "When is the launch of the balloon?"}
CONFIRM = ASK | {"good": True, "passage": {"document": "plan.txt", "line": 1, "text": PLAN.strip()}}
TOKEN = "a-token-of-many-letters"


def ask(client, **headers):
    return client.post("/api/ask", json=ASK, headers=headers)


# --- other sites, through the browser of the user ---


def test_two_host_names_are_refused(live):
    with socket.create_connection(("127.0.0.1", live.port)) as client:
        client.sendall(b"GET /api/state HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert client.recv(100).split()[1] in (b"400", b"421")


def test_a_request_of_the_page_is_served(live, http):
    reply = ask(http, Origin=live.url, **{"Sec-Fetch-Site": "same-origin"})
    assert reply.status_code == 200
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_a_preflight_is_not_granted(http):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}
    reply = http.options("/api/document?name=x", headers=headers)
    assert reply.status_code == 403
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_a_picture_or_frame_of_another_site_is_refused_and_a_link_followed(http):
    there = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert http.get("/?q=balloon", headers=there).status_code == 403
    framed = there | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert http.get("/?q=balloon", headers=framed).status_code == 403
    link = there | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert http.get("/", headers=link).status_code == 200


def test_a_form_cannot_ask_nor_confirm(http):
    """A form of another site is sent without a preflight, so none of its types is read."""
    for path in ("/api/ask", "/api/confirm"):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            reply = http.post(path, content=json.dumps(ASK), headers={"Content-Type": kind})
            assert reply.status_code == 415, path


# --- strangers ---


def test_another_address_needs_a_token(trained):
    with pytest.raises(UsageError, match="token"):
        open_server(Settings(paths=(trained,), host="0.0.0.0"))
    with pytest.raises(UsageError, match="at least 16 are needed"):
        open_server(Settings(paths=(trained,), token="short"))


def test_who_has_no_token_is_refused(trained):
    with running(trained, token=TOKEN) as live, live.client as client:
        kinds = f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Digest {TOKEN}", "Basic %%", "Bearer é"
        for wrong in ("", "Bearer", *kinds):
            reply = client.post("/api/ask", json=ASK, headers={"Authorization": wrong.encode()})
            assert reply.status_code == 401, wrong
            assert "WWW-Authenticate" in reply.headers
        for path in ("/", "/metrics", "/docs", "/openapi.json", "/mcp", "/static/page.js", "/v1/models"):
            assert client.get(path).status_code == 401, path
        assert client.get("/healthz").text == "ok\n"
        assert ask(client, Authorization=f"Bearer {TOKEN}").status_code == 200
        basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
        assert ask(client, Authorization=f"Basic {basic}").status_code == 200


# --- changing what is only to be read ---


def test_nothing_is_changed_without_leave(http, live):
    for method, path in (
        ("PUT", "/api/document?name=new.txt"),
        ("DELETE", "/api/document?name=plan.txt"),
        ("POST", "/api/sync"),
        ("POST", "/api/confirm"),
    ):
        body = {"json": CONFIRM} if path == "/api/confirm" else {"content": b"text"}
        reply = http.request(method, path, **body)
        assert reply.status_code == 403, path
        assert reply.json()["error"]["code"] == "read_only", path
        assert live.server.version.number == 1, path


def test_a_document_is_replaced_only_where_the_address_says_so(editable):
    with editable.client as client:
        for more, status in (("", 200), ("", 409), ("&replace=true", 200)):
            reply = client.put(f"/api/document?name=new.txt{more}", content=b"A new text.")
            assert reply.status_code == status
            assert ("add &replace=true to the address" in reply.text) == (status == 409)


def test_files_of_the_server_are_not_learned(editable, tmp_path):
    """Only what is uploaded is learned; a name is a name, whatever it looks like."""
    secret = tmp_path / "secret.txt"
    secret.write_text("The password is swordfish.")
    with editable.client as client:
        reply = client.put("/api/document", params={"name": str(secret)}, content=b"Nothing much.")
        assert reply.status_code == 200
        reply = client.put("/api/document", params={"name": "../../secret.txt"}, content=b"Nothing else.")
        assert reply.status_code == 200
        assert client.post("/api/sync").status_code == 403
        found = client.get("/api/document", params={"name": str(secret)}).json()
    assert found["lines"] == ["Nothing much."]
    assert secret.read_text() == "The password is swordfish."


def test_no_file_is_read_by_its_path(http):
    for name in ("../run/config.toml", "/etc/passwd", "plan.txt/../../x", "static/../page.py"):
        assert http.get("/api/document", params={"name": name}).status_code == 404, name
        assert http.get("/document", params={"name": name}).status_code == 404, name
        assert http.get(f"/static/{name}").status_code == 404, name


def test_a_name_with_control_characters_is_refused(editable):
    with editable.client as client:
        for name in ("a\nb", "a\0b", "\x1b[31m", "", "x" * 501):
            assert client.put("/api/document", params={"name": name}, content=b"text").status_code == 400


# --- too much ---


def test_a_body_that_is_too_large_is_refused(trained):
    limits = Limits(body=2000, upload=4000)
    with running(trained, limits=limits) as live, live.client as client:
        assert client.post("/api/score", json={"text": "x" * 3000}).status_code == 413
        chunks = (b"x" * 500 for _ in range(20))
        assert client.put("/api/document?name=x", content=chunks).status_code in (403, 413)
        assert (
            client.post(
                "/api/ask",
                content=(b" " * 500 for _ in range(9)),
                headers={"Content-Type": "application/json"},
            ).status_code
            == 413
        )
        assert client.post("/mcp", content=b"x" * 3000).status_code == 413
        assert ask(client).status_code == 200


TOO_MUCH = [
    ("/api/ask", {"question": "x" * 100_001}),
    ("/api/ask", {**ASK, "top": 51}),
    ("/api/ask", {**ASK, "top": 0}),
    ("/v1/completions", {"prompt": "a", "max_tokens": 4097}),
    ("/v1/completions", {"prompt": "a", "n": 17}),
    ("/v1/completions", {"prompt": ["a"] * 17}),
    ("/v1/completions", {"prompt": "a", "logprobs": 21}),
    ("/v1/completions", {"prompt": [10**9]}),
    ("/v1/completions", {"prompt": [-1]}),
    ("/api/why", {"text": "x" * 4097}),
    ("/v1/chat/completions", {"messages": []}),
    ("/v1/completions", {"prompt": "a", "temperature": float("nan")}),
]
NO_QUESTION = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"[" * 100_000,
    b'{"question": "\\ud800"}',
    b'{"question": 1e999}',
    b'{"question": "a", "question": 5}',
    b"\xff\xfe",
    b'{"question": NaN}',
    b'{"question": "a", "path": "/etc/passwd"}',
]


def test_what_is_too_much_or_no_question_is_refused_before_it_is_done(http):
    for path, body in (
        *((path, json.dumps(given).encode()) for path, given in TOO_MUCH),
        *(("/api/ask", body) for body in NO_QUESTION),
    ):
        reply = http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code == 400, body
        assert reply.json()["error"]["message"], body


def test_an_archive_that_unpacks_without_end_is_refused(copied):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", "<a>" + " " * 5_000_000 + "</a>")
    import gzip

    with running(copied, editable=True, limits=Limits(upload=100_000)) as live, live.client as client:
        bomb = gzip.compress(b"boom " * 1_000_000)
        assert len(bomb) < 100_000
        assert client.put("/api/document?name=x.txt.gz", content=bomb).status_code == 400
        assert client.put("/api/document?name=x.odt", content=packed.getvalue()).status_code in (400, 415)
        assert live.server.version.number == 1


HALF = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


def test_a_head_or_body_that_never_ends_is_not_waited_for(trained):
    """A connection without a whole head is closed, without an answer."""
    for begin, told in (
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b""),
        (b"POST /api/ask HTTP/1.1\r\n" + HALF, b"HTTP/1.1 408"),
    ):
        with (
            running(trained, limits=Limits(read_timeout=0.3)) as live,
            socket.create_connection(("127.0.0.1", live.port), timeout=5) as client,
        ):
            client.sendall(begin)
            assert client.recv(12) == told, begin


def test_limits_of_completions(trained):
    for limit, given, status in (
        ({"prompt": 100}, {"prompt": "x" * 101}, 413),
        ({"streams": 2}, {"prompt": "a", "n": 3}, 429),
        ({"requests": 0}, {"prompt": "a"}, 503),
        ({"completion_seconds": 0.2}, {"prompt": "a"}, 200),
    ):
        with running(trained, limits=Limits(**limit)) as live, live.client as client:
            reply = client.post("/v1/completions", json=given | {"max_tokens": 4096})
            assert reply.status_code == status, reply.text
            assert ("Retry-After" in reply.headers) == (status in (429, 503)), given
            if status == 200:  # it ended in time
                assert reply.json()["usage"]["completion_tokens"] < 4096, given
            assert client.get("/healthz").status_code == 200, given


# --- what answers and logs tell ---


def test_answers_name_no_path_and_no_code(http, trained):
    for reply in (
        http.get("/api/nothing"),
        http.get("/static/x"),
        http.post("/api/ask", json={"question": "the"}),
        http.get("/v1/models/x"),
        http.request("TRACE", "/"),
        http.get("/api/ask"),
        http.get("/api/state"),
        http.get("/metrics"),
        http.get("/docs"),
        http.post("/api/score", json={"text": ""}),
    ):
        assert str(trained.parent) not in reply.text
        assert "Traceback" not in reply.text
        assert ".py" not in reply.text.replace("page.py", "")


def test_a_defect_is_told_without_its_message(trained, monkeypatch):
    with running(trained) as live, live.client as client:
        monkeypatch.setattr("lior_serve.rest.answer_record", lambda *_: 1 / 0)
        reply = ask(client)
        assert reply.status_code == 500
        assert "zero" not in reply.text


def test_documents_are_never_markup(http):
    for path in (
        "/?q=picture+hall",
        "/document?name=evil.md",
        "/documents?search=evil",
        "/?q=%3Cscript%3Ealert(3)%3C/script%3E+hall",
    ):
        text = http.get(path).text
        assert "<img src=x" not in text
        assert not re.search(r"<script(?! src=\"/static/)", text)
    assert "&lt;img src=x" in http.get("/document?name=evil.md").text


def test_every_answer_has_the_headers_that_bind_a_browser(http):
    for path in ("/", "/api/state", "/nothing", "/static/page.js", "/docs", "/healthz"):
        headers = http.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "Server" not in headers


def test_the_page_has_no_script_or_style_of_its_own(http):
    for path in ("/", "/?q=balloon", "/documents", "/docs"):
        text = http.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
        assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/page.js" type="module">']
        assert not re.search(r"https?://", text.replace("http://www.w3.org", ""))  # nothing from the network


def test_logs_and_metrics_have_no_word_of_the_user(copied, caplog):
    log = logging.getLogger("lior_serve")
    log.propagate = True
    with (
        caplog.at_level(logging.DEBUG),
        running(copied, editable=True, logged=True) as live,
        live.client as client,
    ):
        client.post("/api/ask", json={"question": "Where is the xylophone?"})
        client.get("/?q=xylophone")
        client.put("/api/document?name=xylophone.txt", content=b"The xylophone is blue.")
        client.put("/api/document?name=xylophone.txt", content=b"\0\1\2" * 100)
        client.post("/v1/completions", json={"prompt": "xylophone", "max_tokens": 2})
        client.post("/v1/nothing/xylophone")
        told = client.get("/metrics").text + "".join(
            f"{record.getMessage()} {getattr(record, 'fields', '')}"
            for record in caplog.records
            if record.name.startswith(("lior", "uvicorn", "mcp", "starlette"))
        )
    assert "xylophone" not in told
    assert "/api/ask" in told


def test_numbers_for_prometheus_are_well_formed(http):
    ask(http)
    text = http.get("/metrics").text
    line = re.compile(r'(# TYPE \w+ (counter|gauge|histogram)|\w+(\{(\w+="[^"\n]*",?)+\})? [0-9.e+-]+)')
    assert all(line.fullmatch(each) for each in text.splitlines())
    assert 'route="/api/ask"' in text


@pytest.mark.parametrize("how", ["left", "reset", "half open"])
def test_a_client_that_goes_away_is_no_defect(editable, caplog, how):
    logging.getLogger("lior_serve").propagate = True
    long = json.dumps({"prompt": "The ", "max_tokens": 4000, "stream": True}).encode()
    sent = {
        "/api/ask": json.dumps(ASK).encode(),
        "/v1/completions": long,
        "/mcp": b'{"jsonrpc": "2.0"}',
        "/v1/chat/completions": b'{"messages": [{"role": "user", "content": "balloon"}], "stream": true}',
        "/api/document?name=x.txt": b"half of it",
    }
    with caplog.at_level(logging.INFO), editable.client as client:
        for path, body in sent.items():
            for missing in (100, 0):
                head = f"{'PUT' if 'document' in path else 'POST'} {path} HTTP/1.1\r\nHost: localhost\r\n"
                head += f"Content-Type: application/json\r\nContent-Length: {len(body) + missing}\r\n\r\n"
                with socket.create_connection(("127.0.0.1", editable.port), timeout=20) as gone:
                    gone.sendall(head.encode() + body)
                    if not missing:
                        gone.recv(1)
                    if how == "reset":
                        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    elif how == "half open":
                        gone.shutdown(socket.SHUT_WR)
        while "\nlior_requests_active 1\n" not in (text := client.get("/metrics").text):
            assert "requests_active" in text
    ours = [each for each in caplog.records if each.name.startswith(("lior", "uvicorn", "starlette"))]
    assert not [each for each in ours if each.levelno > logging.INFO]
