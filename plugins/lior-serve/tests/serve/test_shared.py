"""Several servers on one index in PostgreSQL answer as one."""

from __future__ import annotations

import httpx
import pytest
from postgres import server

from serve.servers import PLAN, TEXTS, running

LATER = PLAN.replace("fourth of May", "ninth of June")
LAUNCH = "When is the launch of the balloon?"


@pytest.fixture(scope="module")
def database():
    with server() as found:
        yield found


def ask(server, question, **more):
    reply = httpx.post(f"{server.url}/api/ask", json={"question": question, **more}, timeout=30)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_what_one_server_learns_and_forgets_all_answer_from(database):
    address = f"{database.address}?schema=both"
    with (
        running(index=address, editable=True) as one,
        running(index=address, editable=True) as two,
        one.client as first,
        two.client as second,
    ):
        put = first.put("/api/document", params={"name": "plan.txt"}, content=PLAN)
        assert put.status_code == 200, put.text
        [learned] = put.json()["learned"]
        assert (learned["name"], learned["bytes"]) == ("plan.txt", len(PLAN))
        found = ask(two, LAUNCH)
        assert found["answer"]["text"] == PLAN.strip()
        assert ask(one, LAUNCH) == found
        lines = second.get("/api/document", params={"name": "plan.txt"}).json()["lines"]
        assert lines == PLAN.splitlines()
        again = second.put("/api/document", params={"name": "plan.txt"}, content=LATER)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "exists")
        instead = {"name": "plan.txt", "replace": True}
        assert second.put("/api/document", params=instead, content=LATER).status_code == 200
        assert ask(one, LAUNCH)["answer"]["text"] == LATER.strip()
        gone = first.delete("/api/document", params={"name": "plan.txt"})
        assert gone.json()["forgotten"]["name"] == "plan.txt"
        assert not ask(two, LAUNCH)["found"]
        assert second.get("/api/documents").json()["documents"] == []
        assert second.get("/api/document", params={"name": "plan.txt"}).status_code == 404
        assert second.delete("/api/document", params={"name": "plan.txt"}).status_code == 404


def test_a_folder_is_served_by_those_who_have_it_not(database, folder):
    address = f"{database.address}?schema=folder"
    with (
        running(folder, index=address) as one,
        running(index=address, editable=True) as two,
        one.client as first,
        two.client as second,
    ):
        names = [each["name"] for each in second.get("/api/documents").json()["documents"]]
        assert names == sorted(TEXTS)
        found = ask(two, LAUNCH, lines=True)
        assert found == ask(one, LAUNCH, lines=True)
        assert found["shown"]["lines"] == PLAN.splitlines()
        passage = {key: found["answer"][key] for key in ("document", "line", "column", "text")}
        confirm = {"question": LAUNCH, "passage": passage, "good": True}
        reply = second.post("/api/confirm", json=confirm)
        assert reply.json().get("changed") is True, reply.text
        assert ask(one, LAUNCH)["confidence"] >= found["confidence"]
        refused = second.delete("/api/document", params={"name": "plan.txt"})
        assert (refused.status_code, "is a file of this index" in refused.text) == (400, True)
        assert first.put("/api/document", params={"name": "x.txt"}, content="x").status_code == 403


def test_a_database_that_is_away_is_told_and_found_again(database):
    with running(index=f"{database.address}?schema=away", editable=True) as live, live.client as client:
        assert client.put("/api/document", params={"name": "plan.txt"}, content=PLAN).status_code == 200
        database.stop()
        for reply in (
            client.post("/api/ask", json={"question": LAUNCH}),
            client.put("/api/document", params={"name": "more.txt"}, content=PLAN),
        ):
            assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
            assert "the index cannot be reached now" in reply.text
        database.start()
        assert ask(live, LAUNCH)["found"]
        assert client.put("/api/document", params={"name": "more.txt"}, content=PLAN).status_code == 200
