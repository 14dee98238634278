"""A file may have any name that its system allows; what is shown of it is valid and leads back to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lior.files import in_line, original, printable
from lior.reading.finding import find_files
from lior_serve.cli.serving import open_server
from lior_serve.limits import Settings
from serve.calling import HOST, JSON, application, call, message

_PIECES = (
    b"\n",
    b"\r",
    b"\t",
    b"\xff",
    b"caf\xe9",
    b"\x1b[2J",
    b"\x9b",
    b"\xc2\x9b",
    "\u202e".encode(),
    b"\xed\xa0\x80",
    "\u2028".encode(),
    b"\\",
    b"\\u0041",
    b"\\udce9",
    b"\\xe9",
    b"\\x41",
    b"\\u005c",
    b"%E9",
    b"%",
    b"<b>&amp;",
    b'"',
    b"'",
    b"#",
    b"?",
    b"*",
    b"[a]",
    b" ",
    b"..",
    "é\u200d😀".encode(),
    b"\x01",
    b"\x7f",
)
NAMES = st.lists(
    st.one_of(st.sampled_from(_PIECES), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6
).map(lambda parts: b"n" + b"".join(parts).replace(b"/", b"").replace(b"\0", b"")[:80] + b".txt")
"""Of files that are read, as bytes."""
NASTY = [b"n" + part + b".txt" for part in _PIECES]
WORDS = ["harbour", "lantern", "gardener", "violin", "compass", "orchard", "glacier", "teapot", "saddle"]
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


def sentence(number: int) -> str:
    """A sentence that no other file has."""
    return f"The {WORDS[number % len(WORDS)]} number {number} stands in room {1000 + number}."


def filled(folder: Path, names: list[bytes]) -> dict[str, str]:
    """Files of these names in a folder; what each is shown as, with its text."""
    for number, name in enumerate(names):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(sentence(number))
    return {printable(os.fsdecode(name)): sentence(number) for number, name in enumerate(names)}


@given(st.binary(max_size=60))
@example(b"\\u0041\\u005c\\udce9\\xe9\xe9\n")
def test_a_name_is_shown_in_a_line_and_leads_back(name):
    path = os.fsdecode(name)
    shown = printable(path)
    assert os.fsencode(original(shown)) == name
    assert not CONTROL.search(shown)
    assert shown.encode().decode() == shown  # no surrogates
    assert in_line(shown) == shown


def test_a_byte_is_shown_as_on_a_shell():
    assert printable(os.fsdecode(b"fus\xe9es.txt")) == r"fus\xe9es.txt"


@given(st.lists(st.text(max_size=12), unique=True))
def test_no_two_names_are_shown_alike(names):
    assert len({printable(name) for name in names}) == len(names)


class Page(HTMLParser):
    """The links of a page and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.links = "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


async def _over_http(app, texts: dict[str, str]) -> None:
    """Every route with a name in it."""

    async def got(path: str, **given) -> str:
        reply = await call(app, "GET", path, urlencode(given).encode())
        assert reply.status == 200, (path, given, reply)
        return reply.body.decode()

    async def posted(path: str, given: object) -> dict:
        reply = await call(app, "POST", path, headers=(HOST, *JSON), body=json.dumps(given).encode())
        assert reply.status == 200, (path, given, reply)
        return json.loads(reply.body)

    async def tool(name: str, **given) -> dict:
        told = await posted("/mcp", message("tools/call", name=name, arguments=given))
        assert "structuredContent" in told["result"], told
        return told["result"]["structuredContent"]

    listed = json.loads(await got("/api/documents", count=1000))["documents"]
    assert {each["name"] for each in listed} == texts.keys()
    assert {each["name"] for each in (await tool("docs", count=1000))["documents"]} == texts.keys()
    page = Page(await got("/documents", count=1000))
    links = {link for link in page.links if link.startswith("/document?")}
    told = await posted("/mcp", message("resources/list"))
    resources = {each["name"]: each["uri"] for each in told["result"]["resources"]}
    for name, text in texts.items():
        assert json.loads(await got("/api/document", name=name))["lines"] == [text]
        assert (await tool("get", document=name))["lines"] == [text]
        assert f"/document?{urlencode({'name': name, 'line': 1})}" in links
        assert text in Page(await got("/document", name=name)).text
        read = await posted("/mcp", message("resources/read", uri=resources[name]))
        assert read["result"]["contents"][0]["text"] == text
    for name, text in list(texts.items())[:3]:
        number = re.findall(r"\d+", text)[-1]
        asked = {"question": f"What stands in room {number}?"}
        answer = (await posted("/api/ask", asked | {"lines": True}))["answer"]
        assert (answer["document"], answer["text"]) == (name, text)
        shown = {key: answer[key] for key in ("document", "line", "text")}
        assert (await posted("/api/show", shown))["name"] == name
        assert (await posted("/api/ask", asked | {"path": name}))["answer"] == answer
        assert (await tool("ask", **asked))["answer"]["document"] == name
        assert name in Page(await got("/", q=asked["question"])).text
        chat = {"messages": [{"role": "user", "content": asked["question"]}]}
        said = (await posted("/v1/chat/completions", chat))["choices"][0]["message"]
        assert said["answer"]["answer"]["document"] == name


def check_served(names: list[bytes]) -> None:
    with tempfile.TemporaryDirectory(suffix=os.fsdecode(b" caf\xe9")) as place:
        texts = filled(Path(place), names)
        server = open_server(Settings(paths=(Path(place),)))
        try:

            async def main() -> None:
                async with application(server) as app:
                    await _over_http(app, texts)

            anyio.run(main)
            for source in find_files([place])[0]:  # what it is called leads to the file
                assert (Path(place) / original(source.name)).read_text() == texts[source.name]
        finally:
            server.close(60)


def test_names_that_are_hard_are_served():
    check_served(NASTY)


@settings(max_examples=3)
@given(st.lists(NAMES, min_size=3, max_size=8, unique=True))
def test_any_names_are_served(names):
    check_served(names)


def test_a_command_prints_lines_and_json_that_lead_to_the_file(tmp_path):
    name = b"a\n\xff\x1b[2J\xe2\x80\xae\\u0041.txt"
    folder = os.fsencode(tmp_path / "notes")
    (tmp_path / "notes").mkdir()
    [(shown, text)] = filled(Path(os.fsdecode(folder)), [name]).items()

    def ask(*words: str | bytes) -> str:
        program = [sys.executable, "-m", "lior_cli.main", "ask"]
        line = [*program, *words, "What stands in room 1000?", "--no-cache"]
        return subprocess.run(line, stdout=subprocess.PIPE, cwd=tmp_path, check=True).stdout.decode()

    answer = json.loads(ask("notes", "--json"))["answer"]
    assert (answer["document"], answer["text"]) == (shown, text)
    with Path(os.fsdecode(folder), original(answer["document"])).open() as file:
        assert file.read() == text
    lines = ask("notes").splitlines()
    assert lines[1].startswith(f"notes/{shown}:1  (")
    for where in ((f"notes/{shown}",), ("notes", "--in", name), ("notes", "--in", shown)):
        assert json.loads(ask(*where, "--json"))["answer"]["text"] == text
