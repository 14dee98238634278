"""`lior serve --with`: a real model server on this machine words the answers, and fails in its ways."""

from __future__ import annotations

import json

import pytest
from ask.test_endpoint import server  # noqa: F401 (a fixture)

from lior_ask.conversation.endpoint import Endpoint
from lior_serve.limits import Limits
from serve.servers import running

QUESTION = "When is the boiler serviced?"


@pytest.fixture
def served(folder, server):  # noqa: F811
    with running(
        folder, endpoint=Endpoint(server.url, "small", timeout=0.3), limits=Limits(replies=1)
    ) as found:
        yield found


def composed(served, question=QUESTION, history=()):
    with served.client as client:
        form = {"question": question, "history": list(history)}
        reply = client.post("/api/compose", json=form)
        assert reply.headers["content-type"].startswith("text/event-stream"), reply.text
        *parts, end, _ = reply.text.split("\n\n")
    assert end == "data: [DONE]"
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def test_pieces_come_and_the_whole_is_checked(served, server):  # noqa: F811
    server.streams("It is ", '"in October" [1], ', '"in the shed" [9].')
    first, *pieces, last = composed(served)
    assert first["answer"]["answer"]["text"] == "The boiler is serviced in October."
    assert [(each["number"], each["document"]) for each in first["sources"]][:1] == [(1, "house.md")]
    assert [each["text"] for each in pieces] == ["It is ", '"in October" [1], ', '"in the shed" [9].']
    assert last["reply"]["cited"] == [1]
    assert last["reply"]["wrong"] == 2
    assert last["reply"]["unfounded"] == ['"in the shed"', "[9]"]
    assert '"in the shed" (not in the passages)' in last["reply"]["text"]
    assert "boiler is serviced" in server.requests[0][2]["messages"][-1]["content"]


def test_a_follow_up_is_handed_over_with_its_subject(served, server):  # noqa: F811
    server.says("In May [1].")
    first, *_ = composed(served, "and the car?", [QUESTION])
    assert first["answer"]["answer"]["text"] == "The car is serviced in May."
    assert "(about: boiler, serviced)" in server.requests[0][2]["messages"][-1]["content"]


def test_a_task_gets_the_document_that_it_names(served, server):  # noqa: F811
    server.says("Two dates [1].")
    *_, last = composed(served, "please summarise the house notes")
    assert last["reply"]["cited"] == [1]
    asked = server.requests[0][2]["messages"][-1]["content"]
    assert "serviced in October" in asked
    assert "serviced in May" in asked
    assert "balloon" not in asked


def test_what_needs_no_model_is_not_sent(served, server):  # noqa: F811
    for message in ("hello", "write a poem about love", "thanks!"):
        [first] = composed(served, message)
        assert first["answer"]["said"], message
        assert "--with" not in first["answer"]["said"], message
        assert first["sources"] == [], message
        assert server.requests == [], message


def test_a_fault_is_one_line_behind_the_answer(served, server, monkeypatch):  # noqa: F811
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    for fault in ("late", "refused", "garbage", "broken off"):
        server.status = 200
        server.may_reply.set()
        if fault == "refused":
            server.status, server.body = 401, b'{"error": {"message": "wrong key sk-secret"}}'
        elif fault == "late":
            server.may_reply.clear()
        elif fault == "garbage":
            server.body = b"<html>"
        else:
            server.streams("It is", end=False)
        first, *_, last = composed(served)
        assert first["answer"]["found"], fault
        message = last["error"]["message"]
        assert message.startswith("the language model: "), fault
        assert "\n" not in message, fault
        assert "sk-secret" not in message, fault
        assert server.url not in message, fault


def test_a_slow_model_holds_no_question_up(served, server):  # noqa: F811
    server.may_reply.clear()
    with served.client as client, client.stream("POST", "/api/compose", json={"question": QUESTION}) as slow:
        lines = slow.iter_lines()
        assert next(lines).startswith("data: ")
        assert client.post("/api/ask", json={"question": QUESTION}).json()["found"]
        assert composed(served)[-1]["error"]["code"] == "busy"
    server.may_reply.set()


def test_without_a_model_there_is_no_such_address(of_folder):
    refused = of_folder.post("/api/compose", json={"question": QUESTION})
    assert (refused.status_code, "--with URL MODEL" in refused.text) == (404, True)
    assert of_folder.get("/api/state").json()["composer"] == ""
