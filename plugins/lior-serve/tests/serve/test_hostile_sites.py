"""A real browser at hostile sites and documents: nothing is changed, read or run by them."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from serve.browser import Browser

SCRIPT = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>"
NAMES = (
    f"{SCRIPT}.md",
    '"onmouseover="window.ran=3" autofocus onfocus="window.ran=4.md',
    "javascript:window.ran=5.md",
    "</title><script>window.ran=6</script>.md",
)
TEXT = f"""# {SCRIPT}

The zeppelin {SCRIPT} [lands](javascript:window.ran=7) in "Essen' onload='window.ran=8' </li></mark>{SCRIPT}.
"""
ATTEMPTS = """const [url, done] = arguments, found = {};
const body = JSON.stringify({question: "When is the launch of the balloon?"});
const attempts = {
  read: () => fetch(url + "/api/state"),
  ask: () => fetch(url + "/api/ask", {method: "POST", body, headers: {"Content-Type": "application/json"}}),
  put: () => fetch(url + "/api/document?name=evil.txt", {method: "PUT", body}),
  delete: () => fetch(url + "/api/document?name=plan.txt", {method: "DELETE"}),
};
Promise.all(Object.entries(attempts).map(([name, attempt]) =>
  attempt().then((reply) => { found[name] = reply.status; }, () => { found[name] = "blocked"; })
)).then(() => Promise.all(["/api/document?name=evil.txt", "/api/sync", "/api/confirm"].map((path) =>
  fetch(url + path, {method: "POST", mode: "no-cors", body}).catch(() => 0)
))).then(() => done(found));"""
"""What a page of another site may try; what it could read of it."""
FORM = """<form method="post" enctype="text/plain" target="frame" action="{url}{path}">
<input name='{{"question": "balloon", "good": true, "x": "' value='"}}'></form><iframe name="frame"></iframe>
<img src="{url}/?q=balloon"><script src="{url}/api/state"></script>"""


@contextlib.contextmanager
def site(page):
    """The port of a web site with one page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def browser(chromium, editable):
    yield Browser(chromium, editable.url)
    chromium.get("about:blank")  # before the server is gone


@pytest.mark.parametrize("path", ["/api/document?name=evil.txt", "/api/ask", "/api/sync", "/api/confirm"])
def test_a_page_of_another_site_changes_and_reads_nothing(browser, editable, path):
    """Requests with a form, as of a form, with and without a preflight (CSRF)."""
    with site(FORM.format(url=editable.url, path=path)) as port:
        browser.driver.get(f"http://evil.example:{port}/")
        browser("document.forms[0].submit()")
        found = browser.driver.execute_async_script(ATTEMPTS, editable.url)
    assert found == dict.fromkeys(("read", "ask", "put", "delete"), "blocked")
    with editable.client as client:
        assert client.get("/api/document", params={"name": "plan.txt"}).status_code == 200
        assert client.get("/api/document", params={"name": "evil.txt"}).status_code == 404
    assert editable.server.version.number == 1


def test_a_name_that_leads_to_this_machine_is_none_of_the_server(browser, editable):
    """The page of another name has this server's address (DNS rebinding)."""
    url = f"http://evil.example:{editable.port}"
    browser.driver.get(f"{url}/")
    assert "balloon" not in browser("return document.documentElement.textContent")
    found = browser.driver.execute_async_script(ATTEMPTS, url)
    assert found == dict.fromkeys(("read", "ask", "put", "delete"), 421)
    assert editable.server.version.number == 1


@pytest.mark.parametrize("name", NAMES)
def test_documents_and_names_run_no_script(browser, editable, name):
    with editable.client as client:
        assert client.put("/api/document", params={"name": name}, content=TEXT).status_code == 200
        listed = [each["name"] for each in client.get("/api/documents?count=60").json()["documents"]]
        assert name in listed
    browser.driver.get_log("browser")
    ran = "return window.ran ?? 0"
    browser.open("/documents")
    assert browser(ran) == 0
    browser.open("/")
    browser.ask("Where does the zeppelin land?")
    assert name in browser.text(".turn")
    assert browser(ran) == 0
    link = browser("return [...document.querySelectorAll('.turn a')].map((each) => each.href)")
    assert link
    assert not [each for each in link if each.startswith("javascript")]
    for address in link:
        browser.driver.get(address)
        assert browser(ran) == 0
        assert SCRIPT in browser.text("body")
    assert not browser.faults(), "nothing was refused by the policy, since nothing was tried"


def test_what_is_hostile_is_answered_and_the_rest_found(editable):
    """Uploads of files that mean harm: learned or refused in one line, and the server goes on."""
    files = pytest.importorskip("lior_bench.attack.files")
    cases = files.every_case()
    chosen = (
        "overlap.zip",
        "laughs.docx",
        "stolen.docx",
        "loop.pdf",
        "again.epub",
        "far.xlsx",
        "front-date.md",
    )
    with editable.client as client:
        for name in (*chosen, "square.png", "depth.eml"):
            data = cases[name].make()
            reply = client.put("/api/document", params={"name": name}, content=data, timeout=120)
            assert reply.status_code in (200, 400, 413, 415), (name, reply.text)
            if reply.status_code != 200:
                message = reply.json()["error"]["message"]
                assert message.isprintable(), name
            assert "root:" not in json.dumps(client.get("/api/document", params={"name": name}).json())
            asked = client.post(
                "/api/ask", json={"question": "When is the launch of the balloon?"}, timeout=60
            )
            assert "fourth of May" in asked.json()["answer"]["text"], name
