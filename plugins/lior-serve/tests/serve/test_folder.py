"""A folder that was never trained on: what is served of it, and that changes of its files show."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import threading
from email.message import EmailMessage
from importlib.util import find_spec
from pathlib import Path

import anyio
import attrs
import pytest
from mcp.client.client import Client

from lior.events import hookimpl
from lior.plugins import listening
from lior_ask import Index
from lior_ask.watching import _seen
from lior_serve.documents import document_lines, passage_lines
from lior_serve.folder import FolderSource
from serve.calling import BEGIN
from serve.servers import TEXTS, running

QUESTION = "When is the boiler serviced?"
NEEDS_A_MODEL = ("/v1/completions", "/tokenize", "/api/why", "/api/score", "/api/sync")


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the folder, to be changed."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture
def source(copy, monkeypatch):
    """A copy of the folder that is served, looked at for every question, as where watchfiles is missing."""
    monkeypatch.setattr("lior_serve.folder.find_spec", lambda name: None)
    monkeypatch.setattr("lior_serve.folder.INTERVAL", 0.0)
    return FolderSource([copy])


def test_the_answer_and_its_lines(of_folder):
    found = of_folder.post("/api/ask", json={"question": QUESTION, "lines": True, "state": True}).json()
    assert (found["answer"]["document"], found["answer"]["line"]) == ("house.md", 3)
    assert found["shown"]["mark"] == {"line": 3, "end_line": 3, "column": 1, "end_column": 35}
    assert found["state"]["documents"] == len(TEXTS)
    assert found["state"]["model"] is False
    listed = of_folder.get("/api/documents", params={"search": "house"}).json()["documents"]
    assert [(each["name"], each["bytes"]) for each in listed] == [("house.md", len(TEXTS["house.md"]))]
    assert "passages" in of_folder.get("/metrics").text


def test_suggested_questions_are_answered(of_folder):
    questions = of_folder.get("/api/suggestions").json()["questions"]
    assert "What do I know about House?" in questions
    for question in questions:
        found = of_folder.post("/api/ask", json={"question": question}).json()
        assert found["found"], question
        assert found["confidence"] >= 0.9, question


def test_filters_of_a_request(of_folder):
    def ask(**given):
        return of_folder.post("/api/ask", json={"question": QUESTION} | given)

    assert ask(path="house.md", kind="note").json()["found"]
    assert not ask(path="house.md", before="2001").json()["passages"]
    assert ask(after="soon").status_code == 400
    assert "is no date with a year" in ask(after="soon").json()["error"]["message"]


def test_a_chat_says_what_is_no_passage(of_folder):
    def said(*messages):
        given = {"messages": [{"role": "user", "content": message} for message in messages]}
        message = of_folder.post("/v1/chat/completions", json=given).json()["choices"][0]["message"]
        return message["content"], message["citations"]

    assert said(QUESTION, "thanks!") == ("You are welcome.", [])
    text, cited = said("how many files are there?")
    assert text.startswith(f"{len(TEXTS)} files")
    assert len(cited) == len(TEXTS)
    text, cited = said(QUESTION, "thanks!", "and its insurance?")
    assert text.startswith("Nothing in the documents")


def test_an_answer_has_one_shape(folder, serves_folder, of_folder, command, monkeypatch, tmp_path):
    """Of the command, JSON, MCP and chats."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told = json.loads(command("ask", folder, QUESTION, "--json").out)
    assert of_folder.post("/api/ask", json={"question": QUESTION}).json() == told
    given = {"messages": [{"role": "user", "content": QUESTION}]}
    message = of_folder.post("/v1/chat/completions", json=given).json()["choices"][0]["message"]
    assert message["answer"].keys() == told.keys()
    assert message["citations"] == [message["answer"]["answer"]] == [told["answer"]]

    async def main():
        async with Client(f"{serves_folder.url}/mcp") as client:
            found = await client.call_tool("ask", {"question": QUESTION})
            assert found.structured_content == told

    anyio.run(main)


def test_a_follow_up_inherits_the_subject_of_its_history(of_folder):
    form = {"question": "And the car?", "history": [QUESTION], "lines": True, "top": 2}
    found = of_folder.post("/api/ask", json=form).json()
    assert found["inherited"] == ["boiler", "serviced"]
    assert found["shown"]["mark"]["line"] == found["answer"]["line"] == 5
    block = found["block"]
    assert block["text"][block["begin"] : block["end"]] == found["answer"]["text"]
    assert "boiler" in block["text"]
    other = {"question": "And of group 3?", "history": ["Where is the meeting of group 2?"], "top": 2}
    assert len(of_folder.post("/api/ask", json=other).json()["passages"]) == 2
    reply = of_folder.post("/api/ask", json=form | {"history": ["x"] * 9})
    assert (reply.status_code, reply.json()["error"]["message"][:8]) == (400, "history:")


def test_the_requests_of_the_how_to_page_are_answered_as_it_shows(copy):
    page = (Path(__file__).parents[4] / "plugins" / "lior-serve" / "docs" / "howto-serve.md").read_text()
    blocks = re.findall(
        r"curl -s http://[\w.:]+(/\S+) -H .*?-d '(.*?)'\n```\n\n```json\n(.*?)```", page, re.DOTALL
    )
    assert [path for path, _, _ in blocks] == ["/api/ask", "/api/confirm"]
    with running(copy) as live, live.client as client:
        for path, given, reply in blocks:
            found, expected = client.post(path, json=json.loads(given)).json(), json.loads(reply)
            assert {name: found[name] for name in expected} == expected


def test_what_was_confirmed_answers_the_question_until_it_is_taken_back(copy):
    """It is kept in the index alone; no file is changed."""
    asked, history = {"question": "And its overhaul?"}, ["When is the car serviced?"]
    passage = {"document": "house.md", "line": 3, "text": "The boiler is serviced in October."}
    before = {path: path.read_bytes() for path in copy.iterdir()}
    with running(copy) as live, live.client as client:

        def confirm(good, **other):
            form = asked | {"history": history, "passage": passage, "good": good} | other
            return client.post("/api/confirm", json=form)

        assert confirm(False).json()["changed"] is False
        told = {"question": "And its overhaul? serviced", "good": True, "changed": True}
        assert confirm(True).json() == told
        assert confirm(True).json()["changed"] is False
        found = client.post("/api/ask", json={"question": "When is the overhaul?"}).json()
        assert found["answer"]["text"] == passage["text"]
        assert confirm(False).json()["changed"] is True
        assert not client.post("/api/ask", json={"question": "When is the overhaul?"}).json()["found"]
        gone = confirm(True, passage=passage | {"text": "The boiler is blue."})
        assert (gone.status_code, "ask again" in gone.text) == (400, True)
        assert confirm(True, passage={}).status_code == 400
    assert {path: path.read_bytes() for path in copy.iterdir()} == before


def test_several_folders_are_collections(folder, tmp_path):
    """Asked together, or one as the filter `path`, and as a model of its name in OpenAI's protocol."""
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "boiler.txt").write_text("The boiler is serviced by Mr. Olsen, said Ada.\n")
    with running(folder, tmp_path / "mail") as live, live.client as client:
        assert client.get("/api/state").json()["collections"] == [
            {"name": "notes", "documents": len(TEXTS)},
            {"name": "mail", "documents": 1},
        ]

        def asked(**fields):
            found = client.post("/api/ask", json={"question": "Who services the boiler?", **fields}).json()
            return {each["document"].split("/")[0] for each in found["passages"]}

        assert asked() == {"notes", "mail"}
        assert asked(path="mail") == {"mail"}
        assert client.post("/api/ask", json={"question": QUESTION, "path": "films"}).status_code == 400
        names = [each["id"] for each in client.get("/v1/models").json()["data"]]
        assert names == ["notes+mail", "notes", "mail"]
        given = {"model": "mail", "messages": [{"role": "user", "content": QUESTION}]}
        reply = client.post("/v1/chat/completions", json=given).json()
        assert reply["model"] == "mail"
        cited = reply["choices"][0]["message"]["citations"]
        assert {each["document"] for each in cited} == {"mail/boiler.txt"}
        reply = client.post("/v1/responses", json={"model": "gpt-4o", "input": QUESTION}).json()
        assert reply["model"] == "notes+mail"
        assert reply["citations"][0]["document"] == "notes/house.md"
        assert "<option>mail</option></datalist>" in client.get("/").text


def test_nothing_that_needs_a_model_is_offered(of_folder):
    api = of_folder.get("/openapi.json").json()
    for path in NEEDS_A_MODEL:
        reply = of_folder.post(path, json={})
        assert reply.status_code == 404
        assert ("no language model" in reply.text) == (path != "/api/sync")
        assert path not in api["paths"]
    for reply in (of_folder.put("/api/document?name=x", content=b"x"), of_folder.delete("/api/document")):
        assert reply.status_code == 405
        assert "change the files of the folder instead" in reply.json()["error"]["message"]
    page = of_folder.get("/").text
    assert "<mark>" in of_folder.get("/", params={"q": QUESTION}).text
    assert not any(part in page for part in ('id="continue"', 'id="surprise"', 'id="drop"', "model -->"))


def test_changes_of_files_show_at_the_next_question(copy, source):
    (copy / "house.md").write_text("The boiler is serviced in June.\n")
    (copy / "plan.txt").unlink()
    assert source.current.number == 1
    source.refresh()
    version = source.current
    assert version.ask(QUESTION, 3).answer.text == "The boiler is serviced in June."
    assert version.number == 2
    assert version.names == set(TEXTS) - {"plan.txt"}
    source.refresh()
    assert source.current is version  # nothing has changed


@pytest.fixture
def reads(monkeypatch):
    """Released after each time that files were looked at."""
    done, update = threading.Semaphore(0), Index.update

    def counted(index):
        try:
            return update(index)
        finally:
            done.release()

    monkeypatch.setattr(Index, "update", counted)
    return done


def test_files_that_are_watched_are_read_when_they_change_and_not_for_questions(copy, reads, monkeypatch):
    told = queue.SimpleQueue()
    monkeypatch.setattr("lior_serve.folder.find_spec", lambda name: True)
    monkeypatch.setattr("lior_serve.folder.watch_changes", lambda *_, **__: iter(told.get, None))
    monkeypatch.setattr("lior_serve.folder.INTERVAL", 0.0)
    source = FolderSource([copy])
    assert reads.acquire(blocking=False), "it was opened"
    source.refresh()
    assert reads.acquire(blocking=False), "not watched yet"
    for _ in range(2):  # after the first it is watched
        told.put(True)
        assert reads.acquire(timeout=60)
    (copy / "house.md").write_text("The boiler is serviced in June.\n")
    source.refresh()
    assert not reads.acquire(blocking=False)
    told.put(True)
    assert reads.acquire(timeout=60)
    told.put(None)  # it cannot be watched any more
    source._thread.join(60)
    assert source.current.ask(QUESTION, 3).answer.text == "The boiler is serviced in June."
    source.refresh()
    assert reads.acquire(blocking=False)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError(r'Unable to decode path "/n/\xE9.txt" to string'), "the name of a file is not UTF-8"),
        (RuntimeError("error: No space left on device (os error 28)"), "fs.inotify.max_user_watches"),
        (RuntimeError("unknown"), "the file system does not report changes"),
        (PermissionError(13, "Permission denied", "/secret"), "Permission denied"),
    ],
)
def test_the_log_says_in_words_why_files_are_not_watched(copy, monkeypatch, caplog, error, told):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("lior_serve.folder.find_spec", lambda name: True)
    monkeypatch.setattr("lior_serve.folder.watch_changes", fails)
    FolderSource([copy])._thread.join(60)
    [line] = [record.getMessage() for record in caplog.records if "cannot be watched" in record.getMessage()]
    assert told in line
    assert "/" not in line


@pytest.mark.skipif(find_spec("watchfiles") is None, reason="watchfiles is not installed")
def test_the_file_system_tells_of_changes(copy, reads):
    source = FolderSource([copy])
    for _ in range(2):  # opened; the watch begins
        assert reads.acquire(timeout=60)
    (copy / "house.md").write_text("The boiler is serviced in June.\n")
    assert reads.acquire(timeout=60)
    assert source.close(60)
    assert source.current.ask(QUESTION, 3).answer.text == "The boiler is serviced in June."


def test_changes_in_folders_that_are_left_out_are_not_told(tmp_path):
    seen = _seen([tmp_path, tmp_path / ".notes"])
    left_out = [".git/index", "deep/node_modules/c.js", ".notes/.x/f"]
    names = ["a.md", "deep/b.md", ".bashrc", ".notes/e.md", *left_out]
    assert [name for name in names if not seen(None, str(tmp_path / name))] == left_out


def test_a_folder_that_is_away_is_served_as_it_was(copy, source):
    copy.rename(copy.with_name("away"))
    source.refresh()
    assert source.current.ask(QUESTION, 3).found
    assert source.close(60)


def test_lines_are_those_of_the_file(copy):
    """As an editor shows them at the line that an answer names."""
    for name, data, shown in (
        ("old.txt", "Le café ouvre à huit heures.\n".encode("latin-1"), "Le café ouvre"),
        (
            "page.html",
            b"<html>\n<body>\n<p>Doors open at nine.</p>\n</body>\n</html>\n",
            "<p>Doors open at nine",
        ),
        (
            "mail.mbox",
            b"From a@b Thu Jan  1 00:00:00 2026\nSubject: Keys\nFrom: a@b\n\nThe key hangs there.\n",
            "The key hangs there.",
        ),
    ):
        (copy / name).write_bytes(data)
        version = FolderSource([copy]).current
        passage = next(p for p, _ in version.ask(shown.removeprefix("<p>"), 9).passages if name in p.document)
        assert version.file_of(passage.document) == name, name
        lines = b"\n".join(version.text(name)).decode().split("\n")
        assert shown in lines[passage.line - 1], name


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_an_encoded_mail_is_shown_decoded_with_the_passage_marked(copy, encoding):
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["Date"] = "Clés", "ada@b.example", "Mon, 08 Jan 2024 09:12:00 +0100"
    wanted = "Le double des clés du hangar est chez la boulangère du port de pêche."
    mail.set_content(f"Bonjour à tous,\n\nÀ savoir. {wanted} Merci à Zoé.\n", cte=encoding)
    (copy / "mail.eml").write_bytes(bytes(mail))
    version = FolderSource([copy]).current
    passage = next(p for p, _ in version.ask("Où est le double des clés ?", 9).passages if wanted in p.text)
    shown = passage_lines(version, passage)
    mark, line = shown["mark"], shown["lines"][passage.line - shown["first"]]
    assert mark["line"] == mark["end_line"] == passage.line
    assert line[mark["column"] - 1 : mark["end_column"] - 1] == passage.text
    read = document_lines(version, "mail.eml", 1, 50)["lines"]
    assert "Subject: Clés" in read
    assert read[passage.line - 1] == line


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("", "", 3),
        ("new\n" * 30, "", 33),
        ("The boiler is serviced in October, or not.\n" * 2, "", 5),
        ("", "And once more: The boiler is serviced in October.\n" * 9, 3),
    ],
)
def test_a_passage_is_marked_where_it_is_now(copy, before, after, line):
    version = FolderSource([copy]).current
    passage = version.ask("When is the boiler serviced?", 3).answer
    file = copy / passage.document
    file.write_text(before + file.read_text("utf-8") + after, "utf-8")
    shown = passage_lines(version, passage)
    mark = shown["mark"]
    assert (mark["line"], mark["end_line"]) == (line, line)
    text = shown["lines"][line - shown["first"]]
    assert text[mark["column"] - 1 : mark["end_column"] - 1] == passage.text


def test_of_a_file_that_became_short_the_last_lines_are_shown(copy):
    version = FolderSource([copy]).current
    passage = attrs.evolve(version.ask("When is the boiler serviced?", 3).answer, line=999)
    (copy / passage.document).write_text("# House\n\nSold.\n", "utf-8")
    shown = passage_lines(version, passage)
    assert (shown["lines"], shown["mark"]) == (["# House", "", "Sold."], {"line": 3, "end_line": 3})


def test_an_answer_is_given_though_its_document_is_gone(copy):
    question = "When is the boiler serviced?"
    with running(copy) as live, live.client as client:
        client.post("/api/ask", json={"question": question})
        shutil.move(copy, copy.with_name("away"))
        reply = client.post("/api/ask", json={"question": question, "lines": True}).json()
        assert (reply["answer"]["text"], reply["shown"]) == ("The boiler is serviced in October.", None)
        assert "The boiler is serviced in October." in client.get("/", params={"q": question}).text
        page = client.get("/document", params={"name": reply["answer"]["document"]})
        assert (page.status_code, "cannot be read now" in page.text) == (400, True)
        assert page.text.startswith("<!doctype html>")


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["numba"] = None  # importing them raises
from lior_cli.main import main
code = main(sys.argv[1:])
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("args", "out"),
    [
        (("chat", "."), "The boiler is serviced in October."),
        (("mcp", "."), '"protocolVersion"'),
        (("serve", ".", "--port", "0"), "at http://127.0.0.1:"),
    ],
)
def test_without_torch(tmp_path, args, out):
    (tmp_path / "house.md").write_text(TEXTS["house.md"])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(
        [sys.executable, "-c", WITHOUT_TORCH, *args], **pipes, text=True, cwd=tmp_path
    ) as child:
        if args[0] == "serve":
            told = child.stdout.readline()
            child.kill()
        else:
            told = child.communicate(f"{json.dumps(BEGIN) if args[0] == 'mcp' else QUESTION}\n", 60)[0]
        assert out in told


@pytest.fixture
def told(monkeypatch):
    """What a listener was told of documents."""
    found = []

    class Listens:
        @hookimpl
        def lior_documents_changed(self, run, learned, forgotten):
            found.append((run, [*learned], [*forgotten]))

    monkeypatch.setattr(listening, "installed", lambda: (listening.Guarded(Listens(), "listens"),))
    return found


def test_it_tells_of_files_that_change(told, copy, source):
    (copy / "b.txt").write_text("The ladder is in the shed.\n")
    source.refresh()
    (copy / "b.txt").unlink()
    source.refresh()
    source.close(1)
    assert told == [(None, ["b.txt"], []), (None, [], ["b.txt"])]
